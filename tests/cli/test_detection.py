"""Detectors on the command line: train, evaluate, predict, and what goes wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

from chainrule import models, train
from chainrule.cli import detection_use
from chainrule.models.detection import recipes
from chainrule.train.detection import Finder
from chainrule.train.run import read_checkpoint

Image = pytest.importorskip("PIL.Image")

FILES = {"model.safetensors", "history.json", "report.html", "settings.json", "checkpoint"}
OPTIONS = ("--input", "3,64,64", "--epochs", "1", "--batch-size", "2", "--glass")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Bright squares on noise, with VOC's XML; one box has no area."""
    folder = tmp_path_factory.mktemp("voc")
    random = np.random.default_rng(0)
    for k in range(5):
        image = random.integers(0, 90, (64, 64 + 8 * k, 3), np.uint8)
        x, y = random.integers(2, 30, 2)
        image[y : y + 20, x : x + 20] = 230
        Image.fromarray(image).save(folder / f"{k}.png")
        thing = "<object><name>square</name><bndbox>{}</bndbox></object>"
        sides = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
        text = thing.format(sides.format(x + 1, y + 1, x + 20, y + 20))
        if k == 3:
            text += thing.format(sides.format(9, 9, 5, 5))
        xml = f"<annotation><filename>{k}.png</filename>{text}</annotation>"
        (folder / f"{k}.xml").write_text(xml)
    return folder


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    from chainrule.cli.main import main

    folder = tmp_path_factory.mktemp("runs") / "squares"
    status = main(["train", "faster-rcnn", "--data", str(pictures), "--out", str(folder), *OPTIONS])
    assert status == 0
    return folder


def test_a_run_writes_its_folder(trained):
    assert {path.name for path in trained.iterdir()} >= FILES
    history = train.History.load(trained / "history.json")
    assert {"loss_objectness", "loss_box_reg", "map_50", "proposals_recall"} <= set(history.keys())
    page = (trained / "report.html").read_text(encoding="utf-8")
    for part in ("Precision over recall", "What it missed", "漏检", "Anchors an object"):
        assert part in page, part
    assert 'id="confusion"' not in page and 'id="missed"' in page


def test_bad_boxes_are_named_and_training_goes_on(cli, pictures, tmp_path):
    result = cli(
        "train", "faster-rcnn", "--data", str(pictures), "--out", str(tmp_path / "r"), *OPTIONS
    )
    assert result.status == 0
    assert "3.png: box 2 (8, 8, 5, 5) has no area: left out." in result.err
    assert "mAP@0.5 " in result.out and "5 images" not in result.err


def test_evaluate(cli, trained, pictures):
    result = cli("evaluate", str(trained), "--data", str(pictures), "--split", "all", "--json")
    assert result.status == 0
    said = json.loads(result.out)
    assert said["images"] == 5 and said["objects"] == 5
    assert {"map", "map_50", "map_50_voc", "recall_small", "recall_medium"} <= set(said)
    assert (trained / "precision-recall.svg").read_text().startswith("<svg")
    shown = cli("evaluate", str(trained), "--lang", "zh")
    assert "召回率" in shown.out and "mAP@[.5:.95]" in shown.out


def test_predict_draws_boxes(cli, trained, pictures, tmp_path):
    image = str(pictures / "4.png")
    result = cli("predict", str(trained), image, "--out", str(tmp_path), "--score", "0", "--json")
    assert result.status == 0
    (row,) = json.loads(result.out)
    with Image.open(tmp_path / "4-boxes.png") as picture:
        assert picture.size[0] / picture.size[1] == pytest.approx(96 / 64)
    assert row["found"] and set(row["found"][0]) == {"class", "score", "box"}
    table = cli("predict", str(trained), image, "--out", str(tmp_path), "--score", "0")
    assert "found; drawn in" in table.out and "square" in table.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--length", "3"), "--length means nothing to faster-rcnn"),
        (("--precision", "bf16"), "--precision means nothing"),
        (("--data", "nowhere"), "nowhere"),
        (("--batch-norm", "thawed"), "thawed"),
        (("--test-side", "8"), "not a whole number from 32 up"),
        (("--resume",), "no checkpoint"),
        (("--input", "3,64,64"), "The images have 1 channels"),
        (("--input", "1,8,8"), "must be an integer ≥ 32"),
    ],
)
def test_refused_in_one_line(cli, tmp_path, arguments, word):
    result = cli("train", "faster-rcnn", "--out", str(tmp_path / "r"), *arguments)
    assert result.status == 2 and word in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists() or not any((tmp_path / "r").iterdir())


def test_other_data_than_it_can_take_are_refused(cli, trained, tmp_path):
    (tmp_path / "a.xml").write_text("<!DOCTYPE x><annotation/>")
    result = cli("evaluate", str(trained), "--data", str(tmp_path))
    assert result.status == 2 and "document type" in result.err
    result = cli("evaluate", str(trained), "--data", "digit-scenes")
    assert result.status == 2 and "1 channels" in result.err
    (tmp_path / "b.png").write_bytes(b"nothing")
    result = cli("predict", str(trained), str(tmp_path / "b.png"))
    assert result.status == 2 and "b.png" in result.err
    (tmp_path / "a.xml").write_text(
        "<annotation><object><name>disc</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
    )
    for name in "ab":
        Image.new("RGB", (20, 20)).save(tmp_path / f"{name}.png")
    result = cli("evaluate", str(trained), "--data", str(tmp_path))
    assert result.status == 2 and "the model knows (square)" in result.err
    result = cli("evaluate", str(trained / "checkpoint"), "--data", str(tmp_path))
    assert result.status == 2 and "does not say of which model" in result.err


def test_a_run_says_how_its_images_are_seen(cli, trained, pictures, tmp_path, monkeypatch):
    run = tmp_path / "run"
    asked = ("--test-side", "96", "--standardise")
    arguments = ("train", "faster-rcnn", "--data", str(pictures), "--out", str(run), *OPTIONS)
    assert cli(*arguments, *asked).status == 0
    settings = json.loads((run / "settings.json").read_text())
    assert settings["test_side"] == 96 and settings["standardise"] is True
    finder = Finder.of(models.load(run))
    assert finder.settings() == {"side": 96, "standardise": True, "views": []}
    assert Finder.of(models.load(trained)).settings()["side"] == 64
    assert "test_side" in (run / "report.html").read_text(encoding="utf-8")
    result = cli(*arguments, "--resume", "--test-side", "64")
    assert result.status == 2 and "test_side = 96, not 64" in result.err

    assert cli("evaluate", str(run), "--json", "--views", "x").json["images"] == 1
    predict = ("predict", str(run), str(pictures / "1.png"), "--out", str(tmp_path), "--json")
    asked = ((), ("--views", "none"), ("--views", "x,xy"), ("--test-side", "64"))
    found = [cli(*predict, "--score", "0", *more).json[0]["found"] for more in asked]
    assert found[0] == found[1] and found[0] not in found[2:] and found[2] != found[3]

    # Images that were learnt from keep the size that they had then.
    sides = []
    measured = detection_use.Evaluation
    monkeypatch.setattr(
        detection_use,
        "Evaluation",
        lambda finder, *a: sides.append(finder.side) or measured(finder, *a),
    )
    for split in ("train", "test", "all"):
        assert cli("evaluate", str(run), "--json", "--split", split).status == 0
    assert cli("evaluate", str(run), "--json", "--split", "train", "--test-side", "80").status == 0
    assert sides == [64, 96, 64, 96, 80]


def test_a_recipe_may_average_paste_and_search_mirror_images(cli, pictures, tmp_path, monkeypatch):
    asked = replace(
        recipes.detection_recipe("faster-rcnn"), average=0.5, hues=40.0, shades=20.0,
        pasted=3, views=("x",),
        network={"detections": 7, "least_score": 0.01},
    )  # fmt: skip
    monkeypatch.setitem(recipes._RECIPES, "faster-rcnn", asked)
    arguments = ("train", "faster-rcnn", "--out", str(tmp_path))
    assert cli(*arguments, "--data", str(pictures), *OPTIONS).status == 0
    model = models.load(tmp_path)
    assert model.config["detections"] == 7 and model.roi_heads.score_thresh == 0.01
    assert Finder.of(model).views == ("x",)
    # The checkpoint has the last weights, the model their average.
    last = read_checkpoint(tmp_path / "checkpoint")["model"]
    name = "detector.roi_heads.box_head.fc6.weight"
    ours = model.state_dict()[name.removeprefix("detector.")].numpy()
    assert ours.shape == last[name].shape and not np.array_equal(ours, last[name].numpy())
    monkeypatch.undo()
    assert cli(*arguments, "--resume").status == 0
    assert cli("evaluate", str(tmp_path), "--json").json["map_50"] == pytest.approx(
        model.info["metrics"]["map_50"]
    )


def test_a_run_goes_on_with_the_recipe_it_began_with(cli, pictures, tmp_path):
    arguments = ["train", "faster-rcnn", "--out", str(tmp_path), "--resume"]
    assert cli(*arguments[:-1], "--data", str(pictures), *OPTIONS).status == 0
    file = tmp_path / "settings.json"
    settings = json.loads(file.read_text())
    # As a run from before there was a recipe in it.
    old = {k: v for k, v in settings.items()
           if k not in ("test_side", "standardise", "recipe")}  # fmt: skip
    for kept, status in ((settings, 0), (old, 0), (settings | {"recipe": {"light": "x"}}, 2)):
        file.write_text(json.dumps(kept))
        result = cli(*arguments)
        assert result.status == status, result.err
    assert "not the settings of a run" in result.err


def test_pictures_of_one_name_do_not_replace_each_other(cli, trained, pictures, tmp_path):
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 30)).save(tmp_path / "more" / "1.png")
    images = (str(pictures / "1.png"), str(tmp_path / "more" / "1.png"))
    result = cli("predict", str(trained), *images, "--out", str(tmp_path))
    assert result.status == 0
    assert (tmp_path / "1-boxes.png").exists() and (tmp_path / "1-2-boxes.png").exists()
    result = cli("predict", str(trained), *images, "--out", str(tmp_path), "--invert")
    assert result.status == 2 and "--invert means nothing to faster-rcnn" in result.err


def test_options_of_detectors_mean_nothing_elsewhere(cli, tmp_path):
    result = cli("train", "linear", "--batch-norm", "frozen", "--out", str(tmp_path / "r"))
    assert result.status == 2 and "--batch-norm means nothing to linear" in result.err
    for option in (("--test-side", "64"), ("--no-standardise",)):
        result = cli("train", "linear", *option, "--out", str(tmp_path / "r"))
        assert result.status == 2 and "means nothing to linear" in result.err


def test_explain_writes_the_page_of_a_picture(cli, pictures, trained, tmp_path):
    page = tmp_path / "why.html"
    shown = cli("explain", str(trained), "--image", str(pictures / "1.png"), "--html", str(page))
    assert shown.status == 0 and str(page) in shown.out
    text = page.read_text(encoding="utf-8")
    assert '"chainrule.detection"' in text and '"name":"1.png"' in text and '"right":true' in text
    assert cli("explain", str(trained), "--image", str(pictures / "1.png")).status == 2
    assert "explained on a picture" in cli("explain", str(trained), "--html", str(page)).err
    assert "is no expression" in cli("explain", str(trained)).err
    assert cli("explain", "lenet", "--image", "1.png", "--html", str(page)).status == 2

"""`chainrule evaluate` and `predict`, and the model that `chainrule.load` gives back."""

import gzip
import json
import shutil
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, models
from chainrule.files import read_file, save_file
from chainrule.models import runs


@pytest.fixture(scope="module")
def right(run_folder, digits):
    """Logits of the run on the test digits, computed beside the command line."""
    model = cr.load(run_folder)
    x = (digits.x / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081)
    return model(cr.tensor(x.astype(np.float32))).detach().numpy().astype(np.float64)


def probabilities(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# ---- evaluate ------------------------------------------------------------------------------------


def test_evaluate_measures_what_numpy_measures(cli, run_folder, right, digits):
    y, called = digits.y, right.argmax(1)
    p = probabilities(right)
    expected = {
        "accuracy": np.mean(called == y),
        "loss": -np.log(p[np.arange(len(y)), y]).mean(),
    }
    hits = np.array([np.sum((called == k) & (y == k)) for k in range(10)])
    precision = hits / np.bincount(called, minlength=10)
    recall = hits / np.bincount(y, minlength=10)
    expected["precision"], expected["recall"] = precision.mean(), recall.mean()
    expected["f1"] = np.mean(2 * precision * recall / (precision + recall))
    numbers = cli("evaluate", run_folder, "--json").json
    assert numbers.pop("examples") == 1000
    assert numbers == pytest.approx(expected, rel=1e-5)
    lines = cli("evaluate", run_folder).out.splitlines()
    assert [line.split()[0] for line in lines] == [*expected, "examples"]
    assert lines[0].split()[1] == f"{expected['accuracy']:.4f}"


def test_evaluate_takes_the_t10k_pair_of_an_idx_folder(cli, run_folder, idx_folder, right, digits):
    called = right[300:400].argmax(1)
    numbers = cli("evaluate", run_folder, "--data", idx_folder, "--json").json
    assert numbers["examples"] == 100
    assert numbers["accuracy"] == pytest.approx(np.mean(called == digits.y[300:400]))
    whole = cli("evaluate", run_folder, "--data", idx_folder, "--split", "train", "--json").json
    assert whole["examples"] == 300


def test_only_the_t10k_pair_is_enough_gzipped_too(cli, run_folder, idx_folder, tmp_path):
    for path in idx_folder.glob("t10k*"):
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    one = cli("evaluate", run_folder, "--data", tmp_path, "--json")
    assert one.json == cli("evaluate", run_folder, "--data", idx_folder, "--json").json


def test_evaluate_on_arrays_tables_and_pictures(cli, run_folder, tmp_path, digits, right):
    image = pytest.importorskip("PIL.Image")
    rows = range(30)
    np.savez(tmp_path / "a.npz", images=digits.x[:30, 0], labels=digits.y[:30])
    np.save(tmp_path / "t.npy", np.column_stack([digits.y[:30], digits.x[:30].reshape(30, -1)]))
    for k in range(10):
        (tmp_path / "pictures" / str(k)).mkdir(parents=True)
    for i in rows:
        image.fromarray(digits.x[i, 0]).save(tmp_path / "pictures" / str(digits.y[i]) / f"{i}.png")
    expected = np.mean(right[:30].argmax(1) == digits.y[:30])
    for source in ("a.npz", "t.npy", "pictures"):
        numbers = cli("evaluate", run_folder, "--data", tmp_path / source, "--json").json
        assert numbers["examples"] == 30 and numbers["accuracy"] == pytest.approx(expected), source


def test_what_cannot_be_evaluated_is_refused(refused, run_folder, idx_folder, tmp_path):
    def says(*arguments):
        return refused("evaluate", *arguments)

    assert "is no run folder: it holds no model.safetensors" in says(idx_folder)
    assert "no such file or folder" in says(run_folder, "--data", tmp_path / "x")
    assert "'test'" in says(run_folder, "--data", make(tmp_path / "a.npz", (5, 28, 28)),
                            "--split", "test")  # fmt: skip
    said = says(run_folder, "--data", make(tmp_path / "b.npz", (5, 20, 20)))
    assert "1×20×20" in said and "1×28×28" in said
    broken = tmp_path / "idx"
    shutil.copytree(idx_folder, broken)
    labels = broken / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    assert "cut off" in says(run_folder, "--data", broken)
    data.write_idx(labels, np.full(100, 11, np.uint8))
    assert "label 11" in says(run_folder, "--data", broken)


def make(path, shape):
    np.savez(path, images=np.zeros(shape, np.uint8), labels=np.arange(shape[0]) % 2)
    return path


# ---- predict -------------------------------------------------------------------------------------


def test_predict_says_class_and_probability(cli, run_folder, right, digits, tmp_path):
    image = pytest.importorskip("PIL.Image")
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        image.fromarray(digits.x[i, 0]).save(paths[-1])
    p = probabilities(right)
    rows = cli("predict", run_folder, *paths, "--top", "3", "--json").json
    for i, row in enumerate(rows):
        best = np.argsort(-p[i])[:3]
        assert row["image"] == str(paths[i]) and row["class"] == str(best[0])
        assert row["probability"] == pytest.approx(p[i].max(), rel=1e-5)
        assert [each["class"] for each in row["top"]] == [str(k) for k in best]
    lines = cli("predict", run_folder, *paths).out.splitlines()
    assert lines == [f"{paths[i]}  {p[i].argmax()} {p[i].max():.4f}" for i in range(3)]


def test_predict_reads_arrays_and_idx_files(cli, run_folder, right, digits, idx_folder, tmp_path):
    best = [str(k) for k in right.argmax(1)]
    x = digits.x
    forms = {
        "one": x[0, 0], "one3": x[0], "many": x[:5, 0], "many4": x[:5],
        "floats": x[:5] / 255.0, "wide": x[:5, 0].astype(np.int64), "big": x[:5].astype("f4"),
    }  # fmt: skip
    for name, array in forms.items():
        np.save(tmp_path / f"{name}.npy", array)
        rows = cli("predict", run_folder, tmp_path / f"{name}.npy", "--json").json
        assert [row["class"] for row in rows] == best[: len(rows)], name
        assert len(rows) == (1 if name.startswith("one") else 5)
    path = idx_folder / "t10k-images-idx3-ubyte"
    rows = cli("predict", run_folder, path, "--json").json
    assert [row["class"] for row in rows] == best[300:400]
    assert rows[7]["image"] == f"{path}[7]"


def test_dark_on_light_is_noticed_and_turned_around(cli, run_folder, right, digits, tmp_path):
    path = tmp_path / "paper.npy"
    np.save(path, 255 - digits.x[0, 0])
    result = cli("predict", run_folder, path)
    assert result.status == 0 and "--invert turns it around" in result.err
    turned = cli("predict", run_folder, path, "--invert", "--json")
    assert turned.err == ""
    assert turned.json[0]["probability"] == pytest.approx(probabilities(right)[0].max(), rel=1e-4)


def test_what_cannot_be_predicted_is_refused(refused, run_folder, tmp_path):
    def says(name, content):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content, allow_pickle=True)
        return refused("predict", run_folder, path)

    assert "has the size 30×30, but the model takes 1×28×28" in says("a.npy", np.zeros((30, 30)))
    assert "has the size 0×28×28" in says("b.npy", np.zeros((0, 28, 28)))
    assert "NaN" in says("c.npy", np.full((28, 28), np.nan))
    assert "pixels go from 0 to 255" in says("d.npy", np.full((28, 28), -3.0))
    assert "complex" in says("e.npy", np.zeros((28, 28), complex))
    assert "object" in says("f.npy", np.array([{}], object))
    assert "give a picture" in says("g.txt", b"hello")
    assert "h.idx" in says("h.idx", b"hello")
    assert "i.npy" in says("i.npy", b"hello")
    assert "no such file" in refused("predict", run_folder, tmp_path / "none.png")
    assert "no such file" in refused("predict", run_folder, tmp_path / "none.jpeg.txt")
    pytest.importorskip("PIL")
    assert "not a readable picture" in says("j.png", b"hello")


def test_pictures_without_pillow_name_the_extra(refused, run_folder, tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    said = refused("predict", run_folder, tmp_path / "a.png")
    assert 'pip install "chainrule[images]"' in said


# ---- chainrule.load ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linear", "mlp", "lenet", "lenet-bn", "resnet20"])
def test_load_gives_the_model_back(tmp_path, name):
    cr.manual_seed(3)
    model = models.build(name, (1, 28, 28), 4)
    model(cr.rand(8, 1, 28, 28))  # moves the statistics of batch norm
    model.eval()
    path = tmp_path / "model.safetensors"
    models.save(path, model, classes=["a", "b", "c", "d"], mean=[0.5], std=[0.25], info={"n": 1})
    again = cr.load(tmp_path)
    assert again.config == model.config and again.classes == ("a", "b", "c", "d")
    assert not again.training and again.info == {"n": 1}
    x = cr.rand(5, 1, 28, 28)
    assert (again(x) == model(x)).all()
    image = np.full((1, 28, 28), 255, np.uint8)
    assert np.allclose(again.transform(image), 2.0)
    assert (cr.load(path)(x) == model(x)).all()


def test_loading_leaves_random_numbers_alone(run_folder):
    cr.manual_seed(7)
    expected = cr.rand(3).tolist()
    cr.manual_seed(7)
    cr.load(run_folder)
    assert cr.rand(3).tolist() == expected


def test_what_is_no_model_file_is_said(tmp_path, run_folder):
    with pytest.raises(FileNotFoundError, match="no such file"):
        cr.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no run folder"):
        cr.load(tmp_path)
    plain = tmp_path / "plain.safetensors"
    cr.save_file({"w": cr.zeros(3)}, plain)
    with pytest.raises(cr.ChainruleError, match="does not say of which model"):
        cr.load(plain)
    with pytest.raises(cr.ChainruleError, match="not made by chainrule.models.build"):
        models.save(plain, cr.nn.Linear(2, 2))
    tensors, metadata = cr.files.read_file(run_folder / "model.safetensors")
    broken = {
        "config": ["{", "[]", json.dumps({"name": "lenet"}), json.dumps({"name": "nope"}),
                   json.dumps({"name": "linear", "classes": 3}), "null"],
        "classes": ["{", "3"],
        "normalization": ["{}", json.dumps({"mean": [0], "std": [0]})],
        "version": ["99", "x"],
    }  # fmt: skip
    for key, values in broken.items():
        for value in values:
            cr.save_file(tensors, plain, metadata | {key: value})
            with pytest.raises(cr.ChainruleError, match="plain.safetensors") as caught:
                cr.load(plain)
            assert "\n" not in str(caught.value), (key, value)
    whole = (run_folder / "model.safetensors").read_bytes()
    for cut in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        plain.write_bytes(whole[:cut])
        with pytest.raises(cr.ChainruleError, match="plain.safetensors"):
            cr.load(plain)


@pytest.mark.parametrize(
    "changed",
    [
        {"info": "null"}, {"info": "[]"}, {"info": "5"}, {"info": '{"data": 5}'},
        {"info": '{"seed": "x"}'}, {"info": '{"input": 7}'}, {"config": "[" * 100_000},
        {"info": '{"tile": [256]}'}, {"info": '{"finding": {"views": 5}}'},
    ],
)  # fmt: skip
def test_a_model_file_of_another_kind_is_refused(refused, run_folder, tmp_path, changed):
    tensors, metadata = read_file(run_folder / "model.safetensors")
    del metadata["sha256"]
    metadata |= changed
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, metadata | {"sha256": runs._digest(tensors, metadata)})
    assert "is damaged or no model" in refused("evaluate", path)

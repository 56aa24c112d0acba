"""Images with boxes from VOC's XML and COCO's JSON: what is read, and what is refused in words."""

import json
import sys

import numpy as np
import pytest

from chainrule.base.errors import DataError, FileFormatError
from chainrule.data.detection import load_detection, open_coco, open_voc, tree_crowns
from chainrule.data.detection.trees import Tiles
from chainrule.data.detection.voc import read_annotation
from chainrule.data.readers.images import MissingExtraError

Image = pytest.importorskip("PIL.Image")


def picture(path, width=40, height=30):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(values).save(path)


def thing(box, name="cat", extra=""):
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{extra}<bndbox>{inner}</bndbox></object>"


def xml(*things, filename="a.png", size=(40, 30)):
    said = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation><filename>{filename}</filename>{said}{''.join(things)}</annotation>"


def voc(folder, **files):
    for name, text in files.items():
        picture(folder / f"{name}.png")
        if text is not None:
            (folder / f"{name}.xml").write_text(text)
    return folder


def test_voc_beside_the_images(tmp_path):
    hard = thing([1, 1, 5, 5], "dog", "<difficult>1</difficult>")
    voc(tmp_path, a=xml(thing([11, 6, 20, 15]), hard), b=None)
    data = open_voc(tmp_path)
    assert data.classes == ("cat", "dog") and len(data) == 2 and data.problems == []
    image, objects = data[0]
    assert image.shape == (3, 30, 40) and data.size(0) == (30, 40)
    # Pixels are counted from 1 and boxes hold their last one.
    np.testing.assert_array_equal(objects.boxes, [[10, 5, 20, 15], [0, 0, 5, 5]])
    assert objects.labels.tolist() == [1, 2] and objects.ignored.tolist() == [False, True]
    assert len(data[1].objects.labels) == 0


def test_voc_with_its_own_folders_and_lists(tmp_path):
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    for name in "abc":
        picture(tmp_path / "JPEGImages" / f"{name}.png")
        text = xml(thing([1, 1, 9, 9]), filename=f"{name}.png")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\nb\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("c 1\n")
    data = load_detection(str(tmp_path))
    assert (len(data.train), len(data.test)) == (2, 1)
    assert data.test.name(0).endswith("c.png")


@pytest.mark.parametrize(
    ("box", "word", "kept"),
    [
        ((1, 1, 0, 9), "no area", 0),
        ((6, 5, 5, 9), "no area", 0),
        ((50, 5, 60, 9), "outside the image of 40×30", 0),
        (("nan", 1, 3, 3), "not finite", 0),
        (("1e999", 1, 3, 3), "not finite", 0),
        (("1e300", 1, "1.1e300", 3), "not finite", 0),
        ((30, 5, 60, 9), "cut off", 1),
    ],
)
def test_bad_boxes_are_named_and_the_rest_stays(tmp_path, box, word, kept):
    voc(tmp_path, a=xml(thing([2, 2, 9, 9]), thing(box)))
    data = open_voc(tmp_path)
    (line,) = data.problems
    assert word in line and "a.png: box 2" in line
    boxes = data[0].objects.boxes
    assert len(boxes) == 1 + kept and (boxes[:, 2] <= 40).all()


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB, "document type"),
        ("<annotation><object>", "broken XML"),
        ("", "broken XML"),
        ("<html></html>", "root is <html>"),
        ("<a>" * 5000, "without end"),
        (xml("<object><name>cat</name></object>"), "no bndbox"),
        (xml(thing(["one", 1, 2, 3])), "which is no number"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "unknown encoding"),
        ('<?xml version="1.0" encoding="utf-7"?><annotation/>', "multi-byte encodings"),
    ],
)
def test_bad_xml_is_named_and_left_out(tmp_path, text, word):
    voc(tmp_path, a=xml(thing([2, 2, 9, 9])), b=text)
    with pytest.raises(FileFormatError, match=word):
        read_annotation(tmp_path / "b.xml")
    data = open_voc(tmp_path)
    assert len(data) == 1 and len(data.problems) == 1
    assert "b.xml" in data.problems[0] and word in data.problems[0]


def test_missing_and_corrupt_images_are_named(tmp_path):
    voc(tmp_path, a=xml(thing([2, 2, 9, 9])), b=xml(thing([2, 2, 9, 9]), filename="b.png"))
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.xml").write_text(xml(filename="../../etc/passwd"))
    problems = "\n".join(open_voc(tmp_path).problems)
    assert "b.png" in problems and "c.xml: there is no image for it" in problems


def test_odd_names_and_numbers_stop_nothing(tmp_path):
    voc(tmp_path, a=xml(thing([2, 2, 9, 9])), b=xml(thing([2, 2, 9, 9]), filename="x" * 5000))
    (tmp_path / "c.xml").mkdir()
    sides = ("²", "9" * 6000)
    for name, side in zip("de", sides, strict=True):
        picture(tmp_path / f"{name}.png")
        text = xml(thing([2, 2, 9, 9]), filename=f"{name}.png", size=(side, side))
        (tmp_path / f"{name}.xml").write_text(text, encoding="utf-8")
    data = open_voc(tmp_path)
    assert len(data) == 4  # b has its image by its own name
    assert len(data.problems) == 1 and "c.xml" in data.problems[0]


def test_names_that_are_listed_and_not_there_are_told(tmp_path):
    for name in ("Annotations", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    for name in "ab":
        picture(tmp_path / f"{name}.png")
        text = xml(thing([1, 1, 9, 9]), filename=f"{name}.png")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\nz\n")
    (tmp_path / "ImageSets/Main/test.txt").write_text("b\n")
    data = load_detection(str(tmp_path))
    assert len(data.train) == len(data.test) == 1
    assert len(data.problems) == 1 and "z.xml: listed for train" in data.problems[0]
    (tmp_path / "ImageSets/Main/test.txt").write_text("y\n")
    with pytest.raises(DataError, match="no image to test on"):
        load_detection(str(tmp_path))


def test_unknown_classes_and_wrong_sizes_are_named(tmp_path):
    voc(tmp_path, a=xml(thing([2, 2, 9, 9]), thing([3, 3, 8, 8], "fish"), size=(7, 7)))
    data = open_voc(tmp_path, classes=("cat",))
    assert len(data[0].objects.labels) == 1
    assert [("7×7" in p, "'fish' is not known" in p) for p in data.problems] == [
        (True, False),
        (False, True),
    ]


def coco(folder, **changes):
    picture(folder / "a.png")
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [{"image_id": 7, "bbox": [10, 5, 10, 10], "category_id": 3}],
        "categories": [{"id": 3, "name": "cat"}],
    }
    (folder / "boxes.json").write_text(json.dumps(content | changes))
    return folder / "boxes.json"


def test_coco(tmp_path):
    crowd = {"image_id": 7, "bbox": [0, 0, 5, 5], "category_id": 3, "iscrowd": 1}
    first = {"image_id": 7, "bbox": [10, 5, 10, 10], "category_id": 3}
    data = open_coco(coco(tmp_path, annotations=[first, crowd]))
    assert data.classes == ("cat",) and data.problems == []
    objects = data[0].objects
    np.testing.assert_array_equal(objects.boxes, [[10, 5, 20, 15], [0, 0, 5, 5]])
    assert objects.ignored.tolist() == [False, True]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"image_id": 7, "bbox": [1, 2, 3], "category_id": 3}, "four numbers"),
        ({"image_id": 7, "bbox": [1, 2, 3, 4], "category_id": 5}, "category 5 is not listed"),
        ({"image_id": 9, "bbox": [1, 2, 3, 4], "category_id": 3}, "image 9, which is not listed"),
        ({"bbox": [1, 2, 3, 4], "category_id": 3}, "names no image"),
        ("text", "names no image"),
        ({"image_id": 7, "bbox": [1, 2, 0, 4], "category_id": 3}, "no area"),
        ({"image_id": 7, "bbox": [1, 2, 10**400, 4], "category_id": 3}, "four numbers"),
        ({"image_id": 7, "bbox": [1e300, 2, 1e300, 4], "category_id": 3}, "not finite"),
    ],
)
def test_bad_annotations_are_named(tmp_path, wrong, word):
    data = open_coco(coco(tmp_path, annotations=[wrong]))
    assert len(data) == 1 and len(data[0].objects.labels) == 0
    assert len(data.problems) == 1 and word in data.problems[0]


def test_images_that_cannot_be_there_or_come_twice_are_named(tmp_path):
    first = {"id": 7, "file_name": "a.png", "width": 40, "height": 30}
    names = ("x" * 5000 + ".png", "\ud800.png", "\0.png")
    odd = [{"id": k, "file_name": name} for k, name in enumerate(names)]
    data = open_coco(coco(tmp_path, images=[first, *odd, first]))
    assert len(data) == 1 and len(data[0].objects.labels) == 1
    assert ["is not there" in p for p in data.problems] == [True, True, True, False]
    assert "has the id 7 of another" in data.problems[3] and len(data.problems[0]) < 400


@pytest.mark.parametrize("text", ["{", "[]", '{"images": 1}', "[" * 100_000])
def test_what_is_not_coco_is_refused(tmp_path, text):
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=r"boxes\.json"):
        open_coco(path)


def test_coco_never_leaves_its_folder(tmp_path):
    picture(tmp_path / "secret.png")
    inner = tmp_path / "in" / "deep"
    inner.mkdir(parents=True)
    images = [{"id": 7, "file_name": "../../secret.png"}, {"id": 8}, "x"]
    data = open_coco(coco(inner, images=images))
    assert len(data) == 0
    assert "is not there" in data.problems[0]
    assert ["no id or no file_name" in p for p in data.problems[1:]] == [True, True]


def test_every_fifth_image_is_held_out(tmp_path):
    voc(tmp_path, **{f"i{k}": xml(thing([2, 2, 9, 9]), filename=f"i{k}.png") for k in range(10)})
    data = load_detection(str(tmp_path))
    assert (len(data.train), len(data.test)) == (8, 2)


def test_sources_that_hold_nothing(tmp_path):
    with pytest.raises(DataError, match="neither XML"):
        load_detection(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        load_detection(str(tmp_path / "none"))
    voc(tmp_path, a=xml(thing([2, 2, 9, 9])))
    with pytest.raises(DataError, match=f"{tmp_path.name}: 1 image is too little"):
        load_detection(str(tmp_path))


def test_tiles_cover_a_large_image(tmp_path):
    picture(tmp_path / "a.png", 100, 70)
    text = xml(thing([1, 1, 10, 10]), thing([90, 60, 99, 69]), size=(100, 70))
    (tmp_path / "a.xml").write_text(text)
    tiles = Tiles(open_voc(tmp_path), 64, 32)
    seen = np.concatenate([tiles[k].objects.boxes for k in range(len(tiles))])
    assert tiles.tiles == [(0, 0, 0), (0, 6, 36)] or len(tiles) >= 2
    assert all(tiles[k].image.shape == (3, 64, 64) for k in range(len(tiles)))
    assert (seen >= 0).all() and (seen <= 64).all()


def test_tree_crowns_say_what_is_missing(tmp_path):
    voc(tmp_path, a=xml(thing([2, 2, 9, 9], "Tree")))
    with pytest.raises(DataError, match="OSBS_029"):
        tree_crowns("test", tmp_path)


def test_without_pillow_no_image_is_blamed(tmp_path, monkeypatch):
    voc(tmp_path, a=xml(thing([1, 1, 9, 9])))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r'pip install "chainrule\[images\]"'):
        open_voc(tmp_path)

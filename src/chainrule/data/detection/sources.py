"""What a user names as data for detection, recognised by its content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from chainrule.base.errors import ChainruleError, DataError
from chainrule.base.text import t
from chainrule.data.detection import trees, voc
from chainrule.data.detection.coco import open_coco, read_json
from chainrule.data.detection.digit_scenes import DigitScenes
from chainrule.data.detection.files import ImageFiles, halves
from chainrule.data.detection.samples import DetectionDataset

DIGIT_SCENES = "digit-scenes"
#: Data by name.
BUILT_IN = (DIGIT_SCENES, trees.PACKAGE)


class DetectionData(NamedTuple):
    """Images to learn from and to test on, and a line for all that was left out."""

    train: DetectionDataset
    test: DetectionDataset
    problems: list[str]


def load_detection(
    source: str,
    classes: tuple[str, ...] | None = None,
    seed: int = 0,
    tile: Sequence[int] = (trees.SIDE, trees.STEP),
) -> DetectionData:
    """Images with boxes: "digit-scenes", "deepforest", a folder of VOC's kind (images and an XML
    file for each), or COCO's JSON, a file or a folder that holds some.

    A source that names its parts (ImageSets/Main/train.txt with test.txt or val.txt;
    instances_train*.json with instances_val*.json, train.json with test.json) is taken at its
    word; of any other, every fifth image is held out for testing.

    Args:
        classes: those to look for, as of a model that has learnt; None: those of the source.
        seed: of the scenes for testing.
        tile: side and step, in pixels, of the tiles that are learnt from in "deepforest".

    Raises DataError or FileFormatError where there is nothing that could be learnt from.
    """
    if source == DIGIT_SCENES:
        return DetectionData(DigitScenes("train"), DigitScenes("test", seed=seed), [])
    if source == trees.PACKAGE and not Path(source).exists():
        side, step = tile
        train, test = trees.tree_crowns("train", None, side, step), trees.tree_crowns("test")
        return DetectionData(train, test, [*train.problems, *test.problems])
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(t("{path}: there is no such file or folder.", path=path))
    opened = _folder(path, classes) if path.is_dir() else _files([path], classes)
    if len(opened) == 1:
        train, test = halves(opened[0], path)
        return DetectionData(train, test, list(opened[0].problems))
    return DetectionData(opened[0], opened[1], [*opened[0].problems, *opened[1].problems])


def _folder(folder: Path, classes: tuple[str, ...] | None) -> list[ImageFiles]:
    """One dataset, or one to learn from and one to test on."""
    if (folder / "Annotations").is_dir() or any(folder.glob("*.xml")):
        parts = voc.parts_of(folder)
        if "train" in parts and len(parts) > 1:
            train = _filled(voc.open_voc(folder, "train", classes), folder)
            return [train, _filled(voc.open_voc(folder, parts[-1], train.classes), folder, True)]
        return [_filled(voc.open_voc(folder, None, classes), folder)]
    lists = _lists(folder)
    if not lists and (folder / "annotations").is_dir():
        lists = _lists(folder / "annotations")
    if not lists:
        raise DataError(
            t(
                "{path} holds neither XML files of VOC's kind nor JSON of COCO's: detection needs "
                "boxes beside the images.",
                path=folder,
            )
        )
    return _files(lists, classes)


def _lists(folder: Path) -> list[Path]:
    """The JSON file or files of boxes: of two or more the one for training, then one to test."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            read_json(path)
        except ChainruleError as error:
            reason = error
            continue
        found.append(path)
    if not found and any(folder.glob("*.json")):
        raise reason
    train = [p for p in found if "train" in p.stem]
    test = [p for p in found if p not in train and ("val" in p.stem or "test" in p.stem)]
    if train and test:
        return [train[0], test[-1]]
    return found[:1]


def _files(paths: list[Path], classes: tuple[str, ...] | None) -> list[ImageFiles]:
    train = _filled(open_coco(paths[0], classes), paths[0])
    return [train, *(_filled(open_coco(p, train.classes), p, True) for p in paths[1:2])]


def _filled(dataset: ImageFiles, source: Path, to_test: bool = False) -> ImageFiles:
    """The dataset, if there is an image in it."""
    if not len(dataset):
        first = f" {dataset.problems[0]}" if dataset.problems else ""
        raise DataError(
            (
                t("{path}: there is no image to test on.", path=source)
                if to_test
                else t("{path}: there is no image to learn from.", path=source)
            )
            + first
        )
    return dataset

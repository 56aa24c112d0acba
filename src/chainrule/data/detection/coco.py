"""Images and boxes listed in one JSON file, as COCO has them.

Source of the format: cocodataset.org, "Data format", object detection.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.errors import DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data.detection.files import ImageFile, ImageFiles, ready

_MOST_BYTES = 1 << 30


def read_json(path: Path) -> dict[str, Any]:
    """The content of a file of COCO's format. Raises FileFormatError for any other."""
    if path.stat().st_size > _MOST_BYTES:
        raise FileFormatError(t("{path} is too large for a list of boxes.", path=path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            t("{path}: broken JSON ({reason}).", path=path, reason=error)
        ) from None
    lists = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in lists):
        raise FileFormatError(
            t("{path}: not COCO's format: it needs lists of {names}.", path=path,
              names=", ".join(lists))
        )  # fmt: skip
    return content


def open_coco(path: Path, classes: Sequence[str] | None = None) -> ImageFiles:
    """The images that a JSON file lists, beside it or in a folder `images`, `train2017`, ...

    The classes are its categories in their order, or those given. Crowds are ignored. What cannot
    be used is left out, each with a line in `problems`.
    """
    content = read_json(path)
    names: dict[Any, str] = {}
    for k, category in enumerate(content["categories"], 1):
        one = category if isinstance(category, dict) else {}
        if not isinstance(one.get("name"), str) or not isinstance(one.get("id"), int):
            raise FileFormatError(t("{path}: category {k} has no name or no id.", path=path, k=k))
        names[one["id"]] = one["name"]
    known = tuple(classes or dict.fromkeys(names.values()))
    if not known:
        raise DataError(t("{path} lists no category.", path=path))
    problems: list[str] = []
    of_image: dict[Any, list[tuple[list[float], str, bool]]] = {}
    for k, thing in enumerate(content["annotations"], 1):
        read = _object(thing, names)
        if isinstance(read, str):
            problems.append(
                t("{path}: annotation {k}: {reason}: left out.", path=path, k=k, reason=read)
            )
        else:
            of_image.setdefault(thing["image_id"], []).append(read)
    files: list[ImageFile] = []
    for k, said in enumerate(content["images"], 1):
        image = _image(path, said)
        if image is None:
            problems.append(
                t("{path}: image {k} ({name}) is not there: left out.", path=path, k=k,
                  name=said.get("file_name") if isinstance(said, dict) else "?")
            )  # fmt: skip
            continue
        objects = of_image.get(said["id"], [])
        file = ready(
            image, np.array([o[0] for o in objects], np.float32).reshape(-1, 4),
            [o[1] for o in objects], [o[2] for o in objects], known, _size(said), problems,
        )  # fmt: skip
        if file is not None:
            files.append(file)
    listed = {
        said["id"]
        for said in content["images"]
        if isinstance(said, dict) and isinstance(said.get("id"), int | str)
    }
    for number in sorted(of_image.keys() - listed, key=str):
        problems.append(
            t("{path}: boxes for image {number!r}, which is not listed: left out.", path=path,
              number=number)
        )  # fmt: skip
    return ImageFiles(files, known, problems)


def _object(thing: Any, names: dict[Any, str]) -> tuple[list[float], str, bool] | str:
    """Box (x1, y1, x2, y2), class, crowd or not; or what is wrong."""
    if not isinstance(thing, dict) or not isinstance(thing.get("image_id"), int | str):
        return t("it names no image")
    box = thing.get("bbox")
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in box)
    ):
        return t("bbox must be four numbers")
    category = thing.get("category_id")
    if not isinstance(category, int) or category not in names:
        return t("category {category!r} is not listed", category=category)
    x, y, width, height = (float(v) for v in box)
    return [x, y, x + width, y + height], names[category], bool(thing.get("iscrowd"))


def _image(path: Path, said: Any) -> Path | None:
    """The image's file, within the folder of the list or the one above."""
    if not isinstance(said, dict) or not isinstance(said.get("file_name"), str):
        return None
    if not isinstance(said.get("id"), int | str):
        return None
    # Never outside of these folders, whatever the file says.
    parts = [p for p in Path(said["file_name"].replace("\\", "/")).parts if p not in ("..", "/")]
    if not parts:
        return None
    stem = path.stem.removeprefix("instances_")
    for base in (path.parent, path.parent.parent):
        for folder in (base, base / "images", base / stem, base / "images" / stem):
            for name in (Path(*parts), Path(parts[-1])):
                if (folder / name).is_file():
                    return folder / name
    return None


def _size(said: dict[str, Any]) -> tuple[int, int] | None:
    height, width = said.get("height"), said.get("width")
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None

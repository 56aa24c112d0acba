"""Images and boxes listed in one JSON file, as COCO has them.

Source of the format: cocodataset.org, "Data format", object detection.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chainrule.base.errors import DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data.detection.files import ImageFile, ImageFiles, ready
from chainrule.data.detection.samples import pixels

_MOST_BYTES = 1 << 30
# Longer names are not printed whole.
_SHOWN = 80


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
    listed: set[Any] = set()
    for k, said in enumerate(content["images"], 1):
        name, number = (
            (said.get("file_name"), said.get("id")) if isinstance(said, dict) else ("", 0)
        )
        if not isinstance(name, str) or not isinstance(number, int | str) or not name:
            problems.append(
                t("{path}: image {k} has no id or no file_name: left out.", path=path, k=k)
            )
            continue
        if number in listed:
            problems.append(
                t("{path}: image {k} has the id {number!r} of another: left out.", path=path, k=k,
                  number=number)
            )  # fmt: skip
            continue
        listed.add(number)
        image = _image(path, name)
        if image is None:
            problems.append(
                t("{path}: image {k} ({name}) is not there: left out.", path=path, k=k,
                  name=name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
            )  # fmt: skip
            continue
        objects = of_image.get(number, [])
        file = ready(
            image, pixels([o[0] for o in objects]), [o[1] for o in objects],
            [o[2] for o in objects], known, _size(said), problems,
        )  # fmt: skip
        if file is not None:
            files.append(file)
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
    try:
        x, y, width, height = (float(v) for v in box)
    except OverflowError:
        return t("bbox must be four numbers")
    return [x, y, x + width, y + height], names[category], bool(thing.get("iscrowd"))


def _image(path: Path, name: str) -> Path | None:
    """The image's file, within the folder of the list or the one above."""
    # Never outside of these folders, whatever the file says.
    parts = [p for p in Path(name.replace("\\", "/")).parts if p not in ("..", "/")]
    if not parts:
        return None
    stem = path.stem.removeprefix("instances_")
    for base in (path.parent, path.parent.parent):
        for folder in (base, base / "images", base / stem, base / "images" / stem):
            for file in (Path(*parts), Path(parts[-1])):
                # Names that no file can have, such as too long ones, are those of none.
                with suppress(OSError, ValueError):
                    if (folder / file).is_file():
                        return folder / file
    return None


def _size(said: dict[str, Any]) -> tuple[int, int] | None:
    height, width = said.get("height"), said.get("width")
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    return None

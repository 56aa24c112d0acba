"""Folders of images with one XML file each, as Pascal VOC has them.

Source of the format: the development kit of the VOC challenges, 2007 to 2012.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from chainrule.base.errors import DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data.detection.files import ImageFile, ImageFiles, ready
from chainrule.data.detection.samples import pixels
from chainrule.data.readers.images import SUFFIXES

# A larger file describes no image.
_MOST_BYTES = 64 << 20
_DEEPEST = 32


class Annotation(NamedTuple):
    """What one XML file says: the image's file name, its size (None where it is not said), and for
    each object the name of its class, its box in pixels, and whether it is difficult."""

    filename: str
    size: tuple[int, int] | None
    names: list[str]
    boxes: np.ndarray
    difficult: list[bool]


def read_annotation(path: Path) -> Annotation:
    """The objects in a file of VOC's format.

    Pixels are counted from 1 there, and boxes include their last pixel: (xmin, ymin) − 1 and
    (xmax, ymax) are the edges. Files whose boxes start at 0 count from 0 already.

    Raises FileFormatError for what is no such file; also for any document type declaration, with
    which entities could be defined that unfold without end.
    """
    root = _tree(path)
    if root.tag != "annotation":
        raise FileFormatError(
            t("{path}: no annotation of VOC's kind: its root is <{tag}>.", path=path, tag=root.tag)
        )
    names, boxes, difficult = [], [], []
    for k, thing in enumerate(root.iter("object"), 1):
        name, box = (thing.findtext("name") or "").strip(), thing.find("bndbox")
        if not name or box is None:
            raise FileFormatError(t("{path}: object {k} has no name or no bndbox.", path=path, k=k))
        boxes.append([_number(path, box, side, k) for side in ("xmin", "ymin", "xmax", "ymax")])
        names.append(name)
        difficult.append((thing.findtext("difficult") or "0").strip() == "1")
    found = pixels(boxes)
    if len(found) and found[:, :2].min() >= 1:
        found[:, :2] -= 1
    size = root.find("size")
    sides = [] if size is None else [size.findtext(s) or "" for s in ("height", "width")]
    whole = all(re.fullmatch(r"\s*0*[1-9][0-9]{0,8}\s*", s) for s in sides) and bool(sides)
    return Annotation(
        (root.findtext("filename") or "").strip(),
        (int(sides[0]), int(sides[1])) if whole else None,
        names, found, difficult,
    )  # fmt: skip


def _number(path: Path, box: Element, side: str, k: int) -> float:
    text = (box.findtext(side) or "").strip()
    try:
        return float(text)
    except ValueError:
        raise FileFormatError(
            t("{path}: object {k} has {side} = {text!r}, which is no number.", path=path, k=k,
              side=side, text=text)
        ) from None  # fmt: skip


def _tree(path: Path) -> Element:
    """The root of an XML file without a document type."""
    if path.stat().st_size > _MOST_BYTES:
        raise FileFormatError(t("{path} is too large for an annotation.", path=path))
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise FileFormatError(t("{path}: elements within elements without end.", path=path))
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refused(*_: object) -> None:
        raise FileFormatError(
            t("{path} declares a document type, which annotations do not need: refused.", path=path)
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refused
    try:
        parser.Parse(path.read_bytes(), True)
        return builder.close()
    except FileFormatError:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:
        # The last two are what encodings make that Python does not know or expat cannot use.
        raise FileFormatError(
            t("{path}: broken XML ({reason}).", path=path, reason=error)
        ) from None


def open_voc(
    folder: Path,
    part: str | None = None,
    classes: Sequence[str] | None = None,
    renamed: Mapping[str, str] | None = None,
) -> ImageFiles:
    """The images of a folder with XML files: beside them, or VOC's own Annotations, JPEGImages
    and ImageSets/Main. An image without XML is one without objects where the XML files lie beside
    the images, and is left out where they have a folder of their own.

    Args:
        part: a list in ImageSets/Main, "train", "val" or "test"; None takes all.
        classes: the classes to look for; None: those that occur, in alphabetical order.
        renamed: names in the files → what to take them for.

    Files that cannot be used are left out, each with a line in `problems`.
    """
    own = folder / "Annotations"
    where = own if own.is_dir() else folder
    pictures = folder / "JPEGImages" if (folder / "JPEGImages").is_dir() else folder
    listed = _listed(folder, part)
    paths = sorted(where.glob("*.xml"))
    problems = [
        t("{path}: listed for {part}, but there is no such file: left out.",
          path=where / f"{name}.xml", part=part)
        for name in sorted((listed or set()) - {path.stem for path in paths})
    ]  # fmt: skip
    read: list[tuple[Path, Annotation]] = []
    for path in paths:
        if listed is not None and path.stem not in listed:
            continue
        try:
            said = read_annotation(path)
            if renamed:
                said = said._replace(names=[renamed.get(name, name) for name in said.names])
            read.append((_image_of(path, said, pictures), said))
        except (FileFormatError, OSError) as error:
            reason = f"{path}: {error.strerror}." if isinstance(error, OSError) else error
            problems.append(t("{reason} Left out.", reason=reason))
    taken = {image for image, _ in read}
    if where is folder and listed is None:
        for image in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
            if image not in taken and not image.with_suffix(".xml").exists():
                read.append((image, Annotation(image.name, None, [], np.zeros((0, 4)), [])))
    known = tuple(classes or sorted({name for _, said in read for name in said.names}))
    if not known:
        raise DataError(
            t("{path}: none of the XML files holds an object.", path=folder)
            if not problems else problems[0]
        )  # fmt: skip
    files: list[ImageFile] = []
    for image, said in read:
        one = ready(image, said.boxes, said.names, said.difficult, known, said.size, problems)
        if one is not None:
            files.append(one)
    return ImageFiles(files, known, problems)


def _image_of(path: Path, said: Annotation, pictures: Path) -> Path:
    """The image that an XML file speaks of: the one it names, else one of the same name."""
    # Never outside of the folder, whatever the file says; names that no file can have, such as too
    # long ones, are those of none.
    with suppress(OSError, ValueError):
        image = pictures / Path(said.filename.replace("\\", "/")).name
        if image.is_file():
            return image
    for suffix in sorted(SUFFIXES):
        for image in (pictures / (path.stem + suffix), pictures / (path.stem + suffix.upper())):
            if image.is_file():
                return image
    raise FileFormatError(t("{path}: there is no image for it in {folder}.", path=path,
                            folder=pictures))  # fmt: skip


def _listed(folder: Path, part: str | None) -> set[str] | None:
    """The names in one of ImageSets/Main's lists; None where all are meant."""
    if part is None:
        return None
    path = folder / "ImageSets" / "Main" / f"{part}.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def parts_of(folder: Path) -> list[str]:
    """Which of train, val and test the folder lists."""
    lists = folder / "ImageSets" / "Main"
    return [part for part in ("train", "val", "test") if (lists / f"{part}.txt").is_file()]

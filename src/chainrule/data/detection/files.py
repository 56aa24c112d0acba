"""Detection datasets whose images lie in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chainrule.base.errors import ChainruleError, DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data.detection.samples import (
    DetectionDataset,
    Objects,
    Sample,
    mended,
)
from chainrule.data.readers.images import MAX_PIXELS, MissingExtraError, image_size, read_image

# Decoded images are kept up to so many bytes together: decoding takes longer than a small step.
_KEPT = 256 << 20


class ImageFile(NamedTuple):
    """One image: its file, its size (height, width), its objects."""

    path: Path
    size: tuple[int, int]
    objects: Objects


class ImageFiles(DetectionDataset):
    """Images in files, each with its objects, RGB."""

    def __init__(
        self,
        files: Sequence[ImageFile],
        classes: Sequence[str],
        problems: Sequence[str] = (),
        flips: str = "x",
    ) -> None:
        self.files, self.classes = list(files), tuple(classes)
        self.problems, self.flips = list(problems), flips
        self._read: dict[int, np.ndarray] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        file = self.files[index]
        image = self._read.get(index)
        if image is None:
            image = read_image(file.path, channels=3)
            if image.shape[1:] != file.size:
                raise FileFormatError(
                    t("{path}: its content has another size than it says.", path=file.path)
                )
            if self._bytes + image.nbytes <= _KEPT:
                self._read[index] = image
                self._bytes += image.nbytes
        return Sample(image, file.objects)

    def size(self, index: int) -> tuple[int, int]:
        return self.files[index].size

    def name(self, index: int) -> str:
        return str(self.files[index].path)

    def most_objects(self) -> int:
        return max((len(file.objects.labels) for file in self.files), default=0)

    def some(self, numbers: Sequence[int]) -> ImageFiles:
        """A dataset of some of the images; the problems stay with this one."""
        return ImageFiles([self.files[k] for k in numbers], self.classes, (), self.flips)


def ready(
    path: Path,
    boxes: np.ndarray,
    names: Sequence[str],
    ignored: Sequence[bool],
    classes: Sequence[str],
    said: tuple[int, int] | None,
    problems: list[str],
) -> ImageFile | None:
    """An image with what of its objects can be used; None, and a line, if it is no image.

    Objects of classes that are not known are left out; a size that the annotations give wrongly
    is named, and the image's own counts.
    """
    try:
        size = image_size(path)
    except MissingExtraError:
        raise  # It is not the image that is at fault.
    except (ChainruleError, OSError) as error:
        problems.append(t("{reason} Left out.", reason=error))
        return None
    if size[0] * size[1] > MAX_PIXELS:
        problems.append(t("{path}: too many pixels. Left out.", path=path))
        return None
    if said is not None and said != size:
        problems.append(
            t("{path} has {width}×{height} pixels, not {wide}×{high} as its annotation says.",
              path=path, width=size[1], height=size[0], wide=said[1], high=said[0])
        )  # fmt: skip
    place = {name: k for k, name in enumerate(classes, 1)}
    for name in sorted(set(names) - place.keys()):
        problems.append(t("{path}: class {name!r} is not known: left out.", path=path, name=name))
    kept = np.array([name in place for name in names], bool)
    cut, fine = mended(boxes[kept], size, str(path), problems)
    labels = np.array([place[name] for name in names if name in place], np.int64)
    flags = np.array(ignored, bool)[kept]
    return ImageFile(path, size, Objects(cut[fine], labels[fine], flags[fine]))


def halves(dataset: ImageFiles, source: Path) -> tuple[ImageFiles, ImageFiles]:
    """To learn from, and to test on: every fifth image, in the order of their names."""
    n = len(dataset)
    if n < 2:
        raise DataError(
            t("{path}: {n} image is too little: at least one to learn from and one to test on.",
              path=source, n=n)
        )  # fmt: skip
    count = min(max(round(n / 5), 1), n - 1)
    held = {int((k + 0.5) * n / count) for k in range(count)}
    return (
        dataset.some([k for k in range(n) if k not in held]),
        dataset.some(sorted(held)),
    )

"""What detection learns from: images of any size, each with its objects in boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chainrule.base.text import t
from chainrule.data.dataset import Dataset

#: Thinner boxes, in pixels, hold no object.
LEAST_SIDE = 1.0


class Objects(NamedTuple):
    """Of one image: boxes (L, 4) float32 as (x1, y1, x2, y2) in pixels, labels (L,) int64 from 1
    on, and which are ignored (L,): neither learnt from, nor missed, nor falsely found."""

    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray

    def of(self, which: np.ndarray) -> Objects:
        """Some of them, by a mask or by number."""
        return Objects(self.boxes[which], self.labels[which], self.ignored[which])


class Sample(NamedTuple):
    """An image, uint8 (C, H, W), and its objects."""

    image: np.ndarray
    objects: Objects


def objects_of(
    boxes: Sequence[Sequence[float]], labels: Sequence[int], ignored: Sequence[bool] | None = None
) -> Objects:
    """Objects from lists."""
    none = [False] * len(labels) if ignored is None else ignored
    return Objects(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(none, bool),
    )


def pixels(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """Boxes (L, 4) float32 from lists; numbers too large for that are infinite."""
    with np.errstate(over="ignore"):
        return np.array(boxes, np.float64).reshape(-1, 4).astype(np.float32)


class DetectionDataset(Dataset, ABC):
    """Base of datasets of images with boxes: implement `__len__`, `__getitem__`, `size` and
    `most_objects`.

    Attributes:
        classes: names, of label 1, 2, ...
        channels: of the images.
        problems: one line for each thing that was left out or mended, with its file.
        flips: which mirror images look as real: "", "x", or "xy" (seen from above).
    """

    classes: tuple[str, ...] = ()
    channels: int = 3
    problems: Sequence[str] = ()
    flips: str = "x"

    @abstractmethod
    def __len__(self) -> int:
        """How many images there are."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """An image with its objects."""

    @abstractmethod
    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image, known without reading it."""

    def name(self, index: int) -> str:
        """What to call an image."""
        return str(index)

    @abstractmethod
    def most_objects(self) -> int:
        """The largest number of objects in an image."""


def mended(
    boxes: np.ndarray, size: tuple[int, int], where: str, problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (L, 4) cut off at the edge of an image of size (height, width), and which of them
    (L,) are worth keeping; what was wrong goes to `problems` as one line for each box.

    Left out: numbers that are not finite, no area (a side under one pixel, or x1 ≥ x2), wholly
    outside. Cut off: partly outside, by more than a pixel if it is to be spoken of.
    """
    height, width = size
    limit = np.array([width, height, width, height], np.float32)
    finite = np.isfinite(boxes).all(1)
    there = np.where(finite[:, None], boxes, 0)
    cut = np.clip(there, 0, limit).astype(np.float32)
    area = finite & (there[:, 2:] - there[:, :2] >= LEAST_SIDE).all(1)
    inside = area & (cut[:, 2:] - cut[:, :2] >= LEAST_SIDE).all(1)
    for k, box in enumerate(boxes):
        shown = ", ".join(f"{v:g}" for v in box)
        if not finite[k]:
            problems.append(t("{where}: box {k} ({box}) is not finite: left out.", where=where,
                              k=k + 1, box=shown))  # fmt: skip
        elif not area[k]:
            problems.append(t("{where}: box {k} ({box}) has no area: left out.", where=where,
                              k=k + 1, box=shown))  # fmt: skip
        elif not inside[k]:
            problems.append(
                t("{where}: box {k} ({box}) lies outside the image of {width}×{height}: left out.",
                  where=where, k=k + 1, box=shown, width=width, height=height)
            )  # fmt: skip
        elif np.abs(cut[k] - box).max() > LEAST_SIDE:
            problems.append(
                t("{where}: box {k} ({box}) leaves the image of {width}×{height}: cut off.",
                  where=where, k=k + 1, box=shown, width=width, height=height)
            )  # fmt: skip
    return cut, inside

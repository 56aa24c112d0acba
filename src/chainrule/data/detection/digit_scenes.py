"""Scenes of real handwritten digits on textured ground: detection to be learnt in minutes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from chainrule.base.constraints import Choice, Int
from chainrule.data.detection.geometry import enlarged, free_place
from chainrule.data.detection.samples import DetectionDataset, Objects, Sample, objects_of
from chainrule.data.random import Draws, check_seed, current_draws
from chainrule.data.readers.load import load

#: Digits to learn from, the first of digits28; the others are for testing.
LEARNT = 4000
#: The larger side of a digit's ink, in pixels.
SMALLEST, LARGEST = 14.0, 48.0
#: At most so many digits in a scene; of any two boxes at most this share of the smaller is common.
MOST, OVERLAP = 6, 0.35
#: Places tried for each digit.
_TRIES = 12
#: Sides of the grids whose smooth enlargements are the ground's texture.
_OCTAVES = (4, 8, 16, 32)
#: From this share of full ink on, a pixel belongs to the digit.
_INK = 0.25
_HELD_OUT_SEED = 0x5CE7E5


class DigitScenes(DetectionDataset):
    """Grey scenes (1, size, size) of 1 to 6 digits, 14 to 48 pixels large, which may overlap.

    A digit is one of digits28 (real handwriting), cut to its ink, scaled, and drawn brighter than
    the ground, a later one over an earlier one. Its box is the tight box of its ink, whether or
    not another covers part of it; the classes are "0" to "9".

    Args:
        split: "train" takes the first 4,000 digits, and makes new scenes every epoch (a function
            of the loader's seed, epoch and index); "test" the last 1,000, in scenes that are
            always the same.
        length: how many scenes; by default 2,000 to learn from and 500 to test on.
        size: side of a scene in pixels.
        seed: of the scenes for testing.
    """

    classes = tuple("0123456789")
    channels = 1
    flips = ""

    def __init__(
        self, split: str = "train", length: int | None = None, size: int = 128, seed: int = 0
    ) -> None:
        self.split = Choice("train", "test").check(split, "DigitScenes", "split")
        usual = 2000 if split == "train" else 500
        self.length = Int(low=1).check(length or usual, "DigitScenes", "length")
        self.side = Int(low=64).check(size, "DigitScenes", "size")
        self.seed = check_seed(seed)
        self._inks, self._labels = _digits(split)

    def __len__(self) -> int:
        return self.length

    def size(self, index: int) -> tuple[int, int]:
        return self.side, self.side

    def most_objects(self) -> int:
        return MOST

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.length:
            raise IndexError(index)
        if self.split == "train":
            draws = current_draws(1)
        else:
            draws = Draws(self.seed ^ _HELD_OUT_SEED, 0, np.array([index]))
        scene = _ground(draws, self.side)
        boxes: list[tuple[float, ...]] = []
        labels: list[int] = []
        count = 1 + int(draws.uniform(1, 1)[0, 0] * MOST)
        for row in draws.uniform(1, MOST * (3 + 2 * _TRIES)).reshape(MOST, -1)[:count]:
            which = int(row[0] * len(self._inks))
            ink = _scaled(self._inks[which], SMALLEST * (LARGEST / SMALLEST) ** row[1])
            place = free_place(
                ink.shape, scene.shape, row[3:].reshape(-1, 2), np.array(boxes, np.float32), OVERLAP
            )
            if place is None:
                continue
            y, x = place
            height, width = ink.shape
            part = scene[y : y + height, x : x + width]
            part += ink * (0.72 + 0.28 * row[2] - part)
            down, across = (np.flatnonzero((ink > _INK).any(axis)) for axis in (1, 0))
            boxes.append((x + across[0], y + down[0], x + across[-1] + 1, y + down[-1] + 1))
            labels.append(1 + int(self._labels[which]))
        objects: Objects = objects_of(boxes, labels)
        return Sample(np.rint(scene * 255).astype(np.uint8)[None], objects)


@lru_cache(maxsize=2)
def _digits(split: str) -> tuple[list[np.ndarray], np.ndarray]:
    """The ink of each digit, 0 .. 1, cut to what is not empty, and its class."""
    digits = load("digits28")
    part = slice(0, LEARNT) if split == "train" else slice(LEARNT, None)
    images = np.asarray(digits.x)[part].reshape(-1, 28, 28).astype(np.float32)
    images /= max(float(images.max()), 1.0)
    inks = []
    for image in images:
        seen = image > _INK
        down, across = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        inks.append(image[down[0] : down[-1] + 1, across[0] : across[-1] + 1])
    return inks, np.asarray(digits.y)[part]


def _scaled(ink: np.ndarray, side: float) -> np.ndarray:
    """The ink with its larger side so many pixels long."""
    scale = side / max(ink.shape)
    height, width = (max(round(s * scale), 2) for s in ink.shape)
    return np.clip(enlarged(ink[None], (height, width))[0], 0, 1)


def _ground(draws: Draws, side: int) -> np.ndarray:
    """Texture: smooth noise of several grains, each as strong as chance has it, and a little
    noise of single pixels; from about 0.05 to 0.6."""
    chance = draws.uniform(1, 2 + len(_OCTAVES))[0]
    cells = draws.uniform(1, sum(n * n for n in _OCTAVES))[0].astype(np.float32)
    scene = np.zeros((side, side), np.float32)
    first = 0
    for n, strength in zip(_OCTAVES, chance[2:], strict=True):
        grid = cells[first : first + n * n].reshape(n, n) - 0.5
        scene += np.float32(strength) * _stretched(_stretched(grid, side).T, side).T
        first += n * n
    spread = float(np.abs(scene).max()) or 1.0
    scene *= np.float32((0.05 + 0.15 * chance[0]) / spread)
    grain = draws.uniform(1, side * side)[0].reshape(side, side) - 0.5
    scene += (0.2 + 0.2 * chance[1] + 0.08 * grain).astype(np.float32)
    return scene


def _stretched(rows: np.ndarray, n: int) -> np.ndarray:
    """(h, w) → (n, w), linear between the rows. Two lines of arithmetic: a matrix product this
    small would wait for the threads that share it."""
    place = np.clip((np.arange(n, dtype=np.float32) + 0.5) * len(rows) / n - 0.5, 0, len(rows) - 1)
    low = np.minimum(place.astype(np.int64), len(rows) - 2)
    share = (place - low)[:, None].astype(np.float32)
    return np.asarray(rows[low] * (1 - share) + rows[low + 1] * share)

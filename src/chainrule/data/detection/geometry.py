"""Images of any size into a fixed one, with their boxes: letterboxing, flips, other scales."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from chainrule.data.detection.samples import LEAST_SIDE, Objects

#: A box of which less than this share remains in the picture is left out.
VISIBLE = 0.3


@lru_cache(maxsize=1024)
def linear_weights(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of a row go into each of a row made longer or shorter, and how much of them:
    (T, after) int64 and float32. Between pixel centres linear (as PyTorch's bilinear interpolation
    without corners aligned), T = 2; where the row gets shorter, a triangle as wide as two of its
    new pixels."""
    scale = before / after
    centre = (np.arange(after) + 0.5) * scale - 0.5
    centre = np.clip(centre, 0, before - 1) if scale <= 1 else centre
    half = max(scale, 1.0)
    pixels = np.floor(centre - half).astype(np.int64) + 1 + np.arange(math.ceil(2 * half))[:, None]
    weights = np.clip(1 - np.abs(pixels - centre) / half, 0, None)
    weights[(pixels < 0) | (pixels >= before)] = 0
    weights /= weights.sum(0)
    found = pixels.clip(0, before - 1), weights.astype(np.float32)
    for array in found:
        array.setflags(write=False)
    return found


def enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 (C, H, W) in another size (height, width), larger or smaller."""
    image = image.astype(np.float32)
    if image.shape[1:] == tuple(size):
        return image
    # Down, then, with rows and columns exchanged, across: whole rows are added up each time. (A
    # product of matrices is slower, and its threads are in the way of those that train.)
    for after in size:
        image = np.ascontiguousarray(_enlarged_down(image, after).transpose(0, 2, 1))
    return image


def _enlarged_down(image: np.ndarray, after: int) -> np.ndarray:
    """(C, after, W) of (C, H, W)."""
    if image.shape[1] == after:
        return image
    pixels, weights = linear_weights(image.shape[1], after)
    total = image.take(pixels[0], 1)
    total *= weights[0][:, None]
    for rows, shares in zip(pixels[1:], weights[1:]):
        part = image.take(rows, 1)
        part *= shares[:, None]
        total += part
    return total


def fitted(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """The largest height and width of the same shape within `size`."""
    scale = min(size[0] / height, size[1] / width)
    return max(int(height * scale), 1), max(int(width * scale), 1)


def letterboxed(
    image: np.ndarray, objects: Objects, size: tuple[int, int], fill: float = 127.5
) -> tuple[np.ndarray, Objects, tuple[int, int]]:
    """An image as large as fits into `size` at its upper left corner, the rest `fill`; its boxes,
    and how much of `size` it takes."""
    height, width = image.shape[1:]
    inner = fitted(height, width, size)
    out = np.full((image.shape[0], *size), fill, np.float32)
    out[:, : inner[0], : inner[1]] = enlarged(image, inner)
    down, across = inner[0] / height, inner[1] / width
    factor = np.array([across, down, across, down], np.float32)
    return out, objects._replace(boxes=objects.boxes * factor), inner


def mirrored(image: np.ndarray, objects: Objects) -> tuple[np.ndarray, Objects]:
    """Left and right exchanged."""
    boxes, width = objects.boxes, image.shape[2]
    flipped = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    return image[:, :, ::-1], objects._replace(boxes=flipped)


def turned(image: np.ndarray, objects: Objects) -> tuple[np.ndarray, Objects]:
    """Rows and columns exchanged; with `mirrored`, a turn by 90°."""
    return image.transpose(0, 2, 1), objects._replace(boxes=objects.boxes[:, [1, 0, 3, 2]])


def cropped(
    image: np.ndarray, objects: Objects, corner: tuple[int, int], size: tuple[int, int]
) -> tuple[np.ndarray, Objects]:
    """The part of an image from `corner` (y, x) on, and the objects of which enough is in it."""
    (y, x), (height, width) = corner, size
    part = image[:, y : y + height, x : x + width]
    return part, within(objects, (y, x), part.shape[1:])


def within(objects: Objects, corner: tuple[int, int], size: tuple[int, ...]) -> Objects:
    """The objects in a window of an image, seen from its corner; too little of one is none."""
    boxes = objects.boxes - np.array([corner[1], corner[0]] * 2, np.float32)
    cut = np.clip(boxes, 0, np.array([size[1], size[0]] * 2, np.float32))
    left = (cut[:, 2] - cut[:, 0]) * (cut[:, 3] - cut[:, 1])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    fine = (left >= VISIBLE * area) & (cut[:, 2:] - cut[:, :2] >= LEAST_SIDE).all(1)
    return objects._replace(boxes=cut).of(fine)


def free_place(
    size: tuple[int, ...],
    within: tuple[int, ...],
    tries: np.ndarray,
    boxes: np.ndarray,
    most: float,
) -> tuple[int, int] | None:
    """Where (y, x) in an image of size `within` a piece of this size shares no more than `most` of
    the smaller area with any of the boxes (L, 4): the first of the `tries` (T, 2), each 0 .. 1 down
    and across; None if it is none of them."""
    (height, width), others = size, boxes.reshape(-1, 4)
    area = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    for down, across in tries:
        y, x = int(down * (within[0] - height + 1)), int(across * (within[1] - width + 1))
        wide = np.minimum(others[:, 2], x + width) - np.maximum(others[:, 0], x)
        high = np.minimum(others[:, 3], y + height) - np.maximum(others[:, 1], y)
        common = np.clip(wide, 0, None) * np.clip(high, 0, None)
        if not (common > most * np.minimum(area, height * width)).any():
            return y, x
    return None


def zoomed(
    image: np.ndarray, objects: Objects, factor: float, down: float, across: float
) -> tuple[np.ndarray, Objects]:
    """Enlarged by `factor` within its size; `down` and `across`, 0 .. 1, say which part is seen, or
    where it stands."""
    height, width = image.shape[1:]
    if factor >= 1:
        # The part is cut out first: only what will be seen is enlarged.
        high, wide = max(round(height / factor), 1), max(round(width / factor), 1)
        corner = int(down * (height - high + 1)), int(across * (width - wide + 1))
        part, objects = cropped(image, objects, corner, (high, wide))
        scale = np.array([width / wide, height / high] * 2, np.float32)
        return enlarged(part, (height, width)), objects._replace(boxes=objects.boxes * scale)
    high, wide = max(round(height * factor), 1), max(round(width * factor), 1)
    y, x = int(down * (height - high + 1)), int(across * (width - wide + 1))
    out = np.full(image.shape, 127.5, np.float32)
    out[:, y : y + high, x : x + wide] = enlarged(image, (high, wide))
    scale = np.array([wide / width, high / height] * 2, np.float32)
    moved = objects.boxes * scale + np.array([x, y, x, y], np.float32)
    fine = (moved[:, 2:] - moved[:, :2] >= LEAST_SIDE).all(1)
    return out, objects._replace(boxes=moved).of(np.asarray(fine))

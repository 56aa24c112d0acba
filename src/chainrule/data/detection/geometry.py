"""Images of any size into a fixed one, with their boxes: letterboxing, flips, other scales."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from chainrule.base.constraints import Interval
from chainrule.data.detection.samples import LEAST_SIDE, Objects
from chainrule.data.random import Draws

#: A box of which less than this share remains in the picture is left out.
VISIBLE = 0.3
#: What `standardised` brings each channel to.
MEAN, DEVIATION = 127.5, 56.0


@lru_cache(maxsize=256)
def linear_weights(before: int, after: int) -> np.ndarray:
    """(after, before) float32: how much of each pixel goes into each of a row made longer or
    shorter. Between pixel centres linear (as PyTorch's bilinear interpolation without corners
    aligned); where the row gets shorter, a triangle as wide as two of its new pixels."""
    scale = before / after
    centre = (np.arange(after)[:, None] + 0.5) * scale - 0.5
    centre = np.clip(centre, 0, before - 1) if scale <= 1 else centre
    weights = np.clip(1 - np.abs(np.arange(before)[None] - centre) / max(scale, 1.0), 0, None)
    weights /= weights.sum(1, keepdims=True)
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights


def enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 (C, H, W) in another size (height, width), larger or smaller."""
    if image.shape[1:] == tuple(size):
        return image.astype(np.float32)
    down = linear_weights(image.shape[1], size[0])
    across = linear_weights(image.shape[2], size[1])
    return np.matmul(np.matmul(down, image.astype(np.float32)), across.T)


def standardised(image: np.ndarray) -> np.ndarray:
    """float32 (C, H, W), each channel with mean 127.5 and deviation 56, cut off at 0 and 255: so
    that light and colour of the place and the day count less. A channel of one value is 127.5."""
    pixels = image.astype(np.float32)
    mean, deviation = (f(pixels, (1, 2), keepdims=True) for f in (np.mean, np.std))
    return np.clip((pixels - mean) / (deviation + 1e-3) * DEVIATION + MEAN, 0, 255)


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


class Augmentation:
    """Flips, other scales, other colours and other light, drawn anew for each image.

    Args:
        flips: "" for none, "x" left and right, "xy" also upside down and turned by 90°.
        scale: smallest and largest factor, drawn evenly on a logarithmic scale. A larger image is
            cut to a random part of the old size; a smaller one stands at a random place in it.
        light: brightness and contrast, and the strength of each colour, change by up to this share.
        colour: hues turn by up to this many half circles, to either side, and saturation changes by
            up to this share; for objects whose colour differs from place to place.
        mix: of this share of images, each channel becomes in part a random mean of all three.
        grey: this share of images becomes grey, of red, green and blue in random shares.
    """

    def __init__(
        self,
        flips: str = "x",
        scale: tuple[float, float] = (0.8, 1.25),
        light: float = 0.15,
        colour: float = 0.0,
        mix: float = 0.0,
        grey: float = 0.0,
    ) -> None:
        self.flips = flips
        self.scale = tuple(Interval(0.1, 10).check(s, "Augmentation", "scale") for s in scale)
        self.light = Interval(0, 1).check(light, "Augmentation", "light")
        self.colour = Interval(0, 1).check(colour, "Augmentation", "colour")
        self.mix = Interval(0, 1).check(mix, "Augmentation", "mix")
        self.grey = Interval(0, 1).check(grey, "Augmentation", "grey")

    def __call__(
        self, image: np.ndarray, objects: Objects, draws: Draws, standardise: bool = False
    ) -> tuple[np.ndarray, Objects]:
        """An image (C, H, W) and its objects, changed; the image keeps its size unless turned.

        standardise: see `standardised`; done between colours and light, so that other colours have
        the same mean and deviation, too.
        """
        u = draws.uniform(1, 12)[0]
        if len(image) == 3 and (self.colour or self.mix or self.grey):
            mixed = self._colours(draws.uniform(1, 17)[0])
            flat = mixed @ image.reshape(3, -1).astype(np.float32)
            # Standardising cuts off itself, at the new mean and deviation.
            flat = flat if standardise else np.clip(flat, 0, 255)
            image = flat.reshape(image.shape)
        if standardise:
            image = standardised(image)
        if self.flips and u[0] < 0.5:
            image, objects = mirrored(image, objects)
        if "y" in self.flips:
            if u[1] < 0.5:
                image, objects = turned(image, objects)
            if u[2] < 0.5:
                image, objects = mirrored(image, objects)
        low, high = self.scale
        if low != high or low != 1:
            image, objects = _zoomed(image, objects, low * (high / low) ** u[3], u[4], u[5])
        if self.light:
            image = self._lit(image, 2 * u[6:12] - 1)
        return image, objects

    def _colours(self, u: np.ndarray) -> np.ndarray:
        """(3, 3) float32, by which red, green and blue are multiplied; u: 17 numbers in 0 .. 1."""
        hue, saturation = self.colour * (2 * u[:2] - 1)
        matrix = colours_turned(np.pi * hue, 1 + saturation)
        # Shares that are exponentially distributed, over their sum, are any mean as likely as any
        # other.
        shares = -np.log1p(-u[5:].reshape(4, 3))
        shares = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
        if u[2] < self.mix:
            part = np.float32(u[3])
            matrix = (1 - part) * matrix + part * shares[:3]
        return np.tile(shares[3], (3, 1)) if u[4] < self.grey else matrix

    def _lit(self, image: np.ndarray, u: np.ndarray) -> np.ndarray:
        """In other light; u: numbers in -1 .. 1."""
        channels = len(image)
        factor = 1 + self.light * u[0]
        colours = 1 + self.light * u[2 : 2 + channels] if channels == 3 else np.ones(channels)
        shift = 127.5 * self.light * u[1]
        scaled = (image.astype(np.float32) - 127.5) * np.float32(factor) + np.float32(127.5 + shift)
        return np.clip(scaled * colours.astype(np.float32)[:, None, None], 0, 255)


def colours_turned(angle: float, saturation: float) -> np.ndarray:
    """(3, 3) float32, by which red, green and blue are multiplied: a turn around the axis of greys,
    which stay as they are, and the distance from that axis times `saturation`."""
    grey = np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * across
    return np.asarray(grey + saturation * turn, np.float32)


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


def _zoomed(
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

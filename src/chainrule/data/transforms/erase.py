"""Transforms that hide a part of the image: random erasing, cutout."""

from __future__ import annotations

import math

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.data.random import Draws
from chainrule.data.transforms.base import Transform, check_images
from chainrule.data.transforms.geometric import check_probability

_ATTEMPTS = 10


class RandomErasing(Transform):
    """Fill a random rectangle of each image (Zhong et al., 2017) with probability p.

    Args:
        p: probability of erasing.
        scale: range of the rectangle's share of the image's area.
        ratio: range of its height / width; the logarithm is uniform.
        value: what it is filled with.

    A rectangle that does not fit is drawn again, up to ten times; then the image stays.
    """

    random = True
    by_rows = True

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float = 0.0,
    ):
        self.p = check_probability("RandomErasing", p)
        self.scale, self.ratio, self.value = tuple(scale), tuple(ratio), value
        if len(self.scale) != 2 or not 0 <= self.scale[0] <= self.scale[1] <= 1:
            raise ArgumentError(
                t("RandomErasing: scale must be (low, high) in 0 .. 1, not {value}.", value=scale)
            )
        if len(self.ratio) != 2 or not 0 < self.ratio[0] <= self.ratio[1]:
            raise ArgumentError(
                t(
                    "RandomErasing: ratio must be (low, high) with 0 < low <= high, not {value}.",
                    value=ratio,
                )
            )

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        check_images("RandomErasing", x)
        assert draws is not None
        n, _, height, width = x.shape
        u = draws.uniform(n, 3 + 2 * _ATTEMPTS)
        area = (self.scale[0] + u[:, 3::2] * (self.scale[1] - self.scale[0])) * height * width
        low, high = (math.log(edge) for edge in self.ratio)
        ratio = np.exp(low + u[:, 4::2] * (high - low))
        tall = np.rint(np.sqrt(area * ratio)).astype(np.int64)
        wide = np.rint(np.sqrt(area / ratio)).astype(np.int64)
        fits = (tall < height) & (wide < width)
        first = np.argmax(fits, axis=1)
        rows = np.arange(n)
        tall, wide = tall[rows, first], wide[rows, first]
        chosen = fits.any(axis=1) & (u[:, 0] < self.p)
        top = (u[:, 1] * (height - tall + 1)).astype(np.int64)
        left = (u[:, 2] * (width - wide + 1)).astype(np.int64)
        # An image left alone gets a rectangle without rows.
        tall = np.where(chosen, tall, 0)
        return fill_boxes(x, top, top + tall, left, left + wide, self.value)


class Cutout(Transform):
    """Fill a square of `size` pixels about a random pixel (DeVries and Taylor, 2017).

    The square is cut off at the border, so a part of the hidden area may fall outside.
    """

    random = True
    by_rows = True

    def __init__(self, size: int, value: float = 0.0):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ArgumentError(
                t("Cutout: size is a number of pixels from 1 up, not {size!r}.", size=size)
            )
        self.size, self.value = size, value

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        check_images("Cutout", x)
        assert draws is not None
        n, _, height, width = x.shape
        centre = (draws.uniform(n, 2) * (height, width)).astype(np.int64)
        start = centre - self.size // 2
        end = start + self.size
        return fill_boxes(x, start[:, 0], end[:, 0], start[:, 1], end[:, 1], self.value)


def fill_boxes(
    x: np.ndarray,
    top: np.ndarray,
    bottom: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    value: float,
) -> np.ndarray:
    """A copy of images [N, C, H, W] with rows top .. bottom-1, columns left .. right-1 filled."""
    y, x_axis = np.arange(x.shape[2]), np.arange(x.shape[3])
    in_rows = (y >= top[:, None]) & (y < bottom[:, None])
    in_columns = (x_axis >= left[:, None]) & (x_axis < right[:, None])
    inside = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    return np.where(inside, np.asarray(value, dtype=x.dtype), x)

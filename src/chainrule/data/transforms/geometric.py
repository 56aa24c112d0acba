"""Transforms of place: affine maps, rotation, crops, flips.

Coordinates: x to the right, y down, in pixels; (0, 0) is the centre of the first pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.data.random import Draws
from chainrule.data.transforms.affine import inverse_matrices, warp
from chainrule.data.transforms.base import Transform, check_images


class RandomAffine(Transform):
    """Rotate, move, scale and shear each image about its centre, bilinear, by random amounts.

    An output point p comes from the input point q with p - c = s·R(angle)·Shear·(q - c) + move,
    c the centre; with y down a positive angle turns clockwise. Parameters are torchvision's;
    unlike there the move is not rounded to whole pixels.

    Args:
        degrees: range (low, high) of the angle, or d for (-d, d).
        translate: largest moves as fractions of (width, height), each in 0 .. 1; None for none.
        scale: range (low, high) of the factor, above zero; None for none.
        shear: degrees along x: s for (-s, s), or (low, high); four numbers add y's range.
        fill: the value outside the image, in the units of x.
    """

    random = True
    by_rows = True

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        fill: float = 0.0,
    ):
        name = type(self).__name__
        self.degrees = _span(name, "degrees", degrees)
        self.translate = None if translate is None else _pair(name, "translate", translate)
        self.scale = None if scale is None else _pair(name, "scale", scale)
        self.shear = None if shear is None else _shear_span(name, shear)
        self.fill = float(fill)
        if self.translate and not all(0 <= part <= 1 for part in self.translate):
            raise ArgumentError(
                t(
                    "{name}: translate holds fractions of width and height in 0 .. 1, not {value}.",
                    name=name,
                    value=translate,
                )
            )
        if self.scale and not 0 < self.scale[0] <= self.scale[1]:
            raise ArgumentError(
                t(
                    "{name}: scale must be (low, high) with 0 < low <= high, not {value}.",
                    name=name,
                    value=scale,
                )
            )

    def parameters(self, n: int, height: int, width: int, draws: Draws) -> np.ndarray:
        """Random amounts: float64 [n, 6] of angle, move x, move y, scale, shear x, shear y.

        Angles in degrees, moves in pixels.
        """
        move = self.translate or (0.0, 0.0)
        shear = self.shear or (0.0,) * 4
        scale = self.scale or (1.0, 1.0)
        low = [self.degrees[0], -move[0] * width, -move[1] * height, scale[0], shear[0], shear[2]]
        high = [self.degrees[1], move[0] * width, move[1] * height, scale[1], shear[1], shear[3]]
        return np.array(low) + draws.uniform(n, 6) * (np.array(high) - np.array(low))

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        return warp(x, self.matrices(x, draws), self.fill)

    def matrices(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        """Where each pixel of images x comes from: see `affine.inverse_matrices`."""
        check_images(type(self).__name__, x)
        assert draws is not None
        n, _, height, width = x.shape
        amounts = self.parameters(n, height, width, draws)
        return inverse_matrices(amounts, height, width)


class RandomRotation(RandomAffine):
    """Rotate each image about its centre, bilinear; a positive angle turns anticlockwise.

    Args:
        degrees: range (low, high), or d for (-d, d).
        fill: the value outside the image.
    """

    by_rows = True

    def __init__(self, degrees: float | Sequence[float], fill: float = 0.0):
        super().__init__(degrees, fill=fill)

    def parameters(self, n: int, height: int, width: int, draws: Draws) -> np.ndarray:
        amounts = super().parameters(n, height, width, draws)
        amounts[:, 0] *= -1.0
        return amounts

    def __repr__(self) -> str:
        return f"RandomRotation(degrees={self.degrees}, fill={self.fill})"


class RandomCrop(Transform):
    """Cut a window of `size` at a random place.

    Args:
        size: (height, width) or one number for both.
        padding: pixels added on every side first, or (left, top, right, bottom), or None.
        fill: the value of the padding.

    Raises:
        ShapeError: the padded image is smaller than the window.
    """

    random = True
    by_rows = True

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        fill: float = 0,
    ):
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        sides = padding if isinstance(padding, Sequence) else (padding or 0,)
        self.padding = tuple(sides) * (4 // len(sides) if len(sides) in (1, 2) else 1)
        self.fill = fill
        whole = all(isinstance(part, int) for part in (*self.size, *self.padding))
        if len(self.size) != 2 or not whole or min(self.size) < 1:
            raise ArgumentError(
                t("RandomCrop: size is (height, width) in whole pixels, not {size}.", size=size)
            )
        if len(self.padding) != 4 or min(self.padding) < 0:
            raise ArgumentError(
                t(
                    "RandomCrop: padding is a number of pixels or (left, top, right, bottom), "
                    "not {padding}.",
                    padding=padding,
                )
            )

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        check_images("RandomCrop", x)
        assert draws is not None
        left, top, right, bottom = self.padding
        if any(self.padding):
            around = ((0, 0), (0, 0), (top, bottom), (left, right))
            x = np.pad(x, around, constant_values=self.fill)
        n, _, height, width = x.shape
        if height < self.size[0] or width < self.size[1]:
            raise ShapeError(
                t(
                    "RandomCrop: a window of {size} does not fit into images of {have} (padding "
                    "counted in): choose a smaller size or more padding.",
                    size=self.size,
                    have=(height, width),
                )
            )
        room = np.array([height - self.size[0] + 1, width - self.size[1] + 1])
        corner = (draws.uniform(n, 2) * room).astype(np.int64)
        windows = sliding_window_view(x, self.size, axis=(2, 3))
        return windows[np.arange(n), :, corner[:, 0], corner[:, 1]]


class RandomHorizontalFlip(Transform):
    """Mirror left and right, each image with probability p."""

    random = True
    by_rows = True
    _axis = 3

    def __init__(self, p: float = 0.5):
        self.p = check_probability(type(self).__name__, p)

    def batch(self, x: np.ndarray, draws: Draws | None) -> np.ndarray:
        check_images(type(self).__name__, x)
        assert draws is not None
        chosen = draws.uniform(len(x), 1).reshape(-1, 1, 1, 1) < self.p
        return np.where(chosen, np.flip(x, self._axis), x)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirror top and bottom, each image with probability p."""

    by_rows = True
    _axis = 2


# -- arguments -------------------------------------------------------------------------------


def check_probability(name: str, p: float) -> float:
    """`p` as a float. Raises ArgumentError outside 0 .. 1."""
    if not 0 <= p <= 1:
        raise ArgumentError(t("{name}: p is a probability in 0 .. 1, not {p}.", name=name, p=p))
    return float(p)


def _pair(name: str, argument: str, value: Sequence[float]) -> tuple[float, float]:
    pair = tuple(float(part) for part in value) if isinstance(value, Sequence) else ()
    if len(pair) != 2 or not all(map(math.isfinite, pair)):
        raise ArgumentError(
            t(
                "{name}: {argument} must be two finite numbers, not {value}.",
                name=name,
                argument=argument,
                value=value,
            )
        )
    return pair[0], pair[1]


def _span(name: str, argument: str, value: float | Sequence[float]) -> tuple[float, float]:
    if not isinstance(value, Sequence):
        if not value >= 0:
            raise ArgumentError(
                t(
                    "{name}: {argument}={value} stands for (-{value}, {value}) and must be from 0 "
                    "up.",
                    name=name,
                    argument=argument,
                    value=value,
                )
            )
        return _pair(name, argument, (-float(value), float(value)))
    low, high = _pair(name, argument, value)
    if low > high:
        raise ArgumentError(
            t(
                "{name}: {argument} must be (low, high) with low <= high, not {value}.",
                name=name,
                argument=argument,
                value=value,
            )
        )
    return low, high


def _shear_span(name: str, value: float | Sequence[float]) -> tuple[float, float, float, float]:
    four = isinstance(value, Sequence) and len(value) != 2
    parts = [value[:2], value[2:]] if four else [value]  # type: ignore[index]
    spans = [_span(name, "shear", part) for part in parts]
    if any(abs(edge) >= 90 for span in spans for edge in span):
        raise ArgumentError(
            t(
                "{name}: shear angles must lie within 90 degrees, not {value}.",
                name=name,
                value=value,
            )
        )
    x, y = (*spans, (0.0, 0.0))[:2]
    return (*x, *y)

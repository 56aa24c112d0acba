"""Transforms of place: affine maps, rotation, crops, flips.

Coordinates: x to the right, y down, in pixels; (0, 0) is the centre of the first pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.data.random import Draws
from chainrule.data.transforms.base import Transform, check_images
from chainrule.ops.arrays import native

# Output pixels worked on at a time, so that coordinates and weights stay in cache.
_CHUNK = 1 << 16


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
        check_images(type(self).__name__, x)
        assert draws is not None
        n, _, height, width = x.shape
        amounts = self.parameters(n, height, width, draws)
        return warp(x, inverse_matrices(amounts, height, width), self.fill)


class RandomRotation(RandomAffine):
    """Rotate each image about its centre, bilinear; a positive angle turns anticlockwise.

    Args:
        degrees: range (low, high), or d for (-d, d).
        fill: the value outside the image.
    """

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

    _axis = 2


# -- the affine map itself -------------------------------------------------------------------


def inverse_matrices(amounts: np.ndarray, height: int, width: int) -> np.ndarray:
    """From output pixels to input pixels: float64 [2, N, 3], rows x and y, columns x, y, 1.

    `amounts` is what `RandomAffine.parameters` gives, [N, 6].
    """
    angle, shear_x, shear_y = (np.radians(amounts[:, i]) for i in (0, 4, 5))
    move_x, move_y, scale = amounts[:, 1], amounts[:, 2], amounts[:, 3]
    # Forward: [[a, b], [c, d]] = R(angle) · [[1, 0], [-tan sy, 1]] · [[1, -tan sx], [0, 1]],
    # of determinant 1; so the inverse is [[d, -b], [-c, a]].
    a = np.cos(angle) + np.sin(angle) * np.tan(shear_y)
    c = np.sin(angle) - np.cos(angle) * np.tan(shear_y)
    b = -a * np.tan(shear_x) - np.sin(angle)
    d = -c * np.tan(shear_x) + np.cos(angle)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    out = np.empty((2, len(amounts), 3))
    for row, (by_x, by_y), centre in ((0, (d, -b), centre_x), (1, (-c, a), centre_y)):
        out[row, :, 0] = by_x / scale
        out[row, :, 1] = by_y / scale
        start = out[row, :, 0] * (centre_x + move_x) + out[row, :, 1] * (centre_y + move_y)
        out[row, :, 2] = centre - start
    return out


def warp(x: np.ndarray, matrices: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """Images [N, C, H, W] read bilinearly at `matrices @ (x, y, 1)`; `fill` outside.

    matrices: [2, N, 3] in pixels, as from `inverse_matrices`. Keeps the dtype; uint8 is rounded.
    """
    out = np.empty(x.shape, dtype=x.dtype)
    n, _, height, width = x.shape
    step = max(1, _CHUNK // max(1, height * width))
    for start in range(0, n, step):
        part = slice(start, start + step)
        _warp_chunk(x[part], matrices[:, part], fill, out[part])
    return out


def _warp_chunk(x: np.ndarray, matrices: np.ndarray, fill: float, out: np.ndarray) -> None:
    n, channels, height, width = x.shape
    work = np.float64 if x.dtype == np.float64 else np.float32
    # A border of `fill`: coordinates clamped into it read `fill` and need no test for outside.
    # One pixel before, two after, because the right and lower neighbours are read as well.
    rows, columns = height + 3, width + 3
    padded = np.full((channels, n, rows, columns), fill, dtype=work)
    padded[:, :, 1 : height + 1, 1 : width + 1] = x.transpose(1, 0, 2, 3)

    shifted = matrices.copy()
    shifted[:, :, 2] += 1.0
    place = shifted.astype(work).reshape(-1, 3) @ _grid(height, width, work)
    place = place.reshape(2, n, height * width)
    kernels = native.source() if place.size >= native.LEAST else None
    values = native.NONE if kernels is None else kernels.forward(_Reading, (padded, *place), {})
    if values is native.NONE:
        values = _read(padded, place)
    for channel, value in enumerate(values.reshape(channels, n, height, width)):
        out[:, channel] = np.rint(value, out=value) if out.dtype == np.uint8 else value


class _Reading:
    """`_read` as a formula, for a native kernel: the same operations in the same order."""

    name = "read_bilinearly"
    view = False

    @staticmethod
    def forward(F: Any, padded: Any, x: Any, y: Any) -> Any:
        channels, n, rows, columns = padded.shape
        x = F.minimum(F.maximum(x, 0), columns - 2)
        y = F.minimum(F.maximum(y, 0), rows - 2)
        left, top = F.astype(x, "int32"), F.astype(y, "int32")
        right, down = x - F.astype(left, x.dtype), y - F.astype(top, y.dtype)
        index = top * columns + left

        def neighbour(offset: int) -> Any:
            at = F.broadcast_to(F.expand_dims(index + offset, 0), (channels, *index.shape))
            return F.plane_take(padded, F.expand_dims(at, -1), 2)

        def between(low: Any, high: Any, weight: Any) -> Any:
            return low + F.expand_dims(weight, -1) * (high - low)

        upper = between(neighbour(0), neighbour(1), right)
        lower = between(neighbour(columns), neighbour(columns + 1), right)
        return between(upper, lower, down)


def _read(padded: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Images [C, N, rows, columns] at places [2, N, P] in pixels, which it changes: [C, N, P]."""
    channels, n, rows, columns = padded.shape
    np.maximum(place, 0, out=place)
    most = np.array([columns - 2, rows - 2], dtype=place.dtype)
    np.minimum(place, most.reshape(2, 1, 1), out=place)
    whole = place.astype(np.int32)
    place -= whole
    right, down = place

    index = whole[1].astype(np.intp)
    index *= columns
    index += whole[0]
    index += np.arange(0, n * rows * columns, rows * columns)[:, None]
    values = np.empty((channels, *index.shape), padded.dtype)
    for channel in range(channels):
        flat = padded[channel].reshape(-1)
        # The same index into shifted views reads the four neighbours.
        upper = _between(flat.take(index), flat[1:].take(index), right)
        lower = _between(flat[columns:].take(index), flat[columns + 1 :].take(index), right)
        values[channel] = _between(upper, lower, down)
    return values


def _between(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    # low + weight·(high - low), in the memory of `high`.
    high -= low
    high *= weight
    high += low
    return high


@lru_cache(maxsize=16)
def _grid(height: int, width: int, dtype: type) -> np.ndarray:
    """(x, y, 1) of every output pixel, row by row: [3, H·W]."""
    y, x = np.mgrid[0:height, 0:width]
    grid: np.ndarray = np.stack([x.ravel(), y.ravel(), np.ones(height * width)]).astype(dtype)
    grid.setflags(write=False)
    return grid


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

"""The affine map of images, read bilinearly: on NumPy, and for large batches in native code.

Coordinates: x to the right, y down, in pixels; (0, 0) is the centre of the first pixel.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from chainrule.data.transforms.values import to_float
from chainrule.ops.arrays import native

# Output pixels worked on at a time, so that coordinates and weights stay in cache.
_CHUNK = 1 << 16


def inverse_matrices(amounts: np.ndarray, height: int, width: int) -> np.ndarray:
    """From output pixels to input pixels: float64 [2, N, 3], rows x and y, columns x, y, 1.

    `amounts` is what `RandomAffine.parameters` gives, [N, 6].
    """
    angle, shear_x, shear_y = np.radians(amounts.T[[0, 4, 5]])
    move_x, move_y, scale = amounts.T[1:4]
    sine, cosine, tan_y = np.sin(angle), np.cos(angle), np.tan(shear_y)
    tan_x = np.tan(shear_x)
    # Forward: [[a, b], [c, d]] = R(angle) · [[1, 0], [-tan sy, 1]] · [[1, -tan sx], [0, 1]],
    # of determinant 1; so the inverse is [[d, -b], [-c, a]].
    a = cosine + sine * tan_y
    c = sine - cosine * tan_y
    b = -a * tan_x - sine
    d = -c * tan_x + cosine
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
    work = np.float64 if x.dtype == np.float64 else np.float32
    out = resampled(x.astype(work, copy=False), matrices, fill)
    if x.dtype == np.uint8:
        np.rint(out, out=out)
    return out.astype(x.dtype, copy=False)


def resampled(
    x: np.ndarray,
    matrices: np.ndarray,
    fill: float = 0.0,
    moments: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """As `warp` of float32 or float64 images, or of uint8 ones as `to_float` gives them.

    moments: mean and deviation [C] of the result's dtype; that mean is taken off the result, which
    is then divided by that deviation.
    """
    work = np.dtype(np.float32) if x.dtype == np.uint8 else x.dtype
    _, _, height, width = x.shape
    shifted = matrices.copy()
    shifted[:, :, 2] += 1.0  # the border
    shifted = shifted.astype(work, copy=False)
    grid = _grid(height, width, work)
    if x.size and x.size >= native.LEAST and native.source() is not None:
        # Loaded with the first large batch: the compiler takes long to import.
        from chainrule.compile.resampling import resample

        return resample(np.ascontiguousarray(x), shifted, grid, fill, moments)
    x = to_float(x) if x.dtype == np.uint8 else x
    out = np.empty(x.shape, work)
    step = max(1, _CHUNK // max(1, height * width))
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        out[part] = _read(x[part], shifted[:, part], grid, fill)
    if moments is not None:
        mean, deviation = (each.reshape(-1, 1, 1) for each in moments)
        out -= mean
        out /= deviation
    return out


def _read(x: np.ndarray, matrices: np.ndarray, grid: np.ndarray, fill: float) -> np.ndarray:
    """Images [n, C, H, W] read at places given in pixels of the bordered image."""
    n, channels, height, width = x.shape
    # A border of `fill`: coordinates clamped into it read `fill` and need no test for outside.
    # One pixel before, two after, because the right and lower neighbours are read as well.
    rows, columns = height + 3, width + 3
    padded = np.full((n, channels, rows, columns), fill, dtype=x.dtype)
    padded[:, :, 1 : height + 1, 1 : width + 1] = x

    place = matrices[:, :, 1, None] * grid[1]
    place += matrices[:, :, 2, None]
    # a·x + (b·y + c), as the native code adds.
    np.add(matrices[:, :, 0, None] * grid[0], place, out=place)
    np.maximum(place, 0, out=place)
    most = np.array([columns - 2, rows - 2], dtype=place.dtype)
    np.minimum(place, most.reshape(2, 1, 1), out=place)
    whole = place.astype(np.int32)
    place -= whole
    right, down = place

    index = whole[1].astype(np.intp)
    index *= columns
    index += whole[0]
    index += np.arange(0, n * channels * rows * columns, channels * rows * columns)[:, None]
    values = np.empty((n, channels, height * width), x.dtype)
    flat = padded.reshape(-1)
    for channel in range(channels):
        # The same index into shifted views reads the four neighbours.
        upper = _between(flat.take(index), flat[1:].take(index), right)
        lower = _between(flat[columns:].take(index), flat[columns + 1 :].take(index), right)
        values[:, channel] = _between(upper, lower, down)
        index += rows * columns
    return values.reshape(x.shape)


def _between(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    # low + weight·(high - low), in the memory of `high`.
    high -= low
    high *= weight
    high += low
    return high


@lru_cache(maxsize=16)
def _grid(height: int, width: int, dtype: np.dtype) -> np.ndarray:
    """x and y of every output pixel, row by row: [2, H·W]."""
    y, x = np.mgrid[0:height, 0:width]
    grid: np.ndarray = np.stack([x.ravel(), y.ravel()]).astype(dtype)
    grid.setflags(write=False)
    return grid

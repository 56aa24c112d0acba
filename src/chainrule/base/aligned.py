"""Arrays that begin at a cache line.

NumPy's own begin 16 bytes behind one wherever they are large, so that every vector of 64 bytes
which a kernel reads or writes there touches two lines.
"""

from __future__ import annotations

import math

import numpy as np

LINE = 64  # bytes
_LARGE = 4096  # below, it makes no difference


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory as it comes."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE:
        return np.empty(shape, dtype)
    raw = np.empty(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def full(shape: tuple[int, ...], value: float, dtype: np.dtype) -> np.ndarray:
    """One value everywhere."""
    out = empty(shape, dtype)
    out[...] = value
    return out

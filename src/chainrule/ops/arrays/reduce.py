"""Reductions that stay accurate over millions of elements.

NumPy adds pairwise only along the contiguous axis; along any other it adds one after the other, and
in float32 twenty million ones then sum to 16,777,216. Long axes are therefore summed in blocks, and
the block sums again, so the error grows with the logarithm of the length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.shapes import normalize_axes

# The ufuncs' own methods: half a microsecond less than np.sum and its like.
_add: Any = np.add.reduce
_multiply: Any = np.multiply.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce

# Sequential additions that are harmless in float32; also the length of a block.
_BLOCK = 512


def total(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over `axis` (None: all). Integers and booleans add up in int64, as in PyTorch."""
    kind = x.dtype.kind
    if kind != "f":
        return _add(x, _axis(x, axis), np.int64, None, keepdims)
    if x.size <= _BLOCK * 4 or (axis is None and x.flags.c_contiguous):
        return _add(x, _axis(x, axis), None, None, keepdims)
    axes = normalize_axes(axis, x.ndim)
    out = x
    # The innermost axis first: NumPy is fast and pairwise there, and what is left is small.
    for i in sorted(axes, reverse=True):
        out = _along(out, i)
    if not keepdims:
        out = out.reshape(tuple(n for i, n in enumerate(out.shape) if i not in axes))
    return out


def _axis(x: Any, axis: Any) -> Any:
    # PyTorch lets a 0-d tensor have axis 0.
    if x.ndim == 0:
        return normalize_axes(axis, 0) and None
    return tuple(axis) if isinstance(axis, list) else axis


def _along(x: Any, axis: int) -> Any:
    n = x.shape[axis]
    contiguous = x.strides[axis] == x.itemsize and axis == x.ndim - 1
    if n <= _BLOCK or contiguous:
        return _add(x, axis, None, None, True)
    blocks = n // _BLOCK
    head = (slice(None),) * axis
    body = x[(*head, slice(0, blocks * _BLOCK))]
    body = body.reshape(x.shape[:axis] + (blocks, _BLOCK) + x.shape[axis + 1 :])
    sums = _along(_add(body, axis + 1), axis)
    if blocks * _BLOCK < n:
        sums = sums + _add(x[(*head, slice(blocks * _BLOCK, n))], axis, None, None, True)
    return sums


def product(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The product over `axis`; integers in int64."""
    dtype = None if x.dtype.kind == "f" else np.int64
    return _multiply(x, _axis(x, axis), dtype, None, keepdims)


def largest(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The maximum over `axis`; NaN wins."""
    return _maximum(x, _axis(x, axis), None, None, keepdims)


def smallest(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The minimum over `axis`; NaN wins."""
    return _minimum(x, _axis(x, axis), None, None, keepdims)

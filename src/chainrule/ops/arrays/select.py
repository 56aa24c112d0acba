"""Choosing between two arrays without branching."""

from __future__ import annotations

from typing import Any

import numpy as np

_BITS = {np.dtype("float32"): np.int32, np.dtype("float64"): np.int64}
_SMALL = 4096  # below, the fixed cost of several passes is more than np.where's branches


def where(condition: Any, x: Any, o: Any) -> Any:
    """x where condition, else o; NaN and infinities of the untaken side do not come through.

    np.where branches on every element: ten times slower on random masks than bit masks are.
    """
    arrays = x.__class__ is np.ndarray, o.__class__ is np.ndarray
    dtype = x.dtype if arrays[0] else o.dtype if arrays[1] else None
    bits = _BITS.get(dtype)  # type: ignore[arg-type]
    if bits is None or condition.__class__ is not np.ndarray or condition.size < _SMALL:
        return np.where(condition, x, o)
    whole = all(v.shape == condition.shape for v, a in zip((x, o), arrays, strict=True) if a)
    if condition.dtype != bool or not whole:
        return np.where(condition, x, o)
    mask = condition.astype(bits)  # 1 and 0, soon all ones and all zeros
    if all(arrays):
        if x.dtype != o.dtype:
            return np.where(condition, x, o)
        np.negative(mask, mask)
        mask &= x.view(bits) ^ o.view(bits)
        mask ^= o.view(bits)
    elif arrays[0] and not o:
        np.negative(mask, mask)
        mask &= x.view(bits)
    elif arrays[1] and not x:
        mask -= 1
        mask &= o.view(bits)
    else:
        return np.where(condition, x, o)
    return mask.view(dtype)

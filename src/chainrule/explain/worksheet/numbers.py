"""Numbers as a worksheet prints them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# A longer vector shows its first and last elements.
_SHOWN = 8


def number(x: float, digits: int = 2) -> str:
    """`x` with `digits` decimals, or that many significant ones below 0.1.

    Integers and short decimals are written as they are: 3, -4, 0.5; so 0.50 has been rounded.
    """
    if not math.isfinite(x):
        return f"{x:g}"
    if x == int(x) and abs(x) < 1e9:
        return str(int(x))
    short = f"{x:.12g}"
    if float(short) == x and len(short.lstrip("-")) <= digits + 3:
        return short
    exponent = math.floor(math.log10(abs(x)))
    if abs(x) >= 1e6 or exponent < -4:
        return f"{x:.{digits}e}"
    return f"{x:.{max(digits, digits - 1 - exponent)}f}"


def values(x: Any, digits: int = 2) -> str:
    """A number, or a vector in brackets."""
    array = np.asarray(x)
    if array.ndim == 0:
        return number(float(array), digits)
    texts = [number(float(v), digits) for v in array]
    if len(texts) > _SHOWN:
        texts = [*texts[:3], "…", *texts[-2:]]
    return f"[{', '.join(texts)}]"


def exact(x: Any, digits: int = 2) -> bool:
    """Whether `values` shows the number without rounding it."""
    return all(not math.isfinite(v) or float(number(float(v), digits)) == v for v in np.ravel(x))


def plain(x: Any) -> Any:
    """For JSON: floats and lists of them; what is no number as the text NaN or Infinity."""
    array = np.asarray(x, dtype=np.float64)
    return [plain(v) for v in array] if array.ndim else _json(float(array))


def _json(x: float) -> float | str:
    if math.isnan(x):
        return "NaN"
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return x

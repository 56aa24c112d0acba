"""From values to places on an axis, and the round values that label it."""

import math
from collections.abc import Iterable

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Scale:
    """Maps `low…high` (ends of the axis, in values) to `start…end` (in drawing units)."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False):
        self.low, self.high, self.log = low, high, log
        self._start, self._length = start, end - start
        self._from, self._to = (math.log10(low), math.log10(high)) if log else (low, high)

    def __call__(self, value: float) -> float | None:
        """The place of `value`; None where it cannot be drawn (NaN, infinite, 0 on a log axis)."""
        if not math.isfinite(value) or (self.log and value <= 0):
            return None
        value = math.log10(value) if self.log else value
        share = (value - self._from) / (self._to - self._from)
        return self._start + share * self._length

    def ticks(self, count: int = 5) -> list[float]:
        """Round values inside the axis, about `count` of them."""
        if not self.log:
            return linear_ticks(self.low, self.high, count)
        return log_ticks(self.low, self.high, count)


def linear_step(span: float, count: int) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that cuts `span` into at most `count` parts."""
    rough = span / count
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * (1 - 1e-9))


def linear_ticks(low: float, high: float, count: int) -> list[float]:
    """Multiples of a round step in `low…high`."""
    step = linear_step(high - low, count)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    # Rounded to the step's own digits, or 3 × 0.1 would be labelled 0.30000000000000004.
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Powers of ten in `low…high`; with round values between them where there are few."""
    if high < 8 * low:
        return linear_ticks(low, high, count)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / count))
    steps = (1, 2, 5) if high < 100 * low else (1, 3) if high < 1000 * low else (1,)
    values = (m * 10.0**n for n in range(first, last + 1, every) for m in steps)
    return [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]


def axis_range(
    values: Iterable[float], log: bool = False, share: bool = False
) -> tuple[float, float] | None:
    """Round ends of an axis that holds all drawable `values`; None if there are none.

    The axis of equal shares stays inside 0…1, where shares are.
    """
    drawable = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not drawable:
        return None
    low, high = min(drawable), max(drawable)
    if log:
        low, high = low / 1.15, high * 1.15
        return low, high
    if high - low <= abs(high) * 1e-9:
        if share and 0 <= low <= 1:
            return (0.0, 0.1) if low == 0 else (max(0.0, low - 0.1), min(1.0, low + 0.1))
        pad = abs(high) * 0.1 or 1.0
        return low - pad, high + pad
    step = linear_step(high - low, 5)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def tick_label(value: float) -> str:
    """`value` as short as an axis needs it: 0.5, 20, 1.5k, 10⁻⁵."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-4 or size >= 1e6:
        exponent = math.floor(math.log10(size) + 1e-9)
        factor = f"{value / 10.0**exponent:.3g}"
        power = "10" + str(exponent).translate(_SUPERSCRIPT)
        return power if factor == "1" else f"{factor}·{power}"
    if size >= 1e4:
        return f"{value / 1000:g}k"
    return f"{value:.4g}"

"""Worked updates checked: the arithmetic of each line, and the step that really happens."""

from __future__ import annotations

import math
from typing import NamedTuple

from chainrule.base.text import t
from chainrule.explain.updates.work import Place, UpdateLine
from chainrule.explain.worksheet.syntax import Call, Expression, Number, parse

# What rounding may do to a step, as a share of it, and to the number that it ends in.
_SHARE = {"float64": 1e-9, "float32": 1e-3}
_UNIT = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
_LEAST = {"float64": 5e-324, "float32": 1.5e-45, "float16": 6e-8, "bfloat16": 1e-40}
# A step in few digits may lose so much of itself, and is still the right one.
_ROUNDED = 0.05


class Real(NamedTuple):
    """What a step really gave: with the same numbers in float64 (`exact`), and in the dtype of the
    program (`own`); `size`: of what the rounding of `own` is a share."""

    exact: float | None
    own: float | None
    dtype: str
    size: float


class LineCheck(NamedTuple):
    """`status`: "right", "rounded" (right, and in the program's dtype some digits are lost) or
    "wrong". `error`: the largest relative error. `text` says what was found."""

    status: str
    error: float
    text: str

    @property
    def mark(self) -> str:
        return "✗" if self.status == "wrong" else "✓"


class Checked(NamedTuple):
    """The checks of all lines that are shown, by parameter and element."""

    entries: dict[tuple[str, Place], tuple[LineCheck, ...]]

    @property
    def wrong(self) -> tuple[str, ...]:
        """The elements with a wrong line, each with what was found."""
        return tuple(
            f"{name}{list(at)}: {check.text}"
            for (name, at), found in self.entries.items()
            for check in found
            if check.status == "wrong"
        )

    @property
    def right(self) -> bool:
        return not self.wrong

    @property
    def lines(self) -> int:
        return sum(len(found) for found in self.entries.values())

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return max((c.error for found in self.entries.values() for c in found), default=0.0)


def check(line: UpdateLine, real: Real | None) -> LineCheck:
    """One line: its arithmetic with 40 digits, and the number that the step gave for it."""
    scale = _largest(line)
    again = line.exact()
    error = _distance(line.value, again)
    if error > 1e-9 and abs(line.value - again) > 1e-13 * scale:
        text = t("{name} = {value:.6g}, but its numbers give {real:.6g}", name=line.name,
                 value=line.value, real=again)  # fmt: skip
        return LineCheck("wrong", error, text)
    if real is None:
        return LineCheck("right", error if math.isfinite(error) else 0.0, "")
    if real.exact is not None:
        error = max(error, _distance(line.value, real.exact))
        if _distance(line.value, real.exact) > 1e-8 and not (
            abs(line.value - real.exact) <= 1e-12 * scale
        ):
            text = t("{name} = {value:.6g}, but the step gives {real:.6g}", name=line.name,
                     value=line.value, real=real.exact)  # fmt: skip
            return LineCheck("wrong", error, text)
    if real.own is not None and _distance(line.value, real.own):
        away = abs(line.value - real.own)
        unit = _UNIT.get(real.dtype, 2.0**-7) * abs(real.own) + _LEAST.get(real.dtype, 0.0)
        size = abs(real.size) or abs(real.own)
        if not away <= 2 * unit + _ROUNDED * size:
            text = t("{name} = {value:.6g}, but in {dtype} it became {real:.6g}", name=line.name,
                     value=line.value, dtype=real.dtype, real=real.own)  # fmt: skip
            return LineCheck("wrong", away / max(abs(real.own), 1e-300), text)
        if away > 2 * unit + _SHARE.get(real.dtype, 1e-3) * size:
            text = t("{dtype} rounds it to {real:.6g}", dtype=real.dtype, real=real.own)
            return LineCheck("rounded", error, text)
    return LineCheck("right", error, "")


def _distance(a: float, b: float) -> float:
    """The relative difference; 0 for equal numbers, infinite ones and NaN among them."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def _largest(line: UpdateLine) -> float:
    """The largest number in a line: terms that cancel leave the rounding of what they were."""
    if line.terms is not None:
        return float(abs(line.terms).max(initial=0.0)) * max(line.terms.size, 1) / line.divisor
    return max(_leaves(parse(line.numbers)), default=0.0)


def _leaves(tree: Expression) -> list[float]:
    if isinstance(tree, Call):
        return [v for a in tree.arguments for v in _leaves(a)]
    return [abs(tree.value)] if isinstance(tree, Number) else []

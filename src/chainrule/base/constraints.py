"""Constraints on the parameters of an operation.

A constraint is an object: it carries the default, validates and normalises a value, words the
error, and makes values for tests, good ones (`samples`) and bad ones (`bad`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

from chainrule.base.dtypes import as_dtype
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()


class Constraint:
    """Base class. `check(value, owner, name)` returns the normalised value or raises."""

    bad: Sequence[Any] = ()
    samples: Sequence[Any] = ()

    def __init__(self, default: Any = REQUIRED) -> None:
        self.default = default

    def check(self, value: Any, owner: str, name: str) -> Any:
        raise NotImplementedError

    def describe(self) -> str:
        raise NotImplementedError

    def refuse(self, value: Any, owner: str, name: str) -> ArgumentError:
        return ArgumentError(
            t(
                "{owner}: {name} must be {expected}, got {value!r}.",
                owner=owner,
                name=name,
                expected=self.describe(),
                value=value,
            )
        )


class Number(Constraint):
    """A finite real number in an interval; `ends` says which ends belong to it: "[]", "(]" …"""

    def __init__(
        self,
        default: Any = REQUIRED,
        low: float = -math.inf,
        high: float = math.inf,
        ends: str = "[]",
        samples: Sequence[float] = (),
    ) -> None:
        super().__init__(default)
        self.low, self.high, self.ends = low, high, ends
        self.samples = samples
        self.bad = ["a", None, math.nan, *self._outside()]

    def _outside(self) -> list[float]:
        out = []
        if self.low > -math.inf:
            out.append(self.low if self.ends[0] == "(" else self.low - 1)
        if self.high < math.inf:
            out.append(self.high if self.ends[1] == ")" else self.high + 1)
        return out

    def check(self, value: Any, owner: str, name: str) -> Any:
        if not isinstance(value, Real) or isinstance(value, bool) or math.isnan(value):
            raise self.refuse(value, owner, name)
        value = value if isinstance(value, int | float) else float(value)
        below = value < self.low or (value == self.low and self.ends[0] == "(")
        above = value > self.high or (value == self.high and self.ends[1] == ")")
        if below or above:
            raise self.refuse(value, owner, name)
        return value

    def describe(self) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return t("a number")
        if self.high == math.inf:
            sign = ">" if self.ends[0] == "(" else "≥"
            return t("a number {sign} {low}", sign=sign, low=self.low)
        left, right = self.ends[0], self.ends[1]
        return t("a number in {interval}", interval=f"{left}{self.low}, {self.high}{right}")


def Positive(default: Any = REQUIRED, **kw: Any) -> Number:
    """A number > 0."""
    return Number(default, 0, ends="(]", **kw)


def NonNegative(default: Any = REQUIRED, **kw: Any) -> Number:
    """A number ≥ 0."""
    return Number(default, 0, **kw)


def Interval(low: float, high: float, default: Any = REQUIRED, ends: str = "[]") -> Number:
    """A number between `low` and `high`."""
    return Number(default, low, high, ends)


class Int(Constraint):
    """An integer, at least `low`."""

    def __init__(self, default: Any = REQUIRED, low: int | None = None) -> None:
        super().__init__(default)
        self.low = low
        self.bad = ["a", 1.5, *([] if low is None else [low - 1])]

    def check(self, value: Any, owner: str, name: str) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise self.refuse(value, owner, name)
        if self.low is not None and value < self.low:
            raise self.refuse(value, owner, name)
        return int(value)

    def describe(self) -> str:
        if self.low is None:
            return t("an integer")
        return t("an integer ≥ {low}", low=self.low)


class Bool(Constraint):
    """True or False."""

    bad = ("yes", 2)
    samples = (True, False)

    def check(self, value: Any, owner: str, name: str) -> bool:
        if not isinstance(value, bool):
            raise self.refuse(value, owner, name)
        return value

    def describe(self) -> str:
        return t("True or False")


class Choice(Constraint):
    """One of a few values."""

    def __init__(self, *choices: Any, default: Any = REQUIRED) -> None:
        super().__init__(choices[0] if default is REQUIRED else default)
        self.choices = choices
        self.samples = choices
        self.bad = ["no such choice"]

    def check(self, value: Any, owner: str, name: str) -> Any:
        if value not in self.choices:
            raise self.refuse(value, owner, name)
        return value

    def describe(self) -> str:
        return t("one of {choices}", choices=", ".join(map(repr, self.choices)))


class Optional(Constraint):
    """None, or what another constraint takes; None is the default."""

    def __init__(self, inner: Constraint, default: Any = None) -> None:
        super().__init__(default)
        self.inner = inner
        self.bad = [b for b in inner.bad if b is not None]
        self.samples = [None, *inner.samples]

    def check(self, value: Any, owner: str, name: str) -> Any:
        return None if value is None else self.inner.check(value, owner, name)

    def describe(self) -> str:
        return t("None or {inner}", inner=self.inner.describe())


class Ints(Constraint):
    """A tuple of integers (a shape, axes, sizes); one integer counts as a tuple of one."""

    def __init__(self, default: Any = REQUIRED, low: int | None = None) -> None:
        super().__init__(default)
        self.low = low
        self.bad = ["a", 1.5, *([] if low is None else [(low - 1,)])]

    def check(self, value: Any, owner: str, name: str) -> tuple[int, ...]:
        values = (value,) if isinstance(value, Integral) else value
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise self.refuse(value, owner, name)
        try:
            result = tuple(operator.index(v) for v in values)
        except TypeError:
            raise self.refuse(value, owner, name) from None
        if self.low is not None and any(v < self.low for v in result):
            raise self.refuse(value, owner, name)
        return result

    def describe(self) -> str:
        if self.low is None:
            return t("an integer or a tuple of integers")
        return t("an integer or a tuple of integers ≥ {low}", low=self.low)


class Dims(Optional):
    """Axes to reduce: an axis, several, or all of them (None, or none named, as in PyTorch)."""

    def __init__(self) -> None:
        super().__init__(Ints())

    def check(self, value: Any, owner: str, name: str) -> Any:
        return super().check(value, owner, name) or None


class Spatial(Ints):
    """One size for each of `n` spatial axes; one integer serves all of them."""

    def __init__(self, n: int, default: Any = REQUIRED, low: int = 1) -> None:
        super().__init__(default, low)
        self.n = n
        self.bad = [*self.bad, (low,) * (n + 1)]

    def check(self, value: Any, owner: str, name: str) -> tuple[int, ...]:
        result = super().check(value, owner, name)
        if len(result) == 1:
            return result * self.n
        if len(result) != self.n:
            raise self.refuse(value, owner, name)
        return result

    def describe(self) -> str:
        return t("an integer or {n} integers ≥ {low}", n=self.n, low=self.low)


class DTypeOf(Constraint):
    """A dtype."""

    bad = ("no such dtype", 3)

    def check(self, value: Any, owner: str, name: str) -> Any:
        try:
            return as_dtype(value)
        except TypeError:
            raise self.refuse(value, owner, name) from None

    def describe(self) -> str:
        return t("a dtype such as chainrule.float32")


class Anything(Constraint):
    """Checked by the operation itself (an index expression, an equation)."""

    def __init__(self, default: Any = REQUIRED, check: Callable[[Any], Any] | None = None) -> None:
        super().__init__(default)
        self._check = check

    def check(self, value: Any, owner: str, name: str) -> Any:
        return value if self._check is None else self._check(value)

    def describe(self) -> str:
        return t("a value that the operation accepts")

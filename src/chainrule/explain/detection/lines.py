"""Worked lines: a formula with its numbers put in, which know the numbers that they print."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.explain.worksheet import numbers

#: The stages of a box, in order.
STAGES = (
    "anchor", "score", "decode", "suppression", "region", "class", "refine", "selection", "final",
)  # fmt: skip


class _Shown(float):
    """A number in a template: `{x}`, or `{x:b}` with brackets around a negative one."""

    digits = 4

    def __format__(self, form: str) -> str:
        text = numbers.number(float(self), self.digits).replace("-", "−")
        return f"({text})" if form == "b" and text.startswith("−") else text


class Line(NamedTuple):
    """One line. `key`: what it is about, "decode.width"; `values`: the numbers that it prints."""

    key: str
    template: str
    values: dict[str, float]

    def text(self, digits: int = 4) -> str:
        """The formula with the numbers put in."""
        shown = {}
        for name, value in self.values.items():
            shown[name] = _Shown(value)
            shown[name].digits = digits
        return self.template.format(**shown)


class Stage(NamedTuple):
    """What happened to a box at one of `STAGES`."""

    key: str
    lines: list[Line]

    def line(self, key: str) -> Line:
        """The line of this key, such as "decode.width"."""
        return next(line for line in self.lines if line.key == key)


def line(key: str, template: str, **values: float) -> Line:
    """A line of plain numbers."""
    return Line(key, template, {name: float(value) for name, value in values.items()})

"""`Working`: how an estimator came to its parameters, as steps with formulas and numbers.

    working = Working(Words("Linear regression", "线性回归"))
    step = working.step(Words("Cost", "代价"), Formula("J = Σ(h − y)²/(2m)", r"J = …"))
    step.line("J", "(0.5² + 0.1²)/(2·2)", cost, lambda: np.sum((x @ w - y) ** 2) / (2 * len(y)))
    step.table(("round", "J"), rows, recompute=lambda: rows_again)
    step.picture(Curves(…))
    print(working.verify())

A line or table that carries a `recompute` is worked out again by `verify`, from the data and the
parameters, by another way than the fit took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.shown import Shown
from chainrule.base.text import speaking
from chainrule.learn.working.pictures import Picture
from chainrule.learn.working.words import Formula, Words, numbers, say

Recompute = Callable[[], Any]


@dataclass
class Line:
    """`name = put_in = value`, such as J = (0.5² + 0.1²)/4 = 0.065.

    name: symbol, plain text; put_in: the formula with its numbers, may be empty; value: a number
    or a small array; recompute: gives the value again; tolerance: relative error that is allowed;
    latex: the whole line in LaTeX if the plain text will not do.
    """

    name: str
    put_in: str
    value: Any
    recompute: Recompute | None = None
    tolerance: float = 1e-9
    latex: str | None = None
    error: float | None = None

    def text(self, digits: int = 4) -> str:
        middle = f" = {self.put_in}" if self.put_in else ""
        return f"{self.name}{middle} = {numbers(self.value, digits)}"


@dataclass
class Table:
    """Rows of numbers and texts under heads; recompute gives all rows again (numeric cells)."""

    heads: tuple[Words | str, ...]
    rows: list[tuple[Any, ...]]
    title: Words | str = ""
    recompute: Recompute | None = None
    tolerance: float = 1e-9
    error: float | None = None


@dataclass
class Step:
    """One step: a title, a formula, then lines, notes, tables and pictures in their order."""

    title: Words | str
    formula: Formula | None = None
    parts: list[Line | Table | Picture | Words] = field(default_factory=list)

    def line(
        self,
        name: str,
        put_in: str,
        value: Any,
        recompute: Recompute | None = None,
        *,
        tolerance: float = 1e-9,
        latex: str | None = None,
    ) -> Step:
        """Adds a `Line`."""
        self.parts.append(Line(name, put_in, value, recompute, tolerance, latex))
        return self

    def note(self, en: str, zh: str) -> Step:
        """Adds a sentence."""
        self.parts.append(Words(en, zh))
        return self

    def table(
        self,
        heads: Sequence[Words | str],
        rows: Any,
        recompute: Recompute | None = None,
        *,
        title: Words | str = "",
        tolerance: float = 1e-9,
    ) -> Step:
        """Adds a `Table`; rows: nested sequences or an array [rows, heads]."""
        cells = [tuple(row) for row in rows]
        self.parts.append(Table(tuple(heads), cells, title, recompute, tolerance))
        return self

    def picture(self, picture: Picture) -> Step:
        """Adds a picture (`Curves`, `Regions`, `Bars`, `Tree`, `Multiples`)."""
        self.parts.append(picture)
        return self

    def of(self, kind: type) -> list[Any]:
        """Its parts of one kind: `step.of(Line)`."""
        return [part for part in self.parts if isinstance(part, kind)]


@dataclass(frozen=True)
class Checked:
    """What `verify` found. It is true if nothing is wrong."""

    right: int
    wrong: tuple[str, ...]
    unchecked: int
    worst: float

    def __bool__(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        text = f"✓ {self.right}  ✗ {len(self.wrong)}  ? {self.unchecked}  max {self.worst:.1e}"
        return "\n".join([text, *(f"✗ {line}" for line in self.wrong)])


class Working(Shown):
    """The worked steps of a fit. `print(working)` shows them; notebooks show them with pictures.

    title: what was fitted, in both languages; steps: in their order.
    """

    def __init__(self, title: Words | str) -> None:
        self.title = title
        self.steps: list[Step] = []
        self.checked: Checked | None = None

    def step(self, title: Words | str, formula: Formula | None = None) -> Step:
        """Adds a step and returns it, to be filled."""
        self.steps.append(Step(title, formula))
        return self.steps[-1]

    def verify(self) -> Checked:
        """Works out again every line and table that carries a recomputation.

        The result is kept: texts printed afterwards mark what was checked.
        """
        right, unchecked, worst = 0, 0, 0.0
        wrong: list[str] = []
        for step in self.steps:
            for part in step.parts:
                if not isinstance(part, Line | Table):
                    continue
                if part.recompute is None:
                    unchecked += 1
                    continue
                given = part.value if isinstance(part, Line) else part.rows
                part.error = _difference(given, part.recompute())
                worst = max(worst, part.error)
                if part.error <= part.tolerance:
                    right += 1
                    continue
                what = part.text() if isinstance(part, Line) else say(part.title)
                wrong.append(f"{say(step.title)}: {what} ({part.error:.1e})")
        self.checked = Checked(right, tuple(wrong), unchecked, worst)
        return self.checked

    # ---- shown -----------------------------------------------------------------------------------

    def to_text(self, digits: int = 4, language: str | None = None) -> str:
        """Plain text for a terminal; pictures are named."""
        return self._shown("to_text", digits, language)

    def to_markdown(self, digits: int = 4, language: str | None = None) -> str:
        """Markdown with formulas in `$…$` and the pictures as SVG."""
        return self._shown("to_markdown", digits, language)

    def to_latex(self, digits: int = 4, language: str | None = None) -> str:
        """The body of a LaTeX document (amsmath); pictures are named."""
        return self._shown("to_latex", digits, language)

    def to_html(self, digits: int = 4, language: str | None = None) -> str:
        """One HTML element without scripts, complete in itself."""
        return self._shown("to_html", digits, language)

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Plain data for JSON; numbers that are not finite are the strings "NaN", "Infinity",
        "-Infinity", pictures are SVG."""
        return self._shown("to_dict", 4, language)  # type: ignore[no-any-return]

    def _shown(self, how: str, digits: int, language: str | None) -> Any:
        # Rendering is only needed when something is printed.
        from chainrule.learn.working import render

        with speaking(language):
            return getattr(render, how)(self, digits)

    def __repr__(self) -> str:
        return f"<Working of {say(self.title)}: {len(self.steps)} steps>"


def _difference(given: Any, again: Any) -> float:
    """The largest relative difference of numbers; infinite for shapes or texts that differ."""
    if isinstance(given, list | tuple):
        if isinstance(again, np.ndarray):
            again = again.tolist()
        if not isinstance(again, list | tuple) or len(given) != len(again):
            return float("inf")
        return max((_difference(a, b) for a, b in zip(given, again)), default=0.0)
    if isinstance(given, Words | str):
        return 0.0 if say(given) == say(again) else float("inf")
    a, b = np.asarray(given, np.float64), np.asarray(again, np.float64)
    if a.shape != b.shape:
        return float("inf")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    # Relative to the largest entry: a small entry of an array carries the rounding of the others.
    scale = max(float(np.max(np.abs(a))), float(np.max(np.abs(b))), 1e-300)
    worst = float(np.max(np.where(same, 0.0, np.abs(a - b)))) / scale
    return worst if np.isfinite(worst) else float("inf")

"""A worksheet as sections of rows of cells, which the renderers draw; and as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.text import t
from chainrule.explain.worksheet import numbers
from chainrule.explain.worksheet.steps import (
    Array,
    Term,
    Worked,
    Worksheet,
    close,
    disagreements,
)
from chainrule.explain.worksheet.syntax import Expression, Name, Number, text_of


class Cell(NamedTuple):
    """A text with what it is: "step", "formula", "numbers", "value", "local", "gradient", "note".

    Parts joined by " = " may be broken there.
    """

    text: str
    kind: str


class Section(NamedTuple):
    """A heading and rows; `indent` says how deep each row stands."""

    title: str
    rows: list[tuple[int, list[Cell]]]


def sections(sheet: Worksheet, digits: int = 2) -> list[Section]:
    """Everything that a worksheet shows, top to bottom."""
    return _Layout(sheet, digits).sections()


def remarks(sheet: Worksheet, digits: int = 2) -> list[str]:
    """What stands below: rounding, sums of vectors, the result of the check."""
    out = []
    if sheet.values[sheet.output].ndim:
        out.append(t("{name} is a vector: the gradients are those of its sum.", name=sheet.output))
    everything = [*sheet.values.values(), *sheet.gradients.values()]
    everything += [term.local for worked in sheet.steps for term in worked.terms]
    if not all(numbers.exact(x, digits) for x in everything):
        out.append(t("Numbers are rounded for display only; --digits shows more."))
    if not all(np.isfinite(x).all() for x in everything):
        out.append(t("nan and inf: a function was used where it has no value or no slope."))
    if sheet.numeric is not None:
        wrong = disagreements(sheet)
        if wrong:
            out.append(
                t(
                    "Central differences say otherwise for {names}: a kink, a jump, or a rule "
                    "of the operation's own.",
                    names=", ".join(wrong),
                )
            )
        else:
            out.append(t("Central differences confirm every derivative."))
    return out


class _Layout:
    def __init__(self, sheet: Worksheet, digits: int) -> None:
        self.sheet, self.digits = sheet, digits

    def sections(self) -> list[Section]:
        sheet = self.sheet
        back = [w for w in reversed(sheet.steps) if w.terms]
        found = [
            Section(t("Values"), [(0, [Cell(self._pairs(sheet.variables), "value")])]),
            Section(t("Forward"), [(0, self._forward(worked)) for worked in sheet.steps]),
            Section(
                t("Backward: upstream × local = gradient"),
                [row for worked in back for row in self._backward(worked)],
            ),
            Section(t("Gradients"), [(0, self._result(name)) for name in sheet.variables]),
        ]
        return [section for section in found if section.rows]

    # ---- rows --------------------------------------------------------------------------------

    def _forward(self, worked: Worked) -> list[Cell]:
        formula = worked.formula if worked.expansion is None else worked.expansion
        written = [worked.name, self._symbols(worked.formula)]
        if worked.expansion is not None:
            written.append(self._symbols(worked.expansion))
        put_in, value = self._numbers(formula), self._value(worked.value)
        cells = [Cell(" = ".join(written), "formula")]
        cells.append(Cell("" if put_in == value else f"= {put_in}", "numbers"))
        return [*cells, Cell(f"= {value}", "value")]

    def _backward(self, worked: Worked) -> Iterable[tuple[int, list[Cell]]]:
        head = f"{worked.name} = {self._symbols(worked.formula)}"
        yield 0, [Cell(head, "step"), Cell(self._total(worked.name), "gradient")]
        for term in worked.terms:
            yield 1, [Cell(self._local(worked, term), "local"), *self._product(worked, term)]

    def _local(self, worked: Worked, term: Term) -> str:
        value = self._value(term.local if term.local.ndim == 0 else _same(term.local))
        parts = [f"∂{worked.name}/∂{term.input}"]
        if term.derivative is None:
            return " = ".join([*parts, t("{value} (the operation's own rule here)", value=value)])
        for text in (self._symbols(term.derivative), self._numbers(term.derivative), value):
            if text != parts[-1]:
                parts.append(text)
        return " = ".join(parts)

    def _product(self, worked: Worked, term: Term) -> list[Cell]:
        assert worked.upstream is not None
        upstream = self._value(worked.upstream)
        local = self._value(term.local if term.local.ndim == 0 else _same(term.local))
        product = f"{upstream} × {f'({local})' if local.startswith('-') else local}"
        if np.ndim(worked.upstream * term.local) > term.gradient.ndim:
            product = f"sum({product})"
        sign = "=" if len(self.sheet.parts[term.input]) == 1 else "+="
        name = f"∂{self.sheet.output}/∂{term.input}"
        cells = [Cell(f"{name} {sign} {product} = {self._value(term.gradient)}", "gradient")]
        if term.numeric is not None:
            cells.append(self._checked(term.local, term.numeric))
        return cells

    def _checked(self, found: Array, numeric: Array) -> Cell:
        if close(found, numeric):
            return Cell("✓", "right")
        shown = self._value(numeric)
        return Cell(t("✗ differences: {value}", value=shown), "wrong")

    def _result(self, name: str) -> list[Cell]:
        cells = [Cell(self._total(name), "gradient")]
        if self.sheet.numeric is not None:
            cells.append(self._checked(self.sheet.gradients[name], self.sheet.numeric[name]))
        return cells

    def _total(self, name: str) -> str:
        """∂f/∂name, as the sum of its parts where the value is used more than once."""
        texts = [self._value(part) for part in self.sheet.parts.get(name, ())]
        total = self._value(self.sheet.gradients[name])
        parts = [f"∂{self.sheet.output}/∂{name}"]
        if len(texts) > 1:
            rest = [f"({x})" if x.startswith("-") else x for x in texts[1:]]
            parts.append(" + ".join([texts[0], *rest]))
        return " = ".join([*parts, total])

    # ---- texts -------------------------------------------------------------------------------

    def _value(self, x: Any) -> str:
        return numbers.values(x, self.digits)

    def _pairs(self, values: dict[str, Array]) -> str:
        return ", ".join(f"{name} = {self._value(x)}" for name, x in values.items())

    def _symbols(self, tree: Expression) -> str:
        def leaf(x: Name | Number) -> str:
            if isinstance(x, Number):
                return numbers.number(x.value, self.digits)
            return x.name

        return text_of(tree, leaf)

    def _numbers(self, tree: Expression) -> str:
        def leaf(x: Name | Number) -> str:
            if isinstance(x, Name) and x.name in self.sheet.values:
                return self._value(self.sheet.values[x.name])
            if isinstance(x, Number):
                return numbers.number(x.value, self.digits)
            return x.name

        return text_of(tree, leaf)


def _same(x: Array) -> Array:
    """A vector whose elements are all equal as the one number that it is."""
    return x[0] if x.size and bool((x == x[0]).all()) else x


# ---- plain data ------------------------------------------------------------------------------


def to_dict(sheet: Worksheet) -> dict[str, Any]:
    """The worksheet as plain data with all digits, for JSON."""
    full = _Layout(sheet, 15)

    def terms(worked: Worked) -> list[dict[str, Any]]:
        out = []
        for term in worked.terms:
            row: dict[str, Any] = {
                "input": term.input,
                "derivative": None if term.derivative is None else full._symbols(term.derivative),
                "local": numbers.plain(term.local),
                "gradient": numbers.plain(term.gradient),
            }
            if term.numeric is not None:
                row["numeric"] = numbers.plain(term.numeric)
            out.append(row)
        return out

    result: dict[str, Any] = {
        "expression": sheet.source,
        "variables": {name: numbers.plain(x) for name, x in sheet.variables.items()},
        "output": sheet.output,
        "value": numbers.plain(sheet.values[sheet.output]),
        "forward": [
            {
                "name": w.name,
                "formula": full._symbols(w.formula),
                "value": numbers.plain(w.value),
            }
            for w in sheet.steps
        ],
        "backward": [
            {"name": w.name, "upstream": numbers.plain(w.upstream), "terms": terms(w)}
            for w in reversed(sheet.steps)
            if w.terms
        ],
        "gradients": {name: numbers.plain(sheet.gradients[name]) for name in sheet.variables},
    }
    if sheet.numeric is not None:
        result["numeric"] = {name: numbers.plain(x) for name, x in sheet.numeric.items()}
        result["disagreements"] = disagreements(sheet)
    return result

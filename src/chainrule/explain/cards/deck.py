"""A card: everything about one operation, layer, loss, optimiser, schedule or initialiser."""

from __future__ import annotations

import difflib
import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.explain.cards import derivation, pictures, render
from chainrule.explain.cards.composition import Made, composition
from chainrule.explain.cards.entries import Entry, aliases, entries
from chainrule.explain.cards.rules import REASONS, RULES
from chainrule.explain.cards.sheet import Sheet
from chainrule.explain.cards.sheets import SHEETS
from chainrule.explain.cards.tex import is_tex, to_plain, to_tex
from chainrule.explain.report.markup import Words
from chainrule.ops.op import Elementwise, Op


@dataclass(frozen=True)
class Line:
    """A formula, as LaTeX and as plain text, and the words before it."""

    tex: str
    text: str
    words: Words | None = None


@dataclass(frozen=True)
class Card:
    """What one thing is: `print(card)`, `card.html()`, `card.svg()`, or shown by a notebook.

    name, kind, family: what it is called, "operation", "function", "layer", "loss", "optimiser",
        "schedule", "initialiser", "regulariser" or "estimator", and the family it is told of with.
    signature: how it is called. summary: what it is, in one or two sentences.
    definition: its formula. derivation: how its gradient is found, line by line.
    gradients: for each input the gradient in terms of g = ∂L/∂y.
    rule: what the gradient does, in words. code: the rule as the library writes it, or "".
    use, trouble: what it is good for, what goes wrong with it.
    related: names of other cards. note: where the notes speak of it.
    """

    name: str
    kind: str
    family: str
    signature: str
    summary: Words
    definition: Line
    derivation: tuple[Line, ...]
    gradients: Mapping[str, Line]
    rule: Words
    code: str
    use: Words
    trouble: Words
    related: tuple[str, ...]
    note: str

    def svg(self) -> str:
        """Its picture as an SVG file's text."""
        return pictures.draw(entries()[self.name], sheet_of(entries()[self.name]))

    def text(self, width: int = 80) -> str:
        """For a terminal, in the current language."""
        return render.to_text(self, width)

    def markdown(self) -> str:
        """With formulas in LaTeX, in the current language."""
        return render.to_markdown(self)

    def html(self) -> str:
        """One page that needs nothing else, in both languages."""
        return render.to_html(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, both languages."""
        return render.to_dict(self)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {
            "text/plain": self.text(),
            "text/markdown": self.markdown(),
            "text/html": render.fragment(self),
        }


def card(name: str | Any) -> Card:
    """The card of a name, an operation, a module, an optimiser (class or object).

    Errors: ArgumentError, with the nearest name, for what has no card.
    """
    return _card(find(name if isinstance(name, str) else _name_of(name)))


def _name_of(thing: Any) -> str:
    op = getattr(thing, "op", None)
    if op is not None:
        return str(op.name)
    if inspect.isclass(thing) and issubclass(thing, Op):
        return thing.name
    own = thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)
    return own.__name__ if own.__name__ in entries() else own.__name__.rstrip("_")


def find(name: str) -> str:
    """The name under which the card stands. Raises ArgumentError with the closest one."""
    known, other = entries(), aliases()
    if name in known:
        return name
    if name in other:
        return other[name]
    same = [n for n in known if n.lower() == name.lower()]
    if same:
        return same[0]
    # Upper and lower case are no difference worth a guess.
    lower: dict[str, str] = {}
    for n in (*known, *other):
        lower.setdefault(n.lower(), n)
    close = difflib.get_close_matches(name.lower(), lower, 1)
    if close:
        raise ArgumentError(
            t("There is no card named {name!r}; did you mean {close!r}?", name=name,
              close=lower[close[0]])
        )  # fmt: skip
    raise ArgumentError(t("There is no card named {name!r}: chainrule card lists them.", name=name))


def sheet_of(entry: Entry) -> Sheet:
    """The sheet that a person wrote for it."""
    return SHEETS[entry.family][entry.sheet]


@cache
def _card(name: str) -> Card:
    entry = entries()[name]
    sheet, op = sheet_of(entry), entry.op
    definition = _definition(sheet, op)
    rule = sheet.rule or ("none" if op and not op.differentiable else "slope")
    lines, gradients = _derivation(sheet, op, rule), _gradients(sheet, op)
    if entry.kind == "function" and not lines and rule not in REASONS:
        made = composition(entry, sheet)
        if made is not None:
            lines = [_made(line) for line in made.lines]
            gradients = {n: _made(line) for n, line in made.gradients.items()} | gradients
    return Card(
        name=name,
        kind=entry.kind,
        family=entry.family,
        signature=_signature(entry),
        summary=_summary(entry, sheet),
        definition=definition,
        derivation=tuple(lines),
        gradients=gradients,
        rule=RULES[rule],
        code=_code(op),
        use=sheet.use,
        trouble=sheet.trouble,
        related=_related(entry, sheet),
        note=sheet.note,
    )


def _made(line: Made) -> Line:
    return Line(line.tex, line.text, line.words)


def _line(formula: str, head: str = "", words: Words | None = None) -> Line:
    """`head = formula`, the formula in LaTeX or in the language of `math`."""
    tex = formula if is_tex(formula) else to_tex(formula)
    text = to_plain(tex) if tex is formula else formula
    if head:
        tex, text = f"{head} = {tex}", f"{to_plain(head)} = {text}"
    return Line(tex, text, words)


def _definition(sheet: Sheet, op: type[Op] | None) -> Line:
    if sheet.formula:
        return Line(sheet.formula, to_plain(sheet.formula))
    assert op is not None
    return _line(op.math, "y")


def _summary(entry: Entry, sheet: Sheet) -> Words:
    if sheet.summary is not None:
        return sheet.summary
    assert entry.op is not None
    return Words(entry.op.card.en, entry.op.card.zh)


def _derivation(sheet: Sheet, op: type[Op] | None, rule: str) -> list[Line]:
    lines = [Line(s.tex, to_plain(s.tex), s.words) for s in sheet.steps]
    if op is None or not issubclass(op, Elementwise) or not op.differentiable:
        return lines
    if not sheet.steps and not sheet.chain:
        lines += [Line(s.tex, to_plain(s.tex), s.words) for s in derivation.gate_steps(op)]
    for name, forms in slopes_of(sheet, op).items():
        head = rf"\frac{{\partial y}}{{\partial {to_tex(name)}}}"
        lines += [_line(form, head) for form in forms]
    return lines


def slopes_of(sheet: Sheet, op: type[Op]) -> dict[str, list[str]]:
    """For each input of an elementwise operation the forms of its slope."""
    if sheet.chain:
        return {op.inputs[0]: list(sheet.chain)}
    return {} if sheet.gradients else derivation.slopes(op)


def _gradients(sheet: Sheet, op: type[Op] | None) -> dict[str, Line]:
    if op is None or not op.differentiable:
        return {n: _line(f, _head(n)) for n, f in sheet.gradients.items()}
    found = {
        name: derivation.times_g(forms[-1]) for name, forms in slopes_of(sheet, op).items()
    } if issubclass(op, Elementwise) else {}  # fmt: skip
    found |= sheet.gradients
    return {name: _line(formula, _head(name)) for name, formula in found.items()}


def _head(name: str) -> str:
    return rf"\frac{{\partial L}}{{\partial {to_tex(name)}}}"


def _code(op: type[Op] | None) -> str:
    """The vector-Jacobian product as it stands in the source."""
    if op is None or op.vjp is None:
        return ""
    try:
        return textwrap.dedent(inspect.getsource(op.vjp)).strip()
    except (OSError, TypeError):
        return ""


def _signature(entry: Entry) -> str:
    op = entry.op
    if op is not None and getattr(entry.target, "op", None) == op:
        return op.signature()
    if entry.target is None:
        return entry.name
    try:
        signature = inspect.signature(entry.target)
    except (TypeError, ValueError):
        return entry.name
    parameters = [
        p.replace(annotation=p.empty)
        for p in signature.parameters.values()
        if p.name not in ("self", "implementation")
    ]
    text = str(inspect.Signature(parameters))
    return f"{entry.name}{re.sub(r' at 0x[0-9a-f]+', '', text)}"


def _related(entry: Entry, sheet: Sheet) -> tuple[str, ...]:
    near = [entry.sheet] if entry.sheet in entries() else []
    if entry.kind in ("operation", "function"):
        near += [n for n, e in entries().items()
                 if e.kind in ("layer", "loss") and e.sheet == entry.sheet]  # fmt: skip
    names = dict.fromkeys([*near, *sheet.related])
    return tuple(n for n in names if n != entry.name)

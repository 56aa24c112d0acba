"""An explanation as plain text for a terminal."""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chainrule.base.text import t
from chainrule.explain.explanation.entries import Contribution, Entry
from chainrule.explain.explanation.formulas import name_of, operand
from chainrule.explain.explanation.graph import Step
from chainrule.explain.explanation.lines import (
    Line,
    Style,
    at,
    bracketed,
    lines_of,
    shown,
    sum_text,
)
from chainrule.explain.explanation.origin import origins
from chainrule.explain.worksheet import numbers

if TYPE_CHECKING:
    from chainrule.explain.explanation.explanation import Explanation

_MARKS = {"right": "✓", "kink": "✓", "rule": "○", "wrong": "✗", "unknown": "?"}


def title(explanation: Explanation, style: Style) -> str:
    out = explanation.output.outputs[explanation.graph.roots[0][1]]
    value = "" if out.value is None else f" = {shown(out.value, style)}"
    return f"{name_of(explanation.output)}{value}"


def heading(step: Step) -> str:
    """`n4 sigmoid · act1 (Sigmoid) · train.py:12`."""
    parts = [f"{step.id} {step.op_name or step.title}"]
    if step.path is not None and (step.path or step.module_type):
        kind = f" ({step.module_type})" if step.module_type else ""
        parts.append(f"{step.path or t('model')}{kind}")
    if step.source is not None:
        parts.append(f"{Path(step.source.file).name}:{step.source.line}")
    if step.inside is not None:
        parts.append(t("inside {name}", name=step.inside))
    if step.parent is not None:
        parts.append(t("of {name}", name=" ".join(step.parent)))
    return " · ".join(parts)


def code_of(step: Step) -> str:
    """The user's line that made a step, or nothing."""
    source = step.source
    return "" if source is None else linecache.getline(source.file, source.line).strip()


def shapes(step: Step) -> str:
    inputs = ", ".join(f"{operand(x)} {x.shape}" for x in step.inputs if x.shape is not None)
    return f"{inputs} → {', '.join(str(o.shape) for o in step.outputs)}"


def check_mark(explanation: Explanation, step: Step) -> str:
    checked = explanation.checked
    found = None if checked is None else checked.checks.get(step.id)
    return "" if found is None else f"{_MARKS[found.status]} {found.text}"


class Block(NamedTuple):
    """One worked step, as every form shows it."""

    step: Step
    heading: str
    code: str
    shapes: str
    lines: list[Line]
    mark: str


def blocks(explanation: Explanation, style: Style) -> list[Block]:
    """The steps that a gradient passed through, the last first."""
    out = []
    for step in reversed(list(explanation.graph.operations)):
        if any(o.gradient is not None for o in step.outputs):
            lines, mark = lines_of(step, style), check_mark(explanation, step)
            out.append(Block(step, heading(step), code_of(step), shapes(step), lines, mark))
    return out


def leaves(explanation: Explanation, style: Style) -> list[Line]:
    """The gradients of the leaves."""
    return [
        line
        for step in explanation.steps
        if step.kind == "parameter"
        for line in lines_of(step, style)
    ]


def to_text(explanation: Explanation, style: Style) -> str:
    """Everything, the last operation first."""
    out = [title(explanation, style), *(f"✗ {said}" for said in origins(explanation, style))]
    for block in blocks(explanation, style):
        lines = [block.heading]
        if block.code:
            lines.append(f"    > {block.code}")
        lines += [f"    {block.shapes}", *(f"    {line.text}" for line in block.lines)]
        if block.mark:
            lines.append(f"    {block.mark}")
        out.append("\n".join(lines))
    found = [f"    {line.text}" for line in leaves(explanation, style)]
    out.append("\n".join([t("Gradients"), *found]))
    if explanation.checked is not None:
        out.append(verdict(explanation))
    return "\n\n".join(out) + "\n"


def verdict(explanation: Explanation) -> str:
    checked = explanation.checked
    assert checked is not None
    good = checked.count("right") + checked.count("kink")
    text = t(
        "✓ {good} of {all} steps agree with central differences (largest error {error:.1e}).",
        good=good, all=len(checked.checks), error=checked.worst,
    )  # fmt: skip
    if checked.wrong:
        names = ", ".join(f"{i} {explanation.find(i).op_name}" for i in checked.wrong)
        text = t("✗ Wrong: {names}.", names=names) + "\n" + text
    return text


# ---- one entry -----------------------------------------------------------------------------------


def entry_text(found: Entry, style: Style) -> str:
    """One number followed up to the loss."""
    lines: list[str] = []
    here: Entry | None = found
    depth = 0
    while here is not None:
        indent = "    " * min(depth, 1)
        name = at(name_of(here.step, here.output), here.place)
        value = "" if here.value is None else f" ({numbers.number(here.value, style.digits)})"
        gradient = numbers.number(here.gradient, style.digits)
        if not here.terms:
            lines.append(f"{indent}∂L/∂{name} = {gradient}{value}")
        for term in here.terms:
            lines += [f"{indent}{line}" for line in _term(here, term, name, gradient, style)]
        if depth == 0 and here.above is not None:
            lines.append(t("Where the largest term comes from:"))
        here, depth = here.above, depth + 1
    return "\n".join(lines) + "\n"


def _term(here: Entry, term: Contribution, name: str, gradient: str, style: Style) -> Iterable[str]:
    text, *_ = sum_text([term], style)
    y = name_of(term.step, term.output)
    sign = "=" if len(here.terms) == 1 else "∋"
    total = numbers.number(term.total, style.digits)
    yield f"∂L/∂{name} {sign} {text or 0} = {gradient if sign == '=' else total}"
    for part in term.largest(3):
        local = numbers.number(part.local, style.digits)
        factor = f"{part.factor} = {local}" if part.factor else local
        yield (
            f"    {at(y, part.place)}: {numbers.number(part.upstream, style.digits)} × "
            f"{bracketed(factor)}"
        )
    dims = term.places.shape[1]
    for axis in range(dims):
        sums = term.by_axis(axis)
        if 1 < len(sums) < len(term):
            listed = " + ".join(bracketed(numbers.number(v, style.digits)) for _, v in sums[:8])
            more = " + …" if len(sums) > 8 else ""
            yield "    " + t(
                "summed by axis {axis} of {y}: {terms}", axis=axis, y=y, terms=listed + more
            )

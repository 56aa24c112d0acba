"""What is printed of a step: formula, numbers put in, upstream × local = result, sums over uses.

Each line carries the numbers that it shows, unrounded, so that every one can be computed again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.base.text import t
from chainrule.explain.explanation import again, latex
from chainrule.explain.explanation.entries import Contribution, Place, contributions, is_cheap
from chainrule.explain.explanation.formulas import (
    Formula,
    derivative_of,
    entry_values,
    evaluated,
    formula,
    name_of,
    operand,
    slope_of,
    tree_of,
    written,
)
from chainrule.explain.explanation.graph import Array, Step
from chainrule.explain.worksheet import numbers
from chainrule.ops.op import Elementwise

FULL = 16  # entries that are printed one by one
TERMS = 6  # terms of a sum that are printed
EVERY_ENTRY = 6  # inputs of so many entries are worked entry by entry


class Line(NamedTuple):
    """One line. `kind`: "formula", "numbers", "local", "product", "sum" or "note".

    `numbers`: what it shows. Of a product: upstream, local, result, and `rest`, the sum of the
    terms that are not printed one by one; of a sum: terms, result; `place`: the entry, if one.
    """

    kind: str
    text: str
    latex: str
    numbers: dict[str, Any]


class Style(NamedTuple):
    """`digits`: decimals."""

    digits: int = 4


def shown(value: Any, style: Style) -> str:
    """A number, a small array in full, a large one as shape and statistics."""
    array = np.asarray(value)
    if array.ndim == 0:
        return _number(array.item(), style)
    if array.size <= FULL and array.size:
        return _nested(array, style)
    if array.dtype.kind not in "fiu" or not array.size:
        return t("shape {shape}, {dtype}", shape=array.shape, dtype=array.dtype.name)
    with np.errstate(all="ignore"):
        fields = {
            "mean": float(array.mean(dtype=np.float64)), "std": float(array.std(dtype=np.float64)),
            "min": float(array.min()), "max": float(array.max()),
        }  # fmt: skip
    return t(
        "shape {shape}: mean {mean}, std {std}, from {min} to {max}",
        shape=array.shape,
        **{k: numbers.number(v, style.digits) for k, v in fields.items()},
    )


def _number(value: Any, style: Style) -> str:
    return str(value) if isinstance(value, bool) else numbers.number(float(value), style.digits)


def _nested(array: Array, style: Style) -> str:
    if array.ndim == 0:
        return _number(array.item(), style)
    return f"[{', '.join(_nested(row, style) for row in array)}]"


def at(name: str, place: Place) -> str:
    return f"{name}[{', '.join(map(str, place))}]" if place else name


def bracketed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def chosen_place(array: Array | None, shape: Place) -> Place:
    """The entry that is worked where there are too many: the largest gradient."""
    if array is None or not array.size:
        return (0,) * len(shape)
    flat = np.abs(np.where(np.isfinite(array), array, np.inf)).argmax()
    return tuple(int(i) for i in np.unravel_index(flat, array.shape))


def worked_place(step: Step, i: int = 0) -> Place:
    """The entry of the result whose numbers are put into an elementwise formula."""
    result = step.outputs[0]
    x = step.inputs[i] if i < len(step.inputs) else None
    if x is not None and x.gradient is not None and x.gradient.shape == result.shape:
        return chosen_place(x.gradient, result.shape)
    return chosen_place(result.gradient, result.shape)


def _line(kind: str, text: str, **values: Any) -> Line:
    return Line(kind, text, latex.line(text), values)


# ---- one step ----------------------------------------------------------------------------------


def lines_of(step: Step, style: Style, deep: bool = True) -> list[Line]:
    """All lines of a step; without `deep` none that needs the step to be computed again."""
    if step.kind != "operation":
        return sum_lines(step, style)
    out = [Line("formula", *formula(step), {})]
    numbers_line = put_in(step, style)
    if numbers_line is not None:
        out.append(numbers_line)
    for k, result in enumerate(step.outputs):
        if result.value is None or (k and result.gradient is None):
            continue
        if numbers_line is None or result.value.size > 1:
            text = f"{name_of(step, k)} = {shown(result.value, style)}"
            out.append(_line("numbers", text, value=result.value))
    out += sum_lines(step, style)
    for i, x in enumerate(step.inputs):
        if x.gradient is not None:
            out += input_lines(step, i, style, deep)
    return out


def put_in(step: Step, style: Style) -> Line | None:
    """The formula with the numbers of the only entry, or of the one that weighs most."""
    tree, result = tree_of(step), step.outputs[0]
    if tree is None or result.value is None or not result.value.size:
        return None
    place = worked_place(step)
    values = entry_values(step, place)
    if values is None:
        return None
    names = {k: numbers.number(v, style.digits) for k, v in values.items()}
    inner = written(tree, names)
    value = _number(result.value[place], style)
    name = at(name_of(step), place)
    found = evaluated(tree, values)
    if found is None or not np.isclose(found, result.value[place], 1e-3, 1e-6, equal_nan=True):
        return None
    text, tex = f"{name} = {inner.text}", f"{latex.line(name)} = {inner.latex}"
    if inner.text != value:
        text, tex = f"{text} = {value}", f"{tex} = {latex.line(value)}"
    return Line("numbers", text, tex, {"place": place, "inputs": values,
                                       "result": float(result.value[place])})  # fmt: skip


def sum_lines(step: Step, style: Style) -> list[Line]:
    """The upstream gradient of each result; where there are several uses, the terms of the sum."""
    out = []
    for k, result in enumerate(step.outputs):
        if result.gradient is None:
            continue
        name = f"∂L/∂{name_of(step, k)}"
        if len(result.uses) < 2:
            text = f"{name} = {shown(result.gradient, style)}"
            out.append(_line("sum", text, terms=[result.gradient], result=result.gradient))
            continue
        ways = ", ".join(name_of(use.step) for use in result.uses)
        if result.gradient.size <= FULL:
            terms = [bracketed(shown(use.gradient, style)) for use in result.uses]
            value = shown(result.gradient, style)
            text = f"{name} = {' + '.join(terms)} = {value}"
            data: dict[str, Any] = {"terms": [use.gradient for use in result.uses]}
            data["result"] = result.gradient
        else:
            place = chosen_place(result.gradient, result.shape)
            parts = [float(use.gradient[place]) for use in result.uses]
            terms = [bracketed(_number(p, style)) for p in parts]
            value = _number(result.gradient[place], style)
            text = f"{at(name, place)} = {' + '.join(terms)} = {value}"
            data = {"terms": parts, "result": float(result.gradient[place]), "place": place}
        out.append(_line("sum", t("{sum}  (through {ways})", sum=text, ways=ways), **data))
        if result.gradient.size > FULL:
            text = f"{name} = {shown(result.gradient, style)}"
            out.append(_line("sum", text, terms=[result.gradient], result=result.gradient))
    return out


def input_lines(step: Step, i: int, style: Style, deep: bool = True) -> list[Line]:
    """How the gradient of one input comes about."""
    x = step.inputs[i]
    assert x.gradient is not None
    by = operand(x)
    out = [Line("local", *_local(step, i, style), {})]
    if not (deep or is_cheap(step)) or not x.gradient.size:
        text = f"∂L/∂{by} = {shown(x.gradient, style)}"
        return [*out, _line("note", text, result=x.gradient)]
    try:
        product = _products(step, i, style)
    except again.CannotRepeat:
        text = t("∂L/∂{by} = {value}; its terms were not kept", by=by,
                 value=shown(x.gradient, style))  # fmt: skip
        return [*out, _line("note", text, result=x.gradient)]
    return [*out, *product]


def _local(step: Step, i: int, style: Style) -> Formula:
    """The local derivative in symbols and, for elementwise steps, with the numbers of one entry."""
    symbols = derivative_of(step, i)
    slope, result = slope_of(step, i), step.outputs[0]
    if slope is None or result.value is None or not result.value.size:
        return symbols
    place = worked_place(step, i)
    values = entry_values(step, place)
    found = None if values is None else evaluated(slope, values)
    if values is None or found is None:
        return symbols
    inner = written(slope, {k: numbers.number(v, style.digits) for k, v in values.items()})
    value = numbers.number(found, style.digits)
    text, tex = symbols
    if inner.text != text.rpartition(" = ")[2]:
        if place:
            where = f"[{', '.join(map(str, place))}]"
            text, tex = f"{text}; {where}: {inner.text}", rf"{tex};\ {where}: {inner.latex}"
        else:
            text, tex = f"{text} = {inner.text}", f"{tex} = {inner.latex}"
    if not text.endswith((f" = {value}", f": {value}")):
        text, tex = f"{text} = {value}", f"{tex} = {latex.line(value)}"
    return Formula(text, tex)


def _products(step: Step, i: int, style: Style) -> list[Line]:
    x, op = step.inputs[i], step.known_op
    assert x.gradient is not None
    name, whole = f"∂L/∂{operand(x)}", step.outputs[0].gradient
    elementwise = op is not None and issubclass(op, Elementwise)
    if elementwise and whole is not None and x.shape == step.outputs[0].shape and (
        1 < x.gradient.size <= FULL
    ):  # fmt: skip
        local = again.local(step, again.values(step))[i]
        local = np.zeros(whole.shape) if local is None else local
        text = f"{name} = {shown(whole, style)} × {shown(local, style)}"
        text = f"{text} = {shown(x.gradient, style)}"
        return [_line("product", text, upstream=whole, local=local, rest=0.0, result=x.gradient)]
    if x.gradient.size <= EVERY_ENTRY:
        places = list(np.ndindex(x.gradient.shape))
    else:
        places = [chosen_place(x.gradient, x.gradient.shape)]
    known = again.Jacobians()
    out = [_entry_line(step, i, place, style, known) for place in places]
    if len(places) < x.gradient.size:
        text = f"{name} = {shown(x.gradient, style)}"
        out.append(_line("note", text, result=x.gradient))
    return out


def _entry_line(step: Step, i: int, place: Place, style: Style, known: again.Jacobians) -> Line:
    x = step.inputs[i]
    assert x.gradient is not None
    found = contributions(step, i, place, known)
    text, upstream, local, rest = sum_text(found, style)
    value = _number(x.gradient[place], style)
    name = f"∂L/∂{at(operand(x), place)}"
    result = float(x.gradient[place])
    line = f"{name} = {text} = {value}" if text else f"{name} = {value}"
    return _line(
        "product", line, upstream=np.array(upstream), local=np.array(local), rest=rest,
        result=result, place=place, input=i,
    )  # fmt: skip


def sum_text(
    found: list[Contribution], style: Style, most: int = TERMS
) -> tuple[str, list[float], list[float], float]:
    """Σ upstream × local with its largest terms, their factors, and the sum of the others."""
    parts = [part for term in found for part in term.largest(most)]
    count = sum(len(term) for term in found)
    parts = sorted(parts, key=lambda p: -abs(p.product))[:most] if len(parts) > most else parts
    texts = [
        f"{bracketed(_number(p.upstream, style))} × {bracketed(_number(p.local, style))}"
        for p in parts
    ]
    rest = sum(term.total for term in found) - sum(p.product for p in parts)
    text = " + ".join(texts)
    if count > len(parts):
        more = _number(rest, style)
        text = t("{text} + … ({n} more: {rest})", text=text, n=count - len(parts), rest=more)
    else:
        rest = 0.0
    return text, [p.upstream for p in parts], [p.local for p in parts], rest

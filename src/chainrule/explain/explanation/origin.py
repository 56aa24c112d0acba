"""Where what is not finite comes from: the first operation that made it, and what went in there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.text import t
from chainrule.explain.explanation.formulas import entry_values, name_of, operand, tree_of, written
from chainrule.explain.explanation.graph import Array, Step
from chainrule.explain.explanation.lines import Style, at, shown
from chainrule.explain.worksheet import numbers

if TYPE_CHECKING:
    from chainrule.explain.explanation.explanation import Explanation


def origins(explanation: Explanation, style: Style) -> list[str]:
    """What is said of a result or of gradients that are not finite; nothing where all are."""
    root, index = explanation.graph.roots[0]
    result = root.outputs[index].value
    if result is not None and not _good(result):
        nan = bool(np.isnan(result).any())
        return _value_origin(explanation.steps, nan, style)
    return _gradient_origin(explanation.steps, style)


def _good(array: Array | None) -> bool:
    return array is None or array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _bad(array: Any, nan: bool) -> Array | None:
    """Which entries are NaN, or not finite; None if there are none."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return None
    found = np.isnan(array) if nan else ~np.isfinite(array)
    return found if found.any() else None


def _value_origin(steps: list[Step], nan: bool, style: Style) -> list[str]:
    for step in steps:
        for k, out in enumerate(step.outputs):
            bad = _bad(out.value, nan)
            if bad is None:
                continue
            assert out.value is not None
            place = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            what = t("NaN") if nan else t("infinity")
            value = numbers.number(float(out.value[place]), style.digits)
            here = at(name_of(step, k), place)
            if step.kind != "operation":
                return [
                    t(
                        "The first {what} is {place} = {value}: it came in with the data.",
                        what=what, place=here, value=value,
                    )
                ]  # fmt: skip
            said = t(
                "The first {what} is {place} = {value}, made by {step}: {line}",
                what=what, place=here, value=value, step=_called(step),
                line=_line(step, place, value, style),
            )  # fmt: skip
            if any(x.value is None and x.source is not None for x in step.inputs):
                said += " " + t(
                    "Not all values were kept; inside `with chainrule.explain.recording():` they "
                    "are."
                )
            # inf - inf: a NaN out of an infinity, which has an origin, too.
            from_infinity = nan and any(_bad(x.value, False) is not None for x in step.inputs)
            return [said, *(_value_origin(steps, False, style) if from_infinity else [])]
    return []


def _gradient_origin(steps: list[Step], style: Style) -> list[str]:
    for step in reversed(steps):
        if step.kind != "operation" or not all(_good(out.gradient) for out in step.outputs):
            continue
        for x in step.inputs:
            bad = _bad(x.gradient, False)
            if bad is None:
                continue
            assert x.gradient is not None
            place = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            value = float(x.gradient[place])
            came = at(operand(x), place)
            if isinstance(x.value, np.ndarray):
                came += f" = {numbers.number(float(x.value[place]), style.digits)}"
            return [
                t(
                    "The first gradient that is not finite is ∂L/∂{place} = {value}, from {step} "
                    "at {input}.",
                    place=at(operand(x), place), value=numbers.number(value, style.digits),
                    step=_called(step), input=came,
                )
            ]  # fmt: skip
    return []


def _called(step: Step) -> str:
    where = f" · {step.path}" if step.path else ""
    line = f" · {step.source.file.rpartition('/')[2]}:{step.source.line}" if step.source else ""
    return f"{step.id} {step.op_name}{where}{line}"


def _line(step: Step, place: tuple[int, ...], value: str, style: Style) -> str:
    """The formula with the numbers of one entry, else what went in."""
    tree = tree_of(step)
    values = entry_values(step, place) if tree is not None else None
    if tree is not None and values is not None:
        names = {name: numbers.number(v, style.digits) for name, v in values.items()}
        return f"{written(tree, names).text} = {value}"
    given = []
    for x in step.inputs:
        if isinstance(x.value, np.ndarray):
            bad = _bad(x.value, False)
            some = f" ({int(bad.sum())} × inf/nan)" if bad is not None else ""
            given.append(f"{operand(x)} {shown(x.value, style)}{some}")
        elif isinstance(x.value, float) and not math.isfinite(x.value):
            given.append(f"{operand(x)}")
    return t("its inputs: {inputs}", inputs="; ".join(given)) if given else value

"""Derivations of functions that are no operation: what they are made of, found by running them.

The function is called once on its card's example. The operations that this records are its
derivation: forward line by line, then the gradient of each, from the result back to the arguments.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from chainrule.explain.cards.entries import Entry, entries
from chainrule.explain.cards.sheet import Sheet
from chainrule.explain.cards.sheets import SHEETS
from chainrule.explain.cards.tex import is_tex, to_plain, to_tex
from chainrule.explain.explanation import latex
from chainrule.explain.explanation.capture import recording
from chainrule.explain.explanation.formulas import (
    derivative_of,
    formula,
    name_of,
    operand,
    slope_of,
)
from chainrule.explain.explanation.graph import Graph, Step
from chainrule.explain.explanation.names import Names
from chainrule.explain.explanation.rules import RULES
from chainrule.explain.explanation.walk import walk
from chainrule.explain.report.markup import Words, t
from chainrule.graph import Tensor, enable_grad
from chainrule.ops.random import get_rng_state, manual_seed, set_rng_state

# More operations than that are named, not written out.
MOST = 9


class Made(NamedTuple):
    """A line: LaTeX, text, and the words before it."""

    tex: str
    text: str
    words: Words | None = None


class Composition(NamedTuple):
    """What a function is made of: its graph on the example, derivation and gradients."""

    graph: Graph
    lines: list[Made]
    gradients: dict[str, Made]


def composition(entry: Entry, sheet: Sheet) -> Composition | None:
    """What a function is made of, or None where its results have no gradient."""
    state = get_rng_state()
    manual_seed(0)
    try:
        with enable_grad(), recording():
            graph = _graph(entry, sheet)
    finally:
        set_rng_state(state)
    if graph is None:
        return None
    operations = list(graph.operations)
    if not operations:
        # The result is the argument itself.
        line = Made(
            r"\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y}", "∂L/∂x = ∂L/∂y"
        )
        return Composition(graph, [Made("y = x", "y = x"), line], {"x": line})
    return Composition(graph, _lines(operations), _gradients(graph))


def _graph(entry: Entry, sheet: Sheet) -> Graph | None:
    """The operations of one call on the example; results called y, arguments as in the call."""
    tensors: list[Tensor] = []

    def lift(value: Any) -> Any:
        if isinstance(value, list):
            array = np.array(value)
            tensors.append(Tensor(array, requires_grad=array.dtype.kind == "f"))
            return tensors[-1]
        if isinstance(value, tuple) and any(isinstance(v, list) for v in value):
            return tuple(lift(v) for v in value)
        return value

    call = [lift(a) for a in sheet.example]
    given = dict(zip(_argument_names(entry, sheet), tensors, strict=False))
    options = {k: lift(v) for k, v in sheet.options.items()}
    value = entry.target(*call, **options)
    found = value if isinstance(value, tuple | list) else (value,)
    results = [y for y in found if isinstance(y, Tensor) and y.requires_grad]
    if not results:
        return None
    graph = Graph(results, Names({}, given), None)
    _call_steps(graph)
    walk(graph, [np.ones(y.shape, y._data.dtype) for y in results])
    return graph


def _argument_names(entry: Entry, sheet: Sheet) -> Iterator[str]:
    """The names of the arguments that hold tensors; of a tuple of them x1, x2, …"""
    try:
        parameters = list(inspect.signature(entry.target).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    several = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    count = 0
    for i, value in enumerate(sheet.example):
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if not isinstance(part, list):
                continue
            count += 1
            if several or isinstance(value, tuple):
                yield f"x{count}"
            else:
                name = names[i] if i < len(names) else f"x{count}"
                yield "x" if name in ("input", "self") else "o" if name == "other" else name


def _call_steps(graph: Graph) -> None:
    """Results are y (y1, y2, …), what is between u1, u2, …"""
    last = list(dict.fromkeys(id(step) for step, _ in graph.roots))
    ends = {key: "y" if len(last) == 1 else f"y{k + 1}" for k, key in enumerate(last)}
    count = 0
    for step in graph.operations:
        if id(step) in ends:
            step.id = ends[id(step)]
        else:
            count += 1
            step.id = f"u{count}"
        if len(step.outputs) == 1:
            step.name = step.id
    for step in graph.steps:
        # What is no argument of the call is a constant: it has no name of its own.
        if step.kind == "input" and step.name is None and step.outputs[0].name.startswith("data"):
            step.outputs[0].name = step.outputs[0].name.replace("data", "c")


# ---- the lines ---------------------------------------------------------------------------------


def _lines(operations: list[Step]) -> list[Made]:
    if len(operations) > MOST:
        return [_counted(operations)]
    out = [_formula(step) for step in operations]
    head = t("What it is made of, on the example of the picture:")
    if len(operations) == 1:
        head = t("It is one operation:")
    out[0] = out[0]._replace(words=head)
    back = [
        line
        for step in reversed(operations)
        for i, x in enumerate(step.inputs)
        if x.gradient is not None
        for line in [_gradient(step, i)]
    ]
    if back and back[0].words is None:
        back[0] = back[0]._replace(words=t("And back, from the result to the arguments:"))
    return out + back


def _counted(operations: list[Step]) -> Made:
    """Too many to be written out: how often each is used, in the order of their first use."""
    counts: dict[str, int] = {}
    for step in operations:
        counts[step.op_name] = counts.get(step.op_name, 0) + 1
    text = ", ".join(name if n == 1 else f"{n} × {name}" for name, n in counts.items())
    words = t(
        "{n} operations on the example of the picture; the chain rule goes back through them by "
        "the formula on the card of each:",
        n=len(operations),
    )
    return Made(rf"\text{{{latex.escaped(text)}}}", text, words)


def _formula(step: Step) -> Made:
    found = formula(step)
    return Made(found.latex, found.text)


def _gradient(step: Step, i: int) -> Made:
    """∂y/∂input where the step works entry by entry; else ∂L/∂input from a rule or a card."""
    op, x = step.known_op, step.inputs[i]
    own = None if op is None else RULES.get(op.name)
    if op is None or own is not None or slope_of(step, i) is not None:
        found = derivative_of(step, i)
        return Made(found.latex, found.text)
    entry = entries()[op.name]
    written = SHEETS[entry.family][entry.sheet].gradients
    name = x.name if x.name in written or not op.variadic else re.sub(r"\d+$", "", x.name)
    if name not in written:
        found = derivative_of(step, i)
        return Made(found.latex, found.text)
    tex = written[name] if is_tex(written[name]) else to_tex(written[name])
    head = rf"\frac{{\partial L}}{{\partial {latex.symbol(operand(x))}}}"
    given = ", ".join(
        f"{y.name} = {operand(y)}" for y in step.inputs if y.source is not None or y.value is None
    )
    words = t(
        "By the card of {op}, with {inputs} and g = ∂L/∂{y}:",
        op=op.name, inputs=given, y=name_of(step),
    )  # fmt: skip
    return Made(f"{head} = {tex}", f"∂L/∂{operand(x)} = {to_plain(tex)}", words)


def _gradients(graph: Graph) -> dict[str, Made]:
    """For each argument ∂L/∂argument: the rule of its one use, or the sum over its uses."""
    out: dict[str, Made] = {}
    for step in graph.steps:
        if step.kind != "parameter" or step.name is None:
            continue
        uses = step.outputs[0].uses
        if not uses:
            tex = rf"\frac{{\partial L}}{{\partial {latex.symbol(step.name)}}} = 0"
            out[step.name] = Made(tex, f"∂L/∂{step.name} = 0")
        elif len(uses) == 1:
            out[step.name] = _whole(uses[0].step, uses[0].input)._replace(words=None)
        else:
            names = list(dict.fromkeys(name_of(use.step) for use in uses))
            terms = [_share(step.name, name) for name in names]
            head = rf"\frac{{\partial L}}{{\partial {latex.symbol(step.name)}}}"
            out[step.name] = Made(
                f"{head} = {' + '.join(tex for tex, _ in terms)}",
                f"∂L/∂{step.name} = {' + '.join(text for _, text in terms)}",
            )
    return out


def _share(name: str, through: str) -> tuple[str, str]:
    """∂L/∂u · ∂u/∂x: what comes back through one use."""
    u, x = latex.symbol(through), latex.symbol(name)
    return (
        rf"\frac{{\partial L}}{{\partial {u}}} \cdot \frac{{\partial {u}}}{{\partial {x}}}",
        f"∂L/∂{through} · ∂{through}/∂{name}",
    )


def _whole(step: Step, i: int) -> Made:
    """∂L/∂input: of an elementwise step the upstream gradient times its slope."""
    if slope_of(step, i) is None:
        return _gradient(step, i)
    name = operand(step.inputs[i])
    tex, text = _share(name, name_of(step))
    slope = derivative_of(step, i)
    tail_tex, tail = slope.latex.partition(" = ")[2], slope.text.partition(" = ")[2]
    head = rf"\frac{{\partial L}}{{\partial {latex.symbol(name)}}}"
    return Made(
        rf"{head} = {tex},\quad {slope.latex}" if tail_tex else f"{head} = {tex}",
        f"∂L/∂{name} = {text},  {slope.text}" if tail else f"∂L/∂{name} = {text}",
    )

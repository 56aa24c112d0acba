"""Rewriting a graph instruction by instruction: each may be replaced, repeated ones are shared,
and what nobody reads is dropped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.infer import infer

# A rule gets the rewriter and an instruction whose operands are new already, and returns the value
# to use in place of its result, or None to leave it.
Rule = Callable[["Rewriter", Instruction], Value | None]
_numbers = itertools.count()


class Rewriter:
    """The new graph while it is written."""

    def __init__(self, graph: Graph, rules: Sequence[Rule]) -> None:
        self.graph = Graph(
            graph.name, list(graph.inputs), graph.state, graph.sources, graph.rebound,
            graph.constants, graph.hosts,
        )  # fmt: skip
        self.made: dict[Value, Instruction] = {}
        self._rules = rules
        self._known: dict[Any, Value] = {}

    def add(self, primitive: str, *operands: Any, **attributes: Any) -> Value:
        """A new instruction, simplified in its turn."""
        metas = tuple(map(_meta, operands))
        meta = infer(primitive, metas, attributes)
        out = Value(f"w{next(_numbers)}", meta.shape, meta.dtype)
        return self.put(Instruction(primitive, operands, attributes, out))

    def put(self, i: Instruction) -> Value:
        for rule in self._rules:
            new = rule(self, i)
            if new is not None:
                return new
        key = _key(i)
        known = self._known.get(key) if key is not None else None
        if known is not None:
            return known
        self.graph.instructions.append(i)
        self.made[i.out] = i
        if key is not None:
            self._known[key] = i.out
        return i.out


def rewritten(graph: Graph, rules: Sequence[Rule]) -> Graph:
    """The graph with the rules applied from the first instruction to the last."""
    r = Rewriter(graph, rules)
    new: dict[Value, Value] = {}

    def replaced(x: Any) -> Any:
        if isinstance(x, Value):
            return new.get(x, x)
        return [replaced(v) for v in x] if isinstance(x, list) else x

    for i in graph.instructions:
        operands = tuple(map(replaced, i.operands))
        new[i.out] = r.put(Instruction(i.primitive, operands, i.attributes, i.out))
    out = r.graph
    out.outputs = [replaced(v) for v in graph.outputs]
    out.updates = [(old, replaced(v)) for old, v in graph.updates]
    out.gradients = [(leaf, replaced(v)) for leaf, v in graph.gradients]
    _drop(out)
    return out


def _drop(graph: Graph) -> None:
    """Leaves out the instructions whose results nobody reads."""
    needed = {*graph.outputs, *(v for _, v in graph.updates), *(v for _, v in graph.gradients)}
    kept = []
    for i in reversed(graph.instructions):
        if i.out in needed:
            kept.append(i)
            needed.update(i.uses())
    graph.instructions = kept[::-1]


def _meta(x: Any) -> Any:
    if isinstance(x, Value):
        if x.weak:
            return 0 if x.dtype.kind == "i" else 0.0
        return np.broadcast_to(np.zeros((), x.dtype), x.shape)
    return [_meta(v) for v in x] if isinstance(x, list) else x


def _key(i: Instruction) -> Any:
    """Equal for instructions that give the same; None if that cannot be told."""
    if i.primitive in ("scan", "item"):
        return None
    try:
        parts = tuple(map(_frozen, i.operands))
        more = tuple((k, _frozen(v)) for k, v in sorted(i.attributes.items()))
        key = (i.primitive, parts, more, i.out.dtype, i.out.weak)
        hash(key)
    except TypeError:
        return None
    return key


def _frozen(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return (type(x), *map(_frozen, x))
    if isinstance(x, slice):
        return ("slice", x.start, x.stop, x.step)
    if isinstance(x, DType):
        return x.name
    # 0.0 and -0.0, 1 and 1.0 and True are equal but not the same operand.
    return (type(x), repr(x)) if isinstance(x, int | float) else x

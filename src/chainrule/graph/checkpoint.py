"""Activation checkpointing: a part of the graph is computed twice instead of being kept.

T. Chen et al., "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.autocast import Region, inside
from chainrule.graph.backward import grad
from chainrule.graph.modes import enable_grad, mode
from chainrule.graph.node import Node, Spec
from chainrule.graph.tensor import Tensor, ready, wrap

# Filled by `ops`: how to read and set the random state, so that dropout repeats its choice.
random_state: dict[str, Callable[..., Any]] = {}


class _Segment:
    keeps = True
    name = "checkpoint"

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], state: Any) -> None:
        self.function = function
        self.args = args  # tensors stand as None: their values are in the node
        self.state = state
        self.autocast: Region | None = mode.autocast

    def backward(self, F: Any, node: Node, grads: Any, saved: Any) -> list[Any]:
        record = F is mode.recording
        n = len(self.args)
        inputs: list[Any] = []
        for value, arg, edge in zip(saved[:n], self.args, node.edges, strict=False):
            if value is None:
                inputs.append(arg)
            elif record:
                inputs.append(value)
            else:
                x = wrap(value)
                x._rg = edge is not None
                inputs.append(x)
        now = random_state["get"]()
        random_state["set"](self.state)
        try:
            with enable_grad(), inside(self.autocast):
                result = self.function(*inputs)
        finally:
            random_state["set"](now)
        outputs = list(result) if isinstance(result, tuple) else [result]
        given = list(grads) if node.outputs else [grads]
        pairs = [
            (y, g if isinstance(g, Tensor) else wrap(g))
            for y, g in zip(outputs, given, strict=True)
            if g is not None and y._rg
        ]
        by = [
            x for x, e in zip((*inputs, *node.edges[n:]), node.edges, strict=True) if e is not None
        ]
        found = iter(
            grad(
                [y for y, _ in pairs],
                by,
                [g for _, g in pairs],
                create_graph=record,
                allow_unused=True,
            )
        )
        return [
            None
            if e is None
            else (None if (g := next(found)) is None else g if record else g._data)
            for e in node.edges
        ]


def checkpoint(function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None) -> Any:
    """`function(*args)` without keeping what happens inside: backward computes it again.

    Memory falls to the inputs and outputs of the part, time grows by its forward. Random draws
    inside repeat. `use_reentrant` is accepted for PyTorch's sake and changes nothing.
    """
    if not mode.grad or mode.trace is not None or mode.watch is not None:
        return function(*args)  # a watch keeps everything anyway
    state = random_state["get"]()
    stand_ins = []
    for a in args:
        if isinstance(a, Tensor):
            ready(a)
            x = wrap(a._data)
            x._rg = a._rg
            stand_ins.append(x)
        else:
            stand_ins.append(a)
    with enable_grad():
        result = function(*stand_ins)
    many = isinstance(result, tuple)
    outputs = list(result) if many else [result]
    if not all(isinstance(y, Tensor) for y in outputs):
        raise AutogradError(t("A checkpointed function must return tensors."))
    leaves = _leaves(outputs, {id(x) for x in stand_ins})
    tensors = [a if isinstance(a, Tensor) else None for a in args]
    edges = [None if a is None or not a._rg else a._node or a for a in tensors]
    if not leaves and all(e is None for e in edges):
        return result
    saved = [None if a is None else a._data for a in tensors]
    indices = tuple(0 if a is None else a._index for a in tensors) + (0,) * len(leaves)
    rest = tuple(None if isinstance(a, Tensor) else a for a in args)
    node = Node(
        _Segment(function, rest, state), {}, memory.tick(), (*edges, *leaves),
        indices if any(indices) else None, (*saved, *(p._data for p in leaves)),
    )  # fmt: skip
    node.outputs = tuple(Spec(y._data.shape, y._data.dtype) for y in outputs) if many else None
    final = []
    for i, y in enumerate(outputs):
        out = wrap(y._data)
        if y._rg:
            out._node, out._index, out._rg = node, i if many else 0, True
        final.append(out)
    return tuple(final) if many else final[0]


def _leaves(outputs: list[Tensor], inputs: set[int]) -> list[Tensor]:
    """The parameters that a part uses besides its inputs."""
    stack = [y._node for y in outputs if y._node is not None]
    seen = set(stack)
    found: dict[int, Tensor] = {}
    while stack:
        for edge in stack.pop().edges:
            if isinstance(edge, Node):
                if edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
            elif edge is not None and id(edge) not in inputs:
                found[id(edge)] = edge
    return list(found.values())

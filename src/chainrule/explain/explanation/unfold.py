"""Composites as their elementary steps: the forward of the operation, recorded one step at a time.

What an operation writes in `F` is run in the recording namespace on fresh leaves with the same
values, again and again until nothing but elementary operations is left. Both views must agree: the
closed-form gradient of the composite and the chain rule through its elementary steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.explain.explanation import again
from chainrule.explain.explanation.capture import recording
from chainrule.explain.explanation.graph import Array, Graph, Step, missing
from chainrule.explain.explanation.names import Names
from chainrule.explain.explanation.walk import walk
from chainrule.graph import enable_grad
from chainrule.graph.autocast import inside
from chainrule.graph.backward import grad
from chainrule.graph.modes import mode
from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.dispatch import apply
from chainrule.ops.op import REGISTRY, Op
from chainrule.ops.primitives import PRIMITIVES

# What the recording namespace calls the primitives, and moves of entries that say all they do.
_MORE = {
    "asin", "acos", "atan", "amax", "amin", "reshape", "permute", "expand", "slice", "unslice",
    "constant_pad", "cat", "index", "index_adjoint", "index_put", "take_along_dim",
    "put_along_dim_add", "cumsum", "cumprod", "cast", "clone", "diagonal", "windows_unfold",
    "windows_fold", "det", "log_det", "cofactor", "pseudo_inverse", "eq", "lt", "le", "view_write",
}  # fmt: skip
DEPTH = 8


class TooManySteps(Exception):
    """A composite has more elementary steps than were asked for."""


def is_elementary(op: type[Op]) -> bool:
    return op.name in PRIMITIVES or op.name in _MORE or op.on_host


def is_composite(step: Step) -> bool:
    """Whether a step can be shown as elementary steps."""
    op = step.known_op
    return op is not None and not is_elementary(op) and not op.surrogate


class Unfolded(NamedTuple):
    """The elementary graph of a step, with its gradients, and how far they are from the closed
    form: the largest relative difference over the inputs."""

    graph: Graph
    starts: list[Array]
    names: Names
    distance: float


class Opened(NamedTuple):
    """The elementary graph of a step. `leaves`: for each input the step that stands for it there;
    `results`: which outputs of the step the roots of the graph are."""

    graph: Graph
    starts: list[Array]
    names: Names
    leaves: list[Step | None]
    results: list[int]


def unfold(step: Step, deep: bool = True) -> Unfolded:
    """The elementary steps of one composite. `deep`: down to elementary ones, not just one level.

    Errors: AutogradError for a step that is elementary, or whose values are not known.
    """
    found = opened(step, DEPTH if deep else 1)
    assert step.known_op is not None
    return Unfolded(found.graph, found.starts, found.names, distance(step, step.known_op))


def opened(step: Step, depth: int = DEPTH, most: int | None = None) -> Opened:
    """What `unfold` gives, without the comparison in float64.

    Errors: TooManySteps as soon as there are more than `most`.
    """
    op = step.known_op
    _refuse_checkpoint(step)
    if op is None or not is_composite(step):
        raise AutogradError(
            t("{name} is elementary: there is nothing to unfold.", name=step.op_name or step.title)
        )
    given = _leaves(step, op)
    outputs = _expanded(op, given, step.params, depth, most)
    results = [
        k for k, (y, out) in enumerate(zip(outputs, step.outputs, strict=True))
        if out.gradient is not None and y._node is not None
    ]  # fmt: skip
    named = {
        x.name: value for x, value in zip(step.inputs, given, strict=True)
        if isinstance(value, Tensor)
    }  # fmt: skip
    names = Names(named | dict(zip(_result_names(step), outputs, strict=True)))
    graph = Graph([outputs[k] for k in results], names)
    starts = [np.asarray(step.outputs[k].gradient, outputs[k]._data.dtype) for k in results]
    walk(graph, starts)
    for inner in graph.operations:
        inner.path, inner.module_type = step.path, step.module_type
        inner.source, inner.parent = step.source, (step.id, step.op_name)
    return Opened(graph, starts, names, [_leaf_of(graph, x) for x in given], results)


def _refuse_checkpoint(step: Step) -> None:
    """The tape has of a checkpoint what went in and what came out."""
    if step.known_op is None and step.op is not None and not hasattr(step.op, "context"):
        raise AutogradError(
            t(
                "What happens inside the {name} was not kept. Compute the loss inside `with "
                "chainrule.explain.recording():`, where it is.",
                name=step.op_name,
            )
        )


def _leaf_of(graph: Graph, given: Any) -> Step | None:
    """The leaf of a graph that stands for a tensor; None where the graph does not need it."""
    if not isinstance(given, Tensor):
        return None
    for leaf in graph.steps:
        if leaf.tensor is given or (
            leaf.kind == "input" and leaf.outputs[0].value is given._data
        ):  # fmt: skip
            return leaf
    return None


def _result_names(step: Step) -> list[str]:
    taken = {x.name for x in step.inputs}
    return [
        name if (name := out if len(step.outputs) == 1 else str(out)) not in taken else f"{name}_"
        for out in (["y"] if len(step.outputs) == 1 else [o.name for o in step.outputs])
    ]


def _leaves(step: Step, op: type[Op]) -> list[Any]:
    out: list[Any] = []
    for x in step.inputs:
        if missing(x, op):
            raise AutogradError(
                t(
                    "{name} cannot be unfolded: its input {input} was not kept. Compute the loss "
                    "inside `with chainrule.explain.recording():`.",
                    name=step.op_name,
                    input=x.name,
                )
            )
        value = x.value
        if isinstance(value, Array):
            value = wrap(np.array(value))
            value._rg = x.differentiable and value._data.dtype.kind == "f"
        out.append(value)
    return out


class _Limited(recording):
    """Keeps what is computed until it is too much."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._room = most

    def made(self, node: Node, inputs: Any, outputs: Any) -> None:
        if self._room == 0:
            raise TooManySteps
        self._room -= 1
        super().made(node, inputs, outputs)


def _expanded(
    op: type[Op], inputs: Sequence[Any], params: dict[str, Any], depth: int, most: int | None = None
) -> list[Tensor]:
    """The results of an operation, recorded as elementary steps."""
    elementary = _Elementary(depth)
    with enable_grad(), inside(None), recording() if most is None else _Limited(most):
        found = op.forward(elementary, *inputs, **params)
    return [
        y if isinstance(y, Tensor) else wrap(np.asarray(y))
        for y in (found if isinstance(found, tuple) else (found,))
    ]


class _Elementary(type(mode.recording)):  # type: ignore[misc]
    """The recording namespace in which composites, too, run as their forward."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    def __getattr__(self, name: str) -> Any:
        op = REGISTRY.get(name)
        if op is not None and not name.startswith("_") and not is_elementary(op):
            return self._composite(op)
        return super().__getattr__(name)

    def _composite(self, op: Any) -> Any:
        def run(*inputs: Any, **params: Any) -> Any:
            params = op.defaults | params
            if self._depth <= 1 or is_elementary(op):
                return apply(op, *inputs, **params)
            return op.forward(_Elementary(self._depth - 1), *inputs, **params)

        return run


def distance(step: Step, op: type[Op]) -> float:
    """The largest relative difference, in float64, between the gradients of the closed form and
    those of the chain rule through its elementary steps."""
    inputs = again.values(step)
    upstream = [None if o.gradient is None else o.gradient.astype(float) for o in step.outputs]
    closed = again.vjp(step, inputs, upstream)
    given = again.leaves(step, inputs)
    params = again.exact(step.params)
    pairs = [
        (y, wrap(g))
        for y, g in zip(_expanded(op, given, params, DEPTH), upstream, strict=True)
        if g is not None and y._rg
    ]
    wanted = [x for x in given if isinstance(x, Tensor) and x._rg]
    found = grad([y for y, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True)
    chained = {id(x): g for x, g in zip(wanted, found, strict=True)}
    largest = max(float(np.abs(g).max(initial=0.0)) for g in upstream if g is not None)
    worst = 0.0
    for leaf, a in zip(given, closed, strict=True):
        b = chained.get(id(leaf))
        if a is None and b is None:
            continue
        first = 0.0 if a is None else a
        second = 0.0 if b is None else b._data
        # Gradients that cancel to nothing are compared by what came in.
        size = max(float(np.abs(first).max(initial=0.0)), 1e-6 * largest, 1e-30)
        worst = max(worst, float(np.abs(first - second).max(initial=0.0)) / size)
    return worst


# ---- the whole graph -----------------------------------------------------------------------------


def elementary(graph: Graph, starts: Sequence[Array]) -> Unfolded:
    """The whole graph once more, computed with elementary steps only."""
    made: dict[tuple[int, int], Tensor] = {}
    tensors: dict[str, Tensor] = {}
    arrays: dict[int, Tensor] = {}
    origin: list[tuple[Step, set[Any]]] = []
    for step in graph.steps:
        if step.kind == "operation":
            results = _again(step, made, arrays)
            for k, y in enumerate(results):
                made[id(step), k] = y
                if step.name is not None and k == 0:
                    tensors.setdefault(step.name, y)
            origin.append((step, {y._node for y in results if y._node is not None}))
        else:
            leaf = wrap(np.array(step.outputs[0].value))
            leaf._rg = step.kind == "parameter"
            made[id(step), 0] = leaf
            tensors.setdefault(step.title, leaf)
    roots = [made[id(step), k] for step, k in graph.roots]
    names = Names(tensors, {n: x for n, x in tensors.items() if x._rg and x._node is None})
    names.paths = dict(graph.names.paths)
    out = Graph(roots, names)
    walk(out, starts)
    _place(out, graph, origin)
    worst = 0.0
    found_ones = [s.outputs[0].gradient for s in graph.steps if s.kind == "parameter"]
    largest = max(float(np.abs(g).max(initial=0.0)) for g in found_ones if g is not None)
    for step in graph.steps:
        g, leaf = step.outputs[0].gradient, made[id(step), 0]
        if step.kind == "parameter" and g is not None:
            inner = out.leaf_gradient(leaf)
            found = np.zeros(g.shape) if inner is None else inner
            # Gradients that cancel to nothing are measured by the largest of all.
            size = max(float(np.abs(g).max(initial=0.0)), 1e-3 * largest, 1e-30)
            worst = max(worst, float(np.abs(found - g).max(initial=0.0)) / size)
    return Unfolded(out, list(starts), names, worst)


def _again(
    step: Step, made: dict[tuple[int, int], Tensor], arrays: dict[int, Tensor]
) -> list[Tensor]:
    _refuse_checkpoint(step)
    inputs: list[Any] = []
    for x in step.inputs:
        if x.source is not None:
            inputs.append(made[id(x.source), x.output])
        elif x.value is None and step.known_op is not None and missing(x, step.known_op):
            raise AutogradError(
                t(
                    "{name} cannot be unfolded: its input {input} was not kept. Compute the loss "
                    "inside `with chainrule.explain.recording():`.",
                    name=step.op_name,
                    input=x.name,
                )
            )
        else:
            inputs.append(x.value)
    op = step.known_op
    if op is not None and not is_elementary(op):
        return _expanded(op, inputs, step.params, DEPTH)
    with enable_grad(), recording():
        return again.run(step, inputs, rounded=True)


def _place(graph: Graph, before: Graph, origin: list[tuple[Step, set[Any]]]) -> None:
    """Module, source and composite of each elementary step: those of the first step whose results
    need it."""
    by_node = {step.node: step for step in graph.operations}
    done: set[int] = set()
    for step, nodes in origin:
        stack = [by_node[node] for node in nodes if node in by_node]
        while stack:
            inner = stack.pop()
            if id(inner) in done:
                continue
            done.add(id(inner))
            inner.path, inner.module_type, inner.source = step.path, step.module_type, step.source
            inner.inside = step.inside
            inner.parent = (step.id, step.op_name) if is_composite(step) else None
            stack += [
                x.source for x in inner.inputs
                if x.source is not None and x.source.kind == "operation"
            ]  # fmt: skip
    paths = {s.name: s.path for s in before.steps if s.kind == "parameter"}
    for leaf in graph.steps:
        if leaf.kind == "parameter":
            leaf.path = paths.get(leaf.name)

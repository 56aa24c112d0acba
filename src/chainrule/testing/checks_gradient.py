"""Gradients: against central differences, to order 2, and against the chain rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.text import t
from chainrule.graph.modes import no_grad
from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.op import Op
from chainrule.testing.gradients import (
    as_tuple,
    differences,
    gradients,
    invoke,
    probes,
    projected,
    pull,
    tensors_of,
    value_of,
    vectors,
)
from chainrule.testing.registry import MANY, check, derived, smooth
from chainrule.testing.report import close, expect
from chainrule.testing.sampling import Sample

_RTOL, _ATOL = 2e-5, 2e-6


def _name(op: type[Op], sample: Sample, i: int) -> str:
    return op.per_input(op.inputs, len(sample.inputs))[i]


def _double(outputs: Sequence[Tensor]) -> bool:
    """Only float64 resolves differences; a sample may ask for another dtype."""
    floats = [y for y in outputs if y.dtype.is_floating_point]
    return bool(floats) and all(y._data.dtype == np.float64 for y in floats)


def _total(op: type[Op], sample: Sample, vs: Sequence[Tensor | None]) -> float:
    with no_grad():
        outputs = invoke(op, tensors_of(op, sample), sample.params)
    pairs = [(y, v) for y, v in zip(outputs, vs, strict=True) if v is not None]
    return float(sum(np.sum(y._data * v._data) for y, v in pairs))


@check("gradient", smooth, least=MANY)
def gradient(op: type[Op], sample: Sample) -> int:
    """The gradient is the derivative: central differences at float64."""
    outputs, found = gradients(op, sample)
    if not _double(outputs):
        return 0
    vs = vectors(outputs)
    for i, g in zip(sample.differentiable(op), found, strict=True):
        x = sample.inputs[i]
        assert x is not None
        name = _name(op, sample, i)
        expect(
            g.shape == x.shape,
            t("∂/∂{name} has shape {got}, the input {x}.", name=name, got=g.shape, x=x.shape),
        )
        directions = probes(x)
        numeric = differences(
            lambda a, i=i: _total(op, sample.replace(i, a), vs),  # type: ignore[misc]
            x,
            directions,
        )
        along = projected(directions, g)
        if len(directions) == x.size:
            along, numeric = along.reshape(x.shape), numeric.reshape(x.shape)
        close(f"∂/∂{name}", along, numeric, _RTOL, _ATOL)
    return len(found)


def _first(op: type[Op], sample: Sample, vs: Sequence[Tensor | None]) -> list[np.ndarray]:
    tensors = tensors_of(op, sample)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    found = pull(invoke(op, tensors, sample.params), inputs, vs)
    return [np.zeros(x.shape) if g is None else value_of(g) for g, x in zip(found, inputs)]


@check("gradient2", smooth, least=MANY)
def gradient2(op: type[Op], sample: Sample) -> int:
    """The gradient of the gradient, by the inputs and by g: central differences of the first."""
    tensors = tensors_of(op, sample)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    outputs = invoke(op, tensors, sample.params)
    if not _double(outputs):
        return 0
    vs = vectors(outputs)
    given = [v.requires_grad_() for v in vs if v is not None]
    found = pull(outputs, inputs, vs, create_graph=True)
    rng = np.random.default_rng(11)
    ws = [rng.uniform(0.5, 1.5, x.shape) for x in inputs]
    plain = _first(op, sample, vs)
    for i, g, p in zip(sample.differentiable(op), found, plain, strict=True):
        name = _name(op, sample, i)
        recorded = np.zeros(p.shape) if g is None else value_of(g)
        close(t("recorded ∂/∂{name}", name=name), recorded, p, 1e-9, 1e-12)
    traced = [(g, w) for g, w in zip(found, ws, strict=True) if g is not None and g.requires_grad]
    by = [*inputs, *given]
    second = pull([g for g, _ in traced], by, [Tensor(w) for _, w in traced]) if traced else []
    second = second or [None] * len(by)

    def first_at(sample: Sample, vs: Sequence[Tensor | None]) -> float:
        return float(sum(np.sum(w * g) for w, g in zip(ws, _first(op, sample, vs), strict=True)))

    for k, (tensor, h) in enumerate(zip(by, second, strict=True)):
        x = value_of(tensor)
        directions = probes(x)
        if k < len(inputs):
            i = sample.differentiable(op)[k]
            name = _name(op, sample, i)
            numeric = differences(
                lambda a, i=i: first_at(sample.replace(i, a), vs),  # type: ignore[misc]
                x,
                directions,
            )
        else:
            name, at = "g", [j for j, v in enumerate(vs) if v is not None][k - len(inputs)]

            def moved(a: np.ndarray, at: int = at) -> float:
                return first_at(sample, [*vs[:at], Tensor(a), *vs[at + 1 :]])

            numeric = differences(moved, x, directions)
        along = projected(directions, np.zeros(x.shape) if h is None else value_of(h))
        close(f"∂²/∂{name}", along, numeric, _RTOL, _ATOL)
    return len(by)


# ---- the chain rule -------------------------------------------------------------------------


def without_vjp(op: type[Op]) -> type[Op]:
    """The operation with its derived gradient taken away."""
    kind: Any = type(op)
    return kind(op.__name__, (op,), {"vjp": None, "__doc__": op.__doc__})


def _nodes(outputs: Sequence[Tensor]) -> list[Node]:
    stack = [y.grad_fn for y in outputs if y.grad_fn is not None]
    seen: set[Any] = set(stack)
    found = []
    while stack:
        node = stack.pop()
        found.append(node)
        for edge in node.edges:
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return found


@check("chain rule", derived, must=False)
def chain_rule(op: type[Op], sample: Sample) -> int:
    """The derived gradient is the chain rule through the forward, one primitive at a time."""
    if not sample.differentiable(op):
        return 0
    tensors = tensors_of(op, sample)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    outputs = as_tuple(apply(without_vjp(op), *tensors, **sample.params))
    if any(node.op is op for node in _nodes(outputs)):
        return 0  # a primitive: there is nothing to expand
    straight, found = gradients(op, sample)
    for got, expected in zip(straight, outputs, strict=True):
        close("y", got._data, expected._data, 1e-9, 1e-12)
    expanded = pull(outputs, inputs, vectors(straight))
    for i, g, e in zip(sample.differentiable(op), found, expanded, strict=True):
        chained = np.zeros(g.shape) if e is None else value_of(e)
        close(f"∂/∂{_name(op, sample, i)}", g, chained, 1e-9, 1e-11)
    return len(found)

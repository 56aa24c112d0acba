"""Traced replay = glass: a program written down once and replayed gives the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.base.text import t
from chainrule.compile import trace
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Op
from chainrule.testing.gradients import as_tuple, invoke, pull, tensors_of, value_of, vectors
from chainrule.testing.registry import check, differentiable
from chainrule.testing.report import close
from chainrule.testing.sampling import Sample


def check_traced(function: Callable[..., Any], tensors: Sequence[Tensor]) -> int:
    """Traces `function(*tensors)`, replays it, and compares all that it returns with glass mode."""
    glass = as_tuple(function(*tensors))
    program = trace(function, *tensors)
    replayed = as_tuple(program(*tensors))
    for got, expected in zip(replayed, glass, strict=True):
        close(t("replay"), value_of(got), value_of(expected), 1e-12, 1e-14)
    return len(glass)


def _program(op: type[Op], sample: Sample, step: Callable[..., Any]) -> int:
    tensors = tensors_of(op, sample)
    places = [i for i, x in enumerate(tensors) if x is not None]

    def program(*given: Tensor) -> Any:
        full: list[Any] = [None] * len(tensors)
        for i, x in zip(places, given, strict=True):
            full[i] = x
        outputs = invoke(op, full, sample.params)
        return step(outputs, [full[i] for i in sample.differentiable(op)])

    return check_traced(program, [tensors[i] for i in places])


@check("traced")
def traced(op: type[Op], sample: Sample) -> int:
    """Replay of the traced operation = glass."""
    return _program(op, sample, lambda outputs, inputs: outputs)


@check("traced gradient", differentiable, must=False)
def traced_gradient(op: type[Op], sample: Sample) -> int:
    """Replay of operation and backward, traced together, = glass."""

    def step(outputs: Any, inputs: Any) -> Any:
        found = pull(outputs, inputs, vectors(outputs))
        return tuple(g for g in found if g is not None)

    return _program(op, sample, step) if sample.differentiable(op) else 0

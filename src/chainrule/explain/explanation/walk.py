"""The gradients of all values, each as the sum of what comes back along its uses.

The same rules and the same order as `backward()`, so the numbers are those of `.grad` to the bit;
but nothing is accumulated away, nothing is freed, and no hook runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.explain.explanation.graph import Array, Graph, Step, Use
from chainrule.graph.autocast import inside
from chainrule.graph.modes import no_grad
from chainrule.graph.sparse import SparseTensor
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays import NUMPY


def walk(graph: Graph, starts: Sequence[Array]) -> None:
    """Fills in `gradient` and `uses` of all outputs, and `gradient` of all inputs."""
    for (step, index), start in zip(graph.roots, starts, strict=True):
        out = step.outputs[index]
        out.gradient = start if out.gradient is None else out.gradient + start
    for step in reversed(graph.steps):
        if step.kind == "operation" and any(o.gradient is not None for o in step.outputs):
            for i, g in enumerate(pull(step, [o.gradient for o in step.outputs])):
                if g is not None:
                    with np.errstate(all="ignore"):
                        _arrive(step, i, g)


def _arrive(step: Step, i: int, g: Array) -> None:
    x = step.inputs[i]
    x.gradient = g
    assert x.source is not None
    out = x.source.outputs[x.output]
    out.uses.append(Use(step, i, g))
    if out.gradient is None:
        out.gradient = g
    elif len(out.uses) > 2 and out.gradient.shape == g.shape and out.gradient.dtype == g.dtype:
        out.gradient += g  # a sum that was made here
    else:
        out.gradient = out.gradient + g


def pull(step: Step, gradients: Sequence[Array | None]) -> list[Array | None]:
    """The gradients of the inputs of a step from those of its outputs, by its own rule."""
    node = step.node
    assert node is not None
    many = node.outputs is not None
    given: Any = list(gradients) if many else gradients[0]
    with no_grad(), inside(None), np.errstate(all="ignore"):
        found = node.op.backward(NUMPY, node, given, step.saved)
    return [
        None if g is None or not x.differentiable else _array(g)
        for g, x in zip(found, step.inputs, strict=True)
    ]


def _array(g: Any) -> Array:
    if isinstance(g, SparseTensor):
        g = g.to_dense()
    return np.asarray(g._data if isinstance(g, Tensor) else g)

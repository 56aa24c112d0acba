"""Calling an operation on arrays, its gradients, and central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.backward import grad
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Op
from chainrule.testing.sampling import Sample

# Up to this many entries each gets its own difference; above, random directions are taken.
_ENTRIES = 48
_DIRECTIONS = 6


def invoke(op: type[Op], tensors: Sequence[Any], params: dict[str, Any]) -> tuple[Tensor, ...]:
    """The outputs of the operation's public function, always as a tuple."""
    args = (list(tensors),) if op.variadic else tensors
    return as_tuple(op.function(*args, **params))


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def tensors_of(op: type[Op], sample: Sample, dtype: Any = None) -> list[Any]:
    """The inputs as tensors that require a gradient where one is possible."""
    wanted = sample.differentiable(op) if op.differentiable else []
    out: list[Any] = []
    for i, x in enumerate(sample.inputs):
        if x is None:
            out.append(None)
        elif i in sample.differentiable(op):
            out.append(Tensor(np.array(x), dtype, requires_grad=i in wanted))
        else:
            out.append(Tensor(np.array(x)))
    return out


def vectors(outputs: Sequence[Tensor], seed: int = 7) -> list[Tensor | None]:
    """A random v for each output that can carry a gradient."""
    rng = np.random.default_rng(seed)
    return [
        Tensor(rng.uniform(0.5, 1.5, y.shape), y.dtype) if y.requires_grad else None
        for y in outputs
    ]


def pull(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vs: Sequence[Tensor | None],
    create_graph: bool = False,
) -> list[Tensor | None]:
    """vᵀJ for each input, None where no output depends on it."""
    pairs = [(y, v) for y, v in zip(outputs, vs, strict=True) if v is not None]
    if not pairs:
        return [None] * len(inputs)
    found = grad(
        [y for y, _ in pairs], inputs, [v for _, v in pairs],
        create_graph=create_graph, allow_unused=True,
    )  # fmt: skip
    return list(found)


def value_of(x: Tensor) -> np.ndarray:
    return np.array(x._data)


def gradients(
    op: type[Op], sample: Sample, dtype: Any = None, seed: int = 7
) -> tuple[tuple[Tensor, ...], list[np.ndarray]]:
    """The outputs, and vᵀJ by each differentiable input (zeros where none depends on it)."""
    tensors = tensors_of(op, sample, dtype)
    outputs = invoke(op, tensors, sample.params)
    inputs = [tensors[i] for i in sample.differentiable(op)]
    found = pull(outputs, inputs, vectors(outputs, seed))
    arrays = [
        np.zeros(x.shape) if g is None else value_of(g) for g, x in zip(found, inputs, strict=True)
    ]
    return outputs, arrays


def probes(x: np.ndarray, seed: int = 3) -> np.ndarray:
    """Directions in which to differentiate: (n, *x.shape)."""
    if x.size <= _ENTRIES:
        return np.eye(x.size).reshape(x.size, *x.shape)
    return np.random.default_rng(seed).choice([-1.0, 1.0], (_DIRECTIONS, *x.shape))


def projected(directions: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Σ d·g for each direction d."""
    return (directions * g).sum(tuple(range(1, directions.ndim)))


def differences(
    f: Callable[[np.ndarray], float], x: np.ndarray, directions: np.ndarray, eps: float = 1e-6
) -> np.ndarray:
    """(f(x + εd) − f(x − εd)) / 2ε for each direction d."""
    return np.array([(f(x + eps * d) - f(x - eps * d)) / (2 * eps) for d in directions])

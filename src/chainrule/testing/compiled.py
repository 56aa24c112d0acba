"""Compiled = glass: an operation and its gradient as native code give the numbers of glass mode.

In the inputs' own precision, and in single precision, where the kernels are others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.dtypes import float32, float64
from chainrule.base.text import t
from chainrule.compile import trace
from chainrule.compile.backend import native_available
from chainrule.compile.native import Native
from chainrule.compile.runtime.cores import most_threads
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Op
from chainrule.testing.gradients import invoke, pull, tensors_of, value_of, vectors
from chainrule.testing.registry import check
from chainrule.testing.report import close, expect
from chainrule.testing.sampling import Sample

# Relative and absolute: sums are taken in another order, functions are other polynomials.
_TOLERANCE = {float32: (1e-4, 1e-5), float64: (1e-9, 1e-11)}


def applies(op: type[Op]) -> bool:
    """Native code needs llvmlite, and a form of the operation: LAPACK's have none."""
    return native_available() and not op.on_host


@check("compiled", applies)
def compiled(op: type[Op], sample: Sample) -> int:
    """The native program of operation and backward, in both precisions, = glass."""
    tensors = [*tensors_of(op, sample, float32), *tensors_of(op, sample, float64)]
    places = [i for i, x in enumerate(tensors) if x is not None]
    each = len(sample.inputs)

    def program(*given: Tensor) -> list[Tensor]:
        full: list[Any] = [None] * len(tensors)
        for i, x in zip(places, given, strict=True):
            full[i] = x
        return _results(op, sample, full[:each]) + _results(op, sample, full[each:])

    given = [tensors[i] for i in places]
    glass = program(*given)
    traced = trace(program, *given)
    traced.executable = Native(traced.graph, min(2, most_threads()), True)
    for got, expected in zip(traced(*given), glass, strict=True):
        _same(value_of(got), value_of(expected))
    return len(glass)


def _results(op: type[Op], sample: Sample, inputs: list[Any]) -> list[Tensor]:
    """The outputs and, where there are gradients, vᵀJ for each input."""
    outputs = invoke(op, inputs, sample.params)
    if not op.differentiable:
        return [*outputs]
    found = pull(outputs, [inputs[i] for i in sample.differentiable(op)], vectors(outputs))
    return [*outputs, *(g for g in found if g is not None)]


def _same(got: np.ndarray, expected: np.ndarray) -> None:
    expect(
        got.dtype == expected.dtype,
        t("compiled: got {got}, expected {expected}.", got=got.dtype, expected=expected.dtype),
    )
    rtol, atol = (0.0, 0.0)
    if expected.dtype.kind == "f":
        rtol, atol = _TOLERANCE[float64 if expected.dtype.itemsize == 8 else float32]
    close(t("compiled"), got, expected, rtol, atol)

"""A step once more, in float64: its forward, its gradient, and single columns of its Jacobian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, float64
from chainrule.explain.explanation.graph import Array, Step, missing
from chainrule.graph import enable_grad
from chainrule.graph.autocast import inside
from chainrule.graph.backward import grad
from chainrule.graph.modes import no_grad
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.dispatch import apply
from chainrule.ops.op import Elementwise


class CannotRepeat(Exception):
    """A step that cannot be computed again: a value was not kept, or it is no plain operation."""


def values(step: Step) -> list[Any]:
    """The inputs in float64 (integers, numbers and None as they are). Raises CannotRepeat."""
    op, out = step.known_op, []
    if op is None and not hasattr(step.op, "context"):  # only custom functions have one
        raise CannotRepeat(step.op_name)
    for i, x in enumerate(step.inputs):
        value = x.value
        if op is not None and missing(x, op):
            # What neither the gradient nor a result that it reads depends on may be anything.
            shape = step.outputs[0].shape if x.shape is None else x.shape
            if op.keep_y or isinstance(step.saved[i], Array) or shape is None:
                raise CannotRepeat(x.name)
            value = np.zeros(shape)
        elif op is None and value is None and not (step.recorded and x.source is None):
            raise CannotRepeat(x.name)
        if isinstance(value, Array) and value.dtype.kind == "f":
            value = value.astype(np.float64)
        out.append(value)
    return out


def run(step: Step, inputs: Sequence[Any], rounded: bool = False) -> list[Tensor]:
    """The results of a step for other inputs (arrays become tensors that need no gradient);
    `rounded`: with the dtypes that its parameters ask for."""
    # What arithmetic made of a 0-d array is no number of the user's.
    given = [wrap(np.asarray(x)) if isinstance(x, Array | np.generic) else x for x in inputs]
    op = step.known_op
    with inside(None), np.errstate(all="ignore"):
        if op is not None:
            found = apply(op, *given, **(step.params if rounded else exact(step.params)))
        else:
            found = step.op.function.apply(*given)
    return list(found) if isinstance(found, tuple) else [found]


def exact(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters without what would round."""
    out = dict(params)
    if out.get("bfloat16"):
        out["bfloat16"] = False
    if isinstance(out.get("dtype"), DType) and out["dtype"].is_floating_point:
        out["dtype"] = float64
    return out


def forward(step: Step, inputs: Sequence[Any]) -> list[Array]:
    with no_grad():
        return [np.asarray(y._data) for y in run(step, inputs)]


def leaves(step: Step, inputs: Sequence[Any]) -> list[Any]:
    """The inputs as tensors, those with a gradient as leaves that require one."""
    out: list[Any] = []
    for x, value in zip(step.inputs, inputs, strict=True):
        if isinstance(value, Array):
            value = wrap(value)
            value._rg = x.differentiable and value._data.dtype.kind == "f"
        out.append(value)
    return out


def vjp(
    step: Step, inputs: Sequence[Any], gradients: Sequence[Array | None], record: bool = False
) -> list[Any]:
    """The gradient of each input (None: none flows there) by the step's own rule, as arrays; with
    `record` as tensors that depend on `gradients`, which are tensors then."""
    given = leaves(step, inputs)
    with enable_grad():
        ys = run(step, given)
    wanted = [x for x in given if isinstance(x, Tensor) and x._rg]
    pairs = [
        (y, g if isinstance(g, Tensor) else wrap(np.asarray(g, y._data.dtype)))
        for y, g in zip(ys, gradients, strict=True)
        if g is not None and y._rg
    ]
    if not pairs:
        return [None] * len(given)
    found = grad(
        [y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=record,
        allow_unused=True,
    )  # fmt: skip
    by = {id(x): g for x, g in zip(wanted, found, strict=True)}
    out = [by.get(id(x)) for x in given]
    return out if record else [None if g is None else _dense(g) for g in out]


def _dense(g: Any) -> Array:
    return np.asarray((g.to_dense() if hasattr(g, "to_dense") else g)._data)


class Jacobian:
    """Columns of ∂(every output entry)/∂(every input entry) of a step, worked out one at a time.

    The gradient rule is linear in the upstream gradient g, so its own derivative by g, at a one-hot
    cotangent, is a column. The rule runs once for all of them.
    """

    def __init__(self, step: Step, inputs: Sequence[Any]) -> None:
        self.step, self.inputs = step, inputs
        self.starts: list[Any] = [
            None if out.gradient is None else wrap(np.zeros(out.shape)) for out in step.outputs
        ]
        self.found: list[Any] = []
        if step.known_op is None:
            return  # a rule of the user's need not be written in operations
        for g in self.starts:
            if g is not None:
                g._rg = True
        with enable_grad():
            self.found = vjp(step, inputs, self.starts, record=True)

    def column(self, which: int, entry: tuple[int, ...]) -> list[Any]:
        """∂(every output entry)/∂(one entry of one input): for each output an array, or None where
        it is 0."""
        found = self.found[which] if self.found else None
        if not self.found or (found is not None and not found._rg):
            return _column_by_rows(self.step, self.inputs, which, entry)
        if found is None:
            return [None] * len(self.starts)
        one = np.zeros(found.shape)
        one[entry] = 1.0
        by = [g for g in self.starts if g is not None]
        with enable_grad():
            columns = iter(grad(found, by, wrap(one), retain_graph=True, allow_unused=True))
        return [
            None if g is None or (c := next(columns)) is None else _dense(c) for g in self.starts
        ]


class Jacobians:
    """The Jacobians of the steps last asked for."""

    MOST = 3

    def __init__(self) -> None:
        self._known: dict[str, Jacobian] = {}

    def of(self, step: Step) -> Jacobian:
        """Raises CannotRepeat."""
        known = self._known.get(step.id)
        if known is None or known.step is not step:
            while len(self._known) >= self.MOST:
                del self._known[next(iter(self._known))]
            known = self._known[step.id] = Jacobian(step, values(step))
        return known


MOST_ROWS = 256


def _column_by_rows(
    step: Step, inputs: Sequence[Any], which: int, entry: tuple[int, ...]
) -> list[Any]:
    """A column for a rule that cannot be differentiated: one cotangent for each result entry."""
    out: list[Any] = []
    for k, y in enumerate(step.outputs):
        if y.gradient is None:
            out.append(None)
            continue
        if math.prod(y.shape) > MOST_ROWS:
            raise CannotRepeat(step.op_name)
        slopes = np.zeros(y.shape)
        for at in np.ndindex(y.shape):
            one = np.zeros(y.shape)
            one[at] = 1.0
            g = vjp(step, inputs, [one if j == k else None for j in range(len(step.outputs))])[
                which
            ]
            slopes[at] = 0.0 if g is None else g[entry]
        out.append(slopes)
    return out


def local(step: Step, inputs: Sequence[Any]) -> list[Array | None]:
    """Of an elementwise step: ∂y/∂input at each entry of y, for each input with a gradient."""
    op = step.known_op
    assert op is not None and issubclass(op, Elementwise)
    shape = step.outputs[0].shape
    wide = [np.array(np.broadcast_to(x, shape)) if isinstance(x, Array) else x for x in inputs]
    return vjp(step, wide, [np.ones(shape)])

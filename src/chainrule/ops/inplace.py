"""In-place operations: the write, and the history of everything that shares the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import AutogradError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.tensor import Tensor, ready, wrap
from chainrule.ops.dispatch import apply, cast, record
from chainrule.ops.op import Op


def inplace_of(cls: type[Op]) -> Callable[..., Tensor]:
    """`x.add_(…)`: the operation's result written into x."""
    return inplace_form(cls.function, cls.keep[0])


def inplace_form(function: Callable[..., Any], keeps: bool = True) -> Callable[..., Tensor]:
    """The method that writes `function(x, …)` into x; `keeps`: its gradient reads x."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        refuse_leaf(self)
        source = self
        if mode.grad and keeps and isinstance(self._data, np.ndarray):
            others = (*args, *kwargs.values())
            if self._rg or any(isinstance(v, Tensor) and v._rg for v in others):
                # The gradient needs the value that is about to be overwritten.
                ready(self)
                source = wrap(self._data.copy())
                source._node, source._index, source._rg = self._node, self._index, self._rg
                if self.dtype is dtypes.bfloat16:
                    source._more().dtype = dtypes.bfloat16
        return assign(self, function(source, *args, **kwargs))

    method.__doc__ = function.__doc__
    return method


def refuse_leaf(target: Tensor) -> None:
    """A leaf's value is a parameter: recording a change of it would lose the parameter."""
    base = target
    while base._extra is not None and base._extra.base is not None:
        base = base._extra.base
    if mode.grad and base._rg and base._node is None:
        raise AutogradError(
            t(
                "A leaf that requires a gradient cannot be modified in place while gradients are "
                "recorded: do it under chainrule.no_grad(), or on a clone()."
            )
        )


def assign(target: Tensor, value: Tensor) -> Tensor:
    """Writes `value` into the memory of `target` and gives it the value's history."""
    refuse_leaf(target)
    ready(target)
    ready(value)
    if value.shape != target.shape:
        raise ShapeError(
            t(
                "In place, the result has shape {result} but the tensor has {shape}: in-place "
                "operations cannot change the shape; use the out-of-place form.",
                result=value.shape,
                shape=target.shape,
            )
        )
    if value.dtype is not target.dtype:
        if value.dtype.category > target.dtype.category:
            raise DTypeError(
                t(
                    "In place, the result is {result} but the tensor is {dtype}: convert the "
                    "tensor first, or use the out-of-place form.",
                    result=value.dtype.name,
                    dtype=target.dtype.name,
                )
            )
        value = cast(value, target.dtype)
    recorded = mode.grad and (target._rg or value._rg)
    if recorded and value._rg and value._node is None:
        value = value.clone()  # the target is computed from that leaf, it does not become one
    if mode.trace is not None:
        mode.trace.assign(target, value)
        _rebase(target, value, recorded)
        return target
    array = target._data
    if not array.flags.writeable or any(
        n > 1 and s == 0 and array.size for n, s in zip(array.shape, array.strides, strict=True)
    ):
        raise AutogradError(
            t(
                "Several elements of this tensor (an expanded or read-only one) share one place "
                "in memory: clone() it before writing in place."
            )
        )
    array[...] = value._data
    memory.written(array)
    if recorded:
        _rebase(target, value, True)
    return target


def _rebase(target: Tensor, value: Tensor, recorded: bool) -> None:
    """The history of `target`, and of what it is a view of, after it was written."""
    more = target._more()
    if more.base is None:
        if recorded:
            target._node, target._index, target._rg = value._node, value._index, value._rg
        more.rebased = memory.rebased()
        return
    base, params = more.base, {"view": more.view}
    if mode.trace is not None:
        whole = apply(_write_op, base, value, **params)
        mode.trace.assign(base, whole)
    else:
        whole = wrap(base._data)
        record(_write_op, (base, value), (base._data, value._data), whole, params)
    _rebase(base, whole, recorded)
    ready(target)


_write_op: Any = None


def set_write(cls: type[Op]) -> None:
    """Told by the operation that writes a view back into its base."""
    global _write_op
    _write_op = cls


def fill(target: Tensor, value: Any) -> Tensor:
    """Every element of `target` set to a number."""
    with no_grad():
        data = mode.F.full(target.shape, value, target._data.dtype)
    return assign(
        target, wrap(data) if target.dtype is not dtypes.bfloat16 else Tensor(data, target.dtype)
    )

"""The public functions of operations: parameters bound, and the short way of elementwise ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.graph import memory
from chainrule.graph.modes import mode
from chainrule.graph.node import Node, Spec
from chainrule.graph.tensor import Tensor, ready, wrap
from chainrule.ops.arrays import NUMPY, native
from chainrule.ops.dispatch import apply, is_operand, refuse_operands
from chainrule.ops.op import Elementwise, Op

_F32, _F64 = np.dtype("float32"), np.dtype("float64")
ndarray, LEAST, run = np.ndarray, native.LEAST, native.run


def function_of(cls: type[Op]) -> Callable[..., Any]:
    """The public function of an operation."""
    if issubclass(cls, Elementwise) and not cls.params and cls.dtypes != "keep":
        if len(cls.inputs) == 1:
            return _unary(cls)
        if len(cls.inputs) == 2 and not cls.integers:
            return _binary(cls)

    n, complete = len(cls.inputs), len(cls.defaults) == len(cls.params) and not cls.variadic
    bound: dict[Any, dict[str, Any]] = {}

    def function(*args: Any, **kwargs: Any) -> Any:
        if complete and not kwargs and len(args) == n:
            return apply(cls, *args, **cls.defaults)
        # Checking the same parameters again and again would cost more than a small operation.
        try:
            key = None
            if len(args) >= n and not cls.variadic:
                rest = (*args[n:], *kwargs.values())
                key = (rest, *map(_told_apart, rest), *kwargs)
            params = bound.get(key) if key is not None else None
        except TypeError:
            key = params = None
        if params is not None:
            return apply(cls, *args[:n], **params)
        inputs, params = cls.bind(args, kwargs)
        if key is not None and len(bound) < 1000 and not cls.inputs_in(kwargs):
            bound[key] = params
        return apply(cls, *inputs, **params)

    return function


def _told_apart(value: Any) -> Any:
    """What two equal arguments differ in: 1 == True == 1.0 and 0.0 == -0.0."""
    if value.__class__ is tuple:
        return tuple(map(_told_apart, value))
    if isinstance(value, float | np.floating) and value == 0:
        return type(value), math.copysign(1.0, value)
    return type(value)


def _unary(cls: type[Op]) -> Callable[..., Any]:
    forward, keep_x, keep_y = cls.forward, cls.keep[0], cls.keep_y
    recordable = cls.differentiable and cls.vjp is not None
    fast = recordable or not cls.differentiable

    def function(x: Any = None, /, **kwargs: Any) -> Any:
        if isinstance(x, Tensor) and fast and not kwargs:
            data = x._data
            F = mode.F
            if (
                F is NUMPY
                and (x._extra is None or ready(x))
                and ((dtype := data.dtype) is _F32 or dtype is _F64)
            ):
                try:
                    large = data.size >= LEAST
                    y = run(cls, F, (data,)) if large else mode.quiet(forward, F, data)
                except TypeError:
                    return apply(cls, x)  # which words the error
                if y.__class__ is not ndarray:
                    y = np.asarray(y)
                elif y is data:
                    y = y.copy()
                out = wrap(y)
                if recordable and x._rg and mode.grad:
                    node = x._node
                    out._node = Node(
                        cls, {}, memory.tick(), (x if node is None else node,),
                        (x._index,) if x._index else None,
                        (data if keep_x else None, y if keep_y else None),
                    )  # fmt: skip
                    out._rg = True
                return out
        inputs, params = cls.bind(() if x is None else (x,), kwargs)
        return apply(cls, *inputs, **params)

    return function


def _binary(cls: type[Op]) -> Callable[..., Any]:
    forward, (keep_x, keep_o), keep_y = cls.forward, cls.keep, cls.keep_y
    recordable = cls.differentiable and cls.vjp is not None
    fast = recordable or not cls.differentiable
    # Multiplication and its like: each gradient reads the other input only.
    crossed = cls.readers == ((1,), (0,))

    def function(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and fast and len(args) == 2 and mode.F is NUMPY:
            x, o = args
            a = x._data if isinstance(x, Tensor) else x
            b = o._data if isinstance(o, Tensor) else o
            number_a = a.__class__ is float or a.__class__ is int
            number_b = b.__class__ is float or b.__class__ is int
            plain_a = number_a or (
                a.__class__ is ndarray and x is not a and (x._extra is None or ready(x))
            )
            plain_b = number_b or (
                b.__class__ is ndarray and o is not b and (o._extra is None or ready(o))
            )
            if plain_a and plain_b and not (number_a and number_b):
                dtype = b.dtype if number_a else a.dtype
                if (dtype is _F32 or dtype is _F64) and (number_a or number_b or b.dtype is dtype):
                    try:
                        large = (b if number_a else a).size >= LEAST
                        y = run(cls, NUMPY, (a, b)) if large else mode.quiet(forward, NUMPY, a, b)
                    except (ValueError, TypeError):
                        return apply(cls, x, o)  # which words the error
                    if y.__class__ is not ndarray:
                        y = np.asarray(y)
                    out = wrap(y)
                    rx = not number_a and x._rg
                    ro = not number_b and o._rg
                    if recordable and (rx or ro) and mode.grad:
                        shape = y.shape
                        out._node = Node(
                            cls, {}, memory.tick(),
                            (
                                None if not rx else x if x._node is None else x._node,
                                None if not ro else o if o._node is None else o._node,
                            ),
                            _indices(x, o, rx, ro),
                            (
                                a if number_a or (keep_x and (ro or not crossed))
                                else None if a.shape == shape else Spec(a.shape, dtype),
                                b if number_b or (keep_o and (rx or not crossed))
                                else None if b.shape == shape else Spec(b.shape, dtype),
                                y if keep_y else None,
                            ),
                        )  # fmt: skip
                        out._rg = True
                    return out
        inputs, params = cls.bind(args, kwargs)
        if not all(map(is_operand, inputs)):
            return NotImplemented
        return apply(cls, *inputs, **params)

    def named(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        if out is NotImplemented:
            refuse_operands(cls, (*args, *kwargs.values()))
        return out

    vars(named)["operator"] = function
    return named


def operator_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The form for `x + o`: NotImplemented for operands that it does not know."""
    return vars(function).get("operator", function)


def _indices(x: Any, o: Any, rx: bool, ro: bool) -> tuple[int, int] | None:
    i = x._index if rx else 0
    j = o._index if ro else 0
    return (i, j) if i or j else None

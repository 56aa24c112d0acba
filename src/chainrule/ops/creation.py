"""Making tensors from data, constants and ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.shapes import as_shape
from chainrule.base.text import t
from chainrule.graph.convert import array_of, cast_array
from chainrule.graph.tensor import Tensor


def _made(array: np.ndarray, dtype: Any, requires_grad: bool) -> Tensor:
    return Tensor(array, dtype, requires_grad)


def tensor(
    data: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A copy of `data` (numbers, nested lists, arrays, tensors) as a tensor without history."""
    if isinstance(data, Tensor):
        dtype = data.dtype if dtype is None else dtype
        data = data._values()
    kind = None if dtype is None else dtypes.as_dtype(dtype)
    return _made(np.array(array_of(data, kind)), kind, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without copying where that is possible."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return _made(array_of(data, None if dtype is None else dtypes.as_dtype(dtype)), dtype, False)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of `array`."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(
            t("from_numpy needs a NumPy array, not {kind}.", kind=type(array).__name__)
        )
    return Tensor(array)


def _kind(dtype: Any, value: Any = 0.0) -> dtypes.DType:
    if dtype is not None:
        return dtypes.as_dtype(dtype)
    if isinstance(value, bool):
        return dtypes.bool_
    return dtypes.int64 if isinstance(value, int) else dtypes.get_default_dtype()


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor of one value."""
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    kind = _kind(dtype, value)
    array = np.full(
        as_shape((size,) if isinstance(size, int) else (tuple(size),)), value, kind.numpy
    )
    return _made(cast_array(array, kind), kind, requires_grad)


def zeros(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Zeros."""
    kind = _kind(dtype)
    return _made(
        np.zeros(as_shape(shape if size is None else (size,)), kind.numpy), kind, requires_grad
    )


def ones(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Ones."""
    kind = _kind(dtype)
    return _made(
        np.ones(as_shape(shape if size is None else (size,)), kind.numpy), kind, requires_grad
    )


def empty(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Memory as it comes: fill it before you read it."""
    kind = _kind(dtype)
    return _made(
        np.empty(as_shape(shape if size is None else (size,)), kind.numpy), kind, requires_grad
    )


def zeros_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Zeros in the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Ones in the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Memory as it comes, in the shape and dtype of `input`."""
    return empty(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """One value in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """start, start + step, … below end; `arange(n)` counts from 0."""
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) / step < 0:
        raise ArgumentError(
            t(
                "arange: no step of {step} leads from {start} to {end}.",
                step=step,
                start=start,
                end=end,
            )
        )
    kind = _kind(dtype, 0 if all(isinstance(v, int) for v in (start, end, step)) else 0.0)
    n = math.ceil((end - start) / step)
    values = start + np.arange(n) * step
    return _made(cast_array(values.astype(kind.numpy), kind), kind, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, both included, equally spaced."""
    kind = _kind(dtype)
    return _made(cast_array(np.linspace(start, end, steps), kind), kind, requires_grad)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = None
) -> Tensor:
    """base to the power of `linspace(start, end, steps)`."""
    kind = _kind(dtype)
    return _made(cast_array(base ** np.linspace(start, end, steps), kind), kind, False)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an n × m matrix."""
    kind = _kind(dtype)
    return _made(np.eye(n, m, dtype=kind.numpy), kind, requires_grad)

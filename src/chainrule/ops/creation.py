"""Making tensors from data, constants and ranges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base import aligned, dtypes
from chainrule.base.devices import check_device
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.shapes import as_shape
from chainrule.base.text import t
from chainrule.graph.convert import array_of, cast_array
from chainrule.graph.tensor import Tensor


def _made(array: np.ndarray, dtype: Any, requires_grad: bool, device: Any = None) -> Tensor:
    check_device(device)
    return Tensor(array, dtype, requires_grad)


# ---- from data ------------------------------------------------------------------------------


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A copy of `data` (numbers, nested lists, arrays, tensors) as a tensor without history.

    >>> cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    >>> cr.tensor(3, dtype=cr.float64)
    tensor(3., dtype=chainrule.float64)
    """
    if isinstance(data, Tensor):
        dtype = data.dtype if dtype is None else dtype
        data = data._values()
    kind = None if dtype is None else dtypes.as_dtype(dtype)
    return _made(np.array(array_of(data, kind)), kind, requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without copying where that is possible.

    >>> cr.as_tensor([1, 2, 3])
    tensor([1, 2, 3])
    """
    if isinstance(data, Tensor):
        check_device(device)
        return data if dtype is None else data.to(dtype)
    kind = None if dtype is None else dtypes.as_dtype(dtype)
    return _made(array_of(data, kind), dtype, False, device)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`obj` as a tensor; `copy`: True always, False never (or an error), None only if it must.

    A tensor without `requires_grad=True` comes detached, as in PyTorch.
    """
    data = obj.detach() if isinstance(obj, Tensor) and not requires_grad else obj
    out = as_tensor(data, dtype, device)
    if copy:
        out = out.clone() if isinstance(obj, Tensor) else tensor(data, dtype=dtype)
    elif copy is False and not _shares(out, obj):
        raise ArgumentError(
            t("asarray: this cannot be done without a copy: drop copy=False, or the dtype.")
        )
    return out.requires_grad_() if requires_grad and out.is_leaf else out


def _shares(out: Tensor, obj: Any) -> bool:
    held = obj._data if isinstance(obj, Tensor) else obj
    return isinstance(held, np.ndarray) and np.shares_memory(out._data, held)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of `array`.

    >>> import numpy as np
    >>> cr.from_numpy(np.arange(3.0))
    tensor([0., 1., 2.], dtype=chainrule.float64)
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError(
            t("from_numpy needs a NumPy array, not {kind}.", kind=type(array).__name__)
        )
    return Tensor(array)


# ---- constants ------------------------------------------------------------------------------


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
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value.

    >>> cr.full((2,), 7.5)
    tensor([7.5000, 7.5000])
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    if not isinstance(value, bool | int | float | np.generic):
        raise ArgumentError(t("full: fill_value must be a number, got {v!r}.", v=value))
    kind = _kind(dtype, value)
    array = np.full(
        as_shape((size,) if isinstance(size, int) else (tuple(size),)), value, kind.numpy
    )
    return _made(cast_array(array, kind), kind, requires_grad, device)


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number as a 0-d tensor of the default dtype."""
    return full((), float(s), dtype=dtype, device=device, requires_grad=requires_grad)


def zeros(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros.

    >>> cr.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    kind = _kind(dtype)
    array = np.zeros(as_shape(shape if size is None else (size,)), kind.numpy)
    return _made(array, kind, requires_grad, device)


def ones(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones.

    >>> cr.ones(2, 2, dtype=cr.int64)
    tensor([[1, 1],
            [1, 1]])
    """
    kind = _kind(dtype)
    array = np.ones(as_shape(shape if size is None else (size,)), kind.numpy)
    return _made(array, kind, requires_grad, device)


def empty(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Memory as it comes: fill it before you read it.

    >>> cr.empty(2, 3).shape
    (2, 3)
    """
    kind = _kind(dtype)
    array = aligned.empty(as_shape(shape if size is None else (size,)), kind.numpy)
    return _made(array, kind, requires_grad, device)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape and dtype of `input`.

    >>> cr.zeros_like(cr.tensor([1, 2]))
    tensor([0, 0])
    """
    kind = dtype or input.dtype
    return zeros(input.shape, dtype=kind, device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape and dtype of `input`.

    >>> cr.ones_like(cr.tensor([1.5, 2.5]))
    tensor([1., 1.])
    """
    kind = dtype or input.dtype
    return ones(input.shape, dtype=kind, device=device, requires_grad=requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Memory as it comes, in the shape and dtype of `input`."""
    kind = dtype or input.dtype
    return empty(input.shape, dtype=kind, device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in the shape and dtype of `input`.

    >>> cr.full_like(cr.zeros(2), 3.0)
    tensor([3., 3.])
    """
    kind = dtype or input.dtype
    return full(input.shape, fill_value, dtype=kind, device=device, requires_grad=requires_grad)


# ---- ranges ---------------------------------------------------------------------------------


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, … below end; `arange(n)` counts from 0.

    >>> cr.arange(4)
    tensor([0, 1, 2, 3])
    >>> cr.arange(1.0, 2.0, 0.25)
    tensor([1.0000, 1.2500, 1.5000, 1.7500])
    """
    if end is None:
        start, end = 0, start
    # A NaN compares as neither.
    if step == 0 or not 0 <= (end - start) / step < math.inf:
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
    return _made(cast_array(values.astype(kind.numpy), kind), kind, requires_grad, device)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from start to end, both included, equally spaced.

    >>> cr.linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    kind = _kind(dtype)
    as_shape((steps,))
    return _made(cast_array(np.linspace(start, end, steps), kind), kind, requires_grad, device)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """base to the power of `linspace(start, end, steps)`."""
    kind = _kind(dtype)
    array = cast_array(base ** np.linspace(start, end, steps), kind)
    return _made(array, kind, requires_grad, device)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an n × m matrix.

    >>> cr.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    kind = _kind(dtype)
    n, m = as_shape((n, n if m is None else m))
    return _made(np.eye(n, m, dtype=kind.numpy), kind, requires_grad, device)

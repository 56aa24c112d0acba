"""Max pooling: a search for each window's winner, then its value; the gradient goes to it alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Int, Ints, Optional, Spatial
from chainrule.base.errors import IndexRangeError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.op import Card, Op, op
from chainrule.ops.pooling import window_plan
from chainrule.ops.windows import WindowsArgmax, check_layout


def _positions(F: Any, indices: Any, plane: int) -> Any:
    """Row by row, indices into a plane of `plane` elements as indices into all planes, flat."""
    rows = indices.shape[0]
    starts = F.reshape(F.arange(rows, "int64") * plane, (rows, 1))
    return F.reshape(indices + starts, (prod(indices.shape),))


def rows_of(F: Any, x: Any, n: int) -> Any:
    """The planes of `x` as rows: (N·C, prod of the last n sizes)."""
    lead, last = x.shape[: len(x.shape) - n], x.shape[len(x.shape) - n :]
    return F.reshape(x, (prod(lead), prod(last)))


@op
class MaxPool(Op):
    """Of each window its largest element, found at `indices` into the flattened spatial axes.

    The search (`windows_argmax`) has no gradient; this is the differentiable rest of max pooling,
    whatever the windows were, over as many axes as `axes` says.
    """

    math = "max(x over the window)"
    params = {"axes": Int(low=1)}
    integers = ("indices",)
    saves = ("indices",)
    method = False
    samples = (
        (((2, 2, 3, 4), np.array([[[[0, 5]], [[1, 11]]], [[[4, 4]], [[2, 7]]]])), {"axes": 2}),
        (((2, 5), np.array([[0, 4], [3, 3]])), {"axes": 1}),
    )
    card = Card(
        en="Each window becomes its largest element; its first one, if several are equal. The "
        "gradient goes to that element alone.",
        zh="每个窗口取最大元素（相等时取第一个），梯度只传给这一个元素。",
    )

    def forward(F, x, indices, *, axes):
        return F.plane_take(x, indices, axes)

    def vjp(F, g, y, x, indices, *, axes):
        return lambda: F.plane_add(g, indices, x.shape[len(x.shape) - axes :]), None


@op
class MaxUnpool(Op):
    """Zeros of spatial `size` with each plane's x at its indices: max pooling read backwards."""

    math = "zeros[indices] = x"
    params = {"size": Ints()}
    integers = ("indices",)
    saves = ("indices",)
    method = False
    samples = (
        (((1, 2, 1, 2), np.array([[[[0, 9]], [[15, 4]]]])), {"size": (4, 4)}),
        (((2, 3), np.array([[0, 2, 5], [1, 3, 4]])), {"size": (6,)}),
    )
    card = Card(
        en="Puts maxima back where max pooling found them, zeros elsewhere.",
        zh="把最大值放回最大池化找到它们的位置，其余为零。",
    )

    def forward(F, x, indices, *, size):
        n = len(size)
        shape = (*x.shape[: len(x.shape) - n], *size)
        at = _positions(F, rows_of(F, indices, n), prod(size))
        flat = F.reshape(x, (prod(x.shape),))
        return F.reshape(F.put(F.full((prod(shape),), 0, x.dtype), (HOLE,), flat, at), shape)

    def vjp(F, g, y, x, indices, *, size):
        return lambda: F.plane_take(g, indices, len(size)), None


# ---- PyTorch's call forms -------------------------------------------------------------------


def _max_pool(
    n: int, x: Tensor, return_indices: bool, kernel_size: Any, stride: Any, padding: Any,
    dilation: Any, ceil_mode: bool,
) -> Any:  # fmt: skip
    args = (kernel_size, stride, padding, dilation, ceil_mode)
    args = _checked(n, *(tuple(v) if isinstance(v, list | np.ndarray) else v for v in args))
    geometry, _ = window_plan(f"max_pool{n}d", x.shape, *args)
    return pool_at(n, x, apply(WindowsArgmax, x, **geometry), return_indices)


@lru_cache(maxsize=256, typed=True)
def _checked(n: int, *args: Any) -> tuple[Any, ...]:
    """Valid arguments of max pooling."""
    params = zip(_max_params(n).items(), args, strict=True)
    return tuple(c.check(v, f"max_pool{n}d", name) for (name, c), v in params)


def _max_params(n: int) -> dict[str, Any]:
    return {
        "kernel_size": Spatial(n),
        "stride": Optional(Spatial(n)),
        "padding": Spatial(n, 0, low=0),
        "dilation": Spatial(n, 1),
        "ceil_mode": Bool(False),
    }


def pool_at(n: int, x: Tensor, indices: Tensor, return_indices: Any) -> Any:
    """The elements of x at `indices` into its last n axes, and on demand the indices too."""
    values = apply(MaxPool, x, indices, axes=n)
    return (values, indices) if return_indices else values


@function()
def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of (N, C, L) or (C, L); see max_pool2d."""
    return _max_pool(1, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


@function()
def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of (N, C, H, W) or (C, H, W).

    `stride`: the window's size unless given. `padding` counts as −∞. `ceil_mode`: windows may hang
    over the edge. `return_indices`: (values, indices), flat indices into each plane. NaN wins.

    >>> cr.nn.functional.max_pool2d(cr.tensor([[[[1.0, 4.0], [3.0, 2.0]]]]), 2)
    tensor([[[[4.]]]])
    """
    return _max_pool(2, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


@function()
def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W); see max_pool2d."""
    return _max_pool(3, input, return_indices, kernel_size, stride, padding, dilation, ceil_mode)


def with_indices(pool: Callable[..., Any]) -> Callable[..., Any]:
    """The public function that returns (values, indices), whatever `return_indices` is."""
    signature = inspect.signature(pool)

    def pooled(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.arguments["return_indices"] = True
        return pool(*given.args, **given.kwargs)

    pooled.__name__ = pooled.__qualname__ = f"{pool.__name__}_with_indices"
    pooled.__doc__ = f"{pool.__name__} with the indices: always (values, indices)."
    vars(pooled)["__signature__"] = signature
    return function()(pooled)


max_pool1d_with_indices = with_indices(max_pool1d)
max_pool2d_with_indices = with_indices(max_pool2d)
max_pool3d_with_indices = with_indices(max_pool3d)


# ---- unpooling ------------------------------------------------------------------------------


def _max_unpool(
    n: int, x: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Tensor:  # fmt: skip
    name = f"max_unpool{n}d"
    check_layout(name, x.shape, n)
    kernel = Spatial(n).check(kernel_size, name, "kernel_size")
    step = Spatial(n).check(kernel if stride is None else stride, name, "stride")
    pad = Spatial(n, low=0).check(padding, name, "padding")
    size = tuple(
        (m - 1) * s - 2 * p + k for m, s, p, k in zip(x.shape[-n:], step, pad, kernel, strict=True)
    )
    if output_size is not None:
        size = _asked_for(name, size, step, tuple(output_size))
    if indices.shape != x.shape:
        raise ShapeError(
            t(
                "{name}: the input has shape {x}, the indices {indices}: they must be equal.",
                name=name,
                x=x.shape,
                indices=indices.shape,
            )
        )
    data = indices._data
    known = isinstance(data, np.ndarray) and data.size
    if known and not 0 <= data.min() <= data.max() < prod(size):
        raise IndexRangeError(
            t(
                "{name}: the indices run from {low} to {high}, but a plane of size {size} has "
                "{n} places: pass output_size=.",
                name=name,
                low=int(data.min()),
                high=int(data.max()),
                size=size,
                n=prod(size),
            )
        )
    return apply(MaxUnpool, x, indices, size=size)


def _asked_for(
    name: str, usual: tuple[int, ...], stride: tuple[int, ...], output_size: tuple[int, ...]
) -> tuple[int, ...]:
    """The spatial part of `output_size`, less than a stride away from the usual size."""
    n = len(usual)
    size = output_size[2:] if len(output_size) == n + 2 else output_size
    if len(size) != n or any(abs(m - u) >= s for m, u, s in zip(size, usual, stride, strict=True)):
        raise ShapeError(
            t(
                "{name}: output_size must hold {n} sizes, each less than the stride {stride} away "
                "from {usual}, or batch and channels before them, got {given}.",
                name=name,
                n=n,
                stride=stride,
                usual=usual,
                given=output_size,
            )
        )
    return size


@function()
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Maxima back at the indices that max_pool1d returned, zeros elsewhere."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@function()
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Maxima back at the indices that max_pool2d returned, zeros elsewhere."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@function()
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Maxima back at the indices that max_pool3d returned, zeros elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)

"""Sorting, order statistics and searching."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.constraints import Bool
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE, leading, standing
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import Extreme
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.register import function


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return apply(REGISTRY[name], *inputs, **params)


# ---- sorting --------------------------------------------------------------------------------


@function("sort")
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Extreme:
    """Sorted along `dim`, with the indices; always stable. NaN counts as the largest.

    >>> cr.sort(cr.tensor([3.0, 1.0, 2.0]))
    Extreme(values=tensor([1., 2., 3.]), indices=tensor([1, 2, 0]))
    """
    if not input.ndim:
        normalize_axis(dim, 0)
        return Extreme(input.clone(), Tensor(np.zeros((), np.int64)))
    axis = normalize_axis(dim, input.ndim)
    indices = _run("argsort", input, dim=axis, descending=bool(descending), stable=True)
    return Extreme(_run("take_along_dim", input, indices, dim=axis), indices)


@function("msort")
def msort(input: Tensor) -> Tensor:
    """Sorted along the first axis."""
    return sort(input, 0).values


@function("topk")
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Extreme:
    """The k largest (smallest) along `dim`, best first, with their indices; of equals the first.

    >>> cr.topk(cr.tensor([3.0, 1.0, 2.0]), 2)
    Extreme(values=tensor([3., 2.]), indices=tensor([0, 2]))
    """
    axis = normalize_axis(dim, input.ndim)
    n = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= n:
        raise ArgumentError(t("topk: k={k} of {n} entries along axis {axis}.", k=k, n=n, axis=axis))
    if not input.ndim:
        values, indices = sort(input.reshape(1))
        return Extreme(values[:k].reshape(()), indices[:k].reshape(()))
    if mode.trace is None:
        indices = Tensor(leading(input._values(), k, axis, largest))
    else:
        order = _run("argsort", input, dim=axis, descending=bool(largest), stable=True)
        indices = order[(slice(None),) * axis + (slice(0, k),)]
    return Extreme(_run("take_along_dim", input, indices, dim=axis), indices)


# ---- order statistics -----------------------------------------------------------------------


def _picked(x: Tensor, axis: int, place: Any, keepdim: bool) -> Extreme:
    """The entries that stand at `place` (an integer, or integers with size 1 along the axis) once
    the lines along `axis` are sorted."""
    if isinstance(place, int) and mode.trace is None:
        indices = Tensor(standing(x._values(), place, axis))
    else:
        order = _run("argsort", x, dim=axis, descending=False, stable=True)
        if isinstance(place, int):
            indices = order[(slice(None),) * axis + (slice(place, place + 1),)]
        else:
            indices = _run("take_along_dim", order, place, dim=axis)
    values = _run("take_along_dim", x, indices, dim=axis)
    return Extreme(values, indices) if keepdim else Extreme(
        values.squeeze(axis), indices.squeeze(axis)
    )  # fmt: skip


def _line(name: str, x: Tensor, dim: int) -> int:
    """The axis of a tensor that has one; ShapeError where it is empty."""
    axis = normalize_axis(dim, x.ndim)
    if x.ndim and not x.shape[axis]:
        raise ShapeError(t("{name}: axis {axis} of {x} is empty.", name=name, axis=axis, x=x.shape))
    return axis


@function("kthvalue")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Extreme:
    """The k-th smallest along `dim` (k from 1), with its index."""
    axis = normalize_axis(dim, input.ndim)
    n = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= n:
        raise ArgumentError(
            t("kthvalue: k={k} of {n} entries along axis {axis}.", k=k, n=n, axis=axis)
        )
    if not input.ndim:
        return sort(input)
    return _picked(input, axis, k - 1, keepdim)


def _middle(x: Tensor, axis: int, omit: bool) -> Any:
    """Where the median stands in the sorted lines: NaN is last, and wins unless it is omitted."""
    n = x.shape[axis]
    data = x._data
    clean = isinstance(data, np.ndarray) and not np.isnan(data).any()
    if clean or not x.dtype.is_floating_point:
        return (n - 1) // 2
    valid = n - x.isnan().sum(axis, keepdim=True)
    if omit:
        return (valid - 1).clamp(min=0) // 2
    return valid.where(valid < n, (n - 1) // 2)


class _Median(Op):
    """Equal middle entries share the gradient, as PyTorch's do."""

    saves = ("x", "y")
    method = False

    @staticmethod
    def vjp(F, g, y, x):
        hit = F.equal(x, y)
        if x.dtype.kind == "f":
            hit = F.bitwise_or(hit, F.bitwise_and(F.isnan(x), F.isnan(y)))
        hit = F.astype(hit, x.dtype)
        return (g * hit / F.sum(hit),)


def _median_of(F, x, omit):
    if not x.shape or 0 in x.shape:
        return F.sum(x) if not x.shape else F.full((), float("nan"), x.dtype)
    flat = F.reshape(x, (-1,))
    n = flat.shape[0]
    flat = F.sort(flat, 0)
    if x.dtype.kind != "f":
        return F.slice(flat, ((n - 1) // 2,))
    valid = n - F.sum(F.astype(F.isnan(flat), "int64"), 0, True)
    half = F.floor_divide(F.maximum(valid - 1, F.full((), 0, "int64")), F.full((), 2, "int64"))
    place = half if omit else F.where(F.less(valid, n), valid, half)
    return F.reshape(F.take_along_axis(flat, place, 0), ())


@op
class Median(_Median):
    """The middle of all entries, the lower one of two; NaN if there is one."""

    math = "median(x)"
    card = Card(
        en="Half lie below; only the one in the middle gets a gradient.",
        zh="一半的数比它小；只有居中的那个数得到梯度。",
    )

    def forward(F, x):
        return _median_of(F, x, False)


@op
class Nanmedian(_Median):
    """The middle of all entries that are not NaN, the lower one of two."""

    math = "median(x)"
    card = Card(en="The median of what is there.", zh="忽略缺失值的中位数。")

    def forward(F, x):
        return _median_of(F, x, True)


@function("median")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle value, the lower of two: of all, or along `dim` with indices. NaN wins."""
    return _median_along(input, dim, keepdim, "median")


@function("nanmedian")
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of the values that are not NaN: of all, or along `dim` with indices."""
    return _median_along(input, dim, keepdim, "nanmedian")


def _median_along(x: Tensor, dim: int | None, keepdim: bool, name: str) -> Any:
    if dim is None:
        return _run(name, x)
    axis = _line(name, x, dim)
    if not x.ndim:
        return sort(x)
    return _picked(x, axis, _middle(x, axis, name == "nanmedian"), keepdim)


@function("mode")
def mode_(input: Tensor, dim: int = -1, keepdim: bool = False) -> Extreme:
    """The most frequent value along `dim`, the smallest of equals, and where it last stands."""
    axis = _line("mode", input, dim)
    if not input.ndim:
        return sort(input)
    order = _run("argsort", input, dim=axis, descending=False, stable=True)
    lines = _run("take_along_dim", input.detach(), order, dim=axis).movedim(axis, -1)
    n = lines.shape[-1]
    place = Tensor(np.arange(n))
    # How long the run of equals is that each entry ends: its place minus that of the run's start.
    first = (lines[..., 1:] != lines[..., :-1]) * place[1:]
    zero = Tensor(np.zeros((*lines.shape[:-1], 1), np.int64))
    start = _run("cummax", _run("cat", zero, first, dim=lines.ndim - 1), dim=lines.ndim - 1)[0]
    end = (place - start).argmax(-1, keepdim=True).movedim(-1, axis)
    indices = _run("take_along_dim", order, end, dim=axis)
    values = _run("take_along_dim", input, indices, dim=axis)
    return Extreme(values, indices) if keepdim else Extreme(
        values.squeeze(axis), indices.squeeze(axis)
    )  # fmt: skip


# ---- searching ------------------------------------------------------------------------------


@op
class Searchsorted(Op):
    """Where each o would be inserted into the sorted x (…, n) so that it stays sorted, by halving
    the range: before equals, or after them if `right`."""

    params = {"right": Bool(False)}
    math = "sum(x < o)"
    differentiable = False
    method = False
    samples: Any = (
        ((np.array([-1.0, 0.0, 0.0, 1.5]), (3, 4)), {}),
        ((np.array([-1.0, 0.0, 0.0, 1.5]), (3, 4)), {"right": True}),
        ((np.array([[-1.0, 0.0, 0.5], [0.5, 0.5, 1.0]]), (2, 5)), {}),
    )
    card = Card(
        en="Binary search: which interval a number falls into.", zh="二分查找：数落在哪个区间。"
    )

    def forward(F, x, o, *, right):
        n = x.shape[-1]
        low = F.full(o.shape, 0, "int64")
        if not n:
            return low
        high, two = F.full(o.shape, n, "int64"), F.full((), 2, "int64")
        last = F.full((), n - 1, "int64")
        for _ in range(n.bit_length()):
            middle = F.floor_divide(low + high, two)
            at = F.minimum(middle, last)
            if len(x.shape) == 1:
                there = F.gather(x, (HOLE,), at)
            else:
                there = F.take_along_axis(x, at, len(x.shape) - 1)
            # Negated, so that NaN comes after all numbers.
            beyond = F.bitwise_invert(F.less(o, there) if right else F.less_equal(o, there))
            open_ = F.less(low, high)
            go = F.bitwise_and(beyond, open_)
            stop = F.bitwise_and(F.bitwise_invert(beyond), open_)
            low, high = F.where(go, middle + 1, low), F.where(stop, middle, high)
        return low


@function()
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where each number of `input` belongs in the ascending rows of `sorted_sequence`: before
    equals, or after them (`right`, or side="right"). `sorter`: indices that sort the rows.

    A vector serves any input; otherwise all axes but the last are equal. Errors: ShapeError.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ArgumentError(
            t("searchsorted: side must be 'left' or 'right' and agree with right={right}.",
              right=right)
        )  # fmt: skip
    if not isinstance(input, Tensor):
        wanted = sorted_sequence.dtype if isinstance(input, float) else None
        input = Tensor(array_of(input, wanted))
    rows = sorted_sequence.shape[:-1]
    if not sorted_sequence.ndim or (rows and rows != input.shape[:-1]):
        raise ShapeError(
            t(
                "searchsorted: the sequence has shape {x} and the input {o}; write a vector, or "
                "equal sizes on all axes but the last.",
                x=sorted_sequence.shape,
                o=input.shape,
            )
        )
    if sorter is not None:
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    out = _run("searchsorted", sorted_sequence, input, right=bool(right or side == "right"))
    return out.to("int32") if out_int32 else out


@function()
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The number of the bucket that each entry falls into, between ascending `boundaries`."""
    if boundaries.ndim != 1:
        raise ShapeError(
            t("bucketize: the boundaries must be a vector, got shape {x}.", x=boundaries.shape)
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)

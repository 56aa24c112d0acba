"""Adaptive pooling: the output's size is given, and the windows are fitted to it.

Of n elements made into m, window i covers ⌊i·n/m⌋ up to ⌈(i + 1)·n/m⌉; neighbours may overlap.
"""

from __future__ import annotations

import math
from math import prod
from typing import Any

from chainrule.base.constraints import Constraint, Ints
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.op import Card, Op, op
from chainrule.ops.pooling import pool_at, refuse_integers, rows_of
from chainrule.ops.windows import Ints_, Shapes, check_layout


class OutputSize(Constraint):
    """A size ≥ 0 for each of `n` axes, None to keep that axis; one serves all."""

    bad = ("a", 1.5, -1)

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def check(self, value: Any, owner: str, name: str) -> tuple[int | None, ...]:
        entries = tuple(value) if isinstance(value, tuple | list) else (value,) * self.n
        for e in entries:
            if e is not None and (not isinstance(e, int) or isinstance(e, bool) or e < 0):
                raise self.refuse(value, owner, name)
        if len(entries) != self.n:
            raise self.refuse(value, owner, name)
        return entries

    def describe(self) -> str:
        return t("an integer ≥ 0, None, or {n} of these", n=self.n)


def _sizes(name: str, x: Ints_, output_size: tuple[int | None, ...]) -> Ints_:
    n = len(output_size)
    check_layout(name, x, n)
    return tuple(s if m is None else m for s, m in zip(x[-n:], output_size, strict=True))


def _bounds(F: Any, n: int, m: int) -> tuple[Any, Any]:
    """Where each of the m windows over n elements starts and ends."""
    i = F.arange(m, "int64")
    return F.floor_divide(i * n, m), F.negative(F.floor_divide(F.negative((i + 1) * n), m))


def _places(F: Any, n: int, m: int) -> tuple[Any, Any]:
    """(m, K): the elements of each window, and which of them are no filler."""
    start, stop = _bounds(F, n, m)
    longest = max((-(-(i + 1) * n // m) - i * n // m for i in range(m)), default=0)
    at = F.expand_dims(start, 1) + F.arange(longest, "int64")
    return F.minimum(at, max(n - 1, 0)), F.less(at, F.expand_dims(stop, 1))


def _interval_sum(F: Any, x: Any, axis: int, m: int) -> Any:
    """The sums of m windows along `axis`. Its adjoint is the same, back to the size before."""
    n = x.shape[axis]
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    if m == n:
        return x
    if m and n % m == 0:
        return F.sum(F.reshape(x, (*before, m, n // m, *after)), axis + 1)
    if n and m % n == 0:
        wide = F.broadcast_to(F.expand_dims(x, axis + 1), (*before, n, m // n, *after))
        return F.reshape(wide, (*before, m, *after))
    at, valid = _places(F, n, m)
    part = F.gather(x, (slice(None),) * axis + (HOLE,), at)
    valid = F.reshape(valid, valid.shape + (1,) * len(after))
    return F.sum(F.where(valid, part, F.zeros_like(part)), axis + 1)


def _lengths(F: Any, n: int, m: int, after: int, dtype: Any) -> Any:
    """How many elements each of the m windows has, for an axis with `after` axes behind it."""
    if m == 0 or n % m == 0:
        return n // max(m, 1)
    start, stop = _bounds(F, n, m)
    return F.reshape(F.astype(stop - start, dtype), (m,) + (1,) * after)


def _check_not_empty(name: str, x: Ints_, n: int) -> None:
    if 0 in x[-n:]:
        raise ShapeError(
            t("{name}: the input of shape {x} has no elements to pool.", name=name, x=x)
        )


class _AdaptiveAvgPool(Op):
    math = "sum(x over the window) / n"
    saves = ()
    method = False
    card = Card(
        en="Means over windows fitted so that the output has the size asked for; size 1 is global "
        "average pooling. Each window's elements share its gradient equally.",
        zh="自动安排窗口求平均，使输出具有指定大小；大小为 1 即全局平均池化。窗口内各元素平分梯度。",
    )

    @staticmethod
    def forward(F, x, *, output_size):
        n = len(output_size)
        refuse_integers(f"adaptive_avg_pool{n}d", x)
        sizes = _sizes(f"adaptive_avg_pool{n}d", x.shape, output_size)
        _check_not_empty(f"adaptive_avg_pool{n}d", x.shape, n)
        first = len(x.shape) - n
        # The last axis goes first: its elements lie together in memory.
        for i in reversed(range(n)):
            size = x.shape[first + i]
            x = _interval_sum(F, x, first + i, sizes[i])
            x = x / _lengths(F, size, sizes[i], n - 1 - i, x.dtype)
        return x

    @staticmethod
    def vjp(F, g, y, x, *, output_size):
        n = len(output_size)
        first = len(x.shape) - n
        for i in range(n):
            size = x.shape[first + i]
            g = g / _lengths(F, size, g.shape[first + i], n - 1 - i, g.dtype)
            g = _interval_sum(F, g, first + i, size)
        return (g,)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x, size = shapes["x"], params["output_size"]
        sizes = _sizes(f"adaptive_avg_pool{len(size)}d", x, size)
        return (*x[: -len(size)], *sizes)


@op
class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """(N, C, L) or (C, L) → (…, C, output_size): means over windows that cover L evenly."""

    params = {"output_size": OutputSize(1)}
    forward = _AdaptiveAvgPool.forward
    samples = ((((2, 3, 7),), {"output_size": 3}), (((3, 4),), {"output_size": 6}))


@op
class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """(N, C, H, W) or (C, H, W) → (…, C, *output_size): means over windows; None keeps an axis."""

    params = {"output_size": OutputSize(2)}
    forward = _AdaptiveAvgPool.forward
    samples = (
        (((2, 3, 5, 6),), {"output_size": 1}),
        (((2, 3, 5, 6),), {"output_size": (3, 4)}),
        (((3, 5, 6),), {"output_size": (None, 12)}),
    )


@op
class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """(N, C, D, H, W) or (C, D, H, W) → (…, C, *output_size): means over windows."""

    params = {"output_size": OutputSize(3)}
    forward = _AdaptiveAvgPool.forward
    samples = ((((2, 2, 4, 3, 5),), {"output_size": (2, 2, None)}),)


# ---- maximum --------------------------------------------------------------------------------


@op
class FittedArgmax(Op):
    """Where the first largest element of each fitted window stands, flat in its plane."""

    math = "argmax(x over the window)"
    params = {"output_size": Ints()}
    differentiable = False
    method = False
    samples = ((((2, 3, 5, 7),), {"output_size": (3, 2)}),)
    card = Card(en="Where each window's winner stands.", zh="每个窗口的最大者所在的位置。")

    def forward(F, x, *, output_size):
        n = len(output_size)
        lead, old = x.shape[:-n], x.shape[-n:]
        if all(m and s % m == 0 for s, m in zip(old, output_size, strict=True)):
            window = tuple(s // m for s, m in zip(old, output_size, strict=True))
            return F.windows_argmax(
                x, window=window, stride=window, padding=((0, 0),) * n, dilation=(1,) * n
            )
        at = _fitted_argmax(F, rows_of(F, x, n), old, output_size)
        return F.reshape(at, (*lead, *output_size))


def _fitted_argmax(F: Any, rows: Any, old: Ints_, sizes: Ints_) -> Any:
    """(rows, windows): where each fitted window's first largest element stands in its row."""
    at, valid = F.full((1, 1), 0, "int64"), F.less(F.full((1, 1), 0, "int64"), 1)
    for s, m in zip(old, sizes, strict=True):
        # Windows and the elements in them, of the axes so far and of this one, combined.
        i, v = _places(F, s, m)
        shape = (at.shape[0] * m, at.shape[1] * i.shape[1])
        i, v = (F.reshape(a, (1, m, 1, a.shape[1])) for a in (i, v))
        far, ok = (F.reshape(a, (a.shape[0], 1, a.shape[1], 1)) for a in (at, valid))
        at = F.reshape(far * s + i, shape)
        valid = F.reshape(F.bitwise_and(ok, v), shape)
    seen = F.gather(rows, (slice(None), HOLE), at)
    seen = F.where(valid, seen, F.full((), -math.inf, rows.dtype))
    first = F.expand_dims(F.argmax(seen, 2), 2)
    at = F.broadcast_to(at, (rows.shape[0], *at.shape))
    return F.squeeze(F.take_along_axis(at, first, 2), 2)


def _adaptive_max(n: int, x: Tensor, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{n}d"
    refuse_integers(name, x._data)
    sizes = _sizes(name, x.shape, OutputSize(n).check(output_size, name, "output_size"))
    _check_not_empty(name, x.shape, n)
    return pool_at(n, x, apply(FittedArgmax, x, output_size=sizes), return_indices)


@function()
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of `output_size` windows fitted to L; see adaptive_max_pool2d."""
    return _adaptive_max(1, input, output_size, return_indices)


@function()
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """(N, C, H, W) or (C, H, W) → (…, C, *output_size): the largest of each fitted window.

    A size of None keeps that axis. `return_indices`: (values, indices), flat in each plane.
    """
    return _adaptive_max(2, input, output_size, return_indices)


@function()
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each window fitted to (D, H, W); see adaptive_max_pool2d."""
    return _adaptive_max(3, input, output_size, return_indices)

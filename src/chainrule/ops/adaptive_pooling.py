"""Adaptive pooling: the output's size is given, and the windows are fitted to it.

Of n elements made into m, window i covers ⌊i·n/m⌋ up to ⌈(i + 1)·n/m⌉; neighbours may overlap.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from chainrule.base.constraints import Constraint, Ints
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.max_pooling import pool_at, rows_of, with_indices
from chainrule.ops.op import Card, Op, op
from chainrule.ops.pooling import refuse_integers
from chainrule.ops.windows import IMAGES, Ints_, Shapes, check_layout


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


def _fitted(n: int, m: int) -> list[tuple[int, int]]:
    """Where each of the m windows over n elements starts and ends."""
    return [(i * n // m, -(-(i + 1) * n // m)) for i in range(m)]


def _interval_means(F: Any, x: Any, axis: int, m: int) -> Any:
    """The means of the m fitted windows along `axis`."""
    parts = [
        F.sum(F.slice(x, _along(axis, start, stop)), axis, True) / (stop - start)
        for start, stop in _fitted(x.shape[axis], m)
    ]
    return F.concat(parts, axis)


def _interval_means_adjoint(F: Any, g: Any, axis: int, n: int) -> Any:
    """Each of n elements gets its share from the windows that it is in.

    These windows are neighbours, and which they are follows the same rule with n and m swapped.
    """
    m = g.shape[axis]
    lengths = [stop - start for start, stop in _fitted(n, m)]
    shares = [F.slice(g, _along(axis, i, i + 1)) / lengths[i] for i in range(m)]
    parts = []
    for first, last in _fitted(m, n):
        part = shares[first]
        for share in shares[first + 1 : last]:
            part = part + share
        parts.append(part)
    return F.concat(parts, axis)


def _along(axis: int, start: int, stop: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop),)


def _even(old: Ints_, sizes: Ints_) -> Ints_ | None:
    """The window where all windows are equal and side by side, else None."""
    if all(m and n % m == 0 for n, m in zip(old, sizes, strict=True)):
        return tuple(n // m for n, m in zip(old, sizes, strict=True))
    return None


def _tiling(window: Ints_) -> dict[str, Any]:
    n = len(window)
    return dict(window=window, stride=window, padding=((0, 0),) * n, dilation=(1,) * n)


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
        zh="自动安排窗口求平均，使输出具有指定大小；大小为 1 即全局平均池化。"
        "窗口内各元素平分梯度。",
    )

    @staticmethod
    def forward(F, x, *, output_size):
        n = len(output_size)
        refuse_integers(f"adaptive_avg_pool{n}d", x)
        sizes = _sizes(f"adaptive_avg_pool{n}d", x.shape, output_size)
        _check_not_empty(f"adaptive_avg_pool{n}d", x.shape, n)
        first = len(x.shape) - n
        if 0 in sizes:
            return F.full((*x.shape[:first], *sizes), 0, x.dtype)
        if sizes == (1,) * n:
            rows = rows_of(F, x, n)
            return F.reshape(F.sum(rows, 1) / rows.shape[1], (*x.shape[:first], *sizes))
        window = _even(x.shape[first:], sizes)
        if window is not None:
            return F.windows_sum(x, **_tiling(window)) / prod(window)
        for i in reversed(range(n)):
            if sizes[i] != x.shape[first + i]:
                x = _interval_means(F, x, first + i, sizes[i])
        return x

    @staticmethod
    def vjp(F, g, y, x, *, output_size):
        first = len(x.shape) - len(output_size)
        old, sizes = x.shape[first:], g.shape[first:]
        if 0 in sizes:
            return (F.full(x.shape, 0, g.dtype),)
        window = _even(old, sizes)
        if window is not None:
            share = g / prod(window)
            return (F.windows_sum_adjoint(share, size=old, **_tiling(window)),)
        for axis in range(first, len(x.shape)):
            if g.shape[axis] != x.shape[axis]:
                g = _interval_means_adjoint(F, g, axis, x.shape[axis])
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
    axes = {"x": IMAGES[1]}
    forward = _AdaptiveAvgPool.forward
    samples = ((((2, 3, 7),), {"output_size": 3}), (((3, 4),), {"output_size": 6}))


@op
class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """(N, C, H, W) or (C, H, W) → (…, C, *output_size): means over windows; None keeps an axis.

    >>> cr.nn.functional.adaptive_avg_pool2d(cr.ones(2, 8, 7, 7), 1).shape
    (2, 8, 1, 1)
    """

    params = {"output_size": OutputSize(2)}
    axes = {"x": IMAGES[2]}
    forward = _AdaptiveAvgPool.forward
    samples = (
        (((2, 3, 5, 6),), {"output_size": 1}),
        (((2, 3, 5, 6),), {"output_size": (3, 4)}),
        (((3, 5, 6),), {"output_size": (None, 12)}),
    )


@op
class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """(N, C, D, H, W) or (C, D, H, W) → (…, C, *output_size): means over windows."""

    autocast = "float32"
    params = {"output_size": OutputSize(3)}
    axes = {"x": IMAGES[3]}
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
        if 0 in output_size or 0 in lead:
            return F.full((*lead, *output_size), 0, "int64")
        x = F.reshape(x, (prod(lead), *old))
        # Of each line the winner, then of each column of winners, and so on.
        at, step = F.full((), 0, "int32"), 1
        for axis in range(n, 0, -1):
            size, m = x.shape[axis], output_size[axis - 1]
            line = F.reshape(F.arange(size, "int32") * step, (size,) + (1,) * (n - axis))
            at = F.broadcast_to(at + line, x.shape)
            seen, at = (_in_windows(F, v, axis, m) for v in (x, at))
            top = F.max(seen, axis + 1, True)
            first = F.min(F.where(F.equal(seen, top), at, F.full((), prod(old), "int32")), axis + 1)
            # Of several NaN the last wins, as in PyTorch and windows_argmax.
            last = F.max(F.where(F.isnan(seen), at, F.full((), -1, "int32")), axis + 1)
            x, at, step = (
                F.squeeze(top, axis + 1),
                F.where(F.less(last, 0), first, last),
                step * size,
            )
        return F.reshape(F.astype(at, "int64"), (*lead, *output_size))


def _in_windows(F: Any, x: Any, axis: int, m: int) -> Any:
    """The axis as m fitted windows: (…, m, longest, …); shorter ones repeat their last element."""
    n = x.shape[axis]
    if n % m == 0:
        return F.reshape(x, (*x.shape[:axis], m, n // m, *x.shape[axis + 1 :]))
    return F.gather(x, (slice(None),) * axis + (HOLE,), F.asarray(_places(n, m)))


@lru_cache(maxsize=64)
def _places(n: int, m: int) -> np.ndarray:
    """(m, longest): the elements of each fitted window."""
    start, stop = np.array(_fitted(n, m)).T[..., None]
    return np.minimum(start + np.arange((stop - start).max()), stop - 1)


def winners(F: Any, seen: Any, at: Any) -> Any:
    """(rows, windows): where each window's first largest element stands, from what the windows
    see and where, both (rows, windows, elements)."""
    # Of several NaN the last wins, as in PyTorch and windows_argmax.
    spoilt = F.where(F.isnan(seen), F.arange(seen.shape[2], "int64"), F.full((), -1, "int64"))
    last = F.max(spoilt, 2)
    winner = F.expand_dims(F.where(F.less(last, 0), F.argmax(seen, 2), last), 2)
    return F.squeeze(F.take_along_axis(at, winner, 2), 2)


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


adaptive_max_pool1d_with_indices = with_indices(adaptive_max_pool1d)
adaptive_max_pool2d_with_indices = with_indices(adaptive_max_pool2d)
adaptive_max_pool3d_with_indices = with_indices(adaptive_max_pool3d)

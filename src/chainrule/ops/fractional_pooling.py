"""Fractional max pooling: windows at random steps, so that a map may shrink by any factor.

B. Graham, "Fractional max-pooling" (2014), with PyTorch's windows: of n elements made into m by
windows of k, window i begins at ⌊(i + u)·α⌋ − ⌊u·α⌋, where α = (n − k)/(m − 1) and u is one random
number an axis; the last window begins at n − k.
"""

from __future__ import annotations

from math import prod
from typing import Any

from chainrule.base.constraints import Constraint, Ints, Optional, Spatial
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops import random
from chainrule.ops.adaptive_pooling import winners
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.max_pooling import pool_at, rows_of, with_indices
from chainrule.ops.op import Card, Op, op
from chainrule.ops.pooling import refuse_integers
from chainrule.ops.windows import AXES, Ints_, check_layout


class Ratio(Constraint):
    """A share of the input's size in (0, 1) for each of `n` axes; one serves all."""

    bad = ("a", 0.0, 1.0, 2.0)

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def check(self, value: Any, owner: str, name: str) -> tuple[float, ...]:
        entries = tuple(value) if isinstance(value, tuple | list) else (value,) * self.n
        if len(entries) != self.n or any(
            not isinstance(e, int | float) or isinstance(e, bool) or not 0 < e < 1 for e in entries
        ):
            raise self.refuse(value, owner, name)
        return entries

    def describe(self) -> str:
        return t("a number in (0, 1), or {n} of these", n=self.n)


def _check_room(name: str, x: Ints_, kernel: Ints_, sizes: Ints_) -> None:
    n = len(kernel)
    check_layout(name, x, n)
    for i, (size, k, m) in enumerate(zip(x[-n:], kernel, sizes, strict=True)):
        if m + k - 1 > size:
            raise ShapeError(
                t(
                    "{name}: along {axis}, {m} windows of {k} elements need an input of at least "
                    "{least}, got the shape {x}.",
                    name=name,
                    axis=AXES[n][i],
                    m=m,
                    k=k,
                    least=m + k - 1,
                    x=x,
                )
            )


@op
class FractionalArgmax(Op):
    """Where the first largest element of each window stands, flat in its plane.

    samples (N, C, n): the random number u ∈ [0, 1) of each plane's n axes, the last axis last.
    """

    math = "argmax(x over the window)"
    params = {"kernel_size": Ints(low=1), "output_size": Ints(low=1)}
    differentiable = False
    method = False
    domains = {"samples": (0.0, 0.99)}
    samples = (
        (((2, 2, 5, 6), (2, 2, 2)), {"kernel_size": (2, 3), "output_size": (3, 2)}),
        (((1, 2, 4, 4, 5), (1, 2, 3)), {"kernel_size": (2, 2, 2), "output_size": (1, 3, 2)}),
    )
    card = Card(en="Where each window's winner stands.", zh="每个窗口的最大者所在的位置。")

    def forward(F, x, samples, *, kernel_size, output_size):
        n = len(kernel_size)
        _check_room("fractional_max_pool", x.shape, kernel_size, output_size)
        rows = rows_of(F, x, n)
        count = rows.shape[0]
        u = F.reshape(samples, (count, n))
        at = F.full((count, 1, 1), 0, "int64")
        for i, (size, k, m) in enumerate(zip(x.shape[-n:], kernel_size, output_size, strict=True)):
            places = _starts(F, F.slice(u, (slice(None), slice(i, i + 1))), size, k, m)
            places = F.reshape(places, (count, m, 1)) + F.arange(k, "int64")
            far = F.reshape(at, (count, at.shape[1], 1, at.shape[2], 1)) * size
            at = F.reshape(
                far + F.reshape(places, (count, 1, m, 1, k)),
                (count, at.shape[1] * m, at.shape[2] * k),
            )
        seen = F.take_along_axis(rows, F.reshape(at, (count, prod(at.shape[1:]))), 1)
        found = winners(F, F.reshape(seen, at.shape), at)
        return F.reshape(found, (*x.shape[:-n], *output_size))


def _starts(F: Any, u: Any, size: int, k: int, m: int) -> Any:
    """(rows, m): where the windows of each row begin, from u (rows, 1)."""
    last = F.full((u.shape[0], 1), size - k, "int64")
    if m == 1:
        return last
    alpha = (size - k) / (m - 1)
    i = F.astype(F.arange(m - 1, "int64"), u.dtype)
    starts = F.astype((i + u) * alpha, "int64") - F.astype(u * alpha, "int64")
    return F.concat([starts, last], 1)


def _fractional(
    n: int, x: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any,
    return_indices: bool,
) -> Any:  # fmt: skip
    name = f"fractional_max_pool{n}d"
    check_layout(name, x.shape, n)
    refuse_integers(name, x._data)
    kernel = Spatial(n).check(kernel_size, name, "kernel_size")
    sizes = Optional(Spatial(n)).check(output_size, name, "output_size")
    if (sizes is None) == (output_ratio is None):
        raise ArgumentError(t("{name}: give either output_size or output_ratio.", name=name))
    if sizes is None:
        ratio = Ratio(n).check(output_ratio, name, "output_ratio")
        sizes = tuple(int(s * r) for s, r in zip(x.shape[-n:], ratio, strict=True))
        sizes = Spatial(n).check(sizes, name, "output_size")
    _check_room(name, x.shape, kernel, sizes)
    wanted = (*((1,) if x.ndim == n + 1 else ()), *x.shape[: x.ndim - n], n)
    if samples is None:
        samples = random.rand(wanted, dtype="float64" if x.dtype.itemsize == 8 else "float32")
    if tuple(samples.shape) != wanted:
        raise ShapeError(
            t(
                "{name}: _random_samples must have the shape {wanted} for an input of shape {x}, "
                "got {given}.",
                name=name,
                wanted=wanted,
                x=x.shape,
                given=tuple(samples.shape),
            )
        )
    if n == 2:
        samples = samples.flip(-1)  # PyTorch draws for the width first here, in 3 dimensions last
    at = apply(FractionalArgmax, x, cast(samples, x.dtype), kernel_size=kernel, output_size=sizes)
    return pool_at(n, x, at, return_indices)


@function()
def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """(N, C, H, W) or (C, H, W) → (…, C, *output_size): maxima of windows at random steps.

    `output_ratio`: output_size as a share of the input's, in (0, 1). `return_indices`: (values,
    indices), flat in each plane. `_random_samples` (N, C, 2) in [0, 1) instead of new draws.
    """
    args = (kernel_size, output_size, output_ratio, _random_samples, return_indices)
    return _fractional(2, input, *args)


@function()
def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """(N, C, D, H, W) or (C, D, H, W) → (…, C, *output_size); see fractional_max_pool2d."""
    args = (kernel_size, output_size, output_ratio, _random_samples, return_indices)
    return _fractional(3, input, *args)


fractional_max_pool2d_with_indices = with_indices(fractional_max_pool2d)
fractional_max_pool3d_with_indices = with_indices(fractional_max_pool3d)

"""Differences of neighbours, slopes, and areas under sampled curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import normalize_axes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import FUNCTIONS, function
from chainrule.ops.views import narrow


def _cat(*parts: Tensor, dim: int) -> Tensor:
    return apply(REGISTRY["cat"], *parts, dim=dim)


@function("diff")
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The n-th differences of neighbours along `dim`, `prepend` and `append` joined on first."""
    if not input.ndim:
        raise ShapeError(t("{name} needs at least one axis.", name="diff"))
    if n < 0:
        raise ArgumentError(t("diff: n must be ≥ 0, got {n}.", n=n))
    axis = normalize_axis(dim, input.ndim)
    parts = [x for x in (prepend, input, append) if x is not None]
    x = _cat(*parts, dim=axis) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[axis])):
        m = max(x.shape[axis] - 1, 0)
        later, earlier = narrow(x, axis, min(1, x.shape[axis]), m), narrow(x, axis, 0, m)
        x = later ^ earlier if x.dtype is dtypes.bool_ else later - earlier
    return x.clone() if x is input else x


def _strips(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> tuple[Tensor, int]:
    """The areas between neighbours, and their axis."""
    axis = normalize_axis(dim, y.ndim)
    if not y.ndim:
        raise ShapeError(t("{name} needs at least one axis.", name=name))
    if x is not None and dx is not None:
        raise ArgumentError(t("{name}: give x or dx, not both.", name=name))
    if x is not None and (not x.ndim or x.shape[axis if x.ndim > 1 else 0] != y.shape[axis]):
        raise ShapeError(
            t(
                "{name}: x has shape {x}; y, of shape {y}, needs one point for each entry along "
                "axis {axis}.",
                name=name,
                x=x.shape,
                y=y.shape,
                axis=axis,
            )
        )
    m = max(y.shape[axis] - 1, 0)
    ends = narrow(y, axis, min(1, y.shape[axis]), m) + narrow(y, axis, 0, m)
    if x is None:
        return ends * (0.5 if dx is None else dx * 0.5), axis
    if x.ndim == 1:
        x = x.reshape((-1,) + (1,) * (y.ndim - 1 - axis))
        width = diff(x, dim=0)
    else:
        width = diff(x, dim=axis)
    return ends * width * 0.5, axis


@function()
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The area under y along `dim`, by straight lines: over points x, or steps `dx` (1)."""
    strips, axis = _strips("trapezoid", y, x, dx, dim)
    return strips.sum(axis)


@function()
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1
) -> Tensor:
    """The area under y up to each point along `dim`, one entry fewer: see `trapezoid`."""
    strips, axis = _strips("cumulative_trapezoid", y, x, dx, dim)
    return strips.cumsum(axis)


FUNCTIONS.update(trapz=trapezoid)


@function()
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slopes of sampled values along each of `dim` (None: all), central inside.

    `spacing`: the distance of samples, one for each axis, or tensors with their coordinates.
    `edge_order`: 1 or 2, the order of the one-sided slopes at both ends.
    """
    if edge_order not in (1, 2):
        raise ArgumentError(t("gradient: edge_order must be 1 or 2, got {n}.", n=edge_order))
    axes = normalize_axes(dim, input.ndim)
    each = list(spacing) if isinstance(spacing, list | tuple) else [spacing] * len(axes)
    if len(each) != len(axes):
        raise ArgumentError(t("gradient: {n} spacings for {m} axes.", n=len(each), m=len(axes)))
    return tuple(_slope(input, axis, h, edge_order) for axis, h in zip(axes, each, strict=True))


def _slope(x: Tensor, axis: int, spacing: Any, order: int) -> Tensor:
    n = x.shape[axis]
    if n < order + 1:
        raise ShapeError(
            t("gradient: axis {axis} of {x} needs at least {n} entries.",
              axis=axis, x=x.shape, n=order + 1)
        )  # fmt: skip
    if not x.dtype.is_floating_point:
        x = x.to(dtypes.get_default_dtype())
    if isinstance(spacing, Tensor):
        if spacing.shape != (n,):
            raise ShapeError(
                t("gradient: {n} coordinates are needed along axis {axis}, got shape {s}.",
                  n=n, axis=axis, s=spacing.shape)
            )  # fmt: skip
        steps = diff(spacing).reshape((-1,) + (1,) * (x.ndim - 1 - axis)).to(x.dtype)
    else:
        steps = Tensor(np.full((n - 1,) + (1,) * (x.ndim - 1 - axis), float(spacing)), x.dtype)
    slopes = diff(x, dim=axis) / steps  # of each interval
    a, b = steps[:-1], steps[1:]
    left, right = narrow(slopes, axis, 0, n - 2), narrow(slopes, axis, 1, n - 2)
    # The parabola through three points: its slope at the middle one.
    inside = (left * b + right * a) / (a + b)
    first, last = narrow(slopes, axis, 0, 1), narrow(slopes, axis, n - 2, 1)
    if order == 2:
        first = first + (first - narrow(slopes, axis, 1, 1)) * (a[:1] / (a[:1] + b[:1]))
        last = last + (last - narrow(slopes, axis, n - 3, 1)) * (b[-1:] / (a[-1:] + b[-1:]))
    return _cat(first, inside, last, dim=axis)

"""Normalisation: batch, layer, group, instance, RMS and local response.

Batch, layer and group norm differ only in the axes whose elements share a mean and a variance, so
all three are `_normalize` and its closed-form gradient `_pull_back` (000 §2, 003 §8.3 of the
notes), on a view of x in which those axes stand apart.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from chainrule.base.constraints import Int, Ints, NonNegative, Number, Optional
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import no_grad
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, assign, cast
from chainrule.ops.functions import function
from chainrule.ops.namespace import count
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.windows import Ints_, Shapes

# ---- what batch, layer and group norm share -------------------------------------------------


def _statistics(F: Any, x: Any, axes: Ints_) -> tuple[Any, Any, Any, Any]:
    """Mean and variance over `axes`, a centre d = x − shift, and the mean of d, which is small.

    The rounding of a mean like 1e4 may exceed the deviations from it, so the exact mean of d is
    taken along; where the mean is the first entry up to rounding, that entry is the shift, which
    makes d and the variance of a constant exactly 0.
    """
    n = count(x.shape, axes)
    first = F.slice(x, tuple(slice(0, 1) if i in axes else slice(None) for i in range(len(x.shape))))
    mean = F.sum(x, axes, True) / n
    rounding = 1e-6 if x.dtype.itemsize <= 4 else 1e-14
    near = F.less_equal(F.abs(mean - first), rounding * F.abs(first))
    shift = F.where(near, first, mean)
    d = x - shift
    rest = F.sum(d, axes, True) / n
    var = F.maximum(F.sum(d * d, axes, True) / n - rest * rest, 0.0)
    return shift + rest, var, d, rest


def _is_outer(w: Any, axes: Ints_) -> bool:
    """Whether w is one number for all that share statistics, and so factors out of sums."""
    return w is None or all(w.shape[i] == 1 for i in axes)


def _normalize(F: Any, x: Any, w: Any, b: Any, axes: Ints_, eps: float) -> tuple[Any, Any, Any]:
    """(x − μ)/√(σ² + ε)·w + b with μ, σ² over `axes`; and μ, σ². w, b broadcast to x, or None."""
    if not count(x.shape, axes) or 0 in x.shape:
        none = F.full(tuple(1 if i in axes else s for i, s in enumerate(x.shape)), np.nan, x.dtype)
        return x + 0.0, none, none
    mean, var, d, rest = _statistics(F, x, axes)
    k = 1.0 / F.sqrt(var + eps)
    if _is_outer(w, axes):
        k = k if w is None else k * w
        offset = F.negative(rest * k) if b is None else b - rest * k
        return d * k + offset, mean, var
    y = (d * k - rest * k) * w
    return y if b is None else y + b, mean, var


def _pull_back(
    F: Any, g: Any, g_mean: Any, g_var: Any, x: Any, mean: Any, var: Any, w: Any, b: Any,
    axes: Ints_, eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The gradients of x, w, b in closed form: with x̂ the normalised x and h = g·w,

    ∂x = (h − mean(h) − x̂·mean(h·x̂))/√(σ² + ε),  ∂w = Σ g·x̂,  ∂b = Σ g,

    plus what comes through the outputs μ and σ²: ∂μ/n + ∂σ²·2(x − μ)/n.
    """
    n = max(count(x.shape, axes), 1)
    outer = _is_outer(w, axes)
    d = x - mean
    rest = F.sum(d, axes, True) / n  # the rounding of the mean
    k = 1.0 / F.sqrt(var + eps)
    h = g if outer else g * w
    total = F.sum(h, axes, True)
    along = F.sum(h * d, axes, True) - rest * total

    def of_x():
        scale = k if w is None or not outer else k * w
        slope = (2.0 * g_var - scale * k * k * along) / n
        return h * scale + d * slope + ((g_mean - scale * total) / n - slope * rest)

    def of_w():
        return F.sum_to(along * k if outer else g * ((d - rest) * k), w.shape)

    def of_b():
        return F.sum_to(total if w is not None and outer else g, b.shape)

    return of_x, of_w, of_b


class _Normalization(Op):
    """`_view(x.shape, params)`: the shape in which x is seen, the axes that share statistics
    there, and the shape of weight and bias there."""

    math = "(x - mean(x)) / sqrt(var(x) + eps) * weight + bias"
    optional = ("weight", "bias")
    outputs = ("y", "mean", "var")
    saves = None
    method = False

    @classmethod
    def _run(cls, F: Any, x: Any, weight: Any, bias: Any, **params: Any) -> tuple[Any, Any, Any]:
        cls._check(x.shape, weight, bias, params)
        seen, axes, affine = cls._view(x.shape, params)
        w, b = (None if v is None else F.reshape(v, affine) for v in (weight, bias))
        y, mean, var = _normalize(F, F.reshape(x, seen), w, b, axes, params["eps"])
        shape = tuple(s for i, s in enumerate(seen) if i not in axes)
        return F.reshape(y, x.shape), F.reshape(mean, shape), F.reshape(var, shape)

    @classmethod
    def _gradients(cls, F, g, y, x, weight, bias, **params):
        seen, axes, affine = cls._view(x.shape, params)
        kept = tuple(1 if i in axes else s for i, s in enumerate(seen))
        w, b = (None if v is None else F.reshape(v, affine) for v in (weight, bias))
        of_x, of_w, of_b = _pull_back(
            F, F.reshape(g[0], seen), F.reshape(g[1], kept), F.reshape(g[2], kept),
            F.reshape(x, seen), F.reshape(y[1], kept), F.reshape(y[2], kept), w, b, axes,
            params["eps"],
        )  # fmt: skip
        return (
            lambda: F.reshape(of_x(), x.shape),
            lambda: F.reshape(of_w(), weight.shape),
            lambda: F.reshape(of_b(), bias.shape),
        )

    @classmethod
    def _check(cls, x: Ints_, weight: Any, bias: Any, params: dict[str, Any]) -> None:
        wanted = cls._affine(x, params)
        for name, v in (("weight", weight), ("bias", bias)):
            check_size(cls.name, name, v, wanted, x)


def check_size(owner: str, name: str, v: Any, wanted: Ints_, x: Ints_) -> None:
    """ShapeError unless v is None or has the shape `wanted`."""
    if v is not None and tuple(v.shape) != wanted:
        raise ShapeError(
            t(
                "{owner}: {name} must have the shape {wanted} for an input of shape {x}, got {v}.",
                owner=owner,
                name=name,
                wanted=wanted,
                x=x,
                v=tuple(v.shape),
            )
        )

"""Batch normalisation, and what it shares with layer and group normalisation.

Batch, layer and group norm differ only in the axes whose elements share a mean and a variance, so
all three are `normalize` and its closed-form gradient `pull_back` (000 §2, 003 §8.3 of the
notes), on a view of x in which those axes stand apart.
"""

from __future__ import annotations

import math
from functools import cache
from math import prod
from typing import Any

from chainrule.base.constraints import Bool, Interval, NonNegative
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import no_grad
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.inplace import assign
from chainrule.ops.namespace import count
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import LAYOUT, Ints_, Shapes

# How x is seen: its shape, the axes whose elements share statistics, the shape of weight and bias.
View = tuple[Ints_, Ints_, Ints_]

# ---- what batch, layer and group norm share -------------------------------------------------


def _statistics(F: Any, x: Any, axes: Ints_) -> tuple[Any, Any, Any, Any]:
    """Mean and variance over `axes`, a centre d = x − shift, and the mean of d, which is small.

    The rounding of a mean like 1e4 may exceed the deviations from it, so the exact mean of d is
    taken along; where the mean is the first entry up to rounding, that entry is the shift, which
    makes d and the variance of a constant exactly 0.
    """
    n = count(x.shape, axes)
    every = range(len(x.shape))
    first = F.slice(x, tuple(slice(0, 1) if i in axes else slice(None) for i in every))
    shift = F.centre(x, first, axes)
    d = x - shift
    rest = F.sum(d, axes, True) / n
    var = F.maximum(F.sum(d * d, axes, True) / n - rest * rest, 0.0)
    return shift + rest, var, d, rest


def _factors_out(affine: Ints_, axes: Ints_) -> bool:
    """Whether a weight of this shape is one number for all that share statistics, so that sums
    need not see it."""
    return all(affine[i] == 1 for i in axes)


def normalize(F: Any, x: Any, w: Any, b: Any, view: View, eps: float) -> tuple[Any, Any, Any]:
    """(x − μ)/√(σ² + ε)·w + b, and μ, σ²."""
    seen, axes, affine = view
    w, b = (None if v is None else F.reshape(v, affine) for v in (w, b))
    shared = tuple(s for i, s in enumerate(seen) if i not in axes)
    if 0 in seen:
        nothing = F.full(shared, math.nan, x.dtype)
        return x + 0.0, nothing, nothing
    mean, var, d, rest = _statistics(F, F.reshape(x, seen), axes)
    k = 1.0 / F.sqrt(var + eps)
    if w is None or _factors_out(affine, axes):
        k = k if w is None else k * w
        y = d * k + (F.negative(rest * k) if b is None else b - rest * k)
    else:
        y = (d * k - rest * k) * w
        y = y if b is None else y + b
    return F.reshape(y, x.shape), F.reshape(mean, shared), F.reshape(var, shared)


def pull_back(
    F: Any, g: Any, x: Any, weight: Any, bias: Any, view: View, eps: float
) -> tuple[Any, Any, Any]:
    """The gradients of x, w, b in closed form: with x̂ the normalised x and h = g·w,

    ∂x = (h − mean(h) − x̂·mean(h·x̂))/√(σ² + ε),  ∂w = Σ g·x̂,  ∂b = Σ g,

    and in ∂x what comes through the outputs μ and σ²: ∂μ/n + ∂σ²·2(x − μ)/n.
    """
    seen, axes, affine = view
    if 0 in seen:
        zeros = [None if v is None else F.full(v.shape, 0, x.dtype) for v in (x, weight, bias)]
        return zeros[0], zeros[1], zeros[2]
    n = count(seen, axes)
    kept = tuple(1 if i in axes else s for i, s in enumerate(seen))
    g, g_mean, g_var = F.reshape(g[0], seen), F.reshape(g[1], kept), F.reshape(g[2], kept)
    outside = weight is None or _factors_out(affine, axes)

    # Each gradient takes what it needs: where the others are not wanted, the rest is not kept.
    @cache
    def centred():
        _, var, d, rest = _statistics(F, F.reshape(x, seen), axes)
        return d, rest, 1.0 / F.sqrt(var + eps)

    @cache
    def sum_g():
        return F.sum(g, axes, True)

    def sum_along(h, total):
        d, rest, _ = centred()
        return F.sum(h * d, axes, True) - rest * total

    @cache
    def along_g():
        return sum_along(g, sum_g())

    def of_x():
        w = None if weight is None else F.reshape(weight, affine)
        d, rest, k = centred()
        h = g if outside else g * w
        total = sum_g() if outside else F.sum(h, axes, True)
        along = along_g() if outside else sum_along(h, total)
        scale = k * w if outside and w is not None else k
        slope = (2.0 * g_var - scale * k * k * along) / n
        out = h * scale + d * slope + ((g_mean - scale * total) / n - slope * rest)
        return F.reshape(out, x.shape)

    def of_weight():
        d, rest, k = centred()
        out = along_g() * k if outside else g * ((d - rest) * k)
        return F.reshape(F.sum_to(out, affine), weight.shape)

    def of_bias():
        return F.reshape(F.sum_to(sum_g() if outside else g, affine), bias.shape)

    return of_x, of_weight, of_bias


class Normalization(Op):
    math = "(x - mean(x)) / sqrt(var(x) + eps) * weight + bias"
    autocast = "float32"
    optional = ("weight", "bias")
    outputs = ("y", "mean", "var")
    # μ and σ² are worked out again: to keep them, y would be kept too, and a layer after this one
    # could not work in place.
    saves = {"x": ("x", "weight"), "weight": ("x",)}
    method = False


# ---- batch norm -----------------------------------------------------------------------------


def _batch_view(x: Ints_) -> View:
    """(N, C, L) with L all of the spatial axes: those of one channel share statistics."""
    n, c, rest = x[0], x[1], prod(x[2:])
    return ((n, c), (0,), (1, c)) if rest == 1 else ((n, c, rest), (0, 2), (1, c, 1))


def check_channels(name: str, x: Ints_, shapes: Shapes) -> None:
    if len(x) < 2:
        raise ShapeError(
            t("{name}: the input must have the shape (N, C) or (N, C, …), got {x}.", name=name, x=x)
        )
    for key, shape in shapes.items():
        check_size(name, key, shape, x[1:2], x)


def check_size(owner: str, name: str, v: Ints_, wanted: Ints_, x: Ints_) -> None:
    """ShapeError unless v, the shape of the argument `name`, is `wanted`."""
    if v != wanted:
        raise ShapeError(
            t(
                "{owner}: {name} must have the shape {wanted} for an input of shape {x}, got {v}.",
                owner=owner,
                name=name,
                wanted=wanted,
                x=x,
                v=v,
            )
        )


def given_shapes(**given: Any) -> Shapes:
    return {name: tuple(v.shape) for name, v in given.items() if v is not None}


@op
class BatchNorm(Normalization):
    """x (N, C, …) with each channel's batch mean taken off, divided by its standard deviation,
    times weight (C,), plus bias (C,): the training form. Also the mean and variance (÷ m), (C,).

    S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015; 000 §2 and 003 §8.3 of the notes.
    """

    params = {"eps": NonNegative(1e-5)}
    axes = {"x": ("N, C", *LAYOUT.values())}
    samples = (((4, 3), (3,), (3,)), ((3, 2, 4, 3), (2,), (2,)), ((2, 3, 5), None, None))
    card = Card(
        en="Gives every channel mean 0 and variance 1 over the batch, then the scale γ and shift β "
        "that it learns. All gradients in closed form: ∂x = γ/σ·(g − mean(g) − x̂·mean(g·x̂)), "
        "∂γ = Σ g·x̂, ∂β = Σ g.",
        zh="使每个通道在批内均值为 0、方差为 1，再乘以学到的 γ、加上 β。梯度有闭式："
        "∂x = γ/σ·(g − mean(g) − x̂·mean(g·x̂))，∂γ = Σ g·x̂，∂β = Σ g。",
    )

    def forward(F, x, weight=None, bias=None, *, eps):
        check_channels("batch_norm", x.shape, given_shapes(weight=weight, bias=bias))
        return normalize(F, x, weight, bias, _batch_view(x.shape), eps)

    def vjp(F, g, y, x, weight, bias, *, eps):
        return pull_back(F, g, x, weight, bias, _batch_view(x.shape), eps)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[Ints_, Ints_, Ints_]:
        x = shapes["x"]
        check_channels("batch_norm", x, {k: v for k, v in shapes.items() if k != "x"})
        return x, x[1:2], x[1:2]


@op
class BatchNormInference(Op):
    """γ/√(Var + ε)·x + (β − γE/√(Var + ε)) with given statistics E = mean, Var = var, each (C,)."""

    math = "weight / sqrt(var + eps) * x + (bias - weight * mean / sqrt(var + eps))"
    autocast = "float32"
    params = {"eps": NonNegative(1e-5)}
    axes = {"x": ("N, C", *LAYOUT.values())}
    optional = ("weight", "bias")
    saves = {
        "x": ("var", "weight"), "mean": ("var", "weight"), "var": ("x", "mean", "var", "weight"),
        "weight": ("x", "mean", "var"),
    }  # fmt: skip
    method = False
    domains = {"var": (0.2, 3.0)}
    samples = (((4, 3), (3,), (3,), (3,), (3,)), ((2, 2, 4, 3), (2,), (2,), None, None))
    card = Card(
        en="Batch norm with the statistics of the whole training set: one scale and one shift a "
        "channel, so it can be folded into the layer before.",
        zh="使用整个训练集统计量的批归一化：每个通道只是一次缩放和平移，因此可以并入前一层。",
    )

    def forward(F, x, mean, var, weight=None, bias=None, *, eps):
        given = given_shapes(running_mean=mean, running_var=var, weight=weight, bias=bias)
        check_channels("batch_norm", x.shape, given)
        k = 1.0 / F.sqrt(var + eps)
        k = k if weight is None else k * weight
        offset = F.negative(mean * k) if bias is None else bias - mean * k
        channel = _channel(x.shape)
        return x * F.reshape(k, channel) + F.reshape(offset, channel)

    def vjp(F, g, y, x, mean, var, weight, bias, *, eps):
        channel, c = _channel(x.shape), x.shape[1:2]

        def factor():
            k = 1.0 / F.sqrt(var + eps)
            return k if weight is None else k * weight

        def total(v):
            return F.reshape(F.sum_to(v, channel), c)

        def along():
            return total(g * (x - F.reshape(mean, channel)))

        return (
            lambda: g * F.reshape(factor(), channel),
            lambda: F.negative(total(g) * factor()),
            lambda: along() * factor() * -0.5 / (var + eps),
            lambda: along() / F.sqrt(var + eps),
            lambda: total(g),
        )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x = shapes["x"]
        check_channels("batch_norm", x, {k: v for k, v in shapes.items() if k != "x"})
        return x


def _channel(x: Ints_) -> Ints_:
    return (1, x[1]) + (1,) * (len(x) - 2)


# ---- PyTorch's call forms -------------------------------------------------------------------

EPS, MOMENTUM, FLAG = NonNegative(1e-5), Interval(0.0, 1.0), Bool()


@function()
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """y = γ·(x − μ)/√(σ² + ε) + β for each channel of (N, C, …).

    Training: μ, σ² of the batch, and the running statistics, where given, take a step towards them
    in place, new = (1 − momentum)·old + momentum·batch, with the unbiased variance m/(m − 1)·σ².
    Else μ, σ² are the running ones. γ, β, running statistics: (C,).

    >>> x = cr.tensor([[1.0], [3.0]])
    >>> cr.nn.functional.batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    eps = EPS.check(eps, "batch_norm", "eps")
    if not FLAG.check(training, "batch_norm", "training"):
        return with_running("batch_norm", input, running_mean, running_var, weight, bias, eps)
    running = given_shapes(running_mean=running_mean, running_var=running_var)
    check_channels("batch_norm", input.shape, running)
    m = prod(input.shape) // max(input.shape[1], 1)
    if m == 1:
        raise ShapeError(
            t(
                "batch_norm: training needs more than one value for each channel, got an input of "
                "shape {x}: its variance would be 0. Take a larger batch, or call model.eval().",
                x=input.shape,
            )
        )
    y, mean, var = apply(BatchNorm, input, weight, bias, eps=eps)
    if m:
        step(running_mean, mean, momentum, "batch_norm")
        step(running_var, var, momentum, "batch_norm", m / (m - 1))
    return cast(y, input.dtype)


def with_running(
    owner: str, x: Tensor, mean: Tensor | None, var: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, eps: float,
) -> Tensor:  # fmt: skip
    """The inference form."""
    if mean is None or var is None:
        raise ArgumentError(
            t(
                "{owner}: without the statistics of the input the running ones are used: pass "
                "running_mean and running_var.",
                owner=owner,
            )
        )
    return cast(apply(BatchNormInference, x, mean, var, weight, bias, eps=eps), x.dtype)


def step(
    running: Tensor | None, new: Tensor, momentum: float, owner: str, scale: float = 1.0
) -> None:
    """running ← (1 − momentum)·running + momentum·scale·new, in place."""
    momentum = MOMENTUM.check(momentum, owner, "momentum")
    if running is not None:
        with no_grad():
            assign(running, running * (1.0 - momentum) + new * (momentum * scale))  # type: ignore[operator]

"""Statistics: reductions that leave NaN out, moments, quantiles, covariances."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Choice, Dims, Int, Optional
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import normalize_axes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import std, var
from chainrule.ops.mixed import in_float32
from chainrule.ops.namespace import count
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.reduction import Reduction, Sum
from chainrule.ops.register import function


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return apply(REGISTRY[name], *inputs, **params)


# ---- reductions -----------------------------------------------------------------------------


def _known(F, x, dtype):
    """x with 0 for NaN, and where it is a number; None for dtypes that have no NaN."""
    x = x if dtype is None else F.astype(x, dtype)
    if x.dtype.kind != "f":
        return x, None
    there = F.bitwise_invert(F.isnan(x))
    return F.where(there, x, F.zeros_like(x)), there


@op
class Nansum(Reduction):
    """The sum over `dim` of all that is not NaN."""

    math = "sum(x)"
    autocast = "float32"
    params = Sum.params
    saves = ("x",)
    card = Card(en="Missing values count as 0 and get no gradient.", zh="缺失值按 0 计，没有梯度。")

    def forward(F, x, *, dim, keepdim, dtype):
        return F.sum(_known(F, x, dtype)[0], dim, keepdim)

    def vjp(F, g, y, x, *, dim, keepdim, dtype):
        g = g if dtype is None else F.astype(g, x.dtype)
        g = F.broadcast_to(g if keepdim else F.keep(g, dim, x.shape), x.shape)
        return (F.where(F.isnan(x), F.zeros_like(g), g),)


@op
class Nanmean(Reduction):
    """The mean over `dim` of all that is not NaN; NaN where nothing else is."""

    math = "sum(x) / n"
    autocast = "float32"
    params = Sum.params
    vjp = None
    card = Card(en="The mean of what is there.", zh="忽略缺失值的均值。")

    def forward(F, x, *, dim, keepdim, dtype):
        x, there = _known(F, x, dtype)
        if there is None:
            raise DTypeError(t("nanmean() of {dtype} values: write x.float().nanmean().",
                               dtype=x.dtype.name))  # fmt: skip
        return F.sum(x, dim, keepdim) / F.sum(F.astype(there, x.dtype), dim, keepdim)


@op
class CountNonzero(Reduction):
    """How many entries over `dim` are not 0."""

    params = {"dim": Dims()}
    math = "sum(x != 0)"
    differentiable = False
    card = Card(en="The number of hits.", zh="非零元素的个数。")

    def forward(F, x, *, dim):
        return F.sum(F.astype(F.not_equal(x, 0), "int64"), dim, False)


class Range(NamedTuple):
    """The smallest and the largest."""

    min: Tensor
    max: Tensor


@function("aminmax")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Range:
    """The smallest and the largest, of all or along `dim`; equal ones share the gradient."""
    axes = None if dim is None else (normalize_axis(dim, input.ndim),)
    return Range(*(_run(n, input, dim=axes, keepdim=keepdim) for n in ("amin", "amax")))


@function()
def var_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float = 1,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The variance and the mean over `dim`."""
    axes = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), input.mean(axes, keepdim)


@function()
def std_mean(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float = 1,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The standard deviation and the mean over `dim`."""
    axes = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), input.mean(axes, keepdim)


# ---- quantiles ------------------------------------------------------------------------------


@op
class Quantile(Op):
    """The quantiles q (a number or a vector) of x along `dim` (None: of all), which goes away; an
    axis for a vector q comes first. NaN in a line makes its quantiles NaN."""

    autocast = "float32"
    params = {
        "dim": Optional(Int()),
        "interpolation": Choice("linear", "lower", "higher", "nearest", "midpoint"),
    }
    math = "quantile(x, o)"
    vjp = None
    method = False
    domains = {"o": (0.02, 0.98)}
    samples = (
        *((((3, 7), (4,)), {"dim": 1, "interpolation": i})
          for i in ("linear", "lower", "higher", "nearest", "midpoint")),
        (((3, 4), ()), {}),
        (((4, 3), (2,)), {"dim": 0}),
    )  # fmt: skip
    card = Card(
        en="Between the two nearest entries in sorted order; both get a share of the gradient.",
        zh="排序后相邻两项之间的插值；梯度按权重分给这两项。",
    )

    def forward(F, x, o, *, dim, interpolation):
        return _quantile(F, x, o, dim, interpolation, False)


@op
class Nanquantile(Op):
    """The quantiles of all that is not NaN: see `quantile`."""

    autocast = "float32"
    params = Quantile.params
    math = "quantile(x, o)"
    vjp = None
    method = False
    domains = Quantile.domains
    samples = Quantile.samples
    card = Card(en="Quantiles of what is there.", zh="忽略缺失值的分位数。")

    def forward(F, x, o, *, dim, interpolation):
        return _quantile(F, x, o, dim, interpolation, True)


def _quantile(F, x, q, dim, interpolation, omit):
    if dim is None or not x.shape:
        x, axis = F.reshape(x, (count(x.shape, None),)), 0
    else:
        axis = normalize_axis(dim, len(x.shape))
    rest = tuple(i for i in range(len(x.shape)) if i != axis)
    x = F.permute_dims(x, (*rest, axis))
    n, last = x.shape[-1], len(x.shape) - 1
    x = F.sort(x, last)
    valid = F.sum(F.astype(F.bitwise_invert(F.isnan(x)), x.dtype), last, True)
    place = F.reshape(q, (-1,)) * (F.maximum(valid - 1.0, F.zeros_like(valid)) if omit else n - 1.0)
    if not omit:
        # NaN is sorted last: that is where a line with one is read.
        place = F.where(F.less(valid, n), F.full((), n - 1, x.dtype), place)
    lower, upper = F.floor(place), F.ceil(place)
    if interpolation == "nearest":
        lower = F.round(place)
    low = F.astype(upper if interpolation == "higher" else lower, "int64")
    a = F.take_along_axis(x, low, last)
    if interpolation in ("linear", "midpoint"):
        b = F.take_along_axis(x, F.astype(upper, "int64"), last)
        weight = place - lower
        if interpolation == "midpoint":
            weight = F.full((), 0.5, x.dtype)
        # Counted from the nearer end, so that either end comes out exactly.
        near = F.less(weight, 0.5)
        a = F.where(near, a + weight * (b - a), b - (b - a) * (1.0 - weight))
    if not q.shape:
        return F.reshape(a, a.shape[:-1])
    return F.permute_dims(a, (last, *range(last)))


def _quantiles(
    name: str, x: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    if x.dtype not in (dtypes.float32, dtypes.float64):
        raise DTypeError(t("{name} takes float32 or float64, not {d}.", name=name, d=x.dtype.name))
    if not isinstance(q, Tensor):
        q = Tensor(array_of(q, x.dtype))
    if q.ndim > 1:
        raise ShapeError(t("{name}: q must be a number or a vector, got shape {q}.",
                           name=name, q=q.shape))  # fmt: skip
    if q.dtype is not x.dtype:
        raise DTypeError(
            t("{name}: q is {q}, the input {x}: they must be equal.",
              name=name, q=q.dtype.name, x=x.dtype.name)
        )  # fmt: skip
    known = q._data
    if isinstance(known, np.ndarray) and not ((known >= 0) & (known <= 1)).all():
        raise ArgumentError(t("{name}: q must lie between 0 and 1.", name=name))
    axis = None if dim is None else normalize_axis(dim, x.ndim)
    if not x.numel() if axis is None or not x.ndim else not x.shape[axis]:
        raise ShapeError(t("{name}: nothing to take it of, shape {x}.", name=name, x=x.shape))
    cls = REGISTRY[name]
    out = apply(cls, x, q, **cls.validate({"dim": axis, "interpolation": interpolation}))
    if not keepdim:
        return out
    kept = normalize_axes(axis, x.ndim)
    shape = tuple(1 if i in kept else n for i, n in enumerate(x.shape))
    return out.reshape(*q.shape, *shape)


@function("quantile")
@in_float32
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The quantiles q (a number or a vector in [0, 1]) of all entries or along `dim`.

    Between two entries: "linear", "lower", "higher", "nearest" or "midpoint". A vector q makes a
    new first axis. NaN wins.
    """
    return _quantiles("quantile", input, q, dim, keepdim, interpolation)


@function("nanquantile")
@in_float32
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The quantiles of all entries that are not NaN: see `quantile`."""
    return _quantiles("nanquantile", input, q, dim, keepdim, interpolation)


# ---- variables in rows ----------------------------------------------------------------------


@function("cov")
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The covariances of the variables in the rows: (variables, observations) → (v, v).

    `fweights` counts each observation so many times, `aweights` is how much it matters.
    """
    if input.ndim > 2:
        raise ShapeError(t("cov takes at most two axes, got shape {x}.", x=input.shape))
    x = input.reshape(1, -1) if input.ndim < 2 else input
    n = x.shape[1]
    weights: Any = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        if given.shape != (n,) and not (given.ndim == 0 and n == 1):
            raise ShapeError(
                t("cov: {name} has shape {w}; there are {n} observations.",
                  name=name, w=given.shape, n=n)
            )  # fmt: skip
        if given.dtype.is_floating_point == (name == "fweights"):
            raise DTypeError(t("cov: fweights must be integers and aweights floats."))
        weights = given if weights is None else weights * given
    if not x.dtype.is_floating_point:
        x = x.to(dtypes.get_default_dtype())
    if weights is None:
        total, mean, scaled = n, x.mean(1, keepdim=True), None
        norm: Any = max(total - correction, 0)
    else:
        total = weights.sum()
        mean = (x * weights).sum(1, keepdim=True) / total
        scaled = weights
        loss = correction
        if aweights is not None and correction:
            loss = correction * (weights * aweights).sum() / total
        norm = (total - loss).clamp(min=0)
    centred = x - mean
    right = centred if scaled is None else centred * scaled
    out = centred @ right.mT / norm if weights is not None else _over(centred @ right.mT, norm)
    return out.squeeze() if input.ndim < 2 or x.shape[0] == 1 else out


def _over(x: Tensor, n: int) -> Tensor:
    """x/n; NaN and infinities for n = 0, as floats give."""
    return x / Tensor(np.asarray(n), x.dtype)


@function("corrcoef")
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the variables in the rows, between −1 and 1."""
    c = cov(input)
    if not c.ndim:
        return c / c
    scale = c.diagonal().sqrt()
    return (c / scale.unsqueeze(1) / scale).clamp(-1, 1)

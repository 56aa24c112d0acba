"""Interpolation of the spatial axes: each output element mixes a few neighbouring input elements.

One axis after the other, y[i] = Σ_k weight[i, k]·x[index[i, k]] with constant taps; the gradient
is the same sum with the taps of the transposed matrix. So a NaN stays among its neighbours.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Choice, Constraint, Ints, Optional
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.adaptive_pooling import AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d
from chainrule.ops.namespace import HOLE
from chainrule.ops.op import Card, Op, op
from chainrule.ops.pooling import refuse_integers
from chainrule.ops.register import function
from chainrule.ops.windows import Ints_, Shapes

# The number of spatial axes that each mode is for.
MODES = {
    "nearest": (1, 2, 3), "linear": (1,), "bilinear": (2,), "bicubic": (2,), "trilinear": (3,),
    "area": (1, 2, 3), "nearest-exact": (1, 2, 3),
}  # fmt: skip
_AREA = {1: AdaptiveAvgPool1d, 2: AdaptiveAvgPool2d, 3: AdaptiveAvgPool3d}
_COPIES = ("nearest", "nearest-exact")

Taps = tuple[Any, Any]  # (m, K) places in the input and their weights (None: copies)


class Scale(Constraint):
    """A factor > 0, or one for each spatial axis."""

    bad = ("a", 0.0, -1.0, math.nan)

    def check(self, value: Any, owner: str, name: str) -> Any:
        several = isinstance(value, tuple | list)
        for v in value if several else (value,):
            if not isinstance(v, int | float) or isinstance(v, bool) or not 0 < v < math.inf:
                raise self.refuse(value, owner, name)
        return tuple(float(v) for v in value) if several else float(value)

    def describe(self) -> str:
        return t("a number > 0, or one for each spatial axis")


# ---- taps -----------------------------------------------------------------------------------


def _step(n: int, m: int, align: bool, scale: float | None) -> float:
    """How far apart neighbouring outputs are, in input elements."""
    if align:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1.0 / scale if scale else n / m


def _nearest(n: int, m: int, exact: bool, scale: float | None) -> np.ndarray:
    # As PyTorch finds its places: in float32 whatever the values are, and exactly where the size
    # stays or doubles, whatever the scale was.
    if not exact and m in (n, 2 * n):
        return (np.arange(m) // (m // n))[:, None]
    step = np.float32(_step(n, m, False, scale))
    at = np.arange(m)
    places = (at + 0.5) * np.float64(step) if exact else at.astype(np.float32) * step
    return np.minimum(np.floor(places.astype(np.float32)).astype(np.int64), n - 1)[:, None]


def cubic(d: Any, a: float) -> Any:
    """The cubic convolution kernel at distance d (R. Keys, 1981); a is its slope at 1."""
    d = np.abs(d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def _smooth(n: int, m: int, is_cubic: bool, align: bool, scale: float | None) -> Taps:
    shift = 0.0 if align else 0.5
    at = (np.arange(m) + shift) * _step(n, m, align, scale) - shift
    if not is_cubic:
        at = np.maximum(at, 0.0) if n != m else np.arange(m) * 1.0
    first = np.minimum(np.floor(at), n - 1)
    part = np.clip(at - first, 0.0, 1.0)[:, None]
    offsets = np.arange(-1, 3) if is_cubic else np.arange(2)
    weight = cubic(part - offsets, -0.75) if is_cubic else np.concatenate([1 - part, part], 1)
    return np.clip(first[:, None] + offsets, 0, n - 1).astype(np.int64), weight


def _antialiased(n: int, m: int, is_cubic: bool, align: bool, scale: float | None) -> Taps:
    """The kernel made as wide as the step between outputs, so that every input counts."""
    step = _step(n, m, align, scale)
    wide = max(step, 1.0)
    support = (2 if is_cubic else 1) * wide
    centre = (step * (np.arange(m) + 0.5))[:, None]  # as in PyTorch, with align_corners too
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    stop = np.minimum((centre + support + 0.5).astype(np.int64), n)
    at = first + np.arange(math.ceil(support) * 2 + 1)
    d = (at - centre + 0.5) / wide
    weight = cubic(d, -0.5) if is_cubic else np.maximum(1 - np.abs(d), 0)
    weight = np.where(at < stop, weight, 0)
    some = weight.any(0)  # columns of filler alone go
    at, weight = np.minimum(at, np.maximum(stop - 1, 0))[:, some], weight[:, some]
    return at, weight / weight.sum(1, keepdims=True)


def _transposed(taps: Taps, n: int) -> Taps:
    """The taps of the adjoint: for each of the n inputs, the outputs that it went into."""
    index, weight = taps
    m, k = index.shape
    order = np.argsort(index.reshape(-1), kind="stable")
    of, by = index.reshape(-1)[order], (order // k)
    counts = np.bincount(of, minlength=n)
    at = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    longest = max(int(counts.max()), 1)
    where = np.zeros((n, longest), np.int64)
    out = np.zeros((n, longest))
    where[of, at] = by
    out[of, at] = 1.0 if weight is None else weight.reshape(-1)[order]
    # Filler repeats the first one, with weight 0.
    return np.where(np.arange(longest) < counts[:, None], where, where[:, :1]), out


@lru_cache(maxsize=256)
def _taps(
    n: int, m: int, mode: str, align: bool, scale: float | None, antialias: bool, back: bool,
    dtype: str,
) -> tuple[tuple[Any, Any], ...]:  # fmt: skip
    """For each tap, the m places and the m weights, as constants that a trace keeps."""
    if mode in _COPIES:
        index: Any = _nearest(n, m, mode == "nearest-exact", scale)
        weight = None
    else:
        make = _antialiased if antialias else _smooth
        index, weight = make(n, m, mode == "bicubic", align, scale)
    if back:
        index, weight = _transposed((index, weight), n)
    if weight is not None:
        weight = weight.astype(dtype)
    return tuple(
        (np.ascontiguousarray(index[:, k]),
         None if weight is None else np.ascontiguousarray(weight[:, k]))
        for k in range(index.shape[1])
    )  # fmt: skip


def _mixed(F: Any, x: Any, axis: int, taps: tuple[tuple[Any, Any], ...]) -> Any:
    key = (slice(None),) * axis + (HOLE,)
    column = (-1,) + (1,) * (len(x.shape) - axis - 1)
    y = None
    for index, weight in taps:
        part = F.gather(x, key, F.asarray(index))
        if weight is not None:
            part = part * F.reshape(F.asarray(weight), (len(weight), *column[1:]))
        y = part if y is None else y + part
    return y


# ---- the operation --------------------------------------------------------------------------


def _plan(
    x: Ints_, size: Ints_ | None, scale_factor: Any, mode: str, align_corners: bool | None,
    recompute_scale_factor: bool | None, antialias: bool,
) -> tuple[Ints_, tuple[float | None, ...]]:  # fmt: skip
    """The output's spatial size, and the scale that each axis uses; errors as in PyTorch."""
    n = len(x) - 2
    if n not in MODES[mode]:
        raise ShapeError(
            t(
                "interpolate: mode {mode!r} takes inputs with {axes} spatial axes after (N, C), "
                "got the shape {x}.",
                mode=mode,
                axes="/".join(map(str, MODES[mode])),
                x=x,
            )
        )
    if align_corners is not None and mode in (*_COPIES, "area"):
        raise ArgumentError(
            t(
                "interpolate: align_corners is for the modes linear, bilinear, bicubic and "
                "trilinear, not for {mode!r}.",
                mode=mode,
            )
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ArgumentError(
            t(
                "interpolate: antialias is for the modes bilinear and bicubic, not for {mode!r}.",
                mode=mode,
            )
        )
    if (size is None) == (scale_factor is None):
        raise ArgumentError(t("interpolate: give either size or scale_factor."))
    if size is not None and recompute_scale_factor:
        raise ArgumentError(t("interpolate: recompute_scale_factor needs scale_factor, not size."))
    given = size if size is not None else scale_factor
    several = tuple(given) if isinstance(given, tuple) else (given,)
    several = several * n if len(several) == 1 else several
    if len(several) != n:
        raise ArgumentError(
            t(
                "interpolate: the input of shape {x} has {n} spatial axes, but {given} was given.",
                x=x,
                n=n,
                given=given,
            )
        )
    scales: tuple[float | None, ...] = (None,) * n
    if size is None:
        if not recompute_scale_factor:
            scales = several
        several = tuple(math.floor(s * f) for s, f in zip(x[2:], several, strict=True))
    if 0 in x[2:] or (min(several) < 1 and mode != "area"):
        raise ShapeError(
            t(
                "interpolate: input and output need at least one element along each spatial axis, "
                "got {x} → {size}.",
                x=x[2:],
                size=several,
            )
        )
    return several, scales


@op
class Interpolate(Op):
    """(N, C, *S) with its spatial axes brought to `size`, or scaled by `scale_factor`.

    mode: "nearest", "nearest-exact" (pixel centres decide, as in Pillow), "linear" (N, C, L),
    "bilinear" and "bicubic" (N, C, H, W), "trilinear" (N, C, D, H, W), "area" (adaptive means).
    `align_corners`: the corner elements keep their places, else the corners of the picture do.
    `recompute_scale_factor`: the scale is that of the rounded sizes. `antialias`: a kernel as wide
    as the step, for bilinear and bicubic reduction.

    >>> cr.nn.functional.interpolate(cr.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """

    math = "sum(weight * x over the neighbours)"
    params = {
        "size": Optional(Ints(low=1)),
        "scale_factor": Optional(Scale()),
        "mode": Choice(*MODES),
        "align_corners": Optional(Bool()),
        "recompute_scale_factor": Optional(Bool()),
        "antialias": Bool(False),
    }
    saves = ()
    method = False
    samples = (
        (((2, 2, 5),), {"size": (8,)}),
        (((2, 2, 4, 3),), {"scale_factor": (1.6, 2.5), "mode": "nearest-exact"}),
        (((2, 2, 5),), {"size": (8,), "mode": "linear", "align_corners": True}),
        (((2, 2, 4, 5),), {"scale_factor": 1.7, "mode": "bilinear"}),
        (((1, 2, 7, 5),), {"scale_factor": (0.6, 1.5), "mode": "bilinear",
                           "recompute_scale_factor": True}),
        (((2, 2, 7, 5),), {"size": (3, 6), "mode": "bilinear", "antialias": True}),
        (((2, 2, 4, 5),), {"size": (7, 3), "mode": "bicubic"}),
        (((2, 2, 9, 5),), {"size": (4, 7), "mode": "bicubic", "antialias": True}),
        (((1, 2, 3, 2, 4),), {"size": (2, 4, 4), "mode": "trilinear"}),
        (((1, 2, 5, 6),), {"size": (3, 4), "mode": "area"}),
    )  # fmt: skip
    card = Card(
        en="A picture drawn larger or smaller: each new element mixes its neighbours, and its "
        "gradient goes back to them in the same shares.",
        zh="把图像放大或缩小：每个新元素由邻近元素加权混合，梯度按同样的比例传回它们。",
    )

    def forward(
        F, x, *, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
    ):
        size, scales = _plan(
            x.shape, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        )
        if mode not in _COPIES:
            refuse_integers("interpolate", x)
        if mode == "area":
            return _AREA[len(size)].forward(F, x, output_size=size)
        return _resampled(F, x, x.shape, size, scales, mode, align_corners, antialias, False)

    def vjp(F, g, y, x, *, mode, align_corners, antialias, **params):
        size, scales = _plan(x.shape, mode=mode, align_corners=align_corners, antialias=antialias,
                             **params)  # fmt: skip
        if mode == "area":
            found = _AREA[len(size)].vjp
            assert found is not None
            return found(F, g, y, x, output_size=size)
        return (_resampled(F, g, x.shape, size, scales, mode, align_corners, antialias, True),)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x = shapes["x"]
        size, _ = _plan(x, **params)
        return (*x[:2], *size)


def _resampled(
    F: Any, x: Any, old: Ints_, size: Ints_, scales: tuple[float | None, ...], mode: str,
    align: bool | None, antialias: bool, back: bool,
) -> Any:  # fmt: skip
    dtype = getattr(x.dtype, "numpy", x.dtype).name
    for i, (n, m, scale) in enumerate(zip(old[2:], size, scales, strict=True)):
        copies = mode in _COPIES and n == m and scale in (None, 1.0)
        if not copies:
            x = _mixed(F, x, i + 2, _taps(n, m, mode, bool(align), scale, antialias, back, dtype))
    return F.asarray(x)


# ---- PyTorch's older names ------------------------------------------------------------------


@function()
def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """interpolate under its old name."""
    return Interpolate.function(input, size, scale_factor, mode, align_corners)


@function()
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate with mode "nearest"."""
    return Interpolate.function(input, size, scale_factor, "nearest")


@function()
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """interpolate with mode "bilinear" and align_corners."""
    return Interpolate.function(input, size, scale_factor, "bilinear", True)

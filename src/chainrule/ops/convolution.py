"""Convolution (cross-correlation, as in PyTorch) and its two adjoints.

The three primitives are closed under differentiation: each one's gradients are the other two.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from chainrule.base.constraints import Anything, Int, Ints, Spatial
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.op import Card, Op, op
from chainrule.ops.register import function
from chainrule.ops.shaping import Permute
from chainrule.ops.windows import (
    AXES,
    IMAGES,
    KERNELS,
    LAYOUT,
    Ints_,
    Shapes,
    as_given,
    check_layout,
    too_large,
    with_batch,
)

# ---- the primitives -------------------------------------------------------------------------

_GEOMETRY = {"stride": Ints(), "padding": Anything(), "dilation": Ints(), "groups": Int()}
_EXAMPLE = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 2), "groups": 2}


@op
class Conv(Op):
    """x (N, C, *S) with kernels w (O, C/groups, *K): (N, O, *S′); any number of spatial axes."""

    math = "conv(x, w)"
    params = _GEOMETRY
    saves = {"x": ("w",), "w": ("x",)}
    dtypes = "match"
    method = False
    samples = ((((2, 4, 5, 6), (6, 2, 3, 2)), _EXAMPLE),)
    card = Card(
        en="A kernel slides over the input and takes a product sum at each place.",
        zh="卷积核在输入上滑动，在每个位置求乘积之和。",
    )

    def forward(F, x, w, *, stride, padding, dilation, groups):
        return F.conv(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)

    def vjp(F, g, y, x, w, **geometry):
        return (
            lambda: F.conv_input(g, w, size=x.shape[2:], **geometry),
            lambda: F.conv_weight(x, g, kernel=w.shape[2:], **geometry),
        )


@op
class ConvInput(Op):
    """The adjoint of conv in its input: g (N, O, *S′) and w to (N, C, *size)."""

    math = "conv_input(g, w)"
    params = {"size": Ints()} | _GEOMETRY
    saves = {"g": ("w",), "w": ("g",)}
    dtypes = "match"
    method = False
    samples = ((((2, 6, 2, 5), (6, 2, 3, 2)), {"size": (5, 6)} | _EXAMPLE),)
    card = Card(
        en="Full convolution with the rotated kernel: how a convolution's gradient goes back.",
        zh="用旋转 180° 的卷积核做 full 卷积：卷积的梯度就这样传回输入。",
    )

    def forward(F, g, w, *, size, stride, padding, dilation, groups):
        return F.conv_input(
            g, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    def vjp(F, h, y, g, w, *, size, **geometry):
        return (
            lambda: F.conv(h, w, **geometry),
            lambda: F.conv_weight(h, g, kernel=w.shape[2:], **geometry),
        )


@op
class ConvWeight(Op):
    """The adjoint of conv in its weight: x and g (N, O, *S′) to (O, C/groups, *kernel)."""

    math = "conv_weight(x, g)"
    params = {"kernel": Ints()} | _GEOMETRY
    saves = {"x": ("g",), "g": ("x",)}
    dtypes = "match"
    method = False
    samples = ((((2, 4, 5, 6), (2, 6, 2, 5)), {"kernel": (3, 2)} | _EXAMPLE),)
    card = Card(
        en="The input correlated with the gradient: what each kernel element should change.",
        zh="输入与梯度做相关：每个卷积核元素应当如何改变。",
    )

    def forward(F, x, g, *, kernel, stride, padding, dilation, groups):
        return F.conv_weight(
            x, g, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    def vjp(F, h, y, x, g, *, kernel, **geometry):
        return (
            lambda: F.conv_input(g, h, size=x.shape[2:], **geometry),
            lambda: F.conv(x, h, **geometry),
        )


# ---- convolution layers ---------------------------------------------------------------------


class Padding(Spatial):
    """Padding on both sides of each of `n` axes, or "valid" (none) or "same", in any case."""

    def __init__(self, n: int) -> None:
        super().__init__(n, 0, low=0)
        self.samples = ["valid", "same", 1]

    def check(self, value: Any, owner: str, name: str) -> Any:
        if isinstance(value, str):
            if value.lower() not in ("valid", "same"):
                raise self.refuse(value, owner, name)
            return value.lower()
        return super().check(value, owner, name)

    def describe(self) -> str:
        return t("'valid', 'same', an integer or {n} integers ≥ 0", n=self.n)


@lru_cache(maxsize=256)
def convolution_plan(
    x: Ints_,
    w: Ints_,
    b: Ints_ | None,
    stride: Ints_,
    padding: Any,
    dilation: Ints_,
    groups: int,
) -> tuple[dict[str, Any], Ints_]:
    """The primitives' arguments and the output's spatial size; ShapeError if it cannot be."""
    n = len(stride)
    name = f"conv{n}d"
    check_weight(name, x, w, n, "O, C/groups")
    channels, (out_channels, each) = x[-1 - n], w[:2]
    if out_channels % groups:
        raise ShapeError(
            t(
                "{name}: groups={groups} does not divide the {o} kernels of weight {w} ({layout}).",
                name=name,
                groups=groups,
                o=out_channels,
                w=w,
                layout=weight_layout(n, "O, C/groups"),
            )
        )
    if channels != each * groups:
        m, right = each * groups, (out_channels, channels // groups, *w[2:])
        raise ShapeError(
            t(
                "{name}: the input of shape {x} ({layout}) has {c} channels, but weight {w} "
                "({weight}) with groups={groups} takes {m}. {hint}",
                name=name,
                x=x,
                layout=LAYOUT[n][3 * (len(x) == n + 1) :],
                c=channels,
                w=w,
                weight=weight_layout(n, "O, C/groups"),
                groups=groups,
                m=m,
                hint=t("Make the channels {m}, or the weight {right}.", m=m, right=right)
                if channels and channels % groups == 0
                else t("Make the channels {m}.", m=m),
            )
        )
    check_bias(name, b, out_channels)
    pairs, out = [], []
    for i, (size, k, s, d) in enumerate(zip(x[-n:], w[2:], stride, dilation, strict=True)):
        extent = (k - 1) * d + 1
        low, high = _pair(padding, i, size, s, extent)
        if extent > size + low + high or k == 0:
            raise too_large(name, i, extent, x, (low, high), n)
        pairs.append((low, high))
        out.append((size + low + high - extent) // s + 1)
    geometry = {
        "stride": stride, "padding": tuple(pairs), "dilation": dilation, "groups": groups,
    }  # fmt: skip
    return geometry, tuple(out)


def _pair(padding: Any, i: int, size: int, stride: int, extent: int) -> tuple[int, int]:
    """(low, high) padding of one axis; "same" by (3-3) and (3-4) of note 001."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        return total // 2, total - total // 2
    return padding[i], padding[i]


def weight_layout(n: int, channels: str) -> str:
    return f"{channels}, " + ", ".join(f"k{a}" for a in AXES[n])


def check_weight(name: str, x: Ints_, w: Ints_, n: int, channels: str) -> None:
    check_layout(name, x, n)
    if len(w) != n + 2:
        raise ShapeError(
            t(
                "{name}: weight must have the shape ({layout}), got {w}.",
                name=name,
                layout=weight_layout(n, channels),
                w=w,
            )
        )


def check_bias(name: str, b: Ints_ | None, channels: int) -> None:
    if b is not None and b != (channels,):
        raise ShapeError(
            t(
                "{name}: bias must have the shape ({n},), one number for each output channel, "
                "got {b}.",
                name=name,
                n=channels,
                b=b,
            )
        )


def shape_of(x: Any) -> Ints_ | None:
    return None if x is None else tuple(x.shape)


def add_bias(F: Any, y: Any, bias: Any) -> Any:
    if bias is None:
        return y
    return y + F.reshape(bias, (1, bias.shape[0]) + (1,) * (len(y.shape) - 2))


def sum_per_channel(F: Any, g: Any) -> Any:
    """Σ over everything but axis 1."""
    rows = F.reshape(g, (*g.shape[:2], prod(g.shape[2:])))
    return F.sum(rows, (0, 2))


class _Convolution(Op):
    math = "conv(x, weight) + bias"
    optional = ("bias",)
    saves = {"x": ("weight",), "weight": ("x",)}
    dtypes = "match"
    autocast = ("x", "weight")
    method = False

    @staticmethod
    def forward(F, x, weight, bias=None, *, stride, padding, dilation, groups):
        geometry, _ = convolution_plan(
            x.shape, weight.shape, shape_of(bias), stride, padding, dilation, groups
        )
        n = len(stride)
        y = add_bias(F, F.conv(with_batch(F, x, n), weight, **geometry), bias)
        return as_given(F, y, x.shape, n)

    @staticmethod
    def vjp(F, g, y, x, weight, bias, *, stride, padding, dilation, groups):
        n = len(stride)
        geometry, _ = convolution_plan(
            x.shape, weight.shape, shape_of(bias), stride, padding, dilation, groups
        )
        g = with_batch(F, g, n)

        def of_x():
            out = F.conv_input(g, weight, size=x.shape[-n:], **geometry)
            return as_given(F, out, x.shape, n)

        def of_weight():
            return F.conv_weight(with_batch(F, x, n), g, kernel=weight.shape[2:], **geometry)

        return of_x, of_weight, lambda: sum_per_channel(F, g)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x, w = shapes["x"], shapes["weight"]
        _, out = convolution_plan(x, w, shapes.get("bias"), **params)
        return (*x[: len(x) - len(out) - 1], w[0], *out)


def _conv_params(n: int) -> dict[str, Any]:
    return {
        "stride": Spatial(n, 1),
        "padding": Padding(n),
        "dilation": Spatial(n, 1),
        "groups": Int(1, low=1),
    }


@op
class Conv1d(_Convolution):
    """x (N, C, L), weight (O, C/groups, k), bias (O,) or None → (N, O, L′); or without batch.

    `padding`: zeros on both sides, or "valid" (none), or "same" (L′ = ⌈L/stride⌉, with any
    stride; the smaller half on the left).

    >>> cr.conv1d(cr.tensor([[[1.0, 2.0, 4.0]]]), cr.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2.]]])
    """

    params = _conv_params(1)
    axes = {"x": IMAGES[1], "weight": KERNELS[1]}
    forward = _Convolution.forward
    samples = (
        ((2, 3, 6), (4, 3, 3), (4,)),
        (((2, 4, 7), (6, 2, 2), None), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
        (((3, 6), (4, 3, 3), (4,)), {"padding": "same"}),
        ((0, 3, 6), (4, 3, 3), (4,)),
    )
    card = Card(
        en="A kernel slides along a line. Backward: the input gets a full convolution of δ with "
        "the rotated kernel, the kernel a correlation of input and δ, the bias Σδ.",
        zh="卷积核沿一条线滑动。反向：输入得到 δ 与旋转核的 full 卷积，卷积核得到输入与 δ 的"
        "相关，偏置得到 Σδ。",
    )


@op
class Conv2d(_Convolution):
    """x (N, C, H, W), weight (O, C/groups, kH, kW), bias (O,) or None → (N, O, H′, W′).

    H′ = ⌊(H + 2·padding − dilation·(kH − 1) − 1)/stride⌋ + 1; the batch axis may be missing.
    `padding`: zeros on both sides, or "valid" (none), or "same": H′ = ⌈H/stride⌉, the smaller half
    above and left ((3-1) to (3-4) of note 001; PyTorch takes "same" with stride 1 only).

    >>> x = cr.ones(1, 1, 3, 3)
    >>> cr.conv2d(x, cr.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    >>> cr.conv2d(x, cr.ones(8, 1, 3, 3), stride=2, padding=1).shape
    (1, 8, 2, 2)
    """

    params = _conv_params(2)
    axes = {"x": IMAGES[2], "weight": KERNELS[2]}
    forward = _Convolution.forward
    samples = (
        ((2, 3, 5, 6), (4, 3, 3, 2), (4,)),
        (((2, 4, 7, 6), (6, 2, 3, 2), None),
         {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}),
        (((2, 3, 5, 6), (3, 1, 3, 2), (3,)), {"padding": "same", "groups": 3}),
        ((3, 5, 6), (4, 3, 3, 3), (4,)),
        ((0, 3, 5, 6), (4, 3, 3, 2), (4,)),
    )  # fmt: skip
    card = Card(
        en="A kernel slides over the picture and takes a product sum at each place. Backward: the "
        "input gets the full convolution of δ with the kernel rotated by 180°, the kernel gets "
        "the correlation of the input with δ, the bias gets Σδ.",
        zh="卷积核在图像上滑动，在每个位置求乘积之和。反向：输入得到 δ 与旋转 180° 的卷积核的 "
        "full 卷积，卷积核得到输入与 δ 的相关，偏置得到 Σδ。",
    )


@op
class Conv3d(_Convolution):
    """x (N, C, D, H, W), weight (O, C/groups, kD, kH, kW), bias (O,) → (N, O, D′, H′, W′)."""

    params = _conv_params(3)
    axes = {"x": IMAGES[3], "weight": KERNELS[3]}
    forward = _Convolution.forward
    samples = (
        ((2, 2, 4, 3, 5), (3, 2, 2, 2, 3), (3,)),
        (((2, 4, 3, 4, 5), (4, 2, 2, 3, 2), None),
         {"stride": (1, 2, 1), "padding": 1, "groups": 2}),
    )  # fmt: skip
    card = Card(
        en="A kernel slides through a volume or a film; backward as for conv2d.",
        zh="卷积核在立体或视频中滑动；反向与 conv2d 相同。",
    )


@function()
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A convolution along time: input (T, B, C), weight (k, C, O), bias (O,) → (T′, B, O)."""
    if input.ndim != 3 or weight.ndim != 3:
        raise ShapeError(
            t(
                "conv_tbc: the input must be (T, B, C) and the weight (k, C, O), got {x} and {w}.",
                x=input.shape,
                w=weight.shape,
            )
        )
    x, w = Permute.function(input, (1, 2, 0)), Permute.function(weight, (2, 1, 0))
    return Permute.function(Conv1d.function(x, w, bias, padding=pad), (2, 0, 1))

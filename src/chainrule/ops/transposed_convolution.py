"""Transposed convolution: the input adjoint of a convolution, used forwards."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from chainrule.base.constraints import Int, Spatial
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.ops.convolution import (
    add_bias,
    check_bias,
    check_weight,
    shape_of,
    sum_per_channel,
    weight_layout,
)
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import AXES, IMAGES, LAYOUT, Ints_, Shapes, as_given, with_batch


@lru_cache(maxsize=256)
def _transposed_plan(
    x: Ints_,
    w: Ints_,
    b: Ints_ | None,
    stride: Ints_,
    padding: Ints_,
    output_padding: Ints_,
    groups: int,
    dilation: Ints_,
) -> tuple[dict[str, Any], Ints_]:
    n = len(stride)
    name = f"conv_transpose{n}d"
    check_weight(name, x, w, n, "C, O/groups")
    channels = x[-1 - n]
    if w[0] != channels or channels % groups:
        raise ShapeError(
            t(
                "{name}: the input of shape {x} ({layout}) has {c} channels; weight {w} ({weight}) "
                "takes {m}, in groups={groups} equal parts.",
                name=name,
                x=x,
                layout=LAYOUT[n][3 * (len(x) == n + 1) :],
                c=channels,
                w=w,
                weight=weight_layout(n, "C, O/groups"),
                m=w[0],
                groups=groups,
            )
        )
    check_bias(name, b, w[1] * groups)
    size, pairs = [], []
    for i, (m, k, s, d, p, more) in enumerate(
        zip(x[-n:], w[2:], stride, dilation, padding, output_padding, strict=True)
    ):
        if more >= max(s, d):
            raise ShapeError(
                t(
                    "{name}: output_padding {more} along {axis} must be smaller than the stride "
                    "{s} or the dilation {d}.",
                    name=name,
                    more=more,
                    axis=AXES[n][i],
                    s=s,
                    d=d,
                )
            )
        out = (m - 1) * s + (k - 1) * d + 1 - 2 * p + more
        if out < 1:
            raise ShapeError(
                t(
                    "{name}: the output would have {out} elements along {axis}, with padding {p}: "
                    "pad less.",
                    name=name,
                    out=out,
                    axis=AXES[n][i],
                    p=p,
                )
            )
        size.append(out)
        pairs.append((p, p - more))
    geometry = {
        "stride": stride, "padding": tuple(pairs), "dilation": dilation, "groups": groups,
    }  # fmt: skip
    return geometry, tuple(size)


class _Transposed(Op):
    math = "conv_input(x, weight) + bias"
    optional = ("bias",)
    saves = {"x": ("weight",), "weight": ("x",)}
    dtypes = "match"
    autocast = ("x", "weight")
    method = False

    @staticmethod
    def forward(F, x, weight, bias=None, *, stride, padding, output_padding, groups, dilation):
        n = len(stride)
        geometry, size = _transposed_plan(
            x.shape, weight.shape, shape_of(bias), stride, padding, output_padding, groups,
            dilation,
        )  # fmt: skip
        y = F.conv_input(with_batch(F, x, n), weight, size=size, **geometry)
        return as_given(F, add_bias(F, y, bias), x.shape, n)

    @staticmethod
    def vjp(F, g, y, x, weight, bias, *, stride, **params):
        n = len(stride)
        geometry, _ = _transposed_plan(x.shape, weight.shape, shape_of(bias), stride, **params)
        g = with_batch(F, g, n)

        def of_weight():
            return F.conv_weight(g, with_batch(F, x, n), kernel=weight.shape[2:], **geometry)

        return (
            lambda: as_given(F, F.conv(g, weight, **geometry), x.shape, n),
            of_weight,
            lambda: sum_per_channel(F, g),
        )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x, w = shapes["x"], shapes["weight"]
        _, size = _transposed_plan(x, w, shapes.get("bias"), **params)
        return (*x[: len(x) - len(size) - 1], w[1] * params["groups"], *size)


def _transposed_params(n: int) -> dict[str, Any]:
    return {
        "stride": Spatial(n, 1),
        "padding": Spatial(n, 0, low=0),
        "output_padding": Spatial(n, 0, low=0),
        "groups": Int(1, low=1),
        "dilation": Spatial(n, 1),
    }


_TRANSPOSED = Card(
    en="The convolution's backward pass used forwards, to make small maps large: its backward is "
    "a plain convolution. It undoes the shape of a convolution, not its values.",
    zh="把卷积的反向当作前向来用，使小特征图变大；它的反向就是普通卷积。它还原的是形状，不是数值。",
)


@op
class ConvTranspose1d(_Transposed):
    """x (N, C, L), weight (C, O/groups, k), bias (O,) or None → (N, O, L′)."""

    params = _transposed_params(1)
    axes = {"x": IMAGES[1]}
    forward = _Transposed.forward
    samples = (
        ((2, 3, 4), (3, 2, 3), (2,)),
        (((2, 4, 3), (4, 2, 2), None),
         {"stride": 3, "padding": 1, "output_padding": 1, "groups": 2, "dilation": 2}),
    )  # fmt: skip
    card = _TRANSPOSED


@op
class ConvTranspose2d(_Transposed):
    """x (N, C, H, W), weight (C, O/groups, kH, kW), bias (O,) or None → (N, O, H′, W′).

    H′ = (H − 1)·stride − 2·padding + dilation·(kH − 1) + output_padding + 1.
    """

    params = _transposed_params(2)
    axes = {"x": IMAGES[2]}
    forward = _Transposed.forward
    samples = (
        ((2, 3, 3, 4), (3, 2, 3, 2), (2,)),
        (((2, 4, 3, 2), (4, 2, 2, 3), (4,)),
         {"stride": (2, 3), "padding": (0, 1), "output_padding": (1, 0), "groups": 2}),
        ((3, 3, 4), (3, 2, 3, 2), (2,)),
    )  # fmt: skip
    card = _TRANSPOSED


@op
class ConvTranspose3d(_Transposed):
    """x (N, C, D, H, W), weight (C, O/groups, kD, kH, kW), bias (O,) or None."""

    params = _transposed_params(3)
    axes = {"x": IMAGES[3]}
    forward = _Transposed.forward
    samples = ((((2, 2, 2, 3, 2), (2, 3, 2, 2, 2), (3,)), {"stride": 2, "padding": 1}),)
    card = _TRANSPOSED

"""Pooling: the mean or the p-norm of each window. The mean shares its gradient equally."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

from chainrule.base.constraints import Bool, Int, Optional, Positive, Spatial
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import (
    AXES,
    IMAGES,
    Ints_,
    Shapes,
    check_layout,
    too_large,
)

# ---- windows --------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def window_plan(
    name: str,
    x: Ints_,
    kernel: Ints_,
    stride: Ints_ | None,
    padding: Ints_,
    dilation: Ints_,
    ceil: bool,
) -> tuple[dict[str, Any], Ints_]:
    """The primitives' arguments and the output's spatial size, by PyTorch's rules; ShapeError."""
    n = len(kernel)
    check_layout(name, x, n)
    stride = kernel if stride is None else stride
    pairs, out = [], []
    for i, (size, k, s, p, d) in enumerate(
        zip(x[-n:], kernel, stride, padding, dilation, strict=True)
    ):
        extent = (k - 1) * d + 1
        if 2 * p > extent:
            raise ShapeError(
                t(
                    "{name}: padding {p} along {axis} is more than half of the window's {extent} "
                    "elements, so some windows would see nothing else: pad at most {most}.",
                    name=name,
                    p=p,
                    axis=AXES[n][i],
                    extent=extent,
                    most=extent // 2,
                )
            )
        room = size + 2 * p - extent
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= size + p:
            count -= 1  # the last window must begin inside the input or its left padding
        if count < 1 or size == 0:
            raise too_large(name, i, extent, x, (p, p), n)
        pairs.append((p, (count - 1) * s + extent - size - p))
        out.append(count)
    geometry = {"window": kernel, "stride": stride, "padding": tuple(pairs), "dilation": dilation}
    return geometry, tuple(out)


def refuse_integers(name: str, x: Any) -> None:
    dtype = getattr(x.dtype, "numpy", x.dtype)
    if dtype.kind != "f":
        raise DTypeError(
            t("{name}() of {dtype} values: write x.float() first.", name=name, dtype=dtype.name)
        )


# ---- mean -----------------------------------------------------------------------------------


def _meanwindow_plan(name: str, x: Ints_, params: dict[str, Any]) -> tuple[dict[str, Any], Ints_]:
    kernel = params["kernel_size"]
    return window_plan(
        name, x, kernel, params["stride"], params["padding"], (1,) * len(kernel),
        params["ceil_mode"],
    )  # fmt: skip


def _divisor(F: Any, x: Any, geometry: dict[str, Any], params: dict[str, Any]) -> Any:
    """By what each window's sum is divided: a number, or one for each window of a plane.

    A window that hangs over the padded edge (ceil_mode) counts only what is inside.
    """
    if params.get("divisor_override"):
        return params["divisor_override"]
    window, pairs = geometry["window"], geometry["padding"]
    padding, counted = params["padding"], params["count_include_pad"]
    size = x.shape[-len(window) :]
    if all(high <= p and (counted or not p) for (_, high), p in zip(pairs, padding, strict=True)):
        return prod(window)
    if counted:
        size = tuple(s + 2 * p for s, p in zip(size, padding, strict=True))
        pairs = tuple((0, high - p) for (_, high), p in zip(pairs, padding, strict=True))
    return F.windows_sum(F.full(size, 1, x.dtype), **geometry | {"padding": pairs})


def _mean_params(n: int) -> dict[str, Any]:
    return {
        "kernel_size": Spatial(n),
        "stride": Optional(Spatial(n)),
        "padding": Spatial(n, 0, low=0),
        "ceil_mode": Bool(False),
        "count_include_pad": Bool(True),
    }


class _AvgPool(Op):
    math = "sum(x over the window) / n"
    saves = ()
    method = False
    card = Card(
        en="Each window becomes its mean. Backward, its elements share the gradient equally: "
        "1.2 over a 2×2 window gives 0.3 each.",
        zh="每个窗口取平均值。反向时窗口内各元素平分梯度：2×2 窗口上的 1.2 使每个元素得到 0.3。",
    )

    @classmethod
    def _run(cls, F: Any, x: Any, params: dict[str, Any]) -> Any:
        refuse_integers(cls.name, x)
        geometry, _ = _meanwindow_plan(cls.name, x.shape, params)
        return F.windows_sum(x, **geometry) / _divisor(F, x, geometry, params)

    @staticmethod
    def vjp(F, g, y, x, **params):
        n = len(params["kernel_size"])
        geometry, _ = _meanwindow_plan(f"avg_pool{n}d", x.shape, params)
        share = g / _divisor(F, x, geometry, params)
        return (F.windows_sum_adjoint(share, size=x.shape[-n:], **geometry),)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x = shapes["x"]
        _, out = _meanwindow_plan(f"avg_pool{len(params['kernel_size'])}d", x, params)
        return (*x[: -len(out)], *out)


@op
class AvgPool1d(_AvgPool):
    """The mean of each window of (N, C, L) or (C, L); L′ = ⌊(L + 2·padding − k)/stride⌋ + 1.

    `stride`: the window's size unless given. `ceil_mode`: ⌈ ⌉ instead, windows may hang over the
    edge. `count_include_pad`: padded zeros count as elements.
    """

    params = _mean_params(1)
    axes = {"x": IMAGES[1]}
    samples = (
        (((2, 3, 7),), {"kernel_size": 2}),
        (((3, 7),), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    )

    def forward(F, x, *, kernel_size, stride, padding, ceil_mode, count_include_pad):
        return AvgPool1d._run(
            F, x, dict(kernel_size=kernel_size, stride=stride, padding=padding,
                       ceil_mode=ceil_mode, count_include_pad=count_include_pad),
        )  # fmt: skip


@op
class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W) or (C, H, W); arguments as for avg_pool1d.

    `divisor_override`: divide each sum by this number instead of by the window's elements.

    >>> cr.nn.functional.avg_pool2d(cr.tensor([[[[1.0, 4.0], [3.0, 2.0]]]]), 2)
    tensor([[[[2.5000]]]])
    """

    params = _mean_params(2) | {"divisor_override": Optional(Int(low=1))}
    axes = {"x": IMAGES[2]}
    samples = (
        (((2, 3, 4, 6),), {"kernel_size": 2}),
        (((2, 3, 5, 6),), {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}),
        (((3, 7, 6),), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
        (((2, 2, 5, 5),), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
        (((2, 2, 4, 4),), {"kernel_size": 2, "divisor_override": 3}),
    )

    def forward(
        F, x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        return AvgPool2d._run(
            F, x, dict(kernel_size=kernel_size, stride=stride, padding=padding,
                       ceil_mode=ceil_mode, count_include_pad=count_include_pad,
                       divisor_override=divisor_override),
        )  # fmt: skip


@op
class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); arguments as for avg_pool2d."""

    autocast = "float32"
    params = _mean_params(3) | {"divisor_override": Optional(Int(low=1))}
    axes = {"x": IMAGES[3]}
    samples = (
        (((2, 2, 4, 3, 5),), {"kernel_size": 2, "ceil_mode": True}),
        (((2, 3, 4, 4),), {"kernel_size": (1, 2, 3), "padding": (0, 1, 1)}),
    )

    def forward(
        F, x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        return AvgPool3d._run(
            F, x, dict(kernel_size=kernel_size, stride=stride, padding=padding,
                       ceil_mode=ceil_mode, count_include_pad=count_include_pad,
                       divisor_override=divisor_override),
        )  # fmt: skip


# ---- p-norm ---------------------------------------------------------------------------------


class _LpPool(Op):
    math = "sum(x ^ p over the window) ^ (1 / p)"
    autocast = "float32"
    saves = ("x", "y")
    method = False
    domain = (0.2, 3.0)
    card = Card(
        en="The p-norm of each window: p = 1 sums, large p approaches the maximum.",
        zh="每个窗口的 p 范数：p = 1 为求和，p 越大越接近最大值。",
    )

    @staticmethod
    def _geometry(F: Any, x: Any, params: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        """The windows, and a factor that makes up for windows hanging over the edge."""
        whole = dict(padding=(0,) * len(params["kernel_size"]), count_include_pad=True)
        geometry, _ = _LpPool._plan(x.shape, params)
        return geometry, prod(geometry["window"]) / _divisor(F, x, geometry, params | whole)

    @staticmethod
    def _plan(x: Ints_, params: dict[str, Any]) -> tuple[dict[str, Any], Ints_]:
        kernel = params["kernel_size"]
        n = len(kernel)
        rest = (params["stride"], (0,) * n, (1,) * n, params["ceil_mode"])
        return window_plan(f"lp_pool{n}d", x, kernel, *rest)

    @staticmethod
    def forward(F, x, *, norm_type, kernel_size, stride, ceil_mode, absolute):
        refuse_integers("lp_pool", x)
        params = dict(kernel_size=kernel_size, stride=stride, ceil_mode=ceil_mode)
        geometry, factor = _LpPool._geometry(F, x, params)
        powers = F.pow(F.abs(x) if absolute else x, norm_type)
        return F.pow(F.windows_sum(powers, **geometry) * factor, 1.0 / norm_type)

    @staticmethod
    def vjp(F, g, y, x, *, norm_type, absolute, **params):
        geometry, factor = _LpPool._geometry(F, x, params)
        # At y = 0 there is no slope; PyTorch's convention is a gradient of 0.
        flat = F.equal(y, 0)
        outer = F.pow(F.where(flat, F.ones_like(y), y), 1.0 - norm_type)
        share = F.where(flat, F.zeros_like(y), g * outer * factor)
        inner = F.pow(F.abs(x) if absolute else x, norm_type - 1.0)
        inner = inner * F.sign(x) if absolute else inner
        size = x.shape[-len(params["kernel_size"]) :]
        return (F.windows_sum_adjoint(share, size=size, **geometry) * inner,)

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        x = shapes["x"]
        _, out = _LpPool._plan(x, params)
        return (*x[: -len(out)], *out)


def _lp_params(n: int) -> dict[str, Any]:
    return {
        "norm_type": Positive(),
        "kernel_size": Spatial(n),
        "stride": Optional(Spatial(n)),
        "ceil_mode": Bool(False),
        "absolute": Bool(False),
    }


@op
class LpPool1d(_LpPool):
    """(Σ x^p)^(1/p) over each window of (N, C, L) or (C, L).

    As in PyTorch, x keeps its sign, so that an odd p may meet a negative sum (NaN);
    `absolute=True` takes |x|^p, the norm of (3-17) in note 001.
    """

    params = _lp_params(1)
    axes = {"x": IMAGES[1]}
    forward = _LpPool.forward
    samples = ((((2, 3, 7),), {"norm_type": 2, "kernel_size": 2}),)


@op
class LpPool2d(_LpPool):
    """(Σ x^p)^(1/p) over each window of (N, C, H, W) or (C, H, W); see lp_pool1d."""

    params = _lp_params(2)
    axes = {"x": IMAGES[2]}
    forward = _LpPool.forward
    samples = (
        (((2, 3, 5, 6),), {"norm_type": 2, "kernel_size": (3, 2), "stride": 2}),
        (((3, 5, 6),), {"norm_type": 3.0, "kernel_size": 2, "ceil_mode": True, "absolute": True}),
    )


@op
class LpPool3d(_LpPool):
    """(Σ x^p)^(1/p) over each window of (N, C, D, H, W) or (C, D, H, W); see lp_pool1d."""

    params = _lp_params(3)
    axes = {"x": IMAGES[3]}
    forward = _LpPool.forward
    samples = ((((2, 2, 4, 3, 5),), {"norm_type": 2, "kernel_size": 2}),)

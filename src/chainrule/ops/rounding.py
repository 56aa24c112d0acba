"""Rounding, signs, and tests on values: functions that are flat wherever they have a slope."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Number, Optional
from chainrule.ops.op import Card, Elementwise, op

# ---- rounding -------------------------------------------------------------------------------


@op
class Sign(Elementwise):
    """−1, 0 or 1, and 0 for NaN; the gradient is 0 (`sign_ste` lets it through).

    >>> cr.sign(cr.tensor([-3.0, 0.0, 2.0]))
    tensor([-1.,  0.,  1.])
    """

    math = "sign(x)"
    saves = ()
    aliases = ("sgn",)
    card = Card(en="Only the direction; no gradient passes.", zh="只留方向；梯度为零。")

    def forward(F, x):
        if x.dtype.kind != "f":
            return F.sign(x)
        return F.where(F.isnan(x), F.zeros_like(x), F.sign(x))

    def vjp(F, g, y, x):
        return (F.zeros_like(g),)


@op
class Floor(Elementwise):
    """The largest integer not above x; the gradient is 0.

    >>> cr.floor(cr.tensor([1.7, -1.2]))
    tensor([ 1., -2.])
    """

    math = "floor(x)"
    saves = ()
    card = Card(en="Rounds down; flat between the steps.", zh="向下取整；台阶之间是平的。")

    def forward(F, x):
        return F.floor(x) if x.dtype.kind == "f" else x

    def vjp(F, g, y, x):
        return (F.zeros_like(g),)


@op
class Ceil(Elementwise):
    """The smallest integer not below x; the gradient is 0.

    >>> cr.ceil(cr.tensor([1.2, -1.7]))
    tensor([ 2., -1.])
    """

    math = "ceil(x)"
    saves = ()
    card = Card(en="Rounds up; flat between the steps.", zh="向上取整；台阶之间是平的。")

    def forward(F, x):
        return F.ceil(x) if x.dtype.kind == "f" else x

    def vjp(F, g, y, x):
        return (F.zeros_like(g),)


@op
class Round(Elementwise):
    """The nearest integer, ties to the even one; the gradient is 0."""

    math = "round(x)"
    saves = ()
    card = Card(
        en="Nearest integer; flat between the steps.", zh="四舍六入五成双；台阶之间是平的。"
    )

    def forward(F, x):
        return F.round(x) if x.dtype.kind == "f" else x

    def vjp(F, g, y, x):
        return (F.zeros_like(g),)


@op
class Trunc(Elementwise):
    """The integer part, towards zero; the gradient is 0."""

    math = "trunc(x)"
    saves = ()
    aliases = ("fix",)
    card = Card(en="Drops the fraction.", zh="去掉小数部分。")

    def forward(F, x):
        return F.trunc(x) if x.dtype.kind == "f" else x

    def vjp(F, g, y, x):
        return (F.zeros_like(g),)


@op
class Frac(Elementwise):
    """What stands after the point, with the sign of x."""

    math = "x - trunc(x)"
    saves = ()
    card = Card(en="A saw-tooth: slope 1 between the jumps.", zh="锯齿：跳变之间斜率为 1。")

    def forward(F, x):
        return x - F.trunc(x) if x.dtype.kind == "f" else F.zeros_like(x)

    def vjp(F, g, y, x):
        return (g,)


@op
class NanToNum(Elementwise):
    """NaN and the infinities replaced by numbers; those of None by the largest of the dtype."""

    math = "where(isnan(x), nan, x)"
    params = {
        "nan": Number(0.0, samples=(2.0,)),
        "posinf": Optional(Number(samples=(9.0,))),
        "neginf": Optional(Number(samples=(-9.0,))),
    }
    saves = ("x",)
    card = Card(
        en="Mends what has gone wrong; what is mended gets no gradient.",
        zh="修补出错的数值；被修补处没有梯度。",
    )

    def forward(F, x, *, nan, posinf, neginf):
        if x.dtype.kind != "f":
            return x
        most = float(np.finfo(getattr(x.dtype, "numpy", x.dtype)).max)
        y = F.where(F.equal(x, math.inf), most if posinf is None else posinf, x)
        y = F.where(F.equal(x, -math.inf), -most if neginf is None else neginf, y)
        return F.where(F.isnan(x), nan, y)

    def vjp(F, g, y, x, *, nan, posinf, neginf):
        return (F.where(F.isfinite(x), g, F.zeros_like(g)),)


# ---- degrees --------------------------------------------------------------------------------


@op
class Deg2rad(Elementwise):
    """Degrees as radians: x·π/180."""

    name = "deg2rad"
    math = "x * pi / 180"
    saves = ()
    dtypes = "float"
    card = Card(en="A full turn of 360 becomes 2π.", zh="一周 360 变为 2π。")

    def forward(F, x):
        return x * (math.pi / 180)

    def vjp(F, g, y, x):
        return (g * (math.pi / 180),)


@op
class Rad2deg(Elementwise):
    """Radians as degrees: x·180/π."""

    name = "rad2deg"
    math = "x * 180 / pi"
    saves = ()
    dtypes = "float"
    card = Card(en="A full turn of 2π becomes 360.", zh="一周 2π 变为 360。")

    def forward(F, x):
        return x * (180 / math.pi)

    def vjp(F, g, y, x):
        return (g * (180 / math.pi),)


# ---- tests on values ------------------------------------------------------------------------


def below_zero(F: Any, x: Any) -> Any:
    """Whether the sign is minus, also that of −0."""
    return F.bitwise_or(F.less(x, 0), F.bitwise_and(F.equal(x, 0), F.less(F.divide(1.0, x), 0)))


@op
class Signbit(Elementwise):
    """Whether the sign is minus, also that of −0."""

    differentiable = False
    inplace = False
    math = "x < 0"
    card = Card(en="Tells −0 from 0.", zh="能区分 −0 与 0。")

    def forward(F, x):
        return below_zero(F, x)


@op
class Isposinf(Elementwise):
    """Whether x is +inf."""

    differentiable = False
    inplace = False
    math = "isinf(x) & (x > 0)"
    card = Card(en="Finds what has overflowed upwards.", zh="找出向上溢出的值。")

    def forward(F, x):
        return F.equal(x, math.inf)


@op
class Isneginf(Elementwise):
    """Whether x is −inf."""

    differentiable = False
    inplace = False
    math = "isinf(x) & (x < 0)"
    card = Card(en="Finds what has overflowed downwards.", zh="找出向下溢出的值。")

    def forward(F, x):
        return F.equal(x, -math.inf)


@op
class Isnan(Elementwise):
    """Whether x is NaN.

    >>> cr.isnan(cr.tensor([1.0, cr.nan]))
    tensor([False,  True])
    """

    differentiable = False
    inplace = False
    math = "isnan(x)"
    card = Card(en="Finds what is not a number.", zh="找出非数（NaN）。")

    def forward(F, x):
        return F.isnan(x)


@op
class Isfinite(Elementwise):
    """Whether x is neither NaN nor infinite."""

    differentiable = False
    inplace = False
    math = "isfinite(x)"
    card = Card(en="True for ordinary numbers.", zh="普通数为真。")

    def forward(F, x):
        return F.isfinite(x)


@op
class Isinf(Elementwise):
    """Whether x is +inf or −inf."""

    differentiable = False
    inplace = False
    math = "isinf(x)"
    card = Card(en="Finds what has overflowed.", zh="找出溢出的值。")

    def forward(F, x):
        return F.equal(F.abs(x), math.inf)

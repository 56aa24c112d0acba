"""Rounding, signs, and tests on values: functions that are flat wherever they have a slope."""

from __future__ import annotations

import math

from chainrule.ops.op import Card, Elementwise, op

# ---- rounding and tests ---------------------------------------------------------------------


@op
class Sign(Elementwise):
    """−1, 0 or 1, and 0 for NaN; the gradient is 0 (`sign_ste` lets it through)."""

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
    """The largest integer not above x; the gradient is 0."""

    math = "floor(x)"
    saves = ()
    card = Card(en="Rounds down; flat between the steps.", zh="向下取整；台阶之间是平的。")

    def forward(F, x):
        return F.floor(x) if x.dtype.kind == "f" else x

    def vjp(F, g, y, x):
        return (F.zeros_like(g),)


@op
class Ceil(Elementwise):
    """The smallest integer not below x; the gradient is 0."""

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
class Isnan(Elementwise):
    """Whether x is NaN."""

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

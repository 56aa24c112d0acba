"""Inverse hyperbolic functions, written in log1p so that small arguments keep their digits."""

from __future__ import annotations

from chainrule.ops.op import Card, Elementwise, op


@op
class Asinh(Elementwise):
    """The number whose hyperbolic sine is x."""

    math = "log(x + sqrt(x^2 + 1))"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    edges = (-800.0, 0.0, 800.0)
    aliases = ("arcsinh",)
    card = Card(
        en="Linear near zero, logarithmic far out, on both sides.",
        zh="在零附近是线性的，远处像对数，两侧对称。",
    )

    def forward(F, x):
        # a²/(1 + √(1 + a²)), divided through by a, cannot overflow; at 0 the divisor is infinite.
        a = F.abs(x)
        r = 1.0 / a
        return F.sign(x) * F.log1p(a + a / (r + F.sqrt(r * r + 1)))

    def vjp(F, g, y, x):
        return (g * F.rsqrt(x * x + 1),)


@op
class Acosh(Elementwise):
    """The number ≥ 0 whose hyperbolic cosine is x; NaN below 1. Its slope is infinite at 1."""

    math = "log(x + sqrt(x^2 - 1))"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (1.2, 4.0)
    edges = (800.0,)
    aliases = ("arccosh",)
    card = Card(
        en="Inverse of the hyperbolic cosine on [0, ∞).",
        zh="双曲余弦在 [0, ∞) 上的反函数。",
    )

    def forward(F, x):
        # Two roots where x² − 1 would overflow and, near 1, lose digits.
        return F.log1p((x - 1) + F.sqrt(x - 1) * F.sqrt(x + 1))

    def vjp(F, g, y, x):
        return (g * F.rsqrt(x - 1) * F.rsqrt(x + 1),)


@op
class Atanh(Elementwise):
    """The number whose hyperbolic tangent is x; ±inf at ±1, NaN beyond."""

    math = "log((1 + x) / (1 - x)) / 2"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (-0.8, 0.8)
    edges = (0.0,)
    aliases = ("arctanh",)
    card = Card(
        en="Stretches (−1, 1) over all numbers; half the log-odds of (1 + x)/2.",
        zh="把 (−1, 1) 拉伸到整个实数轴；等于 (1 + x)/2 的对数几率的一半。",
    )

    def forward(F, x):
        a = F.abs(x)
        return 0.5 * F.sign(x) * F.log1p(2 * a / (1 - a))

    def vjp(F, g, y, x):
        return (g / ((1 - x) * (1 + x)),)

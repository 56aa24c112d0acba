"""Functions of two or three inputs beyond the four rules: blends, sums of logarithms, signs."""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.constraints import Number
from chainrule.ops.op import Card, Elementwise, op
from chainrule.ops.rounding import below_zero

_LN2 = math.log(2.0)

# ---- products added, blends -----------------------------------------------------------------


@op
class Lerp(Elementwise):
    """x + weight·(end − x): x at weight 0, end at weight 1."""

    math = "x + weight * (end - x)"
    dtypes = "float"
    domains = {"weight": (0.05, 0.95)}
    saves = {"x": ("weight",), "end": ("weight",), "weight": ("x", "end")}
    card = Card(
        en="Walks from one value to another; running averages are made of it.",
        zh="从一个值走向另一个值；滑动平均由它构成。",
    )

    def forward(F, x, end, weight):
        # From the nearer end, so that both ends are met exactly.
        step = end - x
        return F.where(F.less(F.abs(weight), 0.5), x + weight * step, end - step * (1 - weight))

    def vjp(F, g, y, x, end, weight):
        return lambda: g * (1 - weight), lambda: g * weight, lambda: g * (end - x)


@op
class Addcmul(Elementwise):
    """x + value·tensor1·tensor2."""

    math = "x + value * tensor1 * tensor2"
    params = {"value": Number(1, samples=(2,))}
    numbers = ("value",)
    saves = {"tensor1": ("tensor2",), "tensor2": ("tensor1",)}
    card = Card(
        en="A product added to a sum: what an optimiser's second moment does.",
        zh="把乘积加到和上：优化器的二阶矩即是如此。",
    )

    def forward(F, x, tensor1, tensor2, *, value):
        product = tensor1 * tensor2
        return x + (product if value == 1 else value * product)

    def vjp(F, g, y, x, tensor1, tensor2, *, value):
        return g, lambda: g * (value * tensor2), lambda: g * (value * tensor1)


@op
class Addcdiv(Elementwise):
    """x + value·tensor1/tensor2."""

    math = "x + value * tensor1 / tensor2"
    params = {"value": Number(1, samples=(0.5,))}
    dtypes = "float"
    domains = {"tensor2": (0.5, 3.0)}
    saves = {"tensor1": ("tensor2",), "tensor2": ("tensor1", "tensor2")}
    card = Card(
        en="A quotient added to a sum: the step of Adam, moment over root.",
        zh="把商加到和上：Adam 的一步，即动量除以平方根。",
    )

    def forward(F, x, tensor1, tensor2, *, value):
        ratio = tensor1 / tensor2
        return x + (ratio if value == 1 else value * ratio)

    def vjp(F, g, y, x, tensor1, tensor2, *, value):
        return (
            g,
            lambda: g * value / tensor2,
            lambda: -g * value * tensor1 / (tensor2 * tensor2),
        )


@op
class ClampMin(Elementwise):
    """x, at least min; where they are equal the gradient goes to x."""

    math = "max(x, min)"
    saves = ("x", "min")
    card = Card(en="A floor under the values.", zh="给数值一个下限。")

    def forward(F, x, min):
        return F.maximum(x, min)

    def vjp(F, g, y, x, min):
        kept = F.greater_equal(x, min)
        zero = F.zeros_like(g)
        return lambda: F.where(kept, g, zero), lambda: F.where(kept, zero, g)


@op
class ClampMax(Elementwise):
    """x, at most max; where they are equal the gradient goes to x."""

    math = "min(x, max)"
    saves = ("x", "max")
    card = Card(en="A ceiling over the values.", zh="给数值一个上限。")

    def forward(F, x, max):
        return F.minimum(x, max)

    def vjp(F, g, y, x, max):
        kept = F.less_equal(x, max)
        zero = F.zeros_like(g)
        return lambda: F.where(kept, g, zero), lambda: F.where(kept, zero, g)


# ---- logarithms and powers ------------------------------------------------------------------


@op
class Logaddexp(Elementwise):
    """ln(eˣ + eᵒ), without overflow."""

    math = "log(exp(x) + exp(o))"
    dtypes = "float"
    autocast = "float32"
    saves = ("x", "o")
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="A sum of probabilities kept as logarithms; each gets its softmax share of the "
        "gradient.",
        zh="以对数保存的概率之和；每一项得到 softmax 份额的梯度。",
    )

    def forward(F, x, o):
        return F.maximum(x, o) + F.log1p(F.exp(-F.abs(_gap(F, x, o))))

    def vjp(F, g, y, x, o):
        return lambda: g * F.sigmoid(_gap(F, x, o)), lambda: g * F.sigmoid(_gap(F, o, x))


def _gap(F: Any, x: Any, o: Any) -> Any:
    """x − o, and 0 where both are the same infinity."""
    gap = x - o
    return F.where(F.equal(x, o), F.zeros_like(gap), gap)


@op
class Logaddexp2(Elementwise):
    """log₂(2ˣ + 2ᵒ), without overflow."""

    math = "log2(2 ^ x + 2 ^ o)"
    dtypes = "float"
    autocast = "float32"
    saves = ("x", "o")
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="logaddexp in bits: sums probabilities kept as base-2 logarithms.",
        zh="以比特计的 logaddexp：对以 2 为底的对数概率求和。",
    )

    def forward(F, x, o):
        return F.maximum(x, o) + F.log1p(F.exp2(-F.abs(_gap(F, x, o)))) * (1 / _LN2)

    def vjp(F, g, y, x, o):
        return (
            lambda: g * F.sigmoid(_LN2 * _gap(F, x, o)),
            lambda: g * F.sigmoid(_LN2 * _gap(F, o, x)),
        )


@op
class Xlogy(Elementwise):
    """x·ln o, and 0 wherever x is 0 (unless o is NaN)."""

    math = "x * log(o)"
    dtypes = "float"
    autocast = "float32"
    domains = {"o": (0.3, 3.0)}
    saves = ("x", "o")
    card = Card(
        en="The term of an entropy: what does not happen costs nothing.",
        zh="熵的一项：不发生的事没有代价。",
    )

    def forward(F, x, o):
        product = x * F.log(o)
        none = F.bitwise_and(F.equal(x, 0), F.bitwise_invert(F.isnan(o)))
        return F.where(none, F.zeros_like(product), product)

    def vjp(F, g, y, x, o):
        def first():
            none = F.bitwise_and(F.equal(x, 0), F.less_equal(o, 0))
            return F.where(none, F.zeros_like(g), g * F.log(o))

        return first, lambda: g * x / o


@op
class Ldexp(Elementwise):
    """x·2ᵒ."""

    math = "x * 2 ^ o"
    dtypes = "float"
    saves = {"x": ("o",), "o": ("y",)}
    card = Card(en="Moves the binary point by o places.", zh="把二进制小数点移动 o 位。")

    def forward(F, x, o):
        return x * F.exp2(o)

    def vjp(F, g, y, x, o):
        return lambda: g * F.exp2(o), lambda: g * y * _LN2


@op
class Hypot(Elementwise):
    """√(x² + o²), without overflow; at (0, 0) the gradient is 0."""

    math = "sqrt(x ^ 2 + o ^ 2)"
    dtypes = "float"
    edges = (0.0,)
    card = Card(
        en="The long side of a right triangle; its gradient points away from the origin.",
        zh="直角三角形的斜边；梯度指向远离原点的方向。",
    )

    def forward(F, x, o):
        a, b = F.abs(x), F.abs(o)
        most, least = F.maximum(a, b), F.minimum(a, b)
        endless = F.bitwise_or(F.equal(a, math.inf), F.equal(b, math.inf))
        plain = F.bitwise_or(F.equal(most, 0), endless)
        ratio = least / F.where(plain, F.ones_like(most), most)
        return F.where(endless, math.inf, most * F.sqrt(1 + ratio * ratio))

    def vjp(F, g, y, x, o):
        zero = F.equal(y, 0)
        unit = F.where(zero, F.zeros_like(g), g / F.where(zero, F.ones_like(y), y))
        return lambda: unit * x, lambda: unit * o


# ---- signs, remainders, the larger ----------------------------------------------------------


@op
class Copysign(Elementwise):
    """|x| with the sign of o, also that of −0."""

    math = "abs(x) * sign(o)"
    dtypes = "float"
    saves = ("x", "o")
    card = Card(en="One number's size, another's direction.", zh="取一个数的大小、另一个数的方向。")

    def forward(F, x, o):
        size = F.abs(x)
        return F.where(below_zero(F, o), -size, size)

    def vjp(F, g, y, x, o):
        turned = g * F.sign(x)
        return F.where(below_zero(F, o), -turned, turned), lambda: F.zeros_like(g)


@op
class Fmod(Elementwise):
    """What is left of x after division by o, rounded towards zero: it has the sign of x."""

    math = "x - o * trunc(x / o)"
    domain = (0.1, 0.9)
    domains = {"o": (1.0, 1.4)}
    saves = ("x", "o")
    card = Card(
        en="The remainder of C; x's gradient passes, o's counts the whole steps.",
        zh="C 语言的余数；x 的梯度原样通过，o 的梯度按整步数计。",
    )

    def forward(F, x, o):
        rest = F.remainder(F.abs(x), F.abs(o))
        return F.where(F.less(x, 0), -rest, rest)

    def vjp(F, g, y, x, o):
        return g, lambda: -g * F.trunc(x / o)


@op
class Fmax(Elementwise):
    """The larger of two; a number wins against NaN. A tie gives the gradient to x."""

    math = "max(x, o)"
    saves = ("x", "o")
    card = Card(en="The maximum that ignores missing values.", zh="忽略缺失值的最大值。")

    def forward(F, x, o):
        return F.where(F.isnan(x), o, F.where(F.isnan(o), x, F.maximum(x, o)))

    def vjp(F, g, y, x, o):
        first = F.bitwise_or(F.greater_equal(x, o), F.isnan(o))
        zero = F.zeros_like(g)
        return lambda: F.where(first, g, zero), lambda: F.where(first, zero, g)


@op
class Fmin(Elementwise):
    """The smaller of two; a number wins against NaN. A tie gives the gradient to x."""

    math = "min(x, o)"
    saves = ("x", "o")
    card = Card(en="The minimum that ignores missing values.", zh="忽略缺失值的最小值。")

    def forward(F, x, o):
        return F.where(F.isnan(x), o, F.where(F.isnan(o), x, F.minimum(x, o)))

    def vjp(F, g, y, x, o):
        first = F.bitwise_or(F.less_equal(x, o), F.isnan(o))
        zero = F.zeros_like(g)
        return lambda: F.where(first, g, zero), lambda: F.where(first, zero, g)


@op
class Heaviside(Elementwise):
    """0 below 0, 1 above, and `values` at 0."""

    differentiable = False
    math = "where(x == 0, values, where(x < 0, 0, 1))"
    card = Card(en="The unit step.", zh="单位阶跃函数。")

    def forward(F, x, values):
        step = F.astype(F.less(0, x), x.dtype)
        return F.where(F.equal(x, 0), values, step)

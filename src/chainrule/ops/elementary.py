"""Elementary functions of one variable."""

from __future__ import annotations

import math

from chainrule.ops.op import Card, Elementwise, op

_LN2, _LN10 = math.log(2.0), math.log(10.0)

# ---- exponentials, logarithms, roots --------------------------------------------------------


@op
class Exp(Elementwise):
    """e to the power x.

    >>> cr.exp(cr.tensor([0.0, -cr.inf]))
    tensor([1., 0.])
    """

    math = "exp(x)"
    saves = ("y",)
    dtypes = "float"
    autocast = "float32"
    card = Card(
        en="Its own derivative: the gradient times its output.", zh="导数等于自身：梯度乘以输出。"
    )

    def forward(F, x):
        return F.exp(x)

    def vjp(F, g, y, x):
        return (g * y,)


@op
class Exp2(Elementwise):
    """2 to the power x."""

    math = "2 ^ x"
    saves = ("y",)
    dtypes = "float"
    autocast = "float32"
    card = Card(
        en="Doubling per unit; slope ln 2 times its value.", zh="每单位翻倍；斜率为 ln 2 乘以自身。"
    )

    def forward(F, x):
        return F.exp2(x)

    def vjp(F, g, y, x):
        return (g * y * _LN2,)


@op
class Expm1(Elementwise):
    """e^x − 1, exact also near 0."""

    math = "exp(x) - 1"
    saves = ("y",)
    dtypes = "float"
    autocast = "float32"
    card = Card(
        en="exp without the loss of digits near zero.", zh="在零附近不丢失精度的 exp(x)−1。"
    )

    def forward(F, x):
        return F.expm1(x)

    def vjp(F, g, y, x):
        return (g * (y + 1),)


@op
class Log(Elementwise):
    """The natural logarithm; −inf at 0, NaN below.

    >>> cr.log(cr.tensor([1.0, 0.0]))
    tensor([  0., -inf])
    """

    math = "log(x)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (0.2, 4.0)
    card = Card(en="The log gate: the gradient divided by the input.", zh="对数门：梯度除以输入。")

    def forward(F, x):
        return F.log(x)

    def vjp(F, g, y, x):
        return (g / x,)


@op
class Log2(Elementwise):
    """The logarithm to base 2."""

    math = "log(x) / log(2)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (0.2, 4.0)
    card = Card(en="Counts doublings; bits of information.", zh="数翻倍的次数；信息的比特数。")

    def forward(F, x):
        return F.log2(x)

    def vjp(F, g, y, x):
        return (g / (x * _LN2),)


@op
class Log10(Elementwise):
    """The logarithm to base 10."""

    math = "log(x) / log(10)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (0.2, 4.0)
    card = Card(en="Counts decimal orders of magnitude.", zh="数十进制的数量级。")

    def forward(F, x):
        return F.log10(x)

    def vjp(F, g, y, x):
        return (g / (x * _LN10),)


@op
class Log1p(Elementwise):
    """ln(1 + x), exact also near 0."""

    math = "log(1 + x)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (-0.7, 3.0)
    edges = (0.0,)
    card = Card(en="log without the loss of digits near one.", zh="在 1 附近不丢失精度的对数。")

    def forward(F, x):
        return F.log1p(x)

    def vjp(F, g, y, x):
        return (g / (1 + x),)


@op
class Sqrt(Elementwise):
    """The square root; its slope is infinite at 0.

    >>> cr.sqrt(cr.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """

    math = "sqrt(x)"
    saves = ("y",)
    dtypes = "float"
    domain = (0.2, 4.0)
    card = Card(en="Slope 1/(2√x): steep near zero.", zh="斜率 1/(2√x)：在零附近很陡。")

    def forward(F, x):
        return F.sqrt(x)

    def vjp(F, g, y, x):
        return (g / (2 * y),)


@op
class Rsqrt(Elementwise):
    """1 / √x."""

    math = "1 / sqrt(x)"
    saves = ("y",)
    dtypes = "float"
    autocast = "float32"
    domain = (0.3, 4.0)
    card = Card(en="What normalisation multiplies by.", zh="归一化所乘的因子。")

    def forward(F, x):
        return F.divide(1.0, F.sqrt(x))

    def vjp(F, g, y, x):
        return (-0.5 * g * y * y * y,)


# ---- circular and hyperbolic ----------------------------------------------------------------


@op
class Sin(Elementwise):
    """The sine of x in radians.

    >>> cr.sin(cr.tensor([0.0]))
    tensor([0.])
    """

    math = "sin(x)"
    saves = ("x",)
    dtypes = "float"
    card = Card(en="A wave; its slope is the cosine.", zh="正弦波；斜率是余弦。")

    def forward(F, x):
        return F.sin(x)

    def vjp(F, g, y, x):
        return (g * F.cos(x),)


@op
class Cos(Elementwise):
    """The cosine of x in radians."""

    math = "cos(x)"
    saves = ("x",)
    dtypes = "float"
    card = Card(en="A wave; its slope is minus the sine.", zh="余弦波；斜率是负的正弦。")

    def forward(F, x):
        return F.cos(x)

    def vjp(F, g, y, x):
        return (-g * F.sin(x),)


@op
class Tan(Elementwise):
    """The tangent of x in radians."""

    math = "tan(x)"
    saves = ("y",)
    dtypes = "float"
    autocast = "float32"
    domain = (-1.2, 1.2)
    card = Card(
        en="Slope 1 + tan²: grows without bound at ±π/2.", zh="斜率 1 + tan²：在 ±π/2 处发散。"
    )

    def forward(F, x):
        return F.tan(x)

    def vjp(F, g, y, x):
        return (g * (1 + y * y),)


@op
class Asin(Elementwise):
    """The angle whose sine is x; NaN outside [−1, 1]."""

    math = "asin(x)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (-0.8, 0.8)
    aliases = ("arcsin",)
    card = Card(en="Inverse of the sine on [−π/2, π/2].", zh="正弦在 [−π/2, π/2] 上的反函数。")

    def forward(F, x):
        return F.arcsin(x)

    def vjp(F, g, y, x):
        return (g * F.rsqrt(1 - x * x),)


@op
class Acos(Elementwise):
    """The angle whose cosine is x; NaN outside [−1, 1]."""

    math = "acos(x)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    domain = (-0.8, 0.8)
    aliases = ("arccos",)
    card = Card(en="Inverse of the cosine on [0, π].", zh="余弦在 [0, π] 上的反函数。")

    def forward(F, x):
        return F.arccos(x)

    def vjp(F, g, y, x):
        return (-g * F.rsqrt(1 - x * x),)


@op
class Atan(Elementwise):
    """The angle whose tangent is x."""

    math = "atan(x)"
    saves = ("x",)
    dtypes = "float"
    aliases = ("arctan",)
    card = Card(
        en="Inverse of the tangent; slope 1/(1 + x²).", zh="正切的反函数；斜率 1/(1 + x²)。"
    )

    def forward(F, x):
        return F.arctan(x)

    def vjp(F, g, y, x):
        return (g / (1 + x * x),)


@op
class Sinh(Elementwise):
    """The hyperbolic sine."""

    math = "sinh(x)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    card = Card(en="Half the difference of eˣ and e⁻ˣ.", zh="eˣ 与 e⁻ˣ 之差的一半。")

    def forward(F, x):
        return F.sinh(x)

    def vjp(F, g, y, x):
        return (g * F.cosh(x),)


@op
class Cosh(Elementwise):
    """The hyperbolic cosine."""

    math = "cosh(x)"
    saves = ("x",)
    dtypes = "float"
    autocast = "float32"
    card = Card(en="Half the sum of eˣ and e⁻ˣ.", zh="eˣ 与 e⁻ˣ 之和的一半。")

    def forward(F, x):
        return F.cosh(x)

    def vjp(F, g, y, x):
        return (g * F.sinh(x),)


@op
class Erf(Elementwise):
    """The error function, 2/√π ∫₀ˣ exp(−t²) dt."""

    math = "erf(x)"
    saves = ("x",)
    dtypes = "float"
    edges = (-800.0, 0.0, 800.0)
    card = Card(
        en="The normal distribution's S-curve; GELU is built on it.",
        zh="正态分布的 S 形曲线；GELU 以它为基础。",
    )

    def forward(F, x):
        return F.erf(x)

    def vjp(F, g, y, x):
        return (g * F.exp(-x * x) * (2 / math.sqrt(math.pi)),)

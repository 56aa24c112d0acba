"""Arithmetic: the gates of the notes (add, mul, max, exp, log, reciprocal, scale, shift, power)."""

from __future__ import annotations

from chainrule.base.constraints import Number, Optional
from chainrule.ops.op import Card, Elementwise, op

# ---- two inputs -----------------------------------------------------------------------------


@op
class Add(Elementwise):
    """The sum of two tensors: `add(x, o)`, `x + o`."""

    math = "x + o"
    saves = ()
    dunder = ("__add__",)
    card = Card(
        en="The add gate hands the incoming gradient to both inputs unchanged.",
        zh="加法门把传入的梯度原样分给两个输入。",
    )

    def forward(F, x, o):
        return F.add(x, o)

    def vjp(F, g, y, x, o):
        return g, g


@op
class Subtract(Elementwise):
    """The difference of two tensors: `x - o`."""

    name = "subtract"
    math = "x - o"
    saves = ()
    aliases = ("sub",)
    dunder = ("__sub__",)
    card = Card(
        en="Like the add gate, with the sign of the second gradient turned.",
        zh="与加法门相同，只是第二个输入的梯度变号。",
    )

    def forward(F, x, o):
        return F.subtract(x, o)

    def vjp(F, g, y, x, o):
        return g, lambda: -g


@op
class Multiply(Elementwise):
    """The product of two tensors, element by element: `x * o`.

    >>> cr.mul(cr.tensor([[1.0], [2.0]]), cr.tensor([10.0, 20.0]))
    tensor([[10., 20.],
            [20., 40.]])
    """

    math = "x * o"
    saves = {"x": ("o",), "o": ("x",)}
    aliases = ("mul",)
    dunder = ("__mul__",)
    card = Card(
        en="The multiply gate swaps its inputs: each gets the gradient times the other.",
        zh="乘法门交换输入：每个输入得到梯度乘以另一个输入。",
    )

    def forward(F, x, o):
        return F.multiply(x, o)

    def vjp(F, g, y, x, o):
        return lambda: g * o, lambda: g * x


@op
class Divide(Elementwise):
    """The quotient of two tensors; integers divide to floats: `x / o`."""

    math = "x / o"
    saves = {"x": ("o",), "o": ("x", "o")}
    dtypes = "float"
    aliases = ("div", "true_divide")
    dunder = ("__truediv__",)
    domains = {"o": (0.5, 3.0)}
    card = Card(
        en="Multiplication by the reciprocal; the divisor's gradient is -x/o² times g.",
        zh="乘以倒数；除数的梯度是 -x/o² 乘以 g。",
    )

    def forward(F, x, o):
        return F.divide(x, o)

    def vjp(F, g, y, x, o):
        return lambda: g / o, lambda: -g * x / (o * o)


@op
class FloorDivide(Elementwise):
    """The quotient rounded down: `x // o`."""

    math = "floor(x / o)"
    saves = ()
    dunder = ("__floordiv__",)
    domains = {"o": (0.5, 3.0)}
    card = Card(
        en="Whole steps only: its slope is zero wherever it has one.",
        zh="只取整数部分：凡可导处斜率都为零。",
    )

    def forward(F, x, o):
        return F.floor_divide(x, o)

    def vjp(F, g, y, x, o):
        return lambda: F.zeros_like(g), lambda: F.zeros_like(g)


@op
class Remainder(Elementwise):
    """What is left after floor division, with the divisor's sign: `x % o`."""

    math = "x - o * floor(x / o)"
    saves = ("x", "o")
    dunder = ("__mod__",)
    domain = (0.1, 0.9)
    domains = {"o": (1.0, 1.4)}
    card = Card(
        en="Passes the gradient of x through; steps at multiples of o.",
        zh="x 的梯度原样通过；在 o 的整数倍处跳变。",
    )

    def forward(F, x, o):
        return F.remainder(x, o)

    def vjp(F, g, y, x, o):
        return g, lambda: -g * F.floor(x / o)


@op
class Pow(Elementwise):
    """x to the power o: `x ** o`.

    >>> cr.pow(cr.tensor([2.0, 3.0]), 2)
    tensor([4., 9.])
    """

    math = "x ^ o"
    dunder = ("__pow__",)
    autocast = "float32"
    domain = (0.3, 2.0)
    card = Card(
        en="The power gate: o·xᵒ⁻¹ times g for the base, xᵒ·ln x times g for the exponent.",
        zh="幂门：底数得到 o·xᵒ⁻¹ 乘 g，指数得到 xᵒ·ln x 乘 g。",
    )

    def forward(F, x, o):
        return _power(F, x, o)

    def vjp(F, g, y, x, o):
        # 0 · x⁻¹ would be NaN at x = 0, and 0ᵒ · ln 0 too; both limits are 0.
        def base():
            if isinstance(o, int | float):
                return F.zeros_like(x) if o == 0 else g * (o * _power(F, x, o - 1))
            return g * F.where(F.equal(o, 0), F.zeros_like(y), o * F.pow(x, o - 1))

        def exponent():
            zero = F.equal(x, 0)
            return g * F.where(zero, F.zeros_like(y), y * F.log(F.where(zero, F.ones_like(y), x)))

        return base, exponent


def _power(F, x, o):
    """x to the power o; the usual exponents by multiplication, hundreds of times faster."""
    if o.__class__ in (int, float):
        if o == 1:
            return F.multiply(x, 1)
        if o == 2:
            return F.multiply(x, x)
        if o == 3:
            return F.multiply(F.multiply(x, x), x)
    return F.pow(x, o)


@op
class Maximum(Elementwise):
    """The larger of two tensors, element by element; NaN wins.

    >>> cr.maximum(cr.tensor([1.0, 5.0]), cr.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """

    math = "max(x, o)"
    saves = ("x", "o")
    card = Card(
        en="The max gate routes the gradient to the larger input; a tie shares it equally.",
        zh="最大值门把梯度送给较大的输入；相等时平分。",
    )

    def forward(F, x, o):
        return F.maximum(x, o)

    def vjp(F, g, y, x, o):
        return lambda: g * _share(F, o, x), lambda: g * _share(F, x, o)


@op
class Minimum(Elementwise):
    """The smaller of two tensors, element by element; NaN wins.

    >>> cr.minimum(cr.tensor([1.0, 5.0]), cr.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """

    math = "min(x, o)"
    saves = ("x", "o")
    card = Card(
        en="Routes the gradient to the smaller input; a tie shares it equally.",
        zh="把梯度送给较小的输入；相等时平分。",
    )

    def forward(F, x, o):
        return F.minimum(x, o)

    def vjp(F, g, y, x, o):
        return lambda: g * _share(F, x, o), lambda: g * _share(F, o, x)


def _share(F, smaller, larger):
    """1 where smaller < larger, ½ where equal: what the larger side of a maximum gets."""
    dtype = smaller.dtype if hasattr(smaller, "dtype") else larger.dtype
    less = F.astype(F.less(smaller, larger), dtype)
    return less + 0.5 * F.astype(F.equal(smaller, larger), dtype)


@op
class Atan2(Elementwise):
    """The angle of the point (o, x), from -π to π."""

    math = "atan2(x, o)"
    dtypes = "float"
    saves = ("x", "o")
    domains = {"o": (0.5, 3.0)}
    aliases = ("arctan2",)
    card = Card(
        en="The angle seen from the origin; its gradient turns around the origin.",
        zh="从原点看去的角度；梯度绕原点旋转。",
    )

    def forward(F, x, o):
        return F.atan2(x, o)

    def vjp(F, g, y, x, o):
        return lambda: g * o / (x * x + o * o), lambda: -g * x / (x * x + o * o)


# ---- one input ------------------------------------------------------------------------------


@op
class Negative(Elementwise):
    """-x.

    >>> cr.neg(cr.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """

    math = "-x"
    saves = ()
    aliases = ("neg",)
    dunder = ("__neg__",)
    card = Card(en="Turns the sign, forward and backward.", zh="前向与反向都变号。")

    def forward(F, x):
        return F.negative(x)

    def vjp(F, g, y, x):
        return (-g,)


@op
class Abs(Elementwise):
    """|x|. At 0 the gradient is 0.

    >>> cr.abs(cr.tensor([-2.0, 0.5]))
    tensor([2.0000, 0.5000])
    """

    math = "abs(x)"
    saves = ("x",)
    aliases = ("absolute",)
    dunder = ("__abs__",)
    edges = (0.0,)
    card = Card(
        en="The distance from zero: passes the gradient with the sign of x.",
        zh="到零的距离：梯度乘以 x 的符号。",
    )

    def forward(F, x):
        return F.abs(x)

    def vjp(F, g, y, x):
        return (g * F.sign(x),)


@op
class Reciprocal(Elementwise):
    """1 / x.

    >>> cr.reciprocal(cr.tensor([2.0, 4.0]))
    tensor([0.5000, 0.2500])
    """

    math = "1 / x"
    saves = ("y",)
    dtypes = "float"
    autocast = "float32"
    domain = (0.4, 3.0)
    card = Card(
        en="The reciprocal gate: the gradient is multiplied by -1/x².",
        zh="倒数门：梯度乘以 -1/x²。",
    )

    def forward(F, x):
        return F.divide(1.0, x)

    def vjp(F, g, y, x):
        return (-g * y * y,)


@op
class Square(Elementwise):
    """x².

    >>> cr.square(cr.tensor([-3.0, 2.0]))
    tensor([9., 4.])
    """

    math = "x ^ 2"
    saves = ("x",)
    card = Card(en="The slope is 2x: far values pull harder.", zh="斜率为 2x：越远拉力越大。")

    def forward(F, x):
        return F.multiply(x, x)

    def vjp(F, g, y, x):
        return (2 * g * x,)


@op
class Clamp(Elementwise):
    """x limited to [min, max]; outside, the gradient is 0, at the ends it passes."""

    math = "min(max(x, min), max)"
    params = {"min": Optional(Number(samples=(-1.0,))), "max": Optional(Number(samples=(1.0,)))}
    numbers = ("min", "max")
    saves = ("x",)
    aliases = ("clip",)
    card = Card(
        en="Holds values within limits; what is clipped gets no gradient.",
        zh="把数值限制在区间内；被截断的部分没有梯度。",
    )

    def forward(F, x, *, min, max):
        y = x if min is None else F.maximum(x, min)
        return y if max is None else F.minimum(y, max)

    def vjp(F, g, y, x, *, min, max):
        inside = F.equal(x, x)
        if min is not None:
            inside = F.bitwise_and(inside, F.greater_equal(x, min))
        if max is not None:
            inside = F.bitwise_and(inside, F.less_equal(x, max))
        return (F.where(inside, g, F.zeros_like(g)),)

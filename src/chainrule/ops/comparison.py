"""Comparisons, logic, and choosing between values."""

from __future__ import annotations

from chainrule.ops.op import Card, Elementwise, op


class _Comparison(Elementwise):
    differentiable = False


@op
class Equal(_Comparison):
    """Whether x = o, element by element."""

    name = "eq"
    math = "x == o"
    dunder = ("__eq__",)
    card = Card(en="True where both are the same number.", zh="两数相等处为真。")

    def forward(F, x, o):
        return F.equal(x, o)


@op
class NotEqual(_Comparison):
    """Whether x ≠ o."""

    name = "ne"
    math = "x != o"
    aliases = ("not_equal",)
    dunder = ("__ne__",)
    card = Card(
        en="True where they differ; NaN differs from itself.", zh="不相等处为真；NaN 与自身不相等。"
    )

    def forward(F, x, o):
        return F.not_equal(x, o)


@op
class Less(_Comparison):
    """Whether x < o."""

    name = "lt"
    math = "x < o"
    aliases = ("less",)
    dunder = ("__lt__",)
    card = Card(en="True where x is smaller.", zh="x 较小处为真。")

    def forward(F, x, o):
        return F.less(x, o)


@op
class LessEqual(_Comparison):
    """Whether x ≤ o."""

    name = "le"
    math = "x <= o"
    aliases = ("less_equal",)
    dunder = ("__le__",)
    card = Card(en="True where x is not larger.", zh="x 不大于 o 处为真。")

    def forward(F, x, o):
        return F.less_equal(x, o)


@op
class Greater(_Comparison):
    """Whether x > o."""

    name = "gt"
    math = "x > o"
    aliases = ("greater",)
    dunder = ("__gt__",)
    card = Card(en="True where x is larger.", zh="x 较大处为真。")

    def forward(F, x, o):
        return F.greater(x, o)


@op
class GreaterEqual(_Comparison):
    """Whether x ≥ o."""

    name = "ge"
    math = "x >= o"
    aliases = ("greater_equal",)
    dunder = ("__ge__",)
    card = Card(en="True where x is not smaller.", zh="x 不小于 o 处为真。")

    def forward(F, x, o):
        return F.greater_equal(x, o)


@op
class LogicalNot(_Comparison):
    """Whether x is zero (False)."""

    math = "not x"
    card = Card(en="Turns truth around.", zh="取反。")

    def forward(F, x):
        return F.equal(x, 0)


@op
class LogicalAnd(_Comparison):
    """Whether both are non-zero."""

    math = "x and o"
    card = Card(en="True where both are.", zh="两者皆真处为真。")

    def forward(F, x, o):
        return F.bitwise_and(F.not_equal(x, 0), F.not_equal(o, 0))


@op
class LogicalOr(_Comparison):
    """Whether at least one is non-zero."""

    math = "x or o"
    card = Card(en="True where one is.", zh="至少一个为真处为真。")

    def forward(F, x, o):
        return F.bitwise_or(F.not_equal(x, 0), F.not_equal(o, 0))


@op
class LogicalXor(_Comparison):
    """Whether exactly one is non-zero."""

    math = "x xor o"
    card = Card(en="True where exactly one is.", zh="恰有一个为真处为真。")

    def forward(F, x, o):
        return F.bitwise_xor(F.not_equal(x, 0), F.not_equal(o, 0))


class _Bits(Elementwise):
    differentiable = False
    domain = (0, 8)


@op
class BitwiseInvert(_Bits):
    """Every bit turned; `~x`. On booleans: not."""

    name = "bitwise_invert"
    math = "~x"
    aliases = ("bitwise_not",)
    dunder = ("__invert__",)
    card = Card(en="Turns every bit; on booleans, not.", zh="按位取反；对布尔值即非。")

    def forward(F, x):
        return F.bitwise_invert(x)


@op
class BitwiseAnd(_Bits):
    """`x & o`."""

    math = "x & o"
    dunder = ("__and__",)
    card = Card(en="Bits set in both; on booleans, and.", zh="按位与；对布尔值即且。")

    def forward(F, x, o):
        return F.bitwise_and(x, o)


@op
class BitwiseOr(_Bits):
    """`x | o`."""

    math = "x | o"
    dunder = ("__or__",)
    card = Card(en="Bits set in either; on booleans, or.", zh="按位或；对布尔值即或。")

    def forward(F, x, o):
        return F.bitwise_or(x, o)


@op
class BitwiseXor(_Bits):
    """`x ^ o`."""

    math = "x xor o"
    dunder = ("__xor__",)
    card = Card(en="Bits set in exactly one.", zh="按位异或。")

    def forward(F, x, o):
        return F.bitwise_xor(x, o)


@op
class BitwiseLeftShift(_Bits):
    """`x << o`: x·2ᵒ."""

    math = "x * 2 ^ o"
    dunder = ("__lshift__",)
    card = Card(en="Moves the bits up by o places.", zh="把各位向高位移动 o 位。")

    def forward(F, x, o):
        return x * F.pow(2, o)


@op
class BitwiseRightShift(_Bits):
    """`x >> o`: x/2ᵒ, rounded down."""

    math = "floor(x / 2 ^ o)"
    dunder = ("__rshift__",)
    card = Card(en="Moves the bits down by o places.", zh="把各位向低位移动 o 位。")

    def forward(F, x, o):
        return F.floor_divide(x, F.pow(2, o))


@op
class Where(Elementwise):
    """x where condition holds, else o."""

    math = "where(condition, x, o)"
    integers = ("condition",)
    saves = ("condition",)
    method = False
    inplace = False
    card = Card(
        en="A switch: each element's gradient goes to the input it came from.",
        zh="开关：每个元素的梯度回到它所来自的输入。",
    )

    def forward(F, condition, x, o):
        return F.where(condition, x, o)

    def vjp(F, g, y, condition, x, o):
        # Multiplying by the mask would turn an infinite gradient of the other branch into NaN.
        return (
            None,
            lambda: F.where(condition, g, F.zeros_like(g)),
            lambda: F.where(condition, F.zeros_like(g), g),
        )

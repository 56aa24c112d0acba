"""Comparisons, logic, rounding, and what mends numbers."""

from chainrule.explain.cards.sheet import Sheet, Step, step, told


def _of(use: tuple[str, str], trouble: tuple[str, str], *steps: Step, **fields: object) -> Sheet:
    return told(use, trouble, steps=steps, **fields)  # type: ignore[arg-type]


def _flat(use: tuple[str, str], trouble: tuple[str, str], **fields: object) -> Sheet:
    """A step function: the gradient is 0."""
    line = step(r"y(x + h) = y(x) \text{ for small } h \Rightarrow \frac{dy}{dx} = 0",
                "Between the jumps:", "在跳变之间：")  # fmt: skip
    return told(use, trouble, steps=(line,), rule="zero", **fields)  # type: ignore[arg-type]


def _asks(use: tuple[str, str], trouble: tuple[str, str] | None = None, **fields: object) -> Sheet:
    """A question: the answer is true or false."""
    own = trouble or ("No gradient passes: a net cannot learn through it. Multiply by its result, "
                      "or use where, and the gradient takes the other way.",
                      "没有梯度通过，网络无法穿过它学习。"
                      "可与结果相乘或用 where，让梯度走另一路。")  # fmt: skip
    return told(use, own, rule="none", **fields)  # type: ignore[arg-type]


_EQUAL = (
    "Rounded numbers are seldom equal: compare with isclose.",
    "有舍入误差的数很少恰好相等：请用 isclose 比较。",
)
_ORDER = (
    "False where either is NaN; no gradient passes.",
    "有 NaN 时为假；没有梯度通过。",
)
_LOGIC = (
    "Every number except 0 counts as true, NaN too.",
    "非零（包括 NaN）一律视为真。",
)
_BITS = (
    "For integers and booleans only; on booleans it is logic.",
    "只用于整数和布尔值；对布尔值就是逻辑运算。",
)

SHEETS: dict[str, Sheet] = {
    "sign": _flat(
        ("Directions: sign descent, binarised nets.", "方向：符号下降、二值化网络。"),
        (
            "0 at 0; nothing learns through it (sign_ste does).",
            "0 处为 0；无法穿过它学习（可用 sign_ste）。",
        ),
        related="sign_ste abs",
        note="001 三 C",
    ),
    "floor": _flat(
        ("Indices, quantisation.", "下标、量化。"),
        ("Rounds down, also negative numbers.", "向下取整，负数亦然。"),
        related="ceil trunc round",
    ),
    "ceil": _flat(
        ("How many windows fit: ⌈(W − F + 1)/S⌉.", "能放下多少窗口：⌈(W − F + 1)/S⌉。"),
        ("Rounds up, also negative numbers.", "向上取整，负数亦然。"),
        related="floor",
    ),
    "round": _flat(
        ("Quantisation.", "量化。"),
        ("Halves go to the even neighbour: 2.5 becomes 2.", "正好一半时取偶数：2.5 变为 2。"),
        related="floor trunc",
    ),
    "trunc": _flat(
        ("Whole part of numbers of both signs.", "取正负数的整数部分。"),
        ("Towards 0, so below 0 unlike floor.", "向 0 取整，负数时与 floor 不同。"),
        related="floor frac",
    ),
    "frac": _of(
        ("Phases, hashing.", "相位、散列。"),
        ("Jumps at whole numbers; has the sign of x.", "在整数处跳变；符号随 x。"),
        related="trunc remainder",
    ),
    "nan_to_num": _of(
        ("To go on after missing data.", "带缺失值的数据继续计算。"),
        ("Hides the fault that made the NaN.", "会掩盖产生 NaN 的错误。"),
        chain=("where(isnan(x), 0, 1)",),
        related="isnan isfinite",
    ),
    "signbit": _asks(("To tell −0 from 0.", "区分 −0 与 0。"), related="sign copysign"),
    "isnan": _asks(
        (
            "To find NaN, which equals nothing, not even itself.",
            "查找 NaN：它与任何数（包括自身）都不相等。",
        ),
        related="isfinite nan_to_num",
    ),
    "isinf": _asks(("To find overflow.", "查找溢出。"), related="isfinite"),
    "isfinite": _asks(
        ("To stop before a bad step.", "在错误的一步之前停下。"), related="isnan isinf"
    ),
    "isposinf": _asks(("To find overflow upwards.", "查找向上溢出。"), related="isinf"),
    "isneginf": _asks(("To find log(0).", "查找 log(0)。"), related="isinf"),
    "eq": _asks(
        ("Accuracy: eq(prediction, label).", "准确率：eq(预测, 标签)。"),
        _EQUAL,
        related="ne isclose",
    ),
    "ne": _asks(
        ("To count changes; x != x finds NaN.", "统计变化；x != x 可找出 NaN。"),
        _EQUAL,
        related="eq",
    ),
    "lt": _asks(("Masks: below a threshold.", "掩码：低于阈值。"), _ORDER, related="gt le where"),
    "le": _asks(("Masks: up to a threshold.", "掩码：不高于阈值。"), _ORDER, related="lt ge"),
    "gt": _asks(
        ("Masks: above a threshold; the slope of ReLU.", "掩码：高于阈值；ReLU 的导数。"),
        _ORDER,
        related="lt relu where",
    ),
    "ge": _asks(("Masks: from a threshold on.", "掩码：不低于阈值。"), _ORDER, related="gt le"),
    "logical_not": _asks(("To turn a mask around.", "把掩码取反。"), _LOGIC, related="logical_and"),
    "logical_and": _asks(("Where two masks meet.", "两个掩码的交。"), _LOGIC, related="logical_or"),
    "logical_or": _asks(
        ("Where one of two masks holds.", "两个掩码的并。"), _LOGIC, related="logical_and"
    ),
    "logical_xor": _asks(("Where two masks differ.", "两个掩码不同之处。"), _LOGIC, related="ne"),
    "bitwise_invert": _asks(
        ("To flip bits or a boolean mask.", "按位翻转，或取反布尔掩码。"),
        _BITS,
        example=([6, 3],),
        related="logical_not",
    ),
    "bitwise_and": _asks(("To test bits.", "测试某些位。"), _BITS, related="bitwise_or"),
    "bitwise_or": _asks(("To set bits.", "置位。"), _BITS, related="bitwise_and"),
    "bitwise_xor": _asks(
        ("To toggle bits, in hashes.", "翻转位，用于散列。"), _BITS, related="bitwise_and"
    ),
    "bitwise_left_shift": _asks(
        ("To multiply by powers of two.", "乘以 2 的幂。"), _BITS, related="ldexp"
    ),
    "bitwise_right_shift": _asks(
        ("To divide by powers of two, rounding down.", "除以 2 的幂，向下取整。"),
        _BITS,
        related="floor_divide",
    ),
    "where": told(
        ("Two cases in one formula; masks.", "一个公式写两种情形；掩码。"),
        (
            "Both branches are computed: 0 · ∞ in the one not taken makes a NaN gradient, so "
            "mend its input, not its output.",
            "两个分支都会计算：未取用的分支里若出现 0 · ∞，梯度会变成 NaN，应在其输入处修正。",
        ),
        steps=(
            step(
                r"\frac{\partial y}{\partial x} = [c],\quad \frac{\partial y}{\partial o} = "
                r"1 - [c]",
                "With [c] = 1 where the condition holds, else 0:",
                "条件成立处 [c] = 1，否则为 0：",
            ),
        ),
        gradients={"x": "where(condition, g, 0)", "o": "where(condition, 0, g)"},
        rule="masked",
        related="masked_fill maximum",
    ),
    "heaviside": _asks(
        ("The unit step, with a value of your choice at 0.", "单位阶跃，0 处的值自定。"),
        related="sign gt",
    ),
}

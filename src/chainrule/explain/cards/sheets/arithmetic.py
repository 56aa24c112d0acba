"""Arithmetic: the gates of the notes (004)."""

from chainrule.explain.cards.sheet import Sheet, Step, step, told


def _of(use: tuple[str, str], trouble: tuple[str, str], *steps: Step, **fields: object) -> Sheet:
    return told(use, trouble, steps=steps, **fields)  # type: ignore[arg-type]


def _flat(use: tuple[str, str], trouble: tuple[str, str], **fields: object) -> Sheet:
    """A step function: the gradient is 0."""
    line = step(r"y(x + h) = y(x) \text{ for small } h \Rightarrow \frac{dy}{dx} = 0",
                "Between the jumps:", "在跳变之间：")  # fmt: skip
    return told(use, trouble, steps=(line,), rule="zero", **fields)  # type: ignore[arg-type]


_MAX = step(r"\frac{\partial y}{\partial x} = [x > o],\quad \frac{\partial y}{\partial o} = "
            r"[o > x]",
            "At a tie each gets half, so that the parts add up to g.",
            "相等时各得一半，使两份之和等于 g。")  # fmt: skip

SHEETS: dict[str, Sheet] = {
    "add": _of(
        (
            "Biases, residual connections, sums of losses: the gradient goes to both unchanged.",
            "偏置、残差连接、损失之和：梯度原样分给两边。",
        ),
        (
            "Broadcasts silently: (n) + (n, 1) gives n × n numbers.",
            "会悄悄广播：(n) + (n, 1) 得到 n × n 个数。",
        ),
        step(
            r"\frac{\partial (x + o)}{\partial x} = \frac{\partial (x + o)}{\partial o} = "
            r"1"
        ),
        related="subtract multiply",
        note="004",
    ),
    "subtract": _of(
        ("Errors, h − y.", "误差 h − y。"),
        (
            "Of nearly equal numbers it loses all digits but the last.",
            "两数接近时几乎丢光有效数字。",
        ),
        step(r"\frac{\partial (x - o)}{\partial o} = -1"),
        related="add",
        note="004",
    ),
    "multiply": _of(
        (
            "Gates, masks, weights: each input gets the gradient times the other.",
            "门、掩码、权重：每个输入得到梯度乘以另一个输入。",
        ),
        (
            "A factor near 0 blocks the gradient of the other; large ones blow it up.",
            "一个因子接近 0 会阻断另一个的梯度；太大则使其爆炸。",
        ),
        step(
            r"\frac{\partial (x o)}{\partial x} = o,\quad \frac{\partial (x o)}"
            r"{\partial o} = x"
        ),
        related="divide matmul",
        note="004",
    ),
    "divide": _of(
        ("Normalising: by a norm, a count, a deviation.", "归一化：除以范数、个数、标准差。"),
        (
            "Near o = 0 value and gradient explode (1/o²): add an ε.",
            "o 接近 0 时值与梯度都会爆炸（1/o²）：加上 ε。",
        ),
        related="reciprocal multiply",
        note="004",
    ),
    "floor_divide": _flat(
        ("Whole rows, whole batches: index arithmetic.", "整行、整批：下标运算。"),
        ("Rounds down, also below 0: −7 // 2 is −4.", "向下取整，负数亦然：−7 // 2 是 −4。"),
        related="remainder floor",
    ),
    "remainder": _of(
        ("Angles, positions in a cycle.", "角度、周期中的位置。"),
        (
            "Jumps at multiples of o; has the sign of o (fmod has that of x).",
            "在 o 的整数倍处跳变；符号随 o（fmod 随 x）。",
        ),
        related="fmod floor_divide",
    ),
    "pow": _of(
        ("Polynomial features, Lp norms, decay rates.", "多项式特征、Lp 范数、衰减率。"),
        (
            "A negative base with a fractional exponent is NaN; the slope for the exponent needs "
            "ln x.",
            "负底数配非整数指数得 NaN；对指数求导要用到 ln x。",
        ),
        step(
            r"x^o = e^{o \ln x} \Rightarrow \frac{\partial y}{\partial x} = o x^{o-1},\quad "
            r"\frac{\partial y}{\partial o} = x^o \ln x"
        ),
        related="square sqrt exp",
        note="004",
    ),
    "maximum": _of(
        ("ReLU, clipping, the larger of two scores.", "ReLU、截断、两个得分中的较大者。"),
        (
            "The smaller input learns nothing; NaN wins (see fmax).",
            "较小的输入学不到东西；NaN 总是胜出（见 fmax）。",
        ),
        _MAX,
        related="minimum fmax amax",
        note="004",
    ),
    "minimum": _of(
        ("Ceilings, the smaller of two.", "上限，两者中较小者。"),
        (
            "The larger input learns nothing; NaN wins (see fmin).",
            "较大的输入学不到东西；NaN 总是胜出（见 fmin）。",
        ),
        related="maximum fmin",
    ),
    "atan2": _of(
        ("Angles in all four quadrants.", "四个象限的角度。"),
        (
            "Jumps from π to −π behind the origin; the gradient grows as 1/r near it.",
            "在负半轴从 π 跳到 −π；靠近原点时梯度按 1/r 增大。",
        ),
        related="atan hypot",
    ),
    "negative": _of(
        ("To turn a gain into a loss.", "把收益变成损失。"),
        ("Unsigned integers wrap around.", "无符号整数会回绕。"),
        related="subtract",
    ),
    "abs": _of(
        ("L1 losses and penalties, magnitudes.", "L1 损失与惩罚，取大小。"),
        (
            "No derivative at 0 (0 is taken); the pull does not weaken near it.",
            "在 0 处不可导（取 0）；接近 0 时拉力不减。",
        ),
        related="sign l1_loss square",
    ),
    "reciprocal": _of(
        ("The last gate of the sigmoid; 1/σ.", "sigmoid 的最后一个门；1/σ。"),
        ("Explodes at 0, and its slope still faster.", "在 0 处爆炸，斜率爆炸得更快。"),
        step(
            r"\frac{1/(x + h) - 1/x}{h} = \frac{-1}{x (x + h)} \to -\frac{1}"
            r"{x^2}"
        ),
        related="divide rsqrt",
        note="004",
    ),
    "square": _of(
        ("Squared errors and norms.", "平方误差与范数。"),
        (
            "Far values dominate; overflows at the root of the largest number.",
            "远处的值起支配作用；超过最大数的平方根即溢出。",
        ),
        related="pow sqrt mse_loss",
    ),
    "clamp": _of(
        (
            "To keep values in range: probabilities, pixels, ratios.",
            "把数值限制在范围内：概率、像素、比率。",
        ),
        (
            "What is clipped gets no gradient and cannot come back by itself.",
            "被截断的部分没有梯度，自己回不来。",
        ),
        chain=("where(x > min, where(x < max, 1, 0), 0)",),
        options={"min": -1.0, "max": 2.0},
        related="clamp_min clamp_max hardtanh",
    ),
    "clamp_min": _of(
        ("Floors: variances, lengths before a division.", "下限：方差，除法前的长度。"),
        ("Below the floor x gets no gradient.", "低于下限处 x 没有梯度。"),
        related="clamp maximum",
    ),
    "clamp_max": _of(
        ("Ceilings: ratios of PPO, weights.", "上限：PPO 的比率、权重。"),
        ("Above it x gets no gradient.", "高于上限处 x 没有梯度。"),
        related="clamp minimum",
    ),
    "lerp": _of(
        ("Running averages, mixup.", "滑动平均、mixup。"),
        ("weight outside [0, 1] extrapolates.", "weight 超出 [0, 1] 即外推。"),
        related="ExponentialMovingAverage",
    ),
    "addcmul": _of(
        ("Second moments: v + (1 − β)·g·g.", "二阶矩：v + (1 − β)·g·g。"),
        ("value is a number, not a tensor.", "value 是数而不是张量。"),
        related="addcdiv Adam",
    ),
    "addcdiv": _of(
        ("Adam's step: p − lr·m/√v.", "Adam 的一步：p − lr·m/√v。"),
        ("Infinite where tensor2 is 0.", "tensor2 为 0 处无穷大。"),
        related="addcmul Adam",
    ),
    "logaddexp": _of(
        ("Sums of probabilities kept as logarithms.", "以对数保存的概率之和。"),
        ("−∞ with −∞ has no gradient to share.", "−∞ 与 −∞ 相加时没有可分的梯度。"),
        related="logsumexp log",
    ),
    "logaddexp2": _of(
        ("The same in bits.", "同上，以比特计。"),
        ("Do not mix it with natural logarithms.", "不要与自然对数混用。"),
        related="logaddexp",
    ),
    "xlogy": _of(
        ("Entropies: 0·ln 0 counts as 0.", "熵：0·ln 0 按 0 计。"),
        ("The gradient for x is ln o: −∞ at o = 0.", "对 x 的梯度是 ln o：o = 0 处为 −∞。"),
        related="log kl_div",
    ),
    "ldexp": _of(
        ("Exact scaling by powers of two.", "按 2 的幂精确缩放。"),
        ("o is an exponent: 128 overflows float32.", "o 是指数：128 会使 float32 溢出。"),
        related="exp2 bitwise_left_shift",
    ),
    "hypot": _of(
        ("Lengths in the plane without overflow.", "不会溢出的平面长度。"),
        ("No direction at the origin: gradient 0 there.", "原点处没有方向，梯度取 0。"),
        related="sqrt atan2",
    ),
    "copysign": _of(
        ("To give a number another's sign.", "把一个数的符号换成另一个数的。"),
        ("Tells −0 from 0; o gets no gradient.", "区分 −0 与 0；o 没有梯度。"),
        related="sign abs",
    ),
    "fmod": _of(
        ("The remainder of C.", "C 语言的余数。"),
        ("Has the sign of x (remainder has that of o).", "符号随 x（remainder 随 o）。"),
        related="remainder",
    ),
    "fmax": _of(
        ("Maxima of data with holes.", "含缺失值数据的最大值。"),
        ("Hides NaN.", "会掩盖 NaN。"),
        related="maximum",
    ),
    "fmin": _of(
        ("Minima of data with holes.", "含缺失值数据的最小值。"),
        ("Hides NaN.", "会掩盖 NaN。"),
        related="minimum",
    ),
}

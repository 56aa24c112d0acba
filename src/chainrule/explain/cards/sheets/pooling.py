"""Pooling and its way back (001 三, 003 §8.2 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_MAX = (
    step(r"y_p = \max_{i \in window(p)} x_i"),
    step(
        r"\frac{\partial y_p}{\partial x_i} = [i = k_p],\quad k_p = \arg\max_{i \in window(p)} "
        r"x_i \Rightarrow \frac{\partial L}{\partial x_i} = \sum_{p:\ i = k_p} g_p",
        "Of equal ones the first wins; k_p is the place of the winner of window p:",
        "并列时取第一个；k_p 是窗口 p 中胜出者的位置：",
    ),
)
_AVG = (
    step(r"y_p = \frac{1}{m} \sum_{i \in window(p)} x_i"),
    step(
        r"\frac{\partial L}{\partial x_i} = \sum_{p \ni i} \frac{g_p}{m}",
        "The gradient is shared equally: 1.2 over a 2×2 window gives 0.3 each.",
        "梯度平均分配：2×2 窗口上的 1.2 使每个元素得到 0.3。",
    ),
)
_LP = (
    step(r"y_p = \left(\sum_{i:\ p \ni i} x_i^q\right)^{1/q}"),
    step(
        r"p \ni i:\quad \frac{\partial y_p}{\partial x_i} = \frac{1}{q}\left(\sum_{j:\ p \ni j} "
        r"x_j^q\right)^{1/q - 1} q\, x_i^{q-1} = \left(\frac{x_i}{y_p}\right)^{q-1}",
        "q is norm_type; p counts the windows:",
        "q 即 norm_type，p 为窗口编号：",
    ),
)
_MAX_USE = (
    "Keeps the strongest response of each window: smaller maps, and small shifts do not matter.",
    "保留每个窗口最强的响应：特征图变小，对小的平移、旋转不敏感，还能减少过拟合。",
)
_MAX_TROUBLE = (
    "Where it stood is forgotten, and only one element in a window learns.",
    "丢掉了位置信息，每个窗口只有一个元素得到梯度。",
)
_AVG_USE = (
    "The last layer before a classifier (global), and where all of a window counts.",
    "分类器前的全局池化，以及窗口内各元素都重要的场合。",
)
_AVG_TROUBLE = (
    "Strong responses are diluted; zeros of the padding count unless told otherwise.",
    "强响应会被冲淡；填充的零默认也计入平均。",
)
_NOTE = "001 三 (3-17); 003 §8.2"


def _max(picture: str, related: str, formula: str = "", **fields: object) -> Sheet:
    return told(_MAX_USE, _MAX_TROUBLE, steps=_MAX, rule="route", picture=picture,
                gradients={"x": r"\sum_{p:\ i = k_p} g_p"}, formula=formula,
                related=related, note=_NOTE, **fields)  # type: ignore[arg-type]  # fmt: skip


_BIGGEST = ("The largest element of each window.", "每个窗口的最大元素。")
_POOL = r"y_p = \max_{i \in window(p)} x_i"
_FIXED = _max("window:max", "avg_pool2d max_unpool2d adaptive_max_pool2d", _POOL, summary=_BIGGEST)
_FITTED = _max("window:adaptive_max", "max_pool2d adaptive_avg_pool2d", _POOL,
               summary=("Maxima of windows fitted so that the output has the size asked for.",
                        "自动安排窗口求最大值，使输出具有指定大小。"))  # fmt: skip
_AVERAGE = told(_AVG_USE, _AVG_TROUBLE, steps=_AVG, gradients={"x": r"\sum_{p \ni i} g_p / m"},
                rule="spread", picture="window:avg", note=_NOTE,
                related="max_pool2d adaptive_avg_pool2d lp_pool2d",
                formula=r"y_p = \frac{1}{m} \sum_{i \in window(p)} x_i")  # fmt: skip
_FIT = told(
    ("Before the classifier, so that pictures of any size fit; size 1 is global pooling.",
     "放在分类器之前，使任意大小的图像都能用；大小为 1 即全局平均池化。"),
    ("Where the sizes do not divide, windows overlap and differ in size.",
     "大小不能整除时，窗口会重叠且大小不一。"),
    formula=r"y_p = \frac{1}{m_p} \sum_{i = \lfloor pL/n \rfloor}^{\lceil (p+1)L/n \rceil "
            r"- 1} x_i",
    steps=(step(r"\frac{\partial L}{\partial x_i} = \sum_{p \ni i} \frac{g_p}{m_p}",
                "Window p holds m_p elements:", "窗口 p 含 m_p 个元素："),),
    gradients={"x": r"\sum_{p \ni i} g_p / m_p"}, rule="spread", note=_NOTE,
    picture="window:adaptive", related="avg_pool2d adaptive_max_pool2d",
)  # fmt: skip
_POWER = told(
    ("Between sum and maximum: norm_type 1 sums, a large one comes near to the maximum.",
     "介于求和与最大之间：norm_type 为 1 即求和，越大越接近最大值。"),
    ("Seldom used; negative inputs give NaN for odd roots unless absolute is set.",
     "很少使用；有负输入时可能得到 NaN，除非设 absolute。"),
    formula=r"y_p = \left(\sum_{i \in window(p)} x_i^q\right)^{1/q}",
    steps=_LP, gradients={"x": r"\sum_{p \ni i} g_p\,(x_i / y_p)^{q-1}"}, rule="spread",
    picture="window:lp", related="avg_pool2d max_pool2d", note=_NOTE,
)  # fmt: skip
_UNPOOL = told(
    ("Decoders that mirror an encoder with max pooling (SegNet).", "与最大池化编码器对称的解码器"
                                                                   "（SegNet）。"),
    ("All but one element of each window are zeros; it needs the indices of the pooling.",
     "每个窗口除一个元素外全为零；需要池化时的索引。"),
    formula=r"y_{k_p} = x_p,\ \text{else } 0",
    steps=(step(r"\frac{\partial L}{\partial x_p} = g_{k_p}", "k_p is the index of window p:",
                "k_p 是窗口 p 的索引："),),
    gradients={"x": r"g_{k_p}"}, rule="gather", picture="window:unpool",
    summary=("Maxima back at the places where max pooling found them, zeros elsewhere.",
             "把最大值放回最大池化找到它们的位置，其余为零。"),
    related="max_pool2d", note="003 §8.2",
)  # fmt: skip
_RANDOM = _max(
    "window:adaptive_max", "max_pool2d adaptive_max_pool2d", _POOL,
    summary=("Maxima of windows whose borders are drawn at random, for any shrinking ratio.",
             "窗口边界随机抽取的最大池化，缩小比例可以是任意分数。"),
)  # fmt: skip
_WHERE = told(
    ("Inside max pooling: the place of each window's winner, for the way back.",
     "最大池化内部：记下每个窗口最大者的位置，供反向使用。"),
    ("A position has no gradient; of equal elements the first is taken.",
     "位置没有梯度；并列时取第一个。"),
    formula=r"y_p = \arg\max_{i \in window(p)} x_i", rule="none", picture="window:max",
    related="max_pool max_pool2d",
)  # fmt: skip

SHEETS: dict[str, Sheet] = {
    **{f"max_pool{n}d": _FIXED for n in "123"},
    **{f"max_pool{n}d_with_indices": _FIXED for n in "123"},
    **{f"adaptive_max_pool{n}d": _FITTED for n in "123"},
    **{f"adaptive_max_pool{n}d_with_indices": _FITTED for n in "123"},
    **{f"fractional_max_pool{n}d": _RANDOM for n in "23"},
    **{f"fractional_max_pool{n}d_with_indices": _RANDOM for n in "23"},
    **{f"avg_pool{n}d": _AVERAGE for n in "123"},
    **{f"adaptive_avg_pool{n}d": _FIT for n in "123"},
    **{f"lp_pool{n}d": _POWER for n in "123"},
    **{f"max_unpool{n}d": _UNPOOL for n in "123"},
    "max_pool": _max("window:max", "max_pool2d windows_argmax"),
    "max_unpool": _UNPOOL,
    "windows_argmax": _WHERE,
    "fitted_argmax": _WHERE,
    "fractional_argmax": _WHERE,
    "windows_sum": told(
        (
            "The primitive under average pooling and local response normalisation.",
            "平均池化与局部响应归一化之下的基本运算。",
        ),
        (
            "A sum, no mean: divide by the number of elements yourself.",
            "是求和而不是平均，需自行除以元素个数。",
        ),
        steps=(
            step(
                r"y_p = \sum_{i \in window(p)} x_i \Rightarrow \frac{\partial L}{\partial x_i}"
                r" = \sum_{p \ni i} g_p"
            ),
        ),
        gradients={"x": r"\sum_{p \ni i} g_p"},
        rule="spread",
        picture="window:sum",
        related="avg_pool2d windows_sum_adjoint",
    ),
    "windows_sum_adjoint": told(
        ("The way back of window sums.", "窗口求和的反向。"),
        ("Overlapping windows add up.", "窗口重叠处相加。"),
        steps=(
            step(
                r"y_i = \sum_{p \ni i} g_p \Rightarrow \frac{\partial L}{\partial g_p} = "
                r"\sum_{i:\ p \ni i} h_i",
                "h is the gradient that comes back to the result:",
                "h 是传回结果处的梯度：",
            ),
        ),
        gradients={"g": r"\sum_{i:\ p \ni i} h_i"},
        rule="sum_back",
        picture="window:sum",
        related="windows_sum",
    ),
}

"""Tensors made from nothing, and windows."""

from typing import Any

from chainrule.explain.cards.sheet import Sheet, row

_DTYPE = ("The dtype is float32 unless told otherwise.", "默认类型为 float32。")


def _made(*parts: Any, **fields: Any) -> Sheet:
    return row(parts[0], "made", *parts[1:], **fields)


_WINDOW = ("Fourier analysis: fades the ends of a frame.", "傅里叶分析：使一帧的两端渐弱。")
_PERIODIC = (
    "periodic=True (the default) leaves out the last point.",
    "periodic=True（默认）时不含最后一点。",
)
_CALL = "flow:{} | {}"

SHEETS: dict[str, Sheet] = {
    "tensor": _made(
        r"y = \text{a copy of the data}",
        ("A tensor from numbers, lists or arrays.", "由数、列表或数组建立张量。"),
        (
            "Data into the graph; requires_grad=True for parameters.",
            "把数据放进计算图；参数用 requires_grad=True。",
        ),
        ("Always copies; gradients do not pass through it.", "总是复制；梯度不会穿过它。"),
        ((1.0, 2.0),),
        related="as_tensor",
    ),
    "as_tensor": _made(
        r"y = \text{the data}",
        ("A tensor without copying where possible.", "尽量不复制地建立张量。"),
        ("Large arrays.", "大数组。"),
        ("Shares memory with the array.", "与数组共享内存。"),
        ((1.0, 2.0),),
        related="tensor from_numpy",
    ),
    "asarray": _made(
        r"y = \text{the data}",
        ("A tensor, copied or not as you say.", "按 copy 参数决定是否复制。"),
        ("Code for the array API standard.", "按数组 API 标准编写的代码。"),
        ("copy=None shares memory where it can.", "copy=None 时能共享就共享。"),
        ((1.0, 2.0),),
        related="as_tensor",
    ),
    "from_numpy": _made(
        r"y = \text{the array's memory}",
        ("A tensor on an array's memory.", "直接使用数组内存的张量。"),
        ("Data loaders without copies.", "不复制的数据加载。"),
        ("Changes show on both sides.", "一方修改，另一方也变。"),
        related="as_tensor",
        picture=_CALL.format("array", "y, the same memory"),
    ),
    "full": _made(
        r"y_i = v",
        ("A tensor of one value.", "全为同一个值的张量。"),
        ("Starting values, masks.", "初值、掩码。"),
        ("The dtype follows the value.", "类型随填充值而定。"),
        (2, 3),
        7.0,
        related="full_like zeros",
    ),
    "scalar_tensor": _made(
        r"y = s",
        ("One number as a 0-d tensor.", "把一个数变为 0 维张量。"),
        ("Constants in formulas.", "公式中的常数。"),
        _DTYPE,
        3.0,
        related="tensor",
    ),
    "zeros": _made(
        r"y_i = 0",
        ("Zeros.", "全零。"),
        ("Accumulators, first hidden states.", "累加器、初始隐状态。"),
        ("As first weights they break training.", "作初始权重会使网络无法训练。"),
        2,
        3,
        related="ones zeros_",
    ),
    "ones": _made(
        r"y_i = 1",
        ("Ones.", "全一。"),
        ("The first gradient ∂L/∂L.", "最初的梯度 ∂L/∂L。"),
        _DTYPE,
        2,
        3,
        related="zeros",
    ),
    "empty": _made(
        r"y = \text{memory as it comes}",
        ("Memory, not set to anything.", "未初始化的内存。"),
        ("Buffers that are filled at once.", "马上会填满的缓冲区。"),
        ("Holds anything, NaN too: fill it before reading.", "内容不定，可能是 NaN：先填再读。"),
        related="zeros",
        picture="flow:(2, 3) | memory as it comes | y (2, 3)",
    ),
    "zeros_like": _made(
        r"y_i = 0",
        ("Zeros in a tensor's shape and dtype.", "与给定张量同形状、同类型的零。"),
        ("Optimiser states.", "优化器状态。"),
        ("Integers stay integers.", "整数仍是整数。"),
        [[1.0, 2.0]],
        related="zeros",
    ),
    "ones_like": _made(
        r"y_i = 1",
        ("Ones in a tensor's shape and dtype.", "与给定张量同形状、同类型的一。"),
        ("Masks, first gradients.", "掩码、初始梯度。"),
        ("Integers stay integers.", "整数仍是整数。"),
        [[1.0, 2.0]],
        related="ones",
    ),
    "empty_like": _made(
        r"y = \text{memory as it comes}",
        ("Unset memory in a tensor's shape.", "与给定张量同形状的未初始化内存。"),
        ("Buffers.", "缓冲区。"),
        ("Fill it before reading.", "先填再读。"),
        related="empty",
        picture="flow:x (2, 3) | memory as it comes | y (2, 3)",
    ),
    "full_like": _made(
        r"y_i = v",
        ("One value in a tensor's shape.", "与给定张量同形状的常值。"),
        ("Labels of a GAN.", "GAN 的标签。"),
        ("The value is cast to the tensor's dtype.", "值会转换为该张量的类型。"),
        [[1.0, 2.0]],
        5.0,
        related="full",
    ),
    "arange": _made(
        r"y_k = a + k s < b",
        ("Numbers at equal steps, below the end.", "等步长的数，不含终点。"),
        ("Indices, positions.", "下标、位置。"),
        (
            "With fractional steps the count may be one off: take linspace.",
            "步长为小数时个数可能差一：用 linspace。",
        ),
        0,
        5,
        related="linspace",
    ),
    "linspace": _made(
        r"y_k = a + k \frac{b - a}{n - 1}",
        ("n numbers from a to b, both included.", "从 a 到 b 的 n 个数，含两端。"),
        ("Plots, grids.", "绘图、网格。"),
        ("steps counts points, not intervals.", "steps 是点数而不是间隔数。"),
        0.0,
        1.0,
        5,
        related="arange logspace",
    ),
    "logspace": _made(
        r"y_k = 10^{a + k (b - a)/(n - 1)}",
        ("Equal steps in the exponent.", "指数上等间隔的数。"),
        ("Learning rates to try.", "待试的学习率。"),
        ("Takes exponents, not values.", "参数是指数而不是数值。"),
        -3.0,
        0.0,
        4,
        related="linspace",
    ),
    "eye": _made(
        r"y_{ij} = [i = j]",
        ("The identity matrix.", "单位矩阵。"),
        ("Regularising: A + λI.", "正则化：A + λI。"),
        ("n² numbers for n ones.", "n 个 1 占 n² 个位置。"),
        3,
        related="diag eye_",
    ),
    "hann_window": _made(
        r"y = \sin^2(\pi x)",
        ("A cosine bell down to 0.", "降到 0 的余弦钟形窗。"),
        _WINDOW,
        _PERIODIC,
        6,
        related="hamming_window",
    ),
    "hamming_window": _made(
        r"y = 0.54 - 0.46 \cos 2\pi x",
        ("A bell on a pedestal.", "带底座的钟形窗。"),
        _WINDOW,
        ("Does not reach 0 at the ends.", "两端不到 0。"),
        6,
        related="hann_window",
    ),
    "blackman_window": _made(
        r"y = 0.42 - 0.5 \cos 2\pi x + 0.08 \cos 4\pi x",
        ("A narrower bell.", "更窄的钟形窗。"),
        _WINDOW,
        ("Lower side lobes for a wider peak.", "旁瓣更低，主瓣更宽。"),
        6,
        related="hann_window",
    ),
    "bartlett_window": _made(
        r"y = 1 - |2x - 1|",
        ("A triangle.", "三角窗。"),
        _WINDOW,
        ("A kink in the middle.", "中间有折点。"),
        6,
        related="hann_window",
    ),
    "kaiser_window": _made(
        r"y = \frac{I_0(\beta \sqrt{1 - (2x-1)^2})}{I_0(\beta)}",
        ("A bell whose width beta sets.", "宽度由 beta 决定的钟形窗。"),
        _WINDOW,
        (
            "A larger beta (default 12) lowers the side lobes and widens the peak.",
            "beta（默认 12）越大，旁瓣越低，主瓣越宽。",
        ),
        6,
        related="i0",
    ),
}

"""Initialisers (001 四, 003 §7 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_VARIANCE = (
    step(
        r"y = \sum_{i=1}^{n} w_i x_i \Rightarrow Var(y) = n\, Var(w)\, Var(x)",
        "For independent w and x of mean 0:",
        "w、x 独立且均值为零时：",
    ),
    step(
        r"n_{in}\, Var(w) = 1 \text{ keeps the signal};\quad n_{out}\, Var(w) = 1 \text{ keeps "
        r"the gradient}",
        "The same sum backwards runs over the outputs:",
        "反向时同样的和取遍输出：",
    ),
)


def _fill(summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str], formula: str,
          *steps: object, related: str, note: str = "", **options: object) -> Sheet:  # fmt: skip
    return told(use, trouble, summary=summary, formula=formula, rule="start",
                steps=(*steps,), related=related, note=note, options=options)  # fmt: skip


_SYMMETRY = step(
    r"w_{1k} = w_{2k} \Rightarrow a_1 = a_2 \Rightarrow \delta_1 = \delta_2 \Rightarrow \Delta "
    r"w_{1k} = \Delta w_{2k}",
    "Equal units stay equal, by induction, whatever the data:",
    "由归纳法，相同的神经元永远相同，与数据无关：",
)

SHEETS: dict[str, Sheet] = {
    "zeros_": _fill(
        ("Every element 0.", "全部置 0。"),
        ("Biases, once the weights are random.", "偏置：权重已随机，就不需要偏置打破对称。"),
        (
            "For weights it breaks training: all units of a layer stay the same, as if there were "
            "one.",
            "用于权重则无法训练：同一层的神经元始终相同，等于只有一个。",
        ),
        r"w = 0",
        _SYMMETRY,
        related="xavier_uniform_ normal_",
        note="003 §7.1",
    ),
    "ones_": _fill(
        ("Every element 1.", "全部置 1。"),
        ("The scale γ of normalisation layers.", "归一化层的缩放 γ。"),
        ("For weights it does not break the symmetry.", "用于权重无法打破对称。"),
        r"w = 1",
        _SYMMETRY,
        related="zeros_ constant_",
        note="001 四",
    ),
    "constant_": _fill(
        ("Every element the same number.", "全部置为同一个数。"),
        (
            "A forget gate's bias of 1; a last bias of ln(p/(1 − p)) for rare classes.",
            "遗忘门偏置取 1；稀少类别的输出偏置取 ln(p/(1 − p))。",
        ),
        ("For weights: units that start equal stay equal.", "用于权重：起点相同的神经元永远相同。"),
        r"w = c",
        _SYMMETRY,
        related="zeros_ ones_",
        val=0.1,
    ),
    "eye_": _fill(
        ("The identity matrix.", "单位矩阵。"),
        ("Recurrent weights that begin by keeping their state.", "让循环权重一开始保持状态不变。"),
        ("Only for two axes.", "只用于二维张量。"),
        r"w_{ij} = [i = j]",
        step(
            r"y = I x = x,\quad \frac{\partial L}{\partial x} = g",
            "Signal and gradient pass unchanged.",
            "信号与梯度都原样通过。",
        ),
        related="dirac_ orthogonal_",
    ),
    "dirac_": _fill(
        ("The identity for convolutions.", "卷积的恒等初始化。"),
        ("Very deep convolution nets without residuals.", "没有残差连接的很深的卷积网络。"),
        (
            "Channels beyond the number of inputs begin as zeros.",
            "超出输入通道数的输出通道起初为零。",
        ),
        r"w_{o,c,k} = [o = c][k = \text{middle}]",
        step(r"y_{o,p} = \sum_{c,k} w_{o,c,k} x_{c,p+k} = x_{o,p}"),
        related="eye_ conv2d",
    ),
    "uniform_": _fill(
        ("Uniform in [a, b).", "[a, b) 上的均匀分布。"),
        ("Where a bound is given, as ±1/√n.", "给定界限时，如 ±1/√n。"),
        (
            "The defaults 0 to 1 give weights of mean ½: signals grow with every layer.",
            "默认 0 到 1 的均值为 ½，信号会逐层放大。",
        ),
        r"w \sim U[a, b)",
        *_VARIANCE,
        step(r"Var(w) = \frac{(b - a)^2}{12}"),
        related="xavier_uniform_ normal_",
        a=-0.1,
        b=0.1,
    ),
    "normal_": _fill(
        ("Normal with given mean and standard deviation.", "给定均值、标准差的正态分布。"),
        (
            "The notes' first choice N(0, 0.01²) for small nets; embeddings.",
            "小网络最初常用的高斯初始化 N(0, 0.01²)；嵌入。",
        ),
        (
            "A fixed width fits one layer size only: 0.01 lets the signal shrink in deep nets.",
            "固定的标准差只适合一种层宽：0.01 会使深网络中的信号逐层变小。",
        ),
        r"w \sim N(\mu, \sigma^2)",
        *_VARIANCE,
        related="kaiming_normal_ xavier_normal_",
        note="001 四; 004",
        std=0.01,
    ),
    "trunc_normal_": _fill(
        ("Normal, but only values within [a, b].", "正态分布，但只取 [a, b] 内的值。"),
        (
            "Vision transformers (std 0.02): no wild weights.",
            "视觉 Transformer（std 0.02）：避免离谱的权重。",
        ),
        (
            "a and b are values, not standard deviations; narrow limits shrink the variance.",
            "a、b 是数值而非标准差的倍数；界限太窄会缩小方差。",
        ),
        r"w \sim N(\mu, \sigma^2) \mid a \le w \le b",
        *_VARIANCE,
        related="normal_",
        std=0.02,
    ),
    "sparse_": _fill(
        ("Normal, with a share of each column 0.", "正态分布，每列有一定比例为 0。"),
        (
            "Wide layers where each unit should look at few inputs.",
            "很宽的层，让每个神经元只看少数输入。",
        ),
        (
            "std is not adapted to what is left; only two axes.",
            "标准差不随剩余个数调整；只用于二维。",
        ),
        r"w \sim N(0, \sigma^2),\quad \lceil s n \rceil \text{ zeros a column}",
        step(r"Var(y) = (1 - s)\, n\, \sigma^2\, Var(x)"),
        related="normal_",
        sparsity=0.8,
        std=0.3,
    ),
    "xavier_normal_": _fill(
        ("Normal with variance 2/(n_in + n_out).", "方差为 2/(n_in + n_out) 的正态分布。"),
        ("Tanh and sigmoid layers.", "tanh、sigmoid 层。"),
        (
            "Behind ReLU the signal halves in variance each layer: take kaiming.",
            "用于 ReLU 时方差每层减半：请用 kaiming。",
        ),
        r"Var(w) = gain^2 \frac{2}{n_{in} + n_{out}}",
        *_VARIANCE,
        step(r"Var(w) = \frac{2}{n_{in} + n_{out}}", "The compromise:", "折中："),
        related="xavier_uniform_ kaiming_normal_ lecun_normal_",
        note="001 四; 003 §7.2",
    ),
    "xavier_uniform_": _fill(
        ("Uniform in ±√(6/(n_in + n_out)).", "±√(6/(n_in + n_out)) 上的均匀分布。"),
        ("As xavier_normal_, with bounded weights.", "同 xavier_normal_，但权重有界。"),
        ("Behind ReLU the signal shrinks: take kaiming.", "用于 ReLU 时信号会变小：请用 kaiming。"),
        r"w \sim U\left[-\sqrt{\frac{6}{n_{in} + n_{out}}}, \sqrt{\frac{6}{n_{in} + n_{out}}}"
        r"\right]",
        *_VARIANCE,
        step(
            r"Var(U[-a, a]) = \frac{a^2}{3} = \frac{2}{n_{in} + n_{out}} \Rightarrow a = "
            r"\sqrt{\frac{6}{n_{in} + n_{out}}}"
        ),
        related="xavier_normal_ kaiming_uniform_",
        note="001 四; 003 §7.2",
    ),
    "kaiming_normal_": _fill(
        (
            "Normal with standard deviation √(2/n) for ReLU.",
            "标准差为 √(2/n) 的正态分布，适合 ReLU。",
        ),
        ("Layers before ReLU and its relatives.", "后接 ReLU 一族的层。"),
        (
            "Before tanh it is too large: units saturate. fan_out keeps gradients, fan_in signals: "
            "not both.",
            "后接 tanh 时偏大，会饱和。fan_out 保持梯度、fan_in 保持信号，不能兼得。",
        ),
        r"Var(w) = \frac{gain^2}{n}",
        *_VARIANCE,
        step(
            r"E[relu(z)^2] = \frac{1}{2} Var(z) \Rightarrow \frac{1}{2} n\, Var(w) = 1 \Rightarrow"
            r" Var(w) = \frac{2}{n}",
            "ReLU lets half of the power through:",
            "ReLU 只让一半的能量通过：",
        ),
        related="kaiming_uniform_ xavier_normal_ relu",
        note="001 四; 003 §7.3",
        nonlinearity="relu",
    ),
    "kaiming_uniform_": _fill(
        ("Uniform in ±√(6/n) for ReLU.", "±√(6/n) 上的均匀分布，适合 ReLU。"),
        (
            "As kaiming_normal_; with a = √5 it is PyTorch's default of linear and conv layers.",
            "同 kaiming_normal_；a = √5 即 PyTorch 线性层与卷积层的默认。",
        ),
        (
            "That default is ±1/√n, smaller than He's: deep ReLU nets need the true one.",
            "该默认值是 ±1/√n，小于 He 的取值：深 ReLU 网络应使用真正的 He 初始化。",
        ),
        r"w \sim U\left[-\sqrt{\frac{6}{n}}, \sqrt{\frac{6}{n}}\right]",
        *_VARIANCE,
        step(r"Var(U[-a, a]) = \frac{a^2}{3} = \frac{2}{n} \Rightarrow a = \sqrt{\frac{6}{n}}"),
        related="kaiming_normal_ xavier_uniform_",
        note="003 §7.3",
        nonlinearity="relu",
    ),
    "lecun_normal_": _fill(
        ("Normal with variance 1/n_in.", "方差为 1/n_in 的正态分布。"),
        ("SELU nets; the notes' first form of Xavier.", "SELU 网络；即笔记中 Xavier 的最初形式。"),
        ("Keeps the signal alone, not the gradient.", "只保持前向信号的方差，不顾梯度。"),
        r"Var(w) = \frac{1}{n_{in}}",
        *_VARIANCE,
        related="xavier_normal_ selu",
        note="001 四",
    ),
    "lecun_uniform_": _fill(
        ("Uniform in ±√(3/n_in).", "±√(3/n_in) 上的均匀分布。"),
        ("SELU and tanh layers with bounded weights.", "权重有界的 SELU、tanh 层。"),
        ("Keeps the signal alone, not the gradient.", "只保持前向信号的方差，不顾梯度。"),
        r"w \sim U\left[-\sqrt{\frac{3}{n_{in}}}, \sqrt{\frac{3}{n_{in}}}\right]",
        *_VARIANCE,
        related="lecun_normal_",
    ),
    "orthogonal_": _fill(
        ("A random matrix with orthonormal rows or columns.", "行或列标准正交的随机矩阵。"),
        (
            "Recurrent weights and deep linear parts: lengths stay exactly.",
            "循环权重与深层线性部分：长度严格保持。",
        ),
        (
            "Costs a QR decomposition; only square matrices keep all lengths.",
            "需要 QR 分解；只有方阵能保持所有向量的长度。",
        ),
        r"W^{\top} W = gain^2 I",
        step(
            r"|Wx|^2 = x^{\top} W^{\top} W x = |x|^2,\quad |W^{\top} g| = |g|",
            "Neither signal nor gradient grows or shrinks:",
            "信号与梯度都不放大也不缩小：",
        ),
        related="eye_ rnn",
    ),
}

"""Elementary and special functions of one number."""

from chainrule.explain.cards.sheet import Sheet, Step, step, told


def _of(use: tuple[str, str], trouble: tuple[str, str], *steps: Step, **fields: object) -> Sheet:
    return told(use, trouble, steps=steps, **fields)  # type: ignore[arg-type]


SHEETS: dict[str, Sheet] = {
    "exp": _of(
        ("Softmax, rates, anything that must be positive.", "softmax、速率，凡必须为正的量。"),
        (
            "Overflows above 88 in float32 (709 in float64): take off the maximum first.",
            "float32 中超过 88（float64 中 709）即溢出：应先减去最大值。",
        ),
        step(r"\frac{e^{x+h} - e^x}{h} = e^x \frac{e^h - 1}{h} \to e^x"),
        related="log expm1 softmax",
        note="004",
    ),
    "exp2": _of(
        ("Doublings, octaves.", "翻倍、八度。"),
        ("Overflows above 128 in float32.", "float32 中超过 128 溢出。"),
        step(r"2^x = e^{x \ln 2} \Rightarrow y' = 2^x \ln 2"),
        related="exp log2",
    ),
    "expm1": _of(
        ("Interest, ELU: exact for small x.", "利率、ELU：x 很小时依然精确。"),
        ("Overflows like exp.", "和 exp 一样会溢出。"),
        related="exp log1p",
    ),
    "log": _of(
        ("Likelihoods: products become sums.", "似然：连乘变成连加。"),
        (
            "−∞ at 0, NaN below; the gradient 1/x explodes towards 0.",
            "0 处为 −∞，负数为 NaN；趋近 0 时梯度 1/x 爆炸。",
        ),
        step(
            r"e^y = x \Rightarrow e^y \frac{dy}{dx} = 1 \Rightarrow \frac{dy}{dx} = "
            r"\frac{1}{x}"
        ),
        related="exp log1p xlogy",
        note="004",
    ),
    "log2": _of(
        ("Bits of information.", "以比特计的信息量。"),
        ("−∞ at 0.", "在 0 处为 −∞。"),
        related="log log10",
    ),
    "log10": _of(
        ("Decibels, orders of magnitude.", "分贝、数量级。"),
        ("−∞ at 0.", "在 0 处为 −∞。"),
        related="log log2",
    ),
    "log1p": _of(
        ("Counts, softplus: exact for small x.", "计数、softplus：x 很小时依然精确。"),
        ("−∞ at −1.", "在 −1 处为 −∞。"),
        related="log expm1",
    ),
    "sqrt": _of(
        ("Lengths, deviations, RMSE.", "长度、标准差、RMSE。"),
        (
            "The slope is infinite at 0: add an ε before it. NaN below.",
            "0 处斜率无穷大：先加 ε。负数得 NaN。",
        ),
        step(r"y^2 = x \Rightarrow 2 y y' = 1 \Rightarrow y' = \frac{1}{2 y}"),
        related="rsqrt square",
    ),
    "rsqrt": _of(
        ("Normalisation: x · rsqrt(var + ε).", "归一化：x · rsqrt(var + ε)。"),
        ("Infinite at 0; the slope grows as x^(−3/2).", "在 0 处无穷大；斜率按 x^(−3/2) 增大。"),
        related="sqrt batch_norm",
    ),
    "sin": _of(
        ("Positions in transformers, waves.", "Transformer 的位置编码、波。"),
        (
            "Loses digits for large x; many inputs give one output.",
            "x 很大时精度下降；多个输入对应同一输出。",
        ),
        step(
            r"\frac{\sin(x + h) - \sin x}{h} = \sin x\, \frac{\cos h - 1}{h} + \cos x\, "
            r"\frac{\sin h}{h} \to \cos x"
        ),
        related="cos",
    ),
    "cos": _of(
        ("Positions, schedules, similarity.", "位置编码、学习率调度、相似度。"),
        ("Loses digits for large x.", "x 很大时精度下降。"),
        step(r"\cos x = \sin(x + \pi/2) \Rightarrow y' = \cos(x + \pi/2) = -\sin x"),
        related="sin",
    ),
    "tan": _of(
        ("Slopes of angles.", "角度的斜率。"),
        ("Unbounded at ±π/2.", "在 ±π/2 处无界。"),
        step(
            r"\left(\frac{\sin x}{\cos x}\right)' = \frac{\cos^2 x + \sin^2 x}{\cos^2 x} "
            r"= 1 + \tan^2 x"
        ),
        related="atan sin cos",
    ),
    "asin": _of(
        ("Angles from sines.", "由正弦求角。"),
        ("Only on [−1, 1]; infinite slope at its ends.", "只在 [−1, 1] 上有定义；端点斜率无穷。"),
        step(
            r"\sin y = x \Rightarrow \cos y \cdot y' = 1 \Rightarrow y' = \frac{1}"
            r"{\sqrt{1 - x^2}}"
        ),
        related="sin acos",
    ),
    "acos": _of(
        ("The angle between unit vectors.", "单位向量间的夹角。"),
        ("Rounding may push a cosine above 1: clamp first.", "舍入可能使余弦超过 1：先 clamp。"),
        step(
            r"\cos y = x \Rightarrow -\sin y \cdot y' = 1 \Rightarrow y' = "
            r"-\frac{1}{\sqrt{1 - x^2}}"
        ),
        related="cos asin cosine_similarity",
    ),
    "atan": _of(
        ("Angles from slopes; a squashing function.", "由斜率求角；也可作压缩函数。"),
        ("Saturates at ±π/2.", "在 ±π/2 处饱和。"),
        step(
            r"\tan y = x \Rightarrow (1 + \tan^2 y) y' = 1 \Rightarrow y' = "
            r"\frac{1}{1 + x^2}"
        ),
        related="tan atan2",
    ),
    "sinh": _of(
        ("Hyperbolic geometry, stretching.", "双曲几何、拉伸。"),
        ("Overflows like exp.", "和 exp 一样会溢出。"),
        step(r"\left(\frac{e^x - e^{-x}}{2}\right)' = \frac{e^x + e^{-x}}{2} = \cosh x"),
        related="cosh asinh",
    ),
    "cosh": _of(
        ("Log-cosh losses.", "log-cosh 损失。"),
        ("Overflows like exp.", "和 exp 一样会溢出。"),
        step(r"\left(\frac{e^x + e^{-x}}{2}\right)' = \frac{e^x - e^{-x}}{2} = \sinh x"),
        related="sinh acosh",
    ),
    "asinh": _of(
        ("Scaling of data with large values of both signs.", "缩放正负都可能很大的数据。"),
        ("Grows only as a logarithm.", "只按对数增长。"),
        step(
            r"\sinh y = x \Rightarrow \cosh y \cdot y' = 1 \Rightarrow y' = \frac{1}"
            r"{\sqrt{x^2 + 1}}"
        ),
        chain=("1 / sqrt(x^2 + 1)",),
        related="sinh log",
    ),
    "acosh": _of(
        ("Distances in hyperbolic space.", "双曲空间中的距离。"),
        ("Only from 1 on; infinite slope at 1.", "只对 x ≥ 1 有定义；1 处斜率无穷。"),
        step(
            r"\cosh y = x \Rightarrow \sinh y \cdot y' = 1 \Rightarrow y' = \frac{1}"
            r"{\sqrt{x^2 - 1}}"
        ),
        chain=("1 / sqrt(x^2 - 1)",),
        related="cosh asinh",
    ),
    "atanh": _of(
        ("Fisher's transformation of correlations.", "相关系数的 Fisher 变换。"),
        ("Infinite at ±1.", "在 ±1 处无穷大。"),
        step(
            r"\tanh y = x \Rightarrow (1 - \tanh^2 y) y' = 1 \Rightarrow y' = \frac{1}"
            r"{1 - x^2}"
        ),
        chain=("1 / (1 - x^2)",),
        related="tanh logit",
    ),
    "erf": _of(
        ("GELU, normal probabilities.", "GELU、正态概率。"),
        ("Flat beyond ±3.", "±3 之外是平的。"),
        step(
            r"\operatorname{erf}(x) = \frac{2}{\sqrt{\pi}} \int_0^x e^{-t^2} dt \Rightarrow "
            r"y' = \frac{2}{\sqrt{\pi}} e^{-x^2}",
            "The derivative of an integral is what is integrated.",
            "积分的导数就是被积函数。",
        ),
        related="erfc erfinv gelu",
    ),
    "erfc": _of(
        ("Tails: 1 − erf without loss of digits.", "尾部概率：不丢精度的 1 − erf。"),
        ("Underflows beyond 10 in float32.", "float32 中超过 10 即下溢。"),
        related="erf",
    ),
    "erfinv": _of(
        ("Normal numbers from uniform ones.", "由均匀数得到正态数。"),
        ("Infinite at ±1.", "在 ±1 处无穷大。"),
        step(
            r"\operatorname{erf}(y) = x \Rightarrow \frac{2}{\sqrt{\pi}} e^{-y^2} y' = "
            r"1"
        ),
        chain=("sqrt(pi) / 2 * exp(y^2)",),
        related="erf",
    ),
    "lgamma": _of(
        ("Log-factorials: Poisson, Dirichlet, binomial.", "对数阶乘：泊松、狄利克雷、二项分布。"),
        ("Poles at 0, −1, −2, …", "在 0、−1、−2、…… 处有极点。"),
        step(
            r"\psi(x) := \frac{d}{dx} \ln \Gamma(x)",
            "Its slope has a name of its own:",
            "它的导数有专名：",
        ),
        chain=("digamma(x)",),
        related="digamma polygamma",
    ),
    "digamma": _of(
        ("Gradients of the gamma family's likelihoods.", "Γ 族分布似然的梯度。"),
        ("Poles at 0, −1, −2, …", "在 0、−1、−2、…… 处有极点。"),
        chain=("polygamma(1, x)",),
        related="lgamma polygamma",
    ),
    "polygamma": _of(
        ("Second derivatives of the same.", "同类似然的二阶导数。"),
        ("Poles at 0, −1, −2, …", "在 0、−1、−2、…… 处有极点。"),
        chain=("polygamma(n + 1, x)",),
        options={"n": 1},
        related="digamma",
    ),
    "i0": _of(
        ("Kaiser windows, von Mises distributions.", "Kaiser 窗、von Mises 分布。"),
        ("Grows like exp.", "增长如 exp。"),
        chain=("bessel_i(1, x)",),
        related="i1 kaiser_window",
    ),
    "i1": _of(
        ("The slope of i0.", "i0 的导数。"),
        ("Grows like exp.", "增长如 exp。"),
        chain=("bessel_i(0, x) - bessel_i(1, x) / x",),
        related="i0",
    ),
    "sinc": _of(
        ("Low-pass filters, resampling.", "低通滤波、重采样。"),
        ("Normalised: sin(πx)/(πx), not sin(x)/x.", "是归一化形式 sin(πx)/(πx)，不是 sin(x)/x。"),
        step(
            r"y = \frac{\sin(\pi x)}{\pi x} \Rightarrow y' = \frac{\cos(\pi x) - y}{x},"
            r"\quad y'(0) = 0",
            "By the quotient rule:",
            "用商的求导法则：",
        ),
        chain=("where(x == 0, 0, (cos(pi * x) - y) / x)",),
        related="sin",
    ),
    "logit": _of(
        ("To turn a probability back into a score.", "把概率变回得分。"),
        ("±∞ at 0 and 1: give eps.", "在 0 与 1 处为 ±∞：请给 eps。"),
        step(
            r"\ln x - \ln(1 - x) \Rightarrow y' = \frac{1}{x} + \frac{1}{1 - x} = "
            r"\frac{1}{x (1 - x)}"
        ),
        chain=("1 / (x * (1 - x))",),
        related="sigmoid atanh",
        note="001 三 A",
    ),
    "deg2rad": _of(
        ("Degrees from data files.", "数据中的角度。"),
        ("Applied twice it is silently wrong.", "换算两次会悄悄出错。"),
        related="rad2deg",
    ),
    "rad2deg": _of(
        ("To show angles.", "显示角度。"),
        ("Applied twice it is silently wrong.", "换算两次会悄悄出错。"),
        related="deg2rad",
    ),
}

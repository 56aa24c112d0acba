"""Smooth activation functions and softmax (001 三, 003 §2, 000 §3-4 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

SHEETS: dict[str, Sheet] = {
    "sigmoid": told(
        (
            "Probabilities of yes or no at the output; gates (LSTM, GRU): anything from 0 to 1. "
            "Not linear, bounded, so that values do not blow up, and easy to differentiate: σ(1 − "
            "σ).",
            "用在二分类输出层给出概率，以及 LSTM、GRU 的门：凡是需要 0 到 1 之间的数。非线性，"
            "输出有限，数据不会发散，求导容易：σ(1 − σ)。",
        ),
        (
            "It saturates: far from zero the slope is nearly 0, and it is never above ¼, so "
            "gradients "
            "shrink at least fourfold a layer. Outputs are all positive, so the weights of the "
            "next "
            "layer's unit move in one direction together. The exponential costs time.",
            "会饱和：远离零处斜率近于 0，且最大只有 ¼，每过一层梯度至少缩小到四分之一，造成梯度消"
            "失。输出恒正、不以零为中心，"
            "使后一层神经元的权重只能一齐增大或一齐减小，收敛变慢。含指数运算，计算量大。",
        ),
        steps=(
            step(r"\sigma(x) = \frac{1}{1 + e^{-x}}"),
            step(
                r"\sigma'(x) = \frac{e^{-x}}{(1 + e^{-x})^2} = \frac{1}{1 + e^{-x}} \cdot "
                r"\frac{e^{-x}}{1 + e^{-x}}",
                "Derivative of a reciprocal, split into two factors:",
                "按倒数求导，再拆成两个因子：",
            ),
            step(
                r"\frac{e^{-x}}{1 + e^{-x}} = 1 - \sigma(x) \Rightarrow "
                r"\sigma' = \sigma (1 - \sigma)"
            ),
            step(
                r"\sigma'(x) = \frac{1}{e^{x} + 2 + e^{-x}} \le \frac{1}{4}",
                "Divided by exp(−x): the denominator is least, 4, at x = 0.",
                "分子分母同除以 exp(−x)：分母在 x = 0 处取最小值 4。",
            ),
        ),
        chain=("exp(-x) / (1 + exp(-x))^2", "1 / (exp(x) + 2 + exp(-x))", "y * (1 - y)"),
        related="tanh hardsigmoid logsigmoid binary_cross_entropy_with_logits lstm",
        note="000 §3; 001 三 A, (2-8); 003 §2.1",
    ),
    "tanh": told(
        (
            "Hidden layers of small nets and the state of recurrent ones: values of both signs.",
            "用于小网络的隐藏层和循环网络的状态：输出有正有负，以零为中心。",
        ),
        (
            "Flat far from zero, so gradients vanish there as with the sigmoid; and the "
            "exponential "
            "costs time.",
            "远离零处非常平缓，和 sigmoid 一样会梯度消失；指数运算计算成本也高。",
        ),
        steps=(
            step(r"\tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2\sigma(2x) - 1"),
            step(
                r"\tanh'(x) = \frac{(e^x + e^{-x})^2 - (e^x - e^{-x})^2}{(e^x + e^{-x})^2} = "
                r"1 - \tanh^2(x)",
                "By the quotient rule:",
                "用商的求导法则：",
            ),
        ),
        chain=("1 - ((exp(x) - exp(-x)) / (exp(x) + exp(-x)))^2", "1 - y^2"),
        related="sigmoid hardtanh softsign rnn lstm",
        note="001 三 D; 003 §2.2",
    ),
    "silu": told(
        (
            "Hidden layers of deep convolution nets (EfficientNet) and language models (SwiGLU).",
            "深层卷积网络（EfficientNet）的隐藏层，以及语言模型的 SwiGLU。",
        ),
        (
            "Costs an exponential and is not monotonic: two inputs below zero may give one output.",
            "要算一次指数，且不单调：负半轴上两个不同输入可能得到同一输出。",
        ),
        steps=(
            step(
                r"y = x\,\sigma(x) \Rightarrow y' = \sigma + x\,\sigma(1 - \sigma) = "
                r"\sigma\,(1 + x(1 - \sigma))",
                "By the product rule:",
                "用乘积的求导法则：",
            ),
        ),
        chain=(
            "sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x))",
            "sigmoid(x) * (1 + x * (1 - sigmoid(x)))",
        ),
        related="gelu mish hardswish glu",
    ),
    "mish": told(
        (
            "Where SiLU is used; detection nets such as YOLOv4 took it for a little accuracy.",
            "用在 SiLU 的场合；YOLOv4 等检测网络曾用它换取少许精度。",
        ),
        (
            "Three transcendental functions for each element: the costliest of its family.",
            "每个元素要算三个超越函数，是同类中最贵的。",
        ),
        steps=(
            step(r"y = x\,t,\quad t = \tanh(\ln(1 + e^x))"),
            step(
                r"y' = t + x\,(1 - t^2)\,\sigma(x)",
                "The slope of softplus is σ, that of tanh 1 − t²:",
                "softplus 的导数是 σ，tanh 的导数是 1 − t²：",
            ),
        ),
        chain=("tanh(log(1 + exp(x))) + x * (1 - tanh(log(1 + exp(x)))^2) * sigmoid(x)",),
        related="silu softplus gelu",
    ),
    "gelu": told(
        (
            "The feed-forward layers of transformers (BERT, GPT, ViT).",
            "Transformer（BERT、GPT、ViT）的前馈层。",
        ),
        (
            "Needs erf; approximate='tanh' is near it but not equal, so weights trained with one "
            "should run with the same.",
            "需要计算 erf；approximate='tanh' 与它相近但不相等，训练与使用应采用同一种。",
        ),
        steps=(
            step(
                r"y = x\,\Phi(x),\quad \Phi(x) = \frac{1}{2}\left(1 + "
                r"\operatorname{erf}\frac{x}{\sqrt{2}}\right)"
            ),
            step(
                r"y' = \Phi(x) + x\,\phi(x),\quad \phi(x) = \frac{1}{\sqrt{2\pi}} e^{-x^2/2}",
                "By the product rule; the slope of Φ is the normal density:",
                "用乘积法则；Φ 的导数是标准正态密度：",
            ),
        ),
        chain=("(1 + erf(x / sqrt(2))) / 2 + x * exp(-(x^2) / 2) / sqrt(2 * pi)",),
        related="silu relu erf",
    ),
    "softplus": told(
        (
            "To make a parameter positive (a variance, a rate), and as a smooth ReLU.",
            "把参数变成正数（方差、速率），或作光滑的 ReLU。",
        ),
        (
            "Never exactly 0, so no sparsity, and costlier than ReLU; beyond the threshold the "
            "identity "
            "is taken, as in PyTorch.",
            "永远不为零，因此不稀疏，也比 ReLU 贵；超过阈值后直接取恒等，与 PyTorch 相同。",
        ),
        chain=("exp(beta * x) / (1 + exp(beta * x))", "sigmoid(beta * x)"),
        related="relu sigmoid logsigmoid mish",
    ),
    "logsigmoid": told(
        (
            "The log-probability of a score, in losses: finite also where σ(x) underflows to 0.",
            "损失中得分的对数概率：即使 σ(x) 下溢为 0 也有限。",
        ),
        (
            "The mean of many log-probabilities is dominated by the few that are very wrong.",
            "许多对数概率取平均时，少数错得离谱的样本起支配作用。",
        ),
        chain=("exp(-x) / (1 + exp(-x))", "1 - exp(y)"),
        related="sigmoid softplus binary_cross_entropy_with_logits",
    ),
    "softsign": told(
        (
            "In the place of tanh without an exponential; its tails reach further.",
            "不用指数运算的 tanh 替代品，尾部更长，饱和更慢。",
        ),
        ("Saturates all the same: the slope falls as 1/x².", "仍会饱和：斜率按 1/x² 下降。"),
        steps=(
            step(
                r"x > 0:\ \left(\frac{x}{1 + x}\right)' = \frac{1}{(1 + x)^2};\quad "
                r"x < 0:\ \left(\frac{x}{1 - x}\right)' = \frac{1}{(1 - x)^2}"
            ),
        ),
        chain=("1 / (1 + abs(x))^2", "(1 - abs(y))^2"),
        related="tanh",
    ),
    "tanhshrink": told(
        (
            "Sparse coding: values near zero are pressed towards zero.",
            "稀疏编码：把接近零的值压向零。",
        ),
        (
            "Flat at zero: small inputs get almost no gradient.",
            "在零处是平的：小输入几乎没有梯度。",
        ),
        chain=("1 - (1 - tanh(x)^2)", "tanh(x)^2"),
        related="tanh softshrink",
    ),
    "glu": told(
        (
            "Gated convolutions and the feed-forward layers of language models: one half decides "
            "how "
            "much of the other passes.",
            "门控卷积和语言模型的前馈层：一半数值决定另一半通过多少。",
        ),
        (
            "Needs twice as many channels as it gives, and an even number of them.",
            "输入通道数是输出的两倍，且必须为偶数。",
        ),
        steps=(
            step(r"y = a \odot \sigma(b)"),
            step(
                r"\frac{\partial L}{\partial a} = g \odot \sigma(b),\quad \frac{\partial L}"
                r"{\partial b} = g \odot a \odot \sigma(b)(1 - \sigma(b))"
            ),
        ),
        gradients={
            "x": r"\left[\,g \odot \sigma(b),\ g \odot a \odot \sigma(b)(1 - "
            r"\sigma(b))\,\right]"
        },
        example=([[1.0, 2.0, 0.0, -1.0]],),
        related="sigmoid silu",
    ),
    "softmax": told(
        (
            "The output of a classifier of several classes: shares that add up to 1. Also "
            "attention.",
            "多分类网络的最后一层：把得分变成和为 1 的概率；也用于注意力。",
        ),
        (
            "Saturates when one score is far ahead: all entries of the Jacobian are near 0 then. "
            "For "
            "the loss take cross_entropy on the scores, which does not overflow or lose digits.",
            "某个得分遥遥领先时会饱和，雅可比矩阵各元素都接近 0。计算损失时应直接对得分用 "
            "cross_entropy，它不会溢出，也不丢精度。",
        ),
        steps=(
            step(r"p_i = \frac{e^{s_i}}{\sum_j e^{s_j}}"),
            step(
                r"i = j:\ \frac{\partial p_i}{\partial s_i} = \frac{e^{s_i} \sum_k e^{s_k} - "
                r"(e^{s_i})^2}{(\sum_k e^{s_k})^2} = p_i (1 - p_i)"
            ),
            step(
                r"i \ne j:\ \frac{\partial p_j}{\partial s_i} = -\frac{e^{s_j} e^{s_i}}"
                r"{(\sum_k e^{s_k})^2} = -p_i p_j",
                "The denominator holds every score, so there are two cases:",
                "分母含有全部得分，因此分两种情形：",
            ),
            step(
                r"\frac{\partial L}{\partial s_i} = \sum_j g_j\, p_j(\delta_{ij} - p_i) = "
                r"p_i \left(g_i - \sum_j g_j p_j\right)"
            ),
        ),
        gradients={"x": "y * (g - sum(g * y))"},
        example=([[1.0, 2.0, 4.0]],),
        options={"dim": -1},
        related="log_softmax cross_entropy hardmax softmin gumbel_softmax",
        note="000 §4; 001 (3-6); 002; 003 §2.6",
    ),
    "log_softmax": told(
        (
            "What the negative log-likelihood picks from: finite where softmax underflows.",
            "供负对数似然取值：softmax 下溢时它仍然有限。",
        ),
        (
            "Holds log-probabilities, not probabilities; exp of it may be 0.",
            "得到的是对数概率而不是概率；取 exp 后可能为 0。",
        ),
        steps=(
            step(r"y_i = s_i - \ln \sum_j e^{s_j}"),
            step(
                r"\frac{\partial y_j}{\partial s_i} = \delta_{ij} - p_i \Rightarrow "
                r"\frac{\partial L}{\partial s_i} = g_i - p_i \sum_j g_j"
            ),
        ),
        gradients={"x": "g - exp(y) * sum(g)"},
        example=([[1.0, 2.0, 4.0]],),
        options={"dim": -1},
        related="softmax nll_loss cross_entropy",
    ),
    "softmin": told(
        (
            "Shares that favour small scores: distances, costs.",
            "得分越小占比越大：用于距离、代价。",
        ),
        (
            "As softmax's; forgetting that it turns the order is the usual mistake.",
            "与 softmax 相同；常见的错误是忘了它把大小顺序反了过来。",
        ),
        steps=(
            step(
                r"p_i = \frac{e^{-s_i}}{\sum_j e^{-s_j}} \Rightarrow \frac{\partial p_j}"
                r"{\partial s_i} = -p_j(\delta_{ij} - p_i)"
            ),
        ),
        gradients={"x": "-y * (g - sum(g * y))"},
        example=([[1.0, 2.0, 4.0]],),
        options={"dim": -1},
        related="softmax",
    ),
    "hardmax": told(
        (
            "Beside softmax, to see what the exponential does: proportions of positive numbers.",
            "与 softmax 对照，看清指数的作用：把正数按比例分配。",
        ),
        (
            "Only for positive x: negative ones give shares below 0 and above 1. It never comes as "
            "near to one-hot as softmax, so a classifier is harder to train with it.",
            "只适用于正数：有负数时会得到小于 0 或大于 1 的份额。不像 softmax 那样容易达到 "
            "one-hot，分类更难训练。",
        ),
        steps=(
            step(
                r"p_i = \frac{x_i}{\sum_j x_j} \Rightarrow \frac{\partial p_j}{\partial x_i} "
                r"= \frac{\delta_{ij} - p_j}{\sum_k x_k}"
            ),
        ),
        gradients={"x": "(g - sum(g * y)) / sum(x)"},
        example=([[5.0, 1.0, 1.0, 1.0]],),
        options={"dim": -1},
        related="softmax",
        note="000 §4",
    ),
    "gumbel_softmax": told(
        (
            "To draw a category inside a net and still learn through the draw; hard=True gives a "
            "one-hot forward.",
            "在网络内部抽取一个类别，同时让梯度穿过抽样；hard=True 时前向输出 one-hot。",
        ),
        (
            "Small tau comes near to a true draw but its gradients get noisy; large tau blurs.",
            "tau 小则接近真正的抽样，但梯度噪声大；tau 大则模糊。",
        ),
        formula=r"y = \operatorname{softmax}\left(\frac{s + G}{\tau}\right),\quad G = -\ln(-\ln u)"
        r",\ u \sim U(0, 1)",
        steps=(
            step(
                r"\frac{\partial L}{\partial s_i} = \frac{y_i}{\tau}\left(g_i - \sum_j g_j y_j"
                r"\right)",
                "The noise is a constant on the way back: softmax's rule over τ.",
                "反向时噪声是常数：softmax 的规则再除以 τ。",
            ),
        ),
        rule="through",
        summary=(
            "Softmax with Gumbel noise: a draw of a category that has a gradient.",
            "加入 Gumbel 噪声的 softmax：带梯度的类别抽样。",
        ),
        example=([[1.0, 2.0, 4.0]],),
        related="softmax multinomial",
    ),
}

"""Rectifiers and functions of straight pieces (001 三 B-F, 003 §2.3-2.5 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_DEAD = (
    "A unit whose input stays negative gets no gradient and no longer changes: it is dead. Large "
    "learning rates and unlucky initial weights cause it. Outputs are not centred at zero.",
    "输入一直为负的神经元得不到梯度，不再更新，即“死亡”（dead ReLU）；学习率过大、初始化不当都会"
    "造成。输出也不以零为中心。",
)
_FLAT = (
    "Flat outside its limits: a unit that lands there gets no gradient.",
    "界外是平的：落在界外的神经元没有梯度。",
)

SHEETS: dict[str, Sheet] = {
    "relu": told(
        (
            "The default of hidden layers: does not saturate above zero, cheap, trains much faster "
            "than sigmoid and tanh, simple to differentiate. Zeros make activations sparse, units "
            "depend less on each other: less overfitting.",
            "隐藏层的默认选择：正半轴不饱和，计算只需比较大小，收敛远快于 sigmoid 和 tanh，求导"
            "简单。输出稀疏，参数间的相互依赖减少，缓解过拟合。",
        ),
        (
            _DEAD[0] + " At 0 there is no derivative; 0 is taken.",
            _DEAD[1] + "在 0 处不可导，这里取 0。",
        ),
        steps=(
            step(
                r"\operatorname{relu}(x) = \begin{cases} x & x > 0 \\ 0 & x \le 0 "
                r"\end{cases}"
            ),
        ),
        chain=("where(x > 0, 1, 0)",),
        related="leaky_relu prelu elu relu6 kaiming_normal_",
        note="001 三 B; 003 §2.3",
    ),
    "leaky_relu": told(
        (
            "In the place of ReLU where units die; the slope is usually 0.01 or 0.1.",
            "神经元容易死亡时代替 ReLU；负半轴斜率一般取 0.01 或 0.1。",
        ),
        (
            "Its advantage over ReLU is not consistent from task to task, and the slope is one "
            "more "
            "number to choose.",
            "相对 ReLU 的收益并不连贯，因任务而异；斜率又是一个要选的超参数。",
        ),
        chain=("where(x > 0, 1, negative_slope)",),
        related="relu prelu rrelu elu",
        note="001 三 B; 003 §2.4",
    ),
    "prelu": told(
        (
            "Where enough data is there to learn the slope below zero, one for each channel: it "
            "becomes a ReLU or a leaky one by itself.",
            "数据足够时让网络自己学负半轴的斜率（每个通道一个）：它可以变成 ReLU，也可以变成 "
            "Leaky ReLU。",
        ),
        (
            "More parameters, which may overfit; weight decay pulls the slope to 0, so exempt it.",
            "参数更多，可能过拟合；权重衰减会把斜率拉向 0，应将它排除在外。",
        ),
        steps=(
            step(r"y = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}"),
            step(
                r"\frac{\partial y}{\partial x} = \begin{cases} 1 & x > 0 \\ a & x \le 0 "
                r"\end{cases},\quad \frac{\partial y}{\partial a} = \begin{cases} 0 & x > 0 \\ "
                r"x & x \le 0 \end{cases}"
            ),
        ),
        gradients={"x": "g * where(x > 0, 1, weight)", "weight": r"\sum g\, x\,[x \le 0]"},
        example=([[-2.0, 1.0], [3.0, -1.0]], [0.25]),
        related="leaky_relu relu",
        note="003 §2.4",
    ),
    "rrelu": told(
        (
            "Small data sets: the random slope below zero acts as noise that regularises.",
            "小数据集：负半轴的随机斜率相当于噪声，起正则化作用。",
        ),
        (
            "Two calls in training give two results; in evaluation the mean slope is used.",
            "训练时两次调用结果不同；评估时改用平均斜率。",
        ),
        formula=r"y = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases},\quad "
        r"a \sim U[l, u)",
        steps=(
            step(
                r"\frac{\partial y}{\partial x} = \begin{cases} 1 & x > 0 \\ a & x \le 0 "
                r"\end{cases}",
                "With the slope that was drawn, kept for the way back:",
                "使用前向时抽到并保存下来的斜率：",
            ),
        ),
        summary=(
            "A leaky ReLU whose slope below zero is drawn for each element while training.",
            "训练时为每个元素随机抽取负半轴斜率的 Leaky ReLU。",
        ),
        rule="masked",
        example=([[-2.0, 1.0], [3.0, -1.0]],),
        related="leaky_relu prelu",
    ),
    "relu6": told(
        (
            "Nets that will run in low precision: no output needs more range than [0, 6].",
            "准备用低精度运行的网络：输出限制在 [0, 6] 内，不会过大。",
        ),
        (
            "No gradient above 6 as well as below 0: units can die on both sides.",
            "不仅小于 0，大于 6 也没有梯度：两侧都可能使神经元死亡。",
        ),
        chain=("where(x > 0, where(x < 6, 1, 0), 0)",),
        related="relu hardtanh hardswish",
        note="001 三 B",
    ),
    "elu": told(
        (
            "In the place of ReLU where mean outputs near zero are wanted and units must not die.",
            "希望输出均值接近零、又不要神经元死亡时代替 ReLU。",
        ),
        (
            "The exponential below zero costs time; far below zero the slope is nearly 0 again. "
            "With "
            "alpha ≠ 1 the slope jumps at 0.",
            "负半轴的指数运算使计算量稍大；远小于零处斜率又趋于 0。alpha ≠ 1 时斜率在 0 处跳变。",
        ),
        chain=("where(x > 0, 1, alpha * exp(x))", "where(x > 0, 1, y + alpha)"),
        related="selu celu relu",
        note="003 §2.5",
    ),
    "selu": told(
        (
            "Deep plain nets without normalisation layers, with LeCun initialisation and "
            "AlphaDropout.",
            "不用归一化层的深层全连接网络，配合 LeCun 初始化和 AlphaDropout。",
        ),
        (
            "Its promise of mean 0 and variance 1 holds for plain stacks only: not with other "
            "initialisations, ordinary dropout or skip connections.",
            "均值 0、方差 1 的保证只对普通堆叠成立：换初始化、用普通 dropout 或残差连接时失效。",
        ),
        chain=("1.0507009873554805 * where(x > 0, 1, 1.6732632423543772 * exp(x))",),
        related="elu lecun_normal_ alpha_dropout",
    ),
    "celu": told(
        (
            "An ELU whose alpha can be tuned without making a kink at 0.",
            "想调 alpha 又不想在 0 处产生折点时代替 ELU。",
        ),
        (
            "For small alpha it is a ReLU with the cost of an exponential.",
            "alpha 很小时几乎就是 ReLU，却要付出指数运算的代价。",
        ),
        chain=("where(x > 0, 1, exp(x / alpha))",),
        related="elu selu",
    ),
    "softshrink": told(
        (
            "The proximal step of L1: small coefficients become exactly 0, as in lasso.",
            "L1 的近端步骤：小系数变成恰好为 0，lasso 就靠它得到稀疏解。",
        ),
        (
            "Large values are pulled in by lambd as well, so they are biased.",
            "大的值也被拉近 lambd，因此有偏差。",
        ),
        chain=("where(x > lambd, 1, where(x < -lambd, 1, 0))",),
        related="hardshrink tanhshrink",
    ),
    "hardshrink": told(
        (
            "To drop small coefficients and leave the large ones unbiased.",
            "去掉小系数，而不使大系数产生偏差。",
        ),
        ("Jumps at ±lambd; within the limits nothing learns.", "在 ±lambd 处跳变；界内没有梯度。"),
        chain=("where(x > lambd, 1, where(x < -lambd, 1, 0))",),
        related="softshrink threshold",
    ),
    "threshold": told(
        (
            "To cut off what does not exceed a level, as in a rectifier with another threshold.",
            "截去不超过某一水平的部分，即阈值可选的整流。",
        ),
        (
            "Jumps where value ≠ threshold, and the replaced part gets no gradient.",
            "value ≠ threshold 时在阈值处跳变；被替换的部分没有梯度。",
        ),
        chain=("where(x > threshold, 1, 0)",),
        related="relu hardshrink",
        options={"threshold": 0.5, "value": -1.0},
    ),
    "hardtanh": told(
        (
            "In the place of tanh where arithmetic is costly: binarised nets, small processors.",
            "计算资源紧张时代替 tanh：二值化网络、小处理器。",
        ),
        (_FLAT[0], _FLAT[1]),
        chain=("where(x > min_val, where(x < max_val, 1, 0), 0)",),
        related="tanh relu6 sign_ste",
        note="001 三 F",
    ),
    "hardsigmoid": told(
        (
            "In the place of the sigmoid in mobile nets (MobileNetV3): no exponential.",
            "移动端网络（MobileNetV3）中代替 sigmoid，无需指数运算。",
        ),
        (
            "Exactly flat from ±3 on: a gate that lands there no longer learns.",
            "±3 之外完全平坦：落在那里的门不再学习。",
        ),
        chain=("where(x > -3, where(x < 3, 1 / 6, 0), 0)",),
        related="sigmoid hardswish hard_sigmoid_bnn",
    ),
    "hard_sigmoid_bnn": told(
        (
            "Binarised nets (BinaryNet, XNOR-Net): the probability with which a unit is set to 1.",
            "二值化网络（BinaryNet、XNOR-Net）：单元取 1 的概率。",
        ),
        (
            "Flat outside [−1, 1]; there is also PyTorch's hardsigmoid, with other limits.",
            "在 [−1, 1] 之外是平的；注意 PyTorch 的 hardsigmoid 端点不同。",
        ),
        chain=("where(x > -1, where(x < 1, 1 / 2, 0), 0)",),
        related="hardsigmoid sign_ste",
        note="001 三 E",
    ),
    "hardswish": told(
        (
            "SiLU for mobile nets (MobileNetV3): a parabola instead of an exponential.",
            "移动端网络（MobileNetV3）的 SiLU：用抛物线代替指数。",
        ),
        (
            "Units below −3 get no gradient; the slope has kinks at ±3.",
            "小于 −3 的单元没有梯度；斜率在 ±3 处有折点。",
        ),
        chain=("where(x < -3, 0, where(x < 3, x / 3 + 1 / 2, 1))",),
        related="silu hardsigmoid relu6",
    ),
    "sign_ste": told(
        (
            "Weights and activations of one bit: the sign forward, hard tanh's slope backward.",
            "一比特的权重和激活：前向取符号，反向用 hard tanh 的斜率。",
        ),
        (
            "The gradient is a substitute, not the derivative (which is 0): it can point the wrong "
            "way, so keep real-valued weights beside the signs.",
            "梯度是替代品，并非真正的导数（真正的导数为 0），方向可能出错，因此要另存实数权重。",
        ),
        steps=(
            step(r"\operatorname{sign}'(x) = 0 \text{ wherever it exists}"),
            step(
                r"\frac{\partial y}{\partial x} := \begin{cases} 1 & -1 \le x \le 1 \\ 0 & "
                r"\text{otherwise} \end{cases}",
                "So the slope of hard tanh is put in its place (straight-through):",
                "因此以 hard tanh 的斜率代替（直通估计）：",
            ),
        ),
        gradients={"x": "g * where(abs(x) <= 1, 1, 0)"},
        related="sign hardtanh hard_sigmoid_bnn",
        note="001 三 C",
    ),
}

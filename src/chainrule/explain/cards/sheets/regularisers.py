"""Regularisation (003 §5, §3.5; 001 七; 004 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_CHANNELS = ("Whole channels are silenced: neighbours in a map are alike, so single elements "
             "would be guessed from them.",
             "整个通道一起关闭：特征图中相邻元素相似，只关单个元素起不到作用。")  # fmt: skip
_DROP = (
    step(r"y = \frac{m}{1 - p} \odot x,\quad m \sim \text{Bernoulli}(1 - p) \Rightarrow E[y] = x"),
    step(
        r"\frac{\partial L}{\partial x} = \frac{m}{1 - p} \odot g",
        "The mask of the forward pass is kept and used again:",
        "保存前向的掩码，反向时再用一次：",
    ),
)


def _dropout(summary: tuple[str, str], use: tuple[str, str], example: tuple[object, ...]) -> Sheet:
    return told(
        use,
        ("The loss is noisy and no longer one function, so first see that it falls without; "
         "behaves differently in training and evaluation; fits badly just before batch norm.",
         "损失带噪声，不再是明确的函数，应先不用 dropout 确认损失单调下降；训练与评估行为不同；不"
         "宜紧接在批归一化之前。"),
        summary=summary, formula=r"y = \frac{m \odot x}{1 - p}", steps=_DROP,
        gradients={"x": r"\frac{m}{1 - p} \odot g"}, rule="masked", example=example,
        related="batch_norm alpha_dropout weight_decay", note="003 §5.2",
    )  # fmt: skip


_ALPHA = told(
    ("SELU nets: silenced units go to SELU's floor, so mean and variance stay.",
     "SELU 网络：被关闭的单元取 SELU 的下限，均值与方差不变。"),
    ("Of use with SELU only.", "只适合与 SELU 一起使用。"),
    summary=("Dropout that keeps SELU's mean and variance.", "为 SELU 保持均值和方差的 dropout。"),
    formula=r"y = a\,(m \odot x + (1 - m)\,\alpha') + b",
    steps=(step(r"\alpha' = -\lambda\alpha,\quad a = \left((1 - p)(1 + p \alpha'^2)\right)^{-1/2},"
                r"\quad b = -a\, p\, \alpha'"),
           step(r"\frac{\partial L}{\partial x} = a\, m \odot g")),
    gradients={"x": r"a\, m \odot g"}, rule="masked", example=([[1.0, 2.0, 3.0, 4.0]],),
    related="selu dropout",
)  # fmt: skip

SHEETS: dict[str, Sheet] = {
    "dropout": _dropout(
        (
            "Silences units at random while training and scales the rest up.",
            "训练时随机关闭一些神经元，并放大其余的。",
        ),
        (
            "Large linear layers and little data: units cannot rely on each other, and each batch "
            "trains another net.",
            "全连接层大而数据少时：神经元不能互相依赖，每个小批都在训练不同的网络。",
        ),
        ([[1.0, 2.0, 3.0, 4.0]],),
    ),
    "dropout1d": _dropout(
        ("Silences whole channels of sequences.", "随机关闭序列的整个通道。"),
        _CHANNELS,
        ([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]],),
    ),
    "dropout2d": _dropout(
        ("Silences whole feature maps.", "随机关闭整张特征图。"),
        _CHANNELS,
        ([[[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]],),
    ),
    "dropout3d": _dropout(
        ("Silences whole channels of volumes.", "随机关闭立体数据的整个通道。"),
        _CHANNELS,
        ([[[[[1.0, 2.0]]], [[[3.0, 4.0]]], [[[5.0, 6.0]]]]],),
    ),
    "alpha_dropout": _ALPHA,
    "feature_alpha_dropout": _ALPHA,
    "masked_scale": told(
        ("The inside of dropout: the mask is given.", "dropout 的内部：掩码由外部给出。"),
        ("The mask must be kept for the way back.", "掩码要保留到反向。"),
        steps=_DROP,
        gradients={"x": "g * mask / (1 - p)"},
        rule="masked",
        example=([1.0, 2.0, 3.0, 4.0], [True, False, True, True]),
        options={"p": 0.25},
        related="dropout",
    ),
    "l1": told(
        (
            "To get sparse weights: many become exactly 0 (feature selection).",
            "想要稀疏权重：许多权重变成恰好为 0（特征选择）。",
        ),
        (
            "Not differentiable at 0, where it matters; plain gradient descent only comes near "
            "to 0. "
            "Of weights only, not of biases.",
            "恰恰在关键的 0 处不可导，普通梯度下降只能接近 0；只对权重用，不对偏置用。",
        ),
        summary=(
            "λ times the sum of magnitudes, added to the loss.",
            "在损失上加 λ 倍的权重绝对值之和。",
        ),
        formula=r"L = L_0 + \lambda \sum_j |w_j|",
        steps=(
            step(
                r"\frac{\partial L}{\partial w_j} = \frac{\partial L_0}{\partial w_j} + "
                r"\lambda \operatorname{sign}(w_j)",
                "A pull of constant size, however small the weight: it arrives at 0.",
                "拉力大小恒定，与权重多小无关，因此能拉到 0。",
            ),
        ),
        rule="spread",
        picture="flow:θ | λ · sign(w) | + gradient of the loss | g",
        related="weight_decay l1_loss softshrink",
        note="003 §5.1",
    ),
    "weight_decay": told(
        (
            "Against overfitting: small weights make activations nearly linear and the net simple. "
            "Every optimiser takes weight_decay=λ.",
            "防止过拟合：权重小则激活近似线性，网络变简单。每个优化器都有 weight_decay=λ 参数。",
        ),
        (
            "λ too large underfits; on biases and norm scales it only harms; with Adam take AdamW.",
            "λ 过大会欠拟合；用在偏置和归一化参数上有害无益；配合 Adam 时应使用 AdamW。",
        ),
        summary=(
            "L2: λ times the sum of squares, added to the loss.",
            "L2 正则化：在损失上加 λ 倍的权重平方和。",
        ),
        formula=r"L = L_0 + \frac{\lambda}{2} \sum_j w_j^2",
        steps=(
            step(
                r"\frac{\partial L}{\partial w_j} = \frac{\partial L_0}{\partial w_j} + "
                r"\lambda w_j"
            ),
            step(
                r"w \leftarrow (1 - \alpha\lambda)\, w - \alpha \frac{\partial L_0}{\partial "
                r"w}",
                "With plain gradient descent each step shrinks the weights:",
                "在普通梯度下降中，每一步都使权重按比例缩小：",
            ),
        ),
        rule="spread",
        picture="flow:θ | λ · w | + gradient of the loss | g",
        related="l1 AdamW dropout",
        note="003 §5.1 (its λΣw² has twice this λ)",
    ),
    "clip_grad_norm_": told(
        (
            "Recurrent nets and transformers: against exploding gradients.",
            "循环网络与 Transformer：防止梯度爆炸。",
        ),
        (
            "Hides a learning rate that is too large; choose max_norm from the norms you see.",
            "会掩盖学习率过大的问题；max_norm 应参照实际看到的范数来定。",
        ),
        summary=(
            "All gradients by one factor, so that their joint norm is bounded.",
            "所有梯度乘同一系数，使总范数不超过上限。",
        ),
        formula=r"g \leftarrow g \cdot \min\left(1, \frac{c}{|g|}\right)",
        steps=(
            step(
                r"|g| > c \Rightarrow |g'| = c,\ \frac{g'}{|g'|} = \frac{g}{|g|}",
                "The direction stays.",
                "方向不变。",
            ),
        ),
        rule="update",
        picture="flow:g of all parameters | norm |g| | × min(1, c/|g|) | g′",
        related="clip_grad_value_ rnn lstm",
        note="003 §3.5; 004",
    ),
    "clip_grad_value_": told(
        ("Against single wild entries.", "防止个别元素过大。"),
        (
            "Turns the direction: large entries lose more than small ones.",
            "会改变方向：大的元素损失更多。",
        ),
        summary=(
            "Every element of the gradients held within ±c.",
            "把梯度的每个元素限制在 ±c 内。",
        ),
        formula=r"g_i \leftarrow \max(-c, \min(c, g_i))",
        steps=(
            step(
                r"|g_i| \le c \text{ for every } i",
                "The threshold of the notes, entry by entry.",
                "即笔记中的梯度阈值，逐元素截断。",
            ),
        ),
        rule="update",
        picture="flow:g of all parameters | limit each to ±c | g′",
        related="clip_grad_norm_ clamp",
        note="003 §3.5; 004",
    ),
    "EarlyStopping": told(
        (
            "To stop where the validation loss is least: the cheapest regulariser.",
            "在验证损失最小处停止：最省事的正则化。",
        ),
        (
            "Needs data set aside; noise may stop it too soon: give it patience.",
            "要留出验证集；噪声可能使它停得过早：应设置足够的 patience。",
        ),
        summary=("Ends training when a metric no longer improves.", "指标不再改善时结束训练。"),
        formula=r"\text{stop at } e \text{ if } \min_{k \le p} L_{e-k} \ge \min_{k > p} L_{e-k}",
        steps=(
            step(
                r"w_T \approx \text{L2 with } \lambda \propto \frac{1}{\alpha T}",
                "Few steps cannot carry weights far from the start: like weight decay, for a "
                "quadratic loss.",
                "步数少，权重就走不远：对二次损失，效果近似 L2 正则化。",
            ),
        ),
        rule="rate",
        picture="flow:… validation loss | better than the best? | patience | stop",
        related="ReduceLROnPlateau weight_decay",
        note="001 七",
    ),
}

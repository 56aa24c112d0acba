"""Attention and transformers, embeddings, and what compares vectors."""

from chainrule.explain.cards.sheet import Sheet, step, told

_ATTENTION = (
    step(
        r"S = s\, Q K^{\top} + M,\quad P = \operatorname{softmax}(S),\quad Y = P V",
        "The scale s is 1/√E unless another is given:",
        "若不另给，缩放 s = 1/√E：",
    ),
    step(r"\partial V = P^{\top} G,\quad \partial P = G V^{\top}"),
    step(
        r"\partial S = P \odot \left(\partial P - \sum \partial P \odot P\right)",
        "Softmax, row by row:",
        "逐行用 softmax 的规则：",
    ),
    step(
        r"\partial Q = s\, \partial S\, K,\quad \partial K = s\, \partial S^{\top} Q,\quad "
        r"\partial M = \partial S"
    ),
)
_USE = (
    "Sequences where any place may matter to any other: text, pictures in patches, speech.",
    "任意两处都可能相关的序列：文本、切成小块的图像、语音。",
)
_TROUBLE = (
    "Time and memory grow with the square of the length; without positions it does not know the "
    "order; without the 1/√E the softmax saturates.",
    "时间和显存随长度的平方增长；不加位置信息就不知道顺序；没有 1/√E 时 softmax 会饱和。",
)
_Q = [[[1.0, 0.0], [0.0, 1.0]]]
_FORMULA = r"Y = \operatorname{softmax}\left(\frac{Q K^{\top}}{\sqrt{E}} + M\right) V"


def _stack(use: tuple[str, str], summary: tuple[str, str], picture: str, formula: str,
           related: str) -> Sheet:  # fmt: skip
    return told(
        use,
        ("Needs warm-up of the learning rate with norm_first=False; parameters grow with the "
         "square of the width.",
         "norm_first=False 时学习率需要预热；参数随宽度的平方增长。"),
        formula=formula,
        steps=(step(r"y = x + f(x) \Rightarrow \frac{\partial L}{\partial x} = g + f'(x)^{\top} g",
                    "The residual lets the gradient pass unchanged beside each part:",
                    "残差连接使梯度在每个部分旁原样通过："),),
        rule="through", summary=summary, picture=picture, related=related,
    )  # fmt: skip


_LAYER = (
    "flow:x (T, N, d) | self-attention | dropout, + x, LayerNorm | Linear, ReLU, Linear | "
    "dropout, +, LayerNorm | y (T, N, d)"
)

SHEETS: dict[str, Sheet] = {
    "attention": told(
        _USE,
        _TROUBLE,
        steps=_ATTENTION,
        rule="product",
        gradients={
            "query": r"s\, \partial S\, K",
            "key": r"s\, \partial S^{\top} Q",
            "value": r"P^{\top} G",
            "bias": r"\partial S",
        },
        picture="flow:x: Q (L, E), K (S, E), V (S, V) | Q Kᵀ/√E + mask | softmax | P V | y (L, V)",
        related="scaled_dot_product_attention softmax matmul",
    ),
    "scaled_dot_product_attention": told(
        _USE,
        _TROUBLE,
        formula=_FORMULA,
        steps=_ATTENTION,
        rule="product",
        summary=(
            "Each query gets a mixture of the values, in shares of a softmax over the keys.",
            "每个查询按对各键的 softmax 份额混合各个值。",
        ),
        example=(_Q, _Q, [[[1.0, 2.0], [3.0, 4.0]]]),
        related="MultiheadAttention softmax",
    ),
    "multi_head_attention_forward": told(
        (
            "Inside MultiheadAttention: the function with all weights as arguments.",
            "MultiheadAttention 的内部：把所有权重作为参数的函数。",
        ),
        _TROUBLE,
        formula=r"Y = \left[head_1, \ldots, head_h\right] W_O,\quad head_i = "
        r"\operatorname{attention}(Q W_i^Q, K W_i^K, V W_i^V)",
        steps=_ATTENTION,
        rule="through",
        summary=(
            "Projects, attends in several heads, and projects back.",
            "投影，多个头各自计算注意力，再投影回来。",
        ),
        picture="flow:x (L, N, E) | W_q, W_k, W_v | heads: softmax(Q Kᵀ/√d) V | W_o | y (L, N, E)",
        related="MultiheadAttention scaled_dot_product_attention",
    ),
    "MultiheadAttention": told(
        _USE,
        _TROUBLE,
        formula=r"Y = \left[head_1, \ldots, head_h\right] W_O,\quad head_i = "
        r"\operatorname{softmax}\left(\frac{Q_i K_i^{\top}}{\sqrt{d}}\right) V_i",
        steps=_ATTENTION,
        rule="through",
        summary=(
            "Several attentions side by side, each on its own projection.",
            "多个注意力并行，各自在自己的投影上计算。",
        ),
        picture="flow:x (L, N, E) | W_q, W_k, W_v | heads: softmax(Q Kᵀ/√d) V | W_o | y (L, N, E)",
        related="scaled_dot_product_attention TransformerEncoderLayer",
    ),
    "TransformerEncoderLayer": _stack(
        ("The building block of BERT and ViT.", "BERT、ViT 的基本模块。"),
        (
            "Self-attention and two linear layers, each with a residual and layer norm.",
            "自注意力加两个线性层，各带残差与层归一化。",
        ),
        _LAYER,
        r"h = LN(x + \operatorname{attention}(x)),\quad y = LN(h + W_2\, f(W_1 h))",
        "MultiheadAttention layer_norm TransformerEncoder",
    ),
    "TransformerDecoderLayer": _stack(
        ("Generation with a source: translation, captions.", "带来源的生成：翻译、看图说话。"),
        (
            "Self-attention, attention to the encoder's output, two linear layers.",
            "自注意力、对编码器输出的注意力、两个线性层。",
        ),
        "flow:x (T, N, d) | masked self-attention, +, LayerNorm | attention to memory (S, N, d), "
        "+, LayerNorm | Linear, ReLU, Linear, +, LayerNorm | y (T, N, d)",
        r"h = LN(x + \operatorname{attention}(x)),\quad u = LN(h + \operatorname{attention}(h, "
        r"m)),\quad y = LN(u + W_2\, f(W_1 u))",
        "TransformerEncoderLayer Transformer",
    ),
    "TransformerEncoder": _stack(
        ("A stack of encoder layers.", "编码层的堆叠。"),
        ("Copies of one encoder layer, one after the other.", "同一编码层的若干副本依次相连。"),
        "flow:x (S, N, d) | layer 1 | layer 2 | … layer n | norm | y (S, N, d)",
        r"y = f_n(\cdots f_2(f_1(x)))",
        "TransformerEncoderLayer Transformer",
    ),
    "TransformerDecoder": _stack(
        ("A stack of decoder layers.", "解码层的堆叠。"),
        ("Copies of one decoder layer, one after the other.", "同一解码层的若干副本依次相连。"),
        "flow:x (T, N, d) | layer 1 ← memory | layer 2 ← memory | … layer n | y (T, N, d)",
        r"y = f_n(\cdots f_2(f_1(x, m), m), m)",
        "TransformerDecoderLayer Transformer",
    ),
    "Transformer": _stack(
        ("Sequence to sequence, as translation.", "序列到序列的任务，如翻译。"),
        (
            "An encoder for the source and a decoder that looks at it.",
            "编码器读源序列，解码器边看边生成。",
        ),
        "flow:x src (S, N, d) | encoder | memory (S, N, d) | decoder ← tgt (T, N, d) | y (T, N, d)",
        r"y = \operatorname{decoder}(tgt, \operatorname{encoder}(src))",
        "TransformerEncoder TransformerDecoder",
    ),
    "embedding": told(
        (
            "Words, users, categories: a learned vector for each number.",
            "词、用户、类别：每个编号对应一个可学习的向量。",
        ),
        (
            "Rare rows hardly learn; a dense gradient of a large table is nearly all zeros, so "
            "take "
            "sparse=True there.",
            "很少出现的行几乎学不到东西；大表的稠密梯度几乎全为零，可用 sparse=True。",
        ),
        steps=(
            step(
                r"y_n = W_{i_n} \Rightarrow \frac{\partial L}{\partial W_r} = \sum_{n:\ i_n = "
                r"r} g_n"
            ),
        ),
        gradients={"weight": r"\sum_{n:\ i_n = r} g_n"},
        rule="gather",
        example=([1, 0, 1], [[1.0, 2.0], [3.0, 4.0]]),
        related="EmbeddingBag one_hot SparseAdam",
    ),
    "embedding_bag": told(
        (
            "Bags of words: the mean or sum of rows without storing them.",
            "词袋：直接求各行的和或均值，不保存各行。",
        ),
        (
            "The order within a bag is lost; 'max' gives its gradient to one row a column.",
            "袋内顺序丢失；'max' 时每一列只有一行得到梯度。",
        ),
        formula=r"y_b = \sum_{n \in bag(b)} W_{i_n}",
        steps=(step(r"\frac{\partial L}{\partial W_r} = \sum_{b} \sum_{n \in b:\ i_n = r} g_b"),),
        rule="gather",
        summary=(
            "Rows of a table, reduced over each bag of indices.",
            "按每袋索引取表中各行并归约。",
        ),
        example=([[0, 1], [1, 1]], [[1.0, 2.0], [3.0, 4.0]]),
        related="embedding",
    ),
    "cosine_similarity": told(
        ("To compare embeddings whose length means nothing.", "比较长度没有意义的嵌入。"),
        (
            "Undefined at length 0 (held by eps); blind to size.",
            "长度为 0 时无定义（由 eps 兜底）；看不到大小。",
        ),
        formula=r"y = \frac{x_1 \cdot x_2}{|x_1|\,|x_2|}",
        steps=(
            step(
                r"\frac{\partial y}{\partial x_1} = \frac{1}{|x_1|}\left(\frac{x_2}{|x_2|} - "
                r"y\, \frac{x_1}{|x_1|}\right)"
            ),
        ),
        rule="through",
        summary=("The cosine of the angle between vectors.", "两个向量夹角的余弦。"),
        example=([[1.0, 0.0]], [[1.0, 1.0]]),
        related="normalize pairwise_distance",
    ),
    "pairwise_distance": told(
        ("The distance of corresponding rows: metric learning.", "对应行之间的距离：度量学习。"),
        (
            "eps is added to the difference, so equal rows are not at distance 0 exactly.",
            "差值上加了 eps，因此相等的两行距离并不恰好为 0。",
        ),
        formula=r"y = \Vert x_1 - x_2 + \varepsilon \Vert_p",
        steps=(
            step(
                r"p = 2:\ \frac{\partial y}{\partial x_1} = \frac{x_1 - x_2 + \varepsilon}"
                r"{y}"
            ),
        ),
        rule="through",
        summary=("The p-norm of differences of rows.", "各行之差的 p 范数。"),
        example=([[0.0, 0.0]], [[3.0, 4.0]]),
        related="cdist triplet_margin_loss",
    ),
    "bilinear": told(
        (
            "To let two sources meet: every product of their entries, weighted.",
            "融合两个来源：对两者各元素的所有乘积加权。",
        ),
        ("in1 × in2 × out weights.", "权重数为 in1 × in2 × out。"),
        formula=r"y_k = x_1^{\top} W_k\, x_2 + b_k",
        steps=(
            step(
                r"\frac{\partial L}{\partial x_1} = \sum_k g_k W_k x_2,\quad \frac{\partial L}"
                r"{\partial W_k} = g_k\, x_1 x_2^{\top}"
            ),
        ),
        rule="product",
        summary=("A form linear in each of two inputs.", "对两个输入分别线性的形式。"),
        example=([[1.0, 2.0]], [[3.0, 4.0]], [[[1.0, 0.0], [0.0, 1.0]]]),
        related="linear einsum",
    ),
}

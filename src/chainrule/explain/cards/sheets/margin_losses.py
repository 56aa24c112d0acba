"""Losses of margins, pairs and sequences."""

from chainrule.explain.cards.sheet import Sheet, step, told

_SCORES, _CLASS = [[2.0, 1.0, 0.0]], [0]

SHEETS: dict[str, Sheet] = {
    "hinge_loss": told(
        (
            "Support vector machines, and nets trained in their manner: classes −1 and 1.",
            "支持向量机及类似训练的网络：类别为 −1 与 1。",
        ),
        (
            "No probabilities, no derivative at the corner, and no pull on what is right by the "
            "margin.",
            "不给出概率；拐角处不可导；间隔足够的样本不再有拉力。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x_i} = \begin{cases} -y_i / n & m - y_i x_i > 0 "
                r"\\ 0 & \text{otherwise} \end{cases}"
            ),
        ),
        gradients={
            "input": "where(margin - target * input > 0, -target * g / n, 0)",
            "target": "where(margin - target * input > 0, -input * g / n, 0)",
        },
        rule="masked",
        example=([2.0, 0.5, -1.0], [1.0, 1.0, 1.0]),
        related="soft_margin_loss multi_margin_loss hinge_embedding_loss",
    ),
    "soft_margin_loss": told(
        ("Two classes −1 and 1 by logistic regression.", "类别为 −1 与 1 的逻辑回归。"),
        (
            "A rewriting of the cross-entropy with logits: nothing gained but the labels' form.",
            "只是交叉熵的另一种写法，区别仅在标签的形式。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x} = \frac{-y\, e^{-yx}}{1 + e^{-yx}} = "
                r"-y\,\sigma(-yx)"
            ),
        ),
        gradients={
            "input": "-g * target * sigmoid(-target * input) / n",
            "target": "-g * input * sigmoid(-target * input) / n",
        },
        rule="spread",
        example=([2.0, 0.5, -1.0], [1.0, 1.0, 1.0]),
        related="hinge_loss binary_cross_entropy_with_logits",
    ),
    "hinge_embedding_loss": told(
        ("Pairs that are alike or not, given their distance.", "给定距离，学习样本对是否相似。"),
        (
            "The input must be a distance ≥ 0; alike pairs are pulled without limit.",
            "输入必须是非负距离；相似样本会被无限拉近。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x} = \begin{cases} 1 & y = 1 \\ -[x < m] & "
                r"y = -1 \end{cases}"
            ),
        ),
        gradients={"input": "where(target == 1, g, where(input < margin, -g, 0)) / n"},
        rule="masked",
        example=([0.5, 0.4, 2.0], [1.0, -1.0, -1.0]),
        related="contrastive_loss cosine_embedding_loss",
    ),
    "margin_ranking_loss": told(
        ("Learning to rank: which of two should come first.", "排序学习：两者之中谁应排在前面。"),
        (
            "Says nothing of how good a score is in itself; needs well-chosen pairs.",
            "对得分本身的好坏不作要求；效果取决于样本对的选取。",
        ),
        steps=(
            step(
                r"z = -y (x_1 - x_2) + m:\ \frac{\partial L}{\partial x_1} = -y\,[z > 0],\quad "
                r"\frac{\partial L}{\partial x_2} = y\,[z > 0]"
            ),
        ),
        gradients={
            "input1": "where(-target * (input1 - input2) + margin > 0, -target * g / n, 0)",
            "input2": "where(-target * (input1 - input2) + margin > 0, target * g / n, 0)",
            "target": "where(-target * (input1 - input2) + margin > 0, -(input1 - input2) * g / n, "
            "0)",
        },
        rule="masked",
        example=([1.0, 2.0], [2.0, 1.0], [1.0, 1.0]),
        related="triplet_margin_loss hinge_loss",
    ),
    "multi_margin_loss": told(
        ("Several classes in the manner of the SVM.", "支持向量机式的多分类。"),
        (
            "Divides by all classes, so the pull is weak where there are many; no probabilities.",
            "要除以类别总数，类别多时拉力很弱；不给出概率。",
        ),
        steps=(
            step(
                r"v_j = \max(0, m - x_y + x_j)\,[j \ne y],\quad u_j = v_j^{p-1}\,[v_j > 0]:\quad "
                r"\frac{\partial L}{\partial x_j} = \frac{p\, w_y u_j}{C}\ (j \ne y),\quad "
                r"\frac{\partial L}{\partial x_y} = -\sum_j \frac{p\, w_y u_j}{C}",
                "v is what is missing to the margin; where it is 0 nothing pulls:",
                "v 是距间隔还差的量；v = 0 处没有拉力：",
            ),
        ),
        gradients={
            "input": r"\frac{g\, p\, w_y}{N C} \left(u_i - [i = y] \sum_j u_j\right)",
            "weight": r"\frac{g}{N C} \sum_{n:\ y_n = c} \sum_j v_{nj}^p",
        },
        rule="masked",
        example=(_SCORES, _CLASS),
        related="hinge_loss cross_entropy",
    ),
    "multilabel_margin_loss": told(
        (
            "Several right classes for each sample, ranked above all wrong ones.",
            "每个样本有多个正确类别，都应排在错误类别之前。",
        ),
        (
            "The target is a padded list (−1 ends it), not a 0/1 row: an easy mistake.",
            "目标是以 −1 结尾的下标列表，而不是 0/1 向量，容易弄错。",
        ),
        steps=(
            step(
                r"1 - x_j + x_k > 0:\ \frac{\partial L}{\partial x_j} = -\frac{1}{C},\quad "
                r"\frac{\partial L}{\partial x_k} = \frac{1}{C}",
                "Each pair of a right class j and a wrong class k that is too close (v_jk = 1 "
                "below, else 0):",
                "对每一对间隔不足的正确类 j 与错误类 k（下面记 v_jk = 1，否则为 0）：",
            ),
        ),
        gradients={"input": r"\frac{g}{N C} \left(\sum_j v_{ji} - \sum_k v_{ik}\right)"},
        rule="masked",
        example=([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]]),
        related="multilabel_soft_margin_loss multi_margin_loss",
    ),
    "multilabel_soft_margin_loss": told(
        (
            "Several labels at once: a yes or no for each class.",
            "多标签分类：对每个类别分别判断是否。",
        ),
        (
            "Takes the labels for independent; rare labels are drowned unless weighted.",
            "把各标签视为相互独立；稀少的标签若不加权会被淹没。",
        ),
        steps=(
            step(
                r"\ell_{nc} = \ln(1 + e^{x_{nc}}) - y_{nc}\, x_{nc} \Rightarrow "
                r"\frac{\partial \ell}{\partial x} = \sigma(x) - y,\quad \frac{\partial \ell}"
                r"{\partial y} = -x"
            ),
        ),
        gradients={
            "input": r"\frac{g}{N C}\, w_c\, (\sigma(x_c) - y_c)",
            "target": r"-\frac{g}{N C}\, w_c\, x_c",
            "weight": r"\frac{g}{N C} \sum_n \ell_{nc}",
        },
        rule="spread",
        example=([[2.0, -1.0, 0.5]], [[1.0, 0.0, 1.0]]),
        related="binary_cross_entropy_with_logits",
    ),
    "ctc": told(
        (
            "The inside of ctc_loss: all alignments summed by dynamic programming.",
            "ctc_loss 的内部实现：用动态规划对所有对齐方式求和。",
        ),
        (
            "Works in logarithms throughout: the probabilities of long sequences underflow.",
            "全程使用对数：长序列的概率会下溢。",
        ),
        steps=(
            step(
                r"L = -\ln \sum_{\pi} \prod_t p_{t, \pi_t} \Rightarrow \frac{\partial L}"
                r"{\partial \ln p_{t,k}} = -P_{t,k},\quad P_{t,k} = P(\pi_t = k \mid "
                r"\text{target})",
                "The share of all alignments that read k at time t:",
                "所有对齐方式中在时刻 t 读作 k 的份额：",
            ),
        ),
        gradients={"log_probs": r"-g\,P_{t,k}"},
        rule="spread",
        picture="flow:x (T, N, C) | log_softmax | sum over alignments | y (N)",
        related="ctc_loss",
    ),
    "ctc_loss": told(
        (
            "Speech and handwriting: frames and letters without an alignment between them.",
            "语音与手写识别：帧与字符之间没有给出对齐。",
        ),
        (
            "The target may not be longer than the frames (infinite loss); it tends to put sharp "
            "peaks among blanks.",
            "目标不得长于帧数（否则损失为无穷）；输出往往是大片空白中的尖峰。",
        ),
        formula=r"L = -\ln \sum_{\pi \to \text{target}} \prod_t p_{t, \pi_t}",
        steps=(
            step(
                r"\frac{\partial L}{\partial \ln p_{t,k}} = -P(\pi_t = k \mid "
                r"\text{target})",
                "A log of a sum of products: each alignment pulls by its share.",
                "乘积之和的对数：每种对齐按其份额产生拉力。",
            ),
        ),
        summary=(
            "Sums over every way in which frames may read as the target.",
            "对所有能读成目标序列的对齐方式求和。",
        ),
        rule="spread",
        picture="flow:x (T, N, C) | log_softmax | sum over alignments | y (N)",
        related="cross_entropy log_softmax",
    ),
    "cosine_embedding_loss": told(
        ("Pairs of embeddings by direction alone.", "只按方向比较两个嵌入。"),
        (
            "Lengths get no gradient along themselves; near 0 length the direction is noise.",
            "长度方向上没有梯度；长度接近 0 时方向只是噪声。",
        ),
        formula=r"L = \begin{cases} 1 - \cos(x_1, x_2) & y = 1 \\ \max(0, \cos(x_1, x_2) - m) & "
        r"y = -1 \end{cases}",
        steps=(
            step(
                r"\frac{\partial \cos}{\partial x_1} = \frac{1}{|x_1|}\left(\frac{x_2}{|x_2|} "
                r"- \cos \cdot \frac{x_1}{|x_1|}\right)",
                "What of x₂'s direction is across x₁:",
                "x₂ 的方向中与 x₁ 垂直的部分：",
            ),
        ),
        summary=(
            "1 − cosine for pairs that are alike; the cosine above the margin for others.",
            "相似对取 1 − 余弦，不相似对取余弦超出间隔的部分。",
        ),
        rule="through",
        example=([[1.0, 0.0]], [[1.0, 1.0]], [1.0]),
        related="cosine_similarity contrastive_loss",
    ),
    "contrastive_loss": told(
        (
            "Siamese nets: faces, signatures; alike pairs together, others a margin apart.",
            "孪生网络：人脸、签名；相似对拉近，不相似对推开到间隔之外。",
        ),
        (
            "Most unlike pairs are soon beyond the margin and teach nothing: pick hard ones.",
            "多数不相似对很快就超出间隔而不再起作用，需要挑选难样本。",
        ),
        formula=r"L = \frac{1}{2}\left(y d^2 + (1 - y) \max(0, m - d)^2\right),\quad d = |x_1 - "
        r"x_2|",
        steps=(
            step(
                r"\frac{\partial L}{\partial d} = y d - (1 - y) \max(0, m - d),\quad "
                r"\frac{\partial d}{\partial x_1} = \frac{x_1 - x_2}{d}"
            ),
        ),
        summary=(
            "Pulls alike pairs together and pushes others apart up to a margin.",
            "拉近相似对，把不相似对推开到间隔之外。",
        ),
        rule="through",
        example=([[1.0, 0.0]], [[1.0, 0.5]], [1.0]),
        related="triplet_margin_loss hinge_embedding_loss",
    ),
    "triplet_margin_loss": told(
        (
            "Embeddings for retrieval and faces: nearer to the same than to another, by a margin.",
            "检索与人脸的嵌入：到同类的距离要比到异类的近一个间隔。",
        ),
        (
            "Random triplets are mostly easy and give 0; the hardest ones can collapse the "
            "embedding.",
            "随机三元组大多太容易，损失为 0；只取最难的又可能使嵌入坍缩。",
        ),
        formula=r"L = \max(0, d(a, p) - d(a, n) + m)",
        steps=(
            step(
                r"\frac{\partial L}{\partial d(a, p)} = 1,\quad \frac{\partial L}{\partial "
                r"d(a, n)} = -1 \text{ if } L > 0,\ \text{else } 0"
            ),
        ),
        summary=(
            "Zero once the negative is farther than the positive by the margin.",
            "负样本比正样本远出一个间隔后损失为零。",
        ),
        rule="through",
        example=([[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]),
        related="contrastive_loss margin_ranking_loss pairwise_distance",
    ),
    "triplet_margin_with_distance_loss": told(
        (
            "triplet_margin_loss with a distance of your own, such as 1 − cosine.",
            "使用自定距离（例如 1 − 余弦）的 triplet_margin_loss。",
        ),
        (
            "The distance must be differentiable; the margin is in its unit.",
            "距离函数必须可导；间隔以它的单位计。",
        ),
        formula=r"L = \max(0, d(a, p) - d(a, n) + m)",
        steps=(
            step(
                r"\frac{\partial L}{\partial a} = \frac{\partial d(a, p)}{\partial a} - "
                r"\frac{\partial d(a, n)}{\partial a} \text{ if } L > 0"
            ),
        ),
        summary=("A triplet loss whose distance you give.", "距离由你给定的三元组损失。"),
        rule="through",
        example=([[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 1.0]]),
        related="triplet_margin_loss",
    ),
}

"""Layers and modules that are more than one operation, or hold others."""

from chainrule.explain.cards.sheet import Sheet, step, told


def _holds(summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str], formula: str,
           picture: str, related: str) -> Sheet:  # fmt: skip
    return told(use, trouble, formula=formula, rule="contained", summary=summary,
                picture=f"flow:{picture}", related=related,
                steps=(step(r"\frac{\partial L}{\partial \theta} = \sum_{uses} \frac{\partial L}"
                            r"{\partial y} \frac{\partial y}{\partial \theta}",
                            "Each parameter gets the sum over the places that use it.",
                            "每个参数得到所有使用处梯度之和。"),))  # fmt: skip


SHEETS: dict[str, Sheet] = {
    "linear": told(
        (
            "The classifier at the end, and the layers of a perceptron: every input to every "
            "output.",
            "网络末端的分类器，以及多层感知机的各层：每个输入连到每个输出。",
        ),
        (
            "in × out weights, most of a small net's; alone, stacks of it stay linear: put an "
            "activation between.",
            "参数为 in × out，往往占小网络的大部分；只堆叠线性层仍是线性的，中间必须有激活函数。",
        ),
        steps=(
            step(r"z_j = \sum_k w_{jk} a_k + b_j"),
            step(
                r"\frac{\partial C}{\partial w_{jk}} = \delta_j a_k,\quad \frac{\partial C}"
                r"{\partial b_j} = \delta_j,\quad \frac{\partial C}{\partial a_k} = \sum_j w_{jk} "
                r"\delta_j"
            ),
            step(
                r"\delta^l = \left((w^{l+1})^{\top} \delta^{l+1}\right) \odot \sigma'(z^l)",
                "With the activation before it, the notes' backpropagation equation:",
                "连同前面的激活函数，就是笔记中的反向传播方程：",
            ),
        ),
        gradients={"x": "g @ weight", "weight": "g.T @ x", "bias": r"\sum_n g_n"},
        rule="product",
        example=([[1.0, 2.0]], [[1.0, 0.0], [3.0, -1.0], [0.0, 2.0]]),
        related="matmul conv2d relu xavier_uniform_",
        note="001 (3-5), (3-13)–(3-17); 003 §3.3, §8.4",
    ),
    "Identity": _holds(
        ("Gives back its input.", "原样返回输入。"),
        (
            "To take a layer out without touching the rest: model.fc = Identity().",
            "去掉某一层而不改动其余部分：model.fc = Identity()。",
        ),
        (
            "Accepts any argument, so a typing error in them is not noticed.",
            "接受任何参数，写错了也不会发现。",
        ),
        r"y = x",
        "x | Identity | y = x",
        "Sequential",
    ),
    "Module": _holds(
        ("The base of everything that has parameters.", "一切带参数的组件的基类。"),
        (
            "To write a layer of your own: parameters in __init__, the formula in forward.",
            "编写自己的层：在 __init__ 中建立参数，在 forward 中写公式。",
        ),
        (
            "Tensors in a plain list are not found as parameters: use ParameterList.",
            "放在普通列表里的张量不会被登记为参数：请用 ParameterList。",
        ),
        r"y = f(x; \theta)",
        "x | forward(x) with θ | y",
        "Sequential ModuleList ParameterList",
    ),
    "Sequential": _holds(
        ("Modules one after the other.", "依次相连的模块。"),
        ("Nets that are a chain.", "链式结构的网络。"),
        (
            "No branches and no second input: write a Module for those.",
            "不能有分支和第二个输入：那要自己写 Module。",
        ),
        r"y = f_n(\cdots f_2(f_1(x)))",
        "x | f₁ | f₂ | … fₙ | y",
        "ModuleList Module",
    ),
    "ModuleList": _holds(
        ("A list whose modules are registered.", "会登记其中模块的列表。"),
        ("Layers that forward picks or repeats itself.", "由 forward 自己挑选或重复使用的各层。"),
        ("Has no forward of its own.", "自己没有 forward。"),
        r"f_i = modules[i]",
        "x | fᵢ chosen by your forward | y",
        "Sequential ModuleDict",
    ),
    "ModuleDict": _holds(
        ("A dict whose modules are registered.", "会登记其中模块的字典。"),
        ("Several heads chosen by name.", "按名字选择的多个输出头。"),
        ("Has no forward; names must not contain a dot.", "没有 forward；名字里不能有点号。"),
        r"f_k = modules[k]",
        "x | f[name] chosen by your forward | y",
        "ModuleList",
    ),
    "ParameterList": _holds(
        ("A list whose tensors are parameters.", "其中张量都是参数的列表。"),
        ("A varying number of weights.", "数目可变的权重。"),
        (
            "Its names are numbers: changing the order breaks saved weights.",
            "名字是序号：改变顺序会使已存的权重对不上。",
        ),
        r"\theta_i",
        "θ₀, θ₁, … | your forward | y",
        "ParameterDict ModuleList",
    ),
    "ParameterDict": _holds(
        ("A dict whose tensors are parameters.", "其中张量都是参数的字典。"),
        ("Weights found by name.", "按名字取用的权重。"),
        ("Has no forward.", "没有 forward。"),
        r"\theta_k",
        "θ[name] | your forward | y",
        "ParameterList ModuleDict",
    ),
    "AdaptiveLogSoftmaxWithLoss": told(
        (
            "Vocabularies of tens of thousands of words: rare ones share small tails.",
            "几万词的大词表：罕见词放进小的尾部簇。",
        ),
        (
            "Classes must be sorted by frequency; rare words get fewer dimensions.",
            "类别必须按频率排序；罕见词的维数较少。",
        ),
        formula=r"\ln p(c) = \ln p(\text{cluster}) + \ln p(c \mid \text{cluster})",
        steps=(
            step(
                r"\frac{\partial L}{\partial s} = p - y \text{ in the head and in the one tail "
                r"that holds the class}"
            ),
        ),
        rule="through",
        summary=(
            "A log-softmax in two stages: clusters, then words within one.",
            "两级 log-softmax：先选簇，再选簇内的词。",
        ),
        picture="flow:x (N, d) | head: common words and clusters | tail of the right cluster | "
        "y (N) log-probability",
        related="log_softmax CrossEntropyLoss",
    ),
    "UninitializedParameter": _holds(
        ("A parameter without a shape yet.", "尚无形状的参数。"),
        ("Inside lazy layers.", "用在惰性层内部。"),
        (
            "No optimiser may be built before the first batch gave it a shape.",
            "在第一批数据给出形状之前不能建优化器。",
        ),
        r"\theta",
        "θ without shape | first input | θ (out, in)",
        "LazyLinear",
    ),
}

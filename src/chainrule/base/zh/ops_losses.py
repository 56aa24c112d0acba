"""Chinese texts of the activations and losses."""

TEXT = {
    # activations
    "prelu: weight has shape {weight}, input has shape {x}: weight needs 1 entry, or one for each "
    "of the {n} channels (axis 1).": (
        "prelu：weight 的形状是 {weight}，输入的形状是 {x}：weight 需要 1 个元素，或为 {n} 个通道"
        "（第 1 轴）各备一个。"
    ),
    "glu halves the input along axis {dim}, so that axis must have an even size; the input has "
    "shape {x}.": "glu 沿第 {dim} 轴把输入分成两半，该轴长度必须为偶数；输入的形状是 {x}。",
    # losses, element by element
    "{name}: input has shape {x} and target has shape {target}; they are compared element by "
    "element, so the shapes must be equal.": (
        "{name}：input 的形状是 {x}，target 的形状是 {target}；两者逐元素比较，形状必须相同。"
    ),
    " Write {remedy}.": "请写 {remedy}。",
    "the scores come first, write {name}(scores, classes)": ("分数在前，请写 {name}(分数, 类别)"),
    "write target.long()": "请写 target.long()",
    "write target.argmax(1)": "请写 target.argmax(1)",
    "{value} is none": "{value} 不是类别",
    "what would fit: {hint}": "合适的写法：{hint}",
    "input.movedim(-1, 1): the classes stand on the last axis (tried)": (
        "input.movedim(-1, 1)：类别在最后一个轴上（已试过）"
    ),
    "target - 1: the classes are counted from 1 (tried)": (
        "target - 1：类别是从 1 数起的（已试过）"
    ),
    "a model with {n} outputs": "有 {n} 个输出的模型",
    "{name}: {key} has shape {weight}, which does not broadcast to the input's {x}.": (
        "{name}：{key} 的形状是 {weight}，无法广播到 input 的形状 {x}。"
    ),
    "{name}: weight has shape {weight}, input has shape {x}: they must be equal.": (
        "{name}：weight 的形状是 {weight}，input 的形状是 {x}：两者必须相同。"
    ),
    # losses of two classes
    "{name}: {argument} must hold numbers in [0, 1], but it goes from {low} to {high}. {hint}": (
        "{name}：{argument} 的元素必须在 [0, 1] 内，但其范围是 {low} 到 {high}。{hint}"
    ),
    "Scores (logits) go into binary_cross_entropy_with_logits.": (
        "得分（logits）请交给 binary_cross_entropy_with_logits。"
    ),
    "A target is the probability of class 1.": "目标值是属于类别 1 的概率。",
    # losses of many classes
    "{name}: input needs an axis of classes, (C,) or (N, C).": (
        "{name}：input 需要有类别轴，形状为 (C,) 或 (N, C)。"
    ),
    "{name}: input has shape {x}, so a target of class indices must have shape {wanted}, but "
    "target has shape {target}.": (
        "{name}：input 的形状是 {x}，因此类别编号 target 的形状必须是 {wanted}，但实际是 {target}。"
    ),
    "{name}: weight has shape {weight}, input has shape {x}: weight needs one number for each of "
    "the {n} classes, shape ({n},).": (
        "{name}：weight 的形状是 {weight}，input 的形状是 {x}：weight 需要为 {n} 个类别各备一个数，"
        "形状为 ({n},)。"
    ),
    "{name}: target has dtype {dtype} and shape {target} (input: {x}); class indices are "
    "integers: {remedy}.": (
        "{name}：target 的类型是 {dtype}，形状是 {target}（input：{x}）；类别编号应为整数："
        "{remedy}。"
    ),
    "{name}: target{at} is class {index}, but the input of shape {x} has {n} classes, 0 to {last} "
    "(and ignore_index is {ignore}).": (
        "{name}：target{at} 是类别 {index}，但形状为 {x} 的 input 只有 {n} 个类别，即 0 到 {last}"
        "（ignore_index 为 {ignore}）。"
    ),
    "cross_entropy: ignore_index goes with class indices, but target holds probabilities.": (
        "cross_entropy：ignore_index 只用于类别编号，而 target 是概率。"
    ),
    # losses by margin
    "margin_ranking_loss: input1 {first}, input2 {second} and target {target} need as many axes "
    "as each other.": (
        "margin_ranking_loss：input1 {first}、input2 {second} 与 target {target} 的轴数必须相同。"
    ),
    "{name}: input must have shape (N, C) or (C,) and target {wanted}; input has shape {x}, "
    "target {target}.": (
        "{name}：input 的形状必须是 (N, C) 或 (C,)，target 的形状必须是 {wanted}；得到的 input 是 "
        "{x}，target 是 {target}。"
    ),
    "multilabel_margin_loss: a target is class {index}, but the input of shape {x} has {n} "
    "classes, 0 to {last} (and −1 ends a list).": (
        "multilabel_margin_loss：有一个目标是类别 {index}，但形状为 {x} 的 input 只有 {n} 个类别，"
        "即 0 到 {last}（−1 表示列表结束）。"
    ),
    # losses of embeddings
    "{name} takes inputs (N, D) and a target (N,), or (D,) and (): input1 has shape {x1}, input2 "
    "{x2}, target {y}.": (
        "{name} 的输入形状为 (N, D)、target 为 (N,)，或 (D,) 与 ()：得到的 input1 是 {x1}，input2 "
        "是 {x2}，target 是 {y}。"
    ),
    "{name}: anchor {a}, positive {near} and negative {far} need as many axes as each other.": (
        "{name}：anchor {a}、positive {near} 与 negative {far} 的轴数必须相同。"
    ),
    # likelihoods
    "gaussian_nll_loss: var must have the input's shape {x}, or {one}, or be one number; it has "
    "shape {var}.": (
        "gaussian_nll_loss：var 的形状必须与 input 相同（{x}），或是 {one}，或是一个数；得到的形状"
        "是 {var}。"
    ),
    "gaussian_nll_loss: var holds {low}; a variance is ≥ 0.": (
        "gaussian_nll_loss：var 含有 {low}；方差必须 ≥ 0。"
    ),
    # connectionist temporal classification
    "ctc_loss takes log_probs (T, N, C), targets (N, S) and both lengths (N,); got {x}, {targets}, "
    "{first} and {second}.": (
        "ctc_loss 接受 log_probs (T, N, C)、targets (N, S) 以及两个长度 (N,)；得到的是 {x}、"
        "{targets}、{first} 和 {second}。"
    ),
    "ctc_loss: blank is {blank}, but there are {n} classes.": (
        "ctc_loss：blank 为 {blank}，但只有 {n} 个类别。"
    ),
    "ctc_loss: in a compiled function the targets must be padded, (N, S): how many belong to a "
    "sequence is not known before it runs.": (
        "ctc_loss：在编译的函数中 targets 必须补齐为 (N, S)：运行之前并不知道每个序列有几个目标。"
    ),
    "ctc_loss: the target_lengths add up to {total}, but there are {n} targets in a row.": (
        "ctc_loss：target_lengths 之和为 {total}，但连在一起的 targets 有 {n} 个。"
    ),
    "ctc_loss: {what} must lie in 0 to {high}, but go from {low} to {top}.": (
        "ctc_loss：{what} 必须在 0 到 {high} 之间，但实际范围是 {low} 到 {top}。"
    ),
}

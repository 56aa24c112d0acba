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
    "element, so the shapes must be equal. Write {remedy}.": (
        "{name}：input 的形状是 {x}，target 的形状是 {target}；两者逐元素比较，形状必须相同。"
        "请写 {remedy}。"
    ),
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
    "integers: write target.long().": (
        "{name}：target 的类型是 {dtype}，形状是 {target}（input：{x}）；类别编号应为整数："
        "请写 target.long()。"
    ),
    "{name}: target{at} is class {index}, but the input of shape {x} has {n} classes, 0 to {last} "
    "(and ignore_index is {ignore}).": (
        "{name}：target{at} 是类别 {index}，但形状为 {x} 的 input 只有 {n} 个类别，即 0 到 {last}"
        "（ignore_index 为 {ignore}）。"
    ),
    "cross_entropy: ignore_index goes with class indices, but target holds probabilities.": (
        "cross_entropy：ignore_index 只用于类别编号，而 target 是概率。"
    ),
}

"""Chinese texts of the models room."""

TEXT = {
    "Unknown model {name!r}. Known: {known}.": "未知的模型 {name!r}。已知的有：{known}。",
    "Unknown model {name!r}; did you mean {close!r}? Known: {known}.": (
        "未知的模型 {name!r}；是否想写 {close!r}？已知的有：{known}。"
    ),
    "Model {name} has no option {option!r}. Known: {known}.": (
        "模型 {name} 没有选项 {option!r}。已知的有：{known}。"
    ),
    "There is no recipe for {model!r} (closest: {close}). Recipes: {known}.": (
        "没有 {model!r} 的训练配方（最接近的：{close}）。配方有：{known}。"
    ),
    "Model {name} takes images (channels, height, width), not inputs of shape {shape}.": (
        "模型 {name} 需要图像 (通道, 高, 宽)，而不是形状为 {shape} 的输入。"
    ),
    "Model {name}: images of {height}×{width} are too small for two 5×5 convolutions with "
    "pooling: 16×16 is the least.": (
        "模型 {name}：{height}×{width} 的图像对两次 5×5 卷积加池化来说太小：至少要 16×16。"
    ),
    "Model {name} takes images of at least {least}×{least}, not {height}×{width}.": (
        "模型 {name} 需要至少 {least}×{least} 的图像，而不是 {height}×{width}。"
    ),
    "BasicBlock has neither groups nor other widths nor dilation: take Bottleneck.": (
        "BasicBlock 没有分组、其他宽度或膨胀：请用 Bottleneck。"
    ),
    "ResNet wants four numbers of blocks and three flags of dilation.": (
        "ResNet 需要四个块数和三个膨胀标志。"
    ),
    "inverted_residual_setting lists four numbers a stage: t, c, n, s.": (
        "inverted_residual_setting 为每个阶段列出四个数：t、c、n、s。"
    ),
    "weights must be None or the path of a file with a state dict, not {kind}: nothing is "
    "downloaded here.": (
        "weights 必须是 None 或含有状态字典的文件路径，而不是 {kind}：这里不下载任何东西。"
    ),
    "{name}: width {width} must be a multiple of heads {heads}.": (
        "{name}：width {width} 必须是 heads {heads} 的倍数。"
    ),
    "{name} looks back over {context} characters at most, but got {length}: give the last "
    "{context}.": "{name} 最多回看 {context} 个字符，却得到 {length} 个：请给出最后 {context} 个。",
    "{name}: the cost is no longer finite after {n} steps: lr = {lr} is too large, or the features "
    "should be normalised.": ("{name}：{n} 步之后代价不再有限：lr = {lr} 太大，或特征需要归一化。"),
    "{name} takes x of shape (examples, features) and as many y, not {x} and {y}.": (
        "{name} 需要形状为 (样本, 特征) 的 x 和同样多的 y，而不是 {x} 和 {y}。"
    ),
    # summary
    "Give the shape of one input, as in summary(model, (1, 28, 28)).": (
        "请给出一个输入的形状，例如 summary(model, (1, 28, 28))。"
    ),
    "layer": "层",
    "kind": "类型",
    "output shape": "输出形状",
    "parameters": "参数",
    "multiply-adds": "乘加",
    "receptive field": "感受野",
    "all": "合计",
    # receptive field
    "effective_receptive_field: the output must be (N, O, *S), got {y}: pass the convolutional "
    "part of the model.": (
        "effective_receptive_field：输出应为 (N, O, *S)，得到的是 {y}：请传入模型的卷积部分。"
    ),
    "effective_receptive_field: place {place} is not in an output of size {size}.": (
        "effective_receptive_field：位置 {place} 不在大小为 {size} 的输出中。"
    ),
    "{name} was made for samples of {size} values: x must be [N, …] with {size} "
    "values a sample, not {shape}.": (
        "{name} 是为每个样本 {size} 个值而建的：x 必须是 [N, …]，每个样本 {size} 个值，而不是 {shape}。"
    ),
    "{name} takes values from 0 to 1, these go from {low:g} to {high:g}: divide "
    "pixels by 255.": "{name} 接受 0 到 1 的值，这里是 {low:g} 到 {high:g}：请把像素除以 255。",
    # text
    "Model {name} takes sequences of characters, (length,), not inputs of shape {shape}.": (
        "模型 {name} 需要字符序列 (长度,)，而不是形状为 {shape} 的输入。"
    ),
    "generate: the model has no alphabet: give characters=.": (
        "generate：模型没有字符表：请给出 characters=。"
    ),
    "generate: give a prompt of at least one character.": "generate：请给出至少一个字符的开头。",
    "The model's outputs are NaN or infinite: it cannot write.": (
        "模型的输出是 NaN 或无穷：它无法写作。"
    ),
    "NGram: {classes} characters have too many sequences of {order}: choose a smaller order.": (
        "NGram：{classes} 个字符的 {order} 元序列太多：请选更小的 order。"
    ),
    "{n} characters for a model of {known}": "{n} 个字符，而模型有 {known} 个",
}

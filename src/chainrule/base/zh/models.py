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
}

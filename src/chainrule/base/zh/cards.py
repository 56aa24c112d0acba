"""Chinese texts of cards and of the numbers of an update."""

TEXT = {
    # Kinds
    "operation": "运算",
    "function": "函数",
    "layer": "层",
    "loss": "损失",
    "optimiser": "优化器",
    "schedule": "学习率调度",
    "initialiser": "初始化",
    "regulariser": "正则化",
    "estimator": "估计器",
    # Sections
    "Definition": "定义",
    "Derivation": "推导",
    "What the gradient does": "梯度如何传播",
    "Gradients": "梯度",
    "When to use it": "何时使用",
    "Its trouble": "缺点与注意",
    "As the library writes it": "库中的写法",
    "See also: {names}": "相关：{names}",
    "In the notes: {place}": "笔记出处：{place}",
    # Pictures
    "down a ravine": "沿沟谷下降",
    "values": "原值",
    "weights of a 64 × 64 layer": "64 × 64 层的权重",
    "standard deviation of the signal, layer by layer": "信号的标准差，逐层",
    # Derivations of functions
    "It is one operation:": "它就是一个运算：",
    "What it is made of, on the example of the picture:": "由哪些运算构成（以图中的例子为准）：",
    "And back, from the result to the arguments:": "反向：从结果回到各参数：",
    "{n} operations on the example of the picture; the chain rule goes back through them by the "
    "formula on the card of each:": (
        "以图中的例子为准，共 {n} 个运算；链式法则按各运算卡片上的公式逐一反向穿过它们："
    ),
    "By the card of {op}, with {inputs} and g = ∂L/∂{y}:": (
        "按 {op} 的卡片，其中 {inputs}，g = ∂L/∂{y}："
    ),
    # Finding a card
    "There is no card named {name!r}; did you mean {close!r}?": (
        "没有名为 {name!r} 的卡片；你是不是要找 {close!r}？"
    ),
    "There is no card named {name!r}: chainrule card lists them.": (
        "没有名为 {name!r} 的卡片：chainrule card 会列出全部卡片。"
    ),
    # Updates
    "{rule}, step {step}: {parameter}{index}": "{rule}，第 {step} 步：{parameter}{index}",
    "parameter {number}": "第 {number} 个参数",
    "{parameter} has shape {shape}: the index {index} names no element of it.": (
        "{parameter} 的形状为 {shape}：下标 {index} 不对应其中任何元素。"
    ),
    "The optimiser holds no parameter {wanted!r}; it holds {known}.": (
        "优化器中没有参数 {wanted!r}；它管理的是 {known}。"
    ),
    # The command
    "FILE": "文件",
    "what an operation, layer, loss or optimiser is": "查看运算、层、损失、优化器的说明卡片",
    "what the card is about; without it, all names": "要看的名称；不给则列出全部",
    "write a page (HTML)": "写成网页（HTML）",
    "write the picture (SVG)": "写出图（SVG）",
    "{n} cards; chainrule card NAME shows one.": "共 {n} 张卡片；chainrule card NAME 查看一张。",
    "Give a name with --html and --svg, as in: chainrule card sigmoid --svg sigmoid.svg": (
        "--html 与 --svg 需要名称，例如：chainrule card sigmoid --svg sigmoid.svg"
    ),
    "Written: {path}": "已写入：{path}",
}

"""Chinese texts of the reports and explanations."""

TEXT = {
    # The live page
    "Watch: port {port} cannot be had: {reason}.": "Watch：端口 {port} 不可用：{reason}。",
    "Watch this run: {url}": "实时观察本次训练：{url}",
    # Parts of a run report
    "Skip to the content": "跳到正文",
    "Parts of the report": "报告目录",
    "Curves": "曲线",
    "Confusion": "混淆",
    "Mistakes": "错例",
    "Kernels": "卷积核",
    "Layers": "各层",
    "Model": "模型",
    "Run": "运行",
    "Language": "语言",
    "Brightness": "明暗",
    "Auto": "自动",
    "Light": "浅色",
    "Dark": "深色",
    "Best epoch": "最佳轮次",
    "Training time": "训练用时",
    "Made by chainrule. This file holds everything it shows.": (
        "由 chainrule 生成。本文件自带全部内容，无需联网。"
    ),
    # Names of numbers
    "Layer": "层",
    "Kind": "类型",
    "Output shape": "输出形状",
    "Parameters": "参数量",
    "Multiply-adds": "乘加次数",
    "Receptive field": "感受野",
    "Class": "类别",
    "Precision": "精确率",
    "Recall": "召回率",
    "F1": "F1",
    "Examples": "样本数",
    "Epoch": "轮次",
    "Loss": "损失",
    "Accuracy": "准确率",
    "Validation loss": "验证损失",
    "Validation accuracy": "验证准确率",
    "Learning rate": "学习率",
    "Seconds": "秒",
    "yes": "是",
    "no": "否",
    # Charts
    "logarithmic scale": "对数坐标",
    "× marks a value that is not finite.": "× 表示该处的值不是有限数。",
    "× marks a value that is zero or not finite.": "× 表示该处的值为零或不是有限数。",
    "No value here can be drawn: none is finite, or none is above zero.": (
        "没有可画的值：全都不是有限数，或都不大于零。"
    ),
    "Not recorded in this run.": "本次运行没有记录。",
    "{title}: a chart with {count} curves ({names}). Arrow keys read the values.": (
        "{title}：含 {count} 条曲线的图（{names}）。按左右方向键逐点读数。"
    ),
    "best epoch {epoch}": "最佳：第 {epoch} 轮",
    "Values as a table": "以表格查看数值",
    "Values": "数值",
    "epoch": "轮次",
    "step": "步",
    "loss": "损失",
    "training": "训练",
    "validation": "验证",
    # Curves over the epochs
    "How it learned": "学习过程",
    "No history of the training was recorded.": "没有训练历史的记录。",
    "What training makes smaller. Validation rising while training falls is overfitting.": (
        "训练要减小的量。训练损失下降而验证损失上升，就是过拟合。"
    ),
    "The share of right answers.": "答对的比例。",
    "How far each step moves the weights.": "每一步把权重移动多远。",
    "Loss of every step": "每一步的损失",
    "The line is the mean of neighbouring steps, the band reaches from their smallest to their "
    "largest loss.": "曲线是相邻若干步的平均，色带是它们的最小值到最大值。",
    "The run has a single epoch, so the curves are single points.": (
        "本次运行只有一轮，所以曲线只有一个点。"
    ),
    "The weights kept are those of epoch {epoch}.": "保留的是第 {epoch} 轮的权重。",
    "Epoch {epoch} was the best by {by}.": "按{by}看，第 {epoch} 轮最好。",
    "{shown} of {all} epochs are drawn.": "共 {all} 轮，图中画出 {shown} 轮。",
    "Every epoch in numbers": "每一轮的数值",
    # Layers over time
    "Inside the layers": "各层内部",
    "No gradient or activation statistics were recorded.": "没有梯度和激活值的统计记录。",
    "The first {shown} of {all} layers are drawn.": "共 {all} 层，只画出前 {shown} 层。",
    "How large the gradients and activations of each layer were, epoch by epoch.": (
        "每一轮中各层的梯度和激活值有多大。"
    ),
    "rule of thumb: 0.001": "经验值：0.001",
    "Gradient norm": "梯度范数",
    "First layers far below the last ones: the gradient vanishes on its way back. Curves shooting "
    "up: it explodes.": "前面的层远低于后面的层：梯度在反向传播中消失。曲线猛升：梯度爆炸。",
    "Mean size of a gradient entry": "梯度分量的平均大小",
    "The norm without the influence of the layer's size.": "与层的大小无关的梯度大小。",
    "Update ratio": "更新比",
    "Length of a step over length of the weights. Far above the line the weights jump, far below "
    "they hardly move.": (
        "每步更新量与权重之比（范数）。远高于虚线，权重跳动；远低于虚线，几乎不动。"
    ),
    "Mean activation": "激活值的均值",
    "Where the outputs of the layer are centred.": "该层输出的中心位置。",
    "Spread of activations": "激活值的标准差",
    "Near zero the layer answers every input alike.": "接近零时，该层对所有输入的输出都一样。",
    "Saturated share": "饱和比例",
    "Outputs at the flat ends of their activation, where hardly any gradient passes.": (
        "处于激活函数平坦两端的输出，梯度几乎传不过去。"
    ),
    "Dead share": "失活比例",
    "Units that answered zero to every input.": "对所有输入都输出零的单元。",
    # Confusion matrix and classes
    "What it confuses": "容易混淆的类别",
    "Confusion matrix": "混淆矩阵",
    "No confusion matrix was recorded.": "没有混淆矩阵的记录。",
    "The matrix is empty: nothing was evaluated.": "矩阵是空的：没有做过评估。",
    "All {total} examples were answered right.": "{total} 个样本全部答对。",
    "{right} of {total} right ({share}), {wrong} wrong.": (
        "{total} 个样本答对 {right} 个（{share}），答错 {wrong} 个。"
    ),
    "true ↓ predicted →": "真实 ↓ 预测 →",
    "Confusion matrix: rows are true classes, columns predicted ones": (
        "混淆矩阵：行是真实类别，列是预测类别"
    ),
    "Blue: right. Orange: wrong, darker where it happens more often.": (
        "蓝色：答对。橙色：答错，越深越多。"
    ),
    "Blue: right. Orange: wrong, darker where it happens more often. Choose an orange cell to see "
    "only those mistakes below.": (
        "蓝色：答对。橙色：答错，越深越多。点选橙色格子，下面就只显示这一种错例。"
    ),
    "true {true}, predicted {predicted}: {count} of {row} ({share})": (
        "真实 {true}，预测 {predicted}：{row} 个中有 {count} 个（{share}）"
    ),
    "Confusion matrix of {count} classes as a picture: rows are true classes, columns predicted "
    "ones, blue is right, orange is wrong.": (
        "{count} 个类别的混淆矩阵图：行是真实类别，列是预测类别；蓝色为对，橙色为错。"
    ),
    "Most frequent mistakes": "最常见的错误",
    "Class by class": "逐类指标",
    "Precision: how often the answer “this class” was right. Recall: how many of the class were "
    "found. F1: their harmonic mean.": (
        "精确率：判为该类的样本中判对的比例。召回率：该类样本中被找出的比例。F1：两者的调和平均。"
    ),
    # Wrong predictions
    "What it got wrong": "答错的样本",
    "Wrong predictions": "答错的样本",
    "Pictures of the wrong predictions were not recorded.": "没有记录答错样本的图片。",
    "Nothing: every example was answered right.": "没有：全部答对。",
    "Showing {shown} of {total}.": "共 {total} 个，显示 {shown} 个。",
    "Show all": "全部显示",
    "True class → predicted class, and how sure the model was. The most confident mistakes come "
    "first: often they are unclear pictures, or wrong labels.": (
        "真实类别 → 预测类别，以及模型的把握。最有把握的错误排在最前，往往是图片不清，或标签有误。"
    ),
    "true {true}, predicted {predicted}, probability {share}": (
        "真实 {true}，预测 {predicted}，概率 {share}"
    ),
    # Kernels
    "What the kernels look like": "卷积核的样子",
    "No kernels were recorded.": "没有卷积核的记录。",
    "Orange weights add to the answer where the input is bright, blue ones take from it. The "
    "colour scale is the same within a layer.": (
        "输入明亮处，橙色权重使输出增大，蓝色权重使输出减小。同一层用同一色标。"
    ),
    "This layer has no finite weight.": "该层没有一个权重是有限数。",
    "This layer is empty.": "该层没有权重。",
    "{count} weights are not finite: magenta.": "{count} 个权重不是有限数：洋红色。",
    "{layer}: the kernels": "{layer}：卷积核",
    "{layer}, kernel {label}": "{layer}，卷积核 {label}",
    "Shown: {filters} of {all_filters} kernels, {slices} of {all_slices} input channels.": (
        "显示 {all_filters} 个卷积核中的 {filters} 个，{all_slices} 个输入通道中的 {slices} 个。"
    ),
    "Each strip is one kernel: its {slices} input channels in order.": (
        "每一条是一个卷积核，依次为它的 {slices} 个输入通道。"
    ),
    "{layer}: the weights as a matrix": "{layer}：权重矩阵",
    "A row an output, a column an input.": "一行一个输出，一列一个输入。",
    "A row an output, a column an input; the first {rows} of {all_rows} rows and {columns} of "
    "{all_columns} columns.": (
        "一行一个输出，一列一个输入；显示 {all_rows} 行中的前 {rows} 行、"
        "{all_columns} 列中的前 {columns} 列。"
    ),
    "Colour scale from −{limit} to +{limit}": "色标从 −{limit} 到 +{limit}",
    # Model and run
    "The model": "模型结构",
    "No summary of the model was recorded.": "没有模型结构的记录。",
    "Multiply-adds are those of one input going forward. The receptive field is the patch of the "
    "input that one output value can see.": (
        "乘加次数是一个输入前向计算一次的次数。感受野是一个输出值能看到的输入范围。"
    ),
    "The run": "本次运行",
    "Configuration": "配置",
    "Environment": "环境",
    "No command was recorded.": "没有命令行的记录。",
    "No configuration was recorded.": "没有配置的记录。",
    "No environment was recorded.": "没有环境的记录。",
    # Errors
    "The confusion matrix has {rows} classes but {names} class names were given: give one name a "
    "class.": "混淆矩阵有 {rows} 个类别，却给了 {names} 个类别名：请给每个类别一个名字。",
    "The confusion matrix has shape {shape}: give [classes, classes], one row a true class.": (
        "混淆矩阵的形状是 {shape}：应为 [类别数, 类别数]，每行一个真实类别。"
    ),
    "The confusion matrix holds values that are no counts: give whole numbers ≥ 0.": (
        "混淆矩阵里有不是计数的值：应全部是非负整数。"
    ),
    "{where} of the report is {value!r}, which is no number: give a number or None.": (
        "报告的 {where} 是 {value!r}，不是数：请给一个数或 None。"
    ),
    "The image of wrong prediction {index} has shape {shape} and dtype {dtype}: give numbers of "
    "shape [h, w] or [c, h, w].": (
        "第 {index} 个错例的图片形状是 {shape}，类型是 {dtype}：应为形状 [h, w] 或 [c, h, w] 的数。"
    ),
    "Wrong prediction {index} names class {label}: give an index from 0 to the number of classes "
    "less one.": "第 {index} 个错例的类别是 {label}：应为从 0 到类别数减一的整数。",
    "The kernels of {layer!r} have shape {shape} and dtype {dtype}: give numbers of shape "
    "[out, in, kh, kw], [out, in, k] or [out, in].": (
        "{layer!r} 的卷积核形状是 {shape}，类型是 {dtype}："
        "应为形状 [out, in, kh, kw]、[out, in, k] 或 [out, in] 的数。"
    ),
    # Figures
    "figure needs at least one panel: Lines, Bars or Pictures.": (
        "figure 至少需要一个面板：Lines、Bars 或 Pictures。"
    ),
    "Lines: {name} has values of shape {y} over x of shape {x}; both must be [n].": (
        "Lines：{name} 的值形状是 {y}，x 的形状是 {x}；两者都应为 [n]。"
    ),
    "A panel needs at least one value that can be drawn.": "面板至少需要一个可画的值。",
    "Bars needs values that are finite and not below zero.": "Bars 的值应为有限的非负数。",
    # models of text
    "Sample": "样例",
    "What it writes": "它写的文本",
    "Drawn character by character from what the model says comes next.": (
        "按模型对下一个字符的判断，逐个抽取而成。"
    ),
    "Perplexity": "困惑度",
    "Validation perplexity": "验证困惑度",
    "Bits a character": "每字符比特数",
    "Perplexity of counting 3 characters": "统计三字符组的困惑度",
    "Accuracy of counting 3 characters": "统计三字符组的准确率",
}

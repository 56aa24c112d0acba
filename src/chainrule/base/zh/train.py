"""Chinese texts of the training room."""

TEXT = {
    # names
    "metric": "指标",
    "optimizer": "优化器",
    "scheduler": "学习率调度",
    "evaluation": "评估",
    "prediction": "预测",
    "target": "目标",
    "Unknown {kind} {name!r}. Known: {names}.": "未知的{kind} {name!r}。已知的有：{names}。",
    "Unknown {kind} {name!r}; did you mean {close!r}? Known: {names}.": (
        "未知的{kind} {name!r}；是否想写 {close!r}？已知的有：{names}。"
    ),
    # metrics
    "A metric of no examples is undefined: the target is empty.": (
        "没有样本，指标没有定义：目标为空。"
    ),
    "Predictions of shape {prediction} do not fit targets of shape {target}: give labels in the "
    "targets' shape, or scores [N, classes, ...].": (
        "形状为 {prediction} 的预测与形状为 {target} 的目标不符：请给出与目标同形状的标签，或者"
        "得分 [N, 类别数, ...]。"
    ),
    "Targets in the shape of the scores, {shape}, must be one-hot rows or probabilities: each row "
    "sums to 1.": "与得分同形状 {shape} 的目标必须是独热行或概率：每行之和为 1。",
    "Targets must be class indices 0, 1, ...; these are not whole numbers.": (
        "目标必须是类别编号 0、1、……；这些不是整数。"
    ),
    "{owner}: the values hold NaN or infinity.": "{owner}：数值中含有 NaN 或无穷大。",
    "Top-k accuracy takes scores [N, classes] and targets [N]; got {score} and {target}.": (
        "前 k 准确率需要得分 [N, 类别数] 和目标 [N]；得到的是 {score} 和 {target}。"
    ),
    "A {which} has the label {label}, but the {classes} classes are numbered 0 to {last}.": (
        "有一个{which}的标签是 {label}，但 {classes} 个类别的编号是 0 到 {last}。"
    ),
    "{which}: {classes} classes occur, and average='binary' is for two: write average='macro', "
    "'micro', 'weighted' or 'none'.": (
        "{which}：出现了 {classes} 个类别，而 average='binary' 只用于两类：请写 average='macro'、"
        "'micro'、'weighted' 或 'none'。"
    ),
    "{which}: positive must be class 0 or 1, got {value}.": (
        "{which}：positive 必须是类别 0 或 1，得到的是 {value}。"
    ),
    "{owner} takes one score an example [N] and targets [N]; got {score} and {target}.": (
        "{owner} 需要每个样本一个得分 [N] 和目标 [N]；得到的是 {score} 和 {target}。"
    ),
    "{owner}: targets must be 0 or 1.": "{owner}：目标必须是 0 或 1。",
    "{owner}: targets must be class indices below {classes}, the number of scores.": (
        "{owner}：目标必须是小于得分个数 {classes} 的类别编号。"
    ),
    "{owner}: predictions of shape {prediction} and targets of shape {target} must have one "
    "shape: reshape the targets.": (
        "{owner}：形状为 {prediction} 的预测和形状为 {target} 的目标必须同形状：请改变目标的形状。"
    ),
    "Two metrics are called {name!r}: each needs a name of its own.": (
        "有两个指标都叫 {name!r}：每个指标要有自己的名字。"
    ),
    "A metric is a name, a Metric or a function of (outputs, targets), not {value!r}.": (
        "指标是名字、Metric 或 (outputs, targets) 的函数，而不是 {value!r}。"
    ),
    # history
    "The history has no {key!r}; it has: {known}.": "历史中没有 {key!r}；有的是：{known}。",
    "nothing yet": "尚无内容",
    "The history has no number under {key!r}: it has no best epoch.": (
        "历史的 {key!r} 一列没有数值：没有最佳轮次。"
    ),
    "This is not the history of a chainrule run.": "这不是 chainrule 运行的历史。",
    "{path}: this is not the history of a chainrule run.": "{path}：这不是 chainrule 运行的历史。",
    # data
    "The {name} data are empty: there is no batch to work on.": "{name}数据为空：没有可用的批次。",
    "The {name} data must be a DataLoader, a Dataset or a tuple (x, y) of arrays, not {kind}.": (
        "{name}数据必须是 DataLoader、Dataset 或数组元组 (x, y)，而不是 {kind}。"
    ),
    "Training needs batches of (input, target); this one has {n} part. Give (x, y) arrays, or a "
    "dataset whose samples are tuples (an autoencoder's target is its input: (x, x)).": (
        "训练需要 (输入, 目标) 的批次；这一批只有 {n} 部分。请给出 (x, y) 数组，或者样本为元组的"
        "数据集（自编码器的目标就是输入：(x, x)）。"
    ),
    "A batch must hold tensors (input, target), not {kinds}.": (
        "批次必须由张量 (输入, 目标) 组成，而不是 {kinds}。"
    ),
    "predict puts tensors together, but the model returned {kind}: call the model yourself.": (
        "predict 把张量拼在一起，但模型返回的是 {kind}：请自己调用模型。"
    ),
    "The training data gave no batch in epoch {k}.": "训练数据在第 {k} 轮没有给出批次。",
    # losses
    "The loss is a name, a module or a function, not {value!r}.": (
        "损失是名字、模块或函数，而不是 {value!r}。"
    ),
    "The loss {name} must give one number (a tensor of no axes), not {what}: take its mean.": (
        "损失 {name} 必须给出一个数（没有轴的张量），而不是 {what}：请取平均。"
    ),
    "Loss {name}: the model's output has shape {output} and the target {target}, which do not "
    "fit: {advice}.": (
        "损失 {name}：模型输出的形状是 {output}，目标的形状是 {target}，两者不符：{advice}。"
    ),
    "make the last layer's size, or the targets, fit": "请修改最后一层的大小或者目标",
    "reshape the targets to {shape}": "请把目标的形状改为 {shape}",
    "the model must give [batch, classes]": "模型必须给出 [批次, 类别数]",
    "targets are class indices of shape {shape}": "目标应是形状为 {shape} 的类别编号",
    "A target holds the class {label}, but the model's {classes} outputs are the classes 0 to "
    "{last}.": "目标中有类别 {label}，但模型的 {classes} 个输出是类别 0 到 {last}。",
    # optimisers and schedulers
    "{model} has no parameter that requires a gradient, so there is nothing to train.": (
        "{model} 没有需要梯度的参数，无可训练。"
    ),
    "{options} belong to an optimiser given by name; this one is made already: set them in it.": (
        "{options} 属于按名字给出的优化器；这个优化器已经建好：请在其中设置。"
    ),
    "The optimizer is a name, an Optimizer or a function of the parameters, not {value!r}.": (
        "优化器是名字、Optimizer 或参数的函数，而不是 {value!r}。"
    ),
    "The optimizer holds none of the parameters of {model}: make it from model.parameters().": (
        "优化器不含 {model} 的任何参数：请用 model.parameters() 建立它。"
    ),
    "scheduler_every is 'step', 'epoch' or None, not {value!r}.": (
        "scheduler_every 是 'step'、'epoch' 或 None，而不是 {value!r}。"
    ),
    "This scheduler is made for the number of steps of the run, but the training data are a "
    "stream without a length: give a scheduler object.": (
        "这个学习率调度按运行的步数建立，但训练数据是没有长度的流：请给出调度对象。"
    ),
    "ReduceLROnPlateau watches the loss of epochs: leave out scheduler_every.": (
        "ReduceLROnPlateau 观察每轮的损失：请去掉 scheduler_every。"
    ),
    "The checkpoint's run had no scheduler, this Trainer has one: leave it out.": (
        "检查点的运行没有学习率调度，而这个 Trainer 有：请去掉它。"
    ),
    "The checkpoint's run had a scheduler, this Trainer has none: give it the same.": (
        "检查点的运行有学习率调度，而这个 Trainer 没有：请给出同样的调度。"
    ),
    "The checkpoint's scheduler was made for {saved} steps, this run has {own}: resume with the "
    "same epochs and batch size.": (
        "检查点的学习率调度按 {saved} 步建立，而这次运行有 {own} 步：请用同样的轮数和批量恢复。"
    ),
    # callbacks
    "the rate that the function returned": "函数返回的学习率",
    "{owner} watches {monitor!r}, but an epoch has only {known}: choose another monitor, or give "
    "fit validation data.": (
        "{owner} 观察 {monitor!r}，但一轮只有 {known}：请另选 monitor，或者给 fit 验证数据。"
    ),
    "{monitor} has not improved since epoch {epoch}.": "{monitor} 自第 {epoch} 轮起没有改进。",
    "The loss is {loss} at step {step}.": "第 {step} 步的损失是 {loss}。",
    "There is no event {name!r}; the events are {events}.": "没有事件 {name!r}；事件有 {events}。",
    "ModelCheckpoint: every_steps saves the whole state within an epoch, where nothing is "
    "monitored: leave out save_best_only, and use a path without .safetensors.": (
        "ModelCheckpoint：every_steps 在一轮之中保存全部状态，此时没有可观察的值：请去掉 "
        "save_best_only，并使用不带 .safetensors 的路径。"
    ),
    "ModelCheckpoint cannot fill in the path {path!r}: {reason}. Known: {known}.": (
        "ModelCheckpoint 无法填写路径 {path!r}：{reason}。已知的有：{known}。"
    ),
    "Not compiled, so slower (glass mode): {reason}": "未能编译，改用较慢的透明模式：{reason}",
    "Recorder: the model has no layers to record.": "Recorder：模型没有可记录的层。",
    # progress
    "Epoch {epoch}/{epochs}": "第 {epoch}/{epochs} 轮",
    "Epoch {epoch}/{epochs}  {figures}  {seconds} s": (
        "第 {epoch}/{epochs} 轮  {figures}  {seconds} 秒"
    ),
    "verbose is 'auto', 0 (silent), 1 or 2 (plain lines), not {value!r}.": (
        "verbose 是 'auto'、0（不显示）、1 或 2（纯文本行），而不是 {value!r}。"
    ),
    "Interrupted in epoch {epoch} after step {step}.": "在第 {epoch} 轮第 {step} 步之后中断。",
    "To go on: resume from {path}": "要继续，请从 {path} 恢复",
    "Stopped in epoch {epoch}: {reason}": "在第 {epoch} 轮停止：{reason}",
    # running
    "The loss is {loss} at step {step} (epoch {epoch}): training has diverged. Try a smaller "
    "learning rate than {rate:g}, clip_grad_norm=1.0, and inputs scaled to about -1 .. 1; "
    "TerminateOnNaN() ends such a run.": (
        "第 {step} 步（第 {epoch} 轮）的损失是 {loss}：训练发散。请试试比 {rate:g} 更小的学习率、"
        "clip_grad_norm=1.0，以及缩放到约 -1 .. 1 的输入；TerminateOnNaN() 会结束这样的运行。"
    ),
    "The loss is {loss} at step {step} (epoch {epoch}). {cause}": (
        "第 {step} 步（第 {epoch} 轮）的损失是 {loss}。{cause}"
    ),
    "The parameters hold {value} ({name}), so no later step could have a loss.": (
        "参数含有 {value}（{name}），以后的步不会再有损失。"
    ),
    "The parameters hold {value} (first: {name}) after this step at the latest.": (
        "最迟在这一步之后，参数含有 {value}（首先是 {name}）。"
    ),
    "It began with step {step}, whose update made the parameters {value}.": (
        "起因是第 {step} 步，它的更新使参数成为 {value}。"
    ),
    "The loss had grown from {low:.3g} to {high:.3g}.": "损失此前从 {low:.3g} 增长到 {high:.3g}。",
    "A rate of {rate:g} does not help (tried on the same steps).": (
        "学习率 {rate:g} 也无济于事（已在同样的步上试过）。"
    ),
    "With a rate of {rate:g} steps {first} to {last} stay finite, loss {loss:.3g} (tried).": (
        "用学习率 {rate:g}，第 {first} 到 {last} 步保持有限，损失为 {loss:.3g}（已试过）。"
    ),
    "in row {row} of the batch": "在批次的第 {row} 行（从 0 数起）",
    "sample {index} of the data (from 0),": "即数据的第 {index} 个样本（从 0 数起），",
    "The {what} {where} is {value} at {entry}.": "{what}{where}在 {entry} 处是 {value}。",
    "The {what} {where} is {value}.": "{what}{where}是 {value}。",
    "So it is in {count} rows of the batch.": "批次中有 {count} 行是这样。",
    "First cause: {what}.": "最初的原因：{what}。",
    "{path}: this is not the checkpoint of a run.": "{path}：这不是运行的检查点。",
    "{path}: this checkpoint was written by a newer chainrule: update it.": (
        "{path}：这个检查点由更新的 chainrule 写成：请升级。"
    ),
    "The checkpoint was written within an epoch without the metric {name!r}: resume with the "
    "metrics of that run.": ("这个检查点写于一轮之中，没有指标 {name!r}：请用那次运行的指标恢复。"),
    "Trainer takes an nn.Module, not {kind}.": "Trainer 需要 nn.Module，而不是 {kind}。",
    "There is nothing to save before the first fit.": "第一次 fit 之前没有可保存的内容。",
    # optimisers, rates, fine-tuning
    "LBFGS evaluates the loss as often as it likes, a Trainer once a batch: call "
    "optimizer.step(closure) in a loop of your own.": (
        "LBFGS 会任意多次计算损失，而 Trainer 每批只算一次：请在自己的循环中调用 "
        "optimizer.step(closure)。"
    ),
    "{n} steps from {low:.2g} to {high:.2g}: steepest at {steepest:.2g}, lowest loss at "
    "{lowest:.2g}; suggested learning rate {suggestion:.2g}": (
        "共 {n} 步，学习率从 {low:.2g} 到 {high:.2g}：{steepest:.2g} 处下降最快，{lowest:.2g} 处损失"
        "最低；建议的学习率为 {suggestion:.2g}"
    ),
    "lr_range_test: start {start} must be below end {end}.": (
        "lr_range_test：start {start} 必须小于 end {end}。"
    ),
    "lr_range_test: the loss is no number after {n} steps at a rate of {rate:.2g}: look at the "
    "data, or begin with a smaller rate.": (
        "lr_range_test：学习率为 {rate:.2g} 时，{n} 步之后损失就不是数了：请检查数据，或从更小的"
        "学习率开始。"
    ),
    "{model} has no weights that are trained: a penalty acts on parameters with two axes or "
    "more.": "{model} 没有可训练的权重：惩罚项作用于有两个或更多轴的参数。",
    "replace_head: {model} has no Linear inside it whose place the new head could take.": (
        "replace_head：{model} 内部没有可由新输出层替换的 Linear。"
    ),
}

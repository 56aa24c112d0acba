"""Chinese texts of the optim room."""

TEXT = {
    # parameter groups
    "two numbers in [0, 1)": "[0, 1) 内的两个数",
    "{owner} takes a list of parameters, got one tensor: write [tensor].": (
        "{owner} 接受参数列表，得到的是单个张量：请写成 [tensor]。"
    ),
    "{owner} takes a list of parameters (model.parameters()) or of dicts {{'params': […], "
    "'lr': …}}, got {kind}.": (
        "{owner} 接受参数列表（model.parameters()）或字典列表 {{'params': […], 'lr': …}}，得到的是 "
        "{kind}。"
    ),
    "{owner} got an empty list of parameters. A generator such as model.parameters() is empty "
    "once it was read: call it again.": (
        "{owner} 得到了空的参数列表。model.parameters() 这样的生成器读过一次就空了：请重新调用它。"
    ),
    "{owner}: the parameters of a group need an order, got {kind}: write a list.": (
        "{owner}：一组参数需要有顺序，得到的是 {kind}：请写成列表。"
    ),
    "{owner}: give a name to every parameter of a group, or to none.": (
        "{owner}：一组参数要么全部带名称，要么都不带。"
    ),
    "{owner}: parameter {where} is {kind}, not a Tensor.": (
        "{owner}：参数 {where} 是 {kind}，不是 Tensor。"
    ),
    "{owner}: parameter {where} was computed from other tensors, so changing it would train "
    "nothing: give the tensors that it is computed from, or write "
    "tensor.detach().requires_grad_().": (
        "{owner}：参数 {where} 由其他张量计算得到，修改它并不会训练任何东西：请给出它所依赖的张"
        "量，或写 tensor.detach().requires_grad_()。"
    ),
    "{owner}: a parameter group is a dict with the key 'params', got {group!r}.": (
        "{owner}：参数组应是带有键 'params' 的字典，得到的是 {group!r}。"
    ),
    "{owner}: parameter {where} is given twice, and would be updated twice a step: name each "
    "parameter in one group, once.": (
        "{owner}：参数 {where} 给出了两次，每步会被更新两次：每个参数只能在一个组中出现一次。"
    ),
    "{owner}: give names in every parameter group, or in none.": (
        "{owner}：要么每个参数组都给出名称，要么都不给。"
    ),
    # a step
    "A parameter of shape {shape} cannot be updated: its memory is read-only, or several of its "
    "elements share one place (expand). Make it from tensor.clone().": (
        "形状为 {shape} 的参数无法更新：它的内存是只读的，或者多个元素共用同一位置（expand）。请用 "
        "tensor.clone() 创建它。"
    ),
    "{owner} does not support sparse gradients, please consider SparseAdam instead (or SGD, "
    "Adagrad), or build the embedding with sparse=False.": (
        "{owner} 不支持稀疏梯度，请考虑使用 SparseAdam（或 SGD、Adagrad），或以 sparse=False 建立嵌入层。"
    ),
    "{owner}: weight_decay option is not compatible with sparse gradients: write weight_decay=0 "
    "for this parameter (a group of its own), or build the embedding with sparse=False.": (
        "{owner}：weight_decay 与稀疏梯度不能同用：请为该参数单独设一组并写 weight_decay=0，或以 "
        "sparse=False 建立嵌入层。"
    ),
    "SparseAdam does not support dense gradients, please consider Adam instead, or build the "
    "embedding with sparse=True. In a compiled step, backward() and step() go together, without "
    "gradients from before.": (
        "SparseAdam 不支持稠密梯度，请考虑使用 Adam，或以 sparse=True 建立嵌入层。在编译的步骤中，"
        "backward() 与 step() 须在一起，且不带先前的梯度。"
    ),
    "the optimiser's options or state": "优化器的选项或状态",
    "{owner}.step() belongs outside the compiled function: call it after the function; the rate "
    "that it sets is read anew at every run.": (
        "{owner}.step() 应放在编译的函数之外：请在该函数之后调用；它设置的学习率在每次运行时都会"
        "重新读取。"
    ),
    # state dicts
    "{owner}: this is no state dict of an optimiser: it needs 'state' and 'param_groups' as "
    "optimizer.state_dict() gives them.": (
        "{owner}：这不是优化器的状态字典：它需要有 optimizer.state_dict() 给出的 'state' 和 "
        "'param_groups'。"
    ),
    "{owner}: the state dict has groups of {found} parameters, this optimiser has groups of "
    "{wanted}: build it with the same groups first.": (
        "{owner}：状态字典各组的参数个数为 {found}，此优化器为 {wanted}：请先用相同的分组构造优化"
        "器。"
    ),
    "{owner}: the state dict has a state for {index!r}, which is none of its parameters.": (
        "{owner}：状态字典含有 {index!r} 的状态，但它不是其中的参数。"
    ),
    "{owner}: parameter {index} has taken {step} steps: a number ≥ 0 is wanted.": (
        "{owner}：参数 {index} 的步数是 {step}：应为 ≥ 0 的整数。"
    ),
    "{owner}: {name} of parameter {index} has shape {found} in the state dict, the parameter has "
    "{wanted}.": (
        "{owner}：状态字典中参数 {index} 的 {name} 形状为 {found}，而参数的形状为 {wanted}。"
    ),
    "{owner}: the state of parameter {index} lacks {names}.": (
        "{owner}：参数 {index} 的状态缺少 {names}。"
    ),
    "two values ({first}, {second})": "两个值（{first}，{second}）",
    "three values ({part})": "三个值（{part}）",
    "Muon makes matrices orthogonal: a parameter has shape {shape}. Give biases, scales and tables "
    "to an AdamW of their own.": (
        "Muon 对矩阵做正交化：有一个参数的形状是 {shape}。请把偏置、缩放和查找表交给单独的 AdamW。"
    ),
    "LBFGS decides by the values that it finds how often it calls the closure, so that it cannot "
    "be compiled: call step() outside the compiled function (the closure may be compiled).": (
        "LBFGS 根据计算出的数值决定调用闭包的次数，因此无法编译：请在编译的函数之外调用 step()"
        "（闭包本身可以编译）。"
    ),
    "LBFGS.step needs a closure that clears the gradients, computes the loss, calls backward and "
    "returns the loss.": (
        "LBFGS.step 需要一个闭包：清零梯度、计算损失、调用 backward 并返回损失。"
    ),
    "LBFGS sees all parameters as one vector: give one parameter group, not {n}.": (
        "LBFGS 把所有参数看作一个向量：请只给一个参数组，而不是 {n} 个。"
    ),
    "{owner} got the argument {name!r}, which it does not take.": (
        "{owner} 得到了它不接受的参数 {name!r}。"
    ),
    "{owner}: a step changes parameters in place and is not recorded: write the update with "
    "tensors, and take differentiable=True out.": (
        "{owner}：一步更新会原地修改参数，不会被记录：请用张量写出更新，并去掉 "
        "differentiable=True。"
    ),
    # SGD
    "SGD: Nesterov's momentum needs momentum > 0 and dampening = 0, got momentum {momentum} and "
    "dampening {dampening}.": (
        "SGD：Nesterov 动量要求 momentum > 0 且 dampening = 0，得到 momentum {momentum}、"
        "dampening {dampening}。"
    ),
    "SGD: momentum_form='average' weighs the gradient with 1 − momentum: write dampening=0 and a "
    "momentum in [0, 1], not {dampening} and {momentum}.": (
        "SGD：momentum_form='average' 用 1 − momentum 给梯度加权：请写 dampening=0 以及 [0, 1] 内"
        "的 momentum，而不是 {dampening} 和 {momentum}。"
    ),
    "ExponentialMovingAverage has seen no value: call update(value) first.": (
        "ExponentialMovingAverage 还没有得到任何值：请先调用 update(value)。"
    ),
    # schedules
    "{owner} takes an optimiser, got {kind}.": "{owner} 接受优化器，得到的是 {kind}。",
    "{owner}: {name} needs one value, or {n} (one a parameter group), got {found}.": (
        "{owner}：{name} 需要 1 个值，或 {n} 个值（每个参数组一个），得到 {found} 个。"
    ),
    "{owner}: last_epoch={epoch} goes on with a schedule, but parameter group {i} has no "
    "'initial_lr': load the optimiser's state first, or write last_epoch=-1.": (
        "{owner}：last_epoch={epoch} 表示继续已有的调度，但参数组 {i} 没有 'initial_lr'：请先载入"
        "优化器的状态，或写 last_epoch=-1。"
    ),
    "{owner}: this is not the state of such a schedule: it needs the keys {keys}.": (
        "{owner}：这不是此种调度器的状态：它需要有键 {keys}。"
    ),
    "{owner}: write one function, or {groups} (one a parameter group).": (
        "{owner}：请写 1 个函数，或 {groups} 个（每个参数组一个）。"
    ),
    "OneCycleLR: write total_steps=…, or epochs=… and steps_per_epoch=….": (
        "OneCycleLR：请写 total_steps=…，或 epochs=… 和 steps_per_epoch=…。"
    ),
    "OneCycleLR: this optimiser has neither momentum nor betas: write cycle_momentum=False.": (
        "OneCycleLR：此优化器既没有 momentum 也没有 betas：请写 cycle_momentum=False。"
    ),
    "OneCycleLR: step {step}, but the cycle was planned for {total}: give the number of all "
    "batches of all epochs as total_steps.": (
        "OneCycleLR：已到第 {step} 步，但周期只计划了 {total} 步：total_steps 应为所有轮次的批次"
        "总数。"
    ),
    "SequentialLR: {n} schedules need {wanted} rising milestones, got {found}.": (
        "SequentialLR：{n} 个调度器需要 {wanted} 个递增的 milestones，得到 {found}。"
    ),
    "{owner}: {kind} cannot be one of the schedules: each must belong to the same optimiser and "
    "need no metric.": (
        "{owner}：{kind} 不能作为其中的调度器：每个调度器必须属于同一个优化器，且不需要指标。"
    ),
    "ChainedScheduler: give at least one schedule.": "ChainedScheduler：请至少给出一个调度器。",
    "CyclicLR: this optimiser has neither momentum nor betas: write cycle_momentum=False.": (
        "CyclicLR：此优化器既没有 momentum 也没有 betas：请写 cycle_momentum=False。"
    ),
    "{owner}: the state is of {found} schedules, not {wanted}.": (
        "{owner}：状态属于 {found} 个调度器，而不是 {wanted} 个。"
    ),
    "ReduceLROnPlateau watches a metric: write scheduler.step(validation_loss).": (
        "ReduceLROnPlateau 需要观察指标：请写 scheduler.step(validation_loss)。"
    ),
    # one optimiser after another
    "SwitchOptimizer: both optimisers must hold the same parameters, in one order.": (
        "SwitchOptimizer：两个优化器必须以相同的顺序持有相同的参数。"
    ),
    "SwitchOptimizer: give parameter groups to both optimisers before they are joined.": (
        "SwitchOptimizer：请在合并之前就把参数组交给两个优化器。"
    ),
}

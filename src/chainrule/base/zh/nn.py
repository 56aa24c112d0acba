"""Chinese texts of the nn room."""

TEXT = {
    # hooks
    "An input or output of a module with backward hooks was modified in place: use the "
    "out-of-place form, or clone() it first.": (
        "带有反向钩子的模块，其输入或输出被原地修改了：请改用非原地的写法，或先 clone()。"
    ),
    "{module} has backward hooks, so its forward must return a tensor or a tuple of tensors, "
    "not {kind}.": "{module} 带有反向钩子，其 forward 必须返回张量或张量元组，而不是 {kind}。",
    "A full_backward_hook of {module} returned a gradient, but no input of the module requires "
    "one: return None.": (
        "{module} 的 full_backward_hook 返回了梯度，但该模块没有任何输入需要梯度：请返回 None。"
    ),
    "A {kind} of {module} returned {found} gradients, {wanted} are wanted.": (
        "{module} 的 {kind} 返回了 {found} 个梯度，需要 {wanted} 个。"
    ),
    "A forward pre-hook of {module} with with_kwargs=True must return None or a tuple (args, "
    "kwargs), not {answer!r}.": (
        "{module} 的前向预钩子（with_kwargs=True）必须返回 None 或元组 (args, kwargs)，而不是 "
        "{answer!r}。"
    ),
    "A forward hook with always_call=True of {module} failed too: {error}": (
        "{module} 的前向钩子（always_call=True）也失败了：{error}"
    ),
    # containers
    "{owner} has {length} entries, so there is no index {index}.": (
        "{owner} 有 {length} 个元素，没有索引 {index}。"
    ),
    "{owner} holds modules, got {kind}.": "{owner} 只能存放模块，得到的是 {kind}。",
    "Sequential * {times}: write a number ≥ 1.": "Sequential * {times}：请写 ≥ 1 的数。",
    "{owner} takes a dict or pairs (name, value), got {pair!r}.": (
        "{owner} 接受字典或 (名称, 值) 对，得到的是 {pair!r}。"
    ),
    "ParameterList takes a list of tensors, got {kind}: write [tensor].": (
        "ParameterList 接受张量列表，得到的是 {kind}：请写成 [tensor]。"
    ),
    # initialisers
    "Fan in and fan out need a weight with 2 axes or more, got shape {shape}: fill a bias with "
    "zeros_, uniform_ or normal_.": (
        "计算扇入和扇出需要至少 2 维的权重，得到的形状是 {shape}：偏置请用 zeros_、uniform_ 或 "
        "normal_ 初始化。"
    ),
    "{name} fills a Tensor, got {kind}.": "{name} 只能填充 Tensor，得到的是 {kind}。",
    "{name} fills tensors of {axes} axes, got shape {shape}.": (
        "{name} 只能填充 {axes} 维的张量，得到的形状是 {shape}。"
    ),
    "dirac_: {out} output channels are no multiple of {groups} groups.": (
        "dirac_：输出通道数 {out} 不是组数 {groups} 的倍数。"
    ),
    "trunc_normal_ needs a < b, got a = {a}, b = {b}.": (
        "trunc_normal_ 要求 a < b，得到 a = {a}，b = {b}。"
    ),
    "orthogonal_ needs a tensor with 2 axes or more, got shape {shape}.": (
        "orthogonal_ 需要至少 2 维的张量，得到的形状是 {shape}。"
    ),
    # modules
    "{module} was called but has no forward: write `def forward(self, x): ...` in it.": (
        "调用了 {module}，但它没有 forward：请在其中写 `def forward(self, x): ...`。"
    ),
    "{module} has no attribute {name!r}.": "{module} 没有属性 {name!r}。",
    "There is one device here, the processor: leave the call out.": (
        "这里只有处理器一种设备：去掉这个调用即可。"
    ),
    "{module}.forward{signature} was called with {given}: {why}.": (
        "{module}.forward{signature} 以 {given} 调用：{why}。"
    ),
    "{module}.{name} is used before the module is initialised: write `super().__init__()` as "
    "the first line of {module}.__init__.": (
        "模块尚未初始化就使用了 {module}.{name}：请把 `super().__init__()` 写在 "
        "{module}.__init__ 的第一行。"
    ),
    "{module}.{name} cannot be of type {value}: {kind} or None is wanted. To use the name for "
    "something else, delete the attribute first.": (
        "{module}.{name} 不能是 {value} 类型：需要 {kind} 或 None。若要把这个名称另作他用，请先删"
        "除该属性。"
    ),
    "{module} cannot register {name!r}: {why}.": "{module} 无法注册 {name!r}：{why}。",
    "a name must be a string": "名称必须是字符串",
    "a name must not be empty": "名称不能为空",
    "a name must not contain a dot: dots separate modules in state dicts": (
        "名称不能含有点号：点号在状态字典中用来分隔模块"
    ),
    "the module has an attribute of that name already": "模块已有同名属性",
    "{module}.{name} must be a leaf, but it was computed by {how}: compute it in forward, or "
    "write nn.Parameter(value.detach()).": (
        "{module}.{name} 必须是叶子张量，但它是由 {how} 计算得到的：请在 forward 中计算它，或写 "
        "nn.Parameter(value.detach())。"
    ),
    "{module} has no submodule {name!r} (of the path {target!r}); its children: {names}.": (
        "{module} 没有子模块 {name!r}（路径 {target!r}）；它的子模块有：{names}。"
    ),
    "none": "无",
    "parameter": "参数",
    "buffer": "缓冲区",
    "{module} has no {kind} {name!r}; it has: {names}.": (
        "{module} 没有{kind} {name!r}；现有：{names}。"
    ),
    "train takes True or False, got {mode!r}.": "train 接受 True 或 False，得到的是 {mode!r}。",
    "There is no device {device}: write 'cpu'.": "没有设备 {device}：请写 'cpu'。",
    "Module.to takes a floating dtype, got {dtype}: integer parameters cannot be trained. "
    "Module.type casts to any dtype.": (
        "Module.to 只接受浮点类型，得到的是 {dtype}：整数参数无法训练。Module.type 可以转换为任意"
        "类型。"
    ),
    "in module: {where}": "所在模块：{where}",
    # functional
    "chainrule.nn.functional has no function {name!r}.": (
        "chainrule.nn.functional 没有函数 {name!r}。"
    ),
    # state dicts
    "<All keys matched successfully>": "<所有键均匹配>",
    "load_state_dict wants a dict of names to tensors, got {kind}.": (
        "load_state_dict 需要从名称到张量的字典，得到的是 {kind}。"
    ),
    "A load_state_dict post-hook returned a value; change the lists in place.": (
        "load_state_dict 的后置钩子返回了值；请直接修改传入的列表。"
    ),
    "{key}: a tensor or NumPy array is wanted, got {kind}.": (
        "{key}：需要张量或 NumPy 数组，得到的是 {kind}。"
    ),
    "{key}: the state dict has shape {found}, {module} needs {wanted}.": (
        "{key}：状态字典中的形状是 {found}，{module} 需要 {wanted}。"
    ),
    "Not known to the module: {names}.": "模块中没有的键：{names}。",
    "Missing in the state dict: {names}.": "状态字典中缺少：{names}。",
    "Write strict=False to load what fits.": "若只加载匹配的部分，请写 strict=False。",
    "The state dict does not fit {module}:": "状态字典与 {module} 不匹配：",
    # utils
    "The norm of the gradients is {norm}: a gradient overflowed or is not a number. Write "
    "error_if_nonfinite=False to clip all the same.": (
        "梯度的范数是 {norm}：有梯度溢出或不是数。若仍要裁剪，请写 error_if_nonfinite=False。"
    ),
    "The parameters have {wanted} elements together, the vector has shape {shape}.": (
        "这些参数共有 {wanted} 个元素，向量的形状是 {shape}。"
    ),
    # layers
    "{name}: {error}; write {name}{call}.": "{name}：{error}；请写 {name}{call}。",
    "{owner}: {which} = {channels} cannot be split into {groups} groups.": (
        "{owner}：{which} = {channels} 无法均分为 {groups} 组。"
    ),
    "{name}: proj_size {proj} must be smaller than hidden_size {hidden}.": (
        "{name}：proj_size {proj} 必须小于 hidden_size {hidden}。"
    ),
    "{name}: dropout acts between layers, and with num_layers=1 there is no second one.": (
        "{name}：dropout 作用于层与层之间，而 num_layers=1 时没有第二层。"
    ),
    "{module}: {name} must have shape {expected} for an input of shape {input}, got {got}.": (
        "{module}：输入形状为 {input} 时，{name} 的形状必须是 {expected}，得到 {got}。"
    ),
    "{owner} takes hx as a pair (h, c), got {kind}.": (
        "{owner} 的 hx 应为 (h, c) 两个张量，得到的是 {kind}。"
    ),
    "{module} takes input of shape {layout}, got {shape}.": (
        "{module} 的输入形状应为 {layout}，得到的是 {shape}。"
    ),
    # spatial layers
    "{owner}: padding must be one integer, or {n}: (low, high) of the last axis, then of the one "
    "before; got {padding}.": (
        "{owner}：padding 应为一个整数或 {n} 个整数：先是最后一轴的 (low, high)，再是前一轴的；得到的是 "
        "{padding}。"
    ),
    "{owner}: output_size must have {n} entries, or {all} with batch and channels, got {size}.": (
        "{owner}：output_size 应有 {n} 项，连同批和通道为 {all} 项，得到的是 {size}。"
    ),
    "{owner}: an input of shape {x} can give sizes from {least} to {most}, output_size is {size}.": (
        "{owner}：形状为 {x} 的输入可得到 {least} 到 {most} 的大小，而 output_size 是 {size}。"
    ),
    "GroupNorm: num_channels = {channels} cannot be split into {groups} groups.": (
        "GroupNorm：num_channels = {channels} 不能分成 {groups} 组。"
    ),
    # folding and conversion
    "{owner}: both layers must be in eval mode: call .eval() first.": (
        "{owner}：两个层都必须处于评估模式：请先调用 .eval()。"
    ),
    "{owner}: the batch norm keeps no running statistics to fold in.": (
        "{owner}：该批归一化没有可并入的滑动统计量。"
    ),
    "{owner}: the layer gives {channels} channels, the batch norm takes {features}.": (
        "{owner}：该层输出 {channels} 个通道，而批归一化需要 {features} 个。"
    ),
    "fuse_batch_norms: the outputs changed: {model} uses the output of a layer beside the batch "
    "norm after it. Fold its layers one by one with fuse_conv_bn_eval.": (
        "fuse_batch_norms：输出发生了变化：{model} 除批归一化之外还使用了某层的输出。请用 "
        "fuse_conv_bn_eval 逐层合并。"
    ),
    "linear_to_conv: input_shape must be (C, L), (C, H, W) or (C, D, H, W) with {n} elements, as "
    "many as the layer takes, got {shape}.": (
        "linear_to_conv：input_shape 应为 (C, L)、(C, H, W) 或 (C, D, H, W)，且共有 {n} 个元素，"
        "与该层的输入数相同，得到的是 {shape}。"
    ),
    "conv_to_linear: a Conv1d, Conv2d or Conv3d is wanted, got {kind}.": (
        "conv_to_linear：需要 Conv1d、Conv2d 或 Conv3d，得到的是 {kind}。"
    ),
    # lazy layers
    "{module} does not know its number of inputs yet: call the model once before it is compiled.": (
        "{module} 还不知道输入的个数：编译之前请先调用模型一次。"
    ),
    "{module} cannot take its number of inputs from an input of shape {shape}.": (
        "{module} 无法从形状为 {shape} 的输入得知输入的个数。"
    ),
    # adaptive softmax
    "AdaptiveLogSoftmaxWithLoss: cutoffs must rise and lie between 1 and {last}, got {cutoffs}.": (
        "AdaptiveLogSoftmaxWithLoss：cutoffs 必须递增且在 1 到 {last} 之间，得到 {cutoffs}。"
    ),
    "AdaptiveLogSoftmaxWithLoss takes (N, {n}) and targets (N,), or ({n},) and (): got {x} and "
    "{y}.": (
        "AdaptiveLogSoftmaxWithLoss 接受 (N, {n}) 与目标 (N,)，或 ({n},) 与 ()：得到 {x} 和 {y}。"
    ),
    "AdaptiveLogSoftmaxWithLoss: targets must lie in 0 to {last}, but go from {low} to {high}.": (
        "AdaptiveLogSoftmaxWithLoss：目标必须在 0 到 {last} 之间，但实际范围是 {low} 到 {high}。"
    ),
    "size_average and reduce are old: write reduction={value!r}.": (
        "size_average 与 reduce 是旧参数：请写 reduction={value!r}。"
    ),
    "{name}: _weight must have shape {expected}, got {shape}.": (
        "{name}：_weight 的形状必须是 {expected}，得到 {shape}。"
    ),
    "{layer} takes such an input (tried)": "{layer} 能接受这样的输入（已试过）",
    "made in {where}": "创建于 {where}",
    "the input is a tuple; its first element fits (tried): recurrent layers and attention give a "
    "pair, so write output, state = layer(x)": (
        "输入是元组；它的第一个元素合适（已试过）：循环层和注意力层给出一对值，"
        "请写 output, state = layer(x)"
    ),
}

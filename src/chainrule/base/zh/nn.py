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
    "Embedding: gradients are dense here, sparse ones do not exist: drop sparse=True.": (
        "Embedding：这里的梯度是稠密的，没有稀疏梯度：请去掉 sparse=True。"
    ),
    "Embedding: padding_idx {index} is outside the table of {rows} rows.": (
        "Embedding：padding_idx {index} 超出了 {rows} 行的表。"
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
    "Embedding.from_pretrained takes a table of shape (rows, dim), got {shape}.": (
        "Embedding.from_pretrained 接受形状为 (行数, 维数) 的表，得到的形状是 {shape}。"
    ),
    "{module} takes input of shape {layout}, got {shape}.": (
        "{module} 的输入形状应为 {layout}，得到的是 {shape}。"
    ),
}

"""Chinese texts of worked explanations of recorded graphs."""

TEXT = {
    "{name} ← {name} − learning rate · ∂L/∂{name}": "{name} ← {name} − 学习率 · ∂L/∂{name}",
    "chain rule through its forward": "对其前向计算使用链式法则",
    "shape {shape}: mean {mean}, std {std}, from {min} to {max}": (
        "形状 {shape}：均值 {mean}，标准差 {std}，范围 {min} 到 {max}"
    ),
    "shape {shape}, {dtype}": "形状 {shape}，{dtype}",
    "{text} + … ({n} more: {rest})": "{text} + …（其余 {n} 项：{rest}）",
    "∂L/∂{by} = {value}; its terms were not kept": "∂L/∂{by} = {value}；其各项没有保留",
    "{sum}  (through {ways})": "{sum}（经由 {ways}）",
    "✓ {good} of {all} steps agree with central differences (largest error {error:.1e}).": (
        "✓ {all} 步中有 {good} 步与中心差分一致（最大误差 {error:.1e}）。"
    ),
    "✗ Wrong: {names}.": "✗ 错误：{names}。",
    "inside {name}": "在 {name} 之内",
    "of {name}": "属于 {name}",
    "model": "模型",
    "no names": "没有名字",
    "Where the largest term comes from:": "最大的一项来自：",
    "summed by axis {axis} of {y}: {terms}": "沿 {y} 的第 {axis} 轴分别求和：{terms}",
    # checks
    "error {error:.1e}": "误差 {error:.1e}",
    "error {error:.1e}; {n} entries stand at a kink": "误差 {error:.1e}；有 {n} 个元素位于尖点",
    "error {error:.1e}; as its elementary steps to {apart:.1e}": (
        "误差 {error:.1e}；与其基本步骤相差 {apart:.1e}"
    ),
    "the closed-form gradient of {op} and the chain rule through its elementary steps differ by "
    "{error:.1e}": "{op} 的闭式梯度与沿其基本步骤的链式法则相差 {error:.1e}",
    "a rule of its own takes the place of the derivative": "这里用自己的规则代替导数",
    "not checked: its result holds NaN or infinity": "未检查：结果含有 NaN 或无穷",
    "not checked: its values were not kept (use recording())": (
        "未检查：数值没有保留（请用 recording()）"
    ),
    "∂L/∂{name}{place}: passed on {found:.6g}, but its rule gives {exact:.6g} in float64": (
        "∂L/∂{name}{place}：传回的是 {found:.6g}，而其规则在 float64 下给出 {exact:.6g}"
    ),
    "the gradient of {op} is wrong: by {name}{place} its rule says {says:.6g}, central differences "
    "say {numeric:.6g}": (
        "{op} 的梯度有误：对 {name}{place}，其规则给出 {says:.6g}，中心差分给出 {numeric:.6g}"
    ),
    "the gradient of {op} is wrong: along a direction of {name} its rule says {says:.6g}, central "
    "differences say {numeric:.6g}": (
        "{op} 的梯度有误：沿 {name} 的一个方向，其规则给出 {says:.6g}，中心差分给出 {numeric:.6g}"
    ),
    # errors
    "explain takes a computed tensor, not {kind}.": "explain 需要计算得到的张量，而不是 {kind}。",
    "level is 'composite' or 'elementary', not {level!r}.": (
        "level 应为 'composite' 或 'elementary'，而不是 {level!r}。"
    ),
    "explain needs a single number; this tensor has shape {shape}. Write explain(loss.sum()), or "
    "pass gradient= of that shape.": (
        "explain 需要一个数；这个张量的形状为 {shape}。请写 explain(loss.sum())，"
        "或给出同样形状的 gradient=。"
    ),
    "{name} has shape {shape}: {place} is none of its entries.": (
        "{name} 的形状为 {shape}：{place} 不是它的元素。"
    ),
    "Nothing in this graph is called {key}: it has {names}, and the ids n0 … n{n}.": (
        "图中没有叫 {key} 的东西：有 {names}，以及编号 n0 … n{n}。"
    ),
    "The values of {op} were freed by backward(). Explain before backward(), or pass "
    "retain_graph=True to it, or compute the loss inside `with chainrule.explain.recording():`, "
    "which keeps source lines and modules, too.": (
        "{op} 的数值已被 backward() 释放。请在 backward() 之前解释，或给它传 retain_graph=True，"
        "或在 `with chainrule.explain.recording():` 中计算损失，这样还会保留源代码行和模块。"
    ),
    "This tensor was not computed from one that requires a gradient, so there is nothing to "
    "explain: was requires_grad=True forgotten, or was it computed under no_grad()?": (
        "这个张量不是由需要梯度的张量算出的，没有什么可解释：是忘了 requires_grad=True，"
        "还是在 no_grad() 下计算的？"
    ),
    "{op} used a tensor of shape {shape} that was overwritten afterwards (by an optimiser's "
    "step?), so its numbers are gone. Explain before that, or compute the loss inside `with "
    "chainrule.explain.recording():`.": (
        "{op} 用到的形状为 {shape} 的张量后来被改写（是优化器更新了？），数值已经没有了。"
        "请在那之前解释，或在 `with chainrule.explain.recording():` 中计算损失。"
    ),
    "{name} is elementary: there is nothing to unfold.": "{name} 是基本运算，无法再展开。",
    "{name} cannot be unfolded: its input {input} was not kept. Compute the loss inside `with "
    "chainrule.explain.recording():`.": (
        "{name} 无法展开：它的输入 {input} 没有保留。请在 `with chainrule.explain.recording():` "
        "中计算损失。"
    ),
    "The terms of {name} cannot be worked out: {what} was not kept, or is too large. Compute the "
    "loss inside `with chainrule.explain.recording():`.": (
        "{name} 的各项无法算出：{what} 没有保留，或者太大。"
        "请在 `with chainrule.explain.recording():` 中计算损失。"
    ),
    # paths and samples
    "{name} has no gradient here: {loss} does not depend on it.": (
        "{name} 在这里没有梯度：{loss} 不依赖它。"
    ),
    "{n} paths": "{n} 条路径",
    "1 path": "1 条路径",
    "Why ∂L/∂{name} has norm {norm}: {paths}": "∂L/∂{name} 的范数为什么是 {norm}：{paths}",
    "path {number}: share {share}, norm {norm}": "路径 {number}：占比 {share}，范数 {norm}",
    "all other paths: share {share}, norm {norm}": "其余路径：占比 {share}，范数 {norm}",
    "{slope} ≤ {bound}, {n} times (largest here {largest}): at most × {product}": (
        "{slope} ≤ {bound}，共 {n} 次（此处最大 {largest}）：至多 × {product}"
    ),
    "of {n} entries {share} have slope 0": "{n} 个元素中有 {share} 的斜率为 0",
    "The gradient vanished: the loss passes on {ratio} of its norm.": (
        "梯度消失了：传到这里时只剩范数的 {ratio}。"
    ),
    "The gradient exploded: its norm grew {ratio}-fold on the way.": (
        "梯度爆炸了：一路上范数增大到 {ratio} 倍。"
    ),
    "samples: no axis of {name}, of shape {shape}, has a size in common with the first axis of the "
    "data; pass axis=.": (
        "samples：{name} 的形状为 {shape}，没有一个轴与数据的第一个轴等长；请传入 axis=。"
    ),
    "samples: {name} meets no data on its way to the loss.": (
        "samples：{name} 在通往损失的路上没有与数据相遇。"
    ),
    "of no sample: norm {norm}, share {share}": "不属于任何样本：范数 {norm}，占 {share}",
    "This tensor came out of a compiled function, which keeps no graph. Call the function inside "
    "`with chainrule.explain.recording():`, where it runs in glass mode, and explain what it gives "
    "there.": (
        "这个张量来自编译过的函数，它不保留计算图。请在 `with chainrule.explain.recording():` "
        "中调用该函数（在那里它以透明模式运行），再解释所得的结果。"
    ),
    "What happens inside the {name} was not kept. Compute the loss inside `with "
    "chainrule.explain.recording():`, where it is.": (
        "{name} 内部的过程没有保留。请在 `with chainrule.explain.recording():` 中计算损失，"
        "在那里会保留。"
    ),
    "This tensor was not computed from anything that wrt names.": (
        "这个张量不是由 wrt 所指的任何东西算出的。"
    ),
    "{n} of {all} steps agree with central differences (largest error {error:.1e})": (
        "{all} 步中有 {n} 步与中心差分一致（最大误差 {error:.1e}）"
    ),
    "wrong: {ids}": "错误：{ids}",
    "{n} of them stand at a kink": "其中 {n} 步位于折点",
    "{n} have a rule of their own in place of the derivative": "{n} 步用自己的规则代替导数",
    "{n} could not be checked: their values were not kept or are not finite": (
        "{n} 步无法检验：其数值没有保留，或不是有限数"
    ),
    "{n} have inputs of more than {all} entries, which were checked along random directions and in "
    "a sample of entries (at the least {few} of {of})": (
        "{n} 步的输入多于 {all} 个元素，按随机方向并抽取部分元素检验（最少为 {of} 个中的 {few} 个）"
    ),
    "{n} steps were left when Ctrl-C stopped it": "被 Ctrl-C 中断，还剩 {n} 步",
    "checked {done} of {count} steps": "已检验 {done}/{count} 步",
    "Contribution of each sample to ∂L/∂{name} (norm {norm})": (
        "每个样本对 ∂L/∂{name} 的贡献（范数 {norm}）"
    ),
    "sample {index}: norm {norm}, share {share}": "样本 {index}：范数 {norm}，占比 {share}",
    "Gradients": "梯度",
    "The first {what} is {place} = {value}, made by {step}: {line}": (
        "第一个{what}是 {place} = {value}，由 {step} 产生：{line}"
    ),
    "The first {what} is {place} = {value}: it came in with the data.": (
        "第一个{what}是 {place} = {value}：它随数据而来。"
    ),
    "NaN": "NaN",
    "infinity": "无穷大",
    "its inputs: {inputs}": "其输入：{inputs}",
    "Not all values were kept; inside `with chainrule.explain.recording():` they are.": (
        "并非所有数值都保留了；在 `with chainrule.explain.recording():` 中会全部保留。"
    ),
    "The first gradient that is not finite is ∂L/∂{place} = {value}, from {step} at {input}.": (
        "第一个非有限的梯度是 ∂L/∂{place} = {value}，来自 {step}，在 {input} 处。"
    ),
}

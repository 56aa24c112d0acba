"""Chinese texts of optimisers' steps worked out."""

TEXT = {
    "{rule}, the next step": "{rule}，下一步",
    "{rule}, the last step": "{rule}，上一步",
    "explain knows the optimisers of chainrule.optim and what is derived from them, not {rule}.": (
        "explain 支持 chainrule.optim 的优化器及其子类，不支持 {rule}。"
    ),
    "{rule} has not taken a step yet.": "{rule} 还没有走过一步。",
    "No step of this {rule} was recorded: call step() inside "
    "`with chainrule.explain.recording():`.": (
        "这个 {rule} 没有记录过更新：请在 `with chainrule.explain.recording():` 内调用 step()。"
    ),
    "{parameter} has no gradient: call backward() before explain().": (
        "{parameter} 没有梯度：请先调用 backward()，再调用 explain()。"
    ),
    "step is 'next' or 'last', not {step!r}.": "step 只能是 'next' 或 'last'，不能是 {step!r}。",
    # checks
    "{name} = {value:.6g}, but its numbers give {real:.6g}": (
        "{name} = {value:.6g}，但代入的数算出 {real:.6g}"
    ),
    "{name} = {value:.6g}, but the step gives {real:.6g}": (
        "{name} = {value:.6g}，但实际的更新给出 {real:.6g}"
    ),
    "{name} = {value:.6g}, but in {dtype} it became {real:.6g}": (
        "{name} = {value:.6g}，但在 {dtype} 中变成了 {real:.6g}"
    ),
    "{dtype} rounds it to {real:.6g}": "{dtype} 舍入为 {real:.6g}",
    "✓ {good} of {all} lines agree with the step (largest error {error:.1e}).": (
        "✓ {all} 行中有 {good} 行与实际更新一致（最大误差 {error:.1e}）。"
    ),
    # lines
    "rate of the schedule, which began with {initial:.4g}": "学习率调度的当前值，起始为 {initial:.4g}",
    "gradient": "梯度",
    "clipping by the joint norm": "按总范数裁剪",
    "clipped gradient": "裁剪后的梯度",
    "maximize: uphill": "maximize：向上走",
    "weight decay in the gradient": "加到梯度上的权重衰减",
    "decoupled weight decay": "解耦的权重衰减",
    "the new parameter": "新的参数",
    "velocity": "速度（动量）",
    "velocity: the first gradient, not dampened": "速度：第一个梯度，不加阻尼",
    "Nesterov: the velocity one step ahead": "Nesterov：超前一步的速度",
    "sum of squares": "平方和",
    "falling rate": "逐步下降的学习率",
    "first moment": "一阶矩",
    "second moment": "二阶矩",
    "variance": "方差",
    "scaled gradient": "缩放后的梯度",
    "mean square of the steps": "步长平方的均值",
    "AMSGrad: the largest second moment so far": "AMSGrad：迄今最大的二阶矩",
    "bias correction": "偏差修正",
    "bias correction, one step ahead": "偏差修正，超前一步",
    "largest recent gradient": "近期最大的梯度",
    "momentum of this step and of the next": "本步与下一步的动量系数",
    "product of the momenta": "动量系数的连乘",
    "gradients behind v, at most": "v 所依据的梯度数，上限",
    "gradients behind v": "v 所依据的梯度数",
    "rectification": "修正系数",
    "the new parameter: v rests on too few gradients to divide by it": (
        "新的参数：v 依据的梯度太少，不除以它"
    ),
    "mean of the parameter": "参数的平均",
    "rate of the next step": "下一步的学习率",
    "weight of the next step in the mean": "下一步在平均中的权重",
    "does the sign stay?": "符号是否不变？",
    "size of the step": "步长",
    "the sign turned: the element rests once": "符号翻转：该元素停一次",
    "remembered for the next step": "留给下一步",
    "no gradient for this row: it stays": "这一行没有梯度：保持不变",
    "weight of the new": "新值的权重",
    "rate, falling": "学习率，逐步下降",
    "mean square over the whole parameter": "整个参数的均方",
    "mean square of the row": "所在行的均方",
    "mean square of the column": "所在列的均方",
    "second moment of the row": "行的二阶矩",
    "second moment of the column": "列的二阶矩",
    "mean over the rows": "各行的均值",
    "squared norm of the whole matrix": "整个矩阵的范数平方",
    "singular values of at most 1": "奇异值不超过 1",
    "Newton-Schulz, round {k}": "Newton-Schulz，第 {k} 轮",
    "scale by the shape": "按形状缩放",
    "the gradient is within the tolerance: no step": "梯度已小于容差：不更新",
    "change of the gradient": "梯度的变化",
    "the step before": "上一步",
    "curvature along it": "沿该步的曲率",
    "size of H₀": "H₀ 的大小",
    "the loss would hardly fall: no step": "损失几乎不会下降：不更新",
    "size of the gradient": "梯度的大小",
    "length of the first step": "第一步的长度",
    "length of the step": "步长",
    "where the line search begins: the length is its choice": "线搜索的起点：长度由它决定",
    "the new parameter; θ before it is computed back": "新的参数；更新前的 θ 由此反推",
    "pair {k}, on the way back": "第 {k} 对，回代",
    "Newton's direction, from {n} pairs": "牛顿方向，由 {n} 对得出",
    "no pair yet: the gradient itself": "还没有历史对：就是梯度本身",
    "direction": "方向",
}

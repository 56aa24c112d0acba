"""What gradients do on their way back, where many operations share one behaviour."""

from __future__ import annotations

from chainrule.explain.report.markup import Words

RULES: dict[str, Words] = {
    "slope": Words(
        "Element by element: the incoming gradient g times the local slope. An input that was "
        "broadcast gets the sum over the places it was used at.",
        "逐元素：传入梯度 g 乘以该处的斜率。被广播的输入得到其所有使用位置上梯度之和。",
    ),
    "none": Words(
        "The output is a truth value, a position or a count: a small change of the input does not "
        "change it, or makes it jump. There is no gradient.",
        "输出是真假、位置或计数：输入的微小变化要么不改变它，要么使它跳变，因此没有梯度。",
    ),
    "zero": Words(
        "Flat between the jumps: the gradient is 0 everywhere, and nothing before it can learn.",
        "跳变之间是平的：梯度处处为 0，它之前的部分学不到东西。",
    ),
    "view": Words(
        "The same numbers at other places: the gradient takes the same way back, unchanged. What "
        "was left out gets 0.",
        "数值不变，只换位置：梯度沿原路返回，大小不变；没有取用的元素得到 0。",
    ),
    "sum_back": Words(
        "One input number stands at several places of the output: their gradients are added.",
        "一个输入数值出现在输出的多个位置：这些位置的梯度相加后传回。",
    ),
    "spread": Words(
        "Many inputs make one output: each gets the gradient of that output, weighted by its part.",
        "多个输入合成一个输出：每个输入得到该输出的梯度乘以自己的权重。",
    ),
    "route": Words(
        "The gradient goes to the entry that was chosen; all others get 0.",
        "梯度只送给被选中的元素，其余得到 0。",
    ),
    "gather": Words(
        "Each entry picked sends its gradient back to where it was read; an entry read twice gets "
        "both, added. The indices have no gradient.",
        "每个取出的元素把梯度送回读取处；被读两次的元素得到两份之和。索引没有梯度。",
    ),
    "scatter": Words(
        "At the places written, the gradient goes to what was written; what was overwritten gets "
        "0. Where values are added instead, both get it.",
        "写入处的梯度归于写入的值，被覆盖的值得到 0；若是累加，则两者都得到。",
    ),
    "product": Words(
        "Each factor gets the incoming gradient times the other factor, transposed to fit.",
        "每个因子得到传入梯度与另一因子（转置后）的乘积。",
    ),
    "through": Words(
        "No rule of its own: the chain rule runs through the operations that it is made of.",
        "没有单独的规则：链式法则逐一穿过构成它的各个运算。",
    ),
    "made": Words(
        "Its numbers come from no tensor: there is nothing to send a gradient to.",
        "数值不来自任何张量，没有可以接收梯度的输入。",
    ),
    "cut": Words(
        "The result stands outside the graph: a gradient that comes back to it goes no further.",
        "结果不在计算图中：传回到它的梯度到此为止。",
    ),
    "random": Words(
        "The numbers are drawn anew each time; the draw itself has no gradient.",
        "数值每次重新抽取；抽取本身没有梯度。",
    ),
    "info": Words(
        "It answers with a Python value or changes a setting: nothing to differentiate.",
        "它返回 Python 值或修改设置，没有可求导的量。",
    ),
    "masked": Words(
        "Where the mask lets a value through, its gradient passes; elsewhere it is 0.",
        "掩码放行处梯度通过，其余为 0。",
    ),
    "update": Words(
        "An optimiser stands after the gradient: it reads ∂L/∂θ and writes θ, unrecorded. Its own "
        "derivation is why the step has this form.",
        "优化器在求得梯度之后工作：读取 ∂L/∂θ，改写 θ，不作记录。这里推导的是更新公式的由来。",
    ),
    "rate": Words(
        "A schedule changes the learning rate between steps; no gradient passes through it.",
        "调度器在两步之间改变学习率，没有梯度经过它。",
    ),
    "start": Words(
        "It runs before training, unrecorded. What it decides is how large the gradients of the "
        "first step are.",
        "它在训练之前运行，不作记录；它决定第一步的梯度有多大。",
    ),
    "fitted": Words(
        "An estimator is fitted as a whole: by solving an equation, by search or by rounds of its "
        "own. Its derivation is why the fit has this form.",
        "估计器整体拟合：解方程、搜索或自己的迭代。这里推导的是拟合公式的由来。",
    ),
    "contained": Words(
        "It computes nothing itself: gradients go through the modules that it holds.",
        "它自己不做运算：梯度穿过它所包含的各个模块。",
    ),
}

# Those that say why there is no gradient: a card with one of them needs no derivation.
REASONS = frozenset({"none", "made", "cut", "random", "info"})

"""Chinese texts of compiled functions: tracing, guards, programs, back ends."""

TEXT = {
    "compile takes a function or a model, not {kind}.": "compile 接受函数或模型，而不是 {kind}。",
    "{name} has not been called yet: call it once, then look.": (
        "{name} 还没有被调用过：请先调用一次再查看。"
    ),
    "{name} was compiled {n} times, for ever new signatures; what changes most: {what}. Each "
    "compilation takes time: pass what changes as a tensor, and pad inputs to a few shapes.": (
        "{name} 因签名不断变化已编译 {n} 次；变化最多的是：{what}。每次编译都要花时间：请把会变化的"
        "量作为张量传入，并把输入补齐到少数几种形状。"
    ),
    "the shapes or values of the arguments": "参数的形状或取值",
    # guards
    "whether .grad of a parameter is there": "参数的 .grad 是否存在",
    "requires_grad, the dtype or the hooks of a tensor": "张量的 requires_grad、数据类型或钩子",
    "the attributes of {owner}": "{owner} 的属性",
    "the contents of a list or dict": "列表或字典的内容",
    "the variable {name}": "变量 {name}",
    "the shape, dtype or memory of a tensor": "张量的形状、数据类型或内存",
    "{what} changed since this program was traced, which may make it another program: trace it "
    "again, or use chainrule.compile, which does so by itself.": (
        "追踪此程序之后，{what}发生了变化，程序可能因此不同：请重新追踪，或使用会自动重新追踪的 "
        "chainrule.compile。"
    ),
    # tracing
    "{where}: a compiled function takes tensors, and hashable values that do not change; {kind} is "
    "neither. Pass a tensor: cr.tensor(…).": (
        "{where}：编译的函数接受张量和不变的可哈希值；{kind} 两者都不是。请传入张量：cr.tensor(…)。"
    ),
    "{where}: what is done here needs the values of tensors, or an operation that cannot be "
    "compiled ({error}).": "{where}：此处的操作需要张量的值，或者是无法编译的运算（{error}）。",
    "An argument was computed from tensors that require a gradient, outside the compiled function, "
    "and backward() inside cannot follow it there: compute it inside, or pass argument.detach().": (
        "某个参数是在编译的函数之外由需要梯度的张量计算得来的，函数内的 backward() 无法追溯到那里：请"
        "在函数内计算它，或传入 argument.detach()。"
    ),
    "This tensor came out of a compiled function, which keeps no graph: call backward() inside the "
    "compiled function.": (
        "此张量来自编译的函数，没有保留计算图：请在编译的函数内部调用 backward()。"
    ),
    # back ends
    "This program is replayed on NumPy, where only the stage 'graph' exists: {what} needs the "
    "native back end (pip install llvmlite).": (
        "此程序在 NumPy 上重放，只有 'graph' 这一阶段：{what}需要本机后端（pip install llvmlite）。"
    ),
    "the stage {stage!r}": "阶段 {stage!r} ",
    "a profile": "性能剖析",
}

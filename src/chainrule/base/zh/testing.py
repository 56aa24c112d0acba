"""Chinese texts of `testing`."""

TEXT = {
    # ---- reports ----
    "{op}: {check}: {what}\n  inputs: {inputs}": "{op}：{check}：{what}\n  输入：{inputs}",
    "{module}: {check}: {what}": "{module}：{check}：{what}",
    "{kind}: {error}": "{kind}：{error}",
    "{what}: got shape {got}, expected {expected}.": "{what}：得到形状 {got}，应为 {expected}。",
    "{what}: {n} of {size} entries differ; at {at} got {got:.9g}, expected {expected:.9g}.": (
        "{what}：{size} 个元素中有 {n} 个不同；在 {at} 处得到 {got:.9g}，应为 {expected:.9g}。"
    ),
    "{op}: {check}: no sample lets this be checked: give the operation samples that do.": (
        "{op}：{check}：没有任何样本能用于这项检查：请给该运算补充合适的 samples。"
    ),
    "{op} has no samples to be tested with: give it `samples`, tuples of (shapes) or ((shapes), "
    "{{params}}).": (
        "{op} 没有可用于测试的样本：请给它 `samples`，即 (形状…) 或 ((形状…), {{参数}}) 的元组。"
    ),
    "Unknown check {name!r}: there are {names}.": "没有名为 {name!r} 的检查；现有：{names}。",
    "No operation is named {name!r}.": "没有名为 {name!r} 的运算。",
    "{text!r} is no formula that can be evaluated.": "{text!r} 不是可以求值的公式。",
    # ---- the declaration ----
    "No docstring.": "没有文档字符串。",
    "No formula: `math` is empty.": "没有公式：`math` 为空。",
    "No English card.": "没有英文说明卡。",
    "No Chinese card.": "没有中文说明卡。",
    "Signature incomplete.": "函数签名不完整。",
    "forward must take the namespace F first.": "forward 的第一个参数必须是命名空间 F。",
    "An unknown param is accepted.": "未知的参数被接受了。",
    "An unknown param is not named by the error.": "错误信息没有指出未知参数的名字。",
    "{name}: {taken!r} becomes {again!r} when checked again.": (
        "{name}：{taken!r} 再次校验时变成了 {again!r}。"
    ),
    "{name}={value!r} is accepted.": "{name}={value!r} 被接受了。",
    "{name}={value!r}: the error does not name it: {error}": (
        "{name}={value!r}：错误信息没有提到它：{error}"
    ),
    "{name}={value!r} raises {kind}: {error}": "{name}={value!r} 引发了 {kind}：{error}",
    # ---- gradients ----
    "∂/∂{name} has shape {got}, the input {x}.": "∂/∂{name} 的形状为 {got}，而输入为 {x}。",
    "recorded ∂/∂{name}": "记录下来的 ∂/∂{name}",
    # ---- memory ----
    "A param was changed.": "参数被改动了。",
    "An input was changed.": "输入被改动了。",
    "The backward changed its g.": "反向过程改动了传入的 g。",
    "The backward changed the output.": "反向过程改动了输出。",
    "The same call gave another result.": "同样的调用给出了不同的结果。",
    "The same call gave another gradient.": "同样的调用给出了不同的梯度。",
    "The output shares the memory of an input.": "输出与某个输入共享内存。",
    "A gradient shares memory with a value or another gradient.": (
        "某个梯度与某个值或另一个梯度共享内存。"
    ),
    "no_grad() did not stop the recording.": "no_grad() 没有停止记录。",
    "Recorded without being asked.": "未被要求却作了记录。",
    "Recording changes the value.": "记录改变了结果的值。",
    "The operation was not recorded.": "运算没有被记录。",
    "An output without a gradient claims to have one.": "没有梯度的输出声称自己有梯度。",
    "{name} is saved, was changed, and backward said nothing.": (
        "{name} 已被保存，之后又被改动，而反向过程没有报错。"
    ),
    "{name} changed; gradient": "{name} 被改动后的梯度",
    "saves names {names}, which no gradient reads.": (
        "saves 中列出了 {names}，但没有任何梯度读取它。"
    ),
    "The in-place form returns another tensor.": "就地形式返回了另一个张量。",
    "in place: gradient": "就地形式的梯度",
    "The view does not share its input's memory.": "视图没有与输入共享内存。",
    "gradient after a write": "写入之后的梯度",
    # ---- values ----
    "float32 in, {dtype} out.": "输入 float32，输出却是 {dtype}。",
    "{dtype} in, {out} out.": "输入 {dtype}，输出却是 {out}。",
    "The gradient of a float32 input is {dtype}.": "float32 输入的梯度是 {dtype}。",
    "The gradient of a {dtype} input is {out}.": "{dtype} 输入的梯度是 {out}。",
    "every second element of a larger array": "较大数组中每隔一个取一个",
    "negative strides": "负步长",
    "Fortran order": "列优先（Fortran）顺序",
    "stride 0": "步长为 0",
    "Inputs {x} gave a result or gradient {y}.": "形状为 {x} 的输入得到形状为 {y} 的结果或梯度。",
    "{given}: the shape rule says {rule}, the result is {actual}.": (
        "{given}：形状规则给出 {rule}，实际结果为 {actual}。"
    ),
    "{name} is not finite where {input} is {point} ({dtype}).": (
        "当 {input} 为 {point} 时（{dtype}），{name} 不是有限数。"
    ),
    # ---- PyTorch, traces ----
    "dtype {got}, PyTorch {expected}.": "类型为 {got}，PyTorch 为 {expected}。",
    "y, PyTorch": "y 与 PyTorch 对比",
    "∂/∂x{i}, PyTorch": "∂/∂x{i} 与 PyTorch 对比",
    "replay": "重放",
    "compiled": "编译结果",
    "compiled: got {got}, expected {expected}.": "编译结果：得到 {got}，应为 {expected}。",
    # ---- modules ----
    "It returns no floating-point tensor.": "它没有返回浮点张量。",
    "Missing in the state: {names}": "状态中缺少：{names}",
    "Unexpected: {names}": "多余：{names}",
    "Loading changed the names of the state.": "载入改变了状态中的名字。",
    "train() does not reach every child.": "train() 没有作用到每个子模块。",
    "eval() does not reach every child.": "eval() 没有作用到每个子模块。",
    "repr() does not begin with {kind}(.": "repr() 没有以 {kind}( 开头。",
    "input {i}": "输入 {i}",
    "{name} gets no gradient.": "{name} 没有得到梯度。",
    "output after loading the state": "载入状态后的输出",
    "the same call in eval mode": "评估模式下的同一调用",
    "buffer {name} in eval mode": "评估模式下的缓冲区 {name}",
    "the input after the call": "调用之后的输入",
    "{name} after the call": "调用之后的 {name}",
}

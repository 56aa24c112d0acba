"""Chinese texts of `ops`: the core families."""

TEXT = {
    "A shape is made of integers ≥ 0, not {size}.": "形状由不小于 0 的整数组成，不能是 {size}。",
    "from_numpy needs a NumPy array, not {kind}.": "from_numpy 需要 NumPy 数组，不能是 {kind}。",
    "arange: no step of {step} leads from {start} to {end}.": (
        "arange：步长 {step} 不能从 {start} 到 {end}。"
    ),
    "A leaf that requires a gradient cannot be modified in place while gradients are recorded: do "
    "it under chainrule.no_grad(), or on a clone().": (
        "记录梯度时不能就地修改需要梯度的叶子：请在 chainrule.no_grad() 中进行，或对 clone() 修改。"
    ),
    "In place, the result has shape {result} but the tensor has {shape}: in-place operations "
    "cannot change the shape; use the out-of-place form.": (
        "就地运算的结果形状是 {result}，而张量的形状是 {shape}：就地运算不能改变形状；请用非就地的形式。"
    ),
    "Several elements of this tensor (an expanded or read-only one) share one place in memory: "
    "clone() it before writing in place.": (
        "这个张量（扩展得到的或只读的）有多个元素共用一处内存：请先 clone() 再就地写入。"
    ),
    "{name}: {error} (inputs of shape {shapes})": "{name}：{error}（输入形状 {shapes}）",
    "In place, the result is {result} but the tensor is {dtype}: convert the tensor first, or use "
    "the out-of-place form.": (
        "就地运算的结果是 {result}，而张量是 {dtype}：请先转换张量，或用非就地的形式。"
    ),
    "topk: k={k} of {n} entries along axis {axis}.": "topk：轴 {axis} 上有 {n} 项，而 k={k}。",
    "view: a tensor of shape {x} with strides {strides} cannot be seen as {shape} without copying: "
    "write reshape(), or contiguous() first.": (
        "view：形状 {x}、步幅 {strides} 的张量不复制就不能看作 {shape}：请写 reshape()，或先 contiguous()。"
    ),
    "A sequence needs at least one time step, got none.": "序列至少要有一个时间步，这里没有。",
    "{owner} takes a sequence (time, batch, features) of at least one time step, got shape {x}.": (
        "{owner} 需要至少一个时间步的序列 (时间, 批, 特征)，得到形状 {x}。"
    ),
    "{owner}: {name} must have shape {wanted} beside x {x} and w_hh {w}, got {got}.": (
        "{owner}：当 x 为 {x}、w_hh 为 {w} 时，{name} 的形状必须是 {wanted}，得到 {got}。"
    ),
    "{owner} takes input of shape (batch, features), got {x}.": (
        "{owner} 的输入形状应为 (批, 特征)，得到 {x}。"
    ),
    "narrow: entries {start} to {stop} of {n} along axis {axis}.": (
        "narrow：轴 {axis} 上有 {n} 项，不能取 {start} 到 {stop}。"
    ),
    "chunk: chunks must be ≥ 1, got {n}.": "chunk：chunks 必须不小于 1，得到 {n}。",
    "repeat: {times} needs a number for each of the {n} axes.": (
        "repeat：{times} 需要为 {n} 个轴各给一个数。"
    ),
    "{name}: the index must hold integers, not {d}.": "{name}：索引必须是整数，不能是 {d}。",
    "{name}: index {i} is out of range for size {n}.": "{name}：索引 {i} 超出大小 {n} 的范围。",
    "{name} takes tensors of {a} and {b} dimensions, got shapes {x} and {o}.": (
        "{name} 需要 {a} 维与 {b} 维的张量，得到形状 {x} 与 {o}。"
    ),
    "split: the size must be ≥ 1, got {n}.": "split：大小必须不小于 1，得到 {n}。",
    "split: the sizes {sizes} add up to {total}, not {n}.": (
        "split：各段大小 {sizes} 之和为 {total}，不是 {n}。"
    ),
    "{kind} cannot index a tensor: write integers, slices, None, ..., or tensors of integers or "
    "booleans.": "{kind} 不能作张量的索引：请用整数、切片、None、...，或整数、布尔张量。",
    "An index can have only one ellipsis (...).": "索引中只能有一个省略号（...）。",
    "Too many indices: {used} for a tensor of {ndim} dimensions (shape {shape}).": (
        "索引过多：{ndim} 维张量（形状 {shape}）用了 {used} 个。"
    ),
    "A single True or False is no index; write a boolean tensor.": (
        "单个 True 或 False 不是索引；请用布尔张量。"
    ),
    "The mask has shape {mask}, but the tensor has {part} there (shape {shape}).": (
        "掩码的形状是 {mask}，而张量在该处是 {part}（形状 {shape}）。"
    ),
    "A tensor used as an index must be integer or boolean, not {d}.": (
        "用作索引的张量必须是整数或布尔类型，不能是 {d}。"
    ),
    "gather along axis {axis}: index has shape {index}, which must not exceed the input's {x} on "
    "the other axes.": (
        "沿轴 {axis} 的 gather：index 的形状 {index} 在其余轴上不能超过输入的形状 {x}。"
    ),
    "{name} along axis {axis}: index has shape {index}, which must not exceed src's {src} "
    "nor, on the other axes, the input's {x}.": (
        "沿轴 {axis} 的 {name}：index 的形状 {index} 不能超过 src 的 {src}，在其余轴上也不能超过输入的 {x}。"
    ),
    "{name}: the input has shape {x}, but whole channels need {a} or {b} dimensions, (N, C, …). "
    "Write dropout() to drop single elements.": (
        "{name}：输入的形状是 {x}，而按通道丢弃需要 {a} 或 {b} 维 (N, C, …)。要丢弃单个元素请写 dropout()。"
    ),
    "scatter: index has shape {index}, which must not exceed src's {src}.": (
        "scatter：index 的形状 {index} 不能超过 src 的 {src}。"
    ),
    "{name} does not take {dtypes} ({error}).": "{name} 不接受 {dtypes}（{error}）。",
    "{name}: division of integers by zero.": "{name}：整数除以零。",
    "div: rounding_mode must be None, 'trunc' or 'floor', got {mode!r}.": (
        "div：rounding_mode 必须是 None、'trunc' 或 'floor'，得到 {mode!r}。"
    ),
    "{name} takes tensors and numbers, not {kinds}.": "{name} 接受张量与数，不接受 {kinds}。",
    "{name}() needs a list of tensors, at least one: {signature}.": (
        "{name}() 需要张量的列表，至少一个：{signature}。"
    ),
    "{name}: the dtypes differ ({pairs}). NumPy's floats are float64, the default here is float32: "
    "write x.float(), or model.double() to compute in float64.": (
        "{name}：数据类型不同（{pairs}）。NumPy 的浮点数是 float64，这里默认 float32：请写 x.float()，"
        "或用 model.double() 以 float64 计算。"
    ),
    "masked_scale: mask has shape {mask}, the input {x}: they must be equal.": (
        "masked_scale：mask 的形状是 {mask}，输入是 {x}：两者必须相同。"
    ),
    "Index {i} is out of range for axis {axis} of size {n} (shape {shape}).": (
        "索引 {i} 超出轴 {axis}（大小 {n}）的范围（形状 {shape}）。"
    ),
    "matmul needs at least one dimension, got shapes {x} and {o}; use *.": (
        "matmul 至少需要一维，得到形状 {x} 与 {o}；请用 *。"
    ),
    "matmul: {a} has shape {x} and {b} has shape {o}: the last size of {a} ({n}) must equal the "
    "{which} size of {b} ({m}).": (
        "matmul：{a} 的形状是 {x}，{b} 的形状是 {o}：{a} 的最后一维（{n}）必须等于 {b} 的{which}维（{m}）。"
    ),
    "linear: weight must have shape (out, in), got {w}.": (
        "linear：weight 的形状必须是 (out, in)，得到 {w}。"
    ),
    "linear: input has shape {x}, whose last size must be the layer's in_features {n} (weight has "
    "shape {w}).": (
        "linear：输入的形状是 {x}，最后一维必须等于该层的 in_features {n}（weight 的形状是 {w}）。"
    ),
    "linear: bias has shape {b}, but weight {w} needs ({n},).": (
        "linear：bias 的形状是 {b}，而 weight {w} 需要 ({n},)。"
    ),
    "einsum: the equation must be a text such as 'ij,jk->ik'.": (
        "einsum：算式必须是文本，例如 'ij,jk->ik'。"
    ),
    "einsum: {equation!r} is not an equation like 'ij,jk->ik'.": (
        "einsum：{equation!r} 不是形如 'ij,jk->ik' 的算式。"
    ),
    "einsum: {equation!r} has an output letter that no input has.": (
        "einsum：{equation!r} 的输出字母在输入中没有出现。"
    ),
    "einsum: {equation!r} names {n} operands, got {m}.": (
        "einsum：{equation!r} 需要 {n} 个操作数，得到 {m} 个。"
    ),
    "einsum: {term!r} does not fit an operand of {r} dimensions.": (
        "einsum：{term!r} 与 {r} 维的操作数不符。"
    ),
    "einsum: the letter {c!r} has sizes {n} and {m}.": "einsum：字母 {c!r} 的大小有 {n} 与 {m} 两种。",
    "einsum: the letter {c!r} has two sizes.": "einsum：字母 {c!r} 有两种大小。",
    "second to last": "倒数第二",
    "only": "唯一一",
    "{name}() takes {n} arguments: {signature}.": "{name}() 接受 {n} 个参数：{signature}。",
    "{name}() got the argument {key!r}, which it does not take, or takes once: {signature}.": (
        "{name}() 得到参数 {key!r}，它不接受此参数或只接受一次：{signature}。"
    ),
    "{name}() needs the argument {key!r}: {signature}.": "{name}() 缺少参数 {key!r}：{signature}。",
    "This draw gives floating-point numbers, not {d}.": "这里抽取的是浮点数，不能是 {d}。",
    "randint needs low < high and a size, got {low}, {high}, {size}.": (
        "randint 需要 low < high 与 size，得到 {low}、{high}、{size}。"
    ),
    "The seed must be an integer, not {seed!r}.": "种子必须是整数，不能是 {seed!r}。",
    "mean() of {dtype} values: write x.float().mean().": (
        "不能对 {dtype} 求 mean()：请写 x.float().mean()。"
    ),
    "permute: {dims} must name each of the {n} axes once.": (
        "permute：{dims} 必须把 {n} 个轴各写一次。"
    ),
    "A tensor of shape {x} does not expand to {size}: only axes of size 1 stretch, and new axes "
    "come in front.": "形状 {x} 的张量不能扩展为 {size}：只有大小为 1 的轴可以伸展，新轴加在前面。",
    "t() is for at most 2 dimensions, got {x}: use transpose(dim0, dim1).": (
        "t() 最多用于 2 维，得到 {x}：请用 transpose(dim0, dim1)。"
    ),
    "flatten: start_dim {i} comes after end_dim {j}.": "flatten：start_dim {i} 在 end_dim {j} 之后。",
    "cat needs at least one tensor, with at least one dimension.": (
        "cat 至少需要一个张量，且至少一维。"
    ),
    "stack needs tensors of one shape, got {shapes}.": "stack 需要形状相同的张量，得到 {shapes}。",
    "cat along axis {axis}: tensor {i} has shape {s}, the first has {first}; all other axes must "
    "be equal.": (
        "沿轴 {axis} 的 cat：张量 {i} 的形状是 {s}，第一个是 {first}；其余各轴必须相等。"
    ),
    "operands of {name}:": "{name} 的操作数：",
    "what would fit (tried on these shapes):": "可行的改法（已用这些形状试过）：",
    "{new} in place of {name}: the result has shape {shape}": (
        "用 {new} 代替 {name}：结果的形状是 {shape}"
    ),
    "computed by {name}": "由 {name} 算出",
    "{name} of {file} line {line}": "{file} 第 {line} 行的 {name}",
    "made in {file} line {line}": "在 {file} 第 {line} 行算出",
    "{new}: the result has shape {shape}": "{new}：结果的形状为 {shape}",
    "(x - x.amax(-1, keepdim=True)).exp(), which leaves quotients as they are (softmax and "
    "logsumexp do so)": (
        "(x - x.amax(-1, keepdim=True)).exp()，各项之比不变（softmax 和 logsumexp 就是这样做的）"
    ),
    "F.{name}(x.clamp(min=cr.finfo(x.dtype).min)): a row that is masked as a whole becomes even": (
        "F.{name}(x.clamp(min=cr.finfo(x.dtype).min))：整行被遮住时，该行变为均匀"
    ),
    "F.log_softmax(z, dim={dim}) of what went into softmax": (
        "对 softmax 的输入 z 用 F.log_softmax(z, dim={dim})"
    ),
    "F.logsigmoid(z) of what went into sigmoid": "对 sigmoid 的输入 z 用 F.logsigmoid(z)",
}

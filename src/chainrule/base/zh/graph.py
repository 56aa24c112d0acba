"""Chinese texts of `graph` and `compile`."""

TEXT = {
    "The program was traced for {expected}, but is given {dtype}{shape}: trace it again for this "
    "input.": "程序是为 {expected} 追踪的，但得到 {dtype}{shape}：请对这一输入重新追踪。",
    "{where}: the program reads the value of a tensor while it is being traced, but values exist "
    "only when it runs. Use tensor operations (where, clamp …) instead of Python's if, while, "
    "float(), item(), numpy() or a boolean mask index.": (
        "{where}：程序在追踪时读取了张量的值，而值只在运行时才存在。请用张量运算（where、clamp 等）"
        "代替 Python 的 if、while、float()、item()、numpy() 或布尔掩码索引。"
    ),
    "This gradient was used up inside a compiled step, which then reused its memory. To read "
    "gradients or to add to them, compile with keep_grads=True; to start anew, call zero_grad() "
    "first.": (
        "此梯度已在编译的步骤中用完，其内存随后被重用。要读取或累加梯度，请用 keep_grads=True 编译；"
        "要重新开始，请先调用 zero_grad()。"
    ),
    "A sparse tensor of shape {shape} with {n} rows needs values of shape {wanted}, got {values}.": (
        "形状为 {shape}、含 {n} 行的稀疏张量，其值的形状应为 {wanted}，得到 {values}。"
    ),
    "This gradient is sparse (of shape {shape}, {nnz} rows are there), and a dense tensor is "
    "wanted here: write grad.to_dense(), or build the embedding with sparse=False. Before a "
    "compiled step, call zero_grad().": (
        "此梯度是稀疏的（形状 {shape}，含 {nnz} 行），而这里需要稠密张量：请写 grad.to_dense()，或以 "
        "sparse=False 建立嵌入层。在编译的步骤之前请调用 zero_grad()。"
    ),
    "{name}() of an uncoalesced tensor, where rows may repeat: write grad.coalesce().{name}().": (
        "{name}() 用于未合并的张量，其行可能重复：请写 grad.coalesce().{name}()。"
    ),
    "A sparse tensor of shape {shape} goes with tensors of the same shape and with numbers, not "
    "with shape {other}.": (
        "形状为 {shape} 的稀疏张量只与同形状的张量或数运算，不能与形状 {other} 运算。"
    ),
    "A trace is being taken already: traces do not nest.": "已有一次追踪正在进行：追踪不能嵌套。",
    "{where}: this tensor was kept from an earlier trace and has no value. Do not store tensors of "
    "a traced program outside it; return them instead.": (
        "{where}：这个张量来自先前的追踪，没有值。不要把被追踪程序中的张量存到外面，请把它们返回。"
    ),
    "Two tensors that share memory (one is a view of the other, made before the trace) are used, "
    "and one is updated in place: use one of them only.": (
        "使用了两个共享内存的张量（一个是追踪之前建立的另一个的视图），且其中之一被就地更新：请只用一个。"
    ),
    'autocast: there is one device, "cpu", not {device!r}.': (
        'autocast：只有一种设备 "cpu"，没有 {device!r}。'
    ),
    "autocast computes in bfloat16, not {dtype}.": "autocast 以 bfloat16 计算，而不是 {dtype}。",
    "backward(inputs=[]) has nothing to compute a gradient for.": (
        "backward(inputs=[]) 没有需要求梯度的对象。"
    ),
    "{outputs} outputs need {outputs} gradients, got {gradients}.": (
        "{outputs} 个输出需要 {outputs} 个梯度，得到 {gradients} 个。"
    ),
    "Input {number} does not require a gradient: set requires_grad=True before it is used.": (
        "输入 {number} 不需要梯度：请在使用之前设置 requires_grad=True。"
    ),
    "This tensor does not require a gradient and was not computed from one that does, so "
    "backward() has nothing to do: was requires_grad=True forgotten, or was it computed under "
    "no_grad()?": (
        "这个张量不需要梯度，也不是由需要梯度的张量算出的，backward() 无事可做："
        "是否忘了 requires_grad=True，或是在 no_grad() 中计算的？"
    ),
    "Backward a second time through {op}: its saved values were freed by the first. Pass "
    "retain_graph=True to the first backward().": (
        "第二次反向通过 {op}：它保存的值已在第一次反向时释放。请在第一次 backward() 时传入 "
        "retain_graph=True。"
    ),
    "{op} saved a tensor of shape {shape} for its gradient, and that tensor was modified by an "
    "in-place operation afterwards, so the gradient would be wrong. Use the out-of-place form, or "
    "clone() before modifying it.": (
        "{op} 为求梯度保存了一个形状为 {shape} 的张量，之后它被就地修改，梯度会出错。"
        "请用非就地的形式，或在修改前 clone()。"
    ),
    "The outputs do not depend on input {number} (shape {shape}): pass allow_unused=True to get "
    "None for it.": "输出不依赖于输入 {number}（形状 {shape}）：传入 allow_unused=True 可得到 None。",
    "backward() without a gradient needs a single number; this tensor has shape {shape}. Write "
    "loss.sum().backward(), or pass gradient= of that shape.": (
        "不带梯度的 backward() 需要单个数；这个张量的形状是 {shape}。请写 loss.sum().backward()，"
        "或传入该形状的 gradient=。"
    ),
    "gradient has shape {gradient}, the tensor has shape {shape}: they must be equal.": (
        "gradient 的形状是 {gradient}，张量的形状是 {shape}：两者必须相同。"
    ),
    "gradient must be floating point, not {d}.": "gradient 必须是浮点类型，不能是 {d}。",
    "A checkpointed function must return tensors.": "被检查点包装的函数必须返回张量。",
    "No tensor can hold {dtype} values: write one of {names}, e.g. array.astype('float32').": (
        "张量不能存放 {dtype} 值：请用 {names} 之一，例如 array.astype('float32')。"
    ),
    "The rows of a nested list must have equal lengths; got {value}.": (
        "嵌套列表各行长度必须相等；得到 {value}。"
    ),
    "array of shape {shape}": "形状为 {shape} 的数组",
    "list of {n} numbers": "{n} 个数的列表",
    "A Function needs a static method forward(ctx, *args).": (
        "Function 需要静态方法 forward(ctx, *args)。"
    ),
    "A Function needs a static method backward(ctx, *grad_outputs).": (
        "Function 需要静态方法 backward(ctx, *grad_outputs)。"
    ),
    "{name}.backward returned {n} gradients for {m} inputs: return one for each argument of "
    "forward, None where there is none.": (
        "{name}.backward 对 {m} 个输入返回了 {n} 个梯度：请为 forward 的每个参数返回一个，没有则为 None。"
    ),
    "{name}.backward returned a gradient of shape {found} for argument {i} of shape {shape}: they "
    "must be equal.": "{name}.backward 为参数 {i}（形状 {shape}）返回了形状 {found} 的梯度：两者必须相同。",
    "A hook or custom function gave a gradient of shape {grad} for a tensor of shape {shape}: they "
    "must be equal.": "钩子或自定义函数给出的梯度形状是 {grad}，而张量的形状是 {shape}：两者必须相同。",
    "output": "输出",
    "input": "输入",
    "strict=True: an output does not depend on an input.": "strict=True：有输出不依赖于某个输入。",
    "v may be left out only for a single number; give one {role}.": (
        "只有单个数时才能省略 v；请给出与{role}对应的 v。"
    ),
    "v has the shapes {v}, but the {role}s have {like}.": "v 的形状是 {v}，而{role}的形状是 {like}。",
    "The function must return tensors, not {kind}.": "函数必须返回张量，不能是 {kind}。",
    "hessian needs a function that returns a single number.": "hessian 需要返回单个数的函数。",
    "gradcheck: no input requires a gradient.": "gradcheck：没有需要梯度的输入。",
    "gradcheck: input {i} is {d}; use float64.": "gradcheck：输入 {i} 是 {d}；请用 float64。",
    "gradcheck: ∂output[{k}]/∂input[{i}] differs: at entry {entry} the gradient says {found:.6g}, "
    "the differences say {numeric:.6g}.": (
        "gradcheck：∂output[{k}]/∂input[{i}] 不符：在 {entry} 处梯度为 {found:.6g}，差分为 {numeric:.6g}。"
    ),
    "This tensor requires a gradient, and NumPy would not record what is done to it: write "
    "tensor.detach().numpy().": (
        "这个张量需要梯度，而 NumPy 不会记录对它的运算：请写 tensor.detach().numpy()。"
    ),
    "NumPy has no bfloat16: write tensor.float().numpy() for the same values.": (
        "NumPy 没有 bfloat16：请写 tensor.float().numpy()，值相同。"
    ),
    "item() needs a tensor with one element; this one has shape {shape}. Write tolist(), or reduce "
    "it first (sum, mean).": (
        "item() 需要只有一个元素的张量；这个张量的形状是 {shape}。请写 tolist()，或先归约（sum、mean）。"
    ),
    "The truth of a tensor of shape {shape} is ambiguous: write .any() or .all().": (
        "形状为 {shape} 的张量的真假不明确：请写 .any() 或 .all()。"
    ),
    "Only an integer tensor with one element can be an index.": "只有单个元素的整数张量才能作索引。",
    "len() of a 0-d tensor: it is one number, read it with item().": (
        "0 维张量没有 len()：它是一个数，用 item() 读取。"
    ),
    "A 0-d tensor cannot be iterated: it is one number.": "0 维张量不能迭代：它是一个数。",
    "Only tensors made by the user (leaves) can be deep-copied; this one was computed. Write "
    "tensor.detach().clone().": (
        "只有用户创建的张量（叶子）可以深拷贝；这个张量是算出来的。请写 tensor.detach().clone()。"
    ),
    "requires_grad can be turned off only on tensors made by the user (leaves); this one was "
    "computed. Write tensor.detach().": (
        "只有用户创建的张量（叶子）可以关闭 requires_grad；这个张量是算出来的。请写 tensor.detach()。"
    ),
    "Only floating-point tensors can require a gradient; this one is {dtype}. Write "
    "tensor.float().": "只有浮点张量可以需要梯度；这个张量是 {dtype}。请写 tensor.float()。",
    "This tensor was computed by {op}, so backward() passes its gradient on and does not keep it: "
    "call tensor.retain_grad() before backward(), or use chainrule.autograd.grad(loss, tensor).": (
        "这个张量由 {op} 算出，backward() 会把它的梯度继续传下去而不保留：请在 backward() 之前调用 "
        "tensor.retain_grad()，或使用 chainrule.autograd.grad(loss, tensor)。"
    ),
    "A view cannot be detached in place: write tensor.detach().": (
        "视图不能就地分离：请写 tensor.detach()。"
    ),
    "retain_grad() on a tensor that does not require a gradient.": (
        "对不需要梯度的张量调用了 retain_grad()。"
    ),
    "A hook on a tensor that does not require a gradient would never be called.": (
        "不需要梯度的张量上的钩子永远不会被调用。"
    ),
    "Only leaves that require a gradient accumulate one.": "只有需要梯度的叶子才累积梯度。",
    "grad must be a Tensor or None, not {kind}.": "grad 必须是 Tensor 或 None，不能是 {kind}。",
    "grad has shape {grad}, the tensor has shape {shape}: they must be equal.": (
        "grad 的形状是 {grad}，张量的形状是 {shape}：两者必须相同。"
    ),
    # anomalies
    "{file} line {line}": "{file} 第 {line} 行",
    "the first of {count} such entries": "这样的元素共 {count} 个，这是第一个",
    "computed in {line}": "计算于 {line}",
    "on the same line": "在同一行",
    "the infinity comes from: {what}": "无穷大来自：{what}",
    "the infinity was there before: in the data, a parameter or a constant": (
        "无穷大原先就有：在数据、参数或常数里"
    ),
    "{op} at {inputs} gave {value}": "{op} 在 {inputs} 处得到 {value}",
    "{op} gave {value} at {entry} of its result, from {inputs}": (
        "{op} 的结果在 {entry} 处是 {value}，输入是 {inputs}"
    ),
    "from {low:.4g} to {high:.4g}": "从 {low:.4g} 到 {high:.4g}",
    "{value} at {entry}": "{entry} 处是 {value}",
    "the backward of {op} gave {value} at {at}: the slope there is {slope}, times an upstream "
    "gradient of {upstream}": (
        "{op} 的反向在 {at} 处得到 {value}：那里的斜率是 {slope}，乘以上游梯度 {upstream}"
    ),
    "the backward of {op} gave {value} at {at}": "{op} 的反向在 {at} 处得到 {value}",
    "upstream gradient": "上游梯度",
    "its forward ran outside detect_anomaly, so its line is not known": (
        "它的前向在 detect_anomaly 之外运行，因此不知道是哪一行"
    ),
    "its inputs held a NaN before: it is in the data or a parameter": (
        "它的输入原先就有 NaN：在数据或参数里"
    ),
    "a leaf of shape {shape}": "形状为 {shape} 的叶子",
    "the gradients of {what} from its uses cancel as inf - inf: the sum is nan": (
        "{what} 的各处用途传来的梯度以 inf - inf 抵消：其和是 nan"
    ),
    "the gradient was first infinite in the backward of {op}": "梯度在 {op} 的反向中第一次成为无穷大",
    "what gives finite numbers (tried on these inputs):": "能得到有限数的写法（已用这些输入试过）：",
    "detect_anomaly cannot begin inside a compiled function: put it around the call, which then "
    "runs in glass mode.": (
        "detect_anomaly 不能在编译的函数里面开始：请把它放在调用之外，这个调用就会以透明模式运行。"
    ),
}

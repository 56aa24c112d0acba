"""Chinese texts of `ops`: indexing, shaping, sorting and statistics."""

TEXT = {
    # ---- writing at indices
    "{name}: the input is {x} and what is written {src}: they must be equal.": (
        "{name}：输入是 {x}，写入的是 {src}：两者必须相同。"
    ),
    "{name}: source has shape {source}; {n} slices along axis {axis} of {x} have {wanted}.": (
        "{name}：source 的形状是 {source}；{x} 沿轴 {axis} 的 {n} 个切片的形状是 {wanted}。"
    ),
    "{name}: src has shape {src}, the part that it replaces {part}.": (
        "{name}：src 的形状是 {src}，被替换部分的形状是 {part}。"
    ),
    "linear_recurrence: factor {factor} and x {x} must have equal shapes.": (
        "linear_recurrence：factor 的形状 {factor} 与 x 的形状 {x} 必须相同。"
    ),
    "scatter: give what to write, src or value.": "scatter：请给出要写入的 src 或 value。",
    "scatter: reduce must be 'add' or 'multiply', got {got!r}.": (
        "scatter：reduce 必须是 'add' 或 'multiply'，得到 {got!r}。"
    ),
    "index_reduce: reduce must be 'prod', 'mean', 'amax' or 'amin', got {got!r}.": (
        "index_reduce：reduce 必须是 'prod'、'mean'、'amax' 或 'amin'，得到 {got!r}。"
    ),
    "index_fill: the value must be one number, got shape {x}.": (
        "index_fill：value 必须是一个数，得到形状 {x}。"
    ),
    "put: {n} positions, but source has shape {source}.": (
        "put：有 {n} 个位置，而 source 的形状是 {source}。"
    ),
    "masked_scatter: the mask must be bool, not {d}.": "masked_scatter：掩码必须是 bool，不能是 {d}。",
    "masked_scatter: the mask has {n} true entries, source only {m}.": (
        "masked_scatter：掩码有 {n} 个真值，source 只有 {m} 个元素。"
    ),
    "slice_scatter: step must be ≥ 1, got {n}.": "slice_scatter：step 必须不小于 1，得到 {n}。",
    # ---- reading
    "one_hot takes integers, not {d}.": "one_hot 需要整数，不能是 {d}。",
    "one_hot of nothing: give num_classes.": "one_hot 没有元素：请给出 num_classes。",
    "one_hot: num_classes must be ≥ 1, got {n}.": "one_hot：num_classes 必须不小于 1，得到 {n}。",
    "unfold: windows of {size} entries, {step} apart, along an axis of {n}.": (
        "unfold：长 {n} 的轴上不能取长 {size}、间隔 {step} 的窗口。"
    ),
    "as_strided: size {size} and stride {stride} must be as many, strides ≥ 0.": (
        "as_strided：size {size} 与 stride {stride} 的个数必须相同，步幅不小于 0。"
    ),
    "as_strided: strides count from the memory of a contiguous tensor; this one has strides {s}. "
    "Write contiguous() first.": (
        "as_strided：步幅按连续张量的内存计算；这个张量的步幅是 {s}。请先 contiguous()。"
    ),
    "as_strided: element {i} of {n}.": "as_strided：共 {n} 个元素，没有第 {i} 个。",
    # ---- diagonals
    "{name} needs two different axes, got {a} and {b}.": (
        "{name} 需要两个不同的轴，得到 {a} 与 {b}。"
    ),
    "diag takes a vector or a matrix, got shape {x}.": "diag 需要向量或矩阵，得到形状 {x}。",
    "fill_diagonal_ needs a matrix, or equal sizes on all axes, got {x}.": (
        "fill_diagonal_ 需要矩阵，或各轴大小相同，得到 {x}。"
    ),
    # ---- joining, splitting, turning
    "{name} needs a list of tensors, at least one.": "{name} 需要一列张量，至少一个。",
    "{name} needs at least {n} axes, got shape {x}.": "{name} 至少需要 {n} 个轴，得到形状 {x}。",
    "tensor_split: sections must be ≥ 1, got {n}.": "tensor_split：份数必须不小于 1，得到 {n}。",
    "{name}: {n} entries along axis {axis} do not make {k} equal parts.": (
        "{name}：轴 {axis} 上的 {n} 项不能分成 {k} 等份。"
    ),
    "roll: {shifts} shifts for {dims} axes.": "roll：{dims} 个轴却给了 {shifts} 个位移。",
    "rot90 needs two different axes, got {dims}.": "rot90 需要两个不同的轴，得到 {dims}。",
    "repeat_interleave: repeats must be an integer or {n} of them for axis {axis}, got {got}.": (
        "repeat_interleave：repeats 必须是一个整数，或对轴 {axis} 给出 {n} 个，得到 {got}。"
    ),
    "repeat_interleave: repeats must be ≥ 0, got {got}.": (
        "repeat_interleave：repeats 必须不小于 0，得到 {got}。"
    ),
    "repeat_interleave: output_size is {size}, but {n} entries come out.": (
        "repeat_interleave：output_size 是 {size}，而结果有 {n} 项。"
    ),
    "sum_to_size: {size} does not broadcast to {x}.": "sum_to_size：{size} 不能广播到 {x}。",
    "{name}() would change the shape of a tensor from outside the traced program: write the form "
    "without underscore.": ("{name}() 会改变被跟踪程序之外的张量的形状：请写不带下划线的形式。"),
    # ---- sorting and searching
    "kthvalue: k={k} of {n} entries along axis {axis}.": (
        "kthvalue：轴 {axis} 上有 {n} 项，而 k={k}。"
    ),
    "{name}: axis {axis} of {x} is empty.": "{name}：{x} 的轴 {axis} 是空的。",
    "searchsorted: side must be 'left' or 'right' and agree with right={right}.": (
        "searchsorted：side 必须是 'left' 或 'right'，并与 right={right} 一致。"
    ),
    "searchsorted: the sequence has shape {x} and the input {o}; write a vector, or equal sizes on "
    "all axes but the last.": (
        "searchsorted：序列的形状是 {x}，输入是 {o}；请用向量，或使除最后一轴外各轴大小相同。"
    ),
    "bucketize: the boundaries must be a vector, got shape {x}.": (
        "bucketize：边界必须是向量，得到形状 {x}。"
    ),
    "unique: the slices of {x} along axis {axis} are empty.": (
        "unique：{x} 沿轴 {axis} 的切片是空的。"
    ),
    # ---- statistics
    "nanmean() of {dtype} values: write x.float().nanmean().": (
        "对 {dtype} 求 nanmean()：请写 x.float().nanmean()。"
    ),
    "{name} takes float32 or float64, not {d}.": "{name} 需要 float32 或 float64，不能是 {d}。",
    "{name}: q must be a number or a vector, got shape {q}.": (
        "{name}：q 必须是一个数或向量，得到形状 {q}。"
    ),
    "{name}: q is {q}, the input {x}: they must be equal.": (
        "{name}：q 是 {q}，输入是 {x}：两者必须相同。"
    ),
    "{name}: q must lie between 0 and 1.": "{name}：q 必须在 0 与 1 之间。",
    "{name}: nothing to take it of, shape {x}.": "{name}：没有可用的元素，形状 {x}。",
    "cov takes at most two axes, got shape {x}.": "cov 至多两个轴，得到形状 {x}。",
    "cov: {name} has shape {w}; there are {n} observations.": (
        "cov：{name} 的形状是 {w}；共有 {n} 个观测。"
    ),
    "cov: fweights must be integers and aweights floats.": (
        "cov：fweights 必须是整数，aweights 必须是浮点数。"
    ),
    # ---- differences and areas
    "{name} needs at least one axis.": "{name} 至少需要一个轴。",
    "diff: n must be ≥ 0, got {n}.": "diff：n 必须不小于 0，得到 {n}。",
    "{name}: give x or dx, not both.": "{name}：x 与 dx 只能给一个。",
    "{name}: x has shape {x}; y, of shape {y}, needs one point for each entry along axis {axis}.": (
        "{name}：x 的形状是 {x}；形状为 {y} 的 y 沿轴 {axis} 的每一项需要一个点。"
    ),
    "gradient: edge_order must be 1 or 2, got {n}.": "gradient：edge_order 必须是 1 或 2，得到 {n}。",
    "gradient: {n} spacings for {m} axes.": "gradient：{m} 个轴却给了 {n} 个间距。",
    "gradient: axis {axis} of {x} needs at least {n} entries.": (
        "gradient：{x} 的轴 {axis} 至少需要 {n} 项。"
    ),
    "gradient: {n} coordinates are needed along axis {axis}, got shape {s}.": (
        "gradient：轴 {axis} 需要 {n} 个坐标，得到形状 {s}。"
    ),
    # ---- counts
    "bincount: minlength must be ≥ 0, got {n}.": "bincount：minlength 必须不小于 0，得到 {n}。",
    "bincount takes a vector of integers ≥ 0, got {d} of shape {x}.": (
        "bincount 需要不小于 0 的整数向量，得到形状 {x} 的 {d}。"
    ),
    "bincount: the weights have shape {w}, the input {x}.": (
        "bincount：weights 的形状是 {w}，输入是 {x}。"
    ),
    "histc takes floats, not {d}: write x.float().": "histc 需要浮点数，不能是 {d}：请写 x.float()。",
    "histc: bins must be ≥ 1, got {n}.": "histc：bins 必须不小于 1，得到 {n}。",
    "histogram takes floats, not {d}: write x.float().": (
        "histogram 需要浮点数，不能是 {d}：请写 x.float()。"
    ),
    "{name}: the range from {low} to {high} is not finite and ascending.": (
        "{name}：从 {low} 到 {high} 的范围不是有限且递增的。"
    ),
}

"""Chinese texts of convolution, pooling, normalisation and padding."""

TEXT = {
    # windows
    "{name}: along {axis} the window covers {extent} elements ((k - 1)*dilation + 1), but the "
    "input of shape {x} has {size} there, and padding {pad}: pad more, or use a smaller window.": (
        "{name}：沿 {axis} 轴窗口覆盖 {extent} 个元素（(k - 1)*dilation + 1），但形状为 {x} 的输入"
        "在该轴只有 {size} 个，填充为 {pad}：请增加填充，或使用更小的窗口。"
    ),
    "{name}: the input must have the shape ({layout}), or ({less}) without a batch, got {x}.": (
        "{name}：输入的形状必须是 ({layout})，没有批时为 ({less})，得到的是 {x}。"
    ),
    "fold: the input must have the shape (N, C*kH*kW, L) or (C*kH*kW, L), got {x}.": (
        "fold：输入的形状必须是 (N, C*kH*kW, L) 或 (C*kH*kW, L)，得到的是 {x}。"
    ),
    "fold: columns of shape {x} do not fit: kernel_size {kernel} needs a multiple of {rows} rows, "
    "and output_size {size} needs {n} columns ({out} windows).": (
        "fold：形状为 {x} 的列不合适：kernel_size {kernel} 要求行数是 {rows} 的倍数，output_size "
        "{size} 要求 {n} 列（{out} 个窗口）。"
    ),
    # convolution
    "'valid', 'same', an integer or {n} integers ≥ 0": "'valid'、'same'、一个整数或 {n} 个 ≥ 0 的整数",
    "{name}: groups={groups} does not divide the {o} kernels of weight {w} ({layout}).": (
        "{name}：groups={groups} 不能整除权重 {w}（{layout}）的 {o} 个卷积核。"
    ),
    "{name}: the input of shape {x} ({layout}) has {c} channels, but weight {w} ({weight}) with "
    "groups={groups} takes {m}. {hint}": (
        "{name}：形状为 {x}（{layout}）的输入有 {c} 个通道，但权重 {w}（{weight}）在 "
        "groups={groups} 时需要 {m} 个。{hint}"
    ),
    "Make the channels {m}, or the weight {right}.": "请把通道数改为 {m}，或把权重改为 {right}。",
    "Make the channels {m}.": "请把通道数改为 {m}。",
    "{name}: weight must have the shape ({layout}), got {w}.": (
        "{name}：权重的形状必须是 ({layout})，得到的是 {w}。"
    ),
    "{name}: bias must have the shape ({n},), one number for each output channel, got {b}.": (
        "{name}：偏置的形状必须是 ({n},)，每个输出通道一个数，得到的是 {b}。"
    ),
    "{name}: the input of shape {x} ({layout}) has {c} channels; weight {w} ({weight}) takes {m}, "
    "in groups={groups} equal parts.": (
        "{name}：形状为 {x}（{layout}）的输入有 {c} 个通道；权重 {w}（{weight}）需要 {m} 个，并能分成 "
        "groups={groups} 等份。"
    ),
    "{name}: output_padding {more} along {axis} must be smaller than the stride {s} or the "
    "dilation {d}.": (
        "{name}：沿 {axis} 轴的 output_padding {more} 必须小于步长 {s} 或空洞率 {d}。"
    ),
    "{name}: the output would have {out} elements along {axis}, with padding {p}: pad less.": (
        "{name}：填充为 {p} 时，输出沿 {axis} 轴会有 {out} 个元素：请减小填充。"
    ),
    # pooling
    "{name}() of {dtype} values: write x.float() first.": (
        "{name}() 不接受 {dtype} 类型：请先写 x.float()。"
    ),
    "{name}: padding {p} along {axis} is more than half of the window's {extent} elements, so some "
    "windows would see nothing else: pad at most {most}.": (
        "{name}：沿 {axis} 轴的填充 {p} 超过窗口 {extent} 个元素的一半，有的窗口会只看到填充：最多填充 "
        "{most}。"
    ),
    "{name}: the input has shape {x}, the indices {indices}: they must be equal.": (
        "{name}：输入的形状是 {x}，索引的形状是 {indices}：二者必须相等。"
    ),
    "{name}: the indices run from {low} to {high}, but a plane of size {size} has {n} places: pass "
    "output_size=.": (
        "{name}：索引从 {low} 到 {high}，但大小为 {size} 的平面只有 {n} 个位置：请传入 output_size=。"
    ),
    "an integer ≥ 0, None, or {n} of these": "一个 ≥ 0 的整数、None，或 {n} 个这样的值",
    "{name}: the input of shape {x} has no elements to pool.": (
        "{name}：形状为 {x} 的输入没有可池化的元素。"
    ),
    # normalisation
    "{name}: the input must have the shape (N, C) or (N, C, …), got {x}.": (
        "{name}：输入的形状必须是 (N, C) 或 (N, C, …)，得到的是 {x}。"
    ),
    "{owner}: {name} must have the shape {wanted} for an input of shape {x}, got {v}.": (
        "{owner}：输入形状为 {x} 时，{name} 的形状必须是 {wanted}，得到的是 {v}。"
    ),
    "batch_norm: training needs more than one value for each channel, got an input of shape {x}: "
    "its variance would be 0. Take a larger batch, or call model.eval().": (
        "batch_norm：训练时每个通道需要多于一个值，得到的输入形状为 {x}，其方差会是 0。请使用更大的批，"
        "或调用 model.eval()。"
    ),
    "{owner}: without the statistics of the input the running ones are used: pass running_mean and "
    "running_var.": (
        "{owner}：不用输入的统计量时要用滑动统计量：请传入 running_mean 和 running_var。"
    ),
    "{name}: normalized_shape {n} must be the last sizes of the input, whose shape is {x}.": (
        "{name}：normalized_shape {n} 必须是输入最后几个轴的大小，输入的形状是 {x}。"
    ),
    "group_norm: num_groups={groups} does not divide the {c} channels of the input of shape {x}.": (
        "group_norm：num_groups={groups} 不能整除形状为 {x} 的输入的 {c} 个通道。"
    ),
    "instance_norm: needs more than one value for each sample and channel, got an input of shape "
    "{x}.": "instance_norm：每个样本的每个通道需要多于一个值，得到的输入形状为 {x}。",
    "local_response_norm: the input must be (N, C, L) or more, got {x}.": (
        "local_response_norm：输入至少应为 (N, C, L)，得到的是 {x}。"
    ),
    # padding
    "pad: pad must hold (low, high) of the last axis, then of the one before, and so on, at most "
    "{n} numbers for the shape {x}, got {pad}.": (
        "pad：pad 应依次为最后一轴、倒数第二轴……的 (low, high)，形状 {x} 最多 {n} 个数，得到的是 {pad}。"
    ),
    "pad: mode {mode!r} pads the spatial axes of (N, C, …) or (C, …), so the shape {x} takes "
    "{counts} numbers, got {pad}.": (
        "pad：模式 {mode!r} 填充 (N, C, …) 或 (C, …) 的空间轴，因此形状 {x} 需要 {counts} 个数，"
        "得到的是 {pad}。"
    ),
    "pad: mode {mode!r} can add at most {most} entries on a side of axis {axis}, whose size is {n} "
    "(shape {x}), got {width}.": (
        "pad：模式 {mode!r} 在第 {axis} 轴（大小 {n}，形状 {x}）每侧最多增加 {most} 个，得到的是 {width}。"
    ),
    "pad: {width} would take more off axis {axis} than its {n} entries (shape {x}).": (
        "pad：{width} 从第 {axis} 轴去掉的比它的 {n} 个还多（形状 {x}）。"
    ),
    "pad: value is for mode 'constant', mode {mode!r} has none.": (
        "pad：value 只用于 'constant' 模式，模式 {mode!r} 没有它。"
    ),
    # interpolation, sampling, shuffling
    "a number > 0, or one for each spatial axis": "一个 > 0 的数，或每个空间轴一个",
    "interpolate: mode {mode!r} takes inputs with {axes} spatial axes after (N, C), got the shape "
    "{x}.": "interpolate：模式 {mode!r} 的输入在 (N, C) 之后应有 {axes} 个空间轴，得到的形状是 {x}。",
    "interpolate: align_corners is for the modes linear, bilinear, bicubic and trilinear, not for "
    "{mode!r}.": (
        "interpolate：align_corners 用于 linear、bilinear、bicubic、trilinear 模式，不用于 {mode!r}。"
    ),
    "interpolate: antialias is for the modes bilinear and bicubic, not for {mode!r}.": (
        "interpolate：antialias 用于 bilinear 和 bicubic 模式，不用于 {mode!r}。"
    ),
    "interpolate: give either size or scale_factor.": (
        "interpolate：请给出 size 或 scale_factor，二者取一。"
    ),
    "interpolate: recompute_scale_factor needs scale_factor, not size.": (
        "interpolate：recompute_scale_factor 需要 scale_factor，而不是 size。"
    ),
    "interpolate: the input of shape {x} has {n} spatial axes, but {given} was given.": (
        "interpolate：形状为 {x} 的输入有 {n} 个空间轴，但给出的是 {given}。"
    ),
    "interpolate: input and output need at least one element along each spatial axis, got {x} → "
    "{size}.": "interpolate：输入和输出的每个空间轴至少要有一个元素，得到的是 {x} → {size}。",
    "grid_sample: the input must be (N, C, H, W) with a grid (N, H′, W′, 2), or (N, C, D, H, W) "
    "with (N, D′, H′, W′, 3), got {x} and {grid}.": (
        "grid_sample：输入应为 (N, C, H, W)，网格为 (N, H′, W′, 2)；或输入为 (N, C, D, H, W)，网格为 "
        "(N, D′, H′, W′, 3)，得到的是 {x} 和 {grid}。"
    ),
    "grid_sample: mode 'bicubic' is for (N, C, H, W), got {x}.": (
        "grid_sample：'bicubic' 模式用于 (N, C, H, W)，得到的是 {x}。"
    ),
    "grid_sample: the input of shape {x} has no elements to read.": (
        "grid_sample：形状为 {x} 的输入没有可读取的元素。"
    ),
    "affine_grid: theta must be (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for "
    "(N, C, D, H, W), got {theta} and {size}.": (
        "affine_grid：size 为 (N, C, H, W) 时 theta 应为 (N, 2, 3)，为 (N, C, D, H, W) 时应为 "
        "(N, 3, 4)，得到的是 {theta} 和 {size}。"
    ),
    "pixel_shuffle: the input must be (…, C, H, W) with C a multiple of {n}, got {x}.": (
        "pixel_shuffle：输入应为 (…, C, H, W)，且 C 是 {n} 的倍数，得到的是 {x}。"
    ),
    "pixel_unshuffle: the input must be (…, C, H, W) with H and W multiples of {n}, got {x}.": (
        "pixel_unshuffle：输入应为 (…, C, H, W)，且 H 和 W 是 {n} 的倍数，得到的是 {x}。"
    ),
    "channel_shuffle: the input must be (N, C, …) with C a multiple of {n}, got {x}.": (
        "channel_shuffle：输入应为 (N, C, …)，且 C 是 {n} 的倍数，得到的是 {x}。"
    ),
    "{name}: output_size must hold {n} sizes, each less than the stride {stride} away from "
    "{usual}, or batch and channels before them, got {given}.": (
        "{name}：output_size 应有 {n} 个大小，每个与 {usual} 的差都小于步幅 {stride}，前面可带批和通道，"
        "得到的是 {given}。"
    ),
    # fractional pooling
    "a number in (0, 1), or {n} of these": "(0, 1) 中的一个数，或 {n} 个这样的数",
    "{name}: along {axis}, {m} windows of {k} elements need an input of at least {least}, got the "
    "shape {x}.": (
        "{name}：沿 {axis} 轴，{m} 个大小为 {k} 的窗口要求输入至少有 {least} 个元素，得到的形状是 {x}。"
    ),
    "{name}: give either output_size or output_ratio.": (
        "{name}：请给出 output_size 或 output_ratio，二者取一。"
    ),
    "{name}: _random_samples must have the shape {wanted} for an input of shape {x}, got {given}.": (
        "{name}：输入形状为 {x} 时，_random_samples 的形状必须是 {wanted}，得到的是 {given}。"
    ),
    "conv_tbc: the input must be (T, B, C) and the weight (k, C, O), got {x} and {w}.": (
        "conv_tbc：输入应为 (T, B, C)，权重应为 (k, C, O)，得到的是 {x} 和 {w}。"
    ),
}

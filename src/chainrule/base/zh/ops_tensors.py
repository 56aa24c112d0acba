"""Chinese texts of devices, elementwise functions, linear algebra, distances and draws."""

TEXT = {
    # printing, devices, dtypes, creation
    "set_printoptions: profile must be one of {names}, got {profile!r}.": (
        "set_printoptions：profile 必须是 {names} 之一，得到 {profile!r}。"
    ),
    "set_printoptions: {name} must be ≥ 0, got {value!r}.": (
        "set_printoptions：{name} 必须不小于 0，得到 {value!r}。"
    ),
    "Only high-precision products exist: write 'highest', 'high' or 'medium', not {precision!r}.": (
        "只有高精度乘积：请写 'highest'、'high' 或 'medium'，不能是 {precision!r}。"
    ),
    "There is one device here, the processor: write device='cpu', not {name!r}.": (
        "这里只有一种设备，即处理器：请写 device='cpu'，不能是 {name!r}。"
    ),
    "finfo: {dtype} has no fraction: use iinfo.": "finfo：{dtype} 没有小数部分：请用 iinfo。",
    "iinfo: {dtype} is no integer: use finfo.": "iinfo：{dtype} 不是整数类型：请用 finfo。",
    "broadcast_shapes: sizes are ≥ 0, got {given}.": (
        "broadcast_shapes：大小必须不小于 0，得到 {given}。"
    ),
    "asarray: this cannot be done without a copy: drop copy=False, or the dtype.": (
        "asarray：不复制就无法做到：请去掉 copy=False 或 dtype。"
    ),
    "A window is made of floating-point numbers, not {d}.": "窗函数由浮点数组成，不能是 {d}。",
    "A window has a length ≥ 0, not {n}.": "窗的长度不小于 0，不能是 {n}。",
    "meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}.": (
        "meshgrid：indexing 必须是 'ij' 或 'xy'，得到 {indexing!r}。"
    ),
    "meshgrid takes one or more vectors, got the shapes {shapes}.": (
        "meshgrid 需要一个或多个向量，得到形状 {shapes}。"
    ),
    "combinations takes a vector and r ≥ 0, got shape {x}, r={r}.": (
        "combinations 需要一个向量和 r ≥ 0，得到形状 {x}，r={r}。"
    ),
    "vander takes a vector, got shape {x}.": "vander 需要一个向量，得到形状 {x}。",
    "vander: N must be ≥ 0, got {n}.": "vander：N 必须不小于 0，得到 {n}。",
    "block_diag takes matrices, got the shapes {shapes}.": (
        "block_diag 需要矩阵，得到形状 {shapes}。"
    ),
    # elementwise
    "clamp: give at least one of min and max.": "clamp：min 与 max 至少给出一个。",
    "positive: a tensor of bool has no sign.": "positive：布尔张量没有符号。",
    "{name} takes floats, not {dtype}.": "{name} 需要浮点数，不能是 {dtype}。",
    "{name} takes integers, not {dtype}.": "{name} 需要整数，不能是 {dtype}。",
    # linear algebra
    "{name} uses linear algebra that LAPACK works out ({functions}), so all of it runs on NumPy: "
    "compile what is around it, or leave it uncompiled.": (
        "{name} 用到由 LAPACK 计算的线性代数（{functions}），因此整个程序在 NumPy 上运行："
        "请只编译其余部分，或不编译。"
    ),
    "{name}: {error}. A matrix here is singular, not positive definite, or not finite.": (
        "{name}：{error}。此处的矩阵是奇异的、非正定的，或含有非有限数。"
    ),
    "square matrices (…, n, n)": "方阵 (…, n, n)",
    "matrices (…, m, n)": "矩阵 (…, m, n)",
    "{name} takes {what}, got shape {x}.": "{name} 需要{what}，得到形状 {x}。",
    "{name} takes matrices (…, m, n), got shape {x}.": (
        "{name} 需要矩阵 (…, m, n)，得到形状 {x}。"
    ),
    "solve: A has shape {a}, B {b}: B needs {n} rows, (…, {n}, k).": (
        "solve：A 的形状是 {a}，B 是 {b}：B 需要 {n} 行，即 (…, {n}, k)。"
    ),
    "qr: mode 'complete' has no gradient for tall matrices: write 'reduced'.": (
        "qr：对于高矩阵，'complete' 模式没有梯度：请写 'reduced'。"
    ),
    "qr: mode must be 'reduced', 'complete' or 'r', got {mode!r}.": (
        "qr：mode 必须是 'reduced'、'complete' 或 'r'，得到 {mode!r}。"
    ),
    "lstsq: driver must be gels, gelsy, gelsd or gelss, got {driver!r}.": (
        "lstsq：driver 必须是 gels、gelsy、gelsd 或 gelss，得到 {driver!r}。"
    ),
    "eigh: UPLO must be 'L' or 'U', got {UPLO!r}.": "eigh：UPLO 必须是 'L' 或 'U'，得到 {UPLO!r}。",
    "matrix_power takes square matrices (…, n, n), got shape {x}.": (
        "matrix_power 需要方阵 (…, n, n)，得到形状 {x}。"
    ),
    "vector_norm: ord must be a number, got {ord!r}.": "vector_norm：ord 必须是数，得到 {ord!r}。",
    "matrix_norm takes matrices (…, m, n) and two axes, got shape {x}, dim {dim}.": (
        "matrix_norm 需要矩阵 (…, m, n) 和两个轴，得到形状 {x}，dim {dim}。"
    ),
    "matrix_norm: ord must be 'fro', 'nuc', ±1, ±2 or ±inf, got {ord!r}.": (
        "matrix_norm：ord 必须是 'fro'、'nuc'、±1、±2 或 ±inf，得到 {ord!r}。"
    ),
    "norm: ord={ord!r} is for one or two axes, got {n}.": (
        "norm：ord={ord!r} 用于一个或两个轴，得到 {n} 个。"
    ),
    "renorm takes p > 0, maxnorm ≥ 0 and two dimensions or more, got p={p}, maxnorm={maxnorm} and "
    "shape {x}.": (
        "renorm 需要 p > 0、maxnorm ≥ 0 和至少两个维度，得到 p={p}，maxnorm={maxnorm}，形状 {x}。"
    ),
    "{name} takes two vectors, got shapes {x} and {o}.": (
        "{name} 需要两个向量，得到形状 {x} 与 {o}。"
    ),
    "inner: the last sizes of shapes {x} and {o} must be equal.": (
        "inner：形状 {x} 与 {o} 的最后一维必须相等。"
    ),
    "cross needs an axis of size 3, got shape {x}.": "cross 需要一个大小为 3 的轴，得到形状 {x}。",
    "cross: axis {dim} of shapes {x} and {o} must have size 3.": (
        "cross：形状 {x} 与 {o} 的轴 {dim} 的大小必须为 3。"
    ),
    "tensordot: dims={dims} for shapes {x} and {o}.": (
        "tensordot：形状 {x} 与 {o} 不能用 dims={dims}。"
    ),
    "tensordot: the axes {first} and {second} of shapes {x} and {o} have the sizes {m} and {n}, "
    "which must be equal.": (
        "tensordot：形状 {x} 与 {o} 的轴 {first} 与 {second} 的大小为 {m} 与 {n}，它们必须相等。"
    ),
    "multi_dot needs two matrices or more, got {n}.": "multi_dot 至少需要两个矩阵，得到 {n} 个。",
    "multi_dot takes matrices, got the shapes {shapes}.": "multi_dot 需要矩阵，得到形状 {shapes}。",
    "trace takes a matrix, got shape {x}.": "trace 需要矩阵，得到形状 {x}。",
    "bilinear: inputs of shape {x} and {o} with weight {w}: the weight must be (out, n, m), the "
    "inputs (…, n) and (…, m).": (
        "bilinear：输入形状 {x} 与 {o}，权重 {w}：权重应为 (out, n, m)，输入应为 (…, n) 与 (…, m)。"
    ),
    # distances
    "pdist takes a matrix of rows, got shape {x}.": "pdist 需要由行组成的矩阵，得到形状 {x}。",
    "cdist takes rows (…, n, d) and (…, m, d), got shapes {x} and {o}.": (
        "cdist 需要行 (…, n, d) 与 (…, m, d)，得到形状 {x} 与 {o}。"
    ),
    "cdist: compute_mode must be one of {names}, got {mode!r}.": (
        "cdist：compute_mode 必须是 {names} 之一，得到 {mode!r}。"
    ),
    "{name}: p must be a number ≥ 0, got {p!r}.": "{name}：p 必须是不小于 0 的数，得到 {p!r}。",
    # draws and noise
    "multinomial takes floating-point weights (n) or (rows, n), got {dtype}{shape}.": (
        "multinomial 需要浮点权重 (n) 或 (行, n)，得到 {dtype}{shape}。"
    ),
    "multinomial: {m} draws of {n} weights; without replacement there are at most {n}, and at "
    "least one is needed.": (
        "multinomial：从 {n} 个权重中抽 {m} 次；不放回时至多 {n} 次，且至少一次。"
    ),
    "multinomial: the weights must be finite, ≥ 0, and not all 0 in a row.": (
        "multinomial：权重必须有限且不小于 0，并且一行不能全为 0。"
    ),
    "multinomial: fewer weights above 0 than the {n} draws asked for.": (
        "multinomial：大于 0 的权重少于所要的 {n} 次抽取。"
    ),
    "poisson: the rates must be ≥ 0.": "poisson：速率必须不小于 0。",
    "binomial: counts must be whole numbers ≥ 0, probabilities in [0, 1].": (
        "binomial：次数必须是不小于 0 的整数，概率在 [0, 1] 内。"
    ),
    "{name} fills floating-point tensors, not {dtype}.": "{name} 填充浮点张量，不能是 {dtype}。",
    "{name}: {what} must be > 0, got {value}.": "{name}：{what} 必须大于 0，得到 {value}。",
    "geometric_: p must lie in (0, 1), got {p}.": "geometric_：p 必须在 (0, 1) 内，得到 {p}。",
    "random_: from {low} to {high} there is no integer.": (
        "random_：从 {low} 到 {high} 之间没有整数。"
    ),
    "feature_alpha_dropout takes input (N, C, …), got shape {x}.": (
        "feature_alpha_dropout 的输入应为 (N, C, …)，得到形状 {x}。"
    ),
    "rrelu: lower must not exceed upper, got {lower} > {upper}.": (
        "rrelu：lower 不能大于 upper，得到 {lower} > {upper}。"
    ),
    "gumbel_softmax: tau must be > 0, got {tau}.": "gumbel_softmax：tau 必须大于 0，得到 {tau}。",
    "Softmax2d takes (N, C, H, W) or (C, H, W), got shape {x}.": (
        "Softmax2d 需要 (N, C, H, W) 或 (C, H, W)，得到形状 {x}。"
    ),
    "{name} without dim takes axis {dim} here: write dim={dim}.": (
        "{name} 未给出 dim，这里取轴 {dim}：请写明 dim={dim}。"
    ),
    "{name} takes either indices or sections.": "{name} 需要 indices 或 sections，二者取一。",
    "{name} got its numbers twice.": "{name} 的数字给出了两次。",
    "{name}: a tensor of shape {x} has no entries over dim={dim}, so none is the largest or the "
    "smallest.": "{name}：形状 {x} 的张量在 dim={dim} 上没有元素，因此没有最大或最小者。",
    "equal compares two tensors, not {a} and {b}.": "equal 比较两个张量，不能是 {a} 与 {b}。",
    "kron takes two tensors, not {a} and {b}.": "kron 需要两个张量，不能是 {a} 与 {b}。",
    "{name}() of {dtype} values: write x.float().{name}().": (
        "{name}() 不接受 {dtype}：请写 x.float().{name}()。"
    ),
    "full: fill_value must be a number, got {v!r}.": "full：fill_value 必须是数字，得到 {v!r}。",
    "hardtanh: min_val {low} is above max_val {high}.": (
        "hardtanh：min_val {low} 大于 max_val {high}。"
    ),
    "embedding: weight must have two dimensions, (rows, features), got shape {shape}.": (
        "embedding：weight 必须是二维（行数，特征数），得到形状 {shape}。"
    ),
}

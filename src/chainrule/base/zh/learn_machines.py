"""Chinese texts of the support vector machines and the nearest neighbours."""

TEXT = {
    # nearest neighbours
    "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
    "(n_samples,), for example using ravel().": (
        "y 应为一维数组，却给了列向量。请把 y 的形状改为 (n_samples,)，例如用 ravel()。"
    ),
    "Precomputed matrix must be square. Input is a {rows}x{columns} matrix.": (
        "预先算好的矩阵必须是方阵，输入是 {rows}x{columns} 的矩阵。"
    ),
    "kd_tree does not support the metric {metric!r} (p = {p}): use 'brute'.": (
        "kd_tree 不支持度量 {metric!r}（p = {p}）：请用 'brute'。"
    ),
    "Expected n_neighbors > 0. Got {n}": "n_neighbors 应大于 0，得到 {n}",
    "Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {n}, n_samples_fit = {fit}, "
    "n_samples = {m}": (
        "应有 n_neighbors {sign} n_samples_fit，但 n_neighbors = {n}，n_samples_fit = {fit}，"
        "n_samples = {m}"
    ),
    'Unsupported mode, must be one of "connectivity", or "distance" but got "{mode}"': (
        '不支持的 mode，应为 "connectivity" 或 "distance"，得到 "{mode}"'
    ),
    "cannot use tree with sparse input: using brute force": "稀疏输入不能用树：改用暴力搜索",
    "n_neighbors does not take {kind} value, enter integer value": (
        "n_neighbors 不接受 {kind} 类型的值，请给整数"
    ),
    "{method} does not work with sparse matrices. Densify the data, or set algorithm='brute'": (
        "{method} 不能用于稀疏矩阵。请转为稠密数据，或设 algorithm='brute'"
    ),
    "All neighbors of some sample is getting zero weights. Please modify 'weights' to avoid this "
    "case if you are using a user-defined function.": (
        "某个样本的所有邻居权重都为零。若用自定义函数，请修改 'weights' 以避免这种情况。"
    ),
    # support vector machines
    "predict_proba is not available when probability=False": (
        "probability=False 时没有 predict_proba"
    ),
    "predict_proba is not available when fitted with probability=False": (
        "以 probability=False 拟合后没有 predict_proba"
    ),
    "The number of classes has to be greater than one; got {n} class": (
        "类别数必须大于一，得到 {n} 个类别"
    ),
    "The `probability` parameter is deprecated, as in scikit-learn 1.9. Use "
    "`CalibratedClassifierCV(SVC(), ensemble=False)` instead.": (
        "参数 `probability` 已弃用（与 scikit-learn 1.9 相同）。请改用 "
        "`CalibratedClassifierCV(SVC(), ensemble=False)`。"
    ),
    "Invalid input - all samples with positive weights belong to one class.": (
        "输入无效：权重为正的样本都属于同一类别。"
    ),
    "break_ties must be False when decision_function_shape is 'ovo'": (
        "decision_function_shape 为 'ovo' 时 break_ties 必须为 False"
    ),
    "Sparse precomputed kernels are not supported.": "不支持稀疏的预先算好的核矩阵。",
    "sample_weight has shape {shape}; the data has {n} samples: give one a sample.": (
        "sample_weight 的形状为 {shape}，数据有 {n} 个样本：请每个样本给一个权重。"
    ),
    "Invalid input - all samples have zero or negative weights.": (
        "输入无效：所有样本的权重都为零或负。"
    ),
    "The dual coefficients or intercepts are not finite. The input data may contain large values "
    "and need to be preprocessed.": (
        "对偶系数或截距不是有限数。输入数据可能含有很大的值，需要预处理。"
    ),
    "The solver ended after max_iter={n} steps, before it converged. Scale the data.": (
        "求解在 max_iter={n} 步后结束，尚未收敛。请对数据做缩放。"
    ),
    "X.shape[1] = {found} should be equal to {expected}, the number of samples at training time": (
        "X.shape[1] = {found}，应等于训练时的样本数 {expected}"
    ),
    "coef_ is only available when using a linear kernel": "只有线性核才有 coef_",
    "Precomputed matrix must be a square matrix. Input is a {rows}x{columns} matrix.": (
        "预先算好的核矩阵必须是方阵，输入是 {rows}x{columns} 的矩阵。"
    ),
    # linear machines
    "penalty='l1' with loss={loss!r} is not supported": (
        "不支持 penalty='l1' 与 loss={loss!r} 的组合"
    ),
    "penalty={penalty!r} with loss={loss!r} is not supported when dual={dual}": (
        "dual={dual} 时不支持 penalty={penalty!r} 与 loss={loss!r} 的组合"
    ),
    "The linear machine ended after max_iter={n} passes, before it converged: increase max_iter, "
    "or scale the data.": "线性机在 max_iter={n} 轮后结束，尚未收敛：请增大 max_iter 或缩放数据。",
    "multi_class='crammer_singer' is not supported: use 'ovr'.": (
        "不支持 multi_class='crammer_singer'：请用 'ovr'。"
    ),
    "This solver needs samples of at least 2 classes in the data, but the data contains only one "
    "class: {label!r}": "求解至少需要两个类别的样本，而数据只有一个类别：{label!r}",
    "cannot use sparse input in {name!r} trained on dense data": (
        "{name!r} 以稠密数据训练，不能用稀疏输入"
    ),
}

"""Chinese texts of clusters, mixtures, principal components and maps."""

TEXT = {
    # mixtures
    "The means or covariances are not finite: the data hold values so large that their squares "
    "overflow. Scale the data.": "均值或协方差不是有限数：数据的值过大，平方溢出。请缩放数据。",
    # clusters
    "n_samples={samples} should be >= n_clusters={clusters}.": (
        "n_samples={samples} 应当 >= n_clusters={clusters}。"
    ),
    "Explicit initial center position passed: performing only one init in {name} instead of "
    "n_init={n_init}.": "已给定初始中心：{name} 只初始化一次，而不是 n_init={n_init} 次。",
    "The shape of the initial centers {shape} does not match the number of clusters {clusters} "
    "and the number of features of the data {features}.": (
        "初始中心的形状 {shape} 与簇数 {clusters} 和数据的特征数 {features} 不符。"
    ),
    "algorithm='elkan' doesn't make sense for a single cluster: 'lloyd' is used.": (
        "只有一个簇时 algorithm='elkan' 没有意义：改用 'lloyd'。"
    ),
    "Number of distinct clusters ({found}) found smaller than n_clusters ({clusters}). Possibly "
    "due to duplicate points in X.": (
        "找到的不同簇数（{found}）小于 n_clusters（{clusters}），可能是因为 X 中有重复的点。"
    ),
    # mixtures
    "Expected n_samples >= n_components but got n_components = {components}, n_samples = "
    "{samples}": (
        "需要 n_samples >= n_components，而 n_components = {components}，n_samples = {samples}"
    ),
    "Best performing initialization did not converge. Try different init parameters, or increase "
    "max_iter, tol, or check for degenerate data.": (
        "最好的一次初始化也没有收敛。请换用其他初始化参数，或增大 max_iter、tol，或检查数据是否退化。"
    ),
    "Invalid value for 'n_samples': {count}. The sampling requires at least one sample.": (
        "'n_samples' 的值无效：{count}。采样至少需要一个样本。"
    ),
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data.": (
        "混合模型拟合失败：某些分量的经验协方差不是良定义的（例如只含一个样本或样本重合）。请减少分量数、增大 reg_covar，或缩放输入数据。"
    ),
    "The parameter '{name}' should have the shape of {wanted}, but got {given}": (
        "参数 '{name}' 的形状应为 {wanted}，实际为 {given}"
    ),
    "The parameter 'weights' should be in the range [0, 1], but got min value {least:.5f}, max "
    "value {most:.5f}": (
        "参数 'weights' 应在 [0, 1] 之内，实际最小值 {least:.5f}，最大值 {most:.5f}"
    ),
    "The parameter 'weights' should be normalized, but got sum(weights) = {total:.5f}": (
        "参数 'weights' 应当归一化，实际 sum(weights) = {total:.5f}"
    ),
    "'{kind} precision' should be positive": "'{kind} precision' 应为正数",
    "'{kind} precision' should be symmetric, positive-definite": (
        "'{kind} precision' 应当对称且正定"
    ),
    # principal components
    "n_components={wanted!r} cannot be a string with svd_solver={solver!r}": (
        "svd_solver={solver!r} 时 n_components={wanted!r} 不能是字符串"
    ),
    "n_components='mle' is only supported if n_samples >= n_features": (
        "只有 n_samples >= n_features 时才支持 n_components='mle'"
    ),
    "n_components={wanted} must be between {least} and {limit} with svd_solver={solver!r}: "
    "min(n_samples, n_features)={most}": (
        "svd_solver={solver!r} 时 n_components={wanted} 必须在 {least} 与 {limit} 之间："
        "min(n_samples, n_features)={most}"
    ),
    "n_components={wanted} invalid for n_features={features}, need more rows than columns for "
    "IncrementalPCA processing": (
        "n_components={wanted} 对 n_features={features} 无效：IncrementalPCA 不能有比特征更多的分量"
    ),
    "n_components={wanted} must be less or equal to the batch number of samples {samples} for "
    "the first partial_fit call.": (
        "第一次调用 partial_fit 时，n_components={wanted} 不得超过该批的样本数 {samples}。"
    ),
    "n_components changed from {before} to {now} between calls to partial_fit.": (
        "两次调用 partial_fit 之间，n_components 从 {before} 变成了 {now}。"
    ),
    "PCA takes sparse X with svd_solver {solvers} only, not {solver!r}.": (
        "X 为稀疏矩阵时，PCA 的 svd_solver 只能是 {solvers}，不能是 {solver!r}。"
    ),
    "IncrementalPCA.partial_fit takes no sparse X: call fit, or give X.toarray().": (
        "IncrementalPCA.partial_fit 不接受稀疏的 X：请调用 fit，或传入 X.toarray()。"
    ),
    # maps
    "perplexity ({perplexity}) must be less than n_samples ({samples})": (
        "perplexity（{perplexity}）必须小于 n_samples（{samples}）"
    ),
    'The parameter init="pca" cannot be used with metric="precomputed".': (
        '参数 init="pca" 不能与 metric="precomputed" 一起使用。'
    ),
    "X should be a square distance matrix": "X 应为方形的距离矩阵",
    "n_components={dims}: Barnes-Hut maps have at most 3.": (
        "n_components={dims}：Barnes-Hut 的映射至多三维。"
    ),
    "init has the shape {given} instead of {wanted}.": "init 的形状是 {given}，而不是 {wanted}。",
}

"""Sums, extremes and statistics."""

from chainrule.explain.cards.sheet import Sheet, row, step, told

_M = [[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]]
_TIES = ("Equal winners share the gradient.", "并列者平分梯度。")

_QUANTILE = (
    step(
        r"h = q\,(n - 1),\quad a = h - \lfloor h \rfloor,\quad y = (1 - a)\, x_k + a\, x_l",
        "k and l are the places of the two values in order that h lies between:",
        "h 落在排序后的两个相邻值之间，k、l 是它们的位置：",
    ),
    step(
        r"\frac{\partial y}{\partial x_i} = (1 - a)\,[i = k] + a\,[i = l],\quad "
        r"\frac{\partial y}{\partial q} = (n - 1)(x_l - x_k)"
    ),
)
_QUANTILE_GRADIENTS = {
    "x": r"g \left((1 - a)\,[i = k] + a\,[i = l]\right)",
    "o": r"g\,(n - 1)(x_l - x_k)",
}

SHEETS: dict[str, Sheet] = {
    "sum": told(
        ("Losses, counts, marginals.", "损失、计数、边缘化。"),
        (
            "Grows with the number of terms: a learning rate tuned for it depends on the batch.",
            "随项数增长：为它调好的学习率依赖批大小。",
        ),
        steps=(step(r"\frac{\partial}{\partial x_i} \sum_j x_j = 1"),),
        gradients={"x": "g + 0 * x"},
        rule="spread",
        related="mean expand",
    ),
    "mean": told(
        ("Losses that do not depend on the batch size.", "与批大小无关的损失。"),
        (
            "Of nothing it is NaN; each sample's pull falls with 1/n.",
            "空张量得 NaN；每个样本的拉力按 1/n 减小。",
        ),
        steps=(step(r"\frac{\partial y}{\partial x_i} = \frac{1}{n}"),),
        gradients={"x": "g / n + 0 * x"},
        rule="spread",
        related="sum var",
    ),
    "prod": told(
        ("Independent probabilities, volumes.", "独立事件的概率、体积。"),
        ("Under- and overflows fast: sum logarithms instead.", "很快下溢或溢出：改用对数求和。"),
        steps=(step(r"\frac{\partial y}{\partial x_i} = \prod_{j \ne i} x_j"),),
        gradients={"x": r"g \prod_{j \ne i} x_j"},
        rule="spread",
        related="sum cumprod",
    ),
    "amax": told(
        ("Global max pooling; the shift inside softmax.", "全局最大池化；softmax 内部的平移。"),
        _TIES,
        steps=(step(r"\frac{\partial y}{\partial x_i} = \frac{[x_i = y]}{|\{j: x_j = y\}|}"),),
        gradients={"x": "g * (x == y) / sum(x == y)"},
        rule="route",
        related="max argmax logsumexp",
    ),
    "amin": told(
        ("Nearest distances.", "最近距离。"),
        _TIES,
        steps=(step(r"\frac{\partial y}{\partial x_i} = \frac{[x_i = y]}{|\{j: x_j = y\}|}"),),
        gradients={"x": "g * (x == y) / sum(x == y)"},
        rule="route",
        related="min argmin",
    ),
    "var": told(
        ("Normalisation, spread of a batch.", "归一化、一批数据的离散程度。"),
        (
            "n − 1 or n (correction) matters for few values; of one value it is NaN.",
            "数据少时除以 n − 1 还是 n（correction）有差别；只有一个值时为 NaN。",
        ),
        steps=(
            step(
                r"\frac{\partial y}{\partial x_i} = \frac{2 (x_i - \mu)}{n - c} - \frac{2}{n - "
                r"c} \cdot \frac{1}{n} \sum_j (x_j - \mu) = \frac{2 (x_i - \mu)}{n - c}",
                "The mean depends on x too, but the deviations add up to 0.",
                "均值也依赖 x，但偏差之和为 0。",
            ),
        ),
        gradients={"x": "g * 2 * (x - mean(x)) / (n - correction)"},
        rule="spread",
        related="std mean batch_norm",
    ),
    "std": told(
        ("Spread in the unit of the data.", "以数据的单位表示的离散程度。"),
        ("Infinite slope where all values are equal (0 is taken).", "各值相等处斜率无穷（取 0）。"),
        steps=(
            step(
                r"y = \sqrt{v} \Rightarrow \frac{\partial y}{\partial x_i} = \frac{x_i - \mu}{(n "
                r"- c)\, y}"
            ),
        ),
        gradients={"x": "g * (x - mean(x)) / ((n - correction) * y)"},
        rule="spread",
        related="var",
    ),
    "logsumexp": told(
        (
            "Log-likelihoods of mixtures, softmax's denominator.",
            "混合模型的对数似然、softmax 的分母。",
        ),
        ("Written out as log(sum(exp(x))) it overflows.", "直接写成 log(sum(exp(x))) 会溢出。"),
        steps=(step(r"\frac{\partial y}{\partial x_i} = \frac{e^{x_i}}{\sum_j e^{x_j}} = p_i"),),
        gradients={"x": "g * exp(x - y)"},
        rule="spread",
        options={"dim": -1},
        related="softmax logaddexp",
    ),
    "argmax": told(
        ("The predicted class.", "预测的类别。"),
        (
            "No gradient: train on the scores instead. Of equals the first.",
            "没有梯度，训练应使用得分；并列取第一个。",
        ),
        rule="none",
        related="amax softmax",
    ),
    "argmin": told(
        ("The nearest centre.", "最近的中心。"),
        ("No gradient. Of equals the first.", "没有梯度；并列取第一个。"),
        rule="none",
        related="amin",
    ),
    "all": told(
        ("Checks: all finite?", "检查：是否全部有限？"),
        ("True for an empty tensor.", "空张量为真。"),
        rule="none",
        related="any isfinite",
    ),
    "any": told(
        ("Checks: any NaN?", "检查：是否有 NaN？"),
        ("False for an empty tensor.", "空张量为假。"),
        rule="none",
        related="all isnan",
    ),
    "euclidean": told(
        ("The length of vectors, for norm and distances.", "向量长度，供范数与距离使用。"),
        ("No direction at 0: gradient 0 there.", "在 0 处没有方向，梯度取 0。"),
        steps=(step(r"y^2 = \sum x_i^2 \Rightarrow 2 y \frac{\partial y}{\partial x_i} = 2 x_i"),),
        gradients={"x": "g * x / y"},
        rule="spread",
        related="norm hypot",
    ),
    "power_norm": told(
        ("Lengths with another exponent.", "其他指数的长度。"),
        (
            "p < 1 is no norm; the slope at 0 is infinite there.",
            "p < 1 不是范数；此时 0 处斜率无穷。",
        ),
        steps=(
            step(
                r"\frac{\partial y}{\partial x_i} = \operatorname{sign}(x_i) "
                r"\left(\frac{|x_i|}{y}\right)^{p-1}"
            ),
        ),
        gradients={"x": "g * sign(x) * (abs(x) / y)^(p - 1)"},
        rule="spread",
        options={"p": 3.0, "dim": (0, 1), "keepdim": False},
        related="norm euclidean",
    ),
    "nansum": told(
        ("Data with holes.", "含缺失值的数据。"),
        ("Missing counts as 0: a mean of it is too small.", "缺失按 0 计，据此算的均值偏小。"),
        gradients={"x": "where(isnan(x), 0, g)"},
        steps=(
            step(
                r"y = \sum_{i \in there} x_i \Rightarrow \frac{\partial y}{\partial x_i} = [i \in "
                r"there]",
                "Over what is not NaN:",
                "对不是 NaN 的元素求和：",
            ),
        ),
        rule="masked",
        related="nanmean sum",
    ),
    "nanmean": told(
        ("Means of what is there.", "对现有数据求平均。"),
        ("Assumes that nothing is missing for a reason.", "假定缺失与数值无关。"),
        steps=(
            step(
                r"\frac{\partial y}{\partial x_i} = \frac{[i \in there]}{|there|}",
                "Divided by the number of what is not NaN:",
                "除以不是 NaN 的元素个数：",
            ),
        ),
        gradients={"x": "where(isnan(x), 0, g) / sum(where(isnan(x), 0, 1))"},
        rule="masked",
        related="nansum mean",
    ),
    "count_nonzero": told(
        ("Sparsity, accuracy.", "稀疏度、准确率。"),
        ("No gradient: for a sparse net penalise with L1.", "没有梯度：要稀疏请用 L1 惩罚。"),
        rule="none",
        related="nonzero l1",
    ),
    "quantile": told(
        ("Robust spread, thresholds.", "稳健的离散度、阈值。"),
        (
            "Sorts everything; only one or two entries learn.",
            "要全部排序；只有一两个元素得到梯度。",
        ),
        steps=_QUANTILE,
        gradients=_QUANTILE_GRADIENTS,
        rule="route",
        example=([1.0, 2.0, 6.0, 3.0], [0.5]),
        related="median sort",
    ),
    "nanquantile": told(
        ("Quantiles of what is there.", "对现有数据求分位数。"),
        ("Hides how much is missing.", "看不出缺失了多少。"),
        steps=_QUANTILE,
        gradients=_QUANTILE_GRADIENTS,
        rule="route",
        example=([1.0, 2.0, 6.0, 3.0], [0.5]),
        related="quantile",
    ),
    "median": told(
        ("A centre that outliers do not move.", "不受离群点影响的中心。"),
        (
            "The lower of two middle values, not their mean; one entry learns.",
            "取两个居中值中较小者而非平均；只有一个元素得到梯度。",
        ),
        gradients={"x": r"g\,[i = \text{middle}]"},
        steps=(step(r"y = x_{(\lceil n/2 \rceil)}"),),
        rule="route",
        related="quantile nanmedian",
    ),
    "nanmedian": told(
        ("The median of what is there.", "对现有数据求中位数。"),
        ("As median.", "同 median。"),
        gradients={"x": r"g\,[i = \text{middle}]"},
        steps=(step(r"y = x_{(\lceil n/2 \rceil)}"),),
        rule="route",
        related="median",
    ),
    "var_mean": row(
        r"(\sigma^2, \mu)",
        "spread",
        ("Variance and mean at once.", "同时得到方差与均值。"),
        ("Normalisation by hand.", "手写归一化。"),
        ("Unbiased unless told otherwise; batch norm divides by n.", "默认无偏；批归一化除以 n。"),
        _M,
        related="var mean",
    ),
    "std_mean": row(
        r"(\sigma, \mu)",
        "spread",
        ("Standard deviation and mean at once.", "同时得到标准差与均值。"),
        ("Standardising features.", "特征标准化。"),
        ("Infinite slope where all are equal.", "各值相等处斜率无穷。"),
        _M,
        related="std mean",
    ),
    "aminmax": row(
        r"(\min x, \max x)",
        "route",
        ("Smallest and largest at once.", "同时得到最小值与最大值。"),
        ("Ranges for quantisation.", "量化的范围。"),
        ("One outlier sets the range.", "一个离群点就决定了范围。"),
        _M,
        related="amin amax",
    ),
    "cov": row(
        r"C = \frac{1}{n - 1} (X - \mu)(X - \mu)^{\top}",
        "product",
        ("Covariances of the variables in the rows.", "各行变量之间的协方差。"),
        ("PCA, whitening.", "PCA、白化。"),
        (
            "Variables are rows here, columns in most data tables.",
            "这里变量在行上，而多数数据表在列上。",
        ),
        _M,
        related="corrcoef var",
    ),
    "corrcoef": row(
        r"R_{ij} = \frac{C_{ij}}{\sqrt{C_{ii} C_{jj}}}",
        "through",
        ("Correlations between −1 and 1.", "介于 −1 与 1 的相关系数。"),
        ("Which variables move together.", "哪些变量一起变化。"),
        ("Sees straight lines only; 0/0 for a constant.", "只反映线性关系；常量得 0/0。"),
        _M,
        related="cov",
    ),
    "max": row(
        r"y = \max_i x_i",
        "route",
        (
            "The largest: of all, along an axis with its place, or of two tensors.",
            "最大值：全体、沿轴（带位置）或两个张量之间。",
        ),
        ("Max pooling, decoding.", "最大池化、解码。"),
        (
            "Along an axis only the first of equals gets the gradient; amax shares it.",
            "沿轴取最大时并列只有第一个得到梯度；amax 则平分。",
        ),
        _M,
        1,
        related="amax argmax maximum",
    ),
    "min": row(
        r"y = \min_i x_i",
        "route",
        (
            "The smallest: of all, along an axis with its place, or of two tensors.",
            "最小值：全体、沿轴（带位置）或两个张量之间。",
        ),
        ("Nearest neighbours.", "最近邻。"),
        (
            "Along an axis only the first of equals gets the gradient; amin shares it.",
            "沿轴取最小时并列只有第一个得到梯度；amin 则平分。",
        ),
        _M,
        1,
        related="amin argmin minimum",
    ),
    "norm": row(
        r"y = \left(\sum |x_i|^p\right)^{1/p}",
        "spread",
        ("The length of a vector or matrix.", "向量或矩阵的长度。"),
        ("Penalties, clipping, monitoring of gradients.", "惩罚项、裁剪、监视梯度。"),
        ("No slope at 0 (0 is taken).", "0 处没有导数（取 0）。"),
        [3.0, 4.0],
        related="euclidean power_norm clip_grad_norm_",
    ),
    "renorm": row(
        r"y = x \cdot \min\left(1, \frac{c}{|x|}\right)",
        "through",
        ("Slices held at a largest length.", "把各切片的长度限制在上限内。"),
        ("Embeddings with max_norm.", "带 max_norm 的嵌入。"),
        ("What exceeds loses its length's gradient.", "超长的部分失去长度方向的梯度。"),
        [[3.0, 4.0], [0.3, 0.4]],
        2,
        0,
        1.0,
        related="norm normalize",
    ),
    "trace": row(
        r"y = \sum_i A_{ii}",
        "spread",
        ("The sum of the diagonal.", "对角线之和。"),
        ("Sum of eigenvalues; derivatives of determinants.", "特征值之和；行列式的导数。"),
        ("Only square matrices make sense of it.", "只对方阵有意义。"),
        [[1.0, 2.0], [3.0, 4.0]],
        related="diagonal",
    ),
}

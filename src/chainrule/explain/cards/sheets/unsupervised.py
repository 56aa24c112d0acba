"""Clusters, mixtures, projections, maps and scalers: estimators without targets."""

from chainrule.explain.cards.sheet import Sheet, Step, step, told

_ROW_N2 = "N2 (zero-centre, normalise, whiten)"


def _sheet(
    formula: str, summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str],
    steps: tuple[Step, ...], picture: str, related: str, note: str = "",
) -> Sheet:  # fmt: skip
    return told(use, trouble, summary=summary, formula=formula, steps=steps, rule="fitted",
                picture=f"estimator:{picture}", related=related, note=note)  # fmt: skip


_COMPONENTS = (
    step(
        r"\max_v v^{\top} S v,\quad v^{\top} v = 1,\quad S = \frac{1}{n - 1} X^{\top} X",
        "The direction of the largest variance of centred samples:",
        "中心化样本方差最大的方向：",
    ),
    step(
        r"\frac{\partial}{\partial v} \left(v^{\top} S v - \lambda (v^{\top} v - 1)\right) = 0 "
        r"\Rightarrow S v = \lambda v",
        "With a multiplier λ: an eigenvector; its variance is λ, so the largest first:",
        "引入乘子 λ：是特征向量，方差为 λ，故从最大者取起：",
    ),
    step(
        r"X = U \Sigma V^{\top} \Rightarrow S = V \frac{\Sigma^2}{n - 1} V^{\top}",
        "The singular vectors of X are those eigenvectors, found without forming S:",
        "X 的右奇异向量就是这些特征向量，不必构造 S：",
    ),
)
_MEANS = (
    step(
        r"J = \sum_i \|x_i - \mu_{c_i}\|^2,\quad c_i = \arg\min_k \|x_i - \mu_k\|^2",
        "With the centres fixed, each sample is best in its nearest cluster:",
        "中心固定时，每个样本归入最近的簇最优：",
    ),
    step(
        r"\frac{\partial J}{\partial \mu_k} = -2 \sum_{i: c_i = k} (x_i - \mu_k) = 0 \Rightarrow "
        r"\mu_k = \frac{1}{n_k} \sum_{i: c_i = k} x_i",
        "With the clusters fixed, the best centre is the mean. Both steps lower J, so it ends:",
        "簇固定时，最优中心是平均值。两步都使 J 下降，故必终止：",
    ),
)
_MEANS_TROUBLE = (
    "k must be known; finds round clusters of like size only; ends in a local minimum (several "
    "starts, kmeans++); scales matter.",
    "须先知道 k；只能找到大小相近的圆形簇；会停在局部最小（多次起步、kmeans++）；特征尺度有影响。",
)
_SCALE_USE = (
    "Before everything that measures distances or descends gradients: SVC, neighbours, PCA, "
    "networks. Fit on the training data only.",
    "用于一切依赖距离或梯度下降的方法之前：SVC、近邻、PCA、神经网络。只在训练集上拟合。",
)
_EXTREMES = (
    "One outlier squeezes all others together; new data may leave the range.",
    "一个离群点就会把其余数据挤在一起；新数据可能超出范围。",
)

SHEETS: dict[str, Sheet] = {
    "KMeans": _sheet(
        r"\min_{\mu, c} \sum_i \|x_i - \mu_{c_i}\|^2",
        ("k centres, each the mean of the samples nearest to it.",
         "k 个中心，每个都是离它最近的样本的平均。"),
        ("To sort samples into groups, to make codebooks, to start a mixture.",
         "把样本分组、建立码本、为混合模型提供初值。"),
        _MEANS_TROUBLE, _MEANS, "clusters", "MiniBatchKMeans kmeans_plusplus GaussianMixture"),
    "MiniBatchKMeans": _sheet(
        r"\mu_k \leftarrow \mu_k + \frac{1}{n_k} (x - \mu_k)",
        ("k-means on small batches: each sample moves its centre a little.",
         "在小批量上做 k-means：每个样本把中心移动一点。"),
        ("Many samples, or samples that arrive one after another.", "样本很多或逐批到来。"),
        ("A little worse than KMeans; empty clusters must be started anew.",
         "结果略逊于 KMeans；空簇须重新起步。"),
        (
            step(r"\bar{x}_n = \frac{1}{n} \sum_i x_i = \bar{x}_{n-1} + \frac{1}{n} (x_n - "
                 r"\bar{x}_{n-1})",
                 "A mean, kept up to date: a step of gradient descent on J with the rate 1/n:",
                 "不断更新的平均值：即学习率为 1/n、对 J 的一步梯度下降："),
        ), "small_batches", "KMeans SGD"),
    "kmeans_plusplus": _sheet(
        r"P(i) = \frac{D_i^2}{\sum_j D_j^2}",
        ("Starting centres far apart: each next one drawn by squared distance to those chosen.",
         "选取相距远的初始中心：按到已选中心的距离平方抽取下一个。"),
        ("To start k-means: on average at most 8(ln k + 2) times the best J.",
         "为 k-means 提供初值：期望的 J 不超过最优的 8(ln k + 2) 倍。"),
        ("k passes over the samples; outliers are likely to be drawn.",
         "要遍历样本 k 次；离群点容易被抽中。"),
        (
            step(r"D_i = \min_k \|x_i - \mu_k\|",
                 "Distance to the nearest centre so far; 0 for those chosen:",
                 "到目前最近中心的距离；已选者为 0："),
        ), "seeds", "KMeans MiniBatchKMeans"),
    "GaussianMixture": _sheet(
        r"p(x) = \sum_k \pi_k N(x \mid \mu_k, \Sigma_k)",
        ("A sum of Gaussians, fitted by expectation and maximisation.",
         "高斯分布之和，用期望最大化拟合。"),
        ("Soft clusters of any elliptic form, and densities.", "椭圆形的软聚类，以及密度估计。"),
        ("k must be known; a component may shrink onto one sample (reg_covar); local maxima; d² "
         "numbers for each covariance.",
         "须知道 k；某个分量可能缩到一个样本上（reg_covar）；有局部极大；每个协方差有 d² 个数。"),
        (
            step(r"\ln p(X) = \sum_i \ln \sum_k q_{i k} \frac{\pi_k N_{i k}}{q_{i k}} \ge \sum_i "
                 r"\sum_k q_{i k} \ln \frac{\pi_k N_{i k}}{q_{i k}}",
                 "For any shares q that sum to 1, by Jensen's inequality (ln is concave):",
                 "对任意和为 1 的 q，由 Jensen 不等式（ln 是凹函数）："),
            step(r"q_{i k} = \frac{\pi_k N_{i k}}{\sum_j \pi_j N_{i j}}",
                 "E step: equality, where all ratios are equal; these are the responsibilities:",
                 "E 步：各比值相等时取等号，这就是责任度："),
            step(r"\frac{\partial}{\partial \mu_k} = 0 \Rightarrow \mu_k = \frac{1}{n_k} \sum_i "
                 r"q_{i k} x_i,\quad n_k = \sum_i q_{i k},\quad \pi_k = \frac{n_k}{n}",
                 "M step: the bound is largest at weighted means …",
                 "M 步：下界在加权平均处最大……"),
            step(r"\Sigma_k = \frac{1}{n_k} \sum_i q_{i k} (x_i - \mu_k) (x_i - \mu_k)^{\top}",
                 "… and weighted covariances. Each round can only raise the likelihood.",
                 "……以及加权协方差。每一轮似然只升不降。"),
        ), "mixture", "KMeans logsumexp"),
    "PCA": _sheet(
        r"Z = (X - \mu) V_k",
        ("The k directions of the largest variance.", "方差最大的 k 个方向。"),
        ("To shrink features, to draw samples, to take noise off.", "降维、可视化、去噪。"),
        ("Linear only; large scales win, so scale first; variance is not always what matters.",
         "只能是线性的；尺度大的特征占优，应先缩放；方差大不等于重要。"),
        _COMPONENTS, "components", "IncrementalPCA Whitener svd"),
    "IncrementalPCA": _sheet(
        r"Z = (X - \mu) V_k",
        ("PCA batch by batch.", "逐批计算的 PCA。"),
        ("Data that do not fit into memory.", "内存放不下的数据。"),
        ("What is cut off after a batch is lost: close to PCA, not equal.",
         "每批之后截去的部分就丢失了：与 PCA 接近但不相等。"),
        (
            *_COMPONENTS,
            step(r"X^{\top} X = V \Sigma^2 V^{\top} + B^{\top} B + \frac{n m}{n + m} (\mu - "
                 r"\mu_B) (\mu - \mu_B)^{\top}",
                 "n samples seen and a batch B of m, each centred: stack ΣVᵀ, B and the shift of "
                 "the means, and take the SVD anew:",
                 "已见 n 个样本与含 m 个样本的批 B（各自中心化）：把 ΣVᵀ、B 和均值之差叠起来，"
                 "重新做 SVD："),
        ), "components", "PCA"),
    "TSNE": _sheet(
        r"\min_y \sum_{i \ne j} p_{i j} \ln \frac{p_{i j}}{q_{i j}}",
        ("A map in the plane on which neighbours stay neighbours.", "使近邻仍为近邻的平面图。"),
        ("To look at clusters of high-dimensional samples.", "观察高维样本的聚类。"),
        ("Distances between clusters and their sizes mean nothing; depends on perplexity and the "
         "start; no map for new samples.",
         "簇间距离与簇的大小没有意义；依赖 perplexity 与初值；不能映射新样本。"),
        (
            step(r"p_{j \mid i} = \frac{e^{-\|x_i - x_j\|^2 / 2 \sigma_i^2}}{\sum_k e^{-\|x_i - "
                 r"x_k\|^2 / 2 \sigma_i^2}},\quad p_{i j} = \frac{p_{j \mid i} + p_{i \mid j}}"
                 r"{2 n}",
                 "Neighbourhood among the samples; σ_i so that perplexity is as asked:",
                 "样本间的近邻概率；σ_i 使困惑度达到要求："),
            step(r"q_{i j} = \frac{w_{i j}}{\sum_{k \ne l} w_{k l}},\quad w_{i j} = \frac{1}{1 + "
                 r"\|y_i - y_j\|^2}",
                 "On the map with a heavy tail, so that what is moderately far has room:",
                 "在图上用重尾分布，使中等距离的点有空间："),
            step(r"\frac{\partial C}{\partial y_i} = 4 \sum_j (p_{i j} - q_{i j}) w_{i j} (y_i - "
                 r"y_j)",
                 "The gradient: pulled where p > q, pushed where p < q:",
                 "梯度：p > q 处相吸，p < q 处相斥："),
        ), "tails", "PCA kl_div"),
    "StandardScaler": _sheet(
        r"y = \frac{x - \mu}{\sigma}",
        ("Each feature with mean 0 and variance 1.", "每个特征均值为 0、方差为 1。"),
        _SCALE_USE,
        ("Outliers move mean and deviation; sparse data lose their zeros (with_mean=False).",
         "离群点会影响均值与标准差；稀疏数据失去零（用 with_mean=False）。"),
        (
            step(r"E[y] = \frac{E[x] - \mu}{\sigma} = 0,\quad \operatorname{Var}(y) = "
                 r"\frac{\operatorname{Var}(x)}{\sigma^2} = 1"),
        ), "standard", "RobustScaler MinMaxScaler batch_norm", _ROW_N2),
    "MinMaxScaler": _sheet(
        r"y = \frac{x - x_{\min}}{x_{\max} - x_{\min}}",
        ("Each feature between 0 and 1.", "每个特征缩放到 0 与 1 之间。"),
        ("Pixels, and where a range is required.", "像素，以及要求固定范围的场合。"),
        _EXTREMES,
        (step(r"x = x_{\min} \Rightarrow y = 0,\quad x = x_{\max} \Rightarrow y = 1"),),
        "range", "MaxAbsScaler StandardScaler", _ROW_N2),
    "MaxAbsScaler": _sheet(
        r"y = \frac{x}{\max |x|}",
        ("Each feature within −1 and 1, zeros stay zeros.", "每个特征缩放到 ±1 之内，零不变。"),
        ("Sparse data.", "稀疏数据。"),
        _EXTREMES,
        (step(r"|y| = \frac{|x|}{\max |x|} \le 1"),),
        "largest", "MinMaxScaler StandardScaler", _ROW_N2),
    "RobustScaler": _sheet(
        r"y = \frac{x - q_{0.5}}{q_{0.75} - q_{0.25}}",
        ("Each feature by its median and the range of its middle half.",
         "每个特征减去中位数，除以四分位距。"),
        ("Features with outliers.", "含离群点的特征。"),
        ("Outliers stay outliers; features with most values equal divide by 0 (left as they are).",
         "离群点仍是离群点；大半取值相同的特征四分位距为 0（保持原样）。"),
        (
            step(r"\frac{d}{dc} \sum_i |x_i - c| = \sum_i \operatorname{sign}(c - x_i) = 0",
                 "The median is the centre of least absolute distance; a single sample moves it "
                 "by one place at most:",
                 "中位数使绝对距离之和最小；单个样本至多使它移动一个位置："),
        ), "robust", "StandardScaler median quantile", _ROW_N2),
    "Whitener": _sheet(
        r"y = W (x - \mu),\quad W S W^{\top} = I",
        ("Features without correlation, each of variance 1.", "使特征互不相关，方差均为 1。"),
        ("Before ICA, metrics and nets that would have to learn it.",
         "用于 ICA、度量学习，或省去网络自己学习去相关。"),
        ("Directions of little variance are noise and are blown up (eps).",
         "方差小的方向多为噪声，会被放大（eps）。"),
        (
            step(r"S = V \Lambda V^{\top},\quad W = \Lambda^{-1/2} V^{\top} \Rightarrow W S "
                 r"W^{\top} = \Lambda^{-1/2} \Lambda \Lambda^{-1/2} = I",
                 "PCA whitening; ZCA turns back with V, so that pictures stay pictures:",
                 "PCA 白化；ZCA 再用 V 转回，图像仍像图像："),
        ), "whiten", "PCA StandardScaler", _ROW_N2),
    "PolynomialFeatures": _sheet(
        r"y = (1, x_1, x_2, x_1^2, x_1 x_2, x_2^2, \ldots)",
        ("All products of features up to a degree.", "特征的所有不超过给定次数的乘积。"),
        ("To let linear models bend.", "让线性模型能弯曲。"),
        ("Their number grows fast, they wave beyond the data; scale first and regularise.",
         "数目增长极快，数据之外剧烈摆动；应先缩放并加正则。"),
        (
            step(r"N = \frac{(d + p)!}{d!\, p!}",
                 "How many there are for d features and degree p:",
                 "d 个特征、次数 p 时的个数："),
        ), "powers", "LinearRegression Ridge"),
}  # fmt: skip

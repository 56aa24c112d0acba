"""Decision trees and what is made of many: bags, forests, boosting."""

from chainrule.explain.cards.sheet import Sheet, Step, step, told

_FIT = "fitted"


def _sheet(
    formula: str, summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str],
    steps: tuple[Step, ...], picture: str, related: str,
) -> Sheet:  # fmt: skip
    return told(use, trouble, summary=summary, formula=formula, steps=steps, rule=_FIT,
                picture=f"estimator:{picture}", related=related)  # fmt: skip


_GAIN = (
    step(
        r"H = -\sum_k p_k \ln p_k,\quad Gini = \sum_k p_k (1 - p_k) = 1 - \sum_k p_k^2",
        "How mixed a node is; p_k is the share of class k:",
        "结点有多混杂；p_k 是类别 k 的比例：",
    ),
    step(
        r"\Delta = H - \frac{n_L}{n} H_L - \frac{n_R}{n} H_R",
        "The gain of a split into left and right; the feature and threshold with the largest win. "
        "H is concave and the children's shares average to p, so Δ ≥ 0:",
        "一次划分的增益，取增益最大的特征与阈值。H 是凹函数，且子结点比例的平均等于 p，故 Δ ≥ 0：",
    ),
)
_SQUARED = (
    step(
        r"c = \frac{1}{n} \sum_i y_i \Rightarrow \frac{d}{dc} \sum_i (y_i - c)^2 = "
        r"-2 \sum_i (y_i - c) = 0",
        "The best constant of a leaf is the mean of its targets:",
        "叶结点的最佳常数是其目标值的平均：",
    ),
    step(
        r"\Delta = \frac{n_L n_R}{n^2} (c_L - c_R)^2",
        "What a split takes off the mean squared error: it pays where the two means lie far apart.",
        "一次划分使均方误差减少的量：两侧平均相差越大越值得：",
    ),
)
_VARIANCE = step(
    r"\operatorname{Var}\left(\frac{1}{B} \sum_b T_b\right) = \rho \sigma^2 + "
    r"\frac{1 - \rho}{B} \sigma^2",
    "The mean of B trees of variance σ² and correlation ρ: more trees take off the second part, "
    "less alike trees the first.",
    "B 棵方差为 σ²、相关系数为 ρ 的树的平均：树多减小第二项，树之间差异大减小第一项。",
)
_LEFT_OUT = step(
    r"\left(1 - \frac{1}{n}\right)^n \to \frac{1}{e} \approx 0.368",
    "The share of samples that a drawing with repetition leaves out; they test the tree:",
    "有放回抽样中未被抽到的比例；可用来检验这棵树：",
)
_RESIDUAL = (
    step(
        r"r_i = -\frac{\partial \ell(y_i, F_i)}{\partial F_i}",
        "The residuals are the negative gradient of the loss by the prediction; the next tree is "
        "fitted to them: gradient descent, with a function as its step.",
        "残差是损失对预测值的负梯度，下一棵树去拟合它：以函数为步长的梯度下降。",
    ),
    step(
        r"\gamma_j = \arg\min_\gamma \sum_{i \in j} \ell(y_i, F_i + \gamma),\quad F_i \leftarrow "
        r"F_i + \nu \gamma_j",
        "Each leaf j takes the step that is best for its samples, times the learning rate ν:",
        "每个叶 j 取对其样本最优的步长，再乘学习率 ν：",
    ),
)
_NEWTON = (
    step(
        r"\sum_{i \in j} \ell(y_i, F_i + w) \approx \sum_{i \in j} \ell_i + G w + \frac{1}{2} "
        r"(H + \lambda) w^2",
        "Second order around the present prediction; G and H are sums of first and second "
        "derivatives over the leaf:",
        "在当前预测处展开到二阶；G、H 是叶内一阶、二阶导数之和：",
    ),
    step(
        r"w = -\frac{G}{H + \lambda},\quad \Delta = \frac{1}{2}\left(\frac{G_L^2}{H_L + \lambda} "
        r"+ \frac{G_R^2}{H_R + \lambda} - \frac{G^2}{H + \lambda}\right)",
        "The best value of a leaf, and what a split gains. Sums per bin are enough to know it for "
        "all thresholds, and the larger child is the parent less the smaller one:",
        "叶的最优值与划分的增益。按箱累加 G、H 就能得到所有阈值的增益，较大的子结点由父结点减去"
        "较小的得到：",
    ),
)
_TREE_USE = (
    "Tables of mixed features, and where the decision must be read: no scaling needed.",
    "特征类型混杂的表格数据，以及需要看懂决策过程的场合；不需要缩放特征。",
)
_TREE_TROUBLE = (
    "Grown out it learns the noise; a few samples more or less give another tree. Greedy: no split "
    "looks ahead. Borders run along the axes. max_depth and ccp_alpha hold it back.",
    "长到底会学到噪声；样本稍变树就不同。贪心：划分不考虑之后。边界平行于坐标轴。"
    "用 max_depth、ccp_alpha 限制。",
)
_MANY_TROUBLE = (
    "Large and slow to ask; no longer readable; does not extrapolate.",
    "模型大、预测慢；难以解读；不能外推。",
)
_BOOST_TROUBLE = (
    "Trees come one after another; too many of them overfit: small learning_rate, early stopping. "
    "Outliers pull at a squared loss.",
    "树须逐棵生成；树太多会过拟合：用小的 learning_rate 并早停。平方损失易受离群点影响。",
)
_FEW = (
    "Small and middle-sized tables, with a loss of one's choice.",
    "中小规模的表格数据，损失函数可选。",
)
_FAST = (
    "The first choice for large tables; missing values and categories need no preparation.",
    "大型表格数据的首选；缺失值与类别特征无需预处理。",
)
_FAST_TROUBLE = (
    "255 bins: finer differences in a feature are lost. Leaf by leaf growth overfits small data.",
    "每个特征只有 255 个箱，更细的差别丢失。按叶生长在小数据上容易过拟合。",
)
_BAGS = (
    "To quiet an estimator that changes much with its samples, and to know its error from the "
    "samples left out.",
    "使随样本变化大的估计器变得稳定，并可用未抽到的样本估计误差。",
)
_BAG = (
    step(
        r"F(x) = \frac{1}{B} \sum_b T_b(x)",
        "Each of B estimators sees samples drawn with repetition:",
        "B 个估计器各用一份有放回抽取的样本：",
    ),
    _VARIANCE,
    _LEFT_OUT,
)
_FOREST = (*_BAG, step(
    r"m = \sqrt{d}",
    "Each split looks at m of the d features only (classification): trees less alike, smaller ρ.",
    "分类时每次划分只看 d 个特征中的 m 个：树之间更不相似，ρ 更小。",
))  # fmt: skip
_FOREST_USE = (
    "A strong first try on tables: hardly anything to set.",
    "表格数据上很好的首次尝试：几乎不用调参。",
)

SHEETS: dict[str, Sheet] = {
    "DecisionTreeClassifier": _sheet(
        r"\hat{y}(x) = \arg\max_k p_{k, leaf(x)}",
        ("Questions of the form x_j ≤ t, one after another; each leaf votes for its main class.",
         "一连串形如 x_j ≤ t 的提问；每个叶结点取其多数类别。"),
        _TREE_USE, _TREE_TROUBLE, _GAIN, "gain",
        "DecisionTreeRegressor RandomForestClassifier"),
    "DecisionTreeRegressor": _sheet(
        r"\hat{y}(x) = \operatorname{mean}(y_i : i \in leaf(x))",
        ("Questions one after another; each leaf answers with the mean of its targets.",
         "一连串提问；每个叶结点以其目标值的平均作答。"),
        _TREE_USE, _TREE_TROUBLE, _SQUARED, "steps",
        "DecisionTreeClassifier RandomForestRegressor"),
    "BaggingClassifier": _sheet(
        r"\hat{y}(x) = \arg\max_k \frac{1}{B} \sum_b p_b(k, x)",
        ("Estimators on samples drawn with repetition vote.", "在有放回抽样上训练的估计器投票。"),
        _BAGS, _MANY_TROUBLE, _BAG, "bag", "RandomForestClassifier DecisionTreeClassifier"),
    "BaggingRegressor": _sheet(
        r"\hat{y}(x) = \frac{1}{B} \sum_b T_b(x)",
        ("The mean of estimators on samples drawn with repetition.",
         "在有放回抽样上训练的估计器取平均。"),
        _BAGS, _MANY_TROUBLE, _BAG, "bag", "RandomForestRegressor DecisionTreeRegressor"),
    "RandomForestClassifier": _sheet(
        r"\hat{y}(x) = \arg\max_k \frac{1}{B} \sum_b p_b(k, x)",
        ("Trees on drawn samples and drawn features vote.", "在随机样本、随机特征上生长的树投票。"),
        _FOREST_USE, _MANY_TROUBLE, _FOREST, "bag",
        "ExtraTreesClassifier RandomForestRegressor BaggingClassifier"),
    "RandomForestRegressor": _sheet(
        r"\hat{y}(x) = \frac{1}{B} \sum_b T_b(x)",
        ("The mean of trees on drawn samples.", "在随机样本上生长的树取平均。"),
        _FOREST_USE, _MANY_TROUBLE, _BAG, "bag",
        "RandomForestClassifier HistGradientBoostingRegressor"),
    "ExtraTreesClassifier": _sheet(
        r"\hat{y}(x) = \arg\max_k \frac{1}{B} \sum_b p_b(k, x)",
        ("A forest whose thresholds are drawn at random, not searched.",
         "阈值随机抽取而非搜索的森林。"),
        ("Where a forest is too slow or still too wavering.", "森林太慢或仍不够稳定时。"),
        ("Single trees are weaker; noise features get split on more often.",
         "单棵树更弱；更常按噪声特征划分。"),
        (_GAIN[1], _VARIANCE), "bag", "RandomForestClassifier"),
    "GradientBoostingClassifier": _sheet(
        r"F = F_0 + \nu \sum_b T_b,\quad p = \sigma(F)",
        ("Trees that each correct the log-odds of those before.",
         "每棵树修正之前各树给出的对数几率。"),
        _FEW, _BOOST_TROUBLE, (
            *_RESIDUAL,
            step(r"\ell = \ln(1 + e^F) - y F \Rightarrow r = y - p,\quad \gamma_j = \frac{\sum r_i}"
                 r"{\sum p_i (1 - p_i)}",
                 "Log loss: the residual is y − p, and one Newton step gives the leaf its value:",
                 "对数损失：残差为 y − p，叶值由一步牛顿法给出："),
        ), "boost", "GradientBoostingRegressor HistGradientBoostingClassifier"),
    "GradientBoostingRegressor": _sheet(
        r"F = F_0 + \nu \sum_b T_b",
        ("Trees that each fit what those before left over.", "每棵树拟合之前各树剩下的残差。"),
        _FEW, _BOOST_TROUBLE, (
            *_RESIDUAL,
            step(r"\ell = \frac{1}{2}(y - F)^2 \Rightarrow r = y - F",
                 "Squared loss: plain residuals.", "平方损失：就是普通残差。"),
        ), "boost", "GradientBoostingClassifier HistGradientBoostingRegressor"),
    "HistGradientBoostingClassifier": _sheet(
        r"F = F_0 + \nu \sum_b T_b,\quad p = \sigma(F)",
        ("Boosted trees for classes on features sorted into 255 bins.",
         "特征分成 255 箱的提升树，用于分类。"),
        _FAST, _FAST_TROUBLE, (
            *_NEWTON,
            step(r"g_i = p_i - y_i,\quad h_i = p_i (1 - p_i)", "Of the log loss:", "对数损失的："),
        ), "bins", "HistGradientBoostingRegressor GradientBoostingClassifier"),
    "HistGradientBoostingRegressor": _sheet(
        r"F = F_0 + \nu \sum_b T_b",
        ("Boosted trees for numbers on features sorted into 255 bins.",
         "特征分成 255 箱的提升树，用于回归。"),
        _FAST, _FAST_TROUBLE, (
            *_NEWTON,
            step(r"g_i = F_i - y_i,\quad h_i = 1", "Of the squared loss:", "平方损失的："),
        ), "bins", "HistGradientBoostingClassifier GradientBoostingRegressor"),
    "AdaBoostClassifier": _sheet(
        r"\hat{y}(x) = \arg\max_k \sum_b \alpha_b [T_b(x) = k]",
        ("Small trees, each on samples weighted up where those before were wrong.",
         "小树逐棵训练，之前分错的样本权重加大。"),
        ("Where single stumps already say a little, and data are clean.",
         "单个树桩已略好于乱猜、且数据干净的场合。"),
        ("Wrong labels and outliers get ever more weight.", "标错的样本与离群点权重会不断增大。"),
        (
            step(r"L = \sum_i w_i e^{\alpha [T_i \ne y_i]}\ e^{-\alpha/2} = W \left((1 - "
                 r"\varepsilon) e^{-\alpha/2} + \varepsilon e^{\alpha/2}\right)",
                 "The exponential loss of one more tree with error share ε, for two classes:",
                 "再加一棵错误率为 ε 的树时的指数损失（两类）："),
            step(r"\frac{dL}{d\alpha} = 0 \Rightarrow \alpha = \ln\frac{1 - \varepsilon}"
                 r"{\varepsilon}",
                 "Its minimum is the tree's weight; with K classes ln(K − 1) is added:",
                 "其最小点就是该树的权重；K 类时再加 ln(K − 1)："),
            step(r"w_i \leftarrow w_i e^{\alpha [T_i \ne y_i]}",
                 "What was wrong weighs more in the next tree:", "分错的样本下一次权重更大："),
        ), "weights", "AdaBoostRegressor GradientBoostingClassifier"),
    "AdaBoostRegressor": _sheet(
        r"\hat{y}(x) = \text{weighted median of } T_b(x)",
        ("Boosting of numbers: samples with large errors are drawn more often (R2).",
         "回归的提升：误差大的样本更常被抽到（R2）。"),
        ("A robust answer from many small trees.", "由许多小树给出稳健的回答。"),
        ("Outliers are drawn ever more often.", "离群点会越来越常被抽到。"),
        (
            step(r"\beta = \frac{\bar{L}}{1 - \bar{L}},\quad w_i \leftarrow w_i \beta^{1 - L_i}",
                 "L_i is the error in parts of the largest, L̄ its weighted mean; small errors lose "
                 "weight, and ln(1/β) is the weight of the tree:",
                 "L_i 是误差与最大误差之比，L̄ 是其加权平均；误差小的样本权重下降，"
                 "树的权重为 ln(1/β)："),
        ), "weights", "AdaBoostClassifier GradientBoostingRegressor"),
}  # fmt: skip

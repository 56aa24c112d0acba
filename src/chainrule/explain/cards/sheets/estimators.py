"""Linear models, support vectors, neighbours, networks as estimators."""

from chainrule.explain.cards.sheet import Sheet, Step, step, told


def _sheet(
    formula: str, summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str],
    steps: tuple[Step, ...], picture: str, related: str, note: str = "",
) -> Sheet:  # fmt: skip
    return told(use, trouble, summary=summary, formula=formula, steps=steps, rule="fitted",
                picture=f"estimator:{picture}", related=related, note=note)  # fmt: skip


_SOFT = (
    step(
        r"\rho_j = \frac{1}{n} x_j^{\top} (y - \sum_{k \ne j} x_k w_k)",
        "Coordinate by coordinate: what feature j explains of what the others leave:",
        "逐坐标：其余特征剩下的部分中，特征 j 能解释多少：",
    ),
)
_DUAL = (
    step(
        r"\min \frac{1}{2} \|w\|^2 + C \sum_i \xi_i,\quad y_i (w^{\top} x_i + b) \ge 1 - \xi_i,"
        r"\quad \xi_i \ge 0",
        "The widest margin; ξ is by how much a sample violates it:",
        "间隔最大；ξ 是样本违反间隔的程度：",
    ),
    step(
        r"\frac{\partial \Lambda}{\partial w} = 0 \Rightarrow w = \sum_i \alpha_i y_i x_i,\quad "
        r"\frac{\partial \Lambda}{\partial b} = 0 \Rightarrow \sum_i \alpha_i y_i = 0,\quad "
        r"\frac{\partial \Lambda}{\partial \xi_i} = 0 \Rightarrow \alpha_i \le C",
        "With a multiplier α for each condition, the Lagrangian Λ is flat where",
        "对每个约束引入乘子 α，拉格朗日函数 Λ 的驻点满足",
    ),
    step(
        r"\max_\alpha \sum_i \alpha_i - \frac{1}{2} \sum_{i, j} \alpha_i \alpha_j y_i y_j K(x_i, "
        r"x_j),\quad 0 \le \alpha_i \le C,\quad \sum_i \alpha_i y_i = 0",
        "The dual: samples appear in products only, which a kernel K may replace:",
        "对偶问题：样本只以内积出现，可换成核函数 K：",
    ),
    step(
        r"\alpha_i = 0 \Rightarrow y_i f_i \ge 1,\quad 0 < \alpha_i < C \Rightarrow y_i f_i = 1,"
        r"\quad \alpha_i = C \Rightarrow y_i f_i \le 1",
        "At the optimum (KKT); only samples with α > 0, the support vectors, count:",
        "最优处的 KKT 条件；只有 α > 0 的样本（支持向量）起作用：",
    ),
    step(
        r"\alpha_2 \leftarrow \alpha_2 + \frac{y_2 (E_1 - E_2)}{K_{11} + K_{22} - 2 K_{12}}",
        "SMO moves two α at a time along their sum, E = f − y, and clips to [0, C]:",
        "SMO 每次沿和不变的方向移动两个 α（E = f − y），再截断到 [0, C]：",
    ),
)
_COORDINATE = step(
    r"\alpha_i \leftarrow \min\left(\max\left(\alpha_i - \frac{G}{Q_{i i}}, 0\right), "
    r"U\right),\quad w = \sum_i \alpha_i y_i x_i",
    "The dual one α at a time (G its slope, U its bound); w is kept up to date, so that a step "
    "costs one sample:",
    "对偶问题逐个更新 α（G 为斜率，U 为上界）；同时维护 w，一步只涉及一个样本：",
)
_NEAR_TROUBLE = (
    "Keeps all samples and compares with them when asked; in many dimensions all are about "
    "equally far (shrink with PCA first); scales of the features matter.",
    "保存全部样本，预测时逐一比较；维数高时各点距离相近（可先用 PCA 降维）；特征尺度影响很大。",
)
_NET = (
    step(
        r"\theta \leftarrow \theta - \eta \frac{\partial L}{\partial \theta}",
        "Batches, an optimiser and backpropagation, as everywhere in this library:",
        "小批量、优化器与反向传播，与本库其他地方相同：",
    ),
)
_NET_USE = (
    "Any nn.Module in scikit-learn's pipelines and searches.",
    "把任意 nn.Module 用在 scikit-learn 的流水线与搜索中。",
)
_NET_TROUBLE = (
    "Needs scaled features, more samples and more settings than the classical estimators.",
    "需要缩放特征，样本与超参数都比经典估计器多。",
)

SHEETS: dict[str, Sheet] = {
    "LinearRegression": _sheet(
        r"\hat{y} = X w + b",
        ("The line (plane) of least squared residuals.", "残差平方和最小的直线（平面）。"),
        ("The first model to try; its coefficients can be read.", "首先尝试的模型，系数可解读。"),
        ("Features that nearly repeat each other make w huge (see Ridge); outliers count squared.",
         "特征近似共线时 w 极大（见 Ridge）；离群点以平方计入。"),
        (
            step(r"L = \|y - X w\|^2,\quad \frac{\partial L}{\partial w} = -2 X^{\top} (y - X w) "
                 r"= 0", "The gradient is zero where residuals are perpendicular to all features:",
                 "梯度为零，即残差与所有特征正交："),
            step(r"X^{\top} X w = X^{\top} y \Rightarrow w = (X^{\top} X)^{-1} X^{\top} y",
                 "The normal equations (solved through an orthogonal factor, X centred for b):",
                 "正规方程（用正交分解求解；为求 b 先将 X 中心化）："),
        ), "least_squares", "Ridge Lasso mse_loss"),
    "Ridge": _sheet(
        r"\min_w \|y - X w\|^2 + \lambda \|w\|^2",
        ("Least squares that keeps the coefficients small.", "使系数保持较小的最小二乘。"),
        ("Many features, or features that resemble each other.", "特征多或彼此相近时。"),
        ("No coefficient becomes 0; features must be scaled, λ must be chosen.",
         "系数不会变成 0；特征须缩放，λ 要选择。"),
        (
            step(r"-2 X^{\top} (y - X w) + 2 \lambda w = 0 \Rightarrow w = (X^{\top} X + \lambda "
                 r"I)^{-1} X^{\top} y",
                 "λ on the diagonal makes the matrix invertible:",
                 "对角线加上 λ，矩阵总可逆："),
            step(r"w = \sum_k \frac{\sigma_k}{\sigma_k^2 + \lambda} (u_k^{\top} y) v_k",
                 "In singular vectors: directions of little variance are shrunk most:",
                 "用奇异向量表示：方差小的方向收缩最多："),
        ), "ridge", "LinearRegression Lasso weight_decay"),
    "Lasso": _sheet(
        r"\min_w \frac{1}{2n} \|y - X w\|^2 + \lambda \|w\|_1",
        ("Least squares that sets coefficients to exactly 0.", "能使部分系数恰为 0 的最小二乘。"),
        ("To choose among many features.", "在众多特征中挑选。"),
        ("Of two like features it keeps one, by chance; what stays is shrunk, too.",
         "两个相近特征只随意保留一个；留下的系数也被缩小。"),
        (
            *_SOFT,
            step(r"a_j w_j - \rho_j + \lambda \operatorname{sign}(w_j) = 0 \Rightarrow w_j = "
                 r"\frac{\operatorname{sign}(\rho_j) \max(0, |\rho_j| - \lambda)}{a_j}",
                 "a_j = ‖x_j‖²/n; where |ρ_j| ≤ λ no sign fits, and w_j is 0 (soft threshold):",
                 "a_j = ‖x_j‖²/n；|ρ_j| ≤ λ 时没有符号能成立，w_j 为 0（软阈值）："),
        ), "lasso", "ElasticNet Ridge l1"),
    "ElasticNet": _sheet(
        r"\min_w \frac{1}{2n} \|y - X w\|^2 + \lambda r \|w\|_1 + \frac{\lambda (1 - r)}{2} "
        r"\|w\|^2",
        ("Lasso and ridge at once; r is l1_ratio.", "同时使用 Lasso 与岭；r 即 l1_ratio。"),
        ("Groups of like features: kept or dropped together.", "成组的相近特征：同留同去。"),
        ("Two numbers to choose.", "要选择两个超参数。"),
        (
            *_SOFT,
            step(r"w_j = \frac{\operatorname{sign}(\rho_j) \max(0, |\rho_j| - \lambda r)}{a_j + "
                 r"\lambda (1 - r)}",
                 "Soft threshold above, the ridge below the line (a_j = ‖x_j‖²/n):",
                 "分子为软阈值，分母为岭（a_j = ‖x_j‖²/n）："),
        ), "elastic", "Lasso Ridge l1 weight_decay"),
    "LogisticRegression": _sheet(
        r"P(y = 1 \mid x) = \sigma(w^{\top} x + b)",
        ("A linear model of the log-odds.", "对数几率的线性模型。"),
        ("Probabilities that can be read, in a convex problem.", "可解读的概率，优化问题是凸的。"),
        ("Straight borders; where classes can be separated, w grows for ever unless regularised.",
         "边界是直线；类别可分时若不加正则 w 会无限增大。"),
        (
            step(r"L = -\sum_i \left(y_i \ln p_i + (1 - y_i) \ln(1 - p_i)\right)",
                 "Cross-entropy of p = σ(z), z = w·x + b:", "p = σ(z)、z = w·x + b 的交叉熵："),
            step(r"\frac{\partial L}{\partial z_i} = p_i - y_i \Rightarrow \frac{\partial L}"
                 r"{\partial w} = X^{\top} (p - y)",
                 "σ′ = σ(1 − σ) cancels:", "σ′ = σ(1 − σ) 恰好约去："),
            step(r"H = X^{\top} S X,\quad S = \operatorname{diag}(p (1 - p)),\quad w \leftarrow "
                 r"w - H^{-1} \frac{\partial L}{\partial w}",
                 "H has no negative eigenvalue, so there is one minimum; Newton's step:",
                 "H 半正定，因此只有一个最小值；牛顿步："),
        ), "logistic", "sigmoid binary_cross_entropy_with_logits LinearRegression"),
    "SVC": _sheet(
        r"\hat{y}(x) = \operatorname{sign}\left(\sum_i \alpha_i y_i K(x_i, x) + b\right)",
        ("The border with the widest margin, in the space of a kernel.",
         "核空间中间隔最大的分界。"),
        ("Up to some ten thousand samples, with more features than samples too.",
         "样本不超过几万；特征多于样本时也可用。"),
        ("Time grows with the square of the samples; C and gamma must be searched; no "
         "probabilities of its own. Scale the features.",
         "耗时随样本数平方增长；C 与 gamma 需搜索；本身不给概率。特征须缩放。"),
        _DUAL, "margin", "SVR hinge_loss LogisticRegression"),
    "SVR": _sheet(
        r"\hat{y}(x) = \sum_i (\alpha_i - \alpha_i^{\ast}) K(x_i, x) + b",
        ("A tube of width ε around the function; only samples outside it count.",
         "在函数周围取宽 ε 的管道，只有管外样本计入。"),
        ("Smooth functions of a few features with some outliers.",
         "少量特征、带有离群点的光滑函数。"),
        ("As SVC: the square of the samples; C, gamma and epsilon to choose.",
         "同 SVC：样本数的平方；要选 C、gamma、epsilon。"),
        (
            step(r"\ell_i = \max(0, |y_i - f_i| - \varepsilon)",
                 "Errors below ε cost nothing:", "小于 ε 的误差不计："),
            step(r"\max -\frac{1}{2} \sum_{i, j} \beta_i \beta_j K_{i j} + \sum_i y_i \beta_i - "
                 r"\varepsilon \sum_i |\beta_i|,\quad |\beta_i| \le C,\quad \sum_i \beta_i = 0",
                 "The dual in β = α − α*; β is 0 within the tube:",
                 "以 β = α − α* 写的对偶；管内 β 为 0："),
        ), "tube", "SVC huber_loss"),
    "LinearSVC": _sheet(
        r"\min_w \frac{1}{2} \|w\|^2 + C \sum_i \max(0, 1 - y_i w^{\top} x_i)^2",
        ("The widest margin without a kernel, one class against the rest.",
         "不用核的最大间隔，一类对其余。"),
        ("Many samples or many sparse features, such as texts: time grows in step with them.",
         "样本多，或特征多而稀疏（如文本）：耗时随样本数线性增长。"),
        ("Straight borders only; the intercept is regularised with the rest; scale the features.",
         "只有直线边界；截距也被正则化；特征须缩放。"),
        (_COORDINATE,
         step(r"G = y_i w^{\top} x_i - 1 + \frac{\alpha_i}{2 C},\quad Q_{i i} = x_i^{\top} x_i + "
              r"\frac{1}{2 C}",
              "Of the squared hinge; for the plain hinge without 1/(2C), and α ≤ C:",
              "平方合页损失的；普通合页损失则去掉 1/(2C)，且 α ≤ C：")),
        "margin", "SVC LinearSVR LogisticRegression"),
    "LinearSVR": _sheet(
        r"\min_w \frac{1}{2} \|w\|^2 + C \sum_i \max(0, |y_i - w^{\top} x_i| - \varepsilon)",
        ("A straight tube of width ε; only samples outside it count.",
         "宽 ε 的直管道，只有管外样本计入。"),
        ("Many samples, with outliers.", "样本多且有离群点。"),
        ("Straight functions only; scale the features, choose C and epsilon.",
         "只能拟合直线；特征须缩放，要选 C 与 epsilon。"),
        (_COORDINATE,
         step(r"\frac{\partial \ell_i}{\partial w} = -\operatorname{sign}(y_i - w^{\top} x_i) "
              r"x_i\,[|y_i - w^{\top} x_i| > \varepsilon]",
              "Outside the tube every sample pulls equally hard:",
              "管外每个样本的拉力相同：")),
        "tube", "SVR LinearSVC huber_loss"),
    "KNeighborsClassifier": _sheet(
        r"\hat{y}(x) = \arg\max_c \sum_{i \in N_k(x)} w_i [y_i = c]",
        ("The k nearest samples vote.", "最近的 k 个样本投票。"),
        ("A first try without any training; borders of any form.",
         "无需训练的首次尝试；边界可为任意形状。"),
        _NEAR_TROUBLE,
        (
            step(r"\|a - b\|^2 = \|a\|^2 + \|b\|^2 - 2 a^{\top} b",
                 "All distances from one product of matrices:", "一次矩阵乘法得到全部距离："),
            step(r"P(c \mid x) \approx \frac{k_c / (n_c V)\, n_c / n}{k / (n V)} = \frac{k_c}{k}",
                 "Why a vote: in a ball of volume V around x with k samples, k_c of class c, the "
                 "rule of Bayes gives",
                 "为何投票：x 周围体积 V 的球内有 k 个样本，其中 k_c 个为 c 类，由贝叶斯公式"),
        ), "vote", "KNeighborsRegressor DecisionTreeClassifier"),
    "KNeighborsRegressor": _sheet(
        r"\hat{y}(x) = \frac{\sum_{i \in N_k(x)} w_i y_i}{\sum_{i \in N_k(x)} w_i}",
        ("The mean of the k nearest samples.", "最近 k 个样本的平均。"),
        ("Functions without a formula in few dimensions.", "低维、没有公式的函数。"),
        _NEAR_TROUBLE,
        (
            step(r"\frac{d}{dc} \sum_{i \in N_k} w_i (y_i - c)^2 = 0 \Rightarrow c = \frac{\sum "
                 r"w_i y_i}{\sum w_i}",
                 "The constant that fits the neighbourhood best:", "最适合该邻域的常数："),
        ), "near_mean", "KNeighborsClassifier"),
    "NeuralClassifier": _sheet(
        r"p = \operatorname{softmax}(f_\theta(x))",
        ("A network trained by the library, as an estimator for classes.",
         "由本库训练的网络，作为分类估计器。"),
        _NET_USE, _NET_TROUBLE, (
            step(r"\frac{\partial L}{\partial z} = p - y",
                 "Softmax with cross-entropy begins the way back:",
                 "反向传播从 softmax 与交叉熵开始："), *_NET,
        ), "network", "NeuralRegressor CrossEntropyLoss Adam"),
    "NeuralRegressor": _sheet(
        r"\hat{y} = f_\theta(x)",
        ("A network trained by the library, as an estimator for numbers.",
         "由本库训练的网络，作为回归估计器。"),
        _NET_USE, _NET_TROUBLE, (
            step(r"L = \frac{1}{n} \sum_i (\hat{y}_i - y_i)^2 \Rightarrow \frac{\partial L}"
                 r"{\partial \hat{y}_i} = \frac{2}{n} (\hat{y}_i - y_i)",
                 "Mean squared error begins the way back:", "反向传播从均方误差开始："), *_NET,
        ), "network", "NeuralClassifier MSELoss Adam"),
}  # fmt: skip

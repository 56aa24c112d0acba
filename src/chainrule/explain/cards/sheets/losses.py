"""Losses of regression and classification (001 六, 003 §4 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_X, _Y = [1.0, 2.0, 4.0], [1.5, 2.0, 1.0]
_SCORES, _CLASS = [[2.0, 1.0, 0.0]], [0]
_CHANCE = [0.9, 0.2, 0.6]

SHEETS: dict[str, Sheet] = {
    "mse_loss": told(
        (
            "Regression where errors are roughly normal, where it is the best estimate: simple, "
            "symmetric, 0 only for equal values, convex for linear models and often solved in "
            "closed form, smooth; unchanged by rotations such as Fourier's (Parseval).",
            "误差近似正态的回归，此时统计意义上最优：形式简单，非负、对称，仅当相等时为 0；对线性"
            "模型是凸问题，常有解析解，处处可导；换到傅里叶等表示域误差不变（帕萨瓦尔等式）。",
        ),
        (
            "Outliers dominate, for the pull grows with the error. Behind a sigmoid or softmax the "
            "gradient holds σ′(z), nearly 0 where the output is very wrong: learning starts "
            "slowly. "
            "It ignores the order and the sign of errors.",
            "误差越大拉力越大，离群点会起支配作用。接在 sigmoid 或 softmax 之后时梯度含 σ′(z)，输"
            "出接近 0 或 1 时几乎为零，"
            "开始时学得很慢。它也不考虑误差的空间、时间顺序和符号。",
        ),
        steps=(
            step(r"L = \frac{1}{n} \sum_i (x_i - y_i)^2"),
            step(
                r"\frac{\partial L}{\partial x_i} = \frac{2 (x_i - y_i)}{n},\quad "
                r"\frac{\partial L}{\partial y_i} = -\frac{2 (x_i - y_i)}{n}"
            ),
        ),
        gradients={
            "input": "g * 2 * (input - target) / n",
            "target": "-g * 2 * (input - target) / n",
        },
        rule="spread",
        example=(_X, _Y),
        related="l1_loss huber_loss rmse_loss quadratic_loss",
        note="003 §4.2.2",
    ),
    "l1_loss": told(
        (
            "Regression with outliers: every miss pulls equally hard, so few wild points do not "
            "decide. The best constant is the median.",
            "含离群点的回归：无论偏差多大拉力相同，鲁棒性比 L2 好；最优常数是中位数。",
        ),
        (
            "The gradient does not shrink near the goal, so the steps must; not differentiable "
            "at 0, "
            "and the solution need not be unique.",
            "接近目标时梯度不变小，必须减小步长；在 0 处不可导；解不稳定，也可能不唯一。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x_i} = \frac{\operatorname{sign}(x_i - y_i)}{n}",
                "The slope of |d| is its sign, 0 at 0:",
                "|d| 的斜率是它的符号，在 0 处取 0：",
            ),
        ),
        gradients={
            "input": "g * sign(input - target) / n",
            "target": "-g * sign(input - target) / n",
        },
        rule="spread",
        example=(_X, _Y),
        related="mse_loss smooth_l1_loss huber_loss",
        note="003 §4.2.1",
    ),
    "smooth_l1_loss": told(
        (
            "Box regression in detection: L2 near the goal, L1 far off, so gradients are bounded.",
            "目标检测的边框回归：近处是 L2，远处是 L1，梯度有界，训练不易发散。",
        ),
        (
            "beta decides what counts as far, in the unit of the target; at beta = 0 it is L1.",
            "beta 以目标的单位规定多远算“远”；beta = 0 时就是 L1。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x_i} = \frac{1}{n}\begin{cases} d_i / \beta & "
                r"|d_i| < \beta \\ \operatorname{sign}(d_i) & \text{otherwise} \end{cases},"
                r"\quad d = x - y"
            ),
        ),
        gradients={
            "input": "g * where(abs(input - target) < beta, (input - target) / beta, "
            "sign(input - target)) / n",
            "target": "-g * where(abs(input - target) < beta, (input - target) / beta, "
            "sign(input - target)) / n",
        },
        rule="spread",
        example=(_X, _Y),
        related="huber_loss l1_loss mse_loss",
        note="003 §4.2.1",
    ),
    "huber_loss": told(
        (
            "Regression with some outliers; delta is the error from which a point counts as one.",
            "含少量离群点的回归；delta 是把一个点视为离群点的误差界限。",
        ),
        (
            "delta must fit the noise; huber = delta · smooth L1 with beta = delta.",
            "delta 要与噪声水平相配；huber 等于 delta 乘以 beta = delta 的 smooth L1。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x_i} = \frac{1}{n}\begin{cases} d_i & |d_i| \le "
                r"\delta \\ \delta \operatorname{sign}(d_i) & \text{otherwise} \end{cases}"
            ),
        ),
        gradients={
            "input": "g * where(abs(input - target) <= delta, input - target, "
            "delta * sign(input - target)) / n",
            "target": "-g * where(abs(input - target) <= delta, input - target, "
            "delta * sign(input - target)) / n",
        },
        rule="spread",
        example=(_X, _Y),
        related="smooth_l1_loss mse_loss l1_loss",
    ),
    "quadratic_loss": told(
        (
            "The notes' CNN and MLP derivations: δ at the output is (h − y)·f′(u).",
            "笔记中 CNN 与 MLP 的推导：输出层残差 δ = (h − y)·f′(u)。",
        ),
        (
            "As the MSE's: with sigmoid outputs the factor f′(u) stalls learning where it "
            "saturates.",
            "与 MSE 相同：输出层用 sigmoid 时，因子 f′(u) 在饱和处使学习停滞。",
        ),
        steps=(
            step(
                r"J = \frac{1}{2} \sum_k (h_k - y_k)^2 \Rightarrow \frac{\partial J}"
                r"{\partial h_k} = h_k - y_k"
            ),
        ),
        gradients={
            "input": r"g \cdot \frac{h - y}{N}",
            "target": r"-g \cdot \frac{h - y}{N}",
        },
        rule="spread",
        example=([_X], [_Y]),
        related="mse_loss cross_entropy",
        note="001 (3-8), 六",
    ),
    "rmse_loss": told(
        ("To report a regression error in the unit of the target.", "以目标的单位报告回归误差。"),
        (
            "As a loss its gradient grows without bound near 0 error (0/0 at 0, taken as 0).",
            "作损失时，误差接近 0 处梯度形如 0/0（这里取 0），方向不稳定。",
        ),
        steps=(
            step(
                r"L = \sqrt{M} \Rightarrow \frac{\partial L}{\partial x_i} = "
                r"\frac{1}{2\sqrt{M}} \cdot \frac{2 d_i}{n} = \frac{d_i}{n L}"
            ),
        ),
        gradients={
            "input": "g * (input - target) / (n * y)",
            "target": "-g * (input - target) / (n * y)",
        },
        rule="spread",
        example=(_X, _Y),
        related="mse_loss",
        note="003 §4.2.2",
    ),
    "kl_div": told(
        (
            "To bring one distribution to another: distillation, variational nets, t-SNE.",
            "使一个分布接近另一个：知识蒸馏、变分网络、t-SNE。",
        ),
        (
            "Takes log-probabilities as input; reduction='mean' divides by the classes as well, "
            "'batchmean' is the divergence. Infinite where target > 0 and the input's share is 0.",
            "输入必须是对数概率；reduction='mean' 还会除以类别数，'batchmean' "
            "才是真正的散度。target > 0 而输入概率为 0 处为无穷。",
        ),
        steps=(
            step(
                r"L = \sum_i y_i (\ln y_i - x_i) \Rightarrow \frac{\partial L}{\partial x_i} "
                r"= -y_i"
            ),
        ),
        gradients={
            "input": "-g * target / n",
            "target": "g * (log(target) + 1 - input) / n",
        },
        rule="spread",
        example=([-0.5, -1.2, -2.0], [0.6, 0.3, 0.1]),
        related="cross_entropy nll_loss",
    ),
    "binary_cross_entropy": told(
        (
            "Two classes, from probabilities: autoencoders, several labels at once.",
            "由概率计算的二分类损失：自编码器、多标签分类。",
        ),
        (
            "Infinite at p = 0 or 1 (logs are held at −100, as in PyTorch). From scores take the "
            "form "
            "with logits: it is exact there.",
            "p 为 0 或 1 时为无穷（与 PyTorch 一样把对数限制在 −100）。已有得分时请用 "
            "with_logits 形式，它不丢精度。",
        ),
        steps=(
            step(r"L = -[y \ln p + (1 - y) \ln(1 - p)]"),
            step(
                r"\frac{\partial L}{\partial p} = -\frac{y}{p} + \frac{1 - y}{1 - p} = "
                r"\frac{p - y}{p (1 - p)}"
            ),
            step(
                r"p = \sigma(z):\ \frac{\partial L}{\partial z} = \frac{p - y}{p(1 - p)} "
                r"\cdot p (1 - p) = p - y",
                "Behind a sigmoid its slope cancels:",
                "前面接 sigmoid 时，其斜率恰好约去：",
            ),
        ),
        gradients={
            "input": "g * weight * (input - target) / (input * (1 - input)) / n",
            "target": "g * weight * (log(1 - input) - log(input)) / n",
            "weight": "-g * (target * log(input) + (1 - target) * log(1 - input)) / n",
        },
        rule="spread",
        example=(_CHANCE, [1.0, 0.0, 1.0]),
        related="binary_cross_entropy_with_logits sigmoid cross_entropy",
        note="001 (2-4), (2-5); 003 §4.1.2",
    ),
    "binary_cross_entropy_with_logits": told(
        (
            "Two classes or several labels, from scores; pos_weight balances rare positives.",
            "由得分计算的二分类或多标签损失；pos_weight 用来平衡稀少的正样本。",
        ),
        (
            "Many easy negatives drown the few positives (focal_loss). It learns what divides the "
            "classes, not compact features.",
            "大量易分的负样本会淹没少数正样本（可用 focal_loss）。它学习类间差异，得到的特征比较"
            "散。",
        ),
        steps=(
            step(r"L = (1 - y) z + \ln(1 + e^{-z})"),
            step(
                r"\frac{\partial L}{\partial z} = (1 - y) - \frac{e^{-z}}{1 + e^{-z}} = "
                r"\sigma(z) - y",
                "Large where the model is wrong, small where it is right:",
                "误差大时梯度大，误差小时梯度小：",
            ),
        ),
        gradients={
            "input": "g * weight * ((1 + (pos_weight - 1) * target) * sigmoid(input) - "
            "pos_weight * target) / n",
            "target": "g * weight * ((pos_weight - 1) * log(1 + exp(-input)) - input) / n",
            "weight": "g * ((1 - target) * input + (1 + (pos_weight - 1) * target) * "
            "log(1 + exp(-input))) / n",
            "pos_weight": "g * weight * target * log(1 + exp(-input)) / n",
        },
        rule="spread",
        example=([2.0, -1.0, 0.5], [1.0, 0.0, 0.0]),
        related="binary_cross_entropy sigmoid focal_loss",
        note="001 (2-6); 003 §4.1",
    ),
    "focal_loss": told(
        (
            "One-stage detection: thousands of easy background places against a few objects.",
            "单阶段目标检测：成千上万的易分背景与少数目标。",
        ),
        (
            "Two more numbers to choose (α, γ); noisy labels are hard examples too, and it chases "
            "them. γ = 0 without α is the cross-entropy.",
            "多了 α、γ 两个超参数；标错的样本也是“难样本”，会被它紧追不放。γ = 0 且无 α 时即交叉"
            "熵。",
        ),
        steps=(
            step(
                r"FL = -\alpha_t (1 - p_t)^\gamma \ln p_t,\quad p_t = \begin{cases} p & y = 1 "
                r"\\ 1 - p & y = 0 \end{cases}"
            ),
            step(
                r"\frac{\partial FL}{\partial p_t} = \alpha_t \left[\gamma (1 - p_t)^{\gamma "
                r"- 1} \ln p_t - \frac{(1 - p_t)^\gamma}{p_t}\right]",
                "By the product rule:",
                "用乘积的求导法则：",
            ),
            step(
                r"\frac{\partial p_t}{\partial z} = \pm p_t (1 - p_t) \Rightarrow "
                r"\frac{\partial FL}{\partial z} = \pm \alpha_t (1 - p_t)^\gamma \left[\gamma "
                r"p_t \ln p_t - (1 - p_t)\right]"
            ),
            step(
                r"p_t = p y + (1 - p)(1 - y),\quad \alpha_t = \alpha y + (1 - \alpha)(1 - y),\quad "
                r"c = -y \ln p - (1 - y) \ln(1 - p)",
                "Between the labels 0 and 1 the same runs over shares, and the target has a "
                "gradient too:",
                "标签介于 0 与 1 之间时按比例混合，目标也有梯度：",
            ),
        ),
        gradients={
            "input": r"\pm g\,\alpha_t (1 - p_t)^\gamma \left[\gamma\, p_t \ln p_t - "
            r"(1 - p_t)\right] / n",
            "target": r"\frac{g}{n} \left[\left((2 \alpha - 1)(1 - p_t) - \gamma \alpha_t (2 p - "
            r"1)\right)(1 - p_t)^{\gamma - 1} c - \alpha_t (1 - p_t)^\gamma z\right]",
        },
        rule="spread",
        example=([2.0, -1.0, 0.5], [1.0, 0.0, 0.0]),
        related="binary_cross_entropy_with_logits softmax_focal_loss",
        note="003 §4.1.3",
    ),
    "nll_loss": told(
        (
            "Classes, from log-probabilities: behind log_softmax.",
            "由对数概率计算的分类损失：接在 log_softmax 之后。",
        ),
        (
            "Given probabilities instead of their logarithms it runs and learns nothing sensible.",
            "若误给概率而不是对数概率，程序照样运行，却学不到东西。",
        ),
        steps=(
            step(
                r"L = -\frac{1}{W} \sum_n w_{y_n} x_{n, y_n},\quad W = \sum_n w_{y_n} \Rightarrow "
                r"\frac{\partial L}{\partial x_{n,c}} = -\frac{w_{y_n}}{W}[c = y_n]",
                "Without weights every w is 1 and W = N:",
                "没有权重时各 w 为 1，W = N：",
            ),
        ),
        gradients={
            "input": r"-\frac{g\, w_{y_n}}{W}\,[c = y_n]",
            "weight": r"-\frac{g}{W} \sum_{n:\ y_n = c} (x_{n,c} + L)",
        },
        rule="route",
        example=([[-0.4, -1.4, -2.4]], _CLASS),
        related="cross_entropy log_softmax",
    ),
    "softmax_cross_entropy": told(
        (
            "The inside of cross_entropy for class indices: softmax and loss in one pass.",
            "cross_entropy 在类别下标情形下的内部实现：softmax 与损失一次算完。",
        ),
        (
            "It keeps the probabilities for the way back: N × C numbers.",
            "要为反向保存概率：N × C 个数。",
        ),
        steps=(
            step(r"L = \ln \sum_j e^{s_j} - s_y"),
            step(
                r"\frac{\partial L}{\partial s_i} = \frac{e^{s_i}}{\sum_j e^{s_j}} - [i = y] "
                r"= p_i - y_i"
            ),
        ),
        gradients={"input": r"g\,(p - y) / N"},
        rule="spread",
        example=(_SCORES, _CLASS),
        related="cross_entropy softmax",
        note="002; 003 §4.1.1",
    ),
    "cross_entropy": told(
        (
            "Classification into several classes, from scores (logits). Wrong and sure costs most, "
            "and learns fastest.",
            "多分类的标准损失，输入为得分（logits）。错得越离谱，偏导 p − y 越大，学得越快。",
        ),
        (
            "It cares for the right class's share alone: features come out separable, not compact, "
            "which is too little for open sets such as faces. The last layer grows with the "
            "number of "
            "classes. Do not put a softmax before it.",
            "只关心正确类别的概率，特征可分但比较散，对人脸识别这类开放集不够用；类别越多，最后一"
            "层参数越多。前面不要再接 softmax。",
        ),
        formula=r"L = -\frac{1}{N} \sum_n \ln \frac{e^{s_{n, y_n}}}{\sum_j e^{s_{n, j}}}",
        steps=(
            step(
                r"L = -\sum_j y_j \ln p_j,\quad \frac{\partial L}{\partial p_j} = "
                r"-\frac{y_j}{p_j}"
            ),
            step(
                r"\frac{\partial L}{\partial s_i} = \sum_j -\frac{y_j}{p_j} \cdot p_j(\delta_{ij} "
                r"- p_i) = -y_i + p_i \sum_j y_j",
                "With the Jacobian of softmax:",
                "代入 softmax 的雅可比矩阵：",
            ),
            step(r"\sum_j y_j = 1 \Rightarrow \frac{\partial L}{\partial s} = p - y"),
            step(
                r"\frac{\partial L}{\partial w_i} = (p_i - y_i)\, x,\quad "
                r"\frac{\partial L}{\partial b_i} = p_i - y_i",
                "For the weights of the last layer; with the MSE a factor σ′(z) would stand here:",
                "对最后一层的权重；若用 MSE，这里会多一个因子 σ′(z)：",
            ),
        ),
        gradients={"input": r"g\,(p - y) / N"},
        summary=(
            "−log softmax(input)[y]: the surprise at the right class. Its gradient is p − y.",
            "−log softmax(input)[y]：对正确类别的“惊讶”。梯度就是 p − y。",
        ),
        rule="spread",
        example=(_SCORES, _CLASS),
        related="softmax nll_loss binary_cross_entropy_with_logits softmax_focal_loss",
        note="001 (2-5); 002; 003 §4.1.1",
    ),
    "softmax_focal_loss": told(
        ("Focal loss for several classes of unequal size.", "类别数量悬殊的多分类 focal loss。"),
        (
            "As focal_loss: γ and α to choose, and mislabelled examples weigh most.",
            "与 focal_loss 相同：要选 γ 与 α，标错的样本权重最大。",
        ),
        formula=r"L = -\alpha_y (1 - p_y)^\gamma \ln p_y,\quad p = \operatorname{softmax}(s)",
        steps=(
            step(
                r"\frac{\partial L}{\partial p_y} = \alpha_y\left[\gamma (1 - p_y)^{\gamma - "
                r"1} \ln p_y - \frac{(1 - p_y)^\gamma}{p_y}\right],\quad \frac{\partial p_y}"
                r"{\partial s_i} = p_y (\delta_{iy} - p_i)"
            ),
        ),
        gradients={
            "input": r"g\,\alpha_y (1 - p_y)^{\gamma - 1}\left[\gamma\, p_y \ln p_y - "
            r"(1 - p_y)\right](\delta_{iy} - p_i) / N"
        },
        summary=(
            "A cross-entropy of several classes that loses interest in what is right already.",
            "对已经分对的样本失去兴趣的多类交叉熵。",
        ),
        rule="through",
        example=(_SCORES, _CLASS),
        related="focal_loss cross_entropy",
        note="003 §4.1.3",
    ),
    "poisson_nll_loss": told(
        ("Counts: visits, clicks, photons.", "计数数据：访问量、点击数、光子数。"),
        (
            "Assumes that the variance equals the mean; counts often scatter more. exp(input) can "
            "overflow.",
            "假定方差等于均值，而实际计数往往更分散；exp(input) 可能溢出。",
        ),
        steps=(step(r"L = e^x - y x \Rightarrow \frac{\partial L}{\partial x} = e^x - y"),),
        gradients={
            "input": "g * (exp(input) - target) / n",
            "target": "-g * input / n",
        },
        rule="spread",
        example=([0.0, 1.0, 2.0], [1.0, 2.0, 9.0]),
        related="gaussian_nll_loss",
    ),
    "gaussian_nll_loss": told(
        (
            "A net that says how sure it is: it predicts mean and variance.",
            "让网络同时给出均值和方差，说明自己有多大把握。",
        ),
        (
            "A large variance excuses any error early on, and then the mean learns slowly.",
            "训练初期可以靠增大方差“原谅”任何误差，使均值学得很慢。",
        ),
        steps=(
            step(
                r"L = \frac{1}{2}\left(\ln v + \frac{d^2}{v}\right) \Rightarrow "
                r"\frac{\partial L}{\partial x} = \frac{d}{v},\quad \frac{\partial L}"
                r"{\partial v} = \frac{1}{2}\left(\frac{1}{v} - \frac{d^2}{v^2}\right)"
            ),
        ),
        gradients={
            "input": "g * (input - target) / var / n",
            "target": "-g * (input - target) / var / n",
            "var": "g * (1 / var - (input - target)^2 / var^2) / (2 * n)",
        },
        rule="spread",
        example=(_X, _Y, [1.0, 0.5, 2.0]),
        related="mse_loss poisson_nll_loss",
    ),
}

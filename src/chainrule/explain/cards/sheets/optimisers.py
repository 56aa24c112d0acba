"""Optimisers (003 §3.4, §6 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told


def _rule(summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str], formula: str,
          *steps: object, related: str, note: str = "", picture: str = "",
          **options: object) -> Sheet:  # fmt: skip
    return told(use, trouble, summary=summary, formula=formula, steps=tuple(steps),
                rule="update", related=related, note=note, picture=picture,
                options=options)  # fmt: skip


SHEETS: dict[str, Sheet] = {
    "SGD": _rule(
        (
            "Gradient descent, with momentum if wanted: θ ← θ − lr·V.",
            "梯度下降，可带动量：θ ← θ − lr·V。",
        ),
        (
            "The baseline; with momentum 0.9 and a falling rate it often ends at the best "
            "accuracy, "
            "in vision above all. All data: BGD; one sample: SGD; a few: MBGD, usually 64 to 512.",
            "基准方法；配合 0.9 的动量和逐步下降的学习率，最终精度往往最好，视觉任务尤其如此。用"
            "全部样本为 BGD，单个样本为 SGD，"
            "小批（一般 64～512）为 MBGD。",
        ),
        (
            "One learning rate for all parameters, hard to choose: too small crawls, too large "
            "swings "
            "around the minimum. All samples in one step are slow and need much memory; single "
            "samples give noisy directions and lose vectorisation; saddle points hold it up.",
            "所有参数共用一个学习率，难以选择：太小收敛慢，太大在最小值附近来回震荡。全样本每步"
            "都慢、占内存；单样本方向噪声大，永远在最小值附近波动，失去向量化的加速；"
            "还会被鞍点拖住。",
        ),
        r"V \leftarrow \mu V + g,\quad \theta \leftarrow \theta - \alpha V",
        step(
            r"J(\theta + \Delta\theta) \approx J(\theta) + \nabla J \cdot \Delta\theta",
            "To first order, the loss falls if we step against the gradient:",
            "一阶近似下，逆着梯度走损失就下降：",
        ),
        step(
            r"\Delta\theta = -\alpha \nabla J \Rightarrow \nabla J \cdot \Delta\theta = -\alpha "
            r"|\nabla J|^2 \le 0"
        ),
        step(
            r"V_t = \sum_{i \le t} \mu^{t-i} g_i",
            "Momentum: like directions add up (to 1/(1 − μ) times), opposite ones cancel.",
            "动量：方向一致则累加（可达 1/(1 − μ) 倍），方向相反则抵消。",
        ),
        step(
            r"\text{Nesterov: } \theta \leftarrow \theta - \alpha (g + \mu V)",
            "Steps along the V that the next gradient would find.",
            "沿下一步将看到的 V 前进。",
        ),
        step(
            r"V \leftarrow \beta V + (1 - \beta) g",
            "The notes' form (momentum_form='average'): a mean, so the rate keeps its size.",
            "笔记中的形式（momentum_form='average'）：取平均，学习率的尺度不变。",
        ),
        related="Adam ExponentialMovingAverage CosineAnnealingLR",
        note="001 (1)–(8); 003 §3.4, §6.1, §6.3",
        lr=0.05,
        momentum=0.9,
    ),
    "Adagrad": _rule(
        (
            "Divides by the root of the sum of all squared gradients.",
            "除以历史梯度平方之和的平方根。",
        ),
        ("Sparse features: rare ones keep a large rate.", "稀疏特征：少见的特征保持较大的学习率。"),
        (
            "The sum only grows, so the rate falls towards 0 and learning stops early.",
            "累加和只增不减，学习率一路降向 0，训练会过早停下来。",
        ),
        r"S \leftarrow S + g^2,\quad \theta \leftarrow \theta - \frac{\alpha\, g}{\sqrt{S} + "
        r"\varepsilon}",
        step(
            r"g_t \equiv g \Rightarrow S_t = t g^2,\quad \Delta\theta_t = -\frac{\alpha}"
            r"{\sqrt{t}} \operatorname{sign}(g)",
            "For a constant gradient: the step forgets its size and falls as 1/√t.",
            "梯度恒定时：步长与梯度大小无关，按 1/√t 下降。",
        ),
        related="RMSprop Adadelta Adam",
        note="003 §6.4 (ε inside the root: eps_inside=True)",
        lr=0.8,
    ),
    "RMSprop": _rule(
        (
            "Divides by the root of a running mean of squared gradients.",
            "除以梯度平方滑动平均的平方根。",
        ),
        (
            "Recurrent nets, reinforcement learning: swings less across ravines, so the rate may "
            "be "
            "larger.",
            "循环网络、强化学习：减少抵达最小值路上的摆动，可以用更大的学习率。",
        ),
        (
            "No bias correction: the first steps are too large (√(1/(1 − α)) times). Near the "
            "minimum "
            "steps do not shrink by themselves.",
            "没有偏差修正：最初几步偏大（约 √(1/(1 − α)) 倍）。接近最小值时步长不会自行变小。",
        ),
        r"S \leftarrow \alpha S + (1 - \alpha) g^2,\quad \theta \leftarrow \theta - "
        r"\frac{\eta\, g}{\sqrt{S} + \varepsilon}",
        step(
            r"S_t = (1 - \alpha) \sum_i \alpha^{t-i} g_i^2",
            "Adagrad with a mean that forgets: about the last 1/(1 − α) steps count.",
            "把 Adagrad 的累加换成会遗忘的平均：只看最近约 1/(1 − α) 步。",
        ),
        step(r"g_i \equiv g,\ t \to \infty:\ \Delta\theta = -\eta \operatorname{sign}(g)"),
        related="Adagrad Adam ExponentialMovingAverage",
        note="003 §6.4 (ε inside the root: eps_inside=True)",
        lr=0.1,
    ),
    "Adadelta": _rule(
        (
            "Steps in the parameter's own unit, from two running means.",
            "用两个滑动平均，使步长与参数同单位。",
        ),
        ("Where no learning rate is to be chosen.", "不想挑选学习率时。"),
        (
            "Starts slowly: the mean of steps begins at 0, and ε decides how it grows.",
            "起步很慢：步长的平均从 0 开始，由 ε 决定怎样增长。",
        ),
        r"S \leftarrow \rho S + (1-\rho) g^2,\ \Delta = \frac{\sqrt{D + \varepsilon}}{\sqrt{S + "
        r"\varepsilon}}\, g,\ D \leftarrow \rho D + (1-\rho) \Delta^2,\ \theta \leftarrow \theta - "
        r"\alpha \Delta",
        step(
            r"[\Delta] = \frac{[\theta]}{[g]}\,[g] = [\theta]",
            "The ratio of the two roots has the unit θ/g, as Newton's step has:",
            "两个根之比的单位是 θ/g，与牛顿法的步长一致：",
        ),
        related="Adagrad RMSprop",
        lr=8.0,
    ),
    "Adam": _rule(
        (
            "Momentum and RMSprop together, with bias correction.",
            "动量法与 RMSprop 的结合，带偏差修正。",
        ),
        (
            "The default for most nets: smooth directions, a rate for each parameter, little "
            "tuning; "
            "works with sparse and changing objectives. The size of a step does not depend on the "
            "scale of the gradient and is bounded by about lr; it shrinks by itself where the "
            "gradient is mostly noise.",
            "大多数网络的默认选择：方向平滑，每个参数有自己的学习率，超参数很少需要调；支持稀疏梯"
            "度和不稳定的目标函数。步长不随梯度的缩放变化，受学习率限制（约为 lr），"
            "梯度多为噪声时自动退火。",
        ),
        (
            "May fail to converge and may miss the best minimum: often ends behind SGD with "
            "momentum "
            "(switch to SGD late, or let the rate fall). L2 in the gradient is scaled away: AdamW.",
            "可能不收敛，也可能错过全局最优，泛化常不如带动量的 SGD（可后期换成 SGD，或让学习率递"
            "减）。加在梯度里的 L2 会被缩放抵消：请用 AdamW。",
        ),
        r"m \leftarrow \beta_1 m + (1-\beta_1) g,\ v \leftarrow \beta_2 v + (1-\beta_2) g^2,\ "
        r"\theta \leftarrow \theta - \alpha \frac{\hat{m}}{\sqrt{\hat{v}} + \varepsilon}",
        step(
            r"m_t = (1 - \beta_1) \sum_{i \le t} \beta_1^{t-i} g_i",
            "A running mean from 0; its weights add up to 1 − β₁ᵗ only:",
            "从 0 开始的滑动平均，权重之和只有 1 − β₁ᵗ：",
        ),
        step(
            r"(1 - \beta_1) \sum_{i=1}^{t} \beta_1^{t-i} = 1 - \beta_1^t \Rightarrow \hat{m} = "
            r"\frac{m}{1 - \beta_1^t},\quad \hat{v} = \frac{v}{1 - \beta_2^t}",
            "Divided by that sum it is a true mean (bias correction).",
            "除以这个和才是真正的平均（偏差修正）。",
        ),
        step(
            r"\left|\frac{\hat{m}}{\sqrt{\hat{v}}}\right| \approx 1 \Rightarrow |\Delta\theta| "
            r"\approx \alpha",
            "The scale of the gradient cancels: the step's size is set by α.",
            "梯度的尺度约去：步长大小由 α 决定。",
        ),
        related="AdamW SGD RMSprop ExponentialMovingAverage SwitchOptimizer",
        note="003 §6.5",
        lr=0.25,
    ),
    "AdamW": _rule(
        ("Adam with weight decay beside the step.", "把权重衰减与自适应步长分开的 Adam。"),
        ("Transformers and most modern nets.", "Transformer 及多数现代网络。"),
        (
            "The decay is lr·λ: changing the rate changes it too; exempt biases and norms.",
            "实际衰减是 lr·λ，改学习率会一并改变它；偏置和归一化参数应排除。",
        ),
        r"\theta \leftarrow (1 - \alpha\lambda)\,\theta - \alpha \frac{\hat{m}}{\sqrt{\hat{v}} + "
        r"\varepsilon}",
        step(
            r"\text{Adam with L2: } g + \lambda\theta \to \frac{\lambda \theta}{\sqrt{\hat{v}}}",
            "Inside the gradient, weights with large gradients are decayed less:",
            "若放进梯度，梯度大的权重反而衰减得少：",
        ),
        step(
            r"\text{decoupled: } -\alpha\lambda\theta",
            "Beside it, all weights shrink by the same factor.",
            "分开之后，所有权重按同一比例缩小。",
        ),
        related="Adam weight_decay SGD",
        lr=0.25,
        weight_decay=0.05,
    ),
    "Adamax": _rule(
        (
            "Adam with a decayed maximum in the place of the mean square.",
            "用衰减的最大值代替均方的 Adam。",
        ),
        ("Embeddings and gradients with rare large values.", "嵌入，以及偶尔出现很大梯度的场合。"),
        (
            "One outlier holds the step down for about 1/(1 − β₂) steps.",
            "一个离群梯度会把步长压低约 1/(1 − β₂) 步。",
        ),
        r"u \leftarrow \max(\beta_2 u, |g|),\quad \theta \leftarrow \theta - \frac{\alpha}{1 - "
        r"\beta_1^t} \cdot \frac{m}{u}",
        step(
            r"\left((1-\beta_2^p) \sum_i \beta_2^{p(t-i)} |g_i|^p\right)^{1/p} \to \max_i "
            r"\beta_2^{t-i} |g_i|",
            "The p-norm in place of the square, p → ∞:",
            "用 p 范数代替平方，令 p → ∞：",
        ),
        related="Adam",
        lr=0.25,
    ),
    "NAdam": _rule(
        ("Adam with Nesterov's momentum.", "带 Nesterov 动量的 Adam。"),
        ("As Adam; often a little faster at the start.", "用途同 Adam；起步往往稍快。"),
        (
            "Its momentum follows a schedule of its own (momentum_decay).",
            "动量按自己的进度（momentum_decay）变化。",
        ),
        r"\theta \leftarrow \theta - \frac{\alpha}{\sqrt{\hat{v}} + \varepsilon}\left("
        r"\frac{(1 - \mu_t) g}{1 - \Pi_t} + \frac{\mu_{t+1} m}{1 - \Pi_{t+1}}\right)",
        step(
            r"\hat{m}_{t+1} \approx \frac{\mu_{t+1} m_t}{1 - \Pi_{t+1}} + \frac{(1 - \mu_t) g_t}"
            r"{1 - \Pi_t}",
            "The mean that the next gradient would find, were it like this one:",
            "假定下一个梯度与这次相近时将得到的平均：",
        ),
        related="Adam SGD",
        note="003 §6.5",
        lr=0.25,
    ),
    "RAdam": _rule(
        (
            "Adam that waits with its division until v can be trusted.",
            "等 v 可信之后才做除法的 Adam。",
        ),
        ("Where Adam needs a warm-up.", "Adam 需要预热学习率的场合。"),
        (
            "Its first steps are plain momentum, whose size depends on the gradient.",
            "最初几步是普通动量，步长随梯度大小而变。",
        ),
        r"\rho_t > 5:\ \theta \leftarrow \theta - \alpha\, r_t \frac{\hat{m}}{\sqrt{\hat{v}}};"
        r"\quad \text{else } \theta \leftarrow \theta - \alpha \hat{m}",
        step(
            r"\rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t},\quad \rho_\infty = "
            r"\frac{2}{1 - \beta_2} - 1",
            "How many gradients stand behind v; r_t makes its variance equal:",
            "v 背后有多少个梯度；r_t 使其方差一致：",
        ),
        step(
            r"r_t^2 = \frac{(\rho_t - 4)(\rho_t - 2)\rho_\infty}{(\rho_\infty - 4)(\rho_\infty - "
            r"2)\rho_t}"
        ),
        related="Adam LinearLR",
        lr=0.25,
    ),
    "SparseAdam": _rule(
        ("Adam for rows of tables.", "用于表中个别行的 Adam。"),
        ("Large embeddings with sparse=True.", "sparse=True 的大嵌入表。"),
        (
            "Refuses dense gradients; rows not seen keep old momentum.",
            "不接受稠密梯度；没出现的行保留旧的动量。",
        ),
        r"m_r, v_r, \theta_r \leftarrow \text{Adam, for rows } r \text{ in the gradient only}",
        step(
            r"g_r = 0 \Rightarrow \Delta\theta_r = 0",
            "Adam would move on by its momentum there.",
            "普通 Adam 在这里会凭动量继续移动。",
        ),
        related="Adam Embedding",
        lr=0.25,
    ),
    "ASGD": _rule(
        (
            "SGD with a falling rate, and the mean of all parameters.",
            "学习率递减的 SGD，并求各步参数的平均。",
        ),
        (
            "Convex problems: the mean converges faster than the last point.",
            "凸问题：平均值比最后一点收敛更快。",
        ),
        (
            "The average is in state[p]['ax'], not in the parameters; you must fetch it.",
            "平均值存放在 state[p]['ax'] 中而不在参数里，需自行取出。",
        ),
        r"\theta \leftarrow (1 - \lambda\eta)\theta - \eta g,\quad \bar{\theta} \leftarrow "
        r"\bar{\theta} + \mu_t(\theta - \bar{\theta})",
        step(
            r"\bar{\theta}_t = \frac{1}{t} \sum_i \theta_i \Rightarrow \bar{\theta}_t = "
            r"\bar{\theta}_{t-1} + \frac{1}{t}(\theta_t - \bar{\theta}_{t-1})"
        ),
        related="SGD",
        lr=0.1,
    ),
    "Rprop": _rule(
        (
            "Only the sign of the gradient; each entry has its own step.",
            "只看梯度的符号；每个元素有自己的步长。",
        ),
        ("Full batches of small nets.", "小网络的全批训练。"),
        (
            "With small batches the noise turns signs and it does not work.",
            "小批训练时噪声会改变符号，方法失效。",
        ),
        r"\Delta_i \leftarrow \Delta_i \cdot \begin{cases} 1.2 & g_i g_i^{old} > 0 \\ 0.5 & g_i "
        r"g_i^{old} < 0 \end{cases},\quad \theta_i \leftarrow \theta_i - \operatorname{sign}(g_i) "
        r"\Delta_i",
        step(
            r"g_i g_i^{old} < 0",
            "The sign turned: a minimum was overstepped, so the step is halved and rests once.",
            "符号改变说明越过了极小值：步长减半，并停一次。",
        ),
        related="SGD RMSprop",
        lr=0.05,
    ),
    "ExponentialMovingAverage": _rule(
        (
            "V ← βV + (1 − β)θ: a mean of about the last 1/(1 − β) values.",
            "V ← βV + (1 − β)θ：约为最近 1/(1 − β) 个值的平均。",
        ),
        (
            "To smooth a loss curve, and inside momentum, RMSprop and Adam.",
            "平滑损失曲线；动量、RMSprop、Adam 都用到它。",
        ),
        (
            "Starts too low (from 0) unless corrected; follows with a delay.",
            "不作偏差修正时起初偏小；总是滞后于原值。",
        ),
        r"V_t = \beta V_{t-1} + (1 - \beta)\theta_t",
        step(r"V_t = (1 - \beta) \sum_{i=1}^{t} \beta^{t-i} \theta_i"),
        step(
            r"(1 - \beta) \sum_{i=1}^{t} \beta^{t-i} = 1 - \beta^t \Rightarrow \hat{V}_t = "
            r"\frac{V_t}{1 - \beta^t}",
            "The weights add up to less than 1 at first:",
            "起初权重之和小于 1：",
        ),
        related="Adam SGD",
        note="003 §6.2",
        picture="average",
    ),
    "Adafactor": _rule(
        (
            "Adam's division with the memory of one row and one column.",
            "只用一行一列内存的 Adam 式除法。",
        ),
        (
            "Very large models: v of an n × m matrix takes n + m numbers.",
            "超大模型：n × m 矩阵的 v 只占 n + m 个数。",
        ),
        (
            "v is of rank 1, an approximation; without momentum it is slower.",
            "v 是秩 1 近似；没有动量，收敛较慢。",
        ),
        r"\hat{v}_{ij} = \frac{R_i C_j}{\operatorname{mean}(R)}",
        step(
            r"v_{ij} \approx \frac{(\sum_j v_{ij})(\sum_i v_{ij})}{\sum_{ij} v_{ij}}",
            "The best product of a row and a column in the sense of the KL divergence:",
            "在 KL 散度意义下最优的“行 × 列”近似：",
        ),
        related="Adam",
        lr=0.3,
    ),
    "Muon": _rule(
        ("Momentum whose matrix is made orthogonal before the step.", "更新前把动量矩阵正交化。"),
        (
            "Hidden weight matrices of language models, beside AdamW for the rest.",
            "语言模型隐藏层的权重矩阵，其余参数用 AdamW。",
        ),
        (
            "Only for two axes; each step multiplies matrices several times.",
            "只用于二维权重；每步要多次矩阵乘法。",
        ),
        r"B \leftarrow \mu B + (1-\mu) g,\quad \theta \leftarrow \theta - \alpha\, U "
        r"V^{\top},\quad "
        r"B = U \Sigma V^{\top}",
        step(
            r"X \leftarrow a X + b (X X^{\top}) X + c (X X^{\top})^2 X",
            "Newton-Schulz brings all singular values near 1 without a decomposition:",
            "Newton–Schulz 迭代无需分解就能使所有奇异值接近 1：",
        ),
        related="SGD AdamW",
        lr=0.2,
        weight_decay=0.0,
    ),
    "LBFGS": _rule(
        (
            "A quasi-Newton step from the last changes of the gradient.",
            "由最近几次梯度变化构造的拟牛顿步。",
        ),
        (
            "Whole batches and few parameters: logistic regression, fitting to the last digit.",
            "全批、参数少的问题：逻辑回归、要求精度高的拟合。",
        ),
        (
            "Noise of mini-batches spoils its curvature; needs a closure; saddles attract it.",
            "小批的噪声会破坏曲率估计；需要 closure；会被鞍点吸引。",
        ),
        r"d = -H g,\quad \theta \leftarrow \theta + \alpha d",
        step(
            r"H y_k = s_k,\quad s_k = \theta_{k+1} - \theta_k,\ y_k = g_{k+1} - g_k",
            "H acts as the inverse Hessian on the steps seen:",
            "H 在走过的方向上等价于海森矩阵的逆：",
        ),
        step(
            r"H \leftarrow (I - \rho s y^{\top}) H (I - \rho y s^{\top}) + \rho s s^{\top},\quad "
            r"\rho = \frac{1}{y^{\top} s}"
        ),
        related="SGD",
        lr=0.5,
        max_iter=1,
    ),
    "Optimizer": _rule(
        ("The base of all optimisers.", "所有优化器的基类。"),
        (
            "To write a rule of your own: one pure formula `update`.",
            "编写自己的更新规则：一个纯公式 update。",
        ),
        (
            "State of a parameter is found by the parameter itself: do not replace it.",
            "状态按参数对象查找：不要替换参数。",
        ),
        r"\theta, s \leftarrow \operatorname{update}(\theta, g, s)",
        step(
            r"\theta \leftarrow \theta - \alpha \frac{\partial L}{\partial \theta}",
            "The simplest rule:",
            "最简单的规则：",
        ),
        related="SGD Adam",
    ),
    "SwitchOptimizer": _rule(
        (
            "One optimiser for the first steps, another after them.",
            "前若干步用一个优化器，之后换另一个。",
        ),
        (
            "Adam for a fast start, then SGD for the better end.",
            "先用 Adam 快速起步，再用 SGD 取得更好的结果。",
        ),
        (
            "When to switch, and at which rate, must be tried; the second starts without momentum.",
            "何时切换、用多大学习率要靠尝试；后者起步时没有动量。",
        ),
        r"t \le T:\ \text{first};\quad t > T:\ \text{second}",
        step(r"\theta_{t+1} = \theta_t - \alpha_2 V_t \text{ for } t > T"),
        related="Adam SGD",
        note="003 §6.5",
    ),
}

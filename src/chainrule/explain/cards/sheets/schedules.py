"""Learning-rate schedules (003 §6.7 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told


def _plan(summary: tuple[str, str], use: tuple[str, str], trouble: tuple[str, str], formula: str,
          related: str, note: str = "", **options: object) -> Sheet:  # fmt: skip
    return told(use, trouble, summary=summary, formula=formula, rule="rate",
                steps=(step(r"\theta_{t+1} = \theta_t - \alpha_t\, V_t",
                            "Far from the minimum large steps are safe; near it the noise of the "
                            "batches keeps θ in a ball whose size grows with α.",
                            "远离最小值时可以走大步；接近时，小批噪声使 θ 停留在一个半径随 α 增大"
                            "的范围内。"),),
                related=related, note=note, options=options)  # fmt: skip


SHEETS: dict[str, Sheet] = {
    "LRScheduler": _plan(
        ("The base of the schedules.", "各调度器的基类。"),
        ("To write one of your own: get_lr().", "编写自己的调度器：实现 get_lr()。"),
        (
            "Call step() after optimizer.step(), once an epoch (or batch).",
            "在 optimizer.step() 之后调用 step()，每轮（或每批）一次。",
        ),
        r"\alpha_e = f(e, \alpha_0)",
        "LambdaLR StepLR",
    ),
    "ConstantLR": _plan(
        ("A factor on the rate for the first epochs.", "最初若干轮学习率乘一个系数。"),
        ("A short, gentle start.", "平缓的短暂起步。"),
        ("Jumps at the end of it.", "结束时跳变。"),
        r"\alpha_e = \alpha_0 \cdot \begin{cases} f & e < T \\ 1 & e \ge T \end{cases}",
        "LinearLR",
        factor=0.33,
        total_iters=8,
    ),
    "ExponentialLR": _plan(
        ("The rate times gamma every epoch.", "每轮乘以 gamma。"),
        ("A steady decay; the notes take 0.95ᵉ·α₀.", "稳定衰减；笔记取 0.95ᵉ·α₀。"),
        ("Falls fast: 0.95 halves it every 14 epochs.", "下降很快：0.95 时每 14 轮减半。"),
        r"\alpha_e = \gamma^e \alpha_0",
        "InverseTimeLR StepLR",
        "003 §6.7",
        gamma=0.95,
    ),
    "InverseTimeLR": _plan(
        ("The notes' decay α₀/(1 + d·e).", "笔记中的衰减 α₀/(1 + d·e)。"),
        (
            "Where the rate should fall, but never die out: its sum diverges.",
            "希望学习率下降又不至于消失：其和发散。",
        ),
        (
            "Early on it falls fastest, when large steps would still help.",
            "一开始降得最快，而那时大步仍有用。",
        ),
        r"\alpha_e = \frac{\alpha_0}{1 + d\, e}",
        "ExponentialLR",
        "003 §6.7",
        decay=0.2,
    ),
    "LambdaLR": _plan(
        ("The initial rate times a function of the epoch.", "初始学习率乘以轮次的函数。"),
        ("Any schedule that can be written down.", "任何能写成公式的进度。"),
        ("Functions are not saved with a checkpoint.", "函数不会随检查点保存。"),
        r"\alpha_e = f(e)\, \alpha_0",
        "MultiplicativeLR",
        lr_lambda=lambda epoch: 1 / (1 + epoch) ** 0.5,
    ),
    "LinearLR": _plan(
        ("A factor that moves straight from one value to another.", "系数沿直线变化。"),
        (
            "Warm-up: Adam's v and batch norm's statistics get time to settle.",
            "预热：让 Adam 的 v、批归一化的统计量先稳定下来。",
        ),
        (
            "Ends at end_factor: something else must decay the rate later.",
            "到 end_factor 为止，之后的衰减要另作安排。",
        ),
        r"\alpha_e = \alpha_0 \left(f_0 + (f_1 - f_0) \min(1, e/T)\right)",
        "SequentialLR OneCycleLR",
        start_factor=0.1,
        total_iters=10,
    ),
    "MultiplicativeLR": _plan(
        ("The rate times f(epoch), every epoch.", "每轮乘以 f(轮次)。"),
        ("Decay whose speed changes.", "衰减速度本身会变化。"),
        ("Factors add up: 0.5 a few times is soon nothing.", "系数连乘：几次 0.5 之后就所剩无几。"),
        r"\alpha_e = f(e)\, \alpha_{e-1}",
        "LambdaLR ExponentialLR",
        lr_lambda=lambda epoch: 0.9,
    ),
    "MultiStepLR": _plan(
        ("Times gamma at chosen epochs.", "在指定轮次乘以 gamma。"),
        (
            "ResNet's recipe: a tenth at 50 % and 75 %.",
            "ResNet 的做法：在 50 % 与 75 % 处各降为十分之一。",
        ),
        ("The epochs must be known beforehand.", "要事先知道在哪几轮下降。"),
        r"\alpha_e = \gamma^{|\{m \le e\}|} \alpha_0",
        "StepLR ReduceLROnPlateau",
        milestones=[12, 22],
        gamma=0.3,
    ),
    "PolynomialLR": _plan(
        ("To 0 along a power of what is left.", "按剩余比例的幂降到 0。"),
        (
            "Segmentation nets (power 0.9), and linear decay (power 1).",
            "分割网络（power 0.9）；power 1 即线性衰减。",
        ),
        ("The rate is 0 from total_iters on.", "total_iters 之后学习率为 0。"),
        r"\alpha_e = \alpha_0 \left(1 - \frac{e}{T}\right)^p",
        "LinearLR CosineAnnealingLR",
        total_iters=28,
        power=0.9,
    ),
    "StepLR": _plan(
        ("Times gamma every few epochs.", "每隔几轮乘以 gamma。"),
        ("Simple and well tried.", "简单可靠。"),
        (
            "Jumps show in the loss; step size and gamma must fit the length of training.",
            "损失曲线上会出现跳变；间隔与 gamma 要配合训练长度。",
        ),
        r"\alpha_e = \gamma^{\lfloor e/s \rfloor} \alpha_0",
        "MultiStepLR ExponentialLR",
        step_size=8,
        gamma=0.4,
    ),
    "CosineAnnealingLR": _plan(
        ("Half a cosine from the initial rate to eta_min.", "沿半个余弦从初始值降到 eta_min。"),
        ("The usual choice where the number of epochs is fixed.", "总轮数固定时的常用选择。"),
        ("Rises again beyond T_max.", "超过 T_max 后会重新上升。"),
        r"\alpha_e = \eta_{min} + \frac{1}{2}(\alpha_0 - \eta_{min})\left(1 + \cos \frac{\pi e}{T}"
        r"\right)",
        "CosineAnnealingWarmRestarts OneCycleLR",
        T_max=29,
    ),
    "CosineAnnealingWarmRestarts": _plan(
        ("Half a cosine, again and again.", "反复的半个余弦。"),
        (
            "To leave a minimum and average several ends (snapshots).",
            "跳出局部极小值，并对多个终点求平均。",
        ),
        (
            "The loss jumps up at each restart: stop at the end of a cycle.",
            "每次重启损失都会上跳：应在周期末停止。",
        ),
        r"\alpha = \eta_{min} + \frac{1}{2}(\alpha_0 - \eta_{min})\left(1 + \cos \frac{\pi "
        r"T_{cur}}{T_i}\right),\quad T_{i+1} = T_{mult} T_i",
        "CosineAnnealingLR",
        T_0=6,
        T_mult=2,
    ),
    "OneCycleLR": _plan(
        (
            "Up to a large rate and down below the start, once.",
            "升到很大的学习率，再降到起点以下，只做一次。",
        ),
        (
            "Short trainings: super-convergence. Call step() each batch.",
            "短训练（超收敛）；每批调用一次 step()。",
        ),
        (
            "Needs the number of steps beforehand; max_lr too large diverges.",
            "要事先知道总步数；max_lr 过大会发散。",
        ),
        r"\frac{\alpha_{max}}{25} \to \alpha_{max} \to \frac{\alpha_{max}}{25 \cdot 10^4}",
        "LinearLR CyclicLR",
        max_lr=1.0,
        total_steps=31,
    ),
    "CyclicLR": _plan(
        ("Up and down between two rates, for ever.", "在两个学习率之间反复升降。"),
        ("Where no end is set; to find good rates.", "训练长度未定时，以及寻找合适的学习率。"),
        ("Never settles; ends well only at a low point.", "不会稳定下来，只有停在低点才好。"),
        r"\alpha = \alpha_{lo} + (\alpha_{hi} - \alpha_{lo}) \max\left(0, 1 - |x|\right)",
        "OneCycleLR",
        base_lr=0.1,
        max_lr=1.0,
        step_size_up=6,
    ),
    "ReduceLROnPlateau": _plan(
        ("Times a factor when a metric stops improving.", "指标不再改善时乘以系数。"),
        ("Where nobody knows when to decay.", "不知道何时该衰减时。"),
        (
            "Noise looks like no improvement: patience must outlast it. step(metric) needs the "
            "value.",
            "噪声会被误认为没有改善，patience 要足够大；step(metric) 必须给出指标值。",
        ),
        r"\text{no better for } p \text{ epochs} \Rightarrow \alpha \leftarrow f\, \alpha",
        "StepLR EarlyStopping",
        factor=0.4,
        patience=3,
    ),
    "SequentialLR": _plan(
        ("One schedule after the other.", "几个调度器先后衔接。"),
        ("Warm-up, then decay.", "先预热，再衰减。"),
        (
            "Each schedule counts its own epochs from its milestone on.",
            "各调度器从自己的起点重新计轮次。",
        ),
        r"\alpha_e = f_i(e - m_i),\quad m_i \le e < m_{i+1}",
        "LinearLR CosineAnnealingLR",
    ),
    "ChainedScheduler": _plan(
        ("Several schedules at once.", "几个调度器同时起作用。"),
        ("A warm-up factor on top of a decay.", "在衰减之上再叠加预热系数。"),
        (
            "Only for those that multiply the rate they find.",
            "只适用于在现有学习率上相乘的调度器。",
        ),
        r"\alpha_e = f_1(e)\, f_2(e) \cdots \alpha_0",
        "SequentialLR",
    ),
    "SWALR": _plan(
        ("To a constant rate for the averaging of weights.", "过渡到恒定学习率，供权重平均使用。"),
        ("The last quarter of training with averaged models.", "训练最后四分之一配合模型平均。"),
        (
            "The constant rate alone gives a worse model: average it, and renew batch norm.",
            "恒定学习率本身得到的模型较差：必须取平均，并重新估计批归一化统计量。",
        ),
        r"\alpha_e = \alpha_0 + (\alpha_{swa} - \alpha_0)\, \frac{1}{2}\left(1 - \cos \frac{\pi e}"
        r"{T}\right)",
        "CosineAnnealingLR",
        swa_lr=0.2,
        anneal_epochs=12,
    ),
}

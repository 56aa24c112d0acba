"""Normalisation (000 §2, §6, §7; 002; 003 §8.3 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_CLOSED = (
    step(
        r"\mu = \frac{1}{m} \sum_i x_i,\quad \sigma^2 = \frac{1}{m} \sum_i (x_i - \mu)^2,\quad "
        r"\hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}},\quad y_i = \gamma "
        r"\hat{x}_i + \beta"
    ),
    step(
        r"\frac{\partial L}{\partial \beta} = \sum_i g_i,\quad \frac{\partial L}{\partial "
        r"\gamma} = \sum_i g_i \hat{x}_i,\quad \frac{\partial L}{\partial \hat{x}_i} = \gamma "
        r"g_i"
    ),
    step(
        r"\frac{\partial L}{\partial \sigma^2} = \sum_i \frac{\partial L}{\partial \hat{x}_i} "
        r"(x_i - \mu) \cdot \left(-\frac{1}{2}\right)(\sigma^2 + \varepsilon)^{-3/2}"
    ),
    step(
        r"\frac{\partial L}{\partial \mu} = -\sum_i \frac{\partial L}{\partial \hat{x}_i} "
        r"\frac{1}{\sqrt{\sigma^2 + \varepsilon}} - \frac{\partial L}{\partial \sigma^2} \cdot "
        r"\frac{2}{m} \sum_i (x_i - \mu)",
        "The last sum is 0, for μ is the mean.",
        "最后一个和为 0，因为 μ 是均值。",
    ),
    step(
        r"\frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial \hat{x}_i} \frac{1}"
        r"{\sqrt{\sigma^2 + \varepsilon}} + \frac{\partial L}{\partial \sigma^2} \frac{2(x_i - "
        r"\mu)}{m} + \frac{\partial L}{\partial \mu} \frac{1}{m}"
    ),
    step(
        r"= \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \left(g_i - \frac{1}{m} \sum_j g_j - "
        r"\hat{x}_i \cdot \frac{1}{m} \sum_j g_j \hat{x}_j\right)",
        "Put together: what is constant, or along x̂, is taken off the gradient.",
        "合并后：梯度中的常数部分和沿 x̂ 的部分被减去。",
    ),
)
_X = (
    r"\frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \left(g - \operatorname{mean}(g) - \hat{x} "
    r"\cdot \operatorname{mean}(g \hat{x})\right)"
)
_OWN = (
    *_CLOSED[:5],
    step(
        r"= \frac{1}{\sqrt{\sigma^2 + \varepsilon}} \left(\gamma_i g_i - \frac{1}{m} \sum_j "
        r"\gamma_j g_j - \hat{x}_i \cdot \frac{1}{m} \sum_j \gamma_j g_j \hat{x}_j\right)",
        "Put together: what is constant, or along x̂, is taken off. Each element has a γ of its own "
        "here, so γ stays inside the means.",
        "合并后：常数部分和沿 x̂ 的部分被减去。这里各元素的 γ 不同，所以 γ 留在均值之内。",
    ),
)
_OWN_X = (
    r"\frac{1}{\sqrt{\sigma^2 + \varepsilon}} \left(\gamma g - \operatorname{mean}(\gamma g) - "
    r"\hat{x} \cdot \operatorname{mean}(\gamma g \hat{x})\right)"
)
_GRADIENTS = {"x": _X, "weight": r"\sum g \odot \hat{x}", "bias": r"\sum g"}
_OWN_GRADIENTS = {**_GRADIENTS, "x": _OWN_X}
_MATRIX = [[1.0, 2.0, 6.0], [4.0, 0.0, 2.0]]
_MAPS = [[[1.0, 2.0], [3.0, 6.0]], [[5.0, 1.0], [0.0, 3.0]]]

SHEETS: dict[str, Sheet] = {
    "batch_norm": told(
        (
            "After convolution and linear layers, before the activation, with batches of 16 or "
            "more: "
            "allows larger learning rates, depends less on the first weights, keeps gradients in "
            "range, and regularises a little (a sample's result depends on its batch).",
            "放在卷积层、全连接层之后、激活函数之前，批大小最好在 16 以上：可以用更大的学习率，收"
            "敛更快，对初始化依赖小，"
            "能控制梯度爆炸、防止梯度消失；同批样本互相关联，还有轻微的正则化作用。",
        ),
        (
            "Small batches give noisy statistics (take layer or group norm); sequences of "
            "different "
            "lengths, GANs and reinforcement learning fit badly; training and evaluation differ, "
            "so "
            "eval() must not be forgotten. It takes information from its input (scale and shift); "
            "γ and β give some of it back.",
            "批小时统计量不准，效果差（改用 LN 或 GN）；不适合变长序列的 RNN，在 GAN、强化学习中"
            "效果也不好；训练与推理行为不同，"
            "不能忘记 eval()。改变了输入的分布，丢失一部分特征，由 γ、β 补回一些。",
        ),
        steps=_CLOSED,
        gradients=_GRADIENTS,
        rule="spread",
        example=([*_MATRIX, [1.0, 7.0, 0.0]], None, None),
        options={"training": True},
        related="layer_norm group_norm instance_norm conv2d dropout",
        note="000 §2, §6, §7; 001 三; 002; 003 §8.3",
        formula=r"y = \gamma\,\frac{x - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}} + \beta,\quad "
        r"\mu_B, \sigma_B^2 \text{ over the batch, for each channel}",
    ),
    "batch_norm_inference": told(
        (
            "Batch norm in evaluation: one scale and shift a channel, folded into the convolution.",
            "推理时的批归一化：每个通道一次缩放和平移，可以并入前面的卷积。",
        ),
        (
            "Only as good as the running statistics: too few training steps leave them wrong.",
            "效果取决于滑动统计量：训练步数太少时它们并不准确。",
        ),
        steps=(
            step(
                r"y = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}\, x + \left(\beta - "
                r"\frac{\gamma\, \mu}{\sqrt{\sigma^2 + \varepsilon}}\right)"
            ),
            step(
                r"\frac{\partial L}{\partial x} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}\, g",
                "The running statistics μ and σ² do not depend on x.",
                "滑动统计量 μ、σ² 与 x 无关。",
            ),
        ),
        gradients={
            "x": "g * weight / sqrt(var + eps)",
            "weight": r"\sum g\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}",
            "bias": r"\sum g",
            "mean": r"-\sum \frac{\gamma\, g}{\sqrt{\sigma^2 + \varepsilon}}",
            "var": r"-\frac{1}{2} \sum \gamma\, g\,(x - \mu)(\sigma^2 + \varepsilon)^{-3/2}",
        },
        rule="slope",
        related="batch_norm",
        note="002; 003 §8.3",
        example=(_MATRIX, [1.0, 2.0, 3.0], [1.0, 4.0, 1.0], [1.0, 1.0, 2.0], [0.0, 1.0, 0.0]),
        options={"eps": 1e-5},
    ),
    "layer_norm": told(
        (
            "Transformers and recurrent nets: one sample alone is enough, whatever its length.",
            "Transformer 与 RNN：在单个样本内部归一化，不需要批，也不受长度影响。",
        ),
        (
            "In convolution nets it mixes channels of different meaning and is mostly behind batch "
            "norm.",
            "在卷积网络中会把含义不同的通道混在一起，效果多半不如批归一化。",
        ),
        steps=_OWN,
        gradients=_OWN_GRADIENTS,
        rule="spread",
        example=(_MATRIX, (3,)),
        related="rms_norm batch_norm group_norm",
        note="000 §6; 003 §8.3",
        formula=r"y = \gamma \odot \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta,\quad "
        r"\mu, \sigma^2 \text{ over the last axes of each sample}",
    ),
    "group_norm": told(
        (
            "Detection and segmentation, where memory allows few pictures a batch.",
            "显存紧张、每批只有几张图的任务：检测、分割。",
        ),
        (
            "The number of groups must divide the channels and is one more choice; g = 1 is layer "
            "norm over C, H, W, g = C instance norm.",
            "组数必须整除通道数，又多一个选择；g = 1 即对 C、H、W 的层归一化，g = C 即实例归一化。",
        ),
        steps=_OWN,
        gradients=_OWN_GRADIENTS,
        rule="spread",
        example=(_MATRIX, 1),
        related="layer_norm instance_norm batch_norm",
        note="003 §8.3",
        formula=r"y = \gamma_c\, \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta_c,\quad \mu,"
        r" \sigma^2 \text{ over } (C/g, H, W) \text{ of each group}",
    ),
    "instance_norm": told(
        (
            "Style transfer: takes the contrast of each picture and channel away.",
            "风格迁移：去掉每张图、每个通道的对比度。",
        ),
        (
            "Loses how strong channels are relative to each other: not for classification that "
            "needs "
            "it.",
            "丢掉了通道之间的相对强弱；若任务要用到通道间的相关性，就不宜使用。",
        ),
        formula=r"y = \gamma_c\, \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta_c,\quad \mu,"
        r" \sigma^2 \text{ over } (H, W)",
        steps=_CLOSED,
        gradients=_GRADIENTS,
        rule="spread",
        example=([_MAPS[0]],),
        summary=(
            "Each channel of each sample is normalised over its own places.",
            "每个样本的每个通道在自己的空间位置上归一化。",
        ),
        related="batch_norm group_norm",
        note="003 §8.3",
    ),
    "rms_norm": told(
        (
            "Large language models: as good as layer norm there, and cheaper.",
            "大语言模型：效果与层归一化相当，计算更省。",
        ),
        (
            "The mean stays in: a common offset of all features is not taken off.",
            "不减均值：所有特征的共同偏移不会被去掉。",
        ),
        steps=(
            step(
                r"r = \sqrt{\frac{1}{m} \sum x_i^2 + \varepsilon},\quad y_i = \gamma_i "
                r"\frac{x_i}{r}"
            ),
            step(
                r"\frac{\partial L}{\partial x_i} = \frac{1}{r}\left(\gamma_i g_i - "
                r"\frac{x_i}{r^2} \cdot \frac{1}{m} \sum_j \gamma_j g_j x_j\right)"
            ),
        ),
        gradients={
            "x": r"\frac{1}{r}\left(\gamma g - \hat{x} \cdot \operatorname{mean}(\gamma g "
            r"\hat{x})\right)",
            "weight": r"\sum g \odot \hat{x}",
        },
        rule="spread",
        example=(_MATRIX, (3,)),
        related="layer_norm",
    ),
    "local_response_norm": told(
        ("AlexNet and nets of its time.", "AlexNet 及同时代的网络。"),
        (
            "Batch norm has taken its place: it is costly and helps little.",
            "已被批归一化取代：计算贵，收效小。",
        ),
        formula=r"y_c = x_c \left(k + \frac{\alpha}{n} \sum_{j = c - n/2}^{c + n/2} x_j^2"
        r"\right)^{-\beta}",
        steps=(
            step(
                r"s_c = k + \frac{\alpha}{n} \sum_j x_j^2:\ \frac{\partial L}{\partial x_i} = "
                r"g_i s_i^{-\beta} - \frac{2 \alpha \beta}{n} x_i \sum_{c \ni i} g_c x_c "
                r"s_c^{-\beta - 1}"
            ),
        ),
        gradients={
            "x": r"g_i s_i^{-\beta} - \frac{2 \alpha \beta}{n}\, x_i \sum_{c \ni i} g_c x_c "
            r"s_c^{-\beta-1}"
        },
        rule="spread",
        example=([[[1.0], [2.0], [3.0], [4.0]]], 3),
        related="batch_norm",
    ),
    "normalize": told(
        (
            "Embeddings that are compared by direction: retrieval, contrastive learning.",
            "按方向比较的嵌入：检索、对比学习。",
        ),
        (
            "The length is lost and gets no gradient; tiny vectors turn into noise of length 1.",
            "长度信息丢失且没有梯度；很小的向量会变成长度为 1 的噪声。",
        ),
        formula=r"y = \frac{x}{\max(|x|_p, \varepsilon)}",
        steps=(
            step(
                r"\frac{\partial L}{\partial x} = \frac{g - y\,(y \cdot g)}{|x|}",
                "For p = 2: the part along x is taken off.",
                "p = 2 时：减去沿 x 的分量。",
            ),
        ),
        gradients={"input": r"\frac{g - y\,(y \cdot g)}{|x|}"},
        summary=("Vectors of length 1 in the same direction.", "方向不变、长度为 1 的向量。"),
        rule="through",
        example=([[3.0, 4.0]],),
        related="norm cosine_similarity",
    ),
}

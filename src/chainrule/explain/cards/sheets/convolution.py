"""Convolution, its adjoints and relatives (001 三 CNN, 002, 003 §8.1, 000 §9 of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_CONV = (
    step(
        r"y_{o,p} = b_o + \sum_{c} \sum_{k} w_{o,c,k}\, x_{c,\, s p + d k - P}",
        "s stride, d dilation, P padding; p and k run over one axis or several:",
        "s 为步长，d 为膨胀率，P 为填充；p、k 可以是一维或多维：",
    ),
    step(
        r"\frac{\partial L}{\partial x_{c,i}} = \sum_o \sum_{p, k:\, s p + d k - P = i} "
        r"\delta_{o,p}\, w_{o,c,k}",
        "Every output that saw x_i pulls on it: for s = 1 the full convolution (∗, in the sense "
        "of convolution nets) of δ with the kernel turned by 180°.",
        "每个看到过 x_i 的输出都对它产生拉力：s = 1 时就是 δ 与旋转 180° 的卷积核做 full 卷积"
        "（∗ 指卷积网络意义上的卷积）。",
    ),
    step(
        r"\frac{\partial L}{\partial w_{o,c,k}} = \sum_p \delta_{o,p}\, x_{c,\, s p + d k - P}",
        "The input correlated with δ:",
        "输入与 δ 做相关：",
    ),
    step(r"\frac{\partial L}{\partial b_o} = \sum_p \delta_{o,p}"),
    step(
        r"W' = \left\lfloor \frac{W + 2P - d(F - 1) - 1}{s} \right\rfloor + 1",
        "The size of the output:",
        "输出的大小：",
    ),
)
_GRADIENTS = {
    "x": r"\delta \ast \operatorname{rot180}(w)",
    "weight": r"x \ast \delta",
    "bias": r"\sum_p \delta_p",
}
_USE = (
    "Pictures, sound, volumes: few weights, shared by all places, each looking at its "
    "neighbourhood; what is moved is found all the same. 1×1 kernels mix channels.",
    "图像、声音、立体数据：参数共享、稀疏连接，参数少，且对平移不敏感。1×1 卷积用于跨通道整合、升"
    "降维。",
)
_TROUBLE = (
    "Sees no further than its receptive field, of which the middle counts most; the borders are "
    "seen less often, or through padding. Each layer keeps its input for the way back.",
    "看不到感受野以外，而且有效感受野集中在中心；边缘被看到的次数少，或要靠填充。反向传播要保留每"
    "层的输入。",
)
_NOTE = "001 三 (3-1)–(3-4); 002; 003 §8.1"
_WAYS = "conv2d conv2d_direct conv2d_im2col conv2d_matrix conv2d_fft"

_TRANSPOSED = told(
    (
        "Decoders, segmentation, generators: makes small maps large with weights that are learned.",
        "解码器、语义分割、生成网络：用可学习的权重把小特征图变大。",
    ),
    (
        "Kernel sizes that the stride does not divide leave a chequered pattern; it undoes the "
        "shape "
        "of a convolution, not its values. output_padding chooses among sizes with one origin.",
        "卷积核大小不能被步长整除时会产生棋盘格；它还原的是形状而不是数值。output_padding 用来在"
        "对应同一输入的多种大小中选一种。",
    ),
    steps=(
        step(
            r"\text{conv: } Y = C X,\quad \text{transposed: } y = C^{\top} x",
            "C is the sparse matrix of the convolution:",
            "C 是卷积对应的稀疏矩阵：",
        ),
        step(
            r"\frac{\partial L}{\partial x} = C\, \frac{\partial L}{\partial y}",
            "So the way back is a plain convolution.",
            "因此它的反向就是普通卷积。",
        ),
        step(r"W' = (W - 1) s - 2P + d (F - 1) + P_{out} + 1"),
    ),
    gradients={
        "x": r"\operatorname{conv}(\delta, w)",
        "weight": r"\delta \ast x",
        "bias": r"\sum_p \delta_p",
    },
    rule="product",
    picture="window:transposed",
    related="conv2d interpolate pixel_shuffle",
    note="001 三; 003 §8.1",
)


def _conv(related: str) -> Sheet:
    return told(_USE, _TROUBLE, steps=_CONV, gradients=_GRADIENTS, rule="product",
                picture="window:conv", related=related, note=_NOTE)  # fmt: skip


def _way(use: tuple[str, str], trouble: tuple[str, str], tex: str, en: str, zh: str) -> Sheet:
    return told(use, trouble, steps=(step(tex, en, zh),), gradients=_GRADIENTS, rule="through",
                picture="window:conv", related=_WAYS, note="000 §9; 001 三")  # fmt: skip


SHEETS: dict[str, Sheet] = {
    "conv1d": _conv("conv2d conv_transpose1d unfold"),
    "conv2d": _conv(f"conv_transpose2d max_pool2d batch_norm unfold {_WAYS}"),
    "conv3d": _conv("conv2d conv_transpose3d"),
    "conv_transpose1d": _TRANSPOSED,
    "conv_transpose2d": _TRANSPOSED,
    "conv_transpose3d": _TRANSPOSED,
    "conv_tbc": told(
        ("Sequences laid out as (time, batch, channels).", "按（时间、批、通道）排列的序列。"),
        (
            "A conv1d between two transpositions: no faster than that.",
            "就是两次转置之间的 conv1d，并不更快。",
        ),
        formula=r"y_{t,b,o} = \beta_o + \sum_{k,c} w_{k,c,o}\, x_{t + k - P,\, b,\, c}",
        steps=_CONV[:4],
        rule="through",
        picture="window:conv",
        summary=("A convolution along time, channels last.", "沿时间轴的卷积，通道在最后。"),
        related="conv1d",
    ),
    "conv": told(
        (
            "The primitive under conv1d, conv2d and conv3d.",
            "conv1d、conv2d、conv3d 之下的基本运算。",
        ),
        (
            "No bias, and no padding given by name: use the public functions.",
            "不带偏置，也不接受以名称指定的填充；请用公开的函数。",
        ),
        steps=_CONV[:3],
        gradients={
            "x": r"\operatorname{conv\_input}(g, w)",
            "w": r"\operatorname{conv\_weight}(x, g)",
        },
        rule="product",
        picture="window:conv",
        related="conv2d conv_input conv_weight",
        note=_NOTE,
    ),
    "conv_input": told(
        (
            "The way back of a convolution to its input, and the transposed convolution.",
            "卷积传回输入的梯度，也就是转置卷积。",
        ),
        (
            "With a stride, zeros stand between the elements of δ: many products with 0.",
            "有步长时 δ 的元素之间要插零，许多乘法是在乘 0。",
        ),
        steps=(
            step(
                r"\delta^{l} = \delta^{l+1} \ast \operatorname{rot180}(w)",
                "For stride 1, δ padded with F − 1 zeros:",
                "步长为 1 时，δ 四周补 F − 1 圈零：",
            ),
        ),
        gradients={"g": r"\operatorname{conv}(h, w)", "w": r"\operatorname{conv\_weight}(h, g)"},
        rule="product",
        picture="window:conv_input",
        related="conv conv_weight conv_transpose2d",
        note="001 三; 003 §8.1",
    ),
    "conv_weight": told(
        ("The gradient of a convolution's kernel.", "卷积核的梯度。"),
        (
            "A sum over batch and places: in low precision it loses digits.",
            "要对批和所有位置求和，低精度下会丢失有效数字。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial w_{o,c,k}} = \sum_{n,p} \delta_{n,o,p}\, "
                r"x_{n,c,\,sp + dk - P}"
            ),
        ),
        gradients={"x": r"\operatorname{conv\_input}(g, h)", "g": r"\operatorname{conv}(x, h)"},
        rule="product",
        picture="window:conv_weight",
        related="conv conv_input",
        note="001 三",
    ),
    "conv2d_direct": _way(
        ("To read what a convolution is.", "用来读懂卷积的定义。"),
        (
            "Slow: one pass over memory for each kernel element.",
            "慢：每个卷积核元素都要遍历一次内存。",
        ),
        r"y = \sum_{k} w_k\, \operatorname{shift}_k(x)",
        "One shifted picture for each kernel element:",
        "每个卷积核元素对应一幅平移后的图：",
    ),
    "conv2d_im2col": _way(
        (
            "Where matrix products are fast: windows as columns, then one product (000 §9).",
            "矩阵乘法很快时：把窗口展开成列，做一次矩阵乘法（000 §9）。",
        ),
        ("F² times the memory of the input.", "占用输入 F² 倍的内存。"),
        r"Y = W_{O \times CF^2}\; \operatorname{im2col}(X)_{CF^2 \times L}",
        "The gradient of im2col is col2im:",
        "im2col 的梯度是 col2im：",
    ),
    "conv2d_matrix": _way(
        ("To see the convolution and its transpose as matrices.", "把卷积及其转置看成矩阵。"),
        (
            "The matrix has outputs × inputs entries, nearly all zero.",
            "矩阵有“输出数 × 输入数”个元素，几乎全为零。",
        ),
        r"Y = C X,\quad \frac{\partial L}{\partial X} = C^{\top} \frac{\partial L}{\partial Y}",
        "Forward with C, backward with its transpose:",
        "前向乘 C，反向乘它的转置：",
    ),
    "conv2d_fft": _way(
        (
            "Large kernels: the cost hardly depends on the kernel's size.",
            "大卷积核：计算量几乎与核的大小无关。",
        ),
        (
            "Small kernels: slower than the others, and the rounding is spread over all outputs.",
            "小卷积核时比其他方法慢，舍入误差会散布到所有输出。",
        ),
        r"\hat{Y} = \hat{X} \odot \bar{W}",
        "A correlation is a product of spectra, one of them conjugated:",
        "互相关等于频谱之积（其中一个取共轭）：",
    ),
    "convolution_matrix": told(
        (
            "To print the matrix C of the notes for a small kernel.",
            "为小卷积核写出笔记中的矩阵 C。",
        ),
        ("Grows with inputs × outputs.", "大小按“输入数 × 输出数”增长。"),
        gradients={"weight": r"\sum_p g_{p,\, s p + d k - P}"},
        formula=r"C_{p, i} = w_k \text{ where } i = s p + d k - P,\ \text{else } 0",
        steps=(
            step(
                r"\frac{\partial L}{\partial w_k} = \sum_{p} g_{p,\, sp + dk - P}",
                "Each weight stands in every row: its gradients add up.",
                "每个权重在每一行都出现，梯度相加。",
            ),
        ),
        rule="sum_back",
        example=([[[[1.0, 2.0], [3.0, 4.0]]]],),
        options={"input_size": (3, 3)},
        related="conv2d_matrix conv_transpose2d",
        note="001 三",
    ),
    "unfold": told(
        (
            "To write a convolution as a matrix product, or work on patches.",
            "把卷积写成矩阵乘法，或逐块处理图像。",
        ),
        (
            "Each element is copied into as many columns as windows see it.",
            "每个元素会被复制到所有看到它的窗口对应的列。",
        ),
        steps=(
            step(
                r"Y_{k, p} = x_{s p + d k - P} \Rightarrow \frac{\partial L}{\partial x_i} = "
                r"\sum_{sp + dk - P = i} g_{k, p}"
            ),
        ),
        gradients={"x": r"\operatorname{fold}(g)"},
        rule="sum_back",
        picture="window:unfold",
        related="fold conv2d_im2col",
        note="000 §9",
    ),
    "fold": told(
        (
            "To put patches back together; the way back of unfold.",
            "把小块拼回整图；unfold 的反向。",
        ),
        (
            "Overlaps are added, not averaged: divide by fold(unfold(1)) for a mean.",
            "重叠处是相加而不是平均；要平均请除以 fold(unfold(1))。",
        ),
        steps=(
            step(
                r"y_i = \sum_{sp + dk - P = i} X_{k, p} \Rightarrow \frac{\partial L}"
                r"{\partial X_{k,p}} = g_{sp + dk - P}"
            ),
        ),
        gradients={"x": r"\operatorname{unfold}(g)"},
        rule="view",
        picture="window:fold",
        related="unfold",
        note="000 §9",
    ),
    "windows_unfold": told(
        (
            "The primitive under unfold, for windows of any number of axes.",
            "unfold 之下的基本运算，窗口可以是任意维。",
        ),
        ("F times the memory of the input.", "占用输入的 F 倍内存。"),
        gradients={"x": r"\operatorname{windows\_fold}(g)"},
        steps=(step(r"Y_{k, p} = x_{s p + d k - P}"),),
        rule="sum_back",
        picture="window:unfold",
        related="unfold windows_fold",
    ),
    "windows_fold": told(
        ("The primitive under fold.", "fold 之下的基本运算。"),
        ("What overlaps adds up.", "重叠处相加。"),
        gradients={"x": r"\operatorname{windows\_unfold}(g)"},
        steps=(step(r"y_i = \sum_{sp + dk - P = i} X_{k, p}"),),
        rule="view",
        picture="window:fold",
        related="fold windows_unfold",
    ),
    "pad": told(
        (
            "To keep the size through a convolution (SAME), and to let windows sit on the edge.",
            "使卷积后大小不变（SAME），让窗口也能落在边缘。",
        ),
        (
            "Zeros make a border that nets learn to see; reflect and circular need a picture "
            "larger "
            "than the border. Widths come last axis first.",
            "补零会形成网络能认出的边框；reflect 与 circular 要求图像大于边宽。宽度从最后一个轴写"
            "起。",
        ),
        steps=(
            step(
                r"\frac{\partial L}{\partial x_i} = \sum_{j:\ y_j \text{ copies } x_i} g_j",
                "A copied border gives its gradient to its origin; a constant's is dropped.",
                "复制得到的边框把梯度加回来源；常数边框的梯度丢弃。",
            ),
        ),
        gradients={"x": r"\sum_{j \to i} g_j"},
        rule="sum_back",
        example=([[[1.0, 2.0, 3.0]]], (2, 2)),
        options={"mode": "reflect"},
        related="conv2d constant_pad",
        note="001 三 (3-3), (3-4); 003 §8.1",
    ),
    "constant_pad": told(
        (
            "The primitive under pad with constants; negative widths cut.",
            "常数填充的基本运算；负的宽度表示裁剪。",
        ),
        ("A constant that is no zero moves the mean.", "非零常数会改变均值。"),
        steps=(step(r"\frac{\partial L}{\partial x_i} = g_{i + l}"),),
        gradients={"x": r"g_{i + l}"},
        rule="view",
        example=([1.0, 2.0],),
        options={"width": ((1, 2),), "value": 0.0},
        related="pad",
    ),
    "interpolate": told(
        (
            "To resize pictures and feature maps; before a convolution, in place of a transposed "
            "one.",
            "缩放图像和特征图；后接卷积可代替转置卷积，避免棋盘格。",
        ),
        (
            "align_corners changes every value; making smaller without antialias skips elements.",
            "align_corners 会改变每个值；缩小时不开 antialias 会跳过元素。",
        ),
        steps=(
            step(
                r"y_p = \sum_i a_{p,i}\, x_i \Rightarrow \frac{\partial L}{\partial x_i} = "
                r"\sum_p a_{p,i}\, g_p"
            ),
        ),
        gradients={"x": r"\sum_p a_{p,i}\, g_p"},
        rule="spread",
        example=([[[1.0, 3.0]]],),
        options={"scale_factor": 2, "mode": "linear"},
        related="conv_transpose2d grid_sample pixel_shuffle",
    ),
    "grid_sample": told(
        (
            "Spatial transformers, optical flow, deformable sampling.",
            "空间变换网络、光流、可变形采样。",
        ),
        (
            "Coordinates run from −1 to 1, x first; outside them padding_mode decides. The "
            "gradient "
            "of the place is that of the interpolation: local, and zero on flat pictures.",
            "坐标在 −1 到 1 之间，x 在前；界外由 padding_mode 决定。位置的梯度来自插值，只反映局"
            "部，平坦处为零。",
        ),
        steps=(
            step(
                r"y_p = \sum_i a_{p,i}\, x_i,\ a_{p,i} = a_i(u_p) \Rightarrow \frac{\partial L}"
                r"{\partial x_i} = \sum_p a_{p,i}\, g_p,\quad \frac{\partial L}{\partial u_p} = "
                r"g_p \sum_i a'_{p,i}\, x_i",
                "a is the weight of a neighbour by its distance from u_p, a′ its slope by u_p:",
                "a 是近邻按其到 u_p 的距离所得的权重，a′ 是它对 u_p 的导数：",
            ),
        ),
        gradients={"x": r"\sum_p a_{p,i}\, g_p", "grid": r"g_p \sum_i a'_{p,i}\, x_i"},
        rule="spread",
        example=([[[[1.0, 2.0], [3.0, 4.0]]]], [[[[0.0, 0.0], [0.5, -0.5]]]]),
        options={"align_corners": True},
        related="affine_grid interpolate",
    ),
    "affine_grid": told(
        (
            "To turn, move or scale a picture by a matrix that a net predicts.",
            "用网络预测的矩阵旋转、平移、缩放图像。",
        ),
        (
            "The matrix maps new places to old ones: the inverse of what one first thinks of.",
            "矩阵把新位置映射到旧位置，与直觉相反。",
        ),
        steps=(
            step(
                r"u_p = \theta\, b_p,\ b_p = (x_p, y_p, 1)^{\top} \Rightarrow \frac{\partial L}"
                r"{\partial \theta} = \sum_p g_p\, b_p^{\top}"
            ),
        ),
        gradients={"theta": r"\sum_p g_p\, b_p^{\top}"},
        rule="product",
        example=([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]], (1, 1, 2, 2)),
        options={"align_corners": True},
        related="grid_sample",
    ),
    "pixel_shuffle": told(
        (
            "Super-resolution: compute small, then deal channels out as pixels.",
            "超分辨率：在小图上计算，再把通道排成像素。",
        ),
        (
            "Neighbouring pixels come from different kernels, which may show as a pattern.",
            "相邻像素来自不同的卷积核，可能出现纹样。",
        ),
        gradients={"x": r"\operatorname{pixel\_unshuffle}(g)"},
        steps=(step(r"y_{c,\, h r + i,\, w r + j} = x_{c r^2 + i r + j,\, h,\, w}"),),
        rule="view",
        example=([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]], 2),
        related="pixel_unshuffle unfold",
    ),
    "pixel_unshuffle": told(
        ("To make a picture smaller without losing a number.", "缩小图像而不丢失任何数值。"),
        ("r² times as many channels for the next layer.", "下一层的通道数变为 r² 倍。"),
        gradients={"x": r"\operatorname{pixel\_shuffle}(g)"},
        steps=(step(r"y_{c r^2 + i r + j,\, h,\, w} = x_{c,\, h r + i,\, w r + j}"),),
        rule="view",
        example=([[[[1.0, 2.0], [3.0, 4.0]]]], 2),
        related="pixel_shuffle",
    ),
    "channel_shuffle": told(
        (
            "Between grouped convolutions (ShuffleNet): groups otherwise never meet.",
            "用在分组卷积之间（ShuffleNet），否则各组互不相通。",
        ),
        ("Moves memory and computes nothing.", "只搬动内存，不做计算。"),
        gradients={"x": r"\operatorname{channel\_shuffle}(g,\ C / \text{groups})"},
        steps=(step(r"y_{i \cdot G + j} = x_{j \cdot C/G + i}"),),
        rule="view",
        example=([[[1.0], [2.0], [3.0], [4.0]]], 2),
        related="conv2d pixel_shuffle",
    ),
}

"""Boxes, regions of interest and suppression: what detectors are made of."""

from chainrule.explain.cards.sheet import Sheet, row, step, told

_A, _B = [[0.0, 0.0, 4.0, 3.0]], [[1.0, 1.0, 5.0, 4.0]]
_DIFF = r"\frac{\partial %s}{\partial %s}"


def _by(of: str, x: str) -> str:
    return _DIFF % (of, x)


_SHARED = (
    step(
        r"I = w h,\quad w = \max(0, \min(a_3, b_3) - \max(a_1, b_1)),\quad h = \max(0, \min(a_4, "
        r"b_4) - \max(a_2, b_2))",
        "For one pair a, b, each (x1, y1, x2, y2); w and h are the sides of the overlap:",
        "对一对框 a、b（均为 x1、y1、x2、y2）；w、h 是重叠部分的宽和高：",
    ),
    step(
        r"A = (a_3 - a_1)(a_4 - a_2),\quad B = (b_3 - b_1)(b_4 - b_2),\quad U = A + B - I",
        "Areas, and the area of the union:",
        "两框的面积与并集的面积：",
    ),
    step(
        r"\frac{\partial I}{\partial a_1} = -h\,[a_1 > b_1][w > 0],\quad \frac{\partial I}"
        r"{\partial a_2} = -w\,[a_2 > b_2][h > 0],\quad \frac{\partial I}{\partial a_3} = "
        r"h\,[a_3 < b_3][w > 0],\quad \frac{\partial I}{\partial a_4} = w\,[a_4 < b_4][h > 0]",
        "The overlap follows an edge of a only where that edge bounds it:",
        "只有当 a 的某条边正是重叠部分的边界时，重叠才随之变化：",
    ),
    step(
        r"\frac{\partial A}{\partial a_1} = -(a_4 - a_2),\quad \frac{\partial A}{\partial a_2} = "
        r"-(a_3 - a_1),\quad \frac{\partial A}{\partial a_3} = a_4 - a_2,\quad "
        r"\frac{\partial A}{\partial a_4} = a_3 - a_1",
    ),
)


def _iou_gradient(box: str, area: str, over: str, at: str) -> str:
    i, a = _by("I_{nm}", f"{box}_{{{at}k}}"), _by(f"{area}_{at}", f"{box}_{{{at}k}}")
    inner = rf"(1 + y_{{nm}})\,{i} - y_{{nm}}\,{a}"
    return rf"\sum_{over} \frac{{g_{{nm}}}}{{U_{{nm}}}}\left({inner}\right)"


def _giou_gradient(box: str, over: str, at: str) -> str:
    i, u, c = (_by(f"{v}_{{nm}}", f"{box}_{{{at}k}}") for v in "IUC")
    return (
        rf"\sum_{over} g_{{nm}}\left(\frac{{1}}{{U_{{nm}}}}{i} + \left(\frac{{1}}{{C_{{nm}}}} - "
        rf"\frac{{I_{{nm}}}}{{U_{{nm}}^2}}\right){u} - \frac{{U_{{nm}}}}{{C_{{nm}}^2}}{c}\right)"
    )


_IOU = told(
    (
        "To judge a detection, to match boxes with targets, and as the measure in suppression.",
        "评价检测结果、把候选框与目标配对，也是非极大值抑制所用的度量。",
    ),
    (
        "Boxes that do not touch have 0 and no gradient, however near they are; as a loss take "
        "generalized_box_iou. N × M numbers: many boxes need much memory.",
        "不相交的框无论多近都是 0，没有梯度；作损失时用 generalized_box_iou。"
        "结果有 N×M 个数，框多时占内存。",
    ),
    formula=r"y_{nm} = \frac{I_{nm}}{U_{nm}},\quad I_{nm} = \left|a_n \cap b_m\right|,\quad "
    r"U_{nm} = \left|a_n \cup b_m\right|",
    steps=(
        *_SHARED,
        step(
            r"\frac{\partial y}{\partial a_k} = \frac{1}{U} \frac{\partial I}{\partial a_k} - "
            r"\frac{I}{U^2}\left(\frac{\partial A}{\partial a_k} - \frac{\partial I}{\partial "
            r"a_k}\right) = \frac{1}{U}\left((1 + y) \frac{\partial I}{\partial a_k} - y "
            r"\frac{\partial A}{\partial a_k}\right)",
            "Quotient rule, with ∂U = ∂A − ∂I. A box a gets the sum over all its partners:",
            "商的求导法则，其中 ∂U = ∂A − ∂I。框 a 得到与所有框配对之和：",
        ),
    ),
    gradients={"boxes1": _iou_gradient("a", "A", "m", "n"),
               "boxes2": _iou_gradient("b", "B", "n", "m")},
    rule="spread", picture="boxes:overlap", example=(_A, _B),
    related="generalized_box_iou distance_box_iou nms",
)  # fmt: skip
_GIOU = told(
    (
        "As a loss for boxes, 1 − y: it draws boxes together that do not touch yet.",
        "作框的回归损失 1 − y：能把尚未相交的框拉到一起。",
    ),
    (
        "Where one box lies within the other, U = C and it is no more than IoU. It first grows a "
        "box towards its target and only then shapes it: slow; see complete_box_iou.",
        "一个框包含另一个时 U = C，退化为 IoU。它先让框朝目标变大，再修正形状，收敛较慢，"
        "参见 complete_box_iou。",
    ),
    formula=r"y_{nm} = \frac{I_{nm}}{U_{nm}} - \frac{C_{nm} - U_{nm}}{C_{nm}}",
    steps=(
        *_SHARED,
        step(
            r"C = W H,\quad W = \max(a_3, b_3) - \min(a_1, b_1),\quad H = \max(a_4, b_4) - "
            r"\min(a_2, b_2)",
            "The smallest box around both:",
            "包含两者的最小框：",
        ),
        step(
            r"\frac{\partial C}{\partial a_1} = -H\,[a_1 < b_1],\quad \frac{\partial C}{\partial "
            r"a_2} = -W\,[a_2 < b_2],\quad \frac{\partial C}{\partial a_3} = H\,[a_3 > b_3],\quad "
            r"\frac{\partial C}{\partial a_4} = W\,[a_4 > b_4]",
        ),
        step(
            r"y = \frac{I}{U} + \frac{U}{C} - 1 \Rightarrow \frac{\partial y}{\partial a_k} = "
            r"\frac{1}{U} \frac{\partial I}{\partial a_k} + \left(\frac{1}{C} - "
            r"\frac{I}{U^2}\right)\frac{\partial U}{\partial a_k} - \frac{U}{C^2} "
            r"\frac{\partial C}{\partial a_k}",
            "With ∂U = ∂A − ∂I; apart, I = 0, and the last terms still pull:",
            "其中 ∂U = ∂A − ∂I；不相交时 I = 0，后两项仍有拉力：",
        ),
    ),
    gradients={"boxes1": _giou_gradient("a", "m", "n"), "boxes2": _giou_gradient("b", "n", "m")},
    rule="spread", picture="boxes:around", example=(_A, [[5.0, 1.0, 7.0, 4.0]]),
    related="box_iou generalized_box_iou_loss",
)  # fmt: skip

_ENCODE = told(
    (
        "What a detector learns to predict: shifts and scales of a proposal or an anchor. weights "
        "(10, 10, 5, 5) bring the four to about unit size.",
        "检测器学习预测的量：候选框或锚框的平移和缩放。"
        "weights 取 (10, 10, 5, 5) 使四个量大致为单位大小。",
    ),
    (
        "A proposal without area gives a division by zero, a reference without area log 0.",
        "候选框面积为零时除以零；目标框面积为零时出现 log 0。",
    ),
    formula=r"t = \left(v_1 \frac{x - x_p}{w_p},\ v_2 \frac{y - y_p}{h_p},\ v_3 \ln\frac{w}{w_p},"
    r"\ v_4 \ln\frac{h}{h_p}\right)",
    steps=(
        step(
            r"x = \frac{r_1 + r_3}{2},\quad w = r_3 - r_1,\quad x_p = \frac{p_1 + p_3}{2},\quad "
            r"w_p = p_3 - p_1",
            "Centres and sizes of the reference r and the proposal p; v are the weights (y and h "
            "alike, with r_2, r_4):",
            "目标框 r 与候选框 p 的中心和大小；v 是 weights（y、h 由 r_2、r_4 同样得到）：",
        ),
        step(
            r"\frac{\partial t_1}{\partial r_1} = \frac{v_1}{2 w_p},\quad \frac{\partial t_3}"
            r"{\partial r_1} = -\frac{v_3}{w},\quad \frac{\partial t_1}{\partial r_3} = "
            r"\frac{v_1}{2 w_p},\quad \frac{\partial t_3}{\partial r_3} = \frac{v_3}{w}",
        ),
        step(
            r"\frac{\partial t_1}{\partial p_1} = v_1\frac{-w_p/2 + x - x_p}{w_p^2} = "
            r"\frac{t_1 - v_1/2}{w_p},\quad \frac{\partial t_3}{\partial p_1} = \frac{v_3}{w_p}",
            "Proposals are mostly taken as constants; if not:",
            "候选框通常视为常量；若不是：",
        ),
        step(
            r"\frac{\partial t_1}{\partial p_3} = -\frac{t_1 + v_1/2}{w_p},\quad "
            r"\frac{\partial t_3}{\partial p_3} = -\frac{v_3}{w_p}",
        ),
    ),
    gradients={
        "reference": r"\left[\frac{v_1 g_1}{2 w_p} - \frac{v_3 g_3}{w}, \frac{v_2 g_2}{2 h_p} - "
        r"\frac{v_4 g_4}{h}, \frac{v_1 g_1}{2 w_p} + \frac{v_3 g_3}{w}, "
        r"\frac{v_2 g_2}{2 h_p} + \frac{v_4 g_4}{h}\right]",
        "proposals": r"\left[\frac{(t_1 - v_1/2) g_1}{w_p} + \frac{v_3 g_3}{w_p}, "
        r"\frac{(t_2 - v_2/2) g_2}{h_p} + \frac{v_4 g_4}{h_p}, "
        r"-\frac{(t_1 + v_1/2) g_1}{w_p} - \frac{v_3 g_3}{w_p}, "
        r"-\frac{(t_2 + v_2/2) g_2}{h_p} - \frac{v_4 g_4}{h_p}\right]",
    },
    rule="spread", picture="boxes:encode", related="box_decode smooth_l1_loss",
)  # fmt: skip
_DECODE = told(
    (
        "From a detector's outputs to boxes: the last step before clipping and suppression.",
        "由检测器的输出得到框：裁剪和非极大值抑制之前的最后一步。",
    ),
    (
        "exp: an offset that is a little too large makes a box many times too large, so dw and dh "
        "are cut, and beyond the cut there is no gradient.",
        "含 exp：偏移稍大，框就大许多倍，因此对 dw、dh 设上限，超过上限处没有梯度。",
    ),
    formula=r"y = \left(x - \frac{w}{2},\ u - \frac{h}{2},\ x + \frac{w}{2},\ u + "
    r"\frac{h}{2}\right),\quad x = x_p + d_x w_p,\quad w = w_p e^{d_w}",
    steps=(
        step(
            r"d_x = \frac{c_1}{v_1},\quad d_w = \min\left(\frac{c_3}{v_3}, m\right),\quad x = x_p "
            r"+ d_x w_p,\quad w = w_p e^{d_w}",
            "c are the codes, v the weights, m is clip (u, h, d_y, d_h alike):",
            "c 为编码，v 为 weights，m 为 clip（u、h、d_y、d_h 同理）：",
        ),
        step(
            r"\frac{\partial y_1}{\partial c_1} = \frac{w_p}{v_1},\quad \frac{\partial y_3}"
            r"{\partial c_1} = \frac{w_p}{v_1},\quad \frac{\partial y_1}{\partial c_3} = "
            r"-\frac{w}{2 v_3}[c_3 < m v_3],\quad \frac{\partial y_3}{\partial c_3} = "
            r"\frac{w}{2 v_3}[c_3 < m v_3]",
        ),
        step(
            r"y_1 = \frac{p_1 + p_3}{2} + \left(d_x - \frac{e^{d_w}}{2}\right)(p_3 - p_1),\quad "
            r"y_3 = \frac{p_1 + p_3}{2} + \left(d_x + \frac{e^{d_w}}{2}\right)(p_3 - p_1)",
            "In the corners of p, with s = g_1 + g_3 and r = g_3 − g_1 the rest follows:",
            "写成 p 的角点坐标，令 s = g_1 + g_3、r = g_3 − g_1，即得其余：",
        ),
    ),
    gradients={
        "codes": r"\left[\frac{w_p}{v_1}(g_1 + g_3), \frac{h_p}{v_2}(g_2 + g_4), "
        r"\frac{w}{2 v_3}(g_3 - g_1)[c_3 < m v_3], \frac{h}{2 v_4}(g_4 - g_2)[c_4 < m v_4]\right]",
        "boxes": r"\left[s_x(1/2 - d_x) - r_x e^{d_w}/2, s_y(1/2 - d_y) - r_y e^{d_h}/2, "
        r"s_x(1/2 + d_x) + r_x e^{d_w}/2, s_y(1/2 + d_y) + r_y e^{d_h}/2\right]",
    },
    rule="spread", picture="boxes:decode", related="box_encode clip_boxes_to_image",
)  # fmt: skip
_CLIP = told(
    ("Before features are read from boxes, and before boxes are shown.",
     "在按框读取特征之前，或显示框之前。"),
    (
        "A coordinate beyond the border gets no gradient and stays there; boxes wholly outside "
        "become thin: remove_small_boxes.",
        "越界的坐标没有梯度，会一直停在那里；完全在图外的框变成零宽，用 remove_small_boxes 去除。",
    ),
    formula=r"y_{nk} = \min(\max(b_{nk}, 0), s_k)",
    steps=(
        step(
            r"s = (W, H, W, H) \Rightarrow \frac{\partial y_{nk}}{\partial b_{nk}} = "
            r"[0 < b_{nk}][b_{nk} < s_k]",
            "s is the size of the picture, for x and y in turn:",
            "s 为图像尺寸，依次对应 x 与 y：",
        ),
    ),
    gradients={"boxes": r"g_{nk}\,[0 < b_{nk}][b_{nk} < s_k]"},
    rule="masked", picture="boxes:clip", example=([[1.0, 2.0, 9.0, 4.0]], (3, 6)),
    related="box_decode remove_small_boxes clamp",
)  # fmt: skip

_POINTS = (
    step(
        r"y_{b} = \frac{1}{m} \sum_{q \in b} \sum_i a_{q i}\, x_i",
        "One bin b of one channel: the mean of its m points q, each a bilinear mixture of its four "
        "neighbours i:",
        "一个通道的一个格子 b：其 m 个采样点 q 的平均，每点由四个近邻 i 双线性混合：",
    ),
    step(
        r"a_{q i} = \max(0, 1 - |u_q - u_i|)\,\max(0, 1 - |v_q - v_i|)",
        "The weight of a neighbour by its distance in both directions; a′ is its slope, by u for "
        "the corners' x, by v for their y:",
        "近邻的权重由两个方向的距离决定；a′ 是它的导数：对角点的 x 取对 u 的导数，"
        "对 y 取对 v 的导数：",
    ),
    step(
        r"u_q = s\left((1 - \theta_q)\, x_1 + \theta_q\, x_2\right),\quad \frac{\partial u_q}"
        r"{\partial x_1} = s (1 - \theta_q),\quad \frac{\partial u_q}{\partial x_2} = s \theta_q",
        "Each point lies at a fixed part θ between two edges, so that the edges get gradients (s "
        "is spatial_scale):",
        "每个采样点位于两条边之间的固定比例 θ 处，因此边也得到梯度（s 为 spatial_scale）：",
    ),
)
_ALIGN = told(
    (
        "In two-stage detectors: what the head sees of each proposal, at one size. aligned=True "
        "for new models.",
        "两阶段检测器中头部看到的每个候选框的特征，统一大小。新模型用 aligned=True。",
    ),
    (
        "sampling_ratio ≤ 0 makes the work depend on the boxes: not in compiled programs. Points "
        "far apart in a large box skip elements between them.",
        "sampling_ratio ≤ 0 时计算量随框而定，不能用于编译程序。大框的采样点稀疏，"
        "会跳过其间的元素。",
    ),
    steps=_POINTS,
    gradients={
        "x": r"\frac{1}{m} \sum_q g_q\, a_{q i}",
        "boxes": r"\frac{s}{m} \sum_{q \in b} g_q\, \theta_{q k} \sum_i a'_{q k i}\, x_i",
    },
    formula=r"y_b = \frac{1}{m} \sum_{q \in b} \sum_i a_{q i}\, x_i",
    rule="spread", picture="boxes:align", related="roi_pool roi_align_levels grid_sample",
)  # fmt: skip
_LEVELS = told(
    (
        "In feature pyramids: k = ⌊4 + log₂(√(wh)/224)⌋ names the level of a box.",
        "用于特征金字塔：由 k = ⌊4 + log₂(√(wh)/224)⌋ 决定框所在的层。",
    ),
    (
        "The choice of the level jumps and has no gradient; a box near the border between two "
        "levels may be read quite differently after a small step.",
        "层的选择是跳变的，没有梯度；处在两层分界附近的框，微小变化就可能换一层读取。",
    ),
    steps=(
        *_POINTS,
        step(
            r"y_b = \frac{1}{m} \sum_{q \in b} \sum_i a_{q i}\, x_{\ell_b, i}",
            "As roi_align, with the map and the scale of the level ℓ of the box:",
            "与 roi_align 相同，只是取框所在层 ℓ 的特征图与比例：",
        ),
    ),
    gradients={
        "x": r"\frac{1}{m} \sum_q g_q\, a_{q, \ell, i}",
        "boxes": r"\frac{s_b}{m} \sum_{q \in b} g_q\, \theta_{q k} \sum_i a'_{q k i}\, x_i",
    },
    formula=r"y_b = \frac{1}{m} \sum_{q \in b} \sum_i a_{q i}\, x_{\ell_b, i}",
    rule="spread", picture="boxes:levels", related="roi_align",
)  # fmt: skip
_POOL = told(
    (
        "Fast R-CNN's way to one size; today mostly replaced by roi_align.",
        "Fast R-CNN 统一特征大小的方法，如今多被 roi_align 取代。",
    ),
    (
        "Boxes and bins are rounded to whole elements: features shift by up to half an element, "
        "which in pixels is half the stride; only the winner of a bin learns, the box gets no "
        "gradient.",
        "框与格子都取整：特征最多偏移半个元素，换算成像素是步长的一半；每格只有最大者得到梯度，"
        "框没有梯度。",
    ),
    formula=r"y_p = \max_{i \in bin(p)} x_i",
    steps=(
        step(
            r"\frac{\partial L}{\partial x_i} = \sum_{p:\ i = k_p} g_p,\quad k_p = "
            r"\arg\max_{i \in bin(p)} x_i",
            "k_p is the place of the winner of bin p; bins of several boxes may have the same:",
            "k_p 是格子 p 中胜出者的位置；不同框的格子可能有同一个胜出者：",
        ),
    ),
    gradients={"x": r"\sum_{p:\ i = k_p} g_p"},
    rule="route", picture="boxes:pool", related="roi_align max_pool2d",
)  # fmt: skip

_NMS_TROUBLE = (
    "Greedy: of two objects that truly overlap one is lost; a high threshold leaves doubles. N² "
    "overlaps. No gradient: scores learn nothing from being struck out.",
    "贪心：两个真实物体重叠时会丢掉一个，阈值太高又会留下重复框。需计算 N² 个重叠。"
    "没有梯度：被排除的得分学不到东西。",
)
_NMS_USE = (
    "Last in a detector: one box for each object. 0.5 at the end, 0.7 for proposals.",
    "检测器的最后一步：每个物体只留一个框。最终取 0.5，候选框取 0.7。",
)
_KEEP = r"y_n = \max_{m:\ s_m > s_n,\ y_m = 1} \operatorname{iou}(b_m, b_n) \le \tau"
_KEPT = told(
    _NMS_USE, _NMS_TROUBLE, formula=_KEEP, rule="none", picture="boxes:suppressed",
    steps=(
        step(
            _KEEP,
            "From the best score s down: a box stays unless a better one that stayed overlaps it "
            "by more than τ (iou_threshold):",
            "按得分 s 由高到低：除非已保留的更好的框与它重叠超过 τ（iou_threshold），否则保留：",
        ),
    ),
    related="nms batched_nms box_iou",
)  # fmt: skip
_STRUCK = row(
    r"y_n = \left[\max_m \operatorname{iou}(a_n, b_m) > \tau\right]", "none",
    ("One step of suppression: boxes that better ones strike out.",
     "非极大值抑制的一步：被更好的框排除的框。"),
    ("Inside nms, which works block by block.", "nms 内部使用，分块进行。"),
    ("Whether by itself is kept is not asked: give it boxes that are.",
     "它不检查 by 本身是否保留：应给它已保留的框。"),
    related="nms_keep nms", picture="boxes:suppressed",
)  # fmt: skip


def _nms(summary: tuple[str, str], *example: object) -> Sheet:
    return row(_KEEP, "none", summary, _NMS_USE, _NMS_TROUBLE, *example, related="nms_keep box_iou",
               picture="boxes:suppressed")  # fmt: skip


_BOXES = [[0.0, 0.0, 2.0, 2.0], [0.2, 0.1, 2.1, 2.2], [5.0, 5.0, 7.0, 6.0]]
_NEAR = (
    "Where the boxes do not touch, its gradient still draws the centres together.",
    "不相交时，梯度仍会使两框中心靠近。",
)
_REDUCTION = (
    "1 − y is not summed unless reduction says so; divide by the number of boxes yourself.",
    "默认不求和也不平均；归一化（除以框数）要自己决定。",
)


def _measure(formula: str, en: str, zh: str, *example: object, related: str) -> Sheet:
    return row(
        formula, "through", (en, zh),
        ("For losses of boxes that converge faster than those of IoU or GIoU.",
         "作框的损失，收敛比 IoU、GIoU 更快。"),
        (
            "For equal boxes close to 1, not exactly: eps stands in the divisions.",
            "分母中有 eps，两框相同时也只是接近 1。",
        ), *example, related=related, picture="boxes:around",
    )  # fmt: skip


def _loss(measure: str, formula: str, name: tuple[str, str]) -> Sheet:
    return row(formula, "through", name, _NEAR, _REDUCTION, _A, _B,
               related=measure, picture="boxes:around")  # fmt: skip


_CENTRES = r"\rho^2 = \frac{(x_a - x_b)^2 + (y_a - y_b)^2}{W^2 + H^2}"
_ASPECT = (
    r"v = \frac{4}{\pi^2}\left(\operatorname{atan}\frac{w_a}{h_a} - "
    r"\operatorname{atan}\frac{w_b}{h_b}\right)^2,\quad \alpha = \frac{v}{1 - IoU + v}"
)
SHEETS: dict[str, Sheet] = {
    "box_iou": _IOU,
    "generalized_box_iou": _GIOU,
    "box_encode": _ENCODE,
    "box_decode": _DECODE,
    "clip_boxes_to_image": _CLIP,
    "roi_align": _ALIGN,
    "roi_align_levels": _LEVELS,
    "roi_pool": _POOL,
    "nms_keep": _KEPT,
    "nms_struck": _STRUCK,
    "nms": _nms(("The indices of the boxes that suppression keeps, best first.",
                 "非极大值抑制保留的框的索引，得分高者在前。"), _BOXES, [0.6, 0.9, 0.3], 0.5),
    "batched_nms": _nms(("nms within each group (class or level) by itself.",
                         "在各组（类别或层）内分别做非极大值抑制。"),
                        _BOXES, [0.6, 0.9, 0.3], [0, 1, 1], 0.5),
    "box_area": row(
        r"y = (x_2 - x_1)(y_2 - y_1)", "through", ("Width times height.", "宽乘高。"),
        ("To choose a level, to sort by size, inside the overlaps.",
         "选层、按大小排序，以及计算重叠时使用。"),
        ("Corners in the wrong order give a wrong sign.", "角点次序颠倒时符号错误。"), _A,
        related="box_iou remove_small_boxes", picture="boxes:overlap"),
    "box_convert": row(
        r"(x_1, y_1, x_2, y_2) \leftrightarrow (x_1, y_1, w, h) \leftrightarrow (x_c, y_c, w, h)",
        "through", ("Boxes in another form: corners, corner and size, centre and size.",
                    "框的另一种写法：角点、角点加大小、中心加大小。"),
        ("Data sets and models write boxes differently (COCO: xywh, YOLO: cxcywh).",
         "各数据集与模型的写法不同（COCO 用 xywh，YOLO 用 cxcywh）。"),
        ("Nothing tells which form numbers are in; a wrong one goes unnoticed.",
         "数值本身看不出是哪种写法，用错也不会报错。"), _A, related="box_encode",
        in_fmt="xyxy", out_fmt="cxcywh"),
    "remove_small_boxes": row(
        r"\{n:\ w_n \ge s,\ h_n \ge s\}", "none",
        ("The indices of the boxes with both sides at least min_size.",
         "两边都不小于 min_size 的框的索引。"),
        ("After clipping: boxes of no area would only disturb.", "裁剪之后去掉没有面积的框。"),
        ("How many stay depends on the numbers: not in compiled programs.",
         "保留多少取决于数值，不能用于编译程序。"), _BOXES, 1.5, related="clip_boxes_to_image nms"),
    "distance_box_iou": _measure(
        rf"y = IoU - \rho^2,\quad {_CENTRES}",
        "IoU less the squared distance of the centres, in diagonals of the box around both.",
        "IoU 减去中心距离的平方（以外接框对角线为单位）。", _A, _B,
        related="box_iou complete_box_iou distance_box_iou_loss"),
    "complete_box_iou": _measure(
        rf"y = IoU - \rho^2 - \alpha v,\quad {_ASPECT}",
        "distance_box_iou less a term for unequal aspect ratios; α counts as a constant.",
        "distance_box_iou 再减去宽高比不一致的一项；α 视为常量。", _A, _B,
        related="distance_box_iou complete_box_iou_loss"),
    "generalized_box_iou_loss": _loss(
        "generalized_box_iou", r"y = 1 - \left(\frac{I}{U} - \frac{C - U}{C}\right)",
        ("1 − GIoU of boxes, one by one.", "逐对框的 1 − GIoU。")),
    "distance_box_iou_loss": _loss(
        "distance_box_iou", rf"y = 1 - IoU + \rho^2,\quad {_CENTRES}",
        ("1 − DIoU of boxes, one by one.", "逐对框的 1 − DIoU。")),
    "complete_box_iou_loss": _loss(
        "complete_box_iou", rf"y = 1 - IoU + \rho^2 + \alpha v,\quad {_ASPECT}",
        ("1 − CIoU of boxes, one by one.", "逐对框的 1 − CIoU。")),
    "sigmoid_focal_loss": row(
        r"y = -\alpha_t (1 - p_t)^\gamma \ln p_t", "through",
        ("Cross-entropy of logits with 0/1 targets in which easy ones count little.",
         "对 logit 的二元交叉熵，容易的样本权重很小。"),
        ("One-stage detectors: thousands of background boxes to one object.",
         "单阶段检测器：一个物体对应成千上万个背景框。"),
        ("Two numbers to set (alpha 0.25, gamma 2). reduction is \"none\"; divide by the number of "
         "objects.", "有两个超参数（alpha 0.25，gamma 2）。reduction 默认为 none，应除以物体数。"),
        [0.5, -1.0, 2.0], [1.0, 0.0, 1.0], related="focal_loss"),
}  # fmt: skip

"""Texts of the operations on boxes and regions."""

TEXT = {
    "{name}: {which} must be boxes (…, 4), each x1, y1, x2, y2; got shape {shape}.": (
        "{name}：{which} 应为框 (…, 4)，每个为 x1、y1、x2、y2；实际形状为 {shape}。"
    ),
    "{name} compares boxes (N, 4) with boxes (M, 4), got shapes {first} and {second}.": (
        "{name} 比较框 (N, 4) 与框 (M, 4)，实际形状为 {first} 和 {second}。"
    ),
    "four numbers > 0, for x, y, width and height": "四个大于 0 的数，分别对应 x、y、宽、高",
    "{name}: there must be as many {a} as {b}, got shapes {first} and {second}.": (
        "{name}：{a} 与 {b} 的数量应相同，实际形状为 {first} 和 {second}。"
    ),
    "clip_boxes_to_image: size must be (height, width), got {size}.": (
        "clip_boxes_to_image：size 应为 (高, 宽)，实际为 {size}。"
    ),
    "{name} compares boxes one by one, got shapes {a} and {b}.": (
        "{name} 逐个比较框，实际形状为 {a} 和 {b}。"
    ),
    "sigmoid_focal_loss: alpha must be a number in [0, 1], or −1 for none, got {alpha}.": (
        "sigmoid_focal_loss：alpha 应为 [0, 1] 内的数，或用 −1 表示不加权，实际为 {alpha}。"
    ),
    "{name}: the input must be (N, C, H, W) and the boxes (K, 5), each the number of its picture, "
    "x1, y1, x2, y2; or a list of boxes (L, 4) for each picture. Got shapes {x} and {boxes}.": (
        "{name}：输入应为 (N, C, H, W)，框应为 (K, 5)，每个为所属图像的编号、x1、y1、x2、y2；"
        "或为每幅图像给出一组框 (L, 4)。实际形状为 {x} 和 {boxes}。"
    ),
    "{name}: the input of shape {x} has no elements to read.": (
        "{name}：形状为 {x} 的输入没有可读的元素。"
    ),
    "roi_align: with sampling_ratio ≤ 0 the number of points depends on the boxes, which a compiled "
    "program does not know. Write sampling_ratio=2.": (
        "roi_align：sampling_ratio ≤ 0 时采样点数取决于框的大小，而编译的程序事先不知道。"
        "请写 sampling_ratio=2。"
    ),
    "{name}: box {k} is of picture {number:g}, but the input has {n}.": (
        "{name}：第 {k} 个框属于第 {number:g} 幅图像，但输入只有 {n} 幅。"
    ),
    "{name}: boxes must be a tensor (K, 5), or a list of tensors (L, 4).": (
        "{name}：boxes 应为张量 (K, 5)，或由张量 (L, 4) 组成的列表。"
    ),
    "{name}: boxes of {m} pictures, but the input has {n}.": (
        "{name}：框属于 {m} 幅图像，但输入有 {n} 幅。"
    ),
    "nms takes boxes (N, 4) with N scores (and N group numbers), got shapes {boxes} and {scores}.": (
        "nms 接受框 (N, 4) 和 N 个得分（以及 N 个组号），实际形状为 {boxes} 和 {scores}。"
    ),
    "nms_struck takes boxes (N, 4) and (M, 4), got shapes {boxes} and {by}.": (
        "nms_struck 接受框 (N, 4) 和 (M, 4)，实际形状为 {boxes} 和 {by}。"
    ),
    "{name} in a compiled program: how many boxes are kept is not known before it runs. Use "
    "nms_keep, which gives a mask.": (
        "在编译的程序中使用 {name}：运行之前不知道会保留多少个框。请用 nms_keep，它给出掩码。"
    ),
    "one or more numbers > 0": "一个或多个大于 0 的数",
    "roi_align_levels takes a level for each box and a map for each of the {n} scales, got {k} "
    "maps, boxes {boxes} and levels {levels}.": (
        "roi_align_levels 需要每个框一个层号、{n} 个比例各一幅特征图，实际得到 {k} 幅图、"
        "框 {boxes}、层号 {levels}。"
    ),
    "roi_align_levels: all maps have the pictures and channels of the first, got shapes {shapes}.": (
        "roi_align_levels：所有特征图的图像数与通道数应与第一幅相同，实际形状为 {shapes}。"
    ),
}

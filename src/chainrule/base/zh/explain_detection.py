"""Chinese texts of explained detections."""

TEXT = {
    "{name} is a detector, which is explained on a picture: train it, then chainrule explain "
    "RUN --image IMAGE --html FILE.": (
        "{name} 是检测器，须配合图片解释：先训练，再用 chainrule explain RUN --image IMAGE --html FILE。"
    ),
    "{path} holds no detector: --image explains only those.": (
        "{path} 中不是检测器：--image 只能用于检测器。"
    ),
    "with --html and the run of a detector: where the boxes in this picture come from": (
        "与 --html 和检测器的运行文件夹一起使用：说明这幅图中各个框的来历"
    ),
    "--image goes with --html FILE, the page to write.": (
        "--image 须与 --html FILE（要写出的网页）一起使用。"
    ),
    "An explained image must be one (channels, height, width), got shape {shape}.": (
        "要解释的图像须为单幅 (通道, 高, 宽)，得到的形状为 {shape}。"
    ),
    "explain_detection takes a FasterRCNN, not {kind}.": (
        "explain_detection 接受 FasterRCNN，而不是 {kind}。"
    ),
    "explain of a detector needs an image: explain(model, image).": (
        "解释检测器需要一幅图像：explain(model, image)。"
    ),
    "There are {n} detections: number {k} is none of them.": ("共有 {n} 个检测框：没有编号 {k}。"),
    "The second stage has {n} boxes: number {k} is none of them.": (
        "第二阶段有 {n} 个框：没有编号 {k}。"
    ),
    "background": "背景",
    "{n} boxes": "{n} 个框",
    "1 box": "1 个框",
    "✓ {good} of {all} lines agree with float64 NumPy (largest relative error {error:.1e}).": (
        "✓ {all} 行中有 {good} 行与 float64 NumPy 的结果一致（最大相对误差 {error:.1e}）。"
    ),
    "box {k}: {key} ({names})": "框 {k}：{key}（{names}）",
    "the model itself gives other detections": "模型本身给出的检测结果不同",
    "the boxes of the first stage": "第一阶段的框",
    "the boxes of the second stage": "第二阶段的框",
    "box {k} in the first suppression": "第一次抑制中的框 {k}",
    "box {k} in the last suppression": "最后一次抑制中的框 {k}",
    "Anchor": "锚框",
    "Proposal score": "候选得分",
    "First decoding": "第一次解码",
    "First suppression": "第一次抑制",
    "RoI align": "RoI 对齐",
    "Class scores": "类别得分",
    "Second decoding": "第二次解码",
    "Last suppression": "最后一次抑制",
    "Result": "结果",
    "A box of fixed size and shape at each place of each feature map.": (
        "每张特征图的每个位置上，都有若干个大小和形状固定的框。"
    ),
    "The proposal network says how surely this anchor covers an object, of whatever class.": (
        "候选网络给出该锚框含有物体（不论类别）的把握。"
    ),
    "Four offsets move the anchor's centre and stretch its sides; the box is cut off at the "
    "image.": "四个偏移量移动锚框的中心并伸缩其边长，再裁剪到图像范围内。",
    "From the best score down, each box of this map strikes out those that overlap it too much.": (
        "从得分最高的框开始，每个框都会去掉同一特征图上与它重叠过多的框。"
    ),
    "The proposal is read from the map that suits its size: in each bin the mean of points "
    "between the elements.": "从与其大小相称的特征图中读取候选框：每个格子取若干插值采样点的均值。",
    "From the bins the second stage gives a number to each class; softmax makes probabilities of "
    "them.": "第二阶段根据这些格子为每个类别给出一个数，再由 softmax 变成概率。",
    "The offsets of this class move the proposal once more, in finer units.": (
        "该类别的偏移量以更细的单位再次移动候选框。"
    ),
    "Boxes above the score threshold strike each other out, class by class.": (
        "得分高于阈值的框按类别互相抑制。"
    ),
    "From the pixels of the batch to those of the image.": "从批次中的像素坐标换算到原图的像素坐标。",
    "strikes out box {k}": "抑制框 {k}",
    "point {i}, {j}: weight · value [row, column]": "采样点 {i}, {j}：权重 · 值 [行, 列]",
    "offsets": "偏移量",
    "centre and size of what is moved": "被移动的框的中心与大小",
    "centre, across": "中心横坐标",
    "centre, down": "中心纵坐标",
    "width": "宽",
    "height": "高",
    "corners": "角点",
    "cut off at the image": "裁剪到图像范围",
    "half its width": "宽的一半",
    "half its height": "高的一半",
    "column · stride": "列 · 步幅",
    "row · stride": "行 · 步幅",
    "the anchor": "锚框",
    "sigmoid of the logit": "logit 的 sigmoid",
    "its rank in this map; so many go on": "在该特征图中的名次；进入抑制的个数",
    "kept: with no better box is the overlap larger": "保留：与任何更好的框的重叠都不超过此值",
    "struck out by a better box": "被更好的框抑制",
    "boxes that it strikes out": "被它抑制的框数",
    "level by size": "由大小决定的层",
    "the map that is read, and its elements per pixel": "所读的特征图，以及每像素的元素数",
    "the box in elements of the map": "以特征图元素为单位的框",
    "size of a bin": "格子的大小",
    "the bin: the mean of its points": "格子：其采样点的均值",
    "sum over all classes": "对所有类别求和",
    "score against the threshold": "得分与阈值",
    "kept: with no better box of its class is the overlap larger": (
        "保留：与同类中任何更好的框的重叠都不超过此值"
    ),
    "struck out by a better box of its class": "被同类中更好的框抑制",
    "boxes of its class that it strikes out": "被它抑制的同类框数",
    "in the image's pixels": "以原图像素为单位",
    "score": "得分",
    "its best class, {label}, has {score}: not above {threshold}": (
        "最可能的类别 {label} 得分 {score}：不高于 {threshold}"
    ),
    "{label} {score}: struck out by box {by}, IoU {iou}": (
        "{label} {score}：被框 {by} 抑制，IoU {iou}"
    ),
    "{label} {score}: there are enough better boxes": "{label} {score}：更好的框已足够多",
    "no anchor is near: the best IoU is {anchor}": "附近没有锚框：最大 IoU 为 {anchor}",
    "no proposal is near: the best IoU is {proposal}": "附近没有候选框：最大 IoU 为 {proposal}",
    "the proposal over it was taken for {seen}; {label} has {score}": (
        "覆盖它的候选框被认作 {seen}；{label} 的得分为 {score}"
    ),
    "{label} has {score}: not above {threshold}": "{label} 得分 {score}：不高于 {threshold}",
    "its box, {label} {score}, was struck out by box {by}": (
        "它的框 {label} {score} 被框 {by} 抑制"
    ),
    "its box, {label} {score}, overlaps it by only {iou}": (
        "它的框 {label} {score} 与它的 IoU 只有 {iou}"
    ),
    "a better box has this object already (IoU {iou})": "该目标已属于更好的框（IoU {iou}）",
    "the object there is {seen} (IoU {iou})": "该处的目标是 {seen}（IoU {iou}）",
    "it lies beside the object (IoU {iou})": "偏离了目标（IoU {iou}）",
    "no object is there": "该处没有目标",
    "Box {k}: {name}": "框 {k}：{name}",
    "{anchors} anchors → {first} looked at → {proposals} proposals → {second} boxes above "
    "{threshold} → {boxes} detections": (
        "{anchors} 个锚框 → {first} 个参与抑制 → {proposals} 个候选框 → "
        "{second} 个框高于 {threshold} → {boxes} 个检测框"
    ),
    "Missed objects": "漏检的目标",
    "object {k} ({name}): {why}": "目标 {k}（{name}）：{why}",
    "box {k}: {why}": "框 {k}：{why}",
    "Proposals given up": "被放弃的候选框",
    "proposal {k}: {why}": "候选框 {k}：{why}",
    "{n} more: explanation.box(k) shows each.": "还有 {n} 个：explanation.box(k) 可逐个查看。",
}

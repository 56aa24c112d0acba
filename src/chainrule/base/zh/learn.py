"""Chinese texts of the learn room."""

TEXT = {
    'chainrule.learn needs {package}: pip install "chainrule[learn]"': (
        'chainrule.learn 需要 {package}：pip install "chainrule[learn]"'
    ),
    # the loop of a fit
    "{name} was interrupted after {done} of {total} rounds; the best so far is kept.": (
        "{name} 在 {total} 轮中的第 {done} 轮后被中断；已保留目前最好的结果。"
    ),
    "{name}  {done}/{total}  {figures}": "{name}  {done}/{total}  {figures}",
    # workings
    "{name} has no working yet: fit it first.": "{name} 还没有计算过程：请先拟合。",
    "{name} kept no working: write fit(..., trace=True).": (
        "{name} 没有保留计算过程：请写 fit(..., trace=True)。"
    ),
    # metrics
    "y_true and y_pred are labels [N] of one length; got {true} and {pred}.": (
        "y_true 和 y_pred 应是长度相同的标签 [N]；得到 {true} 和 {pred}。"
    ),
    "sample_weight has shape {shape}, not one weight for each of {n} samples.": (
        "sample_weight 的形状是 {shape}，而不是 {n} 个样本每个一个权重。"
    ),
    "normalize is 'true', 'pred', 'all' or None, not {value!r}.": (
        "normalize 应为 'true'、'pred'、'all' 或 None，而不是 {value!r}。"
    ),
    "log_loss takes one probability for each of {classes} classes and {n} samples; got {shape}: "
    "give labels= if not every class occurs.": (
        "log_loss 需要 {n} 个样本中每个样本对 {classes} 个类别的概率；得到 {shape}："
        "若并非所有类别都出现，请给出 labels=。"
    ),
    "A ranking metric of one score is for two classes; {classes} occur.": (
        "只有一个得分的排序指标用于两个类别；出现了 {classes} 个。"
    ),
    "Scores of several classes need multi_class='ovr' and average='macro' or 'weighted'.": (
        "多类别的得分需要 multi_class='ovr'，且 average='macro' 或 'weighted'。"
    ),
    "y_true has shape {true} and y_pred {pred}: they must be equal.": (
        "y_true 的形状是 {true}，y_pred 的形状是 {pred}：两者必须相同。"
    ),
}

"""Chinese texts of `base`."""

TEXT = {
    "a number in {interval}": "{interval} 内的数",
    "an integer ≥ {low}": "不小于 {low} 的整数",
    "True or False": "True 或 False",
    "one of {choices}": "{choices} 之一",
    "None or {inner}": "None 或{inner}",
    "an integer or a tuple of integers ≥ {low}": "不小于 {low} 的整数或整数元组",
    "an integer or {n} integers ≥ {low}": "一个或 {n} 个不小于 {low} 的整数",
    "a dtype such as chainrule.float32": "数据类型，例如 chainrule.float32",
    "a value that the operation accepts": "该运算接受的值",
    "{owner}: {name} must be {expected}, got {value!r}.": (
        "{owner}：{name} 必须是{expected}，得到 {value!r}。"
    ),
    "a number": "数",
    "a number {sign} {low}": "{sign} {low} 的数",
    "an integer": "整数",
    "an integer or a tuple of integers": "整数或整数元组",
    "The default dtype must be floating point, not {dtype}.": (
        "默认数据类型必须是浮点类型，不能是 {dtype}。"
    ),
    "Unknown dtype {value!r}: write one of {names}.": "未知的数据类型 {value!r}：请写 {names} 之一。",
    "result_type needs at least one operand.": "result_type 至少需要一个操作数。",
    "Axis {axis} is out of range for {ndim} dimensions: write {low} to {high}.": (
        "轴 {axis} 超出 {ndim} 维张量的范围：请写 {low} 到 {high}。"
    ),
    "The axes {axes} name one axis twice.": "轴 {axes} 中有重复。",
    "The shape {shape} is not valid: sizes are ≥ 0, and one may be -1.": (
        "形状 {shape} 无效：各维大小不小于 0，最多一个为 -1。"
    ),
    "A tensor of shape {of} has {size} elements and cannot take the shape {shape}.": (
        "形状为 {of} 的张量有 {size} 个元素，不能变为形状 {shape}。"
    ),
    "The shapes {shapes} do not broadcast: counted from the right, axis {axis} has sizes {a} and "
    "{b}, and neither is 1.": (
        "形状 {shapes} 不能广播：从右数，轴 {axis} 的大小为 {a} 与 {b}，且都不是 1。"
    ),
    "Unknown language {name!r}: write 'en' or 'zh'.": "未知的语言 {name!r}：请写 'en' 或 'zh'。",
}

"""Chinese texts of the worked steps."""

TEXT = {
    "Forward": "前向",
    "Backward: upstream × local = gradient": "反向：上游梯度 × 局部导数 = 梯度",
    "Gradients": "梯度",
    "{value} (the operation's own rule here)": "{value}（此处按该运算自己的规则）",
    "✗ differences: {value}": "✗ 差分：{value}",
    "{name} is a vector: the gradients are those of its sum.": (
        "{name} 是向量：这里的梯度是其各元素之和的梯度。"
    ),
    "Numbers are rounded for display only; --digits shows more.": (
        "数字只在显示时舍入；--digits 可显示更多位。"
    ),
    "nan and inf: a function was used where it has no value or no slope.": (
        "出现 nan 或 inf：某个函数在没有值或没有斜率的地方被使用。"
    ),
    "Central differences say otherwise for {names}: a kink, a jump, or a rule of the operation's "
    "own.": "中心差分与 {names} 不符：那里有尖点、跳变，或是该运算自己的规则。",
    "Central differences confirm every derivative.": "中心差分证实了每一个导数。",
    # errors
    "Character {at} of {source!r}: {found!r} does not belong in an expression.": (
        "{source!r} 的第 {at} 个字符：表达式中不能有 {found!r}。"
    ),
    "Character {at} of {source!r}: {found!r} stands where {expected} is due.": (
        "{source!r} 的第 {at} 个字符：此处应为{expected}，却是 {found!r}。"
    ),
    "{source!r} ends where {expected} is due.": "{source!r} 到此结束，但还应有{expected}。",
    "a number, a name or '('": "数、名字或 '('",
    "an operator (write 2*x for a product)": "运算符（乘积请写成 2*x）",
    "an operator": "运算符",
    "',' or ')'": "',' 或 ')'",
    "Only the last of several expressions may go without a name: write q = … ; …": (
        "多个表达式中只有最后一个可以没有名字：请写 q = … ; …"
    ),
    "The expression has {length} characters; at most {most} are read.": (
        "表达式有 {length} 个字符；最多读取 {most} 个。"
    ),
    "The expression has more than {most} operations.": "表达式的运算多于 {most} 个。",
    "The expression is nested more than {most} deep.": "表达式的嵌套超过 {most} 层。",
    "The number {text} is too large.": "数 {text} 太大。",
    "{name}: {text!r} is no number, for {unknown} has no value.": (
        "{name}：{text!r} 不是数，因为 {unknown} 没有值。"
    ),
    "{name}: {text!r} is no number.": "{name}：{text!r} 不是数。",
    "{name} is not a finite number.": "{name} 不是有限的数。",
    "{left:g} {sign} {right:g} is not a finite number.": "{left:g} {sign} {right:g} 不是有限的数。",
    "The result depends on no variable: there is nothing to differentiate.": (
        "结果不依赖任何变量：没有什么可以求导。"
    ),
    "No value for {names}: write {example} after the expression.": (
        "{names} 没有值：请在表达式后写 {example}。"
    ),
    "The expression does not use {names}.": "表达式中没有用到 {names}。",
    "{name!r} is given a value twice.": "{name!r} 被赋值两次。",
    "{function} takes two values or more.": "{function} 需要两个以上的值。",
    "Comparisons have no gradient and do not belong here.": "比较没有梯度，不能用在这里。",
    "There is no function {name!r}; the closest is {close!r}.": (
        "没有函数 {name!r}；最接近的是 {close!r}。"
    ),
    "There is no function {name!r}; there are {known}.": "没有函数 {name!r}；有：{known}。",
    "{function} takes {n} values{params}, and got {given}.": (
        "{function} 需要 {n} 个值{params}，得到 {given} 个。"
    ),
    " and the numbers {names}": "以及数 {names}",
    "{name!r} cannot be the name of a variable.": "{name!r} 不能作为变量名。",
    "{name} has shape {shape}: give a number or a list of 1 to {most} numbers.": (
        "{name} 的形状为 {shape}：请给出一个数，或 1 到 {most} 个数的列表。"
    ),
    "dot takes two vectors, written as x=[1,2,3].": "dot 需要两个向量，写作 x=[1,2,3]。",
}

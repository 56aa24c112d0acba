"""The Chinese forms of the pages that are written by machine: benchmarks and primitives.

Numbers, names and code stay as they are; only the words around them are translated. A sentence that
has no translation here raises, so that a changed page cannot go out half English.
"""

# ruff: noqa: E501  (Chinese characters count twice; the sentences are kept whole)
from __future__ import annotations

import re

# ---- benchmarks ----------------------------------------------------------------------------------

_HEADS = {
    "setting": "设置", "median": "中位数", "range": "范围", "× best peer": "× 最快的同类",
    "of FLOP peak": "占浮点峰值", "of bandwidth": "占带宽", "first call": "首次调用",
    "from start": "自启动起", "memory": "内存", "family": "类别", "fit": "训练",
    "predict or transform": "预测或变换", "both": "合计", "rows": "行数", "estimator": "估计器",
    "where": "何处",
}  # fmt: skip
_WORDS = {
    "chainrule, compiled": "chainrule，编译模式",
    "chainrule, glass": "chainrule，玻璃模式",
    "chainrule compiled": "chainrule 编译模式",
    "chainrule glass": "chainrule 玻璃模式",
    "PyTorch eager": "PyTorch 即时模式",
    "PyTorch compile": "PyTorch 编译模式",
}
_HOW = """每个设置在自己的进程中运行，初始权重与数据都相同；只有更新之前、一步之后和五步之后的损失全部一致（误差不超过
最大者的 0.1 %，bfloat16 为 0.3 %），这一行才被接受；推理则比较全部输出（0.1 %，bfloat16 为 3 %）。各进程轮流测量：\\1 轮，每段至少
\\2 秒。每个数是各段的中位数，比值是各轮比值的中位数。“× 最快的同类”大于 1 表示比不属于我们的最快设置还快，小于 1 表示更慢。峰值与带宽在
同样的轮次中测量；浮点运算数与字节数按 [benchmarks/workloads.py](../../benchmarks/workloads.py) 中的公式计算：卷积、线性层与循环层的乘加次数，
以及假定没有缓存时最少的数据搬运量。“首次调用”是含编译的第一步：缓存为空时 / 缓存已由先前的进程填好时。“自启动起”还包括进程
本身的启动与导入。“内存”是进程的峰值。"""
_LEARN = """`chainrule.learn` 的每个估计器与设置相同的 scikit-learn 估计器并列，各自在一个进程中运行，线程、作业数与算法取对它最快的；
两者轮流测量，每个数是中位数。大于 1 表示 chainrule 更快。“内存”是训练在峰值时增加的内存与 scikit-learn 的比值（超过 1.2 时列出），
“首次调用”是缓存为空时的第一次训练或使用（超过 2 秒时列出），得分取自训练未见过的行（低 2 % 以上时列出）。树与网络随机抽取之处，
两者的得分相差属于偶然。"""
# Whole lines (or paragraphs) of the English page, and what they become.
_LINES = [
    (r"# Benchmarks", r"# 基准测试"),
    (r"<!-- Written by `python -m benchmarks.*-->",
     r"<!-- Written by docs/generate.py from docs/benchmarks.md: do not edit. -->"),
    (r"\*\*Machine\*\*: (.*), (\d+) cores, (\d+) float32 numbers a vector, (\d+) MiB last cache, "
     r"(.*)\. \*\*Threads\*\*: (\d+)\. \*\*Versions\*\*: (.*)\.",
     r"**机器**：\1，\2 个核，每个向量 \3 个 float32 数，末级缓存 \4 MiB，\5。**线程**：\6。**版本**：\7。"),
    (r"Measured on (\S+) with `(.*)`\.", r"\1 用 `\2` 测得。"),
    (r"Every setting runs in a process.*?(\d+) rounds of blocks of at least (\S+) s\..*process's peak\.",
     _HOW),
    (r"!\[Speed relative to the best peer, by row\]\((.*)\)", r"![各行相对最快同类的速度](../\1)"),
    (r"- training, (\S+): geometric mean (\S+) × the best peer \(rows (.*)\)",
     r"- 训练，\1：几何平均为最快同类的 \2 倍（行 \3）"),
    (r"- inference, batch (\d+), (\S+): geometric mean (\S+) × the best peer \(rows (.*)\)",
     r"- 推理，批量 \1，\2：几何平均为最快同类的 \3 倍（行 \4）"),
    (r"## \((\w)\) (.*), training step, batch (\d+), (\S+)", r"## (\1) \2，训练步，批量 \3，\4"),
    (r"## \((\w)\) (.*), inference, batch (\d+), (\S+)", r"## (\1) \2，推理，批量 \3，\4"),
    (r"- (\S+) GFLOP, (\S+) MB; peak (\S+) GFLOP/s, bandwidth (\S+) GB/s: at least (.*)",
     r"- \1 GFLOP，\2 MB；峰值 \3 GFLOP/s，带宽 \4 GB/s：至少 \5"),
    (r"- (chainrule \w+) runs at (.*)", r"- \1的速度是 \2"),
    (r"## Classical learning", r"## 经典学习"),
    (r"Measured on (\S+) with `(.*)`: (.*), (\d+) cores; (.*)\.", r"\1 用 `\2` 测得：\3，\4 个核；\5。"),
    (r"Every estimator of `chainrule.learn`.*by chance\.", _LEARN),
    (r"Rows that are not of trees, networks, PCA or linear models are, but for a few, from runs "
     r"earlier that day\.", r"除树、网络、PCA、线性模型与少数几行外，其余各行取自同日较早的几次运行。"),
    (r"(\d+) of (\d+) cases are not measured yet\.", r"\2 项中有 \1 项尚未测量。"),
    (r"(\d+) of (\d+) rows lose somewhere:", r"\2 行中有 \1 行在某处落后："),
    (r"0 of (\d+) rows lose somewhere\.", r"\1 行中没有一行在任何一处落后。"),
    (r"- REFUSED: (.*)", r"- 未被接受：\1"),
    (r"- not measured: (.*)", r"- 未测量：\1"),
]  # fmt: skip
_TITLES = {
    "the notes' CNN": "笔记中的 CNN",
    "CNN with batch norm": "带批归一化的 CNN",
    "Embedding, LSTM 256, Linear": "嵌入、LSTM 256、线性层",
}


def benchmarks(text: str) -> str:
    """The Chinese form of docs/benchmarks.md. Raises ValueError for words that it does not know."""
    return "\n\n".join(_block(block) for block in text.strip().split("\n\n")) + "\n"


def _block(block: str) -> str:
    if block.startswith(("Every setting", "Every estimator")):
        return _line(block.replace("\n", " "))
    return "\n".join(_line(line) for line in block.split("\n"))


def _line(line: str) -> str:
    if line.startswith("|"):
        return _row(line)
    for pattern, form in _LINES:
        found = re.fullmatch(pattern, line)
        if found:
            return _words(found.expand(form))
    raise ValueError(f"docs/benchmarks.md has a line without Chinese: {line!r}")


# Cells of the tables of classical learning.
_CELLS = [
    (r"linear", "线性模型"), (r"preprocessing", "预处理"), (r"neighbors", "近邻"),
    (r"svm", "支持向量机"), (r"trees", "树与集成"), (r"cluster", "聚类"),
    (r"decomposition", "分解"), (r"mixture", "混合模型"), (r"manifold", "流形"),
    (r"neural", "网络"), (r"all", "全部"),
    (r"(\S+) by distance, (\d+) columns", r"\1，按距离加权，\2 列"), (r"(\S+) (\d+) columns", r"\1，\2 列"),
    (r"(\S+) (.*?)(\d+) classes", r"\1 \2\3 类"), (r"(\S+) (\d+) trees", r"\1，\2 棵树"),
    (r"(\S+) (\d+) epochs", r"\1，\2 轮"), (r"(\S+) (\d+) of (\d+)", r"\1，\3 中取 \2"),
    (r"(\S+) (\d+) of (\d+), whitened", r"\1，\3 中取 \2，白化"),
]  # fmt: skip
_FAULTS = [
    (r"predict/transform ([\d.]+)×", r"预测/变换 \1×"), (r"fit ([\d.]+)×", r"训练 \1×"),
    (r"memory ([\d.]+)×", r"内存 \1×"), (r"first call ([\d.]+) s", r"首次调用 \1 秒"),
    (r"score (\S+) below ([^\s,]+)", r"得分 \1，低于 \2"), (r"(×|秒|\d), ", r"\1；"),
]  # fmt: skip


def _learn_cell(cell: str) -> str:
    for pattern, form in _CELLS:
        if found := re.fullmatch(pattern, cell.strip()):
            return f" {found.expand(form)} "
    if re.search(r"[\d.]+×|first call|score \S+ below", cell):
        for pattern, form in _FAULTS:
            cell = re.sub(pattern, form, cell)
    return cell


def _row(line: str) -> str:
    cells = line.strip("|").split("|")
    if cells[0].strip() in ("setting", "family", "estimator"):
        cells = [f" {_HEADS[cell.strip()]} " for cell in cells]
    elif len(cells) in (3, 5):
        cells = [_learn_cell(cell) for cell in cells]
    out = f"|{'|'.join(cells)}|"
    return _words(re.sub(r"([\d.]+ (?:m|µ)?s) to ([\d.]+ (?:m|µ)?s)", r"\1 至 \2", out))


def _words(line: str) -> str:
    for english, words in {**_WORDS, **_TITLES}.items():
        line = line.replace(english, words)
    head, mark, rest = line.partition("的速度是 ")
    if not mark:
        return line
    parts = re.findall(r"([\d.]+) × ([^,]+)", rest)
    times = (f"{name}{' ' if name.isascii() else ''}的 {ratio} 倍" for ratio, name in parts)
    return f"{head}{mark}{'，'.join(times)}"


# ---- primitives ----------------------------------------------------------------------------------

PRIMITIVES_HEAD = """# 基元

每个命名空间（NumPy、记录、追踪）都提供、编译器能够生成代码的 {n} 个函数。其余一切都是复合的，追踪时
展开为它们。
"""
KINDS = {
    "map": "map：逐元素", "cast": "cast：类型转换", "reduce": "reduce：归约", "scan": "scan：扫描",
    "move": "move：搬移", "index": "index：索引", "sort": "sort：排序", "contraction": "contraction：缩并",
    "window": "window：窗口", "host": "host：主机函数", "create": "create：创建", "random": "random：随机",
}  # fmt: skip
MEANINGS = {
    "-1, 0 or 1": "-1、0 或 1",
    "nearest integer, ties to even": "最近的整数，正中间取偶数",
    "integer part": "整数部分",
    "is x NaN": "x 是否为 NaN",
    "not x, bit by bit": "x 按位取反",
    "the larger, NaN wins": "较大者，NaN 优先",
    "the smaller, NaN wins": "较小者，NaN 优先",
    "angle of (o, x)": "点 (o, x) 的辐角",
    "x and o, bit by bit": "x 与 o，按位",
    "x or o, bit by bit": "x 或 o，按位",
    "exclusive or, bit by bit": "异或，按位",
    "x where condition, else o": "条件成立处取 x，否则取 o",
    "the values as dtype; floats to integers by truncation": "转换为 dtype；浮点数截断为整数",
    "sum, pairwise in blocks": "求和，分块两两相加",
    "product": "乘积",
    "largest, NaN wins": "最大者，NaN 优先",
    "smallest, NaN wins": "最小者，NaN 优先",
    "index of the first largest": "第一个最大者的下标",
    "index of the first smallest": "第一个最小者的下标",
    "running sum": "累积和",
    "running product": "累积乘积",
    "carry, y = body(F, carry, x, constants) for each x along axis 0 of xs: the last carry, and the "
    "ys stacked": "沿 xs 的第 0 轴对每个 x 计算 carry, y = body(F, carry, x, constants)：最后的 carry，"
    "以及堆叠起来的各个 y",
    "one of the results of scan, in a traced program": "追踪的程序中 scan 的结果之一",
    "the same elements in another shape": "同样的元素，换一个形状",
    "axes in another order": "换轴的顺序",
    "repeated along new axes and axes of size 1": "沿新轴和大小为 1 的轴重复",
    "basic index: integers, slices, None, …": "基本索引：整数、切片、None、…",
    "zeros of shape with x at key: the adjoint of slice": "形状为 shape 的零，key 处放 x：slice 的伴随",
    "constant border; negative widths crop": "常数边框；宽度为负则裁剪",
    "one after the other": "首尾相接",
    "x[key] with arrays for the gaps (None) in key": "x[key]，key 中的空位（None）由数组填入",
    "adjoint of gather: repeats add up": "gather 的伴随：重复的下标相加",
    "x with o written at key; of repeats the last counts": "在 x 的 key 处写入 o；下标重复时以最后一个为准",
    "one entry a line, chosen by indices": "每行取一个元素，由 indices 指定",
    "adjoint of take_along_axis": "take_along_axis 的伴随",
    "indices of the stable ascending order": "稳定升序排列的下标",
    "matrix product over the last two axes, broadcast": "最后两个轴上的矩阵乘积，其余轴广播",
    "cross-correlation": "互相关",
    "adjoint of conv in x": "conv 对 x 的伴随",
    "adjoint of conv in w": "conv 对 w 的伴随",
    "sum over each window": "每个窗口内求和",
    "adjoint of windows_sum": "windows_sum 的伴随",
    "flat spatial index of each window's first largest, NaN wins": "每个窗口中第一个最大者的一维空间下标，"
    "NaN 优先",
    "windows as columns (im2col)": "把窗口排成列（im2col）",
    "adjoint of unfold (col2im)": "unfold 的伴随（col2im）",
    "a tuple of results of LAPACK, by name": "按名称调用 LAPACK，结果为元组",
    "a constant": "常数",
    "Philox uniforms in [0, 1)": "[0, 1) 上的 Philox 均匀分布",
}


def meaning(text: str) -> str:
    """What a primitive computes, in Chinese; formulas stay. Raises ValueError for unknown words."""
    if text in MEANINGS:
        return MEANINGS[text]
    if re.search(
        r"[A-Za-z]{3,}", re.sub(r"arc(?:sin|cos|tan)|sinh|cosh|tanh|sin|cos|tan|log", "", text)
    ):
        raise ValueError(f"a primitive's meaning has no Chinese: {text!r}")
    return text

"""Recurrent nets (001 LSTM of the notes)."""

from chainrule.explain.cards.sheet import Sheet, step, told

_RNN = (
    step(r"h_t = f(z_t),\quad z_t = W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh}"),
    step(
        r"\delta z_t = f'(z_t) \odot \left(\frac{\partial L}{\partial h_t} + W_{hh}^{\top} \delta "
        r"z_{t+1}\right)",
        "Backwards through time, what comes from above and from the next step is added:",
        "沿时间反向：来自上方与来自下一时刻的梯度相加：",
    ),
    step(
        r"\frac{\partial L}{\partial W_{hh}} = \sum_t \delta z_t\, h_{t-1}^{\top},\quad "
        r"\frac{\partial L}{\partial W_{ih}} = \sum_t \delta z_t\, x_t^{\top}",
        "One matrix serves all steps: its gradients add up.",
        "所有时刻共用一个矩阵，梯度相加。",
    ),
    step(
        r"\frac{\partial h_t}{\partial h_{t-k}} = \prod_{j=0}^{k-1} \operatorname{diag}(f'"
        r"(z_{t-j}))\, W_{hh}",
        "The k-th power of W_hh: it vanishes or explodes.",
        "出现 W_hh 的 k 次幂：消失或爆炸。",
    ),
)
_LSTM = (
    step(
        r"i = \sigma(\hat{i}),\ f = \sigma(\hat{f}),\ o = \sigma(\hat{o}),\ g = \tanh(\hat{g}),"
        r"\quad (\hat{i}, \hat{f}, \hat{g}, \hat{o}) = W I_t,\ I_t = (x_t, h_{t-1})"
    ),
    step(r"c_t = f_t \odot c_{t-1} + i_t \odot g_t,\quad h_t = o_t \odot \tanh(c_t)"),
    step(
        r"\delta o_t = \delta h_t \odot \tanh(c_t),\quad \delta c_t \leftarrow \delta c_t + "
        r"\delta h_t \odot o_t \odot (1 - \tanh^2 c_t)",
        "(4-4), (4-6): the memory also gets what comes from step t + 1.",
        "(4-4)、(4-6)：记忆单元还要加上 t + 1 时刻传来的残差。",
    ),
    step(
        r"\delta i_t = \delta c_t \odot g_t,\quad \delta f_t = \delta c_t \odot c_{t-1},\quad "
        r"\delta g_t = \delta c_t \odot i_t,\quad \delta c_{t-1} = \delta c_t \odot f_t",
        "(4-7) to (4-10): the last has no matrix and no squashing in it.",
        "(4-7) 至 (4-10)：最后一式既没有矩阵相乘，也没有激活函数的导数。",
    ),
    step(
        r"\delta \hat{g} = \delta g (1 - g^2),\quad \delta \hat{i} = \delta i\, i (1 - i),\quad "
        r"\delta \hat{f} = \delta f\, f (1 - f),\quad \delta \hat{o} = \delta o\, o (1 - o)",
        "(4-12):",
        "(4-12)：",
    ),
    step(r"\delta I_t = W^{\top} \delta z_t,\quad \delta W = \sum_t \delta z_t I_t^{\top}"),
)
_GRU = (
    step(
        r"r = \sigma(W_r x + U_r h),\quad z = \sigma(W_z x + U_z h),\quad u = U_n h,\quad n = "
        r"\tanh(W_n x + r \odot u),\quad h' = (1 - z) \odot n + z \odot h",
        "The biases stand beside their products; that of U_n h is inside u.",
        "偏置加在各自的乘积上；U_n h 的偏置含在 u 之内。",
    ),
    step(
        r"\delta n = \delta h' \odot (1 - z) \odot (1 - n^2),\quad \delta z = \delta h' \odot (h - "
        r"n) \odot z \odot (1 - z),\quad \delta r = \delta n \odot u \odot r \odot (1 - r)",
        "Down to the inputs of the three squashing functions:",
        "一直求到三个激活函数的输入：",
    ),
    step(
        r"\delta a = (\delta r, \delta z, \delta n),\quad \delta b = (\delta r, \delta z, \delta n "
        r"\odot r),\quad \delta h = \delta h' \odot z + \delta b\, W_{hh}",
        "On the side of the input and of the state. The direct way back is gated by z alone.",
        "输入一侧与状态一侧。直接的回路只受门 z 控制。",
    ),
)
_RNN_USE = (
    "Short sequences, and to show why gates are needed.",
    "短序列，以及用来说明为何需要门。",
)
_RNN_TROUBLE = (
    "Powers of W_hh: below 1 the gradient vanishes over time, above 1 it explodes (clip it). "
    "Steps cannot run in parallel.",
    "W_hh 的高次幂：小于 1 则梯度随时间消失，大于 1 则爆炸（需裁剪）。各时刻无法并行。",
)
_LSTM_USE = (
    "Sequences with long dependence: text, speech, video. Gates let through only part of the "
    "information, and what they let through is learned.",
    "长距离依赖的序列：文本、语音、视频。门只让一部分信息通过，通过多少由学习决定。",
)
_LSTM_TROUBLE = (
    "Four times the weights of a plain RNN and no parallel steps; where f stays small the memory "
    "still fades, so begin with a forget bias of 1.",
    "参数是普通 RNN 的四倍，各时刻也无法并行；f 较小时记忆仍会衰减，遗忘门偏置宜从 1 开始。",
)
_GRU_USE = ("As LSTM, with a quarter fewer weights.", "用途同 LSTM，参数少四分之一。")
_GRU_TROUBLE = (
    "No memory apart from the output; where counting matters an LSTM learns more surely.",
    "没有独立于输出的记忆；需要计数的任务 LSTM 学得更可靠。",
)
_NOTE = "001 LSTM (4-1)–(4-12)"
_FLOW = "flow:x (T, N, K) | {}, step by step | y (T, N, H), h (1, N, H)"
_CELL = "flow:x (N, K), h (N, H) | {} | h (N, H)"
_LETS = {"x": r"\delta z_t W_{ih}", "w_ih": r"\sum_t \delta z_t^{\top} x_t",
         "w_hh": r"\sum_t \delta z_t^{\top} h_{t-1}", "b_ih": r"\sum_t \delta z_t",
         "b_hh": r"\sum_t \delta z_t", "h0": r"\delta z_1 W_{hh}"}  # fmt: skip
_GRADIENTS = {
    "rnn": _LETS,
    "lstm": {**_LETS, "c0": r"\delta c_1 \odot f_1",
             "w_hr": r"\sum_t \delta h_t^{\top} (o_t \odot \tanh(c_t))"},
    "gru": {"x": r"\delta a_t W_{ih}", "w_ih": r"\sum_t \delta a_t^{\top} x_t",
            "w_hh": r"\sum_t \delta b_t^{\top} h_{t-1}", "b_ih": r"\sum_t \delta a_t",
            "b_hh": r"\sum_t \delta b_t",
            "h0": r"\delta h_1 \odot z_1 + \delta b_1 W_{hh}"},
}  # fmt: skip


def _net(kind: str, picture: str, formula: str, summary: tuple[str, str] | None = None) -> Sheet:
    use, trouble, steps = {
        "rnn": (_RNN_USE, _RNN_TROUBLE, _RNN),
        "lstm": (_LSTM_USE, _LSTM_TROUBLE, _LSTM),
        "gru": (_GRU_USE, _GRU_TROUBLE, _GRU),
    }[kind]
    related = " ".join(k for k in ("rnn", "lstm", "gru") if k != kind) + " clip_grad_norm_"
    return told(use, trouble, steps=steps, gradients=_GRADIENTS[kind], rule="sum_back",
                formula=formula, picture=picture, related=related, note=_NOTE,
                summary=summary)  # fmt: skip


_H = r"h_t = f(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})"
_C = r"c_t = f \odot c_{t-1} + i \odot g,\quad h_t = o \odot \tanh(c_t)"
_G = r"h_t = (1 - z) \odot n + z \odot h_{t-1}"

SHEETS: dict[str, Sheet] = {
    "rnn": _net("rnn", _FLOW.format("W x + W h, tanh"), _H),
    "lstm": _net("lstm", _FLOW.format("gates i f g o, memory c"), _C),
    "gru": _net("gru", _FLOW.format("gates r z, candidate n"), _G),
    "rnn_tanh_cell": _net(
        "rnn",
        _CELL.format("tanh(W x + W h + b)"),
        _H.replace("f(", r"\tanh("),
        ("One step of a plain recurrent net.", "普通循环网络的一步。"),
    ),
    "rnn_relu_cell": _net(
        "rnn",
        _CELL.format("max(W x + W h + b, 0)"),
        _H.replace("f(", r"\max(0,\ "),
        ("One step of a recurrent net with ReLU.", "使用 ReLU 的循环网络的一步。"),
    ),
    "lstm_cell": _net(
        "lstm",
        _CELL.format("gates i f g o, memory c"),
        _C,
        ("One step of an LSTM: new output and memory.", "LSTM 的一步：新的输出与记忆单元。"),
    ),
    "gru_cell": _net(
        "gru", _CELL.format("gates r z, candidate n"), _G, ("One step of a GRU.", "GRU 的一步。")
    ),
    "RNNBase": told(
        (
            "To build recurrent layers of several levels and directions: the base of RNN, LSTM, "
            "GRU.",
            "构造多层、双向循环层的基类：RNN、LSTM、GRU 都由它派生。",
        ),
        (
            "Not to be used itself; bidirectional nets need the whole sequence before they answer.",
            "不直接使用；双向网络要等到整个序列结束才能给出结果。",
        ),
        formula=_H,
        steps=_RNN[1:3],
        rule="contained",
        summary=(
            "Layers on top of each other, in one direction or two.",
            "一层叠一层、单向或双向的循环层。",
        ),
        picture="flow:x (T, N, K) | layer 0 → | layer 0 ← | dropout | layer 1 … | y (T, N, 2H)",
        related="RNN LSTM GRU",
    ),
    "RNNCellBase": told(
        (
            "To build a cell of your own: weights, one step, with or without a batch.",
            "构造自己的循环单元：权重与单步计算，可以没有批。",
        ),
        (
            "You write the loop over time yourself, and it runs in Python.",
            "沿时间的循环要自己写，而且在 Python 中运行。",
        ),
        formula=_H,
        steps=_RNN[1:2],
        rule="contained",
        summary=("The base of the cells.", "各循环单元的基类。"),
        picture=_CELL.format("cell"),
        related="RNNCell LSTMCell GRUCell",
    ),
}

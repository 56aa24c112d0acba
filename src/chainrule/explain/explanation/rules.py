"""Gradients that no symbolic derivative of a formula gives: matrices, windows, shares, memories.

For each operation and input ∂L/∂input, as text and in LaTeX, in `$g` = ∂L/∂y, `$y` and the inputs'
names; n counts what a mean is taken over (1 for a sum); P is the matrix of zeros and ones by which
the operation moves, copies or leaves out entries: y = P x.
Sources: the notes' backprop equations (003 §2), convolution and pooling backward (001, 002),
batch norm in closed form (000 §2, 003 §8.3), the LSTM's equations 4-2 to 4-12 (001).
"""

from __future__ import annotations

_CONV = {
    "x": ("full($g ∗ rot180($weight))", r"$g \ast \operatorname{rot}_{180}($weight)"),
    "weight": ("Σ_n ${x}_n ⋆ ${g}_n", r"\sum_{n} {${x}}_n \star ${g}_n"),
    "bias": ("Σ_(n,h,w) $g", r"\sum_{n,h,w} $g"),
}
_POOL = {"x": ("Σ_(w ∋ x) $g[w] / n", r"\sum_{w \ni x} \tfrac{1}{n} ${g}_w")}
_NORM = {
    "x": (
        "(h − mean(h) − x̂·mean(h·x̂)) / √(σ² + ε), h = $g·$weight, x̂ = (x − μ)/√(σ² + ε)",
        r"\frac{h - \overline{h} - \hat{x}\,\overline{h\hat{x}}}{\sqrt{\sigma^2+\varepsilon}},"
        r"\ h = $g \odot $weight",
    ),
    "weight": ("Σ $g·x̂", r"\sum $g \odot \hat{x}"),
    "bias": ("Σ $g", r"\sum $g"),
}
_GATES = (
    "δc = δh·o·(1 − tanh²c) + δc_next·f_next; δi = δc·g·i(1 − i), δf = δc·c_prev·f(1 − f), "
    "δg = δc·i·(1 − g²), δo = δh·tanh(c)·o(1 − o)"
)
_GATES_TEX = (
    r"\delta c_t = \delta h_t \odot o_t \odot (1-\tanh^2 c_t) + \delta c_{t+1}\odot f_{t+1},\ "
    r"\delta z = (\delta i, \delta f, \delta g, \delta o)\odot\sigma'"
)
_LSTM = {
    "x": (f"δz @ $w_ih, {_GATES}", rf"\delta z\,$w_ih,\quad {_GATES_TEX}"),
    "w_ih": ("Σ_t δz_tᵀ @ x_t", r"\sum_t \delta z_t^{\top} x_t"),
    "w_hh": ("Σ_t δz_tᵀ @ h_(t−1)", r"\sum_t \delta z_t^{\top} h_{t-1}"),
    "b_ih": ("Σ_t δz_t", r"\sum_t \delta z_t"),
    "b_hh": ("Σ_t δz_t", r"\sum_t \delta z_t"),
    "h0": ("δz_1 @ $w_hh", r"\delta z_1\,$w_hh"),
    "c0": ("δc_1·f_1", r"\delta c_1 \odot f_1"),
}
_RNN = {
    "x": ("δz @ $w_ih, δz_t = (δh_t + δz_(t+1) @ $w_hh)·f′(z_t)", r"\delta z\,$w_ih"),
    **{name: _LSTM[name] for name in ("w_ih", "w_hh", "b_ih", "b_hh", "h0")},
}
_GRU = {
    "x": ("δa @ $w_ih, δa = (δr, δz, δn)", r"\delta a\,$w_ih,\ \delta a = (\delta r, \delta z, "
          r"\delta n)"),
    "w_ih": ("Σ_t δa_tᵀ @ x_t", r"\sum_t \delta a_t^{\top} x_t"),
    "w_hh": ("Σ_t δb_tᵀ @ h_(t−1), δb = (δr, δz, δn·r)",
             r"\sum_t \delta b_t^{\top} h_{t-1},\ \delta b = (\delta r, \delta z, \delta n "
             r"\odot r)"),
    "b_ih": ("Σ_t δa_t", r"\sum_t \delta a_t"),
    "b_hh": ("Σ_t δb_t", r"\sum_t \delta b_t"),
    "h0": ("δh_1·z_1 + δb_1 @ $w_hh", r"\delta h_1 \odot z_1 + \delta b_1\,$w_hh"),
}  # fmt: skip
_MOVED = {"x": ("Pᵀ $g", r"P^{\top} $g")}

RULES: dict[str, dict[str, tuple[str, str]]] = {
    "matmul": {
        "x": ("$g @ $oᵀ", r"$g\,$o^{\top}"),
        "o": ("$xᵀ @ $g", r"$x^{\top} $g"),
    },
    "linear": {
        "x": ("$g @ $weight", r"$g\,$weight"),
        "weight": ("$gᵀ @ $x", r"$g^{\top} $x"),
        "bias": ("Σ_n ${g}_n", r"\sum_n ${g}_n"),
    },
    "conv1d": _CONV,
    "conv2d": _CONV,
    "conv3d": _CONV,
    "avg_pool1d": _POOL,
    "avg_pool2d": _POOL,
    "avg_pool3d": _POOL,
    "max_pool": {
        "x": ("Σ_(w: argmax w = x) $g[w]", r"\sum_{w:\ \arg\max_w = x} ${g}_w")
    },
    "softmax": {
        "x": ("$y·($g − Σ $g·$y)",
              r"$y \odot \left($g - \sum $g \odot $y\right)"),
    },
    "log_softmax": {
        "x": ("$g − softmax($x)·Σ $g", r"$g - \operatorname{softmax}($x) \sum $g"),
    },
    "softmax_cross_entropy": {
        "input": ("$g·(softmax($input) − onehot($target)) / n",
                  r"\tfrac{1}{n}\,$g \left(p - \mathbb{1}_{$target}\right),\ p = "
                  r"\operatorname{softmax}($input)"),
    },
    "batch_norm": _NORM,
    "layer_norm": _NORM,
    "group_norm": _NORM,
    "lstm": _LSTM,
    "gru": _GRU,
    "rnn": _RNN,
    "attention": {
        "query": ("scale·∂S @ $key, ∂S = P·(∂P − Σ ∂P·P), ∂P = $g @ $valueᵀ",
                  r"s\,\partial S\,$key,\ \partial S = P \odot "
                  r"\left(\partial P - \sum \partial P \odot P\right)"),
        "key": ("scale·∂Sᵀ @ $query", r"s\,\partial S^{\top} $query"),
        "value": ("Pᵀ @ $g", r"P^{\top} $g"),
        "bias": ("∂S", r"\partial S"),
    },
    "embedding": {
        "weight": ("∂L/∂$weight[i] = Σ_(n: $index[n] = i) ${g}_n", r"\sum_{n:\ i_n = i} ${g}_n"),
    },
    "sum": {"x": ("$g·1", r"$g \cdot \mathbf{1}")},
    "mean": {"x": ("$g / n", r"\tfrac{1}{n}\,$g \cdot \mathbf{1}")},
    "logsumexp": {"x": ("$g·exp($x − $y)", r"$g \odot e^{$x - $y}")},
    "amax": {"x": ("$g at argmax", r"$g\ \text{at}\ \arg\max")},
    "amin": {"x": ("$g at argmin", r"$g\ \text{at}\ \arg\min")},
    "mse_loss": {
        "input": ("$g·2($input − $target) / n",
                  r"$g \cdot \tfrac{2}{n}\left($input - $target\right)"),
        "target": ("−$g·2($input − $target) / n",
                   r"-$g \cdot \tfrac{2}{n}\left($input - $target\right)"),
    },
    "masked_scale": {"x": ("$g·$mask / (1 − p)", r"$g \odot \frac{$mask}{1-p}")},
    **{name: _MOVED for name in (
        "reshape", "permute", "expand", "slice", "unslice", "cat", "clone", "diagonal",
        "constant_pad", "index",
    )},
}  # fmt: skip

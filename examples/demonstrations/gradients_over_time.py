"""Gradients over time: powers of W_hh in the plain RNN, the forget gate's product in the LSTM.

Note 001, "LSTM": (4-10) δc_{t−1} = δc_t ⊙ f_t, the RNN's δh_{t−1} = W_hhᵀ (δh_t ⊙ σ′(z_t)).
"""

import sys
from pathlib import Path

from common import FOLDER

import chainrule as cr
from chainrule import nn
from chainrule.explain import Lines, figure

TIME, SIZE, INPUTS = 40, 32, 8


def rnn_gradients(radius):
    """‖∂L/∂h_t‖ for t = 1 … TIME, with W_hh = radius · an orthogonal matrix."""
    cr.manual_seed(0)
    cell = nn.RNNCell(INPUTS, SIZE, nonlinearity="relu" if radius > 1 else "tanh")
    nn.init.orthogonal_(cell.weight_hh, gain=radius)
    h, states = cr.zeros(1, SIZE), []
    for x in 0.1 * cr.randn(TIME, 1, INPUTS):
        h = cell(x, h)
        h.retain_grad()
        states.append(h)
    h.sum().backward()
    return [h.grad.norm().item() for h in states]


def lstm_gradients(bias, recurrent=True):
    """‖δc_t‖ for t = 1 … TIME, the forget gates' bias given; and the largest error of (4-10)."""
    cr.manual_seed(0)
    cell = nn.LSTMCell(INPUTS, SIZE)
    if not recurrent:
        nn.init.zeros_(cell.weight_hh)
    with cr.no_grad():
        cell.bias_hh[SIZE : 2 * SIZE] = bias
    h = c = cr.zeros(1, SIZE)
    cells, forgets = [], []
    for x in 0.1 * cr.randn(TIME, 1, INPUTS):
        gates = x @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
        forgets.append(gates[:, SIZE : 2 * SIZE].sigmoid().detach())
        h, c = cell(x, (h, c))
        c.retain_grad()
        cells.append(c)
    c.sum().backward()
    deltas = [c.grad for c in cells]
    pairs = zip(deltas, deltas[1:], forgets[1:])
    error = max((before - after * f).abs().max().item() for before, after, f in pairs)
    return [delta.norm().item() for delta in deltas], error


def main(folder=FOLDER):
    curves = {f"RNN, ‖W_hh‖ = {r}": rnn_gradients(r) for r in (0.5, 0.9, 1.5)}
    _, error = lstm_gradients(0.0, recurrent=False)
    assert error < 1e-6  # without W_h the cell's path is the only one, and (4-10) is exact
    for bias in (0.0, 3.0):
        curves[f"LSTM, forget bias {bias:g}"], _ = lstm_gradients(bias)
    share = {name: norms[0] / norms[-1] for name, norms in curves.items()}
    assert share["RNN, ‖W_hh‖ = 0.5"] < 0.5**39 * 1.1 and share["RNN, ‖W_hh‖ = 0.9"] < 0.9**39 * 1.1
    assert share["RNN, ‖W_hh‖ = 1.5"] > 100
    assert share["LSTM, forget bias 3"] > 0.1 > share["LSTM, forget bias 0"]

    print(f"What {TIME} steps leave of a gradient:")
    print("  " + ", ".join(f"{name} {value:.1e}" for name, value in share.items()))
    panel = Lines("Gradient of the state at step t", curves, x_name="t", y_name="‖δ‖", log=True)
    return figure(Path(folder) / "gradients_over_time.svg", "Gradients over time", panel)


if __name__ == "__main__":
    main(*sys.argv[1:])

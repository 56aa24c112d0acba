"""Robustness (against noise and outliers) and generalisation are two things, measured apart.

Note 000 §8: small deviations (noise) should do little harm, large ones (outliers) no disaster;
generalisation is the prediction of unknown data, told by the test error.
"""

import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Bars, Lines, figure


def network(x, y, noise):
    """Trained on digits with fresh noise of this deviation in every epoch."""
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = cr.optim.Adam(model.parameters(), lr=0.002)
    noisy = cr.cat([x + noise * cr.randn(*x.shape) for _ in range(8)])
    train(model, noisy, cr.cat([y] * 8), optimizer, epochs=1)
    return model


def line(x, y, loss):
    """Slope of the line through (x, y) that minimises the loss."""
    w = cr.zeros(2, requires_grad=True)
    optimizer = cr.optim.Adam([w], lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        loss(w[0] * x + w[1], y).backward()
        optimizer.step()
    return w.detach()


def main(folder=FOLDER):
    x, y = digits(2000)
    x_test, y_test = digits(1000, "test")
    levels = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    cr.manual_seed(1)
    noise = cr.randn(*x_test.shape)
    curves, gaps = {}, {}
    for name, amount in {"trained on clean digits": 0.0, "trained with noise 0.6": 0.6}.items():
        model = network(x, y, amount)
        curves[name] = [accuracy(model, x_test + s * noise, y_test) for s in levels]
        gaps[name] = accuracy(model, x, y) - curves[name][0]
    clean, robust = curves.values()
    assert min(clean[0], robust[0]) > 0.88 and abs(clean[0] - robust[0]) < 0.05, curves
    assert robust[-1] - clean[-1] > 0.06, curves  # equal on new digits, far apart under noise

    # Ink of a digit against its bright pixels; the ink of 5 digits of 100 was written down wrongly.
    bright, ink = (x[:100] > 0.5).float().mean(1) * 5, x[:100].mean(1) * 5
    wrong = ink.clone()
    wrong[bright.argsort()[:5]] = 3.0
    fits = {"squared": F.mse_loss, "Huber": lambda p, q: F.huber_loss(p, q, delta=0.05)}
    truth = line(bright, ink, F.mse_loss)
    lines = {name: line(bright, wrong, loss) for name, loss in fits.items()}
    errors = {name: abs((w[0] - truth[0]) / truth[0]).item() for name, w in lines.items()}
    assert errors["squared"] > 0.5 and errors["Huber"] < 0.1, errors

    print(
        f"New digits: {clean[0]:.1%} and {robust[0]:.1%}; "
        f"under noise 1: {clean[-1]:.1%} and {robust[-1]:.1%}."
    )
    print(
        "Error of the slope with 5 outliers in 100: "
        + ", ".join(f"{n} {e:.0%}" for n, e in errors.items())
    )
    drawn = {name: (bright, w[0] * bright + w[1]) for name, w in lines.items()}
    return figure(
        Path(folder) / "robustness.svg",
        "Robustness and generalisation",
        Lines("Accuracy on new digits under noise", curves, levels, "noise", "right"),
        Lines("Outliers and the loss", drawn, x_name="bright pixels", y_name="ink",
              points={"digits": (bright, wrong)}),
        Bars("Accuracy on training digits less that on new ones", gaps, form=".1%"),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Softmax reaches one-hot outputs with far smaller differences than "hardmax".

Note 000 §4: pᵢ = exp(xᵢ)/Σ exp(xⱼ) against pᵢ = xᵢ/Σ xⱼ, with the scores (5, 1, 1, 1).
"""

import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Bars, Lines, figure


class Positive(nn.Module):
    """Linear, and scores above zero as hardmax needs them."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(784, 10)

    def forward(self, x):
        return F.softplus(self.linear(x))


def hardmax_loss(scores, y):
    return F.nll_loss(cr.log(F.hardmax(scores, dim=1)), y)


def main(folder=FOLDER):
    tops = cr.linspace(1, 12, 45)
    rows = cr.ones(45, 4)
    rows[:, 0] = tops
    soft, hard = F.softmax(rows, dim=1)[:, 0], F.hardmax(rows, dim=1)[:, 0]
    at_five = cr.tensor([[5.0, 1.0, 1.0, 1.0]])
    p, q = F.softmax(at_five, 1)[0, 0].item(), F.hardmax(at_five, 1)[0, 0].item()
    assert abs(p - 0.9479) < 1e-4 and abs(q - 0.625) < 1e-6
    # The score that makes the first probability 99 %: ln(297) + 1, or 297.
    assert F.softmax(cr.tensor([6.7, 1.0, 1.0, 1.0]), 0)[0] > 0.99
    assert F.hardmax(cr.tensor([296.0, 1.0, 1.0, 1.0]), 0)[0] < 0.99

    x, y = digits(2000)
    test = digits(1000, "test")
    losses, scores = {}, {}
    for name, loss in {"softmax": F.cross_entropy, "hardmax": hardmax_loss}.items():
        cr.manual_seed(0)
        model = Positive()
        optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
        steps = train(model, x, y, optimizer, epochs=4, loss=loss)
        losses[name] = [sum(steps[i : i + 10]) / 10 for i in range(0, len(steps), 10)]
        scores[name] = accuracy(model, *test)
    late = {name: sum(loss[3:]) for name, loss in losses.items()}
    assert scores["softmax"] > 0.8 and late["softmax"] < 0.95 * late["hardmax"], late

    print(f"Scores (5, 1, 1, 1): softmax {p:.3f}, hardmax {q:.3f}, loss {-cr.tensor(p).log():.2f} "
          f"against {-cr.tensor(q).log():.2f}.")  # fmt: skip
    print("For 99 % softmax needs the score 6.7, hardmax 297.")
    middles = [10 * i + 5 for i in range(len(losses["softmax"]))]
    return figure(
        Path(folder) / "softmax_hardmax.svg",
        "Softmax and hardmax",
        Lines(
            "Share of the score s in (s, 1, 1, 1)", {"softmax": soft, "hardmax": hard}, tops, "s"
        ),
        Lines("Training a linear classifier of digits", losses, middles, "step", "loss"),
        Bars("Accuracy on new digits", scores, form=".1%"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

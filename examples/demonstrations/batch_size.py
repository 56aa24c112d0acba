"""Larger batches: steadier gradients, fewer steps an epoch, and less learned in the same epochs.

Note 003 §1.1 (batchsize): a more exact direction and a smaller swing; Var(g_B) = Var(g_1)/B.
"""

import math
import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Bars, Lines, figure

SIZES = [1, 4, 16, 64, 256]


def network():
    cr.manual_seed(0)
    return nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))


def noise(model, x, y, size, draws=60):
    """Root mean square distance of a batch's gradient from that of all samples."""

    def gradient(rows):
        loss = F.cross_entropy(model(x[rows]), y[rows])
        return cr.cat([g.flatten() for g in cr.autograd.grad(loss, list(model.parameters()))])

    exact = gradient(cr.arange(len(x)))
    far = [(gradient(cr.randint(0, len(x), (size,))) - exact).square().sum() for _ in range(draws)]
    return math.sqrt(sum(each.item() for each in far) / draws)


def main(folder=FOLDER):
    x, y = digits(2048)
    test = digits(1000, "test")
    noises = [noise(network(), x, y, size) for size in SIZES]
    scores, swings = {}, {}
    for size in (4, 16, 64, 256):
        model = network()
        optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
        losses = train(model, x, y, optimizer, epochs=3, batch_size=size)
        name = f"{size}: {len(losses)} steps"
        scores[name] = accuracy(model, *test)
        late = cr.tensor(losses[-len(losses) // 3 :])  # the last epoch
        swings[name] = late.diff().std().item() / math.sqrt(2)  # without the trend

    # On log axes noise against size is a line of slope −½.
    slope = math.log(noises[-1] / noises[0]) / math.log(SIZES[-1] / SIZES[0])
    assert abs(slope + 0.5) < 0.05, slope
    ordered = list(swings.values())
    assert all(a > b for a, b in zip(ordered, ordered[1:])), swings
    assert list(scores.values())[-1] < min(list(scores.values())[:2]) - 0.03, scores
    print(f"Noise of the gradient falls as size^{slope:.2f}: 4 times the batch, half the noise.")
    print("After 3 epochs right: " + ", ".join(f"{n} {s:.1%}" for n, s in scores.items()))
    bound = {"measured": noises, "noise of 1, divided by √B": [noises[0] / s**0.5 for s in SIZES]}
    return figure(
        Path(folder) / "batch_size.svg",
        "Effects of the batch size",
        Lines("Noise of a batch's gradient", bound, SIZES, "batch size B", "‖g_B − g‖", True, True,
              dashed=["noise of 1, divided by √B"]),
        Bars("Accuracy on new digits after 3 epochs", scores, form=".1%"),
        Bars("Swing of the loss in the last epoch (deviation)", swings),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Pattern recognition: each damaged input is linked to the output vector that belongs to it.

Note 004, 研究方向 2. A third of each digit is wiped out; the network recalls its class's pattern.
"""

import sys
from pathlib import Path

from common import FOLDER, digits, train

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Bars, Pictures, figure


def damaged(x):
    """The digits with a band of 9 rows wiped out, at a place that differs from digit to digit."""
    pictures = x.reshape(-1, 28, 28).clone()
    for start in range(4, 16):
        pictures[start - 4 :: 12, start : start + 9] = 0
    return pictures.flatten(1)


def nearest(x, patterns):
    """The number of the pattern nearest to each x."""
    return cr.cdist(x, patterns).argmin(1)


def main(folder=FOLDER):
    x, y = digits(4000)
    x_test, y_test = digits(1000, "test")
    patterns = cr.stack([x[y == k].mean(0) for k in range(10)])
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())
    optimizer = cr.optim.Adam(model.parameters(), lr=0.002)
    train(model, damaged(x), patterns[y], optimizer, epochs=12, loss=F.mse_loss)

    seen = damaged(x_test)
    with cr.no_grad():
        recalled = model(seen)

    def right(vectors):
        return (nearest(vectors, patterns) == y_test).float().mean().item()

    scores = {"whole digits, compared": right(x_test), "damaged, compared": right(seen),
              "damaged, recalled first": right(recalled)}  # fmt: skip
    assert scores["damaged, recalled first"] > 0.7, scores
    assert scores["damaged, recalled first"] > scores["damaged, compared"] + 0.2, scores
    error = F.mse_loss(recalled, patterns[y_test]) / F.mse_loss(seen, patterns[y_test])
    assert error < 0.4, error
    print("Right on 1,000 new digits: " + ", ".join(f"{n} {s:.1%}" for n, s in scores.items()))
    rows = {}
    for title, vectors in (("seen", seen), ("recalled", recalled)):
        rows |= {f" {title} {i}": vectors[i].reshape(28, 28) for i in range(10)}
    return figure(
        Path(folder) / "pattern_recognition.svg",
        "Recalling patterns from damaged digits",
        Pictures("Seen, and what the network recalls", rows, columns=10),
        Bars("Nearest pattern is that of the class", scores, form=".1%"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

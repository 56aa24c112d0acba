"""A deep sigmoid network does not learn; each remedy of the notes makes it learn.

Note 004, 解决方案: ReLU family, batch normalisation, residual connections, initialisation.
"""

import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
from chainrule import nn
from chainrule.explain import Bars, Lines, figure

DEPTH, WIDTH = 8, 50


class Deep(nn.Module):
    def __init__(self, activation, initialise, normalise=False, residual=False):
        super().__init__()
        sizes = [784] + [WIDTH] * DEPTH
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])])
        self.norms = nn.ModuleList([nn.BatchNorm1d(WIDTH) for _ in self.layers if normalise])
        self.head = nn.Linear(WIDTH, 10)
        self.activation, self.residual = activation, residual
        for layer in self.layers:
            initialise(layer.weight)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            z = layer(x)
            z = self.norms[i](z) if self.norms else z
            x = x + self.activation(z) if self.residual and i else self.activation(z)
        return self.head(x)


def main(folder=FOLDER):
    def small(weight):
        nn.init.normal_(weight, std=0.01)

    xavier, he = nn.init.xavier_normal_, nn.init.kaiming_normal_
    cases = {
        "sigmoid": (cr.sigmoid, xavier),
        "ReLU, Gaussian 0.01": (cr.relu, small),
        "ReLU, He": (cr.relu, he),
        "ELU, He": (cr.nn.functional.elu, he),
        "tanh, Xavier": (cr.tanh, xavier),
        "sigmoid + batch norm": (cr.sigmoid, xavier, True),
        "sigmoid + residual": (cr.sigmoid, xavier, False, True),
    }
    x, y = digits(2000)
    x_test, y_test = digits(1000, "test")
    scores, losses = {}, {}
    for name, case in cases.items():
        cr.manual_seed(0)
        model = Deep(*case)
        optimizer = cr.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        steps = train(model, x, y, optimizer, epochs=4)
        losses[name] = [sum(steps[i : i + 20]) / 20 for i in range(0, len(steps), 20)]
        scores[name] = accuracy(model, x_test, y_test)

    stuck, cured = list(scores)[:2], list(scores)[2:]
    assert all(scores[name] < 0.2 for name in stuck), scores
    assert all(scores[name] > 0.6 for name in cured), scores
    print(f"{DEPTH} hidden layers, {len(steps)} steps; right on 1,000 new digits:")
    print("  " + ", ".join(f"{name} {score:.1%}" for name, score in scores.items()))
    middles = [20 * i + 10 for i in range(len(losses["sigmoid"]))]
    return figure(
        Path(folder) / "remedies.svg",
        f"{DEPTH} hidden layers learn digits, or do not",
        Lines("Training loss", losses, middles, "step", "cross-entropy", log=True),
        Bars("Accuracy on new digits", scores, form=".1%"),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Weights that begin equal stay equal: a layer of 32 units is a layer of one.

Note 003 §7.1 (全0初始化): equal units compute the same and get the same gradient, for ever.
"""

import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
from chainrule import nn
from chainrule.explain import Bars, Pictures, figure


def trained(start, x, y):
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 32), nn.Sigmoid(), nn.Linear(32, 10))
    if start == "zeros":
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
    elif start == "random weights, bias 0":
        nn.init.zeros_(model[0].bias)
        nn.init.zeros_(model[2].bias)
    optimizer = cr.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    train(model, x, y, optimizer, epochs=6)
    return model


def main(folder=FOLDER):
    x, y = digits(2000)
    test = digits(1000, "test")
    scores, spread, pictures = {}, {}, {}
    for start in ("zeros", "random", "random weights, bias 0"):
        model = trained(start, x, y)
        weight = model[0].weight.detach()
        scores[start] = accuracy(model, *test)
        spread[start] = (weight - weight[0]).abs().max().item()
        pictures |= {f" {start} {unit}": weight[unit].reshape(28, 28) for unit in range(8)}

    assert spread["zeros"] == 0  # to the last bit, after 240 steps
    assert model[0].weight.abs().max() > 0
    assert spread["random"] > 0.1 and spread["random weights, bias 0"] > 0.1
    assert scores["zeros"] < 0.5 < 0.8 < scores["random weights, bias 0"], scores
    assert abs(scores["random"] - scores["random weights, bias 0"]) < 0.03

    print(f"Largest difference between two hidden units after zeros: {spread['zeros']}")
    print("Right on new digits: " + ", ".join(f"{n} {s:.1%}" for n, s in scores.items()))
    return figure(
        Path(folder) / "zero_initialisation.svg",
        "Zero initialisation cannot break the symmetry",
        Bars("Accuracy on new digits", scores, form=".1%"),
        Pictures("Weights of 8 units: zeros, random, bias 0", pictures, columns=8, signed=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

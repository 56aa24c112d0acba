"""Function approximation: brightness as a function of the place (note 004, 研究方向 1).

The network never sees the picture, only (place, brightness) pairs; it can be asked anywhere.
"""

import sys
from pathlib import Path

from common import FOLDER, digits

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Bars, Pictures, figure


def places(size):
    """(x, y) of the pixels' middles, from −1 to 1: [size·size, 2]."""
    axis = (cr.arange(size) + 0.5) / size * 2 - 1
    y, x = cr.meshgrid(axis, axis, indexing="ij")
    return cr.stack([x.flatten(), y.flatten()], dim=1)


def fit(hidden, picture, steps=1000):
    cr.manual_seed(0)
    layers, size = [], 2
    for width in hidden:
        layers += [nn.Linear(size, width), nn.Tanh()]
        size = width
    model = nn.Sequential(*layers, nn.Linear(size, 1))
    if hidden:
        nn.init.normal_(model[0].weight, std=4.0)  # steep enough for strokes of a few pixels
    optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
    inputs, targets = places(28), picture.reshape(-1, 1)

    @cr.compile
    def step():
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(steps):
        loss = step()
    return model, loss.sqrt().item()


def main(folder=FOLDER):
    picture = digits(3)[0][2]
    errors, shown = {}, {"data": picture.reshape(28, 28)}
    for name, hidden in {"linear": (), "8 hidden": (8,), "64, 32 hidden": (64, 32)}.items():
        model, errors[name] = fit(hidden, picture)
        shown[name] = model(places(28)).detach().reshape(28, 28).clamp(0, 1)
    shown["at 112 × 112"] = model(places(112)).detach().reshape(112, 112).clamp(0, 1)

    assert errors["linear"] > 0.2  # a plane cannot be a digit
    assert errors["64, 32 hidden"] < 0.08 < errors["8 hidden"] < errors["linear"], errors
    print("Error (root mean square) of brightness 0 … 1:")
    print("  " + ", ".join(f"{name} {error:.3f}" for name, error in errors.items()))
    return figure(
        Path(folder) / "function_approximation.svg",
        "A network as a function",
        Pictures("A digit as a function of the place", shown),
        Bars("Root mean square error", errors),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

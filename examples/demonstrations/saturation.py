"""Saturated units pass on next to no gradient.

Notes 000 §3 (σ′ ≤ 1/4), 003 §2.1 (饱和神经元) and §4.1: with a sigmoid output the quadratic loss
learns by (p − y)·σ′(z)·x, cross-entropy by (p − y)·x.
"""

import sys
from pathlib import Path

from common import FOLDER, digits

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Lines, figure


def slope(activation, z):
    """activation′(z) by backward."""
    z = z.clone().requires_grad_()
    activation(z).sum().backward()
    return z.grad


def saturated(scale):
    """The share of hidden units with σ′ < 0.01, and ‖∂L/∂W‖ of the layer, for weights × scale."""
    cr.manual_seed(0)
    x, y = digits(500)
    hidden, head = nn.Linear(784, 64), nn.Linear(64, 10)
    with cr.no_grad():
        hidden.weight *= scale
    a = cr.sigmoid(hidden(x))
    F.cross_entropy(head(a), y).backward()
    return (a * (1 - a) < 0.01).float().mean().item(), hidden.weight.grad.norm().item()


def wrong_start(loss, steps=60):
    """p of one sigmoid neuron for x = 1, y = 0 that begins at z = 5, step by step."""
    w = cr.tensor([5.0], requires_grad=True)
    optimizer, seen = cr.optim.SGD([w], lr=0.5), []
    for _ in range(steps):
        optimizer.zero_grad()
        p = cr.sigmoid(w)
        seen.append(p.item())
        loss(p, cr.zeros(1)).backward()
        optimizer.step()
    return seen


def main(folder=FOLDER):
    z = cr.linspace(-8, 8, 161)
    slopes = {"sigmoid": slope(cr.sigmoid, z), "tanh": slope(cr.tanh, z), "ReLU": slope(cr.relu, z)}
    assert abs(slopes["sigmoid"].max().item() - 0.25) < 1e-6
    assert slopes["sigmoid"][-1] < 4e-4 and slopes["tanh"][-1] < 1e-5 and slopes["ReLU"][-1] == 1
    scales = [1, 3, 10, 30, 100, 300]
    shares, norms = zip(*[saturated(scale) for scale in scales])
    assert shares[0] == 0 and shares[-1] > 0.9 and norms[-1] < norms[0] / 10
    paths = {
        "quadratic": wrong_start(F.quadratic_loss),
        "cross-entropy": wrong_start(F.binary_cross_entropy),
    }
    assert paths["cross-entropy"][-1] < 0.05 < 0.9 < paths["quadratic"][-1]

    print(f"σ′ is at most {slopes['sigmoid'].max()}; at z = 8 it is {slopes['sigmoid'][-1]:.1e}.")
    print(f"Weights × 300: {shares[-1]:.0%} saturated, gradient / {norms[0] / norms[-1]:.0f}.")
    print("After 60 steps p is " + ", ".join(f"{p[-1]:.2f} ({n})" for n, p in paths.items()) + ".")
    return figure(
        Path(folder) / "saturation.svg",
        "Saturation",
        Lines("Slope of the activation", slopes, z, "z"),
        Lines("Sigmoid layer on digits", {"share with σ′ < 0.01": shares}, scales,
              "factor of the weights", "saturated", log_x=True),
        Lines("A neuron that begins wrong, target 0", paths, x_name="step", y_name="p"),
        Lines("Gradient of the sigmoid layer", {"‖∂L/∂W‖": norms}, scales,
              "factor of the weights", "‖∂L/∂W‖", log=True, log_x=True),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

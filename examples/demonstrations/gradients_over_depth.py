"""Vanishing and exploding gradients over depth, and what keeps them level.

Notes 003 §3.5 and 004: δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ σ′(zˡ), so every layer multiplies once more.
"""

import sys
from pathlib import Path

from common import FOLDER, digits

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn
from chainrule.explain import Lines, figure

DEPTH, WIDTH = 20, 64


def gradients(activation, deviation, normalise=False, residual=False):
    """‖δ‖ = ‖∂L/∂z‖ of each hidden layer for one batch of digits, at the start of training."""
    cr.manual_seed(0)
    layers = [nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=deviation)
        nn.init.zeros_(layer.bias)
    x, y = digits(200)
    h = nn.Linear(784, WIDTH)(x)
    seen = []
    for layer in layers:
        z = layer(h)
        z.retain_grad()
        seen.append(z)
        z = F.batch_norm(z, None, None, training=True) if normalise else z
        h = h + activation(z) if residual else activation(z)
    F.cross_entropy(nn.Linear(WIDTH, 10)(h), y).backward()
    return [z.grad.norm().item() for z in seen]


def main(folder=FOLDER):
    one, he = WIDTH**-0.5, (2 / WIDTH) ** 0.5  # deviations 1/√n (Xavier's) and √(2/n) (He's)
    curves = {
        "sigmoid": gradients(cr.sigmoid, one),
        "ReLU, weights × 2": gradients(cr.relu, 2 * he),
        "ReLU + He": gradients(cr.relu, he),
        "tanh + Xavier": gradients(cr.tanh, one),
        "sigmoid + batch norm": gradients(cr.sigmoid, one, normalise=True),
        "sigmoid + residual": gradients(cr.sigmoid, one, residual=True),
    }
    # How many times larger the gradient of the first layer is than that of the last.
    ratio = {name: norms[0] / norms[-1] for name, norms in curves.items()}
    assert ratio["sigmoid"] < 0.25 ** (DEPTH - 1) * 10  # |w·σ′(z)| ≤ 1/4 in every layer
    assert ratio["ReLU, weights × 2"] > 2 ** (DEPTH - 1) / 100  # about 2 in every layer
    for name in list(curves)[2:]:
        assert 1 / 30 < ratio[name] < 30, name

    print(f"First layer's gradient against the last of {DEPTH}:")
    print("  " + ", ".join(f"{name} {value:.1e}" for name, value in ratio.items()))
    panel = Lines(
        "Norm of each layer's gradient δ = ∂L/∂z", curves, x_name="layer", y_name="‖δ‖", log=True
    )
    return figure(Path(folder) / "gradients_over_depth.svg", "Gradients over depth", panel)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Clipping by norm and by value, and weight regularisation, against exploding gradients.

Note 004, "梯度横截" and "权重正则化": ‖g‖ > c ⟹ g ← g·c/‖g‖, or each |gᵢ| ≤ c; and a penalty λ‖W‖².
"""

import math
import sys
from pathlib import Path

from common import FOLDER, accuracy, digits, train

import chainrule as cr
from chainrule import nn
from chainrule.explain import Lines, figure

DEPTH, WIDTH = 6, 50


def network(gain):
    """ReLU layers whose weights are `gain` times as large as He's."""
    cr.manual_seed(0)
    layers, size = [], 784
    for _ in range(DEPTH):
        layers += [nn.Linear(size, WIDTH), nn.ReLU()]
        nn.init.normal_(layers[-2].weight, std=gain * math.sqrt(2 / size))
        size = WIDTH
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10))


def product_of_norms(model):
    """Π‖W‖₂, which bounds by how much the layers can enlarge a gradient."""
    matrices = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    return math.prod(cr.linalg.matrix_norm(w.detach(), ord=2).item() for w in matrices)


def main(folder=FOLDER):
    x, y = digits(2000)
    clips = {
        "no clipping": None,
        "by norm, 3": lambda parameters: nn.utils.clip_grad_norm_(parameters, 3.0),
        "by value, 0.03": lambda parameters: nn.utils.clip_grad_value_(parameters, 0.03),
    }
    losses, scores = {}, {}
    for name, clip in clips.items():
        model = network(gain=2.2)
        optimizer = cr.optim.SGD(model.parameters(), lr=0.05)
        losses[name] = train(model, x, y, optimizer, epochs=4, clip=clip)
        scores[name] = accuracy(model, x, y)
    bounds = {}
    for name, decay in {"no penalty": 0.0, "λ = 0.01": 0.01}.items():
        model = network(gain=1.0)
        optimizer = cr.optim.SGD(model.parameters(), lr=0.1, weight_decay=decay)
        bounds[name] = [product_of_norms(model)]
        for _ in range(2):
            train(model, x, y, optimizer, epochs=6)
            bounds[name].append(product_of_norms(model))

    assert not math.isfinite(losses["no clipping"][-1]) or scores["no clipping"] < 0.2
    assert min(scores["by norm, 3"], scores["by value, 0.03"]) > 0.5, scores
    assert bounds["λ = 0.01"][-1] < 0.3 * bounds["no penalty"][-1], bounds
    print("Right after training: " + ", ".join(f"{n} {s:.1%}" for n, s in scores.items()))
    print("Π‖W‖ at the end: " + ", ".join(f"{n} {b[-1]:.0f}" for n, b in bounds.items()))
    return figure(
        Path(folder) / "gradient_clipping.svg",
        "Exploding gradients: clipping and weight regularisation",
        Lines("Training loss", losses, x_name="step", y_name="cross-entropy", log=True),
        Lines("Bound of the growth, Π‖W‖₂", bounds, range(0, 18, 6), "epoch", log=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

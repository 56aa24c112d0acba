"""How the first weights decide whether a signal survives 30 layers: Gaussian, Xavier, He.

Notes 003 §7 and 004 (6): Xavier U[−√(6/(n_in+n_out)), +…], He U[−√(6/n_in), +…].
"""

import sys
from pathlib import Path

from common import FOLDER, digits

import chainrule as cr
from chainrule import nn
from chainrule.explain import Lines, figure

DEPTH, WIDTH = 30, 200


def deviations(activation, initialise):
    """The standard deviation of the activations of each layer."""
    cr.manual_seed(0)
    x = digits(200)[0].double()  # squares of 1e-26 would underflow in float32
    out = []
    for n in [784] + [WIDTH] * (DEPTH - 1):
        weight = cr.zeros(WIDTH, n, dtype=cr.float64)
        initialise(weight)
        x = activation(x @ weight.T)
        out.append(x.std().item())
    return out


def main(folder=FOLDER):
    init = nn.init

    def gaussian(weight):
        init.normal_(weight, std=0.01)

    def he(weight):
        init.kaiming_uniform_(weight, nonlinearity="relu")

    tanh = {
        "Gaussian 0.01": deviations(cr.tanh, gaussian),
        "Xavier": deviations(cr.tanh, init.xavier_uniform_),
        "Gaussian 0.3": deviations(cr.tanh, lambda weight: init.normal_(weight, std=0.3)),
    }
    relu = {
        "Gaussian 0.01": deviations(cr.relu, gaussian),
        "Xavier": deviations(cr.relu, init.xavier_uniform_),
        "He": deviations(cr.relu, he),
    }
    assert tanh["Gaussian 0.01"][-1] < 1e-20  # 0.01·√200 = 0.14 in every layer
    assert 0.1 < tanh["Xavier"][-1] < 0.5
    assert tanh["Gaussian 0.3"][-1] > 0.8  # nearly all at ±1: saturated
    # A ReLU drops half of the variance, which He's factor 2 gives back and Xavier's does not.
    halving = (relu["Xavier"][-1] / relu["Xavier"][1]) ** (1 / (DEPTH - 2))
    assert abs(halving - 0.5**0.5) < 0.05, halving
    assert 0.3 < relu["He"][-1] / relu["He"][0] < 3

    print(f"tanh after {DEPTH} layers: " + ", ".join(f"{n} {d[-1]:.1e}" for n, d in tanh.items()))
    print(f"ReLU after {DEPTH} layers: " + ", ".join(f"{n} {d[-1]:.1e}" for n, d in relu.items()))
    print(f"With Xavier a ReLU layer keeps {halving:.3f} of the deviation; √½ = 0.707.")
    return figure(
        Path(folder) / "initialisation.svg",
        "The first weights and the size of the signal",
        Lines("tanh", tanh, x_name="layer", y_name="standard deviation", log=True),
        Lines("ReLU", relu, x_name="layer", y_name="standard deviation", log=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

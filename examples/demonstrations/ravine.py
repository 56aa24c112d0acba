"""Paths of gradient descent, momentum, RMSprop and Adam along a ravine.

Note 003 §6.3 to 6.5: V = βV + (1 − β)dθ, θ = θ − αV; S = βS + (1 − β)dθ²; Adam takes both.
"""

import math
import sys
from pathlib import Path

from common import FOLDER

import chainrule as cr
from chainrule.explain import Lines, figure

STEPS, START = 120, (-9.0, 1.5)


def ravine(point):
    """Twenty-five times as steep across (second number) as along it."""
    return 0.5 * (point[0] ** 2 + 25 * point[1] ** 2) / 10


def descend(make):
    point = cr.tensor(START, requires_grad=True)
    optimizer = make([point])
    path = [point.tolist()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        ravine(point).backward()
        optimizer.step()
        path.append(point.tolist())
    return path


def arrival(path):
    """The first step from which on the height stays below 0.01."""
    heights = [ravine(point) for point in path]
    return max([i + 1 for i, height in enumerate(heights) if height > 0.01], default=0)


def turns(path):
    """How often the path crosses the bottom of the ravine in the first 40 steps."""
    return sum(a[1] * b[1] < 0 for a, b in zip(path[:40], path[1:40]))


def main(folder=FOLDER):
    optim = cr.optim
    paths = {
        "gradient descent": descend(lambda p: optim.SGD(p, lr=0.7)),
        "momentum": descend(lambda p: optim.SGD(p, lr=2.0, momentum=0.8, momentum_form="average")),
        "RMSprop": descend(lambda p: optim.RMSprop(p, lr=0.2)),
        "Adam": descend(lambda p: optim.Adam(p, lr=0.6)),
    }
    crossings = {name: turns(path) for name, path in paths.items()}
    steps = {name: arrival(path) for name, path in paths.items()}
    assert crossings["gradient descent"] > 30  # from wall to wall at every step
    assert crossings["momentum"] < 20 and crossings["Adam"] < 20, crossings
    assert steps["momentum"] < 0.8 * steps["gradient descent"], steps
    # Adam's first step has the length of the rate in every direction, whatever the slope.
    first = [abs(b - a) for a, b in zip(*paths["Adam"][:2])]
    assert all(abs(each - 0.6) < 1e-3 for each in first), first

    print(
        "Crossings of the bottom in 40 steps: "
        + ", ".join(f"{n} {c}" for n, c in crossings.items())
    )
    print("Steps until it stays below 0.01: " + ", ".join(f"{n} {s}" for n, s in steps.items()))
    circle = [2 * math.pi * i / 90 for i in range(91)]
    levels = [([r * math.cos(a) for a in circle], [r / 5 * math.sin(a) for a in circle])
              for r in (1.5, 3, 4.5, 6, 7.5, 9)]  # fmt: skip
    shown = {n: tuple(zip(*path[:60])) for n, path in paths.items()}
    plain = {n: shown[n] for n in ("gradient descent", "momentum")}
    adapted = {n: shown[n] for n in ("RMSprop", "Adam")}
    heights = {n: [ravine(point) for point in path] for n, path in paths.items()}
    return figure(
        Path(folder) / "ravine.svg",
        "Down a ravine",
        Lines("One rate for all directions", plain, x_name="θ₁", y_name="θ₂", levels=levels),
        Lines("A rate for each direction", adapted, x_name="θ₁", y_name="θ₂", levels=levels),
        Lines("Height", heights, range(STEPS + 1), "step", "J", log=True),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

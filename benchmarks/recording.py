"""What recording for an explanation costs: `python -m benchmarks.recording [--rounds N]`.

The notes' CNN, batch 64: forward, loss and backward in glass mode, plain and inside
`cr.explain.recording()`, in a new order each round; beside them, where torchlens is installed, the
equal PyTorch model's forward, loss and backward, plain and with the full capture of its forward.
Medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

BATCH = 64


def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.standard_normal((BATCH, 1, 28, 28)).astype("float32"), draw.integers(0, 10, BATCH)


def net(layers: Any) -> Any:
    return layers.Sequential(
        layers.Conv2d(1, 6, 5), layers.ReLU(), layers.MaxPool2d(2), layers.Conv2d(6, 12, 5),
        layers.ReLU(), layers.MaxPool2d(2), layers.Flatten(), layers.Linear(192, 10),
    )  # fmt: skip


def ours() -> dict[str, Callable[[], Any]]:
    model = net(nn)
    images, labels = data()
    x, y = cr.tensor(images), cr.tensor(labels)

    def step() -> Any:
        model.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    def recorded() -> Any:
        with cr.explain.recording():
            return step()

    return {"chainrule": step, "chainrule, recorded": recorded}


def peers() -> dict[str, Callable[[], Any]]:
    import torch
    import torchlens

    model = net(torch.nn)
    images, labels = data()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)

    def step() -> Any:
        model.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    def captured() -> Any:
        model.zero_grad()
        return torchlens.trace(model, x)

    return {"PyTorch": step, "torchlens, forward captured": captured}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.recording")
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    steps = ours()
    if find_spec("torchlens") is not None:
        steps |= peers()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    draw = np.random.default_rng(0)
    for k in range(rounds + 3):
        # In an order of its own each round: who comes after a peer finds the caches cold.
        for name in draw.permutation(list(steps)).tolist():
            step = steps[name]
            start = time.perf_counter()
            step()
            if k >= 3:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        plain = medians["PyTorch" if name.startswith(("PyTorch", "torch")) else "chainrule"]
        print(f"{name:28} {1e3 * median:9.3f} ms {median / plain:7.2f} × plain")


if __name__ == "__main__":
    main()

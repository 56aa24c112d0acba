"""Glass mode beside PyTorch eager: one small operation, the MLP's step, the notes' CNN's step."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim

try:
    import torch
except ImportError:
    sys.exit("This benchmark compares with PyTorch: pip install torch==2.13.0")

# Multiply-adds of a whole training step, forward and both adjoints (none for the first input).
FLOPS = {
    "mlp": 2 * 64 * (784 * 256 * 2 + 256 * 128 * 3 + 128 * 10 * 3),
    "cnn": 2 * 64 * (576 * 25 * 6 * 2 + 64 * 150 * 12 * 3 + 192 * 10 * 3),
}


def mlp(lib: Any) -> Any:
    return lib.Sequential(
        lib.Flatten(), lib.Linear(784, 256), lib.ReLU(), lib.Linear(256, 128), lib.ReLU(),
        lib.Linear(128, 10),
    )  # fmt: skip


def cnn(lib: Any) -> Any:
    return lib.Sequential(
        lib.Conv2d(1, 6, 5), lib.Sigmoid(), lib.AvgPool2d(2),
        lib.Conv2d(6, 12, 5), lib.Sigmoid(), lib.AvgPool2d(2),
        lib.Flatten(), lib.Linear(192, 10),
    )  # fmt: skip


def step_of(lib: str, build: Callable[[Any], Any], x: np.ndarray, y: np.ndarray, **how: Any) -> Any:
    """A function that does one training step: forward, loss, backward, Adam."""
    if lib == "chainrule":
        model = build(nn)
        adam = optim.Adam(model.parameters(), lr=1e-3)
        loss_of = nn.CrossEntropyLoss()
        inputs, target = cr.tensor(x), cr.tensor(y)
    else:
        model = build(torch.nn)
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=how.get("fused", True))
        loss_of = torch.nn.CrossEntropyLoss()
        inputs, target = torch.tensor(x), torch.tensor(y)
        if how.get("channels_last"):
            model = model.to(memory_format=torch.channels_last)
            inputs = inputs.to(memory_format=torch.channels_last)

    def step() -> None:
        adam.zero_grad()
        loss_of(model(inputs), target).backward()
        adam.step()

    return step


def small(lib: Any) -> Callable[[], Any]:
    """One elementwise operation on 8 × 8 numbers, recorded."""
    a = lib.ones(8, 8, requires_grad=True)
    b = lib.ones(8, 8)
    return lambda: a + b


def measure(step: Callable[[], Any], seconds: float) -> float:
    """Seconds a call, over as many calls as fit."""
    calls, start = 0, time.perf_counter()
    while True:
        for _ in range(10):
            step()
        calls += 10
        spent = time.perf_counter() - start
        if spent >= seconds:
            return spent / calls


def peak() -> float:
    """Multiply-add operations a second that NumPy's matrix product reaches (float32)."""
    a = np.ones((1024, 1024), np.float32)
    best = min(_timed(lambda: a @ a) for _ in range(10))
    return 2 * 1024**3 / best


def _timed(f: Callable[[], Any]) -> float:
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3, help="a measurement")
    parser.add_argument("--json")
    options = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 1, 28, 28)).astype(np.float32)
    y = rng.integers(0, 10, 64)
    rows: dict[str, dict[str, Callable[[], Any]]] = {
        "one operation": {"chainrule": small(cr), "torch": small(torch)},
        "mlp": {
            "chainrule": step_of("chainrule", mlp, x, y),
            "torch": step_of("torch", mlp, x, y),
            "torch, not fused": step_of("torch", mlp, x, y, fused=False),
        },
        "cnn": {
            "chainrule": step_of("chainrule", cnn, x, y),
            "torch": step_of("torch", cnn, x, y),
            "torch, channels_last": step_of("torch", cnn, x, y, channels_last=True),
        },
    }
    limit = peak()
    print(f"{os.cpu_count()} cores, NumPy {np.__version__}, PyTorch {torch.__version__}; "
          f"matrix product {limit / 1e9:.0f} GFLOP/s")  # fmt: skip
    report = {}
    for name, settings in rows.items():
        for step in settings.values():
            measure(step, 0.2)
        times: dict[str, list[float]] = {k: [] for k in settings}
        for _ in range(options.rounds):
            for key, step in settings.items():
                times[key].append(measure(step, options.seconds))
        peers = [k for k in settings if k != "chainrule"]
        best = min(peers, key=lambda k: statistics.median(times[k]))
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(times["chainrule"], times[best], strict=True)
        )
        report[name] = {
            "median": {k: statistics.median(v) for k, v in times.items()},
            "ratio": ratio,
        }
        print(f"\n{name}")
        for key, values in times.items():
            share = ""
            if name in FLOPS:
                share = f"  {FLOPS[name] / statistics.median(values) / limit:6.1%} of the limit"
            print(f"  {key:22}{1e6 * statistics.median(values):10.2f} µs"
                  f"  ({1e6 * min(values):.2f} to {1e6 * max(values):.2f}){share}")  # fmt: skip
        print(f"  chainrule / {best}: {ratio:.2f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)


if __name__ == "__main__":
    main()

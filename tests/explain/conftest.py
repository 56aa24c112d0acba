"""A run that never happened, with numbers like those of a real one."""

import math
from typing import Any

import numpy as np
import pytest

from chainrule.explain.report import Kernels, ReportData, WrongPrediction

EPOCHS = 12
LAYERS = ("conv1", "conv2", "fc1", "fc2")


def digit(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A ring for even kinds, a bar for odd ones: [28, 28] uint8."""
    y, x = np.mgrid[:28, :28] - 13.5
    shape = np.abs(np.hypot(x, y) - 8) < 2 if kind % 2 == 0 else np.abs(x - y * 0.2) < 2
    return np.clip(shape * 230 + rng.normal(0, 8, (28, 28)), 0, 255).astype(np.uint8)


def sample() -> dict[str, Any]:
    """All fields of a complete report."""
    rng = np.random.default_rng(7)
    fall = np.exp(-np.arange(EPOCHS) / 2.2)
    history = [
        {
            "epoch": i + 1,
            "loss": float(0.05 + 2.1 * fall[i]),
            "accuracy": float(0.99 - 0.8 * fall[i]),
            "val_loss": float(0.07 + 2.0 * fall[i] + 0.004 * max(0, i - 8)),
            "val_accuracy": float(0.984 - 0.7 * fall[i] - 0.001 * max(0, i - 9)),
            "lr": 0.01 * math.sin(math.pi * (i + 1) / (EPOCHS + 1)),
            "seconds": 4.0 + 0.1 * (i % 3),
        }
        for i in range(EPOCHS)
    ]
    confusion = np.diag(rng.integers(92, 105, 10))
    pairs = [(4, 9), (4, 9), (4, 9), (7, 1), (3, 5), (8, 3), (9, 4), (2, 7), (5, 3), (6, 0)]
    wrong = []
    for true, predicted in pairs:
        confusion[true, predicted] += 1
        picture = digit(true, rng)
        wrong.append(WrongPrediction(picture, true, predicted, float(rng.uniform(0.4, 1))))
    layers = {
        name: [
            {
                "grad_norm": float(0.3 * (depth + 1) * fall[i] ** 0.5),
                "grad_mean_abs": float(1e-4 * (depth + 1) * fall[i] ** 0.5),
                "act_mean": 0.4 + 0.02 * depth,
                "act_std": 0.2 + 0.01 * i,
                "saturated": 0.01 * i,
                "dead": 0.0,
                "update_ratio": float(2e-3 * fall[i] ** 0.3),
            }
            for i in range(EPOCHS)
        ]
        for depth, name in enumerate(LAYERS)
    }
    return {
        "title": "lenet on digits28",
        "model": "LeNet",
        "command": "chainrule train lenet --epochs 12",
        "created": "2025-01-31 12:00",
        "evaluated_on": "the last 1,000 digits",
        "config": {"epochs": EPOCHS, "lr": 0.01, "augment": True},
        "environment": {"chainrule": "0.1", "threads": 2},
        "metrics": {"accuracy": 0.99, "loss": 0.0712},
        "history": history,
        "step_loss": (2.3 * np.exp(-np.arange(900) / 150) + 0.05).tolist(),
        "confusion": confusion,
        "classes": [str(i) for i in range(10)],
        "wrong": wrong,
        "kernels": [
            Kernels("conv1", rng.normal(0, 0.3, (6, 1, 5, 5))),
            Kernels("conv2", rng.normal(0, 0.1, (16, 6, 5, 5))),
            Kernels("fc2", rng.normal(0, 0.1, (10, 84))),
        ],
        "input_shape": (1, 28, 28),
        "layers": layers,
        "summary": [
            {
                "layer": name,
                "kind": "Conv2d" if depth < 2 else "Linear",
                "output_shape": (6, 24, 24) if depth < 2 else (10,),
                "parameters": 156 * (depth + 1),
                "multiply_adds": 86_400,
                "receptive_field": (5, 5) if depth < 2 else None,
            }
            for depth, name in enumerate(LAYERS)
        ],
    }


@pytest.fixture
def fields() -> dict[str, Any]:
    """The fields of a complete report, free to change."""
    return sample()


@pytest.fixture
def report() -> ReportData:
    """A complete report."""
    return ReportData(**sample())

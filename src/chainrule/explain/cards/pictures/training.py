"""Pictures of what happens around the gradient: paths of optimisers, rates, first weights."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.explain.cards.entries import Entry
from chainrule.explain.cards.sheet import Sheet
from chainrule.explain.figures import Lines, drawing
from chainrule.explain.report.markup import t
from chainrule.graph import Tensor
from chainrule.ops.functional import PUBLIC
from chainrule.ops.random import Generator
from chainrule.optim import (
    SGD,
    Adam,
    ExponentialMovingAverage,
    Optimizer,
    SparseAdam,
    SwitchOptimizer,
    lr_scheduler,
)

STEPS = 60
START = (-4.0, 1.0)
_STEEP = 12.0  # the ravine: curvature 1 along, 12 across


def ravine(p: Tensor) -> Tensor:
    """½(a² + 12·b²) for p of shape (1, 2)."""
    return (p * p * Tensor(np.array([[0.5, _STEEP / 2]]))).sum()


def walk(make: Callable[[list[Tensor]], Any], steps: int = STEPS) -> np.ndarray:
    """The places that an optimiser visits on the ravine, (steps + 1, 2)."""
    p = Tensor(np.array([START]), requires_grad=True)
    optimizer = make([p])
    sparse = isinstance(optimizer, SparseAdam)
    places = [p.detach().numpy()[0].copy()]

    def closure() -> Tensor:
        optimizer.zero_grad()
        q = PUBLIC["embedding"](Tensor(np.array([0])), p, sparse=True) if sparse else p
        loss = ravine(q)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        places.append(p.detach().numpy()[0].copy())
    return np.array(places)


def make(entry: Entry, sheet: Sheet) -> Callable[[list[Tensor]], Any]:
    """How the optimiser of a card is built for its picture."""
    if entry.target is SwitchOptimizer:
        return lambda p: SwitchOptimizer(Adam(p, lr=0.25), SGD(p, lr=0.05, momentum=0.5), 12)
    if entry.target is Optimizer:
        return lambda p: SGD(p, lr=0.1)
    return lambda p: entry.target(p, **sheet.options)


def path(entry: Entry, sheet: Sheet) -> str:
    """The path down a ravine, beside that of plain gradient descent."""
    steps = 12 if entry.name == "LBFGS" else STEPS
    own = walk(make(entry, sheet), steps)
    plain = walk(lambda p: SGD(p, lr=0.1))
    turn = np.linspace(0, 2 * np.pi, 120)
    levels = [
        (r * np.cos(turn), r / math.sqrt(_STEEP) * np.sin(turn)) for r in (0.7, 1.6, 2.7, 4.0, 5.3)
    ]
    curves = {"SGD": (plain[:, 0], plain[:, 1])} if entry.name != "SGD" else {}
    curves = {entry.name: (own[:, 0], own[:, 1])} | curves
    loss = np.sum(own**2 * np.array([0.5, _STEEP / 2]), 1)
    other = np.sum(plain**2 * np.array([0.5, _STEEP / 2]), 1)
    losses = {entry.name: loss} | ({"SGD": other} if entry.name != "SGD" else {})
    return drawing(
        entry.name,
        Lines(t("down a ravine").here(), curves, levels=levels, x_name="a", y_name="b",
              dashed=["SGD"] if entry.name != "SGD" else []),
        Lines(t("loss").here(), {k: np.maximum(v, 1e-12) for k, v in losses.items()},
              x_name=t("step").here(), log=True,
              dashed=["SGD"] if entry.name != "SGD" else []),
    )  # fmt: skip


def average(entry: Entry, sheet: Sheet) -> str:
    """A noisy series with its running mean, with and without bias correction."""
    noise = np.random.default_rng(0).normal(0.0, 0.25, 60)
    values = 1.0 + 0.5 * np.sin(np.arange(60) / 10) + noise
    curves: dict[str, Any] = {t("values").here(): values}
    for name, corrected in (("V / (1 − βᵗ)", True), ("V", False)):
        mean = ExponentialMovingAverage(0.9, bias_correction=corrected)
        line = []
        for value in values:
            mean.update(float(value))
            line.append(float(mean.value))
        curves[name] = np.array(line)
    return drawing(entry.name, Lines("β = 0.9", curves, x_name=t("step").here(), dashed=["V"]))


# ---- schedules -------------------------------------------------------------------------------

EPOCHS = 30


def _built(entry: Entry, sheet: Sheet, optimizer: SGD) -> Any:
    if entry.name == "LRScheduler":
        return lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)
    if entry.name == "SequentialLR":
        parts = [lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5),
                 lr_scheduler.CosineAnnealingLR(optimizer, 25)]  # fmt: skip
        return lr_scheduler.SequentialLR(optimizer, parts, [5])
    if entry.name == "ChainedScheduler":
        parts = [lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5),
                 lr_scheduler.ExponentialLR(optimizer, 0.9)]  # fmt: skip
        return lr_scheduler.ChainedScheduler(parts)
    return entry.target(optimizer, **sheet.options)


def rates(entry: Entry, sheet: Sheet) -> np.ndarray:
    """The learning rate of each epoch, from an initial one of 1."""
    optimizer = SGD([Tensor(np.zeros(1), requires_grad=True)], lr=1.0, momentum=0.9)
    schedule = _built(entry, sheet, optimizer)
    out = []
    for epoch in range(EPOCHS):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if entry.name == "ReduceLROnPlateau":
            schedule.step(max(0.9**epoch, 0.4))
        else:
            schedule.step()
    return np.array(out)


def rate(entry: Entry, sheet: Sheet) -> str:
    """The learning rate against the epoch."""
    values = {"lr": (np.arange(EPOCHS), rates(entry, sheet))}
    shown = ", ".join(f"{k}={v}" for k, v in sheet.options.items() if not callable(v))
    return drawing(entry.name, Lines(shown, values, x_name=t("epoch").here(), y_name="lr"))


# ---- initialisers ----------------------------------------------------------------------------

_WIDTH, _DEPTH = 64, 10


def weights(entry: Entry, sheet: Sheet, seed: int) -> np.ndarray:
    """A 64 × 64 matrix (dirac_: 64 × 64 × 3, its middle) as the initialiser fills it."""
    shape = (_WIDTH, _WIDTH, 3) if entry.name == "dirac_" else (_WIDTH, _WIDTH)
    tensor = Tensor(np.zeros(shape))
    options = dict(sheet.options)
    if "generator" in inspect.signature(entry.target).parameters:
        options["generator"] = Generator().manual_seed(seed)
    entry.target(tensor, **options)
    array = tensor.numpy()
    return array[:, :, 1] if array.ndim == 3 else array


def depths(entry: Entry, sheet: Sheet, squash: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The standard deviation of the signal behind 0, 1, … layers."""
    h = np.random.default_rng(1).normal(size=(256, _WIDTH))
    out = [h.std()]
    for layer in range(_DEPTH):
        h = squash(h @ weights(entry, sheet, layer).T)
        out.append(h.std())
    return np.array(out)


def spread(entry: Entry, sheet: Sheet) -> str:
    """How the weights are spread, and how wide the signal is behind layers of them."""
    found = weights(entry, sheet, 0).ravel()
    reach = max(float(np.abs(found).max()), 1e-3) * 1.15
    counts, edges = np.histogram(found, 41, (-reach, reach))
    middles = (edges[1:] + edges[:-1]) / 2
    layers = np.arange(_DEPTH + 1)
    behind = {
        "tanh": (layers, np.maximum(depths(entry, sheet, np.tanh), 1e-12)),
        "ReLU": (layers, np.maximum(depths(entry, sheet, lambda z: np.maximum(z, 0)), 1e-12)),
    }
    return drawing(
        entry.name,
        Lines(t("weights of a 64 × 64 layer").here(), {"n": (middles, counts)}, x_name="w",
              y_name="n"),
        Lines(t("standard deviation of the signal, layer by layer").here(), behind, log=True,
              x_name=t("layer").here()),
    )  # fmt: skip

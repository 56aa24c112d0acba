"""A finder for the learning rate: the loss while the rate grows from step to step.

L. N. Smith, "Cyclical learning rates for training neural networks", WACV (2017), §3.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chainrule.base.constraints import Int, Interval, Number, Positive
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.optim import ExponentialMovingAverage
from chainrule.train import feeding
from chainrule.train.kept import Kept
from chainrule.train.trainer import Trainer


@dataclass(frozen=True)
class LRRange:
    """What a range test saw: one rate, loss and smoothed loss a step.

    diverged: whether it ended because the loss had grown too far.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    diverged: bool

    @property
    def steepest(self) -> float:
        """The rate where the smoothed loss falls fastest along the logarithm of the rate."""
        low = self._lowest()
        pairs = list(zip(self.smoothed, self.smoothed[1:], strict=False))[: max(low, 1)]
        falls = [after - before for before, after in pairs]
        at = falls.index(min(falls))
        return math.sqrt(self.rates[at] * self.rates[at + 1])

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the smoothed loss is lowest: large, but not at the edge."""
        return self.rates[self._lowest()] / 10

    def _lowest(self) -> int:
        return self.smoothed.index(min(self.smoothed))

    def rows(self) -> list[dict[str, float]]:
        """The data of a plot, one dict a step: step, lr, loss, smoothed."""
        columns = zip(self.rates, self.losses, self.smoothed, strict=True)
        return [
            {"step": i, "lr": lr, "loss": loss, "smoothed": smooth}
            for i, (lr, loss, smooth) in enumerate(columns, 1)
        ]

    def __str__(self) -> str:
        return t(
            "{n} steps from {low:.2g} to {high:.2g}: steepest at {steepest:.2g}, lowest loss at "
            "{lowest:.2g}; suggested learning rate {suggestion:.2g}",
            n=len(self.rates),
            low=self.rates[0],
            high=self.rates[-1],
            steepest=self.steepest,
            lowest=self.rates[self._lowest()],
            suggestion=self.suggestion,
        )


def lr_range_test(
    trainer: Trainer,
    data: Any,
    *,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    beta: float = 0.9,
    diverges: float = 4.0,
    batch_size: int = 64,
) -> LRRange:
    """Trains for `steps` steps while the rate grows evenly in its logarithm, then undoes all of it.

    Args:
        trainer: its model, loss, optimiser and clipping are used; all parameter groups get the
            rate. Model, optimiser and random numbers are afterwards as before.
        data: as `Trainer.fit` takes it, shuffled; begun again when it ends.
        start, end: the first and the last rate.
        beta: of the moving average that smooths the loss.
        diverges: it ends where the smoothed loss is more than this many times its lowest, or the
            loss is no number.

    Raises ArgumentError if start is not below end, or the loss is no number from the beginning.
    """
    name = "lr_range_test"
    start, end = (Positive().check(v, name, k) for k, v in (("start", start), ("end", end)))
    steps = Int(low=2).check(steps, name, "steps")
    diverges = Number(low=1.0).check(diverges, name, "diverges")
    average = ExponentialMovingAverage(Interval(0.0, 1.0, ends="[)").check(beta, name, "beta"))
    if start >= end:
        raise ArgumentError(
            t("lr_range_test: start {start} must be below end {end}.", start=start, end=end)
        )
    loader = feeding.make_loader(data, t("training"), batch_size, shuffle=True, dtype=trainer.dtype)
    optimizer, model = trainer.optimizer, trainer.model
    kept, training = Kept(model, optimizer), model.training
    place = loader.state_dict()
    model.train()
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    diverged = False
    try:
        batches = _again_and_again(loader)
        for i in range(steps):
            rate = start * (end / start) ** (i / (steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = rate
            _, loss, _ = trainer.train_step(*feeding.unpack(next(batches), trainer.dtype))
            value = loss.item()
            if not math.isfinite(value):
                diverged = True
                break
            rates.append(rate)
            losses.append(value)
            smoothed.append(average.update(value))
            if smoothed[-1] > diverges * min(smoothed):
                diverged = True
                break
    finally:
        kept.restore()
        loader.load_state_dict(place)
        model.train(training)
    if len(rates) < 2:
        raise ArgumentError(
            t(
                "lr_range_test: the loss is no number after {n} steps at a rate of {rate:.2g}: "
                "look at the data, or begin with a smaller rate.",
                n=len(rates),
                rate=start,
            )
        )
    return LRRange(rates, losses, smoothed, diverged)


def _again_and_again(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader

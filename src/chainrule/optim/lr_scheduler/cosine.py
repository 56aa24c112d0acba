"""Schedules along a cosine: annealing, warm restarts, one cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.base.constraints import Bool, Choice, Interval
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.optim.lr_scheduler.base import (
    COUNT,
    EPOCHS,
    PART,
    POSITIVE,
    RATE,
    LRScheduler,
)
from chainrule.optim.optimizer import Optimizer

MOMENTUM = Interval(0.0, 1.0, ends="[)")


class CosineAnnealingLR(LRScheduler):
    """From the initial learning rate to `eta_min` in `T_max` epochs along half a cosine, and back.

    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR (2017).

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = self._check(COUNT, T_max, "T_max")
        self.eta_min = self._check(RATE, eta_min, "eta_min")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        e, low = self.last_epoch, self.eta_min
        if e == 0:
            return self._now()
        if (e - 1) % (2 * self.T_max) == self.T_max:
            # At the bottom the ratio below is 0/0.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            pairs = zip(self._now(), self.base_lrs, strict=True)
            return [lr + (base - low) * rise for lr, base in pairs]
        ratio = self._height(e) / self._height(e - 1)
        return [low + (lr - low) * ratio for lr in self._now()]

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to `eta_min` in `T_0` epochs, again and again, each `T_mult` times longer.

    `step(epoch)` takes a fraction too: `scheduler.step(epoch + batch / batches)`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = self._check(COUNT, T_0, "T_0")
        self.T_mult = self._check(COUNT, T_mult, "T_mult")
        self.eta_min = self._check(RATE, eta_min, "eta_min")
        self.at: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        self.at = self.at + 1 if epoch is None else self._check(RATE, epoch, "epoch")
        self.last_epoch = math.floor(self.at)
        self._set(self.get_lr())

    def get_lr(self) -> list[float]:
        since, period = self.at, self.T_0
        if self.T_mult == 1:
            since %= period
        while since >= period:
            since -= period
            period *= self.T_mult
        height = (1 + math.cos(math.pi * since / period)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def _restart(self) -> None:
        self.step(0)


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down below the start, once over the whole training; `step` each batch.

    It starts at max_lr / div_factor, is at max_lr after the part `pct_start` of the steps, and ends
    at start / final_div_factor; `three_phase` comes back to the start first. With `cycle_momentum`
    the momentum (Adam: the first beta) does the opposite between max_momentum and base_momentum.
    Give `total_steps`, or `epochs` and `steps_per_epoch`.
    L. N. Smith and N. Topin, "Super-convergence", arXiv:1708.07120 (2017).

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> round(scheduler.get_last_lr()[0], 4)
    0.04
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError(
                    t("OneCycleLR: write total_steps=…, or epochs=… and steps_per_epoch=….")
                )
            total_steps = self._check(COUNT, epochs, "epochs") * self._check(
                COUNT, steps_per_epoch, "steps_per_epoch"
            )
        self.total_steps = self._check(COUNT, total_steps, "total_steps")
        pct = self._check(PART, pct_start, "pct_start")
        self.anneal_strategy = self._check(
            Choice("cos", "linear"), anneal_strategy, "anneal_strategy"
        )
        self.cycle_momentum = self._check(Bool(), cycle_momentum, "cycle_momentum")
        groups = self._groups(optimizer)
        lrs = self._each(POSITIVE, max_lr, "max_lr", optimizer)
        low = self._each(MOMENTUM, base_momentum, "base_momentum", optimizer)
        high = self._each(MOMENTUM, max_momentum, "max_momentum", optimizer)
        start = self._check(POSITIVE, div_factor, "div_factor")
        end = start * self._check(POSITIVE, final_div_factor, "final_div_factor")
        if self.cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ArgumentError(
                t(
                    "OneCycleLR: this optimiser has neither momentum nor betas: write "
                    "cycle_momentum=False."
                )
            )
        top = pct * self.total_steps - 1
        last = self.total_steps - 1
        # A phase ends at a step, with one (lr, momentum) a group.
        begin, peak, finish = (
            [[lr / by, m] for lr, m in zip(lrs, momenta, strict=True)]
            for by, momenta in ((start, high), (1.0, low), (end, high))
        )
        if three_phase:
            back = 2 * pct * self.total_steps - 2
            phases = [(0, begin), (top, peak), (back, begin), (last, finish)]
        else:
            phases = [(0, begin), (top, peak), (last, finish)]
        self.phases = [[end_step, values] for end_step, values in phases]
        if last_epoch == -1:
            for group, (lr, _) in zip(groups, begin, strict=True):
                group["initial_lr"] = group["lr"] = lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(
                t(
                    "OneCycleLR: step {step}, but the cycle was planned for {total}: give the "
                    "number of all batches of all epochs as total_steps.",
                    step=step,
                    total=self.total_steps,
                )
            )
        i = 1
        while i < len(self.phases) - 1 and step > self.phases[i][0]:
            i += 1
        (since, old), (until, new) = self.phases[i - 1], self.phases[i]
        way = (step - since) / (until - since) if until != since else 1.0
        lrs = []
        for group, here, there in zip(self.optimizer.param_groups, old, new, strict=True):
            lr, momentum = (self._between(a, b, way) for a, b in zip(here, there, strict=True))
            lrs.append(lr)
            if self.cycle_momentum and "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            elif self.cycle_momentum:
                group["momentum"] = momentum
        return lrs

    def _between(self, start: float, end: float, way: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (1 + math.cos(math.pi * way))
        return start + (end - start) * way


class SWALR(LRScheduler):
    """To the constant `swa_lr` in `anneal_epochs`, for the averaging of weights that follows.

    P. Izmailov et al., "Averaging weights leads to wider optima and better generalization",
    UAI (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self.swa_lrs = self._each(RATE, swa_lr, "swa_lr", optimizer)
        self.anneal_epochs = self._check(EPOCHS, anneal_epochs, "anneal_epochs")
        choices = Choice("cos", "linear")
        self.anneal_strategy = self._check(choices, anneal_strategy, "anneal_strategy")
        for group, lr in zip(optimizer.param_groups, self.swa_lrs, strict=True):
            group["swa_lr"] = lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        before, share = self._share(step - 1), self._share(step)
        if before == 1:
            return list(self.swa_lrs)
        pairs = zip(self._now(), self.swa_lrs, strict=True)
        return [low + (lr - low) * (1 - share) / (1 - before) for lr, low in pairs]

    def _share(self, step: int) -> float:
        """How much of the way is done."""
        way = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * way)) / 2 if self.anneal_strategy == "cos" else way

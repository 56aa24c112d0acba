"""Schedules one after the other, and a schedule that watches a metric."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from chainrule.base.constraints import Choice, Interval
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.optim.lr_scheduler.base import COUNT, EPOCHS, RATE, LRScheduler
from chainrule.optim.optimizer import Optimizer


class _Several(LRScheduler):
    """Schedules of one optimiser that act as one."""

    _not_saved = ("optimizer", "schedulers")

    def _take_in(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
        self.schedulers = list(schedulers)
        for scheduler in self.schedulers:
            if isinstance(scheduler, ReduceLROnPlateau) or scheduler.optimizer is not optimizer:
                raise ArgumentError(
                    t(
                        "{owner}: {kind} cannot be one of the schedules: each must belong to the "
                        "same optimiser and need no metric.",
                        owner=type(self).__name__,
                        kind=type(scheduler).__name__,
                    )
                )

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = dict(state_dict)
        states = own.pop("schedulers", ())
        if len(states) != len(self.schedulers):
            raise ArgumentError(
                t(
                    "{owner}: the state is of {found} schedules, not {wanted}.",
                    owner=type(self).__name__,
                    found=len(states),
                    wanted=len(self.schedulers),
                )
            )
        super().load_state_dict(own)
        for scheduler, state in zip(self.schedulers, states, strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Several):
    """Several schedules, one after the other: the next begins at each epoch in `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self.milestones = [self._check(COUNT, m, "milestones") for m in milestones]
        rising = all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False))
        if len(self.milestones) != len(schedulers) - 1 or not rising:
            raise ArgumentError(
                t(
                    "SequentialLR: {n} schedules need {wanted} rising milestones, got {found}.",
                    n=len(schedulers),
                    wanted=len(schedulers) - 1,
                    found=self.milestones,
                )
            )
        self._take_in(optimizer, schedulers)
        super().__init__(optimizer, last_epoch)

    def step(self) -> None:
        self.last_epoch += 1
        turn = bisect_right(self.milestones, self.last_epoch)
        scheduler = self.schedulers[turn]
        if self.last_epoch == 0 or (turn and self.milestones[turn - 1] == self.last_epoch):
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def _restart(self) -> None:
        self.last_epoch = -1
        self.step()


class ChainedScheduler(_Several):
    """Several schedules at once: one `step` steps them all. For those that multiply the rate."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if not schedulers:
            raise ArgumentError(t("ChainedScheduler: give at least one schedule."))
        self._take_in(optimizer or schedulers[0].optimizer, schedulers)
        super().__init__(self.schedulers[0].optimizer)

    def _begin(self) -> None:
        self.last_epoch = 0
        self._set(self._now())

    def step(self) -> None:
        self.last_epoch += 1
        for scheduler in self.schedulers:
            scheduler.step()
        self._set(self._now())

    def _restart(self) -> None:
        for scheduler in self.schedulers:
            scheduler._restart()
        self._begin()


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by `factor` when a metric has not improved for a while.

    `step(metric)` once an epoch. `mode`: "min" for a loss, "max" for an accuracy. More than
    `patience` epochs in a row without improvement by `threshold` (relative or "abs") reduce the
    rate, not below `min_lr`, and not by less than `eps`; then `cooldown` epochs do not count.

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    >>> for loss in (1.0, 1.0):
    ...     scheduler.step(loss)
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self.mode = self._check(Choice("min", "max"), mode, "mode")
        self.factor = self._check(Interval(0.0, 1.0, ends="[)"), factor, "factor")
        self.patience = self._check(EPOCHS, patience, "patience")
        self.threshold = self._check(RATE, threshold, "threshold")
        self.threshold_mode = self._check(Choice("rel", "abs"), threshold_mode, "threshold_mode")
        self.cooldown = self._check(EPOCHS, cooldown, "cooldown")
        self.eps = self._check(RATE, eps, "eps")
        self.min_lrs = self._each(RATE, min_lr, "min_lr", optimizer)
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        super().__init__(optimizer)

    def _begin(self) -> None:
        self.last_epoch = 0
        self._set(self._now())

    def step(self, metrics: Any = None) -> None:
        if metrics is None:
            raise ArgumentError(
                t("ReduceLROnPlateau watches a metric: write scheduler.step(validation_loss).")
            )
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value, self.best):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            lrs = []
            for lr, low in zip(self._now(), self.min_lrs, strict=True):
                reduced = max(lr * self.factor, low)
                lrs.append(reduced if lr - reduced > self.eps else lr)
            self._set(lrs)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._now()

    def is_better(self, value: float, best: float) -> bool:
        """Whether `value` improves on `best`; NaN never does."""
        lower = self.mode == "min"
        margin = -self.threshold if lower else self.threshold
        bar = best
        if math.isfinite(best):  # inf · 0 would be NaN
            bar = best * (1 + margin) if self.threshold_mode == "rel" else best + margin
        return value < bar if lower else value > bar

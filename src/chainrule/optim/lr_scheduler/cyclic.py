"""A learning rate that goes up and down between two bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from chainrule.base.constraints import Bool, Choice, Optional
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.optim.lr_scheduler.base import COUNT, RATE, LRScheduler
from chainrule.optim.lr_scheduler.cosine import MOMENTUM
from chainrule.optim.optimizer import Optimizer


class CyclicLR(LRScheduler):
    """From `base_lr` to `max_lr` in `step_size_up` steps and back in `step_size_down`, for ever.

    `step` each batch. `mode`: "triangular"; "triangular2" halves the height every cycle;
    "exp_range" multiplies it by `gamma`^step. `scale_fn` replaces the mode: the height is
    scale_fn(cycle), cycles counted from 1, or scale_fn(step) with scale_mode="iterations". With
    `cycle_momentum` the momentum (Adam: the first beta) goes the other way between max_momentum and
    base_momentum. L. N. Smith, "Cyclical learning rates", arXiv:1506.01186 (2015).
    """

    _not_saved = ("optimizer", "scale_fn")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = self._groups(optimizer)
        low = self._each(RATE, base_lr, "base_lr", optimizer)
        self.max_lrs = self._each(RATE, max_lr, "max_lr", optimizer)
        self.up = self._check(COUNT, step_size_up, "step_size_up")
        down = self._check(Optional(COUNT), step_size_down, "step_size_down")
        self.period = self.up + (self.up if down is None else down)
        modes = Choice("triangular", "triangular2", "exp_range")
        self.mode = self._check(modes, mode, "mode")
        self.gamma = self._check(RATE, gamma, "gamma")
        self.scale_fn = scale_fn
        self.scale_mode = self._check(Choice("cycle", "iterations"), scale_mode, "scale_mode")
        self.cycle_momentum = self._check(Bool(), cycle_momentum, "cycle_momentum")
        self.base_momentums = self._each(MOMENTUM, base_momentum, "base_momentum", optimizer)
        self.max_momentums = self._each(MOMENTUM, max_momentum, "max_momentum", optimizer)
        if self.cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ArgumentError(
                t(
                    "CyclicLR: this optimiser has neither momentum nor betas: write "
                    "cycle_momentum=False."
                )
            )
        if last_epoch == -1:
            for group, lr in zip(groups, low, strict=True):
                group["lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = low

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.period)
        way = 1 + self.last_epoch / self.period - cycle
        rise = self.up / self.period
        height = way / rise if way <= rise else (way - 1) / (rise - 1)
        height *= self._scale(cycle)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(groups, bounds, strict=True):
                momentum = high - (high - low) * height
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def _scale(self, cycle: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular2":
            return 1 / 2.0 ** (cycle - 1)
        return self.gamma**self.last_epoch if self.mode == "exp_range" else 1.0

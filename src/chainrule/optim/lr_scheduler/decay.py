"""Schedules of one formula, and warm-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.base.constraints import Interval
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.optim.lr_scheduler.base import COUNT, EPOCHS, PART, RATE, LRScheduler
from chainrule.optim.optimizer import Optimizer


class _ByFunction(LRScheduler):
    """`lr_lambda`: a function f of the epoch, or one a parameter group."""

    _not_saved = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(self._groups(optimizer))
        if isinstance(lr_lambda, list | tuple):
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * groups  # type: ignore[list-item]
        if len(self.lr_lambdas) != groups or not all(map(callable, self.lr_lambdas)):
            raise ArgumentError(
                t(
                    "{owner}: write one function, or {groups} (one a parameter group).",
                    owner=type(self).__name__,
                    groups=groups,
                )
            )
        super().__init__(optimizer, last_epoch)


class LambdaLR(_ByFunction):
    """lr = initial lr · f(epoch); `lr_lambda`: f, or one f a parameter group.

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[float]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * f(self.last_epoch) for base, f in pairs]


class MultiplicativeLR(_ByFunction):
    """Multiplies the learning rate by f(epoch) every epoch; `lr_lambda`: f, or one a group."""

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._now()
        pairs = zip(self._now(), self.lr_lambdas, strict=True)
        return [lr * f(self.last_epoch) for lr, f in pairs]


class InverseTimeLR(LRScheduler):
    """lr = initial lr / (1 + decay · epoch); 003 §6.6 of the notes."""

    def __init__(self, optimizer: Optimizer, decay: float, last_epoch: int = -1) -> None:
        self.decay = self._check(RATE, decay, "decay")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base / (1 + self.decay * self.last_epoch) for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every epoch.

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = self._check(RATE, gamma, "gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma) if self.last_epoch > 0 else self._now()


class StepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` every `step_size` epochs.

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = self._check(COUNT, step_size, "step_size")
        self.gamma = self._check(RATE, gamma, "gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._scaled(self.gamma) if due else self._now()


class MultiStepLR(LRScheduler):
    """Multiplies the learning rate by `gamma` at each epoch in `milestones`.

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(self._check(EPOCHS, m, "milestones") for m in milestones)
        self.gamma = self._check(RATE, gamma, "gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._scaled(self.gamma ** self.milestones.count(self.last_epoch))


class PolynomialLR(LRScheduler):
    """From the initial learning rate to 0 in `total_iters` epochs as (1 − epoch/total)^power."""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = self._check(COUNT, total_iters, "total_iters")
        self.power = self._check(RATE, power, "power")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        e, n = self.last_epoch, self.total_iters
        if e == 0 or e > n:
            return self._now()
        return self._scaled(((n - e) / (n - e + 1)) ** self.power)


# ---- warm-up --------------------------------------------------------------------------------


class ConstantLR(LRScheduler):
    """The learning rate times `factor` until epoch `total_iters`, then as it was."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        # A factor of 0 could not be taken back.
        self.factor = self._check(Interval(0.0, 1.0, ends="(]"), factor, "factor")
        self.total_iters = self._check(COUNT, total_iters, "total_iters")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        ends = self.last_epoch == self.total_iters
        return self._scaled(1.0 / self.factor) if ends else self._now()


class LinearLR(LRScheduler):
    """The learning rate times a factor that moves straight from `start_factor` to `end_factor`.

    It arrives after `total_iters` epochs.

    >>> optimizer = cr.optim.SGD(cr.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> scheduler = cr.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor = self._check(Interval(0.0, 1.0, ends="(]"), start_factor, "start_factor")
        self.end_factor = self._check(PART, end_factor, "end_factor")
        self.total_iters = self._check(COUNT, total_iters, "total_iters")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._scaled(self.start_factor)
        if self.last_epoch > self.total_iters:
            return self._now()
        return self._scaled(self._factor(self.last_epoch) / self._factor(self.last_epoch - 1))

    def _factor(self, epoch: int) -> float:
        way = epoch / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * way

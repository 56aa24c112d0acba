"""The protocol of a learning-rate schedule."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ClassVar

from chainrule.base.constraints import Constraint, Int, Interval, NonNegative, Positive
from chainrule.base.errors import ArgumentError, DTypeError, TraceError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.optim.groups import plain
from chainrule.optim.optimizer import Optimizer

COUNT, EPOCHS = Int(low=1), Int(low=0)
POSITIVE, RATE, PART = Positive(), NonNegative(), Interval(0.0, 1.0)


def _outside_traces(step: Callable[..., None]) -> Callable[..., None]:
    """A trace would count the step once, and not at every run."""

    @wraps(step)
    def outside(self: LRScheduler, *args: Any, **kwargs: Any) -> None:
        if mode.trace is not None:
            raise TraceError(
                t(
                    "{owner}.step() belongs outside the compiled function: call it after the "
                    "function; the rate that it sets is read anew at every run.",
                    owner=type(self).__name__,
                )
            )
        step(self, *args, **kwargs)

    return outside


class LRScheduler:
    """Base of the schedules: `get_lr()` gives one learning rate a parameter group.

    `last_epoch` counts the calls of `step`; the first happens at once. A run that is resumed
    builds its schedule as at the start and calls `load_state_dict`.
    """

    _not_saved: ClassVar[tuple[str, ...]] = ("optimizer",)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls):
            cls.step = _outside_traces(cls.step)  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        for i, group in enumerate(self._groups(optimizer)):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ArgumentError(
                    t(
                        "{owner}: last_epoch={epoch} goes on with a schedule, but parameter group "
                        "{i} has no 'initial_lr': load the optimiser's state first, or write "
                        "last_epoch=-1.",
                        owner=type(self).__name__,
                        epoch=last_epoch,
                        i=i,
                    )
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def get_lr(self) -> list[float]:
        """The learning rates for `last_epoch`."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last `step` set."""
        return list(self._last_lr)

    @_outside_traces
    def step(self) -> None:
        """Goes on to the next epoch and sets its learning rates."""
        self.last_epoch += 1
        self._set(self.get_lr())

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs; functions given by the user are not part of it."""
        return {k: copy.deepcopy(v) for k, v in vars(self).items() if k not in self._not_saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        own = vars(self).keys() - set(self._not_saved)
        if not isinstance(state_dict, dict) or state_dict.keys() != own:
            raise ArgumentError(
                t(
                    "{owner}: this is not the state of such a schedule: it needs the keys {keys}.",
                    owner=type(self).__name__,
                    keys=", ".join(sorted(own)),
                )
            )
        vars(self).update(copy.deepcopy(state_dict))

    # ---- for subclasses ---------------------------------------------------------------------

    def _begin(self) -> None:
        self.step()

    def _groups(self, optimizer: Optimizer) -> list[dict[str, Any]]:
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(
                t(
                    "{owner} takes an optimiser, got {kind}.",
                    owner=type(self).__name__,
                    kind=type(optimizer).__name__,
                )
            )
        return optimizer.param_groups

    def _each(
        self, constraint: Constraint, value: Any, name: str, optimizer: Optimizer
    ) -> list[float]:
        """One value for all parameter groups, or one for each."""
        n = len(self._groups(optimizer))
        values = list(value) if isinstance(value, list | tuple) else [value] * n
        if len(values) != n:
            raise ArgumentError(
                t(
                    "{owner}: {name} needs one value, or {n} (one a parameter group), got {found}.",
                    owner=type(self).__name__,
                    name=name,
                    n=n,
                    found=len(values),
                )
            )
        return [self._check(constraint, v, name) for v in values]

    def _set(self, lrs: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = plain(lr)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _restart(self) -> None:
        """Goes back to epoch 0."""
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr
        self.last_epoch = -1
        self.step()

    def _now(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _check(self, constraint: Constraint, value: Any, name: str) -> Any:
        return plain(constraint.check(value, type(self).__name__, name))

    def _scaled(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._now()]

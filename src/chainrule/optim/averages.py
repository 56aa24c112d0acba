"""The exponentially weighted moving average as an object."""

from __future__ import annotations

import copy
from typing import Any

from chainrule.base.constraints import Bool, Interval
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t


class ExponentialMovingAverage:
    """V ← βV + (1 − β)θ: a mean of about the last 1/(1 − β) values (003 §6.2 of the notes).

    average = ExponentialMovingAverage(0.9); average.update(loss) for each value. `value` is V, or
    with `bias_correction` V/(1 − βᵗ): V starts at 0, so that it is too small at first, and the
    corrected one is the mean of what was seen, weighted β^(t−i). Values are numbers, arrays or
    tensors, which are not changed.
    """

    def __init__(self, beta: float = 0.9, bias_correction: bool = True) -> None:
        owner = type(self).__name__
        self.beta = Interval(0.0, 1.0, ends="[)").check(beta, owner, "beta")
        self.bias_correction = Bool().check(bias_correction, owner, "bias_correction")
        self.steps = 0
        self._sum: Any = 0.0

    def update(self, value: Any) -> Any:
        """Takes one more value in; returns the average."""
        value = value.detach() if hasattr(value, "detach") else value
        self._sum = self.beta * self._sum + (1 - self.beta) * value
        self.steps += 1
        return self.value

    @property
    def value(self) -> Any:
        """The average so far."""
        if not self.steps:
            raise ArgumentError(
                t("ExponentialMovingAverage has seen no value: call update(value) first.")
            )
        return self._sum / (1 - self.beta**self.steps) if self.bias_correction else self._sum

    def reset(self) -> None:
        """Forgets all values."""
        self.steps, self._sum = 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs."""
        return {"steps": self.steps, "sum": copy.deepcopy(self._sum)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        self.steps, self._sum = int(state_dict["steps"]), copy.deepcopy(state_dict["sum"])

    def __repr__(self) -> str:
        shown = f", value={self.value!r}" if self.steps else ""
        return f"{type(self).__name__}(beta={self.beta}{shown})"

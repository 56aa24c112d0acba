"""One optimiser first and another after it, as Adam for speed and then SGD for the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.optim.optimizer import Optimizer


class SwitchOptimizer(Optimizer):
    """`first` for `after` steps, then `second` (003 §6.5 of the notes: Adam, then SGD).

    SwitchOptimizer(Adam(params), SGD(params, lr=0.05, momentum=0.9), after=1000). Both hold the
    same parameters. `param_groups` are those of `first`: a schedule made on this optimiser moves
    their rates, and the rates of `second` in the same proportion.
    N. S. Keskar and R. Socher, arXiv:1712.07628 (2017).
    """

    guards_itself = True

    def __init__(self, first: Optimizer, second: Optimizer, after: int) -> None:
        self._name = type(self).__name__
        for optimizer in (first, second):
            if not isinstance(optimizer, Optimizer):
                raise DTypeError(
                    t(
                        "{owner} takes an optimiser, got {kind}.",
                        owner=self._name,
                        kind=type(optimizer).__name__,
                    )
                )
        held = [[id(p) for g in o.param_groups for p in g["params"]] for o in (first, second)]
        if held[0] != held[1]:
            raise ArgumentError(
                t("SwitchOptimizer: both optimisers must hold the same parameters, in one order.")
            )
        self.first, self.second = first, second
        self.after = Int(low=0).check(after, self._name, "after")
        self.defaults, self.param_groups = first.defaults, first.param_groups
        self.state = first.state
        self._base = [[float(g["lr"]) for g in o.param_groups] for o in (first, second)]
        self._taken = 0

    @property
    def active(self) -> Optimizer:
        """The one whose turn it is."""
        return self.second if self._taken >= self.after else self.first

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        active = self.active
        if mode.trace is None:
            self._count()
            return active.step(closure)
        mode.trace.guard(lambda: self.active is active, t("the optimiser's options or state"))

        def count() -> tuple[()]:
            self._count()
            return ()

        def save() -> Callable[[], None]:
            before = self._taken, [g["lr"] for g in self.second.param_groups]

            def undo() -> None:
                self._taken = before[0]
                for group, lr in zip(self.second.param_groups, before[1], strict=True):
                    group["lr"] = lr

            return undo

        mode.trace.host(count, (), np.dtype(np.float32), save)
        return active.step(closure)

    def _count(self) -> None:
        """One step more; the rates of the second follow those of the first."""
        self._taken += 1
        now = [group["lr"] for group in self.first.param_groups]
        begun = self._base[0]
        for i, (group, base) in enumerate(zip(self.second.param_groups, self._base[1],
                                              strict=True)):  # fmt: skip
            k = i if len(now) == len(self._base[1]) else 0
            group["lr"] = base * (now[k] / begun[k] if begun[k] else 1.0)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        raise ArgumentError(
            t("SwitchOptimizer: give parameter groups to both optimisers before they are joined.")
        )

    def state_dict(self) -> dict[str, Any]:
        """The states of both, and how many steps were taken."""
        return {
            "first": self.first.state_dict(),
            "second": self.second.state_dict(),
            "taken": self._taken,
            "base": [list(rates) for rates in self._base],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.first.load_state_dict(state_dict["first"])
        self.second.load_state_dict(state_dict["second"])
        self._taken = int(state_dict["taken"])
        self._base = [list(rates) for rates in state_dict["base"]]

    def __repr__(self) -> str:
        return f"{self._name}({self.first!r}, {self.second!r}, after={self.after})"

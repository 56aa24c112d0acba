"""Gradient descent with momentum."""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Choice, Constraint, NonNegative, Number
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.rows import refuse_decay


class SGD(Optimizer):
    """Gradient descent: p ← p − lr·V.

    What the gradient was taken over decides the kind (003 §6.1 of the notes): all examples is batch
    gradient descent (BGD), one is stochastic (SGD), a few is mini-batch (MBGD).

    V is the gradient g, or with `momentum` μ a running sum of gradients: V ← μV + (1 − d)g with
    dampening d (`momentum_form="pytorch"`; V = g at the first step), or their running mean
    V ← μV + (1 − μ)g (`momentum_form="average"`, 003 §6.3 of the notes). `nesterov` steps along
    the V that the next gradient would find. `weight_decay` λ adds λp to g; `maximize` climbs.
    Of a sparse gradient it changes the rows alone; with momentum all, for V does not rest.
    B. T. Polyak (1964); Y. Nesterov (1983); I. Sutskever et al., ICML (2013).

    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = cr.optim.SGD([w], lr=0.25)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.5]
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "momentum": NonNegative(),
        "dampening": Number(),
        "weight_decay": NonNegative(),
        "nesterov": Bool(),
        "maximize": Bool(),
        "momentum_form": Choice("pytorch", "average"),
    }
    exports_step = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        momentum_form: str = "pytorch",
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "momentum_form": momentum_form,
        }
        super().__init__(params, defaults, implementation)

    def check_group(self, group: dict[str, Any]) -> None:
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ArgumentError(
                t(
                    "SGD: Nesterov's momentum needs momentum > 0 and dampening = 0, got momentum "
                    "{momentum} and dampening {dampening}.",
                    momentum=group["momentum"],
                    dampening=group["dampening"],
                )
            )
        if group["momentum_form"] == "average" and (
            group["dampening"] != 0 or group["momentum"] > 1
        ):
            raise ArgumentError(
                t(
                    "SGD: momentum_form='average' weighs the gradient with 1 − momentum: write "
                    "dampening=0 and a momentum in [0, 1], not {dampening} and {momentum}.",
                    momentum=group["momentum"],
                    dampening=group["dampening"],
                )
            )

    def takes_rows(self, group: dict[str, Any], sparse: bool) -> bool:
        if sparse and group["weight_decay"]:
            refuse_decay("SGD")
        return sparse and not group["momentum"]

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": group["maximize"],
            "decays": group["weight_decay"] != 0,
            "moves": group["momentum"] != 0,
            "scales": group["dampening"] != 0 or group["momentum_form"] == "average",
            "nesterov": group["nesterov"],
        }

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        momentum = group["momentum"]
        old, new = momentum, 1 - group["dampening"]
        if group["momentum_form"] == "average":
            new = 1 - momentum
        elif step == 1:
            old, new = 0.0, 1.0  # the first gradient is not dampened
        return {
            "lr": group["lr"],
            "decay": group["weight_decay"],
            "momentum": momentum,
            "old": old,
            "new": new,
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool,
        moves: bool, scales: bool, nesterov: bool, lr: Any, decay: Any, momentum: Any, old: Any,
        new: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        if moves:
            v = state["momentum_buffer"]
            if scales:
                g = new * g
            v *= old
            v += g
            state = {"momentum_buffer": v}
            g = g + momentum * v if nesterov else v
        p -= lr * g
        return p, state

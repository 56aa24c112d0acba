"""Averaged gradient descent, and steps by the sign of the gradient."""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Constraint, Interval, NonNegative, Number
from chainrule.optim.groups import Pair
from chainrule.optim.optimizer import Optimizer


class ASGD(Optimizer):
    """Gradient descent with a falling rate, and the mean of all parameters on the way.

    p ← p(1 − λη) − ηg with λ = `lambd`; then η ← lr/(1 + λ·lr·t)^alpha. From step `t0` on,
    `state[p]["ax"]` is the mean of p over the steps; before, p itself.
    B. T. Polyak and A. B. Juditsky, SIAM J. Control Optim. 30 (1992).
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "lambd": Number(),
        "alpha": Number(),
        "t0": Number(),
        "weight_decay": NonNegative(),
        "maximize": Bool(),
    }
    scalars = ("eta", "mu")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def start(self, group: dict[str, Any]) -> dict[str, float]:
        return {"eta": group["lr"], "mu": 1.0}

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"], "decays": group["weight_decay"] != 0}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        lr, lambd, eta, mu = group["lr"], group["lambd"], scalars["eta"], scalars["mu"]
        return {
            "decay": group["weight_decay"],
            "shrink": 1 - lambd * eta,
            "rate": eta,
            "old": 1 - mu,
            "new": mu,
            "eta": lr / (1 + lambd * lr * step) ** group["alpha"],
            "mu": 1 / max(1.0, step - group["t0"]),
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool, decay: Any,
        shrink: Any, rate: Any, old: Any, new: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        moved = p * shrink - rate * g
        mean = old * state["ax"] + new * moved
        return moved, {"ax": mean}


class Rprop(Optimizer):
    """Steps of a size of their own, in the direction of the gradient's sign.

    While the sign of an entry stays, its step grows by `etas[1]`; where it turns, the step shrinks
    by `etas[0]` and the entry rests once. `step_sizes`: the least and the greatest step; the first
    is lr. For full batches: the noise of small ones turns signs.
    M. Riedmiller and H. Braun, IEEE Int. Conf. Neural Networks (1993).
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "etas": Pair(Interval(0.0, 1.0, ends="()"), Number(low=1.0, ends="(]")),
        "step_sizes": Pair(NonNegative(), NonNegative()),
        "maximize": Bool(),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults, implementation)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def start(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step_size": group["lr"]}

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"]}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        (less, more), (low, high) = group["etas"], group["step_sizes"]
        return {"less": less, "more": more, "low": low, "high": high}

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, less: Any, more: Any,
        low: Any, high: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        # Signs first: the product of small gradients would underflow.
        agreement = F.sign(g) * F.sign(state["prev"])
        turned, size = F.less(agreement, 0), state["step_size"]
        size = F.where(turned, less * size, F.where(F.less(0, agreement), more * size, size))
        size = F.minimum(F.maximum(size, low), high)
        g = F.where(turned, 0.0, g)
        p -= F.sign(g) * size
        return p, {"prev": g, "step_size": size}

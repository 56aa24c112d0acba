"""Rules that divide by the root of sums or means of squared gradients: Adagrad, RMSprop, Adadelta.

`eps_inside` takes √(S + ε), as the notes write Adagrad and RMSprop (003 §6.4); PyTorch's √S + ε is
the default.
"""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Constraint, Interval, NonNegative
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.rows import refuse_decay


def root(F: Any, s: Any, eps: Any, inside: bool) -> Any:
    """√s made positive by ε."""
    if inside:
        return F.sqrt(s + eps)
    out = F.sqrt(s)
    out += eps
    return out


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    S ← S + g², p ← p − lr/(1 + (t − 1)·lr_decay)·g/(√S + ε) at step t. S starts at
    `initial_accumulator_value`. A sparse gradient changes its rows alone. J. Duchi, E. Hazan and
    Y. Singer, JMLR 12 (2011); 003 §6.4 of the notes, whose ε stands inside the root:
    `eps_inside=True`.

    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = cr.optim.Adagrad([w], lr=0.5)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.5
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "lr_decay": NonNegative(),
        "weight_decay": NonNegative(),
        "initial_accumulator_value": NonNegative(),
        "eps": NonNegative(),
        "maximize": Bool(),
        "eps_inside": Bool(),
    }
    masks_rows = True  # where S + ε is 0, a gradient of 0 gives 0/0

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        eps_inside: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
            "eps_inside": eps_inside,
        }
        super().__init__(params, defaults, implementation)

    def takes_rows(self, group: dict[str, Any], sparse: bool) -> bool:
        if sparse and group["weight_decay"]:
            refuse_decay("Adagrad")
        return sparse

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def start(self, group: dict[str, Any]) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": group["maximize"],
            "decays": group["weight_decay"] != 0,
            "inside": group["eps_inside"],
        }

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        return {
            "size": group["lr"] / (1 + (step - 1) * group["lr_decay"]),
            "decay": group["weight_decay"],
            "eps": group["eps"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool,
        inside: bool, size: Any, decay: Any, eps: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        s = state["sum"]
        s += g * g
        p -= size * g / root(F, s, eps, inside)
        return p, {"sum": s}


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    S ← αS + (1 − α)g², p ← p − lr·g/(√S + ε). `momentum` μ sums the quotients, b ← μb + g/(√S + ε),
    and steps along b. `centered` takes S less the square of the running mean of g: its variance.
    T. Tieleman and G. Hinton (2012); 003 §6.4 of the notes, whose ε stands inside the root:
    `eps_inside=True`; centered: A. Graves, arXiv:1308.0850 (2013).

    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = cr.optim.RMSprop([w], lr=0.01, alpha=0.75)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.98
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "alpha": NonNegative(),
        "eps": NonNegative(),
        "weight_decay": NonNegative(),
        "momentum": NonNegative(),
        "centered": Bool(),
        "maximize": Bool(),
        "eps_inside": Bool(),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        eps_inside: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
            "eps_inside": eps_inside,
        }
        super().__init__(params, defaults, implementation)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        names = ["square_avg"]
        names += ["momentum_buffer"] if group["momentum"] else []
        return (*names, "grad_avg") if group["centered"] else tuple(names)

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": group["maximize"],
            "decays": group["weight_decay"] != 0,
            "moves": group["momentum"] != 0,
            "centered": group["centered"],
            "inside": group["eps_inside"],
        }

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        return {
            "lr": group["lr"],
            "alpha": group["alpha"],
            "rest": 1 - group["alpha"],
            "eps": group["eps"],
            "decay": group["weight_decay"],
            "momentum": group["momentum"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool,
        moves: bool, centered: bool, inside: bool, lr: Any, alpha: Any, rest: Any, eps: Any,
        decay: Any, momentum: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        s = state["square_avg"]
        s *= alpha
        s += rest * (g * g)
        new, spread = {"square_avg": s}, s
        if centered:
            mean = state["grad_avg"]
            mean *= alpha
            mean += rest * g
            new["grad_avg"] = mean
            spread = s - mean * mean
        change = g / root(F, spread, eps, inside)
        if moves:
            b = state["momentum_buffer"]
            b *= momentum
            b += change
            new["momentum_buffer"] = change = b
        p -= lr * change
        return p, new


class Adadelta(Optimizer):
    """Steps in the units of the parameter: the gradient times a ratio of two running means.

    S ← ρS + (1 − ρ)g², Δ = √(D + ε)/√(S + ε)·g, D ← ρD + (1 − ρ)Δ², p ← p − lr·Δ.
    M. D. Zeiler, arXiv:1212.5701 (2012).
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "rho": Interval(0.0, 1.0),
        "eps": NonNegative(),
        "weight_decay": NonNegative(),
        "maximize": Bool(),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"], "decays": group["weight_decay"] != 0}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        return {
            "lr": group["lr"],
            "rho": group["rho"],
            "rest": 1 - group["rho"],
            "eps": group["eps"],
            "decay": group["weight_decay"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool, lr: Any,
        rho: Any, rest: Any, eps: Any, decay: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        s, d = state["square_avg"], state["acc_delta"]
        s *= rho
        s += rest * (g * g)
        change = F.sqrt(d + eps) / F.sqrt(s + eps) * g
        d *= rho
        d += rest * (change * change)
        p -= lr * change
        return p, {"square_avg": s, "acc_delta": d}

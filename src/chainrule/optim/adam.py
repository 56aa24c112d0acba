"""Adam and AdamW."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Constraint, NonNegative
from chainrule.optim.groups import Betas
from chainrule.optim.optimizer import Optimizer


def decay_flags(group: dict[str, Any]) -> dict[str, bool]:
    """Whether weight decay is added to the gradient, or shrinks the parameter beside the rule."""
    decays = group["weight_decay"] != 0
    decoupled = group["decoupled_weight_decay"]
    return {"decays": decays and not decoupled, "shrinks": decays and decoupled}


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr·m̂/(√v̂ + ε), where at step t
    m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ) make up for starting at zero; `bias_correction=False`
    takes m and v as they are. `weight_decay` λ adds λp to g, or with `decoupled_weight_decay` is
    AdamW's. `amsgrad` divides by the largest √v so far. D. P. Kingma and J. Ba, ICLR (2015);
    003 §6.5 of the notes; AMSGrad: S. J. Reddi et al., ICLR (2018).

    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = cr.optim.Adam([w], lr=0.5)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.5
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "betas": Betas(),
        "eps": NonNegative(),
        "weight_decay": NonNegative(),
        "amsgrad": Bool(),
        "maximize": Bool(),
        "bias_correction": Bool(),
        "decoupled_weight_decay": Bool(),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
        decoupled_weight_decay: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "bias_correction": bias_correction,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, implementation)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        means = ("exp_avg", "exp_avg_sq")
        return (*means, "max_exp_avg_sq") if group["amsgrad"] else means

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": group["maximize"],
            "amsgrad": group["amsgrad"],
            **decay_flags(group),
        }

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        root1, root2 = 1.0, 1.0
        if group["bias_correction"]:
            root1, root2 = 1 - beta1**step, math.sqrt(1 - beta2**step)
        # lr·m̂/(√v̂ + ε) = (lr·√c₂/c₁)·m/(√v + ε·√c₂): the corrections cost no pass.
        return {
            "beta1": beta1,
            "rest1": 1 - beta1,
            "beta2": beta2,
            "rest2": 1 - beta2,
            "size": lr * root2 / root1,
            "eps": group["eps"] * root2,
            "decay": group["weight_decay"],
            "shrink": 1 - lr * group["weight_decay"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, amsgrad: bool,
        decays: bool, shrinks: bool, beta1: Any, rest1: Any, beta2: Any, rest2: Any, size: Any,
        eps: Any, decay: Any, shrink: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m *= beta1
        m += rest1 * g
        square = g * g
        square *= rest2
        v *= beta2
        v += square
        new = {"exp_avg": m, "exp_avg_sq": v}
        if amsgrad:
            v = new["max_exp_avg_sq"] = F.maximum(state["max_exp_avg_sq"], v)
        root = F.sqrt(v)
        root += eps
        change = size * m
        change /= root
        if shrinks:
            p *= shrink
        p -= change
        return p, new


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p − lr·λp, beside Adam's step without λ.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR (2019).

    >>> w = cr.tensor([1.0], requires_grad=True)
    >>> optimizer = cr.optim.AdamW([w], lr=0.5, weight_decay=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.45
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
        **implementation: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
            bias_correction=bias_correction, decoupled_weight_decay=True, **implementation,
        )  # fmt: skip

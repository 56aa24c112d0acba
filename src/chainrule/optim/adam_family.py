"""Relatives of Adam: Adamax, NAdam, RAdam, SparseAdam."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Constraint, NonNegative
from chainrule.optim.adam import decay_flags
from chainrule.optim.groups import Betas
from chainrule.optim.optimizer import Optimizer
from chainrule.optim.rows import refuse_dense


class Adamax(Optimizer):
    """Adam with the largest recent gradient in the place of the root of a mean square.

    m ← β₁m + (1 − β₁)g, u ← max(β₂u, |g| + ε), p ← p − lr/(1 − β₁ᵗ)·m/u.
    D. P. Kingma and J. Ba, ICLR (2015), §7.1.
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "betas": Betas(),
        "eps": NonNegative(),
        "weight_decay": NonNegative(),
        "maximize": Bool(),
    }

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"], "decays": group["weight_decay"] != 0}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "beta1": beta1,
            "rest1": 1 - beta1,
            "beta2": beta2,
            "size": group["lr"] / (1 - beta1**step),
            "eps": group["eps"],
            "decay": group["weight_decay"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool,
        beta1: Any, rest1: Any, beta2: Any, size: Any, eps: Any, decay: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        m = state["exp_avg"]
        m *= beta1
        m += rest1 * g
        u = F.maximum(beta2 * state["exp_inf"], F.abs(g) + eps)
        p -= size * m / u
        return p, {"exp_avg": m, "exp_inf": u}


class _Means(Optimizer):
    """Running means m and v of the gradient and of its square, with either weight decay."""

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "betas": Betas(),
        "eps": NonNegative(),
        "weight_decay": NonNegative(),
        "momentum_decay": NonNegative(),
        "decoupled_weight_decay": Bool(),
        "maximize": Bool(),
    }

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"], **decay_flags(group)}

    def common(self, group: dict[str, Any]) -> dict[str, float]:
        """The numbers that do not depend on the step."""
        beta1, beta2 = group["betas"]
        return {
            "beta1": beta1,
            "rest1": 1 - beta1,
            "beta2": beta2,
            "rest2": 1 - beta2,
            "decay": group["weight_decay"],
            "shrink": 1 - group["lr"] * group["weight_decay"],
        }


def _means(
    state: dict[str, Any], g: Any, beta1: Any, rest1: Any, beta2: Any, rest2: Any
) -> tuple[Any, Any]:
    m, v = state["exp_avg"], state["exp_avg_sq"]
    m *= beta1
    m += rest1 * g
    v *= beta2
    v += rest2 * (g * g)
    return m, v


class NAdam(_Means):
    """Adam with Nesterov's momentum: the step takes the mean that the next gradient would find.

    With μ_t = β₁(1 − ½·0.96^(tψ)), ψ = `momentum_decay`, and Π_t = μ₁·…·μ_t:
    p ← p − lr·[(1 − μ_t)/(1 − Π_t)·g + μ_(t+1)/(1 − Π_(t+1))·m]/(√v̂ + ε).
    T. Dozat, ICLR workshop (2016).
    """

    scalars = ("mu_product",)

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def start(self, group: dict[str, Any]) -> dict[str, float]:
        return {"mu_product": 1.0}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        lr, (beta1, beta2), psi = group["lr"], group["betas"], group["momentum_decay"]
        now, following = (beta1 * (1 - 0.5 * 0.96 ** (k * psi)) for k in (step, step + 1))
        product = scalars["mu_product"] * now
        root2 = math.sqrt(1 - beta2**step)
        return self.common(group) | {
            "of_g": lr * root2 * (1 - now) / (1 - product),
            "of_m": lr * root2 * following / (1 - product * following),
            "eps": group["eps"] * root2,
            "mu_product": product,
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool,
        shrinks: bool, beta1: Any, rest1: Any, beta2: Any, rest2: Any, decay: Any, shrink: Any,
        of_g: Any, of_m: Any, eps: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        m, v = _means(state, g, beta1, rest1, beta2, rest2)
        change = of_g * g
        change += of_m * m
        change /= F.sqrt(v) + eps
        if shrinks:
            p *= shrink
        p -= change
        return p, {"exp_avg": m, "exp_avg_sq": v}


class RAdam(_Means):
    """Adam that waits with its division until v rests on enough gradients.

    ρ_t = ρ_∞ − 2tβ₂ᵗ/(1 − β₂ᵗ) with ρ_∞ = 2/(1 − β₂) − 1 is the number of gradients behind v. Up
    to ρ_t = 5 the step is lr·m̂; then lr·r_t·m̂/(√v̂ + ε) with
    r_t² = (ρ_t − 4)(ρ_t − 2)ρ_∞/((ρ_∞ − 4)(ρ_∞ − 2)ρ_t). L. Liu et al., ICLR (2020).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **implementation: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, implementation)

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        size = group["lr"] / (1 - beta1**step)
        most, left = 2 / (1 - beta2) - 1, 1 - beta2**step
        rho = most - 2 * step * beta2**step / left
        # Both kinds of step are size·m/(slope·√v + floor): a compiled step needs no branch.
        slope, floor = 0.0, 1.0
        if rho > 5:
            ratio = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
            slope, floor, size = 1.0, group["eps"], size * math.sqrt(ratio * left)
        return self.common(group) | {"size": size, "slope": slope, "floor": floor}

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, decays: bool,
        shrinks: bool, beta1: Any, rest1: Any, beta2: Any, rest2: Any, decay: Any, shrink: Any,
        size: Any, slope: Any, floor: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        if decays:
            g = g + decay * p
        m, v = _means(state, g, beta1, rest1, beta2, rest2)
        change = size * m / (slope * F.sqrt(v) + floor)
        if shrinks:
            p *= shrink
        p -= change
        return p, {"exp_avg": m, "exp_avg_sq": v}


class SparseAdam(Optimizer):
    """Adam for sparse gradients: of tables of which a step sees a few rows (`nn.Embedding(…,
    sparse=True)`).

    Rows that the gradient does not hold stay as they are, with their running means, while Adam
    would go on moving them; the others take Adam's step, with ε outside the correction of v.
    Errors: AutogradError for a dense gradient.
    """

    options: ClassVar[dict[str, Constraint]] = {
        "lr": NonNegative(),
        "betas": Betas(),
        "eps": NonNegative(),
        "maximize": Bool(),
    }
    masks_rows = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def takes_rows(self, group: dict[str, Any], sparse: bool) -> bool:
        if not sparse:
            refuse_dense()
        return True

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def flags(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": group["maximize"]}

    def numbers(self, group: dict[str, Any], step: int, **scalars: float) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "rest1": 1 - beta1,
            "rest2": 1 - beta2,
            "size": group["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step),
            "eps": group["eps"],
        }

    @staticmethod
    def update(
        F: Any, p: Any, g: Any, state: dict[str, Any], *, maximize: bool, rest1: Any, rest2: Any,
        size: Any, eps: Any,
    ) -> Any:  # fmt: skip
        if maximize:
            g = -g
        m, v = state["exp_avg"], state["exp_avg_sq"]
        m = m + rest1 * (g - m)
        v = v + rest2 * (g * g - v)
        p -= size * m / (F.sqrt(v) + eps)
        return p, {"exp_avg": m, "exp_avg_sq": v}

"""The rules that work element by element, line by line, as their papers write them.

A step of `chainrule.optim` folds bias corrections and the like into fewer passes; these lines do
not, and `verify` compares them with what the step really did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.base.text import t
from chainrule.explain.updates.work import Work
from chainrule.optim import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    SparseAdam,
)


def gradient(work: Work, decays: bool = True) -> None:
    """g: what the rule takes as the gradient, with `maximize` and the decay that is added to it."""
    group, clip = work.group, work.clip
    if "lr" in group:
        work.let(lr=group["lr"])
    if "initial_lr" in group:
        work.line("lr", repr(float(group["lr"])),
                  t("rate of the schedule, which began with {initial:.4g}",
                    initial=float(group["initial_lr"])))  # fmt: skip
    if clip is None:
        work.line("g", "dL", t("gradient"))
    elif clip.norm is not None:
        work.let(norm=clip.norm, most=clip.bound)
        work.line("c", "min(most / (norm + 1e-06), 1)", t("clipping by the joint norm"))
        work.line("g", "c * dL", t("clipped gradient"), "grad")
    else:
        work.let(bound=clip.bound)
        work.line("g", "max(-bound, min(bound, dL))", t("clipped gradient"), "grad")
    # The program's own, which was rounded when it was clipped.
    work.let(g=work.arrays["g"][work.at])
    if group.get("maximize"):
        work.line("g", "-g", t("maximize: uphill"))
    decay = group.get("weight_decay", 0)
    work.let(decay=decay)
    if decay and decays:
        work.line("g", "g + decay * p", t("weight decay in the gradient"))


def _apart(work: Work) -> bool:
    """Whether weight decay shrinks the parameter itself (AdamW)."""
    return bool(work.group.get("decoupled_weight_decay"))


def shrink(work: Work) -> None:
    """Decoupled weight decay."""
    if work.group["weight_decay"]:
        work.line("p", "p * (1 - lr * decay)", t("decoupled weight decay"))


def last(work: Work, formula: str, label: str = "") -> None:
    """The line that gives the new parameter."""
    work.line("p_new", formula, label or t("the new parameter"), "p")


def _sgd(work: Work) -> None:
    group = work.group
    work.let(momentum=group["momentum"], dampening=group["dampening"],
             V=work.state("momentum_buffer"))  # fmt: skip
    gradient(work)
    direction = "g"
    if group["momentum"]:
        label, slot = t("velocity"), "momentum_buffer"
        if group["momentum_form"] == "average":
            work.line("V", "momentum * V + (1 - momentum) * g", label, slot)
        elif work.step == 1:
            work.line("V", "g", t("velocity: the first gradient, not dampened"), slot)
        elif group["dampening"]:
            work.line("V", "momentum * V + (1 - dampening) * g", label, slot)
        else:
            work.line("V", "momentum * V + g", label, slot)
        direction = "V"
        if group["nesterov"]:
            work.line("d", "g + momentum * V", t("Nesterov: the velocity one step ahead"))
            direction = "d"
    last(work, f"p - lr * {direction}")


def _root(group: dict[str, Any], s: str) -> str:
    return f"sqrt({s} + eps)" if group.get("eps_inside") else f"(sqrt({s}) + eps)"


def _adagrad(work: Work) -> None:
    group = work.group
    work.let(lr_decay=group["lr_decay"], eps=group["eps"],
             S=work.state("sum", group["initial_accumulator_value"]))  # fmt: skip
    gradient(work)
    work.line("S", "S + g^2", t("sum of squares"), "sum")
    if group["lr_decay"]:
        work.line("lr", "lr / (1 + (t - 1) * lr_decay)", t("falling rate"))
    last(work, f"p - lr * g / {_root(group, 'S')}")


def _rmsprop(work: Work) -> None:
    group = work.group
    work.let(alpha=group["alpha"], eps=group["eps"], momentum=group["momentum"],
             S=work.state("square_avg"), mean=work.state("grad_avg"),
             V=work.state("momentum_buffer"))  # fmt: skip
    gradient(work)
    work.line("S", "alpha * S + (1 - alpha) * g^2", t("second moment"), "square_avg")
    spread = "S"
    if group["centered"]:
        work.line("mean", "alpha * mean + (1 - alpha) * g", t("first moment"), "grad_avg")
        work.line("spread", "S - mean^2", t("variance"))
        spread = "spread"
    work.line("delta", f"g / {_root(group, spread)}", t("scaled gradient"))
    if group["momentum"]:
        work.line("V", "momentum * V + delta", t("velocity"), "momentum_buffer")
    last(work, f"p - lr * {'V' if group['momentum'] else 'delta'}")


def _adadelta(work: Work) -> None:
    group = work.group
    work.let(rho=group["rho"], eps=group["eps"], S=work.state("square_avg"),
             D=work.state("acc_delta"))  # fmt: skip
    gradient(work)
    work.line("S", "rho * S + (1 - rho) * g^2", t("second moment"), "square_avg")
    work.line("delta", "sqrt(D + eps) / sqrt(S + eps) * g", t("scaled gradient"))
    work.line("D", "rho * D + (1 - rho) * delta^2", t("mean square of the steps"), "acc_delta")
    last(work, "p - lr * delta")


def _moments(work: Work, slots: tuple[str, str] = ("exp_avg", "exp_avg_sq")) -> None:
    beta1, beta2 = work.group["betas"]
    work.let(beta1=beta1, beta2=beta2, eps=work.group["eps"], m=work.state(slots[0]),
             v=work.state(slots[1]))  # fmt: skip


def _means(work: Work) -> None:
    work.line("m", "beta1 * m + (1 - beta1) * g", t("first moment"), "exp_avg")
    work.line("v", "beta2 * v + (1 - beta2) * g^2", t("second moment"), "exp_avg_sq")


def _adam(work: Work) -> None:
    group = work.group
    _moments(work)
    gradient(work, decays=not _apart(work))
    _means(work)
    m, v = "m", "v"
    if group["amsgrad"]:
        work.let(v_max=work.state("max_exp_avg_sq"))
        label = t("AMSGrad: the largest second moment so far")
        work.line("v_max", "max(v_max, v)", label, "max_exp_avg_sq")
        v = "v_max"
    if group["bias_correction"]:
        work.line("m_hat", "m / (1 - beta1^t)", t("bias correction"))
        work.line("v_hat", f"{v} / (1 - beta2^t)", t("bias correction"))
        m, v = "m_hat", "v_hat"
    if _apart(work):
        shrink(work)
    last(work, f"p - lr * {m} / (sqrt({v}) + eps)")


def _adamax(work: Work) -> None:
    _moments(work, ("exp_avg", "exp_inf"))
    work.let(u=work.values["v"])
    gradient(work)
    work.line("m", "beta1 * m + (1 - beta1) * g", t("first moment"), "exp_avg")
    work.line("u", "max(beta2 * u, abs(g) + eps)", t("largest recent gradient"), "exp_inf")
    work.line("m_hat", "m / (1 - beta1^t)", t("bias correction"))
    last(work, "p - lr * m_hat / u")


def _nadam(work: Work) -> None:
    _moments(work)
    work.let(psi=work.group["momentum_decay"], Pi=work.scalars.get("mu_product", 1.0))
    gradient(work, decays=not _apart(work))
    _means(work)
    label = t("momentum of this step and of the next")
    work.line("mu_t", "beta1 * (1 - 0.5 * 0.96^(t * psi))", label)
    work.line("mu_next", "beta1 * (1 - 0.5 * 0.96^((t + 1) * psi))", label)
    work.line("Pi", "Pi * mu_t", t("product of the momenta"), "mu_product")
    work.line("m_hat", "mu_next * m / (1 - Pi * mu_next) + (1 - mu_t) * g / (1 - Pi)",
              t("bias correction, one step ahead"))  # fmt: skip
    work.line("v_hat", "v / (1 - beta2^t)", t("bias correction"))
    if _apart(work):
        shrink(work)
    last(work, "p - lr * m_hat / (sqrt(v_hat) + eps)")


def _radam(work: Work) -> None:
    _moments(work)
    gradient(work, decays=not _apart(work))
    _means(work)
    work.line("m_hat", "m / (1 - beta1^t)", t("bias correction"))
    work.line("rho_inf", "2 / (1 - beta2) - 1", t("gradients behind v, at most"))
    rho = work.line("rho", "rho_inf - 2 * t * beta2^t / (1 - beta2^t)", t("gradients behind v"))
    step = "p - lr * m_hat"
    label = t("the new parameter: v rests on too few gradients to divide by it")
    if rho > 5:
        work.line(
            "r",
            "sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))",
            t("rectification"),
        )
        step, label = "p - lr * r * m_hat * sqrt(1 - beta2^t) / (sqrt(v) + eps)", ""
    if _apart(work):
        shrink(work)
    last(work, step, label)


def _sparse_adam(work: Work) -> None:
    _moments(work)
    gradient(work)
    work.line("m", "m + (1 - beta1) * (g - m)", t("first moment"), "exp_avg")
    work.line("v", "v + (1 - beta2) * (g^2 - v)", t("second moment"), "exp_avg_sq")
    work.line("m_hat", "m / (1 - beta1^t)", t("bias correction"))
    last(work, "p - lr * sqrt(1 - beta2^t) * m_hat / (sqrt(v) + eps)")


def _asgd(work: Work) -> None:
    group = work.group
    work.let(lambd=group["lambd"], alpha=group["alpha"], t0=group["t0"], ax=work.state("ax"),
             eta=work.scalars.get("eta", group["lr"]), w=work.scalars.get("mu", 1.0))  # fmt: skip
    gradient(work)
    last(work, "p * (1 - lambd * eta) - eta * g")
    work.line("ax", "(1 - w) * ax + w * p_new", t("mean of the parameter"), "ax")
    work.line("eta", "lr / (1 + lambd * lr * t)^alpha", t("rate of the next step"), "eta")
    work.line("w", "1 / max(1, t - t0)", t("weight of the next step in the mean"), "mu")


def _rprop(work: Work) -> None:
    (less, more), (low, high) = work.group["etas"], work.group["step_sizes"]
    work.let(less=less, more=more, low=low, high=high, before=work.state("prev"),
             size=work.state("step_size", work.group["lr"]))  # fmt: skip
    gradient(work)
    agreement = work.line("s", "sign(g) * sign(before)", t("does the sign stay?"))
    grown = {1.0: "more * size", -1.0: "less * size"}.get(agreement, "size")
    work.line("size", f"min(max({grown}, low), high)", t("size of the step"), "step_size")
    if agreement < 0:
        work.line("g", "0 * g", t("the sign turned: the element rests once"))
    work.line("before", "g", t("remembered for the next step"), "prev")
    last(work, "p - sign(g) * size")


def at_rest(work: Work) -> None:
    """A row of a table that a sparse gradient does not hold."""
    last(work, "p", t("no gradient for this row: it stays"))


RULES: dict[type[Optimizer], Callable[[Work], None]] = {
    SGD: _sgd, Adagrad: _adagrad, RMSprop: _rmsprop, Adadelta: _adadelta, Adam: _adam,
    Adamax: _adamax, NAdam: _nadam, RAdam: _radam, SparseAdam: _sparse_adam, ASGD: _asgd,
    Rprop: _rprop,
}  # fmt: skip

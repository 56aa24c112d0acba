"""An optimiser's next step, worked through for one element: velocity, mean squares, correction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.explain.cards.tex import to_tex
from chainrule.explain.worksheet.derive import value_of
from chainrule.explain.worksheet.syntax import Name, Number, parse, text_of
from chainrule.graph import Tensor
from chainrule.graph.sparse import is_sparse_gradient
from chainrule.optim import SGD, Adadelta, Adagrad, Adam, Optimizer, RMSprop

# How the names of the formulas are shown.
_SHOWN = {
    "p": "θ", "p_new": "θ′", "m_hat": "m̂", "v_hat": "v̂", "beta1": "β₁", "beta2": "β₂", "eps": "ε",
    "lr": "α", "decay": "λ", "momentum": "μ", "rho": "ρ", "alpha": "ρ", "delta": "Δ",
}  # fmt: skip


@dataclass(frozen=True)
class UpdateLine:
    """`name = formula = numbers = value`; formula and numbers in the language of `math`."""

    name: str
    formula: str
    numbers: str
    value: float

    def text(self, digits: int) -> str:
        """With `digits` significant digits."""
        shown = text_of(parse(self.formula), lambda leaf: _leaf(leaf, digits))
        put_in = text_of(parse(self.numbers), lambda leaf: _leaf(leaf, digits))
        head = f"{_SHOWN.get(self.name, self.name)} = "
        same = shown == put_in
        return f"{head}{shown}" + ("" if same else f" = {put_in}") + f" = {self.value:.{digits}g}"

    @property
    def tex(self) -> str:
        """The formula in LaTeX."""
        return f"{to_tex(self.name)} = {to_tex(self.formula)}"


def _leaf(leaf: Number | Name, digits: int) -> str:
    if isinstance(leaf, Number):
        return f"{leaf.value:.{digits}g}"
    return _SHOWN.get(leaf.name, leaf.name)


@dataclass(frozen=True)
class Update:
    """The next step of an optimiser for one element.

    rule: the optimiser's name. step: which step it is, from 1. before, after: the element's value.
    lines: how the one becomes the other.
    """

    rule: str
    parameter: str
    index: tuple[int, ...]
    step: int
    before: float
    after: float
    lines: tuple[UpdateLine, ...]

    def text(self, digits: int = 5) -> str:
        """One line for each number."""
        head = t("{rule}, step {step}: {parameter}{index}", rule=self.rule, step=self.step,
                 parameter=self.parameter, index=list(self.index))  # fmt: skip
        return "\n".join([head, *(f"  {line.text(digits)}" for line in self.lines)]) + "\n"

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        tex = r" \\ ".join(f"{line.tex} &= {line.value:.5g}" for line in self.lines)
        return {
            "text/plain": self.text(),
            "text/latex": rf"$$\begin{{aligned}} {tex} \end{{aligned}}$$",
        }


class _Work:
    """Lines written one after the other; each may use the names of those before."""

    def __init__(self, group: dict[str, Any], state: dict[str, float], p: float, g: float):
        self.group, self.state = group, state
        self.values: dict[str, float] = {"p": p, "g": g}
        self.lines: list[UpdateLine] = []

    def let(self, **names: Any) -> None:
        """Options under the names that formulas use."""
        self.values |= {name: float(value) for name, value in names.items()}

    def line(self, name: str, formula: str) -> None:
        tree = parse(formula)
        value = float(value_of(tree, self.values))
        numbers = text_of(
            tree, lambda leaf: repr(leaf.value if isinstance(leaf, Number)
                                    else self.values[leaf.name]),
        )  # fmt: skip
        self.lines.append(UpdateLine(name, formula, numbers, value))
        self.values[name] = value

    def gradient(self, decays: bool = True) -> None:
        """g with the sign of `maximize` and the weight decay that is added to it."""
        self.let(decay=self.group["weight_decay"])
        self.line("g", "-g" if self.group["maximize"] else "g")
        if self.group["weight_decay"] and decays:
            self.line("g", "g + decay * p")


def _sgd(work: _Work, step: int) -> None:
    group = work.group
    work.let(lr=group["lr"], momentum=group["momentum"], dampening=group["dampening"],
             V=work.state.get("momentum_buffer", 0.0))  # fmt: skip
    work.gradient()
    direction = "g"
    if group["momentum"]:
        if group["momentum_form"] == "average":
            work.line("V", "momentum * V + (1 - momentum) * g")
        elif step == 1:
            work.line("V", "g")  # the first gradient is not dampened
        elif group["dampening"]:
            work.line("V", "momentum * V + (1 - dampening) * g")
        else:
            work.line("V", "momentum * V + g")
        direction = "V"
        if group["nesterov"]:
            work.line("d", "g + momentum * V")
            direction = "d"
    work.line("p_new", f"p - lr * {direction}")


def _root(group: dict[str, Any], s: str) -> str:
    return f"sqrt({s} + eps)" if group.get("eps_inside") else f"(sqrt({s}) + eps)"


def _adagrad(work: _Work, step: int) -> None:
    group = work.group
    work.let(lr=group["lr"], lr_decay=group["lr_decay"], eps=group["eps"], t=step,
             S=work.state.get("sum", group["initial_accumulator_value"]))  # fmt: skip
    work.gradient()
    work.line("S", "S + g^2")
    if group["lr_decay"]:
        work.line("lr", "lr / (1 + (t - 1) * lr_decay)")
    work.line("p_new", f"p - lr * g / {_root(group, 'S')}")


def _rmsprop(work: _Work, step: int) -> None:
    group = work.group
    work.let(lr=group["lr"], alpha=group["alpha"], eps=group["eps"], momentum=group["momentum"],
             S=work.state.get("square_avg", 0.0), mean=work.state.get("grad_avg", 0.0),
             V=work.state.get("momentum_buffer", 0.0))  # fmt: skip
    work.gradient()
    work.line("S", "alpha * S + (1 - alpha) * g^2")
    spread = "S"
    if group["centered"]:
        work.line("mean", "alpha * mean + (1 - alpha) * g")
        work.line("spread", "S - mean^2")
        spread = "spread"
    work.line("delta", f"g / {_root(group, spread)}")
    if group["momentum"]:
        work.line("V", "momentum * V + delta")
    work.line("p_new", f"p - lr * {'V' if group['momentum'] else 'delta'}")


def _adadelta(work: _Work, step: int) -> None:
    group = work.group
    work.let(lr=group["lr"], rho=group["rho"], eps=group["eps"],
             S=work.state.get("square_avg", 0.0), D=work.state.get("acc_delta", 0.0))  # fmt: skip
    work.gradient()
    work.line("S", "rho * S + (1 - rho) * g^2")
    work.line("delta", "sqrt(D + eps) / sqrt(S + eps) * g")
    work.line("D", "rho * D + (1 - rho) * delta^2")
    work.line("p_new", "p - lr * delta")


def _adam(work: _Work, step: int) -> None:
    group = work.group
    apart = group["decoupled_weight_decay"]
    work.let(lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], eps=group["eps"],
             t=step, m=work.state.get("exp_avg", 0.0), v=work.state.get("exp_avg_sq", 0.0),
             v_max=work.state.get("max_exp_avg_sq", 0.0))  # fmt: skip
    work.gradient(decays=not apart)
    work.line("m", "beta1 * m + (1 - beta1) * g")
    work.line("v", "beta2 * v + (1 - beta2) * g^2")
    m, v = "m", "v"
    if group["amsgrad"]:
        work.line("v_max", "max(v_max, v)")
        v = "v_max"
    if group["bias_correction"]:
        work.line("m_hat", "m / (1 - beta1^t)")
        work.line("v_hat", f"{v} / (1 - beta2^t)")
        m, v = "m_hat", "v_hat"
    if group["weight_decay"] and apart:
        work.line("p", "p * (1 - lr * decay)")
    work.line("p_new", f"p - lr * {m} / (sqrt({v}) + eps)")


_RULES: dict[type[Optimizer], Callable[[_Work, int], None]] = {
    SGD: _sgd, Adagrad: _adagrad, RMSprop: _rmsprop, Adadelta: _adadelta, Adam: _adam,
}  # fmt: skip


def explain_update(optimizer: Optimizer, parameter: Any, index: Any = ()) -> Update:
    """The step that `optimizer.step()` would take for one element, with all its numbers.

    Call it after `backward`, before `step`; nothing is changed. `parameter`: its name (where the
    optimiser was given names), its number through all groups, or the tensor; `index`: which
    element. For SGD, Adagrad, RMSprop, Adadelta, Adam and AdamW. Errors: ArgumentError for another
    optimiser, an unknown parameter or one without a gradient; ShapeError for a bad index.
    """
    rule = next((_RULES[c] for c in type(optimizer).__mro__ if c in _RULES), None)
    if rule is None:
        raise ArgumentError(
            t("explain_update knows {known}, not {rule}.",
              known=", ".join(c.__name__ for c in (*_RULES, )), rule=type(optimizer).__name__)
        )  # fmt: skip
    group, p, name = _found(optimizer, parameter)
    g = p.grad
    if g is None:
        raise ArgumentError(
            t("{parameter} has no gradient: call backward() before explain_update().",
              parameter=name)
        )  # fmt: skip
    at = tuple(index) if isinstance(index, tuple | list) else (index,)
    if len(at) != p.ndim or any(not -n <= i < n for i, n in zip(at, p.shape, strict=False)):
        raise ShapeError(
            t("{parameter} has shape {shape}: the index {index} names no element of it.",
              parameter=name, shape=tuple(p.shape), index=at)
        )  # fmt: skip
    if is_sparse_gradient(g):
        g = g.to_dense()
    state = optimizer.state.get(p, {})
    step = int(state.get("step", 0)) + 1
    numbers = {k: _element(v, at) for k, v in state.items() if isinstance(v, Tensor) and v.ndim}
    numbers |= {k: _element(v, at) for k, v in state.items()
                if isinstance(v, Tensor) and not p.ndim}  # fmt: skip
    before = _element(p, at)
    work = _Work(group, numbers, before, _element(g, at))
    rule(work, step)
    return Update(type(optimizer).__name__, name, at, step, before, work.values["p_new"],
                  tuple(work.lines))  # fmt: skip


def _element(tensor: Tensor, at: tuple[int, ...]) -> float:
    return float(tensor.detach().numpy()[at])


def _found(optimizer: Optimizer, wanted: Any) -> tuple[dict[str, Any], Tensor, str]:
    """The group, the parameter, and what it is called."""
    number = 0
    known = []
    for group in optimizer.param_groups:
        names = group.get("param_names") or [None] * len(group["params"])
        for p, name in zip(group["params"], names, strict=True):
            if (
                p is wanted
                or (isinstance(wanted, str) and name == wanted)
                or (type(wanted) is int and number == wanted)
            ):
                return group, p, name or t("parameter {number}", number=number)
            known.append(name or str(number))
            number += 1
    raise ArgumentError(
        t("The optimiser holds no parameter {wanted!r}; it holds {known}.",
          wanted=wanted if isinstance(wanted, str | int) else type(wanted).__name__,
          known=", ".join(known[:8]) + (", …" if len(known) > 8 else ""))
    )  # fmt: skip

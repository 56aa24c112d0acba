"""The rules that see whole tensors: Adafactor, Muon, L-BFGS. One element of each is followed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.text import t
from chainrule.explain.updates.rules import RULES, gradient, last
from chainrule.explain.updates.work import Work
from chainrule.optim import Adafactor, Muon, Optimizer

Array = NDArray[np.float64]


def _subscript(at: tuple[Any, ...]) -> str:
    return f"[{', '.join(map(str, at))}]"


def _adafactor(work: Work) -> None:
    group, p, g = work.group, work.arrays["p"], work.arrays["g"]
    tiny = group["eps"][0]
    work.let(tiny=tiny, most=group["d"], least=group["eps"][1])
    gradient(work, decays=False)
    square, new = g * g, work.line("new", f"t^{group['beta2_decay']}", t("weight of the new"))
    work.line("rate", "min(lr, 1 / sqrt(t))", t("rate, falling"))
    if p.ndim < 2:
        work.let(v=work.state("variance"))
        work.line("v", "v + new * (g^2 - v)", t("second moment"), "variance")
        v = work.arrays.get("variance", np.zeros(p.shape))
        v = v + new * (square - v)
    else:
        v = _rows_and_columns(work, square, new, tiny)
    work.line("change", "g / sqrt(max(v, tiny^2))", t("scaled gradient"))
    change = (-g if group["maximize"] else g) / np.sqrt(np.maximum(v, tiny * tiny))
    for name, whole, text in (("rms_change", change, "Δ"), ("rms_p", p, "θ")):
        label = t("mean square over the whole parameter")
        work.total("q", f"mean({text}²)", whole * whole, label, max(whole.size, 1))
        work.line(name, "sqrt(q)")
    work.line("size", "max(rms_p, least) * rate / max(rms_change / most, 1)", t("size of the step"))
    shrunk = "p * (1 - lr * decay)" if group["weight_decay"] else "p"
    last(work, f"{shrunk} - size * change")


def _rows_and_columns(work: Work, square: Array, new: float, tiny: float) -> Array:
    """The mean squares of the element's row and column, and of all: v is R·C/mean(R)."""
    at, before = work.at, work.arrays
    lead, (i, j) = at[:-2], at[-2:]
    shape = square.shape
    rows = before.get("row_var", np.zeros((*shape[:-1], 1)))
    columns = before.get("col_var", np.zeros((*shape[:-2], 1, shape[-1])))
    plane = square[lead]
    row, column = plane[i], plane[:, j]
    work.let(R=rows[lead][i, 0], C=columns[lead][0, j])
    name = f"mean(g{_subscript((*lead, i, ':'))}²)"
    work.total("q", name, row, t("mean square of the row"), len(row))
    work.line("R", "R + new * (q - R)", t("second moment of the row"), "row_var")
    name = f"mean(g{_subscript((*lead, ':', j))}²)"
    work.total("q", name, column, t("mean square of the column"), len(column))
    work.line("C", "C + new * (q - C)", t("second moment of the column"), "col_var")
    rows = rows + new * (square.mean(-1, keepdims=True) - rows)
    columns = columns + new * (square.mean(-2, keepdims=True) - columns)
    all_rows = rows[lead][:, 0]
    work.total("M", "mean(R)", all_rows, t("mean over the rows"), len(all_rows))
    work.line("v", "R * C / max(M, tiny)", t("second moment"))
    return np.asarray(rows * columns / np.maximum(rows.mean(-2, keepdims=True), tiny))


def _muon(work: Work) -> None:
    group, p, g = work.group, work.arrays["p"], work.arrays["g"]
    momentum, rows, columns = group["momentum"], *p.shape
    work.let(momentum=momentum, B=work.state("momentum_buffer"), eps=group["eps"])
    gradient(work, decays=False)
    work.line("B", "momentum * B + (1 - momentum) * g", t("velocity"), "momentum_buffer")
    buffer = work.arrays.get("momentum_buffer", np.zeros(p.shape))
    x = momentum * buffer + (1 - momentum) * g
    if group["nesterov"]:
        work.line("X", "momentum * B + (1 - momentum) * g",
                  t("Nesterov: the velocity one step ahead"))  # fmt: skip
        x = momentum * x + (1 - momentum) * g
    else:
        work.line("X", "B")
    place = work.at
    if rows > columns:
        x, place = x.T, place[::-1]
    work.total("q", "ΣX²", x * x, t("squared norm of the whole matrix"))
    work.line("X", "X / max(sqrt(q), eps)", t("singular values of at most 1"))
    x = x / max(math.sqrt(float((x * x).sum())), group["eps"])
    a, b, c = group["ns_coefficients"]
    work.let(a=a)
    for k in range(1, group["ns_steps"] + 1):
        gram = x @ x.T
        mixed = b * gram + c * (gram @ gram)
        label = t("Newton-Schulz, round {k}", k=k)
        terms = mixed[place[0]] * x[:, place[1]]
        work.total("Y", "((b XXᵀ + c (XXᵀ)²) X)" + _subscript(place), terms, label)
        work.line("X", "a * X + Y", label)
        x = a * x + mixed @ x
    ratio = rows / columns if columns else 1.0
    work.let(rows=rows, columns=columns, ratio=ratio)
    if group["adjust_lr_fn"] == "match_rms_adamw":
        work.line("scale", "0.2 * sqrt(max(rows, columns))", t("scale by the shape"))
    else:
        work.line("scale", "sqrt(max(1, rows / columns))", t("scale by the shape"))
    shrunk = "p * (1 - lr * decay)" if group["weight_decay"] else "p"
    last(work, f"{shrunk} - lr * scale * X")


def direction(
    work: Work, g: Array, place: int, pairs: list[tuple[Array, Array]], scale: float
) -> Array:
    """L-BFGS: the lines of d = −H·g for element `place` of the vector, and the whole of d.

    `pairs` (s, y): steps and changes of the gradient, the newest last; H₀ is `scale` times one.
    """
    q, shares = g, []
    for k, (s, y) in zip(range(len(pairs), 0, -1), reversed(pairs), strict=True):
        rho, product = 1 / float(y @ s), float(s @ q)
        if len(pairs) <= 3:
            work.let(product=product, curvature=float(y @ s))
            work.total("product", f"Σ s_{k}·q", s * q, t("pair {k}, on the way back", k=k))
            work.total("curvature", f"Σ y_{k}·s_{k}", y * s)
            work.line(f"a{k}", "product / curvature")
        shares.append(rho * product)
        q = q - shares[-1] * y
    r = q * scale
    shares.reverse()
    terms = [scale * g[place]]
    terms += [-scale * a * y[place] for a, (_, y) in zip(shares, pairs, strict=True)]
    for (s, y), a in zip(pairs, shares, strict=True):
        b = float(y @ r) / float(y @ s)
        terms.append((a - b) * s[place])
        r = r + (a - b) * s
    if pairs:
        text = "γ g − Σ γ aₖ yₖ + Σ (aₖ − bₖ) sₖ"
        work.total("Hg", text, terms, t("Newton's direction, from {n} pairs", n=len(pairs)))
    else:
        work.line("Hg", "gamma * g", t("no pair yet: the gradient itself"))
    work.line("d", "-Hg", t("direction"), "d")
    return -r


def _pairs(state: dict[str, Any], numbers: Callable[[Any], Array]) -> list[tuple[Array, Array]]:
    both = zip(state.get("old_stps", ()), state.get("old_dirs", ()), strict=True)
    return [(numbers(s), numbers(y)) for s, y in both]


def lbfgs(
    work: Work, g: Array, place: int, state: dict[str, Any], numbers: Callable[[Any], Array]
) -> bool:
    """The lines of the next iteration from gradient `g` (all parameters as one vector); `numbers`
    gives the array of a tensor. Whether the step moves, as far as can be told without a closure."""
    group = work.group
    work.let(lr=group["lr"], gamma=state.get("H_diag", 1.0))
    work.line("g", "dL", t("gradient"))
    if float(np.abs(g).max(initial=0.0)) <= group["tolerance_grad"]:
        last(work, "p", t("the gradient is within the tolerance: no step"))
        return True
    pairs = _pairs(state, numbers)
    begins = not state.get("n_iter", 0)
    if not begins:
        y = g - numbers(state["prev_flat_grad"])
        s = numbers(state["d"]) * float(state["t"])
        work.let(before=g[place] - y[place], d=numbers(state["d"])[place], length=state["t"])
        work.line("y", "g - before", t("change of the gradient"))
        work.line("s", "length * d", t("the step before"))
        curvature = work.total("curvature", "Σ y·s", y * s, t("curvature along it"))
        if curvature > 1e-10:
            pairs = [*pairs, (s, y)][-group["history_size"] :]
            work.total("q", "Σ y²", y * y)
            work.line("gamma", "curvature / q", t("size of H₀"))
    d = direction(work, g, place, pairs, work.values["gamma"])
    if float(g @ d) > -group["tolerance_change"]:
        last(work, "p", t("the loss would hardly fall: no step"))
        return True
    if begins:
        work.total("size", "Σ |g|", np.abs(g), t("size of the gradient"))
        work.line("length", "lr * min(1, 1 / size)", t("length of the first step"))
    else:
        work.line("length", "lr", t("length of the step"))
    if group["line_search_fn"] is not None:
        work.line("length", "length", t("where the line search begins: the length is its choice"))
        return False
    last(work, "p + length * d")
    return True


def lbfgs_again(
    work: Work, place: int, state: dict[str, Any], numbers: Callable[[Any], Array]
) -> None:
    """The lines of the last iteration, which the state still holds."""
    g = numbers(state["prev_flat_grad"])
    work.let(dL=g[place], gamma=state["H_diag"], length=state["t"])
    work.line("g", "dL", t("gradient"))
    direction(work, g, place, _pairs(state, numbers), float(state["H_diag"]))
    last(work, "p + length * d", t("the new parameter; θ before it is computed back"))


WHOLE: dict[type[Optimizer], Callable[[Work], None]] = {Adafactor: _adafactor, Muon: _muon}


def rule_of(optimizer: Optimizer) -> Callable[[Work], None] | None:
    """The lines of an optimiser, or of the one that it is a kind of."""
    rules = RULES | WHOLE
    return next((rules[c] for c in type(optimizer).__mro__ if c in rules), None)

"""The lines of a worked update: names, formulas in the language of `math`, numbers put in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.explanation import latex
from chainrule.explain.updates.twins import Clip
from chainrule.explain.worksheet.derive import value_of
from chainrule.explain.worksheet.syntax import Call, Expression, Name, Number, parse, text_of

Place = tuple[int, ...]

# How the names of the formulas are shown: as text, and in LaTeX.
_SHOWN: dict[str, tuple[str, str]] = {
    "p": ("θ", r"\theta"), "p_new": ("θ′", r"\theta'"), "dL": ("∂L/∂θ", r"\nabla_\theta L"),
    "m_hat": ("m̂", r"\hat{m}"), "v_hat": ("v̂", r"\hat{v}"), "v_max": ("v_max", r"v_{\max}"),
    "beta1": ("β₁", r"\beta_1"), "beta2": ("β₂", r"\beta_2"), "eps": ("ε", r"\varepsilon"),
    "lr": ("α", r"\alpha"), "decay": ("λ", r"\lambda"), "momentum": ("μ", r"\mu"),
    "rho": ("ρ", r"\rho"), "alpha": ("ρ", r"\rho"), "delta": ("Δ", r"\Delta"),
    "rho_inf": ("ρ∞", r"\rho_\infty"), "mu_t": ("μₜ", r"\mu_t"), "Pi": ("Π", r"\Pi"),
    "mu_next": ("μₜ₊₁", r"\mu_{t+1}"), "psi": ("ψ", r"\psi"), "eta": ("η", r"\eta"),
    "lambd": ("λ", r"\lambda"), "less": ("η₋", r"\eta_-"), "more": ("η₊", r"\eta_+"),
    "gamma": ("γ", r"\gamma"), "scale": ("scale", r"s"), "change": ("Δ", r"\Delta"),
    "most": ("max", r"c_{\max}"), "norm": ("‖∂L‖", r"\|\nabla L\|"),
    "rms_change": ("RMS(Δ)", r"\mathrm{RMS}(\Delta)"), "rms_p": ("RMS(θ)", r"\mathrm{RMS}(\theta)"),
}  # fmt: skip


@dataclass(frozen=True)
class UpdateLine:
    """`name = formula = numbers = value`; formula and numbers in the language of `math`.

    label: what the line is, such as "velocity". slot: the entry of the optimiser's state that it
    gives, or "p" for the parameter itself. terms: of a sum over a whole tensor what is added up,
    divided by `divisor`; `formula` is then a text and `numbers` is empty.
    """

    name: str
    formula: str
    numbers: str
    value: float
    label: str = ""
    slot: str = ""
    terms: NDArray[np.float64] | None = None
    divisor: float = 1.0

    @property
    def head(self) -> str:
        """`V ←`, or `m̂ =` where the name is new."""
        again = self.terms is None and self.name in _names(parse(self.formula))
        return f"{shown(self.name)} {'←' if again else '='} "

    def text(self, digits: int) -> str:
        """With `digits` significant digits."""
        steps = [part for part in self._parts(digits) if part]
        value = f"{self.value:.{digits}g}"
        if steps[-1] != value:
            steps.append(value)
        return self.head + " = ".join(dict.fromkeys(steps))

    def _parts(self, digits: int) -> tuple[str, str]:
        if self.terms is not None:
            return self.formula, _sum(self.terms, self.divisor, digits, " + ", "/")
        return (
            text_of(parse(self.formula), lambda leaf: _leaf(leaf, digits)),
            text_of(parse(self.numbers), lambda leaf: _leaf(leaf, digits)),
        )

    @property
    def tex(self) -> str:
        """The formula in LaTeX."""
        return f"{_tex_name(self.name)} = {self._tex_formula(5)[0]}"

    def latex(self, digits: int) -> str:
        """Formula, numbers and value in LaTeX."""
        steps = [part for part in self._tex_formula(digits) if part]
        steps.append(_tex_number(self.value, digits))
        sign = r"\leftarrow" if "←" in self.head else "="
        return f"{_tex_name(self.name)} {sign} " + " = ".join(dict.fromkeys(steps))

    def _tex_formula(self, digits: int) -> tuple[str, str]:
        if self.terms is not None:
            return latex.line(self.formula), latex.line(
                _sum(self.terms, self.divisor, digits, " + ", "/")
            )

        def leaf(one: Number | Name) -> str:
            if isinstance(one, Number):
                return _tex_number(one.value, digits)
            return _tex_name(one.name)

        return (latex.expression(parse(self.formula), leaf),
                latex.expression(parse(self.numbers), leaf))  # fmt: skip

    def exact(self) -> float:
        """The line computed again with 40 digits, by rules that share nothing with NumPy's."""
        if self.terms is not None:
            return math.fsum(self.terms.ravel().tolist()) / self.divisor
        with localcontext(Context(prec=40, Emin=-99999, Emax=99999, traps=[])):
            return float(_decimal(parse(self.numbers)))


def shown(name: str) -> str:
    return _SHOWN[name][0] if name in _SHOWN else name


def _tex_name(name: str) -> str:
    if name in _SHOWN:
        return _SHOWN[name][1]
    head, _, tail = name.partition("_")
    return f"{latex.symbol(head)}_{{{tail}}}" if tail else latex.symbol(name)


def _tex_number(value: float, digits: int) -> str:
    return latex.line(f"{value:.{digits}g}")


def _leaf(leaf: Number | Name, digits: int) -> str:
    return f"{leaf.value:.{digits}g}" if isinstance(leaf, Number) else shown(leaf.name)


def _sum(terms: NDArray[np.float64], divisor: float, digits: int, plus: str, by: str) -> str:
    if not 0 < terms.size <= 4:
        return ""
    parts = [f"{v:.{digits}g}" for v in terms.ravel()]
    text = plus.join(f"({p})" if p.startswith("-") and i else p for i, p in enumerate(parts))
    if divisor == 1.0:
        return text
    return f"({text}){by}{divisor:g}" if len(parts) > 1 else f"{text}{by}{divisor:g}"


def _names(tree: Expression) -> set[str]:
    if isinstance(tree, Call):
        return {name for a in tree.arguments for name in _names(a)}
    return {tree.name} if isinstance(tree, Name) else set()


def _sign(x: Decimal) -> Decimal:
    return Decimal(0) if x == 0 else Decimal(1).copy_sign(x)


_EXACT: dict[str, Callable[..., Decimal]] = {
    "neg": lambda a: -a, "+": lambda a, b: a + b, "-": lambda a, b: a - b,
    "*": lambda a, b: a * b, "/": lambda a, b: a / b, "^": lambda a, b: a**b,
    "sqrt": lambda a: a.sqrt(), "abs": abs, "max": max, "min": min, "sign": _sign,
}  # fmt: skip


def _decimal(tree: Expression) -> Decimal:
    if isinstance(tree, Number):
        return Decimal(tree.value)
    if isinstance(tree, Name):  # "nan", "inf"
        return Decimal(tree.name)
    return _EXACT[tree.function](*(_decimal(a) for a in tree.arguments))


class Work:
    """Lines written one after the other; each may use the names of those before.

    group: the options. step: the number of the step, from 1. at: the element. arrays: "p", "g" and
    the state tensors as a whole, in float64; scalars: the numbers among the state. clip: how the
    gradient was clipped before, if that was recorded.
    """

    def __init__(
        self, group: dict[str, Any], step: int, at: Place, arrays: dict[str, NDArray[np.float64]],
        scalars: dict[str, float], clip: Clip | None = None,
    ) -> None:  # fmt: skip
        self.group, self.step, self.at = group, step, at
        self.arrays, self.scalars, self.clip = arrays, scalars, clip
        g = arrays["g"] if clip is None else clip.before
        self.before = float(arrays["p"][at])
        self.values: dict[str, float] = {
            "p": self.before, "dL": float(g[at]), "t": float(step),
        }  # fmt: skip
        self.lines: list[UpdateLine] = []

    def state(self, name: str, otherwise: float = 0.0) -> float:
        """The element's entry of a state tensor, or what it starts with."""
        return float(self.arrays[name][self.at]) if name in self.arrays else otherwise

    def let(self, **names: Any) -> None:
        """Numbers under the names that formulas use."""
        self.values |= {name: float(value) for name, value in names.items()}

    def line(self, name: str, formula: str, label: str = "", slot: str = "") -> float:
        """One more line; the name stands for its value from here on."""
        tree = parse(formula)
        value = float(value_of(tree, self.values))

        def number(leaf: Number | Name) -> str:
            return repr(leaf.value if isinstance(leaf, Number) else self.values[leaf.name])

        numbers = text_of(tree, number)
        self.lines.append(UpdateLine(name, formula, numbers, value, label, slot))
        self.values[name] = value
        return value

    def total(
        self, name: str, formula: str, terms: Any, label: str = "", divisor: float = 1.0
    ) -> float:
        """A sum over many numbers, such as a mean square over a row."""
        array = np.asarray(terms, np.float64)
        value = float(array.sum() / divisor)
        line = UpdateLine(name, formula, "", value, label, "", array, divisor)
        self.lines.append(line)
        self.values[name] = value
        return value

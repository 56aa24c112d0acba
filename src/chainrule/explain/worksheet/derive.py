"""Derivatives of formulas, for display: a small symbolic differentiator, and values of trees.

What the engine computes does not come from here: a worksheet shows a derivative of this file only
where it agrees with the gradient of the operation itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.worksheet.syntax import Call, Expression, Name, Number, parse, substitute

ZERO, ONE = Number(0.0), Number(1.0)

# Derivatives by each argument, in the arguments x and o.
RULES: dict[str, tuple[Expression, ...]] = {
    name: tuple(parse(text) for text in texts)
    for name, texts in {
        "exp": ["exp(x)"],
        "log": ["1 / x"],
        "sqrt": ["1 / (2 * sqrt(x))"],
        "sin": ["cos(x)"],
        "cos": ["-sin(x)"],
        "tan": ["1 + tan(x)^2"],
        "asin": ["1 / sqrt(1 - x^2)"],
        "acos": ["-1 / sqrt(1 - x^2)"],
        "atan": ["1 / (1 + x^2)"],
        "sinh": ["cosh(x)"],
        "cosh": ["sinh(x)"],
        "tanh": ["1 - tanh(x)^2"],
        "asinh": ["1 / sqrt(x^2 + 1)"],
        "acosh": ["1 / sqrt(x^2 - 1)"],
        "atanh": ["1 / (1 - x^2)"],
        "log2": ["1 / (x * log(2))"],
        "erf": ["2 / sqrt(pi) * exp(-(x^2))"],
        "erfc": ["-2 / sqrt(pi) * exp(-(x^2))"],
        "sigmoid": ["sigmoid(x) * (1 - sigmoid(x))"],
        "abs": ["sign(x)"],
        "sign": ["0"],
        "floor": ["0"],
        "ceil": ["0"],
        "round": ["0"],
        "trunc": ["0"],
        "max": ["where(x > o, 1, 0)", "where(o > x, 1, 0)"],
        "min": ["where(o > x, 1, 0)", "where(x > o, 1, 0)"],
        "atan2": ["o / (x^2 + o^2)", "-x / (x^2 + o^2)"],
    }.items()
}

# Where the derivative is shorter with the output y that is known already.
BY_OUTPUT = {
    "sigmoid": parse("y * (1 - y)"),
    "tanh": parse("1 - y^2"),
    "sqrt": parse("1 / (2 * y)"),
    "logsumexp": parse("exp(x - y)"),
    "prod": parse("y / x"),
}


class NoDerivative(Exception):
    """A formula with a part that has no rule here."""


def derivative(tree: Expression, by: str) -> Expression:
    """∂tree/∂by, simplified. Raises NoDerivative for a function without a rule."""
    if isinstance(tree, Number):
        return ZERO
    if isinstance(tree, Name):
        return ONE if tree.name == by else ZERO
    a, *rest = tree.arguments
    b = rest[0] if rest else ZERO
    da = derivative(a, by) if tree.function != "where" else ZERO
    match tree.function:
        case "neg":
            return negative(da)
        case "+":
            return plus(da, derivative(b, by))
        case "-":
            return minus(da, derivative(b, by))
        case "*":
            return plus(times(da, b), times(a, derivative(b, by)))
        case "/":
            return _of_quotient(a, b, da, derivative(b, by))
        case "^":
            return _of_power(tree, a, b, da, derivative(b, by))
        case "where":
            condition, yes, no = tree.arguments
            return _either(condition, derivative(yes, by), derivative(no, by))
    rules = RULES.get(tree.function)
    if rules is None or len(rules) != len(tree.arguments):
        raise NoDerivative(tree.function)
    if tree.function in ("max", "min"):
        # One of the two is passed on: say which, rather than adding two products.
        conditions = [rule.arguments[0] for rule in rules if isinstance(rule, Call)]
        won, lost = (substitute(c, {"x": a, "o": b}) for c in conditions)
        db = derivative(b, by)
        if isinstance(a, Number) or isinstance(b, Number):
            return _either(won, da, db)  # at the bound itself, what the bound has
        # A tie is shared equally.
        return _either(won, da, _either(lost, db, over(plus(da, db), Number(2.0))))
    total: Expression = ZERO
    for rule, argument in zip(rules, tree.arguments, strict=True):
        inner = derivative(argument, by)
        if inner != ZERO:
            total = plus(total, times(substitute(rule, {"x": a, "o": b}), inner))
    return total


def _of_quotient(a: Expression, b: Expression, da: Expression, db: Expression) -> Expression:
    first = over(da, b)
    if db == ZERO:
        return first
    return minus(first, over(times(a, db), power(b, Number(2.0))))


def _of_power(
    tree: Expression, a: Expression, b: Expression, da: Expression, db: Expression
) -> Expression:
    out: Expression = ZERO
    if da != ZERO:
        out = times(times(b, power(a, minus(b, ONE))), da)
    if db != ZERO:
        out = plus(out, times(times(tree, Call("log", (a,))), db))
    return out


def _either(condition: Expression, yes: Expression, no: Expression) -> Expression:
    return yes if yes == no else Call("where", (condition, yes, no))


# ---- constructors that simplify --------------------------------------------------------------


def _fold(a: Expression, b: Expression, f: Callable[[float, float], float]) -> Number | None:
    if isinstance(a, Number) and isinstance(b, Number):
        return Number(f(a.value, b.value))
    return None


def negative(a: Expression) -> Expression:
    if isinstance(a, Number):
        return Number(-a.value if a.value else 0.0)
    if isinstance(a, Call) and a.function == "neg":
        return a.arguments[0]
    if isinstance(a, Call) and a.function in "*/":
        return Call(a.function, (negative(a.arguments[0]), a.arguments[1]))
    return Call("neg", (a,))


def plus(a: Expression, b: Expression) -> Expression:
    if a == ZERO:
        return b
    if b == ZERO:
        return a
    return _fold(a, b, lambda p, q: p + q) or Call("+", (a, b))


def minus(a: Expression, b: Expression) -> Expression:
    if b == ZERO:
        return a
    if a == ZERO:
        return negative(b)
    return _fold(a, b, lambda p, q: p - q) or Call("-", (a, b))


def times(a: Expression, b: Expression) -> Expression:
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    if b == ONE:
        return a
    if a == Number(-1.0):
        return negative(b)
    if b == Number(-1.0):
        return negative(a)
    for one, other in ((a, b), (b, a)):
        # 2 · (1/u) is 2/u.
        if isinstance(one, Call) and one.function == "/" and one.arguments[0] == ONE:
            return over(other, one.arguments[1])
    return _fold(a, b, lambda p, q: p * q) or Call("*", (a, b))


def over(a: Expression, b: Expression) -> Expression:
    if a == ZERO or b == ONE:
        return a
    if a == b and isinstance(a, Number):
        return ONE
    return Call("/", (a, b))


def power(a: Expression, b: Expression) -> Expression:
    if b == ZERO:
        return ONE
    return a if b == ONE else Call("^", (a, b))


def simplified(tree: Expression) -> Expression:
    """The tree without the factors 1 and the like that put-in parameters leave behind."""
    if not isinstance(tree, Call):
        return tree
    arguments = tuple(simplified(a) for a in tree.arguments)
    build = {"*": times, "/": over, "+": plus, "-": minus, "^": power}.get(tree.function)
    return build(*arguments) if build else Call(tree.function, arguments)


# ---- values ----------------------------------------------------------------------------------

_VALUES: dict[str, Any] = {
    "neg": np.negative,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.float_power,
    ">": np.greater,
    "max": np.maximum,
    "min": np.minimum,
    "where": np.where,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "log2": np.log2,
    "isnan": np.isnan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    **{
        name: getattr(np, name)
        for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs",
                     "sign", "floor", "ceil", "round", "trunc")
    },
}  # fmt: skip
CONSTANTS = {"pi": math.pi, "e": math.e}


def value_of(tree: Expression, values: Mapping[str, Any]) -> NDArray[np.float64]:
    """The number that a tree stands for, in NumPy's float64; KeyError for an unknown name."""
    with np.errstate(all="ignore"):
        return np.asarray(_value(tree, values))


def _value(tree: Expression, values: Mapping[str, Any]) -> Any:
    if isinstance(tree, Number):
        return np.float64(tree.value)
    if isinstance(tree, Name):
        return values[tree.name] if tree.name in values else CONSTANTS[tree.name]
    return _VALUES[tree.function](*(_value(a, values) for a in tree.arguments))

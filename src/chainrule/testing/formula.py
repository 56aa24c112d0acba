"""Evaluating an operation's `math` on NumPy arrays: a small parser of arithmetic, never `eval`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.shapes import normalize_axes
from chainrule.base.text import t


class NotAFormula(ArgumentError):
    """A `math` field that speaks of more than arithmetic on arrays ("max(x over the window)")."""


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def _each(function: Callable[..., float]) -> Callable[..., Any]:
    return lambda *x: np.vectorize(function, otypes=[np.float64])(*x)


def _erfinv(x: float) -> float:
    return NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2)


def _polygamma(n: float, x: float) -> float:
    """A long sum and the first terms of the rest, by Euler and Maclaurin."""
    k, far = x + np.arange(4000.0), x + 4000
    if n == 0:
        return float(math.log(far) - 1 / (2 * far) - 1 / (12 * far * far) - np.sum(1 / k))
    rest = far**-n / n + far ** (-n - 1) / 2 + (n + 1) * far ** (-n - 2) / 12
    return float((-1) ** (n + 1) * math.factorial(int(n)) * (np.sum(k ** (-n - 1)) + rest))


def _bessel_i(order: float, x: float) -> float:
    """The mean of exp(x cos φ) cos(order φ) over the circle."""
    phi = np.arange(256) * (math.pi / 128)
    return float(np.mean(np.exp(x * np.cos(phi)) * np.cos(order * phi)))


# Functions of one argument by NumPy's name, and those that need another or more arguments.
_SAME = (
    "exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "sin", "cos", "tan", "sinh", "cosh",
    "tanh", "abs", "sign", "floor", "ceil", "round", "trunc", "isnan", "isfinite", "isinf", "where",
)  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _SAME} | {
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "erf": _erf,
    "erfc": _each(math.erfc),
    "erfinv": _each(_erfinv),
    "lgamma": _each(math.lgamma),
    "digamma": _each(lambda x: _polygamma(0, x)),
    "polygamma": _each(_polygamma),
    "bessel_i": _each(_bessel_i),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
_REDUCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "max": np.max, "min": np.min,
    "all": np.all, "any": np.any, "argmax": np.argmax, "argmin": np.argmin,
}  # fmt: skip
_ALONG: dict[str, Callable[..., Any]] = {"cumsum": np.cumsum, "cumprod": np.cumprod}
_PAIRS = {"max": np.maximum, "min": np.minimum}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: np.true_divide,
    ast.Pow: np.power, ast.MatMult: operator.matmul, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}  # fmt: skip
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


def evaluate(text: str, names: dict[str, Any], dim: Any = None) -> Any:
    """The formula's value with `names` put in; reductions run over `dim` and keep their axes.

    `^` is a power, `xor`, `and`, `or`, `not` are logic. Errors: NotAFormula.
    """
    python = text.replace("^", "**").replace(" xor ", " ^ ")
    try:
        tree = ast.parse(python, mode="eval")
    except SyntaxError:
        raise _refuse(text) from None
    with np.errstate(all="ignore"):
        return _Evaluator(text, names, dim).visit(tree.body)


def _refuse(text: str) -> NotAFormula:
    return NotAFormula(t("{text!r} is no formula that can be evaluated.", text=text))


class _Evaluator(ast.NodeVisitor):
    def __init__(self, text: str, names: dict[str, Any], dim: Any) -> None:
        self.text, self.names, self.dim = text, names, dim

    def generic_visit(self, node: ast.AST) -> Any:
        raise _refuse(self.text)

    def visit_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return node.value
        raise _refuse(self.text)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id == "n" and node.id not in self.names:
            first = next(iter(self.names.values()))
            shape = np.shape(first)
            return math.prod(shape[i] for i in normalize_axes(self.dim, len(shape)))
        if node.id == "pi":
            return math.pi
        if node.id not in self.names:
            raise _refuse(self.text)
        return self.names[node.id]

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if node.attr != "T":
            raise _refuse(self.text)
        return self.visit(node.value).T

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        x = self.visit(node.operand)
        if isinstance(node.op, ast.USub):
            return -x
        if isinstance(node.op, ast.Invert):
            return ~x
        if isinstance(node.op, ast.Not):
            return np.logical_not(x)
        raise _refuse(self.text)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        a, b = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.BitXor):
            whole = all(np.asarray(v).dtype.kind in "iub" for v in (a, b))
            return a ^ b if whole else np.logical_xor(a, b)
        if type(node.op) not in _BINARY:
            raise _refuse(self.text)
        return _BINARY[type(node.op)](a, b)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        function = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        value = self.visit(node.values[0])
        for other in node.values[1:]:
            value = function(value, self.visit(other))
        return value

    def visit_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARE:
            raise _refuse(self.text)
        return _COMPARE[type(node.ops[0])](self.visit(node.left), self.visit(node.comparators[0]))

    def visit_Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise _refuse(self.text)
        name, args = node.func.id, [self.visit(a) for a in node.args]
        if name in _PAIRS and len(args) == 2:
            return _PAIRS[name](*args)
        if name in _REDUCE and len(args) == 1:
            return self._reduced(name, args[0])
        if name in _ALONG and len(args) == 1:
            return _ALONG[name](args[0], self.dim) if np.ndim(args[0]) else args[0]
        if name not in _FUNCTIONS:
            raise _refuse(self.text)
        return _FUNCTIONS[name](*args)

    def _reduced(self, name: str, x: Any) -> Any:
        if name.startswith("arg"):
            # Of one axis only, or of everything laid out in a row.
            dim = self.dim if np.ndim(x) else None
            return _REDUCE[name](x, dim, keepdims=True)
        return _REDUCE[name](x, normalize_axes(self.dim, np.ndim(x)), keepdims=True)

"""From a tree to elementary steps, each one an operation of the registry."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.text import t
from chainrule.explain.worksheet.derive import CONSTANTS, value_of
from chainrule.explain.worksheet.syntax import (
    Call,
    Expression,
    ExpressionError,
    Name,
    Number,
    names_in,
    parse,
    parse_statements,
)
from chainrule.ops.functional import INTERNAL
from chainrule.ops.op import REGISTRY, Elementwise, Op

OPERATORS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "^": "pow",
             "neg": "negative"}  # fmt: skip
_FOLD = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.float_power}
# Of a vector to one number; `dot` takes two vectors.
REDUCTIONS = {"sum": "sum", "mean": "mean", "prod": "prod", "logsumexp": "logsumexp",
              "dot": "matmul"}  # fmt: skip
# Names that people write for what the registry calls otherwise.
_OTHER = {"ln": "log", "arsinh": "asinh", "arcosh": "acosh", "artanh": "atanh"}


def read_value(text: str, name: str) -> float | list[float]:
    """A number such as -2, 1/3 or pi/2, or a list of them, [1, 2, 3]."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_read_number(part, name) for part in text[1:-1].split(",")]
    return _read_number(text, name)


def _read_number(text: str, name: str) -> float:
    tree = parse(text)
    unknown = [n for n in names_in(tree) if n not in CONSTANTS]
    if unknown:
        raise ExpressionError(
            t("{name}: {text!r} is no number, for {unknown} has no value.",
              name=name, text=text.strip(), unknown=unknown[0])
        )  # fmt: skip
    try:
        value = float(value_of(tree, {}))
    except (KeyError, TypeError, ValueError):
        raise ExpressionError(
            t("{name}: {text!r} is no number.", name=name, text=text.strip())
        ) from None
    if not math.isfinite(value):
        raise ExpressionError(t("{name} is not a finite number.", name=name))
    return value


class Step(NamedTuple):
    """One operation: the name of its result, and names or numbers as inputs."""

    name: str
    function: str  # as written: "dot", where the operation is matmul
    op: type[Op]
    inputs: tuple[str | float, ...]
    params: dict[str, Any]


class Program(NamedTuple):
    """The steps in the order of computing; `output` names the last result."""

    source: str
    steps: tuple[Step, ...]
    output: str
    variables: tuple[str, ...]


def functions() -> dict[str, type[Op]]:
    """What may be called in an expression: name → operation."""
    found: dict[str, type[Op]] = {}
    for name, op in REGISTRY.items():
        # A whole number that must be given (polygamma's order) is no value of an expression.
        open_ended = any(n not in op.defaults and not p.samples for n, p in op.params.items())
        unknown = open_ended or name in {*INTERNAL, "where"}
        if issubclass(op, Elementwise) and op.differentiable and not unknown:
            for alias in (name, *op.aliases):
                found[alias] = op
    found |= {name: REGISTRY[op] for name, op in REDUCTIONS.items()}
    found |= {name: found[known] for name, known in _OTHER.items() if known in found}
    return found


def compile_expression(source: str, variables: Iterable[str]) -> Program:
    """The steps of an expression. `variables` are the names that have values.

    Raises ExpressionError: cannot be read, unknown function, names without a value (all of them
    are listed), values without use.
    """
    statements = parse_statements(source)
    given = list(variables)
    _check_names(statements, given)
    build = _Builder(given, statements)
    result: str | float = 0.0
    for number, (name, tree) in enumerate(statements):
        last = number == len(statements) - 1
        result = build.operand(tree, name or (build.output if last else ""))
        if name is not None:
            build.known[name] = result
    depends = set(given)
    for step in build.steps:
        if depends.intersection(step.inputs):
            depends.add(step.name)
    if not isinstance(result, str) or result not in depends:
        raise ExpressionError(
            t("The result depends on no variable: there is nothing to differentiate.")
        )
    return Program(source.strip(), tuple(build.steps), result, tuple(given))


def _check_names(statements: list[tuple[str | None, Expression]], given: list[str]) -> None:
    missing: list[str] = []
    used: set[str] = set()
    known = {*given}
    for name, tree in statements:
        for each in names_in(tree):
            used.add(each)
            if each not in known and each not in CONSTANTS and each not in missing:
                missing.append(each)
        if name is not None:
            if name in known:
                raise ExpressionError(t("{name!r} is given a value twice.", name=name))
            known.add(name)
    if missing:
        raise ExpressionError(
            t(
                "No value for {names}: write {example} after the expression.",
                names=", ".join(missing),
                example=" ".join(f"{name}=…" for name in missing),
            )
        )
    unused = [name for name in given if name not in used]
    if unused:
        raise ExpressionError(t("The expression does not use {names}.", names=", ".join(unused)))


class _Builder:
    """Collects the steps and gives the unnamed ones names."""

    def __init__(self, given: list[str], statements: list[tuple[str | None, Expression]]) -> None:
        self.steps: list[Step] = []
        self.known: dict[str, str | float] = {name: name for name in given}
        named = [name for name, _ in statements if name]
        self.taken = {*given, *named, *CONSTANTS}
        self.output = statements[-1][0] or next(n for n in ("f", "y", "out", "f_", "f__")
                                                if n not in self.taken)  # fmt: skip
        self.taken.add(self.output)
        self.functions = functions()
        # One intermediate result is called q, as in the notes; several are q1, q2, …
        inner = sum(_count(tree) for _, tree in statements) - len(statements)
        self.plain = inner == 1 and "q" not in self.taken

    def operand(self, tree: Expression, name: str = "") -> str | float:
        """The name or number that stands for a tree, after adding the steps that it needs."""
        if isinstance(tree, Number):
            return tree.value
        if isinstance(tree, Name):
            return self.known[tree.name] if tree.name in self.known else CONSTANTS[tree.name]
        function, arguments = _gate(tree)
        operands = [self.operand(argument) for argument in arguments]
        if function in _FOLD and not any(isinstance(x, str) for x in operands):
            return _fold(function, float(operands[0]), float(operands[1]))
        op = self._operation(function)
        inputs, params = self._split(function, op, operands)
        self.steps.append(Step(name or self._fresh(), function, op, inputs, params))
        return self.steps[-1].name

    def _operation(self, function: str) -> type[Op]:
        name = OPERATORS.get(function, function)
        if name not in self.functions:
            known = sorted(self.functions)
            close = difflib.get_close_matches(name, known, 1)
            if close:
                raise ExpressionError(
                    t("There is no function {name!r}; the closest is {close!r}.",
                      name=name, close=close[0])
                )  # fmt: skip
            raise ExpressionError(
                t("There is no function {name!r}; there are {known}.",
                  name=name, known=", ".join(known))
            )  # fmt: skip
        return self.functions[name]

    def _split(
        self, function: str, op: type[Op], operands: list[str | float]
    ) -> tuple[tuple[str | float, ...], dict[str, Any]]:
        """The inputs of the operation, and the numbers that follow them as its parameters."""
        n, params = len(op.inputs), {} if function in REDUCTIONS else op.params
        rest = operands[n:]
        if len(operands) < n or len(rest) > len(params) or any(isinstance(x, str) for x in rest):
            raise ExpressionError(
                t(
                    "{function} takes {n} values{params}, and got {given}.",
                    function=function,
                    n=n,
                    params=t(" and the numbers {names}", names=", ".join(params)) if params else "",
                    given=len(operands),
                )
            )
        numbers = [x if not float(x).is_integer() else int(x) for x in rest]
        given = op.validate(dict(zip(params, numbers, strict=False)))
        return tuple(operands[:n]), given

    def _fresh(self) -> str:
        if self.plain:
            return "q"
        number = 1
        while f"q{number}" in self.taken:
            number += 1
        self.taken.add(f"q{number}")
        return f"q{number}"


def _gate(tree: Call) -> tuple[str, tuple[Expression, ...]]:
    """The function and arguments of a call, in the gates of the notes: 1/u is one gate."""
    function, arguments = tree.function, tree.arguments
    if function == "/" and arguments[0] == Number(1.0) and not isinstance(arguments[1], Number):
        return "reciprocal", arguments[1:]
    if function in ("max", "min") and len(arguments) > 1:
        name = "maximum" if function == "max" else "minimum"
        if len(arguments) > 2:
            return name, (Call(function, arguments[:-1]), arguments[-1])
        return name, arguments
    if function in ("max", "min"):
        raise ExpressionError(t("{function} takes two values or more.", function=function))
    if function == ">":
        raise ExpressionError(t("Comparisons have no gradient and do not belong here."))
    return function, arguments


def _count(tree: Expression) -> int:
    """How many steps a tree makes at most."""
    return 1 + sum(map(_count, tree.arguments)) if isinstance(tree, Call) else 0


def _fold(function: str, left: float, right: float) -> float:
    with np.errstate(all="ignore"):
        value = float(_FOLD[function](left, right))
    if not math.isfinite(value):
        raise ExpressionError(
            t("{left:g} {sign} {right:g} is not a finite number.",
              left=left, sign=function, right=right)
        )  # fmt: skip
    return value

"""What a step computes and what its local derivative is, as text and in LaTeX.

Formulas come from the operations' own definitions: `math` and its symbolic derivative where there
is one, the table of `rules.py` for what has none, and else the text of the rule itself.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Template
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.text import t
from chainrule.explain.explanation import latex
from chainrule.explain.explanation.graph import Input, Step
from chainrule.explain.explanation.rules import RULES
from chainrule.explain.worksheet import numbers
from chainrule.explain.worksheet.derive import (
    BY_OUTPUT,
    CONSTANTS,
    NoDerivative,
    derivative,
    simplified,
    value_of,
)
from chainrule.explain.worksheet.syntax import (
    Expression,
    ExpressionError,
    Name,
    Number,
    names_in,
    parse,
    substitute,
    text_of,
)
from chainrule.ops.dispatch import View
from chainrule.ops.op import Elementwise, Op


class Formula(NamedTuple):
    """The same formula as text and in LaTeX."""

    text: str
    latex: str


_NOTHING = object()


def name_of(step: Step, output: int = 0) -> str:
    """How formulas call a value: its name, or the step's id."""
    if step.name is not None and output == 0:
        return step.name
    if step.kind != "operation":
        return step.outputs[0].name
    return step.id if len(step.outputs) == 1 else f"{step.id}.{step.outputs[output].name}"


def operand(x: Input) -> str:
    """How formulas call an input: the value that it is, or the number."""
    if x.source is not None:
        return name_of(x.source, x.output)
    if isinstance(x.value, int | float):
        return numbers.number(float(x.value))
    return x.name


def symbols(step: Step) -> dict[str, str]:
    """The inputs' names in the operation's formula → what stands for them here."""
    return {x.name: operand(x) for x in step.inputs}


# ---- trees -------------------------------------------------------------------------------------


def _constants(step: Step) -> dict[str, Expression]:
    """The parameters that are numbers, and the numbers among the inputs."""
    found: dict[str, Expression] = {
        name: Number(float(value))
        for name, value in step.params.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for x in step.inputs:
        if isinstance(x.value, int | float) and not isinstance(x.value, bool):
            found[x.name] = Number(float(x.value))
    return found


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Expression | None:
    try:
        return parse(text)
    except ExpressionError:
        return None


def tree_of(step: Step) -> Expression | None:
    """The formula of an elementwise step in its inputs' names, or None if it is not readable."""
    op = step.known_op
    if op is None or not issubclass(op, Elementwise):
        return None
    tree = _parsed(op.math)
    if tree is None:
        return None
    tree = simplified(substitute(tree, _constants(step)))
    known = {x.name for x in step.inputs} | set(CONSTANTS)
    return tree if set(names_in(tree)) <= known else None


def slope_of(step: Step, which: int) -> Expression | None:
    """∂y/∂input of an elementwise step as a tree in the inputs' names and y."""
    op, tree = step.known_op, tree_of(step)
    if op is None or tree is None:
        return None
    if op.name in BY_OUTPUT and len(step.inputs) == 1:
        return BY_OUTPUT[op.name]
    try:
        return simplified(derivative(tree, step.inputs[which].name))
    except NoDerivative:
        return None


def evaluated(tree: Expression, values: Mapping[str, Any]) -> float | None:
    """The number that a tree stands for, or None where it needs more than `values`."""
    try:
        return float(value_of(tree, values))
    except (KeyError, TypeError):
        return None


def written(tree: Expression, names: Mapping[str, str]) -> Formula:
    """A tree with names put in."""

    def text(leaf: Number | Name) -> str:
        if isinstance(leaf, Number):
            return numbers.number(leaf.value, 4)
        return names.get(leaf.name, leaf.name)

    def tex(leaf: Number | Name) -> str:
        if isinstance(leaf, Number) or _is_number(names.get(leaf.name, "")):
            return latex.line(text(leaf))
        return latex.symbol(text(leaf)) if leaf.name != "pi" else r"\pi"

    return Formula(text_of(tree, text), latex.expression(tree, tex))


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?|-?inf|nan", text))


# ---- the formula of a step -----------------------------------------------------------------------


def formula(step: Step) -> Formula:
    """y = what is computed, in the names of the values here."""
    y = name_of(step)
    right = right_side(step)
    return Formula(f"{y} = {right.text}", f"{latex.symbol(y)} = {right.latex}")


def right_side(step: Step) -> Formula:
    tree = tree_of(step)
    names = symbols(step)
    if tree is not None:
        return written(tree, names)
    op = step.known_op
    if op is None:
        inner = ", ".join(names.values())
        tex = ", ".join(map(latex.symbol, names.values()))
        return Formula(
            f"{step.op_name}({inner})",
            rf"\operatorname{{{latex.escaped(step.op_name)}}}\left({tex}\right)",
        )
    if op.math == "x" or not op.math:
        return _call(step, names)
    text = _replaced(op.math, names)
    whole = _parsed(op.math)
    return Formula(
        text, latex.line(text) if whole is None else latex.expression(whole, _tex(names))
    )


def _tex(names: Mapping[str, str]) -> Callable[[Number | Name], str]:
    """How the leaves of a formula of an operation are written, with what stands for its inputs."""

    def leaf(found: Number | Name) -> str:
        if isinstance(found, Number):
            return latex.line(numbers.number(found.value, 4))
        if found.name not in names:
            return latex.GREEK.get(found.name) or latex.symbol(found.name)
        here = names[found.name]
        return latex.line(here) if _is_number(here) else latex.symbol(here)

    return leaf


def _call(step: Step, names: Mapping[str, str]) -> Formula:
    """reshape(x, shape=(2, 3)): operations whose formula would only say x."""
    op = step.known_op
    assert op is not None
    given = [
        f"{k}={_argument(v)}" for k, v in step.params.items() if v != op.defaults.get(k, _NOTHING)
    ]
    text = f"{op.name}({', '.join([*names.values(), *given])})"
    symbols = [*map(latex.symbol, names.values())]
    inner = ", ".join([*symbols, *(rf"\text{{{latex.escaped(g)}}}" for g in given)])
    return Formula(text, rf"\operatorname{{{latex.escaped(op.name)}}}\left({inner}\right)")


def _argument(value: Any) -> str:
    """An argument as people write it: slices with colons, views by the name of their operation."""
    if isinstance(value, slice):
        ends = [value.start, value.stop, *([] if value.step in (None, 1) else [value.step])]
        return ":".join("" if end is None else str(end) for end in ends)
    if isinstance(value, tuple):
        inner = ", ".join(map(_argument, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, dict):
        return ", ".join(f"{k}={_argument(v)}" for k, v in value.items())
    if value is Ellipsis:
        return "..."
    if isinstance(value, View):
        return value.op.name
    return str(value)


def _replaced(text: str, names: Mapping[str, str]) -> str:
    if not names:
        return text
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return re.sub(rf"(?<![\w.])({pattern})(?![\w(])", lambda m: names[m[1]], text)


def derivative_of(step: Step, which: int) -> Formula:
    """∂y/∂input where the step works entry by entry, else ∂L/∂input in g = ∂L/∂y."""
    x, y = step.inputs[which], name_of(step)
    names = symbols(step) | {"y": y}
    slope = slope_of(step, which)
    by = operand(x)
    if slope is not None:
        right = written(slope, names)
        return Formula(
            f"∂{y}/∂{by} = {right.text}",
            rf"\frac{{\partial {latex.symbol(y)}}}{{\partial {latex.symbol(by)}}} = {right.latex}",
        )
    left = rf"\frac{{\partial L}}{{\partial {latex.symbol(by)}}}"
    op = step.known_op
    rule = RULES.get(op.name, {}) if op is not None else {}
    found = rule.get(re.sub(r"\d+$", "", x.name) if op is not None and op.variadic else x.name)
    if found is not None:
        names["g"] = f"∂L/∂{y}"
        text = Template(found[0]).safe_substitute(names)
        tex = {k: latex.symbol(v) for k, v in names.items()}
        tex["g"] = rf"\frac{{\partial L}}{{\partial {latex.symbol(y)}}}"
        return Formula(f"∂L/∂{by} = {text}", f"{left} = {Template(found[1]).safe_substitute(tex)}")
    text = rule_text(op, which) if op is not None else f"{step.op_name}.backward"
    return Formula(f"∂L/∂{by} = {text}", rf"{left} = \texttt{{{latex.escaped(text)}}}")


# ---- the text of a rule ------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def rule_text(op: type[Op], which: int) -> str:
    """What the operation's own `vjp` returns for an input, as written there (g: upstream)."""
    if op.vjp is None:
        return t("chain rule through its forward")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(op.vjp)))
    except (OSError, SyntaxError):
        return f"vjp[{which}]"
    function = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    returns = [n for n in function.body if isinstance(n, ast.Return)]
    if not returns or returns[-1].value is None:
        return f"vjp[{which}]"
    value: ast.expr = returns[-1].value
    if isinstance(value, ast.Tuple) and not any(isinstance(e, ast.Starred) for e in value.elts):
        value = value.elts[min(which, len(value.elts) - 1)]
    if isinstance(value, ast.Lambda):
        value = value.body
    if isinstance(value, ast.Name):
        value = _returned_by(function, value.id) or value
    return ast.unparse(_Plain().visit(value))


def _returned_by(function: ast.FunctionDef, name: str) -> ast.expr | None:
    for node in function.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            last = node.body[-1]
            return last.value if isinstance(last, ast.Return) else None
    return None


class _Plain(ast.NodeTransformer):
    """Without the namespace: F.exp(x) reads exp(x)."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "F":
            return ast.Name(node.attr, ast.Load())
        return node


# ---- numbers put in ----------------------------------------------------------------------------


def entry_values(step: Step, place: tuple[int, ...]) -> dict[str, float] | None:
    """The numbers that make one entry of the result of an elementwise step; None if unknown."""
    out: dict[str, float] = {}
    shape = step.outputs[0].shape
    for x in step.inputs:
        if isinstance(x.value, np.ndarray):
            own = x.value.shape
            at = place[len(shape) - len(own) :]
            out[x.name] = float(x.value[tuple(0 if n == 1 else i for i, n in zip(at, own))])
        elif isinstance(x.value, int | float):
            out[x.name] = float(x.value)
        else:
            return None
    value = step.outputs[0].value
    if value is not None:
        out["y"] = float(value[place])
    return out

"""Derivations found from the formula: the gates of an elementwise operation, and its slope."""

from __future__ import annotations

from chainrule.explain.cards.sheet import Step
from chainrule.explain.cards.tex import to_tex
from chainrule.explain.report.markup import Words
from chainrule.explain.worksheet.derive import (
    BY_OUTPUT,
    NoDerivative,
    derivative,
    simplified,
)
from chainrule.explain.worksheet.syntax import (
    Call,
    Expression,
    ExpressionError,
    Name,
    Number,
    parse,
    text_of,
)
from chainrule.ops.op import Op


def written(tree: Expression) -> str:
    """The tree in the language of `math`."""
    return text_of(tree, lambda leaf: _number(leaf) if isinstance(leaf, Number) else leaf.name)


def _number(leaf: Number) -> str:
    return f"{leaf.value:g}" if leaf.value == float(f"{leaf.value:g}") else repr(leaf.value)


def formula_of(op: type[Op]) -> Expression | None:
    """The formula of an operation as a tree, if it is one that can be differentiated here."""
    try:
        return parse(op.math)
    except ExpressionError:
        return None


def slopes(op: type[Op]) -> dict[str, list[str]]:
    """For each input the forms of ∂y/∂input that follow from the formula; {} if none does."""
    tree = formula_of(op)
    if tree is None:
        return {}
    out: dict[str, list[str]] = {}
    for name in op.inputs:
        if name in op.integers or name == "condition":
            continue
        try:
            found = [written(simplified(derivative(tree, name)))]
        except NoDerivative:
            return {}
        if op.name in BY_OUTPUT:
            found.append(written(BY_OUTPUT[op.name]))
        out[name] = found
    return out


def gates(op: type[Op]) -> list[tuple[str, str, dict[str, str]]]:
    """The formula as gates: (name of the value, its formula, its derivatives by its operands)."""
    tree = formula_of(op)
    if not isinstance(tree, Call) or _has_branch(tree):
        return []
    lines: list[tuple[str, str, dict[str, str]]] = []
    try:
        _gate(tree, lines)
    except NoDerivative:
        return []
    if len(lines) < 2:
        return []
    last, formula, local = lines[-1]
    return [*lines[:-1], ("y", formula, local)]


def _has_branch(tree: Expression) -> bool:
    return isinstance(tree, Call) and (
        tree.function == "where" or any(_has_branch(a) for a in tree.arguments)
    )


def _gate(tree: Call, lines: list[tuple[str, str, dict[str, str]]]) -> Name:
    """Appends the gates below `tree`, then its own; returns the name of its value."""
    operands: list[Expression] = [
        _gate(a, lines) if isinstance(a, Call) else a for a in tree.arguments
    ]
    small = Call(tree.function, tuple(operands))
    names = dict.fromkeys(a.name for a in operands if isinstance(a, Name) and a.name != "pi")
    local = {name: written(simplified(derivative(small, name))) for name in names}
    name = f"u{len(lines) + 1}"
    lines.append((name, written(small), local))
    return Name(name)


def gate_steps(op: type[Op]) -> list[Step]:
    """The gates as lines of a derivation."""
    found = gates(op)
    steps = []
    for name, formula, local in found:
        parts = [rf"{to_tex(name)} = {to_tex(formula)}"]
        parts += [
            rf"\frac{{\partial {to_tex(name)}}}{{\partial {to_tex(of)}}} = {to_tex(slope)}"
            for of, slope in local.items()
        ]
        steps.append(Step(r",\quad ".join(parts)))
    if found:
        steps[0] = steps[0]._replace(
            words=Words(
                "Gate by gate, with the slope of each:", "逐个门写出，并给出各自的局部导数："
            )
        )
    return steps


def slope_steps(name: str, forms: list[str]) -> list[Step]:
    """∂y/∂name = form = form, one line each."""
    head = rf"\frac{{\partial y}}{{\partial {to_tex(name)}}}"
    return [Step(rf"{head} = {to_tex(form)}") for form in forms]


def times_g(form: str) -> str:
    """g times a slope, in the language of `math`."""
    tree = form.strip()
    if tree in ("0", "1"):
        return "0 * g" if tree == "0" else "g"
    if tree == "-1":
        return "-g"
    return f"g * ({tree})" if any(sign in tree for sign in "+-*/ ") else f"g * {tree}"

"""Expressions such as `(x + y) * z`: a parser that can only build trees, and their text.

Nothing of Python is evaluated: the grammar below is all there is, and length, depth and size are
bounded, so that hostile input ends in an error message.

    statements  name = sum ; … ; sum
    sum         product (+|-) product …
    product     sign (*|/) sign …
    sign        (+|-) sign | power
    power       atom [(^|**) sign]             to the right: 2^3^2 is 2^9
    atom        number | name | name(sum, …) | (sum)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t

MAX_LENGTH = 1000
MAX_DEPTH = 60
MAX_OPERATIONS = 200


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """A variable or the result of a step."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or one of the operators + - * / ^ > and "neg", and its arguments."""

    function: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = "Number | Name | Call"


class ExpressionError(ArgumentError):
    """An expression that cannot be read or computed."""


_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[-+*/^(),;=><]|[−·×÷]))"
)
# Signs that people paste from texts.
_SIGNS = {"**": "^", "−": "-", "·": "*", "×": "*", "÷": "/"}


def parse_statements(source: str) -> list[tuple[str | None, Expression]]:
    """`q = x + y; q * z` as pairs (name, tree); the last, the result, may be without a name."""
    reader = _Reader(source)
    statements = [reader.statement()]
    while reader.take(";"):
        if reader.kind == "end":
            break
        statements.append(reader.statement())
    reader.finish()
    for name, _ in statements[:-1]:
        if name is None:
            raise ExpressionError(
                t("Only the last of several expressions may go without a name: write q = … ; …")
            )
    return statements


def parse(source: str) -> Expression:
    """The tree of one expression. Raises ExpressionError, which says where it went wrong."""
    reader = _Reader(source)
    tree = reader.relation()
    reader.finish()
    return tree


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise ExpressionError(
                t(
                    "The expression has {length} characters; at most {most} are read.",
                    length=len(source),
                    most=MAX_LENGTH,
                )
            )
        self.source = source
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while position < len(source.rstrip()):
            match = _TOKEN.match(source, position)
            if match is None:
                at = position + len(source[position:]) - len(source[position:].lstrip())
                raise ExpressionError(
                    t(
                        "Character {at} of {source!r}: {found!r} does not belong in an expression.",
                        at=at + 1,
                        source=source,
                        found=source[at],
                    )
                )
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind], match.start(kind)))
            position = match.end()
        # Bounds the depth of trees such as x+x+x+…, too, which later steps walk recursively.
        if sum(kind == "sign" and text not in "),;=" for kind, text, _ in self.tokens) > (
            MAX_OPERATIONS
        ):
            raise ExpressionError(
                t("The expression has more than {most} operations.", most=MAX_OPERATIONS)
            )
        self.at = 0
        self.depth = 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else "end"

    def take(self, *signs: str) -> str:
        """The next token if it is one of these signs, else nothing."""
        if self.kind != "sign":
            return ""
        text = _SIGNS.get(self.tokens[self.at][1], self.tokens[self.at][1])
        if text not in signs:
            return ""
        self.at += 1
        return text

    def fail(self, expected: str) -> ExpressionError:
        if self.kind == "end":
            return ExpressionError(
                t("{source!r} ends where {expected} is due.", source=self.source, expected=expected)
            )
        _, text, position = self.tokens[self.at]
        return ExpressionError(
            t(
                "Character {at} of {source!r}: {found!r} stands where {expected} is due.",
                at=position + 1,
                source=self.source,
                found=text,
                expected=expected,
            )
        )

    def finish(self) -> None:
        if self.kind in ("name", "number") or (
            self.kind == "sign" and self.tokens[self.at][1] == "("
        ):
            raise self.fail(t("an operator (write 2*x for a product)"))
        if self.kind != "end":
            raise self.fail(t("an operator"))

    # ---- the grammar ---------------------------------------------------------------------------

    def statement(self) -> tuple[str | None, Expression]:
        following = self.tokens[self.at + 1][1] if self.at + 1 < len(self.tokens) else ""
        if self.kind == "name" and following == "=":
            name = self.tokens[self.at][1]
            self.at += 2
            return name, self.sum()
        return None, self.sum()

    def relation(self) -> Expression:
        tree = self.sum()
        while sign := self.take(">", "<"):
            other = self.sum()
            tree = Call(">", (tree, other) if sign == ">" else (other, tree))
        return tree

    def sum(self) -> Expression:
        tree = self.product()
        while sign := self.take("+", "-"):
            tree = Call(sign, (tree, self.product()))
        return tree

    def product(self) -> Expression:
        tree = self.signed()
        while sign := self.take("*", "/"):
            tree = Call(sign, (tree, self.signed()))
        return tree

    def signed(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                t("The expression is nested more than {most} deep.", most=MAX_DEPTH)
            )
        sign = self.take("+", "-")
        tree = self.signed() if sign else self.power()
        self.depth -= 1
        if sign == "-":
            return Number(-tree.value) if isinstance(tree, Number) else Call("neg", (tree,))
        return tree

    def power(self) -> Expression:
        tree = self.atom()
        return Call("^", (tree, self.signed())) if self.take("^") else tree

    def atom(self) -> Expression:
        kind = self.kind
        if kind == "number":
            text = self.tokens[self.at][1]
            self.at += 1
            if not math.isfinite(float(text)):
                raise ExpressionError(t("The number {text} is too large.", text=text))
            return Number(float(text))
        if kind == "name":
            name = self.tokens[self.at][1]
            self.at += 1
            return Call(name, self.arguments()) if self.take("(") else Name(name)
        if self.take("("):
            tree = self.sum()
            if not self.take(")"):
                raise self.fail("')'")
            return tree
        raise self.fail(t("a number, a name or '('"))

    def arguments(self) -> tuple[Expression, ...]:
        out = [self.relation()]
        while self.take(","):
            out.append(self.relation())
        if not self.take(")"):
            raise self.fail(t("',' or ')'"))
        return tuple(out)


# ---- trees -----------------------------------------------------------------------------------


def substitute(tree: Expression, values: Mapping[str, Expression]) -> Expression:
    """The tree with names replaced."""
    if isinstance(tree, Name):
        return values.get(tree.name, tree)
    if isinstance(tree, Call):
        return Call(tree.function, tuple(substitute(a, values) for a in tree.arguments))
    return tree


def names_in(tree: Expression) -> list[str]:
    """The names that occur, in the order of their first appearance."""
    if isinstance(tree, Name):
        return [tree.name]
    if isinstance(tree, Call):
        return list(dict.fromkeys(name for a in tree.arguments for name in names_in(a)))
    return []


_RANKS = {">": 0, "+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "^": 4}


def text_of(tree: Expression, leaf: Callable[[Number | Name], str]) -> str:
    """The tree as text, with as few parentheses as it needs; `leaf` writes names and numbers."""
    return _text(tree, leaf)[0]


def _text(tree: Expression, leaf: Callable[[Number | Name], str]) -> tuple[str, int]:
    """The text and how tightly its loosest operator binds."""
    if not isinstance(tree, Call):
        text = leaf(tree)
        return text, 3 if text.startswith("-") else 5
    rank = _RANKS.get(tree.function)
    if rank is None:
        inner = ", ".join(_text(a, leaf)[0] for a in tree.arguments)
        return f"{tree.function}({inner})", 5
    if tree.function == "neg":
        return f"-{_wrapped(tree.arguments[0], leaf, 4, True)}", rank
    left, right = tree.arguments
    sign = "^" if tree.function == "^" else f" {tree.function} "
    # (a^b)^c, but a - (b - c): the side that does not bind by itself gets parentheses.
    before = _wrapped(left, leaf, rank + (tree.function == "^"), False)
    after = _wrapped(right, leaf, rank + (tree.function in "-/*+"), True)
    return f"{before}{sign}{after}", rank


def _wrapped(
    tree: Expression, leaf: Callable[[Number | Name], str], least: int, right: bool
) -> str:
    text, rank = _text(tree, leaf)
    return f"({text})" if rank < least or (right and text.startswith("-")) else text

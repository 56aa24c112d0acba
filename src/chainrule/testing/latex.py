"""Numbers for formulas in LaTeX, as cards write them: a small reader of arithmetic on arrays.

`sides` splits a line of a derivation into what it calls equal, and `evaluate` gives the value of
one side for given names and indices. What is prose, a limit or a definition by words is no formula
here: `NotAFormula`. Nothing is ever executed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from chainrule.testing.formula import NotAFormula

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_SPACE = frozenset({r"\,", r"\;", r"\!", r"\:", r"\left", r"\right", "\\ "})
_OPEN, _CLOSE = "({[", ")}]"
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, r"\ne": np.not_equal, "<": np.less, ">": np.greater,
    r"\le": np.less_equal, r"\ge": np.greater_equal,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ln": np.log, "exp": np.exp, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh,
    "cosh": np.cosh, "tanh": np.tanh, "sign": np.sign, "det": np.linalg.det, "tr": np.trace,
    "erf": np.vectorize(math.erf, otypes=[float]), "mean": np.mean,
    "max": lambda *x: np.max(x[0]) if len(x) == 1 else np.maximum(*x),
    "min": lambda *x: np.min(x[0]) if len(x) == 1 else np.minimum(*x),
}  # fmt: skip
_ACCENTS = ("hat", "bar", "tilde", "dot")

Node = Callable[["Scope"], Any]


class Scope(NamedTuple):
    """What names stand for. `ranges`: how far a summed index runs, or what it runs over."""

    names: Mapping[str, Any]
    ranges: Mapping[str, Any]

    def with_index(self, name: str, value: int) -> Scope:
        return Scope({**self.names, name: value}, self.ranges)


def evaluate(tex: str, names: Mapping[str, Any], ranges: Mapping[str, Any] | None = None) -> Any:
    """The value of one formula.

    names: values by LaTeX name without its backslash ("gamma", "hat x", "p_t" where the index is a
        part of the name); an index (`x_i`, `w_{jk}`) reads from an array. Derivatives are "∂L/∂x".
        Functions are called. Products of two matrices are matrix products; ⊙ and · are not.
    ranges: for each index of a sum its length, or the values that it takes.

    Errors: NotAFormula for what is none, or speaks of a name that is not given.
    """
    functions = {*_FUNCTIONS, *(name for name, value in names.items() if callable(value))}
    reader = _Reader(_tokens(tex), functions)
    node = reader.sum()
    if reader.token:
        raise NotAFormula(tex)
    try:
        with np.errstate(all="ignore"):
            return node(Scope(names, ranges or {}))
    except (KeyError, IndexError, TypeError, ValueError, np.linalg.LinAlgError) as error:
        raise NotAFormula(f"{tex}: {error!r}") from error


def sides(tex: str) -> Iterator[list[str]]:
    """The statements of a line, each as the sides between its equality signs."""
    for part in _split(tex, (r"\quad", r"\Rightarrow", ";", ",", ":", r"\text")):
        found = [side.strip() for side in _split(part, ("=",)) if side.strip()]
        if len(found) > 1:
            yield found


def _tokens(tex: str) -> list[str]:
    return [t for t in _TOKEN.findall(tex) if not t.isspace() and t not in _SPACE]


def _split(tex: str, marks: tuple[str, ...]) -> list[str]:
    """The pieces between marks that stand outside all brackets."""
    out, depth = [""], 0
    for token in _TOKEN.findall(tex):
        if token in _OPEN or token == r"\begin":
            depth += 1
        elif token in _CLOSE or token == r"\end":
            depth -= 1
        if depth == 0 and token in marks:
            out.append("")
            continue
        out[-1] += token
    return out


class _Reader:
    """Recursive descent; what is read becomes functions of a scope, so that sums can repeat it."""

    def __init__(self, tokens: list[str], functions: set[str]) -> None:
        self.tokens, self.at, self.functions = tokens, 0, functions

    @property
    def token(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, token: str) -> bool:
        if self.token != token:
            return False
        self.at += 1
        return True

    def next(self) -> str:
        token = self.token
        if not token:
            raise NotAFormula("…")
        self.at += 1
        return token

    def braces(self) -> list[str]:
        """The tokens of a group, or the single token that stands for one."""
        if not self.take("{"):
            return [self.next()]
        depth, start = 1, self.at
        while depth:
            token = self.next()
            depth += (token == "{") - (token == "}")
        return self.tokens[start : self.at - 1]

    def within(self, tokens: list[str]) -> _Reader:
        return _Reader(tokens, self.functions)

    def whole(self, tokens: list[str]) -> Node:
        reader = self.within(tokens)
        node = reader.sum()
        if reader.token:
            raise NotAFormula("".join(tokens))
        return node

    # ---- sums, products, factors ---------------------------------------------------------------

    def sum(self) -> Node:
        node = self.term()
        while self.token in ("+", "-"):
            minus = self.next() == "-"
            left, right = node, self.term()
            node = _minus(left, right) if minus else _plus(left, right)
        return node

    def term(self) -> Node:
        if self.take("-"):
            inner = self.term()
            return lambda scope: -inner(scope)
        self.take("+")
        node = self.factor()
        while True:
            if self.take("/"):
                node = _over(node, self.factor())
            elif self.take(r"\ast"):
                node = _convolved(node, self.factor())
            elif self.token in (r"\cdot", r"\odot", r"\times"):
                self.at += 1
                node = _times(node, self.factor(), matrices=False)
            elif self._begins_factor():
                node = _times(node, self.factor(), matrices=True)
            else:
                return node

    def _begins_factor(self) -> bool:
        token = self.token
        stops = (*_SIGNS, r"\in", r"\ni", r"\to", r"\mid", r"\end", r"\\", r"\|", r"\ast", r"\sim",
                 r"\leftarrow", r"\approx", r"\mapsto", r"\propto")  # fmt: skip
        if not token or token in stops or token == "|":
            return False
        return token[0] not in "+-)}],&:;.=<>/*"

    def factor(self) -> Node:
        token = self.next()
        if token in ("(", "{"):
            node = self.sum()
            if not self.take(")" if token == "(" else "}"):
                raise NotAFormula(token)
            return self.raised(node)
        if token == "|":
            node = self.sum()
            if not self.take("|"):
                raise NotAFormula(token)
            return self.raised(lambda scope: np.abs(node(scope)))
        if token == "[":
            start, depth = self.at, 1
            while depth:
                inner = self.next()
                depth += (inner == "[") - (inner == "]")
            return self.raised(self.bracket(self.tokens[start : self.at - 1]))
        if token[0].isdigit():
            number = float(token)
            return self.raised(lambda scope: number)
        if token == r"\frac":
            return self.raised(self.fraction())
        if token == r"\sqrt":
            node = self.whole(self.braces())
            return lambda scope: np.sqrt(node(scope))
        if token in (r"\sum", r"\prod"):
            return self.series(token == r"\sum")
        if token == r"\pm":
            node = self.term()
            return lambda scope: scope.names["pm"] * node(scope)
        if token == r"\begin" and "".join(self.braces()) == "cases":
            return self.cases()
        return self.named(token)

    def raised(self, node: Node) -> Node:
        while self.take("^"):
            node = self.power(node, self.braces())
        return node

    def power(self, node: Node, raw: list[str]) -> Node:
        text = "".join(raw)
        if text == r"\top":
            return lambda scope: _transposed(node(scope))
        if text in (r"-\top", r"+\top"):
            inner = self.power(node, [text[0], *(["1"] if text[0] == "-" else [])])
            return lambda scope: _transposed(inner(scope))
        if text == "+":
            return lambda scope: np.linalg.pinv(node(scope))
        exponent = self.whole(raw)

        def value(scope: Scope) -> Any:
            x, n = node(scope), exponent(scope)
            if np.ndim(x) == 2 and np.ndim(n) == 0 and n == -1 and scope.names.get("matrices"):
                return np.linalg.inv(x)
            return np.asarray(x, float) ** n

        return value

    def fraction(self) -> Node:
        above, below = self.braces(), self.braces()
        if above[:1] == [r"\partial"] or (above[:1] == ["d"] and below[:1] == ["d"]):
            return self.derivative(above[1:], below[1:])
        return _over(self.whole(above), self.whole(below))

    def derivative(self, above: list[str], below: list[str]) -> Node:
        if not above or not below:
            raise NotAFormula("d/dx")
        numerator, upper = self.within(above).symbol()
        denominator, lower = self.within(below).symbol()

        def value(scope: Scope) -> Any:
            marked = f"∂{numerator}{_tail(upper)}/∂{denominator}{_tail(lower)}"
            if marked in scope.names:
                return scope.names[marked]
            array = scope.names[f"∂{numerator}/∂{denominator}"]
            return _indexed(array, [*_indices(upper, scope), *_indices(lower, scope)])

        return value

    def symbol(self) -> tuple[str, list[str]]:
        """A name and the tokens of its index; nothing may follow."""
        name = self.name(self.next())
        index = self.braces() if self.take("_") else []
        if self.token:
            raise NotAFormula("".join(self.tokens))
        return name, index

    def name(self, token: str) -> str:
        if token in (r"\operatorname", r"\mathrm", r"\text", r"\mathbf"):
            return "".join(self.braces()).replace("\\", "")
        if token[1:] in _ACCENTS:
            return f"{token[1:]} {''.join(self.braces())}".replace("\\", "")
        if token == r"\partial":
            return f"∂{self.name(self.next())}"
        name = token.removeprefix("\\")
        if not (name.isalpha() or name == "ℓ"):
            raise NotAFormula(token)
        return name

    def named(self, token: str) -> Node:
        name = self.name(token)
        while self.take("'"):
            name += "'"
        index: list[str] = self.braces() if self.take("_") else []
        if name in self.functions and not index:
            return self.applied(name)
        if name == "e" and self.take("^"):
            exponent = self.whole(self.braces())
            return lambda scope: np.exp(exponent(scope))

        def value(scope: Scope) -> Any:
            if not index:
                if name in scope.names:
                    return scope.names[name]
                if name == "pi":
                    return math.pi
                raise KeyError(name)
            marked = name + _tail(index)
            if marked in scope.names:
                return scope.names[marked]
            return _indexed(scope.names[name], _indices(index, scope))

        return self.raised(value)

    def applied(self, name: str) -> Node:
        power = self.braces() if self.take("^") else None
        if power == ["-", "1"]:
            name, power = f"{name}^-1", None
        arguments: list[Node] = []
        if self.take("("):
            arguments.append(self.sum())
            while self.take(","):
                arguments.append(self.sum())
            if not self.take(")"):
                raise NotAFormula(name)
        else:
            arguments.append(self.factor())

        def value(scope: Scope) -> Any:
            function = scope.names.get(name) or _FUNCTIONS[name]
            return function(*(a(scope) for a in arguments))

        return self.raised(value if power is None else self.power(value, power))

    # ---- sums over indices, conditions ---------------------------------------------------------

    def series(self, adds: bool) -> Node:
        over = self.braces() if self.take("_") else []
        if self.token == "^":
            raise NotAFormula("a sum with limits")
        body = self.term()
        if not over:
            return lambda scope: scope.names.get("sum", np.sum)(body(scope))
        variables, conditions = self.bound(over)

        def value(scope: Scope) -> Any:
            total: Any = 0.0 if adds else 1.0
            for values in product(*(_range(scope.ranges[v]) for v in variables)):
                inner = scope
                for variable, each in zip(variables, values, strict=True):
                    inner = inner.with_index(variable, each)
                if all(c(inner) for c in conditions):
                    total = total + body(inner) if adds else total * body(inner)
            return total

        return value

    def bound(self, tokens: list[str]) -> tuple[list[str], list[Node]]:
        """The indices that a sum runs over and the conditions on them."""
        head, parts = _parts(tokens, ":")[0], _parts(tokens, ":")[1:]
        variables = [self.within(p).name(p[0]) for p in _parts(head, ",") if len(p) == 1]
        conditions = [p for part in (parts or [head]) for p in _parts(part, ",") if len(p) > 1]
        if not variables:
            variables = [self.within(conditions[0]).name(conditions[0][0])]
        return variables, [self.condition(c) for c in conditions]

    def condition(self, tokens: list[str]) -> Node:
        """`a < b`, `p \\ni i` (names["ni"]) as 1 or 0."""
        depth = 0
        for at, token in enumerate(tokens):
            depth += (token in _OPEN) - (token in _CLOSE)
            if depth == 0 and (token in _SIGNS or token in (r"\ni", r"\in", r"\to")):
                left, right = self.whole(tokens[:at]), self.whole(tokens[at + 1 :])
                if token in _SIGNS:
                    compare = _SIGNS[token]
                    return lambda scope: 1.0 * compare(left(scope), right(scope))
                name = token[1:]
                return lambda scope: 1.0 * scope.names[name](left(scope), right(scope))
        raise NotAFormula("".join(tokens))

    def bracket(self, tokens: list[str]) -> Node:
        """`[a, b]` side by side, `[a < b]` as 1 or 0, and else only brackets."""
        parts = _parts(tokens, ",")
        if len(parts) > 1:
            nodes = [self.whole(part) for part in parts]
            return lambda scope: np.concatenate([node(scope) for node in nodes], -1)
        signs = (*_SIGNS, r"\ni", r"\in", r"\to")
        if any(len(_parts(tokens, sign)) > 1 for sign in signs):
            return self.condition(tokens)
        return self.whole(tokens)

    def cases(self) -> Node:
        start = self.at
        while self.next() != r"\end":
            pass
        inner = self.tokens[start : self.at - 1]
        self.braces()
        rows = []
        for row in _parts(inner, r"\\"):
            what, when = _parts(row, "&")
            # "if" in words says no more than the condition itself.
            bare = "".join(when)
            otherwise = bare.startswith(r"\text{otherwise")
            if bare.startswith(r"\text{if"):
                when = when[when.index("}") + 1 :]
            rows.append((self.whole(what), None if otherwise else self.condition(when)))

        def value(scope: Scope) -> Any:
            out: Any = 0.0
            for what, when in reversed(rows):
                found = what(scope)
                out = found if when is None else np.where(np.asarray(when(scope)) > 0, found, out)
            return out

        return value


def _parts(tokens: list[str], mark: str) -> list[list[str]]:
    out: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in _OPEN) - (token in _CLOSE)
        if depth == 0 and token == mark:
            out.append([])
        else:
            out[-1].append(token)
    return out


def _range(given: Any) -> Any:
    return range(given) if isinstance(given, int) else given


def _tail(index: list[str]) -> str:
    return "_" + "".join(index).replace("\\", "") if index else ""


def _indices(index: list[str], scope: Scope) -> list[int]:
    """`ij` and `i, j` are two indices; `t-1` and `i_k` one."""
    out = []
    for part in _parts(index, ","):
        plain = len(part) > 1 and all(t.isalpha() and len(t) == 1 for t in part)
        for each in [[t] for t in part] if plain else [part]:
            found = evaluate("".join(each), scope.names, scope.ranges)
            out.append(int(found))
    return out


def _indexed(array: Any, index: list[int]) -> Any:
    if callable(array):
        return array(*index)
    if not index:
        return array
    if np.ndim(array) == 0 or any(not -1 <= i < n for i, n in zip(index, np.shape(array))):
        raise IndexError(index)
    # Before the first step of a sequence there is nothing.
    return np.zeros_like(array[0]) if -1 in index else array[tuple(index)]


def _transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x


def _plus(a: Node, b: Node) -> Node:
    return lambda scope: a(scope) + b(scope)


def _minus(a: Node, b: Node) -> Node:
    return lambda scope: a(scope) - b(scope)


def _over(a: Node, b: Node) -> Node:
    return lambda scope: np.true_divide(a(scope), b(scope))


def _convolved(a: Node, b: Node) -> Node:
    return lambda scope: scope.names["ast"](a(scope), b(scope))


def _times(a: Node, b: Node, matrices: bool) -> Node:
    def value(scope: Scope) -> Any:
        x, y = a(scope), b(scope)
        if matrices and scope.names.get("matrices") and np.ndim(x) > 1 and np.ndim(y) > 1:
            return x @ y
        return x * y

    return value

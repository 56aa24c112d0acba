"""What a loop nest computes for one element: a graph of loads and operations.

Expressions are immutable and shared: equal parts of one nest are one object (`Expressions`), so
each is computed once. A condition is an index with a half-open range in which it must lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.compile.schedule.index import Axis, Index, Quotient, Remainder

Condition = tuple[Index, int, int]  # low ≤ index < high
NO_AXES: frozenset[Axis] = frozenset()

# Layouts of an array. A positive number is how many samples of the batch (axis 0) stand in the
# innermost place: [⌈N/lanes⌉][rest][lanes].
ROWS = 0  # row-major
CHANNELS = -1  # axis 1, the channels, innermost: [N][rest][C]


@dataclass(eq=False)
class Buffer:
    """Memory of one array."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    kind: str = "arena"  # arena, input, state, constant, output, scalar
    layout: int = ROWS
    slot: Any = None  # of a kind other than arena: which
    private: bool = False  # each thread has a part of its own and touches no other

    @property
    def lanes(self) -> int:
        """How many samples stand in the lanes; 0: the batch is an axis like others."""
        return max(self.layout, 0)

    @property
    def elements(self) -> int:
        if not self.lanes:
            return int(np.prod(self.shape, dtype=np.int64))
        rest = int(np.prod(self.shape[1:], dtype=np.int64))
        return -(-self.shape[0] // self.lanes) * self.lanes * rest

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.itemsize

    def __repr__(self) -> str:
        return self.name


@dataclass(eq=False)
class Expression:
    """Base; `axes`: the loop variables that the value depends on."""

    dtype: np.dtype
    axes: frozenset[Axis] = field(default=NO_AXES, repr=False)

    def parts(self) -> tuple[Expression, ...]:
        return ()


@dataclass(eq=False)
class Number(Expression):
    value: Any = 0

    def __str__(self) -> str:
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


@dataclass(eq=False)
class Position(Expression):
    """An index as a number."""

    index: Index = field(default_factory=lambda: Index({}))

    def parts(self) -> tuple[Expression, ...]:
        return tuple(reads_of(self.index))

    def __str__(self) -> str:
        return f"{{{self.index}}}"


@dataclass(eq=False)
class Load(Expression):
    """An element of a buffer; read only where the conditions hold (elsewhere anything)."""

    buffer: Buffer = None  # type: ignore[assignment]
    offset: Index = field(default_factory=lambda: Index({}))
    where: tuple[Condition, ...] = ()

    def parts(self) -> tuple[Expression, ...]:
        return tuple(reads_of(self.offset)) + tuple(
            e for i, _, _ in self.where for e in reads_of(i)
        )

    def __str__(self) -> str:
        return f"{self.buffer.name}[{self.offset}]"


@dataclass(eq=False)
class Apply(Expression):
    """A map primitive (or astype) of other expressions. `extra`: the cast's dtype as given."""

    name: str = ""
    args: tuple[Expression, ...] = ()
    extra: Any = None

    def parts(self) -> tuple[Expression, ...]:
        return self.args

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.args))})"


@dataclass(eq=False)
class Inside(Expression):
    """`body` where the conditions hold, else `other`."""

    where: tuple[Condition, ...] = ()
    body: Expression = None  # type: ignore[assignment]
    other: Expression = None  # type: ignore[assignment]

    def parts(self) -> tuple[Expression, ...]:
        reads = tuple(e for i, _, _ in self.where for e in reads_of(i))
        return (self.body, self.other, *reads)

    def __str__(self) -> str:
        tests = " & ".join(f"{a} ≤ {i} < {b}" for i, a, b in self.where)
        return f"({self.body} if {tests} else {self.other})"


@dataclass(eq=False)
class Random(Expression):
    """The uniform number at a place of a stream."""

    seed: Expression = None  # type: ignore[assignment]
    start: Expression = None  # type: ignore[assignment]
    index: Index = field(default_factory=lambda: Index({}))

    def parts(self) -> tuple[Expression, ...]:
        return self.seed, self.start

    def __str__(self) -> str:
        return f"uniform({self.seed}, {self.start}, {self.index})"


@dataclass(eq=False)
class Reduce(Expression):
    """All values of `body` over `over` together. For argmax and argmin the value is `position` of
    the best body."""

    op: str = "sum"
    over: tuple[Axis, ...] = ()
    body: Expression = None  # type: ignore[assignment]
    position: Expression | None = None

    def parts(self) -> tuple[Expression, ...]:
        return (self.body,) if self.position is None else (self.body, self.position)

    def __str__(self) -> str:
        return f"{self.op}[{', '.join(map(str, self.over))}]({self.body})"


@dataclass(eq=False)
class Product(Expression):
    """What a contraction kernel (convolution, matrix product) gives for this element."""

    key: Any = None

    def __str__(self) -> str:
        return f"{self.key}"


def reads_of(index: Index) -> list[Expression]:
    """The expressions whose values an index needs."""
    out: list[Expression] = []
    for atom in index.atoms():
        if hasattr(atom, "expression"):
            out.append(atom.expression)
        elif hasattr(atom, "of"):
            out += reads_of(atom.of)
    return out


class Expressions:
    """Makes expressions; equal ones once."""

    def __init__(self) -> None:
        self._known: dict[Any, Expression] = {}

    def _once(self, key: Any, make: Callable[[], Expression]) -> Any:
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = make()
        return known

    def number(self, value: Any, dtype: np.dtype) -> Expression:
        return self._once(("number", repr(value), dtype), lambda: Number(dtype, NO_AXES, value))

    def position(self, index: Index, dtype: np.dtype) -> Expression:
        if index.number is not None:
            return self.number(index.number, dtype)
        return self._once(
            ("position", index, dtype),
            lambda: Position(dtype, frozenset(index.axes()), index),
        )

    def load(self, buffer: Buffer, offset: Index, where: tuple[Condition, ...] = ()) -> Expression:
        where = tuple(w for w in where if not always(w))
        return self._once(
            ("load", buffer, offset, where),
            lambda: Load(
                buffer.dtype, _axes(offset, *(i for i, _, _ in where)), buffer, offset, where
            ),
        )

    def apply(
        self, name: str, args: tuple[Expression, ...], dtype: np.dtype, extra: Any = None
    ) -> Expression:
        axes = frozenset().union(*(a.axes for a in args))
        return self._once((name, args, dtype, extra), lambda: Apply(dtype, axes, name, args, extra))

    def inside(
        self, where: tuple[Condition, ...], body: Expression, other: Expression
    ) -> Expression:
        where = tuple(w for w in where if not always(w))
        if not where:
            return body
        if any(never(w) for w in where):
            return other
        axes = body.axes | other.axes | _axes(*(i for i, _, _ in where))
        return self._once(
            ("inside", where, body, other),
            lambda: Inside(body.dtype, axes, where, body, other),
        )

    def random(
        self, seed: Expression, start: Expression, index: Index, dtype: np.dtype
    ) -> Expression:
        return self._once(
            ("random", seed, start, index, dtype),
            lambda: Random(dtype, _axes(index) | seed.axes | start.axes, seed, start, index),
        )

    def reduce(
        self,
        op: str,
        over: tuple[Axis, ...],
        body: Expression,
        dtype: np.dtype,
        position: Expression | None = None,
    ) -> Expression:
        axes = (body.axes | (position.axes if position else NO_AXES)) - frozenset(over)
        return self._once(
            ("reduce", op, over, body, dtype, position),
            lambda: Reduce(dtype, axes, op, over, body, position),
        )

    def product(self, key: Any, dtype: np.dtype, axes: frozenset[Axis]) -> Expression:
        return self._once(("product", key), lambda: Product(dtype, axes, key))

    def rebuild(
        self,
        x: Expression,
        axis: Callable[[Axis], Index],
        over: Callable[[tuple[Axis, ...]], tuple[Axis, ...]],
        memo: dict[Expression, Expression],
    ) -> Expression:
        """The same expression with its axes replaced."""
        if x in memo:
            return memo[x]

        def again(e: Expression) -> Expression:
            return self.rebuild(e, axis, over, memo)

        def moved(i: Index) -> Index:
            return i.map(axis, again)

        def conditions(where: tuple[Condition, ...]) -> tuple[Condition, ...]:
            return tuple((moved(i), a, b) for i, a, b in where)

        if isinstance(x, Load):
            out = self.load(x.buffer, moved(x.offset), conditions(x.where))
        elif isinstance(x, Apply):
            out = self.apply(x.name, tuple(map(again, x.args)), x.dtype, x.extra)
        elif isinstance(x, Inside):
            out = self.inside(conditions(x.where), again(x.body), again(x.other))
        elif isinstance(x, Position):
            out = self.position(moved(x.index), x.dtype)
        elif isinstance(x, Random):
            out = self.random(again(x.seed), again(x.start), moved(x.index), x.dtype)
        elif isinstance(x, Reduce):
            place = again(x.position) if x.position else None
            out = self.reduce(x.op, over(x.over), again(x.body), x.dtype, place)
        else:
            out = x
        memo[x] = out
        return out


def _axes(*indices: Index) -> frozenset[Axis]:
    return frozenset().union(*(i.axes() for i in indices))


def always(where: Condition) -> bool:
    """Whether the condition holds for every value of the axes."""
    index, low, high = where
    a, b = index.bounds
    return low <= a and b < high


def never(where: Condition) -> bool:
    index, low, high = where
    a, b = index.bounds
    return b < low or a >= high


def walk(*roots: Expression) -> list[Expression]:
    """Every expression below the roots once, parts before what uses them."""
    seen: dict[Expression, None] = {}

    def visit(x: Expression) -> None:
        if x not in seen:
            for part in x.parts():
                visit(part)
            seen[x] = None

    for root in roots:
        visit(root)
    return list(seen)


def cuts_of(expression: Expression) -> dict[Axis, int]:
    """Axes under a quotient or remainder, and by what they can be divided evenly."""
    cuts: dict[Axis, int] = {}

    def look(index: Index) -> None:
        for atom in index.atoms():
            if isinstance(atom, Quotient | Remainder):
                look(atom.of)
                for inner, n in atom.of.terms.values():
                    if not isinstance(inner, Axis) or inner.role or inner in cuts:
                        continue
                    by = atom.by // n
                    if atom.by % n == 0 and 1 < by < inner.extent and inner.extent % by == 0:
                        cuts[inner] = by

    for e in walk(expression):
        if isinstance(e, Load):
            look(e.offset)
        for where in getattr(e, "where", ()) or ():
            look(where[0])
        if hasattr(e, "index"):
            look(e.index)
    return cuts

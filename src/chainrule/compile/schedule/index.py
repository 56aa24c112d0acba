"""Integer expressions of loop variables: where an element of an array is found.

An `Index` is Σ coefficient·atom + constant. Atoms are loop axes, quotients and remainders that did
not simplify, and integers read from memory (gather). Quotients and remainders of bounded sums
simplify, so that reshapes which merge and split axes cancel out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Axis:
    """A loop variable: 0 … extent − 1. `role`: "block" counts blocks of the batch, "lane" the
    samples of one block."""

    __slots__ = ("extent", "name", "role")

    def __init__(self, name: str, extent: int, role: str = "") -> None:
        self.name = name
        self.extent = extent
        self.role = role

    @property
    def bounds(self) -> tuple[int, int]:
        return 0, self.extent - 1

    def __repr__(self) -> str:
        return self.name


class Quotient:
    """⌊index / by⌋."""

    __slots__ = ("by", "key", "of")

    def __init__(self, of: Index, by: int) -> None:
        self.of, self.by = of, by
        self.key = ("/", of.key, by)

    @property
    def bounds(self) -> tuple[int, int]:
        low, high = self.of.bounds
        return low // self.by, high // self.by

    def __repr__(self) -> str:
        return f"({self.of})/{self.by}"


class Remainder:
    """index − by·⌊index / by⌋."""

    __slots__ = ("by", "key", "of")

    def __init__(self, of: Index, by: int) -> None:
        self.of, self.by = of, by
        self.key = ("%", of.key, by)

    @property
    def bounds(self) -> tuple[int, int]:
        return 0, self.by - 1

    def __repr__(self) -> str:
        return f"({self.of})%{self.by}"


class Read:
    """An integer that an expression gives at run time, between 0 and extent − 1."""

    __slots__ = ("expression", "extent", "key")

    def __init__(self, expression: Any, extent: int) -> None:
        self.expression, self.extent = expression, extent
        self.key = ("read", expression)

    @property
    def bounds(self) -> tuple[int, int]:
        return 0, self.extent - 1

    def __repr__(self) -> str:
        return f"[{self.expression}]"


Atom = Axis | Quotient | Remainder | Read


class Index:
    """Σ coefficient·atom + constant."""

    __slots__ = ("constant", "key", "terms")

    def __init__(self, terms: dict[Any, tuple[Atom, int]], constant: int = 0) -> None:
        self.terms = {k: v for k, v in terms.items() if v[1]}
        self.constant = constant
        self.key = (frozenset((k, v[1]) for k, v in self.terms.items()), constant)

    @staticmethod
    def of(x: Atom | int) -> Index:
        if isinstance(x, int):
            return Index({}, x)
        if x.bounds[0] == x.bounds[1]:
            return Index({}, x.bounds[0])
        return Index({_key(x): (x, 1)})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.constant + other)
        terms = dict(self.terms)
        for k, (atom, n) in other.terms.items():
            terms[k] = (atom, terms[k][1] + n if k in terms else n)
        return Index(terms, self.constant + other.constant)._joined()

    def _joined(self) -> Index:
        """With by·⌊i/by⌋ + i mod by put together again."""
        for atom, n in self.terms.values():
            if not isinstance(atom, Remainder):
                continue
            whole = ("/", atom.of.key, atom.by)
            if self.terms.get(whole, (None, 0))[1] == n * atom.by:
                rest = {k: v for k, v in self.terms.items() if k not in (whole, atom.key)}
                return Index(rest, self.constant) + atom.of * n
        return self

    def __mul__(self, n: int) -> Index:
        return Index({k: (a, c * n) for k, (a, c) in self.terms.items()}, self.constant * n)

    def __sub__(self, other: Index | int) -> Index:
        return self + (-other if isinstance(other, int) else other * -1)

    def __floordiv__(self, by: int) -> Index:
        if by == 1:
            return self
        whole, rest = self._split(by)
        low, high = rest.bounds
        if low // by == high // by:
            return whole + low // by
        return whole + Index.of(Quotient(rest, by))

    def __mod__(self, by: int) -> Index:
        if by == 1:
            return Index({})
        _, rest = self._split(by)
        low, high = rest.bounds
        if low // by == high // by:
            return rest - low // by * by
        return Index.of(Remainder(rest, by))

    def _split(self, by: int) -> tuple[Index, Index]:
        """Self = by·whole + rest, term by term."""
        whole = {k: (a, c // by) for k, (a, c) in self.terms.items() if c % by == 0}
        rest = {k: (a, c) for k, (a, c) in self.terms.items() if c % by}
        extra = self.constant // by
        return Index(whole, extra), Index(rest, self.constant - extra * by)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest value that it can take."""
        low = high = self.constant
        for atom, n in self.terms.values():
            a, b = atom.bounds
            low += n * (a if n > 0 else b)
            high += n * (b if n > 0 else a)
        return low, high

    @property
    def number(self) -> int | None:
        return None if self.terms else self.constant

    def coefficient(self, axis: Axis) -> int:
        entry = self.terms.get(axis)
        return entry[1] if entry else 0

    def atoms(self) -> Iterable[Atom]:
        return (atom for atom, _ in self.terms.values())

    def axes(self) -> set[Axis]:
        """Every loop variable that it depends on, inside quotients and reads as well."""
        out: set[Axis] = set()
        for atom in self.atoms():
            if isinstance(atom, Axis):
                out.add(atom)
            elif isinstance(atom, Read):
                out |= atom.expression.axes
            else:
                out |= atom.of.axes()
        return out

    def map(self, axis: Callable[[Axis], Index], read: Callable[[Any], Any]) -> Index:
        """With every axis and every expression that is read replaced."""
        out = Index({}, self.constant)
        for atom, n in self.terms.values():
            if isinstance(atom, Axis):
                new = axis(atom)
            elif isinstance(atom, Quotient):
                new = atom.of.map(axis, read) // atom.by
            elif isinstance(atom, Remainder):
                new = atom.of.map(axis, read) % atom.by
            else:
                new = Index.of(Read(read(atom.expression), atom.extent))
            out = out + new * n
        return out

    def __repr__(self) -> str:
        words = [f"{a}" if n == 1 else f"{n}·{a}" for a, n in self.terms.values()]
        if self.constant or not words:
            words.append(str(self.constant))
        return " + ".join(words)


def _key(atom: Atom) -> Any:
    return atom if isinstance(atom, Axis) else atom.key


def linear(index: Iterable[Index], shape: Iterable[int]) -> Index:
    """The row-major position of an element."""
    out = Index({})
    for i, n in zip(index, shape, strict=True):
        out = out * n + i
    return out


def unravel(position: Index, shape: tuple[int, ...]) -> tuple[Index, ...]:
    """The element at a row-major position."""
    out: list[Index] = []
    for i in range(len(shape) - 1, 0, -1):
        out.append(position % max(shape[i], 1))
        position = position // max(shape[i], 1)
    if shape:
        out.append(position)
    return tuple(reversed(out))


def distinct(index: Index, axis: Axis) -> bool:
    """Whether the axis moves the index by itself only, so that its steps go to other places."""
    hidden = any(not isinstance(a, Axis) and axis in Index.of(a).axes() for a in index.atoms())
    return index.coefficient(axis) != 0 and not hidden

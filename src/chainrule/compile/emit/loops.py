"""A loop nest as a native function: loop order, vector axis, reductions, tails."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from chainrule.compile.emit.random import Remembered, per_counter
from chainrule.compile.emit.reduction import UNROLL, Range, Reduction
from chainrule.compile.emit.types import Index, type_of
from chainrule.compile.emit.values import Values
from chainrule.compile.schedule.expression import (
    Expression,
    Expressions,
    Load,
    Random,
    Reduce,
    walk,
)
from chainrule.compile.schedule.index import Axis, distinct
from chainrule.compile.schedule.index import Index as Place
from chainrule.compile.schedule.nest import Nest, Store


class LoopWriter:
    """Writes the loops of one nest into a function. `share(n, g)` is this thread's range of an
    axis of n elements in groups of g; `width` the bytes of a vector register."""

    def __init__(
        self,
        values: Values,
        nest: Nest,
        width: int,
        share: Callable[[int, int], Range],
        thread: Index,
    ) -> None:
        self.f = values.f
        self.values = values
        self.nest = nest
        self.width = width
        self.share = share
        for axis in {a for e in nest.expressions for a in e.axes} | _store_axes(nest):
            if axis.role == "thread":
                values.bound[axis] = thread

    def write(self) -> None:
        nest = self.nest
        self.lanes = self._lanes()
        self.kept = self.vector_axis(nest.axes, nest.expressions, nest.stores)
        if nest.lanes:
            self.kept, self.lanes = nest.axes[-1], nest.lanes
        self.wide = self._width()
        self.lanes *= self.wide
        self._remember()
        outer = [a for a in nest.axes if a is not self.kept]
        self._loops(outer)

    def _remember(self) -> None:
        """Makes room for the random numbers of which the lanes use one of each counter at a time:
        the others come soon, where an axis walks through them."""
        for e in self.nest.expressions:
            if not isinstance(e, Random) or self.kept is None:
                continue
            type = type_of(e.dtype).of(self.lanes)
            each = per_counter(type)
            steps = {axis: e.index.coefficient(axis) for axis in e.axes}
            apart = steps.pop(self.kept, 0)
            inner = any(self.kept in Place.of(a).axes() for a in e.index.atoms()
                        if not isinstance(a, Axis))  # fmt: skip
            soon = any(0 < step < each for step in steps.values())
            if apart and apart % each == 0 and soon and not inner:
                self.values.remembered[e] = Remembered(self.f, type)

    def _width(self) -> int:
        """How many vectors are taken together: sums down columns read whole runs of a row."""
        reduces = [e for e in self.nest.expressions if isinstance(e, Reduce)]
        if self.kept is None or self.nest.lanes or not reduces or len(reduces) > 2:
            return 1
        far = all(math.prod(a.extent for a in e.over) > UNROLL for e in reduces)
        return 4 if far and self.kept.extent % (4 * self.lanes) == 0 else 1

    def _lanes(self) -> int:
        sizes = [e.dtype.itemsize for e in self.nest.expressions] or [4]
        sizes += [s.buffer.dtype.itemsize for s in self.nest.stores]
        return self.width // max(4, *sizes)

    def vector_axis(
        self, axes: Sequence[Axis], expressions: Iterable[Expression], stores: Iterable[Store]
    ) -> Axis | None:
        """The axis along which most memory is touched in order; None if none pays."""
        best, most = None, 0.0
        found = list(expressions)
        if any(a.role == "lane" for e in found if isinstance(e, Reduce) for a in e.over):
            return None  # the sums run along the lanes
        times = _repeats(found)
        for axis in axes:
            if axis.extent < 2 or axis.role in ("block", "thread"):
                continue
            if self.nest.ordered and not all(distinct(s.offset, axis) for s in stores):
                continue
            score = float(sum(_contiguity(s.offset, axis) for s in stores))
            for e in found:
                if isinstance(e, Load) and axis in e.axes:
                    score += times.get(e, 1) * _contiguity(e.offset, axis)
            score *= min(axis.extent, self.lanes) / self.lanes
            if score > most or (score == most and best is not None and score > 0):
                best, most = axis, score
        return best

    # ---- loops over what is kept --------------------------------------------------------------

    def range(self, axis: Axis, lanes: int = 1) -> Range:
        """The range of an axis; this thread's part, in whole vectors, if it is split."""
        return self.share(axis.extent, lanes) if axis is self.nest.split else (0, axis.extent)

    def _loops(self, axes: list[Axis]) -> None:
        self.values.ready(*(s.expression for s in self.nest.stores))
        if not axes:
            self._innermost()
            return
        low, high = self.range(axes[0])
        with self.f.loop(low, high) as loop, self.values.scope():
            self.values.bound[axes[0]] = loop.i
            self._loops(axes[1:])
            del self.values.bound[axes[0]]

    def _innermost(self) -> None:
        if self.kept is None:
            self._element()
            return
        self.chunks(self.kept, self.range(self.kept, self.lanes), self._element)

    def chunks(self, axis: Axis, span: Range, body: Callable[[], None]) -> None:
        """Runs `body` with the lanes along `axis`: whole vectors, then the rest under a mask."""
        f, n, lanes = self.f, axis.extent, self.lanes
        low, high = span
        rest = n % lanes
        if span == (0, n):
            if n >= lanes:
                with (
                    f.loop(0, n - rest, lanes) as loop,
                    self.values.along(axis, lanes, loop.i, None),
                ):
                    body()
            if rest:
                with self.values.along(axis, lanes, n - rest, f.first(rest, lanes)):
                    body()
            return
        # A thread's share begins and ends at whole vectors, except the last one's end.
        whole = f.min(high, n - rest)
        with f.loop(low, whole, lanes) as loop, self.values.along(axis, lanes, loop.i, None):
            body()
        if rest:
            last = f.test("sgt", high, n - rest)
            with f.when(last), self.values.along(axis, lanes, n - rest, f.first(rest, lanes)):
                body()

    def _element(self) -> None:
        """Reductions first, in order of dependence; then the stores."""
        values, nest = self.values, self.nest
        pending = [e for e in nest.expressions if isinstance(e, Reduce)]
        while pending:
            done = set(values.given)
            first = next(e for e in pending if not _waits(e, done))
            group = [
                e for e in pending
                if e.over == first.over and not _waits(e, done)
            ]  # fmt: skip
            Reduction(self, group).write()
            pending = [e for e in pending if e not in group]
        # All values before any is written: a result may lie where an operand was.
        for s, x in [(s, values.value(s.expression)) for s in nest.stores]:
            values.store(s.buffer, s.offset, x, s.add)


def _repeats(expressions: Sequence[Expression]) -> dict[Expression, int]:
    """How often each load inside a reduction happens for one element."""
    out: dict[Expression, int] = {}
    for e in expressions:
        if isinstance(e, Reduce):
            times = math.prod(a.extent for a in e.over)
            for x in walk(*e.parts()):
                out[x] = max(out.get(x, 1), times)
    return out


def _contiguity(offset: Place, axis: Axis) -> float:
    """1 if neighbours on the axis are neighbours in memory, 0 if it does not matter, else less."""
    if axis not in offset.axes():
        return 0.0
    inner = any(axis in Place.of(a).axes() for a in offset.atoms() if not isinstance(a, Axis))
    return 1.0 if offset.coefficient(axis) == 1 and not inner else -0.5


def _waits(e: Reduce, done: set[Expression]) -> bool:
    """Whether a reduction inside it has not been worked out yet."""
    return any(isinstance(x, Reduce) and x not in done for p in e.parts() for x in walk(p))


def _store_axes(nest: Nest) -> set[Axis]:
    return {a for s in nest.stores for a in s.offset.axes()}


def merged(nest: Nest, new: Expressions, keep: Axis | None) -> None:
    """Makes one axis of neighbouring ones that are always walked through together."""
    nest.axes = tuple(a for a in nest.axes if a.extent != 1 or a.role or a is keep)
    changed = True
    while changed:
        changed = False
        for a, b in zip(nest.axes, nest.axes[1:]):
            if a.role or b.role or keep in (a, b) or not _together_always(nest, a, b):
                continue
            both = Axis(a.name, a.extent * b.extent)

            def index(x: Axis, a: Axis = a, b: Axis = b, both: Axis = both) -> Place:
                if x is b:
                    return Place.of(both)
                return Place({}) if x is a else Place.of(x)

            memo: dict[Expression, Expression] = {}
            for s in nest.stores:
                s.offset = s.offset.map(index, lambda e: e)
                s.expression = new.rebuild(s.expression, index, lambda axes: axes, memo)
            at = nest.axes.index(a)
            nest.axes = (*nest.axes[:at], both, *nest.axes[at + 2 :])
            changed = True
            break


def _together_always(nest: Nest, a: Axis, b: Axis) -> bool:
    """Whether every index depends on a·|b| + b only."""
    from_a_to_b = b.extent

    def fine(index: Place) -> bool:
        for atom in index.atoms():
            if not isinstance(atom, Axis) and {a, b} & Place.of(atom).axes():
                return False
        return index.coefficient(a) == index.coefficient(b) * from_a_to_b

    for s in nest.stores:
        if not fine(s.offset):
            return False
    for e in nest.expressions:
        if isinstance(e, Load) and not fine(e.offset):
            return False
        for i, _, _ in getattr(e, "where", ()) or ():
            if not fine(i):
                return False
        if hasattr(e, "index") and not fine(e.index):
            return False
    return True

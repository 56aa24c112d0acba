"""Reductions inside a loop nest: sums, products, extremes and the places of these."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.casting import cast
from chainrule.compile.emit.types import Index, Register, Type, const, type_of
from chainrule.compile.schedule.expression import Reduce, walk
from chainrule.compile.schedule.index import Axis
from chainrule.compile.schedule.places import extreme

if TYPE_CHECKING:
    from chainrule.compile.emit.loops import LoopWriter

UNROLL = 64  # a reduction of at most so many terms is written out
RUN = 32  # terms added to one accumulator before it is put aside: rounding stays small
RADIX = 16  # such sums that are added up before their sum is put aside in turn
CHAINS = 4  # accumulators of one reduction: an addition takes four cycles, two begin in each

Range = tuple[Index, Index]


class Reduction:
    """Reductions over the same axes, in one set of loops."""

    def __init__(self, writer: LoopWriter, group: list[Reduce]) -> None:
        self.w = writer
        self.f = writer.f
        self.values = writer.values
        self.group = group
        self.over = list(group[0].over)

    def write(self) -> None:
        values, f = self.values, self.f
        vector = None
        if values.vector is None:
            roots = [p for e in self.group for p in e.parts()]
            lane = next((a for a in self.over if a.role == "lane"), None)
            vector = lane or self.w.vector_axis(self.over, walk(*roots), ())
            if any(e.op.startswith("arg") for e in self.group):
                vector = None
        self.vector = vector
        loops = [a for a in self.over if a is not vector]
        lanes = self.w.lanes if vector else values.lanes
        if vector is not None and vector.role == "lane":
            lanes = vector.extent
        start = [r for e in self.group for r in self._start(e, lanes)]
        with values.scope():
            total = self._levels(loops, start, lanes)
        at = 0
        for e in self.group:
            count = 2 if e.op.startswith("arg") else 1
            mine = total[at : at + count]
            at += count
            out = mine[-1]
            if vector is not None:
                out = _together(f, e.op, out)
            values.given[e] = out

    def _start(self, e: Reduce, lanes: int) -> list[Register]:
        type = type_of(e.dtype).of(lanes)
        if e.op.startswith("arg"):
            inner = type_of(e.body.dtype).of(lanes)
            return [const(extreme(e.body.dtype, e.op[3:]), inner), const(-1, type)]
        return [_neutral(e.op, e.dtype, type)]

    def _levels(self, axes: list[Axis], carry: list[Register], lanes: int) -> list[Register]:
        values = self.values
        values.ready(*(p for e in self.group for p in e.parts()))
        if not axes:
            return self._terms(carry, lanes)
        axis = axes[0]
        low, high = self.w.range(axis)
        inner = math.prod(a.extent for a in axes)
        if self.vector is None and inner <= UNROLL and isinstance(low, int):
            for i in range(axis.extent):
                with values.scope():
                    values.bound[axis] = i
                    carry = self._levels(axes[1:], carry, lanes)
                    del values.bound[axis]
            return carry

        def add(i: Index, carry: list[Register]) -> list[Register]:
            with values.scope():
                values.bound[axis] = i
                out = self._levels(axes[1:], carry, lanes)
                del values.bound[axis]
            return out

        one = len(axes) == 1 and (self.vector is None or self.vector.role == "lane")
        chains = CHAINS // self.w.wide if one and axis.extent >= 4 * CHAINS else 1
        each = self._additions(axes[1:], lanes)
        return self._long((low, high), axis.extent, (1, chains, each), carry, lanes, add)

    def _additions(self, axes: list[Axis], lanes: int) -> int:
        """How many terms the loops over the axes add to an accumulator, roughly."""
        count = 1
        if self.vector is not None:
            count = _put_aside(-(-self.vector.extent // lanes), 4 * CHAINS)
        for axis in reversed(axes):
            count = _put_aside(count * axis.extent, RUN)
        return max(count, 1)

    def _long(
        self,
        span: Range,
        extent: int,
        steps: tuple[int, int, int],
        carry: list[Register],
        lanes: int,
        add: Callable[[Index, list[Register]], list[Register]],
    ) -> list[Register]:
        """A loop of `add(place, carry)` in several accumulators. What they hold is put aside after
        RUN terms, and so on, so that rounding grows with the logarithm of a sum's length.

        `extent`: of the span at most; `steps`: from place to place, how many accumulators, and the
        terms that a place adds to one.
        """
        f, k = self.f, len(self.group)
        step, chains, each = steps
        together = step * chains

        def plain(low: Index, high: Index, carry: list[Register]) -> list[Register]:
            with f.loop(low, high, step, carry=carry) as loop:
                loop.next = add(loop.i, loop.carry)
            return loop.out

        if any(e.op.startswith("arg") for e in self.group):
            return plain(*span, carry)

        def neutral() -> list[Register]:
            return [r for e in self.group for r in self._start(e, lanes)]

        def join(a: list[Register], b: list[Register]) -> list[Register]:
            return [combine(f, e.op, x, y) for e, x, y in zip(self.group, a, b, strict=True)]

        def block(low: Index, high: Index, carry: list[Register], whole: bool) -> list[Register]:
            if chains == 1:
                return plain(low, high, carry)
            end = high if whole else f.sub(high, f.mod(f.sub(high, low), together))
            with f.loop(low, end, together, carry=neutral() * chains) as loop:
                for c in range(chains):
                    at, mine = f.add(loop.i, c * step), loop.carry[c * k : c * k + k]
                    loop.next += add(at, mine)
            sums = loop.out
            if not whole:
                sums = plain(end, high, sums[:k]) + sums[k:]
            while len(sums) > k:
                sums = [
                    x
                    for c in range(0, len(sums), 2 * k)
                    for x in join(sums[c : c + k], sums[c + k : c + 2 * k])
                ]
            return join(carry, sums)

        def blocks(low: Index, high: Index, carry: list[Register], size: int) -> list[Register]:
            """From low to high, by blocks of `size`; a part of a larger block has blocks too."""
            if size < smallest:
                return block(low, high, carry, whole)
            with f.loop(low, high, size, carry=carry) as loop:
                end = f.add(loop.i, size)
                part = blocks(loop.i, end if whole else f.min(end, high), neutral(), size // RADIX)
                loop.next = join(loop.carry, part)
            return loop.out

        size = smallest = max(RUN // each, 1) * together
        while size * RADIX < extent:
            size *= RADIX
        if extent <= smallest:
            size = 1
        low, high = span
        fixed = isinstance(low, int) and isinstance(high, int)
        whole = fixed and extent % max(size, together) == 0
        return blocks(low, high, carry, size)

    def _terms(self, carry: list[Register], lanes: int) -> list[Register]:
        """One term of each reduction; with a vector axis, a loop over its vectors."""
        if self.vector is None:
            return self._step(carry)
        f, axis = self.f, self.vector
        low, high = self.w.range(axis, lanes)
        n = axis.extent
        rest = n % lanes
        shared = (low, high) != (0, n)
        whole = f.min(high, n - rest) if shared else n - rest
        if shared or n >= lanes:

            def add(at: Index, carry: list[Register]) -> list[Register]:
                with self.values.along(axis, lanes, at, None):
                    return self._step(carry)

            chains = CHAINS if n >= 4 * CHAINS * lanes else 1
            carry = self._long((low, whole), n - rest, (lanes, chains, 1), carry, lanes, add)
        if rest:
            if shared:
                # Whoever has the end of the axis adds the rest: others add nothing.
                last = f.splat(f.test("sgt", high, n - rest), lanes)
                mask = f.binary("and", f.first(rest, lanes), last)
            else:
                mask = f.first(rest, lanes)
            with self.values.along(axis, lanes, n - rest, mask):
                carry = self._step(carry)
        return carry

    def _step(self, carry: list[Register]) -> list[Register]:
        f, values = self.f, self.values
        out: list[Register] = []
        at = 0
        for e in self.group:
            x = values.value(e.body)
            if e.op.startswith("arg"):
                assert e.position is not None
                out += self._better(e.op, carry[at], carry[at + 1], x, values.value(e.position))
                at += 2
                continue
            type = carry[at].type
            x = f.splat(cast(f, x, type.kind), type.lanes)
            if self.vector is not None and values.mask is not None:
                x = f.select(values.mask, x, _neutral(e.op, e.dtype, type))
            out.append(combine(f, e.op, carry[at], x))
            at += 1
        return out

    def _better(
        self, op: str, best: Register, place: Register, x: Register, at: Register
    ) -> list[Register]:
        f = self.f
        x, at = f.splat(x, best.type.lanes), f.splat(at, place.type.lanes)
        less = {"argmax": ("ogt", "sgt", "ugt"), "argmin": ("olt", "slt", "ult")}[op]
        if best.type.floating:
            better = f.compare(less[0], x, best)
            nan, had = f.compare("uno", x, x), f.compare("uno", best, best)
            yes = const(True, nan.type)
            better = f.binary("or", better, f.binary("and", nan, f.binary("xor", had, yes)))
        else:
            better = f.compare(less[2 if best.type.kind in ("b1", "u8") else 1], x, best)
        nothing = f.compare("slt", place, const(0, place.type))
        inside = f.compare("sge", at, const(0, at.type))
        better = f.binary("and", f.binary("or", better, nothing), inside)
        return [f.select(better, x, best), f.select(better, at, place)]


def _put_aside(terms: int, most: int) -> int:
    """What so many terms are for the loop around: more than `most` come as few sums."""
    return terms if terms <= most else RADIX


def _neutral(op: str, dtype: np.dtype, type: Type) -> Register:
    value = {"sum": 0, "prod": 1}.get(op)
    return const(extreme(dtype, op) if value is None else value, type)


def combine(f: Function, op: str, a: Register, b: Register) -> Register:
    type = a.type
    if op in ("sum", "prod"):
        if type.kind == "b1":
            return f.binary("or" if op == "sum" else "and", a, b)
        name = {"sum": "add", "prod": "mul"}[op]
        return f.binary("f" + name if type.floating else name, a, b)
    if type.floating:
        if type.kind == "f16":
            wide = combine(f, op, cast(f, a, "f32"), cast(f, b, "f32"))
            return cast(f, wide, "f16")
        predicate = "ogt" if op == "max" else "olt"
        keep = f.compare(predicate, a, b)
        out = f.select(keep, a, b)
        return f.select(f.compare("uno", a, a), a, out)  # NaN wins
    if type.kind == "b1":
        return f.binary("or" if op == "max" else "and", a, b)
    return f.intrinsic(("u" if type.kind == "u8" else "s") + op, a, b)


def _together(f: Function, op: str, x: Register) -> Register:
    """All lanes, in a fixed tree."""
    while x.type.lanes > 1:
        half = x.type.lanes // 2
        low = f.shuffle(x, x, range(half))
        high = f.shuffle(x, x, range(half, 2 * half))
        x = combine(f, op, low, high)
    return f.extract(x, 0) if x.type.lanes else x

"""Expressions as instructions: loads, operations and indices at one place of the loops.

A value is a scalar while it is the same in all lanes and becomes a vector where it meets one. What
has been worked out is remembered as long as the loops around it run, so values that do not change
in a loop are computed before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from chainrule.base.dtypes import bfloat16
from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.casting import cast
from chainrule.compile.emit.elementwise import emit as emit_primitive
from chainrule.compile.emit.random import Remembered, uniform
from chainrule.compile.emit.types import (
    I1,
    I64,
    POINTER,
    Index,
    Register,
    Type,
    const,
    type_of,
    vector,
)
from chainrule.compile.schedule import index as places
from chainrule.compile.schedule.expression import (
    Apply,
    Buffer,
    Condition,
    Expression,
    Inside,
    Load,
    Number,
    Position,
    Random,
    walk,
)


@dataclass
class Spread:
    """Where an index is, lane by lane: base + step·lane, plus a vector if that is not all."""

    base: Index
    step: int = 0
    extra: Register | None = None


class Values:
    """Works out expressions in a function. `bound` gives each axis its value; `vector` is the axis
    whose neighbours stand in the lanes, and `mask` which lanes exist (None: all)."""

    def __init__(self, f: Function, pointers: Mapping[Buffer, Register]) -> None:
        self.f = f
        self.pointers = pointers
        self.bound: dict[places.Axis, Index] = {}
        self.vector: places.Axis | None = None
        self.lanes = 0
        self.mask: Register | None = None
        self.given: dict[Expression, Register] = {}  # results of contractions and reductions
        self.remembered: dict[Expression, Remembered] = {}  # numbers that a loop will use again
        self._scopes: list[dict[Expression, Register]] = [{}]

    # ---- scopes -------------------------------------------------------------------------------

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is worked out inside is forgotten at the end."""
        self._scopes.append({})
        given = dict(self.given)
        try:
            yield
        finally:
            self._scopes.pop()
            self.given = given

    @contextmanager
    def along(
        self, axis: places.Axis, lanes: int, base: Index, mask: Register | None
    ) -> Iterator[None]:
        """The lanes run along `axis` from `base` on."""
        before = self.vector, self.lanes, self.mask
        self.vector, self.lanes, self.mask = axis, lanes, mask
        self.bound[axis] = base
        try:
            with self.scope():
                yield
        finally:
            self.vector, self.lanes, self.mask = before
            del self.bound[axis]

    def ready(self, *expressions: Expression) -> None:
        """Works out now every part that depends on no axis that is still open."""
        for e in walk(*expressions):
            if isinstance(e, Number | Position) or not e.axes <= self.bound.keys():
                continue
            if self._possible(e):
                self.value(e)

    def _possible(self, e: Expression) -> bool:
        return all(
            x in self.given or type(x) in _RULES or self._find(x) is not None for x in walk(e)
        )

    def _find(self, e: Expression) -> Register | None:
        if e in self.given:
            return self.given[e]
        for scope in reversed(self._scopes):
            if e in scope:
                return scope[e]
        return None

    # ---- values -------------------------------------------------------------------------------

    def value(self, e: Expression) -> Register:
        """The expression as a register: a scalar if it is the same in all lanes."""
        found = self._find(e)
        if found is None:
            found = _RULES[type(e)](self, e)
            self._scopes[-1][e] = found
        return found

    def spread(self, e: Expression) -> Register:
        """The expression in every lane."""
        return self.f.splat(self.value(e), self.lanes)

    def _number(self, e: Number) -> Register:
        return const(e.value, type_of(e.dtype))

    def _apply(self, e: Apply) -> Register:
        args = [self.value(a) for a in e.args]
        dtype = bfloat16 if e.extra == "bfloat16" else e.dtype
        return emit_primitive(self.f, e.name, args, dtype)

    def _position(self, e: Position) -> Register:
        return cast(self.f, self.index_register(e.index), type_of(e.dtype).kind)

    def _inside(self, e: Inside) -> Register:
        condition = self.condition(e.where)
        body, other = self.value(e.body), self.value(e.other)
        if condition is None:
            return body
        lanes = max(condition.type.lanes, body.type.lanes, other.type.lanes)
        body, other = self.f.splat(body, lanes), self.f.splat(other, lanes)
        if not condition.type.lanes:
            return self.f.value(
                body.type, f"select i1 {condition.text}, {body.typed}, {other.typed}"
            )
        return self.f.select(condition, body, other)

    def _random(self, e: Random) -> Register:
        seed, start = self.value(e.seed), self.value(e.start)
        place = self.index(e.index)
        kept = self.remembered.get(e)
        if kept is not None and self.lanes == kept.type.lanes and place.extra is None:
            return kept.at(self.f, seed, start, place.base, place.step)
        at = self._whole(place)
        type = type_of(e.dtype).of(at.type.lanes)
        return uniform(self.f, seed, start, at, type, place.step == 1 and place.extra is None)

    # ---- indices ------------------------------------------------------------------------------

    def index(self, index: places.Index) -> Spread:
        """The index, taken apart into what LLVM's addresses can use."""
        f = self.f
        out = Spread(index.constant)
        for atom, n in index.terms.values():
            if isinstance(atom, places.Axis):
                out.base = f.add(out.base, f.mul(self.bound[atom], n))
                if atom is self.vector:
                    out.step += n
                continue
            if isinstance(atom, places.Read):
                got = cast(f, self.value(atom.expression), "i64")
            else:
                inner = self.index(atom.of)
                if inner.step == 0 and inner.extra is None:
                    divide = f.div if isinstance(atom, places.Quotient) else f.mod
                    out.base = f.add(out.base, f.mul(divide(inner.base, atom.by), n))
                    continue
                got = self._divided(self._whole(inner), atom)
            if got.type.lanes:
                scaled = f.binary("mul", got, const(n, got.type)) if n != 1 else got
                out.extra = scaled if out.extra is None else f.binary("add", out.extra, scaled)
            else:
                out.base = f.add(out.base, f.mul(got, n))
        return out

    def _divided(self, x: Register, atom: places.Quotient | places.Remainder) -> Register:
        f, by = self.f, const(atom.by, x.type)
        low, _ = atom.of.bounds
        if atom.by & (atom.by - 1) == 0:
            if isinstance(atom, places.Remainder):
                return f.binary("and", x, const(atom.by - 1, x.type))
            return f.binary("ashr", x, const(atom.by.bit_length() - 1, x.type))
        if low < 0:  # moved up by a multiple, so that division rounds down
            up = -(low // atom.by) * atom.by
            x = f.binary("add", x, const(up, x.type))
        if isinstance(atom, places.Remainder):
            return f.binary("urem", x, by)
        quotient = f.binary("udiv", x, by)
        if low < 0:
            quotient = f.binary("sub", quotient, const(-(low // atom.by), x.type))
        return quotient

    def _whole(self, s: Spread) -> Register:
        """The index as one register, a vector if it differs between lanes."""
        f = self.f
        base = f.register(s.base)
        if s.step == 0 and s.extra is None:
            return base
        out = f.splat(base, self.lanes)
        if s.step:
            ramp = vector([s.step * i for i in range(self.lanes)], "i64")
            out = f.binary("add", out, ramp)
        return out if s.extra is None else f.binary("add", out, s.extra)

    def index_register(self, index: places.Index) -> Register:
        return self._whole(self.index(index))

    def condition(self, where: tuple[Condition, ...]) -> Register | None:
        """All conditions together: a scalar, or a vector if lanes differ; None if always true."""
        out: Register | None = None
        f = self.f
        for index, low, high in where:
            x = self.index_register(index)
            a, b = index.bounds
            tests = []
            if a < low:
                tests.append(f.compare("sge", x, const(low, x.type)))
            if b >= high:
                tests.append(f.compare("slt", x, const(high, x.type)))
            for test in tests:
                if out is None:
                    out = test
                    continue
                lanes = max(out.type.lanes, test.type.lanes)
                out = f.binary("and", f.splat(out, lanes), f.splat(test, lanes))
        return out

    # ---- memory -------------------------------------------------------------------------------

    def _load(self, e: Load) -> Register:
        f, type = self.f, type_of(e.dtype)
        pointer = self.pointers[e.buffer]
        at = self.index(e.offset)
        condition = self.condition(e.where)
        if at.extra is None and at.step == 0:
            base = at.base
            if condition is not None:
                base = self._safe(base, condition, e.buffer)
            return f.load(pointer, base, type)
        if at.extra is None and at.step == 1:
            whole = self._whole_block(e.buffer, e.offset)
            return self._neighbours(e.buffer, pointer, at.base, type, condition, whole)
        return self._gathered(pointer, self._whole(at), type, condition)

    def _safe(self, base: Index, condition: Register, buffer: Buffer) -> Index:
        """An offset that may be read even where the condition does not hold."""
        f = self.f
        if condition.type.lanes:
            return f.max(0, f.min(base, max(buffer.elements - 1, 0)))
        whole = f.register(base)
        return f.value(I64, f"select i1 {condition.text}, {whole.typed}, i64 0")

    def _neighbours(
        self, buffer: Buffer, pointer: Register, base: Index, type: Type, where: Register | None,
        whole: bool,
    ) -> Register:  # fmt: skip
        f, wide = self.f, type.of(self.lanes)
        if where is not None and not where.type.lanes and whole:
            # A block of the batch can always be read: the first stands in for one outside.
            return f.load(pointer, self._safe(base, where, buffer), wide)
        mask = self._and(self.mask, where)
        if mask is None:
            return f.load(pointer, base, wide, type.size * (self.lanes if whole else 1))
        return f.load_masked(pointer, base, wide, f.splat(mask, self.lanes), const(0, wide))

    def _whole_block(self, buffer: Buffer, offset: places.Index) -> bool:
        """Whether the lanes are those of one block of the batch, which lies on a line."""
        if buffer.lanes != self.lanes or buffer.kind != "arena":
            return False
        rest = [n for atom, n in offset.terms.values() if atom is not self.vector]
        return all(n % self.lanes == 0 for n in (*rest, offset.constant))

    def _and(self, a: Register | None, b: Register | None) -> Register | None:
        if a is None or b is None:
            return b if a is None else a
        return self.f.binary("and", self.f.splat(a, self.lanes), self.f.splat(b, self.lanes))

    def _pointers(self, pointer: Register, offsets: Register, type: Type) -> Register:
        name = "i8" if type.kind == "b1" else type.element.text
        wide = POINTER.of(offsets.type.lanes)
        return self.f.value(wide, f"getelementptr {name}, ptr {pointer.text}, {offsets.typed}")

    def _gathered(
        self, pointer: Register, offsets: Register, type: Type, where: Register | None
    ) -> Register:
        f, n = self.f, self.lanes
        raw = Type("i8", n) if type.kind == "b1" else type.of(n)
        addresses = self._pointers(pointer, offsets, type)
        mask = self._and(self.mask, where)
        mask = f.splat(const(True, I1), n) if mask is None else f.splat(mask, n)
        align = Register(str(raw.size), Type("i32"))
        got = f.call(
            f"llvm.masked.gather.{raw.suffix}.v{n}p0", raw, addresses, align, mask, const(0, raw)
        )
        return f.compare("ne", got, const(0, raw)) if type.kind == "b1" else got

    def store(self, buffer: Buffer, offset: places.Index, x: Register, add: bool = False) -> None:
        """Writes a value to its place: one element, neighbours, or lane by lane."""
        f, pointer = self.f, self.pointers[buffer]
        at = self.index(offset)
        if add:
            x = self._added(pointer, at, x)
        if at.extra is None and at.step == 0:
            f.store(x, pointer, at.base)
            return
        x = f.splat(x, self.lanes)
        if at.extra is None and at.step == 1:
            if self.mask is None:
                whole = self._whole_block(buffer, offset)
                f.store(x, pointer, at.base, x.type.size * (self.lanes if whole else 1))
            else:
                f.store_masked(x, pointer, at.base, self.mask)
            return
        if x.type.kind == "b1":
            x = f.convert(x, "i8")
        addresses = self._pointers(pointer, self._whole(at), x.type)
        mask = f.splat(const(True, I1), self.lanes) if self.mask is None else self.mask
        align = Register(str(x.type.size), Type("i32"))
        f.call(
            f"llvm.masked.scatter.{x.type.suffix}.v{self.lanes}p0",
            None, x, addresses, align, mask,
        )  # fmt: skip

    def _added(self, pointer: Register, at: Spread, x: Register) -> Register:
        """What stands there, plus x."""
        if at.extra is None and at.step == 0:
            there = self.f.load(pointer, at.base, x.type.element)
        elif at.extra is None and at.step == 1 and self.mask is None:
            there = self.f.load(pointer, at.base, x.type.element.of(self.lanes))
        else:
            there = self._gathered(pointer, self._whole(at), x.type.element, None)
        return emit_primitive(self.f, "add", [there, x], x.type.element)


_RULES: dict[type, Callable[[Values, Expression], Register]] = {
    Number: Values._number,  # type: ignore[dict-item]
    Apply: Values._apply,  # type: ignore[dict-item]
    Position: Values._position,  # type: ignore[dict-item]
    Inside: Values._inside,  # type: ignore[dict-item]
    Random: Values._random,  # type: ignore[dict-item]
    Load: Values._load,  # type: ignore[dict-item]
}

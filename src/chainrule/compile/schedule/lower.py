"""One element of a value as an expression: the meaning of each primitive, element by element.

`Lowering.pull(value, index)` gives what stands at `index`: a load where the value is in memory,
otherwise the primitive's own rule applied to its operands. Moves (reshape, slice, pad, …) only
change the index, so they cost nothing where they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.compile.graph import Instruction, Value
from chainrule.compile.schedule.expression import (
    ROWS,
    Buffer,
    Condition,
    Expression,
    Expressions,
    Position,
)
from chainrule.compile.schedule.index import Axis, Index, Read, linear, unravel
from chainrule.compile.schedule.places import (
    INT,
    TRUTH,
    Place,
    axes_of,
    by_axis,
    common_dtype,
    extreme,
    machine_dtype,
    offset_in,
    shape_of,
    stretched,
)
from chainrule.compile.schedule.windows import Windows
from chainrule.ops.primitives import BINARY, UNARY

MAPS = {*UNARY, *BINARY, "where"}
REDUCTIONS = {"sum", "prod", "max", "min", "argmax", "argmin"}


class Lowering(Windows):
    """Expressions of one program. `memory(value)` gives the buffer of a value that is in memory,
    `made` the instruction of each other one."""

    def __init__(
        self, made: dict[Value, Instruction], memory: Callable[[Value], Buffer | None]
    ) -> None:
        self.new = Expressions()
        self._made = made
        self._memory = memory
        self._where: tuple[Condition, ...] = ()
        self._memo: dict[Any, Expression] = {}
        self._axes = 0
        self.product: Callable[[Instruction, Place], Expression | None] = lambda i, place: None
        self.lanes_of: Callable[[Value], int] = lambda value: 0
        self.nest: dict[Value, tuple[Place, Expression]] = {}  # what the nest itself works out
        self.crossed = False  # whether it read its own results at another place

    def forget(self) -> None:
        """Values may have moved into memory: what was pulled before is not valid any more."""
        self._memo.clear()

    def axis(self, name: str, extent: int, role: str = "") -> Axis:
        self._axes += 1
        return Axis(f"{name}{self._axes}", extent, role)

    def samples(self, n: int, lanes: int) -> tuple[tuple[Axis, ...], Index]:
        """Axes over a batch of n laid out in lanes, and the sample that they name."""
        block, lane = self.axis("b", -(-n // lanes), "block"), self.axis("l", lanes, "lane")
        return (block, lane), Index.of(block) * lanes + Index.of(lane)

    def pull(self, x: Any, index: Place, dtype: np.dtype | None = None) -> Expression:
        """The element of an operand at `index`; a Python number becomes one of `dtype`."""
        if not isinstance(x, Value):
            kind = dtype or np.asarray(x).dtype
            return self.new.number(x, kind)
        key = (x, index, self._where)
        out = self._memo.get(key)
        if out is None:
            out = self._memo[key] = self._pull(x, index)
        if dtype is not None and x.weak and out.dtype != dtype:
            out = self.new.apply("astype", (out,), dtype)
        return out

    def _pull(self, x: Value, index: Place) -> Expression:
        if x in self.nest:
            place, expression = self.nest[x]
            if place == index:
                return expression
            self.crossed = True
        buffer = self._memory(x)
        if buffer is not None:
            return self._load(buffer, x.shape, index)
        return self.work(x, index)

    def _load(self, buffer: Buffer, shape: tuple[int, ...], index: Place) -> Expression:
        """The element of a buffer that is seen with `shape` (as many elements, in order)."""
        where = self._where
        if buffer.lanes:
            if shape != buffer.shape:
                buffer_seen = Buffer(buffer.name, shape, buffer.dtype, layout=buffer.lanes)
                return self.new.load(buffer, offset_in(buffer_seen, index), where)
            return self.new.load(buffer, offset_in(buffer, index), where)
        assert shape == buffer.shape or buffer.layout == ROWS
        # The last block of a batch may have lanes without a sample: there is nothing to read.
        past = tuple((i, 0, n) for i, n in zip(index, shape, strict=True) if i.bounds[1] >= n)
        where += tuple(w for w in past if w not in where)
        offset = linear(index, shape) if buffer.layout == ROWS else offset_in(buffer, index)
        return self.new.load(buffer, offset, where)

    def work(self, x: Value, index: Place) -> Expression:
        """The element by the rule of its primitive, wherever the value may be kept."""
        instruction = self._made[x]
        name = instruction.primitive
        if name in MAPS:
            return self._map(instruction, index)
        product = self.product(instruction, index)
        if product is not None:
            return product
        return getattr(self, "_" + name)(instruction, index, *instruction.operands,
                                         **instruction.attributes)  # fmt: skip

    def under(self, where: tuple[Condition, ...], make: Callable[[], Expression]) -> Expression:
        """Makes an expression whose loads happen only where the conditions hold."""
        before = self._where
        self._where = (*before, *where)
        try:
            return make()
        finally:
            self._where = before

    def _inside(
        self, where: tuple[Condition, ...], make: Callable[[], Expression], other: Any
    ) -> Expression:
        body = self.under(where, make)
        return self.new.inside(where, body, self.new.number(other, body.dtype))

    # ---- maps ---------------------------------------------------------------------------------

    def _map(self, instruction: Instruction, index: Place) -> Expression:
        operands = instruction.operands
        numbers = operands[1:] if instruction.primitive == "where" else operands
        dtype = common_dtype(numbers)
        args = []
        for i, x in enumerate(operands):
            wanted = TRUTH if instruction.primitive == "where" and i == 0 else dtype
            args.append(self.pull(x, stretched(shape_of(x), index), wanted))
        return self.new.apply(instruction.primitive, tuple(args), machine_dtype(instruction.out))

    def _astype(self, instruction: Instruction, index: Place, x: Any, dtype: Any) -> Expression:
        extra = dtype.name if isinstance(dtype, DType) else None
        return self.new.apply("astype", (self.pull(x, index),), instruction.out.dtype, extra)

    def _full(self, i: Instruction, index: Place, shape: Any, value: Any, dtype: Any) -> Expression:
        if isinstance(value, Value):
            return self.pull(value, (), i.out.dtype)
        return self.new.number(value, i.out.dtype)

    def _arange(self, instruction: Instruction, index: Place, n: int, dtype: Any) -> Expression:
        return self.new.position(index[0], instruction.out.dtype)

    def _uniform(self, i: Instruction, index: Place, seed: Any, offset: Any,
                 shape: Any, dtype: Any) -> Expression:  # fmt: skip
        seed, start = (self.pull(v, (), INT) for v in (seed, offset))
        return self.new.random(seed, start, linear(index, i.out.shape), i.out.dtype)

    # ---- moves --------------------------------------------------------------------------------

    def _reshape(self, instruction: Instruction, index: Place, x: Value, shape: Any) -> Expression:
        buffer = self._memory(x)
        out = instruction.out.shape
        if buffer is not None:
            if x in self.nest:
                pass
            elif buffer.layout == ROWS or (buffer.lanes and out and out[0] == x.shape[0]):
                return self._load(buffer, out, index)
        if out and x.shape and out[0] == x.shape[0]:
            rest = unravel(linear(index[1:], out[1:]), x.shape[1:])
            return self.pull(x, (index[0], *rest))
        return self.pull(x, unravel(linear(index, out), x.shape))

    def _permute_dims(self, i: Instruction, index: Place, x: Value, axes: Any) -> Expression:
        place = [index[0]] * len(axes) if axes else []
        for to, axis in enumerate(axes):
            place[axis] = index[to]
        return self.pull(x, tuple(place))

    def _broadcast_to(self, i: Instruction, index: Place, x: Value, shape: Any) -> Expression:
        return self.pull(x, stretched(x.shape, index))

    def _slice(self, i: Instruction, index: Place, x: Value, key: Any) -> Expression:
        place, at = [], 0
        for k, n in by_axis(key, x.shape):
            if n is None:
                at += 1
            elif isinstance(k, slice):
                start, _, step = k.indices(n)
                place.append(index[at] * step + start)
                at += 1
            else:
                place.append(Index.of(int(k) % n))
        return self.pull(x, tuple(place))

    def _unslice(self, i: Instruction, index: Place, x: Value, key: Any, shape: Any) -> Expression:
        place: list[Index] = []
        where: list[Condition] = []
        at = 0
        for k, n in by_axis(key, i.out.shape):
            if n is None:
                place.append(Index({}))
                continue
            here = index[at]
            at += 1
            if not isinstance(k, slice):
                where.append((here, int(k) % n, int(k) % n + 1))
                continue
            start, stop, step = k.indices(n)
            count = len(range(start, stop, step))
            if step < 0:  # the same places, counted from the other end
                last = start + step * (count - 1)
                inner = (here - last) // -step
                position = inner * -1 + (count - 1)
            else:
                last, position = start, (here - start) // step
            if abs(step) > 1:
                where.append(((here - last) % abs(step), 0, 1))
            where.append((position, 0, count))
            place.append(position)
        return self._inside(tuple(where), lambda: self.pull(x, tuple(place)), 0)

    def _pad(self, i: Instruction, index: Place, x: Value, width: Any, value: Any = 0):  # type: ignore[no-untyped-def]
        place = tuple(a - low for a, (low, _) in zip(index, width, strict=True))
        where = tuple((a, 0, n) for a, n in zip(place, x.shape, strict=True))
        return self._inside(where, lambda: self.pull(x, place), value)

    def _concat(self, i: Instruction, index: Place, xs: Any, axis: int) -> Expression:
        axis %= len(i.out.shape)
        pieces, start = [], 0
        for x in xs:
            pieces.append((x, start))
            start += x.shape[axis]
        out: Expression | None = None
        for x, low in reversed([p for p in pieces if p[0].shape[axis]]):
            place = (*index[:axis], index[axis] - low, *index[axis + 1 :])
            where = ((place[axis], 0, x.shape[axis]),)
            body = self.under(where, lambda x=x, place=place: self.pull(x, place, i.out.dtype))  # type: ignore[misc]
            if body.dtype != i.out.dtype:
                body = self.new.apply("astype", (body,), i.out.dtype)
            out = body if out is None else self.new.inside(where, body, out)
        return self.new.number(0, i.out.dtype) if out is None else out

    # ---- indices from memory ------------------------------------------------------------------

    def chosen(self, indices: Any, index: Place, n: int) -> Index:
        """An entry of an integer array as an index into an axis of n; negative from the end."""
        at = self.pull(indices, stretched(shape_of(indices), index))
        if isinstance(at, Position):
            return at.index
        if at.dtype != INT:
            at = self.new.apply("astype", (at,), INT)
        zero, size = self.new.number(0, INT), self.new.number(n, INT)
        below = self.new.apply("less", (at, zero), TRUTH)
        moved = self.new.apply("add", (at, size), INT)
        at = self.new.apply("where", (below, moved, at), INT)
        # Whatever the data say, nothing outside the array is touched.
        at = self.new.apply("maximum", (at, zero), INT)
        at = self.new.apply("minimum", (at, self.new.number(max(n - 1, 0), INT)), INT)
        return Index.of(Read(at, max(n, 1)))

    def _gather(
        self, i: Instruction, index: Place, x: Value, key: Any, *indices: Any
    ) -> Expression:
        return self.pull(x, self.gathered(index, x.shape, key, indices))

    def gathered(
        self, index: Place, shape: tuple[int, ...], key: Any, indices: tuple[Any, ...]
    ) -> Place:
        """Where x[key] (NumPy's advanced indexing) finds the element `index` of its result."""
        items = list(by_axis(key, shape))
        common = np.broadcast_shapes(*(shape_of(v) for v in indices))
        # Integers count as arrays once an array is there.
        advanced = [
            at for at, (k, n) in enumerate(items) if n is not None and not isinstance(k, slice)
        ]
        together = advanced == list(range(advanced[0], advanced[-1] + 1))
        first = advanced[0] if together else 0
        arrays = iter(indices)
        inner = index[first : first + len(common)]
        place, at = [], 0 if together else len(common)
        for position, (k, n) in enumerate(items):
            if together and position == first:
                at += len(common)
            if n is None:
                at += 1
            elif isinstance(k, slice):
                start, _, step = k.indices(n)
                place.append(index[at] * step + start)
                at += 1
            elif isinstance(k, str):
                place.append(self.chosen(next(arrays), inner, n))
            else:
                place.append(Index.of(int(k) % n))
        return tuple(place)

    def _take_along_axis(
        self, i: Instruction, index: Place, x: Value, indices: Any, axis: int
    ) -> Expression:
        axis %= len(x.shape)
        at = self.chosen(indices, index, x.shape[axis])
        place = list(stretched(x.shape, index))
        place[axis] = at
        return self.pull(x, tuple(place))

    # ---- reductions ---------------------------------------------------------------------------

    def reduction(self, i: Instruction, index: Place, x: Value, axis: Any = None,
                  keepdims: bool = False) -> Expression:  # fmt: skip
        axes = axes_of(axis, len(x.shape))
        lanes = self.lanes_of(x) if 0 in axes else 0
        over: list[Axis] = []
        kept = iter(index)
        place: list[Index] = []
        where: tuple[Condition, ...] = ()
        for a, n in enumerate(x.shape):
            if a not in axes:
                place.append(next(kept))
                continue
            if keepdims:
                next(kept)
            if a == 0 and lanes:
                both, sample = self.samples(n, lanes)
                over += both
                place.append(sample)
                if n % lanes:
                    where = ((sample, 0, n),)
            else:
                over.append(self.axis("r", n))
                place.append(Index.of(over[-1]))
        op, dtype = i.primitive, i.out.dtype
        neutral = 0 if op in ("sum", "prod") else extreme(x.dtype, op)
        body = self._inside(
            where, lambda: self.pull(x, tuple(place)), neutral if op != "prod" else 1
        )
        position = None
        if op.startswith("arg"):
            position = self.new.inside(
                where, self.new.position(place[axes[0]], INT), self.new.number(-1, INT)
            )
        elif body.dtype != dtype:
            body = self.new.apply("astype", (body,), dtype)
        return self._reduced(op, tuple(over), body, dtype, position)

    def _reduced(self, op: str, over: tuple[Axis, ...], body: Expression, dtype: np.dtype,
                 position: Expression | None = None) -> Expression:  # fmt: skip
        if 0 in (a.extent for a in over) and position is None:
            return self.new.number({"sum": 0, "prod": 1}.get(op, 0), dtype)
        over = tuple(a for a in over if a.extent > 1)
        if not over:
            return body if position is None else position
        return self.new.reduce(op, over, body, dtype, position)

    _sum = _prod = _max = _min = _argmax = _argmin = reduction

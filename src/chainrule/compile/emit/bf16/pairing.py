"""float32 arrays into pairs of bfloat16 numbers.

A pair takes 32 bits, the first number in the lower half. What has no partner is paired with zero.
Each function fills a range of its units; any range can go to any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.compile.emit.bf16.dot import pair_up, rounded_pairs
from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.lanes import transpose
from chainrule.compile.emit.types import F32, Index, Register, Type, const

Range = tuple[Index, Index]
UNROLL = 4  # vectors of a row that are written out


@dataclass(frozen=True)
class RowPairs:
    """Rows paired with the next one: [groups][rows][size] → pairs [groups][⌈rows/2⌉][size].

    Elements of a row are neighbours; strides of the source are in elements. A unit is a group, or
    with `by_row`, where there is one group only, a pair of rows.
    """

    groups: int
    rows: int
    size: int
    group_stride: int
    row_stride: int
    lanes: int = 16
    by_row: bool = False
    type: Type = F32

    @property
    def pairs(self) -> int:
        return -(-self.rows // 2)

    @property
    def elements(self) -> int:
        """32-bit elements of the target."""
        return self.groups * self.pairs * self.size

    @property
    def units(self) -> int:
        return self.pairs if self.by_row else self.groups


def pair_rows(f: Function, g: RowPairs, source: Register, target: Register, units: Range) -> None:
    """Pairs rows. The source is rounded."""
    vector, full = F32.of(g.lanes), g.rows // 2
    zero = const(0, vector)

    def row(read: Register, write: Register, k: Index, single: bool) -> None:
        first = f.at(read, f.mul(k, 2 * g.row_stride))
        to = f.at(write, f.mul(k, g.size))

        def piece(at: Index, count: int = g.lanes) -> None:
            a = _load(f, first, at, count, vector)
            b = zero if single else _load(f, first, f.add(at, g.row_stride), count, vector)
            _store(f, pair_up(f, a, b), to, at, count)

        _whole(f, g.size // g.lanes, g.lanes, piece)
        if g.size % g.lanes:
            piece(g.size // g.lanes * g.lanes, g.size % g.lanes)

    if not g.by_row:
        with f.loop(*units) as group:
            read = f.at(source, f.mul(group.i, g.group_stride))
            write = f.at(target, f.mul(group.i, g.pairs * g.size))
            with f.loop(0, full) as k:
                row(read, write, k.i, False)
            if g.rows % 2:
                row(read, write, full, True)
        return
    low, high = units
    with f.loop(low, f.min(high, full) if g.rows % 2 else high) as k:
        row(source, target, k.i, False)
    if g.rows % 2:
        with f.loop(f.max(low, full), high):
            row(source, target, full, True)


@dataclass(frozen=True)
class LinePairs:
    """Neighbours within each line paired: [groups][lines][length] → pairs of ⌈length/2⌉ a line.

    Strides, of the source in elements and of the target in pairs, are those of groups and lines;
    neighbours lie side by side. A unit is a group, or with `by_line`, where there is one group
    only, a line.
    """

    groups: int
    lines: int
    length: int
    source_strides: tuple[int, int]
    target_strides: tuple[int, int]
    lanes: int = 16
    by_line: bool = False
    type: Type = F32

    @property
    def elements(self) -> int:
        """32-bit elements of the target."""
        return self.groups * self.lines * -(-self.length // 2)

    @property
    def units(self) -> int:
        return self.lines if self.by_line else self.groups


def pair_lines(f: Function, g: LinePairs, source: Register, target: Register, units: Range) -> None:
    """Pairs neighbours. The source is rounded."""
    lanes, vector = g.lanes, F32.of(g.lanes)
    zero = const(0, vector)

    def line(read: Register, write: Register, i: Index) -> None:
        read = f.at(read, f.mul(i, g.source_strides[1]))
        write = f.at(write, f.mul(i, g.target_strides[1]))

        def piece(at: Index, n: int = 2 * lanes) -> None:
            """Of n numbers, which become the pairs from `at` on."""
            here = f.mul(at, 2)
            a = _load(f, read, here, min(n, lanes), vector)
            b = _load(f, read, f.add(here, lanes), n - lanes, vector) if n > lanes else zero
            _store(f, rounded_pairs(f, a, b), write, at, -(-n // 2))

        vectors, rest = divmod(g.length, 2 * lanes)
        _whole(f, vectors, lanes, piece)
        if rest:
            piece(vectors * lanes, rest)

    if not g.by_line:
        with f.loop(*units) as group:
            read = f.at(source, f.mul(group.i, g.source_strides[0]))
            write = f.at(target, f.mul(group.i, g.target_strides[0]))
            with f.loop(0, g.lines) as i:
                line(read, write, i.i)
        return
    with f.loop(*units) as i:
        line(source, target, i.i)


@dataclass(frozen=True)
class SamplePairs:
    """Samples paired, features side by side: [blocks][features][lanes] → pairs
    [blocks · lanes/2][features]."""

    blocks: int
    features: int
    lanes: int = 16
    type: Type = F32

    @property
    def elements(self) -> int:
        """32-bit elements of the target."""
        return self.blocks * self.lanes // 2 * self.features

    @property
    def units(self) -> int:
        """A unit is a block."""
        return self.blocks


def pair_samples(
    f: Function, g: SamplePairs, source: Register, target: Register, units: Range
) -> None:
    """Pairs samples. The source is rounded."""
    lanes, vector = g.lanes, F32.of(g.lanes)
    zero = const(0, vector)
    with f.loop(*units) as block:
        read = f.at(source, f.mul(block.i, g.features * lanes))
        write = f.at(target, f.mul(block.i, lanes // 2 * g.features))

        def square(at: Index, count: int) -> None:
            corner = f.at(read, f.mul(at, lanes))
            rows = [f.load(corner, i * lanes, vector) for i in range(count)]
            samples = transpose(f, [*rows, *[zero] * (lanes - count)])
            to = f.at(write, at)
            for n in range(0, lanes, 2):
                x = pair_up(f, samples[n], samples[n + 1])
                _store(f, x, to, n // 2 * g.features, count)

        full = g.features // lanes * lanes
        with f.loop(0, full, lanes) as k:
            square(k.i, lanes)
        if g.features % lanes:
            square(full, g.features % lanes)


Pairing = RowPairs | LinePairs | SamplePairs


def pair(f: Function, g: Pairing, source: Register, target: Register, units: Range) -> None:
    """Brings an operand into pairs, whatever the way."""
    if isinstance(g, RowPairs):
        pair_rows(f, g, source, target, units)
    elif isinstance(g, LinePairs):
        pair_lines(f, g, source, target, units)
    else:
        pair_samples(f, g, source, target, units)


def _whole(f: Function, vectors: int, lanes: int, piece: Callable[[Index], None]) -> None:
    """`piece(first)` for each of the whole vectors of a row, several at a time in a loop."""
    together = min(UNROLL, vectors)
    bulk = vectors // together * together if together else 0
    if bulk:
        with f.loop(0, bulk * lanes, together * lanes) as i:
            for v in range(together):
                piece(f.add(i.i, v * lanes))
    for v in range(bulk, vectors):
        piece(v * lanes)


def _load(f: Function, pointer: Register, at: Index, count: int, vector: Type) -> Register:
    """`count` elements, zero beyond."""
    if count == vector.lanes:
        return f.load(pointer, at, vector)
    return f.load_masked(pointer, at, vector, f.first(count, vector.lanes), const(0, vector))


def _store(f: Function, x: Register, pointer: Register, at: Index, count: int) -> None:
    if count == x.type.lanes:
        f.store(x, pointer, at)
    else:
        f.store_masked(x, pointer, at, f.first(count, x.type.lanes))

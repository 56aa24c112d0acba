"""Convolution and its adjoint in the input, with the batch in the vector lanes.

One generator serves both: a result is a sum over source channels and taps, and only the map from
taps to source positions differs (`Axis`). Weights stay as they are, row-major, and are broadcast
element by element. There are no copies with halos: which taps meet the source is known when the
code is written for columns, and is a loop bound for rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.tiles import Axis, ConvGeometry, conv_tile, flops
from chainrule.compile.emit.types import POINTER, Index, Register, const

__all__ = ["ConvGeometry", "conv", "conv_input", "flops"]

Range = tuple[Index, Index]
Place = Callable[[Index, Index, Index, Index], None]  # block, channel, row, column
Columns = list[list[tuple[int, int]]]  # of each column, (tap, source position from the tile's)
Store = Callable[[Register, Index, Index, Index, Index], None]  # result, and its place


def conv(
    f: Function,
    g: ConvGeometry,
    source: Register,
    weight: Register,
    blocks: Range,
    store: Store,
    rows: Range | None = None,
    done: Callable[[Index, Index], None] | None = None,
    ahead: Place | None = None,
) -> None:
    """Cross-correlation of `source` with `weight` for a range of blocks (and of output rows).

    `store(result, block, channel, row, column)` is written for every output vector, each place
    once. The vectors of a channel in one tile follow one another, then comes `done(block,
    channel)`: values that `store` keeps in registers for that channel (statistics) go to memory
    there. `ahead(block, channel, row, column)` prefetches what `store` will touch; its calls are
    spread over the input channels.
    """
    size = g.kernel[0] * g.kernel[1]
    _Kernel(
        f, g, source, weight, store, done, ahead,
        rows=g.axis(0), columns=g.axis(1), sources=g.group_in, results=g.group_out,
        source_plane=g.stride_in, weight_result=g.group_in * size, weight_source=size,
    ).write(blocks, rows)  # fmt: skip


def conv_input(
    f: Function,
    g: ConvGeometry,
    gradient: Register,
    weight: Register,
    blocks: Range,
    store: Store,
    rows: Range | None = None,
    done: Callable[[Index, Index], None] | None = None,
    ahead: Place | None = None,
) -> None:
    """Adjoint of `conv` in its source: as `conv`, for every element of the source (zero where no
    tap reaches); `rows` are source rows."""
    size = g.kernel[0] * g.kernel[1]
    _Kernel(
        f, g, gradient, weight, store, done, ahead,
        rows=g.axis(0, True), columns=g.axis(1, True), sources=g.group_out, results=g.group_in,
        source_plane=g.stride_out, weight_result=size, weight_source=g.group_in * size,
    ).write(blocks, rows)  # fmt: skip


@dataclass(frozen=True)
class Reach:
    """The taps of one position that meet the source: low ≤ m < high stands for the tap
    `tap + m · tap_step` at the source position `source + m · source_step`."""

    low: Index
    high: Index
    tap: Index
    tap_step: int
    source: Index
    source_step: int
    never_empty: bool


def reach(f: Function, axis: Axis, i: Index) -> Reach:
    """The taps that meet the source from position i, calculated when the code runs."""
    if not axis.adjoint:
        first = f.sub(f.mul(i, axis.stride), axis.padding)
        step = axis.dilation
        if axis.full:
            return Reach(0, axis.kernel, 0, 1, first, step, True)
        low = _ceil_div(f, f.max(0, f.sub(0, first)), step)
        high = f.min(axis.kernel, _ceil_div(f, f.sub(axis.size, first), step))
        return Reach(low, high, 0, 1, first, step, axis.never_empty)
    common, tap_step, step, inverse = axis.lattice
    i = f.add(i, axis.padding)
    if axis.stride == 1 and axis.full:
        return Reach(0, axis.kernel, 0, 1, i, -step, True)
    tap = f.mod(f.mul(f.div(i, common), inverse), tap_step)
    first = f.div(f.sub(i, f.mul(tap, axis.dilation)), axis.stride)
    low = _ceil_div(f, f.max(0, f.sub(f.add(first, 1), axis.size)), step)
    last = f.div(f.sub(axis.kernel - 1, tap), tap_step)
    high = f.add(f.min(f.div(first, step), last), 1)
    if common > 1:  # no taps at all unless the divisor is met
        high = f.mul(high, f.sub(1, f.min(1, f.mod(i, common))))
    return Reach(low, high, tap, tap_step, first, -step, axis.never_empty)


def _ceil_div(f: Function, a: Index, b: int) -> Index:
    return f.div(f.add(a, b - 1), b)


@dataclass(frozen=True)
class _Span:
    """A tile of neighbouring columns in a row of the result."""

    block: Index
    row: Index
    column: Index  # the first
    width: int
    down: Reach  # the kernel rows
    across: Reach | Columns  # the taps of a kernel row
    base: Index  # the source column from which `across` counts


class _Kernel:
    """The loops of one convolution: blocks, rows, tiles of columns, groups, tiles of channels,
    source channels, kernel rows."""

    def __init__(
        self,
        f: Function,
        g: ConvGeometry,
        source: Register,
        weight: Register,
        store: Store,
        done: Callable[[Index, Index], None] | None,
        ahead: Place | None,
        *,
        rows: Axis,
        columns: Axis,
        sources: int,
        results: int,
        source_plane: int,
        weight_result: int,
        weight_source: int,
    ) -> None:
        self.f, self.g, self.source, self.weight = f, g, source, weight
        self.store, self.done, self.ahead = store, done, ahead
        self.rows, self.columns = rows, columns
        self.sources, self.results, self.plane = sources, results, source_plane
        self.weight_result, self.weight_source = weight_result, weight_source
        self.lanes, self.vector = g.lanes, g.vector
        self.tile = conv_tile(columns, results, g.registers)

    def write(self, blocks: Range, rows: Range | None) -> None:
        f, g = self.f, self.g
        with f.loop(*blocks) as block:
            size = g.groups * self.sources * self.plane * self.lanes
            source = f.at(self.source, f.mul(block.i, size), self.vector)
            with f.loop(*(rows or (0, self.rows.out))) as row:
                down = reach(f, self.rows, row.i)
                if self.tile.columns:
                    for piece in self.columns.pieces(self.tile.columns):
                        self._piece(source, block.i, row.i, down, *piece)
                else:
                    with f.loop(0, self.columns.out) as column:
                        across = reach(f, self.columns, column.i)
                        span = _Span(block.i, row.i, column.i, 1, down, across, 0)
                        self._channels(source, span)

    def _piece(
        self,
        source: Register,
        block: Index,
        row: Index,
        down: Reach,
        start: int,
        width: int,
        count: int,
    ) -> None:
        """`count` tiles of columns from `start`, whose taps are the same."""
        f, axis = self.f, self.columns
        first = axis.source_step(start)
        across = [[(k, x - first) for k, x in axis.valid(start + t)] for t in range(width)]
        with f.loop(0, count) as tile:
            column = f.add(start, f.mul(tile.i, width))
            base = f.add(first, f.mul(tile.i, axis.source_step(width)))
            self._channels(source, _Span(block, row, column, width, down, across, base))

    def _channels(self, source: Register, span: _Span) -> None:
        """All results of one tile of columns."""
        f, g, wide = self.f, self.g, self.tile.channels
        rest = self.results % wide
        with f.loop(0, g.groups) as group:
            planes = f.mul(group.i, self.sources * self.plane * self.lanes)
            source = f.at(source, planes, self.vector)
            weights = f.mul(group.i, self.results * self.sources * g.kernel[0] * g.kernel[1])
            weight = f.at(self.weight, weights, g.type)
            first = f.mul(group.i, self.results)

            def tile(channel: Index, count: int) -> None:
                pointer = f.at(weight, f.mul(channel, self.weight_result), g.type)
                channel = f.add(first, channel)
                self._store(self._sums(source, pointer, span, channel, count), span, channel)

            if self.results >= wide:
                with f.loop(0, self.results - rest, wide) as channel:
                    tile(channel.i, wide)
            if rest:
                tile(self.results - rest, rest)

    def _store(self, results: list[list[Register]], span: _Span, channel: Index) -> None:
        f = self.f
        for o, columns in enumerate(results):
            to = f.add(channel, o)
            for t, result in enumerate(columns):
                self.store(result, span.block, to, span.row, f.add(span.column, t))
            if self.done:
                self.done(span.block, to)

    def _sums(
        self, source: Register, weight: Register, span: _Span, channel: Index, count: int
    ) -> list[list[Register]]:
        """The results [channel][column] of one register tile, `count` channels from `channel`."""
        f, g, width, down = self.f, self.g, span.width, span.down
        zeros = [const(0, self.vector)] * (count * width)
        with f.loop(0, self.sources, carry=zeros) as each:
            self._prefetch(each.i, span, channel, count)
            corner = f.add(f.mul(each.i, self.plane), span.base)
            plane = f.at(source, f.mul(corner, self.lanes), self.vector)
            kernel = f.at(weight, f.mul(each.i, self.weight_source), g.type)
            guard = False if down.never_empty else None
            with f.loop(down.low, down.high, carry=each.carry, guard=guard) as tap:
                row = f.add(down.source, f.mul(tap.i, down.source_step))
                k = f.add(down.tap, f.mul(tap.i, down.tap_step))
                line = f.at(plane, f.mul(row, self.columns.size * self.lanes), self.vector)
                weights = f.at(kernel, f.mul(k, g.kernel[1]), g.type)
                if isinstance(span.across, Reach):
                    tap.next = self._looped(tap.carry, line, weights, span.across, count)
                elif self.tile.sliding:
                    tap.next = self._sliding(tap.carry, line, weights, span.across, count)
                else:
                    tap.next = self._tap_by_tap(tap.carry, line, weights, span.across, count)
            each.next = tap.out
        return [each.out[o * width : (o + 1) * width] for o in range(count)]

    def _prefetch(self, source_channel: Index, span: _Span, channel: Index, count: int) -> None:
        """This source channel's share of the places that the tile is going to touch."""
        if not self.ahead:
            return
        f = self.f
        share = -(-span.width // self.sources)
        start = f.min(f.mul(source_channel, share), span.width - share)
        for o in range(count):
            for t in range(share):
                column = f.add(span.column, f.add(start, t))
                self.ahead(span.block, f.add(channel, o), span.row, column)

    def _sliding(
        self,
        sums: list[Register],
        line: Register,
        weights: Register,
        across: Columns,
        count: int,
    ) -> list[Register]:
        """One kernel row: all its weights in registers, each source vector read once."""
        f, width, sums = self.f, len(across), list(sums)
        uses: dict[int, list[tuple[int, int]]] = {}
        for t, column in enumerate(across):
            for k, x in column:
                uses.setdefault(x, []).append((t, k))
        used = sorted({k for column in across for k, _ in column})
        held = [{k: self._weight(weights, o, k) for k in used} for o in range(count)]
        for x in sorted(uses):
            value = self._load(line, x)
            for t, k in uses[x]:
                for o in range(count):
                    at = o * width + t
                    sums[at] = f.fma(value, held[o][k], sums[at])
        return sums

    def _tap_by_tap(
        self,
        sums: list[Register],
        line: Register,
        weights: Register,
        across: Columns,
        count: int,
    ) -> list[Register]:
        """One kernel row, the weights of one tap in registers at a time."""
        f, width, sums = self.f, len(across), list(sums)
        for k in sorted({k for column in across for k, _ in column}):
            # Behind an opaque pointer the vectors are read anew: kept, they would be spilled.
            again = f.value(POINTER, f'call ptr asm "", "=r,0"({line.typed})')
            held = [self._weight(weights, o, k) for o in range(count)]
            for t, column in enumerate(across):
                for x in (x for tap, x in column if tap == k):
                    value = self._load(again, x)
                    for o in range(count):
                        at = o * width + t
                        sums[at] = f.fma(value, held[o], sums[at])
        return sums

    def _looped(
        self,
        sums: list[Register],
        line: Register,
        weights: Register,
        across: Reach,
        count: int,
    ) -> list[Register]:
        """One kernel row for one column, its taps in a loop."""
        f = self.f
        with f.loop(across.low, across.high, carry=sums) as tap:
            x = f.add(across.source, f.mul(tap.i, across.source_step))
            k = f.add(across.tap, f.mul(tap.i, across.tap_step))
            value = self._load(line, x)
            at = f.at(weights, k, self.g.type)
            tap.next = [
                f.fma(value, self._weight(at, o, 0), s) for o, s in enumerate(tap.carry[:count])
            ]
        return tap.out

    def _weight(self, weights: Register, result: int, tap: int) -> Register:
        return self.f.load_splat(weights, result * self.weight_result + tap, self.vector)

    def _load(self, line: Register, column: Index) -> Register:
        size = self.lanes * self.g.type.size
        return self.f.load(line, self.f.mul(column, self.lanes), self.vector, align=size)

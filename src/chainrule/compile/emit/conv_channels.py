"""Convolution with the output channels in the vector lanes, for small batches.

The sums of a register tile (neighbouring columns × vectors of channels) take, for each source
channel and tap, one vector of weights and one broadcast source element a column; where every
channel is a group of its own, vectors of the source instead. The weights are packed first, so that
the channels of a strip stand side by side. The source may lie in any order of its axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.conv import Reach, reach
from chainrule.compile.emit.panels import pack, panel_units
from chainrule.compile.emit.product import Run, opaque, strip_runs
from chainrule.compile.emit.tiles import CACHE, CODE, LATENCY, LINE, ConvGeometry
from chainrule.compile.emit.types import POINTER, Index, Register, Type, const

Range = tuple[Index, Index]
# Results of neighbouring columns for one vector of channels (of `rows` rows, one after the other):
# results, sample, first channel, row, first column, and how many of the channels exist.
Store = Callable[[list[Register], Index, Index, Index, Index, int], None]
Columns = list[list[tuple[int, int]]]  # of each column, (tap, source position from the tile's)
VARIANTS = 20_000  # multiply-adds of code that cost as much as the whole run


@dataclass(frozen=True)
class ChannelsGeometry:
    """`conv` for `samples` samples; `strides` of the source: sample, channel, row, column, in
    elements. The lanes of `conv` are those of its own type."""

    conv: ConvGeometry
    samples: int
    strides: tuple[int, int, int, int]

    @property
    def type(self) -> Type:
        return self.conv.type

    @property
    def depthwise(self) -> bool:
        """Whether each channel is a group of its own, so that all go side by side."""
        return self.conv.groups > 1 and self.conv.group_in == self.conv.group_out == 1

    @property
    def groups(self) -> int:
        return 1 if self.depthwise else self.conv.groups

    @property
    def results(self) -> int:
        """Output channels of a group."""
        return self.conv.channels_out // self.groups

    @property
    def sources(self) -> int:
        """Source channels that one result sums over."""
        return self.conv.group_in

    @property
    def vectors(self) -> int:
        return ceil(self.results / self.conv.lanes)

    @property
    def inner(self) -> int:
        """Products of one result."""
        return self.sources * self.conv.kernel[0] * self.conv.kernel[1]

    @property
    def last(self) -> int:
        """Channels in the last vector."""
        return self.results - (self.vectors - 1) * self.conv.lanes


@dataclass(frozen=True)
class ChannelsTile:
    """Accumulators of `columns` × `vectors`; `columns` 0: one column, taps in a loop."""

    columns: int
    vectors: int


@lru_cache(maxsize=1024)
def channels_tile(g: ChannelsGeometry) -> ChannelsTile:
    """The cheapest tile."""
    axis, taps, registers = g.conv.axis(1), g.conv.kernel[1], g.conv.registers
    best, cost = ChannelsTile(0, min(g.vectors, 4)), inf
    for vectors in range(1, min(g.vectors, 6) + 1):
        strips = [vectors] * (g.vectors // vectors) + [g.vectors % vectors] * (
            g.vectors % vectors > 0
        )
        kinds = {*strips}
        for columns in range(1, min(axis.out, registers - 3) + 1):
            if columns * vectors + vectors + (vectors > 1) > registers - 1:
                break
            pieces = axis.pieces(columns)
            written = taps * sum(w for _, w, _ in pieces) * sum(kinds)
            if written > CODE:
                continue
            cycles = sum(count * _cycles(g, wide, w) for _, w, count in pieces for wide in strips)
            cycles *= 1 + written / VARIANTS
            if cycles < cost - 1e-9:
                best, cost = ChannelsTile(columns, vectors), cycles
    return best


def _cycles(g: ChannelsGeometry, vectors: int, columns: int) -> float:
    """Of one kernel row of one source channel, and its share of what ends a tile."""
    taps = g.conv.kernel[1]
    loads = vectors + columns * (vectors if g.depthwise else 1)
    # Weights that the first-level cache cannot keep from tile to tile.
    bytes = g.inner * vectors * g.conv.lanes * g.conv.type.size
    far = LINE * vectors if 2 * bytes > CACHE else 0.0
    work = taps * max(columns * vectors / 2, loads / 2, far, LATENCY) + 2
    ends = 8 + 3 * columns * vectors
    return work + ends / (g.sources * g.conv.kernel[0])


def channels_weights(g: ChannelsGeometry) -> int:
    """Elements of the packed weights: [group][strip][source channel][tap][channels of a strip]."""
    return g.groups * g.vectors * g.inner * g.conv.lanes


def channels_pack_units(g: ChannelsGeometry) -> int:
    return g.groups * panel_units(g.results, g.inner, 1, g.conv.lanes)


def channels_pack(
    f: Function, g: ChannelsGeometry, source: Register, target: Register, units: Range
) -> None:
    """Packs the row-major weights."""
    each = panel_units(g.results, g.inner, 1, g.conv.lanes)
    packed = g.vectors * g.inner * g.conv.lanes

    def group(i: Index, units: Range) -> None:
        pack(
            f, g.conv.vector, g.results, channels_tile(g).vectors, g.inner, (1, g.inner),
            f.at(source, f.mul(i, g.results * g.inner), g.conv.type),
            f.at(target, f.mul(i, packed), g.conv.type), units,
        )  # fmt: skip

    if g.groups == 1:
        group(0, units)
        return
    with f.loop(0, g.groups) as one:
        first = f.mul(one.i, each)
        low, high = (f.min(each, f.max(0, f.sub(u, first))) for u in units)
        group(one.i, (low, high))


def channels_units(g: ChannelsGeometry) -> int:
    """Pieces of work: rows of the result, sample by sample and strip by strip."""
    strips = ceil(g.vectors / channels_tile(g).vectors)
    return g.samples * g.groups * strips * g.conv.out_height


def conv_channels(
    f: Function,
    g: ChannelsGeometry,
    source: Register,
    weight: Register,
    units: Range,
    store: Store,
    rows: int = 1,
) -> None:
    """Cross-correlation of `source` with the packed `weight` for a range of units, of which each
    is `rows` rows of the result; these divide its height."""
    _Kernel(f, g, source, weight, store, rows).write(units)


@dataclass(frozen=True)
class _Span:
    """A tile: where it starts, and which taps meet the source."""

    sample: Index
    row: Index
    column: Index
    columns: int
    channel: Index
    vectors: int
    last: int  # channels in the last vector
    downs: list[Reach]  # of each row
    across: Reach | Columns
    base: Index  # the source column from which `across` counts


class _Kernel:
    def __init__(
        self, f: Function, g: ChannelsGeometry, source: Register, weight: Register, store: Store,
        high: int,
    ) -> None:  # fmt: skip
        self.high = high
        self.f, self.g, self.source, self.weight, self.store = f, g, source, weight, store
        self.conv = g.conv
        self.type, self.vector, self.lanes = g.conv.type, g.conv.vector, g.conv.lanes
        self.rows, self.columns = g.conv.axis(0), g.conv.axis(1)
        self.tile = channels_tile(g)

    def write(self, units: Range) -> None:
        f, g = self.f, self.g
        runs = strip_runs(g.vectors, self.tile.vectors, g.last < self.lanes)
        strips = runs[-1].high
        high = self.rows.out // self.high
        each = g.groups * strips * high  # units of a sample
        with f.loop(*units) as unit:
            sample, place = opaque(f, f.udiv(unit.i, each)), f.urem(unit.i, each)
            part, row = f.udiv(place, high), opaque(f, f.mul(f.urem(place, high), self.high))
            group, strip = opaque(f, f.udiv(part, strips)), opaque(f, f.urem(part, strips))
            downs = [reach(f, self.rows, f.add(row, k)) for k in range(self.high)]
            for run in runs:
                if len(runs) == 1:
                    self._strip(run, group, strip, sample, row, downs)
                    continue
                test = f.test("slt" if run.low == 0 else "sge", strip, runs[-1].low)
                with f.when(test):
                    self._strip(run, group, strip, sample, row, downs)

    def _strip(
        self, run: Run, group: Index, strip: Index, sample: Index, row: Index,
        downs: list[Reach],
    ) -> None:  # fmt: skip
        """The rows of a unit, for the channels of one strip."""
        f, g, axis = self.f, self.g, self.columns
        first = run.start(f, strip)  # vector of the group
        panel = f.mul(f.add(f.mul(group, g.vectors), first), g.inner * self.lanes)
        weight = f.at(self.weight, panel, self.type)
        channel = f.add(f.mul(group, g.results), f.mul(first, self.lanes))
        sample_stride, channel_stride = g.strides[:2]
        at = f.mul(sample, sample_stride)
        if g.depthwise:
            at = f.add(at, f.mul(channel, channel_stride))
        else:
            at = f.add(at, f.mul(group, g.sources * channel_stride))
        source = f.at(self.source, at, self.type)
        ragged = g.last < self.lanes and run.high == ceil(g.vectors / self.tile.vectors)
        last = g.last if ragged else self.lanes

        def span(column: Index, width: int, across: Reach | Columns, base: Index) -> None:
            self._tile(source, weight, _Span(
                sample, row, column, width, channel, run.size, last, downs, across, base,
            ))  # fmt: skip

        if not self.tile.columns:
            with f.loop(0, axis.out) as each:
                span(each.i, 1, reach(f, axis, each.i), 0)
            return
        for start, width, count in axis.pieces(self.tile.columns):
            begin = axis.source_step(start)
            across = [[(k, x - begin) for k, x in axis.valid(start + t)] for t in range(width)]
            with f.loop(0, count) as tile:
                column = f.add(start, f.mul(tile.i, width))
                span(column, width, across, f.add(begin, f.mul(tile.i, axis.source_step(width))))

    def _tile(self, source: Register, weight: Register, s: _Span) -> None:
        sums = [x for down in s.downs for x in self._sums(source, weight, s, down)]
        for v in range(s.vectors):
            count = s.last if v == s.vectors - 1 else self.lanes
            channel = self.f.add(s.channel, v * self.lanes)
            self.store(sums[v :: s.vectors], s.sample, channel, s.row, s.column, count)

    def _sums(self, source: Register, weight: Register, s: _Span, down: Reach) -> list[Register]:
        """The results of a row of a tile, column by column."""
        f, g = self.f, self.g
        _, channel_stride, row_stride, column_stride = g.strides
        kernel, wide = self.conv.kernel, s.vectors * self.lanes
        zeros = [const(0, self.vector)] * (s.columns * s.vectors)
        source = f.at(source, f.mul(s.base, column_stride), self.type)
        with f.loop(0, g.sources, carry=zeros) as each:
            plane = f.at(source, f.mul(each.i, channel_stride), self.type)
            taps = f.at(weight, f.mul(each.i, kernel[0] * kernel[1] * wide), self.type)
            guard = False if down.never_empty else None
            with f.loop(down.low, down.high, carry=each.carry, guard=guard) as tap:
                row = f.add(down.source, f.mul(tap.i, down.source_step))
                line = f.at(plane, f.mul(row, row_stride), self.type)
                weights = f.at(taps, f.mul(tap.i, kernel[1] * wide), self.type)
                if isinstance(s.across, Reach):
                    tap.next = self._looped(tap.carry, line, weights, s, s.across)
                else:
                    tap.next = self._written(tap.carry, line, weights, s, s.across)
            each.next = tap.out
        return each.out

    def _written(
        self, sums: list[Register], line: Register, weights: Register, s: _Span, across: Columns
    ) -> list[Register]:
        """One kernel row, tap by tap."""
        f, sums, stride = self.f, list(sums), self.g.strides[3]
        for k in sorted({k for column in across for k, _ in column}):
            # Behind an opaque pointer elements are read anew: kept, they would be spilled.
            again = f.value(POINTER, f'call ptr asm "", "=r,0"({line.typed})')
            held = self._weights(weights, k, s)
            for t, column in enumerate(across):
                for x in (x for tap, x in column if tap == k):
                    self._add(sums, t, f.at(again, x * stride, self.type), held, s)
        return sums

    def _looped(
        self, sums: list[Register], line: Register, weights: Register, s: _Span, across: Reach
    ) -> list[Register]:
        """One kernel row for one column, its taps in a loop."""
        f, stride = self.f, self.g.strides[3]
        with f.loop(across.low, across.high, carry=sums) as tap:
            x = f.add(across.source, f.mul(tap.i, across.source_step))
            tap.next = list(tap.carry)
            held = self._weights(weights, tap.i, s)
            self._add(tap.next, 0, f.at(line, f.mul(x, stride), self.type), held, s)
        return tap.out

    def _weights(self, weights: Register, k: Index, s: _Span) -> list[Register]:
        f = self.f
        at = f.mul(k, s.vectors * self.lanes)
        align = min(64, self.lanes * self.type.size)
        return [
            f.load(weights, f.add(at, v * self.lanes), self.vector, align) for v in range(s.vectors)
        ]

    def _add(
        self, sums: list[Register], column: int, source: Register, held: list[Register], s: _Span
    ) -> None:
        """Adds one tap's products to the sums of a column."""
        f = self.f
        for v, weight in enumerate(held):
            if v == 0 or self.g.depthwise:
                value = self._source(source, v, s)
            at = column * s.vectors + v
            sums[at] = f.fma(value, weight, sums[at])

    def _source(self, source: Register, v: int, s: _Span) -> Register:
        f = self.f
        if not self.g.depthwise:
            return f.load_splat(source, 0, self.vector)
        at = v * self.lanes
        if v == s.vectors - 1 and s.last < self.lanes:
            mask = f.first(s.last, self.lanes)
            return f.load_masked(source, at, self.vector, mask, const(0, self.vector))
        return f.load(source, at, self.vector, self.type.size)

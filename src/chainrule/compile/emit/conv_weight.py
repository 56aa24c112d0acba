"""Adjoint of the convolution in its weight, with the batch in the vector lanes.

Every thread sums over its blocks: a register tile of output channels × input channels × taps of a
kernel row walks a band of rows, its vectors are then summed over their lanes and added to the
thread's partial sums, which lie tile after tile. `conv_weight_reduce` adds the threads' sums in
their order and brings the weights into row-major order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.conv import Range
from chainrule.compile.emit.lanes import lane_sums
from chainrule.compile.emit.tiles import Axis, ConvGeometry, weight_tile
from chainrule.compile.emit.types import Index, Register, const

__all__ = [
    "StoreWeights", "conv_weight", "conv_weight_partial_size", "conv_weight_reduce",
    "conv_weight_units", "each_tile", "finished",
]  # fmt: skip

StoreWeights = Callable[[Register, Index, int], None]  # elements, flat index of the first, count


def conv_weight(
    f: Function,
    g: ConvGeometry,
    source: Register,
    gradient: Register,
    partial: Register,
    blocks: Range,
    rows: Range | None = None,
) -> None:
    """Writes this thread's sums over a range of blocks (and of output rows) to `partial`, which
    has `conv_weight_partial_size(g)` elements. Lanes beyond the batch must be zero in `gradient`
    and finite in `source`."""
    _Sums(f, g, source, gradient, partial).write(blocks, rows)


def conv_weight_partial_size(g: ConvGeometry) -> int:
    """Elements of one thread's partial sums, a multiple of 16."""
    layout = _Layout(g)
    return 16 * ceil((layout.size + layout.weights) / 16)


def conv_weight_units(g: ConvGeometry) -> int:
    """Into how many parts the reduction can be split."""
    layout = _Layout(g)
    return ceil(g.groups / layout.bundle) * layout.outputs


def conv_weight_reduce(
    f: Function,
    g: ConvGeometry,
    partials: Register,
    threads: int,
    units: Range,
    store: StoreWeights,
) -> None:
    """Adds the partial sums of all threads, which follow one another, for a range of units.

    `store(x, first, count)` is written for the finished elements `first` … `first + count − 1`,
    in row-major order of the weight: a vector of `g.lanes` elements, or a scalar (count 1).
    """
    layout = _Layout(g)
    weights = g.group_in * g.kernel[0] * g.kernel[1]  # of one output channel
    rest = g.group_out % layout.tile.outputs
    ordered = f.at(partials, layout.size, g.type)

    def tile(group: Index, number: Index, count: int) -> Index:
        """Sums of one tile of output channels, brought into order; index of the first."""
        channel = f.add(f.mul(group, g.group_out), f.mul(number, layout.tile.outputs))
        first = f.mul(channel, weights)
        _ordered(f, g, layout, partials, threads, (group, number, count), first)
        return first

    with f.loop(*units) as unit:
        if layout.bundle > 1:
            low = f.mul(unit.i, layout.bundle)
            high = f.min(g.groups, f.add(low, layout.bundle))
            with f.loop(low, high) as each:
                tile(each.i, 0, g.group_out)
            count = f.mul(f.sub(high, low), g.group_out * weights)
            first = f.mul(low, g.group_out * weights)
            finished(f, g, ordered, first, count, store)
        else:
            group = f.udiv(unit.i, layout.outputs)
            number = f.urem(unit.i, layout.outputs)
            wide = layout.tile.outputs
            if g.group_out >= wide:
                with f.when(f.test("slt", number, g.group_out // wide)):
                    first = tile(group, number, wide)
                    finished(f, g, ordered, first, wide * weights, store)
            if rest:
                with f.when(f.test("eq", number, layout.outputs - 1)):
                    first = tile(group, number, rest)
                    finished(f, g, ordered, first, rest * weights, store)


class _Layout:
    """How a thread's partial sums lie: [group][output tile][input tile][kernel row][visit], where
    a visit's vectors hold [output][input][tap]; behind them, room for the weights in order."""

    def __init__(self, g: ConvGeometry) -> None:
        self.tile = tile = weight_tile(g)
        self.taps = 1 if tile.looped else g.kernel[1]
        self.visit = g.lanes * ceil(tile.outputs * tile.inputs * self.taps / g.lanes)
        self.outputs = ceil(g.group_out / tile.outputs)
        self.inputs = ceil(g.group_in / tile.inputs)
        self.row = (g.kernel[1] if tile.looped else 1) * self.visit
        self.input_tile = g.kernel[0] * self.row
        self.output_tile = self.inputs * self.input_tile
        self.group = self.outputs * self.output_tile
        self.size = g.groups * self.group
        of_group = g.group_out * g.group_in * g.kernel[0] * g.kernel[1]
        self.weights = g.groups * of_group
        # Small groups are reduced together, so that their weights fill vectors.
        self.bundle = min(g.groups, ceil(4 * g.lanes / of_group)) if self.outputs == 1 else 1


def each_tile(f: Function, total: int, width: int, body: Callable[[Index, int], None]) -> None:
    """`body(number, count)` for every tile of `width`, and for what remains."""
    if total >= width:
        with f.loop(0, total // width) as tile:
            body(tile.i, width)
    if total % width:
        body(total // width, total % width)


class _Sums:
    """The loops of `conv_weight`: blocks, bands of rows, groups, tiles of channels, kernel rows,
    rows of the band, columns."""

    def __init__(
        self, f: Function, g: ConvGeometry, source: Register, gradient: Register, partial: Register
    ) -> None:
        self.f, self.g = f, g
        self.source, self.gradient, self.partial = source, gradient, partial
        self.layout = _Layout(g)
        self.blocks: Index = 1  # that a visit walks
        self.rows, self.columns = g.axis(0), g.axis(1)
        inner = [c for c in range(g.out_width) if self.columns.inside(c, 1)]
        self.inner = (inner[0], inner[-1] + 1) if inner else (g.out_width, g.out_width)

    def write(self, blocks: Range, rows: Range | None) -> None:
        f, g, layout = self.f, self.g, self.layout
        zero = const(0, g.vector)
        with f.loop(0, layout.size, g.lanes) as place:
            f.store(zero, self.partial, place.i)
        low, high = rows or (0, g.out_height)
        with f.loop(*blocks, layout.tile.blocks) as block:
            source = self._at(self.source, f.mul(block.i, g.channels_in * g.stride_in))
            gradient = self._at(self.gradient, f.mul(block.i, g.channels_out * g.stride_out))
            if layout.tile.blocks > 1:
                self.blocks = f.min(layout.tile.blocks, f.sub(blocks[1], block.i))
            with f.loop(low, high, layout.tile.rows) as band:
                end = f.min(high, f.add(band.i, layout.tile.rows))
                with f.loop(0, g.groups) as group:
                    self._group(source, gradient, group.i, (band.i, end))

    def _at(self, pointer: Register, vectors: Index) -> Register:
        return self.f.at(pointer, self.f.mul(vectors, self.g.lanes), self.g.type)

    def _group(self, source: Register, gradient: Register, group: Index, band: Range) -> None:
        """All weights of a group, from one band of rows."""
        f, g, layout, tile = self.f, self.g, self.layout, self.layout.tile
        source = self._at(source, f.mul(group, g.group_in * g.stride_in))
        gradient = self._at(gradient, f.mul(group, g.group_out * g.stride_out))
        group_at = f.mul(group, layout.group)

        def outputs(o: Index, o_count: int) -> None:
            planes = self._at(gradient, f.mul(o, tile.outputs * g.stride_out))
            tile_at = f.add(group_at, f.mul(o, layout.output_tile))

            def inputs(i: Index, i_count: int) -> None:
                images = self._at(source, f.mul(i, tile.inputs * g.stride_in))
                at = f.add(tile_at, f.mul(i, layout.input_tile))
                with f.loop(0, g.kernel[0]) as k:
                    place = f.at(self.partial, f.add(at, f.mul(k.i, layout.row)), g.type)
                    self._kernel_row(images, planes, place, k.i, band, o_count, i_count)

            each_tile(f, g.group_in, tile.inputs, inputs)

        each_tile(f, g.group_out, tile.outputs, outputs)

    def _kernel_row(
        self,
        source: Register,
        gradient: Register,
        place: Register,
        k: Index,
        band: Range,
        outputs: int,
        inputs: int,
    ) -> None:
        """Adds one kernel row's sums over the band to the partial sums at `place`, if the row
        meets the source at all."""
        f, g, tile = self.f, self.g, self.layout.tile
        low, high = _meeting(f, self.rows, k)
        rows = (f.max(band[0], low), f.min(band[1], high))
        with f.when(f.test("slt", *rows)):
            if tile.looped:
                with f.loop(0, g.kernel[1]) as tap:
                    at = f.at(place, f.mul(tap.i, self.layout.visit), g.type)
                    self._visit(source, gradient, at, k, rows, tap.i, outputs, inputs)
            else:
                self._visit(source, gradient, place, k, rows, None, outputs, inputs)

    def _visit(
        self,
        source: Register,
        gradient: Register,
        place: Register,
        k: Index,
        rows: Range,
        tap: Index | None,
        outputs: int,
        inputs: int,
    ) -> None:
        f, g = self.f, self.g
        count = outputs * inputs * self.layout.taps
        zeros = [const(0, g.vector)] * (count * self.layout.tile.unroll)
        shift = f.sub(f.mul(k, self.rows.dilation), self.rows.padding)
        with f.loop(0, self.blocks, carry=zeros, guard=False) as block:
            x = self._at(source, f.mul(block.i, g.channels_in * g.stride_in))
            d = self._at(gradient, f.mul(block.i, g.channels_out * g.stride_out))
            with f.loop(*rows, carry=block.carry, guard=False) as row:
                across = f.add(f.mul(row.i, self.rows.stride), shift)
                image = self._at(x, f.mul(across, g.width))
                line = self._at(d, f.mul(row.i, g.out_width))
                if tap is None:
                    row.next = self._line(row.carry, image, line, outputs, inputs)
                else:
                    row.next = self._line_of_tap(row.carry, image, line, tap, outputs, inputs)
            block.next = row.out
        sums = block.out[:count]
        for copy in range(count, len(zeros), count):
            more = block.out[copy : copy + count]
            sums = [f.binary("fadd", a, b) for a, b in zip(sums, more, strict=True)]
        for start in range(0, count, g.lanes):
            total = lane_sums(f, sums[start : start + g.lanes])
            before = f.load(place, start, g.vector)
            f.store(f.binary("fadd", before, total), place, start)

    def _line(
        self, sums: list[Register], image: Register, line: Register, outputs: int, inputs: int
    ) -> list[Register]:
        """One row of the gradient against one row of the source, all taps of a kernel row."""
        f, axis = self.f, self.columns
        unroll = self.layout.tile.unroll
        low, high = self.inner
        bulk = (high - low) // unroll * unroll

        def columns(sums: list[Register], first: int, last: int) -> list[Register]:
            for c in range(first, last):
                sums = self._column(sums, image, line, (c,), axis, outputs, inputs)
            return sums

        sums = columns(sums, 0, low)
        with f.loop(low, low + bulk, unroll, carry=sums) as column:
            x = self._at(image, f.mul(column.i, axis.stride))
            d = self._at(line, column.i)
            inner = range(unroll)
            column.next = self._column(column.carry, x, d, inner, None, outputs, inputs)
        return columns(column.out, low + bulk, axis.out)

    def _column(
        self,
        sums: list[Register],
        image: Register,
        line: Register,
        columns: range | tuple[int, ...],
        edge: Axis | None,
        outputs: int,
        inputs: int,
    ) -> list[Register]:
        """Products of neighbouring columns, counted from the pointers, each into its own sums;
        with `edge`, only the taps that meet the source."""
        f, g, taps, sums = self.f, self.g, self.layout.taps, list(sums)
        count = outputs * inputs * taps
        seen: dict[tuple[int, int], Register] = {}

        def image_at(i: int, x: int) -> Register:
            if (i, x) not in seen:
                seen[i, x] = self._load(image, i * g.stride_in + x)
            return seen[i, x]

        for copy, c in enumerate(columns):
            met = edge.valid(c) if edge else self.columns.taps(c)
            pairs = [(i, k, x) for i in range(inputs) for k, x in met]
            if outputs <= len(pairs):
                held = [self._load(line, o * g.stride_out + c) for o in range(outputs)]
                order = [(o, *pair) for pair in pairs for o in range(outputs)]
            else:
                for i, _, x in pairs:
                    image_at(i, x)
                order = [(o, *pair) for o in range(outputs) for pair in pairs]
                held = []
            for o, i, k, x in order:
                if o == len(held):
                    held.append(self._load(line, o * g.stride_out + c))
                at = copy * count + (o * inputs + i) * taps + k
                sums[at] = f.fma(image_at(i, x), held[o], sums[at])
        return sums

    def _line_of_tap(
        self,
        sums: list[Register],
        image: Register,
        line: Register,
        tap: Index,
        outputs: int,
        inputs: int,
    ) -> list[Register]:
        """One row of the gradient against one row of the source, one tap."""
        f, g, axis = self.f, self.g, self.columns
        shift = f.sub(f.mul(tap, axis.dilation), axis.padding)
        with f.loop(*_meeting(f, axis, tap), carry=sums) as column:
            x = self._at(image, f.add(f.mul(column.i, axis.stride), shift))
            d = self._at(line, column.i)
            images = [self._load(x, i * g.stride_in) for i in range(inputs)]
            planes = [self._load(d, o * g.stride_out) for o in range(outputs)]
            pairs = [(b, a) for b in planes for a in images]
            column.next = [f.fma(a, b, s) for (b, a), s in zip(pairs, column.carry, strict=True)]
        return column.out

    def _load(self, pointer: Register, vectors: int) -> Register:
        size = self.g.lanes * self.g.type.size
        return self.f.load(pointer, vectors * self.g.lanes, self.g.vector, align=size)


def _meeting(f: Function, axis: Axis, k: Index) -> Range:
    """The positions whose tap k meets the source."""
    if axis.full:
        return 0, axis.out
    back = f.sub(axis.padding, f.mul(k, axis.dilation))
    low = f.div(f.add(back, axis.stride - 1), axis.stride)
    high = f.add(f.div(f.add(back, axis.size - 1), axis.stride), 1)
    return f.max(0, low), f.min(axis.out, high)


def _ordered(
    f: Function,
    g: ConvGeometry,
    layout: _Layout,
    partials: Register,
    threads: int,
    tile: tuple[Index, Index, int],
    first: Index,
) -> None:
    """Sums over the threads for one tile of output channels (group, number, how many), each
    element to its place in row-major order behind the first thread's sums."""
    group, number, outputs = tile
    size = conv_weight_partial_size(g)
    kernel = g.kernel[0] * g.kernel[1]
    base = f.add(f.mul(group, layout.group), f.mul(number, layout.output_tile))

    def inputs(i: Index, count: int) -> None:
        elements = outputs * count * layout.taps
        tile_at = f.add(base, f.mul(i, layout.input_tile))
        to = f.add(first, f.mul(i, layout.tile.inputs * kernel))
        visits = g.kernel[0] * (layout.row // layout.visit)
        with f.loop(0, visits) as visit:
            at = f.add(tile_at, f.mul(visit.i, layout.visit))
            starts = range(0, elements, g.lanes)
            own = [f.load(partials, f.add(at, s), g.vector) for s in starts]
            with f.loop(1, threads, carry=own) as thread:
                there = f.add(at, f.mul(thread.i, size))
                thread.next = [
                    f.binary("fadd", x, f.load(partials, f.add(there, s), g.vector))
                    for x, s in zip(thread.carry, starts, strict=True)
                ]
            place = f.add(to, f.mul(visit.i, layout.taps))
            pointer = f.at(partials, f.add(place, layout.size), g.type)
            for j in range(elements):
                o, rest = divmod(j, count * layout.taps)
                c, k = divmod(rest, layout.taps)
                x = f.extract(thread.out[j // g.lanes], j % g.lanes)
                f.store(x, pointer, (o * g.group_in + c) * kernel + k)

    each_tile(f, g.group_in, layout.tile.inputs, inputs)


def finished(
    f: Function, g: ConvGeometry, ordered: Register, first: Index, count: Index,
    store: StoreWeights,
) -> None:  # fmt: skip
    """Hands over `count` neighbouring weights, which lie in order, in vectors as far as they fill
    them."""
    whole = f.sub(count, f.mod(count, g.lanes))
    sums = f.at(ordered, first, g.type)
    with f.loop(0, whole, g.lanes) as vector:
        store(f.load(sums, vector.i, g.vector), f.add(first, vector.i), g.lanes)
    with f.loop(whole, count) as scalar:
        store(f.load(sums, scalar.i, g.type), f.add(first, scalar.i), 1)

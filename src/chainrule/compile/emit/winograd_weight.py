"""Adjoint of a 3×3 convolution in its weight by minimal filtering, with the batch in the lanes.

The adjoint of `winograd.py`'s formula: with a tile's sources d and the gradients e of its 2 × 2
results,

    ∂w = Gᵀ [Σ (A e Aᵀ) ⊙ (Bᵀ d B)] G

summed over all tiles and samples, 16 products a tile instead of 36. Every thread takes the tiles
of its blocks in bands that stay in the second-level cache, four points of the transformed tiles
at a time. `winograd_weight_reduce` adds the threads' sums and transforms them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.conv import Range
from chainrule.compile.emit.conv_weight import StoreWeights, each_tile, finished
from chainrule.compile.emit.lanes import lane_sums
from chainrule.compile.emit.tiles import BAND, LATENCY, LINE
from chainrule.compile.emit.types import Index, Register, const
from chainrule.compile.emit.winograd import GAIN, POINTS, TAPS, WinogradGeometry, minimal
from chainrule.compile.emit.winograd import points as source_points

SIDE = 4  # points in a row of a transformed tile
WIDTH = 2  # tiles that are transformed together
# Rows of a tile's sources that a row of points takes, and how.
_ROWS = ((0, 2, "fsub"), (1, 2, "fadd"), (2, 1, "fsub"), (1, 3, "fsub"))


def winograd_weight_pays(g: WinogradGeometry) -> bool:
    """Whether the convolution has the form, and fewer products outweigh the transforms."""
    if not minimal(g) or _Layout(g).rows == 0:
        return False
    height, width = g.result_size
    tiles = ceil(height / 2) * ceil(width / 2)
    products = g.sources * g.results
    cycles = tiles * (POINTS * products / 2 * 1.1 + 75 * (g.sources + g.results))
    return cycles < GAIN * height * width * TAPS * products / 2


def winograd_weight_partial_size(g: WinogradGeometry) -> int:
    """Elements of one thread's partial sums, a multiple of 16."""
    layout = _Layout(g)
    return 16 * ceil((layout.size + TAPS * g.sources * g.results) / 16)


def winograd_weight_scratch(g: WinogradGeometry) -> int:
    """Elements that each thread needs for one band: sources, gradients, and a row of zeros."""
    layout = _Layout(g)
    vectors = SIDE * layout.pitch * (g.sources + g.results)
    return (vectors + max(g.source_size[1], g.result_size[1])) * g.conv.lanes


def winograd_weight_units(g: WinogradGeometry) -> int:
    """Into how many parts the reduction can be split."""
    return _Layout(g).outputs


class _Layout:
    """Tiles of channels; how a thread's partial sums lie, [point][output tile][input tile][visit]
    where a visit's vectors hold [output][input], and behind them room for the weights in order;
    and `rows`, how many rows of tiles a band has (0: a row is too much for the cache)."""

    def __init__(self, g: WinogradGeometry) -> None:
        self.tile = _tile(g.results, g.sources, g.conv.registers)
        wide, deep = self.tile
        self.visit = g.conv.lanes * ceil(wide * deep / g.conv.lanes)
        self.outputs, self.inputs = ceil(g.results / wide), ceil(g.sources / deep)
        self.output_tile = self.inputs * self.visit
        self.point = self.outputs * self.output_tile
        self.size = POINTS * self.point
        self.down, self.across = (ceil(n / 2) for n in g.result_size)
        row = SIDE * (g.sources + g.results) * self.across * g.conv.lanes * g.type.size
        self.rows = max(1, BAND // row) if row <= 2 * BAND else 0
        # Channels a multiple of 4096 bytes apart would share cache sets.
        self.pitch = self.rows * self.across + 1


@lru_cache(maxsize=1024)
def _tile(results: int, sources: int, registers: int) -> tuple[int, int]:
    """Result × source channels of a register tile: the cheapest by the model of `tiles.py`."""
    best, cost = (1, 1), inf
    for wide in range(1, min(results, 12) + 1):
        for deep in range(1, min(sources, 12) + 1):
            if wide * deep + min(wide, deep) + 1 > registers - 1:
                break
            cycles = 0.0
            for o, outputs in ((wide, results // wide), (results % wide, 1)):
                for s, inputs in ((deep, sources // deep), (sources % deep, 1)):
                    work = max(o * s / 2, (o + s) / 2, LINE * s, LATENCY) + 0.5
                    cycles += outputs * inputs * work if o and s else 0
            if cycles < cost - 1e-9:
                best, cost = (wide, deep), cycles
    return best


# --------------------------------------------------------------------------- one thread's sums


def winograd_weight(
    f: Function,
    g: WinogradGeometry,
    source: Register,
    gradient: Register,
    partial: Register,
    scratch: Register,
    blocks: Range,
) -> None:
    """Writes this thread's sums over a range of blocks to `partial`, which has
    `winograd_weight_partial_size(g)` elements. Lanes beyond the batch must be zero in `gradient`
    and finite in `source`."""
    _Sums(f, g, source, gradient, partial, scratch).write(blocks)


@dataclass(frozen=True)
class _Place:
    """A row of tiles: its block and first row of results, and where its tiles lie in the band."""

    block: Index
    row: Index
    first: Index


class _Sums:
    """The loops: bands, rows of points, rows of tiles; then points, tiles of channels, tiles."""

    def __init__(
        self, f: Function, g: WinogradGeometry, source: Register, gradient: Register,
        partial: Register, scratch: Register,
    ) -> None:  # fmt: skip
        self.f, self.g, self.layout = f, g, _Layout(g)
        self.source, self.gradient, self.partial = source, gradient, partial
        self.vector, self.lanes = g.conv.vector, g.conv.lanes
        pitch = SIDE * self.layout.pitch
        self.sources = scratch
        self.gradients = self._at(scratch, g.sources * pitch)
        self.zeros = self._at(self.gradients, g.results * pitch)

    def _at(self, pointer: Register, vectors: Index) -> Register:
        return self.f.at(pointer, self.f.mul(vectors, self.lanes), self.vector)

    def _load(self, line: Register, vectors: int) -> Register:
        size = self.lanes * self.g.type.size
        return self.f.load(line, vectors * self.lanes, self.vector, align=size)

    def write(self, blocks: Range) -> None:
        f, g, layout = self.f, self.g, self.layout
        zero = const(0, self.vector)
        with f.loop(0, layout.size, self.lanes) as at:
            f.store(zero, self.partial, at.i)
        with f.loop(0, max(g.source_size[1], g.result_size[1])) as column:
            f.store(zero, self.zeros, f.mul(column.i, self.lanes))
        low, high = (f.mul(b, layout.down) for b in blocks)
        with f.loop(low, high, layout.rows) as band:
            end = f.min(high, f.add(band.i, layout.rows))
            for i in range(SIDE):
                with f.loop(band.i, end) as line:
                    block, row = f.div(line.i, layout.down), f.mod(line.i, layout.down)
                    first = f.mul(f.sub(line.i, band.i), layout.across)
                    place = _Place(block, f.mul(row, 2), first)
                    self._transform_sources(i, place)
                    self._transform_gradients(i, place)
                count = f.mul(f.sub(end, band.i), layout.across)
                with f.loop(0, SIDE) as point:
                    self._products(f.add(point.i, SIDE * i), point.i, count)

    # ---- Bᵀ d B and A e Aᵀ ----------------------------------------------------------------------

    def _transform_sources(self, i: int, place: _Place) -> None:
        """The points (i, ·) of the sources of a row of tiles, for all channels."""
        f, g, (top, left) = self.f, self.g, self.g.corner
        height, across = g.source_size
        a, b, op = _ROWS[i]
        image = self._at(self.source, f.mul(place.block, g.sources * g.source_plane))
        with f.loop(0, g.sources) as s:
            plane = self._at(image, f.mul(s.i, g.source_plane))
            rows = [f.add(f.sub(place.row, top), k) for k in (a, b)]
            lines = [self._row(plane, row, across, height) for row in rows]
            to = self._at(self.sources, f.add(f.mul(s.i, self.layout.pitch), place.first))
            for start, width, count in g.pieces(WIDTH):
                with f.loop(0, count) as each:
                    first = f.add(start, f.mul(each.i, WIDTH))
                    column = f.sub(f.mul(first, 2), left)
                    here = [self._at(line, column) for line in lines]
                    known = range(left - 2 * start, across + left - 2 * start)
                    down = [
                        f.binary(op, *(self._load(p, j) for p in here)) if j in known else None
                        for j in range(2 * width + 2)
                    ]
                    for t in range(width):
                        values = source_points(f, down[2 * t : 2 * t + 4], self.vector)
                        self._keep(values, to, f.add(first, t), g.sources)

    def _transform_gradients(self, i: int, place: _Place) -> None:
        """The points (i, ·) of the gradients of a row of tiles, for all channels."""
        f, g = self.f, self.g
        height, across = g.result_size
        image = self._at(self.gradient, f.mul(place.block, g.results * g.result_plane))
        with f.loop(0, g.results) as o:
            plane = self._at(image, f.mul(o.i, g.result_plane))
            rows = [place.row, f.add(place.row, 1)]
            lines = [self._row(plane, row, across, height) for row in rows]
            to = self._at(self.gradients, f.add(f.mul(o.i, self.layout.pitch), place.first))
            whole = across // 2

            def tile(
                t: Index, columns: int, lines: list[Register] = lines, to: Register = to
            ) -> None:
                here = [self._at(line, f.mul(t, 2)) for line in lines]
                values = [
                    self._gradient_points([self._load(p, j) for p in here])[i]
                    for j in range(columns)
                ]
                self._keep(self._gradient_points(values), to, t, g.results)

            with f.loop(0, whole) as t:
                tile(t.i, 2)
            if across % 2:
                tile(whole, 1)

    def _gradient_points(self, e: list[Register]) -> list[Register]:
        """A e: two gradients (or the first alone) at four points."""
        f = self.f
        if len(e) == 1:
            return [e[0], e[0], e[0], const(0, self.vector)]
        a, b = e
        return [a, f.binary("fadd", a, b), f.binary("fsub", a, b), f.negate(b)]

    def _row(self, plane: Register, row: Index, across: int, height: int) -> Register:
        """A row of a plane; zeros outside."""
        f = self.f
        inside = f.binary("and", f.test("sge", row, 0), f.test("slt", row, height))
        return f.select(inside, self._at(plane, f.mul(row, across)), self.zeros)

    def _keep(self, values: list[Register], to: Register, tile: Index, channels: int) -> None:
        """Writes four points of a tile."""
        step = channels * self.layout.pitch * self.lanes
        here = self._at(to, tile)
        for j, x in enumerate(values):
            self.f.store(x, here, j * step)

    # ---- the products --------------------------------------------------------------------------

    def _products(self, point: Index, column: Index, tiles: Index) -> None:
        """Adds a point's sums over the band to the partial sums; `column`: its place in a row of
        points."""
        f, g, layout = self.f, self.g, self.layout
        wide, deep = layout.tile
        d = self._at(self.sources, f.mul(column, g.sources * layout.pitch))
        e = self._at(self.gradients, f.mul(column, g.results * layout.pitch))
        sums = f.at(self.partial, f.mul(point, layout.point), g.type)

        def outputs(o: Index, o_count: int) -> None:
            lines = self._at(e, f.mul(o, wide * layout.pitch))
            row = f.at(sums, f.mul(o, layout.output_tile), g.type)

            def inputs(s: Index, s_count: int) -> None:
                images = self._at(d, f.mul(s, deep * layout.pitch))
                place = f.at(row, f.mul(s, layout.visit), g.type)
                self._visit(lines, images, place, o_count, s_count, tiles)

            each_tile(f, g.sources, deep, inputs)

        each_tile(f, g.results, wide, outputs)

    def _visit(
        self, lines: Register, images: Register, place: Register, outputs: int, inputs: int,
        tiles: Index,
    ) -> None:  # fmt: skip
        f, pitch = self.f, self.layout.pitch
        count = outputs * inputs
        zeros = [const(0, self.vector)] * count
        with f.loop(0, tiles, carry=zeros, guard=False) as tile:
            e, d = self._at(lines, tile.i), self._at(images, tile.i)
            sums = list(tile.carry)
            if outputs <= inputs:
                held = [self._load(e, o * pitch) for o in range(outputs)]
                for s in range(inputs):
                    x = self._load(d, s * pitch)
                    for o in range(outputs):
                        at = o * inputs + s
                        sums[at] = f.fma(x, held[o], sums[at])
            else:
                held = [self._load(d, s * pitch) for s in range(inputs)]
                for o in range(outputs):
                    x = self._load(e, o * pitch)
                    for s in range(inputs):
                        at = o * inputs + s
                        sums[at] = f.fma(x, held[s], sums[at])
            tile.next = sums
        for start in range(0, count, self.lanes):
            total = lane_sums(f, tile.out[start : start + self.lanes])
            before = f.load(place, start, self.vector)
            f.store(f.binary("fadd", before, total), place, start)


# ------------------------------------------------------------------------- the sums of all threads


def winograd_weight_reduce(
    f: Function,
    g: WinogradGeometry,
    partials: Register,
    threads: int,
    units: Range,
    store: StoreWeights,
) -> None:
    """Adds the partial sums of all threads, which follow one another, and transforms them back,
    for a range of units; `store` as in `conv_weight_reduce`."""
    layout = _Layout(g)
    weights, wide = g.sources * TAPS, layout.tile[0]
    rest = g.results % wide
    ordered = f.at(partials, layout.size, g.type)

    def tile(number: Index, count: int) -> None:
        first = f.mul(number, wide * weights)
        _transform_back(
            f, g, layout, partials, threads, number, count, f.at(ordered, first, g.type)
        )
        finished(f, g.conv, ordered, first, count * weights, store)

    with f.loop(*units) as unit:
        if g.results >= wide:
            with f.when(f.test("slt", unit.i, g.results // wide)):
                tile(unit.i, wide)
        if rest:
            with f.when(f.test("eq", unit.i, layout.outputs - 1)):
                tile(unit.i, rest)


def _transform_back(
    f: Function, g: WinogradGeometry, layout: _Layout, partials: Register, threads: int,
    number: Index, outputs: int, to: Register,
) -> None:  # fmt: skip
    """The weights of one tile of result channels, in row-major order, to `to`. A vector holds one
    point of as many pairs of channels as it has lanes."""
    vector, lanes = g.conv.vector, g.conv.lanes
    size = winograd_weight_partial_size(g)

    def inputs(s: Index, count: int) -> None:
        place = f.affine((number, layout.output_tile), (s, layout.visit))
        channel = f.mul(s, layout.tile[1] * TAPS)
        for start in range(0, outputs * count, lanes):
            at = [f.add(place, start + p * layout.point) for p in range(POINTS)]
            own = [f.load(partials, p, vector) for p in at]
            with f.loop(1, threads, carry=own) as thread:
                there = f.at(partials, f.mul(thread.i, size), g.type)
                thread.next = [
                    f.binary("fadd", x, f.load(there, p, vector))
                    for x, p in zip(thread.carry, at, strict=True)
                ]
            u = thread.out
            rows = [_taps(f, u[j::SIDE]) for j in range(SIDE)]  # down each column of points
            taps = [w for k in range(3) for w in _taps(f, [row[k] for row in rows])]
            for lane in range(min(lanes, outputs * count - start)):
                o, c = divmod(start + lane, count)
                line = f.at(to, f.add(channel, (o * g.sources + c) * TAPS), g.type)
                for k, w in enumerate(taps):
                    f.store(f.extract(w, lane), line, k)

    each_tile(f, g.sources, layout.tile[1], inputs)


def _taps(f: Function, u: list[Register]) -> list[Register]:
    """Gᵀ u: three taps from four points."""
    half = const(0.5, u[0].type)
    total = f.binary("fmul", f.binary("fadd", u[1], u[2]), half)
    middle = f.binary("fmul", f.binary("fsub", u[1], u[2]), half)
    return [f.binary("fadd", u[0], total), middle, f.binary("fadd", total, u[3])]

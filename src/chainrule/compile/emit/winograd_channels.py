"""3×3 convolutions by minimal filtering, with the channels in the vector lanes.

The method is that of `winograd.py`, for small batches: a tile of 4 × 4 sources gives 2 × 2 results
by 16 products instead of 36. Here the tiles of a sample, in rows one after the other, are taken in
pieces; a piece is transformed for all source channels, multiplied at each of the 16 points with
the transformed weights (a matrix product of tiles × source channels with vectors of result
channels, whose sums stay in registers), and transformed back.

Each thread does all pieces for a part of the result channels, where these can be shared out: it
then transforms the weights that it needs itself, instead of reading half of them from the cache of
another core.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf
from typing import Any

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.conv_channels import ChannelsGeometry
from chainrule.compile.emit.lanes import transpose
from chainrule.compile.emit.product import opaque
from chainrule.compile.emit.tiles import LATENCY, LINE
from chainrule.compile.emit.types import Index, Register, Type, const
from chainrule.compile.emit.winograd import GAIN, POINTS, TAPS, kernel_points, pair, points

Range = tuple[Index, Index]
# What holds for a vector of result channels: sample, first channel.
Lanes = Callable[[Index, Index], AbstractContextManager[None]]
Store = Callable[[Register, Index, Index], None]  # result, row, column
# The results of a tile, line by line; row and column of the tile.
Window = Callable[[list[list[Register]], Index, Index], None]
SIDE = 4  # sources of a tile in each direction


@dataclass(frozen=True)
class WinogradChannels:
    """A 3×3 convolution of stride 1 for `threads` threads. The channels of the source lie side by
    side, and are, as those of the result, whole vectors."""

    channels: ChannelsGeometry
    threads: int

    @property
    def type(self) -> Type:
        return self.channels.type

    @property
    def sources(self) -> int:
        return self.channels.sources

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return ceil(self.channels.conv.out_height / 2)

    @property
    def across(self) -> int:
        """Tiles in a row."""
        return ceil(self.channels.conv.out_width / 2)

    @property
    def tiles(self) -> int:
        """Of a sample."""
        return self.down * self.across

    @property
    def tile(self) -> tuple[int, int]:
        """Tiles of a piece, and vectors of result channels, whose sums are in registers."""
        return _piece(self)[0]

    @property
    def parts(self) -> int:
        """Into how many parts the result channels are divided."""
        return _piece(self)[1]

    @property
    def own(self) -> int:
        """Vectors of result channels in a part."""
        return self.channels.vectors // self.parts

    @property
    def pieces(self) -> int:
        """Of a sample."""
        return ceil(self.tiles / self.tile[0])

    @property
    def units(self) -> int:
        """Pieces of work: part by part, sample by sample."""
        return self.parts * self.channels.samples * self.pieces

    # Elements from one point to the next: one vector more than needed, since powers of two share
    # cache sets.

    @property
    def source_point(self) -> int:
        """Of the transformed sources: [tile][source channel]."""
        return self.tile[0] * self.sources + self.channels.conv.lanes

    @property
    def weight_point(self) -> int:
        """Of the transformed weights: [part][strip][source channel][vectors of the strip]."""
        return (self.sources * self.channels.vectors + 1) * self.channels.conv.lanes

    @property
    def product_point(self) -> int:
        """Of the products: [tile][vector of result channels]."""
        return (self.tile[0] * self.own + 1) * self.channels.conv.lanes


@lru_cache(maxsize=1024)
def _piece(g: WinogradChannels) -> tuple[tuple[int, int], int, float]:
    """The cheapest tile, the parts, and the cycles of all threads, transformed weights included."""
    lanes, registers = g.channels.conv.lanes, g.channels.conv.registers
    sources, vectors = g.sources, g.channels.vectors
    best, parts, cost = (1, 1), 1, inf
    for divided in {1, g.threads if vectors % g.threads == 0 else 1}:
        own = vectors // divided
        # What it takes longer to transform the weights than to pack them; half of those that a
        # thread reads come from another core's cache, if it did not transform them itself.
        weights = (80 if divided == g.threads else 150) * sources * vectors
        for wide in range(1, min(own, 4) + 1):
            strips = [wide] * (own // wide) + [own % wide] * (own % wide > 0)
            for tiles in range(1, min(g.tiles, registers) + 1):
                if tiles * wide + wide + 1 > registers - 1:
                    break
                products = POINTS * sum(
                    sources * max(tiles * w / 2, (tiles + w) / 2, LINE * w, LATENCY) + 3 * tiles * w
                    for w in strips
                )
                moved = tiles * (25 * sources / lanes + 20 * own + 20)
                units = divided * g.channels.samples * ceil(g.tiles / tiles)
                cycles = g.threads * ceil(units / g.threads) * (products + moved) + weights
                if cycles < cost - 1e-9:
                    best, parts, cost = (tiles, wide), divided, cycles
    return best, parts, cost


def winograd_channels_fits(g: WinogradChannels) -> bool:
    """Whether the convolution has the form."""
    c, whole = g.channels.conv, (g.sources, g.channels.results)
    return (
        (c.kernel, c.stride, c.dilation, c.groups) == ((3, 3), (1, 1), (1, 1), 1)
        and g.type.kind == "f32"
        and g.channels.strides[1] == 1
        and not any(n % c.lanes for n in whole)
    )


def winograd_channels_pays(g: WinogradChannels) -> bool:
    """Whether the convolution has the form, and fewer products outweigh the transforms."""
    if not winograd_channels_fits(g):
        return False
    c = g.channels.conv
    results = g.channels.samples * c.out_height * c.out_width * g.channels.vectors
    direct = results * TAPS * g.sources / 2
    return _piece(g)[2] < GAIN * direct


def winograd_channels_weights_size(g: WinogradChannels) -> int:
    """Elements of the transformed weights."""
    return POINTS * g.weight_point


def winograd_channels_weights_units(g: WinogradChannels) -> int:
    """Pieces of work: a vector of result channels for as many source channels."""
    return g.channels.vectors * (g.sources // g.channels.conv.lanes)


def winograd_channels_scratch(g: WinogradChannels) -> int:
    """Elements that each thread needs: transformed sources, products, zeros."""
    return POINTS * (g.source_point + g.product_point) + g.sources


def winograd_channels_flops(g: WinogradChannels) -> int:
    """Floating-point operations as they are done here."""
    results = g.channels.results
    each = 2 * POINTS * g.sources * results + 32 * g.sources + 24 * results
    return g.channels.samples * g.tiles * each


# ----------------------------------------------------------------------------------- the weights


def winograd_channels_weights(
    f: Function, g: WinogradChannels, weight: Register, target: Register, units: Range
) -> None:
    """G w Gᵀ for a range of units, point by point as the products read it."""
    vector, lanes, wide = g.channels.conv.vector, g.channels.conv.lanes, g.tile[1]
    parts, line = g.sources // lanes, g.sources * TAPS  # of a result channel
    turned = f.allocate(vector, TAPS * lanes)
    with f.loop(*units) as unit:
        v, part = opaque(f, f.udiv(unit.i, parts)), opaque(f, f.urem(unit.i, parts))
        at = f.add(f.mul(v, lanes * line), f.mul(part, lanes * TAPS))
        read = f.at(weight, at, g.type)
        with f.loop(0, TAPS) as block:  # the lanes' weights lie far apart: turned as squares
            here = f.at(read, f.mul(block.i, lanes), g.type)
            rows = transpose(f, [f.load(here, i * line, vector, g.type.size) for i in range(lanes)])
            for i, row in enumerate(rows):
                f.store(row, turned, f.mul(f.add(f.mul(block.i, lanes), i), lanes))
        begin, inside = f.mul(f.udiv(v, g.own), g.own), f.urem(v, g.own)
        strip = f.mul(f.udiv(inside, wide), wide)
        size = f.min(wide, f.sub(g.own, strip)) if g.own % wide else wide
        first = f.add(begin, strip)  # vector of the strip
        begin = f.add(f.mul(first, g.sources), f.sub(v, first))
        with f.loop(0, lanes) as s:
            here = f.at(turned, f.mul(s.i, TAPS * lanes), g.type)
            taps = [f.load(here, k * lanes, vector) for k in range(TAPS)]
            down = [kernel_points(f, taps[k::3]) for k in range(3)]  # of each kernel column
            source = f.add(f.mul(part, lanes), s.i)
            to = f.at(target, f.mul(f.add(f.mul(source, size), begin), lanes), g.type)
            for i in range(SIDE):
                for j, u in enumerate(kernel_points(f, [d[i] for d in down])):
                    f.store(u, to, (SIDE * i + j) * g.weight_point)


# -------------------------------------------------------------------------------- the convolution


def winograd_channels(
    f: Function,
    g: WinogradChannels,
    source: Register,
    weights: Register,
    scratch: Register,
    units: Range,
    along: Lanes,
    store: Store | Window,
    pooled: bool = False,
) -> None:
    """The convolution for a range of pieces, with `weights` as `winograd_channels_weights` leaves
    them. `store(result, row, column)` is written for every result vector, inside of `along(sample,
    channel)`; `pooled`: for the results of a tile together. `scratch` is this thread's own."""
    _Winograd(f, g, source, weights, scratch, along, store, pooled).write(units)


class _Winograd:
    """The loops: pieces of tiles, strips of result channels."""

    def __init__(
        self, f: Function, g: WinogradChannels, source: Register, weights: Register,
        scratch: Register, along: Lanes, store: Any, pooled: bool,
    ) -> None:  # fmt: skip
        self.f, self.g, self.along, self.store, self.pooled = f, g, along, store, pooled
        self.source, self.weights, self.moved = source, weights, scratch
        self.conv = g.channels.conv
        self.lanes, self.vector, self.type = self.conv.lanes, self.conv.vector, g.type
        self.count, self.wide = g.tile
        self.products = f.at(scratch, POINTS * g.source_point, g.type)
        self.zeros = f.at(self.products, POINTS * g.product_point, g.type)

    def write(self, units: Range) -> None:
        f, g = self.f, self.g
        with f.loop(0, g.sources, self.lanes) as s:
            f.store(const(0, self.vector), self.zeros, s.i)
        with f.loop(*units) as unit:
            line = f.udiv(unit.i, g.pieces)
            part = opaque(f, f.udiv(line, g.channels.samples))
            sample = opaque(f, f.urem(line, g.channels.samples))
            first = opaque(f, f.mul(f.urem(unit.i, g.pieces), self.count))
            count: Index = self.count
            if g.tiles % self.count:
                count = opaque(f, f.min(self.count, f.sub(g.tiles, first)))
            at = f.mul(sample, g.channels.strides[0])
            self._sources(f.at(self.source, at, self.type), first, count)
            self._products(part)
            with f.loop(0, g.own) as v:
                self._results(part, sample, first, count, v.i)

    def _corner(self, tile: Index) -> tuple[Index, Index]:
        """The first row and column of the results of a tile."""
        f, across = self.f, self.g.across
        row, column = f.udiv(tile, across), f.urem(tile, across)
        return opaque(f, f.mul(row, 2)), opaque(f, f.mul(column, 2))

    # ---- Bᵀ d B -------------------------------------------------------------------------------

    def _sources(self, source: Register, first: Index, count: Index) -> None:
        """Transforms the sources of a piece, tile after tile."""
        f, g = self.f, self.g
        _, _, row_stride, column_stride = g.channels.strides
        (top, _), (left, _) = self.conv.padding
        with f.loop(0, count) as each:
            row, column = self._corner(f.add(first, each.i))
            row, column = f.sub(row, top), f.sub(column, left)
            rows = [self._inside(f.add(row, i), self.conv.height) for i in range(SIDE)]
            columns = [self._inside(f.add(column, j), self.conv.width) for j in range(SIDE)]
            at = f.add(f.mul(row, row_stride), f.mul(column, column_stride))
            corner = f.at(source, at, self.type)
            pointers = []
            for i, low in enumerate(rows):
                line = f.at(corner, i * row_stride, self.type)
                for j, high in enumerate(columns):
                    place = f.at(line, j * column_stride, self.type)
                    inside = f.binary("and", low, high)
                    pointers.append(f.select(inside, place, self.zeros))
            to = f.at(self.moved, f.mul(each.i, g.sources), self.type)
            with f.loop(0, g.sources, self.lanes) as s:
                d = [f.load(p, s.i, self.vector, self.type.size) for p in pointers]
                down = [points(f, list(d[j::SIDE]), self.vector) for j in range(SIDE)]
                here = f.at(to, s.i, self.type)
                for i in range(SIDE):
                    for j, x in enumerate(points(f, [c[i] for c in down], self.vector)):
                        f.store(x, here, (SIDE * i + j) * g.source_point)

    def _inside(self, at: Index, size: int) -> Register:
        f = self.f
        return f.binary("and", f.test("sge", at, 0), f.test("slt", at, size))

    # ---- the products, and Aᵀ m A --------------------------------------------------------------

    def _products(self, part: Index) -> None:
        """The matrix product at each point."""
        f, g = self.f, self.g
        rest = g.own % self.wide
        whole = g.own - rest
        weights = f.at(self.weights, f.mul(part, g.own * g.sources * self.lanes), self.type)
        with f.loop(0, POINTS) as point:
            line = f.at(self.moved, f.mul(point.i, g.source_point), self.type)
            kernel = f.at(weights, f.mul(point.i, g.weight_point), self.type)
            to = f.at(self.products, f.mul(point.i, g.product_point), self.type)
            with f.loop(0, whole, self.wide) as strip:
                self._strip(line, kernel, to, strip.i, self.wide)
            if rest:
                self._strip(line, kernel, to, whole, rest)

    def _strip(
        self, line: Register, kernel: Register, to: Register, start: Index, wide: int
    ) -> None:
        """The products of all tiles with `wide` vectors of channels, from vector `start` on."""
        f, g, lanes = self.f, self.g, self.lanes
        kernel = f.at(kernel, f.mul(start, g.sources * lanes), self.type)
        zeros = [const(0, self.vector)] * (self.count * wide)
        with f.loop(0, g.sources, carry=zeros) as s:
            here = f.at(kernel, f.mul(s.i, wide * lanes), self.type)
            held = [f.load(here, w * lanes, self.vector) for w in range(wide)]
            tile, sums = f.at(line, s.i, self.type), list(s.carry)
            for t in range(self.count):
                d = f.load_splat(tile, t * g.sources, self.vector)
                for w, weight in enumerate(held):
                    sums[t * wide + w] = f.fma(d, weight, sums[t * wide + w])
            s.next = sums
        to = f.at(to, f.mul(start, lanes), self.type)
        for k, x in enumerate(s.out):
            t, w = divmod(k, wide)
            f.store(x, to, (t * g.own + w) * lanes)

    def _results(
        self, part: Index, sample: Index, first: Index, count: Index, vector: Index
    ) -> None:
        """Aᵀ m A of all tiles, and what becomes of it, for one vector of channels."""
        f, g = self.f, self.g
        channel = f.mul(f.add(f.mul(part, g.own), vector), self.lanes)
        with self.along(sample, channel), f.loop(0, count) as each:
            tile = f.add(first, each.i)
            at = f.mul(f.add(f.mul(each.i, g.own), vector), self.lanes)
            line = f.at(self.products, at, self.type)
            m = [f.load(line, k * g.product_point, self.vector) for k in range(POINTS)]
            down = [pair(f, m[j::SIDE], 2) for j in range(SIDE)]
            results = [pair(f, [down[j][a] for j in range(SIDE)], 2) for a in range(2)]
            if self.pooled:
                self.store(results, f.udiv(tile, g.across), f.urem(tile, g.across))
            else:
                row, column = self._corner(tile)
                for a, both in enumerate(results):
                    for b, x in enumerate(both):
                        self._store(x, row, column, a, b)

    def _store(self, x: Register, row: Index, column: Index, a: int, b: int) -> None:
        """A result, if there is one: an odd end has half a tile."""
        f, tests = self.f, []
        row, column = f.add(row, a), f.add(column, b)
        if a and self.conv.out_height % 2:
            tests.append(f.test("slt", row, self.conv.out_height))
        if b and self.conv.out_width % 2:
            tests.append(f.test("slt", column, self.conv.out_width))
        if not tests:
            self.store(x, row, column)
            return
        test = tests[0] if len(tests) == 1 else f.binary("and", tests[0], tests[1])
        with f.when(test):
            self.store(x, row, column)

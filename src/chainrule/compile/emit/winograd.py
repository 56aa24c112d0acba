"""3×3 convolutions by minimal filtering, with the batch in the vector lanes.

Two results of a row and three taps need four products instead of six, in both directions 16
instead of 36 for a tile of 2 × 2 results: F(2×2, 3×3) of Lavin and Gray, "Fast algorithms for
convolutional neural networks" (2016), after Winograd. With d the 4 × 4 sources of a tile,

    y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A

where B, G and A hold only 0, ±1 and ±½, so that errors stay near those of the direct sum. The
products are 16 independent matrix products over the source channels, one for each point of the
transformed tile.

The adjoint in the input is a convolution too: of the gradient with the rotated kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, inf

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.tiles import CACHE, LATENCY, LINE, ConvGeometry
from chainrule.compile.emit.types import Index, Register, Type, const

Range = tuple[Index, Index]
Place = Callable[[Index, Index, Index, Index], None]  # block, channel, row, column
Store = Callable[[Register, Index, Index, Index, Index], None]  # result, and its place

POINTS = 16  # products of a tile
TAPS = 9
SHIFT = 4  # vectors between the points of a piece, which else would share cache sets
GAIN = 0.85  # of the direct kernel's cycles: what must at least be saved


@dataclass(frozen=True)
class WinogradGeometry:
    """A 3×3 convolution (`adjoint`: its adjoint in the input), as a map of source planes to
    result planes; result (i, j) reads the sources from (i − top, j − left) on."""

    conv: ConvGeometry
    adjoint: bool = False

    @property
    def type(self) -> Type:
        return self.conv.type

    @property
    def sources(self) -> int:
        return self.conv.channels_out if self.adjoint else self.conv.channels_in

    @property
    def results(self) -> int:
        return self.conv.channels_in if self.adjoint else self.conv.channels_out

    @property
    def source_size(self) -> tuple[int, int]:
        g = self.conv
        return (g.out_height, g.out_width) if self.adjoint else (g.height, g.width)

    @property
    def result_size(self) -> tuple[int, int]:
        g = self.conv
        return (g.height, g.width) if self.adjoint else (g.out_height, g.out_width)

    @property
    def source_plane(self) -> int:
        return self.conv.stride_out if self.adjoint else self.conv.stride_in

    @property
    def result_plane(self) -> int:
        return self.conv.stride_in if self.adjoint else self.conv.stride_out

    @property
    def corner(self) -> tuple[int, int]:
        """The padding before the first row and column of the source."""
        top, left = self.conv.padding[0][0], self.conv.padding[1][0]
        return (2 - top, 2 - left) if self.adjoint else (top, left)

    @property
    def tile(self) -> tuple[int, int]:
        """Accumulators: result channels × tiles of neighbouring columns."""
        across, vector = ceil(self.result_size[1] / 2), self.conv.lanes * self.type.size
        return _tile(across, self.sources, self.results, self.conv.registers, vector)

    def pieces(self, columns: int) -> list[tuple[int, int, int]]:
        """A row of tiles as (first tile, tiles, how many such pieces), in pieces of `columns`:
        those that read no padding are one."""
        across = ceil(self.result_size[1] / 2)
        pieces: list[tuple[int, int, int]] = []
        for start in range(0, across, columns):
            width = min(columns, across - start)
            whole = width == columns and self._inside(start, width)
            if whole and pieces and self._inside(pieces[-1][0], columns):
                first, _, count = pieces[-1]
                pieces[-1] = (first, width, count + 1)
            else:
                pieces.append((start, width, 1))
        return pieces

    def _inside(self, start: int, width: int) -> bool:
        """Whether the tiles read no padding and have all their results."""
        first = 2 * start - self.corner[1]
        within = first >= 0 and first + 2 * width + 2 <= self.source_size[1]
        return within and 2 * (start + width) <= self.result_size[1]

    @property
    def point(self) -> int:
        """Vectors from one point of the transformed sources to the next."""
        return self.sources * self.tile[1] + SHIFT


@lru_cache(maxsize=1024)
def _tile(across: int, sources: int, results: int, registers: int, vector: int) -> tuple[int, int]:
    """The cheapest tile for a row of `across` tiles, by the model of `tiles.py`; `vector` in
    bytes. Pieces whose transformed sources stay in the first-level cache are cheaper."""
    best, cost = (1, 1), inf
    for columns in range(1, min(across, 8) + 1):
        near = POINTS * sources * columns * vector <= CACHE
        for wide in range(1, min(results, 12) + 1):
            if wide * columns + wide + 1 > registers - 1:
                break
            cycles = 0.0
            for t, pieces in ((columns, across // columns), (across % columns, 1)):
                for o, groups in ((wide, results // wide), (results % wide, 1)):
                    work = max(o * t / 2, (o + t) / 2, 0 if near else LINE * t, LATENCY) + 1
                    cycles += pieces * groups * work if o and t else 0
                cycles += pieces * ((1 + 2 * t) if near else (1 + 2 * LINE * t)) if t else 0
            if cycles < cost - 1e-9:
                best, cost = (wide, columns), cycles
    return best


def minimal(g: WinogradGeometry) -> bool:
    """Whether the convolution has the form of these kernels, with enough channels."""
    c = g.conv
    form = (c.kernel, c.stride, c.dilation, c.groups) == ((3, 3), (1, 1), (1, 1), 1)
    enough = c.registers >= 16 and min(g.sources, g.results) >= 8
    return form and enough and g.type.kind == "f32"


def winograd_pays(g: WinogradGeometry) -> bool:
    """Whether the convolution has the form, and fewer products outweigh the transforms."""
    if not minimal(g):
        return False
    height, width = g.result_size
    tiles = ceil(height / 2) * ceil(width / 2)
    products = g.sources * g.results
    cycles = tiles * (POINTS * products / 2 + 40 * g.sources + 30 * g.results)
    return cycles < GAIN * height * width * TAPS * products / 2


def winograd_weights_size(g: WinogradGeometry) -> int:
    """Elements of the transformed weights."""
    return POINTS * g.sources * g.results


def winograd_scratch(g: WinogradGeometry) -> int:
    """Elements that each thread needs for one piece: sources, products, and a row of zeros."""
    wide, columns = g.tile
    vectors = POINTS * g.point + POINTS * wide * columns + g.source_size[1]
    return vectors * g.conv.lanes


def winograd_flops(g: WinogradGeometry) -> int:
    """Floating-point operations for one sample, as they are done here; of the adjoint in the
    weight, too."""
    height, width = g.result_size
    tiles = ceil(height / 2) * ceil(width / 2)
    return tiles * (2 * POINTS * g.sources * g.results + 32 * g.sources + 24 * g.results)


# ----------------------------------------------------------------------------------- the weights


def winograd_weights(
    f: Function, g: WinogradGeometry, weight: Register, target: Register, results: Range
) -> None:
    """G w Gᵀ for a range of result channels, laid out as the products read it: groups of result
    channels, points, source channels, channels of the group."""
    wide, _ = g.tile
    per_out, per_in = g.conv.channels_in * TAPS, TAPS
    to_result, to_source = (per_in, per_out) if g.adjoint else (per_out, per_in)
    rest = g.results % wide
    with f.loop(*results) as result:
        group = f.mul(f.div(result.i, wide), wide)
        size = f.min(wide, f.sub(g.results, group)) if rest else wide
        first = f.add(f.mul(group, POINTS * g.sources), f.sub(result.i, group))
        with f.loop(0, g.sources) as source:
            at = f.add(f.mul(result.i, to_result), f.mul(source.i, to_source))
            kernel = f.at(weight, at, g.type)
            taps = [f.load(kernel, TAPS - 1 - k if g.adjoint else k, g.type) for k in range(TAPS)]
            rows = [kernel_points(f, taps[k::3]) for k in range(3)]  # down each kernel column
            for i in range(4):
                for j, u in enumerate(kernel_points(f, [rows[k][i] for k in range(3)])):
                    place = f.add(f.mul(f.add((4 * i + j) * g.sources, source.i), size), first)
                    f.store(u, target, place)


def kernel_points(f: Function, w: list[Register]) -> list[Register]:
    """G w: three taps at four points."""
    half = const(0.5, w[0].type)
    ends = f.binary("fmul", f.binary("fadd", w[0], w[2]), half)
    middle = f.binary("fmul", w[1], half)
    return [w[0], f.binary("fadd", ends, middle), f.binary("fsub", ends, middle), w[2]]


# -------------------------------------------------------------------------------- the convolution


def winograd(
    f: Function,
    g: WinogradGeometry,
    source: Register,
    weights: Register,
    scratch: Register,
    blocks: Range,
    store: Store,
    ahead: Place | None = None,
) -> None:
    """The convolution for a range of blocks, with `weights` as `winograd_weights` leaves them.

    `store(result, block, channel, row, column)` is written for every result vector, each place
    once; `ahead(block, channel, row, column)` prefetches what it will touch. `scratch` is this
    thread's own.
    """
    _Winograd(f, g, source, weights, scratch, store, ahead).write(blocks)


@dataclass(frozen=True)
class _Piece:
    """`width` neighbouring tiles of a row of tiles, the first of them `first`. They meet padding
    where those from `start` on do, which is known when the code is written."""

    source: Register  # of the block
    block: Index
    row: Index  # the first row of results
    rows: int  # 2, or 1 at an odd end
    first: Index
    start: int
    width: int


class _Winograd:
    """The loops: blocks, rows of tiles, pieces of neighbouring tiles, groups of results."""

    def __init__(
        self, f: Function, g: WinogradGeometry, source: Register, weights: Register,
        scratch: Register, store: Store, ahead: Place | None,
    ) -> None:  # fmt: skip
        self.f, self.g, self.store, self.ahead = f, g, store, ahead
        self.source, self.weights = source, weights
        self.lanes, self.vector = g.conv.lanes, g.conv.vector
        self.wide, self.columns = g.tile
        self.moved = scratch  # Bᵀ d B of all source channels of a piece
        self.products = f.at(scratch, POINTS * g.point * self.lanes, self.vector)
        size = POINTS * self.wide * self.columns * self.lanes
        self.zeros = f.at(self.products, size, self.vector)

    def write(self, blocks: Range) -> None:
        f, g = self.f, self.g
        with f.loop(0, g.source_size[1]) as column:
            f.store(const(0, self.vector), self.zeros, f.mul(column.i, self.lanes))
        height, _ = g.result_size
        with f.loop(*blocks) as block:
            size = g.sources * g.source_plane * self.lanes
            source = f.at(self.source, f.mul(block.i, size), self.vector)
            with f.loop(0, height // 2) as row:
                self._row(source, block.i, f.mul(row.i, 2), 2)
            if height % 2:
                self._row(source, block.i, height - 1, 1)

    def _row(self, source: Register, block: Index, row: Index, rows: int) -> None:
        """The results of `rows` rows from `row` on."""
        f, results = self.f, self.g.results
        rest = results % self.wide
        for start, width, count in self.g.pieces(self.columns):
            with f.loop(0, count) as each:
                first = f.add(start, f.mul(each.i, self.columns))
                piece = _Piece(source, block, row, rows, first, start, width)
                self._sources(piece)
                with f.loop(0, results - rest, self.wide) as group:
                    self._group(piece, group.i, self.wide)
                if rest:
                    self._group(piece, results - rest, rest)

    # ---- Bᵀ d B -------------------------------------------------------------------------------

    def _sources(self, piece: _Piece) -> None:
        """Transforms the sources of a piece, channel after channel."""
        f, g, width = self.f, self.g, piece.width
        top, left = g.corner
        height, across = g.source_size
        column = f.sub(f.mul(piece.first, 2), left)
        lines: list[tuple[Register, Register]] = []
        for i in range(4):
            at = f.add(f.sub(piece.row, top), i)
            inside = f.binary("and", f.test("sge", at, 0), f.test("slt", at, height))
            here = f.mul(f.add(f.mul(at, across), column), self.lanes)
            lines.append((f.at(piece.source, here, self.vector), inside))
        zeros = f.at(self.zeros, f.mul(column, self.lanes), self.vector)
        with f.loop(0, g.sources) as s:
            plane = f.mul(s.i, g.source_plane * self.lanes)
            pointers = [f.select(ok, f.at(line, plane, self.vector), zeros) for line, ok in lines]
            known = range(left - 2 * piece.start, across + left - 2 * piece.start)
            down = [self._column(pointers, j) if j in known else None for j in range(2 * width + 2)]
            to = f.at(self.moved, f.mul(s.i, self.columns * self.lanes), self.vector)
            for t in range(width):
                for i in range(4):
                    four = [None if d is None else d[i] for d in down[2 * t : 2 * t + 4]]
                    for j, v in enumerate(points(f, four, self.vector)):
                        f.store(v, to, ((4 * i + j) * g.point + t) * self.lanes)

    def _column(self, pointers: list[Register], j: int) -> list[Register]:
        """Bᵀ d for one column of a tile."""
        size = self.lanes * self.g.type.size
        d = [self.f.load(p, j * self.lanes, self.vector, align=size) for p in pointers]
        return points(self.f, list(d), self.vector)

    # ---- the products, and Aᵀ m A --------------------------------------------------------------

    def _group(self, piece: _Piece, channel: Index, count: int) -> None:
        """`count` result channels of a piece."""
        f, g, n = self.f, self.g, piece.width
        weights = f.at(self.weights, f.mul(channel, POINTS * g.sources), g.type)
        with f.loop(0, POINTS) as point:
            self._prefetch_results(piece, point.i, channel, count)
            following = self._following(piece, point.i)
            line = f.at(self.moved, f.mul(point.i, g.point * self.lanes), self.vector)
            kernel = f.at(weights, f.mul(point.i, g.sources * count), g.type)
            with f.loop(0, g.sources, carry=[const(0, self.vector)] * (count * n)) as s:
                for place in following:
                    f.prefetch(place, f.mul(s.i, g.source_plane * self.lanes))
                here = f.at(line, f.mul(s.i, self.columns * self.lanes), self.vector)
                taps = f.at(kernel, f.mul(s.i, count), g.type)
                held = [f.load_splat(taps, o, self.vector) for o in range(count)]
                sums = list(s.carry)
                for t in range(n):
                    d = self._load(here, t)
                    for o in range(count):
                        sums[o * n + t] = f.fma(d, held[o], sums[o * n + t])
                s.next = sums
            to = f.mul(point.i, self.wide * self.columns * self.lanes)
            to = f.at(self.products, to, self.vector)
            for k, x in enumerate(s.out):
                f.store(x, to, k * self.lanes)
        with f.loop(0, count) as each:
            line = f.at(self.products, f.mul(each.i, n * self.lanes), self.vector)
            for t in range(n):
                columns = min(2, g.result_size[1] - 2 * (piece.start + t))
                column = f.mul(f.add(piece.first, t), 2)
                for a, across in enumerate(self._results(line, t, piece.rows, columns)):
                    for b, x in enumerate(across):
                        at = f.add(channel, each.i), f.add(piece.row, a), f.add(column, b)
                        self.store(x, piece.block, *at)

    def _prefetch_results(self, piece: _Piece, point: Index, channel: Index, count: int) -> None:
        """This point's share of the places that the group is going to touch."""
        if not self.ahead:
            return
        f = self.f
        for down, across in self._share(point, piece.rows, 2 * piece.width):
            row, column = f.add(piece.row, down), f.add(f.mul(piece.first, 2), across)
            for o in range(count):
                self.ahead(piece.block, f.add(channel, o), row, column)

    def _following(self, piece: _Piece, point: Index) -> list[Register]:
        """This point's share of the sources that the tiles below this piece will be the first to
        read: to be prefetched for every source channel."""
        f, (top, left), across = self.f, self.g.corner, self.g.source_size[1]
        column = f.add(f.mul(piece.first, 2), 1 - left)
        places = []
        for i, j in self._share(point, 2, 2 * piece.width):
            row = f.add(f.add(piece.row, 4 - top), i)
            at = f.add(f.mul(row, across), f.add(column, j))
            places.append(f.at(piece.source, f.mul(at, self.lanes), self.vector))
        return places

    def _share(self, point: Index, rows: int, columns: int) -> list[tuple[Index, Index]]:
        """A point's share of rows × columns places."""
        f, share = self.f, ceil(rows * columns / POINTS)
        start = f.min(f.mul(point, share), rows * columns - share)
        at = [f.add(start, k) for k in range(share)]
        return [(f.div(k, columns), f.mod(k, columns)) for k in at]

    def _results(self, line: Register, t: int, rows: int, columns: int) -> list[list[Register]]:
        """Aᵀ m A of one tile: its results [row][column]."""
        f = self.f
        step = self.wide * self.columns
        m = [[self._load(line, (4 * i + j) * step + t) for j in range(4)] for i in range(4)]
        down = [pair(f, [m[i][j] for i in range(4)], rows) for j in range(4)]
        return [pair(f, [down[j][a] for j in range(4)], columns) for a in range(rows)]

    def _load(self, line: Register, vectors: int) -> Register:
        size = self.lanes * self.g.type.size
        return self.f.load(line, vectors * self.lanes, self.vector, align=size)


def points(f: Function, d: list[Register | None], type: Type) -> list[Register]:
    """Bᵀ d: four sources (None: zero) at four points."""

    def difference(a: Register | None, b: Register | None) -> Register:
        if b is None:
            return a or const(0, type)
        return f.negate(b) if a is None else f.binary("fsub", a, b)

    both = d[1] if d[2] is None else d[2] if d[1] is None else f.binary("fadd", d[1], d[2])
    return [
        difference(d[0], d[2]), both or const(0, type), difference(d[2], d[1]),
        difference(d[1], d[3]),
    ]  # fmt: skip


def pair(f: Function, m: list[Register], count: int) -> list[Register]:
    """Aᵀ m: the first `count` of two results from four points."""
    total = f.binary("fadd", m[1], m[2])
    out = [f.binary("fadd", m[0], total)]
    if count > 1:
        out.append(f.binary("fsub", f.binary("fsub", m[1], m[2]), m[3]))
    return out

"""Linear layers with the batch in the vector lanes.

Activations are [blocks][features][lanes]: a block holds `lanes` samples. Weights stay plain and
are broadcast, one element for several blocks; with exchanged strides the same kernel is the adjoint
in the input. The adjoint in the weight sums over samples and gives plain rows: it broadcasts the
gradient and needs the input with the features in the lanes, which a transposition provides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import ceil

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.lanes import transpose
from chainrule.compile.emit.product import (
    BLOCK,
    Parts,
    Run,
    Scalars,
    Vectors,
    alignment,
    cheapest_tile,
    choose,
    multiply,
    opaque,
    strip_runs,
    visit,
    walk,
)
from chainrule.compile.emit.types import Index, Register, Type, const

Range = tuple[Index, Index]
Store = Callable[[Register, Index, Index], None]  # sums, block, output
WeightStore = Callable[[Register, Index, Index, int], None]  # sums, output, first input, count


@dataclass(frozen=True)
class LinearGeometry:
    """Y[block][m] = Σ_r W[m · weight_output_stride + r · weight_reduce_stride] · X[block][r].

    Y is [blocks][outputs][lanes], X [blocks][reduce][lanes]. `threads`: how many will share the
    work by whole blocks; 1 where units may go to any thread.
    """

    blocks: int
    reduce: int
    outputs: int
    weight_output_stride: int
    weight_reduce_stride: int
    type: Type
    lanes: int
    registers: int = 32
    threads: int = 1

    @property
    def vector(self) -> Type:
        return self.type.of(self.lanes)


def linear_flops(g: LinearGeometry) -> int:
    """Floating-point operations of `linear`."""
    return 2 * g.blocks * g.lanes * g.reduce * g.outputs


@lru_cache(maxsize=4096)
def _tiles(g: LinearGeometry) -> tuple[Parts, Parts]:
    """Outputs in tiles, blocks in groups that share a broadcast weight."""
    # Weight rows a multiple of 4096 bytes apart share a cache set, which holds few of them.
    crowded = g.weight_output_stride * g.type.size % 4096 == 0 and g.reduce > 32
    height, width, _ = cheapest_tile(
        g.outputs, ceil(g.blocks / g.threads), g.registers, tallest=8 if crowded else 28
    )
    return Parts.of(g.outputs, height), Parts.of(g.blocks, width)


def linear_units(g: LinearGeometry) -> int:
    """Units of `linear`, group of blocks after group of blocks; any range can go to any thread."""
    tiles, groups = _tiles(g)
    return tiles.number * groups.number


def linear_group_units(g: LinearGeometry) -> int:
    """Units of one group: group i has the units from i times this on. A thread that takes whole
    groups here and in the next step needs no barrier between."""
    return _tiles(g)[0].number


def linear_groups(g: LinearGeometry) -> list[tuple[int, int]]:
    """Of each group, the blocks low ≤ b < high."""
    groups = _tiles(g)[1]
    return [
        (i * run.size + run.shift, (i + 1) * run.size + run.shift)
        for run in groups.runs
        for i in range(run.low, run.high)
    ]


def linear(
    f: Function,
    g: LinearGeometry,
    source: Register,
    weight: Register,
    units: Range,
    store: Store,
    compact: bool = False,
) -> None:
    """The product. `store(sums, block, output)` stands once for every vector of the result.

    It is written out for every vector of a tile; `compact` writes it in a loop, for stores of many
    instructions.
    """
    tiles, groups = _tiles(g)
    distance, align = g.reduce * g.lanes, alignment(g.vector)
    place = tuple[Run, Run, Index, Index]  # sizes of tile and group, first output, first block

    def tile(unit: Index, body: Callable[[place], None]) -> None:
        part, group = f.urem(unit, tiles.number), f.udiv(unit, tiles.number)
        choose(f, (tiles.runs, part), (groups.runs, group), lambda *p: body(p))

    def sums(p: place, first: Index, steps: Index) -> list[Register]:
        at = f.affine((p[2], g.weight_output_stride), (first, g.weight_reduce_stride))
        left = Scalars(f.at(weight, at, g.type), g.weight_output_stride, g.weight_reduce_stride)
        at = f.affine((p[3], distance), (first, g.lanes))
        right = Vectors(f.at(source, at, g.type), distance, g.lanes, align, g.lanes)
        return multiply(f, g.vector, p[0].size, p[1].size, left, right, steps)

    def finish(p: place, values: list[Register], kept: Register | None) -> None:
        def body(x: Register, row: Index, v: int) -> None:
            store(x, f.add(p[3], v), f.add(p[2], row))

        visit(f, g.vector, (p[0].size, p[1].size), values, kept, body)

    walk(f, g.vector, tiles.size * groups.size, g.reduce, units, tile, sums, finish, compact)


# ------------------------------------------------------------------------------- adjoint in weight


@dataclass(frozen=True)
class LinearWeightGeometry:
    """dW[j][k] = Σ_n D[n][j] · X[n][k]: the gradient D is [blocks][outputs][lanes] with zeros in
    lanes without a sample, X [blocks][inputs][lanes], dW plain [outputs][inputs]."""

    blocks: int
    inputs: int
    outputs: int
    type: Type
    lanes: int
    registers: int = 32

    @property
    def vector(self) -> Type:
        return self.type.of(self.lanes)

    @property
    def vectors(self) -> int:
        return ceil(self.inputs / self.lanes)


def linear_weight_flops(g: LinearWeightGeometry) -> int:
    """Floating-point operations of `linear_weight`."""
    return 2 * g.blocks * g.lanes * g.inputs * g.outputs


@lru_cache(maxsize=4096)
def _weight_tiles(g: LinearWeightGeometry) -> tuple[Parts, int]:
    """Outputs in tiles, and vectors of inputs in a strip."""
    height, width, _ = cheapest_tile(g.outputs, g.vectors, g.registers)
    return Parts.of(g.outputs, height), width


def linear_weight_scratch(g: LinearWeightGeometry) -> int:
    """Elements of the transposed input, 64-byte aligned."""
    return g.blocks * g.lanes * g.vectors * g.lanes


def linear_weight_transpose_units(g: LinearWeightGeometry) -> int:
    """Units of `linear_weight_transpose`: an equal number for each block, block after block."""
    return g.blocks * g.vectors


def linear_weight_transpose(
    f: Function, g: LinearWeightGeometry, source: Register, scratch: Register, units: Range
) -> None:
    """Transposes X into strips [strip][samples][vectors of the strip]; all units, and a barrier,
    before `linear_weight`."""
    width = _weight_tiles(g)[1]
    align, zero = alignment(g.vector), const(0, g.vector)

    def body(run: Run, _: Run, v: Index, block: Index) -> None:
        count = g.inputs - (g.vectors - 1) * g.lanes if run is runs[-1] else g.lanes
        read = f.at(source, f.affine((block, g.inputs * g.lanes), (v, g.lanes**2)), g.type)
        first = f.mul(f.udiv(v, width), width)
        size: Index = width
        if g.vectors % width:
            size = opaque(f, f.min(width, f.sub(g.vectors, first)))
        at = f.mul(first, g.blocks * g.lanes)
        at = f.add(at, f.add(f.mul(f.mul(block, g.lanes), size), f.sub(v, first)))
        write = f.at(scratch, f.mul(at, g.lanes), g.type)
        rows = [
            f.load(read, i * g.lanes, g.vector, align) if i < count else zero
            for i in range(g.lanes)
        ]
        for i, x in enumerate(transpose(f, rows)):
            f.store(x, write, f.mul(size, i * g.lanes), align)

    runs = strip_runs(g.vectors, 1, g.inputs % g.lanes > 0)
    with f.loop(*units) as unit:
        v, block = f.urem(unit.i, g.vectors), f.udiv(unit.i, g.vectors)
        choose(f, (runs, v), ([Run(1, 0, g.blocks, 0)], block), body)


def linear_weight_units(g: LinearWeightGeometry) -> int:
    """Units of `linear_weight`; any range of them can go to any thread."""
    tiles, width = _weight_tiles(g)
    return tiles.number * ceil(g.vectors / width)


def linear_weight(
    f: Function,
    g: LinearWeightGeometry,
    gradient: Register,
    scratch: Register,
    units: Range,
    store: WeightStore,
    compact: bool = False,
    ahead: Callable[[Index, Index], None] | None = None,
) -> None:
    """The adjoint, summed over all samples in a fixed order; `scratch` holds the transposed X.

    `store(sums, output, input, count)` stands once for every vector of the result: lanes
    0 … count−1 belong to the inputs from `input` on. `compact`: see `linear`. `ahead(output,
    input)` prefetches what the vector's `store` will touch, before the sums are taken.
    """
    tiles, width = _weight_tiles(g)
    align, samples = alignment(g.vector), g.blocks * g.lanes
    last = g.inputs - (g.vectors - 1) * g.lanes
    runs = strip_runs(g.vectors, width, last < g.lanes)
    place = tuple[Run, Run, Index, Index]  # sizes of tile and strip, first output, first vector

    def tile(unit: Index, body: Callable[[place], None]) -> None:
        part, strip = f.urem(unit, tiles.number), f.udiv(unit, tiles.number)
        choose(f, (tiles.runs, part), (runs, strip), lambda *p: body(p))

    def sums(p: place, first: Index, steps: Index) -> list[Register]:
        # Sample after sample: the gradient's blocks outside, their lanes inside.
        row = p[1].size * g.lanes
        at = f.affine((first, g.outputs * g.lanes), (p[2], g.lanes))
        left = f.at(gradient, at, g.type)
        at = f.add(f.mul(p[3], samples * g.lanes), f.mul(first, row * g.lanes))
        right = f.at(scratch, at, g.type)
        if ahead is not None:
            for output, v in product(range(p[0].size), range(p[1].size)):
                ahead(f.add(p[2], output), f.mul(f.add(p[3], v), g.lanes))
        start = [const(0, g.vector)] * (p[0].size * p[1].size)
        with f.loop(0, steps, carry=start, guard=False) as block:
            x = f.at(left, f.mul(block.i, g.outputs * g.lanes), g.type)
            y = f.at(right, f.mul(block.i, row * g.lanes), g.type)
            block.next = multiply(
                f, g.vector, p[0].size, p[1].size, Scalars(x, g.lanes, 1),
                Vectors(y, g.lanes, row, align, g.lanes), g.lanes, block.carry,
            )  # fmt: skip
        return block.out

    def finish(p: place, values: list[Register], kept: Register | None) -> None:
        def body(x: Register, row: Index, v: int) -> None:
            count = last if p[1] is runs[-1] and v == p[1].size - 1 else g.lanes
            store(x, f.add(p[2], row), f.mul(f.add(p[3], v), g.lanes), count)

        visit(f, g.vector, (p[0].size, p[1].size), values, kept, body)

    size, block = tiles.size * width, max(1, BLOCK // g.lanes)
    walk(f, g.vector, size, g.blocks, units, tile, sums, finish, compact, block)


# ----------------------------------------------------------------------------------- transposition


@dataclass(frozen=True)
class LaneGeometry:
    """`samples` of `size` elements, plain [samples][size] or lanes [blocks][size][lanes]."""

    samples: int
    size: int
    type: Type
    lanes: int

    @property
    def vector(self) -> Type:
        return self.type.of(self.lanes)

    @property
    def blocks(self) -> int:
        return ceil(self.samples / self.lanes)


def transpose_in(
    f: Function, g: LaneGeometry, source: Register, target: Register, blocks: Range
) -> None:
    """Plain to lanes; lanes without a sample hold zeros."""
    align, zero = alignment(g.vector), const(0, g.vector)
    width = min(g.lanes, g.size)
    mask = f.first(width, g.lanes)

    def body(count: int, block: Index, column: Index) -> None:
        read = f.at(source, f.add(f.mul(block, g.lanes * g.size), column), g.type)
        rows = []
        for i in range(count):
            if width < g.lanes:
                rows.append(f.load_masked(read, i * g.size, g.vector, mask, zero))
            else:
                rows.append(f.load(read, i * g.size, g.vector))
        rows += [zero] * (g.lanes - count)
        write = f.at(target, f.mul(f.add(f.mul(block, g.size), column), g.lanes), g.type)
        for i, x in enumerate(transpose(f, rows)[:width]):
            f.store(x, write, i * g.lanes, align)

    _squares(f, g, blocks, body)


def transpose_out(
    f: Function, g: LaneGeometry, source: Register, target: Register, blocks: Range
) -> None:
    """Lanes to plain; lanes without a sample are dropped."""
    align, zero = alignment(g.vector), const(0, g.vector)
    width = min(g.lanes, g.size)

    def body(count: int, block: Index, column: Index) -> None:
        read = f.at(source, f.mul(f.add(f.mul(block, g.size), column), g.lanes), g.type)
        rows = [f.load(read, i * g.lanes, g.vector, align) for i in range(width)]
        rows += [zero] * (g.lanes - width)
        write = f.at(target, f.add(f.mul(block, g.lanes * g.size), column), g.type)
        for i, x in enumerate(transpose(f, rows)[:count]):
            if width < g.lanes:
                f.store_masked(x, write, i * g.size, f.first(width, g.lanes))
            else:
                f.store(x, write, i * g.size)

    _squares(f, g, blocks, body)


def _squares(
    f: Function, g: LaneGeometry, blocks: Range, body: Callable[[int, Index, Index], None]
) -> None:
    """Writes `body(samples, block, first column)` for lanes × lanes elements at a time."""
    runs = strip_runs(g.blocks, 1, g.samples % g.lanes > 0)
    tail = g.samples - (g.blocks - 1) * g.lanes
    with f.loop(*blocks) as block, f.loop(0, g.size, g.lanes) as column:
        # The last square goes back over columns that the one before it has moved already.
        here = f.min(column.i, max(0, g.size - g.lanes)) if g.size % g.lanes else column.i

        def square(run: Run, _: Run, row: Index, at: Index) -> None:
            body(tail if run is runs[-1] else g.lanes, row, at)

        choose(f, (runs, block.i), ([Run(1, 0, g.size, 0)], here), square)

"""Matrix products as dot products: vectors along the inner dimension, then sums over lanes."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.lanes import lane_sums
from chainrule.compile.emit.product import BLOCK, LATENCY, Parts, Run, choose
from chainrule.compile.emit.types import Index, Register, const

if TYPE_CHECKING:
    from chainrule.compile.emit.matmul import MatmulGeometry

Store = Callable[[Register, Index, Index, int], None]


class Dots(NamedTuple):
    """Results in tiles of rows and columns, with some accumulators for each result."""

    rows: Parts
    columns: Parts
    accumulators: int
    cycles: float

    @property
    def units(self) -> int:
        return self.rows.number * self.columns.number


def dot_plan(g: MatmulGeometry) -> Dots:
    """The cheapest tiles."""
    plans = [
        _modelled(g, height, width, accumulators)
        for height in range(1, min(g.rows, g.lanes) + 1)
        for width in range(1, min(g.columns, g.lanes) + 1)
        for accumulators in (1, 2, 4, 8)
        if (height * width + height + 1) * accumulators < g.registers
        and (accumulators == 1 or accumulators * g.lanes <= g.inner)
    ]
    return min(plans, key=lambda p: p.cycles)


def _modelled(g: MatmulGeometry, height: int, width: int, accumulators: int) -> Dots:
    """Vectors of the right operand are read once for each row tile, from afar."""
    rows, columns = Parts.of(g.rows, height), Parts.of(g.columns, width)
    step = max(height * width / 2, (height + 2 * width) / 2, LATENCY / accumulators) + 0.5
    tile = ceil(g.inner / g.lanes) * step + 4 * height * width + 20
    return Dots(rows, columns, accumulators, rows.number * columns.number * tile)


def write_dots(
    f: Function,
    g: MatmulGeometry,
    dots: Dots,
    operands: tuple[Register, Register],
    units: tuple[Index, Index],
    store: Store,
) -> None:
    """The kernel: rows of A and columns of B, both without gaps along the inner dimension."""
    with f.loop(*units) as unit:
        tile, strip = f.urem(unit.i, dots.rows.number), f.udiv(unit.i, dots.rows.number)

        def body(rows: Run, columns: Run, row: Index, column: Index) -> None:
            a = f.at(operands[0], f.mul(row, g.a_strides[0]), g.type)
            b = f.at(operands[1], f.mul(column, g.b_strides[1]), g.type)
            sums = _sums(f, g, (rows.size, columns.size, dots.accumulators), a, b)
            _store(f, g, sums, columns.size, row, column, store)

        choose(f, (dots.rows.runs, tile), (dots.columns.runs, strip), body)


def _sums(
    f: Function, g: MatmulGeometry, tile: tuple[int, int, int], a: Register, b: Register
) -> list[Register]:
    """The results of a tile, spread over the lanes."""
    height, width, accumulators = tile
    lanes, zero = g.lanes, const(0, g.vector)
    step = accumulators * lanes
    full = g.inner // step * step

    def add(k: Index, sums: list[Register], mask: Register | None = None) -> list[Register]:
        def read(pointer: Register, at: Index) -> Register:
            if mask:
                return f.load_masked(pointer, at, g.vector, mask, zero)
            return f.load(pointer, at, g.vector)

        x = [read(a, f.add(k, i * g.a_strides[0])) for i in range(height)]
        y = [read(b, f.add(k, j * g.b_strides[1])) for j in range(width)]
        return [f.fma(x[i // width], y[i % width], s) for i, s in enumerate(sums)]

    def walk(low: Index, high: Index) -> list[Register]:
        with f.loop(low, high, step, [zero] * (height * width * accumulators), False) as loop:
            size = height * width
            for n in range(accumulators):
                part = loop.carry[n * size : (n + 1) * size]
                loop.next += add(f.add(loop.i, n * lanes), part)
        sums = loop.out
        while len(sums) > size:
            half = len(sums) // 2
            sums = [f.binary("fadd", x, y) for x, y in zip(sums[:half], sums[half:], strict=True)]
        return sums

    if full <= BLOCK * step:
        sums = walk(0, full) if full else [zero] * (height * width)
    else:
        with f.loop(0, full, BLOCK * step, [zero] * (height * width)) as block:
            part = walk(block.i, f.min(f.add(block.i, BLOCK * step), full))
            block.next = [f.binary("fadd", x, y) for x, y in zip(block.carry, part, strict=True)]
        sums = block.out
    for k in range(full, g.inner, lanes):
        rest = g.inner - k
        sums = add(k, sums, f.first(rest, lanes) if rest < lanes else None)
    return sums


def _store(
    f: Function,
    g: MatmulGeometry,
    sums: list[Register],
    width: int,
    row: Index,
    column: Index,
    store: Store,
) -> None:
    together = g.lanes // width  # rows whose results fill one vector
    for first in range(0, len(sums), together * width):
        group = sums[first : first + together * width]
        totals = lane_sums(f, group)
        for i in range(0, len(group), width):
            order = [min(i + lane, g.lanes - 1) for lane in range(g.lanes)]
            here = f.shuffle(totals, totals, order) if i else totals
            store(here, f.add(row, (first + i) // width), column, width)

"""Matrix products of plain row-major operands with any strides.

Three ways, chosen by a static model (`plan`). Tiles: vectors along the columns of the result,
operands read where they lie, except that a right operand whose columns have gaps is packed. The
same with the result transposed, where less must be packed that way: the tiles are turned before
they are stored. Dots: vectors along the inner dimension and sums over lanes, for results that are
too small to pay for packing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.dot import Dots, dot_plan, write_dots
from chainrule.compile.emit.lanes import transpose
from chainrule.compile.emit.panels import pack, pack_cycles, panel_units
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
Store = Callable[[Register, Index, Index, int], None]  # sums, row, first column, how many

NEAR = 512 * 1024  # bytes of an operand that the second-level cache keeps beside the rest
GROUP = 4  # strips that share the rows of a left operand which that cache cannot keep


@dataclass(frozen=True)
class MatmulGeometry:
    """C[rows][columns] = A[rows][inner] · B[inner][columns], all sizes ≥ 1.

    Strides are counted in elements: of A (row, inner), of B (inner, column).
    """

    rows: int
    columns: int
    inner: int
    a_strides: tuple[int, int]
    b_strides: tuple[int, int]
    type: Type
    lanes: int
    registers: int = 32

    @property
    def vector(self) -> Type:
        return self.type.of(self.lanes)

    @property
    def turned(self) -> MatmulGeometry:
        """Cᵀ = Bᵀ · Aᵀ."""
        b_inner, b_column = self.b_strides
        a_row, a_inner = self.a_strides
        return MatmulGeometry(
            self.columns, self.rows, self.inner, (b_column, b_inner), (a_inner, a_row),
            self.type, self.lanes, self.registers,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """How a product is computed. Sizes are those of `g`, which is turned if `turned`.

    tiles: the rows of g in tiles; width: vectors in a strip of columns; packed: whether the right
    operand of g comes from panels; group: neighbouring strips that a row tile serves in turn;
    dots: the tiles if they are dots.
    """

    g: MatmulGeometry
    turned: bool
    tiles: Parts
    width: int
    packed: bool
    group: int
    dots: Dots | None
    cycles: float

    @property
    def vectors(self) -> int:
        return ceil(self.g.columns / self.g.lanes)

    @property
    def strips(self) -> list[Run]:
        """Columns of g, in vectors: full strips, and what is left."""
        return strip_runs(self.vectors, self.width, self.last < self.g.lanes)

    @property
    def last(self) -> int:
        """Valid lanes of the last vector."""
        return self.g.columns - (self.vectors - 1) * self.g.lanes

    @property
    def units(self) -> int:
        return self.dots.units if self.dots else self.tiles.number * self.strips[-1].high


def flops(g: MatmulGeometry) -> int:
    """Floating-point operations of the product."""
    return 2 * g.rows * g.columns * g.inner


# ------------------------------------------------------------------------------------------ choice


@lru_cache(maxsize=4096)
def plan(g: MatmulGeometry) -> Plan:
    """The way with the fewest modelled cycles."""
    plans = [_tile_plan(g, False), _tile_plan(g.turned, True)]
    if g.a_strides[1] == 1 and g.b_strides[0] == 1:
        dots = dot_plan(g)
        plans.append(Plan(g, False, dots.rows, 1, False, 1, dots, dots.cycles))
    return min(plans, key=lambda p: p.cycles)


def _tile_plan(g: MatmulGeometry, turned: bool) -> Plan:
    vectors = ceil(g.columns / g.lanes)
    height, width, product = cheapest_tile(
        g.rows, vectors, g.registers, variant=0.03 if turned else 0.01
    )
    tiles, strips = Parts.of(g.rows, height), ceil(vectors / width)
    cycles = product * g.inner + 1.5 * g.rows * vectors
    packed = g.columns > 1 and g.b_strides[1] != 1
    if packed:
        cycles += pack_cycles(g.columns, g.inner, g.b_strides[0], g.lanes)
    if turned:
        cycles += g.rows * g.columns * (g.lanes.bit_length() + 2) / g.lanes
        cycles *= 1.03  # its code is long
    near = g.rows * min(g.inner, BLOCK) * g.type.size <= NEAR
    return Plan(g, turned, tiles, width, packed, 1 if near else min(GROUP, strips), None, cycles)


# --------------------------------------------------------------------------------------- interface


def matmul_units(g: MatmulGeometry) -> int:
    """Units of `matmul`; any range of them can go to any thread."""
    return plan(g).units


def matmul_scratch(g: MatmulGeometry) -> tuple[int, int]:
    """Elements of the panels of A and of B, 64-byte aligned; 0 for an operand without panels."""
    chosen = plan(g)
    elements = chosen.vectors * g.lanes * g.inner if chosen.packed else 0
    return (elements, 0) if chosen.turned else (0, elements)


def matmul_pack_a_units(g: MatmulGeometry) -> int:
    """Units of `matmul_pack_a`; 0 if A is not packed."""
    return _pack_units(g, True)


def matmul_pack_b_units(g: MatmulGeometry) -> int:
    """Units of `matmul_pack_b`; 0 if B is not packed."""
    return _pack_units(g, False)


def matmul_pack_a(
    f: Function, g: MatmulGeometry, a: Register, scratch: Register, units: Range
) -> None:
    """Packs A into `scratch`; all units, and a barrier, before `matmul`."""
    _pack(f, plan(g), a, scratch, units)


def matmul_pack_b(
    f: Function, g: MatmulGeometry, b: Register, scratch: Register, units: Range
) -> None:
    """Packs B into `scratch`; all units, and a barrier, before `matmul`."""
    _pack(f, plan(g), b, scratch, units)


def matmul(
    f: Function,
    g: MatmulGeometry,
    a: Register,
    b: Register,
    units: Range,
    store: Store,
    compact: bool = False,
) -> None:
    """The product. `a` and `b` are the operands, or the scratch of those that are packed.

    `store(sums, row, column, count)` stands once for every element with the final sum: lanes
    0 … count−1 belong to the columns from `column` on. A sum does not depend on the units' ranges.
    It is written out for every vector of a tile; `compact` writes it in a loop, for stores of many
    instructions.
    """
    chosen = plan(g)
    if chosen.dots:
        write_dots(f, g, chosen.dots, (a, b), units, store)
        return
    left, right = (b, a) if chosen.turned else (a, b)
    _Kernel(f, chosen, left, right, store, compact).write(units)


def _pack_units(g: MatmulGeometry, turned: bool) -> int:
    p = plan(g)
    if not p.packed or p.turned != turned:
        return 0
    return panel_units(p.g.columns, p.g.inner, p.g.b_strides[0], g.lanes)


def _pack(f: Function, p: Plan, source: Register, scratch: Register, units: Range) -> None:
    g = p.g
    pack(f, g.vector, g.columns, p.width, g.inner, g.b_strides, source, scratch, units)


# ------------------------------------------------------------------------------------------ kernel


@dataclass(frozen=True)
class _Place:
    """A tile: its rows and vectors of columns, and where they start."""

    height: int
    width: int
    last: int  # valid lanes of the last vector
    row: Index
    column: Index


@dataclass
class _Kernel:
    """Writes the tiles of a plan."""

    f: Function
    plan: Plan
    left: Register
    right: Register
    store: Store
    compact: bool

    def __post_init__(self) -> None:
        self.g = self.plan.g
        self.vector = self.g.vector

    def write(self, units: Range) -> None:
        size = self.plan.tiles.size * self.plan.width
        walk(
            self.f, self.vector, size, self.g.inner, units, self._tile, self._sums, self._finish,
            self.compact or self.plan.turned,
        )  # fmt: skip

    def _tile(self, unit: Index, body: Callable[[_Place], None]) -> None:
        """Writes `body` for the tile of a unit, once for each size of tile."""
        f, columns = self.f, self.plan.strips
        tile, strip = self._decode(unit)

        def place(rows: Run, vectors: Run, row: Index, first: Index) -> None:
            last = self.plan.last if vectors is columns[-1] else self.g.lanes
            column = f.mul(first, self.g.lanes)
            body(_Place(rows.size, vectors.size, last, row, column))

        choose(f, (self.plan.tiles.runs, tile), (columns, strip), place)

    def _decode(self, unit: Index) -> tuple[Index, Index]:
        """(row tile, strip) of a unit: down the rows within a group of strips."""
        f, count, group = self.f, self.plan.tiles.number, self.plan.group
        strips = self.plan.strips[-1].high
        if group == 1:
            return f.urem(unit, count), f.udiv(unit, count)
        which = f.udiv(unit, group * count)
        inside = f.urem(unit, group * count)
        first = f.mul(which, group)
        width = group if strips % group == 0 else f.min(group, f.sub(strips, first))
        return f.udiv(inside, width), f.add(first, f.urem(inside, width))

    def _sums(self, p: _Place, first: Index, steps: Index) -> list[Register]:
        """Of the products from `first` on."""
        f, g, type = self.f, self.g, self.g.type
        at = f.affine((p.row, g.a_strides[0]), (first, g.a_strides[1]))
        left = Scalars(f.at(self.left, at, type), *g.a_strides)
        if self.plan.packed:
            size = p.width * g.lanes
            at = f.add(f.mul(p.column, g.inner), f.mul(first, size))
            right = Vectors(
                f.at(self.right, at, type), g.lanes, size, alignment(self.vector), g.lanes
            )
        else:
            at = f.add(p.column, f.mul(first, g.b_strides[0]))
            right = Vectors(f.at(self.right, at, type), g.lanes, g.b_strides[0], type.size, p.last)
        return multiply(f, self.vector, p.height, p.width, left, right, steps)

    def _finish(self, p: _Place, sums: list[Register], kept: Register | None) -> None:
        """Hands the sums of a tile to `store`; they are in registers, or in memory at `kept`."""
        f, lanes = self.f, self.g.lanes
        if self.plan.turned:
            assert kept is not None
            with f.loop(0, p.width - (p.last < lanes)) as v:
                self._column(p, kept, opaque(f, v.i), lanes)
            if p.last < lanes:
                self._column(p, kept, p.width - 1, p.last)
            return

        def body(x: Register, row: Index, v: int) -> None:
            count = p.last if v == p.width - 1 else lanes
            self.store(x, f.add(p.row, row), f.add(p.column, v * lanes), count)

        visit(f, self.vector, (p.height, p.width), sums, kept, body)

    def _column(self, p: _Place, kept: Register, v: Index, count: int) -> None:
        """Turns one column of vectors of a tile, and stores `count` rows of the result."""
        f, lanes, align = self.f, self.g.lanes, alignment(self.vector)
        at, zero = f.mul(v, lanes), const(0, self.vector)
        for first in range(0, p.height, lanes):
            size = min(lanes, p.height - first)
            group = [
                f.load(kept, f.add(at, (first + i) * p.width * lanes), self.vector, align)
                for i in range(size)
            ]
            rows = transpose(f, [*group, *[zero] * (lanes - size)])[:count]
            memory = None
            if self.compact:
                memory = f.allocate(self.vector, lanes)
                for i, x in enumerate(rows):
                    f.store(x, memory, i * lanes, align)

            def body(x: Register, i: Index, _: int, first: int = first, size: int = size) -> None:
                self.store(x, f.add(f.add(p.column, at), i), f.add(p.row, first), size)

            visit(f, self.vector, (count, 1), rows, memory, body)

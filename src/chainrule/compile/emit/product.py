"""Register tiles of matrix products: scalars of the left operand, broadcast, times vectors of the
right one, with the whole tile of sums in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple, TypeVar

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.types import I64, Index, Register, Type, const

BLOCK = 512  # products that one accumulator takes before it is added to a total
CHUNK = 32  # tiles that walk through long sums together
LATENCY = 4.0  # cycles from a multiply-add to its use


class Run(NamedTuple):
    """Parts of one size: part i, for low ≤ i < high, starts at i · size + shift."""

    size: int
    low: int
    high: int
    shift: int

    def start(self, f: Function, part: Index) -> Index:
        return f.add(f.mul(part, self.size), self.shift)


class Parts(NamedTuple):
    """A length cut into parts that differ by one at most: `large` of `size`, then smaller ones."""

    number: int
    size: int
    large: int

    @classmethod
    def of(cls, total: int, limit: int) -> Parts:
        """As few parts as `limit` elements in a part allow."""
        number = ceil(total / limit)
        size = ceil(total / number)
        return cls(number, size, total - number * (size - 1))

    @property
    def runs(self) -> list[Run]:
        runs = [Run(self.size, 0, self.large, 0)]
        if self.large < self.number:
            runs.append(Run(self.size - 1, self.large, self.number, self.large))
        return runs


def strip_runs(vectors: int, width: int, ragged: bool) -> list[Run]:
    """Vectors in strips of `width`. A last strip that is narrower, or whose last vector is not
    full (`ragged`), is a run of its own."""
    full, rest = divmod(vectors, width)
    full -= rest == 0 and ragged
    runs = [Run(width, 0, full, 0)] if full else []
    if rest or ragged:
        size = rest or width
        runs.append(Run(size, full, full + 1, full * (width - size)))
    return runs


class Scalars(NamedTuple):
    """The left operand of a tile: element (row, k) lies at pointer + row · `row` + k · `inner`."""

    pointer: Register
    row: int
    inner: int


class Vectors(NamedTuple):
    """The right operand of a tile: vector v of step k lies at pointer + v · `vector` +
    k · `inner`. Only `last` lanes of the last vector are read."""

    pointer: Register
    vector: int
    inner: int
    align: int
    last: int


def multiply(
    f: Function,
    vector: Type,
    height: int,
    width: int,
    left: Scalars,
    right: Vectors,
    steps: Index,
    start: Sequence[Register] = (),
) -> list[Register]:
    """Sums over `steps` ≥ 1 products, row by row of the tile, added to `start`."""
    zero = const(0, vector)
    partial = right.last < vector.lanes
    mask = f.first(right.last, vector.lanes)
    with f.loop(0, steps, carry=start or [zero] * (height * width), guard=False) as loop:
        at = f.mul(loop.i, right.inner)
        values = []
        for v in range(width):
            place = f.add(at, v * right.vector)
            if partial and v == width - 1:
                values.append(f.load_masked(right.pointer, place, vector, mask, zero))
            else:
                values.append(f.load(right.pointer, place, vector, right.align))
        at = f.mul(loop.i, left.inner)
        sums = []
        for row in range(height):
            x = f.load_splat(left.pointer, f.add(at, row * left.row), vector)
            sums += [f.fma(x, y, loop.carry[row * width + v]) for v, y in enumerate(values)]
        loop.next = sums
    return loop.out


def alignment(vector: Type) -> int:
    """Bytes that scratch memory and activations are aligned to, for whole vectors."""
    return min(64, vector.lanes * vector.size)


def tile_cycles(height: int, width: int) -> float:
    """Modelled cycles of one step of a tile: two multiply-adds and two loads at a time, and
    vectors of the right operand from the second-level cache."""
    return max(height * width / 2, (height + width) / 2, 1.5 * width, LATENCY) + 0.5


def fits(height: int, width: int, registers: int) -> bool:
    """Whether the sums, one step's vectors and a broadcast scalar fit into the registers."""
    return height * width + width + 1 < registers


def cheapest_tile(
    rows: int, vectors: int, registers: int, tallest: int = 28, variant: float = 0.01
) -> tuple[int, int, float]:
    """Height and width of the tiles that cover `rows` × `vectors` best, and the modelled cycles of
    one inner step of all tiles. Each further size of tile, whose code must be generated, counts as
    the part `variant` of the cycles."""
    best, least = (1, 1), float("inf")
    for width in range(1, min(vectors, 8) + 1):
        full, rest = divmod(vectors, width)
        for height in range(1, min(rows, tallest) + 1):
            tiles = Parts.of(rows, height)
            if tiles.size != height or not fits(height, width, registers):
                continue
            cycles = 0.0
            for run in tiles.runs:
                one = full * tile_cycles(run.size, width)
                one += tile_cycles(run.size, rest) if rest else 0
                cycles += (run.high - run.low) * one
            cycles *= 1 + variant * (len(tiles.runs) * (2 if rest else 1) - 1)
            if cycles < least - 1e-9:
                best, least = (height, width), cycles
    return *best, least


def opaque(f: Function, x: Index) -> Index:
    """The same index, whose origin LLVM does not look into.

    Its loop strength reduction would otherwise follow every address of an inner loop to the loops
    around it, which takes longer than the rest of the code generation and gains nothing.
    """
    x = f.whole(x)
    return x if isinstance(x, int) else f.value(I64, f"freeze {x.typed}")


def choose(
    f: Function,
    rows: tuple[Sequence[Run], Index],
    columns: tuple[Sequence[Run], Index],
    body: Callable[[Run, Run, Index, Index], None],
) -> None:
    """Writes `body(rows, columns, row, column)` for the part of rows and the part of columns with
    these numbers: once for each pair of runs, and the one that applies is executed. `row` and
    `column` are where the parts start."""
    rows, columns = (rows[0], opaque(f, rows[1])), (columns[0], opaque(f, columns[1]))
    for row_run in rows[0]:
        for column_run in columns[0]:
            tests = [
                f.test("slt" if run.low == 0 else "sge", part, runs[-1].low)
                for runs, part, run in ((*rows, row_run), (*columns, column_run))
                if len(runs) > 1
            ]
            row, column = row_run.start(f, rows[1]), column_run.start(f, columns[1])
            if not tests:
                body(row_run, column_run, row, column)
                continue
            with f.when(tests[0] if len(tests) == 1 else f.binary("and", *tests)):
                body(row_run, column_run, row, column)


P = TypeVar("P")


def walk(
    f: Function,
    vector: Type,
    size: int,
    inner: int,
    units: tuple[Index, Index],
    tile: Callable[[Index, Callable[[P], None]], None],
    sums: Callable[[P, Index, Index], list[Register]],
    finish: Callable[[P, list[Register], Register | None], None],
    compact: bool = False,
    block: int = BLOCK,
) -> None:
    """Computes the tiles of a range of units, each of at most `size` vectors.

    `tile(unit, body)` writes the body for the place of a unit, `sums(place, first, steps)` adds
    products, `finish(place, sums, None)` takes the result, or `finish(place, [], pointer)` where it
    is in memory: if `compact`, or if the sums are long. Sums over more than `block` of the `inner`
    steps are cut into blocks, each summed by itself, so that long sums in a short format stay
    accurate. Neighbouring tiles take block after block together, so that the operands' blocks stay
    in the cache.
    """
    count = ceil(inner / block)
    lanes, align = vector.lanes, alignment(vector)
    if count == 1:
        kept = f.allocate(vector, size) if compact else None

        def whole(place: P) -> None:
            values = sums(place, 0, inner)
            if kept:
                for i, x in enumerate(values):
                    f.store(x, kept, i * lanes, align)
            finish(place, [] if kept else values, kept)

        with f.loop(*units) as unit:
            tile(unit.i, whole)
        return
    steps = ceil(inner / count)
    totals = f.allocate(vector, CHUNK * size)

    def body(unit: Index, low: Index, write: Callable[[P, Register], None]) -> None:
        at = opaque(f, f.mul(f.sub(unit, low), size * lanes))
        tile(unit, lambda place: write(place, f.at(totals, at, vector)))

    with f.loop(*units, step=CHUNK) as chunk:
        low, high = chunk.i, f.min(f.add(chunk.i, CHUNK), units[1])
        with f.loop(0, f.mul(f.sub(high, low), size * lanes), lanes) as i:
            f.store(const(0, vector), totals, i.i, align)
        with f.loop(0, count) as part, f.loop(low, high) as unit:
            first = opaque(f, f.mul(part.i, steps))
            here = f.min(steps, f.sub(inner, first)) if inner % steps else steps

            def add(place: P, kept: Register, first: Index = first, here: Index = here) -> None:
                for i, x in enumerate(sums(place, first, here)):
                    total = f.load(kept, i * lanes, vector, align)
                    f.store(f.binary("fadd", total, x), kept, i * lanes, align)

            body(unit.i, low, add)
        with f.loop(low, high) as unit:
            body(unit.i, low, lambda place, kept: finish(place, [], kept))


def visit(
    f: Function,
    vector: Type,
    shape: tuple[int, int],
    sums: list[Register],
    kept: Register | None,
    body: Callable[[Register, Index, int], None],
) -> None:
    """`body(sums, row, v)` for the vectors of a tile of `shape` (height, width): written for each
    one that is in a register, for one row if they are in memory."""
    height, width = shape
    if kept is None:
        for i, x in enumerate(sums):
            body(x, *divmod(i, width))
        return
    with f.loop(0, height) as row:
        at = opaque(f, row.i)
        for v in range(width):
            place = f.mul(f.add(f.mul(at, width), v), vector.lanes)
            body(f.load(kept, place, vector, alignment(vector)), at, v)

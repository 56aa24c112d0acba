"""Packing of the right operand of a matrix product, whose columns have gaps, into panels.

A panel is a strip of columns: [strip][inner][vectors of the strip], zero beyond the last column. A
unit is one vector of columns times a few steps of the inner dimension.
"""

from __future__ import annotations

from math import ceil

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.lanes import transpose
from chainrule.compile.emit.product import Run, alignment, choose, opaque, strip_runs
from chainrule.compile.emit.types import Index, Register, Type, const

STEPS = 16  # inner steps of a unit where nothing is transposed


def panel_units(columns: int, inner: int, step: int, lanes: int) -> int:
    """Units of all panels; `step` is the stride of the inner dimension."""
    return ceil(columns / lanes) * _pieces(inner, step, lanes)


def _pieces(inner: int, step: int, lanes: int) -> int:
    return ceil(inner / (lanes if _transposed(inner, step, lanes) else STEPS))


def _transposed(inner: int, step: int, lanes: int) -> bool:
    return step == 1 and inner >= lanes


def pack_cycles(columns: int, inner: int, step: int, lanes: int) -> float:
    """Modelled cycles of packing."""
    cost = (lanes.bit_length() + 2) / lanes if _transposed(inner, step, lanes) else 2.0
    return columns * inner * cost


def pack(
    f: Function,
    vector: Type,
    columns: int,
    width: int,
    inner: int,
    strides: tuple[int, int],
    source: Register,
    target: Register,
    units: tuple[Index, Index],
) -> None:
    """Packs columns in strips of `width` vectors; `strides` are (inner, column) of the source."""
    step, line = strides
    lanes, pieces = vector.lanes, _pieces(inner, step, vector.lanes)
    vectors, zero = ceil(columns / lanes), const(0, vector)
    runs = strip_runs(vectors, 1, columns % lanes > 0)
    with f.loop(*units) as unit:
        k: Index = f.urem(unit.i, pieces)
        steps: Index
        if _transposed(inner, step, lanes):
            # The last piece goes back over steps that the one before it has packed already.
            k, steps = f.mul(k, lanes), lanes
            k = f.min(k, inner - lanes) if inner % lanes else k
        else:
            k, steps = f.mul(k, STEPS), STEPS
            steps = f.min(STEPS, f.sub(inner, k)) if inner % STEPS else steps
        k, steps = opaque(f, k), opaque(f, steps)

        def panel(run: Run, _: Run, v: Index, __: Index, k: Index = k, n: Index = steps) -> None:
            count = (columns - 1) % lanes + 1 if run is runs[-1] else lanes
            first = f.mul(f.udiv(v, width), width)  # vector of the strip
            size: Index = f.min(width, f.sub(vectors, first)) if vectors % width else width
            at = f.add(f.mul(first, inner), f.add(f.mul(k, size), f.sub(v, first)))
            write = f.at(target, f.mul(at, lanes), vector)
            row = f.mul(size, lanes)
            read = f.at(source, f.affine((f.mul(v, lanes), line), (k, step)), vector)
            if _transposed(inner, step, lanes):
                rows = [f.load(read, i * line, vector) for i in range(count)]
                for i, x in enumerate(transpose(f, rows + [zero] * (lanes - count))):
                    f.store(x, write, f.mul(row, i), alignment(vector))
                return
            with f.loop(0, n, guard=False) as loop:
                at = f.mul(loop.i, step)
                x = zero
                for i in range(count):
                    x = f.insert(x, f.load(read, f.add(at, i * line), vector.element), i)
                f.store(x, write, f.mul(loop.i, row), alignment(vector))

        choose(f, (runs, f.udiv(unit.i, pieces)), ([Run(1, 0, 1, 0)], 0), panel)

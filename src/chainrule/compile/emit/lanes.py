"""Moves between the lanes of vectors: transposition and sums, by shuffles that processors have.

Shuffles inside 128 bits are the cheap ones on x86 and the only ones of NEON, so every stage either
stays inside 128-bit pieces or moves whole pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.types import Register, Type, const


def transpose(f: Function, registers: Sequence[Register]) -> list[Register]:
    """L vectors of L lanes: lane i of the result j is lane j of the vector i."""
    lanes, piece = _shape(registers[0].type)
    groups = [
        _inside(f, list(registers[i : i + piece]), 1) for i in range(0, len(registers), piece)
    ]
    columns = [_across(f, [group[j] for group in groups], piece) for j in range(piece)]
    return [columns[i % piece][i // piece] for i in range(lanes)]


def lane_sums(f: Function, vectors: Sequence[Register]) -> Register:
    """Sums over the lanes: lane j of the result is the sum of `vectors[j]`, zero beyond the last.

    One tree for all, half as many vectors after each level; the order of additions is fixed.
    """
    lanes, piece = _shape(vectors[0].type)
    zero = const(0, vectors[0].type)
    level = [*vectors, *[zero] * (lanes - len(vectors))]
    width = 1
    while len(level) > 1:
        if width < piece:
            pairs = _interleaved(lanes, piece, width)
        else:
            pairs = _halves(lanes // piece, width // piece, piece)
        level = [_added(f, a, b, pairs, zero) for a, b in zip(level[::2], level[1::2], strict=True)]
        width *= 2
    return level[0]


def _added(
    f: Function, a: Register, b: Register, pairs: tuple[list[int], list[int]], zero: Register
) -> Register:
    if a is zero and b is zero:
        return zero
    low, high = (f.shuffle(a, b, order) for order in pairs)
    return f.binary("fadd" if a.type.floating else "add", low, high)


def _shape(type: Type) -> tuple[int, int]:
    """Lanes, and how many of them 128 bits hold."""
    return type.lanes, min(type.lanes, max(1, 16 // type.size))


def _inside(f: Function, rows: list[Register], width: int) -> list[Register]:
    """Transposes inside each 128-bit piece; `width` neighbours already belong together."""
    if len(rows) == 1:
        return rows
    lanes, piece = _shape(rows[0].type)
    low, high = _interleaved(lanes, piece, width)
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    lows = [f.shuffle(a, b, low) for a, b in pairs]
    highs = [f.shuffle(a, b, high) for a, b in pairs]
    return _inside(f, lows, 2 * width) + _inside(f, highs, 2 * width)


def _across(f: Function, rows: list[Register], piece: int) -> list[Register]:
    """Transposes whole 128-bit pieces: result j holds piece j of every row."""
    if len(rows) == 1:
        return rows
    count = rows[0].type.lanes // piece
    even = _lanes_of([2 * i for i in range(count)], piece)
    odd = _lanes_of([2 * i + 1 for i in range(count)], piece)
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    evens = _across(f, [f.shuffle(a, b, even) for a, b in pairs], piece)
    odds = _across(f, [f.shuffle(a, b, odd) for a, b in pairs], piece)
    return [x for pair in zip(evens, odds, strict=True) for x in pair]


def _interleaved(lanes: int, piece: int, width: int) -> tuple[list[int], list[int]]:
    """Within each piece, runs of `width` lanes of a and b by turns: of the first half of the
    piece, and of the second."""
    orders: tuple[list[int], list[int]] = ([], [])
    for start in range(0, lanes, piece):
        for order, half in zip(orders, (start, start + piece // 2), strict=True):
            for run in range(half, half + piece // 2, width):
                order += range(run, run + width)
                order += range(lanes + run, lanes + run + width)
    return orders


def _halves(count: int, sums: int, piece: int) -> tuple[list[int], list[int]]:
    """Vectors of `count` pieces hold `sums` partial sums of count/sums pieces each: the first half
    of every partial sum of a, then b, and the second half."""
    terms = count // sums
    starts = range(0, 2 * count, terms)
    first = [s + i for s in starts for i in range(terms // 2)]
    second = [s + terms // 2 + i for s in starts for i in range(terms // 2)]
    return _lanes_of(first, piece), _lanes_of(second, piece)


def _lanes_of(pieces: Sequence[int], piece: int) -> list[int]:
    return [p * piece + i for p in pieces for i in range(piece)]

"""Nests that walk along lines: running sums and products, sorting."""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.compile.emit.sequential import argsort, argsort_scratch, cumulative, cumulative_units
from chainrule.compile.emit.types import Index, type_of
from chainrule.compile.emit.values import Values
from chainrule.compile.runtime.target import Target
from chainrule.compile.schedule.nest import Nest

Share = Callable[[int, int], tuple[Index, Index]]


def write_lines(values: Values, nest: Nest, share: Share, thread: Index, target: Target) -> None:
    """Writes the loops of a sequential instruction for this thread's share of the lines."""
    f, i = values.f, nest.sequential
    assert i is not None
    source, out = nest.operands[0], nest.stores[0].buffer
    shape = i.operands[0].shape
    axis = (i.operands[1] if len(i.operands) > 1 else i.attributes["axis"]) % max(len(shape), 1)
    n = shape[axis] if shape else 1
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    a, b = values.pointers[source], values.pointers[out]
    types = type_of(source.dtype), type_of(out.dtype)
    if i.primitive != "argsort":
        lanes = target.lanes(max(4, source.dtype.itemsize, out.dtype.itemsize))
        low, high = share(cumulative_units(outer, inner, lanes), 1)
        cumulative(f, i.primitive, a, b, n, inner, types, lanes, low, high)
        return
    descending = i.operands[2] if len(i.operands) > 2 else i.attributes.get("descending", False)
    scratch = values.pointers[nest.stores[1].buffer]
    mine = f.at(scratch, f.mul(thread, argsort_scratch(n, types[0])), types[0]._replace(kind="i8"))
    low, high = share(outer * inner, 1)
    lanes = target.lanes(8 if types[0].bits == 64 else 4)
    argsort(
        f, a, b, mine, n, inner, bool(descending), types[0], low, high, nest.leading, lanes
    )  # fmt: skip

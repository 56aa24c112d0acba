"""Rules that replace an instruction by something simpler that gives the same numbers."""

from __future__ import annotations

from chainrule.base.dtypes import DType
from chainrule.compile.graph import Instruction, Value
from chainrule.compile.passes.rewrite import Rewriter, Rule


def same(r: Rewriter, i: Instruction) -> Value | None:
    """Moves and casts that change nothing."""
    x = i.operands[0] if i.operands else None
    if not isinstance(x, Value) or x.weak:
        return None
    name = i.primitive
    if name in ("reshape", "broadcast_to"):
        return x if x.shape == i.out.shape else None
    if name == "permute_dims":
        return x if tuple(i.operands[1]) == tuple(range(len(x.shape))) else None
    if name == "astype":
        rounds = isinstance(i.operands[1], DType) and i.operands[1].name == "bfloat16"
        return x if x.dtype == i.out.dtype and not rounds else None
    return None


def reshaped_twice(r: Rewriter, i: Instruction) -> Value | None:
    """A reshape of a reshape is one."""
    if i.primitive != "reshape":
        return None
    inner = r.made.get(i.operands[0])
    if inner is None or inner.primitive != "reshape":
        return None
    return r.add("reshape", inner.operands[0], i.out.shape)


def one_of_each(r: Rewriter, i: Instruction) -> Value | None:
    """x[arange(N), k] = o, and its adjoint: one entry a row, chosen by comparing with its place."""
    if i.primitive not in ("put", "scatter_add"):
        return None
    adding = i.primitive == "scatter_add"
    key, indices = (i.operands[2], i.operands[3:]) if adding else (i.operands[1], i.operands[3:])
    shape = i.out.shape
    if len(shape) != 2 or tuple(key) != ("array", "array"):
        return None
    rows, columns = indices
    made = r.made.get(rows) if isinstance(rows, Value) else None
    if made is None or made.primitive != "arange" or made.operands[0] != shape[0]:
        return None
    if not isinstance(columns, Value) or columns.shape != (shape[0],):
        return None
    o = i.operands[0] if adding else i.operands[2]
    if isinstance(o, Value):
        if o.shape != (shape[0],):
            return None
        o = r.add("reshape", o, (shape[0], 1))
    below = r.add("less", columns, 0)
    columns = r.add("where", below, r.add("add", columns, shape[1]), columns)
    there = r.add("reshape", columns, (shape[0], 1))
    hit = r.add("equal", r.add("arange", shape[1], "int64"), there)
    out = r.add("where", hit, o, 0 if adding else i.operands[0])
    return out if out.dtype == i.out.dtype else r.add("astype", out, i.out.dtype)


def pooled(r: Rewriter, i: Instruction) -> Value | None:
    """The elements at the places of the maxima are the maxima; back, each place asks its windows
    whether it was the largest."""
    if i.primitive not in ("plane_take", "plane_add"):
        return None
    made = r.made.get(i.operands[1])
    if made is None or made.primitive != "windows_argmax":
        return None
    geometry = made.attributes
    if i.primitive == "plane_take":
        if made.operands[0] is not i.operands[0] or len(geometry["window"]) != i.attributes["axes"]:
            return None
        return r.add("windows_max", i.operands[0], **geometry)
    if len(geometry["window"]) != len(i.attributes["size"]):
        return None
    place = r.add("windows_place", made.operands[0], **geometry)
    return r.add("plane_route", i.operands[0], place, size=i.attributes["size"], **geometry)


def centred(r: Rewriter, i: Instruction) -> Value | None:
    """Any entry is near enough to the others that the squares of what is left lose nothing, and
    the data are read once instead of twice."""
    return i.operands[1] if i.primitive == "centre" else None


RULES: tuple[Rule, ...] = (same, reshaped_twice, one_of_each, pooled, centred)

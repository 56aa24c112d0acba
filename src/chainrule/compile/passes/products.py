"""Rules for matrix products: fewer and larger ones, and none over rows that repeat.

An embedding's rows come from a small table, so what is multiplied with gathered rows can be
multiplied with the table first: E[i]·W = (E·W)[i]. Backward, gradients of equal rows are added
before the product: W gets (Σ rows)ᵀ·E, and E gets (Σ rows)·W.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.compile.graph import Instruction, Value
from chainrule.compile.passes.rewrite import Rewriter
from chainrule.compile.passes.rounding import rounds

ROWS = ("array",)


def flat_product(r: Rewriter, i: Instruction) -> Value | None:
    """A stack of matrices times one matrix is one product; a permutation of rows comes after."""
    if i.primitive != "matmul":
        return None
    x, o = i.operands
    if len(x.shape) < 3 or len(o.shape) != 2:
        return None
    made = r.made.get(x)
    if made is not None and made.primitive == "permute_dims" and _keeps_last(made.operands[1]):
        return r.add("permute_dims", r.add("matmul", made.operands[0], o), made.operands[1])
    rows = math.prod(x.shape[:-1])
    flat = r.add("matmul", r.add("reshape", x, (rows, x.shape[-1])), o)
    return r.add("reshape", flat, i.out.shape)


def table_product(r: Rewriter, i: Instruction) -> Value | None:
    """Products with rows gathered from a table that is smaller than they are."""
    if i.primitive == "matmul" and all(len(v.shape) == 2 for v in i.operands):
        a, b = i.operands
        rows = _gathered(r, a)
        if rows is not None and rows[0].shape[0] * 2 <= a.shape[0]:
            return r.add("gather", r.add("matmul", rows[0], b), ROWS, rows[1])
        rows, d = _gathered(r, b), _transposed(r, a)
        if rows is not None and d is not None and rows[0].shape[0] * 2 <= b.shape[0]:
            table, at = rows
            added = r.add("scatter_add", d, (table.shape[0], d.shape[1]), ROWS, at)
            return r.add("matmul", r.add("permute_dims", added, (1, 0)), table)
    if i.primitive == "scatter_add" and tuple(i.operands[2]) == ROWS:
        return _added_rows(r, i)
    return None


def _added_rows(r: Rewriter, i: Instruction) -> Value | None:
    """Adding up the rows of a product: the product of the rows added up."""
    x, shape, _, at = i.operands
    if len(shape) != 2 or not isinstance(at, Value):
        return None
    made = r.made.get(x)
    while made is not None and made.primitive in ("permute_dims", "reshape"):
        inner = made.operands[0]
        if made.primitive == "permute_dims":
            axes = made.operands[1]
            if not _keeps_last(axes):
                return None
            back = tuple(sorted(range(len(axes)), key=lambda k, axes=axes: axes[k]))  # type: ignore[misc]
            at = r.add("permute_dims", at, back[:-1])
        elif inner.shape[-1:] != made.out.shape[-1:]:
            return None
        else:
            at = r.add("reshape", at, inner.shape[:-1])
        x, made = inner, r.made.get(inner)
    if made is None or made.primitive != "matmul" or len(x.shape) != 2:
        return None
    d, w = made.operands
    if len(d.shape) != 2 or len(w.shape) != 2 or shape[0] * 2 > d.shape[0]:
        return None
    added = r.add("scatter_add", d, (shape[0], d.shape[1]), ROWS, at)
    return r.add("matmul", added, w)


def _gathered(r: Rewriter, v: Value) -> tuple[Value, Value] | None:
    """(table, indices) if v is rows of a table, one for each index."""
    made = r.made.get(v)
    if made is None:
        return None
    if rounds(made):
        inner = _gathered(r, made.operands[0])
        return inner and (r.add("astype", inner[0], made.operands[1]), inner[1])
    if made.primitive == "gather" and tuple(made.operands[1]) == ROWS:
        table, at = made.operands[0], made.operands[2]
        return (table, at) if len(table.shape) == 2 and isinstance(at, Value) else None
    if made.primitive == "permute_dims" and _keeps_last(made.operands[1]):
        inner = _gathered(r, made.operands[0])
        return inner and (inner[0], r.add("permute_dims", inner[1], made.operands[1][:-1]))
    if made.primitive == "reshape" and made.operands[0].shape[-1:] == v.shape[-1:]:
        inner = _gathered(r, made.operands[0])
        return inner and (inner[0], r.add("reshape", inner[1], v.shape[:-1]))
    return None


def _transposed(r: Rewriter, v: Value) -> Value | None:
    made = r.made.get(v)
    if made is None or made.primitive != "permute_dims" or tuple(made.operands[1]) != (1, 0):
        return None
    inner: Value = made.operands[0]
    return inner


def _keeps_last(axes: Any) -> bool:
    return len(axes) > 1 and axes[-1] == len(axes) - 1

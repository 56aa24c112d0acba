"""Rules for values rounded to bfloat16: where the rounding stands, and where there is none to do.

Roundings move towards the products that need them, behind moves of elements, so that a product
sees them and can round its operands itself (`schedule/halves.py`).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType, bfloat16, round_bfloat16
from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.passes.rewrite import Rewriter

_MOVES = ("reshape", "permute_dims", "slice", "broadcast_to")
# Each element of the result is an element of an operand, or its absolute value, or its negative.
_CHOICES = {
    *_MOVES, "gather", "take_along_axis", "plane_take", "windows_max", "max", "min", "maximum",
    "minimum", "where", "abs", "negative", "concat", "unslice", "plane_route",
}  # fmt: skip


def rounds(i: Instruction | None) -> bool:
    """Whether the instruction rounds float32 to bfloat16."""
    return (
        i is not None
        and i.primitive == "astype"
        and isinstance(i.operands[1], DType)
        and i.operands[1].name == bfloat16.name
        and i.operands[0].dtype == np.float32
    )


def is_rounded(made: Mapping[Value, Instruction], value: Any, given: Container[Value] = ()) -> bool:
    """Whether every element is a bfloat16 number; `given`: values of which that is known."""
    if isinstance(value, int | float):
        one = np.asarray(value, np.float32)
        return bool(one == value and round_bfloat16(one) == one)
    if isinstance(value, list):
        return all(is_rounded(made, v, given) for v in value)
    if not isinstance(value, Value) or value in given:
        return isinstance(value, Value)
    i = made.get(value)
    if i is None or value.dtype != np.float32:
        return False
    if rounds(i):
        return True
    if i.primitive == "item":
        return _from_scan(made[i.operands[0]], i.operands[1])
    if i.primitive == "full":
        return is_rounded(made, i.operands[1])
    if i.primitive == "plane_route":
        windows = zip(i.attributes["window"], i.attributes["stride"], strict=True)
        if any(k > s for k, s in windows):
            return False
    if i.primitive not in _CHOICES:
        return False
    operands = i.operands[1:] if i.primitive == "where" else i.operands[:1]
    if i.primitive in ("maximum", "minimum"):
        operands = i.operands
    return all(is_rounded(made, v, given) for v in operands)


def _from_scan(i: Instruction, k: int) -> bool:
    """Of result k of a scan: what it stacks, whatever is carried."""
    body: Graph = i.attributes["body"]
    inner = {step.out: step for step in body.instructions}
    return k >= i.attributes["carries"] and is_rounded(inner, body.outputs[k])


def rounded_already(r: Rewriter, i: Instruction) -> Value | None:
    """Rounding what is rounded."""
    return i.operands[0] if rounds(i) and is_rounded(r.made, i.operands[0]) else None


def round_last(r: Rewriter, i: Instruction) -> Value | None:
    """Moves first, then rounds."""
    if i.primitive not in _MOVES:
        return None
    made = r.made.get(i.operands[0])
    if made is None or not rounds(made):
        return None
    moved = r.add(i.primitive, made.operands[0], *i.operands[1:], **i.attributes)
    return r.add("astype", moved, bfloat16)

"""Scans in a traced program: the step is traced once, into a graph of its own.

`scan(*carry, *xs, *constants)` has the attributes `body` (the graph of one step, from carry, x and
constants to carry and y), `reverse`, and how many `carries`, `xs` and `constants` there are. Its
result is a bundle, from which `item(bundle, k)` takes the last carries and then the stacked ys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.base.text import t
from chainrule.compile.graph import Graph, Instruction
from chainrule.compile.infer import infer
from chainrule.compile.symbols import Symbol
from chainrule.ops.arrays.scan import steps

if TYPE_CHECKING:
    from chainrule.compile.trace import Trace

_Results = tuple[tuple[Symbol, ...], tuple[Symbol, ...]]


def write_scan(
    trace: Trace, body: Any, carry: Any, xs: Any, constants: Any, reverse: bool
) -> _Results:
    """Writes the instructions of one scan; returns the symbols of its last carry and its ys."""
    operands = [trace.operand(v) for v in (*carry, *xs, *constants)]
    carries = len(carry)
    steps(operands[carries : carries + len(xs)], reverse)  # refuses an empty sequence
    attributes = {
        "body": _traced(trace, body, operands, carries, len(xs)),
        "reverse": reverse, "carries": carries, "xs": len(xs), "constants": len(constants),
    }  # fmt: skip
    bundle = trace.new("v", np.empty((), np.void), "bundle").value
    values = tuple(v.value for v in operands)
    trace.graph.instructions.append(Instruction("scan", values, attributes, bundle))
    out = []
    for k, meta in enumerate(infer("scan", tuple(v.meta for v in operands), attributes)):
        out.append(trace.new("v", meta, "result"))
        trace.graph.instructions.append(Instruction("item", (bundle, k), {}, out[k].value))
    return tuple(out[:carries]), tuple(out[carries:])


def _traced(trace: Trace, body: Any, operands: list[Symbol], carries: int, xs: int) -> Graph:
    """The graph of one step; equal steps on equal shapes share one."""
    metas = [v.meta[0] if carries <= i < carries + xs else v.meta for i, v in enumerate(operands)]
    key = (body, carries, xs, tuple((m.shape, m.dtype) for m in metas))
    known = trace.bodies.get(key)
    if known is not None:
        return known
    inner = type(trace)(getattr(body, "__name__", type(body).__name__))
    symbols = tuple(inner.input(m) for m in metas)
    carry = symbols[:carries]
    after, ys = body(inner.F, carry, symbols[carries : carries + xs], symbols[carries + xs :])
    results = [inner.operand(v) for v in (*after, *ys)]
    for before, now in zip(carry, results, strict=False):
        if (before.shape, before.dtype) != (now.shape, now.dtype):
            raise TraceError(
                t(
                    "scan: {body} is given {before} to carry on and gives {now}: shape and dtype "
                    "must stay the same from step to step.",
                    body=inner.graph.name,
                    before=repr(before.value),
                    now=repr(now.value),
                )
            )
    inner.graph.outputs.extend(v.value for v in results)
    trace.bodies[key] = inner.graph
    return inner.graph

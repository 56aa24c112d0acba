"""How long a program takes on one thread, roughly: small ones are not shared out.

Starting the threads costs 2 µs and each meeting of them some tenths, so a program of few
microseconds is done sooner by one thread.
"""

from __future__ import annotations

import math

from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.schedule.analysis import CHEAP, SEQUENTIAL
from chainrule.compile.schedule.lower import MAPS

ALONE = 50_000  # cycles of a program that one thread does as fast as several
CONVOLUTIONS = {"conv", "conv_input", "conv_weight"}


def useful_threads(graph: Graph, threads: int, lanes: int) -> int:
    """1 if the program is too small for `threads`; `lanes`: of a vector of float32."""
    total = 0.0
    for i in graph.instructions:
        total += _cycles(i, lanes)
        if total > ALONE:
            return threads
    return 1


def _cycles(i: Instruction, lanes: int) -> float:
    """Cycles of one instruction. Vectors are not full where an array has few channels or columns,
    and half of the peak is what small products reach."""
    name, n = i.primitive, math.prod(i.out.shape)
    operands = [v for v in i.operands if isinstance(v, Value)]
    read = sum(math.prod(v.shape) for v in operands)
    if name == "scan":
        return math.inf
    if name in CONVOLUTIONS:
        return multiply_adds(i) / lanes
    if name == "matmul":
        return max(n * operands[0].shape[-1] / lanes, read / 8)
    if name in SEQUENTIAL:
        return 8.0 * max(n, read)
    if name in MAPS or name == "astype":
        return n * (1 if name in CHEAP else 12) / lanes
    return (n + read) / lanes


def multiply_adds(i: Instruction) -> int:
    """Of a convolution or one of its adjoints; taps in the padding count."""
    a, b = i.operands[:2]
    if i.primitive == "conv":
        return math.prod(i.out.shape) * math.prod(b.shape[1:])
    if i.primitive == "conv_input":
        return math.prod(a.shape) * math.prod(b.shape[1:])
    return math.prod(b.shape) * math.prod(i.out.shape[1:])

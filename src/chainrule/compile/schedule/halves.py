"""Products of bfloat16 numbers: which have native kernels, and the operands they want in pairs.

The operands are taken before they are rounded, because pairing rounds: a rounded copy need not
exist in memory.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from chainrule.compile.emit.bf16.halves import (
    conv_halves,
    conv_input_halves,
    conv_weight_halves,
    linear_halves,
    linear_weight_halves,
    matmul_halves,
)
from chainrule.compile.emit.bf16.pairing import Pairing
from chainrule.compile.emit.conv_weight import (
    conv_weight_partial_size,
    conv_weight_units,
)
from chainrule.compile.emit.linear import LinearGeometry, LinearWeightGeometry
from chainrule.compile.emit.matmul import MatmulGeometry
from chainrule.compile.emit.tiles import ConvGeometry
from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.passes.rounding import is_rounded, rounds
from chainrule.compile.schedule.expression import Buffer
from chainrule.compile.schedule.kernel import Contraction

if TYPE_CHECKING:
    from chainrule.compile.schedule.plan import Planner

Operand = tuple[Buffer, int]  # buffer, first element


class Products:
    """The products of two bfloat16 factors in a graph. `kept`: values that must be in memory;
    `given`: inputs that hold bfloat16 numbers."""

    def __init__(self, graph: Graph, kept: Container[Value], given: Container[Value]) -> None:
        self._made = {i.out: i for i in graph.instructions}
        self._kept, self._given = kept, given
        self._known: set[Instruction] = {i for i in graph.instructions if self._is_product(i)}
        self._elsewhere = {
            v for i in graph.instructions if i not in self._known for v in i.uses()
        }  # what others read, too

    def _is_product(self, i: Instruction) -> bool:
        return i.primitive in ("matmul", "conv", "conv_input", "conv_weight") and all(
            is_rounded(self._made, v, self._given) for v in i.operands[:2]
        )

    def operands(self, i: Instruction) -> tuple[Value, Value] | None:
        """The factors, before they are rounded where only products read the rounded ones; None
        for other instructions."""
        if i not in self._known:
            return None
        a, b = map(self._unrounded, i.operands[:2])
        return a, b

    def _unrounded(self, v: Value) -> Value:
        made = self._made.get(v)
        if made is None or not rounds(made) or v in self._kept or v in self._elsewhere:
            return v
        inner: Value = made.operands[0]
        return inner


def _paired(
    p: Planner, source: Operand, g: Pairing, like: Buffer | None, shape: tuple[int, ...],
    local: bool = True,
) -> Buffer:  # fmt: skip
    """The operand in pairs. `like`: a buffer with the batch in its lanes whose blocks are divided
    among the threads; the pairs then have `shape` in lanes. `local`: and each thread reads what it
    wrote itself."""
    buffer, first = source
    key = (buffer, first, g)
    known = p.pairs.get(key)
    if known is not None:
        return known
    name = f"{buffer.name}.pairs{len(p.pairs)}"
    target = Buffer(name, shape, buffer.dtype, layout=p.lanes if like is not None else 0)
    aligned = (buffer,) if like is not None and local else ()
    p.stage(
        Contraction(
            "pair", None, g, (source,), aligned, target, g.units, by_block=like is not None
        ),
        like and target,
    )
    p.pairs[key] = target
    return target


# ---- convolution ---------------------------------------------------------------------------------


def paired_conv(
    p: Planner, i: Instruction, g: ConvGeometry, a: Value, b: Value
) -> Contraction | None:
    """The convolution or its adjoint in the input; None where half of each pair would be empty."""
    forward = i.primitive == "conv"
    if (g.group_in if forward else g.group_out) < 2:
        return None
    source, weight = p.ensure(a, p.lanes), p.ensure(b, 0)
    blocks = -(-a.shape[0] // p.lanes)
    halves = (conv_halves if forward else conv_input_halves)(g, blocks)
    channels = halves.product.channels_in if forward else halves.product.channels_out
    pairs = _paired(p, (source, 0), halves.source, source, (a.shape[0], channels, *a.shape[2:]))
    kernel = _paired(p, (weight, 0), halves.weight, None, (halves.weight.elements,))
    return Contraction(
        i.primitive, i, halves.product, ((pairs, 0), (kernel, 0)), (pairs,), by_block=True,
        pairs=True,
    )  # fmt: skip


def paired_conv_weight(
    p: Planner, i: Instruction, g: ConvGeometry, a: Value, b: Value
) -> Contraction | None:
    """The adjoint in the weight; None where there are too few pairs of blocks for the threads."""
    blocks = -(-a.shape[0] // p.lanes)
    halves = conv_weight_halves(g, blocks)
    pairs = halves[0].pairs
    if pairs < p.threads:
        return None
    local = blocks % (2 * p.threads) == 0
    operands = []
    for v, half in zip((a, b), halves, strict=True):
        buffer = p.ensure(v, p.lanes)
        shape = (pairs * p.lanes, *v.shape[1:])
        operands.append((_paired(p, (buffer, 0), half, buffer, shape, local), 0))
    part = Buffer(f"{i.out.name}.part", (p.threads * conv_weight_partial_size(g),), i.out.dtype)
    aligned = tuple(buffer for buffer, _ in operands)
    p.stage(
        Contraction(
            "conv_weight_part", i, g, tuple(operands), aligned, part, by_block=True, pairs=True
        ),
        aligned[0],
    )
    return Contraction("conv_weight", i, g, ((part, 0),), units=conv_weight_units(g))


# ---- linear layers and matrix products -----------------------------------------------------------


def paired_linear(
    p: Planner, x: Value, weight: Operand, g: LinearGeometry
) -> tuple[LinearGeometry, Operand, Operand] | None:
    """Batch in the lanes times a matrix: sizes, source and weight; None for one with gaps."""
    halves = linear_halves(g)
    if halves is None:
        return None
    source = p.ensure(x, p.lanes)
    shape = (x.shape[0], halves.product.reduce)
    pairs = _paired(p, (source, 0), halves.source, source, shape)
    matrix = _paired(p, weight, halves.weight, None, (halves.weight.elements,))
    return halves.product, (pairs, 0), (matrix, 0)


def paired_linear_weight(
    p: Planner, g: LinearWeightGeometry, d: Value, x: Value
) -> tuple[MatmulGeometry, list[Operand]]:
    """The gradient of a weight, as a matrix product over pairs of samples."""
    halves = linear_weight_halves(g)
    operands: list[Operand] = []
    for v, half in ((d, halves.left), (x, halves.right)):
        buffer = p.ensure(v, p.lanes)
        operands.append((_flat(p, buffer, half), 0))
    return halves.product, operands


def paired_matmul(
    p: Planner, g: MatmulGeometry, operands: list[Operand]
) -> tuple[MatmulGeometry, list[Operand]] | None:
    """A product of matrices; None where one has gaps."""
    halves = matmul_halves(g)
    if halves is None:
        return None
    pairs: list[Operand] = [
        (_paired(p, place, half, None, (half.elements,)), 0)
        for place, half in zip(operands, (halves.left, halves.right), strict=True)
    ]
    return halves.product, pairs


def _flat(p: Planner, source: Buffer, g: Pairing) -> Buffer:
    """Pairs that are not in blocks, of an operand that is: whoever wrote a block pairs it."""
    known = p.pairs.get((source, 0, g))
    if known is not None:
        return known
    target = Buffer(f"{source.name}.pairs{len(p.pairs)}", (g.elements,), source.dtype)
    p.pairs[source, 0, g] = target
    p.stage(
        Contraction("pair", None, g, ((source, 0),), (source,), target, g.units, by_block=True),
        source,
    )
    return target

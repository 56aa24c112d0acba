"""Geometries of kernels on pairs, and how each operand is brought into pairs.

The dimension that is summed over has half the steps; everything else is as in float32, and so are
the generators: `matmul(paired(f), g.product, …)` with `g = matmul_halves(…)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.compile.emit.bf16.pairing import LinePairs, Pairing, RowPairs, SamplePairs
from chainrule.compile.emit.linear import LinearGeometry, LinearWeightGeometry
from chainrule.compile.emit.matmul import MatmulGeometry
from chainrule.compile.emit.tiles import ConvGeometry


def half(n: int) -> int:
    """Pairs that hold n numbers."""
    return -(-n // 2)


@dataclass(frozen=True)
class MatmulHalves:
    """A product of paired operands: `left` and `right` pair A and B, `product` is the rest."""

    left: Pairing
    right: Pairing
    product: MatmulGeometry


def matmul_halves(g: MatmulGeometry) -> MatmulHalves | None:
    """Of C = A · B in float32; None where neither stride of an operand is 1."""
    lanes, k = g.lanes, half(g.inner)
    left: Pairing
    right: Pairing
    (row, inner), (inner_b, column) = g.a_strides, g.b_strides
    if inner == 1 or g.inner == 1:
        left = LinePairs(1, g.rows, g.inner, (0, row), (0, k), lanes, True)
        a_strides = (k, 1)
    elif row == 1 or g.rows == 1:
        left = RowPairs(1, g.inner, g.rows, 0, inner, lanes, True)
        a_strides = (1, g.rows)
    else:
        return None
    if column == 1 or g.columns == 1:
        right = RowPairs(1, g.inner, g.columns, 0, inner_b, lanes, True)
        b_strides = (g.columns, 1)
    elif inner_b == 1 or g.inner == 1:
        right = LinePairs(1, g.columns, g.inner, (0, column), (0, k), lanes, True)
        b_strides = (1, k)
    else:
        return None
    product = replace(g, inner=k, a_strides=a_strides, b_strides=b_strides)
    return MatmulHalves(left, right, product)


@dataclass(frozen=True)
class LinearHalves:
    """A linear layer: `source` pairs X (units: its blocks), `weight` pairs W."""

    source: Pairing
    weight: Pairing
    product: LinearGeometry


def linear_halves(g: LinearGeometry) -> LinearHalves | None:
    """Of `linear` in float32; None where neither stride of the weight is 1."""
    lanes, k = g.lanes, half(g.reduce)
    source = RowPairs(g.blocks, g.reduce, lanes, g.reduce * lanes, lanes, lanes)
    weight: Pairing
    if g.weight_reduce_stride == 1 or g.reduce == 1:
        weight = LinePairs(1, g.outputs, g.reduce, (0, g.weight_output_stride), (0, k), lanes, True)
        strides = (k, 1)
    elif g.weight_output_stride == 1 or g.outputs == 1:
        weight = RowPairs(1, g.reduce, g.outputs, 0, g.weight_reduce_stride, lanes, True)
        strides = (1, g.outputs)
    else:
        return None
    product = replace(g, reduce=k, weight_output_stride=strides[0], weight_reduce_stride=strides[1])
    return LinearHalves(source, weight, product)


def linear_weight_halves(g: LinearWeightGeometry) -> MatmulHalves:
    """Of `linear_weight`: `left` pairs the samples of the gradient D, `right` those of the input X
    (units of both: blocks), and what remains is a matrix product over pairs of samples."""
    lanes, samples = g.lanes, g.blocks * g.lanes // 2
    left = LinePairs(
        g.blocks, g.outputs, lanes, (g.outputs * lanes, lanes), (lanes // 2, samples), lanes
    )
    right = SamplePairs(g.blocks, g.inputs, lanes)
    product = MatmulGeometry(
        g.outputs, g.inputs, samples, (samples, 1), (g.inputs, 1), g.type, lanes, g.registers
    )
    return MatmulHalves(left, right, product)


@dataclass(frozen=True)
class ConvHalves:
    """A convolution: `source` pairs channels of the first operand (units: groups of channels, so
    `groups` times the blocks), `weight` those of the weight (units: `weight.units`)."""

    source: RowPairs
    weight: RowPairs
    product: ConvGeometry


def conv_halves(g: ConvGeometry, blocks: int) -> ConvHalves:
    """Of `conv`: pairs of input channels."""
    plane, size = g.stride_in * g.lanes, g.kernel[0] * g.kernel[1]
    n = g.group_in
    source = RowPairs(blocks * g.groups, n, plane, n * plane, plane, g.lanes)
    weight = RowPairs(g.channels_out, n, size, n * size, size, g.lanes)
    return ConvHalves(source, weight, replace(g, channels_in=g.groups * half(n)))


def conv_input_halves(g: ConvGeometry, blocks: int) -> ConvHalves:
    """Of `conv_input`: pairs of output channels."""
    plane, size = g.stride_out * g.lanes, g.group_in * g.kernel[0] * g.kernel[1]
    n = g.group_out
    source = RowPairs(blocks * g.groups, n, plane, n * plane, plane, g.lanes)
    weight = RowPairs(g.groups, n, size, n * size, size, g.lanes)
    return ConvHalves(source, weight, replace(g, channels_out=g.groups * half(n)))


def conv_weight_halves(g: ConvGeometry, blocks: int) -> tuple[RowPairs, RowPairs]:
    """Of `conv_weight`, whose geometry stays: pairs of blocks of the source and of the gradient
    (units: pairs of blocks). A kernel's blocks are then these pairs."""
    source = g.channels_in * g.stride_in * g.lanes
    gradient = g.channels_out * g.stride_out * g.lanes
    return (
        RowPairs(1, blocks, source, 0, source, g.lanes, True),
        RowPairs(1, blocks, gradient, 0, gradient, g.lanes, True),
    )

"""Which contractions have a kernel of their own, and what those kernels need in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chainrule.compile.emit.conv_channels import (
    ChannelsGeometry,
    channels_pack_units,
    channels_units,
    channels_weights,
)
from chainrule.compile.emit.conv_weight import conv_weight_partial_size, conv_weight_units
from chainrule.compile.emit.linear import (
    LaneGeometry,
    LinearGeometry,
    LinearWeightGeometry,
    linear_groups,
    linear_units,
    linear_weight_scratch,
    linear_weight_units,
)
from chainrule.compile.emit.matmul import (
    MatmulGeometry,
    matmul_pack_a_units,
    matmul_pack_b_units,
    matmul_scratch,
    matmul_units,
)
from chainrule.compile.emit.tiles import ConvGeometry
from chainrule.compile.emit.types import Type, type_of
from chainrule.compile.emit.winograd import (
    WinogradGeometry,
    winograd_pays,
    winograd_scratch,
    winograd_weights_size,
)
from chainrule.compile.emit.winograd_channels import (
    WinogradChannels,
    winograd_channels_pays,
    winograd_channels_scratch,
    winograd_channels_weights_size,
    winograd_channels_weights_units,
)
from chainrule.compile.emit.winograd_weight import (
    winograd_weight_partial_size,
    winograd_weight_pays,
    winograd_weight_scratch,
    winograd_weight_units,
)
from chainrule.compile.graph import Instruction, Value
from chainrule.compile.schedule.expression import CHANNELS, ROWS, Buffer
from chainrule.compile.schedule.halves import (
    Operand,
    paired_conv,
    paired_conv_weight,
    paired_linear,
    paired_linear_weight,
    paired_matmul,
)
from chainrule.compile.schedule.kernel import Contraction
from chainrule.compile.schedule.places import channels_last

if TYPE_CHECKING:
    from chainrule.compile.schedule.plan import Planner


def contraction_of(p: Planner, i: Instruction) -> Contraction | None:
    """The kernel for a contraction, with its operands in memory; None: the general loops do it."""
    if i.out.dtype.name not in ("float32", "float64") or math.prod(i.out.shape) == 0:
        return None
    operands = [v for v in i.operands if isinstance(v, Value)]
    if any(v.dtype != i.out.dtype or math.prod(v.shape) == 0 for v in operands):
        return None
    if i.primitive != "matmul":
        return _convolution(p, i)
    a, b = operands
    if len(a.shape) > 2 or len(b.shape) > 2:
        return _matmul_stack(p, i, a, b) if min(len(a.shape), len(b.shape)) > 1 else None
    if len(a.shape) != 2 or len(b.shape) != 2:
        return None
    if p.in_lanes(a):
        return _linear(p, i, a, b) if p.analysis.in_lanes(i.out) else None
    inner = p.transposed_batch(a)
    if inner is not None and p.in_lanes(b):
        return _linear_weight(p, i, inner, b)
    return _matmul(p, i, a, b)


# ---- convolution --------------------------------------------------------------------------------


def _convolution(p: Planner, i: Instruction) -> Contraction | None:
    a, b = i.operands[:2]
    spatial = len(a.shape) - 2
    if spatial not in (1, 2):
        return None
    if i.primitive == "conv" and p.analysis.channels:
        return _channels(p, i, a, b)
    if not p.in_lanes(a):
        return None
    weight_kernel = i.primitive == "conv_weight"
    if weight_kernel and not p.in_lanes(b):
        return None
    geometry = _geometry(p, i, spatial)
    unrounded = p.to_round(i)
    if unrounded is not None:
        paired = (paired_conv_weight if weight_kernel else paired_conv)(p, i, geometry, *unrounded)
        if paired is not None:
            return paired
    source = p.ensure(a, p.lanes)
    if weight_kernel:
        gradient = p.ensure(b, p.lanes)
        if winograd_weight_pays(WinogradGeometry(geometry)):
            return _winograd_weight(p, i, WinogradGeometry(geometry), source, gradient)
        size = conv_weight_partial_size(geometry)
        part = Buffer(f"{i.out.name}.part", (p.threads * size,), i.out.dtype)
        operands, aligned = ((source, 0), (gradient, 0)), (source, gradient)
        p.stage(
            Contraction("conv_weight_part", i, geometry, operands, aligned, part, by_block=True),
            source,
        )
        units = conv_weight_units(geometry)
        return Contraction("conv_weight", i, geometry, ((part, 0),), units=units)
    weight = p.ensure(b, 0)
    minimal = WinogradGeometry(geometry, i.primitive == "conv_input")
    if winograd_pays(minimal):
        return _winograd(p, i, minimal, source, weight)
    operands = ((source, 0), (weight, 0))
    return Contraction(i.primitive, i, geometry, operands, (source,), by_block=True)


def _winograd(
    p: Planner, i: Instruction, g: WinogradGeometry, source: Buffer, weight: Buffer
) -> Contraction:
    """A 3×3 convolution with fewer products; the weights are transformed first."""
    size = winograd_weights_size(g)
    points = Buffer(f"{i.out.name}.points", (size,), i.out.dtype)
    transform = Contraction(
        "winograd_weights", i, g, ((weight, 0),), target=points, units=g.results
    )
    p.stage(transform, None)
    scratch = Buffer(f"{i.out.name}.pieces", (p.threads * winograd_scratch(g),), i.out.dtype)
    scratch.private = True
    operands = ((source, 0), (points, 0))
    return Contraction("winograd", i, g, operands, (source,), scratch, by_block=True)


def _winograd_weight(
    p: Planner, i: Instruction, g: WinogradGeometry, source: Buffer, gradient: Buffer
) -> Contraction:
    """The weight gradient of a 3×3 convolution; each thread's scratch lies behind its sums."""
    size = winograd_weight_partial_size(g) * p.threads
    scratch = winograd_weight_scratch(g) * p.threads
    part = Buffer(f"{i.out.name}.part", (size + scratch,), i.out.dtype)
    operands, aligned = ((source, 0), (gradient, 0)), (source, gradient)
    kind = "winograd_weight_part"
    p.stage(Contraction(kind, i, g, operands, aligned, part, by_block=True), source)
    units = winograd_weight_units(g)
    return Contraction("winograd_weight", i, g, ((part, 0),), units=units)


def _channels(p: Planner, i: Instruction, x: Value, w: Value) -> Contraction:
    """A convolution with its channels in the lanes; the source as it is, if it is plain."""
    lanes = p.lanes if i.out.dtype.itemsize == 4 else p.lanes // 2
    conv = replace(_geometry(p, i, len(x.shape) - 2), lanes=lanes)
    seen = None if conv.groups > 1 else p.view(x)
    if seen is None:
        source = p.ensure(x, CHANNELS)
        sizes = channels_last(x.shape)
        steps = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
        seen = source, 0, (steps[0], steps[-1], *steps[1:-1])
    source, first, (sample, channel, *places) = seen
    row, column = places if len(places) == 2 else (0, places[0])
    geometry = ChannelsGeometry(conv, x.shape[0], (sample, channel, row, column))
    weight = p.ensure(w, ROWS)
    minimal = WinogradChannels(geometry, p.threads)
    if winograd_channels_pays(minimal):
        return _winograd_channels(p, i, minimal, (source, first), weight)
    packed = Buffer(f"{i.out.name}.packed", (channels_weights(geometry),), i.out.dtype)
    units = channels_pack_units(geometry)
    pack = Contraction("channels_pack", i, geometry, ((weight, 0),), target=packed, units=units)
    p.stage(pack, None)
    operands = ((source, first), (packed, 0))
    return Contraction("conv_channels", i, geometry, operands, units=channels_units(geometry))


def _winograd_channels(
    p: Planner, i: Instruction, g: WinogradChannels, source: Operand, weight: Buffer
) -> Contraction:
    """The same for a 3×3 convolution with fewer products."""
    points = Buffer(f"{i.out.name}.points", (winograd_channels_weights_size(g),), i.out.dtype)
    kind, units = "winograd_channels_weights", winograd_channels_weights_units(g)
    p.stage(Contraction(kind, i, g, ((weight, 0),), target=points, units=units), None)
    size = p.threads * winograd_channels_scratch(g)
    scratch = Buffer(f"{i.out.name}.pieces", (size,), i.out.dtype)
    scratch.private = True
    operands = (source, (points, 0))
    return Contraction("winograd_channels", i, g, operands, target=scratch, units=g.units)


def _geometry(p: Planner, i: Instruction, spatial: int) -> ConvGeometry:
    at = i.attributes
    a, b = i.operands[:2]
    if i.primitive == "conv":
        x, y, kernel = a.shape, i.out.shape, b.shape[2:]
    elif i.primitive == "conv_input":
        x, y, kernel = i.out.shape, a.shape, b.shape[2:]
    else:
        x, y, kernel = a.shape, b.shape, tuple(at["kernel"])

    def two(values: Any, fill: Any) -> Any:
        return (fill, *values) if spatial == 1 else tuple(values)

    (height, width), (out_height, out_width) = two(x[2:], 1), two(y[2:], 1)
    return ConvGeometry(
        x[1], y[1], height, width, out_height, out_width, two(kernel, 1), two(at["stride"], 1),
        two(tuple(tuple(q) for q in at["padding"]), (0, 0)), two(at["dilation"], 1), at["groups"],
        type_of(i.out.dtype), p.lanes, p.registers,
    )  # fmt: skip


# ---- linear layers and matrix products ----------------------------------------------------------


def _linear(p: Planner, i: Instruction, x: Value, w: Value) -> Contraction:
    """Batch in the lanes times a matrix: each weight is broadcast."""
    unrounded = p.to_round(i)
    if unrounded is not None:
        weight, geometry = _linear_geometry(p, i, *unrounded)
        paired = paired_linear(p, unrounded[0], weight, geometry)
        if paired is not None:
            return _linear_call(p, i, *paired, pairs=True)
    weight, geometry = _linear_geometry(p, i, x, w)
    return _linear_call(p, i, geometry, (p.ensure(x, p.lanes), 0), weight)


def _linear_geometry(
    p: Planner, i: Instruction, x: Value, w: Value
) -> tuple[Operand, LinearGeometry]:
    """Where the matrix lies, and the sizes."""
    buffer, first, (reduce_stride, output_stride) = _seen(p, w)
    geometry = LinearGeometry(
        -(-x.shape[0] // p.lanes), x.shape[1], w.shape[1], output_stride, reduce_stride,
        type_of(i.out.dtype), p.lanes, p.registers, p.threads,
    )  # fmt: skip
    return (buffer, first), geometry


def _linear_call(
    p: Planner, i: Instruction, g: LinearGeometry, source: Operand, weight: Operand,
    pairs: bool = False,
) -> Contraction:  # fmt: skip
    # Whole blocks to each thread, if that is an equal share.
    groups = linear_groups(g)
    size = groups[0][1] - groups[0][0]
    even = len(groups) % p.threads == 0 and all(h - low == size for low, h in groups)
    return Contraction(
        "linear", i, g, (source, weight), (source[0],), units=linear_units(g), by_block=even,
        pairs=pairs,
    )  # fmt: skip


def _seen(p: Planner, matrix: Value) -> tuple[Buffer, int, tuple[int, ...]]:
    """Where a matrix lies in memory, plain or as a view: buffer, first element, strides."""
    seen = p.view(matrix)
    return seen if seen is not None else (p.ensure(matrix, 0), 0, (matrix.shape[1], 1))


def _linear_weight(p: Planner, i: Instruction, d: Value, x: Value) -> Contraction:
    """The gradient of a weight: a sum over the batch, for which x is transposed first."""
    geometry = LinearWeightGeometry(
        -(-x.shape[0] // p.lanes), x.shape[1], d.shape[1], type_of(i.out.dtype), p.lanes,
        p.registers,
    )  # fmt: skip
    unrounded = p.to_round(i)
    inner = None if unrounded is None else p.transposed_batch(unrounded[0])
    if unrounded is not None and inner is not None:
        return _matmul_call(p, i, *paired_linear_weight(p, geometry, inner, unrounded[1]), True)
    gradient, source = p.ensure(d, p.lanes), p.ensure(x, p.lanes)
    size = linear_weight_scratch(geometry)
    scratch = Buffer(f"{i.out.name}.turned", (size,), i.out.dtype)
    operands = ((source, 0),)
    p.stage(
        Contraction(
            "linear_weight_transpose", i, geometry, operands, (source,), scratch, by_block=True
        ),
        source,
    )
    return Contraction(
        "linear_weight", i, geometry, ((gradient, 0), (scratch, 0)),
        units=linear_weight_units(geometry),
    )  # fmt: skip


def _matmul(p: Planner, i: Instruction, a: Value, b: Value) -> Contraction:
    """A row-major product of any views; operands in panels where that pays."""
    unrounded = p.to_round(i)
    if unrounded is not None:
        paired = paired_matmul(p, *_matmul_geometry(p, i, *unrounded))
        if paired is not None:
            return _matmul_call(p, i, *paired, True)
    return _matmul_call(p, i, *_matmul_geometry(p, i, a, b))


def _matmul_geometry(
    p: Planner, i: Instruction, a: Value, b: Value
) -> tuple[MatmulGeometry, list[Operand]]:
    (left, first_a, strides_a), (right, first_b, strides_b) = _seen(p, a), _seen(p, b)
    geometry = MatmulGeometry(
        a.shape[0], b.shape[1], a.shape[1], (strides_a[0], strides_a[1]),
        (strides_b[0], strides_b[1]), type_of(i.out.dtype),
        p.lanes if i.out.dtype.itemsize == 4 else p.lanes // 2, p.registers,
    )  # fmt: skip
    return geometry, [(left, first_a), (right, first_b)]


def _matmul_call(
    p: Planner, i: Instruction, geometry: MatmulGeometry, operands: list[Operand],
    pairs: bool = False,
) -> Contraction:  # fmt: skip
    sizes = matmul_scratch(geometry)
    packs = (matmul_pack_a_units(geometry), matmul_pack_b_units(geometry))
    for k, (size, units) in enumerate(zip(sizes, packs, strict=True)):
        if size:
            name = f"{i.out.name}.panels{k}"
            panels = Buffer(name, (size,), i.out.dtype)
            kind = ("matmul_pack_a", "matmul_pack_b")[k]
            p.stage(
                Contraction(kind, i, geometry, (operands[k],), target=panels, units=units), None
            )
            operands[k] = (panels, 0)
    return Contraction(
        "matmul", i, geometry, tuple(operands), units=matmul_units(geometry), pairs=pairs
    )


@dataclass(frozen=True)
class StackGeometry:
    """Products of many pairs of matrices: `shape` of the stack, and how far each operand moves on
    for a step along each of its axes."""

    each: MatmulGeometry
    shape: tuple[int, ...]
    a_steps: tuple[int, ...]
    b_steps: tuple[int, ...]

    @property
    def type(self) -> Type:
        return self.each.type

    @property
    def scratch(self) -> tuple[int, int]:
        """Elements of a thread's panels of A and B, in whole cache lines."""
        a, b = matmul_scratch(self.each)
        return -(-a // 16) * 16, -(-b // 16) * 16


def _matmul_stack(p: Planner, i: Instruction, a: Value, b: Value) -> Contraction:
    """Each thread does whole products, one after the other, with panels of its own."""
    shape = i.out.shape[:-2]
    operands, strides, steps = [], [], []
    for v in (a, b):
        at = p.view(v)
        if at is None:
            rows = tuple(math.prod(v.shape[k + 1 :]) for k in range(len(v.shape)))
            at = p.ensure(v, 0), 0, rows
        operands.append(at[:2])
        strides.append((at[2][-2], at[2][-1]))
        lead = [0 if n == 1 else step for n, step in zip(v.shape[:-2], at[2][:-2], strict=True)]
        steps.append((0,) * (len(shape) - len(lead)) + tuple(lead))
    lanes = p.lanes if i.out.dtype.itemsize == 4 else p.lanes // 2
    each = MatmulGeometry(
        a.shape[-2], b.shape[-1], a.shape[-1], strides[0], strides[1], type_of(i.out.dtype),
        lanes, p.registers,
    )  # fmt: skip
    geometry = StackGeometry(each, shape, steps[0], steps[1])
    size = sum(geometry.scratch)
    target = None
    if size:
        target = Buffer(f"{i.out.name}.panels", (p.threads * size,), i.out.dtype)
        target.private = True
    return Contraction(
        "matmul_stack", i, geometry, tuple(operands), target=target, units=math.prod(shape)
    )


def transposition(source: Buffer, target: Buffer) -> Contraction:
    """Row-major to the batch in the lanes."""
    geometry = LaneGeometry(
        target.shape[0], math.prod(target.shape[1:]), type_of(target.dtype), target.lanes
    )
    return Contraction("transpose_in", None, geometry, ((source, 0),), target=target, by_block=True)

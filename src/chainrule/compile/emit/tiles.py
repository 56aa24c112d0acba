"""Sizes of a convolution and the register tiles of its kernels, chosen by a static model.

The model counts cycles of a core that does two fused multiply-adds and two loads at a time, each
multiply-add finished after four cycles, and reads a new line from the second-level cache in two.
Measured on Zen 5; ratios, not cycles, decide, and they are alike on other cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, gcd, inf

from chainrule.compile.emit.types import Type

Pair = tuple[int, int]
LATENCY = 4.0  # cycles from a multiply-add to its use
LINE = 1.8  # cycles for a vector that comes from the second-level cache
CACHE = 48 << 10  # bytes of the first-level cache
BAND = 512 << 10  # bytes of a band of rows of all channels: stays in the second-level cache
CODE = 4000  # multiply-adds that a kernel may hold when written out: about 30 ms of compilation


@dataclass(frozen=True)
class ConvGeometry:
    """One convolution whose batch lies in the vector lanes.

    Activations are [blocks][channels][height][width][lanes], weights
    [channels_out][channels_in / groups][kernel]. Padding is ((top, bottom), (left, right)); it may
    be negative, which crops. `plane_in` and `plane_out` are distances between channels in vectors
    where they are not height · width: planes a multiple of 4096 bytes apart share cache sets.
    """

    channels_in: int
    channels_out: int
    height: int
    width: int
    out_height: int
    out_width: int
    kernel: Pair
    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair
    groups: int
    type: Type
    lanes: int
    registers: int = 32
    plane_in: int = 0
    plane_out: int = 0

    @property
    def group_in(self) -> int:
        return self.channels_in // self.groups

    @property
    def group_out(self) -> int:
        return self.channels_out // self.groups

    @property
    def vector(self) -> Type:
        return self.type.of(self.lanes)

    @property
    def stride_in(self) -> int:
        """Vectors from one input channel to the next."""
        return self.plane_in or self.height * self.width

    @property
    def stride_out(self) -> int:
        """Vectors from one output channel to the next."""
        return self.plane_out or self.out_height * self.out_width

    def axis(self, index: int, adjoint: bool = False) -> Axis:
        """The rows (0) or columns (1)."""
        sizes = (self.height, self.width)[index], (self.out_height, self.out_width)[index]
        size, out = reversed(sizes) if adjoint else sizes
        return Axis(
            size,
            out,
            self.kernel[index],
            self.stride[index],
            self.padding[index][0],
            self.dilation[index],
            adjoint,
        )


def flops(g: ConvGeometry) -> int:
    """Floating-point operations for one sample, of each of the three convolutions; taps in the
    padding count."""
    kernel = g.kernel[0] * g.kernel[1]
    return 2 * g.channels_out * g.out_height * g.out_width * g.group_in * kernel


@dataclass(frozen=True)
class Axis:
    """How one spatial axis of the result reads the source: which taps meet which positions.

    Forward, result i takes source i·stride + k·dilation − padding through tap k. The adjoint
    takes (i + padding − k·dilation) / stride where that is whole.
    """

    size: int  # of the source
    out: int  # of the result
    kernel: int
    stride: int
    padding: int
    dilation: int
    adjoint: bool

    def taps(self, i: int) -> list[Pair]:
        """(tap, source position) of the result's position i, outside the source too."""
        s, p, d = self.stride, self.padding, self.dilation
        if not self.adjoint:
            return [(k, i * s + k * d - p) for k in range(self.kernel)]
        return [(k, (i + p - k * d) // s) for k in range(self.kernel) if (i + p - k * d) % s == 0]

    def valid(self, i: int) -> list[Pair]:
        """The taps of position i that meet the source."""
        return [(k, x) for k, x in self.taps(i) if 0 <= x < self.size]

    @property
    def full(self) -> bool:
        """Whether all taps of all positions meet the source."""
        return all(len(self.valid(i)) == self.kernel for i in self._ends)

    @property
    def never_empty(self) -> bool:
        """Whether every position has a tap that meets the source."""
        return all(self.valid(i) for i in range(self.out))

    @property
    def _ends(self) -> tuple[int, ...]:
        return tuple(range(self.out)) if self.adjoint else (0, self.out - 1)

    def inside(self, start: int, width: int) -> bool:
        """Whether all taps of `width` positions from `start` meet the source."""
        return all(0 <= x < self.size for i in range(start, start + width) for _, x in self.taps(i))

    @property
    def step(self) -> int:
        """Tiles start at multiples of this, so that their taps are the same."""
        return self.stride if self.adjoint else 1

    def source_step(self, width: int) -> int:
        """How far the source moves when a tile moves by `width`."""
        return width // self.stride if self.adjoint else width * self.stride

    def pieces(self, width: int) -> list[tuple[int, int, int]]:
        """Tiles (start, width, count): neighbouring ones of equal taps are one piece."""
        pieces: list[tuple[int, int, int]] = []
        for start in range(0, self.out, width):
            size = min(width, self.out - start)
            inner = size == width and self.inside(start, size)
            if inner and pieces and pieces[-1][2] and self.inside(pieces[-1][0], width):
                first, _, count = pieces[-1]
                pieces[-1] = (first, width, count + 1)
            else:
                pieces.append((start, size, 1))
        return pieces

    @property
    def lattice(self) -> tuple[int, int, int, int]:
        """Of the taps k with k·dilation ≡ u modulo stride, which exist if u is a multiple of the
        first number: the step between them, the step of (u − k·dilation) / stride between them,
        and the inverse of the dilation, from which the first of them follows."""
        common = gcd(self.stride, self.dilation)
        step, shift = self.stride // common, self.dilation // common
        return common, step, shift, pow(shift, -1, step) if step > 1 else 0

    def lines(self, width: int) -> int:
        """Source positions that a tile in the middle reads."""
        return len({x for i in range(width) for _, x in self.taps(i)})


# ----------------------------------------------------------------------- forward and input adjoint


@dataclass(frozen=True)
class Tile:
    """Accumulators of `channels` × `columns` results. `sliding`: the weights of a kernel row stay
    in registers and each source vector is read once; otherwise tap after tap. `columns` 0: one
    column, taps in a loop."""

    channels: int
    columns: int
    sliding: bool


@lru_cache(maxsize=1024)
def conv_tile(axis: Axis, channels: int, registers: int) -> Tile:
    """The cheapest tile for a row of `axis.out` columns and `channels` results of one group."""
    best, cost = Tile(min(channels, registers - 4), 0, False), inf
    if axis.step > 16:
        return best
    for columns in range(1, min(axis.out, 16) + 1):
        if columns % axis.step and columns != axis.out:
            continue
        pieces = axis.pieces(columns)
        for wide in range(1, min(channels, 12) + 1):
            variants = [wide, channels % wide] if channels % wide else [wide]
            written = axis.kernel * sum(w for _, w, _ in pieces) * sum(variants)
            if written > CODE * max(1, axis.step):
                continue
            for sliding in (True, False):
                held = wide * (axis.kernel if sliding else 1)
                if wide * columns + held + 1 > registers - 2:
                    continue
                cycles = 0.0
                for _, w, count in pieces:
                    cycles += count * (channels // wide) * _cycles(axis, wide, w, sliding)
                    if channels % wide:
                        cycles += count * _cycles(axis, channels % wide, w, sliding)
                # Among equals the shorter code, which also compiles sooner.
                cycles *= 1 + written / 20_000 + (0.02 if sliding else 0)
                if cycles < cost - 1e-9:
                    best, cost = Tile(wide, columns, sliding), cycles
    return best


def _cycles(axis: Axis, channels: int, columns: int, sliding: bool) -> float:
    """Of one kernel row of one input channel."""
    taps = axis.kernel / axis.step
    lines = axis.lines(columns)
    loads = lines + channels * axis.kernel if sliding else taps * (columns + channels)
    work = max(taps * channels * columns / 2, loads / 2, LINE * lines, LATENCY * taps)
    return work + 1.5


# ---------------------------------------------------------------------------------- weight adjoint


@dataclass(frozen=True)
class WeightTile:
    """Accumulators for `outputs` × `inputs` channels × the taps of a kernel row, `unroll` times
    over for neighbouring columns. They walk `rows` rows of the gradient, of as many `blocks`, in
    one go. `looped`: one tap at a time, taps in a loop."""

    outputs: int
    inputs: int
    unroll: int
    rows: int
    blocks: int
    looped: bool


@lru_cache(maxsize=1024)
def weight_tile(g: ConvGeometry) -> WeightTile:
    """The cheapest tile of the weight adjoint."""
    row = _row_bytes(g)
    heights = sorted({min(r, g.out_height) for r in (1, 2, 4, 8, 16, 32)})
    best, cost = WeightTile(1, 1, 1, 1, 1, True), inf
    for outputs in range(1, min(g.group_out, 16) + 1):
        for inputs in range(1, min(g.group_in, 8) + 1):
            for unroll, looped in ((1, False), (2, False), (4, False), (1, True)):
                taps = 1 if looped else g.kernel[1]
                sums = outputs * inputs * taps * unroll
                if sums + min(outputs, inputs * taps) + 1 > g.registers - 1:
                    continue
                for rows in heights:
                    blocks = max(1, min(16, BAND // (rows * row))) if rows == g.out_height else 1
                    tile = WeightTile(outputs, inputs, unroll, rows, blocks, looped)
                    cycles = _weight_cycles(g, tile)
                    if cycles < cost * (1 - 1e-9):
                        best, cost = tile, cycles
    return best


def _row_bytes(g: ConvGeometry) -> int:
    """What one row of the gradient and its source rows take in memory, all channels of a group."""
    vectors = g.group_in * g.width * g.stride[0] + g.group_out * g.out_width
    return vectors * g.lanes * g.type.size


def _weight_cycles(g: ConvGeometry, tile: WeightTile) -> float:
    """Of one row of the gradient, with one kernel row."""
    taps = 1 if tile.looped else g.kernel[1]
    step, down = min(g.stride[1], taps), g.stride[0]
    sums = tile.outputs * tile.inputs * taps
    loads = tile.outputs * tile.unroll
    loads += tile.inputs * ((tile.unroll - 1) * step + taps)
    work = max(sums * tile.unroll, loads, 2 * LATENCY) / 2 / tile.unroll
    # Vectors fetched into the first-level cache: what a visit reads stays there for the next
    # kernel rows, and the gradient for the next tiles of input channels, if it is small enough.
    height = tile.rows * tile.blocks
    outputs = tile.outputs * height * g.out_width
    inputs = tile.inputs * (height * down + max(0, g.kernel[0] - down)) * g.width
    vector = g.lanes * g.type.size
    visits = g.kernel[0] * (g.kernel[1] if tile.looped else 1)
    again = min(1.0, max(0.0, (outputs + inputs) * vector / CACHE - 1))
    tiles_in, tiles_out = ceil(g.group_in / tile.inputs), ceil(g.group_out / tile.outputs)
    gradient = tile.outputs / (tiles_in if outputs * vector * 2 <= CACHE else 1)
    fetched = (gradient + step * tile.inputs) * (1 + again * (visits - 1)) / visits
    fetched *= LINE if height * _row_bytes(g) <= BAND else 3 * LINE
    row = g.out_width * (max(work, fetched) + 0.2 * fetched + 0.5) + (20 if tile.looped else 5)
    ends = 25 + 2 * sums + 0.5 * sums * (tile.unroll - 1)
    cycles = tiles_in * tiles_out * visits / g.kernel[0] * (row + ends / tile.rows / tile.blocks)
    # Code: what is written for the ends of a row and for channels that remain.
    kinds = (1 + bool(g.group_out % tile.outputs)) * (1 + bool(g.group_in % tile.inputs))
    axis = g.axis(1)
    edges = 0 if tile.looped else sum(not axis.inside(i, 1) for i in range(axis.out))
    written = sums * kinds * (tile.unroll + edges)
    if written > CODE:
        return inf
    return cycles * (1 + written / 20_000 + 0.03 * (kinds - 1))

"""Before nests are formed: who uses what, which values carry the batch, what is worth memory.

A value is either written to memory once or worked out again wherever it is read. `Analysis`
decides which, by counting operations; and it finds the values whose first axis is the batch, which
are laid out with the batch in the vector lanes; or, where the batch is too small for that, the
values around convolutions, which are laid out with the channels innermost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.schedule.expression import CHANNELS, ROWS
from chainrule.compile.schedule.lower import MAPS, REDUCTIONS

CHEAP = {"negative", "abs", "add", "subtract", "multiply", "maximum", "minimum", "where", "equal",
         "less", "less_equal", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert",
         "isnan", "astype", "sign"}  # fmt: skip
MEDIUM = {"divide", "sqrt", "floor", "ceil", "round", "trunc"}
CONTRACTIONS = {"matmul", "conv", "conv_input", "conv_weight"}
SCATTERS = {"put", "scatter_add", "put_along_axis_add", "plane_add"}
SEQUENTIAL = {*SCATTERS, "cumulative_sum", "cumulative_prod", "argsort", "scan"}
LOOKUPS = {"gather", "take_along_axis", "plane_take"}
WINDOWS = {"windows_sum", "windows_sum_adjoint", "windows_argmax", "windows_max", "windows_place",
           "plane_route", "fold"}  # fmt: skip
HEAVY = 1000
LANES_FIRST = 0.95  # what channels in the lanes must save before the batch is not put there
MAX_DEPTH = 40


class Analysis:
    """What the planner asks about each value of a graph."""

    def __init__(
        self,
        graph: Graph,
        lanes: int,
        kept: set[Value],
        to_round: Callable[[Instruction], tuple[Value, Value] | None] = lambda i: None,
    ) -> None:
        self.graph = graph
        self.made: dict[Value, Instruction] = {i.out: i for i in graph.instructions}
        self._to_round = to_round  # operands that a product takes before they are rounded
        self.kept = kept  # outputs, updates, gradients: what must be in memory at the end
        self.uses: dict[Value, list[Instruction]] = {}
        for instruction in graph.instructions:
            for value in dict.fromkeys(self._read_by(instruction)):
                self.uses.setdefault(value, []).append(instruction)
        self.batch: set[Value] = set()
        self.channels: set[Value] = set()
        self.lanes = lanes
        self.size = self._batch_size() if lanes else 0
        if self.size and self._better_by_channels():
            self.size = 0
            for instruction in graph.instructions:
                if self._has_channels(instruction):
                    self.channels.add(instruction.out)
        if self.size:
            self._find_batch()
        self._cost: dict[Value, int] = {}
        self._depth: dict[Value, int] = {}
        self._reads: dict[Value, set[Value]] = {}
        self._contracted: set[Value] = set()  # worked out around a contraction
        self._apart_values: set[Value] = set()  # made from elements that lie apart
        self.memory: set[Value] = set()
        for instruction in graph.instructions:
            self._decide(instruction)

    def _read_by(self, i: Instruction) -> list[Value]:
        """The values that its kernel reads."""
        unrounded = self._to_round(i)
        return list(i.uses()) if unrounded is None else list(unrounded)

    # ---- the batch ----------------------------------------------------------------------------

    def _batch_size(self) -> int:
        """The size of the batch if the program gains from having it in the lanes, else 0."""
        sizes = [v.shape[0] for v in self.graph.inputs if v.shape]
        if not sizes:
            return 0
        names = {i.primitive for i in self.graph.instructions}
        floats = any(v.dtype.kind == "f" for v in self.graph.inputs)
        wide = bool(names & {"conv", "conv_input", "conv_weight"})
        if not floats or not (wide or ("matmul" in names and sizes[0] <= 256)):
            return 0
        if not wide and sizes[0] < self.lanes:
            return 0
        return sizes[0] if sizes[0] > 0 else 0

    def _better_by_channels(self) -> bool:
        """Whether the convolutions fill more lanes with their channels than with the batch.

        Only forward ones can have the channels there.
        """
        by_batch = by_channels = 0.0
        for i in self.graph.instructions:
            if i.primitive in ("conv_input", "conv_weight"):
                return False
            if i.primitive == "conv":
                weight, groups = i.operands[1], i.attributes["groups"]
                work = math.prod(i.out.shape) * math.prod(weight.shape[1:])
                outputs = weight.shape[0] // groups
                if outputs == 1 and weight.shape[1] == 1:
                    outputs = groups
                by_batch += work / self._fill(self.size)
                by_channels += work / self._fill(outputs)
        return by_channels < LANES_FIRST * by_batch

    def _fill(self, n: int) -> float:
        """The share of the lanes that hold something when n elements are spread over them."""
        return n / (-(-n // self.lanes) * self.lanes)

    def _has_channels(self, i: Instruction) -> bool:
        """Whether the result is a convolution's, or element by element of such results."""
        name, out = i.primitive, i.out
        if name == "conv":
            return len(out.shape) in (3, 4)
        if name not in (*MAPS, "astype", "pad", "concat", "slice", "plane_take", *WINDOWS):
            return False
        return any(v in self.channels and len(v.shape) == len(out.shape) for v in i.uses())

    def _find_batch(self) -> None:
        for value in self.graph.inputs:
            if value.shape and value.shape[0] == self.size:
                self.batch.add(value)
        for instruction in self.graph.instructions:
            if self._carries(instruction):
                self.batch.add(instruction.out)

    def _carries(self, i: Instruction) -> bool:
        """Whether the result's axis 0 is the batch, sample by sample from the operands."""
        out, name = i.out.shape, i.primitive
        if not out or out[0] != self.size:
            return False
        values = [v for v in i.uses() if v in self.batch]
        if not values:
            return False
        if name in MAPS or name == "concat":
            return all(len(v.shape) == len(out) for v in values)
        x = values[0]
        if name == "plane_route":
            return all(v.shape[0] == out[0] for v in values)
        if name in ("astype", "pad", "conv", "conv_input", *WINDOWS, "unfold"):
            return x is i.operands[0] and x.shape[0] == out[0]
        if name == "reshape":
            return x.shape[0] == out[0]
        if name == "permute_dims":
            return bool(i.operands[1][0] == 0)
        if name == "broadcast_to":
            return len(x.shape) == len(out) and x.shape[0] == out[0]
        if name == "slice":
            key = i.operands[1]
            return bool(key) and isinstance(key[0], slice) and x.shape[0] == out[0]
        if name in REDUCTIONS:
            axis = i.operands[1] if len(i.operands) > 1 else i.attributes.get("axis")
            axes = axis if isinstance(axis, tuple | list) else (axis,)
            return axis is not None and all(a % len(x.shape) for a in axes)
        if name == "matmul":
            return x is i.operands[0] and len(x.shape) == 2 and i.operands[1] not in self.batch
        if name in ("take_along_axis", "plane_take"):
            return all(v.shape[0] == out[0] for v in values)
        if name == "gather":
            return len(out) == 1 and self._per_sample(i)
        return False

    def _per_sample(self, i: Instruction) -> bool:
        """x[arange(N), indices]: one entry of each sample."""
        first = i.operands[2] if len(i.operands) > 2 else None
        made = self.made.get(first) if isinstance(first, Value) else None
        return made is not None and made.primitive == "arange" and made.operands[0] == self.size

    def layout(self, value: Value) -> int:
        """How the value is laid out where it is in memory."""
        if value not in self.channels:
            return self.in_lanes(value)
        uses = self.uses.get(value, [])
        # Who flattens it wants it row-major, and so does the caller.
        plain = all(i.primitive == "reshape" for i in uses)
        return ROWS if plain else CHANNELS

    def in_lanes(self, value: Value) -> int:
        """How many samples stand in the lanes where the value is in memory; 0: row-major."""
        return self.lanes if value in self.batch and value in self.made else 0

    # ---- memory or work -----------------------------------------------------------------------

    def cost(self, value: Any) -> int:
        """Operations to work out one element from memory."""
        if not isinstance(value, Value) or value not in self.made or value in self.memory:
            return 0
        return self._cost[value]

    def _decide(self, i: Instruction) -> None:
        name, out = i.primitive, i.out
        parts = self._read_by(i)
        depth = 1 + max((self._depth.get(v, 0) for v in parts if v not in self.memory), default=0)
        self._one_contraction(parts)
        size = max(math.prod(out.shape), 1)
        # What is the same for many elements (one scale a channel) is worked out once for them.
        cost = sum(
            self.cost(v) if self.cost(v) >= HEAVY else self.cost(v) * math.prod(v.shape) // size
            for v in dict.fromkeys(parts)
        )
        if name in WINDOWS and self._apart(i):
            cost += 8
        elif name in CONTRACTIONS | REDUCTIONS | WINDOWS:
            cost = HEAVY
        elif name in SEQUENTIAL:
            self.memory.add(out)
        elif name in MAPS or name == "astype":
            cost += 1 if name in CHEAP else 5 if name in MEDIUM else 12
            if len(parts) > 1:
                cost += 1  # one more array to read
        elif name == "uniform":
            cost += 20
        elif name == "unfold" and self._along_a_line(i):
            pass  # a view: another stride
        elif name in ("gather", "take_along_axis", "concat", "pad", "unslice", "unfold"):
            cost += 3
        self._cost[out], self._depth[out] = cost, depth
        if name in CONTRACTIONS or any(v in self._contracted and self.cost(v) for v in parts):
            self._contracted.add(out)
        if _lie_apart(i) or any(v in self._apart_values for v in parts):
            self._apart_values.add(out)
        if out in self.kept or depth > MAX_DEPTH or name == "item" or self._worth_memory(out, cost):
            self.memory.add(out)
            self._depth[out] = 0
            self._apart_values.discard(out)

    @staticmethod
    def _along_a_line(i: Instruction) -> bool:
        """Whether the windows are runs of the one line that there is."""
        at = i.attributes
        return (
            i.operands[0].shape[:-1] == (1, 1)
            and tuple(map(tuple, at["padding"])) == ((0, 0),)
            and tuple(at["dilation"]) == (1,)
        )

    @staticmethod
    def _apart(i: Instruction) -> bool:
        """Whether each element is in one window at most, so that nothing is summed."""
        if i.primitive not in ("windows_sum_adjoint", "plane_route"):
            return False
        at = i.attributes
        return all(
            k <= s and (d == 1 or k == 1)
            for k, s, d in zip(at["window"], at["stride"], at["dilation"], strict=True)
        )

    def _large(self, value: Value, size: int) -> set[Value]:
        """What must be read from memory to work the value out, small arrays aside."""
        if value not in self.made or value in self.memory:
            return {value} if math.prod(value.shape) * 3 > size else set()
        if value not in self._reads:
            reads: set[Value] = set()
            for v in self.made[value].uses():
                reads |= self._large(v, math.prod(value.shape))
            self._reads[value] = reads
        return self._reads[value]

    def _one_contraction(self, parts: list[Value]) -> None:
        """A nest is built around one contraction at most: others beside it go to memory."""
        heavy = [v for v in dict.fromkeys(parts) if self.cost(v) >= HEAVY]
        kept = next((v for v in heavy if v in self._contracted), None)
        if kept is not None:
            self.memory |= {v for v in heavy if v is not kept}

    def _worth_memory(self, value: Value, cost: int) -> bool:
        uses = self.uses.get(value, [])
        if value in self.memory or not uses:
            return value in self.memory
        made = self.made[value].primitive
        if made in ("full", "arange"):
            return False
        size = math.prod(value.shape)
        if cost >= HEAVY:
            return len(uses) > 1 or not self._same_place(uses[0], value)
        if (cost or value in self._apart_values) and any(
            self._wants_memory(u, value, cost) for u in uses
        ):
            return True
        small = size <= 1024
        if cost <= 24 and len(self._large(value, size)) <= 1:
            return False  # to read it would cost as much as to read what it is made of
        if len(uses) > 1:
            return cost * (len(uses) - 1) > (60 if small else 5)
        return False

    def _same_place(self, use: Instruction, value: Value) -> bool:
        """Whether `use` reads the value element by element, each once, as an epilogue can."""
        return (use.primitive in MAPS or use.primitive == "astype") and (
            use.out.shape == value.shape and use.out not in self.memory
        )

    def _wants_memory(self, use: Instruction, value: Value, cost: int) -> bool:
        name, out = use.primitive, use.out
        if name in SCATTERS and cost <= 16 and value is use.operands[0] and name != "put":
            return value in use.operands[1:]  # each element is read once
        if name in CONTRACTIONS or name in SEQUENTIAL:
            return True
        if name in WINDOWS:
            window = math.prod(use.attributes["window"])
            step = math.prod(use.attributes["stride"])
            return cost * (window / max(step, 1) - 1) > 4
        if name == "unfold":
            often = math.prod(use.attributes["window"]) / math.prod(use.attributes["stride"])
            return cost * max(often - 1, 1) > 4
        if name == "reshape":
            # Borders cannot be told from places along a line without dividing.
            bordered = self.made[value].primitive == "pad"
            if bordered or (value in self.batch and out not in self.batch):
                return True
            # Compared in pairs (boxes, say), each element is read many times: side by side they
            # are read as vectors.
            uses = self.uses.get(out, [])
            return value in self._apart_values and any(
                self._wants_memory(u, out, cost) for u in uses
            )
        ratio = math.prod(out.shape) / max(math.prod(value.shape), 1)
        if name in MAPS or name == "broadcast_to" or name in LOOKUPS:
            apart = value in self._apart_values
            often = cost > 40 or ratio < 16 or apart
            return ratio > 1 and often and max(cost, apart) * (ratio - 1) > 4
        return False


def _lie_apart(i: Instruction) -> bool:
    """Whether neighbours on the last axis of the result are no neighbours in the operand."""
    if i.primitive not in ("slice", *LOOKUPS):
        return False
    x, key = i.operands[0], i.operands[1]
    if i.primitive == "plane_take":
        return True
    if i.primitive == "take_along_axis":
        axis = i.operands[2] if len(i.operands) > 2 else i.attributes["axis"]
        return bool(axis % len(x.shape) == len(x.shape) - 1)
    # One entry of each row, or entries that are chosen within the row.
    if not isinstance(key, tuple) or not key:
        return False
    within = len(key) == len(x.shape) and isinstance(key[-1], str)
    return isinstance(key[-1], int) or within

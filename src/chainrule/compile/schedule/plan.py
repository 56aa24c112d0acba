"""The planner: values that go to memory become the stores of loop nests, in order.

Everything else is worked out inside the nests that read it. A nest takes up further values of the
same shape that depend on it element by element (bias and activation after a convolution, the
three updates of Adam), so that each array is read and written once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any

from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.schedule.analysis import SCATTERS, SEQUENTIAL, Analysis
from chainrule.compile.schedule.contraction import Contraction, contraction_of, transposition
from chainrule.compile.schedule.expression import (
    CHANNELS,
    ROWS,
    Buffer,
    Expression,
    Load,
    Reduce,
    cuts_of,
    walk,
)
from chainrule.compile.schedule.halves import Products
from chainrule.compile.schedule.index import Axis, Index, linear
from chainrule.compile.schedule.lower import Lowering
from chainrule.compile.schedule.nest import Nest, Store
from chainrule.compile.schedule.places import (
    Place,
    channels_last,
    machine_dtype,
    offset_in,
)
from chainrule.compile.schedule.pooling import attach_pools
from chainrule.compile.schedule.special import Special

_SUFFIXES = {ROWS: ".plain", CHANNELS: ".channels"}
SMALL = 4096  # a nest with fewer operations is left to one thread
BIG = 1 << 15  # a reduction to few elements of more operations than this is shared out


@dataclass
class Plan:
    """Nests in order, and the buffers that they use."""

    graph: Graph
    nests: list[Nest] = field(default_factory=list)
    outputs: list[Buffer] = field(default_factory=list)
    gradients: list[Buffer | None] = field(default_factory=list)
    lanes: int = 16
    threads: int = 1
    arena: int = 0  # bytes
    places: dict[Buffer, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(map(str, self.nests))


class Planner(Special):
    """Makes the nests of one graph. `lanes`: vector lanes of float32."""

    def __init__(
        self, graph: Graph, lanes: int, threads: int, keep_gradients: bool, registers: int = 32,
        inner: bool = False, bf16: bool = False, rounded: Container[Value] = (),
    ) -> None:  # fmt: skip
        self.graph = graph
        self.bf16, self.rounded = bf16, rounded
        self.pairs: dict[Any, Buffer] = {}  # operands in pairs of bfloat16 numbers
        self.lanes, self.threads, self.registers = lanes, threads, registers
        kept = {*graph.outputs, *(new for _, new in graph.updates)}
        if keep_gradients:
            kept |= {v for _, v in graph.gradients if v is not None}
        # What a product of bfloat16 numbers takes before it is rounded; None for other products.
        self.to_round: Callable[[Instruction], tuple[Value, Value] | None] = lambda i: None
        if bf16:
            self.to_round = Products(graph, kept, rounded).operands
        self.analysis = Analysis(graph, 0 if inner else lanes, kept, self.to_round)
        self.low = Lowering(self.analysis.made, self._memory)
        self.low.lanes_of = self._lanes_of
        self.nests: list[Nest] = []
        self._prefer = 0
        self._buffers: dict[Value, dict[int, Buffer]] = {}
        self._written: dict[Buffer, int] = {}  # the nest that writes it
        self._signatures: dict[Any, list[int]] = {}
        self._results: dict[Nest, dict[Value, tuple[Place, Expression]]] = {}
        for i, value in enumerate(graph.inputs):
            self._known(value, "input", i)
        for value in graph.state:
            self._known(value, "state", value)
        for value in graph.constants:
            self._known(value, "constant", value)
        for host in graph.hosts:
            for value in host.values:
                self._known(value, "scalar", value)

    def known(self, value: Value) -> Buffer:
        """The buffer of an input, a state array or a constant."""
        return self._buffers[value][0]

    def in_lanes(self, value: Value) -> bool:
        """Whether the value carries the batch and so can be had in the lanes."""
        return value in self.analysis.batch

    def copy(self, value: Value) -> Buffer:
        """A row-major copy of the value in a buffer of its own."""
        self._prefer = 0
        self.low.forget()
        buffer = Buffer(value.name + ".copy", value.shape, machine_dtype(value))
        if math.prod(value.shape):
            self._new(value, buffer, None, True)
        return buffer

    def stage(self, contraction: Contraction, like: Buffer | None) -> None:
        """A nest of its own for the first half of a contraction, which only fills scratch."""
        axes: tuple[Axis, ...] = ()
        if like is not None:
            axes = (self.low.axis("b", -(-like.shape[0] // like.lanes), "block"),)
        assert contraction.target is not None
        nest = Nest(f"{contraction.kind}.{contraction.target.name}", axes, (), 0)
        nest.contraction = contraction
        self._results[nest] = {}
        self._add(nest)
        self._written[contraction.target] = len(self.nests) - 1

    def _known(self, value: Value, kind: str, slot: Any) -> None:
        buffer = Buffer(value.name, value.shape, machine_dtype(value), kind, 0, slot)
        self._buffers[value] = {0: buffer}

    def _memory(self, value: Value) -> Buffer | None:
        at = self._buffers.get(value)
        if at is None:
            return None
        return at.get(self._prefer) or next(iter(at.values()))

    def _lanes_of(self, value: Value) -> int:
        at = self._buffers.get(value)
        if at is not None:
            return max(0, *at)
        return self.analysis.in_lanes(value)

    def run(self) -> list[Nest]:
        for instruction in self.graph.instructions:
            value = instruction.out
            if value not in self.analysis.memory:
                continue
            if value not in self.analysis.uses and value not in self.analysis.kept:
                continue
            if instruction.primitive in SCATTERS:
                self._scatter(instruction)
            elif instruction.primitive == "scan":
                self._scan(instruction)
            elif instruction.primitive in SEQUENTIAL:
                self._sequential(instruction)
            elif instruction.primitive == "item":
                continue
            else:
                self._root(value)
        attach_pools(self)
        return self.nests

    # ---- values into memory -------------------------------------------------------------------

    def _root(self, value: Value, layout: int | None = None, again: bool = False) -> Buffer:
        """Plans the nest that writes `value`; `again`: a second copy of it in another layout."""
        layout = self.analysis.layout(value) if layout is None else layout
        suffix = _SUFFIXES.get(layout, ".lanes") if again else ""
        buffer = Buffer(value.name + suffix, value.shape, machine_dtype(value), layout=layout)
        if math.prod(value.shape) == 0:
            self._buffers.setdefault(value, {})[layout] = buffer
            return buffer
        core = None if again else self._core(value)
        while core is not None and core.out is not value and self._elsewhere(core.out, layout):
            self._root(core.out)
            core = self._core(value)
        contraction = contraction_of(self, core) if core is not None else None
        self._prefer = layout
        self.low.forget()
        nest = self._join(value, buffer, contraction, again) if contraction is None else None
        if nest is None:
            self._new(value, buffer, contraction, again)
        self._buffers.setdefault(value, {})[layout] = buffer
        return buffer

    def ensure(self, value: Value, layout: int) -> Buffer:
        """The value in memory in the layout that is asked for, from element 0 on, in order."""
        self._prefer = layout
        self.low.forget()
        axes, place = self._domain(value.shape, layout)
        found = self._expression(value, place, {}, None)
        wanted = Buffer("", value.shape, value.dtype, layout=layout)
        if (
            isinstance(found, Load)
            and found.buffer.lanes == wanted.lanes
            and found.offset == offset_in(wanted, place)
            and not found.where
        ):
            return found.buffer
        at = self._buffers.get(value, {})
        if layout in at:
            return at[layout]
        if wanted.lanes and value.dtype.name in ("float32", "float64") and math.prod(value.shape):
            plain = self._plain(value)
            if plain is not None:
                return self._transposed(value, plain, layout)
        return self._root(value, layout, again=True)

    def _plain(self, value: Value) -> Buffer | None:
        """The row-major buffer that holds the value as it is, if there is one."""
        seen = self.view(value)
        if seen is None or seen[1]:
            return None
        strides = tuple(n for n, size in zip(seen[2], value.shape, strict=True) if size > 1)
        wanted = tuple(math.prod(value.shape[k + 1 :]) for k, n in enumerate(value.shape) if n > 1)
        return seen[0] if strides == wanted else None

    def _transposed(self, value: Value, plain: Buffer, lanes: int) -> Buffer:
        buffer = Buffer(value.name + ".lanes", value.shape, value.dtype, layout=lanes)
        self.stage(transposition(plain, buffer), buffer)
        self._buffers.setdefault(value, {})[lanes] = buffer
        return buffer

    def transposed_batch(self, value: Value) -> Value | None:
        """The value of which this is the transposed, if that carries the batch."""
        made = self.analysis.made.get(value)
        if made is None or made.primitive != "permute_dims" or tuple(made.operands[1]) != (1, 0):
            return None
        inner = made.operands[0]
        return inner if self.in_lanes(inner) else None

    def view(self, value: Value) -> tuple[Buffer, int, tuple[int, ...]] | None:
        """The value as (buffer, offset, strides) if it is a plain view of what is in memory."""
        self._prefer = 0
        self.low.forget()
        axes, place = self._domain(value.shape, 0)
        found = self._expression(value, place, {}, None)
        if not isinstance(found, Load) or found.buffer.lanes or found.where:
            return None
        index = found.offset
        if any(not isinstance(a, Axis) for a in index.atoms()):
            return None
        strides = tuple(index.coefficient(a) for a in axes)
        return found.buffer, index.constant, strides

    def _elsewhere(self, inner: Value, layout: int) -> bool:
        """Whether a contraction cannot be done in a nest of this layout."""
        return bool(layout) and self.analysis.layout(inner) != layout

    def _core(self, value: Value) -> Instruction | None:
        """The contraction that is worked out inside this value, if there is one."""
        from_here = [value]
        while from_here:
            made = self.analysis.made.get(from_here.pop())
            if made is None:
                continue
            if made.primitive in ("matmul", "conv", "conv_input", "conv_weight"):
                return made
            for operand in made.uses():
                if operand not in self._buffers and operand in self.analysis.made:
                    from_here.append(operand)
        return None

    def _domain(self, shape: tuple[int, ...], layout: int) -> tuple[tuple[Axis, ...], Place]:
        if layout in (ROWS, CHANNELS):
            axes = tuple(self.low.axis("i", n) for n in shape)
            order = channels_last(axes) if layout == CHANNELS else axes
            return order, tuple(map(Index.of, axes))
        (block, lane), sample = self.low.samples(shape[0], layout)
        rest = tuple(self.low.axis("i", n) for n in shape[1:])
        return (block, *rest, lane), (sample, *map(Index.of, rest))

    def _expression(
        self,
        value: Value,
        place: Place,
        local: dict[Value, tuple[Place, Expression]],
        contraction: Contraction | None,
        again: bool = True,
    ) -> Expression:
        """What the value is at `place`, in terms of memory and of the nest's own results."""
        self.low.forget()  # what was pulled holds for one nest and its contraction only
        self.low.nest, self.low.crossed = local, False

        def product(i: Instruction, at: Place) -> Expression | None:
            if contraction is None or i is not contraction.instruction:
                return None
            axes = frozenset().union(*(p.axes() for p in at))
            return self.low.new.product(i.out.name, i.out.dtype, axes)

        self.low.product = product
        try:
            if again or value in self._buffers:
                return self.low.pull(value, place)
            return self.low.work(value, place)
        finally:
            self.low.nest, self.low.product = {}, lambda i, at: None

    # ---- nests --------------------------------------------------------------------------------

    def renumber(self) -> None:
        """The nests have changed places: what is planned from now on joins none of them."""
        self._signatures.clear()
        self._written = {b: k for k, nest in enumerate(self.nests) for b in nest.writes()}

    def _signature(self, value: Value, layout: int) -> Any:
        return (value.shape, layout)

    def _join(
        self, value: Value, buffer: Buffer, contraction: Contraction | None, again: bool
    ) -> Nest | None:
        """Adds the value to a nest that is there already, if one fits."""
        below = self._below(value)
        buffers = {b for v in below for b in self._buffers.get(v, {}).values()}
        for at in reversed(self._signatures.get(self._signature(value, buffer.layout), [])[-12:]):
            nest = self.nests[at]
            local = self._results[nest]
            if not local.keys() & below and (nest.contraction or not nest.reads() & buffers):
                continue
            expression = self._expression(value, nest.place, local, nest.contraction, again)
            if self.low.crossed:
                continue
            expression = self._canonical(nest, expression)
            sums = [e for e in walk(expression) if isinstance(e, Reduce)]
            if any(map(_crosses_batch, sums)) and not set(sums) <= set(nest.expressions):
                continue
            if sums and nest.contraction is not None:
                continue  # the epilogue of a product sees one element at a time
            loads = {e.buffer for e in walk(expression) if isinstance(e, Load)}
            if any(self._written.get(b, -1) >= at for b in loads):
                continue
            shared = loads & nest.reads()
            uses = any(s.expression in walk(expression) for s in nest.stores)
            if not shared and not uses:
                continue
            if nest.contraction is not None and not uses:
                continue
            in_line = nest.contraction is not None and nest.contraction.in_line
            if in_line and not _in_line(nest, value, expression):
                continue
            self._store(nest, value, buffer, expression)
            self._written[buffer] = at
            return nest
        return None

    def _below(self, value: Value) -> set[Value]:
        """What is in memory, or is worked out on the way, of all that the value is made from."""
        seen: set[Value] = set()
        rest = [value]
        while rest:
            made = self.analysis.made.get(rest.pop())
            for v in made.uses() if made is not None else ():
                if v not in seen:
                    seen.add(v)
                    if v not in self._buffers:
                        rest.append(v)
        return seen | {value}

    def _new(
        self, value: Value, buffer: Buffer, contraction: Contraction | None, again: bool
    ) -> Nest:
        axes, place = self._domain(value.shape, buffer.layout)
        nest = Nest(value.name, axes, place, buffer.lanes, contraction=contraction)
        expression = self._expression(value, place, {}, contraction, again)
        if contraction is None:
            expression = self._refined(nest, expression)
        expression = self._canonical(nest, expression)
        expression = self._shared_out(nest, expression)
        self._results[nest] = {}
        self._store(nest, value, buffer, expression)
        self._add(nest)
        self._written[buffer] = len(self.nests) - 1
        self._signatures.setdefault(self._signature(value, buffer.layout), []).append(
            len(self.nests) - 1
        )
        return nest

    def _add(self, nest: Nest) -> None:
        self.nests.append(nest)

    def _store(self, nest: Nest, value: Value, buffer: Buffer, expression: Expression) -> None:
        self._results[nest][value] = (nest.place, expression)
        stored = expression
        n = value.shape[0] if buffer.lanes else 0
        if buffer.lanes and n % buffer.lanes:
            # Lanes without a sample hold zeros, so that sums over the batch need not look.
            past = ((nest.place[0], 0, n),)
            stored = self.low.new.inside(past, expression, self.low.new.number(0, expression.dtype))
        if stored.dtype != buffer.dtype:
            stored = self.low.new.apply("astype", (stored,), buffer.dtype)
        nest.stores.append(Store(buffer, offset_in(buffer, nest.place), stored, value))

    def _refined(self, nest: Nest, expression: Expression) -> Expression:
        """Splits axes so that the quotients and remainders of reshapes and windows go away."""
        for _ in range(4):
            cuts = cuts_of(expression)
            if not cuts:
                break
            new: dict[Axis, tuple[Axis, Axis]] = {}
            for axis, by in cuts.items():
                new[axis] = (
                    self.low.axis(axis.name, axis.extent // by),
                    self.low.axis(axis.name, by),
                )

            def index(axis: Axis, new: Any = new, cuts: Any = cuts) -> Index:
                if axis not in new:
                    return Index.of(axis)
                high, low = new[axis]
                return Index.of(high) * cuts[axis] + Index.of(low)

            def several(axes: tuple[Axis, ...], new: Any = new) -> tuple[Axis, ...]:
                return tuple(b for a in axes for b in new.get(a, (a,)))

            expression = self.low.new.rebuild(expression, index, several, {})
            nest.axes = several(nest.axes)
            nest.place = tuple(p.map(index, lambda e: e) for p in nest.place)
        return expression

    def _canonical(self, nest: Nest, expression: Expression) -> Expression:
        """Reductions over the same extents run over the same axes, so that they share a loop."""
        known = {axes for axes in nest.over}
        change: dict[Axis, Axis] = {}
        for e in walk(expression):
            if isinstance(e, Reduce) and e.over not in known:
                like = [(a.extent, a.role) for a in e.over]
                same = [o for o in nest.over if [(a.extent, a.role) for a in o] == like]
                if same and e.over != same[0]:
                    change.update(zip(e.over, same[0], strict=True))
                elif not same:
                    nest.over.append(e.over)
                    known.add(e.over)
        if not change:
            return expression
        return self.low.new.rebuild(
            expression,
            lambda a: Index.of(change.get(a, a)),
            lambda axes: tuple(change.get(a, a) for a in axes),
            {},
        )

    def _shared_out(self, nest: Nest, expression: Expression) -> Expression:
        """Reductions over the batch, or of much to little, are done by all threads: each into a
        place of its own, and the nest adds these up."""
        parts = [e for e in walk(expression) if isinstance(e, Reduce) and self._to_share(nest, e)]
        if not parts or self.threads == 1:
            return expression
        replaced: dict[Expression, Expression] = {}
        shape = tuple(a.extent for a in nest.axes)
        total = math.prod(shape)
        for e in parts:
            split = next((a for a in e.over if a.role == "block"), e.over[0])
            thread = self.low.axis("t", self.threads, "thread")
            buffer = Buffer(f"{nest.name}.part{len(self.nests)}", (self.threads, *shape), e.dtype)
            offset = Index.of(thread) * total + linear(map(Index.of, nest.axes), shape)
            key = ("part", shape, tuple((a.extent, a.role) for a in e.over))
            target = None
            reads = {x.buffer for x in walk(e) if isinstance(x, Load)}
            for at in self._signatures.get(key, [])[-4:]:
                other = self.nests[at]
                if reads & other.reads() and all(self._written.get(b, -1) < at for b in reads):
                    target = at
            if target is None:
                part = Nest(buffer.name, nest.axes, nest.place, 0, split=split)
                part.over = [e.over]
                part.stores.append(Store(buffer, offset, e))
                self._add(part)
                self._results[part] = {}
                target = len(self.nests) - 1
                self._signatures.setdefault(key, []).append(target)
            else:
                part = self.nests[target]
                moved = dict(zip(nest.axes, part.axes, strict=True))
                moved |= dict(zip(e.over, part.over[0], strict=True))
                same = self.low.new.rebuild(
                    e,
                    lambda a, moved=moved: Index.of(moved.get(a, a)),  # type: ignore[misc]
                    lambda axes, moved=moved: tuple(moved.get(a, a) for a in axes),  # type: ignore[misc]
                    {},
                )
                there = Index.of(thread) * total + linear(map(Index.of, part.axes), shape)
                part.stores.append(Store(buffer, there, same))
            self._written[buffer] = target
            t = self.low.axis("t", self.threads)
            again = Index.of(t) * total + linear(map(Index.of, nest.axes), shape)
            load = self.low.new.load(buffer, again)
            replaced[e] = self.low.new.reduce(e.op, (t,), load, e.dtype)
        return self.low.new.rebuild(expression, Index.of, lambda axes: axes, replaced)

    def _to_share(self, nest: Nest, e: Reduce) -> bool:
        if e.op not in ("sum", "max", "min", "prod"):
            return False
        if any(a.role == "block" for a in e.over):
            return True
        work = math.prod(a.extent for a in e.over) * max(nest.size, 1)
        return nest.size < 4 * self.threads and work > BIG and e.over[0].extent >= self.threads


def _in_line(nest: Nest, value: Value, expression: Expression) -> bool:
    """Whether everything is read at the element's own place, so that one index will do."""
    line = linear(nest.place, value.shape)
    return all(
        (e.offset == line or not e.axes) and not e.where
        for e in walk(expression)
        if isinstance(e, Load)
    )


def _crosses_batch(e: Reduce) -> bool:
    return any(a.role == "block" for a in e.over)

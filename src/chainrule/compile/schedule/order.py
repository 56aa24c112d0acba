"""After the nests are known: where results go, who does what, when threads meet, what lies where.

Threads need not meet between two nests if each touches only what the same thread wrote: blocks of
the batch stay with their thread through the forward pass, the loss and back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from typing import Any

from chainrule.compile.graph import Graph, Value
from chainrule.compile.schedule.expression import Buffer, Load
from chainrule.compile.schedule.fuse import attach_sums
from chainrule.compile.schedule.index import Axis, Index, distinct
from chainrule.compile.schedule.nest import Nest
from chainrule.compile.schedule.plan import SMALL, Plan, Planner

ALIGN = 64


def make_plan(
    graph: Graph, lanes: int, threads: int, keep_gradients: bool, registers: int,
    simplify: Callable[[Graph], Graph], inner: bool = False, bf16: bool = False,
    rounded: Container[Value] = (),
) -> tuple[Plan, Planner]:  # fmt: skip
    """The whole schedule of a graph; `inner`: it is the body of a scan. `bf16`: the processor has
    the bfloat16 dot product; `rounded`: inputs that hold bfloat16 numbers."""
    planner = Planner(graph, lanes, threads, keep_gradients, registers, inner, bf16, rounded)
    planner.simplify = simplify
    planner.plan_body = lambda body, rounded, threads: make_plan(
        body, lanes, threads, False, registers, simplify, True, bf16, rounded
    )[0]
    planner.run()
    if threads > 1:
        attach_sums(planner)
    plan = Plan(graph, lanes=planner.lanes, threads=planner.threads)
    for k, value in enumerate(graph.outputs):
        plan.outputs.append(_deliver(planner, value, "output", k))
    if keep_gradients:
        for k, (_, gradient) in enumerate(graph.gradients):
            buffer = None if gradient is None else _deliver(planner, gradient, "gradient", k)
            plan.gradients.append(buffer)
    for state, new in graph.updates:
        _update(planner, state, new)
    _forget(planner.nests)
    plan.nests = planner.nests
    for nest in plan.nests:
        _divide(nest, planner.threads)
    phases = _meet(plan.nests)
    _place(plan, phases, inner)
    return plan, planner


# ---- where results go ---------------------------------------------------------------------------


def _deliver(planner: Planner, value: Value, kind: str, slot: Any) -> Buffer:
    """The value in memory that the caller gets."""
    buffer = planner.ensure(value, 0)
    if buffer.kind != "arena" or buffer.shape != value.shape:
        buffer = planner.copy(value)
    buffer.kind, buffer.slot = kind, slot
    return buffer


def _update(planner: Planner, state: Value, new: Value) -> None:
    """Writes the new value of a state array: at once where nobody needs the old one any more,
    else at the end."""
    old = planner.known(state)
    buffer = planner.ensure(new, 0)
    if buffer is old:
        return
    if buffer.kind == "arena" and buffer.shape == old.shape and buffer.dtype == old.dtype:
        at = next((k for k, n in enumerate(planner.nests) if buffer in n.writes()), None)
        if at is not None and _in_place(planner.nests[at], buffer, old):
            readers = [
                k
                for k in range(at + 1, len(planner.nests))
                if any(_same_state(b, old) for b in _sources(planner.nests[k]))
            ]
            if not readers or _postpone(planner, at, readers[-1]):
                buffer.kind, buffer.slot = "state", state
                return
    copy = planner.copy(new)
    copy.kind, copy.slot = "state", state


def _in_place(nest: Nest, buffer: Buffer, old: Buffer) -> bool:
    """Whether `buffer`, written by the nest, may lie where `old` is, as far as the nest goes."""
    if nest.sequential is not None or any(_same_state(b, old) for b in _operands(nest)):
        return False
    place = next((s.offset for s in nest.stores if s.buffer is buffer), None)
    if place is None:
        return False
    return all(e.offset == place for e in nest.loads() if _same_state(e.buffer, old))


def _postpone(planner: Planner, at: int, last: int) -> bool:
    """Puts nest `at` behind nest `last`, a reader of what it is to overwrite, if it may go there:
    an input's gradient reads the weight, which its own gradient then changes where it lies."""
    nest, passed = planner.nests[at], planner.nests[at + 1 : last + 1]
    reads, writes = nest.reads(), nest.writes()
    for other in passed:
        theirs = other.writes()
        if any(_overlap(a, b) for a in writes for b in other.reads() | theirs):
            return False
        if any(_overlap(a, b) for a in reads for b in theirs):
            return False
    planner.nests[at : last + 1] = [*passed, nest]
    planner.renumber()
    return True


def _forget(nests: list[Nest]) -> None:
    """Takes out stores that nobody reads: a gradient that only its own nest's update needed."""
    read = {b for nest in nests for b in nest.reads()}
    for nest in nests:
        if len(nest.stores) > 1 and nest.sequential is None and nest.body is None:
            wanted = [s for s in nest.stores if s.buffer.kind != "arena" or s.buffer in read]
            nest.stores = wanted or nest.stores[:1]


def _same_state(a: Buffer, b: Buffer) -> bool:
    return a is b or (a.kind == b.kind == "state" and a.slot is b.slot)


def _sources(nest: Nest) -> Iterator[Buffer]:
    """What the nest reads: some twice, but without making a set of it."""
    yield from (e.buffer for e in nest.expressions if isinstance(e, Load))
    yield from _operands(nest)
    if nest.body is not None:
        yield from nest.body.reads()


def _operands(nest: Nest) -> list[Buffer]:
    out = [b for b in nest.operands if isinstance(b, Buffer)]
    return out + (nest.contraction.reads() if nest.contraction is not None else [])


# ---- who does what ------------------------------------------------------------------------------


def _divide(nest: Nest, threads: int) -> None:
    """Chooses the axis whose range is shared out among the threads."""
    if nest.split is not None or threads == 1:
        return
    if nest.sequential is not None:
        nest.split = _UNITS
        return
    block = next((a for a in nest.axes if a.role == "block"), None)
    if nest.body is not None:
        nest.split = None if nest.body.alone else _UNITS
        return
    if nest.contraction is not None:
        nest.split = block if nest.contraction.by_block and block else _UNITS
        return
    if nest.lanes:
        nest.split = block
        return
    if nest.work() < SMALL:
        return
    if nest.ordered:  # only along an axis on which no two elements meet
        apart = [a for a in nest.axes if _apart(nest, a) and a.extent >= 32 * threads]
        nest.split = apart[-1] if apart else None
        return
    wide = [a for a in nest.axes if a.extent >= 2 * threads]
    if wide:
        nest.split = wide[0]
    elif nest.axes:
        nest.split = max(nest.axes, key=lambda a: a.extent)


def _apart(nest: Nest, axis: Axis) -> bool:
    return all(distinct(s.offset, axis) for s in nest.stores)


_UNITS = Axis("units", 1 << 30)


# ---- when threads meet --------------------------------------------------------------------------


def _meet(nests: list[Nest]) -> list[int]:
    """Sets the barriers; returns the phase (count of barriers before) of each nest."""
    phases: list[int] = []
    phase = 0
    reads: list[tuple[Nest, Buffer]] = []
    writes: list[tuple[Nest, Buffer]] = []
    for nest in nests:
        own_reads, own_writes = nest.reads(), nest.writes()
        clash = any(
            _overlap(b, c) and not _local(other, nest, b)
            for other, b in writes
            for c in own_reads | own_writes
        ) or any(
            _overlap(b, c) and not _local(other, nest, b) for other, b in reads for c in own_writes
        )
        if clash:
            nest.barrier = True
            phase += 1
            reads, writes = [], []
        reads += [(nest, b) for b in own_reads]
        writes += [(nest, b) for b in own_writes]
        phases.append(phase)
    return phases


def _overlap(a: Buffer, b: Buffer) -> bool:
    return a is b or (a.kind == "state" and b.kind == "state" and a.slot is b.slot)


def _local(a: Nest, b: Nest, buffer: Buffer) -> bool:
    """Whether each thread meets in this buffer only what it did itself in the other nest."""
    if (a.split is None and b.split is None) or buffer.private:
        return True
    if not buffer.lanes or a.split is None or b.split is None:
        return False
    if a.split.role != "block" or b.split.role != "block":
        return False
    return _aligned(a, buffer) and _aligned(b, buffer)


def _aligned(nest: Nest, buffer: Buffer) -> bool:
    """Whether the nest touches only the block of the batch that it is at."""
    assert nest.split is not None
    contraction = nest.contraction
    if contraction is not None and buffer is contraction.target:
        return True
    size = math.prod(buffer.shape[1:]) * buffer.lanes
    block = Index.of(nest.split)
    if contraction is not None and buffer in set(contraction.reads()) - set(contraction.aligned):
        return False
    offsets = [e.offset for e in nest.expressions if isinstance(e, Load) and e.buffer is buffer]
    offsets += [s.offset for s in nest.stores if s.buffer is buffer]
    return all(o // size == block for o in offsets)


def prepared(nests: list[Nest], fixed: Callable[[Buffer], bool]) -> list[Nest]:
    """The nests of a scan's body that do the same at every step: those that only bring `fixed`
    operands, or what others of these made of them, into another form."""
    out: list[Nest] = []
    made: set[Buffer] = set()
    for nest in nests:
        c = nest.contraction
        if c is None or c.target is None or nest.stores:
            continue
        if all(b in made or fixed(b) for b in nest.reads()):
            out.append(nest)
            made |= nest.writes()
    return out


# ---- what lies where ----------------------------------------------------------------------------


def _place(plan: Plan, phases: list[int], inner: bool) -> None:
    """Puts the buffers into one arena; memory is used again once a barrier has passed. What a scan
    prepares once for all its steps (`inner`) stays."""
    life: dict[Buffer, list[int]] = {}
    for nest, phase in zip(plan.nests, phases, strict=True):
        for buffer in nest.reads() | nest.writes():
            if buffer.kind == "arena":
                span = life.setdefault(buffer, [phase, phase])
                span[0], span[1] = min(span[0], phase), max(span[1], phase)
    if inner:
        for nest in prepared(plan.nests, lambda b: b.kind == "input"):
            for buffer in nest.writes():
                life[buffer] = [0, max(phases)]
    order = {b: k for k, b in enumerate(life)}
    placed: list[tuple[int, int, Buffer]] = []
    for buffer in sorted(life, key=lambda b: (-b.bytes, order[b])):
        size = -(-max(buffer.bytes, 1) // ALIGN) * ALIGN + ALIGN
        first, last = life[buffer]
        taken = sorted(
            (low, high) for low, high, b in placed if life[b][0] <= last and first <= life[b][1]
        )
        at = 0
        for low, high in taken:
            if at + size <= low:
                break
            at = max(at, high)
        placed.append((at, at + size, buffer))
        plan.places[buffer] = at
        plan.arena = max(plan.arena, at + size)

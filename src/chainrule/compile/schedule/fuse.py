"""Sums over the batch, taken while the summands are written.

Batch norm's gradient, or a bias's, needs Σ g and Σ g·x̂ over all samples right after g is worked
out. A nest of its own would read g and x again; here the nest that writes g adds each vector to a
place of its thread and channel, and only those few places are summed afterwards.
"""

from __future__ import annotations

import math

from chainrule.compile.schedule.expression import Buffer, Expression, Load, Reduce, walk
from chainrule.compile.schedule.index import Axis, Index, linear
from chainrule.compile.schedule.nest import Nest, Store
from chainrule.compile.schedule.plan import Planner

EVERYONE = Axis("thread", 1 << 30)  # the split of nests that each thread runs for itself
KERNELS = {"conv", "conv_input", "winograd", "linear"}


def attach_sums(planner: Planner) -> None:
    """Moves the bodies of partial sums into the nests that write what they read."""
    at = 0
    while at < len(planner.nests):
        if _is_partial(planner.nests[at]):
            at += _attach(planner, at)
        at += 1
    planner.renumber()


def _is_partial(nest: Nest) -> bool:
    return (
        nest.split is not None
        and nest.split.role == "block"
        and not nest.lanes
        and nest.contraction is None
        and bool(nest.stores)
        and all(isinstance(s.expression, Reduce) and s.expression.op == "sum" for s in nest.stores)
        and all(any(a.role == "thread" for a in s.offset.axes()) for s in nest.stores)
        and any(a.role == "lane" for s in nest.stores for a in s.expression.over)  # type: ignore[attr-defined]
    )


def _attach(planner: Planner, at: int) -> int:
    """Tries it for the nest at `at`; returns by how many places it moved on."""
    part = planner.nests[at]
    written = {b: k for k, n in enumerate(planner.nests) for b in n.writes()}
    lanes = [e.buffer for e in part.loads() if e.buffer.lanes and e.buffer in written]
    if not lanes:
        return 0
    k = max(written[b] for b in lanes)
    nest = planner.nests[k]
    if not _fits(nest) or k >= at:
        return 0
    moved = _axes(part, nest)
    if moved is None:
        return 0
    own = {s.buffer: s for s in nest.stores}
    known: dict[Expression, Expression] = {}
    bodies = []
    for s in part.stores:
        reduce = s.expression
        assert isinstance(reduce, Reduce)
        body = planner.low.new.rebuild(
            reduce.body, lambda a: moved.get(a, Index.of(a)), lambda axes: axes, known
        )
        inside: dict[Expression, Expression] = {}
        for e in walk(body):
            if not isinstance(e, Load):
                continue
            if e.buffer in own:
                if e.offset != own[e.buffer].offset or e.where:
                    return 0
                inside[e] = own[e.buffer].expression
            elif written.get(e.buffer, -1) >= k:
                return 0
        bodies.append(planner.low.new.rebuild(body, Index.of, lambda axes: axes, inside))
    _move(planner, part, nest, bodies, moved)
    return 1


def _fits(nest: Nest) -> bool:
    """Whether a nest goes through the batch block by block, each by one thread."""
    if not nest.lanes or nest.ordered or nest.sequential is not None:
        return False
    c = nest.contraction
    return c is None or (c.kind in KERNELS and c.by_block)


def _axes(part: Nest, nest: Nest) -> dict[Axis, Index] | None:
    """Each axis of the sums as an index of the nest that writes their summands."""
    store = next((s for s in nest.stores if any(e.buffer is s.buffer for e in part.loads())), None)
    if store is None:
        return None
    loads = [e for e in part.loads() if e.buffer is store.buffer]
    offset = loads[0].offset
    if any(e.offset != offset for e in loads):
        return None
    if any(not isinstance(a, Axis) for a in (*offset.atoms(), *store.offset.atoms())):
        return None
    block = next((a for a in nest.axes if a.role == "block"), None)
    lane = nest.axes[-1]
    rest = Index({})
    for atom, n in store.offset.terms.values():
        assert isinstance(atom, Axis)
        if not atom.role:
            rest = rest + Index.of(atom) * n
    moved: dict[Axis, Index] = {}
    size = 1
    for atom, n in offset.terms.values():
        assert isinstance(atom, Axis)
        if atom.role == "block":
            moved[atom] = Index.of(block) if block is not None else Index({})
        elif atom.role == "lane":
            moved[atom] = Index.of(lane)
        else:
            moved[atom] = (rest // n) % atom.extent
            size *= atom.extent
    wanted = set(part.axes) | {a for o in part.over for a in o}
    missing = [a for a in wanted if a not in moved and a.extent > 1]
    if missing or size * store.buffer.lanes != math.prod(store.buffer.shape[1:]) * lane.extent:
        return None
    return moved


def _move(
    planner: Planner, part: Nest, nest: Nest, bodies: list[Expression], moved: dict[Axis, Index]
) -> None:
    new, low = planner.low.new, planner.low
    shape = tuple(a.extent for a in part.axes)
    total, width = math.prod(shape), nest.lanes
    here = linear([moved.get(a, Index({})) for a in part.axes], shape)
    thread = low.axis("t", planner.threads, "thread")
    empty = Nest(part.name + ".zero", part.axes, part.place, 0, split=EVERYONE)
    for s, body in zip(part.stores, bodies, strict=True):
        sums = Buffer(s.buffer.name + ".sums", (planner.threads, *shape, width), s.buffer.dtype)
        sums.private = True
        if body.dtype != sums.dtype:
            body = new.apply("astype", (body,), sums.dtype)
        first = Index.of(thread) * (total * width)
        lane = Index.of(nest.axes[-1])
        nest.stores.append(Store(sums, first + here * width + lane, body, None, True))
        each = low.axis("l", width)
        inner = linear(map(Index.of, part.axes), shape) * width + Index.of(each)
        if not empty.stores:
            empty.axes = (*part.axes, each)
        else:
            inner = linear(map(Index.of, part.axes), shape) * width + Index.of(empty.axes[-1])
        empty.stores.append(Store(sums, first + inner, new.number(0, sums.dtype)))
        over = low.axis("l", width)
        place = linear(map(Index.of, part.axes), shape) * width + Index.of(over)
        s.expression = new.reduce("sum", (over,), new.load(sums, first + place), sums.dtype)
        part.over = [(over,)]
    part.split = EVERYONE
    for s in part.stores:
        s.buffer.private = False
    planner.nests.insert(planner.nests.index(nest), empty)

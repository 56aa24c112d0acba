"""Pooling of a convolution's results in the kernel that makes them.

A kernel with the channels in the lanes has whole windows of 2 × 2 results in registers: a pooling
that is the only one to read them is worked out there, and they never go to memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.compile.emit.conv_channels import ChannelsGeometry, channels_tile
from chainrule.compile.schedule.expression import Load, Reduce, walk
from chainrule.compile.schedule.index import Axis, Index
from chainrule.compile.schedule.nest import Nest, Store

if TYPE_CHECKING:
    from chainrule.compile.schedule.plan import Planner

SIDE = 2  # results of a window in each direction


def attach_pools(planner: Planner) -> None:
    """Moves poolings into the nests of the convolutions that they read."""
    before = len(planner.nests)
    for pool in list(planner.nests):
        if _attach(planner, pool):
            planner.nests.remove(pool)
    if len(planner.nests) < before:
        planner.renumber()


def _attach(planner: Planner, pool: Nest) -> bool:
    """Tries it for one nest."""
    window = _window(pool)
    if window is None:
        return False
    load = window.body
    assert isinstance(load, Load)
    makers = [n for n in planner.nests if load.buffer in n.writes()]
    readers = [n for n in planner.nests if load.buffer in n.reads()]
    if len(makers) != 1 or readers != [pool]:
        return False
    nest, store = makers[0], pool.stores[0]
    if len(nest.stores) != 1 or not _divides(nest):
        return False
    made = nest.stores[0]
    if made.value in planner.analysis.kept or load.buffer.kind != "arena":
        return False
    at = planner.nests.index(nest)
    late = {b for n in planner.nests[at:] for b in n.writes()}
    others = [e for e in walk(store.expression) if isinstance(e, Load) and e is not load]
    if any(e.buffer in late for e in others):
        return False
    moved = _axes(nest, window, load)
    if moved is None:
        return False
    new = planner.low.new
    body = new.rebuild(made.expression, lambda a: moved.get(a, Index.of(a)), lambda axes: axes, {})
    whole = new.rebuild(store.expression, Index.of, lambda axes: axes, {load: body})
    outer = [{b for a in p.axes() for b in moved[a].axes()} - {*window.over} for p in nest.place]
    nest.axes, nest.place = pool.axes, tuple(Index.of(next(iter(o), 0)) for o in outer)
    nest.stores = [Store(store.buffer, store.offset, whole, store.value)]
    if nest.contraction.kind == "conv_channels":
        nest.contraction.units //= SIDE  # rows
    return True


def _window(pool: Nest) -> Reduce | None:
    """What the nest works out of each window, if it is nothing but a pooling."""
    kinds = (pool.contraction, pool.sequential, pool.body)
    if any(k is not None for k in kinds) or pool.ordered or pool.lanes or len(pool.stores) != 1:
        return None
    found = [e for e in walk(pool.stores[0].expression) if isinstance(e, Reduce)]
    if len(found) != 1 or pool.stores[0].add or found[0].op not in ("max", "min", "sum"):
        return None
    body = found[0].body
    return found[0] if isinstance(body, Load) and not body.where else None


def _divides(nest: Nest) -> bool:
    """Whether the kernel has whole windows in its registers."""
    if nest.contraction is None:
        return False
    kind, g = nest.contraction.kind, nest.contraction.geometry
    if kind not in ("conv_channels", "winograd_channels") or len(nest.place) != 4:
        return False
    if not nest.place[1].axes():  # a single channel
        return False
    channels: ChannelsGeometry = g if kind == "conv_channels" else g.channels
    sizes = [channels.conv.out_height, channels.conv.out_width]
    if kind == "conv_channels":
        sizes.append(channels_tile(channels).columns)
    return all(n > 0 and n % SIDE == 0 for n in sizes)


def _axes(nest: Nest, window: Reduce, load: Load) -> dict[Axis, Index] | None:
    """The nest's axes in terms of the pooling's, if its windows are those of the kernel."""
    terms = list(load.offset.terms.values())
    rest = {n: atom for atom, n in terms if isinstance(atom, Axis)}
    if load.offset.constant or len(rest) < len(terms):
        return None
    moved: dict[Axis, Index] = {}
    offset = nest.stores[0].offset
    for k, place in enumerate(nest.place):
        axis = next(iter(place.axes()), None)
        if axis is None:
            continue
        step, side = offset.coefficient(axis), SIDE if k >= 2 else 1
        inner = rest.pop(step, None) if side > 1 else None
        if side > 1 and (inner not in window.over or inner.extent != SIDE):  # type: ignore[union-attr]
            return None
        outer = rest.pop(side * step, None) if axis.extent > side else None
        if axis.extent > side and (outer is None or outer.extent != axis.extent // side):
            return None
        at = Index.of(outer) * side if outer is not None else Index.of(0)
        moved[axis] = at + Index.of(inner) if inner is not None else at
    return moved if not rest and len(window.over) == 2 else None

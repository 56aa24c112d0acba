"""Instructions that are not element by element: scatters, scans, running sums, sorting."""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.compile.emit.sequential import argsort_scratch
from chainrule.compile.emit.types import type_of
from chainrule.compile.graph import Graph, Instruction, Value
from chainrule.compile.passes.rounding import is_rounded
from chainrule.compile.schedule.expression import Buffer, Expression
from chainrule.compile.schedule.index import Axis, Index, linear, unravel
from chainrule.compile.schedule.lower import Lowering
from chainrule.compile.schedule.nest import Body, Nest, Store
from chainrule.compile.schedule.places import (
    Place,
    gathered_shape,
    machine_dtype,
    shape_of,
    stretched,
)

if TYPE_CHECKING:
    from chainrule.compile.schedule.analysis import Analysis
    from chainrule.compile.schedule.plan import Plan


#: A step of a scan with fewer operations is not shared out among the threads.
STEP = 1 << 15


def _plain(nest: Nest) -> bool:
    return nest.contraction is None and nest.body is None and nest.sequential is None


class Special:
    """The part of the planner for them."""

    low: Lowering
    analysis: Analysis
    threads: int
    nests: list[Nest]
    _prefer: int
    _buffers: dict[Value, dict[int, Buffer]]
    _written: dict[Buffer, int]
    _results: dict[Nest, dict[Value, tuple[Place, Expression]]]
    # How the body of a scan is simplified and planned: filled in by the stages around this one.
    simplify: Callable[[Graph], Graph]
    plan_body: Callable[[Graph, Container[Value], int], Plan]
    rounded: Container[Value]

    def _domain(self, shape: tuple[int, ...], lanes: int) -> tuple[tuple[Axis, ...], Place]:
        raise NotImplementedError

    def _add(self, nest: Nest) -> None:
        raise NotImplementedError

    def ensure(self, value: Value, lanes: int) -> Buffer:
        raise NotImplementedError

    def copy(self, value: Value) -> Buffer:
        raise NotImplementedError

    def _scatter(self, i: Instruction) -> None:
        """First everything as it was (or zero), then what goes to the chosen places, in order."""
        shape, new = i.out.shape, self.low.new
        out = Buffer(i.out.name, shape, machine_dtype(i.out))
        self._buffers[i.out] = {0: out}
        if math.prod(shape) == 0:
            return
        self._prefer = 0
        self.low.forget()
        axes, place = self._domain(shape, 0)
        base = new.number(0, out.dtype)
        if i.primitive == "put":
            base = self.low.pull(i.operands[0], place, out.dtype)
        before = Nest(f"{i.out.name}.base", axes, place, 0)
        before.stores.append(Store(out, linear(place, shape), base))
        self._results[before] = {}
        self._add(before)
        if i.primitive == "put_along_axis_add":
            x, indices, axis, size = i.operands[:4]
            axis %= len(shape)
            chosen = shape_of(indices)
            axes, index = self._domain(chosen, 0)
            at = list(index)
            at[axis] = self.low.chosen(indices, index, size)
            target = tuple(at)
        elif i.primitive == "plane_add":
            x, indices = i.operands
            size = i.attributes["size"]
            chosen = x.shape
            axes, index = self._domain(chosen, 0)
            flat = self.low.chosen(indices, index, math.prod(size))
            target = (*index[: len(index) - len(size)], *unravel(flat, size))
        else:
            x = i.operands[2] if i.primitive == "put" else i.operands[0]
            key = i.operands[1] if i.primitive == "put" else i.operands[2]
            indices = i.operands[3:]
            chosen = gathered_shape(shape, key, indices)
            axes, index = self._domain(chosen, 0)
            target = self.low.gathered(index, shape, key, indices)
        if math.prod(chosen) == 0:
            return
        nest = Nest(i.out.name, axes, index, 0, ordered=True)
        value = self.low.pull(x, stretched(shape_of(x), index), out.dtype)
        if value.dtype != out.dtype:
            value = new.apply("astype", (value,), out.dtype)
        add = i.primitive != "put"
        nest.stores.append(Store(out, linear(target, shape), value, i.out, add))
        self._results[nest] = {}
        self._add(nest)
        self._written[out] = len(self.nests) - 1

    def _scan(self, i: Instruction) -> None:
        """A loop over time whose body is planned once; what it carries stays in place."""
        at = i.attributes
        inner: Graph = at["body"]
        carries, xs = at["carries"], at["xs"]
        values = inner.inputs
        body = Graph(inner.name, values[carries:], constants=inner.constants)
        body.state = {v: np.empty(0) for v in values[:carries]}
        body.instructions = inner.instructions
        body.updates = list(zip(values[:carries], inner.outputs[:carries], strict=True))
        body.outputs = inner.outputs[carries:]
        body = self.simplify(body)
        rounded = {
            inside
            for inside, outside in zip(values[carries:], i.operands[carries:], strict=True)
            if is_rounded(self.analysis.made, outside, self.rounded)
        }
        plan = self.plan_body(body, rounded, 1)
        alone = self.threads > 1 and all(map(_plain, plan.nests))
        alone = alone and sum(nest.work() for nest in plan.nests) < STEP
        if not alone:
            plan = self.plan_body(body, rounded, self.threads)
        items = {
            use.operands[1]: use.out
            for use in self.analysis.uses.get(i.out, [])
            if use.primitive == "item"
        }
        steps = i.operands[carries].shape[0]
        bound: dict[tuple[str, Any], Buffer] = {}
        moving: set[tuple[str, Any]] = set()
        for k, (inside, outside) in enumerate(zip(values, i.operands, strict=True)):
            if k < carries:
                kept = self.copy(outside)
                bound["state", inside] = kept
                if k in items:
                    self._buffers[items[k]] = {0: kept}
                continue
            slot = ("input", k - carries)
            bound[slot] = self.ensure(outside, 0)
            if k < carries + xs:
                moving.add(slot)
        for k, result in enumerate(body.outputs):
            slot = ("output", k)
            shape = (steps, *result.shape)
            bound[slot] = Buffer(f"{i.out.name}.y{k}", shape, machine_dtype(result))
            moving.add(slot)
            if carries + k in items:
                self._buffers[items[carries + k]] = {0: bound[slot]}
        scratch = Buffer(f"{i.out.name}.scratch", (max(plan.arena, 1),), np.dtype(np.uint8))
        nest = Nest(i.out.name, (), (), 0)
        nest.body = Body(plan, bound, moving, steps, at["reverse"], scratch, alone)
        self._results[nest] = {}
        self._add(nest)
        for buffer in nest.body.writes():
            self._written[buffer] = len(self.nests) - 1

    def _sequential(self, i: Instruction) -> None:
        """Loops that are not element by element: everything in memory, row-major."""
        operands: list[Any] = []
        for operand in i.operands:
            operands.append(self.ensure(operand, 0) if isinstance(operand, Value) else operand)
        out = Buffer(i.out.name, i.out.shape, machine_dtype(i.out))
        if 0 in i.out.shape:
            self._buffers[i.out] = {0: out}
            return
        nest = Nest(i.out.name, (), (), 0, sequential=i, operands=tuple(operands))
        nothing = self.low.new.number(0, out.dtype)
        nest.stores.append(Store(out, Index({}), nothing, i.out))
        if i.primitive == "argsort":
            x = i.operands[0]
            axis = i.operands[1] if len(i.operands) > 1 else i.attributes["axis"]
            each: int = argsort_scratch(x.shape[axis] if x.shape else 1, type_of(x.dtype))
            scratch = Buffer(f"{i.out.name}.scratch", (self.threads * each,), np.dtype(np.uint8))
            nest.stores.append(Store(scratch, Index({}), nothing))
            nest.leading = self._leading(i.out, axis)
        self._results[nest] = {}
        self._add(nest)
        self._written[out] = len(self.nests) - 1
        self._buffers[i.out] = {0: out}

    def _leading(self, order: Value, axis: int) -> int | None:
        """How many of each line are read from an order; None if all may be."""
        most = 0
        for use in self.analysis.uses.get(order, []):
            key = use.operands[1] if use.primitive == "slice" else ()
            at = axis % len(order.shape) if order.shape else 0
            cut = key[at] if len(key) > at and Ellipsis not in key and None not in key else None
            if not isinstance(cut, slice) or cut.step not in (None, 1) or (cut.start or 0) < 0:
                return None
            most = max(most, cut.indices(order.shape[at])[1])
        return None if order in self.analysis.kept or not most else most

"""Loop nests: what the planner makes of the graph and the emitter turns into machine code."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from operator import is_
from textwrap import indent
from typing import Any

from chainrule.compile.graph import Instruction, Value
from chainrule.compile.schedule.expression import Buffer, Expression, Load, Reduce, reads_of, walk
from chainrule.compile.schedule.index import Axis, Index


@dataclass(eq=False)
class Store:
    """`buffer[offset] = expression` for every element of the nest; `add`: it is added there."""

    buffer: Buffer
    offset: Index
    expression: Expression
    value: Value | None = None
    add: bool = False


@dataclass(eq=False)
class Body:
    """One step of a scan: a plan of its own, whose inputs, state and outputs are `bound` to
    buffers outside; those in `moving` advance by one step of their axis 0 each time. `alone`: one
    thread does all steps, since there is too little to do in each for threads to meet."""

    plan: Any
    bound: dict[tuple[str, Any], Buffer]
    moving: set[tuple[str, Any]]
    steps: int
    reverse: bool
    scratch: Buffer  # the arena of the step
    alone: bool = False

    def reads(self) -> set[Buffer]:
        return {b for (kind, _), b in self.bound.items() if kind != "output"}

    def writes(self) -> set[Buffer]:
        return {b for (kind, _), b in self.bound.items() if kind != "input"} | {self.scratch}

    def __str__(self) -> str:
        order = "from the last" if self.reverse else "from the first"
        return f"{self.steps} steps, {order}:\n{self.plan}"


@dataclass(eq=False)
class Nest:
    """Loops over `axes`, in order; for each element the stores.

    `lanes`: the last axis is the vector lanes of the batch layout. `split`: the axis whose range
    is divided among the threads (one of `axes`, or one that is reduced, whose stores then go to
    one place a thread); None: thread 0 does it all.
    """

    name: str
    axes: tuple[Axis, ...]
    place: tuple[Index, ...]
    lanes: int
    stores: list[Store] = field(default_factory=list)
    split: Axis | None = None
    contraction: Any = None  # a Contraction whose loops replace these
    sequential: Instruction | None = None
    operands: tuple[Any, ...] = ()  # buffers (and constants) of a sequential instruction
    leading: int | None = None  # of each line that is sorted, if not all are wanted
    over: list[tuple[Axis, ...]] = field(default_factory=list)
    ordered: bool = False  # several elements may go to one place: in order, the last counts
    body: Any = None  # the Body of a scan
    barrier: bool = False  # all threads meet before it
    _walked: Any = field(default=None, repr=False)  # what `expressions` found, and where

    @property
    def size(self) -> int:
        return math.prod(a.extent for a in self.axes)

    @property
    def expressions(self) -> list[Expression]:
        """Every expression below the stores, parts before what uses them."""
        parts = [x for s in self.stores for x in (s.expression, s.offset)]
        known = self._walked
        if known is None or len(known[0]) != len(parts) or not all(map(is_, known[0], parts)):
            roots = (x for s in self.stores for x in (s.expression, *reads_of(s.offset)))
            known = self._walked = parts, walk(*roots)
        return known[1]

    def loads(self) -> list[Load]:
        return [e for e in self.expressions if isinstance(e, Load)]

    def reads(self) -> set[Buffer]:
        """Every buffer that it reads."""
        out = {e.buffer for e in self.loads()}
        if self.contraction is not None:
            out |= set(self.contraction.reads())
        out |= {b for b in self.operands if isinstance(b, Buffer)}
        out |= {s.buffer for s in self.stores if s.add}
        if self.body is not None:
            out |= self.body.reads()
        return out

    def writes(self) -> set[Buffer]:
        out = {s.buffer for s in self.stores}
        if self.body is not None:
            out |= self.body.writes()
        if self.contraction is not None:
            out |= set(self.contraction.scratch())
        return out

    def work(self) -> int:
        """Operations, roughly."""
        total = 0
        for e in self.expressions:
            if isinstance(e, Reduce):
                inside = [x for x in walk(e.body) if set(e.over) & x.axes]
                total += max(len(inside), 1) * math.prod(a.extent for a in e.over)
            else:
                total += 1
        return total * self.size

    def __str__(self) -> str:
        loops = ", ".join(f"{a}:{a.extent}" for a in self.axes)
        head = f"{self.name}: for {loops or 'once'}"
        if self.lanes:
            head += f" (lanes {self.lanes})"
        head += f" split {self.split}" if self.split else " on one thread"
        if self.contraction is not None:
            head += f"\n    {self.contraction}"
        if self.sequential is not None:
            head += f"\n    {self.sequential}"
            head += "" if self.leading is None else f", the first {self.leading}"
        lines = [
            f"    {s.buffer.name}[{s.offset}] {'+=' if s.add else '='} {s.expression}"
            for s in self.stores
        ]
        if self.body is not None:
            lines.append(indent(str(self.body), "    "))
        return "\n".join((["-- barrier --"] if self.barrier else []) + [head, *lines])

"""A schedule as one LLVM module: a function for each nest, and the program that calls them.

The program runs on every thread. It gets a table of addresses: the barrier's control block, the
arena, the scalars, then inputs, state, constants, outputs and gradients in the schedule's order.
Nests get only the addresses that they use, so that equal nests are one function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.contractions import ContractionWriter
from chainrule.compile.emit.lines import write_lines
from chainrule.compile.emit.loops import LoopWriter, merged
from chainrule.compile.emit.types import I64, POINTER, Index, Register
from chainrule.compile.emit.values import Values
from chainrule.compile.runtime.barrier import barrier_ir
from chainrule.compile.runtime.target import Target
from chainrule.compile.schedule.expression import Buffer, Expressions
from chainrule.compile.schedule.nest import Nest
from chainrule.compile.schedule.order import prepared
from chainrule.compile.schedule.plan import Plan

# Slots of the table; buffers of other kinds follow. DONE holds no address: the program writes 1
# there when it has run to its end.
BARRIER, ARENA, DONE, FIRST = 0, 1, 2, 3
ENTRY = "program"
TIMES = ("times", None)  # the slot of the clocks' table
LINE = 8  # 64-bit words of a cache line: what each thread has for a clock of its own


@dataclass
class Layout:
    """Which slot of the table holds the address of which buffer: by (kind, slot)."""

    slots: dict[tuple[str, Any], int] = field(default_factory=dict)

    def of(self, buffer: Buffer) -> int:
        key = (buffer.kind, buffer.slot)
        return self.slots.setdefault(key, FIRST + len(self.slots))

    @property
    def size(self) -> int:
        return FIRST + len(self.slots)


class ProgramWriter:
    """Writes the module of a plan.

    `timed`: the program adds the ticks that each thread spends in each nest, and in all barriers
    together, to [clock][thread][LINE] 64-bit words; `clocks` has the nest (None: the barriers) of
    each.
    """

    def __init__(self, plan: Plan, target: Target, new: Expressions, timed: bool = False) -> None:
        self.plan, self.target, self.new = plan, target, new
        self.threads = plan.threads
        self.module = Module(target.fma)
        self.layout = Layout()
        self.names: list[str] = []  # of the function of each nest
        self.timed = timed
        self.clocks: dict[Nest | None, int] = {}
        self._bodies: dict[str, str] = {}
        self._alone = False  # in a loop that one thread runs through

    def text(self) -> str:
        f = Function(self.module, ENTRY, [("thread", I64), ("table", POINTER)], internal=False)
        thread, table = f.arguments["thread"], f.arguments["table"]
        control = f.load(table, BARRIER, POINTER)
        arena = f.load(table, ARENA, POINTER)

        def address(b: Buffer) -> Register:
            if b.kind == "arena":
                return f.at(arena, self.plan.places[b], _BYTE)
            return f.load(table, self.layout.of(b), POINTER)

        if self.timed:
            self._times = f.load(
                table, self.layout.slots.setdefault(TIMES, self.layout.size), POINTER
            )
        self._calls(f, self.plan.nests, thread, control, address)
        with f.when(f.test("eq", thread, 0)):
            f.store(Register("1", I64), table, DONE)
        f.ret()
        if self.threads > 1:
            self.module.add(barrier_ir(self.target))
        return self.module.text()

    def _barrier(self, f: Function, thread: Register, control: Register) -> None:
        if self.threads > 1 and not self._alone:
            start = self._clock(f)
            f.call("barrier", None, control, Register(str(self.threads), I64), declare=False)
            self._note(f, None, thread, start)

    def _calls(
        self,
        f: Function,
        nests: list[Nest],
        thread: Register,
        control: Register,
        address: Callable[[Buffer], Register],
    ) -> None:
        """Calls the nests in order, with the addresses of their buffers."""
        for nest in nests:
            if nest.barrier:
                self._barrier(f, thread, control)
            if nest.body is not None and nest.body.alone:
                with f.when(f.test("eq", thread, 0)):
                    self._alone = True
                    self._loop(f, nest, thread, control, address)
                    self._alone = False
                continue
            if nest.body is not None:
                self._loop(f, nest, thread, control, address)
                continue
            buffers = sorted(nest.reads() | nest.writes(), key=lambda b: b.name)
            name = self._nest(nest, buffers)
            self.names.append(name)
            start = self._clock(f)
            f.call(name, None, thread, *map(address, buffers))
            self._note(f, nest, thread, start)

    def _clock(self, f: Function) -> Register:
        return f.call(clock(self.target), I64) if self.timed else Register("0", I64)

    def _note(self, f: Function, nest: Nest | None, thread: Register, start: Register) -> None:
        """Adds the time since `start` to the clock of the nest and thread."""
        if not self.timed:
            return
        place = self.clocks.setdefault(nest, len(self.clocks))
        row = f.mul(f.add(thread, place * self.threads), LINE)
        passed = f.binary("sub", self._clock(f), start)
        before = f.load(self._times, row, I64)
        f.store(f.binary("add", before, passed), self._times, row)

    def _loop(
        self,
        f: Function,
        nest: Nest,
        thread: Register,
        control: Register,
        address: Callable[[Buffer], Register],
    ) -> None:
        """The steps of a scan: the nests of its body, with addresses that move on."""
        body = nest.body
        bases = {key: address(b) for key, b in body.bound.items()}
        scratch = address(body.scratch)
        fixed = prepared(
            body.plan.nests,
            lambda b: b.kind == "input" and (b.kind, b.slot) not in body.moving,
        )
        rest = [n for n in body.plan.nests if n not in fixed]

        def inner(t: Index) -> Callable[[Buffer], Register]:
            def find(b: Buffer) -> Register:
                key = (b.kind, b.slot)
                if b.kind == "arena":
                    return f.at(scratch, body.plan.places[b], _BYTE)
                if key not in bases:
                    return address(b)  # constants of the body
                if key not in body.moving:
                    return bases[key]
                outer = body.bound[key]
                step = outer.bytes // body.steps
                return f.at(bases[key], f.mul(t, step), _BYTE)

            return find

        if fixed:
            self._calls(f, fixed, thread, control, inner(0))
            self._barrier(f, thread, control)
        with f.loop(0, body.steps) as loop:
            t = f.sub(body.steps - 1, loop.i) if body.reverse else loop.i
            self._calls(f, rest, thread, control, inner(t))
            self._barrier(f, thread, control)

    def _nest(self, nest: Nest, buffers: list[Buffer]) -> str:
        """The function of a nest; one that is there already if it is the same."""
        name = f"nest{len(self._bodies)}"
        arguments = [("thread", I64), *((f"buffer{k}", POINTER) for k in range(len(buffers)))]
        f = Function(self.module, name, arguments)
        thread = f.arguments["thread"]
        pointers = {b: f.arguments[f"buffer{k}"] for k, b in enumerate(buffers)}
        values = Values(f, pointers)
        if nest.split is None and self.threads > 1:
            with f.when(f.test("eq", thread, 0)):
                self._body(nest, values, 0)
        else:
            self._body(nest, values, thread)
        f.ret()
        text = re.sub(r"@nest\d+\(", "@nest(", f.text())
        known = self._bodies.setdefault(text, name)
        if known != name:
            del self.module.functions[name]
        return known

    def _body(self, nest: Nest, values: Values, thread: Index) -> None:
        f = values.f

        def share(n: int, granularity: int) -> tuple[Index, Index]:
            if self.threads == 1 or nest.split is None:
                return 0, n
            groups = -(-n // granularity)
            low = f.udiv(f.mul(thread, groups), self.threads)
            high = f.udiv(f.mul(f.add(thread, 1), groups), self.threads)
            return f.mul(low, granularity), f.min(f.mul(high, granularity), n)

        if nest.contraction is not None:
            if nest.contraction.in_line:
                merged(nest, self.new, None)
            ContractionWriter(values, nest, share, thread, self.threads).write()
        elif nest.sequential is not None:
            write_lines(values, nest, share, thread, self.target)
        else:
            if not nest.lanes:
                merged(nest, self.new, nest.split)
            LoopWriter(values, nest, self.target.width, share, thread).write()


def clock(target: Target) -> str:
    """The intrinsic that counts ticks; on Arm programs may not read the counter of cycles."""
    x86 = target.architecture in ("x86_64", "amd64")
    return "llvm.readcyclecounter" if x86 else "llvm.readsteadycounter"


_BYTE = I64._replace(kind="i8")

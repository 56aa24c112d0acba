"""The native executable of a graph: found on disk, or planned, emitted and compiled; and run."""

from __future__ import annotations

import ctypes
import mmap
import struct
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.compile import cache, shared
from chainrule.compile.blueprint import Blueprint, Result, constants_of, fill, scalars_of
from chainrule.compile.canonical import canonical
from chainrule.compile.emit.program import ARENA, BARRIER, DONE, ProgramWriter
from chainrule.compile.graph import Graph
from chainrule.compile.passes import optimize
from chainrule.compile.passes.small_batch import by_channels
from chainrule.compile.runtime import jit, pool
from chainrule.compile.runtime.barrier import control_block
from chainrule.compile.runtime.target import Target, host
from chainrule.compile.schedule.expression import Buffer
from chainrule.compile.schedule.order import make_plan
from chainrule.compile.schedule.plan import Plan
from chainrule.compile.shared import Code
from chainrule.graph.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.compile.profile import Profile

STAGES = ("graph", "passes", "schedule", "llvm", "asm")


class Design:
    """A graph on its way to code: simplified, planned, and written as LLVM IR.

    `timed`: the program also notes where its time goes.
    """

    def __init__(
        self, graph: Graph, threads: int, keep_gradients: bool, target: Target, timed: bool = False
    ) -> None:
        registers = 32 if target.width == 64 or target.architecture == "aarch64" else 16
        self.graph = graph
        self.simple = by_channels(optimize(graph), target.lanes(4), threads)
        self.plan, planner = make_plan(
            self.simple,
            target.lanes(4),
            threads,
            keep_gradients,
            registers,
            optimize,
            bf16=target.bf16,
        )
        self.writer = ProgramWriter(self.plan, target, planner.low.new, timed)
        self.text = self.writer.text()

    def blueprint(self) -> Blueprint:
        """What is to be kept of it, still without the code."""
        plan, slots = self.plan, self.writer.layout.slots
        stats = {
            "instructions": len(self.simple.instructions),
            "kernels": len(self.writer.names),
            "functions": len(set(self.writer.names)),
            "barriers": _barriers(plan),
            "arena": plan.arena,
        }
        blueprint = Blueprint(self.writer.layout.size, plan.arena, stats)
        fill(blueprint, self.graph, self.simple, slots)

        def result(b: Buffer) -> Result:
            return slots.get((b.kind, b.slot)), b.shape, b.dtype.str

        blueprint.outputs = [result(b) for b in plan.outputs]
        blueprint.gradients = [None if b is None else result(b) for b in plan.gradients]
        return blueprint


def _barriers(plan: Plan) -> int:
    """How often threads meet in one run."""
    total = sum(nest.barrier for nest in plan.nests)
    bodies = [n.body for n in plan.nests if n.body is not None and not n.body.alone]
    return total + sum(body.steps * (_barriers(body.plan) + 1) for body in bodies)


class Frame:
    """The memory that a program runs in: its table of addresses, scratch, scalars, constants."""

    def __init__(self, blueprint: Blueprint, graph: Graph) -> None:
        self._control, control = control_block()
        size = max(blueprint.arena, 1) + _PAGE
        self._memory = mmap.mmap(-1, size, flags=_PRIVATE) if _PRIVATE else mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        start = address(np.frombuffer(self._memory, np.uint8))
        table = np.zeros(blueprint.slots, np.uint64)
        self.address = address(table)
        self.table = table.data
        self.table[BARRIER] = control
        self.table[ARENA] = start + -start % _PAGE
        self.scalars = np.zeros(len(scalars_of(graph)), np.uint64)  # each of 64 bits, of its kind
        for place, slot in blueprint.scalars:
            self.table[slot] = address(self.scalars) + 8 * place
        arrays = list(constants_of(graph).values())
        constants = {slot: arrays[place] for place, slot in blueprint.constants} | blueprint.made
        self._constants = {slot: np.ascontiguousarray(a) for slot, a in constants.items()}
        for slot, array in self._constants.items():
            self.table[slot] = address(array)


class Native:
    """A graph as machine code for these shapes. For its methods see `backend.Executable`."""

    def __init__(
        self, graph: Graph, threads: int, keep_gradients: bool, target: Target | None = None
    ) -> None:
        self.graph, self.threads, self.keep_gradients = graph, threads, keep_gradients
        self.target = target or host()
        self._seconds = {"plan_seconds": 0.0, "compile_seconds": 0.0, "load_seconds": 0.0}
        # Whoever runs the program holds this object, so that no code goes while it runs.
        self._code, found = self._loaded()
        blueprint = self._code.blueprint
        start = time.perf_counter()
        self._frame = Frame(blueprint, graph)
        self._seconds["load_seconds"] += time.perf_counter() - start
        self.stats = {
            "backend": "native", **blueprint.stats, "threads": threads, **self._seconds,
            "cached": found,
        }  # fmt: skip
        self._prepare(blueprint)

    def _loaded(self) -> tuple[Code, bool]:
        """The code, and whether it was found in memory or on disk."""
        content = canonical(self.graph)
        if content is None:
            return self._load(self._compiled()), False
        options = f"program {self.threads} {self.keep_gradients}"
        name = cache.key(options, content, self.target.key, cache.fingerprint())
        place = cache.place()
        if place is None:
            return self._load(self._compiled()), False
        code = shared.find((name, place))
        if code is not None:
            return code, True
        packed = cache.load(name)
        blueprint = self._compiled() if packed is None else Blueprint.unpack(packed)
        if packed is None:
            cache.store(name, blueprint.pack())
        code = self._load(blueprint)
        shared.keep((name, place), code)
        return code, packed is not None

    def _load(self, blueprint: Blueprint) -> Code:
        start = time.perf_counter()
        code = Code(blueprint)
        self._seconds["load_seconds"] = time.perf_counter() - start
        return code

    def _compiled(self) -> Blueprint:
        start = time.perf_counter()
        design = self.design()
        blueprint = design.blueprint()
        planned = time.perf_counter()
        blueprint.code = jit.compile_object(design.text, self.target)
        compiled = time.perf_counter()
        self._seconds |= {"plan_seconds": planned - start, "compile_seconds": compiled - planned}
        return blueprint

    def design(self, timed: bool = False) -> Design:
        """The stages before the code, worked out anew: they are large, and seldom looked at."""
        return Design(self.graph, self.threads, self.keep_gradients, self.target, timed)

    def _prepare(self, blueprint: Blueprint) -> None:
        """All that is the same at every run."""
        graph, frame = self.graph, self._frame
        self._inputs = [(value.shape, value.dtype) for value in graph.inputs]
        self._slots: list[int | None] = [None] * len(self._inputs)
        for place, slot in blueprint.inputs:
            self._slots[place] = slot
        self._given: list[Any] = [None] * len(self._inputs)  # arrays whose addresses are there
        values = list(graph.state)
        updated = {old for old, _ in graph.updates}
        self._state = [(values[place], slot) for place, slot in blueprint.state]
        self._written = {value for value, _ in self._state if value in updated}
        self._rebound = -1
        scalars = scalars_of(graph)
        self._whole = [k for k, value in enumerate(scalars) if value.dtype.kind != "f"]
        kinds = "".join("d" if value.dtype.kind == "f" else "Q" for value in scalars)
        self._cells = frame.scalars.data.cast("B") if scalars else None
        self._pack = struct.Struct(f"={kinds}").pack_into
        self._outputs = [(slot, shape, np.dtype(d)) for slot, shape, d in blueprint.outputs]
        self._gradients = [r and (r[0], r[1], np.dtype(r[2])) for r in blueprint.gradients]
        self._results: list[tuple[Tensor, Tensor | None]] = []
        self._run = pool.prepared(self._code.entry, frame.address, self.threads)

    # ---- running ------------------------------------------------------------------------------

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        self.reset()
        outputs = self.prepare(inputs)
        self.execute()
        self.deliver()
        return outputs

    def reset(self) -> None:
        self._frame.table[DONE] = 0

    def prepare(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        graph, table = self.graph, self._frame.table
        if self._rebound != graph.rebound:
            self._refresh()
        for array, packed, _ in self._strided:
            packed[...] = array
        given = self._given
        for k, array in enumerate(inputs):
            if (array.shape, array.dtype) != self._inputs[k]:
                raise graph.wrong_input(graph.inputs[k], array)
            slot = self._slots[k]
            if slot is not None and array is not given[k]:
                flags = array.flags
                if flags.c_contiguous and flags.aligned:
                    given[k] = array
                else:
                    array, given[k] = np.array(array, order="C"), None
                    self._copies[k] = array
                table[slot] = address(array)
        if self._cells is not None:
            numbers: list[Any] = []
            for one in graph.hosts:
                numbers += one.function()
            for k in self._whole:
                numbers[k] = int(numbers[k]) & _BITS
            self._pack(self._cells, 0, *numbers)
        outputs = []
        for slot, shape, dtype in self._outputs:
            out = np.empty(shape, dtype)
            if slot is not None:
                table[slot] = address(out)
            outputs.append(out)
        if self._gradients:
            self._results = [
                (leaf, self._gradient(leaf, result))
                for (leaf, _), result in zip(graph.gradients, self._gradients, strict=True)
            ]
        return outputs

    def _refresh(self) -> None:
        """Takes the addresses of the state; arrays that are not contiguous get a stand-in."""
        self._strided: list[tuple[np.ndarray, np.ndarray, bool]] = []
        self._copies: dict[int, np.ndarray] = {}
        for value, slot in self._state:
            array = self.graph.state[value]
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned):
                packed = np.empty(array.shape, array.dtype)
                self._strided.append((array, packed, value in self._written))
                array = packed
            self._frame.table[slot] = address(array)
        self._rebound = self.graph.rebound

    def _gradient(self, leaf: Tensor, result: Any) -> Tensor | None:
        if result is None:
            return None
        slot, shape, dtype = result
        out = np.empty(shape, dtype)
        if slot is not None:
            self._frame.table[slot] = address(out)
        return Tensor(out, leaf.dtype)

    def execute(self) -> None:
        self._run()

    def done(self) -> bool:
        return self._frame.table[DONE] == 1

    def deliver(self) -> None:
        for array, packed, written in self._strided:
            if written:
                array[...] = packed
        for leaf, gradient in self._results:
            leaf._grad = gradient

    # ---- looking ------------------------------------------------------------------------------

    def inspect(self, stage: str) -> str:
        """The program at a stage: graph, passes, schedule, llvm or asm."""
        if stage == "graph":
            return str(self.graph)
        if stage not in STAGES:
            raise ArgumentError(
                t("There is no stage {stage!r}: {stages}.", stage=stage, stages=", ".join(STAGES))
            )
        if stage == "passes":
            return str(optimize(self.graph))
        design = self.design()
        if stage == "schedule":
            return str(design.plan)
        return design.text if stage == "llvm" else jit.assembly(design.text, self.target)

    def profile(self, inputs: list[np.ndarray]) -> Profile:
        from chainrule.compile.profile import measure  # a program is seldom profiled

        return measure(self, inputs)

    def scalars(self) -> np.ndarray:
        """The scalars of the last run, as 64-bit words."""
        return self._frame.scalars


_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
_PAGE = 2 << 20  # of the large kind
_BITS = (1 << 64) - 1


def address(array: np.ndarray) -> int:
    """Where the array's first element is."""
    try:
        # A fifth of the time that the way below takes.
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # read-only, strided or empty
        pass
    return int(array.__array_interface__["data"][0])

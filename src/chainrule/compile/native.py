"""The native executable of a graph: planned, emitted, compiled (or found on disk), and run."""

from __future__ import annotations

import mmap
import time
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.compile import cache
from chainrule.compile.emit.program import ARENA, BARRIER, ENTRY, ProgramWriter
from chainrule.compile.graph import Graph, Value
from chainrule.compile.passes import optimize
from chainrule.compile.runtime import jit, pool
from chainrule.compile.runtime.barrier import control_block
from chainrule.compile.runtime.target import Target, host
from chainrule.compile.schedule.order import make_plan
from chainrule.graph.tensor import Tensor

STAGES = ("graph", "passes", "schedule", "llvm", "asm")


class Native:
    """A graph as machine code for these shapes."""

    def __init__(
        self, graph: Graph, threads: int, keep_gradients: bool, target: Target | None = None
    ) -> None:
        self.graph, self.threads, self.keep_gradients = graph, threads, keep_gradients
        self.target = target or host()
        start = time.perf_counter()
        lanes = self.target.lanes(4)
        registers = 32 if self.target.width == 64 or self.target.architecture == "aarch64" else 16
        self.simple = optimize(graph)
        self.plan, planner = make_plan(
            self.simple, lanes, threads, keep_gradients, registers, optimize
        )
        writer = ProgramWriter(self.plan, self.target, planner.low.new)
        self.text = writer.text()
        self.layout = writer.layout
        planned = time.perf_counter()
        code, found = self._code()
        self.loaded = jit.load(code)
        self._address = self.loaded.address(ENTRY)
        self._bind()
        self.stats: dict[str, Any] = {
            "backend": "native",
            "instructions": len(self.simple.instructions),
            "kernels": len(self.plan.nests),
            "functions": len(set(writer.names)),
            "barriers": sum(n.barrier for n in self.plan.nests),
            "arena": self.plan.arena,
            "threads": threads,
            "plan_seconds": planned - start,
            "compile_seconds": time.perf_counter() - planned,
            "cached": found,
        }

    def _code(self) -> tuple[bytes, bool]:
        key = cache.key(self.text, self.target.key, cache.fingerprint())
        code = cache.load(key)
        if code is not None:
            return code, True
        code = jit.compile_object(self.text, self.target)
        cache.store(key, code)
        return code, False

    # ---- memory -------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Memory of its own, and the table of addresses."""
        self._control, control = control_block()
        self._memory = mmap.mmap(-1, max(self.plan.arena, 1) + (2 << 20), flags=_PRIVATE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(self._memory, np.uint8)
        start = address(whole)
        self.table = np.zeros(self.layout.size, np.uint64)
        self.table[BARRIER] = control
        self.table[ARENA] = start + -start % (2 << 20 if self.plan.arena > 1 << 20 else 4096)
        self._table = address(self.table)
        self._scalars: list[tuple[Any, list[np.ndarray]]] = []
        slots = self.layout.slots
        for one in self.graph.hosts:
            cells = []
            for value in one.values:
                cell = np.zeros((), np.float64 if value.dtype.kind == "f" else np.int64)
                cells.append(cell)
                self._set(("scalar", value), cell)
            self._scalars.append((one, cells))
        for value, array in _constants(self.simple).items():
            if ("constant", value) in slots:
                kept = np.ascontiguousarray(array)
                self._keep(kept)
                self._set(("constant", value), kept)
        self._state = [v for v in self.graph.state if ("state", v) in slots]
        self._bound: list[np.ndarray] = []
        self._rebound = -1
        self._inputs = [slots.get(("input", k)) for k in range(len(self.graph.inputs))]
        self._results = [(b, slots.get((b.kind, b.slot))) for b in self.plan.outputs]
        self._gradients = [
            None if b is None else (b, slots.get((b.kind, b.slot))) for b in self.plan.gradients
        ]

    def _keep(self, array: np.ndarray) -> None:
        self.__dict__.setdefault("_kept", []).append(array)

    def _set(self, key: Any, array: np.ndarray) -> None:
        slot = self.layout.slots.get(key)
        if slot is not None:
            self.table[slot] = address(array)

    def _refresh(self) -> None:
        """Takes the addresses of the state; arrays that are not contiguous get a stand-in."""
        self._strided: list[tuple[np.ndarray, np.ndarray]] = []
        for value in self._state:
            array = self.graph.state[value]
            if not array.flags.c_contiguous:
                packed = np.ascontiguousarray(array)
                self._strided.append((array, packed))
                array = packed
            self.table[self.layout.slots["state", value]] = address(array)
        self._rebound = self.graph.rebound

    # ---- running ------------------------------------------------------------------------------

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        table = self.table
        if self._rebound != self.graph.rebound:
            self._refresh()
        for array, packed in self._strided:
            packed[...] = array
        held = []
        for slot, array, value in zip(self._inputs, inputs, self.graph.inputs, strict=True):
            if array.shape != value.shape or array.dtype != value.dtype:
                raise self.graph.wrong_input(value, array)
            if slot is not None:
                if not array.flags.c_contiguous:
                    array = np.ascontiguousarray(array)
                    held.append(array)
                table[slot] = address(array)
        for one, cells in self._scalars:
            for cell, number in zip(cells, one.function(), strict=True):
                cell[...] = number
        outputs = []
        for buffer, slot in self._results:
            out = np.empty(buffer.shape, buffer.dtype)
            if slot is not None:
                table[slot] = address(out)
            outputs.append(out)
        gradients: list[np.ndarray | None] = []
        for entry in self._gradients:
            if entry is None:
                gradients.append(None)
                continue
            out = np.empty(entry[0].shape, entry[0].dtype)
            if entry[1] is not None:
                table[entry[1]] = address(out)
            gradients.append(out)
        pool.run(self._address, self._table, self.threads)
        for array, packed in self._strided:
            if array.flags.writeable:
                array[...] = packed
        for (leaf, _), gradient in zip(self.graph.gradients, gradients, strict=False):
            leaf._grad = None if gradient is None else Tensor(gradient, leaf.dtype)
        return outputs

    # ---- looking ------------------------------------------------------------------------------

    def inspect(self, stage: str) -> str:
        """The program at a stage: graph, passes, schedule, llvm or asm."""
        if stage == "graph":
            return str(self.graph)
        if stage == "passes":
            return str(self.simple)
        if stage == "schedule":
            return str(self.plan)
        if stage == "llvm":
            return self.text
        if stage == "asm":
            return jit.assembly(self.text, self.target)
        raise ArgumentError(
            t("There is no stage {stage!r}: {stages}.", stage=stage, stages=", ".join(STAGES))
        )

    def profile(self, inputs: list[np.ndarray]) -> str:
        raise ArgumentError(t("There is no profile of this program."))


_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def _constants(graph: Graph) -> dict[Value, np.ndarray]:
    """The constants of a graph and of the bodies of its scans."""
    out = dict(graph.constants)
    for i in graph.instructions:
        if i.primitive == "scan":
            out |= _constants(i.attributes["body"])
    return out

"""One small program for glass mode: the executable of a graph without a place in memory of its own.

Beside `native.Native`, which holds on to scratch memory, state and results, a kernel is cheap to
keep and to call: all kernels share their scratch, and a call takes a few microseconds.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import weakref
from array import array as Table
from collections.abc import Sequence
from ctypes import CFUNCTYPE, addressof, c_char, c_int64, c_void_p
from typing import Any

import numpy as np

from chainrule.compile import cache
from chainrule.compile.blueprint import Blueprint, constants_of
from chainrule.compile.canonical import canonical
from chainrule.compile.emit.program import ARENA, BARRIER, ENTRY
from chainrule.compile.graph import Graph
from chainrule.compile.native import Design, address
from chainrule.compile.runtime import get_num_threads, jit, pool
from chainrule.compile.runtime.barrier import control_block
from chainrule.compile.runtime.target import host
from chainrule.compile.schedule.analysis import CONTRACTIONS
from chainrule.ops.arrays import native

from_buffer: Any = c_char.from_buffer
_MISALIGNED = 7  # bits of an address that are 0 in NumPy's own arrays of every dtype


class Unfit(Exception):
    """This call can have no kernel, or gains nothing from one."""


class Kernel:
    """A graph as native code: called with the arrays of its inputs.

    `results`: for each result the place of the output, or ~i for input i itself, or None.
    `several`: a list of results is given, else the one. `most`: for how many threads there is
    work; `threads`: for how many it was made, there being `available` ones.
    """

    def __init__(
        self, graph: Graph, results: Sequence[int | None], several: bool, most: int
    ) -> None:
        self.available = get_num_threads()
        self.threads = max(1, min(most, self.available))
        self.alone = most <= 1  # whatever number of threads there is
        self._results, self._several = results, several
        self._one = not several and list(results) == [0]
        self._plain = several and list(results) == list(range(len(graph.outputs)))
        blueprint = _blueprint(graph, self.threads)
        loaded = jit.load(blueprint.code)
        weakref.finalize(self, loaded.unload).atexit = False
        self._entry = loaded.address(ENTRY)
        self._call = CFUNCTYPE(None, c_int64, c_void_p)(self._entry)
        self._arena = blueprint.arena
        self._control, control = control_block()
        self._start = [0] * blueprint.slots
        self._start[BARRIER] = control
        arrays = list(constants_of(graph).values())
        constants = {slot: arrays[place] for place, slot in blueprint.constants} | blueprint.made
        self._constants = {slot: np.ascontiguousarray(a) for slot, a in constants.items()}
        for slot, array in self._constants.items():
            self._start[slot] = address(array)
        self._inputs = blueprint.inputs
        self._state = blueprint.state
        self._scalars = blueprint.scalars
        self._numbers = struct.Struct(f"={sum(len(one.values) for one in graph.hosts)}d")
        self._outputs = [(slot, shape, np.dtype(d)) for slot, shape, d in blueprint.outputs]

    def __call__(
        self, arrays: Sequence[np.ndarray], state: Sequence[np.ndarray] = (),
        numbers: Sequence[float] = (),
    ) -> Any:  # fmt: skip
        addresses = self._start.copy()
        held = []
        for place, slot in self._inputs:
            array = arrays[place]
            try:
                # Only what may be written and is contiguous has such a view.
                at = addressof(from_buffer(array))
                if not at & _MISALIGNED:
                    addresses[slot] = at
                    continue
            except (TypeError, ValueError, BufferError):
                pass
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned):
                array = np.array(array, order="C")
                held.append(array)
            addresses[slot] = address(array)
        for place, slot in self._state:
            addresses[slot] = address(state[place])
        if numbers:
            cells = np.frombuffer(self._numbers.pack(*numbers), np.uint64)
            start = address(cells)
            for place, slot in self._scalars:
                addresses[slot] = start + 8 * place
        outputs = []
        for to, shape, dtype in self._outputs:
            out = np.empty(shape, dtype)
            if to is not None:
                addresses[to] = address(out)
            outputs.append(out)
        with _running:
            memory, addresses[ARENA] = _arena(self._arena)
            table = Table("Q", addresses)
            if self.threads == 1:
                self._call(0, table.buffer_info()[0])
            else:
                pool.run(self._entry, table.buffer_info()[0], self.threads)
            del memory
        if self._one:
            return outputs[0]
        if self._plain:
            return outputs
        found = [None if k is None else arrays[~k] if k < 0 else outputs[k] for k in self._results]
        return found if self._several else found[0]


def _blueprint(graph: Graph, threads: int) -> Blueprint:
    """The compiled program, from disk if it is there. Unfit: its products have no kernels."""
    target, name = host(), None
    content = canonical(graph)
    if content is not None:
        name = cache.key(f"kernel {threads}", content, target.key, cache.fingerprint())
        packed = cache.load(name)
        if packed is not None:
            if not packed:
                raise Unfit
            return Blueprint.unpack(packed)
    design = Design(graph, threads, False, target)
    known = {n.contraction.instruction for n in design.plan.nests if n.contraction is not None}
    wanted = [i for i in design.simple.instructions if i.primitive in CONTRACTIONS]
    fit = native.SETTING == "all" or all(i in known for i in wanted)
    packed = b""
    if fit:
        blueprint = design.blueprint()
        blueprint.code = jit.compile_object(design.text, target)
        packed = blueprint.pack()
    if name is not None:
        cache.store(name, packed)
    if not fit:
        raise Unfit
    return blueprint


# ---- scratch memory -------------------------------------------------------------------------

# One kernel runs at a time, in memory that all share. Reentrant: a signal handler may run another
# one, but not while one is in native code.
_running = threading.RLock()
_scratch: tuple[Any, int, int] = (None, 0, 0)  # memory, address, bytes
_PAGE = 2 << 20


def _arena(size: int) -> tuple[Any, int]:
    """At least `size` bytes, and their address. To be kept while a kernel runs."""
    global _scratch
    memory, start, length = _scratch
    if size > length:
        length = max(size, 2 * length)
        memory = mmap.mmap(-1, length + _PAGE)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        start = address(np.frombuffer(memory, np.uint8))
        start += -start % _PAGE
        _scratch = memory, start, length
    return memory, start


def _after_fork() -> None:
    global _running
    _running = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""A traced program: the graph, what it depends on, and how a run of it is one whole step."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from typing import Any

import numpy as np

from chainrule.base.errors import AutogradError, ChainruleError, TraceError
from chainrule.base.text import t
from chainrule.compile.backend import Executable, Replay
from chainrule.compile.graph import Graph, Value
from chainrule.compile.guards import Guards
from chainrule.compile.signature import map_tensors
from chainrule.compile.symbols import PACKAGE, Symbol
from chainrule.compile.trace import Trace
from chainrule.graph import memory
from chainrule.graph.modes import mode
from chainrule.graph.node import Node
from chainrule.graph.tensor import REUSED, Tensor, ready, wrap

# Frames of these files are not the user's.
_INTERNAL = (PACKAGE, str(Path(np.__file__).parent))

# Traces change tensors for a moment, which another thread must not trace meanwhile.
_tracing = threading.RLock()


class Program:
    """A traced program: `program(*args)` runs it, `print(program.graph)` shows it."""

    def __init__(
        self, graph: Graph, guards: Guards, result: Any, stand_ins: list[Tensor],
        used_up: dict[int, Value],
    ) -> None:  # fmt: skip
        self.graph, self.guards = graph, guards
        self.executable: Executable = Replay(graph)
        self.threads = 0  # for how many it was made; 0: it would be the same for any other number
        self._result = result
        self._places = {id(x): i for i, x in reversed([*enumerate(stand_ins)])}
        self._stand_ins = stand_ins
        # Whether the result is one tensor that was computed, as of most programs.
        self._plain = (
            isinstance(result, Tensor)
            and isinstance(result._data, Symbol)
            and id(result) not in self._places
        )
        self._used_up = used_up
        self._dropped: list[Tensor] = []
        self._written: list[tuple[int, int]] = []  # input, output: what was assigned to it
        self._input_gradients: list[tuple[int, int]] = []
        self._entries: list[list[Any]] = []  # of the memory that a run writes
        self._shared: set[int] = set()  # ids of the arrays that own the state's memory
        self._rebound = -1
        self.trace_seconds = 0.0
        self._lock = threading.RLock()

    def drop_gradients(self) -> None:
        """Do not give out the gradients that an optimiser of this program has used up."""
        graph, used_up = self.graph, self._used_up
        gradients: list[tuple[Tensor, Value | None]] = []
        for leaf, value in graph.gradients:
            if value is not None and used_up.get(id(leaf)) is value:
                self._dropped.append(leaf)
            else:
                gradients.append((leaf, value))
        graph.gradients = gradients
        # Gradients that were there are added to in place.
        leaves = {s.value: s.tensor for s in graph.sources if s.gradient}
        updates: list[tuple[Value, Value]] = []
        for old, new in graph.updates:
            if old in leaves and used_up.get(id(leaves[old])) is new:
                self._dropped.append(leaves[old])
            else:
                updates.append((old, new))
        graph.updates = updates

    def overlaps(self, leaves: list[Tensor]) -> list[int]:
        """The arguments that share memory with state of a program that writes."""
        if not self.graph.updates and not self._written:
            return []
        self._refresh()
        return [i for i, x in enumerate(leaves) if id(memory.owner(x._data)) in self._shared]

    def _refresh(self) -> None:
        graph = self.graph
        if self._rebound == graph.rebound:
            return
        for old, _ in graph.updates:
            check_writable(graph.state[old])
        # The state keeps the memory alive, and so the entries.
        self._entries = [memory.entry_of(graph.state[old]) for old, _ in graph.updates]
        self._shared = {id(memory.owner(array)) for array in graph.state.values()}
        self._rebound = graph.rebound

    # ---- a run ------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves: list[Tensor] = []
        map_tensors((args, kwargs), leaves.append)
        broken = self.guards.broken(self.graph)
        if broken is not None:
            raise TraceError(
                t(
                    "{what} changed since this program was traced, which may make it another "
                    "program: trace it again, or use chainrule.compile, which does so by itself.",
                    what=broken,
                )
            )
        return self.run(leaves)

    def run(self, leaves: list[Tensor]) -> Any:
        """One whole step: an error or Ctrl-C leaves all state as it was before, or as after."""
        graph = self.graph
        if self._rebound != graph.rebound:
            self._refresh()
        for i, _ in self._written:
            check_writable(leaves[i]._data)
        if graph.checks:
            self._check(leaves)
        executable, hosts = self.executable, graph.hosts
        with self._lock:
            executable.reset()
            for host in hosts:
                host.reset()
            outputs: list[np.ndarray] = []
            try:
                outputs += executable.prepare([leaf._data for leaf in leaves])
                executable.execute()
                self._deliver(leaves, outputs)
            except BaseException:
                _uninterrupted(lambda: self._settle(leaves, outputs))
                raise
        return self._filled(outputs, leaves)

    def _deliver(self, leaves: list[Tensor], outputs: list[np.ndarray]) -> None:
        """What is left to write after the computation. Twice does the same as once."""
        self.executable.deliver()
        if self._entries:
            memory.written_all(self._entries)
        for leaf in self._dropped:
            leaf._grad = REUSED
        for i, k in self._written:
            leaves[i]._data[...] = outputs[k]
            memory.written(leaves[i]._data)
        for i, g in self._input_gradients:
            leaves[i]._grad = _like(leaves[i], outputs[g])

    def _settle(self, leaves: list[Tensor], outputs: list[np.ndarray]) -> None:
        """After an exception: the step either has happened, or has not."""
        if self.executable.done():
            self._deliver(leaves, outputs)
        else:
            for host in reversed(self.graph.hosts):
                host.undo()

    def _check(self, leaves: list[Tensor]) -> None:
        graph = self.graph
        for value, check in graph.checks:
            if value in graph.state:
                check(graph.state[value])
            elif value in graph.inputs:
                check(leaves[graph.inputs.index(value)]._data)

    def _filled(self, outputs: list[np.ndarray], leaves: list[Tensor]) -> Any:
        if self._plain:
            return _computed(self._result, outputs[0])
        arrays = iter(outputs)

        def real(x: Tensor) -> Tensor:
            place = self._places.get(id(x))
            if place is not None:
                return leaves[place]
            if not isinstance(x._data, Symbol):
                return x
            return _computed(x, next(arrays))

        return map_tensors(self._result, real)

    # ---- while it is made -------------------------------------------------------------------

    def note_inputs(self, trace: Trace, before: list[Any]) -> None:
        """What the program did to its arguments becomes outputs, written back after each run."""
        outputs = self.graph.outputs
        for i, (x, symbol) in enumerate(zip(self._stand_ins, before, strict=True)):
            if not isinstance(symbol, Symbol) or self._places[id(x)] != i:
                continue
            if x._data is not symbol:
                self._written.append((i, len(outputs)))
                outputs.append(trace.lift(x).value)
            if x._grad is not None:
                self._input_gradients.append((i, len(outputs)))
                outputs.append(trace.lift(x._grad).value)


class _Compiled:
    """The operation that results of a compiled function come from, for the backward walk."""

    name = "compiled"
    keeps = False

    @staticmethod
    def backward(*_: Any) -> Any:
        raise AutogradError(
            t(
                "This tensor came out of a compiled function, which keeps no graph: call "
                "backward() inside the compiled function."
            )
        )


def _like(x: Tensor, array: np.ndarray) -> Tensor:
    out = wrap(array)
    if x._extra is not None and x._extra.dtype is not None:
        out._more().dtype = x._extra.dtype
    return out


def _computed(x: Tensor, array: np.ndarray) -> Tensor:
    """The result of a run that the trace had as `x`."""
    out = _like(x, array)
    if x._rg:
        out._node, out._rg = Node(_Compiled, {}, memory.tick(), (), None, ()), True
    return out


def check_writable(array: np.ndarray) -> None:
    """Raises AutogradError for memory that cannot be updated."""
    shared = array.size > 0 and any(
        n > 1 and s == 0 for n, s in zip(array.shape, array.strides, strict=True)
    )
    if shared or not array.flags.writeable:
        raise AutogradError(
            t(
                "Several elements of this tensor (an expanded or read-only one) share one place "
                "in memory: clone() it before writing in place."
            )
        )


def _uninterrupted(action: Callable[[], None]) -> None:
    """Ctrl-C, again while the first is being dealt with, waits until `action` has been done."""
    release = None
    while release is None:
        with suppress(KeyboardInterrupt):
            release = _hold_interrupts()
    try:
        action()
    finally:
        release()


def _hold_interrupts() -> Callable[[], None]:
    """Ctrl-C waits until the returned function is called."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # Python runs signal handlers in the main thread only
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        return lambda: None
    caught: list[Any] = []

    def release() -> None:
        signal.signal(signal.SIGINT, handler)
        if caught:
            handler(*caught[-1])

    signal.signal(signal.SIGINT, lambda *what: caught.append(what))
    return release


# ---- tracing --------------------------------------------------------------------------------


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """Runs `function` on symbols in place of the tensors in `args` and writes down what it does.

    Nothing is computed and nothing changes: parameters, gradients and counters keep their values.
    Errors: TraceError with the user's line where the program needs a value to go on.
    """
    return take(function, args, kwargs, frozenset())[0]


def take(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
    captured: frozenset[int],
) -> tuple[Program, list[int]]:  # fmt: skip
    """The traced program, and which of its tensor arguments the program also meets by itself.

    `captured`: the places of arguments that are to be state, not inputs.
    """
    if mode.trace is not None:
        raise TraceError(t("A trace is being taken already: traces do not nest."))
    with _tracing:
        return _take(function, args, kwargs, captured)


def _take(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
    captured: frozenset[int],
) -> tuple[Program, list[int]]:  # fmt: skip
    tracer = Trace(getattr(function, "__name__", type(function).__name__))
    tracer.guards.function(function, args)
    given: list[Tensor] = []
    stand_ins: list[Tensor] = []
    by_id: dict[int, Tensor] = {}

    def stand_in(x: Tensor) -> Tensor:
        out = x if len(given) in captured else by_id.get(id(x))
        symbol = tracer.input(x._data)  # unused where the same tensor came before, or is state
        if out is None:
            out = by_id[id(x)] = _bare(symbol, x)
        given.append(x)
        stand_ins.append(out)
        return out

    symbolic = map_tensors((args, kwargs), stand_in)
    before = [x._data for x in stand_ins]
    space = mode.F
    mode.F, mode.trace = tracer.F, tracer
    try:
        result = function(*symbolic[0], **symbolic[1])
        result = map_tensors(result, lambda x: _output(tracer, x, stand_ins))
        program = Program(tracer.graph, tracer.guards, result, stand_ins, tracer.used_up)
        program.note_inputs(tracer, before)
        _refuse_foreign_graphs(given, stand_ins)
        tracer.finish()
    except BaseException as error:
        mode.F, mode.trace = space, None
        tracer.restore()
        tracer.abandon()
        told = _told(error) if isinstance(error, Exception) else None
        if told is None:
            raise
        raise told from error
    finally:
        mode.F, mode.trace = space, None
    # The arguments that are inputs, but that the program also finds by itself.
    met = [i for i, x in enumerate(given) if i not in captured and tracer.saw(x)]
    tracer.restore()
    if met:
        tracer.abandon()
    return program, met


def _bare(symbol: Symbol, like: Tensor) -> Tensor:
    """A tensor of this symbol without history, with the dtype and flag of another."""
    out = wrap(symbol)
    out._rg = like._rg
    if like._extra is not None and like._extra.dtype is not None:
        out._more().dtype = like._extra.dtype
    return out


def _output(tracer: Trace, x: Tensor, stand_ins: list[Tensor]) -> Tensor:
    """What stands for a returned tensor: itself if it outlives the trace, else one to be filled."""
    ready(x)
    if not isinstance(x._data, Symbol) or any(x is s for s in stand_ins):
        return x
    symbol = tracer.lift(x)
    tracer.graph.outputs.append(symbol.value)
    return _bare(symbol, x)


def _refuse_foreign_graphs(given: list[Tensor], stand_ins: list[Tensor]) -> None:
    for x, inner in zip(given, stand_ins, strict=True):
        if x._node is not None and inner is not x and inner._grad is not None:
            raise TraceError(
                t(
                    "An argument was computed from tensors that require a gradient, outside the "
                    "compiled function, and backward() inside cannot follow it there: compute it "
                    "inside, or pass argument.detach()."
                )
            )


def _told(error: Exception) -> TraceError | None:
    """The error for the user, with a line of the program; None for errors of the program's own."""
    frames = [(f.f_code.co_filename, line) for f, line in walk_tb(error.__traceback__)]
    users = [f"{name}:{line}" for name, line in frames if not name.startswith(_INTERNAL)]
    where = users[-1] if users else "?"
    if isinstance(error, TraceError):
        return None if re.search(r":\d+: ", str(error)) else TraceError(f"{where}: {error}")
    ours = frames[-1][0].startswith(_INTERNAL) or Symbol.__name__ in str(error)
    if isinstance(error, ChainruleError) or not ours:
        return None
    return TraceError(
        t(
            "{where}: what is done here needs the values of tensors, or an operation that cannot "
            "be compiled ({error}).",
            where=where,
            error=f"{type(error).__name__}: {error}",
        )
    )

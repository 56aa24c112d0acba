"""Tracing: the user's program run once on symbols, its primitives written down.

What the program meets decides what becomes what: tensors given as arguments are inputs; tensors
that already hold data are state, read at every run and written back if the program updates them in
place; Python numbers that change from step to step (learning rate, step count, random counter) are
scalars, read anew from a host function at every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.base.text import t
from chainrule.compile.graph import Graph, Host, Instruction, Value
from chainrule.compile.infer import infer
from chainrule.compile.symbols import Symbol, users_line
from chainrule.graph import memory
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.namespace import Namespace
from chainrule.ops.primitives import PRIMITIVES


class Tracing(Namespace):
    """The namespace whose primitives write instructions."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __getattr__(self, name: str) -> Any:
        if name in PRIMITIVES:
            emit = self._trace.emit

            def primitive(*operands: Any, **attributes: Any) -> Symbol:
                return emit(name, operands, attributes)

            setattr(self, name, primitive)
            return primitive
        return super().__getattr__(name)

    def asarray(self, x: Any) -> Any:
        return x if isinstance(x, Symbol) else self._trace.constant(np.asarray(x))


class Trace:
    """One trace being taken: what `mode.trace` is meanwhile."""

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.F = Tracing(self)
        self.open = True
        self._current: dict[int, tuple[np.ndarray, Symbol]] = {}  # array → its value by now
        self._first: dict[int, Symbol] = {}  # array → its value at the start
        self._grads: dict[int, tuple[Tensor, Tensor | None]] = {}  # leaf, .grad before
        self._constants: dict[int, Symbol] = {}
        self._count = 0

    # ---- values -----------------------------------------------------------------------------

    def _new(self, prefix: str, meta: np.ndarray, kind: str, weak: bool = False) -> Symbol:
        self._count += 1
        value = Value(f"{prefix}{self._count}", meta.shape, meta.dtype, kind, weak)
        return Symbol(self, value, meta)

    def input(self, array: np.ndarray) -> Symbol:
        symbol = self._new("x", np.empty_like(array, subok=False), "input")
        self.graph.inputs.append(symbol.value)
        return symbol

    def constant(self, array: np.ndarray) -> Symbol:
        """Data that the program itself made: the same at every run."""
        known = self._constants.get(id(array))
        if known is None:
            known = self._new("c", np.empty_like(array, subok=False), "constant")
            self.graph.constants[known.value] = array  # also keeps the array, and its id, alive
            self._constants[id(array)] = known
        return known

    def lift(self, tensor: Tensor) -> Any:
        """The symbol of a tensor; one that holds data becomes state."""
        data = tensor._data
        if isinstance(data, Symbol):
            self._check_open(data)
            return data
        entry = self._current.get(id(data))
        if entry is None:
            symbol = self._new("s", np.empty_like(data, subok=False), "state")
            self.graph.state[symbol.value] = data
            self._first[id(data)] = symbol
            entry = self._current[id(data)] = (data, symbol)
        return entry[1]

    def assign(self, tensor: Tensor, value: Tensor) -> None:
        """An in-place write: the tensor's value is another from now on."""
        symbol = self.lift(value)
        data = tensor._data
        if isinstance(data, Symbol):
            tensor._data = symbol
            return
        self.lift(tensor)
        self._current[id(data)] = (data, symbol)

    def host(
        self, function: Callable[[], tuple[Any, ...]], names: tuple[str, ...], dtype: Any
    ) -> tuple[Symbol, ...]:
        """Scalars that `function` returns, called once at every run (and not while tracing)."""
        symbols = tuple(self._new(f"{n}_", np.empty((), dtype), "scalar", True) for n in names)
        self.graph.hosts.append(Host(function, tuple(s.value for s in symbols)))
        return symbols

    def note_grad(self, leaf: Tensor) -> None:
        """The program is about to change `.grad` of a leaf: remember what it was."""
        if id(leaf) not in self._grads:
            self._grads[id(leaf)] = (leaf, leaf._grad)

    # ---- instructions -----------------------------------------------------------------------

    def emit(self, primitive: str, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Symbol:
        operands = tuple(self._operand(o) for o in operands)
        metas = tuple(_meta(o) for o in operands)
        meta = infer(primitive, metas, attributes)
        weak = all(
            o.value.weak if isinstance(o, Symbol) else isinstance(o, int | float) for o in operands
        ) and any(isinstance(o, Symbol) for o in operands)
        out = self._new("v", meta, "result", weak)
        values = tuple(_value(o) for o in operands)
        self.graph.instructions.append(Instruction(primitive, values, attributes, out.value))
        return out

    def _operand(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            self._check_open(x)
            return x
        if isinstance(x, np.ndarray | np.generic):
            return self.constant(np.asarray(x))
        if isinstance(x, list):
            return [self._operand(v) for v in x]
        return x

    def _check_open(self, symbol: Symbol) -> None:
        if symbol.trace is not self:
            raise TraceError(
                t(
                    "{where}: this tensor was kept from an earlier trace and has no value. Do not "
                    "store tensors of a traced program outside it; return them instead.",
                    where=users_line(),
                )
            )

    # ---- the end ----------------------------------------------------------------------------

    def finish(self) -> None:
        """Writes down the updates and gradients, and puts the leaves' gradients back."""
        for leaf, before in self._grads.values():
            after = leaf._grad
            leaf._grad = before
            if after is not before:
                self.graph.gradients.append(
                    (leaf, None if after is None else self.lift(after).value)
                )
        written = []
        for data, symbol in self._current.values():
            first = self._first[id(data)]
            if symbol is not first:
                self.graph.updates.append((first.value, symbol.value))
                written.append(data)
        owners = [(memory.owner(a), a) for a, _ in self._current.values()]
        for data in written:
            if any(o is memory.owner(data) and a is not data for o, a in owners):
                raise TraceError(
                    t(
                        "Two tensors that share memory (one is a view of the other, made before "
                        "the trace) are used, and one is updated in place: use one of them only."
                    )
                )


def _meta(x: Any) -> Any:
    if isinstance(x, Symbol):
        # A weak scalar promotes like the Python number that it will be.
        return (0 if x.dtype.kind == "i" else 0.0) if x.value.weak else x.meta
    return [_meta(v) for v in x] if isinstance(x, list) else x


def _value(x: Any) -> Any:
    if isinstance(x, Symbol):
        return x.value
    return [_value(v) for v in x] if isinstance(x, list) else x


class Program:
    """A traced program: `program(*args)` replays it on NumPy, `print(program.graph)` shows it."""

    def __init__(self, graph: Graph, arguments: Any, result: Any) -> None:
        self.graph = graph
        self._arguments = arguments
        self._result = result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves: list[Tensor] = []
        _map_tensors((args, kwargs), leaves.append)
        outputs = iter(self.graph.run([leaf._data for leaf in leaves]))
        return _map_tensors(self._result, lambda x: _like(x, next(outputs)))


def _like(x: Tensor, array: np.ndarray) -> Tensor:
    return Tensor(array, x.dtype)


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """Runs `function` on symbols in place of the tensors in `args` and writes down what it does.

    Nothing is computed and nothing changes: parameters, gradients and counters keep their values.
    Errors: TraceError with the user's line where the program needs a value to go on.
    """
    if mode.trace is not None:
        raise TraceError(t("A trace is being taken already: traces do not nest."))
    tracer = Trace(getattr(function, "__name__", type(function).__name__))
    inputs: list[Tensor] = []

    def stand_in(x: Tensor) -> Tensor:
        out = wrap(tracer.input(x._data))
        out._rg = x._rg
        if x._extra is not None and x._extra.dtype is not None:
            out._more().dtype = x._extra.dtype
        inputs.append(out)
        return out

    symbolic = _map_tensors((args, kwargs), stand_in)
    before = mode.F
    mode.F, mode.trace = tracer.F, tracer
    try:
        result = function(*symbolic[0], **symbolic[1])
        _map_tensors(result, lambda x: tracer.graph.outputs.append(tracer.lift(x).value))
    finally:
        mode.F, mode.trace = before, None
        tracer.finish()
    return Program(tracer.graph, args, result)


def _map_tensors(x: Any, f: Callable[[Tensor], Any]) -> Any:
    """`x` (nested tuples, lists, dicts) with f applied to each tensor in it."""
    if isinstance(x, Tensor):
        return f(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(_map_tensors(v, f) for v in x))
    if isinstance(x, list | tuple):
        return type(x)(_map_tensors(v, f) for v in x)
    if isinstance(x, dict):
        return {k: _map_tensors(v, f) for k, v in x.items()}
    return x

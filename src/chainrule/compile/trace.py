"""Tracing: the user's program run once on symbols, its primitives written down.

What the program meets decides what becomes what: tensors given as arguments are inputs; tensors
that already hold data are state, read at every run and written back if the program updates them in
place; Python numbers that change from step to step (learning rate, step count, random counter) are
scalars, read anew from a host function at every run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.base.text import t
from chainrule.compile.graph import Graph, Host, Instruction, Source, Value
from chainrule.compile.guards import Guards
from chainrule.compile.infer import infer
from chainrule.compile.scan import write_scan
from chainrule.compile.symbols import Symbol, refuse_values, users_line
from chainrule.graph import memory
from chainrule.graph.tensor import REUSED, Tensor
from chainrule.ops.arrays import NUMPY
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

    # Kept whole: the compiler knows better ways than the primitives that they are made of.

    def plane_take(self, x: Any, indices: Any, axes: int) -> Any:
        return self._trace.emit("plane_take", (x, indices), {"axes": axes})

    def plane_add(self, g: Any, indices: Any, size: tuple[int, ...]) -> Any:
        return self._trace.emit("plane_add", (g, indices), {"size": tuple(size)})

    def centre(self, x: Any, first: Any, axes: Any) -> Any:
        return self._trace.emit("centre", (x, first), {"axes": axes})

    def diagonal(self, x: Any, offset: int) -> Any:
        # A view in glass mode, so a view here, also where the reshape that it is made of copies.
        out = super().diagonal(x, offset)
        out.meta = NUMPY.diagonal(x.meta, offset)
        return out

    def asarray(self, x: Any) -> Any:
        return x if isinstance(x, Symbol) else self._trace.constant(np.asarray(x))

    def host(self, function: str, *x: Any, **params: Any) -> tuple[Symbol, ...]:
        trace = self._trace
        operands = [trace.operand(v) for v in x]
        metas = infer("host", (function, *(v.meta for v in operands)), params)
        bundle = trace.new("v", np.empty((), np.void), "bundle").value
        values = (function, *(v.value for v in operands))
        trace.graph.instructions.append(Instruction("host", values, params, bundle))
        out = tuple(trace.new("v", meta, "result") for meta in metas)
        for k, symbol in enumerate(out):
            trace.graph.instructions.append(Instruction("item", (bundle, k), {}, symbol.value))
        return out

    def scan(
        self, body: Any, carry: Any, xs: Any, constants: Any, *, reverse: bool = False
    ) -> tuple[tuple[Symbol, ...], tuple[Symbol, ...]]:
        return write_scan(self._trace, body, carry, xs, constants, reverse)


class Trace:
    """One trace being taken: what `mode.trace` is meanwhile."""

    refuse_values = staticmethod(refuse_values)

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.guards = Guards()
        self.F = Tracing(self)
        self.used_up: dict[int, Value] = {}  # leaf → its gradient when an optimiser read it
        self.stand_ins: dict[int, Tensor] = {}  # what the program has in place of its arguments
        self.bodies: dict[Any, Graph] = {}  # of scans
        self._current: dict[int, tuple[np.ndarray, Symbol]] = {}  # array → its value by now
        self._first: dict[int, Symbol] = {}  # array → its value at the start
        self._met: dict[int, tuple[Any, ...]] = {}  # tensors with data, as they were
        self._grads: dict[int, tuple[Tensor, Tensor | None]] = {}  # leaf, .grad before
        self._leaf_of: dict[int, Tensor] = {}  # gradient that was there → its leaf
        self._constants: dict[int, Symbol] = {}
        self._aliases: dict[int, list[Tensor]] = {}  # detach() and what it came from
        self._undo: list[Callable[[], Any]] = []
        self._count = 0

    # ---- values -----------------------------------------------------------------------------

    def new(self, prefix: str, meta: np.ndarray, kind: str, weak: bool = False) -> Symbol:
        self._count += 1
        value = Value(f"{prefix}{self._count}", meta.shape, meta.dtype, kind, weak)
        return Symbol(self, value, meta)

    def input(self, array: np.ndarray) -> Symbol:
        symbol = self.new("x", np.empty_like(array, subok=False), "input")
        self.graph.inputs.append(symbol.value)
        return symbol

    def constant(self, array: np.ndarray) -> Symbol:
        """Data that the program itself made: the same at every run."""
        known = self._constants.get(id(array))
        if known is None:
            known = self.new("c", np.empty_like(array, subok=False), "constant")
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
            symbol = self.new("s", np.empty_like(data, subok=False), "state")
            self.graph.state[symbol.value] = data
            self._first[id(data)] = symbol
            entry = self._current[id(data)] = (data, symbol)
        if id(tensor) not in self._met:
            self.touch(tensor)
            self._add_source(tensor, self._first[id(data)].value)
        return entry[1]

    def _add_source(self, tensor: Tensor, value: Value) -> None:
        leaf = self._leaf_of.get(id(tensor))
        if leaf is not None:
            self.graph.sources.append(Source(value, leaf, True))
            self.guards.adds_to_gradients()
        else:
            self.graph.sources.append(Source(value, tensor))
            self.guards.tensor(tensor, value)

    def touch(self, tensor: Tensor) -> None:
        """Remember a tensor that holds data: the trace may change what it looks like."""
        if id(tensor) not in self._met:
            extra = tensor._extra
            self._met[id(tensor)] = (
                tensor, tensor._data, tensor._node, tensor._index, tensor._rg, extra,
                0 if extra is None else extra.stamp,
            )  # fmt: skip

    def saw(self, tensor: Tensor) -> bool:
        """Whether the program met this very tensor, or its memory, other than as an argument."""
        if id(tensor) in self._met or id(tensor) in self._grads or self.guards.knows(tensor):
            return True
        root = memory.owner(tensor._data)
        return any(memory.owner(a) is root for a in self.graph.state.values())

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        """`other` is `tensor` without its history: a write to one is a write to both."""
        data = tensor._data
        if isinstance(data, Symbol):
            group = self._aliases.setdefault(id(tensor), [tensor])
            group.append(other)
            self._aliases[id(other)] = group
        else:
            # The state belongs to the tensor that lasts.
            self.lift(tensor)
            self.touch(other)

    def assign(self, tensor: Tensor, value: Tensor) -> None:
        """An in-place write: the tensor's value is another from now on."""
        symbol = self.lift(value)
        data = tensor._data
        if isinstance(data, Symbol):
            self._check_open(data)
            for one in self._aliases.get(id(tensor), (tensor,)):
                one._data = symbol
            return
        self.lift(tensor)
        self._current[id(data)] = (data, symbol)

    def host(
        self,
        function: Callable[[], tuple[Any, ...]],
        names: tuple[str, ...],
        dtype: Any,
        save: Callable[[], Callable[[], Any] | None],
    ) -> tuple[Symbol, ...]:
        """Scalars that `function` returns, called once at every run (and not while tracing);
        `save`, called before it, returns what puts back all that `function` changes, or None."""
        symbols = tuple(self.new(f"{n}_", np.empty((), dtype), "scalar", True) for n in names)
        self.graph.hosts.append(Host(function, tuple(s.value for s in symbols), save))
        return symbols

    def check(self, tensor: Tensor, check: Callable[[np.ndarray], Any]) -> None:
        """`check` raises for data that the program must not be run with. It sees what the caller
        gives, before each run; what the program itself works out cannot be seen."""
        self.graph.checks.append((self.lift(tensor).value, check))

    # ---- what the program tells -------------------------------------------------------------

    def read_grad(self, leaf: Tensor) -> None:
        """The program is about to look at `.grad`: what it does depends on what is there."""
        if id(leaf) in self._grads or isinstance(leaf._data, Symbol):
            return
        self.guards.gradient(leaf)
        if leaf._grad is not None and leaf._grad is not REUSED:
            self._leaf_of[id(leaf._grad)] = leaf

    def note_grad(self, leaf: Tensor) -> None:
        """The program is about to change `.grad` of a leaf: remember what it was."""
        if id(leaf) not in self._grads:
            self._grads[id(leaf)] = (leaf, leaf._grad)

    def stepped(self, leaf: Tensor) -> None:
        """An optimiser has used the gradient of this leaf."""
        if leaf._grad is not None:
            self.used_up[id(leaf)] = self.lift(leaf._grad).value

    def ran(self, module: Any) -> None:
        """A module is about to run: the program depends on its attributes."""
        self.guards.owner(module)

    def guard(self, check: Callable[[], bool], text: str) -> None:
        """The program holds as long as `check()` is true; `text` names what changed otherwise."""
        self.guards.check(check, text)

    def undo(self, function: Callable[..., Any], *args: Any) -> None:
        """To be called if this trace fails."""
        self._undo.append(lambda: function(*args))

    # ---- instructions -----------------------------------------------------------------------

    def emit(self, primitive: str, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Symbol:
        # One loop and few calls: a step has hundreds of instructions, and most of a trace is here.
        metas: list[Any] = []
        values: list[Any] = []
        weak, symbols = True, False
        for x in operands:
            if x.__class__ is not Symbol:
                x = self.operand(x)
            elif x.trace is not self:
                self._check_open(x)
            if x.__class__ is Symbol:
                value = x.value
                symbols = True
                weak = weak and value.weak
                metas.append(_meta(x) if value.weak else x.meta)
                values.append(value)
            else:
                weak = weak and isinstance(x, int | float)
                metas.append(_meta(x))
                values.append(_value(x))
        meta = infer(primitive, tuple(metas), attributes)
        out = self.new("v", meta, "result", weak and symbols)
        self.graph.instructions.append(Instruction(primitive, tuple(values), attributes, out.value))
        return out

    def operand(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            self._check_open(x)
            return x
        if isinstance(x, np.ndarray | np.generic):
            return self.constant(np.asarray(x))
        if isinstance(x, list):
            return [self.operand(v) for v in x]
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
        """Writes down the updates and gradients. Raises TraceError where memory is shared."""
        graph = self.graph
        for leaf, before in self._grads.values():
            after = leaf._grad
            if after is before and self.guards.knows(leaf):
                continue
            if isinstance(leaf._data, Symbol):  # a stand-in: the caller sees to it
                continue
            graph.gradients.append((leaf, None if after is None else self.lift(after).value))
        # Nobody can see what becomes of a gradient that its leaf has let go.
        gone = {
            s.value for s in graph.sources
            if s.gradient and self._leaf_of.get(id(s.tensor._grad)) is not s.tensor
        }  # fmt: skip
        written = []
        for data, symbol in self._current.values():
            first = self._first[id(data)]
            if symbol is not first and first.value not in gone:
                graph.updates.append((first.value, symbol.value))
                written.append(data)
        owners = Counter(id(memory.owner(a)) for a, _ in self._current.values())
        for data in written:
            if owners[id(memory.owner(data))] > 1:
                raise TraceError(
                    t(
                        "Two tensors that share memory (one is a view of the other, made before "
                        "the trace) are used, and one is updated in place: use one of them only."
                    )
                )

    def restore(self) -> None:
        """Puts back all that the trace changed in tensors that outlive it."""
        for leaf, before in self._grads.values():
            leaf._grad = before
        for tensor, data, node, index, rg, extra, stamp in self._met.values():
            tensor._data, tensor._node, tensor._index, tensor._rg = data, node, index, rg
            tensor._extra = extra
            if extra is not None:
                extra.stamp = stamp

    def abandon(self) -> None:
        """After a failure: what was made for the program goes, too."""
        while self._undo:
            self._undo.pop()()


def _meta(x: Any) -> Any:
    if isinstance(x, Symbol):
        # A weak scalar promotes like the Python number that it will be.
        return (0 if x.dtype.kind == "i" else 0.0) if x.value.weak else x.meta
    return [_meta(v) for v in x] if isinstance(x, list) else x


def _value(x: Any) -> Any:
    if isinstance(x, Symbol):
        return x.value
    return [_value(v) for v in x] if isinstance(x, list) else x

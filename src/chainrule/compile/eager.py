"""Glass mode's kernels: one operation, its gradient, or an optimiser's rule as a native program.

Operations are traced alone, on the shapes at hand, and compiled (or found on disk) when a signature
first comes along. Whether a call has a kernel follows from its signature, not from what ran before,
so that a run that is cut and resumed gives the bits of one that is not. Only an operation that is
met in very many shapes stays on NumPy for further ones.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.base.errors import ChainruleError
from chainrule.compile.backend import native_available
from chainrule.compile.graph import Graph, Value
from chainrule.compile.kernel import Kernel, Unfit
from chainrule.compile.runtime.pool import allows
from chainrule.compile.schedule.analysis import CONTRACTIONS
from chainrule.compile.symbols import Symbol
from chainrule.compile.trace import Trace
from chainrule.graph import memory
from chainrule.graph.modes import mode
from chainrule.graph.node import Spec
from chainrule.ops.arrays import NUMPY, native
from chainrule.ops.arrays.native import NONE, ndarray

#: How many kernels are made of one operation (as many of its gradient): more would never pay.
MOST = 128
#: How many signatures are remembered at least; twice as many at most.
LIMIT = 2048
#: Work (see `_work`) below which a kernel gains nothing.
WORTH = 1 << 15
#: Work for which a thread is worth its while: 10 µs. Handing it over costs 1 µs to a thread that
#: still watches for work, as in a training step, and 20 µs to one that sleeps.
SHARE = 1 << 17
#: What counts for a loop of unknown length.
LOOP = 1 << 23
#: Multiply-adds up to which NumPy's product is no slower; of a convolution, half as many.
SMALL_PRODUCT = 1 << 16

#: Bytes of the largest array for which glibc raises what it keeps (32 MiB with its own header).
KEPT = (32 << 20) - (64 << 10)

# How long NumPy takes for an element, in passes over memory. Moves are free, being views or copies.
_SERIES = "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh erf"
_WEIGHTS = (
    dict.fromkeys((*_SERIES.split(), "pow", "atan2"), 6)
    | dict.fromkeys(
        ("maximum", "minimum", "where", "sum", "prod", "max", "min", "divide", "sqrt"), 3
    )
    | dict.fromkeys(("windows_sum", "windows_sum_adjoint", "windows_argmax"), 8)
    | dict.fromkeys(("plane_take", "plane_add"), 8)
    | dict.fromkeys(("cumulative_sum", "cumulative_prod", "take_along_axis"), 4)
    | {"argsort": 48}
)
_FREE = {"reshape", "permute_dims", "broadcast_to", "slice", "full", "arange", "item", "astype",
         "concat", "pad", "unslice", "uniform"}  # fmt: skip
# NumPy checks indices; a kernel must not be given any that nobody has looked at. The functions of
# the trusted operations have, or made them.
_INDEXED = {"gather", "scatter_add", "put", "take_along_axis", "put_along_axis_add",
            "plane_take", "plane_add"}  # fmt: skip
_TRUSTED = {"max_pool", "softmax_cross_entropy", "ctc", "gather", "scatter_add", "scatter_reduce",
            "nms_keep"}  # fmt: skip
_CHECKED = {"floor_divide", "remainder"}  # NumPy's forms look for integer zeros
_DTYPES = {np.dtype(name) for name in ("float32", "float64", "int64", "int32", "bool")}
_PLAIN = (bool, int, str, type(None))


class NotNow(Exception):
    """The operation refuses these inputs, perhaps for their values."""


def source() -> Kernels | None:
    """The kernels of this process; None where no native code can be made."""
    if not native_available():
        return None
    # The C library gives memory back to the system wherever more is free than twice the largest
    # array that it ever got from there, and new pages cost more than a kernel that fills them:
    # from here on it keeps what a training step frees.
    np.empty(KEPT, np.uint8)
    return Kernels()


# ---- what is worth a kernel -----------------------------------------------------------------


def _size(x: Any) -> int:
    return prod(x.shape) if isinstance(x, Value) else 0


def _multiply_adds(primitive: str, out: Value, operands: Sequence[Any]) -> int:
    a, b = operands[:2]
    if primitive == "matmul":
        return _size(out) * int(a.shape[-1])
    if primitive == "conv_weight":
        return _size(out) * int(b.shape[0]) * prod(b.shape[2:])
    outputs = out if primitive == "conv" else a
    return _size(outputs) * prod(b.shape[1:])


def _work(graph: Graph) -> int:
    """What NumPy has to do, in passes over elements; a multiply-add counts as an eighth."""
    total = 0
    for i in graph.instructions:
        if i.primitive in CONTRACTIONS:
            total += _multiply_adds(i.primitive, i.out, i.operands) // 8
        elif i.primitive == "scan":
            total += LOOP
        elif i.primitive not in _FREE:
            size = max(_size(i.out), *map(_size, i.operands), 0)
            total += _WEIGHTS.get(i.primitive, 1) * size
    return total


def _check_worth(graph: Graph) -> None:
    """Raises Unfit where NumPy is as fast: small products, and what makes one pass over memory."""
    names = {i.primitive for i in graph.instructions}
    if "scan" in names:
        return
    products = [i for i in graph.instructions if i.primitive in CONTRACTIONS]
    if products:
        convolves = names & CONTRACTIONS != {"matmul"}
        most = max(_multiply_adds(i.primitive, i.out, i.operands) for i in products)
        if most <= (SMALL_PRODUCT >> 1 if convolves else SMALL_PRODUCT):
            raise Unfit
        return
    largest = max(
        (max(_size(i.out), *map(_size, i.operands), 0) for i in graph.instructions), default=0
    )
    if _work(graph) < max(WORTH, 3 * largest):
        raise Unfit


# ---- signatures -----------------------------------------------------------------------------


def _words(values: Iterable[Any]) -> list[Hashable]:
    """Values as part of a signature. Raises Unfit for those that have none."""
    words: list[Hashable] = []
    for x in values:
        kind = x.__class__
        if kind is ndarray:
            words.append((x.shape, x.dtype))
        elif kind in _PLAIN:
            words.append((kind, x))
        elif kind is float:
            words.append(x.hex())
        elif kind is tuple:
            words.append(tuple(_words(x)))
        elif kind is Spec:
            words.append(("spec", x.shape, x.dtype))
        elif isinstance(x, DType | np.dtype):
            words.append(x)
        else:
            raise Unfit
    return words


_making = threading.RLock()  # one kernel is made at a time


def _after_fork() -> None:
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernels:
    """The kernels of this process, by signature; None for signatures that have none."""

    def __init__(self) -> None:
        # Those met since there were LIMIT of them, and those before: what is met again comes back.
        self._known: dict[Hashable, Kernel | None] = {}
        self._older: dict[Hashable, Kernel | None] = {}
        self._made: Counter[Hashable] = Counter()

    def forward(self, op: Any, inputs: Any, params: dict[str, Any]) -> Any:
        if op.view:
            return NONE
        try:
            words = _words(inputs)
            if params:
                words += _words(params.values())
        except Unfit:
            return NONE
        key = (op, *words)
        kernel = self._known.get(key, NONE)
        if kernel is NONE or not (kernel is None or kernel.alone or fits(kernel)):
            try:
                kernel = self._kernel(key, op, lambda: _forward(op, inputs, params))
            except NotNow:
                return NONE  # NumPy's form raises what there is to raise
        if kernel is None:
            return NONE
        return kernel([x for x in inputs if x.__class__ is ndarray])

    def backward(self, op: Any, node: Any, grads: Any, saved: Any) -> Any:
        several = node.outputs is not None
        every = (*grads, *saved) if several else (grads, *saved)
        params = node.params
        try:
            words = _words(every)
            if params:
                words += _words(params.values())
        except Unfit:
            return NONE
        key = (op, *[edge is not None for edge in node.edges], *words)
        kernel = self._known.get(key, NONE)
        if kernel is NONE or not (kernel is None or kernel.alone or fits(kernel)):
            kernel = self._kernel(key, (op, None), lambda: _backward(op, node, grads, saved))
        if kernel is None:
            return NONE
        return kernel([x for x in every if x.__class__ is ndarray])

    def update(
        self, rule: Any, flags: dict[str, Any], numbers: dict[str, float], members: Any
    ) -> Any:
        try:
            key: list[Hashable] = [rule, *_words(flags.values()), *members[0][2]]
        except Unfit:
            return NONE
        arrays: list[np.ndarray] = []
        written: list[np.ndarray] = []
        for p, g, state in members:
            shape, dtype = g.shape, g.dtype
            if shape != p.shape or dtype.kind != "f":
                return NONE
            own = (p, *state.values())
            for a in own:
                flags_of = a.flags
                if a.dtype != dtype or not (
                    flags_of.c_contiguous and flags_of.aligned and flags_of.writeable
                ):
                    return NONE
            key.append((shape, dtype))
            arrays.append(g)
            written += own
        entries = list(map(memory.entry_of, written))
        # Arrays that share memory are updated one after the other.
        if len(set(map(id, entries))) != len(entries):
            return NONE
        found = tuple(key)
        kernel = self._known.get(found, NONE)
        if kernel is NONE or not (kernel is None or kernel.alone or fits(kernel)):
            kernel = self._kernel(found, rule, lambda: _update(rule, flags, numbers, members))
        if kernel is None:
            return NONE
        kernel(arrays, written, tuple(numbers.values()))
        memory.written_all(entries)
        return None

    def _kernel(self, key: Hashable, family: Hashable, make: Callable[[], Kernel]) -> Kernel | None:
        """The kernel of a signature, made now if it is new; None: NumPy is better."""
        with _making:
            known = self._known.get(key, NONE)
            if known is NONE:
                known = self._older.pop(key, NONE)
            if known is NONE:
                known = None
                if self._made[family] < MOST:
                    known = _tried(make)
                    self._made[family] += known is not None
            elif known is not None and not (known.alone or fits(known)):
                known = _tried(make)
            if len(self._known) >= LIMIT and key not in self._known:
                self._older, self._known = self._known, {}
            self._known[key] = known
            return known


def fits(kernel: Kernel) -> bool:
    """Whether it was made for the number of threads that holds now."""
    return allows(kernel.available)


def _tried(make: Callable[[], Kernel]) -> Kernel | None:
    try:
        return make()
    except NotNow:
        raise
    except (Unfit, ChainruleError, LookupError, TypeError, ValueError):
        # It needs values, or has a form that the compiler does not know.
        return None
    except Exception:
        # A mistake of the compiler's is none of the program's, unless it is looked for.
        if native.SETTING == "all":
            raise
        return None


def _ask(graph: Graph, outputs: Sequence[Any], several: bool) -> Kernel:
    """The kernel of a traced graph that gives `outputs`."""
    results: list[int | None] = []
    for y in outputs:
        if y is None:
            results.append(None)
        elif not isinstance(y, Symbol):
            raise Unfit
        elif y.value in graph.inputs:
            results.append(~graph.inputs.index(y.value))
        else:
            if y.value not in graph.outputs:
                graph.outputs.append(y.value)
            results.append(graph.outputs.index(y.value))
    if not graph.outputs and not graph.updates:
        raise Unfit
    for i in graph.instructions:
        if i.primitive == "host":
            raise Unfit
        if i.primitive in _CHECKED and i.out.dtype.kind != "f":
            raise Unfit
    if native.SETTING != "all":
        _check_worth(graph)
    return Kernel(graph, results, several, _work(graph) // SHARE)


def _inputs(trace: Trace, values: Sequence[Any]) -> list[Any]:
    arrays = [x for x in values if x.__class__ is ndarray]
    if not all(x.dtype in _DTYPES for x in arrays):
        raise Unfit
    return [trace.input(x) if x.__class__ is ndarray else x for x in values]


def _refuse_indices(graph: Graph, op: Any, inputs: Sequence[Any]) -> None:
    if op.name in _TRUSTED:
        return
    whole = any(isinstance(x, Symbol) and x.dtype.kind not in "fb" for x in inputs)
    if whole and any(i.primitive in _INDEXED for i in graph.instructions):
        raise Unfit


def _forward(op: Any, inputs: Any, params: dict[str, Any]) -> Kernel:
    trace = Trace(op.name)
    symbols = _inputs(trace, inputs)
    # What NumPy's form refuses only when it runs, for these shapes, must be refused for ever.
    try:
        expected = mode.quiet(op.forward, NUMPY, *inputs, **params)
    except Exception as error:
        raise NotNow from error
    y = op.forward(trace.F, *symbols, **params)
    _refuse_indices(trace.graph, op, symbols)
    several = isinstance(y, tuple)
    pairs = zip(y, expected, strict=True) if several else [(y, np.asarray(expected))]
    if any((a.shape, a.dtype) != (b.shape, b.dtype) for a, b in pairs):
        raise Unfit
    return _ask(trace.graph, y if several else (y,), several)


def _backward(op: Any, node: Any, grads: Any, saved: Any) -> Kernel:
    trace = Trace(f"{op.name}_gradient")
    if node.outputs is None:
        g: Any = _inputs(trace, (grads,))[0]
    else:
        g = tuple(_inputs(trace, grads))
    symbols = tuple(_inputs(trace, saved))
    results = op.backward(trace.F, node, g, symbols)
    # What the operation itself gave out needs no second look.
    _refuse_indices(trace.graph, op, symbols[: len(node.edges)])
    return _ask(trace.graph, results, True)


def _update(rule: Any, flags: dict[str, Any], numbers: dict[str, float], members: Any) -> Kernel:
    trace = Trace("update")
    graph = trace.graph
    dtype = members[0][1].dtype
    values = trace.host(lambda: (), tuple(numbers), dtype, lambda: None)
    scalars = dict(zip(numbers, values, strict=True))

    def state(array: np.ndarray) -> Symbol:
        symbol = trace.new("s", np.empty_like(array, subok=False), "state")
        graph.state[symbol.value] = array[:0]
        return symbol

    for p, g, old in members:
        gradient, parameter = trace.input(g), state(p)
        slots = {name: state(a) for name, a in old.items()}
        y, new = rule(trace.F, parameter, gradient, dict(slots), **flags, **scalars)
        graph.updates.append((parameter.value, y.value))
        graph.updates += [(slots[name].value, new[name].value) for name in slots]
    graph.updates = [(old, new) for old, new in graph.updates if old is not new]
    return _ask(graph, (), True)

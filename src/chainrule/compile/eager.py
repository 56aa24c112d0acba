"""Glass mode's kernels: one operation, its gradient, or an optimiser's rule as a native program.

Operations are traced alone, on the shapes at hand, and compiled (or found on disk) when a signature
first comes along. Whether a call has a kernel follows from its signature, not from what ran before,
so that a run that is cut and resumed gives the bits of one that is not. Only an operation that is
met in very many shapes stays on NumPy for further ones.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.base.errors import ChainruleError
from chainrule.compile.backend import native_available
from chainrule.compile.graph import Graph, Value
from chainrule.compile.kernel import Kernel, Unfit
from chainrule.compile.runtime import get_num_threads
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
#: How many signatures are remembered; the least recently used goes first.
LIMIT = 4096
#: Work (see `_work`) below which a kernel gains nothing.
WORTH = 1 << 16
#: Work from which on a kernel runs on all threads: half a millisecond. A shorter one would often
#: wait longer for a thread to wake, on a busy machine, than it could gain.
SHARED = 1 << 23
#: Multiply-adds of a product that NumPy's OpenBLAS does at once, on the calling thread.
SMALL_PRODUCT = 1 << 18

# How long NumPy takes for an element, in passes over memory. Moves are free, being views or copies.
_SERIES = "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh erf"
_WEIGHTS = (
    dict.fromkeys((*_SERIES.split(), "pow", "atan2"), 6)
    | dict.fromkeys(
        ("maximum", "minimum", "where", "sum", "prod", "max", "min", "divide", "sqrt"), 3
    )
    | dict.fromkeys(("windows_sum", "windows_sum_adjoint", "windows_argmax"), 8)
    | dict.fromkeys(("plane_take", "plane_add"), 8)
)
_FREE = {"reshape", "permute_dims", "broadcast_to", "slice", "full", "arange", "item", "astype",
         "concat", "pad", "unslice", "uniform"}  # fmt: skip
# NumPy checks indices; a kernel must not be given any that nobody has looked at. The functions of
# the trusted operations have, or made them.
_INDEXED = {"gather", "scatter_add", "put", "take_along_axis", "put_along_axis_add",
            "plane_take", "plane_add"}  # fmt: skip
_TRUSTED = {"max_pool", "softmax_cross_entropy"}
_CHECKED = {"floor_divide", "remainder"}  # NumPy's forms look for integer zeros
_DTYPES = {np.dtype(name) for name in ("float32", "float64", "int64", "int32", "bool")}
_PLAIN = (bool, int, str, type(None))


class NotNow(Exception):
    """The operation refuses these inputs, perhaps for their values."""


def source() -> Kernels | None:
    """The kernels of this process; None where no native code can be made."""
    return Kernels() if native_available() else None


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
            total += SHARED
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
        if most <= (SMALL_PRODUCT >> 3 if convolves else SMALL_PRODUCT):
            raise Unfit
        return
    largest = max(
        (max(_size(i.out), *map(_size, i.operands), 0) for i in graph.instructions), default=0
    )
    if _work(graph) < max(WORTH, 3 * largest):
        raise Unfit


# ---- signatures -----------------------------------------------------------------------------


def _word(x: Any) -> Hashable:
    """A value as part of a signature. Raises Unfit for what has none."""
    kind = x.__class__
    if kind is ndarray:
        if x.dtype not in _DTYPES:
            raise Unfit
        return x.shape, x.dtype.num
    if kind is float:
        return x.hex()
    if kind in _PLAIN:
        return kind, x
    if kind is tuple:
        return tuple(map(_word, x))
    if kind is Spec:
        return "spec", x.shape, x.dtype
    if isinstance(x, DType | np.dtype):
        return x
    raise Unfit


_making = threading.RLock()  # one kernel is made at a time


def _after_fork() -> None:
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernels:
    """The kernels of this process, by signature; None for signatures that have none."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Kernel | None] = OrderedDict()
        self._made: Counter[Hashable] = Counter()

    def forward(self, op: Any, inputs: Any, params: dict[str, Any]) -> Any:
        if op.view:
            return NONE
        try:
            words = (*map(_word, inputs), *map(_word, params.values()))
        except Unfit:
            return NONE
        key = (op, words)
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
            words = (*map(_word, every), *map(_word, params.values()))
        except Unfit:
            return NONE
        wanted = tuple(edge is not None for edge in node.edges)
        key = (op, words, wanted)
        kernel = self._kernel(key, (op, None), lambda: _backward(op, node, grads, saved))
        if kernel is None:
            return NONE
        return kernel([x for x in every if x.__class__ is ndarray])

    def update(
        self, rule: Any, flags: dict[str, Any], numbers: dict[str, float], members: Any
    ) -> Any:
        try:
            key: list[Hashable] = [rule, *map(_word, flags.values()), *members[0][2]]
        except Unfit:
            return NONE
        arrays: list[np.ndarray] = []
        written: list[np.ndarray] = []
        for p, g, state in members:
            own = (p, *state.values())
            if (
                g.shape != p.shape
                or g.dtype.kind != "f"
                or not all(
                    a.dtype == g.dtype and a.flags.c_contiguous and a.flags.aligned for a in own
                )
            ):
                return NONE
            key.append((p.shape, g.dtype.num))
            arrays.append(g)
            written += own
        # Arrays that share memory are updated one after the other.
        apart = len({id(memory.owner(a)) for a in written}) == len(written)
        if not apart or not all(a.flags.writeable for a in written):
            return NONE
        kernel = self._kernel(tuple(key), rule, lambda: _update(rule, flags, numbers, members))
        if kernel is None:
            return NONE
        kernel(arrays, written, tuple(numbers.values()))
        return None

    def _kernel(self, key: Hashable, family: Hashable, make: Callable[[], Kernel]) -> Kernel | None:
        """The kernel of a signature, made now if it is new; None: NumPy is better."""
        with _making:
            known = self._known.get(key)
            if known is not None and known.shared and known.threads != get_num_threads():
                known = self._known[key] = _tried(make)
            elif key not in self._known:
                if self._made[family] < MOST:
                    known = _tried(make)
                    self._made[family] += known is not None
                self._known[key] = known
                if len(self._known) > LIMIT:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return known


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
    return Kernel(graph, results, several, _work(graph) >= SHARED)


def _inputs(trace: Trace, values: Sequence[Any]) -> list[Any]:
    return [trace.input(x) if x.__class__ is ndarray else x for x in values]


def _refuse_indices(graph: Graph, op: Any, inputs: Sequence[Any]) -> None:
    if op.name in _TRUSTED:
        return
    whole = any(isinstance(x, Symbol) and x.dtype.kind not in "fb" for x in inputs)
    if whole and any(i.primitive in _INDEXED for i in graph.instructions):
        raise Unfit


def _forward(op: Any, inputs: Any, params: dict[str, Any]) -> Kernel:
    # What NumPy's form refuses only when it runs, for these shapes, must be refused for ever.
    try:
        expected = mode.quiet(op.forward, NUMPY, *inputs, **params)
    except Exception as error:
        raise NotNow from error
    trace = Trace(op.name)
    symbols = _inputs(trace, inputs)
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

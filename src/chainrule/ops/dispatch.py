"""From a call to a recorded operation: dtypes, the forward, the node, in-place writes.

`apply` is the whole story. Elementwise operations on plain float tensors take a shorter way to the
same result (calls.py), because there the interpreter's time is what counts.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ChainruleError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import memory
from chainrule.graph.autocast import inside
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode
from chainrule.graph.node import Node, Spec
from chainrule.graph.tensor import Tensor, ready, wrap
from chainrule.ops.arrays import NUMPY, native
from chainrule.ops.op import Op
from chainrule.ops.teaching import teach

mode.__class__.F = NUMPY

_F32, _F64 = np.dtype("float32"), np.dtype("float64")
_NUMBERS = (float, int, bool)  # exactly: a NumPy scalar would take part in promotion
_HALVES = (dtypes.float16, dtypes.bfloat16)
ndarray, run = np.ndarray, native.run


def apply(cls: type[Op], *inputs: Any, **params: Any) -> Any:
    """Runs the operation on tensors (numbers, None) with valid params, recording if asked for."""
    try:
        return _apply(cls, inputs, params)
    except ChainruleError as error:
        teach(error, apply, cls, inputs, params)
        raise


def _apply(cls: type[Op], inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    region = mode.autocast
    lower: tuple[str, ...] = ()
    if region is not None and cls.autocast != "widest" and cls.rounds(params):
        inputs, lower = _autocast(cls, inputs)
    if lower:
        tensors, final = inputs, region.dtype
        params = params | {"bfloat16": True} if "bfloat16" in cls.params else params
    else:
        tensors, final = _unify(cls, inputs, params)
    if final is not None and params.get("dtype") is not None:
        final = None  # the caller chose
    trace = mode.trace
    datas: list[Any] = []
    recorded = False
    for x in tensors:
        if isinstance(x, Tensor):
            datas.append(x._data if trace is None else trace.lift(x))
            recorded = recorded or x._rg
        else:
            datas.append(x)
    recorded = recorded and cls.differentiable and mode.grad
    if cls.always_check:
        cls.check(tuple(datas), params)
    if recorded and cls.vjp is None:
        # No derived formula: the chain rule through the forward, one recorded step at a time.
        if lower:
            tensors = tuple(cast(cast(x, region.dtype), dtypes.float32) for x in tensors)
        with inside(None):
            out = cls.forward(mode.recording, *tensors, **params)
        if not cls.view and isinstance(out, Tensor) and _shared(out._data, datas):
            out = out.clone()
        return _cast_result(out, final)
    if lower:
        names = cls.per_input(cls.inputs, len(datas))
        for i, x in enumerate(tensors):
            if isinstance(x, Tensor) and names[i] in lower:
                datas[i] = region.rounded(x, datas[i])
    try:
        F = mode.F
        y = run(cls, F, datas, params)
    except ChainruleError:
        raise
    except TypeError as error:
        cls.check(tuple(datas), params)
        raise DTypeError(
            t(
                "{name} does not take {dtypes} ({error}).",
                name=cls.name,
                dtypes=", ".join(x.dtype.name for x in tensors if isinstance(x, Tensor)),
                error=error,
            )
        ) from error
    except (ValueError, IndexError) as error:
        cls.check(tuple(datas), params)
        raise ShapeError(
            t(
                "{name}: {error} (inputs of shape {shapes})",
                name=cls.name,
                error=error,
                shapes=", ".join(str(getattr(d, "shape", d)) for d in datas),
            )
        ) from error
    if F is not NUMPY and mode.anomaly is not None:
        mode.anomaly.computed(cls, datas, params, y if cls.outputs else (np.asarray(y),))
    if cls.outputs:
        return _cast_result(_several(cls, tensors, datas, y, params, recorded), final)
    y = _own(cls, y, datas)
    rounded = (
        cls.dtypes == "keep" and not cls.view and cls is not _cast_op and _is_bfloat16(tensors)
    )
    if rounded and y.dtype == np.float32:
        y = mode.F.astype(y, dtypes.bfloat16)
    out = wrap(y)
    if rounded and y.dtype == np.float32:
        out._more().dtype = dtypes.bfloat16
    if recorded and out._data.dtype.kind == "f":
        record(cls, tensors, datas, out, params)
    if cls.view:
        _note_view(cls, tensors[0], out, params)
    return out if final is None else _cast_result(out, final)


def record(cls: type[Op], tensors: Any, datas: Any, out: Tensor, params: dict[str, Any]) -> None:
    """Makes `out` the output of a new node."""
    out._node = _node(cls, tensors, datas, (out._data,), params)
    out._rg = True


def _node(
    cls: type[Op], tensors: Any, datas: Any, outputs: tuple[Any, ...], params: dict[str, Any]
) -> Node:
    edges: list[Any] = []
    saved: list[Any] = []
    indices = None
    keep, readers = cls.keep, cls.readers
    if cls.variadic:
        keep, readers = cls.per_input(keep, len(tensors)), cls.per_input(readers, len(tensors))
    for x, data, kept, by in zip(tensors, datas, keep, readers, strict=True):
        if not isinstance(x, Tensor):
            edges.append(None)
            saved.append(x)
            continue
        node = x._node
        edges.append(None if not x._rg else x if node is None else node)
        if x._index:
            indices = tuple([getattr(z, "_index", 0) for z in tensors])
        if kept and by is not None:
            for i in by:
                z = tensors[i]
                if isinstance(z, Tensor) and z._rg:
                    break
            else:
                kept = False
        saved.append(data if kept else Spec(data.shape, data.dtype))
    if cls.keep_y:
        saved += outputs
    else:
        saved += [Spec(y.shape, y.dtype) for y in outputs]
    node = Node(cls, params, memory.tick(), tuple(edges), indices, tuple(saved))
    if mode.F is not NUMPY:  # else nobody watches
        if mode.watch is not None:
            mode.watch.made(node, datas, outputs)
        if mode.anomaly is not None:
            mode.anomaly.made(node, datas)
    return node


def _several(
    cls: type[Op], tensors: Any, datas: Any, ys: Any, params: dict[str, Any], recorded: bool
) -> tuple[Tensor, ...]:
    outs = tuple(wrap(_own(cls, y, datas)) for y in ys)
    if recorded:
        arrays = tuple(out._data for out in outs)
        node = _node(cls, tensors, datas, arrays, params)
        node.outputs = tuple(Spec(a.shape, a.dtype) for a in arrays)
        for i, out in enumerate(outs):
            if out._data.dtype.kind == "f":
                out._node, out._index, out._rg = node, i, True
    return outs


def _own(cls: type[Op], y: Any, datas: Any) -> Any:
    """The result as an array of its own: 0-d results too, never an input itself."""
    if y.__class__ is not ndarray:
        return y if hasattr(y, "is_symbol") else np.asarray(y)
    return y.copy() if not cls.view and _shared(y, datas) else y


def _shared(y: Any, datas: Any) -> bool:
    """Whether a result lies in the memory of an input (of symbols: will lie)."""
    if mode.trace is not None:
        y, datas = getattr(y, "meta", y), [getattr(d, "meta", d) for d in datas]
    if y.__class__ is not ndarray:
        return False
    # Lists: a generator takes longer than so few comparisons.
    if y.base is None:
        return any([y is d for d in datas])
    root = memory.owner(y)
    return any([d.__class__ is ndarray and memory.owner(d) is root for d in datas])


def _is_bfloat16(tensors: Any) -> bool:
    return any(
        isinstance(x, Tensor) and x._extra is not None and x._extra.dtype is dtypes.bfloat16
        for x in tensors
    )


def _note_view(cls: type[Op], base: Tensor, out: Tensor, params: dict[str, Any]) -> None:
    a = base._data if mode.trace is None else mode.trace.lift(base)
    b = out._data
    extra = base._extra
    if extra is not None and extra.dtype is not None:
        out._more().dtype = extra.dtype
    a, b = getattr(a, "meta", a), getattr(b, "meta", b)
    if memory.owner(a) is memory.owner(b):
        more = out._more()
        more.base, more.view = base, (View(cls), params)
        more.stamp = memory.tick()


class View:
    """How a view is made again from its base."""

    __slots__ = ("op",)

    def __init__(self, op: type[Op]) -> None:
        self.op = op

    def reapply(self, base: Tensor, params: dict[str, Any]) -> Tensor:
        return apply(self.op, base, **params)


# ---- dtypes ---------------------------------------------------------------------------------


def _unify(
    cls: type[Op], inputs: tuple[Any, ...], params: dict[str, Any]
) -> tuple[Any, dtypes.DType | None]:
    """Inputs as tensors of one dtype, and the dtype to give the result if it differs.

    Half precision is a storage format: arithmetic is done in float32 and rounded once.
    """
    first: Any = None
    plain = True
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor):
            if not ready(x):
                plain = False
            if cls.integers and cls.per_input(cls.inputs, len(inputs))[i] in cls.integers:
                continue
            dtype = x._data.dtype
            if first is None:
                first = dtype
            elif dtype is not first:
                plain = False
        elif x is None:
            if cls.per_input(cls.inputs, len(inputs))[i] not in cls.optional:
                refuse_operands(cls, inputs)
        elif x.__class__ not in _NUMBERS:
            return _unify(cls, tuple(map(_operand, inputs)), params)
    if cls.dtypes == "keep" or (plain and (first is _F32 or first is _F64)):
        return inputs, None
    return _promote(cls, inputs, params)


def _autocast(cls: type[Op], inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """The inputs as mixed precision wants them, and the names of those to be rounded: none where
    some input is neither float32 nor shorter, which is left to the rules that always hold.

    The values of a bfloat16 tensor lie in a float32 array: a product takes them from there.
    """
    inputs = tuple(map(_operand, inputs))
    floats = {x.dtype for x in inputs if isinstance(x, Tensor) and x.dtype.is_floating_point}
    if dtypes.float64 in floats:
        return inputs, ()
    if cls.autocast == "float32":
        return tuple(
            cast(x, dtypes.float32) if isinstance(x, Tensor) and x.dtype in _HALVES else x
            for x in inputs
        ), ()
    for name, x in zip(cls.per_input(cls.inputs, len(inputs)), inputs, strict=True):
        if x is None or name in cls.integers:
            continue
        if not (isinstance(x, Tensor) and x.dtype.is_floating_point):
            return inputs, ()
        ready(x)
    assert isinstance(cls.autocast, tuple)
    return tuple(
        cast(x, dtypes.float32) if x is not None and x.dtype is dtypes.float16 else x
        for x in inputs
    ), cls.autocast


def _require_one_dtype(cls: type[Op], inputs: tuple[Any, ...]) -> None:
    names = cls.per_input(cls.inputs, len(inputs))
    given = [
        (name, x.dtype)
        for name, x in zip(names, inputs, strict=True)
        if isinstance(x, Tensor) and name not in cls.integers
    ]
    if len({dtype for _, dtype in given}) > 1:
        raise DTypeError(
            t(
                "{name}: the dtypes differ ({pairs}). NumPy's floats are float64, the default here "
                "is float32: write x.float(), or model.double() to compute in float64.",
                name=cls.name,
                pairs=", ".join(f"{name} {dtype.name}" for name, dtype in given),
            )
        )


def _operand(x: Any) -> Any:
    """NumPy's numbers as Python's, other data as tensors; DTypeError for what cannot be one."""
    if x is None or isinstance(x, Tensor) or x.__class__ in _NUMBERS:
        return x
    if isinstance(x, np.generic) and x.dtype.kind in "biuf":
        return x.item()
    return Tensor(array_of(x))


def is_operand(x: Any) -> bool:
    return isinstance(x, Tensor | Number | np.ndarray | np.generic | list | tuple)


def refuse_operands(cls: type[Op], operands: tuple[Any, ...]) -> None:
    raise DTypeError(
        t(
            "{name} takes tensors and numbers, not {kinds}.",
            name=cls.name,
            kinds=", ".join(type(v).__name__ for v in operands if not is_operand(v)),
        )
    )


def _promote(
    cls: type[Op], inputs: tuple[Any, ...], params: dict[str, Any]
) -> tuple[Any, dtypes.DType | None]:
    operands = [
        (dtypes.as_dtype(type(params[name])), 0) for name in cls.numbers if params[name] is not None
    ]
    names = cls.per_input(cls.inputs, len(inputs))
    taking = [not cls.integers or n not in cls.integers for n in names]
    for x, takes in zip(inputs, taking, strict=True):
        if x is None or not takes:
            continue
        if isinstance(x, Tensor):
            operands.append((x.dtype, 2 if x.ndim else 1))
        else:
            kind = dtypes.bool_ if isinstance(x, bool) else dtypes.as_dtype(type(x))
            operands.append((kind, 0))
    if cls.dtypes == "match":
        _require_one_dtype(cls, inputs)
    result = dtypes.result_type(operands)
    if cls.dtypes == "float" and not result.is_floating_point:
        result = dtypes.get_default_dtype()
    compute = dtypes.float32 if result in _HALVES else result
    out: list[Any] = []
    for x, takes in zip(inputs, taking, strict=True):
        if x is None or not takes:
            out.append(x)
        elif isinstance(x, Tensor):
            out.append(x if x.dtype is compute else cast(x, compute))
        else:
            # A number as a 0-d array of the dtype: NumPy would refuse 300 for uint8.
            with np.errstate(all="ignore"):
                out.append(wrap(mode.F.asarray(np.asarray(x).astype(compute.numpy))))
    return tuple(out), (result if result is not compute else None)


def cast(x: Tensor, dtype: dtypes.DType) -> Tensor:
    """`x` as `dtype`, recorded; itself where it has the dtype already."""
    if x.dtype is dtype:
        return x
    out = apply(_cast_op, x, dtype=dtype)
    if dtype is dtypes.bfloat16:
        out._more().dtype = dtype
    return out


_cast_op: Any = None


def set_cast(cls: type[Op]) -> None:
    """Told by the cast operation, which registers later than this file."""
    global _cast_op
    _cast_op = cls


def _cast_result(out: Any, final: dtypes.DType | None) -> Any:
    if final is None:
        return out
    if isinstance(out, tuple):
        return tuple(_cast_result(o, final) for o in out)
    return cast(out, final) if out.dtype.is_floating_point else out

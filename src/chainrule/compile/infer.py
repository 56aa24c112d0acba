"""The shape and dtype that each primitive gives, as an array whose content is never read."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.base.shapes import broadcast_shapes, normalize_axes
from chainrule.ops.arrays import NUMPY
from chainrule.ops.arrays.conv import conv_output_size
from chainrule.ops.arrays.index import basic, fill
from chainrule.ops.arrays.lapack import host_shapes
from chainrule.ops.primitives import BINARY, UNARY

_TRUTH = {"equal", "less", "less_equal", "isnan"}
_NOT_OF_TRUTH = {"subtract", "negative", "sign"}  # NumPy has them for numbers only
_NUMBERS = (float, int, bool)


def infer(primitive: str, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    """The result of the primitive on arrays that stand for the operands; of a scan, all results."""
    if primitive in UNARY or primitive in BINARY:
        return _map(primitive, operands)
    return _RULES[primitive](*operands, **attributes)


def dtype_of(dtype: Any) -> np.dtype:
    return dtype.numpy if isinstance(dtype, DType) else np.dtype(dtype)


def _shape(x: Any) -> tuple[int, ...]:
    return getattr(x, "shape", ())


def _map(primitive: str, operands: tuple[Any, ...]) -> np.ndarray:
    kinds: list[Any] = []
    for x in operands:
        kind = x.__class__
        if kind is np.ndarray:
            kinds.append((x.shape, x.dtype))
        elif kind in _NUMBERS:
            kinds.append(kind)  # of a Python number only the kind matters
        else:
            return np.empty(*_mapped_anew(primitive, operands))
    return np.empty(*_mapped(primitive, *kinds))


@lru_cache(maxsize=1024)
def _mapped(primitive: str, *kinds: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a map of arrays (shape, dtype) and numbers (class): they repeat."""
    return _mapped_anew(
        primitive, tuple(np.empty(*k) if isinstance(k, tuple) else k() for k in kinds)
    )


def _mapped_anew(
    primitive: str, operands: tuple[Any, ...]
) -> tuple[tuple[int, ...], np.dtype]:  # fmt: skip
    shape = broadcast_shapes(*map(_shape, operands))
    if primitive in _TRUTH:
        return shape, np.dtype(bool)
    kinds = [x.dtype if hasattr(x, "dtype") else x for x in operands]
    dtype = np.result_type(*kinds)
    if dtype.kind == "b" and primitive in _NOT_OF_TRUTH:
        getattr(np, primitive)(*np.zeros(len(operands), bool))  # raises, as it does in glass mode
    if primitive == "divide" and dtype.kind != "f":
        dtype = np.dtype(np.float64)
    return shape, dtype


def _where(condition: Any, x: Any, o: Any) -> np.ndarray:
    out = _map("add", (x, o))
    return np.empty(broadcast_shapes(_shape(condition), out.shape), out.dtype)


def _reduced(x: Any, axis: Any, keepdims: bool) -> tuple[int, ...]:
    axes = normalize_axes(axis, x.ndim)
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.empty(_reduced(x, axis, keepdims), x.dtype if x.dtype.kind == "f" else np.int64)


def _max(x: Any, axis: Any = None, keepdims: bool = False) -> np.ndarray:
    return np.empty(_reduced(x, axis, keepdims), x.dtype)


def _argmax(x: Any, axis: int) -> np.ndarray:
    return np.empty(_reduced(x, axis, False), np.int64)


def _running(x: Any, axis: int) -> np.ndarray:
    return np.empty(x.shape, x.dtype if x.dtype.kind == "f" else np.int64)


def _astype(x: Any, dtype: Any) -> np.ndarray:
    return np.empty(x.shape, dtype_of(dtype))


def _pad(x: Any, width: Any, value: Any = 0) -> np.ndarray:
    shape = tuple(n + lo + hi for n, (lo, hi) in zip(x.shape, width, strict=True))
    return np.empty(shape, x.dtype)


def _concat(xs: Any, axis: int) -> np.ndarray:
    shape = list(xs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return np.empty(shape, np.result_type(*(x.dtype for x in xs)))


def _gather(x: Any, key: Any, *indices: Any) -> np.ndarray:
    # Indexing an array of no memory with indices of no memory gives the shape by NumPy's own rule.
    hollow = np.broadcast_to(np.zeros((), x.dtype), x.shape)
    zeros = tuple(np.broadcast_to(np.zeros((), np.int64), i.shape) for i in indices)
    return np.empty(hollow[fill(key, zeros)].shape, x.dtype)


def _scatter_add(x: Any, shape: Any, key: Any, *indices: Any) -> np.ndarray:
    return np.empty(shape, x.dtype)


def _put_along(x: Any, indices: Any, axis: int, size: int) -> np.ndarray:
    shape = list(indices.shape)
    shape[axis] = size
    return np.empty(shape, x.dtype)


def _take_along(x: Any, indices: Any, axis: int) -> np.ndarray:
    axis %= x.ndim
    sizes = [n if i != axis else 1 for i, n in enumerate(x.shape)]
    shape = list(broadcast_shapes(tuple(sizes), indices.shape))
    shape[axis] = indices.shape[axis]
    return np.empty(shape, x.dtype)


def _plane_take(x: Any, indices: Any, axes: int) -> np.ndarray:
    return np.empty(indices.shape, x.dtype)


def _plane_add(g: Any, indices: Any, size: Any) -> np.ndarray:
    return np.empty((*g.shape[: len(g.shape) - len(size)], *size), g.dtype)


def _plane_route(g: Any, indices: Any, *, size: Any, **_: Any) -> np.ndarray:
    return _plane_add(g, indices, size)


def _matmul(x: Any, o: Any) -> np.ndarray:
    batch = broadcast_shapes(x.shape[:-2], o.shape[:-2])
    rows = x.shape[-2:-1] if x.ndim > 1 else ()
    columns = o.shape[-1:] if o.ndim > 1 else ()
    if x.shape[-1] != o.shape[-2 if o.ndim > 1 else -1]:
        raise ValueError(f"matmul: {x.shape} @ {o.shape}")
    return np.empty(batch + rows + columns, np.result_type(x.dtype, o.dtype))


def _conv(x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> np.ndarray:
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(f"conv: input {x.shape}, weight {w.shape}, groups {groups}")
    size = conv_output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return np.empty((x.shape[0], w.shape[0], *size), np.result_type(x.dtype, w.dtype))


def _conv_input(g: Any, w: Any, *, size: Any, groups: int, **_: Any) -> np.ndarray:
    return np.empty((g.shape[0], w.shape[1] * groups, *size), np.result_type(g.dtype, w.dtype))


def _conv_weight(x: Any, g: Any, *, kernel: Any, groups: int, **_: Any) -> np.ndarray:
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    return np.empty(shape, np.result_type(x.dtype, g.dtype))


def _windows(dtype: Any) -> Any:
    def rule(x: Any, *, window: Any, stride: Any, padding: Any, dilation: Any) -> np.ndarray:
        n = len(window)
        size = conv_output_size(x.shape[-n:], window, stride, padding, dilation)
        return np.empty(x.shape[:-n] + tuple(size), dtype or x.dtype)

    return rule


def _windows_adjoint(g: Any, *, size: Any, window: Any, **_: Any) -> np.ndarray:
    return np.empty(g.shape[: -len(window)] + tuple(size), g.dtype)


def _unfold(x: Any, *, window: Any, stride: Any, padding: Any, dilation: Any) -> np.ndarray:
    size = conv_output_size(x.shape[2:], window, stride, padding, dilation)
    shape = (x.shape[0], x.shape[1] * int(np.prod(window)), int(np.prod(size)))
    return np.empty(shape, x.dtype)


def _fold(x: Any, *, size: Any, window: Any, **_: Any) -> np.ndarray:
    return np.empty((x.shape[0], x.shape[1] // int(np.prod(window)), *size), x.dtype)


def _scan(*operands: Any, body: Any, carries: int, **_: Any) -> tuple[np.ndarray, ...]:
    steps = len(operands[carries])
    shapes = [v.shape if k < carries else (steps, *v.shape) for k, v in enumerate(body.outputs)]
    return tuple(np.empty(s, v.dtype) for s, v in zip(shapes, body.outputs, strict=True))


_RULES: dict[str, Any] = {
    "where": _where,
    "astype": _astype,
    "sum": _sum,
    "prod": _sum,
    "max": _max,
    "min": _max,
    "argmax": _argmax,
    "argmin": _argmax,
    "cumulative_sum": _running,
    "cumulative_prod": _running,
    "reshape": np.reshape,
    "permute_dims": np.transpose,
    "broadcast_to": NUMPY.broadcast_to,
    "slice": basic,
    "unslice": lambda x, key, shape: np.empty(shape, x.dtype),
    "pad": _pad,
    "concat": _concat,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "put": lambda x, key, o, *indices: np.empty(x.shape, x.dtype),
    "take_along_axis": _take_along,
    "put_along_axis_add": _put_along,
    "argsort": lambda x, axis, descending=False: np.empty(x.shape, np.int64),
    "centre": lambda x, first, axes: np.empty(first.shape, first.dtype),
    "plane_take": _plane_take,
    "plane_add": _plane_add,
    "plane_route": _plane_route,
    "windows_max": _windows(None),
    "windows_place": _windows(np.int32),
    "matmul": _matmul,
    "conv": _conv,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "windows_sum": _windows(None),
    "windows_sum_adjoint": _windows_adjoint,
    "windows_argmax": _windows(np.int64),
    "unfold": _unfold,
    "fold": _fold,
    "scan": _scan,
    "item": lambda results, k: results[k],
    "host": host_shapes,
    "full": lambda shape, value, dtype: np.empty(shape, dtype_of(dtype)),
    "arange": lambda n, dtype: np.empty(n, dtype_of(dtype)),
    "uniform": lambda seed, offset, shape, dtype: np.empty(shape, dtype_of(dtype)),
}

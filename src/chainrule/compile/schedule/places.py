"""Where elements are found: broadcasting, index keys, buffers; and what dtypes values have."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from chainrule.compile.graph import Value
from chainrule.compile.schedule.expression import CHANNELS, ROWS, Buffer
from chainrule.compile.schedule.index import Index, linear
from chainrule.ops.arrays.index import fill

Place = tuple[Index, ...]
T = TypeVar("T")
INT, TRUTH = np.dtype(np.int64), np.dtype(bool)


def channels_last(items: tuple[T, ...]) -> tuple[T, ...]:
    """Sizes, indices or axes in the order of the layout CHANNELS."""
    return (items[0], *items[2:], items[1])


def offset_in(buffer: Buffer, index: Place) -> Index:
    """Where the element stands in the buffer."""
    if buffer.layout == ROWS:
        return linear(index, buffer.shape)
    if buffer.layout == CHANNELS:
        return linear(channels_last(index), channels_last(buffer.shape))
    n, rest = index[0], linear(index[1:], buffer.shape[1:])
    size = math.prod(buffer.shape[1:])
    return ((n // buffer.lanes) * size + rest) * buffer.lanes + n % buffer.lanes


def machine_dtype(value: Value) -> np.dtype:
    """The dtype that a value has in registers and memory; weak scalars are exact numbers."""
    if value.weak:
        return np.dtype(np.float64) if value.dtype.kind == "f" else INT
    return value.dtype


def extreme(dtype: np.dtype, op: str) -> Any:
    """What a maximum (minimum) of nothing would be."""
    top = op.endswith("min")
    if dtype.kind == "f":
        return math.inf if top else -math.inf
    if dtype.kind == "b":
        return top
    info = np.iinfo(dtype)
    return info.max if top else info.min


def shape_of(x: Any) -> tuple[int, ...]:
    return x.shape if isinstance(x, Value) else np.shape(x)


def gathered_shape(shape: tuple[int, ...], key: Any, indices: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of x[key], by NumPy's own rule, without touching memory."""
    hollow = np.broadcast_to(np.zeros((), bool), shape)
    arrays = tuple(np.broadcast_to(np.zeros((), np.int64), shape_of(v)) for v in indices)
    return hollow[fill(key, arrays)].shape


def common_dtype(operands: tuple[Any, ...]) -> np.dtype:
    """The dtype that a map computes in: NumPy's promotion; weak scalars count as numbers."""
    kinds: list[Any] = []
    for x in operands:
        if isinstance(x, Value):
            kinds.append((0 if x.dtype.kind == "i" else 0.0) if x.weak else x.dtype)
        else:
            kinds.append(x)
    if all(isinstance(k, int | float) for k in kinds):
        return np.dtype(np.float64) if any(isinstance(k, float) for k in kinds) else INT
    return np.result_type(*kinds)


def stretched(shape: tuple[int, ...], index: Place) -> Place:
    """The element of an operand of `shape` that broadcasting brings to `index`."""
    extra = len(index) - len(shape)
    zero = Index({})
    return tuple(zero if n == 1 else index[extra + a] for a, n in enumerate(shape))


def axes_of(axis: Any, n: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(n))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(sorted(a % n for a in axes)) if n else ()


def by_axis(key: Any, shape: tuple[int, ...]) -> list[tuple[Any, int | None]]:
    """Each item of an index key with the size of its axis (None for a new axis)."""
    named = sum(1 for k in key if k is not None and k is not Ellipsis)
    rest = len(shape) - named
    out: list[tuple[Any, int | None]] = []
    at = 0
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    for k in key:
        if k is None:
            out.append((None, None))
        elif k is Ellipsis:
            for _ in range(rest):
                out.append((slice(None), shape[at]))
                at += 1
        else:
            out.append((k, shape[at]))
            at += 1
    return out

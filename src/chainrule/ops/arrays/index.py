"""Indexing primitives and their adjoints."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from chainrule.ops.namespace import HOLE


def basic(x: Any, key: tuple[Any, ...]) -> Any:
    """x[key] for integers, slices, None and Ellipsis: always a view, 0-d results included."""
    return x[key if Ellipsis in key else (*key, Ellipsis)]


def basic_adjoint(x: Any, key: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with x at key."""
    out = np.zeros(shape, x.dtype)
    out[key] = x
    return out


def fill(key: tuple[Any, ...], indices: tuple[Any, ...]) -> tuple[Any, ...]:
    """`key` with the arrays put into its holes."""
    arrays = iter(indices)
    return tuple(next(arrays) if k is HOLE else k for k in key)


def gather(x: Any, key: tuple[Any, ...], *indices: Any) -> Any:
    """x[key] with the arrays of `indices` in the holes of `key` (NumPy's advanced indexing)."""
    if key == (HOLE,):
        return np.take(x, indices[0], axis=0)  # three times as fast as x[i]
    return x[fill(key, indices)]


def scatter_add(x: Any, shape: tuple[int, ...], key: tuple[Any, ...], *indices: Any) -> Any:
    """Zeros of `shape` to which x is added at key; places that repeat add up."""
    out = np.zeros(shape, x.dtype)
    if key == (HOLE,) and indices[0].size:
        index, width = _positive(indices[0], shape[0]), prod(shape[1:])
        places = index if width == 1 else index[..., None] * width + np.arange(width)
        x = np.broadcast_to(x, index.shape + tuple(shape[1:]))
        _at(np.add, out, places, x)
    else:
        np.add.at(out, fill(key, indices), x)
    return out


def _at(ufunc: Any, out: Any, places: Any, x: Any) -> None:
    """`ufunc.at` on the flat places of out, in order: NumPy's fast case, in which it needs a
    nanosecond for an element instead of twenty."""
    ufunc.at(out.reshape(-1), places.reshape(-1), x.reshape(-1))


def _positive(index: Any, n: int) -> Any:
    """Valid indices into an axis of n, counted from the front. Errors: IndexError beyond n."""
    low, high = index.min(), index.max()
    if low < -n or high >= n:
        bad = int(low if low < -n else high)
        raise IndexError(f"index {bad} is out of bounds for an axis with size {n}")
    return index if low >= 0 else np.where(index < 0, index + n, index)


def put(x: Any, key: tuple[Any, ...], o: Any, *indices: Any) -> Any:
    """A copy of x with o written at key; of several writes to one place the last counts."""
    out = np.array(x)
    out[fill(key, indices)] = o
    return out


def put_along_axis_add(x: Any, indices: Any, axis: int, size: int) -> Any:
    """Zeros, `size` long on `axis`, to which x is added at indices: adjoint of take_along_axis."""
    return _along(np.add, 0, x, indices, axis, size)


def _along(ufunc: Any, start: Any, x: Any, indices: Any, axis: int, size: int) -> Any:
    """`start`, `size` long on `axis`, combined with x at indices, in the order of x."""
    shape = list(indices.shape)
    shape[axis] = size
    out = np.full(shape, start, x.dtype)
    if indices.size:
        axis %= indices.ndim
        inner = prod(shape[axis + 1 :])
        # Where each line of out begins; the index counts the steps along it.
        places = _positive(indices, size) * inner
        if inner > 1:
            places += np.arange(inner).reshape(shape[axis + 1 :])
        outer = prod(shape[:axis])
        if outer > 1:
            starts = np.arange(outer) * (size * inner)
            places += starts.reshape(*shape[:axis], *(1,) * (indices.ndim - axis))
        _at(ufunc, out, places, np.broadcast_to(x, indices.shape))
    return out


def diagonal(x: Any, offset: int) -> Any:
    """The entries [i, i + offset] of each matrix (the last two axes): a view, as writable as x."""
    out = x.diagonal(offset, -2, -1)
    out.flags.writeable = x.flags.writeable
    return out


def argsort(x: Any, axis: int, descending: bool = False) -> Any:
    """Indices that sort along `axis`, stable either way; NaN counts as the largest."""
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    # Sorting the reversed line and reversing the result keeps equal entries in their order.
    back = np.flip(np.argsort(np.flip(x, axis), axis=axis, stable=True), axis)
    return x.shape[axis] - 1 - back


def leading(x: Any, k: int, axis: int, largest: bool) -> Any:
    """Indices of the k largest (smallest) along `axis`, best first, of equals the first: what a
    stable sort puts in front, without sorting the rest. NaN counts as the largest."""
    n = x.shape[axis]
    if not 0 < k < n // 4 or (x.dtype.kind == "f" and np.isnan(x.min())):
        return argsort(x, axis, largest)[(slice(None),) * axis + (slice(0, k),)]
    lines = np.ascontiguousarray(np.moveaxis(x, axis, -1)).reshape(-1, n)
    few = k <= _ROUNDS and x.dtype.kind in "iuf"
    found = _winners(lines, k, largest) if few else None
    if found is None:
        found = _beyond(lines, k, largest)
        order = argsort(np.take_along_axis(lines, found, 1), 1, largest)
        found = np.take_along_axis(found, order, 1)
    return np.moveaxis(found.reshape(*np.delete(x.shape, axis), k), -1, axis)


# So few winners are found faster one after the other than by a partition.
_ROUNDS = 8


def _winners(lines: Any, k: int, largest: bool) -> Any:
    """The k best of each line, best first; None where some element is as bad as can be, and could
    not be told from one that has had its turn."""
    limits = np.finfo(lines.dtype) if lines.dtype.kind == "f" else np.iinfo(lines.dtype)
    worst = limits.min if largest else limits.max
    if not (lines.min() > worst if largest else lines.max() < worst):
        return None
    rest, rows = lines.copy(), np.arange(len(lines))
    found = np.empty((len(lines), k), np.int64)
    for i in range(k):
        best = rest.argmax(1) if largest else rest.argmin(1)
        rest[rows, best] = worst
        found[:, i] = best
    return found


def _beyond(lines: Any, k: int, largest: bool) -> Any:
    """The k best of each line, from left to right."""
    n = lines.shape[1]
    edge = np.partition(lines, n - k if largest else k - 1)[:, n - k if largest else k - 1, None]
    chosen = lines >= edge if largest else lines <= edge
    if np.count_nonzero(chosen) > k * len(lines):
        # All that are better, and as many equals, from the left, as places remain.
        level = lines == edge
        better = chosen ^ level
        room = k - np.count_nonzero(better, axis=1, keepdims=True)
        chosen = better | (level & (np.cumsum(level, 1) <= room))
    return np.flatnonzero(chosen).reshape(-1, k) - np.arange(len(lines))[:, None] * n


def standing(x: Any, k: int, axis: int) -> Any:
    """Indices, with size 1 along `axis`, of what a stable sort puts at place k, without sorting."""
    if x.dtype.kind == "f" and np.isnan(x).any():
        return argsort(x, axis)[(slice(None),) * axis + (slice(k, k + 1),)]
    lines = np.moveaxis(x, axis, -1)
    edge = np.partition(lines, k)[..., k : k + 1]
    before = np.count_nonzero(lines < edge, axis=-1, keepdims=True)
    found = np.argmax(np.cumsum(lines == edge, -1) > k - before, -1)
    return np.expand_dims(found, axis)

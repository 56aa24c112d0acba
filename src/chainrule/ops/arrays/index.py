"""Indexing primitives and their adjoints."""

from __future__ import annotations

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
    if key == (HOLE,) and _rows(x, shape, indices[0]):
        _add_rows(out.reshape(shape[0], -1), x, indices[0].reshape(-1))
    else:
        np.add.at(out, fill(key, indices), x)
    return out


def _rows(x: Any, shape: tuple[int, ...], index: Any) -> bool:
    """Whether these are valid indices of so many rows, so wide, that sorting them first pays."""
    n = shape[0]
    return (
        index.size >= 64
        and x.size >= 8 * index.size
        and x.shape == index.shape + tuple(shape[1:])
        and -n <= index.min()
        and index.max() < n
    )


def _add_rows(out: Any, x: Any, index: Any) -> None:
    """Adds row i of x to row index[i] of out: equal indices side by side, then each group's sum;
    up to six times as fast as np.add.at."""
    index = np.where(index < 0, index + len(out), index)
    order = np.argsort(index, stable=True)
    index = index[order]
    starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
    out[index[starts]] = np.add.reduceat(x.reshape(len(index), -1)[order], starts, 0)


def put(x: Any, key: tuple[Any, ...], o: Any, *indices: Any) -> Any:
    """A copy of x with o written at key; of several writes to one place the last counts."""
    out = np.array(x)
    out[fill(key, indices)] = o
    return out


def put_along_axis_add(x: Any, indices: Any, axis: int, size: int) -> Any:
    """Zeros, `size` long on `axis`, to which x is added at indices: adjoint of take_along_axis."""
    shape = list(indices.shape)
    shape[axis] = size
    out = np.zeros(shape, x.dtype)
    grid = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    np.add.at(out, tuple(grid), np.broadcast_to(x, indices.shape))
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
    lines = np.moveaxis(x, axis, -1)
    if not 0 < k < n // 4 or (x.dtype.kind == "f" and np.isnan(x).any()):
        return argsort(x, axis, largest)[(slice(None),) * axis + (slice(0, k),)]
    lines = np.ascontiguousarray(lines).reshape(-1, n)
    edge = np.partition(lines, n - k if largest else k - 1)[:, n - k if largest else k - 1, None]
    chosen = lines > edge if largest else lines < edge
    level = lines == edge
    # All that are better, and as many equals, from the left, as places remain.
    room = k - chosen.sum(1, keepdims=True)
    if (level.sum(1, keepdims=True) > room).any():
        level &= np.cumsum(level, 1) <= room
    chosen |= level
    found = np.nonzero(chosen)[1].reshape(-1, k)
    order = argsort(np.take_along_axis(lines, found, 1), 1, largest)
    found = np.take_along_axis(found, order, 1).reshape(*np.delete(x.shape, axis), k)
    return np.moveaxis(found, -1, axis)


def standing(x: Any, k: int, axis: int) -> Any:
    """Indices, with size 1 along `axis`, of what a stable sort puts at place k, without sorting."""
    if x.dtype.kind == "f" and np.isnan(x).any():
        return argsort(x, axis)[(slice(None),) * axis + (slice(k, k + 1),)]
    lines = np.moveaxis(x, axis, -1)
    edge = np.partition(lines, k)[..., k : k + 1]
    before = np.count_nonzero(lines < edge, axis=-1, keepdims=True)
    found = np.argmax(np.cumsum(lines == edge, -1) > k - before, -1)
    return np.expand_dims(found, axis)

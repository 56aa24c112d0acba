"""Entries picked by flat position, by mask or through windows; positions turned into indices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.base.shapes import as_shape, broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import nonzero, where
from chainrule.ops.indexing import index_put
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import function, method
from chainrule.ops.scattering import in_place, indices_of, same_dtype


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return apply(REGISTRY[name], *inputs, **params)


# ---- flat positions -------------------------------------------------------------------------


@function("take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """The entries at positions of the flattened tensor, in the shape of `index`."""
    index = indices_of(index, input.numel(), "take", True)
    return _run("index", input.reshape(-1), index, key=(HOLE,))


@function("put")
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """input with source written (or added) at positions of the flattened tensor."""
    index = indices_of(index, input.numel(), "put", True)
    same_dtype("put", input, source)
    if index.numel() != source.numel():
        raise ShapeError(
            t(
                "put: {n} positions, but source has shape {source}.",
                n=index.numel(),
                source=source.shape,
            )
        )
    flat, values = input.reshape(-1), source.reshape(-1)
    params = {"key": (HOLE,), "accumulate": bool(accumulate)}
    return _run("index_put", flat, values, index.reshape(-1), **params).reshape(input.shape)


@function()
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat positions as indices into a tensor of `shape`, one tensor for each axis."""
    size = as_shape((shape,) if isinstance(shape, int) else (tuple(shape),))
    flat = indices_of(indices, math.prod(size), "unravel_index")
    out = []
    for n in reversed(size):
        out.append(flat % n)
        flat = flat // n
    return tuple(reversed(out))


@function("argwhere")
def argwhere(input: Tensor) -> Tensor:
    """The indices of the non-zero entries, one row each: (n, ndim)."""
    return nonzero(input)


# ---- masks ----------------------------------------------------------------------------------


@function("masked_scatter")
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """input with the entries of `source`, in order, where mask is true."""
    same_dtype("masked_scatter", input, source)
    if mask.dtype is not dtypes.bool_:
        raise ArgumentError(t("masked_scatter: the mask must be bool, not {d}.", d=mask.dtype.name))
    shape = broadcast_shapes(input.shape, mask.shape)
    input, mask = input.expand(shape), mask.expand(shape)
    needed = mask._data
    if isinstance(needed, np.ndarray) and int(needed.sum()) > source.numel():
        raise ShapeError(
            t(
                "masked_scatter: the mask has {n} true entries, source only {m}.",
                n=int(needed.sum()),
                m=source.numel(),
            )
        )
    if not source.numel():
        return input.clone()
    place = (mask.reshape(-1).cumsum(0) - 1).clamp(0, source.numel() - 1).reshape(shape)
    return where(mask, take(source, place), input)


@function()
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Integers as rows with a single 1: (…) → (…, num_classes); −1: as many as there are classes
    in the data, which a compiled program cannot know.

    >>> cr.nn.functional.one_hot(cr.tensor([0, 2]), 3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input.dtype.is_floating_point or input.dtype is dtypes.bool_:
        raise ArgumentError(t("one_hot takes integers, not {d}.", d=input.dtype.name))
    if num_classes == -1:
        values = np.asarray(input._values())
        if not values.size:
            raise ArgumentError(t("one_hot of nothing: give num_classes."))
        num_classes = int(values.max()) + 1
    if num_classes < 1:
        raise ArgumentError(t("one_hot: num_classes must be ≥ 1, got {n}.", n=num_classes))
    index = indices_of(input, num_classes, "one_hot")
    return cast(index.unsqueeze(-1) == Tensor(np.arange(num_classes)), dtypes.int64)


# ---- windows --------------------------------------------------------------------------------


@method("unfold")
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of `size` entries, `step` apart, along one axis; the window is a new last axis.
    A copy: windows may overlap."""
    axis = normalize_axis(dimension, self.ndim)
    n = self.shape[axis] if self.ndim else 1
    if not 0 <= size <= n or step < 1:
        raise ArgumentError(
            t(
                "unfold: windows of {size} entries, {step} apart, along an axis of {n}.",
                size=size,
                step=step,
                n=n,
            )
        )
    if not self.ndim:
        return self.reshape(1)[:size]
    index = np.arange(0, n - size + 1, step)[:, None] + np.arange(size)
    out = _run("index", self, Tensor(index), key=(slice(None),) * axis + (HOLE,))
    return out.movedim(axis + 1, -1)


@function("as_strided")
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """The elements of a contiguous tensor at offset + Σ index·stride: a copy that cannot be written
    to, for places may serve twice. Errors: IndexRangeError beyond the last element."""
    size, stride = as_shape((tuple(size),)), tuple(stride)
    if len(size) != len(stride) or min(stride, default=0) < 0:
        raise ArgumentError(
            t("as_strided: size {size} and stride {stride} must be as many, strides ≥ 0.",
              size=size, stride=stride)
        )  # fmt: skip
    if not input.is_contiguous():
        raise ArgumentError(
            t("as_strided: strides count from the memory of a contiguous tensor; this one has "
              "strides {s}. Write contiguous() first.", s=input.stride())
        )  # fmt: skip
    start = storage_offset or 0
    place = np.full((1,) * len(size), start)
    for axis, (n, s) in enumerate(zip(size, stride, strict=True)):
        place = place + (np.arange(n) * s).reshape((n,) + (1,) * (len(size) - 1 - axis))
    if place.size and int(place.max()) >= input.numel():
        raise IndexRangeError(
            t("as_strided: element {i} of {n}.", i=int(place.max()), n=input.numel())
        )
    out = _run("index", input.reshape(-1), Tensor(place), key=(HOLE,))
    if isinstance(out._data, np.ndarray):
        out._data.flags.writeable = False
    return out


for _f in (put, masked_scatter, index_put):
    in_place(_f)

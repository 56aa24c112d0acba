"""Grids, products of sets, combinations, index triangles, Vandermonde matrices."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.devices import check_device
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.functions import function
from chainrule.ops.op import REGISTRY


def _given(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    one = len(tensors) == 1 and isinstance(tensors[0], tuple | list)
    return tuple(tensors[0]) if one else tensors


@function()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid: each vector spread along its own axis over all others.

    `indexing`: "ij" (also the default), or "xy", where the first two axes change places.

    >>> rows, columns = cr.meshgrid(cr.arange(2), cr.arange(3), indexing="ij")
    >>> columns
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    given = _given(tensors)
    if indexing not in (None, "ij", "xy"):
        raise ArgumentError(
            t("meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}.", indexing=indexing)
        )
    if not given or any(x.ndim > 1 for x in given):
        shapes = [x.shape for x in given]
        raise ShapeError(
            t("meshgrid takes one or more vectors, got the shapes {shapes}.", shapes=shapes)
        )
    swap = indexing == "xy" and len(given) > 1
    places = [1, 0, *range(2, len(given))] if swap else list(range(len(given)))
    sizes = [0] * len(given)
    for place, x in zip(places, given, strict=True):
        sizes[place] = x.numel()
    out = []
    for place, x in zip(places, given, strict=True):
        shape = [1] * len(given)
        shape[place] = x.numel()
        out.append(x.reshape(shape).expand(sizes))
    return tuple(out)


@function()
def cartesian_prod(*tensors: Any) -> Tensor:
    """All choices of one entry from each vector, a row each: (n₁·n₂·…, how many vectors)."""
    given = _given(tensors)
    if len(given) == 1:
        return given[0].clone()
    grid = meshgrid(*given, indexing="ij")
    return REGISTRY["stack"].function([g.reshape(-1) for g in grid], dim=1)


@function()
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of `r` entries of a vector, in order, a row each."""
    if input.ndim != 1 or r < 0:
        raise ShapeError(
            t("combinations takes a vector and r ≥ 0, got shape {x}, r={r}.", x=input.shape, r=r)
        )
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(len(input)), r)), np.int64).reshape(-1, r)
    return input[Tensor(rows)] if r else input[:0].clone()


@function()
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of the entries of a vector, a row each: xᴺ⁻¹ … x¹ x⁰, or `increasing`."""
    if x.ndim != 1:
        raise ShapeError(t("vander takes a vector, got shape {x}.", x=x.shape))
    n = len(x) if N is None else N
    if n < 0:
        raise ArgumentError(t("vander: N must be ≥ 0, got {n}.", n=n))
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    kind = x.dtype if x.dtype is not dtypes.bool_ else dtypes.int64
    # Integer exponents as the dtype: 0⁰ is 1, and the gradient of x⁰ is 0.
    return x.to(kind).reshape(-1, 1) ** Tensor(powers.astype(kind.numpy)).to(kind)


@function()
def block_diag(*tensors: Any) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere; vectors count as rows."""
    blocks = [x.reshape(1, -1) if x.ndim < 2 else x for x in tensors]
    if any(x.ndim > 2 for x in blocks):
        shapes = [x.shape for x in tensors]
        raise ShapeError(t("block_diag takes matrices, got the shapes {shapes}.", shapes=shapes))
    width = sum(x.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        pads = ((0, 0), (left, width - left - x.shape[1]))
        rows.append(REGISTRY["constant_pad"].function(x, pads))
        left += x.shape[1]
    return REGISTRY["cat"].function(rows)


# ---- triangles ------------------------------------------------------------------------------


def _triangle(found: Any, dtype: Any, device: Any) -> Tensor:
    check_device(device)
    return Tensor(np.stack(found).astype(dtypes.as_dtype(dtype).numpy))


@function()
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, device: Any = None
) -> Tensor:
    """Rows and columns of the lower triangle of a matrix, (2, n)."""
    return _triangle(np.tril_indices(row, offset, col), dtype, device)


@function()
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = dtypes.int64, device: Any = None
) -> Tensor:
    """Rows and columns of the upper triangle of a matrix, (2, n)."""
    return _triangle(np.triu_indices(row, offset, col), dtype, device)

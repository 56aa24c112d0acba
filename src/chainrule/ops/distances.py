"""Distances and similarities between vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.functions import function
from chainrule.ops.norms import vector_norm
from chainrule.ops.op import REGISTRY

# Above so many rows PyTorch, too, takes Euclidean distances from a matrix product.
_MANY = 25


@function("dist")
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input − other, over all entries."""
    return vector_norm(input - other, p)


@function()
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1·x2/(|x1|·|x2|) along `dim`, each length at least `eps`; the other axes broadcast.

    >>> cr.nn.functional.cosine_similarity(cr.tensor([[3.0, 4.0]]), cr.tensor([[6.0, 8.0]]))
    tensor([1.])
    """
    n = max(x1.ndim, x2.ndim)
    axis = normalize_axis(dim, n)
    first, second = (x.reshape((1,) * (n - x.ndim) + x.shape) for x in (x1, x2))
    if first.shape[axis : axis + 1] != second.shape[axis : axis + 1]:
        shape = broadcast_shapes(first.shape, second.shape)
        first, second = first.expand(shape), second.expand(shape)
    first = first / vector_norm(first, 2, axis, True).clamp_min(eps)
    second = second / vector_norm(second, 2, axis, True).clamp_min(eps)
    return (first * second).sum(axis)


@function()
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 − x2 + eps over the last axis."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@function()
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-distances of all pairs of rows i < j of a matrix, in a row."""
    if input.ndim != 2:
        raise ShapeError(t("pdist takes a matrix of rows, got shape {x}.", x=input.shape))
    _check_power("pdist", p)
    first, second = (Tensor(i) for i in np.triu_indices(input.shape[0], 1))
    return vector_norm(input[first] - input[second], p, -1)


@function()
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:  # fmt: skip
    """The p-distance of every row of x1 (…, n, d) to every row of x2 (…, m, d): (…, n, m).

    `compute_mode`: Euclidean distances by a matrix product, fast but with fewer digits for points
    close together: with more than 25 rows (the default), always ("use_mm_for_euclid_dist"), or
    never ("donot_use_mm_for_euclid_dist").
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            t("cdist takes rows (…, n, d) and (…, m, d), got shapes {x} and {o}.",
              x=x1.shape, o=x2.shape)
        )  # fmt: skip
    _check_power("cdist", p)
    modes = {
        "use_mm_for_euclid_dist_if_necessary": max(x1.shape[-2], x2.shape[-2]) > _MANY,
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }
    if compute_mode not in modes:
        raise ArgumentError(
            t("cdist: compute_mode must be one of {names}, got {mode!r}.",
              names=", ".join(modes), mode=compute_mode)
        )  # fmt: skip
    if p != 2 or not modes[compute_mode]:
        return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)
    squares = (x1 * x1).sum(-1, keepdim=True) + (x2 * x2).sum(-1).unsqueeze(-2)
    squares = squares - 2 * (x1 @ x2.mT)
    # Rounding may leave less than nothing; at 0 the gradient is 0.
    apart = squares > 0
    where = REGISTRY["where"]
    return apply(where, apart, apply(where, apart, squares, 1.0).sqrt(), 0.0)


def _check_power(name: str, p: Any) -> None:
    if not isinstance(p, int | float) or p < 0:
        raise ArgumentError(t("{name}: p must be a number ≥ 0, got {p!r}.", name=name, p=p))

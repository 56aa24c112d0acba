"""Diagonals: seen, made, and written to; parts of a tensor replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply
from chainrule.ops.indexing import IndexPut
from chainrule.ops.namespace import diagonal_key
from chainrule.ops.op import REGISTRY, Card, Op, op
from chainrule.ops.register import function, method
from chainrule.ops.views import select


def _two_axes(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    a, b = normalize_axis(dim1, ndim), normalize_axis(dim2, ndim)
    if a == b or ndim < 2:
        raise ArgumentError(
            t("{name} needs two different axes, got {a} and {b}.", name=name, a=dim1, b=dim2)
        )
    return a, b


@op
class Diagonal(Op):
    """The entries [i, i + offset] of the planes dim1 × dim2, as a new last axis: a view."""

    params = {"offset": Int(0), "dim1": Int(0), "dim2": Int(1)}
    math = "x[i, i + offset]"
    dtypes = "keep"
    saves = ()
    view = True
    samples = (
        ((4, 4),),
        (((3, 5),), {"offset": 1}),
        (((5, 3),), {"offset": -2}),
        (((2, 4, 3),), {"dim1": -1, "dim2": 0}),
    )
    card = Card(
        en="Only the diagonal: a trace is its sum; the rest gets no gradient.",
        zh="只取对角线：其和就是迹；其余元素没有梯度。",
    )

    def forward(F, x, *, offset, dim1, dim2):
        return F.diagonal(F.permute_dims(x, _planes(len(x.shape), dim1, dim2)), offset)

    def vjp(F, g, y, x, *, offset, dim1, dim2):
        order = _planes(len(x.shape), dim1, dim2)
        shape = tuple(x.shape[i] for i in order)
        key = diagonal_key(*shape[-2:], offset)
        flat = F.unslice(g, key, (*shape[:-2], shape[-2] * shape[-1]))
        back = tuple(order.index(i) for i in range(len(order)))
        return (F.permute_dims(F.reshape(flat, shape), back),)


def _planes(ndim: int, dim1: int, dim2: int) -> tuple[int, ...]:
    """The order of axes that puts dim1 and dim2 last."""
    a, b = _two_axes("diagonal", ndim, dim1, dim2)
    return (*(i for i in range(ndim) if i not in (a, b)), a, b)


@function("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last axis laid on the diagonals of new planes dim1 × dim2, zeros elsewhere."""
    a, b = _two_axes("diag_embed", input.ndim + 1, dim1, dim2)
    if a > b:
        a, b, offset = b, a, -offset
    if not input.ndim:
        raise ShapeError(t("{name} needs at least one axis.", name="diag_embed"))
    n = input.shape[-1] + abs(offset)
    start = max(-offset, 0) * n + max(offset, 0)
    stop = start + max(input.shape[-1] - 1, 0) * (n + 1) + 1
    key = (Ellipsis, slice(start, stop if input.shape[-1] else start, n + 1))
    size = (*input.shape[:-1], n * n)
    flat = apply(REGISTRY["unslice"], input, key=key, size=size)
    return flat.reshape(*input.shape[:-1], n, n).movedim((-2, -1), (a, b))


@function("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix, or a copy of the diagonal of a matrix.

    >>> cr.diag(cr.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    if input.ndim not in (1, 2):
        raise ShapeError(t("diag takes a vector or a matrix, got shape {x}.", x=input.shape))
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    return Diagonal.function(input, diagonal).clone()


@function("diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All entries in a row as the diagonal of a matrix."""
    return diag_embed(input.reshape(-1), offset)


@method("fill_diagonal_")
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """One number at every [i, i, …], in place; `wrap`: in tall matrices again from the top left
    after each column count of rows."""
    if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
        raise ShapeError(
            t("fill_diagonal_ needs a matrix, or equal sizes on all axes, got {x}.", x=self.shape)
        )
    mask = np.zeros(self.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    return self.masked_fill_(Tensor(mask), fill_value)


# ---- a part replaced ------------------------------------------------------------------------


def _same_shape(name: str, part: Tensor, src: Tensor) -> None:
    if src.shape != part.shape:
        raise ShapeError(
            t(
                "{name}: src has shape {src}, the part that it replaces {part}.",
                name=name,
                src=src.shape,
                part=part.shape,
            )
        )


def _replaced(name: str, copy: Tensor, part: Tensor, src: Tensor) -> Tensor:
    _same_shape(name, part, src)
    part.copy_(src)
    return copy


@function("select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of input with src in the place of `select(dim, index)`."""
    copy = input.clone()
    return _replaced("select_scatter", copy, select(copy, dim, index), src)


@function("slice_scatter")
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """A copy of input with src in the place of `start:end:step` along `dim`."""
    if step < 1:
        raise ArgumentError(t("slice_scatter: step must be ≥ 1, got {n}.", n=step))
    copy, axis = input.clone(), normalize_axis(dim, input.ndim)
    part = copy[(slice(None),) * axis + (slice(start, end, step),)]
    return _replaced("slice_scatter", copy, part, src)


@function("diagonal_scatter")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of input with src on the diagonal: see `diagonal`."""
    part = Diagonal.function(input, offset, dim1, dim2)
    _same_shape("diagonal_scatter", part, src)
    a, b = _two_axes("diagonal_scatter", input.ndim, dim1, dim2)
    rows = Tensor(np.arange(part.shape[-1]) + max(-offset, 0))
    key, planes = (HOLE, HOLE), input.movedim((a, b), (0, 1))
    values = src.movedim(-1, 0)
    out = apply(IndexPut, planes, values, rows, rows + offset, key=key, accumulate=False)
    return out.movedim((0, 1), (a, b))

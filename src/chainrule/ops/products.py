"""Products of vectors, matrices and tensors under PyTorch's names, written with matmul."""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import normalize_axes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.functions import bmm, dot, function, mm, mv
from chainrule.ops.inplace import inplace_form
from chainrule.ops.mixed import in_float32, lowered, unrounded
from chainrule.ops.register import FUNCTIONS

# ---- vectors --------------------------------------------------------------------------------


def _vectors(name: str, a: Tensor, b: Tensor) -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            t("{name} takes two vectors, got shapes {x} and {o}.", name=name, x=a.shape, o=b.shape)
        )


@function("outer", "ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an entry of one vector with an entry of another: (n), (m) → (n, m).

    >>> cr.outer(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _vectors("outer", input, vec2)
    return input.reshape(-1, 1) * vec2.reshape(1, -1)


FUNCTIONS["ger"] = outer


@function("vdot")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The dot product of two vectors."""
    _vectors("vdot", input, other)
    return dot(input, other)


@function("inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Dot products over the last axes: (…, n), (…, n) → both rests, one after the other."""
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            t("inner: the last sizes of shapes {x} and {o} must be equal.",
              x=input.shape, o=other.shape)
        )  # fmt: skip
    n = input.shape[-1]
    product = input.reshape(-1, n) @ other.reshape(-1, n).mT
    return product.reshape(*input.shape[:-1], *other.shape[:-1])


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The dot products along one axis, the others broadcast."""
    return lowered((x * y).sum(dim))


@function("cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along an axis of size 3, the first such one unless `dim` is given."""
    if dim is None:
        found = [i for i, n in enumerate(input.shape) if n == 3]
        if not found:
            raise ShapeError(t("cross needs an axis of size 3, got shape {x}.", x=input.shape))
        dim = found[0] - max(input.ndim, other.ndim)
    if any(not x.ndim or x.shape[normalize_axis(dim, x.ndim)] != 3 for x in (input, other)):
        raise ShapeError(
            t("cross: axis {dim} of shapes {x} and {o} must have size 3.",
              dim=dim, x=input.shape, o=other.shape)
        )  # fmt: skip
    return input.roll(-1, dim) * other.roll(-2, dim) - input.roll(-2, dim) * other.roll(-1, dim)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along axis `dim`, of size 3."""
    return cross(input, other, dim)


# ---- products added -------------------------------------------------------------------------


def _added(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta·input + alpha·product; with beta 0 what is in `input` does not matter, even NaN."""
    product = product if alpha == 1 else alpha * product
    if beta == 0:
        return product
    return lowered((input if beta == 1 else beta * input) + product)


@function("addmm")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta·input + alpha·(mat1 @ mat2)."""
    return _added(input, mm(mat1, mat2), beta, alpha)


@function("addmv")
@unrounded
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta·input + alpha·(mat @ vec)."""
    return _added(input, mv(mat, vec), beta, alpha)


@function("addr")
@unrounded
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta·input + alpha·outer(vec1, vec2)."""
    return _added(input, outer(vec1, vec2), beta, alpha)


@function("addbmm")
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta·input + alpha·Σ (batch1 @ batch2) over the batch."""
    return _added(input, bmm(batch1, batch2).sum(0), beta, alpha)


@function("baddbmm")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """beta·input + alpha·(batch1 @ batch2), batch by batch."""
    return _added(input, bmm(batch1, batch2), beta, alpha)


for _function in (addmm, addmv, addr, addbmm, baddbmm):
    setattr(Tensor, f"{_function.__name__}_", inplace_form(_function))

# ---- tensors --------------------------------------------------------------------------------


@function()
def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: None = None) -> Tensor:
    """Sums of products over axes of both: `dims` last of `a` with as many first of `b`, or two
    lists of axes, one for each."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ArgumentError(
                t("tensordot: dims={dims} for shapes {x} and {o}.", dims=dims, x=a.shape, o=b.shape)
            )
        dims = (tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims)))
    first, second = ((d,) if isinstance(d, int) else tuple(d) for d in dims)
    first = normalize_axes(first, a.ndim) if first else ()
    second = normalize_axes(second, b.ndim) if second else ()
    sizes = [a.shape[i] for i in first], [b.shape[i] for i in second]
    if sizes[0] != sizes[1]:
        raise ShapeError(
            t("tensordot: the axes {first} and {second} of shapes {x} and {o} have the sizes {m} "
              "and {n}, which must be equal.", first=first, second=second, x=a.shape, o=b.shape,
              m=sizes[0], n=sizes[1])
        )  # fmt: skip
    rows = [i for i in range(a.ndim) if i not in first]
    columns = [i for i in range(b.ndim) if i not in second]
    n = math.prod(sizes[0])
    left = a.permute(*rows, *first) if a.ndim else a
    right = b.permute(*second, *columns) if b.ndim else b
    shape = [a.shape[i] for i in rows] + [b.shape[i] for i in columns]
    over, under = math.prod(shape[: len(rows)]), math.prod(shape[len(rows) :])
    return (left.reshape(over, n) @ right.reshape(n, under)).reshape(shape)


@function("kron")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Each entry of `input` times the whole of `other`, laid out as blocks."""
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise DTypeError(t("kron takes two tensors, not {a} and {b}.",
                           a=type(input).__name__, b=type(other).__name__))  # fmt: skip
    n = max(input.ndim, other.ndim)
    a = input.reshape((1,) * (n - input.ndim) + input.shape)
    b = other.reshape((1,) * (n - other.ndim) + other.shape)
    wide = a.reshape([s for size in a.shape for s in (size, 1)])
    fine = b.reshape([s for size in b.shape for s in (1, size)])
    return (wide * fine).reshape([i * j for i, j in zip(a.shape, b.shape, strict=True)])


def multi_dot(tensors: Any) -> Tensor:
    """The product of matrices (the first and last may be vectors), in the cheapest order."""
    given = list(tensors)
    if len(given) < 2:
        raise ArgumentError(t("multi_dot needs two matrices or more, got {n}.", n=len(given)))
    row, column = given[0].ndim == 1, given[-1].ndim == 1
    given[0] = given[0].reshape(1, -1) if row else given[0]
    given[-1] = given[-1].reshape(-1, 1) if column else given[-1]
    if any(x.ndim != 2 for x in given):
        shapes = [x.shape for x in given]
        raise ShapeError(t("multi_dot takes matrices, got the shapes {shapes}.", shapes=shapes))
    out = _chain(given)
    return out.reshape([n for n, gone in zip(out.shape, (row, column), strict=True) if not gone])


@function()
def chain_matmul(*matrices: Any) -> Tensor:
    """The product of matrices, in the cheapest order."""
    one = len(matrices) == 1 and isinstance(matrices[0], tuple | list)
    given = list(matrices[0]) if one else list(matrices)
    return given[0].clone() if len(given) == 1 else multi_dot(given)


def _chain(x: list[Tensor]) -> Tensor:
    """The textbook's dynamic programme over where the last product is split."""
    sizes = [x[0].shape[0], *(m.shape[1] for m in x)]
    n = len(x)
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        return x[i] if i == j else product(i, split[i, j]) @ product(split[i, j] + 1, j)

    return product(0, n - 1)


# ---- one matrix -----------------------------------------------------------------------------


@function("trace")
@in_float32
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise ShapeError(t("trace takes a matrix, got shape {x}.", x=input.shape))
    n = min(input.shape)
    return FUNCTIONS["einsum"]("ii->", input[:n, :n])


@function()
@unrounded
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1ᵀ·weightₖ·input2 + biasₖ: (…, n), (…, m), (out, n, m) → (…, out)."""
    fits = weight.ndim == 3 and input1.shape[-1:] + input2.shape[-1:] == weight.shape[1:]
    if not fits or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(
            t("bilinear: inputs of shape {x} and {o} with weight {w}: the weight must be "
              "(out, n, m), the inputs (…, n) and (…, m).",
              x=input1.shape, o=input2.shape, w=weight.shape)
        )  # fmt: skip
    y = FUNCTIONS["einsum"]("...i,kij,...j->...k", input1, weight, input2)
    return y if bias is None else y + bias

"""Norms of vectors and matrices, and what is scaled by them."""

from __future__ import annotations

import math
from typing import Any

from chainrule.base import dtypes
from chainrule.base.constraints import Bool, Dims, Number
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import normalize_axes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.inplace import inplace_form
from chainrule.ops.op import REGISTRY, Card, op
from chainrule.ops.reduction import Reduction


@op
class PowerNorm(Reduction):
    """(Σ|x|ᵖ)^(1/p) over `dim`, for p other than 2 and ±∞; at 0 its gradient is 0. p = 0 counts."""

    math = "sum(abs(x) ^ p) ^ (1 / p)"
    params = {"p": Number(3.0, samples=(3.0, 1.5, -1.0)), "dim": Dims(), "keepdim": Bool(False)}
    saves = ("x", "y")
    dtypes = "float"
    autocast = "float32"
    method = False
    card = Card(
        en="The length of a vector where far components count more (p large) or less (p small).",
        zh="向量的长度：p 大则大分量更重要，p 小则相反。",
    )

    def forward(F, x, *, p, dim, keepdim):
        if p == 0:
            return F.sum(F.astype(F.not_equal(x, 0), x.dtype), dim, keepdim)
        a = F.abs(x)
        total = F.sum(a if p == 1 else F.pow(a, float(p)), dim, keepdim)
        return total if p == 1 else F.pow(total, 1.0 / p)

    def vjp(F, g, y, x, *, p, dim, keepdim):
        if p == 0:
            return (F.zeros_like(x),)
        if not keepdim:
            g, y = F.keep(g, dim, x.shape), F.keep(y, dim, x.shape)
        none = F.bitwise_or(F.equal(x, 0), F.equal(y, 0))
        ratio = F.where(none, F.ones_like(x), F.abs(x) / F.where(F.equal(y, 0), F.ones_like(y), y))
        slope = F.sign(x) if p == 1 else F.sign(x) * F.pow(ratio, p - 1.0)
        return (g * F.where(none, F.zeros_like(x), slope),)


def _axes(dim: Any) -> Any:
    return dim if dim is None else (dim,) if isinstance(dim, int) else tuple(dim) or None


def vector_norm(
    x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The ord-norm over `dim` (None: of all entries); inf: the largest |x|, −inf: the smallest;
    0: how many are not 0. At 0 the gradient is 0."""
    x = x if dtype is None else cast(x, dtypes.as_dtype(dtype))
    axes = _axes(dim)
    if isinstance(ord, str) or not isinstance(ord, int | float):
        raise ArgumentError(t("vector_norm: ord must be a number, got {ord!r}.", ord=ord))
    if ord == 2:
        return apply(REGISTRY["euclidean"], x, dim=axes, keepdim=bool(keepdim))
    if not x.dtype.is_floating_point:
        x = cast(x, dtypes.get_default_dtype())
    if math.isinf(ord):
        which = REGISTRY["amax" if ord > 0 else "amin"]
        return apply(which, x.abs(), dim=axes, keepdim=bool(keepdim))
    norm = REGISTRY["power_norm"]
    return apply(norm, x, **norm.validate({"p": ord, "dim": axes, "keepdim": bool(keepdim)}))


@function("norm")
def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: None = None,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """The p-norm over `dim`; "fro" and 2: Euclidean; inf: the largest |x|; "nuc": the sum of the
    singular values. At 0: gradient 0.

    >>> cr.norm(cr.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if p == "nuc":
        axes = (-2, -1) if dim is None else dim
        return matrix_norm(input, "nuc", axes, keepdim, dtype=dtype)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices: "fro"; "nuc": the sum, 2 (−2): the largest (smallest) of the singular
    values; 1 (−1): the largest (smallest) column sum of |A|; inf (−inf): row sum."""
    A = A if dtype is None else cast(A, dtypes.as_dtype(dtype))
    if A.ndim < 2 or not isinstance(dim, tuple | list) or len(dim) != 2:
        raise ShapeError(
            t("matrix_norm takes matrices (…, m, n) and two axes, got shape {x}, dim {dim}.",
              x=A.shape, dim=dim)
        )  # fmt: skip
    rows, columns = normalize_axes(tuple(dim), A.ndim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in ("nuc", 2, -2):
        values = REGISTRY["singular_values"].function(A.movedim((rows, columns), (-2, -1)))[1]
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        first, last = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = A.abs().sum(first, keepdim=True)
        out = sums.amax(last, keepdim=True) if ord > 0 else sums.amin(last, keepdim=True)
        out = out.squeeze((rows, columns))
    else:
        raise ArgumentError(
            t("matrix_norm: ord must be 'fro', 'nuc', ±1, ±2 or ±inf, got {ord!r}.", ord=ord)
        )
    if keepdim:
        for axis in sorted((rows, columns)):
            out = out.unsqueeze(axis)
    return out


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of vectors (`dim` an axis) or matrices (`dim` two axes); without `ord` the
    Euclidean one of all entries.

    >>> cr.linalg.norm(cr.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    axes = tuple(range(A.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if len(axes) == 2:
        return matrix_norm(A, ord, axes, keepdim, dtype=dtype)
    if len(axes) != 1 or isinstance(ord, str):
        raise ArgumentError(
            t("norm: ord={ord!r} is for one or two axes, got {n}.", ord=ord, n=len(axes))
        )
    return vector_norm(A, ord, axes[0], keepdim, dtype=dtype)


# ---- scaled by a norm -----------------------------------------------------------------------


@function()
def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """input divided by its p-norm over `dim`, or by `eps` where that is larger.

    >>> cr.nn.functional.normalize(cr.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return input / vector_norm(input, p, dim, True).clamp_min(eps)


@function("renorm")
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice along `dim` whose p-norm exceeds `maxnorm` scaled down to it."""
    axis = normalize_axis(dim, input.ndim)
    if p <= 0 or maxnorm < 0 or input.ndim < 2:
        raise ArgumentError(
            t("renorm takes p > 0, maxnorm ≥ 0 and two dimensions or more, got p={p}, "
              "maxnorm={maxnorm} and shape {x}.", p=p, maxnorm=maxnorm, x=input.shape)
        )  # fmt: skip
    others = tuple(i for i in range(input.ndim) if i != axis)
    size = vector_norm(input, p, others, True)
    # The 1e-7 is PyTorch's.
    return input * apply(REGISTRY["where"], size > maxnorm, maxnorm / (size + 1e-7), 1.0)


Tensor.renorm_ = inplace_form(renorm)  # type: ignore[attr-defined]

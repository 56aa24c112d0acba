"""Functions of PyTorch whose arguments do not fit one operation: thin, written with operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import FUNCTIONS, method
from chainrule.ops.register import function as function


class Extreme(NamedTuple):
    """Values and where they stood."""

    values: Tensor
    indices: Tensor


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return apply(REGISTRY[name], *inputs, **params)


# ---- reductions with several call forms -----------------------------------------------------


def _extreme(x: Tensor, dim: Any, keepdim: bool, whole: str, where: str, pair: str) -> Any:
    if dim is None:
        return _run(whole, x, dim=None, keepdim=False)
    if isinstance(dim, Tensor):
        return _run(pair, x, dim)
    indices = _run(where, x, dim=int(dim), keepdim=True)
    if not x.ndim:
        return Extreme(x.clone(), indices)
    axis = normalize_axis(dim, x.ndim)
    values = _run("take_along_dim", x, indices, dim=axis)
    if not keepdim:
        values, indices = values.squeeze(axis), indices.squeeze(axis)
    return Extreme(values, indices)


@function("max")
def max_(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest: of all; along `dim` with indices; or of two tensors, if `dim` is one."""
    return _extreme(input, dim, keepdim, "amax", "argmax", "maximum")


@function("min")
def min_(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest: of all; along `dim` with indices; or of two tensors, if `dim` is one."""
    return _extreme(input, dim, keepdim, "amin", "argmin", "minimum")


@function("sort")
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Extreme:
    """Sorted along `dim`, with the indices; always stable."""
    if not input.ndim:
        return Extreme(input.clone(), Tensor(np.zeros((), np.int64)))
    axis = normalize_axis(dim, input.ndim)
    indices = _run("argsort", input, dim=axis, descending=bool(descending))
    return Extreme(_run("take_along_dim", input, indices, dim=axis), indices)


@function("topk")
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Extreme:
    """The k largest (smallest) along `dim`, best first, with their indices."""
    axis = normalize_axis(dim, input.ndim)
    if not 0 <= k <= input.shape[axis]:
        raise ArgumentError(
            t("topk: k={k} of {n} entries along axis {axis}.", k=k, n=input.shape[axis], axis=axis)
        )
    values, indices = sort(input, axis, descending=largest)
    key = (slice(None),) * axis + (slice(0, k),)
    return Extreme(values[key], indices[key])


@function("var")
def var(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float = 1,
) -> Tensor:  # fmt: skip
    """The variance over `dim`, divided by n − correction (1: unbiased)."""
    return _spread("var", input, dim, unbiased, keepdim, correction)


@function("std")
def std(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float = 1,
) -> Tensor:  # fmt: skip
    """The standard deviation over `dim`; 0 exactly for a constant column."""
    return _spread("std", input, dim, unbiased, keepdim, correction)


def _spread(
    name: str, x: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: float
) -> Tensor:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    cls = REGISTRY[name]
    params = cls.validate({"dim": dim, "correction": correction, "keepdim": keepdim})
    return apply(cls, x, **params)


@function("norm")
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Tensor:
    """The p-norm over `dim`; "fro" and 2: Euclidean; inf: the largest |x|. At 0: gradient 0."""
    size = input.abs()
    if p in (float("inf"), -float("inf")):
        return _run("amax" if p > 0 else "amin", size, dim=_axes(dim), keepdim=keepdim)
    if p == 0:
        return input.ne(0).to(input.dtype).sum(dim, keepdim)
    if p == 1:
        return size.sum(dim, keepdim)
    if p in ("fro", 2):
        return _run("euclidean", input, dim=_axes(dim), keepdim=keepdim)
    return (size**p).sum(dim, keepdim) ** (1.0 / p)


def _axes(dim: Any) -> Any:
    return dim if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)


@function()
def einsum(equation: str, *operands: Any) -> Tensor:
    """Einstein summation: `einsum("ij,jk->ik", a, b)`."""
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    params = REGISTRY["einsum"].validate({"equation": equation})
    return apply(REGISTRY["einsum"], *operands, **params)


# ---- arithmetic with PyTorch's extra arguments ----------------------------------------------


@function("add")
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha·other."""
    return REGISTRY["add"].function(input, other if alpha == 1 else other * alpha)


@function("sub", "subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input − alpha·other."""
    return REGISTRY["subtract"].function(input, other if alpha == 1 else other * alpha)


@function("div", "divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded towards zero ("trunc") or down ("floor") on request."""
    if rounding_mode is None:
        return REGISTRY["divide"].function(input, other)
    if rounding_mode == "floor":
        return REGISTRY["floor_divide"].function(input, other)
    if rounding_mode != "trunc":
        raise ArgumentError(
            t(
                "div: rounding_mode must be None, 'trunc' or 'floor', got {mode!r}.",
                mode=rounding_mode,
            )
        )
    kind = input.dtype if isinstance(input, Tensor) else other.dtype
    return REGISTRY["divide"].function(input, other).trunc().to(kind)


FUNCTIONS.update(subtract=sub, divide=div, true_divide=div)


# ---- matrix products under their rank's name ------------------------------------------------


def _ranked(name: str, a: int, b: int) -> Callable[[Tensor, Tensor], Tensor]:
    def product(input: Tensor, other: Tensor) -> Tensor:
        if input.ndim != a or other.ndim != b:
            raise ShapeError(
                t(
                    "{name} takes tensors of {a} and {b} dimensions, got shapes {x} and {o}.",
                    name=name,
                    a=a,
                    b=b,
                    x=input.shape,
                    o=other.shape,
                )
            )
        return _run("matmul", input, other)

    product.__name__ = name
    product.__doc__ = f"The matrix product of tensors with {a} and {b} dimensions."
    return function(name)(product)


mm, bmm, mv, dot = (
    _ranked("mm", 2, 2),
    _ranked("bmm", 3, 3),
    _ranked("mv", 2, 1),
    _ranked("dot", 1, 1),
)


@function("outer")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an entry of one vector with an entry of another: (n), (m) → (n, m)."""
    return input.reshape(-1, 1) * vec2.reshape(1, -1)


@function("addmm")
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta·input + alpha·(mat1 @ mat2)."""
    return beta * input + alpha * mm(mat1, mat2)


# ---- gather and scatter in PyTorch's argument order -----------------------------------------


def _indices(index: Tensor, size: int, name: str) -> Tensor:
    if not isinstance(index, Tensor):
        index = Tensor(array_of(index))
    if index.dtype.is_floating_point or index.dtype is dtypes.bool_:
        raise DTypeError(
            t("{name}: the index must hold integers, not {d}.", name=name, d=index.dtype.name)
        )
    data = index._data
    if isinstance(data, np.ndarray) and data.size and (data.min() < 0 or data.max() >= size):
        bad = data.min() if data.min() < 0 else data.max()
        raise IndexRangeError(
            t("{name}: index {i} is out of range for size {n}.", name=name, i=int(bad), n=size)
        )
    return cast(index, dtypes.int64)


@function("gather")
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so for any axis."""
    axis = normalize_axis(dim, input.ndim)
    return _run("gather", input, _indices(index, input.shape[axis], "gather"), dim=axis)


@function("scatter_add")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[i][j] added at [index[i][j]][j] for dim 0, and so for any axis."""
    axis = normalize_axis(dim, input.ndim)
    return _run(
        "scatter_add", input, _indices(index, input.shape[axis], "scatter_add"), src, dim=axis
    )


@function("scatter")
def scatter(input: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """input with src[i][j] (or one number) written at [index[i][j]][j] for dim 0, and so on.

    Where indices repeat the last one counts, and the gradient of `src` is not unique.
    """
    axis = normalize_axis(dim, input.ndim)
    index = _indices(index, input.shape[axis], "scatter")
    value = src if isinstance(src, Tensor) else Tensor(array_of(src)).to(input.dtype)
    if isinstance(src, Tensor) and (
        value.ndim != index.ndim or any(i > s for i, s in zip(index.shape, value.shape))
    ):
        raise ShapeError(
            t(
                "scatter: index has shape {index}, which must not exceed src's {src}.",
                index=index.shape,
                src=value.shape,
            )
        )
    if isinstance(src, Tensor):
        value = value[tuple(slice(0, n) for n in index.shape)]
    grid = [Tensor(g) for g in np.ogrid[tuple(slice(n) for n in index.shape)]]
    grid[axis] = index
    return _run("index_put", input, value, *grid, key=(HOLE,) * input.ndim, accumulate=False)


@function("index_select")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Slices of `input` along `dim`, chosen by a vector of indices."""
    axis = normalize_axis(dim, input.ndim)
    return _run("index_select", input, _indices(index, input.shape[axis], "index_select"), dim=axis)


@function("masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """input with `value` where mask is true."""
    number = value.item() if isinstance(value, Tensor) else value
    return _run("masked_fill", input, cast(mask, dtypes.bool_), value=number)


@function("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: Any = None) -> Tensor:
    """One entry a line along `dim` (None: of the flattened tensor)."""
    if not isinstance(indices, Tensor):
        indices = Tensor(array_of(indices))
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    axis = normalize_axis(dim, input.ndim)
    indices = _indices(indices, input.shape[axis], "take_along_dim")
    if indices.ndim == input.ndim:
        # On the other axes both broadcast.
        one = (*input.shape[:axis], 1, *input.shape[axis + 1 :])
        two = (*indices.shape[:axis], 1, *indices.shape[axis + 1 :])
        shape = list(broadcast_shapes(one, two))
        shape[axis] = input.shape[axis]
        input = input if input.shape == tuple(shape) else input.expand(shape)
        shape[axis] = indices.shape[axis]
        indices = indices if indices.shape == tuple(shape) else indices.expand(shape)
    return _run("take_along_dim", input, indices, dim=axis)


# ---- values ----------------------------------------------------------------------------------


@function()
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, else other; with one argument, the indices of the non-zeros."""
    if not isinstance(condition, Tensor):
        condition = Tensor(array_of(condition))
    if input is None:
        return nonzero(condition, as_tuple=True)
    if condition.dtype is not dtypes.bool_:
        condition = cast(condition, dtypes.bool_)
    return _run("where", condition, input, other)


@method("where")
def _where(self: Tensor, condition: Tensor, other: Any) -> Any:
    return where(condition, self, other)


@function("nonzero")
def nonzero(input: Tensor, as_tuple: bool = False) -> Any:
    """The indices of the non-zero entries: (n, ndim), or one vector for each axis."""
    found = np.nonzero(np.asarray(input._values()))
    if as_tuple:
        return tuple(Tensor(f) for f in found)
    return Tensor(np.stack(found, 1) if found else np.zeros((int(bool(input)), 0), np.int64))


@function("masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The entries where mask is true, in a row."""
    shape = broadcast_shapes(input.shape, mask.shape)
    a, m = input.expand(shape), mask.expand(shape)
    return a[m]


@function("allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |input − other| ≤ atol + rtol·|other| everywhere."""
    return bool(np.allclose(input._values(), other._values(), rtol, atol, equal_nan))


@function("equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    return input.shape == other.shape and bool(np.array_equal(input._values(), other._values()))


@function("isclose")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |input − other| ≤ atol + rtol·|other|."""
    return Tensor(np.isclose(input._values(), other._values(), rtol, atol, equal_nan))

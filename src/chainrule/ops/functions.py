"""Functions of PyTorch whose arguments do not fit one operation: thin, written with operations."""

from __future__ import annotations

import string
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.autocast import inside
from chainrule.graph.convert import array_of
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
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
def max_(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest: of all; along `dim` with indices; or of two tensors (`dim` or `other`).

    >>> values, indices = cr.max(cr.tensor([[1.0, 9.0], [7.0, 2.0]]), dim=1)
    >>> values, indices
    (tensor([9., 7.]), tensor([1, 0]))
    """
    return _extreme(input, dim if other is None else other, keepdim, "amax", "argmax", "maximum")


@function("min")
def min_(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest: of all; along `dim` with indices; or of two tensors (`dim` or `other`).

    >>> cr.min(cr.tensor([3.0, 1.0, 2.0]))
    tensor(1.)
    """
    return _extreme(input, dim if other is None else other, keepdim, "amin", "argmin", "minimum")


@function("var")
def var(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float = 1,
) -> Tensor:  # fmt: skip
    """The variance over `dim`, divided by n − correction (1: unbiased).

    >>> cr.var(cr.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return _spread("var", input, dim, unbiased, keepdim, correction)


@function("std")
def std(
    input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float = 1,
) -> Tensor:  # fmt: skip
    """The standard deviation over `dim`; 0 exactly for a constant column.

    >>> cr.std(cr.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return _spread("std", input, dim, unbiased, keepdim, correction)


def _spread(
    name: str, x: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: float
) -> Tensor:
    if isinstance(x, Tensor) and not x.dtype.is_floating_point:
        raise DTypeError(
            t("{name}() of {dtype} values: write x.float().{name}().", name=name,
              dtype=x.dtype.name)
        )  # fmt: skip
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    cls = REGISTRY[name]
    params = cls.validate({"dim": dim, "correction": correction, "keepdim": keepdim})
    return apply(cls, x, **params)


@function()
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Einstein summation: `einsum("ij,jk->ik", a, b)`, or with numbers for letters after each
    operand and, if wanted, for the result: `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    >>> cr.einsum("ij,ij->i", cr.ones(2, 3), cr.ones(2, 3))
    tensor([3., 3.])
    """
    if isinstance(equation, Tensor):
        equation, operands = _lettered((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    params = REGISTRY["einsum"].validate({"equation": equation})
    return apply(REGISTRY["einsum"], *operands, **params)


def _lettered(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation in letters and the operands of a call whose axes have numbers."""

    def word(axes: Any) -> str:
        return "".join("..." if a is Ellipsis else _LETTERS[a] for a in axes)

    given = ",".join(map(word, args[1::2][: len(args) // 2]))
    return given + (f"->{word(args[-1])}" if len(args) % 2 else ""), args[: len(args) // 2 * 2 : 2]


_LETTERS = string.ascii_uppercase + string.ascii_lowercase


# ---- arithmetic with PyTorch's extra arguments ----------------------------------------------


@function("add")
def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha·other.

    >>> cr.add(cr.tensor([1.0, 2.0]), cr.tensor([10.0, 20.0]), alpha=2)
    tensor([21., 42.])
    """
    return REGISTRY["add"].function(input, other if alpha == 1 else other * alpha)


@function("sub", "subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input − alpha·other.

    >>> cr.sub(cr.tensor([3.0, 2.0]), 1.0)
    tensor([2., 1.])
    """
    return REGISTRY["subtract"].function(input, other if alpha == 1 else other * alpha)


@function("div", "divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded towards zero ("trunc") or down ("floor") on request.

    >>> cr.div(cr.tensor([7.0, -7.0]), 2, rounding_mode="floor")
    tensor([ 3., -4.])
    """
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


def _ranked(name: str, x: Tensor, o: Tensor, a: int, b: int) -> Tensor:
    if x.ndim != a or o.ndim != b:
        raise ShapeError(
            t("{name} takes tensors of {a} and {b} dimensions, got shapes {x} and {o}.",
              name=name, a=a, b=b, x=x.shape, o=o.shape)
        )  # fmt: skip
    # Products with vectors are not rounded in mixed precision, as in PyTorch.
    with inside(mode.autocast if b > 1 else None):
        return _run("matmul", x, o)  # type: ignore[no-any-return]


@function("mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices.

    >>> cr.mm(cr.ones(2, 3), cr.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    return _ranked("mm", input, mat2, 2, 2)


@function("bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (b, n, m) and (b, m, p).

    >>> cr.bmm(cr.ones(5, 2, 3), cr.ones(5, 3, 4)).shape
    (5, 2, 4)
    """
    return _ranked("bmm", input, mat2, 3, 3)


@function("mv")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector."""
    return _ranked("mv", input, vec, 2, 1)


@function("dot")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The dot product of two vectors.

    >>> cr.dot(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 4.0]))
    tensor(11.)
    """
    return _ranked("dot", input, tensor, 1, 1)


# ---- values ----------------------------------------------------------------------------------


@function()
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, else other; with one argument, the indices of the non-zeros.

    >>> x = cr.tensor([-1.0, 2.0])
    >>> cr.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
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


@function("masked_fill")
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """input with `value`, a number or a tensor of no dimensions, where mask is true.

    >>> cr.masked_fill(cr.tensor([1.0, 2.0]), cr.tensor([True, False]), 0.0)
    tensor([0., 2.])
    """
    if isinstance(value, Tensor) and value.requires_grad:
        _run("masked_fill", input.detach(), cast(mask, dtypes.bool_), value=value.item())
        return where(mask, cast(value, input.dtype), input)
    number = value.item() if isinstance(value, Tensor) else value
    return _run("masked_fill", input, cast(mask, dtypes.bool_), value=number)


@function("nonzero")
def nonzero(input: Tensor, as_tuple: bool = False) -> Any:
    """The indices of the non-zero entries: (n, ndim), or one vector for each axis.

    >>> cr.nonzero(cr.tensor([0, 3, 5]))
    tensor([[1],
            [2]])
    """
    values = np.asarray(input._values())
    if as_tuple and not values.ndim:
        values = values.reshape(1)  # one number counts as a vector of one
    found = np.nonzero(values) if values.ndim else ()
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
    """Whether |input − other| ≤ atol + rtol·|other| everywhere.

    >>> cr.allclose(cr.tensor([1.0]), cr.tensor([1.0 + 1e-7]))
    True
    """
    broadcast_shapes(input.shape, other.shape)
    return bool(np.allclose(input._values(), other._values(), rtol, atol, equal_nan))


@function("equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements.

    >>> cr.equal(cr.tensor([1, 2]), cr.tensor([1, 2]))
    True
    """
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise DTypeError(t("equal compares two tensors, not {a} and {b}.",
                           a=type(input).__name__, b=type(other).__name__))  # fmt: skip
    return input.shape == other.shape and bool(np.array_equal(input._values(), other._values()))


@function("isclose")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |input − other| ≤ atol + rtol·|other|."""
    broadcast_shapes(input.shape, other.shape)
    return Tensor(np.isclose(input._values(), other._values(), rtol, atol, equal_nan))

"""Functions of PyTorch whose arguments do not fit one operation: thin, written with operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, assign, cast, fill
from chainrule.ops.op import REGISTRY

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def function(*methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a public function; `methods` are the Tensor methods that it becomes."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        name = f.__name__.rstrip("_")
        FUNCTIONS[name] = f
        for method in methods:
            setattr(Tensor, method, f)
        return f

    return register


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
    """The largest: of all; along `dim` as (values, indices); or of two tensors, if `dim` is one."""
    return _extreme(input, dim, keepdim, "amax", "argmax", "maximum")


@function("min")
def min_(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest: of all; along `dim` as (values, indices); or of two tensors, if `dim` is one."""
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
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extreme:
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
    """The p-norm over `dim`; "fro" and 2 are Euclidean; inf is the largest |x|. At 0: gradient 0."""
    size = input.abs()
    if p in (float("inf"), -float("inf")):
        return _run("amax" if p > 0 else "amin", size, dim=_axes(dim), keepdim=keepdim)
    if p == 0:
        return (input != 0).to(input.dtype).sum(dim, keepdim)
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


mm, bmm, mv, dot = _ranked("mm", 2, 2), _ranked("bmm", 3, 3), _ranked("mv", 2, 1), _ranked("dot", 1, 1)


@function("outer")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an entry of one vector with an entry of another: (n), (m) → (n, m)."""
    return input.reshape(-1, 1) * vec2.reshape(1, -1)


@function("addmm")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta·input + alpha·(mat1 @ mat2)."""
    return beta * input + alpha * mm(mat1, mat2)


# ---- shapes ---------------------------------------------------------------------------------


@function("view")
def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape; an error if that needs a copy. Or, with a dtype, a cast."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = tuple(shape[0])
    out = input.reshape(*shape) if shape else input.reshape(())
    if input._data.size and not _shares(input, out):
        raise ShapeError(
            t(
                "view: a tensor of shape {x} with strides {strides} cannot be seen as {shape} "
                "without copying: write reshape(), or contiguous() first.",
                x=input.shape,
                strides=input.stride(),
                shape=shape,
            )
        )
    return out


def _shares(a: Tensor, b: Tensor) -> bool:
    return b is a or (b._extra is not None and b._extra.base is not None)


@function("view_as")
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`view` in the shape of another tensor."""
    return view(input, other.shape)


@function("reshape_as")
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`reshape` to the shape of another tensor."""
    return input.reshape(other.shape)


@function("expand_as")
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`expand` to the shape of another tensor."""
    return input.expand(other.shape)


@function("ravel")
def ravel(input: Tensor) -> Tensor:
    """All elements in one row."""
    return input.reshape(-1)


@function("contiguous")
def contiguous(input: Tensor) -> Tensor:
    """The tensor with its elements in row order in memory: itself if they are, else a copy."""
    return input if input.is_contiguous() else input.clone()


@function("movedim", "moveaxis")
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes taken from `source` and put to `destination`; the others keep their order."""
    s = [normalize_axis(i, input.ndim) for i in (source if isinstance(source, tuple | list) else (source,))]
    d = [
        normalize_axis(i, input.ndim)
        for i in (destination if isinstance(destination, tuple | list) else (destination,))
    ]
    order = [i for i in range(input.ndim) if i not in s]
    for to, axis in sorted(zip(d, s, strict=True)):
        order.insert(to, axis)
    return input.permute(order)


@function("narrow")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A view of `length` entries along `dim`, from `start`."""
    axis = normalize_axis(dim, input.ndim)
    start = start + input.shape[axis] if start < 0 else start
    if not (0 <= start and 0 <= length and start + length <= input.shape[axis]):
        raise ArgumentError(
            t(
                "narrow: entries {start} to {stop} of {n} along axis {axis}.",
                start=start,
                stop=start + length,
                n=input.shape[axis],
                axis=axis,
            )
        )
    return input[(slice(None),) * axis + (slice(start, start + length),)]


@function("select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one entry along `dim`, which goes away."""
    return input[(slice(None),) * normalize_axis(dim, input.ndim) + (index,)]


@function("split")
def split(input: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts along `dim`: of one size (the last may be smaller) or of a list."""
    n = input.shape[normalize_axis(dim, input.ndim)]
    if isinstance(split_size, int):
        if split_size <= 0:
            raise ArgumentError(t("split: the size must be ≥ 1, got {n}.", n=split_size))
        sizes = [min(split_size, n - i) for i in range(0, n, split_size)] or [0]
    else:
        sizes = list(split_size)
        if sum(sizes) != n:
            raise ArgumentError(
                t("split: the sizes {sizes} add up to {total}, not {n}.", sizes=sizes, total=sum(sizes), n=n)
            )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(input, dim, a, b) for a, b in zip(starts, sizes, strict=True))


@function("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size along `dim` (the last may be smaller)."""
    if chunks < 1:
        raise ArgumentError(t("chunk: chunks must be ≥ 1, got {n}.", n=chunks))
    n = input.shape[normalize_axis(dim, input.ndim)]
    return split(input, max(-(-n // chunks), 1), dim)


@function("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of every entry along `dim`."""
    return tuple(select(input, dim, i) for i in range(input.shape[normalize_axis(dim, input.ndim)]))


@function("repeat")
def repeat(input: Tensor, *sizes: Any) -> Tensor:
    """The tensor laid side by side: `sizes` times along each axis, new axes in front."""
    times = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if len(times) < input.ndim:
        raise ShapeError(
            t("repeat: {times} needs a number for each of the {n} axes.", times=times, n=input.ndim)
        )
    shape = (1,) * (len(times) - input.ndim) + input.shape
    split_ = tuple(v for n in shape for v in (1, n))
    wide = tuple(v for k, n in zip(times, shape, strict=True) for v in (k, n))
    final = tuple(k * n for k, n in zip(times, shape, strict=True))
    return input.reshape(split_).expand(wide).reshape(final)


@function("tile")
def tile(input: Tensor, *dims: Any) -> Tensor:
    """`repeat` with missing numbers taken as 1."""
    times = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return repeat(input, *((1,) * (input.ndim - len(times)) + tuple(times)))


@function("roll")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Entries moved along `dims`; what falls off one end comes in at the other."""
    if dims is None:
        return roll(ravel(input), shifts, 0).reshape(input.shape)
    pairs = zip(
        shifts if isinstance(shifts, tuple | list) else (shifts,),
        dims if isinstance(dims, tuple | list) else (dims,),
        strict=True,
    )
    out = input
    for shift, dim in pairs:
        n = out.shape[normalize_axis(dim, out.ndim)]
        k = shift % n if n else 0
        if k:
            parts = [narrow(out, dim, n - k, k), narrow(out, dim, 0, n - k)]
            out = _run("cat", *parts, dim=normalize_axis(dim, out.ndim))
    return out.clone() if out is input else out


@function()
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of all tensors in their common shape."""
    shape = broadcast_shapes(*(x.shape for x in tensors))
    return tuple(x.expand(shape) for x in tensors)


@function("tril")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of the last two axes, zeros above."""
    return _triangle(input, np.tril(np.ones(input.shape[-2:], bool), diagonal))


@function("triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two axes, zeros below."""
    return _triangle(input, np.triu(np.ones(input.shape[-2:], bool), diagonal))


def _triangle(x: Tensor, mask: np.ndarray) -> Tensor:
    return _run("masked_fill", x, Tensor(~mask), value=0)


@function()
def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, else other; with one argument, the indices of the non-zeros."""
    if input is None:
        return nonzero(condition, as_tuple=True)
    if isinstance(condition, Tensor) and condition.dtype is not dtypes.bool_:
        condition = cast(condition, dtypes.bool_)
    return _run("where", condition, input, other)


Tensor.where = lambda self, condition, other: where(condition, self, other)


@function("nonzero")
def nonzero(input: Tensor, as_tuple: bool = False) -> Any:
    """The indices of the non-zero entries: (n, ndim), or one vector for each axis."""
    found = np.nonzero(np.asarray(input._data))
    if as_tuple:
        return tuple(Tensor(f) for f in found)
    return Tensor(np.stack(found, 1) if found else np.zeros((int(bool(input)), 0), np.int64))


@function("masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The entries where mask is true, in a row."""
    a, m = broadcast_tensors(input, mask)
    return a[m]


@function("allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |input − other| ≤ atol + rtol·|other| everywhere."""
    return bool(np.allclose(input._data, other._data, rtol, atol, equal_nan))


@function("equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    return input.shape == other.shape and bool(np.array_equal(input._data, other._data))


@function("isclose")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |input − other| ≤ atol + rtol·|other|."""
    return Tensor(np.isclose(input._data, other._data, rtol, atol, equal_nan))


# ---- gather and scatter in PyTorch's argument order -----------------------------------------


def _indices(index: Tensor, size: int, name: str) -> Tensor:
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
    if dim is None:
        input, indices, dim = ravel(input), ravel(indices), 0
    axis = normalize_axis(dim, input.ndim)
    indices = _indices(indices, input.shape[axis], "take_along_dim")
    return _run("take_along_dim", input, indices, dim=axis)


# ---- in place -------------------------------------------------------------------------------


def _method(f: Callable[..., Any]) -> Callable[..., Any]:
    setattr(Tensor, f.__name__, f)
    return f


@_method
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The values of `src`, broadcast and converted, written into this tensor."""
    value = src if isinstance(src, Tensor) else Tensor(array_of(src))
    if value.dtype is not self.dtype:
        value = cast(value, self.dtype)
    return assign(self, value if value.shape == self.shape else value.expand(self.shape))


@_method
def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element set to one number."""
    return fill(self, value.item() if isinstance(value, Tensor) else value)


@_method
def zero_(self: Tensor) -> Tensor:
    """Every element set to 0."""
    return fill(self, 0)


@_method
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` written where mask is true."""
    return assign(self, self.masked_fill(mask, value))


@_method
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`src` added at `index` along `dim`, in place."""
    return assign(self, scatter_add(self, dim, index, src))


@_method
def new_zeros(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of `size` in this tensor's dtype."""
    return new_full(self, _size(size), 0, dtype, requires_grad)


@_method
def new_ones(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of `size` in this tensor's dtype."""
    return new_full(self, _size(size), 1, dtype, requires_grad)


@_method
def new_full(
    self: Tensor, size: Sequence[int], fill_value: Any, dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A constant of `size` in this tensor's dtype."""
    dtype = self.dtype if dtype is None else dtypes.as_dtype(dtype)
    return Tensor(np.full(tuple(size), fill_value, dtype.numpy), dtype, requires_grad)


@_method
def new_tensor(self: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`data` copied into a tensor of this tensor's dtype."""
    dtype = self.dtype if dtype is None else dtypes.as_dtype(dtype)
    return Tensor(np.array(array_of(data)), dtype, requires_grad)


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size


Tensor.T = property(lambda self: self.permute(tuple(range(self.ndim))[::-1]))
Tensor.mT = property(lambda self: self.transpose(-1, -2))

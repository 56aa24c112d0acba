"""Views and joins under PyTorch's names: thin, written with the operations of `shaping`."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.shapes import broadcast_shapes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import function as function
from chainrule.ops.register import method


def _run(name: str, *inputs: Any, **params: Any) -> Any:
    return apply(REGISTRY[name], *inputs, **params)


# ---- shapes ---------------------------------------------------------------------------------


@function("view")
def view(input: Tensor, *shape: Any, size: Any = None) -> Tensor:
    """The same memory in another shape; an error if that needs a copy. Or, with a dtype, a cast.

    >>> cr.arange(6).view(2, 3).shape
    (2, 3)
    """
    shape = _numbers("view", shape, size)
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


def _numbers(name: str, spread: tuple[Any, ...], listed: Any) -> tuple[Any, ...]:
    """The numbers of `x.view(2, 3)`, `x.view((2, 3))` and `x.view(size=(2, 3))`."""
    if listed is not None:
        if spread:
            raise ArgumentError(t("{name} got its numbers twice.", name=name))
        spread = (listed,)
    return tuple(spread[0]) if len(spread) == 1 and isinstance(spread[0], tuple | list) else spread


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
    s = [
        normalize_axis(i, input.ndim)
        for i in (source if isinstance(source, tuple | list) else (source,))
    ]
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
    if not (start >= 0 and length >= 0 and start + length <= input.shape[axis]):
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


@method("split")
def _split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts along `dim`: of one size (the last may be less), or as listed."""
    return split(self, split_size, dim)


@function()
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts along `dim`: of one size (the last may be less), or as listed.

    >>> [part.shape for part in cr.split(cr.ones(5, 2), 2)]
    [(2, 2), (2, 2), (1, 2)]
    """
    input, split_size = tensor, split_size_or_sections
    n = input.shape[normalize_axis(dim, input.ndim)]
    if isinstance(split_size, int):
        if split_size <= 0:
            raise ArgumentError(t("split: the size must be ≥ 1, got {n}.", n=split_size))
        sizes = [min(split_size, n - i) for i in range(0, n, split_size)] or [0]
    else:
        sizes = list(split_size)
        if sum(sizes) != n:
            raise ArgumentError(
                t(
                    "split: the sizes {sizes} add up to {total}, not {n}.",
                    sizes=sizes,
                    total=sum(sizes),
                    n=n,
                )
            )
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(narrow(input, dim, a, b) for a, b in zip(starts, sizes, strict=True))


@function("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size along `dim` (the last may be smaller).

    >>> cr.chunk(cr.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if chunks < 1:
        raise ArgumentError(t("chunk: chunks must be ≥ 1, got {n}.", n=chunks))
    n = input.shape[normalize_axis(dim, input.ndim)]
    return split(input, max(-(-n // chunks), 1), dim)


@function("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of every entry along `dim`."""
    return tuple(select(input, dim, i) for i in range(input.shape[normalize_axis(dim, input.ndim)]))


@function("repeat")
def repeat(input: Tensor, *sizes: Any, repeats: Any = None) -> Tensor:
    """The tensor laid side by side: `sizes` times along each axis, new axes in front.

    >>> cr.tensor([1, 2]).repeat(2)
    tensor([1, 2, 1, 2])
    """
    times = _numbers("repeat", sizes, repeats)
    if len(times) < input.ndim:
        raise ShapeError(
            t("repeat: {times} needs a number for each of the {n} axes.", times=times, n=input.ndim)
        )
    shape = (1,) * (len(times) - input.ndim) + input.shape
    split_ = tuple(v for n in shape for v in (1, n))
    wide = tuple(v for k, n in zip(times, shape, strict=True) for v in (k, n))
    final = tuple(k * n for k, n in zip(times, shape, strict=True))
    out = input.reshape(split_).expand(wide).reshape(final)
    return out.clone() if all(k == 1 for k in times) else out


@function("tile")
def tile(input: Tensor, *reps: Any, dims: Any = None) -> Tensor:
    """`repeat` with missing numbers taken as 1."""
    times = _numbers("tile", reps, dims)
    return repeat(input, *((1,) * (input.ndim - len(times)) + tuple(times)))


@function("roll")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Entries moved along `dims`; what falls off one end comes in at the other.

    >>> cr.roll(cr.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    if dims is None:
        return roll(ravel(input), shifts, 0).reshape(input.shape)
    each = shifts if isinstance(shifts, tuple | list) else (shifts,)
    axes = dims if isinstance(dims, tuple | list) else (dims,)
    if len(each) != len(axes):
        raise ArgumentError(
            t("roll: {shifts} shifts for {dims} axes.", shifts=len(each), dims=len(axes))
        )
    out = input
    for shift, dim in zip(each, axes, strict=True):
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
    """The lower triangle of the last two axes, zeros above.

    >>> cr.tril(cr.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", input, np.tril, diagonal)


@function("triu")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of the last two axes, zeros below.

    >>> cr.triu(cr.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _triangle("triu", input, np.triu, diagonal)


def _triangle(name: str, x: Tensor, part: Any, diagonal: int) -> Tensor:
    if x.ndim < 2:
        raise ShapeError(t("{name} needs at least {n} axes, got shape {x}.",
                           name=name, n=2, x=x.shape))  # fmt: skip
    mask = part(np.ones(x.shape[-2:], bool), diagonal)
    return _run("masked_fill", x, Tensor(~mask), value=0)  # type: ignore[no-any-return]


def _transposed(self: Tensor) -> Tensor:
    """All axes in reverse order."""
    return self.permute(tuple(range(self.ndim))[::-1])


def _matrix_transposed(self: Tensor) -> Tensor:
    """The last two axes swapped."""
    return self.transpose(-1, -2)


method("T")(property(_transposed))
method("mT")(property(_matrix_transposed))

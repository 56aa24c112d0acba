"""Arithmetic on shapes and axes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.base.text import t


class Size(tuple[int, ...]):
    """A shape, as a tuple that can tell its number of elements."""

    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, other))

    def numel(self) -> int:
        """The product of the sizes."""
        n = 1
        for size in self:
            n *= size
        return n


def normalize_axis(axis: int, ndim: int) -> int:
    """`axis` counted from the front. A 0-d tensor takes 0 and −1, as in PyTorch."""
    n = max(ndim, 1)
    if not -n <= axis < n:
        raise IndexRangeError(
            t(
                "Axis {axis} is out of range for {ndim} dimensions: write {low} to {high}.",
                axis=axis,
                ndim=ndim,
                low=-n,
                high=n - 1,
            )
        )
    return axis + n if axis < 0 else axis


def normalize_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """All axes that `axis` (None: all; an integer; a tuple) names, counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, tuple | list):
        checked = normalize_axis(axis, ndim)
        return (checked,) if ndim else ()
    axes = tuple(normalize_axis(a, ndim) for a in axis)
    if len(set(axes)) != len(axes):
        raise IndexRangeError(t("The axes {axes} name one axis twice.", axes=tuple(axis)))
    return axes if ndim else ()


def as_shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape given as integers or as one tuple of them."""
    if len(size) == 1 and isinstance(size[0], tuple | list):
        size = tuple(size[0])
    if any(isinstance(n, bool) or not isinstance(n, Integral) or n < 0 for n in size):
        raise ArgumentError(t("A shape is made of integers ≥ 0, not {size}.", size=size))
    return tuple(int(n) for n in size)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape, aligned at the right; axes of size 1 stretch."""
    out: list[int] = []
    for i in range(1, max(map(len, shapes), default=0) + 1):
        size = 1
        for shape in shapes:
            n = shape[-i] if i <= len(shape) else 1
            if n != 1:
                if size not in (1, n):
                    raise ShapeError(
                        t(
                            "The shapes {shapes} do not broadcast: counted from the right, axis "
                            "{axis} has sizes {a} and {b}, and neither is 1.",
                            shapes=" and ".join(map(str, shapes)),
                            axis=-i,
                            a=size,
                            b=n,
                        )
                    )
                size = n
        out.append(size)
    return tuple(reversed(out))


def resolve_reshape(shape: Sequence[int], size: int, of: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with its one −1 worked out for `size` elements."""
    shape = tuple(shape)
    known = 1
    for s in shape:
        if s != -1:
            known *= s
    if any(s < -1 for s in shape) or shape.count(-1) > 1:
        raise ShapeError(
            t("The shape {shape} is not valid: sizes are ≥ 0, and one may be -1.", shape=shape)
        )
    if -1 in shape and known > 0 and size % known == 0:
        return tuple(size // known if s == -1 else s for s in shape)
    if -1 in shape or known != size:
        raise ShapeError(
            t(
                "A tensor of shape {of} has {size} elements and cannot take the shape {shape}.",
                of=of,
                size=size,
                shape=shape,
            )
        )
    return shape

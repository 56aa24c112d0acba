"""Turning, mirroring, repeating, and views that a tensor itself becomes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ShapeError, TraceError
from chainrule.base.shapes import as_shape, normalize_axes, normalize_axis
from chainrule.base.text import t
from chainrule.graph.modes import enable_grad, mode
from chainrule.graph.tensor import Tensor, ready, wrap
from chainrule.ops.dispatch import apply
from chainrule.ops.inplace import refuse_leaf
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import FUNCTIONS, function, method
from chainrule.ops.scattering import in_place
from chainrule.ops.shaping import Squeeze, T, Transpose, Unsqueeze
from chainrule.ops.views import chunk, movedim, narrow, split, tril, triu

# ---- turning --------------------------------------------------------------------------------


@function("rot90")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned k times by 90°, from the first of `dims` towards the second."""
    if len(dims) != 2 or len(set(normalize_axes(tuple(dims), input.ndim))) != 2:
        raise ArgumentError(t("rot90 needs two different axes, got {dims}.", dims=tuple(dims)))
    a, b = dims
    turn = k % 4
    if turn == 0:
        return input.clone()
    if turn == 2:
        return input.flip((a, b))
    return input.flip(b).transpose(a, b) if turn == 1 else input.transpose(a, b).flip(b)


@function("fliplr")
def fliplr(input: Tensor) -> Tensor:
    """The order along axis 1 turned round."""
    return input.flip(_axis("fliplr", input, 1))


@function("flipud")
def flipud(input: Tensor) -> Tensor:
    """The order along axis 0 turned round."""
    return input.flip(_axis("flipud", input, 0))


def _axis(name: str, x: Tensor, axis: int) -> int:
    if x.ndim <= axis:
        raise ShapeError(
            t("{name} needs at least {n} axes, got shape {x}.", name=name, n=axis + 1, x=x.shape)
        )
    return axis


@function("adjoint")
def adjoint(input: Tensor) -> Tensor:
    """The last two axes swapped: of real numbers, the conjugate transpose."""
    return input.transpose(-1, -2)


def _hermitian(self: Tensor) -> Tensor:
    """A matrix transposed (real numbers are their own conjugates)."""
    return self.t()


method("mH")(property(adjoint))
method("H")(property(_hermitian))

# ---- repeating and summing ------------------------------------------------------------------


@function("repeat_interleave")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each entry along `dim` (None: of the flattened tensor) `repeats` times in a row, an integer
    or one for each. With one tensor of counts: the index i counts[i] times."""
    if repeats is None:
        return Tensor(np.repeat(np.arange(input.numel()), np.asarray(input._values())))
    if dim is None:
        input, dim = input.reshape(-1), 0
    axis = normalize_axis(dim, input.ndim)
    if not input.ndim:
        input = input.reshape(1)
    n = input.shape[axis]
    times = np.asarray(repeats._values() if isinstance(repeats, Tensor) else repeats)
    if times.size not in (1, n) or times.ndim > 1 or times.dtype.kind not in "iu":
        raise ArgumentError(
            t(
                "repeat_interleave: repeats must be an integer or {n} of them for axis {axis}, "
                "got {got}.",
                n=n,
                axis=axis,
                got=times.tolist(),
            )
        )
    if times.size and times.min() < 0:
        raise ArgumentError(t("repeat_interleave: repeats must be ≥ 0, got {got}.",
                              got=times.tolist()))  # fmt: skip
    index = np.repeat(np.arange(n), np.broadcast_to(times.reshape(-1), (n,)))
    if output_size not in (None, index.size):
        raise ArgumentError(
            t("repeat_interleave: output_size is {size}, but {n} entries come out.",
              size=output_size, n=index.size)
        )  # fmt: skip
    return apply(REGISTRY["index_select"], input, Tensor(index), dim=axis)


@method("sum_to_size")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed down to `size`, from which the tensor's shape would broadcast."""
    shape = as_shape(size)
    extra = self.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, self.shape[extra:], strict=True)):
        raise ShapeError(
            t("sum_to_size: {size} does not broadcast to {x}.", size=shape, x=self.shape)
        )
    axes = [i for i in range(self.ndim) if i < extra or shape[i - extra] != self.shape[i]]
    return self.sum(axes, keepdim=True).reshape(shape) if axes else self.clone()


# ---- other names ----------------------------------------------------------------------------


@function("narrow_copy")
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of `length` entries along `dim`, from `start`."""
    return narrow(input, dim, start, length).clone()


FUNCTIONS.update(moveaxis=movedim, unsafe_chunk=chunk, unsafe_split=split)
method("unsafe_chunk")(chunk)
method("unsafe_split")(split)
in_place(tril)
in_place(triu)


# ---- views in place -------------------------------------------------------------------------


def _becoming(view: Callable[..., Tensor], name: str) -> None:
    """Makes `x.view_(…)`: the tensor itself becomes its view."""

    @wraps(view)
    def become(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        refuse_leaf(self)
        if mode.trace is not None and isinstance(self._data, np.ndarray):
            raise TraceError(
                t(
                    "{name}() would change the shape of a tensor from outside the traced program: "
                    "write the form without underscore.",
                    name=name,
                )
            )
        ready(self)
        before = wrap(self._data)
        before._node, before._index, before._rg = self._node, self._index, self._rg
        before._extra = self._extra
        if self._node is None:
            out = view(before.detach() if self._rg else before, *args, **kwargs)
        else:
            with enable_grad():
                out = view(before, *args, **kwargs)
            self._node, self._index = out._node, out._index
        self._data, self._extra = out._data, out._extra
        return self

    become.__doc__ = f"`{name.rstrip('_')}`, in place: the tensor itself becomes its view."
    method(name)(become)


for _op, _names in (
    (Squeeze, ("squeeze",)), (Unsqueeze, ("unsqueeze",)), (T, ("t",)),
    (Transpose, ("transpose", *Transpose.aliases)),
):  # fmt: skip
    for _name in _names:
        _becoming(_op.function, f"{_name}_")

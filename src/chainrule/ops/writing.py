"""Writing into tensors, and new ones like a given one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import cast
from chainrule.ops.functions import scatter, scatter_add
from chainrule.ops.inplace import assign, fill, inplace_of
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import function as function
from chainrule.ops.register import method

# ---- in place -------------------------------------------------------------------------------


@method("copy_")
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """The values of `src`, broadcast and converted, written into this tensor."""
    value = src if isinstance(src, Tensor) else Tensor(array_of(src))
    if value.dtype is not self.dtype:
        value = cast(value, self.dtype)
    return assign(self, value if value.shape == self.shape else value.expand(self.shape))


@method("fill_")
def fill_(self: Tensor, value: Any) -> Tensor:
    """Every element set to one number."""
    return fill(self, value.item() if isinstance(value, Tensor) else value)


@method("zero_")
def zero_(self: Tensor) -> Tensor:
    """Every element set to 0."""
    return fill(self, 0)


@method("masked_fill_")
def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` written where mask is true."""
    return assign(self, self.masked_fill(mask, value))


_add_, _sub_ = inplace_of(REGISTRY["add"]), inplace_of(REGISTRY["subtract"])


@method("add_")
def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """`alpha`·other added, in place."""
    return _add_(self, other if alpha == 1 else other * alpha)


@method("sub_", "subtract_")
def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """`alpha`·other subtracted, in place."""
    return _sub_(self, other if alpha == 1 else other * alpha)


@method("scatter_")
def scatter_(self: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """`src` written at `index` along `dim`, in place."""
    return assign(self, scatter(self, dim, index, src))


@method("scatter_add_")
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`src` added at `index` along `dim`, in place."""
    return assign(self, scatter_add(self, dim, index, src))


@method("new_zeros")
def new_zeros(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of `size` in this tensor's dtype."""
    return new_full(self, _size(size), 0, dtype, requires_grad)


@method("new_ones")
def new_ones(self: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of `size` in this tensor's dtype."""
    return new_full(self, _size(size), 1, dtype, requires_grad)


@method("new_full")
def new_full(
    self: Tensor, size: Sequence[int], fill_value: Any, dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A constant of `size` in this tensor's dtype."""
    dtype = self.dtype if dtype is None else dtypes.as_dtype(dtype)
    return Tensor(np.full(tuple(size), fill_value, dtype.numpy), dtype, requires_grad)


@method("new_tensor")
def new_tensor(self: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`data` copied into a tensor of this tensor's dtype."""
    dtype = self.dtype if dtype is None else dtypes.as_dtype(dtype)
    return Tensor(np.array(array_of(data)), dtype, requires_grad)


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size

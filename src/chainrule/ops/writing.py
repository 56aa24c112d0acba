"""Writing into tensors, and new ones like a given one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.creation import empty, full, tensor
from chainrule.ops.dispatch import cast
from chainrule.ops.inplace import assign, fill, inplace_of
from chainrule.ops.op import REGISTRY
from chainrule.ops.register import function as function
from chainrule.ops.register import method

# ---- in place -------------------------------------------------------------------------------


@method("copy_")
def copy_(self: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """The values of `other`, broadcast and converted, written into this tensor."""
    value = other if isinstance(other, Tensor) else Tensor(array_of(other))
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


@method("new_zeros")
def new_zeros(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of `size` in this tensor's dtype."""
    return new_full(self, _size(size), 0, dtype, device, requires_grad)


@method("new_ones")
def new_ones(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones of `size` in this tensor's dtype."""
    return new_full(self, _size(size), 1, dtype, device, requires_grad)


@method("new_empty")
def new_empty(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Memory as it comes, of `size` and this tensor's dtype."""
    kind = self.dtype if dtype is None else dtype
    return empty(_size(size), dtype=kind, device=device, requires_grad=requires_grad)


@method("new_full")
def new_full(
    self: Tensor, size: Sequence[int], fill_value: Any, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A constant of `size` in this tensor's dtype."""
    kind = self.dtype if dtype is None else dtype
    return full(size, fill_value, dtype=kind, device=device, requires_grad=requires_grad)


@method("new_tensor")
def new_tensor(
    self: Tensor, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`data` copied into a tensor of this tensor's dtype."""
    kind = self.dtype if dtype is None else dtype
    return tensor(data, dtype=kind, device=device, requires_grad=requires_grad)


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size

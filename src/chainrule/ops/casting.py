"""Changing the dtype."""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.base.constraints import DTypeOf
from chainrule.base.devices import check_device, is_device
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import cast, set_cast
from chainrule.ops.op import Card, Op, op
from chainrule.ops.register import method
from chainrule.ops.shape_rules import same_as


@op
class Cast(Op):
    """The values as another dtype; floats go to integers by truncation."""

    math = "x"
    params = {"dtype": DTypeOf()}
    dtypes = "keep"
    saves = ()
    shape = same_as("x")
    method = False
    card = Card(
        en="Rounds to what the dtype can hold; the gradient comes back in the input's dtype.",
        zh="舍入到该类型能表示的值；梯度以输入的类型返回。",
    )

    def forward(F, x, *, dtype):
        return F.astype(x, dtype)

    def vjp(F, g, y, x, *, dtype):
        # The gradient of a bfloat16 tensor is one: products further back take it as it is.
        g = F.astype(g, dtype) if dtype is dtypes.bfloat16 else g
        return (F.astype(g, x.dtype),)


set_cast(Cast)


@method("to")
def to(
    self: Tensor, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False,
    copy: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """`x.to(dtype)`, `x.to("cpu")`, `x.to(other)`: the tensor as a dtype; there is one device.

    >>> cr.tensor([1, 2]).to(cr.float32)
    tensor([1., 2.])
    """
    for arg in args:
        if isinstance(arg, Tensor):
            dtype = arg.dtype
        elif is_device(arg):
            device = arg
        elif arg is not None and not isinstance(arg, bool):
            dtype = arg
    check_device(device)
    out = self if dtype is None else cast(self, dtypes.as_dtype(dtype))
    return out.clone() if copy and out is self else out


@method("type_as")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor as the dtype of another."""
    return cast(self, other.dtype)


@method("cpu")
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor: there is one device."""
    return self


@method("get_device")
def get_device(self: Tensor) -> int:
    """−1, as of every tensor in main memory."""
    return -1


@method("pin_memory", "share_memory_")
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor: its memory is as good as any."""
    return self


@method("is_pinned", "is_shared")
def is_pinned(self: Tensor) -> bool:
    """False."""
    return False


@method("cuda")
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """An error: there is one device, the CPU. Write `.to(device)` with `device = "cpu"`."""
    check_device("cuda")
    return self


def _caster(dtype: dtypes.DType):  # type: ignore[no-untyped-def]
    def method(self: Tensor) -> Tensor:
        return cast(self, dtype)

    method.__doc__ = f"The tensor as {dtype.name}."
    return method


for _name, _dtype in {
    "double": dtypes.float64, "float": dtypes.float32, "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16, "long": dtypes.int64, "int": dtypes.int32,
    "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8, "bool": dtypes.bool_,
}.items():  # fmt: skip
    setattr(Tensor, _name, _caster(_dtype))

"""What a dtype or a tensor is: limits, kinds, sizes, the dtype that operands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.base import dtypes, shapes
from chainrule.base.errors import DTypeError, ShapeError
from chainrule.base.shapes import Size as Size
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.creation import empty, tensor
from chainrule.ops.register import method


class finfo:
    """The limits of a floating dtype: bits, eps, max, min, tiny (smallest_normal), resolution."""

    def __init__(self, type: Any = None) -> None:
        kind = dtypes.get_default_dtype() if type is None else dtypes.as_dtype(type)
        if not kind.is_floating_point:
            raise DTypeError(t("finfo: {dtype} has no fraction: use iinfo.", dtype=kind.name))
        self.dtype = kind.name
        self.bits = 8 * kind.itemsize
        if kind is dtypes.bfloat16:  # eight bits of exponent, seven of fraction
            self.eps, self.resolution = 2.0**-7, 0.01
            self.max, self.tiny = (2 - 2.0**-7) * 2.0**127, 2.0**-126
        else:
            limits = np.finfo(kind.numpy)
            self.eps, self.resolution = float(limits.eps), float(limits.resolution)
            self.max, self.tiny = float(limits.max), float(limits.tiny)
        self.min, self.smallest_normal = -self.max, self.tiny

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny", "dtype")
        return f"finfo({', '.join(f'{n}={getattr(self, n)}' for n in names)})"


class iinfo:
    """The limits of an integer dtype: bits, max, min."""

    def __init__(self, type: Any) -> None:
        kind = dtypes.as_dtype(type)
        if kind.is_floating_point or kind is dtypes.bool_:
            raise DTypeError(t("iinfo: {dtype} is no integer: use finfo.", dtype=kind.name))
        limits = np.iinfo(kind.numpy)
        self.dtype = kind.name
        self.bits, self.max, self.min = 8 * kind.itemsize, int(limits.max), int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


# ---- dtypes of operands ---------------------------------------------------------------------


def _ranked(x: Any) -> tuple[dtypes.DType, int]:
    if isinstance(x, Tensor):
        return x.dtype, 2 if x.ndim else 1
    return dtypes.bool_ if isinstance(x, bool) else dtypes.as_dtype(type(x)), 0


def result_type(tensor1: Any, tensor2: Any) -> dtypes.DType:
    """The dtype of an arithmetic result of two tensors or numbers."""
    return dtypes.result_type([_ranked(tensor1), _ranked(tensor2)])


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a dtype may become another: not a float an integer, nor a number a bool."""
    return dtypes.as_dtype(to).category >= dtypes.as_dtype(from_).category


# ---- kinds of tensors -----------------------------------------------------------------------


def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a float."""
    return input.dtype.is_floating_point


@method("is_complex")
def is_complex(input: Tensor) -> bool:
    """False: there are no complex tensors."""
    return input.dtype.is_complex


@method("is_signed")
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


@method("is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not 0; ShapeError for more or fewer elements."""
    return bool(input)


@method("is_same_size")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal."""
    return input.shape == other.shape


def numel(input: Tensor) -> int:
    """How many elements there are."""
    return input.numel()


def broadcast_shapes(*shapes_: Any) -> Size:
    """The shape that tensors of these shapes (or sizes) broadcast to."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes_]
    if any(n < 0 for s in given for n in s):
        raise ShapeError(t("broadcast_shapes: sizes are ≥ 0, got {given}.", given=given))
    return Size(shapes.broadcast_shapes(*given))


@method("type")
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor as another dtype; without one, the name of its own type."""
    if dtype is None:
        return _NAMES[self.dtype.name]
    by_name = {name.rpartition(".")[2]: kind for kind, name in _NAMES.items()}
    if isinstance(dtype, str):
        dtype = by_name.get(dtype.rpartition(".")[2], dtype)
    return self.to(getattr(dtype, "dtype", dtype))


_NAMES = {
    "float64": "chainrule.DoubleTensor", "float32": "chainrule.FloatTensor",
    "float16": "chainrule.HalfTensor", "bfloat16": "chainrule.BFloat16Tensor",
    "int64": "chainrule.LongTensor", "int32": "chainrule.IntTensor",
    "int16": "chainrule.ShortTensor", "int8": "chainrule.CharTensor",
    "uint8": "chainrule.ByteTensor", "bool": "chainrule.BoolTensor",
}  # fmt: skip

# ---- the older constructors -----------------------------------------------------------------


def _constructor(name: str) -> Callable[..., Tensor]:
    kind = dtypes.BY_NAME[name]

    def make(*data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return tensor(data[0], dtype=kind)
        return empty(*data, dtype=kind)

    vars(make)["dtype"] = kind
    make.__doc__ = f"Data as a {name} tensor; of integers, an empty one of that shape."
    return make


FloatTensor, DoubleTensor, LongTensor = map(_constructor, ("float32", "float64", "int64"))
IntTensor, ByteTensor, BoolTensor = map(_constructor, ("int32", "uint8", "bool"))

for _name in ("is_cuda", "is_sparse", "is_quantized", "is_mps", "is_meta"):
    setattr(Tensor, _name, False)
Tensor.is_cpu = True  # type: ignore[attr-defined]


@method("to_dense")
def to_dense(self: Tensor) -> Tensor:
    """This tensor; of a sparse gradient, all its rows."""
    return self


for _alias, _method in {"ndimension": "dim", "nelement": "numel"}.items():
    setattr(Tensor, _alias, getattr(Tensor, _method))

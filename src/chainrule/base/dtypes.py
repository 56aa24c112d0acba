"""Element types and PyTorch's promotion rules.

bfloat16 has no NumPy type: its values live in a float32 array, each rounded to bfloat16.
"""

from __future__ import annotations

import numpy as np

from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.text import t

# Order of categories in promotion: bool < integer < float.
_CATEGORIES = {"b": 0, "u": 1, "i": 1, "f": 2}


class DType:
    """One element type.

    `name`: PyTorch's name; `numpy`: the NumPy type that holds it; `itemsize`: bytes an element
    (2 for bfloat16, though its values are held in four).
    """

    __slots__ = ("category", "is_floating_point", "itemsize", "name", "numpy")

    is_complex = False

    def __init__(self, name: str, numpy: str, itemsize: int) -> None:
        self.name = name
        self.numpy = np.dtype(numpy)
        self.itemsize = itemsize
        self.category = _CATEGORIES[self.numpy.kind]
        self.is_floating_point = self.category == 2

    @property
    def kind(self) -> str:
        """NumPy's letter: "f", "i", "u" or "b"."""
        return self.numpy.kind

    @property
    def is_signed(self) -> bool:
        return self.numpy.kind in "if"

    def __repr__(self) -> str:
        return f"chainrule.{self.name}"

    def __reduce__(self) -> str:
        # Copies and in-memory pickles give the one object back, so that `is` keeps working.
        return self.name if self.name != "bool" else "bool_"


float64 = DType("float64", "float64", 8)
float32 = DType("float32", "float32", 4)
float16 = DType("float16", "float16", 2)
bfloat16 = DType("bfloat16", "float32", 2)
int64 = DType("int64", "int64", 8)
int32 = DType("int32", "int32", 4)
int16 = DType("int16", "int16", 2)
int8 = DType("int8", "int8", 1)
uint8 = DType("uint8", "uint8", 1)
bool_ = DType("bool", "bool", 1)

ALL = (float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, bool_)
BY_NAME = {d.name: d for d in ALL} | {
    "float": float32, "double": float64, "half": float16, "int": int32, "long": int64,
    "short": int16, "byte": uint8, "char": int8,
}  # fmt: skip
OF_NUMPY = {d.numpy: d for d in ALL if d is not bfloat16}
_WIDTH = [bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64]

_default = float32


def get_default_dtype() -> DType:
    """The floating dtype given to Python floats: float32 unless changed."""
    return _default


def set_default_dtype(dtype: DType) -> None:
    """Use `dtype` (a floating dtype) for Python floats from now on.

    >>> cr.set_default_dtype(cr.float64)
    >>> cr.tensor([1.0]).dtype
    chainrule.float64
    >>> cr.set_default_dtype(cr.float32)
    """
    global _default
    if not as_dtype(dtype).is_floating_point:
        raise DTypeError(t("The default dtype must be floating point, not {dtype}.", dtype=dtype))
    _default = as_dtype(dtype)


def as_dtype(value: object) -> DType:
    """`value` as a DType: a DType, a name such as "float32", a NumPy dtype, or float/int/bool."""
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in BY_NAME:
        return BY_NAME[value]
    if value is float:
        return _default
    if value is int:
        return int64
    if value is bool:
        return bool_
    try:
        found = OF_NUMPY.get(np.dtype(value))  # type: ignore[call-overload]
    except TypeError:
        found = None
    if found is None:
        raise DTypeError(
            t(
                "Unknown dtype {value!r}: write one of {names}.",
                value=value,
                names=", ".join(d.name for d in ALL),
            )
        )
    return found


def promote_types(a: DType, b: DType) -> DType:
    """The dtype that holds a value of either (as in PyTorch)."""
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if {a, b} == {float16, bfloat16}:
        return float32
    if {a, b} == {uint8, int8}:
        return int16
    return a if _WIDTH.index(a) > _WIDTH.index(b) else b


def result_type(operands: list[tuple[DType, int]]) -> DType:
    """PyTorch's result dtype for operands given as (dtype, rank).

    Rank: 2 for a tensor with dimensions, 1 for a 0-d tensor, 0 for a Python number. A lower rank
    decides only when its category is higher than that of every higher rank.
    """
    best: DType | None = None
    for rank in (2, 1, 0):
        here: DType | None = None
        for dtype, r in operands:
            if r == rank:
                here = dtype if here is None else promote_types(here, dtype)
        if here is None:
            continue
        if best is None:
            best = here
        elif here.category > best.category:
            # A float number meets integers: the default float, not the number's own width.
            best = _default if rank == 0 and here.is_floating_point else here
    if best is None:
        raise ArgumentError(t("result_type needs at least one operand."))
    return best


def round_bfloat16(x: np.ndarray) -> np.ndarray:
    """float32 `x` with each value rounded to the nearest bfloat16, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) & np.uint32(0xFFFF0000)
    out = rounded.view(np.float32).reshape(np.shape(x))
    return np.where(np.isnan(x), np.float32(np.nan), out) if np.isnan(x).any() else out

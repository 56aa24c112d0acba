"""Machine types and registers of the emitter.

A register is the text of an LLVM value with its type. An index is a Python int while it is known,
else a register of type i64, perhaps plus a constant, so address arithmetic folds while written.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

import numpy as np

_NAMES = {
    "f16": "half", "bf16": "bfloat", "f32": "float", "f64": "double", "b1": "i1", "i8": "i8",
    "u8": "i8", "i16": "i16", "i32": "i32", "i64": "i64", "ptr": "ptr",
}  # fmt: skip
_SIZES = {
    "f16": 2, "bf16": 2, "f32": 4, "f64": 8, "b1": 1, "i8": 1, "u8": 1, "i16": 2, "i32": 4,
    "i64": 8, "ptr": 8,
}  # fmt: skip
_KINDS = {
    "float16": "f16", "float32": "f32", "float64": "f64", "bool": "b1", "int8": "i8",
    "uint8": "u8", "int16": "i16", "int32": "i32", "int64": "i64",
}  # fmt: skip


class Type(NamedTuple):
    """A scalar (`lanes` 0) or a vector of `lanes` elements. `kind`: f32, i64, b1, …"""

    kind: str
    lanes: int = 0

    @property
    def text(self) -> str:
        name = _NAMES[self.kind]
        return f"<{self.lanes} x {name}>" if self.lanes else name

    @property
    def suffix(self) -> str:
        """As intrinsics are named: v16f32, f64, v8i64."""
        kind = {"b1": "i1", "u8": "i8", "ptr": "p0"}.get(self.kind, self.kind)
        return f"v{self.lanes}{kind}" if self.lanes else kind

    @property
    def size(self) -> int:
        """Bytes of one element in memory."""
        return _SIZES[self.kind]

    @property
    def floating(self) -> bool:
        return self.kind in ("f16", "bf16", "f32", "f64")

    @property
    def bits(self) -> int:
        return 1 if self.kind == "b1" else 8 * self.size

    @property
    def element(self) -> Type:
        return Type(self.kind)

    def of(self, lanes: int) -> Type:
        return Type(self.kind, lanes)

    def like(self, kind: str) -> Type:
        return Type(kind, self.lanes)


F32, F64, I1, I8, I32, I64 = (Type(k) for k in ("f32", "f64", "b1", "i8", "i32", "i64"))
POINTER = Type("ptr")


class Register(NamedTuple):
    """An SSA value or a constant: its text and its type."""

    text: str
    type: Type

    @property
    def typed(self) -> str:
        return f"{self.type.text} {self.text}"


class Shifted(NamedTuple):
    """An i64 register plus a constant, which ends up in the address of a load for nothing."""

    base: Register
    plus: int


Index = int | Register | Shifted  # i64; folded while it is a number


def type_of(dtype: np.dtype) -> Type:
    """The machine type of an array's elements."""
    return Type(_KINDS[np.dtype(dtype).name])


def number(value: object, kind: str) -> str:
    """A number as LLVM writes it: floats exactly, by their bits."""
    if kind == "b1":
        return "true" if value else "false"
    if kind in ("f32", "f64", "f16", "bf16"):
        x = float(value)  # type: ignore[arg-type]
        if kind == "f16":
            return f"0xH{np.float16(x).view(np.uint16):04X}"
        if kind == "bf16":
            return f"0xR{_bfloat16_bits(x):04X}"
        if kind == "f32":
            with np.errstate(over="ignore"):
                x = float(np.float32(x))
        if math.isnan(x):
            return "0x7FF8000000000000"
        return f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"
    return str(int(value))  # type: ignore[call-overload]


def _bfloat16_bits(x: float) -> int:
    bits = int(np.float32(x).view(np.uint32))
    if math.isnan(x):
        return 0x7FC0
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF


def const(value: object, type: Type) -> Register:
    """The constant of that type; a vector has it in every lane."""
    text = number(value, type.kind)
    if not type.lanes:
        return Register(text, type)
    if value == 0 and not (type.floating and math.copysign(1.0, float(value)) < 0):  # type: ignore[arg-type]
        return Register("zeroinitializer", type)
    return Register(f"splat ({type.element.text} {text})", type)


def vector(values: list[object], kind: str) -> Register:
    """A constant vector, lane by lane."""
    element = Type(kind)
    inner = ", ".join(f"{element.text} {number(v, kind)}" for v in values)
    return Register(f"<{inner}>", Type(kind, len(values)))

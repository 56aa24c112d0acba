"""The element-wise primitives on registers, with the results that NumPy gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule.base.dtypes import DType, bfloat16
from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.casting import cast, round_bfloat16
from chainrule.compile.emit.constants import value_of
from chainrule.compile.emit.integers import divide_integers, integer_power
from chainrule.compile.emit.math import elementary
from chainrule.compile.emit.types import Register, Type, const, type_of

Operand = Register | bool | int | float
Known = float | None  # the value of an operand that is the same at every run

_COMPARISONS = {"equal": "eq", "less": "lt", "less_equal": "le"}
_TRUTH = {*_COMPARISONS, "isnan"}
_ELEMENTARY = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan", "sinh", "cosh", "tanh", "erf", "atan2", "pow",
}  # fmt: skip
_INTRINSICS = {
    "abs": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "rint",
    "sqrt": "sqrt",
}  # fmt: skip
_DTYPES = {
    "f16": "float16", "f32": "float32", "f64": "float64", "b1": "bool", "i8": "int8",
    "u8": "uint8", "i16": "int16", "i32": "int32", "i64": "int64",
}  # fmt: skip


def emit(
    f: Function, name: str, operands: Sequence[Operand | DType], dtype: Type | DType | np.dtype
) -> Register:
    """One primitive of kind "map", or "astype".

    Operands are registers, each of its own type (scalars are spread when another is a vector), and
    Python numbers, which take no part in promotion. `dtype` is the result's; the type that is
    computed in follows from it and the operands. For astype it is the target, a DType where
    bfloat16 is meant; a dtype as second operand of astype is ignored. A scalar that takes no part
    in promotion but is known only at run time must come cast to the type it is compared in.
    """
    values = [x for x in operands if not isinstance(x, DType | np.dtype)]
    kind = dtype.kind if isinstance(dtype, Type) else type_of(_numpy(dtype)).kind
    lanes = max((x.type.lanes for x in values if isinstance(x, Register)), default=0)
    type = Type(kind, lanes or (dtype.lanes if isinstance(dtype, Type) else 0))
    if name == "astype":
        out = cast(f, _register(f, values[0], type, kind), kind)
        return round_bfloat16(f, out) if dtype is bfloat16 else out
    if name == "where":
        condition = cast(f, _register(f, values[0], type, "b1"), "b1")
        return f.select(condition, *(as_type(f, x, type) for x in values[1:]))
    inner = compute_type(name, values, type)
    xs = [as_type(f, x, inner) for x in values]
    known = [value_of(x) if isinstance(x, Register) else x for x in values]
    if name in _TRUTH:
        return _truth(f, name, xs)
    if inner.kind == "b1":
        return _boolean(f, name, xs)
    if not inner.floating:
        return _integer(f, name, xs, known)
    if inner.kind == "f16":
        xs = [cast(f, x, "f32") for x in xs]
    return cast(f, _floating(f, name, xs, known, inner.kind == "f16"), kind)


def _numpy(dtype: DType | np.dtype) -> np.dtype:
    return dtype.numpy if isinstance(dtype, DType) else np.dtype(dtype)


def compute_type(name: str, operands: Sequence[Operand], type: Type) -> Type:
    """The common type that the operands are cast to first, given the result's `type`."""
    if name not in _TRUTH:
        return type
    kinds = [np.dtype(_DTYPES[x.type.kind]) if isinstance(x, Register) else x for x in operands]
    own = [k for k in kinds if isinstance(k, np.dtype)]
    numbers = [k for k in kinds if not isinstance(k, np.dtype)]
    common = np.result_type(
        *own, *(0.0 if isinstance(k, float) else k.__class__() for k in numbers)
    )
    if common.kind in "iu" and any(not _fits(k, common) for k in numbers):
        common = np.dtype(np.int64)  # NumPy compares with the number itself
    return type.like(type_of(common).kind)


def _fits(value: float, dtype: np.dtype) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= value <= limits.max


def _register(f: Function, x: Operand, type: Type, kind: str) -> Register:
    """The operand with the lanes of `type`, in its own kind (numbers: in `kind`)."""
    if isinstance(x, Register):
        return f.splat(x, type.lanes)
    return const(x, type.like(kind))


def as_type(f: Function, x: Operand, type: Type) -> Register:
    """The operand cast and spread to `type`."""
    if not isinstance(x, Register):
        return const(x, type)
    return f.splat(cast(f, x, type.kind), type.lanes)


# ---- truth values ------------------------------------------------------------------------------


def _truth(f: Function, name: str, xs: list[Register]) -> Register:
    type = xs[0].type
    if name == "isnan":
        if not type.floating:
            return const(False, type.like("b1"))
        return f.compare("uno", *[cast(f, xs[0], "f32") if type.kind == "f16" else xs[0]] * 2)
    predicate = _COMPARISONS[name]
    if type.floating:
        xs = [cast(f, x, "f32") for x in xs] if type.kind == "f16" else xs
        return f.compare("o" + predicate, *xs)
    if predicate != "eq":
        predicate = ("u" if type.kind in ("b1", "u8") else "s") + predicate
    return f.compare(predicate, *xs)


_LOGIC = {
    "add": "or", "maximum": "or", "bitwise_or": "or", "multiply": "and", "minimum": "and",
    "bitwise_and": "and", "bitwise_xor": "xor",
}  # fmt: skip


def _boolean(f: Function, name: str, xs: list[Register]) -> Register:
    if name in _LOGIC:
        return f.binary(_LOGIC[name], *xs)
    if name == "bitwise_invert":
        return f.binary("xor", xs[0], const(True, xs[0].type))
    if name in ("abs", "floor", "ceil", "trunc", "round"):
        return xs[0]
    raise TypeError(f"{name} is not defined for truth values")


def _whole(value: Known) -> int | None:
    return None if value is None else int(value)


# ---- integers ----------------------------------------------------------------------------------

_WHOLE = {
    "add": "add", "subtract": "sub", "multiply": "mul", "bitwise_and": "and", "bitwise_or": "or",
    "bitwise_xor": "xor",
}  # fmt: skip


def _integer(f: Function, name: str, xs: list[Register], known: Sequence[Known]) -> Register:
    type, x = xs[0].type, xs[0]
    signed = type.kind != "u8"
    if name in _WHOLE:
        return f.binary(_WHOLE[name], *xs)
    if name in ("floor_divide", "remainder"):
        return divide_integers(f, x, xs[1], _whole(known[1]))[name == "remainder"]
    if name == "pow":
        return integer_power(f, x, xs[1], _whole(known[1]))
    if name in ("maximum", "minimum"):
        return f.intrinsic(("s" if signed else "u") + name[:3], *xs)
    if name == "negative":
        return f.negate(x)
    if name == "bitwise_invert":
        return f.binary("xor", x, const(-1, type))
    if name in ("floor", "ceil", "trunc", "round") or (name == "abs" and not signed):
        return x
    if name == "abs":
        return f.intrinsic("smax", x, f.negate(x))
    if name == "sign":
        x = f.intrinsic("smin" if signed else "umin", x, const(1, type))
        return f.intrinsic("smax", x, const(-1, type)) if signed else x
    raise TypeError(f"{name} is not defined for integers")


# ---- floats ------------------------------------------------------------------------------------

_FLOAT = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}


def _floating(
    f: Function, name: str, xs: list[Register], known: Sequence[Known], half: bool
) -> Register:
    x, type = xs[0], xs[0].type
    if name in _FLOAT:
        return f.binary(_FLOAT[name], *xs)
    if name in _INTRINSICS:
        return f.intrinsic(_INTRINSICS[name], x)
    if name == "negative":
        return f.negate(x)
    if name == "sign":
        down = f.select(f.compare("olt", x, const(0, type)), const(-1, type), x)
        # −0 gives 0: adding 0 turns the sign and leaves all else as it is.
        down = f.binary("fadd", down, const(0, type))
        return f.select(f.compare("ogt", x, const(0, type)), const(1, type), down)
    if name in ("maximum", "minimum"):
        return _extreme(f, "ogt" if name == "maximum" else "olt", xs, known)
    if name == "floor_divide":
        return _floor_divide(f, *xs)
    if name == "remainder":
        return _remainder(f, *xs)[0]
    if name == "pow" and known[1] is not None:
        return _constant_power(f, x, xs[1], known[1], half)
    if name in _ELEMENTARY:
        return elementary(f, name, *xs)
    raise TypeError(f"{name} is not defined for floats")


def _extreme(f: Function, predicate: str, xs: list[Register], known: Sequence[Known]) -> Register:
    """The larger or smaller; NaN wins; of 0 and −0 either, as in NumPy."""
    x, o = xs
    first, second = known
    if first is not None and not math.isnan(first):
        return f.select(f.compare(predicate, x, o), x, o)
    if second is not None and not math.isnan(second):
        # The comparison is false for NaN, so x comes through. One instruction on x86.
        return f.select(f.compare(predicate, o, x), o, x)
    out = f.select(f.compare(predicate, x, o), x, o)
    return f.select(f.compare("uno", x, x), x, out)


def _remainder(f: Function, x: Register, o: Register) -> tuple[Register, Register]:
    """Python's remainder, with the sign of the divisor, and C's, with that of x."""
    type = x.type
    rest = f.binary("frem", x, o)
    zero = const(0, type)
    # Different signs: the exclusive or of the bits is negative.
    whole = type.like("i64" if type.kind == "f64" else "i32")
    signs = f.binary("xor", f.bitcast(rest, whole), f.bitcast(o, whole))
    differ = f.compare("slt", signs, const(0, whole))
    moved = f.select(differ, f.binary("fadd", rest, o), rest)
    nothing = f.select(f.compare("uno", o, o), o, f.intrinsic("copysign", zero, o))
    return f.select(f.compare("oeq", rest, zero), nothing, moved), rest


def _floor_divide(f: Function, x: Register, o: Register) -> Register:
    """⌊x/o⌋ from the remainder, as Python does: never off by one where x/o rounds up."""
    type = x.type
    zero, one = const(0, type), const(1, type)
    modulo, rest = _remainder(f, x, o)
    quotient = f.binary("fdiv", f.binary("fsub", x, rest), o)
    moved = f.compare("one", modulo, rest)
    quotient = f.select(moved, f.binary("fsub", quotient, one), quotient)
    floor = f.intrinsic("floor", quotient)
    short = f.compare("ogt", f.binary("fsub", quotient, floor), const(0.5, type))
    floor = f.select(short, f.binary("fadd", floor, one), floor)
    plain = f.binary("fdiv", x, o)
    nothing = f.intrinsic("copysign", zero, plain)
    out = f.select(f.compare("une", quotient, zero), floor, nothing)
    return f.select(f.compare("oeq", o, zero), plain, out)


def _constant_power(f: Function, x: Register, o: Register, exponent: float, half: bool) -> Register:
    """x to a known power; the usual ones as NumPy computes them."""
    if exponent == 0:
        return const(1, x.type)
    if exponent == 1:
        return x
    if exponent == -1:
        return f.binary("fdiv", const(1, x.type), x)
    if exponent == 0.5 and not half:  # x^½ of −0 and −∞ is 0 and ∞ there
        return f.intrinsic("sqrt", x)
    if exponent in (2, 3):
        square = f.binary("fmul", x, x)
        return square if exponent == 2 else f.binary("fmul", square, x)
    return elementary(f, "pow", x, o)

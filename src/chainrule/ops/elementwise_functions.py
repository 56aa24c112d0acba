"""Elementwise functions of PyTorch whose arguments fit no single operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError
from chainrule.base.text import t
from chainrule.graph.convert import array_of
from chainrule.graph.tensor import Tensor
from chainrule.ops.arithmetic import Clamp, Pow
from chainrule.ops.comparison import Where
from chainrule.ops.creation import ones_like
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.inplace import inplace_form
from chainrule.ops.register import FUNCTIONS
from chainrule.ops.rounding import NanToNum, Round
from chainrule.ops.two_inputs import ClampMax, ClampMin
from chainrule.ops.type_info import finfo

# ---- limits ---------------------------------------------------------------------------------


@function("clamp", "clip")
def clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:
    """input limited to [min, max], which are numbers or tensors; one of them may be None.

    >>> cr.clamp(cr.tensor([-2.0, 0.5, 3.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min is None and max is None:
        raise ArgumentError(t("clamp: give at least one of min and max."))
    if not isinstance(min, Tensor) and not isinstance(max, Tensor):
        return Clamp.function(input, min, max)
    out = input if min is None else ClampMin.function(input, min)
    return out if max is None else ClampMax.function(out, max)


@function("nan_to_num")
def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """NaN becomes `nan`; ±inf become `posinf`, `neginf`, or the dtype's largest numbers."""
    if isinstance(input, Tensor) and input.dtype.is_floating_point:
        largest = finfo(input.dtype).max
        posinf = largest if posinf is None else posinf
        neginf = -largest if neginf is None else neginf
    return NanToNum.function(input, nan, posinf, neginf)


@function()
def fill(input: Tensor, value: Any) -> Tensor:
    """One number (or 0-d tensor) in the shape and dtype of `input`."""
    everywhere = ones_like(input, dtype=dtypes.bool_)
    if isinstance(value, Tensor):
        value = cast(value, input.dtype)
    return apply(Where, everywhere, value, input)


@function("round")
def round_(input: Any, *, decimals: int = 0) -> Tensor:
    """The nearest number with so many decimals, ties to even; the gradient is 0.

    >>> cr.round(cr.tensor([0.5, 1.5, 2.5]))
    tensor([0., 2., 2.])
    """
    if not decimals:
        return Round.function(input)
    scale = 10.0 ** abs(decimals)
    return (
        Round.function(input * scale) / scale
        if decimals > 0
        else (Round.function(input / scale) * scale)
    )


@function()
def detach(input: Tensor) -> Tensor:
    """The same memory as a tensor without history."""
    return input.detach()


# ---- arithmetic -----------------------------------------------------------------------------


@function()
def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other − alpha·input."""
    return other - (input if alpha == 1 else input * alpha)


@function("float_power")
def float_power(input: Any, exponent: Any) -> Tensor:
    """input to the power exponent, worked out and given in float64."""
    base = cast(input, dtypes.float64) if isinstance(input, Tensor) else float(input)
    power = cast(exponent, dtypes.float64) if isinstance(exponent, Tensor) else float(exponent)
    return Pow.function(base, power)


@function("positive")
def positive(input: Tensor) -> Tensor:
    """input itself; booleans have no sign."""
    if input.dtype is dtypes.bool_:
        raise DTypeError(t("positive: a tensor of bool has no sign."))
    return input


setattr(Tensor, "__pos__", positive)  # noqa: B010


def _whole(name: str, input: Any, other: Any) -> tuple[np.ndarray, np.ndarray, dtypes.DType]:
    """Two integer operands as arrays, and the dtype of what they give."""
    kinds, arrays = [], []
    for x in (input, other):
        array = x._values() if isinstance(x, Tensor) else array_of(x)
        kind = x.dtype if isinstance(x, Tensor) else dtypes.OF_NUMPY[array.dtype]
        if kind.is_floating_point or kind is dtypes.bool_:
            raise DTypeError(t("{name} takes integers, not {dtype}.", name=name, dtype=kind.name))
        kinds.append((kind, (2 if array.ndim else 1) if isinstance(x, Tensor) else 0))
        arrays.append(array)
    return arrays[0], arrays[1], dtypes.result_type(kinds)


@function("gcd")
def gcd(input: Any, other: Any) -> Tensor:
    """The greatest common divisor of integers; gcd(0, 0) = 0."""
    x, o, kind = _whole("gcd", input, other)
    return Tensor(np.gcd(x, o).astype(kind.numpy))


@function("lcm")
def lcm(input: Any, other: Any) -> Tensor:
    """The least common multiple of integers, ≥ 0."""
    x, o, kind = _whole("lcm", input, other)
    return Tensor(np.lcm(x, o).astype(kind.numpy))


def _floats(name: str, x: Tensor) -> np.ndarray:
    if not x.dtype.is_floating_point or x.dtype is dtypes.bfloat16:
        raise DTypeError(t("{name} takes floats, not {dtype}.", name=name, dtype=x.dtype.name))
    return np.asarray(x._values())


@function("frexp")
def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """Mantissa in [½, 1) and exponent: input = mantissa·2^exponent."""
    mantissa, exponent = np.frexp(_floats("frexp", input))
    whole = Tensor(np.asarray(exponent, np.int32))
    if not input.requires_grad:
        return Tensor(np.asarray(mantissa)), whole
    return input * Tensor(np.asarray(np.ldexp(np.ones((), mantissa.dtype), -exponent))), whole


@function("nextafter")
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next float after input towards other. No gradient."""
    x, o = _floats("nextafter", input), _floats("nextafter", other)
    return Tensor(np.asarray(np.nextafter(x, o)))


@function("real", "conj", "resolve_conj", "resolve_neg")
def real(input: Tensor) -> Tensor:
    """input itself: there are no complex tensors."""
    return input


for _name in ("conj", "resolve_conj", "resolve_neg"):
    FUNCTIONS[_name] = real

# ---- tests ----------------------------------------------------------------------------------


@function("isreal")
def isreal(input: Tensor) -> Tensor:
    """True everywhere: there are no complex tensors here."""
    return ones_like(input, dtype=dtypes.bool_)


@function()
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Whether each of `elements` is one of `test_elements` (`invert`: is none of them)."""
    x, o = (v._values() if isinstance(v, Tensor) else v for v in (elements, test_elements))
    return Tensor(np.isin(x, o, assume_unique=assume_unique, invert=invert))


# ---- in place -------------------------------------------------------------------------------

for _name, _function in {
    "clamp": clamp, "clip": clamp, "nan_to_num": nan_to_num, "float_power": float_power,
    "gcd": gcd, "lcm": lcm, "round": round_,
}.items():  # fmt: skip
    setattr(Tensor, f"{_name}_", inplace_form(_function))

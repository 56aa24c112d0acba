"""Elementary functions on registers: as vector code where there is some, else by the C library."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compile.emit import math_exponential as exponential
from chainrule.compile.emit import math_trigonometry as trigonometry
from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.library import by_library
from chainrule.compile.emit.math_erf import erf
from chainrule.compile.emit.math_power import power
from chainrule.compile.emit.types import Register

# Both precisions. Errors are at most 2 units in the last place in float32, 3 in float64.
_BOTH: dict[str, Callable[..., Register]] = {
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expm1": exponential.expm1,
    "log": exponential.log,
    "log2": exponential.log2,
    "log10": exponential.log10,
    "log1p": exponential.log1p,
    "sinh": exponential.sinh,
    "cosh": exponential.cosh,
    "tanh": exponential.tanh,
}
_SINGLE: dict[str, Callable[..., Register]] = {
    "erf": erf,
    "pow": power,
    "sin": trigonometry.sin,
    "cos": trigonometry.cos,
    "tan": trigonometry.tan,
    "arcsin": trigonometry.arcsin,
    "arccos": trigonometry.arccos,
    "arctan": trigonometry.arctan,
    "atan2": trigonometry.atan2,
}
_LIBRARY = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}


def elementary(f: Function, name: str, *operands: Register) -> Register:
    """A function of one or two float32 or float64 registers, by the primitive's name."""
    vector = _BOTH.get(name)
    if vector is None and operands[0].type.kind == "f32":
        vector = _SINGLE[name]
    if vector is None:
        return by_library(f, _LIBRARY.get(name, name), *operands)
    return vector(f, *operands)

"""Powers in float32: 2^(y·log₂ x) computed in float64, where nothing overflows."""

from __future__ import annotations

import math

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.formula import Formula
from chainrule.compile.emit.types import Register

# log₂ m = s·p(s²) with s = (m − 1)/(m + 1); (2^r − 1)/r. Minimax fits, good to 2⁻⁴³ and 2⁻³⁴.
_LOG2 = (
    2.885390081777849, 0.9617966941148454, 0.5770779419114583, 0.41220929970357556,
    0.3199036993056711, 0.2829294713757634,
)  # fmt: skip
_EXP2 = (
    0.6931471807047689, 0.24022651067009346, 0.05550410365376617, 0.009618038058898014,
    0.0013333935367780363, 0.00015466781719763293, 1.5196131570796552e-05,
)  # fmt: skip
_ROOT = 0x3FE6A09E667F3BCD  # the bits of √½
_EVEN = 2.0**24  # float32 numbers from here on are even integers


def power(f: Function, x: Register, y: Register) -> Register:
    """x^y as C and NumPy define it: 1 where x is 1 or y is 0, NaN of x < 0 unless y is whole."""
    v = Formula(f, x.type)
    size = v.abs(x)
    out = _positive(f, size, y)
    # (−1)^±∞ is 1; ∞·log₂ 1 would be NaN.
    unit = f.binary("and", v.test("oeq", size, 1.0), v.test("oeq", v.abs(y), math.inf))
    out = v.select(unit, 1.0, out)
    out = _with_sign(v, x, y, out)
    one = f.binary("or", v.test("oeq", x, 1.0), v.test("oeq", y, 0.0))
    return v.select(one, 1.0, out)


def _positive(f: Function, size: Register, y: Register) -> Register:
    v = Formula(f, size.type.like("f64"))
    wide = f.convert(size, "f64")
    bits = v.bits(wide)
    steps = v.integer("ashr", v.integer("sub", bits, _ROOT), 52)
    m = v.from_bits(v.integer("sub", bits, v.integer("shl", steps, 52)))
    s = v.div(v.sub(m, 1.0), v.add(m, 1.0))
    e = f.convert(f.convert(steps, "i32"), "f64")
    log2 = v.fma(s, v.polynomial(v.mul(s, s), _LOG2), e)
    log2 = v.select(v.test("oeq", wide, 0.0), -math.inf, log2)
    log2 = v.select(v.test("olt", wide, math.inf), log2, wide)
    z = v.mul(f.convert(y, "f64"), log2)
    z = v.at_least(v.at_most(z, 200.0), -200.0)
    moved = v.add(z, v.magic + v.bias)
    r = v.sub(z, v.sub(moved, v.magic + v.bias))
    near = v.fma(r, v.polynomial(r, _EXP2), 1.0)
    # Rounding to float32 makes infinities and subnormals where they belong.
    return f.convert(v.mul(near, v.power_of_two(v.bits(moved))), "f32")


def _with_sign(v: Formula, x: Register, y: Register, out: Register) -> Register:
    """The power of |x| made the power of x: negated for odd y, NaN where there is none."""
    f = v.f
    limited = v.at_least(v.at_most(y, _EVEN), -_EVEN)
    # NaN would be poison as an integer.
    safe = v.select(v.test("uno", y, y), 0.0, limited)
    n = f.value(v.whole, f"fptosi {safe.typed} to {v.whole.text}")
    whole = v.test("oeq", f.convert(n, "f32"), safe)
    negative = v.integer("and", v.bits(x), v.integer("shl", n, 31))  # sign bit where n is odd
    sign = v.integer("and", negative, -(2**31))
    some = f.value(v.whole, f"sext {whole.typed} to {v.whole.text}")
    turned = v.from_bits(v.integer("xor", v.bits(out), v.integer("and", sign, some)))
    below = f.binary("and", v.test("olt", x, 0.0), v.test("ogt", x, -math.inf))
    not_whole = f.compare("eq", some, v.integer("and", some, 0))
    return v.select(f.binary("and", below, not_whole), math.nan, turned)

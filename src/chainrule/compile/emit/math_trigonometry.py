"""Circular functions and their inverses in float32.

x − n·π/2 with n the nearest integer lies within ±π/4, where sine and cosine are short polynomials;
n modulo 4 says which of them, and the sign. Coefficients are minimax fits made for this file.
"""

from __future__ import annotations

import math

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.formula import Formula, any_lane
from chainrule.compile.emit.library import by_library
from chainrule.compile.emit.types import Register

# π/2 in parts of 11 bits and a last one: multiples of the first three up to 2¹³ are exact.
_PARTS = (1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.5633440682570896e-12)
_LARGE = 1e4  # beyond, the C library's functions: the parts of π/2 are too few

_SIN = (-0.16666655, 0.0083321733, -0.00019516655)  # (sin r/r − 1)/r²
_COS = (0.041666646, -0.0013887362, 2.4437728e-05)  # (cos r − 1 + r²/2)/r⁴
_TAN = (  # (tan r/r − 1)/r²
    0.3333335, 0.13332653, 0.054061066, 0.02127606, 0.010852174, 6.821113e-05, 0.0043870728,
)  # fmt: skip
_ARCSIN = (0.16666754, 0.074952416, 0.045477096, 0.024147611, 0.042218547)  # (arcsin x/x − 1)/x²
_ARCTAN = (
    -0.333333, 0.1999855, -0.1426424, 0.10952181, -0.08403437, 0.05795736, -0.031177614,
    0.010914481, -0.0017935939,
)  # fmt: skip

_HALF_PI = (1.5707963705062866, -4.3711390001862426e-08)  # float32 and what it lacks
_PI = (3.1415927410125732, -8.742278000372485e-08)

# ---- sin, cos, tan -----------------------------------------------------------------------------


def sin(f: Function, x: Register) -> Register:
    """sin x."""
    v = Formula(f, x.type)
    sine, cosine, quadrant = _circle(v, x)
    out = v.select(v.test("oeq", x, 0.0), x, _turned(v, sine, cosine, quadrant))
    return _with_library(v, "sin", x, out)


def cos(f: Function, x: Register) -> Register:
    """cos x."""
    v = Formula(f, x.type)
    sine, cosine, quadrant = _circle(v, x)
    out = _turned(v, sine, cosine, v.integer("add", quadrant, 1))
    return _with_library(v, "cos", x, out)


def tan(f: Function, x: Register) -> Register:
    """tan x."""
    v = Formula(f, x.type)
    r, lost, quadrant = _reduced(v, x)
    z = v.mul(r, r)
    lost = v.fma(lost, z, lost)  # tan′ is about 1 + r²
    tangent = v.add(r, v.fma(v.mul(v.polynomial(z, _TAN), z), r, lost))
    out = v.select(_bit(v, quadrant), v.div(-1.0, tangent), tangent)
    return _with_library(v, "tan", x, v.select(v.test("oeq", x, 0.0), x, out))


def _circle(v: Formula, x: Register) -> tuple[Register, Register, Register]:
    """sin r, cos r, and n in the low bits, with x = n·π/2 + r."""
    r, lost, quadrant = _reduced(v, x)
    z = v.mul(r, r)
    sine = v.add(r, v.fma(v.mul(v.polynomial(z, _SIN), z), r, lost))
    cosine = v.fma(z, v.fma(z, v.polynomial(z, _COS), -0.5), 1.0)
    return sine, cosine, quadrant


def _reduced(v: Formula, x: Register) -> tuple[Register, Register, Register]:
    """r and the little that it lacks, and n in the low bits, with x = n·π/2 + r + lost."""
    moved = v.fma(x, 2 / math.pi, v.magic)
    n = v.sub(moved, v.magic)
    first, second, third, last = _PARTS
    x = v.fma(n, -second, v.fma(n, -first, x))
    r = v.fma(n, -third, x)
    return r, v.fma(n, -last, v.fma(n, -third, v.sub(x, r))), v.bits(moved)


def _bit(v: Formula, quadrant: Register) -> Register:
    odd = v.integer("and", quadrant, 1)
    return v.f.compare("ne", odd, v.integer("and", odd, 0))


def _turned(v: Formula, sine: Register, cosine: Register, quadrant: Register) -> Register:
    """sin(r + quadrant·π/2)."""
    size = v.select(_bit(v, quadrant), cosine, sine)
    sign = v.integer("shl", v.integer("and", quadrant, 2), 30)
    return v.from_bits(v.integer("xor", v.bits(size), sign))


def _with_library(v: Formula, name: str, x: Register, out: Register) -> Register:
    """`out`, but the C library's result where |x| is large; no call unless some lane is."""
    large = v.test("oge", v.abs(x), _LARGE)
    with v.f.loop(0, any_lane(v.f, large), carry=[out]) as once:
        once.next = [v.select(large, by_library(v.f, name, x), out)]
    return once.out[0]


# ---- inverses ----------------------------------------------------------------------------------

_Sum = tuple[Register, Register]  # a number as a large and a small part, not yet added


def arcsin(f: Function, x: Register) -> Register:
    """arcsin x; above ½ as π/2 − 2·arcsin √((1 − x)/2)."""
    v = Formula(f, x.type)
    near, angle = _half_angle(v, x)
    far = _away(v, _HALF_PI, _twice(v, angle))
    return v.signed(v.select(near, v.add(*angle), far), x)


def arccos(f: Function, x: Register) -> Register:
    """arccos x; beyond ±½ by 2·arcsin √((1 − |x|)/2)."""
    v = Formula(f, x.type)
    near, angle = _half_angle(v, x)
    middle = _away(v, _HALF_PI, (x, v.signed(angle[1], x)))
    twice = _twice(v, angle)
    far = v.select(v.test("olt", x, 0.0), _away(v, _PI, twice), v.add(*twice))
    return v.select(near, middle, far)


def _half_angle(v: Formula, x: Register) -> tuple[Register, _Sum]:
    """Whether |x| is at most ½, and arcsin |x|, or arcsin √((1 − |x|)/2) where it is more."""
    size = v.abs(x)
    near = v.test("ole", size, 0.5)
    square = v.select(near, v.mul(size, size), v.fma(size, -0.5, 0.5))
    root = v.select(near, size, v.f.intrinsic("sqrt", square))
    return near, (root, v.mul(v.mul(v.polynomial(square, _ARCSIN), square), root))


def arctan(f: Function, x: Register) -> Register:
    """arctan x; above 1 as π/2 − arctan 1/x."""
    v = Formula(f, x.type)
    size = v.abs(x)
    steep = v.test("ogt", size, 1.0)
    angle = _small_arctan(v, v.select(steep, v.div(1.0, size), size))
    return v.signed(v.select(steep, _away(v, _HALF_PI, angle), v.add(*angle)), x)


def atan2(f: Function, y: Register, x: Register) -> Register:
    """The angle of the point (x, y), from −π to π."""
    v = Formula(f, x.type)
    height, width = v.abs(y), v.abs(x)
    steep = v.test("ogt", height, width)
    small, large = v.select(steep, width, height), v.select(steep, height, width)
    # 0/0 and ∞/∞ are the only quotients of equals that are not 1.
    ratio = v.select(v.test("oeq", small, large), 1.0, v.div(small, large))
    ratio = v.select(v.test("oeq", large, 0.0), 0.0, ratio)
    angle = _small_arctan(v, ratio)
    left = f.compare("slt", v.bits(x), v.integer("and", v.bits(x), 0))  # −0 lies left
    # Quarters: near the x axis, near the y axis; left of it angles are mirrored.
    flat = v.select(left, _away(v, _PI, angle), v.add(*angle))
    mirrored = (v.negated(angle[0], left), v.negated(angle[1], left))
    out = v.select(steep, _away(v, _HALF_PI, mirrored), flat)
    return v.signed(v.select(v.test("uno", x, y), math.nan, out), y)


def _small_arctan(v: Formula, x: Register) -> _Sum:
    """arctan of 0 ≤ x ≤ 1."""
    z = v.mul(x, x)
    return x, v.mul(v.mul(v.polynomial(z, _ARCTAN), z), x)


def _twice(v: Formula, angle: _Sum) -> _Sum:
    return v.add(angle[0], angle[0]), v.add(angle[1], angle[1])


def _away(v: Formula, whole: tuple[float, float], angle: _Sum) -> Register:
    """whole − angle, `whole` being a float32 and what it lacks. In halves: smaller roundings."""
    half = whole[0] / 2
    return v.add(v.sub(half, angle[0]), v.sub(half, v.sub(angle[1], whole[1])))

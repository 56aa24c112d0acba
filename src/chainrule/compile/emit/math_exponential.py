"""Exponentials, logarithms and hyperbolic functions in float32 and float64.

e^x = 2^n·e^r with n the integer nearest to x/ln 2, so |r| ≤ ½ ln 2, and a polynomial for e^r. The
logarithm of m·2^e, m between √½ and √2, is e·ln 2 + ln m. Coefficients are minimax fits made for
this file; ln 2 is subtracted in two parts, the first so short that its multiples are exact.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.formula import Formula
from chainrule.compile.emit.types import Register, const

_PER_LN2 = 1 / math.log(2)


class _Constants(NamedTuple):
    high: float  # ln 2 in two parts
    low: float
    exp: tuple[float, ...]  # (e^r − 1 − r)/r²
    expm1: tuple[float, ...]  # the same, good relative to e^r − 1
    range: tuple[float, float]  # beyond these e^x is 0 or infinite
    one: float  # expm1 is −1 below
    tanh: float  # tanh is 1 above
    root: int  # the bits of √½
    tiny: float  # the smallest normal number
    tenth: tuple[float, float]  # log₁₀ 2 in two parts


_SINGLE = _Constants(
    high=0.693359375,
    low=-2.12194440e-4,
    exp=(0.49999994, 0.1666652, 0.041668393, 0.008368781, 0.0013814464),
    expm1=(0.5, 0.16666666, 0.04166636, 0.00833339, 0.0013940721, 0.00019845885),
    range=(-104.0, 89.0),
    one=-18.0,
    tanh=10.0,
    root=0x3F3504F3,
    tiny=2.0**-126,
    tenth=(0.30078125, 2.48745663981195213739e-4),
)
_DOUBLE = _Constants(
    high=6.93147180369123816490e-01,
    low=1.90821492927058770002e-10,
    exp=(
        0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326084,
        0.0013888888888883711, 0.0001984126987500228, 2.480158732567746e-05,
        2.755725517000089e-06, 2.755727347871858e-07, 2.5105312729622103e-08,
        2.09147553258932e-09,
    ),
    expm1=(
        0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326084,
        0.0013888888888883711, 0.0001984126987500228, 2.480158732567746e-05,
        2.755725517000089e-06, 2.755727347871858e-07, 2.5105312729622103e-08,
        2.09147553258932e-09,
    ),
    range=(-746.0, 710.0),
    one=-40.0,
    tanh=20.0,
    root=0x3FE6A09E667F3BCD,
    tiny=2.0**-1022,
    tenth=(3.01029995663611771306e-01, 3.69423907715893078616e-13),
)  # fmt: skip
_CONSTANTS = {"f32": _SINGLE, "f64": _DOUBLE}

# (ln(1 + t) − t + t²/2)/t³ for float32
_LOG = (
    0.33333313, -0.25000009, 0.20002119, -0.16667996, 0.14219551, -0.12405591, 0.11888175,
    -0.11675642, 0.067466013,
)  # fmt: skip
# (2 artanh(s)/s − 2)/s² as a polynomial in s² for float64
_ARTANH = (
    0.6666666666666666, 0.4000000000000088, 0.2857142857080285, 0.22222222391887064,
    0.18181795621632782, 0.15386240708969665, 0.13268746195596595, 0.13086907887965027,
)  # fmt: skip

_TANH = (-0.33333299, 0.13331924, -0.053783827, 0.020795964, -0.0058951504)  # (tanh x/x − 1)/x²
_SINH = (0.16666667, 0.0083333506, 0.00019836066, 2.8174397e-06)  # (sinh x/x − 1)/x²

# ---- exponentials ------------------------------------------------------------------------------


def exp(f: Function, x: Register) -> Register:
    """e^x; subnormal results are right, NaN stays NaN."""
    v = Formula(f, x.type)
    return _exponential(v, v.at_least(v.at_most(x, _of(v).range[1]), _of(v).range[0]))


def exp2(f: Function, x: Register) -> Register:
    """2^x."""
    v = Formula(f, x.type)
    low, high = (limit * _PER_LN2 for limit in _of(v).range)
    x = v.at_least(v.at_most(x, high), low)
    middle = v.magic + 2 * v.bias
    moved = v.add(x, middle)
    rest = v.mul(v.sub(x, v.sub(moved, middle)), math.log(2))
    return _doubled(v, _near_one(v, rest), v.bits(moved))


def expm1(f: Function, x: Register) -> Register:
    """e^x − 1, to full precision near 0."""
    v = Formula(f, x.type)
    limited = v.at_least(v.at_most(x, _of(v).range[1]), _of(v).one)
    rest, half = _parts(v, limited)
    less = v.sub(half, 0.5)
    # 2^n·(e^r − 1) + 2^n − 1 in halves, as 2^n itself may overflow.
    out = v.add(v.fma(half, v.add(rest, rest), less), less)
    return v.signed(out, x)


def tanh(f: Function, x: Register) -> Register:
    """tanh x = y/(y + 1) with y = ½(e^2|x| − 1)."""
    v = Formula(f, x.type)
    size = v.at_most(v.abs(x), _of(v).tanh)
    y = _half_expm1(v, v.add(size, size))
    out = v.div(y, v.add(y, 1.0))
    if v.type.kind == "f32":
        # Below 0.6 the quotient would be two units off at places.
        z = v.mul(size, size)
        small = v.fma(v.mul(v.polynomial(z, _TANH), z), size, size)
        out = v.select(v.test("olt", size, 0.6), small, out)
    return v.signed(out, x)


def sinh(f: Function, x: Register) -> Register:
    """½(e^|x| − e^−|x|) with the sign of x; by e^x − 1 below 1."""
    v = Formula(f, x.type)
    size = v.abs(x)
    half = _half_exp(v, size)
    large = v.sub(half, v.div(0.25, half))
    if v.type.kind == "f32":
        z = v.mul(size, size)
        small = v.fma(v.mul(v.polynomial(z, _SINH), z), size, size)
    else:
        y = _half_expm1(v, v.at_most(size, 1.0))
        small = v.add(y, v.div(y, v.add(v.add(y, y), 1.0)))
        small = v.select(v.test("olt", size, 2.0**-26), size, small)
    return v.signed(v.select(v.test("olt", size, 1.0), small, large), x)


def cosh(f: Function, x: Register) -> Register:
    """½(e^|x| + e^−|x|)."""
    v = Formula(f, x.type)
    half = _half_exp(v, v.abs(x))
    return v.add(half, v.div(0.25, half))


def negative_exp(v: Formula, x: Register) -> Register:
    """e^x of −80 ≤ x ≤ 0 in float32: no overflow, nothing subnormal."""
    middle = v.magic + v.bias
    moved = v.fma(x, _PER_LN2, middle)
    rest = _rest(v, x, v.sub(moved, middle))
    return v.mul(_near_one(v, rest), v.power_of_two(v.bits(moved)))


def _of(v: Formula) -> _Constants:
    return _CONSTANTS[v.type.kind]


def _exponential(v: Formula, x: Register, less: int = 0) -> Register:
    """e^x / 2^less of an x within the range."""
    middle = v.magic + 2 * v.bias  # shifted right by one: the exponent of 2^(n/2)
    moved = v.fma(x, _PER_LN2, middle)
    rest = _rest(v, x, v.sub(moved, middle))
    twice = v.bits(moved)
    return _doubled(v, _near_one(v, rest), v.integer("sub", twice, less) if less else twice)


def _rest(v: Formula, x: Register, n: Register) -> Register:
    """x − n·ln 2."""
    return v.fma(n, -_of(v).low, v.fma(n, -_of(v).high, x))


def _near_one(v: Formula, r: Register) -> Register:
    return v.add(v.fma(v.polynomial(r, _of(v).exp), v.mul(r, r), r), 1.0)


def _doubled(v: Formula, y: Register, twice: Register) -> Register:
    """y·2^n in two steps, each in range; `twice`: n + 2·bias in the low bits."""
    half = v.integer("lshr", twice, 1)
    y = v.mul(y, v.power_of_two(half))
    return v.mul(y, v.power_of_two(v.integer("sub", twice, half)))


def _parts(v: Formula, x: Register) -> tuple[Register, Register]:
    """e^r − 1 and 2^(n−1) with e^x = 2^n·e^r."""
    middle = v.magic + v.bias - 1
    moved = v.fma(x, _PER_LN2, middle)
    r = _rest(v, x, v.sub(moved, middle))
    rest = v.fma(v.polynomial(r, _of(v).expm1), v.mul(r, r), r)
    return rest, v.power_of_two(v.bits(moved))


def _half_expm1(v: Formula, x: Register) -> Register:
    """½(e^x − 1) of an x that is neither large nor subnormal (half of it would lose a bit)."""
    rest, half = _parts(v, x)
    return v.fma(half, rest, v.sub(half, 0.5))


def _half_exp(v: Formula, size: Register) -> Register:
    """½e^x of x ≥ 0, finite as long as sinh x is."""
    return _exponential(v, v.at_most(size, _of(v).range[1] + 1.0), less=1)


# ---- logarithms --------------------------------------------------------------------------------


def log(f: Function, x: Register) -> Register:
    """ln x; −∞ of 0, NaN of negative numbers."""
    v = Formula(f, x.type)
    e, t = _exponent_and_rest(v, x)
    return _special(v, x, _sum(v, e, t, _curve(v, t)), 0.0)


def log1p(f: Function, x: Register) -> Register:
    """ln(1 + x), to full precision near 0."""
    v = Formula(f, x.type)
    # 1 + x is total + lost exactly.
    total = v.add(x, 1.0)
    part = v.sub(total, x)
    lost = v.add(v.sub(x, v.sub(total, part)), v.sub(1.0, part))
    e, t = _exponent_and_sum(v, total, lost)
    return v.signed(_special(v, x, _sum(v, e, t, _curve(v, t)), -1.0), x)


def log2(f: Function, x: Register) -> Register:
    """log₂ x, exact for powers of two."""
    v = Formula(f, x.type)
    e, t = _exponent_and_rest(v, x)
    curve = _curve(v, t)
    # (t + curve)/ln 2 with 1/ln 2 = 1 + more: what is large is added last.
    more = 0.4426950408889634074
    out = v.fma(t, more, v.mul(curve, more))
    out = v.add(v.add(v.add(out, curve), t), e)
    return _special(v, x, out, 0.0)


def log10(f: Function, x: Register) -> Register:
    """log₁₀ x."""
    v = Formula(f, x.type)
    e, t = _exponent_and_rest(v, x)
    high, low = _of(v).tenth
    curve = _curve(v, t)
    # 1/ln 10 as a short number and the rest.
    short, more = 0.43359375, 7.007319032518276511e-4
    out = v.mul(v.add(curve, t), more)
    out = v.fma(curve, short, out)
    out = v.fma(e, low, out)
    out = v.fma(t, short, out)
    return _special(v, x, v.fma(e, high, out), 0.0)


def _exponent_and_rest(v: Formula, x: Register) -> tuple[Register, Register]:
    """e and t with x = 2^e·(1 + t), 1 + t between √½ and √2."""
    small = v.test("olt", x, _of(v).tiny)  # subnormal: it has no exponent of its own
    e, _, t = _split(v, v.select(small, v.mul(x, 2.0**v.mantissa), x))
    return v.add(e, v.select(small, float(-v.mantissa), 0.0)), t


def _exponent_and_sum(v: Formula, x: Register, lost: Register) -> tuple[Register, Register]:
    """The same of x + lost, x being normal and `lost` below its last place."""
    e, scale, t = _split(v, x)
    # 2^−e; of the largest numbers, where nothing is lost that matters, 0.
    shrink = v.integer("sub", v.bits(v.number(1.0)), scale)
    shrink = v.f.intrinsic("smax", shrink, const(0, v.whole))
    return e, v.fma(lost, v.from_bits(shrink), t)


def _split(v: Formula, x: Register) -> tuple[Register, Register, Register]:
    """e, e in the place of the stored exponent, and t."""
    bits = v.bits(x)
    steps = v.integer("ashr", v.integer("sub", bits, _of(v).root), v.mantissa)
    scale = v.integer("shl", steps, v.mantissa)
    t = v.sub(v.from_bits(v.integer("sub", bits, scale)), 1.0)
    return v.f.convert(steps, v.type.kind), scale, t


def _curve(v: Formula, t: Register) -> Register:
    """ln(1 + t) − t."""
    square = v.mul(t, t)
    if v.type.kind == "f32":
        return v.fma(square, -0.5, v.mul(v.mul(v.polynomial(t, _LOG), t), square))
    s = v.div(t, v.add(t, 2.0))
    z = v.mul(s, s)
    half = v.mul(square, 0.5)
    return v.sub(v.mul(s, v.fma(z, v.polynomial(z, _ARTANH), half)), half)


def _sum(v: Formula, e: Register, t: Register, curve: Register) -> Register:
    out = v.add(t, v.fma(e, _of(v).low, curve))
    return v.fma(e, _of(v).high, out)


def _special(v: Formula, x: Register, y: Register, pole: float) -> Register:
    """y, but x where it is +∞ or NaN, −∞ at the pole and NaN below."""
    y = v.select(v.test("olt", x, math.inf), y, x)
    at_pole = v.select(v.test("oeq", x, pole), -math.inf, math.nan)
    return v.select(v.test("ole", x, pole), at_pole, y)

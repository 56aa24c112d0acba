"""Division and powers of integers in registers: nothing traps, and results are NumPy's."""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.types import Register, Type, const


def divide_integers(
    f: Function, x: Register, o: Register, divisor: int | None = None
) -> tuple[Register, Register]:
    """⌊x/o⌋ and x − o⌊x/o⌋; both 0 where o is 0. `divisor`: the value of o where it is known."""
    type = x.type
    zero = const(0, type)
    if divisor == 0:
        return zero, zero
    signed = type.kind != "u8"
    if divisor == -1:
        return f.negate(x), zero
    safe = o
    if divisor is None:
        # x // −1 is −x, which the division would trap on for the smallest integer.
        safe = f.select(f.compare("eq", o, zero), const(1, type), safe)
        if signed:
            safe = f.select(f.compare("eq", o, const(-1, type)), const(1, type), safe)
    if divisor is None and type.bits < 64:
        quotient = _narrow_quotient(f, x, safe)
    else:
        quotient = f.binary("sdiv" if signed else "udiv", x, safe)
    rest = f.binary("sub", x, f.binary("mul", quotient, safe))
    if signed:
        signs = f.binary("and", f.binary("xor", rest, safe), _filled(f, rest))
        down = f.compare("slt", signs, zero)
        rest = f.select(down, f.binary("add", rest, safe), rest)
        quotient = f.binary("add", quotient, f.value(type, f"sext {down.typed} to {type.text}"))
    if divisor is None:
        quotient = f.select(f.compare("eq", o, zero), zero, quotient)
        rest = f.select(f.compare("eq", o, zero), zero, rest)
        if signed:
            quotient = f.select(f.compare("eq", o, const(-1, type)), f.negate(x), quotient)
    return quotient, rest


def _filled(f: Function, x: Register) -> Register:
    """All bits set where x ≠ 0, else none."""
    some = f.compare("ne", x, const(0, x.type))
    return f.value(x.type, f"sext {some.typed} to {x.type.text}")


def _narrow_quotient(f: Function, x: Register, o: Register) -> Register:
    """The truncated quotient by floats, which divide in vectors.

    Up to 32 bits are exact in float64, and so is the integer part of their rounded quotient: it is
    at least 2⁻³¹ of itself away from the next integer. Likewise 16 bits in float32.
    """
    kind = "f32" if x.type.bits <= 16 else "f64"
    quotient = f.binary("fdiv", f.convert(x, kind), f.convert(o, kind))
    whole: Type = x.type.like("i32")
    return f.convert(f.value(whole, f"fptosi {quotient.typed} to {whole.text}"), x.type.kind)


def integer_power(f: Function, x: Register, o: Register, exponent: int | None = None) -> Register:
    """x to the power o by squaring, modulo 2^bits; for o < 0 the integer part of 1/x^−o.

    `exponent`: the value of o where it is known. (1/0 gives 0 here; NumPy raises for every o < 0.)
    """
    type = x.type
    one = const(1, type)
    if exponent is not None and exponent >= 0:
        out, base = one, x
        while exponent:
            if exponent & 1:
                out = base if out is one else f.binary("mul", out, base)
            exponent >>= 1
            if exponent:
                base = f.binary("mul", base, base)
        return out
    bits = type.bits if type.kind == "u8" else type.bits - 1
    with f.loop(0, bits, carry=[one, x, o]) as loop:
        out, base, left = loop.carry
        odd = f.compare("ne", f.binary("and", left, one), const(0, type))
        out = f.select(odd, f.binary("mul", out, base), out)
        loop.next = [out, f.binary("mul", base, base), f.binary("lshr", left, one)]
    out = loop.out[0]
    if type.kind == "u8":
        return out
    # Only ±1 have a reciprocal with an integer part.
    unit = f.intrinsic("smax", x, f.negate(x))
    odd = f.compare("ne", f.binary("and", o, one), const(0, type))
    small = f.select(f.compare("eq", unit, one), f.select(odd, x, one), const(0, type))
    return f.select(f.compare("slt", o, const(0, type)), small, out)

"""Formulas on float registers: arithmetic in which Python numbers may stand for constants."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.casting import fused
from chainrule.compile.emit.types import F32, I64, Register, Type, const

Term = Register | float

# float type: its integer type, mantissa bits, exponent of 1 as stored
_LAYOUT = {"f32": ("i32", 23, 127), "f64": ("i64", 52, 1023)}


class Formula:
    """Writes into function `f`, on registers of `type` (float32 or float64, any lanes)."""

    def __init__(self, f: Function, type: Type = F32) -> None:
        self.f = f
        self.type = type
        kind, self.mantissa, self.bias = _LAYOUT[type.kind]
        self.whole = type.like(kind)
        # Added to a small number it leaves the nearest integer in the low bits of the sum.
        self.magic = 1.5 * 2.0**self.mantissa

    def number(self, x: Term) -> Register:
        return x if isinstance(x, Register) else const(x, self.type)

    def add(self, a: Term, b: Term) -> Register:
        return self.f.binary("fadd", self.number(a), self.number(b))

    def sub(self, a: Term, b: Term) -> Register:
        return self.f.binary("fsub", self.number(a), self.number(b))

    def mul(self, a: Term, b: Term) -> Register:
        return self.f.binary("fmul", self.number(a), self.number(b))

    def div(self, a: Term, b: Term) -> Register:
        return self.f.binary("fdiv", self.number(a), self.number(b))

    def fma(self, a: Term, b: Term, c: Term) -> Register:
        """a·b + c, rounded once where the target can."""
        if fused(self.f):
            return self.f.fma(self.number(a), self.number(b), self.number(c))
        return self.add(self.mul(a, b), c)

    def polynomial(self, x: Register, coefficients: Sequence[float]) -> Register:
        """Σ coefficients[k]·x^k by Horner's rule."""
        out = self.number(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            out = self.fma(out, x, c)
        return out

    def abs(self, x: Register) -> Register:
        return self.f.intrinsic("fabs", x)

    def signed(self, size: Register, sign: Register) -> Register:
        """|size| with the sign of `sign`."""
        return self.f.intrinsic("copysign", size, sign)

    def negated(self, x: Register, condition: Register) -> Register:
        """−x where the condition holds, else x."""
        return self.select(condition, self.f.negate(x), x)

    def test(self, predicate: str, a: Term, b: Term) -> Register:
        return self.f.compare(predicate, self.number(a), self.number(b))

    def select(self, condition: Register, a: Term, b: Term) -> Register:
        return self.f.select(condition, self.number(a), self.number(b))

    def at_most(self, x: Register, limit: float) -> Register:
        """The smaller of the two; NaN passes through."""
        return self.select(self.test("olt", limit, x), limit, x)

    def at_least(self, x: Register, limit: float) -> Register:
        """The larger of the two; NaN passes through."""
        return self.select(self.test("ogt", limit, x), limit, x)

    # ---- bits ----------------------------------------------------------------------------------

    def bits(self, x: Register) -> Register:
        return self.f.bitcast(x, self.whole)

    def from_bits(self, x: Register) -> Register:
        return self.f.bitcast(x, self.type)

    def integer(self, op: str, a: Register, b: Register | int) -> Register:
        """An integer instruction: add, sub, and, shl, lshr, ashr …"""
        return self.f.binary(op, a, b if isinstance(b, Register) else const(b, a.type))

    def power_of_two(self, exponent: Register) -> Register:
        """The float whose stored exponent is in the low bits; the bits above it are dropped."""
        return self.from_bits(self.integer("shl", exponent, self.mantissa))


def any_lane(f: Function, mask: Register) -> Register:
    """Whether some lane of the mask is set, as 0 or 1 (i64)."""
    if mask.type.lanes:
        mask = f.call(f"llvm.vector.reduce.or.{mask.type.suffix}", mask.type.element, mask)
    return f.value(I64, f"zext {mask.typed} to i64")

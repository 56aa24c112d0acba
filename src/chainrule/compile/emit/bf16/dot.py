"""The dot product of pairs of bfloat16 numbers in place of the multiply-add."""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.types import Register, Type


class _Pairs(Function):
    """A function being written, in which `fma` takes lanes that are pairs."""

    def __init__(self, f: Function) -> None:
        self.__dict__ = f.__dict__  # one and the same function, seen in another way

    def fma(self, a: Register, b: Register, c: Register) -> Register:
        """a₀·b₀ + a₁·b₁ + c in each lane, in float32."""
        bits = 32 * c.type.lanes
        pair = Type("bf16", 2 * c.type.lanes)
        name = f"llvm.x86.avx512bf16.dpbf16ps.{bits}"
        return self.call(name, c.type, c, self.bitcast(a, pair), self.bitcast(b, pair))


def paired(f: Function) -> Function:
    """The same function, for the generators of float32 kernels whose operands are in pairs."""
    return _Pairs(f)


def rounded_pairs(f: Function, low: Register, high: Register) -> Register:
    """Two float32 vectors rounded to bfloat16, one after the other, as one vector of pairs."""
    type = low.type
    wide = Type("bf16", 2 * type.lanes)
    name = f"llvm.x86.avx512bf16.cvtne2ps2bf16.{32 * type.lanes}"
    return f.bitcast(f.call(name, wide, high, low), type)


def pair_up(f: Function, first: Register, second: Register) -> Register:
    """Two float32 vectors rounded to bfloat16, lane by lane as pairs (first, second)."""
    type = first.type
    both = f.bitcast(rounded_pairs(f, first, second), Type("bf16", 2 * type.lanes))
    order = [i + half for i in range(type.lanes) for half in (0, type.lanes)]
    return f.bitcast(f.shuffle(both, both, order), type)

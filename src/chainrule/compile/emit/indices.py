"""Integer arithmetic for addresses, folded while it is written, and loops over indices."""

from __future__ import annotations

from chainrule.compile.emit.types import I64, Index, Register, Shifted, Type


def text_of(i: int | Register) -> str:
    return str(i) if isinstance(i, int) else i.text


def split(i: Index) -> tuple[Register | None, int]:
    """An index as a register (or None) and a constant."""
    if isinstance(i, int):
        return None, i
    return (i.base, i.plus) if isinstance(i, Shifted) else (i, 0)


def shifted(base: Register | None, plus: int) -> Index:
    if base is None:
        return plus
    return Shifted(base, plus) if plus else base


class Indices:
    """The part of a function that computes indices (i64)."""

    def value(self, type: Type, text: str) -> Register:
        raise NotImplementedError

    def call(self, name: str, result: Type | None, *arguments: Register) -> Register:
        raise NotImplementedError

    _known: dict[str, Register]

    def add(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(a, int):
            a, b = b, a
        x, p = split(a)
        y, q = split(b)
        if y is None:
            return shifted(x, p + q)
        assert x is not None
        return shifted(self._integer("add nsw", x, y), p + q)

    def sub(self, a: Index, b: Index) -> Index:
        x, p = split(a)
        y, q = split(b)
        if y is None:
            return shifted(x, p - q) if x is not None else p - q
        return shifted(self._integer("sub nsw", 0 if x is None else x, y), p - q)

    def mul(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if isinstance(a, int):
            a, b = b, a
        if isinstance(b, int):
            x, p = split(a)
            assert x is not None
            if b in (0, 1):
                return a if b else 0
            return shifted(self._integer("mul nsw", x, b), p * b)
        return self._integer("mul nsw", self.whole(a), self.whole(b))

    def whole(self, a: Index) -> int | Register:
        """The index as one number or register."""
        if isinstance(a, Shifted):
            return self._integer("add nsw", a.base, a.plus)
        return a

    def div(self, a: Index, b: int) -> Index:
        """⌊a/b⌋ for b > 0 and any sign of a."""
        a = self.whole(a)
        if isinstance(a, int):
            return a // b
        if b == 1:
            return a
        if b & (b - 1) == 0:
            return self._integer("ashr", a, b.bit_length() - 1)
        quotient = self._integer("sdiv", a, b)
        rest = self._integer("srem", a, b)
        negative = self.value(Type("b1"), f"icmp slt i64 {rest.text}, 0")
        return self._integer("add", quotient, self.value(I64, f"sext i1 {negative.text} to i64"))

    def udiv(self, a: Index, b: Index) -> Index:
        """⌊a/b⌋ for a ≥ 0, b > 0."""
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return a if isinstance(b, int) and b == 1 else self._integer("udiv", a, b)

    def urem(self, a: Index, b: Index) -> Index:
        """a − b⌊a/b⌋ for a ≥ 0, b > 0."""
        if isinstance(a, int) and isinstance(b, int):
            return a % b
        return 0 if isinstance(b, int) and b == 1 else self._integer("urem", a, b)

    def mod(self, a: Index, b: int) -> Index:
        """a − b⌊a/b⌋ for b > 0 and any sign of a."""
        if isinstance(a, int):
            return a % b
        if b & (b - 1) == 0:
            return self._integer("and", a, b - 1)
        return self.sub(a, self.mul(self.div(a, b), b))

    def min(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self.call("llvm.smin.i64", I64, self.register(a), self.register(b))

    def max(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self.call("llvm.smax.i64", I64, self.register(a), self.register(b))

    def register(self, a: Index) -> Register:
        """The index as a register."""
        a = self.whole(a)
        return Register(str(a), I64) if isinstance(a, int) else a

    def test(self, predicate: str, a: Index, b: Index) -> Register:
        """Compares two indices: slt, sge, eq …"""
        x, y = self.whole(a), self.whole(b)
        return self._pure(Type("b1"), f"icmp {predicate} i64 {text_of(x)}, {text_of(y)}")

    def _integer(self, op: str, a: Index, b: Index) -> Register:
        x, y = self.whole(a), self.whole(b)
        return self._pure(I64, f"{op} i64 {text_of(x)}, {text_of(y)}")

    def _pure(self, type: Type, text: str) -> Register:
        """An instruction whose result a block needs only once."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self.value(type, text)
        return known

    def affine(self, *terms: tuple[Index, Index]) -> Index:
        """Σ index · stride."""
        out: Index = 0
        for i, stride in terms:
            out = self.add(out, self.mul(i, stride))
        return out

"""Uniform random numbers as vector code: the bits of `ops.arrays.philox`, at any place.

Philox 4×64-10 makes four words of a counter, eight float32 or four float64 numbers. Lanes hold
different counters; products of 64 bits are put together from products of 32.
"""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.casting import cast
from chainrule.compile.emit.types import I64, Index, Register, Type, const, vector

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # of the key, from round to round
_ROUNDS = 10
_LOW = 0xFFFFFFFF
_KEPT = 8  # counters that `Remembered` holds: a power of two


def per_counter(type: Type) -> int:
    """How many numbers of that type a counter gives."""
    return 4 if type.kind == "f64" else 8


def uniform(
    f: Function,
    seed: Register,
    offset: Register,
    index: Register,
    type: Type,
    consecutive: bool = False,
) -> Register:
    """The numbers in [0, 1) at `index` (i64, as many lanes as `type`).

    `consecutive`: the indices are n, n + 1, …, so that neighbours share counters. That is cheaper.
    """
    each = per_counter(type)
    if not consecutive or not type.lanes:
        return _at(f, seed, offset, index, type)
    first = f.extract(index, 0)
    # Enough counters for the worst alignment; a power of two, as vectors are.
    count = 1 << (-(-(type.lanes + each - 1) // each) - 1).bit_length()
    counter = f.value(I64, f"lshr i64 {first.text}, {each.bit_length() - 1}")
    words = _consecutive(f, _words(f, seed, offset, _running(f, counter, count)))
    place = f.allocate(I64, 4 * count)
    for i, word in enumerate(words):
        f.store(word, place, i * count, align=8)
    skip = f.value(I64, f"and i64 {first.text}, {each - 1}")
    raw = f.load(place, skip, type.like("i64" if type.kind == "f64" else "i32"))
    return _number(f, raw, type.kind)


def _at(f: Function, seed: Register, offset: Register, index: Register, type: Type) -> Register:
    """Every lane by itself, from the counter of its own index."""
    each = per_counter(type)
    whole = index.type

    def low_bits(x: Register, mask: int) -> Register:
        return f.binary("and", x, const(mask, whole))

    counter = f.binary("lshr", index, const(each.bit_length() - 1, whole))
    words = _words(f, seed, offset, counter)
    which = index if each == 4 else f.binary("lshr", index, const(1, whole))
    odd = f.compare("ne", low_bits(which, 1), const(0, whole))
    high = f.compare("ne", low_bits(which, 2), const(0, whole))
    early, late = f.select(odd, words[1], words[0]), f.select(odd, words[3], words[2])
    word = f.select(high, late, early)
    if each == 8:
        shift = f.binary("shl", low_bits(index, 1), const(5, whole))
        word = f.convert(f.binary("lshr", word, shift), "i32")
    return _number(f, word, type.kind)


class Remembered:
    """The numbers of the counters that were met last, where lanes are whole counters apart.

    Such lanes draw the same of their counters' numbers, and in a loop over elements the others soon
    after: all are made at once and kept on the stack. To be made before the loops.
    """

    def __init__(self, f: Function, type: Type) -> None:
        self.type = type
        self._numbers = f.allocate(type, _KEPT * per_counter(type))
        self._counters = f.allocate(I64, _KEPT)
        for i in range(_KEPT):
            f.store(const(-1, I64), self._counters, i)

    def at(
        self, f: Function, seed: Register, offset: Register, first: Index, step: int
    ) -> Register:
        """The numbers at first + step·lane; `step` is a multiple of `per_counter`."""
        each, lanes = per_counter(self.type), self.type.lanes
        first = f.register(first)
        counter = f.register(f.div(first, each))
        # Neighbours of rows that are visited in turn do not drive each other out.
        place = f.register(f.mod(counter, _KEPT))
        start = f.register(f.mul(place, each * lanes))
        known = f.load(self._counters, place, I64)
        with f.when(f.compare("ne", known, counter)):
            f.store(counter, self._counters, place)
            apart = vector([step // each * lane for lane in range(lanes)], "i64")
            words = _words(f, seed, offset, f.binary("add", f.splat(counter, lanes), apart))
            raw = [x for word in words for x in _halves(f, word, self.type.kind)]
            for i, x in enumerate(raw):
                f.store(_number(f, x, self.type.kind), self._numbers, f.add(start, i * lanes))
        which = f.mul(f.mod(first, each), lanes)
        return f.load(self._numbers, f.add(start, which), self.type)


def _halves(f: Function, word: Register, kind: str) -> list[Register]:
    """A word of every lane as the integers that its numbers are made of, in their order."""
    if kind == "f64":
        return [word]
    high = f.binary("lshr", word, const(32, word.type))
    return [f.convert(word, "i32"), f.convert(high, "i32")]


def _running(f: Function, counter: Register, count: int) -> Register:
    """counter, counter + 1, … in `count` lanes (1: a scalar)."""
    if count == 1:
        return counter
    return f.binary("add", f.splat(counter, count), vector(list(range(count)), "i64"))


def _words(f: Function, seed: Register, offset: Register, counter: Register) -> list[Register]:
    """The four words of each counter: offset + 1 + counter, encrypted with the seed."""
    whole = counter.type

    def plus(a: Register, b: int) -> Register:
        return f.binary("add", a, const(_signed(b), whole))

    key = f.splat(seed, whole.lanes)
    start = f.splat(offset, whole.lanes)
    low = plus(f.binary("add", start, counter), 1)
    carry = f.compare("ult", low, start)
    high = f.value(whole, f"zext {carry.typed} to {whole.text}")
    zero = const(0, whole)
    words = [low, high, zero, zero]
    for i in range(_ROUNDS):
        keys = (plus(key, i * _STEPS[0]), const(_signed(i * _STEPS[1]), whole))
        first = _product(f, words[0], _MULTIPLIERS[0])
        second = (zero, zero) if i == 0 else _product(f, words[2], _MULTIPLIERS[1])
        words = [
            f.binary("xor", f.binary("xor", second[0], words[1]), keys[0]),
            second[1],
            f.binary("xor", f.binary("xor", first[0], words[3]), keys[1]),
            first[1],
        ]
    return words


def _signed(x: int) -> int:
    """The low 64 bits of x, as a signed number."""
    return ((x + 2**63) % 2**64) - 2**63


def _product(f: Function, x: Register, by: int) -> tuple[Register, Register]:
    """The high and the low 64 bits of x·by, unsigned."""
    type = x.type

    def shifted(a: Register, bits: int = 32) -> Register:
        return f.binary("lshr", a, const(bits, type))

    def low_half(a: Register) -> Register:
        return f.binary("and", a, const(_LOW, type))

    high, low = shifted(x), low_half(x)
    many, few = const(by >> 32, type), const(by & _LOW, type)
    bottom, inner = f.binary("mul", low, few), f.binary("mul", low, many)
    outer, top = f.binary("mul", high, few), f.binary("mul", high, many)
    middle = f.binary("add", f.binary("add", shifted(bottom), low_half(inner)), outer)
    upper = f.binary("add", f.binary("add", top, shifted(inner)), shifted(middle))
    moved = f.binary("shl", middle, const(32, type))
    return upper, f.binary("or", moved, low_half(bottom))


def _consecutive(f: Function, words: list[Register]) -> list[Register]:
    """Word w of the counter in lane l goes to place 4l + w."""
    n = words[0].type.lanes
    if not n:
        return words
    pairs = [i // 2 + n * (i % 2) for i in range(2 * n)]
    fours = [2 * (i // 4) + i % 2 + n * (i % 4 // 2) for i in range(2 * n)]
    early, late = (
        [f.shuffle(a, b, pairs[:n]), f.shuffle(a, b, pairs[n:])] for a, b in (words[:2], words[2:])
    )
    return [
        f.shuffle(a, b, part)
        for a, b in zip(early, late, strict=True)
        for part in (fours[:n], fours[n:])
    ]


def _number(f: Function, raw: Register, kind: str) -> Register:
    """The highest 24 or 53 bits as a fraction."""
    drop, bits = (11, 53) if kind == "f64" else (8, 24)
    whole = f.binary("lshr", raw, const(drop, raw.type))
    wide = raw.type.like("f64" if kind == "f64" else "f32")
    op = "uitofp" if kind == "f64" else "sitofp"
    number = f.value(wide, f"{op} {whole.typed} to {wide.text}")
    return cast(f, f.binary("fmul", number, const(2.0**-bits, wide)), kind)

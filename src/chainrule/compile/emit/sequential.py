"""Kernels that walk along lines: running sums and products, and sorting.

Arrays are row-major [outer, n, inner]; a line is the n elements that share outer and inner index,
`inner` elements apart. Sizes are known; the range (low, high) is the calling thread's share.
"""

from __future__ import annotations

from chainrule.compile.emit.builder import Function
from chainrule.compile.emit.casting import cast
from chainrule.compile.emit.elementwise import emit
from chainrule.compile.emit.types import I64, Index, Register, Type, const, vector

_OPERATION = {"cumulative_sum": "add", "cumulative_prod": "multiply"}

# ---- running sums and products -----------------------------------------------------------------


def cumulative_units(outer: int, inner: int, lanes: int) -> int:
    """How many units of work `cumulative` has: lines, or bundles of `lanes` neighbouring lines."""
    return outer * -(-inner // _bundle(inner, lanes))


def _bundle(inner: int, lanes: int) -> int:
    """How many lines are done at once."""
    return lanes if 1 < lanes <= inner else 1


def cumulative(
    f: Function,
    name: str,
    source: Register,
    destination: Register,
    n: int,
    inner: int,
    types: tuple[Type, Type],
    lanes: int,
    low: Index,
    high: Index,
) -> None:
    """`cumulative_sum` or `cumulative_prod` of the units low … high − 1 (see `cumulative_units`).

    types: of the source's and the destination's elements. Additions are in order and rounded to
    the destination's type one by one, as in NumPy. source may be destination if the types agree.
    """
    if not n or not inner:
        return
    width = _bundle(inner, lanes)
    bundles = -(-inner // width)
    got, out = (type.of(width if width > 1 else 0) for type in types)
    with f.loop(low, high) as unit:
        column = f.mul(f.urem(unit.i, bundles), width)
        start = f.add(f.mul(f.udiv(unit.i, bundles), n * inner), column)
        mask = None
        if inner % width:
            mask = _before(f, width, f.sub(inner, column))

        def element(i: Index) -> tuple[Register, Index]:
            place = f.add(start, f.mul(i, inner))
            if mask is None:
                return cast(f, f.load(source, place, got), out.kind), place
            x = f.load_masked(source, place, got, mask, const(0, got))
            return cast(f, x, out.kind), place

        def write(x: Register, place: Index) -> None:
            if mask is None:
                f.store(x, destination, place)
            else:
                f.store_masked(x, destination, place, mask)

        first, place = element(0)
        write(first, place)
        with f.loop(1, n, carry=[first]) as step:
            x, place = element(step.i)
            total = emit(f, _OPERATION[name], [step.carry[0], x], out)
            write(total, place)
            step.next = [total]


def _before(f: Function, lanes: int, count: Index) -> Register:
    """A mask of the first `count` lanes."""
    numbers = vector(list(range(lanes)), "i64")
    return f.compare("slt", numbers, f.splat(f.register(count), lanes))


# ---- sorting -----------------------------------------------------------------------------------


def argsort_scratch(n: int, type: Type) -> int:
    """Bytes of 8-byte aligned memory that each thread needs to sort lines of n elements."""
    return 2 * (_key_bytes(n, type) + 8 * n)


def argsort(
    f: Function,
    source: Register,
    destination: Register,
    scratch: Register,
    n: int,
    inner: int,
    descending: bool,
    type: Type,
    low: Index,
    high: Index,
    leading: int | None = None,
    lanes: int = 8,
) -> None:
    """For the lines low … high − 1 the indices (int64) that sort them; equal elements keep their
    order. NaN counts as the largest: last, or first if descending.

    A merge sort from runs of one upwards, on integers in the order of the elements. It has no
    branch that depends on the data. scratch: `argsort_scratch(n, type)` bytes. `leading`: only so
    many of each line, at least 1, are wanted; the others are not written.
    """
    count = n if leading is None else min(leading, n)
    kind = _key_kind(type)
    size = _key_bytes(n, type)
    keys = [f.at(scratch, i * size, Type("i8")) for i in (0, 1)]
    places = [f.at(scratch, 2 * size + 8 * n * i, Type("i8")) for i in (0, 1)]
    with f.loop(low, high) as line:
        start = f.add(f.mul(f.udiv(line.i, inner), n * inner), f.urem(line.i, inner))
        with f.loop(0, n) as element:
            x = f.load(source, f.add(start, f.mul(element.i, inner)), type)
            key = _key(f, x)
            if descending:
                key = f.binary("xor", key, const(-1, key.type))
            f.store(key, keys[0], element.i)
            f.store(f.register(element.i), places[0], element.i)
        if count < n:
            _choose(f, n, count, Type(kind), lanes, (keys[0], places[0]), (keys[1], places[1]))
        levels = max(count - 1, 0).bit_length()
        with f.loop(0, levels, carry=[*keys, *places]) as level:
            old_keys, new_keys, old_places, new_places = level.carry
            _merge_all(f, level.i, count, kind, (old_keys, old_places), (new_keys, new_places))
            level.next = [new_keys, old_keys, new_places, old_places]
        result = level.out[2] if levels else places[0]
        with f.loop(0, count) as element:
            place = f.load(result, element.i, I64)
            f.store(place, destination, f.add(start, f.mul(element.i, inner)))


def _choose(
    f: Function,
    n: int,
    count: int,
    type: Type,
    lanes: int,
    line: tuple[Register, Register],
    room: tuple[Register, Register],
) -> None:
    """Brings the `count` smallest of n keys, with their places, to the front, in the order in
    which they are; count < n. `room` is as large as `line` and need not keep anything."""
    least = const(-(2 ** (type.bits - 1)), type)
    most = const(2 ** (type.bits - 1) - 1, type)
    wanted = Register(str(count), I64)
    # The largest key that is taken: by halves.
    with f.loop(0, type.bits, carry=[least, most]) as half:
        low, high = half.carry
        step = f.binary("lshr", f.binary("sub", high, low), const(1, type))
        middle = f.binary("add", low, step)
        enough = f.compare("sge", _counted(f, line[0], n, "sle", middle, lanes), wanted)
        above = f.binary("add", middle, const(1, type))
        half.next = [f.select(enough, low, above), f.select(enough, middle, high)]
    last = half.out[1]
    below = _counted(f, line[0], n, "slt", last, lanes)
    zero = Register("0", I64)
    with f.loop(0, n, carry=[zero, f.binary("sub", wanted, below)]) as element:
        at, equals = element.carry
        key = f.load(line[0], element.i, type)
        f.store(key, room[0], at)
        f.store(f.register(element.i), room[1], at)
        equal = f.binary("and", f.compare("eq", key, last), f.compare("sgt", equals, zero))
        taken = f.binary("or", f.compare("slt", key, last), equal)
        element.next = [
            f.binary("add", at, f.convert(taken, "i64")),
            f.binary("sub", equals, f.convert(equal, "i64")),
        ]
    with f.loop(0, count) as element:
        for old, new, kind in ((room[0], line[0], type), (room[1], line[1], I64)):
            f.store(f.load(old, element.i, kind), new, element.i)


def _counted(
    f: Function, keys: Register, n: int, predicate: str, limit: Register, lanes: int
) -> Register:
    """How many of the keys are below (or equal to) the limit, i64."""
    wide, rest = limit.type.of(lanes), n % lanes
    limits, one, none = f.splat(limit, lanes), const(1, wide), const(0, wide)
    with f.loop(0, n - rest, lanes, carry=[none]) as part:
        inside = f.compare(predicate, f.load(keys, part.i, wide), limits)
        part.next = [f.binary("add", part.carry[0], f.select(inside, one, none))]
    found = part.out[0]
    if rest:
        mask = f.first(rest, lanes)
        x = f.load_masked(keys, n - rest, wide, mask, none)
        inside = f.binary("and", f.compare(predicate, x, limits), mask)
        found = f.binary("add", found, f.select(inside, one, none))
    return f.convert(f.call(f"llvm.vector.reduce.add.{wide.suffix}", limit.type, found), "i64")


def _merge_all(
    f: Function,
    level: Index,
    n: int,
    kind: str,
    old: tuple[Register, Register],
    new: tuple[Register, Register],
) -> None:
    """Merges neighbouring runs of 2^level (keys, places) from `old` into `new`."""
    width = f.value(I64, f"shl i64 1, {f.register(level).text}")
    double = f.add(width, width)
    pairs = f.udiv(f.add(f.register(n - 1), double), double)
    with f.loop(0, pairs) as pair:
        start = f.mul(pair.i, double)
        middle = f.register(f.min(f.add(start, width), n))
        end = f.register(f.min(f.add(start, double), n))
        with f.loop(start, end, carry=[f.register(start), middle]) as out:
            a, b = out.carry
            # Past the end of a run the load is one too far, still inside the scratch memory.
            left, right = (f.load(old[0], i, Type(kind)) for i in (a, b))
            smaller = f.compare("sle", left, right)
            over = f.test("sge", b, end)
            take = f.binary("and", f.test("slt", a, middle), f.binary("or", over, smaller))
            f.store(f.select(take, left, right), new[0], out.i)
            f.store(f.load(old[1], f.select(take, a, b), I64), new[1], out.i)
            step = f.convert(take, "i64")
            rest = f.binary("sub", const(1, I64), step)
            out.next = [f.binary("add", a, step), f.binary("add", b, rest)]


def _key_kind(type: Type) -> str:
    return "i64" if type.bits == 64 else "i32"


def _key_bytes(n: int, type: Type) -> int:
    """Room for n keys and the one behind them, in whole words."""
    return -(-(n + 1) * Type(_key_kind(type)).size // 8) * 8


def _key(f: Function, x: Register) -> Register:
    """An integer in the order of the numbers: −0 is 0, and NaN the largest."""
    kind = _key_kind(x.type)
    if not x.type.floating:
        return f.convert(x, kind)
    x = cast(f, x, "f64" if kind == "i64" else "f32")
    plain = f.binary("fadd", x, const(0, x.type))  # −0 + 0 is 0
    bits = f.bitcast(plain, Type(kind))
    size = bits.type.bits
    # Negative numbers: all bits but the sign turned, so that the larger size comes first.
    negative = f.binary("ashr", bits, const(size - 1, bits.type))
    turn = f.binary("and", negative, const(2 ** (size - 1) - 1, bits.type))
    key = f.binary("xor", bits, turn)
    return f.select(f.compare("uno", x, x), const(2 ** (size - 1) - 1, bits.type), key)

"""Writes LLVM IR as text: modules, functions, loops, and the instructions that kernels need.

Nothing here knows a processor: vectors have any number of lanes and LLVM splits those that are
wider than the registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chainrule.compile.emit.indices import Indices, split
from chainrule.compile.emit.loop import Loop
from chainrule.compile.emit.types import (
    F32,
    POINTER,
    Index,
    Register,
    Type,
    const,
    number,
    vector,
)


class Module:
    """Functions, declarations and constant tables of one program. `fma`: whether the target fuses
    multiplication and addition (else LLVM would call a slow function for it)."""

    def __init__(self, fma: bool = True) -> None:
        self.fma = fma
        self.functions: dict[str, Function] = {}
        self._declared: dict[str, str] = {}
        self._tables: dict[str, str] = {}
        self._texts: dict[str, None] = {}

    def declare(self, name: str, result: Type | None, arguments: Sequence[Type]) -> None:
        inner = ", ".join(a.text for a in arguments)
        self._declared[name] = f"declare {result.text if result else 'void'} @{name}({inner})"

    def table(self, values: Sequence[object], kind: str) -> Register:
        """A constant array; a pointer to its first element. Equal tables are stored once."""
        element = Type(kind)
        inner = ", ".join(f"{element.text} {number(v, kind)}" for v in values)
        text = f"constant [{len(values)} x {element.text}] [{inner}], align 64"
        name = self._tables.setdefault(text, f"table{len(self._tables)}")
        return Register(f"@{name}", POINTER)

    def add(self, text: str) -> None:
        """A piece of IR as it stands, once (the barrier)."""
        self._texts[text] = None

    def text(self) -> str:
        lines = [f"@{name} = private {body}" for body, name in self._tables.items()]
        lines += self._declared.values()
        lines += self._texts
        lines += [f.text() for f in self.functions.values()]
        lines.append("attributes #0 = { nounwind }")
        return "\n".join(lines) + "\n"


class Function(Indices):
    """A function while it is written. `arguments` are its registers, by name."""

    def __init__(
        self,
        module: Module,
        name: str,
        arguments: Sequence[tuple[str, Type]],
        internal: bool = True,
        result: Type | None = None,
    ) -> None:
        self.module = module
        self.name = name
        self.arguments = {n: Register(f"%{n}", t) for n, t in arguments}
        inner = ", ".join(f"{t.text} %{n}" for n, t in arguments)
        linkage = "internal " if internal else ""
        self._head = f"define {linkage}{result.text if result else 'void'} @{name}({inner}) #0 {{"
        self._lines: list[str | None] = ["entry:"]
        self._count = 0
        self._block = "entry"
        self._known: dict[str, Register] = {}  # integer results of this block, by instruction
        self._entry = 1  # where allocations go
        module.functions[name] = self

    def text(self) -> str:
        return "\n".join([self._head, *(x for x in self._lines if x is not None), "}"])

    # ---- lines and blocks ----------------------------------------------------------------------

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def line(self, text: str) -> None:
        self._lines.append("  " + text)

    def value(self, type: Type, text: str) -> Register:
        """A new register with the result of an instruction."""
        name = "%" + self._fresh("v")
        self._lines.append(f"  {name} = {text}")
        return Register(name, type)

    def _label(self, name: str) -> None:
        self._known.clear()
        self._lines.append(name + ":")
        self._block = name

    def ret(self) -> None:
        self.line("ret void")

    def call(
        self, name: str, result: Type | None, *arguments: Register, declare: bool = True
    ) -> Register:
        """Calls a function by name; declares it unless it is ours."""
        if declare and name not in self.module.functions:
            self.module.declare(name, result, [a.type for a in arguments])
        inner = ", ".join(a.typed for a in arguments)
        if result is None:
            self.line(f"call void @{name}({inner})")
            return Register("", POINTER)
        return self.value(result, f"call {result.text} @{name}({inner})")

    def allocate(self, type: Type, count: int) -> Register:
        """Memory on the stack, 64-byte aligned, for `count` elements (vectors) of `type`."""
        name = "%" + self._fresh("m")
        self._lines.insert(self._entry, f"  {name} = alloca [{count} x {type.text}], align 64")
        self._entry += 1
        return Register(name, POINTER)

    # ---- loops and branches --------------------------------------------------------------------

    @contextmanager
    def loop(
        self,
        low: Index,
        high: Index,
        step: int = 1,
        carry: Sequence[Register] = (),
        guard: bool | None = None,
    ) -> Iterator[Loop]:
        """`with f.loop(0, n, carry=[x]) as l:` use l.i, l.carry; set l.next; then read l.out.

        A loop that runs once is no loop. `guard` tests low < high first; by default it is there
        unless both are numbers and low < high.
        """
        low, high = self.whole(low), self.whole(high)
        loop = Loop(self, low, high, step, list(carry))
        if isinstance(low, int) and isinstance(high, int):
            if low >= high:
                # The body is still written, into a place that is thrown away.
                kept = self._lines, self._block, self._entry
                self._lines = list(self._lines)
                loop.i, loop.carry = 0, loop.start
                yield loop
                self._lines, self._block, self._entry = kept
                self._known.clear()
                loop.out = loop.start
                return
            if low + step >= high:
                loop.i, loop.carry = low, loop.start
                yield loop
                loop.out = loop.next or loop.start
                return
            guard = bool(guard)
        elif guard is None:
            guard = True
        loop.enter(guard)
        yield loop
        loop.leave(guard)

    @contextmanager
    def when(self, condition: Register) -> Iterator[None]:
        """The body runs only if the condition (b1) holds."""
        then, end = self._fresh("then"), self._fresh("end")
        self.line(f"br i1 {condition.text}, label %{then}, label %{end}")
        self._label(then)
        yield
        self.line(f"br label %{end}")
        self._label(end)

    # ---- memory --------------------------------------------------------------------------------

    def at(self, pointer: Register, offset: Index, element: Type = F32) -> Register:
        """The address of element `offset`, counted in elements of that type."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        name = "i8" if element.kind == "b1" else element.element.text
        base, plus = split(offset)
        if base is not None:
            pointer = self._pure(
                POINTER, f"getelementptr {name}, ptr {pointer.text}, i64 {base.text}"
            )
        if plus:
            pointer = self._pure(POINTER, f"getelementptr {name}, ptr {pointer.text}, i64 {plus}")
        return pointer

    def load(
        self, pointer: Register, offset: Index, type: Type, align: int | None = None
    ) -> Register:
        """One element or a vector of neighbours; truth values come from bytes."""
        place = self.at(pointer, offset, type)
        align = align or type.size
        if type.kind == "b1":
            byte = type.like("i8")
            raw = self.value(byte, f"load {byte.text}, ptr {place.text}, align {align}")
            return self.compare("ne", raw, const(0, byte))
        return self.value(type, f"load {type.text}, ptr {place.text}, align {align}")

    def store(
        self, x: Register, pointer: Register, offset: Index, align: int | None = None
    ) -> None:
        place = self.at(pointer, offset, x.type)
        align = align or x.type.size
        if x.type.kind == "b1":
            x = self.convert(x, "i8")
        self.line(f"store {x.typed}, ptr {place.text}, align {align}")

    def load_masked(
        self, pointer: Register, offset: Index, type: Type, mask: Register, other: Register
    ) -> Register:
        """Lanes without mask are not read: they are `other`."""
        if type.kind == "b1":
            byte = type.like("i8")
            got = self.load_masked(pointer, offset, byte, mask, self.convert(other, "i8"))
            return self.compare("ne", got, const(0, byte))
        place = self.at(pointer, offset, type)
        return self.call(
            f"llvm.masked.load.{type.suffix}.p0",
            type,
            place,
            Register(str(type.size), Type("i32")),
            mask,
            other,
        )

    def store_masked(self, x: Register, pointer: Register, offset: Index, mask: Register) -> None:
        """Lanes without mask are not written."""
        if mask.text.count("i1 true") == 1:
            # LLVM makes this a scalar store, and one of 4 bytes where the value was cut to fewer.
            lane = ["true" in word for word in mask.text.split(",")].index(True)
            self.store(self.extract(x, lane), pointer, offset)
            return
        place = self.at(pointer, offset, x.type)
        if x.type.kind == "b1":
            x = self.convert(x, "i8")
        self.call(
            f"llvm.masked.store.{x.type.suffix}.p0",
            None,
            x,
            place,
            Register(str(x.type.size), Type("i32")),
            mask,
        )

    def first(self, count: int, lanes: int) -> Register:
        """A mask with the first `count` lanes set."""
        return vector([i < count for i in range(lanes)], "b1")

    # ---- lanes ---------------------------------------------------------------------------------

    def splat(self, x: Register, lanes: int) -> Register:
        """The scalar in every lane."""
        if x.type.lanes or not lanes:
            return x
        type = x.type.of(lanes)
        if not x.text.startswith(("%", "@")):
            return Register("zeroinitializer" if x.text == "0" else f"splat ({x.typed})", type)
        one = self.value(type, f"insertelement {type.text} poison, {x.typed}, i64 0")
        return self.value(
            type,
            f"shufflevector {one.typed}, {type.text} poison, <{lanes} x i32> zeroinitializer",
        )

    def load_splat(self, pointer: Register, offset: Index, type: Type) -> Register:
        """The element at offset in every lane of `type`."""
        return self.splat(self.load(pointer, offset, type.element), type.lanes)

    def extract(self, x: Register, lane: Index) -> Register:
        at = self.register(lane)
        return self.value(x.type.element, f"extractelement {x.typed}, {at.typed}")

    def insert(self, x: Register, element: Register, lane: Index) -> Register:
        at = self.register(lane)
        return self.value(x.type, f"insertelement {x.typed}, {element.typed}, {at.typed}")

    def shuffle(self, a: Register, b: Register, lanes: Sequence[int]) -> Register:
        """Lanes of a (0 … n−1) and b (n …)."""
        mask = vector(list(lanes), "i32")
        return self.value(
            a.type.of(len(lanes)), f"shufflevector {a.typed}, {b.typed}, {mask.typed}"
        )

    def lanes(self, x: Register) -> list[Register]:
        return [self.extract(x, i) for i in range(x.type.lanes)]

    def gathered(self, elements: Sequence[Register]) -> Register:
        """Scalars as the lanes of a vector."""
        type = elements[0].type.of(len(elements))
        out = Register("poison", type)
        for i, element in enumerate(elements):
            out = self.insert(out, element, i)
        return out

    # ---- arithmetic ----------------------------------------------------------------------------

    def binary(self, op: str, a: Register, b: Register) -> Register:
        """An LLVM instruction of two operands of one type: fadd, mul, and, shl …"""
        return self.value(a.type, f"{op} {a.type.text} {a.text}, {b.text}")

    def fma(self, a: Register, b: Register, c: Register) -> Register:
        """a·b + c, rounded once where the processor can."""
        if not self.module.fma:
            return self.binary("fadd", self.binary("fmul", a, b), c)
        return self.call(f"llvm.fma.{a.type.suffix}", a.type, a, b, c)

    def negate(self, a: Register) -> Register:
        if a.type.floating:
            return self.value(a.type, f"fneg {a.typed}")
        return self.binary("sub", const(0, a.type), a)

    def intrinsic(self, name: str, *arguments: Register) -> Register:
        """`llvm.<name>.<type>` of arguments of one type, giving that type."""
        type = arguments[0].type
        return self.call(f"llvm.{name}.{type.suffix}", type, *arguments)

    def compare(self, predicate: str, a: Register, b: Register) -> Register:
        """olt, oeq, uno … of floats; eq, ne, slt … of integers."""
        op = "fcmp" if a.type.floating else "icmp"
        return self.value(a.type.like("b1"), f"{op} {predicate} {a.typed}, {b.text}")

    def select(self, condition: Register, a: Register, b: Register) -> Register:
        return self.value(a.type, f"select {condition.typed}, {a.typed}, {b.typed}")

    def bitcast(self, x: Register, type: Type) -> Register:
        if x.type.text == type.text:
            return Register(x.text, type)
        return self.value(type, f"bitcast {x.typed} to {type.text}")

    def convert(self, x: Register, kind: str) -> Register:
        """To another kind of number: floats to integers by truncation, to truth by ≠ 0."""
        source, type = x.type, x.type.like(kind)
        if source.kind == kind:
            return x
        if kind == "b1":
            return self.compare("une" if source.floating else "ne", x, const(0, source))
        unsigned = source.kind in ("b1", "u8")
        if source.floating and type.floating:
            if source.bits == type.bits:  # between the two halves
                return self.convert(self.convert(x, "f32"), kind)
            op = "fpext" if type.bits > source.bits else "fptrunc"
        elif source.floating:
            # The processor's own conversion, as NumPy's on this machine; poison is never made.
            narrow = type if type.bits >= 32 else type.like("i32")
            got = self.call(f"llvm.fptosi.sat.{narrow.suffix}.{source.suffix}", narrow, x)
            return got if narrow is type or narrow == type else self.convert(got, kind)
        elif type.floating:
            op = "uitofp" if unsigned else "sitofp"
        elif type.bits == source.bits:
            return Register(x.text, type)
        elif type.bits > source.bits:
            op = "zext" if unsigned else "sext"
        else:
            op = "trunc"
        return self.value(type, f"{op} {x.typed} to {type.text}")

    def prefetch(self, pointer: Register, offset: Index, write: bool = False) -> None:
        """Asks for the cache line of a float32 element."""
        flags = [Register(str(v), Type("i32")) for v in (int(write), 3, 1)]
        self.call("llvm.prefetch.p0", None, self.at(pointer, offset, F32), *flags)

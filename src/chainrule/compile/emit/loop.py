"""A loop while its body is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.compile.emit.indices import text_of
from chainrule.compile.emit.types import I64, Index, Register, Type

if TYPE_CHECKING:
    from chainrule.compile.emit.builder import Function


class Loop:
    """One loop while its body is written: `i` the variable, `carry` values that go round."""

    def __init__(
        self,
        f: Function,
        low: int | Register,
        high: int | Register,
        step: int,
        start: list[Register],
    ) -> None:
        self._f, self._low, self._high, self._step = f, low, high, step
        self.start = start
        self.i: Index = 0
        self.carry: list[Register] = []
        self.next: list[Register] = []
        self.out: list[Register] = []

    def enter(self, guard: bool) -> None:
        f = self._f
        self._head, self._exit, self._before = f._fresh("loop"), f._fresh("done"), f._block
        if guard:
            go = f.value(Type("b1"), f"icmp slt i64 {text_of(self._low)}, {text_of(self._high)}")
            f.line(f"br i1 {go.text}, label %{self._head}, label %{self._exit}")
        else:
            f.line(f"br label %{self._head}")
        f._label(self._head)
        self.i = Register("%" + f._fresh("i"), I64)
        self.carry = [Register("%" + f._fresh("p"), x.type) for x in self.start]
        self._place = len(f._lines), f._entry
        f._lines.extend([None] * (1 + len(self.start)))

    def leave(self, guard: bool) -> None:
        f = self._f
        after = f.whole(f.add(self.i, self._step))
        block = f._block
        again = f.value(Type("b1"), f"icmp slt i64 {text_of(after)}, {text_of(self._high)}")
        f.line(f"br i1 {again.text}, label %{self._head}, label %{self._exit}")
        moved = f._entry - self._place[1]  # allocations were inserted above
        at = self._place[0] + moved
        assert isinstance(self.i, Register)
        f._lines[at] = (
            f"  {self.i.text} = phi i64 [ {text_of(self._low)}, %{self._before} ], "
            f"[ {text_of(after)}, %{block} ]"
        )
        results = self.next or self.start
        for k, (x, start, new) in enumerate(zip(self.carry, self.start, results, strict=True)):
            f._lines[at + 1 + k] = (
                f"  {x.text} = phi {x.type.text} [ {start.text}, %{self._before} ], "
                f"[ {new.text}, %{block} ]"
            )
        f._label(self._exit)
        if guard:
            self.out = [
                f.value(
                    x.type,
                    f"phi {x.type.text} [ {x.text}, %{self._before} ], [ {new.text}, %{block} ]",
                )
                for x, new in zip(self.start, results, strict=True)
            ]
        else:
            self.out = results

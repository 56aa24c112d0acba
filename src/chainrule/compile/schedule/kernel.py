"""A call of a contraction kernel, as the planner asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.compile.graph import Instruction
from chainrule.compile.schedule.expression import Buffer


@dataclass(eq=False)
class Contraction:
    """One kernel call: `kind` names the generator, `operands` are (buffer, first element).

    `by_block`: each thread does its own blocks of the batch, and touches no others in the buffers
    of `aligned`; otherwise `units` pieces of work are divided among the threads.
    """

    kind: str
    instruction: Instruction | None
    geometry: Any
    operands: tuple[tuple[Buffer, int], ...]
    aligned: tuple[Buffer, ...] = ()
    target: Buffer | None = None  # scratch memory that it fills
    units: int = 0
    by_block: bool = False
    pairs: bool = False  # the operands are in pairs of bfloat16 numbers

    @property
    def in_line(self) -> bool:
        """Whether its stores go over the result as over one line of elements."""
        return self.kind in ("conv_weight", "winograd_weight")

    def reads(self) -> list[Buffer]:
        return [b for b, _ in self.operands]

    def scratch(self) -> list[Buffer]:
        return [self.target] if self.target is not None else []

    def __str__(self) -> str:
        names = ", ".join(b.name + (f"+{at}" if at else "") for b, at in self.operands)
        to = f" -> {self.target.name}" if self.target else ""
        return f"{self.kind}({names}){to} {self.geometry}"

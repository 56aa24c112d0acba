"""The graph of a traced program: values and instructions, printable, and replayed on NumPy.

An instruction calls one primitive. Operands are values or Python constants; everything is in order
of execution and nothing is ever written twice (SSA), so passes can move and drop freely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.errors import TraceError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays import NUMPY


@dataclass(eq=False)
class Value:
    """One result: its shape and dtype are known, its content only when the program runs.

    `kind`: "input", "state" (memory that outlives the call: parameters, buffers, optimiser state),
    "scalar" (a Python number read anew at each call), "constant", "result", or "bundle" (all
    results of a scan, which `item` takes apart).
    `weak`: a scalar that does not take part in promotion, like a Python number.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    kind: str = "result"
    weak: bool = False

    def __repr__(self) -> str:
        if self.kind == "bundle":
            return f"{self.name}: bundle"
        return f"{self.name}: {self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(eq=False)
class Instruction:
    """`out = primitive(*operands, **attributes)`."""

    primitive: str
    operands: tuple[Any, ...]
    attributes: dict[str, Any]
    out: Value

    def uses(self) -> Iterator[Value]:
        """The values that it reads."""
        for operand in self.operands:
            if isinstance(operand, Value):
                yield operand
            elif isinstance(operand, list | tuple):
                yield from (v for v in operand if isinstance(v, Value))

    def __str__(self) -> str:
        words = [_show(o) for o in self.operands]
        words += [f"{k}={_show(v)}" for k, v in self.attributes.items()]
        line = f"{self.out!r} = {self.primitive}({', '.join(words)})"
        body = self.attributes.get("body")
        return line if body is None else f"{line}\n{indent(str(body), '    ')}"


def _show(x: Any) -> str:
    if isinstance(x, Value):
        return x.name
    if isinstance(x, list | tuple):
        inner = ", ".join(map(_show, x))
        return f"[{inner}]" if isinstance(x, list) else f"({inner}{',' if len(x) == 1 else ''})"
    if isinstance(x, slice):
        parts = ["" if v is None else str(v) for v in (x.start, x.stop, x.step)]
        return ":".join(parts[: 3 if x.step is not None else 2])
    return getattr(x, "name", None) or ("..." if x is Ellipsis else repr(x))


class Host:
    """Python code that each run calls once, in order, for the scalars that it returns.

    `save` is called first and returns a function that puts back what `function` changes (a step
    count, the place of a generator), or None: a run that fails has not happened. A run begins with
    `reset`.
    """

    def __init__(
        self,
        function: Callable[[], tuple[Any, ...]],
        values: tuple[Value, ...],
        save: Callable[[], Callable[[], Any] | None],
    ) -> None:
        self.values = values
        self._function, self._save = function, save
        self._undo: Callable[[], Any] | None = None

    def reset(self) -> None:
        self._undo = None

    def function(self) -> tuple[Any, ...]:
        self._undo = self._save()
        return self._function()

    def undo(self) -> None:
        if self._undo is not None:
            self._undo()


@dataclass(frozen=True)
class Source:
    """Where the array of a state value is found: `tensor` itself, or the gradient of that leaf."""

    value: Value
    tensor: Tensor
    gradient: bool = False

    @property
    def array(self) -> np.ndarray:
        """What is there now."""
        found: Any = self.tensor._grad if self.gradient else self.tensor
        return found._data  # type: ignore[no-any-return]


class Results(NamedTuple):
    """What a run gives: outputs, gradients, and the new content of the state in `updates`."""

    outputs: list[np.ndarray]
    gradients: list[np.ndarray | None]
    news: list[np.ndarray]


@dataclass
class Graph:
    """A whole step. `state`: the arrays it reads, by value; `updates`: what it writes back there;
    `gradients`: what `.grad` of each leaf becomes (None: nothing). `sources`: the tensors that the
    arrays of `state` belong to. Where one got another array, the caller puts it into `state` before
    the next run and adds one to `rebound`, for back ends that keep addresses. `checks`: functions
    that raise where an input or a state array is not fit to be used."""

    name: str = "program"
    inputs: list[Value] = field(default_factory=list)
    state: dict[Value, np.ndarray] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    rebound: int = 0
    constants: dict[Value, np.ndarray] = field(default_factory=dict)
    hosts: list[Host] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    updates: list[tuple[Value, Value]] = field(default_factory=list)
    gradients: list[tuple[Tensor, Value | None]] = field(default_factory=list)
    checks: list[tuple[Value, Callable[[np.ndarray], Any]]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"graph {self.name}({', '.join(map(repr, self.inputs))})"]
        lines += [f"  state {v!r}" for v in self.state]
        lines += [f"  constant {v!r}" for v in self.constants]
        lines += [f"  scalar {v!r}" for host in self.hosts for v in host.values]
        lines += [indent(str(instruction), "  ") for instruction in self.instructions]
        lines += [f"  update {old.name} <- {new.name}" for old, new in self.updates]
        lines += [
            f"  gradient {i} <- {value.name if value else None}"
            for i, (_, value) in enumerate(self.gradients)
        ]
        lines.append(f"  return {', '.join(v.name for v in self.outputs)}")
        return "\n".join(lines)

    def replay(self, inputs: list[np.ndarray]) -> Results:
        """The results on NumPy, as arrays of their own. The hosts are called; nothing else is
        written."""
        return mode.quiet(self._replay, inputs)

    def _replay(self, inputs: list[np.ndarray]) -> Results:
        known: dict[Value, Any] = dict(self.constants)
        for value, array in zip(self.inputs, inputs, strict=True):
            if array.shape != value.shape or array.dtype != value.dtype:
                raise self.wrong_input(value, array)
            known[value] = array
        known.update(self.state)
        for host in self.hosts:
            known.update(zip(host.values, host.function(), strict=True))
        last = self._last_use()
        for i, instruction in enumerate(self.instructions):
            operands = [_filled(o, known) for o in instruction.operands]
            name = instruction.primitive
            function: Callable[..., Any] = _replay_scan if name == "scan" else getattr(NUMPY, name)
            result = function(*operands, **instruction.attributes)
            out = instruction.out
            known[out] = result.item() if out.weak else result
            for value in last.get(i, ()):
                known.pop(value, None)
        outputs = [np.array(known[v]) for v in self.outputs]
        gradients = [None if v is None else np.array(known[v]) for _, v in self.gradients]
        news = [np.array(known[new]) for _, new in self.updates]
        return Results(outputs, gradients, news)

    @staticmethod
    def wrong_input(value: Value, array: np.ndarray) -> TraceError:
        """The error for an input of another shape or dtype than the graph's."""
        return TraceError(
            t(
                "The program was traced for {expected}, but is given {dtype}{shape}: "
                "trace it again for this input.",
                expected=repr(value),
                dtype=array.dtype,
                shape=list(array.shape),
            )
        )

    def _last_use(self) -> dict[int, list[Value]]:
        """For each instruction, the values that nothing needs after it."""
        keep = {*self.outputs, *(new for _, new in self.updates), *(v for _, v in self.gradients)}
        seen: set[Value] = set()
        last: dict[int, list[Value]] = {}
        for i in range(len(self.instructions) - 1, -1, -1):
            for value in (*self.instructions[i].uses(), self.instructions[i].out):
                if value not in seen and value not in keep:
                    seen.add(value)
                    last.setdefault(i, []).append(value)
        return last


def _filled(operand: Any, known: dict[Value, Any]) -> Any:
    if isinstance(operand, Value):
        return known[operand]
    if isinstance(operand, list):
        return [_filled(o, known) for o in operand]
    return operand


def _replay_scan(
    *operands: Any, body: Graph, reverse: bool, carries: int, xs: int, constants: int
) -> tuple[Any, ...]:
    """The results of a scan: its body is run once for each time step."""

    def step(F: Any, carry: Any, x: Any, fixed: Any) -> tuple[list[Any], list[Any]]:
        results = body._replay([*carry, *x, *fixed]).outputs
        return results[:carries], results[carries:]

    start, end = carries, carries + xs
    carry, ys = NUMPY.scan(
        step, operands[:start], operands[start:end], operands[end:], reverse=reverse
    )
    return (*carry, *ys)

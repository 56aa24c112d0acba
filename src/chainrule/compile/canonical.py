"""A graph as bytes that say all that the compiler makes code from, and nothing else.

Two processes that trace the same program write the same bytes, whatever the numbers in the names
of values; so these are the name under which its code is found on disk, without planning it again.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from chainrule.base.dtypes import DType
from chainrule.compile.graph import Graph, Value


def canonical(graph: Graph) -> bytes | None:
    """The graph in canonical form; None if it holds something that has none."""
    writer = _Writer()
    try:
        writer.graph(graph)
    except TypeError:
        return None
    return "\n".join(writer.lines).encode()


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._numbers: dict[Value, int] = {}
        self._kinds: dict[tuple[Any, ...], str] = {}  # as text: most values are alike

    def graph(self, graph: Graph) -> None:
        """A line for each input, state, constant, scalar and instruction, then what comes out."""
        for value in graph.inputs:
            self._line("input", self._new(value))
        for value in graph.state:
            self._line("state", self._new(value))
        for value, array in graph.constants.items():
            self._line("constant", self._new(value), _digest(array))
        for host in graph.hosts:
            self._line("host", *map(self._new, host.values))
        word = self._word
        for i in graph.instructions:
            words = [i.primitive]
            words += [word(o) for o in i.operands]
            if i.attributes:
                words += [f"{k}={word(v)}" for k, v in sorted(i.attributes.items())]
            words.append(self._new(i.out))
            self.lines.append(" ".join(words))
        self._line("outputs", *map(self._word, graph.outputs))
        for old, new in graph.updates:
            self._line("update", self._word(old), self._word(new))
        self._line("gradients", *(self._word(value) for _, value in graph.gradients))

    def _line(self, *words: str) -> None:
        self.lines.append(" ".join(words))

    def _new(self, value: Value) -> str:
        # Values that come twice (one constant in two bodies) keep their number.
        number = self._numbers.setdefault(value, len(self._numbers))
        key = value.kind, value.dtype, value.shape, value.weak
        kind = self._kinds.get(key)
        if kind is None:
            weak = " weak" if value.weak else ""
            kind = self._kinds[key] = f"{value.kind} {value.dtype.str} {value.shape}{weak}"
        return f"%{number}: {kind}"

    def _word(self, x: Any) -> str:
        if isinstance(x, Value):
            number = self._numbers.get(x)
            return self._new(x) if number is None else f"%{number}"
        if x is None or x is Ellipsis or isinstance(x, bool | int | str):
            return repr(x)
        if isinstance(x, float):
            return x.hex()
        if isinstance(x, complex):
            return f"{x.real.hex()}+{x.imag.hex()}j"
        if isinstance(x, DType | np.dtype):
            return f"dtype {x.name}"
        if isinstance(x, type) and issubclass(x, np.generic):
            return f"dtype {np.dtype(x).name}"
        if isinstance(x, np.ndarray | np.generic):
            return f"array {_digest(np.asarray(x))}"
        if isinstance(x, slice):
            return f"slice({self._word(x.start)}, {self._word(x.stop)}, {self._word(x.step)})"
        if isinstance(x, tuple | list):
            inside = ", ".join(map(self._word, x))
            return f"({inside},)" if isinstance(x, tuple) else f"[{inside}]"
        if isinstance(x, Graph):
            self._line("body {")
            self.graph(x)
            self._line("}")
            return "body"
        raise TypeError(type(x).__name__)


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return f"{array.dtype.str} {array.shape} {digest}"

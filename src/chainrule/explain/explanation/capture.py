"""Keeping what an explanation needs while a program runs: values, source lines, modules.

Nothing is kept, and nothing is asked, unless `recording` is open in the thread. Inside, the
operations leave their short ways and tell `made` of every node; a record lives as long as its node.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from chainrule.explain.updates import twins
from chainrule.graph import memory
from chainrule.graph.modes import mode
from chainrule.graph.node import Node
from chainrule.graph.tensor import Tensor
from chainrule.nn.module import Module
from chainrule.ops import dispatch
from chainrule.ops.arrays import NUMPY

_PACKAGE = str(Path(__file__).parents[2])
_CALL = Module.__call__.__code__
_APPLY = dispatch.apply.__code__


class Source(NamedTuple):
    """A line of the user's program."""

    file: str
    line: int
    function: str


class Record(NamedTuple):
    """What was kept of one node.

    `inputs`: arrays, numbers, None; parameters as copies, for an optimiser writes them in place.
    `saved`: what the node saved for its gradient. `modules`: the modules that were running, the
    outermost first. `inside`: the operation without a gradient of its own that called this one.
    """

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    saved: Any
    modules: tuple[Module, ...]
    source: Source | None
    inside: str | None


class _Watched(type(NUMPY)):  # type: ignore[misc]
    """The namespace of arrays once more: whoever asks for NUMPY itself is told that it is not."""


_WATCHED = _Watched()
_records: WeakKeyDictionary[Node, Record] = WeakKeyDictionary()


def record_of(node: Node) -> Record | None:
    """What was kept of a node, if `recording` was open when it was made."""
    return _records.get(node)


class recording:
    """Keep everything that `explain` can show of what is computed inside (context manager).

        with cr.explain.recording():
            loss = criterion(model(x), y)
        loss.backward()
        print(cr.explain(loss))

    Values of all operations stay in memory as long as the loss does. Inside, compiled functions
    run in glass mode and checkpoints keep what they would compute again, so that every operation
    is seen. Each thread has its own.
    """

    F = NUMPY
    # The last step of each optimiser that steps inside is kept, too, for `explain(optimizer)`.
    stepping = staticmethod(twins.stepping)
    clipping = staticmethod(twins.clipping)

    def __init__(self) -> None:
        self._before: list[tuple[Any, Any]] = []
        self._copies: dict[int, tuple[Any, int, np.ndarray]] = {}

    def __enter__(self) -> recording:
        self._before.append((mode.F, mode.watch))
        if mode.trace is None:
            mode.F, mode.watch = _WATCHED, self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.F, mode.watch = self._before.pop()
        self._copies.clear()

    def made(self, node: Node, inputs: Any, outputs: Any) -> None:
        """Called for each node, in the frame of the operation that makes it."""
        if mode.trace is not None:
            return
        kept = list(inputs)
        for i, edge in enumerate(node.edges[: len(kept)]):
            if isinstance(edge, Tensor) and isinstance(kept[i], np.ndarray):
                kept[i] = self._copy(kept[i])
        source, modules, inside = _place(sys._getframe(2))
        _records[node] = Record(tuple(kept), tuple(outputs), node.saved, modules, source, inside)

    def _copy(self, array: np.ndarray) -> np.ndarray:
        version = memory.version(array)
        known = self._copies.get(id(array))
        if known is None or known[1] != version:
            known = self._copies[id(array)] = (array, version, array.copy())
        return known[2]


def _place(frame: FrameType | None) -> tuple[Source | None, tuple[Module, ...], str | None]:
    """The user's line, the running modules, and the operation that called this one, if any."""
    source: Source | None = None
    modules: list[Module] = []
    calls: list[str] = []
    while frame is not None:
        code = frame.f_code
        if code is _CALL:
            modules.append(frame.f_locals["self"])
        elif code is _APPLY and source is None:
            calls.append(frame.f_locals["cls"].name)
        elif source is None and not code.co_filename.startswith(_PACKAGE):
            source = Source(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    outer = calls[-1] if len(calls) > 1 else None
    return source, tuple(reversed(modules)), outer

"""When was this memory last written? The versions behind "modified by an in-place operation".

Versions belong to memory, not to tensors: one entry for each array that owns its bytes and was ever
written in place. Views, `detach()` and `numpy()` share the bytes and so share the entry. One clock
orders the writes and the nodes of the graph, so a saved value is stale exactly when its memory was
written after the node that saved it was made. Programs without in-place writes pay nothing.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

# Ticks for nodes and for writes alike; unique, growing.
tick = itertools.count(1).__next__


class _Writes:
    __slots__ = ("last", "owners", "rebased")

    def __init__(self) -> None:
        self.last = 0  # when anything was written last
        self.rebased = 0  # when an in-place operation last changed some tensor's history
        # By the id of an owner: a reference to it, when it was written last, and how often.
        self.owners: dict[int, list[Any]] = {}


writes = _Writes()


def owner(array: np.ndarray) -> np.ndarray:
    """The array that owns the bytes which `array` looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def written(array: np.ndarray) -> None:
    """Note that `array` has just been written in place."""
    written_all([entry_of(array)])


def entry_of(array: np.ndarray) -> list[Any]:
    """The entry of the memory of `array`, for `written_all`; it holds as long as that memory."""
    root = owner(array)
    key = id(root)
    entry = writes.owners.get(key)
    if entry is None or entry[0]() is not root:
        entry = writes.owners[key] = [weakref.ref(root, _forget(key)), 0, 0]
    return entry


def written_all(entries: Iterable[list[Any]]) -> None:
    """As `written` of the memory of each entry, at one tick."""
    now = writes.last = tick()
    for entry in entries:
        entry[1] = now
        entry[2] += 1


def _forget(key: int) -> Callable[[object], None]:
    def forget(_: object) -> None:
        writes.owners.pop(key, None)

    return forget


def written_at(array: np.ndarray) -> int:
    """The tick of the last write to the memory of `array`; 0 if there was none."""
    root = owner(array)
    entry = writes.owners.get(id(root))
    return entry[1] if entry is not None and entry[0]() is root else 0


def rebased() -> int:
    """Notes that a tensor's history has just been changed in place; returns the tick."""
    writes.rebased = tick()
    return writes.rebased


def version(array: np.ndarray) -> int:
    """How often the memory of `array` was written in place."""
    root = owner(array)
    entry = writes.owners.get(id(root))
    return entry[2] if entry is not None and entry[0]() is root else 0

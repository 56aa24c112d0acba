"""Machine code in memory: programs whose graphs have one canonical form run the same code.

What a program computes with (addresses, scratch, constants, scalars) lies in its own `Frame`, so
that nothing but instructions is shared. A model that is made anew for every fit is traced anew, and
finds the code of the one before here.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable

from chainrule.compile.blueprint import Blueprint
from chainrule.compile.emit.program import ENTRY
from chainrule.compile.runtime import jit

# Bytes of code that stay for the next program although nobody runs them now.
_LIMIT = 8 << 20

_lock = threading.Lock()
_kept: OrderedDict[Hashable, Code] = OrderedDict()  # the longest unused first


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Code:
    """Loaded code and how memory is laid out for it; it stays as long as this object is held."""

    def __init__(self, blueprint: Blueprint) -> None:
        loaded = jit.load(blueprint.code)
        weakref.finalize(self, loaded.unload).atexit = False
        self.entry = loaded.address(ENTRY)
        self.size = len(blueprint.code) + sum(a.nbytes for a in blueprint.made.values())
        blueprint.code = b""  # it lies in memory a second time now
        self.blueprint = blueprint


def find(name: Hashable) -> Code | None:
    """The code that was kept under this name, if it is still there."""
    with _lock:
        code = _kept.get(name)
        if code is not None:
            _kept.move_to_end(name)
        return code


def keep(name: Hashable, code: Code) -> None:
    """Keep the code for the next program of that name, and let the longest unused go for it."""
    if code.size > _LIMIT:
        return
    gone = []
    with _lock:
        _kept[name] = code
        _kept.move_to_end(name)
        while sum(one.size for one in _kept.values()) > _LIMIT:
            gone.append(_kept.popitem(last=False))
    # Outside the lock: code that nobody runs is unloaded here.
    del gone

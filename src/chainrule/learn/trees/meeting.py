"""Where threads that run the same machine code wait for each other.

Every thread of a tree runs the whole algorithm on its own share of the features; before it goes on
it needs what the others found. A meeting costs about a microsecond, a hand-over to a pool fifty.
"""

from __future__ import annotations

import sys
from typing import Any

from numba import types
from numba.extending import intrinsic

from chainrule.learn.compiling import part

# The operating system's own function: lets another thread run on this core.
_give_way = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)
PATIENCE = 2000


@intrinsic
def _arrive(context: Any, counter: Any) -> Any:
    """Add 1 to counter[0], seen by all threads at once."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", place, one, "seq_cst")

    return types.int64(counter), build


@intrinsic
def _arrived(context: Any, counter: Any) -> Any:
    """counter[0] as it is now, and with it everything written before the others arrived."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(counter), build


@part
def meet(counter, goal):  # type: ignore[no-untyped-def]
    """Wait until counter[0] (int64) has reached `goal`; each thread that comes adds 1."""
    _arrive(counter)
    turns = 0
    while _arrived(counter) < goal:
        turns += 1
        if turns > PATIENCE:
            _give_way()

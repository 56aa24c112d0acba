"""Mixed precision of functions that are made of operations: the policy of the whole, not of each.

Operations declare theirs (`Op.autocast`); a function that PyTorch treats as one takes its own here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from chainrule.base import dtypes
from chainrule.graph.autocast import inside
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import cast

P = ParamSpec("P")
R = TypeVar("R")
_HALVES = (dtypes.float16, dtypes.bfloat16)


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """Inside `autocast`: half precision becomes float32, and nothing within is rounded."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if mode.autocast is None:
            return function(*args, **kwargs)
        with inside(None):
            given: Any = function
            wide: R = given(*map(_wide, args), **{k: _wide(v) for k, v in kwargs.items()})
            return wide

    return run


def unrounded(function: Callable[P, R]) -> Callable[P, R]:
    """Inside `autocast` as outside: the dtypes of the operands decide."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with inside(None):
            return function(*args, **kwargs)

    return run


def lowered(out: Tensor) -> Tensor:
    """A sum of products, which `autocast` rounds as a product: float32 as the region's dtype."""
    region = mode.autocast
    if region is None or out.dtype not in (dtypes.float32, dtypes.float16):
        return out
    return cast(out, region.dtype)


def _wide(x: Any) -> Any:
    return cast(x, dtypes.float32) if isinstance(x, Tensor) and x.dtype in _HALVES else x

"""What a call looks like: nested arguments taken apart, and the key under which a program is kept.

Two calls with the same signature may run the same program, if its guards hold as well.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from chainrule.base.dtypes import get_default_dtype
from chainrule.base.errors import TraceError
from chainrule.base.text import t
from chainrule.compile.symbols import users_line
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor, ready


def signature(args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Tensor]) -> Hashable:
    """The key of a call; its tensors are appended to `leaves`, in order.

    Errors: TraceError for an argument that is neither a tensor nor hashable.
    """
    autocast = mode.autocast
    kind = autocast if autocast is None else autocast.dtype
    if len(args) == 1 and not kwargs and args[0].__class__ is Tensor:  # a model: the quickest way
        return mode.grad, kind, get_default_dtype(), 1, _described(args[0], leaves)
    parts: list[Hashable] = [mode.grad, kind, get_default_dtype(), len(args)]
    for x in args:
        parts.append(_described(x, leaves))
    for name, x in kwargs.items():
        parts.append((name, _described(x, leaves)))
    if len(leaves) > 1:
        ids = list(map(id, leaves))
        if len(set(ids)) < len(ids):  # the same tensor twice
            parts += map(ids.index, ids)
    key = tuple(parts)
    try:
        hash(key)
    except TypeError:
        raise _unusable(type(_unhashable((args, kwargs))).__name__) from None
    return key


def _described(x: Any, leaves: list[Tensor]) -> Hashable:
    if isinstance(x, Tensor):
        kind = None if x._extra is None or ready(x) else x._extra.dtype
        leaves.append(x)
        data = x._data
        if not isinstance(data, np.ndarray):
            raise TraceError(
                t(
                    "{where}: this tensor was kept from an earlier trace and has no value. Do not "
                    "store tensors of a traced program outside it; return them instead.",
                    where=users_line(),
                )
            )
        return data.shape, data.dtype, kind, x._rg and (x._node is None, x._grad is None)
    if isinstance(x, tuple | list):
        return type(x), *[_described(v, leaves) for v in x]
    if isinstance(x, dict):
        return dict, *[(k, _described(v, leaves)) for k, v in x.items()]
    return type(x), x.hex() if isinstance(x, float) else x  # -0.0 == 0.0, but they differ


def _unhashable(x: Any) -> Any:
    """The first part of nested arguments that cannot be a key."""
    if isinstance(x, tuple | list | dict):
        for v in x.values() if isinstance(x, dict) else x:
            found = _unhashable(v)
            if found is not None:
                return found
        return None
    return None if getattr(type(x), "__hash__", None) is not None else x


def _unusable(kind: str) -> TraceError:
    return TraceError(
        t(
            "{where}: a compiled function takes tensors, and hashable values that do not change; "
            "{kind} is neither. Pass a tensor: cr.tensor(…).",
            where=users_line(),
            kind=kind,
        )
    )


def map_tensors(x: Any, f: Callable[[Tensor], Any]) -> Any:
    """`x` (nested tuples, lists, dicts) with f applied to each tensor in it."""
    if isinstance(x, Tensor):
        return f(x)
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(map_tensors(v, f) for v in x))
    if isinstance(x, list | tuple):
        return type(x)(map_tensors(v, f) for v in x)
    if isinstance(x, dict):
        return {k: map_tensors(v, f) for k, v in x.items()}
    return x

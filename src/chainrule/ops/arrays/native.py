"""Native kernels for whole operations on NumPy arrays, where there are any.

An operation's forward, its gradient and an optimiser's rule first ask here. Who makes the kernels
stands on a floor above and is offered by name (`offer`); it is loaded when the first large array
comes along. Without it, and for small arrays, unusual dtypes and operations that gain nothing, the
NumPy form runs, which is the reference.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from chainrule.graph.modes import mode

ndarray = np.ndarray

#: What stands for "there is no kernel: run the NumPy form".
NONE: Any = object()

#: CHAINRULE_GLASS_KERNELS: "0" turns kernels off, "all" uses them for every size at every call.
SETTING = os.environ.get("CHAINRULE_GLASS_KERNELS", "")

#: Operations whose arrays all have fewer elements stay on NumPy.
LEAST = 0 if SETTING == "all" else 1 << 13


class Source(Protocol):
    """Where kernels come from. Each function gives the results, or NONE."""

    def forward(self, op: Any, inputs: Any, params: dict[str, Any]) -> Any:
        """What `op.forward(F, *inputs, **params)` gives."""
        ...

    def backward(self, op: Any, node: Any, grads: Any, saved: Any) -> Any:
        """What `op.backward(F, node, grads, saved)` gives."""
        ...

    def update(
        self, rule: Any, flags: dict[str, Any], numbers: dict[str, float], members: Any
    ) -> Any:
        """Applies `rule(F, p, g, state, **flags, **numbers)` in place to all (p, g, state), and
        notes that they were written."""
        ...


_NO_PARAMS: dict[str, Any] = {}
_load: Callable[[], Source | None] | None = None
_source: Source | None = None


def offer(load: Callable[[], Source | None]) -> None:
    """`load` gives the source, or None where there can be none. It is called once, when needed."""
    global _load, _source
    _load, _source = None if SETTING == "0" else load, None


def source() -> Source | None:
    """The source of kernels, loaded now if it has not been."""
    global _load, _source
    if _load is not None:
        load, _load = _load, None
        _source = load()
    return _source


def run(op: Any, F: Any, inputs: Any, params: dict[str, Any] = _NO_PARAMS) -> Any:
    """What `op.forward(F, *inputs, **params)` gives: by a kernel if F computes on arrays and there
    is one, else by the forward, with NumPy's floating-point warnings off."""
    for x in inputs:
        if x.__class__ is ndarray and x.size >= LEAST and mode.trace is None:
            found = _source if _load is None else source()
            y = NONE if found is None else found.forward(op, inputs, params)
            if y is not NONE:
                return y
            break
    return mode.quiet(op.forward, F, *inputs, **params)


def backward(op: Any, node: Any, grads: Any, saved: Any) -> Any:
    """The gradients of the operation's inputs by a kernel, or NONE."""
    for x in saved if grads.__class__ is not ndarray else (grads, *saved):
        if x.__class__ is ndarray and x.size >= LEAST:
            found = _source if _load is None else source()
            return NONE if found is None else found.backward(op, node, grads, saved)
    return NONE


def update(rule: Any, flags: dict[str, Any], numbers: dict[str, float], members: Any) -> Any:
    """An optimiser's rule by one kernel for all its parameters: None when done, or NONE."""
    if sum(p.size for p, _, _ in members) < LEAST:
        return NONE
    found = _source if _load is None else source()
    return NONE if found is None else found.update(rule, flags, numbers, members)

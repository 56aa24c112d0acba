"""Optimisers as they were: copies that can take the same step again, and the steps recorded."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from chainrule.graph.sparse import SparseTensor
from chainrule.graph.tensor import Tensor, wrap
from chainrule.optim import LBFGS, Adafactor, Optimizer, SwitchOptimizer


class Clip(NamedTuple):
    """How a gradient was clipped: what it was `before`, the joint `norm` (None: each element by
    itself), the `bound`."""

    before: NDArray[Any]
    norm: float | None
    bound: float


class Twin:
    """A copy of an optimiser with the parameters, gradients and states that it holds.

    `only`: of these parameters alone (all of an optimiser that sees them as one vector). `double`:
    in float64. `of[id(p)]`: the copy of a parameter.
    """

    def __init__(
        self, optimizer: Optimizer, only: Iterable[Tensor] | None = None, double: bool = False
    ) -> None:
        whole = only is None or not optimizer.ruled and not isinstance(optimizer, SwitchOptimizer)
        self._wanted = None if whole or only is None else {id(p) for p in only}
        self._double = double
        self.of: dict[int, Tensor] = {}
        self.optimizer = self._optimizer(optimizer)

    def _optimizer(self, optimizer: Optimizer) -> Optimizer:
        other = copy.copy(optimizer)
        if isinstance(optimizer, SwitchOptimizer) and isinstance(other, SwitchOptimizer):
            other.first = self._optimizer(optimizer.first)
            other.second = self._optimizer(optimizer.second)
            other._base = [list(rates) for rates in optimizer._base]
            other.param_groups, other.state = other.first.param_groups, other.first.state
            return other
        groups = [self._group(optimizer, group) for group in optimizer.param_groups]
        other.param_groups = groups
        other.state = defaultdict(dict)
        for p, state in optimizer.state.items():
            if id(p) in self.of:
                other.state[self.of[id(p)]] = {k: self._value(v) for k, v in state.items()}
        return other

    def _group(self, optimizer: Optimizer, group: dict[str, Any]) -> dict[str, Any]:
        members = [p for p in group["params"] if self._wanted is None or id(p) in self._wanted]
        for p in members:
            if id(p) not in self.of:
                twin = self.of[id(p)] = self._value(p)
                twin.requires_grad = True
                twin._grad = None if p._grad is None else self._value(p._grad)
        out = {k: v for k, v in group.items() if k != "param_names"}
        out["params"] = [self.of[id(p)] for p in members]
        if self._double and isinstance(optimizer, Adafactor) and group["eps"][0] is None:
            wide = any(p.dtype.name == "float64" for p in members)
            out["eps"] = (2.0**-52 if wide else 2.0**-23, group["eps"][1])
        return out

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if not isinstance(value, Tensor):
            return value
        double = self._double and value.dtype.is_floating_point
        if isinstance(value, SparseTensor):
            parts = value._parts.astype(np.float64) if double else value._parts.copy()
            return SparseTensor(value._rows.copy(), parts, value._whole)
        if double:
            return wrap(np.array(value._data, np.float64))
        return value.detach().clone()

    def step(self) -> None:
        """The step that the optimiser would take with these gradients; of LBFGS one iteration."""
        if isinstance(self.optimizer, LBFGS):
            (group,) = self.optimizer.param_groups
            group |= {"max_iter": 1, "line_search_fn": None}
            self.optimizer.step(lambda: 0.0)
        else:
            self.optimizer.step()


class Taken:
    """A step that was recorded: the optimiser before it and after it, as copies.

    `clips`: of the parameters (by id) whose gradients had been clipped, how.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.before = Twin(optimizer)
        self.after: Twin | None = None
        held = [p for group in optimizer.param_groups for p in group["params"]]
        self.clips = {id(p): clip for p in held if (clip := clip_of(p)) is not None}


_taken: WeakKeyDictionary[Optimizer, Taken] = WeakKeyDictionary()
_clips: dict[int, tuple[ref[Tensor], Clip]] = {}


def taken_by(optimizer: Optimizer) -> Taken | None:
    """The last step that was recorded."""
    found = _taken.get(optimizer)
    return found if found is not None and found.after is not None else None


def stepping(optimizer: Optimizer) -> Callable[[], None]:
    """Called before a step inside `recording()`; what it gives is called after it."""
    taken = Taken(optimizer)

    def done() -> None:
        taken.after = Twin(optimizer)
        _taken[optimizer] = taken

    return done


def clipping(gradients: list[Tensor], norm: float | None, bound: float) -> None:
    """Called inside `recording()` before gradients are clipped."""
    for g in gradients:
        key = id(g)
        clip = Clip(np.array(g._data, np.float64), norm, bound)
        _clips[key] = ref(g, partial(_forget, key)), clip


def _forget(key: int, gone: Any) -> None:
    _clips.pop(key, None)


def clip_of(p: Tensor) -> Clip | None:
    """How the gradient of a parameter was clipped, if it still is what clipping made of it."""
    g = p._grad
    found = None if g is None else _clips.get(id(g))
    if g is None or found is None or found[0]() is not g:
        return None
    clip = found[1]
    if clip.norm is None:
        made = np.clip(clip.before, -clip.bound, clip.bound)
    else:
        made = clip.before * min(clip.bound / (clip.norm + 1e-6), 1.0)
    now = np.asarray(g._data, np.float64)
    size = float(np.abs(made).max(initial=0.0))
    return clip if np.allclose(now, made, 1e-2, 1e-2 * size, equal_nan=True) else None

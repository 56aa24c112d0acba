"""Guards: what must still hold for a program that was traced earlier to be run again.

Noted while the trace is taken: the tensors that became state, which leaves had a gradient, the
attributes of the modules that ran, what the function's closure and globals held, and questions
that others ask (the optimiser's options).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from operator import is_
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from chainrule.base.tables import Table
from chainrule.base.text import t
from chainrule.compile.graph import Graph, Value
from chainrule.graph import memory
from chainrule.graph.tensor import REUSED, Tensor

_PLAIN = (int, float, bool, str, bytes, type(None), complex)


class _Contents:
    """What is in dicts and lists."""

    def __init__(self) -> None:
        self._contained: list[Any] = []  # what is in them now, as views of them
        self._sizes: list[int] = []  # how much there was in each
        self._entries: list[Any] = []  # and what, of all in a row
        self._empty: list[Any] = []  # those that nothing was in

    def add(self, container: Any) -> None:
        if not container:
            self._empty.append(container)
            return
        view = container.values() if isinstance(container, dict) else container
        self._contained.append(view)
        self._sizes.append(len(container))
        self._entries.extend(view)

    def changed(self) -> bool:
        # Hundreds of entries may be looked at in each call: hence no loop of Python's.
        return (
            any(self._empty)
            or [*map(len, self._contained)] != self._sizes
            or not all(map(is_, chain.from_iterable(self._contained), self._entries))
        )


class Guards:
    """The conditions of one program. `broken(graph)` says which one fails, or None."""

    def __init__(self) -> None:
        self._tensors: list[tuple[Tensor, Value, bool, Any, Any]] = []
        # The plain ones with the arrays that they have, as long as the graph is not bound anew.
        self._plain: list[tuple[Tensor, np.ndarray, bool]] = []
        self._other: list[tuple[Tensor, Value, bool, Any, Any]] = []
        self._bound = -1
        self._gradients: list[tuple[Tensor, Any]] = []
        self._leaves: set[int] = set()
        self._owners: list[str] = []  # their kinds
        self._attributes: list[dict[str, Any]] = []  # of each owner
        self._before: list[dict[str, Any]] = []  # what they were
        self._leaf_sources = False  # whether gradients that were there are state
        self._owned: set[int] = set()
        self._functions: set[int] = set()
        self._kept: list[Any] = []  # keeps the ids of these alive
        self._contained = _Contents()
        self._tables = _Contents()  # those that say when they change
        self._stamp: Any = None  # as of when the tables were looked at
        self._places: list[tuple[Callable[[], Any], Any, str]] = []
        self._checks: list[tuple[Callable[[], bool], str]] = []

    # ---- notes ------------------------------------------------------------------------------

    def tensor(self, tensor: Tensor, value: Value) -> None:
        """A tensor that became state: its flags."""
        extra = tensor._extra
        dtype = None if extra is None else extra.dtype
        hooks = _hooks(extra)
        self._tensors.append((tensor, value, tensor._rg, dtype, hooks))

    def gradient(self, leaf: Tensor) -> None:
        """A leaf whose `.grad` the program looks at: there, gone, or used up."""
        if id(leaf) not in self._leaves:
            self._leaves.add(id(leaf))
            self._gradients.append((leaf, _presence(leaf._grad)))

    def adds_to_gradients(self) -> None:
        self._leaf_sources = True

    def knows(self, leaf: Tensor) -> bool:
        return id(leaf) in self._leaves

    def owner(self, owner: Any, names: frozenset[str] | None = None) -> None:
        """The attributes of an object that the program reads (all, or those with these names)."""
        if id(owner) in self._owned or not hasattr(owner, "__dict__"):
            return
        attributes = vars(owner)
        if names is not None:
            for name in names & attributes.keys():
                self._place(partial(attributes.get, name), attributes[name], name)
            return
        self._owned.add(id(owner))
        self._kept.append(owner)
        self._owners.append(type(owner).__name__)
        self._attributes.append(attributes)
        self._before.append(dict(attributes))
        for name, value in list(attributes.items()):
            if isinstance(value, Tensor | np.ndarray):  # equal is not the same
                self._places.append((partial(attributes.get, name), value, name))
            self._contents(value)

    def function(self, function: Any, args: tuple[Any, ...] = ()) -> None:
        """What a function of the user finds: in its closure, globals and self, and as attributes
        of arguments that are objects."""
        if id(function) in self._functions:
            return
        self._functions.add(id(function))
        self._kept.append(function)
        if isinstance(function, partial):
            self.function(function.func, (*function.args, *args))
            return
        inner, bound = getattr(function, "__func__", function), getattr(function, "__self__", None)
        if not isinstance(inner, FunctionType):
            inner, bound = vars(type(function)).get("__call__"), function
        if not isinstance(inner, FunctionType):
            return
        names = _names(inner.__code__)
        for owner in (bound, *args):
            if hasattr(owner, "__dict__") and not isinstance(owner, type | ModuleType):
                self.owner(owner, names)
        found: list[tuple[Callable[[], Any], Any, str]] = []
        for name, cell in zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True):
            get: Callable[[], Any] = partial(getattr, cell, "cell_contents", None)
            found.append((get, get(), name))
        for name in names & inner.__globals__.keys():
            found.append((partial(inner.__globals__.get, name), inner.__globals__[name], name))
        for read, value, name in found:
            if isinstance(value, ModuleType | type):
                continue
            self._place(read, value, name)
            if isinstance(value, FunctionType) and not value.__module__.startswith("chainrule."):
                self.function(value)

    def check(self, check: Callable[[], bool], text: str) -> None:
        self._checks.append((check, text))

    def _place(self, get: Callable[[], Any], value: Any, name: str) -> None:
        self._places.append((get, value, name))
        self._contents(value)

    def _contents(self, value: Any) -> None:
        """A container may change and stay the same object."""
        if isinstance(value, Table):
            self._tables.add(value)
        elif isinstance(value, dict | list):
            self._contained.add(value)
        elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
            for name in value.__dataclass_fields__:
                inside = getattr(value, name)
                if isinstance(inside, dict | list):
                    self._contents(inside)

    # ---- before a run -----------------------------------------------------------------------

    def broken(self, graph: Graph) -> str | None:
        """What has changed since the trace, in words. Puts new arrays of the same kind into
        `graph.state`."""
        for leaf, presence in self._gradients:
            if _presence(leaf._grad) is not presence:
                return t("whether .grad of a parameter is there")
        if self._bound != graph.rebound:
            self._bind(graph)
        moved = False
        for tensor, array, rg in self._plain:
            if tensor._data is not array:
                moved = True
            if tensor._rg is not rg or (tensor._extra is not None and not _is_plain(tensor._extra)):
                return t("requires_grad, the dtype or the hooks of a tensor")
        for tensor, value, rg, dtype, hooks in self._other:
            if tensor._data is not graph.state[value]:
                moved = True
            extra = tensor._extra
            if (
                extra is None
                or tensor._rg is not rg
                or (extra.dtype, _hooks(extra)) != (dtype, hooks)
            ):
                return t("requires_grad, the dtype or the hooks of a tensor")
        # Hundreds of attributes are looked at in each call: hence no loop of Python's.
        changed = None
        try:
            if self._attributes != self._before:
                changed = self._changed_owner()
        except Exception:  # values that cannot be compared, such as arrays
            changed = self._changed_owner()
        if changed is not None:
            return t("the attributes of {owner}", owner=changed)
        stamp = Table.stamp
        if self._contained.changed() or (stamp is not self._stamp and self._tables.changed()):
            return t("the contents of a list or dict")
        self._stamp = stamp
        for get, before, name in self._places:
            held = get()
            if held is not before and not (
                isinstance(before, _PLAIN) and held.__class__ is before.__class__ and held == before
            ):
                return t("the variable {name}", name=name)
        for check, text in self._checks:
            if not check():
                return text
        for source in graph.sources if self._leaf_sources else ():
            if source.gradient and source.array is not graph.state[source.value]:
                moved = True
        if moved and not _rebind(graph):
            return t("the shape, dtype or memory of a tensor")
        return None

    def _bind(self, graph: Graph) -> None:
        self._plain, self._other = [], []
        for tensor, value, rg, dtype, hooks in self._tensors:
            if dtype is None and not hooks:
                self._plain.append((tensor, graph.state[value], rg))
            else:
                self._other.append((tensor, value, rg, dtype, hooks))
        self._bound = graph.rebound

    def _changed_owner(self) -> str | None:
        both = zip(self._owners, self._attributes, self._before, strict=True)
        return next((name for name, now, before in both if not _same(now, before)), None)


def _presence(gradient: Any) -> Any:
    """None, REUSED, or True for a gradient that is there."""
    return gradient if gradient is None or gradient is REUSED else True


def _hooks(extra: Any) -> tuple[Any, ...]:
    """The hooks on a leaf's gradient."""
    if extra is None:
        return ()
    return (*(extra.hooks or {}).values(), *(extra.post_hooks or {}).values())


def _is_plain(extra: Any) -> bool:
    return extra.dtype is None and not extra.hooks and not extra.post_hooks


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    try:
        return now == before
    except Exception:  # then identity decides
        return now.keys() == before.keys() and all(now[k] is before[k] for k in now)


def _names(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes that the code, and functions in it, mention."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return frozenset(names)


def _rebind(graph: Graph) -> bool:
    """Takes over the arrays that the tensors have now; False if they no longer fit."""
    fresh: dict[Any, np.ndarray] = {}
    for source in graph.sources:
        data = source.array
        old = graph.state[source.value]
        if fresh.setdefault(source.value, data) is not data:
            return False  # two tensors that were one
        if data.shape != old.shape or data.dtype != old.dtype:
            return False
    roots = [id(memory.owner(array)) for array in fresh.values()]
    if len(set(roots)) < len(roots) and graph.updates:
        return False  # memory that is shared now: a new trace decides whether that may be
    graph.state.update(fresh)
    graph.rebound += 1
    return True

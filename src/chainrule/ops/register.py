"""Public functions that are not operations themselves: how they become functions and methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.graph.tensor import Tensor

FUNCTIONS: dict[str, Callable[..., Any]] = {}
# Methods that are functions: the operations of the same name leave them alone, whichever file
# comes first.
METHODS: set[str] = set()


def function(*methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a public function; `methods` are the Tensor methods that it becomes."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[f.__name__.rstrip("_")] = f
        return method(*methods)(f)

    return register


def method(*names: str) -> Callable[[Any], Any]:
    """Makes a function (or property) a Tensor attribute under `names`."""

    def attach(f: Any) -> Any:
        for name in names:
            setattr(Tensor, name, f)
            METHODS.add(name)
        return f

    return attach

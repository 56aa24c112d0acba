"""Modules that hold modules: a chain, a list, a dict."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, Self

from chainrule.base.errors import ArgumentError, IndexRangeError
from chainrule.base.text import t
from chainrule.nn.module import Module
from chainrule.nn.printing import indented


def position(index: Any, length: int, owner: str) -> int:
    """`index` as a position from the front; negative counts from the end."""
    place = operator.index(index)
    if not -length <= place < length:
        raise IndexRangeError(
            t(
                "{owner} has {length} entries, so there is no index {index}.",
                owner=owner,
                length=length,
                index=place,
            )
        )
    return place % length


def pairs_of(entries: Any, owner: str) -> list[tuple[str, Any]]:
    """The entries of a dict, a container like one, or a list of pairs."""
    if hasattr(entries, "items"):
        return list(entries.items())
    pairs = list(entries) if isinstance(entries, Iterable) else [entries]
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ArgumentError(
                t(
                    "{owner} takes a dict or pairs (name, value), got {pair!r}.",
                    owner=owner,
                    pair=pair,
                )
            )
    return [(key, value) for key, value in pairs]


class _Numbered(Module):
    """Children named "0", "1", … in order."""

    _modules: dict[str, Module]  # type: ignore[assignment]

    def _put(self, modules: Iterable[Module]) -> None:
        """Make `modules` the children."""
        chosen = list(modules)
        for module in chosen:
            self._check_child(module)
        self._modules.clear()
        self._modules.update((str(i), module) for i, module in enumerate(chosen))

    def _check_child(self, module: object) -> None:
        if not isinstance(module, Module):
            raise ArgumentError(
                t(
                    "{owner} holds modules, got {kind}.",
                    owner=type(self).__name__,
                    kind=type(module).__name__,
                )
            )

    def _place(self, index: Any) -> int:
        return position(index, len(self), type(self).__name__)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int) -> Any:
        return list(self)[self._place(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self._check_child(module)
        self._modules[list(self._modules)[self._place(index)]] = module

    def __delitem__(self, index: slice | int) -> None:
        modules = list(self)
        del modules[index if isinstance(index, slice) else self._place(index)]
        self._put(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self._check_child(module)
        number = len(self)
        while str(number) in self._modules:  # a slice of a Sequential keeps its numbers
            number += 1
        self.register_module(str(number), module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before position `index`."""
        modules = list(self)
        if not -len(self) <= index <= len(self):
            position(index, len(self), type(self).__name__)
        modules.insert(index, module)
        self._put(modules)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take a module out and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Numbered):
    """Modules applied one after the other, each to the result of the one before.

    `Sequential(a, b, c)` names them "0", "1", "2"; `Sequential(OrderedDict(conv=a, relu=b))`, or
    any dict, gives names.

    >>> model = cr.nn.Sequential(cr.nn.Linear(4, 8), cr.nn.ReLU(), cr.nn.Linear(8, 3))
    >>> model(cr.ones(5, 4)).shape
    (5, 3)
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.register_module(name, module)
        else:
            self.extend(args)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return super().__getitem__(index)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            return NotImplemented
        if times <= 0:
            raise ArgumentError(t("Sequential * {times}: write a number ≥ 1.", times=times))
        return Sequential(*(list(self) * times))

    __rmul__ = __mul__


class ModuleList(_Numbered):
    """A list whose modules are registered; it has no forward of its own.

    >>> layers = cr.nn.ModuleList([cr.nn.Linear(2, 2) for _ in range(3)])
    >>> len(list(layers.parameters()))
    6
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return super().__getitem__(index)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    @recursive_repr("...")
    def __repr__(self) -> str:
        # Equal neighbours share a line: "(0-2): 3 x Linear(...)".
        runs: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        lines = [
            f"({a}): {indented(text)}" if a == b else f"({a}-{b}): {b - a + 1} x {indented(text)}"
            for a, b, text in runs
        ]
        name = self._get_name()
        return f"{name}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{name}()"


class ModuleDict(Module):
    """A dict whose modules are registered; it has no forward of its own.

    >>> heads = cr.nn.ModuleDict({"a": cr.nn.Linear(2, 1), "b": cr.nn.Linear(2, 5)})
    >>> heads["b"](cr.ones(1, 2)).shape
    (1, 5)
    """

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Pairs of name and module."""
        return self._modules.items()

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        return self._modules.pop(key)

    def update(self, modules: Any) -> None:
        """Add modules from a dict or from pairs of name and module."""
        for key, module in pairs_of(modules, "ModuleDict"):
            self[key] = module

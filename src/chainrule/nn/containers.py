"""Modules that hold modules or parameters: a chain, a list, a dict."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, Self

from chainrule.base.errors import ArgumentError, IndexRangeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
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
    """A list whose modules are registered; it has no forward of its own."""

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
    """A dict whose modules are registered; it has no forward of its own."""

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
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module


def _pairs(entries: Any, owner: str) -> list[tuple[str, Any]]:
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


_PARAMETER = object()


class _Held(Module):
    """Entries under string keys, in order. Tensors become parameters; other values stay as they
    are, and are no part of the state dict."""

    _entries: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self._entries = {}  # a parameter's place is marked here; itself it is in _parameters

    def _set(self, key: str, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        is_parameter = isinstance(value, Parameter)
        self.register_parameter(key, value if is_parameter else None)
        if not is_parameter:
            del self._parameters[key]
        self._entries[key] = _PARAMETER if is_parameter else value

    def _get(self, key: str) -> Any:
        value = self._entries[key]
        return self._parameters[key] if value is _PARAMETER else value

    def _drop(self, key: str) -> None:
        del self._entries[key]
        self._parameters.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)

    def extra_repr(self) -> str:
        return "\n".join(f"({key}): {_brief(self._get(key))}" for key in self._entries)

    @recursive_repr("...")
    def __repr__(self) -> str:
        lines = self.extra_repr().replace("\n", "\n  ")
        return f"{self._get_name()}(\n  {lines}\n)" if lines else f"{self._get_name()}()"


def _brief(value: Any) -> str:
    """A tensor by its dtype and size; anything else by its type."""
    if isinstance(value, Tensor):
        size = "x".join(map(str, value.shape))
        return f"{type(value).__name__} containing: [{value.dtype!r} of size {size}]"
    return f"Object of type: {type(value).__name__}"


class ParameterList(_Held):
    """A list whose tensors are registered as parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return self._get(str(position(index, len(self), "ParameterList")))

    def __setitem__(self, index: int, value: Any) -> None:
        self._set(str(position(index, len(self), "ParameterList")), value)

    def __iter__(self) -> Iterator[Any]:
        return iter([self._get(key) for key in self._entries])

    def append(self, value: Any) -> Self:
        """Add an entry at the end."""
        self._set(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several entries at the end."""
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise ArgumentError(
                t(
                    "ParameterList takes a list of tensors, got {kind}: write [tensor].",
                    kind=type(values).__name__,
                )
            )
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def pop(self, index: int = -1) -> Any:
        """Take an entry out and return it."""
        values = list(self)
        value = values.pop(position(index, len(self), "ParameterList"))
        for key in list(self._entries):
            self._drop(key)
        self.extend(values)
        return value


class ParameterDict(_Held):
    """A dict whose tensors are registered as parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return self._get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._set(key, value)

    def __delitem__(self, key: str) -> None:
        self._drop(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._entries.keys()

    def values(self) -> list[Any]:
        """The entries."""
        return [self._get(key) for key in self._entries]

    def items(self) -> list[tuple[str, Any]]:
        """Pairs of name and entry."""
        return [(key, self._get(key)) for key in self._entries]

    def get(self, key: str, default: Any = None) -> Any:
        """The entry, or `default`."""
        return self._get(key) if key in self._entries else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry, which becomes `default` if there is none."""
        if key not in self._entries:
            self._set(key, default)
        return self._get(key)

    def pop(self, key: str) -> Any:
        """Take an entry out and return it."""
        value = self._get(key)
        self._drop(key)
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take the last entry out and return it with its name."""
        key = next(reversed(self._entries))
        return key, self.pop(key)

    def clear(self) -> None:
        """Take all entries out."""
        for key in list(self._entries):
            self._drop(key)

    def copy(self) -> ParameterDict:
        """Another dict of the same entries."""
        return ParameterDict(self)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dict with `default` under every key."""
        return ParameterDict([(key, default) for key in keys])

    def update(self, parameters: Any) -> None:
        """Add entries from a dict or from pairs of name and value."""
        for key, value in _pairs(parameters, "ParameterDict"):
            self[key] = value

    def __or__(self, other: ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

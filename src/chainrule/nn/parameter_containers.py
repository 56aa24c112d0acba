"""Modules that hold parameters: a list, a dict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from reprlib import recursive_repr
from typing import Any, Self

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn.containers import pairs_of, position
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter

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
        for key, value in pairs_of(parameters, "ParameterDict"):
            self[key] = value

    def __or__(self, other: ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

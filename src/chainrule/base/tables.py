"""Dictionaries that note when any of them changes, so that who depends on many need not look."""

from __future__ import annotations

from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Table(dict[K, V]):
    """A dictionary; every change of any table puts another object into `Table.stamp`.

    A reader takes the stamp first and then looks at its tables: as long as the stamp is that very
    object, they are as they were.
    """

    stamp: object = object()

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        Table.stamp = object()

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        Table.stamp = object()

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        try:
            return super().__ior__(other)
        finally:
            Table.stamp = object()

    def clear(self) -> None:
        super().clear()
        Table.stamp = object()

    def pop(self, *args: Any) -> Any:
        try:
            return super().pop(*args)
        finally:
            Table.stamp = object()

    def popitem(self) -> tuple[K, V]:
        try:
            return super().popitem()
        finally:
            Table.stamp = object()

    def setdefault(self, *args: Any) -> Any:
        try:
            return super().setdefault(*args)
        finally:
            Table.stamp = object()

    def update(self, *args: Any, **entries: Any) -> None:
        try:  # what was entered before an error stays
            super().update(*args, **entries)
        finally:
            Table.stamp = object()

"""What a lower room gets from a higher one by name: the package's window says where it comes from.

`train` starts the live page, which `explain` makes; it names the page and imports nothing of it.
"""

from collections.abc import Callable
from typing import Any

_providers: dict[str, Callable[[], Any]] = {}


def provide(name: str, load: Callable[[], Any]) -> None:
    """From now on `provided(name)` is what `load()` gives; nothing is loaded before."""
    _providers[name] = load


def provided(name: str) -> Any:
    """What was provided under this name. Raises KeyError without it."""
    return _providers[name]()

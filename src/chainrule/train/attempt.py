"""Compiled where that is possible, and in glass mode where not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from chainrule.base.text import t
from chainrule.compile import Compiled, CompileWarning, Profile


class Attempt:
    """A function that is compiled, until that fails: then it runs in glass mode, after a warning.

    A call that failed has changed nothing, so it is made again in glass mode.
    """

    def __init__(self, function: Callable[..., Any], compiles: bool) -> None:
        self._function = function
        self._compiled = Compiled(function) if compiles else None

    def profile(self, *args: Any) -> Profile | None:
        """Where the time of a call with these arguments goes; None if it is not compiled."""
        if self._compiled is None or not self._compiled.stats()["calls"]:
            return None
        return self._compiled.profile(*args)

    def __call__(self, *args: Any) -> Any:
        if self._compiled is None:
            return self._function(*args)
        try:
            return self._compiled(*args)
        except Exception as error:
            # In glass mode an error in the data or the model is raised again, with its own words.
            result = self._function(*args)
            self._compiled = None
            warnings.warn(
                t("Not compiled, so slower (glass mode): {reason}", reason=error),
                CompileWarning,
                stacklevel=2,
            )
            return result

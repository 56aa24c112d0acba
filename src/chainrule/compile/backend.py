"""Back ends: what makes a graph run. Replay, on NumPy, is always there."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.base.text import t
from chainrule.compile.graph import Graph
from chainrule.compile.native import Native


class CompileWarning(UserWarning):
    """Compilation works, but not as well as it could."""


class Executable(Protocol):
    """A graph made ready to run.

    A call reads the state through `graph.state`, calls the hosts, and gives the outputs as fresh
    arrays. State and gradients are written when all is computed: a call that raises has written
    nothing. `stats`: numbers about it, by name.
    """

    stats: dict[str, Any]

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]: ...

    def inspect(self, stage: str) -> str:
        """A stage of the compilation as text."""
        ...

    def profile(self, inputs: list[np.ndarray]) -> str:
        """A table of where the time goes."""
        ...


class Replay:
    """The graph, instruction by instruction, on NumPy."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.stats: dict[str, Any] = {
            "backend": "replay", "instructions": len(graph.instructions),
        }  # fmt: skip

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return self.graph.run(inputs)

    def inspect(self, stage: str) -> str:
        if stage == "graph":
            return str(self.graph)
        raise _without_native(t("the stage {stage!r}", stage=stage))

    def profile(self, inputs: list[np.ndarray]) -> str:
        raise _without_native(t("a profile"))


def _without_native(what: str) -> ArgumentError:
    return ArgumentError(
        t(
            "This program is replayed on NumPy, where only the stage 'graph' exists: {what} needs "
            "the native back end (pip install llvmlite).",
            what=what,
        )
    )


def native_available() -> bool:
    """Whether programs become native code here: llvmlite is installed, and the environment does
    not say CHAINRULE_BACKEND=replay."""
    return os.environ.get("CHAINRULE_BACKEND", "") != "replay" and _has_llvmlite()


@cache
def _has_llvmlite() -> bool:
    return find_spec("llvmlite") is not None


def build(graph: Graph, threads: int, keep_gradients: bool) -> Executable:
    """The graph as an executable on so many threads; `keep_gradients`: it sets `.grad`."""
    if not native_available():
        return Replay(graph)
    try:
        return Native(graph, threads, keep_gradients)
    except ChainruleError:
        raise
    except Exception as error:
        warnings.warn(
            t(
                "{name} cannot be made native code and runs on NumPy; this is a mistake in "
                "chainrule ({error}).",
                name=graph.name,
                error=f"{type(error).__name__}: {error}",
            ),
            CompileWarning,
            stacklevel=2,
        )
        return Replay(graph)

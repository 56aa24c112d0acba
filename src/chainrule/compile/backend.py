"""Back ends: what makes a graph run. Replay, on NumPy, is always there."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from chainrule.base.errors import ArgumentError, ChainruleError
from chainrule.base.text import t
from chainrule.compile.graph import Graph, Results
from chainrule.compile.native import Native
from chainrule.compile.runtime.target import host
from chainrule.compile.schedule.work import useful_threads
from chainrule.graph.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.compile.profile import Profile


class CompileWarning(UserWarning):
    """Compilation works, but not as well as it could."""


class Executable(Protocol):
    """A graph made ready to run, on so many `threads`. `stats`: numbers about it, by name.

    A run is `reset`, `prepare`, `execute`, `deliver`, in this order; calling the object does all
    four. An exception may come at any point (Ctrl-C comes between any two lines): `done` then says
    whether the step has happened and is to be delivered, once more if need be, or has not.
    """

    stats: dict[str, Any]
    threads: int

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]: ...

    def reset(self) -> None:
        """No run has been done from now on."""
        ...

    def prepare(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Calls the hosts, and gives the outputs as fresh arrays, which `execute` fills."""
        ...

    def execute(self) -> None:
        """Computes everything. The state in `graph.state` is written when it ends, or by
        `deliver`."""
        ...

    def done(self) -> bool:
        """Whether `execute` has come to its end since `reset`."""
        ...

    def deliver(self) -> None:
        """Writes what of state and gradients is not in its place; may be called again."""
        ...

    def inspect(self, stage: str) -> str:
        """A stage of the compilation as text."""
        ...

    def profile(self, inputs: list[np.ndarray]) -> Profile:
        """Where the time goes; changes nothing."""
        ...


class Replay:
    """The graph, instruction by instruction, on NumPy."""

    threads = 1

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._results: Results | None = None
        self.stats: dict[str, Any] = {
            "backend": "replay", "instructions": len(graph.instructions),
        }  # fmt: skip

    def __call__(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        self.reset()
        outputs = self.prepare(inputs)
        self.deliver()
        return outputs

    def reset(self) -> None:
        self._results = None

    def prepare(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        # All new states before any is written: one may be computed from another's old value.
        results = self.graph.replay(inputs)
        self._results = results
        return results.outputs

    def execute(self) -> None:
        pass

    def done(self) -> bool:
        return self._results is not None

    def deliver(self) -> None:
        results, graph = self._results, self.graph
        assert results is not None
        for (old, _), new in zip(graph.updates, results.news, strict=True):
            graph.state[old][...] = new
        for (leaf, _), gradient in zip(graph.gradients, results.gradients, strict=True):
            leaf._grad = None if gradient is None else Tensor(gradient, leaf.dtype)

    def inspect(self, stage: str) -> str:
        if stage == "graph":
            return str(self.graph)
        raise _without_native(t("the stage {stage!r}", stage=stage))

    def profile(self, inputs: list[np.ndarray]) -> Profile:
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
    """The graph as an executable on at most so many threads; `keep_gradients`: it sets `.grad`."""
    if not native_available():
        return Replay(graph)
    hosts = sorted({i.operands[0] for i in graph.instructions if i.primitive == "host"})
    if hosts:
        warnings.warn(
            t(
                "{name} uses linear algebra that LAPACK works out ({functions}), so all of it runs "
                "on NumPy: compile what is around it, or leave it uncompiled.",
                name=graph.name,
                functions=", ".join(hosts),
            ),
            CompileWarning,
            stacklevel=2,
        )
        return Replay(graph)
    try:
        return Native(graph, useful_threads(graph, threads, host().lanes(4)), keep_gradients)
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

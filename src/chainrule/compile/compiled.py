"""`compile`: a function of tensors that is traced once for each signature, and then only run."""

from __future__ import annotations

import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any, overload

from chainrule.base.constraints import Bool
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.compile import backend
from chainrule.compile.backend import CompileWarning
from chainrule.compile.program import Program, take
from chainrule.compile.runtime import get_num_threads, pool
from chainrule.compile.signature import signature
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor

if TYPE_CHECKING:
    from chainrule.compile.profile import Profile

#: How many programs of one function are kept; the least recently used goes first.
LIMIT = 64


class Compiled:
    """What `compile` gives: called like the function, with the same results and effects.

    Attributes of the function (of a model: `parameters`, `eval`, …) are found here as well.
    """

    def __init__(self, function: Callable[..., Any], keep_grads: bool = False) -> None:
        self._function = function
        self._keep = keep_grads
        self._programs: OrderedDict[Hashable, list[Program]] = OrderedDict()
        self._recent: list[Program] = []  # those of the newest signature
        self._captured: frozenset[int] = frozenset()  # arguments that are state, by place
        self._latest: tuple[Program, list[Tensor]] | None = None
        self._lock = threading.RLock()
        self._counts = {"calls": 0, "compiled": 0, "cache_hits": 0, "cache_misses": 0}
        self._seconds = 0.0
        self._reasons: dict[str, int] = {}
        self._warned = False
        self._told = False
        if isinstance(getattr(function, "__name__", None), str):
            update_wrapper(self, function, updated=())

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else MethodType(self, owner)

    def __getattr__(self, name: str) -> Any:
        # Reached only when the normal lookup failed.
        if name.startswith("__") or "_function" not in vars(self):
            raise AttributeError(name)
        return getattr(self._function, name)

    def __repr__(self) -> str:
        return f"<compiled {getattr(self._function, '__qualname__', repr(self._function))}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if mode.trace is not None:  # part of a larger program
            return self._function(*args, **kwargs)
        if mode.watch is not None:  # it wants to see each operation
            return self._function(*args, **kwargs)
        if mode.anomaly is not None:
            return self._in_glass(args, kwargs)
        with self._lock:
            leaves: list[Tensor] = []
            key = self._key(args, kwargs, leaves)
            program = self._find(key, leaves)
            if program is None:
                program = self._make(args, kwargs)
            self._counts["calls"] += 1
            self._latest = program, leaves
            return program.run(leaves)

    def _in_glass(self, args: Any, kwargs: Any) -> Any:
        """The call under `detect_anomaly`, which looks at each operation."""
        if not self._told:
            self._told = True
            warnings.warn(
                t("detect_anomaly looks at single operations: {name} runs in glass mode inside.",
                  name=getattr(self._function, "__qualname__", type(self._function).__name__)),
                CompileWarning,
                stacklevel=3,
            )  # fmt: skip
        return self._function(*args, **kwargs)

    # ---- programs ---------------------------------------------------------------------------

    def _key(self, args: Any, kwargs: Any, leaves: list[Tensor]) -> Hashable:
        key = signature(args, kwargs, leaves)
        if not self._captured and not any([x._rg for x in leaves]):
            return key
        state = self._state_places(leaves)
        return (key, *((i, leaves[i]) for i in state)) if state else key

    def _state_places(self, leaves: list[Tensor]) -> list[int]:
        """Arguments that are state: the program meets them by itself, or adds to their `.grad`."""
        return [
            i
            for i, x in enumerate(leaves)
            if i in self._captured or (x._rg and x._node is None and x._grad is not None)
        ]

    def _find(self, key: Hashable, leaves: list[Tensor]) -> Program | None:
        programs = self._programs.get(key)
        if programs is None:
            return None
        if programs is not self._recent:
            self._programs.move_to_end(key)
            self._recent = programs
        reason = None
        for program in programs:
            if program.threads and not pool.allows(program.threads):
                continue
            broken = program.guards.broken(program.graph)
            if broken is None:
                overlap = program.overlaps(leaves)
                if overlap:
                    overlap = [i for i in overlap if i not in self._state_places(leaves)]
                if overlap:
                    self._captured |= frozenset(overlap)
                    return None
                if program is not programs[0]:
                    programs.remove(program)
                    programs.insert(0, program)
                return program
            reason = reason or broken
        if reason is not None:
            self._reasons[reason] = self._reasons.get(reason, 0) + 1
        return None

    def _make(self, args: Any, kwargs: Any) -> Program:
        """Traces and builds the program for a call that no program fits."""
        began = time.perf_counter()
        while True:
            start = time.perf_counter()
            leaves: list[Tensor] = []
            key = self._key(args, kwargs, leaves)
            program, met = take(self._function, args, kwargs, frozenset(self._state_places(leaves)))
            if not met:
                break
            self._captured |= frozenset(met)
        program.trace_seconds = time.perf_counter() - start
        if not self._keep:
            program.drop_gradients()
        threads = get_num_threads()
        program.executable = backend.build(program.graph, threads, bool(program.graph.gradients))
        # Where more would not help, it does not matter how many there may be.
        program.threads = threads if program.executable.threads == threads else 0
        self._seconds += time.perf_counter() - began
        self._counts["compiled"] += 1
        if "cached" in program.executable.stats:
            found = program.executable.stats["cached"]
            self._counts["cache_hits" if found else "cache_misses"] += 1
        self._recent = self._programs.setdefault(key, [])
        self._recent.insert(0, program)
        self._programs.move_to_end(key)
        self._trim()
        return program

    def _trim(self) -> None:
        if sum(map(len, self._programs.values())) <= LIMIT:
            return
        oldest = next(iter(self._programs))
        self._programs[oldest].pop()
        if not self._programs[oldest]:
            del self._programs[oldest]
        if not self._warned:
            self._warned = True
            reasons = sorted(self._reasons, key=lambda reason: -self._reasons[reason])
            warnings.warn(
                t(
                    "{name} was compiled {n} times, for ever new signatures; what changes most: "
                    "{what}. Each compilation takes time: pass what changes as a tensor, and pad "
                    "inputs to a few shapes.",
                    name=repr(self),
                    n=self._counts["compiled"],
                    what=reasons[0] if reasons else t("the shapes or values of the arguments"),
                ),
                CompileWarning,
                stacklevel=5,
            )

    # ---- looking ----------------------------------------------------------------------------

    def _newest(self) -> tuple[Program, list[Tensor]]:
        if self._latest is None:
            raise ArgumentError(
                t("{name} has not been called yet: call it once, then look.", name=repr(self))
            )
        return self._latest

    def inspect(self, stage: str = "graph") -> str:
        """The program of the newest call as text, after a stage of its compilation: "graph",
        "passes", "schedule", "llvm" or "asm"."""
        program, _ = self._newest()
        return str(program.graph) if stage == "graph" else program.executable.inspect(stage)

    def stats(self) -> dict[str, Any]:
        """Numbers about this function and about the program of its newest call.

        Of the function: `calls`; `compiled`: programs made, the `seconds` that took, and what they
        were made again for (`reasons`: how often each); `programs` kept; `cache_hits`,
        `cache_misses`: programs whose code was there, in memory or on disk, and not.

        Of the program: `backend` ("native" or "replay"); `instructions`, after the passes;
        `kernels` in it, different ones (`functions`), `barriers` that threads meet at in a run;
        `arena`: bytes of scratch memory; `threads`; `cached`: whether its code was there; and
        what making it took: `trace_seconds`, `plan_seconds`, `compile_seconds`, `load_seconds`.
        """
        own = {
            **self._counts,
            "programs": sum(map(len, self._programs.values())),
            "seconds": self._seconds,
            "reasons": dict(self._reasons),
        }
        if self._latest is None:
            return own
        program = self._latest[0]
        return own | {"trace_seconds": program.trace_seconds} | program.executable.stats

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Where the time of a program goes: `print` shows a table of its kernels.

        The program is that for these arguments, or, without any, the newest call's. It is compiled
        once more, with clocks in it, and run for half a second. Nothing changes: it works on
        copies, and the random numbers stay where they are.
        """
        with self._lock:
            if args or kwargs:
                leaves: list[Tensor] = []
                found = self._find(self._key(args, kwargs, leaves), leaves)
                program = found or self._make(args, kwargs)
            else:
                program, leaves = self._newest()
            return program.executable.profile([x._data for x in leaves])


@overload
def compile(function: Callable[..., Any], *, keep_grads: bool = False) -> Compiled: ...
@overload
def compile(*, keep_grads: bool = False) -> Callable[[Callable[..., Any]], Compiled]: ...
def compile(function: Callable[..., Any] | None = None, *, keep_grads: bool = False) -> Any:
    """The function as a native program: same results and effects, compiled at the first call.

    For a function of tensors that does any part of a step (forward, loss, `backward()`,
    `optimizer.step()`, `zero_grad()`), written as for glass mode, or a model. Also a decorator:
    `@cr.compile`, `@cr.compile(keep_grads=True)`.

    One program is made for each signature: shapes, dtypes and flags of tensor arguments, other
    arguments by value, and what it met while it was traced (training modes, options of optimisers,
    variables). Learning rates, step counts and random numbers are read anew at each call. Python
    code of the function runs only while it is traced.

    keep_grads: leave the gradients of parameters in `.grad` also where an optimiser inside has
        used them up. Otherwise their memory is reused, and reading them says so.

    Errors: TraceError, at a call, with the line that cannot be traced; nothing has changed then.

    >>> step = cr.compile(lambda x: (2 * x).sum())
    >>> step(cr.tensor([1.0, 2.0]))
    tensor(6.)
    """
    Bool().check(keep_grads, "compile", "keep_grads")
    if function is None:
        return lambda f: compile(f, keep_grads=keep_grads)
    if not callable(function):
        raise ArgumentError(
            t("compile takes a function or a model, not {kind}.", kind=type(function).__name__)
        )
    if isinstance(function, Compiled):
        function = function._function
    return Compiled(function, keep_grads)

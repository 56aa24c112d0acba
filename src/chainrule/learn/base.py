"""What every estimator shares: the loop of an iterative fit, and how it shows its working."""

from __future__ import annotations

import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from sklearn.exceptions import NotFittedError

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.learn.working import Working

# A line that is written more often costs time and shows nothing more.
_INTERVAL = 0.1


class InterruptedFitWarning(UserWarning):
    """A fit was interrupted; the estimator holds the best that was found before."""


class Explained:
    """Mixin of estimators that show their working.

    `fit(..., trace=True)` keeps the trace as `trace_`; `_working()` builds the Working from it and
    from the fitted parameters.
    """

    def working(self) -> Working:
        """How the fit came about, step by step, with its numbers.

        Raises NotFittedError before `fit`; ArgumentError where the fit kept no trace of what is
        shown.
        """
        if not any(key.endswith("_") and not key.startswith("_") for key in vars(self)):
            name = type(self).__name__
            raise NotFittedError(t("{name} has no working yet: fit it first.", name=name))
        return self._working()

    def __explain__(self) -> Working:
        return self.working()

    def _working(self) -> Working:
        raise NotImplementedError

    def _needs_trace(self) -> Any:
        """The trace of the fit. Raises ArgumentError where there is none."""
        trace = getattr(self, "trace_", None)
        if trace is None:
            name = type(self).__name__
            raise ArgumentError(t("{name} kept no working: write fit(..., trace=True).", name=name))
        return trace


class Rounds:
    """The rounds of a fit: shows progress and turns Ctrl-C into an early end.

        with Rounds(self, total=self.max_iter, verbose=self.verbose) as rounds:
            for i in rounds:
                …                      # leave a consistent state at the end of each round
                rounds.show(loss=loss)

    Ctrl-C ends the loop after the round that runs; a KeyboardInterrupt that comes all the same
    (from another thread) ends it at once. Both give an InterruptedFitWarning, and the code after
    the `with` makes the estimator of what was found. A second Ctrl-C raises KeyboardInterrupt.

    Args:
        owner: the estimator, or a name.
        total: how many rounds there are at most.
        verbose: 0 nothing; from 1 on a bar on terminals, plain lines elsewhere.
        every: show progress every so many rounds.

    Attributes:
        done: how many rounds were finished; interrupted: whether Ctrl-C ended them.
    """

    def __init__(self, owner: Any, total: int, verbose: Any = 0, every: int = 1) -> None:
        self.name = owner if isinstance(owner, str) else type(owner).__name__
        self.total, self.every = total, every
        self.done, self.interrupted = 0, False
        self._again = False
        self._view: _Lines | _Bar | None = None
        if verbose and total > 1:
            self._view = _Bar() if sys.stdout.isatty() else _Lines()
        self._before: Any = None
        self._listening = False

    def __enter__(self) -> Rounds:
        # Elsewhere Python lets nobody set handlers; a handler not set from Python gives None.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is not None:
                signal.signal(signal.SIGINT, self._handle)
                self._listening = True
        return self

    def __iter__(self) -> Iterator[int]:
        for i in range(self.total):
            yield i
            self.done = i + 1
            if self.interrupted:
                return

    def show(self, **figures: float) -> None:
        """Shows where the fit stands; costs nothing if it is silent."""
        if self._view is not None and (self.done + 1) % self.every == 0:
            self._view.show(self, figures)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self._listening:
            signal.signal(signal.SIGINT, self._before)
        if self._view is not None:
            self._view.close(self)
        if kind is not None and not (issubclass(kind, KeyboardInterrupt) and not self._again):
            return False
        if kind is not None:
            self.interrupted = True
        if self.interrupted:
            text = t(
                "{name} was interrupted after {done} of {total} rounds; the best so far is kept.",
                name=self.name,
                done=self.done,
                total=self.total,
            )
            warnings.warn(text, InterruptedFitWarning, stacklevel=3)
        return True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            self._again = True
            raise KeyboardInterrupt
        self.interrupted = True


def _line(rounds: Rounds, done: int, figures: dict[str, float]) -> str:
    return t(
        "{name}  {done}/{total}  {figures}",
        name=rounds.name,
        done=done,
        total=rounds.total,
        figures="  ".join(f"{key} {value:.6g}" for key, value in figures.items()),
    ).rstrip()


class _Lines:
    """Plain lines: the first, the last, and those in between at most one a second."""

    def __init__(self) -> None:
        self._next = 0.0
        self._held: str | None = None

    def show(self, rounds: Rounds, figures: dict[str, float]) -> None:
        line = _line(rounds, rounds.done + 1, figures)
        now = time.perf_counter()
        self._held = None if now >= self._next else line
        if self._held is None:
            self._next = now + 1.0
            print(line, flush=True)

    def close(self, rounds: Rounds) -> None:
        if self._held is not None:
            print(self._held, flush=True)


class _Bar:
    """One line of a terminal that updates, and stays as the result."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            TimeRemainingColumn(compact=True),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._task: Any = None
        self._next = 0.0
        self._last = ""

    def show(self, rounds: Rounds, figures: dict[str, float]) -> None:
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("", total=rounds.total)
        self._last = _line(rounds, rounds.done + 1, figures)
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _INTERVAL
            done = rounds.done + 1
            self._bar.update(self._task, completed=done, description=self._last, refresh=True)

    def close(self, rounds: Rounds) -> None:
        if self._task is not None:
            self._bar.stop()
            self._console.print(self._last, markup=False, highlight=False, soft_wrap=True)

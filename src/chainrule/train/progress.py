"""What a user sees of a run: a line that updates on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.train.callbacks import Callback

if TYPE_CHECKING:
    from chainrule.train.run import Run

# A terminal that is redrawn more often costs time and shows nothing more.
_INTERVAL = 0.1


def display(verbose: Any) -> list[Callback]:
    """The callbacks for `verbose`: "auto" or 1, 2 (plain lines always) or 0 (nothing)."""
    if verbose in (0, False):
        return []
    if verbose == 2 and verbose is not True:
        return [Lines()]
    if verbose in ("auto", 1, True):
        return [Bar() if sys.stdout.isatty() else Lines()]
    raise ArgumentError(
        t("verbose is 'auto', 0 (silent), 1 or 2 (plain lines), not {value!r}.", value=verbose)
    )


def number(key: str, value: float) -> str:
    """A value for a progress line."""
    if key in ("lr", "val_lr"):
        return f"{value:.3g}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"


def figures(row: dict[str, float]) -> str:
    """The values of a row, without epoch and seconds."""
    shown = (f"{k} {number(k, v)}" for k, v in row.items() if k not in ("epoch", "seconds"))
    return "  ".join(shown)


def epoch_line(run: Run) -> str:
    """The finished epoch on one line."""
    width = len(str(run.epochs))
    return t(
        "Epoch {epoch}/{epochs}  {figures}  {seconds} s",
        epoch=f"{run.epoch:{width}d}",
        epochs=run.epochs,
        figures=figures(run.logs),
        seconds=f"{run.logs['seconds']:.1f}",
    )


def ending(run: Run) -> str | None:
    """Why a run ended before its last epoch."""
    if run.history.interrupted:
        where = t("Interrupted in epoch {epoch} after step {step}.", epoch=run.epoch, step=run.step)
        if run.saved_to is None:
            return where
        return where + " " + t("To go on: resume from {path}", path=run.saved_to)
    if run.history.stopped is not None:
        return t("Stopped in epoch {epoch}: {reason}", epoch=run.epoch, reason=run.history.stopped)
    return None


class Lines(Callback):
    """One plain line an epoch."""

    def on_epoch_end(self, run: Run) -> None:
        print(epoch_line(run), flush=True)

    def on_train_end(self, run: Run) -> None:
        text = ending(run)
        if text:
            print(text, flush=True)


class Bar(Callback):
    """One line that updates while an epoch runs, and stays as the epoch's result."""

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._bar: Any = None
        self._next = 0.0

    def on_train_begin(self, run: Run) -> None:
        # Loaded here and not with the package, which has to start fast.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = self._console or Console()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.completed}/{task.fields[steps]}"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            auto_refresh=False,
            transient=True,
        )
        self._bar.start()
        self._task: Any = None

    def on_step_end(self, run: Run) -> None:
        now = time.perf_counter()
        if now < self._next:
            return
        self._next = now + _INTERVAL
        name = t("Epoch {epoch}/{epochs}", epoch=run.epoch, epochs=run.epochs)
        if self._task is None:
            self._task = self._bar.add_task(
                name, total=run.steps_per_epoch, steps="", figures="", completed=run.batch
            )
        self._bar.update(
            self._task,
            completed=run.batch,
            steps="?" if run.steps_per_epoch is None else run.steps_per_epoch,
            figures=figures(run.so_far()),
            refresh=True,
        )

    def on_epoch_end(self, run: Run) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
            self._bar.refresh()
        self._bar.console.print(epoch_line(run), markup=False, highlight=False, soft_wrap=True)

    def on_train_end(self, run: Run) -> None:
        self.close()
        text = ending(run)
        if text:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

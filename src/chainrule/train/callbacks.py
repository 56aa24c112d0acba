"""Callbacks: what happens beside the steps of a run.

Each event gets the `Run`: its `model`, `optimizer`, `history`, `epoch` (from 1), `step`, `loss`,
`logs` (the row of the epoch just ended), and `stop(reason)`.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.base.constraints import Int, NonNegative
from chainrule.base.errors import ArgumentError
from chainrule.base.files import atomic_write
from chainrule.base.text import t
from chainrule.files import save_file
from chainrule.train.history import better_mode

if TYPE_CHECKING:
    from chainrule.train.run import Run

EVENTS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_step_begin",
    "on_gradients",
    "on_step_end",
    "on_epoch_end",
    "on_train_end",
)


class Callback:
    """Base of callbacks: override the events that matter.

    A callback whose behaviour depends on what it saw before returns that from `state_dict` (plain
    values, arrays, tensors) and takes it back in `load_state_dict`; then a resumed run goes on as
    if it had never been cut.
    """

    # True for callbacks that write the run's state: they see what all others did.
    last = False

    def watches(self, run: Run) -> bool:
        """Whether this callback looks into the coming step (its gradients, or the layers by hooks),
        asked after `on_step_begin`: such a step runs in glass mode, all others are compiled and
        `on_gradients` is not called. By default: if `on_gradients` is overridden."""
        method = getattr(self.on_gradients, "__func__", None)
        return method is not Callback.on_gradients

    def on_train_begin(self, run: Run) -> None:
        """The run starts, or goes on after a resume."""

    def on_epoch_begin(self, run: Run) -> None:
        """An epoch starts; not called again when a run is resumed within one."""

    def on_step_begin(self, run: Run) -> None:
        """Before a training step."""

    def on_gradients(self, run: Run) -> None:
        """The gradients of a step are there, not clipped yet, and nothing is updated."""

    def on_step_end(self, run: Run) -> None:
        """After a training step; `run.loss` is its loss."""

    def on_epoch_end(self, run: Run) -> None:
        """After validation; `run.logs` is the epoch's row, which is in the history already."""

    def on_train_end(self, run: Run) -> None:
        """The run has ended: all epochs done, stopped, or interrupted."""

    def close(self) -> None:
        """Give back what is held (files, hooks); called last, also after an error."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""


class LambdaCallback(Callback):
    """Functions as a callback: `LambdaCallback(on_epoch_end=lambda run: print(run.logs))`."""

    def __init__(self, **events: Callable[[Run], Any]) -> None:
        for name, function in events.items():
            if name not in EVENTS:
                raise ArgumentError(
                    t(
                        "There is no event {name!r}; the events are {events}.",
                        name=name,
                        events=", ".join(EVENTS),
                    )
                )
            setattr(self, name, function)


class _Monitor(Callback):
    """Watches one value of the epochs' rows for its best."""

    def __init__(self, monitor: str, min_delta: float, mode: str) -> None:
        owner = type(self).__name__
        self.monitor = monitor
        self.min_delta = NonNegative().check(min_delta, owner, "min_delta")
        self.sign = 1.0 if better_mode(monitor, mode) == "min" else -1.0
        self.best: float | None = None
        self.best_epoch = 0

    def improved(self, run: Run) -> bool:
        """Whether this epoch is the best so far; if so it is remembered."""
        if self.monitor not in run.logs:
            raise ArgumentError(
                t(
                    "{owner} watches {monitor!r}, but an epoch has only {known}: choose another "
                    "monitor, or give fit validation data.",
                    owner=type(self).__name__,
                    monitor=self.monitor,
                    known=", ".join(run.logs),
                )
            )
        value = float(run.logs[self.monitor])
        if math.isnan(value):
            return False
        if self.best is not None and not self.sign * value < self.sign * self.best - self.min_delta:
            return False
        self.best, self.best_epoch = value, run.epoch
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = state["best"], int(state["best_epoch"])


class EarlyStopping(_Monitor):
    """Stop when the monitored value has not improved for `patience` epochs.

    Args:
        monitor: a column of the history.
        patience: how many epochs in a row without improvement end the run (0 is as 1).
        min_delta: an improvement must be larger than this.
        mode: "min", "max" or "auto" (by the monitor's name: losses and errors "min").
        restore_best: at the end of the run, however it ends, put the best epoch's weights and
            buffers back. A checkpoint keeps the weights of its step.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 0,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = False,
    ) -> None:
        super().__init__(monitor, min_delta, mode)
        self.patience = Int(low=0).check(patience, "EarlyStopping", "patience")
        self.restore_best = restore_best
        self.waited = 0
        self.weights: dict[str, Any] | None = None

    def on_epoch_end(self, run: Run) -> None:
        if self.improved(run):
            self.waited = 0
            if self.restore_best:
                self.weights = copies(run.model)
            return
        self.waited += 1
        if self.waited >= max(1, self.patience):
            run.stop(
                t(
                    "{monitor} has not improved since epoch {epoch}.",
                    monitor=self.monitor,
                    epoch=self.best_epoch,
                )
            )

    def on_train_end(self, run: Run) -> None:
        if self.restore_best and self.weights is not None:
            run.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.waited, self.weights = int(state["waited"]), state["weights"]


def copies(model: Any) -> dict[str, Any]:
    """The state dict of a module, copied."""
    return {
        name: value.clone() if hasattr(value, "clone") else value
        for name, value in model.state_dict().items()
    }


class ModelCheckpoint(_Monitor):
    """Save at the ends of epochs.

    Args:
        path: where to; a name in `.safetensors` gets the weights alone, any other the whole state
            of the run, for `fit(resume=path)`. `{epoch}` and other columns are filled in, as in
            "weights-{epoch:03d}-{val_loss:.3f}.safetensors". The folder is made if missing.
        monitor, mode: as in `EarlyStopping`; used only with `save_best_only`.
        save_best_only: save only when the monitored value is the best so far.
        every: save after each `every`-th epoch.
        every_steps: save after each `every_steps`-th step as well, the whole state.
    """

    last = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        every: int = 1,
        mode: str = "auto",
        every_steps: int | None = None,
    ) -> None:
        super().__init__(monitor, 0.0, mode)
        self.path = os.fspath(path)
        self.save_best_only = save_best_only
        self.every = Int(low=1).check(every, "ModelCheckpoint", "every")
        self.every_steps = every_steps
        if every_steps is not None:
            Int(low=1).check(every_steps, "ModelCheckpoint", "every_steps")
            if save_best_only or self.path.endswith(".safetensors"):
                raise ArgumentError(
                    t(
                        "ModelCheckpoint: every_steps saves the whole state within an epoch, "
                        "where nothing is monitored: leave out save_best_only, and use a path "
                        "without .safetensors."
                    )
                )
        self.saved: Path | None = None

    def on_step_end(self, run: Run) -> None:
        if self.every_steps and run.step % self.every_steps == 0:
            self._save(run, {"epoch": run.epoch, "step": run.step})

    def on_epoch_end(self, run: Run) -> None:
        if self.save_best_only and not self.improved(run):
            return
        if run.epoch % self.every == 0 or self.save_best_only:
            self._save(run, run.logs | {"step": run.step})

    def _save(self, run: Run, values: dict[str, Any]) -> None:
        try:
            path = Path(self.path.format(**values))
        except (KeyError, IndexError, ValueError) as error:
            raise ArgumentError(
                t(
                    "ModelCheckpoint cannot fill in the path {path!r}: {reason}. Known: {known}.",
                    path=self.path,
                    reason=error,
                    known=", ".join(values),
                )
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            save_file(run.model.state_dict(), path)
        else:
            run.save(path)
        self.saved = path


class CSVLogger(Callback):
    """Write each epoch's row to a CSV file; a resumed run begins the file with the rows it has."""

    def __init__(self, path: str | os.PathLike[str], separator: str = ",") -> None:
        self.path = Path(path)
        self.separator = separator

    def on_train_begin(self, run: Run) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write(run)

    def on_epoch_end(self, run: Run) -> None:
        columns = run.history.keys()
        if len(run.history) == 1 or columns != self.columns:
            self._write(run)
            return
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._lines(columns, [run.logs]))

    def _write(self, run: Run) -> None:
        self.columns = run.history.keys()
        head = self._lines(self.columns, [dict(zip(self.columns, self.columns, strict=True))])
        rows = self._lines(self.columns, run.history.epochs)
        atomic_write(self.path, head + rows if self.columns else "")

    def _lines(self, columns: list[str], rows: list[dict[str, Any]]) -> str:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.separator, lineterminator="\n")
        writer.writerows([row.get(column, "") for column in columns] for row in rows)
        return text.getvalue()


class LRScheduler(Callback):
    """Set the learning rate at the start of each epoch: `function(epoch, lr) -> lr`.

    `epoch` counts from 1 and `lr` is the rate so far. All parameter groups get the new rate.
    For schedules by step give the Trainer a scheduler instead.
    """

    def __init__(self, function: Callable[[int, float], float]) -> None:
        self.function = function

    def on_epoch_begin(self, run: Run) -> None:
        groups = run.optimizer.param_groups
        rate = self.function(run.epoch, groups[0]["lr"])
        NonNegative().check(rate, "LRScheduler", t("the rate that the function returned"))
        for group in groups:
            group["lr"] = float(rate)


class TerminateOnNaN(Callback):
    """Stop at the first step whose loss is NaN or infinite."""

    def on_step_end(self, run: Run) -> None:
        if not math.isfinite(run.loss):
            reason = t("The loss is {loss} at step {step}.", loss=run.loss, step=run.step)
            run.stop(reason if run.cause is None else f"{reason} {run.cause}")

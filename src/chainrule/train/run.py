"""`Run`: one fit, from its first step to its last, and everything that resuming it needs."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.base.errors import ArgumentError, DataError, FileFormatError
from chainrule.base.text import t
from chainrule.data import DataLoader
from chainrule.files import load_checkpoint, save_checkpoint
from chainrule.graph import Tensor
from chainrule.ops.random import get_rng_state, set_rng_state
from chainrule.train import feeding
from chainrule.train.callbacks import Callback
from chainrule.train.history import History
from chainrule.train.interrupt import Interrupt
from chainrule.train.not_finite import Causes, broken_parameter
from chainrule.train.optimizers import Schedule
from chainrule.train.streaming import Collected, MeanLoss, Metric

if TYPE_CHECKING:
    from chainrule.train.trainer import Trainer

FORMAT = "chainrule-run"
VERSION = 1

# Writing to disk costs about as much as a hundred small steps: without an order by the user, the
# ends of epochs save at most this often, in seconds.
_SAVE_INTERVAL = 10.0


class TrainingWarning(UserWarning):
    """Something in a run that a user should look at."""


class Run:
    """One fit in progress: what callbacks get.

    Attributes:
        trainer, model, optimizer, history: of the run.
        epochs: how many the run has; steps_per_epoch: None for a stream.
        epoch: the one in progress or just ended, from 1.
        batch: steps done in this epoch; step: in the whole run.
        loss: of the last step.
        cause: why a loss was NaN or infinite, as far as that was found.
        examples: (inputs, target) of the step in progress, or of the last one.
        logs: the row of the epoch that ended last.
        saved_to: the newest checkpoint of the run's own, or None.
    """

    def __init__(
        self,
        trainer: Trainer,
        train: DataLoader,
        validation: DataLoader | None,
        epochs: int,
        callbacks: Sequence[Callback],
        checkpoint: Path | None,
        checkpoint_every: int | None,
        checkpoint_steps: int | None,
    ) -> None:
        self.trainer = trainer
        self.model = trainer.model
        self.optimizer = trainer.optimizer
        self.loader, self.validation = train, validation
        self.epochs = epochs
        self.steps_per_epoch = feeding.length(train)
        total = None if self.steps_per_epoch is None else self.steps_per_epoch * epochs
        # Described first: a schedule made for the run moves the rate to where it starts.
        self.history = History(trainer.describe() | {"epochs": epochs})
        self.schedule = Schedule(
            trainer.scheduler, trainer.scheduler_every, trainer.optimizer, total
        )
        if train.batch_size is not None:
            self.history.config["batch_size"] = train.batch_size
        # Those that write the run's state see what the others made of it.
        self.callbacks = sorted(callbacks, key=lambda callback: callback.last)
        self.checkpoint = checkpoint
        self.checkpoint_every, self.checkpoint_steps = checkpoint_every, checkpoint_steps
        self.finished = 0  # epochs done
        self.batch = 0
        self.step = 0
        self.epoch = 1
        self.loss = math.nan
        self.cause: str | None = None
        self.examples: tuple[tuple[Tensor, ...], Any] | None = None
        self.logs: dict[str, float] = {}
        self.saved_to: Path | None = None
        self.state: Any = None  # that of a recurrent model, before the next step
        self.first_epoch = train.epoch  # what the loader calls the run's first epoch
        self.mean_loss = MeanLoss()
        self.metrics: list[Metric] = [copy.deepcopy(metric) for metric in trainer.metrics]
        self._reason: str | None = None
        self._elapsed = 0.0  # seconds of this epoch before a resume
        self._warned = False
        self._causes = Causes(self)
        self._last_save = time.monotonic()
        self._interrupt = Interrupt()

    # ---- what callbacks may do ---------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """End the run: after this epoch, or called within one after this step.

        An epoch cut short is not validated and leaves no row in the history.
        """
        self._reason = reason

    def interrupt(self) -> None:
        """End the run as Ctrl-C does: after this step, saved so that it can be resumed."""
        self._interrupt.raised = True

    @property
    def ending(self) -> bool:
        """Whether the run was told to end."""
        return self._interrupt.raised or self._reason is not None

    def so_far(self) -> dict[str, float]:
        """Mean loss and metrics of the epoch in progress (those that are quick to compute)."""
        quick = (m for m in self.metrics if not isinstance(m, Collected))
        return {"loss": self.mean_loss.compute()} | {m.name: m.compute() for m in quick}

    # ---- the run -----------------------------------------------------------------------------

    def execute(self) -> History:
        """Run to the end; the history, with `interrupted` or `stopped` set where it applies."""
        with self._interrupt:
            try:
                self._call("on_train_begin")
                while self.finished < self.epochs and self._reason is None:
                    if not self._one_epoch():
                        break
                self.history.stopped = self._reason
                self._save_at_end()
                self._call("on_train_end")
            finally:
                for callback in self.callbacks:
                    callback.close()
        return self.history

    def _one_epoch(self) -> bool:
        """The epoch in progress to its end; False if it was cut short."""
        self.epoch = self.finished + 1
        started = time.perf_counter() - self._elapsed
        self.loader.set_epoch(self.first_epoch + self.finished)
        self.model.train()
        if self.batch:
            batches = self.loader.iter_from(self.batch)
        else:
            batches, self.state = iter(self.loader), None
            for metric in (self.mean_loss, *self.metrics):
                metric.reset()
            self._call("on_epoch_begin")
        self._steps(batches, started)
        if self._interrupt.raised or self._reason is not None:
            return self._cut_short(started)
        if not self.batch:
            raise DataError(t("The training data gave no batch in epoch {k}.", k=self.epoch))
        row: dict[str, float] = {"epoch": self.epoch, "loss": self.mean_loss.compute()}
        row |= {metric.name: float(metric.compute()) for metric in self.metrics}
        if self.validation is not None:
            validated = self._validate()
            if validated is None:
                return self._cut_short(started)
            row |= {f"val_{name}": value for name, value in validated.items()}
            self.model.train()
        row["lr"] = self.history.step_lr[-1]
        row["seconds"] = time.perf_counter() - started
        self.history.epochs.append(row)
        self.logs = row
        self.finished, self.batch, self._elapsed = self.finished + 1, 0, 0.0
        self.schedule.after_epoch(row)
        self._call("on_epoch_end")
        self._save_after_epoch()
        return True

    def _steps(self, batches: Any, started: float) -> None:
        """Train on the batches; stops at a step's end when the run is to end."""
        # Looked up once: this loop runs for every step, and its own cost must stay small.
        before, between, after = (
            self._hooks(name) for name in ("on_step_begin", "on_gradients", "on_step_end")
        )
        watchers = [c.watches for c in self.callbacks if _watches_at_all(c)]
        trainer, history = self.trainer, self.history
        groups, train_step, dtype = self.optimizer.param_groups, trainer.train_step, trainer.dtype
        every, interrupt, keep = self.checkpoint_steps, self._interrupt, self._causes.before_step
        for batch in batches:
            self.examples = inputs, target = feeding.unpack(batch, dtype)
            for hook in before:
                hook(self)
            rate = groups[0]["lr"]
            watched = [watches(self) for watches in watchers]
            if self.state is None:
                self.state = feeding.initial_state(self.model, self.loader, len(target))
            keep()
            output, loss, self.state = train_step(
                inputs, target, self.state, self, between if any(watched) else ()
            )
            self.schedule.after_step()
            self.loss = value = loss.item()
            self.batch += 1
            self.step += 1
            history.step_loss.append(value)
            history.step_lr.append(rate)
            self.mean_loss.update(value, len(target))
            for metric in self.metrics:
                metric.update(output, target)
            if not math.isfinite(value):
                self._warn_not_finite(value)
            for hook in after:
                hook(self)
            if not math.isfinite(value):
                self._stop_if_useless()
            if every and self.step % every == 0:
                self._elapsed = time.perf_counter() - started
                self._save_own()
            if interrupt.raised or self._reason is not None:
                return

    def _validate(self) -> dict[str, float] | None:
        """Loss and metrics of the validation data; None if interrupted meanwhile."""
        assert self.validation is not None
        # The same numbers whether or not the run was resumed: its epoch, and not how often the
        # loader was used, decides what random transforms do.
        self.validation.set_epoch(self.finished)
        random = get_rng_state()
        result = self.trainer.measure(self.validation, lambda: self._interrupt.raised)
        if result is None:
            set_rng_state(random)
        return result

    def _cut_short(self, started: float) -> bool:
        self._elapsed = time.perf_counter() - started
        self.history.interrupted = self._interrupt.raised and self._reason is None
        self.history.signal = self._interrupt.number if self.history.interrupted else None
        return False

    def _warn_not_finite(self, value: float) -> None:
        if self._warned:
            return
        self._warned = True
        self.cause = self._causes.find()
        told = {"loss": value, "step": self.step, "epoch": self.epoch}
        if self.cause is None:
            text = t(
                "The loss is {loss} at step {step} (epoch {epoch}): training has diverged. Try a "
                "smaller learning rate than {rate:g}, clip_grad_norm=1.0, and inputs scaled to "
                "about -1 .. 1; TerminateOnNaN() ends such a run.",
                rate=self.history.step_lr[-1],
                **told,
            )
        else:
            text = t(
                "The loss is {loss} at step {step} (epoch {epoch}). {cause}",
                cause=self.cause,
                **told,
            )
        self.history.config["not_finite"] = text
        warnings.warn(text, TrainingWarning, stacklevel=5)

    def _stop_if_useless(self) -> None:
        """Ends the run where no later step can have a loss, unless a callback has mended it."""
        broken = None if self.ending else broken_parameter(self)
        if broken is not None:
            self.stop(
                t(
                    "The parameters hold {value} ({name}), so no later step could have a loss.",
                    value=broken[1],
                    name=broken[0],
                )
            )

    # ---- callbacks ---------------------------------------------------------------------------

    def _hooks(self, event: str) -> list[Callable[[Run], None]]:
        """The callbacks' methods for an event, without those that do nothing."""
        return [
            getattr(callback, event)
            for callback in self.callbacks
            if getattr(getattr(callback, event), "__func__", None) is not getattr(Callback, event)
        ]

    def _call(self, event: str) -> None:
        for hook in self._hooks(event):
            hook(self)

    # ---- saving and resuming -----------------------------------------------------------------

    def save(self, path: Any) -> None:
        """Write everything that resuming needs to `path`: `fit(..., resume=path)` goes on here."""
        save_checkpoint(path, self.state_dict())

    def _save_own(self) -> None:
        # A state whose loss is no number is worth nothing, and would replace one that is.
        if self.checkpoint is not None and math.isfinite(self.loss):
            self.save(self.checkpoint)
            self.saved_to = self.checkpoint
            self._last_save = time.monotonic()

    def _save_after_epoch(self) -> None:
        if self.checkpoint is None:
            return
        if self.checkpoint_every is None:
            # The first one at once: until then a kill would lose all.
            due = self.saved_to is None or time.monotonic() - self._last_save >= _SAVE_INTERVAL
        else:
            due = self.finished % self.checkpoint_every == 0
        if due:
            self._save_own()
            self._save_history()

    def _save_at_end(self) -> None:
        if self.checkpoint is not None:
            self._save_own()
            self._save_history()

    def _save_history(self) -> None:
        assert self.checkpoint is not None
        self.history.save(self.checkpoint.parent / "history.json")

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        saved = dict(self.model.state_dict())
        buffers = {name: b for name, b in self.model.named_buffers() if name not in saved}
        # The loader may have loaded ahead or been used elsewhere; where this run stands counts.
        position = self.loader.state_dict() | {
            "epoch": self.first_epoch + self.finished,
            "batch": self.batch,
        }
        return {
            "format": FORMAT,
            "version": VERSION,
            "model": saved,
            "buffers": buffers,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.schedule.state_dict(),
            "random": get_rng_state(),
            "loader": position,
            "state": self.state if self.batch else None,
            "history": self.history.state_dict(),
            "run": {
                "finished": self.finished,
                "batch": self.batch,
                "step": self.step,
                "loss": self.loss,
                "first_epoch": self.first_epoch,
                "elapsed": self._elapsed,
                "warned": self._warned,
            },
            "metrics": {m.name: m.state_dict() for m in (self.mean_loss, *self.metrics)},
            "callbacks": {key: c.state_dict() for key, c in self._named_callbacks()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        buffers = dict(self.model.named_buffers())
        for name, value in state["buffers"].items():
            buffers[name].copy_(value if isinstance(value, Tensor) else Tensor(value))
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["scheduler"])
        self.loader.load_state_dict(state["loader"])
        # Runs written before models carried states have none.
        self.state = state.get("state")
        config = self.history.config
        self.history.load_state_dict(state["history"])
        self.history.config |= config
        self.history.interrupted = False
        run = state["run"]
        self.finished, self.batch, self.step = run["finished"], run["batch"], run["step"]
        self.first_epoch, self.loss = run["first_epoch"], run["loss"]
        self._elapsed, self._warned = run["elapsed"], run["warned"]
        self._reason = self.history.stopped
        self.epoch = max(1, self.finished)
        self.logs = self.history.epochs[-1] if self.history.epochs else {}
        for metric in (self.mean_loss, *self.metrics):
            if metric.name in state["metrics"]:
                metric.load_state_dict(state["metrics"][metric.name])
            elif self.batch:
                raise ArgumentError(
                    t(
                        "The checkpoint was written within an epoch without the metric {name!r}: "
                        "resume with the metrics of that run.",
                        name=metric.name,
                    )
                )
        for key, callback in self._named_callbacks():
            if key in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][key])
        # Last, because nothing above may take random numbers afterwards.
        set_rng_state(state["random"])

    def _named_callbacks(self) -> list[tuple[str, Callback]]:
        """The callbacks under their class and its count, which a resumed run repeats."""
        counts: dict[str, int] = {}
        named = []
        for callback in self.callbacks:
            kind = type(callback).__name__
            counts[kind] = counts.get(kind, 0) + 1
            named.append((f"{kind}{counts[kind]}", callback))
        return named


def _watches_at_all(callback: Callback) -> bool:
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)
        for name in ("on_gradients", "watches")
    )


def read_checkpoint(path: Any) -> dict[str, Any]:
    """The state in a checkpoint. Raises FileFormatError for a file that holds no run."""
    state = load_checkpoint(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise FileFormatError(t("{path}: this is not the checkpoint of a run.", path=path))
    if state["version"] > VERSION:
        raise FileFormatError(
            t("{path}: this checkpoint was written by a newer chainrule: update it.", path=path)
        )
    return state

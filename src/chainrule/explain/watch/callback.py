"""`Watch`: the callback that serves the live page of a run."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError
from chainrule.base.text import language, t
from chainrule.explain.watch.control import Control
from chainrule.explain.watch.predictions import Samples
from chainrule.explain.watch.probe import Probe, kernels
from chainrule.explain.watch.record import Record, buckets
from chainrule.explain.watch.server import Server
from chainrule.train import Callback

if TYPE_CHECKING:
    from chainrule.train import Run

#: Seconds between the events of a run: with a page that listens, and without.
_INTERVAL, _INTERVAL_ALONE = 0.25, 2.0
#: Share of the running time that looking into the network may take.
_SHARE = 0.03
#: A look is a pass in glass mode. The first, at the first step, also loads what that needs, so the
#: second is taken for so many steps; those after it cost what the one before did.
_GUESS = 6.0
_POINTS_A_TICK = 8


class Watch(Callback):
    """A live page of the run on this computer: `fit(..., callbacks=[Watch()])` prints its address.

    The page shows loss, metrics, learning rate, and from looks beside the steps (at most four a
    second, and never more than 3 % of the running time) the statistics of each layer, its first
    kernels and some predictions. It can pause, step, resume and stop the run, which goes on
    without a page. Looking changes no bit of the run. Give it before callbacks that hook layers.

    Args:
        port: of the page; 0 for a free one.

    Attributes:
        url: the page's address with its token, from the start of the run.
        looks: how many looks were taken; spent: seconds that they and the events took, without the
            first look, which is part of the start as compiling is, and those while paused.

    Raises ArgumentError, when the run starts, for a port that cannot be had.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = Int(low=0).check(port, "Watch", "port")
        self.url = ""
        self.looks = 0
        self.spent = 0.0
        self._server: Server | None = None

    # ---- events ------------------------------------------------------------------------------

    def on_train_begin(self, run: Run) -> None:
        self.control, self._probe, self._samples = Control(), Probe(run), Samples(run)
        self._rows: dict[str, dict[str, Any]] | None = None
        self._broken: str | None = None
        self._holding = False
        self._told, self._outcome = len(run.history.step_loss), ""
        # Seconds of the run that count: those of pauses do not.
        self._began = self._next_tick = self._next_look = self._paid = time.perf_counter()
        self._first_step, self._first_cost = run.step, 0.0
        # When the first step, which may have been compiled, was done.
        self._steady: tuple[float, int] | None = None
        self._record = Record(self._about(run), self._hurry)
        self._epochs: list[dict[str, float]] = []
        if self._told:
            length = run.steps_per_epoch or 1
            before = {
                "step": run.step,
                "epoch": run.epoch,
                "points": buckets(1, run.history.step_loss.tolist(), 1000),
                "epochs": [{"step": r["epoch"] * length, **r} for r in run.history.epochs],
            }
            self._record.publish("tick", before)
        try:
            self._server = Server(self.port, self._record, lambda action: self._ask(run, action))
        except (OSError, OverflowError) as error:
            raise ArgumentError(
                t("Watch: port {port} cannot be had: {reason}.", port=self.port,
                  reason=getattr(error, "strerror", None) or error)
            ) from error  # fmt: skip
        self.url = self._server.url
        print(t("Watch this run: {url}", url=self.url), flush=True, file=sys.stderr)

    def on_step_begin(self, run: Run) -> None:
        if self.control.paused or time.perf_counter() >= self._next_look:
            self._look(run)

    def on_step_end(self, run: Run) -> None:
        if self._steady is None:
            self._steady = time.perf_counter(), run.step
        looked = self._rows is not None
        if looked:
            self._tell_layers(run)
        # Who pauses wants to look around: the run waits after a step that was looked at.
        if self.control.paused and (looked or self._broken is not None):
            self._tick(run)
            self._hold(run)
        elif time.perf_counter() >= self._next_tick:
            self._tick(run)

    def on_epoch_end(self, run: Run) -> None:
        self._epochs.append({"step": run.step, **run.logs})
        if time.perf_counter() >= self._next_tick:
            self._tick(run)

    def on_train_end(self, run: Run) -> None:
        self._tick(run)
        history = run.history
        self._outcome = "stopped" if history.stopped is not None else "finished"
        if history.interrupted:
            self._outcome = "interrupted"
        self._record.publish("state", {"state": self._outcome, "reason": history.stopped})

    def close(self) -> None:
        if self._server is None:
            return
        if not self._outcome:
            self._record.publish("state", {"state": "failed"})
        self._server.close()
        self._server = None

    # ---- the training thread -----------------------------------------------------------------

    def _look(self, run: Run) -> None:
        """Look into the network before a step, if there is time for it."""
        started = time.perf_counter()
        if self._broken is not None:
            self._next_look = float("inf")
            return
        if self.looks == 1 and not self.control.paused:
            wait = self._began + self._guess(run, started) / _SHARE - started
            if wait > 0:
                self._next_look = started + min(wait, 0.25)
                return
        try:
            self._rows = self._probe.look(run)
        except Exception as error:
            # Whatever a model does in a pass of its own, watching must not end its run.
            self._broken = f"{type(error).__name__}: {error}"
            self._record.publish("state", self._state())
        self._taken = time.perf_counter() - started

    def _guess(self, run: Run, now: float) -> float:
        """Seconds that the second look may take: no more than the first one did."""
        assert self._steady is not None
        if run.step == self._steady[1]:
            return self._first_cost
        each = (now - self._steady[0]) / (run.step - self._steady[1])
        return min(self._first_cost, _GUESS * each)

    def _tell_layers(self, run: Run) -> None:
        started = time.perf_counter()
        rows, self._rows = self._rows, None
        assert rows is not None
        content: dict[str, Any] = {"step": run.step, "loss": run.loss, "layers": rows}
        try:
            self._probe.compare(rows)
            content["kernels"] = kernels(run, self._probe.layers)
            content["predictions"] = self._samples.predict(run)
            content["written"] = self._samples.write(run)
        except Exception as error:
            self._broken = f"{type(error).__name__}: {error}"
            self._record.publish("state", self._state())
        self._record.publish("layers", content)
        now = time.perf_counter()
        cost = self._taken + now - started
        self.looks += 1
        self._next_look = self._paid = now + self._interval()
        if self.looks == 1:
            self._first_cost = cost
        if self.control.paused or self.looks == 1:
            # Not the run's time: it stands, or it starts.
            self._began += cost
        else:
            self._paid = now + cost / _SHARE
            self._next_look = max(self._next_look, self._paid)
            self.spent += cost

    def _tick(self, run: Run) -> None:
        """Tell what the steps since the last tick gave."""
        started = time.perf_counter()
        losses = run.history.step_loss[self._told :].tolist()
        every = max(1, -(-len(self._epochs) // _POINTS_A_TICK))
        content = {
            "step": run.step,
            "epoch": run.epoch,
            "batch": run.batch,
            "seconds": started - self._began,
            "steps": run.step - self._first_step,
            "lr": run.history.step_lr[-1] if run.history.step_lr else None,
            "points": buckets(self._told + 1, losses, _POINTS_A_TICK),
            # The last of as many as there are too many.
            "epochs": self._epochs[(len(self._epochs) - 1) % every :: every],
            "spent": self.spent,
            "so_far": run.so_far() if run.batch else run.logs,
        }
        self._told += len(losses)
        self._epochs = []
        self._record.publish("tick", content)
        now = time.perf_counter()
        self._next_tick = now + self._interval()
        self.spent += now - started

    def _hold(self, run: Run) -> None:
        started = time.perf_counter()
        if not run.ending:
            self._holding = True
            self._record.publish("state", self._state())
            self.control.wait(run)
            self._holding = False
            self._record.publish("state", self._state())
        self._began += time.perf_counter() - started

    def _interval(self) -> float:
        return _INTERVAL if self._record.viewers else _INTERVAL_ALONE

    # ---- the pages' threads ------------------------------------------------------------------

    def _hurry(self) -> None:
        """A page listens: it gets the next events sooner than nobody did."""
        self._next_tick = 0.0
        self._next_look = min(self._next_look, self._paid)

    def _ask(self, run: Run, action: str) -> None:
        self.control.ask(action, run)
        self._record.publish("state", self._state())

    def _state(self) -> dict[str, Any]:
        state = "running"
        if self.control.stopping:
            state = "stopping"
        elif self.control.paused:
            state = "paused" if self._holding else "pausing"
        return {"state": state, "broken": self._broken}

    def _about(self, run: Run) -> dict[str, Any]:
        return {
            "model": type(run.model).__name__,
            "parameters": sum(p.numel() for p in run.model.parameters()),
            "loss": run.trainer.loss.name,
            "optimizer": type(run.optimizer).__name__,
            "epochs": run.epochs,
            "steps_per_epoch": run.steps_per_epoch,
            "batch_size": run.loader.batch_size,
            "first_step": run.step,
            "layers": [
                {
                    "name": name,
                    "kind": type(module).__name__,
                    "parameters": sum(p.numel() for p in own),
                }
                for name, module, own in self._probe.layers
            ],
            "metrics": [metric.name for metric in run.trainer.metrics],
            "classes": _classes(run),
            "validation": run.validation is not None,
            "pictures": self._samples.pictures(),
            "language": language(),
        }


def _classes(run: Run) -> list[str]:
    """The names of the classes, from the data set or the one that it is a part of."""
    dataset: Any = run.loader.dataset
    while dataset is not None:
        if getattr(dataset, "classes", None):
            return [str(name) for name in dataset.classes]
        dataset = getattr(dataset, "dataset", None)
    return []

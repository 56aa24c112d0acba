"""Why the loss of a run became NaN or infinite.

While all is well, this costs a copy of the state now and then: at most one hundredth of the time.
When the loss is no number, the steps since the newest copy are made again until the one that went
wrong, and that one once more in glass mode under `detect_anomaly`, which names the operation.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.base.errors import AnomalyError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.graph.anomaly import detect_anomaly, place_of
from chainrule.graph.backward import grad
from chainrule.train import feeding
from chainrule.train.kept import Kept

if TYPE_CHECKING:
    from chainrule.train.run import Run

_LARGEST = 1 << 24  # numbers in the model; of a larger one no copy is kept
_INTERVAL = 2.0  # seconds between copies, at least
_SHARE = 100  # and at least so many times what a copy takes
_PATIENCE = 10.0  # seconds for making steps again
_GROWN = 1e3  # a loss so many times its smallest has diverged
_SMALLER = 10.0  # the rate that is tried is so many times smaller


class _Earlier(NamedTuple):
    """The state before a step: how many epochs and batches and steps were done."""

    kept: Kept
    finished: int
    batch: int
    step: int
    state: Any


class _Step(NamedTuple):
    """A step that was made again: its number from 0, what it began with, how it ended."""

    number: int
    kept: Kept
    inputs: tuple[Tensor, ...]
    target: Any
    state: Any
    loss: float
    whole: bool  # whether all parameters were finite afterwards


class Causes:
    """Finds why the loss of one run is no number.

    Args:
        run: the run. Its state is as before after each call.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        size = sum(p.numel() for p in run.model.parameters())
        self._due = 0.0 if size <= _LARGEST else math.inf
        self._earlier: _Earlier | None = None
        self._state: Any = None  # what the step in progress began with

    def before_step(self) -> None:
        """Called before each step; keeps the state if it is time."""
        run = self._run
        self._state = run.state
        began = time.monotonic()
        if began < self._due:
            return
        kept = Kept(run.model, run.optimizer)
        self._earlier = _Earlier(kept, run.finished, run.batch, run.step, run.state)
        now = time.monotonic()
        self._due = now + max(_INTERVAL, _SHARE * (now - began))

    def find(self) -> str | None:
        """What is known of the step that has just ended, as sentences; None: nothing."""
        run = self._run
        assert run.examples is not None
        try:
            found = _in_data(run)
            if found is not None:
                return found
            place, now = run.loader.state_dict(), Kept(run.model, run.optimizer)
            modes = [(module, module.training) for module in run.model.modules()]
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # they were given when the steps first ran
                    return self._in_steps(now)
            finally:
                now.restore()
                run.loader.load_state_dict(place)
                for module, training in modes:
                    module.training = training
        except Exception:  # the search must not hide what it was to explain
            return None

    def _in_steps(self, now: Kept) -> str | None:
        run = self._run
        assert run.examples is not None
        broken = broken_parameter(run)
        culprit = None if self._earlier is None else self._culprit(self._earlier)
        if culprit is None and broken is not None:
            return t(
                "The parameters hold {value} (first: {name}) after this step at the latest.",
                value=broken[1],
                name=broken[0],
            )
        if culprit is None:
            now.restore()
            return self._cause(*run.examples, self._state)
        culprit.kept.restore()
        cause = self._cause(culprit.inputs, culprit.target, culprit.state)
        number = culprit.number + 1
        texts = []
        if math.isfinite(culprit.loss) and broken is not None:
            texts.append(
                t("It began with step {step}, whose update made the parameters {value}.",
                  step=number, value=broken[1])
            )  # fmt: skip
        losses = run.history.step_loss[:number]
        finite = [x for x in losses if math.isfinite(x)]
        if finite and finite[-1] > _GROWN * max(min(finite), sys.float_info.min):
            texts.append(
                t("The loss had grown from {low:.3g} to {high:.3g}.",
                  low=min(finite), high=finite[-1])
            )  # fmt: skip
        if cause is not None:
            texts.append(cause)
        if self._earlier is not None:
            texts.append(self._smaller_rate(self._earlier, number))
        return " ".join(filter(None, texts))

    # ---- making steps again ------------------------------------------------------------------

    def _again(self, since: _Earlier, until: int, share: float) -> Iterator[_Step]:
        """The steps from `since` up to number `until`, with `share` of their rates."""
        run, began = self._run, time.monotonic()
        since.kept.restore()
        number, state, first = since.step, since.state, since.batch
        for epoch in range(since.finished, run.finished + 1):
            run.loader.set_epoch(run.first_epoch + epoch)
            for batch in run.loader.iter_from(first):
                inputs, target = feeding.unpack(batch, run.trainer.dtype)
                if state is None:
                    state = feeding.initial_state(run.model, run.loader, len(target))
                groups = run.optimizer.param_groups
                rates = [group["lr"] for group in groups]
                scale = share * run.history.step_lr[number] / (rates[0] or 1.0)
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"] = rate * scale
                kept = Kept(run.model, run.optimizer)
                _, loss, after = run.trainer.train_step(inputs, target, state)
                yield _Step(number, kept, inputs, target, state, loss.item(),
                            broken_parameter(run) is None)  # fmt: skip
                number, state = number + 1, after
                for group, rate in zip(groups, rates, strict=True):
                    group["lr"] = rate
                if number == until or run.ending or time.monotonic() - began > _PATIENCE:
                    return
            first, state = 0, None

    def _culprit(self, since: _Earlier) -> _Step | None:
        """The first step that went wrong; None if the steps do not repeat."""
        run = self._run
        run.model.train()
        for step in self._again(since, run.step, 1.0):
            before = run.history.step_loss[step.number]
            if not np.isclose(step.loss, before, rtol=1e-3, equal_nan=True):
                return None
            if not (step.whole and math.isfinite(step.loss)):
                return step
        return None

    def _smaller_rate(self, since: _Earlier, until: int) -> str:
        """What a smaller rate does to the same steps."""
        rate = self._run.history.step_lr[until - 1] / _SMALLER
        last = None
        for last in self._again(since, until, 1 / _SMALLER):
            if not (last.whole and math.isfinite(last.loss)):
                return t("A rate of {rate:g} does not help (tried on the same steps).", rate=rate)
        if last is None or last.number + 1 != until:
            return ""
        return t(
            "With a rate of {rate:g} steps {first} to {last} stay finite, loss {loss:.3g} (tried).",
            rate=rate, first=since.step + 1, last=until, loss=last.loss,
        )  # fmt: skip

    def _cause(self, inputs: tuple[Tensor, ...], target: Any, state: Any) -> str | None:
        """What `detect_anomaly` finds in one step, in a line; None: nothing."""
        run = self._run
        kept = Kept(run.model, run.optimizer)
        run.model.train()
        for check_inf in (False, True):
            try:
                with detect_anomaly(check_inf=check_inf):
                    _, loss, _ = run.trainer.output_and_loss(inputs, target, state)
                    trained = [p for p in run.model.parameters() if p.requires_grad]
                    grad(loss, trained, allow_unused=True)
            except AnomalyError as error:
                return _one_line(error)
            finally:
                kept.restore()
        return None


def broken_parameter(run: Run) -> tuple[str, str] | None:
    """Name and value of the first parameter that is NaN or infinite somewhere; None: all finite."""
    for name, parameter in run.model.named_parameters():
        data = parameter._data
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            return name, "nan" if np.isnan(data).any() else "inf"
    return None


def _in_data(run: Run) -> str | None:
    """Which sample of the batch is not finite."""
    assert run.examples is not None
    inputs, target = run.examples
    for k, part in enumerate((*inputs, target)):
        data = part._data if isinstance(part, Tensor) else None
        if data is None or data.dtype.kind != "f" or data.ndim == 0 or np.isfinite(data).all():
            continue
        bad = ~np.isfinite(data)
        row, *entry = (int(i) for i in np.unravel_index(int(np.argmax(bad)), data.shape))
        count = int(bad.reshape(len(data), -1).any(axis=1).sum())
        what = t("target") if k == len(inputs) else t("input")
        where = t("in row {row} of the batch", row=row)
        indices = run.loader.indices_of(run.first_epoch + run.finished, run.batch - 1)
        if indices is not None and row < len(indices):
            where += ", " + t("sample {index} of the data (from 0),", index=int(indices[row]))
        told = {"what": what, "where": where, "value": str(data[(row, *entry)])}
        if entry:
            text = t("The {what} {where} is {value} at {entry}.", entry=entry, **told)
        else:
            text = t("The {what} {where} is {value}.", **told)
        if count > 1:
            text += " " + t("So it is in {count} rows of the batch.", count=count)
        return text
    return None


def _one_line(error: AnomalyError) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    module = error.place.module
    if module is not None:
        where = t("in module: {where}", where=module)
        if where not in lines:
            lines.insert(1, where)
    here = place_of(sys._getframe())  # the line that called `fit` says nothing
    if error.place[:2] == here[:2]:
        lines = [line for line in lines if line != t("computed in {line}", line=here.text())]
        dull = (f", {here.text()}", ", " + t("on the same line"))
        for words in dull:
            lines = [line.replace(words, "") for line in lines]
    text = lines[0]
    for line in lines[1:]:
        text += (" " if text.endswith((":", "：")) else "; ") + line
    return t("First cause: {what}.", what=text)

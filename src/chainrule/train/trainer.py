"""`Trainer`: fit, evaluate and predict with a model."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Choice, Int, Optional, Positive
from chainrule.base.dtypes import DType, as_dtype, get_default_dtype
from chainrule.base.errors import ArgumentError
from chainrule.base.providers import provided
from chainrule.base.text import t
from chainrule.compile import Profile, backend
from chainrule.data import DataLoader
from chainrule.graph import Tensor, autocast, no_grad
from chainrule.nn import Module
from chainrule.nn.utils import clip_grad_norm_, clip_grad_value_
from chainrule.ops.random import manual_seed
from chainrule.train import feeding
from chainrule.train.attempt import Attempt
from chainrule.train.callbacks import Callback
from chainrule.train.history import History
from chainrule.train.losses import Loss
from chainrule.train.optimizers import make_optimizer
from chainrule.train.progress import display
from chainrule.train.run import Run, read_checkpoint
from chainrule.train.streaming import MeanLoss, Metric, make_metrics

CHECKPOINT = "checkpoint"
# Batches of validation are so many times as large as those of training.
_MEASURED = 4


class Trainer:
    """Trains a model: `Trainer(model, loss="cross_entropy", optimizer="adam").fit((x, y))`.

    Args:
        model: a Module; called with the inputs of a batch. On data whose batches continue one
            another (`data.TextStreams`) a model with `initial_state(rows)` is called with its
            state as the last argument and gives (output, new state), which goes into the next
            step without its history: truncated backpropagation through time.
        loss: a name ("cross_entropy", "mse", "quadratic", "bce", ...: `loss_names()`), a module or
            a function of (output, target) that gives the mean over the batch.
        optimizer: a name ("sgd", "adam", "adamw", ...: `optimizer_names()`), an Optimizer, or a
            class or function of the parameters.
        metrics: names ("accuracy", "f1", ...: `metric_names()`), Metric objects, or functions of
            (outputs, targets) that are called once an epoch with everything put together.
        scheduler: None, a scheduler, "one_cycle" or "cosine" over the run, or a function of
            (optimizer, total_steps) that makes one. See `scheduler_every`.
        lr, weight_decay, momentum, ...: for an optimiser given by name; weight_decay then acts on
            weights and not on biases.
        scheduler_every: "step" or "epoch"; by default one made by name or function, OneCycleLR and
            CyclicLR step after each training step, all others after each epoch.
        clip_grad_norm: scale the gradients so that their joint norm is at most this.
        clip_grad_value: clamp each gradient element to plus or minus this.
        seed: names the order of the data, random transforms and dropout. None: whatever
            `manual_seed` last said. (The weights are drawn when the model is made, before.)
        precision: "float32", "float64" or "bfloat16": the model is converted, and floating inputs
            are. "bf16": mixed precision, `chainrule.autocast("bfloat16")` around forward and loss;
            parameters stay float32. None leaves the model as it is.
        run_dir: a folder, made if missing, for `checkpoint` and `history.json`.
        compile: run the steps as native programs (`chainrule.compile`), where native code can be
            made; the gradients of such steps are not kept. What cannot be compiled runs in glass
            mode, after one warning, and so do steps that a callback looks into (`watches`).

    Raises ArgumentError for a name that is not known; it lists those that are.

    >>> x = cr.randn(8, 3)
    >>> data = cr.data.TensorDataset(x, x.sum(1, keepdim=True))
    >>> model = cr.nn.Linear(3, 1)
    >>> optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = cr.train.Trainer(model, loss="mse", optimizer=optimizer, compile=False)
    >>> history = trainer.fit(data, epochs=2, batch_size=4, verbose=0)
    >>> len(history["loss"])
    2
    """

    def __init__(
        self,
        model: Module,
        loss: str | Callable[[Any, Any], Tensor] = "cross_entropy",
        optimizer: Any = "adam",
        metrics: Iterable[str | Metric | Callable[[Any, Any], Any]] = (),
        scheduler: Any = None,
        *,
        scheduler_every: str | None = None,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        seed: int | None = None,
        precision: str | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        compile: bool = True,
        **options: Any,
    ) -> None:
        if not isinstance(model, Module):
            raise ArgumentError(
                t("Trainer takes an nn.Module, not {kind}.", kind=type(model).__name__)
            )
        choices = Choice(None, "float32", "float64", "bfloat16", "bf16")
        self.model = model
        precision = choices.check(precision, "Trainer", "precision")
        self.mixed = precision == "bf16"
        if precision is not None:
            model.to(as_dtype("float32" if self.mixed else precision))
        self.dtype = _dtype_of(model)
        self.loss = Loss(loss)
        self.metrics = make_metrics(metrics, self.loss.threshold)
        self.optimizer = make_optimizer(optimizer, model, options)
        self.scheduler, self.scheduler_every = scheduler, scheduler_every
        self.clip_grad_norm = _positive("clip_grad_norm", clip_grad_norm)
        self.clip_grad_value = _positive("clip_grad_value", clip_grad_value)
        self.seed = None if seed is None else Int(low=0).check(seed, "Trainer", "seed")
        self.run_dir = None if run_dir is None else Path(run_dir)
        compiles = Bool().check(compile, "Trainer", "compile") and backend.native_available()
        self._step = Attempt(self._training_step, compiles)
        self._forward = Attempt(self._output, compiles)
        self._judged = Attempt(self.output_and_loss, compiles)
        self.history = History()
        self._run: Run | None = None
        self._epochs_seen = 0
        self._batch: tuple[Any, Any, Any] | None = None  # the first one of the newest fit

    # ---- fit ---------------------------------------------------------------------------------

    def fit(
        self,
        train: Any,
        validation: Any = None,
        epochs: int = 1,
        callbacks: Sequence[Callback] = (),
        *,
        batch_size: int = 64,
        shuffle: bool = True,
        num_workers: int = 0,
        verbose: Any = "auto",
        resume: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        checkpoint_steps: int | None = None,
        watch: bool = False,
        watch_port: int = 0,
    ) -> History:
        """Train for `epochs` epochs and return the history.

        Ctrl-C ends the run after the step in progress: it is not validated, `history.interrupted`
        is True, and with a `run_dir` the checkpoint to resume from is there. A second Ctrl-C
        raises KeyboardInterrupt at once. SIGTERM, unless it has a handler, ends the run like the
        first Ctrl-C. The model is left in evaluation mode.

        The first loss that is NaN or infinite gives one TrainingWarning, which names the sample of
        the data, or the step and the operation that made it, and what was tried against it. The
        run goes on as long as the parameters are finite, and else stops (`history.stopped`).

        Args:
            train: a DataLoader, a Dataset, or (x, y) arrays or tensors.
            validation: the same, measured after each epoch (columns val_...) in batches four times
                as large; None for none.
            callbacks: see `Callback`.
            batch_size, shuffle, num_workers: for the loader made here; a DataLoader has its own.
                The last, smaller batch is kept.
            verbose: "auto" or 1: a line that updates on a terminal, else one line an epoch;
                2: one line an epoch; 0: silent.
            resume: a checkpoint of this run: same model, data, epochs and settings. Training goes
                on from there, within an epoch too, with the bits of a run that was never cut.
            checkpoint_every: write `run_dir/checkpoint` after every so many epochs; by default
                after the first and then at most every ten seconds, and at the end of the run.
            checkpoint_steps: and after every so many steps.
            watch: print the address of a live page of this run (`explain.watch.Watch`), which can
                also pause, step, resume and stop it; watch_port: its port, 0 for a free one.

        Raises:
            DataError: no training data, or batches that are not (input, target).
            ShapeError: the model's output and the target do not fit.
            FileFormatError: the checkpoint cannot be read.
        """
        Int(low=0).check(epochs, "fit", "epochs")
        every, steps = (
            Optional(Int(low=1)).check(value, "fit", name)
            for name, value in (
                ("checkpoint_every", checkpoint_every),
                ("checkpoint_steps", checkpoint_steps),
            )
        )
        state = None if resume is None else read_checkpoint(resume)
        if state is None and self.seed is not None and not self._epochs_seen:
            manual_seed(self.seed)
        # The position of a loader counts under its seed, so a resumed one gets the saved one.
        seed = self.seed if state is None else state["loader"]["seed"]
        loader = feeding.make_loader(
            train, t("training"), batch_size,
            shuffle=shuffle, seed=seed, num_workers=num_workers, dtype=self.dtype,
        )  # fmt: skip
        if loader is not train:
            # Another fit sees other orders than the one before.
            loader.set_epoch(self._epochs_seen)
        validator = None
        if validation is not None:
            # Without gradients nothing is kept, so that more examples take no more memory.
            validator = feeding.make_loader(
                validation, t("validation"), _MEASURED * batch_size, seed=seed, dtype=self.dtype
            )
        if Bool().check(watch, "fit", "watch"):
            # First, so that it looks before others hook the layers.
            callbacks = [provided("watch")(watch_port), *callbacks]
        checkpoint = None
        if self.run_dir is not None:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            checkpoint = self.run_dir / CHECKPOINT
        run = Run(
            self, loader, validator, epochs, [*callbacks, *display(verbose)],
            checkpoint, every, steps,
        )  # fmt: skip
        if state is not None:
            run.load_state_dict(state)
        self._run, self.history, self._batch = run, run.history, None
        try:
            return run.execute()
        finally:
            self._epochs_seen += run.finished
            self.model.eval()

    def train_step(
        self,
        inputs: tuple[Tensor, ...],
        target: Any,
        state: Any = None,
        run: Run | None = None,
        between: Sequence[Callable[[Any], None]] = (),
    ) -> tuple[Any, Tensor, Any]:
        """One step: forward, loss, backward, clipping, update. Returns (output, loss, new state).

        state: what a model that carries one starts from; None: the model is called without.
        between: called with `run` once the gradients are there, in glass mode; without, the step
            is compiled.
        """
        if not between:
            if self._batch is None:
                self._batch = inputs, target, state
            return self._step(inputs, target, state)  # type: ignore[no-any-return]
        return self._training_step(inputs, target, state, run, between)

    def _training_step(
        self,
        inputs: tuple[Tensor, ...],
        target: Any,
        state: Any = None,
        run: Run | None = None,
        between: Sequence[Callable[[Any], None]] = (),
    ) -> tuple[Any, Tensor, Any]:
        self.optimizer.zero_grad()
        with autocast("bfloat16", enabled=self.mixed):
            output, state = self._call(inputs, state)
            loss = self.loss(output, target)
        loss.backward()
        for hook in between:
            hook(run)
        if self.clip_grad_norm is not None:
            clip_grad_norm_(self._updated(), self.clip_grad_norm)
        if self.clip_grad_value is not None:
            clip_grad_value_(self._updated(), self.clip_grad_value)
        self.optimizer.step()
        return output, loss, state

    def _output(self, inputs: tuple[Tensor, ...], state: Any = None) -> tuple[Any, Any]:
        with autocast("bfloat16", enabled=self.mixed):
            return self._call(inputs, state)

    def output_and_loss(
        self, inputs: tuple[Tensor, ...], target: Any, state: Any
    ) -> tuple[Any, Tensor, Any]:
        """(output, loss, new state) of a batch, in glass mode; nothing is updated."""
        output, state = self._output(inputs, state)
        return output, self.loss(output, target), state

    def _call(self, inputs: tuple[Tensor, ...], state: Any) -> tuple[Any, Any]:
        """The model's output and its new state, without the history of that."""
        if state is None:
            return self.model(*inputs), None
        output, state = self.model(*inputs, state)
        return output, feeding.carried(state, self.dtype)

    def _updated(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state of the newest fit to `path`, for `fit(..., resume=path)`."""
        if self._run is None:
            raise ArgumentError(t("There is nothing to save before the first fit."))
        self._run.save(path)

    def profile(self) -> Profile | None:
        """Where the time of a training step goes, kernel by kernel, on a batch of the newest fit;
        None where no step was compiled. Nothing is trained by it."""
        if self._batch is None:
            return None
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.train()
        try:
            return self._step.profile(*self._batch)
        finally:
            for module, mode in modes:
                module.training = mode

    # ---- evaluate and predict ----------------------------------------------------------------

    def evaluate(self, data: Any, batch_size: int = 256) -> dict[str, float]:
        """{"loss": …, metric: …} of data as `fit` takes them, in evaluation mode.

        Calling it twice gives the same numbers, and the place of a DataLoader is left as it was.
        """
        loader = feeding.make_loader(data, t("evaluation"), batch_size, dtype=self.dtype)
        place = loader.state_dict()
        loader.set_epoch(0)
        try:
            result = self.measure(loader)
        finally:
            loader.load_state_dict(place)
        assert result is not None
        return result

    def measure(
        self, loader: DataLoader, stopped: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """Loss and metrics over one epoch of a loader; None if `stopped()` became true."""
        mean_loss = MeanLoss()
        metrics = [copy.deepcopy(metric) for metric in self.metrics]
        for metric in metrics:
            metric.reset()
        state = None
        with _evaluating(self.model), no_grad():
            for batch in loader:
                if stopped():
                    return None
                inputs, target = feeding.unpack(batch, self.dtype)
                if state is None:
                    state = feeding.initial_state(self.model, loader, len(target))
                output, loss, state = self._judged(inputs, target, state)
                mean_loss.update(loss.item(), len(target))
                for metric in metrics:
                    metric.update(output, target)
        return {"loss": mean_loss.compute()} | {m.name: float(m.compute()) for m in metrics}

    def predict(self, data: Any, batch_size: int = 256) -> np.ndarray:
        """The model's outputs, [N, ...], in evaluation mode and in the order of the data.

        data: an array or tensor of inputs [N, ...], or data as `fit` takes them, whose targets
            are not used.
        """
        if isinstance(data, np.ndarray | Tensor):
            data = (data,)
        loader = feeding.make_loader(data, t("prediction"), batch_size, dtype=self.dtype)
        place = loader.state_dict()
        loader.set_epoch(0)
        outputs, state = [], None
        try:
            with _evaluating(self.model), no_grad():
                for batch in loader:
                    inputs, _ = feeding.unpack(batch, self.dtype, with_target=False)
                    if state is None:
                        state = feeding.initial_state(self.model, loader, len(inputs[0]))
                    output, state = self._forward(inputs, state)
                    outputs.append(output)
        finally:
            loader.load_state_dict(place)
        return feeding.join(outputs)

    # ---- description -------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for the history and reports."""
        first = self.optimizer.param_groups[0]
        scheduler = self.scheduler
        if scheduler is not None and not isinstance(scheduler, str):
            scheduler = getattr(scheduler, "__name__", type(scheduler).__name__)
        return {
            "model": type(self.model).__name__,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "loss": self.loss.name,
            "optimizer": type(self.optimizer).__name__,
            "lr": float(first["lr"]),
            "weight_decay": float(first.get("weight_decay", 0.0)),
            "scheduler": scheduler,
            "clip_grad_norm": self.clip_grad_norm,
            "clip_grad_value": self.clip_grad_value,
            "seed": self.seed,
            "precision": "bf16" if self.mixed else self.dtype.name,
        }


class _evaluating:
    """Evaluation mode inside; every module gets its own mode back, also a frozen one."""

    def __init__(self, model: Module) -> None:
        self.model = model
        self.modes: list[tuple[Module, bool]] = []

    def __enter__(self) -> None:
        self.modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        for module, mode in self.modes:
            module.training = mode


def _dtype_of(model: Module) -> DType:
    for parameter in model.parameters():
        if parameter.dtype.is_floating_point:
            return parameter.dtype
    return get_default_dtype()


def _positive(name: str, value: float | None) -> float | None:
    return Optional(Positive()).check(value, "Trainer", name)  # type: ignore[no-any-return]

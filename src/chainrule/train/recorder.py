"""`Recorder`: statistics of every layer over time, from a few sampled steps an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Int, Optional
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import Module
from chainrule.train.callbacks import Callback

if TYPE_CHECKING:
    from chainrule.train.run import Run

# Rows of a long run, about: enough for a curve.
_ROWS = 25
# Within this share of its range from a bound, an activation's slope is small: saturated.
_MARGIN = 0.05
_BOUNDS = {
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Hardtanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "ReLU6": (0.0, 6.0),
}
_RECTIFIERS = ("ReLU", "ReLU6", "Threshold")
# They pass on what the layer before gave, so their curves would only repeat its own.
_PASSING = ("Flatten", "Unflatten", "Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d")


def layers_of(model: Module) -> list[tuple[str, Module, list[Tensor]]]:
    """The layers whose statistics tell something: dotted name, module, its own parameters."""
    return [
        (name or type(module).__name__, module, list(module.parameters(recurse=False)))
        for name, module in model.named_modules()
        if not any(True for _ in module.children()) and type(module).__name__ not in _PASSING
    ]


def output_statistics(module: Module, y: NDArray[Any]) -> dict[str, float]:
    """`act_mean`, `act_std`, `saturated` and `dead` of a module's output, where they apply."""
    mean = float(y.mean())
    # One pass over the data; the mean is subtracted first, so nothing cancels.
    centred = (y - y.dtype.type(mean)).ravel()
    row = {"act_mean": mean, "act_std": math.sqrt(float(np.dot(centred, centred)) / y.size)}
    kind = type(module).__name__
    if kind in _BOUNDS:
        low, high = _BOUNDS[kind]
        if kind == "Hardtanh":
            low, high = module.min_val, module.max_val
        margin = _MARGIN * (high - low)
        outside = np.count_nonzero(y < low + margin) + np.count_nonzero(y > high - margin)
        if kind == "ReLU6":
            outside = np.count_nonzero(y > high - margin)
        row["saturated"] = outside / y.size
    if kind in _RECTIFIERS and y.ndim > 1:
        alive = (y > 0).any(axis=tuple(i for i in range(y.ndim) if i != 1))
        row["dead"] = 1.0 - float(alive.mean())
    return row


class Recorder(Callback):
    """Record, for each layer and over the epochs, how signals and gradients fare.

    A layer is a module without children, under its dotted name. Its row holds, where it applies:
        act_mean, act_std: of its output.
        saturated: the share of outputs within 5 % of the range from a bound of a bounded
            activation (sigmoid, tanh, hard tanh, ...), where the gradient nearly vanishes.
        dead: the share of a ReLU's units (channels of an image) that were zero for every example
            and place of a step.
        grad_norm, grad_mean_abs: of its parameters' gradients, before clipping.
        update_ratio: |change of its parameters| / |parameters| of one step.
    Each is the mean over the epoch's sampled steps; `epoch` says which epoch.

    Args:
        samples: steps to look at an epoch, evenly spaced, the last of them the epoch's last. All
            other steps run without hooks.
        every: look at every so-many-th epoch, from the first on, and at the last one. By default at
            each of a short run, and at about 25 of a longer one: the steps that are looked at
            run in glass mode, which takes several times as long.

    Rows go to `history.layers[layer]`, one for each epoch looked at.
    """

    def __init__(self, samples: int = 2, every: int | None = None) -> None:
        self.samples = Int(low=1).check(samples, "Recorder", "samples")
        self.every = Optional(Int(low=1)).check(every, "Recorder", "every")
        self._sums: dict[str, dict[str, list[float]]] = {}
        self._handles: list[Any] = []
        self._layers: list[tuple[str, Module, list[Tensor]]] = []
        self._before: dict[str, list[NDArray[Any]]] = {}
        self._chosen: frozenset[int] = frozenset()
        self._sampling = False

    # ---- events ------------------------------------------------------------------------------

    def on_train_begin(self, run: Run) -> None:
        self._layers = layers_of(run.model)
        if not self._layers:
            raise ArgumentError(t("Recorder: the model has no layers to record."))
        # The length of a stream is not known, so its first steps have to do.
        chosen: Iterable[int] = range(self.samples)
        if run.steps_per_epoch is not None:
            count = min(self.samples, run.steps_per_epoch)
            chosen = ((i + 1) * run.steps_per_epoch // count - 1 for i in range(count))
        self._chosen = frozenset(chosen)

    def on_epoch_begin(self, run: Run) -> None:
        self._sums = {}

    def on_step_begin(self, run: Run) -> None:
        self._sampling = run.batch in self._chosen and self._looks_at(run)
        if self._sampling:
            self._watch()

    def watches(self, run: Run) -> bool:
        return self._sampling

    def on_gradients(self, run: Run) -> None:
        if not self._sampling:
            return
        self._unwatch()
        for name, _, parameters in self._layers:
            gradients = [p.grad.to_dense()._data.ravel() for p in parameters if p.grad is not None]
            if gradients:
                size = sum(g.size for g in gradients)
                total = sum(float(np.abs(g).sum()) for g in gradients)
                self._note(name, "grad_norm", norm(gradients))
                self._note(name, "grad_mean_abs", total / size)
                self._before[name] = [p._data.copy() for p in parameters]

    def on_step_end(self, run: Run) -> None:
        if not self._sampling:
            return
        for name, _, parameters in self._layers:
            before = self._before.pop(name, None)
            if before is not None:
                changed = norm([p._data - b for p, b in zip(parameters, before, strict=True)])
                size = norm(before)
                self._note(name, "update_ratio", changed / size if size else math.nan)
        self._sampling = False

    def on_epoch_end(self, run: Run) -> None:
        for name, _, _ in self._layers:
            rows = run.history.layers.setdefault(name, [])
            if self._looks_at(run):
                sums = self._sums.get(name, {})
                means = {key: float(np.mean(values)) for key, values in sums.items()}
                rows.append({"epoch": float(run.epoch), **means})

    def close(self) -> None:
        self._unwatch()

    def _looks_at(self, run: Run) -> bool:
        every = self.every or max(1, round(run.epochs / _ROWS))
        return (run.epoch - 1) % every == 0 or run.epoch == run.epochs

    # ---- looking -----------------------------------------------------------------------------

    def _watch(self) -> None:
        for name, module, _ in self._layers:
            self._handles.append(module.register_forward_hook(self._hook(name)))

    def _unwatch(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _hook(self, name: str) -> Any:
        def look(module: Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dtype.is_floating_point and output.numel():
                for key, value in output_statistics(module, output._data).items():
                    self._note(name, key, value)

        return look

    def _note(self, layer: str, key: str, value: float) -> None:
        self._sums.setdefault(layer, {}).setdefault(key, []).append(value)

    # ---- resuming ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {"sums": {k: {s: list(v) for s, v in d.items()} for k, d in self._sums.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums = {k: {s: list(v) for s, v in d.items()} for k, d in state["sums"].items()}


def norm(arrays: list[NDArray[Any]]) -> float:
    """The joint Euclidean norm."""
    return math.sqrt(sum(float(np.dot(a.ravel(), a.ravel())) for a in arrays))

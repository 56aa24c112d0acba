"""One look into the network: a forward and a backward pass beside the training step."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.graph import Tensor, autocast
from chainrule.nn import Module
from chainrule.ops.random import get_rng_state, set_rng_state
from chainrule.train import feeding
from chainrule.train.recorder import layers_of, norm, output_statistics

if TYPE_CHECKING:
    from chainrule.train import Run

_BINS = 32
#: Values that histograms and update ratios look at, evenly spaced over a layer's parameters.
_SAMPLE = 8192
_MOST_KERNELS, _MOST_SLICES = 32, 8


class Probe:
    """Statistics of every layer on the batch of the step to come.

    The step itself stays as it is, compiled or not: the pass here is one of its own, after which
    gradients, buffers (running statistics) and random numbers are put back. So a watched run has
    the bits of one that nobody watches.
    """

    def __init__(self, run: Run) -> None:
        self.layers = layers_of(run.model)
        self._before: dict[str, NDArray[Any]] = {}

    def look(self, run: Run) -> dict[str, dict[str, Any]]:
        """The layers' rows before the step: `act_mean`, `act_std`, `act_norm` (root of the mean
        square), `dead`, `saturated`, `grad_norm`, histograms `weights` and `gradients`."""
        assert run.examples is not None
        inputs, target = run.examples
        parameters = list(run.model.parameters())
        gradients = [p._grad for p in parameters]
        buffers = [(b, b._data.copy()) for b in run.model.buffers()]
        random = get_rng_state()
        rows: dict[str, dict[str, Any]] = {name: {} for name, _, _ in self.layers}
        handles = [
            module.register_forward_hook(_hook(rows[name])) for name, module, _ in self.layers
        ]
        try:
            for p in parameters:
                p._grad = None
            state = run.state
            if state is None:
                state = feeding.initial_state(run.model, run.loader, len(target))
            with autocast("bfloat16", enabled=run.trainer.mixed):
                output = run.model(*inputs) if state is None else run.model(*inputs, state)[0]
                loss = run.trainer.loss(output, target)
            loss.backward()
            for name, _, own in self.layers:
                rows[name] |= self._parameters(name, own)
        finally:
            for handle in handles:
                handle.remove()
            for p, gradient in zip(parameters, gradients, strict=True):
                p._grad = gradient
            for buffer, before in buffers:
                buffer._data[...] = before
            set_rng_state(random)
        return rows

    def compare(self, rows: dict[str, dict[str, Any]]) -> None:
        """After the step: add `update_ratio`, |change of the parameters| / |parameters|."""
        for name, _, own in self.layers:
            before = self._before.pop(name, None)
            if before is not None:
                size = norm([before])
                changed = norm([_sample(own) - before])
                rows[name]["update_ratio"] = changed / size if size else math.nan

    def _parameters(self, name: str, own: list[Tensor]) -> dict[str, Any]:
        if not own:
            return {}
        weights = _sample(own)
        self._before[name] = weights
        row: dict[str, Any] = {"weights": histogram(weights)}
        gradients = [p.grad.to_dense() for p in own if p.grad is not None]
        if gradients:
            row["grad_norm"] = norm([g._data for g in gradients])
            row["gradients"] = histogram(_sample(gradients))
        return row


def _hook(row: dict[str, Any]) -> Any:
    def look(module: Module, args: Any, output: Any) -> None:
        if isinstance(output, tuple) and output:
            output = output[0]  # of a recurrent layer, beside its last state
        if isinstance(output, Tensor) and output.dtype.is_floating_point and output.numel():
            # A layer that is used more than once shows its last use.
            row.update(output_statistics(module, output._data))
            row["act_norm"] = math.hypot(row["act_mean"], row["act_std"])

    return look


def _sample(tensors: list[Tensor]) -> NDArray[Any]:
    """A copy of at most about `_SAMPLE` of the tensors' values, the same ones each time."""
    size = sum(t.numel() for t in tensors)
    # Odd, so that a power of two along an axis does not pick one column only.
    stride = max(1, size // _SAMPLE) | 1 if size > _SAMPLE else 1
    return np.concatenate([t._data.ravel()[::stride] for t in tensors])


def histogram(values: NDArray[Any]) -> dict[str, Any] | None:
    """`low`, `high` and the `counts` of equal bins between; None where nothing is finite."""
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        values = values[np.isfinite(values)]
        if not values.size:
            return None
        low, high = float(values.min()), float(values.max())
    scale = _BINS / (high - low) if high > low else 0.0
    # Quicker than np.histogram, which works in doubles.
    places = np.minimum(((values - low) * scale).astype(np.intp), _BINS - 1)
    return {"low": low, "high": high, "counts": np.bincount(places, minlength=_BINS).tolist()}


def kernels(run: Run, layers: list[tuple[str, Module, list[Tensor]]]) -> dict[str, Any] | None:
    """The first layer's filters as pictures: `layer`, `shape` (filters, slices, height, width),
    `limit` and `data`, bytes from −127 (−limit) to 127, in base64. None without such a layer."""
    assert run.examples is not None
    shape = run.examples[0][0].shape[1:]
    for name, _, own in layers:
        if not own or own[0].ndim < 2:
            continue
        weight = own[0]._data
        if weight.ndim == 2 and len(shape) == 3 and math.prod(shape) == weight.shape[1]:
            weight = weight.reshape(len(weight), *shape)
        if weight.ndim != 4 or min(weight.shape[2:]) < 2:
            return None
        weight = weight[:_MOST_KERNELS, :_MOST_SLICES]
        limit = float(np.abs(weight).max())
        if not 0 < limit < math.inf:
            return None
        data = np.rint(weight * (127 / limit)).astype(np.int8)
        return {
            "layer": name, "shape": list(weight.shape), "limit": limit,
            "data": b64encode(data.tobytes()).decode(),
        }  # fmt: skip
    return None

"""A few validation samples, and what the network says of them now."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import ChainruleError
from chainrule.data import DataLoader, IterableDataset, Subset
from chainrule.explain.report.pictures import photograph
from chainrule.graph import autocast, no_grad
from chainrule.ops.random import get_rng_state, set_rng_state
from chainrule.train import feeding
from chainrule.train.labels import as_array, to_labels

if TYPE_CHECKING:
    from chainrule.train import Run

_COUNT = 12
#: Longest edge of a picture; larger ones are thinned out.
_EDGE = 64


class Samples:
    """Samples evenly spaced over the validation data (or over the training data, without)."""

    def __init__(self, run: Run) -> None:
        loader = run.validation if run.validation is not None else run.loader
        self.inputs: Any = None
        self.target: Any = None
        dataset = loader.dataset
        if isinstance(dataset, IterableDataset) or getattr(dataset, "continues", False):
            return
        chosen = np.unique(np.linspace(0, len(dataset) - 1, min(_COUNT, len(dataset))).astype(int))
        random = get_rng_state()
        try:
            few = DataLoader(Subset(dataset, chosen), len(chosen), collate_fn=loader.collate_fn)
            self.inputs, self.target = feeding.unpack(next(iter(few)), run.trainer.dtype)
        except Exception:
            # Data that can be had in their own order only: then there is nothing to show.
            return
        finally:
            set_rng_state(random)

    def pictures(self) -> list[dict[str, Any]]:
        """The inputs as pictures: `shape` (height, width, channels) and bytes `data` in base64;
        an empty list if they are none."""
        if self.inputs is None or self.inputs[0].ndim != 4 or min(self.inputs[0].shape[2:]) < 2:
            return []
        found = []
        for image in as_array(self.inputs[0]):
            stride = -(-max(image.shape[1:]) // _EDGE)
            pixels = np.atleast_3d(photograph(image[:, ::stride, ::stride]))
            data = b64encode(np.ascontiguousarray(pixels).tobytes()).decode()
            found.append({"shape": list(pixels.shape), "data": data})
        return found

    def predict(self, run: Run) -> list[dict[str, Any]]:
        """For each sample `true` and `predicted`; with a `probability` these are classes, with a
        `right` share they are left out, since there are many places; else they are numbers."""
        if self.inputs is None:
            return []
        modes = [(module, module.training) for module in run.model.modules()]
        run.model.eval()
        try:
            with no_grad(), autocast("bfloat16", enabled=run.trainer.mixed):
                output = as_array(run.model(*self.inputs))
        finally:
            for module, training in modes:
                module.training = training
        loss = run.trainer.loss
        return describe(output, as_array(self.target), loss.threshold)


def describe(output: NDArray[Any], target: NDArray[Any], threshold: float) -> list[dict[str, Any]]:
    """What outputs [N, …] say, beside their targets; see `Samples.predict`."""
    single = output.size == len(output) == target.size
    if (single and not np.isin(target, (0, 1)).all()) or _are_values(output, target):
        both = zip(target.reshape(len(target), -1), output.reshape(len(output), -1), strict=True)
        return [{"true": float(a[0]), "predicted": float(b[0])} for a, b in both]
    try:
        predicted, true = to_labels(output, target, threshold)
    except ChainruleError:
        return []
    if predicted.ndim > 1:
        right = (predicted == true).reshape(len(true), -1).mean(axis=1)
        return [{"right": float(share)} for share in right]
    rows = zip(true.tolist(), predicted.tolist(), _certainty(output, threshold), strict=True)
    return [{"true": a, "predicted": b, "probability": float(c)} for a, b, c in rows]


def _are_values(output: NDArray[Any], target: NDArray[Any]) -> bool:
    """Whether several values are to be met at once, which are no shares of classes."""
    if output.shape != target.shape or output.ndim < 2 or target.dtype.kind != "f":
        return False
    return output.size > len(output) and not np.allclose(target.sum(axis=1), 1.0, atol=1e-3)


def _certainty(output: NDArray[Any], threshold: float) -> NDArray[Any]:
    """The probability of the predicted class; scores are taken as logits."""
    scores = output.reshape(len(output), -1).astype(np.float64)
    with np.errstate(all="ignore"):
        if scores.shape[1] == 1:
            one = 1 / (1 + np.exp(-scores[:, 0])) if threshold == 0.0 else scores[:, 0]
            return np.maximum(one, 1 - one)
        if scores.min() < 0 or not np.allclose(scores.sum(axis=1), 1.0, atol=1e-3):
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        return scores.max(axis=1)

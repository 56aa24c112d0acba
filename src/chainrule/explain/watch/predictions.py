"""A few validation samples, and what the network says of them now."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import ChainruleError
from chainrule.data import DataLoader, IterableDataset, Subset
from chainrule.data.text import Characters
from chainrule.explain.report.pictures import photograph
from chainrule.graph import Tensor, autocast, no_grad
from chainrule.models import generate
from chainrule.ops.random import get_rng_state, set_rng_state
from chainrule.train import feeding
from chainrule.train.labels import as_array, to_labels

if TYPE_CHECKING:
    from chainrule.train import Run

_COUNT, _TEXTS = 12, 4
#: Characters shown of a text, of those that a model goes on from, and of those that it writes: as
#: many as it makes in so many seconds.
_SHOWN, _PROMPT, _WRITTEN, _SECONDS = 60, 24, 80, 0.1
_TEMPERATURE = 0.7
#: Longest edge of a picture; larger ones are thinned out.
_EDGE = 64


class Samples:
    """Samples evenly spaced over the validation data (or over the training data, without)."""

    def __init__(self, run: Run) -> None:
        loader = run.validation if run.validation is not None else run.loader
        self.inputs: Any = None
        self.target: Any = None
        self.loader, dataset = loader, loader.dataset
        self.characters = alphabet(run, dataset)
        if isinstance(dataset, IterableDataset):
            return
        count = _COUNT if self.characters is None else _TEXTS
        random = get_rng_state()
        try:
            if getattr(dataset, "continues", False):
                x, y = dataset[0]  # a whole batch
                rows = _spread(len(x), count)
                batch: Any = (Tensor(x[rows]), Tensor(y[rows]))
            else:
                chosen = _spread(len(dataset), count)
                few = DataLoader(Subset(dataset, chosen), len(chosen), collate_fn=loader.collate_fn)
                batch = next(iter(few))
            self.inputs, self.target = feeding.unpack(batch, run.trainer.dtype)
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
        `right` share they are left out, since there are many places; else they are numbers. Of a
        text, `true` is what follows and `predicted` what the network expects, place by place."""
        if self.inputs is None:
            return []
        state = feeding.initial_state(run.model, self.loader, len(self.target))
        with _evaluating(run):
            output = run.model(*self.inputs) if state is None else run.model(*self.inputs, state)[0]
        scores, target = as_array(output), as_array(self.target)
        found = describe(scores, target, run.trainer.loss.threshold)
        if self.characters is None or scores.shape[1] != len(self.characters):
            return found
        said = scores.argmax(1)
        if said.shape != target.shape:
            return found
        texts = zip(found, target[:, -_SHOWN:], said[:, -_SHOWN:], strict=True)
        return [
            row | {"true": self.characters.decode(a), "predicted": self.characters.decode(b)}
            for row, a, b in texts
        ]

    def write(self, run: Run) -> dict[str, str] | None:
        """What a network that predicts the next character makes of the first sample: the `prompt`
        and the `text` that it goes on with. None for other networks."""
        if self.inputs is None or self.characters is None or self.target.ndim != 2:
            return None
        prompt = self.characters.decode(as_array(self.inputs[0])[0, :_PROMPT])
        end, text = time.perf_counter() + _SECONDS, []
        with _evaluating(run):
            for character in generate(run.model, prompt, _WRITTEN, characters=self.characters,
                                      temperature=_TEMPERATURE):  # fmt: skip
                text.append(character)
                if time.perf_counter() > end:
                    break
        return {"prompt": prompt, "text": "".join(text)}


@contextmanager
def _evaluating(run: Run) -> Iterator[None]:
    """The network as it is used: no gradients, no dropout; afterwards everything as before."""
    modes = [(module, module.training) for module in run.model.modules()]
    run.model.eval()
    try:
        with no_grad(), autocast("bfloat16", enabled=run.trainer.mixed):
            yield
    finally:
        for module, training in modes:
            module.training = training


def _spread(size: int, count: int) -> NDArray[Any]:
    """At most `count` places, evenly spaced."""
    return np.unique(np.linspace(0, size - 1, min(count, size)).astype(int))


def alphabet(run: Run, dataset: Any) -> Characters | None:
    """The characters that the classes stand for, if the data or the network name them."""
    while dataset is not None:
        if isinstance(found := getattr(dataset, "characters", None), Characters):
            return found
        dataset = getattr(dataset, "dataset", None)
    found = getattr(run.model, "characters", None)
    return found if isinstance(found, Characters) else None


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

"""Final numbers of a classifier on data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data import DataLoader
from chainrule.graph import no_grad
from chainrule.nn import functional as F
from chainrule.ops import functional as ops
from chainrule.train import metrics


class Measured(NamedTuple):
    """What a model makes of some data."""

    metrics: dict[str, float]  # of a classifier accuracy, loss and macro precision, recall, f1
    confusion: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float64] | None = None  # [N, classes]
    sample: str = ""  # what a model of text writes


def measure(model: Any, dataset: Any, classes: int, batch_size: int = 256) -> Measured:
    """Accuracy, cross-entropy, macro precision, recall and F1 in evaluation mode."""
    return of_logits(*logits_of(model, dataset, batch_size), classes)


def of_logits(logits: NDArray[np.float64], targets: NDArray[np.int64], classes: int) -> Measured:
    """The same from outputs [N, classes] and the truth [N]."""
    confusion = metrics.confusion_matrix(logits, targets, classes)
    loss = F.cross_entropy(ops.tensor(logits), ops.tensor(targets)).item()
    numbers = {"accuracy": metrics.accuracy(logits, targets), "loss": float(loss)}
    for name in ("precision", "recall", "f1"):
        numbers[name] = float(metrics.from_confusion(name, confusion, "macro"))
    return Measured(numbers, confusion, softmax(logits))


def logits_of(
    model: Any, dataset: Any, batch_size: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The outputs [N, classes] as float64 and the targets [N] (empty where there are none)."""
    model.eval()
    dtype = next(p.dtype for p in model.parameters())
    outputs, targets = [], []
    with no_grad():
        for batch in DataLoader(dataset, batch_size):
            x, *y = batch
            outputs.append(np.asarray(model(x.to(dtype))._data, dtype=np.float64))
            targets += [np.asarray(each._data) for each in y[:1]]
    return np.concatenate(outputs), np.concatenate(targets or [np.zeros(0, np.int64)])


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of each row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return out

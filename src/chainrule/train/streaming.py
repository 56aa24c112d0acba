"""Metrics that grow batch by batch: `reset`, `update(output, target)`, `compute`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.base.constraints import Choice, Int
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.train import metrics
from chainrule.train.labels import as_array, to_labels


class Metric:
    """Base of streaming metrics: implement `reset`, `update`, `compute`.

    Everything that accumulates lives in the attributes named by `fields` (numbers, arrays, lists
    of arrays), so that a checkpoint can hold a half-finished epoch. `name` is the key in the logs.
    """

    name: str = "metric"
    fields: tuple[str, ...] = ()

    def reset(self) -> None:
        """Forget everything."""
        raise NotImplementedError(f"{type(self).__name__}.reset")

    def update(self, output: Any, target: Any) -> None:
        """Take in one batch: what the model gave and the truth, arrays or tensors."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def compute(self) -> Any:
        """The value over all batches since the last `reset`; NaN if there were none."""
        raise NotImplementedError(f"{type(self).__name__}.compute")

    def state_dict(self) -> dict[str, Any]:
        """What was accumulated."""
        return {name: getattr(self, name) for name in self.fields}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name in self.fields:
            setattr(self, name, state[name])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class MeanLoss(Metric):
    """The mean of losses, each weighted by the number of its examples.

    `update(loss, n)` takes the mean loss of a batch and how many examples it had.
    """

    name = "loss"
    fields = ("total", "count")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any = 1) -> None:
        self.total += float(output) * target
        self.count += target

    def compute(self) -> float:
        return self.total / self.count if self.count else math.nan


class Accuracy(Metric):
    """The share of right predictions. A single score is class 1 above `threshold`.

    >>> metric = cr.train.Accuracy()
    >>> metric.update(cr.tensor([[0.9, 0.1], [0.2, 0.8]]), cr.tensor([0, 0]))
    >>> metric.compute()
    0.5
    """

    name = "accuracy"
    fields = ("hits", "count")

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        self.hits, self.count = 0, 0

    def update(self, output: Any, target: Any) -> None:
        p, y = to_labels(output, target, self.threshold)
        self.hits += int(np.count_nonzero(p == y))
        self.count += y.size

    def compute(self) -> float:
        return self.hits / self.count if self.count else math.nan


class TopKAccuracy(Metric):
    """The share of examples whose class is among the `k` largest scores."""

    fields = ("hits", "count")

    def __init__(self, k: int = 5) -> None:
        self.k = Int(low=1).check(k, "TopKAccuracy", "k")
        self.name = f"top{k}_accuracy"
        self.reset()

    def reset(self) -> None:
        self.hits, self.count = 0, 0

    def update(self, output: Any, target: Any) -> None:
        hits = metrics.top_k_hits(as_array(output), as_array(target), self.k)
        self.hits += int(np.count_nonzero(hits))
        self.count += len(hits)

    def compute(self) -> float:
        return self.hits / self.count if self.count else math.nan


class Perplexity(Metric):
    """exp of the mean cross-entropy of scores [N, C, ...] and class indices [N, ...]: among how
    many equally likely symbols the model hesitates. Targets equal to `ignore_index` do not count.
    """

    name = "perplexity"
    fields = ("total", "count")

    def __init__(self, ignore_index: int = -100) -> None:
        self.ignore_index = Int().check(ignore_index, "Perplexity", "ignore_index")
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        total, count = metrics.surprise(output, target, self.ignore_index)
        self.total += total
        self.count += count

    def compute(self) -> float:
        return metrics.exp_of_mean(self.total, self.count)


class ConfusionMatrix(Metric):
    """Counts [classes, classes], row the true class; grows to the largest class seen.

    `compute` gives an array, so it is for `evaluate` by hand and not for a Trainer's logs.

    >>> metric = cr.train.ConfusionMatrix(classes=2)
    >>> metric.update(cr.tensor([[0.9, 0.1], [0.2, 0.8]]), cr.tensor([0, 0]))
    >>> metric.compute()
    array([[1, 1],
           [0, 0]])
    """

    name = "confusion_matrix"
    fields = ("counts",)

    def __init__(self, classes: int | None = None, threshold: float = 0.5) -> None:
        self.classes, self.threshold = classes, threshold
        self.reset()

    def reset(self) -> None:
        size = self.classes or 0
        self.counts = np.zeros((size, size), dtype=np.int64)

    def update(self, output: Any, target: Any) -> None:
        scores = as_array(output)
        p, y = to_labels(scores, target, self.threshold)
        size = self.classes
        if size is None:
            wide = scores.shape[1] if scores.ndim == y.ndim + 1 else 0
            size = max(wide, len(self.counts), int(p.max()) + 1, int(y.max()) + 1)
        new = metrics.count_pairs(p, y, size)
        new[: len(self.counts), : len(self.counts)] += self.counts
        self.counts = new

    def compute(self) -> Any:
        return self.counts.copy()


class _OfConfusion(ConfusionMatrix):
    """Precision, recall or F1. `average`: as in `metrics.precision`, or "auto": "binary" for up
    to two classes, "macro" for more."""

    def __init__(
        self,
        average: str = "auto",
        positive: int = 1,
        classes: int | None = None,
        threshold: float = 0.5,
    ) -> None:
        choices = Choice("auto", *(a for a in metrics.AVERAGES if a != "none"))
        self.average = choices.check(average, type(self).__name__, "average")
        self.positive = positive
        super().__init__(classes, threshold)

    def compute(self) -> float:
        if not self.counts.any():
            return math.nan
        average = self.average
        if average == "auto":
            average = "binary" if len(self.counts) <= 2 else "macro"
        return float(metrics.from_confusion(self.name, self.counts, average, self.positive))


class Precision(_OfConfusion):
    __doc__ = f"TP / (TP + FP).\n\n{_OfConfusion.__doc__}"

    name = "precision"


class Recall(_OfConfusion):
    __doc__ = f"TP / (TP + FN).\n\n{_OfConfusion.__doc__}"

    name = "recall"


class F1(_OfConfusion):
    __doc__ = f"2·TP / (2·TP + FP + FN).\n\n{_OfConfusion.__doc__}"

    name = "f1"


class MeanSquaredError(Metric):
    """The mean squared error over all elements.

    >>> metric = cr.train.MeanSquaredError()
    >>> metric.update(cr.tensor([1.0, 2.0]), cr.tensor([3.0, 2.0]))
    >>> metric.compute()
    2.0
    """

    name = "mse"
    fields = ("total", "count")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        error = _difference(self.name, output, target)
        self.total += self._sum(error)
        self.count += error.size

    def _sum(self, error: Any) -> float:
        return float(np.sum(error * error))

    def compute(self) -> float:
        return self.total / self.count if self.count else math.nan


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean squared error, in the targets' unit."""

    name = "rmse"

    def compute(self) -> float:
        return math.sqrt(super().compute())


class MeanAbsoluteError(MeanSquaredError):
    """The mean absolute error over all elements."""

    name = "mae"

    def _sum(self, error: Any) -> float:
        return float(np.sum(np.abs(error)))


class Collected(Metric):
    """A function of all outputs and targets of an epoch, put together.

    `function(outputs, targets)` gets arrays [N, ...] and returns a number.
    """

    fields = ("outputs", "targets")

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        self.function = function
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self.reset()

    def reset(self) -> None:
        self.outputs: list[Any] = []
        self.targets: list[Any] = []

    def update(self, output: Any, target: Any) -> None:
        # Copies, because a step that reuses its memory would change what was collected.
        self.outputs.append(np.array(as_array(output)))
        self.targets.append(np.array(as_array(target)))

    def compute(self) -> float:
        if not self.outputs:
            return math.nan
        outputs = np.concatenate(self.outputs)
        if outputs.dtype.kind == "f" and not np.isfinite(outputs).all():
            # A diverged model has no ranking; the loss already tells why.
            return math.nan
        return float(self.function(outputs, np.concatenate(self.targets)))


class ROCAUC(Collected):
    """The area under the ROC curve."""

    def __init__(self) -> None:
        super().__init__(metrics.roc_auc, "roc_auc")


class AveragePrecision(Collected):
    """The average precision."""

    def __init__(self) -> None:
        super().__init__(metrics.average_precision, "average_precision")


class R2(Collected):
    """The share of the targets' variance that is explained."""

    def __init__(self) -> None:
        super().__init__(metrics.r2, "r2")


def _difference(owner: str, output: Any, target: Any) -> Any:
    p, y = as_array(output), as_array(target)
    if p.shape != y.shape:
        raise ShapeError(
            t(
                "{owner}: predictions of shape {prediction} and targets of shape {target} must "
                "have one shape: reshape the targets.",
                owner=owner,
                prediction=p.shape,
                target=y.shape,
            )
        )
    return p.astype(np.float64) - y


# ---- by name ---------------------------------------------------------------------------------

_BY_NAME: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "average_precision": AveragePrecision,
    "f1": F1,
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "perplexity": Perplexity,
    "precision": Precision,
    "r2": R2,
    "recall": Recall,
    "rmse": RootMeanSquaredError,
    "roc_auc": ROCAUC,
    "top5_accuracy": TopKAccuracy,
}


def metric_names() -> list[str]:
    """The names that `make_metrics` takes."""
    return list(_BY_NAME)


def make_metrics(
    wanted: Iterable[str | Metric | Callable[[Any, Any], Any]], threshold: float = 0.5
) -> list[Metric]:
    """Metric objects of names, objects and functions `f(outputs, targets) -> number`.

    threshold: above which a single score is class 1, for the metrics made from names.

    Raises ArgumentError for an unknown name or two metrics of one name.
    """
    made: list[Metric] = []
    if isinstance(wanted, str) or callable(wanted) or isinstance(wanted, Metric):
        wanted = [wanted]
    for each in wanted:
        metric = _make(each)
        if isinstance(each, str) and hasattr(metric, "threshold"):
            metric.threshold = threshold
        if metric.name in ("loss", *(other.name for other in made)):
            raise ArgumentError(
                t("Two metrics are called {name!r}: each needs a name of its own.",
                  name=metric.name)
            )  # fmt: skip
        made.append(metric)
    return made


def _make(each: Any) -> Metric:
    if isinstance(each, Metric):
        return each
    if isinstance(each, str):
        if each not in _BY_NAME:
            raise ArgumentError(unknown(t("metric"), each, list(_BY_NAME)))
        return _BY_NAME[each]()
    if callable(each):
        return Collected(each)
    raise ArgumentError(
        t(
            "A metric is a name, a Metric or a function of (outputs, targets), not {value!r}.",
            value=each,
        )
    )


def unknown(kind: str, name: str, known: list[str]) -> str:
    """The sentence about a name that is not known, with the closest one."""
    close = difflib.get_close_matches(name, known, 1)
    names = ", ".join(known)
    if close:
        return t(
            "Unknown {kind} {name!r}; did you mean {close!r}? Known: {names}.",
            kind=kind,
            name=name,
            close=close[0],
            names=names,
        )
    return t("Unknown {kind} {name!r}. Known: {names}.", kind=kind, name=name, names=names)

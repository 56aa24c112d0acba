"""Metrics of whole sets of predictions: functions on arrays or tensors (row N1 of the notes).

Arguments come in the order of the losses: what the model gave first, the truth second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Choice, Int
from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.base.text import t
from chainrule.train.labels import as_array, check_finite, classes_of_rows, to_labels

AVERAGES = ("binary", "macro", "micro", "weighted", "none")

# ---- classification --------------------------------------------------------------------------


def accuracy(prediction: Any, target: Any, threshold: float = 0.5) -> float:
    """The share of right predictions; arguments as in `to_labels`.

    >>> cr.train.metrics.accuracy([0, 1, 1, 0], [0, 1, 0, 0])
    0.75
    """
    check_finite("accuracy", as_array(prediction))
    p, y = to_labels(prediction, target, threshold)
    return float(np.mean(p == y))


def top_k_accuracy(score: Any, target: Any, k: int = 5) -> float:
    """The share of examples whose class is among the `k` largest scores.

    score: [N, C]; target: [N]. A tie with the k-th largest counts only within the first k, the
    later index ranking higher.
    """
    k = Int(low=1).check(k, "top_k_accuracy", "k")
    s, y = as_array(score), as_array(target)
    check_finite("top_k_accuracy", s)
    return float(np.mean(top_k_hits(s, y, k)))


def top_k_hits(score: NDArray[Any], target: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Whether each example's class is among its `k` largest scores: bool [N]."""
    if score.ndim != 2 or target.shape != score.shape[:1]:
        raise ShapeError(
            t(
                "Top-k accuracy takes scores [N, classes] and targets [N]; got {score} and "
                "{target}.",
                score=score.shape,
                target=target.shape,
            )
        )
    if not len(target):
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    best = np.argsort(score, axis=1, kind="stable")[:, -k:]
    hits: NDArray[np.bool_] = (best == target[:, None]).any(axis=1)
    return hits


def confusion_matrix(
    prediction: Any, target: Any, classes: int | None = None, threshold: float = 0.5
) -> NDArray[np.int64]:
    """Counts int64 [classes, classes]: row the true class, column the predicted one.

    classes: how many there are; by default as many scores as a prediction has, or as the largest
    label asks for.

    >>> cr.train.metrics.confusion_matrix([0, 1, 1], [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    scores = as_array(prediction)
    check_finite("confusion_matrix", scores)
    p, y = to_labels(prediction, target, threshold)
    if classes is None:
        wide = scores.shape[1] if scores.ndim == y.ndim + 1 else 0
        classes = max(wide, int(p.max()) + 1, int(y.max()) + 1)
    return count_pairs(p, y, Int(low=1).check(classes, "confusion_matrix", "classes"))


def count_pairs(p: NDArray[np.int64], y: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The confusion matrix of labels. Raises DataError for labels outside 0 .. classes - 1."""
    for name, labels in ((t("prediction"), p), (t("target"), y)):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= classes:
            raise DataError(
                t(
                    "A {which} has the label {label}, but the {classes} classes are numbered 0 "
                    "to {last}.",
                    which=name,
                    label=low if low < 0 else high,
                    classes=classes,
                    last=classes - 1,
                )
            )
    counts = np.bincount((y * classes + p).ravel(), minlength=classes * classes)
    return counts.reshape(classes, classes)


def precision(prediction: Any, target: Any, average: str = "binary", **options: Any) -> Any:
    """TP / (TP + FP): of those called positive, the share that is.

    Args:
        average: "binary" (of class `positive`), "macro" (mean over the classes that occur),
            "micro" (all classes' counts together), "weighted" (mean by the classes' sizes) or
            "none" (one value a class, float64 [classes]).
        positive: the class that "binary" asks about; 1.
        zero_division: the value where nothing was counted, 0 / 0; 0.0.
        classes, threshold: as in `confusion_matrix`.

    Raises ArgumentError for average="binary" with more than two classes.
    """
    return _of_pairs("precision", prediction, target, average, **options)


def recall(prediction: Any, target: Any, average: str = "binary", **options: Any) -> Any:
    """TP / (TP + FN): of the positive ones, the share that was found. Arguments: `precision`."""
    return _of_pairs("recall", prediction, target, average, **options)


def f1(prediction: Any, target: Any, average: str = "binary", **options: Any) -> Any:
    """2·TP / (2·TP + FP + FN), the harmonic mean of both. Arguments as in `precision`.

    >>> cr.train.metrics.f1([1, 1, 0, 0], [1, 0, 1, 0])
    0.5
    """
    return _of_pairs("f1", prediction, target, average, **options)


def _of_pairs(
    which: str,
    prediction: Any,
    target: Any,
    average: str,
    *,
    positive: int = 1,
    zero_division: float = 0.0,
    classes: int | None = None,
    threshold: float = 0.5,
) -> Any:
    counts = confusion_matrix(prediction, target, classes, threshold)
    return from_confusion(which, counts, average, positive, zero_division)


def from_confusion(
    which: str,
    counts: NDArray[np.int64],
    average: str = "binary",
    positive: int = 1,
    zero_division: float = 0.0,
) -> Any:
    """ "precision", "recall" or "f1" of a confusion matrix; `average` as in `precision`."""
    average = Choice(*AVERAGES).check(average, which, "average")
    hits = np.diag(counts).astype(np.float64)
    called, real = counts.sum(axis=0).astype(np.float64), counts.sum(axis=1).astype(np.float64)
    if average == "binary":
        seen = np.flatnonzero(called + real)
        if len(counts) > 2 and len(set(seen.tolist()) | {0, 1}) > 2:
            raise ArgumentError(
                t(
                    "{which}: {classes} classes occur, and average='binary' is for two: write "
                    "average='macro', 'micro', 'weighted' or 'none'.",
                    which=which,
                    classes=len(seen),
                )
            )
        if positive not in (0, 1):
            raise ArgumentError(
                t("{which}: positive must be class 0 or 1, got {value}.", which=which,
                  value=positive)
            )  # fmt: skip
        if positive >= len(counts):
            return float(zero_division)
        hits, called, real = (part[[positive]] for part in (hits, called, real))
    elif average == "micro":
        hits, called, real = (part.sum(keepdims=True) for part in (hits, called, real))
    top, bottom = {
        "precision": (hits, called),
        "recall": (hits, real),
        "f1": (2 * hits, called + real),
    }[which]
    none = bottom == 0
    each = np.where(none, zero_division, top / np.where(none, 1.0, bottom))
    if average == "none":
        return each
    if average == "weighted":
        return float((each * real).sum() / real.sum()) if real.sum() else float(zero_division)
    if average == "macro":
        # A class that was neither there nor predicted says nothing about the model.
        each = each[called + real > 0]
    return float(each.mean())


# ---- ranking ---------------------------------------------------------------------------------


def _ranked(owner: str, score: Any, target: Any) -> tuple[Any, Any, Any]:
    """(false positives, true positives, threshold) at each distinct score, from the highest."""
    s, y = as_array(score), as_array(target)
    s = s[:, 0] if s.ndim == 2 and s.shape[1] == 1 else s
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if s.ndim != 1 or s.shape != y.shape:
        raise ShapeError(
            t(
                "{owner} takes one score an example [N] and targets [N]; got {score} and {target}.",
                owner=owner,
                score=s.shape,
                target=y.shape,
            )
        )
    if not len(y):
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    check_finite(owner, s)
    if not np.isin(y, (0, 1)).all():
        raise DataError(t("{owner}: targets must be 0 or 1.", owner=owner))
    order = np.argsort(-s.astype(np.float64), kind="stable")
    s, y = s[order], y[order].astype(np.int64)
    ends = np.append(np.flatnonzero(s[1:] != s[:-1]), len(s) - 1)
    true = np.cumsum(y)[ends]
    return 1 + ends - true, true, s[ends]


def roc_curve(
    score: Any, target: Any, drop_intermediate: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(false positive rate, true positive rate, threshold), from (0, 0) to (1, 1).

    An example counts as positive from the threshold up; the first threshold is infinite.

    Args:
        score: [N], larger for class 1.
        target: [N] of 0 and 1.
        drop_intermediate: leave out points on a straight line between their neighbours.

    A rate is NaN where its class does not occur.
    """
    false, true, threshold = _ranked("roc_curve", score, target)
    if drop_intermediate and len(false) > 2:
        bends = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
        kept = np.flatnonzero(np.concatenate([[True], bends, [True]]))
        false, true, threshold = false[kept], true[kept], threshold[kept]
    false, true = np.append(0, false), np.append(0, true)
    return _share(false), _share(true), np.append(math.inf, threshold)


def _share(counts: NDArray[Any]) -> NDArray[np.float64]:
    if counts[-1] == 0:
        return np.full(len(counts), math.nan)
    return counts / counts[-1]


def roc_auc(score: Any, target: Any) -> float:
    """The area under the ROC curve: how often a positive example outranks a negative one.

    Scores [N, C] with more than two classes: the mean over the classes, each against the rest.
    Of two columns the second counts. NaN where a class has no example or no counterexample.

    >>> cr.train.metrics.roc_auc([0.1, 0.4, 0.8], [0, 0, 1])
    1.0
    """
    return _over_classes("roc_auc", score, target, _binary_auc)


def _binary_auc(score: Any, target: Any) -> float:
    false, true, _ = roc_curve(score, target)
    return float(np.trapezoid(true, false))


def precision_recall_curve(
    score: Any, target: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(precision, recall, threshold) from the lowest threshold on; the last point is (1, 0).

    The last point has no threshold. Recall is 1 throughout when nothing is positive.
    """
    false, true, threshold = _ranked("precision_recall_curve", score, target)
    precisions = true / (true + false)
    recalls = true / true[-1] if true[-1] else np.ones(len(true))
    return (
        np.append(precisions[::-1], 1.0),
        np.append(recalls[::-1], 0.0),
        threshold[::-1],
    )


def average_precision(score: Any, target: Any) -> float:
    """Σ (R_n − R_{n−1})·P_n over the thresholds; several classes as in `roc_auc`.

    NaN where a class has no example.
    """
    return _over_classes("average_precision", score, target, _binary_average_precision)


def _binary_average_precision(score: Any, target: Any) -> float:
    if not np.any(as_array(target)):
        return math.nan
    precisions, recalls, _ = precision_recall_curve(score, target)
    return float(-np.sum(np.diff(recalls) * precisions[:-1]))


def _over_classes(owner: str, score: Any, target: Any, binary: Any) -> float:
    s, y = as_array(score), as_array(target)
    if s.ndim != 2 or s.shape[1] == 1:
        return float(binary(s, y))
    if y.shape == s.shape:
        y = classes_of_rows(y)
    if y.shape != s.shape[:1]:
        raise ShapeError(
            t(
                "{owner} takes one score an example [N] and targets [N]; got {score} and {target}.",
                owner=owner,
                score=s.shape,
                target=y.shape,
            )
        )
    if not len(y):
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    if s.shape[1] == 2:
        return float(binary(s[:, 1], y))
    if y.min() < 0 or y.max() >= s.shape[1]:
        raise DataError(
            t(
                "{owner}: targets must be class indices below {classes}, the number of scores.",
                owner=owner,
                classes=s.shape[1],
            )
        )
    return float(np.mean([binary(s[:, i], y == i) for i in range(s.shape[1])]))


# ---- language --------------------------------------------------------------------------------


def perplexity(score: Any, target: Any, ignore_index: int = -100) -> float:
    """exp of the mean cross-entropy: among how many equally likely symbols a model hesitates.

    score: [N, C, ...], before the softmax; target: class indices [N, ...], of which those equal to
    `ignore_index` do not count. NaN where none counts.
    """
    total, count = surprise(score, target, ignore_index)
    return exp_of_mean(total, count)


def exp_of_mean(total: float, count: int) -> float:
    """exp(total / count): infinite where that is too large for a float, NaN for nothing."""
    if not count:
        return math.nan
    try:
        return math.exp(total / count)
    except OverflowError:
        return math.inf


def surprise(score: Any, target: Any, ignore_index: int = -100) -> tuple[float, int]:
    """Σ −ln p(target) and over how many targets; arguments as in `perplexity`."""
    x, y = as_array(score), as_array(target)
    check_finite("perplexity", x)
    if x.ndim < 2 or y.shape != x.shape[:1] + x.shape[2:]:
        raise ShapeError(
            t(
                "Perplexity takes scores [N, classes, ...] and targets [N, ...]; got {score} and "
                "{target}.",
                score=x.shape,
                target=y.shape,
            )
        )
    rows, y = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]), y.ravel()
    kept = y != ignore_index
    rows, y = rows[kept].astype(np.float64), y[kept].astype(np.int64)
    if not len(y):
        return 0.0, 0
    if y.min() < 0 or y.max() >= rows.shape[1]:
        raise DataError(
            t(
                "perplexity: the targets go from {low} to {high}, the {classes} classes are "
                "numbered 0 to {last}.",
                low=int(y.min()),
                high=int(y.max()),
                classes=rows.shape[1],
                last=rows.shape[1] - 1,
            )
        )
    rows -= rows.max(axis=1, keepdims=True)
    given = np.log(np.exp(rows).sum(axis=1)) - rows[np.arange(len(y)), y]
    return float(given.sum()), len(y)


# ---- regression ------------------------------------------------------------------------------


def _errors(owner: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """(prediction − target, target) as float64."""
    p, y = as_array(prediction), as_array(target)
    if p.shape != y.shape:
        # NumPy would broadcast [N] against [N, 1] to [N, N] and give a wrong number.
        raise ShapeError(
            t(
                "{owner}: predictions of shape {prediction} and targets of shape {target} must "
                "have one shape: reshape the targets.",
                owner=owner,
                prediction=p.shape,
                target=y.shape,
            )
        )
    if y.size == 0:
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    check_finite(owner, p, y)
    y = y.astype(np.float64)
    return p.astype(np.float64) - y, y


def mse(prediction: Any, target: Any) -> float:
    """The mean squared error, over all elements."""
    error, _ = _errors("mse", prediction, target)
    return float(np.mean(error * error))


def rmse(prediction: Any, target: Any) -> float:
    """The root of the mean squared error, in the targets' unit."""
    return math.sqrt(mse(prediction, target))


def mae(prediction: Any, target: Any) -> float:
    """The mean absolute error, over all elements."""
    error, _ = _errors("mae", prediction, target)
    return float(np.mean(np.abs(error)))


def r2(prediction: Any, target: Any) -> float:
    """1 − Σ(y − h)² / Σ(y − ȳ)²: the share of the variance that is explained.

    [N] or [N, outputs], of which the mean is given. A constant target gives 1 if it is met
    exactly, else 0.
    """
    error, y = _errors("r2", prediction, target)
    left = (error * error).reshape(len(y), -1).sum(axis=0)
    deviation = (y - y.mean(axis=0)).reshape(len(y), -1)
    return explained(left, (deviation * deviation).sum(axis=0))


def explained(left: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    """R² of the squared errors `left` and the squared deviations `whole`, one an output."""
    constant = whole == 0
    share = 1.0 - left / np.where(constant, 1.0, whole)
    return float(np.mean(np.where(constant, left == 0, share)))

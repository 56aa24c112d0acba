"""Metrics with scikit-learn's names and arguments: the truth first (row N1 of the notes).

The counting is that of `chainrule.train.metrics`, whose functions take predictions first; here
labels may be anything that sorts, and samples may have weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, DataError, ShapeError
from chainrule.base.text import t
from chainrule.train import metrics as counted

# ---- classification --------------------------------------------------------------------------


def _pairs(y_true: Any, y_pred: Any, labels: Any, weight: Any) -> tuple[Any, Any, Any, Any]:
    """(class indices of the truth, of the prediction, labels, weights); others than `labels` have
    index −1."""
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim != 1 or true.shape != pred.shape:
        raise ShapeError(
            t(
                "y_true and y_pred are labels [N] of one length; got {true} and {pred}.",
                true=true.shape,
                pred=pred.shape,
            )
        )
    if not len(true):
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    names, index = np.unique(np.concatenate([true, pred]), return_inverse=True)
    if labels is not None:
        wanted = np.asarray(labels)
        place = {label: i for i, label in enumerate(wanted.tolist())}
        index = np.array([place.get(name, -1) for name in names.tolist()])[index]
        names = wanted
    return index[: len(true)], index[len(true) :], names, _weights(weight, len(true))


def _weights(weight: Any, n: int) -> Any:
    if weight is None:
        return np.ones(n)
    weight = np.asarray(weight, np.float64)
    if weight.shape != (n,):
        raise ShapeError(
            t("sample_weight has shape {shape}, not one weight for each of {n} samples.",
              shape=weight.shape, n=n)
        )  # fmt: skip
    return weight


def accuracy_score(
    y_true: Any, y_pred: Any, *, normalize: bool = True, sample_weight: Any = None
) -> float:
    """The share of right labels, or with normalize=False their number."""
    true, pred, _, weight = _pairs(y_true, y_pred, None, sample_weight)
    right = float(weight @ (true == pred))
    return right / float(weight.sum()) if normalize else right


def confusion_matrix(
    y_true: Any, y_pred: Any, *, labels: Any = None, sample_weight: Any = None,
    normalize: str | None = None,
) -> Any:  # fmt: skip
    """Counts [classes, classes]: row the true class, column the predicted one.

    labels: the classes and their order; by default all that occur, sorted. normalize: "true",
    "pred" or "all" divides by the sums of rows, of columns or of all.
    """
    true, pred, names, weight = _pairs(y_true, y_pred, labels, sample_weight)
    known = (true >= 0) & (pred >= 0)
    size = len(names)
    at = true[known] * size + pred[known]
    counts: Any = np.bincount(at, weight[known], size * size).reshape(size, size)
    if normalize is None:
        return counts.astype(np.int64) if sample_weight is None else counts
    if normalize not in ("true", "pred", "all"):
        raise ArgumentError(
            t("normalize is 'true', 'pred', 'all' or None, not {value!r}.", value=normalize)
        )
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    sums = counts.sum(axis=axis, keepdims=True)
    return np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)


def _of_pairs(
    which: str, y_true: Any, y_pred: Any, labels: Any, pos_label: Any, average: Any, weight: Any,
    zero_division: float,
) -> Any:  # fmt: skip
    true, pred, names, weight = _pairs(y_true, y_pred, None, weight)
    counts = np.bincount(true * len(names) + pred, weight, len(names) ** 2)
    counts = counts.reshape(len(names), -1)
    known = names.tolist()
    if average == "binary":
        if len(known) > 2:
            raise ArgumentError(
                t(
                    "{which}: {classes} classes occur, and average='binary' is for two: write "
                    "average='macro', 'micro', 'weighted' or 'none'.",
                    which=which,
                    classes=len(known),
                )
            )
        if pos_label not in known:
            return float(zero_division)
        each = counted.from_confusion(which, counts, "none", zero_division=zero_division)
        return float(each[known.index(pos_label)])
    if labels is None:
        kind = "none" if average is None else average
        return counted.from_confusion(which, counts, kind, zero_division=zero_division)
    each = counted.from_confusion(which, counts, "none", zero_division=zero_division)
    picked = np.array([each[known.index(c)] if c in known else zero_division for c in labels])
    real = np.array([counts[known.index(c)].sum() if c in known else 0.0 for c in labels])
    if average is None:
        return picked
    if average == "macro":
        return float(picked.mean())
    if average == "weighted":
        return float(picked @ real / real.sum()) if real.sum() else float(zero_division)
    at = [known.index(c) for c in labels if c in known]
    hits = float(np.diag(counts)[at].sum())
    called, total = float(counts[:, at].sum()), float(counts[at].sum())
    below = {"precision": called, "recall": total, "f1": (called + total) / 2}[which]
    return hits / below if below else float(zero_division)


def precision_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: float = 0.0,
) -> Any:  # fmt: skip
    """TP/(TP + FP). average: "binary", "macro", "micro", "weighted", or None (one a class)."""
    return _of_pairs(
        "precision", y_true, y_pred, labels, pos_label, average, sample_weight, zero_division
    )


def recall_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: float = 0.0,
) -> Any:  # fmt: skip
    """TP/(TP + FN). Arguments: `precision_score`."""
    return _of_pairs(
        "recall", y_true, y_pred, labels, pos_label, average, sample_weight, zero_division
    )


def f1_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: float = 0.0,
) -> Any:  # fmt: skip
    """2·TP/(2·TP + FP + FN). Arguments: `precision_score`."""
    return _of_pairs("f1", y_true, y_pred, labels, pos_label, average, sample_weight, zero_division)


def log_loss(
    y_true: Any, y_pred: Any, *, normalize: bool = True, sample_weight: Any = None,
    labels: Any = None,
) -> float:  # fmt: skip
    """Mean of −ln p(true class). y_pred: probabilities [N] of the second class, or [N, classes] in
    the classes' sorted order."""
    true, p = np.asarray(y_true), np.asarray(y_pred, np.float64)
    names = np.unique(true) if labels is None else np.unique(labels)
    p = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    if p.shape != (len(true), len(names)):
        raise ShapeError(
            t(
                "log_loss takes one probability for each of {classes} classes and {n} samples; got "
                "{shape}: give labels= if not every class occurs.",
                classes=len(names),
                n=len(true),
                shape=p.shape,
            )
        )
    weight = _weights(sample_weight, len(true))
    tiny = np.finfo(p.dtype).eps
    picked = np.clip(p, tiny, 1 - tiny)[np.arange(len(true)), np.searchsorted(names, true)]
    loss = float(weight @ -np.log(picked))
    return loss / float(weight.sum()) if normalize else loss


# ---- ranking -------------------------------------------------------------------------------------


def _positive(y_true: Any, pos_label: Any) -> Any:
    true = np.asarray(y_true)
    names = np.unique(true)
    if len(names) > 2:
        raise ArgumentError(
            t("A ranking metric of one score is for two classes; {classes} occur.",
              classes=len(names))
        )  # fmt: skip
    return (true == (names[-1] if pos_label is None else pos_label)).astype(np.int64)


def roc_curve(
    y_true: Any, y_score: Any, *, pos_label: Any = None, drop_intermediate: bool = True
) -> tuple[Any, Any, Any]:
    """(false positive rate, true positive rate, threshold) from (0, 0) to (1, 1)."""
    return counted.roc_curve(y_score, _positive(y_true, pos_label), drop_intermediate)


def auc(x: Any, y: Any) -> float:
    """The area under points in the order of x, by trapezoids."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return abs(float(np.trapezoid(y, x)))


def roc_auc_score(
    y_true: Any, y_score: Any, *, average: str = "macro", multi_class: str = "raise",
    labels: Any = None,
) -> float:  # fmt: skip
    """How often a positive sample outranks a negative one; scores [N, classes] with
    multi_class="ovr": the mean over the classes, each against the rest."""
    scores = np.asarray(y_score, np.float64)
    if scores.ndim == 1:
        return counted.roc_auc(scores, _positive(y_true, None))
    if multi_class != "ovr" or average not in ("macro", "weighted"):
        raise ArgumentError(
            t("Scores of several classes need multi_class='ovr' and average='macro' or 'weighted'.")
        )
    true = np.asarray(y_true)
    names = np.unique(true) if labels is None else np.asarray(labels)
    each = [counted.roc_auc(scores[:, i], (true == c).astype(int)) for i, c in enumerate(names)]
    sizes = [float(np.sum(true == c)) if average == "weighted" else 1.0 for c in names]
    return float(np.average(each, weights=sizes))


def precision_recall_curve(
    y_true: Any, y_score: Any, *, pos_label: Any = None
) -> tuple[Any, Any, Any]:
    """(precision, recall, threshold) from the lowest threshold on; the last point is (1, 0)."""
    return counted.precision_recall_curve(y_score, _positive(y_true, pos_label))


def average_precision_score(y_true: Any, y_score: Any, *, pos_label: Any = 1) -> float:
    """Σ (R_n − R_{n−1})·P_n over the thresholds."""
    return counted.average_precision(y_score, _positive(y_true, pos_label))


# ---- regression ----------------------------------------------------------------------------------


def _errors(y_true: Any, y_pred: Any, weight: Any) -> tuple[Any, Any, Any]:
    """(errors [N, outputs], truth [N, outputs], weights [N])."""
    true, pred = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if true.shape != pred.shape:
        raise ShapeError(
            t(
                "y_true has shape {true} and y_pred {pred}: they must be equal.",
                true=true.shape,
                pred=pred.shape,
            )
        )
    if not true.size:
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    true, pred = true.reshape(len(true), -1), pred.reshape(len(pred), -1)
    return pred - true, true, _weights(weight, len(true))


def _over_outputs(each: Any, multioutput: Any) -> Any:
    if isinstance(multioutput, str):
        return each if multioutput == "raw_values" else float(np.mean(each))
    return float(np.average(each, weights=multioutput))


def mean_squared_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Mean of (y − h)². multioutput: "uniform_average", "raw_values" or weights of the outputs."""
    error, _, weight = _errors(y_true, y_pred, sample_weight)
    return _over_outputs(weight @ (error * error) / weight.sum(), multioutput)


def root_mean_squared_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """The root of the mean squared error, output by output."""
    error, _, weight = _errors(y_true, y_pred, sample_weight)
    return _over_outputs(np.sqrt(weight @ (error * error) / weight.sum()), multioutput)


def mean_absolute_error(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """Mean of |y − h|."""
    error, _, weight = _errors(y_true, y_pred, sample_weight)
    return _over_outputs(weight @ np.abs(error) / weight.sum(), multioutput)


def r2_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, multioutput: Any = "uniform_average"
) -> Any:
    """1 − Σ(y − h)²/Σ(y − ȳ)²; a constant truth gives 1 if it is met exactly, else 0."""
    error, true, weight = _errors(y_true, y_pred, sample_weight)
    left = weight @ (error * error)
    whole = weight @ (true - weight @ true / weight.sum()) ** 2
    constant = whole == 0
    each = np.where(constant, left == 0, 1 - left / np.where(constant, 1.0, whole))
    return _over_outputs(each, multioutput)

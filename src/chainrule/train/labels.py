"""From what a model gives to class indices, as the metrics count them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import DataError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor


def as_array(values: Any) -> NDArray[Any]:
    """The values of a tensor (also one that requires a gradient), or anything NumPy takes."""
    return np.asarray(values._data) if isinstance(values, Tensor) else np.asarray(values)


def to_labels(
    prediction: Any, target: Any, threshold: float = 0.5
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Class indices of both, int64 and of one shape.

    Args:
        prediction: labels in the shape of `target`; scores [N, C, ...] (the largest wins); or one
            score an example, [N] or [N, 1], which is class 1 above `threshold`.
        target: labels [N, ...], or probabilities or one-hot rows in the shape of the scores.

    Raises:
        ShapeError: shapes that do not fit.
        DataError: no examples, or targets that are no labels.
    """
    p, y = as_array(prediction), as_array(target)
    given = p.shape, y.shape
    if p.ndim == 2 and p.shape[1] == 1:
        p = p[:, 0]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.size == 0:
        raise DataError(t("A metric of no examples is undefined: the target is empty."))
    if p.ndim == y.ndim + 1 and p.shape[:1] + p.shape[2:] == y.shape:
        p = p.argmax(axis=1)
    elif p.shape == y.shape:
        if p.dtype.kind == "f" and p.ndim > 1:
            p, y = p.argmax(axis=1), classes_of_rows(y)
        elif p.dtype.kind == "f":
            p = p > threshold
    else:
        raise ShapeError(
            t(
                "Predictions of shape {prediction} do not fit targets of shape {target}: give "
                "labels in the targets' shape, or scores [N, classes, ...].",
                prediction=given[0],
                target=given[1],
            )
        )
    if y.dtype.kind == "f":
        whole = y.astype(np.int64)
        if not np.array_equal(whole, y):
            raise DataError(
                t("Targets must be class indices 0, 1, ...; these are not whole numbers.")
            )
        y = whole
    return p.astype(np.int64, copy=False), y.astype(np.int64, copy=False)


def classes_of_rows(y: NDArray[Any]) -> NDArray[Any]:
    """Classes of one-hot rows or probabilities [N, C, ...]."""
    if not np.allclose(y.sum(axis=1), 1.0, atol=1e-3):
        raise DataError(
            t(
                "Targets in the shape of the scores, {shape}, must be one-hot rows or "
                "probabilities: each row sums to 1.",
                shape=y.shape,
            )
        )
    return y.argmax(axis=1)


def check_finite(owner: str, *arrays: NDArray[Any]) -> None:
    """Raise DataError if an array holds NaN or infinity."""
    for array in arrays:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DataError(t("{owner}: the values hold NaN or infinity.", owner=owner))

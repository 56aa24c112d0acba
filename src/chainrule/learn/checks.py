"""Tables of numbers: checks that are quick where all is plainly right, and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Array = np.ndarray
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# Numbers of a dot product that the linear algebra does on one thread, and from which on threads
# are worth their start.
_SHORT, _LONG = 1 << 13, 1 << 20


def checked(
    owner: Any,
    X: Any,
    *,
    reset: bool,
    dtypes: tuple[np.dtype[Any], ...] = FLOATS,
    order: str | None = None,
    least: int = 1,
    **others: Any,
) -> Array:
    """X as a finite array [N, D] of one of `dtypes`, as scikit-learn's `validate_data` gives it.

    A NumPy array that needs no conversion takes a few microseconds here; everything else, errors
    and names of features among it, is left to `validate_data`.

    Args:
        owner: the estimator; its n_features_in_ is set (reset) or compared. order: "C" for rows
        that lie one behind the other. least: samples that are needed. others: for `validate_data`.
    """
    if _plain(owner, X, reset, dtypes, order, least):
        owner.n_features_in_ = X.shape[1]
        return X
    return validate_data(
        owner, X, reset=reset, dtype=list(dtypes), order=order, ensure_min_samples=least, **others
    )


def checked_pair(
    owner: Any,
    X: Any,
    y: Any,
    *,
    dtypes: tuple[np.dtype[Any], ...] = FLOATS,
    order: str | None = None,
    **others: Any,
) -> tuple[Any, Any]:
    """X as `checked` gives it for a fit, and targets y [N] of one number or class each.

    Numbers that need no conversion take a few microseconds; everything else, several targets among
    it, is left to scikit-learn's `validate_data`.
    """
    if (
        type(y) is np.ndarray
        and y.ndim == 1
        and y.dtype.kind in "fiub"
        and y.dtype.isnative
        and _plain(owner, X, True, dtypes, order, 1)
        and len(y) == len(X)
        and (y.dtype.kind != "f" or finite(y))
    ):
        owner.n_features_in_ = X.shape[1]
        return X, y
    X, y = validate_data(owner, X, y, dtype=list(dtypes), order=order, **others)
    return X, y


def _plain(
    owner: Any,
    X: Any,
    reset: bool,
    dtypes: tuple[np.dtype[Any], ...],
    order: str | None,
    least: int,
) -> bool:
    return alike(owner, X, reset, dtypes, order, least) and finite(X)


def alike(
    owner: Any,
    X: Any,
    reset: bool,
    dtypes: tuple[np.dtype[Any], ...] = FLOATS,
    order: str | None = None,
    least: int = 1,
) -> bool:
    """Whether X is an array that `checked` gives back as it is if its numbers are finite."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype in dtypes
        and (order is None or X.flags.c_contiguous)
        and X.flags.writeable
        and len(X) >= least
        and (X.shape[1] > 0 if reset else X.shape[1] == owner.n_features_in_)
        and not hasattr(owner, "feature_names_in_")
    )


def classes_of(y: Any) -> tuple[Any, Any]:
    """(classes, the index [N] of each sample's) of targets y [N] or [N, 1].

    Raises ValueError for targets that are no classes. Integers need no second look.
    """
    if not (type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iub"):
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
    return np.unique(y, return_inverse=True)


def ensure_fitted(owner: Any, name: str) -> None:
    """Raises NotFittedError if `owner` has no attribute `name`; quicker than reading its tags."""
    if name not in vars(owner):
        check_is_fitted(owner)


def finite(X: Array) -> bool:
    """False if X holds NaN or an infinity; large numbers may give False as well."""
    # A sum is finite only if every term is. An overflow is for the slower check to judge.
    with np.errstate(over="ignore", invalid="ignore"):
        flags = X.flags
        if X.dtype in FLOATS and (flags.c_contiguous or flags.f_contiguous):
            return bool(np.isfinite(sum_of_squares(X.ravel(order="K"))))
        return bool(np.isfinite(np.add.reduce(X, axis=None)))


def sum_of_squares(x: Array) -> Any:
    """The sum of the squares of x [n]: a product of the linear algebra is quicker than a sum."""
    n = len(x)
    if n <= _SHORT or n >= _LONG:
        return x.dot(x)
    whole = n // _SHORT * _SHORT
    rows, rest = x[:whole].reshape(-1, _SHORT), x[whole:]
    return np.vecdot(rows, rows).sum() + rest.dot(rest)


def minus(X: Array, row: Array, out: Array | None = None) -> Array:
    """X − row for a row [D] of the dtype of X [N, D]; out may be X itself.

    Rows are taken off in groups: a loop over a few columns would mostly start and stop.
    """
    columns = X.shape[1]
    group = 1024 // columns
    if out is None:
        out = np.empty(X.shape, X.dtype)
    if group < 2 or not (X.flags.c_contiguous and out.flags.c_contiguous):
        return np.subtract(X, row, out=out)
    whole = len(X) // group * group
    shape = (-1, group * columns)
    np.subtract(X[:whole].reshape(shape), np.tile(row, group), out=out[:whole].reshape(shape))
    np.subtract(X[whole:], row, out=out[whole:])
    return out

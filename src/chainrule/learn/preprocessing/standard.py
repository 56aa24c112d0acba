"""StandardScaler: mean 0 and variance 1, of a table or of one that comes in parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import _fit_context
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from chainrule.learn.checks import finite
from chainrule.learn.preprocessing.scaler import Scaler, without_zeros
from chainrule.learn.working import Formula, Words

# Rows that are worked on at a time, so that they stay in the cache.
_ROWS = 2048


class StandardScaler(Scaler):
    """(x − mean)/standard deviation. Args and attributes (mean_, var_, scale_, n_samples_seen_) as
    in scikit-learn; sparse data with with_mean=False. `working()` shows mean and deviation of each
    column; after `fit(..., trace=True)` with the samples that they scale."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "copy": ["boolean"],
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
    }
    _title = Words("Standard scaling", "标准化")
    _formula = Formula("z = (x − x̄)/s,  s² = Σ(x − x̄)²/N",
                       r"z=\frac{x-\bar x}{s},\quad s^2=\tfrac1N\sum(x-\bar x)^2")  # fmt: skip

    mean_: Any
    var_: Any

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Takes means and variances of X [N, p]; trace: keep X for `working()`."""
        self._forget()
        self.partial_fit(X, y, sample_weight)
        self.trace_ = SimpleNamespace(X=X, weight=sample_weight) if trace else None
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Adds X [N, p] to what was seen (Chan, Golub and LeVeque 1983)."""
        first = not hasattr(self, "n_samples_seen_")
        X = self._checked(X, reset=first)
        self.trace_ = None
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        sparse = sp.issparse(X)
        if sparse and self.with_mean:
            raise ValueError(
                "Cannot center sparse matrices: pass `with_mean=False` instead. See docstring "
                "for motivation and alternatives."
            )
        seen, mean, var = (_sparse_moments if sparse else _moments)(X, weight)
        if not first:
            known = np.zeros(X.shape[1]) + self.n_samples_seen_
            if self.mean_ is None:
                seen = known + seen
            elif self.var_ is None:
                seen, mean, _ = _joined(known, self.mean_, 0.0 * self.mean_, seen, mean, var)
            else:
                seen, mean, var = _joined(known, self.mean_, self.var_, seen, mean, var)
        self.mean_ = mean if self.with_mean or self.with_std else None
        self.var_ = var if self.with_std else None
        if weight is None:
            seen = seen.astype(np.int64)
        self.n_samples_seen_ = seen[0] if seen.size and (seen == seen[0]).all() else seen
        self.scale_ = None
        if self.with_std:
            # A variance within the rounding of its own sum is that of a constant column.
            eps = np.finfo(np.float64).eps
            constant = var <= seen * eps * var + (seen * mean * eps) ** 2
            self.scale_ = without_zeros(np.sqrt(var), constant)
        return self

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """The scaled X: [N, p]."""
        return self._applied(X, copy, back=False)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:
        """X before `transform`."""
        return self._applied(X, copy, back=True)

    def _applied(self, X: Any, copy: bool | None, back: bool) -> Any:
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        if sp.issparse(X) and self.with_mean:
            raise ValueError("Cannot center sparse matrices: pass `with_mean=False` instead.")
        return self._scaled(X, self.copy if copy is None else copy, back)

    def _columns(self) -> tuple[Any, Any]:
        return self.mean_ if self.with_mean else None, self.scale_

    def _figures(self) -> dict[str, Any]:
        figures = {"x̄": self.mean_, "s²": self.var_, "s": self.scale_}
        return {name: value for name, value in figures.items() if value is not None}

    def _figures_again(self, X: Any, weight: Any) -> dict[str, Any]:
        weight = np.ones(len(X)) if weight is None else np.asarray(weight, np.float64)
        mean, var = np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
        for j, column in enumerate(X.T):
            good = ~np.isnan(column)
            if weight[good].sum() > 0:
                mean[j] = np.average(column[good], weights=weight[good])
                var[j] = np.average((column[good] - mean[j]) ** 2, weights=weight[good])
        return {"x̄": mean, "s²": var, "s": np.where(self.scale_ == 1.0, 1.0, np.sqrt(var))}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_mean
        return tags


def _joined(n: Any, mean: Any, var: Any, m: Any, other_mean: Any, other_var: Any) -> Any:
    """(weight, mean, variance) of two parts of a column together; a part may be empty."""
    total = n + m
    mean, var = np.where(n > 0, mean, 0.0), np.where(n > 0, var, 0.0)
    other_mean, other_var = np.where(m > 0, other_mean, 0.0), np.where(m > 0, other_var, 0.0)
    below = np.where(total > 0, total, np.nan)
    apart = other_mean - mean
    return (
        total,
        mean + apart * (m / below),
        (n * var + m * other_var + apart * apart * (n * (m / below))) / below,
    )


def _moments(X: Any, weight: Any) -> tuple[Any, Any, Any]:
    """(weight counted, mean, variance) of each column, NaN left out, in blocks and two passes."""
    n, p = X.shape
    weight = np.ones(n) if weight is None else weight
    holes = not finite(X) and bool(np.isnan(X).any())
    seen, total = np.full(p, weight.sum()), np.zeros(p)
    if holes:
        seen = weight @ ~np.isnan(X)
    for i in range(0, n, _ROWS):
        rows = X[i : i + _ROWS]
        total += weight[i : i + _ROWS] @ (np.nan_to_num(rows, nan=0.0) if holes else rows)
    mean = total / np.where(seen > 0, seen, np.nan)
    square, rest = np.zeros(p), np.zeros(p)
    for i in range(0, n, _ROWS):
        rows = X[i : i + _ROWS] - mean
        if holes:
            rows[np.isnan(rows)] = 0.0
        rest += weight[i : i + _ROWS] @ rows
        rows *= rows
        square += weight[i : i + _ROWS] @ rows
    count = np.where(seen > 0, seen, np.nan)
    # The second term takes the rounding of the mean out again (Chan, Golub and LeVeque 1983).
    return seen, mean, (square - rest * rest / count) / count


def _sparse_moments(X: Any, weight: Any) -> tuple[Any, Any, Any]:
    X = X.tocsr()
    n, p = X.shape
    weight = np.ones(n) if weight is None else weight
    rows = np.repeat(np.arange(n), np.diff(X.indptr))
    good = ~np.isnan(X.data)
    at, w, x = X.indices[good], weight[rows[good]], X.data[good].astype(np.float64)
    seen = weight.sum() - np.bincount(X.indices[~good], weight[rows[~good]], p)
    count = np.where(seen > 0, seen, np.nan)
    mean = np.bincount(at, w * x, p) / count
    zeros = seen - np.bincount(at, w, p)
    var = (np.bincount(at, w * (x - mean[at]) ** 2, p) + zeros * mean * mean) / count
    return seen, mean, var

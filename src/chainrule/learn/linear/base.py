"""What linear models share: predicting, weighted means, and Gram matrices without a copy of X."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from chainrule.learn.base import Explained
from chainrule.learn.checks import checked, ensure_fitted

# Rows that are centred at a time: they stay in the cache until they are multiplied.
_BLOCK = 1024


class LinearRegressor(Explained, MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor with `coef_` ([p] or [targets, p]) and `intercept_`."""

    coef_: Any
    intercept_: Any

    def predict(self, X: Any) -> Any:
        """X·w + b: [N] or [N, targets]."""
        ensure_fitted(self, "coef_")
        X = checked(self, X, reset=False, accept_sparse=["csr", "csc", "coo"])
        return X @ self.coef_.T + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not getattr(self, "positive", False)
        return tags

    def _take(self, coef: Any, mean: Any, y_mean: Any, dtype: Any) -> None:
        """Sets coef_ and intercept_ from weights of centred columns; fit_intercept decides."""
        self.coef_ = np.ascontiguousarray(coef, dtype)
        if self.fit_intercept:  # type: ignore[attr-defined]
            self.intercept_ = (y_mean - coef @ mean).astype(dtype)[()]
        else:
            self.intercept_ = 0.0


def floats(X: Any) -> Any:
    """float32 stays, everything else is float64: the type of the results."""
    return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)


def means(X: Any, y: Any, weight: Any, wanted: bool) -> tuple[Any, Any]:
    """Weighted means (x̄ [p], ȳ) in float64, or zeros if they are not `wanted`."""
    if not wanted:
        return np.zeros(X.shape[1]), np.zeros(y.shape[1:])
    if weight is None:
        x_mean = X.mean(axis=0) if sp.issparse(X) else X.mean(axis=0, dtype=np.float64)
        return np.asarray(x_mean, np.float64).ravel(), y.mean(axis=0, dtype=np.float64)
    total = weight.sum()
    return np.asarray(weight @ X, np.float64).ravel() / total, weight @ y / total


def gram(X: Any, Y: Any, mean: Any, y_mean: Any, weight: Any) -> tuple[Any, Any]:
    """(XcᵀXc [p, p], XcᵀYc [p, …]) of centred, weighted rows, without a centred copy of X."""
    p = X.shape[1]
    if sp.issparse(X):
        total = X.shape[0] if weight is None else weight.sum()
        Xw = X if weight is None else X.multiply(weight[:, None]).tocsr()
        Q = np.asarray((Xw.T @ X).todense(), np.float64) - total * np.outer(mean, mean)
        return Q, np.asarray(Xw.T @ (Y - y_mean), np.float64)
    Q, q = np.zeros((p, p)), np.zeros((p, *Y.shape[1:]))
    block = max(_BLOCK, p)
    for i in range(0, len(X), block):
        rows = X[i : i + block] - mean
        targets = Y[i : i + block] - y_mean
        if weight is not None:
            targets = (targets.T * weight[i : i + block]).T
            rows *= np.sqrt(weight[i : i + block])[:, None]
            Q += rows.T @ rows
            rows /= np.maximum(np.sqrt(weight[i : i + block]), 1e-300)[:, None]
        else:
            Q += rows.T @ rows
        q += rows.T @ targets
    return Q, q


def centred(X: Any, y: Any, mean: Any, y_mean: Any, weight: Any) -> tuple[Any, Any]:
    """Copies of dense X and y in float64, centred and multiplied by √weight."""
    Xc, yc = np.subtract(X, mean, dtype=np.float64), np.subtract(y, y_mean, dtype=np.float64)
    if weight is not None:
        root = np.sqrt(weight)
        Xc *= root[:, None]
        yc = (yc.T * root).T
    return Xc, yc

"""What linear models share: predicting, weighted means, and Gram matrices without a copy of X."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from chainrule.learn.base import Explained
from chainrule.learn.checks import alike, checked, ensure_fitted, finite, minus
from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges

# Rows that are centred at a time: they stay in the cache until they are multiplied.
_BLOCK = 1024
# Numbers that are looked at and multiplied at a time, so that they come from memory once; of
# fewer than so many the start of the threads takes longer.
_NUMBERS, _WORTH_BLOCKS = 1 << 16, 1 << 21
# Multiplications of a Gram matrix from which on its rows are shared among threads.
_WORTH_SHARING = 1 << 24


class LinearRegressor(Explained, MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor with `coef_` ([p] or [targets, p]) and `intercept_`."""

    coef_: Any
    intercept_: Any

    def predict(self, X: Any) -> Any:
        """X·w + b: [N] or [N, targets]."""
        ensure_fitted(self, "coef_")
        return scores(self, X, self.coef_, self.intercept_, ["csr", "csc", "coo"])

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


def scores(owner: Any, X: Any, W: Any, b: Any, sparse: Any) -> Any:
    """X·Wᵀ + b of a table as a user gave it; W: [p] or [K, p]; sparse: the formats it may have."""
    if (
        W.dtype in (np.float64, np.float32)
        and getattr(X, "size", 0) >= _WORTH_BLOCKS
        and alike(owner, X, False, (W.dtype,))
    ):
        out = np.empty((len(X), *W.shape[:-1]), W.dtype)
        step = max(_NUMBERS // X.shape[1], 1)

        def share(_: int, first: int, last: int) -> bool:
            for i in range(first, last, step):
                rows = X[i : min(i + step, last)]
                if not finite(rows):
                    return False
                np.matmul(rows, W.T, out=out[i : i + len(rows)])
            return True

        with one_blas_thread():
            good = all(each_range(share, ranges(len(X), 4.0 * X.shape[1])))
        if good:
            out += b
            return out
    X = checked(owner, X, reset=False, accept_sparse=sparse)
    return X @ W.T + b


def floats(X: Any) -> Any:
    """float32 stays, everything else is float64: the type of the results."""
    return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)


def means(X: Any, y: Any, weight: Any, wanted: bool) -> tuple[Any, Any]:
    """Weighted means (x̄ [p], ȳ) in float64, or zeros if they are not `wanted`."""
    if not wanted:
        return np.zeros(X.shape[1]), np.zeros(y.shape[1:])
    if weight is None:
        if X.dtype == np.float64 and not sp.issparse(X):
            x_mean = np.ones(len(X)) @ X / len(X)  # quicker than a sum down the columns
        else:
            x_mean = X.mean(axis=0, dtype=np.float64)
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
    block = max(_BLOCK, p)

    def share(_: int, first: int, last: int) -> tuple[Any, Any]:
        Q, q = np.zeros((p, p)), np.zeros((p, *Y.shape[1:]))
        for i in range(first, last, block):
            some = slice(i, min(i + block, last))
            rows = minus(X[some], mean) if X.dtype == mean.dtype else X[some] - mean
            targets = Y[some] - y_mean
            if weight is not None:
                targets = (targets.T * weight[some]).T
                q += rows.T @ targets
                rows *= np.sqrt(weight[some])[:, None]
            else:
                q += rows.T @ targets
            Q += rows.T @ rows
        return Q, q

    if len(X) * p * p < _WORTH_SHARING:
        return share(0, 0, len(X))
    with one_blas_thread():
        parts = each_range(share, ranges(len(X), float(p * p)))
    return sum(Q for Q, _ in parts), sum(q for _, q in parts)


def centred(X: Any, y: Any, mean: Any, y_mean: Any, weight: Any) -> tuple[Any, Any]:
    """Copies of dense X and y in float64, centred and multiplied by √weight."""
    Xc, yc = np.subtract(X, mean, dtype=np.float64), np.subtract(y, y_mean, dtype=np.float64)
    if weight is not None:
        root = np.sqrt(weight)
        Xc *= root[:, None]
        yc = (yc.T * root).T
    return Xc, yc

"""What SVC and SVR share: their parameters' checks, the kernel, and sums over support vectors."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from chainrule.base.text import t
from chainrule.learn.base import Explained
from chainrule.learn.checks import checked, checked_pair, ensure_fitted
from chainrule.learn.svm.kernels import Kernel, in_blocks

_DOUBLE = (np.dtype(np.float64),)


def _variance(X: Any, weights: np.ndarray | None) -> float:
    """The variance of all entries; a weight of 2 counts as a sample that is there twice."""
    if weights is None:
        return float(X.multiply(X).mean() - X.mean() ** 2) if issparse(X) else float(X.var())
    share = np.maximum(weights, 0.0) / (np.maximum(weights, 0.0).sum() * X.shape[1])
    squares = X.multiply(X) if issparse(X) else X**2
    mean = float(share @ np.asarray(X.sum(axis=1)).ravel())
    return float(share @ np.asarray(squares.sum(axis=1)).ravel()) - mean**2


def _not_finite() -> str:
    return t(
        "The dual coefficients or intercepts are not finite. The input data may contain large "
        "values and need to be preprocessed."
    )


class SupportVectorMachine(Explained, BaseEstimator):
    """Base of the kernel machines; see `SVC` and `SVR`."""

    _parameter_constraints: dict = {
        "kernel": [StrOptions({"linear", "poly", "rbf", "sigmoid", "precomputed"}), callable],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0.0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="right")],
        "shrinking": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
    }
    kernel: Any
    gamma: Any
    degree: int
    coef0: float
    max_iter: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.sparse = self.kernel != "precomputed"
        return tags

    # ---- fitting ---------------------------------------------------------------------------------

    def _checked(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """X as the solver takes it and y; a callable kernel is evaluated here."""
        self._validate_params()
        self._sparse = issparse(X) and not callable(self.kernel)
        if self._sparse and self.kernel == "precomputed":
            raise TypeError(t("Sparse precomputed kernels are not supported."))
        if callable(self.kernel):
            check_consistent_length(X, y)
            self._fit_x = X
            values = self._called(X)
            self.shape_fit_ = np.shape(X) if hasattr(X, "shape") else (len(X),)
            self._gamma = 0.0
            return values, y
        X, y = checked_pair(
            self, X, y, dtypes=_DOUBLE, order="C", accept_sparse="csr",
            accept_large_sparse=False,
        )  # fmt: skip
        self.shape_fit_ = X.shape
        if self.kernel == "precomputed":
            self._gamma = 0.0
            if X.shape[0] != X.shape[1]:
                raise ValueError(
                    t("Precomputed matrix must be a square matrix. Input is a "
"{rows}x{columns} matrix.", rows=X.shape[0], columns=X.shape[1])
                )  # fmt: skip
        elif self.gamma == "scale":
            variance = _variance(
                X, None if sample_weight is None else self._weights(sample_weight, X.shape[0])
            )
            if not np.isfinite(variance):
                raise ValueError(_not_finite())
            self._gamma = float(1.0 / (X.shape[1] * variance)) if variance != 0 else 1.0
        else:
            self._gamma = 1.0 / X.shape[1] if self.gamma == "auto" else float(self.gamma)
        return X, y

    def _called(self, X: Any) -> np.ndarray:
        values = self.kernel(X, self._fit_x)
        values = values.toarray() if issparse(values) else values
        return np.asarray(values, dtype=np.float64, order="C")

    def _weights(self, sample_weight: Any, n: int) -> np.ndarray:
        if sample_weight is None:
            return np.ones(n)
        weights = np.asarray(sample_weight, dtype=np.float64)
        if weights.shape != (n,):
            raise ValueError(
                t(
                    "sample_weight has shape {shape}; the data has {n} samples: give one a sample.",
                    shape=weights.shape,
                    n=n,
                )
            )
        if not np.any(weights > 0):
            raise ValueError(
                t("Invalid input - all samples have zero or negative weights.")
            )  # fmt: skip
        return weights

    def _kernel(self) -> Kernel:
        name = "precomputed" if callable(self.kernel) else self.kernel
        return Kernel(name, self._gamma, float(self.coef0), int(self.degree))

    def _keep(self, X: Any, support: np.ndarray, dual: np.ndarray, intercept: np.ndarray) -> None:
        """The attributes of the fit; dual: [rows, support vectors]."""
        if not (np.isfinite(dual).all() and np.isfinite(intercept).all()):
            raise ValueError(_not_finite())
        self.support_ = support.astype(np.int32)
        pairwise = self.kernel == "precomputed" or callable(self.kernel)
        self.support_vectors_ = np.empty((0, 0)) if pairwise else X[support]
        self._dual = dual
        self.dual_coef_ = csr_array(dual) if self._sparse else dual
        self.intercept_ = intercept

    def _told(self, ended: bool) -> None:
        self.fit_status_ = int(ended)
        if ended:
            warnings.warn(
                t(
                    "The solver ended after max_iter={n} steps, before it converged. Scale "
                    "the data.",
                    n=self.max_iter,
                ),
                ConvergenceWarning,
                stacklevel=3,
            )

    # ---- using -----------------------------------------------------------------------------------

    def _checked_for_use(self, X: Any) -> Any:
        ensure_fitted(self, "support_")
        if callable(self.kernel):
            X = self._called(X)
            expected = self.shape_fit_[0]
        else:
            X = checked(
                self, X, dtypes=_DOUBLE, order="C", accept_sparse="csr",
                accept_large_sparse=False, reset=False,
            )  # fmt: skip
            if issparse(X) and not self._sparse:
                name = type(self).__name__
                raise ValueError(
                    t("cannot use sparse input in {name!r} trained on dense data", name=name)
                )
            if self._sparse and not issparse(X):
                X = csr_array(X)
            expected = self.shape_fit_[0] if self.kernel == "precomputed" else X.shape[1]
        if X.shape[1] != expected:
            raise ValueError(
                t(
                    "X.shape[1] = {found} should be equal to {expected}, the number of "
                    "samples at training time",
                    found=X.shape[1],
                    expected=expected,
                )
            )
        return X

    def _sums(self, X: Any, groups: list[tuple[int, int, np.ndarray]], width: int) -> np.ndarray:
        """Σ over support vectors of coefficient · k(x, vector), [m, width] or more.

        groups: (first vector, last, coefficients [vectors, columns]); their sums stand side by
        side.
        """
        out = np.zeros((X.shape[0], width))
        vectors, kernel = self.support_vectors_, self._kernel()
        if kernel.name == "precomputed":
            X = np.ascontiguousarray(X[:, self.support_])
        else:
            lengths, others = kernel.squares(X), kernel.squares(vectors)
        n = self.support_.size
        if n == 0:
            return out

        def do(i: int, j: int) -> None:
            if kernel.name == "precomputed":
                values = X[i:j]
            else:
                values = np.empty((j - i, n))
                kernel.fill(values, X[i:j], vectors, lengths[i:j], others)
            at = 0
            for first, last, coefficients in groups:
                end = at + coefficients.shape[1]
                np.matmul(values[:, first:last], coefficients, out=out[i:j, at:end])
                at = end

        in_blocks(X.shape[0], n, do)
        return out

    @property
    def coef_(self) -> Any:
        """The weights of the features, [pairs, features]; only with kernel="linear"."""
        if self.kernel != "linear":
            raise AttributeError(t("coef_ is only available when using a linear kernel"))
        check_is_fitted(self)
        weights: Any = self._linear_weights()
        # Changing them would change nothing: they are made of the dual coefficients.
        weights.flags.writeable = False
        if self._sparse:
            weights = csr_array(weights)
            weights.data.flags.writeable = False
        return weights

    def _linear_weights(self) -> np.ndarray:
        return np.asarray(self._dual @ self.support_vectors_)

"""Whitening: columns without correlation and with variance 1."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import scipy.linalg as la
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from chainrule.learn.base import Explained
from chainrule.learn.checks import checked
from chainrule.learn.working import Bars, Formula, Words, Working


class Whitener(  # type: ignore[misc]
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, Explained, BaseEstimator
):
    """(x − mean)·W with W so that the columns are uncorrelated and have variance 1.

    Args:
        method: "zca" W = V·Λ^(−½)·Vᵀ keeps the columns where they were; "pca" W = V·Λ^(−½) turns
            them onto the eigenvectors of the covariance V·Λ·Vᵀ.
        epsilon: added to the eigenvalues, so that noise is not blown up.

    Attributes: mean_ [p], covariance_ [p, p], eigenvalues_ [p] from the largest on, eigenvectors_
        [p, p] in columns, whitening_ [p, p].
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [StrOptions({"zca", "pca"})],
        "epsilon": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, *, method: str = "zca", epsilon: float = 1e-12) -> None:
        self.method = method
        self.epsilon = epsilon

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Takes the covariance of X [N, p], N ≥ 2; trace: keep X for `working()`."""
        X = checked(self, X, reset=True, least=2)
        self.mean_ = X.mean(axis=0, dtype=np.float64)
        centred = X - self.mean_
        self.covariance_ = centred.T @ centred / len(X)
        values, vectors = la.eigh(self.covariance_, check_finite=False)
        self.eigenvalues_, self.eigenvectors_ = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        # Directions without spread have nothing to scale: they become 0.
        small = self.eigenvalues_ <= 1e-14 * max(self.eigenvalues_[0], 1e-300)
        size = self.eigenvalues_ + self.epsilon
        factor = np.where(small, 0.0, 1.0 / np.sqrt(np.where(small, 1.0, size)))
        self.whitening_ = self.eigenvectors_ * factor
        if self.method == "zca":
            self.whitening_ = self.whitening_ @ self.eigenvectors_.T
        self.trace_ = X if trace else None
        return self

    def transform(self, X: Any) -> Any:
        """The whitened X: [N, p]."""
        check_is_fitted(self)
        X = checked(self, X, reset=False)
        return ((X - self.mean_) @ self.whitening_).astype(X.dtype, copy=False)

    def inverse_transform(self, X: Any) -> Any:
        """X before `transform`, as far as its directions have spread."""
        check_is_fitted(self)
        X = np.asarray(X)
        return X @ la.pinv(self.whitening_) + self.mean_

    @property
    def _n_features_out(self) -> int:
        return len(self.mean_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _working(self) -> Working:
        working = Working(Words("Whitening", "白化"))
        step = working.step(
            Words("Covariance", "协方差"),
            Formula("Σ = (X − x̄)ᵀ(X − x̄)/N", r"\Sigma=\tfrac1N(X-\bar x)^\top(X-\bar x)"),
        )
        X = self.trace_
        again = None if X is None else lambda: np.cov(np.asarray(X, np.float64).T, bias=True)
        p = len(self.mean_)
        step.line("Σ", "", self.covariance_ if p > 1 else self.covariance_[0, 0], again)
        step = working.step(
            Words("Eigenvalues", "特征值"), Formula("Σ·v = λ·v", r"\Sigma v=\lambda v")
        )
        # The same values from the singular values of the symmetric matrix.
        step.line("λ", "", self.eigenvalues_,
                  lambda: np.linalg.svd(self.covariance_, compute_uv=False),
                  tolerance=1e-8)  # fmt: skip
        step.picture(
            Bars(
                Words("Eigenvalues", "特征值"),
                {f"λ{i + 1}": float(v) for i, v in enumerate(self.eigenvalues_)},
            )
        )
        names = {"zca": "W = V·Λ^(−½)·Vᵀ", "pca": "W = V·Λ^(−½)"}
        latex = {"zca": r"W=V\Lambda^{-1/2}V^\top", "pca": r"W=V\Lambda^{-1/2}"}
        step = working.step(
            Words("The whitening", "白化矩阵"), Formula(names[self.method], latex[self.method])
        )
        step.line("W", "", self.whitening_)
        white = self.whitening_.T @ self.covariance_ @ self.whitening_
        step.line("Wᵀ·Σ·W", "", white,
                  lambda: (self.covariance_ @ self.whitening_).T @ self.whitening_,
                  tolerance=1e-6)  # fmt: skip
        step.note(
            "The identity on the directions that have spread: no correlation, variance 1.",
            "在有方差的方向上为单位阵：不相关，方差为 1。",
        )
        return working

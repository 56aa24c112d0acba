"""What follows from principal components once they are found."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from chainrule.learn.base import Explained
from chainrule.learn.checks import checked, minus
from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges

Array = np.ndarray
# Rows of a block: its coordinates are still in the cache when the mean is taken off.
_ROWS = 4096
# A product with several columns multiplies so many times as fast as a plain loop.
_QUICK = 16


class ProjectionMixin(Explained, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of estimators with components_ [K, D], mean_ [D] and explained_variance_ [K]."""

    def transform(self, X: Any) -> Array:
        """Coordinates [N, K] of the rows of X [N, D] along the components."""
        check_is_fitted(self)
        return self._project(checked(self, X, reset=False, accept_sparse=("csr", "csc")))

    def _project(self, X: Array) -> Array:
        axes = self.components_.T
        if self.whiten:
            axes = axes / self._deviations()
        # The mean is taken off after the product: K numbers a row instead of D.
        shift = (self.mean_ @ axes).astype(np.result_type(X, axes), copy=False)
        if issparse(X):
            return np.asarray(X @ axes - shift)
        parts = ranges(len(X), X.shape[1] * axes.shape[1] / _QUICK)
        if len(parts) == 1 or not X.flags.c_contiguous:
            out = X @ axes
            return minus(out, shift, out=out)
        out = np.empty((len(X), axes.shape[1]), shift.dtype)
        X = X.astype(shift.dtype, copy=False)

        def do(_: int, first: int, last: int) -> None:
            for start in range(first, last, _ROWS):
                stop = min(start + _ROWS, last)
                block = np.matmul(X[start:stop], axes, out=out[start:stop])
                minus(block, shift, out=block)

        with one_blas_thread():
            each_range(do, parts)
        return out

    def _deviations(self) -> Array:
        scale = np.sqrt(self.explained_variance_)
        return np.maximum(scale, np.finfo(scale.dtype).eps)

    def inverse_transform(self, X: Any) -> Array:
        """The points [N, D] whose coordinates are X [N, K]; what was left out is the mean."""
        check_is_fitted(self)
        X = check_array(X, dtype=[np.float64, np.float32])
        axes = self.components_
        if self.whiten:
            axes = np.sqrt(self.explained_variance_)[:, None] * axes
        return X @ axes + self.mean_

    def _spectrum(self) -> Array:
        """Variances along the components, in the model not below the noise."""
        return np.maximum(self.explained_variance_, self.noise_variance_)

    def get_covariance(self) -> Array:
        """The covariance [D, D] of the model: the components' and the noise."""
        check_is_fitted(self)
        extra = self._spectrum() - self.noise_variance_
        matrix = (self.components_.T * extra) @ self.components_
        matrix.flat[:: len(matrix) + 1] += self.noise_variance_
        return matrix

    def get_precision(self) -> Array:
        """The inverse [D, D] of the covariance."""
        check_is_fitted(self)
        if self.noise_variance_ == 0:
            # Directions without any variance have no inverse: the smallest number stands for them.
            spectrum = self._spectrum()
            spectrum = np.maximum(spectrum, np.finfo(spectrum.dtype).eps * spectrum.max())
            return (self.components_.T / spectrum) @ self.components_
        # The components are orthonormal: outside their span the precision is 1/noise.
        outside = 1.0 / self.noise_variance_
        inside = 1.0 / self._spectrum() - outside
        matrix = (self.components_.T * inside) @ self.components_
        matrix.flat[:: len(matrix) + 1] += outside
        return matrix

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _score_samples(self, X: Any) -> Array:
        check_is_fitted(self)
        X = checked(self, X, reset=False)
        centred = X - self.mean_
        precision = self.get_precision()
        _, log_det = np.linalg.slogdet(precision)
        squares = np.einsum("nd,nd->n", centred @ precision, centred)
        return -0.5 * (squares + X.shape[1] * math.log(2 * math.pi) - log_det)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

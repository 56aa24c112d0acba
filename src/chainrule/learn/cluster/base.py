"""What k-means on all samples and on batches share: checks, first centers, prediction."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from chainrule.base.text import t
from chainrule.learn.base import Explained
from chainrule.learn.checks import checked
from chainrule.learn.cluster import kernels
from chainrule.learn.cluster.seeding import canonical, seed
from chainrule.learn.cluster.sparse import dense, workspace
from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges

Array = np.ndarray
# Rows of a block of distances: they and their products stay in the cache.
_ROWS = 2048


class CentersMixin(
    Explained, ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """Base of the estimators that keep `cluster_centers_` [K, D]."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"k-means++", "random"}), callable, "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def _starts(self, rows: int, default: int) -> int:
        """How many times to start; raises ValueError for fewer samples than clusters."""
        if rows < self.n_clusters:
            raise ValueError(
                t(
                    "n_samples={samples} should be >= n_clusters={clusters}.",
                    samples=rows,
                    clusters=self.n_clusters,
                )
            )
        given = not isinstance(self.init, str) and not callable(self.init)
        if isinstance(self.n_init, str):
            return 1 if given or self.init == "k-means++" else default
        if given and self.n_init != 1:
            warnings.warn(
                t(
                    "Explicit initial center position passed: performing only one init in {name} "
                    "instead of n_init={n_init}.",
                    name=type(self).__name__,
                    n_init=self.n_init,
                ),
                RuntimeWarning,
                stacklevel=3,
            )
            return 1
        return int(self.n_init)

    def _given_centers(self, X: Array) -> Array | None:
        """The centers given as an array, checked; None if they are to be found."""
        if isinstance(self.init, str) or callable(self.init):
            return None
        return self._checked(check_array(self.init, dtype=X.dtype, copy=True, order="C"), X)

    def _checked(self, centers: Array, X: Array) -> Array:
        if centers.shape != (self.n_clusters, X.shape[1]):
            raise ValueError(
                t(
                    "The shape of the initial centers {shape} does not match the number of "
                    "clusters {clusters} and the number of features of the data {features}.",
                    shape=centers.shape,
                    clusters=self.n_clusters,
                    features=X.shape[1],
                )
            )
        return centers

    def _first_centers(
        self, X: Array, weights: Array, random: np.random.RandomState, given: Array | None
    ) -> Array:
        if given is not None:
            return given.copy()
        if callable(self.init):
            centers = self.init(X, self.n_clusters, random_state=random)
            return self._checked(check_array(centers, dtype=X.dtype, order="C"), X)
        if self.init == "k-means++":
            return dense(X[seed(X, self.n_clusters, weights, random, None)])
        order = canonical(X, weights)
        rows = np.arange(X.shape[0]) if order is None else order
        share = weights[rows] / weights.sum()
        drawn = random.choice(X.shape[0], size=self.n_clusters, replace=False, p=share)
        return dense(X[rows[drawn]])

    # ------------------------------------------------------------------ prediction

    def _validated(self, X: Any) -> Array:
        check_is_fitted(self)
        return checked(self, X, reset=False, order="C", accept_sparse="csr")

    def _centers(self, X: Array) -> Array:
        return np.ascontiguousarray(self.cluster_centers_, X.dtype)

    def predict(self, X: Any) -> Array:
        """The cluster [N] whose center is nearest to each row of X [N, D]."""
        X = self._validated(X)
        labels = np.empty(X.shape[0], np.int32)
        with one_blas_thread():
            workspace(X, len(self.cluster_centers_)).assign(self._centers(X), labels)
        return labels

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Fits, and returns the labels [N]."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def transform(self, X: Any) -> Array:
        """Distances [N, K] of each row of X [N, D] to each center."""
        X = self._validated(X)
        centers = self._centers(X)
        norms = np.einsum("kd,kd->k", centers, centers)
        if issparse(X):
            squares = np.asarray(X.multiply(X).sum(axis=1)).reshape(-1, 1) + norms
            squares -= 2 * (X @ centers.T)
            return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        out = np.empty((X.shape[0], len(centers)), X.dtype)

        def do(_: int, first: int, last: int) -> None:
            for start in range(first, last, _ROWS):
                stop = min(start + _ROWS, last)
                np.matmul(X[start:stop], centers.T, out=out[start:stop])
                kernels.roots(X, norms, start, stop, out)

        with one_blas_thread():
            each_range(do, ranges(X.shape[0], centers.size))
        return out

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Array:
        """Fits, and returns the distances [N, K] to the centers."""
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """−Σ w·|x − c|² over the rows of X [N, D], each with its nearest center."""
        X = self._validated(X)
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        return -self._labels_and_inertia(X, weights, self._centers(X))[1]

    def _labels_and_inertia(self, X: Array, weights: Array, centers: Array) -> tuple[Array, float]:
        labels = np.empty(X.shape[0], np.int32)
        with one_blas_thread():
            work = workspace(X, len(centers))
            work.assign(centers, labels)
            return labels, work.inertia(weights, centers, labels)

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

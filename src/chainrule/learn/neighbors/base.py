"""What the neighbour estimators share: the data that they keep, and the search in it."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import pairwise_distances_chunked
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from chainrule.base.text import t
from chainrule.learn.base import Explained
from chainrule.learn.checks import checked, checked_pair, ensure_fitted
from chainrule.learn.neighbors.search import Metric, Tree, by_products, by_scan

# A k-d tree of more features than this looks at most of its leaves.
_TREE_FEATURES = 10
# So few numbers are looked at one by one: neither a tree nor products are quicker.
_FEW = 16000


class Neighbors(Explained, BaseEstimator):
    """Base of `KNeighborsClassifier` and `KNeighborsRegressor`.

    algorithm: "brute" by matrix products (Euclidean; "cosine" and other metrics in blocks, the
    Minkowski family by a compiled scan), "kd_tree" by a k-d tree, "auto" the faster of both;
    "ball_tree" gives the k-d tree's answer where it can and else that of "brute". All answers are
    exact; equal distances are ordered by the samples' indices. n_jobs: threads; None takes all.
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "algorithm": [StrOptions({"auto", "ball_tree", "kd_tree", "brute"})],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, None, closed="right"), None],
        "metric": [str, callable],
        "metric_params": [dict, None],
        "n_jobs": [Integral, None],
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }

    def __init__(
        self, n_neighbors: int = 5, *, weights: Any = "uniform", algorithm: str = "auto",
        leaf_size: int = 30, p: float = 2, metric: Any = "minkowski", metric_params: Any = None,
        n_jobs: int | None = None,
    ) -> None:  # fmt: skip
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.metric == "precomputed"
        tags.input_tags.positive_only = tags.input_tags.pairwise
        tags.input_tags.allow_nan = self.metric == "nan_euclidean"
        return tags

    # ---- fitting ---------------------------------------------------------------------------------

    def _fit_points(self, X: Any, y: Any, classes: bool) -> None:
        self._validate_params()
        X, y = checked_pair(
            self, X, y, accept_sparse="csr", multi_output=True, order="C",
            ensure_all_finite="allow-nan" if self.metric == "nan_euclidean" else True,
        )  # fmt: skip
        if self.metric == "precomputed" and X.shape[0] != X.shape[1]:
            raise ValueError(
                t(
                    "Precomputed matrix must be square. Input is a {rows}x{columns} matrix.",
                    rows=X.shape[0],
                    columns=X.shape[1],
                )
            )
        if classes:
            check_classification_targets(y)
            y = np.asarray(y)
            self.outputs_2d_ = y.ndim == 2 and y.shape[1] != 1
            if y.ndim == 2 and y.shape[1] == 1:
                self._warn_column()
            columns = y.reshape(y.shape[0], -1)
            found = [np.unique(column, return_inverse=True) for column in columns.T]
            coded = np.stack([codes for _, codes in found], axis=1)
            self._y = coded if self.outputs_2d_ else coded[:, 0]
            self.classes_ = [names for names, _ in found] if self.outputs_2d_ else found[0][0]
        else:
            self._y = np.asarray(y)
        params = dict(self.metric_params or {})
        p = params.pop("p", self.p)
        self.effective_metric_ = self.metric
        self.effective_metric_params_ = params
        if self.metric in ("minkowski", "p"):
            self.effective_metric_params_["p"] = p
        family = None if callable(self.metric) or params.get("w") is not None else (
            Metric.of(self.metric, 2.0 if p is None else float(p))
        )  # fmt: skip
        self._metric = None if issparse(X) and (family is None or family.kind != 0) else family
        if family is not None and family.p == 2:
            self.effective_metric_, self.effective_metric_params_ = "euclidean", {}
        self._fit_method = self._method(X, family)
        self._fit_X, self.n_samples_fit_ = X, X.shape[0]
        self._tree = None
        if self._fit_method == "kd_tree" and X.size > _FEW:
            self._tree = Tree(X, self.leaf_size)

    def _method(self, X: Any, family: Metric | None) -> str:
        if issparse(X):
            if self.algorithm not in ("auto", "brute"):
                warnings.warn(
                    t("cannot use tree with sparse input: using brute force"), stacklevel=4
                )
            return "brute"
        known = family is not None and family.p >= 1
        if self.algorithm == "kd_tree" and not known:
            raise ValueError(
                t(
                    "kd_tree does not support the metric {metric!r} (p = {p}): use 'brute'.",
                    metric=self.metric,
                    p=self.p,
                )
            )
        if self.algorithm in ("kd_tree", "ball_tree"):
            return "kd_tree" if known else "brute"
        few = self.n_neighbors is not None and self.n_neighbors < X.shape[0] // 2
        if self.algorithm == "auto" and known and few and X.shape[1] <= _TREE_FEATURES:
            return "kd_tree"
        return "brute"

    def _warn_column(self) -> None:
        warnings.warn(
            t(
                "A column-vector y was passed when a 1d array was expected. Please "
                "change the shape of y to (n_samples,), for example using ravel()."
            ),
            DataConversionWarning,
            stacklevel=4,
        )

    # ---- searching -------------------------------------------------------------------------------

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Distances [m, k] and indices [m, k] of the nearest samples, the nearest first.

        X=None asks for the neighbours of the samples themselves, without themselves.
        """
        ensure_fitted(self, "_fit_method")
        if n_neighbors is None:
            n_neighbors = self.n_neighbors
        elif not isinstance(n_neighbors, Integral):
            raise TypeError(
                t(
                    "n_neighbors does not take {kind} value, enter integer value",
                    kind=type(n_neighbors),
                )
            )
        if n_neighbors <= 0:
            raise ValueError(t("Expected n_neighbors > 0. Got {n}", n=n_neighbors))
        own = X is None
        queries = self._fit_X if own else self._queries(X)
        k = n_neighbors + own
        if k > self.n_samples_fit_:
            sign = "<" if own else "<="
            m, fit = queries.shape[0], self.n_samples_fit_
            raise ValueError(
                t(
                    "Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {n}, "
                    "n_samples_fit = {fit}, n_samples = {m}",
                    sign=sign,
                    n=n_neighbors,
                    fit=fit,
                    m=m,
                )
            )
        distances, indices = self._nearest(queries, k)
        if own:
            rows = np.arange(queries.shape[0])[:, None]
            other = indices != rows
            # Among many duplicates a sample may not be in its own list: drop the first instead.
            other[other.all(axis=1), 0] = False
            distances = distances[other].reshape(-1, n_neighbors)
            indices = indices[other].reshape(-1, n_neighbors)
        return (distances, indices) if return_distance else indices

    def _queries(self, X: Any) -> Any:
        finite: Any = "allow-nan" if self.metric == "nan_euclidean" else True
        if self.metric == "precomputed":
            X = check_array(X, accept_sparse="csr", ensure_non_negative=True)
        return checked(
            self, X, accept_sparse="csr", reset=False, order="C", ensure_all_finite=finite
        )

    def _nearest(self, X: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        threads = 1 if self.n_jobs == 1 else 0
        metric: Any = self._metric
        dense = not issparse(X) and not issparse(self._fit_X)
        if self._fit_method == "kd_tree" and issparse(X):
            raise ValueError(
                t("{method} does not work with sparse matrices. Densify the data, or set "
"algorithm='brute'", method=self._fit_method)
            )  # fmt: skip
        if self._tree is not None:
            sums, indices = self._tree.query(X, metric, k, threads)
        elif self._metric is not None and dense:
            if self._metric.kind == 0 and self._fit_X.size > _FEW:
                sums, indices = by_products(X, self._fit_X, k, threads)
            else:
                sums, indices = by_scan(X, self._fit_X, metric, k, threads)
        else:
            return self._by_pairs(X, k)
        return metric.root(sums), indices

    def _by_pairs(self, X: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Any other metric: whole rows of distances, block by block."""

        def best(rows: Any, start: int) -> tuple[np.ndarray, np.ndarray]:
            rows = rows.toarray() if issparse(rows) else np.asarray(rows)
            near = np.argpartition(rows, k - 1, axis=1)[:, :k]
            found = np.take_along_axis(rows, near, 1)
            order = np.lexsort((near, found), axis=1)
            return np.take_along_axis(found, order, 1), np.take_along_axis(near, order, 1)

        if self.metric == "precomputed":
            return best(X, 0)
        blocks = list(
            pairwise_distances_chunked(
                X, self._fit_X, reduce_func=best, metric=self.effective_metric_,
                n_jobs=1, **self.effective_metric_params_,
            )
        )  # fmt: skip
        return np.vstack([d for d, _ in blocks]), np.vstack([i for _, i in blocks])

    def kneighbors_graph(
        self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity"
    ) -> Any:
        """The neighbours as a sparse matrix [m, n]: ones, or distances with mode="distance"."""
        ensure_fitted(self, "_fit_method")
        if mode not in ("connectivity", "distance"):
            raise ValueError(
                t(
                    'Unsupported mode, must be one of "connectivity", or "distance" but got'
                    ' "{mode}"',
                    mode=mode,
                )
            )
        distances, indices = self.kneighbors(X, n_neighbors)
        m, k = indices.shape
        data = distances.ravel() if mode == "distance" else np.ones(m * k)
        return csr_matrix(
            (data, indices.ravel(), np.arange(0, m * k + 1, k)), shape=(m, self.n_samples_fit_)
        )

    def _weights_of(self, distances: np.ndarray) -> np.ndarray | None:
        """Each neighbour's weight, [m, k]; None if all count the same."""
        if self.weights in (None, "uniform"):
            return None
        if callable(self.weights):
            return np.asarray(self.weights(distances))
        zero = distances == 0.0
        with np.errstate(divide="ignore"):
            weights = 1.0 / distances
        # A query that is a sample itself is answered by that sample alone.
        exact = zero.any(axis=1)
        weights[exact] = zero[exact]
        return weights

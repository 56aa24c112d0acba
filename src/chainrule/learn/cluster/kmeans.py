"""KMeans: Lloyd's and Elkan's algorithm on all samples."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

from chainrule.base.text import t
from chainrule.learn.base import Rounds
from chainrule.learn.checks import checked, minus
from chainrule.learn.cluster.base import CentersMixin
from chainrule.learn.cluster.lloyd import Run, Watch, elkan, lloyd, same_clustering
from chainrule.learn.cluster.sparse import dense, workspace
from chainrule.learn.cluster.threads import one_blas_thread

Array = np.ndarray


class KMeans(CentersMixin):
    """K clusters, each around the mean of its samples, that make Σ w·|x − c|² small.

    Args:
        n_clusters: K. init: "k-means++" (greedy, 2 + ⌊ln K⌋ draws each), "random", an array [K, D]
        or a callable (X, K, random_state) → [K, D]. n_init: how many starts; "auto" is 1 for
        k-means++ and arrays, else 10. max_iter: rounds a start. tol: a run ends when Σ|Δc|² is at
        most tol times the mean variance of the features. algorithm: "lloyd" or "elkan", which
        gives the same in less time where clusters are many and apart. copy_x: False centers X in
        its place during the fit.

    Attributes:
        cluster_centers_ [K, D], labels_ [N], inertia_ Σ w·|x − c|², n_iter_; trace_ after
        `fit(..., trace=True)`.

    Source: Lloyd, Least squares quantization in PCM, 1982; Elkan, Using the triangle inequality to
    accelerate k-means, 2003; Arthur and Vassilvitskii, k-means++, 2007.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CentersMixin._parameter_constraints,
        "copy_x": ["boolean"],
        "algorithm": [StrOptions({"lloyd", "elkan"})],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: Any = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: Any = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Finds the centers for X [N, D], weighted by sample_weight [N].

        trace: keeps the centers and labels of every round for `working()`.
        """
        X = checked(self, X, reset=True, order="C", accept_sparse="csr")
        sparse = issparse(X)
        starts = self._starts(X.shape[0], default=10)
        # The bounds of a sparse table would be a dense one; both ways end at the same centers.
        quick = self.algorithm == "elkan" and self.n_clusters > 1 and not sparse
        run_once = elkan if quick else lloyd
        if self.algorithm == "elkan" and self.n_clusters == 1:
            text = t("algorithm='elkan' doesn't make sense for a single cluster: 'lloyd' is used.")
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        random = check_random_state(self.random_state)
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        given = self._given_centers(X)
        # Around the mean the squares are small and lose fewer digits.
        mean = np.zeros(X.shape[1], X.dtype) if sparse else _mean(X, weights)
        centered = X if sparse else minus(X, mean, None if self.copy_x else X)
        if given is not None:
            given -= mean
        tol = self.tol * _mean_variance(centered, weights)
        work = workspace(centered, self.n_clusters)
        watch = Watch(trace, bool(self.verbose))
        best: Run | None = None
        for _ in range(starts):
            # A second thread of the linear algebra would fight with those of the rows.
            with one_blas_thread(), Rounds(self, self.max_iter, self.verbose) as rounds:
                centers = self._first_centers(centered, weights, random, given)
                run = run_once(work, weights, centers, tol, rounds, watch)
                if best is None or (
                    run.inertia < best.inertia
                    and not same_clustering(run.labels, best.labels, self.n_clusters)
                ):
                    best = run
            if rounds.interrupted:
                break
        if not self.copy_x and not sparse:
            X += mean
        if best is None:
            raise KeyboardInterrupt
        self._keep(best, mean)
        if trace:
            steps = [(centers + mean, labels, inertia) for centers, labels, inertia in best.path]
            self.trace_ = {"X": np.array(dense(X)), "weights": weights, "rounds": steps}
        return self

    def _keep(self, run: Run, mean: Array) -> None:
        self.cluster_centers_ = run.centers + mean
        self.labels_, self.inertia_, self.n_iter_ = run.labels, run.inertia, run.rounds
        self.__dict__.pop("trace_", None)
        found = len(np.unique(run.labels))
        if found < self.n_clusters:
            warnings.warn(
                t(
                    "Number of distinct clusters ({found}) found smaller than n_clusters "
                    "({clusters}). Possibly due to duplicate points in X.",
                    found=found,
                    clusters=self.n_clusters,
                ),
                ConvergenceWarning,
                stacklevel=3,
            )

    def _working(self) -> Any:
        # The working is only needed when somebody looks.
        from chainrule.learn.cluster.steps import working

        return working(self, self._needs_trace())


def _mean_variance(X: Any, weights: Array) -> float:
    """Of the columns; a dense X has mean 0."""
    if issparse(X):
        mean, mean_square = ((weights @ table) / weights.sum() for table in (X, X.multiply(X)))
        return float(np.mean(mean_square - mean**2))
    squares = np.einsum("nd,nd->n", X, X)
    return float(squares @ weights) / float(weights.sum()) / X.shape[1]


def _mean(X: Array, weights: Array) -> Array:
    if np.ptp(weights) == 0:
        return X.mean(axis=0)
    return (weights @ X) / weights.sum()

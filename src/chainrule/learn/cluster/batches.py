"""MiniBatchKMeans: k-means on random batches, each center a running mean (Sculley, 2010)."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight

from chainrule.learn.base import Rounds
from chainrule.learn.checks import checked
from chainrule.learn.cluster.base import CentersMixin
from chainrule.learn.cluster.lloyd import Workspace
from chainrule.learn.cluster.seeding import canonical
from chainrule.learn.cluster.sparse import dense
from chainrule.learn.cluster.threads import one_blas_thread

Array = np.ndarray


class MiniBatchKMeans(CentersMixin):
    """K clusters found from random batches: for tables too long for `KMeans`.

    Args:
        batch_size: samples a step. max_iter: passes over as many samples as there are.
        max_no_improvement: steps without a better smoothed inertia before the fit ends, None for
        no such end. tol: the fit ends when Σ|Δc|² is at most tol times the mean variance, 0 for no
        such end. init_size: samples from which the first centers are drawn (3 batches if None).
        n_init: starts that are compared before the first step ("auto": 1 for k-means++ and
        arrays, else 3). reassignment_ratio: a center with a smaller share of the largest count
        moves to a random sample. compute_labels: False spares the labels at the end.

    Attributes:
        cluster_centers_ [K, D], labels_ [N], inertia_, n_iter_, n_steps_; trace_ after
        `fit(..., trace=True)`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CentersMixin._parameter_constraints,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "compute_labels": ["boolean"],
        "max_no_improvement": [Interval(Integral, 0, None, closed="left"), None],
        "init_size": [Interval(Integral, 1, None, closed="left"), None],
        "reassignment_ratio": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        max_iter: int = 100,
        batch_size: int = 1024,
        verbose: int = 0,
        compute_labels: bool = True,
        random_state: Any = None,
        tol: float = 0.0,
        max_no_improvement: int | None = 10,
        init_size: int | None = None,
        n_init: Any = "auto",
        reassignment_ratio: float = 0.01,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.verbose = verbose
        self.compute_labels = compute_labels
        self.random_state = random_state
        self.tol = tol
        self.max_no_improvement = max_no_improvement
        self.init_size = init_size
        self.n_init = n_init
        self.reassignment_ratio = reassignment_ratio

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Finds the centers for X [N, D], weighted by sample_weight [N].

        trace: keeps the centers and the inertia of every step for `working()`.
        """
        X = checked(self, X, reset=True, order="C", accept_sparse="csr")
        starts = self._starts(X.shape[0], default=3)
        # A later partial_fit goes on with the same draws.
        random = self._random = check_random_state(self.random_state)
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        pool, shares = _population(X, weights)
        size = min(self.batch_size, pool.shape[0])
        steps = (self.max_iter * pool.shape[0]) // size
        centers = self._best_start(pool, shares, random, size, starts)
        self._counts = np.zeros(self.n_clusters, X.dtype)
        self._since_reassigned = 0
        share = np.cumsum(shares, dtype=np.float64)
        share /= share[-1]
        tol = self.tol * float(_mean_variance(pool)) if self.tol > 0 else 0.0
        progress = _Progress(size / (pool.shape[0] + 1), self.max_no_improvement)
        ones = np.ones(size, X.dtype)
        path: list[tuple[Array, float]] = []
        done = 1
        with one_blas_thread(), Rounds(self, steps, self.verbose) as rounds:
            for step in rounds:
                # A draw in proportion to the weights, as random.choice(p=share) makes it.
                drawn = np.searchsorted(share, random.random_sample(size), side="right")
                batch = dense(pool[np.minimum(drawn, pool.shape[0] - 1)])
                new, inertia = self._step(batch, ones, centers, random, self._due(size))
                if trace:
                    path.append((centers, inertia / size))
                shift = float(np.sum((new - centers) ** 2)) if tol > 0 else math.inf
                centers = new
                rounds.show(inertia=inertia / size)
                done = step + 1
                if step > 0 and (progress.stalls(inertia / size) or shift <= tol):
                    break
        self.cluster_centers_ = centers
        self.n_steps_ = done
        self.n_iter_ = math.ceil(done * size / pool.shape[0])
        self.__dict__.pop("trace_", None)
        if self.compute_labels:
            self.labels_, self.inertia_ = self._labels_and_inertia(X, weights, centers)
        else:
            self.inertia_ = (progress.mean or 0.0) * float(weights.sum())
        if trace:
            self.trace_ = {"X": np.array(dense(X)), "weights": weights, "steps": path}
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """One step with X [N, D] as the batch; the first call also finds the first centers."""
        first = not hasattr(self, "cluster_centers_")
        X = dense(checked(self, X, reset=first, order="C", accept_sparse="csr"))
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
        if first:
            self._starts(X.shape[0], default=3)
            self._random = check_random_state(self.random_state)
            given = self._given_centers(X)
            rows = self._start_rows(X, self._random, min(self.batch_size, X.shape[0]))
            self.cluster_centers_ = self._first_centers(X[rows], weights[rows], self._random, given)
            self._counts = np.zeros(self.n_clusters, X.dtype)
            self._since_reassigned = 0
            self.n_steps_ = 0
        with one_blas_thread():
            self.cluster_centers_, _ = self._step(
                X, weights, self._centers(X), self._random, self._due(X.shape[0])
            )
        if self.compute_labels:
            self.labels_, self.inertia_ = self._labels_and_inertia(
                X, weights, self.cluster_centers_
            )
        self.n_steps_ += 1
        return self

    # ------------------------------------------------------------------ parts of a fit

    def _start_rows(self, X: Array, random: np.random.RandomState, size: int) -> Any:
        wanted = self.init_size or 3 * size
        if wanted < self.n_clusters:
            wanted = 3 * self.n_clusters
        return slice(None) if wanted >= X.shape[0] else random.randint(0, X.shape[0], wanted)

    def _best_start(
        self, X: Array, weights: Array, random: np.random.RandomState, size: int, starts: int
    ) -> Array:
        """Of several first centers those with the least inertia on a part of the samples."""
        given = self._given_centers(X)
        wanted = self.init_size or 3 * size
        wanted = min(wanted if wanted >= self.n_clusters else 3 * self.n_clusters, X.shape[0])
        judged = random.randint(0, X.shape[0], wanted)
        found = []
        for _ in range(starts):
            rows = self._start_rows(X, random, size)
            centers = self._first_centers(X[rows], weights[rows], random, given)
            if starts == 1:
                return centers
            _, inertia = self._labels_and_inertia(X[judged], weights[judged], centers)
            found.append((inertia, centers))
        return min(found, key=lambda pair: pair[0])[1]

    def _due(self, size: int) -> bool:
        """Whether small clusters move now: if one is empty, else once in 10·K samples."""
        self._since_reassigned += size
        if (self._counts == 0).any() or self._since_reassigned >= 10 * self.n_clusters:
            self._since_reassigned = 0
            return True
        return False

    def _step(
        self,
        batch: Array,
        weights: Array,
        centers: Array,
        random: np.random.RandomState,
        reassign: bool,
    ) -> tuple[Array, float]:
        """New centers, and the inertia of the batch with the old ones; counts are updated."""
        labels = np.empty(len(batch), np.int32)
        work = Workspace(batch, len(centers))
        work.gather(weights, centers, labels)
        inertia = work.inertia(weights, centers, labels)
        counts = self._counts
        sums = centers * counts[:, None] + work.sums.sum(axis=0)
        counts += work.mass.sum(axis=0)
        new = centers.copy()
        filled = counts > 0
        new[filled] = sums[filled] / counts[filled, None]
        if reassign and self.reassignment_ratio > 0:
            self._reassign(batch, new, random)
        return new, inertia

    def _reassign(self, batch: Array, centers: Array, random: np.random.RandomState) -> None:
        counts = self._counts
        small = counts < self.reassignment_ratio * counts.max()
        most = int(0.5 * len(batch))
        if small.sum() > most:
            small[np.argsort(counts)[most:]] = False
        if small.any():
            centers[small] = batch[random.choice(len(batch), replace=False, size=small.sum())]
            # Not zero: else the moved centers would move again at once.
            counts[small] = counts[~small].min()

    def _working(self) -> Any:
        # The working is only needed when somebody looks.
        from chainrule.learn.cluster.steps import working_of_batches

        return working_of_batches(self, self._needs_trace())


def _population(X: Array, weights: Array) -> tuple[Array, Array]:
    """Samples to draw from and their weights; whole weights count as that many samples."""
    order = canonical(X, weights)
    if order is None:
        return X, weights
    whole = bool(np.all(weights == np.floor(weights)))
    if whole and 0 < weights.sum() <= 10 * X.shape[0]:
        rows = np.repeat(order, weights[order].astype(np.int64))
        return X[rows], np.ones(len(rows), X.dtype)
    return X[order], weights[order]


def _mean_variance(X: Any) -> float:
    """Of the columns."""
    if issparse(X):
        return float(np.mean(X.multiply(X).mean(axis=0) - np.square(X.mean(axis=0))))
    return float(np.mean(np.var(X, axis=0)))


class _Progress:
    """The exponentially smoothed inertia of the batches, and since when it did not fall."""

    def __init__(self, share: float, patience: int | None) -> None:
        self.mean: float | None = None
        self._share, self._patience = min(1.0, 2 * share), patience
        self._least = math.inf
        self._waited = 0

    def stalls(self, inertia: float) -> bool:
        before = self.mean
        self.mean = (
            inertia if before is None else before * (1 - self._share) + inertia * self._share
        )
        if self.mean < self._least:
            self._least, self._waited = self.mean, 0
        else:
            self._waited += 1
        return self._patience is not None and self._waited >= self._patience

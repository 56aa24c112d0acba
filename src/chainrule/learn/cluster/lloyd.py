"""One run of k-means from given centers: Lloyd's rounds, or Elkan's with fewer distances."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.learn.base import Rounds
from chainrule.learn.cluster import kernels
from chainrule.learn.cluster.threads import each_range, ranges

Array = np.ndarray


class Run(NamedTuple):
    """The end of a run. path: (centers, labels, inertia) of each round, if it was asked for."""

    labels: Array
    inertia: float
    centers: Array
    rounds: int
    path: list[tuple[Array, Array, float]]


class Watch(NamedTuple):
    """What is looked at during a run: its path, its inertia a round."""

    path: bool
    verbose: bool


class Workspace:
    """The buffers of a run and the ranges of its threads."""

    def __init__(self, X: Array, clusters: int) -> None:
        self.X = X
        self.parts = ranges(X.shape[0], clusters * X.shape[1])
        size = len(self.parts)
        self.sums = np.empty((size, clusters, X.shape[1]), X.dtype)
        self.mass = np.empty((size, clusters), X.dtype)
        self.table = np.empty((size, clusters, kernels.BLOCK), X.dtype)
        self.least = np.empty((size, kernels.BLOCK), X.dtype)
        self.best = np.empty((size, kernels.BLOCK), np.int32)

    def assign(self, centers: Array, labels: Array) -> None:
        """Writes the labels of the nearest centers."""
        self._assign(centers, labels, None)

    def move(self, weights: Array, centers: Array, labels: Array) -> tuple[int, Array]:
        """One round: writes the labels; how many changed, and the means of the new clusters."""
        changed = self.gather(weights, centers, labels)
        return changed, self._means(weights, centers, labels)

    def gather(self, weights: Array, centers: Array, labels: Array) -> int:
        """Writes the labels, and each thread's `sums` [K, D] and `mass` [K]; how many changed."""
        self.sums[:] = 0
        self.mass[:] = 0
        return self._assign(centers, labels, weights)

    def _assign(self, centers: Array, labels: Array, weights: Array | None) -> int:
        norms, doubled = np.einsum("kd,kd->k", centers, centers), -2 * centers
        add = weights is not None
        # Where nothing is added no weight is read.
        given = norms if weights is None else weights

        def do(part: int, first: int, last: int) -> int:
            return kernels.assign(
                self.X, given, doubled, norms, first, last, labels, self.table[part],
                self.least[part], self.best[part], add, self.sums[part], self.mass[part],
            )  # fmt: skip

        return sum(each_range(do, self.parts))

    def average(self, weights: Array, centers: Array, labels: Array) -> Array:
        """The weighted means of the clusters; empty ones move to the samples farthest away."""
        self.sums[:] = 0
        self.mass[:] = 0

        def do(part: int, first: int, last: int) -> None:
            kernels.accumulate(
                self.X, weights, labels, first, last, self.sums[part], self.mass[part]
            )

        each_range(do, self.parts)
        return self._means(weights, centers, labels)

    def _means(self, weights: Array, centers: Array, labels: Array) -> Array:
        sums, mass = self.sums.sum(axis=0), self.mass.sum(axis=0)
        empty = np.flatnonzero(mass == 0)
        if empty.size:
            far = self.distances(centers, labels)
            self._relocate(weights, labels, far, empty, sums, mass)
        new = centers.copy()
        filled = mass > 0
        new[filled] = sums[filled] / mass[filled, None]
        return new

    def distances(self, centers: Array, labels: Array) -> Array:
        """Squared distances [N] to the own center."""
        out = np.empty((1, len(self.X)), self.X.dtype)
        each_range(
            lambda _, a, b: kernels.squared_distances(self.X, centers, labels, a, b, out),
            ranges(len(self.X), self.X.shape[1]),
        )
        return out[0]

    def inertia(self, weights: Array, centers: Array, labels: Array) -> float:
        """Σ w·|x − c|²."""
        return float(self.distances(centers, labels) @ weights)

    def _row(self, i: int) -> Array:
        return self.X[i]

    def _relocate(
        self, weights: Array, labels: Array, far: Array, empty: Array, sums: Array, mass: Array
    ) -> None:
        if far.max() == 0:  # fewer different samples than clusters: there is nowhere to go
            return
        farthest = np.argpartition(far, -empty.size)[: -empty.size - 1 : -1]
        for k, i in zip(empty, farthest):
            moved = self._row(i) * weights[i]
            sums[labels[i]] -= moved
            mass[labels[i]] -= weights[i]
            sums[k], mass[k] = moved, weights[i]


def lloyd(
    work: Workspace, weights: Array, centers: Array, tol: float, rounds: Rounds, watch: Watch
) -> Run:
    """Assign every sample to the nearest center, move the centers to the means, again.

    Ends when no label changes, or when the centers move by Σ|Δc|² ≤ tol, or after all rounds.
    """
    labels = np.full(work.X.shape[0], -1, np.int32)
    path: list[tuple[Array, Array, float]] = []
    strict = False
    done = 0
    for i in rounds:
        done = i + 1
        changed, new = work.move(weights, centers, labels)
        if watch.path or watch.verbose:
            _look(work, weights, centers, labels, rounds, watch, path)
        shift = float(np.sum((new - centers) ** 2))
        centers = new
        strict = changed == 0
        if strict or shift <= tol:
            break
    if not strict:
        work.assign(centers, labels)
    return _end(work, weights, centers, labels, max(done, 1), watch, path)


def elkan(
    work: Workspace, weights: Array, centers: Array, tol: float, rounds: Rounds, watch: Watch
) -> Run:
    """As `lloyd`; bounds from the triangle inequality spare most distances (Elkan, 2003)."""
    X = work.X
    labels = np.full(X.shape[0], -1, np.int32)
    upper = np.empty(X.shape[0], X.dtype)
    lower = np.zeros((X.shape[0], len(centers)), X.dtype)
    path: list[tuple[Array, Array, float]] = []
    strict = False
    i = 0

    def tighten(of: Array) -> int:
        apart, nearest = _halves(of)
        return sum(
            each_range(
                lambda _, a, b: kernels.tighten(X, of, apart, nearest, a, b, labels, upper, lower),
                work.parts,
            )
        )

    def bound(of: Array) -> int:
        apart, _ = _halves(of)
        each_range(
            lambda _, a, b: kernels.bound(X, of, apart, a, b, labels, upper, lower), work.parts
        )
        return X.shape[0]

    def loosen(moved: Array) -> None:
        each_range(lambda _, a, b: kernels.loosen(moved, a, b, labels, upper, lower), work.parts)

    for i in rounds:
        changed = bound(centers) if i == 0 else tighten(centers)
        if watch.path or watch.verbose:
            _look(work, weights, centers, labels, rounds, watch, path)
        new = work.average(weights, centers, labels)
        moved = np.sqrt(((new - centers) ** 2).sum(axis=1))
        loosen(moved)
        centers = new
        strict = changed == 0
        if strict or float(moved @ moved) <= tol:
            break
    if not strict:
        tighten(centers)
    return _end(work, weights, centers, labels, i + 1, watch, path)


def _halves(centers: Array) -> tuple[Array, Array]:
    """Half the distances [K, K] between centers, and [K] to the nearest other."""
    apart = np.sqrt(((centers[:, None] - centers[None]) ** 2).sum(axis=2)) / 2
    return apart, np.partition(apart, 1, axis=1)[:, 1].copy()


def _end(
    work: Workspace,
    weights: Array,
    centers: Array,
    labels: Array,
    rounds: int,
    watch: Watch,
    path: list[tuple[Array, Array, float]],
) -> Run:
    inertia = work.inertia(weights, centers, labels)
    if watch.path:
        path.append((centers, labels.copy(), inertia))
    return Run(labels, inertia, centers, rounds, path)


def _look(
    work: Workspace,
    weights: Array,
    centers: Array,
    labels: Array,
    rounds: Rounds,
    watch: Watch,
    path: list[tuple[Array, Array, float]],
) -> None:
    inertia = work.inertia(weights, centers, labels)
    if watch.path:
        path.append((centers, labels.copy(), inertia))
    rounds.show(inertia=inertia)


def same_clustering(a: Any, b: Any, clusters: int) -> bool:
    """Whether two labelings are the same up to the clusters' names."""
    names = np.full(clusters, -1, np.int64)
    names[a] = b
    return bool(np.array_equal(names[a], b))

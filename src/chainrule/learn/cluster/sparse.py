"""Runs of k-means on sparse rows (CSR): the same steps as on a table, zeros never touched."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Compiled loops take their types from their arguments.
from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.cluster.lloyd import Workspace
from chainrule.learn.cluster.threads import each_range, ranges
from chainrule.learn.compiling import SUMS, jit

Array = np.ndarray


def dense(X: Any) -> Array:
    """X as an array; few rows at a time of a large sparse table."""
    return X.toarray() if issparse(X) else X


def workspace(X: Any, clusters: int) -> Workspace:
    """What runs on X, dense or CSR."""
    return SparseWorkspace(X, clusters) if issparse(X) else Workspace(X, clusters)


class SparseWorkspace(Workspace):
    """`Workspace` of a CSR table [N, D]."""

    X: Any

    def __init__(self, X: Any, clusters: int) -> None:
        self.X = X
        self.cells = (X.data, X.indices, X.indptr)
        self.per_row = 1 + X.nnz // max(X.shape[0], 1)
        self.parts = ranges(X.shape[0], clusters * self.per_row)
        self.sums = np.empty((len(self.parts), clusters, X.shape[1]), X.dtype)
        self.mass = np.empty((len(self.parts), clusters), X.dtype)

    def assign(self, centers: Array, labels: Array) -> None:
        self._nearest(centers, labels)

    def _nearest(self, centers: Array, labels: Array) -> int:
        """Writes the labels of the nearest centers; how many changed."""
        columns, norms = np.ascontiguousarray(centers.T), np.einsum("kd,kd->k", centers, centers)

        def do(_: int, first: int, last: int) -> int:
            scores = np.empty_like(norms)
            return nearest_of_sparse(*self.cells, columns, norms, first, last, labels, scores)

        return sum(each_range(do, self.parts))

    def move(self, weights: Array, centers: Array, labels: Array) -> tuple[int, Array]:
        changed = self._nearest(centers, labels)
        return changed, self.average(weights, centers, labels)

    def average(self, weights: Array, centers: Array, labels: Array) -> Array:
        self.sums[:] = 0
        self.mass[:] = 0

        def do(part: int, first: int, last: int) -> None:
            accumulate_sparse(
                *self.cells, weights, labels, first, last, self.sums[part], self.mass[part]
            )

        each_range(do, self.parts)
        return self._means(weights, centers, labels)

    def distances(self, centers: Array, labels: Array) -> Array:
        out = np.empty(self.X.shape[0], self.X.dtype)
        norms = np.einsum("kd,kd->k", centers, centers)
        each_range(
            lambda _, a, b: sparse_distances(*self.cells, centers, norms, labels, a, b, out),
            ranges(self.X.shape[0], self.per_row),
        )
        return out

    def _row(self, i: int) -> Array:
        return np.asarray(self.X[[i]].toarray()[0])


def distances_to(X: Any, points: Array) -> Array:
    """Squared distances [T, N] of CSR rows to the points [T, D]."""
    work = SparseWorkspace(X, 1)
    labels = np.zeros(X.shape[0], np.int32)
    return np.stack([work.distances(point[None], labels) for point in points])


@jit(fastmath=SUMS)
def nearest_of_sparse(data, indices, starts, columns, norms, first, last, labels, scores):
    """labels[first:last] = argmin over k of |c_k|² − 2·x·c_k; how many changed.

    columns [D, K]: the centers, a feature's entries side by side; scores [K] is scratch.
    """
    changed = 0
    for i in range(first, last):
        for k in range(norms.size):
            scores[k] = norms[k]
        for at in range(starts[i], starts[i + 1]):
            twice = 2 * data[at]
            column = columns[indices[at]]
            for k in range(scores.size):
                scores[k] -= twice * column[k]
        best = 0
        for k in range(1, scores.size):
            best = k if scores[k] < scores[best] else best
        changed += labels[i] != best
        labels[i] = best
    return changed


@jit
def accumulate_sparse(data, indices, starts, weights, labels, first, last, sums, mass):
    """Adds the rows first…last to their clusters: sums [K, D] += w·x, mass [K] += w."""
    for i in range(first, last):
        k, w = labels[i], weights[i]
        mass[k] += w
        for at in range(starts[i], starts[i + 1]):
            sums[k, indices[at]] += w * data[at]


@jit(fastmath=SUMS)
def sparse_distances(data, indices, starts, centers, norms, labels, first, last, out):
    """out[i] = |x_i − c_label|² = |c|² + Σ over what is not zero of x·(x − 2c)."""
    tiny = 16 * np.finfo(data.dtype).eps
    for i in range(first, last):
        k = labels[i]
        size = norms[k]
        total = size
        for at in range(starts[i], starts[i + 1]):
            x, c = data[at], centers[k, indices[at]]
            size += x * x
            total += x * (x - 2 * c)
        # What is left of two equal rows is rounding.
        out[i] = total if total > tiny * size else 0

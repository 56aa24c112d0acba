"""The search for neighbours: matrix products in blocks, a scan, or a k-d tree."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges
from chainrule.learn.neighbors.kernels import (
    CHEBYSHEV,
    EUCLIDEAN,
    MANHATTAN,
    MINKOWSKI,
    build,
    keep_best,
    scan,
    search,
    settle,
)

# A block of products stays in a core's cache while its best are picked.
_QUERIES, _POINTS = 128, 1024
# Candidates beyond k: what rounding in the products may have put in the wrong order.
_SPARE = 4


@dataclass(frozen=True)
class Metric:
    """A Minkowski metric by the number of its kernel, its power and its root."""

    kind: int
    p: float

    @staticmethod
    def of(name: str, p: float = 2.0) -> Metric | None:
        """The metric of scikit-learn's name, or None if it is of another family."""
        if name in ("euclidean", "l2") or (name in ("minkowski", "p") and p == 2):
            return Metric(EUCLIDEAN, 2.0)
        if name in ("manhattan", "l1", "cityblock") or (name in ("minkowski", "p") and p == 1):
            return Metric(MANHATTAN, 1.0)
        if name in ("chebyshev", "infinity") or (name in ("minkowski", "p") and np.isinf(p)):
            return Metric(CHEBYSHEV, np.inf)
        return Metric(MINKOWSKI, float(p)) if name in ("minkowski", "p") else None

    def root(self, sums: np.ndarray) -> np.ndarray:
        """Distances from their power sums."""
        if self.kind == EUCLIDEAN:
            return np.sqrt(sums)
        return sums ** (1.0 / self.p) if self.kind == MINKOWSKI else sums


Pair = tuple[np.ndarray, np.ndarray]


def _heaps(rows: int, k: int) -> Pair:
    return np.full((rows, k), np.inf), np.zeros((rows, k), dtype=np.int64)


def _all_named(indices: np.ndarray, none: int) -> np.ndarray:
    """Points whose power sums overflow are all equally far: the first ones stand for `none`."""
    rows, columns = np.nonzero(indices == none)
    indices[rows, columns] = columns
    return indices


def _shared(
    rows: int, work: float, threads: int, do: Callable[[int, int], None], products: bool = False
) -> None:
    """`do` on a share of the rows on each thread; products: it makes matrix products."""
    parts = ranges(rows, work) if threads != 1 else [(0, rows)]
    if len(parts) == 1:
        do(0, rows)
        return
    with one_blas_thread() if products else nullcontext():
        each_range(lambda _, first, last: do(first, last), parts)


def by_products(x: np.ndarray, y: np.ndarray, k: int, threads: int) -> Pair:
    """The k nearest by Euclidean distance: squared distances [m, k] in order, and indices.

    Candidates are found from ‖y‖² − 2x·y by matrix products; their distances are then computed
    from differences, and equal ones ordered by index.
    """
    wide = min(k + _SPARE, y.shape[0])
    # From the middle of the points: far from the origin products lose the digits that matter.
    centre = y.mean(axis=0, dtype=np.float64)
    squares = np.empty(y.shape[0])
    for j in range(0, y.shape[0], _POINTS):
        points = y[j : j + _POINTS] - centre
        squares[j : j + _POINTS] = np.einsum("ij,ij->i", points, points)
    distances, indices = _heaps(x.shape[0], wide)

    def do(first: int, last: int) -> None:
        for i in range(first, last, _QUERIES):
            rows = slice(i, min(i + _QUERIES, last))
            queries = x[rows] - centre
            for j in range(0, y.shape[0], _POINTS):
                points = y[j : j + _POINTS] - centre
                keep_best(
                    queries @ points.T, squares[j : j + _POINTS], j, distances[rows], indices[rows]
                )
        settle(x[first:last], y, distances[first:last], indices[first:last])

    _shared(x.shape[0], 2.0 * y.size, threads, do, products=True)
    return distances[:, :k], indices[:, :k]


def by_scan(x: np.ndarray, y: np.ndarray, metric: Metric, k: int, threads: int) -> Pair:
    """The k nearest by any Minkowski metric, one pair after another."""
    distances, indices = _heaps(x.shape[0], k)
    columns = np.ascontiguousarray(y.T)

    def do(i: int, j: int) -> None:
        scan(x[i:j], columns, metric.kind, metric.p, distances[i:j], indices[i:j])

    indices[...] = y.shape[0]
    _shared(x.shape[0], float(y.size), threads, do)
    return distances, _all_named(indices, y.shape[0])


class Tree:
    """A k-d tree (Bentley 1975): points are halved at the median of their widest feature.

    All leaves lie on one level and hold nearly the same number of points; node i has the children
    2i + 1 and 2i + 2. Boxes are the tightest around their points.

    Args:
        points: [n, features]; leaf_size: points in a leaf at most.
    """

    def __init__(self, points: np.ndarray, leaf_size: int) -> None:
        n = points.shape[0]
        self.leaves = 1
        while self.leaves * leaf_size < n and 2 * self.leaves <= n:
            self.leaves *= 2
        self.order = np.arange(n)
        nodes = 2 * self.leaves - 1
        self.lows = np.empty((nodes, points.shape[1]))
        self.highs = np.empty((nodes, points.shape[1]))
        cuts = np.zeros((nodes, 2), dtype=np.int64)
        cuts[0] = 0, n
        build(points, self.order, cuts, self.lows, self.highs, self.leaves)
        self.starts = np.append(cuts[self.leaves - 1 :, 0], n)
        self.columns = np.ascontiguousarray(points[self.order].T)

    def query(self, x: np.ndarray, metric: Metric, k: int, threads: int) -> Pair:
        """Power sums [m, k] in order, and indices."""
        distances, indices = _heaps(x.shape[0], k)
        indices[...] = self.order.size

        def do(i: int, j: int) -> None:
            search(
                x[i:j], self.columns, self.order, self.lows, self.highs, self.starts, self.leaves,
                metric.kind, metric.p, distances[i:j], indices[i:j],
            )  # fmt: skip

        _shared(x.shape[0], 64.0 * (k + self.columns.shape[0]) * 8, threads, do)
        return distances, _all_named(indices, self.order.size)

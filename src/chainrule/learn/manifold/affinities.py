"""Who is near whom: probabilities of pairs with a given perplexity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics import pairwise_distances

from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges

Array = np.ndarray
# Distances of a block of rows: they stay in the cache, and the memory small.
_BLOCK = 1 << 16
# Halvings of the range of a width.
_TURNS = 100


def squared_distances(X: Array, metric: Any, options: dict[str, Any] | None) -> Array:
    """[N, N] of squared distances by the metric."""
    if metric == "precomputed":
        return X.astype(np.float64) ** 2
    if metric == "euclidean":
        X = X - X.mean(axis=0)
        norms = np.einsum("nd,nd->n", X, X)
        found = _rows(X, norms, 0, len(X))
        found[found <= _rounding(X) * (norms[:, None] + norms)] = 0
        return found
    return pairwise_distances(X, metric=metric, **(options or {})) ** 2


def _rows(X: Array, norms: Array, first: int, last: int) -> Array:
    distances = X[first:last] @ X.T
    distances *= -2
    distances += norms
    distances += norms[first:last, None]
    np.maximum(distances, 0, out=distances)
    distances[np.arange(last - first), np.arange(first, last)] = 0
    return distances


def _rounding(X: Array) -> float:
    """The share of |x|² + |y|² that may be left of |x − y|² when x = y.

    It must not stay: among many equal rows the search for a width would tell them apart by it.
    """
    return 4 * float(np.finfo(X.dtype).eps)


def neighbours(X: Array, count: int, metric: Any, options: Any) -> tuple[Array, Array]:
    """Indices and squared distances [N, count] of the nearest others."""
    # Four bytes an index: the sparse tables made from it are a third smaller.
    found = np.empty((len(X), count), np.int32)
    rows = max(16, _BLOCK // len(X))
    squares = np.empty((len(X), count))
    if metric == "euclidean":
        X = X - X.mean(axis=0)
        norms, tiny = np.einsum("nd,nd->n", X, X), _rounding(X)
        table = None
    else:
        table = squared_distances(X, metric, options)

    def do(_: int, a: int, b: int) -> None:
        for first in range(a, b, rows):
            last = min(first + rows, b)
            if table is None:
                distances = _rows(X, norms, first, last)
            else:
                distances = table[first:last].copy()
            # Oneself is no neighbour.
            distances[np.arange(last - first), np.arange(first, last)] = np.inf
            nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
            nearest.sort(axis=1)
            found[first:last] = nearest
            near = np.take_along_axis(distances, nearest, axis=1)
            if table is None:
                near[near <= tiny * (norms[first:last, None] + norms[nearest])] = 0
            squares[first:last] = near

    with one_blas_thread():
        each_range(do, ranges(len(X), len(X) * X.shape[1]))
    return found, squares


def conditional(squares: Array, perplexity: float) -> tuple[Array, float]:
    """p_{j|i} [N, M] with the perplexity, and the mean width σ = 1/√(2β).

    float64 squares that lie row by row are overwritten: the tables of pairs are the most memory.
    """
    squares = np.ascontiguousarray(squares, np.float64)
    rows = max(16, _BLOCK // squares.shape[1])

    def do(_: int, a: int, b: int) -> float:
        starts = range(a, b, rows)
        return sum(_search(squares[i : min(i + rows, b)], math.log(perplexity)) for i in starts)

    betas = each_range(do, ranges(len(squares), 100 * squares.shape[1]))
    return squares, math.sqrt(len(squares) / (2 * sum(betas)))


def _search(squares: Array, entropy: float) -> float:
    """Puts p_j ∝ exp(−β·d²) of which −Σ p·log p of a row is `entropy` in the squares' place.

    β by bisection until the entropy is within 1e-5; returns Σ β.
    """
    left = np.arange(len(squares))
    least = squares.min(axis=1)
    distances = squares - least[:, None]
    low, high, beta = np.zeros(len(left)), np.full(len(left), np.inf), np.ones(len(left))
    total = 0.0
    for turn in range(_TURNS):
        shares = distances * -beta[:, None]
        np.exp(shares, out=shares)
        mass = shares.sum(axis=1)
        excess = np.log(mass) + beta * np.einsum("nm,nm->n", shares, distances) / mass - entropy
        done = np.abs(excess) <= 1e-5
        if turn == _TURNS - 1:
            done[:] = True
        if done.any():
            squares[left[done]] = shares[done] / mass[done, None]
            total += float(beta[done].sum())
            on = ~done
            left, distances, excess = left[on], distances[on], excess[on]
            low, high, beta = low[on], high[on], beta[on]
            if not len(left):
                break
        wide = excess > 0
        low = np.where(wide, beta, low)
        high = np.where(wide, high, beta)
        with np.errstate(over="ignore"):
            beta = np.where(np.isinf(high), 2 * beta, (low + high) / 2)
    return total


def joint_dense(squares: Array, perplexity: float) -> Array:
    """p_ij [N, N] = (p_{j|i} + p_{i|j})/(2N) over all pairs; the diagonal is 0."""
    n = len(squares)
    others = ~np.eye(n, dtype=bool)
    rows, _ = conditional(squares[others].reshape(n, n - 1), perplexity)
    shares = np.zeros((n, n))
    shares[others] = rows.ravel()
    shares = shares + shares.T
    return shares / shares.sum()


def joint_sparse(found: Array, squares: Array, perplexity: float) -> csr_array:
    """p_ij of the pairs of which one is among the other's nearest."""
    n, count = found.shape
    rows, _ = conditional(squares, perplexity)
    starts = np.arange(0, n * count + 1, count, dtype=np.int64 if n * count >> 31 else np.int32)
    shares = csr_array((rows.ravel(), found.ravel(), starts), shape=(n, n))
    shares = (shares + shares.T.tocsr()).tocsr()
    shares.data /= shares.data.sum()
    return shares

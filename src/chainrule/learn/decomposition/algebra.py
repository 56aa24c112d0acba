"""The linear algebra of principal components. X [N, D] has float64 or float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import get_lapack_funcs
from scipy.special import gammaln

from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges

Array = np.ndarray
# Numbers of a block of centred rows: it stays in a cache until it is multiplied.
_BLOCK = 1 << 16
# Below this many multiplications ranges for threads cost more than they give.
_WORTH_RANGES = 10_000_000


def column_means(X: Array) -> Array:
    """The mean [D] of each column, summed in float64."""
    parts = ranges(len(X), X.shape[1])
    sums = each_range(lambda _, a, b: X[a:b].sum(axis=0, dtype=np.float64), parts)
    return (sum(sums) / len(X)).astype(X.dtype)


def covariance(X: Array, mean: Array) -> Array:
    """Σ (x − m)·(x − m)ᵀ/(N − 1) as [D, D]; rows are centred block by block."""
    features = X.shape[1]
    rows = max(256, _BLOCK // features)
    if features > 256 or X.size * features < _WORTH_RANGES:
        # Large products keep all threads busy by themselves, small ones are soon done.
        return _scatter(X, mean, 0, len(X), 4 * rows) / (len(X) - 1)
    parts = ranges(len(X), features * features)
    with one_blas_thread():
        found = each_range(lambda _, a, b: _scatter(X, mean, a, b, rows), parts)
    return sum(found) / (len(X) - 1)


def _scatter(X: Array, mean: Array, first: int, last: int, rows: int) -> Array:
    total = np.zeros((X.shape[1], X.shape[1]), X.dtype)
    buffer = np.empty((min(rows, last - first), X.shape[1]), X.dtype)
    for start in range(first, last, rows):
        block = X[start : min(start + rows, last)]
        centred = np.subtract(block, mean, out=buffer[: len(block)])
        total += centred.T @ centred
    return total


def eigen(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues [D] from the largest down, not below 0, and eigenvectors as rows [D, D]."""
    values, vectors = np.linalg.eigh(matrix)
    return np.maximum(values[::-1], 0), vectors[:, ::-1].T


def singular(centred: Array) -> tuple[Array, Array]:
    """Singular values and right singular vectors (as rows) of X [N, D].

    A tall X is first brought to its triangle R (X = Q·R): both have the same, and Q is not formed.
    centred may be overwritten.
    """
    if len(centred) > 1.2 * centred.shape[1]:
        geqrf, geqrf_lwork = get_lapack_funcs(("geqrf", "geqrf_lwork"), (centred,))
        work, _ = geqrf_lwork(*centred.shape)
        packed, *_ = geqrf(np.asfortranarray(centred), lwork=int(work.real), overwrite_a=True)
        centred = np.triu(packed[: centred.shape[1]])
    _, values, rows = scipy.linalg.svd(centred, full_matrices=False, check_finite=False)
    return values, rows


def randomized(
    X: Array,
    components: int,
    oversamples: int,
    rounds: Any,
    normalizer: str,
    random: np.random.RandomState,
) -> tuple[Array, Array]:
    """The first singular values and right vectors, from products with random vectors.

    Source: Halko, Martinsson and Tropp, Finding structure with randomness, 2009.
    """
    width = components + oversamples
    if rounds == "auto":
        rounds = 7 if components < 0.1 * min(X.shape) else 4
    if normalizer == "auto":
        normalizer = "none" if rounds <= 2 else "LU"
    wide = X.shape[0] < X.shape[1]
    A = X.T if wide else X
    basis = random.normal(size=(A.shape[1], width)).astype(X.dtype, copy=False)
    for _ in range(rounds):
        basis = _tidy(A.T @ _tidy(A @ basis, normalizer), normalizer)
    basis = _tidy(A @ basis, "QR")
    left, values, right = scipy.linalg.svd(basis.T @ A, full_matrices=False, check_finite=False)
    vectors = (basis @ left).T if wide else right
    return values[:components], vectors[:components]


def _tidy(basis: Array, how: str) -> Array:
    """The same span with columns that are not almost parallel."""
    if how == "LU":
        return scipy.linalg.lu(basis, permute_l=True, check_finite=False)[0]
    if how == "QR":
        return scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
    return basis


def orient(rows: Array) -> Array:
    """The rows with signs such that the entry of largest size is positive."""
    largest = np.abs(rows).argmax(axis=1)
    return rows * np.sign(rows[np.arange(len(rows)), largest])[:, None]


def likeliest_dimension(spectrum: Array, samples: int) -> int:
    """How many components are likeliest for eigenvalues `spectrum` [D] (Minka, 2000)."""
    features = len(spectrum)
    evidence = [-math.inf]
    evidence += [_evidence(spectrum, rank, samples) for rank in range(1, features)]
    return int(np.argmax(evidence))


def _evidence(spectrum: Array, rank: int, samples: int) -> float:
    """Laplace's approximation of the log-probability of the data given the dimension."""
    features = len(spectrum)
    tiny = 1e-15
    if spectrum[rank - 1] < tiny:
        return -math.inf
    degrees = (features - np.arange(rank)) / 2
    prior = float(np.sum(gammaln(degrees) - degrees * math.log(math.pi))) - rank * math.log(2)
    kept = -float(np.sum(np.log(spectrum[:rank]))) * samples / 2
    rest = max(tiny, float(np.sum(spectrum[rank:])) / (features - rank))
    noise = -math.log(rest) * samples * (features - rank) / 2
    free = features * rank - rank * (rank + 1) / 2
    filled = spectrum.copy()
    filled[rank:] = rest
    i, j = np.triu_indices(features, 1)
    i, j = i[i < rank], j[i < rank]
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = (spectrum[i] - spectrum[j]) * (1 / filled[j] - 1 / filled[i])
        curvature = float(np.sum(np.log(gaps) + math.log(samples)))
    volume = math.log(2 * math.pi) * (free + rank) / 2
    return prior + kept + noise + volume - curvature / 2 - rank * math.log(samples) / 2

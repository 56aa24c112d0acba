"""The linear algebra of principal components. X [N, D] has float64 or float32."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import get_lapack_funcs
from scipy.sparse.linalg import LinearOperator
from scipy.special import gammaln

from chainrule.learn.checks import minus
from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges

Array = np.ndarray
# Numbers of a block of centred rows: it stays in a cache until it is multiplied.
_BLOCK = 1 << 16
# A mean of so many deviations costs three digits of sixteen.
_NEAR = 30
# Below this many multiplications ranges for threads cost more than they give.
_WORTH_RANGES = 200_000_000
# The linear algebra's own threads take twice as long as one for the square of a table with few
# columns, and are only asked to stay away from as many multiplications as these.
_NARROW, _ON_THREADS = 64, 2_000_000


def column_means(X: Array) -> Array:
    """The mean [D] of each column, summed in float64."""
    parts = ranges(len(X), X.shape[1])
    sums = each_range(lambda _, a, b: X[a:b].sum(axis=0, dtype=np.float64), parts)
    return (sum(sums) / len(X)).astype(X.dtype)


def moments(X: Array) -> tuple[Array, Array]:
    """The mean m [D] and the covariance Σ (x − m)·(x − m)ᵀ/(N − 1) [D, D].

    One pass: a mean g of some rows is taken off first, and Σ (x − g)·(x − g)ᵀ − N·(m − g)·(m − g)ᵀ
    loses no digits, as g is near m. g = 0 does as well if no mean is far from it.
    """
    samples, features = X.shape
    some = X[:: max(1, samples // 100)].astype(np.float64)
    guess = some.mean(axis=0).astype(X.dtype)
    if X.dtype == np.float64 and np.all(np.abs(guess) <= _NEAR * some.std(axis=0)):
        guess = np.zeros_like(guess)
    # Nothing is taken off a wide table, so that nothing is gained by blocks.
    rows = samples if features > 64 and not guess.any() else max(256, _BLOCK // features)
    # Wide products keep all threads busy by themselves.
    work = X.size * features
    whole = features > 256 or work < _WORTH_RANGES
    parts = [(0, samples)] if whole else ranges(samples, features * features)
    free = work < _ON_THREADS or (whole and features > _NARROW)
    with contextlib.nullcontext() if free else one_blas_thread():
        found = each_range(lambda _, a, b: _scatter(X, guess, a, b, rows), parts)
    move = sum(sums for sums, _ in found) / samples
    scatter = sum(squares for _, squares in found) - samples * move[:, None] * move
    return (guess + move).astype(X.dtype), (scatter / (samples - 1)).astype(X.dtype)


def sparse_moments(X: Any) -> tuple[Array, Array]:
    """`moments` of a sparse X, from X·Xᵀ, which stays sparse."""
    samples = X.shape[0]
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
    scatter = (X.T @ X).toarray().astype(np.float64) - samples * mean[:, None] * mean
    return mean.astype(X.dtype), (scatter / (samples - 1)).astype(X.dtype)


def centred_operator(X: Any, mean: Array) -> LinearOperator:
    """The products of X − mean and of its transpose with vectors, for a sparse X."""
    back = X.T
    return LinearOperator(
        shape=X.shape,
        dtype=X.dtype,
        matvec=lambda v: X @ v - mean @ v,
        matmat=lambda v: X @ v - mean @ v,
        rmatvec=lambda v: back @ v - mean * v.sum(),
        rmatmat=lambda v: back @ v - mean[:, None] * v.sum(axis=0),
    )


def _scatter(X: Array, guess: Array, first: int, last: int, rows: int) -> tuple[Array, Array]:
    """Σ (x − g) [D] and Σ (x − g)·(x − g)ᵀ [D, D], summed in float64 block by block."""
    sums = np.zeros(X.shape[1])
    squares = np.zeros((X.shape[1], X.shape[1]))
    plain = not guess.any()
    size = min(rows, last - first)
    buffer = np.empty((0 if plain else size, X.shape[1]), X.dtype)
    ones = np.ones(size, X.dtype)
    for start in range(first, last, rows):
        block = X[start : min(start + rows, last)]
        near = block if plain else minus(block, guess, out=buffer[: len(block)])
        sums += ones[: len(block)] @ near
        squares += near.T @ near
    return sums, squares


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

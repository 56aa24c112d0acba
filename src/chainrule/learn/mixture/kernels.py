"""Compiled loops of a mixture's two steps. X [N, D] is C-ordered; all arrays of one dtype.

The logarithms come with the row's largest value already taken off (top [N] holds it), so that the
exponentials that follow cannot overflow.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Compiled loops take their types from their arguments.
import numpy as np

from chainrule.learn.cluster.compiling import compiled, plain

# Rows whose differences from a mean stay in the cache.
BLOCK = 256


@compiled
def log_full(X, means, factors, constants, first, last, difference, whitened, out):
    """out[i, k] = constants[k] − |(x_i − μ_k)·L_k|²/2, with L_k Lᵀ_k the precision.

    factors [K, D, D]; constants [K] = log π_k + log det L_k − (D/2)·log 2π; difference and
    whitened [BLOCK, D] are scratch.
    """
    for start in range(first, last, BLOCK):
        rows = min(start + BLOCK, last) - start
        for k in range(means.shape[0]):
            for i in range(rows):
                for j in range(X.shape[1]):
                    difference[i, j] = X[start + i, j] - means[k, j]
            np.dot(difference[:rows], factors[k], whitened[:rows])
            for i in range(rows):
                square = X.dtype.type(0)
                for j in range(X.shape[1]):
                    square += whitened[i, j] * whitened[i, j]
                out[start + i, k] = constants[k] - square / 2


@compiled
def log_diagonal(X, means, scales, constants, first, last, out):
    """out[i, k] = constants[k] − Σ_j ((x_ij − μ_kj)·scales[k, j])²/2."""
    for i in range(first, last):
        for k in range(means.shape[0]):
            square = X.dtype.type(0)
            for j in range(X.shape[1]):
                d = (X[i, j] - means[k, j]) * scales[k, j]
                square += d * d
            out[i, k] = constants[k] - square / 2


@plain
def lower(logs, first, last, top):
    """Takes each row's largest value off and keeps it in top."""
    for i in range(first, last):
        most = logs[i, 0]
        for k in range(1, logs.shape[1]):
            most = max(most, logs[i, k])
        top[i] = most
        for k in range(logs.shape[1]):
            logs[i, k] -= most


@plain
def normalise(shares, first, last, top):
    """Divides the rows by their sums; top becomes the log-likelihood of each sample.

    Returns the sum of the log-likelihoods.
    """
    total = 0.0
    for i in range(first, last):
        mass = shares[i, 0]
        for k in range(1, shares.shape[1]):
            mass += shares[i, k]
        for k in range(shares.shape[1]):
            shares[i, k] /= mass
        top[i] += np.log(mass)
        total += top[i]
    return total


@compiled
def moments_full(X, shares, means, first, last, difference, weighted, product, mass, sums, squares):
    """Moments around the means: mass [K] += r, sums [K, D] += r·d, squares [K, D, D] += r·d·dᵀ."""
    for start in range(first, last, BLOCK):
        rows = min(start + BLOCK, last) - start
        for k in range(means.shape[0]):
            total = X.dtype.type(0)
            for i in range(rows):
                r = shares[start + i, k]
                total += r
                for j in range(X.shape[1]):
                    d = X[start + i, j] - means[k, j]
                    difference[i, j] = d
                    weighted[i, j] = r * d
                    sums[k, j] += r * d
            mass[k] += total
            np.dot(difference[:rows].T, weighted[:rows], product)
            for a in range(X.shape[1]):
                for b in range(X.shape[1]):
                    squares[k, a, b] += product[a, b]


@compiled
def moments_diagonal(X, shares, means, first, last, mass, sums, squares):
    """As `moments_full`, squares [K, D] += r·d² only."""
    for i in range(first, last):
        for k in range(means.shape[0]):
            r = shares[i, k]
            if r == 0:
                continue
            mass[k] += r
            for j in range(X.shape[1]):
                d = X[i, j] - means[k, j]
                sums[k, j] += r * d
                squares[k, j] += r * d * d

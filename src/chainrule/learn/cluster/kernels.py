"""Compiled loops of k-means. X [N, D] and centers [K, D] are C-ordered, of one dtype.

A first call pauses to compile: few functions, of loops only, and every one needed by few fits.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Compiled loops take their types from their arguments.
import numpy as np

from chainrule.learn.cluster.products import products
from chainrule.learn.compiling import SUMS, jit, part

# Rows whose products with all centers stay in the cache.
BLOCK = 256


@jit(fastmath=SUMS)
def assign(X, weights, doubled, norms, first, last, labels, table, least, best, add, sums, mass):
    """labels[i] = argmin over k of |c_k|² − 2·x·c_k for the rows first…last; how many changed.

    With `add` the rows are added to their clusters while they are in the cache: sums [K, D] += w·x,
    mass [K] += w. doubled [K, D] = −2·c_k; norms [K] = |c_k|². table [K, BLOCK], least and best
    [BLOCK] are scratch: a row of products a center, so that the search for the smallest goes
    through the samples side by side.
    """
    changed = 0
    for start in range(first, last, BLOCK):
        rows = min(BLOCK, last - start)
        products(doubled, X, start, rows, table)
        for i in range(rows):
            least[i] = table[0, i] + norms[0]
            best[i] = 0
        for k in range(1, norms.size):
            norm = norms[k]
            for i in range(rows):
                value = table[k, i] + norm
                nearer = value < least[i]
                least[i] = value if nearer else least[i]
                best[i] = np.int32(k) if nearer else best[i]
        for i in range(rows):
            changed += labels[start + i] != best[i]
            labels[start + i] = best[i]
        if add:
            for i in range(start, start + rows):
                k, w = labels[i], weights[i]
                mass[k] += w
                for j in range(X.shape[1]):
                    sums[k, j] += w * X[i, j]
    return changed


@jit(fastmath=SUMS)
def squared_distances(X, points, labels, first, last, out):
    """out[t, i] = |x_i − points[t + labels[i]]|² for the rows first…last and all t."""
    for t in range(out.shape[0]):
        for i in range(first, last):
            k = t + labels[i]
            total = out.dtype.type(0)
            for j in range(X.shape[1]):
                difference = X[i, j] - points[k, j]
                total += difference * difference
            out[t, i] = total


@jit(fastmath=SUMS)
def accumulate(X, weights, labels, first, last, sums, mass):
    """Adds the rows first…last to their clusters: sums [K, D] += w·x, mass [K] += w."""
    for i in range(first, last):
        k, w = labels[i], weights[i]
        mass[k] += w
        for j in range(X.shape[1]):
            sums[k, j] += w * X[i, j]


@part(fastmath=SUMS)
def distance(X, i, centers, k):
    """|x_i − c_k|."""
    total = X.dtype.type(0)
    for j in range(X.shape[1]):
        difference = X[i, j] - centers[k, j]
        total += difference * difference
    return np.sqrt(total)


@jit(fastmath=SUMS)
def bound(X, centers, halves, first, last, labels, upper, lower):
    """Elkan's first round for the rows first…last: labels, and bounds of the distances.

    halves [K, K]: half the distances between centers; upper [N] bounds the distance to the own
    center from above; lower [N, K] to every center from below.
    """
    for i in range(first, last):
        best = 0
        least = distance(X, i, centers, 0)
        lower[i, 0] = least
        for k in range(1, centers.shape[0]):
            # The triangle inequality: a center this far from the best one cannot be nearer.
            if least > halves[best, k]:
                d = distance(X, i, centers, k)
                lower[i, k] = d
                if d < least:
                    best, least = k, d
        labels[i] = best
        upper[i] = least


@jit(fastmath=SUMS)
def tighten(X, centers, halves, nearest, first, last, labels, upper, lower):
    """One of Elkan's later rounds; nearest [K]: half the distance to the nearest other center.

    Returns how many labels changed.
    """
    changed = 0
    for i in range(first, last):
        label, least = labels[i], upper[i]
        if least <= nearest[label]:
            continue
        exact = False
        for k in range(centers.shape[0]):
            if k == label or least <= lower[i, k] or least <= halves[label, k]:
                continue
            if not exact:
                least = distance(X, i, centers, label)
                lower[i, label] = least
                exact = True
                if least <= lower[i, k] or least <= halves[label, k]:
                    continue
            d = distance(X, i, centers, k)
            lower[i, k] = d
            if d < least:
                label, least = k, d
        changed += labels[i] != label
        labels[i] = label
        upper[i] = least
    return changed


@jit
def loosen(shift, first, last, labels, upper, lower):
    """After centers moved by shift [K]: the bounds that still hold."""
    for i in range(first, last):
        upper[i] += shift[labels[i]]
        for k in range(shift.size):
            lower[i, k] = max(lower[i, k] - shift[k], 0)


@jit(fastmath=SUMS)
def roots(X, norms, first, last, out):
    """Distances [N, K] from the products x·c that out holds: √(|x|² + |c|² − 2·x·c)."""
    for i in range(first, last):
        square = out.dtype.type(0)
        for j in range(X.shape[1]):
            square += X[i, j] * X[i, j]
        for k in range(norms.size):
            out[i, k] = np.sqrt(max(square + norms[k] - 2 * out[i, k], 0))

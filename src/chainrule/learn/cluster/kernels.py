"""Compiled loops of k-means. X [N, D] and centers [K, D] are C-ordered, of one dtype."""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Compiled loops take their types from their arguments.
import numpy as np

from chainrule.learn.cluster.compiling import compiled, part, plain

# Rows whose products with all centers stay in the cache.
BLOCK = 256


@part
def nearest(X, doubled, norms, start, stop, products, least, labels):
    """labels[start:stop] = argmin over k of |c_k|² − 2·x·c_k.

    products [K·BLOCK] and least [BLOCK] are scratch: a row of products a center, so that the
    search for the smallest goes through the samples side by side.
    """
    rows, clusters = stop - start, doubled.shape[0]
    table = products[: clusters * rows].reshape(clusters, rows)
    np.dot(doubled, X[start:stop].T, table)
    mine = labels[start:stop]
    for i in range(rows):
        least[i] = table[0, i] + norms[0]
        mine[i] = 0
    for k in range(1, clusters):
        norm = norms[k]
        for i in range(rows):
            value = table[k, i] + norm
            nearer = value < least[i]
            least[i] = value if nearer else least[i]
            mine[i] = np.int32(k) if nearer else mine[i]


@plain
def assign(X, doubled, norms, first, last, labels, products, least):
    """Labels of the rows first…last; doubled [K, D] = −2·c_k; norms [K] = |c_k|²."""
    for start in range(first, last, BLOCK):
        nearest(X, doubled, norms, start, min(start + BLOCK, last), products, least, labels)


@compiled
def move(X, weights, doubled, norms, first, last, labels, products, least, before, sums, mass):
    """As `assign`, and the rows are added to their clusters while they are in the cache.

    sums [K, D] += w·x and mass [K] += w. Returns how many labels changed; before [BLOCK] is
    scratch.
    """
    changed = 0
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        # A loop: a copy of slices would bring the texts of its errors to be compiled.
        for i in range(stop - start):
            before[i] = labels[start + i]
        nearest(X, doubled, norms, start, stop, products, least, labels)
        for i in range(stop - start):
            changed += labels[start + i] != before[i]
        accumulate(X, weights, labels, start, stop, sums, mass)
    return changed


@compiled
def accumulate(X, weights, labels, first, last, sums, mass):
    """Adds the rows first…last to their clusters: sums [K, D] += w·x, mass [K] += w."""
    for i in range(first, last):
        k, w = labels[i], weights[i]
        mass[k] += w
        for j in range(X.shape[1]):
            sums[k, j] += w * X[i, j]


@compiled
def squared_distances(X, centers, labels, first, last, out):
    """out[i] = |x_i − c_label|² for the rows first…last."""
    for i in range(first, last):
        k = labels[i]
        total = X.dtype.type(0)
        for j in range(X.shape[1]):
            difference = X[i, j] - centers[k, j]
            total += difference * difference
        out[i] = total


@compiled
def nearer(X, weights, points, closest, first, last, out):
    """out[t, i] = min(closest[i], |x_i − X[points[t]]|²) for the rows first…last.

    Returns Σ w·out of each t.
    """
    sums = np.zeros(points.size)
    for t in range(points.size):
        point = X[points[t]]
        potential = 0.0
        for i in range(first, last):
            total = X.dtype.type(0)
            for j in range(X.shape[1]):
                difference = X[i, j] - point[j]
                total += difference * difference
            total = min(closest[i], total)
            out[t, i] = total
            potential += weights[i] * total
        sums[t] = potential
    return sums


@plain
def draw(weights, closest, draws, found):
    """For each of the draws [T], in ascending order, the first row up to which Σ w·d² reaches it.

    found [T] holds the last row before.
    """
    total, t = 0.0, 0
    for i in range(weights.size):
        total += weights[i] * closest[i]
        while t < draws.size and total >= draws[t]:
            found[t] = i
            t += 1
        if t == draws.size:
            break


@compiled
def distance(X, i, centers, k):
    """|x_i − c_k|."""
    total = X.dtype.type(0)
    for j in range(X.shape[1]):
        difference = X[i, j] - centers[k, j]
        total += difference * difference
    return np.sqrt(total)


@compiled
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


@compiled
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


@plain
def loosen(shift, first, last, labels, upper, lower):
    """After centers moved by shift [K]: the bounds that still hold."""
    for i in range(first, last):
        upper[i] += shift[labels[i]]
        for k in range(shift.size):
            lower[i, k] = max(lower[i, k] - shift[k], 0)


@compiled
def all_distances(X, centers, norms, first, last, out):
    """out[i, k] = |x_i − c_k| for the rows first…last, from |x|² + |c|² − 2·x·c."""
    np.dot(X[first:last], centers.T, out[first:last])
    for i in range(first, last):
        square = X.dtype.type(0)
        for j in range(X.shape[1]):
            square += X[i, j] * X[i, j]
        for k in range(centers.shape[0]):
            out[i, k] = np.sqrt(max(square + norms[k] - 2 * out[i, k], 0))

"""k-means++: first centers far from each other, by draws (Arthur and Vassilvitskii, 2007)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight

from chainrule.base.text import t
from chainrule.learn.cluster import kernels
from chainrule.learn.cluster.sparse import dense, distances_to
from chainrule.learn.cluster.threads import each_range, ranges

Array = np.ndarray


def _nearer(X: Array, weights: Array, points: Array, closest: Array) -> tuple[Array, Array]:
    """Squared distances [T, N] to the nearest center if a point came, and their sums Σ w·d² [T]."""
    if issparse(X):
        table = np.minimum(distances_to(X, X[points].toarray()), closest)
        return table, table.astype(np.float64) @ weights
    places, labels = X[points], np.zeros(X.shape[0], np.int32)
    out = np.empty((points.size, X.shape[0]), X.dtype)

    def do(_: int, first: int, last: int) -> Array:
        kernels.squared_distances(X, places, labels, first, last, out)
        mine = out[:, first:last]
        np.minimum(mine, closest[first:last], out=mine)
        return mine @ weights[first:last]

    return out, sum(each_range(do, ranges(X.shape[0], points.size * X.shape[1])))


def canonical(X: Array, weights: Array) -> Array | None:
    """An order [N] of the rows that depends on their values alone; None if any order will do.

    Draws in this order make a row with weight 2 the same as a row that stands there twice. That
    can only matter with weights, or with rows that repeat.
    """
    direction = np.random.RandomState(0).standard_normal((X.shape[1],))
    place = X @ direction.astype(X.dtype)
    if np.ptp(weights) == 0:
        gaps = np.diff(np.sort(place))
        # Equal rows can differ by rounding; rows taken for equal by mistake do no harm.
        close = 1e3 * np.finfo(X.dtype).eps * float(np.max(np.abs(place), initial=1e-300))
        if not np.any(gaps <= close):
            return None
    return np.argsort(place)


def seed(
    X: Array, clusters: int, weights: Array, random: np.random.RandomState, trials: int | None
) -> Array:
    """Indices [clusters] of the rows that become centers.

    Each next center is drawn with probability in proportion to w·d², d the distance to the
    nearest center so far; of `trials` such draws (2 + ⌊ln K⌋ if None) the one is kept that
    leaves the least Σ w·d².
    """
    order = canonical(X, weights)
    if order is not None:
        kept = order[weights[order] > 0]
        return kept[_draw(X[kept], clusters, weights[kept], random, trials)]
    return _draw(X, clusters, weights, random, trials)


def _draw(
    X: Array, clusters: int, weights: Array, random: np.random.RandomState, trials: int | None
) -> Array:
    trials = trials or 2 + int(np.log(clusters))
    indices = np.empty(clusters, np.int64)
    indices[0] = random.choice(X.shape[0], p=weights / weights.sum())
    far = np.full(X.shape[0], np.inf, X.dtype)
    table, sums = _nearer(X, weights, indices[:1], far)
    closest, potential = table[0], sums[0]
    for k in range(1, clusters):
        reached = np.cumsum(weights * closest, dtype=np.float64)
        candidates = np.searchsorted(reached, random.uniform(size=trials) * potential)
        # The sums may differ in the last digits.
        np.minimum(candidates, len(weights) - 1, out=candidates)
        after, potentials = _nearer(X, weights, candidates, closest)
        best = int(np.argmin(potentials))
        indices[k], closest, potential = candidates[best], after[best], potentials[best]
    return indices


def kmeans_plusplus(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: Any = None,
    random_state: Any = None,
    n_local_trials: int | None = None,
) -> tuple[Array, Array]:
    """First centers by k-means++: the centers [K, D] and their indices [K] in X [N, D].

    Raises ValueError for fewer samples than clusters.
    """
    X = check_array(X, dtype=[np.float64, np.float32], order="C", accept_sparse="csr")
    weights = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    if X.shape[0] < n_clusters:
        raise ValueError(
            t("n_samples={samples} should be >= n_clusters={clusters}.",
              samples=X.shape[0], clusters=n_clusters)
        )  # fmt: skip
    indices = seed(X, n_clusters, weights, check_random_state(random_state), n_local_trials)
    return dense(X[indices]), indices

"""The nearest neighbours against scikit-learn's: the same indices, distances, votes."""

import numpy as np
import pytest

pytest.importorskip("numba")
reference = pytest.importorskip("sklearn.neighbors")

from chainrule.learn.neighbors import (  # noqa: E402
    KNeighborsClassifier,
    KNeighborsRegressor,
    base,
)


def data(dtype=np.float64, features=5):
    random = np.random.default_rng(0)
    x = random.normal(size=(700, features)).astype(dtype)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    return x, y, random.normal(size=(150, features)).astype(dtype)


METRICS = [
    dict(metric="euclidean"), dict(metric="manhattan"), dict(metric="chebyshev"),
    dict(metric="minkowski", p=3), dict(metric="minkowski", p=1.5),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "auto", "ball_tree"])
@pytest.mark.parametrize("params", METRICS, ids=str)
@pytest.mark.parametrize("few", [0, 16000])
def test_neighbours_are_scikit_learn_s(params, algorithm, dtype, few, monkeypatch):
    # Few numbers are scanned whatever the algorithm: without that, trees and products are seen.
    monkeypatch.setattr(base, "_FEW", few)
    x, y, queries = data(dtype)
    expected = reference.KNeighborsClassifier(7, algorithm="kd_tree", **params).fit(x, y)
    ours = KNeighborsClassifier(7, algorithm=algorithm, leaf_size=11, **params).fit(x, y)
    for queried in (queries, None):
        distances, indices = ours.kneighbors(queried)
        d, i = expected.kneighbors(queried)
        np.testing.assert_array_equal(indices, i)
        np.testing.assert_allclose(distances, d, rtol=1e-5)
    np.testing.assert_array_equal(ours.predict(queries), expected.predict(queries))


@pytest.mark.parametrize("metric", ["cosine", "precomputed", "canberra"])
def test_other_metrics_go_by_pairs(metric):
    x, y, queries = data()
    if metric == "precomputed":
        queries = ((queries[:, None] - x[None]) ** 2).sum(-1)
        x = ((x[:, None] - x[None]) ** 2).sum(-1)
    ours = KNeighborsRegressor(metric=metric, weights="distance").fit(x, y * 1.0)
    theirs = reference.KNeighborsRegressor(metric=metric, weights="distance").fit(x, y * 1.0)
    np.testing.assert_allclose(ours.predict(queries), theirs.predict(queries))


@pytest.mark.parametrize("weights", ["uniform", "distance", lambda d: np.exp(-d)])
def test_votes_means_and_graphs_are_scikit_learn_s(weights):
    x, y, queries = data()
    queries[:5] = x[:5]
    ours = KNeighborsClassifier(weights=weights).fit(x, y)
    theirs = reference.KNeighborsClassifier(weights=weights).fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(queries), theirs.predict_proba(queries))
    for mode in ("connectivity", "distance"):
        graphs = [e.kneighbors_graph(queries, mode=mode).toarray() for e in (ours, theirs)]
        np.testing.assert_allclose(*graphs, atol=1e-7)
    targets = np.stack([y, x[:, 0]], axis=1)
    means = [
        e(weights=weights).fit(x, targets).predict(queries)
        for e in (KNeighborsRegressor, reference.KNeighborsRegressor)
    ]
    np.testing.assert_allclose(*means)


@pytest.mark.parametrize("few", [0, 16000])
def test_far_from_the_origin_and_with_ties_the_order_is_exact(few, monkeypatch):
    monkeypatch.setattr(base, "_FEW", few)
    # Squared lengths of 1e12 leave no digit of such distances in products of float64.
    x = np.arange(40.0)[:, None] * 1e-3 + np.full((1, 3), 1e6)
    ours = KNeighborsClassifier(3, algorithm="brute").fit(x, np.arange(40) % 3)
    distances, indices = ours.kneighbors(x[20:21])
    np.testing.assert_allclose(distances[0], np.array([0, 1e-3, 1e-3]) * 3**0.5, rtol=1e-5)
    assert set(indices[0]) == {19, 20, 21}
    same = KNeighborsClassifier(4, algorithm="brute").fit(np.ones((9, 2)), np.arange(9) % 2)
    np.testing.assert_array_equal(same.kneighbors(np.ones((1, 2)))[1], [[0, 1, 2, 3]])

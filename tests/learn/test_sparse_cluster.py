"""Sparse tables: the same clusters and components as of the dense ones, and as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("sklearn")

import scipy.sparse as sp  # noqa: E402
from sklearn import cluster, decomposition  # noqa: E402

from chainrule import learn  # noqa: E402


def table(dtype: Any = np.float64) -> sp.csr_array:
    """Three clouds [600, 30] on different columns, four of five entries zero."""
    random = np.random.default_rng(0)
    X = sp.random_array((600, 30), density=0.2, rng=random, format="csr")
    return sp.csr_array(X + 3 * np.repeat(np.eye(3, 30), 200, axis=0)).astype(dtype)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
def test_kmeans(form: Any, algorithm: str) -> None:
    X = table()
    ours = learn.KMeans(3, algorithm=algorithm, random_state=0).fit(form(X))
    dense = learn.KMeans(3, random_state=0).fit(X.toarray())
    theirs = cluster.KMeans(3, n_init=3, random_state=0).fit(X)
    assert ours.inertia_ == pytest.approx(theirs.inertia_) == pytest.approx(dense.inertia_)
    assert (ours.predict(form(X)) == ours.labels_).all()
    np.testing.assert_allclose(ours.transform(form(X)), ours.transform(X.toarray()), atol=1e-9)
    assert ours.score(form(X)) == pytest.approx(-ours.inertia_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_weights_and_starts(dtype: Any, init: str) -> None:
    X, weights = table(dtype), np.arange(600) % 3
    options: dict[str, Any] = {"n_clusters": 3, "init": init, "n_init": 3, "random_state": 1}
    found = learn.KMeans(**options).fit(X, sample_weight=weights)
    repeated = learn.KMeans(**options).fit(X[np.repeat(np.arange(600), weights)])
    assert found.inertia_ == pytest.approx(repeated.inertia_, rel=1e-4)
    assert found.cluster_centers_.dtype == dtype


def test_more_clusters_than_different_rows() -> None:
    X = sp.csr_array(np.repeat(np.eye(2, 4), 5, axis=0))
    with pytest.warns(UserWarning, match="distinct clusters"):
        found = learn.KMeans(3, random_state=0).fit(X)
    assert found.inertia_ == 0


def test_minibatches() -> None:
    X = table()
    found = learn.MiniBatchKMeans(3, tol=1e-3, random_state=0).fit(X)
    best = learn.KMeans(3, random_state=0).fit(X)
    assert found.inertia_ < 1.02 * best.inertia_
    once = learn.MiniBatchKMeans(3, random_state=0).partial_fit(X)
    dense = learn.MiniBatchKMeans(3, random_state=0).partial_fit(X.toarray())
    np.testing.assert_allclose(once.cluster_centers_, dense.cluster_centers_)


@pytest.mark.parametrize("rows", [600, 100])
@pytest.mark.parametrize("solver", ["auto", "arpack", "covariance_eigh", "eigen"])
@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix])
def test_pca(form: Any, solver: str, rows: int) -> None:
    X = table()[:rows]
    theirs = decomposition.PCA(5, svd_solver="full").fit(X.toarray())
    ours = learn.PCA(5, svd_solver=solver, random_state=0).fit(form(X))
    for name in ("mean_", "components_", "explained_variance_", "explained_variance_ratio_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9)
    assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_)
    np.testing.assert_allclose(ours.transform(form(X)), theirs.transform(X.toarray()), atol=1e-9)
    assert learn.PCA(svd_solver="arpack").fit(X).n_components_ == 29


def test_pca_names_the_solvers_for_sparse_tables() -> None:
    with pytest.raises(TypeError, match="'arpack', 'eigen', 'covariance_eigh' only, not 'full'"):
        learn.PCA(svd_solver="full").fit(table())


def test_incremental_pca() -> None:
    X = table()
    ours, theirs = (
        room.IncrementalPCA(4, batch_size=100).fit(X) for room in (learn, decomposition)
    )
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-9)
    with pytest.raises(TypeError, match="takes no sparse X"):
        ours.partial_fit(X)


def test_a_trace_of_a_sparse_fit_shows_its_working() -> None:
    X = table()
    for made in (learn.KMeans(3, random_state=0), learn.PCA(3), learn.IncrementalPCA(3)):
        checked = made.fit(X, trace=True).working().verify()
        assert checked and checked.right > 0

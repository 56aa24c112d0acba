"""Fits beside scikit-learn's: equal where both make the same draws or the optimum is unique."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.cluster  # noqa: E402
import sklearn.decomposition  # noqa: E402
import sklearn.manifold  # noqa: E402
import sklearn.mixture  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine  # noqa: E402
from sklearn.manifold import trustworthiness  # noqa: E402

from chainrule.learn import cluster, decomposition, manifold, mixture  # noqa: E402
from chainrule.learn.base import InterruptedFitWarning  # noqa: E402
from chainrule.learn.manifold import affinities  # noqa: E402
from chainrule.learn.manifold.descent import BarnesHut, Exact  # noqa: E402

TABLES = {
    "iris": load_iris().data,
    "wine": load_wine().data,
    "cancer": load_breast_cancer().data,
    "digits": load_digits().data[:600],
}


@pytest.fixture(params=TABLES)
def X(request):
    return TABLES[request.param]


@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
def test_kmeans_from_the_same_centers(X, algorithm):
    options = {"init": X[::40][:3], "n_init": 1, "algorithm": algorithm}
    ours = cluster.KMeans(3, **options).fit(X)
    theirs = sklearn.cluster.KMeans(3, **options).fit(X)
    assert ours.inertia_ == pytest.approx(theirs.inertia_, rel=1e-9)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), rtol=1e-5, atol=1e-5)


def test_kmeans_inertia_from_many_starts(X):
    ours = cluster.KMeans(4, n_init=10, random_state=0).fit(X).inertia_
    assert ours <= sklearn.cluster.KMeans(4, n_init=10, random_state=0).fit(X).inertia_ * 1.02


def test_an_empty_cluster_moves_to_the_farthest_sample():
    X = np.array([[0.0], [1.0], [10.0], [11.0], [50.0]])
    init = np.array([[0.0], [10.0], [1000.0]])
    ours = cluster.KMeans(3, init=init, n_init=1).fit(X)
    theirs = sklearn.cluster.KMeans(3, init=init, n_init=1).fit(X)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_)


def test_batches_reach_the_inertia_of_all_samples(X):
    whole = cluster.KMeans(3, n_init=5, random_state=0).fit(X).inertia_
    options = {"n_init": 5, "random_state": 0, "batch_size": 256}
    assert cluster.MiniBatchKMeans(3, **options).fit(X).inertia_ < 1.2 * whole


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures_have_the_same_likelihood(kind):
    for name in ("iris", "wine"):
        X = TABLES[name]
        options = {"covariance_type": kind, "init_params": "random", "random_state": 0}
        ours = mixture.GaussianMixture(3, **options).fit(X)
        theirs = sklearn.mixture.GaussianMixture(3, **options).fit(X)
        assert ours.lower_bound_ == pytest.approx(theirs.lower_bound_, rel=1e-8)
        assert ours.bic(X) == pytest.approx(theirs.bic(X), rel=1e-6)
        assert ours.aic(X) == pytest.approx(theirs.aic(X), rel=1e-6)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
        np.testing.assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures_keep_digits_far_from_the_origin(kind):
    random = np.random.RandomState(0)
    X = np.vstack([random.standard_normal((200, 3)) * [1, 2, 3] + far for far in (0, 50)])
    start = np.array([[0.0] * 3, [50.0] * 3])
    near = mixture.GaussianMixture(2, covariance_type=kind, means_init=start).fit(X)
    far = mixture.GaussianMixture(2, covariance_type=kind, means_init=start + 1e7).fit(X + 1e7)
    np.testing.assert_allclose(far.covariances_, near.covariances_, rtol=1e-6, atol=1e-6)
    assert far.lower_bound_ == pytest.approx(near.lower_bound_, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_clusters_of_many_samples(dtype):
    # More samples than a block and more than one thread's range, in both dtypes.
    X = np.random.RandomState(0).standard_normal((3001, 7)).astype(dtype)
    model = cluster.KMeans(40, random_state=0, max_iter=5).fit(X)
    distances = ((X[:, None].astype(float) - model.cluster_centers_[None]) ** 2).sum(axis=2)
    mine = distances[np.arange(len(X)), model.labels_]
    np.testing.assert_allclose(mine, distances.min(axis=1), rtol=1e-4)
    assert model.inertia_ == pytest.approx(mine.sum(), rel=1e-4)
    np.testing.assert_allclose(model.transform(X), np.sqrt(distances), rtol=1e-3)


def test_a_mixture_goes_on_where_it_ended():
    X = TABLES["iris"]
    model = mixture.GaussianMixture(3, random_state=0, warm_start=True, max_iter=3, tol=1e-9)
    with pytest.warns(UserWarning, match="did not converge"):
        first = model.fit(X).lower_bound_
        assert model.fit(X).lower_bound_ > first


@pytest.mark.parametrize("solver", ["eigen", "svd", "auto", "arpack", "randomized"])
def test_components_and_variances(X, solver):
    names = {"eigen": "covariance_eigh", "svd": "full"}
    ours = decomposition.PCA(3, svd_solver=solver, random_state=0).fit(X)
    theirs = sklearn.decomposition.PCA(3, svd_solver=names.get(solver, solver), random_state=0).fit(
        X
    )
    tolerance = 1e-2 if ours._solver(X) == "randomized" else 1e-6
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=tolerance)
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=tolerance)
    assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_, rel=tolerance)
    assert ours.score(X) == pytest.approx(theirs.score(X), rel=tolerance)


@pytest.mark.parametrize("solver", ["auto", "svd", "eigen", "randomized"])
def test_one_sample_has_a_place_and_no_variance(solver):
    X = np.array([[1.0, 2.0, 4.0]])
    model = decomposition.PCA(1, svd_solver=solver).fit(X)
    assert np.isnan(model.explained_variance_).all()
    assert np.isnan(model.explained_variance_ratio_).all()
    np.testing.assert_allclose(model.transform(X), [[0.0]], atol=1e-12)


@pytest.mark.parametrize("wanted", [0.9, "mle", None])
def test_how_many_components(X, wanted):
    if X.shape[1] == 64:
        X = X[:, X.std(axis=0) > 0]
    ours = decomposition.PCA(wanted).fit(X)
    assert ours.n_components_ == sklearn.decomposition.PCA(wanted).fit(X).n_components_


def test_components_keep_digits_far_from_the_origin():
    X = np.random.RandomState(0).standard_normal((500, 3)) * [1.0, 1e-3, 1e-3] + 1e6
    exact = np.linalg.eigvalsh(np.cov((X - X.mean(axis=0)).T))[::-1]
    found = decomposition.PCA(svd_solver="eigen").fit(X).explained_variance_
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_batches_give_the_same_components(X):
    options = {"n_components": 3, "batch_size": 50, "whiten": True}
    ours = decomposition.IncrementalPCA(**options).fit(X)
    theirs = sklearn.decomposition.IncrementalPCA(**options).fit(X)
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-6)
    np.testing.assert_allclose(ours.transform(X), theirs.transform(X), atol=1e-5)
    assert ours.noise_variance_ == pytest.approx(theirs.noise_variance_, rel=1e-6)


@pytest.mark.parametrize("method", ["exact", "barnes_hut"])
def test_maps_are_as_trustworthy(method):
    X = TABLES["iris"]
    options = {"method": method, "random_state": 0, "max_iter": 500}
    ours = manifold.TSNE(**options).fit(X)
    theirs = sklearn.manifold.TSNE(**options).fit(X)
    assert ours.kl_divergence_ < theirs.kl_divergence_ * 1.1
    assert trustworthiness(X, ours.embedding_) > trustworthiness(X, theirs.embedding_) - 0.005


@pytest.mark.parametrize("dims", [2, 3])
def test_the_trees_forces_are_the_sums_over_all_pairs(dims):
    X = TABLES["wine"]
    shares = affinities.joint_sparse(*affinities.neighbours(X, 60, "euclidean", None), 20.0)
    points = np.random.RandomState(0).standard_normal((len(X), dims)) * 10
    freedom = float(max(dims - 1, 1))
    exact = Exact(shares.toarray(), freedom)(points, 1.0, True)
    for angle, tolerance in ((0.0, 1e-9), (0.5, 0.05)):
        close = BarnesHut(shares, freedom, angle, dims)(points, 1.0, True)
        np.testing.assert_allclose(close.pull, exact.pull, rtol=1e-7, atol=1e-12)
        assert close.mass == pytest.approx(exact.mass, rel=tolerance)
        assert close.divergence == pytest.approx(exact.divergence, rel=tolerance)
        scale = np.abs(exact.push).max()
        np.testing.assert_allclose(close.push, exact.push, atol=tolerance * scale)


def test_points_in_one_place_do_not_stop_the_tree():
    points = np.zeros((40, 2))
    shares = affinities.joint_sparse(
        *affinities.neighbours(np.random.rand(40, 3), 20, "euclidean", None), 5.0
    )
    assert np.isfinite(BarnesHut(shares, 1.0, 0.5, 2)(points, 1.0, True).divergence)


def test_perplexity_is_what_was_asked_for():
    squares = affinities.neighbours(TABLES["wine"], 90, "euclidean", None)[1]
    rows, _ = affinities.conditional(squares, 30.0)
    entropy = -np.sum(rows * np.log(np.maximum(rows, 1e-300)), axis=1)
    np.testing.assert_allclose(np.exp(entropy), 30.0, rtol=1e-4)


def test_interrupted_fits_keep_what_they_have(monkeypatch):
    def stop(self, *args):
        raise KeyboardInterrupt

    X = TABLES["iris"]
    model = cluster.KMeans(3, n_init=2, random_state=0)
    calls = []
    real = cluster.kmeans.lloyd

    def second_start_is_stopped(*args):
        calls.append(1)
        return real(*args) if len(calls) == 1 else stop(None)

    monkeypatch.setattr(cluster.kmeans, "lloyd", second_start_is_stopped)
    with pytest.warns(InterruptedFitWarning):
        model.fit(X)
    assert model.predict(X).shape == (150,)

"""The support vector machines against scikit-learn's: objectives, scores, attributes."""

import numpy as np
import pytest

pytest.importorskip("numba")
reference = pytest.importorskip("sklearn.svm")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402

from chainrule.learn.svm import SVC, SVR, newton, solver  # noqa: E402

KERNELS = [
    dict(kernel="linear"), dict(kernel="rbf", C=10.0), dict(kernel="poly", degree=2, coef0=1.0),
    dict(kernel="sigmoid", gamma=0.01),
]  # fmt: skip


def matrix(params, x):
    kernel, gamma = params["kernel"], params.get("gamma", 1 / (x.shape[1] * x.var()))
    if kernel == "rbf":
        return np.exp(-gamma * ((x[:, None] - x[None]) ** 2).sum(-1))
    base = x @ x.T
    if kernel == "linear":
        return base
    base = gamma * base + params.get("coef0", 0.0)
    return base ** params["degree"] if kernel == "poly" else np.tanh(base)


def dual(estimator, K, y, epsilon=0.0):
    u = np.zeros(len(y))
    u[estimator.support_] = estimator.dual_coef_[0]
    return y @ u - epsilon * np.abs(u).sum() - 0.5 * u @ K @ u


@pytest.mark.parametrize("params", KERNELS, ids=lambda p: p["kernel"])
def test_the_dual_objective_of_classification_is_scikit_learn_s(params):
    x, y = load_breast_cancer(return_X_y=True)
    x, sign = scale(x), np.where(y > 0, 1.0, -1.0)
    K = matrix(params, x)
    # Two tolerances: at libsvm's own, and close to the optimum, where both must agree.
    for tol, error in ((1e-3, 1e-4), (1e-6, 1e-6)):
        ours = dual(SVC(tol=tol, **params).fit(x, y), K, sign)
        theirs = dual(reference.SVC(tol=tol, **params).fit(x, y), K, sign)
        np.testing.assert_allclose(ours, theirs, rtol=error)


@pytest.mark.parametrize("params", KERNELS[:3], ids=lambda p: p["kernel"])
def test_the_dual_objective_of_regression_is_scikit_learn_s(params):
    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x), scale(y)
    K = matrix(params, x)
    ours = dual(SVR(tol=1e-5, **params).fit(x, y), K, y, 0.1)
    theirs = dual(reference.SVR(tol=1e-5, **params).fit(x, y), K, y, 0.1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_working_sets_and_shrinking_reach_the_optimum_of_the_whole(monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 6))
    y = (x[:, 0] + x[:, 1] ** 2 + random.normal(size=1500) > 1).astype(int)
    whole = SVC(tol=1e-5, C=10).fit(x, y)
    monkeypatch.setattr(solver, "WHOLE", 0)
    monkeypatch.setattr(solver, "WORKING_SET", 128)
    parts = SVC(tol=1e-5, C=10).fit(x, y)
    # A cache of 240 rows makes them again and again, and samples are left out on the way.
    shrunk = SVC(tol=1e-5, C=10, cache_size=1.5).fit(x, y)
    unshrunk = SVC(tol=1e-5, C=10, cache_size=1.5, shrinking=False).fit(x, y)
    expected = whole.decision_function(x)
    for estimator in (parts, shrunk, unshrunk):
        np.testing.assert_allclose(estimator.decision_function(x), expected, atol=2e-4)


def test_attributes_and_decisions_of_many_classes_are_scikit_learn_s():
    x, y = load_iris(return_X_y=True)
    for shape in ("ovo", "ovr"):
        ours = SVC(tol=1e-9, decision_function_shape=shape, class_weight="balanced").fit(x, y)
        theirs = reference.SVC(
            tol=1e-9, decision_function_shape=shape, class_weight="balanced"
        ).fit(x, y)  # fmt: skip
        np.testing.assert_allclose(
            ours.decision_function(x), theirs.decision_function(x), atol=1e-4
        )
    np.testing.assert_array_equal(ours.support_, theirs.support_)
    np.testing.assert_array_equal(ours.n_support_, theirs.n_support_)
    np.testing.assert_allclose(ours.dual_coef_, theirs.dual_coef_, atol=1e-4)
    linear = SVC(kernel="linear", tol=1e-9).fit(x, y).coef_
    expected = reference.SVC(kernel="linear", tol=1e-9).fit(x, y).coef_
    np.testing.assert_allclose(linear, expected, atol=1e-4)


def test_a_callable_kernel_and_its_matrix_give_the_same():
    x, y = load_wine(return_X_y=True)
    x = scale(x)
    own = SVC(kernel=lambda a, b: (a @ b.T + 1.0) ** 2).fit(x, y)
    given = SVC(kernel="precomputed").fit((x @ x.T + 1.0) ** 2, y)
    np.testing.assert_allclose(own.dual_coef_, given.dual_coef_)
    np.testing.assert_array_equal(own.predict(x), given.predict((x @ x.T + 1.0) ** 2))


@pytest.mark.filterwarnings("ignore:.*probability:FutureWarning")
def test_probabilities_are_near_scikit_learn_s():
    x, y = load_wine(return_X_y=True)
    x = scale(x)
    ours = SVC(probability=True, random_state=0).fit(x, y).predict_proba(x)
    theirs = reference.SVC(probability=True, random_state=0).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(ours.sum(axis=1), 1.0)
    # The folds are drawn differently.
    assert np.abs(ours - theirs).mean() < 0.03


def test_five_fold_scores_are_not_below_scikit_learn_s():
    for load in (load_iris, load_wine, load_breast_cancer):
        x, y = load(return_X_y=True)
        x = scale(x)
        ours, theirs = (cross_val_score(e, x, y, cv=5) for e in (SVC(), reference.SVC()))
        assert ours.mean() >= theirs.mean() - theirs.std() / 5**0.5


def test_free_multipliers_go_to_their_optimum_and_not_past_a_bound():
    random = np.random.default_rng(3)
    A = random.normal(size=(9, 6))
    K, slope = A.T @ A, random.normal(size=6)
    for balanced in (False, True):
        for width in (100.0, 0.05):
            x, low, high = np.zeros(6), np.full(6, -width), np.full(6, width)
            newton.settle(K, slope.copy(), x, low, high, False, balanced)
            assert (np.abs(x) <= width).all() and 0.5 * x @ K @ x + slope @ x < 0
            assert not balanced or abs(x.sum()) < 1e-12
            if width == 100.0:
                rest = K @ x + slope
                np.testing.assert_allclose(rest, rest.mean() if balanced else 0.0, atol=1e-4)
    # An ε‖x‖₁ bends at 0: no x changes its sign.
    x = np.full(6, 0.01)
    newton.settle(K, np.full(6, 50.0), x, np.full(6, -9.0), np.full(6, 9.0), True, False)
    assert (x >= 0).all() and (x == 0).any()

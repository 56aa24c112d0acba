"""LinearSVC and LinearSVR against scikit-learn's: objectives, attributes, errors, working."""

import warnings

import numpy as np
import pytest

pytest.importorskip("numba")
reference = pytest.importorskip("sklearn.svm")

from scipy.sparse import csr_array  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule.learn import LinearSVC, LinearSVR  # noqa: E402
from chainrule.learn.svm import smoothing, straight  # noqa: E402

TIGHT = {"tol": 1e-7, "max_iter": 100000}
CLASSIFICATIONS = [
    {},
    {"dual": True, "C": 0.01},
    {"loss": "hinge", "C": 0.1},
    {"penalty": "l1", "C": 0.1},
    {"C": 10.0, "class_weight": "balanced"},
    {"fit_intercept": False},
    {"intercept_scaling": 3.0, "C": 0.1},
]
REGRESSIONS = [
    {"C": 0.1},
    {"epsilon": 0.2, "C": 0.1},
    {"loss": "squared_epsilon_insensitive", "epsilon": 0.1},
    {"loss": "squared_epsilon_insensitive", "epsilon": 0.1, "dual": True, "C": 0.01},
]


def objective(model, x, y, weight, epsilon=None):
    w, b = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    f = x @ w + b
    lack = np.maximum(1 - y * f, 0) if epsilon is None else np.maximum(np.abs(f - y) - epsilon, 0)
    w = np.append(w, b / model.intercept_scaling)
    size = np.abs(w).sum() if getattr(model, "penalty", "l2") == "l1" else 0.5 * w @ w
    return size + model.C * weight @ (lack**2 if model.loss.startswith("squared") else lack)


@pytest.mark.parametrize("options", CLASSIFICATIONS, ids=str)
def test_the_objective_of_classification_is_scikit_learn_s(options):
    x, y = load_breast_cancer(return_X_y=True)
    x, sign = scale(x), np.where(y > 0, 1.0, -1.0)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    total = weight.copy()
    if "class_weight" in options:
        total *= (weight.sum() / (2 * np.bincount(y, weight)))[y]
    mine = LinearSVC(**TIGHT, **options).fit(x, y, sample_weight=weight)
    other = reference.LinearSVC(**TIGHT, **options).fit(x, y, sample_weight=weight)
    found, wanted = (objective(model, x, sign, total) for model in (mine, other))
    assert found <= wanted * (1 + 1e-6)
    assert mine.coef_.shape == other.coef_.shape
    assert np.shape(mine.intercept_) == np.shape(other.intercept_)
    np.testing.assert_allclose(
        mine.decision_function(x), other.decision_function(x), atol=0.02, rtol=0.01
    )
    rows = LinearSVC(**TIGHT, **options).fit(csr_array(x), y, sample_weight=weight)
    assert objective(rows, x, sign, total) <= wanted * (1 + 1e-6)


@pytest.mark.parametrize("options", REGRESSIONS, ids=str)
def test_the_objective_of_regression_is_scikit_learn_s(options):
    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x), scale(y)
    ones, epsilon = np.ones(len(y)), options.get("epsilon", 0.0)
    mine = LinearSVR(**TIGHT, **options).fit(x, y)
    other = reference.LinearSVR(**TIGHT, **options).fit(x, y)
    found, wanted = (objective(model, x, y, ones, epsilon) for model in (mine, other))
    assert found <= wanted * (1 + 1e-6)
    assert mine.coef_.shape == other.coef_.shape
    assert np.shape(mine.intercept_) == np.shape(other.intercept_)
    rows = LinearSVR(**TIGHT, **options).fit(csr_array(x), y)
    assert objective(rows, x, y, ones, epsilon) <= wanted * (1 + 1e-6)


def test_few_samples_get_the_exact_optimum():
    random = np.random.default_rng(1)
    x = random.normal(size=(40, 3))
    y = (x[:, 0] + 0.5 * random.normal(size=40) > 0).astype(int)
    for options in ({}, {"loss": "hinge"}, {"dual": True}):
        once = LinearSVC(**options, max_iter=50000).fit(np.repeat(x, 3, axis=0), np.repeat(y, 3))
        weighted = LinearSVC(**options, max_iter=50000).fit(x, y, sample_weight=np.full(40, 3.0))
        np.testing.assert_allclose(once.coef_, weighted.coef_, rtol=1e-7)


def test_many_weights_go_by_products(monkeypatch):
    random = np.random.default_rng(2)
    x = random.normal(size=(300, 12))
    y = (x[:, 0] + x[:, 1] > 0.3).astype(int)
    for options in ({}, {"penalty": "l1", "C": 0.1}):
        whole = LinearSVC(**TIGHT, **options).fit(x, y)
        monkeypatch.setattr(straight, "_MOST_WEIGHTS", 5)
        monkeypatch.setattr(straight, "_MOST_WEIGHTS_L1", 5)
        parts = LinearSVC(**TIGHT, **options).fit(x, y)
        np.testing.assert_allclose(parts.coef_, whole.coef_, atol=1e-5)


def test_many_classes_and_scores():
    for load in (load_iris, load_wine):
        x, y = load(return_X_y=True)
        x = scale(x)
        mine, other = LinearSVC(**TIGHT).fit(x, y), reference.LinearSVC(**TIGHT).fit(x, y)
        np.testing.assert_allclose(mine.coef_, other.coef_, atol=1e-4)
        np.testing.assert_array_equal(mine.predict(x), other.predict(x))
        a, b = (cross_val_score(m, x, y) for m in (LinearSVC(), reference.LinearSVC()))
        assert a.mean() >= b.mean() - b.std() / 5**0.5


def test_draws_repeat_and_few_passes_warn():
    x, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning):
        first = LinearSVC(loss="hinge", max_iter=5, random_state=3).fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = LinearSVC(loss="hinge", max_iter=5, random_state=3).fit(x, y)
    assert np.array_equal(first.coef_, again.coef_) and first.n_iter_ == 5


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": "l1", "loss": "hinge"},
        {"loss": "hinge", "dual": False},
        {"penalty": "l1", "dual": True},
        {"multi_class": "crammer_singer"},
    ],
    ids=str,
)
def test_what_has_no_way_is_refused(options):
    x, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="not supported"):
        LinearSVC(**options).fit(x, y)


@pytest.mark.parametrize("options", [{}, {"loss": "hinge"}, {"penalty": "l1"}, {"dual": True}])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_number_of_a_classification_is_worked_out_again(options):
    x, y = load_iris(return_X_y=True)
    for rows, labels in ((x[:, :2], y), (csr_array(x), y > 0), (scale(x), y > 1)):
        working = cr.explain(LinearSVC(**options).fit(rows, labels, trace=True))
        checked = working.verify()
        assert checked and checked.right > 1, str(checked)
        assert working.to_text(language="en") != working.to_text(language="zh")
    assert "<svg" in cr.explain(LinearSVC(**options).fit(x[:, :2], y, trace=True)).to_html()


@pytest.mark.parametrize("options", REGRESSIONS, ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_number_of_a_regression_is_worked_out_again(options):
    x, y = load_diabetes(return_X_y=True)
    x, y = scale(x), scale(y)
    for rows in (x[:60], x[:, 2:3], csr_array(x)):
        working = cr.explain(LinearSVR(**options).fit(rows, y[: rows.shape[0]], trace=True))
        checked = working.verify()
        assert checked and checked.right > 1, str(checked)


@pytest.mark.parametrize("epsilon", [None, 0.0, 0.2])
def test_newton_s_steps_from_far_away_end_near_the_optimum(epsilon):
    random = np.random.default_rng(4)
    x = random.normal(size=(1000, 12))
    y = x @ random.normal(size=12) + random.normal(size=1000)
    y = np.sign(y) if epsilon is None else y
    C = random.uniform(0.5, 2.0, 1000)
    line = straight.Line(x, 1.0, y, C, epsilon, squared=False)
    low, high = (-C, C) if epsilon is not None else (np.minimum(C * y, 0), np.maximum(C * y, 0))
    assert smoothing.worthwhile(line)
    beta, steps = smoothing.approach(line, low, high, 100, lambda: False, None)
    best = straight.by_dual(line, 1e-7, 100000, 0, lambda: False, None)
    assert best.converged and line.primal(best.w) - line.dual(best.beta) < 1e-5
    assert np.all((low <= beta) & (beta <= high)) and 0 < steps < 100
    assert line.dual(best.beta) * (1 - 1e-3) < line.dual(beta) <= line.dual(best.beta) + 1e-9
    assert not smoothing.approach(line, low, high, 0, lambda: False, None)[0].any()


@pytest.mark.parametrize("weights", [1, 20])
def test_a_near_start_gives_the_optimum_of_passes_alone(weights, monkeypatch):
    random = np.random.default_rng(5)
    x = random.normal(size=(12000 // weights, weights))
    y = np.sign(x[:, 0] + random.normal(size=len(x)))
    # Columns of another scale and a value far out.
    x[:, 0] *= 30
    x[0] *= 1e4
    line = straight.Line(x, 1.0, y, np.ones(len(y)), None, squared=False)
    near = straight.by_dual(line, 1e-6, 200000, 0, lambda: False, None)
    monkeypatch.setattr(straight, "worthwhile", lambda line: False)
    far = straight.by_dual(line, 1e-6, 200000, 0, lambda: False, None)
    assert near.rounds < far.rounds and near.converged
    assert line.dual(near.beta) == pytest.approx(line.dual(far.beta), rel=1e-6)

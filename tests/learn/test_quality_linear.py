"""Linear models give scikit-learn's parameters where the optimum is unique."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import linear_model as theirs
from sklearn import preprocessing as their_scalers
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from chainrule.learn import linear as ours
from chainrule.learn import preprocessing as scalers
from chainrule.learn.linear import base as linear_base

X, Y = load_diabetes(return_X_y=True)
WEIGHT = np.random.default_rng(0).uniform(0.2, 3.0, len(X))
TIGHT = {"tol": 1e-10, "max_iter": 100000}
REGRESSIONS = [
    ("LinearRegression", {}),
    ("LinearRegression", {"fit_intercept": False}),
    ("LinearRegression", {"positive": True}),
    ("Ridge", {"alpha": 0.1}),
    ("Ridge", {"alpha": 0.1, "solver": "svd"}),
    ("Ridge", {"alpha": 0.1, "solver": "lsqr", "tol": 1e-12}),
    ("Ridge", {"alpha": 0.1, "solver": "sparse_cg", "tol": 1e-12}),
    ("Ridge", {"alpha": 0.1, "positive": True, "tol": 1e-10}),
    ("Lasso", {"alpha": 0.05, **TIGHT}),
    ("Lasso", {"alpha": 0.05, "positive": True, **TIGHT}),
    ("ElasticNet", {"alpha": 0.01, "l1_ratio": 0.3, **TIGHT}),
    ("ElasticNet", {"alpha": 0.01, "selection": "random", "random_state": 0, **TIGHT}),
]
CLASSIFICATIONS = [
    {"solver": "lbfgs"},
    {"solver": "newton-cholesky"},
    {"solver": "newton-cg"},
    {"solver": "lbfgs", "C": 0.01, "class_weight": "balanced"},
    {"solver": "lbfgs", "fit_intercept": False},
    {"solver": "newton-cholesky", "class_weight": {0: 2.0}},
]


def both(name, options):
    return getattr(ours, name)(**options), getattr(theirs, name)(**options)


def close(mine, other, tolerance=1e-6):
    scale = np.max(np.abs(other.coef_)) or 1.0
    assert np.max(np.abs(mine.coef_ - other.coef_)) <= tolerance * scale
    assert np.allclose(mine.intercept_, other.intercept_, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "options"), REGRESSIONS, ids=str)
def test_regressions_have_scikit_learns_coefficients(name, options, weight):
    mine, other = both(name, options)
    # scikit-learn's own minimiser ends earlier there
    near = 1e-5 if name == "Ridge" and options.get("positive") else 1e-6
    close(mine.fit(X, Y, weight), other.fit(X, Y, weight), near)
    assert np.allclose(mine.predict(X), other.predict(X), rtol=near * 10)
    two = np.stack([Y, Y[::-1]], axis=1)
    close(mine.fit(X, two, weight), other.fit(X, two, weight), near)
    assert mine.coef_.shape == other.coef_.shape


@pytest.mark.parametrize("wide", [False, True], ids=["tall", "wide"])
@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "ElasticNet"])
def test_sparse_data_and_wide_data(name, wide):
    random = np.random.default_rng(1)
    data = sp.random(30 if wide else 200, 60, 0.2, format="csr", random_state=1)
    y = random.normal(size=data.shape[0]) + 3.0
    options = {} if name == "LinearRegression" else {"alpha": 0.01, "tol": 1e-10}
    if name in ("Lasso", "ElasticNet"):
        options["max_iter"] = 100000
    for weight in (None, random.uniform(0.5, 2.0, len(y))):
        mine, dense = (getattr(ours, name)(**options) for _ in range(2))
        mine.fit(data, y, weight)
        dense.fit(data.toarray(), y, weight)
        other = getattr(theirs, name)(**options).fit(data.toarray(), y, weight)
        close(dense, other, 1e-5)
        close(mine, other, 1e-5)
        assert np.allclose(mine.predict(data), dense.predict(data.toarray()), atol=1e-4)


def test_badly_conditioned_columns_are_solved_as_accurately():
    random = np.random.default_rng(2)
    A = random.normal(size=(300, 6))
    for spread in (1e3, 1e4, 1e6):
        bad = A.copy()
        bad[:, 5] = bad[:, 4] + bad[:, 5] / spread
        y = bad @ np.arange(1.0, 7.0) + 1e4
        mine, other = both("LinearRegression", {"tol": 1e-12})
        mine.fit(bad, y)
        other.fit(bad, y)
        truth = np.arange(1.0, 7.0)
        error = np.max(np.abs(mine.coef_ - truth))
        assert error <= 10 * np.max(np.abs(other.coef_ - truth)) + 1e-9 * spread
    constant = np.c_[A, np.ones(300)]
    mine, other = both("LinearRegression", {})
    close(mine.fit(constant, A[:, 0]), other.fit(constant, A[:, 0]))
    assert mine.rank_ == other.rank_ == 6
    assert np.allclose(mine.singular_, other.singular_)


@pytest.mark.parametrize("options", CLASSIFICATIONS, ids=str)
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer], ids=["iris", "cancer"])
def test_classifications_have_scikit_learns_coefficients(load, options):
    data, y = load(return_X_y=True)
    data = their_scalers.StandardScaler().fit_transform(data)
    tight = {"tol": 1e-10, "max_iter": 20000, **options}
    mine, other = both("LogisticRegression", tight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's line search near the limit of precision
        other.fit(data, y)
        mine.fit(data, y)
    close(mine, other, 1e-5)
    assert np.allclose(mine.predict_proba(data), other.predict_proba(data), atol=1e-5)
    assert np.array_equal(mine.predict(data), other.predict(data))


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "saga", "l1_ratio": 1.0, "C": 0.1},
        {"solver": "saga", "l1_ratio": 0.5, "C": 0.1},
        {"solver": "liblinear", "l1_ratio": 1.0, "C": 0.1},
        {"solver": "liblinear", "C": 0.1},
        {"solver": "liblinear", "C": 0.1, "intercept_scaling": 3.0},
    ],
    ids=str,
)
def test_penalties_that_make_zeros(options):
    data, y = load_breast_cancer(return_X_y=True)
    data = their_scalers.StandardScaler().fit_transform(data)[:, :12]
    mine, other = both("LogisticRegression", {"tol": 1e-8, "max_iter": 5000, **options})
    mine.fit(data, y)
    other.fit(data, y)
    close(mine, other, 1e-3)
    assert np.array_equal(mine.coef_ == 0, np.abs(other.coef_) < 1e-7)
    rows = sp.csr_matrix(data)
    close(ours.LogisticRegression(**mine.get_params()).fit(rows, y), mine, 1e-5)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_digits, load_breast_cancer])
def test_scores_are_scikit_learns_or_better(load):
    data, y = (part[:700] for part in load(return_X_y=True))
    mine, other = both("LogisticRegression", {"max_iter": 200})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        a = cross_val_score(make_pipeline(scalers.StandardScaler(), mine), data, y)
        b = cross_val_score(make_pipeline(their_scalers.StandardScaler(), other), data, y)
    assert a.mean() >= b.mean() - b.std() / np.sqrt(5)


def test_estimators_live_in_a_grid_search():
    pipe = make_pipeline(
        scalers.PolynomialFeatures(include_bias=False), scalers.StandardScaler(), ours.Ridge()
    )
    grid = {"polynomialfeatures__degree": [1, 2], "ridge__alpha": [1.0, 100.0]}
    mine = GridSearchCV(pipe, grid, cv=3).fit(X, Y)
    pipe = make_pipeline(
        their_scalers.PolynomialFeatures(include_bias=False),
        their_scalers.StandardScaler(),
        theirs.Ridge(),
    )
    other = GridSearchCV(pipe, grid, cv=3).fit(X, Y)
    assert mine.best_params_ == other.best_params_
    assert np.isclose(mine.best_score_, other.best_score_)


def test_interrupting_keeps_what_was_found(monkeypatch):
    from chainrule.learn.base import InterruptedFitWarning
    from chainrule.learn.linear.cross_entropy import CrossEntropy

    plain, calls = CrossEntropy.value, [0]

    def value(self, W, b):
        calls[0] += 1
        if calls[0] == 20:
            raise KeyboardInterrupt
        return plain(self, W, b)

    monkeypatch.setattr(CrossEntropy, "value", value)
    data, y = load_iris(return_X_y=True)
    data = data - data.mean(axis=0)
    model = ours.LogisticRegression(solver="gradient_descent", max_iter=1000)
    with pytest.warns(InterruptedFitWarning):
        model.fit(data, y)
    assert model.n_iter_[0] == 19 and model.score(data, y) > 0.6


def test_many_rows_are_shared_among_threads(monkeypatch):
    random = np.random.default_rng(5)
    x = random.normal(size=(3000, 40)) + 3.0
    y = x[:, :4].sum(axis=1) + random.normal(size=3000)
    weight = random.uniform(0.5, 2.0, 3000)
    for name in ("_WORTH_BLOCKS", "_WORTH_SHARING"):
        monkeypatch.setattr(linear_base, name, 0)
    for targets in (y, np.stack([y, -2.0 * y], axis=1)):
        mine, other = both("LinearRegression", {})
        close(mine.fit(x, targets, weight), other.fit(x, targets, weight), 1e-9)
        assert np.allclose(mine.predict(x), other.predict(x))
    x[2999, 7] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        mine.predict(x)

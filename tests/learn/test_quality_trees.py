"""Scores and trees against scikit-learn's."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.ensemble  # noqa: E402
import sklearn.tree  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402

from chainrule import learn  # noqa: E402

CLASSIFIERS = [
    ("DecisionTreeClassifier", {"random_state": 0}),
    ("RandomForestClassifier", {"n_estimators": 50, "random_state": 0}),
    ("BaggingClassifier", {"n_estimators": 20, "random_state": 0}),
    ("AdaBoostClassifier", {"random_state": 0}),
    ("GradientBoostingClassifier", {"n_estimators": 30, "random_state": 0}),
    ("HistGradientBoostingClassifier", {"max_iter": 30}),
]
REGRESSORS = [
    ("DecisionTreeRegressor", {"max_depth": 4, "random_state": 0}),
    ("RandomForestRegressor", {"n_estimators": 50, "random_state": 0}),
    ("AdaBoostRegressor", {"random_state": 0}),
    ("GradientBoostingRegressor", {"n_estimators": 50, "random_state": 0}),
    ("GradientBoostingRegressor", {"n_estimators": 50, "loss": "huber", "random_state": 0}),
    ("HistGradientBoostingRegressor", {"max_iter": 50}),
]


def theirs(name):
    return getattr(sklearn.tree, name, None) or getattr(sklearn.ensemble, name)


def compare(name, options, X, y):
    ours = cross_val_score(getattr(learn, name)(**options), X, y, cv=5)
    other = cross_val_score(theirs(name)(**options), X, y, cv=5)
    error = max(other.std() / np.sqrt(5), ours.std() / np.sqrt(5))
    assert ours.mean() >= other.mean() - error, (ours.mean(), other.mean(), error)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize(("name", "options"), CLASSIFIERS, ids=[c[0] for c in CLASSIFIERS])
def test_classifiers_score_no_worse(name, options, load):
    compare(name, options, *load(return_X_y=True))


@pytest.mark.parametrize(("name", "options"), REGRESSORS, ids=lambda v: str(v)[:40])
def test_regressors_score_no_worse(name, options):
    compare(name, options, *load_diabetes(return_X_y=True))


@pytest.mark.parametrize("leaves", [{"max_leaf_nodes": 8}, {"min_samples_leaf": 7}])
@pytest.mark.parametrize("criterion", ["squared_error", "poisson"])
def test_a_regression_tree_with_one_best_split_each_is_scikit_learns(criterion, leaves):
    X, y = load_diabetes(return_X_y=True)
    options = {"criterion": criterion, "random_state": 0, **leaves}
    ours = learn.DecisionTreeRegressor(**options).fit(X, y).tree_
    other = sklearn.tree.DecisionTreeRegressor(**options).fit(X, y).tree_
    assert ours.node_count == other.node_count
    np.testing.assert_allclose(ours.predict(X.astype(np.float32)), other.predict(X.astype("f4")))


def test_the_pruning_path_is_scikit_learns():
    X, y = load_diabetes(return_X_y=True)
    options = {"min_samples_leaf": 7, "random_state": 0}
    ours = learn.DecisionTreeRegressor(**options).cost_complexity_pruning_path(X, y)
    other = sklearn.tree.DecisionTreeRegressor(**options).cost_complexity_pruning_path(X, y)
    np.testing.assert_allclose(ours.ccp_alphas, other.ccp_alphas, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.impurities, other.impurities)
    pruned = learn.DecisionTreeRegressor(**options, ccp_alpha=float(ours.ccp_alphas[-3])).fit(X, y)
    other = sklearn.tree.DecisionTreeRegressor(**options, ccp_alpha=float(ours.ccp_alphas[-3]))
    assert pruned.get_n_leaves() == other.fit(X, y).get_n_leaves()


def test_missing_values_and_categories_are_used():
    rng = np.random.default_rng(0)
    X = np.c_[rng.integers(0, 20, 600), rng.random(600)]
    y = rng.normal(size=20)[X[:, 0].astype(int)] + X[:, 1]
    boost = learn.HistGradientBoostingRegressor(categorical_features=[0], min_samples_leaf=5)
    assert boost.fit(X, y).score(X, y) > 0.98
    gone = rng.random(600) < 0.3
    target = gone.astype(int)
    X[gone, 1] = np.nan
    for one in (learn.DecisionTreeClassifier(max_depth=1), learn.RandomForestClassifier(5)):
        assert one.fit(X[:, 1:], target).score(X[:, 1:], target) == 1.0

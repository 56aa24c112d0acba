"""Forests and boosting that go on growing, and bags that balance their own classes."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.ensemble  # noqa: E402
from scipy.sparse import csc_matrix, csr_matrix  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes  # noqa: E402
from sklearn.metrics import balanced_accuracy_score  # noqa: E402

from chainrule import learn  # noqa: E402

MODELS = [
    learn.RandomForestRegressor(random_state=0),
    learn.RandomForestClassifier(random_state=0, max_samples=0.5),
    learn.ExtraTreesClassifier(random_state=0),
    learn.GradientBoostingRegressor(random_state=0, subsample=0.7, max_features=0.5),
    learn.GradientBoostingRegressor(random_state=0, n_iter_no_change=50, loss="huber"),
    learn.GradientBoostingClassifier(random_state=0),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_a_warm_start_ends_where_one_fit_ends(model):
    load = load_breast_cancer if "Classifier" in type(model).__name__ else load_diabetes
    X, y = load(return_X_y=True)
    kind, options = type(model), {**model.get_params(), "n_estimators": 12}
    once = kind(**options).fit(X, y)
    twice = kind(**{**options, "n_estimators": 5, "warm_start": True}).fit(X, y)
    twice.set_params(n_estimators=12).fit(X, y)
    answer = "predict_proba" if "Classifier" in kind.__name__ else "predict"
    np.testing.assert_allclose(getattr(twice, answer)(X), getattr(once, answer)(X), rtol=1e-9)
    if hasattr(once, "train_score_"):
        np.testing.assert_allclose(twice.train_score_, once.train_score_)
        assert twice.n_estimators_ == 12
    else:
        assert len(twice.estimators_) == len(twice.estimators_samples_) == 12
    with pytest.raises(ValueError, match="n_estimators=3 must be larger"):
        twice.set_params(n_estimators=3).fit(X, y)


def test_a_forest_that_shall_not_grow_says_so():
    X, y = load_diabetes(return_X_y=True)
    forest = learn.RandomForestRegressor(3, warm_start=True).fit(X, y)
    with pytest.warns(UserWarning, match="does not fit new trees"):
        forest.fit(X, y)


def test_each_bag_balances_its_classes():
    X, y = load_breast_cancer(return_X_y=True)
    rare = np.flatnonzero(y == 0)[:30]
    rows = np.r_[rare, np.flatnonzero(y == 1)]
    X, y = X[rows], y[rows]
    options = {"n_estimators": 40, "max_depth": 2, "random_state": 0}
    options["class_weight"] = "balanced_subsample"
    forest = learn.RandomForestClassifier(**options).fit(X, y)
    for tree in forest.estimators_:
        np.testing.assert_allclose(tree.tree_.value[0, 0], 0.5)
    other = sklearn.ensemble.RandomForestClassifier(**options).fit(X, y)
    shares = forest.predict_proba(X)[:, 1], other.predict_proba(X)[:, 1]
    assert np.abs(shares[0] - shares[1]).mean() < 0.03
    score = [balanced_accuracy_score(y, m.predict(X)) for m in (forest, other)]
    assert score[0] > score[1] - 0.02


SPARSE = [
    learn.DecisionTreeClassifier(),
    learn.RandomForestClassifier(5, random_state=0),
    learn.ExtraTreesClassifier(5, random_state=0),
    learn.GradientBoostingClassifier(n_estimators=5),
    learn.AdaBoostClassifier(n_estimators=5),
    learn.AdaBoostClassifier(learn.DecisionTreeClassifier(max_depth=2), n_estimators=5),
]


@pytest.mark.parametrize("model", SPARSE, ids=lambda m: type(m).__name__)
def test_a_sparse_table_is_the_same_table(model):
    X, y = load_breast_cancer(return_X_y=True)
    X[np.less(X, np.median(X, axis=0))] = 0.0
    full = model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(model.fit(csr_matrix(X), y).predict_proba(csc_matrix(X)), full)

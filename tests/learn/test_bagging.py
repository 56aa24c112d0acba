"""Bagging: ties between columns, both ways to fit trees, warm starts, sparse tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy.sparse import csc_matrix, csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from chainrule.learn import (
    BaggingClassifier,
    BaggingRegressor,
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    HistGradientBoostingRegressor,
)


class OtherClassifier(DecisionTreeClassifier):
    """Fitted on copies of the rows drawn, as any other estimator is."""


class OtherRegressor(DecisionTreeRegressor):
    """As `OtherClassifier`."""


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 5))
    return X, X[:, 0] * X[:, 1] + X[:, 2]


def test_equal_columns_are_all_split_on() -> None:
    """Four copies of one column: where the lowest always wins, the trees err together."""
    X, y = data()
    X = np.repeat(X[:, :1], 4, axis=1)
    bag = BaggingClassifier(n_estimators=40, random_state=0).fit(X, y > 0)
    first = {int(one.tree_.feature[0]) for one in bag.estimators_}
    assert first == {0, 1, 2, 3}


def test_trees_with_weights_are_the_trees_of_copies() -> None:
    X, y = data()
    codes = np.digitize(y, [-1.0, 0.5])
    for kind, other, answers in (
        (BaggingClassifier, OtherClassifier(), codes),
        (BaggingClassifier, OtherClassifier(max_depth=3, criterion="entropy"), codes > 0),
        (BaggingRegressor, OtherRegressor(max_leaf_nodes=9), y),
    ):
        plain = type(other).__mro__[1](**other.get_params())
        bags = [
            kind(one, n_estimators=7, oob_score=True, random_state=3).fit(X, answers)
            for one in (plain, other)
        ]
        act = "predict_proba" if kind is BaggingClassifier else "predict"
        ours, theirs = (getattr(bag, act)(X) for bag in bags)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
        assert bags[0].oob_score_ == pytest.approx(bags[1].oob_score_)
        # Each member answers for itself.
        alone = np.mean([getattr(one, act)(X) for one in bags[0].estimators_], axis=0)
        np.testing.assert_allclose(ours, alone, atol=1e-12)


def test_values_too_large_for_trees_are_refused() -> None:
    X, y = data()
    bag = BaggingRegressor(random_state=0).fit(X, y)
    X[3, 2] = 1e300
    with pytest.raises(ValueError, match="too large"):
        bag.predict(X)
    with pytest.raises(ValueError, match="too large"):
        BaggingRegressor(random_state=0).fit(X, y)


def test_a_warm_start_ends_where_one_fit_ends() -> None:
    X, y = data()
    for base in (None, OtherRegressor(max_depth=3)):
        once = BaggingRegressor(base, 9, random_state=2).fit(X, y)
        twice = BaggingRegressor(base, 4, random_state=2, warm_start=True).fit(X, y)
        first = twice.estimators_[0]
        twice.set_params(n_estimators=9).fit(X, y)
        assert twice.estimators_[0] is first
        np.testing.assert_allclose(twice.predict(X), once.predict(X))
        for ours, theirs in zip(twice.estimators_samples_, once.estimators_samples_):
            np.testing.assert_array_equal(ours, theirs)
        with pytest.warns(UserWarning, match="does not fit new trees"):
            twice.fit(X, y)
        with pytest.raises(ValueError, match="n_estimators=3 must be larger"):
            twice.set_params(n_estimators=3).fit(X, y)
    with pytest.raises(ValueError, match="only available if warm_start=False"):
        BaggingRegressor(warm_start=True, oob_score=True).fit(X, y)


def test_plain_trees_and_other_learners_stand_side_by_side() -> None:
    X, y = data()
    bag = BaggingClassifier(n_estimators=3, random_state=0, warm_start=True).fit(X, y > 0)
    bag.set_params(n_estimators=5, estimator=OtherClassifier(max_depth=2)).fit(X, y > 0)
    bag.set_params(n_estimators=6, estimator=None).fit(X, y > 0)
    members = zip(bag.estimators_, bag.estimators_features_)
    alone = np.mean([one.predict_proba(X[:, seen]) for one, seen in members], axis=0)
    np.testing.assert_allclose(bag.predict_proba(X), alone)


@pytest.mark.parametrize("form", [csr_matrix, csc_matrix])
def test_a_sparse_table_is_the_same_table(form: Any) -> None:
    X, y = data()
    X[np.abs(X) < 0.7] = 0.0
    options: dict[str, Any] = {"n_estimators": 5, "random_state": 1, "oob_score": True}
    for base, more in (
        (None, {}),
        (None, {"max_features": 0.6, "max_samples": 0.5}),
        (LogisticRegression(), {"bootstrap_features": True}),
    ):
        bag = BaggingClassifier(base, **options, **more).fit(form(X), y > 0)
        full = BaggingClassifier(base, **options, **more).fit(X, y > 0)
        np.testing.assert_allclose(bag.predict_proba(form(X)), full.predict_proba(X), atol=1e-9)
        assert bag.oob_score_ == pytest.approx(full.oob_score_)
    bag = BaggingRegressor(**options).fit(form(X), y)
    np.testing.assert_allclose(bag.predict(X), BaggingRegressor(**options).fit(X, y).predict(X))


def test_a_learner_that_takes_no_sparse_table_says_so() -> None:
    X, y = data()
    bag = BaggingRegressor(HistGradientBoostingRegressor(max_iter=1))
    assert not get_tags(bag).input_tags.sparse
    with pytest.raises(TypeError, match="Sparse data was passed"):
        bag.fit(csr_matrix(X), y)


def test_more_than_there_is_cannot_be_drawn() -> None:
    X, y = data()
    with pytest.raises(ValueError, match="must be <= n_samples=200 to be able to sample"):
        BaggingRegressor(max_samples=201, bootstrap=False).fit(X, y)
    with pytest.raises(ValueError, match="max_features must be <= n_features"):
        BaggingRegressor(max_features=6).fit(X, y)


def test_a_draw_counts_whole_weights_as_copies() -> None:
    """Weights 0, 1, 2 give the rows that a table with 0, 1, 2 copies gives."""
    X, y = data()
    weight = np.random.default_rng(1).integers(0, 3, len(X))
    copies = np.repeat(np.arange(len(X)), weight)
    options: dict[str, Any] = {"n_estimators": 3, "random_state": 4}
    ours = BaggingRegressor(**options).fit(X, y, sample_weight=weight)
    theirs = BaggingRegressor(**options).fit(X[copies], y[copies])
    for one, other in zip(ours.estimators_samples_, theirs.estimators_samples_):
        np.testing.assert_array_equal(one, copies[other])
    even = BaggingRegressor(**options).fit(X, y)
    ones = BaggingRegressor(**options).fit(X, y, sample_weight=np.full(len(X), 0.5))
    for one, other in zip(even.estimators_samples_, ones.estimators_samples_):
        np.testing.assert_array_equal(one, other)

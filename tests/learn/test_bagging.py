"""Bagging of trees: ties between columns are broken anew in each tree, and both ways agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from chainrule.learn import (
    BaggingClassifier,
    BaggingRegressor,
    DecisionTreeClassifier,
    DecisionTreeRegressor,
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

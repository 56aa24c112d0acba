"""Numbers of values: they order as the values do, and cuts lie between values of the table."""

import numpy as np
import pytest

from chainrule.learn import DecisionTreeClassifier, DecisionTreeRegressor
from chainrule.learn.trees.ranking import rank


def numbers(ranking):
    high = ranking.high if len(ranking.high) else np.zeros_like(ranking.low)
    return ranking.low.astype(np.int64) | high.astype(np.int64) << 16


@pytest.mark.parametrize("rows", [1, 7, 3000, 70_000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_are_the_places_among_the_distinct_values(rows, order):
    random = np.random.default_rng(rows)
    X = random.normal(size=(rows, 4))
    X[:, 1] = np.round(X[:, 1])
    X[:, 2] = -0.0
    X[::2, 2] = 0.0
    X[random.random(rows) < 0.1, 3] = np.nan
    ranking = rank(np.asarray(X, order=order), threads=2)
    for column, got in zip(X.astype(np.float32).T, numbers(ranking), strict=True):
        known = ~np.isnan(column)
        _, places = np.unique(column[known], return_inverse=True)
        assert (got[known] == places).all()
        assert (got[~known] == ranking.missing).all()
    assert len(ranking.high) == (4 if rows == 70_000 else 0)


def test_many_rows_of_few_values_need_no_more_bits():
    X = np.arange(70_000.0)[:, None] % 9
    assert len(rank(X).high) == 0


def test_more_values_than_16_bits_are_told_apart():
    X = np.random.default_rng(0).permutation(np.arange(70_000.0))[:, None]
    y = (X[:, 0] >= 68_001).astype(int)
    tree = DecisionTreeClassifier().fit(X, y).tree_
    assert tree.node_count == 3
    assert tree.threshold[0] == 68_000.5


def test_the_given_table_is_neither_changed_nor_needed_later():
    X = np.random.default_rng(1).normal(size=(200, 3))
    X[3, 1] = -0.0
    X.flags.writeable = False
    y = X[:, 0] * X[:, 1]
    fitted = DecisionTreeRegressor(random_state=0).fit(X, y, trace=True)
    assert fitted.trace_[0].dtype == np.float32
    assert not np.shares_memory(fitted.trace_[1], y)
    assert np.allclose(fitted.predict(X), y)


@pytest.mark.parametrize("large", [1e39, -1e300])
def test_numbers_too_large_for_float32_are_refused(large):
    X = np.zeros((5000, 2))
    X[4999, 1] = large
    with pytest.raises(ValueError, match="too large for dtype\\('float32'\\)"):
        DecisionTreeRegressor().fit(X, np.arange(5000.0))

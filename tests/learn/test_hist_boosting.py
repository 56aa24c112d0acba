"""Histogram boosting against scikit-learn's: the same cuts, trees and predictions."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.ensemble  # noqa: E402

from chainrule import learn  # noqa: E402


def table(rows=3000, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5))
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] + rng.normal(size=rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X, y


def both(kind, X, y, weight=None, **options):
    """The two fitted estimators."""
    options = {"max_iter": 20, "early_stopping": False, "random_state": 0, **options}
    name = f"HistGradientBoosting{kind}"
    return tuple(getattr(m, name)(**options).fit(X, y, weight) for m in (learn, sklearn.ensemble))


# 2295 and 2805 rows divide into 255 bins or nearly so: ties between quantiles are left to rounding.
@pytest.mark.parametrize("rows", [2295, 2805, 3000])
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.4])
def test_classes_with_missing_values_have_the_same_probabilities(rows, missing):
    X, y = table(rows, missing)
    ours, other = both("Classifier", X, y > 0)
    np.testing.assert_allclose(ours.predict_proba(X), other.predict_proba(X), atol=1e-7)


def test_weights_count_where_cuts_are_placed():
    X, y = table(missing=0.1)
    weight = np.random.default_rng(1).random(len(y)) + 0.01
    ours, other = both("Regressor", X, y, weight)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), atol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_monotonic_features_have_the_same_predictions(missing):
    X, y = table(missing=missing)
    signs = [1, -1, 0, 1, 0]
    ours, other = both("Regressor", X, y, monotonic_cst=signs)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), atol=1e-6)
    line = np.zeros((200, 5))
    for f in (0, 1, 3):
        line[:] = 0.3
        line[:, f] = np.linspace(-3, 3, 200)
        assert (signs[f] * np.diff(ours.predict(line)) >= 0).all()


def test_monotonic_constraints_refuse_what_has_no_order():
    X, y = table(100)
    X[:, 0] = X[:, 0] > 0
    boost = learn.HistGradientBoostingRegressor(monotonic_cst=[1, 0, 0, 0, 0])
    with pytest.raises(ValueError, match="Categorical features"):
        boost.set_params(categorical_features=[0]).fit(X, y)
    with pytest.raises(ValueError, match="multiclass"):
        learn.HistGradientBoostingClassifier(monotonic_cst=[1, 0, 0, 0, 0]).fit(
            X, np.arange(100) % 3
        )


@pytest.mark.parametrize(
    "groups", ["no_interactions", "pairwise", [{0, 1}], [{0, 1}, {1, 2, 3}], [[0, 1, 2], [3], [4]]]
)
def test_interaction_groups_have_the_same_predictions(groups):
    X, y = table()
    ours, other = both("Regressor", X, y, interaction_cst=groups)
    np.testing.assert_allclose(ours.predict(X), other.predict(X), atol=1e-6)
    free = both("Regressor", X, y)[0]
    assert np.abs(free.predict(X) - ours.predict(X)).max() > 0.01


@pytest.mark.parametrize("groups", [[3], [{0, 5}], [{-1}]])
def test_groups_of_no_features_are_refused(groups):
    with pytest.raises(ValueError, match="Interaction constraints must"):
        learn.HistGradientBoostingRegressor(interaction_cst=groups).fit(*table(100))


@pytest.mark.parametrize("stop", [False, True])
def test_a_warm_start_goes_on_where_the_fit_ended(stop):
    X, y = table(600)
    options = {"max_iter": 12, "early_stopping": stop, "n_iter_no_change": 50, "random_state": 3}
    once = learn.HistGradientBoostingRegressor(**options).fit(X, y)
    twice = learn.HistGradientBoostingRegressor(**{**options, "max_iter": 5}, warm_start=True)
    twice.fit(X, y).set_params(max_iter=12).fit(X, y)
    assert twice.n_iter_ == 12
    np.testing.assert_allclose(twice.predict(X), once.predict(X), rtol=1e-9)
    np.testing.assert_allclose(twice.validation_score_, once.validation_score_)
    with pytest.raises(ValueError, match="max_iter=3"):
        twice.set_params(max_iter=3).fit(X, y)

"""Where gradient boosting begins and ends, beside scikit-learn: `init`, scores, early stopping."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn.ensemble  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.neighbors import KNeighborsRegressor  # noqa: E402

from chainrule import learn  # noqa: E402

CLASSIFIER, REGRESSOR = "GradientBoostingClassifier", "GradientBoostingRegressor"
# One best split in each node, so that both libraries grow the same trees.
FEW = {"n_estimators": 6, "max_leaf_nodes": 4, "min_samples_leaf": 9, "random_state": 0}
STARTS = [
    (REGRESSOR, load_diabetes, {"init": LinearRegression()}),
    (REGRESSOR, load_diabetes, {"init": "zero"}),
    (CLASSIFIER, load_breast_cancer, {"init": LogisticRegression(max_iter=5000)}),
    (CLASSIFIER, load_breast_cancer, {"init": "zero", "loss": "exponential"}),
    (CLASSIFIER, load_iris, {"init": LogisticRegression(max_iter=500)}),
    (CLASSIFIER, load_iris, {"init": "zero"}),
]


@pytest.mark.parametrize(
    ("name", "load", "options"), STARTS, ids=lambda v: getattr(v, "__name__", str(v)[:30])
)
def test_boosting_begins_where_scikit_learns_does(name, load, options):
    X, y = load(return_X_y=True)
    ours, other = (
        getattr(module, name)(**FEW, **options).fit(X, y) for module in (learn, sklearn.ensemble)
    )
    np.testing.assert_allclose(ours.train_score_, other.train_score_, rtol=1e-3)
    act = "predict" if name == REGRESSOR else "decision_function"
    mine, theirs = getattr(ours, act)(X), getattr(other, act)(X)
    assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.999
    assert np.abs(mine - theirs).mean() < 0.02 * np.abs(theirs).mean()
    *_, last = getattr(ours, f"staged_{act}" if name == REGRESSOR else "_staged_raw")(X)
    np.testing.assert_allclose(last if name == REGRESSOR else np.squeeze(last.T), mine)


def test_the_start_is_a_copy_and_gets_the_weights():
    X, y = load_diabetes(return_X_y=True)
    first = LinearRegression()
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    ours = learn.GradientBoostingRegressor(init=first, **FEW).fit(X, y, weight)
    assert not hasattr(first, "coef_")
    np.testing.assert_allclose(ours.init_.coef_, LinearRegression().fit(X, y, weight).coef_, 1e-3)
    without = learn.GradientBoostingRegressor(init=KNeighborsRegressor(), **FEW).fit(X, y)
    with pytest.raises(ValueError, match="KNeighborsRegressor does not support sample weights"):
        without.fit(X, y, weight)


@pytest.mark.parametrize("tolerance", [1e-4, 60.0])
@pytest.mark.parametrize("reach", [1, 3])
def test_stopping_early_ends_in_scikit_learns_round(tolerance, reach):
    X, y = load_diabetes(return_X_y=True)
    options = {**FEW, "n_estimators": 80, "n_iter_no_change": reach, "learning_rate": 0.3}
    ours, other = (
        kind(**options, tol=tolerance).fit(X, y)
        for kind in (learn.GradientBoostingRegressor, sklearn.ensemble.GradientBoostingRegressor)
    )
    assert ours.n_estimators_ == other.n_estimators_ < 80
    np.testing.assert_allclose(ours.train_score_, other.train_score_, rtol=1e-3)


def test_scores_out_of_the_bag():
    X, y = load_diabetes(return_X_y=True)
    options = {**FEW, "n_estimators": 30, "subsample": 0.5}
    ours = learn.GradientBoostingRegressor(**options).fit(X, y)
    other = sklearn.ensemble.GradientBoostingRegressor(**options).fit(X, y)
    assert ours.oob_scores_.shape == ours.oob_improvement_.shape == (30,)
    assert ours.oob_score_ == ours.oob_scores_[-1] == pytest.approx(other.oob_score_, rel=0.25)

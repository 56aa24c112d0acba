"""scikit-learn's own checks of estimators, on every tree and ensemble, with no expected failure."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule import learn  # noqa: E402

ESTIMATORS = [
    learn.DecisionTreeClassifier(random_state=0),
    learn.DecisionTreeRegressor(random_state=0),
    learn.RandomForestClassifier(n_estimators=5, random_state=0),
    learn.RandomForestRegressor(n_estimators=5, random_state=0),
    learn.ExtraTreesClassifier(n_estimators=5, random_state=0),
    learn.GradientBoostingClassifier(n_estimators=5, random_state=0),
    learn.GradientBoostingRegressor(n_estimators=5, random_state=0),
    learn.AdaBoostClassifier(n_estimators=5, random_state=0),
    learn.AdaBoostRegressor(n_estimators=5, random_state=0),
    learn.BaggingClassifier(n_estimators=5, random_state=0),
    learn.BaggingRegressor(n_estimators=5, random_state=0),
    learn.HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=1, random_state=0),
    learn.HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=1, random_state=0),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)

"""scikit-learn's own checks of an estimator, for the nearest neighbours."""

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("numba")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule.learn.neighbors import KNeighborsClassifier, KNeighborsRegressor  # noqa: E402


@parametrize_with_checks(
    [
        KNeighborsClassifier(),
        KNeighborsRegressor(),
        KNeighborsClassifier(algorithm="brute", weights="distance"),
        KNeighborsRegressor(algorithm="brute", p=1),
    ]
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)

"""scikit-learn's own checks of an estimator, for the support vector machines."""

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("numba")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule.learn.svm import SVC, SVR  # noqa: E402


@parametrize_with_checks([SVC(), SVR(), SVC(kernel="linear"), SVC(kernel="precomputed")])
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)

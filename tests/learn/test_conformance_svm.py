"""scikit-learn's own checks of an estimator, for the support vector machines."""

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("numba")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule.learn.svm import SVC, SVR, LinearSVC, LinearSVR  # noqa: E402

# What the checks themselves provoke: few passes, data that are not scaled.
pytestmark = pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks(
    [
        SVC(),
        SVR(),
        SVC(kernel="linear"),
        SVC(kernel="precomputed"),
        LinearSVC(),
        LinearSVC(loss="hinge", max_iter=10000),
        LinearSVC(penalty="l1"),
        LinearSVR(max_iter=10000),
        LinearSVR(loss="squared_epsilon_insensitive"),
    ]
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)

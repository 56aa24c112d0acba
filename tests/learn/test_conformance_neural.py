"""scikit-learn's own checks of an estimator, for the networks."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule.learn import NeuralClassifier, NeuralRegressor  # noqa: E402


@parametrize_with_checks([NeuralClassifier(), NeuralRegressor()])
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)

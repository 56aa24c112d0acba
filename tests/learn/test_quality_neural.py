"""The networks' scores beside those of scikit-learn's multilayer perceptron."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_diabetes, load_digits, load_wine  # noqa: E402
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.preprocessing import scale  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from chainrule.learn import NeuralClassifier, NeuralRegressor  # noqa: E402


def at_least(ours, theirs, x, y, folds):
    # Threads of two libraries that take turns wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # that its epochs are over
        mine, other = (cross_val_score(e, x, y, cv=folds) for e in (ours, theirs))
    error = other.std(ddof=1) / np.sqrt(len(other))
    assert mine.mean() >= other.mean() - error, (mine, other)


@pytest.mark.parametrize("load, epochs", [(load_wine, 200), (load_digits, 60)])
def test_classes(load, epochs):
    x, y = (part[:900] for part in load(return_X_y=True))
    ours = NeuralClassifier(max_epochs=epochs, random_state=0)
    theirs = MLPClassifier(max_iter=epochs, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    at_least(ours, theirs, scale(x), y, folds)


def test_regression():
    x, y = load_diabetes(return_X_y=True)
    ours = NeuralRegressor(random_state=0)
    folds = KFold(5, shuffle=True, random_state=0)
    at_least(ours, MLPRegressor(random_state=0), scale(x), scale(y), folds)

"""Ctrl-C ends a fit of many trees early and keeps those that stand."""

import signal
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from chainrule import learn  # noqa: E402
from chainrule.learn.base import InterruptedFitWarning, Rounds  # noqa: E402

ESTIMATORS = [
    learn.GradientBoostingRegressor(n_estimators=50),
    learn.HistGradientBoostingRegressor(max_iter=50, early_stopping=False),
    learn.RandomForestRegressor(50),
    learn.AdaBoostRegressor(n_estimators=50, random_state=0),
    learn.BaggingRegressor(n_estimators=50),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_an_interrupted_fit_keeps_what_stands(estimator, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X[:, 0] + rng.normal(size=200)
    show, shown = Rounds.show, []

    def press(self, **figures):
        shown.append(figures)
        if len(shown) == 3:
            signal.raise_signal(signal.SIGINT)
        show(self, **figures)

    monkeypatch.setattr(Rounds, "show", press)
    estimator.set_params(**({"verbose": 1} if "verbose" in estimator.get_params() else {}))
    with pytest.warns(InterruptedFitWarning, match="3 of 50"):
        estimator.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert estimator.predict(X).shape == (200,)
    if hasattr(estimator, "estimators_"):
        assert len(estimator.estimators_) == 3
    elif hasattr(estimator, "n_iter_"):
        assert estimator.n_iter_ == 3
    else:
        assert estimator.n_estimators_ == 3

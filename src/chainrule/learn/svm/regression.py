"""Support vector regression."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval

from chainrule.learn.base import Rounds
from chainrule.learn.svm.kernels import Rows
from chainrule.learn.svm.machine import SupportVectorMachine
from chainrule.learn.svm.solver import Problem, solve
from chainrule.learn.svm.tracing import STOPS, Recorder
from chainrule.learn.svm.working import machine_working
from chainrule.learn.working import Working


class SVR(RegressorMixin, SupportVectorMachine):
    """Epsilon-support vector regression.

    min ½‖w‖² + C Σ max(0, |y − f(x)| − ε), solved in its dual by sequential minimal optimisation
    (Fan, Chen and Lin 2005) with one variable α − α* a sample.

    Parameters, defaults and attributes are those of scikit-learn's estimator of the same name.
    `fit(..., trace=True)` keeps the multipliers on their way for `working()`. Samples whose
    squared lengths overflow are refused (ValueError): no kernel of them has a value.
    """

    _parameter_constraints: dict = {
        **SupportVectorMachine._parameter_constraints,
        "epsilon": [Interval(Real, 0.0, None, closed="left")],
    }

    def __init__(
        self, *, kernel: Any = "rbf", degree: int = 3, gamma: Any = "scale", coef0: float = 0.0,
        tol: float = 1e-3, C: float = 1.0, epsilon: float = 0.1, shrinking: bool = True,
        cache_size: float = 200, verbose: Any = False, max_iter: int = -1,
    ) -> None:  # fmt: skip
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.C = C
        self.epsilon = epsilon
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.verbose = verbose
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> SVR:
        """Fits to X [n, features] (or [n, n] kernel values) and y [n].

        sample_weight scales C for each sample; samples of weight 0 or less are left out. They
        count in gamma="scale" too: a weight of 2 is the same as a sample that is there twice.
        """
        X, y = self._checked(X, y, sample_weight)
        y = column_or_1d(y, warn=True).astype(np.float64, copy=False)
        weights = self._weights(sample_weight, X.shape[0])
        used = np.flatnonzero(weights > 0)
        rows = Rows(self._kernel(), X)
        if used.size < X.shape[0]:
            rows = rows.take(used)
        bound = self.C * weights[used]
        problem = Problem(rows, -y[used], -bound, bound, float(self.epsilon))
        recorder = Recorder(problem) if trace else None
        with Rounds(self, total=1, verbose=self.verbose) as rounds:
            solution = solve(
                problem, tol=self.tol, max_iter=self.max_iter, cache_bytes=self.cache_size * 1e6,
                shrinking=self.shrinking, watch=recorder, stops=STOPS if trace else None,
                stopped=lambda: rounds.interrupted,
            )  # fmt: skip
            rounds.done = 1
        self.trace_ = recorder and recorder.finish(solution, y[used], bound)
        vectors = np.flatnonzero(solution.u)
        self._keep(X, used[vectors], solution.u[None, vectors], np.array([-solution.rho]))
        self.n_iter_ = int(solution.steps)
        self._told(solution.ended)
        return self

    @property
    def n_support_(self) -> np.ndarray:
        """The number of support vectors, [1]."""
        if not hasattr(self, "support_"):
            raise AttributeError("n_support_")
        return np.array([self.support_.size], dtype=np.int32)

    def predict(self, X: Any) -> np.ndarray:
        """The regression's values, [m]."""
        X = self._checked_for_use(X)
        sums = self._sums(X, [(0, self.support_.size, self._dual.T)], 1)
        return sums[:, 0] + self.intercept_[0]

    def _working(self) -> Working:
        return machine_working(self)

"""ElasticNet and Lasso by coordinate descent."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from chainrule.learn.base import Rounds
from chainrule.learn.checks import checked_pair
from chainrule.learn.linear import kernels
from chainrule.learn.linear.base import LinearRegressor, centred, floats, gram, means

# Up to so many columns the Gram matrix is worth its p² numbers when samples are more than columns.
_FEW_COLUMNS = 3000


class ElasticNet(LinearRegressor):
    """min ‖y − Xw − b‖²/(2N) + α·ρ·‖w‖₁ + ½·α·(1 − ρ)·‖w‖², ρ = l1_ratio.

    Args: as in scikit-learn. precompute: whether to work on the Gram matrix; False decides by the
        shape, which changes speed only. verbose: progress over several targets.

    Attributes: coef_ [p] or [targets, p], intercept_, sparse_coef_, n_iter_, dual_gap_ (a mean over
        the samples).
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "precompute": ["boolean", "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        max_iter: int = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        check_input: bool = True,
        *,
        trace: bool = False,
    ) -> Any:
        """Fits X [N, p] (dense or sparse) to y [N] or [N, targets]; trace: keep the working."""
        if self.alpha == 0:
            warnings.warn(
                "With alpha=0, this algorithm does not converge well. You are advised to use the "
                "LinearRegression estimator",
                stacklevel=2,
            )
        if check_input:
            X, y = checked_pair(
                self,
                X,
                y,
                accept_sparse="csc",
                accept_large_sparse=False,
                multi_output=True,
                y_numeric=True,
            )
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
            weight = weight * (len(weight) / weight.sum())
        Y = np.asarray(y, np.float64).reshape(len(y), -1)
        mean, y_mean = means(X, Y, weight, self.fit_intercept)
        coef = self._start(Y.shape[1], X.shape[1])
        self.trace_: Any = SimpleNamespace(X=X, y=y, weight=weight, path=[]) if trace else None
        gaps, counts = self._solve(X, Y, mean, y_mean, weight, coef)
        flat = np.ndim(y) == 1
        one = len(gaps) == 1
        self._take(coef[0] if one else coef, mean, y_mean[0] if flat else y_mean, floats(X))
        self.dual_gap_ = gaps[0] if one else np.array(gaps)
        self.n_iter_ = counts[0] if one else counts
        return self

    def _start(self, targets: int, p: int) -> Any:
        if self.warm_start and hasattr(self, "coef_"):
            return np.array(np.atleast_2d(self.coef_), np.float64)
        return np.zeros((targets, p))

    def _solve(
        self, X: Any, Y: Any, mean: Any, y_mean: Any, weight: Any, coef: Any
    ) -> tuple[list[float], list[int]]:
        run = self._problem(X, Y, mean, y_mean, weight)
        passes = self.max_iter or 1000
        full = np.ones(len(Y)) if weight is None else weight
        gaps, counts = [], []
        with Rounds(self, total=len(coef)) as rounds:
            for k in rounds:
                if self.trace_ is not None and k == 0:
                    self._watch(run, coef[0].copy(), min(passes, 30))
                gap, count = run(k, coef[k], passes)
                gaps.append(float(gap) / len(Y))
                counts.append(int(count))
                allowed = self.tol * float(full @ ((Y[:, k] - y_mean[k]) ** 2))
                if not gap <= allowed:
                    warnings.warn(
                        "Objective did not converge. You might want to increase the number of "
                        "iterations, check the scale of the features or consider increasing "
                        f"regularisation. Duality gap: {gap:.3e}, tolerance: {allowed:.3e}",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        return gaps, counts

    def _problem(
        self, X: Any, Y: Any, mean: Any, y_mean: Any, weight: Any
    ) -> Callable[[int, Any, int], Any]:
        """run(k, w, passes): coordinate descent on target k from w on, which it changes."""
        n, p = X.shape
        order = np.arange(p)[None]
        if self.selection == "random":
            random = check_random_state(self.random_state)
            order = np.stack([random.permutation(p) for _ in range(16)])
        l1 = self.alpha * self.l1_ratio * n
        l2 = self.alpha * (1 - self.l1_ratio) * n
        ending = (self.tol, self.positive, order)
        targets = (Y - y_mean).T.copy()
        full = np.ones(n) if weight is None else weight
        if p <= _FEW_COLUMNS and (n > p or self.precompute is True):
            Q, q = gram(X, Y, mean, y_mean, weight)
            rights, squares = q.T.copy(), (targets * targets) @ full
            ones = np.ones(p)

            def run(k: int, w: Any, passes: int) -> Any:
                return kernels.by_gram(w, Q, rights[k], squares[k], l1, l2, passes, *ending, ones)

        elif sp.issparse(X):
            columns = (X.data.astype(np.float64), X.indices, X.indptr, mean, full)

            def run(k: int, w: Any, passes: int) -> Any:
                return kernels.by_sparse_columns(w, *columns, targets[k], l1, l2, passes, *ending)

        else:
            Xc, Yc = centred(X, Y, mean, y_mean, weight)
            Xc, right = np.asfortranarray(Xc), Yc.T.copy()

            def run(k: int, w: Any, passes: int) -> Any:
                return kernels.by_columns(w, Xc, right[k], l1, l2, passes, *ending)

        return run

    def _watch(self, run: Any, w: Any, passes: int) -> None:
        """Keeps the weights after each of the first passes; a pass of its own each."""
        self.trace_.path.append(w.copy())
        for _ in range(passes):
            before = w.copy()
            run(0, w, 1)
            self.trace_.path.append(w.copy())
            if np.max(np.abs(w - before), initial=0.0) <= self.tol * np.max(np.abs(w), initial=0.0):
                break

    @property
    def sparse_coef_(self) -> Any:
        """`coef_` as a sparse matrix [targets, p]."""
        return sp.csr_matrix(self.coef_)

    def _working(self) -> Any:
        from chainrule.learn.linear import workings

        return workings.of_coordinates(self, self._needs_trace())


class Lasso(ElasticNet):
    """min ‖y − Xw − b‖²/(2N) + α·‖w‖₁: the elastic net with l1_ratio = 1. Args: as there."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        key: value for key, value in ElasticNet._parameter_constraints.items() if key != "l1_ratio"
    }

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        super().__init__(
            alpha=alpha,
            l1_ratio=1.0,
            fit_intercept=fit_intercept,
            precompute=precompute,
            copy_X=copy_X,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            positive=positive,
            random_state=random_state,
            selection=selection,
        )

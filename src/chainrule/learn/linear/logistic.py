"""LogisticRegression: two or more classes, L2, L1 and elastic-net penalties."""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import checked_pair, classes_of, ensure_fitted
from chainrule.learn.linear import logistic_solvers as solvers
from chainrule.learn.linear.base import floats, scores
from chainrule.learn.linear.cross_entropy import CrossEntropy, probabilities

# The Hessian of so many columns is quicker than the steps of L-BFGS.
_FEW_COLUMNS = 300
_PENALTIES = {
    "lbfgs": ("l2", None),
    "newton-cg": ("l2", None),
    "newton-cholesky": ("l2", None),
    "gradient_descent": ("l2", None),
    "sag": ("l2", None),
    "saga": ("l1", "l2", "elasticnet", None),
    "liblinear": ("l1", "l2"),
}


class LogisticRegression(Explained, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression: min C·Σ Cost(h(x), y) + (1 − ρ)/2·‖W‖² + ρ·‖W‖₁, ρ = l1_ratio.

    h is the sigmoid of one score for two classes, the softmax of one score a class for more.

    Args: as in scikit-learn; and
        penalty: "l1", "l2", "elasticnet" or None; by default what l1_ratio and C (infinite: none)
            say.
        solver: "lbfgs"; "newton-cholesky" (IRLS) and "newton-cg"; "gradient_descent" (formula 2-7);
            "liblinear" (two classes; the intercept is penalised, as there); "sag" and "saga" name
            scikit-learn's penalties and have the same optimum, but are solved by L-BFGS and, with
            L1, by proximal Newton steps, not by stochastic ones.
        learning_rate: α of "gradient_descent"; None is 1/(bound of the curvature).

    Attributes: classes_, coef_ [1 or K, p], intercept_ [1 or K], n_iter_ [1].
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "penalty": [StrOptions({"l1", "l2", "elasticnet", "deprecated"}), None],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [StrOptions(set(_PENALTIES))],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
        learning_rate: float | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.learning_rate = learning_rate

    # ---- fitting ---------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> Any:
        """Fits X [N, p] (dense or sparse) to classes y [N]; trace: keep the working."""
        ridge, lasso = self._strengths()
        X, y = checked_pair(self, X, y, accept_sparse="csr", order="C")
        self.classes_, index = classes_of(y)
        classes = len(self.classes_)
        if classes < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        if self.solver == "liblinear" and classes > 2:
            raise ValueError(
                "Only binary classification is supported by solver='liblinear'. The type of the "
                "target is multiclass: use another solver, or OneVsRestClassifier."
            )
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weight = weight * self._class_weights(index, weight)[index]
        dtype, total = floats(X), float(weight.sum())
        X = X.astype(np.float64, copy=False)
        inside = self.fit_intercept and self.solver == "liblinear"
        if inside:  # one more column, whose weight is penalised as the others are
            ones = np.full((X.shape[0], 1), float(self.intercept_scaling))
            X = sp.hstack([X, ones]).tocsr() if sp.issparse(X) else np.hstack([X, ones])
        J = CrossEntropy(
            X, index, weight, classes, ridge / total, self.fit_intercept and not inside
        )
        W, b = self._solve(J, *self._start(J, inside), lasso / total, trace)
        if inside:
            W, b = W[:, :-1], W[:, -1] * self.intercept_scaling
        if trace:
            self.trace_.X, self.trace_.y = (X[:, :-1] if inside else X), index
        self.coef_, self.intercept_ = np.ascontiguousarray(W, dtype), b.astype(dtype)
        return self

    def _strengths(self) -> tuple[float, float]:
        """(λ of ½‖W‖², λ of ‖W‖₁) beside Σ Cost. Raises ValueError for what a solver cannot do."""
        ratio = self.l1_ratio
        penalty = self.penalty
        if penalty == "deprecated":
            ratio = 0.0 if ratio is None else ratio
            penalty = "l2" if ratio == 0 else "l1" if ratio == 1 else "elasticnet"
            penalty = None if np.isinf(self.C) else penalty
        elif penalty == "elasticnet" and ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
        if penalty not in _PENALTIES[self.solver]:
            known = ", ".join(repr(name) for name in _PENALTIES[self.solver])
            raise ValueError(
                f"Solver {self.solver} supports only penalties in {known}, got {penalty!r}."
            )
        if self.dual and self.solver != "liblinear":
            raise ValueError(f"Solver {self.solver} supports only dual=False, got dual=True")
        ratio = {"l1": 1.0, "l2": 0.0, None: 0.0}.get(penalty, ratio)
        whole = 0.0 if penalty is None or np.isinf(self.C) else 1.0 / self.C
        return whole * (1.0 - ratio), whole * ratio

    def _class_weights(self, index: Any, weight: Any) -> Any:
        classes = len(self.classes_)
        if self.class_weight is None:
            return np.ones(classes)
        if self.class_weight == "balanced":
            counts = np.bincount(index, weight, classes)
            return weight.sum() / (classes * np.where(counts > 0, counts, 1.0))
        known = list(self.classes_)
        unknown = [key for key in self.class_weight if key not in known]
        if unknown and len(unknown) == len(self.class_weight):
            raise ValueError(f"The classes, {unknown}, are not in class_weight")
        return np.array([self.class_weight.get(c, 1.0) for c in self.classes_], np.float64)

    def _start(self, J: CrossEntropy, inside: bool) -> tuple[Any, Any]:
        W, b = np.zeros((J.rows, J.p)), np.zeros(J.rows)
        known = getattr(self, "coef_", None) if self.warm_start else None
        if known is not None and known.shape == (J.rows, J.p - inside):
            W[:, : known.shape[1]] = known
            if inside:
                W[:, -1] = self.intercept_ / self.intercept_scaling
            else:
                b += self.intercept_
        return W, b

    def _solve(self, J: CrossEntropy, W: Any, b: Any, lasso: float, trace: bool) -> Any:
        found: Any = None
        with Rounds(self, total=self.max_iter, verbose=self.verbose) as rounds:
            watch = solvers.Watch(rounds, trace, (W, b))
            ways: Any = {
                "gradient_descent": partial(solvers.gradient_descent, rate=self.learning_rate),
                "newton-cg": partial(solvers.newton, by_cg=True),
                "newton-cholesky": solvers.newton,
                "liblinear": solvers.newton if J.p <= _FEW_COLUMNS else solvers.lbfgs,
            }
            way = ways.get(self.solver, solvers.lbfgs)
            if lasso > 0:
                way = partial(solvers.proximal, l1=lasso)
            found = way(J, W, b, self.tol, watch)
        # Nothing was returned if an interrupt was raised: then the last that was seen counts.
        W, b, done = found or (*watch.last, False)
        self.n_iter_ = np.array([max(rounds.done, 1)], np.int32)
        self.trace_: Any = None
        if trace:
            self.trace_ = SimpleNamespace(J=J, path=watch.path, lasso=lasso)
        if not done and not rounds.interrupted:
            warnings.warn(
                f"{self.solver} failed to converge after {self.max_iter} iteration(s): increase "
                "max_iter, or scale the data.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return W, b

    # ---- using -----------------------------------------------------------------------------------

    def _scores(self, X: Any) -> Any:
        ensure_fitted(self, "coef_")
        if len(self.coef_) == 1:  # a matrix of one column takes longer than a vector
            return scores(self, X, self.coef_[0], self.intercept_[0], "csr")[:, None]
        return scores(self, X, self.coef_, self.intercept_, "csr")

    def decision_function(self, X: Any) -> Any:
        """z = X·Wᵀ + b: [N] for two classes, else [N, K]."""
        z = self._scores(X)
        return z[:, 0] if z.shape[1] == 1 else z

    def predict(self, X: Any) -> Any:
        """The class with the largest score."""
        z = self._scores(X)
        if z.shape[1] == 1:
            return self.classes_[(z[:, 0] > 0).astype(np.intp)]
        return self.classes_[np.argmax(z, axis=1)]

    def predict_proba(self, X: Any) -> Any:
        """h(x) of each class: [N, classes]."""
        h = probabilities(self._scores(X))
        return np.hstack([1.0 - h, h]) if h.shape[1] == 1 else h

    def predict_log_proba(self, X: Any) -> Any:
        """ln h(x), without underflow: [N, classes]."""
        z = self._scores(X)
        if z.shape[1] == 1:
            z = np.hstack([np.zeros_like(z), z])
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if self.solver == "liblinear":
            tags.classifier_tags.multi_class = False
        return tags

    def _working(self) -> Any:
        from chainrule.learn.linear import workings_logistic

        return workings_logistic.of_logistic(self, self._needs_trace())

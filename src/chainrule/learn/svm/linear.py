"""LinearSVC and LinearSVR: machines without a kernel, for many samples."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from chainrule.base.text import t
from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import checked_pair, classes_of, ensure_fitted
from chainrule.learn.linear.base import scores
from chainrule.learn.svm import straight
from chainrule.learn.svm.straight import Line, Straight
from chainrule.learn.svm.working_linear import Path, linear_working
from chainrule.learn.working import Working

_DOUBLE = (np.dtype(np.float64),)


class LinearMachine(Explained, BaseEstimator):
    """Base of `LinearSVC` and `LinearSVR`."""

    _parameter_constraints: dict = {
        "dual": ["boolean", StrOptions({"auto"})],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "C": [Interval(Real, 0.0, None, closed="neither")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }
    dual: Any
    tol: float
    C: float
    loss: str
    penalty = "l2"
    fit_intercept: bool
    intercept_scaling: float
    verbose: int
    random_state: Any
    max_iter: int
    coef_: Any
    intercept_: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _checked(self, X: Any, y: Any) -> tuple[Any, Any]:
        self._validate_params()
        return checked_pair(
            self, X, y, dtypes=_DOUBLE, order="C", accept_sparse="csr", accept_large_sparse=False
        )

    def _in_dual(self, samples: int, features: int) -> bool:
        """Whether to go by the dual. Raises ValueError for what has no such way."""
        linear = not self.loss.startswith("squared")
        if self.penalty == "l1" and linear:
            raise ValueError(
                t("penalty='l1' with loss={loss!r} is not supported", loss=self.loss)
            )  # fmt: skip
        dual = self.dual
        if dual == "auto":
            dual = linear or (self.penalty == "l2" and samples < features)
        if dual == linear or (dual and self.penalty == "l2"):
            return bool(dual)
        if not dual and not linear:
            return False
        raise ValueError(
            t(
                "penalty={penalty!r} with loss={loss!r} is not supported when dual={dual}",
                penalty=self.penalty,
                loss=self.loss,
                dual=dual,
            )
        )

    def _solve(self, lines: list[Line], trace: bool) -> list[Straight]:
        """The solutions of the problems, one after the other."""
        dual = self._in_dual(*lines[0].X.shape)
        random = check_random_state(self.random_state)
        found: list[Straight] = []
        paths: list[Path] = []
        with Rounds(self, total=len(lines), verbose=self.verbose) as rounds:
            for k in rounds:
                line, path = lines[k], Path(lines[k])
                seen = path if trace else None

                def stopped() -> bool:
                    return rounds.interrupted

                if dual:
                    seed = int(random.randint(np.iinfo(np.int32).max))
                    solved = straight.by_dual(line, self.tol, self.max_iter, seed, stopped, seen)
                else:
                    way = straight.by_proximal if self.penalty == "l1" else straight.by_newton
                    solved = way(line, self.tol, self.max_iter, stopped, seen)
                found.append(solved)
                paths.append(path.ended(solved))
                rounds.show(objective=line.primal(solved.w) if self.verbose else 0.0)
        # What an interrupt left out has no weights yet.
        empty = Straight(np.zeros(lines[0].X.shape[1] + 1), None, 0, False)
        found += [empty] * (len(lines) - len(found))
        self.trace_ = paths if trace else None
        self.n_iter_ = max(solution.rounds for solution in found)
        if not all(solution.converged for solution in found) and not rounds.interrupted:
            warnings.warn(
                t(
                    "The linear machine ended after max_iter={n} passes, before it converged: "
                    "increase max_iter, or scale the data.",
                    n=self.max_iter,
                ),
                ConvergenceWarning,
                stacklevel=3,
            )
        return found

    def _keep(self, found: list[Straight]) -> None:
        weights = np.array([solution.w for solution in found])
        self.coef_ = np.ascontiguousarray(weights[:, :-1])
        self.intercept_ = 0.0
        if self.fit_intercept:
            self.intercept_ = self.intercept_scaling * weights[:, -1]

    def _line(self, X: Any, y: Any, C: Any, epsilon: float | None) -> Line:
        bias = float(self.intercept_scaling) if self.fit_intercept else 0.0
        return Line(X, bias, y, C, epsilon, self.loss.startswith("squared"))

    def _scores(self, X: Any) -> np.ndarray:
        ensure_fitted(self, "coef_")
        if self.coef_.size == self.coef_.shape[-1]:  # one vector is quicker than a matrix of one
            b = float(np.ravel(self.intercept_)[0])
            return np.asarray(scores(self, X, self.coef_.ravel(), b, "csr"))[:, None]
        return np.asarray(scores(self, X, self.coef_, self.intercept_, "csr"))

    def _working(self) -> Working:
        return linear_working(self, self._needs_trace())


class LinearSVC(ClassifierMixin, LinearMachine):
    """Linear support vector classification, each class against the others.

    min ½‖w‖² + C Σ loss(y f(x)), loss (1 − y f)₊ ("hinge") or its square; penalty="l1" has ‖w‖₁ in
    the place of ½‖w‖². The intercept is penalised as a weight of a column of intercept_scaling.
    Parameters, defaults and attributes are those of scikit-learn's estimator of the same name,
    except that multi_class="crammer_singer" is refused. dual=True: dual coordinate descent (Hsieh
    and others 2008); False: Newton's method; "auto" the first where there is no other way, or
    where samples are fewer than features. `fit(..., trace=True)` keeps multipliers and objectives
    on their way for `working()`.
    """

    _parameter_constraints: dict = {
        **LinearMachine._parameter_constraints,
        "penalty": [StrOptions({"l1", "l2"})],
        "loss": [StrOptions({"hinge", "squared_hinge"})],
        "multi_class": [StrOptions({"ovr", "crammer_singer"})],
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    def __init__(
        self, penalty: str = "l2", loss: str = "squared_hinge", *, dual: Any = "auto",
        tol: float = 1e-4, C: float = 1.0, multi_class: str = "ovr", fit_intercept: bool = True,
        intercept_scaling: float = 1, class_weight: Any = None, verbose: int = 0,
        random_state: Any = None, max_iter: int = 1000,
    ) -> None:  # fmt: skip
        self.penalty = penalty
        self.loss = loss
        self.dual = dual
        self.tol = tol
        self.C = C
        self.multi_class = multi_class
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> LinearSVC:
        """Fits to X [n, features], dense or sparse, and labels y [n].

        sample_weight scales C for each sample; samples of weight 0 or less are left out.
        """
        X, y = self._checked(X, y)
        if self.multi_class == "crammer_singer":
            raise ValueError(t("multi_class='crammer_singer' is not supported: use 'ovr'."))
        self.classes_, index = classes_of(y)
        if self.classes_.size < 2:
            raise ValueError(
                t(
                    "This solver needs samples of at least 2 classes in the data, but the data "
                    "contains only one class: {label!r}",
                    label=self.classes_[0],
                )
            )
        weight = np.ones(X.shape[0])
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if self.class_weight is not None:
            weight = weight * compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[index],
                sample_weight=weight,
            )[index]  # fmt: skip
        used = weight > 0
        if not used.all():
            X, index, weight = X[used], index[used], weight[used]
        if np.unique(index).size < 2:
            raise ValueError(
                t("Invalid input - all samples with positive weights belong to one class.")
            )
        positive = [1] if self.classes_.size == 2 else range(self.classes_.size)
        lines = [
            self._line(X, np.where(index == k, 1.0, -1.0), self.C * weight, None) for k in positive
        ]
        self._keep(self._solve(lines, trace))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """f(x): [m] for two classes, else [m, classes]."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The class with the largest f(x), [m]."""
        scores = self._scores(X)
        if scores.shape[1] == 1:
            return self.classes_[(scores[:, 0] > 0).astype(np.intp)]
        return self.classes_[scores.argmax(axis=1)]


class LinearSVR(RegressorMixin, LinearMachine):
    """Linear support vector regression.

    min ½‖w‖² + C Σ loss(y − f(x)), loss (|y − f| − ε)₊ ("epsilon_insensitive") or its square; the
    intercept is penalised as a weight of a column of intercept_scaling. Parameters, defaults and
    attributes are those of scikit-learn's estimator of the same name. dual, trace: see `LinearSVC`.
    """

    _parameter_constraints: dict = {
        **LinearMachine._parameter_constraints,
        "epsilon": [Real],
        "loss": [StrOptions({"epsilon_insensitive", "squared_epsilon_insensitive"})],
    }

    def __init__(
        self, *, epsilon: float = 0.0, tol: float = 1e-4, C: float = 1.0,
        loss: str = "epsilon_insensitive", fit_intercept: bool = True,
        intercept_scaling: float = 1.0, dual: Any = "auto", verbose: int = 0,
        random_state: Any = None, max_iter: int = 1000,
    ) -> None:  # fmt: skip
        self.epsilon = epsilon
        self.tol = tol
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.dual = dual
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> LinearSVR:
        """Fits to X [n, features], dense or sparse, and targets y [n]; sample_weight scales C."""
        X, y = self._checked(X, y)
        y = np.asarray(y, np.float64)
        weight = np.ones(len(y))
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        used = weight > 0
        if not used.any():
            raise ValueError(t("Invalid input - all samples have zero or negative weights."))
        if not used.all():
            X, y, weight = X[used], y[used], weight[used]
        self._keep(self._solve([self._line(X, y, self.C * weight, float(self.epsilon))], trace))
        self.coef_ = self.coef_[0]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """f(x), [m]."""
        return self._scores(X)[:, 0]

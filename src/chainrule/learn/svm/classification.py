"""Support vector classification."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import Hidden, StrOptions
from sklearn.utils.metaestimators import available_if

from chainrule.base.text import t
from chainrule.learn.base import Rounds
from chainrule.learn.checks import classes_of, ensure_fitted
from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges
from chainrule.learn.svm.kernels import Rows
from chainrule.learn.svm.machine import SupportVectorMachine
from chainrule.learn.svm.probability import couple, probability, sigmoid_fit
from chainrule.learn.svm.solver import Problem, Solution, solve
from chainrule.learn.svm.tracing import STOPS, Recorder
from chainrule.learn.svm.working import machine_working
from chainrule.learn.working import Working

# Up to so many samples all pairs of classes are solved at once, a share on each thread.
_AT_ONCE = 4096


def _probability_wanted(estimator: Any) -> bool:
    if estimator.probability == "deprecated" or not estimator.probability:
        raise AttributeError(t("predict_proba is not available when probability=False"))
    return True


class SVC(ClassifierMixin, SupportVectorMachine):
    """C-support vector classification, one machine for each pair of classes.

    min ½‖w‖² + C Σ max(0, 1 − y f(x)), solved in its dual by sequential minimal optimisation
    (Fan, Chen and Lin 2005). Parameters, defaults and attributes are those of scikit-learn's
    estimator of the same name. `fit(..., trace=True)` keeps the multipliers on their way for
    `working()`. Samples whose squared lengths overflow are refused (ValueError): no kernel of
    them has a value.
    """

    _parameter_constraints: dict = {
        **SupportVectorMachine._parameter_constraints,
        "probability": ["boolean", Hidden(StrOptions({"deprecated"}))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "decision_function_shape": [StrOptions({"ovr", "ovo"})],
        "break_ties": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self, *, C: float = 1.0, kernel: Any = "rbf", degree: int = 3, gamma: Any = "scale",
        coef0: float = 0.0, shrinking: bool = True, probability: Any = "deprecated",
        tol: float = 1e-3, cache_size: float = 200, class_weight: Any = None,
        verbose: Any = False, max_iter: int = -1, decision_function_shape: str = "ovr",
        break_ties: bool = False, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.shrinking = shrinking
        self.probability = probability
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.verbose = verbose
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, trace: bool = False) -> SVC:
        """Fits to X [n, features] (or [n, n] kernel values) and labels y [n].

        sample_weight scales C for each sample; samples of weight 0 or less are left out. They
        count in gamma="scale" too: a weight of 2 is the same as a sample that is there twice.
        """
        random = check_random_state(self.random_state)
        X, y = self._checked(X, y, sample_weight)
        self.classes_, index = classes_of(y)
        self.class_weight_ = np.ones(self.classes_.size)
        if self.class_weight is not None:
            self.class_weight_ = compute_class_weight(
                self.class_weight, classes=self.classes_, y=self.classes_[index]
            )
        if self.classes_.size < 2:
            raise ValueError(
                t(
                    "The number of classes has to be greater than one; got {n} class",
                    n=self.classes_.size,
                )
            )
        if self.probability != "deprecated":
            warnings.warn(
                t(
                    "The `probability` parameter is deprecated, as in scikit-learn 1.9. Use "
                    "`CalibratedClassifierCV(SVC(), ensemble=False)` instead."
                ),
                FutureWarning,
                stacklevel=2,
            )
        weights = self._weights(sample_weight, X.shape[0])
        used = np.flatnonzero(weights > 0)
        if np.unique(index[used]).size < 2:
            raise ValueError(
                t("Invalid input - all samples with positive weights belong to one class.")
            )
        order = used[np.argsort(index[used], kind="stable")]
        bound = self.C * weights[order] * self.class_weight_[index[order]]
        counts = np.bincount(index[order], minlength=self.classes_.size)
        pairs = _Pairs(self, Rows(self._kernel(), X), order, counts, bound)
        solutions = pairs.solve(trace)
        self._assemble(X, order, counts, pairs, solutions)
        self.trace_ = pairs.traces if trace else None
        self._probA, self._probB = np.empty(0), np.empty(0)
        if self.probability not in ("deprecated", False):
            fits = np.array([pairs.sigmoid(p, random) for p in range(len(pairs.all))])
            self._probA, self._probB = fits[:, 0].copy(), fits[:, 1].copy()
        self._told(any(solution.ended for solution in solutions))
        return self

    def _assemble(
        self, X: Any, order: np.ndarray, counts: np.ndarray, pairs: _Pairs,
        solutions: list[Solution],
    ) -> None:  # fmt: skip
        k = counts.size
        dual = np.zeros((k - 1, order.size))
        for (first, second), solution in zip(pairs.all, solutions):
            a, b = pairs.span(first), pairs.span(second)
            dual[second - 1, a] = solution.u[: counts[first]]
            dual[first, b] = solution.u[counts[first] :]
        vectors = np.flatnonzero(dual.any(axis=0))
        dual = np.ascontiguousarray(dual[:, vectors])
        intercept = np.array([-solution.rho for solution in solutions])
        self._n_support = np.array(
            [np.count_nonzero((vectors >= s.start) & (vectors < s.stop)) for s in pairs.spans],
            dtype=np.int32,
        )
        # The first class is the positive one of a pair, but with two classes it is the second.
        sign = -1.0 if k == 2 else 1.0
        self._keep(X, order[vectors], sign * dual, sign * intercept)
        self.n_iter_ = np.array([solution.steps for solution in solutions], dtype=np.int32)

    @property
    def n_support_(self) -> np.ndarray:
        """The number of support vectors of each class."""
        if not hasattr(self, "_n_support"):
            raise AttributeError("n_support_")
        return self._n_support

    def _pair_decisions(self, X: Any) -> np.ndarray:
        """f(x) of every pair, [m, pairs]; positive for the first class of a pair."""
        X = self._checked_for_use(X)
        k = self.classes_.size
        if k == 2:
            sums = self._sums(X, [(0, self.support_.size, -self._dual.T)], 1)
            return sums - self.intercept_
        ends = np.cumsum(self._n_support)
        groups = [
            (int(end - count), int(end), np.ascontiguousarray(self._dual[:, end - count : end].T))
            for end, count in zip(ends, self._n_support)
        ]
        sums = self._sums(X, groups, k * (k - 1)).reshape(X.shape[0], k, k - 1)
        first, second = np.triu_indices(k, 1)
        return sums[:, first, second - 1] + sums[:, second, first] + self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """[m] for two classes; else one column a class ("ovr") or a pair ("ovo")."""
        decisions = self._pair_decisions(X)
        if self.classes_.size == 2:
            return -decisions[:, 0]
        if self.decision_function_shape == "ovo":
            return decisions
        # Votes, and less than half a vote more by the sum of a class's decision values.
        votes, sums = self._votes(decisions)
        return votes + sums / (3 * (np.abs(sums) + 1))

    def _votes(self, decisions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k = self.classes_.size
        votes = np.zeros((decisions.shape[0], k))
        sums = np.zeros_like(votes)
        for column, (i, j) in enumerate(zip(*np.triu_indices(k, 1))):
            d = decisions[:, column]
            votes[:, i] += d >= 0
            votes[:, j] += d < 0
            sums[:, i] += d
            sums[:, j] -= d
        return votes, sums

    def predict(self, X: Any) -> np.ndarray:
        """The class with most votes of its pairs, [m]."""
        ensure_fitted(self, "support_")
        if self.break_ties and self.decision_function_shape == "ovo":
            raise ValueError(
                t("break_ties must be False when decision_function_shape is 'ovo'")
            )  # fmt: skip
        if self.classes_.size == 2:
            best = (self._pair_decisions(X)[:, 0] <= 0).astype(np.intp)
        elif self.break_ties:
            best = np.argmax(self.decision_function(X), axis=1)
        else:
            best = np.argmax(self._votes(self._pair_decisions(X))[0], axis=1)
        return self.classes_[best]

    @available_if(_probability_wanted)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes, [m, classes]: each pair's sigmoid, then coupled."""
        ensure_fitted(self, "support_")
        if self._probA.size == 0:
            raise NotFittedError(
                t("predict_proba is not available when fitted with probability=False")
            )
        pairs = probability(self._pair_decisions(X), self._probA, self._probB)
        return couple(pairs, self.classes_.size)

    @available_if(_probability_wanted)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))

    def _linear_weights(self) -> np.ndarray:
        k = self.classes_.size
        if k == 2:
            return super()._linear_weights()
        ends = np.concatenate([[0], np.cumsum(self._n_support)])
        parts = [
            self._dual[:, ends[c] : ends[c + 1]] @ self.support_vectors_[ends[c] : ends[c + 1]]
            for c in range(k)
        ]
        pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
        return np.array([parts[i][j - 1] + parts[j][i] for i, j in pairs])

    def _working(self) -> Working:
        return machine_working(self)


class _Pairs:
    """The problems of all pairs of classes; samples stand class after class."""

    def __init__(
        self, owner: SVC, rows: Rows, order: np.ndarray, counts: np.ndarray, bound: np.ndarray
    ) -> None:
        self.owner, self.counts, self.bound = owner, counts, bound
        ends = np.cumsum(counts)
        self.spans = [slice(int(e - c), int(e)) for e, c in zip(ends, counts)]
        k = counts.size
        self.all = [(i, j) for i in range(k) for j in range(i + 1, k)]
        self.rows = rows.take(order)
        self.traces: dict[tuple[int, int], Any] = {}

    def span(self, label: int) -> slice:
        return self.spans[label]

    def members(self, pair: int) -> np.ndarray:
        a, b = self.all[pair]
        return np.concatenate([np.arange(s.start, s.stop) for s in (self.spans[a], self.spans[b])])

    def problem(self, pair: int, members: np.ndarray | None = None) -> Problem:
        mine = self.members(pair) if members is None else members
        y = np.where(mine < self.spans[self.all[pair][0]].stop, 1.0, -1.0)
        bound = self.bound[mine]
        low, high = np.where(y > 0, 0.0, -bound), np.where(y > 0, bound, 0.0)
        rows = self.rows if mine.size == self.rows.n else self.rows.take(mine)
        return Problem(rows, -y, low, high)

    def solve(self, trace: bool) -> list[Solution]:
        owner = self.owner
        size = self.rows.n if self.rows.n <= _AT_ONCE and not owner.verbose else 0
        parts = ranges(len(self.all), 400.0 * size)
        found: list[Solution | None] = [None] * len(self.all)
        with Rounds(owner, total=len(self.all), verbose=owner.verbose) as rounds:

            def one(pair: int) -> None:
                problem = self.problem(pair)
                recorder = Recorder(problem) if trace else None
                solution = solve(
                    problem, tol=owner.tol, max_iter=owner.max_iter,
                    cache_bytes=owner.cache_size * 1e6, shrinking=owner.shrinking,
                    whole=problem.kernel.full(alone=True) if len(parts) > 1 else None,
                    watch=recorder, stops=STOPS if trace else None,
                    stopped=lambda: rounds.interrupted,
                )  # fmt: skip
                found[pair] = solution
                if recorder is not None:
                    trace_of = recorder.finish(solution, -problem.q, self.bound[self.members(pair)])
                    self.traces[self.all[pair]] = trace_of
                rounds.show(violation=solution.violation)
                rounds.done += 1

            def several(_: int, first: int, last: int) -> None:
                for pair in range(first, last):
                    one(pair)

            # Larger ones use all threads for each of their matrices.
            with one_blas_thread() if len(parts) > 1 else nullcontext():
                each_range(several, parts)
        return [solution for solution in found if solution is not None]

    def sigmoid(self, pair: int, random: np.random.RandomState) -> tuple[float, float]:
        """Platt's A and B from decision values of five-fold cross-validation."""
        members = random.permutation(self.members(pair))
        boundary = self.spans[self.all[pair][0]].stop
        decisions = np.zeros(members.size)
        for fold in range(5):
            start, end = fold * members.size // 5, (fold + 1) * members.size // 5
            train = np.sort(np.concatenate([members[:start], members[end:]]))
            test = members[start:end]
            positive = train < boundary
            if positive.all() or not positive.any():
                # One class is left (or none): the decision is certain (or open).
                decisions[start:end] = 0.0 if train.size == 0 else (1.0 if positive[0] else -1.0)
                continue
            problem = self.problem(pair, train)
            solution = solve(
                problem, tol=self.owner.tol, max_iter=self.owner.max_iter,
                cache_bytes=self.owner.cache_size * 1e6, shrinking=self.owner.shrinking,
            )  # fmt: skip
            vectors = np.flatnonzero(solution.u)
            values = self.rows.rows(test, train[vectors])
            decisions[start:end] = values @ solution.u[vectors] - solution.rho
        return sigmoid_fit(decisions, members < boundary)

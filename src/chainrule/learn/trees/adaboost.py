"""AdaBoost: SAMME for classes (Zhu et al. 2009), R2 for numbers (Drucker 1997)."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import ensure_fitted
from chainrule.learn.trees.drawing import order_of_rows
from chainrule.learn.trees.ranking import rank, thread_count
from chainrule.learn.trees.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    Labels,
    Rows,
    dense,
    numbers_of,
    seed_of,
    snapshot,
)
from chainrule.learn.trees.walking import add_trees, join, memory
from chainrule.learn.working import Working


class _AdaBoost(Rows, Explained, BaseEstimator):
    """What both estimators share."""

    n_features_in_: int
    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def _rows(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        # Another weak learner than a tree may need the full precision and refuse NaN by itself.
        if self.estimator is None:
            return super()._rows(X, y, reset)
        options = {"ensure_all_finite": False, "accept_sparse": "csr"}
        if not reset:
            return dense(validate_data(self, X, reset=False, **options))
        X, y = validate_data(self, X, y, multi_output=True, **options)
        return dense(X), y

    def _new(self, default: Any, random: np.random.RandomState) -> Any:
        one = clone(default if self.estimator is None else self.estimator)
        if "random_state" in one.get_params():
            one.set_params(random_state=seed_of(random))
        return one

    @property
    def feature_importances_(self) -> Any:
        """Mean of the weak learners' importances by their weights."""
        check_is_fitted(self)
        shares = [one.feature_importances_ for one in self.estimators_]
        weights = self.estimator_weights_[: len(shares)]
        return np.average(shares, axis=0, weights=weights)

    # X and the numbers of the classes, for pictures.
    _rows_shown: Any = None

    def _working(self) -> Working:
        from chainrule.learn.trees.showing import show_adaboost

        return show_adaboost(self, self._needs_trace(), self._rows_shown)


class AdaBoostClassifier(Labels, ClassifierMixin, _AdaBoost):
    """Weak classifiers one after another, on rows weighted by the errors so far.

    Parameters, attributes and errors are scikit-learn's; stumps are the default.
    """

    def __init__(
        self, estimator: Any = None, *, n_estimators: int = 50, learning_rate: float = 1.0,
        random_state: Any = None,
    ) -> None:  # fmt: skip
        self.estimator, self.n_estimators = estimator, n_estimators
        self.learning_rate, self.random_state = learning_rate, random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Add weak learner after weak learner; `trace` keeps every round's weights."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        codes = self._encode(y).astype(int)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        weight = weight / weight.sum()
        random = check_random_state(self.random_state)
        default = DecisionTreeClassifier(max_depth=1)
        ranking = rank(X, thread_count(-1)) if self.estimator is None else None
        probe = default if self.estimator is None else self.estimator
        if not has_fit_parameter(probe, "sample_weight"):
            raise ValueError(f"{type(probe).__name__} doesn't support sample_weight.")
        classes = self.n_classes_
        self.estimators_: list[Any] = []
        weights, errors, kept = [], [], []
        with Rounds(self, self.n_estimators) as rounds:
            for _ in rounds:
                one = self._new(default, random)
                if ranking is None:
                    one.fit(X, y, sample_weight=weight)
                    wrong = one.predict(X) != self.classes_[codes]
                else:
                    one.classes_, one.n_classes_ = self.classes_, classes
                    one.fit_ranked(ranking, codes, weight, classes)
                    wrong = one.tree_.value[:, 0].argmax(axis=1)[one.tree_.settle(X)] != codes
                error = float(np.average(wrong, weights=weight))
                kept.append((weight, wrong) if trace else ())
                if error >= 1.0 - 1.0 / classes and error > 0:
                    if not self.estimators_:
                        raise ValueError(
                            "BaseClassifier in AdaBoostClassifier ensemble is worse than random, "
                            "ensemble can not be fit."
                        )
                    kept.pop()
                    break
                self.estimators_.append(one)
                errors.append(max(error, 0.0))
                if error <= 0.0:
                    weights.append(1.0)
                    break
                odds = np.log((1.0 - error) / error) + np.log(classes - 1.0)
                weights.append(self.learning_rate * odds)
                # Those that were wrong count more in the next round.
                weight = weight * np.exp(weights[-1] * wrong)
                weight = weight / weight.sum()
                rounds.show(error=error)
        self.estimator_weights_, self.estimator_errors_ = np.array(weights), np.array(errors)
        self.trace_ = kept if trace else None
        self._rows_shown = (snapshot(X), codes) if trace else None
        return self

    def _votes(self, X: Any) -> Any:
        """Yields after each learner the weighted votes [rows, classes]."""
        check_is_fitted(self)
        X = self._rows(X)
        classes = self.n_classes_
        total = np.zeros((len(X), classes))
        for one, weight in zip(self.estimators_, self.estimator_weights_):
            hit = one.predict(X)[:, None] == self.classes_
            total = total + weight * np.where(hit, 1.0, -1.0 / max(classes - 1, 1))
            yield total

    def _decisions(self, X: Any) -> Any:
        sums = np.cumsum(self.estimator_weights_)
        for votes, total in zip(self._votes(X), sums):
            decision = votes / total
            yield decision[:, 1] if self.n_classes_ == 2 else decision

    def decision_function(self, X: Any) -> Any:
        """Weighted votes in [−1, 1]: [rows] for two classes, else [rows, classes]."""
        ensure_fitted(self, "estimators_")
        if self.n_classes_ == 1:
            return np.zeros(len(self._rows(X)))
        if self.estimator is None:
            votes = self._votes_of_trees(self._rows(X))
        else:
            *_, votes = self._votes(X)
        decision = votes / self.estimator_weights_.sum()
        return decision[:, 1] if self.n_classes_ == 2 else decision

    def _votes_of_trees(self, X: Any) -> Any:
        """The last of `_votes` in one walk: every leaf holds its weighted votes."""
        packed = []
        for one, weight in zip(self.estimators_, self.estimator_weights_):
            nodes = one.tree_.packed
            hit = nodes.values.argmax(axis=1)[:, None] == np.arange(self.n_classes_)
            votes = weight * np.where(hit, 1.0, -1.0 / (self.n_classes_ - 1))
            packed.append(nodes._replace(values=votes))
        nodes, roots = join(packed)
        out = np.zeros((len(X), self.n_classes_))
        add_trees(X, *nodes, roots, None, 0, 1, 1.0, memory(), out)
        return out

    def staged_decision_function(self, X: Any) -> Any:
        check_is_fitted(self)
        yield from self._decisions(X)

    def predict(self, X: Any) -> Any:
        """The class with most weighted votes."""
        decision = self.decision_function(X)
        return self._chosen(decision)

    def _chosen(self, decision: Any) -> Any:
        if decision.ndim == 1:
            return self.classes_[(decision > 0).astype(int)]
        return self.classes_[decision.argmax(axis=1)]

    def staged_predict(self, X: Any) -> Any:
        """The predictions after each round."""
        for decision in self.staged_decision_function(X):
            yield self._chosen(decision)

    def predict_proba(self, X: Any) -> Any:
        """[rows, classes], the softmax of the votes."""
        decision = self.decision_function(X)
        if self.n_classes_ == 1:
            return np.ones((len(decision), 1))
        if decision.ndim == 1:
            return softmax(np.stack([-decision, decision], axis=1) / 2, axis=1)
        return softmax(decision / (self.n_classes_ - 1), axis=1)

    def predict_log_proba(self, X: Any) -> Any:
        return np.log(self.predict_proba(X))


class AdaBoostRegressor(RegressorMixin, _AdaBoost):
    """Weak regressions on rows drawn by their errors; the weighted median answers.

    Parameters, attributes and errors are scikit-learn's; trees of depth 3 are the default.
    """

    _parameter_constraints = {
        **_AdaBoost._parameter_constraints,
        "loss": [StrOptions({"linear", "square", "exponential"})],
    }

    def __init__(
        self, estimator: Any = None, *, n_estimators: int = 50, learning_rate: float = 1.0,
        loss: str = "linear", random_state: Any = None,
    ) -> None:  # fmt: skip
        self.estimator, self.n_estimators, self.loss = estimator, n_estimators, loss
        self.learning_rate, self.random_state = learning_rate, random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Add weak learner after weak learner; `trace` keeps every round's weights."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        y = numbers_of(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        whole = bool((weight == np.rint(weight)).all()) and weight.sum() < 100 * len(X)
        count = int(weight.sum()) if whole else len(X)
        plain = self.estimator is None
        order = order_of_rows(X, y, np.float32 if plain else np.float64)
        ranking = rank(X, thread_count(-1)) if plain else None
        weight = weight / weight.sum()
        random = check_random_state(self.random_state)
        default = DecisionTreeRegressor(max_depth=3)
        self.estimators_: list[Any] = []
        weights, errors, kept = [], [], []
        with Rounds(self, self.n_estimators) as rounds:
            for _ in rounds:
                one = self._new(default, random)
                edges = np.cumsum(weight[order])
                places = np.searchsorted(edges, random.random_sample(count) * edges[-1], "right")
                drawn = order[np.minimum(places, len(X) - 1)]
                if ranking is None:
                    one.fit(X[drawn], y[drawn])
                    size = np.abs(one.predict(X) - y)
                else:
                    one.fit_ranked(ranking, y, np.ones(len(y)), 1, drawn)
                    size = np.abs(one.tree_.value[:, 0, 0][one.tree_.settle(X)] - y)
                size /= max(size[weight > 0].max(), 1e-300)
                if self.loss == "square":
                    size = size**2
                elif self.loss == "exponential":
                    size = 1.0 - np.exp(-size)
                error = float(weight @ size)
                if error >= 0.5 and self.estimators_:
                    break
                kept.append((weight, size) if trace else ())
                self.estimators_.append(one)
                errors.append(error)
                if error <= 0.0 or error >= 0.5:
                    weights.append(1.0 if error <= 0.0 else 0.0)
                    break
                beta = error / (1.0 - error)
                weights.append(self.learning_rate * np.log(1.0 / beta))
                weight = weight * beta ** ((1.0 - size) * self.learning_rate)
                weight = weight / weight.sum()
                rounds.show(error=error)
        self.estimator_weights_, self.estimator_errors_ = np.array(weights), np.array(errors)
        self.trace_ = kept if trace else None
        return self

    def _answers(self, X: Any) -> Any:
        """[rows, learners]; the trees of the default need no further check of X."""
        if self.estimator is None:
            return np.concatenate([one.tree_.predict(X) for one in self.estimators_], axis=1)
        return np.stack([one.predict(X) for one in self.estimators_], axis=1)

    def _median(self, answers: Any, weights: Any) -> Any:
        order = answers.argsort(axis=1)
        mass = np.cumsum(weights[order], axis=1)
        at = (mass >= 0.5 * mass[:, -1:]).argmax(axis=1)
        rows = np.arange(len(answers))
        return answers[rows, order[rows, at]]

    def predict(self, X: Any) -> Any:
        """The weighted median of the learners' answers."""
        ensure_fitted(self, "estimators_")
        X = self._rows(X)
        answers = self._answers(X)
        return self._median(answers, self.estimator_weights_)

    def staged_predict(self, X: Any) -> Any:
        """The predictions after each round."""
        check_is_fitted(self)
        X = self._rows(X)
        answers = self._answers(X)
        for i in range(1, answers.shape[1] + 1):
            yield self._median(answers[:, :i], self.estimator_weights_[:i])

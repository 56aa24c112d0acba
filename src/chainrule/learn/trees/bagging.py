"""Bagging (Breiman 1996): any estimator on rows drawn with replacement, and their vote or mean."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import checked
from chainrule.learn.trees.ranking import in_threads, order_of_rows, rank, thread_count
from chainrule.learn.trees.structure import add_values, grow
from chainrule.learn.trees.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    Labels,
    limits_of,
    numbers_of,
    seed_of,
)
from chainrule.learn.working import Formula, Words, Working


def _rows(X: Any) -> Any:
    """float32 [rows, D] as trees see it. Raises ValueError for values that are too large."""
    with np.errstate(over="ignore"):
        return check_array(X, dtype=np.float32, order="C", ensure_all_finite="allow-nan")


def _plain(base: Any, y: Any) -> bool:
    """Whether a row drawn twice may count as one of weight 2, in a tree on ranked values."""
    if type(base) not in (DecisionTreeClassifier, DecisionTreeRegressor):
        return False
    usual = {"splitter": "best", "min_samples_leaf": 1, "min_samples_split": 2, "ccp_alpha": 0.0}
    given = base.get_params()
    classes = type(base) is DecisionTreeClassifier
    several = not classes or len(np.unique(y)) > 1
    balanced = given.get("class_weight") is None
    poisson = given["criterion"] == "poisson"
    return several and balanced and not poisson and all(given[k] == v for k, v in usual.items())


class _Bagging(Explained, BaseEstimator):
    """What both estimators share. Sample weights are the chances of being drawn."""

    n_features_in_: int
    _default: type = DecisionTreeRegressor
    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "max_features": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "bootstrap": ["boolean"],
        "bootstrap_features": ["boolean"],
        "oob_score": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self, estimator: Any = None, n_estimators: int = 10, *, max_samples: Any = 1.0,
        max_features: Any = 1.0, bootstrap: bool = True, bootstrap_features: bool = False,
        oob_score: bool = False, n_jobs: Any = None, random_state: Any = None, verbose: Any = 0,
    ) -> None:  # fmt: skip
        self.estimator, self.n_estimators, self.max_samples = estimator, n_estimators, max_samples
        self.max_features, self.bootstrap = max_features, bootstrap
        self.bootstrap_features, self.oob_score = bootstrap_features, oob_score
        self.n_jobs, self.random_state, self.verbose = n_jobs, random_state, verbose

    def _check(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        finite = not get_tags(self).input_tags.allow_nan or "allow-nan"
        if reset:
            options = {"dtype": np.float64, "ensure_all_finite": finite}
            return validate_data(self, X, y, multi_output=True, **options)
        return checked(self, X, reset=False, ensure_all_finite=finite)

    def _fit_all(self, X: Any, y: Any, weight: Any, key: Any, trace: bool) -> None:
        n, d = X.shape
        if self.oob_score and not self.bootstrap:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        rows = self.max_samples
        features = self.max_features
        # Drawn in an order that depends on the rows alone, so that a weight counts as copies.
        order = order_of_rows(X, key)
        edges = np.cumsum(weight[order])
        whole = bool((weight == np.rint(weight)).all()) and edges[-1] < 100 * n
        total = int(edges[-1]) if whole else n
        drawn = int(rows) if isinstance(rows, Integral) else max(1, int(rows * total))
        width = int(features) if isinstance(features, Integral) else max(1, int(features * d))
        random = check_random_state(self.random_state)
        base = self._default() if self.estimator is None else self.estimator
        seeds = [seed_of(random) for _ in range(self.n_estimators)]
        # Trees on all columns share one numbering of the values.
        plain = self._plain_trees = width == d and not self.bootstrap_features and _plain(base, y)
        threads = thread_count(self.n_jobs)
        ranking = rank(_rows(X), threads) if plain else None

        def one(seed: int) -> tuple[Any, Any, Any]:
            own = np.random.default_rng(seed)
            if self.bootstrap:
                places = own.random(drawn) * edges[-1]
            else:
                places = own.permutation(total)[:drawn] + 0.5
                places = places * (edges[-1] / total)
            at = np.minimum(np.searchsorted(edges, places, side="right"), n - 1)
            chosen = order[at]
            # Of equal splits a tree takes the first column's: each tree has an order of its own,
            # else all would take the same ones, and err together.
            columns = own.choice(d, width) if self.bootstrap_features else own.permutation(d)
            columns = columns[:width]
            fresh = clone(base)
            if "random_state" in fresh.get_params():
                fresh.set_params(random_state=seed)
            if ranking is None:
                fresh.fit(X[np.ix_(chosen, columns)], y[chosen])
                return fresh, chosen, columns
            times = np.bincount(chosen, minlength=n).astype(np.float64)
            classes = getattr(self, "n_classes_", 1)
            limits = limits_of(fresh, X, times, classes)
            fresh.tree_ = grow(ranking, y, times, limits, seed, columns)
            fresh.n_features_in_, fresh.max_features_, fresh.trace_ = d, limits.max_features, None
            if isinstance(self, ClassifierMixin):
                fresh.classes_, fresh.n_classes_ = np.arange(classes), classes
            return fresh, chosen, np.arange(d)

        made: list[Any] = []
        with Rounds(self, -(-self.n_estimators // threads), self.verbose) as rounds:
            for i in rounds:
                made += in_threads(one, seeds[i * threads : (i + 1) * threads], threads)
                rounds.show(estimators=float(len(made)))
        self.estimators_ = [m[0] for m in made]
        self.estimators_samples_ = [m[1] for m in made]
        self.estimators_features_ = [m[2] for m in made]
        self.trace_ = (X, y) if trace else None

    def _values(self, X: Any) -> Any:
        """[rows, classes or 1], the sum of the values of plain trees."""
        trees = [one.tree_ for one in self.estimators_]
        out = np.zeros((len(X), trees[0].value.shape[2]))
        return add_values(trees, _rows(X), out, threads=thread_count(self.n_jobs))

    def _members(self) -> Any:
        check_is_fitted(self)
        return zip(self.estimators_, self.estimators_samples_, self.estimators_features_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = self._default() if self.estimator is None else self.estimator
        tags.input_tags.allow_nan = get_tags(base).input_tags.allow_nan
        return tags

    def _working(self) -> Working:
        X, _ = self._needs_trace()
        working = Working(
            Words("Bagging: independent fits, one vote", "Bagging：独立训练，共同投票")
        )
        step = working.step(
            Words("Rows drawn with replacement", "有放回地抽取样本"),
            Formula("P(row left out) = (1 − 1/n)^n → 1/e", r"P = (1 - 1/n)^n \to 1/e"),
        )

        def rows() -> list[tuple[Any, ...]]:
            sizes = [len(np.unique(chosen)) for _, chosen, _ in self._members()]
            return [(i + 1, size, 1 - size / len(X)) for i, size in enumerate(sizes)]

        heads = (
            Words("fit", "模型"),
            Words("rows in", "抽中样本数"),
            Words("share out", "未抽中比例"),
        )
        step.table(heads, rows(), rows)
        return working


class BaggingClassifier(Labels, ClassifierMixin, _Bagging):
    """Mean class shares (or votes) of classifiers on rows drawn with replacement."""

    _default = DecisionTreeClassifier

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Fit each estimator on its own draw; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._check(X, y, reset=True)
        codes = self._encode(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._fit_all(X, codes.astype(int), weight, codes, trace)
        if self.oob_score:
            shares = self._shares(X, out_of_bag=True)
            self.oob_decision_function_ = shares
            self.oob_score_ = float(np.mean(shares.argmax(axis=1) == codes))
        return self

    def _shares(self, X: Any, out_of_bag: bool = False) -> Any:
        if self._plain_trees and not out_of_bag:
            return self._values(X) / len(self.estimators_)
        total = np.zeros((len(X), self.n_classes_))
        for one, chosen, columns in self._members():
            rows = np.arange(len(X))
            if out_of_bag:
                rows = np.setdiff1d(rows, chosen)
            part = X[np.ix_(rows, columns)]
            if hasattr(one, "predict_proba"):
                total[rows[:, None], one.classes_[None, :]] += one.predict_proba(part)
            else:
                total[rows, one.predict(part)] += 1.0
        return total / np.maximum(total.sum(axis=1, keepdims=True), 1e-300)

    def predict_proba(self, X: Any) -> Any:
        """[rows, classes], the mean of the estimators' shares, or of their votes."""
        check_is_fitted(self)
        return self._shares(self._check(X))

    def predict_log_proba(self, X: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Any:
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(axis=1)]


class BaggingRegressor(RegressorMixin, _Bagging):
    """Mean answer of regressions on rows drawn with replacement."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Fit each estimator on its own draw; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._check(X, y, reset=True)
        y = numbers_of(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._fit_all(X, y, weight, y, trace)
        if self.oob_score:
            self.oob_prediction_ = self._mean(X, out_of_bag=True)
            rest, spread = y - self.oob_prediction_, y - y.mean()
            self.oob_score_ = float(1 - rest @ rest / (spread @ spread))
        return self

    def _mean(self, X: Any, out_of_bag: bool = False) -> Any:
        if self._plain_trees and not out_of_bag:
            return self._values(X)[:, 0] / len(self.estimators_)
        total, count = np.zeros(len(X)), np.zeros(len(X))
        for one, chosen, columns in self._members():
            rows = np.arange(len(X))
            if out_of_bag:
                rows = np.setdiff1d(rows, chosen)
            total[rows] += one.predict(X[np.ix_(rows, columns)])
            count[rows] += 1
        return total / np.maximum(count, 1)

    def predict(self, X: Any) -> Any:
        """The mean of the estimators' answers."""
        check_is_fitted(self)
        return self._mean(self._check(X))

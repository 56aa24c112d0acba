"""Bagging (Breiman 1996): any estimator on rows drawn with replacement, and their vote or mean."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt
from sklearn.utils.validation import _check_sample_weight, validate_data

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import checked, ensure_fitted
from chainrule.learn.trees.drawing import Draws, order_of_rows
from chainrule.learn.trees.ranking import in_threads, rank, thread_count
from chainrule.learn.trees.structure import add_values, grow
from chainrule.learn.trees.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    Labels,
    dense,
    limits_of,
    numbers_of,
    refuse_large,
    seed_of,
    single,
)
from chainrule.learn.working import Formula, Words, Working


def _rows(X: Any) -> Any:
    """float32 [rows, D] as trees see it. Raises ValueError for values that are too large."""
    X = dense(X)
    rows = single(X)
    if rows is None:
        with np.errstate(over="ignore"):
            rows = check_array(X, dtype=np.float32, order="C", ensure_all_finite="allow-nan")
    return rows


def _part(X: Any, rows: Any, columns: Any) -> Any:
    """Rows and columns of a table, sparse or not."""
    return X[rows][:, columns] if issparse(X) else X[np.ix_(rows, columns)]


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
    """What both estimators share. Sample weights are the chances of being drawn.

    max_samples None draws as many rows as there are, a row of whole weight 2 counted twice.
    """

    n_features_in_: int
    estimators_: list[Any]
    estimators_features_: list[Any]
    _draws: Draws
    _seeds: list[int]
    _plain_trees: bool
    _finite: bool | str
    _default: type = DecisionTreeRegressor
    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_samples": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            None,
        ],
        "max_features": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
        ],
        "bootstrap": ["boolean"],
        "bootstrap_features": ["boolean"],
        "oob_score": ["boolean"],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self, estimator: Any = None, n_estimators: int = 10, *, max_samples: Any = None,
        max_features: Any = 1.0, bootstrap: bool = True, bootstrap_features: bool = False,
        oob_score: bool = False, warm_start: bool = False, n_jobs: Any = None,
        random_state: Any = None, verbose: Any = 0,
    ) -> None:  # fmt: skip
        self.estimator, self.n_estimators, self.max_samples = estimator, n_estimators, max_samples
        self.max_features, self.bootstrap = max_features, bootstrap
        self.bootstrap_features, self.oob_score = bootstrap_features, oob_score
        self.warm_start, self.n_jobs = warm_start, n_jobs
        self.random_state, self.verbose = random_state, verbose

    def _check(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        if not reset:
            return checked(
                self, X, reset=False, ensure_all_finite=self._finite, accept_sparse="csr"
            )
        self._finite = not get_tags(self).input_tags.allow_nan or "allow-nan"
        options = {"dtype": np.float64, "ensure_all_finite": self._finite, "accept_sparse": "csr"}
        return validate_data(self, X, y, multi_output=True, **options)

    def _drawing(self, X: Any, key: Any, weight: Any) -> Draws:
        """How rows and columns are drawn; `key`: number of each row's answer."""
        n, d = X.shape
        # Drawn in an order that depends on the rows alone, so that a weight counts as copies.
        order = order_of_rows(X, key)
        even = bool((weight == 1.0).all())
        edges = None if even else np.cumsum(weight[order])
        mass = float(n if edges is None else edges[-1])
        whole = bool((weight == np.rint(weight)).all()) and mass < 100 * n
        total = int(mass) if whole else n
        rows, columns = self.max_samples, self.max_features
        rows = 1.0 if rows is None else rows
        drawn = int(rows) if isinstance(rows, Integral) else max(1, int(rows * total))
        width = int(columns) if isinstance(columns, Integral) else max(1, int(columns * d))
        if not self.bootstrap and drawn > total:
            raise ValueError(
                f"Effective max_samples={drawn} must be <= n_samples={total} to be able to sample "
                "without replacement."
            )
        if width > d:
            raise ValueError("max_features must be <= n_features")
        return Draws(
            order, edges, mass, total, drawn, d, width, self.bootstrap, self.bootstrap_features
        )

    def _standing(self) -> int:
        """How many estimators of the last fit stay."""
        if self.oob_score and not self.bootstrap:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        if self.oob_score and self.warm_start:
            raise ValueError("Out of bag estimate only available if warm_start=False")
        stand = len(self.estimators_) if self.warm_start and hasattr(self, "estimators_") else 0
        if self.n_estimators < stand:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to "
                f"len(estimators_)={stand} when warm_start==True"
            )
        return stand

    def _fit_all(self, X: Any, y: Any, weight: Any, trace: bool) -> None:
        stand = self._standing()
        if stand == self.n_estimators:
            text = "Warm-start fitting without increasing n_estimators does not fit new trees."
            warnings.warn(text, UserWarning, stacklevel=3)
            return
        n, d = X.shape
        draws = self._draws = self._drawing(X, y, weight)
        random = check_random_state(self.random_state)
        base = self._default() if self.estimator is None else self.estimator
        # Those that stand have the first seeds.
        seeds = [seed_of(random) for _ in range(self.n_estimators)][stand:]
        # Trees on all columns share one numbering of the values.
        plain = draws.columns == d and not self.bootstrap_features and _plain(base, y)
        self._plain_trees = plain and (not stand or self._plain_trees)
        threads = thread_count(self.n_jobs)
        ranking = None
        if plain:
            table = dense(X)
            refuse_large(table)
            ranking = rank(table, threads)
            del table

        def one(seed: int) -> tuple[Any, Any]:
            # Of equal splits a tree takes the first column's: each tree has an order of its own,
            # else all would take the same ones, and err together.
            chosen, columns = draws(seed)
            fresh = clone(base)
            if "random_state" in fresh.get_params():
                fresh.set_params(random_state=seed)
            if ranking is None:
                return fresh.fit(_part(X, chosen, columns), y[chosen]), columns
            times = np.bincount(chosen, minlength=n).astype(np.float64)
            del chosen
            classes = getattr(self, "n_classes_", 1)
            limits = limits_of(fresh, (n, d), times, classes)
            fresh.tree_ = grow(ranking, y, times, limits, seed, columns)
            fresh.n_features_in_, fresh.max_features_, fresh.trace_ = d, limits.max_features, None
            if isinstance(self, ClassifierMixin):
                fresh.classes_, fresh.n_classes_ = np.arange(classes), classes
            return fresh, np.arange(d)

        made: list[Any] = []
        with Rounds(self, -(-len(seeds) // threads), self.verbose) as rounds:
            for i in rounds:
                made += in_threads(one, seeds[i * threads : (i + 1) * threads], threads)
                rounds.show(estimators=float(stand + len(made)))
        self.estimators_ = (self.estimators_ if stand else []) + [m[0] for m in made]
        features = self.estimators_features_ if stand else []
        self.estimators_features_ = features + [m[1] for m in made]
        self._seeds = (self._seeds if stand else []) + seeds[: len(made)]
        self.trace_ = (X, y) if trace else None

    @property
    def estimators_samples_(self) -> list[Any]:
        """The rows that each estimator was fitted on, drawn again."""
        return [self._draws(seed)[0] for seed in self._seeds]

    def _values(self, X: Any) -> Any:
        """[rows, classes or 1], the sum of the values of plain trees."""
        trees = [one.tree_ for one in self.estimators_]
        out = np.zeros((X.shape[0], trees[0].value.shape[2]))
        return add_values(trees, _rows(X), out, threads=thread_count(self.n_jobs))

    def _members(self, X: Any, out_of_bag: bool) -> Iterator[tuple[Any, Any, Any]]:
        """(estimator, numbers of rows, these rows as it sees them), all or those not drawn."""
        for i, one in enumerate(self.estimators_):
            rows = np.arange(X.shape[0])
            if out_of_bag:
                rows = np.setdiff1d(rows, self._draws(self._seeds[i])[0])
            if len(rows):
                yield one, rows, _part(X, rows, self.estimators_features_[i])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        base = self._default() if self.estimator is None else self.estimator
        tags.input_tags.allow_nan = get_tags(base).input_tags.allow_nan
        tags.input_tags.sparse = get_tags(base).input_tags.sparse
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
            sizes = [len(np.unique(chosen)) for chosen in self.estimators_samples_]
            return [(i + 1, size, 1 - size / X.shape[0]) for i, size in enumerate(sizes)]

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
        self._fit_all(X, codes.astype(int), weight, trace)
        if self.oob_score:
            shares = self._shares(X, out_of_bag=True)
            self.oob_decision_function_ = shares
            self.oob_score_ = float(np.mean(shares.argmax(axis=1) == codes))
        return self

    def _shares(self, X: Any, out_of_bag: bool = False) -> Any:
        if self._plain_trees and not out_of_bag:
            return self._values(X) / len(self.estimators_)
        total = np.zeros((X.shape[0], self.n_classes_))
        for one, rows, part in self._members(X, out_of_bag):
            if hasattr(one, "predict_proba"):
                total[rows[:, None], one.classes_[None, :]] += one.predict_proba(part)
            else:
                total[rows, one.predict(part)] += 1.0
        return total / np.maximum(total.sum(axis=1, keepdims=True), 1e-300)

    def predict_proba(self, X: Any) -> Any:
        """[rows, classes], the mean of the estimators' shares, or of their votes."""
        ensure_fitted(self, "estimators_")
        return self._shares(self._check(X))

    def predict_log_proba(self, X: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Any:
        return self._likeliest(self.predict_proba(X))


class BaggingRegressor(RegressorMixin, _Bagging):
    """Mean answer of regressions on rows drawn with replacement."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Fit each estimator on its own draw; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._check(X, y, reset=True)
        y = numbers_of(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._fit_all(X, y, weight, trace)
        if self.oob_score:
            self.oob_prediction_ = self._mean(X, out_of_bag=True)
            rest, spread = y - self.oob_prediction_, y - y.mean()
            self.oob_score_ = float(1 - rest @ rest / (spread @ spread))
        return self

    def _mean(self, X: Any, out_of_bag: bool = False) -> Any:
        if self._plain_trees and not out_of_bag:
            return self._values(X)[:, 0] / len(self.estimators_)
        total, count = np.zeros(X.shape[0]), np.zeros(X.shape[0])
        for one, rows, part in self._members(X, out_of_bag):
            total[rows] += one.predict(part)
            count[rows] += 1
        return total / np.maximum(count, 1)

    def predict(self, X: Any) -> Any:
        """The mean of the estimators' answers."""
        ensure_fitted(self, "estimators_")
        return self._mean(self._check(X))

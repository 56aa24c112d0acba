"""Random forests and extremely randomised trees: many trees side by side, and their mean."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_is_fitted

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import ensure_fitted
from chainrule.learn.trees.drawing import order_of_rows
from chainrule.learn.trees.ranking import Columns, Ranking, in_threads, rank, thread_count, unranked
from chainrule.learn.trees.structure import Tree, add_values, grow
from chainrule.learn.trees.tree import (
    GROWTH,
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    Labels,
    Rows,
    limits_of,
    numbers_of,
    seed_of,
    snapshot,
    weights_of,
)
from chainrule.learn.working import Working

COMMON: dict[str, list[Any]] = {
    **GROWTH,
    "n_estimators": [Interval(Integral, 1, None, closed="left")],
    "bootstrap": ["boolean"],
    "oob_score": ["boolean", callable],
    "n_jobs": [Integral, None],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "max_samples": [
        Interval(RealNotInt, 0.0, None, closed="neither"),
        Interval(Integral, 1, None, closed="left"),
        None,
    ],
}


class _Forest(Rows, Explained, BaseEstimator):
    """What all forests share: rows are drawn with replacement, the sorting is done once."""

    _tree_class: Any = DecisionTreeRegressor
    _random_cuts = False
    n_features_in_: int
    estimators_: list[Any]
    _trees: list[Tree]
    _seeds: list[int]
    _order: Any
    _n_rows: int

    def _ranked(self, X: Any, y: Any) -> Ranking | Columns:
        """The numbered table, and an order of the rows that depends on them alone."""
        self._n_rows = len(X)
        if self.bootstrap:
            self._order = order_of_rows(X, y, np.float32)
        return unranked(X) if self._random_cuts else rank(X, thread_count(self.n_jobs))

    def _plant(self, ranking: Ranking | Columns, y: Any, weight: Any, classes: int) -> None:
        n = self._n_rows
        random = check_random_state(self.random_state)
        # Whole weights count rows that stand for several: these are drawn one by one.
        whole = bool((weight == np.rint(weight)).all() and 0 < weight.sum() < 100 * n)
        copies = weight.astype(np.int64) if whole else np.ones(n, np.int64)
        n = int(copies.sum())
        if self.bootstrap:
            # Drawn along that order: it does not matter where the rows stand.
            self._order = np.repeat(self._order, copies[self._order])
        if not self.bootstrap and self.oob_score:
            raise ValueError("Out of bag estimation only available if bootstrap=True")
        drawn = n
        if isinstance(self.max_samples, Integral):
            drawn = int(self.max_samples)
        elif self.max_samples is not None:
            drawn = max(round(n * self.max_samples), 1)
        self._drawn = drawn
        threads = thread_count(self.n_jobs)
        limits = limits_of(self, (len(y), self.n_features_in_), weight, classes)
        kept = self._trees if self.warm_start and hasattr(self, "_trees") else []
        stand = len(kept)
        if self.n_estimators < stand:
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to "
                f"len(estimators_)={stand} when warm_start==True"
            )
        if self.n_estimators == stand:
            text = "Warm-start fitting without increasing n_estimators does not fit new trees."
            warnings.warn(text, UserWarning, stacklevel=3)
        seeds = [seed_of(random) for _ in range(self.n_estimators)][stand:]
        balanced = self.bootstrap and getattr(self, "class_weight", "") == "balanced_subsample"

        def one(seed: int) -> Tree:
            times = weight
            if self.bootstrap:
                times = self._times(seed)
                if balanced:
                    # Each class weighs the same among the rows that this tree sees.
                    count = np.bincount(y.astype(int), times)
                    share = times.sum() / (np.count_nonzero(count) * np.maximum(count, 1.0))
                    times = times * share[y.astype(int)]
                if not whole:
                    times = times * weight
            tree = grow(ranking, y, times, limits, seed)
            return tree.pruned(self.ccp_alpha) if self.ccp_alpha > 0.0 else tree

        trees: list[Tree] = []
        with Rounds(self, -(-len(seeds) // threads), self.verbose) as rounds:
            for i in rounds:
                trees += in_threads(one, seeds[i * threads : (i + 1) * threads], threads)
                rounds.show(trees=float(stand + len(trees)))
        wrapped = [self._wrap(tree, seed) for tree, seed in zip(trees, seeds)]
        self._seeds = (self._seeds if stand else []) + seeds[: len(trees)]
        self._trees = kept + trees
        self.estimators_ = (self.estimators_ if stand else []) + wrapped

    def _times(self, seed: int) -> Any:
        """How often each row is drawn."""
        if not self.bootstrap:
            return np.ones(self._n_rows)
        drawn = np.random.default_rng(seed).integers(0, len(self._order), self._drawn)
        return np.bincount(self._order[drawn], minlength=self._n_rows).astype(np.float64)

    def _wrap(self, tree: Tree, seed: int) -> Any:
        """The tree as an estimator of its own."""
        names = self._tree_class._parameter_constraints
        known = {k: v for k, v in self.get_params(deep=False).items() if k in names}
        known.pop("class_weight", None)
        splitter = "random" if self._random_cuts else "best"
        one = self._tree_class(**{**known, "random_state": seed, "splitter": splitter})
        one.tree_, one.n_features_in_, one.trace_ = tree, self.n_features_in_, None
        one.max_features_ = tree.n_features
        if hasattr(self, "classes_"):
            one.classes_, one.n_classes_ = np.arange(self.n_classes_), self.n_classes_
        return one

    @property
    def splitter(self) -> str:
        return "random" if self._random_cuts else "best"

    @property
    def feature_importances_(self) -> Any:
        """Mean of the trees' importances."""
        check_is_fitted(self)
        grown = [t.compute_feature_importances() for t in self._trees if t.node_count > 1]
        if not grown:
            return np.zeros(self.n_features_in_)
        mean = np.mean(grown, axis=0)
        return mean / mean.sum()

    @property
    def estimators_samples_(self) -> list[Any]:
        """The rows that each tree was grown on, once for each time that it was drawn."""
        n = self._n_rows
        return [np.repeat(np.arange(n), self._times(s).astype(int)) for s in self._seeds]

    def apply(self, X: Any) -> Any:
        """int64 [rows, trees], the leaf that each row reaches in each tree."""
        check_is_fitted(self)
        X = self._rows(X)
        return np.stack([tree.apply(X) for tree in self._trees], axis=1)

    def _mean(self, X: Any) -> Any:
        """[rows, classes or 1], the mean of the trees' values."""
        ensure_fitted(self, "_trees")
        X = self._rows(X)
        out = np.zeros((len(X), self._trees[0].value.shape[2]))
        add_values(self._trees, X, out, threads=thread_count(self.n_jobs))
        out /= len(self._trees)
        return out

    def _out_of_bag(self, X: Any, width: int) -> Any:
        """Mean value of each row over the trees that were grown without it."""
        total, count = np.zeros((len(X), width)), np.zeros(len(X))
        for tree, seed in zip(self._trees, self._seeds):
            out = self._times(seed) == 0
            total[out] += tree.predict(X[out])
            count[out] += 1
        if (count == 0).any():
            text = (
                "Some inputs do not have OOB scores. This probably means too few trees were used "
                "to compute any reliable OOB estimates."
            )
            warnings.warn(text, UserWarning, stacklevel=3)
        return total / np.maximum(count, 1)[:, None]

    def _working(self) -> Working:
        from chainrule.learn.trees.showing import show_forest

        return show_forest(self, *self._needs_trace())


class RandomForestClassifier(Labels, ClassifierMixin, _Forest):
    """Trees on rows drawn with replacement, each split among random features (Breiman 2001).

    Parameters and attributes are scikit-learn's; n_jobs counts threads, which grow trees side by
    side. One answer a row.
    """

    _tree_class = DecisionTreeClassifier
    _parameter_constraints = {
        **COMMON,
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
        "class_weight": [dict, StrOptions({"balanced", "balanced_subsample"}), None],
    }

    def __init__(
        self, n_estimators: int = 100, *, criterion: str = "gini", max_depth: Any = None,
        min_samples_split: Any = 2, min_samples_leaf: Any = 1, min_weight_fraction_leaf: Any = 0.0,
        max_features: Any = "sqrt", max_leaf_nodes: Any = None, min_impurity_decrease: float = 0.0,
        bootstrap: bool = True, oob_score: Any = False, n_jobs: Any = None,
        random_state: Any = None, verbose: Any = 0, warm_start: bool = False,
        class_weight: Any = None, ccp_alpha: float = 0.0, max_samples: Any = None,
    ) -> None:  # fmt: skip
        self.n_estimators, self.criterion, self.max_depth = n_estimators, criterion, max_depth
        self.min_samples_split, self.min_samples_leaf = min_samples_split, min_samples_leaf
        self.min_weight_fraction_leaf, self.max_features = min_weight_fraction_leaf, max_features
        self.max_leaf_nodes, self.min_impurity_decrease = max_leaf_nodes, min_impurity_decrease
        self.bootstrap, self.oob_score, self.n_jobs = bootstrap, oob_score, n_jobs
        self.random_state, self.verbose, self.class_weight = random_state, verbose, class_weight
        self.ccp_alpha, self.max_samples, self.warm_start = ccp_alpha, max_samples, warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Grow the trees; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        codes = self._encode(y)
        weight = weights_of(sample_weight, X)
        if self.class_weight is not None and not (
            self.class_weight == "balanced_subsample" and self.bootstrap
        ):
            kind = self.class_weight
            kind = "balanced" if isinstance(kind, str) else kind
            weight = weight * compute_sample_weight(kind, y)
        self.trace_ = (snapshot(X), codes, weight) if trace else None
        self._plant(self._ranked(X, codes), codes, weight, self.n_classes_)
        if self.oob_score:
            self.oob_decision_function_ = self._out_of_bag(X, self.n_classes_)
            guess = self.classes_[self.oob_decision_function_.argmax(axis=1)]
            score = self.oob_score if callable(self.oob_score) else lambda a, b: np.mean(a == b)
            self.oob_score_ = float(score(np.asarray(y).ravel(), guess))
        return self

    def predict_proba(self, X: Any) -> Any:
        """[rows, classes], the mean of the trees' class shares."""
        mean = self._mean(X)
        return np.ones_like(mean) if self.n_classes_ == 1 else mean

    def predict_log_proba(self, X: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Any:
        """The class with the largest mean share."""
        return self._likeliest(self.predict_proba(X))


class ExtraTreesClassifier(RandomForestClassifier):
    """Trees whose cuts are drawn at random (Geurts, Ernst, Wehenkel 2006); all rows by default."""

    _random_cuts = True

    def __init__(
        self, n_estimators: int = 100, *, criterion: str = "gini", max_depth: Any = None,
        min_samples_split: Any = 2, min_samples_leaf: Any = 1, min_weight_fraction_leaf: Any = 0.0,
        max_features: Any = "sqrt", max_leaf_nodes: Any = None, min_impurity_decrease: float = 0.0,
        bootstrap: bool = False, oob_score: Any = False, n_jobs: Any = None,
        random_state: Any = None, verbose: Any = 0, warm_start: bool = False,
        class_weight: Any = None, ccp_alpha: float = 0.0, max_samples: Any = None,
    ) -> None:  # fmt: skip
        given = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__(**given)


class RandomForestRegressor(RegressorMixin, _Forest):
    """The mean of trees on rows drawn with replacement; see `RandomForestClassifier`."""

    _tree_class = DecisionTreeRegressor
    _parameter_constraints = {
        **COMMON,
        "criterion": [StrOptions({"squared_error", "friedman_mse", "poisson"})],
    }

    def __init__(
        self, n_estimators: int = 100, *, criterion: str = "squared_error", max_depth: Any = None,
        min_samples_split: Any = 2, min_samples_leaf: Any = 1, min_weight_fraction_leaf: Any = 0.0,
        max_features: Any = 1.0, max_leaf_nodes: Any = None, min_impurity_decrease: float = 0.0,
        bootstrap: bool = True, oob_score: Any = False, n_jobs: Any = None,
        random_state: Any = None, verbose: Any = 0, warm_start: bool = False,
        ccp_alpha: float = 0.0, max_samples: Any = None,
    ) -> None:  # fmt: skip
        self.n_estimators, self.criterion, self.max_depth = n_estimators, criterion, max_depth
        self.min_samples_split, self.min_samples_leaf = min_samples_split, min_samples_leaf
        self.min_weight_fraction_leaf, self.max_features = min_weight_fraction_leaf, max_features
        self.max_leaf_nodes, self.min_impurity_decrease = max_leaf_nodes, min_impurity_decrease
        self.bootstrap, self.oob_score, self.n_jobs = bootstrap, oob_score, n_jobs
        self.random_state, self.verbose = random_state, verbose
        self.ccp_alpha, self.max_samples, self.warm_start = ccp_alpha, max_samples, warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Grow the trees; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        y = numbers_of(y)
        weight = weights_of(sample_weight, X)
        self.trace_ = (snapshot(X), y.copy(), weight) if trace else None
        self._plant(self._ranked(X, y), y, weight, 1)
        if self.oob_score:
            self.oob_prediction_ = self._out_of_bag(X, 1)[:, 0]
            rest, spread = y - self.oob_prediction_, y - y.mean()
            self.oob_score_ = float(1 - rest @ rest / (spread @ spread))
            if callable(self.oob_score):
                self.oob_score_ = float(self.oob_score(y, self.oob_prediction_))
        return self

    def predict(self, X: Any) -> Any:
        """The mean of the trees' answers."""
        return self._mean(X)[:, 0]

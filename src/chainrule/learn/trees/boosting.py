"""Gradient boosting with exact trees (Friedman 2001, 2002): each tree fits the rests so far."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import ensure_fitted
from chainrule.learn.trees import losses
from chainrule.learn.trees.ranking import rank, thread_count
from chainrule.learn.trees.structure import Tree, add_values, grow
from chainrule.learn.trees.tree import (
    GROWTH,
    Labels,
    Rows,
    as_single,
    limits_of,
    numbers_of,
    seed_of,
    weights_of,
)
from chainrule.learn.working import Working

# scikit-learn's scores of rounds count these losses twice.
_TWICE = (losses.SquaredError, losses.BinaryLogLoss)


class _GradientBoosting(Rows, Explained, BaseEstimator):
    """What both estimators share."""

    n_features_in_: int
    train_score_: Any
    _parameter_constraints: dict[str, list[Any]] = {
        **GROWTH,
        "learning_rate": [Interval(Real, 0.0, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "subsample": [Interval(Real, 0.0, 1.0, closed="right")],
        "verbose": ["verbose"],
        "validation_fraction": [Interval(Real, 0.0, 1.0, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "warm_start": ["boolean"],
    }

    def _boost(self, X: Any, y: Any, weight: Any, loss: Any, trace: bool) -> None:
        fresh = not (self.warm_start and hasattr(self, "_trees"))
        if fresh:
            self._random = check_random_state(self.random_state)
            self._split_seed = seed_of(self._random)
        elif self.n_estimators < len(self._trees):
            raise ValueError(
                f"n_estimators={self.n_estimators} must be larger or equal to "
                f"n_estimators_={len(self._trees)} when warm_start==True"
            )
        random = self._random
        held = None
        if self.n_iter_no_change is not None:
            seed = self.random_state
            X, held_X, y, held_y, weight, held_w = train_test_split(
                X, y, weight, test_size=self.validation_fraction,
                stratify=y if hasattr(self, "classes_") else None,
                random_state=seed if isinstance(seed, Integral) else self._split_seed,
            )  # fmt: skip
            held = (held_X, held_y, held_w)
        n = len(X)
        ranking = rank(X, thread_count(-1))
        limits = limits_of(self, X.shape, weight, 1, "squared_error")
        self.max_features_ = limits.max_features
        self._loss = loss
        if fresh:
            self._start(X, y, weight)
            self._trees: list[list[Tree]] = []
            self._held_scores: list[float] = []
            self.trace_: Any = [] if trace else None
        train_score = [] if fresh else list(self.train_score_)
        improvement = [] if fresh else list(getattr(self, "oob_improvement_", []))
        outside = [] if fresh else list(getattr(self, "oob_scores_", []))
        scale = 2.0 if type(loss) in _TWICE else 1.0
        raw = self._raw_sums(X)
        held_raw = None if held is None else self._raw_sums(held[0])
        with Rounds(self, self.n_estimators - len(self._trees), self.verbose) as rounds:
            for _ in rounds:
                inside: Any = slice(None)
                drawn = weight
                if self.subsample < 1.0:
                    inside = np.zeros(n, bool)
                    count = max(1, int(self.subsample * n))
                    inside[random.permutation(n)[:count]] = True
                    before = loss.loss(y[~inside], raw[:, ~inside], weight[~inside])
                    drawn = weight * inside
                gradient, hessian = loss.gradient(y, raw)
                if self.trace_ is not None:
                    self.trace_.append((-gradient, loss.loss(y, raw, weight)))
                trees = []
                for k in range(loss.trees):
                    # A single tree may spend the gradient itself, which is worked out again.
                    target = gradient[k].copy() if loss.trees > 1 else gradient[k]
                    np.negative(target, out=target)
                    if loss.trees == 1:
                        del gradient, hessian
                    seed = seed_of(random)
                    tree = grow(ranking, target, drawn, limits, seed, spend=True)
                    del target
                    if self.ccp_alpha > 0.0:
                        tree = tree.pruned(self.ccp_alpha)
                    leaf = tree.apply(X)
                    if loss.trees == 1:
                        gradient, hessian = loss.gradient(y, raw)
                    self._fill(tree, leaf, gradient[k], hessian[k], y, raw[k], drawn)
                    raw[k] += (self.learning_rate * tree.value[:, 0, 0])[leaf]
                    trees.append(tree)
                del gradient, hessian, leaf
                self._trees.append(trees)
                train_score.append(scale * loss.loss(y[inside], raw[:, inside], weight[inside]))
                if self.subsample < 1.0:
                    after = loss.loss(y[~inside], raw[:, ~inside], weight[~inside])
                    outside.append(scale * after)
                    improvement.append(scale * (before - after))
                rounds.show(loss=train_score[-1])
                if held is not None:
                    for k, tree in enumerate(trees):
                        held_raw[k] += self.learning_rate * tree.predict(held[0])[:, 0]  # type: ignore[index]
                    if not self._gained(scale * loss.loss(held[1], held_raw, held[2])):
                        break
        self.train_score_ = np.array(train_score)
        if self.subsample < 1.0:
            self.oob_improvement_, self.oob_scores_ = np.array(improvement), np.array(outside)
            self.oob_score_ = self.oob_scores_[-1]
        self.n_estimators_ = len(self._trees)

    def _start(self, X: Any, y: Any, weight: Any) -> None:
        """Sets where boosting begins: at a constant, or at what `init` predicts."""
        self._baseline = None
        if self.init is None:
            self._baseline = self._loss.start(y, weight)
        elif isinstance(self.init, str):
            self._baseline = np.zeros(self._loss.trees)
        else:
            self.init_ = clone(self.init)
            options = {"sample_weight": weight} if (weight != 1.0).any() else {}
            if options and not has_fit_parameter(self.init_, "sample_weight"):
                raise ValueError(
                    f"The initial estimator {type(self.init_).__name__} does not support sample "
                    "weights."
                )
            self.init_.fit(as_single(X), y, **options)

    def _begin(self, X: Any) -> Any:
        """[rows, trees a round], the raw sums before the first tree."""
        if self._baseline is not None:
            return np.repeat(self._baseline[None], len(X), axis=0)
        if hasattr(self, "classes_"):
            least = float(np.finfo(np.float64).eps)
            guess = np.clip(self.init_.predict_proba(X), least, 1.0 - least, dtype=np.float64)
        else:
            guess = self.init_.predict(X).astype(np.float64)
        return np.ascontiguousarray(self._loss.link(guess))

    def _gained(self, score: float) -> bool:
        """Whether the held-out loss is lower than one of the last `n_iter_no_change` by `tol`."""
        last = self._held_scores[-self.n_iter_no_change :]
        self._held_scores.append(score)
        return len(last) < self.n_iter_no_change or any(score + self.tol < one for one in last)

    def _fill(
        self, tree: Tree, leaf: Any, gradient: Any, hessian: Any, y: Any, raw: Any, weight: Any
    ) -> None:
        """Give each leaf the constant that lowers the loss most (one Newton step, or exact).

        A row whose weight is 0 does not count.
        """
        count = tree.node_count
        if self._loss.own_leaf:
            rows = np.flatnonzero(weight)
            leaf = leaf[rows]
            order = np.argsort(leaf, kind="stable")
            edges = np.flatnonzero(np.diff(leaf[order])) + 1
            for group in np.split(order, edges):
                at = rows[group]
                tree.value[leaf[group[0]]] = self._loss.leaf(y[at], raw[None, at], weight[at])
            return
        top = -np.bincount(leaf, gradient * weight, count)
        bottom = np.bincount(leaf, hessian * weight, count)
        # A leaf that is sure already has no curvature: it stays as it is.
        step = np.divide(top, bottom, out=np.zeros(count), where=bottom > 1e-150)
        trees = self._loss.trees
        leaves = tree.children_left < 0
        tree.value[leaves, 0, 0] = step[leaves] * ((trees - 1) / trees if trees > 1 else 1.0)

    def _sums(self, X: Any) -> Any:
        """[rows, trees a round], where boosting starts and the sums of all trees."""
        raw = self._begin(X)
        trees = [tree for trees in self._trees for tree in trees]
        if trees:
            add_values(trees, X, raw, self.learning_rate, thread_count(-1), self._loss.trees)
        return raw

    def _raw_sums(self, X: Any) -> Any:
        """[trees a round, rows], `_sums` of a table of floats."""
        if self._trees or self._baseline is None:
            return np.ascontiguousarray(self._sums(as_single(X)).T)
        return np.ascontiguousarray(self._begin(X).T)

    def _raw(self, X: Any) -> Any:
        """[trees a round, rows], the sums of all trees."""
        ensure_fitted(self, "_trees")
        return self._sums(self._rows(X)).T

    def _staged_raw(self, X: Any) -> Any:
        check_is_fitted(self)
        X = self._rows(X)
        raw = np.ascontiguousarray(self._begin(X).T)
        for trees in self._trees:
            for k, tree in enumerate(trees):
                raw[k] += self.learning_rate * tree.predict(X)[:, 0]
            yield raw.copy()

    @property
    def feature_importances_(self) -> Any:
        """Mean of the trees' impurity decreases, as shares."""
        check_is_fitted(self)
        trees = [tree for trees in self._trees for tree in trees if tree.node_count > 1]
        if not trees:
            return np.zeros(self.n_features_in_)
        mean = np.mean([tree.compute_feature_importances(False) for tree in trees], axis=0)
        return mean / mean.sum()

    def apply(self, X: Any) -> Any:
        """[rows, rounds] leaves; [rows, rounds, classes] where a round has several trees."""
        check_is_fitted(self)
        X = self._rows(X)
        out = np.array([[tree.apply(X) for tree in trees] for trees in self._trees], float)
        out = out.transpose(2, 0, 1)
        return out[:, :, 0] if out.shape[2] == 1 and not hasattr(self, "classes_") else out

    def _working(self) -> Working:
        from chainrule.learn.trees.showing import show_boosting

        leaves = [[tree.n_leaves for tree in trees] for trees in self._trees]
        return show_boosting(self, self._needs_trace(), leaves)


class GradientBoostingRegressor(RegressorMixin, _GradientBoosting):
    """Boosted exact trees for numbers; parameters, attributes and errors are scikit-learn's.

    loss: "squared_error", "absolute_error", "huber", "quantile" (`alpha`). init: an estimator whose
    predictions the trees correct (a copy of it is fitted, `init_`), or "zero".
    """

    _parameter_constraints = {
        **_GradientBoosting._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "huber", "quantile"})],
        "alpha": [Interval(Real, 0.0, 1.0, closed="neither")],
        "init": [StrOptions({"zero"}), None, HasMethods(["fit", "predict"])],
    }

    def __init__(
        self, *, loss: str = "squared_error", learning_rate: float = 0.1, n_estimators: int = 100,
        subsample: float = 1.0, min_samples_split: Any = 2, min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0, max_depth: Any = 3,
        min_impurity_decrease: float = 0.0, random_state: Any = None, max_features: Any = None,
        init: Any = None, alpha: float = 0.9, verbose: Any = 0, max_leaf_nodes: Any = None,
        warm_start: bool = False, validation_fraction: float = 0.1, n_iter_no_change: Any = None,
        tol: float = 1e-4, ccp_alpha: float = 0.0,
    ) -> None:  # fmt: skip
        self.loss, self.learning_rate, self.n_estimators = loss, learning_rate, n_estimators
        self.subsample, self.min_samples_split = subsample, min_samples_split
        self.min_samples_leaf, self.max_depth = min_samples_leaf, max_depth
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.min_impurity_decrease, self.random_state = min_impurity_decrease, random_state
        self.max_features, self.alpha, self.verbose = max_features, alpha, verbose
        self.max_leaf_nodes, self.validation_fraction = max_leaf_nodes, validation_fraction
        self.n_iter_no_change, self.tol, self.ccp_alpha = n_iter_no_change, tol, ccp_alpha
        self.warm_start, self.init = warm_start, init

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Add tree after tree; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        y = numbers_of(y)
        weight = weights_of(sample_weight, X)
        loss: Any = {
            "squared_error": losses.SquaredError, "absolute_error": losses.AbsoluteError,
            "huber": lambda: losses.Huber(self.alpha),
            "quantile": lambda: losses.Quantile(self.alpha),
        }[self.loss]()  # fmt: skip
        self._boost(X, y, weight, loss, trace)
        return self

    def predict(self, X: Any) -> Any:
        return self._raw(X)[0]

    def staged_predict(self, X: Any) -> Any:
        """The predictions after each round."""
        for raw in self._staged_raw(X):
            yield raw[0]


class GradientBoostingClassifier(Labels, ClassifierMixin, _GradientBoosting):
    """Boosted exact trees for classes; loss: "log_loss", "exponential" (two classes)."""

    _parameter_constraints = {
        **_GradientBoosting._parameter_constraints,
        "loss": [StrOptions({"log_loss", "exponential"})],
        "init": [StrOptions({"zero"}), None, HasMethods(["fit", "predict_proba"])],
    }

    def __init__(
        self, *, loss: str = "log_loss", learning_rate: float = 0.1, n_estimators: int = 100,
        subsample: float = 1.0, min_samples_split: Any = 2, min_samples_leaf: Any = 1,
        min_weight_fraction_leaf: float = 0.0, max_depth: Any = 3,
        min_impurity_decrease: float = 0.0, random_state: Any = None, max_features: Any = None,
        init: Any = None, verbose: Any = 0, max_leaf_nodes: Any = None, warm_start: bool = False,
        validation_fraction: float = 0.1, n_iter_no_change: Any = None, tol: float = 1e-4,
        ccp_alpha: float = 0.0,
    ) -> None:  # fmt: skip
        self.loss, self.learning_rate, self.n_estimators = loss, learning_rate, n_estimators
        self.subsample, self.min_samples_split = subsample, min_samples_split
        self.min_samples_leaf, self.max_depth = min_samples_leaf, max_depth
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.min_impurity_decrease, self.random_state = min_impurity_decrease, random_state
        self.max_features, self.verbose = max_features, verbose
        self.max_leaf_nodes, self.validation_fraction = max_leaf_nodes, validation_fraction
        self.n_iter_no_change, self.tol, self.ccp_alpha = n_iter_no_change, tol, ccp_alpha
        self.warm_start, self.init = warm_start, init

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Add tree after tree; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        codes = self._encode(y)
        weight = weights_of(sample_weight, X)
        present = len(np.unique(codes[weight != 0]))
        if present < 2:
            raise ValueError(
                f"y contains {present} class after sample_weight trimmed samples with zero "
                "weights, while a minimum of 2 classes are required."
            )
        if self.loss == "exponential" and self.n_classes_ > 2:
            raise ValueError("loss='exponential' is for two classes.")
        loss: Any = losses.Exponential() if self.loss == "exponential" else losses.BinaryLogLoss()
        if self.n_classes_ > 2:
            loss = losses.LogLoss(self.n_classes_)
        self._boost(X, codes, weight, loss, trace)
        return self

    def decision_function(self, X: Any) -> Any:
        """Raw sums: [rows] for two classes, else [rows, classes]."""
        raw = self._raw(X)
        return raw[0] if len(raw) == 1 else raw.T

    def predict_proba(self, X: Any) -> Any:
        """[rows, classes] probabilities."""
        raw = self._raw(X)
        return self._loss.shares(raw)

    def predict_log_proba(self, X: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Any:
        return self._by_sums(self._raw(X))

    def staged_predict_proba(self, X: Any) -> Any:
        for raw in self._staged_raw(X):
            yield self._loss.shares(raw)

    def staged_predict(self, X: Any) -> Any:
        """The predictions after each round."""
        for raw in self._staged_raw(X):
            yield self._by_sums(raw)

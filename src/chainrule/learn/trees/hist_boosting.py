"""Gradient boosting over histograms: fast on large tables, missing values and categories."""

from __future__ import annotations

from itertools import combinations
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import (
    _check_monotonic_cst,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import FLOATS, checked, ensure_fitted
from chainrule.learn.trees import losses
from chainrule.learn.trees.histogram import add_leaves, put
from chainrule.learn.trees.histogram_tree import Grower, HistogramTree, cut_points, filled
from chainrule.learn.trees.ranking import in_threads, row_blocks, thread_count
from chainrule.learn.trees.tree import Labels, numbers_of, seed_of
from chainrule.learn.trees.walking import add_trees, join, memory
from chainrule.learn.working import Working


class _HistGradientBoosting(Explained, BaseEstimator):
    """What both estimators share."""

    n_features_in_: int
    n_iter_: int
    _parameter_constraints: dict[str, list[Any]] = {
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "l2_regularization": [Interval(Real, 0, None, closed="left")],
        "max_features": [Interval(Real, 0, 1, closed="right")],
        "max_bins": [Interval(Integral, 2, 255, closed="both")],
        "categorical_features": ["array-like", None],
        "monotonic_cst": ["array-like", dict, None],
        "interaction_cst": [list, tuple, StrOptions({"pairwise", "no_interactions"}), None],
        "warm_start": ["boolean"],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "validation_fraction": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def _categories(self, d: int) -> Any:
        """bool [features], which are categories."""
        given = self.categorical_features
        chosen = np.zeros(d, bool)
        if given is None:
            return chosen
        given = np.asarray(given)
        if given.dtype.kind in "USO":
            names = list(getattr(self, "feature_names_in_", []))
            given = np.array([names.index(name) for name in given], int)
        chosen[given] = True
        return chosen

    def _encoded(self, X: Any) -> Any:
        """X with categories as 0, 1, 2, …; what was not seen in `fit` counts as missing."""
        if not self.is_categorical_.any():
            return X
        X = X.copy()
        for f, seen in self._seen.items():
            at = np.clip(np.searchsorted(seen, X[:, f]), 0, max(len(seen) - 1, 0))
            known = seen[at] == X[:, f] if len(seen) else np.zeros(len(X), bool)
            X[:, f] = np.where(known, at, np.nan)
        return X

    def _check(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        if not reset:
            return checked(self, X, reset=False, dtypes=FLOATS[:1], ensure_all_finite=False)
        return validate_data(
            self, X, y, multi_output=True, dtype=np.float64, ensure_all_finite=False
        )

    def _bin(self, X: Any, weight: Any, random: np.random.RandomState, threads: int) -> Any:
        """uint8 [features, rows]; sets the cut points; weight None: all 1."""
        n, d = X.shape
        bins = np.empty((d, n), np.uint8)
        cuts: list[Any] = [None] * d
        seeds = [seed_of(random) for _ in range(d)]

        def one(f: int) -> None:
            column = np.ascontiguousarray(X[:, f])
            if self.is_categorical_[f]:
                count = len(self._seen[f])
                if count > self.max_bins:
                    raise ValueError(
                        f"Categorical feature {f} has {count} categories, more than max_bins="
                        f"{self.max_bins}."
                    )
                cuts[f] = np.arange(count - 1) + 0.5
            else:
                own = np.random.RandomState(seeds[f])
                cuts[f] = cut_points(column, self.max_bins, own, weight)
            put(column, filled(cuts[f]), bins[f])

        in_threads(one, range(d), threads if n > 5000 else 1)
        self._cuts = cuts
        return bins

    def _boost(self, X: Any, y: Any, weight: Any, loss: Any, weighted: bool, trace: bool) -> None:
        fresh = not (self.warm_start and hasattr(self, "_predictors"))
        if fresh:
            self._seed = seed_of(check_random_state(self.random_state))
        elif self.max_iter < self.n_iter_:
            raise ValueError(
                f"max_iter={self.max_iter} must be larger than or equal to n_iter_={self.n_iter_} "
                "when warm_start=True."
            )
        random = np.random.RandomState(self._seed)
        threads = thread_count(-1)
        if weighted and not weight.all():
            X, y, weight = X[weight != 0], y[weight != 0], weight[weight != 0]
        d = X.shape[1]
        self.is_categorical_ = self._categories(d)
        self._seen = {
            int(f): np.unique(X[~np.isnan(X[:, f]), f])
            for f in np.flatnonzero(self.is_categorical_)
        }
        X = self._encoded(X)
        stop = self.early_stopping
        self.do_early_stopping_ = len(X) > 10_000 if stop == "auto" else bool(stop)
        held = None
        if self.do_early_stopping_ and self.validation_fraction is not None:
            strata = y if hasattr(self, "classes_") else None
            X, held_X, y, held_y, weight, held_w = train_test_split(
                X, y, weight, test_size=self.validation_fraction, stratify=strata,
                random_state=seed_of(random),
            )  # fmt: skip
            held = (held_X, held_y, held_w)
        bins = self._bin(X, weight if weighted else None, random, threads)
        self._loss = loss
        if fresh:
            self._baseline = loss.start(y, weight)
            self._predictors: list[list[HistogramTree]] = []
            self.train_score_, self.validation_score_ = [], []
            self.trace_: Any = [] if trace else None
        raw = np.ascontiguousarray(self._sums(X, threads).T)
        held_raw = None if held is None else self._sums(held[0], threads)
        grower = self._grower(bins, threads)
        with Rounds(self, self.max_iter - len(self._predictors), self.verbose) as rounds:
            for _ in rounds:
                gradient, hessian = self._slopes(y, raw, weight if weighted else None, grower)
                if self.trace_ is not None:
                    self.trace_.append((-gradient, loss.loss(y, raw, weight)))
                trees = []
                for k in range(loss.trees):
                    slopes = gradient[k], None if hessian is None else hessian[k]
                    tree, order = grower.tree(
                        *slopes, self._looked_at(d, random), self.learning_rate
                    )
                    if loss.own_leaf:
                        self._refit(tree, order, y, raw[k : k + 1], weight, loss)
                    add_leaves(order, tree.nodes, tree.value, raw[k])
                    trees.append(tree)
                self._predictors.append(trees)
                if self.do_early_stopping_:
                    if held is not None:
                        self._add([trees], held[0], held_raw)
                        score = -loss.loss(held[1], held_raw.T, held[2])  # type: ignore[union-attr]
                        self.validation_score_.append(score)
                    self.train_score_.append(-loss.loss(y, raw, weight))
                    if self._stalled(self.validation_score_ or self.train_score_):
                        break
                if self.verbose:
                    rounds.show(loss=loss.loss(y, raw, weight))
        grower.close()
        self.n_iter_ = len(self._predictors)

    def _stalled(self, scores: list[float]) -> bool:
        reach = self.n_iter_no_change + 1
        if len(scores) < reach:
            return False
        reference = scores[-reach] + self.tol
        return not any(score > reference for score in scores[-reach + 1 :])

    def _grower(self, bins: Any, threads: int) -> Grower:
        d, n = bins.shape
        leaves = max(n // self.min_samples_leaf, 1)
        if self.max_leaf_nodes is not None:
            leaves = min(leaves, self.max_leaf_nodes)
        if self.max_depth is not None and self.max_depth < 20:
            leaves = min(leaves, 2**self.max_depth)
        deepest = 2**31 if self.max_depth is None else self.max_depth
        real = [self.min_samples_leaf, 1e-3, max(self.l2_regularization, 1e-15)]
        signs = np.asarray(_check_monotonic_cst(self, self.monotonic_cst), np.int64)
        if signs.any() and self._loss.trees > 1:
            raise ValueError(
                "monotonic constraints are not supported for multiclass classification."
            )
        if (signs[self.is_categorical_] != 0).any():
            raise ValueError("Categorical features cannot have monotonic constraints.")
        return Grower(
            bins, self._cuts, self.is_categorical_, signs, self._groups(d), real,
            [leaves, deepest], threads,
        )  # fmt: skip

    def _groups(self, d: int) -> Any:
        """uint8 [groups, features], which features may stand in one branch; no group: all."""
        given = self.interaction_cst
        if given is None:
            return np.zeros((0, d), np.uint8)
        if given == "no_interactions":
            given = [[f] for f in range(d)]
        elif given == "pairwise":
            given = list(combinations(range(d), 2))
        try:
            groups = [set(group) for group in given]
        except TypeError:
            raise ValueError(
                "Interaction constraints must be a sequence of tuples or lists, got: "
                f"{self.interaction_cst!r}."
            ) from None
        named = set().union(*groups)
        if not all(isinstance(f, Integral) and 0 <= int(f) < d for f in named):
            raise ValueError(
                "Interaction constraints must consist of integer indices in [0, n_features - 1] "
                f"= [0, {d - 1}], specifying the position of features."
            )
        # Features that nobody named make a group of their own.
        rest = set(range(d)) - named
        out = np.zeros((len(groups) + bool(rest), d), np.uint8)
        for row, group in zip(out, [*groups, rest]):
            row[list(group)] = 1
        return out

    def _looked_at(self, d: int, random: np.random.RandomState) -> Any:
        """uint8 [features], 1 where a tree may look."""
        if self.max_features == 1.0:
            return np.ones(d, np.uint8)
        allowed = np.zeros(d, np.uint8)
        allowed[random.permutation(d)[: max(1, int(np.ceil(self.max_features * d)))]] = 1
        return allowed

    def _slopes(self, y: Any, raw: Any, weight: Any, grower: Grower) -> tuple[Any, Any]:
        """Gradients and Hessians [trees a round, rows], times the weights; None: Hessians of 1."""
        constant = self._loss.constant_hessian and weight is None
        gradient = np.empty_like(raw)
        hessian = None if constant else np.empty_like(raw)

        def share(rows: tuple[int, int]) -> None:
            # Blocks of this size stay in the cache from one step of the formula to the next.
            for start in range(*rows, 8192):
                at = slice(start, min(start + 8192, rows[1]))
                g, h = self._loss.gradient(y[at], raw[:, at])
                gradient[:, at] = g if weight is None else g * weight[at]
                if hessian is not None:
                    hessian[:, at] = h if weight is None else h * weight[at]

        grower.each(share, row_blocks(raw.shape[1], grower.threads, 8192))
        return gradient, hessian

    def _refit(self, tree: HistogramTree, order: Any, y: Any, raw: Any, w: Any, loss: Any) -> None:
        """Leaves' values where the loss has a better constant than the Newton step."""
        for i in np.flatnonzero(tree.nodes[:, 0] < 0):
            inside = order[tree.nodes[i, 4] : tree.nodes[i, 5]]
            best = loss.leaf(y[inside], raw[:, inside], w[inside])
            tree.value[i] = self.learning_rate * best

    def _add(self, rounds: list[list[HistogramTree]], X: Any, out: Any, threads: int = 1) -> None:
        """out [rows, trees a round] += the trees' values."""
        trees = [tree for trees in rounds for tree in trees]
        nodes, roots = join(tree.packed for tree in trees)
        masks = np.concatenate([tree.masks for tree in trees]) if self._seen else None
        if masks is not None:
            # Masks are numbered from 0 in each tree.
            shift = np.cumsum([0, *(len(tree.masks) for tree in trees)])[:-1]
            shift = np.repeat(shift, [len(tree.value) for tree in trees])
            nodes = nodes._replace(mask=np.where(nodes.mask < 0, -1, nodes.mask + shift))

        def block(rows: tuple[int, int]) -> None:
            at = slice(*rows)
            add_trees(X[at], *nodes, roots, masks, 0, self._loss.trees, 1.0, memory(), out[at])

        in_threads(block, row_blocks(len(X), threads, 2000), threads)

    def _sums(self, X: Any, threads: int) -> Any:
        """[rows, trees a round], where boosting starts and the sums of all trees."""
        raw = np.repeat(self._baseline[None], len(X), axis=0)
        if self._predictors:
            self._add(self._predictors, X, raw, threads)
        return raw

    def _raw(self, X: Any) -> Any:
        """[trees a round, rows], the sums of all trees."""
        ensure_fitted(self, "_predictors")
        X = np.ascontiguousarray(self._encoded(self._check(X)))
        return self._sums(X, thread_count(-1)).T

    def _staged_raw(self, X: Any) -> Any:
        check_is_fitted(self)
        X = np.ascontiguousarray(self._encoded(self._check(X)))
        raw = np.repeat(self._baseline[None], len(X), axis=0)
        for trees in self._predictors:
            self._add([trees], X, raw)
            yield raw.T.copy()

    @property
    def n_trees_per_iteration_(self) -> int:
        check_is_fitted(self)
        return int(self._loss.trees)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _working(self) -> Working:
        from chainrule.learn.trees.showing import show_boosting

        trees = [[int((t.nodes[:, 0] < 0).sum()) for t in round_] for round_ in self._predictors]
        return show_boosting(self, self._needs_trace(), trees)


class HistGradientBoostingRegressor(RegressorMixin, _HistGradientBoosting):
    """Boosted histogram trees for numbers; parameters, attributes and errors are scikit-learn's.

    loss: "squared_error", "absolute_error", "gamma", "poisson", "quantile". Categories are given as
    a mask, indices or names of numeric columns. Early stopping watches the loss.
    """

    _parameter_constraints = {
        **_HistGradientBoosting._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "gamma", "poisson", "quantile"})],
        "quantile": [Interval(Real, 0, 1, closed="both"), None],
    }

    def __init__(
        self, loss: str = "squared_error", *, quantile: float | None = None,
        learning_rate: float = 0.1, max_iter: int = 100, max_leaf_nodes: Any = 31,
        max_depth: Any = None, min_samples_leaf: int = 20, l2_regularization: float = 0.0,
        max_features: float = 1.0, max_bins: int = 255, categorical_features: Any = None,
        monotonic_cst: Any = None, interaction_cst: Any = None, warm_start: bool = False,
        early_stopping: Any = "auto", validation_fraction: Any = 0.1, n_iter_no_change: int = 10,
        tol: float = 1e-7, verbose: Any = 0, random_state: Any = None,
    ) -> None:  # fmt: skip
        self.loss, self.quantile, self.learning_rate = loss, quantile, learning_rate
        self.max_iter, self.max_leaf_nodes, self.max_depth = max_iter, max_leaf_nodes, max_depth
        self.min_samples_leaf, self.l2_regularization = min_samples_leaf, l2_regularization
        self.max_features, self.max_bins = max_features, max_bins
        self.categorical_features, self.early_stopping = categorical_features, early_stopping
        self.validation_fraction, self.n_iter_no_change = validation_fraction, n_iter_no_change
        self.tol, self.verbose, self.random_state = tol, verbose, random_state
        self.monotonic_cst, self.interaction_cst = monotonic_cst, interaction_cst
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Add tree after tree; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._check(X, y, reset=True)
        y = numbers_of(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if self.loss in ("gamma", "poisson") and (y.min() < 0 or y.sum() <= 0):
            raise ValueError(f"loss='{self.loss}' requires non-negative y and sum(y) > 0.")
        if self.loss == "gamma" and y.min() <= 0:
            raise ValueError("loss='gamma' requires strictly positive y.")
        loss: Any
        if self.loss == "quantile":
            loss = losses.Quantile(0.5 if self.quantile is None else self.quantile)
        else:
            loss = {
                "squared_error": losses.SquaredError, "absolute_error": losses.AbsoluteError,
                "gamma": losses.Gamma, "poisson": losses.Poisson,
            }[self.loss]()  # fmt: skip
        self._boost(X, y, weight, loss, sample_weight is not None, trace)
        return self

    def predict(self, X: Any) -> Any:
        raw = self._raw(X)
        return self._loss.inverse(raw[0])

    def staged_predict(self, X: Any) -> Any:
        """The predictions after each round."""
        for raw in self._staged_raw(X):
            yield self._loss.inverse(raw[0])


class HistGradientBoostingClassifier(Labels, ClassifierMixin, _HistGradientBoosting):
    """Boosted histogram trees for classes (log loss); see `HistGradientBoostingRegressor`."""

    _parameter_constraints = {
        **_HistGradientBoosting._parameter_constraints,
        "loss": [StrOptions({"log_loss"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self, loss: str = "log_loss", *, learning_rate: float = 0.1, max_iter: int = 100,
        max_leaf_nodes: Any = 31, max_depth: Any = None, min_samples_leaf: int = 20,
        l2_regularization: float = 0.0, max_features: float = 1.0, max_bins: int = 255,
        categorical_features: Any = None, monotonic_cst: Any = None, interaction_cst: Any = None,
        warm_start: bool = False, early_stopping: Any = "auto", validation_fraction: Any = 0.1,
        n_iter_no_change: int = 10, tol: float = 1e-7, verbose: Any = 0, random_state: Any = None,
        class_weight: Any = None,
    ) -> None:  # fmt: skip
        self.loss, self.learning_rate, self.class_weight = loss, learning_rate, class_weight
        self.max_iter, self.max_leaf_nodes, self.max_depth = max_iter, max_leaf_nodes, max_depth
        self.min_samples_leaf, self.l2_regularization = min_samples_leaf, l2_regularization
        self.max_features, self.max_bins = max_features, max_bins
        self.categorical_features, self.early_stopping = categorical_features, early_stopping
        self.validation_fraction, self.n_iter_no_change = validation_fraction, n_iter_no_change
        self.tol, self.verbose, self.random_state = tol, verbose, random_state
        self.monotonic_cst, self.interaction_cst = monotonic_cst, interaction_cst
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None, trace: bool = False) -> Any:
        """Add tree after tree; Ctrl-C keeps those that stand already."""
        self._validate_params()
        X, y = self._check(X, y, reset=True)
        codes = self._encode(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        weighted = sample_weight is not None or self.class_weight is not None
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, y)
        many = self.n_classes_ > 2
        loss: Any = losses.LogLoss(self.n_classes_) if many else losses.BinaryLogLoss()
        self._boost(X, codes, weight, loss, weighted, trace)
        return self

    def decision_function(self, X: Any) -> Any:
        """Raw sums: [rows] for two classes, else [rows, classes]."""
        raw = self._raw(X)
        return raw[0] if len(raw) == 1 else raw.T

    def predict_proba(self, X: Any) -> Any:
        """[rows, classes] probabilities."""
        raw = self._raw(X)
        return self._loss.shares(raw)[:, : self.n_classes_]

    def predict(self, X: Any) -> Any:
        return self._by_sums(self._raw(X))

    def staged_predict_proba(self, X: Any) -> Any:
        for raw in self._staged_raw(X):
            yield self._loss.shares(raw)[:, : self.n_classes_]

    def staged_predict(self, X: Any) -> Any:
        """The predictions after each round."""
        for raw in self._staged_raw(X):
            yield self._by_sums(raw)

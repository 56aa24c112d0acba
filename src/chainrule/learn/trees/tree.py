"""Decision trees for classes and for numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Bunch, check_array, check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from chainrule.learn.base import Explained
from chainrule.learn.checks import alike, ensure_fitted, finite, sum_of_squares
from chainrule.learn.trees.kernels import ENTROPY, GINI, POISSON, SQUARED
from chainrule.learn.trees.ranking import Columns, Ranking, rank, unranked
from chainrule.learn.trees.structure import Limits, Tree, grow
from chainrule.learn.working import Working

CRITERIA = {
    "gini": GINI, "entropy": ENTROPY, "log_loss": ENTROPY, "squared_error": SQUARED,
    "friedman_mse": SQUARED, "poisson": POISSON,
}  # fmt: skip
GROWTH: dict[str, list[Any]] = {
    "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    "min_samples_split": [
        Interval(Integral, 2, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="right"),
    ],
    "min_samples_leaf": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="neither"),
    ],
    "min_weight_fraction_leaf": [Interval(Real, 0.0, 0.5, closed="both")],
    "max_features": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="right"),
        StrOptions({"sqrt", "log2"}),
        None,
    ],
    "random_state": ["random_state"],
    "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
    "min_impurity_decrease": [Interval(Real, 0.0, None, closed="left")],
    "ccp_alpha": [Interval(Real, 0.0, None, closed="left")],
}


def feature_count(max_features: Any, d: int) -> int:
    """How many of d features a split looks at."""
    if max_features is None:
        return d
    if max_features == "sqrt":
        return max(1, int(np.sqrt(d)))
    if max_features == "log2":
        return max(1, int(np.log2(d)))
    if isinstance(max_features, Integral):
        return min(int(max_features), d)
    return max(1, int(max_features * d))


def limits_of(
    estimator: Any, shape: tuple[int, int], weight: Any, classes: int, criterion: str = ""
) -> Limits:
    """The growth limits that an estimator's parameters mean for a table and its weights."""
    n, d = shape
    leaf: Any = estimator.min_samples_leaf
    split: Any = estimator.min_samples_split
    leaf = leaf if isinstance(leaf, Integral) else int(np.ceil(leaf * n))
    split = split if isinstance(split, Integral) else max(2, int(np.ceil(split * n)))
    return Limits(
        criterion=CRITERIA[criterion or estimator.criterion],
        classes=classes,
        max_depth=2**31 - 1 if estimator.max_depth is None else estimator.max_depth,
        min_samples_split=max(split, 2 * leaf),
        min_samples_leaf=leaf,
        max_features=feature_count(estimator.max_features, d),
        random_cuts=getattr(estimator, "splitter", "best") == "random",
        min_weight_leaf=estimator.min_weight_fraction_leaf * float(np.sum(weight)),
        min_impurity_decrease=estimator.min_impurity_decrease,
        max_leaf_nodes=estimator.max_leaf_nodes,
    )


def seed_of(random: np.random.RandomState) -> int:
    return int(random.randint(np.iinfo(np.int32).max))


def dense(X: Any) -> Any:
    """The table with its zeros written out."""
    return X.toarray(order="C") if issparse(X) else X


def as_single(X: Any) -> Any:
    """float32 [rows, D] of a NumPy table of floats, C order; itself if it is that."""
    with np.errstate(over="ignore"):
        return X.astype(np.float32, order="C", copy=False)


def single(X: Any) -> Any:
    """`as_single`; None unless all is finite then."""
    rows = as_single(X)
    # Machine code is compiled once more for rows that may not be written.
    return rows if rows.flags.writeable and finite(rows) else None


def snapshot(X: Any) -> Any:
    """float32 [rows, D], a copy for a trace."""
    with np.errstate(over="ignore"):
        return np.array(X, np.float32, order="C")


def refuse_large(X: Any) -> None:
    """Raises ValueError, scikit-learn's, if a number is too large for float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        if X.dtype == np.float32 or (X.flags.forc and sum_of_squares(X.ravel(order="K")) < 1e76):
            return
        for low in range(0, len(X), 4096):
            block = X[low : low + 4096]
            check_array(block, dtype=np.float32, ensure_all_finite="allow-nan", input_name="X")


class Rows:
    """Mixin: a table seen as float32 in which NaN means that a value is missing.

    A fit gets it as it was given, float32 or float64, and copies none of it. A sparse table is laid
    out in full: the splits read whole columns. A finite NumPy table is checked for a prediction in
    microseconds, everything else by scikit-learn.
    """

    n_features_in_: int

    def _rows(self, X: Any, y: Any = None, reset: bool = False) -> Any:
        if not reset and alike(self, X, reset) and (rows := single(X)) is not None:
            return rows
        options = {"ensure_all_finite": "allow-nan", "accept_sparse": "csr"}
        if not reset:
            return dense(
                validate_data(self, X, reset=False, dtype=np.float32, order="C", **options)
            )
        # The answers are checked by each estimator; here only that there are any.
        kinds = np.float32 if issparse(X) else [np.float32, np.float64]
        X, y = validate_data(self, X, y, y_numeric=False, multi_output=True, dtype=kinds, **options)
        X = dense(X)
        refuse_large(X)
        return X, y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags


class Labels:
    """Mixin: classes as whole numbers 0, 1, 2, …"""

    classes_: Any

    def _encode(self, y: Any) -> Any:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        return codes.astype(np.float64)

    def _likeliest(self, shares: Any) -> Any:
        """[rows], the class of the largest of the shares [rows, classes], the first of equals."""
        if shares.shape[1] == 2:
            return self.classes_[(shares[:, 1] > shares[:, 0]).view(np.int8)]
        return self.classes_[shares.argmax(axis=1)]

    def _by_sums(self, raw: Any) -> Any:
        """[rows], the class of raw sums [classes, rows]; [1, rows]: above 0 the second one."""
        if len(raw) > 1:
            return self.classes_[raw.argmax(axis=0)]
        return self.classes_[(raw[0] > 0.0).view(np.int8)]


def numbers_of(y: Any) -> Any:
    """float64 [rows] answers of a regression, finite; y itself if it is that."""
    y = column_or_1d(y, warn=True).astype(np.float64, copy=False)
    if not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity.")
    return y


def weights_of(sample_weight: Any, X: Any) -> Any:
    """float64 [rows] weights, all 1 (not to be written) where none are given."""
    if sample_weight is None:
        return np.broadcast_to(1.0, len(X))
    return _check_sample_weight(sample_weight, X, dtype=np.float64)


class _DecisionTree(Rows, Explained, BaseEstimator):
    """What both trees share."""

    tree_: Tree
    n_features_in_: int
    trace_: tuple[Any, Any, Any] | None

    def _ranked(self, X: Any, ranking: Ranking | None) -> Ranking | Columns:
        """The numbered table; the one that was given if it fits."""
        return unranked(X) if self.splitter == "random" else ranking or rank(X)

    def fit_ranked(
        self, ranking: Ranking, y: Any, weight: Any, classes: int, samples: Any = None
    ) -> None:
        """Grow the tree of a numbered table; y: float64 [rows] or numbers of classes.

        samples: int64, the rows that count, some of them more than once; None for all of a weight.
        """
        self.n_features_in_, self.trace_ = ranking.table.shape[1], None
        self._grow(ranking, y, weight, classes, samples)

    def _grow(
        self, ranking: Ranking | Columns, y: Any, weight: Any, classes: int, samples: Any = None
    ) -> None:
        random = check_random_state(self.random_state)
        rows = len(y) if samples is None else len(samples)
        limits = limits_of(self, (rows, self.n_features_in_), weight, classes)
        tree = grow(ranking, y, weight, limits, seed_of(random), samples=samples)
        self.max_features_ = limits.max_features
        self.tree_ = tree.pruned(self.ccp_alpha) if self.ccp_alpha > 0.0 else tree

    @property
    def feature_importances_(self) -> Any:
        """Share of the impurity decrease that each feature's splits brought."""
        check_is_fitted(self)
        return self.tree_.compute_feature_importances()

    def get_depth(self) -> int:
        check_is_fitted(self)
        return self.tree_.max_depth

    def get_n_leaves(self) -> int:
        check_is_fitted(self)
        return self.tree_.n_leaves

    def apply(self, X: Any, check_input: bool = True) -> Any:
        """int64 [rows], the leaf that each row reaches."""
        ensure_fitted(self, "tree_")
        return self.tree_.apply(self._rows(X))

    def decision_path(self, X: Any, check_input: bool = True) -> Any:
        """Sparse [rows, nodes], 1 where a row passes through a node."""
        ensure_fitted(self, "tree_")
        return self.tree_.decision_path(self._rows(X))

    def cost_complexity_pruning_path(self, X: Any, y: Any, sample_weight: Any = None) -> Bunch:
        """Bunch of ccp_alphas and the leaves' total impurities, from the full tree to the root."""
        full = type(self)(**{**self.get_params(), "ccp_alpha": 0.0}).fit(X, y, sample_weight)
        tree = full.tree_
        leaves = tree.children_left < 0
        mass = tree.weighted_n_node_samples * tree.impurity / tree.weighted_n_node_samples[0]
        steps = [(0.0, float(mass[leaves].sum())), *((a, r) for a, _, r in tree.pruning())]
        alphas, impurities = np.array(steps).T
        return Bunch(ccp_alphas=alphas, impurities=impurities)

    def _working(self) -> Working:
        from chainrule.learn.trees.showing import show_tree

        return show_tree(self, *self._needs_trace())


class DecisionTreeClassifier(Labels, ClassifierMixin, _DecisionTree):
    """Decision tree for classes, split where the impurity falls most (CART; Breiman et al. 1984).

    Parameters, attributes and errors are scikit-learn's; one answer a row. Ties
    between splits go to the feature of the lower index, so the tree does not depend on
    random_state unless max_features or splitter="random" draws.
    """

    _parameter_constraints = {
        **GROWTH,
        "criterion": [StrOptions({"gini", "entropy", "log_loss"})],
        "splitter": [StrOptions({"best", "random"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self, *, criterion: str = "gini", splitter: str = "best", max_depth: Any = None,
        min_samples_split: Any = 2, min_samples_leaf: Any = 1, min_weight_fraction_leaf: Any = 0.0,
        max_features: Any = None, random_state: Any = None, max_leaf_nodes: Any = None,
        min_impurity_decrease: float = 0.0, class_weight: Any = None, ccp_alpha: float = 0.0,
    ) -> None:  # fmt: skip
        self.criterion, self.splitter, self.max_depth = criterion, splitter, max_depth
        self.min_samples_split, self.min_samples_leaf = min_samples_split, min_samples_leaf
        self.min_weight_fraction_leaf, self.max_features = min_weight_fraction_leaf, max_features
        self.random_state, self.max_leaf_nodes = random_state, max_leaf_nodes
        self.min_impurity_decrease, self.class_weight = min_impurity_decrease, class_weight
        self.ccp_alpha = ccp_alpha

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True,
        trace: bool = False, ranking: Ranking | None = None,
    ) -> DecisionTreeClassifier:  # fmt: skip
        """Grow the tree; `trace` keeps the rows for `working`, `ranking` saves sorting them."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        codes = self._encode(y)
        weight = weights_of(sample_weight, X)
        if self.class_weight is not None:
            weight = weight * compute_sample_weight(self.class_weight, y)
        self.trace_ = (snapshot(X), codes, weight) if trace else None
        # One class is a tree of one leaf, whose value has one column.
        self._grow(self._ranked(X, ranking), codes, weight, self.n_classes_)
        return self

    def predict_proba(self, X: Any, check_input: bool = True) -> Any:
        """[rows, classes], the shares of the classes in the leaf that a row reaches."""
        ensure_fitted(self, "tree_")
        X = self._rows(X)
        return np.ones((len(X), 1)) if self.n_classes_ == 1 else self.tree_.predict(X)

    def predict_log_proba(self, X: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: Any, check_input: bool = True) -> Any:
        """The class with the largest share in the leaf."""
        return self._likeliest(self.predict_proba(X))


class DecisionTreeRegressor(RegressorMixin, _DecisionTree):
    """Decision tree for numbers; see `DecisionTreeClassifier`.

    criterion: "squared_error", "friedman_mse" (the same splits), "poisson".
    """

    _parameter_constraints = {
        **GROWTH,
        "criterion": [StrOptions({"squared_error", "friedman_mse", "poisson"})],
        "splitter": [StrOptions({"best", "random"})],
    }

    def __init__(
        self, *, criterion: str = "squared_error", splitter: str = "best", max_depth: Any = None,
        min_samples_split: Any = 2, min_samples_leaf: Any = 1, min_weight_fraction_leaf: Any = 0.0,
        max_features: Any = None, random_state: Any = None, max_leaf_nodes: Any = None,
        min_impurity_decrease: float = 0.0, ccp_alpha: float = 0.0,
    ) -> None:  # fmt: skip
        self.criterion, self.splitter, self.max_depth = criterion, splitter, max_depth
        self.min_samples_split, self.min_samples_leaf = min_samples_split, min_samples_leaf
        self.min_weight_fraction_leaf, self.max_features = min_weight_fraction_leaf, max_features
        self.random_state, self.max_leaf_nodes = random_state, max_leaf_nodes
        self.min_impurity_decrease, self.ccp_alpha = min_impurity_decrease, ccp_alpha

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True,
        trace: bool = False, ranking: Ranking | None = None,
    ) -> DecisionTreeRegressor:  # fmt: skip
        """Grow the tree; `trace` keeps the rows for `working`, `ranking` saves sorting them."""
        self._validate_params()
        X, y = self._rows(X, y, reset=True)
        y = numbers_of(y)
        if self.criterion == "poisson" and (y.min() < 0 or y.sum() <= 0):
            raise ValueError("criterion='poisson' needs answers y ≥ 0 with a sum above 0.")
        weight = weights_of(sample_weight, X)
        self.trace_ = (snapshot(X), y.copy(), weight) if trace else None
        self._grow(self._ranked(X, ranking), y, weight, 1)
        return self

    def predict(self, X: Any, check_input: bool = True) -> Any:
        """The mean answer in the leaf that a row reaches."""
        ensure_fitted(self, "tree_")
        return self.tree_.predict(self._rows(X))[:, 0]

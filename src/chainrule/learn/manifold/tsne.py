"""TSNE: a map on which near samples stay near."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_non_negative, validate_data

from chainrule.base.text import t
from chainrule.learn.base import Explained, Rounds
from chainrule.learn.decomposition import PCA
from chainrule.learn.manifold import affinities
from chainrule.learn.manifold.descent import BarnesHut, Exact, descend

Array = np.ndarray


class TSNE(Explained, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """t-distributed stochastic neighbour embedding.

    Pairs of samples get probabilities p, large for near ones; the points of the map move until
    Student's t gives their pairs q close to p: they make KL = Σ p·log(p/q) small.

    Args:
        n_components: dimensions of the map, at most 3 for Barnes-Hut. perplexity: how many
        neighbours count, roughly. early_exaggeration: factor of p in the first 250 rounds.
        learning_rate: "auto" is max(N/early_exaggeration/4, 50). max_iter: rounds, at least 250.
        n_iter_without_progress, min_grad_norm: when to end early, judged every 50 rounds.
        metric: "euclidean", "precomputed" (X is [N, N]) or a name or function that
        sklearn.metrics.pairwise_distances takes. init: "pca", "random" or an array [N, D].
        method: "barnes_hut" (N·log N a round) or "exact" (N²). angle: a group of points counts as
        one if its width is less than angle times its distance.

    Attributes:
        embedding_ [N, n_components], kl_divergence_, learning_rate_, n_iter_; trace_ after
        `fit(..., trace=True)`.

    Source: van der Maaten and Hinton, Visualizing data using t-SNE, 2008; van der Maaten,
    Accelerating t-SNE using tree-based algorithms, 2014.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "perplexity": [Interval(Real, 0, None, closed="neither")],
        "early_exaggeration": [Interval(Real, 1, None, closed="left")],
        "learning_rate": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 250, None, closed="left")],
        "n_iter_without_progress": [Interval(Integral, -1, None, closed="left")],
        "min_grad_norm": [Interval(Real, 0, None, closed="left")],
        "metric": [str, callable],
        "metric_params": [dict, None],
        "init": [StrOptions({"pca", "random"}), np.ndarray],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "method": [StrOptions({"barnes_hut", "exact"})],
        "angle": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": [None, Integral],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        perplexity: float = 30.0,
        early_exaggeration: float = 12.0,
        learning_rate: Any = "auto",
        max_iter: int = 1000,
        n_iter_without_progress: int = 300,
        min_grad_norm: float = 1e-7,
        metric: Any = "euclidean",
        metric_params: dict[str, Any] | None = None,
        init: Any = "pca",
        verbose: int = 0,
        random_state: Any = None,
        method: str = "barnes_hut",
        angle: float = 0.5,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.perplexity = perplexity
        self.early_exaggeration = early_exaggeration
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.n_iter_without_progress = n_iter_without_progress
        self.min_grad_norm = min_grad_norm
        self.metric = metric
        self.metric_params = metric_params
        self.init = init
        self.verbose = verbose
        self.random_state = random_state
        self.method = method
        self.angle = angle
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Makes the map of X [N, D] ([N, N] if precomputed); trace keeps it round by round."""
        self._fit(X, trace)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Makes the map of X, and returns it: [N, n_components]."""
        self._fit(X, False)
        return self.embedding_

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X: Any, trace: bool) -> None:
        X = validate_data(self, X, ensure_min_samples=2, dtype=[np.float32, np.float64])
        self._check(X)
        n = len(X)
        rate = self.learning_rate
        if isinstance(rate, str):
            rate = max(n / self.early_exaggeration / 4, 50.0)
        self.learning_rate_ = rate
        random = check_random_state(self.random_state)
        freedom = float(max(self.n_components - 1, 1))
        field = self._field(X, freedom)
        points = self._start(X, random)
        with Rounds(self, self.max_iter, self.verbose, 50) as rounds:
            path = descend(
                field,
                points,
                rounds,
                freedom=freedom,
                exaggeration=self.early_exaggeration,
                rate=float(rate),
                patience=self.n_iter_without_progress,
                least_gradient=self.min_grad_norm,
                keep=trace,
            )
        if rounds.interrupted:
            last = field(points, 1.0, True).divergence
        else:
            last = path.checks[-1][1]
        self.n_iter_ = rounds.done if rounds.interrupted else path.rounds
        self.kl_divergence_ = last
        self.embedding_ = points.astype(np.float32)
        self.__dict__.pop("trace_", None)
        if trace:
            self.trace_ = {"shares": field.table, "checks": path.checks, "points": points.copy()}

    def _check(self, X: Array) -> None:
        if self.perplexity >= len(X):
            raise ValueError(
                t(
                    "perplexity ({perplexity}) must be less than n_samples ({samples})",
                    perplexity=self.perplexity,
                    samples=len(X),
                )
            )
        if self.metric == "precomputed":
            if isinstance(self.init, str) and self.init == "pca":
                raise ValueError(
                    t('The parameter init="pca" cannot be used with metric="precomputed".')
                )
            if X.shape[0] != X.shape[1]:
                raise ValueError(t("X should be a square distance matrix"))
            check_non_negative(X, "TSNE.fit")
        if self.method == "barnes_hut" and self.n_components > 3:
            raise ValueError(
                t("n_components={dims}: Barnes-Hut maps have at most 3.", dims=self.n_components)
            )

    def _field(self, X: Array, freedom: float) -> Any:
        if self.method == "exact":
            squares = affinities.squared_distances(X, self.metric, self.metric_params)
            return Exact(affinities.joint_dense(squares, self.perplexity), freedom)
        count = min(len(X) - 1, int(3.0 * self.perplexity + 1))
        found, squares = affinities.neighbours(X, count, self.metric, self.metric_params)
        shares = affinities.joint_sparse(found, squares, self.perplexity)
        return BarnesHut(shares, freedom, self.angle, self.n_components)

    def _start(self, X: Array, random: np.random.RandomState) -> Array:
        if isinstance(self.init, np.ndarray):
            if self.init.shape != (len(X), self.n_components):
                raise ValueError(
                    t(
                        "init has the shape {given} instead of {wanted}.",
                        given=self.init.shape,
                        wanted=(len(X), self.n_components),
                    )
                )
            return self.init.astype(np.float64)
        if self.init == "pca":
            points = PCA(self.n_components, random_state=random).fit_transform(X)
            return points.astype(np.float64) / max(float(np.std(points[:, 0])), 1e-300) * 1e-4
        return 1e-4 * random.standard_normal((len(X), self.n_components))

    @property
    def _n_features_out(self) -> int:
        return self.embedding_.shape[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    def _working(self) -> Any:
        # The working is only needed when somebody looks.
        from chainrule.learn.manifold.working import working

        return working(self, self._needs_trace())

"""IncrementalPCA: principal components batch by batch, with memory for one batch."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval

from chainrule.base.text import t
from chainrule.learn.checks import checked
from chainrule.learn.decomposition import algebra
from chainrule.learn.decomposition.projection import ProjectionMixin

Array = np.ndarray


class IncrementalPCA(ProjectionMixin):
    """Principal components of samples that come in batches.

    A batch is put below the components found so far, times their singular values, and one row for
    the move of the mean; the singular vectors of that small table are the new components.

    Args:
        n_components: K (None: as many as the first batch allows). whiten: divides the coordinates
        by their standard deviations. batch_size: rows a batch in `fit` (None: 5·D).

    Attributes:
        As `PCA`; var_ [D], n_samples_seen_, batch_size_; trace_ after `fit(..., trace=True)`.

    Source: Ross, Lim, Lin and Yang, Incremental learning for robust visual tracking, 2008.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "whiten": ["boolean"],
        "copy": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        whiten: bool = False,
        copy: bool = True,
        batch_size: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.copy = copy
        self.batch_size = batch_size

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Finds the components of X [N, D], batch_size rows at a time."""
        X = checked(self, X, reset=True, accept_sparse=("csr", "csc", "lil"))
        X = X.tocsr() if issparse(X) else X
        self._forget()
        self.batch_size_ = self.batch_size or 5 * X.shape[1]
        least = self.n_components or 0
        path = []
        for batch in gen_batches(X.shape[0], self.batch_size_, min_batch_size=least):
            self._add(X[batch].toarray() if issparse(X) else X[batch])
            if trace:
                path.append((self.n_samples_seen_, self.singular_values_, self.mean_))
        if trace:
            self.trace_ = {"X": X.toarray() if issparse(X) else X.copy(), "path": path}
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> Any:
        """Adds the rows of X [N, D] as one batch."""
        first = not hasattr(self, "components_")
        if issparse(X):
            raise TypeError(
                t("IncrementalPCA.partial_fit takes no sparse X: call fit, or give X.toarray().")
            )
        X = checked(self, X, reset=first)
        if first:
            self._forget()
        self._add(X)
        return self

    components_: Array
    singular_values_: Array

    def _forget(self) -> None:
        for name in ("components_", "trace_"):
            self.__dict__.pop(name, None)
        self.n_samples_seen_ = 0

    def _components(self, samples: int, features: int) -> int:
        first = not hasattr(self, "components_")
        wanted = self.n_components
        if wanted is None:
            return min(samples, features) if first else len(self.components_)
        if wanted > features:
            raise ValueError(
                t(
                    "n_components={wanted} invalid for n_features={features}, need more rows than "
                    "columns for IncrementalPCA processing",
                    wanted=wanted,
                    features=features,
                )
            )
        if first and wanted > samples:
            raise ValueError(
                t(
                    "n_components={wanted} must be less or equal to the batch number of samples "
                    "{samples} for the first partial_fit call.",
                    wanted=wanted,
                    samples=samples,
                )
            )
        if not first and wanted != len(self.components_):
            raise ValueError(
                t(
                    "n_components changed from {before} to {now} between calls to partial_fit.",
                    before=len(self.components_),
                    now=wanted,
                )
            )
        return int(wanted)

    def _add(self, X: Array) -> None:
        samples, features = X.shape
        components = self._components(samples, features)
        seen = self.n_samples_seen_
        total = seen + samples
        mean = X.mean(axis=0, dtype=np.float64)
        centred = X - mean.astype(X.dtype)
        scatter = np.einsum("nd,nd->d", centred, centred, dtype=np.float64)
        if seen == 0:
            table = centred
            self.mean_, self.var_ = mean, scatter / total
        else:
            move = self.mean_ - mean
            table = np.empty((len(self.components_) + samples + 1, features), X.dtype)
            kept = len(self.components_)
            np.multiply(self.singular_values_[:, None], self.components_, out=table[:kept])
            table[kept:-1] = centred
            table[-1] = np.sqrt(seen / total * samples) * move
            self.var_ = (self.var_ * seen + scatter + seen * samples / total * move**2) / total
            self.mean_ = self.mean_ + samples / total * (mean - self.mean_)
        values, rows = algebra.singular(table)
        variances = values**2 / (total - 1) if total > 1 else np.full_like(values, np.nan)
        self.n_samples_seen_ = total
        self.n_components_ = components
        self.components_ = algebra.orient(rows[:components])
        self.singular_values_ = values[:components]
        self.explained_variance_ = variances[:components]
        spread = float(np.sum(self.var_)) * total
        with np.errstate(divide="ignore", invalid="ignore"):
            self.explained_variance_ratio_ = values[:components] ** 2 / spread
        left = variances[components:]
        whole = components in (samples, features) or not left.size
        self.noise_variance_ = 0.0 if whole else float(left.mean())

    def _project(self, X: Array) -> Array:
        return super()._project(X).astype(X.dtype, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _working(self) -> Any:
        # The working is only needed when somebody looks.
        from chainrule.learn.decomposition.working import working_of_batches

        return working_of_batches(self, self._needs_trace())

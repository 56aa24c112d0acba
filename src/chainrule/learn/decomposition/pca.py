"""PCA: the directions of largest variance."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import svds
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

from chainrule.base.text import t
from chainrule.learn.checks import checked
from chainrule.learn.decomposition import algebra
from chainrule.learn.decomposition.projection import ProjectionMixin

Array = np.ndarray
_EIGEN = ("eigen", "covariance_eigh")
_WHOLE = ("svd", "full")


class PCA(ProjectionMixin):
    """Principal component analysis: a rotation to coordinates that are not correlated.

    Args:
        n_components: K; None for all, a share 0 < v < 1 of the variance to be explained, or "mle"
        (Minka). whiten: divides the coordinates by their standard deviations. svd_solver: "eigen"
        (centre, covariance, eigenvectors, project; "covariance_eigh" is the same), "svd" ("full"
        is the same), "randomized", "arpack", or "auto": "eigen" for at most 1000 features and ten
        times as many samples, "svd" for small tables, "randomized" for few components, else "svd".
        Where "eigen" costs less than "randomized" it is taken instead, and is exact.
        tol: of arpack. iterated_power, n_oversamples, power_iteration_normalizer: of "randomized".
        copy: False lets "svd", "randomized" and "arpack" centre X in its place.

    Attributes:
        components_ [K, D], unit rows, the entry of largest size positive; explained_variance_,
        explained_variance_ratio_, singular_values_ [K]; mean_ [D]; noise_variance_ (the mean
        variance of what is left out), n_components_, n_samples_; trace_ after
        `fit(..., trace=True)`.

    Source: Pearson, On lines and planes of closest fit, 1901; Tipping and Bishop, Mixtures of
    probabilistic principal component analyzers, 1999.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            StrOptions({"mle"}),
            None,
        ],
        "copy": ["boolean"],
        "whiten": ["boolean"],
        "svd_solver": [StrOptions({"auto", "arpack", "randomized", *_EIGEN, *_WHOLE})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "iterated_power": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "n_oversamples": [Interval(Integral, 1, None, closed="left")],
        "power_iteration_normalizer": [StrOptions({"auto", "QR", "LU", "none"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: Any = None,
        *,
        copy: bool = True,
        whiten: bool = False,
        svd_solver: str = "auto",
        tol: float = 0.0,
        iterated_power: Any = "auto",
        n_oversamples: int = 10,
        power_iteration_normalizer: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.copy = copy
        self.whiten = whiten
        self.svd_solver = svd_solver
        self.tol = tol
        self.iterated_power = iterated_power
        self.n_oversamples = n_oversamples
        self.power_iteration_normalizer = power_iteration_normalizer
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Finds the components of X [N, D]; trace keeps X for `working()`."""
        X = self._fit(X)
        self.__dict__.pop("trace_", None)
        if trace:
            self.trace_ = {
                "X": X.toarray() if issparse(X) else np.array(X),
                "spectrum": self._all_variances,
            }
        del self._all_variances
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Array:
        """Finds the components, and returns the coordinates [N, K] of the samples."""
        X = self._fit(X)
        self.__dict__.pop("trace_", None)
        del self._all_variances
        return self._project(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X: Any) -> Array:
        solvers = ("auto", "arpack", *_EIGEN)
        if issparse(X) and self.svd_solver not in solvers:
            raise TypeError(
                t(
                    "PCA takes sparse X with svd_solver {solvers} only, not {solver!r}.",
                    solvers=", ".join(map(repr, solvers)),
                    solver=self.svd_solver,
                )
            )
        X = checked(self, X, reset=True, force_writeable=True, accept_sparse=("csr", "csc"))
        solver = self._solver(X)
        wanted = self._wanted(X, solver)
        quick = self.svd_solver == "auto" and issparse(X) and _tall(X)
        if quick or solver in _EIGEN or (solver == "randomized" and self._narrow(X, wanted)):
            sparse = issparse(X)
            self.mean_, covariance = (algebra.sparse_moments if sparse else algebra.moments)(X)
            variances, rows = algebra.eigen(covariance)
            values = np.sqrt(variances * (X.shape[0] - 1))
            total = float(variances.sum())
            whole = min(X.shape)
            variances, values, rows = variances[:whole], values[:whole], rows[:whole]
        else:
            if not issparse(X):
                self.mean_ = algebra.column_means(X)
            values, rows, total = self._singular(X, solver, wanted)
            variances = values**2 / _free(X)
        self._all_variances = variances
        self._keep(X, variances, values, algebra.orient(rows), total, wanted)
        return X

    def _narrow(self, X: Array, wanted: int) -> bool:
        """Whether the covariance takes fewer multiplications than products with random vectors."""
        rounds = 4 if isinstance(self.iterated_power, str) else self.iterated_power
        width = wanted + self.n_oversamples
        return len(X) >= 10 * X.shape[1] and X.shape[1] <= min(1000, 2 * (rounds + 1) * width)

    def _singular(self, X: Array, solver: str, wanted: Any) -> tuple[Array, Array, float]:
        """Singular values and right vectors of the centred X, and its total variance."""
        if issparse(X):
            return self._arpack_of_sparse(X, wanted)
        order = "F" if solver in _WHOLE else "C"
        if self.copy:
            centred = np.subtract(X, self.mean_, order=order)  # type: ignore[call-overload]
        else:
            centred = np.subtract(X, self.mean_, out=X)
        squares = float(np.einsum("nd,nd->", centred, centred))
        if solver in _WHOLE:
            # An overwritten copy is nobody's loss; X itself is kept.
            values, rows = algebra.singular(centred if self.copy else centred.copy())
        elif solver == "randomized":
            values, rows = algebra.randomized(
                centred,
                wanted,
                self.n_oversamples,
                self.iterated_power,
                self.power_iteration_normalizer,
                check_random_state(self.random_state),
            )
        else:
            values, rows = self._arpack(centred, wanted)
        if not self.copy:
            X += self.mean_
        return values, rows, squares / _free(X)

    def _arpack(self, centred: Any, wanted: int) -> tuple[Array, Array]:
        start = check_random_state(self.random_state).uniform(-1, 1, min(centred.shape))
        _, values, rows = svds(centred, k=wanted, tol=self.tol, v0=start)
        return values[::-1], rows[::-1]

    def _arpack_of_sparse(self, X: Any, wanted: int) -> tuple[Array, Array, float]:
        """As `_singular`; sets mean_. X − mean is never formed."""
        samples = X.shape[0]
        self.mean_, squares = (
            np.asarray(table.mean(axis=0)).ravel().astype(X.dtype) for table in (X, X.multiply(X))
        )
        total = samples * float(np.sum(squares - self.mean_**2))
        values, rows = self._arpack(algebra.centred_operator(X, self.mean_), wanted)
        return values, rows, total / _free(X)

    def _solver(self, X: Array) -> str:
        if self.svd_solver != "auto":
            one = X.shape[0] == 1 and self.svd_solver in _EIGEN
            return "svd" if one else self.svd_solver
        if issparse(X):
            return "arpack"
        wanted = self.n_components
        if _tall(X):
            return "eigen"
        if max(X.shape) <= 500 or wanted == "mle":
            return "svd"
        if wanted is not None and 1 <= wanted < 0.8 * min(X.shape):
            return "randomized"
        return "svd"

    def _wanted(self, X: Array, solver: str) -> Any:
        """n_components with None resolved. Raises ValueError for what the solver cannot give."""
        most = min(X.shape)
        wanted = self.n_components
        if wanted is None:
            return most - 1 if solver == "arpack" else most
        whole = solver in _EIGEN or solver in _WHOLE
        if isinstance(wanted, str):
            if not whole:
                raise ValueError(
                    t(
                        "n_components={wanted!r} cannot be a string with svd_solver={solver!r}",
                        wanted=wanted,
                        solver=solver,
                    )
                )
            if X.shape[0] < X.shape[1]:
                raise ValueError(
                    t("n_components='mle' is only supported if n_samples >= n_features")
                )
            return wanted
        least = 0 if whole else 1
        limit = most - 1 if solver == "arpack" else most
        if not least <= wanted <= limit:
            raise ValueError(
                t(
                    "n_components={wanted} must be between {least} and {limit} with "
                    "svd_solver={solver!r}: min(n_samples, n_features)={most}",
                    wanted=wanted,
                    least=least,
                    limit=limit,
                    most=most,
                    solver=solver,
                )
            )
        return wanted

    def _keep(
        self, X: Array, variances: Array, values: Array, rows: Array, total: float, wanted: Any
    ) -> None:
        samples, features = X.shape
        shares = variances / total if total > 0 else np.full_like(variances, np.nan)
        if wanted == "mle":
            count = algebra.likeliest_dimension(variances, samples)
        elif 0 < wanted < 1:
            # Just more than the share that is asked for.
            count = int(np.searchsorted(np.cumsum(shares), wanted, side="right")) + 1
        else:
            count = int(wanted)
        count = min(count, len(variances))
        # Not kept components have what is left of the variance, found or not.
        rest = min(X.shape) - count
        left = max(total - float(variances[:count].sum()), 0.0)
        known = len(variances) == min(X.shape)
        if rest == 0:
            self.noise_variance_ = 0.0
        else:
            self.noise_variance_ = float(variances[count:].mean()) if known else left / rest
        self.n_samples_, self.n_components_ = samples, count
        self.components_ = np.ascontiguousarray(rows[:count])
        self.explained_variance_ = variances[:count].copy()
        self.explained_variance_ratio_ = shares[:count].copy()
        self.singular_values_ = values[:count].copy()

    def score_samples(self, X: Any) -> Array:
        """Log-likelihood [N] of each row of X [N, D] under the probabilistic model."""
        return self._score_samples(X)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log-likelihood of the rows of X [N, D]."""
        return float(np.mean(self._score_samples(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.svd_solver in ("auto", "arpack", *_EIGEN)
        return tags

    def _working(self) -> Any:
        # The working is only needed when somebody looks.
        from chainrule.learn.decomposition.working import working

        return working(self, self._needs_trace())


def _free(X: Any) -> float:
    """Degrees of freedom of a variance; a sample alone has none, and the variance is NaN."""
    return X.shape[0] - 1 or math.nan


def _tall(X: Any) -> bool:
    """Whether the covariance is small and cheap beside X."""
    return bool(X.shape[1] <= 1000 and X.shape[0] >= 10 * X.shape[1])

"""GaussianMixture: a density made of Gaussians, fitted by expectation and maximization."""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from chainrule.base.text import t
from chainrule.learn.base import Explained, Rounds
from chainrule.learn.checks import checked
from chainrule.learn.cluster import KMeans
from chainrule.learn.cluster.seeding import seed
from chainrule.learn.cluster.threads import one_blas_thread
from chainrule.learn.mixture import given
from chainrule.learn.mixture.steps import Parameters, Steps, factors_of_precisions

Array = np.ndarray


class GaussianMixture(Explained, DensityMixin, BaseEstimator):
    """p(x) = Σ_k π_k·N(x; μ_k, Σ_k), fitted to make the likelihood of the samples large.

    Args:
        n_components: K. covariance_type: "full" (each component its own), "tied" (one for all),
        "diag", "spherical". tol: the fit ends when a round raises the mean log-likelihood by less.
        reg_covar: added to the variances. max_iter: rounds a start. n_init: starts, of which the
        likeliest is kept. init_params: "kmeans", "k-means++", "random" or "random_from_data".
        weights_init [K], means_init [K, D], precisions_init (shape as covariances_): first values.
        warm_start: a second fit goes on from the first.

    Attributes:
        weights_ [K], means_ [K, D], covariances_, precisions_, precisions_cholesky_ ([K, D, D],
        [D, D], [K, D] or [K] by kind), converged_, n_iter_, lower_bound_ (the mean log-likelihood
        before the last maximization), lower_bounds_ (of every round); trace_ after
        `fit(..., trace=True)`.

    Source: Dempster, Laird and Rubin, Maximum likelihood from incomplete data via the EM
    algorithm, 1977.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "tied", "diag", "spherical"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({"kmeans", "random", "random_from_data", "k-means++"})],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: str = "kmeans",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval

    def fit(self, X: Any, y: Any = None, *, trace: bool = False) -> Any:
        """Fits the mixture to X [N, D]; trace keeps every round for `working()`."""
        self._fit(X, trace)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> Array:
        """Fits, and returns the likeliest component [N] of each sample."""
        steps = self._fit(X, False)
        with one_blas_thread():
            return steps.labels(self._kept())

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X: Any, trace: bool) -> Steps:
        X = checked(self, X, reset=True, order="C", least=2)
        if len(X) < self.n_components:
            raise ValueError(
                t(
                    "Expected n_samples >= n_components but got n_components = {components}, "
                    "n_samples = {samples}",
                    components=self.n_components,
                    samples=len(X),
                )
            )
        first = given.Given(self, X)
        random = check_random_state(self.random_state)
        steps = Steps(X, self.n_components, self.covariance_type, self.reg_covar)
        again = self.warm_start and hasattr(self, "converged_")
        best: tuple[float, Parameters, list[float], bool, list[Any]] | None = None
        for _ in range(1 if again else self.n_init):
            with (
                one_blas_thread(),
                Rounds(self, self.max_iter, self.verbose, self.verbose_interval) as rounds,
            ):
                start = self._kept() if again else self._start(X, steps, random, first)
                bound = self.lower_bound_ if again else -math.inf
                found = self._run(steps, start, bound, rounds, trace)
                if best is None or found[0] > best[0]:
                    best = found
            if rounds.interrupted:
                break
        if best is None:
            raise KeyboardInterrupt
        if not (np.isfinite(best[1].means).all() and np.isfinite(best[1].factors).all()):
            raise ValueError(
                t(
                    "The means or covariances are not finite: the data hold values so large that "
                    "their squares overflow. Scale the data."
                )
            )
        self._keep(*best)
        if trace:
            self.trace_["X"] = X.copy()
        return steps

    def _run(
        self, steps: Steps, parameters: Parameters, bound: float, rounds: Rounds, trace: bool
    ) -> tuple[float, Parameters, list[float], bool, list[Any]]:
        bounds: list[float] = []
        path = [(parameters.weights, parameters.means, parameters.covariances)]
        converged = False
        for _ in rounds:
            before = bound
            bound, parameters = steps.both(parameters)
            bounds.append(bound)
            if trace:
                path.append((parameters.weights, parameters.means, parameters.covariances))
            rounds.show(log_likelihood=bound)
            if abs(bound - before) < self.tol:
                converged = True
                break
        return bound, parameters, bounds, converged, path if trace else []

    def _start(
        self, X: Array, steps: Steps, random: np.random.RandomState, first: given.Given
    ) -> Parameters:
        if first.weights is not None and first.means is not None and first.precisions is not None:
            return Parameters(
                first.weights, first.means, None,
                factors_of_precisions(first.precisions, self.covariance_type),
            )  # fmt: skip
        parameters = steps.maximize(self._first_shares(X, random))
        if first.weights is not None:
            parameters.weights = first.weights
        if first.means is not None:
            parameters.means = first.means
        if first.precisions is not None:
            parameters.factors = factors_of_precisions(first.precisions, self.covariance_type)
        return parameters

    def _first_shares(self, X: Array, random: np.random.RandomState) -> Array:
        """[K, N]."""
        components = self.n_components
        if self.init_params == "random":
            shares = random.uniform(size=(len(X), components)).astype(X.dtype)
            return np.ascontiguousarray((shares / shares.sum(axis=1, keepdims=True)).T)
        shares = np.zeros((components, len(X)), X.dtype)
        if self.init_params == "kmeans":
            labels = KMeans(components, n_init=1, random_state=random).fit(X).labels_
            shares[labels, np.arange(len(X))] = 1
            return shares
        if self.init_params == "k-means++":
            rows = seed(X, components, np.ones(len(X), X.dtype), random, None)
        else:
            rows = random.choice(len(X), size=components, replace=False)
        shares[np.arange(components), rows] = 1
        return shares

    def _keep(
        self,
        bound: float,
        parameters: Parameters,
        bounds: list[float],
        converged: bool,
        path: list[Any],
    ) -> None:
        self.converged_ = converged
        self.n_iter_ = len(bounds)
        self.lower_bound_ = bound
        self.lower_bounds_ = bounds
        self.weights_, self.means_ = parameters.weights, parameters.means
        factors = self.precisions_cholesky_ = parameters.factors
        full = self.covariance_type in ("full", "tied")
        self.precisions_ = factors @ np.swapaxes(factors, -1, -2) if full else factors**2
        if parameters.covariances is None:
            # Everything was given and no round was run: only the precisions are known.
            self.covariances_ = np.linalg.inv(self.precisions_) if full else 1.0 / self.precisions_
        else:
            self.covariances_ = parameters.covariances
        self.__dict__.pop("trace_", None)
        if path:
            self.trace_ = {"path": path, "bounds": bounds}
        if not converged and self.max_iter > 0:
            warnings.warn(
                t(
                    "Best performing initialization did not converge. Try different init "
                    "parameters, or increase max_iter, tol, or check for degenerate data."
                ),
                ConvergenceWarning,
                stacklevel=4,
            )

    def _kept(self) -> Parameters:
        return Parameters(self.weights_, self.means_, self.covariances_, self.precisions_cholesky_)

    # ------------------------------------------------------------------ after the fit

    def _steps(self, X: Any) -> Steps:
        check_is_fitted(self)
        X = checked(self, X, reset=False, order="C")
        return Steps(X, self.n_components, self.covariance_type, self.reg_covar)

    def _expected(self, X: Any) -> Steps:
        steps = self._steps(X)
        with one_blas_thread():
            steps.expect(self._kept())
        return steps

    def score_samples(self, X: Any) -> Array:
        """log p(x) [N] of the rows of X [N, D]."""
        return self._expected(X).likelihoods

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of log p(x) over the rows of X [N, D]."""
        return float(np.mean(self.score_samples(X)))

    def predict(self, X: Any) -> Array:
        """The likeliest component [N] for each row of X [N, D]."""
        steps = self._steps(X)
        with one_blas_thread():
            return steps.labels(self._kept())

    def predict_proba(self, X: Any) -> Array:
        """The probability [N, K] of each component for each row of X [N, D]."""
        return np.ascontiguousarray(self._expected(X).shares.T)

    def sample(self, n_samples: int = 1) -> tuple[Array, Array]:
        """Draws n_samples points [N, D] and the components [N] that they come from."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(
                t(
                    "Invalid value for 'n_samples': {count}. The sampling requires at least one "
                    "sample.",
                    count=n_samples,
                )
            )
        random = check_random_state(self.random_state)
        counts = random.multinomial(n_samples, self.weights_)
        drawn = []
        for k, (mean, count) in enumerate(zip(self.means_, counts)):
            if self.covariance_type in ("full", "tied"):
                tied = self.covariance_type == "tied"
                covariance = self.covariances_ if tied else self.covariances_[k]
                drawn.append(random.multivariate_normal(mean, covariance, int(count)))
            else:
                noise = random.standard_normal(size=(count, len(mean)))
                drawn.append(mean + noise * np.sqrt(self.covariances_[k]))
        return np.vstack(drawn), np.repeat(np.arange(len(counts)), counts)

    def _n_parameters(self) -> int:
        """How many numbers the fit was free to choose."""
        components, features = self.means_.shape
        triangle = features * (features + 1) // 2
        covariances = {
            "full": components * triangle,
            "tied": triangle,
            "diag": components * features,
            "spherical": components,
        }[self.covariance_type]
        return covariances + components * features + components - 1

    def bic(self, X: Any) -> float:
        """Bayesian information criterion on X [N, D]: −2·Σ log p + parameters·log N."""
        values = self.score_samples(X)
        return float(-2 * values.sum() + self._n_parameters() * math.log(len(values)))

    def aic(self, X: Any) -> float:
        """Akaike information criterion on X [N, D]: −2·Σ log p + 2·parameters."""
        return float(-2 * self.score_samples(X).sum() + 2 * self._n_parameters())

    def _working(self) -> Any:
        # The working is only needed when somebody looks.
        from chainrule.learn.mixture.working import working

        return working(self, self._needs_trace())

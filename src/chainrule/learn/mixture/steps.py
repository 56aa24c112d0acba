"""Expectation and maximization for the four kinds of covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from chainrule.base.text import t
from chainrule.learn.cluster.threads import each_range, ranges
from chainrule.learn.mixture import kernels

Array = np.ndarray


@dataclass
class Parameters:
    """weights [K], means [K, D], and per kind: full [K, D, D], tied [D, D], diag [K, D],
    spherical [K] covariances, and factors L of the same shape with precision = L·Lᵀ."""

    weights: Array
    means: Array
    covariances: Array | None
    factors: Array

    def cast(self, dtype: Any) -> Parameters:
        return Parameters(
            np.ascontiguousarray(self.weights, dtype),
            np.ascontiguousarray(self.means, dtype),
            self.covariances,
            np.ascontiguousarray(self.factors, dtype),
        )


def factors_of(covariances: Array, kind: str) -> Array:
    """L with L·Lᵀ = Σ⁻¹: upper triangles for full and tied, 1/σ for diag and spherical.

    Raises ValueError for a covariance that is not positive definite.
    """
    if kind in ("diag", "spherical"):
        if np.any(covariances <= 0):
            raise ValueError(_ill())
        return 1.0 / np.sqrt(covariances)
    matrices = covariances if kind == "full" else covariances[None]
    potrf, trtri = get_lapack_funcs(("potrf", "trtri"), (matrices,))
    factors = np.empty_like(matrices)
    for k, matrix in enumerate(matrices):
        root, failed = potrf(matrix, lower=True, clean=True)
        if failed:
            raise ValueError(_ill())
        inverse, failed = trtri(root, lower=True)
        factors[k] = inverse.T
    return factors if kind == "full" else factors[0]


def factors_of_precisions(precisions: Array, kind: str) -> Array:
    """L with L·Lᵀ the given precisions; upper triangles, so that they are like `factors_of`."""
    if kind in ("diag", "spherical"):
        return np.sqrt(precisions)
    if kind == "full":
        return np.stack([_upper(matrix) for matrix in precisions])
    return _upper(precisions)


def _upper(matrix: Array) -> Array:
    # The Cholesky factor of the matrix with both axes reversed, reversed back.
    return np.linalg.cholesky(matrix[::-1, ::-1])[::-1, ::-1].copy()


def _ill() -> str:
    return t(
        "Fitting the mixture model failed because some components have ill-defined empirical "
        "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
        "number of components, increase reg_covar, or scale the input data."
    )


class Steps:
    """The two steps on the rows of X [N, D], and their buffers."""

    def __init__(self, X: Array, components: int, kind: str, reg_covar: float) -> None:
        self.X, self.kind, self.reg_covar = X, kind, reg_covar
        self.components = components
        features = X.shape[1]
        # Multiplications of a row: a plain loop takes so little that threads pay late.
        per_row = components * features * {"full": features, "tied": 4}.get(kind, 1)
        self.parts = ranges(len(X), per_row)
        rows = min(kernels.BLOCK, len(X))
        self._scratch = np.empty((len(self.parts), 2, rows, features), X.dtype)
        self.shares = np.empty((len(X), components), X.dtype)
        self.likelihoods = np.empty(len(X), X.dtype)
        self._scatter: tuple[Array, Array] | None = None

    # ------------------------------------------------------------------ expectation

    def logs(self, parameters: Parameters, out: Array) -> None:
        """out [N, K] = log π_k + log N(x; μ_k, Σ_k)."""
        each_range(self._logs(parameters, out), self.parts)

    def _logs(self, parameters: Parameters, out: Array) -> Any:
        X, kind = self.X, self.kind
        p = parameters.cast(X.dtype)
        features = X.shape[1]
        with np.errstate(divide="ignore"):
            constants = np.log(p.weights) - features / 2 * np.log(2 * np.pi)
        if kind in ("full", "tied"):
            constants = constants + np.log(np.diagonal(p.factors, axis1=-2, axis2=-1)).sum(axis=-1)
        elif kind == "diag":
            constants = constants + np.log(p.factors).sum(axis=1)
        else:
            constants = constants + features * np.log(p.factors)
        constants = constants.astype(X.dtype)
        if kind == "full":

            def full(part: int, a: int, b: int) -> None:
                d, w = self._scratch[part]
                kernels.log_full(X, p.means, p.factors, constants, a, b, d, w, out)

            return full
        if kind == "tied":
            # In coordinates in which the common covariance is 1 only distances are left.
            middle = p.means.mean(axis=0)
            centers = (p.means - middle) @ p.factors
            ones = np.ones_like(centers)

            def tied(part: int, a: int, b: int) -> None:
                white = (X[a:b] - middle) @ p.factors
                kernels.log_diagonal(white, centers, ones, constants, 0, b - a, out[a:b])

            return tied
        scales = p.factors if kind == "diag" else np.repeat(p.factors[:, None], features, axis=1)

        def diagonal(part: int, a: int, b: int) -> None:
            kernels.log_diagonal(X, p.means, scales, constants, a, b, out)

        return diagonal

    def expect(self, parameters: Parameters) -> float:
        """Fills `shares` [N, K] and `likelihoods` [N]; returns the mean log-likelihood."""
        logs = self._logs(parameters, self.shares)

        def do(part: int, a: int, b: int) -> float:
            logs(part, a, b)
            return self._share_out(a, b)

        return sum(each_range(do, self.parts)) / len(self.X)

    def _share_out(self, a: int, b: int) -> float:
        kernels.lower(self.shares, a, b, self.likelihoods)
        np.exp(self.shares[a:b], out=self.shares[a:b])
        return kernels.normalise(self.shares, a, b, self.likelihoods)

    # ------------------------------------------------------------------ maximization

    def both(self, parameters: Parameters) -> tuple[float, Parameters]:
        """One round: the mean log-likelihood under the parameters, and the better ones."""
        logs = self._logs(parameters, self.shares)
        means = np.ascontiguousarray(parameters.means, self.X.dtype)
        mass, sums, squares = self._empty_moments()

        def do(part: int, a: int, b: int) -> float:
            logs(part, a, b)
            total = self._share_out(a, b)
            self._moments(means, part, a, b, mass[part], sums[part], squares[part])
            return total

        total = sum(each_range(do, self.parts))
        found = self._parameters(means, mass, sums, squares)
        found.weights = found.weights / found.weights.sum()
        return total / len(self.X), found

    def maximize(self, shares: Array) -> Parameters:
        """The parameters for given shares [N, K]."""
        self.shares[:] = shares
        tiny = 10 * np.finfo(self.X.dtype).eps
        means = self.shares.T @ self.X / (self.shares.sum(axis=0)[:, None] + tiny)
        mass, sums, squares = self._empty_moments()

        def do(part: int, a: int, b: int) -> None:
            self._moments(means, part, a, b, mass[part], sums[part], squares[part])

        each_range(do, self.parts)
        return self._parameters(means, mass, sums, squares)

    def _empty_moments(self) -> tuple[Array, Array, Array]:
        size, components, features = len(self.parts), self.components, self.X.shape[1]
        last = (features, features) if self.kind == "full" else (features,)
        dtype = self.X.dtype
        return (
            np.zeros((size, components), dtype),
            np.zeros((size, components, features), dtype),
            np.zeros((size, components, *last), dtype),
        )

    def _moments(
        self, means: Array, part: int, a: int, b: int, mass: Array, sums: Array, squares: Array
    ) -> None:
        if self.kind == "full":
            d, w = self._scratch[part]
            product = np.empty_like(squares[0])
            kernels.moments_full(
                self.X, self.shares, means, a, b, d, w, product, mass, sums, squares
            )
        elif self.kind == "tied":
            mass += self.shares[a:b].sum(axis=0)
            sums += self.shares[a:b].T @ self.X[a:b]
            sums -= mass[:, None] * means
        else:
            kernels.moments_diagonal(self.X, self.shares, means, a, b, mass, sums, squares)

    def _parameters(self, means: Array, mass: Array, sums: Array, squares: Array) -> Parameters:
        count = mass.sum(axis=0) + 10 * np.finfo(self.X.dtype).eps
        shift = sums.sum(axis=0) / count[:, None]
        new = means + shift
        if self.kind == "tied":
            covariances = self._tied(new, count)
            covariances.flat[:: len(covariances) + 1] += self.reg_covar
        elif self.kind == "full":
            covariances = squares.sum(axis=0) / count[:, None, None]
            covariances -= shift[:, :, None] * shift[:, None]
            diagonal = np.arange(new.shape[1])
            covariances[:, diagonal, diagonal] += self.reg_covar
        else:
            covariances = squares.sum(axis=0) / count[:, None] - shift**2 + self.reg_covar
            if self.kind == "spherical":
                covariances = covariances.mean(axis=1)
        weights = count / len(self.X)
        return Parameters(weights, new, covariances, factors_of(covariances, self.kind))

    def _tied(self, means: Array, count: Array) -> Array:
        if self._scatter is None:
            middle = self.X.mean(axis=0)
            centered = self.X - middle
            self._scatter = middle, centered.T @ centered
        middle, scatter = self._scatter
        apart = means - middle
        return (scatter - (count * apart.T) @ apart) / count.sum()

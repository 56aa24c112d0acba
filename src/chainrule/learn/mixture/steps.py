"""Expectation and maximization for the four kinds of covariance.

All is matrix products on blocks of samples that stay in the cache. A block lies column by column
[D, R], so that the loops run through the samples and not through the few features or components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from chainrule.base.text import t
from chainrule.learn.checks import minus
from chainrule.learn.cluster.threads import each_range, ranges

Array = np.ndarray
# Numbers of a block's scratch.
_BLOCK = 1 << 16
# Samples of a block at least and at most.
_LEAST, _MOST = 128, 2048


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


class Moments:
    """Sums over samples with weights r [K, R]: the mass Σ r [K], sums Σ r·x [K, D] and squares,
    per kind: full Σ r·(x − μ)·xᵀ [K, D, D], diag and spherical Σ r·x² [K, D], tied none.

    x and μ without `middle`.
    """

    def __init__(self, centers: Array, kind: str) -> None:
        components, features = centers.shape
        self.centers, self.kind = centers, kind
        self.mass = np.zeros(components, centers.dtype)
        self.sums = np.zeros((components, features), centers.dtype)
        shape = (components * features, features) if kind == "full" else (components, features)
        self.squares = np.zeros(shape, centers.dtype)

    def add(self, columns: Array, shares: Array, scratch: Array) -> None:
        """Of one block; see `Steps`."""
        components, features = self.centers.shape
        self.mass += shares.sum(axis=1)
        self.sums += shares @ columns.T
        if self.kind == "full":
            weighted = scratch.reshape(components, features, -1)
            np.subtract(columns, self.centers[:, :, None], out=weighted)
            weighted *= shares[:, None]
            self.squares += scratch @ columns.T
        elif self.kind != "tied":
            self.squares += shares @ np.multiply(columns, columns, out=scratch).T

    def join(self, other: Moments) -> Moments:
        self.mass += other.mass
        self.sums += other.sums
        self.squares += other.squares
        return self


Logs = Callable[[Array, Array, Array], None]


class Steps:
    """The two steps on the rows of X [N, D], and their buffers.

    A block's `columns` [D, R] are the samples less a point amid the components, which keeps digits.
    Its `scratch` is [K·D, R] for full, else [D, R].

    Attributes:
        shares [K, N], likelihoods [N]: of the last `expect`.
    """

    def __init__(self, X: Array, components: int, kind: str, reg_covar: float) -> None:
        self.X, self.kind, self.reg_covar = X, kind, reg_covar
        self.components = components
        features = X.shape[1]
        self.parts = ranges(len(X), components * features * (features if kind == "full" else 2))
        high = features * (components if kind == "full" else 1)
        self._rows = min(max(_BLOCK // high, _LEAST), _MOST, len(X))
        self._scratch = np.empty((len(self.parts), high * self._rows), X.dtype)
        self._columns = np.empty((len(self.parts), features * self._rows), X.dtype)
        self.shares = np.empty((components, len(X)), X.dtype)
        self.likelihoods = np.empty(len(X), X.dtype)
        self._scatter: tuple[Array, Array] | None = None

    def _blocks(
        self, part: int, first: int, last: int, middle: Array
    ) -> Iterator[tuple[slice, Array, Array]]:
        """(samples, columns, scratch) of the blocks of a range."""
        features = self.X.shape[1]
        pieces = -(-(last - first) // self._rows)
        step = -(-(last - first) // pieces)
        for start in range(first, last, step):
            where = slice(start, min(start + step, last))
            size = where.stop - start
            columns, scratch = (
                one[part, : one.shape[1] // self._rows * size]
                for one in (self._columns, self._scratch)
            )
            if self.kind == "full":
                columns = columns.reshape(features, size)
                columns[:] = self.X[where].T
                columns -= middle[:, None]
            else:
                columns = minus(self.X[where], middle, out=columns.reshape(size, features)).T
            # Squares lie as what is squared.
            squared = self.kind in ("diag", "spherical")
            scratch = scratch.reshape(size, -1).T if squared else scratch.reshape(-1, size)
            yield where, columns, scratch

    # ------------------------------------------------------------------ expectation

    def _logs(self, p: Parameters, centers: Array) -> Logs:
        """A function (columns, scratch, out) that makes out [K, R] = log π_k + log N(x; μ_k, Σ_k).

        centers [K, D]: μ less the middle.
        """
        kind, (components, features) = self.kind, centers.shape
        factors = p.factors
        with np.errstate(divide="ignore"):
            constants = np.log(p.weights) - features / 2 * np.log(2 * np.pi)
        if kind in ("full", "tied"):
            constants = constants + np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
        elif kind == "diag":
            constants = constants + np.log(factors).sum(axis=1)
        else:
            constants = constants + features * np.log(factors)
        if kind == "full":
            # |(x − μ)·L|² with all L one below the other.
            turned = np.ascontiguousarray(factors.swapaxes(1, 2)).reshape(-1, features)
            moves = np.matmul(centers[:, None], factors).reshape(-1, 1)
            constants = constants.astype(moves.dtype)[:, None]

            def full(columns: Array, scratch: Array, out: Array) -> None:
                white = np.matmul(turned, columns, out=scratch)
                white -= moves
                cube = white.reshape(components, features, -1)
                np.einsum("kdr,kdr->kr", cube, cube, out=out)
                out *= -0.5
                out += constants

            return full
        if kind == "tied":
            # In coordinates in which the common covariance is 1 only distances are left.
            whitener, near = np.ascontiguousarray(factors.T), centers @ factors
            constants = (constants - (near**2).sum(axis=1) / 2).astype(near.dtype)[:, None]

            def tied(columns: Array, scratch: Array, out: Array) -> None:
                white = np.matmul(whitener, columns, out=scratch)
                np.matmul(near, white, out=out)
                out += constants
                out -= np.einsum("dr,dr->r", white, white) / 2

            return tied
        precisions = (factors if kind == "diag" else np.repeat(factors[:, None], features, 1)) ** 2
        straight, square = precisions * centers, precisions / -2
        constants = constants - (precisions * centers**2).sum(axis=1) / 2
        constants = constants.astype(straight.dtype)[:, None]

        def diagonal(columns: Array, scratch: Array, out: Array) -> None:
            np.matmul(square, np.multiply(columns, columns, out=scratch), out=out)
            out += straight @ columns
            out += constants

        return diagonal

    def _each_block(
        self, parameters: Parameters, do: Callable[[int, slice, Array, Array, Array], Any]
    ) -> None:
        """`do(part, samples, columns, scratch, logs)` for every block."""
        p = parameters.cast(self.X.dtype)
        middle = _middle(p)
        logs = self._logs(p, p.means - middle)

        def run(part: int, first: int, last: int) -> None:
            # Values too large for their squares are found at the end of the fit.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                out = np.empty((self.components, self._rows), self.X.dtype)
                for where, columns, scratch in self._blocks(part, first, last, middle):
                    block = out[:, : where.stop - where.start]
                    logs(columns, scratch, block)
                    do(part, where, columns, scratch, block)

        each_range(run, self.parts)

    def labels(self, parameters: Parameters) -> Array:
        """The likeliest component [N]."""
        found = np.empty(len(self.X), np.int64)

        def do(_: int, where: slice, columns: Array, scratch: Array, logs: Array) -> None:
            logs.argmax(axis=0, out=found[where])

        self._each_block(parameters, do)
        return found

    def expect(self, parameters: Parameters) -> None:
        """Fills `shares` and `likelihoods`."""

        def do(_: int, where: slice, columns: Array, scratch: Array, logs: Array) -> None:
            self.likelihoods[where] = _normalise(logs)
            self.shares[:, where] = logs

        self._each_block(parameters, do)

    # ------------------------------------------------------------------ maximization

    def both(self, parameters: Parameters) -> tuple[float, Parameters]:
        """One round: the mean log-likelihood under the parameters, and the better ones."""
        p = parameters.cast(self.X.dtype)
        middle = _middle(p)
        moments = [Moments(p.means - middle, self.kind) for _ in self.parts]
        totals = [0.0] * len(self.parts)

        def do(part: int, where: slice, columns: Array, scratch: Array, logs: Array) -> None:
            totals[part] += float(_normalise(logs).sum())
            moments[part].add(columns, logs, scratch)

        self._each_block(p, do)
        found = self._parameters(moments, middle)
        found.weights = found.weights / found.weights.sum()
        return sum(totals) / len(self.X), found

    def maximize(self, shares: Array) -> Parameters:
        """The parameters for given shares [K, N]."""
        tiny = 10 * np.finfo(self.X.dtype).eps
        mass = shares.sum(axis=1)
        means = shares @ self.X / (mass[:, None] + tiny)
        middle = mass @ means / mass.sum()
        moments = [Moments(means - middle, self.kind) for _ in self.parts]

        def do(part: int, first: int, last: int) -> None:
            with np.errstate(over="ignore", invalid="ignore"):
                for where, columns, scratch in self._blocks(part, first, last, middle):
                    moments[part].add(columns, shares[:, where], scratch)

        each_range(do, self.parts)
        return self._parameters(moments, middle)

    def _parameters(self, moments: list[Moments], middle: Array) -> Parameters:
        found = moments[0]
        for other in moments[1:]:
            found.join(other)
        components, features = found.centers.shape
        count = found.mass + 10 * np.finfo(self.X.dtype).eps
        with np.errstate(over="ignore", invalid="ignore"):
            near = found.sums / count[:, None]
            new = near + middle
            if self.kind == "tied":
                covariances = self._tied(new, count)
                covariances.flat[:: features + 1] += self.reg_covar
            elif self.kind == "full":
                moved = found.sums - found.mass[:, None] * found.centers
                squares = found.squares.reshape(components, features, features)
                squares -= moved[:, :, None] * found.centers[:, None]
                shift = moved / count[:, None]
                covariances = squares / count[:, None, None] - shift[:, :, None] * shift[:, None]
                covariances = (covariances + covariances.swapaxes(1, 2)) / 2
                diagonal = np.arange(features)
                covariances[:, diagonal, diagonal] += self.reg_covar
            else:
                # Rounding must not make a variance of nothing negative.
                covariances = np.maximum(found.squares / count[:, None] - near**2, 0)
                covariances += self.reg_covar
                if self.kind == "spherical":
                    covariances = covariances.mean(axis=1)
        weights = count / len(self.X)
        return Parameters(weights, new, covariances, factors_of(covariances, self.kind))

    def _tied(self, means: Array, count: Array) -> Array:
        if self._scatter is None:
            middle = self.X.mean(axis=0)
            centered = minus(self.X, middle)
            self._scatter = middle, centered.T @ centered
        middle, scatter = self._scatter
        apart = means - middle
        return (scatter - (count * apart.T) @ apart) / count.sum()


def _middle(p: Parameters) -> Array:
    """A point amid the components."""
    return p.weights @ p.means


def _normalise(logs: Array) -> Array:
    """Makes shares of the logarithms [K, R] in their place; returns log Σ exp [R]."""
    top = logs.max(axis=0)
    logs -= top
    np.exp(logs, out=logs)
    mass = logs.sum(axis=0)
    logs /= mass
    top += np.log(mass)
    return top

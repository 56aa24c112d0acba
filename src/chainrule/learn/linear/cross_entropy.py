"""The cost of logistic regression, its gradient and its curvature (formulas 2-5, 2-6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

# Numbers of a block of rows that stays in the cache between z = Xw and g = Xᵀr.
_BLOCK = 1 << 16


class CrossEntropy:
    """J(W, b) = Σ s_i·Cost(h(x_i), y_i)/Σs + λ/2·‖W‖²; W [K, p], b [K].

    Two classes have K = 1 and h = sigmoid(z); more have K rows and h = softmax(z). y: class
    indices [n]; s: weights [n]; strength: λ.
    """

    def __init__(
        self, X: Any, y: Any, weight: Any, classes: int, strength: float, intercept: bool
    ) -> None:
        self.X, self.weight, self.total = X, weight, float(weight.sum())
        self.rows = 1 if classes == 2 else classes
        self.strength, self.intercept = strength, intercept
        self.n, self.p = X.shape
        self.y = y.astype(np.float64) if classes == 2 else y
        self.sparse = sp.issparse(X)
        self.block = self.n if self.sparse else max(256, _BLOCK // max(self.p, 1))

    # ---- value and gradient ----------------------------------------------------------------------

    def value(self, W: Any, b: Any) -> tuple[float, Any, Any]:
        """(J, ∂J/∂W [K, p], ∂J/∂b [K]) in one pass through the data."""
        loss, slope_b = 0.0, np.zeros(self.rows)
        slope = np.zeros((self.rows, self.p))
        right = np.ascontiguousarray(W.T)
        for i in range(0, self.n, self.block):
            some = slice(i, i + self.block)
            X = self.X if self.sparse else self.X[some]
            part, rest = self._rest(X @ right + b, some)
            loss += part
            slope += (X.T @ rest).T if self.sparse else rest.T @ X
            slope_b += rest.sum(axis=0)
        slope = slope / self.total + self.strength * W
        value = loss / self.total + 0.5 * self.strength * float(np.vdot(W, W))
        return value, slope, slope_b / self.total * self.intercept

    def _rest(self, z: Any, some: slice) -> tuple[float, Any]:
        """(Σ s·Cost, s·(h − y) [rows, K]) from z, which it overwrites."""
        s = self.weight[some]
        if self.rows == 1:
            z, y = z[:, 0], self.y[some]
            tail = np.exp(-np.abs(z))
            # −y·ln h − (1 − y)·ln(1 − h) = max(z, 0) − y·z + ln(1 + e^−|z|), without overflow.
            loss = float(s @ (np.maximum(z, 0) - y * z + np.log1p(tail)))
            h = np.where(z >= 0, 1.0, tail) / (1.0 + tail)
            return loss, ((h - y) * s)[:, None]
        at, y = np.arange(len(z)), self.y[some]
        z -= z.max(axis=1, keepdims=True)
        picked = z[at, y]
        np.exp(z, out=z)
        sums = z.sum(axis=1)
        loss = float(s @ (np.log(sums) - picked))
        z *= (s / sums)[:, None]
        z[at, y] -= s
        return loss, z

    def probabilities(self, W: Any, b: Any) -> Any:
        """h [n, K]."""
        return probabilities(self.X @ W.T + b)

    # ---- curvature -------------------------------------------------------------------------------

    def hessian(self, W: Any, b: Any) -> Any:
        """∂²J of the columns (W_k, b_k) class by class: [K(p + 1), K(p + 1)], or K·p without b."""
        h = self.probabilities(W, b)
        s = self.weight / self.total
        q = self.p + self.intercept
        H = np.empty((self.rows, q, self.rows, q))
        for k in range(self.rows):
            for m in range(k + 1):
                bend = s * h[:, k] * ((k == m) - h[:, m])
                H[k, :, m] = H[m, :, k] = self._weighted_gram(bend)
        H = H.reshape(self.rows * q, self.rows * q)
        at = np.arange(self.rows * q)
        H[at, at] += np.where(at % q < self.p, self.strength, 0.0)
        return H

    def _weighted_gram(self, bend: Any) -> Any:
        """Xᵀ·diag(bend)·X with a column of ones for b."""
        q = self.p + self.intercept
        G = np.zeros((q, q))
        for i in range(0, self.n, self.block):
            some = slice(i, i + self.block)
            X = self.X if self.sparse else self.X[some]
            v = bend[some]
            Xv = X.multiply(v[:, None]).tocsr() if self.sparse else X * v[:, None]
            inner = X.T @ Xv
            G[: self.p, : self.p] += inner.toarray() if self.sparse else inner
            if self.intercept:
                sums = np.asarray(Xv.sum(axis=0)).ravel()
                G[: self.p, -1] += sums
                G[-1, : self.p] += sums
                G[-1, -1] += v.sum()
        return G

    def times_hessian(self, h: Any, V: Any, v: Any) -> tuple[Any, Any]:
        """∂²J·(V, v) at the probabilities h [n, K], without forming ∂²J."""
        turn = self.X @ V.T + v
        bent = h * turn
        bent -= h * bent.sum(axis=1, keepdims=True)
        bent *= (self.weight / self.total)[:, None]
        return (self.X.T @ bent).T + self.strength * V, bent.sum(axis=0) * self.intercept

    # ---- scales ----------------------------------------------------------------------------------

    def moments(self) -> tuple[Any, Any]:
        """Weighted mean and variance of each column: what L-BFGS scales its variables with."""
        s = self.weight / self.total
        mean = np.asarray(s @ self.X).ravel()
        if self.sparse:
            square = np.asarray(s @ self.X.multiply(self.X)).ravel()
        else:
            square = np.zeros(self.p)
            for i in range(0, self.n, self.block):
                rows = self.X[i : i + self.block]
                square += np.einsum("i,ij,ij->j", s[i : i + self.block], rows, rows)
        return mean, np.maximum(square - mean * mean, 0.0)

    def curvature(self) -> float:
        """An upper bound of the largest eigenvalue of ∂²J."""
        ones = float(self.intercept)
        s = self.weight / self.total
        v = np.ones(self.p + 1) / np.sqrt(self.p + 1)
        largest = 1.0
        for _ in range(60):  # power iteration on Xᵀ·diag(s)·X
            turned = s * (self.X @ v[:-1] + ones * v[-1])
            v = np.append(self.X.T @ turned, ones * turned.sum())
            largest = float(np.linalg.norm(v))
            if largest == 0.0:
                break
            v /= largest
        return 1.05 * largest * (0.25 if self.rows == 1 else 0.5) + self.strength


def probabilities(z: Any) -> Any:
    """sigmoid of one column, softmax of several: [n, K]."""
    if z.shape[1] == 1:
        tail = np.exp(-np.abs(z))
        return np.where(z >= 0, 1.0, tail) / (1.0 + tail)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

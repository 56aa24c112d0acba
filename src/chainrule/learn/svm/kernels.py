"""Kernel functions: matrix products by BLAS in blocks, then one compiled pass over each block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.cluster.threads import each_range, one_blas_thread, ranges
from chainrule.learn.svm.arithmetic import gaussian

# Entries of a block: the products of one stay in the processor's cache for the pass over them,
# and are little beside a small problem's matrix.
BLOCK = 1 << 15


@dataclass(frozen=True)
class Kernel:
    """k(a, b): "linear" a·b, "poly" (γ a·b + c)^degree, "rbf" exp(−γ‖a − b‖²), "sigmoid"
    tanh(γ a·b + c); "precomputed": the rows hold the values already."""

    name: str
    gamma: float = 1.0
    coef0: float = 0.0
    degree: int = 3

    def squares(self, a: Any) -> np.ndarray:
        """What the kernel needs of each row beside its products: ‖a‖² for "rbf"."""
        if self.name != "rbf":
            return np.zeros(a.shape[0])
        if issparse(a):
            return np.asarray(a.multiply(a).sum(axis=1), dtype=np.float64).ravel()
        return np.einsum("ij,ij->i", a, a)

    def diagonal(self, a: Any) -> np.ndarray:
        """k(a_i, a_i) of every row."""
        if self.name == "rbf":
            return np.ones(a.shape[0])
        if self.name == "precomputed":
            return np.ascontiguousarray(np.diagonal(a), dtype=np.float64)
        products = Kernel("rbf").squares(a)
        if self.name == "linear":
            return products
        base = self.gamma * products + self.coef0
        return base**self.degree if self.name == "poly" else np.tanh(base)

    def fill(
        self, out: np.ndarray, a: Any, b: Any, squares: np.ndarray, other_squares: np.ndarray
    ) -> None:
        """out[i, j] = k(a_i, b_j); out float32 or float64."""
        products = a @ b.T
        if issparse(products):
            products = products.toarray()
        if self.name == "linear":
            out[...] = products
        elif self.name == "rbf":
            gaussian(products, squares, other_squares, self.gamma, out)
        else:
            products *= self.gamma
            products += self.coef0
            if self.name == "poly":
                out[...] = products
                _raise(products, out, self.degree)
            else:
                np.tanh(products, out=products)
            out[...] = products


def _raise(values: np.ndarray, factor: np.ndarray, degree: int) -> None:
    """values, which are `factor`, **= degree by squaring: NumPy's general power takes thirty times
    as long."""
    if degree == 0:
        values.fill(1.0)
    for digit in f"{degree:b}"[1:]:
        values *= values
        if digit == "1":
            values *= factor


def in_blocks(rows: int, columns: int, do: Callable[[int, int], None], alone: bool = False) -> None:
    """Calls `do(first, last)` for blocks of rows that fit the cache, a share on each thread.

    alone: on this thread only, for callers that are one of several.
    """
    step = max(16, BLOCK // max(columns, 1))

    def share(_: int, start: int, end: int) -> None:
        for first in range(start, end, step):
            do(first, min(first + step, end))

    parts = [(0, rows)] if alone else ranges(rows, 8.0 * columns)
    if len(parts) == 1:
        share(0, *parts[0])
        return
    with one_blas_thread():
        each_range(share, parts)


class Rows:
    """Rows of the kernel matrix of n samples, in float32; they are computed when asked for.

    x: [n, features], or the kernel matrix for "precomputed".
    """

    def __init__(
        self,
        kernel: Kernel,
        x: Any,
        squares: np.ndarray | None = None,
        diagonal: np.ndarray | None = None,
    ) -> None:
        self.kernel, self.x, self.n = kernel, x, x.shape[0]
        self.squares = kernel.squares(x) if squares is None else squares
        self.diagonal = kernel.diagonal(x) if diagonal is None else diagonal

    def take(self, index: np.ndarray) -> Rows:
        """The matrix of these samples among themselves."""
        own = self.x[index]
        if self.kernel.name == "precomputed":
            own = np.ascontiguousarray(own[:, index])
        return Rows(self.kernel, own, self.squares[index], self.diagonal[index])

    def full(self, alone: bool = False) -> np.ndarray:
        """The whole matrix, [n, n]; alone: see `in_blocks`."""
        if self.kernel.name == "precomputed":
            return np.ascontiguousarray(self.x, dtype=np.float32)
        out = np.empty((self.n, self.n), np.float32)

        def do(i: int, j: int) -> None:
            self.kernel.fill(out[i:j], self.x[i:j], self.x, self.squares[i:j], self.squares)

        in_blocks(self.n, self.n, do, alone)
        return out

    def rows(self, index: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """The rows `index`, [len(index), n]; only some columns if asked."""
        if self.kernel.name == "precomputed":
            picked = self.x[index] if columns is None else self.x[np.ix_(index, columns)]
            return picked.astype(np.float32)
        b = self.x if columns is None else self.x[columns]
        squares = self.squares if columns is None else self.squares[columns]
        out = np.empty((len(index), b.shape[0]), np.float32)
        a, own = self.x[index], self.squares[index]

        def do(i: int, j: int) -> None:
            self.kernel.fill(out[i:j], a[i:j], b, own[i:j], squares)

        in_blocks(len(index), b.shape[0], do)
        return out

    def exact(self, index: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Some entries in double precision, [len(index), len(columns)]."""
        if self.kernel.name == "precomputed":
            return self.x[np.ix_(index, columns)]
        out = np.empty((len(index), len(columns)))
        squares, others = self.squares[index], self.squares[columns]
        self.kernel.fill(out, self.x[index], self.x[columns], squares, others)
        return out

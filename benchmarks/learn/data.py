"""The tables that are fitted, made from a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import make_blobs

Array = np.ndarray
# Rows that no fit sees: the scores are taken on them.
HELD_OUT = 1000


class Table(NamedTuple):
    """X [N, D] and y [N], and rows held out."""

    X: Array
    y: Array
    other_X: Array
    other_y: Array


def curved(rows: int, columns: int) -> tuple[Array, Array]:
    """A product, a wave and a linear part in half of the columns, and noise."""
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, columns))
    half = max(columns // 2, 3)
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3:half] @ random.normal(size=half - 3)
    return X, y + random.normal(size=rows)


def straight(rows: int, columns: int) -> tuple[Array, Array]:
    """A linear function of columns of different scale, and noise."""
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, columns)) * random.uniform(0.3, 3.0, columns)
    X += random.normal(size=columns)
    y = X @ random.normal(size=columns) / np.sqrt(columns)
    return X, y + random.normal(size=rows)


def blobs(rows: int, columns: int) -> tuple[Array, Array]:
    """Twelve clouds that touch each other."""
    return make_blobs(rows, columns, centers=12, cluster_std=4.0, random_state=0)


MAKERS = {"curved": curved, "straight": straight, "blobs": blobs}


def table(kind: str, rows: int, columns: int, classes: int) -> Table:
    """A table of `rows` rows; classes > 0 cuts y into as many equally large classes."""
    X, y = MAKERS[kind](rows + HELD_OUT, columns)
    if classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    # Copies: views would keep the rows of the other part in memory.
    return Table(X[:rows].copy(), y[:rows].copy(), X[rows:].copy(), y[rows:].copy())

"""Rows and columns drawn from a seed, so that a draw need not be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

# Rows of a table that are turned into float64 at a time.
_BLOCK = 4096


def order_of_rows(X: Any, y: Any, seen: Any = np.float64) -> Any:
    """int64 [rows], an order that depends on what the rows hold, not on where they stand.

    seen: the type as which the numbers are seen.

    Draws made along it do not change when rows move, or when a row of weight 2 stands there twice.
    """
    direction = np.random.default_rng(1).random(X.shape[1])
    place = np.empty(X.shape[0])
    for low in range(0, X.shape[0], _BLOCK):
        block = X[low : low + _BLOCK]
        block = block.toarray() if issparse(block) else block
        block = block.astype(seen, copy=False).astype(np.float64)
        place[low : low + _BLOCK] = np.nan_to_num(block, copy=False) @ direction
    place += y * np.pi
    return np.argsort(place)


@dataclass(frozen=True)
class Draws:
    """What each estimator of a bag is fitted on.

    Args:
        order: int64 [rows], see `order_of_rows`. edges: float64 [rows], where the share of each row
        ends along that order; None where all weigh 1. mass: the sum of the weights. count: rows, a
        row of whole weight 2 counted twice. rows, columns: how many are drawn. features: columns of
        the table. bootstrap, bootstrap_features: whether with replacement.
    """

    order: Any
    edges: Any
    mass: float
    count: int
    rows: int
    features: int
    columns: int
    bootstrap: bool
    bootstrap_features: bool

    def __call__(self, seed: int) -> tuple[Any, Any]:
        """(int64 [rows drawn], int64 [columns drawn]), columns in an order of their own."""
        own = np.random.default_rng(seed)
        if self.bootstrap:
            places: Any = own.random(self.rows)
            places *= self.mass
        else:
            places = own.permutation(self.count)[: self.rows] + 0.5
            places *= self.mass / self.count
        if self.edges is None:
            at = places.astype(np.int64)
        else:
            at = np.searchsorted(self.edges, places, side="right")
        np.minimum(at, len(self.order) - 1, out=at)
        if self.bootstrap_features:
            return self.order[at], own.choice(self.features, self.columns)
        return self.order[at], own.permutation(self.features)[: self.columns]

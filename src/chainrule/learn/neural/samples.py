"""A table as it was given and targets, converted batch by batch: no second table comes to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.data import Dataset

# Numbers of a table that are fetched at once: they stay in a cache until they are used.
_CACHED = 1 << 20


class Samples(Dataset):
    """Rows of X [N, ...] and y [N, ...]: sample i is (X[rows[i]], y[rows[i]]).

    Args:
        dtype: of floating inputs when they are fetched; None: as they are.
        rows: those that belong to it, None: all.
    """

    batched = True

    def __init__(
        self, X: np.ndarray, y: np.ndarray, dtype: Any = None, rows: np.ndarray | None = None
    ) -> None:
        self.X, self.y, self.dtype, self.rows = X, y, dtype, rows
        self.at_once = _CACHED // max(1, X[:1].size)

    def __len__(self) -> int:
        return len(self.X if self.rows is None else self.rows)

    def __getitem__(self, index: int) -> Any:
        x, y = self.fetch(np.arange(len(self))[[index]])
        return x[0], y[0]

    def fetch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.rows is not None:
            indices = self.rows[indices]
        return as_inputs(self.X[indices], self.dtype), self.y[indices]


def as_inputs(rows: np.ndarray, dtype: Any) -> np.ndarray:
    """The rows one behind the other, of `dtype` if they are floating and it is not None."""
    if dtype is not None and rows.dtype.kind == "f":
        rows = rows.astype(dtype, copy=False)
    return np.ascontiguousarray(rows)

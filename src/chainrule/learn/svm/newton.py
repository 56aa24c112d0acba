"""Newton's steps: their matrices and solutions, and steps on multipliers between their bounds.

Steps on one or two multipliers soon know which of them stay at a bound; those between their bounds
then go on in ever smaller steps. All of those at once solve one small linear system.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.lapack import dposv
from scipy.sparse import issparse

# So many free multipliers at most, and so often a bound may end a step.
MOST = 128
_ROUNDS = 8
# Of the mean diagonal, added to it: what single precision leaves of a small eigenvalue may be
# negative, and the step is to go down all the same.
_DAMPING = 1e-6
# Rows that are weighed at a time.
_ROWS = 4096


def gram(X: Any, bias: float, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ weight_i·x_i·x_iᵀ [p + 1, p + 1] over the rows of X [n, p], dense or CSR.

    rows: their indices [m]; weights: [m] ≥ 0; bias: the last entry of every x.
    """
    p = X.shape[1]
    out = np.zeros((p + 1, p + 1))
    for i in range(0, len(rows), _ROWS):
        own, root = X[rows[i : i + _ROWS]], np.sqrt(weights[i : i + _ROWS])
        if issparse(own):
            own = own.multiply(root[:, None]).tocsr()
            out[:p, :p] += (own.T @ own).toarray()
        else:
            own *= root[:, None]
            out[:p, :p] += own.T @ own
        out[p, :p] += bias * np.asarray(own.T @ root)
        out[p, p] += bias**2 * float(root @ root)
    out[:p, p] = out[p, :p]
    return out


def solved(H: np.ndarray, right: np.ndarray) -> np.ndarray:
    """H⁻¹·right of a definite H, which it overwrites; LAPACK itself, for H is often small."""
    _, out, failed = dposv(H, right, overwrite_a=True)
    if failed:
        raise np.linalg.LinAlgError(f"dposv: {failed}")
    return out


def as_far(
    change: np.ndarray, x: np.ndarray, low: np.ndarray, high: np.ndarray, kink: bool
) -> tuple[float, int]:
    """Changes x in place, but no further than the first bound.

    kink: 0 is one for every x. Gives the share of the change that was made, and the index of the x
    that met its bound, −1 if none did.
    """
    end = np.where(change > 0, high, low)
    if kink:
        end = np.where(change * x < 0, 0.0, end)
    room = np.full(x.size, np.inf)
    moves = change != 0
    room[moves] = (end - x)[moves] / change[moves]
    first = int(np.argmin(room))
    length = min(1.0, float(room[first]))
    x += length * change
    if length == 1.0:
        return length, -1
    x[first] = end[first]
    return length, first


def settle(
    K: np.ndarray, slope: np.ndarray, x: np.ndarray, low: np.ndarray, high: np.ndarray,
    kink: bool, balanced: bool,
) -> None:  # fmt: skip
    """Minimises ½ δᵀKδ + slopeᵀδ over changes δ of x within its bounds; x changes in place.

    K: [m, m]; slope: [m], changes too; balanced: whether Σ δ = 0. Who meets a bound stays there.
    """
    left = np.arange(x.size)
    damping = _DAMPING * float(np.abs(np.diagonal(K)).mean())
    for _ in range(_ROUNDS):
        n = left.size
        if n < 1 + balanced:
            return
        matrix = np.ones((n + balanced, n + balanced))
        matrix[:n, :n] = K[np.ix_(left, left)]
        matrix[np.arange(n), np.arange(n)] += damping
        matrix[n:, n:] = 0.0
        right = np.zeros(n + balanced)
        right[:n] = -slope[left]
        try:
            change = np.linalg.solve(matrix, right)[:n]
        except np.linalg.LinAlgError:
            return
        if not np.isfinite(change).all():
            return
        mine = x[left]
        length, met = as_far(change, mine, low[left], high[left], kink)
        x[left] = mine
        if met < 0:
            return
        slope += K[:, left] @ (length * change)
        left = np.delete(left, met)

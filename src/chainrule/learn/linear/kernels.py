"""The loops of coordinate descent, compiled.

All minimise ½‖y − Xw‖² + l1·‖w‖₁ + ½·l2·‖w‖² over w, one coordinate at a time:
w_j ← S(x_j·r + ‖x_j‖²·w_j, l1) / (‖x_j‖² + l2) with S the soft threshold (Friedman, Hastie,
Tibshirani 2010). They stop when a pass moves no weight by more than `tol` of the largest, and the
duality gap is at most `tol`·‖y‖².
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Sums may be taken in any order, so that they vectorise; NaN and infinity keep their meaning.
_SUMS = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True)
def soft(value: float, threshold: float, positive: bool) -> float:
    """value moved towards zero by the threshold, and not past it."""
    if value > threshold:
        return value - threshold
    if value < -threshold and not positive:
        return value + threshold
    return 0.0


@njit(cache=True, nogil=True)
def gap_of(
    rr: float, ry: float, l1: float, l2: float, norm1: float, norm2: float, dual: float
) -> float:
    """Primal minus dual value.

    rr = ‖r‖², ry = r·y, norm1 = ‖w‖₁, norm2 = ‖w‖², dual = max|Xᵀr − l2·w|. The dual point is the
    residual, scaled into the feasible set.
    """
    if l1 == 0.0:
        # Strong convexity bounds the distance from the optimum by the gradient; without any
        # penalty there is no bound, and that no weight moves has to do.
        return 0.5 * dual * dual / l2 if l2 > 0.0 else 0.0
    scale = l1 / dual if dual > l1 else 1.0
    value = 0.5 * rr * (1.0 + scale * scale) if dual > l1 else rr
    return value + l1 * norm1 - scale * ry + 0.5 * l2 * (1.0 + scale * scale) * norm2


@njit(cache=True, nogil=True, fastmath=_SUMS)
def by_gram(
    w: Any, Q: Any, q: Any, yy: float, l1: float, l2: float, passes: int, tol: float,
    positive: bool, order: Any, weigh: Any,
) -> Any:  # fmt: skip
    """Coordinate descent on Q = XᵀX [p, p], q = Xᵀy [p], yy = ‖y‖². Gives (gap, passes made).

    order: int [k, p], the order of coordinates of pass i is order[i % k]; weigh: [p], factors of
    l1 and l2, 0 for a weight without penalty.
    """
    p = len(w)
    Qw = np.zeros(p)
    for j in range(p):
        if w[j] != 0.0:
            for k in range(p):
                Qw[k] += Q[j, k] * w[j]
    gap = np.inf
    for done in range(passes):
        largest, moved = 0.0, 0.0
        for j in order[done % len(order)]:
            below = Q[j, j] + l2 * weigh[j]
            if below == 0.0:
                continue
            old = w[j]
            new = soft(q[j] - Qw[j] + Q[j, j] * old, l1 * weigh[j], positive) / below
            if new != old:
                w[j] = new
                step = new - old
                row = Q[j]
                for k in range(p):
                    Qw[k] += step * row[k]
                moved = max(moved, abs(step))
            largest = max(largest, abs(new))
        if moved <= tol * largest or done == passes - 1:
            wq, wQw, norm1, norm2, dual = 0.0, 0.0, 0.0, 0.0, 0.0
            for j in range(p):
                wq += w[j] * q[j]
                wQw += w[j] * Qw[j]
                norm1 += abs(w[j]) * weigh[j]
                norm2 += w[j] * w[j] * weigh[j]
                slope = q[j] - Qw[j] - l2 * weigh[j] * w[j]
                dual = max(dual, slope if positive else abs(slope))
            gap = gap_of(yy - 2.0 * wq + wQw, yy - wq, l1, l2, norm1, norm2, dual)
            # An infinite ‖y‖² asks for no bound: that no weight moves is enough.
            if not gap > tol * yy:
                return gap, done + 1
    return gap, passes


@njit(cache=True, nogil=True, fastmath=_SUMS)
def by_columns(
    w: Any, X: Any, y: Any, l1: float, l2: float, passes: int, tol: float, positive: bool,
    order: Any,
) -> Any:  # fmt: skip
    """Coordinate descent on the columns of X [n, p] in Fortran order. Gives (gap, passes made).

    Between whole passes only weights other than zero are visited, until they stand still.
    """
    n, p = X.shape
    r = y.copy()
    norms = np.zeros(p)
    yy = 0.0
    for i in range(n):
        yy += y[i] * y[i]
    for j in range(p):
        x = X[:, j]
        for i in range(n):
            norms[j] += x[i] * x[i]
        if w[j] != 0.0:
            for i in range(n):
                r[i] -= w[j] * x[i]
    gap = np.inf
    active_only = False
    for done in range(passes):
        largest, moved = 0.0, 0.0
        for j in order[done % len(order)]:
            old = w[j]
            if norms[j] + l2 == 0.0 or (active_only and old == 0.0):
                continue
            x = X[:, j]
            dot = 0.0
            for i in range(n):
                dot += x[i] * r[i]
            new = soft(dot + norms[j] * old, l1, positive) / (norms[j] + l2)
            if new != old:
                w[j] = new
                step = new - old
                for i in range(n):
                    r[i] -= step * x[i]
                moved = max(moved, abs(step))
            largest = max(largest, abs(new))
        still = moved <= tol * largest
        last = done == passes - 1
        if (still and not active_only) or last:
            rr, ry, norm1, norm2, dual = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(n):
                rr += r[i] * r[i]
                ry += r[i] * y[i]
            for j in range(p):
                x = X[:, j]
                slope = -l2 * w[j]
                for i in range(n):
                    slope += x[i] * r[i]
                norm1 += abs(w[j])
                norm2 += w[j] * w[j]
                dual = max(dual, slope if positive else abs(slope))
            gap = gap_of(rr, ry, l1, l2, norm1, norm2, dual)
            if gap <= tol * yy:
                return gap, done + 1
        active_only = not still
    return gap, passes


@njit(cache=True, nogil=True, fastmath=_SUMS)
def by_sparse_columns(
    w: Any, data: Any, rows: Any, starts: Any, mean: Any, weight: Any, y: Any, l1: float,
    l2: float, passes: int, tol: float, positive: bool, order: Any,
) -> Any:  # fmt: skip
    """Coordinate descent on a CSC matrix whose columns are centred by `mean` without being filled.

    weight: [n] of the samples; y: centred with them. The residual is r + shift, with the shift
    Σ mean_j·w_j kept apart. Since Σ weight·(r + shift) stays 0, a centred dot product is a
    sparse one.
    """
    n, p = len(y), len(w)
    r = y.copy()
    shift = 0.0
    norms = np.zeros(p)
    total, yy = 0.0, 0.0
    for i in range(n):
        total += weight[i]
        yy += weight[i] * y[i] * y[i]
    for j in range(p):
        for k in range(starts[j], starts[j + 1]):
            norms[j] += weight[rows[k]] * data[k] * data[k]
            r[rows[k]] -= w[j] * data[k]
        norms[j] = max(norms[j] - total * mean[j] * mean[j], 0.0)
        shift += w[j] * mean[j]
    gap = np.inf
    active_only = False
    for done in range(passes):
        largest, moved = 0.0, 0.0
        for j in order[done % len(order)]:
            old = w[j]
            if norms[j] + l2 == 0.0 or (active_only and old == 0.0):
                continue
            dot = 0.0
            for k in range(starts[j], starts[j + 1]):
                dot += weight[rows[k]] * data[k] * (r[rows[k]] + shift)
            new = soft(dot + norms[j] * old, l1, positive) / (norms[j] + l2)
            if new != old:
                w[j] = new
                step = new - old
                for k in range(starts[j], starts[j + 1]):
                    r[rows[k]] -= step * data[k]
                shift += step * mean[j]
                moved = max(moved, abs(step))
            largest = max(largest, abs(new))
        still = moved <= tol * largest
        last = done == passes - 1
        if (still and not active_only) or last:
            rr, ry, norm1, norm2, dual = 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(n):
                rr += weight[i] * (r[i] + shift) ** 2
                ry += weight[i] * (r[i] + shift) * y[i]
            for j in range(p):
                slope = -l2 * w[j]
                for k in range(starts[j], starts[j + 1]):
                    slope += weight[rows[k]] * data[k] * (r[rows[k]] + shift)
                norm1 += abs(w[j])
                norm2 += w[j] * w[j]
                dual = max(dual, slope if positive else abs(slope))
            gap = gap_of(rr, ry, l1, l2, norm1, norm2, dual)
            if gap <= tol * yy:
                return gap, done + 1
        active_only = not still
    return gap, passes

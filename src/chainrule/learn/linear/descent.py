"""Gradient descent on a least-squares cost, with its path (row B1 of the notes)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.learn.base import Rounds


class Path(NamedTuple):
    """theta: [rounds + 1, p + 1], the intercept first; cost: [rounds + 1], J at each of them; rate:
    the α of each round; batch: the rows of the first step; first: θ after it."""

    theta: Any
    cost: Any
    rate: Any
    batch: Any
    first: Any


def cost(X: Any, y: Any, theta: Any, weight: Any) -> float:
    """J(θ) = Σ w·(θ₀ + Xθ − y)² / (2Σw)."""
    error = X @ theta[1:] + theta[0] - y
    return float(weight @ (error * error) / (2 * weight.sum()))


def descend(
    owner: Any, X: Any, y: Any, weight: Any, *, intercept: bool, rate: Any, batch: int | None,
    rounds: int, tol: float, random: Any, verbose: int,
) -> tuple[Any, Path, int]:  # fmt: skip
    """θ ← θ − α/m·Σ(h − y)·x, by all samples (batch None), one (1) or some at a time.

    rate: α; "auto" is 1/λ with λ the largest curvature that a step can meet, and for batches falls
    with 1/√round, since their gradients do not vanish at the optimum. Ends when the gradient of all
    samples has no entry above `tol`, relative to the first. Gives (θ, its path, rounds made).
    """
    n, p = X.shape
    theta = np.zeros(p + 1)
    size = n if batch is None else min(batch, n)
    alpha = _safe_rate(X, weight, intercept, size) if rate == "auto" else float(rate)
    path, costs, rates = [theta.copy()], [cost(X, y, theta, weight)], []
    start = first = None
    rows = np.arange(n)
    largest = np.inf
    total = weight.sum()
    with Rounds(owner, total=rounds, verbose=verbose) as loop:
        for i in loop:
            error = weight * (X @ theta[1:] + theta[0] - y)
            slope = np.append(error.sum() if intercept else 0.0, error @ X) / total
            steepest = float(np.max(np.abs(slope)))
            largest = steepest if i == 0 else largest
            if steepest <= tol * largest or not np.isfinite(steepest):
                break
            step = alpha / np.sqrt(i + 1) if rate == "auto" and size < n else alpha
            if size < n:
                random.shuffle(rows)
                for at in range(0, n, size):
                    some = rows[at : at + size]
                    error = weight[some] * (X[some] @ theta[1:] + theta[0] - y[some])
                    share = step / weight[some].sum() if weight[some].any() else 0.0
                    theta[1:] -= share * (error @ X[some])
                    theta[0] -= share * error.sum() if intercept else 0.0
                    if first is None:
                        start, first = some.copy(), theta.copy()
            else:
                theta -= step * slope
                if first is None:
                    start, first = rows, theta.copy()
            path.append(theta.copy())
            rates.append(step)
            costs.append(cost(X, y, theta, weight))
            loop.show(cost=costs[-1])
    return theta, Path(np.array(path), np.array(costs), np.array(rates), start, first), len(rates)


def _safe_rate(X: Any, weight: Any, intercept: bool, size: int) -> float:
    """1/λ with λ the largest eigenvalue of the Hessian; for batches between it and that of the
    worst single sample, by the size of the batch."""
    n = len(X)
    ones = np.full((n, 1), float(intercept))
    A = np.hstack([ones, X])
    whole = float(np.linalg.eigvalsh((A * weight[:, None]).T @ A / weight.sum())[-1])
    if size < n:
        single = float(np.max((A * A).sum(axis=1)))
        whole = whole + (single - whole) / size
    return 1.0 / whole if whole > 0 else 1.0

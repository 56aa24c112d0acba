"""Probabilities from decision values: Platt's sigmoid, and pairs coupled to classes."""

from __future__ import annotations

import numpy as np

# The damping of Newton's matrix, and the smallest step of its line search.
_RIDGE, _SMALLEST_STEP = 1e-12, 1e-10
# What a pair's probability is kept away from 0 and 1.
_MARGIN = 1e-7


def sigmoid_fit(decisions: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """A and B of P(positive | f) = 1/(1 + exp(A f + B)), by regularised maximum likelihood.

    Newton's method with backtracking on Platt's targets (Platt 1999; Lin, Lin and Weng 2007,
    "A note on Platt's probabilistic outputs").
    """
    n_positive = float(np.count_nonzero(positive))
    n_negative = float(positive.size - n_positive)
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(a: float, b: float) -> float:
        z = a * decisions + b
        # log(1 + exp(z)) − (1 − t) z, written so that exp never overflows.
        return float(np.sum(np.logaddexp(0.0, -np.abs(z)) + np.maximum(z, 0) - (1 - target) * z))

    a, b = 0.0, float(np.log((n_negative + 1) / (n_positive + 1)))
    value = loss(a, b)
    for _ in range(100):
        p = probability(decisions, a, b)
        weight = p * (1 - p)
        h11 = float(decisions**2 @ weight) + _RIDGE
        h22 = float(weight.sum()) + _RIDGE
        h21 = float(decisions @ weight)
        slope_a, slope_b = float(decisions @ (target - p)), float((target - p).sum())
        if abs(slope_a) < 1e-5 and abs(slope_b) < 1e-5:
            break
        determinant = h11 * h22 - h21 * h21
        step_a = -(h22 * slope_a - h21 * slope_b) / determinant
        step_b = -(h11 * slope_b - h21 * slope_a) / determinant
        descent = slope_a * step_a + slope_b * step_b
        length = 1.0
        while length >= _SMALLEST_STEP:
            candidate = loss(a + length * step_a, b + length * step_b)
            if candidate < value + 1e-4 * length * descent:
                a, b, value = a + length * step_a, b + length * step_b, candidate
                break
            length /= 2
        else:
            break
    return a, b


def probability(decisions: np.ndarray, a: float | np.ndarray, b: float | np.ndarray) -> np.ndarray:
    """1/(1 + exp(A f + B)) without overflow."""
    z = a * decisions + b
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, small, 1.0) / (1.0 + small)


def couple(pairs: np.ndarray, n_classes: int) -> np.ndarray:
    """Class probabilities from those of pairs: min Σ (r_ji p_i − r_ij p_j)² over Σp = 1
    (Wu, Lin and Weng 2004, second method), solved exactly.

    pairs: [m, k(k−1)/2], P(class i | i or j) for i < j in order; gives [m, k].
    """
    m = pairs.shape[0]
    pairs = np.clip(pairs, _MARGIN, 1 - _MARGIN)
    if n_classes == 2:
        return np.stack([pairs[:, 0], 1 - pairs[:, 0]], axis=1)
    first, second = np.triu_indices(n_classes, 1)
    r = np.zeros((m, n_classes, n_classes))
    r[:, first, second] = pairs
    r[:, second, first] = 1 - pairs
    # Q_ii = Σ_j r_ji², Q_ij = −r_ji r_ij; Qp = b 1 and Σp = 1 are the conditions of the optimum.
    Q = -r * r.transpose(0, 2, 1)
    diagonal = np.arange(n_classes)
    Q[:, diagonal, diagonal] = np.sum(r**2, axis=1)
    p = np.linalg.solve(Q, np.ones((m, n_classes, 1)))[..., 0]
    p = np.maximum(p, 0.0)
    return p / p.sum(axis=1, keepdims=True)

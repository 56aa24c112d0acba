"""Dual coordinate descent of the linear machines, compiled (Hsieh and others 2008).

Minimises ½‖w‖² + ½ Σ d_i·β_i² − Σ t_i·β_i + ε‖β‖₁ over low ≤ β ≤ high, where w = Σ β_i·x_i. For
classification β = yα, t = y and ε = 0; for regression β = α − α* (Ho and Lin 2012). d is 0 for a
linear loss and 1/(2C) for a squared one. One β at a time goes to its own optimum, in random
order; those that sit firmly where the slope has a kink are left out (shrinking) until the rest has
converged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.learn.compiling import SUMS, jit, part


@part
def shuffle(order: Any, count: int, state: Any) -> None:
    """Mixes the first `count` entries (xorshift64, Marsaglia 2003; Fisher and Yates)."""
    x = state[0]
    for i in range(count - 1, 0, -1):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
        # The upper half times i + 1: a division would take longer than a short row.
        j = np.int64(((x >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
    state[0] = x


@part
def best_of(
    slope: float, beta: float, curvature: float, low: float, high: float, epsilon: float
) -> float:
    """Where one β has its optimum if all others stay."""
    if curvature <= 0.0:
        # A sample of zeros: only t and ε say anything.
        return high if slope + epsilon < 0.0 else (low if slope - epsilon > 0.0 else beta)
    new = beta - slope / curvature
    shift = epsilon / curvature
    if new > shift:
        new -= shift
    elif new < -shift:
        new += shift
    else:
        new = 0.0
    return min(max(new, low), high)


@part
def violation_of(
    slope: float, beta: float, low: float, high: float, epsilon: float, firm: float
) -> float:
    """How much a β violates its condition; −1 if it holds by more than `firm`."""
    up = slope + (epsilon if beta >= 0.0 else -epsilon)
    down = slope + (epsilon if beta > 0.0 else -epsilon)
    if beta < high and up < 0.0:
        return -up
    if beta > low and down > 0.0:
        return down
    if (beta >= high or up > firm) and (beta <= low or down < -firm):
        return -1.0
    return 0.0


@part
def settled(
    slope: float, beta: float, curvature: float, low: float, high: float, epsilon: float,
    firm: float,
) -> tuple[float, float]:  # fmt: skip
    """(how much one β violates its condition, where it goes); see `violation_of`."""
    found = violation_of(slope, beta, low, high, epsilon, firm)
    if found <= 0.0:
        return found, beta
    return found, best_of(slope, beta, curvature, low, high, epsilon)


@part(fastmath=SUMS)
def product(values: Any, columns: Any, starts: Any, i: int, w: Any) -> float:
    """x_i·w for the rows of `descend`; the branch that is not theirs is never compiled."""
    total = 0.0
    if values.ndim == 2:
        for c in range(values.shape[1]):
            total += values[i, c] * w[c]
    else:
        for c in range(starts[i], starts[i + 1]):
            total += values[c] * w[columns[c]]
    return total


@part(fastmath=SUMS)
def add(values: Any, columns: Any, starts: Any, i: int, step: float, w: Any) -> None:
    """w += step·x_i; see `product`."""
    if values.ndim == 2:
        for c in range(values.shape[1]):
            w[c] += step * values[i, c]
    else:
        for c in range(starts[i], starts[i + 1]):
            w[columns[c]] += step * values[c]


@jit(fastmath=SUMS)
def descend(
    values: Any, columns: Any, starts: Any, bias: float, t: Any, d: Any, squares: Any, low: Any,
    high: Any, epsilon: float, beta: Any, w: Any, tol: float, passes: int, order: Any, state: Any,
) -> tuple[int, float]:  # fmt: skip
    """Passes over the rows of X [n, p]; gives (passes made, worst violation).

    values, columns, starts: those of a CSR matrix, or X in C order, None and None. bias: the entry
    of the column that stands for the intercept, 0 without; w: [p + 1]; squares: [n] ‖x_i‖² with it;
    order: the rows' numbers [n]; state: uint64 [1] of the random numbers. beta, w, order and state
    change in place.
    """
    n, last = len(t), len(w) - 1
    count, firm, worst = n, np.inf, np.inf
    for done in range(passes):
        shuffle(order, count, state)
        worst, k = 0.0, 0
        while k < count:
            i = order[k]
            slope = bias * w[last] - t[i] + d[i] * beta[i]
            slope += product(values, columns, starts, i, w)
            old = beta[i]
            found, new = settled(
                slope, old, squares[i] + d[i], low[i], high[i], epsilon, firm
            )  # fmt: skip
            if found < 0.0:
                count -= 1
                order[k], order[count] = order[count], order[k]
                continue
            k += 1
            if found > 0.0:
                worst = max(worst, found)
                beta[i], step = new, new - old
                add(values, columns, starts, i, step, w)
                w[last] += step * bias
        firm = worst
        if worst <= tol:
            if count == n:
                return done + 1, worst
            count, firm = n, np.inf
    return passes, worst

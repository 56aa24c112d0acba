"""The compiled loops of the support vector machines."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from chainrule.learn.compiling import jit, part

_LOG2E = 1.4426950408889634
# ln 2 in two parts (Cody and Waite): k times the first is exact for every exponent k.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Adding it leaves the nearest integer in the lowest bits of the sum.
_ROUND = 6755399441055744.0
_SMALLEST = -708.0

# A maximum over a block is one vector instruction a lane if NaN need not be told from a number:
# `smo` looks at the largest violation before it trusts an index.
_REDUCE = {"nnan", "nsz", "contract", "arcp"}
_BLOCK = 128
# What a pair's curvature is taken for where it is not positive (Fan, Chen and Lin 2005, eq. 9).
_TAU = 1e-12


@intrinsic
def _bits(typing: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), generate


@intrinsic
def _number(typing: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), generate


@partial(part, inline="always")
def _exp(x: float) -> float:
    """e**x for x ≤ 0, to two units in the last place; a form that fits vector instructions."""
    clipped = x if x > _SMALLEST else _SMALLEST
    shifted = clipped * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (clipped - k * _LN2_HIGH) - k * _LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    value = p * _number((_bits(shifted) + 1023) << 52)
    return value if x > _SMALLEST else 0.0


@jit(fastmath={"contract"})
def gaussian(products: Any, squares: Any, other_squares: Any, gamma: float, out: Any) -> None:
    """out[i, j] = exp(−γ ‖a_i − b_j‖²) from products a_i·b_j and the squared lengths."""
    for i in range(products.shape[0]):
        square = squares[i]
        for j in range(products.shape[1]):
            distance = square + other_squares[j] - 2.0 * products[i, j]
            out[i, j] = _exp(-gamma * max(distance, 0.0))


@jit(fastmath=_REDUCE)
def smo(
    K: Any, diagonal: Any, u: Any, g: Any, low: Any, high: Any, epsilon: float, tol: float,
    limit: int, grow: Any, shrink: Any,
) -> tuple[int, float]:  # fmt: skip
    """Sequential minimal optimisation with second-order choice of the pair (Fan, Chen, Lin 2005).

    Minimises ½ uᵀKu + qᵀu + ε‖u‖₁ over Σu = const, low ≤ u ≤ high, where u = yα (classification,
    ε = 0) or u = α − α* (regression). u and its gradient g = Ku + q change in place.

    K: [n, n] float32; grow, shrink: [n], scratch. Returns the number of steps, and the largest
    violation of the optimality conditions that is left (the fit ends below `tol`).
    """
    n = u.size
    # How much −g counts towards growing or shrinking u; infinite where a bound forbids it.
    for t in range(n):
        grow[t] = -np.inf if u[t] >= high[t] else (-epsilon if u[t] >= 0.0 else epsilon)
        shrink[t] = np.inf if u[t] <= low[t] else (-epsilon if u[t] > 0.0 else epsilon)
    top = -np.inf
    i = 0
    for t in range(n):
        if grow[t] - g[t] > top:
            top, i = grow[t] - g[t], t
    violation = np.inf
    steps = 0
    while True:
        row, own = K[i], diagonal[i]
        violation, best, where = -np.inf, 0.0, 0
        for start in range(0, n, _BLOCK):
            block, worst = 0.0, -np.inf
            for t in range(start, min(start + _BLOCK, n)):
                d = top + g[t] - shrink[t]
                worst = max(worst, d)
                d = max(d, 0.0)
                curvature = max(own + diagonal[t] - 2.0 * row[t], _TAU)
                block = max(block, d * d / curvature)
            violation = max(violation, worst)
            if block > best:
                best, where = block, start
        if not violation >= tol or steps >= limit or best <= 0.0:
            return steps, violation
        best, j = -1.0, where
        for t in range(where, min(where + _BLOCK, n)):
            d = max(top + g[t] - shrink[t], 0.0)
            gain = d * d / max(own + diagonal[t] - 2.0 * row[t], _TAU)
            if gain > best:
                best, j = gain, t
        d = top + g[j] - shrink[j]
        step = d / max(own + diagonal[j] - 2.0 * row[j], _TAU)
        # ε‖u‖₁ bends at 0: one step goes no further than there.
        end_i = 0.0 if epsilon > 0.0 and u[i] < 0.0 else high[i]
        end_j = 0.0 if epsilon > 0.0 and u[j] > 0.0 else low[j]
        step = min(step, end_i - u[i], u[j] - end_j)
        if not step > 0.0:
            return steps, violation
        u[i] = end_i if step == end_i - u[i] else u[i] + step
        u[j] = end_j if step == u[j] - end_j else u[j] - step
        for t in (i, j):
            grow[t] = -np.inf if u[t] >= high[t] else (-epsilon if u[t] >= 0.0 else epsilon)
            shrink[t] = np.inf if u[t] <= low[t] else (-epsilon if u[t] > 0.0 else epsilon)
        steps += 1
        other = K[j]
        top, where = -np.inf, 0
        for start in range(0, n, _BLOCK):
            block = -np.inf
            for t in range(start, min(start + _BLOCK, n)):
                g[t] += step * (row[t] - other[t])
                block = max(block, grow[t] - g[t])
            if block > top:
                top, where = block, start
        top, i = -np.inf, where
        for t in range(where, min(where + _BLOCK, n)):
            if grow[t] - g[t] > top:
                top, i = grow[t] - g[t], t


@jit(fastmath={"contract"})
def add_rows(g: Any, rows: Any, slots: Any, factors: Any, first: int, last: int) -> None:
    """g[first:last] += Σ_r factors[r] · rows[slots[r], first:last], in double precision."""
    for start in range(first, last, 1024):
        end = min(start + 1024, last)
        for r in range(slots.size):
            row, factor = rows[slots[r]], factors[r]
            for t in range(start, end):
                g[t] += factor * row[t]


@jit
def swap(K: Any, first: Any, second: Any) -> None:
    """Exchanges the rows and the columns first[s] and second[s] of K [n, n], in place."""
    n = K.shape[0]
    for i in range(n):
        row = K[i]
        for s in range(first.size):
            a, b = first[s], second[s]
            row[a], row[b] = row[b], row[a]
    for s in range(first.size):
        a, b = first[s], second[s]
        for j in range(n):
            K[a, j], K[b, j] = K[b, j], K[a, j]


@jit
def gather(rows: Any, slots: Any, columns: Any, out: Any) -> None:
    """out[i, j] = rows[slots[i], columns[j]]."""
    for i in range(slots.size):
        row = rows[slots[i]]
        for j in range(columns.size):
            out[i, j] = row[columns[j]]

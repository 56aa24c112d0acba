"""Ways down the cost of logistic regression: gradient descent, L-BFGS, Newton, proximal steps.

Each takes the cost, a start (W [K, p], b [K]) and a `Watch`, and gives (W, b, whether it
converged). They end when no entry of the gradient is above `tol`, as scikit-learn's do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as la

from chainrule.learn.base import Rounds
from chainrule.learn.linear import kernels
from chainrule.learn.linear.cross_entropy import CrossEntropy

_PAIRS = 10  # of steps and gradient changes that L-BFGS remembers
_MOST_ENTRIES = 1500  # unknowns up to which a proximal step may have the whole Hessian
_FLAT = 64 * np.finfo(np.float64).eps  # relative decrease below which a cost stands still


class Watch:
    """What a solver reports: `last` holds (W, b) where it is, `path` (W, b, J, max|∂J|) of each
    round if it is kept."""

    def __init__(self, rounds: Rounds, keep: bool, start: tuple[Any, Any]) -> None:
        self.rounds, self.keep, self.last = rounds, keep, start
        self.path: list[tuple[Any, Any, float, float]] = []

    def see(self, W: Any, b: Any, cost: float, steepest: float) -> None:
        self.last = W, b
        self.rounds.show(cost=cost, gradient=steepest)
        if self.keep:
            self.path.append((W.copy(), b.copy(), cost, steepest))


def _steepest(slope: Any, slope_b: Any) -> float:
    return max(float(np.max(np.abs(slope), initial=0.0)), float(np.max(np.abs(slope_b))))


def gradient_descent(
    J: CrossEntropy, W: Any, b: Any, tol: float, watch: Watch, rate: float | None = None
) -> Any:
    """θ ← θ − α·∂J/∂θ with α = 1/(bound of the curvature) unless `rate` says more."""
    alpha = rate or 1.0 / J.curvature()
    for _ in watch.rounds:
        cost, slope, slope_b = J.value(W, b)
        steepest = _steepest(slope, slope_b)
        watch.see(W, b, cost, steepest)
        if steepest <= tol:
            return W, b, True
        W, b = W - alpha * slope, b - alpha * slope_b
    return W, b, False


def lbfgs(J: CrossEntropy, W: Any, b: Any, tol: float, watch: Watch) -> Any:
    """Limited-memory BFGS (Nocedal 1980) in centred, scaled variables.

    W = U·d and b = B − W·x̄, with d from the curvature of each column at W = 0: the same cost, but
    columns of different size no longer slow it down.
    """
    mean, variance = J.moments()
    if not J.intercept:
        mean, variance = np.zeros(J.p), variance + mean * mean
    bend = 0.25 if J.rows == 1 else (J.rows - 1) / J.rows**2
    stretch = bend * variance + J.strength
    d = 1.0 / np.sqrt(np.where(stretch > 0, stretch, 1.0))
    d_b = 1.0 / np.sqrt(bend)

    def at(u: Any) -> tuple[Any, Any]:
        W = u[:, :-1] * d
        return W, (u[:, -1] * d_b if J.intercept else u[:, -1]) - W @ mean

    def look(u: Any) -> tuple[float, Any, float]:
        W, b = at(u)
        cost, slope, slope_b = J.value(W, b)
        scaled = np.empty_like(u)
        scaled[:, :-1] = (slope - np.multiply.outer(slope_b, mean)) * d
        scaled[:, -1] = slope_b * d_b
        return cost, scaled, _steepest(slope, slope_b)

    u = np.empty((J.rows, J.p + 1))
    u[:, :-1], u[:, -1] = W / d, (b + W @ mean) / (d_b if J.intercept else 1.0)
    cost, slope, steepest = look(u)
    pairs: list[tuple[Any, Any, float]] = []
    for _ in watch.rounds:
        watch.see(*at(u), cost, steepest)
        if steepest <= tol:
            return *at(u), True
        way = -_by_pairs(slope, pairs)
        down = float(np.vdot(way, slope))
        if down >= 0:  # rounding has made the pairs useless
            pairs.clear()
            way, down = -slope, -float(np.vdot(slope, slope))
        step = 1.0
        for _ in range(30):
            new = u + step * way
            new_cost, new_slope, new_steepest = look(new)
            if new_cost <= cost + 1e-4 * step * down or new_steepest <= tol:
                break
            # The lowest point of the parabola through both values and the first slope.
            bend_along = new_cost - cost - step * down
            step *= min(max(-0.5 * step * down / bend_along, 0.1), 0.5) if bend_along > 0 else 0.5
        else:
            return *at(u), True  # no step is lower in floating point
        change, turn = new - u, new_slope - slope
        product = float(np.vdot(change, turn))
        if product > 1e-10 * float(np.vdot(turn, turn)):
            pairs = [*pairs[1 - _PAIRS :], (change, turn, product)]
        flat = cost - new_cost <= _FLAT * max(abs(cost), abs(new_cost), 1.0)
        u, cost, slope, steepest = new, new_cost, new_slope, new_steepest
        if flat:
            watch.see(*at(u), cost, steepest)
            return *at(u), True
    return *at(u), steepest <= tol


def _by_pairs(slope: Any, pairs: list[tuple[Any, Any, float]]) -> Any:
    """The two loops: the inverse curvature that the pairs know, times the slope."""
    q = slope.copy()
    shares = []
    for change, turn, product in reversed(pairs):
        shares.append(float(np.vdot(change, q)) / product)
        q -= shares[-1] * turn
    if pairs:
        _, turn, product = pairs[-1]
        q *= product / float(np.vdot(turn, turn))
    for (change, turn, product), share in zip(pairs, reversed(shares)):
        q += (share - float(np.vdot(turn, q)) / product) * change
    return q


def newton(J: CrossEntropy, W: Any, b: Any, tol: float, watch: Watch, by_cg: bool = False) -> Any:
    """Newton's method, also called iteratively reweighted least squares: θ ← θ − H⁻¹·∂J.

    H by Cholesky, or its products by conjugate gradients (by_cg). Steps that go up are halved.
    """
    cost, slope, slope_b = J.value(W, b)
    for _ in watch.rounds:
        steepest = _steepest(slope, slope_b)
        watch.see(W, b, cost, steepest)
        if steepest <= tol:
            return W, b, True
        V, v = _cg_step(J, W, b, slope, slope_b) if by_cg else _step(J, W, b, slope, slope_b)
        down = float(np.vdot(V, slope) + np.vdot(v, slope_b))
        step = 1.0
        for _ in range(30):
            new = J.value(W + step * V, b + step * v)
            if new[0] <= cost + 1e-4 * step * down + _FLAT * abs(cost):
                break
            step *= 0.5
        else:
            return W, b, True
        W, b = W + step * V, b + step * v
        cost, slope, slope_b = new
    return W, b, _steepest(slope, slope_b) <= tol


def _step(J: CrossEntropy, W: Any, b: Any, slope: Any, slope_b: Any) -> tuple[Any, Any]:
    H = J.hessian(W, b)
    g = np.hstack([slope, slope_b[:, None]]) if J.intercept else slope
    # One number added to all classes' intercepts changes nothing: H is singular along it, and g
    # has no part there. The jitter makes H definite; what rounding puts there is taken out again.
    H[np.diag_indices_from(H)] += 1e-13 * np.trace(H) / len(H)
    try:
        factor = la.cho_factor(H, lower=True, check_finite=False)
        way = la.cho_solve(factor, -g.ravel(), check_finite=False)
    except la.LinAlgError:
        way = la.lstsq(H, -g.ravel(), check_finite=False)[0]
    V, v = _split(way.reshape(g.shape), J)
    if J.rows > 1:
        v = v - v.mean()
        V = V - V.mean(axis=0) if J.strength == 0 else V
    return V, v


def _split(way: Any, J: CrossEntropy) -> tuple[Any, Any]:
    if J.intercept:
        return way[:, :-1], way[:, -1]
    return way, np.zeros(J.rows)


def _cg_step(J: CrossEntropy, W: Any, b: Any, slope: Any, slope_b: Any) -> tuple[Any, Any]:
    """Solves H·step = −∂J only as far as the present accuracy deserves."""
    h = J.probabilities(W, b)
    g = np.hstack([slope, slope_b[:, None]])
    x, r = np.zeros_like(g), -g
    way, rr = r.copy(), float(np.vdot(g, g))
    enough = min(0.25, rr**0.25) ** 2 * rr
    for _ in range(20 * g.size):
        HV, Hv = J.times_hessian(h, way[:, :-1], way[:, -1])
        Hway = np.hstack([HV, Hv[:, None]])
        bend = float(np.vdot(way, Hway))
        if bend <= 1e-300:
            break
        x += rr / bend * way
        r -= rr / bend * Hway
        old, rr = rr, float(np.vdot(r, r))
        if rr <= enough:
            break
        way = r + rr / old * way
    if not x.any():
        x = -g
    return x[:, :-1], x[:, -1] * J.intercept


def proximal(J: CrossEntropy, W: Any, b: Any, tol: float, watch: Watch, l1: float) -> Any:
    """min J + l1·‖W‖₁ (J holds the quadratic part): proximal Newton, or accelerated proximal
    gradient steps (Beck and Teboulle 2009) where the Hessian would be large.

    Ends when no entry of the smallest subgradient is above `tol`.
    """
    if J.rows * (J.p + 1) > _MOST_ENTRIES:
        return _accelerated(J, W, b, tol, watch, l1)
    q = J.p + J.intercept
    weigh = np.tile(np.append(np.ones(J.p), np.zeros(q - J.p)), J.rows)
    order = np.arange(J.rows * q)[None]
    cost, slope, slope_b = J.value(W, b)
    near, before = 1e-2, np.inf
    for _ in watch.rounds:
        steepest = _subgradient(W, slope, slope_b, l1)
        whole = cost + l1 * float(np.abs(W).sum())
        watch.see(W, b, whole, steepest)
        if steepest <= tol:
            return W, b, True
        H = J.hessian(W, b)
        H[np.diag_indices_from(H)] += 1e-10 * np.trace(H) / len(H)
        here = (np.hstack([W, b[:, None]]) if J.intercept else W).ravel()
        g = (np.hstack([slope, slope_b[:, None]]) if J.intercept else slope).ravel()
        target = here.copy()
        # The quadratic model as exactly as pays: ten times so where a round did not even halve
        # what is left, as on columns of very different scales.
        near = max(1e-12, 0.1 * near) if steepest > 0.5 * before else near
        near, before = min(near, 0.05 * steepest), steepest
        kernels.by_gram(target, H, H @ here - g, np.inf, l1, 0.0, 1000, near, False, order, weigh)
        V, v = _split((target - here).reshape(J.rows, q), J)
        down = float(np.vdot(V, slope) + np.vdot(v, slope_b))
        down += l1 * float(np.abs(W + V).sum() - np.abs(W).sum())
        step = 1.0
        for _ in range(30):
            new = J.value(W + step * V, b + step * v)
            new_whole = new[0] + l1 * float(np.abs(W + step * V).sum())
            if new_whole <= whole + 1e-4 * step * down + _FLAT * abs(whole):
                break
            step *= 0.5
        else:
            return W, b, True
        W, b = W + step * V, b + step * v
        cost, slope, slope_b = new
    return W, b, _subgradient(W, slope, slope_b, l1) <= tol


def _subgradient(W: Any, slope: Any, slope_b: Any, l1: float) -> float:
    at_zero = np.maximum(np.abs(slope) - l1, 0.0)
    return _steepest(np.where(W == 0, at_zero, np.abs(slope + l1 * np.sign(W))), slope_b)


def _accelerated(J: CrossEntropy, W: Any, b: Any, tol: float, watch: Watch, l1: float) -> Any:
    alpha = 1.0 / J.curvature()
    V, v, t = W, b, 1.0
    for _ in watch.rounds:
        cost, slope, slope_b = J.value(V, v)
        steepest = _subgradient(V, slope, slope_b, l1)
        watch.see(V, v, cost + l1 * float(np.abs(V).sum()), steepest)
        if steepest <= tol:
            return V, v, True
        moved = V - alpha * slope
        new = np.sign(moved) * np.maximum(np.abs(moved) - alpha * l1, 0.0)
        new_b = v - alpha * slope_b
        # Start the momentum again when it points uphill (O'Donoghue and Candès 2015).
        uphill = float(np.vdot(V - new, new - W) + np.vdot(v - new_b, new_b - b)) > 0
        t = 1.0 if uphill else t
        new_t = 0.5 * (1 + np.sqrt(1 + 4 * t * t))
        share = (t - 1) / new_t
        V, v = new + share * (new - W), new_b + share * (new_b - b)
        W, b, t = new, new_b, new_t
    return W, b, False

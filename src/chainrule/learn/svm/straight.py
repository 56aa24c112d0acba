"""The problems of the linear machines: in the dual by coordinate descent, in the primal by Newton.

Both minimise ½‖w‖² + Σ C_i·loss_i (or ‖w‖₁ + …) over w [p + 1]; its last entry belongs to a column
of one number, so that the intercept is penalised as the weights are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.linear import kernels
from chainrule.learn.svm.coordinates import descend
from chainrule.learn.svm.newton import MOST, gram, settle, solved
from chainrule.learn.svm.smoothing import approach, worthwhile

# Up to so many weights their Hessian is made and solved; beyond, its products must do.
_MOST_WEIGHTS = 600
_MOST_WEIGHTS_L1 = 1500
# Up to so many samples the optimum is found to rounding: it costs little.
_EXACT = 192
# Passes before Newton's steps: as many first as after a near start, each time twice as many, and
# so many at last.
_FIRST_PASSES = 20
_PASSES = 200
# Passes after which a traced fit looks at itself.
_LOOKS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987)

Seen = Callable[[int, np.ndarray, np.ndarray | None], None]


@dataclass(frozen=True)
class Line:
    """One problem of a linear machine.

    X: [n, p], dense in C order or CSR; bias: the entry of the intercept's column, 0 without one;
    y: ±1, or targets; C: [n] > 0; epsilon: half the width of the tube, None for classification;
    squared: whether losses are squared.
    """

    X: Any
    bias: float
    y: np.ndarray
    C: np.ndarray
    epsilon: float | None
    squared: bool

    def scores(self, w: np.ndarray) -> np.ndarray:
        """f(x) [n]."""
        return np.asarray(self.X @ w[:-1]) + self.bias * w[-1]

    def lacks(self, f: np.ndarray) -> np.ndarray:
        """How far f is from where it costs nothing [n]; signed, 0 where it costs nothing."""
        if self.epsilon is None:
            return np.where(self.y * f < 1.0, f - self.y, 0.0)
        apart = f - self.y
        return np.sign(apart) * np.maximum(np.abs(apart) - self.epsilon, 0.0)

    def loss(self, f: np.ndarray) -> float:
        """Σ C·loss."""
        lack = self.lacks(f)
        return float(self.C @ (lack * lack if self.squared else np.abs(lack)))

    def back(self, values: np.ndarray) -> np.ndarray:
        """Σ values_i·x_i [p + 1]."""
        return np.append(np.asarray(self.X.T @ values), self.bias * values.sum())

    def primal(self, w: np.ndarray) -> float:
        """½‖w‖² + Σ C·loss."""
        return 0.5 * float(w @ w) + self.loss(self.scores(w))

    def dual(self, beta: np.ndarray) -> float:
        """The lower bound that the multipliers β give; at the optimum it is the primal."""
        w, d = self.back(beta), self.damping()
        bound = float(self.y @ beta) - 0.5 * float(w @ w) - 0.5 * float(d @ (beta * beta))
        return bound - (self.epsilon or 0.0) * float(np.abs(beta).sum())

    def damping(self) -> np.ndarray:
        """1/(2C) for a squared loss, else 0: [n]."""
        return 0.5 / self.C if self.squared else np.zeros(len(self.C))

    def multipliers(self, w: np.ndarray) -> np.ndarray:
        """β of a squared loss at weights w: −2C·lack."""
        return -2.0 * self.C * self.lacks(self.scores(w))


@dataclass
class Straight:
    """w: [p + 1]; beta: the multipliers [n], None with an L1 penalty; rounds; converged."""

    w: np.ndarray
    beta: np.ndarray | None
    rounds: int
    converged: bool


def by_dual(
    line: Line, tol: float, passes: int, seed: int, stopped: Callable[[], bool], seen: Seen | None
) -> Straight:
    """Dual coordinate descent until no condition is violated by more than `tol`.

    Where samples are many and weights few, it starts near the optimum.
    """
    X, n = line.X, len(line.y)
    top = np.full(n, np.inf) if line.squared else line.C
    low, high = -top, top
    if line.epsilon is None:
        low, high = np.where(line.y > 0, 0.0, low), np.where(line.y > 0, high, 0.0)
    rows: tuple[Any, ...] = (X, None, None)
    if issparse(X):
        rows = (X.data, X.indices, X.indptr)
        squares = np.asarray(X.multiply(X).sum(axis=1)).ravel() + line.bias**2
    else:
        squares = np.einsum("ij,ij->i", X, X) + line.bias**2
    beta, w = np.zeros(n), np.zeros(X.shape[1] + 1)
    order, state = np.arange(n), np.array([seed * 2 + 1], np.uint64)
    done, pause = 0, _PASSES
    if worthwhile(line):
        beta, done = approach(line, low, high, passes, stopped, seen)
        w, pause = line.back(beta), _FIRST_PASSES
    ends = [look for look in _LOOKS if done < look < passes] if seen else []
    while True:
        end = ends.pop(0) if ends else min(passes, done + pause)
        pause = min(2 * pause, _PASSES)
        made, worst = descend(
            *rows, line.bias, line.y, line.damping(), squares, low, high, line.epsilon or 0.0,
            beta, w, tol, end - done, order, state,
        )  # fmt: skip
        done += made
        if seen is not None:
            seen(done, w, beta)
        if worst <= tol or done >= passes or stopped():
            break
        _settle(line, beta, w, low, high)
    if n <= _EXACT and worst <= tol:
        _polish(line, beta, low, high)
        w = line.back(beta)
        if seen is not None:
            seen(done, w, beta)
    return Straight(w, beta, done, worst <= tol)


def _settle(line: Line, beta: np.ndarray, w: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Newton's steps on the multipliers between their bounds; all in place.

    Only where these are hardly more than the weights, as they are near the optimum.
    """
    epsilon = line.epsilon or 0.0
    free = (beta > low) & (beta < high)
    if epsilon > 0.0:
        free &= beta != 0
    index = np.flatnonzero(free)
    if not 0 < index.size <= min(MOST, 2 * len(w)):
        return
    X, mine, damping = line.X[index], beta[index], line.damping()[index]
    K = X @ X.T
    K = (K.toarray() if issparse(K) else K) + line.bias**2
    K[np.diag_indices_from(K)] += damping
    slope = np.asarray(X @ w[:-1]) + line.bias * w[-1] + damping * mine - line.y[index]
    slope += epsilon * np.sign(mine)
    settle(K, slope, mine, low[index], high[index], epsilon > 0.0, False)
    change = mine - beta[index]
    beta[index] = mine
    w[:-1] += X.T @ change
    w[-1] += line.bias * change.sum()


def _polish(line: Line, beta: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """From multipliers near the optimum to the exact ones (beta changes in place).

    Those between their bounds have a slope of 0: a linear system, solved as far as a bound; those
    that pull away from their bounds are set free, the worst first.
    """
    X = line.X.toarray() if issparse(line.X) else line.X
    X = np.column_stack([X, np.full(len(beta), line.bias)])
    damping, epsilon = line.damping(), line.epsilon or 0.0
    size = float(np.abs(beta).max(initial=0.0)) + 1e-300
    near = 1e-12 * size
    kink = epsilon > 0.0 or line.epsilon is not None
    for _ in range(20 * len(beta)):
        slope = X @ (beta @ X) + damping * beta - line.y
        up = slope + np.where(beta >= 0, epsilon, -epsilon)
        down = slope + np.where(beta > 0, epsilon, -epsilon)
        free = (beta > low) & (beta < high) & ((beta != 0) | (not kink))
        pull = np.where(beta < high, -up, -np.inf)
        pull = np.maximum(pull, np.where(beta > low, down, -np.inf))
        pull[free] = 0.0
        worst = int(np.argmax(pull))
        side = np.sign(beta)
        if pull[worst] > 1e-10 * (1.0 + float(np.abs(line.y).max())):
            free[worst] = True
            side[worst] = 1.0 if beta[worst] < high[worst] and -up[worst] > 0 else -1.0
        index = np.flatnonzero(free)
        if index.size == 0:
            return
        own = X[index]
        matrix = own @ own.T + np.diag(damping[index])
        change = np.linalg.lstsq(
            matrix, -(slope[index] + epsilon * side[index]), rcond=1e-13
        )[0]  # fmt: skip
        end = np.where(change > 0, high[index], low[index])
        if kink:  # one step goes no further than the kink at 0
            end = np.where(change * side[index] < 0, 0.0, end)
        room = np.full(index.size, np.inf)
        moves = np.abs(change) > near
        room[moves] = np.maximum((end - beta[index])[moves] / change[moves], 0.0)
        first = int(np.argmin(room))
        length = min(1.0, float(room[first]))
        beta[index] += length * change
        if length < 1.0:
            beta[index[first]] = end[first]
        elif not moves.any():
            return


def by_newton(
    line: Line, tol: float, rounds: int, stopped: Callable[[], bool], seen: Seen | None
) -> Straight:
    """Newton's method for squared losses (Keerthi and DeCoste 2005): the loss is a parabola on
    the samples that cost something, so a full step that leaves them the same is exact."""
    w = np.zeros(line.X.shape[1] + 1)
    f = np.zeros(len(line.y))
    lack = line.lacks(f)
    curvature = _Curvature(line) if len(w) <= _MOST_WEIGHTS else None
    value, first = line.loss(f), 0.0
    tol = min(tol, 1e-13) if len(f) <= _EXACT else tol
    for i in range(rounds):
        if seen is not None:
            seen(i, w, None)
        slope = w + line.back(2.0 * line.C * lack)
        steepest = float(np.abs(slope).max())
        first = first or steepest
        if steepest <= tol * first or stopped():
            return Straight(w, line.multipliers(w), max(i, 1), steepest <= tol * first)
        on, side = lack != 0, np.sign(lack)
        if curvature is not None:
            H = curvature.at(on)
            H.flat[:: len(H) + 1] += 1.0
            step = -solved(H, slope)
        else:
            step = _conjugate(line, on, slope)
        move, down = line.scores(step), float(slope @ step)
        length = 1.0
        while True:
            new, new_f = w + length * step, f + length * move
            new_value = 0.5 * float(new @ new) + line.loss(new_f)
            if new_value <= value + 1e-4 * length * down or length < 1e-10:
                break
            length *= 0.5
        stuck = length < 1e-10
        w, f, value = (w, f, value) if stuck else (new, new_f, new_value)
        lack = line.lacks(f)
        same = length == 1.0 and curvature is not None and np.array_equal(side, np.sign(lack))
        if stuck or same:
            if seen is not None:
                seen(i + 1, w, None)
            return Straight(w, line.multipliers(w), i + 1, True)
    return Straight(w, line.multipliers(w), rounds, False)


def by_proximal(
    line: Line, tol: float, rounds: int, stopped: Callable[[], bool], seen: Seen | None
) -> Straight:
    """min ‖w‖₁ + Σ C·loss² by proximal Newton steps, or accelerated ones where weights are many."""
    q = line.X.shape[1] + 1
    free = q if line.bias else q - 1
    if q > _MOST_WEIGHTS_L1:
        return _accelerated(line, tol, rounds, stopped, seen)
    w, f = np.zeros(q), np.zeros(len(line.y))
    curvature, order = _Curvature(line), np.arange(free)[None]
    weigh, first = np.ones(free), 0.0
    value = line.loss(f)
    tol = min(tol, 1e-12) if len(f) <= _EXACT else tol
    for i in range(rounds):
        if seen is not None:
            seen(i, w, None)
        lack = line.lacks(f)
        slope = line.back(2.0 * line.C * lack)
        steepest = _subgradient(w, slope, free)
        first = first or steepest
        if steepest <= tol * first or stopped():
            return Straight(w, None, max(i, 1), steepest <= tol * first)
        H = curvature.at(lack != 0)[:free, :free]
        H.flat[:: free + 1] += 1e-10 * np.trace(H) / free + 1e-12
        target = w[:free].copy()
        near = min(1e-3, max(1e-10, 0.01 * steepest / first))
        kernels.by_gram(
            target, H, H @ w[:free] - slope[:free], np.inf, 1.0, 0.0, 1000, near, False, order,
            weigh,
        )  # fmt: skip
        step = np.zeros(q)
        step[:free] = target - w[:free]
        move = line.scores(step)
        size = np.abs(w).sum()
        down = float(slope @ step) + float(np.abs(w + step).sum() - size)
        length = 1.0
        while True:
            new, new_f = w + length * step, f + length * move
            new_value = float(np.abs(new).sum()) + line.loss(new_f)
            if new_value <= value + 1e-4 * length * down:
                break
            length *= 0.5
            if length < 1e-10:  # rounding is all that is left
                return Straight(w, None, i + 1, True)
        flat = value - new_value <= 1e-15 * abs(value)
        w, f, value = new, new_f, new_value
        if flat:
            return Straight(w, None, i + 1, True)
    return Straight(w, None, rounds, False)


class _Curvature:
    """2·Σ C_i·x_i·x_iᵀ of the samples that cost something; only what changed is summed again."""

    def __init__(self, line: Line) -> None:
        self.line = line
        q = line.X.shape[1] + 1
        self.on = np.zeros(len(line.y), bool)
        self.matrix = np.zeros((q, q))

    def at(self, on: np.ndarray) -> np.ndarray:
        """A copy of the matrix [p + 1, p + 1]."""
        come, gone = on & ~self.on, self.on & ~on
        if 2 * np.count_nonzero(come | gone) > np.count_nonzero(on):
            self.matrix, come, gone = np.zeros_like(self.matrix), on, gone & False
        for rows, sign in ((come, 1.0), (gone, -1.0)):
            if rows.any():
                own = np.flatnonzero(rows)
                self.matrix += sign * gram(self.line.X, self.line.bias, own, 2.0 * self.line.C[own])
        self.on = on
        return self.matrix.copy()


def _conjugate(line: Line, on: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """−H⁻¹·slope by conjugate gradients, to a tenth of the slope."""
    bend = 2.0 * line.C * on
    step, rest = np.zeros_like(slope), -slope
    way, size = rest.copy(), float(slope @ slope)
    start = size
    for _ in range(250):
        bent = way + line.back(bend * line.scores(way))
        length = size / float(way @ bent)
        step += length * way
        rest -= length * bent
        new = float(rest @ rest)
        if new <= 0.01 * start:
            break
        way, size = rest + (new / size) * way, new
    return step


def _subgradient(w: np.ndarray, slope: np.ndarray, free: int) -> float:
    at_zero = np.maximum(np.abs(slope) - 1.0, 0.0)
    return float(np.where(w == 0, at_zero, np.abs(slope + np.sign(w)))[:free].max())


def _accelerated(
    line: Line, tol: float, rounds: int, stopped: Callable[[], bool], seen: Seen | None
) -> Straight:
    """Accelerated proximal gradient steps (Beck and Teboulle 2009)."""
    q = line.X.shape[1] + 1
    free = q if line.bias else q - 1
    probe = np.random.RandomState(0).normal(size=q)
    for _ in range(20):
        probe = line.back(2.0 * line.C * line.scores(probe / np.linalg.norm(probe)))
    alpha = 1.0 / (1.05 * float(np.linalg.norm(probe)) + 1e-300)
    w, v, t, first = np.zeros(q), np.zeros(q), 1.0, 0.0
    for i in range(50 * rounds):
        slope = line.back(2.0 * line.C * line.lacks(line.scores(v)))
        steepest = _subgradient(v, slope, free)
        first = first or steepest
        if seen is not None:
            seen(i, v, None)
        if steepest <= tol * first or stopped():
            return Straight(v, None, max(i, 1), steepest <= tol * first)
        moved = v - alpha * slope
        new = np.sign(moved) * np.maximum(np.abs(moved) - alpha, 0.0)
        t = 1.0 if float((v - new) @ (new - w)) > 0 else t
        new_t = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
        v, w, t = new + (t - 1.0) / new_t * (new - w), new, new_t
    return Straight(w, None, 50 * rounds, False)

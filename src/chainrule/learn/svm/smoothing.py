"""Newton's steps from far away for losses with a corner, where samples are many and weights few.

Coordinate descent soon knows most of the multipliers, but the last ones only after hundreds of
passes. Here the dual gets a term that holds β near a centre b, ½ Σ δ/C_i·(β_i − b_i)²: in the
primal it rounds the loss's corners, so that a few of Newton's steps solve it. Then δ shrinks, and b
is the β that was found (Rockafellar 1976, Augmented Lagrangians and applications of the proximal
point algorithm in convex programming; Li, Sun and Toh 2018 solve the lasso in this way).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.svm.newton import gram, solved

if TYPE_CHECKING:
    from chainrule.learn.svm.straight import Line, Seen

# A pass over fewer numbers is so short that NumPy's calls would take longer; with more weights, or
# mostly zeros, their Hessian takes longer than the passes that it saves.
_LEAST_NUMBERS = 10_000
_MOST_WEIGHTS = 128
# δ shrinks by so much each time, and so often at most.
_SHRINK, _ROUNDS = 4.0, 10
# One δ has so many of Newton's steps at most. They end when the slope is this share of the first
# one, and less as δ shrinks.
_STEPS, _LOOSE = 20, 2e-2
# All ends when so few multipliers for each weight lie between their bounds.
_FEW = 1.5
# The search along a step ends when the slope there is this share of the one before it.
_FLAT, _TRIALS = 0.1, 8


def worthwhile(line: Line) -> bool:
    """Whether these steps are quicker than passes over the samples."""
    n, p = line.X.shape
    if line.squared or issparse(line.X):
        return False
    return n * p >= _LEAST_NUMBERS and p < min(_MOST_WEIGHTS, n // 4)


def approach(
    line: Line, low: np.ndarray, high: np.ndarray, most: int, stopped: Callable[[], bool],
    seen: Seen | None,
) -> tuple[np.ndarray, int]:  # fmt: skip
    """(β near the optimum [n], steps made, `most` at most)."""
    search = _Search(line, low, high)
    start = 2.0 * float(np.abs(line.lacks(search.f)).max())
    delta, first, made = start, 0.0, 0
    for _ in range(_ROUNDS if start > 0.0 else 0):
        search.centre(delta)
        for _ in range(_STEPS):
            slope = search.w - line.back(search.beta)
            steepest = float(np.abs(slope).max())
            first = first or steepest
            if steepest <= _LOOSE * (delta / start) * first:
                break
            if made >= most or stopped() or not search.step(slope):
                break
            made += 1
            if seen is not None:
                seen(made, search.w, search.beta)
        if made >= most or np.count_nonzero(search.free()) <= _FEW * len(search.w):
            break
        delta /= _SHRINK
    return (search.beta if made else np.zeros(len(low))), made


class _Search:
    """w [p + 1], f = f(x) [n], and the best multipliers β [n] for them, given centre and δ."""

    def __init__(self, line: Line, low: np.ndarray, high: np.ndarray) -> None:
        self.line, self.low, self.high = line, low, high
        self.epsilon = line.epsilon or 0.0
        self.w, self.f = np.zeros(line.X.shape[1] + 1), np.zeros(len(low))
        self.beta = np.zeros(len(low))

    def centre(self, delta: float) -> None:
        """Puts the centre where β is, and changes δ."""
        self.damping = delta / self.line.C
        self.target = self.line.y + self.damping * self.beta
        self.beta = self._best(self.f)

    def _best(self, f: np.ndarray) -> np.ndarray:
        lack = self.target - f
        if self.epsilon > 0.0:
            lack -= np.minimum(np.maximum(lack, -self.epsilon), self.epsilon)
        lack /= self.damping
        return np.minimum(np.maximum(lack, self.low), self.high)

    def free(self) -> np.ndarray:
        """Which β lie between their bounds [n]; those at a kink do not."""
        free = (self.beta > self.low) & (self.beta < self.high)
        return free & (self.beta != 0.0) if self.epsilon > 0.0 else free

    def step(self, slope: np.ndarray) -> bool:
        """One of Newton's steps, as far as the objective goes down; False if there is none."""
        line = self.line
        on = np.flatnonzero(self.free())
        H = gram(line.X, line.bias, on, 1.0 / self.damping[on])
        H.flat[:: len(H) + 1] += 1.0
        try:
            step = -solved(H, slope)
        except np.linalg.LinAlgError:
            return False
        move = line.scores(step)
        down, bend = float(slope @ step), float(step @ step)
        if not -np.inf < down < 0.0:
            return False
        # The objective along the step is convex, its slope grows: between `near` and `far`.
        along, near, far, length = float(self.w @ step), (0.0, down), (np.inf, 0.0), 1.0
        for _ in range(_TRIALS):
            f = self.f + length * move
            beta = self._best(f)
            here = along + length * bend - float(move @ beta)
            if abs(here) <= _FLAT * -down:
                break
            if here < 0.0:
                near = (length, here)
                if far[0] == np.inf:
                    break
            else:
                far = (length, here)
            room = far[0] - near[0]
            share = near[1] / (near[1] - far[1])
            length = near[0] + room * min(max(share, 0.05), 0.95)
        self.w = self.w + length * step
        self.f, self.beta = f, beta
        return True

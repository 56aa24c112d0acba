"""The dual problem of the support vector machines, whole or by working sets.

Minimise ½ uᵀKu + qᵀu + ε‖u‖₁ over Σu = 0, low ≤ u ≤ high. Small problems are solved whole by
`smo`. Larger ones go by working sets: the samples that violate the conditions most are solved
among themselves, then every gradient is brought up to date from their kernel rows, which matrix
products make many at a time. Rows stay in a cache; samples that sit firmly at a bound are left out
(shrinking) until the rest has converged, then all are looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.learn.cluster.threads import each_range, ranges
from chainrule.learn.svm.arithmetic import add_rows, gather, smo, swap
from chainrule.learn.svm.kernels import Rows
from chainrule.learn.svm.newton import MOST, as_far, settle

# Up to here the whole matrix is made: it costs less than choosing what to make.
WHOLE = 4096
WORKING_SET = 1024
INNER = 0.1
# Up to here the optimum is found to rounding: it costs little.
EXACT = 96
# Steps between looks for samples to leave out; below so many samples, and unless this share is
# left, looking costs more than it gives.
_LEAST_LOOK, _LOOK, _WORTH_SHRINKING, _SHARE = 256, 1000, 256, 0.8
# The share of all rows that is kept at most: of more, most would not be asked for again.
_KEPT = 0.55
# Entries of the kernel matrix that are made at a time, before they go where they stay.
_PART = 1 << 19
# Between looks at the signals and at the progress, in steps.
_STRETCH = 1 << 16

Watch = Callable[[int, np.ndarray], None]
Stopped = Callable[[], bool]


@dataclass
class Problem:
    """One dual problem; K by its rows, the rest as in the module's text."""

    kernel: Rows
    q: np.ndarray
    low: np.ndarray
    high: np.ndarray
    epsilon: float = 0.0


@dataclass
class Solution:
    """u: the multipliers with their sign; g = Ku + q; rho: minus the intercept; steps: pairs
    changed; violation: what is left; ended: whether `max_iter` ended it."""

    u: np.ndarray
    g: np.ndarray
    rho: float
    steps: int
    violation: float
    ended: bool


def objective(problem: Problem, u: np.ndarray, g: np.ndarray) -> float:
    """½ uᵀKu + qᵀu + ε‖u‖₁, from g = Ku + q."""
    return float(0.5 * u @ (g + problem.q) + problem.epsilon * np.abs(u).sum())


def sides(problem: Problem, u: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """−(slope of growing u), −∞ where it may not; −(slope of shrinking u), ∞ where it may not.

    At the optimum the largest of the first is at most the smallest of the second.
    """
    e = problem.epsilon
    grow = np.where(u < problem.high, np.where(u >= 0, -e, e) - g, -np.inf)
    shrink = np.where(u > problem.low, np.where(u > 0, -e, e) - g, np.inf)
    return grow, shrink


def offset(problem: Problem, u: np.ndarray, g: np.ndarray) -> float:
    """ρ: the mean slope over the free samples, else the middle of what the bounds leave."""
    grow, shrink = sides(problem, u, g)
    free = (u > problem.low) & (u < problem.high)
    if problem.epsilon > 0.0 or np.any(problem.low * problem.high < 0):
        free &= u != 0
    if free.any():
        return float(-np.mean(grow[free]))
    ends = np.array([np.max(grow, initial=-np.inf), np.min(shrink, initial=np.inf)])
    ends = ends[np.isfinite(ends)]
    return float(-ends.mean()) if ends.size else 0.0


def solve(
    problem: Problem,
    *,
    tol: float,
    max_iter: int = -1,
    cache_bytes: float = 200e6,
    shrinking: bool = True,
    whole: np.ndarray | None = None,
    watch: Watch | None = None,
    stops: tuple[int, ...] | None = None,
    stopped: Stopped | None = None,
) -> Solution:
    """The optimum to a violation below `tol`.

    max_iter: steps at most, −1 any number; whole: the kernel matrix if it was made already;
    watch: called with (steps, u) as the fit goes on; stops: counts of steps at which it is called
    (a whole problem; else after each working set); stopped: whether to end early.
    """
    n = problem.q.size
    u, g = np.zeros(n), problem.q.copy()
    limit = np.iinfo(np.int64).max if max_iter < 0 else max_iter
    if whole is None and (n <= WHOLE or problem.kernel.kernel.name == "precomputed"):
        whole = problem.kernel.full()
    if whole is not None:
        steps, violation = _whole(problem, whole, u, g, tol, limit, watch, stops or (), stopped)
        if n <= EXACT and violation < tol:
            steps += _finish(problem, whole, u, g, tol)
    else:
        sets = _WorkingSets(problem, u, g, cache_bytes, shrinking)
        steps, violation = sets.run(tol, limit, watch, stopped)
    ended = violation >= tol and steps >= limit
    return Solution(u, g, offset(problem, u, g), steps, violation, ended)


def _whole(
    problem: Problem, K: np.ndarray, u: np.ndarray, g: np.ndarray, tol: float, limit: int,
    watch: Watch | None, stops: tuple[int, ...], stopped: Stopped | None,
) -> tuple[int, float]:  # fmt: skip
    steps, violation = 0, np.inf
    if watch is None:
        way = _Whole(problem, K, u, g, tol, stopped or _never)
        steps, violation = way.run(u.size, limit)
        u[way.order], g[way.order] = u.copy(), g.copy()
        return steps, violation
    ends, scratch = [stop for stop in stops if stop < limit], np.empty((2, u.size))
    while True:
        end = ends.pop(0) if ends else min(limit, steps + _STRETCH)
        done, violation = smo(
            K, problem.kernel.diagonal, u, g, problem.low, problem.high, problem.epsilon, tol,
            end - steps, *scratch,
        )  # fmt: skip
        steps += done
        if watch is not None:
            watch(steps, u)
        if violation < tol or steps < end or steps >= limit or (stopped and stopped()):
            return steps, violation


def _never() -> bool:
    return False


class _Whole:
    """A problem solved whole; now and then the samples that are not firm among themselves.

    Those are moved to the front, in K as well: nothing is copied. After `run` everything stands in
    `order`.
    """

    def __init__(
        self, problem: Problem, K: np.ndarray, u: np.ndarray, g: np.ndarray, tol: float,
        stopped: Stopped,
    ) -> None:  # fmt: skip
        self.K, self.tol, self.stopped, self.epsilon = K, tol, stopped, problem.epsilon
        self.kernel, self.q, self.u, self.g = problem.kernel, problem.q, u, g
        self.diagonal = problem.kernel.diagonal.copy()
        self.low, self.high = problem.low.copy(), problem.high.copy()
        self.order = np.arange(u.size)
        self.before: list[np.ndarray] = []  # u of the samples that are solved by themselves

    def run(self, n: int, limit: int) -> tuple[int, float]:
        """Solves the first n samples among themselves; (steps, violation)."""
        u, g, low, high = self.u[:n], self.g[:n], self.low[:n], self.high[:n]
        mine = Problem(self.kernel, self.q, low, high, self.epsilon)
        scratch = np.empty((2, n))
        steps, stretch = 0, min(max(n, _LEAST_LOOK), _LOOK)
        while True:
            most = min(limit - steps, stretch)
            done, violation = smo(
                self.K, self.diagonal[:n], u, g, low, high, self.epsilon, self.tol, most, *scratch
            )
            steps += done
            if violation < self.tol or done < most or steps >= limit or self.stopped():
                return steps, violation
            self._settle(n)
            if n < _WORTH_SHRINKING:
                continue
            firm = _firm(*sides(mine, u, g))
            own = n - int(np.count_nonzero(firm))
            if own > _SHARE * n:
                continue
            self._forward(firm, own)
            self.before.append(u[:own].copy())
            steps += self.run(own, limit - steps)[0]
            change = u[:own] - self.before.pop()
            moved = np.flatnonzero(change)
            add_rows(self.g, self.K, moved, change[moved], own, n)

    def _settle(self, n: int) -> None:
        """Newton's steps on those of the first n that are free, if these are few."""
        u, low, high = self.u[:n], self.low[:n], self.high[:n]
        free = (u > low) & (u < high)
        if self.epsilon > 0:
            free &= u != 0
        index = np.flatnonzero(free)
        if not 2 <= index.size <= MOST:
            return
        mine = u[index]
        slope = self.g[index] + self.epsilon * np.sign(mine)
        K = self.K[np.ix_(index, index)].astype(np.float64)
        settle(K, slope, mine, low[index], high[index], self.epsilon > 0, True)
        change = mine - u[index]
        u[index] = mine
        add_rows(self.g, self.K, index, change, 0, n)

    def _forward(self, firm: np.ndarray, own: int) -> None:
        """Puts the `own` samples that are not firm before the others."""
        first, second = np.flatnonzero(firm[:own]), own + np.flatnonzero(~firm[own:])
        swap(self.K, first, second)
        bound = (self.low, self.high, self.diagonal, self.order)
        for values in (self.u, self.g, *bound, *self.before):
            values[first], values[second] = values[second], values[first]


def _firm(grow: np.ndarray, shrink: np.ndarray) -> np.ndarray:
    """The samples at a bound that pull against it by more than any violation."""
    top, bottom = grow.max(), shrink.min()
    return ((grow == -np.inf) & (shrink > top)) | ((shrink == np.inf) & (grow < bottom))


def _finish(problem: Problem, K: np.ndarray, u: np.ndarray, g: np.ndarray, tol: float) -> int:
    """From a solution to the exact one: more steps, then Newton's on the free multipliers.

    u and g change in place; returns the number of steps.
    """
    everything, steps = np.arange(u.size), 0
    for _ in range(4):
        done, _ = smo(
            K, problem.kernel.diagonal, u, g, problem.low, problem.high, problem.epsilon,
            1e-3 * tol, 100 * u.size, *np.empty((2, u.size)),
        )  # fmt: skip
        steps += done
        for _ in range(8):
            if _newton(problem, u):
                break
        own = np.flatnonzero(u)
        g[:] = problem.kernel.exact(everything, own) @ u[own] + problem.q
        grow, shrink = sides(problem, u, g)
        if grow.max() - shrink.min() < 1e-3 * tol:
            break
    return steps


def _newton(problem: Problem, u: np.ndarray) -> bool:
    """One Newton step on the multipliers between their bounds; whether none is left to make."""
    free = (u > problem.low) & (u < problem.high) & (u != 0)
    index, own = np.flatnonzero(free), np.flatnonzero(u)
    n = index.size
    if n < 2:
        return True
    matrix = np.ones((n + 1, n + 1))
    K = problem.kernel.exact(index, own)
    matrix[:n, :n] = K[:, np.searchsorted(own, index)]
    scale = float(np.abs(np.diagonal(matrix)).mean())
    # Equal samples make it singular: a little on its diagonal leaves their sum as it must be.
    matrix[np.arange(n), np.arange(n)] += 1e-10 * scale
    matrix[n, n] = 0.0
    slope = K @ u[own] + problem.q[index] + problem.epsilon * np.sign(u[index])
    try:
        change = np.linalg.solve(matrix, np.append(-slope, 0.0))[:n]
    except np.linalg.LinAlgError:
        return True
    if not np.isfinite(change).all():
        return True
    mine = u[index]
    _, met = as_far(change, mine, problem.low[index], problem.high[index], problem.epsilon > 0)
    u[index] = mine
    return met < 0 and float(np.abs(change).max()) <= 1e-12 * float(np.abs(u).max())


class _WorkingSets:
    """The state of a fit by working sets."""

    def __init__(
        self, problem: Problem, u: np.ndarray, g: np.ndarray, cache_bytes: float, shrinking: bool
    ) -> None:
        n = u.size
        self.problem, self.u, self.g, self.shrinking = problem, u, g, shrinking
        # A working set must fit the cache; a fit needs at least a handful of rows.
        capacity = int(min(n, max(min(cache_bytes / (4 * n), _KEPT * n), 64)))
        self.size = min(WORKING_SET, capacity)
        self.capacity = capacity
        # The system gives memory where something is written: slots are taken from the first on.
        self.room = np.empty(capacity * n, np.float32)
        self.slot = np.full(n, -1)
        self._empty(n)
        self.active: np.ndarray | None = None
        self.stale: np.ndarray | None = None
        self.round = 0

    def _empty(self, width: int) -> None:
        """A cache of rows of that width that holds none."""
        self.rows = self.room[: self.room.size // width * width].reshape(-1, width)
        self.owner = np.full(len(self.rows), -1)
        self.used = np.full(len(self.rows), -1)
        self.slot[:] = -1

    def run(
        self, tol: float, limit: int, watch: Watch | None, stopped: Stopped | None
    ) -> tuple[int, float]:
        problem, u, g = self.problem, self.u, self.g
        steps, shrunk_once = 0, False
        newest = np.empty(0, dtype=np.int64)
        while True:
            grow, shrink = sides(problem, u, g)
            if self.active is not None:
                out = np.ones(u.size, bool)
                out[self.active] = False
                grow[out], shrink[out] = -np.inf, np.inf
            violation = float(grow.max() - shrink.min())
            if violation < tol or steps >= limit or (stopped and stopped()):
                if self.active is None:
                    return steps, violation
                self._restore()
                continue
            if watch is not None:
                watch(steps, u)
            newest = self._choose(grow, shrink, newest)
            # In the samples' order: neighbours in memory are read together.
            chosen = np.sort(newest)
            slots = self._fetch(chosen)
            K = self._among(slots, chosen)
            before, mine = u[chosen], u[chosen]
            done, _ = smo(
                K, problem.kernel.diagonal[chosen], mine, g[chosen], problem.low[chosen],
                problem.high[chosen], problem.epsilon, max(tol * 0.5, INNER * violation),
                min(limit - steps, 64 * self.size), *np.empty((2, mine.size)),
            )  # fmt: skip
            steps += done
            moved = np.flatnonzero(mine != before)
            if moved.size == 0:
                if self.active is None:
                    return steps, violation
                self._restore()
                continue
            u[chosen] = mine
            self._update(slots[moved], (mine - before)[moved])
            self.round += 1
            # It pays where rows are made again and again: the cache does not hold them all.
            may = self.shrinking and not shrunk_once and self.capacity < u.size
            if may and self.round % 16 == 0 and violation < 100 * tol:
                shrunk_once = self._shrink(grow, shrink)

    def _choose(self, grow: np.ndarray, shrink: np.ndarray, last: np.ndarray) -> np.ndarray:
        """The working set: the worst violators on both sides, then the newest half of the last."""
        new = self.size if last.size == 0 else self.size // 2
        part = max(new // 2, 1)
        grow, shrink = grow.copy(), shrink.copy()
        top, bottom = grow.max(), shrink.min()
        grow[grow <= bottom] = -np.inf
        shrink[shrink >= top] = np.inf
        kept = last[: self.size - new]
        # The worst pair always belongs to it, or no step may be left.
        pair = np.array([np.argmax(grow), np.argmin(shrink)])
        grow[kept], shrink[kept] = -np.inf, np.inf
        up = _largest(grow, part)
        shrink[up] = np.inf
        down = _largest(-shrink, new - up.size)
        fresh = np.concatenate([up, down])
        seen = np.concatenate([pair, fresh, last])
        _, first = np.unique(seen, return_index=True)
        return seen[np.sort(first)][: self.size]

    def _fetch(self, chosen: np.ndarray) -> np.ndarray:
        """The slots of the cache that hold their rows; makes the missing ones together."""
        missing = chosen[self.slot[chosen] < 0]
        have = self.slot[chosen[self.slot[chosen] >= 0]]
        self.used[have] = self.round
        if missing.size:
            width = self.rows.shape[1]
            free = np.flatnonzero(self.owner < 0)[: missing.size]
            need = missing.size - free.size
            if need > 0:
                old = np.where((self.owner >= 0) & (self.used < self.round), self.used, 1 << 60)
                old[have] = 1 << 60
                oldest = np.argpartition(old, need - 1)[:need]
                self.slot[self.owner[oldest]] = -1
                free = np.concatenate([free, oldest])
            step = max(16, _PART // width)
            for i in range(0, missing.size, step):
                part = missing[i : i + step]
                self.rows[free[i : i + step]] = self.problem.kernel.rows(part, self.active)
            self.owner[free], self.used[free] = missing, self.round
            self.slot[missing] = free
        return self.slot[chosen]

    def _among(self, slots: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        columns = chosen if self.active is None else np.searchsorted(self.active, chosen)
        out = np.empty((slots.size, slots.size), np.float32)
        gather(self.rows, slots, columns, out)
        return out

    def _update(self, slots: np.ndarray, change: np.ndarray) -> None:
        g = self.g if self.active is None else self.g[self.active]
        parts = ranges(g.size, float(slots.size))
        each_range(lambda _, i, j: add_rows(g, self.rows, slots, change, i, j), parts)
        if self.active is not None:
            self.g[self.active] = g

    def _shrink(self, grow: np.ndarray, shrink: np.ndarray) -> bool:
        """Leaves out the samples at a bound that pull against it by more than any violation."""
        firm = _firm(grow, shrink)
        if 2 * np.count_nonzero(firm) < firm.size:
            return False
        self.active = np.flatnonzero(~firm)
        self.stale = self.u.copy()
        rows, owner, used = self.rows, self.owner, self.used
        slots = self.slot.copy()
        filled = int(np.count_nonzero(owner >= 0))
        self._empty(self.active.size)
        # In place: a row never lies behind where it was.
        for i in range(0, filled, 64):
            end = min(i + 64, filled)
            self.rows[i:end] = rows[i:end][:, self.active]
        self.owner[:filled], self.used[:filled] = owner[:filled], used[:filled]
        self.slot[:] = slots
        return True

    def _restore(self) -> None:
        """Brings all samples back, with their gradients and the rows' missing columns."""
        assert self.active is not None and self.stale is not None
        n = self.u.size
        out = np.ones(n, bool)
        out[self.active] = False
        outside = np.flatnonzero(out)
        moved = np.flatnonzero(self.u != self.stale)
        change = (self.u - self.stale)[moved]
        g = self.g[outside]
        step = max(16, _PART // max(outside.size, 1))
        for i in range(0, moved.size, step):
            part = self.problem.kernel.rows(moved[i : i + step], outside)
            g += change[i : i + step] @ part.astype(np.float64)
        self.g[outside] = g
        self.active = self.stale = None
        self._empty(n)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """The indices of up to `count` largest finite values."""
    finite = np.flatnonzero(values > -np.inf)
    if finite.size > count:
        finite = finite[np.argpartition(-values[finite], count - 1)[:count]]
    return finite

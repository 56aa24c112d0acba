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
from chainrule.learn.svm.arithmetic import add_rows, gather, smo
from chainrule.learn.svm.kernels import Rows

# Up to here the whole matrix is made: it costs less than choosing what to make.
WHOLE = 4096
WORKING_SET = 1024
INNER = 0.1
# Up to here the optimum is found to rounding: it costs little.
EXACT = 96
# Steps between looks for samples to leave out; below so many samples, and unless this share is
# left, looking costs more than it gives.
_LOOK, _WORTH_SHRINKING, _SHARE = 1000, 256, 0.8
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
        stop = stopped or _never
        return _shrinking(K, problem.kernel.diagonal, problem, u, g, tol, limit, stop)
    ends = [stop for stop in stops if stop < limit]
    while True:
        end = ends.pop(0) if ends else min(limit, steps + _STRETCH)
        done, violation = smo(
            K, problem.kernel.diagonal, u, g, problem.low, problem.high, problem.epsilon, tol,
            end - steps,
        )  # fmt: skip
        steps += done
        if watch is not None:
            watch(steps, u)
        if violation < tol or steps < end or steps >= limit or (stopped and stopped()):
            return steps, violation


def _never() -> bool:
    return False


def _shrinking(
    K: np.ndarray, diagonal: np.ndarray, problem: Problem, u: np.ndarray, g: np.ndarray,
    tol: float, limit: int, stopped: Stopped,
) -> tuple[int, float]:  # fmt: skip
    """Solves a problem whole; now and then the samples that are not firm among themselves.

    K: [n, n]; of `problem` only the bounds and ε count. u, g change in place; (steps, violation).
    """
    n, steps = u.size, 0
    stretch = min(n, _LOOK) if n >= _WORTH_SHRINKING else _STRETCH
    while True:
        step_limit = min(limit - steps, stretch)
        done, violation = smo(
            K, diagonal, u, g, problem.low, problem.high, problem.epsilon, tol, step_limit
        )
        steps += done
        if violation < tol or done < step_limit or steps >= limit or stopped():
            return steps, violation
        if n < _WORTH_SHRINKING:
            continue
        grow, shrink = sides(problem, u, g)
        own = np.flatnonzero(~_firm(grow, shrink))
        if own.size > _SHARE * n:
            continue
        part = np.empty((own.size, own.size), np.float32)
        gather(K, own, own, part)
        smaller = Problem(problem.kernel, problem.q, problem.low[own], problem.high[own],
                          problem.epsilon)  # fmt: skip
        before, mine = u[own], u[own]
        done, _ = _shrinking(
            part, diagonal[own], smaller, mine, g[own], tol, limit - steps, stopped
        )  # fmt: skip
        steps += done
        moved = np.flatnonzero(mine != before)
        u[own] = mine
        add_rows(g, K, own[moved], (mine - before)[moved], 0, n)


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
            1e-3 * tol, 100 * u.size,
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
    end = np.where(change > 0, problem.high[index], problem.low[index])
    if problem.epsilon > 0:
        end = np.where(change * u[index] < 0, 0.0, end)
    room = np.full(n, np.inf)
    moves = change != 0
    room[moves] = (end - u[index])[moves] / change[moves]
    first = int(np.argmin(room))
    length = min(1.0, float(room[first]))
    u[index] += length * change
    if length < 1.0:
        u[index[first]] = end[first]
        return False
    return float(np.abs(change).max()) <= 1e-12 * float(np.abs(u).max())


class _WorkingSets:
    """The state of a fit by working sets."""

    def __init__(
        self, problem: Problem, u: np.ndarray, g: np.ndarray, cache_bytes: float, shrinking: bool
    ) -> None:
        n = u.size
        self.problem, self.u, self.g, self.shrinking = problem, u, g, shrinking
        # A working set must fit the cache; a fit needs at least a handful of rows.
        capacity = int(min(n, max(cache_bytes / (4 * n), 64)))
        self.size = min(WORKING_SET, capacity)
        self.capacity = capacity
        self.rows = np.empty((0, n), np.float32)
        self.slot = np.full(n, -1)
        self.owner = np.empty(0, dtype=np.int64)
        self.used = np.empty(0, dtype=np.int64)
        self.active: np.ndarray | None = None
        self.stale: np.ndarray | None = None
        self.round = 0

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
                min(limit - steps, 64 * self.size),
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
            free = np.flatnonzero(self.owner < 0)
            need = missing.size - free.size
            room = self.capacity - self.owner.size
            if need > 0 and room > 0:
                more = min(room, max(need, self.owner.size // 2))
                self.rows = np.concatenate([self.rows, np.empty((more, width), np.float32)])
                self.owner = np.concatenate([self.owner, np.full(more, -1)])
                self.used = np.concatenate([self.used, np.full(more, -1)])
                free = np.flatnonzero(self.owner < 0)
                need = missing.size - free.size
            if need > 0:
                old = np.where((self.owner >= 0) & (self.used < self.round), self.used, 1 << 60)
                old[have] = 1 << 60
                oldest = np.argpartition(old, need - 1)[:need]
                self.slot[self.owner[oldest]] = -1
                free = np.concatenate([free, oldest])
            target = free[: missing.size]
            step = max(16, (1 << 21) // width)
            for i in range(0, missing.size, step):
                part = missing[i : i + step]
                self.rows[target[i : i + step]] = self.problem.kernel.rows(part, self.active)
            self.owner[target], self.used[target] = missing, self.round
            self.slot[missing] = target
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
        self.rows = np.ascontiguousarray(self.rows[:, self.active])
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
        step = max(16, (1 << 21) // max(outside.size, 1))
        for i in range(0, moved.size, step):
            part = self.problem.kernel.rows(moved[i : i + step], outside)
            g += change[i : i + step] @ part.astype(np.float64)
        self.g[outside] = g
        self.active = self.stale = None
        self.rows = np.empty((0, n), np.float32)
        self.owner, self.used = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        self.slot[:] = -1


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """The indices of up to `count` largest finite values."""
    finite = np.flatnonzero(values > -np.inf)
    if finite.size > count:
        finite = finite[np.argpartition(-values[finite], count - 1)[:count]]
    return finite

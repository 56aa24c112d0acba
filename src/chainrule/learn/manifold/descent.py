"""The forces of t-SNE, and the descent that follows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.learn.base import Rounds
from chainrule.learn.cluster.threads import each_range, ranges
from chainrule.learn.manifold import kernels

Array = np.ndarray
# The divergence is worked out, and the end judged, once in so many rounds.
CHECK = 50
EXPLORATION = 250


class Forces(NamedTuple):
    """pull and push [N, D] (push not divided by Z), Z, and the divergence or NaN."""

    pull: Array
    push: Array
    mass: float
    divergence: float


Field = Callable[[Array, float, bool], Forces]


class Exact:
    """Forces over all pairs; shares [N, N]."""

    def __init__(self, shares: Array, freedom: float) -> None:
        self.table = self.shares = shares
        self.freedom = freedom
        logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
        self._entropy = float(np.vdot(shares, logs))

    def __call__(self, points: Array, exaggeration: float, measure: bool) -> Forces:
        columns = np.ascontiguousarray(points.T)
        pull, push = np.empty_like(points), np.empty_like(points)
        parts = ranges(len(points), 10 * len(points))
        mass = sum(
            each_range(
                lambda _, a, b: kernels.pair_rows(
                    columns, self.shares, self.freedom, a, b, np.empty(len(points)), pull, push
                ),
                parts,
            )
        )
        divergence = self._divergence(points, mass) if measure else math.nan
        pull *= exaggeration
        return Forces(pull, push, mass, divergence)

    def _divergence(self, points: Array, mass: float) -> float:
        power = (self.freedom + 1) / 2
        total = self._entropy + math.log(mass)
        for i, row in enumerate(self.shares):
            squares = ((points - points[i]) ** 2).sum(axis=1)
            total += power * float(row @ np.log1p(squares / self.freedom))
        return total


class BarnesHut:
    """Forces with far points as groups; shares is sparse [N, N]."""

    def __init__(self, shares: Any, freedom: float, angle: float, dims: int) -> None:
        self.table = shares
        self.freedom, self.angle = freedom, angle
        self.dims = max(dims, 2)
        self.starts = shares.indptr.astype(np.int64, copy=False)
        self.neighbours = shares.indices.astype(np.int32, copy=False)
        self.shares = np.ascontiguousarray(shares.data, np.float64)
        n = shares.shape[0]
        self._wide = np.zeros((n, 3))
        self._sums = np.zeros((n + 1, 3))
        self._spread = _spread(self.dims)
        self._room(2 * n + 64)
        self._stack = np.empty((3, 8 * kernels.BITS + 8), np.int64)
        self._path = np.empty(kernels.BITS + 1, np.int64)

    def _room(self, cells: int) -> None:
        self._cells, self._spans = np.empty((cells, 5)), np.empty((cells, 3), np.int64)

    def tree(self, points: Array) -> tuple[Array, Array, int]:
        """The order [N] of the points, them in that order, and how many cells there are."""
        low = points.min(axis=0)
        side = max(float((points.max(axis=0) - low).max()), 1e-12) * 1.001
        places = ((points - low) * (2.0**kernels.BITS / side)).astype(np.int64)
        numbers = np.zeros(len(points), np.int64)
        for d in range(self.dims):
            numbers |= self._cell_bits(places[:, d]) << d
        order = np.argsort(numbers)
        inside, numbers = points[order], numbers[order]
        np.cumsum(inside, axis=0, out=self._sums[1:])
        while True:
            count = kernels.build(
                self._sums, numbers, self.dims, side, self._cells, self._spans, self._stack,
                self._path,
            )  # fmt: skip
            if count >= 0:
                return order, inside, count
            self._room(min(2 * len(self._cells), 2 + kernels.BITS * len(points)))

    def _cell_bits(self, places: Array) -> Array:
        """The bits of the places [N], `dims` apart (Morton's order)."""
        half = kernels.BITS // 2
        high = self._spread[places >> half] << half * self.dims
        return high | self._spread[places & ((1 << half) - 1)]

    def __call__(self, points: Array, exaggeration: float, measure: bool) -> Forces:
        wide = self._wide
        wide[:, : points.shape[1]] = points
        order, inside, count = self.tree(wide)
        pull, near = np.empty_like(wide), np.empty_like(wide)

        def do(_: int, a: int, b: int) -> tuple[float, float]:
            mass = kernels.repel(
                inside, self._cells, self._spans, count, self.angle, self.freedom, a, b, near
            )
            cost = kernels.attract(
                wide, self.starts, self.neighbours, self.shares, self.freedom, measure, a, b, pull
            )
            return mass, cost

        sums = each_range(do, ranges(len(wide), 2000))
        mass = sum(one for one, _ in sums)
        divergence = sum(one for _, one in sums) + math.log(mass) if measure else math.nan
        push = np.empty_like(wide)
        push[order] = near
        dims = points.shape[1]
        return Forces(
            pull[:, :dims] * exaggeration, np.ascontiguousarray(push[:, :dims]), mass, divergence
        )


def _spread(dims: int) -> Array:
    """For every number of half a coordinate's bits, that number with its bits `dims` apart."""
    half = kernels.BITS // 2
    numbers = np.arange(1 << half)
    spread = np.zeros(len(numbers), np.int64)
    for bit in range(half):
        spread |= ((numbers >> bit) & 1) << (bit * dims)
    return spread


class Path(NamedTuple):
    """What a descent leaves: rounds, and at every check (round, divergence, points)."""

    rounds: int
    checks: list[tuple[int, float, Array]]


def descend(
    field: Field,
    points: Array,
    rounds: Rounds,
    *,
    freedom: float,
    exaggeration: float,
    rate: float,
    patience: int,
    least_gradient: float,
    keep: bool,
) -> Path:
    """Moves the points [N, D] in their place along the forces.

    The first 250 rounds exaggerate the pull and have momentum 0.5, the others 0.8. A phase ends
    early when the divergence does not fall for `patience` rounds, or the gradient is small.
    """
    scale = 2 * (freedom + 1) / freedom
    update, gains = np.zeros_like(points), np.ones_like(points)
    checks: list[tuple[int, float, Array]] = []
    best, best_at = math.inf, 0
    early = True
    i = 0
    for i in rounds:
        if early and i >= EXPLORATION:
            early = False
            update[:], gains[:] = 0, 1
            best, best_at = math.inf, i
        judge = (i + 1) % CHECK == 0
        forces = field(points, exaggeration if early else 1.0, judge or i == rounds.total - 1)
        if not math.isnan(forces.divergence):
            checks.append((i + 1, forces.divergence, points.copy() if keep else points))
        gradient = forces.pull - forces.push / forces.mass
        gradient *= scale
        against = update * gradient < 0
        np.maximum(np.where(against, gains + 0.2, gains * 0.8), 0.01, out=gains)
        gradient *= gains
        update *= 0.5 if early else 0.8
        update -= rate * gradient
        points += update
        if not judge:
            continue
        rounds.show(kl_divergence=forces.divergence)
        if forces.divergence < best:
            best, best_at = forces.divergence, i
            waited = False
        else:
            waited = i - best_at > (EXPLORATION if early else patience)
        if waited or float(np.linalg.norm(gradient)) <= least_gradient:
            if not early:
                break
            early = False
            update[:], gains[:] = 0, 1
            best, best_at = math.inf, i
    return Path(i, checks)

"""Trees over binned columns: where the cuts lie, how a tree is grown, what it keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.learn.trees import histogram
from chainrule.learn.trees.histogram import FEATURE, LEFT, RIGHT
from chainrule.learn.trees.walking import pack

# A tree of so many steps (about a nanosecond each) is worth several threads.
_WORTH = 200_000
# More threads than these repeat more work than they share.
_MOST_THREADS = 8


@dataclass(frozen=True)
class HistogramTree:
    """One tree: `nodes` [n, 10] (left, right, feature, bin, start, end, …), the packed nodes for
    walks, the masks [splits by categories, 256] that these name, the leaves' values (shrunk)."""

    nodes: Any
    packed: Any
    masks: Any
    value: Any
    gain: Any
    rows: Any


def cut_points(column: Any, most: int, random: np.random.RandomState, weight: Any = None) -> Any:
    """At most `most` − 1 thresholds that share the values of a column about equally.

    `weight` [rows]: how often each row counts.
    """
    keep = ~np.isnan(column) if weight is None else ~np.isnan(column) & (weight != 0)
    known = column[keep]
    weight = None if weight is None else weight[keep]
    if len(known) > 200_000:
        chances = None if weight is None else weight / weight.sum()
        known, weight = random.choice(known, 200_000, replace=weight is not None, p=chances), None
    if weight is None:
        known.sort()
    else:
        order = np.argsort(known)
        known, weight = known[order], weight[order]
    fresh = np.ones(len(known), bool)
    np.not_equal(known[1:], known[:-1], out=fresh[1:])
    if np.count_nonzero(fresh) <= most:
        distinct = known[fresh]
        return distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    # Quantiles; exactly between two values their mean (number 2 of Hyndman and Fan 1996).
    shares = np.linspace(0, 100, most + 1)[1:-1] / 100
    if weight is None:
        # Whether a place is whole is left to rounding, as in NumPy, so that the cuts are the same.
        places = shares * len(known) - 1
        lower = np.floor(places).astype(int)
        between = places == lower
    else:
        mass = np.cumsum(weight)
        lower = np.minimum(np.searchsorted(mass, shares * mass[-1]), len(known) - 1) - 1
        between = mass[lower + 1] - shares * mass[-1] <= np.finfo(float).eps
        lower += between
    upper = np.minimum(lower + 1, len(known) - 1)
    cuts = np.where(between, known[lower] / 2 + known[upper] / 2, known[upper])
    return np.unique(cuts)


def filled(cuts: Any) -> Any:
    """The cuts followed by ∞ up to 256, as `histogram.put` wants them."""
    out = np.full(256, np.inf)
    out[: len(cuts)] = cuts
    return out


class Grower:
    """Grows tree after tree over the same binned columns; keeps the memory that they need.

    bins: uint8 [features, rows]; cuts: the thresholds of each feature; categories: bool [features];
    signs: monotonic signs [features]; groups, real, whole: see `histogram.Table`.
    """

    def __init__(
        self, bins: Any, cuts: list[Any], categories: Any, signs: Any, groups: Any, real: Any,
        whole: Any, threads: int,
    ) -> None:  # fmt: skip
        d, n = bins.shape
        leaves = whole[0]
        self.bins, self.cuts, self.categories, self.real, self.whole = (
            bins, cuts, categories, np.array(real, float), np.array(whole, np.int64),
        )  # fmt: skip
        used = [len(c) + 1 for c in cuts]
        self.groups = groups if len(groups) else None
        self.kinds = np.array([used, categories], np.int64).T.copy()
        self.signs = np.array(signs, np.int64) if np.any(signs) else None
        steps = d * (3 * n + 512 * leaves)
        self.threads = max(1, min(threads, d, _MOST_THREADS)) if steps > _WORTH else 1
        self.shared = histogram.Shared(
            np.zeros(1, np.int64),
            np.zeros((self.threads, 2 * leaves, 6)),
            np.zeros((self.threads, 2 * leaves, 256), np.uint8),
        )
        self.own = [self._own(me, n, d, leaves) for me in range(self.threads)]
        # Thresholds by feature and bin; a cut behind the last bin leaves only missing values.
        self.thresholds = np.stack([filled(c) for c in cuts])
        self.pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def _own(self, me: int, n: int, d: int, leaves: int) -> histogram.Own:
        features = d * (me + 1) // self.threads - d * me // self.threads
        return histogram.Own(
            np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty((histogram.BLOCK, 2)),
            np.empty((leaves, features, 256, 3)), np.empty((2 * leaves, 10), np.int64),
            np.empty((2 * leaves, 6)), np.ones((2 * leaves, d), np.uint8),
            None if self.groups is None else np.ones((2 * leaves, len(self.groups)), np.uint8),
            np.empty(256, np.int64), np.empty(256) if any(self.categories) else None,
            np.empty(leaves, np.int64),
        )  # fmt: skip

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def each(self, function: Any, jobs: list[Any]) -> None:
        """function(job) of every job, by this grower's threads."""
        list(map(function, jobs) if self.pool is None else self.pool.map(function, jobs))

    def tree(
        self, gradient: Any, hessian: Any, allowed: Any, rate: float
    ) -> tuple[HistogramTree, Any]:
        """The tree of these gradients (hessian None: all 1), and the rows in its leaves' order."""
        n = self.bins.shape[1]
        total = n if hessian is None else hessian.sum()
        table = histogram.Table(
            self.bins, gradient, hessian, self.kinds, self.signs, self.groups, self.real, self.whole
        )
        leaves, deepest = self.whole
        divisible = leaves > 1 and deepest > 0 and n >= 2 * self.real[0]
        self.shared.arrived[0] = 0
        for own in self.own:
            own.rows[:] = np.arange(n, dtype=np.uint32)
            own.allowed[0] = allowed
            own.free[:] = np.arange(leaves)
            own.nodes[0] = -1, -1, -1, -1, 0, n, 0, leaves - 1, 0, divisible
            own.sums[0] = gradient.sum(), total, n, 0.0, -np.inf, np.inf

        def work(me: int) -> int:
            first = self.bins.shape[0] * me // self.threads
            return int(histogram.grow(*table, *self.shared, *self.own[me], me, first, self.threads))

        others = [self.pool.submit(work, me) for me in range(1, self.threads)] if self.pool else []
        made = work(0)
        for other in others:
            other.result()
        return self._finish(made, rate), self.own[0].rows

    def _finish(self, made: int, rate: float) -> HistogramTree:
        nodes, sums = self.own[0].nodes[:made].copy(), self.own[0].sums[:made]
        step = -sums[:, 0] / (sums[:, 1] + self.real[2])
        value = rate * np.clip(step, sums[:, 4], sums[:, 5])
        inner = np.flatnonzero(nodes[:, LEFT] >= 0)
        f, owner = nodes[inner, FEATURE], nodes[inner, histogram.OWNER]
        threshold, missing_left = np.zeros(made), np.zeros(made, np.uint8)
        threshold[inner] = self.thresholds[f, nodes[inner, histogram.BIN]]
        masks = self.shared.masks[owner, inner]
        missing_left[inner] = masks[:, histogram.MISSING]
        chosen = self.categories[f]
        mask = np.full(made, -1, np.int32)
        mask[inner[chosen]] = np.arange(np.count_nonzero(chosen))
        left, right, feature = (np.ascontiguousarray(nodes[:, k]) for k in (LEFT, RIGHT, FEATURE))
        packed = pack(threshold, left, right, feature, missing_left, value[:, None], mask)
        return HistogramTree(
            nodes, packed, masks[chosen], value, sums[:, 3].copy(), sums[:, 2].copy()
        )

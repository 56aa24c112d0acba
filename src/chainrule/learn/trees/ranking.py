"""Every feature's values as whole numbers 0, 1, 2, … in ascending order."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs  # type: ignore[import-untyped]

# Numbers that are sorted in one go: columns of few rows together, long columns one by one.
_TOGETHER = 1 << 14
# Where a 32-bit half that counts less stands in a 64-bit number.
_LESS = 0 if sys.byteorder == "little" else 1
_INFINITY = np.uint32(0xFF800000)


@dataclass(frozen=True)
class Ranking:
    """A table whose distinct values are numbered, feature by feature.

    Two or three bytes a number, since this is most of what a fit needs.

    table: the values [rows, features], float32 or float64, finite as float32 or NaN; low: uint16
    [features, rows], the last 16 bits of a number; high: uint8 (uint16 beyond 16 million rows)
    [features, rows], its other bits, [0, 0] where there are none. All bits (31 at most) of the
    number of a NaN are set.
    """

    table: Any
    low: Any
    high: Any

    @property
    def missing(self) -> int:
        """The number that stands for NaN."""
        bits = 8 * self.high.itemsize if len(self.high) else 0
        return int(min((1 << (16 + bits)) - 1, 2**31 - 1))

    def cuts(self, features: Any, below: Any, above: Any) -> Any:
        """float64, where a cut between the values of the rows `below` and `above` lies.

        In the middle, but never at the upper value; infinite where `above` is −1.
        """
        with np.errstate(over="ignore"):
            low = self.table[below, features].astype(np.float32).astype(np.float64)
            top = self.table[above, features].astype(np.float32).astype(np.float64)
        cut = low / 2.0 + top / 2.0
        return np.where(above < 0, np.inf, np.where(cut == top, low, cut))


@dataclass(frozen=True)
class Columns:
    """The values themselves, for random cuts: float32 [features, rows]."""

    values: Any


def rank(X: Any, threads: int = 1) -> Ranking:
    """Number the values of a table of floats [rows, features], which is not copied."""
    n, d = X.shape
    low = np.empty((d, n), np.uint16)
    # Not touched, the zeros need no memory.
    high = np.zeros((d if n > 0xFFFF else 0, n), np.uint8 if n < 1 << 24 else np.uint16)
    group = min(max(1, _TOGETHER // n), d)
    threads = min(threads, d) if n > 5000 else 1
    # Made here, since what a thread has freed serves no other.
    shape = (group, n)
    scratch = [(np.empty(shape, np.uint64), np.empty(shape, np.float32)) for _ in range(threads)]

    numbers = np.arange(n, dtype=np.uint32)

    def share(thread: int) -> int:
        starts = range(thread * group, d, threads * group)
        work = (numbers, *scratch[thread])
        return max((_number(X, first, low, high, *work) for first in starts), default=0)

    distinct = max(in_threads(share, range(threads), threads))
    return Ranking(X, low, high if distinct > 0xFFFF else high[:0, :0])


def _number(X: Any, first: int, low: Any, high: Any, numbers: Any, pairs: Any, values: Any) -> int:
    """Number the columns from `first` on; returns the most distinct values of one.

    numbers: uint32 [rows], 0, 1, 2, …; pairs: uint64, values: float32 [columns, rows], memory to
    work with.
    """
    n, columns = len(X), min(len(pairs), X.shape[1] - first)
    pairs, values, low = pairs[:columns], values[:columns], low[first : first + columns]
    yes = low.view(np.bool_)[:, :n]
    np.copyto(values, X[:, first : first + columns].T, casting="same_kind")
    # −0 becomes 0, each NaN the one without a sign.
    values += np.float32(0.0)
    np.copyto(values, np.float32(np.nan), where=np.isnan(values, out=yes))
    # As whole numbers: larger above 0 the larger they are, below 0 the other way round.
    codes = values.view(np.uint32)
    halves = pairs.view(np.uint32)
    flips = halves[:, :n]
    np.right_shift(values.view(np.int32), 31, out=flips.view(np.int32))
    flips |= np.uint32(1 << 31)
    codes ^= flips
    # A value and its row in one number each, which sorts faster than rows by their values.
    rows, values = halves[:, _LESS::2], halves[:, 1 - _LESS :: 2]
    rows[:] = numbers
    values[:] = codes
    pairs.sort(axis=1)
    codes[:, 0] = 0
    new = np.not_equal(values[:, 1:], values[:, :-1], out=yes[:, 1:])
    np.cumsum(new, axis=1, out=codes[:, 1:])
    distinct = int(codes[:, -1].max()) + 1
    if (values[:, -1] > _INFINITY).any():
        codes[values > _INFINITY] = 0x7FFFFFFF
    starts = n * np.arange(columns)[:, None]
    flat = low.reshape(-1)
    upper = high[first : first + columns].reshape(-1)
    step = _TOGETHER // columns
    for start in range(0, n, step):
        part = slice(start, start + step)
        at, found = (rows[:, part] + starts).ravel(), codes[:, part].ravel()
        flat[at] = found
        found >>= 16
        if len(upper) and found[-1]:
            upper[at] = found
    return distinct


def unranked(X: Any) -> Columns:
    """The columns of a table of floats, for random cuts."""
    with np.errstate(over="ignore"):
        return Columns(X.T.astype(np.float32, order="C"))


def in_threads(function: Any, jobs: Any, threads: int) -> list[Any]:
    """[function(job) for job in jobs], by several threads; the work must release the lock."""
    if threads <= 1 or len(jobs) <= 1:
        return [function(job) for job in jobs]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, jobs))


def thread_count(n_jobs: int | None) -> int:
    """Threads that scikit-learn's `n_jobs` asks for: None is 1 (or joblib's context), −1 all."""
    return int(effective_n_jobs(n_jobs))


def row_blocks(rows: int, threads: int, smallest: int = 1000) -> list[tuple[int, int]]:
    """(start, stop) of about equal shares of the rows, none much smaller than `smallest`."""
    count = max(1, min(threads, rows // smallest))
    edges = [rows * i // count for i in range(count + 1)]
    return list(zip(edges[:-1], edges[1:]))

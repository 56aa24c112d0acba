"""Every feature's values as whole numbers 0, 1, 2, … in ascending order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Ranking:
    """A table whose distinct values are numbered, feature by feature.

    codes: int32 [features, rows], −1 where the value is NaN, None for random cuts; values: float32,
    the distinct values of all features; offsets: int64 [features + 1], where each feature's begin.
    """

    codes: Any
    values: Any
    offsets: Any


def rank(X: Any, threads: int = 1) -> Ranking:
    """Number the values of a float32 table [rows, features]."""
    n, d = X.shape
    codes = np.empty((d, n), np.int32)
    # Each feature has room for n values, so that they need not be moved when all are counted.
    values = np.empty(d * n + 1, np.float32)
    values[-1] = 0.0

    def number(f: int) -> None:
        column = np.ascontiguousarray(X[:, f])
        order = np.argsort(column)
        ordered = column[order]
        known = n - int(np.isnan(ordered).sum())
        first = np.empty(known, bool)
        first[:1] = True
        np.not_equal(ordered[1:known], ordered[: max(known - 1, 0)], out=first[1:])
        numbers = np.cumsum(first, dtype=np.int32)
        numbers -= 1
        codes[f, order[:known]] = numbers
        codes[f, order[known:]] = -1
        ordered = ordered[:known][first]
        values[f * n : f * n + len(ordered)] = ordered

    in_threads(number, range(d), threads if n > 5000 else 1)
    return Ranking(codes, values, n * np.arange(d + 1))


def unranked(X: Any) -> Ranking:
    """The columns themselves, for random cuts: values [features · rows], no codes."""
    n, d = X.shape
    values = np.ascontiguousarray(X.T).ravel()
    return Ranking(None, values, n * np.arange(d + 1))


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

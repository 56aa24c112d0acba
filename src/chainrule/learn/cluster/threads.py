"""Rows shared among threads: compiled loops without the interpreter's lock, each on its rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

# Below this many multiplications a second thread costs more than it gives.
_WORTH_A_THREAD = 200_000
# Sums may be taken in any order and products fused; NaN and infinities stay what they are.
FAST = {"reassoc", "contract", "nsz", "arcp"}


@cache
def count() -> int:
    """How many threads this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(asked) if asked.isdigit() and int(asked) > 0 else (cores or 1)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    # The process's id is the key: a forked process has none of its parent's threads.
    return ThreadPoolExecutor(count(), thread_name_prefix="chainrule-learn")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> Any:
    """A context in which matrix products do not start threads of their own."""
    return _controller().limit(limits=1, user_api="blas")


def ranges(rows: int, work_per_row: float) -> list[tuple[int, int]]:
    """The rows cut into one range per thread; one range if the work is small."""
    parts = 1 if rows * work_per_row < _WORTH_A_THREAD else min(count(), rows)
    cuts = [rows * part // parts for part in range(parts + 1)]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def each_range(do: Callable[[int, int, int], Any], parts: list[tuple[int, int]]) -> list[Any]:
    """`do(part, first, last)` for every range, at once; the results in order."""
    if len(parts) == 1:
        return [do(0, *parts[0])]
    pool = _pool(os.getpid())
    others = [pool.submit(do, i, *part) for i, part in enumerate(parts) if i > 0]
    first = do(0, *parts[0])
    return [first, *(other.result() for other in others)]

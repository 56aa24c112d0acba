"""Rows shared among threads: compiled loops without the interpreter's lock, each on its rows."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

# Below this many multiplications a second thread costs more than it gives.
_WORTH_A_THREAD = 400_000


@cache
def count() -> int:
    """How many threads this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(asked) if asked.isdigit() and int(asked) > 0 else (cores or 1)


class _Worker:
    """A thread that waits for calls; handing one over costs a third of what an executor takes."""

    def __init__(self, number: int) -> None:
        self.calls: SimpleQueue[Any] = SimpleQueue()
        self.thread = threading.Thread(
            target=self._run, name=f"chainrule-learn-{number}", daemon=True
        )
        self.thread.start()

    def _run(self) -> None:
        while True:
            do, part, first, last, answers = self.calls.get()
            try:
                answers.put((part, do(part, first, last), None))
            except BaseException as error:
                answers.put((part, None, error))
            # What was done must not live on until the next call comes.
            del do, answers


@cache
def _workers(process: int) -> list[_Worker]:
    # The process's id is the key: a forked process has none of its parent's threads.
    return [_Worker(number) for number in range(1, count())]


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
    """`do(part, first, last)` for every range, at once; the results in order.

    Raises what a `do` raised, after all have ended.
    """
    workers = _workers(os.getpid()) if len(parts) > 1 else []
    here = threading.current_thread()
    if not workers or any(worker.thread is here for worker in workers):
        return [do(i, *part) for i, part in enumerate(parts)]
    answers: SimpleQueue[Any] = SimpleQueue()
    for i, part in enumerate(parts[1:], start=1):
        workers[(i - 1) % len(workers)].calls.put((do, i, *part, answers))
    results: list[Any] = [None] * len(parts)
    failed = None
    try:
        results[0] = do(0, *parts[0])
    finally:
        for _ in parts[1:]:
            part_done, results[part_done], error = answers.get()
            failed = failed or error
    if failed is not None:
        raise failed
    return results

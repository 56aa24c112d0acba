"""Threads that work ahead and still deliver in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def ordered_map(
    function: Callable[[In], Out], items: Iterable[In], workers: int, ahead: int
) -> Generator[Out, None, None]:
    """`function` of each item, in the order of `items`, computed by `workers` threads.

    At most `ahead` results are in work or waiting. An exception surfaces when its turn comes.
    However the iteration ends (exhausted, broken off, failed), every thread has ended by then.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="chainrule-data")
    pending: deque[Future[Out]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

"""The threads that execute a program: each runs all of it, on its own share (SPMD).

A worker is a Python thread that enters native code once and stays there without the interpreter
lock. It watches its mailbox for some time, then sleeps in the kernel until the next program.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from time import perf_counter
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.compile.runtime import jit
from chainrule.compile.runtime.barrier import aligned_words
from chainrule.compile.runtime.cores import allowed_cpus, best_threads, most_threads, placement
from chainrule.compile.runtime.native import BOX, MASK, runtime_ir
from chainrule.compile.runtime.target import host

# A worker that finds nothing to do for so long sleeps; waking it costs 50 to 100 µs.
IDLE_SECONDS = 150e-6
# In a program that runs so long, the system may move a thread that is not pinned.
LONG_SECONDS = 1e-3
_PROGRAM = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)
_program = lru_cache(maxsize=256)(_PROGRAM)  # by address

# ---------------------------------------------------------------- how many threads

_chosen: int | None = None
_settled = 0  # the number that was found last, if no run has met another affinity since


def get_num_threads() -> int:
    """The number of threads that compiled programs use.

    The last `set_num_threads`, else CHAINRULE_NUM_THREADS, else one a physical core; never more
    than the CPUs that affinity and control group leave to the process at this moment.
    """
    wanted = _chosen if _chosen is not None else _environment()
    return best_threads() if wanted is None else min(wanted, most_threads())


def set_num_threads(count: int) -> None:
    """Use `count` threads for compiled programs.

    Raises ArgumentError unless 1 ≤ count ≤ the CPUs that the process may use: threads that share
    a CPU wait for each other at every barrier.
    """
    global _chosen, _settled
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise ArgumentError(
            t("set_num_threads needs a whole number of threads, not {count!r}.", count=count)
        )
    count = count.__index__()
    most = most_threads()
    if not 1 <= count <= most:
        raise ArgumentError(
            t(
                "set_num_threads({count}): this process may use {most} CPUs (affinity and control "
                "group), so write a number from 1 to {most}.",
                count=count,
                most=most,
            )
        )
    _chosen, _settled = count, 0


def allows(count: int) -> bool:
    """Whether `get_num_threads` is `count`.

    Asking the system takes 0.6 µs; a run on several threads asks anyway. For those a change of
    the affinity is therefore seen one run late.
    """
    global _settled
    if count == 1 or count != _settled:
        _settled = get_num_threads()
    return count == _settled


@cache
def _environment() -> int | None:
    text = os.environ.get("CHAINRULE_NUM_THREADS", "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentError(
            t("CHAINRULE_NUM_THREADS is {text!r}: write a whole number from 1.", text=text)
        )
    return int(text)


# ---------------------------------------------------------------- the pool


class _Pool:
    """Workers 1 to `threads` - 1; thread 0 is whoever calls `run`."""

    def __init__(self, threads: int):
        self.threads = threads
        # Box 0 belongs to the caller, who has no mail: its first word counts finished workers.
        self.boxes, self._address = aligned_words(threads * BOX // 8)
        self.masks, self._masks = aligned_words(3 * MASK // 8)
        self._home = -1
        # Programs that took long when they last ran: worth the cost of pinning the caller.
        self._long: set[int] = set()
        self._functions = _functions()
        self._launch = self._functions.launch
        self.workers = []
        for thread in range(1, threads):
            worker = threading.Thread(
                target=self._work, args=(thread,), name=f"chainrule-{thread}", daemon=True
            )
            worker.start()
            self.workers.append(worker)

    def _work(self, thread: int) -> None:
        # Bound to the pool, so that the mailboxes live as long as any worker watches one.
        box = self._address + thread * BOX
        self._functions.worker(thread, box, self._address, self._functions.patience)

    def run(self, address: int, argument: int, threads: int) -> None:
        long = address in self._long
        home = -1 if long else self._home
        start = perf_counter()
        while self._launch(self._address, address, argument, self._masks, threads, home):
            self._place()
            home = -1
        if (perf_counter() - start > LONG_SECONDS) != long:
            self._long ^= {address}

    def _place(self) -> None:
        """Give every thread its CPU among those allowed to the caller now."""
        global _settled
        _settled = 0
        cpus = allowed_cpus()
        order = placement(cpus)[0]
        # With fewer CPUs than threads the system must be free to move them.
        own = [{cpu} for cpu in order[: self.threads]]
        places = own if len(own) == self.threads else [set(cpus)] * self.threads
        self._home = order[0] if places is own else -1
        mask = np.zeros((3, MASK), np.uint8)
        for row, chosen in ((1, cpus), (2, places[0])):
            for cpu in chosen:
                mask[row, cpu // 8] |= 1 << cpu % 8
        for worker, place in zip(self.workers, places[1:], strict=True):
            with suppress(OSError):  # a sandbox may forbid it; the threads then run unpinned
                os.sched_setaffinity(worker.native_id or 0, place)
        self.masks[:] = mask.reshape(-1).view(np.int64)

    def stop(self) -> None:
        for thread, worker in enumerate(self.workers, start=1):
            self._functions.dismiss(self._address + thread * BOX)
            worker.join()


@dataclass(frozen=True)
class _Functions:
    launch: Callable[[int, int, int, int, int, int], int]
    worker: Callable[[int, int, int, int], None]
    dismiss: Callable[[int], None]
    patience: int  # looks into the mailbox before a worker sleeps


@cache
def _functions() -> _Functions:
    target = host()
    code = jit.load(jit.compile_object(runtime_ir(target), target))
    word, pointer = ctypes.c_int64, ctypes.c_void_p

    def function(name: str, result: type | None, *arguments: type) -> Any:
        return ctypes.CFUNCTYPE(result, *arguments)(code.address(name))

    spin = function("spin", None, word)
    looks = 1000
    seconds = min(_duration(spin, looks) for _ in range(5))
    return _Functions(
        launch=function("launch", word, pointer, pointer, pointer, pointer, word, word),
        worker=function("worker", None, word, pointer, pointer, word),
        dismiss=function("dismiss", None, pointer),
        patience=max(1, int(looks * IDLE_SECONDS / seconds)),
    )


def _duration(function: Callable[[int], None], argument: int) -> float:
    start = perf_counter()
    function(argument)
    return perf_counter() - start


# A signal handler or finalizer may run a program between two steps of `run`: hence reentrant.
_lock = threading.RLock()
_pool: _Pool | None = None


def run(address: int, argument: int, threads: int) -> None:
    """Execute the native `void program(i64 thread, ptr argument)` at `address`.

    Each of `threads` threads (0 is the caller) calls it once; returns when all have. One program
    runs at a time: calls from several Python threads wait for each other. While it runs, every
    thread has a CPU of its own; afterwards the caller's affinity is what it was. Ctrl-C is
    raised when the program has ended. Raises ArgumentError for `threads` below 1.
    """
    global _pool
    if threads <= 1:
        if threads < 1:
            raise ArgumentError(t("A program needs at least one thread, not {n}.", n=threads))
        _program(address)(0, argument)
        return
    with _lock:
        if _pool is None or _pool.threads < threads:
            stop()
            _pool = _Pool(threads)
        _pool.run(address, argument, threads)


def prepared(address: int, argument: int, threads: int) -> Callable[[], None]:
    """A function that does `run(address, argument, threads)`, sooner if on one thread."""
    if threads == 1:
        return partial(_program(address), ctypes.c_int64(0), ctypes.c_void_p(argument))
    return partial(run, address, argument, threads)


@atexit.register
def stop() -> None:
    """End all workers; the next program starts new ones."""
    # At exit first of all: a worker must not read mailboxes that the interpreter has freed.
    global _pool
    with _lock:
        if _pool is not None:
            pool, _pool = _pool, None
            pool.stop()


def _after_fork() -> None:
    # The child has only the thread that forked, and perhaps a lock that nobody will release.
    global _pool, _lock
    _pool, _lock = None, threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""Worker processes that load batches ahead and deliver them in order.

Each worker has a pipe of its own and takes every n-th batch, so that the order is fixed. Arrays
travel beside the pickled rest, without being copied into it. A worker that ends or is silent for
too long is named in the error; a worker whose parent is gone ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from chainrule.base.errors import ArgumentError, DataError, WorkerError
from chainrule.base.text import t
from chainrule.data.fetch import END, Fetcher, Task

_POLITE = 1.0  # seconds that a worker gets to end by itself
_STARTING = 10.0  # and at least to start, which imports the dataset's modules


class Pool:
    """`count` processes that load batches with copies of `fetcher`.

    Args:
        context: "spawn" (a fresh interpreter; the default, safe beside threads), "forkserver" or
            "fork", as in multiprocessing.
        timeout: seconds without an answer after which a worker counts as hanging; 0: never.
        worker_init_fn: called with the worker's number, 0 … count − 1, when it starts.

    Raises ArgumentError if the dataset, collate_fn or worker_init_fn cannot be sent to a process.
    """

    def __init__(
        self, fetcher: Fetcher, count: int, *, context: str = "spawn", timeout: float = 10.0,
        worker_init_fn: Any = None,
    ) -> None:  # fmt: skip
        self.timeout = timeout
        self.workers: list[_Worker] = []
        self._number = 0
        try:
            content = pickle.dumps((fetcher, worker_init_fn), 5)
        except Exception as error:
            raise ArgumentError(
                t(
                    "The dataset, collate_fn or worker_init_fn cannot be sent to a worker process "
                    "({reason}): define classes and functions at the top of a module, or use "
                    'threads, workers="threads".',
                    reason=str(error).partition("\n")[0] or type(error).__name__,
                )
            ) from error
        started = multiprocessing.get_context(context)
        try:
            for number in range(count):
                self.workers.append(_Worker(started, number, content))
        except BaseException:
            self.close()
            raise

    def map(self, tasks: Iterable[Any], ahead: int) -> Generator[Any, None, None]:
        """The batches of `tasks` (a Task, or the epoch and number of a stream's batch), in order;
        at most `ahead` are in work or waiting. Closing the generator leaves the workers ready."""
        pending: deque[tuple[_Worker, int, Any]] = deque()
        turn = 0
        try:
            for task in tasks:
                worker = self.workers[turn % len(self.workers)]
                turn += 1
                pending.append((worker, self._send(worker, task), task))
                if len(pending) >= ahead:
                    yield self._receive(*pending.popleft())
            while pending:
                yield self._receive(*pending.popleft())
        except WorkerError:
            self.close()
            raise
        # What was asked for and is wanted no more carries an old number, and is passed over.

    def _send(self, worker: _Worker, task: Any) -> int:
        self._number += 1
        # A worker that has ended is told of when the batch that it left is due.
        with suppress(BrokenPipeError, ConnectionError):
            worker.pipe.send((self._number, task))
        if not worker.waiting:
            worker.heard = time.monotonic()  # until now it had nothing to say
        worker.waiting += 1
        return self._number

    def _receive(self, worker: _Worker, number: int, task: Any) -> Any:
        while True:
            left = None
            if self.timeout:
                limit = self.timeout if worker.started else max(self.timeout, _STARTING)
                left = max(0.0, worker.heard + limit - time.monotonic())
            ready = wait([worker.pipe, worker.process.sentinel], left)
            if not ready and not worker.pipe.poll(0):
                raise self._hangs(worker, task)
            try:
                got, kind, value = worker.receive()
            except (EOFError, ConnectionError, OSError):
                raise self._died(worker, task) from None
            worker.heard = time.monotonic()
            if got == 0:
                worker.started = True
                continue
            worker.waiting -= 1
            if got != number:  # of an iteration that was broken off
                continue
            if kind == "error":
                raise value
            return END if kind == "end" else value

    def _died(self, worker: _Worker, task: Any) -> WorkerError:
        worker.process.join(_POLITE)
        code = worker.process.exitcode
        how = t("with exit code {code}", code=code)
        if code is not None and code < 0:
            how = t("by signal {name}", name=signal.Signals(-code).name)
        return WorkerError(
            t(
                "Data worker {number} (process {pid}) ended {how} while it loaded {task}. If it "
                "ran out of memory, use fewer workers or smaller batches; a script that starts "
                'workers needs its own work under `if __name__ == "__main__":`.',
                number=worker.number,
                pid=worker.process.pid,
                how=how,
                task=task,
            )
        )

    def _hangs(self, worker: _Worker, task: Any) -> WorkerError:
        return WorkerError(
            t(
                "Data worker {number} (process {pid}) has not answered for {seconds:g} s; it is "
                "at {task}. If a batch may take that long, give the loader a larger timeout.",
                number=worker.number,
                pid=worker.process.pid,
                seconds=self.timeout,
                task=task,
            )
        )

    def close(self) -> None:
        """Ends all workers: they are asked, then terminated, then killed."""
        for worker in self.workers:
            worker.pipe.close()
        end = time.monotonic() + _POLITE
        for worker in self.workers:
            worker.process.join(0 if worker.waiting else max(0.0, end - time.monotonic()))
        for stop in ("terminate", "kill"):
            for worker in self.workers:
                if worker.process.is_alive():
                    getattr(worker.process, stop)()
            for worker in self.workers:
                worker.process.join(_POLITE)
        for worker in self.workers:
            if not worker.process.is_alive():
                worker.process.close()
        self.workers = []


class _Worker:
    """One process as its parent sees it: `heard`, when it last said something; `waiting`, how many
    answers it owes."""

    def __init__(self, context: Any, number: int, content: bytes) -> None:
        self.number, self.waiting, self.started = number, 0, False
        self.pipe, theirs = context.Pipe()
        name = f"chainrule-data-{number}"
        self.process = context.Process(
            target=_work, args=(theirs, content, number), name=name, daemon=True
        )
        self.process.start()
        theirs.close()
        self.heard = time.monotonic()

    def receive(self) -> tuple[int, str, Any]:
        number, kind, sizes = self.pipe.recv()
        buffers = []
        for size in sizes:
            buffer = bytearray(size)
            if size:
                self.pipe.recv_bytes_into(buffer)
            buffers.append(buffer)
        return number, kind, pickle.loads(self.pipe.recv_bytes(), buffers=buffers)


# ------------------------------------------------------------------------------- in the process


def _work(pipe: Connection, content: bytes, number: int) -> None:
    # Ctrl-C reaches all processes of a terminal: the parent decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        fetcher, init = pickle.loads(content)
        if init is not None:
            init(number)
    except Exception as error:
        fetcher, failure = None, DataError(
            t("Data worker {number} could not start: {reason}", number=number,
              reason=f"{type(error).__name__}: {error}")
        )  # fmt: skip
    _answer(pipe, 0, "start", None)
    streams: dict[int, Any] = {}
    requests: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, requests), daemon=True).start()
    while True:
        asked, task = requests.get()
        try:
            if fetcher is None:
                raise failure
            if isinstance(task, Task):
                value = fetcher.load(task)
            else:
                value = _next(fetcher, streams, *task)
        except Exception as error:
            # A cause does not travel, a note does.
            error.add_note("".join(traceback.format_exception(error.__cause__ or error)).rstrip())
            _answer(pipe, asked, "error", error)
        else:
            _answer(pipe, asked, "end" if value is END else "batch",
                    None if value is END else value)  # fmt: skip


def _listen(pipe: Connection, requests: queue.SimpleQueue[tuple[int, Any]]) -> None:
    """Takes requests from the pipe at once, so that neither side waits for the other to read."""
    while True:
        try:
            requests.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)


def _next(fetcher: Fetcher, streams: dict[int, Any], epoch: int, batch: int) -> Any:
    """Batch number `batch` of a stream's epoch; those before it are read and not collated."""
    at, stream = streams.get(epoch, (0, None))
    if stream is None or at > batch:
        streams.clear()
        at, stream = 0, fetcher.stream(epoch)
    while at < batch and next(stream, END) is not END:
        at += 1
    streams[epoch] = (batch + 1, stream)
    return fetcher.load_next(stream)


def _answer(pipe: Connection, number: int, kind: str, value: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    try:
        content = pickle.dumps(value, 5, buffer_callback=buffers.append)
        raw = [b.raw() for b in buffers]
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        kind, raw = "error", []
        content = pickle.dumps(
            DataError(t("A batch cannot be sent from a worker process: {reason}", reason=reason))
        )
    try:
        pipe.send((number, kind, [b.nbytes for b in raw]))
        for buffer in raw:
            if buffer.nbytes:
                pipe.send_bytes(buffer)
        pipe.send_bytes(content)
    except (BrokenPipeError, ConnectionError, OSError):
        os._exit(0)  # nobody listens any more


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

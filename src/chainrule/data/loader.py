"""DataLoader: batches in an order that (seed, epoch) alone decides."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from chainrule.base.constraints import Choice, NonNegative
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.data.dataset import IterableDataset
from chainrule.data.fetch import END, Fetcher, Several, Task
from chainrule.data.processes import Pool
from chainrule.data.random import SharedWords, check_epoch, resolve_seed
from chainrule.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    check_batch_size,
)
from chainrule.data.workers import ordered_map

# Samples whose order is looked at ahead, for their random numbers or all of them to be made at
# once.
_TOGETHER = 1024


class DataLoader:
    """Iterates over a dataset in batches of tensors; each iteration is one epoch.

    The order of epoch k and every random transform are functions of (seed, k, sample index):
    the same for any number of workers, after any resume, whatever was iterated before.

    Args:
        dataset: has `__len__` and `__getitem__`, or is an IterableDataset.
        batch_size: samples a batch; None yields single samples, not stacked.
        shuffle: another random order each epoch.
        sampler: yields indices; excludes shuffle.
        batch_sampler: yields lists of indices; excludes batch_size, shuffle, sampler, drop_last.
        num_workers: workers that load ahead; 0 loads when asked (small samples that lie in arrays,
            under transforms that say `by_rows`, a few batches at once). A stream is read by one.
        collate_fn: makes a batch of a list of samples; by default `default_collate`.
        pin_memory: accepted for PyTorch's sake, without effect.
        drop_last: leave out a last batch that is not full.
        workers: "threads", or "processes" for samples whose making holds Python's lock; these get
            copies of the dataset, collate_fn and worker_init_fn, which must therefore be picklable.
            None: threads, unless worker_init_fn or multiprocessing_context asks for processes.
        timeout: seconds without an answer after which a process counts as hanging; 0: never.
        worker_init_fn: called in each process with its number when it starts.
        multiprocessing_context: "spawn" (the default), "forkserver" or "fork".
        seed: names the orders and the transforms' numbers; by default the seed of `generator`,
            else that of `manual_seed`.
        prefetch_factor: batches that each worker may be ahead.
        persistent_workers: processes stay from epoch to epoch.

    Raises:
        ArgumentError: arguments that contradict each other.
        DataError: while iterating, when loading a sample fails; names the sample, with the
            original exception as its cause (or, from a process, in its notes).
        WorkerError: while iterating, when a process ended or hangs; names it and the batch.

    >>> dataset = cr.data.TensorDataset(cr.arange(5))
    >>> for (batch,) in cr.data.DataLoader(dataset, batch_size=2):
    ...     print(batch)
    tensor([0, 1])
    tensor([2, 3])
    tensor([4])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        seed: int | None = None,
        generator: object | None = None,
        prefetch_factor: int = 2,
        persistent_workers: bool = False,
        workers: str | None = None,
        timeout: float = 10.0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: str | None = None,
    ):
        self.dataset = dataset
        self.num_workers = _check_count("num_workers", num_workers, 0)
        self.prefetch_factor = _check_count("prefetch_factor", prefetch_factor, 1)
        self.collate_fn = collate_fn
        self.drop_last = bool(drop_last)
        own = worker_init_fn is not None or multiprocessing_context is not None
        self.workers = Choice(None, "threads", "processes").check(workers, "DataLoader", "workers")
        self.workers = self.workers or ("processes" if own else "threads")
        contexts = Choice(None, *multiprocessing.get_all_start_methods())
        self.multiprocessing_context = contexts.check(
            multiprocessing_context, "DataLoader", "multiprocessing_context"
        )
        self.timeout = float(NonNegative().check(timeout, "DataLoader", "timeout"))
        self.worker_init_fn, self.persistent_workers = worker_init_fn, bool(persistent_workers)
        self._pool: Pool | None = None  # processes that stay
        self.seed = resolve_seed(seed, generator)
        self.streaming = isinstance(dataset, IterableDataset)
        self.batch_size = None if batch_size is None else check_batch_size(batch_size)
        self._check_arguments(shuffle, sampler, batch_sampler)
        self._single = self.batch_size is None and batch_sampler is None
        self._own_order = sampler is None and batch_sampler is None
        if batch_sampler is not None:
            self.batch_size = getattr(batch_sampler, "batch_size", None)
        elif not self.streaming:
            if sampler is None:
                random = RandomSampler(dataset, seed=self.seed) if shuffle else None
                sampler = random or SequentialSampler(dataset)
            if self.batch_size is not None:
                batch_sampler = BatchSampler(sampler, self.batch_size, self.drop_last)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        # Where the consumer stands: `_batch` batches of `_epoch` are out. `_started` tells an
        # epoch that was begun (the next iteration takes the following one) from one to begin.
        self._epoch, self._batch, self._started = 0, 0, False
        self._owner: object = None

    # -- position ----------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration runs."""
        return self._epoch + self._started

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration run `epoch` from its first batch."""
        self._move(check_epoch(epoch), 0)

    def state_dict(self) -> dict[str, int | None]:
        """The position: the epoch, the next batch in it, and what they were counted with.

        Taken while the consumer works on a batch, it points behind that batch.
        """
        samples = None if self.streaming else len(self.dataset)
        return {
            "epoch": self._epoch,
            "batch": self._batch,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "samples": samples,
        }

    def load_state_dict(self, state: dict[str, int | None]) -> None:
        """Go on where `state_dict` was taken: the next iteration yields the batches left.

        Raises ArgumentError when the state belongs to other data, batch size or seed.
        """
        own = self.state_dict()
        if not isinstance(state, dict) or own.keys() != state.keys():
            raise ArgumentError(
                t(
                    "This is no state of a DataLoader: it must be a dict with {keys}.",
                    keys=", ".join(own),
                )
            )
        for key in ("seed", "batch_size", "samples"):
            if state[key] != own[key]:
                raise ArgumentError(
                    t(
                        "The saved position was counted with {key}={saved}, this loader has "
                        "{key}={own}: it would go on with other samples. Make the loader with "
                        "{key}={saved}, or start an epoch afresh with set_epoch.",
                        key=key,
                        saved=state[key],
                        own=own[key],
                    )
                )
        self._move(check_epoch(state["epoch"]), self._check_batch(state["batch"]))  # type: ignore[arg-type]

    # -- iteration ---------------------------------------------------------------------------

    def __len__(self) -> int:
        """Batches an epoch. Raises TypeError for a stream without a length."""
        if self.streaming:
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        if self._started:
            self._move(self._epoch + 1, 0)
        return self._run(self._epoch, self._batch)

    def iter_from(self, batch: int) -> Iterator[Any]:
        """The next epoch's batches from number `batch` (0 is the first) to the end."""
        self._move(self.epoch, self._check_batch(batch))
        return self._run(self._epoch, self._batch)

    def _run(self, epoch: int, first: int) -> Iterator[Any]:
        owner = self._owner = object()
        self._started = True
        return self._batches(epoch, first, owner)

    def _batches(self, epoch: int, first: int, owner: object) -> Iterator[Any]:
        # Only the newest iterator moves the position; an older one still yields its batches.
        with closing(self._loaded(epoch, first)) as batches:
            for number, batch in enumerate(batches, first + 1):
                if batch is END:
                    break
                if self._owner is owner:
                    self._batch = number
                yield batch
        if self._owner is owner:
            self._move(epoch + 1, 0)

    def _loaded(self, epoch: int, first: int) -> Generator[Any, None, None]:
        """The batches of an epoch from number `first` on; END ends those of a stream."""
        fetcher = Fetcher(
            self.dataset, self.collate_fn, self.seed, self._single, self.batch_size, self.drop_last
        )
        count = 1 if self.streaming else self.num_workers
        ahead = self.num_workers * self.prefetch_factor
        if self.num_workers and self.workers == "processes":
            tasks: Any = self._index_tasks(epoch, first, 1)
            if self.streaming:
                tasks = ((epoch, number) for number in itertools.count(first))
            return self._from_processes(fetcher, tasks, count, ahead)
        if self.streaming:
            # Skipped batches are read and not collated: a stream has no other way forward. It is
            # one thread's, because the next sample is known only once the last is read: it gets
            # the stream itself, again and again, until that says END.
            tasks = itertools.repeat(itertools.islice(fetcher.stream(epoch), first, None))
        else:
            # A sampler of the user's own is not asked before its turn.
            tasks = self._index_tasks(
                epoch, first, _TOGETHER if self._own_order else 1, self._at_once()
            )
        load: Callable[[Any], Any] = fetcher.load_next if self.streaming else fetcher.load
        if self.num_workers:
            return ordered_map(load, tasks, count, ahead)
        return (load(task) for task in tasks)

    def _from_processes(
        self, fetcher: Fetcher, tasks: Any, count: int, ahead: int
    ) -> Generator[Any, None, None]:
        pool, self._pool = self._pool, None  # an iteration beside this one gets its own
        if pool is None or not pool.workers:
            pool = Pool(
                fetcher, count, context=self.multiprocessing_context or "spawn",
                timeout=self.timeout, worker_init_fn=self.worker_init_fn,
            )  # fmt: skip
        try:
            yield from pool.map(tasks, ahead)
        finally:
            if self.persistent_workers and self._pool is None and pool.workers:
                self._pool = pool
            else:
                pool.close()

    def _at_once(self) -> int:
        """How many samples are fetched at once, for several batches; 0: each batch by itself."""
        if not self._own_order or self.num_workers or self.collate_fn is not None or self._single:
            return 0
        return min(_TOGETHER, getattr(self.dataset, "at_once", 0))

    def _index_tasks(
        self, epoch: int, first: int, together: int, at_once: int = 0
    ) -> Iterator[Task]:
        """The batches from number `first` on; random numbers for `together` samples at once, or
        all of `at_once` samples."""
        some: list[tuple[int, np.ndarray]] = []
        count = 0
        for number, indices in self._index_batches(epoch, first):
            # None is held back that would only be kept waiting for the others.
            if at_once and some and count + len(indices) > at_once:
                yield from self._tasks(epoch, some, True)
                some, count = [], 0
            some.append((number, indices))
            count += len(indices)
            if not at_once and count >= together:
                yield from self._tasks(epoch, some, False)
                some, count = [], 0
        yield from self._tasks(epoch, some, bool(at_once))

    def _tasks(
        self, epoch: int, some: list[tuple[int, np.ndarray]], at_once: bool
    ) -> Iterator[Task]:
        shared, several = None, None
        if len(some) > 1:
            indices = np.concatenate([indices for _, indices in some])
            if at_once:
                several = Several(indices)
            else:
                shared = SharedWords(self.seed, epoch, indices)
        row = 0
        for number, indices in some:
            yield Task(epoch, number, indices, shared, several, row)
            row += len(indices)

    def _index_batches(self, epoch: int, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Number and indices of each batch from number `first` on."""
        source: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        if hasattr(source, "set_epoch"):
            source.set_epoch(epoch)
        if self._own_order and self.batch_size is not None:
            order = self.sampler.order(epoch)  # type: ignore[union-attr]
            for number in range(first, len(self)):
                start = number * self.batch_size
                yield number, order[start : start + self.batch_size]
            return
        for number, indices in itertools.islice(enumerate(source), first, None):
            yield number, np.atleast_1d(np.asarray(indices, dtype=np.int64))

    def indices_of(self, epoch: int, batch: int) -> np.ndarray | None:
        """The numbers, in the dataset, of the samples of a batch; None for streams and for a
        sampler of the user's, which is not asked twice."""
        streaming = isinstance(self.dataset, IterableDataset)
        if streaming or not self._own_order or self.batch_size is None:
            return None
        found = next(self._index_batches(epoch, batch), None)
        return None if found is None else found[1]

    def close(self) -> None:
        """Ends processes that were kept for the next epoch."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pool": None}  # processes are nobody else's

    # -- checks ------------------------------------------------------------------------------

    def _move(self, epoch: int, batch: int) -> None:
        self._epoch, self._batch, self._started, self._owner = epoch, batch, False, None

    def _check_batch(self, batch: int) -> int:
        batch = _check_count("batch", batch, 0)
        if not self.streaming and batch > len(self):
            raise ArgumentError(
                t(
                    "Batch {batch} does not exist: an epoch has {n} batches.",
                    batch=batch,
                    n=len(self),
                )
            )
        return batch

    def _check_arguments(self, shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
        if batch_sampler is not None and (
            self.batch_size != 1 or shuffle or sampler is not None or self.drop_last
        ):
            raise ArgumentError(
                t(
                    "batch_sampler decides the batches: leave out batch_size, shuffle, sampler "
                    "and drop_last."
                )
            )
        if sampler is not None and shuffle:
            raise ArgumentError(t("sampler decides the order: leave out shuffle."))
        if self.batch_size is None and self.drop_last:
            raise ArgumentError(t("drop_last needs batches: leave it out, or give a batch_size."))
        if self.streaming and (shuffle or sampler is not None or batch_sampler is not None):
            raise ArgumentError(
                t(
                    "A stream (IterableDataset) comes in its own order: leave out shuffle, "
                    "sampler and batch_sampler."
                )
            )


def _check_count(name: str, value: int, least: int) -> int:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        raise ArgumentError(
            t(
                "{name} must be a whole number from {least} up, not {value!r}.",
                name=name,
                least=least,
                value=value,
            )
        )
    return int(value)

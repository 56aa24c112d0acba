"""DataLoader: batches in an order that (seed, epoch) alone decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ChainruleError, DataError
from chainrule.base.text import t
from chainrule.data.collate import default_collate, default_convert, split_batch
from chainrule.data.dataset import IterableDataset
from chainrule.data.random import Draws, check_epoch, drawing, resolve_seed
from chainrule.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    check_batch_size,
)
from chainrule.data.workers import ordered_map


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
        num_workers: threads that load ahead; 0 loads when asked. A stream is read by one.
        collate_fn: makes a batch of a list of samples; by default `default_collate`.
        pin_memory, persistent_workers: accepted for PyTorch's sake, without effect.
        drop_last: leave out a last batch that is not full.
        seed: names the orders and the transforms' numbers; by default the seed of `generator`,
            else that of `manual_seed`.
        prefetch_factor: batches that each worker may be ahead.

    Raises:
        ArgumentError: arguments that contradict each other.
        DataError: while iterating, when loading a sample fails; names the sample, with the
            original exception as its cause.
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
    ):
        self.dataset = dataset
        self.num_workers = _check_count("num_workers", num_workers, 0)
        self.prefetch_factor = _check_count("prefetch_factor", prefetch_factor, 1)
        self.collate_fn = collate_fn
        self.drop_last = bool(drop_last)
        self.seed = resolve_seed(seed, generator)
        self.streaming = isinstance(dataset, IterableDataset)
        self.batch_size = None if batch_size is None else check_batch_size(batch_size)
        self._check_arguments(shuffle, sampler, batch_sampler)
        self._single = self.batch_size is None and batch_sampler is None
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
        tasks: Any = self._stream_tasks(epoch) if self.streaming else self._index_tasks(epoch)
        load = self._load_next if self.streaming else self._load
        # Skipped batches of a stream are read and not collated: it has no other way forward.
        tasks = itertools.islice(tasks, first, None)
        with closing(self._loaded(load, tasks)) as batches:
            for number, batch in enumerate(batches, first + 1):
                if batch is _END:
                    break
                if self._owner is owner:
                    self._batch = number
                yield batch
        if self._owner is owner:
            self._move(epoch + 1, 0)

    def _loaded(
        self, load: Callable[[Any], Any], tasks: Iterator[Any]
    ) -> Generator[Any, None, None]:
        ahead = self.num_workers * self.prefetch_factor
        if self.streaming:
            # One thread, because the next sample is known only once the last is read. It gets
            # the stream itself, again and again, until that says _END.
            tasks = itertools.repeat(tasks)
        if self.num_workers:
            return ordered_map(load, tasks, 1 if self.streaming else self.num_workers, ahead)
        return (load(task) for task in tasks)

    def _load_next(self, stream: Iterator[list[Any]]) -> Any:
        samples: Any = next(stream, _END)
        return samples if samples is _END else self._collate(samples)

    # -- what a worker does ------------------------------------------------------------------

    def _index_tasks(self, epoch: int) -> Iterator[_Task]:
        source: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        if hasattr(source, "set_epoch"):
            source.set_epoch(epoch)
        for number, indices in enumerate(source):
            yield _Task(epoch, number, np.atleast_1d(np.asarray(indices, dtype=np.int64)))

    def _load(self, task: _Task) -> Any:
        try:
            return self._collate_fetched(task)
        except Exception as error:
            raise self._explain(error, task) from error

    def _collate_fetched(self, task: _Task) -> Any:
        draws = Draws(self.seed, task.epoch, task.indices)
        if getattr(self.dataset, "batched", False):
            with drawing(draws):
                batch = self.dataset.fetch(task.indices)
            if self.collate_fn is None and not self._single:
                return default_convert(batch)
            samples = split_batch(batch, len(task.indices))
        elif hasattr(self.dataset, "__getitems__"):
            # One call makes all samples, so they share the numbers of the batch's first.
            with drawing(draws.rows(slice(0, 1))):
                samples = list(self.dataset.__getitems__(task.indices.tolist()))
        else:
            samples = [self._sample(draws, row) for row in range(len(task.indices))]
        return self._collate(samples)

    def _sample(self, draws: Draws, row: int) -> Any:
        with drawing(draws.rows(slice(row, row + 1))):
            return self.dataset[int(draws.index[row])]

    def _collate(self, samples: list[Any]) -> Any:
        if self._single:
            return (self.collate_fn or default_convert)(samples[0])
        return (self.collate_fn or default_collate)(samples)

    def _stream_tasks(self, epoch: int) -> Iterator[list[Any]]:
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        source = iter(self.dataset)
        size = self.batch_size or 1
        samples: list[Any] = []
        for number in itertools.count():
            try:
                with drawing(Draws(self.seed, epoch, np.array([number]))):
                    samples.append(next(source))
            except StopIteration:
                break
            except Exception as error:
                raise _failure(str(number), epoch, number // size, error) from error
            if len(samples) == size:
                yield samples
                samples = []
        if samples and not self.drop_last:
            yield samples

    def _explain(self, error: Exception, task: _Task) -> DataError:
        # A batch fetched at once does not say which sample failed; asking again one by one does.
        for row, index in enumerate(task.indices.tolist()):
            draws = Draws(self.seed, task.epoch, task.indices)
            try:
                if getattr(self.dataset, "batched", False):
                    with drawing(draws.rows(slice(row, row + 1))):
                        self.dataset.fetch(task.indices[row : row + 1])
                else:
                    self._sample(draws, row)
            except Exception as single:
                return _failure(str(index), task.epoch, task.number, single)
        shown = ", ".join(map(str, task.indices[:8].tolist()))
        more = ", …" if len(task.indices) > 8 else ""
        return _failure(shown + more, task.epoch, task.number, error)

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


@dataclass(frozen=True, slots=True)
class _Task:
    """One batch to load: its number within the epoch and its sample indices [N]."""

    epoch: int
    number: int
    indices: np.ndarray


_END = object()


def _failure(samples: str, epoch: int, batch: int, error: Exception) -> DataError:
    reason = str(error) or type(error).__name__
    if not isinstance(error, ChainruleError):
        reason = f"{type(error).__name__}: {error}"
    return DataError(
        t(
            "Loading sample {samples} failed (epoch {epoch}, batch {batch}): {reason}",
            samples=samples,
            epoch=epoch,
            batch=batch,
            reason=reason,
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

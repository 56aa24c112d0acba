"""What a worker does: samples of a dataset into one batch. A thread or a process may do it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.errors import ChainruleError, DataError
from chainrule.base.text import t
from chainrule.data.collate import (
    as_tensor,
    default_collate,
    default_convert,
    split_batch,
)
from chainrule.data.random import Draws, SharedWords, drawing

_MIXING = 0x8000  # the first stream of random numbers that a collate function draws from
END = object()  # after the last batch of a stream


@dataclass(slots=True)
class Several:
    """Batches that are fetched at once when the first of them is asked for: the indices of all,
    one after the other, and what `fetch` gave, once it has; () after a failure."""

    indices: np.ndarray
    arrays: tuple[np.ndarray, ...] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class Task:
    """One batch to load: its number within the epoch and its sample indices [N]; `shared`, where
    its random numbers are made with those of other batches, or `several`, where all of it is; and
    its first row there."""

    epoch: int
    number: int
    indices: np.ndarray
    shared: SharedWords | None = None
    several: Several | None = None
    first: int = 0

    @property
    def samples(self) -> str:
        """The indices for a message, the first eight of them."""
        shown = ", ".join(map(str, self.indices[:8].tolist()))
        return shown + (", …" if len(self.indices) > 8 else "")

    def __str__(self) -> str:
        return t("batch {n} (samples {samples})", n=self.number, samples=self.samples)


@dataclass(slots=True)
class Fetcher:
    """The dataset and how batches are made of it.

    `single`: samples are not stacked. `batch_size`, `drop_last`: of a stream.
    """

    dataset: Any
    collate_fn: Callable[[Any], Any] | None
    seed: int
    single: bool
    batch_size: int | None
    drop_last: bool

    def load(self, task: Task) -> Any:
        """The batch. Raises DataError, which names the sample, from whatever went wrong."""
        try:
            return self._fetched(task)
        except Exception as error:
            raise self._explain(error, task) from error

    def _fetched(self, task: Task) -> Any:
        if task.several is not None:
            arrays = self._all(task.several, task.epoch)
            if arrays:
                return [as_tensor(_rows(a, task.first, len(task.indices))) for a in arrays]
        shared = None if task.shared is None else (task.shared, task.first)
        draws = Draws(self.seed, task.epoch, task.indices, shared=shared)
        if getattr(self.dataset, "batched", False):
            with drawing(draws):
                batch = self.dataset.fetch(task.indices)
            if self.collate_fn is None and not self.single:
                return default_convert(batch)
            samples = split_batch(batch, len(task.indices))
        elif hasattr(self.dataset, "__getitems__"):
            # One call makes all samples, so they share the numbers of the batch's first.
            with drawing(draws.rows(slice(0, 1))):
                samples = list(self.dataset.__getitems__(task.indices.tolist()))
        else:
            samples = [self._sample(draws, row) for row in range(len(task.indices))]
        with drawing(Draws(self.seed, task.epoch, task.indices, _MIXING)):
            return self.collate(samples)

    def _all(self, several: Several, epoch: int) -> tuple[np.ndarray, ...]:
        """The arrays of all these batches; () if that fails, for each to be fetched by itself."""
        if several.arrays is None:
            try:
                with drawing(Draws(self.seed, epoch, several.indices)):
                    several.arrays = self.dataset.fetch(several.indices)
            except Exception:
                several.arrays = ()
        return several.arrays

    def _sample(self, draws: Draws, row: int) -> Any:
        with drawing(draws.rows(slice(row, row + 1))):
            return self.dataset[int(draws.index[row])]

    def collate(self, samples: list[Any]) -> Any:
        if self.single:
            return (self.collate_fn or default_convert)(samples[0])
        return (self.collate_fn or default_collate)(samples)

    def stream(self, epoch: int) -> Iterator[list[Any]]:
        """The samples of a stream's batches, in its own order."""
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

    def load_next(self, stream: Iterator[list[Any]]) -> Any:
        """The stream's next batch, or END."""
        samples: Any = next(stream, END)
        return samples if samples is END else self.collate(samples)

    def _explain(self, error: Exception, task: Task) -> DataError:
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
        return _failure(task.samples, task.epoch, task.number, error)


def _rows(array: np.ndarray, first: int, count: int) -> np.ndarray:
    """Some rows, not copied, as an array that counts as an owner of its memory: a batch written in
    place is not taken for another that lies beside it."""
    rows = array[first : first + count]
    if not rows.flags.c_contiguous or not rows.size:
        return rows.copy()
    return np.frombuffer(rows.data, rows.dtype).reshape(rows.shape)


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

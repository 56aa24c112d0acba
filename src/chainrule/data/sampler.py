"""Samplers: in which order the samples come, and how they fall into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.data.random import (
    ORDER_STREAM,
    check_epoch,
    integers_below,
    permutation,
    resolve_seed,
)

#: Indices that stand as Python's numbers at a time.
_PIECE = 4096


class Sampler:
    """Base of samplers: implement `__iter__` (indices) and `__len__`.

    A sampler whose order changes from epoch to epoch implements `set_epoch(k)`, which the loader
    calls before each epoch; the order must be a function of k alone for a run to be resumable.
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}.__len__")


class SequentialSampler(Sampler):
    """0, 1, ... n-1 of `data_source`."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def order(self, epoch: int) -> np.ndarray:
        """The indices of any `epoch`: int64 [n]."""
        return np.arange(len(self.data_source))

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A random order, another one each epoch; a function of (seed, epoch) alone.

    Iterating steps to the next epoch; `set_epoch` chooses one.

    Args:
        replacement: draw each index independently instead of each once.
        num_samples: how many indices an epoch has; by default as many as there are samples.
        generator, seed: name the orders; by default the seed of `manual_seed`.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: object | None = None,
        *,
        seed: int | None = None,
    ):
        self.data_source = data_source
        self.replacement = replacement
        self.seed = resolve_seed(seed, generator)
        self.epoch = 0
        if num_samples is not None and (
            isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1
        ):
            raise ArgumentError(
                t(
                    "RandomSampler: num_samples is a whole number from 1 up, not {value!r}.",
                    value=num_samples,
                )
            )
        self.num_samples = len(data_source) if num_samples is None else num_samples
        if not len(data_source) and self.num_samples:
            raise ArgumentError(t("RandomSampler: there are no samples to draw from."))

    def set_epoch(self, epoch: int) -> None:
        self.epoch = check_epoch(epoch)

    def order(self, epoch: int) -> np.ndarray:
        """The indices of `epoch`: int64 [num_samples]."""
        n = len(self.data_source)
        if self.replacement:
            return integers_below(n, self.num_samples, self.seed, epoch, ORDER_STREAM)
        # More indices than samples: one whole order after another.
        rounds = -(-self.num_samples // n) if n else 0
        orders = [permutation(n, self.seed, epoch, start=i * n) for i in range(rounds)]
        return np.concatenate([np.empty(0, np.int64), *orders])[: self.num_samples]

    def __iter__(self) -> Iterator[int]:
        order = self.order(self.epoch)
        self.epoch += 1
        # Piece by piece: numbers of Python take nine times the room of the array's.
        pieces = (order[k : k + _PIECE] for k in range(0, len(order), _PIECE))
        return (index for piece in pieces for index in piece.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of `sampler`; `drop_last` leaves out an incomplete one."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False):
        self.sampler = sampler
        self.batch_size = check_batch_size(batch_size)
        self.drop_last = bool(drop_last)

    def set_epoch(self, epoch: int) -> None:
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def check_batch_size(batch_size: int) -> int:
    """`batch_size` as an int. Raises ArgumentError unless a whole number from 1 up."""
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ArgumentError(
            t("batch_size must be a whole number from 1 up, not {value!r}.", value=batch_size)
        )
    return int(batch_size)

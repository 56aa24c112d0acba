"""Random numbers by counter: a pure function of (seed, epoch, sample index).

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) maps a
counter of 128 bits and a key of 64 bits to 128 random bits. Nothing is stored between calls, so a
sample's numbers depend neither on the thread that asks, nor on the order, nor on a resume.

Counter words: block, index (low 32 bits), epoch, stream | index (high 16 bits) << 16. Key: seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.ops import random as global_random

_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], dtype=np.uint64)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ROUNDS = 10
# 4,096 lanes keep every temporary of the ten rounds inside the second-level cache.
_SLAB = 4096
# Samples whose keys of an order are drawn at a time.
_PIECE = 16_384
# So many words a sample are made for several batches at once; more would take much memory.
_FEW = 16

# Streams that no transform can reach, so that order and augmentation never share bits.
ORDER_STREAM = 0xFFFF
SPLIT_STREAM = 0xFFFE
_LAST_STREAM = 0xFFF0


def philox(counter: np.ndarray, seed: int) -> np.ndarray:
    """Random words for `counter` (uint64 [4, n], each below 2**32): uint64 [4, n], below 2**32."""
    out = np.empty_like(counter)
    for start in range(0, counter.shape[1], _SLAB):
        part = slice(start, start + _SLAB)
        _philox_slab(counter[:, part], seed, out[:, part])
    return out


def _philox_slab(counter: np.ndarray, seed: int, out: np.ndarray) -> None:
    even, odd = counter[0::2].copy(), counter[1::2].copy()
    product = np.empty_like(even)
    swapped = product[::-1]
    for key in _round_keys(seed):
        np.multiply(even, _MULTIPLIERS, out=product)
        np.right_shift(swapped, _HALF, out=even)
        even ^= odd
        even ^= key
        np.bitwise_and(swapped, _MASK, out=odd)
    out[0::2], out[1::2] = even, odd


@lru_cache(maxsize=16)
def _round_keys(seed: int) -> np.ndarray:
    """The key of each round: uint64 [rounds, 2, 1]."""
    words = (seed & 0xFFFFFFFF, seed >> 32)
    keys = [[(w + i * step) & 0xFFFFFFFF for w, step in zip(words, _WEYL, strict=True)]
            for i in range(_ROUNDS)]  # fmt: skip
    return np.array(keys, dtype=np.uint64)[:, :, None]


def check_seed(seed: int) -> int:
    """`seed` as an int of 64 bits. Raises ArgumentError for anything else."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ArgumentError(
            t("seed must be a whole number, not {value!r}: write seed=0.", value=seed)
        )
    if not 0 <= seed < 2**64:
        raise ArgumentError(
            t("seed must lie in 0 .. 2**64 - 1, not {value}: write seed=0.", value=seed)
        )
    return int(seed)


def check_epoch(epoch: int) -> int:
    """`epoch` as an int of 32 bits. Raises ArgumentError for anything else."""
    if isinstance(epoch, bool) or not isinstance(epoch, (int, np.integer)):
        raise ArgumentError(
            t("epoch must be a whole number counted from 0, not {value!r}.", value=epoch)
        )
    if not 0 <= epoch < 2**32:
        raise ArgumentError(t("epoch must lie in 0 .. 2**32 - 1, not {value}.", value=epoch))
    return int(epoch)


def resolve_seed(seed: int | None, generator: object | None) -> int:
    """The seed to use: `seed`, else the generator's, else that of `manual_seed`."""
    if seed is not None and generator is not None:
        raise ArgumentError(t("Give seed= or generator=, not both: each names the random numbers."))
    if seed is None:
        source = global_random.default_generator if generator is None else generator
        if not hasattr(source, "seed"):
            raise ArgumentError(
                t(
                    "generator must be a chainrule Generator, not {kind}: write seed=0 instead.",
                    kind=type(source).__name__,
                )
            )
        seed = source.seed
    return check_seed(seed)


def permutation(
    n: int, seed: int, epoch: int, stream: int = ORDER_STREAM, start: int = 0
) -> np.ndarray:
    """The order of `n` samples in `epoch`: int64 [n], each of 0 .. n-1 once.

    Another `start` (a multiple of n) gives another order of the same epoch.

    Sorts one random 64-bit key a sample, so the order is fixed by this file alone and does not
    move when NumPy changes its shuffling.
    """
    keys = np.empty(n, np.uint64)
    # In pieces that stay in the cache: drawing takes ten times the room of the keys.
    for k in range(0, n, _PIECE):
        high, low = _word_pairs(np.arange(k, min(k + _PIECE, n)) + start, seed, epoch, stream)
        keys[k : k + _PIECE] = (high << _HALF) | low
    return _stable_order(keys)


def _stable_order(keys: np.ndarray) -> np.ndarray:
    """np.argsort(keys, kind="stable") of keys [n] that hardly ever repeat.

    The quick sort, several times as fast, may only differ where two keys are equal.
    """
    order = np.argsort(keys)
    for k in range(0, len(keys), _PIECE):
        found = keys[order[k : k + _PIECE + 1]]
        if (found[1:] == found[:-1]).any():
            return np.argsort(keys, kind="stable")
    return order


def integers_below(bound: int, n: int, seed: int, epoch: int, stream: int) -> np.ndarray:
    """n independent integers in 0 .. bound-1: int64 [n]."""
    high, low = _word_pairs(np.arange(n), seed, epoch, stream)
    # 53 bits in a float: for any dataset that fits a machine the rounding bias is immeasurable.
    unit = ((high << _HALF | low) >> np.uint64(11)) * 2.0**-53
    return (unit * bound).astype(np.int64)


def _word_pairs(index: np.ndarray, seed: int, epoch: int, stream: int) -> np.ndarray:
    """Two random words for each index: uint64 [2, n]."""
    return philox(_counter(index, np.zeros(1), epoch, stream), seed)[:2]


def _counter(index: np.ndarray, block: np.ndarray, epoch: int, stream: int) -> np.ndarray:
    index = index.astype(np.uint64)[:, None]
    counter = np.empty((4, len(index), len(block)), dtype=np.uint64)
    counter[0] = block.astype(np.uint64)
    counter[1] = index & _MASK
    counter[2] = epoch
    counter[3] = np.uint64(stream) | ((index >> _HALF) << np.uint64(16))
    return counter.reshape(4, -1)


class Draws:
    """The random numbers of one batch: row i depends on (seed, epoch, index[i]) alone.

    Each call opens the next stream, so two transforms in a row never share numbers. A sample
    that occurs twice in an epoch draws the same numbers twice.

    Args:
        seed: 0 .. 2**64 - 1.
        epoch: 0 .. 2**32 - 1.
        index: sample indices [N], below 2**48.
        stream: the first one to open.
        shared: where the words are made together with those of other batches, and the row at
            which this batch begins there.
    """

    __slots__ = ("seed", "epoch", "index", "stream", "_shared")

    def __init__(
        self,
        seed: int,
        epoch: int,
        index: np.ndarray,
        stream: int = 0,
        shared: tuple[SharedWords, int] | None = None,
    ):
        self.seed = seed
        self.epoch = epoch
        self.index = np.asarray(index, dtype=np.int64).reshape(-1)
        self.stream = stream
        self._shared = shared

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, rows: np.ndarray | slice) -> Draws:
        """The numbers of some rows only, beginning with the next stream."""
        return Draws(self.seed, self.epoch, self.index[rows], self.stream)

    def uniform(self, n: int, k: int) -> np.ndarray:
        """Uniform numbers in [0, 1): float64 [n, k]."""
        return self._words(n, k) * 2.0**-32

    def normal(self, n: int, k: int) -> np.ndarray:
        """Normal numbers of mean 0 and deviation 1: float32 [n, k] (Box and Muller)."""
        half = (k + 1) // 2
        words = self._words(n, 2 * half).astype(np.float32)
        # Half a unit keeps the logarithm's argument above zero.
        radius = np.sqrt(-2.0 * np.log((words[:, :half] + np.float32(0.5)) * np.float32(2.0**-32)))
        angle = words[:, half:] * np.float32(2.0 * np.pi * 2.0**-32)
        out = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return out[:, :k]

    def _words(self, n: int, k: int) -> np.ndarray:
        if len(self.index) == 1 and n != 1:
            # One sample cut into n pieces: its row is shared out among them.
            return self._words(1, n * k).reshape(n, k)
        if n != len(self.index):
            raise ArgumentError(
                t(
                    "Random numbers were asked for {n} samples, but this batch has {rows}.",
                    n=n,
                    rows=len(self.index),
                )
            )
        if self.stream >= _LAST_STREAM:
            raise ArgumentError(t("One batch drew random numbers more than 65,000 times."))
        stream = self.stream
        self.stream += 1
        if self._shared is None or k > _FEW:
            return _words_of(self.seed, self.epoch, self.index, stream, k)
        words, first = self._shared
        return words.of(stream, k)[first : first + n]


class SharedWords:
    """The words of the samples of several batches, made at once: small calls cost the most.

    What is a function of (seed, epoch, sample) alone is so whoever asks, and when.
    """

    def __init__(self, seed: int, epoch: int, index: np.ndarray):
        self.seed, self.epoch, self.index = seed, epoch, index
        self._made: dict[tuple[int, int], np.ndarray] = {}

    def of(self, stream: int, k: int) -> np.ndarray:
        """uint64 [N, k]. Threads that ask at the same time may both make them."""
        found = self._made.get((stream, k))
        if found is None:
            found = _words_of(self.seed, self.epoch, self.index, stream, k)
            self._made[stream, k] = found
        return found


def _words_of(seed: int, epoch: int, index: np.ndarray, stream: int, k: int) -> np.ndarray:
    """k words for each sample: uint64 [n, k]."""
    n, blocks = len(index), np.arange(-(-k // 4))
    words = philox(_counter(index, blocks, epoch, stream), seed)
    return words.reshape(4, n, len(blocks)).transpose(1, 2, 0).reshape(n, 4 * len(blocks))[:, :k]


# The loader sets this around each fetch, so a transform called inside a user's __getitem__ finds
# the numbers of that very sample without being handed anything.
_current: ContextVar[Draws | None] = ContextVar("chainrule_data_draws", default=None)


@contextmanager
def drawing(draws: Draws) -> Iterator[None]:
    """While open, transforms that are given no `draws` use these."""
    token = _current.set(draws)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def drawing_rows(rows: np.ndarray) -> Iterator[None]:
    """While open, the draws in progress (if any) are those of some rows only."""
    draws = _current.get()
    token = _current.set(None if draws is None else draws.rows(rows))
    try:
        yield
    finally:
        _current.reset(token)


def current_draws(n: int) -> Draws:
    """The draws of the fetch in progress; outside a loader, fresh ones under `manual_seed`."""
    draws = _current.get()
    if draws is not None:
        return draws
    seed = int(global_random.randint(0, 2**62, (1,)).item())
    return Draws(seed, 0, np.arange(n))

"""From samples to batches, and from arrays to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.dtypes import OF_NUMPY
from chainrule.base.errors import DataError, DTypeError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.ops import functional as ops


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one kind put together, as PyTorch does.

    Arrays and tensors are stacked along a new first axis; ints become int64, floats float64;
    tuples and lists are taken position by position (into a list), dicts key by key; strings stay a
    list.

    Raises:
        ShapeError: arrays of different shapes.
        DataError: samples of different length, keys or kind.

    >>> cr.data.default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=chainrule.float64)]
    """
    if not len(batch):
        raise DataError(t("A batch without samples cannot be put together."))
    first = batch[0]
    if isinstance(first, Tensor):
        _check_shapes([sample.shape for sample in batch])
        return ops.stack(list(batch))
    if isinstance(first, np.ndarray):
        _check_shapes([np.shape(sample) for sample in batch])
        return as_tensor(np.stack(batch))
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, bool | int | float | np.generic):
        return as_tensor(np.array(batch))
    if isinstance(first, Mapping):
        if any(sample.keys() != first.keys() for sample in batch):
            raise DataError(t("The samples of a batch are dicts with different keys."))
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise DataError(t("The samples of a batch are sequences of different lengths."))
        parts = [default_collate(part) for part in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    raise DataError(
        t(
            "Samples of type {kind} cannot be put into a batch: return arrays, tensors, numbers, "
            "strings, tuples or dicts, or give the loader a collate_fn.",
            kind=type(first).__name__,
        )
    )


def default_convert(data: Any) -> Any:
    """Arrays and NumPy numbers inside tuples, lists and dicts become tensors; the rest stays."""
    if isinstance(data, np.ndarray | np.generic):
        return as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple | list):
        return [default_convert(part) for part in data]
    return data


class PadSequences:
    """Samples (sequence, target) of different lengths as one batch: a `collate_fn`.

    Sequences (Tᵢ, …) of one dtype and equal but for their lengths are filled up with
    `padding_value` at the end, to the longest: → padded (N, T, …), lengths (N,) int64, targets as
    `default_collate` puts them together. What `pack_padded_sequence(padded, lengths,
    batch_first=True, enforce_sorted=False)` takes. Samples that are sequences alone give (padded,
    lengths).

    Raises:
        ShapeError: sequences that differ in more than their lengths, or are single numbers.
        DTypeError: sequences of different dtypes.
        DataError: a batch without samples.
    """

    def __init__(self, padding_value: float = 0) -> None:
        self.padding_value = padding_value

    def __call__(self, batch: Sequence[Any]) -> tuple[Any, ...]:
        if not len(batch):
            raise DataError(t("A batch without samples cannot be put together."))
        pairs = isinstance(batch[0], tuple | list) and len(batch[0]) == 2
        padded, lengths = self._padded([sample[0] if pairs else sample for sample in batch])
        if not pairs:
            return padded, lengths
        return padded, lengths, default_collate([sample[1] for sample in batch])

    def _padded(self, sequences: list[Any]) -> tuple[Tensor, Tensor]:
        tensors = [s if isinstance(s, Tensor) else as_tensor(np.asarray(s)) for s in sequences]
        first = tensors[0]
        for place, s in enumerate(tensors):
            if not s.ndim or s.shape[1:] != first.shape[1:]:
                raise ShapeError(
                    t(
                        "The sequences of a batch must be (time, …) and alike but for their "
                        "lengths: the first has shape {first}, number {place} has {shape}.",
                        first=first.shape,
                        place=place,
                        shape=s.shape,
                    )
                )
            if s.dtype is not first.dtype:
                raise DTypeError(
                    t(
                        "The sequences of a batch must have one dtype: the first is {first}, "
                        "number {place} is {dtype}.",
                        first=first.dtype.name,
                        place=place,
                        dtype=s.dtype.name,
                    )
                )
        lengths = [s.shape[0] for s in tensors]
        shape = (len(tensors), max(lengths), *first.shape[1:])
        out = ops.full(shape, self.padding_value, dtype=first.dtype)
        for row, s, n in zip(out, tensors, lengths, strict=True):
            row[:n] = s
        return out, Tensor(np.array(lengths, np.int64))

    def __repr__(self) -> str:
        return f"PadSequences(padding_value={self.padding_value})"


def pad_collate(batch: Sequence[Any]) -> tuple[Any, ...]:
    """`PadSequences()`: filled up with zeros."""
    return PadSequences()(batch)


def as_tensor(array: np.ndarray) -> Tensor:
    """The array as a tensor that shares its memory. Raises DTypeError for a dtype without one."""
    if array.dtype not in OF_NUMPY:
        raise DTypeError(
            t(
                "An array of dtype {dtype} cannot become a tensor: convert it first, as with "
                ".astype(numpy.float32).",
                dtype=array.dtype,
            )
        )
    return Tensor(array)


def split_batch(batch: Any, n: int) -> list[Any]:
    """The n samples of a fetched batch, for a collate function that wants samples."""
    if isinstance(batch, Mapping):
        columns = {key: split_batch(value, n) for key, value in batch.items()}
        return [{key: column[i] for key, column in columns.items()} for i in range(n)]
    if isinstance(batch, tuple | list):
        return [tuple(row) for row in zip(*(split_batch(part, n) for part in batch), strict=True)]
    return [batch[i] for i in range(n)]


def _check_shapes(shapes: list[tuple[int, ...]]) -> None:
    for place, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ShapeError(
                t(
                    "The samples of a batch must have one shape: the first has {first}, number "
                    "{place} has {shape}. Resize or crop them, or give the loader a collate_fn.",
                    first=shapes[0],
                    place=place,
                    shape=shape,
                )
            )

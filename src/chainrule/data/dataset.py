"""Datasets: things with a length and samples by index.

A dataset whose samples lie in arrays also offers `fetch(indices)`, which returns a whole batch
from one fancy index, and says so by `batched = True`. The loader uses it when it is there.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.data.random import SPLIT_STREAM, drawing_rows, permutation, resolve_seed
from chainrule.data.transforms.base import apply_to_batch, works_by_rows
from chainrule.graph import Tensor
from chainrule.ops import functional as ops

# Bytes of float32 inputs that are fetched at once: they stay in a cache until they are used.
_CACHED = 4 << 20


class Dataset:
    """Base of map-style datasets: implement `__len__` and `__getitem__(index)`.

    To serve whole batches at once, set `batched = True` and implement `fetch(indices)`, which
    takes int64 [N] and returns arrays or tensors of N rows in a tuple (or list, or dict).

    A dataset whose `fetch` gives a tuple of arrays, each row of them a function of its own index
    and random numbers alone, may say by `at_once` how many samples at most a loader should fetch
    for several batches together. 0: each batch is fetched by itself, when it is asked for.

    >>> class Squares(cr.data.Dataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> [Squares()[i] for i in range(3)]
    [0, 1, 4]
    """

    batched: bool = False
    at_once: int = 0

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__")

    def fetch(self, indices: np.ndarray) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.fetch")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Base of datasets that are a stream: implement `__iter__`, which yields samples."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__")

    def __getitem__(self, index: int) -> Any:
        raise ArgumentError(
            t(
                "{kind} is a stream and has no sample {index}: iterate over it instead.",
                kind=type(self).__name__,
                index=index,
            )
        )


class TensorDataset(Dataset):
    """Samples are the rows of tensors of equal length: `dataset[i]` is `(a[i], b[i], ...)`.

    Raises ShapeError when the lengths differ.

    >>> dataset = cr.data.TensorDataset(cr.tensor([10, 20, 30]), cr.tensor([0, 1, 0]))
    >>> len(dataset), dataset[1]
    (3, (tensor(20), tensor(1)))
    """

    batched = True

    def __init__(self, *tensors: Tensor):
        if not tensors:
            raise ArgumentError(t("TensorDataset needs at least one tensor."))
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise ArgumentError(
                    t(
                        "TensorDataset takes tensors, not {kind}: use ArrayDataset for arrays.",
                        kind=type(tensor).__name__,
                    )
                )
        _check_lengths("TensorDataset", [tensor.shape for tensor in tensors])
        self.tensors = tensors

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def fetch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        return tuple(tensor[indices] for tensor in self.tensors)


class ArrayDataset(Dataset):
    """Samples are the rows of NumPy arrays: `dataset[i]` is `(x[i], y[i])`, or `(x[i],)`.

    Args:
        x: inputs [N, ...]; images are [N, C, H, W].
        y: targets [N, ...], or None.
        transform: for x. A `Transform` is applied to whole batches; any other callable to each
            sample by itself.
        target_transform: the same for y.
        classes: the names of the classes that y numbers.
        name: where the data come from, for reports.

    Raises:
        ShapeError: x and y differ in length, or have no first axis.
    """

    batched = True

    def __init__(
        self,
        x: Any,
        y: Any = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        *,
        classes: Sequence[str] = (),
        name: str = "",
    ):
        self.x = np.asarray(x)
        self.y = None if y is None else np.asarray(y)
        arrays = [self.x] if self.y is None else [self.x, self.y]
        _check_lengths("ArrayDataset", [array.shape for array in arrays])
        self.transform = transform
        self.target_transform = target_transform
        self.classes = tuple(classes)
        self.name = name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one stored input, (C, H, W) for images."""
        return self.x.shape[1:]

    @property
    def at_once(self) -> int:  # type: ignore[override]
        if (
            type(self).fetch is not ArrayDataset.fetch
            or not works_by_rows(self.transform)
            or not works_by_rows(self.target_transform)
            or self.x.dtype.hasobject
        ):
            return 0
        return _CACHED // (4 * max(1, self.x[:1].size))

    def with_transform(
        self,
        transform: Callable[..., Any] | None,
        target_transform: Callable[..., Any] | None = None,
    ) -> ArrayDataset:
        """The same arrays (not copied) under other transforms."""
        other = copy.copy(self)
        other.transform, other.target_transform = transform, target_transform
        return other

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        """One sample for an int; a batch for a slice, a list of indices or a mask."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(
                    t(
                        "Sample {index} of a dataset of {n} samples does not exist.",
                        index=index,
                        n=len(self),
                    )
                )
            return tuple(part[0] for part in self.fetch(np.array([index % len(self)])))
        return self.fetch(np.arange(len(self))[index])

    def fetch(self, indices: np.ndarray) -> tuple[Any, ...]:
        # A fancy index copies, so nothing done to a batch reaches the dataset.
        x = apply_to_batch(self.transform, self.x[indices])
        if self.y is None:
            return (x,)
        return x, apply_to_batch(self.target_transform, self.y[indices])

    def __repr__(self) -> str:
        name = f"{self.name}: " if self.name else ""
        shape = "x".join(str(n) for n in self.input_shape)
        return f"ArrayDataset({name}{len(self)} x {shape} {self.x.dtype})"


class Subset(Dataset):
    """Some samples of a dataset: sample i is `dataset[indices[i]]`.

    Raises ArgumentError for an index outside the dataset.

    >>> dataset = cr.data.TensorDataset(cr.tensor([10, 20, 30]))
    >>> cr.data.Subset(dataset, [2])[0]
    (tensor(30),)
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray):
        self.dataset = dataset
        self.indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        n = len(dataset)
        outside = self.indices[(self.indices < -n) | (self.indices >= n)]
        if len(outside):
            raise ArgumentError(
                t(
                    "Subset: index {index} lies outside a dataset of {n} samples.",
                    index=int(outside[0]),
                    n=n,
                )
            )
        # Stored from zero on, so that the wrapped dataset never sees a negative index.
        self.indices = np.where(self.indices < 0, self.indices + n, self.indices)

    @property
    def batched(self) -> bool:  # type: ignore[override]
        return bool(getattr(self.dataset, "batched", False))

    @property
    def at_once(self) -> int:  # type: ignore[override]
        return getattr(self.dataset, "at_once", 0) if type(self).fetch is Subset.fetch else 0

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        picked = self.indices[index]
        return self.dataset[int(picked) if np.ndim(picked) == 0 else picked]

    def fetch(self, indices: np.ndarray) -> Any:
        return self.dataset.fetch(self.indices[indices])


class ConcatDataset(Dataset):
    """Datasets one after another. `cumulative_sizes` are the running lengths.

    >>> dataset = cr.data.TensorDataset(cr.arange(3))
    >>> len(cr.data.ConcatDataset([dataset, dataset]))
    6
    """

    def __init__(self, datasets: Sequence[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError(t("ConcatDataset needs at least one dataset."))
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise ArgumentError(
                t("ConcatDataset takes datasets with a length, not streams (IterableDataset).")
            )
        self.cumulative_sizes = np.cumsum([len(d) for d in self.datasets]).tolist()

    @property
    def batched(self) -> bool:  # type: ignore[override]
        return all(getattr(dataset, "batched", False) for dataset in self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(
                t(
                    "Sample {index} of a dataset of {n} samples does not exist.",
                    index=index,
                    n=len(self),
                )
            )
        index %= len(self)
        which = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        return self.datasets[which][index - ([0, *self.cumulative_sizes])[which]]

    def fetch(self, indices: np.ndarray) -> Any:
        which = np.searchsorted(self.cumulative_sizes, indices, side="right")
        parts, places = [], []
        for member in np.unique(which):
            rows = np.flatnonzero(which == member)
            start = self.cumulative_sizes[member - 1] if member else 0
            with drawing_rows(rows):
                parts.append(self.datasets[member].fetch(indices[rows] - start))
            places.append(rows)
        return _merge(parts, np.argsort(np.concatenate(places)))


def random_split(
    dataset: Any,
    lengths: Sequence[float],
    generator: object | None = None,
    *,
    seed: int | None = None,
) -> list[Subset]:
    """Split at random into disjoint parts.

    Args:
        lengths: the numbers of samples, which add up to the whole, or fractions, which add up to
            1 (each rounded down; the samples left over go to the first parts, one each).
        seed: names the split; by default the seed of `generator`, else that of `manual_seed`.

    Raises ArgumentError when the lengths do not add up.

    >>> dataset = cr.data.TensorDataset(cr.arange(10))
    >>> [len(part) for part in cr.data.random_split(dataset, [8, 2])]
    [8, 2]
    """
    n = len(dataset)
    counts = _split_counts(n, list(lengths))
    order = permutation(n, resolve_seed(seed, generator), 0, SPLIT_STREAM)
    ends = np.cumsum(counts)
    return [
        Subset(dataset, order[end - count : end]) for count, end in zip(counts, ends, strict=True)
    ]


def _split_counts(n: int, lengths: list[float]) -> list[int]:
    total = math.fsum(lengths)
    if not lengths or not all(length >= 0 for length in lengths):
        raise ArgumentError(
            t("random_split: lengths must be numbers from 0 up, not {lengths}.", lengths=lengths)
        )
    if all(isinstance(length, (int, np.integer)) for length in lengths) and total == n:
        return [int(length) for length in lengths]
    if not math.isclose(total, 1.0):
        raise ArgumentError(
            t(
                "random_split: lengths {lengths} add up to {total}, but the dataset has {n} "
                "samples: write lengths that add up to {n}, or fractions that add up to 1.",
                lengths=lengths,
                total=total,
                n=n,
            )
        )
    counts = [math.floor(n * fraction) for fraction in lengths]
    for i in range(n - sum(counts)):
        counts[i % len(counts)] += 1
    return counts


def _merge(parts: list[Any], order: np.ndarray) -> Any:
    """Batches put one after another, then their rows taken in `order`."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _merge([part[key] for part in parts], order) for key in first}
    if isinstance(first, tuple | list):
        return tuple(_merge(list(column), order) for column in zip(*parts, strict=True))
    if any(part.shape[1:] != first.shape[1:] for part in parts):
        raise ShapeError(
            t(
                "ConcatDataset: the members' samples have different shapes, {shapes}.",
                shapes=", ".join(str(part.shape[1:]) for part in parts),
            )
        )
    if isinstance(first, Tensor):
        return ops.cat(parts)[order]
    return np.concatenate(parts)[order]


def _check_lengths(owner: str, shapes: list[tuple[int, ...]]) -> None:
    if any(len(shape) == 0 for shape in shapes):
        raise ShapeError(
            t(
                "{owner}: every array needs a first axis that numbers the samples; got shapes "
                "{shapes}.",
                owner=owner,
                shapes=", ".join(map(str, shapes)),
            )
        )
    if len({shape[0] for shape in shapes}) > 1:
        raise ShapeError(
            t(
                "{owner}: all arrays must have the same number of samples; got shapes {shapes}.",
                owner=owner,
                shapes=", ".join(map(str, shapes)),
            )
        )

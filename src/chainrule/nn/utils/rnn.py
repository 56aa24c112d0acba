"""Sequences of different lengths in one batch: padded, packed; states between pieces of a sequence.

A packed batch holds the elements of all sequences time step by time step, the longest sequence
first: `data` (Σ lengths, …), and in `batch_sizes` how many sequences reach each time step.
`sorted_indices` says in which order the batch's sequences stand there, `unsorted_indices` undoes
it; both are None if they stood in this order from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.constraints import Choice
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError, TraceError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.graph.modes import mode
from chainrule.ops import functional as F

__all__ = [
    "PackedSequence", "detach_states", "invert_permutation", "pack_padded_sequence",
    "pack_sequence", "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """A packed batch; `pack_padded_sequence` and `pack_sequence` make one, recurrent layers take
    and give it."""

    __slots__ = ()

    def __new__(
        cls, data: Tensor, batch_sizes: Tensor, sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:  # fmt: skip
        if not isinstance(batch_sizes._data, np.ndarray):  # without values: layers refuse it
            return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)
        sizes = _ints("PackedSequence", "batch_sizes", batch_sizes)
        if not sizes.size or sizes[-1] < 1 or (np.diff(sizes) > 0).any():
            raise ArgumentError(
                t(
                    "PackedSequence: batch_sizes must hold at least one number, none below 1 and "
                    "none greater than the one before, got {sizes}.",
                    sizes=sizes.tolist(),
                )
            )
        if data.shape[:1] != (sizes.sum(),):
            raise ShapeError(
                t(
                    "PackedSequence: batch_sizes add up to {total}, data has shape {shape}.",
                    total=int(sizes.sum()),
                    shape=tuple(data.shape),
                )
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With `data` converted as `Tensor.to` does it."""
        return self._replace(data=self.data.to(*args, **kwargs))

    def double(self) -> PackedSequence:
        """With `data` as float64."""
        return self.to(dtypes.float64)

    def float(self) -> PackedSequence:
        """With `data` as float32."""
        return self.to(dtypes.float32)

    def long(self) -> PackedSequence:
        """With `data` as int64."""
        return self.to(dtypes.int64)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one; None for None."""
    return None if permutation is None else F.argsort(permutation)


# ---- packing --------------------------------------------------------------------------------


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Packs a padded batch (T, N, …), or (N, T, …) with `batch_first`, of the given lengths.

    With `enforce_sorted` the lengths must not increase; else the sequences are put in order, and
    layers and `pad_packed_sequence` put their results back.

    Errors: ArgumentError for lengths below 1 or out of order; ShapeError for too many or too long
    ones.
    """
    name = "pack_padded_sequence"
    _refuse_trace(name)
    sizes = _ints(name, "lengths", lengths)
    if input.ndim < 2:
        raise ShapeError(
            t(
                "{owner} takes a padded batch (time, batch, …), got shape {shape}.",
                owner=name,
                shape=tuple(input.shape),
            )
        )
    x = input.transpose(0, 1) if batch_first else input
    check_lengths(name, x.shape, sizes)
    order = np.argsort(-sizes, kind="stable")
    if enforce_sorted:
        if (np.diff(sizes) > 0).any():
            raise ArgumentError(
                t(
                    "{owner}: lengths must not increase, got {lengths}: write "
                    "enforce_sorted=False to have the sequences put in order.",
                    owner=name,
                    lengths=sizes.tolist(),
                )
            )
        indices = None
    else:
        indices = Tensor(order)
        sizes = sizes[order]
        x = F.index_select(x, 1, indices)
    batch_sizes = (np.arange(sizes[0])[:, None] < sizes).sum(1)
    return PackedSequence(x[_places(batch_sizes)], Tensor(batch_sizes), indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch, (T, N, …) or (N, T, …), and the lengths (N,), int64.

    `total_length`: pad to so many time steps, at least as many as the longest sequence has.
    """
    x, sizes = spread("pad_packed_sequence", sequence, padding_value)
    if total_length is not None:
        if total_length < x.shape[0]:
            raise ArgumentError(
                t(
                    "pad_packed_sequence: total_length {total} is less than the longest sequence, "
                    "{longest}.",
                    total=total_length,
                    longest=x.shape[0],
                )
            )
        more = (total_length - x.shape[0], *x.shape[1:])
        x = F.cat([x, F.full(more, padding_value, dtype=x.dtype)])
    if sequence.unsorted_indices is not None:
        x = F.index_select(x, 1, sequence.unsorted_indices)
        sizes = sizes[sequence.unsorted_indices.numpy()]
    return (x.transpose(0, 1) if batch_first else x), Tensor(sizes)


def spread(
    owner: str, sequence: PackedSequence, padding_value: float = 0.0
) -> tuple[Tensor, np.ndarray]:
    """The padded batch (T, N, …) and its lengths, in the order of the packed sequences."""
    _refuse_trace(owner)
    data, batch_sizes = sequence.data, sequence.batch_sizes.numpy()
    shape = (len(batch_sizes), int(batch_sizes[0]), *data.shape[1:])
    x = F.full(shape, padding_value, dtype=data.dtype)
    x[_places(batch_sizes)] = data
    return x, (np.arange(shape[1]) < batch_sizes[:, None]).sum(0)


def packed_like(sequence: PackedSequence, x: Tensor) -> PackedSequence:
    """The padded batch x (T, N, …) packed as `sequence` is."""
    return sequence._replace(data=x[_places(sequence.batch_sizes.numpy())])


def _places(batch_sizes: np.ndarray) -> tuple[Tensor, Tensor]:
    """For each element of a packed batch its time step, and its sequence."""
    time = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    starts = np.repeat(np.cumsum(batch_sizes) - batch_sizes, batch_sizes)
    return Tensor(time), Tensor(np.arange(len(time)) - starts)


# ---- lists of sequences ---------------------------------------------------------------------


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (T_i, …) as one batch (T, N, …), or (N, T, …), as long as the longest."""
    side = Choice("right", "left").check(padding_side, "pad_sequence", "padding_side")
    several = list(sequences)
    if not several or any(s.ndim < 1 or s.shape[1:] != several[0].shape[1:] for s in several):
        raise ShapeError(
            t(
                "{owner} takes sequences (time, …), at least one and alike but for their lengths, "
                "got shapes {shapes}.",
                owner="pad_sequence",
                shapes=", ".join(str(tuple(s.shape)) for s in several),
            )
        )
    longest = max(s.shape[0] for s in several)
    rows = []
    for s in several:
        more = F.full((longest - s.shape[0], *s.shape[1:]), padding_value, dtype=s.dtype)
        rows.append(F.cat([s, more] if side == "right" else [more, s]))
    return F.stack(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences (T_i, …) of a padded batch: the opposite of `pad_sequence`."""
    x = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    sizes = _ints("unpad_sequence", "lengths", lengths)
    return [row[: int(n)] for row, n in zip(x, sizes, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences (T_i, …); `enforce_sorted` as in `pack_padded_sequence`."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences (T_i, …) of a packed batch: the opposite of `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


# ---- truncated backpropagation through time -------------------------------------------------


def detach_states(states: Any) -> Any:
    """The states of a recurrent layer (a tensor, None, or tuples and lists of them) cut off from
    what they were computed from.

    This is truncated backpropagation through time: a long sequence is given to the layer piece by
    piece, each piece starts from the states of the last, and gradients end at its beginning:

        for x, y in pieces:
            output, states = layer(x, detach_states(states))

    R. J. Williams, J. Peng, "An efficient gradient-based algorithm for on-line training of
    recurrent network trajectories", Neural Computation 2 (1990).
    """
    if isinstance(states, tuple | list):
        return type(states)(map(detach_states, states))
    return states if states is None else states.detach()


# ---- checks ---------------------------------------------------------------------------------


def check_lengths(owner: str, shape: tuple[int, ...], lengths: np.ndarray) -> None:
    """Refuses lengths that the sequences of a padded batch (T, N, …) cannot have."""
    steps, batch = shape[:2]
    if lengths.shape != (batch,) or lengths.max(initial=1) > steps:
        raise ShapeError(
            t(
                "{owner}: lengths must be {batch} numbers up to {steps}, for a padded batch of "
                "{batch} sequences and {steps} time steps, got {lengths}.",
                owner=owner,
                batch=batch,
                steps=steps,
                lengths=lengths.tolist(),
            )
        )
    if not batch or lengths.min() < 1:
        raise ArgumentError(
            t(
                "{owner}: every length must be at least 1, and there must be one, got {lengths}.",
                owner=owner,
                lengths=lengths.tolist(),
            )
        )


def _ints(owner: str, name: str, given: Any) -> np.ndarray:
    array = np.asarray(given.numpy() if isinstance(given, Tensor) else given)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise DTypeError(
            t(
                "{owner}: {name} must be a list of integers, got {dtype} of shape {shape}.",
                owner=owner,
                name=name,
                dtype=array.dtype.name,
                shape=array.shape,
            )
        )
    return array.astype(np.int64)


def _refuse_trace(owner: str) -> None:
    if mode.trace is not None:
        raise TraceError(
            t(
                "{owner}: a packed batch has as many elements as its lengths add up to, which a "
                "compiled program cannot know beforehand. Keep the batch padded and write "
                "layer(x, lengths=lengths): it computes the same, and compiles.",
                owner=owner,
            )
        )

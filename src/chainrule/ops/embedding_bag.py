"""Rows of a table, looked up and reduced bag by bag."""

from __future__ import annotations

from functools import partial

import numpy as np

from chainrule.base.constraints import Choice
from chainrule.base.dtypes import int64
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import mode as run_mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.along import embedding
from chainrule.ops.arrays.index import HOLE
from chainrule.ops.creation import arange, zeros
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import where
from chainrule.ops.indexing import IndexAdjoint
from chainrule.ops.register import function

NAME = "embedding_bag"
MODES = Choice("sum", "mean", "max")


@function()
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Rows of weight (n, d) by index, reduced over each bag by `mode` ("sum", "mean", "max").

    `input` (B, L): B bags of L indices. Or (n,), with `offsets` (B,), where each bag starts; with
    `include_last_offset` the last number is where the last bag ends. → (B, d); an empty bag gives
    zeros. `per_sample_weights`: a factor for each index, for "sum" only. Indices equal to
    `padding_idx` count for nothing. `max_norm`, `norm_type`, `scale_grad_by_freq`: as in
    `embedding`; the last and `sparse` not for "max". A compiled program takes "max" of bags
    (B, L) only.
    """
    MODES.check(mode, NAME, "mode")
    offsets = None if offsets is None else cast(offsets, int64)
    _check(input, offsets, per_sample_weights, mode, scale_grad_by_freq, include_last_offset)
    if sparse and mode == "max":
        raise ArgumentError(
            t("embedding_bag: mode='max' does not support sparse weights: write sparse=False.")
        )
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise ArgumentError(
                t("{name}: padding_idx {index} is outside the table of {rows} rows.",
                  name=NAME, index=padding_idx, rows=rows)
            )  # fmt: skip
        padding_idx %= rows
    counts = None if padding_idx is None else input.ne(padding_idx)
    look_up = partial(
        embedding, weight=weight, max_norm=max_norm, norm_type=norm_type,
        scale_grad_by_freq=scale_grad_by_freq, sparse=sparse,
    )  # fmt: skip
    if offsets is None:
        return _of_rectangle(look_up(input), counts, mode, per_sample_weights)
    if mode == "max":
        places, inside = _places(offsets, input.shape[0], include_last_offset)
        counts = inside if counts is None else inside & counts[places]
        return _of_rectangle(look_up(input[places]), counts, mode, None)
    found = look_up(input)
    if per_sample_weights is not None:
        found = found * per_sample_weights.unsqueeze(-1)
    bags = offsets.shape[0] - bool(include_last_offset)
    bag = _bags(offsets, input.shape[0])
    if include_last_offset:
        inside = bag < bags  # what lies behind the end of the last bag belongs to none
        bag = where(inside, bag, 0)
        counts = inside if counts is None else inside & counts
    found = found if counts is None else where(counts.unsqueeze(-1), found, 0.0)
    if not bags:
        return zeros((0, weight.shape[1]), dtype=found.dtype)
    total = _added(found, bag, bags)
    if mode == "sum":
        return total
    ones = found.new_ones(found.shape[:1]) if counts is None else cast(counts, found.dtype)
    return total / _added(ones, bag, bags).clamp(min=1).unsqueeze(-1)


def _check(
    input: Tensor, offsets: Tensor | None, weights: Tensor | None, mode: str, by_freq: bool,
    last: bool,
) -> None:  # fmt: skip
    if input.ndim != (2 if offsets is None else 1) or (offsets is not None and offsets.ndim != 1):
        raise ShapeError(
            t(
                "embedding_bag takes input (bags, indices) without offsets, or input (indices,) "
                "with offsets (bags,), got shapes {input} and {offsets}.",
                input=tuple(input.shape),
                offsets=None if offsets is None else tuple(offsets.shape),
            )
        )
    if weights is not None and (mode != "sum" or weights.shape != input.shape):
        raise ArgumentError(
            t(
                "embedding_bag: per_sample_weights go with mode='sum' and have the shape of "
                "input, {input}; mode is {mode!r}, their shape {weights}.",
                input=tuple(input.shape),
                mode=mode,
                weights=tuple(weights.shape),
            )
        )
    if mode == "max" and by_freq:
        raise ArgumentError(t("embedding_bag: scale_grad_by_freq does not go with mode='max'."))
    if last and (offsets is None or not offsets.shape[0]):
        raise ArgumentError(
            t("embedding_bag: include_last_offset=True needs offsets, at least one number.")
        )
    if offsets is not None:
        check = partial(_check_offsets, input.shape[0])
        if run_mode.trace is not None:
            run_mode.trace.check(offsets, check)
        else:
            check(offsets.numpy())


def _check_offsets(n: int, offsets: np.ndarray) -> None:
    if len(offsets) and (offsets[0] != 0 or offsets[-1] > n or (np.diff(offsets) < 0).any()):
        raise IndexRangeError(
            t(
                "embedding_bag: offsets must start at 0, never decrease, and end at most at {n}, "
                "the number of indices, got {offsets}.",
                n=n,
                offsets=offsets.tolist(),
            )
        )


def _bags(offsets: Tensor, n: int) -> Tensor:
    """For each of n indices the number of its bag."""
    if run_mode.trace is None:
        return Tensor(np.searchsorted(offsets.numpy(), np.arange(n), side="right") - 1)
    return (offsets.unsqueeze(0) <= arange(n).unsqueeze(1)).sum(1) - 1


def _places(offsets: Tensor, n: int, last: bool) -> tuple[Tensor, Tensor]:
    """Where the indices of each bag stand, in rows as long as the longest, and which are real."""
    starts = offsets.numpy()
    starts, ends = (starts[:-1], starts[1:]) if last else (starts, np.append(starts[1:], n))
    steps = np.arange((ends - starts).max(initial=0))
    inside = steps < (ends - starts)[:, None]
    return Tensor(np.where(inside, starts[:, None] + steps, 0)), Tensor(inside)


def _added(x: Tensor, bag: Tensor, bags: int) -> Tensor:
    """The sum over each bag of what belongs to it."""
    return apply(IndexAdjoint, x, bag, key=(HOLE,), size=(bags, *x.shape[1:]))


def _of_rectangle(
    found: Tensor, counts: Tensor | None, mode: str, weights: Tensor | None
) -> Tensor:
    """(B, L, d) → (B, d)."""
    bags, length, size = found.shape
    if not length:
        return zeros((bags, size), dtype=found.dtype)
    if weights is not None:
        found = found * weights.unsqueeze(-1)
    if counts is None:
        return found.max(1)[0] if mode == "max" else getattr(found, mode)(1)
    if mode == "max":
        most = where(counts.unsqueeze(-1), found, float("-inf")).max(1)[0]
        return where(counts.any(1).unsqueeze(-1), most, 0.0)
    total = where(counts.unsqueeze(-1), found, 0.0).sum(1)
    if mode == "sum":
        return total
    return total / cast(counts.sum(1), found.dtype).clamp(min=1).unsqueeze(-1)

"""Distinct values and counts. How large the results are is read off the data, so a compiled program
cannot have them: there they are refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import normalize_axis
from chainrule.base.text import t
from chainrule.graph.tensor import Tensor
from chainrule.ops.register import function

# ---- distinct values ------------------------------------------------------------------------


def _results(found: list[Any], wanted: list[bool]) -> Any:
    """The values, and what else was asked for: one tensor, or a tuple."""
    more = [Tensor(np.asarray(a, np.int64)) for a, w in zip(found[1:], wanted, strict=True) if w]
    return (found[0], *more) if more else found[0]


@function("unique")
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct values, ascending; or the distinct slices along `dim`. On request also where
    each entry went (in the input's shape, or along dim) and how often each value occurs.

    >>> cr.unique(cr.tensor([3, 1, 3]))
    tensor([1, 3])
    """
    values = np.asarray(input._values())
    if dim is not None:
        axis = normalize_axis(dim, values.ndim)
        rows = np.moveaxis(values, axis, 0) if values.ndim else values.reshape(1)
        if 0 in rows.shape[1:]:
            raise ShapeError(
                t(
                    "unique: the slices of {x} along axis {axis} are empty.",
                    x=values.shape,
                    axis=axis,
                )
            )
        order, starts = _sorted_rows(rows)
        inverse: Any = np.empty(len(rows), np.int64)
        inverse[order] = np.cumsum(starts) - 1
        out = np.moveaxis(rows[order][starts], 0, axis) if values.ndim else values
        counts = np.diff(np.append(np.flatnonzero(starts), len(rows)))
    else:
        out, inverse, counts = np.unique(
            values.reshape(-1), return_inverse=True, return_counts=True, equal_nan=False
        )
        inverse = inverse.reshape(values.shape)
    first = Tensor(np.ascontiguousarray(out), input.dtype)
    return _results([first, inverse, counts], [return_inverse, return_counts])


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _sorted_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lexicographic order of slices, and which of them, so ordered, differ from the last."""
    flat = _flat(rows)
    keys = flat.T[::-1]
    order = np.lexsort(keys) if len(keys) else np.arange(len(rows))
    flat = flat[order]
    starts = np.ones(len(rows), bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(1)
    return order, starts


@function("unique_consecutive")
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The values (or slices along `dim`) without those that repeat the one before; on request also
    where each entry went and how long each run is."""
    values = np.asarray(input._values())
    axis = 0 if dim is None else normalize_axis(dim, values.ndim)
    rows = values.reshape(-1) if dim is None or not values.ndim else np.moveaxis(values, axis, 0)
    flat, starts = _flat(rows), np.ones(len(rows), bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(1)
    out = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, axis)
    inverse = np.cumsum(starts) - 1
    counts = np.diff(np.append(np.flatnonzero(starts), len(rows)))
    inverse = inverse.reshape(values.shape) if dim is None else inverse
    first = Tensor(np.ascontiguousarray(out), input.dtype)
    return _results([first, inverse, counts], [return_inverse, return_counts])


# ---- counts ---------------------------------------------------------------------------------


@function("bincount")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, … occurs in a vector, or the sums of `weights` for each; at least
    `minlength` of them. How many is read off the data, so a compiled program cannot have it."""
    if minlength < 0:
        raise ArgumentError(t("bincount: minlength must be ≥ 0, got {n}.", n=minlength))
    values = np.asarray(input._values())
    if values.ndim != 1 or values.dtype.kind not in "iu" or (values.size and values.min() < 0):
        raise ArgumentError(
            t("bincount takes a vector of integers ≥ 0, got {d} of shape {x}.",
              d=input.dtype.name, x=input.shape)
        )  # fmt: skip
    if weights is None:
        return Tensor(np.bincount(values, minlength=minlength).astype(np.int64))
    if weights.shape != input.shape:
        raise ShapeError(
            t(
                "bincount: the weights have shape {w}, the input {x}.",
                w=weights.shape,
                x=input.shape,
            )
        )
    out = np.bincount(values, np.asarray(weights._values()), minlength)
    return Tensor(out.astype(np.float32) if weights.dtype is dtypes.float32 else out)


class Histogram(NamedTuple):
    """What each bin holds, and the edges of the bins."""

    hist: Tensor
    bin_edges: Tensor


def _limits(name: str, values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    if low == high and values.size:
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1.0, high + 1.0
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ArgumentError(
            t("{name}: the range from {low} to {high} is not finite and ascending.",
              name=name, low=low, high=high)
        )  # fmt: skip
    return low, high


@function("histc")
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Counts in `bins` equal bins from min to max (both 0: of the data); others are left out."""
    if not input.dtype.is_floating_point:
        raise DTypeError(t("histc takes floats, not {d}: write x.float().", d=input.dtype.name))
    if bins < 1:
        raise ArgumentError(t("histc: bins must be ≥ 1, got {n}.", n=bins))
    values = np.asarray(input._values()).reshape(-1)
    low, high = _limits("histc", values, float(min), float(max))
    values = values[(values >= low) & (values <= high)].astype(np.float64)
    place = np.minimum(((values - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    return Tensor(np.bincount(place, minlength=bins)[:bins], input.dtype)


@function("histogram")
def histogram(
    input: Tensor, bins: Any = 100, *, range: Sequence[float] | None = None,
    weight: Tensor | None = None, density: bool = False,
) -> Histogram:  # fmt: skip
    """Counts (or sums of `weight`) in `bins`: a number of equal ones over `range` (None: of the
    data), or a tensor of their edges. `density`: divided by the total and the width of the bin."""
    if not input.dtype.is_floating_point:
        raise DTypeError(t("histogram takes floats, not {d}: write x.float().", d=input.dtype.name))
    values = np.asarray(input._values()).reshape(-1)
    if isinstance(bins, Tensor):
        edges = np.asarray(bins._values())
    else:
        low, high = (0.0, 0.0) if range is None else range
        edges = np.linspace(*_limits("histogram", values, low, high), bins + 1, dtype=np.float64)
    weights = None if weight is None else np.asarray(weight._values()).reshape(-1)
    edges = edges.astype(values.dtype)
    hist = np.histogram(values[~np.isnan(values)], edges, weights=weights)[0].astype(np.float64)
    if density:
        hist = hist / (hist.sum() * np.diff(edges))
    return Histogram(Tensor(hist, input.dtype), Tensor(edges, input.dtype))

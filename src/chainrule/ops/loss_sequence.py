"""Connectionist temporal classification: the likelihood of a label sequence of unknown alignment.

A. Graves, S. Fernández, F. Gomez and J. Schmidhuber, ICML (2006). A label sequence is read off T
frames by merging repeats and then dropping blanks; the loss is −log of the probability of all
frames that read as the target, summed by a scan along time over the 2S + 1 states blank, label 1,
blank, label 2, …, blank. Forward: α_t(s) = p_t(s)·(α_{t−1}(s) + α_{t−1}(s−1) + α_{t−1}(s−2)), the
last only from one label to a different one; in logarithms. Backward, a scan against time gives the
posteriors, and ∂L/∂log p_t(k) = −(the posterior of label k at frame t).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from chainrule.base.constraints import Bool, Choice, Int
from chainrule.base.dtypes import int64
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.dispatch import apply, cast
from chainrule.ops.functions import function
from chainrule.ops.loss import Shapes
from chainrule.ops.loss_classes import as_tensor
from chainrule.ops.op import REGISTRY, Card, Op, op

# log 0: finite, so that differences of two impossible things are 0 and not NaN.
_NEVER = -1e30


def _shifted(F, a, by, value):
    """The columns of (N, L) moved right by `by` (left if negative), `value` moving in."""
    return F.pad(a, ((0, 0), (by, -by)), value)


@dataclass(frozen=True)
class _Forward:
    """One frame: α_{t−1} → α_t, in logarithms; frames past the end of a sequence change nothing."""

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        (a,), (emission, active), (skips,) = carry, x, constants
        new = emission + _merged(F, a, skips)[0]
        return (F.where(active, new, a),), (a,)


@dataclass(frozen=True)
class _Backward:
    """∂L/∂α_t → ∂L/∂α_{t−1}, and ∂L/∂log p_t(s)."""

    def __call__(self, F: Any, carry: Any, x: Any, constants: Any) -> Any:
        (d,), (a, active), (skips,) = carry, x, constants
        total, ways = _merged(F, a, skips)
        stay, step, skip = (d * F.exp(way - total) for way in ways)
        skip = F.where(skips, skip, 0.0)
        past = stay + _shifted(F, step, -1, 0.0) + _shifted(F, skip, -2, 0.0)
        return (F.where(active, past, d),), (F.where(active, d, 0.0),)


def _merged(F, a, skips):
    """log Σ of the ways into each state, and the ways."""
    step = _shifted(F, a, 1, _NEVER)
    skip = F.where(skips, _shifted(F, a, 2, _NEVER), _NEVER)
    largest = F.maximum(F.maximum(a, step), skip)
    ways = (a, step, skip)
    return largest + F.log(sum(F.exp(way - largest) for way in ways)), ways


def _states(F, log_probs, targets, blank):
    """The label of each state (N, 2S + 1), and where two steps at once are allowed."""
    n, s = targets.shape
    blanks = F.full((n, s), blank, targets.dtype)
    pairs = F.reshape(F.stack([blanks, targets], 2), (n, 2 * s))
    labels = F.concat([pairs, F.full((n, 1), blank, targets.dtype)], 1)
    # Two states back stands the last label; a blank or a repeat may not be left out.
    before = F.pad(labels, ((0, 0), (2, -2)), blank)
    different = F.bitwise_and(F.not_equal(labels, blank), F.not_equal(labels, before))
    inside = F.less(1, F.arange(2 * s + 1, "int64"))
    return labels, F.bitwise_and(different, inside)


def _setting(F, log_probs, targets, input_lengths, target_lengths, blank):
    """What both scans need: labels, emissions (T, N, L), active frames, skips, last states."""
    steps, n = log_probs.shape[:2]
    labels, skips = _states(F, log_probs, targets, blank)
    size = labels.shape[1]
    at = F.broadcast_to(labels, (steps, n, size))
    emissions = F.maximum(F.take_along_axis(log_probs, at, 2), _NEVER)
    frames = F.reshape(F.arange(steps, "int64"), (steps, 1, 1))
    active = F.less(frames, F.reshape(input_lengths, (1, n, 1)))
    active = F.broadcast_to(active, (steps, n, size))
    ends = F.expand_dims(2 * target_lengths, 1)
    place = F.arange(size, "int64")
    last = F.bitwise_or(F.equal(place, ends), F.equal(place, ends - 1))
    begins = F.broadcast_to(F.equal(place, 0), (n, size))
    start = F.where(begins, 0.0, F.full((n, size), _NEVER, log_probs.dtype))
    return at, emissions, active, skips, last, start


def _total(F, a, last):
    """log of the probability that ends in a state where the target is complete."""
    ending = F.where(last, a, _NEVER)
    largest = F.max(ending, 1, True)
    return F.squeeze(largest + F.log(F.sum(F.exp(ending - largest), 1, True)), 1), ending


@op
class Ctc(Op):
    """−log p(target | log_probs) for each sequence: (T, N, C), (N, S), (N,), (N,) → (N,).

    Infinite where no alignment exists; the gradient is then NaN, as PyTorch's.
    """

    math = "-log sum over alignments of product over t of p[t, label]"
    params = {"blank": Int(0, low=0)}
    integers = ("targets", "input_lengths", "target_lengths")
    saves = ("log_probs", "targets", "input_lengths", "target_lengths")
    always_check = True
    dtypes = "float"
    autocast = "float32"
    method = False
    samples = (
        ((5, 2, 4), np.array([[1, 2], [3, 3]]), np.array([5, 4]), np.array([2, 2])),
        (
            ((4, 2, 3), np.array([[0, 1, 0], [1, 0, 0]]), np.array([4, 3]), np.array([2, 0])),
            {"blank": 2},
        ),
    )
    card = Card(
        en="Sums over every way in which frames may read as the target: no alignment is needed.",
        zh="对所有能读成目标序列的对齐方式求和：无需事先对齐。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> tuple[int, ...]:
        x, targets = shapes["log_probs"], shapes["targets"]
        lengths = shapes["input_lengths"], shapes["target_lengths"]
        if len(x) != 3 or len(targets) != 2 or {targets[:1], *lengths} != {x[1:2]}:
            raise ShapeError(
                t(
                    "ctc_loss takes log_probs (T, N, C), targets (N, S) and both lengths (N,); "
                    "got {x}, {targets}, {first} and {second}.",
                    x=x,
                    targets=targets,
                    first=lengths[0],
                    second=lengths[1],
                )
            )
        return x[1:2]

    def forward(F, log_probs, targets, input_lengths, target_lengths, *, blank):
        _, emissions, active, skips, last, start = _setting(
            F, log_probs, targets, input_lengths, target_lengths, blank
        )
        (a,), _ = F.scan(_Forward(), (start,), (emissions, active), (skips,))
        total, _ = _total(F, a, last)
        return F.where(F.less(total, 0.5 * _NEVER), np.inf, -total)

    def vjp(F, g, y, log_probs, targets, input_lengths, target_lengths, *, blank):
        at, emissions, active, skips, last, start = _setting(
            F, log_probs, targets, input_lengths, target_lengths, blank
        )
        (a,), (before,) = F.scan(_Forward(), (start,), (emissions, active), (skips,))
        total, ending = _total(F, a, last)
        possible = F.less_equal(0.5 * _NEVER, total)
        # An infinite loss has no gradient, unless nothing depends on it.
        none = F.where(F.equal(g, 0), g, np.nan)
        pull = F.expand_dims(F.where(possible, g, none), 1)
        d = -pull * F.where(last, F.exp(ending - F.expand_dims(total, 1)), 0.0)
        _, (of_states,) = F.scan(_Backward(), (d,), (before, active), (skips,), reverse=True)
        size = log_probs.shape[2]
        return F.put_along_axis_add(of_states, at, 2, size), None, None, None


# ---- public form ----------------------------------------------------------------------------

_ARGUMENTS = (
    Int(low=0), Choice("mean", "sum", "none"), Bool(),
)  # fmt: skip


@function()
def ctc_loss(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """−log of the probability that frames read as the targets, all alignments summed.

    log_probs: (T, N, C) or (T, C), log-probabilities. targets: (N, S) padded, or all in a row;
    (S,) without a batch. input_lengths, target_lengths: (N,). "mean" divides each loss by its
    target's length first. `zero_infinity`: 0 where the input is too short for the target.
    """
    name = "ctc_loss"
    blank, reduction, zero = (
        c.check(v, name, k)
        for c, v, k in zip(_ARGUMENTS, (blank, reduction, zero_infinity),
                           ("blank", "reduction", "zero_infinity"), strict=True)
    )  # fmt: skip
    x, labels = as_tensor(log_probs), _whole(targets)
    frames, sizes = _whole(input_lengths), _whole(target_lengths)
    single = x.ndim == 2
    if single:
        x, frames, sizes = x.unsqueeze(1), frames.reshape(-1), sizes.reshape(-1)
        labels = labels.reshape(1, -1)
    if labels.ndim == 1:
        labels = _padded(labels, sizes)
    Ctc.check((x, labels, frames, sizes), {"blank": blank})
    if blank >= x.shape[2]:
        raise IndexRangeError(
            t("ctc_loss: blank is {blank}, but there are {n} classes.", blank=blank, n=x.shape[2])
        )
    for tensor, high, what in (
        (frames, x.shape[0], "input_lengths"),
        (sizes, labels.shape[1], "target_lengths"),
        (labels, x.shape[2] - 1, "targets"),
    ):
        check = partial(_check_range, what, high)
        if mode.trace is not None:
            mode.trace.check(tensor, check)
        else:
            check(tensor._data)
    loss = apply(Ctc, x, labels, frames, sizes, blank=blank)
    if zero:
        loss = apply(REGISTRY["where"], loss == float("inf"), 0.0, loss)
    if reduction == "none":
        return loss[0] if single else loss
    if reduction == "sum":
        return loss.sum()
    return (loss / sizes.clamp_min(1)).mean()


def _whole(x: Any) -> Tensor:
    x = as_tensor(x)
    return x if x.dtype is int64 else cast(x, int64)


def _padded(labels: Tensor, sizes: Tensor) -> Tensor:
    """Targets in a row as (N, S), filled up with 0."""
    if mode.trace is not None:
        raise ArgumentError(
            t(
                "ctc_loss: in a compiled function the targets must be padded, (N, S): how many "
                "belong to a sequence is not known before it runs."
            )
        )
    counts = sizes._data.reshape(-1)
    if counts.min(initial=0) < 0 or counts.sum() != labels.numel():
        raise ShapeError(
            t(
                "ctc_loss: the target_lengths add up to {total}, but there are {n} targets in a "
                "row.",
                total=int(counts.sum()),
                n=labels.numel(),
            )
        )
    out = np.zeros((len(counts), counts.max(initial=0)), np.int64)
    out[np.arange(out.shape[1]) < counts[:, None]] = labels._data
    return Tensor(out)


def _check_range(what: str, high: int, data: np.ndarray) -> None:
    if data.size and (data.min() < 0 or data.max() > high):
        raise IndexRangeError(
            t(
                "ctc_loss: {what} must lie in 0 to {high}, but go from {low} to {top}.",
                what=what,
                high=high,
                low=int(data.min()),
                top=int(data.max()),
            )
        )

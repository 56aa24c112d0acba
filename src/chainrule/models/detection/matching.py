"""Which object each box stands for, and which boxes are looked at in a training step.

All in shapes that do not depend on the numbers: there are always as many samples, and a mask tells
which of them count.
"""

from __future__ import annotations

from typing import NamedTuple

import chainrule.ops as ops
from chainrule.base.constraints import Int, Interval
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.ops import functional as F

#: What stands for a box that is no object, and one that is neither (too much like an object to be
#: background).
BELOW_LOW_THRESHOLD, BETWEEN_THRESHOLDS = -1, -2


class Matcher:
    """Gives each box the object that it overlaps best, if it overlaps it enough.

    Args:
        high_threshold: from this IoU on, the box stands for the object.
        low_threshold: below it, the box is background; in between it is left out.
        allow_low_quality_matches: for each object, the boxes that overlap it best stand for it
            (if they overlap no other object better), however little that is.
    """

    def __init__(
        self, high_threshold: float, low_threshold: float, allow_low_quality_matches: bool = False
    ) -> None:
        if not 0 <= low_threshold <= high_threshold <= 1:
            raise ArgumentError(
                t(
                    "Matcher: thresholds must be 0 ≤ low ≤ high ≤ 1, got low {low}, high {high}.",
                    low=low_threshold,
                    high=high_threshold,
                )
            )
        self.high_threshold, self.low_threshold = high_threshold, low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        """IoU (…, M objects, N boxes), −1 in rows that are no objects → (…, N): the object's
        number, −1 for background, −2 for neither."""
        if not match_quality_matrix.shape[-2]:
            raise ArgumentError(t("Matcher: there must be at least one object, or a row of −1."))
        best, which = match_quality_matrix.max(-2)
        out = F.where(best >= self.high_threshold, which, BETWEEN_THRESHOLDS)
        out = F.where(best < self.low_threshold, BELOW_LOW_THRESHOLD, out)
        if self.allow_low_quality_matches:
            best_of_object = match_quality_matrix.amax(-1, keepdim=True)
            # An object that no box touches has no best box, and a row of −1 is no object.
            ours = (match_quality_matrix == best_of_object) & (match_quality_matrix > 0)
            out = F.where(ours.any(-2), which, out)
        return out


class Chosen(NamedTuple):
    """Places of the boxes chosen, whether each counts, and which of them are objects."""

    places: Tensor
    counts: Tensor
    positive: Tensor


class BalancedPositiveNegativeSampler:
    """Chooses boxes at random, at most so many of them objects.

    Args:
        batch_size_per_image: how many.
        positive_fraction: the largest share of objects.
    """

    def __init__(self, batch_size_per_image: int, positive_fraction: float) -> None:
        name = "BalancedPositiveNegativeSampler"
        self.batch_size_per_image = Int(low=1).check(
            batch_size_per_image, name, "batch_size_per_image"
        )
        self.positive_fraction = Interval(0, 1).check(positive_fraction, name, "positive_fraction")

    def __call__(self, matched: Tensor, counts: Tensor | None = None) -> Chosen:
        """matched (…, N), as of a Matcher; counts (…, N): False for places that are no boxes.

        So many places as were asked for, or N if those are fewer, the objects first.
        """
        n = matched.shape[-1]
        positive = matched >= 0
        negative = matched.eq(BELOW_LOW_THRESHOLD)
        if counts is not None:
            positive, negative = positive & counts, negative & counts
        size = min(self.batch_size_per_image, n)
        most = min(int(self.batch_size_per_image * self.positive_fraction), n)
        drawn = F.rand(*matched.shape)
        # Objects in a random order, then the rest; the first of them are taken.
        firsts = F.where(positive, drawn, 2.0).topk(most, largest=False)[1]
        taken = F.take_along_dim(positive, firsts, -1)
        others = F.where(negative, drawn, 2.0).topk(size, largest=False)[1]
        objects = taken.sum(-1, keepdim=True)
        used = F.take_along_dim(negative, others, -1) & (F.arange(size) < size - objects)
        counted = F.cat([taken, used], -1)
        order = counted.float().topk(size)[1]
        index = F.take_along_dim(F.cat([firsts, others], -1), order, -1)
        return Chosen(index, F.take_along_dim(counted, order, -1), order < objects)


def overlaps(objects: Tensor, present: Tensor, boxes: Tensor) -> Tensor:
    """IoU (…, M, N) of objects (…, M, 4) with boxes (…, N, 4) or (N, 4); −1 for objects that are
    not present (…, M)."""
    boxes = boxes.expand(*objects.shape[:-2], *boxes.shape[-2:])
    return F.where(present.unsqueeze(-1), ops.box_iou(objects, boxes), -1.0)


def of_image(x: Tensor, places: Tensor) -> Tensor:
    """x (N, B, …) at places (N, K), each image's own: (N, K, …); or one image's, without N."""
    if places.ndim == 1:
        return x[places]
    return x[F.arange(x.shape[0]).unsqueeze(1), places]

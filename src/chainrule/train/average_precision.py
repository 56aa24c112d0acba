"""Average precision of detections, as COCO and Pascal VOC measure it.

A detection is a hit at a threshold if it overlaps an object of its class by at least that IoU, and
no surer detection has taken that object. By sureness, best first, that gives a curve of precision
over recall; average precision is the area under it, made to fall only (each precision is the best
at that recall or a higher one):

- "coco": the mean of the curve at the recalls 0, 0.01, ..., 1 (T.-Y. Lin et al., "Microsoft COCO",
  ECCV 2014, and its evaluation server);
- "voc": the exact area below its steps (M. Everingham et al., "The Pascal Visual Object Classes
  challenge: a retrospective", IJCV 2015; since 2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Choice, Int
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t

Array = NDArray[Any]

#: 0.5, 0.55, ..., 0.95.
THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))
#: Sides of squares whose areas part small, medium and large objects, in pixels (COCO's).
SIDES = (32.0, 96.0)
# A hair less: 7/25 is a recall of 0.28, whatever its last bit.
_RECALLS = np.linspace(0, 1, 101) - 1e-12


@dataclass(frozen=True)
class Curve:
    """Of one class at one threshold: `recall` and `precision` after each detection, best first
    (precision made to fall only), and the `scores`."""

    recall: Array
    precision: Array
    scores: Array


@dataclass(frozen=True)
class DetectionScores:
    """What detections are worth.

    Attributes:
        ap: (classes, thresholds); NaN for a class without objects.
        thresholds: of IoU.
        recall_small, recall_medium, recall_large: the share of objects of that size that are found,
            mean over classes and thresholds (COCO's AR); NaN where there are none.
        curves: for each class, or None without objects, at the first threshold.
        objects, detections: how many were compared.
        interpolation: "coco" or "voc".
    """

    ap: Array
    thresholds: tuple[float, ...]
    recall_small: float
    recall_medium: float
    recall_large: float
    recall: float
    curves: tuple[Curve | None, ...]
    objects: int
    detections: int
    interpolation: str

    @property
    def map(self) -> float:
        """Mean over classes and thresholds: mAP@[.5:.95] with the usual thresholds."""
        return _mean(self.ap)

    @property
    def map_50(self) -> float:
        """mAP@0.5."""
        return self.at(0.5)

    def at(self, threshold: float) -> float:
        """The mean over classes at one of the thresholds."""
        if threshold not in self.thresholds:
            raise ArgumentError(
                t("There is no threshold {value}: {known}.", value=threshold,
                  known=", ".join(map(str, self.thresholds)))
            )  # fmt: skip
        return _mean(self.ap[:, self.thresholds.index(threshold)])

    def metrics(self) -> dict[str, float]:
        """The figures by name."""
        out = {"map": self.map}
        for value, name in ((0.5, "map_50"), (0.75, "map_75")):
            if value in self.thresholds:
                out[name] = self.at(value)
        return out | {
            "recall": self.recall, "recall_small": self.recall_small,
            "recall_medium": self.recall_medium, "recall_large": self.recall_large,
        }  # fmt: skip


def mean_average_precision(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    classes: int,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    interpolation: str = "coco",
    most: int = 100,
    sides: tuple[float, float] = SIDES,
) -> DetectionScores:
    """Compare the detections in each image with its objects.

    Args:
        detections: for each image boxes (D, 4), labels (D,) from 1 on, scores (D,).
        targets: for each image boxes (L, 4), labels (L,), and optionally `ignored` (L,): objects
            (VOC's difficult ones, COCO's crowds) that need not be found; who finds one, also
            again, makes no mistake.
        classes: how many, without the background.
        thresholds: IoUs.
        interpolation: "coco" or "voc".
        most: the surest so many detections of an image count, of each class.
        sides: what parts small, medium and large.

    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> found = {"boxes": box + 1, "labels": [1], "scores": [0.9]}
    >>> scores = cr.train.mean_average_precision([found], [{"boxes": box, "labels": [1]}], 1)
    >>> round(scores.map, 3), scores.map_50
    (0.4, 1.0)
    """
    Choice("coco", "voc").check(interpolation, "mean_average_precision", "interpolation")
    count = Int(low=1).check(classes, "mean_average_precision", "classes")
    if len(detections) != len(targets):
        raise ShapeError(
            t("{n} images with detections, {m} with objects.", n=len(detections), m=len(targets))
        )
    levels = np.array(tuple(thresholds), np.float64)
    bounds = (0.0, sides[0] ** 2, sides[1] ** 2, math.inf)
    ranges = ((0.0, math.inf), *zip(bounds[:-1], bounds[1:], strict=True))
    found = [_parts(d, "scores") for d in detections]
    wanted = [_parts(d, "ignored") for d in targets]
    ap = np.full((count, len(levels)), np.nan)
    recalls = np.full((count, len(ranges), len(levels)), np.nan)
    curves: list[Curve | None] = []
    for label in range(1, count + 1):
        scores, hits, skipped, matched, there = _of_class(
            found, wanted, label, levels, ranges, most
        )
        with np.errstate(invalid="ignore"):
            recalls[label - 1] = matched / np.where(there > 0, there, np.nan)[:, None]
        total = int(there[0])
        if not total:
            curves.append(None)
            continue
        order = np.argsort(-scores, kind="stable")
        made = []
        for k in range(len(levels)):
            kept = order[~skipped[k, order]]
            made.append(_curve(hits[k, kept], scores[kept], total))
            ap[label - 1, k] = _area(made[-1], interpolation)
        curves.append(made[0])
    mean = [_mean(recalls[:, k]) for k in range(len(ranges))]
    objects = sum(int((~w[2]).sum()) for w in wanted)
    return DetectionScores(
        ap, tuple(float(v) for v in levels), mean[1], mean[2], mean[3], mean[0], tuple(curves),
        objects, sum(len(f[1]) for f in found), interpolation,
    )  # fmt: skip


def pairwise_iou(a: Array, b: Array) -> Array:
    """IoU (N, M) of boxes (N, 4) and (M, 4), float64; 0 where both have no area."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(2)
    areas = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(1) for x in (a, b)]
    union = areas[0][:, None] + areas[1][None] - common
    return np.asarray(common / np.where(union > 0, union, 1.0))


def _parts(given: Mapping[str, Any], third: str) -> tuple[Array, Array, Array]:
    """Boxes float64 (n, 4), labels (n,), and scores or ignored (n,)."""
    boxes, labels = (np.asarray(_plain(given[key])) for key in ("boxes", "labels"))
    boxes = boxes.astype(np.float64).reshape(-1, 4)
    rest = given.get(third)
    if third == "ignored":
        last = np.zeros(len(boxes), bool) if rest is None else np.asarray(_plain(rest), bool)
    else:
        last = np.asarray(_plain(given[third]), np.float64)
    labels = labels.reshape(-1)
    if labels.shape != (len(boxes),) or last.shape != (len(boxes),):
        raise ShapeError(
            t(
                "Boxes of shape {boxes} with labels of shape {labels} and {third} of shape {last}.",
                boxes=boxes.shape, labels=labels.shape, third=third, last=last.shape,
            )
        )  # fmt: skip
    return boxes, labels, last


def _plain(x: Any) -> Any:
    return x.numpy() if hasattr(x, "numpy") else x


def _of_class(
    found: Sequence[tuple[Array, Array, Array]],
    wanted: Sequence[tuple[Array, Array, Array]],
    label: int,
    levels: Array,
    ranges: Sequence[tuple[float, float]],
    most: int,
) -> tuple[Array, Array, Array, Array, Array]:
    """Of one class over all images: scores (D,), hits and ignored detections (T, D) among objects
    of any size, objects found (R, T) and objects there (R,) for each range of areas."""
    matched = np.zeros((len(ranges), len(levels)), np.int64)
    there = np.zeros(len(ranges), np.int64)
    all_scores, all_hits, all_skipped = [], [], []
    for (boxes, labels, scores), (objects, classes, ignored) in zip(found, wanted, strict=True):
        ours, theirs = labels == label, classes == label
        if not ours.any() and not theirs.any():
            continue
        score = scores[ours]
        order = np.argsort(-score, kind="stable")[:most]
        objects, ignored = objects[theirs], ignored[theirs]
        iou = pairwise_iou(boxes[ours][order], objects)
        area = (objects[:, 2:] - objects[:, :2]).prod(1)
        for r, (low, high) in enumerate(ranges):
            left_out = ignored | (area < low) | (area >= high)
            there[r] += int((~left_out).sum())
            if r and left_out.all():
                continue
            taken = _matched(iou, left_out, ignored, levels)
            hit = taken >= 0
            useful = hit & ~left_out[taken] if len(objects) else hit
            matched[r] += useful.sum(1)
            if not r:
                all_hits.append(useful)
                all_skipped.append(hit & ~useful)
        all_scores.append(score[order])
    none = np.zeros((len(levels), 0), bool)
    return (
        np.concatenate([np.zeros(0), *all_scores]),
        np.concatenate([none, *all_hits], 1),
        np.concatenate([none, *all_skipped], 1),
        matched,
        there,
    )


def _matched(iou: Array, left_out: Array, again: Array, levels: Array) -> Array:
    """The object that each of D detections takes at each of T thresholds, (T, D), −1 for none.

    iou (D, L), surest first. Of the objects not yet taken it takes the one it overlaps most; one
    that is left out (L,) only if there is no other. Those of `again` (L,) are never used up.
    """
    count = len(levels)
    out = np.full((count, len(iou)), -1, np.int64)
    if not iou.shape[1]:
        return out
    free = np.ones((count, iou.shape[1]), bool)
    rows = np.arange(count)
    # Objects that count are preferred by so much that no overlap outweighs it.
    preferred = np.where(left_out, 0.0, 2.0)
    for d, overlap in enumerate(iou):
        possible = free & (overlap[None] >= levels[:, None])
        rated = np.where(possible, overlap + preferred, -1.0)
        best = rated.argmax(1)
        got = rated[rows, best] >= 0
        out[got, d] = best[got]
        used = got & ~again[best]
        free[rows[used], best[used]] = False
    return out


def _curve(hits: Array, scores: Array, total: int) -> Curve:
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return Curve(right / total, falling, scores)


def _area(curve: Curve, interpolation: str) -> float:
    recall, precision = curve.recall, curve.precision
    if interpolation == "voc":
        return float((np.diff(recall, prepend=0.0) * precision).sum())
    place = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[np.minimum(place, len(precision))].mean())


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan

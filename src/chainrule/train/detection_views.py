"""Finding in mirror images of a picture as well, and making one list of what all of them show.

Boxes are fused by weight: R. Solovyev, W. Wang, T. Gabruseva, "Weighted boxes fusion: Ensembling
boxes from different object detection models", Image and Vision Computing 107 (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.constraints import Choice, Interval
from chainrule.train.average_precision import pairwise_iou

Found = dict[str, NDArray[Any]]

#: Mirror images by name: left and right exchanged, upside down, and both.
VIEWS = ("x", "y", "xy")


def mirror_image(image: NDArray[Any], view: str) -> NDArray[Any]:
    """An image (C, H, W) as one of `VIEWS` shows it."""
    Choice(*VIEWS).check(view, "mirror_image", "view")
    down, across = (slice(None, None, -1 if axis in view else 1) for axis in "yx")
    return np.ascontiguousarray(image[:, down, across])


def mirror_boxes(boxes: NDArray[Any], view: str, size: tuple[int, int]) -> NDArray[Any]:
    """Boxes (D, 4) in a mirror image of size (height, width) as they lie in the picture itself, or
    the other way round."""
    x1, y1, x2, y2 = np.asarray(boxes).reshape(-1, 4).T
    if "x" in view:
        x1, x2 = size[1] - x2, size[1] - x1
    if "y" in view:
        y1, y2 = size[0] - y2, size[0] - y1
    return np.stack([x1, y1, x2, y2], 1)


def fused(views: Sequence[Found], iou_threshold: float = 0.55, most: int | None = None) -> Found:
    """One list from those of several views of a picture: boxes (D, 4), labels (D,), scores (D,).

    From the surest on, each box joins the fused box of its class that it overlaps most, if by more
    than `iou_threshold`, or begins another. A fused box is the mean of its boxes weighted by their
    scores; its score is the sum of theirs over the number of views, at most their mean: what one
    view of two shows counts half. At most `most` stay, the surest first.
    """
    Interval(0, 1).check(iou_threshold, "fused", "iou_threshold")
    boxes, labels, scores = (
        np.concatenate([np.asarray(view[key]) for view in views])
        for key in ("boxes", "labels", "scores")
    )
    order = np.argsort(-scores, kind="stable")
    total = np.zeros((len(order), 4))  # of the boxes, times their scores
    weight, count = np.zeros(len(order)), np.zeros(len(order), np.int64)
    centre, kind = np.zeros((len(order), 4)), np.zeros(len(order), labels.dtype)
    n = 0
    for k in order:
        iou = np.where(kind[:n] == labels[k], pairwise_iou(boxes[k : k + 1], centre[:n])[0], 0)
        at = int(iou.argmax()) if n and iou.max() > iou_threshold else n
        n = max(n, at + 1)
        kind[at] = labels[k]
        total[at] += scores[k] * boxes[k]
        weight[at] += scores[k]
        count[at] += 1
        centre[at] = total[at] / weight[at] if weight[at] > 0 else boxes[k]
    score = weight[:n] / np.maximum(count[:n], len(views))
    best = np.argsort(-score, kind="stable")[:most]
    return {
        "boxes": centre[best].astype(boxes.dtype),
        "labels": kind[best],
        "scores": score[best].astype(scores.dtype),
    }

"""What torchvision.ops has for boxes besides the operations: conversions, filters, losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from chainrule.base.constraints import Choice, Positive
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.boxes import area, around, check_boxes, corners, giou, iou, joined, pairs
from chainrule.ops.functional import PUBLIC as functions

_REDUCTION = Choice("none", "mean", "sum")
_FORMS = Choice("xyxy", "xywh", "cxcywh")


def _formula() -> Any:
    """The namespace in which formulas run on tensors."""
    return mode.recording


# ---- conversions and filters ----------------------------------------------------------------


def box_area(boxes: Tensor) -> Tensor:
    """Width times height of boxes (…, 4): (…)."""
    check_boxes("box_area", {"boxes": boxes.shape}, "boxes")
    F = _formula()
    return area(F, corners(F, boxes))  # type: ignore[no-any-return]


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes (…, 4) in another form.

    in_fmt, out_fmt: "xyxy" (corners), "xywh" (corner and size), "cxcywh" (centre and size).
    """
    check_boxes("box_convert", {"boxes": boxes.shape}, "boxes")
    for name, form in (("in_fmt", in_fmt), ("out_fmt", out_fmt)):
        _FORMS.check(form, "box_convert", name)
    if in_fmt == out_fmt:
        return boxes.clone()
    F = _formula()
    a, b, c, d = corners(F, boxes)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    width, height = c - a, d - b
    if out_fmt == "xywh":
        c, d = width, height
    elif out_fmt == "cxcywh":
        a, b, c, d = a + 0.5 * width, b + 0.5 * height, width, height
    return joined(F, a, b, c, d)  # type: ignore[no-any-return]


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The indices of the boxes (N, 4) both of whose sides are at least `min_size`."""
    check_boxes("remove_small_boxes", {"boxes": boxes.shape}, "boxes")
    sides = boxes[..., 2:] - boxes[..., :2]
    return functions["nonzero"]((sides >= min_size).all(-1), as_tuple=True)[0]  # type: ignore[no-any-return]


# ---- overlap --------------------------------------------------------------------------------


def _distant(F: Any, a: Any, b: Any, eps: float) -> tuple[Any, Any]:
    """DIoU and IoU: DIoU takes off (distance of the centres / diagonal of the box around)²."""
    overlap, _ = iou(F, a, b, eps)
    width, height = around(F, a, b)
    diagonal = width * width + height * height + eps
    x = 0.5 * (a[0] + a[2] - b[0] - b[2])
    y = 0.5 * (a[1] + a[3] - b[1] - b[3])
    return overlap - (x * x + y * y) / diagonal, overlap


def _complete(F: Any, a: Any, b: Any, eps: float) -> Any:
    """DIoU less a term for unequal aspect ratios, whose weight is taken as a constant."""
    distant, overlap = _distant(F, a, b, eps)
    slopes = [F.atan2(c[2] - c[0], c[3] - c[1]) for c in (a, b)]
    unlike = 4 / math.pi**2 * F.square(slopes[0] - slopes[1])
    weight = (unlike / (1.0 - overlap + unlike + eps)).detach()
    return distant - weight * unlike


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """IoU less the squared distance of the centres in diagonals of the box around both, for every
    box of boxes1 (N, 4) with every one of boxes2 (M, 4): (N, M).

    Source: Z. Zheng et al., "Distance-IoU Loss", AAAI 2020.
    """
    first, second = _every("distance_box_iou", boxes1, boxes2)
    return _distant(_formula(), first, second, eps)[0]  # type: ignore[no-any-return]


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """distance_box_iou less a term for unequal aspect ratios: (N, M). Source: as there."""
    first, second = _every("complete_box_iou", boxes1, boxes2)
    return _complete(_formula(), first, second, eps)  # type: ignore[no-any-return]


def _every(name: str, boxes1: Tensor, boxes2: Tensor) -> Any:
    check_boxes(name, {"boxes1": boxes1.shape, "boxes2": boxes2.shape}, "boxes1", "boxes2")
    return pairs(_formula(), boxes1, boxes2)


# ---- losses ---------------------------------------------------------------------------------


def _loss(
    name: str, measure: Callable[..., Any], boxes1: Tensor, boxes2: Tensor, reduction: str,
    eps: float,
) -> Tensor:  # fmt: skip
    _REDUCTION.check(reduction, name, "reduction")
    Positive().check(eps, name, "eps")
    check_boxes(name, {"boxes1": boxes1.shape, "boxes2": boxes2.shape}, "boxes1", "boxes2")
    if boxes1.shape != boxes2.shape:
        raise ShapeError(
            t("{name} compares boxes one by one, got shapes {a} and {b}.",
              name=name, a=tuple(boxes1.shape), b=tuple(boxes2.shape))
        )  # fmt: skip
    F = _formula()
    loss = 1.0 - measure(F, corners(F, boxes1), corners(F, boxes2), eps)
    return _reduced(loss, reduction)


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        # Of no boxes at all the mean is 0, with a graph.
        return loss.mean() if loss.numel() else 0.0 * loss.sum()
    return loss.sum() if reduction == "sum" else loss


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 − GIoU of boxes (…, 4), one by one: (…), or reduced ("mean", "sum")."""
    return _loss("generalized_box_iou_loss", giou, boxes1, boxes2, reduction, eps)


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 − DIoU of boxes (…, 4), one by one: (…), or reduced ("mean", "sum")."""

    def measure(F: Any, a: Any, b: Any, eps: float) -> Any:
        return _distant(F, a, b, eps)[0]

    return _loss("distance_box_iou_loss", measure, boxes1, boxes2, reduction, eps)


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 − CIoU of boxes (…, 4), one by one: (…), or reduced ("mean", "sum")."""
    return _loss("complete_box_iou_loss", _complete, boxes1, boxes2, reduction, eps)


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2,
    reduction: str = "none",
) -> Tensor:  # fmt: skip
    """Cross-entropy of logits with 0/1 targets of their shape, each times (1 − p)^gamma of its
    right answer's probability p, so that the many easy ones do not drown the few hard ones.

    alpha: weight of the targets that are 1 (1 − alpha of the others); below 0: none.
    Source: T.-Y. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.
    """
    _REDUCTION.check(reduction, "sigmoid_focal_loss", "reduction")
    if not -1 <= alpha <= 1:
        raise ArgumentError(
            t("sigmoid_focal_loss: alpha must be a number in [0, 1], or −1 for none, got {alpha}.",
              alpha=alpha)
        )  # fmt: skip
    targets = targets.to(inputs.dtype)
    p = inputs.sigmoid()
    wrong = p * (1 - targets) + (1 - p) * targets
    entropy = functions["binary_cross_entropy_with_logits"](inputs, targets, reduction="none")
    loss = entropy * wrong**gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return _reduced(loss, reduction)

"""Non-maximum suppression: of boxes that overlap, only the best is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base.constraints import Interval
from chainrule.base.errors import ShapeError, TraceError
from chainrule.base.text import t
from chainrule.graph.modes import mode
from chainrule.graph.tensor import Tensor
from chainrule.ops.arrays import NUMPY, native
from chainrule.ops.boxes import check_boxes, corners, iou, pairs
from chainrule.ops.namespace import HOLE
from chainrule.ops.op import Card, Op, op
from chainrule.ops.windows import Ints_, Shapes

#: So many boxes are compared with each other at once: their overlaps fit into the cache.
BLOCK = 1024

_BOXES = np.array([[0.0, 0.0, 2.0, 2.0], [0.2, 0.1, 2.1, 2.2], [5.0, 5.0, 7.0, 6.0],
                   [0.4, 0.3, 2.0, 2.1], [5.1, 5.0, 7.2, 6.0], [3.0, 3.0, 3.0, 3.0]])  # fmt: skip
_SCORES = np.array([0.6, 0.9, 0.3, 0.7, 0.3, 0.1])
_GROUPS = np.array([0, 0, 1, 1, 1, 0])


def _keep_shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
    boxes, scores = shapes["boxes"], shapes["scores"]
    check_boxes("nms", shapes, "boxes")
    if len(boxes) != 2 or scores != boxes[:1] or shapes.get("idxs", scores) != scores:
        raise ShapeError(
            t(
                "nms takes boxes (N, 4) with N scores (and N group numbers), got shapes {boxes} "
                "and {scores}.",
                boxes=boxes, scores=scores,
            )
        )  # fmt: skip
    return scores


def _mask_shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
    """As of nms, perhaps of several pictures."""
    boxes = shapes["boxes"]
    if len(boxes) < 2:
        return _keep_shape(shapes, params)
    for one in ("scores", "idxs"):
        if shapes.get(one, boxes[:-1]) != boxes[:-1]:
            _keep_shape(shapes, params)
    check_boxes("nms_keep", shapes, "boxes")
    return boxes[:-1]


def _next(F: Any, carry: Any, x: Any, constants: Any) -> Any:
    """Keeps one box if no better one has struck it out; then it strikes out those it overlaps."""
    (struck,) = carry
    at_me, mine = x
    kept = 1.0 - F.sum(struck * at_me, 1, True)
    return (F.maximum(struck, kept * mine),), (kept,)


@op
class NMSKeep(Op):
    """Which of the boxes (…, N, 4) non-maximum suppression keeps: (…, N) booleans.

    From the best score down, each box that is still there strikes out those that overlap it by
    more than `iou_threshold`. idxs: group numbers; only boxes of one group strike each other out.
    Boxes that differ in a leading axis (of several pictures) have nothing to do with each other.
    What `nms` does, in a form whose shape does not depend on the numbers, so that compiled
    programs can have it.
    """

    name = "nms_keep"
    math = "score is the best among the boxes that overlap it and are kept"
    params = {"iou_threshold": Interval(0.0, 1.0, 0.5)}
    optional = ("idxs",)
    integers = ("idxs",)
    differentiable = False
    vjp = None
    dtypes = "match"
    method = False
    always_check = True
    axes = {"boxes": ("N, (x1, y1, x2, y2)",), "scores": ("N",)}
    shape = staticmethod(_mask_shape)
    samples: Any = (
        ((_BOXES, _SCORES, None), {"iou_threshold": 0.5}),
        ((_BOXES, _SCORES, _GROUPS), {"iou_threshold": 0.3}),
        ((np.stack([_BOXES, _BOXES[::-1]]), np.stack([_SCORES] * 2), None), {}),
        ((np.zeros((0, 4)), np.zeros(0), None), {}),
    )
    card = Card(
        en="A detector finds each object several times; this leaves one box for each. Which boxes "
        "stay is a yes or no: there is no gradient.",
        zh="检测器会把每个物体找到好几次，这里只为每个物体留下一个框。去留是非此即彼的，没有梯度。",
    )

    def forward(F, boxes, scores, idxs, *, iou_threshold):
        *lead, n = scores.shape
        m = math.prod(lead)
        if not n * m:
            return F.greater(scores, scores)
        order = F.argsort(F.reshape(scores, (m, n)), 1, True)
        picture = F.reshape(F.arange(m, "int64"), (m, 1))
        sides = corners(F, F.reshape(boxes, (m, n, 4)))
        sides = tuple(F.take_along_axis(side, order, 1) for side in sides)
        down, across = (tuple(F.expand_dims(side, k) for side in sides) for k in (2, 1))
        over = F.greater(iou(F, down, across)[0], iou_threshold)
        if idxs is not None:
            idxs = F.take_along_axis(F.reshape(idxs, (m, n)), order, 1)
            same = F.equal(F.reshape(idxs, (m, n, 1)), F.reshape(idxs, (m, 1, n)))
            over = F.bitwise_and(over, same)
        place = F.arange(n, "int64")
        one, other = F.reshape(place, (n, 1)), F.reshape(place, (1, n))
        over = F.astype(F.bitwise_and(over, F.less(one, other)), "float32")
        itself = F.reshape(F.astype(F.equal(one, other), "float32"), (n, 1, n))
        start = F.full((m, n), 0.0, over.dtype)
        _, (kept,) = F.scan(_next, (start,), (itself, F.permute_dims(over, (1, 0, 2))), ())
        kept = F.permute_dims(F.reshape(kept, (n, m)), (1, 0))
        kept = F.scatter_add(kept, (m, n), (HOLE, HOLE), picture, order)
        return F.greater(F.reshape(kept, (*lead, n)), 0.5)


@op
class Struck(Op):
    """Which of the boxes (N, 4) overlap any of `by` (M, 4) by more than `iou_threshold`."""

    name = "nms_struck"
    math = "max(iou(boxes, by)) > iou_threshold"
    params = {"iou_threshold": Interval(0.0, 1.0, 0.5)}
    optional = ("idxs", "by_idxs")
    integers = ("idxs", "by_idxs")
    differentiable = False
    vjp = None
    dtypes = "match"
    method = False
    always_check = True
    samples = (
        ((_BOXES, _BOXES[2:4], None, None), {"iou_threshold": 0.5}),
        ((_BOXES, _BOXES[1:4], _GROUPS, _GROUPS[1:4]), {"iou_threshold": 0.3}),
    )
    card = Card(
        en="One step of non-maximum suppression: the boxes that better ones strike out.",
        zh="非极大值抑制的一步：被更好的框排除的框。",
    )

    @staticmethod
    def shape(shapes: Shapes, params: dict[str, Any]) -> Ints_:
        check_boxes("nms_struck", shapes, "boxes", "by")
        if len(shapes["boxes"]) != 2 or len(shapes["by"]) != 2:
            raise ShapeError(
                t("nms_struck takes boxes (N, 4) and (M, 4), got shapes {boxes} and {by}.",
                  boxes=shapes["boxes"], by=shapes["by"])
            )  # fmt: skip
        return shapes["boxes"][:1]

    def forward(F, boxes, by, idxs, by_idxs, *, iou_threshold):
        over = F.greater(iou(F, *pairs(F, boxes, by))[0], iou_threshold)
        if idxs is not None:
            n, m = over.shape
            same = F.equal(F.reshape(idxs, (n, 1)), F.reshape(by_idxs, (1, m)))
            over = F.bitwise_and(over, same)
        return F.greater(F.max(F.astype(over, "int64"), 1), 0)


# ---- functions ------------------------------------------------------------------------------


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The indices of the boxes that are kept, best score first.

    From the best down, each box (N, 4) that is still there strikes out those that overlap it by an
    IoU of more than `iou_threshold`; equal scores in the order given. Boxes without area overlap
    nothing. In a compiled program, where the number of boxes kept cannot be known: `nms_keep`.
    """
    return _suppressed("nms", boxes, scores, None, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """nms within each group of equal `idxs` (a class, a level): indices, best score first."""
    return _suppressed("batched_nms", boxes, scores, idxs, iou_threshold)


def _suppressed(
    name: str, boxes: Tensor, scores: Tensor, idxs: Tensor | None, iou_threshold: float
) -> Tensor:
    threshold = NMSKeep.validate({"iou_threshold": iou_threshold})["iou_threshold"]
    shapes = {"boxes": tuple(boxes.shape), "scores": tuple(scores.shape)}
    if idxs is not None:
        shapes["idxs"] = tuple(idxs.shape)
    _keep_shape(shapes, {})
    if mode.trace is not None:
        raise TraceError(
            t(
                "{name} in a compiled program: how many boxes are kept is not known before it "
                "runs. Use nms_keep, which gives a mask.",
                name=name,
            )
        )
    values = scores.detach().numpy()
    order = np.argsort(-values, kind="stable")
    sorted_boxes = np.ascontiguousarray(boxes.detach().numpy()[order])
    groups = None if idxs is None else np.asarray(idxs.numpy())[order].astype(np.int64)
    found = None if groups is None else _by_group(sorted_boxes, groups, threshold)
    return Tensor(order[_greedy(sorted_boxes, groups, threshold) if found is None else found])


def _by_group(boxes: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray | None:
    """What `_greedy` gives, with the groups side by side, so that only boxes of one group are
    compared; None where one group is so much larger than the others that it would be more work."""
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        return None
    # Powers of two, so that a few kernels serve.
    size, many = (1 << (int(n) - 1).bit_length() for n in (max(counts.max(), 16), len(counts)))
    if many * size**2 > BLOCK**2:
        return None
    order = np.argsort(which, kind="stable")
    row, column = which[order], np.arange(len(order)) - (np.cumsum(counts) - counts)[which[order]]
    block = np.zeros((many, size, 4), boxes.dtype)
    block[row, column] = boxes[order]
    down = np.tile(np.arange(size, 0, -1, dtype=boxes.dtype), (many, 1))
    keep = _run(NMSKeep, block, down, None, iou_threshold=threshold)
    return np.sort(order[keep[row, column]])


def _greedy(boxes: np.ndarray, groups: np.ndarray | None, threshold: float) -> np.ndarray:
    """The places of the boxes kept, of boxes sorted by score; block by block, all blocks of one
    size, so that one kernel serves."""
    n = len(boxes)
    size = min(BLOCK, max(64, 1 << (n - 1).bit_length() if n else 0))
    down = np.arange(size, 0, -1, dtype=boxes.dtype)  # scores that leave the order as it is
    kept: list[np.ndarray] = []
    for start in range(0, n, size):
        places = np.arange(start, min(start + size, n))
        before = np.concatenate(kept) if kept else places[:0]
        for k in range(0, len(before), size):
            if not len(places):
                break
            block, numbers = _filled(boxes, groups, places, size)
            by, by_numbers = _filled(boxes, groups, before[k : k + size], size)
            struck = _run(Struck, block, by, numbers, by_numbers, iou_threshold=threshold)
            places = places[~struck[: len(places)]]
        if len(places):
            block, numbers = _filled(boxes, groups, places, size)
            keep = _run(NMSKeep, block, down, numbers, iou_threshold=threshold)
            kept.append(places[keep[: len(places)]])
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _filled(
    boxes: np.ndarray, groups: np.ndarray | None, places: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """The boxes and group numbers at these places, filled up to `size` with boxes without area,
    which overlap nothing."""
    block = np.zeros((size, 4), boxes.dtype)
    block[: len(places)] = boxes[places]
    if groups is None:
        return block, None
    numbers = np.zeros(size, groups.dtype)
    numbers[: len(places)] = groups[places]
    return block, numbers


def _run(operation: type[Op], *inputs: Any, **params: Any) -> np.ndarray:
    """By a native kernel where there is one: of all pairs, it pays for few boxes already."""
    source = native.source()
    found = native.NONE if source is None else source.forward(operation, inputs, params)
    if found is native.NONE:
        found = mode.quiet(operation.forward, NUMPY, *inputs, **params)
    return np.asarray(found)

"""What a detector computed for one image, stage by stage, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.models.detection import FasterRCNN
from chainrule.models.detection.transform import Batch

Array = NDArray[Any]

#: What became of a box: it went on; it was kept, but there were enough better ones; a better box
#: struck it out; it was too small or too unlikely to be looked at.
PASSED, SURPLUS, STRUCK, UNFIT = "passed", "surplus", "struck", "unfit"


class Boxes(NamedTuple):
    """Boxes that went through suppression, in the order in which they were computed.

    boxes (K, 4), scores (K,); group (K,): only boxes of one group strike each other out; state
    (K,); by (K,): the box that struck this one out, or −1; iou (K,): with that box, or of a kept
    box with the best box kept before it that it overlaps most.
    """

    boxes: Array
    scores: Array
    group: Array
    state: Array
    by: Array
    iou: Array


class Level(NamedTuple):
    """One feature map. strides: pixels from one place to the next, down and across; cell (A, 4):
    the anchors around (0, 0)."""

    name: str
    rows: int
    columns: int
    strides: tuple[int, int]
    cell: Array
    logits: Array
    codes: Array


class Capture(NamedTuple):
    """All stages of one image; boxes in the batch's pixels unless said otherwise.

    image: (C, H, W), as it was given. size: height and width of the image within the batch;
    canvas: those of the batch. anchors (K,): which anchor of its map each of `first` started from;
    proposals (R,): which of `first` went on, best first; pooled (R, C, h, w), logits (R, classes)
    and codes (R, classes, 4): what the second stage made of them. `second`: each proposal once for
    each class but the background; detections (D,): which of `second` remain, best first; result:
    what they are in the image's own pixels. objects, labels: of the targets, if there are any.
    """

    image: Array
    size: tuple[int, int]
    canvas: tuple[int, int]
    features: dict[str, Array]
    levels: list[Level]
    anchors: Array
    first: Boxes
    proposals: Array
    pooled: Array
    pool_level: Array
    logits: Array
    codes: Array
    second: Boxes
    detections: Array
    result: dict[str, Array]
    objects: Array
    labels: Array

    @property
    def scale(self) -> tuple[float, float]:
        """The image's own pixels per pixel of the batch, down and across."""
        height, width = self.image.shape[-2:]
        return height / self.size[0], width / self.size[1]


def capture(
    model: FasterRCNN, image: Any, targets: Mapping[str, Any] | None, batch: Batch | None
) -> Capture:
    """Runs the detector in evaluation mode and keeps every stage."""
    picture = _picture(image)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            if batch is None:
                given = None if targets is None else [_target(targets)]
                batch = model.batch([Tensor(picture)], given)
            return _captured(model, picture, batch)
    finally:
        for module, mode in modes:
            module.training = mode


def _picture(image: Any) -> Array:
    values = image.detach().numpy() if isinstance(image, Tensor) else np.asarray(image)
    if values.ndim != 3:
        raise ArgumentError(
            t(
                "An explained image must be one (channels, height, width), got shape {shape}.",
                shape=tuple(values.shape),
            )
        )
    if values.dtype == np.uint8:
        return np.asarray(values / np.float32(255))
    return np.asarray(values, np.float32)


def _target(targets: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: value if isinstance(value, Tensor) else Tensor(np.asarray(value, kind))
        for name, kind in (("boxes", np.float32), ("labels", np.int64))
        for value in (targets[name],)
    }


def _captured(model: FasterRCNN, picture: Array, batch: Batch) -> Capture:
    rpn, heads = model.rpn, model.roi_heads
    canvas = int(batch.images.shape[-2]), int(batch.images.shape[-1])
    height, width = (int(s) for s in batch.sizes[0].tolist())
    features = model.backbone(batch.images)
    anchors, logits, codes = rpn.scored(canvas, list(features.values()))
    found = [
        rpn.candidates(a, lo[0], c[0], batch.sizes[0])
        for a, lo, c in zip(anchors, logits, codes, strict=True)
    ]
    best, which = (x.numpy() for x in rpn.best(found))
    which = which[best > -np.inf]
    levels = [
        _level(model, k, name, feature, canvas, lo[0], c[0])
        for k, ((name, feature), lo, c) in enumerate(
            zip(features.items(), logits, codes, strict=True)
        )
    ]
    group = np.concatenate([np.full(len(f.which), k) for k, f in enumerate(found)])
    boxes, scores, keep = (
        np.concatenate([part.numpy() for part in parts])
        for parts in zip(*((f.boxes, f.scores, f.keep) for f in found), strict=True)
    )
    first = _suppressed(boxes, scores, group, keep, which, rpn.nms_thresh)

    proposed = Tensor(first.boxes[which])
    pool = heads.box_roi_pool
    pooled = pool(features, proposed.unsqueeze(0), canvas)
    class_logits, box_codes = heads.box_predictor(heads.box_head(pooled))
    box_codes = box_codes.reshape(len(which), class_logits.shape[1], 4)
    every, of_class = heads.decoded(class_logits, box_codes, proposed, (height, width))
    labels = Tensor(np.tile(np.arange(1, class_logits.shape[1]), len(which)))
    flat, score = every.reshape(-1, 4), of_class.reshape(-1)
    kept = heads.kept(flat, score, labels)
    second = _second(heads, flat.numpy(), score.numpy(), labels.numpy(), kept.numpy())
    one = {"boxes": flat[kept], "labels": labels[kept], "scores": score[kept]}
    original = int(picture.shape[-2]), int(picture.shape[-1])
    result = model.transform.postprocess(one, (height, width), original)
    maps = [m for name, m in features.items() if name in pool.featmap_names]
    present = batch.labels[0].numpy() > 0
    return Capture(
        picture, (height, width), canvas, {k: f.numpy()[0] for k, f in features.items()}, levels,
        np.concatenate([f.which.numpy() for f in found]), first, which, pooled.numpy(),
        pool.levels(proposed, pool.scales(maps, canvas)).numpy(), class_logits.numpy(),
        box_codes.numpy(), second, kept.numpy(), {k: v.numpy() for k, v in result.items()},
        batch.objects[0].numpy()[present], batch.labels[0].numpy()[present],
    )  # fmt: skip


def _level(
    model: FasterRCNN, k: int, name: str, feature: Tensor, canvas: tuple[int, int],
    logits: Tensor, codes: Tensor,
) -> Level:  # fmt: skip
    rows, columns = int(feature.shape[-2]), int(feature.shape[-1])
    strides = canvas[0] // rows, canvas[1] // columns
    cell = model.rpn.anchor_generator.cell(k)
    return Level(name, rows, columns, strides, cell, logits.numpy(), codes.numpy())


def _second(heads: Any, boxes: Array, scores: Array, labels: Array, kept: Array) -> Boxes:
    """The boxes of the second stage, of which those beyond detections_per_img were kept, too."""
    sides = boxes[:, 2:] - boxes[:, :2]
    fit = (scores > heads.score_thresh) & (sides >= 1e-2).all(1)
    which = np.flatnonzero(fit)
    everything = heads.detections_per_img
    heads.detections_per_img = len(boxes)
    try:
        survivors = heads.kept(Tensor(boxes), Tensor(scores), Tensor(labels)).numpy()
    finally:
        heads.detections_per_img = everything
    keep = np.isin(np.arange(len(boxes)), survivors)
    few = _suppressed(boxes[which], scores[which], labels[which], keep[which],
                      np.searchsorted(which, np.sort(kept)), heads.nms_thresh)  # fmt: skip
    state = np.full(len(boxes), UNFIT, dtype="<U7")
    by, iou = np.full(len(boxes), -1), np.zeros(len(boxes))
    state[which], iou[which] = few.state, few.iou
    by[which] = np.where(few.by < 0, -1, which[few.by]) if len(which) else few.by
    return Boxes(boxes, scores, labels, state, by, iou)


def overlap(a: Array, b: Array) -> Array:
    """IoU (N, M) of boxes (N, 4) and (M, 4), in float64."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return np.asarray(np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0))


def _suppressed(
    boxes: Array, scores: Array, group: Array, keep: Array, passed: Array, threshold: float
) -> Boxes:
    """Which box struck out which: of the kept ones that overlap it by more than the threshold, the
    best. `passed`: which of those kept went on."""
    state = np.where(keep, SURPLUS, STRUCK).astype("<U7")
    state[passed] = PASSED
    state[~np.isfinite(scores)] = UNFIT
    by, iou = np.full(len(boxes), -1), np.zeros(len(boxes))
    for one in np.unique(group):
        mine = np.flatnonzero((group == one) & np.isfinite(scores))
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        place = np.arange(len(mine))
        kept = place[keep[mine]]
        if not len(kept):
            continue
        shared = overlap(boxes[mine], boxes[mine[kept]])
        shared[kept[None] >= place[:, None]] = -1.0  # only better ones
        most = shared.argmax(1)
        over = shared > threshold
        # The first that overlaps it enough; at a tie with the threshold the one that does most.
        chosen = np.where(over.any(1), over.argmax(1), most)
        struck = ~keep[mine]
        by[mine] = np.where(struck, mine[kept[chosen]], -1)
        iou[mine] = np.maximum(shared[place, np.where(struck, chosen, most)], 0.0)
    return Boxes(boxes, scores, group, state, by, iou)

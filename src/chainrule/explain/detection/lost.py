"""What was nearly found: objects without a box, boxes without an object, proposals given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chainrule.explain.detection.capture import PASSED, STRUCK, Array, Capture, overlap

if TYPE_CHECKING:
    from chainrule.models.detection import FasterRCNN

#: From this IoU on a box stands for an object.
ENOUGH = 0.5


class GivenUp(NamedTuple):
    """A proposal that became no detection. second: its likeliest box of the second stage; reason:
    "score" (not above the threshold), "struck" (by detection `by`, or −1, with that iou) or
    "surplus" (enough better ones)."""

    proposal: int
    second: int
    label: int
    score: float
    reason: str
    by: int
    iou: float


class Miss(NamedTuple):
    """An object that no detection stands for.

    anchor_iou, proposal_iou: of the best anchor and the best proposal (its number: proposal);
    second: the best box of its class that a proposal over it became; reason: "anchor" (none is
    near), "proposal" (none is near), "class" (taken for `seen` instead), "score", "struck",
    "shifted" (the last box lies beside it).
    """

    object: int
    label: int
    box: tuple[float, ...]
    anchor_iou: float
    proposal: int
    proposal_iou: float
    second: int
    score: float
    iou: float
    seen: int
    by: int
    reason: str


class FalseAlarm(NamedTuple):
    """A detection that stands for no object. reason: "double" (a better one has its object),
    "class" (the object is a `seen`), "place" (it lies beside it), "nothing" (no object there)."""

    detection: int
    label: int
    score: float
    object: int
    iou: float
    seen: int
    reason: str


class Lost(NamedTuple):
    """near: proposals given up, likeliest first; misses: hardest first; false_alarms: surest first;
    None where no targets were given."""

    near: list[GivenUp]
    misses: list[Miss] | None
    false_alarms: list[FalseAlarm] | None


def lost(model: FasterRCNN, found: Capture, targeted: bool, most: int) -> Lost:
    """What was nearly found in one image."""
    near = _given_up(found, most)
    if not targeted:
        return Lost(near, None, None)
    pair, shared = matched(found)
    misses = [_miss(model, found, k) for k in range(len(found.objects)) if k not in pair.values()]
    misses.sort(key=lambda miss: (miss.score, miss.proposal_iou))
    alarms = [_alarm(found, k, pair, shared) for k in range(len(found.detections)) if k not in pair]
    return Lost(near, misses[:most], alarms[:most])


def matched(found: Capture) -> tuple[dict[int, int], Array]:
    """Which detection stands for which object: from the surest down, each takes the object of its
    class that it overlaps best, if enough and if it is free. And all IoU (D, L)."""
    boxes = found.second.boxes[found.detections]
    shared = overlap(boxes, found.objects)
    pair: dict[int, int] = {}
    labels = found.second.group[found.detections]
    for k, row in enumerate(shared):
        free = (found.labels == labels[k]) & (row >= ENOUGH)
        free[list(pair.values())] = False
        if free.any():
            pair[k] = int(np.where(free, row, -1).argmax())
    return pair, shared


def _given_up(found: Capture, most: int) -> list[GivenUp]:
    second, classes = found.second, found.logits.shape[1] - 1
    if not len(found.proposals):
        return []
    # The likeliest box of each proposal that became no detection.
    scores = second.scores.reshape(-1, classes)
    state = second.state.reshape(-1, classes)
    best = scores.argmax(1)
    open_ = np.flatnonzero(~(state == PASSED).any(1))
    open_ = open_[np.argsort(-scores[open_, best[open_]], kind="stable")][:most]
    place = {int(k): i for i, k in enumerate(found.detections)}
    out = []
    for proposal in open_.tolist():
        k = proposal * classes + int(best[proposal])
        reason = {STRUCK: "struck", "surplus": "surplus"}.get(str(second.state[k]), "score")
        out.append(
            GivenUp(proposal, k, int(best[proposal]) + 1, float(second.scores[k]), reason,
                    place.get(int(second.by[k]), -1), float(second.iou[k]))
        )  # fmt: skip
    return out


def _miss(model: FasterRCNN, found: Capture, k: int) -> Miss:
    box, label = found.objects[k], int(found.labels[k])
    one = box[None]
    anchors = [
        overlap(one, grid).max(initial=0.0)
        for grid in model.rpn.anchor_generator.grids(
            found.canvas, [(level.rows, level.columns) for level in found.levels]
        )
    ]
    anchor_iou = float(max(anchors))
    row = overlap(one, found.first.boxes[found.proposals])[0]
    if not len(row):
        return Miss(k, label, tuple(map(float, box)), anchor_iou, -1, 0.0, -1, 0.0, 0.0, 0, -1,
                    "proposal")  # fmt: skip
    classes = found.logits.shape[1] - 1
    best = int(row.argmax())
    near = np.flatnonzero(row >= ENOUGH)
    candidates = near if len(near) else np.array([best])
    of_class = candidates * classes + label - 1
    second = int(of_class[found.second.scores[of_class].argmax()])
    proposal = second // classes
    iou = float(overlap(one, found.second.boxes[second][None])[0, 0])
    seen = int(found.logits[proposal].argmax())
    place = {int(d): i for i, d in enumerate(found.detections)}
    by = -1
    if not len(near):
        reason = "proposal" if anchor_iou >= 0.3 else "anchor"
    elif found.second.state[second] == STRUCK:
        reason, by = "struck", place.get(int(found.second.by[second]), -1)
    elif found.second.state[second] == PASSED and iou < ENOUGH:
        reason = "shifted"
    elif seen not in (0, label):
        reason = "class"
    else:
        reason = "score"
    return Miss(k, label, tuple(map(float, box)), anchor_iou, best, float(row[best]), second,
                float(found.second.scores[second]), iou, seen, by, reason)  # fmt: skip


def _alarm(found: Capture, k: int, pair: dict[int, int], shared: Array) -> FalseAlarm:
    second = int(found.detections[k])
    label, score = int(found.second.group[second]), float(found.second.scores[second])
    if not len(found.objects):
        return FalseAlarm(k, label, score, -1, 0.0, 0, "nothing")
    at = int(shared[k].argmax())
    iou, seen = float(shared[k, at]), int(found.labels[at])
    if iou >= ENOUGH:
        reason = "class" if seen != label else "double"
    else:
        reason = "place" if iou >= 0.1 else "nothing"
    return FalseAlarm(k, label, score, at, iou, seen, reason)

"""Average precision, against a second implementation written the slow way, and by hand."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.train.average_precision import THRESHOLDS, mean_average_precision


def overlap(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    common = wide * high
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow(detections, targets, label, threshold, interpolation):
    """AP of one class at one threshold, detection by detection, as the papers say it."""
    rows = []
    total = 0
    for found, wanted in zip(detections, targets, strict=True):
        objects = [
            (box, bool(skip))
            for box, kind, skip in zip(
                wanted["boxes"], wanted["labels"], wanted["ignored"], strict=True
            )
            if kind == label
        ]
        total += sum(not skip for _, skip in objects)
        taken = set()
        ours = [k for k in range(len(found["scores"])) if found["labels"][k] == label]
        for k in sorted(ours, key=lambda k: -found["scores"][k]):
            best, which = -1.0, None
            for pass_over in (False, True):
                for j, (box, skip) in enumerate(objects):
                    value = overlap(found["boxes"][k], box)
                    possible = skip == pass_over and j not in taken and value >= threshold
                    if possible and value > best:
                        best, which = value, j
                if which is not None:
                    break
            if which is None:
                rows.append((found["scores"][k], False))
            elif not objects[which][1]:
                taken.add(which)
                rows.append((found["scores"][k], True))
    if not total:
        return math.nan
    rows.sort(key=lambda row: -row[0])
    points, right = [], 0
    for n, (_, hit) in enumerate(rows, 1):
        right += hit
        points.append((right / total, right / n))
    if interpolation == "coco":
        at = [max((p for r, p in points if r >= k / 100 - 1e-12), default=0.0) for k in range(101)]
        return sum(at) / 101
    area, before = 0.0, 0.0
    for recall, _ in points:
        if recall > before:
            area += (recall - before) * max(p for r, p in points if r >= recall)
            before = recall
    return area


def scene(random, classes):
    """A few objects, detections near them, some nowhere."""
    corners = random.uniform(0, 80, (random.integers(0, 7), 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 60, corners.shape)], 1)
    labels = random.integers(1, classes + 1, len(boxes))
    near = np.concatenate([boxes + random.normal(0, 4, boxes.shape) for _ in range(2)])
    far = random.uniform(0, 40, (3, 4))
    far[:, 2:] += far[:, :2] + 1
    found = np.concatenate([near, far])
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 0.5)
    kinds = np.concatenate([labels, labels, random.integers(1, classes + 1, 3)])
    kinds = np.where(random.random(len(kinds)) < 0.2, 1, kinds)
    target = {"boxes": boxes, "labels": labels, "ignored": random.random(len(boxes)) < 0.15}
    return {"boxes": found, "labels": kinds, "scores": random.random(len(found))}, target


@pytest.mark.parametrize("interpolation", ["coco", "voc"])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_slow_way(seed, interpolation):
    random = np.random.default_rng(seed)
    pairs = [scene(random, 3) for _ in range(12)]
    detections, targets = [p[0] for p in pairs], [p[1] for p in pairs]
    scores = mean_average_precision(detections, targets, 3, interpolation=interpolation)
    for label in (1, 2, 3):
        for k, threshold in enumerate(THRESHOLDS):
            wanted = slow(detections, targets, label, threshold, interpolation)
            assert scores.ap[label - 1, k] == pytest.approx(wanted, abs=1e-12)


def one(boxes, labels, scores=None, ignored=None):
    out = {"boxes": np.array(boxes, float).reshape(-1, 4), "labels": np.array(labels)}
    if scores is not None:
        out["scores"] = np.array(scores, float)
    if ignored is not None:
        out["ignored"] = np.array(ignored)
    return out


BOX, OTHER = [0, 0, 10, 10], [50, 50, 90, 90]


def test_by_hand():
    target = one([BOX, OTHER], [1, 1])
    found = one([BOX, [0, 0, 10, 9], OTHER], [1, 1, 1], [0.9, 0.8, 0.7])
    # Right, wrong (the object is taken), right: precision 1 to recall ½, then ⅔.
    scores = mean_average_precision([found], [target], 1)
    assert scores.map_50 == pytest.approx((51 + 50 * 2 / 3) / 101)
    voc = mean_average_precision([found], [target], 1, interpolation="voc")
    assert voc.map_50 == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert scores.objects == 2 and scores.detections == 3
    np.testing.assert_allclose(scores.curves[0].recall, [0.5, 0.5, 1])
    np.testing.assert_allclose(scores.curves[0].precision, [1, 2 / 3, 2 / 3])


def test_recall_by_size():
    target = one([BOX, OTHER, [0, 0, 200, 200]], [1, 1, 1])
    found = one([BOX, [0, 0, 200, 200]], [1, 1], [0.5, 0.4])
    scores = mean_average_precision([found], [target], 1)
    sizes = scores.recall_small, scores.recall_medium, scores.recall_large
    assert sizes == (1.0, 0.0, 1.0)
    assert scores.recall == pytest.approx(2 / 3)


def test_ignored_objects_neither_help_nor_hurt():
    target = one([BOX, OTHER], [1, 1], ignored=[False, True])
    found = one([OTHER, OTHER, BOX], [1, 1, 1], [0.9, 0.8, 0.7])
    assert mean_average_precision([found], [target], 1).map == pytest.approx(1.0)


def test_nothing_found_and_nothing_there():
    empty, target = one([], [], []), one([BOX], [2])
    scores = mean_average_precision([empty], [target], 3)
    assert scores.map == 0.0 and math.isnan(scores.ap[0, 0])
    assert math.isnan(mean_average_precision([empty], [one([], [])], 1).map)


def test_takes_tensors():
    found = {k: cr.tensor(v) for k, v in one([BOX], [1], [1.0]).items()}
    assert mean_average_precision([found], [one([BOX], [1])], 1).map == pytest.approx(1.0)


def test_refuses():
    with pytest.raises(ShapeError, match="1 images with detections, 0"):
        mean_average_precision([one([], [], [])], [], 1)
    with pytest.raises(ShapeError, match="labels of shape"):
        mean_average_precision([one([BOX], [1, 1], [1.0])], [one([], [])], 1)
    with pytest.raises(ArgumentError, match="interpolation"):
        mean_average_precision([], [], 1, interpolation="eleven")
    with pytest.raises(ArgumentError, match=r"no threshold 0\.3"):
        mean_average_precision([], [], 1).at(0.3)

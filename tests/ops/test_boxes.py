"""Boxes, suppression and regions against plain slow references."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import pytest

import chainrule as cr
from chainrule import ops
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError, TraceError

rng = np.random.default_rng(0)


def assert_close(found, expected, rtol=1e-5, atol=1e-5):
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol, atol)


def some_boxes(n: int, span: float, dtype: type = np.float64) -> np.ndarray:
    """Among them ones without area, ones equal to others, ones far outside."""
    corner = rng.uniform(-0.2 * span, span, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, span / 4, (n, 2))], 1)
    boxes[: n // 10, 2:] = boxes[: n // 10, :2]
    few = n // 10
    boxes[few : 2 * few] = boxes[n - few :]
    return boxes.astype(dtype)


# ---- overlap --------------------------------------------------------------------------------


def slow_iou(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def slow_giou(a: np.ndarray, b: np.ndarray) -> float:
    whole = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    overlap = slow_iou(a, b)
    union = areas / (1 + overlap)
    return overlap - ((whole - union) / whole if whole > 0 else 0.0)


@pytest.mark.parametrize(
    ("fast", "slow"), [(ops.box_iou, slow_iou), (ops.generalized_box_iou, slow_giou)]
)
def test_overlap(fast, slow):
    a, b = some_boxes(40, 10), some_boxes(30, 10)
    expected = [[slow(x, y) for y in b] for x in a]
    np.testing.assert_allclose(fast(cr.tensor(a), cr.tensor(b)).numpy(), expected, atol=1e-12)


def test_overlap_of_100_000_boxes_with_one():
    boxes = some_boxes(100_000, 100)
    found = ops.box_iou(cr.tensor(boxes), cr.tensor(boxes[:1])).numpy()[:, 0]
    picked = rng.integers(0, 100_000, 200)
    np.testing.assert_allclose(found[picked], [slow_iou(boxes[k], boxes[0]) for k in picked])


def test_losses_are_one_less_the_overlap_one_by_one():
    a, b = (cr.tensor(some_boxes(20, 5) + [0, 0, 0.5, 0.5]) for _ in range(2))
    for loss, measure in (
        (ops.generalized_box_iou_loss, ops.generalized_box_iou),
        (ops.distance_box_iou_loss, ops.distance_box_iou),
        (ops.complete_box_iou_loss, ops.complete_box_iou),
    ):
        expected = 1 - measure(a, b).diagonal()
        assert_close(loss(a, b), expected, rtol=1e-5, atol=1e-6)
        assert_close(loss(a, b, "mean"), expected.mean(), rtol=1e-5, atol=1e-6)
    none = cr.zeros(0, 4, requires_grad=True)
    assert ops.generalized_box_iou_loss(none, none, "mean").item() == 0


def test_distance_and_aspect_by_hand():
    a, b = cr.tensor([[0.0, 0.0, 2.0, 2.0]]), cr.tensor([[1.0, 0.0, 3.0, 4.0]])
    # Shared 2 of 4 + 8; centres (1, 1) and (2, 2); the box around is 3 by 4.
    distant = 2 / 10 - 2 / 25
    assert ops.distance_box_iou(a, b).item() == pytest.approx(distant, abs=1e-6)
    v = 4 / np.pi**2 * (np.arctan(0.5) - np.arctan(1)) ** 2
    complete = distant - v * v / (1 - 0.2 + v)
    assert ops.complete_box_iou(a, b).item() == pytest.approx(complete, abs=1e-6)


def test_focal_loss_by_hand():
    x, target = cr.tensor([0.3, -1.2]), cr.tensor([1.0, 0.0])
    p = 1 / (1 + np.exp(-np.array([0.3, -1.2])))
    expected = [-0.25 * (1 - p[0]) ** 2 * np.log(p[0]), -0.75 * p[1] ** 2 * np.log(1 - p[1])]
    found = ops.sigmoid_focal_loss(x, target)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    plain = ops.sigmoid_focal_loss(x, target, alpha=-1, gamma=0, reduction="sum")
    assert plain.item() == pytest.approx(-np.log(p[0]) - np.log(1 - p[1]), rel=1e-5)


# ---- coding, clipping, conversion -----------------------------------------------------------


def test_coding_there_and_back():
    boxes, seen_from = (cr.tensor(some_boxes(50, 20)[10:] + [0, 0, 1, 1]) for _ in range(2))
    weights = (10.0, 10.0, 5.0, 5.0)
    codes = ops.box_encode(boxes, seen_from, weights)
    w, w_p = (float(b[3, 2] - b[3, 0]) for b in (boxes, seen_from))
    x, x_p = (float(b[3, 2] + b[3, 0]) / 2 for b in (boxes, seen_from))
    assert codes[3, 0].item() == pytest.approx(10 * (x - x_p) / w_p)
    assert codes[3, 2].item() == pytest.approx(5 * np.log(w / w_p))
    assert_close(ops.box_decode(codes, seen_from, weights), boxes)


def test_a_wild_scale_is_cut():
    box = ops.box_decode(cr.tensor([[0.0, 0.0, 1e9, 0.0]]), cr.tensor([[0.0, 0.0, 2.0, 2.0]]))
    assert (box[0, 2] - box[0, 0]).item() == pytest.approx(2 * 1000 / 16, rel=1e-5)


def test_clipping_conversion_and_small_boxes():
    box = cr.tensor([[-3.0, 1.0, 9.0, 2.5], [1.0, 1.0, 1.5, 9.0]])
    clipped = ops.clip_boxes_to_image(box, (4, 5))
    assert clipped.tolist() == [[0, 1, 5, 2.5], [1, 1, 1.5, 4]]
    assert ops.box_convert(clipped, "xyxy", "cxcywh").tolist()[0] == [2.5, 1.75, 5, 1.5]
    for form in ("xywh", "cxcywh"):
        there = ops.box_convert(clipped, "xyxy", form)
        assert ops.box_convert(there, form, "xyxy").tolist() == clipped.tolist()
    assert ops.box_area(clipped).tolist() == [7.5, 1.5]
    assert ops.remove_small_boxes(clipped, 1.0).tolist() == [0]


# ---- suppression ----------------------------------------------------------------------------


def slow_nms(boxes, scores, groups, threshold):
    """Struck out one by one; vectors only so that it ends."""
    struck, kept = np.zeros(len(boxes), bool), []
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1) * (y2 - y1)
    for i in np.argsort(-scores, kind="stable"):
        if struck[i]:
            continue
        kept.append(i)
        width = np.minimum(x2, x2[i]) - np.maximum(x1, x1[i])
        height = np.minimum(y2, y2[i]) - np.maximum(y1, y1[i])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        # Times the union, of which none is less than 0: boxes without area strike nothing out.
        struck |= (shared > threshold * (areas + areas[i] - shared)) & (groups == groups[i])
    return np.array(kept, np.int64)


@pytest.mark.parametrize(("n", "span"), [(0, 1), (1, 1), (7, 5), (65, 20), (300, 50), (2500, 90)])
@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_suppression(n, span, threshold):
    boxes = some_boxes(n, span)
    scores = rng.integers(0, 50, n) / 50.0
    groups = rng.integers(0, 4, n)
    found = ops.nms(cr.tensor(boxes), cr.tensor(scores), threshold)
    assert found.tolist() == slow_nms(boxes, scores, 0 * groups, threshold).tolist()
    found = ops.batched_nms(cr.tensor(boxes), cr.tensor(scores), cr.tensor(groups), threshold)
    expected = slow_nms(boxes, scores, groups, threshold)
    assert found.tolist() == expected.tolist()
    keep = ops.nms_keep(
        cr.tensor(boxes), cr.tensor(scores), cr.tensor(groups), iou_threshold=threshold
    )
    assert np.flatnonzero(keep.numpy()).tolist() == sorted(expected.tolist())


def test_suppression_of_100_000_boxes():
    boxes = some_boxes(100_000, 300, np.float32)
    boxes[:, 2:] += 60  # few survive, so the reference ends in time
    scores = rng.random(100_000).astype(np.float32)
    found = ops.nms(cr.tensor(boxes), cr.tensor(scores), 0.2).numpy()
    assert found.tolist() == slow_nms(boxes, scores, np.zeros(100_000), 0.2).tolist()


# ---- regions --------------------------------------------------------------------------------


def slow_point(x, y, at):
    """x (C, H, W) at a point, bilinearly; 0 more than one element outside."""
    _, h, w = x.shape
    if not (-1 <= y <= h and -1 <= at <= w):
        return np.zeros(len(x))
    y, at = (min(max(v, 0), n - 1) for v, n in ((y, h), (at, w)))
    top, left = floor(y), floor(at)
    below, right = min(top + 1, h - 1), min(left + 1, w - 1)
    upper = (1 - at + left) * x[:, top, left] + (at - left) * x[:, top, right]
    lower = (1 - at + left) * x[:, below, left] + (at - left) * x[:, below, right]
    return (1 - y + top) * upper + (y - top) * lower


def slow_align(x, boxes, size, scale, ratio, aligned):
    out = np.zeros((len(boxes), x.shape[1], *size))
    for k, (number, *box) in enumerate(boxes):
        x1, y1, x2, y2 = np.array(box) * scale - 0.5 * aligned
        lengths = [y2 - y1, x2 - x1] if aligned else [max(y2 - y1, 1), max(x2 - x1, 1)]
        steps = [n / bins for n, bins in zip(lengths, size, strict=True)]
        counts = [ratio if ratio > 0 else max(ceil(step), 1) for step in steps]
        for i, j in np.ndindex(*size):
            for a, b in np.ndindex(*counts):
                out[k, :, i, j] += slow_point(
                    x[int(number)],
                    y1 + (i + (a + 0.5) / counts[0]) * steps[0],
                    x1 + (j + (b + 0.5) / counts[1]) * steps[1],
                )
        out[k] /= np.prod(counts)
    return out


def slow_pool(x, boxes, size, scale):
    out = np.zeros((len(boxes), x.shape[1], *size))
    h, w = x.shape[2:]
    for k, (number, *box) in enumerate(boxes):
        x1, y1, x2, y2 = (int(np.sign(v) * floor(abs(v) + 0.5)) for v in np.array(box) * scale)
        tall, wide = max(y2 - y1 + 1, 1) / size[0], max(x2 - x1 + 1, 1) / size[1]
        for i, j in np.ndindex(*size):
            rows = np.clip([floor(i * tall) + y1, ceil((i + 1) * tall) + y1], 0, h)
            columns = np.clip([floor(j * wide) + x1, ceil((j + 1) * wide) + x1], 0, w)
            part = x[int(number), :, slice(*rows), slice(*columns)]
            if part.size:
                out[k, :, i, j] = part.max((1, 2))
    return out


def regions(n):
    boxes = some_boxes(n, 16)
    return np.concatenate([rng.integers(0, 2, (n, 1)), boxes], 1)


@pytest.mark.parametrize("ratio", [2, 1, 0, -1])
@pytest.mark.parametrize("aligned", [True, False])
def test_roi_align(ratio, aligned):
    x, boxes = rng.standard_normal((2, 3, 9, 11)), regions(30)
    for scale in (1.0, 0.5):
        found = ops.roi_align(cr.tensor(x), cr.tensor(boxes), (3, 2), scale, ratio, aligned)
        expected = slow_align(x, boxes, (3, 2), scale, ratio, aligned)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_roi_pool():
    x, boxes = rng.standard_normal((2, 3, 9, 11)), regions(40)
    for scale in (1.0, 0.5):
        found = ops.roi_pool(cr.tensor(x), cr.tensor(boxes), (3, 2), scale)
        np.testing.assert_allclose(found.numpy(), slow_pool(x, boxes, (3, 2), scale), atol=0)


def test_regions_as_a_list_and_their_gradients():
    x = cr.randn(2, 2, 6, 6, dtype=cr.float64, requires_grad=True)
    first, second = (cr.tensor(some_boxes(3, 5) + [0, 0, 1, 1]) for _ in range(2))
    numbers = cr.tensor([0.0, 0, 0, 1, 1, 1], dtype=cr.float64).reshape(6, 1)
    together = cr.cat([numbers, cr.cat([first, second])], 1)
    for f in (ops.roi_align, ops.roi_pool):
        assert cr.equal(f(x, [first, second], 2), f(x, together, 2))
    cr.autograd.gradcheck(lambda x: ops.roi_align(x, together, 2, 1.0, -1, True), (x,))
    assert ops.roi_align(x, [cr.zeros(0, 4, dtype=cr.float64)] * 2, 2).shape == (0, 2, 2, 2)


def test_wrong_regions_are_named():
    x = cr.zeros(2, 3, 4, 4)
    with pytest.raises(IndexRangeError, match="box 1 is of picture 2"):
        ops.roi_pool(x, cr.tensor([[0.0, 0, 0, 1, 1], [2.0, 0, 0, 1, 1]]), 2)
    with pytest.raises(ArgumentError, match="boxes of 1 pictures"):
        ops.roi_align(x, [cr.zeros(1, 4)], 2)
    with pytest.raises(ShapeError, match=r"boxes \(N, 4\)"):
        ops.nms(cr.zeros(3, 4), cr.zeros(2), 0.5)
    with pytest.raises(ArgumentError, match="iou_threshold"):
        ops.nms(cr.zeros(3, 4), cr.zeros(3), 1.5)
    with pytest.raises(ShapeError, match="each x1, y1, x2, y2"):
        ops.box_iou(cr.zeros(3, 5), cr.zeros(2, 4))


# ---- compiled -------------------------------------------------------------------------------


def test_a_compiled_program_suppresses_and_aligns():
    x, boxes = cr.randn(1, 4, 12, 12), cr.tensor(some_boxes(60, 12, np.float32))
    scores = cr.rand(60)

    def program(x, boxes, scores):
        keep = ops.nms_keep(boxes, scores, iou_threshold=0.5)
        numbered = cr.cat([cr.zeros(60, 1), boxes], 1)
        return keep, ops.roi_align(x, numbered, 3, 1.0, 2, True)

    keep, read = cr.compile(program)(x, boxes, scores)
    expected_keep, expected_read = program(x, boxes, scores)
    assert cr.equal(keep, expected_keep)
    assert_close(read, expected_read)
    with pytest.raises(TraceError, match="nms_keep"):
        cr.compile(lambda b, s: ops.nms(b, s, 0.5))(boxes, scores)
    with pytest.raises(TraceError, match="sampling_ratio=2"):
        cr.compile(lambda x, b: ops.roi_align(x, [b], 3))(x, boxes)

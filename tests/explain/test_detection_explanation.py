"""An explained detection: its numbers, what checks them, what was lost, its texts."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.explain.detection import explain_detection
from chainrule.explain.detection.again import walked
from chainrule.explain.detection.capture import PASSED, STRUCK, UNFIT
from chainrule.explain.detection.check import _compared
from chainrule.explain.detection.lines import STAGES, Line
from chainrule.explain.detection.page import pixels
from chainrule.models.detection import fasterrcnn_small
from chainrule.ops.random import manual_seed

HOSTILE = "</script><img src=http://example.invalid/x onerror=document.title='owned'>"


def detector(**options):
    manual_seed(0)
    settings = {"num_classes": 4, "in_channels": 1, "box_detections_per_img": 12}
    return fasterrcnn_small(**(settings | options))


def scene(height=96, width=120):
    return np.random.default_rng(0).random((1, height, width)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return detector()


@pytest.fixture
def explanation(model):
    return explain_detection(model, scene(), classes=["one", "two", "three"], name="scene.png")


def test_it_finds_what_the_model_finds(model, explanation):
    model.eval()
    (own,) = model([cr.tensor(scene())])
    for key, value in explanation.result.items():
        np.testing.assert_allclose(value, own[key].numpy(), 1e-5)
    assert len(explanation) == 12
    assert [stage.key for stage in explanation.box(0).stages] == list(STAGES)


def test_every_printed_number_is_computed_again(explanation):
    checked = explanation.verify()
    assert checked.right and checked.total > 400 and checked.worst < 1e-3
    assert "✓" in explanation.to_text() and "✗" not in explanation.to_text()


@pytest.mark.parametrize("stage", STAGES)
def test_a_wrong_number_is_caught(explanation, stage):
    trail = explanation.box(3)
    for line in trail.stage(stage).lines:
        for name, value in list(line.values.items()):
            line.values[name] = value * 1.02 + (0.5 if abs(value) < 0.05 else 0)
            check = trail.verify()[line.key]
            assert not check.right and check.wrong == (name,)
            line.values[name] = value
    assert all(check.right for check in trail.verify().values())


def test_wrong_decisions_and_results_are_caught(explanation):
    first = explanation.found.first
    struck = int(np.flatnonzero(first.state == STRUCK)[0])
    first.by[struck] += 1
    assert any(str(struck) in text for text in explanation.verify().wrong)
    first.by[struck] -= 1
    first.boxes[0] += 0.5
    assert not explanation.verify().right
    first.boxes[0] -= 0.5
    explanation.result["boxes"][0] += 1
    assert any("model" in text for text in explanation.verify().wrong)


def test_who_struck_out_whom(explanation):
    for boxes, threshold in ((explanation.found.first, 0.7), (explanation.found.second, 0.5)):
        struck = np.flatnonzero(boxes.state == STRUCK)
        assert len(struck)
        by = boxes.by[struck]
        assert (boxes.scores[by] >= boxes.scores[struck]).all()
        assert (boxes.iou[struck] > threshold).all() and (
            boxes.group[by] == boxes.group[struck]
        ).all()
        assert not np.isin(by, struck).any()
        kept = np.isin(boxes.state, (PASSED, "surplus"))
        assert (boxes.iou[kept] <= threshold).all()
        again = walked(boxes, threshold)[0]
        assert (again == np.where(boxes.state == UNFIT, -1, boxes.by)).all()


def test_points_and_weights_give_the_models_bins(explanation):
    region = explanation.box(0).region
    ratio = len(region.down.places) // len(region.pooled)
    for row, column in np.ndindex(*region.pooled.shape):
        points = [region.value(row * ratio + i, column * ratio + j)
                  for i in range(ratio) for j in range(ratio)]  # fmt: skip
        assert np.mean(points) == pytest.approx(region.pooled[row, column], rel=1e-3, abs=1e-5)
    np.testing.assert_allclose(region.down.weights.sum(1), 1)


def test_misses_and_false_alarms_have_reasons(model, explanation):
    found = explanation.result
    boxes = np.stack([found["boxes"][0], [100.0, 2.0, 103.0, 4.0]])
    labels = np.array([found["labels"][0], 2])
    other = cr.explain(model, scene(), targets={"boxes": boxes, "labels": labels})
    lost = other.lost()
    assert [miss.object for miss in lost.misses] == [1]
    assert lost.misses[0].reason == "anchor" and lost.misses[0].anchor_iou < 0.3
    assert len(lost.false_alarms) == 10 and lost.false_alarms[0].detection == 1
    assert {alarm.reason for alarm in lost.false_alarms} <= {"double", "class", "place", "nothing"}
    assert "Missed objects" in str(other)
    assert explanation.lost().misses is None and len(explanation.lost().near) == 10
    for one in explanation.lost().near:
        trail = explanation.follow(one.second)
        assert trail.score == pytest.approx(one.score)
        assert all(check.right for check in trail.verify().values())
        keys = [line.key for line in trail.stage("selection").lines]
        assert ("selection.by" in keys) == (one.reason == "struck")


def test_texts_in_both_languages(explanation):
    explanation.verify()
    for show in (explanation.to_text, explanation.to_markdown, explanation.to_html):
        assert "Class scores" in show(language="en") and "类别得分" in show(language="zh")
    assert set(explanation._repr_mimebundle_()) == {"text/plain", "text/html", "text/markdown"}
    data = json.loads(json.dumps(explanation.to_dict("zh"), allow_nan=False))
    assert data["detections"][0]["stages"][0]["title"] == "锚框"
    rows, passed = len(data["first"]["box"]), data["first"]["state"].count("passed")
    assert rows == len(data["first"]["by"]) and passed == len(data["first"]["proposals"])
    assert "0.1, 5" not in repr(explanation) and "12 boxes" in repr(explanation)


def test_hostile_names_stay_texts(model):
    hostile = explain_detection(model, scene(), classes=[HOSTILE] * 3, name=HOSTILE)
    assert "<img" not in hostile.to_html() and "<img" not in hostile.to_markdown().replace(
        "\\<", ""
    )


def test_modes_images_and_batches(model):
    model.train()
    bytes_ = np.round(scene() * 255).astype(np.uint8)
    one = explain_detection(model, bytes_)
    assert model.training and model.rpn.training
    model.eval()
    batch = model.batch([cr.tensor(bytes_ / np.float32(255))])
    other = explain_detection(model, bytes_, batch=batch)
    np.testing.assert_allclose(one.result["boxes"], other.result["boxes"])
    assert other.verify().right


@pytest.mark.parametrize(
    ("options", "image"),
    [
        ({"rpn_score_thresh": 0.99}, scene()),  # no proposals
        ({"box_score_thresh": 0.99}, scene()),  # no detections
        ({}, np.zeros((1, 64, 64), np.float32)),  # ties everywhere
    ],
)
def test_nothing_to_find(options, image):
    explanation = explain_detection(detector(**options), image)
    assert explanation.verify().right
    explanation.to_html()
    assert (len(explanation) == 0) == bool(options)


def test_what_it_does_not_take(model, explanation):
    with pytest.raises(ArgumentError, match="image"):
        cr.explain(model)
    with pytest.raises(ArgumentError, match="FasterRCNN"):
        explain_detection(cr.nn.Linear(2, 2), scene())
    with pytest.raises(ArgumentError, match="shape"):
        explain_detection(model, scene()[0])
    with pytest.raises(ArgumentError, match="12 detections"):
        explanation.box(12)
    with pytest.raises(ArgumentError, match="number -1"):
        explanation.follow(-1)


def test_far_from_the_corner_single_precision_is_no_mistake():
    image = np.random.default_rng(0).random((1, 64, 1600)).astype(np.float32)
    explanation = explain_detection(detector(fixed_size=(64, 1600)), image)
    assert explanation.verify().right, str(explanation.checked)


def test_areas_of_slivers_may_be_off_by_as_much_as_their_sides():
    """A box cut off to a tenth of a pixel far from the corner, and one that is really wrong."""
    areas = {"a": 80.0, "b": 120.0, "shared": 80.0, "iou": 2 / 3, "threshold": 0.5}
    sides = {"around a": 800.1, "around b": 800.15, "around shared": 800.1}
    for off, name, right in ((0.05, "a", True), (0.05, "shared", True), (50.0, "a", False),
                             (1e-4, "iou", True), (0.2, "iou", False),
                             (1e-3, "threshold", False)):  # fmt: skip
        line = Line("suppression.struck.3", "", {name: areas[name] + off})
        assert _compared(line, areas | sides, 1344).right is right, (off, name)
    level = {"w": 0.27, "h": 800.0, "exact": 0.0621}
    for off, right in ((2e-4, True), (0.1, False)):
        line = Line("region.level", "", {"exact": level["exact"] + off})
        assert _compared(line, level, 1344).right is right
    # Of usual boxes hardly more is let pass than of any number.
    usual = {"a": 1e4, "b": 1e4, "shared": 5e3, "around a": 200.0, "around b": 200.0,
             "around shared": 150.0}  # fmt: skip
    line = Line("suppression.by", "", {"a": 1e4 + 5})
    assert not _compared(line, usual, 1344).right


def test_a_large_picture_is_shown_smaller_by_means():
    image = np.zeros((1, 30, 2401), np.float32)
    image[:, :, 1::3] = 1
    shown = pixels(image)
    assert shown.shape == (10, 801, 3)
    assert (shown[:, :-1] == 85).all() and (shown[:, -1] == 0).all()

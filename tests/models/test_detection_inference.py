"""Detection in shapes that do not depend on the numbers is detection."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import detection


@pytest.fixture
def model():
    cr.manual_seed(4)
    return detection.fasterrcnn_small(
        num_classes=4, fixed_size=(64, 64), widths=(8, 16), out_channels=16,
        box_detections_per_img=30,
    ).eval()  # fmt: skip


def test_what_is_found_in_fixed_places_is_what_is_found_in_lists(model):
    """Two images, one with padding; the coarse maps have fewer anchors than are proposed."""
    images = [cr.rand(3, 64, 64), cr.rand(3, 50, 64)]
    batch = model.batch(images)
    for best in (model.best, cr.compile(model.best)):
        found = best(batch.images, batch.sizes)
        assert found.boxes.shape == (2, 30, 4)
        listed = model.listed(found, batch.sizes, images)
        for ours, theirs in zip(listed, model(images), strict=True):
            assert len(theirs["labels"]) > 5
            np.testing.assert_array_equal(ours["labels"].numpy(), theirs["labels"].numpy())
            for name in ("boxes", "scores"):
                np.testing.assert_allclose(ours[name].numpy(), theirs[name].numpy(), 1e-3, 1e-3)


def test_nothing_is_found_above_the_highest_score(model):
    model.roi_heads.score_thresh = 1.0
    images = [cr.rand(3, 64, 64)]
    batch = model.batch(images)
    found = model.best(batch.images, batch.sizes)
    assert not found.present.any()
    (one,) = model.listed(found, batch.sizes, images)
    assert one["boxes"].shape == (0, 4) and one["labels"].shape == one["scores"].shape == (0,)


def test_suppression_of_all_maps_together_is_that_of_each(model):
    generator = np.random.default_rng(2)
    ranked = []
    for count in (40, 7, 1):
        corner = generator.uniform(0, 20, (2, count, 2))
        boxes = np.concatenate([corner, corner + generator.uniform(5, 15, (2, count, 2))], 2)
        scores = generator.choice([1.0, 2.0, 3.0, -np.inf], (2, count))
        ranked.append(tuple(cr.tensor(x) for x in (scores, boxes, scores)))
    together = model.rpn.suppressed(ranked)
    for (_, boxes, scores), found in zip(ranked, together, strict=True):
        alone = cr.ops.nms_keep(boxes, scores, iou_threshold=model.rpn.nms_thresh)
        np.testing.assert_array_equal(found.keep.numpy(), alone.numpy())
    assert any(not found.keep.all() for found in together)

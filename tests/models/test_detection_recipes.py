"""How detectors are trained on which data, and what a run remembers of it."""

import json

import pytest

import chainrule as cr
from chainrule import models
from chainrule.data.detection import buckets
from chainrule.models.detection.recipes import _OF_DATA, detection_recipe

RECIPE = detection_recipe("faster-rcnn")


def test_scenes_of_digits_are_trained_as_they_were_when_they_were_measured():
    recipe = RECIPE.for_data("digit-scenes", 2000)
    assert recipe is RECIPE and recipe.kept()["network"] == {}
    assert (recipe.epochs, recipe.batch_size, recipe.max_lr, recipe.side) == (36, 8, 0.002, 128)
    assert (recipe.test_side, recipe.standardise, recipe.average) == (None, False, None)


def test_a_run_remembers_its_recipe():
    crowns = RECIPE.for_data("deepforest")
    kept = json.loads(json.dumps(crowns.kept()))
    again = RECIPE.again(kept)
    assert again.kept() == crowns.kept() and again.tile == crowns.tile
    assert again.colour == crowns.colour
    assert RECIPE.again({}) == RECIPE  # a run from before there was anything to remember


@pytest.mark.parametrize(
    "kept",
    [{"colours": 1}, {"light": "much"}, {"tile": 4}, {"network": []}, {"average": "no"},
     {"std": None}, {"mean": float("nan")}, {"tile": [256]}, {"network": {"smallest": "x"}}],
)  # fmt: skip
def test_what_no_recipe_remembers_is_refused(kept):
    with pytest.raises(ValueError, match=next(iter(kept))):
        RECIPE.again(kept)


def test_larger_images_are_tested_larger_too():
    crowns = RECIPE.for_data("deepforest")
    twice = crowns.brought_to(2 * crowns.side)
    assert twice.test_side == 2 * crowns.test_side
    assert twice.network["smallest"] == 2 * crowns.network["smallest"]
    assert RECIPE.brought_to(256).test_side is None


@pytest.mark.parametrize("source", _OF_DATA)
def test_networks_of_known_data_can_be_built(source):
    recipe = RECIPE.for_data(source)
    before = dict(recipe.network)
    model = models.build("faster-rcnn", (3, *buckets(recipe.side)[0]), 1, **recipe.network)
    assert recipe.network == before
    again = models.build(**json.loads(json.dumps(model.config)))
    rpn, heads = again.eval().rpn, again.roi_heads
    assert rpn.post_nms_top_n() == recipe.network["test_proposals"]
    assert rpn.pre_nms_top_n() == recipe.network["test_candidates"]
    assert heads.score_thresh == recipe.network["least_score"]
    assert heads.detections_per_img == recipe.network["detections"]


def test_a_network_saved_before_there_were_more_options_is_built_as_then():
    cr.manual_seed(0)
    model = models.build("faster-rcnn", (1, 64, 64), 10, smallest=12.0, proposals=128)
    numbers = [f() for m in (model.rpn, model.eval().rpn)
               for f in (m.pre_nms_top_n, m.post_nms_top_n)]  # fmt: skip
    assert numbers == [256, 128, 256, 128]
    heads = model.roi_heads
    assert (heads.detections_per_img, heads.score_thresh) == (100, 0.05)


def test_the_summary_counts_every_region():
    rows = {row["layer"]: row for row in models.summary(models.build("faster-rcnn", (1, 64, 64)))}
    head = rows["roi_heads.box_head.fc6"]
    assert head["output_shape"] == [128, 256]
    assert head["multiply_adds"] == 128 * 64 * 49 * 256
    assert rows["roi_heads.box_predictor.cls_score"]["multiply_adds"] == 128 * 256 * 11
    # The proposals' head goes over four maps; a pixel of a map is no region.
    assert rows["rpn.head.cls_logits"]["output_shape"] == [6, 2, 2]

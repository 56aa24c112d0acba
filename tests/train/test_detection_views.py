"""What is found in mirror images of a picture, made one."""

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError
from chainrule.train.detection_views import VIEWS, fused, mirror_boxes, mirror_image


def seen(*rows):
    """Boxes (x1, y1, x2, y2, label, score) as a detector gives them."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return {
        "boxes": table[:, :4], "labels": table[:, 4].astype(np.int64), "scores": table[:, 5]
    }  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_boxes_go_with_the_mirror_image_and_back(view):
    image = np.zeros((1, 20, 30), np.uint8)
    image[:, 3:9, 4:16] = 1
    down, across = (np.flatnonzero(mirror_image(image, view)[0].any(axis)) for axis in (1, 0))
    there = np.array([[across[0], down[0], across[-1] + 1, down[-1] + 1]])
    np.testing.assert_array_equal(mirror_boxes(there, view, (20, 30)), [[4, 3, 16, 9]])
    np.testing.assert_array_equal(mirror_boxes([[4, 3, 16, 9]], view, (20, 30)), there)
    np.testing.assert_array_equal(mirror_image(mirror_image(image, view), view), image)


def test_no_such_view():
    with pytest.raises(ArgumentError, match="view"):
        mirror_image(np.zeros((1, 4, 4)), "z")


def test_one_view_stays_as_it_is():
    one = seen((0, 0, 9, 9, 1, 0.9), (20, 0, 29, 9, 2, 0.6), (0, 20, 9, 29, 1, 0.2))
    for key, value in fused([one]).items():
        np.testing.assert_allclose(value, one[key], rtol=1e-6)
        assert value.dtype == one[key].dtype
    assert len(fused([seen(), seen()])["boxes"]) == 0


def test_boxes_are_weighted_by_their_scores_and_scores_averaged():
    found = fused([seen((0, 0, 10, 10, 1, 0.9)), seen((1, 0, 11, 12, 1, 0.3))])
    np.testing.assert_allclose(found["boxes"], [[0.25, 0, 10.25, 10.5]], rtol=1e-6)
    np.testing.assert_allclose(found["scores"], [0.6], rtol=1e-6)


def test_what_one_view_of_two_shows_counts_half():
    views = [seen((0, 0, 10, 10, 1, 0.8)), seen((50, 50, 60, 60, 1, 0.7))]
    np.testing.assert_allclose(fused(views)["scores"], [0.4, 0.35], rtol=1e-6)


def test_several_boxes_of_one_view_do_not_count_more_than_their_mean():
    views = [seen((0, 0, 10, 10, 1, 0.8), (0, 0, 10, 10, 1, 0.4)), seen((0, 0, 10, 10, 1, 0.6))]
    np.testing.assert_allclose(fused(views)["scores"], [0.6], rtol=1e-6)


def test_classes_are_fused_apart_and_the_surest_stay():
    views = [seen((0, 0, 10, 10, 1, 0.2)), seen((0, 0, 10, 10, 2, 0.6))]
    assert fused(views)["labels"].tolist() == [2, 1]
    assert fused(views, most=1)["labels"].tolist() == [2]
    assert len(fused([views[0], seen((0, 5, 10, 15, 1, 0.1))])["boxes"]) == 2
    assert len(fused([views[0], seen((0, 5, 10, 15, 1, 0.1))], 0.3)["boxes"]) == 1


def test_boxes_without_score_or_area_break_nothing():
    found = fused([seen((1, 1, 1, 5, 1, 0.0), (1, 1, 1, 5, 1, 0.5))])
    assert np.isfinite(found["boxes"]).all() and found["scores"].tolist() == [0.5, 0.0]

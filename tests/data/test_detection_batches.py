"""Scenes, augmentation and batches for detection: shapes, boxes that stay on their objects."""

import warnings

import numpy as np
import pytest

from chainrule.base.errors import DataError
from chainrule.data.detection import (
    Augmentation,
    BucketSampler,
    DetectionBatches,
    DetectionDataset,
    DetectionWarning,
    DigitScenes,
    Sample,
    buckets,
    detection_loader,
)
from chainrule.data.detection.batches import bucket_of
from chainrule.data.detection.colours import colours_turned, repainted, standardised
from chainrule.data.detection.geometry import (
    enlarged,
    letterboxed,
    mirrored,
    turned,
    within,
)
from chainrule.data.detection.samples import objects_of
from chainrule.data.random import Draws


class Squares(DetectionDataset):
    """White squares on black, one a picture, of several sizes."""

    classes = ("square",)
    sizes = ((40, 40), (30, 60), (60, 30), (40, 44), (25, 50))

    def __init__(self, broken=()):
        self.broken = broken

    def __len__(self):
        return len(self.sizes)

    def size(self, index):
        return self.sizes[index]

    def most_objects(self):
        return 1

    def __getitem__(self, index):
        if index in self.broken:
            raise DataError(f"image {index} is broken.")
        image = np.zeros((3, *self.sizes[index]), np.uint8)
        image[:, 8:20, 6:16] = 255
        return Sample(image, objects_of([[6, 8, 16, 20]], [1]))


def ink_box(image, level=127):
    """The tight box of what is bright."""
    bright = image.mean(0) > level
    down, across = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    return np.array([across[0], down[0], across[-1] + 1, down[-1] + 1])


def test_scenes_are_a_function_of_seed_and_index():
    scenes = DigitScenes("test", 20)
    one, again, other = scenes[3], DigitScenes("test", 20)[3], DigitScenes("test", 20, seed=1)[3]
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.objects.boxes, again.objects.boxes)
    assert not np.array_equal(one.image, other.image)
    for k in range(20):
        image, objects = scenes[k]
        boxes = objects.boxes
        assert image.shape == (1, 128, 128) and image.dtype == np.uint8
        assert 1 <= len(boxes) <= 6 and objects.labels.min() >= 1 and objects.labels.max() <= 10
        assert (boxes >= 0).all() and (boxes <= 128).all()
        assert (boxes[:, 2:] - boxes[:, :2]).max(1).min() >= 10


def test_scenes_to_learn_from_are_new_every_epoch_and_repeatable():
    def epoch(number):
        loader = detection_loader(DetectionBatches(DigitScenes("train", 8), buckets(128)), 4, 5)
        loader.set_epoch(number)
        return [batch[0].numpy() for batch in loader]

    first, again, second = epoch(0), epoch(0), epoch(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a in first for b in second)


def test_enlarging_is_pytorchs_bilinear():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((2, 5, 7)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.tensor(x)[None], size=(9, 16), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(enlarged(x, (9, 16)), wanted[0].numpy(), atol=1e-5)
    smaller = torch.nn.functional.interpolate(
        torch.tensor(x)[None], size=(3, 4), mode="bilinear", align_corners=False, antialias=True
    )
    np.testing.assert_allclose(enlarged(x, (3, 4)), smaller[0].numpy(), atol=1e-5)


def test_standardised_channels_have_one_mean_and_deviation():
    image = np.random.default_rng(0).normal(90, 5, (3, 40, 50))
    image[1] *= 0.3
    image[2] = 17
    even = standardised(image)
    np.testing.assert_allclose(even[:2].mean((1, 2)), 127.5, atol=0.5)
    np.testing.assert_allclose(even[:2].std((1, 2)), 56, rtol=0.05)  # the ends are cut off
    assert even.dtype == np.float32 and (even[2] == 127.5).all()
    assert even.min() >= 0 and even.max() <= 255
    plain, same = (
        DetectionBatches(Squares(), buckets(64), standardise=s)[1] for s in (False, True)
    )
    assert np.array_equal(plain[2], same[2]) and np.array_equal(plain[1], same[1])
    inner = same[0][:, : int(same[1][0])]
    assert abs(inner.mean()) < 0.1 and plain[0].mean() < -0.5


def test_letterboxing_moves_boxes_with_the_image():
    image, objects = Squares()[1]
    out, moved, inner = letterboxed(image, objects, (64, 64))
    assert out.shape == (3, 64, 64) and inner == (32, 64)
    assert (out[:, 32:] == 127.5).all()
    assert np.abs(ink_box(out[:, :32]) - moved.boxes[0]).max() <= 1


@pytest.mark.parametrize("change", [mirrored, turned])
def test_flips_take_the_boxes_along(change):
    image, objects = change(*Squares()[2])
    np.testing.assert_array_equal(ink_box(image), objects.boxes[0])


def test_augmented_boxes_stay_on_their_objects():
    augmentation = Augmentation("xy", (0.6, 1.6), 0.1)
    seen = 0
    for index in range(40):
        image, objects = augmentation(*Squares()[0], Draws(0, 0, np.array([index])))
        assert image.shape[1:] == (40, 40)
        if len(objects.boxes):
            seen += 1
            assert np.abs(ink_box(image, 160) - objects.boxes[0]).max() <= 1.5
    assert seen > 25


def test_turned_colours_leave_greys_and_come_back():
    grey = np.full(3, 90, np.float32)
    matrix = colours_turned(1.1, 0.4)
    np.testing.assert_allclose(matrix @ grey, grey, rtol=1e-5)
    third = colours_turned(2 * np.pi / 3, 1)
    np.testing.assert_allclose(third @ [1, 0, 0], [0, 1, 0], atol=1e-6)
    there_and_back = colours_turned(-1.1, 1 / 0.4) @ matrix
    np.testing.assert_allclose(there_and_back, np.eye(3), atol=1e-5)


def test_colours_change_and_stay_within_their_range():
    image = np.zeros((3, 8, 8), np.uint8)
    image[1] = 200
    some = objects_of([[1, 1, 5, 5]], [1])
    augmentation = Augmentation("", (1, 1), 0, 0.8)
    seen = [augmentation(image, some, Draws(0, 0, np.array([k])))[0] for k in range(20)]
    assert all(each.min() >= 0 and each.max() <= 255 for each in seen)
    assert len({int(each[:, 0, 0].argmax()) for each in seen}) > 1
    same, _ = Augmentation("", (1, 1), 0)(image, some, Draws(0, 0, np.array([0])))
    assert np.array_equal(same, image)


def test_colours_go_ways_of_their_own():
    image = np.zeros((3, 8, 8), np.uint8)
    image[1, :, :4], image[2, :, 4:] = 200, 100
    colours = np.array([[0, 200, 0], [0, 0, 100]])
    moved = repainted(image, colours, np.array([[9, -9, 0], [0, 0, 50]]), 20)
    np.testing.assert_allclose(moved[:, 0, 0], [9, 191, 0], atol=1e-3)
    np.testing.assert_allclose(moved[:, 0, 7], [0, 0, 150], atol=1e-3)
    # Halfway between two colours, by the mean of both ways.
    between = repainted(
        np.array([0, 100, 50]).reshape(3, 1, 1),
        colours,
        [[9, -9, 0], [0, 0, 50]] * np.ones((2, 3)),
        20,
    )
    np.testing.assert_allclose(between.ravel(), [4.5, 95.5, 75], atol=1e-3)

    some = objects_of([[1, 1, 5, 5]], [1])
    noise = np.random.default_rng(0).integers(60, 200, (3, 16, 16)).astype(np.uint8)

    def seen(**options):
        augmentation = Augmentation("", (1, 1), 0, **options)
        return [augmentation(noise, some, Draws(0, 0, np.array([k])))[0] for k in range(20)]

    brightness = noise.mean(0)
    for each in seen(hues=15):
        np.testing.assert_allclose(each.mean(0), brightness, atol=1e-3)
    assert len({float(each.std()) for each in seen(hues=15)}) == 20
    for each in seen(shades=15):
        # All channels of a pixel by the same amount.
        change = each - noise
        assert np.ptp(change, 0).max() < 1e-3 < np.ptp(change)
    assert all(x.min() >= 0 and x.max() <= 255 for x in seen(hues=200, shades=200))


def test_other_colours_are_standardised_too():
    image = np.random.default_rng(0).integers(0, 256, (3, 24, 24)).astype(np.uint8)
    some = objects_of([[1, 1, 5, 5]], [1])
    augmentation = Augmentation("xy", (1, 1), 0, 0.5, 40, 20)
    for k in range(8):
        seen, _ = augmentation(image, some, Draws(0, 0, np.array([k])), standardise=True)
        np.testing.assert_allclose(seen.mean((1, 2)), 127.5, atol=1)
        np.testing.assert_allclose(seen.std((1, 2)), 56, rtol=0.03)


def test_what_is_hardly_in_a_window_is_left_out():
    objects = objects_of([[0, 0, 10, 10], [8, 0, 18, 10]], [1, 2])
    assert within(objects, (0, 8), (10, 10)).labels.tolist() == [2]
    assert within(objects, (0, 6), (10, 10)).labels.tolist() == [1, 2]


def test_buckets():
    sizes = buckets(100)
    assert sizes[0] == (128, 128) and all(s % 32 == 0 for size in sizes for s in size)
    assert sizes[bucket_of((50, 50), sizes)] == (128, 128)
    upright, lying = (sizes[bucket_of(size, sizes)] for size in ((90, 30), (30, 90)))
    assert upright == (128, 96) and lying == (96, 128)


def test_batches_have_few_shapes_and_hold_every_image():
    batches = DetectionBatches(Squares(), buckets(64))
    assert {batches.sizes[k] for k in batches.bucket} == {(64, 64), (64, 64), *batches.sizes[1:]}
    sampler = BucketSampler(batches.bucket, 2, seed=1)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        lists = list(sampler)
        assert len(lists) == len(sampler) and all(len(each) == 2 for each in lists)
        assert {k for each in lists for k in each} == set(range(5))
        assert all(len(set(batches.bucket[each])) == 1 for each in lists)
    for images, sizes, objects, labels, _ in detection_loader(batches, 2, 0):
        assert images.shape[:2] == (2, 3) and objects.shape == (2, 16, 4)
        assert (labels.numpy() > 0).sum() == 2
        assert (sizes.numpy() <= np.array(images.shape[2:])).all()


def test_an_image_that_cannot_be_read_is_named_once_and_replaced():
    batches = DetectionBatches(Squares(broken=(2,)), buckets(64))
    with pytest.warns(DetectionWarning, match="image 2 is broken"):
        replaced = batches[2]
    assert replaced[3][0] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches[2]
    with pytest.raises(DataError, match="None of the 5"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        DetectionBatches(Squares(broken=range(5)), buckets(64))[0]

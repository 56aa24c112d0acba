"""Pieces of other images set down in an image: where, which, and that their boxes are theirs."""

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError, DataError
from chainrule.data.detection import DetectionBatches, DetectionDataset, DetectionWarning, Sample
from chainrule.data.detection.pasting import Pasting
from chainrule.data.detection.samples import Objects, objects_of
from chainrule.data.random import Draws


class Plates(DetectionDataset):
    """Light plates (label 1) and dark ones (label 2) on grey ground with a texture of its own."""

    classes = ("light", "dark")

    def __len__(self):
        return 6

    def size(self, index):
        return (120, 120)

    def most_objects(self):
        return 2

    def __getitem__(self, index):
        image = np.full((3, 120, 120), 100 + index, np.uint8)
        image[:, 10:30, 20:45], image[:, 60:90, 70:90] = 250, 10
        return Sample(image, objects_of([[20, 10, 45, 30], [70, 60, 90, 90]], [1, 2]))


def draws(k):
    return Draws(3, 0, np.array([k]))


def empty():
    return np.full((3, 120, 120), 50, np.uint8), objects_of([], [])


def test_pasted_objects_lie_in_their_boxes():
    data, kinds, untouched = Plates(), set(), 0
    pasting = Pasting(data.__getitem__, len(data), 8)
    for k in range(60):
        before, none = empty()
        image, objects = pasting(before, none, draws(k))
        assert (before == 50).all()
        if image is before:
            untouched += 1
            continue
        assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 255
        outside = np.ones((120, 120), bool)
        for box, label in zip(objects.boxes.astype(int), objects.labels, strict=True):
            x0, y0, x1, y1 = box
            middle = image[0, (y0 + y1) // 2, (x0 + x1) // 2]
            assert middle > 200 if label == 1 else middle < 20
            kinds.add((int(label), x1 - x0 > y1 - y0))
            outside[y0:y1, x0:x1] = False
        # What is elsewhere is ground, which may have a tenth of an object at its edge.
        strange = (image[0] < 40) | (image[0] > 130)
        assert (strange & outside).sum() < 8 * 0.1 * 50 * 31
        assert not objects.ignored.any()
    assert kinds == {(1, True), (1, False), (2, True), (2, False)}
    assert 4 <= untouched <= 24


def test_boxes_end_where_half_of_the_piece_is_seen():
    """Along the middle of the light plates, row and column, on ground of one value."""
    data, seen = Plates(), []
    pasting = Pasting(data.__getitem__, len(data), 2)
    for k in range(150):
        image, objects = pasting(*empty(), draws(k))
        for box in objects.boxes[(objects.labels == 1) & (len(objects.labels) == 1)]:
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            light = image[0] - 50 > (image[0, y, x] - 50) / 2
            lit = light[y].sum(), light[:, x].sum()
            seen.append((box[2:] - box[:2]) - lit)
    assert len(seen) > 20
    assert np.abs(seen).max() < 2.1 and np.abs(np.mean(seen, 0)).max() < 0.5


def test_pieces_hide_no_object():
    data = Plates()
    pasting = Pasting(data.__getitem__, len(data), 14)
    for k in range(30):
        image, objects = data[0]
        pasted, every = pasting(image, objects, draws(k))
        assert np.array_equal(every.boxes[:2], objects.boxes)
        assert len(every.labels) <= 2 + 14
        for x0, y0, x1, y1 in objects.boxes.astype(int):
            same = np.abs(pasted[:, y0:y1, x0:x1] - image[:, y0:y1, x0:x1]).max(0) < 1
            assert same.mean() >= 0.8 - 14 * 0.2 * 0.25
        sides = every.boxes[:, 2:] - every.boxes[:, :2]
        for k1 in range(len(sides)):
            low = np.maximum(every.boxes[k1, :2], every.boxes[:, :2])
            both = np.clip(np.minimum(every.boxes[k1, 2:], every.boxes[:, 2:]) - low, 0, None)
            share = both.prod(1) / sides[k1].prod()
            assert np.delete(share, k1).max(initial=0) <= 0.2 + 1e-6


def test_on_made_up_ground_there_is_only_what_was_pasted():
    data = Plates()
    pasting = Pasting(data.__getitem__, len(data), 10, made=1.0)
    grounds, counts = [], []
    for k in range(30):
        image, objects = pasting(*data[0], draws(k))
        counts.append(len(objects.labels))
        assert not {(20, 10, 45, 30), (70, 60, 90, 90)} & set(map(tuple, objects.boxes.tolist()))
        assert image.shape == (3, 120, 120) and image.min() >= 0 and image.max() <= 255
        grounds.append(float(image.std()))
    assert max(counts) > 4 and len(set(grounds)) == 30


class Reds(Plates):
    def __getitem__(self, index):
        image, objects = super().__getitem__(index)
        image[0, image[0] == 10] = 150
        return Sample(image, objects)


def test_recoloured_pieces_are_where_and_what_they_were():
    data = Reds()
    plain, other = (
        Pasting(data.__getitem__, len(data), 10, recoloured=share) for share in (0.0, 1.0)
    )
    seen = {False: [], True: []}
    for k in range(40):
        (_, once), (_, again) = plain(*empty(), draws(k)), other(*empty(), draws(k))
        np.testing.assert_array_equal(once.boxes, again.boxes)
        np.testing.assert_array_equal(once.labels, again.labels)
        for pasting in (plain, other):
            image, objects = pasting(*empty(), draws(k))
            assert image.min() >= 0 and image.max() <= 255
            for x0, y0, x1, y1 in objects.boxes[objects.labels == 2].astype(int):
                seen[pasting is other].append(image[:, (y0 + y1) // 2, (x0 + x1) // 2])
    before, after = (np.array(seen[key]) for key in (False, True))
    # Dark red, up to 15% lighter or darker, against up to 50 more or less, and grey to red.
    assert np.ptp(before.mean(1)) < 20 < 60 < np.ptp(after.mean(1))
    assert np.ptp(before[:, 0] - before[:, 2]) < 50
    assert (after[:, 0] - after[:, 2]).min() < 30 and (after[:, 0] > after[:, 2]).all()


def test_grey_images_have_pieces_in_another_light_only():
    class Grey(Plates):
        def __getitem__(self, index):
            image, objects = super().__getitem__(index)
            return Sample(image[:1], objects)

    data = Grey()
    pasting = Pasting(data.__getitem__, len(data), 8, recoloured=1.0)
    image, _ = pasting(np.full((1, 120, 120), 50, np.uint8), objects_of([], []), draws(2))
    assert image.shape == (1, 120, 120) and image.dtype == np.float32
    plain = Pasting(data.__getitem__, len(data), 8)
    before, _ = plain(np.full((1, 120, 120), 50, np.uint8), objects_of([], []), draws(2))
    assert (image != before).any() and ((image == 50) == (before == 50)).mean() > 0.9


@pytest.mark.parametrize("made", [0.0, 1.0])
def test_the_same_numbers_paste_the_same(made):
    data = Plates()
    pasting = Pasting(data.__getitem__, len(data), 8, made)
    first, second = (pasting(*empty(), draws(5)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1].boxes, second[1].boxes)


def test_what_touches_the_edge_or_is_ignored_or_small_is_not_cut_out():
    image = np.full((3, 120, 120), 90, np.uint8)
    boxes = [[0, 10, 30, 40], [60, 60, 90, 90], [40, 40, 50, 80]]
    sample = Sample(image, Objects(np.array(boxes, np.float32), np.ones(3, np.int64),
                                   np.array([False, True, False])))  # fmt: skip
    pasting = Pasting(lambda _: sample, 1, 8)
    for k in range(10):
        shown, objects = pasting(*empty(), draws(k))
        assert not len(objects.labels) and (shown == 50).all()


def test_batches_have_places_for_what_is_pasted():
    data = Plates()
    batches = DetectionBatches(data, ((128, 128),), pasted=20)
    assert batches.places == 32
    counts = {int((batches[k % 6][3] > 0).sum()) for k in range(20)}
    assert max(counts) > 4
    with pytest.raises(ArgumentError, match="most"):
        DetectionBatches(data, ((128, 128),), pasted=1)
    with pytest.raises(ArgumentError, match="recoloured"):
        DetectionBatches(data, ((128, 128),), pasted=2, recoloured=1.5)


def test_images_that_cannot_be_read_lend_nothing():
    class Broken(Plates):
        def __getitem__(self, index):
            if index != 2:
                raise DataError(f"image {index} is broken.")
            return super().__getitem__(index)

    batches = DetectionBatches(Broken(), ((128, 128),), pasted=6)
    with pytest.warns(DetectionWarning, match="is broken"):
        assert sum(int((batches[0][3] > 0).sum()) for _ in range(8)) > 16

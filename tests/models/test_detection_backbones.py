"""The small backbone with more blocks of each width, and normalisation image by image."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.models import detection
from chainrule.models.detection.pyramid import InstanceBatchNorm2d, SmallBody


def test_further_blocks_are_the_identity_at_first_and_are_learnt():
    cr.manual_seed(0)
    one = SmallBody((8, 16)).eval()
    three = SmallBody((8, 16), blocks=3).eval()
    # Stage 0 of `one` is block 0 of `three`, stage 1 block 3.
    places = {"stages.0.": "stages.0.", "stages.1.": "stages.3.", "stem.": "stem."}
    state = three.state_dict()
    for name, values in one.state_dict().items():
        start = next(p for p in places if name.startswith(p))
        state[places[start] + name[len(start) :]] = values
    three.load_state_dict(state)
    image = cr.rand(2, 3, 32, 48)
    ours, theirs = three(image), one(image)
    assert [tuple(m.shape) for m in ours.values()] == [(2, 8, 8, 12), (2, 16, 4, 6)]
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name].detach().numpy(), values.detach().numpy())

    three.train()
    sum(m.sum() for m in three(image).values()).backward()
    assert float(abs(three.stages[2].bn2.weight.grad).max()) > 0


def test_a_detector_takes_blocks_and_its_keys_stay_with_one():
    one, two = (detection.fasterrcnn_small(blocks=b).state_dict() for b in (1, 2))
    assert list(one) == list(detection.fasterrcnn_small().state_dict())
    assert len([n for n in two if n.endswith("bn2.weight")]) == 6
    with pytest.raises(ArgumentError, match="blocks"):
        detection.fasterrcnn_small(blocks=0)


def test_half_of_the_channels_forget_the_light_of_their_image():
    cr.manual_seed(1)
    norm = InstanceBatchNorm2d(5)
    x = cr.randn(3, 5, 6, 7)
    factor, shift = cr.rand(3, 5, 1, 1) + 0.5, cr.randn(3, 5, 1, 1)
    plain, lit = (norm(image).detach().numpy() for image in (x, x * factor + shift))
    np.testing.assert_allclose(lit[:, :2], plain[:, :2], atol=1e-4)
    np.testing.assert_allclose(plain[:, :2].mean((2, 3)), 0, atol=1e-6)
    assert (abs(lit[:, 2:] - plain[:, 2:]) > 0.1).any((1, 2, 3)).all()
    np.testing.assert_allclose(plain[:, 2:].mean((0, 2, 3)), 0, atol=1e-6)
    norm.eval()  # An image does not depend on those beside it.
    np.testing.assert_array_equal(norm(x[:1]).detach().numpy(), norm(x).detach().numpy()[:1])


def test_stages_that_normalise_by_image_are_the_first_ones():
    body = SmallBody((8, 16, 32), blocks=2, by_image=2)
    kinds = [type(block.bn1) is InstanceBatchNorm2d for block in body.stages]
    assert kinds == [True] * 4 + [False] * 2
    model = detection.fasterrcnn_small(blocks=2, by_image=2, fixed_size=(64, 64), num_classes=3)
    cr.manual_seed(2)
    images = [cr.rand(3, 64, 64), cr.rand(3, 64, 48)]
    targets = [
        {"boxes": cr.tensor([[4.0, 8.0, 40.0, 50.0]]), "labels": cr.tensor([label])}
        for label in (1, 2)
    ]
    batch = model.batch(images, targets)
    cr.manual_seed(3)  # Which anchors are looked at is drawn.
    glass = model.losses(*batch)
    cr.manual_seed(3)
    compiled = cr.compile(lambda *b: model.losses(*b))(*batch)
    for name, loss in glass.items():
        np.testing.assert_allclose(float(compiled[name]), float(loss), rtol=1e-4)

"""The small backbone with more than one block of each width."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.models import detection
from chainrule.models.detection.pyramid import SmallBody


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

"""The receptive field by formula and by gradient."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import models, nn
from chainrule.base.errors import ShapeError


def test_the_gradient_stays_in_the_field_of_the_formula_and_peaks_in_its_middle():
    layers = []
    for _ in range(5):
        layers += [nn.Conv2d(4, 4, 3), nn.ReLU()]
    model = nn.Sequential(*layers)
    field = models.effective_receptive_field(model, (4, 21, 21)).numpy()
    extent = models.summary(model, (4, 21, 21))[-1]["receptive_field"]
    seen = np.argwhere(field > 0)
    assert extent == 11 and (seen.max(0) - seen.min(0) + 1 <= extent).all()
    assert (seen.max(0) - seen.min(0) + 1 >= extent - 2).all()
    # Most of the field hardly counts.
    edge, middle = field[5, 5:16].mean(), field[9:12, 9:12].mean()
    assert field.max() == 1 and middle > 10 * edge


def test_one_convolution_sees_exactly_its_kernel():
    model = nn.Conv2d(2, 3, (3, 2), stride=2, dilation=(2, 1))
    field = models.effective_receptive_field(model, (2, 9, 8), place=(1, 2))
    rows, columns = np.nonzero(field.numpy())
    assert set(rows) == {2, 4, 6} and set(columns) == {4, 5}


def test_the_model_is_left_as_it_was_and_the_seed_decides():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Dropout(0.5))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    cr.manual_seed(3)
    before = cr.get_rng_state()
    first = models.effective_receptive_field(model, (1, 9))
    assert cr.equal(first, models.effective_receptive_field(model, (1, 9)))
    assert not cr.equal(first, models.effective_receptive_field(model, (1, 9), seed=1))
    assert model.training and cr.get_rng_state() == before
    assert all(cr.equal(v, state[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_place_outside_and_a_model_without_places_are_refused():
    with pytest.raises(ShapeError, match="place"):
        models.effective_receptive_field(nn.Conv2d(1, 1, 3), (1, 5, 5), place=(3, 0))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(25, 2))
    with pytest.raises(ShapeError, match="convolutional part"):
        models.effective_receptive_field(flat, (1, 5, 5))


def test_the_summary_does_not_guess_fields_of_uneven_layers():
    up = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 3, 2, 2), nn.Conv2d(3, 1, 1))
    rows = models.summary(up, (1, 8, 8))
    assert [row["receptive_field"] for row in rows] == [3, None, None]
    # 2·6·6 inputs, each into 3 kernels of 2×2.
    assert rows[1]["multiply_adds"] == 2 * 36 * 12

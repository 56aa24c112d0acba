"""The exponentially weighted moving average of the notes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.optim import ExponentialMovingAverage


@pytest.mark.parametrize("corrected", [True, False])
def test_it_is_the_weighted_sum_of_the_notes(corrected):
    values = np.random.default_rng(0).standard_normal(12)
    average = ExponentialMovingAverage(0.8, bias_correction=corrected)
    for t in range(1, 13):
        weights = 0.2 * 0.8 ** np.arange(t - 1, -1, -1)
        wanted = (weights * values[:t]).sum() / (1 - 0.8**t if corrected else 1)
        assert average.update(values[t - 1]) == pytest.approx(wanted, rel=1e-12)
    assert average.steps == 12


def test_the_correction_makes_a_constant_exact_and_beta_zero_the_last():
    average = ExponentialMovingAverage(0.99)
    assert [average.update(3.0) for _ in range(5)] == pytest.approx([3.0] * 5)
    last = ExponentialMovingAverage(0.0)
    assert [last.update(v) for v in (1.0, 5.0, 2.0)] == [1.0, 5.0, 2.0]


def test_tensors_and_arrays_are_neither_changed_nor_recorded():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    average = ExponentialMovingAverage(0.5)
    first = average.update(x)
    second = average.update(x * 3)
    assert not second.requires_grad and x.tolist() == [1, 2]
    np.testing.assert_allclose(first.numpy(), [1, 2])
    np.testing.assert_allclose(second.numpy(), (0.25 * 1 + 0.5 * 3) / 0.75 * np.array([1, 2]))


def test_it_resumes_and_resets():
    average = ExponentialMovingAverage()
    average.update(2.0)
    other = ExponentialMovingAverage()
    other.load_state_dict(average.state_dict())
    assert other.update(4.0) == average.update(4.0)
    assert "0.9" in repr(average)
    average.reset()
    with pytest.raises(ArgumentError, match="no value"):
        _ = average.value


def test_bad_beta():
    for beta in (1.0, -0.1, "x"):
        with pytest.raises(ArgumentError, match="beta"):
            ExponentialMovingAverage(beta)

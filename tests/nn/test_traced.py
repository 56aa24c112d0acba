"""Modules in a trace: each replay is a step of glass mode, bit for bit."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile import trace


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding="same"), nn.BatchNorm2d(3), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4, momentum=None),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, 5),
    )  # fmt: skip


def stepper(net):
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)

    def step(x, y):
        net.zero_grad()
        loss = loss_of(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        nn.utils.clip_grad_value_(net.parameters(), 0.2)
        with cr.no_grad():
            for p in net.parameters():
                p -= 0.5 * p.grad
        return loss

    return step


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_replay_equals_glass_bit_for_bit(dtype):
    cr.manual_seed(0)
    glass = lenet().to(dtype)
    traced = copy.deepcopy(glass)
    rng = np.random.default_rng(0)
    batches = [
        (cr.tensor(rng.normal(size=(6, 1, 8, 8))).to(dtype), cr.tensor(rng.integers(0, 5, 6)))
        for _ in range(4)
    ]
    program = trace(stepper(traced), *batches[0])
    step, results = stepper(glass), []
    for run in (step, program):
        cr.manual_seed(7)
        results.append([run(*batch).item() for batch in batches])
    assert results[0] == results[1]
    for (name, a), (_, b) in zip(
        glass.state_dict().items(), traced.state_dict().items(), strict=True
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
    assert traced[5].num_batches_tracked.item() == 4


def test_a_wrong_shape_in_a_trace_names_the_module():
    net = lenet()
    with pytest.raises(ValueError) as caught:
        trace(net, cr.ones(2, 2, 8, 8))
    assert "in module: 0 (Conv2d(1, 3" in caught.value.__notes__[0]

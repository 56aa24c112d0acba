"""What a compiled training step does not write: each store costs memory bandwidth."""

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.aligned import LINE

pytest.importorskip("llvmlite")


@pytest.fixture
def trained():
    cr.manual_seed(0)
    model = cr.nn.Sequential(cr.nn.Linear(40, 48), cr.nn.ReLU(), cr.nn.Linear(48, 64))
    optimizer = cr.optim.Adam(model.parameters())

    @cr.compile
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step(cr.randn(32, 40))
    return model, optimizer, step


def test_a_gradient_that_only_its_update_reads_is_not_written(trained):
    _, _, step = trained
    for nest in step.inspect("schedule").split("\n\n"):
        # A contraction's own value stands on both sides where it is written as it is.
        assert not re.search(r"(v\d+)\[[^]]*\] = \1$", nest, re.MULTILINE)


def test_a_weight_is_updated_in_its_place_though_the_input_gradient_reads_it(trained):
    _, _, step = trained
    assert ".copy" not in step.inspect("schedule")


def test_parameters_and_their_state_begin_at_a_cache_line(trained):
    model, optimizer, _ = trained
    large = [p for p in model.parameters() if p.numel() > 1024]
    assert large
    for p in large:
        arrays = [p.detach().numpy(), *(optimizer.state[p][k].numpy() for k in
                                        ("exp_avg", "exp_avg_sq"))]  # fmt: skip
        for array in arrays:
            assert array.__array_interface__["data"][0] % LINE == 0
            assert isinstance(array, np.ndarray) and array.flags.c_contiguous


def test_with_the_gradients_wanted_they_are_written():
    weight = cr.nn.Parameter(cr.ones(64, 64))
    optimizer = cr.optim.SGD([weight], lr=0.1)

    @cr.compile(keep_grads=True)
    def step(x):
        optimizer.zero_grad()
        loss = (x @ weight).sum()
        loss.backward()
        optimizer.step()
        return loss

    step(cr.ones(32, 64))
    assert (weight.grad == 32).all()


def test_columns_that_are_compared_in_pairs_are_read_side_by_side():
    """Corners of boxes lie four elements apart: they are brought together once."""
    low = cr.rand(40, 2)
    boxes = cr.cat([low, low + cr.rand(40, 2)], 1)
    compared = cr.compile(lambda a, b: (cr.ops.box_iou(a, b[:32]), cr.ops.nms_keep(a, a[:, 0])))
    iou, keep = compared(boxes, boxes)
    np.testing.assert_allclose(iou.numpy(), cr.ops.box_iou(boxes, boxes[:32]).numpy(), 1e-6)
    np.testing.assert_array_equal(keep.numpy(), cr.ops.nms_keep(boxes, boxes[:, 0]).numpy())
    pairs = 0
    for nest in re.split(r"\n(?=\S)", compared.inspect("schedule")):
        if re.search(r"for i\d+:40, (i\d+:1, )?i\d+:(32|40)\b", nest) and "divide" in nest:
            pairs += 1
            assert "4·" not in nest and "minimum(maximum(where(less" not in nest
    assert pairs == 2

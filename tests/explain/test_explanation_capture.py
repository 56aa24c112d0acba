"""What is kept, for how long, and what is said where nothing was."""

import gc
import importlib
import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, AutogradError, ShapeError
from chainrule.graph.modes import mode
from chainrule.ops.arrays import NUMPY


def net() -> nn.Sequential:
    cr.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_without_recording_the_tape_is_enough_before_backward():
    model, x = net(), cr.randn(5, 3)
    loss = model(x).square().mean()
    explanation = cr.explain(loss)
    loss.backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(explanation.gradient(name), parameter.grad.numpy())


def test_after_backward_the_error_says_what_to_write():
    loss = net()(cr.randn(5, 3)).square().mean()
    loss.backward()
    with pytest.raises(AutogradError, match=r"chainrule\.explain\.recording"):
        cr.explain(loss)


def test_recording_keeps_everything_past_backward_and_an_optimisers_step():
    model, x = net(), cr.randn(5, 3)
    optimizer = cr.optim.SGD(model.parameters(), lr=0.5)
    before = model[0].weight.detach().numpy().copy()
    with cr.explain.recording():
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
    explanation = cr.explain(loss)
    weight = explanation.find("0.weight")
    np.testing.assert_array_equal(weight.outputs[0].value, before)
    np.testing.assert_array_equal(weight.outputs[0].gradient, model[0].weight.grad.numpy())
    assert explanation.verify().right


def test_without_recording_a_step_in_between_is_noticed():
    model, x = net(), cr.randn(5, 3)
    loss = model(x).square().mean()
    loss.backward(retain_graph=True)
    cr.optim.SGD(model.parameters(), lr=0.5).step()
    with pytest.raises(AutogradError, match="overwritten"):
        cr.explain(loss)


def test_recording_tells_modules_and_source_lines():
    model, x = net(), cr.randn(5, 3)
    with cr.explain.recording():
        loss = model(x).square().mean()  # this line
    steps = list(cr.explain(loss).graph.operations)
    assert [(s.op_name, s.path, s.module_type) for s in steps[:3]] == [
        ("linear", "0", "Linear"), ("tanh", "1", "Tanh"), ("linear", "2", "Linear"),
    ]  # fmt: skip
    assert {s.source.file for s in steps} == {__file__}
    assert "# this line" in cr.explain(loss).to_text()


def test_nothing_stays_switched_on():
    with cr.explain.recording():
        assert mode.watch is not None
    assert mode.watch is None and mode.F is NUMPY
    with pytest.raises(ZeroDivisionError), cr.explain.recording():
        raise ZeroDivisionError
    assert mode.watch is None and mode.F is NUMPY


def test_what_is_not_asked_for_costs_nothing():
    capture = importlib.import_module("chainrule.explain.explanation.capture")
    model, x = net(), cr.randn(5, 3)
    gc.collect()
    before = len(capture._records)
    tracemalloc.start()
    try:
        loss = model(x).square().mean()
        loss.backward()
        taken = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    kept = taken.filter_traces([tracemalloc.Filter(True, capture.__file__)])
    assert len(capture._records) == before and not kept.statistics("filename")


def test_records_go_with_the_loss():
    capture = importlib.import_module("chainrule.explain.explanation.capture")
    model, x = net(), cr.randn(5, 3)
    gc.collect()
    before = len(capture._records)
    with cr.explain.recording():
        loss = model(x).square().mean()
    assert len(capture._records) > before
    del loss
    gc.collect()
    assert len(capture._records) == before


def test_recording_sees_into_compiled_functions_and_checkpoints():
    model, x = net(), cr.randn(5, 3)
    checkpoint = cr.utils.checkpoint.checkpoint
    with cr.explain.recording():
        losses = [
            cr.compile(model)(x).square().mean(),
            cr.compile(lambda x: model(x).square().mean())(x),
            checkpoint(model, x, use_reentrant=False).square().mean(),
        ]
    for loss in losses:
        names = [s.op_name for s in cr.explain(loss).graph.operations]
        assert names == ["linear", "tanh", "linear", "square", "mean"]
    with pytest.raises(AutogradError, match="keeps no graph"):
        cr.explain(cr.compile(model)(x).sum())


def test_recording_changes_no_number():
    x = cr.randn(20, 600)
    model = nn.Sequential(nn.Linear(600, 500), nn.ReLU(), nn.Linear(500, 3))
    plain = model(x).logsumexp(1).sum()
    plain.backward()
    expected = [p.grad.numpy().copy() for p in model.parameters()]
    model.zero_grad()
    with cr.explain.recording():
        loss = model(x).logsumexp(1).sum()
        loss.backward()
    assert float(loss) == float(plain)
    for p, g in zip(model.parameters(), expected, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g)


def test_an_input_that_the_tape_does_not_keep_is_said_to_be_unknown_or_is_recorded():
    def run():
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        return (w - cr.tensor([0.5, 0.25])).square().sum()

    kept = next(iter(cr.explain(run()).graph.operations))
    assert kept.inputs[1].value is None
    with cr.explain.recording():
        loss = run()
    step = next(iter(cr.explain(loss).graph.operations))
    assert step.inputs[1].value.tolist() == [0.5, 0.25]


def test_wrt_leaves_the_rest_out():
    a, b = cr.tensor(2.0, requires_grad=True), cr.tensor(3.0, requires_grad=True)
    f = a.exp() * b.sin()
    names = [s.op_name for s in cr.explain(f, wrt=a).graph.operations]
    assert names == ["exp", "multiply"]
    assert cr.explain(f, wrt={"first": a}).gradient("first") == cr.explain(f).gradient(a)


def test_the_package_is_a_function_and_still_a_package():
    from chainrule.explain import report
    from chainrule.explain.report import data

    assert callable(cr.explain) and report.__name__ == "chainrule.explain.report"
    assert data.ReportData and cr.explain.Explanation
    with pytest.raises(AttributeError):
        cr.explain.nothing_of_that_name  # noqa: B018


def test_errors():
    x = cr.randn(3, requires_grad=True)
    with pytest.raises(ArgumentError, match="not float"):
        cr.explain(1.0)
    with pytest.raises(AutogradError, match="anything that wrt names"):
        cr.explain(x.sum(), wrt=cr.randn(3, requires_grad=True))
    with pytest.raises(AutogradError, match="requires a gradient"):
        cr.explain(cr.ones(1))
    with pytest.raises(ShapeError, match=r"loss\.sum"):
        cr.explain(x * 2)
    with pytest.raises(ArgumentError, match="composite"):
        cr.explain(x.sum(), level="deep")
    with pytest.raises(AutogradError, match="nowhere"):
        cr.explain(x.sum()).entry("nowhere", 0)
    with pytest.raises(ArgumentError, match="none of its entries"):
        cr.explain(x.sum()).entry("x", 3)

"""`verify` finds what is wrong, names it, and is honest where a function has no derivative."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.text import speaking
from chainrule.explain.explanation.verify import verify


class Cube(cr.autograd.Function):
    """x³ with a gradient that forgets the factor 3."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * x


class Square(cr.autograd.Function):
    """x² with the right gradient, in NumPy."""

    @staticmethod
    def forward(ctx, x):
        ctx.x = x.detach().numpy()
        return cr.tensor(ctx.x**2)

    @staticmethod
    def backward(ctx, g):
        return cr.tensor(2 * ctx.x * g.numpy())


def test_a_wrong_custom_gradient_is_found_and_named():
    x = cr.tensor([1.0, -2.0, 0.5], requires_grad=True)
    with cr.explain.recording():
        loss = (Cube.apply(x.exp()) + Square.apply(x)).sum()
    explanation = cr.explain(loss)
    checked = explanation.verify()
    assert [explanation.find(i).op_name for i in checked.wrong] == ["Cube"]
    assert not checked.right
    assert "Cube is wrong" in explanation.to_text()
    assert "✗ Wrong: n" in explanation.to_text()
    statuses = {explanation.find(i).op_name: c.status for i, c in checked.checks.items()}
    assert statuses["Square"] == "right"


def test_a_custom_function_without_recording_is_not_judged():
    x = cr.tensor([1.0], requires_grad=True)
    y = x.exp()
    checked = cr.explain(Square.apply(y).sum()).verify()
    assert checked.right


def test_kinks_are_told_apart_from_mistakes():
    x = cr.tensor([0.0, 1.0, -1.0], requires_grad=True)
    loss = (x.relu() + x.abs()).sum()
    checked = cr.explain(loss).verify()
    statuses = [c.status for c in checked.checks.values()]
    assert checked.right and statuses.count("kink") == 2


def test_a_rule_of_its_own_is_no_mistake():
    x = cr.tensor([0.3, -2.0], requires_grad=True)
    explanation = cr.explain(cr.sign_ste(x).sum())
    checked = explanation.verify()
    assert checked.right and checked.count("rule") == 1


def test_numbers_that_were_changed_on_the_way_are_noticed():
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    explanation = cr.explain((w * w).sum())
    explanation.graph.steps[1].inputs[0].gradient[0] += 0.5
    assert not explanation.verify().right


@pytest.mark.parametrize("shape", [(), (1,), (0, 3)])
def test_shapes_at_the_edge(shape):
    x = cr.tensor(np.full(shape, 0.5), requires_grad=True)
    explanation = cr.explain((x.sigmoid() * x).sum())
    assert explanation.verify().right
    assert explanation.to_text() and explanation.to_dict()


def test_not_finite_values_are_shown():
    x = cr.tensor([-1.0, 0.0], requires_grad=True)
    explanation = cr.explain(x.log().sum())
    data = explanation.to_dict()
    assert data["value"] == "NaN"
    assert data["nodes"][1]["outputs"][0]["value"]["all"] == ["NaN", "-Infinity"]


def test_hooks_of_modules_are_passed_by():
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    calls = []
    model[0].register_full_backward_hook(lambda *args: calls.append(args))
    with cr.explain.recording():
        loss = model(cr.randn(3, 2, requires_grad=True)).sum()
    explanation = cr.explain(loss)
    assert [s.op_name for s in explanation.graph.operations] == ["linear", "tanh", "sum"]
    assert not calls and explanation.verify().right


def test_a_result_that_is_not_finite_speaks_against_no_rule():
    x = cr.tensor([float("nan"), 1.0], requires_grad=True)
    found = cr.explain((x * 2).sum()).verify()
    assert {c.status for c in found.checks.values()} == {"unknown"}


def test_large_inputs_are_checked_in_a_sample_and_that_is_said():
    w = cr.randn(30, 40, requires_grad=True)
    found = cr.explain((cr.randn(5, 30) @ w).square().sum()).verify()
    assert max(c.sampled for c in found.checks.values() if c.sampled) == (3, 1200)
    assert "in a sample of entries (at the least 3 of 1200)" in str(found)
    small = cr.explain(cr.tensor([1.0, 2.0], requires_grad=True).exp().sum()).verify()
    assert "sample" not in str(small)
    with speaking("zh"):
        assert "抽取部分元素" in str(found)


def test_ctrl_c_keeps_what_was_checked(capsys):
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    explanation = cr.explain(x.exp().sin().sum())
    calls = []

    def stop(done, count, step):
        calls.append((done, count, step.op_name))
        if done == 2:
            raise KeyboardInterrupt

    found = verify(explanation.graph, 0, stop)
    assert calls == [(0, 3, "exp"), (1, 3, "sin"), (2, 3, "sum")]
    assert len(found.checks) == 2 and len(found.left) == 1 and found.right
    assert "1 steps were left" in str(found)
    assert explanation.verify(progress=True).left == ()
    assert capsys.readouterr().err == ""  # nothing within the first second


def test_a_strong_bend_is_no_mistake():
    # Two values closer together than √ε: the third derivative is what differences see.
    x = cr.tensor([[1.0, 2.0], [1.0 + 3e-4, 2.0]], dtype=cr.float64, requires_grad=True)
    norm = nn.BatchNorm1d(2, eps=1e-8).double()
    found = cr.explain((norm(x) * cr.tensor([[1.0, 2.0], [3.0, 5.0]]).double()).sum()).verify()
    assert found.right, [found.checks[i].text for i in found.wrong]

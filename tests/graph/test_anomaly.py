"""`detect_anomaly`: the first operation that makes a NaN or an infinity, and what was behind it."""

import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.autograd import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from chainrule.base.errors import AnomalyError, ChainruleError, TraceError
from chainrule.compile import CompileWarning
from chainrule.graph.modes import mode
from chainrule.nn import functional as F
from chainrule.ops.arrays import NUMPY


def leaf(values):
    return cr.tensor(values, requires_grad=True)


def found(program, check_inf=False):
    with pytest.raises(AnomalyError) as caught, detect_anomaly(check_inf=check_inf):
        program()
    assert mode.anomaly is None and mode.F is NUMPY
    return caught.value


def line_of(program, words):
    lines, first = inspect.getsourcelines(program)
    (number,) = (first + i for i, line in enumerate(lines) if words in line)
    return f"test_anomaly.py line {number}"


# ---- forward -------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [True, False])
def test_the_first_operation_the_entry_and_the_numbers(recorded):
    def program():
        x = cr.tensor([[1.0, 2.0], [3.0, -1.0]], requires_grad=recorded)
        y = 2 * x
        return (y.log() + 1).sum()

    error = found(program)
    assert str(error).startswith("log at x[1, 1] = -2.0 gave nan\n")
    assert line_of(program, "y.log()") in str(error)
    assert (error.phase, error.operation, error.entry) == ("forward", "log", (1, 1))
    assert error.place.function == "program"
    assert isinstance(error, ChainruleError) and isinstance(error, FloatingPointError)


def test_broadcast_inputs_are_named_by_their_own_entry():
    with cr.no_grad():
        error = found(lambda: cr.tensor([[1.0, 0.0], [2.0, 3.0]]) / cr.tensor([1.0, 0.0]))
    assert "divide at x[0, 1] = 0.0, o[1] = 0.0 gave nan" in str(error)
    assert "cr.where(o == 0, 0.0, x / cr.where(o == 0, 1.0, o))" in str(error)


def test_where_the_infinity_came_from():
    def program():
        x = leaf([[100.0, 1.0], [0.0, 1.0]])
        e = x.exp()
        scaled = e[:, :1] * 2
        return scaled - scaled

    text = str(found(program))
    assert "subtract at x[0, 0] = inf, o[0, 0] = inf gave nan" in text
    assert "the infinity comes from: exp at x[0, 0] = 100.0 gave inf" in text
    assert line_of(program, "x.exp()") in text
    assert "amax" in text  # what would have been finite there
    given = str(found(lambda: cr.tensor([np.inf]) - cr.tensor([np.inf])))
    assert "the infinity was there before" in given


def test_a_logarithm_of_softmax_becomes_one_step():
    z = leaf([[0.0, 200.0, 1.0]])
    p = None

    def program():
        nonlocal p
        p = F.softmax(z, dim=-1)
        return -(p * p.log()).sum()

    for check_inf, operation in ((False, "multiply"), (True, "log")):
        error = found(program, check_inf)
        assert error.operation == operation and "F.log_softmax(z, dim=-1)" in str(error)
    picked = found(lambda: F.softmax(z, dim=-1).log()[0, 1].backward())
    assert picked.phase == "backward" and "F.log_softmax(z, dim=-1)" in str(picked)
    assert "F.logsigmoid(z)" in str(found(lambda: (z - 200).sigmoid().log(), True))


def test_an_operation_that_takes_many_numbers_says_their_range():
    error = found(lambda: cr.tensor([[1.0, 2.0], [np.inf, 1.0]]) @ cr.tensor([[0.0, 1.0], [1, 1]]))
    assert "matmul gave nan at [1, 0] of its result" in str(error)
    assert "from 1 to inf, inf at [1, 0]" in str(error)
    assert "x.std(correction=0)" in str(found(lambda: leaf([1.0]).std()))
    masked = cr.tensor([[-np.inf, -np.inf], [1.0, 2.0]])
    assert "finfo" in str(found(lambda: F.softmax(masked, dim=1)))


def test_what_is_no_anomaly():
    with detect_anomaly(check_inf=True):
        cr.full((2,), float("nan"))
        cr.tensor([np.nan, 1.0]).nan_to_num() * 2
        cr.tensor([np.nan, 1.0]).log()  # it came in
        cr.tensor([1.0, 2.0]).masked_fill(cr.tensor([True, False]), -np.inf).softmax(0)
        cr.tensor([1.0, 2.0]).argmax()
    with detect_anomaly():
        cr.tensor([0.0]).log()  # an infinity, not asked for
    with detect_anomaly(check_nan=False):
        cr.tensor([-1.0]).log()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        return self.head((self.body(x) - 5).sqrt())


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Net()

    def forward(self, x):
        return self.inner(x)


def test_the_module_is_named():
    error = found(lambda: Outer()(cr.tensor([[1.0, 2.0]])))
    assert error.place.module == "inner (Net)"
    assert any("inner (" in note for note in error.__notes__)


# ---- backward ------------------------------------------------------------------------------------


def test_the_slope_that_is_infinite():
    x = leaf([0.0, 4.0])

    def program():
        root = x.sqrt()
        cr.where(x > 0, root, 0.0 * x).sum().backward()

    text = str(found(program))
    assert text.startswith(
        "the backward of sqrt gave nan at x[0] = 0.0: the slope there is inf, times an upstream "
        "gradient of 0.0"
    )
    assert line_of(program, "x.sqrt()") in text and "(x + 1e-12).sqrt()" in text
    assert x.grad is None
    whole = found(lambda: x.sqrt().sum().backward(), check_inf=True)
    assert "gave inf at x[0] = 0.0" in str(whole) and whole.phase == "backward"


def test_a_gradient_of_a_gradient():
    x = leaf([0.0, 1.0])
    error = found(lambda: cr.autograd.grad((x.sqrt() * 0).sum(), x, create_graph=True))
    assert (error.operation, error.phase) == ("sqrt", "backward")


def test_infinite_gradients_that_cancel():
    def program(x):
        root = x.sqrt()
        (root - (x * 1.0).sqrt()).sum().backward()

    for start in (lambda: leaf([0.0]), lambda: leaf([0.0]) * 2):
        text = str(found(lambda start=start: program(start())))
        assert "cancel as inf - inf" in text and "first infinite in the backward of sqrt" in text


def test_a_nan_of_the_data_that_reaches_a_gradient():
    text = str(found(lambda: (cr.tensor([1.0, np.nan]) * leaf([1.0, 2.0])).sum().backward()))
    assert "the backward of multiply gave nan at o[1] = 2.0" in text
    assert "its inputs held a NaN before" in text


def test_a_forward_outside_is_said_to_be_so():
    y = (leaf([0.0]).sqrt() * 0).sum()
    assert "ran outside detect_anomaly" in str(found(y.backward))


def test_custom_functions_and_checkpoints():
    class Broken(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return cr.full(g.shape, float("nan"))

    error = found(lambda: Broken.apply(leaf([1.0])).sum().backward())
    assert error.operation == "Broken" and "program" not in str(error)
    part = lambda x: x.sqrt() * 0  # noqa: E731
    error = found(lambda: cr.autograd.checkpoint(part, leaf([0.0])).sum().backward())
    assert error.operation == "sqrt"


# ---- the mode ------------------------------------------------------------------------------------


def test_turned_on_and_off():
    assert not is_anomaly_enabled()
    set_detect_anomaly(True)
    assert is_anomaly_enabled()
    with pytest.raises(AnomalyError):
        cr.tensor([-1.0]).log()
    with set_detect_anomaly(False):
        assert not is_anomaly_enabled() and mode.F is NUMPY
    assert is_anomaly_enabled()
    with detect_anomaly():
        pass
    set_detect_anomaly(False)
    assert mode.anomaly is None and mode.F is NUMPY


@pytest.mark.parametrize("first", ["anomaly", "recording"])
def test_together_with_the_recording_of_an_explanation(first):
    x = leaf([4.0, 9.0])
    one, two = detect_anomaly(), cr.explain.recording()
    one, two = (one, two) if first == "anomaly" else (two, one)
    with one, two:
        loss = x.sqrt().sum()
        loss.backward()
        with pytest.raises(AnomalyError):
            (-x).log()
    assert cr.explain(loss).verify() and x.grad.tolist() == pytest.approx([0.25, 1 / 6])
    assert mode.anomaly is None and mode.watch is None and mode.F is NUMPY


def test_the_same_numbers_as_without():
    def step():
        cr.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten())
        loss = F.cross_entropy(net(cr.randn(4, 1, 6, 6)), cr.tensor([0, 1, 2, 3]))
        loss.backward()
        return [loss.item(), *(p.grad.numpy() for p in net.parameters())]

    plain = step()
    with detect_anomaly(check_inf=True):
        watched = step()
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_compiled_functions_run_in_glass_mode_inside():
    compiled = cr.compile(lambda x: x.log() * 2)
    assert compiled(cr.tensor([1.0])).item() == 0
    with pytest.warns(CompileWarning, match="glass mode inside") as caught:
        for _ in range(2):
            found(lambda: compiled(cr.tensor([-1.0])))
    assert len(caught) == 1

    def inside(x):
        with detect_anomaly():
            return x * 2

    with pytest.raises(TraceError, match="around the call"):
        cr.compile(inside)(cr.tensor([1.0]))


def test_texts_in_chinese():
    cr.set_language("zh")
    try:
        assert "处得到 nan" in str(found(lambda: cr.tensor([-1.0]).log()))
    finally:
        cr.set_language(None)

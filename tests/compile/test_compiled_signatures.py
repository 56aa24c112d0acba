"""What a compiled program depends on, and what of the memory around it it reads and writes."""

import copy
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import AutogradError, TraceError
from chainrule.compile import CompileWarning, compiled

_spec = importlib.util.spec_from_file_location("pairs", Path(__file__).with_name("pairs.py"))
pairs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pairs)
Pair, cnn, mlp = pairs.Pair, pairs.cnn, pairs.mlp


@pytest.fixture(autouse=True)
def replay(monkeypatch, reference):
    """Bit for bit is the promise of the replay; native code has tests of its own."""
    monkeypatch.setenv("CHAINRULE_BACKEND", "replay")


# ---- signatures -----------------------------------------------------------------------------


def test_shapes_modes_and_values_each_have_a_program():
    pair = Pair(cnn)
    pair.run(2)
    pair.run(2, n=3)
    assert pair.compiled.stats()["compiled"] == 2
    for model in pair.models:
        model[2].eval()
    pair.run(2)
    for model in pair.models:
        model.train()
    pair.run(2)
    assert pair.compiled.stats()["compiled"] == 3

    @cr.compile
    def power(x, n, flag=False):
        return x**n if flag else -(x**n)

    x = cr.tensor([2.0])
    assert [power(x, 2).item(), power(x, 3).item(), power(x, 2, flag=True).item()] == [-4, -8, 4]
    assert power(x, True).item() == -2 and power.stats()["compiled"] == 4


def test_grad_mode_dtype_and_frozen_parameters_are_part_of_the_signature():
    model = mlp()
    forward = cr.compile(model)
    x = cr.ones(2, 6)
    assert forward(x).requires_grad
    with cr.no_grad():
        assert not forward(x).requires_grad
    assert cr.equal(forward(x), model(x))
    for p in model.parameters():
        p.requires_grad_(False)
    assert not forward(x).requires_grad
    model.double()
    assert forward(x.double()).dtype is cr.float64


def test_new_arrays_of_the_same_kind_are_used():
    model = mlp()
    forward = cr.compile(model)
    x = cr.ones(2, 6)
    forward(x)
    model[0].weight.data = cr.randn(8, 6)
    assert cr.equal(forward(x), model(x))
    model.load_state_dict(mlp().state_dict())
    assert cr.equal(forward(x), model(x))
    assert forward.stats()["compiled"] == 1
    model[0].weight = nn.Parameter(cr.randn(8, 6))
    assert cr.equal(forward(x), model(x))
    model[2] = nn.Linear(8, 4)
    assert cr.equal(forward(x), model(x))
    model[1].register_forward_hook(lambda module, args, output: output * 2)
    assert cr.equal(forward(x), model(x))


def test_the_state_of_an_optimizer_may_be_loaded_between_steps():
    pair = Pair()
    pair.run(3)
    saved = copy.deepcopy(pair.optimizers[0].state_dict())
    weights = copy.deepcopy(pair.models[0].state_dict())
    pair.run(3)
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        model.load_state_dict(weights)
        optimizer.load_state_dict(saved)
    pair.run(3)
    assert pair.compiled.stats()["compiled"] == 1
    for optimizer in pair.optimizers:
        optimizer.state.clear()
    pair.run(3)


def test_variables_of_the_function_are_guarded():
    scale, tables = 2.0, [cr.ones(2)]

    @cr.compile
    def f(x):
        return x * scale + tables[0]

    assert f(cr.ones(2)).tolist() == [3, 3]
    scale = 5.0
    assert f(cr.ones(2)).tolist() == [6, 6]
    tables[0] = cr.zeros(2)
    assert f(cr.ones(2)).tolist() == [5, 5]


def test_a_method_sees_its_object():
    class Learner:
        factor = 1.0

        def __init__(self, factor):
            self.factor = factor

        @cr.compile
        def scaled(self, x):
            return x * self.factor

        def plain(self, x):
            return x * self.factor

    a, b = Learner(2.0), Learner(3.0)
    assert a.scaled(cr.ones(1)).item() == 2 and b.scaled(cr.ones(1)).item() == 3
    bound = cr.compile(a.plain)
    assert bound(cr.ones(1)).item() == 2
    a.factor = 7.0
    assert bound(cr.ones(1)).item() == 7 and a.scaled(cr.ones(1)).item() == 7


def test_ever_new_signatures_warn_once(monkeypatch):
    monkeypatch.setattr(compiled, "LIMIT", 3)
    double = cr.compile(lambda x: x * 2)
    with pytest.warns(CompileWarning) as caught:
        for n in range(1, 7):
            assert double(cr.ones(n)).shape == (n,)
    assert len(caught) == 1
    assert double.stats()["programs"] == 3
    double(cr.ones(6))
    assert double.stats()["compiled"] == 6, "the newest are kept"


def test_arguments_that_cannot_be_a_signature_are_refused():
    with pytest.raises(TraceError, match="Pass a tensor"):
        cr.compile(lambda x: x)(np.ones(3))


# ---- values and memory ----------------------------------------------------------------------


def test_results_keep_their_structure():
    w = cr.ones(2)

    @cr.compile
    def f(x, options):
        return {"a": (x + 1, [x * options["k"]]), "b": 7, "same": x, "state": w}

    x = cr.tensor([1.0, 2.0])
    out = f(x, {"k": 3})
    assert out["a"][0].tolist() == [2, 3] and out["a"][1][0].tolist() == [3, 6] and out["b"] == 7
    assert out["same"] is x and out["state"] is w
    first = out["a"][0]
    f(cr.zeros(2), {"k": 3})
    assert first.tolist() == [2, 3], "results are arrays of their own"


def test_arguments_may_be_written():
    @cr.compile
    def f(x):
        x.add_(1)
        x[0].mul_(10)
        x.detach().sub_(1)
        return x * 2

    x = cr.zeros(3)
    version = x._version
    assert f(x).tolist() == [18, 0, 0] and x.tolist() == [9, 0, 0]
    assert x._version > version


def test_a_write_through_detach_reaches_the_tensor_it_came_from():
    @cr.compile
    def f(x):
        y = x * 2
        y.detach().add_(1)
        return y

    assert f(cr.ones(2)).tolist() == [3, 3]


def test_the_same_tensor_twice_is_one_tensor():
    @cr.compile
    def f(x, y):
        x.add_(1)
        return x + y

    x = cr.ones(1)
    assert f(x, cr.ones(1)).item() == 3
    assert f(x, x).item() == 6


def test_an_argument_that_is_also_state_is_one_tensor():
    w = cr.ones(2)

    @cr.compile
    def f(x):
        w.add_(1)
        return x * 1

    assert f(cr.zeros(2)).tolist() == [0, 0]
    assert f(w).tolist() == [3, 3] and w.tolist() == [3, 3]
    assert f(w[:1]).tolist() == [4], "a view sees the update"
    with pytest.raises(TraceError, match="share memory"):
        f(cr.from_numpy(w.numpy()[:1]))


def test_updates_invalidate_what_glass_mode_saved():
    pair = Pair()
    pair.run()
    x, y = pair.batch()
    loss = nn.functional.cross_entropy(pair.models[1](x), y)
    pair.compiled(x, y)
    pair.optimizers[1].zero_grad()
    with pytest.raises(AutogradError, match="in-place"):
        loss.backward()


def test_views_made_before_the_trace_stay_real():
    base = cr.zeros(4)
    view = base[1:3]

    @cr.compile
    def f():
        base.add_(1)
        return view * 1

    assert [f().tolist() for _ in range(2)] == [[1, 1], [2, 2]]
    assert view.tolist() == [2, 2]


def test_a_history_written_in_a_trace_does_not_stay():
    w, hidden = cr.ones(2, requires_grad=True), cr.zeros(2)

    @cr.compile
    def f(x):
        hidden.copy_(w * x)
        return hidden * 1

    assert f(cr.ones(2)).tolist() == [1, 1]
    assert hidden.tolist() == [1, 1] and hidden.is_leaf

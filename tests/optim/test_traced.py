"""The same rules in a trace: each replay is a step, and reads the options afresh."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.base.errors import TraceError
from chainrule.compile import trace

RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "momentum_form": "average"}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.1, "amsgrad": True}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True, "eps_inside": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adamax", {"lr": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 2}),
    ("Rprop", {"lr": 0.1}),
    ("Adafactor", {"lr": 0.1}),
]


def build(name, options, dtype):
    rng = np.random.default_rng(0)
    w = cr.tensor(rng.standard_normal((4, 3))).to(dtype).requires_grad_()
    b = cr.tensor(rng.standard_normal(3)).to(dtype).requires_grad_()
    groups = [{"params": [w]}, {"params": [b], "lr": 0.3}]
    optimizer = getattr(optim, name)(groups, **options)

    def step(x):
        optimizer.zero_grad()
        loss = ((x @ w + b) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, optimizer, (w, b)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize(("name", "options"), RULES)
def test_replay_equals_glass_bit_for_bit(name, options, dtype):
    rng = np.random.default_rng(1)
    batches = [cr.tensor(rng.standard_normal((5, 4))).to(getattr(cr, dtype)) for _ in range(6)]
    glass, one, params = build(name, options, getattr(cr, dtype))
    step, other, traced = build(name, options, getattr(cr, dtype))
    program = trace(step, batches[0])
    assert other.state_dict()["state"] == {}
    for i, x in enumerate(batches):
        for optimizer in (one, other):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + i)
            if "betas" in optimizer.param_groups[1]:
                optimizer.param_groups[1]["betas"] = (0.9 - i / 10, 0.99)
        assert glass(x).item() == program(x).item()
        for p, q in zip(params, traced, strict=True):
            assert p.tolist() == q.tolist()
    mine, its = one.state_dict(), other.state_dict()
    assert repr(mine) == repr(its)


def test_a_loaded_state_reaches_the_traced_step():
    x = cr.ones(5, 4)
    glass, one, params = build("Adam", {}, cr.float32)
    for _ in range(3):
        glass(x)
    step, other, traced = build("Adam", {}, cr.float32)
    program = trace(step, x)
    program(x)
    other.load_state_dict(one.state_dict())
    with cr.no_grad():
        for p, q in zip(params, traced, strict=True):
            q.copy_(p)
    glass(x)
    program(x)
    assert [p.tolist() for p in params] == [q.tolist() for q in traced]


def test_options_that_need_another_formula_are_refused():
    x = cr.ones(5, 4)
    step, optimizer, traced = build("Adam", {}, cr.float32)
    program = trace(step, x)
    program(x)
    before = repr([traced, optimizer.state_dict()["state"]])
    optimizer.param_groups[1]["weight_decay"] = 0.1
    with pytest.raises(TraceError, match="trace it again"):
        program(x)
    assert repr([traced, optimizer.state_dict()["state"]]) == before


def test_muon_in_a_trace():
    rng = np.random.default_rng(0)
    x, value = cr.tensor(rng.standard_normal((5, 4))), rng.standard_normal((4, 3))
    results = []
    for compiled in (False, True):
        w = cr.tensor(value, requires_grad=True)
        optimizer = optim.Muon([w], lr=0.1)

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((x @ w) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = trace(step, x) if compiled else step
        for _ in range(4):
            run(x)
        results.append(w.tolist())
    assert results[0] == results[1]


@pytest.mark.parametrize("name", ["RMSprop", "NAdam", "RAdam", "ASGD", "Rprop", "Adafactor"])
def test_native_steps_equal_glass(name):
    rng = np.random.default_rng(1)
    batches = [cr.tensor(rng.standard_normal((5, 4)), dtype=cr.float32) for _ in range(8)]
    glass, _, params = build(name, {"lr": 0.1}, cr.float32)
    step, optimizer, compiled = build(name, {"lr": 0.1}, cr.float32)
    program = cr.compile(step)
    for x in batches:
        np.testing.assert_allclose(program(x).item(), glass(x).item(), rtol=2e-5)
    for p, q in zip(params, compiled, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert optimizer.state_dict()["state"][0]["step"].item() == 8


def test_lbfgs_says_that_it_cannot_be_compiled():
    x = cr.ones(3, requires_grad=True)
    optimizer = optim.LBFGS([x])
    with pytest.raises(TraceError, match="closure"):
        trace(lambda: optimizer.step(lambda: (x * x).sum()))

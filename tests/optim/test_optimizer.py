"""Parameter groups, gradients, closures, state dicts, refusals."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.base.errors import AutogradError


def leaf(*values):
    return cr.tensor(values or (1.0, 2.0), requires_grad=True)


def test_groups_inherit_defaults_and_keep_names():
    a, b = leaf(), leaf()
    optimizer = optim.AdamW([{"params": [("w", a)]}, {"params": [("b", b)], "weight_decay": 0}])
    first, second = optimizer.param_groups
    assert first["weight_decay"] == 1e-2 and second["weight_decay"] == 0
    assert first["params"] == [a] and second["param_names"] == ["b"]
    described = optimizer.state_dict()["param_groups"]
    assert [g["params"] for g in described] == [[0], [1]]
    assert described[0]["param_names"] == ["w"]
    assert "weight_decay: 0.01" in repr(optimizer)


def test_any_iterable_and_numpy_numbers():
    optimizer = optim.SGD((p for p in [leaf(), leaf()]), lr=np.float64(0.5))
    assert type(optimizer.param_groups[0]["lr"]) is float
    assert len(optimizer.param_groups[0]["params"]) == 2


p = leaf()
BAD = [
    ([], {}, "empty list"),
    (iter(()), {}, "call it again"),
    (p, {}, r"\[tensor\]"),
    ({p}, {}, "list of parameters"),
    ([{"params": {p}}], {}, "write a list"),
    ([{"lr": 1.0}], {}, "'params'"),
    ([p, p], {}, "given twice"),
    ([{"params": [p]}, {"params": [leaf(), p]}], {}, "1 is given twice"),
    ([p * 2], {}, r"detach\(\)\.requires_grad_"),
    ([np.ones(2)], {}, "parameter 0 is ndarray"),
    ([("w", p), leaf()], {}, "name to every parameter"),
    ([{"params": [("w", p)]}, {"params": [leaf()]}], {}, "names in every"),
    ([p], {"lr": -0.1}, "lr must be a number ≥ 0, got -0.1"),
    ([p], {"lr": float("nan")}, "lr"),
    ([p], {"lr": "fast"}, "lr"),
    ([{"params": [p], "momentum": -1}], {}, "momentum"),
    ([p], {"nesterov": True}, "Nesterov"),
    ([p], {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "Nesterov"),
    ([p], {"momentum_form": "mean"}, "momentum_form"),
    ([p], {"momentum_form": "average", "momentum": 0.9, "dampening": 0.1}, "dampening=0"),
]


@pytest.mark.parametrize(("params", "options", "says"), BAD)
def test_refusals_say_what_to_write(params, options, says):
    with pytest.raises((ValueError, TypeError), match=says) as caught:
        optim.SGD(params, **options)
    assert isinstance(caught.value, cr.ChainruleError)


@pytest.mark.parametrize("betas", [(0.9, 1.0), (-0.1, 0.9), 0.9, (0.9,), "ab", (0.9, None)])
def test_bad_betas(betas):
    with pytest.raises(ValueError, match="two numbers in"):
        optim.Adam([p], betas=betas)


def test_memory_that_cannot_be_written():
    fixed = np.ones(3)
    fixed.flags.writeable = False
    for data in (fixed, np.broadcast_to(np.ones(1), (3,))):
        tensor = cr.Tensor(data, requires_grad=True)
        tensor.grad = cr.ones(3, dtype=cr.float64)
        with pytest.raises(AutogradError, match="clone"):
            optim.SGD([tensor]).step()


def test_closure_runs_with_gradients():
    x = leaf(3.0)
    optimizer = optim.SGD([x], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with cr.no_grad():
        assert optimizer.step(closure).item() == 9
    assert x.item() == 1.5


def test_zero_grad():
    x, y = leaf(), leaf()
    optimizer = optim.SGD([x, y])
    x.grad = cr.ones(2)
    held = x.grad
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0, 0] and held.tolist() == [0, 0] and y.grad is None
    optimizer.zero_grad()
    assert x.grad is None


def test_no_gradient_no_step_no_state():
    x = leaf()
    optimizer = optim.Adam([x])
    optimizer.step()
    assert x.tolist() == [1, 2] and optimizer.state_dict()["state"] == {}


def test_a_step_warns_of_nothing():
    x = leaf(1e30, -1e38)
    optimizer = optim.Adam([x])
    x.grad = cr.tensor([np.inf, 1e38])
    optimizer.step()
    assert np.isnan(x.tolist()[0])


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_state_dict_resumes_bit_identically(name):
    rng = np.random.default_rng(0)
    options = {"momentum": 0.9, "dampening": 0.1} if name == "SGD" else {"amsgrad": True}

    def run(steps, x, optimizer):
        for g in steps:
            x.grad = cr.tensor(g)
            optimizer.step()
        return x

    value, grads = rng.standard_normal(5), rng.standard_normal((9, 5))
    build = getattr(optim, name)
    whole = cr.tensor(value, requires_grad=True)
    run(grads, whole, build([whole], **options))
    for cut in range(10):
        x = cr.tensor(value, requires_grad=True)
        optimizer = build([x], **options)
        run(grads[:cut], x, optimizer)
        y = cr.tensor(x.detach().numpy(), requires_grad=True)
        resumed = build([y], lr=7.0, **options)
        run(rng.standard_normal((2, 5)), cr.zeros(5).requires_grad_(), resumed)
        y.grad = cr.ones(5, dtype=cr.float64)
        resumed.step()
        with cr.no_grad():
            y.copy_(x)
        resumed.load_state_dict(optimizer.state_dict())
        assert run(grads[cut:], y, resumed).tolist() == whole.tolist()


def test_loading_keeps_tensors_and_dicts_and_copies():
    x = leaf()
    optimizer, other = optim.Adam([x]), optim.Adam([leaf()])
    for o in (optimizer, other):
        o.param_groups[0]["params"][0].grad = cr.ones(2)
        o.step()
    group, mean = optimizer.param_groups[0], optimizer.state[x]["exp_avg"]
    other.param_groups[0]["lr"] = 3.0
    other.step()
    saved = other.state_dict()
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0] is group and group["lr"] == 3 and group["params"] == [x]
    assert optimizer.state[x]["exp_avg"] is mean and optimizer.state[x]["step"] == 2
    assert mean.tolist() == saved["state"][0]["exp_avg"].tolist()
    other.step()
    assert mean.tolist() != saved["state"][0]["exp_avg"].tolist()


def test_bad_state_dicts_change_nothing():
    x = leaf()
    optimizer = optim.Adam([x], lr=0.5)
    x.grad = cr.ones(2)
    optimizer.step()
    before = repr(optimizer.state_dict())
    good = optimizer.state_dict()
    group, state = good["param_groups"][0], good["state"][0]
    bad = [
        ({}, "state_dict"),
        ([1], "state_dict"),
        ({"state": {}, "param_groups": [group, group]}, "same groups"),
        ({"state": {}, "param_groups": [group | {"params": [0, 1]}]}, "same groups"),
        ({"state": {}, "param_groups": [group | {"lr": -1}]}, "lr"),
        ({"state": {7: state}, "param_groups": [group]}, "7"),
        ({"state": {0: state | {"exp_avg": cr.ones(3)}}, "param_groups": [group]}, "exp_avg"),
        ({"state": {0: {"exp_avg": cr.ones(2)}}, "param_groups": [group]}, "exp_avg_sq"),
        ({"state": {0: state | {"step": -1}}, "param_groups": [group]}, "-1 steps"),
    ]
    for saved, says in bad:
        with pytest.raises((ValueError, RuntimeError), match=says):
            optimizer.load_state_dict(saved)
        assert repr(optimizer.state_dict()) == before


def test_a_users_own_optimizer():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @cr.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for q in group["params"]:
                    self.state[q]["last"] = q.grad
                    q.sub_(q.grad.sign() * group["lr"])

    x = leaf()
    optimizer = Sign([x], 0.5)
    x.grad = cr.tensor([-3.0, 4.0])
    optimizer.step()
    assert x.tolist() == [1.5, 1.5]
    fresh = Sign([x], 0.1)
    fresh.load_state_dict(optimizer.state_dict())
    assert fresh.state[x]["last"].tolist() == [-3, 4] and fresh.param_groups[0]["lr"] == 0.5


class Halving(optim.Optimizer):
    """A rule without augmented assignments, as anybody would write it."""

    def __init__(self, params):
        super().__init__(params, {})

    def slots(self, group):
        return ("sum",)

    def numbers(self, group, step):
        return {"part": 1 / step}

    @staticmethod
    def update(F, p, g, state, *, part):
        total = state["sum"] + g
        return p - part * total, {"sum": total}


def test_a_purely_written_rule_is_copied_back():
    x = leaf()
    optimizer = Halving([x])
    for _ in range(2):
        x.grad = cr.ones(2)
        optimizer.step()
    assert x.tolist() == [-1, 0] and optimizer.state[x]["sum"].tolist() == [2, 2]

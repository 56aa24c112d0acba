"""A compiled step is the glass step: same numbers, same effects, and honest where it cannot be."""

import copy
import importlib.util
from pathlib import Path

import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, AutogradError, TraceError

_spec = importlib.util.spec_from_file_location("pairs", Path(__file__).with_name("pairs.py"))
pairs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pairs)
MODELS, OPTIMIZERS, Pair, mlp, training_step = (
    pairs.MODELS,
    pairs.OPTIMIZERS,
    pairs.Pair,
    pairs.mlp,
    pairs.training_step,
)


@pytest.fixture(autouse=True)
def replay(monkeypatch, reference):
    """Bit for bit is the promise of the replay; native code has tests of its own."""
    monkeypatch.setenv("CHAINRULE_BACKEND", "replay")


# ---- whole steps ----------------------------------------------------------------------------


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("build", MODELS)
def test_twenty_steps_equal_glass_to_the_bit(build, rule):
    pair = Pair(MODELS[build], OPTIMIZERS[rule])
    pair.run(20)
    assert pair.compiled.stats()["compiled"] == 1


def test_the_room_is_the_function_and_the_decorator():
    @cr.compile
    def double(x):
        return x * 2

    @cr.compile(keep_grads=True)
    def triple(x):
        return x * 3

    assert double(cr.ones(2)).tolist() == [2, 2] and triple(cr.ones(2)).tolist() == [3, 3]
    assert double.__name__ == "double"
    with pytest.raises(ArgumentError):
        cr.compile(3)


def test_schedules_are_honoured_without_compiling_again():
    pair = Pair(rule=OPTIMIZERS["momentum"])
    schedules = [optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=30) for o in pair.optimizers]
    for _ in range(10):
        pair.run()
        for schedule in schedules:
            schedule.step()
    assert pair.compiled.stats()["compiled"] == 1


def test_a_schedule_inside_is_refused_and_counts_nothing():
    model = mlp()
    optimizer = optim.SGD(model.parameters(), 0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)

    @cr.compile
    def step(x):
        schedule.step()
        return x

    with pytest.raises(TraceError, match="outside the compiled function"):
        step(cr.ones(2))
    assert schedule.last_epoch == 0


def test_clipping_and_groups():
    def body(model, optimizer):
        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.3)
            nn.utils.clip_grad_value_(model.parameters(), 0.1)
            optimizer.step()
            return loss

        return step

    def rule(params):
        return optim.AdamW(
            [{"params": params[:2], "lr": 0.1}, {"params": params[2:], "weight_decay": 0.3}]
        )

    Pair(rule=rule, body=body).run(20)


CHANGES = {
    "sgd": {
        "lr": 0.3, "momentum": 0.5, "dampening": 0.2, "weight_decay": 0.2, "maximize": True,
    },
    "nesterov": {"nesterov": False, "momentum": 0.3},
    "momentum": {"momentum": 0.0, "weight_decay": 0},
    "average": {"momentum_form": "average", "momentum": 0.2, "dampening": 0},
    "adam": {
        "lr": 0.2, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.2, "amsgrad": True,
        "maximize": True, "bias_correction": False,
    },
    "adamw": {"weight_decay": 0, "lr": 0.05},
}  # fmt: skip


@pytest.mark.parametrize(("rule", "name"), [(r, n) for r, c in CHANGES.items() for n in c])
def test_every_option_of_an_optimizer_is_honoured_when_it_changes(rule, name):
    pair = Pair(rule=OPTIMIZERS[rule])
    pair.run(3)
    for optimizer in pair.optimizers:
        optimizer.param_groups[0][name] = CHANGES[rule][name]
    pair.run(4)


def test_a_group_that_is_added_takes_part():
    def body(model, optimizer):
        return training_step(model, optimizer)

    pair = Pair(rule=lambda p: optim.SGD(p[:2], 0.1), body=body)
    pair.run(2)
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        optimizer.add_param_group({"params": list(model.parameters())[2:], "lr": 0.4})
    before = pair.models[1][2].weight.clone()
    # Their gradients gathered while no group had them, in both modes alike.
    pair.run(3, prepare=lambda model, optimizer: model.zero_grad())
    assert not cr.equal(before, pair.models[1][2].weight)


def test_an_optimizer_with_a_step_of_its_own_is_traced_again_for_other_options():
    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @cr.no_grad()
        def step(self):
            for group in self.param_groups:
                for p in group["params"]:
                    p.sub_(group["lr"] * p.grad)

    pair = Pair(rule=lambda p: Plain(p, 0.1))
    pair.run(2)
    for optimizer in pair.optimizers:
        optimizer.param_groups[0]["lr"] = 0.7
    pair.run(2)


# ---- gradients ------------------------------------------------------------------------------


def test_gradients_are_kept_only_on_request():
    kept = Pair(keep_grads=True)
    kept.run(3)
    for a, b in zip(*(m.parameters() for m in kept.models), strict=True):
        assert cr.equal(a.grad, b.grad)
    assert kept.compiled.stats()["compiled"] == 1

    pair = Pair()
    pair.run(3)
    weight = pair.models[1][0].weight
    with pytest.raises(AutogradError, match="keep_grads=True"):
        _ = weight.grad
    with pytest.raises(AutogradError, match="keep_grads=True"):
        pair.models[1](cr.ones(2, 6)).sum().backward()
    with pytest.raises(AutogradError, match="keep_grads=True"):
        pair.optimizers[1].step()
    assert pair.optimizers[1].state[weight]["step"] == 3
    copy.deepcopy(pair.models[1])


@pytest.mark.parametrize("to_none", [True, False])
def test_glass_mode_goes_on_after_a_compiled_step(to_none):
    pair = Pair()
    pair.run(2)
    x, y = pair.batch()
    for model, optimizer in zip(pair.models, pair.optimizers, strict=True):
        optimizer.zero_grad(to_none)
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    pair.check()
    pair.run(2)


def test_a_program_without_an_optimizer_keeps_what_it_computes():
    def body(model, optimizer):
        def step(x, y):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return step

    pair = Pair(body=body)
    for k in range(6):  # the gradients add up, and a step outside uses them
        pair.run(1)
        for a, b in zip(*(m.parameters() for m in pair.models), strict=True):
            assert cr.equal(a.grad, b.grad)
        if k % 3 == 2:
            for optimizer in pair.optimizers:
                optimizer.step()
                optimizer.zero_grad()
            pair.check()


def test_micro_batches_in_one_program_and_in_several():
    def body(model, optimizer):
        def step(x, y):
            optimizer.zero_grad(set_to_none=False)
            total = 0
            for part in range(0, 6, 2):
                loss = nn.functional.cross_entropy(model(x[part : part + 2]), y[part : part + 2])
                (loss / 3).backward()
                total = total + loss.detach()
            optimizer.step()
            return total

        return step

    Pair(body=body).run(10, n=6)

    pair = Pair(body=lambda model, optimizer: lambda x, y: _gather(model, x, y))

    def finish(model, optimizer):
        def apply():
            nn.utils.clip_grad_norm_(model.parameters(), 0.2)
            optimizer.step()
            optimizer.zero_grad()

        return apply

    ends = [finish(m, o) for m, o in zip(pair.models, pair.optimizers, strict=True)]
    ends[1] = cr.compile(ends[1])
    for _ in range(4):
        pair.run(3)
        for end in ends:
            end()
        pair.check()
    assert ends[1].stats()["compiled"] == 1
    assert pair.compiled.stats()["compiled"] == 2  # with and without gradients to add to


def _gather(model, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    return loss


def test_arguments_that_require_a_gradient():
    @cr.compile
    def slope(x):
        (x**3).sum().backward()
        return x * 1

    for _ in range(2):
        x = cr.tensor([1.0, 2.0], requires_grad=True)
        slope(x)
        assert x.grad.tolist() == [3, 12]
        slope(x)
        assert x.grad.tolist() == [6, 24], "a second time adds"
    inner = cr.ones(2, requires_grad=True) * 2
    with pytest.raises(TraceError, match="detach"):
        slope(inner)


def test_a_parameter_given_as_an_argument_is_still_the_parameter():
    w = cr.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], 0.5)

    @cr.compile
    def step(p):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()

    for expected in (0.0, 0.0):
        step(w)
        assert w.tolist() == [expected] * 2


def test_backward_outside_says_where_it_belongs():
    pair = Pair()
    loss = pair.compiled(*pair.batch())
    assert loss.requires_grad
    for outside in (loss, loss * 2):
        with pytest.raises(AutogradError, match="inside the compiled function"):
            outside.backward()
    model = cr.compile(mlp())
    with pytest.raises(AutogradError, match="inside the compiled function"):
        model(cr.ones(2, 6)).sum().backward()

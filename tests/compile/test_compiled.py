"""A compiled step is the glass step: same numbers, same effects, and honest where it cannot be."""

import copy
import math
import os
import signal
import threading
import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, AutogradError, TraceError
from chainrule.compile import CompileWarning, compiled


@pytest.fixture(autouse=True)
def replay(monkeypatch, reference):
    """Bit for bit is the promise of the replay; native code has tests of its own."""
    monkeypatch.setenv("CHAINRULE_BACKEND", "replay")


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def cnn():
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, (2, 2)), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(8, 3),
    )  # fmt: skip


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 5)
        self.out = nn.Linear(5, 3)

    def forward(self, x):
        return self.out(self.table((x.abs() * 2).long().clamp(0, 6)).mean(1))


MODELS = {"mlp": mlp, "cnn": cnn, "embedding": Words}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, 0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": lambda p: optim.SGD(p, 0.1, 0.9, nesterov=True),
    "average": lambda p: optim.SGD(p, 0.1, 0.9, momentum_form="average"),
    "adam": lambda p: optim.Adam(p, 1e-2),
    "amsgrad": lambda p: optim.Adam(p, 1e-2, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, 1e-2, weight_decay=0.1),
}


class Pair:
    """A model trained in glass mode, and its twin trained by a compiled step."""

    def __init__(self, build=mlp, rule=OPTIMIZERS["adam"], body=None, **options):
        cr.manual_seed(0)
        self.models = [build()]
        self.models.append(copy.deepcopy(self.models[0]))
        self.optimizers = [rule(list(m.parameters())) for m in self.models]
        self.steps = [
            (body or training_step)(m, o) for m, o in zip(self.models, self.optimizers, strict=True)
        ]
        self.compiled = self.steps[1] = cr.compile(self.steps[1], **options)
        self.random = np.random.default_rng(0)
        self.place = cr.get_rng_state()

    def batch(self, n=5):
        x = self.random.standard_normal((n, 6)).astype(np.float32)
        return cr.tensor(x), cr.tensor(self.random.integers(0, 3, n))

    def run(self, times=1, n=5, prepare=None):
        for _ in range(times):
            batch, results = self.batch(n), []
            start = self.place
            for step, model, optimizer in zip(
                self.steps, self.models, self.optimizers, strict=True
            ):
                cr.set_rng_state(start)
                if prepare is not None:
                    prepare(model, optimizer)
                results.append(step(*batch))
                self.place, before = cr.get_rng_state(), self.place
                if step is self.compiled:
                    assert self.place == before, "as many random numbers are drawn"
            glass, other = (np.asarray(r.detach()._data) for r in results)
            assert np.array_equal(glass, other)
            self.check()

    def check(self):
        one, two = self.models
        for (key, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            assert cr.equal(a, b), key
        first, second = (o.state_dict() for o in self.optimizers)
        assert first["param_groups"] == second["param_groups"]
        for i, state in first["state"].items():
            for name, value in state.items():
                assert cr.equal(value, second["state"][i][name]), name


def training_step(model, optimizer):
    loss_of = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


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


# ---- failures -------------------------------------------------------------------------------


def snapshot(model, optimizer):
    return repr([
        [(k, v.tolist(), v._version) for k, v in model.state_dict().items()],
        [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        [(id(p), s) for p, s in optimizer.state.items()],
        optimizer.param_groups, cr.get_rng_state(),
    ])  # fmt: skip


def branching(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if loss > 0:
            return loss
        return -loss

    return step


def test_a_failed_trace_names_the_line_and_changes_nothing():
    model = cnn()
    optimizer = optim.Adam(model.parameters())
    step = cr.compile(branching(model, optimizer))
    x, y = cr.ones(4, 6), cr.zeros(4, dtype=cr.int64)
    for _ in range(2):
        before = snapshot(model, optimizer)
        line = branching.__code__.co_firstlineno + 6
        with pytest.raises(TraceError, match=rf"test_compiled\.py:{line}: "):
            step(x, y)
        assert snapshot(model, optimizer) == before
        # And once more where there is state and there are gradients.
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize(
    "read",
    [
        lambda x, w: w.item(), lambda x, w: w.tolist(), lambda x, w: bool(w), lambda x, w: x[x > 0],
        lambda x, w: w.detach().numpy(), lambda x, w: np.exp(x._data), lambda x, w: x._data.std(),
        lambda x, w: cr.nonzero(x), lambda x, w: cr.nonzero(w), lambda x, w: cr.allclose(w, w),
    ],
)  # fmt: skip
def test_values_cannot_be_read_neither_of_arguments_nor_of_state(read):
    w = cr.ones(1)
    with pytest.raises(TraceError, match=r"test_compiled\.py:\d+: "):
        cr.compile(lambda x: (w * x, read(x, w)))(cr.ones(1))


def test_errors_of_the_program_stay_what_they_are():
    def wrong(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        cr.compile(wrong)(cr.ones(1))
    with pytest.raises(cr.base.errors.ShapeError):
        cr.compile(lambda x: x @ x)(cr.ones(2, 3))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("first", [True, False])
def test_a_failed_run_has_not_happened(monkeypatch, error, first):
    pair = Pair(cnn)
    if not first:
        pair.run(2)
    model, optimizer = pair.models[1], pair.optimizers[1]
    optimizer.zero_grad()
    before = snapshot(model, optimizer) if not first else None
    random, weights = cr.get_rng_state(), copy.deepcopy(model.state_dict())

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(cr.ops.arrays.NUMPY, "matmul", fail)
        with pytest.raises(error):
            pair.compiled(*pair.batch())
    assert cr.get_rng_state() == random
    assert all(cr.equal(v, weights[k]) for k, v in model.state_dict().items())
    assert before is None or snapshot(model, optimizer) == before
    pair.random = np.random.default_rng(1)
    pair.run(3)


def test_ctrl_c_in_a_step_that_is_done_lets_it_be_delivered(monkeypatch):
    pair = Pair()
    pair.run()
    batch = pair.batch()
    pair.steps[0](*batch)
    executable = pair.compiled._latest[0].executable
    real = executable.execute

    def interrupted():
        real()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(executable, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pair.compiled(*batch)
    pair.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- looking, and several threads -----------------------------------------------------------


def test_inspect_and_stats():
    pair = Pair()
    with pytest.raises(ArgumentError, match="call it once"):
        pair.compiled.inspect()
    pair.run(2)
    text = pair.compiled.inspect("graph")
    assert "update" in text and "gradient" not in text
    stats = pair.compiled.stats()
    assert stats["calls"] == 2 and stats["programs"] == 1 and stats["instructions"] > 10
    with pytest.raises(ArgumentError, match="llvmlite"):
        pair.compiled.inspect("llvm")
    with pytest.raises(ArgumentError, match="llvmlite"):
        pair.compiled.profile()


def test_a_compiled_function_inside_another_joins_its_program():
    inner = cr.compile(lambda x: x * 2)
    outer = cr.compile(lambda x: inner(x) + 1)
    assert outer(cr.ones(1)).item() == 3 and inner.stats()["calls"] == 0


def test_several_threads_may_call_and_trace():
    model = mlp()
    forward = cr.compile(model)
    expected = {n: model(cr.ones(n, 6)).tolist() for n in range(1, 5)}
    wrong = []

    def work(n):
        for _ in range(20):
            if forward(cr.ones(n, 6)).tolist() != expected[n]:
                wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in expected for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong and forward.stats()["compiled"] == 4


def test_random_numbers_go_on_as_in_glass_mode():
    draw = cr.compile(lambda: (cr.rand(3), cr.randn(2)))
    cr.manual_seed(3)
    compiled_ones = [[v.tolist() for v in draw()] for _ in range(2)]
    cr.manual_seed(3)
    assert compiled_ones == [[cr.rand(3).tolist(), cr.randn(2).tolist()] for _ in range(2)]


def test_nothing_warns_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pair().run(2)
    assert math.isfinite(1.0)

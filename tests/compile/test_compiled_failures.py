"""A step that cannot be compiled or is interrupted; looking at programs; several threads."""

import copy
import importlib.util
import math
import os
import signal
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, TraceError

_spec = importlib.util.spec_from_file_location("pairs", Path(__file__).with_name("pairs.py"))
pairs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pairs)
Pair, cnn, mlp = pairs.Pair, pairs.cnn, pairs.mlp


@pytest.fixture(autouse=True)
def replay(monkeypatch, reference):
    """Bit for bit is the promise of the replay; native code has tests of its own."""
    monkeypatch.setenv("CHAINRULE_BACKEND", "replay")


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
        with pytest.raises(TraceError, match=rf"test_compiled_failures\.py:{line}: "):
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
    with pytest.raises(TraceError, match=r"test_compiled_failures\.py:\d+: "):
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

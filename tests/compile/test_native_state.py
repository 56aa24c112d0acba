"""Native programs and what outlives them: parameters, other programs, threads, processes."""

import copy
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile import backend

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")
SLOW = os.environ.get("CHAINRULE_SLOW") == "1"

TRAIN = """
import sys, zlib
import numpy as np
import chainrule as cr
from chainrule import nn, optim
cr.manual_seed(3)
rng = np.random.default_rng(0)
net = nn.Sequential(
    nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    nn.Dropout(0.2), nn.Linear(96, 40), nn.Tanh(), nn.Linear(40, 5),
)
rule = optim.Adam(net.parameters(), 1e-2)
@cr.compile
def step(x, y):
    rule.zero_grad()
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    rule.step()
    return loss
for _ in range(int(sys.argv[1])):
    x = cr.tensor(rng.standard_normal((37, 1, 8, 8)).astype(np.float32))
    step(x, cr.tensor(rng.integers(0, 5, 37)))
assert step.stats()["backend"] == "native" and step.stats()["compiled"] == 1
print(zlib.crc32(b"".join(v.numpy().tobytes() for v in net.state_dict().values())))
"""


def test_every_process_trains_to_the_same_bits():
    processes, steps = (10, 200) if SLOW else (3, 20)
    paths = [str(Path(cr.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", TRAIN, str(steps)]
    told = [
        subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
        for _ in range(processes)
    ]
    assert len(set(told)) == 1 and told[0].strip().isdigit()


def batch(n=9, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 6)).astype(np.float32)
    return cr.tensor(x), cr.tensor(rng.integers(0, 4, n))


def model():
    cr.manual_seed(0)
    # No bias before the norm: its gradient would be rounding only.
    layers = nn.Linear(6, 10, bias=False), nn.BatchNorm1d(10), nn.Tanh(), nn.Linear(10, 4)
    return nn.Sequential(*layers)


def stepper(net, rule, keep_grads=False, compiled=True):
    def step(x, y):
        rule.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        rule.step()
        return loss

    return cr.compile(step, keep_grads=keep_grads) if compiled else step


class Pair:
    """The same training twice, in glass mode and compiled, with the same things done to both."""

    def __init__(self):
        self.nets = [model(), model()]
        self.rules = [optim.SGD(n.parameters(), 0.05, 0.9) for n in self.nets]
        self.steps = [
            stepper(n, r, compiled=i == 1)
            for i, (n, r) in enumerate(zip(self.nets, self.rules, strict=True))
        ]

    def run(self, *data):
        losses = [float(step(*data)) for step in self.steps]
        np.testing.assert_allclose(losses[1], losses[0], rtol=2e-5)
        states = [n.state_dict() for n in self.nets]
        for key, value in states[0].items():
            np.testing.assert_allclose(
                states[1][key].numpy(), value.numpy(), rtol=1e-4, atol=1e-6, err_msg=key
            )

    def each(self, change):
        for net in self.nets:
            change(net)


def test_parameters_changed_between_steps():
    pair = Pair()
    pair.run(*batch())
    other = {k: v.clone() for k, v in pair.nets[0].state_dict().items()}
    for seed in range(3):
        pair.run(*batch(seed=seed))
    pair.each(lambda net: net.load_state_dict(other))
    pair.run(*batch())
    new = np.random.default_rng(1).standard_normal((10, 6)).astype(np.float32)

    def assign(net):
        net[0].weight.data = cr.tensor(new.copy())

    def turn(net):  # not contiguous
        net[0].weight.data = cr.tensor(np.ascontiguousarray(new.T)).t()
        assert not net[0].weight.is_contiguous()

    for change in (assign, turn, lambda net: net[3].weight.data.mul_(0.5)):
        pair.each(change)
        for seed in range(2):
            pair.run(*batch(seed=seed))
    assert pair.steps[1].stats()["compiled"] <= 3


@pytest.mark.parametrize("kind", ["read-only", "reversed", "turned", "every other", "broadcast"])
def test_inputs_of_any_memory(kind):
    x, y = batch(8)
    array = x.numpy()
    array = {
        "read-only": array.copy(), "reversed": array.copy()[::-1, ::-1],
        "turned": np.asfortranarray(array), "every other": np.repeat(array, 2, 1)[:, ::2],
        "broadcast": np.broadcast_to(array[:, :1], array.shape),
    }[kind]  # fmt: skip
    array.flags.writeable = kind not in ("read-only", "broadcast")
    pair = Pair()
    before = array.copy()
    for _ in range(2):
        pair.run(cr.from_numpy(array), y)
    np.testing.assert_array_equal(array, before)


def test_an_argument_that_is_a_parameter_too():
    results = []
    for wrap in (lambda f: f, cr.compile):
        w = nn.Parameter(cr.tensor([1.0, -2.0, 3.0]))

        def step(x, w=w):
            loss = (x * w * 2).sum()
            loss.backward()
            with cr.no_grad():
                w.sub_(w.grad * 0.1)
                w.grad = None
            return loss

        step = wrap(step)
        losses = [float(step(x)) for x in (cr.ones(3), w, w, cr.ones(3))]
        results.append((losses, w.tolist()))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-5)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-5)


def test_two_programs_of_one_state_in_turn():
    nets = [model(), model()]
    told = []
    for net, compiled in zip(nets, (False, True), strict=True):
        train = stepper(net, optim.SGD(net.parameters(), 0.1, 0.9), compiled=compiled)

        def look(x, net=net):
            net.eval()
            try:
                return net(x).softmax(1)
            finally:
                net.train()

        look = cr.compile(look) if compiled else look
        seen = []
        for seed in range(4):
            x, y = batch(seed=seed)
            seen += [train(x, y).item(), look(x).sum(0).tolist()]
        told.append(seen)
    for glass, native in zip(*told, strict=True):
        np.testing.assert_allclose(native, glass, rtol=1e-4, atol=1e-5)


def test_an_error_leaves_a_whole_step():
    net = model()
    rule = optim.Adam(net.parameters(), 1e-2)
    step = stepper(net, rule)
    x, y = batch()
    step(x, y)
    before = copy.deepcopy((net.state_dict(), rule.state_dict()))
    with pytest.raises(cr.ChainruleError):
        step(x, y + 4)
    after = (net.state_dict(), rule.state_dict())
    for key, value in before[0].items():
        np.testing.assert_array_equal(after[0][key].numpy(), value.numpy())
    assert repr(after[1]) == repr(before[1])
    step(x, y)
    assert any(not np.array_equal(v.numpy(), before[0][k].numpy()) for k, v in after[0].items())


def test_several_python_threads_at_once():
    """Each trains a model of its own, and all look at one that is theirs together."""
    shared = cr.compile(model().eval())
    x, y = batch()
    expected = shared(x).detach().numpy()
    alone = model()
    step = stepper(alone, optim.SGD(alone.parameters(), 0.1))
    wanted = [float(step(x, y)) for _ in range(15)]
    losses, errors = {}, []

    def work(k):
        try:
            step = stepper(net := models[k], optim.SGD(net.parameters(), 0.1))
            losses[k] = []
            for _ in range(15):
                losses[k].append(float(step(x, y)))
                np.testing.assert_array_equal(shared(x).detach().numpy(), expected)
        except BaseException as error:
            errors.append(error)

    models = [model() for _ in range(3)]
    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(losses[k] == wanted for k in range(3))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_runs_the_same_program():
    net = model()
    step = stepper(net, optim.SGD(net.parameters(), 0.1))
    x, y = batch()
    step(x, y)
    pid = os.fork()
    if not pid:  # the child: nothing of pytest may run on
        code = 1
        try:
            code = int(not np.isfinite(float(step(x, y))))
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert np.isfinite(float(step(x, y)))


def test_memory_does_not_grow():
    resource = pytest.importorskip("resource")
    net = model()
    step = stepper(net, optim.Adam(net.parameters(), 1e-3))
    x, y = batch(33)
    many = 10_000 if SLOW else 1_000
    for _ in range(200):
        step(x, y)
    gc.collect()
    count, peak = len(gc.get_objects()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.disable()
    try:
        for _ in range(many):
            step(x, y)
    finally:
        gc.enable()
    assert len(gc.get_objects()) - count < 50
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * unit < 1 << 20


def test_views_of_state_are_views_and_copies_are_not():
    told = []
    for wrap in (lambda f: f, cr.compile):
        s = cr.tensor([1.0, 2.0, 3.0])
        p = nn.Parameter(cr.tensor([1.0, -1.0]))

        def step(s=s, p=p):
            before, turned = s.reshape(3, 1), p.flip(0)
            s.reshape(1, 3).add_(1.0)
            s[1:].mul_(3.0)
            with cr.no_grad():
                p.mul_(2.0)
            return before * 1, turned * 1, p.reshape(2, 1) * 1

        run = wrap(step)
        results = [x.tolist() for _ in range(2) for x in run()]
        told.append((results, s.tolist(), p.tolist()))
    assert told[0] == told[1]

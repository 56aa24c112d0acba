"""The executable: whole steps whatever interrupts them, any memory, and nothing left behind."""

import copy
import gc
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.compile import backend, cache, shared
from chainrule.compile.backend import Replay
from chainrule.compile.blueprint import Blueprint
from chainrule.compile.canonical import canonical
from chainrule.compile.graph import Graph, Instruction
from chainrule.compile.native import Native
from chainrule.compile.runtime import jit

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")

ROOM = str(Path(cr.compile.__file__).parent)


class Training:
    """A model with dropout and running statistics, and its step, always from the same start."""

    def __init__(self, back_end="native"):
        cr.manual_seed(5)
        self.model = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        self.optimizer = optim.Adam(list(self.model.parameters()), 1e-2)
        self.x = cr.randn(7, 6)

        def step(x):
            self.optimizer.zero_grad()
            loss = (self.model(x) ** 2).mean()
            loss.backward()
            self.optimizer.step()
            return loss

        self.step = cr.compile(step, keep_grads=True)
        self.run()
        if back_end == "replay":
            program = self.step._latest[0]
            program.executable = Replay(program.graph)

    def run(self):
        return self.step(self.x).item()

    def snapshot(self):
        arrays = [v.numpy() for v in self.model.state_dict().values()]
        arrays += [p.grad.numpy() for p in self.model.parameters()]
        for state in self.optimizer.state_dict()["state"].values():
            arrays += [np.asarray(v) for v in state.values()]
        return b"".join(a.tobytes() for a in arrays), str(cr.get_rng_state())


@pytest.mark.parametrize("back_end", ["native", "replay"])
def test_an_interrupt_on_any_line_leaves_a_whole_step(back_end):
    plain = Training(back_end)
    states = [plain.snapshot()]
    cut = Training(back_end)
    assert cut.snapshot() == states[0]
    lines, done = 0, 0
    while True:
        lines += 1
        while len(states) < done + 2:
            cr.set_rng_state(eval(states[-1][1]))
            plain.run()
            states.append(plain.snapshot())
        cr.set_rng_state(eval(states[done][1]))
        finished = interrupted_at(lines, cut.run)
        now = cut.snapshot()
        assert now in (states[done], states[done + 1]), f"half a step, cut at line event {lines}"
        done += now == states[done + 1]
        if finished:
            break
    assert lines > 30 and 0 < done < lines


def interrupted_at(count, function):
    """Whether the function came to its end before the line event of that number in the room."""
    left = count

    def trace(frame, event, _):
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(before)
    return True


def test_a_failed_allocation_has_not_happened(monkeypatch):
    run = Training()
    before = run.snapshot()

    def full(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("chainrule.compile.native.np.empty", full)
        with pytest.raises(MemoryError):
            run.run()
    assert run.snapshot() == before


# ---- memory of any kind -------------------------------------------------------------------------


def test_state_that_is_not_contiguous_is_updated_in_its_place():
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    other = base.copy()
    for array, compiled in ((base, True), (other, False)):
        weight = cr.Tensor(array.T[::2], requires_grad=True)
        rule = optim.SGD([weight], 0.5, momentum=0.9)

        def step(x, weight=weight, rule=rule):
            rule.zero_grad()
            loss = (x @ weight).square().sum()
            loss.backward()
            rule.step()
            return loss

        run = cr.compile(step) if compiled else step
        for _ in range(3):
            run(cr.full((2, 3), 0.01))
    np.testing.assert_allclose(base, other, rtol=1e-6)
    assert not np.array_equal(base[:, ::2], np.arange(24).reshape(4, 6)[:, ::2])
    assert np.array_equal(base[:, 1::2], np.arange(24).reshape(4, 6)[:, 1::2])


def test_memory_that_is_not_aligned():
    raw = np.zeros(4 * 33 + 1, np.uint8)
    array = raw[1:].view(np.float32)
    array[...] = np.arange(33)
    run = cr.compile(lambda x: x * 2 + 1)
    np.testing.assert_array_equal(run(cr.Tensor(array)).numpy(), np.arange(33) * 2 + 1)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_arrays_without_elements(shape):
    empty = cr.zeros(shape[1])
    run = cr.compile(lambda x: ((x * empty).sum(0), (x + 1).mean(1)))
    for got, wanted in zip(
        run(cr.ones(*shape)),
        ((cr.ones(*shape) * empty).sum(0), (cr.ones(*shape) + 1).mean(1)),
        strict=True,
    ):
        np.testing.assert_array_equal(got.numpy(), wanted.numpy())


def test_inputs_that_must_not_be_written():
    array = np.frombuffer(np.arange(12, dtype=np.float32).tobytes(), np.float32).reshape(3, 4)
    run = cr.compile(lambda x: x.T.exp().sum())
    x = cr.Tensor(array)
    assert run(x).item() == pytest.approx(np.exp(array).sum(), rel=1e-5)
    assert run(x.T).item() == pytest.approx(np.exp(array).sum(), rel=1e-5)


@pytest.mark.parametrize("state", [(2**64 - 1, 0), (7, 2**63 - 20), (2**63, 2**63 + 3)])
def test_generators_beyond_the_signed_numbers(state):
    run = cr.compile(lambda x: cr.rand(50) + x)
    zero = cr.zeros(50)
    start = {"seed": state[0], "offset": state[1]}
    cr.set_rng_state(start)
    wanted = [cr.rand(50).numpy() for _ in range(3)]
    cr.set_rng_state(start)
    for each in wanted:
        np.testing.assert_array_equal(run(zero).numpy(), each)


# ---- kept on disk, and let go -------------------------------------------------------------------


def test_another_trace_of_the_same_program_finds_its_code(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    first, second = Training(), Training()
    assert not first.step.stats()["cached"] and second.step.stats()["cached"]
    assert second.step.stats()["cache_hits"] == 1 and second.step.stats()["plan_seconds"] == 0
    cr.manual_seed(0)
    one = first.run()
    cr.manual_seed(0)
    assert second.run() == one
    assert first.step.stats()["kernels"] == second.step.stats()["kernels"] > 5


def test_programs_of_one_form_run_the_same_code_on_memory_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    x = cr.randn(5, 4)

    def made(start):
        cr.manual_seed(start)
        layer = nn.Linear(4, 3)
        fixed = cr.randn(5, 3)
        function = cr.compile(lambda x: layer(x).tanh() * (fixed + 1))
        return function, layer(x).tanh() * (fixed + 1)

    (one, first), (two, second) = made(0), made(1)
    for _ in range(2):
        np.testing.assert_allclose(one(x).detach().numpy(), first.detach().numpy(), rtol=1e-6)
        np.testing.assert_allclose(two(x).detach().numpy(), second.detach().numpy(), rtol=1e-6)
    codes = [f._latest[0].executable._code for f in (one, two)]
    assert codes[0] is codes[1] and two.stats()["cached"]
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "0")
    three, third = made(2)
    np.testing.assert_allclose(three(x).detach().numpy(), third.detach().numpy(), rtol=1e-6)
    assert three._latest[0].executable._code is not codes[0] and not three.stats()["cached"]


def test_code_that_nobody_runs_goes_when_there_is_too_much(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "code"))
    monkeypatch.setattr(shared, "_kept", type(shared._kept)())
    function = cr.compile(lambda x: x.exp() + 1)
    function(cr.ones(3))
    size = function._latest[0].executable._code.size
    monkeypatch.setattr(shared, "_LIMIT", 2 * size + size // 2)
    gc.collect()
    before = len(jit._loaded)
    for n in range(4, 10):
        cr.compile(lambda x: x.exp() + 1)(cr.ones(n))
    gc.collect()
    assert len(shared._kept) <= 3 and len(jit._loaded) <= before + 3
    np.testing.assert_allclose(function(cr.ones(3)).numpy(), np.e + 1, rtol=1e-6)


def test_what_a_program_is_made_from_decides_its_name():
    x = cr.ones(3, 4)

    def text(function, x=x):
        return canonical(cr.compile.trace(function, x).graph)

    same = text(lambda x: (x * 2).sum(0))
    cr.compile.trace(lambda x: x + 1, x)
    assert text(lambda y: (y * 2).sum(0)) == same
    others = [
        text(lambda x: (x * 2.5).sum(0)), text(lambda x: (x * 2).sum(1)),
        text(lambda x: (x * 2).sum(0), cr.ones(3, 5)), text(lambda x: (x * 2).amax(0)),
        text(lambda x: (x * cr.tensor([1.0, 2, 3, 4])).sum(0)),
        text(lambda x: (x * cr.tensor([1.0, 2, 3, 5])).sum(0)),
    ]  # fmt: skip
    assert len({same, *others}) == 7
    value = cr.compile.trace(lambda x: x + 1, x).graph.inputs[0]
    strange = Graph(inputs=[value], instructions=[Instruction("add", (value, {1}), {}, value)])
    assert canonical(strange) is None


def test_a_blueprint_is_what_it_was_after_the_disk():
    made = {7: np.arange(6, dtype=np.float32).reshape(2, 3), 9: np.array(True)}
    before = Blueprint(12, 4096, {"kernels": 3}, [(0, 3)], [(1, 4)], [(0, 5)], [(2, 6)],
                       [(8, (2, 3), "<f4"), (None, (0,), "<i8")], [None, (10, (), "<f4")],
                       made, b"code")  # fmt: skip
    after = Blueprint.unpack(before.pack())
    for slot, array in made.items():
        np.testing.assert_array_equal(after.made[slot], array)
    before.made = after.made = {}
    assert after == before


def test_programs_that_nobody_holds_leave_nothing_behind():
    x = cr.randn(64, 1000)
    net = nn.Sequential(nn.Linear(1000, 300), nn.ReLU(), nn.Linear(300, 300))

    def made():
        program = cr.compile.trace(lambda x: net(x).square().mean(), x)
        Native(program.graph, 1, True)([x.numpy()])

    for _ in range(5):
        made()
    gc.collect()
    code, memory = len(jit._loaded), resident()
    for _ in range(100):
        made()
    gc.collect()
    assert len(jit._loaded) == code
    assert resident() - memory < 16 << 20, "an arena alone has some 200 KiB"


def resident():
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        pytest.skip("the system does not tell")
    return pages * 4096


def test_no_cache_is_needed(monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_SIZE", "0")
    before = cache.statistics()
    run = Training()
    assert not run.step.stats()["cached"] and cache.statistics().stored_bytes == before.stored_bytes
    copied = copy.deepcopy(run.model)
    assert np.isfinite(run.run()) and copied is not run.model

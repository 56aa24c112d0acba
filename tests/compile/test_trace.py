"""A traced program does exactly what the program does, and changes nothing while it is traced."""

import copy

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import TraceError
from chainrule.compile import trace
from chainrule.compile.infer import infer
from chainrule.ops.arrays import NUMPY
from chainrule.ops.primitives import PRIMITIVES
from chainrule.ops.recording import Recording

pytestmark = pytest.mark.usefixtures("reference")


def convolution_net():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
        nn.Conv2d(6, 12, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(192, 10),
    )  # fmt: skip


def dense_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Tanh(), nn.Linear(16, 10))


OPTIMIZERS = {
    "adam": lambda p: optim.Adam(p, lr=1e-2),
    "adamw": lambda p: optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("build", [dense_net, convolution_net])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_whole_training_step_replays_to_the_bit(build, name):
    cr.manual_seed(0)
    model = build()
    twin = copy.deepcopy(model)
    x, y = cr.randn(8, 1, 28, 28), cr.randint(0, 10, (8,))
    loss_of = nn.CrossEntropyLoss()

    def stepper(net):
        optimizer = OPTIMIZERS[name](net.parameters())
        schedule = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step, schedule

    step, schedule = stepper(model)
    other, other_schedule = stepper(twin)
    program = trace(other, x, y)
    losses = []
    for run, rate in ((step, schedule), (program, other_schedule)):
        cr.manual_seed(5)
        losses.append([])
        for _ in range(4):
            losses[-1].append(run(x, y).item())
            rate.step()  # the learning rate is read anew at every run
    assert losses[0] == losses[1]
    for (key, a), b in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        assert cr.equal(a, b), key
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert cr.equal(a.grad, b.grad)


def test_tracing_changes_nothing():
    cr.manual_seed(0)
    model = convolution_net()
    optimizer = optim.Adam(model.parameters())
    x = cr.randn(4, 1, 28, 28)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = cr.get_rng_state()

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    trace(step, x)
    assert all(cr.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert cr.get_rng_state() == state


def test_the_graph_prints_primitives_only_and_names_what_is_updated():
    w = cr.ones(3, requires_grad=True)

    def step(x):
        w.grad = None
        loss = (w * x).sigmoid().sum()
        loss.backward()
        with cr.no_grad():
            w.sub_(0.1 * w.grad)
        return loss

    program = trace(step, cr.ones(3))
    assert {i.primitive for i in program.graph.instructions} <= set(PRIMITIVES)
    text = str(program.graph)
    assert "state" in text and "update" in text and "gradient" in text and "return" in text
    assert len(program.graph.updates) == len(program.graph.gradients) == 1


def test_a_branch_on_a_value_names_the_users_line():
    def program(x):
        if x.sum() > 0:
            return x
        return -x

    with pytest.raises(TraceError, match=r"test_trace\.py:\d+"):
        trace(program, cr.ones(3))
    assert cr.ones(3).sum().item() == 3, "the mode is restored after the error"


@pytest.mark.parametrize("read", [float, bool, lambda x: x.item(), lambda x: x.detach().numpy()])
def test_reading_a_value_is_refused(read):
    with pytest.raises(TraceError):
        trace(lambda x: read(x.sum()), cr.ones(3))


def test_a_tensor_kept_from_a_trace_is_refused_later():
    kept = []
    trace(lambda x: kept.append(x * 2) or x, cr.ones(3))
    with pytest.raises(TraceError):
        trace(lambda x: x + kept[0], cr.ones(3))


def test_another_shape_needs_another_trace():
    program = trace(lambda x: x * 2, cr.ones(3))
    with pytest.raises(TraceError, match="trace it again"):
        program(cr.ones(4))


def test_traces_do_not_nest():
    with pytest.raises(TraceError):
        trace(lambda x: trace(lambda z: z, x), cr.ones(3))


def test_outputs_keep_their_structure_and_order():
    program = trace(lambda x: {"a": (x + 1, [x * 2]), "b": 7}, cr.ones(2))
    out = program(cr.tensor([1.0, 2.0]))
    assert out["a"][0].tolist() == [2, 3] and out["a"][1][0].tolist() == [2, 4] and out["b"] == 7


def test_updates_that_swap_read_the_old_values():
    a, b = cr.tensor([1.0]), cr.tensor([2.0])

    def swap():
        old = a.clone()
        a.copy_(b)
        b.copy_(old)

    program = trace(swap)
    program()
    assert (a.item(), b.item()) == (2, 1)
    program()
    assert (a.item(), b.item()) == (1, 2)


def test_tensors_made_by_the_program_start_fresh_at_every_run():
    def count(x):
        total = cr.zeros(2)
        total.add_(x)
        total[0] += 1
        return total

    program = trace(count, cr.ones(2))
    assert [program(cr.ones(2)).tolist() for _ in range(2)] == [[2, 1], [2, 1]]


def test_writing_through_detach_reaches_the_parameter():
    w = cr.ones(2, requires_grad=True)

    def step(x):
        w.detach().mul_(2)
        return w * x

    program = trace(step, cr.ones(2))
    assert program(cr.ones(2)).tolist() == [2, 2]
    assert w.tolist() == [2, 2]


def test_an_older_view_of_updated_memory_is_refused_not_wrong():
    base = cr.zeros(4)
    view = cr.from_numpy(base.numpy()[1:3])  # NumPy's view: the tensors do not know each other

    def step():
        base.add_(1)
        return view * 1

    with pytest.raises(TraceError, match="share memory"):
        trace(step)


def test_random_numbers_go_on_from_run_to_run():
    program = trace(lambda: cr.rand(3))
    cr.manual_seed(3)
    drawn = [program().tolist() for _ in range(2)]
    cr.manual_seed(3)
    assert drawn == [cr.rand(3).tolist() for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_every_namespace_offers_every_primitive():
    recording = Recording()
    for name in PRIMITIVES:
        assert callable(getattr(NUMPY, name)), name
        assert callable(getattr(recording, name)), name


def test_constants_of_the_program_are_not_state():
    program = trace(lambda x: x + cr.tensor([1.0, 2.0]), cr.ones(2))
    assert not program.graph.state and len(program.graph.constants) == 1
    assert np.array_equal(program(cr.zeros(2)).numpy(), [1, 2])


@pytest.mark.parametrize("number", [1, True, 1.5, 2**40])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_numbers_take_part_in_promotion_by_their_kind(number, dtype):
    x = np.ones(3, dtype)
    try:
        wanted = (x * number).dtype
    except OverflowError:
        return  # as in glass mode, at the run
    for _ in range(2):  # the second time it is known
        assert infer("multiply", (x, number), {}).dtype == wanted
        assert infer("multiply", (number, x), {}).shape == (3,)

"""A program that was compiled earlier runs only where the function would still do the same."""

import os

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile import get_num_threads, set_num_threads
from chainrule.compile.backend import native_available


class Net(nn.Module):
    """Something of everything that may change."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.scale = cr.tensor([1.0])  # a plain attribute, registered nowhere
        self.register_buffer("shift", cr.zeros(4))
        self.steps = [2]
        self.options = {"power": 2}
        self.nothing = {}
        self.twice = False
        self.size = nn.Parameter(cr.tensor([1.0]))

    def forward(self, x):
        y = self.layers(x) * self.scale * self.size + self.shift
        y = y ** self.options["power"] * self.steps[0]
        if "more" in self.nothing:
            y = y + 1
        return y * 2 if self.twice else y


def made():
    cr.manual_seed(0)
    net = Net().eval()
    net.layers[1].running_var.copy_(cr.tensor([0.5, 1.0, 2.0, 3.0]))
    return net


def set_attribute(name, value):
    return lambda net: setattr(net, name, value)


def new_parameter(net):
    net.layers[0].weight = nn.Parameter(cr.ones(4, 4))


def new_parameter_in_the_table(net):
    net.layers[0]._parameters["weight"] = nn.Parameter(cr.ones(4, 4))


def an_equal_parameter_written_later(net):
    net.size = nn.Parameter(cr.tensor([1.0]))
    assert net.compiled(x_of(net)) is not None
    with cr.no_grad():
        net.size.fill_(3.0)


def an_equal_attribute_written_later(net):
    net.scale = cr.tensor([1.0])
    assert net.compiled(x_of(net)) is not None
    net.scale.fill_(3.0)


def written_through_numpy(net):
    net.layers[0].weight.detach().numpy()[...] = 7.0


def written_in_place(net):
    with cr.no_grad():
        net.layers[0].weight.mul_(3.0)


def other_memory(net):
    net.layers[0].weight.data = cr.ones(4, 4)


def strided_memory(net):
    net.layers[0].weight.data = cr.arange(16).float().reshape(4, 4).t()


def strided_and_then_written(net):
    strided_memory(net)
    assert net.compiled(x_of(net)) is not None
    with cr.no_grad():
        net.layers[0].weight.add_(1.0)


def other_shape(net):
    net.layers = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 4))


def child_replaced(net):
    net.layers[2] = nn.ReLU()


def child_in_the_table(net):
    net.layers._modules["2"] = nn.ReLU()


def in_the_dictionary(net):
    vars(net)["twice"] = True


def around_setattr(net):
    object.__setattr__(net, "twice", True)


def statistics_used(net):
    net.layers[1].training = True
    net.layers[1].momentum = 0.0  # glass and compiled see the same statistics


def hook(net):
    net.layers[0].register_forward_hook(lambda module, args, out: out * 2)


def hook_and_gone(net):
    handle = net.layers[0].register_forward_hook(lambda module, args, out: out * 2)
    assert net.compiled(x_of(net)) is not None
    handle.remove()


def bias_gone(net):
    net.layers[0].bias = None


def list_written(net):
    net.steps[0] = 5


def list_grown_and_shrunk(net):
    net.steps.insert(0, 7)


def dictionary_written(net):
    net.options["power"] = 3


def dictionary_filled(net):
    net.nothing["more"] = True


def swapped(net):
    first, second = net.shift, net.layers[0].bias
    net.shift, net.layers[0].bias = second.detach() + 1, nn.Parameter(first + 2)


def thread_count(net):
    before = get_num_threads()
    set_num_threads(1)
    assert np.allclose(numbers(net.compiled(x_of(net))), numbers(net(x_of(net))))
    set_num_threads(before)


CHANGES = {
    f.__name__: f
    for f in (
        new_parameter, new_parameter_in_the_table, an_equal_parameter_written_later,
        an_equal_attribute_written_later, written_through_numpy, written_in_place, other_memory,
        strided_memory, strided_and_then_written, other_shape, child_replaced, child_in_the_table,
        in_the_dictionary, around_setattr, statistics_used, hook, hook_and_gone, bias_gone,
        list_written, list_grown_and_shrunk, dictionary_written, dictionary_filled, swapped,
        thread_count,
    )
}  # fmt: skip
CHANGES["a flag"] = set_attribute("twice", True)
CHANGES["a buffer"] = set_attribute("shift", cr.ones(4))


def x_of(_):
    return cr.tensor(np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32))


def numbers(x):
    return x.detach().float().numpy()


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_calls_counts(change):
    net, x = made(), x_of(None)
    vars(net)["compiled"] = cr.compile(net)
    for _ in range(3):
        assert np.allclose(numbers(net.compiled(x)), numbers(net(x)), rtol=1e-5)
    before = numbers(net(x))
    CHANGES[change](net)
    for _ in range(3):
        assert np.allclose(numbers(net.compiled(x)), numbers(net(x)), rtol=1e-5)
    unseen = change in ("hook_and_gone", "thread_count")
    assert np.allclose(before, numbers(net(x))) == unseen, "the change is one"


def test_what_does_not_change_is_not_compiled_again():
    net, x = made(), x_of(None)
    run = cr.compile(net)
    for k in range(5):
        run(x)
        net.twice = False
        net.scale.fill_(float(k))
        with cr.no_grad():
            net.size.add_(1.0)
        net.layers[0].weight.data = cr.ones(4, 4) * k
        assert np.allclose(numbers(run(x)), numbers(net(x)), rtol=1e-5)
    assert run.stats()["compiled"] == 1


def test_surroundings_and_flags():
    net, x = made(), x_of(None)
    run = cr.compile(net)
    with cr.no_grad():
        assert not run(x).requires_grad
    assert run(x).requires_grad
    with cr.no_grad():
        assert not run(x).requires_grad
    with cr.autocast("bfloat16"):
        rounded = run(x)
        assert rounded.dtype == net(x).dtype
    assert run(x).dtype is cr.float32
    net.requires_grad_(False)
    assert not run(x).requires_grad
    net.size.requires_grad_(True)
    assert run(x).requires_grad
    given = x.clone().requires_grad_()
    net.requires_grad_(False)
    assert run(given).requires_grad and not run(x).requires_grad


def test_arguments_of_any_kind_in_turn():
    net = made().double()
    twins = [net.float(), made().double()]
    runs = [cr.compile(twin) for twin in twins]
    base = np.random.default_rng(0).standard_normal((6, 8))
    wide = cr.tensor(base)
    kinds = [
        base[:3, :4], base[:3, ::2], base[::2, 4:], base[:3, 3::-1], base.T[:3, :4],
        np.asfortranarray(base[:3, :4]), base[:5, :4], base[:0, :4], base[:1, :4],
    ]  # fmt: skip
    for _ in range(2):
        for twin, run, dtype in zip(twins, runs, (np.float32, np.float64), strict=True):
            for kind in kinds:
                x = cr.tensor(np.empty(0, dtype))
                x._data = kind.astype(dtype) if dtype is np.float32 else kind
                with cr.no_grad():
                    assert np.allclose(numbers(run(x)), numbers(twin(x)), rtol=1e-5)
    view = wide[:3, :4]
    with cr.no_grad():
        before = numbers(runs[1](view))
        wide.mul_(2.0)
        assert np.allclose(numbers(runs[1](view)), numbers(twins[1](view)))
        assert not np.allclose(before, numbers(runs[1](view)))


def test_results_are_memory_of_their_own():
    run = cr.compile(lambda x: x + 1)
    first = run(cr.zeros(3))
    kept = [run(cr.tensor([float(k)] * 3)) for k in range(5)]
    assert first.tolist() == [1] * 3 and [k[0].item() for k in kept] == [1, 2, 3, 4, 5]


def test_read_only_and_foreign_memory():
    run = cr.compile(lambda x: x * 2)
    frozen = np.arange(4, dtype=np.float32)
    frozen.flags.writeable = False
    for array in (frozen, np.frombuffer(frozen.tobytes(), np.float32), frozen[::-1]):
        x = cr.tensor([0.0])
        x._data = array
        assert run(x).tolist() == (2 * array).tolist()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_the_cpus_that_are_left_are_followed():
    cpus = os.sched_getaffinity(0)
    if get_num_threads() < 2 or not native_available():
        pytest.skip("needs two threads")
    net, x = nn.Conv2d(16, 32, 3), cr.randn(4, 16, 32, 32)
    run = cr.compile(net)
    counts = []
    try:
        for chosen in (cpus, {min(cpus)}, cpus):
            os.sched_setaffinity(0, chosen)
            for _ in range(3):
                assert np.allclose(numbers(run(x)), numbers(net(x)), atol=1e-5)
            counts.append(run.stats()["threads"])
    finally:
        os.sched_setaffinity(0, cpus)
    assert counts == [get_num_threads(), 1, get_num_threads()]
    assert run.stats()["compiled"] == 2

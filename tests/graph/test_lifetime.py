"""Depth, memory and threads: long chains, no cycles, freed as the walk goes."""

import gc
import threading
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule.graph import memory


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_chain_of_100_000_operations(no_collector):
    x = cr.tensor(1.0, dtype=cr.float64, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.00001
    y.backward()
    assert x.grad.item() == pytest.approx(np.exp(100_000 * np.log(1.00001)))
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None


def test_a_deep_chain_that_is_never_walked_can_be_deleted(no_collector):
    x = cr.ones(1, requires_grad=True)
    y, first = x, None
    for _ in range(100_000):
        y = y + 1
        first = first or weakref.ref(y.grad_fn)
    del y
    assert first() is None


def test_a_deep_chain_of_two_branches_and_of_views(no_collector):
    x = cr.ones(2, dtype=cr.float64, requires_grad=True)
    a, b = x, x
    for _ in range(5_000):
        a, b = (a + b) / 2, (a - b).reshape(2)[:2] / 2 + x
    (a + b).sum().backward(retain_graph=True)
    (a * b).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    del a, b


def test_a_deep_chain_of_in_place_operations(no_collector):
    x = cr.ones(3, requires_grad=True)
    y = x.clone()
    for _ in range(20_000):
        y.add_(1e-4)
    y[0].mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [2, 1, 1]
    del y


def test_a_deep_chain_of_views_is_walked_and_deleted(no_collector):
    x = cr.ones(3, requires_grad=True)
    y = x * 1
    for _ in range(20_000):
        y = y[:]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
    del y


def test_a_deep_second_derivative(no_collector):
    x = cr.tensor(1.0, dtype=cr.float64, requires_grad=True)
    y = x
    for _ in range(3_000):
        y = y * 1.0001 + x * 1e-6
    (g,) = cr.autograd.grad(y * y, x, create_graph=True)
    g.backward()
    assert np.isfinite(x.grad.item())
    del g, y


MAKERS = {
    "plain": lambda x: ((x * x).exp() + x).sum(),
    "retain_grad": lambda x: retained(x * x).sum(),
    "hook": lambda x: hooked(x * x).sum(),
    "hook that holds the value": lambda x: hooked_with_value(x * x).sum(),
    "views": lambda x: (x * 2)[0:1].reshape(1).expand(3).sum(),
    "in place": lambda x: (x * 2).mul_(3).add_(x).sum(),
    "write through a view": lambda x: written(x * 2).sum(),
    "several outputs": lambda x: sum(part.sum() for part in (x * x).split(1)),
    "max and index": lambda x: (x * x).max(dim=0).values.sum() + x[cr.tensor([0, 0])].sum(),
    "custom function": lambda x: Cube.apply(x).sum(),
    "composite without vjp": lambda x: cr.einsum("i,i->", x, x),
}


def retained(y):
    y.retain_grad()
    return y


def hooked(y):
    y.register_hook(lambda g: g * 2)
    return y


def hooked_with_value(y):
    value = y.detach()
    y.register_hook(lambda g: g * value)
    return y


def written(y):
    y[0].mul_(3)
    return y


class Cube(cr.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x * x * x
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * 3 * y / x


def nodes_below(loss):
    """Weak references to every node of the graph."""
    stack, found = [loss.grad_fn], []
    while stack:
        node = stack.pop()
        found.append(weakref.ref(node))
        stack += [edge for edge, _ in node.next_functions if hasattr(edge, "next_functions")]
    return found


@pytest.mark.parametrize("walked", ["unwalked", "walked", "twice", "recorded"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_every_node_dies_with_the_loss(make, walked, no_collector):
    x = cr.tensor([1.5, 2.5], requires_grad=True)
    loss = make(x)
    nodes = nodes_below(loss)
    if walked == "twice":
        loss.backward(retain_graph=True)
        loss.backward()
    elif walked == "walked":
        loss.backward()
    elif walked == "recorded":
        (g,) = cr.autograd.grad(loss, x, create_graph=True)
        if g.requires_grad:
            nodes += nodes_below(g)
        del g
    assert nodes and all(node() is not None for node in nodes[:1])
    del loss
    assert [node() for node in nodes if node() is not None] == []


def test_saved_values_are_freed_as_the_walk_goes(no_collector):
    live: list[int] = []
    arrays: list[weakref.ref] = []
    x = cr.ones(1000, dtype=cr.float64, requires_grad=True)
    y = x
    for _ in range(50):
        e = y.exp()
        arrays.append(weakref.ref(e._data))
        y = e * 0.1
        if len(arrays) % 10 == 0:
            y.register_hook(lambda g: live.append(sum(a() is not None for a in arrays)))
    del e
    y = y.sum()
    y.backward()
    assert live == sorted(live, reverse=True) and live[0] - live[-1] >= 35, live
    assert sum(a() is not None for a in arrays) == 0


def test_values_that_no_gradient_needs_are_free_at_once(no_collector):
    x = cr.ones(1000, requires_grad=True)
    a = x * 2
    b = a + 1  # neither addition nor a number's product reads its input
    kept = weakref.ref(a._data)
    del a
    assert kept() is None
    c = b * b
    kept = weakref.ref(b._data)
    del b
    assert kept() is not None
    c.sum().backward()
    assert kept() is None


def test_gradients_do_not_grow_the_graph_over_steps(no_collector):
    x = cr.ones(10, requires_grad=True)
    nodes = []
    for _ in range(5):
        loss = (x * x).sum()
        loss.backward()
        nodes.append(weakref.ref(loss.grad_fn))
        with cr.no_grad():
            x -= 0.1 * x.grad
        x.grad = None
    del loss
    assert all(node() is None for node in nodes)
    assert x.is_leaf


def test_the_record_of_writes_forgets_dead_memory(no_collector):
    before = len(memory.writes.owners)
    for _ in range(100):
        cr.zeros(10).add_(1)
    assert len(memory.writes.owners) <= before + 1


# ---- threads --------------------------------------------------------------------------------


def in_thread(f):
    result = []
    thread = threading.Thread(target=lambda: result.append(f()))
    thread.start()
    thread.join()
    return result[0]


def test_each_thread_has_its_own_grad_mode():
    with cr.no_grad():
        assert in_thread(cr.is_grad_enabled) is True
        assert not cr.is_grad_enabled()

    def switch():
        cr.set_grad_enabled(False)
        return cr.is_grad_enabled()

    assert in_thread(switch) is False
    assert cr.is_grad_enabled()


def test_threads_backpropagate_graphs_of_their_own():
    results = {}

    def work(k):
        x = cr.full((50,), float(k), dtype=cr.float64, requires_grad=True)
        for _ in range(50):
            y = x
            for _ in range(20):
                y = y * 1.01 + x
            x.grad = None
            y.sum().backward()
        results[k] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(r == results[0] for r in results.values())


def test_a_trace_in_one_thread_leaves_the_others_alone():
    x = cr.ones(2)
    seen = []

    def program(x):
        seen.append(in_thread(lambda: (cr.ones(2) * 3).sum().item()))
        return x * 2

    cr.compile.trace(program, x)
    assert seen == [6.0]


# ---- sums that float32 would lose -----------------------------------------------------------


def test_the_float32_mean_of_twenty_million_ones_is_one():
    x = cr.ones(20_000_000, 2)
    assert x.mean(0).tolist() == [1, 1]
    assert x.sum(0).tolist() == [20_000_000, 20_000_000]
    assert x.mean().item() == 1


@pytest.mark.parametrize("value", [0.1, 1e-7, 12345.678, -3.3e30])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_spread_of_a_constant_column_is_zero(value, layout):
    x = cr.full((100_003, 3), value) if layout == "rows" else cr.full((3, 100_003), value).t()
    assert x.std(0).tolist() == [0, 0, 0]
    assert x.var(0, correction=0).tolist() == [0, 0, 0]
    y = cr.tensor(x, requires_grad=True)
    y.std(0).sum().backward()
    assert not y.grad.numpy().any()


def test_long_float32_sums_are_close_to_float64():
    rng = np.random.default_rng(0)
    values = rng.random((1_000_003, 2)).astype(np.float32)
    for x in (values, np.asfortranarray(values), values[::-1], np.ascontiguousarray(values.T).T):
        exact = values.astype(np.float64).sum(0)
        np.testing.assert_allclose(cr.tensor(x).sum(0).numpy(), exact, rtol=3e-7)
        np.testing.assert_allclose(
            cr.tensor(x).mean().item(), values.mean(dtype=np.float64), rtol=3e-7
        )

"""Hooks: order, replacement, keyword arguments, failures, gradients; as PyTorch's."""

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


def test_order_and_removal():
    net, order = nn.Identity(), []
    pre = net.register_forward_pre_hook(lambda m, a: order.append("pre"))
    net.register_forward_pre_hook(lambda m, a: order.append("first"), prepend=True)
    net.register_forward_hook(lambda m, a, y: order.append("post"))
    net.register_forward_hook(lambda m, a, y: order.append("before"), prepend=True)
    net(cr.ones(1))
    assert order == ["first", "pre", "before", "post"]
    pre.remove()
    with net.register_forward_hook(lambda m, a, y: order.append("short")):
        net(cr.ones(1))
    net(cr.ones(1))
    assert order[4:] == ["first", "before", "post", "short", "first", "before", "post"]


def test_hooks_replace_arguments_and_results():
    class Scale(nn.Module):
        def forward(self, x, by=1):
            return x * by

    net = Scale()
    net.register_forward_pre_hook(lambda m, a: a[0] + 1)
    net.register_forward_pre_hook(lambda m, a, k: (a, {"by": 10}), with_kwargs=True)
    net.register_forward_hook(lambda m, a, k, y: y + k["by"], with_kwargs=True)
    assert net(cr.ones(1), by=2).item() == 30
    net.register_forward_pre_hook(lambda m, a, k: 3, with_kwargs=True)
    with pytest.raises(TypeError, match="args, kwargs"):
        net(cr.ones(1))


def test_always_call():
    class Fails(nn.Module):
        def forward(self, x):
            raise KeyError("inside")

    net, seen = Fails(), []
    net.register_forward_hook(lambda m, a, y: seen.append("never"))
    net.register_forward_hook(lambda m, a, y: seen.append(y), always_call=True)
    with pytest.raises(KeyError, match="inside"):
        net(1)
    assert seen == [None]
    net.register_forward_hook(lambda m, a, y: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="division"), pytest.raises(KeyError, match="inside"):
        net(1)


def test_backward_hooks_see_and_replace_gradients():
    net = nn.Linear(2, 1, bias=False)
    with cr.no_grad():
        net.weight.copy_(cr.tensor([[2.0, 3.0]]))
    seen = []

    def before(module, grad_output):
        seen.append(("out", grad_output[0].tolist()))
        return (grad_output[0] * 10,)

    def after(module, grad_input, grad_output):
        seen.append(("in", grad_input[0].tolist(), grad_output[0].tolist()))
        return (grad_input[0] * 0 + 1,)

    net.register_full_backward_pre_hook(before)
    handle = net.register_full_backward_hook(after)
    x = cr.ones(1, 2, requires_grad=True)
    # The input's other use must not show in the module's gradient.
    (net(x).sum() + (x * 5).sum()).backward()
    assert seen == [("out", [[1.0]]), ("in", [[20.0, 30.0]], [[10.0]])]
    assert x.grad.tolist() == [[6.0, 6.0]] and net.weight.grad.tolist() == [[10.0, 10.0]]
    handle.remove()
    seen.clear()
    net(cr.ones(1, 2)).sum().backward()
    assert seen == [("out", [[1.0]])]


def test_backward_hook_without_input_gradient():
    net, seen = nn.Linear(2, 1), []
    net.register_full_backward_hook(lambda m, i, o: seen.append((i, o[0].tolist())))
    net(cr.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]
    net.register_full_backward_hook(lambda m, i, o: (o[0],))
    with pytest.raises(ValueError, match="return None"):
        net(cr.ones(1, 2)).sum().backward()


def test_backward_hook_with_several_tensors():
    class Split(nn.Module):
        def forward(self, a, flag, b):
            return a * b, flag, a + b

    net, seen = Split(), []
    net.register_full_backward_hook(lambda m, i, o: seen.append((i, o)))
    a, b = (cr.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    y, flag, _ = net(a, True, b)
    y.sum().backward()
    ((grad_input, grad_output),) = seen
    assert flag is True and grad_input[1] is None
    assert [g.tolist() for g in grad_input[::2]] == [[3.0], [2.0]]
    assert grad_output[0].tolist() == [1.0] and grad_output[1:] == (None, None)


def test_backward_hooks_under_second_derivatives():
    class Cube(nn.Module):
        def forward(self, x):
            return x * x * x

    net = Cube()
    net.register_full_backward_hook(lambda m, i, o: (i[0] * 2,))
    x = cr.tensor(2.0, requires_grad=True)
    (g,) = cr.autograd.grad(net(x), x, create_graph=True)
    assert g.item() == 24
    (h,) = cr.autograd.grad(g, x)
    assert h.item() == 2 * 12 * 2 or h.item() == 24


def test_in_place_change_of_what_a_backward_hook_watches_is_refused():
    net = nn.Identity()
    net.register_full_backward_hook(lambda m, i, o: None)
    x = cr.ones(2, requires_grad=True) * 1
    y = net(x)
    with pytest.raises(RuntimeError, match="backward hooks"):
        y.mul_(2)


def test_backward_hooks_leave_no_cycle():
    net = nn.Linear(2, 2)
    net.register_full_backward_hook(lambda m, i, o: None)
    gc.disable()
    try:
        x = cr.ones(1, 2, requires_grad=True)
        y = net(x).sum()
        node = weakref.ref(y.grad_fn)
        y.backward()
        del y
        assert node() is None
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # PyTorch's
def test_order_equals_pytorchs():
    torch = pytest.importorskip("torch")

    def trace(lib):
        net, log = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Tanh()), []
        for name, m in net.named_modules():
            m.register_forward_pre_hook(lambda m, a, name=name: log.append(("pre", name)))
            m.register_forward_hook(lambda m, a, y, name=name: log.append(("post", name)))
            m.register_full_backward_pre_hook(
                lambda m, g, name=name: log.append(("back", name, len(g)))
            )
            m.register_full_backward_hook(
                lambda m, i, o, name=name: log.append(("full", name, len(i), i[0] is None))
            )
        net(lib.ones(3, 2, requires_grad=True)).sum().backward()
        net(lib.ones(3, 2)).sum().backward()
        return log

    assert trace(cr) == trace(torch)


def test_backward_hook_gradients_equal_pytorchs():
    torch = pytest.importorskip("torch")
    ours, theirs, logs = nn.Linear(3, 2), torch.nn.Linear(3, 2), []
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.weight.tolist()))
        theirs.bias.copy_(torch.tensor(ours.bias.tolist()))
    data = np.linspace(-1, 1, 12).reshape(4, 3).astype(np.float32)
    for lib, net in ((cr, ours), (torch, theirs)):
        net.register_full_backward_hook(lambda m, i, o: logs.append([g.tolist() for g in i + o]))
        x = lib.tensor(data.tolist(), requires_grad=True)
        net(x).sigmoid().sum().backward()
    for a, b in zip(*logs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)

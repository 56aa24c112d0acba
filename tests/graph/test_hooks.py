"""Hooks on tensors: when they run, what they may change, how they go away."""

import pytest

import chainrule as cr
from chainrule.base.errors import AutogradError


def test_hooks_run_in_order_and_each_sees_what_the_last_one_made(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        seen = []
        y.register_hook(lambda g: seen.append(g.clone()))
        y.register_hook(lambda g: g * 2)
        y.register_hook(lambda g: seen.append(g.clone()))
        x.register_hook(lambda g: seen.append(g.clone()))
        x.register_hook(lambda g: g + 1)
        (y * y).sum().backward()
        return [*seen, x.grad]

    agree(program)


def test_a_leaf_hook_sees_the_whole_gradient_once(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        seen = []
        x.register_hook(lambda g: seen.append(g.clone()))
        (x * x + x * 5).sum().backward()
        return [len(seen), *seen]

    agree(program)


def test_removed_hooks_are_silent():
    x = cr.ones(2, requires_grad=True)
    y = x * 2
    calls = []
    first = y.register_hook(lambda g: calls.append("first"))
    with y.register_hook(lambda g: calls.append("second")):
        y.sum().backward(retain_graph=True)
    first.remove()
    first.remove()
    y.sum().backward()
    assert calls == ["first", "second"]
    handle = x.register_hook(lambda g: calls.append("leaf"))
    handle.remove()
    (x * 2).sum().backward()
    assert calls == ["first", "second"]


def test_retain_grad_keeps_what_the_hooks_made(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        y.register_hook(lambda g: g * 10)
        y.retain_grad()
        y.retain_grad()
        assert y.retains_grad and not x.retains_grad
        (y * y).sum().backward()
        return [y.grad, x.grad]

    agree(program)


def test_retained_gradients_add_up_over_two_walks(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        y.retain_grad()
        y.sum().backward(retain_graph=True)
        (2 * y).sum().backward()
        return [y.grad, x.grad]

    agree(program)


def test_a_retained_gradient_is_its_own_memory():
    x = cr.ones(3, requires_grad=True)
    y = x + 0
    y.retain_grad()
    z = y + 0
    z.retain_grad()
    z.sum().backward()
    y.grad.add_(5)
    assert x.grad.tolist() == z.grad.tolist() == [1, 1, 1]


def test_post_accumulate_hooks_run_after_grad_is_there(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        seen = []
        handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.clone()))
        (x * 2).sum().backward()
        (x * 2).sum().backward()
        handle.remove()
        (x * 2).sum().backward()
        return [len(seen), *seen, x.grad]

    agree(program)


def test_an_optimizer_step_in_a_post_accumulate_hook():
    x = cr.tensor([1.0], requires_grad=True)

    def step(t):
        with cr.no_grad():
            t -= 0.1 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    for _ in range(3):
        (x * x).sum().backward()
    assert x.item() == pytest.approx(0.512) and x.grad is None


def test_hooks_may_be_recorded_themselves(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        y = x * x
        y.register_hook(lambda g: g * x)
        (g,) = m.autograd.grad(y.sum(), x, create_graph=True)
        return [g, *m.autograd.grad(g.sum(), x)]

    agree(program)


def test_a_hook_on_a_view_and_on_one_of_several_outputs(agree):
    def program(m):
        x = m.arange(6.0).reshape(2, 3).requires_grad_()
        y = x * 2
        row = y[0]
        seen = []
        row.register_hook(lambda g: seen.append(g.clone()))
        first, last = x.split(1)
        last.register_hook(lambda g: g * 7)
        ((row * row).sum() + (first * last).sum()).backward()
        return [*seen, x.grad]

    agree(program)


def test_hooks_work_in_grad_too(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        x.register_hook(lambda g: g * 2)
        y = x * 3
        y.register_hook(lambda g: g + 1)
        (by_y,) = m.autograd.grad((y * y).sum(), y, retain_graph=True)
        return [by_y, *m.autograd.grad((y * y).sum(), x)]

    agree(program)


def test_hooks_where_they_could_never_run_are_refused():
    plain = cr.ones(2)
    with pytest.raises(AutogradError, match="never be called"):
        plain.register_hook(print)
    with pytest.raises(AutogradError, match="does not require"):
        plain.retain_grad()
    with pytest.raises(AutogradError, match="leaves"):
        (cr.ones(2, requires_grad=True) * 2).register_post_accumulate_grad_hook(print)


def test_an_error_in_a_hook_comes_out_and_leaves_the_mode_alone():
    x = cr.ones(2, requires_grad=True)

    def broken(g):
        raise KeyError("mine")

    x.register_hook(broken)
    with pytest.raises(KeyError, match="mine"):
        (x * 2).sum().backward()
    assert cr.is_grad_enabled() and x.grad is None

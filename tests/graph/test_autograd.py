"""backward() and grad(): accumulation, retained and recorded graphs, errors that explain."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import AutogradError, DTypeError, ShapeError

grad = cr.autograd.grad


def leaf(*values):
    return cr.tensor(list(values), dtype=cr.float64, requires_grad=True)


def test_the_worked_example_of_the_notes():
    x, y, z = leaf(-2), leaf(5), leaf(-4)
    f = (x + y) * z
    f.sum().backward()
    assert (x.grad.item(), y.grad.item(), z.grad.item()) == (-4, -4, 3)


def test_gradients_accumulate_until_cleared():
    x = leaf(1, 2)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 7]
    first = x.grad
    (x * 1).sum().backward()
    assert x.grad is first and first.tolist() == [6, 8]
    x.grad = None
    (x * 1).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_gradients_of_different_leaves_never_share_memory():
    a, b, c = leaf(1, 2), leaf(3, 4), leaf(5, 6)
    (a + b + c).backward(gradient := cr.tensor([1.0, 1.0], dtype=cr.float64))
    arrays = [a.grad._data, b.grad._data, c.grad._data, gradient._data]
    for i, first in enumerate(arrays):
        for second in arrays[:i]:
            assert not np.shares_memory(first, second)
    a.grad.add_(10)
    (a + b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist(), c.grad.tolist()) == ([12, 12], [2, 2], [1, 1])


@pytest.mark.parametrize(
    "op",
    ["a + b", "a - b", "(a + b).reshape(2)", "a.clone() + b", "cr.stack([a, b])", "(a + b).t()",
     "a.expand(2, 2) + b", "cr.cat([a, b])[0:2] + a", "a.view(2) + b.view(2)", "a + a + b"],
)  # fmt: skip
def test_grad_belongs_to_its_leaf_alone(op):
    a, b = leaf(1, 2), leaf(3, 4)
    y = eval(op)
    v = cr.ones_like(y)
    y.backward(v)
    kept = b.grad.tolist()
    a.grad.fill_(99)
    assert b.grad.tolist() == kept and v.tolist() == cr.ones_like(y).tolist()
    assert a.grad._data.flags.writeable and b.grad._data.flags.writeable


def test_one_leaf_used_many_times(agree):
    agree(lambda m: both(m, lambda x: x * x * x + x / x - x**2 + x.exp() * x))


def both(m, f):
    x = m.tensor([0.5, 2.0], requires_grad=True)
    y = f(x)
    y.sum().backward()
    return [y, x.grad]


def test_a_second_backward_needs_the_graph_retained():
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(AutogradError, match="second time.*retain_graph=True"):
        y.backward()


def test_a_shared_part_of_two_losses_is_freed_by_the_first():
    x = leaf(1, 2)
    common = x * x
    a, b = common.sum(), (common * common).sum()
    a.backward()
    with pytest.raises(AutogradError, match="second time"):
        b.backward()


def test_a_graph_that_saves_nothing_can_be_walked_again():
    x = leaf(1, 2)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2, 2]


def test_grad_leaves_dot_grad_alone_and_takes_inner_tensors(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        y = x * 3
        z = (y * y).sum()
        by_y, by_x = m.autograd.grad(z, [y, x])
        return [by_y, by_x, x.grad is None]

    agree(program)


def test_grad_of_an_unused_input():
    x, unused = leaf(1, 2), leaf(3)
    with pytest.raises(AutogradError, match="do not depend on input 1.*allow_unused=True"):
        grad((x * x).sum(), [x, unused])
    a, b = grad((x * x).sum(), [x, unused], allow_unused=True)
    assert a.tolist() == [2, 4] and b is None
    a, b = grad((x * x).sum(), [x, unused], materialize_grads=True)
    assert b.tolist() == [0] and b.dtype is cr.float64
    with pytest.raises(AutogradError, match="Input 0 does not require"):
        grad((x * x).sum(), cr.ones(2))


def test_grad_stops_at_the_wanted_tensors():
    x = leaf(1, 2)
    y = x * 2
    z = (y * y).sum()
    calls = []
    x.register_hook(lambda g: calls.append(1))
    (g,) = grad(z, y)
    assert g.tolist() == [4, 8] and not calls


def test_grad_of_several_outputs_adds_up(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        outs = [x * 2, (x * x).sum()]
        vs = [m.tensor([1.0, 10.0]), None]
        return [*m.autograd.grad(outs, x, vs)]

    agree(program)


def test_backward_into_chosen_tensors(agree):
    def program(m):
        a, b = (m.tensor([v], requires_grad=True) for v in (2.0, 3.0))
        c = a * b
        c.retain_grad()
        (c * a).sum().backward(inputs=[b])
        return [a.grad, b.grad]

    agree(program)


def test_backward_of_a_non_scalar_needs_a_gradient():
    x = leaf(1, 2)
    with pytest.raises(AutogradError, match=r"single number.*\(2,\).*sum\(\)"):
        (x * 2).backward()
    with pytest.raises(ShapeError, match=r"gradient has shape \(3,\)"):
        (x * 2).backward(cr.ones(3))
    with pytest.raises(DTypeError, match="floating point"):
        (x * 2).backward(cr.ones(2, dtype=cr.int64))
    (x * 2).backward(cr.tensor([1.0, 10.0], dtype=cr.float64))
    assert x.grad.tolist() == [2, 20]
    one = x[:1] * 3
    one.backward()
    assert x.grad.tolist() == [5, 20]


def test_backward_on_a_constant_is_explained():
    with pytest.raises(AutogradError, match="does not require a gradient"):
        cr.ones(1).sum().backward()
    with cr.no_grad():
        y = leaf(1) * 2
    with pytest.raises(AutogradError, match="no_grad"):
        y.backward()


def test_dot_grad_of_a_computed_tensor_is_explained():
    x = leaf(1, 2)
    y = x * 2
    with pytest.raises(AutogradError, match="multiply.*retain_grad"):
        _ = y.grad
    assert cr.ones(2).grad is None
    y.retain_grad()
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]


def test_setting_grad_checks_it():
    x = leaf(1, 2)
    with pytest.raises(ShapeError, match=r"grad has shape \(3,\)"):
        x.grad = cr.ones(3)
    with pytest.raises(DTypeError, match="Tensor or None"):
        x.grad = 5
    x.grad = cr.ones(2, dtype=cr.float64)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_requires_grad_follows_pytorch():
    x = cr.ones(2)
    y = x * 2
    assert not y.requires_grad and y.is_leaf and y.grad_fn is None
    x.requires_grad_()
    z = x * 2
    assert z.requires_grad and not z.is_leaf and z.grad_fn is not None
    with pytest.raises(AutogradError, match="leaves"):
        z.requires_grad = False
    with pytest.raises(DTypeError, match="floating"):
        cr.ones(2, dtype=cr.int64).requires_grad_()
    assert not (x > 0).requires_grad and not x.argmax().requires_grad
    assert not x.long().requires_grad and x.half().requires_grad


# ---- higher order ---------------------------------------------------------------------------


def test_derivatives_of_every_order_of_a_power():
    x = leaf(2.0)
    y = x**5
    for expected in (80, 160, 240, 240, 120):
        (y,) = grad(y.sum(), x, create_graph=True)
        assert y.item() == expected


def test_create_graph_retains_and_accumulates_a_recorded_gradient(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], dtype=m.float64, requires_grad=True)
        m.autograd.grad((x**3).sum(), x, create_graph=True)
        (g,) = m.autograd.grad((x**3).sum(), x, create_graph=True)
        penalty = (g * g).sum() + (x * g).sum()
        penalty.backward()
        return [g, x.grad]

    agree(program)


def test_mixed_second_derivatives(agree):
    def program(m):
        x = m.tensor([[0.3, -0.7]], dtype=m.float64, requires_grad=True)
        w = m.tensor([[0.5, 0.1], [-0.2, 0.9]], dtype=m.float64, requires_grad=True)
        y = m.tanh(x @ w).pow(2).sum()
        gx, gw = m.autograd.grad(y, [x, w], create_graph=True)
        (gx.sum() + (gw * gw).sum()).backward()
        return [gx, gw, x.grad, w.grad]

    agree(program)


def test_the_gradient_with_respect_to_grad_outputs(agree):
    def program(m):
        x = m.tensor([1.0, 2.0], requires_grad=True)
        v = m.tensor([3.0, 4.0], requires_grad=True)
        (g,) = m.autograd.grad(x * x, x, v, create_graph=True)
        return [g, *m.autograd.grad(g.sum(), [v, x])]

    agree(program)


def test_a_gradient_that_is_not_recorded_cannot_be_differentiated():
    x = leaf(2.0)
    (g,) = grad((x**3).sum(), x)
    assert not g.requires_grad
    with pytest.raises(AutogradError):
        grad(g.sum(), x)


def test_functional_derivatives_against_pytorch(agree):
    def program(m):
        f = m.autograd.functional if hasattr(m.autograd, "functional") else m.autograd
        x = m.tensor([0.3, -0.7, 1.1], dtype=m.float64)
        v = m.tensor([1.0, 2.0, -1.0], dtype=m.float64)

        def g(x):
            return m.stack([(x * x).sum(), x.exp().prod(), x[0] * x[2]])

        def h(x):
            return (x.sin() * x * x).sum() + x.prod()

        return [f.jacobian(g, x), f.hessian(h, x), f.vjp(g, x, v), f.jvp(g, x, v), f.hvp(h, x, v)]

    agree(program)


def test_gradcheck_finds_a_wrong_gradient():
    class Wrong(cr.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x  # the factor 2 is lost

    x = leaf(1.0, 2.0)
    assert cr.autograd.gradcheck(lambda x: x * x, x)
    assert not cr.autograd.gradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(AutogradError, match="differs"):
        cr.autograd.gradcheck(Wrong.apply, x)
    with pytest.raises(AutogradError, match="float64"):
        cr.autograd.gradcheck(lambda x: x * x, cr.ones(2, requires_grad=True))


# ---- modes ----------------------------------------------------------------------------------


def test_no_grad_as_context_decorator_and_bare_decorator():
    x = leaf(1.0)

    @cr.no_grad()
    def first(x):
        return x * 2

    @cr.no_grad
    def second(x):
        return x * 2

    @cr.enable_grad()
    def third(x):
        return x * 2

    with cr.no_grad():
        assert not (x * 2).requires_grad and not cr.is_grad_enabled()
        assert third(x).requires_grad
        with cr.enable_grad():
            assert (x * 2).requires_grad
        assert not cr.is_grad_enabled()
    assert not first(x).requires_grad and not second(x).requires_grad
    assert cr.is_grad_enabled() and (x * 2).requires_grad
    assert first.__name__ == "first"


def test_set_grad_enabled_as_function_and_context():
    cr.set_grad_enabled(False)
    try:
        assert not cr.is_grad_enabled()
        with cr.set_grad_enabled(True):
            assert cr.is_grad_enabled()
        assert not cr.is_grad_enabled()
    finally:
        cr.set_grad_enabled(True)

    @cr.set_grad_enabled(False)
    def quiet(x):
        return x * 2

    assert cr.is_grad_enabled() and not quiet(leaf(1.0)).requires_grad


def test_the_mode_comes_back_after_an_error_and_one_manager_nests():
    manager = cr.no_grad()
    with pytest.raises(KeyError), manager, manager:
        raise KeyError
    assert cr.is_grad_enabled()


def test_leaves_made_under_no_grad_may_require_a_gradient():
    with cr.no_grad():
        x = cr.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2]

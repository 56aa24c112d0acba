"""Operations that users define, and parts that are computed twice."""

import gc
import weakref

import numpy as np
import pytest

import chainrule as cr
from chainrule import autograd
from chainrule.base.errors import AutogradError
from chainrule.ops.op import Card, Elementwise, op


def f64(*values):
    return cr.tensor(list(values), dtype=cr.float64, requires_grad=True)


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class Exponential(autograd.Function):
    """Saves its output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Two(autograd.Function):
    """Two outputs, an argument that is no tensor, setup_context."""

    @staticmethod
    def forward(x, z, factor):
        return x * z, x + factor * z

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, z, ctx.factor = inputs
        ctx.save_for_backward(x, z)

    @staticmethod
    def backward(ctx, g, h):
        x, z = ctx.saved_tensors
        return g * z + h, g * x + ctx.factor * h, None


@pytest.mark.parametrize("function", [Cube, Exponential])
def test_custom_gradients_of_order_1_and_2(function):
    x = f64(0.5, -1.0, 2.0)
    assert autograd.gradcheck(function.apply, x)
    assert autograd.gradgradcheck(function.apply, x)


def test_several_outputs_and_arguments():
    x, z = f64(1.0, 2.0), f64(3.0, 4.0)
    assert autograd.gradcheck(lambda x, z: Two.apply(x, z, 5.0), (x, z))
    _, only_second = Two.apply(x, z, 5.0)
    only_second.sum().backward()
    assert x.grad.tolist() == [1, 1] and z.grad.tolist() == [5, 5]


def test_a_saved_value_changed_in_place_is_detected():
    x = f64(1.0, 2.0) * 1
    y = Cube.apply(x)
    x.mul_(2)
    with pytest.raises(AutogradError, match="in-place"):
        y.sum().backward()


def test_a_wrong_number_of_gradients_is_named():
    class Short(autograd.Function):
        @staticmethod
        def forward(ctx, x, z):
            return x + z

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(AutogradError, match="1 gradients for 2"):
        Short.apply(f64(1.0), f64(1.0)).sum().backward()


def test_a_saved_output_makes_no_cycle():
    gc.disable()
    try:
        y = Exponential.apply(f64(1.0)).sum()
        node = weakref.ref(y.grad_fn)
        y.backward()
        del y
        assert node() is None
    finally:
        gc.enable()


def test_an_operation_by_contract_becomes_function_method_and_gradient():
    @op
    class Cubed(Elementwise):
        """x³."""

        name = "cubed_for_this_test"
        math = "x ^ 3"
        saves = ("x",)
        card = Card(en="Steep.", zh="陡。")

        def forward(F, x):
            return x * x * x

        def vjp(F, g, y, x):
            return (3 * g * x * x,)

    try:
        x = f64(1.0, 2.0)
        assert Cubed(x).tolist() == x.cubed_for_this_test().tolist() == [1, 8]
        assert autograd.gradcheck(Cubed, x) and autograd.gradgradcheck(Cubed, x)
    finally:
        from chainrule.ops.namespace import Namespace
        from chainrule.ops.op import REGISTRY

        del REGISTRY[Cubed.name], Namespace.composites[Cubed.name]
        del cr.Tensor.cubed_for_this_test, cr.Tensor.cubed_for_this_test_


# ---- checkpointing --------------------------------------------------------------------------


def part(x, w):
    return cr.dropout((x @ w).sigmoid(), 0.5) @ w


def test_checkpointing_gives_the_same_bits():
    cr.manual_seed(0)
    x, w = cr.randn(4, 3, requires_grad=True), cr.randn(3, 3, requires_grad=True)
    results = []
    for run in (lambda x: part(x, w), lambda x: autograd.checkpoint(lambda z: part(z, w), x)):
        x.grad = w.grad = None
        cr.manual_seed(1)
        y = run(x)
        y.square().sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy(), w.grad.numpy(), cr.get_rng_state()))
    for a, b in zip(results[0][:3], results[1][:3], strict=True):
        np.testing.assert_array_equal(a, b)
    assert results[0][3] == results[1][3]


def test_checkpointing_keeps_second_derivatives():
    w = f64(0.5, -0.3)
    x = f64(1.0, 2.0)

    def function(x, w):
        return autograd.checkpoint(lambda a: (a * w).sin() * a, x)

    assert autograd.gradcheck(function, (x, w))
    assert autograd.gradgradcheck(function, (x, w))


def test_checkpointing_keeps_no_activations():
    kept = []

    def deep(x):
        for _ in range(10):
            x = x.sin()
            kept.append(weakref.ref(x._data))
        return x

    y = autograd.checkpoint(deep, cr.ones(1000, requires_grad=True))
    alive = sum(r() is not None for r in kept)
    assert alive <= 1, "only the output's memory is held between forward and backward"
    y.sum().backward()

"""vjp, jvp, Jacobian, Hessian, gradcheck: against closed forms, and PyTorch where it is present."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import autograd
from chainrule.base.errors import AutogradError, ShapeError


def f64(*values, grad=False):
    return cr.tensor(list(values), dtype=cr.float64, requires_grad=grad)


def test_vjp_is_the_gradient_for_g():
    y, g = autograd.vjp(lambda x: x**2, f64(1, 2, 3), f64(1, 10, 100))
    assert y.tolist() == [1, 4, 9] and g.tolist() == [2, 40, 600]


def test_jvp_is_the_directional_derivative():
    y, d = autograd.jvp(lambda x, z: x * z, (f64(1, 2), f64(3, 4)), (f64(1, 0), f64(0, 1)))
    assert y.tolist() == [3, 8] and d.tolist() == [3, 2]


def test_jacobian_of_softmax_is_p_times_delta_minus_p():
    x = f64(0.1, -0.4, 0.7)
    p = cr.softmax(x, 0).numpy()
    expected = np.diag(p) - np.outer(p, p)
    np.testing.assert_allclose(
        autograd.jacobian(lambda x: cr.softmax(x, 0), x).numpy(), expected, atol=1e-15
    )


def test_jacobian_of_several_inputs_and_outputs_is_nested():
    out = autograd.jacobian(lambda x, z: (x * z, z.sum()), (f64(1, 2), f64(3, 4)))
    assert out[0][0].tolist() == [[3, 0], [0, 4]] and out[0][1].tolist() == [[1, 0], [0, 2]]
    assert out[1][0].tolist() == [0, 0] and out[1][1].tolist() == [1, 1]


def test_hessian_and_hessian_vector_product_agree():
    def energy(x):
        return (x[0] ** 2 * x[1] + x[1] ** 3).sin()

    x, v = f64(0.3, 0.7), f64(0.5, -1.5)
    full = autograd.hessian(energy, x)
    assert cr.allclose(full, full.T)
    np.testing.assert_allclose(
        autograd.hvp(energy, x, v)[1].numpy(), full.numpy() @ v.numpy(), rtol=1e-12
    )
    numeric = np.zeros((2, 2))
    for i in range(2):
        for sign in (1, -1):
            moved = x.clone()
            moved[i] += sign * 1e-5
            _, g = autograd.vjp(energy, moved)
            numeric[i] += sign * g.numpy() / 2e-5
    np.testing.assert_allclose(full.numpy(), numeric, rtol=1e-6)


def test_results_can_be_differentiated_further():
    x = f64(2.0, grad=True)
    jacobian = autograd.jacobian(lambda x: x**3, x, create_graph=True)
    jacobian.sum().backward()
    assert x.grad.tolist() == [12]


def test_wrong_vectors_and_outputs_are_named():
    with pytest.raises(ShapeError):
        autograd.vjp(lambda x: x * 2, f64(1, 2), f64(1, 2, 3))
    with pytest.raises(AutogradError):
        autograd.vjp(lambda x: x * 2, f64(1, 2))
    with pytest.raises(AutogradError):
        autograd.hessian(lambda x: x * 2, f64(1, 2))
    with pytest.raises(AutogradError):
        autograd.jacobian(lambda x: 3.0, f64(1, 2))


def test_gradcheck_sees_a_wrong_gradient():
    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x  # the factor 2 is missing

    x = f64(1, 2, grad=True)
    assert autograd.gradcheck(lambda x: x * x, x)
    assert not autograd.gradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(AutogradError, match="differs"):
        autograd.gradcheck(Wrong.apply, x)
    with pytest.raises(AutogradError, match="float64"):
        autograd.gradcheck(lambda x: x * x, cr.ones(2, requires_grad=True))


def test_functionals_equal_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    a, b, v = rng.normal(size=(3, 2)), rng.normal(size=(2, 3)), rng.normal(size=(3, 3))

    def function(x, z):
        return (x @ z).sigmoid()

    ours = autograd.vjp(function, (cr.tensor(a), cr.tensor(b)), cr.tensor(v))
    theirs = torch.autograd.functional.vjp(
        function, (torch.tensor(a), torch.tensor(b)), torch.tensor(v)
    )
    for x, y in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12)
    ours = autograd.hessian(lambda x, z: function(x, z).sum(), (cr.tensor(a), cr.tensor(b)))
    theirs = torch.autograd.functional.hessian(
        lambda x, z: function(x, z).sum(), (torch.tensor(a), torch.tensor(b))
    )
    for row, other in zip(ours, theirs, strict=True):
        for x, y in zip(row, other, strict=True):
            np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-9, atol=1e-14)

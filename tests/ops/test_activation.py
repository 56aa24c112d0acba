"""Activations against PyTorch, numeric derivatives, and their behaviour at the edges."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import functional as F
from chainrule.ops.op import REGISTRY

rng = np.random.default_rng(0)

# name, params, where PyTorch has it ("" for torch.nn.functional, "torch" for the top level).
SMOOTH = [
    ("sigmoid", {}), ("tanh", {}), ("softsign", {}), ("tanhshrink", {}), ("logsigmoid", {}),
    ("softplus", {}), ("softplus", {"beta": 2.0, "threshold": 3.0}), ("elu", {}),
    ("elu", {"alpha": 0.5}), ("elu", {"alpha": -0.5}), ("selu", {}), ("celu", {}),
    ("celu", {"alpha": 0.5}), ("silu", {}), ("mish", {}), ("gelu", {}),
    ("gelu", {"approximate": "tanh"}), ("asinh", {}),
]  # fmt: skip
PIECES = [
    ("relu", {}), ("relu6", {}), ("leaky_relu", {}), ("leaky_relu", {"negative_slope": 0.3}),
    ("hardtanh", {}), ("hardtanh", {"min_val": -0.5, "max_val": 2.0}), ("hardsigmoid", {}),
    ("hardswish", {}), ("threshold", {"threshold": 0.2, "value": -7.0}), ("softshrink", {}),
    ("softshrink", {"lambd": 0.2}), ("hardshrink", {}), ("hardshrink", {"lambd": 1.5}),
]  # fmt: skip
LINES = [
    ("softmax", {"dim": 0}), ("softmax", {"dim": -1}), ("log_softmax", {"dim": 0}),
    ("log_softmax", {"dim": -1}), ("softmin", {"dim": -1}),
]  # fmt: skip
SHAPES = [(), (7,), (3, 4), (2, 3, 4), (0,), (0, 3), (3, 0)]


def peer(name):
    torch = pytest.importorskip("torch")
    return getattr(torch.nn.functional, name, None) or getattr(torch, name)


def compare(name, params, x, rtol=1e-11):
    """Value, gradient and gradient of the gradient, in float64, of both libraries."""
    torch = pytest.importorskip("torch")
    weights = rng.normal(size=x.shape)
    v = cr.tensor(x, requires_grad=True)
    y = getattr(F, name)(v, **params)
    g = cr.autograd.grad(y, v, cr.tensor(weights), create_graph=True)[0]
    h = cr.autograd.grad((g * g).sum(), v, allow_unused=True)[0] if g.requires_grad else None
    v2 = torch.tensor(x, requires_grad=True)
    y2 = peer(name)(v2, **params)
    g2 = torch.autograd.grad(y2, v2, torch.tensor(weights), create_graph=True)[0]
    if name == "hardsigmoid":  # PyTorch has no second derivative of it; it is 0
        assert h is None
        g2, h = g2.detach(), None
        rtol = 1e-7
    h2 = None
    if g2.requires_grad:
        h2 = torch.autograd.grad((g2 * g2).sum(), v2, allow_unused=True)[0]
    assert y.shape == tuple(y2.shape)
    zero = np.zeros(x.shape)
    for mine, other in ((y, y2), (g, g2), (h, h2)):
        a = zero if mine is None else mine.detach().numpy()
        b = zero if other is None else other.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "params"), SMOOTH + PIECES + LINES, ids=str)
def test_value_and_two_gradients_equal_pytorch(name, params, shape):
    compare(name, params, rng.uniform(-4, 4, shape))


@pytest.mark.parametrize(("name", "params"), SMOOTH + PIECES, ids=str)
def test_conventions_at_kinks_are_those_of_pytorch(name, params):
    torch = pytest.importorskip("torch")
    points = np.array([0.0, -0.5, 0.5, -1, 1, -3, 3, 6, 0.2, 2, 1.5, -1.5])
    v, v2 = cr.tensor(points, requires_grad=True), torch.tensor(points, requires_grad=True)
    getattr(F, name)(v, **params).sum().backward()
    peer(name)(v2, **params).sum().backward()
    # PyTorch divides by 6 in float32 in hardsigmoid.
    np.testing.assert_allclose(v.grad.numpy(), v2.grad.numpy(), rtol=1e-7)


@pytest.mark.parametrize("name", ["acosh", "atanh"])
def test_inverse_hyperbolic(name):
    low, high = REGISTRY[name].domain
    compare(name, {}, rng.uniform(low, high, (3, 4)), rtol=1e-9)


@pytest.mark.parametrize(("name", "low"), [("asinh", 1e-30), ("acosh", 0.0), ("atanh", 1e-30)])
def test_inverse_hyperbolic_keeps_small_digits(name, low):
    tiny = np.geomspace(1e-30, 0.9, 200).astype(np.float32)
    x = tiny + 1 if name == "acosh" else tiny
    y = getattr(F, name)(cr.tensor(x)).numpy()
    truth = getattr(np, "arc" + name[1:])(x.astype(np.float64))
    np.testing.assert_allclose(y, truth, rtol=5e-7)
    if name == "asinh":
        huge = F.asinh(cr.tensor([-1e30, 1e30, math.inf])).numpy()
        np.testing.assert_allclose(huge, [-69.77070228, 69.77070228, math.inf], rtol=1e-6)


ALL = SMOOTH + PIECES + [("hard_sigmoid_bnn", {})]


@pytest.mark.parametrize(("name", "params"), ALL, ids=str)
def test_gradient_is_the_numeric_derivative(name, params):
    x = np.array([-2.7, -1.9, -1.2, -0.73, -0.31, 0.13, 0.41, 0.77, 1.21, 2.2, 3.7, 7.1])
    v, h = cr.tensor(x, requires_grad=True), 1e-6
    f = getattr(F, name)
    f(v, **params).sum().backward()
    numeric = (f(cr.tensor(x + h), **params) - f(cr.tensor(x - h), **params)).numpy() / (2 * h)
    np.testing.assert_allclose(v.grad.numpy(), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "params"), ALL, ids=str)
def test_far_out_value_and_gradients_stay_finite(name, params, dtype):
    v = cr.tensor(np.array([-800.0, -100, 0, 100, 800], dtype), requires_grad=True)
    y = getattr(F, name)(v, **params)
    g = cr.autograd.grad(y.sum(), v, create_graph=True)[0]
    assert np.isfinite(y.detach().numpy()).all() and np.isfinite(g.detach().numpy()).all()
    if g.requires_grad:
        (h,) = cr.autograd.grad(g.sum(), v, allow_unused=True)
        assert h is None or np.isfinite(h.numpy()).all()


@pytest.mark.parametrize(("name", "params"), ALL + [("sign_ste", {})], ids=str)
def test_nan_stays_nan(name, params):
    assert np.isnan(getattr(F, name)(cr.tensor([math.nan, 1.0]), **params).numpy()[0])


def test_sigmoid_is_accurate_in_both_tails():
    x = np.linspace(-87.3, 89, 200_001).astype(np.float32)
    truth = 1 / (1 + np.exp(-x.astype(np.float64)))
    error = np.abs(cr.tensor(x).sigmoid().numpy() - truth)
    assert (error / np.spacing(truth.astype(np.float32))).max() <= 4
    ends = cr.tensor([-math.inf, -800.0, 0.0, 800.0, math.inf]).sigmoid()
    assert ends.tolist() == [0, 0, 0.5, 1, 1]


def test_sigmoid_slope_is_at_most_a_quarter():
    x = cr.tensor(np.linspace(-9, 9, 181), requires_grad=True)
    x.sigmoid().sum().backward()
    assert x.grad.max().item() == 0.25


# ---- softmax --------------------------------------------------------------------------------


def test_softmax_jacobian_is_that_of_the_notes():
    x = cr.tensor(rng.normal(size=5))
    p = F.softmax(x, 0).numpy()
    jacobian = cr.autograd.jacobian(lambda v: F.softmax(v, 0), x).numpy()
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), atol=1e-15)


def test_softmax_of_huge_and_excluded_scores():
    x = cr.tensor([[1e8, 0.0, -1e8], [-math.inf, 0.0, 0.0]], requires_grad=True)
    p = F.softmax(x, 1)
    assert p.tolist() == [[1, 0, 0], [0, 0.5, 0.5]]
    (p * cr.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert np.isfinite(x.grad.numpy()).all() and x.grad.numpy()[1, 0] == 0
    logs = F.log_softmax(x.detach(), -1).numpy()
    np.testing.assert_allclose(logs[1], [-math.inf, -math.log(2), -math.log(2)], rtol=1e-6)
    assert logs[0].tolist() == [0, -1e8, -2e8]


def test_softmax_converts_before_it_computes():
    x = cr.tensor([1, 2**24 + 1, 2**24])
    p = F.softmax(x, 0, dtype=cr.float64)
    assert p.dtype is cr.float64
    np.testing.assert_allclose(p.numpy()[1:], [1 / (1 + math.exp(-1)), 1 / (1 + math.e)])
    half = cr.tensor([1.0, 2.0], dtype=cr.float16, requires_grad=True)
    wide = F.log_softmax(half, dim=0, dtype=cr.float32)
    wide[0].backward()
    assert wide.dtype is cr.float32 and half.grad.dtype is cr.float16


def test_softmax_without_an_axis_warns_and_takes_pytorchs():
    for shape, dim in (((3,), 0), ((2, 3), 1), ((2, 3, 4), 0), ((2, 3, 4, 5), 1)):
        x = cr.tensor(np.random.default_rng(0).normal(size=shape))
        with pytest.warns(UserWarning, match=f"write dim={dim}"):
            y = F.softmax(x)
        assert cr.equal(y, F.softmax(x, dim))
    with pytest.raises(ValueError, match="softmax: dim must be an integer"):
        F.softmax(cr.ones(2), "rows")
    with pytest.raises(IndexError, match="out of range"):
        F.softmax(cr.ones(3), 1)


def test_hardmax_shares_in_proportion():
    x = cr.tensor([[5.0, 1.0, 1.0, 1.0]], dtype=cr.float64, requires_grad=True)
    y = F.hardmax(x, 1)
    assert y.tolist() == [[0.625, 0.125, 0.125, 0.125]]
    y[0, 0].backward()
    np.testing.assert_allclose(x.grad.numpy(), [[3 / 64, -5 / 64, -5 / 64, -5 / 64]])
    assert cr.autograd.gradcheck(lambda v: F.hardmax(v, 1), (x,))


# ---- several inputs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "weight"),
    [((4, 3), (3,)), ((2, 3, 5), (3,)), ((2, 3, 2, 2), (1,)), ((5,), (1,)), ((), (1,)),
     ((0, 3), (3,))],
    ids=str,
)  # fmt: skip
def test_prelu_equals_pytorch(x, weight):
    torch = pytest.importorskip("torch")
    a, w = rng.normal(size=x), rng.normal(size=weight)
    mine = cr.tensor(a, requires_grad=True), cr.tensor(w, requires_grad=True)
    other = torch.tensor(a, requires_grad=True), torch.tensor(w, requires_grad=True)
    y, y2 = F.prelu(*mine), torch.nn.functional.prelu(*other)
    np.testing.assert_allclose(y.detach().numpy(), y2.detach().numpy())
    grads = cr.autograd.grad((y * y).sum(), mine, create_graph=True)
    grads2 = torch.autograd.grad((y2 * y2).sum(), other, create_graph=True)
    second = cr.autograd.grad(sum((g * g).sum() for g in grads), mine)
    second2 = torch.autograd.grad(sum((g * g).sum() for g in grads2), other)
    for m, o in zip((*grads, *second), (*grads2, *second2), strict=True):
        assert m.shape == tuple(o.shape)
        np.testing.assert_allclose(m.detach().numpy(), o.detach().numpy(), rtol=1e-12)


def test_prelu_names_the_channels():
    with pytest.raises(ShapeError, match=r"weight has shape \(4,\).*\(2, 3\).*3 channels"):
        F.prelu(cr.ones(2, 3), cr.ones(4))
    with pytest.raises(ShapeError, match="weight"):
        F.prelu(cr.ones(2, 1), cr.ones(4))


@pytest.mark.parametrize(
    ("shape", "dim"), [((4,), -1), ((3, 4), 1), ((4, 3), 0), ((2, 6, 3), 1), ((0, 4), 1)]
)
def test_glu_equals_pytorch(shape, dim):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=shape)
    v, v2 = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, y2 = F.glu(v, dim), torch.nn.functional.glu(v2, dim)
    np.testing.assert_allclose(y.detach().numpy(), y2.detach().numpy())
    g = cr.autograd.grad((y * y).sum(), v, create_graph=True)[0]
    g2 = torch.autograd.grad((y2 * y2).sum(), v2, create_graph=True)[0]
    h, h2 = cr.autograd.grad((g * g).sum(), v)[0], torch.autograd.grad((g2 * g2).sum(), v2)[0]
    np.testing.assert_allclose(g.detach().numpy(), g2.detach().numpy())
    np.testing.assert_allclose(h.numpy(), h2.numpy())


def test_glu_of_an_odd_axis():
    with pytest.raises(ShapeError, match=r"even size.*\(2, 3\)"):
        F.glu(cr.ones(2, 3))


# ---- binarised networks, in-place forms -----------------------------------------------------


def test_binarised_gradients_pass_inside_the_unit_interval():
    x = cr.tensor([-1.5, -1.0, 0.0, 0.3, 1.0, 1.5], requires_grad=True)
    y = F.sign_ste(x)
    assert y.tolist() == [-1, -1, 0, 1, 1, 1]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 0]
    x.grad = None
    y = F.hard_sigmoid_bnn(x)
    np.testing.assert_allclose(y.detach().numpy(), [0, 0, 0.5, 0.65, 1, 1], rtol=1e-6)
    y.sum().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5, 0.5, 0.5, 0]


def test_gradient_of_an_excluded_branch_is_zero_not_nan():
    x = cr.tensor([-1.0, 4.0], requires_grad=True)
    F.relu(x).sqrt().sum().backward()  # the slope of sqrt at 0 is infinite
    assert x.grad.tolist() == [0, 0.25]


@pytest.mark.parametrize(
    "name",
    ["relu", "leaky_relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "elu", "selu", "celu",
     "silu", "mish"],
)  # fmt: skip
def test_inplace_writes_into_the_input(name):
    f = getattr(F, name)
    leaf = cr.tensor([-1.5, 0.5, 7.0], dtype=cr.float64, requires_grad=True)
    expected = f(leaf)
    expected.sum().backward()
    grad, leaf.grad = leaf.grad, None
    x = leaf * 1
    out = f(x, inplace=True)
    assert out is x and x.tolist() == expected.tolist()
    x.sum().backward()
    assert leaf.grad.tolist() == grad.tolist()


def test_inplace_by_position_and_bad_flags():
    x = cr.tensor([-1.0, 2.0])
    assert F.threshold(x, 0.0, 5.0, True) is x and x.tolist() == [5, 2]
    with pytest.raises(ArgumentError, match="inplace must be True or False"):
        F.relu(x, 0.1)


@pytest.mark.parametrize(
    ("name", "bad"),
    [("softplus", {"beta": 0}), ("celu", {"alpha": 0}), ("gelu", {"approximate": "erf"}),
     ("softshrink", {"lambd": -1}), ("leaky_relu", {"negative_slope": "a"})],
)  # fmt: skip
def test_bad_parameters_are_named(name, bad):
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        getattr(F, name)(cr.ones(2), **bad)


def test_arguments_that_are_equal_but_not_the_same_are_told_apart():
    x = cr.tensor([1.0, 9.0])
    # A call with the one leaves its parameters to calls with equal ones.
    for value in (0.0, -0.0, np.float64(-0.0), 0.0):
        y = F.threshold(x, 5.0, value).numpy()
        assert np.signbit(y[0]) == np.signbit(value), value
    assert F.sum(x, 0, True).shape == (1,)
    with pytest.raises(ArgumentError):
        F.sum(x, 0, 1)

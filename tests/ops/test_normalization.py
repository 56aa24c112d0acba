"""Batch, layer, group, instance, RMS and local response normalisation."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.ops import functional as ops

rng = np.random.default_rng(2)
_SHAPES = [(4, 3), (3, 2, 4, 5), (5, 3, 2), (2, 3, 2, 2, 2)]


def affine(agree, ours, theirs, x, shape, tol=1e-7):
    """With weight and bias, with weight alone, with neither."""
    agree(lambda v, w, b: ours(v, w, b), lambda v, w, b: theirs(v, w, b), x, shape, shape, tol=tol)
    agree(lambda v, w: ours(v, w, None), lambda v, w: theirs(v, w, None), x, shape, tol=tol)
    agree(lambda v: ours(v, None, None), lambda v: theirs(v, None, None), x, tol=tol)


@pytest.mark.parametrize("shape", _SHAPES)
def test_batch_norm_is_pytorchs(shape, functional, agree):
    torch = pytest.importorskip("torch")
    c = shape[1]
    affine(
        agree,
        lambda x, w, b: ops.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: functional.batch_norm(x, None, None, w, b, True),
        shape, (c,),
    )  # fmt: skip
    mean, var = rng.standard_normal(c), rng.uniform(0.1, 2, c)
    affine(
        agree,
        lambda x, w, b: ops.batch_norm(x, cr.tensor(mean), cr.tensor(var), w, b),
        lambda x, w, b: functional.batch_norm(x, torch.tensor(mean), torch.tensor(var), w, b),
        shape, (c,),
    )  # fmt: skip


@pytest.mark.parametrize("shape", _SHAPES)
def test_layer_group_instance_rms_norm_are_pytorchs(shape, functional, agree):
    c = shape[1]
    for n in {shape[1:], shape[-1:]}:
        affine(
            agree,
            lambda x, w, b, n=n: ops.layer_norm(x, n, w, b),
            lambda x, w, b, n=n: functional.layer_norm(x, n, w, b),
            shape, n,
        )  # fmt: skip
        agree(
            lambda x, w, n=n: ops.rms_norm(x, n, w),
            lambda x, w, n=n: functional.rms_norm(x, n, w),
            shape,
            n,
        )
    for groups in (1, c):
        affine(
            agree,
            lambda x, w, b, g=groups: ops.group_norm(x, g, w, b),
            lambda x, w, b, g=groups: functional.group_norm(x, g, w, b),
            shape, (c,),
        )  # fmt: skip
    if len(shape) > 2:
        affine(
            agree,
            lambda x, w, b: ops.instance_norm(x, None, None, w, b),
            lambda x, w, b: functional.instance_norm(x, None, None, w, b),
            shape, (c,),
        )  # fmt: skip
        agree(
            lambda x: ops.local_response_norm(x, 3, 0.3, 0.6, 1.5),
            lambda x: functional.local_response_norm(x, 3, 0.3, 0.6, 1.5),
            shape,
        )


def test_group_norm_of_several_channels(functional, agree):
    affine(
        agree,
        lambda x, w, b: ops.group_norm(x, 2, w, b),
        lambda x, w, b: functional.group_norm(x, 2, w, b),
        (2, 6, 3, 2), (6,),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])
def test_running_statistics_are_pytorchs(name, functional):
    torch = pytest.importorskip("torch")
    more = {"training": True} if name == "batch_norm" else {}
    ours = [cr.zeros(3, dtype=cr.float64), cr.ones(3, dtype=cr.float64)]
    theirs = [torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)]
    for _ in range(3):
        x = 2 + 3 * rng.standard_normal((4, 3, 5))
        getattr(ops, name)(cr.tensor(x, requires_grad=True), *ours, momentum=0.3, **more)
        getattr(functional, name)(torch.tensor(x), *theirs, momentum=0.3, **more)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
        assert not a.requires_grad


def test_running_variance_is_the_unbiased_one():
    x = cr.tensor([[1.0], [2.0], [6.0]])
    mean, var = cr.zeros(1), cr.zeros(1)
    ops.batch_norm(x, mean, var, training=True, momentum=1.0)
    assert mean.tolist() == [3.0] and var.tolist() == [7.0]  # m/(m − 1) · 14/3


# ---- what the notes say ---------------------------------------------------------------------


def test_closed_form_is_the_chain_rule_of_the_steps():
    # 003 §8.3: μ, σ², x̂, y as separate operations, and its formulas for ∂x̂, ∂σ², ∂μ, ∂x, ∂γ, ∂β.
    data, g = rng.standard_normal((6, 3)), cr.tensor(rng.standard_normal((6, 3)))
    eps, m = 1e-3, 6

    def leaves():
        return [cr.tensor(a, requires_grad=True) for a in (data, [0.5, 2.0, -1.0], [0.1, 0, 3.0])]

    x, gamma, beta = leaves()
    ops.batch_norm(x, None, None, gamma, beta, True, eps=eps).backward(g)
    found = [v.grad.numpy() for v in (x, gamma, beta)]

    x, gamma, beta = leaves()
    mean = x.sum(0) / m
    var = ((x - mean) * (x - mean)).sum(0) / m
    hat = (x - mean) / (var + eps).sqrt()
    (gamma * hat + beta).backward(g)
    for a, v in zip(found, (x, gamma, beta), strict=True):
        np.testing.assert_allclose(a, v.grad.numpy(), atol=1e-12)

    x, mean, var, hat, g = (v.detach().numpy() for v in (x, mean, var, hat, g))
    d_hat = g * gamma.detach().numpy()
    d_var = (d_hat * (x - mean)).sum(0) * -0.5 * (var + eps) ** -1.5
    d_mean = -(d_hat / np.sqrt(var + eps)).sum(0) + d_var * -2 / m * (x - mean).sum(0)
    d_x = d_hat / np.sqrt(var + eps) + d_var * 2 * (x - mean) / m + d_mean / m
    for a, b in zip(found, (d_x, (g * hat).sum(0), g.sum(0)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_inference_form():
    # J3: γ/√(Var + ε)·x + (β − γE/√(Var + ε))
    x, (e, var, gamma, beta) = rng.standard_normal((4, 3, 2)), rng.uniform(0.2, 2, (4, 3))
    y = ops.batch_norm(*(cr.tensor(v) for v in (x, e, var, gamma, beta)), eps=1e-3).numpy()
    e, var, gamma, beta = (v[:, None] for v in (e, var, gamma, beta))
    k = gamma / np.sqrt(var + 1e-3)
    np.testing.assert_allclose(y, k * x + (beta - gamma * e / np.sqrt(var + 1e-3)), atol=1e-12)


def test_groups_1_is_layer_norm_and_groups_c_instance_norm():
    x = cr.randn(2, 4, 3, 3, dtype=cr.float64)
    one, each = ops.group_norm(x, 1).numpy(), ops.group_norm(x, 4).numpy()
    np.testing.assert_allclose(one, ops.layer_norm(x, (4, 3, 3)).numpy(), atol=1e-12)
    np.testing.assert_allclose(each, ops.instance_norm(x).numpy(), atol=1e-12)


def test_scaling_the_data_or_the_weights_changes_nothing():
    # J4; ε breaks it a little.
    x, w = cr.randn(8, 5, dtype=cr.float64), cr.randn(4, 5, dtype=cr.float64)
    y = ops.batch_norm(x @ w.T, None, None, training=True, eps=0.0)
    for z in ((x * 7.0) @ w.T, x @ (w * 0.1).T):
        scaled = ops.batch_norm(z, None, None, training=True, eps=0.0)
        np.testing.assert_allclose(scaled.numpy(), y.numpy(), atol=1e-12)


# ---- accuracy -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 1e4 / 3, -7e7, 1e-30])
def test_a_constant_channel_has_variance_0(value):
    for shape in ((63, 3, 28, 28), (1000, 3), (16, 3, 7)):
        x = cr.full(shape, value)
        mean, var = cr.zeros(3), cr.zeros(3)
        y = ops.batch_norm(x, mean, var, None, cr.full((3,), 2.0), True, momentum=1.0)
        assert not var.numpy().any() and (y.numpy() == 2.0).all()
        assert (mean.numpy() == np.float32(value)).all()
    assert not ops.layer_norm(cr.full((5, 300), value), (300,)).numpy().any()


def test_small_deviations_from_a_large_mean():
    a = (1e4 + 1e-2 * rng.standard_normal((16, 2, 28, 28))).astype(np.float32)
    g = rng.standard_normal(a.shape).astype(np.float32)
    results = []
    for dtype in (np.float32, np.float64):
        x = cr.tensor(a.astype(dtype), requires_grad=True)
        y = ops.batch_norm(x, None, None, training=True, eps=1e-12)
        y.backward(cr.tensor(g.astype(dtype)))
        results += [y.detach().numpy(), x.grad.numpy()]
    single, slope, double, slope_double = results
    np.testing.assert_allclose(single, double, atol=2e-6)
    np.testing.assert_allclose(slope, slope_double, atol=1e-6 * abs(slope_double).max())


# ---- odds and ends --------------------------------------------------------------------------


def test_empty_batches():
    for f in (
        lambda x, w, b: ops.batch_norm(x, cr.zeros(3), cr.ones(3), w, b, True),
        lambda x, w, b: ops.instance_norm(x, None, None, w, b),
        lambda x, w, b: ops.group_norm(x, 3, w, b),
    ):
        leaves = [cr.zeros(0, 3, 4), cr.ones(3), cr.ones(3)]
        x, w, b = (v.requires_grad_() for v in leaves)
        y = f(x, w, b)
        y.sum().backward()
        assert y.shape == x.grad.shape == (0, 3, 4)
        assert w.grad.tolist() == b.grad.tolist() == [0.0] * 3
    mean, var = cr.zeros(3), cr.ones(3)
    ops.batch_norm(cr.zeros(0, 3), mean, var, training=True)
    assert mean.tolist() == [0.0] * 3 and var.tolist() == [1.0] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_keep_their_type(dtype):
    dtype = getattr(cr, dtype)
    w = cr.ones(3, requires_grad=True)
    for f in (
        lambda x: ops.batch_norm(x, cr.zeros(3), cr.ones(3), w, None, True),
        lambda x: ops.batch_norm(x, cr.zeros(3), cr.ones(3), w, None),
        lambda x: ops.group_norm(x, 3, w),
        lambda x: ops.layer_norm(x, (5,)),
        lambda x: ops.rms_norm(x, (5,)),
    ):
        x = cr.randn(4, 3, 5).to(dtype).requires_grad_()
        y = f(x)
        y.sum().backward()
        assert y.dtype is x.grad.dtype is dtype
    assert w.grad.dtype is cr.float32


def test_the_next_layer_may_work_in_place():
    x = cr.randn(4, 3, 5, requires_grad=True)
    y = ops.batch_norm(x, None, None, training=True)
    assert y._node.op.name == "batch_norm"
    y.relu_().sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: ops.batch_norm(cr.zeros(1, 3), None, None, training=True), ShapeError,
         r"more than one value.*\(1, 3\)"),
        (lambda: ops.batch_norm(cr.zeros(2, 3), None, None), ArgumentError, "running_mean"),
        (lambda: ops.batch_norm(cr.zeros(2, 3), cr.zeros(4), cr.ones(4)), ShapeError,
         r"running_mean must have the shape \(3,\)"),
        (lambda: ops.batch_norm(cr.zeros(2, 3), None, None, cr.ones(1), training=True), ShapeError,
         "weight"),
        (lambda: ops.batch_norm(cr.zeros(3), None, None, training=True), ShapeError, r"\(N, C\)"),
        (lambda: ops.batch_norm(cr.zeros(2, 3), None, None, training=1), ArgumentError, "training"),
        (lambda: ops.layer_norm(cr.zeros(2, 3), (2,)), ShapeError, "normalized_shape"),
        (lambda: ops.layer_norm(cr.zeros(2, 3), 3, cr.ones(1)), ShapeError, "weight"),
        (lambda: ops.rms_norm(cr.zeros(2, 3), (4, 2, 3)), ShapeError, "normalized_shape"),
        (lambda: ops.group_norm(cr.zeros(2, 3), 2), ShapeError, "num_groups=2"),
        (lambda: ops.instance_norm(cr.zeros(2, 3, 1)), ShapeError, "instance_norm"),
        (lambda: ops.instance_norm(cr.zeros(2, 3, 4), use_input_stats=False), ArgumentError,
         "instance_norm"),
        (lambda: ops.local_response_norm(cr.zeros(2, 3), 2), ShapeError, "local_response_norm"),
    ],
)  # fmt: skip
def test_errors(call, kind, words):
    with pytest.raises(kind, match=words):
        call()

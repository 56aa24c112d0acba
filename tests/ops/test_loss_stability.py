"""The losses of docs/stability.md at the ends of the number line."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.nn import functional as F

INF, NAN = math.inf, math.nan
BIG = 1e8


def run(loss, values):
    x = cr.tensor(values, requires_grad=True)
    y = loss(x)
    (y.sum() if y.ndim else y).backward()
    return y.detach().numpy(), x.grad.numpy()


def classes(*targets, **options):
    return lambda x: F.cross_entropy(x, cr.tensor(targets), **options)


def bce(target, weight=None):
    pos = None if weight is None else cr.tensor([weight])
    target = cr.tensor(target)
    return lambda x: F.binary_cross_entropy_with_logits(x, target, reduction="none", pos_weight=pos)


EXACT = {
    "the right class leads": (classes(0), [[BIG, -BIG, 0]], 0, [[0, 0, 0]]),
    "a wrong class leads": (classes(1), [[BIG, -BIG, 0]], 2e8, [[1, -1, 0]]),
    "the right class at −∞": (classes(0), [[-INF, 0.0]], INF, [[-1, 1]]),
    "a wrong class at −∞": (classes(0), [[0.0, -INF]], 0, [[0, 0]]),
    "a logit NaN": (
        classes(0, 0, reduction="none"), [[NAN, 0.0], [BIG, 0.0]], [NAN, 0], [[NAN, NAN], [0, 0]]
    ),
    "all ignored, mean": (classes(-100, -100), [[1.0, 2], [3, 4]], NAN, [[0, 0], [0, 0]]),
    "all ignored, sum": (
        classes(-100, -100, reduction="sum"), [[1.0, 2], [3, 4]], 0, [[0, 0], [0, 0]]
    ),
    "all ignored, weighted and smoothed": (
        classes(-1, -1, ignore_index=-1, weight=cr.ones(2), label_smoothing=0.1, reduction="sum"),
        [[1.0, 2], [3, 4]], 0, [[0, 0], [0, 0]],
    ),
    "an ignored row of NaN": (classes(-100, 0), [[NAN, 0], [BIG, 0]], 0, [[NAN, NAN], [0, 0]]),
    "NLL of −∞ ignored": (
        lambda x: F.nll_loss(x, cr.tensor([0, 1]), ignore_index=0), [[-INF, 0.0], [-1.0, -2.0]], 2,
        [[0, 0], [0, -1]],
    ),
    "BCE ±120 right": (bce([1.0, 0.0], 3.0), [120.0, -120.0], [0, 0], [0, 0]),
    "BCE ±120 wrong": (bce([1.0, 0.0], 3.0), [-120.0, 120.0], [360, 120], [-3, 1]),
    "BCE ±1e8": (
        bce([1.0, 0.0, 1.0, 0.0]), [BIG, -BIG, -BIG, BIG], [0, 0, BIG, BIG], [0, 0, -1, 1]
    ),
    "KL of a target 0": (
        lambda x: F.kl_div(x, cr.tensor([0.0, 1.0]), reduction="sum"), [-INF, 0.0], 0, [0, -1]
    ),
    "soft margin": (
        lambda x: F.soft_margin_loss(x, cr.tensor([1.0, 1.0]), reduction="none"),
        [BIG, -BIG], [0, BIG], [0, -1],
    ),
    "multi-label soft margin": (
        lambda x: F.multilabel_soft_margin_loss(x, cr.tensor([[1.0], [1.0]]), reduction="none"),
        [[BIG], [-BIG]], [0, BIG], [[0], [-1]],
    ),
    "Poisson at 0": (
        lambda x: F.poisson_nll_loss(x, cr.tensor([0.0]), log_input=False), [0.0], 0, [1]
    ),
    "RMSE of equal": (lambda x: F.rmse_loss(x, cr.tensor([1.0, 2.0])), [1.0, 2.0], 0, [0, 0]),
    "softmax focal, right": (
        lambda x: F.softmax_focal_loss(x, cr.tensor([0]), gamma=0.5), [[BIG, 0.0]], 0, [[0, 0]]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_value_and_gradient(name):
    loss, values, wanted, slope = EXACT[name]
    value, gradient = run(loss, values)
    np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", EXACT)
def test_compiled_too(name):
    loss, values, wanted, slope = EXACT[name]

    def step(x):
        x = x.detach().requires_grad_()
        y = loss(x)
        return y.detach(), cr.autograd.grad(y.sum() if y.ndim else y, x)[0]

    value, gradient = cr.compile(step)(cr.tensor(values))
    np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=1e-6, atol=1e-30)


FINITE = [
    (lambda x: F.gaussian_nll_loss(x, cr.tensor([1.0, 0.0]), cr.zeros(2)), [1.0, 3.0]),
    (lambda x: F.triplet_margin_loss(x, x.detach(), x.detach()), [[1.0, 2.0]]),
    (lambda x: F.contrastive_loss(x, x.detach(), cr.tensor([0])), [[1.0, 2.0]]),
    (lambda x: F.contrastive_loss(x, x.detach(), cr.tensor([1])), [[1.0, 2.0]]),
    (lambda x: F.cosine_embedding_loss(x, x.detach(), cr.tensor([1.0])), [[0.0, 0.0]]),
    (lambda x: F.binary_cross_entropy(x, cr.tensor([1.0, 0.0])), [0.0, 1.0]),
    *(
        (lambda x, gamma=gamma: F.focal_loss(x, cr.tensor([1.0, 0, 1, 0]), gamma=gamma),
         [800.0, -800.0, -800.0, 800.0])
        for gamma in (0.0, 0.5, 2.0)
    ),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "values"), FINITE)
def test_finite_value_and_gradient(loss, values):
    value, gradient = run(loss, values)
    assert np.isfinite(value).all() and np.isfinite(gradient).all()


def test_what_is_no_probability_and_no_variance_is_refused():
    for bad in (1.5, -0.1, NAN):
        with pytest.raises(ArgumentError, match=r"\[0, 1\]"):
            F.binary_cross_entropy(cr.tensor([bad]), cr.tensor([1.0]))
    with pytest.raises(ArgumentError, match="variance"):
        F.gaussian_nll_loss(cr.ones(2), cr.ones(2), cr.tensor([1.0, -1.0]))


def test_the_mean_of_nothing_is_nan():
    empty = cr.zeros(0, 3)
    for loss in (F.mse_loss, F.soft_margin_loss, F.hinge_loss, F.poisson_nll_loss, F.rmse_loss):
        assert math.isnan(loss(empty, empty).item())

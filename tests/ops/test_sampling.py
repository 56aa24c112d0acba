"""Draws: the same again from the same seed, the right distribution, the errors."""

import math

import numpy as np
import pytest

import chainrule as cr

N = 40_000
MOMENTS = {
    "m.empty(n).exponential_(2.0)": (0.5, 0.5),
    "m.empty(n).geometric_(0.25)": (4.0, math.sqrt(12)),
    "m.empty(n, dtype=m.float64).log_normal_(0.2, 0.5)": (math.exp(0.325), 0.7376),
    "m.empty(n).random_(2, 12)": (6.5, math.sqrt(99 / 12)),
    "m.zeros(n, dtype=m.int64).random_(0, 10)": (4.5, math.sqrt(99 / 12)),
    "m.zeros(n, dtype=m.int64).random_().double() / 2**63": (0.5, math.sqrt(1 / 12)),
    "m.poisson(m.full((n,), 3.5))": (3.5, math.sqrt(3.5)),
    "m.binomial(m.full((n,), 10.0), m.tensor(0.3))": (3.0, math.sqrt(2.1)),
    "m.normal(m.full((n,), 3.0), m.tensor(2.0))": (3.0, 2.0),
    "m.randint_like(m.zeros(n), 4)": (1.5, math.sqrt(15 / 12)),
    "m.bernoulli(m.zeros(n), 0.2)": (0.2, 0.4),
    "m.multinomial(m.tensor([1.0, 0.0, 3.0]), n, True).double()": (1.5, math.sqrt(0.75)),
}


@pytest.mark.parametrize("call", MOMENTS)
def test_mean_and_deviation_are_right_and_the_seed_decides(call):
    def draw():
        cr.manual_seed(7)
        return eval(call, {"m": cr, "n": N})

    x, (mean, deviation) = draw(), MOMENTS[call]
    assert (x == draw()).all()
    assert x.double().mean().item() == pytest.approx(mean, abs=5 * deviation / math.sqrt(N))
    assert x.double().std().item() == pytest.approx(deviation, rel=0.05)


def test_cauchy_numbers_have_the_right_quartiles():
    x = cr.empty(N).cauchy_(1.0, 2.0, generator=cr.Generator(3)).numpy()
    np.testing.assert_allclose(np.quantile(x, [0.25, 0.5, 0.75]), [-1, 1, 3], atol=0.12)


def test_choices_without_replacement_differ_and_follow_the_weights():
    weights = cr.tensor([[5.0, 1.0, 0.0, 2.0], [0.0, 1.0, 1.0, 1.0]]).repeat(3000, 1)
    picked = cr.multinomial(weights, 3, generator=cr.Generator(1)).numpy()
    assert all(len(set(row)) == 3 for row in picked[:50])
    first = picked[::2, 0]
    np.testing.assert_allclose([(first == k).mean() for k in range(4)],
                               [0.625, 0.125, 0, 0.25], atol=0.04)  # fmt: skip
    assert not (picked[1::2] == 0).any()


@pytest.mark.parametrize("replacement", [True, False])
def test_compiled_choices_are_glass_choices(replacement):
    weights = cr.rand(5, 9, generator=cr.Generator(2))
    mine, other = cr.Generator(4), cr.Generator(4)
    step = cr.compile(lambda w: cr.multinomial(w, 4, replacement, generator=mine))
    for _ in range(2):
        assert (step(weights) == cr.multinomial(weights, 4, replacement, generator=other)).all()


@pytest.mark.parametrize("call", [
    "m.multinomial(m.tensor([0.0, 0.0]), 1)", "m.multinomial(m.tensor([1.0, -1.0]), 1)",
    "m.multinomial(m.ones(3), 4)", "m.multinomial(m.ones(3), 0)",
    "m.multinomial(m.ones(1, 1, 2), 1)",
    "m.multinomial(m.tensor([1, 2]), 1)", "m.poisson(m.tensor([-1.0]))",
    "m.empty(3).exponential_(-1.0)", "m.empty(3).geometric_(1.5)", "m.empty(3).cauchy_(0, -1)",
    "m.empty(3).random_(5, 5)", "m.zeros(3).fill_diagonal_(1.0)",
    "m.zeros(2, 3, 3).fill_diagonal_(1.0)", "m.zeros(3, dtype=m.int64).exponential_()",
])  # fmt: skip
def test_both_refuse(call, torch):
    for m, errors in ((cr, cr.ChainruleError), (torch, Exception)):
        with pytest.raises(errors):
            eval(call, {"m": m})


def test_generators_are_told_apart_and_remember_their_seed():
    first, second = cr.Generator(5), cr.Generator(5)
    assert (cr.randn(4, generator=first) == cr.randn(4, generator=second)).all()
    assert not (cr.randn(4, generator=first) == cr.randn(4, generator=cr.Generator(6))).any()
    assert cr.manual_seed(11).initial_seed() == cr.initial_seed() == 11


# ---- noise in networks ----------------------------------------------------------------------

F = cr.nn.functional


def test_alpha_dropout_keeps_mean_and_variance():
    cr.manual_seed(1)
    x = cr.randn(400, 200)
    y = F.alpha_dropout(x, 0.2, training=True)
    assert abs(y.mean().item()) < 0.02 and y.var().item() == pytest.approx(1, abs=0.03)
    channels = F.feature_alpha_dropout(cr.ones(50, 8, 5), 0.4, training=True)
    assert (channels == channels[:, :, :1]).all() and len(channels.unique()) == 2
    assert F.alpha_dropout(x, 0.5) is x
    assert F.alpha_dropout(x, 1.0, training=True).abs().max().item() == 0


def test_whole_channels_are_dropped():
    cr.manual_seed(2)
    x = cr.ones(6, 20, 2, 3, 4)
    y = cr.nn.Dropout3d(0.5)(x)
    assert (y == y[:, :, :1, :1, :1]).all() and set(y.unique().tolist()) == {0.0, 2.0}
    assert cr.nn.Dropout3d(0.5).eval()(x) is x
    with pytest.raises(cr.ChainruleError, match="dropout3d"):
        cr.nn.Dropout3d()(cr.ones(2, 3))


def test_random_slopes_lie_between_their_bounds():
    cr.manual_seed(3)
    x = -cr.ones(2000)
    y = F.rrelu(x, 0.1, 0.4, training=True)
    assert -0.4 <= y.min().item() < -0.39 and -0.11 < y.max().item() <= -0.1
    assert F.rrelu(x, 0.1, 0.4).unique().tolist() == pytest.approx([-0.25])
    x = cr.tensor([-2.0, 3.0], requires_grad=True)
    y = cr.nn.RReLU(0.3, 0.3)(x)
    y.sum().backward()
    assert y.tolist() == pytest.approx([-0.6, 3.0]) and x.grad.tolist() == pytest.approx([0.3, 1.0])


def test_gumbel_softmax_draws_by_the_logits():
    cr.manual_seed(4)
    logits = cr.tensor([0.5, 0.3, 0.2]).log().expand(20_000, 3).clone().requires_grad_()
    hard = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(hard.mean(0).tolist(), [0.5, 0.3, 0.2], atol=0.02)
    assert ((hard - hard.round()).abs() < 1e-5).all()
    (hard * cr.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logits.grad.abs().sum().item() > 0
    soft = F.gumbel_softmax(logits, tau=0.5)
    assert cr.allclose(soft.sum(-1), cr.ones(20_000))

"""Initialisers: bounds, moments within four standard errors, and what PyTorch defines exactly."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import init

SHAPE = (60, 40, 5, 5)
FAN_IN, FAN_OUT = 40 * 25, 60 * 25


def values(tensor):
    return tensor.detach().numpy().astype(np.float64)


def check_moments(x, variance, fourth):
    """Mean 0 and `variance`; `fourth` is the distribution's kurtosis E[x⁴]/σ⁴."""
    n = x.size
    assert abs(x.mean()) < 4 * math.sqrt(variance / n)
    assert abs(x.var() - variance) < 4 * variance * math.sqrt((fourth - 1) / n)


@pytest.mark.parametrize(
    ("fill", "variance"),
    [
        (lambda w: init.xavier_normal_(w), 2 / (FAN_IN + FAN_OUT)),
        (lambda w: init.xavier_normal_(w, gain=2.0), 8 / (FAN_IN + FAN_OUT)),
        (lambda w: init.xavier_normal_(w, fan="in"), 1 / FAN_IN),
        (lambda w: init.kaiming_normal_(w, nonlinearity="relu"), 2 / FAN_IN),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), 2 / FAN_OUT),
        (lambda w: init.kaiming_normal_(w, a=0.5), 2 / 1.25 / FAN_IN),
        (lambda w: init.lecun_normal_(w), 1 / FAN_IN),
        (lambda w: init.normal_(w, 0.0, 0.01), 1e-4),
    ],
)
def test_normal_initialisers(fill, variance):
    cr.manual_seed(0)
    weight = cr.empty(SHAPE)
    assert fill(weight) is weight
    check_moments(values(weight), variance, 3.0)
    assert np.abs(values(weight)).max() > 3.5 * math.sqrt(variance)


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        (lambda w: init.xavier_uniform_(w), math.sqrt(6 / (FAN_IN + FAN_OUT))),
        (lambda w: init.xavier_uniform_(w, fan="in"), math.sqrt(3 / FAN_IN)),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(6 / FAN_IN)),
        (lambda w: init.lecun_uniform_(w), math.sqrt(3 / FAN_IN)),
        (lambda w: init.uniform_(w, -0.3, 0.3), 0.3),
    ],
)
def test_uniform_initialisers(fill, bound):
    cr.manual_seed(0)
    x = values(fill(cr.empty(SHAPE)))
    check_moments(x, bound**2 / 3, 9 / 5)
    assert 0.999 * bound < np.abs(x).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0, 1, -2, 2), (1, 2, 0, 1.5), (0, 1, 4, math.inf), (3, 1, -9, 9)]
)
def test_truncated_normal(mean, std, a, b):
    cr.manual_seed(1)
    x = values(init.trunc_normal_(cr.empty(100, 200, dtype=cr.float64), mean, std, a, b))
    assert a <= x.min() and x.max() <= b
    grid = np.linspace(a, min(b, mean + 12 * std), 200_001)
    density = np.exp(-(((grid - mean) / std) ** 2) / 2)
    density /= density.sum()
    want = (grid * density).sum()
    variance = ((grid - want) ** 2 * density).sum()
    assert abs(x.mean() - want) < 4 * math.sqrt(variance / x.size)
    fourth = ((grid - want) ** 4 * density).sum() / variance**2
    assert abs(x.var() - variance) < 4 * variance * math.sqrt((fourth - 1) / x.size)


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (3, 2, 2, 2), (5, 5)])
def test_orthogonal(shape):
    w = values(init.orthogonal_(cr.empty(shape, dtype=cr.float64), gain=2)).reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_constants_and_structures():
    assert init.zeros_(cr.ones(2)).tolist() == [0, 0]
    assert init.ones_(cr.zeros(2)).tolist() == [1, 1]
    assert init.constant_(cr.zeros(2), 0.5).tolist() == [0.5, 0.5]
    assert init.eye_(cr.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    x = cr.randn(2, 4, 5, 5)
    convolution = nn.Conv2d(2, 4, 3, padding=1, groups=2, bias=False)
    init.dirac_(convolution.weight, groups=2)
    y = convolution(x.reshape(4, 2, 5, 5)).detach().numpy()
    np.testing.assert_array_equal(y[:, ::2], x.reshape(4, 2, 5, 5).numpy())
    assert not y[:, 1::2].any()
    w = values(init.sparse_(cr.empty(10, 50), 0.25, std=2.0))
    assert ((w == 0).sum(axis=0) == 3).all()


def test_generator_and_seed_decide_everything():
    for fill in (
        init.normal_, init.uniform_, init.trunc_normal_, init.xavier_normal_, init.kaiming_uniform_,
        init.orthogonal_, init.lecun_normal_, lambda w, **k: init.sparse_(w, 0.5, **k),
    ):  # fmt: skip
        draws = []
        for seed in (1, 1, 2):
            generator = cr.Generator()
            generator.manual_seed(seed)
            draws.append(values(fill(cr.empty(6, 5), generator=generator)))
        np.testing.assert_array_equal(draws[0], draws[1])
        assert (draws[0] != draws[2]).any()


def test_leaves_are_filled_unrecorded():
    weight = nn.Parameter(cr.zeros(3, 3))
    assert init.xavier_uniform_(weight) is weight
    assert weight.is_leaf and weight.grad is None and weight.requires_grad


def test_gains_equal_pytorchs():
    torch = pytest.importorskip("torch")
    for name in init._GAINS:
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


def test_bad_arguments():
    w = cr.empty(3, 3)
    for wrong in (
        lambda: init.calculate_gain("nothing"),
        lambda: init.kaiming_normal_(w, mode="fan"),
        lambda: init.xavier_normal_(w, fan="out"),
        lambda: init.xavier_normal_(cr.empty(3)),
        lambda: init.eye_(cr.empty(3)),
        lambda: init.dirac_(cr.empty(3, 3)),
        lambda: init.dirac_(cr.empty(3, 3, 3), groups=2),
        lambda: init.sparse_(w, 1.5),
        lambda: init.trunc_normal_(w, a=1, b=-1),
        lambda: init.trunc_normal_(w, std=0),
        lambda: init.orthogonal_(cr.empty(3)),
    ):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError):
        init.zeros_([0.0])
    for fill in (init.xavier_normal_, init.kaiming_uniform_, init.orthogonal_, init.normal_):
        assert fill(cr.empty(0, 4)).shape == (0, 4)


def test_zero_weights_never_become_different():
    """The symmetry that zeros cannot break: all hidden units stay equal while training."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
    for parameter in net.parameters():
        init.constant_(parameter, 0.1)
    x = cr.randn(8, 3)
    for _ in range(3):
        net.zero_grad()
        (net(x) ** 2).sum().backward()
        with cr.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
    hidden = values(net[0].weight)
    np.testing.assert_allclose(hidden, np.broadcast_to(hidden[0], hidden.shape), rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "fan"),
    [
        (lambda: nn.Linear(200, 300), 200),
        (lambda: nn.Conv1d(40, 300, 5), 200),
        (lambda: nn.Conv2d(16, 300, (3, 5), groups=2), 120),
        (lambda: nn.Conv3d(6, 300, 3), 162),
    ],
)
def test_default_start_of_layers(layer, fan):
    cr.manual_seed(3)
    made, bound = layer(), 1 / math.sqrt(fan)
    check_moments(values(made.weight), bound**2 / 3, 9 / 5)
    check_moments(values(made.bias), bound**2 / 3, 9 / 5)
    assert 0.99 * bound < np.abs(values(made.weight)).max() <= bound * (1 + 1e-6)


def test_default_start_of_embedding_and_norm():
    cr.manual_seed(3)
    table = nn.Embedding(100, 200, padding_idx=-1)
    assert table.padding_idx == 99 and not values(table.weight)[99].any()
    check_moments(values(table.weight)[:99], 1.0, 3.0)
    norm = nn.BatchNorm2d(3)
    assert norm.weight.tolist() == [1, 1, 1] and norm.bias.tolist() == [0, 0, 0]

"""Why a gradient is what it is: its paths, its factors, its samples."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError


class Residual(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(depth)])

    def forward(self, x):
        for layer in self.layers:
            x = x + cr.tanh(layer(x))
        return x


def explained(model, x):
    with cr.explain.recording():
        loss = model(x).square().mean()
    return cr.explain(loss)


@pytest.mark.parametrize("most", [1, 3, 16])
def test_the_paths_add_up_to_the_gradient(most):
    cr.manual_seed(1)
    explanation = explained(Residual(4), cr.randn(5, 3))
    found = explanation.paths("layers.0.weight", most)
    total = sum(path.gradient for path in found)
    if found.rest is not None:
        total = total + found.rest
    np.testing.assert_allclose(total, explanation.gradient("layers.0.weight"), atol=1e-6)
    # Each of three later layers is passed or gone around: eight paths.
    assert len(found) == min(most, 8) and (found.rest is None) == (most > 8)
    assert [p.norm for p in found] == sorted((p.norm for p in found), reverse=True)


def test_factors_multiply_to_the_norm():
    cr.manual_seed(2)
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
    found = explained(model, cr.randn(5, 3)).paths("0.weight")
    (path,) = found
    assert np.prod([hop.factor for hop in path.hops]) == pytest.approx(path.norm, rel=1e-5)
    assert path.share == pytest.approx(1)
    assert list(path.by_module())[-3:] == ["2", "1", "0"]


def test_a_vanished_gradient_says_why():
    cr.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (nn.Linear(8, 8), nn.Sigmoid())]
    found = explained(nn.Sequential(*layers), cr.randn(5, 8)).paths("0.weight")
    (slopes,) = found.slopes()
    assert (slopes.bound, slopes.times) == (0.25, 6) and slopes.largest <= 0.25
    assert "σ′ ≤ 0.25, 6 times" in str(found)
    assert found.ratio() < 1e-3 and "vanished" in str(found)


def test_an_exploded_gradient_says_so():
    model = nn.Sequential(*[nn.Linear(4, 4, bias=False) for _ in range(6)])
    for layer in model:
        nn.init.constant_(layer.weight, 4.0)
    found = explained(model, cr.ones(2, 4)).paths("0.weight")
    assert "exploded" in str(found)


def test_samples_add_up_to_the_gradient():
    cr.manual_seed(4)
    model = cr.models.LeNet()
    explanation = explained(model, cr.rand(3, 1, 28, 28))
    for name in ("conv1.weight", "fc.bias"):
        found = explanation.samples(name)
        assert len(found) == 3 and found.shares.sum() == pytest.approx(1, abs=1e-4)
        g = explanation.gradient(name)
        np.testing.assert_allclose(sum(found.contributions), g, atol=1e-5 * np.abs(g).max())
        assert str(found).count("\n  sample ") == 3


def test_a_value_without_gradient_is_refused():
    w = cr.tensor(1.0, requires_grad=True)
    explanation = cr.explain(w * cr.tensor(2.0))
    for ask in (explanation.paths, explanation.samples):
        with pytest.raises(ArgumentError, match="no gradient"):
            ask("n1")

"""Bilinear, similarity and distance modules, and activations in place: as PyTorch's."""

import numpy as np
import pytest

import chainrule as cr


def test_bilinear_takes_pytorchs_weights(torch):
    rng = np.random.default_rng(1)
    theirs = torch.nn.Bilinear(3, 4, 5)
    mine = cr.nn.Bilinear(3, 4, 5)
    state = {k: cr.tensor(v.numpy()) for k, v in theirs.state_dict().items()}
    mine.load_state_dict(state)
    a, b = rng.normal(size=(2, 6, 3)).astype("f"), rng.normal(size=(2, 6, 4)).astype("f")
    y, z = mine(cr.tensor(a), cr.tensor(b)), theirs(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert mine.weight.abs().max().item() <= 3**-0.5
    assert repr(mine) == repr(theirs)
    assert cr.nn.Bilinear(3, 4, 5, bias=False).bias is None
    with pytest.raises(cr.ChainruleError, match="bilinear: inputs of shape"):
        mine(cr.ones(2, 3), cr.ones(2, 3))


@pytest.mark.parametrize("make", [
    "nn.CosineSimilarity(dim=-1)", "nn.CosineSimilarity(0, eps=0.5)", "nn.PairwiseDistance()",
    "nn.PairwiseDistance(1.0, keepdim=True)", "nn.PairwiseDistance(float('inf'), eps=0.0)",
])  # fmt: skip
def test_comparing_modules_are_pytorchs(make, torch):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    mine = eval(make, {"nn": cr.nn})(cr.tensor(a), cr.tensor(b))
    theirs = eval(make, {"nn": torch.nn})(torch.tensor(a), torch.tensor(b))
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-10)


@pytest.mark.parametrize("call", [
    "f.relu_(x)", "f.elu_(x, 0.5)", "f.celu_(x, 0.7)", "f.selu_(x)", "f.leaky_relu_(x, 0.1)",
    "f.hardtanh_(x, -0.3, 0.4)", "f.threshold_(x, 0.1, 2.0)", "f.rrelu_(x)", "f.rrelu(x)",
    "f.relu(x, inplace=True)", "f.softmax(x, -1)",
])  # fmt: skip
def test_activations_in_place_are_pytorchs(call, torch):
    def run(m):
        x = m.tensor([-1.5, -0.2, 0.05, 0.3, 2.0], dtype=m.float64)
        y = eval(call, {"f": m.nn.functional, "x": x})
        return x.tolist(), y.tolist()

    for mine, theirs in zip(run(cr), run(torch), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12)


def test_softmax2d_and_rrelu_modules(torch):
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 5))
    y = cr.nn.Softmax2d()(cr.tensor(x)).numpy()
    np.testing.assert_allclose(y, torch.nn.Softmax2d()(torch.tensor(x)).numpy(), rtol=1e-12)
    layer = cr.nn.RReLU(0.2, 0.4).eval()
    assert layer(cr.tensor([-1.0, 2.0])).tolist() == pytest.approx([-0.3, 2.0])
    with pytest.raises(cr.ChainruleError, match="upper"):
        cr.nn.RReLU(0.5, 0.1)

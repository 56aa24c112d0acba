"""The small GPT, and the autoencoder."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.models import GPT, Autoencoder, build, generate
from chainrule.nn import functional as F


def small(**options):
    cr.manual_seed(0)
    return build("gpt", (8,), 11, layers=2, heads=2, width=16, **options)


def test_it_is_gpt_2_when_it_is_large(monkeypatch):
    """Source: the model card of GPT-2: 124 M parameters; counted by hand 124,439,808."""
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(cr.Tensor, name, lambda self, *args, **kwargs: self)
    model = GPT((1024,), 50257, layers=12, heads=12, width=768)
    assert sum(p.numel() for p in model.parameters()) == 124_439_808
    assert model.lm_head.weight is model.transformer["wte"].weight


def test_nobody_sees_the_future():
    model = small().double().eval()
    ids = np.random.default_rng(0).integers(0, 11, (3, 8))
    changed = ids.copy()
    changed[:, 5:] = 10 - changed[:, 5:]
    with cr.no_grad():
        a, b = model(cr.tensor(ids)).numpy(), model(cr.tensor(changed)).numpy()
    assert a.shape == (3, 11, 8)
    np.testing.assert_array_equal(a[:, :, :5], b[:, :, :5])
    assert (abs(a - b)[:, :, 5:].max((1, 2)) > 0.01).all()


def test_the_same_numbers_from_pytorchs_functions(torch):
    model = small(tie_weights=False).double().eval()
    w = {k: torch.from_numpy(v.numpy()) for k, v in model.state_dict().items()}
    G = torch.nn.functional
    ids = torch.arange(16).reshape(2, 8) % 11
    x = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"]

    def linear(x, name):
        return G.linear(x, w[name + ".weight"], w[name + ".bias"])

    def norm(x, name):
        return G.layer_norm(x, (16,), w[name + ".weight"], w[name + ".bias"])

    for i in range(2):
        p = f"transformer.h.{i}."
        q, k, v = linear(norm(x, p + "ln_1"), p + "attn.c_attn").split(16, 2)
        q, k, v = (z.view(2, 8, 2, 8).transpose(1, 2) for z in (q, k, v))
        scores = q @ k.transpose(2, 3) / 8**0.5
        scores = scores.masked_fill(torch.ones(8, 8).triu(1).bool(), -torch.inf)
        y = (scores.softmax(3) @ v).transpose(1, 2).reshape(2, 8, 16)
        x = x + linear(y, p + "attn.c_proj")
        y = G.gelu(linear(norm(x, p + "ln_2"), p + "mlp.c_fc"), approximate="tanh")
        x = x + linear(y, p + "mlp.c_proj")
    y = G.linear(norm(x, "transformer.ln_f"), w["lm_head.weight"]).transpose(1, 2)
    with cr.no_grad():
        np.testing.assert_allclose(model(cr.tensor(ids.numpy())).numpy(), y.numpy(), rtol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
def test_it_learns_to_count(bias):
    model = small(bias=bias, dropout=0.0)
    assert any("bias" in name for name, _ in model.named_parameters()) == bias
    optimizer = cr.optim.Adam(model.parameters(), lr=0.01)
    draw = np.random.default_rng(0)

    @cr.compile
    def step(ids, following):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids), following)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(120):
        counted = (draw.integers(0, 11, (16, 1)) + np.arange(9)) % 11
        loss = step(cr.tensor(counted[:, :-1]), cr.tensor(counted[:, 1:]))
    assert loss.item() < 0.1


def test_it_writes_and_says_what_is_wrong():
    from chainrule.data.text import Characters

    model = small()
    alphabet = Characters("abcdefghijk")
    text = "".join(generate(model, "abcabcabcabc", 12, characters=alphabet, seed=1))
    assert len(text) == 12
    with pytest.raises(cr.ChainruleError, match="at most, but got 9: give the last 8"):
        model(cr.zeros(1, 9, dtype=cr.int64))
    with pytest.raises(cr.ChainruleError, match="width 10 must be a multiple of heads 4"):
        GPT(width=10)
    with pytest.raises(cr.ChainruleError, match="sequences of characters"):
        build("gpt", (1, 28, 28))


# ---- autoencoder ------------------------------------------------------------------------------


def test_a_linear_autoencoder_finds_the_principal_components():
    """Trained, it restores as much as the best two directions hold (Baldi and Hornik, 1989)."""
    cr.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(200, 6))
    x -= x.mean(0)
    data = cr.tensor(x.reshape(200, 2, 3))
    model = Autoencoder((2, 3), hidden=(2,), output=None).double()
    optimizer = cr.optim.Adam(model.parameters(), lr=0.02)

    @cr.compile
    def step(x):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), x)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(600):
        loss = step(data)
    left = (np.linalg.svd(x)[1][2:] ** 2).sum() / x.size
    assert left * 0.999 < loss.item() < left * 1.05
    assert model.encode(data).shape == (200, 2)


def test_the_autoencoder_of_digits():
    model = Autoencoder()
    assert sum(p.numel() for p in model.parameters()) == 209_968
    y = model(cr.rand(3, 1, 28, 28))
    assert y.shape == (3, 1, 28, 28) and 0 < float(y.min()) < float(y.max()) < 1
    with pytest.raises(cr.ChainruleError, match="output must be one of None, 'sigmoid'"):
        Autoencoder(output="relu")

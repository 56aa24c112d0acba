"""Explanations of everything that the library can run: the models by name, layers, ways of writing.

The models take minutes; they run with CHAINRULE_SLOW=1.
"""

import os

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.models import registry
from chainrule.nn import functional as F
from chainrule.nn.utils.rnn import pack_padded_sequence

SLOW = os.environ.get("CHAINRULE_SLOW") == "1"


# ---- what is computed: (loss, what gradients are asked for by name) ------------------------------


def of_model(model, loss):
    return loss, dict(model.named_parameters())


def named_model(name):
    text = {"char-rnn": 40, "char-lstm": 40, "char-gru": 40, "line-classifier": 40, "gpt": 40}
    sides = {"linear": 28, "mlp": 28, "autoencoder": 28, "lenet": 28, "lenet-bn": 28}
    if name in text:
        options = {"layers": 2} if name != "line-classifier" else {}
        model = cr.models.build(name, input_shape=(6,), classes=12, **options)
        x = cr.randint(0, 12, (2, 6))
    else:
        side = sides.get(name, 64)
        shape = (1 if name in sides else 3, side, side)
        model = cr.models.build(name, input_shape=shape, classes=5)
        x = cr.rand(2, *shape)
    y = model(x)
    if name == "autoencoder":
        return of_model(model, F.mse_loss(y, x.reshape(y.shape)))
    target = cr.randint(0, y.shape[1], (y.shape[0], *y.shape[2:]))
    return of_model(model, F.cross_entropy(y, target))


def evaluated():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten())
    model.eval()
    return of_model(model, model(cr.randn(2, 1, 5, 5)).square().sum())


def transformer_encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.1, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 2)
    x = cr.randn(2, 5, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    padding = cr.tensor([[False] * 5, [False, False, False, True, True]])
    return of_model(model, model(x, mask=mask, src_key_padding_mask=padding).square().mean())


def transformer_whole():
    model = nn.Transformer(8, 2, 1, 1, 12, dropout=0.0, batch_first=True)
    return of_model(model, model(cr.randn(2, 4, 8), cr.randn(2, 3, 8)).square().mean())


def multihead_attention():
    model = nn.MultiheadAttention(6, 3, kdim=4, vdim=5, batch_first=True, add_bias_kv=True)
    y, w = model(cr.randn(2, 3, 6), cr.randn(2, 4, 4), cr.randn(2, 4, 5))
    return of_model(model, y.square().mean() + w.square().sum())


def bidirectional_lstm():
    model = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True, proj_size=2)
    y, (h, c) = model(cr.randn(2, 5, 3))
    return of_model(model, y.square().mean() + h.sum() + c.sum())


def packed_gru():
    model = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    y, h = model(pack_padded_sequence(cr.randn(3, 5, 3), [5, 3, 1], batch_first=True))
    return of_model(model, y.data.square().sum() + h.sum())


def cells():
    model = nn.ModuleDict(
        {"lstm": nn.LSTMCell(3, 4), "gru": nn.GRUCell(4, 4), "rnn": nn.RNNCell(4, 2)}
    )
    h, c = model["lstm"](cr.randn(2, 3))
    h, c = model["lstm"](cr.randn(2, 3), (h, c))
    g = model["gru"](h, c)
    return of_model(model, model["rnn"](g).square().sum())


class Cube(cr.autograd.Function):
    """x³."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * ctx.scale * g * x * x, None


def custom_function():
    x = cr.randn(2, 3, requires_grad=True)
    return Cube.apply(x.tanh(), 0.5).sum(), {"x": x}


def leaf(*shape, **options):
    return cr.randn(*shape, requires_grad=True, **options)


def in_place():
    w, v = leaf(3, 4), leaf(4)
    y = w * 2
    y.relu_()
    y.add_(v)
    y[0] = v * 3
    y[:, 1:3].mul_(2.0)
    return (y * y).sum(), {"w": w, "v": v}


def views():
    w = leaf(4, 6)
    a, b = w.chunk(2, 1)
    c = w.T.reshape(3, 8)[1].max()
    d = w.unfold(0, 2, 1).flatten()[::3].sum() + w[cr.tensor([0, 0, 2])].sum()
    e = (
        w.expand(2, 4, 6).permute(2, 0, 1).square().mean()
        + w.diagonal().sum()
        + w.unbind(0)[1].sum()
    )
    return (a * b).sum() + c + d + e, {"w": w}


def tensor_hooks():
    w = leaf(3)
    y = w.exp()
    y.register_hook(lambda g: None)
    y.retain_grad()
    return (y * w).sum(), {"w": w}


def module_hooks():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model[0].register_full_backward_hook(lambda *args: None)
    model[1].register_full_backward_pre_hook(lambda *args: None)
    model[2].register_forward_hook(lambda m, args, y: y * 2)
    return of_model(model, model(cr.randn(2, 3)).square().sum())


def frozen_parts():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    model[1].requires_grad_(False)
    x = cr.randn(2, 3)
    with cr.no_grad():
        z = model[0](x)
    y = model(x + z.detach().sum())
    y = y + model[0](x).detach().sum()
    return y.square().sum(), {k: p for k, p in model.named_parameters() if p.requires_grad}


def double_use():
    layer = nn.Linear(3, 3)
    x = cr.randn(2, 3)
    return of_model(layer, (layer(cr.tanh(layer(x))) @ layer.weight + layer.bias).square().sum())


def tied_embedding():
    model = nn.ModuleDict({"table": nn.Embedding(7, 4), "out": nn.Linear(4, 7, bias=False)})
    model["out"].weight = model["table"].weight
    ids = cr.tensor([[1, 2, 1], [0, 6, 6]])
    return of_model(
        model, F.cross_entropy(model["out"](model["table"](ids)).flatten(0, 1), ids.flatten())
    )


def gradient_penalty():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = leaf(2, 3)
    (g,) = cr.autograd.grad(model(x).sum(), x, create_graph=True)
    return (g.norm(dim=1) - 1).square().mean(), {
        k: p for k, p in model.named_parameters() if k != "2.bias"
    }


def third_order():
    x = leaf(3, dtype=cr.float64)
    y = (x.sin() * x.exp()).sum()
    for _ in range(2):
        (g,) = cr.autograd.grad(y, x, create_graph=True)
        y = (g * g).sum()
    return y, {"x": x}


def several_losses():
    model = nn.Sequential(nn.Linear(4, 6), nn.GELU())
    heads = nn.ModuleList([nn.Linear(6, 3), nn.Linear(6, 1), nn.Linear(6, 6)])
    h = model(cr.randn(5, 4))
    loss = F.cross_entropy(heads[0](h), cr.tensor([0, 1, 2, 0, 1]), label_smoothing=0.1)
    loss = loss + 0.3 * F.binary_cross_entropy_with_logits(heads[1](h)[:, 0], cr.ones(5))
    loss = (
        loss
        + F.huber_loss(heads[2](h), h.detach())
        + 1e-2 * sum(p.square().sum() for p in model.parameters())
    )
    return loss, dict(model.named_parameters()) | {
        f"heads.{k}": p for k, p in heads.named_parameters()
    }


def double_precision():
    model = nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.GroupNorm(3, 3), nn.SiLU(), nn.AdaptiveAvgPool1d(2)
    ).double()
    return of_model(model, model(cr.randn(2, 2, 7, dtype=cr.float64)).square().sum())


def bfloat16():
    model = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 2)).bfloat16()
    return of_model(model, model(cr.randn(3, 4).bfloat16()).float().square().sum())


def autocast():
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)
    )
    with cr.autocast("bfloat16"):
        return of_model(
            model, F.cross_entropy(model(cr.randn(4, 1, 5, 5)), cr.tensor([0, 1, 1, 0]))
        )


def empty_batch():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    return of_model(model, model(cr.randn(0, 4)).sum())


def scalars():
    a, b = cr.tensor(2.0, requires_grad=True), cr.tensor(0.5, requires_grad=True)
    return (a * b + b.sin()) ** 2 / a - abs(a), {"a": a, "b": b}


def checkpointed():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    y = cr.utils.checkpoint.checkpoint(model, leaf(5, 3), use_reentrant=False)
    return of_model(model, y.square().sum())


def compiled_model():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return of_model(model, cr.compile(model)(cr.randn(5, 3)).square().sum())


def compiled_loss():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))

    @cr.compile
    def step(x):
        return model(x).square().sum()

    return of_model(model, step(cr.randn(5, 3)))


def odd_layers():
    model = nn.ModuleDict(
        {
            "up": nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1),
            "norm": nn.InstanceNorm2d(3, affine=True),
            "act": nn.PReLU(3),
            "pool": nn.MaxPool2d(2, stride=1, padding=1),
            "depth": nn.Conv2d(3, 6, 3, groups=3, padding="same", padding_mode="reflect"),
            "lp": nn.LPPool2d(2, 2),
            "bil": nn.Bilinear(6, 6, 2),
        }
    )
    x = model["pool"](model["act"](model["norm"](model["up"](cr.randn(2, 2, 3, 4)))))
    x = model["lp"](model["depth"](x).abs() + 0.1).flatten(2).mean(2)
    return of_model(model, model["bil"](x, x).square().sum())


def statistics():
    w = leaf(4, 5)
    y = (
        cr.linalg.norm(w)
        + w.std(0).sum()
        + w.softmax(1).log().mean()
        + w.cumsum(1).logsumexp(0).sum()
    )
    y = (
        y
        + w.topk(2, 1).values.sum()
        + w.sort(1).values[:, 0].sum()
        + cr.where(w > 0, w, w * 2).sum()
    )
    y = y + cr.einsum("ij,kj->ik", w, w).diagonal().sum() + cr.stack([w, w * w]).prod(0).sum()
    return y + cr.cat([w, w.flip(0)], 1).gather(1, cr.tensor([[0], [1], [2], [3]])).sum(), {"w": w}


def wide_sums():
    w, b = leaf(3, 1), leaf(1)
    return ((w + cr.randn(2, 3, 4)) * b).mean(), {"w": w, "b": b}


QUICK = [
    transformer_encoder, transformer_whole, multihead_attention, bidirectional_lstm, packed_gru,
    cells, custom_function, in_place, views, tensor_hooks, module_hooks, frozen_parts, double_use,
    tied_embedding, gradient_penalty, third_order, several_losses, double_precision, bfloat16,
    evaluated, autocast, empty_batch, scalars, checkpointed, compiled_model, compiled_loss,
    odd_layers, statistics, wide_sums,
]  # fmt: skip
MODELS = [name for name in registry.names() if not name.startswith("vgg16")]  # as vgg11, but larger


# ---- what holds of every explanation -------------------------------------------------------------


def distance(found, exact, largest):
    """Relative; a gradient that cancels to nothing is measured by the largest of all."""
    size = max(float(np.abs(exact).max(initial=0.0)), 1e-3 * largest, 1e-30)
    return float(np.abs(np.asarray(found, float) - exact).max(initial=0.0)) / size


def check(make, tolerance):
    cr.manual_seed(0)
    with cr.explain.recording():
        loss, leaves = make()
    before = cr.explain(loss, wrt=leaves)
    loss.backward()
    explanation = cr.explain(loss, wrt=leaves)
    draw = np.random.default_rng(0)
    largest = max(float(np.abs(x.grad._data).max(initial=0.0)) for x in leaves.values())
    for name, leaf in leaves.items():
        for one in (before, explanation):
            np.testing.assert_array_equal(one.gradient(name), leaf.grad._data, err_msg=name)
    for name in draw.permutation(list(leaves))[:4].tolist():
        g = explanation.gradient(name)
        if not g.size:
            continue
        place = tuple(int(draw.integers(n)) for n in g.shape)
        entry = explanation.entry(name, place)
        size = sum(np.abs(term.products).sum() for term in entry.terms)
        total = sum(term.total for term in entry.terms)
        assert total == pytest.approx(float(g[place]), rel=tolerance, abs=1e-6 * size + 1e-9)
        assert str(entry)
        paths = explanation.paths(name)
        total = sum(path.gradient for path in paths) + (0 if paths.rest is None else paths.rest)
        assert distance(total, g, largest) < 10 * tolerance and str(paths)
        try:
            samples = explanation.samples(name)
        except ArgumentError:
            continue  # no data, or no axis of them
        total = sum(samples.contributions) + (0 if samples.rest is None else samples.rest)
        assert distance(total, g, largest) < 10 * tolerance and str(samples)
    checked = explanation.verify()
    assert checked.right, [checked.checks[i].text for i in checked.wrong]
    assert checked.count("unknown") == 0, checked
    return explanation


@pytest.mark.parametrize("program", QUICK, ids=lambda f: f.__name__)
def test_programs(program):
    explanation = check(program, 3e-2 if program in (bfloat16, autocast) else 1e-4)
    assert explanation.elementary().disagreement < 1e-3
    assert explanation.to_text() and explanation.to_html(language="zh")


@pytest.mark.skipif(not SLOW, reason="CHAINRULE_SLOW=1 explains every model: minutes")
@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    check(lambda: named_model(name), 1e-3)


def test_what_no_sample_contributes_is_the_rest():
    layer = nn.Linear(3, 2)
    with cr.explain.recording():
        loss = F.cross_entropy(layer(cr.randn(4, 3)), cr.tensor([0, 1, 1, 0]))
        loss = loss + layer.weight.square().sum()
    samples = cr.explain(loss).samples("weight")
    assert len(samples) == 4 and samples.rest is not None
    np.testing.assert_allclose(samples.rest, 2 * layer.weight.detach().numpy(), rtol=1e-5)
    assert "of no sample" in str(samples)


def test_samples_are_found_behind_casts_and_transpositions():
    w = leaf(2, 3)
    x = cr.randn(5, 3)
    with cr.explain.recording():
        loss = (x.double() @ w.double().T).square().sum()
    samples = cr.explain(loss).samples(w)
    assert len(samples) == 5 and samples.rest is None
    one = 2 * np.outer(w.detach().numpy() @ x[1].numpy(), x[1].numpy())
    np.testing.assert_allclose(samples.contributions[1], one, rtol=1e-4)

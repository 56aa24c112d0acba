"""Attention, alone, with several heads and in the Transformer, against PyTorch."""

import itertools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched:UserWarning")
rng = np.random.default_rng(0)
L, S, N, E, H = 4, 5, 3, 8, 2


def both(x, grad=False):
    """An array as a tensor of each library; None and others as they are."""
    if not isinstance(x, np.ndarray):
        return x, x
    return tuple(lib.tensor(x, requires_grad=grad) for lib in (cr, torch))


def same(a, b, tolerance=1e-10):
    if a is None or b is None:
        assert a is b
        return
    a, b = a.detach().numpy(), b.detach().numpy()
    assert a.shape == b.shape and a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def compare(ours, theirs, inputs, options=None, leaves=(), tolerance=1e-10):
    """Outputs, and the gradients of inputs and leaves from a sum with random weights."""
    options = {k: both(v) for k, v in (options or {}).items()}
    given = [both(x, True) for x in inputs]
    results = []
    for i, function in enumerate((ours, theirs)):
        outputs = function(*(g[i] for g in given), **{k: v[i] for k, v in options.items()})
        outputs = [y for y in outputs if y is not None] if isinstance(outputs, tuple) else [outputs]
        draw = np.random.default_rng(1).uniform
        lib = (cr, torch)[i]
        ws = [lib.tensor(draw(1, 2, tuple(y.shape)).astype(inputs[0].dtype)) for y in outputs]
        sum((y * w).sum() for y, w in zip(outputs, ws, strict=True)).backward()
        results.append(outputs)
    for a, b in zip(*results, strict=True):
        same(a, b, tolerance)
    for a, b in [*given, *leaves]:
        same(a.grad, b.grad, tolerance)


def arrays(*shapes):
    return [rng.normal(size=s) for s in shapes]


# ---- one head -------------------------------------------------------------------------------

ALLOWED = rng.random((L, S)) < 0.6
ALLOWED[0] = False  # the first query may look at nothing
ALLOWED[1] = True
ADDED = np.where(ALLOWED, rng.normal(size=(L, S)), -math.inf)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"is_causal": True},
        {"attn_mask": ALLOWED},
        {"attn_mask": ADDED},
        {"attn_mask": rng.normal(size=(N, 1, L, S))},
        {"attn_mask": rng.random((1, S)) < 0.7},
    ],
    ids=str,
)
def test_scaled_dot_product_attention_is_pytorchs(options):
    q, k, v = arrays((N, H, L, E), (N, H, S, E), (N, H, S, 3))
    compare(F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention,
            (q, k, v), options)  # fmt: skip


def test_queries_share_the_heads_of_keys_and_values():
    q, k, v = arrays((N, 6, L, E), (N, 2, S, E), (N, 2, S, E))
    compare(F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention,
            (q, k, v), {"enable_gqa": True})  # fmt: skip
    with pytest.raises(ShapeError, match="multiple"):
        F.scaled_dot_product_attention(
            *map(cr.tensor, arrays((5, L, E), (2, S, E), (2, S, E))), enable_gqa=True
        )


def test_dropout_drops_that_share_of_the_weights_and_keeps_the_mean():
    cr.manual_seed(0)
    q, k = cr.zeros(200, 1, 2), cr.zeros(200, 50, 2)
    v = cr.eye(50).expand(200, 50, 50)
    weights = F.scaled_dot_product_attention(q, k, v, dropout_p=0.25) * 50
    dropped = (weights == 0).float().mean().item()
    assert dropped == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(weights[weights != 0].numpy(), 4 / 3, rtol=1e-5)
    assert F.scaled_dot_product_attention(q, k, v, dropout_p=1.0).abs().sum().item() == 0


@pytest.mark.parametrize("mask", [None, ALLOWED[1:], rng.normal(size=(L, S))], ids=type)
def test_mixed_precision_rounds_as_pytorch_does(mask):
    mask = None if mask is None else mask.astype(bool if mask.dtype == bool else "float32")[:3]
    given = [x.astype("float32") for x in arrays((N, 3, E), (N, S, E), (N, S, E))]
    results = []
    for i, (lib, region) in enumerate(
        ((cr, cr.autocast("bfloat16")), (torch, torch.autocast("cpu", dtype=torch.bfloat16)))
    ):
        q, k, v = (both(x, True)[i] for x in given)
        with region:
            y = lib.nn.functional.scaled_dot_product_attention(q, k, v, both(mask)[i])
        assert y.dtype is lib.bfloat16
        y.float().sum().backward()
        results.append([y.float(), q.grad, k.grad, v.grad])
    for a, b in zip(*results, strict=True):
        same(a, b, 0.04)


def test_great_scores_and_forbidden_rows_stay_finite():
    q = cr.full((1, 2, 4), 1e18, requires_grad=True)
    y = F.scaled_dot_product_attention(
        q, q, cr.ones(1, 2, 3), cr.tensor([[True, False], [False] * 2])
    )
    y.sum().backward()
    assert y.tolist() == [[[1.0] * 3, [0.0] * 3]] and bool(cr.isfinite(q.grad).all())


@pytest.mark.parametrize(
    ("shapes", "options", "error", "words"),
    [
        (((3, 4), (5, 3), (5, 2)), {}, ShapeError, "query"),
        (((3, 4), (5, 4), (6, 2)), {}, ShapeError, "value"),
        (((3, 4), (5, 4), (5, 2)), {"attn_mask": cr.zeros(3, 4)}, ShapeError, "mask"),
        (((3, 4), (5, 4), (5, 2)), {"attn_mask": cr.zeros(3, 5), "is_causal": True}, ArgumentError,
         "is_causal"),
        (((3, 4), (5, 4), (5, 2)), {"dropout_p": 1.5}, ArgumentError, "dropout_p"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(shapes, options, error, words):
    with pytest.raises(error, match=words):
        F.scaled_dot_product_attention(*(cr.zeros(s) for s in shapes), **options)


# ---- several heads --------------------------------------------------------------------------


def twins(kind, *args, **kwargs):
    ours = getattr(nn, kind)(*args, **kwargs).double()
    theirs = getattr(torch.nn, kind)(*args, **kwargs).double()
    state = {k: torch.from_numpy(v.detach().numpy()) for k, v in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    return ours, theirs, list(zip(ours.parameters(), theirs.parameters(), strict=True))


LAYERS = [
    {},
    {"bias": False, "batch_first": True},
    {"add_bias_kv": True, "add_zero_attn": True},
    {"kdim": 6, "vdim": 7, "add_zero_attn": True},
    {"kdim": 6, "bias": False, "add_bias_kv": True, "batch_first": True},
]
PADDED = np.array([[False] * S, [False] * 3 + [True] * 2, [False, True, False, True, False]])
MASKS = [
    {},
    {"key_padding_mask": PADDED, "average_attn_weights": False},
    {"attn_mask": rng.random((L, S)) < 0.3, "need_weights": False},
    {"attn_mask": rng.normal(size=(N * H, L, S)), "key_padding_mask": PADDED},
    {"attn_mask": rng.normal(size=(L, S)), "key_padding_mask": np.where(PADDED, -math.inf, 0.0)},
    {"attn_mask": np.triu(np.ones((L, S), bool), 1), "is_causal": True},
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("masks", range(len(MASKS)))
def test_multihead_attention_is_pytorchs(layer, masks):
    ours, theirs, leaves = twins("MultiheadAttention", E, H, **layer)
    q, k, v = arrays((L, N, E), (S, N, layer.get("kdim", E)), (S, N, layer.get("vdim", E)))
    if layer.get("batch_first"):
        q, k, v = (x.swapaxes(0, 1) for x in (q, k, v))
    compare(ours, theirs, (q, k, v), MASKS[masks], leaves)


@pytest.mark.parametrize("first", [False, True])
def test_self_attention_and_sequences_without_a_batch(first):
    ours, theirs, leaves = twins("MultiheadAttention", E, H, batch_first=first)
    x, memory = arrays((N, L, E), (N, L, E))
    compare(lambda x: ours(x, x, x), lambda x: theirs(x, x, x), [x], {}, leaves)
    compare(lambda x, m: ours(x, m, m), lambda x, m: theirs(x, m, m), [x, memory])
    options = {"attn_mask": rng.random((L, L)) < 0.3, "key_padding_mask": PADDED[1, :L]}
    for more in ({}, {"average_attn_weights": False}, {"need_weights": False}):
        given = [x[0]] * 3
        compare(ours, theirs, given, options | more)
    assert repr(ours).count("\n") == 2


def test_static_keys_and_values_stand_in_for_the_projected_ones():
    ours, theirs, _ = twins("MultiheadAttention", E, H)
    q, k, v = arrays((L, N, E), (S, N, E), (S, N, E))
    static = arrays((N * H, S, E // H), (N * H, S, E // H))

    def call(lib, module, q, k, v, static_k, static_v):
        return lib.nn.functional.multi_head_attention_forward(
            q, k, v, E, H, module.in_proj_weight, module.in_proj_bias, None, None, False, 0.0,
            module.out_proj.weight, module.out_proj.bias, static_k=static_k, static_v=static_v,
        )  # fmt: skip

    results = []
    for i, (lib, module) in enumerate(((cr, ours), (torch, theirs))):
        results.append(call(lib, module, *(both(x)[i] for x in (q, k, v, *static))))
    for a, b in zip(*results, strict=True):
        same(a, b)


def test_a_query_that_may_look_at_no_key_gets_the_bias_of_the_output():
    layer = nn.MultiheadAttention(E, H)
    x = cr.randn(L, N, E, requires_grad=True)
    y, weights = layer(x, x, x, attn_mask=cr.ones(L, L, dtype=cr.bool))
    y.sum().backward()
    assert weights.abs().sum().item() == 0 and bool(cr.isfinite(x.grad).all())
    np.testing.assert_array_equal(y.detach().numpy()[0, 0], layer.out_proj.bias.detach().numpy())


def test_the_start_is_pytorchs():
    cr.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True, kdim=32)
    assert layer.in_proj_bias.abs().sum().item() == layer.out_proj.bias.abs().sum().item() == 0
    for weight, fans in ((layer.q_proj_weight, 128), (layer.k_proj_weight, 96)):
        assert weight.std().item() == pytest.approx(math.sqrt(2 / fans), rel=0.05)
    assert layer.bias_k.abs().sum().item() > 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: nn.MultiheadAttention(E, 3), ArgumentError, "num_heads"),
        (lambda x: nn.MultiheadAttention(E, H, dropout=2), ArgumentError, "dropout"),
        (lambda x: nn.MultiheadAttention(E, H)(x, x[:2], x), ShapeError, "query"),
        (lambda x: nn.MultiheadAttention(4, H)(x, x, x), ShapeError, "embed_dim"),
        (
            lambda x: nn.MultiheadAttention(E, H)(x, x, x, is_causal=True),
            ArgumentError,
            "attn_mask",
        ),
        (
            lambda x: nn.MultiheadAttention(E, H)(x, x, x, attn_mask=cr.zeros(L, L + 1)),
            ShapeError,
            "attn_mask",
        ),
        (
            lambda x: nn.MultiheadAttention(E, H)(x, x, x, key_padding_mask=cr.zeros(L, N)),
            ShapeError,
            "key_padding_mask",
        ),
        (
            lambda x: nn.MultiheadAttention(E, H)(x, x, x, attn_mask=cr.ones(L, L).long()),
            DTypeError,
            "attn_mask",
        ),
        (lambda x: nn.TransformerEncoderLayer(E, H, activation="sin"), ArgumentError, "activation"),
        (lambda x: nn.Transformer(E, H, 1, 1, 4)(x, x[:, :1]), ShapeError, "src and tgt"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call(cr.zeros(L, N, E))


# ---- the Transformer ------------------------------------------------------------------------

OPTIONS = [
    {"activation": "gelu" if first else "relu", "norm_first": first, "batch_first": batch,
     "bias": not (first and batch)}
    for first, batch in itertools.product((False, True), repeat=2)
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_encoder_layers_are_pytorchs(options):
    ours, theirs, leaves = twins("TransformerEncoderLayer", E, H, 12, 0.0, **options)
    x = rng.normal(size=(N, L, E) if options["batch_first"] else (L, N, E))
    causal = nn.Transformer.generate_square_subsequent_mask(L, dtype=cr.float64).numpy()
    compare(ours, theirs, [x], {}, leaves)
    compare(ours, theirs, [x], {"src_mask": causal, "is_causal": True})
    compare(ours, theirs, [x], {"src_mask": causal == 0, "src_key_padding_mask": PADDED[:, 1:]})
    alone = x[0] if options["batch_first"] else x[:, 0]
    compare(ours.eval(), theirs.eval(), [alone], {"src_mask": causal})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_decoder_layers_are_pytorchs(options):
    ours, theirs, leaves = twins("TransformerDecoderLayer", E, H, 12, 0.0, **options)
    x, memory = arrays((L, N, E), (S, N, E))
    if options["batch_first"]:
        x, memory = x.swapaxes(0, 1), memory.swapaxes(0, 1)
    causal = np.triu(np.full((L, L), -math.inf), 1)
    compare(ours, theirs, [x, memory], {}, leaves)
    masks = {
        "tgt_mask": causal, "tgt_is_causal": True, "memory_mask": rng.normal(size=(L, S)),
        "memory_key_padding_mask": PADDED, "tgt_key_padding_mask": PADDED[:, :L] * 0.5,
    }  # fmt: skip
    compare(ours, theirs, [x, memory], masks)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
@pytest.mark.parametrize("options", OPTIONS[1:3], ids=str)
def test_the_whole_is_pytorchs(options):
    ours, theirs, leaves = twins("Transformer", E, H, 2, 2, 12, 0.0, **options)
    src, tgt = arrays((S, N, E), (L, N, E))
    if options["batch_first"]:
        src, tgt = src.swapaxes(0, 1), tgt.swapaxes(0, 1)
    causal = ours.generate_square_subsequent_mask(L, dtype=cr.float64).numpy()
    masks = {"tgt_mask": causal, "tgt_is_causal": True, "src_key_padding_mask": PADDED,
             "memory_key_padding_mask": PADDED}  # fmt: skip
    compare(ours, theirs, [src, tgt], masks, leaves, 1e-9)
    same(cr.tensor(causal), torch.nn.Transformer.generate_square_subsequent_mask(L).double())


def test_encoders_copy_their_layer_and_take_custom_parts():
    layer = nn.TransformerEncoderLayer(E, H, 12)
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(E))
    a, b = encoder.layers
    assert a.linear1.weight is not b.linear1.weight is not layer.linear1.weight
    assert cr.equal(a.linear1.weight, b.linear1.weight)
    whole = nn.Transformer(E, H, custom_encoder=encoder, num_decoder_layers=1)
    assert whole.encoder is encoder
    first, second = (whole(cr.ones(S, N, E), cr.ones(L, N, E)) for _ in range(2))
    assert not cr.equal(first, second)  # dropout


def test_no_place_sees_what_comes_later():
    layer = nn.TransformerEncoderLayer(E, H, 12, batch_first=True).eval()
    x = cr.randn(1, L, E)
    other = x.clone()
    other[0, 2] += 1
    mask = nn.Transformer.generate_square_subsequent_mask(L)
    a, b = (layer(v, src_mask=mask) for v in (x, other))
    assert cr.equal(a[0, :2], b[0, :2]) and not cr.allclose(a[0, 2:], b[0, 2:])


@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_a_whole_training_step_compiles(dropout):
    cr.manual_seed(0)

    def make():
        cr.manual_seed(1)
        layer = nn.TransformerEncoderLayer(E, H, 12, dropout, batch_first=True, norm_first=True)
        model = nn.Sequential(nn.Embedding(7, E), nn.TransformerEncoder(layer, 2), nn.Linear(E, 7))
        optimizer = cr.optim.SGD(model.parameters(), lr=0.1)
        mask = nn.Transformer.generate_square_subsequent_mask(6)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model[2](model[1](model[0](x), mask, is_causal=True)).mT, y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    x, y = cr.randint(0, 7, (3, 6)), cr.randint(0, 7, (3, 6))
    losses = []
    for step in (make(), cr.compile(make())):
        cr.manual_seed(2)
        losses.append([step(x, y).item() for _ in range(3)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)

"""Embedding bags against PyTorch, and looked up by hand."""

import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, IndexRangeError, ShapeError, TraceError
from chainrule.nn.functional import embedding_bag

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)
ROWS, SIZE = 7, 3
FLAT = np.array([1, 2, 1, 6, 0, 3, 3, 2, 5])
SQUARE = FLAT.reshape(3, 3)
OFFSETS = np.array([0, 3, 3, 4, 7])  # the second bag is empty


def compare(index, offsets=None, weighted=False, **options):
    table = rng.normal(size=(ROWS, SIZE))
    factors = rng.normal(size=index.shape)
    results = []
    for lib, function in ((cr, embedding_bag), (torch, torch.nn.functional.embedding_bag)):
        weight = lib.tensor(table, requires_grad=True)
        per_sample = lib.tensor(factors, requires_grad=True)
        y = function(
            lib.tensor(index), weight, None if offsets is None else lib.tensor(offsets),
            per_sample_weights=per_sample if weighted else None, **options,
        )  # fmt: skip
        g = np.random.default_rng(1).normal(size=tuple(y.shape))
        (y * lib.tensor(g)).sum().backward()
        found = [y, weight, weight.grad] + ([per_sample.grad] if weighted else [])
        results.append([v.detach().numpy() for v in found])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("offsets", [None, OFFSETS, np.array([0]), np.array([0, 2, 9])])
@pytest.mark.parametrize(
    "options",
    [{}, {"padding_idx": 3}, {"padding_idx": -6}, {"max_norm": 1.0}],
    ids=str,
)
def test_values_and_gradients_are_pytorchs(mode, offsets, options):
    compare(SQUARE if offsets is None else FLAT, offsets, mode=mode, **options)


@pytest.mark.parametrize(
    ("offsets", "padding"), list(itertools.product([None, OFFSETS], [None, 2]))
)
def test_each_index_may_have_a_factor(offsets, padding):
    index = SQUARE if offsets is None else FLAT
    compare(index, offsets, True, mode="sum", padding_idx=padding)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_frequent_rows_move_as_little_as_in_an_embedding(mode):
    # PyTorch's embedding_bag takes the count of another row here, its embedding the right one.
    gradients = []
    for index, offsets in ((SQUARE, None), (FLAT, np.array([0, 3, 6]))):
        weight = cr.zeros(ROWS, SIZE, dtype=cr.float64, requires_grad=True)
        offsets = None if offsets is None else cr.tensor(offsets)
        y = embedding_bag(
            cr.tensor(index), weight, offsets, mode=mode, scale_grad_by_freq=True
        )  # fmt: skip
        (y * cr.arange(9.0, dtype=cr.float64).reshape(3, 3)).sum().backward()
        gradients.append(weight.grad.numpy())
    weight = torch.zeros(ROWS, SIZE, dtype=torch.float64, requires_grad=True)
    rows = torch.nn.functional.embedding(torch.tensor(SQUARE), weight, scale_grad_by_freq=True)
    factors = torch.arange(9.0, dtype=torch.float64).reshape(3, 3)
    (getattr(rows, mode)(1) * factors).sum().backward()
    for g in gradients:
        np.testing.assert_allclose(g, weight.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_the_end_of_the_last_bag_may_be_given(mode):
    compare(FLAT, np.array([0, 3, 3, 9]), mode=mode, include_last_offset=True)
    weight = cr.randn(ROWS, SIZE)
    index, offsets = cr.tensor(FLAT), cr.tensor([0, 3, 5])
    y = embedding_bag(index, weight, offsets, mode=mode, include_last_offset=True)
    wanted = embedding_bag(index[:5], weight, offsets[:2], mode=mode)
    np.testing.assert_allclose(y.numpy(), wanted.numpy(), rtol=1e-6)


def test_bags_without_anything_give_zeros():
    weight = cr.randn(ROWS, SIZE)
    for mode in ("sum", "mean", "max"):
        nothing = cr.zeros(0, dtype=cr.int64)
        assert (
            embedding_bag(nothing, weight, cr.tensor([0, 0]), mode=mode).tolist() == [[0] * 3] * 2
        )
        assert embedding_bag(nothing, weight, nothing, mode=mode).shape == (0, SIZE)
        assert embedding_bag(nothing.reshape(2, 0), weight, mode=mode).tolist() == [[0] * 3] * 2
        only = embedding_bag(cr.tensor([[4, 4]]), weight, mode=mode, padding_idx=4)
        assert only.tolist() == [[0] * 3]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_one_compiled_program_serves_all_bags(mode):
    weight = cr.randn(ROWS, SIZE)
    compiled = cr.compile(lambda i, o: embedding_bag(i, weight, o, mode=mode, padding_idx=3))
    for offsets in (OFFSETS, OFFSETS[::-1].copy() * 0, np.array([0, 1, 2, 8, 9])):
        given = cr.tensor(FLAT), cr.tensor(offsets)
        wanted = embedding_bag(given[0], weight, given[1], mode=mode, padding_idx=3)
        np.testing.assert_allclose(compiled(*given).numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)
    assert compiled.stats()["compiled"] == 1
    with pytest.raises(IndexRangeError, match="offsets"):
        compiled(cr.tensor(FLAT), cr.tensor(OFFSETS + 1))
    with pytest.raises(TraceError):
        cr.compile(lambda i, o: embedding_bag(i, weight, o, mode="max"))(*given)


def test_the_module_is_pytorchs():
    options = {"mode": "sum", "padding_idx": 2, "max_norm": 2.0, "include_last_offset": True}
    ours, theirs = (lib.EmbeddingBag(ROWS, SIZE, **options) for lib in (nn, torch.nn))
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    assert ours.weight[2].abs().sum().item() == 0
    theirs.load_state_dict({"weight": torch.from_numpy(ours.weight.detach().numpy().copy())})
    factors = rng.normal(size=FLAT.shape).astype("float32")
    y, e = (
        module(*(lib.tensor(x) for x in (FLAT, np.array([0, 4, 9]), factors)))
        for lib, module in ((cr, ours), (torch, theirs))
    )
    np.testing.assert_allclose(y.detach().numpy(), e.detach().numpy(), rtol=1e-5)
    table = cr.randn(4, 2)
    layer = nn.EmbeddingBag.from_pretrained(table, mode="max")
    assert not layer.weight.requires_grad and layer(cr.tensor([[1, 1]])).tolist() == [
        table[1].tolist()
    ]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda i, w, o: embedding_bag(i, w), ShapeError, "offsets"),
        (lambda i, w, o: embedding_bag(i.reshape(3, 3), w, o), ShapeError, "offsets"),
        (lambda i, w, o: embedding_bag(i, w, o + 1), IndexRangeError, "start at 0"),
        (lambda i, w, o: embedding_bag(i, w, o * 5), IndexRangeError, "at most at 9"),
        (lambda i, w, o: embedding_bag(i, w, o, mode="median"), ArgumentError, "mode"),
        (lambda i, w, o: embedding_bag(i, w, o, padding_idx=ROWS), ArgumentError, "padding_idx"),
        (lambda i, w, o: embedding_bag(i, w[:2], o), IndexRangeError, "6"),
        (
            lambda i, w, o: embedding_bag(i, w, o, per_sample_weights=cr.ones(9)),
            ArgumentError,
            "mode='sum'",
        ),
        (
            lambda i, w, o: embedding_bag(i, w, o, mode="sum", per_sample_weights=cr.ones(8)),
            ArgumentError,
            "shape of input",
        ),
        (
            lambda i, w, o: embedding_bag(i, w, o, mode="max", scale_grad_by_freq=True),
            ArgumentError,
            "scale_grad_by_freq",
        ),
        (
            lambda i, w, o: embedding_bag(i, w, o[:0], include_last_offset=True),
            ArgumentError,
            "include_last_offset",
        ),
        (lambda i, w, o: nn.EmbeddingBag(3, 2, mode="all"), ArgumentError, "mode"),
        (lambda i, w, o: nn.EmbeddingBag.from_pretrained(w[0]), ShapeError, "from_pretrained"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call(cr.tensor(FLAT), cr.randn(ROWS, SIZE), cr.tensor(OFFSETS))

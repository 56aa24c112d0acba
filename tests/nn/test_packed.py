"""Packed and padded sequences against PyTorch, alone and through the recurrent layers."""

import copy
import itertools

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError, TraceError
from chainrule.nn.utils import rnn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")
draw = np.random.default_rng(0).normal
LENGTHS = ([5, 3, 3, 1], [3, 5, 1, 3], [4, 4, 4, 4], [1, 1, 1, 1], [2, 1, 5, 5])
K, H = 3, 4


def same(ours, theirs, tolerance=0.0):
    """Tensors, packed batches, and tuples of them, field by field."""
    if ours is None or theirs is None:
        assert ours is theirs
    elif isinstance(ours, cr.Tensor):
        a, b = ours.detach().numpy(), theirs.detach().numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    else:
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, tolerance)


def both(function, *args, **kwargs):
    """The function of both libraries, on the same arrays."""

    def to(lib, x):
        if isinstance(x, list) and x and isinstance(x[0], np.ndarray):
            return [lib.tensor(v) for v in x]
        return lib.tensor(x) if isinstance(x, np.ndarray) else x

    return [
        getattr(utils, function)(*(to(lib, x) for x in args), **kwargs)
        for lib, utils in ((cr, rnn), (torch, torch.nn.utils.rnn))
    ]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_packing_and_back_are_pytorchs(lengths, first, shape):
    x = draw(size=((4, 5) if first else (5, 4)) + shape)
    ordered = sorted(lengths, reverse=True) == lengths
    packed = both("pack_padded_sequence", x, lengths, first, enforce_sorted=ordered)
    same(*packed)
    for options in ({}, {"padding_value": -2.0}, {"total_length": 7, "batch_first": not first}):
        results = [
            utils.pad_packed_sequence(p, **options)
            for utils, p in zip((rnn, torch.nn.utils.rnn), packed, strict=True)
        ]
        same(*results)
    same(rnn.unpack_sequence(packed[0]), torch.nn.utils.rnn.unpack_sequence(packed[1]))


def test_lists_of_sequences():
    sequences = [draw(size=(n, 2)) for n in (2, 4, 1)]
    for options in ({}, {"batch_first": True, "padding_value": 9.0}, {"padding_side": "left"}):
        padded = both("pad_sequence", sequences, **options)
        same(*padded)
    same(*both("unpad_sequence", padded[0].numpy(), np.array([2, 4, 1])))
    same(*both("pack_sequence", sequences, enforce_sorted=False))
    same(*both("pack_sequence", sorted(sequences, key=len, reverse=True)))
    same(*both("invert_permutation", np.array([2, 0, 3, 1])))
    assert rnn.invert_permutation(None) is None


def test_gradients_reach_each_sequence_once():
    sequences = [cr.tensor(draw(size=(n, 2)), requires_grad=True) for n in (2, 4, 1)]
    padded, _ = rnn.pad_packed_sequence(rnn.pack_sequence(sequences, enforce_sorted=False))
    (padded**2).sum().backward()
    for s in sequences:
        np.testing.assert_allclose(s.grad.numpy(), 2 * s.detach().numpy())


def test_conversions_keep_the_order():
    packed = rnn.pack_sequence([cr.ones(1, 2), cr.ones(3, 2)], enforce_sorted=False)
    for out, dtype in ((packed.double(), cr.float64), (packed.long(), cr.int64),
                       (packed.double().float(), cr.float32)):  # fmt: skip
        assert out.data.dtype is dtype and out.sorted_indices is packed.sorted_indices
        assert isinstance(out, rnn.PackedSequence)


def twins(kind, **kwargs):
    ours = getattr(nn, kind)(K, H, **kwargs).double()
    theirs = getattr(torch.nn, kind)(K, H, **kwargs).double()
    state = {k: torch.from_numpy(v.detach().numpy()) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    return ours, theirs


def flat(x):
    return [v for y in x for v in flat(y)] if isinstance(x, tuple | list) else [x]


CASES = [dict(num_layers=layers, bidirectional=two) for layers in (1, 2) for two in (False, True)]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize(("case", "lengths"), list(itertools.product(CASES, LENGTHS)))
@pytest.mark.parametrize("started", [False, True])
def test_recurrent_layers_on_packed_batches_are_pytorchs(kind, case, lengths, started):
    case = case | ({"proj_size": 2} if kind == "LSTM" and case["num_layers"] == 2 else {})
    case |= {"nonlinearity": "relu"} if kind == "RNN" and case["bidirectional"] else {}
    x = draw(size=(5, 4, K))
    n = case["num_layers"] * (1 + case["bidirectional"])
    h = [draw(size=(n, 4, case.get("proj_size", H)))] + [draw(size=(n, 4, H))] * (kind == "LSTM")
    results = []
    for lib, utils, module in zip(
        (cr, torch), (rnn, torch.nn.utils.rnn), twins(kind, **case), strict=True
    ):
        given = [lib.tensor(v, requires_grad=True) for v in (x, *h)]
        hx = (given[1] if len(h) == 1 else tuple(given[1:])) if started else None
        packed = utils.pack_padded_sequence(given[0], lengths, enforce_sorted=False)
        output, last = module(packed, hx)
        values = [output.data, *flat(last)]
        weights = np.random.default_rng(1)
        sum(
            (v * lib.tensor(weights.uniform(1, 2, tuple(v.shape)))).sum() for v in values
        ).backward()
        leaves = [*given[: 1 + started * len(h)], *module.parameters()]
        results.append([output, *flat(last), *(p.grad for p in leaves)])
    same(*results, 1e-11)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("first", [False, True])
def test_lengths_beside_a_padded_batch_are_packing_and_back(kind, first):
    module = getattr(nn, kind)(K, H, 2, bidirectional=True, batch_first=first).double()
    x = cr.tensor(draw(size=(4, 5, K) if first else (5, 4, K)), requires_grad=True)
    for lengths in ([3, 5, 1, 2], [3, 4, 1, 2]):
        packed = rnn.pack_padded_sequence(x, lengths, first, enforce_sorted=False)
        output, last = module(packed)
        wanted = [rnn.pad_packed_sequence(output, first, total_length=5)[0], *flat(last)]
        output, last = module(x, lengths=cr.tensor(lengths))
        same([output, *flat(last)], wanted, 1e-13)
        a, b = (
            cr.autograd.grad(sum((v**2).sum() for v in f), x)
            for f in (wanted, [output, *flat(last)])
        )
        same(a, b, 1e-13)


def test_what_lies_past_the_end_is_no_harm():
    module = nn.RNN(K, H, nonlinearity="relu", bidirectional=True)
    x = cr.randn(60, 2, K)
    x[3:, 1] = float("inf")
    output, h = module(x, lengths=[60, 3])
    (output.sum() + h.sum()).backward()
    assert all(bool(cr.isfinite(p.grad).all()) for p in module.parameters() if p.grad is not None)


class Classifier(nn.Module):
    """Two classes of sequences, told apart by the last states."""

    def __init__(self, kind):
        super().__init__()
        self.table = nn.Embedding(11, 7)
        self.layer = getattr(nn, kind)(7, 5, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 2)

    def forward(self, x, lengths):
        last = self.layer(self.table(x), lengths=lengths)[1]
        h = last[0] if isinstance(last, tuple) else last
        return self.head(cr.cat([h[-2], h[-1]], -1))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_one_compiled_program_serves_all_lengths(kind):
    cr.manual_seed(0)
    model = Classifier(kind)
    twin = copy.deepcopy(model)

    def stepper(model):
        optimizer = optim.Adam(model.parameters(), lr=1e-2)

        def step(x, lengths, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x, lengths), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    x, y = cr.randint(0, 11, (4, 6)), cr.tensor([0, 1, 1, 0])
    step, compiled = stepper(model), cr.compile(stepper(twin))
    for lengths in ([6, 2, 1, 3], [1, 5, 4, 3], [6, 6, 6, 6]):
        given = cr.tensor(lengths)
        assert step(x, given, y).item() == pytest.approx(compiled(x, given, y).item(), rel=1e-5)
    assert compiled.stats()["compiled"] == 1
    for (name, a), b in zip(model.named_parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-4, 1e-5, err_msg=name)
    with pytest.raises(ShapeError, match="up to 6"):
        compiled(x, cr.tensor([7, 2, 1, 3]), y)


def test_packing_in_a_compiled_program_is_refused_with_the_way_out():
    def program(x, lengths):
        return rnn.pack_padded_sequence(x, lengths).data.sum()

    x, lengths = cr.randn(3, 2, K), cr.tensor([3, 1])
    packed = rnn.pack_padded_sequence(x, lengths)
    for function, given in ((program, (x, lengths)), (lambda p: nn.GRU(K, H)(p)[1], (packed,))):
        with pytest.raises(TraceError, match=r"layer\(x, lengths=lengths\)"):
            cr.compile(function)(*given)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: rnn.pack_padded_sequence(x, [2, 3]), ArgumentError, "enforce_sorted=False"),
        (lambda x: rnn.pack_padded_sequence(x, [3, 0]), ArgumentError, "at least 1"),
        (lambda x: rnn.pack_padded_sequence(x, [4, 1]), ShapeError, "up to 3"),
        (lambda x: rnn.pack_padded_sequence(x, [3]), ShapeError, "2 numbers"),
        (lambda x: rnn.pack_padded_sequence(x, [2.5, 1.0]), DTypeError, "integers"),
        (lambda x: rnn.pack_padded_sequence(x[0, 0], [1]), ShapeError, "padded batch"),
        (lambda x: rnn.pad_sequence([]), ShapeError, "at least one"),
        (lambda x: rnn.pad_sequence([x, x[:, :1]]), ShapeError, "alike"),
        (lambda x: rnn.pad_sequence([x], padding_side="top"), ArgumentError, "padding_side"),
        (lambda x: rnn.PackedSequence(x, cr.tensor([2, 2])), ShapeError, "add up to 4"),
        (lambda x: rnn.PackedSequence(x, cr.tensor([1, 2])), ArgumentError, "batch_sizes"),
        (lambda x: nn.GRU(K, H)(x, lengths=[3, 4]), ShapeError, "up to 3"),
        (
            lambda x: nn.GRU(K, H)(rnn.pack_padded_sequence(x[..., 0], [3, 1])),
            ShapeError,
            "vectors",
        ),
        (
            lambda x: nn.GRU(K, H)(rnn.pack_padded_sequence(x, [3, 1]), lengths=[3, 1]),
            ArgumentError,
            "leave lengths out",
        ),
        (
            lambda x: rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [3, 1]), total_length=2),
            ArgumentError,
            "total_length",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, error, words):
    with pytest.raises(error, match=words):
        call(cr.zeros(3, 2, K))


def test_detached_states_end_the_gradient_at_the_piece():
    layer = nn.LSTM(K, H)
    x = cr.randn(6, 2, K, requires_grad=True)
    states = None
    for piece in x.split(3):
        output, states = layer(piece, rnn.detach_states(states))
    output.sum().backward()
    assert x.grad[:3].abs().sum().item() == 0 < x.grad[3:].abs().sum().item()
    assert all(s._node is not None for s in states) and rnn.detach_states(None) is None
    whole = layer(x)[1]
    same(states, whole, 1e-6)
    assert isinstance(rnn.detach_states([states[0], (states[1],)])[1], tuple)

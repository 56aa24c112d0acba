"""Recurrent layers and cells against PyTorch, and whole training steps in a trace."""

import copy
import itertools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.compile import trace

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections", "ignore:.*dropout.*num_layers"
)
rng = np.random.default_rng(0)
T, N, K, H = 5, 3, 4, 6


def twins(kind, *args, dtype="float64", **kwargs):
    ours = getattr(nn, kind)(*args, **kwargs).to(getattr(cr, dtype))
    theirs = getattr(torch.nn, kind)(*args, **kwargs).to(getattr(torch, dtype))
    state = {k: torch.from_numpy(v.detach().numpy().copy()) for k, v in ours.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    return ours, theirs


def flat(x):
    return [v for y in x for v in flat(y)] if isinstance(x, tuple | list) else [x]


def compare(ours, theirs, x, hx, tolerance=1e-11):
    """Outputs, and the gradients of a sum with random weights of all of them."""
    results = []
    for lib, module in ((cr, ours), (torch, theirs)):
        given = [lib.tensor(v, requires_grad=True) for v in (x, *flat(hx or ()))]
        states = None if hx is None else given[1] if len(given) == 2 else tuple(given[1:])
        outputs = flat(module(given[0], states))
        draw = np.random.default_rng(1).uniform
        ws = [lib.tensor(draw(0.5, 1.5, tuple(y.shape)).astype(x.dtype)) for y in outputs]
        total = sum((y * w).sum() for y, w in zip(outputs, ws, strict=True))
        total.backward()
        leaves = [*given, *module.parameters()]
        results.append([v.detach().numpy() for v in (*outputs, *(p.grad for p in leaves))])
        module.zero_grad()
    for a, b in zip(*results, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def states_of(kind, layers, batch, size, hidden, dtype):
    h = rng.normal(size=(layers, *batch, size)).astype(dtype)
    return [h, rng.normal(size=(layers, *batch, hidden)).astype(dtype)] if kind == "LSTM" else [h]


CASES = [
    dict(num_layers=layers, bidirectional=two, bias=bias, batch_first=first)
    for layers in (1, 2)
    for two, bias, first in itertools.product((False, True), repeat=3)
]


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_and_gradients_are_pytorchs(kind, case, dtype):
    ours, theirs = twins(kind, K, H, dtype=dtype, **case)
    shape = (N, T, K) if case["batch_first"] else (T, N, K)
    layers = case["num_layers"] * (2 if case["bidirectional"] else 1)
    x = rng.normal(size=shape).astype(dtype)
    for hx in (None, states_of(kind, layers, (N,), H, H, dtype)):
        compare(ours, theirs, x, hx, 1e-11 if dtype == "float64" else 2e-5)


@pytest.mark.parametrize("two", [False, True])
def test_projection_relu_and_sequences_without_a_batch(two):
    for case in ({"proj_size": 2}, {"proj_size": 3, "num_layers": 2, "bias": False}):
        ours, theirs = twins("LSTM", K, H, bidirectional=two, **case)
        layers = case.get("num_layers", 1) * (1 + two)
        hx = states_of("LSTM", layers, (N,), case["proj_size"], H, "float64")
        compare(ours, theirs, rng.normal(size=(T, N, K)), None)
        compare(ours, theirs, rng.normal(size=(T, N, K)), hx)
    relu = {"nonlinearity": "relu", "num_layers": 2}
    compare(*twins("RNN", K, H, bidirectional=two, **relu), rng.normal(size=(T, N, K)), None)
    for kind in ("RNN", "LSTM", "GRU"):
        pair = twins(kind, K, H, batch_first=True, bidirectional=two)
        compare(*pair, rng.normal(size=(T, K)), None)
        compare(*pair, rng.normal(size=(T, K)), states_of(kind, 1 + two, (), H, H, "float64"))
        compare(*pair, rng.normal(size=(1, 1, K)), None)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_dropout_stands_between_the_layers_in_training_only(kind):
    ours, theirs = twins(kind, K, H, num_layers=3, dropout=1.0)  # what passes is exactly 0
    x = rng.normal(size=(T, N, K))
    compare(ours, theirs, x, None)
    compare(ours.eval(), theirs.eval(), x, None)
    half = getattr(nn, kind)(K, H, 2, dropout=0.5)
    a, b = (half(cr.tensor(x).float())[0] for _ in range(2))
    assert not cr.equal(a, b)
    with pytest.warns(UserWarning, match="no second one"):
        getattr(nn, kind)(K, H, dropout=0.5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(N,), ()])
def test_cells(bias, batch):
    x = rng.normal(size=(*batch, K))
    for kind, more in (("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}),
                       ("GRUCell", {})):  # fmt: skip
        pair = twins(kind, K, H, bias=bias, **more)
        for hx in (None, [s[0] for s in states_of(kind[:-4], 1, batch, H, H, "float64")]):
            compare(*pair, x, hx)
        assert repr(pair[0]) == repr(pair[1])


def test_the_start_is_uniform_and_the_names_are_pytorchs():
    cr.manual_seed(0)
    layer = nn.LSTM(50, 64, 2, bidirectional=True, proj_size=9, batch_first=True, dropout=0.25)
    theirs = torch.nn.LSTM(50, 64, 2, bidirectional=True, proj_size=9, batch_first=True,
                           dropout=0.25)  # fmt: skip
    assert repr(layer) == repr(theirs)
    assert len(layer.all_weights) == 4 and [len(w) for w in layer.all_weights] == [5] * 4
    for (name, p), q in zip(layer.named_parameters(), theirs.parameters(), strict=True):
        assert tuple(p.shape) == tuple(q.shape), name
        values = p.detach().numpy()
        bound = 1 / math.sqrt(64)
        assert abs(values).max() <= bound and abs(values.mean()) < 0.2 * bound
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.15)
    before = layer.weight_hh_l1_reverse.clone()
    layer.reset_parameters()
    assert not cr.equal(before, layer.weight_hh_l1_reverse)
    layer.flatten_parameters()


def test_the_last_states_are_memory_of_their_own():
    output, h = nn.GRU(K, H)(cr.randn(T, N, K))
    assert not np.shares_memory(output.detach().numpy(), h.detach().numpy())


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: nn.LSTM(K, H, proj_size=H), ArgumentError, "proj_size"),
        (lambda: nn.RNN(K, H, nonlinearity="sin"), ArgumentError, "nonlinearity"),
        (lambda: nn.GRU(K, 0), ArgumentError, "hidden_size"),
        (lambda: nn.GRU(K, H, 0), ArgumentError, "num_layers"),
        (lambda: nn.GRU(K, H, dropout=2), ArgumentError, "dropout"),
        (lambda: nn.GRU(K, H)(cr.zeros(T, N, K + 1)), ShapeError, "w_ih"),
        (lambda: nn.GRU(K, H)(cr.zeros(0, N, K)), ShapeError, "time step"),
        (lambda: nn.GRU(K, H)(cr.zeros(K)), ShapeError, r"\(T, N, K\)"),
        (lambda: nn.GRU(K, H)(cr.zeros(T, N, K), cr.zeros(1, H)), ShapeError, "h_0"),
        (lambda: nn.LSTM(K, H)(cr.zeros(T, K), [cr.zeros(1, H), cr.zeros(1)]), ShapeError, "c_0"),
        (lambda: nn.LSTM(K, H)(cr.zeros(T, N, K), cr.zeros(1, N, H)), ArgumentError, "pair"),
        (lambda: nn.GRUCell(K, H)(cr.zeros(N, K), cr.zeros(H)), ShapeError, "GRUCell"),
        (lambda: nn.GRUCell(K, H)(cr.zeros(1, N, K)), ShapeError, "GRUCell"),
        (lambda: nn.GRUCell(K, H)(cr.zeros(N, K), cr.zeros(N, K)), ShapeError, "h0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(call, error, word):
    with pytest.raises(error, match=word):
        call()


# ---- compiled programs ----------------------------------------------------------------------


class Language(nn.Module):
    """Predicts the next sign of each sequence."""

    def __init__(self, kind):
        super().__init__()
        self.table = nn.Embedding(11, 7)
        self.layer = getattr(nn, kind)(7, 5, 2, batch_first=True, bidirectional=kind == "GRU")
        self.head = nn.Linear(10 if kind == "GRU" else 5, 11)

    def forward(self, x):
        return self.head(self.layer(self.table(x))[0]).flatten(0, 1)


def stepper(model):
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    loss_of = nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_whole_training_step_replays_to_the_bit(kind):
    cr.manual_seed(0)
    model = Language(kind)
    twin = copy.deepcopy(model)
    x, y = cr.randint(0, 11, (4, 6)), cr.randint(0, 11, (24,))
    step, program = stepper(model), trace(stepper(twin), x, y)
    assert [step(x, y).item() for _ in range(4)] == [program(x, y).item() for _ in range(4)]
    for (name, a), b in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert cr.equal(a, b) and cr.equal(a.grad, b.grad), name


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_program_is_no_longer_for_a_longer_sequence(kind):
    model = Language(kind)

    def instructions(length):
        x, y = cr.randint(0, 11, (4, length)), cr.randint(0, 11, (4 * length,))
        graph = trace(stepper(model), x, y).graph
        bodies = [i.attributes["body"] for i in graph.instructions if i.primitive == "scan"]
        assert len(bodies) == (8 if kind == "GRU" else 4)
        return [i.primitive for g in (graph, *bodies) for i in g.instructions]

    assert instructions(5) == instructions(50)

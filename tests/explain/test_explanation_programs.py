"""Programs of all kinds: mixed precision, writes in place, views, tied weights, checkpoints …"""

import json

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F


def mixed_precision():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    with cr.autocast("bfloat16"):
        return F.cross_entropy(model(cr.randn(3, 4)), cr.tensor([0, 1, 1]))


def half_precision():
    w = cr.randn(4, 6).half().requires_grad_(True)
    return (w * w).sum()


def sparse_embedding():
    table = nn.Embedding(10, 4, sparse=True)
    return table(cr.tensor([[1, 2], [1, 3]])).square().sum()


def in_place():
    w = cr.randn(3, 4, requires_grad=True)
    y = (w * 2).relu_()
    y.add_(1.0)
    y[0] = 5.0
    return (y * y).sum()


def views():
    w = cr.randn(4, 6, requires_grad=True)
    a, b = w.chunk(2, 1)
    return (a * b).sum() + w.T.reshape(3, 8)[1].max()


def tied():
    layer = nn.Linear(3, 3)
    return layer(cr.tanh(layer(cr.randn(2, 3)))).sum()


def recurrent():
    gru = nn.GRU(3, 4, num_layers=2, bidirectional=True)
    y, h = gru(cr.randn(5, 2, 3))
    return y.sum() + h.square().sum()


def transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    return layer(cr.randn(2, 4, 8)).square().mean()


def second_order():
    x = cr.tensor(2.0, requires_grad=True)
    (g,) = cr.autograd.grad(x**3, x, create_graph=True)
    return g * g


def einsum():
    a, b = cr.randn(2, 3, requires_grad=True), cr.randn(3, 4)
    return cr.einsum("ij,jk->ik", a, b).sum()


PROGRAMS = [
    mixed_precision, half_precision, sparse_embedding, in_place, views, tied, recurrent,
    transformer, second_order, einsum,
]  # fmt: skip


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "tape"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_every_kind_of_program_can_be_explained(program, recorded):
    cr.manual_seed(0)
    if recorded:
        with cr.explain.recording():
            loss = program()
    else:
        loss = program()
    explanation = cr.explain(loss)
    checked = explanation.verify()
    assert checked.right, [checked.checks[i].text for i in checked.wrong]
    assert explanation.to_text() and explanation.to_html()
    json.dumps(explanation.to_dict(), allow_nan=False)
    if recorded:
        assert checked.count("unknown") == 0
        assert explanation.elementary().disagreement < 1e-3


def test_a_checkpoint_is_one_step():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    x = cr.randn(5, 3)
    loss = cr.utils.checkpoint.checkpoint(model, x, use_reentrant=False).square().sum()
    explanation = cr.explain(loss)
    assert [s.op_name for s in explanation.graph.operations][0] == "checkpoint"
    assert explanation.verify().count("unknown") == 1
    assert "terms were not kept" in explanation.to_text()


def test_depth_is_no_limit():
    x = cr.tensor(0.5, dtype=cr.float64, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0001
    explanation = cr.explain(y)
    assert explanation.entry("x", ()).gradient == pytest.approx(1.0001**3000)
    assert len(explanation.paths("x")[0].hops) == 3000

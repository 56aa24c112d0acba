"""Errors of shapes and dtypes say what the operands are, and offer only what has been tried."""

import re

import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F


def notes_of(action):
    with pytest.raises(cr.ChainruleError) as caught:
        action()
    return "\n".join(getattr(caught.value, "__notes__", []))


def test_operands_with_the_lines_that_made_them():
    first = cr.ones(3, 4)
    second = first.exp()
    notes = notes_of(lambda: second @ first)
    line = test_operands_with_the_lines_that_made_them.__code__.co_firstlineno
    assert f"x: (3, 4) float32, second of test_teaching.py line {line + 2}" in notes
    assert f"o: (3, 4) float32, first of test_teaching.py line {line + 1}" in notes


def test_the_operation_that_computed_an_operand_and_the_meaning_of_axes():
    x = cr.ones(2, 5, 5, 3, requires_grad=True)
    notes = notes_of(lambda: F.conv2d(x * 2, cr.ones(4, 3, 2, 2)))
    assert "(2, 5, 5, 3) = (N 2, C 5, H 5, W 3) float32, computed by multiply" in notes


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        self.head = nn.Linear(10, 2)
        self.scale = cr.ones(3)

    def forward(self, x):
        return self.head(self.body(x).flatten(1) * 1.0)


def test_where_layers_and_what_has_no_name_come_from():
    first = Net.__init__.__code__.co_firstlineno
    notes = notes_of(lambda: Net()(cr.ones(2, 1, 5, 5)))
    assert f"in module: head ({Net().head!r}), made in test_teaching.py line {first + 3}" in notes
    line = Net.forward.__code__.co_firstlineno + 1
    assert f"computed by multiply, made in test_teaching.py line {line}" in notes
    batch = [cr.ones(2), cr.ones(3)]
    net = Net()
    notes = notes_of(lambda: batch[0] + net.scale)
    assert "x: (2,) float32, batch[0]" in notes and "o: (3,) float32, net.scale" in notes


def test_a_tuple_in_place_of_a_tensor():
    pair = nn.LSTM(4, 8)(cr.ones(5, 2, 4))
    notes = notes_of(lambda: nn.Linear(8, 2)(pair))
    assert "its first element fits (tried)" in notes
    with pytest.raises(cr.ChainruleError) as caught:
        nn.Linear(8, 2)(pair)
    assert "array of shape (5, 2, 8)" in str(caught.value) and len(str(caught.value)) < 200


def test_one_trial_does_not_teach_another():
    assert "tried" not in notes_of(lambda: nn.BatchNorm1d(6)(cr.ones(1, 6)))


OFFERS = [
    ("x.reshape(-1, 1, 28, 28)", lambda: nn.Conv2d(1, 4, 3)(cr.ones(8, 784))),
    ("x.unsqueeze(1)", lambda: nn.Conv2d(1, 4, 3)(cr.ones(8, 28, 28))),
    ("x[None, None]", lambda: nn.Conv2d(1, 4, 3)(cr.ones(28, 28))),
    ("x.reshape(-1, 4)", lambda: nn.Linear(4, 2)(cr.ones(12))),
    ("o.mT", lambda: cr.ones(8, 4) @ nn.Linear(4, 2).weight),
    ("dim=1", lambda: cr.cat([cr.ones(2, 3), cr.ones(2, 4)])),
    ("reshape(5, -1)", lambda: cr.ones(5, 2).reshape(5, 3)),
    ("target.squeeze(1)", lambda: F.cross_entropy(cr.ones(4, 3), cr.tensor([[0]] * 4))),
    ("target.argmax(1)", lambda: F.cross_entropy(cr.ones(2, 3), cr.tensor([[0, 0, 1]] * 2))),
    ("movedim(-1, 1)", lambda: F.cross_entropy(cr.ones(2, 7, 12), cr.full((2, 7), 11))),
    ("target - 1", lambda: F.cross_entropy(cr.ones(3, 3), cr.tensor([1, 2, 3]))),
    ("4 outputs", lambda: F.cross_entropy(cr.ones(3, 3), cr.tensor([0, 2, 3]))),
    ("padding=1", lambda: nn.Conv2d(1, 2, 7)(cr.ones(1, 1, 6, 6))),
    ("BatchNorm2d takes", lambda: nn.BatchNorm1d(6)(cr.ones(2, 6, 5, 5))),
    ("normalized_shape=(6,)", lambda: nn.LayerNorm(8)(cr.ones(2, 5, 6))),
    ("batch_first=True", lambda: nn.LSTM(4, 8)(cr.ones(2, 5, 4), (cr.ones(1, 2, 8),) * 2)),
    ("o.mT", lambda: cr.ones(3, 4) @ cr.ones(3, 4)),
    ("x.permute(0, 3, 1, 2)", lambda: nn.Conv2d(3, 4, 2)(cr.ones(2, 5, 5, 3))),
    ("o.unsqueeze(1)", lambda: cr.ones(3, 4) + cr.ones(3)),
    ("x.flatten(1)", lambda: nn.Linear(75, 4)(cr.ones(2, 3, 5, 5))),
    ("x.float()", lambda: nn.Linear(4, 2)(cr.ones(2, 4, dtype="int64"))),
    ("in_features=9", lambda: nn.Linear(4, 2)(cr.ones(2, 9))),
    ("num_features=6", lambda: nn.BatchNorm2d(3)(cr.ones(2, 6, 5, 5))),
    ("input_size=7", lambda: nn.LSTM(4, 8)(cr.ones(3, 2, 7))),
]


@pytest.mark.parametrize(("offer", "action"), OFFERS, ids=[o for o, _ in OFFERS])
def test_offers(offer, action):
    assert offer in notes_of(action)


def test_what_is_offered_works():
    x, weight = cr.randn(2, 5, 5, 3), cr.randn(4, 3, 2, 2)
    text = notes_of(lambda: F.conv2d(x, weight))
    change, shape = re.search(r"(x\.\S.*) in place of x: the result has shape (.*)", text).groups()
    assert str(tuple(F.conv2d(eval(change), weight).shape)) == shape


def test_nothing_is_offered_where_nothing_fits():
    notes = notes_of(lambda: cr.ones(3, 4) + cr.ones(3, 5))
    assert "operands of add" in notes and "tried" not in notes


def test_trying_leaves_no_trace():
    cr.manual_seed(3)
    before = cr.get_rng_state()
    layer = nn.Linear(4, 2)
    after = cr.get_rng_state()
    assert before != after
    notes_of(lambda: layer(cr.ones(2, 9)))
    assert cr.get_rng_state() == after


def test_large_operands_are_not_tried():
    x = cr.ones(3, 1).expand(3, 1 << 23)
    assert "tried" not in notes_of(lambda: x @ x)


def test_in_a_compiled_function_too():
    layer = nn.Conv2d(3, 4, 2)
    notes = notes_of(lambda: cr.compile(layer)(cr.ones(2, 5, 5, 3)))
    assert "x.permute(0, 3, 1, 2)" in notes

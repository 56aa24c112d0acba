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


OFFERS = [
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

"""Wrong shapes, dtypes, sizes and parameters (NaN among them): an error of ours that says what is
wrong, never NumPy's words and never an answer. One call a line in `wrong_calls.txt`."""

import re
from pathlib import Path

import pytest

import chainrule as cr
from chainrule.base.errors import ChainruleError

CALLS = Path(__file__).with_name("wrong_calls.txt").read_text("utf-8").splitlines()
# What NumPy and Python say of arrays, attributes and missing arguments.
FOREIGN = re.compile(
    r"operands could not|could not be broadcast|broadcast together|cannot reshape|zero-size array|"
    r"numpy|ufunc|core dimension|all input array|setting an array|object has no attribute|"
    r"not supported between|unsupported operand|NoneType|cannot be interpreted as|not iterable|"
    r"could not convert|negative dimensions"
)


def names():
    cr.manual_seed(0)
    x = cr.randn(2, 3)
    return {
        "cr": cr, "nn": cr.nn, "F": cr.nn.functional, "T": cr.tensor, "nan": float("nan"), "x": x,
        "b": cr.randn(2, 3, 8, 8), "i": cr.tensor([0, 1, 2]), "bo": x > 0, "e": cr.zeros(0, 3),
        "m": cr.randn(3, 3),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_told_what_is_wrong(call):
    with pytest.raises(ChainruleError) as caught:
        eval(call, names())
    assert not FOREIGN.search(str(caught.value)), str(caught.value)


def test_there_are_enough():
    assert len(CALLS) > 300

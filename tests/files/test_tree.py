"""Any nested state comes back as it was."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.errors import FileFormatError
from chainrule.files import tree

VALUES = [
    None, True, False, 0, 1, -1, 2**63, -(2**63), 10**5000, 0.1, 1.0, -0.0, 5e-324, 1.7e308,
    math.inf, -math.inf, "", "α\n\"\\\0", "$tuple", [], (), {}, [[], {}, ()], (1, [2, (3,)]),
    {"a": 1, "b": {"c": [None]}}, {1: "x", "1": "y", 2.5: "z", None: 1}, {True: 0},
    {"$tuple": [1]}, {"a.b": 1, "a": {"b": 2}}, {"$": {"$dict": []}},
]  # fmt: skip


def through(state):
    text, tensors = tree.pack(state)
    return tree.unpack(text, {k: cr.Tensor(v) for k, v in tensors.items()})


def same(a, b):
    """Equal in value, type and order, also of what is inside."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return repr(a) == repr(b)
    return a == b


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:20] if v != 10**5000 else "big")
def test_round_trip(value):
    assert same(through(value), value)
    assert same(through({"x": [value]}), {"x": [value]})


def test_nan_and_numpy_numbers():
    assert math.isnan(through(math.nan))
    state = {"a": np.float32(0.1), "b": np.int8(3), "c": np.bool_(True), np.int64(4): 1}
    assert same(through(state), {"a": float(np.float32(0.1)), "b": 3, "c": True, 4: 1})


def test_tensors_have_dotted_names_and_stay_what_they_are():
    x, y = cr.ones(2), np.arange(3)
    state = {"model": {"0.weight": x}, "a.b": x, "a": {"b": y}, "list": [y, (x,)], 5: x}
    text, tensors = tree.pack(state)
    assert list(tensors) == ["model.0.weight", "a.b", "a.b'", "list.0", "list.1.0", "5"]
    out = through(state)
    assert isinstance(out["a.b"], cr.Tensor) and isinstance(out["a"]["b"], np.ndarray)
    assert out["list"][1][0].tolist() == [1, 1] and list(out) == list(state)


def test_what_cannot_be_saved_is_named():
    bad = [({"a": {"b": [{1, 2}]}}, "a.b.0 is set"), (object(), "state is object"),
           ({"a": {(1, 2): 3}}, r"a has the key \(1, 2\)"), ({"f": len}, "f is builtin"),
           ({"a": 1j}, "a is complex")]  # fmt: skip
    for state, says in bad:
        with pytest.raises(ValueError, match=says):
            tree.pack(state)
    circle = {}
    circle["self"] = circle
    with pytest.raises(ValueError, match="contain itself"):
        tree.pack(circle)


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"$new": 1}', '{"$tuple": 1}', '{"$tuple": [], "x": 1}', '{"$tensor": "b"}',
     '{"$tensor": []}', '{"$dict": [[1]]}', '{"$dict": [[[], 1]]}', '{"$int": "z"}',
     '{"$float": {}}', "null", "[" * 10**5],
)  # fmt: skip
def test_texts_that_were_not_packed(text):
    with pytest.raises(FileFormatError):
        tree.unpack(text, {"a": cr.ones(1)})

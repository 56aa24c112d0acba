"""The tables of a module say that they have changed, whichever way."""

import copy
import pickle

import pytest

from chainrule import nn
from chainrule.base.tables import Table


def delete(table):
    del table["a"]


def join(table):
    table |= {"c": 3}


CHANGES = {
    "set": lambda table: table.__setitem__("a", 5),
    "delete": delete,
    "join": join,
    "clear": lambda table: table.clear(),
    "pop": lambda table: table.pop("a"),
    "popitem": lambda table: table.popitem(),
    "setdefault": lambda table: table.setdefault("c", 1),
    "update": lambda table: table.update(a=7),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_noted(name):
    table, stamp = Table(a=1, b=2), Table.stamp
    plain = dict(table)
    CHANGES[name](table)
    CHANGES[name](plain)
    assert table == plain and Table.stamp is not stamp


def test_an_update_that_fails_half_way_is_noted():
    table, stamp = Table(), Table.stamp
    with pytest.raises(ValueError, match="length"):
        table.update([("a", 1), ("b",)])
    assert table == {"a": 1} and Table.stamp is not stamp


def test_looking_changes_nothing():
    table, stamp = Table(a=1), Table.stamp
    assert table["a"] == 1 and table.get("b") is None and list(table.items()) == [("a", 1)]
    assert Table.stamp is stamp


def test_copies_of_modules_have_tables():
    net = nn.Sequential(nn.Linear(2, 3))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for module in other.modules():
            tables = module._parameters, module._buffers, module._modules
            assert all(type(table) is Table for table in tables)
        stamp = Table.stamp
        other[0]._parameters["bias"] = None
        assert Table.stamp is not stamp

"""Sequential, lists and dicts of modules and parameters."""

from collections import OrderedDict

import pytest

import chainrule as cr
from chainrule import nn


def test_sequential_is_a_list_that_runs():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert net(cr.ones(4, 2)).shape == (4, 1) and len(net) == 3
    assert net[-1] is net[2] and net[1:][0] is net[1]
    assert list(net[1:].state_dict()) == ["2.weight", "2.bias"]
    assert net[1:].append(nn.Tanh()).get_submodule("3") is not None
    assert [type(m).__name__ for m in net.insert(1, nn.Tanh())] == [
        "Linear", "Tanh", "ReLU", "Linear",
    ]  # fmt: skip
    assert isinstance(net.pop(1), nn.Tanh) and len(net) == 3
    del net[1]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    net[1] = nn.Identity()
    assert isinstance(net[1], nn.Identity)
    net += nn.Sequential(nn.Tanh())
    assert len(net) == 3 and len(net + net) == 6 and len(net * 2) == 6
    del net[::2]
    assert len(net) == 1


def test_sequential_with_names():
    net = nn.Sequential(OrderedDict(first=nn.Linear(2, 2), then=nn.ReLU()))
    assert net.first is net[0] and list(dict(net[:1].named_children())) == ["first"]
    with pytest.raises(AttributeError):
        _ = net[1:].first


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_wrong_entries_and_places(kind):
    net = kind() if kind is nn.ModuleList else kind(nn.Identity())
    with pytest.raises(TypeError, match="int"):
        net.append(3)
    with pytest.raises(IndexError):
        net[len(net)]
    with pytest.raises(IndexError):
        net.insert(5, nn.Identity())
    with pytest.raises(TypeError):
        net[0:1] = nn.Identity()


def test_module_list():
    layers = nn.ModuleList(nn.Linear(i, i) for i in (1, 2, 3))
    layers.append(nn.Identity()).extend([nn.ReLU(), nn.ReLU()])
    assert len(layers) == 6 and len(list(layers.parameters())) == 6
    assert isinstance(layers[4:], nn.ModuleList) and len(layers + layers[4:]) == 8
    assert repr(layers[4:]) == "ModuleList(\n  (0-1): 2 x ReLU()\n)"
    assert layers.insert(-1, nn.Tanh())[5] is layers[-2]


def test_module_dict():
    parts = nn.ModuleDict({"a": nn.Linear(1, 1)})
    parts.update([("b", nn.ReLU())])
    parts["c"] = nn.Identity()
    assert list(parts) == list(parts.keys()) == ["a", "b", "c"] and "a" in parts
    assert isinstance(parts.pop("b"), nn.ReLU) and len(parts) == 2
    del parts["c"]
    assert list(parts.state_dict()) == ["a.weight", "a.bias"]
    assert [k for k, _ in parts.items()] == ["a"] and len(list(parts.values())) == 1
    for wrong in ({"keys": nn.ReLU()}, {"x": 3}, [("a",)], 3):
        with pytest.raises(TypeError):
            parts.update(wrong)
    with pytest.raises(KeyError):
        parts["nothing"]
    parts.clear()
    assert not parts


def test_parameter_list():
    entries = nn.ParameterList([cr.ones(2), nn.Parameter(cr.zeros(3)), "text"])
    assert isinstance(entries[0], nn.Parameter) and entries[-1] == "text"
    assert list(entries.state_dict()) == ["0", "1"] and len(entries[1:]) == 2
    entries += [cr.ones(1)]
    entries[0] = cr.full((2,), 5.0)
    assert entries[0].tolist() == [5, 5] and len(list(entries.parameters())) == 3
    assert entries.pop(0).tolist() == [5, 5] and len(entries) == 3
    entries.load_state_dict(entries.state_dict(), assign=True)
    assert entries[0].shape == (3,)
    assert "Parameter containing: [chainrule.float32 of size 3]" in repr(entries)
    with pytest.raises(TypeError, match=r"\[tensor\]"):
        entries.extend(cr.ones(2))


def test_parameter_dict():
    entries = nn.ParameterDict({"a": cr.ones(2), "n": 3})
    entries["b"] = nn.Parameter(cr.zeros(1))
    assert list(entries) == ["a", "n", "b"] and entries["n"] == 3 and "b" in entries
    assert list(entries.state_dict()) == ["a", "b"] and list(reversed(entries))[0] == "b"
    assert entries.get("z", 1) == 1 and entries.setdefault("z", cr.ones(1)).requires_grad
    assert entries.popitem()[0] == "z" and entries.pop("n") == 3
    joined = entries | nn.ParameterDict({"c": cr.ones(1)})
    assert list(joined) == ["a", "b", "c"] and joined["a"] is entries["a"]
    entries |= joined
    assert len(entries) == 3 and len(entries.copy()) == 3
    assert list(entries.fromkeys(["p", "q"], 0)) == ["p", "q"]
    for name in ("keys", "training", "x.y"):
        with pytest.raises(KeyError):
            entries[name] = cr.ones(1)
    del entries["a"]
    entries.clear()
    assert not entries and not list(entries.parameters())


def test_printing_equals_pytorchs():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(
            OrderedDict(
                features=nn.Sequential(
                    nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2),
                    nn.Conv2d(6, 12, (5, 3), padding="same", padding_mode="reflect", bias=False),
                    nn.Conv2d(12, 12, 3, 2, 1, 2, 4), nn.MaxPool2d(2, ceil_mode=True),
                    nn.AdaptiveAvgPool2d((4, None)), nn.Dropout2d(0.2),
                ),
                head=nn.Sequential(
                    nn.Flatten(), nn.Dropout(), nn.Linear(192, 10), nn.LogSoftmax(dim=1),
                    nn.Unflatten(1, (2, 5)), nn.Identity(), nn.Embedding(3, 2, padding_idx=0),
                ),
                some=nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU()]),
                named=nn.ModuleDict({"a": nn.Softmax(dim=-1), "b": nn.ModuleList()}),
                empty=nn.Sequential(), loss=nn.CrossEntropyLoss(),
                relu=nn.ReLU(inplace=True), soft=nn.Softplus(), gelu=nn.GELU(),
            )
        )  # fmt: skip

    assert repr(build(nn)) == repr(build(torch.nn))

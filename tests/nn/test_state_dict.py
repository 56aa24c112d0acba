"""Saving and loading: names and values as PyTorch's, refusals that list everything."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.nn.errors import StateDictError


def small():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_round_trip_shares_and_copies():
    one, other = small(), small()
    state = one.state_dict()
    assert not state["0.weight"].requires_grad
    assert one.state_dict(keep_vars=True)["0.weight"] is one[0].weight
    with cr.no_grad():
        one[0].weight.fill_(7)
    assert state["0.weight"].tolist() == [[7, 7]] * 3
    weight = other[0].weight
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    assert other[0].weight is weight and weight.tolist() == [[7, 7]] * 3
    with cr.no_grad():
        one[0].weight.fill_(8)
    assert weight.tolist() == [[7, 7]] * 3


def test_prefix_and_destination():
    collected = {}
    nn.Linear(1, 1).state_dict(destination=collected, prefix="a.")
    assert list(collected) == ["a.weight", "a.bias"]


def test_every_problem_is_listed_and_nothing_is_loaded():
    net = small()
    before = net[0].bias.tolist()
    state = dict(net.state_dict())
    del state["1.running_var"]
    state["0.bias"] = cr.ones(3)
    state["0.weight"] = cr.ones(4, 2)
    state["1.weight"] = 3
    state["2.weight"] = cr.ones(1)
    with pytest.raises(StateDictError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in ("1.running_var", "2.weight", "0.weight", "(4, 2)", "(3, 2)", "Linear(", "int"):
        assert part in text
    assert isinstance(caught.value, RuntimeError)
    assert net[0].bias.tolist() == before
    with pytest.raises(StateDictError, match="0.weight"):
        net.load_state_dict(state, strict=False)
    with pytest.raises(TypeError):
        net.load_state_dict([("a", 1)])


def test_not_strict_returns_the_differences():
    net = small()
    state = {"0.bias": np.ones(3, np.float64), "other": cr.ones(1)}
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert unexpected == ["other"] and "0.weight" in missing and "0.bias" not in missing
    assert net[0].bias.tolist() == [1, 1, 1] and net[0].bias.dtype is cr.float32


def test_assign_takes_the_tensors_and_keeps_ties():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net[0].weight.requires_grad_(False)
    state = {k: v.double() for k, v in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert net[0].weight.dtype is cr.float64 and net[0].weight is net[1].weight
    assert isinstance(net[0].weight, nn.Parameter) and not net[0].weight.requires_grad
    assert net[0].bias.requires_grad


def test_state_hooks_and_extra_state():
    class Counting(nn.Linear):
        count = 5

        def get_extra_state(self):
            return self.count

        def set_extra_state(self, state):
            self.count = state

    net, calls = nn.Sequential(Counting(1, 1)), []
    net[0].register_state_dict_pre_hook(lambda module, prefix, keep: calls.append(prefix))
    net[0].register_state_dict_post_hook(
        lambda module, state, prefix, metadata: calls.append((len(state), metadata["version"]))
    )
    state = net.state_dict()
    assert calls == ["0.", (3, 1)] and state["0._extra_state"] == 5
    state["0._extra_state"] = 9
    state["0.w"] = state.pop("0.weight")

    def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
        state[prefix + "weight"] = state.pop(prefix + "w")

    handle = net[0].register_load_state_dict_pre_hook(rename)
    net.load_state_dict(state)
    assert net[0].count == 9 and "0.w" in state
    handle.remove()
    with pytest.raises(StateDictError):
        net.load_state_dict(state)

    def forgive(module, keys):
        keys.missing_keys.clear()
        keys.unexpected_keys.clear()

    net.register_load_state_dict_post_hook(forgive)
    assert net.load_state_dict(state).missing_keys == []


def test_keys_equal_pytorchs():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2),
            nn.Conv2d(6, 12, 5, bias=False), nn.MaxPool2d(2), nn.Flatten(),
            nn.ModuleDict({"a": nn.Linear(192, 10)}), nn.PReLU(3), nn.Embedding(4, 2),
            nn.BatchNorm1d(3, affine=False), nn.BatchNorm1d(3, track_running_stats=False),
            nn.ParameterList([nn.Parameter(nn.Linear(1, 1).weight)]), nn.CrossEntropyLoss(),
        )  # fmt: skip

    ours, theirs = build(nn).state_dict(), build(torch.nn).state_dict()
    assert list(ours) == list(theirs)
    assert [tuple(v.shape) for v in ours.values()] == [tuple(v.shape) for v in theirs.values()]
    assert [v.dtype.name for v in ours.values()] == [
        str(v.dtype).removeprefix("torch.") for v in theirs.values()
    ]

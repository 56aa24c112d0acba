"""The module protocol: registration, walking, modes, casts, copies, printing, errors."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ChainruleError
from chainrule.nn.errors import MissingAttributeError, RegistrationError


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.scale = nn.Parameter(cr.ones(3))
        self.register_buffer("seen", cr.zeros(1))
        self.register_buffer("scratch", cr.zeros(1), persistent=False)
        self.note = "plain"

    def forward(self, x):
        return self.linear(x) * self.scale


def test_registration_by_assignment():
    block = Block()
    assert [n for n, _ in block.named_parameters()] == ["scale", "linear.weight", "linear.bias"]
    assert [n for n, _ in block.named_buffers()] == ["seen", "scratch"]
    assert [n for n, _ in block.named_modules()] == ["", "linear"]
    assert list(block.state_dict()) == ["scale", "seen", "linear.weight", "linear.bias"]
    assert "scale" in dir(block) and "linear" in dir(block)
    assert [n for n, _ in block.named_parameters(prefix="a", recurse=False)] == ["a.scale"]


def test_reassignment_keeps_the_place_and_changes_the_kind():
    block = Block()
    block.linear = nn.Identity()
    block.scale = nn.Parameter(cr.zeros(3))
    assert [n for n, _ in block.named_parameters()] == ["scale"]
    block.scale = nn.Identity()
    assert not list(block.parameters()) and isinstance(block.scale, nn.Identity)
    block.linear = None
    assert block.linear is None and dict(block.named_children()).keys() == {"scale"}
    block.seen = cr.ones(2)
    assert block.state_dict()["seen"].shape == (2,)
    block.kept = nn.Buffer(cr.ones(2))
    block.dropped = nn.Buffer(cr.ones(2), persistent=False)
    assert "kept" in block.state_dict() and "dropped" not in block.state_dict()
    del block.seen, block.scale, block.note
    assert not hasattr(block, "seen") and "seen" not in block.state_dict()
    with pytest.raises(AttributeError):
        del block.seen


@pytest.mark.parametrize(
    ("name", "error"), [("a.b", KeyError), ("", KeyError), ("training", KeyError), (3, TypeError)]
)
def test_names_that_cannot_be_registered(name, error):
    for register in ("register_parameter", "register_buffer", "add_module"):
        with pytest.raises(error):
            getattr(nn.Module(), register)(name, None)


def test_wrong_kinds_are_refused():
    block = Block()
    for name in ("scale", "linear", "seen"):
        with pytest.raises(TypeError, match=name):
            setattr(block, name, "text")
    with pytest.raises(TypeError, match="nn.Parameter"):
        block.register_parameter("other", cr.ones(1))
    with pytest.raises(TypeError, match="nn.Module"):
        block.add_module("other", cr.ones(1))
    with pytest.raises(RegistrationError, match="leaf"):
        block.register_parameter("other", _computed_parameter())
    assert str(RegistrationError("as it is")) == "as it is"


def _computed_parameter():
    parameter = nn.Parameter(cr.ones(2))
    with cr.no_grad():
        other = nn.Parameter(cr.ones(2), requires_grad=False)
    other *= parameter
    return other


def test_assigning_before_init_says_what_to_write():
    class Early(nn.Module):
        def __init__(self, value):
            self.value = value

    for value in (nn.Identity(), nn.Parameter(cr.ones(1)), nn.Buffer(cr.ones(1))):
        with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
            Early(value)
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        _ = Early(1).weight


def test_missing_attribute_and_forward():
    with pytest.raises(MissingAttributeError, match="Linear has no attribute 'wieght'"):
        _ = nn.Linear(1, 1).wieght
    with pytest.raises(NotImplementedError, match="def forward"):
        nn.ModuleList()(1)


def test_paths():
    net = nn.Sequential(Block(), nn.ModuleDict({"head": Block()}))
    assert net.get_submodule("") is net
    assert net.get_submodule("1.head.linear") is net[1]["head"].linear
    assert net.get_parameter("0.linear.bias") is net[0].linear.bias
    assert net.get_buffer("0.seen") is net[0].seen
    net.set_submodule("1.head.linear", nn.Identity(), strict=True)
    assert isinstance(net[1]["head"].linear, nn.Identity)
    net.set_submodule("0.extra", nn.Identity())
    assert "0.extra" in dict(net.named_modules())
    for wrong in (
        lambda: net.get_submodule("0.nope"),
        lambda: net.get_submodule("0.scale"),
        lambda: net.get_parameter("0.seen"),
        lambda: net.get_buffer("0.scale"),
        lambda: net.set_submodule("0.nope", nn.Identity(), strict=True),
    ):
        with pytest.raises(AttributeError):
            wrong()


def test_shared_modules_and_parameters_count_once():
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    net.tied = shared.weight
    assert len(list(net.parameters())) == 2 and len(list(net.modules())) == 3
    assert len(list(net.named_parameters(remove_duplicate=False))) == 5
    assert list(net.state_dict()) == ["tied", "0.weight", "0.bias", "2.weight", "2.bias"]
    twin = copy.deepcopy(net)
    assert twin[0] is twin[2] and twin.tied is twin[0].weight and twin[0] is not shared


def test_cycles_end():
    child, parent = Block(), Block()
    parent.child, child.parent = child, parent
    order = []
    parent.apply(order.append)
    assert order[-1] is parent and child in order
    assert not parent.eval().child.training and not parent.training
    assert len(list(parent.parameters())) == 6
    assert "child.linear.weight" in parent.state_dict()
    assert "..." in repr(parent)
    parent.load_state_dict(parent.state_dict())
    assert list(parent.named_modules(remove_duplicate=False))
    assert parent.double().child.scale.dtype is cr.float64


def test_train_reaches_children_that_override_it():
    class Frozen(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    net = nn.Sequential(Frozen(2), nn.Dropout())
    net.train()
    assert not net[0].training and net[1].training
    with pytest.raises(ValueError, match="True or False"):
        net.train("yes")


def test_casts_keep_the_objects_and_leave_integers():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = net[0].weight
    weight.grad = cr.ones(2, 2)
    assert net.double() is net and net[0].weight is weight
    assert weight.dtype is weight.grad.dtype is net[1].running_mean.dtype is cr.float64
    assert net[1].num_batches_tracked.dtype is cr.int64
    for cast, dtype in (("half", cr.float16), ("bfloat16", cr.bfloat16), ("float", cr.float32)):
        assert getattr(net, cast)()[0].weight.dtype is dtype
    assert net.to(cr.float64)[0].bias.dtype is cr.float64
    assert net.to("cpu", cr.float32)[0].bias.dtype is cr.float32
    assert net.to(cr.ones(1, dtype=cr.float64))[0].bias.dtype is cr.float64
    assert net.type("float32")[1].num_batches_tracked.dtype is cr.float32
    assert net.cpu() is net and net.to("cpu") is net
    with pytest.raises(TypeError, match="floating"):
        net.to(cr.int64)
    with pytest.raises(ValueError, match="cpu"):
        net.to(device="cuda")
    assert weight.is_leaf and weight.requires_grad


def test_freezing_and_clearing_gradients():
    net = Block()
    net(cr.ones(2, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())


def test_copies_are_independent():
    net = nn.Sequential(Block(), nn.BatchNorm1d(3))
    net[0].register_forward_hook(_double)
    x = cr.ones(4, 3)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin.eval()(x).tolist(), net.eval()(x).tolist())
        assert isinstance(twin[0].scale, nn.Parameter) and twin[0].scale.requires_grad
        with cr.no_grad():
            twin[0].scale.zero_()
        assert net[0].scale.tolist() == [1, 1, 1]
    buffer = copy.deepcopy(nn.Buffer(cr.ones(1), persistent=False))
    assert isinstance(buffer, nn.Buffer) and not buffer.persistent
    assert not pickle.loads(pickle.dumps(buffer)).persistent


def _double(module, args, output):
    return output * 2


def test_parameter_shares_memory_and_refuses_integers():
    data = cr.zeros(2)
    parameter = nn.Parameter(data)
    data.fill_(3)
    assert parameter.tolist() == [3, 3] and parameter.requires_grad and parameter.is_leaf
    assert repr(parameter).startswith("Parameter containing:\ntensor(")
    with pytest.raises(TypeError):
        nn.Parameter(cr.ones(2, dtype=cr.int64))
    assert not nn.Parameter(cr.ones(2, dtype=cr.int64), requires_grad=False).requires_grad


def test_errors_name_the_module_path_once():
    net = nn.Sequential()
    net.features = nn.Sequential(nn.Identity(), nn.Sequential(nn.Conv2d(1, 6, 5)))
    with pytest.raises(ChainruleError) as caught:
        net(cr.ones(2, 3, 28, 28))
    assert [n for n in caught.value.__notes__ if n.startswith("in module")] == [
        "in module: features.1.0 (Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1)))"
    ]
    with pytest.raises(ChainruleError) as caught:
        net.features[1][0](cr.ones(2, 3, 28, 28))
    assert caught.value.__notes__[0] == (
        "in module: Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"
    )


def test_errors_of_a_module_that_its_caller_does_not_register():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [nn.Linear(2, 2)]

        def forward(self, x):
            return self.hidden[0](x)

    with pytest.raises(ChainruleError) as caught:
        Outer()(cr.ones(1, 3))
    assert [n for n in caught.value.__notes__ if n.startswith("in module")] == [
        "in module: Linear(in_features=2, out_features=2, bias=True)"
    ]


def test_calling_costs_under_a_microsecond():
    import timeit

    module = nn.Identity()
    x = cr.ones(1)
    number = 20_000
    call = min(timeit.repeat(lambda: module(x), number=number, repeat=7)) / number
    forward = min(timeit.repeat(lambda: module.forward(x), number=number, repeat=7)) / number
    assert call - forward < 1e-6

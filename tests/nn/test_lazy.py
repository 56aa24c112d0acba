"""Lazy layers: they learn their number of inputs and become ordinary layers."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.base.errors import ArgumentError, ShapeError

INPUTS = {1: (2, 4, 7), 2: (2, 4, 6, 5), 3: (2, 4, 3, 4, 4)}
LAYERS = [("LazyLinear", (3,), {}, (5, 4))]
LAYERS += [
    (f"Lazy{kind}{n}d", args, options, shape)
    for n, shape in INPUTS.items()
    for kind, args, options in (
        ("Conv", (6, 2), {"groups": 2, "padding": 1}),
        ("ConvTranspose", (6, 2), {"bias": False, "stride": 2}),
        ("BatchNorm", (), {"momentum": None}),
        ("InstanceNorm", (), {"affine": True, "track_running_stats": True}),
    )
]


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS)
def test_the_first_input_makes_an_ordinary_layer(name, args, options, shape):
    layer = getattr(nn, name)(*args, **options)
    held = list(layer.parameters())
    assert layer.has_uninitialized_params() and isinstance(held[0], nn.UninitializedParameter)
    x = cr.randn(*shape)
    y = layer(x)
    ordinary = getattr(nn, name.removeprefix("Lazy"))
    assert type(layer) is ordinary and repr(layer).startswith(name[4:] + "(")
    assert all(p is q and type(p) is nn.Parameter for p, q in zip(held, layer.parameters()))
    twin = ordinary(4, *args, **options)
    assert {k: v.shape for k, v in twin.state_dict().items()} == {
        k: v.shape for k, v in layer.state_dict().items()
    }
    (y * y).sum().backward()
    assert all(p.grad is not None for p in held)
    # Another lazy one takes its size from the state dict.
    other = getattr(nn, name)(*args, **options)
    other.load_state_dict(layer.state_dict())
    assert type(other) is ordinary
    np.testing.assert_array_equal(other.eval()(x).tolist(), layer.eval()(x).tolist())


@pytest.mark.parametrize(("name", "args", "options", "shape"), LAYERS)
def test_pytorch_has_the_same_arguments_and_shapes(name, args, options, shape, torch):
    ours, theirs = getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)
    data = np.ones(shape, np.float32)
    assert tuple(ours(cr.tensor(data)).shape) == tuple(theirs(torch.tensor(data)).shape)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }


def test_a_model_of_lazy_layers_trains_with_the_optimiser_it_had_before():
    cr.manual_seed(0)
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    optimizer = cr.optim.SGD(model.parameters(), 0.05)
    x, target = cr.randn(8, 3, 5, 5), cr.randn(8, 2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_double_copies_and_pickles_work_before_the_first_call():
    layer = nn.LazyLinear(3).double()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        y = twin(cr.randn(2, 4).double())
        assert type(twin) is nn.Linear and y.dtype is cr.float64
    assert type(layer) is nn.LazyLinear


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="cannot be split into 2 groups"):
        nn.LazyConv2d(4, 3, groups=2)(cr.zeros(1, 3, 5, 5))
    with pytest.raises(ShapeError, match="cannot take its number of inputs"):
        nn.LazyConv2d(4, 3)(cr.zeros(5, 5))
    with pytest.raises(ArgumentError, match="call the model once"):
        cr.compile(nn.LazyLinear(3))(cr.zeros(1, 3))

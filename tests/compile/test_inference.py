"""Networks without gradients: small batches, whose channels stand in the vector lanes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile import backend
from chainrule.compile.emit.winograd_channels import winograd_channels_fits
from chainrule.compile.native import Native
from chainrule.compile.runtime import generic, host
from chainrule.compile.schedule import contraction, work

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")

F = nn.functional


def agrees(function, *arguments, target=None, threads=2, text=None):
    """Compiled for so many threads it gives what glass mode gives; returns the schedule."""
    with cr.no_grad():
        expected = function(*arguments)
        program = cr.compile.trace(function, *arguments)
        program.executable = Native(program.graph, threads, False, target)
        got = program(*arguments)
    assert got.shape == expected.shape and got.dtype is expected.dtype
    tolerance = 1e-12 if expected.dtype is cr.float64 else 1e-5
    scale = max(1.0, float(expected.abs().max()))
    np.testing.assert_allclose(
        got.numpy(), expected.numpy(), atol=tolerance * scale, rtol=tolerance
    )
    schedule = program.executable.inspect("schedule")
    assert text is None or text in schedule, schedule
    return schedule


# channels in and out, groups, image, kernel, stride, padding, dilation
GEOMETRIES = {
    "one channel": (1, 6, 1, (9, 11), 3, 1, 1, 1),
    "image": (3, 16, 1, (12, 12), 3, 1, 1, 1),
    "odd channels": (5, 19, 1, (7, 9), 3, 1, 1, 1),
    "two strips": (8, 40, 1, (6, 10), 3, 1, 1, 1),
    "many vectors": (4, 130, 1, (5, 5), 3, 1, 1, 1),
    "stride": (4, 17, 1, (11, 13), 3, 2, 1, 1),
    "uneven stride": (3, 8, 1, (11, 12), (3, 2), (3, 1), (0, 2), 1),
    "dilation": (3, 16, 1, (13, 12), 3, 1, 2, (2, 3)),
    "wide padding": (2, 9, 1, (4, 3), 3, 1, 4, 1),
    "even kernel": (3, 16, 1, (8, 8), 4, 2, 1, 1),
    "one by one": (20, 33, 1, (5, 6), 1, 1, 0, 1),
    "one by one, stride": (16, 32, 1, (8, 8), 1, 2, 0, 1),
    "one result": (6, 16, 1, (5, 5), 5, 1, 0, 1),
    "one output channel": (7, 1, 1, (8, 9), 3, 1, 1, 1),
    "groups": (6, 8, 2, (7, 7), 3, 1, 1, 1),
    "groups of strips": (4, 40, 2, (6, 7), 3, 2, 1, 1),
    "depthwise": (19, 19, 19, (8, 9), 3, 1, 1, 1),
    "depthwise, stride": (32, 32, 32, (9, 9), 3, 2, 1, 1),
    "depthwise, multiplied": (5, 10, 5, (8, 9), 3, 1, 1, 1),
    "long kernel": (2, 16, 1, (1, 900), (1, 301), 1, (0, 150), 1),
    "wide": (2, 4, 1, (3, 200), 3, 1, 1, 1),
}


def conv_of(name, dtype=cr.float32, batch=1):
    inputs, outputs, groups, size, kernel, stride, padding, dilation = GEOMETRIES[name]
    cr.manual_seed(1)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups).to(dtype)
    return conv, cr.randn(batch, inputs, *size, dtype=dtype)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry(name):
    conv, x = conv_of(name)
    # Behind another convolution the source, too, has its channels innermost.
    first = nn.Conv2d(x.shape[1], x.shape[1], 1)
    text = "conv_channels" if conv.out_channels > 1 else None
    agrees(conv, x, text=text)
    agrees(lambda x: F.relu(conv(F.relu(first(x)))), x)


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["image", "groups", "depthwise", "stride"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batches_and_threads(name, batch, threads):
    conv, x = conv_of(name, batch=batch)
    agrees(lambda x: F.relu(conv(x)), x, threads=threads)


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("kind", ["avx2", "sse2"])
def test_narrower_vectors(name, kind):
    conv, x = conv_of(name, batch=2)
    agrees(conv, x, target=generic(kind) if generic(kind).width < host().width else None)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_float64(name):
    conv, x = conv_of(name, cr.float64, batch=2)
    agrees(conv, x)


# channels in and out, image, padding
MINIMAL = {
    "even": (16, 32, (8, 6), 1),
    "odd": (32, 16, (7, 9), 1),
    "three vectors": (16, 48, (5, 5), 1),
    "no padding": (16, 16, (9, 12), 0),
    "wide padding": (16, 16, (4, 3), (3, 4)),
    "one result": (16, 16, (3, 3), 0),
    "one pixel": (16, 32, (1, 1), 1),
    "one row of results": (16, 16, (3, 40), 0),
    "many tiles": (16, 64, (30, 34), 1),
}


@pytest.mark.parametrize("kind", [None, "avx2", "sse2"])
@pytest.mark.parametrize("batch, threads", [(1, 1), (1, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize("name", MINIMAL)
def test_minimal_filtering(monkeypatch, name, batch, threads, kind):
    monkeypatch.setattr(contraction, "winograd_channels_pays", winograd_channels_fits)
    inputs, outputs, size, padding = MINIMAL[name]
    cr.manual_seed(2)
    first = nn.Conv2d(inputs, inputs, 1)
    net = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=padding), nn.BatchNorm2d(outputs))
    net.eval()[1].running_var.mul_(0.3)
    x = cr.randn(batch, inputs, *size)

    def residual(x):
        y = first(x)
        z = net(y)
        return F.relu(z + y) if z.shape == y.shape else F.relu(z)

    target = generic(kind) if kind and generic(kind).width < host().width else None
    agrees(residual, x, target=target, threads=threads, text="winograd_channels(")


def test_minimal_filtering_is_for_whole_vectors_and_where_it_is_sooner():
    lanes = host().lanes(4)

    def schedule(inputs, outputs, size, kernel=3):
        first = nn.Conv2d(inputs, inputs, 1)
        second = nn.Conv2d(inputs, outputs, kernel, padding=1)
        x = cr.randn(1, inputs, size, size)
        return agrees(lambda x: second(F.relu(first(x))), x)

    # With few registers it takes more sources until it is sooner.
    inputs = (2 if lanes == 16 else 4) * lanes
    assert "winograd_channels(" in schedule(inputs, 4 * lanes, 16)
    assert "winograd_channels(" not in schedule(inputs, 4 * lanes - 1, 16)
    assert "winograd_channels(" not in schedule(inputs, 4 * lanes, 16, 2)
    assert "winograd_channels(" not in schedule(8 * lanes, 8 * lanes, 2)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.short(x))


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


NETS = {
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(6, 12, 3), nn.Tanh(),
        nn.MaxPool2d(2, 2, 1), nn.Flatten(), nn.Linear(48, 10), nn.LogSoftmax(1),
    ),
    "residual": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1), Block(16, 16, 1), Block(16, 24, 2),
        Apply(lambda x: x.mean((2, 3))), nn.Linear(24, 5),
    ),
    "norms": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), Apply(lambda x: F.group_norm(x, 2)), nn.GELU(),
        nn.Conv2d(8, 20, 3, groups=4), nn.Softmax(1), nn.AdaptiveAvgPool2d(2),
    ),
    "padded": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), Apply(lambda x: F.pad(x, (2, 1, 0, 2))), nn.Conv2d(8, 4, 5, stride=3),
        nn.Dropout(0.5),
    ),
    "in line": lambda: nn.Sequential(
        nn.Flatten(2), nn.Conv1d(3, 9, 7, 2, 3), nn.BatchNorm1d(9), nn.ReLU(),
        nn.Conv1d(9, 17, 3, dilation=2), nn.AvgPool1d(3),
    ),
    "turned": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 4, 4), Apply(lambda x: x.flatten(2).transpose(1, 2)), nn.Linear(16, 5),
        nn.Softmax(-1),
    ),
    "upwards": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(),
        Apply(lambda x: F.conv_transpose2d(x, cr.ones(8, 3, 3, 3), stride=2)), nn.Sigmoid(),
    ),
}  # fmt: skip


def net_of(name):
    cr.manual_seed(2)
    net = NETS[name]()
    for x in net.buffers():
        if x.dtype is cr.float32:
            x.copy_(cr.rand(*x.shape) + 0.5)
    return net.eval()


@pytest.mark.parametrize("batch", [1, 3, 20])
@pytest.mark.parametrize("name", NETS)
def test_networks(name, batch):
    agrees(net_of(name), cr.randn(batch, 3, 14, 14))


@pytest.mark.parametrize("kind", ["avx2", "sse2"])
@pytest.mark.parametrize("name", NETS)
def test_networks_with_narrower_vectors(name, kind):
    made = generic(kind) if generic(kind).width < host().width else None
    agrees(net_of(name), cr.randn(2, 3, 14, 14), target=made)


def test_several_results_of_one_convolution():
    one, two = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 4, 1)

    def function(x):
        y = F.relu(one(x))
        both = cr.cat([y, two(y)], 1)
        return cr.cat([both.flatten(1), y.permute(0, 2, 3, 1).flatten(1), y[:, 3].flatten(1)], 1)

    agrees(function, cr.randn(2, 3, 6, 5), text="conv_channels")


def test_the_batch_is_in_the_lanes_where_that_fills_more_of_them():
    few = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    lanes = host().lanes(4)
    assert "conv_channels" in agrees(few, cr.randn(1, 1, 8, 8))
    assert "conv_channels" not in agrees(few, cr.randn(lanes, 1, 8, 8))
    many = nn.Sequential(nn.Conv2d(1, 4 * lanes, 3), nn.ReLU())
    assert "conv_channels" in agrees(many, cr.randn(lanes + 1, 1, 8, 8))


def test_batch_norm_is_part_of_the_convolution():
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU()).eval()
    for batch in (1, 32):
        with cr.no_grad():
            program = cr.compile.trace(net, cr.randn(batch, 3, 8, 8))
            program.executable = Native(program.graph, 2, False)
        # Packing weights or the input, the convolution, perhaps its result row-major.
        assert program.executable.stats["kernels"] <= 3


def test_new_weights_count_at_the_next_call():
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)).eval()
    run, x = cr.compile(net), cr.randn(1, 3, 8, 8)
    with cr.no_grad():
        run(x)
        net[0].weight.detach().numpy()[...] = 0.25
        net[1].running_var.numpy()[...] = 3.0
        np.testing.assert_allclose(run(x).numpy(), net(x).numpy(), rtol=1e-5, atol=1e-6)


def test_small_programs_keep_to_one_thread():
    with cr.no_grad():
        small = cr.compile.trace(nn.Linear(20, 10), cr.randn(1, 20)).graph
        large = cr.compile.trace(nn.Conv2d(16, 32, 3), cr.randn(4, 16, 32, 32)).graph
    assert work.useful_threads(small, 2, 16) == 1
    assert work.useful_threads(large, 2, 16) == 2

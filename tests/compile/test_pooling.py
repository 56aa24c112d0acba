"""Poolings that are worked out in the kernel of the convolution before them."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile import backend
from chainrule.compile.emit.winograd_channels import winograd_channels_fits
from chainrule.compile.native import Native
from chainrule.compile.runtime import generic, host
from chainrule.compile.schedule import contraction

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")

F = nn.functional
POOLS = {
    "max": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: F.avg_pool2d(x, 2),
    "smallest": lambda x: -F.max_pool2d(-x, 2),
    "and more": lambda x: F.tanh(F.max_pool2d(x, 2)) * 3.0,
    "flattened": lambda x: F.max_pool2d(x, 2).flatten(1),
    # These are not the windows of a kernel.
    "overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "padded": lambda x: F.max_pool2d(x, 2, 2, 1),
    "three": lambda x: F.max_pool2d(x, 3, padding=1),
    "rows only": lambda x: F.max_pool2d(x, (2, 1)),
}
# channels in and out, image, groups
SHAPES = {
    "direct": (3, 20, (8, 12), 1),
    "even": (3, 32, (8, 12), 1),  # of which every processor has whole windows in registers
    "minimal": (16, 48, (6, 10), 1),
    "one window": (16, 16, (2, 2), 1),
    "one row of windows": (16, 16, (2, 8), 1),
    "one column of windows": (16, 16, (8, 2), 1),
    "groups": (4, 40, (8, 8), 2),
    "depthwise": (19, 19, (6, 8), 19),
    "one channel": (3, 1, (6, 6), 1),
    "odd": (16, 16, (7, 9), 1),
}


def agrees(function, x, threads=2, target=None):
    """The nests of the program, which gives what glass mode gives."""
    with cr.no_grad():
        expected = function(x)
        program = cr.compile.trace(function, x)
        program.executable = Native(program.graph, threads, False, target)
        got = program(x)
    several = isinstance(expected, tuple)
    for a, b in zip(got, expected, strict=True) if several else [(got, expected)]:
        assert a.shape == b.shape
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5, rtol=1e-5)
    return program.executable.design().plan.nests


def network(shape, pool, batch=1, dtype=cr.float32):
    inputs, outputs, size, groups = SHAPES[shape]
    cr.manual_seed(3)
    first = nn.Conv2d(inputs, inputs, 1)  # leaves the channels side by side
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups)
    net = nn.Sequential(first, conv, nn.BatchNorm2d(outputs)).eval().to(dtype)
    net[2].running_var.mul_(0.4)
    chosen = POOLS[pool]
    return lambda x: chosen(F.relu(net(x) - 0.1)), cr.randn(batch, inputs, *size, dtype=dtype)


def inside(nests):
    """Whether no nest but a convolution's reduces anything."""
    return not any(n.contraction is None and "max[" in str(n) for n in nests)


@pytest.mark.parametrize("kind", [None, "avx2", "sse2"])
@pytest.mark.parametrize("batch, threads", [(1, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pool", POOLS)
def test_every_window(monkeypatch, pool, shape, batch, threads, kind):
    monkeypatch.setattr(contraction, "winograd_channels_pays", winograd_channels_fits)
    function, x = network(shape, pool, batch)
    target = generic(kind) if kind and generic(kind).width < host().width else None
    agrees(function, x, threads, target)


@pytest.mark.parametrize("shape", ["direct", "minimal"])
def test_what_is_pooled_does_not_go_to_memory(monkeypatch, shape):
    if shape == "direct" and host().lanes(4) < 16:
        shape = "even"  # With few registers 20 channels come in threes of columns: half windows.
    monkeypatch.setattr(contraction, "winograd_channels_pays", winograd_channels_fits)
    function, x = network(shape, "max")
    assert inside(agrees(function, x))
    function, x = network(shape, "overlapping")
    assert not inside(agrees(function, x))


def test_double_precision_and_not_a_number():
    function, x = network("direct", "max", dtype=cr.float64)
    assert inside(agrees(function, x))
    x[0, 0, 3, 3] = float("nan")
    agrees(function, x)


def test_results_that_are_wanted_before_the_pooling_too():
    conv, x = nn.Conv2d(3, 16, 3, padding=1), cr.randn(1, 3, 8, 8)

    def both(x):
        y = F.relu(conv(x))
        return y, F.max_pool2d(y, 2)

    def twice(x):
        y = F.relu(conv(x))
        return F.max_pool2d(y, 2) + F.avg_pool2d(y, 2)

    def beside(x):
        y = F.relu(conv(x))
        return F.max_pool2d(y, 2) * y.mean()

    for function in (both, twice, beside):
        agrees(function, x)


def test_a_neighbour_that_is_made_later():
    first, second = (nn.Conv2d(3, 16, 3, padding=1) for _ in range(2))
    agrees(lambda x: F.max_pool2d(first(x), 2) + F.max_pool2d(second(x), 2), cr.randn(1, 3, 8, 8))
    agrees(lambda x: F.max_pool2d(first(x), 2) + second(x)[:, :, :4, :4], cr.randn(1, 3, 8, 8))

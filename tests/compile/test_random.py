"""Random numbers made by vector code have the bits of the NumPy form, whatever the alignment."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compile.emit.random import Remembered, uniform
from chainrule.compile.emit.types import Type, type_of, vector
from chainrule.ops.arrays import philox

_spec = importlib.util.spec_from_file_location("kernels", Path(__file__).with_name("kernels.py"))
kernels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kernels)

N = 192
APART = 96  # more counters than are kept
# seed, offset: also those whose counter runs over 64 bits
STARTS = [(0, 0), (12345678901234567, 7), (2**64 - 1, 2**64 - 2)]


def indices(f, first, lanes):
    start = f.register(first)
    if not lanes:
        return start
    return f.binary("add", f.splat(start, lanes), vector(list(range(lanes)), "i64"))


def remembered(type, stride):
    """Lanes that are APART numbers apart, at places that come near each other now and then."""

    def write(f, pointers, numbers):
        seed, offset, start = numbers
        kept = Remembered(f, type)
        with f.loop(0, APART) as loop:
            place = f.mod(f.mul(loop.i, stride), APART)
            x = kept.at(f, seed, offset, f.add(start, place), APART)
            f.store(x, pointers[0], f.mul(place, type.lanes))

    return write


def runs(type, consecutive):
    def write(f, pointers, numbers):
        seed, offset, start = numbers
        with f.loop(0, N, max(type.lanes, 1)) as loop:
            index = indices(f, f.add(start, loop.i), type.lanes)
            x = uniform(f, seed, offset, index, type, consecutive)
            f.store(x, pointers[0], loop.i)

    return write


@pytest.mark.parametrize("form", ["consecutive", "any"])
@pytest.mark.parametrize(("target", "lanes"), [*kernels.WIDTHS, ("", 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_the_bits_are_those_of_numpys_generator(dtype, target, lanes, form):
    target = kernels.target(target)
    type = type_of(np.dtype(dtype)).of(lanes)
    text = kernels.program(runs(type, form == "consecutive"), target, 1, 3)
    for seed, offset in STARTS:
        for start in (0, 3, 13):
            out = np.zeros(N, dtype)
            kernels.execute(text, target, [out], seed, offset, start)
            expected = philox.uniform(seed, offset, (start + N,), np.dtype(dtype))[start:]
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(("target", "lanes"), [*kernels.WIDTHS, ("", 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("stride", [1, 35])
def test_remembered_numbers_are_those_of_every_lane(dtype, target, lanes, stride):
    target = kernels.target(target)
    lanes = max(lanes, 2)
    text = kernels.program(remembered(type_of(np.dtype(dtype)).of(lanes), stride), target, 1, 3)
    for seed, offset in STARTS:
        for start in (0, 3, 13):
            out = np.zeros((APART, lanes), dtype)
            kernels.execute(text, target, [out], seed, offset, start)
            every = philox.uniform(seed, offset, (start + lanes * APART,), np.dtype(dtype))[start:]
            np.testing.assert_array_equal(out, every.reshape(lanes, APART).T)


def test_numbers_at_any_index():
    target, type = kernels.target(""), Type("f32", 4)

    def write(f, pointers, numbers):
        index = vector([5, 0, 1000, 12], "i64")
        f.store(uniform(f, *numbers, index, type), pointers[0], 0)

    out = np.zeros(4, np.float32)
    kernels.execute(kernels.program(write, target, 1, 2), target, [out], 3, 4)
    expected = philox.uniform(3, 4, (1001,), np.dtype(np.float32))[[5, 0, 1000, 12]]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_it_compiles_for_arm(kind):
    for lanes in (0, 4):
        assert kernels.compiles_for_arm(runs(Type(kind, lanes), True), 1, 3)
    assert kernels.compiles_for_arm(remembered(Type(kind, 4), 1), 1, 3)


@pytest.mark.parametrize("shape", [(40, 3, 8, 6), (17, 1, 5, 7), (16, 5, 2, 4)])
def test_dropout_with_the_batch_in_the_lanes_draws_what_glass_mode_draws(shape):
    model = nn.Sequential(
        nn.Conv2d(shape[1], 4, 3, padding=1), nn.Dropout(0.4), nn.MaxPool2d(2), nn.Dropout2d(0.3)
    )

    def step(x):
        x = x.clone().requires_grad_()
        y = model(x)
        y.square().sum().backward()
        return y, x.grad

    x, results = cr.randn(*shape), []
    for run in (cr.compile(step), step):
        cr.manual_seed(5)
        results.append([a.detach().numpy() for _ in range(2) for a in run(x)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a == 0, b == 0)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

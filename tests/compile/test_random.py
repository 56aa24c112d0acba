"""Random numbers made by vector code have the bits of the NumPy form, whatever the alignment."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from chainrule.compile.emit.random import block_size, uniform, uniform_block
from chainrule.compile.emit.types import Type, type_of, vector
from chainrule.ops.arrays import philox

_spec = importlib.util.spec_from_file_location("kernels", Path(__file__).with_name("kernels.py"))
kernels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kernels)

N = 192
# seed, offset: also those whose counter runs over 64 bits
STARTS = [(0, 0), (12345678901234567, 7), (2**64 - 1, 2**64 - 2)]


def indices(f, first, lanes):
    start = f.register(first)
    if not lanes:
        return start
    return f.binary("add", f.splat(start, lanes), vector(list(range(lanes)), "i64"))


def blocks(type):
    def write(f, pointers, numbers):
        seed, offset, start = numbers
        with f.loop(0, N, block_size(type)) as loop:
            place = loop.i
            for x in uniform_block(f, seed, offset, f.add(start, loop.i), type):
                f.store(x, pointers[0], place)
                place = f.add(place, x.type.lanes or 1)

    return write


def runs(type, consecutive):
    def write(f, pointers, numbers):
        seed, offset, start = numbers
        with f.loop(0, N, max(type.lanes, 1)) as loop:
            index = indices(f, f.add(start, loop.i), type.lanes)
            x = uniform(f, seed, offset, index, type, consecutive)
            f.store(x, pointers[0], loop.i)

    return write


@pytest.mark.parametrize("form", ["block", "consecutive", "any"])
@pytest.mark.parametrize(("target", "lanes"), [*kernels.WIDTHS, ("", 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_the_bits_are_those_of_numpys_generator(dtype, target, lanes, form):
    target = kernels.target(target)
    type = type_of(np.dtype(dtype)).of(lanes)
    text = kernels.program(
        blocks(type) if form == "block" else runs(type, form == "consecutive"), target, 1, 3
    )
    for seed, offset in STARTS:
        for start in (0, 8, 40) if form == "block" else (0, 3, 13):
            out = np.zeros(N + block_size(type), dtype)
            kernels.execute(text, target, [out], seed, offset, start)
            expected = philox.uniform(seed, offset, (start + N,), np.dtype(dtype))[start:]
            np.testing.assert_array_equal(out[:N], expected)


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
        assert kernels.compiles_for_arm(blocks(Type(kind, lanes)), 1, 3)
        assert kernels.compiles_for_arm(runs(Type(kind, lanes), True), 1, 3)

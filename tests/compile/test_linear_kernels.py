"""Linear layers with the batch in the lanes against NumPy's, with units in parts, and the moves
between plain rows and lanes."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.linear import (
    LaneGeometry,
    LinearGeometry,
    LinearWeightGeometry,
    linear,
    linear_flops,
    linear_group_units,
    linear_groups,
    linear_units,
    linear_weight,
    linear_weight_flops,
    linear_weight_scratch,
    linear_weight_transpose,
    linear_weight_transpose_units,
    linear_weight_units,
    transpose_in,
    transpose_out,
)
from chainrule.compile.emit.types import I64, POINTER, type_of
from chainrule.compile.runtime.jit import compile_object, load
from chainrule.compile.runtime.target import host

TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def aligned(shape, dtype, shift=0, fill=None):
    """An array at `shift` elements after a multiple of 64 bytes, with `fill` inside and around."""
    if fill is None:
        fill = np.nan if np.dtype(dtype).kind == "f" else 99
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    memory = np.full(size + 320 // item, fill, dtype)
    start = -memory.ctypes.data % 64 // item + 64 // item + shift
    return memory[start : start + size].reshape(shape)


def copied(values, shift=0):
    out = aligned(values.shape, values.dtype, shift)
    out[...] = values
    return out


def in_lanes(rows, lanes, pad="zero"):
    """[samples][size] as [blocks][size][lanes]."""
    missing = -len(rows) % lanes
    tail = np.repeat(rows[-1:], missing, 0) * (pad == "last")
    blocks = np.concatenate([rows, tail]).reshape(-1, lanes, rows.shape[1])
    return copied(np.ascontiguousarray(blocks.transpose(0, 2, 1)))


def in_rows(blocks, samples):
    return blocks.transpose(0, 2, 1).reshape(-1, blocks.shape[1])[:samples]


def compiled(**writers):
    """Functions (count, parts, three arrays) from `writer(f, pointers, range)`: 0 … count, or a
    range, goes to them in parts, the last one first."""
    module = Module()
    for name, write in writers.items():
        work = [(n, POINTER) for n in "abc"] + [("low", I64), ("high", I64)]
        f = Function(module, name, work, internal=False)
        a, b, c, *units = f.arguments.values()
        write(f, (a, b, c), tuple(units))
        f.ret()
    code = load(compile_object(module.text(), host()))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)

    def function(name):
        native = kind(code.address(name))

        def call(count, parts, *arrays):
            first, end = count if isinstance(count, tuple) else (0, count)
            cuts = [first + (end - first) * i // parts for i in range(parts + 1)]
            for low, high in reversed(list(zip(cuts, cuts[1:]))):
                native(*(x.ctypes.data for x in arrays), low, high)

        return call

    return [function(name) for name in writers]


def added(f, x, pointer, at, mask):
    """Adds to what is there: an element that is stored twice, or never, shows."""
    old = f.load_masked(pointer, at, x.type, mask, x)
    f.store_masked(f.binary("fadd", old, x), pointer, at, mask)


class Layer:
    """Random data of one layer, plain and in lanes."""

    def __init__(self, samples, inputs, outputs, dtype="float32", lanes=16, registers=32):
        rng = np.random.default_rng(0)
        self.samples, self.inputs, self.outputs = samples, inputs, outputs
        sizes = ((samples, inputs), (outputs, inputs), (samples, outputs))
        self.x, self.w, self.d = (rng.standard_normal(s).astype(dtype) for s in sizes)
        self.rest = type_of(np.dtype(dtype)), lanes, registers
        self.lanes, self.blocks = lanes, -(-samples // lanes)

    def product(self, adjoint=False, threads=1, compact=False):
        """x·Wᵀ, or its adjoint d·W: the kernel and its geometry."""
        reduce, outputs, strides = self.inputs, self.outputs, (self.inputs, 1)
        if adjoint:
            reduce, outputs, strides = self.outputs, self.inputs, (1, self.inputs)
        g = LinearGeometry(self.blocks, reduce, outputs, *strides, *self.rest, threads)

        def write(f, pointers, units):
            def store(x, block, output):
                at = f.mul(f.add(f.mul(block, outputs), output), self.lanes)
                added(f, x, pointers[2], at, f.first(self.lanes, self.lanes))

            linear(f, g, pointers[0], pointers[1], units, store, compact)

        (kernel,) = compiled(linear=write)
        return kernel, g

    def check_product(self, adjoint, parts=3, **options):
        kernel, g = self.product(adjoint, **options)
        source = self.d if adjoint else self.x
        matrix = self.w if adjoint else self.w.T
        y = aligned((self.blocks, g.outputs, self.lanes), source.dtype, 0, 0)
        kernel(linear_units(g), parts, in_lanes(source, self.lanes), copied(self.w, 1), y)
        check(in_rows(y, self.samples), source, matrix)
        return y

    def check_weight(self, parts=3, compact=False):
        g = LinearWeightGeometry(self.blocks, self.inputs, self.outputs, *self.rest)

        def write(f, pointers, units):
            def store(x, output, first, count):
                at = f.add(f.mul(output, self.inputs), first)
                added(f, x, pointers[2], at, f.first(count, self.lanes))

            linear_weight(f, g, pointers[0], pointers[1], units, store, compact)

        move, kernel = compiled(
            move=lambda f, p, units: linear_weight_transpose(f, g, p[0], p[1], units), weight=write
        )
        source, gradient = in_lanes(self.x, self.lanes, "last"), in_lanes(self.d, self.lanes)
        scratch = aligned(linear_weight_scratch(g), self.x.dtype)
        result = aligned(self.w.shape, self.x.dtype, 1, 0)
        move(linear_weight_transpose_units(g), parts, source, scratch, source)
        kernel(linear_weight_units(g), parts, gradient, scratch, result)
        check(result, self.d.T, self.x)
        return result


def check(result, a, b):
    bound = TOLERANCE[a.dtype.name] * (abs(a) @ abs(b)).max()
    assert abs(result - a.astype(np.float64) @ b.astype(np.float64)).max() <= bound


SIZE = st.one_of(st.integers(1, 40), st.sampled_from([64, 65, 97, 211]))
REST = st.tuples(
    st.sampled_from(["float32", "float64"]), st.sampled_from([16, 8, 4]), st.sampled_from([16, 32])
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.tuples(SIZE, SIZE, SIZE), REST, st.integers(1, 3), st.booleans())
def test_any_layer(sizes, rest, threads, compact):
    layer = Layer(*sizes, *rest)
    layer.check_product(False, threads=threads, compact=compact)
    layer.check_product(True, compact=compact)
    layer.check_weight(compact=compact)


@pytest.mark.parametrize("sizes", [(64, 784, 10), (600, 20, 30), (2, 1025, 3), (17, 1, 1)])
def test_results_do_not_depend_on_the_split(sizes):
    layer = Layer(*sizes)
    for parts in (2, 7):
        for adjoint in (False, True):
            one = layer.check_product(adjoint, 1)
            assert np.array_equal(layer.check_product(adjoint, parts), one)
        assert np.array_equal(layer.check_weight(parts), layer.check_weight(1))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_group_of_units_computes_its_blocks_alone(threads):
    layer = Layer(7 * 16, 20, 30)
    kernel, g = layer.product(threads=threads)
    x, groups = in_lanes(layer.x, 16), linear_groups(g)
    assert [block for low, high in groups for block in range(low, high)] == list(range(7))
    assert len(groups) >= threads
    assert len(groups) * linear_group_units(g) == linear_units(g)
    y = aligned((7, 30, 16), "float32", 0, 0)
    for i, (low, high) in enumerate(groups):
        others = np.full_like(x, np.nan)
        others[low:high] = x[low:high]
        units = linear_group_units(g)
        kernel((i * units, (i + 1) * units), 1, copied(others), layer.w, y)
    check(in_rows(y, layer.samples), layer.x, layer.w.T)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize("lanes", [16, 8, 4])
@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (5, 3), (33, 40), (48, 7), (20, 21)])
def test_moves_between_rows_and_lanes(shape, lanes, dtype):
    values = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    g = LaneGeometry(*shape, type_of(np.dtype(dtype)), lanes)
    to_lanes, to_rows = compiled(
        to_lanes=lambda f, p, blocks: transpose_in(f, g, p[0], p[1], blocks),
        to_rows=lambda f, p, blocks: transpose_out(f, g, p[0], p[1], blocks),
    )
    expected = in_lanes(values, lanes, "zeros")
    blocks = aligned(expected.shape, dtype, 0, 77)
    to_lanes(len(blocks), 2, copied(values, 1), blocks, blocks)
    assert np.array_equal(blocks, expected)
    memory = aligned(values.size + 2, dtype, 1, 77)
    to_rows(len(blocks), 2, blocks, memory[1:], blocks)
    assert np.array_equal(memory[1:-1].reshape(shape), values)
    assert memory[0] == memory[-1] == 77


def test_flops():
    _, g = Layer(32, 3, 5).product()
    assert linear_flops(g) == 2 * 32 * 3 * 5
    assert linear_weight_flops(LinearWeightGeometry(2, 3, 5, *Layer(32, 3, 5).rest)) == 960

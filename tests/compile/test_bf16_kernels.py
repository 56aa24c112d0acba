"""The kernels on pairs of bfloat16 numbers against NumPy's products of the rounded operands."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.base.dtypes import round_bfloat16
from chainrule.compile.emit.bf16.dot import paired
from chainrule.compile.emit.bf16.halves import (
    conv_halves,
    conv_input_halves,
    conv_weight_halves,
    linear_halves,
    linear_weight_halves,
    matmul_halves,
)
from chainrule.compile.emit.bf16.pairing import pair
from chainrule.compile.emit.conv import conv, conv_input
from chainrule.compile.emit.conv_weight import (
    conv_weight,
    conv_weight_partial_size,
    conv_weight_reduce,
    conv_weight_units,
)
from chainrule.compile.emit.linear import (
    LinearGeometry,
    LinearWeightGeometry,
    linear,
    linear_units,
)
from chainrule.compile.emit.matmul import (
    MatmulGeometry,
    matmul,
    matmul_pack_a,
    matmul_pack_b,
    matmul_scratch,
    matmul_units,
)
from chainrule.compile.emit.matmul import matmul_pack_a_units as pack_a_units
from chainrule.compile.emit.matmul import matmul_pack_b_units as pack_b_units
from chainrule.compile.emit.tiles import ConvGeometry
from chainrule.compile.emit.types import F32
from chainrule.compile.runtime.target import host
from chainrule.ops.arrays import conv as reference


def _beside(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kernels, SHAPES = _beside("kernels"), _beside("test_conv_kernels").SHAPES
pytestmark = pytest.mark.skipif(not host().bf16, reason="needs the bfloat16 dot product")
LANES = 16


def memory(n, fill=np.nan):
    """n aligned float32 elements."""
    raw = np.full(n + 32, fill, np.float32)
    start = -raw.ctypes.data % 64 // 4
    return raw[start : start + n]


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def run(write, *arrays):
    kernels.execute(
        kernels.program(lambda f, p, n: write(f, *p), host(), len(arrays)), host(), list(arrays)
    )


def in_pairs(g, x, parts=3):
    """The operand in pairs, its units in several ranges."""
    out = memory(g.elements)
    cuts = [g.units * i // parts for i in range(parts + 1)]

    def write(f, source, target):
        for span in zip(cuts, cuts[1:], strict=False):
            pair(f, g, source, target, span)

    run(write, np.ascontiguousarray(x), out)
    return out


def in_lanes(x):
    """[N][…] → [blocks][…][lanes], zeros beyond the batch."""
    blocks = -(-len(x) // LANES)
    full = np.zeros((blocks * LANES, *x.shape[1:]), np.float32)
    full[: len(x)] = x
    out = memory(full.size).reshape(blocks, *x.shape[1:], LANES)
    out[...] = np.moveaxis(full.reshape(blocks, LANES, *x.shape[1:]), 1, -1)
    return out


def out_of_lanes(y, n):
    return np.moveaxis(y, -1, 1).reshape(-1, *y.shape[1:-1])[:n]


def low(x):
    return round_bfloat16(x).astype(np.float64)


def close(mine, exact, absolute):
    """To float32's accuracy, measured by the sum of the products' sizes."""
    assert np.abs(mine - exact).max() <= 3e-6 * np.abs(absolute).max()


# ---- matrix products -------------------------------------------------------------------------


def product(g, left, right, a, b):
    """C of a product on pairs, packed where the plan says so."""
    a, b = in_pairs(left, a), in_pairs(right, b)
    sizes = matmul_scratch(g)
    for k, (pack, units) in enumerate(
        ((matmul_pack_a, pack_a_units), (matmul_pack_b, pack_b_units))
    ):
        if sizes[k]:
            panels = memory(sizes[k])
            span = (0, units(g))
            run(lambda f, s, t, pack=pack, span=span: pack(f, g, s, t, span), (a, b)[k], panels)
            a, b = (panels, b) if k == 0 else (a, panels)
    c = memory(g.rows * g.columns)

    def write(f, pa, pb, pc):
        def store(x, row, column, count):
            at = f.add(f.mul(row, g.columns), column)
            f.store_masked(x, pc, at, f.first(count, LANES))

        matmul(paired(f), g, pa, pb, (0, matmul_units(g)), store)

    run(write, a, b, c)
    return c.reshape(g.rows, g.columns)


SIZE = st.one_of(st.integers(1, 40), st.sampled_from([64, 65, 97, 128]))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SIZE, SIZE, SIZE, st.booleans(), st.booleans())
def test_products(rows, inner, columns, turned_a, turned_b):
    a, b = draw(rows, inner), draw(inner, columns)
    strides = (1, rows) if turned_a else (inner, 1), (1, inner) if turned_b else (columns, 1)
    g = MatmulGeometry(rows, columns, inner, *strides, F32, LANES)
    halves = matmul_halves(g)
    c = product(
        halves.product, halves.left, halves.right, a.T if turned_a else a, b.T if turned_b else b
    )
    close(c, low(a) @ low(b), np.abs(low(a)) @ np.abs(low(b)))


def test_products_of_gaps_are_left_to_float32():
    assert matmul_halves(MatmulGeometry(4, 4, 4, (8, 2), (4, 1), F32, LANES)) is None
    assert matmul_halves(MatmulGeometry(4, 4, 4, (4, 1), (8, 2), F32, LANES)) is None


@pytest.mark.parametrize("sizes", [(16, 4, 3), (33, 17, 40), (5, 1, 1), (64, 30, 31)])
@pytest.mark.parametrize("turned", [False, True])
def test_linear_layers(sizes, turned):
    n, reduce, outputs = sizes
    x, w = draw(n, reduce), draw(outputs, reduce)
    blocks = -(-n // LANES)
    strides = (1, outputs) if turned else (reduce, 1)
    g = linear_halves(LinearGeometry(blocks, reduce, outputs, *strides, F32, LANES))
    y = memory(blocks * outputs * LANES).reshape(blocks, outputs, LANES)

    def write(f, source, weight, target):
        def store(x, block, output):
            f.store(x, target, f.mul(f.add(f.mul(block, outputs), output), LANES))

        linear(paired(f), g.product, source, weight, (0, linear_units(g.product)), store)

    run(write, in_pairs(g.source, in_lanes(x)), in_pairs(g.weight, w.T if turned else w), y)
    close(out_of_lanes(y, n), low(x) @ low(w).T, np.abs(low(x)) @ np.abs(low(w)).T)


@pytest.mark.parametrize("sizes", [(16, 4, 3), (33, 17, 40), (5, 1, 1), (64, 30, 31)])
def test_weight_gradients_of_linear_layers(sizes):
    n, inputs, outputs = sizes
    x, d = draw(n, inputs), draw(n, outputs)
    g = linear_weight_halves(LinearWeightGeometry(-(-n // LANES), inputs, outputs, F32, LANES))
    c = product(g.product, g.left, g.right, in_lanes(d), in_lanes(x))
    close(c, low(d).T @ low(x), np.abs(low(d)).T @ np.abs(low(x)))


# ---- convolution -----------------------------------------------------------------------------


def geometry(shape):
    _, c_in, c_out, size, kernel, stride, padding, dilation, groups = shape
    out = reference.conv_output_size(size, kernel, stride, padding, dilation)
    return ConvGeometry(
        c_in, c_out, *size, *out, kernel, stride, padding, dilation, groups, F32, LANES
    )


def operands(shape, g):
    batch = shape[0]
    x = draw(batch, g.channels_in, g.height, g.width)
    w = draw(g.channels_out, g.group_in, *g.kernel)
    d = draw(batch, g.channels_out, g.out_height, g.out_width)
    options = dict(stride=g.stride, padding=g.padding, dilation=g.dilation, groups=g.groups)
    return x, w, d, options


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("adjoint", [False, True])
def test_convolutions(name, adjoint):
    shape = SHAPES[name]
    g = geometry(shape)
    x, w, d, options = operands(shape, g)
    source = in_lanes(d if adjoint else x)
    blocks = len(source)
    h = (conv_input_halves if adjoint else conv_halves)(g, blocks)
    y = in_lanes(x if adjoint else d)
    channels, height, width = y.shape[1:4]
    y[...] = np.nan

    def write(f, px, pw, py):
        def store(value, block, channel, row, column):
            at = f.add(f.mul(f.add(f.mul(block, channels), channel), height), row)
            f.store(value, py, f.mul(f.add(f.mul(at, width), column), LANES))

        generator = conv_input if adjoint else conv
        generator(paired(f), h.product, px, pw, (0, blocks), store)

    run(write, in_pairs(h.source, source), in_pairs(h.weight, w), y)

    def exact(a, b):
        if adjoint:
            return reference.conv_input(a, b, size=(g.height, g.width), **options)
        return reference.conv(a, b, **options)

    a, b = low(d if adjoint else x), low(w)
    close(out_of_lanes(y, shape[0]), exact(a, b), exact(np.abs(a), np.abs(b)))


@pytest.mark.parametrize("name", SHAPES)
def test_weight_gradients_of_convolutions(name):
    shape = SHAPES[name]
    g = geometry(shape)
    x, w, d, options = operands(shape, g)
    xs, ds = in_lanes(x), in_lanes(d)
    source, gradient = conv_weight_halves(g, len(xs))
    part = memory(2 * conv_weight_partial_size(g), 0)
    out = memory(w.size)
    pairs = source.pairs

    def write(f, px, pd, pp, po):
        for thread, span in enumerate(((0, pairs // 2), (pairs // 2, pairs))):
            mine = f.at(pp, thread * conv_weight_partial_size(g))
            conv_weight(paired(f), g, px, pd, mine, span)

        def store(value, first, count):
            if value.type.lanes:
                f.store_masked(value, po, first, f.first(count, value.type.lanes))
            else:
                f.store(value, po, first)

        conv_weight_reduce(f, g, pp, 2, (0, conv_weight_units(g)), store)

    run(write, in_pairs(source, xs), in_pairs(gradient, ds), part, out)

    def exact(a, b):
        return reference.conv_weight(a, b, kernel=g.kernel, **options)

    close(out.reshape(w.shape), exact(low(x), low(d)), exact(np.abs(low(x)), np.abs(low(d))))


# ---- numbers ---------------------------------------------------------------------------------


def test_rounding_and_special_numbers():
    x = np.zeros((2, LANES), np.float32)
    x[0, :8] = [1.00390625, 1.01171875, -2.5, np.inf, -np.inf, np.nan, 3.4e38, 1e-40]
    g = linear_halves(LinearGeometry(1, 2, 1, 2, 1, F32, LANES)).source
    got = in_pairs(g, x, 1).view(np.uint32)
    first = (got << 16).view(np.float32)
    expected = round_bfloat16(x[0])
    expected[7] = 0  # subnormal numbers are zero
    np.testing.assert_array_equal(first, expected)
    assert not (got >> 16).any()

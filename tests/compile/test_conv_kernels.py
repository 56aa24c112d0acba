"""The convolution kernels against NumPy's, with threads, row ranges and lanes beyond the batch."""

import ctypes
from itertools import groupby

import numpy as np
import pytest

from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.conv import ConvGeometry, conv, conv_input, flops
from chainrule.compile.emit.conv_weight import (
    conv_weight,
    conv_weight_partial_size,
    conv_weight_reduce,
    conv_weight_units,
)
from chainrule.compile.emit.lanes import lane_sums, transpose
from chainrule.compile.emit.types import I64, POINTER, Type, const, type_of
from chainrule.compile.runtime.jit import compile_object, load
from chainrule.compile.runtime.target import host
from chainrule.ops.arrays import conv as reference

WORK = [("x", POINTER), ("w", POINTER), ("y", POINTER)]
WORK += [(name, I64) for name in ("block", "blocks", "row", "rows")]

# batch, channels in and out, size, kernel, stride, padding, dilation, groups
SHAPES = {
    "pointwise": (16, 5, 7, (4, 6), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise strided": (3, 4, 8, (5, 7), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    "pointwise padded": (2, 2, 3, (3, 3), (1, 1), (1, 1), ((2, 1), (2, 3)), (1, 1), 1),
    "3 x 3": (20, 3, 16, (8, 9), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "3 x 3, stride 2": (17, 8, 5, (9, 8), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    "prime channels": (5, 7, 13, (5, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "5 x 5": (9, 1, 6, (12, 12), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "11 x 11, stride 4": (2, 3, 4, (30, 31), (11, 11), (4, 4), ((2, 2), (2, 2)), (1, 1), 1),
    "uneven padding": (4, 2, 3, (6, 5), (2, 4), (1, 1), ((0, 1), (3, 0)), (1, 1), 1),
    "cropping": (4, 2, 3, (9, 10), (3, 2), (2, 1), ((-1, 1), (-2, -1)), (1, 1), 1),
    "dilated": (3, 4, 2, (11, 12), (3, 3), (1, 1), ((2, 2), (2, 2)), (2, 2), 1),
    "dilated, strided": (3, 2, 5, (13, 12), (3, 3), (2, 4), ((2, 2), (3, 2)), (2, 2), 1),
    "dilation 3, stride 2": (3, 2, 2, (11, 13), (3, 4), (2, 2), ((3, 3), (4, 4)), (3, 3), 1),
    "groups": (6, 6, 9, (6, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "depthwise": (6, 5, 5, (7, 8), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 5),
    "depthwise, two each": (6, 3, 6, (7, 8), (3, 3), (2, 1), ((1, 1), (0, 2)), (1, 1), 3),
    "one pixel": (8, 3, 20, (1, 1), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "narrow": (2, 3, 4, (9, 2), (3, 2), (1, 1), ((1, 1), (0, 0)), (1, 1), 1),
    "one dimension": (5, 3, 4, (1, 23), (1, 4), (1, 3), ((0, 0), (2, 1)), (1, 1), 1),
    "long kernel": (2, 2, 3, (1, 60), (1, 33), (1, 2), ((0, 0), (9, 12)), (1, 1), 1),
    "many output channels": (2, 2, 37, (3, 4), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "result in the padding": (2, 2, 3, (2, 2), (1, 1), (3, 3), ((4, 4), (4, 4)), (1, 1), 1),
}


class Case:
    """Random data for one geometry, in rows and in lanes, and NumPy's three results."""

    def __init__(self, shape, dtype, lanes, registers=32, planes=0):
        batch, c_in, c_out, size, kernel, stride, padding, dilation, groups = shape
        out = reference.conv_output_size(size, kernel, stride, padding, dilation)
        self.g = ConvGeometry(
            c_in, c_out, *size, *out, kernel, stride, padding, dilation, groups, type_of(dtype),
            lanes, registers, planes and size[0] * size[1] + planes,
            planes and out[0] * out[1] + planes,
        )  # fmt: skip
        rng = np.random.default_rng(0)
        x, w, d = (
            rng.standard_normal(s).astype(dtype)
            for s in (
                (batch, c_in, *size),
                (c_out, c_in // groups, *kernel),
                (batch, c_out, *out),
            )
        )
        options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        self.results = {
            "conv": reference.conv(x.astype("f8"), w.astype("f8"), **options),
            "conv_input": reference.conv_input(
                d.astype("f8"), w.astype("f8"), size=size, **options
            ),
            "conv_weight": reference.conv_weight(
                x.astype("f8"), d.astype("f8"), kernel=kernel, **options
            ),
        }
        self.batch, self.dtype = batch, np.dtype(dtype)
        self.weight = self.memory(w.size, 1)
        self.weight[...] = w.ravel()
        self.x, self.d = self.in_lanes(x, planes), self.in_lanes(d, planes)
        if batch % lanes:
            self.d[-1, ..., batch % lanes :] = 0  # only the gradient's: x may hold copies

    def memory(self, elements, misalign=0):
        raw = np.zeros(elements * self.dtype.itemsize + 128, "u1")
        start = -raw.ctypes.data % 64 + misalign * self.dtype.itemsize
        view = raw[start : start + elements * self.dtype.itemsize].view(self.dtype)
        view[...] = np.nan
        return view

    def in_lanes(self, a, more=0):
        """[blocks][channels][height · width + more][lanes]; lanes beyond the batch are copies."""
        lanes, (n, channels, height, width) = self.g.lanes, a.shape
        blocks = -(-n // lanes)
        y = self.memory(blocks * channels * (height * width + more) * lanes)
        y = y.reshape(blocks, channels, height * width + more, lanes)
        a = a[np.minimum(np.arange(blocks * lanes), n - 1)]
        a = a.reshape(blocks, lanes, channels, height * width)
        y[:, :, : height * width] = np.moveaxis(a, 1, -1)
        return y

    def run(self, kernel):
        g, blocks = self.g, self.x.shape[0]
        if kernel == "conv_weight":
            size = conv_weight_partial_size(g)
            partials, got = self.memory(2 * size), self.memory(self.weight.size, 1)
            half = g.out_height // 2
            code = load(compile_object(self.weight_program(), host()))
            for place, rows in ((0, (0, half)), (size, (half, g.out_height))):
                call(code, "work", self.x, self.d, partials[place:], 0, blocks, *rows)
            units = conv_weight_units(g)
            call(code, "reduce", partials, got, 0, units // 2)
            call(code, "reduce", partials, got, units // 2, units)
            code.unload()
            return got.reshape(self.results[kernel].shape)
        source, like = (self.x, self.d) if kernel == "conv" else (self.d, self.x)
        target = self.memory(like.size).reshape(like.shape)
        height = g.out_height if kernel == "conv" else g.height
        code = load(compile_object(self.program(kernel), host()))
        call(code, "work", source, self.weight, target, 0, blocks, 0, height // 3)
        call(code, "work", source, self.weight, target, 0, blocks, height // 3, height)
        code.unload()
        shape = self.results[kernel].shape
        target = target[:, :, : shape[2] * shape[3]]
        return np.moveaxis(target, -1, 1).reshape(-1, *shape[1:])[: self.batch]

    def program(self, kernel, ahead=None, store=True):
        g, module = self.g, Module()
        f = Function(module, "work", WORK, internal=False)
        a = f.arguments
        channels, plane, width, write = (
            (g.channels_out, g.stride_out, g.out_width, conv)
            if kernel == "conv"
            else (g.channels_in, g.stride_in, g.width, conv_input)
        )

        def place(block, channel, row, column):
            vectors = f.affine((block, channels * plane), (channel, plane), (row, width))
            return f.mul(f.add(vectors, column), g.lanes)

        def keep(x, *at):
            if store:
                f.store(x, a["y"], place(*at))

        early = (lambda *at: ahead(f, place(*at))) if ahead else None
        blocks, rows = (a["block"], a["blocks"]), (a["row"], a["rows"])
        write(f, g, a["x"], a["w"], blocks, keep, rows, ahead=early)
        f.ret()
        return module.text()

    def weight_program(self):
        module = Module()
        f = Function(module, "work", WORK, internal=False)
        a = f.arguments
        ranges = (a["block"], a["blocks"]), (a["row"], a["rows"])
        conv_weight(f, self.g, a["x"], a["w"], a["y"], *ranges)
        f.ret()
        arguments = [("p", POINTER), ("y", POINTER), ("unit", I64), ("units", I64)]
        f = Function(module, "reduce", arguments, internal=False)
        b, pointer = f.arguments, f.arguments["y"]
        units = (b["unit"], b["units"])
        conv_weight_reduce(
            f, self.g, b["p"], 2, units, lambda x, first, count: f.store(x, pointer, first)
        )
        f.ret()
        return module.text()

    def check(self, kernel):
        expected = self.results[kernel]
        tolerance = 4e-6 if self.dtype == "f4" else 1e-14
        got = self.run(kernel)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def call(code, name, *arguments):
    values = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
    types = [ctypes.c_void_p if isinstance(a, np.ndarray) else ctypes.c_int64 for a in arguments]
    ctypes.CFUNCTYPE(None, *types)(code.address(name))(*values)


@pytest.mark.parametrize("kernel", ["conv", "conv_input", "conv_weight"])
@pytest.mark.parametrize("name", SHAPES)
def test_same_numbers_as_numpy(name, kernel):
    Case(SHAPES[name], "f4", 16).check(kernel)


@pytest.mark.parametrize("kernel", ["conv", "conv_input", "conv_weight"])
@pytest.mark.parametrize("dtype, lanes", [("f4", 8), ("f4", 4), ("f8", 8), ("f8", 2)])
@pytest.mark.parametrize("name", ["3 x 3, stride 2", "depthwise", "long kernel"])
def test_other_vectors_and_fewer_registers(name, dtype, lanes, kernel):
    Case(SHAPES[name], dtype, lanes, registers=16).check(kernel)


@pytest.mark.parametrize("kernel", ["conv", "conv_input", "conv_weight"])
def test_planes_may_be_padded(kernel):
    # What lies between the planes is NaN: reading it would show.
    Case(SHAPES["groups"], "f4", 16, planes=5).check(kernel)


@pytest.mark.parametrize("kernel", ["conv", "conv_input"])
@pytest.mark.parametrize("name", ["prime channels", "5 x 5", "3 x 3, stride 2", "depthwise"])
def test_ahead_reaches_every_place(name, kernel):
    case = Case(SHAPES[name], "f4", 16)
    marks = case.memory(case.d.size if kernel == "conv" else case.x.size)

    def mark(f, place):
        f.store(const(1, Type("f32", 16)), f.arguments["y"], place)

    code = load(compile_object(case.program(kernel, ahead=mark, store=False), host()))
    ranges = (0, case.x.shape[0], 0, case.g.out_height if kernel == "conv" else case.g.height)
    call(code, "work", case.x if kernel == "conv" else case.d, case.weight, marks, *ranges)
    code.unload()
    assert (marks == 1).all()


@pytest.mark.parametrize("kernel", [conv, conv_input])
def test_done_follows_the_vectors_of_a_channel(kernel):
    case = Case(SHAPES["prime channels"], "f4", 16)
    f = Function(Module(), "work", WORK)
    calls = []
    kernel(
        f, case.g, f.arguments["x"], f.arguments["w"], (0, 1),
        lambda x, block, channel, row, column: calls.append(("store", channel)),
        done=lambda block, channel: calls.append(("done", channel)),
    )  # fmt: skip
    runs = [what for what, _ in groupby(calls)]
    assert len(runs) > 2
    assert all(a[0] == "store" and b == ("done", a[1]) for a, b in zip(runs[::2], runs[1::2]))


def test_flops_of_a_sample():
    assert flops(Case(SHAPES["5 x 5"], "f4", 16).g) == 2 * 6 * 8 * 8 * 25


@pytest.mark.parametrize(
    "kind, lanes", [("f32", 16), ("f32", 8), ("f32", 4), ("f64", 8), ("f64", 2)]
)
def test_transposition_and_lane_sums(kind, lanes):
    module, type = Module(), Type(kind, lanes)
    f = Function(module, "work", WORK[:2], internal=False)
    source, target = f.arguments["x"], f.arguments["w"]
    rows = [f.load(source, i * lanes, type) for i in range(lanes)]
    some = lane_sums(f, rows[: lanes - 1])
    for i, row in enumerate([*transpose(f, rows), lane_sums(f, rows), some]):
        f.store(row, target, i * lanes)
    f.ret()
    dtype = "f4" if kind == "f32" else "f8"
    x = np.arange(lanes * lanes, dtype=dtype).reshape(lanes, lanes)
    y = np.zeros((lanes + 2, lanes), dtype)
    code = load(compile_object(module.text(), host()))
    call(code, "work", x, y)
    code.unload()
    np.testing.assert_array_equal(y[:lanes], x.T)
    np.testing.assert_array_equal(y[lanes], x.sum(axis=1))
    np.testing.assert_array_equal(y[lanes + 1, :-1], x.sum(axis=1)[:-1])
    assert y[lanes + 1, -1] == 0

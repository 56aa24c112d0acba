"""Minimal filtering against NumPy's convolution: edges, odd sizes, pieces, and where it is used."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.types import I64, POINTER
from chainrule.compile.emit.winograd import (
    WinogradGeometry,
    winograd,
    winograd_pays,
    winograd_scratch,
    winograd_weights,
    winograd_weights_size,
)
from chainrule.compile.emit.winograd_weight import (
    winograd_weight,
    winograd_weight_partial_size,
    winograd_weight_pays,
    winograd_weight_reduce,
    winograd_weight_scratch,
    winograd_weight_units,
)
from chainrule.compile.runtime.jit import compile_object, load
from chainrule.compile.runtime.target import host

_spec = importlib.util.spec_from_file_location(
    "convolutions", Path(__file__).with_name("test_conv_kernels.py")
)
convolutions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(convolutions)
Case, call = convolutions.Case, convolutions.call

ONCE = ((3, 3), (1, 1))  # kernel, stride
REST = ((1, 1), 1)  # dilation, groups

# batch, channels in and out, size, kernel, stride, padding, dilation, groups
SHAPES = {
    "even": (20, 8, 12, (8, 8), *ONCE, ((1, 1), (1, 1)), *REST),
    "odd": (17, 9, 13, (7, 9), *ONCE, ((1, 1), (1, 1)), *REST),
    "no padding": (5, 8, 8, (12, 21), *ONCE, ((0, 0), (0, 0)), *REST),
    "wide padding": (3, 3, 8, (4, 5), *ONCE, ((3, 4), (2, 5)), *REST),
    "cropping": (3, 8, 2, (9, 9), *ONCE, ((-1, -2), (-1, 0)), *REST),
    "one result": (3, 11, 7, (3, 3), *ONCE, ((0, 0), (0, 0)), *REST),
    "one pixel": (3, 5, 6, (1, 1), *ONCE, ((1, 1), (1, 1)), *REST),
    "a long row": (2, 4, 5, (2, 43), *ONCE, ((1, 1), (1, 1)), *REST),
}


def run(case, adjoint):
    g, module = WinogradGeometry(case.g, adjoint), Module()
    f = Function(module, "weights", [("w", POINTER), ("u", POINTER)], internal=False)
    winograd_weights(f, g, *f.arguments.values(), (0, g.results))
    f.ret()
    names = [("x", POINTER), ("u", POINTER), ("s", POINTER), ("y", POINTER), ("blocks", I64)]
    f = Function(module, "work", names, internal=False)
    x, u, scratch, y, blocks = f.arguments.values()
    source, like = (case.d, case.x) if adjoint else (case.x, case.d)
    height, width = g.result_size

    def store(result, block, channel, row, column):
        plane = like.shape[2]
        at = f.affine((block, g.results * plane), (channel, plane), (row, width), (column, 1))
        f.store(result, y, f.mul(at, case.g.lanes))

    winograd(f, g, x, u, scratch, (0, blocks), store)
    f.ret()
    points, pieces = case.memory(winograd_weights_size(g)), case.memory(winograd_scratch(g))
    target = case.memory(like.size).reshape(like.shape)
    code = load(compile_object(module.text(), host()))
    call(code, "weights", case.weight, points)
    call(code, "work", source, points, pieces, target, source.shape[0])
    code.unload()
    target = target[:, :, : height * width]
    return np.moveaxis(target, -1, 1).reshape(-1, g.results, height, width)[: case.batch]


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("lanes, registers", [(16, 32), (8, 16)])
@pytest.mark.parametrize("name", SHAPES)
def test_same_numbers_as_numpy(name, lanes, registers, adjoint):
    case = Case(SHAPES[name], "f4", lanes, registers)
    expected = case.results["conv_input" if adjoint else "conv"]
    got = run(case, adjoint)
    np.testing.assert_allclose(got, expected, rtol=0, atol=4e-6 * np.abs(expected).max())


def weight_gradient(case):
    """The weight's gradient by two threads, each with a part of the blocks."""
    g, module = WinogradGeometry(case.g), Module()
    names = [(n, POINTER) for n in "xdps"] + [("low", I64), ("high", I64)]
    f = Function(module, "work", names, internal=False)
    x, d, partial, scratch, *blocks = f.arguments.values()
    winograd_weight(f, g, x, d, partial, scratch, tuple(blocks))
    f.ret()
    names = [("p", POINTER), ("w", POINTER), ("low", I64), ("high", I64)]
    f = Function(module, "reduce", names, internal=False)
    partials, w, *units = f.arguments.values()
    winograd_weight_reduce(
        f, g, partials, 2, tuple(units), lambda x, first, count: f.store(x, w, first, align=4)
    )
    f.ret()
    size, units = winograd_weight_partial_size(g), winograd_weight_units(g)
    partials, scratch = case.memory(2 * size), case.memory(winograd_weight_scratch(g))
    got = case.memory(case.weight.size, 1)
    code = load(compile_object(module.text(), host()))
    blocks = case.x.shape[0]
    for thread, (low, high) in enumerate([(0, blocks // 2), (blocks // 2, blocks)]):
        call(code, "work", case.x, case.d, partials[thread * size :], scratch, low, high)
    call(code, "reduce", partials, got, 0, units // 2)
    call(code, "reduce", partials, got, units // 2, units)
    code.unload()
    return got.reshape(case.results["conv_weight"].shape)


@pytest.mark.parametrize("lanes, registers", [(16, 32), (8, 16)])
@pytest.mark.parametrize("name", SHAPES)
def test_weight_gradient_has_the_same_numbers_as_numpy(name, lanes, registers):
    case = Case(SHAPES[name], "f4", lanes, registers)
    expected = case.results["conv_weight"]
    atol = 4e-6 * np.abs(expected).max()
    np.testing.assert_allclose(weight_gradient(case), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("adjoint", [False, True])
def test_planes_may_be_padded(adjoint):
    # What lies between the planes is NaN: reading it would show.
    case = Case(SHAPES["odd"], "f4", 16, planes=5)
    expected = case.results["conv_input" if adjoint else "conv"]
    np.testing.assert_allclose(run(case, adjoint), expected, rtol=0, atol=1e-4)
    expected = case.results["conv_weight"]
    np.testing.assert_allclose(weight_gradient(case), expected, rtol=0, atol=1e-3)


def test_the_error_is_near_that_of_the_direct_sum():
    case = Case((16, 64, 64, (8, 8), *ONCE, ((1, 1), (1, 1)), *REST), "f4", 16)
    expected = case.results["conv"]
    scale = np.sqrt((expected**2).mean())
    minimal = np.sqrt(((run(case, False) - expected) ** 2).mean()) / scale
    direct = np.sqrt(((case.run("conv") - expected) ** 2).mean()) / scale
    assert minimal < 3 * direct < 3e-6


@pytest.mark.parametrize(
    "change",
    [
        dict(kernel=(5, 5)), dict(stride=(2, 2)), dict(dilation=(2, 2)), dict(groups=4),
        dict(channels_in=3), dict(height=1, out_height=1, width=1, out_width=1),
    ],
)  # fmt: skip
def test_used_only_where_it_pays(change):
    g = Case((16, 32, 32, (14, 14), *ONCE, ((1, 1), (1, 1)), *REST), "f4", 16).g
    uses = (winograd_pays, winograd_weight_pays)
    assert winograd_pays(WinogradGeometry(g, True))
    assert all(pays(WinogradGeometry(g)) for pays in uses)
    assert not any(pays(WinogradGeometry(replace(g, **change))) for pays in uses)

"""Running sums and sorting, line by line, give NumPy's results to the bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from chainrule.compile.emit.sequential import (
    argsort,
    argsort_scratch,
    cumulative,
    cumulative_units,
)
from chainrule.compile.emit.types import type_of
from chainrule.ops.arrays import NUMPY

_spec = importlib.util.spec_from_file_location("kernels", Path(__file__).with_name("kernels.py"))
kernels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kernels)

SHAPES = [(3, 1, 1), (2, 17, 1), (3, 8, 5), (2, 5, 16), (1, 4, 37), (1, 300, 1), (2, 0, 3)]


def in_two_shares(write, total):
    """As two threads would: the first and the second part of the range."""

    def body(f, pointers, numbers):
        for low, high in ((0, numbers[0]), (numbers[0], total)):
            write(f, pointers, low, high)

    return body


@pytest.mark.parametrize(("target", "lanes"), kernels.WIDTHS)
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_totals(name, target, lanes):
    target = kernels.target(target)
    for dtype in kernels.DTYPES if lanes == 8 else ("uint8", "float16", "float32"):
        for outer, n, inner in SHAPES:
            x = kernels.values(dtype, outer * n * inner, 3).reshape(outer, n, inner)
            result = np.dtype(dtype) if x.dtype.kind == "f" else np.dtype(np.int64)
            with np.errstate(all="ignore"):
                function = np.cumsum if name == "cumulative_sum" else np.cumprod
                expected = function(x, axis=1, dtype=result)
            types = type_of(x.dtype), type_of(result)
            units = cumulative_units(outer, inner, lanes)

            def write(f, pointers, low, high, n=n, inner=inner, types=types):
                cumulative(f, name, *pointers, n, inner, types, lanes, low, high)

            out = np.zeros_like(expected)
            text = kernels.program(in_two_shares(write, units), target, 2, 1)
            kernels.execute(text, target, [x, out], units // 2)
            kernels.assert_same(out, expected, context=(dtype, x.shape))


def test_a_running_total_in_place():
    x = np.arange(60, dtype=np.float32).reshape(1, 3, 20)
    expected = np.cumsum(x, axis=1)
    target, type = kernels.target(""), type_of(x.dtype)

    def write(f, pointers, numbers):
        cumulative(f, "cumulative_sum", *pointers * 2, 3, 20, (type, type), 8, 0, 3)

    kernels.execute(kernels.program(write, target, 1), target, [x])
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", kernels.DTYPES)
def test_sorting_is_stable_with_nan_as_the_largest(dtype, descending):
    target = kernels.target("")
    for outer, n, inner in SHAPES:
        x = kernels.values(dtype, outer * n * inner, 3).reshape(outer, n, inner)
        type, lines = type_of(x.dtype), outer * inner

        def write(f, pointers, low, high, n=n, inner=inner, type=type):
            argsort(f, *pointers, n, inner, descending, type, low, high)

        out = np.full(x.shape, -1, np.int64)
        # The word behind the scratch memory must stay as it is.
        scratch = np.full(argsort_scratch(n, type) // 8 + 1, 77, np.uint64)
        text = kernels.program(in_two_shares(write, lines), target, 3, 1)
        kernels.execute(text, target, [x, out, scratch], lines // 2)
        np.testing.assert_array_equal(out, NUMPY.argsort(x, 1, descending))
        assert scratch[-1] == 77


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", kernels.DTYPES)
def test_the_first_few_of_a_sorted_line(dtype, descending):
    target = kernels.target("")
    for (outer, n, inner), leading in [((2, 17, 1), 5), ((3, 8, 5), 1), ((1, 300, 1), 299)]:
        x = kernels.values(dtype, outer * n * inner, 3).reshape(outer, n, inner)
        type, lines = type_of(x.dtype), outer * inner

        def write(f, pointers, low, high, n=n, inner=inner, type=type, leading=leading):
            argsort(f, *pointers, n, inner, descending, type, low, high, leading, 8)

        out = np.full(x.shape, -1, np.int64)
        scratch = np.full(argsort_scratch(n, type) // 8 + 1, 77, np.uint64)
        text = kernels.program(in_two_shares(write, lines), target, 3, 1)
        kernels.execute(text, target, [x, out, scratch], lines // 2)
        expected = NUMPY.argsort(x, 1, descending)[:, :leading]
        np.testing.assert_array_equal(out[:, :leading], expected)
        assert (out[:, leading:] == -1).all() and scratch[-1] == 77


def test_it_compiles_for_arm():
    type = type_of(np.dtype(np.float32))

    def write(f, pointers, numbers):
        argsort(f, *pointers, 100, 3, True, type, *numbers)
        cumulative(f, "cumulative_sum", *pointers[:2], 100, 9, (type, type), 4, *numbers)

    assert kernels.compiles_for_arm(write, 3, 2)

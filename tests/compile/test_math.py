"""The elementary functions on registers are right to two units in the last place, everywhere."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from chainrule.compile.emit.math import elementary
from chainrule.compile.emit.types import F32, F64
from chainrule.ops.arrays import NUMPY

_spec = importlib.util.spec_from_file_location("kernels", Path(__file__).with_name("kernels.py"))
kernels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kernels)
mapped = kernels.mapped

# Where the function neither overflows nor is constant; (-3, 3) where nothing is said.
RANGES = {
    "exp": (-104, 89), "exp2": (-150, 128), "expm1": (-20, 89), "tanh": (-10, 10),
    "erf": (-4.2, 4.2), "sin": (-9999, 9999), "cos": (-9999, 9999), "tan": (-9999, 9999),
    "arcsin": (-1, 1), "arccos": (-1, 1), "arctan": (-20, 20), "sinh": (-90, 90),
    "cosh": (-90, 90),
}  # fmt: skip
UNARY = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan", "sinh", "cosh", "tanh", "erf",
)  # fmt: skip
BINARY = ("atan2", "pow")
VECTOR_DOUBLE = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sinh", "cosh", "tanh",
)  # fmt: skip
EDGES = (
    0.0, np.inf, np.nan, 1e-45, 1e-40, 1.2e-38, 1e-20, 1e-3, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0,
    88.7228, 88.73, 87.4, 89.4, 89.5, 100.0, 103.9, 104.5, 1e4, 1e10, 3.4e38,
)  # fmt: skip
N = 6000


def inputs(name, dtype, seed=0):
    random = np.random.default_rng(seed)
    low, high = RANGES.get(name, (-3, 3))
    if dtype == np.float64 and name in ("exp", "exp2", "expm1", "sinh", "cosh"):
        low, high = 8 * low, 8 * high
    kind = np.uint32 if dtype == np.float32 else np.uint64
    bits = random.integers(0, np.iinfo(kind).max, N, kind)
    parts = [
        np.array([*EDGES, *(-x for x in EDGES)]),
        random.uniform(low, high, N),
        random.normal(size=N),
        1 + random.normal(size=N) / 100,
        bits.view(dtype),
    ]
    x = np.concatenate([p.astype(dtype) for p in parts])
    return np.abs(x) if name in ("log", "log2", "log10") else x


def pairs(name):
    """Every edge with every other, then random ones; powers that neither vanish nor overflow."""
    edges = np.array([*EDGES, *(-x for x in EDGES)], np.float32)
    x, y = inputs(name, np.float32, 1), inputs(name, np.float32, 2)
    if name == "pow":
        with np.errstate(all="ignore"):
            near = np.random.default_rng(3).uniform(-150, 150, len(x)) / np.log2(np.abs(x))
            y[::3] = near[::3]
            y[::5] = np.rint(y[::5])
    return [
        np.concatenate([np.repeat(edges, len(edges)), x]),
        np.concatenate([np.tile(edges, len(edges)), y]),
    ]


def check(name, mine, arrays, limit):
    """Against the next higher precision, rounded."""
    dtype = mine.dtype
    wide = np.float64 if dtype == np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        exact = getattr(NUMPY, name)(*(a.astype(wide) for a in arrays))
        rounded = exact.astype(dtype)
        normal = np.isfinite(rounded) & np.isfinite(mine)
        units = np.where(normal, np.abs(mine.astype(wide) - exact) / np.spacing(abs(rounded)), 0)
    worst = int(np.argmax(units))
    assert units[worst] <= limit, [a[worst] for a in arrays]
    same = (mine == rounded) | (np.isnan(mine) & np.isnan(rounded))
    same &= (np.signbit(mine) == np.signbit(rounded)) | np.isnan(mine) | (name == "tan")
    wrong = np.flatnonzero(~same & ~(normal & (rounded != 0)))[:5]
    assert not len(wrong), [[*(a[i] for a in arrays), mine[i], rounded[i]] for i in wrong]


@pytest.mark.parametrize(("target", "lanes"), kernels.WIDTHS)
@pytest.mark.parametrize("name", (*UNARY, *BINARY))
def test_float32_is_right_to_two_units(name, target, lanes):
    arrays = pairs(name) if name in BINARY else [inputs(name, np.float32)]
    mine = mapped(
        lambda f, xs: elementary(f, name, *xs), kernels.target(target), lanes, arrays, np.float32
    )
    check(name, mine, arrays, 2.0)


@pytest.mark.skipif(
    np.finfo(np.longdouble).eps > 1e-18, reason="no wider float here to compare float64 with"
)
@pytest.mark.parametrize(("target", "lanes"), [("", 8), ("sse2", 2), ("", 0)])
@pytest.mark.parametrize("name", VECTOR_DOUBLE)
def test_float64_is_right_to_three_units(name, target, lanes):
    x = inputs(name, np.float64)
    mine = mapped(
        lambda f, xs: elementary(f, name, *xs), kernels.target(target), lanes, [x], np.float64
    )
    check(name, mine, [x], 3.0)


@pytest.mark.parametrize("name", sorted({*UNARY, *BINARY} - set(VECTOR_DOUBLE)))
def test_float64_has_every_function(name):
    arrays = [inputs(name, np.float64, seed)[-2 * N :] for seed in range(1 + (name in BINARY))]
    mine = mapped(lambda f, xs: elementary(f, name, *xs), kernels.target(""), 4, arrays, np.float64)
    with np.errstate(all="ignore"):
        expected = getattr(NUMPY, name)(*arrays)
    # The functions of NumPy are not those of the C library.
    np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_a_large_lane_changes_no_other_lane(name):
    x = np.linspace(-50, 50, 64, dtype=np.float32)
    mixed = x.copy()
    mixed[::7] = 3e7
    target = kernels.target("")
    alone, beside = (
        mapped(lambda f, xs: elementary(f, name, *xs), target, 8, [a], np.float32)
        for a in (x, mixed)
    )
    small = mixed == x
    np.testing.assert_array_equal(alone[small], beside[small])
    np.testing.assert_allclose(beside[~small], getattr(np, name)(np.float64(3e7)), rtol=1e-6)


@pytest.mark.parametrize("type", [F32, F64])
def test_all_of_it_compiles_for_arm(type):
    def write(f, pointers, numbers):
        x, y = (f.load(p, 0, type.of(4)) for p in pointers)
        for i, name in enumerate((*UNARY, *BINARY)):
            out = elementary(f, name, *([x, y] if name in BINARY else [x]))
            f.store(out, pointers[0], 4 * i)

    assert kernels.compiles_for_arm(write, 2)

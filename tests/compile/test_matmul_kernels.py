"""Matrix products against NumPy's: sizes, strides, types, lanes, ways, units in parts."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.matmul import (
    MatmulGeometry,
    flops,
    matmul,
    matmul_pack_a,
    matmul_pack_a_units,
    matmul_pack_b,
    matmul_pack_b_units,
    matmul_scratch,
    matmul_units,
    plan,
)
from chainrule.compile.emit.types import I64, POINTER, type_of
from chainrule.compile.runtime.jit import compile_object, load
from chainrule.compile.runtime.target import host

TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


def aligned(shape, dtype, shift=0, fill=np.nan):
    """An array at `shift` elements after a multiple of 64 bytes, with `fill` inside and around."""
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    memory = np.full(size + 320 // item, fill, dtype)
    start = -memory.ctypes.data % 64 // item + 64 // item + shift
    return memory[start : start + size].reshape(shape), memory


def strided(values, layout):
    """The values in memory, plain, transposed or with gaps everywhere, and their strides."""
    rows, columns = values.shape
    if layout == "plain":
        array, _ = aligned((rows, columns), values.dtype, 1)
        array[...] = values
        return array, (columns, 1)
    if layout == "transposed":
        array, _ = aligned((columns, rows), values.dtype, 1)
        array[...] = values.T
        return array, (1, rows)
    array, _ = aligned((rows, 2 * columns + 1), values.dtype)
    array[:, : 2 * columns : 2] = values
    return array, (2 * columns + 1, 2)


class Product:
    """A compiled product, whose result is added to C: each element must be stored once."""

    def __init__(self, sizes, layouts=("plain", "plain"), dtype="float32", lanes=16, registers=32,
                 compact=False):  # fmt: skip
        rows, inner, columns = sizes
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal(s).astype(dtype) for s in ((rows, inner), (inner, columns)))
        self.a, a_strides = strided(a, layouts[0])
        self.b, b_strides = strided(b, layouts[1])
        # einsum, not BLAS, whose threads wait for one another where the machine is busy.
        self.exact = np.einsum("ik,kj->ij", a.astype(np.float64), b.astype(np.float64))
        self.bound = TOLERANCE[dtype] * np.einsum("ik,kj->ij", abs(a), abs(b)).max()
        self.g = g = MatmulGeometry(
            rows, columns, inner, a_strides, b_strides, type_of(np.dtype(dtype)), lanes, registers
        )
        self.scratch = [aligned(max(n, 1), dtype) for n in matmul_scratch(g)]

        def store(f, x, row, column, count):
            at, mask = f.add(f.mul(row, columns), column), f.first(count, lanes)
            old = f.load_masked(f.arguments["c"], at, g.vector, mask, x)
            f.store_masked(f.binary("fadd", old, x), f.arguments["c"], at, mask)

        module = Module()
        for name in ("matmul", "pack_a", "pack_b"):
            work = [(n, POINTER) for n in "abc"] + [("low", I64), ("high", I64)]
            f = Function(module, name, work, internal=False)
            pa, pb, _, *units = f.arguments.values()
            if name == "matmul":
                matmul(f, g, pa, pb, units, lambda *x, f=f: store(f, *x), compact)
            elif name == "pack_a" and matmul_pack_a_units(g):
                matmul_pack_a(f, g, pa, pb, units)
            elif name == "pack_b" and matmul_pack_b_units(g):
                matmul_pack_b(f, g, pa, pb, units)
            f.ret()
        code = load(compile_object(module.text(), host()))
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
        self.call = {name: kind(code.address(name)) for name in module.functions}

    def run(self, parts=3):
        """The result, with the units of each step in `parts` ranges, last range first."""
        a, b = self.a, self.b
        (scratch_a, _), (scratch_b, _) = self.scratch
        if n := matmul_pack_a_units(self.g):
            self._step("pack_a", n, parts, a, scratch_a, a)
            a = scratch_a
        if n := matmul_pack_b_units(self.g):
            self._step("pack_b", n, parts, b, scratch_b, b)
            b = scratch_b
        c, around = aligned(self.exact.shape, a.dtype, 1, 0)
        self._step("matmul", matmul_units(self.g), parts, a, b, c)
        assert np.count_nonzero(around) == np.count_nonzero(c)
        return c

    def _step(self, name, count, parts, *arrays):
        cuts = [count * i // parts for i in range(parts + 1)]
        for low, high in reversed(list(zip(cuts, cuts[1:]))):
            self.call[name](*(x.ctypes.data for x in arrays), low, high)

    def check(self):
        assert abs(self.run() - self.exact).max() <= self.bound


WAYS = {  # sizes, layouts, whether turned, packed, dots
    "direct": ((64, 50, 40), ("plain", "plain"), (False, False, False)),
    "tails": ((29, 17, 77), ("transposed", "plain"), (False, False, False)),
    "one row": ((1, 60, 300), ("plain", "plain"), (False, False, False)),
    "row times columns": ((1, 300, 61), ("plain", "transposed"), (False, False, True)),
    "rows times column": ((61, 300, 1), ("plain", "plain"), (False, False, True)),
    "dot": ((1, 20011, 1), ("plain", "plain"), (False, False, True)),
    "column": ((300, 33, 1), ("transposed", "plain"), (True, False, False)),
    "narrow": ((300, 33, 3), ("transposed", "plain"), (True, False, False)),
    "wide, transposed": ((32, 300, 224), ("plain", "transposed"), (True, True, False)),
    "tall, transposed": ((200, 50, 40), ("plain", "transposed"), (False, True, False)),
    "gaps": ((40, 50, 70), ("gaps", "gaps"), (True, True, False)),
    "short, transposed": ((90, 5, 40), ("plain", "transposed"), (False, True, False)),
    "large": ((500, 601, 300), ("plain", "plain"), (False, False, False)),
    "one element": ((1, 1, 1), ("plain", "plain"), None),
}


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("name", WAYS)
def test_ways(name, compact):
    sizes, layouts, expected = WAYS[name]
    product = Product(sizes, layouts, compact=compact)
    p = plan(product.g)
    if expected is not None:
        assert (p.turned, p.packed, p.dots is not None) == expected
    product.check()


SIZE = st.one_of(st.integers(1, 40), st.sampled_from([64, 65, 97, 128, 211]))
LAYOUT = st.sampled_from(["plain", "transposed", "gaps"])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.tuples(SIZE, SIZE, SIZE),
    st.tuples(LAYOUT, LAYOUT),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([16, 8, 4, 2]),
    st.sampled_from([16, 32]),
)
def test_any_product(sizes, layouts, dtype, lanes, registers):
    Product(sizes, layouts, dtype, lanes, registers).check()


@pytest.mark.parametrize("layouts", [("plain", "plain"), ("plain", "transposed")])
def test_result_does_not_depend_on_the_split(layouts):
    product = Product((70, 1100, 50), layouts)
    one = product.run(1)
    for parts in (2, 5, 16):
        assert np.array_equal(product.run(parts), one)
    assert abs(one - product.exact).max() <= product.bound


@pytest.mark.parametrize("sizes", [(3, 100_000, 20), (1, 3_000_000, 1)])
def test_long_sums_of_float32_stay_accurate(sizes):
    product = Product(sizes)
    product.a[...] = 0.1
    product.b[...] = 0.3
    exact = sizes[1] * float(np.float32(0.1)) * float(np.float32(0.3))
    assert abs(product.run() / exact - 1).max() < 2e-5


def test_flops():
    assert flops(Product((3, 5, 7)).g) == 2 * 3 * 5 * 7

"""Every element-wise primitive on registers gives what NumPy gives, to the bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from chainrule.base import dtypes
from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.constants import value_of
from chainrule.compile.emit.elementwise import emit
from chainrule.compile.emit.types import F32, I64, Register, const, type_of
from chainrule.ops.arrays import NUMPY
from chainrule.ops.primitives import BINARY, UNARY

_spec = importlib.util.spec_from_file_location("kernels", Path(__file__).with_name("kernels.py"))
kernels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kernels)
assert_same, mapped, values = kernels.assert_same, kernels.mapped, kernels.values

FUNCTIONS = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan", "sinh", "cosh", "tanh", "erf", "atan2", "pow",
}  # fmt: skip
FLOAT_ONLY = (FUNCTIONS - {"pow"}) | {"round", "sqrt", "divide"}
EXACT = sorted({*UNARY, *BINARY} - FUNCTIONS)
FEW = ("bool", "uint8", "int32", "float16", "float32")
# NumPy itself lets either of 0 and −0 win, depending on dtype and processor.
EITHER_ZERO = {"maximum", "minimum"}
N = 200


def reference(name, arrays):
    """None where NumPy has no such function or gives another dtype than primitives do."""
    function = {"floor_divide": np.floor_divide, "remainder": np.remainder}.get(name)
    dtype = arrays[0].dtype if hasattr(arrays[0], "dtype") else arrays[1].dtype
    if dtype.kind != "f" and name in FLOAT_ONLY - {"divide"}:
        return None
    try:
        with np.errstate(all="ignore"):
            out = np.asarray((function or getattr(NUMPY, name))(*arrays))
    except TypeError:
        return None
    return None if dtype.kind == "b" and out.dtype.kind not in "bf" else out


@pytest.mark.parametrize(("target", "lanes"), kernels.WIDTHS)
@pytest.mark.parametrize("name", EXACT)
def test_a_primitive_is_numpys(name, target, lanes):
    target = kernels.target(target)
    for dtype in kernels.DTYPES if lanes == 8 else FEW:
        arrays = [values(dtype, N, seed) for seed in range(1 if name in UNARY else 2)]
        expected = reference(name, arrays)
        if expected is None or (name == "divide" and dtype == "bool"):
            continue
        out = type_of(expected.dtype)
        mine = mapped(
            lambda f, xs, out=out: emit(f, name, xs, out), target, lanes, arrays, expected.dtype
        )
        assert_same(mine, expected, name not in EITHER_ZERO, dtype)


@pytest.mark.parametrize("name", sorted(set(BINARY) - FUNCTIONS))
def test_numbers_take_no_part_in_promotion(name):
    target = kernels.target("")
    for dtype, numbers in (
        ("uint8", (3, 0)),
        ("int64", (3, 0, -1)),
        ("float16", (0.1,)),
        ("float32", (0.1, -7, np.nan)),
    ):
        x = values(dtype, N, 1)
        for number in numbers:
            for operands in ((x, number), (number, x)):
                expected = reference(name, operands)
                if expected is None:
                    continue

                def write(f, xs, first=operands[0] is x, number=number, out=expected.dtype):
                    both = [xs[0], number] if first else [number, xs[0]]
                    return emit(f, name, both, type_of(out))

                mine = mapped(write, target, 4, [x], expected.dtype)
                assert_same(mine, expected, name not in EITHER_ZERO, (dtype, number))


@pytest.mark.parametrize("name", ["add", "divide", "less", "equal", "maximum", "floor_divide"])
@pytest.mark.parametrize(
    "pair",
    ["int8 float16", "int64 float32", "uint8 int8", "bool int16", "float16 float32",
     "int32 float64", "bool float32", "int64 uint8"],
)  # fmt: skip
def test_operands_are_promoted_as_numpy_does(name, pair):
    arrays = [values(dtype, N, i) for i, dtype in enumerate(pair.split())]
    function = np.floor_divide if name == "floor_divide" else getattr(NUMPY, name)
    with np.errstate(all="ignore"):
        expected = function(*arrays)
    out = type_of(expected.dtype)
    mine = mapped(
        lambda f, xs: emit(f, name, xs, out), kernels.target(""), 4, arrays, expected.dtype
    )
    assert_same(mine, expected, name not in EITHER_ZERO)


def test_comparing_with_a_number_that_the_type_cannot_hold():
    x = np.array([0, 1, 255], np.uint8)
    for name, number in (("less", 300), ("equal", -1), ("less_equal", 255)):
        mine = mapped(
            lambda f, xs, name=name, number=number: emit(f, name, [xs[0], number], type_of(bool)),
            kernels.target(""), 4, [x], bool,
        )  # fmt: skip
        assert_same(mine, getattr(NUMPY, name)(x, number))


@pytest.mark.parametrize(("target", "lanes"), kernels.WIDTHS)
def test_astype_between_all_dtypes(target, lanes):
    target = kernels.target(target)
    for source in kernels.DTYPES:
        x = values(source, N, 5)
        for to in kernels.DTYPES:
            with np.errstate(all="ignore"):
                expected = x.astype(to)
            out = type_of(expected.dtype)
            mine = mapped(lambda f, xs, out=out: emit(f, "astype", xs, out), target, lanes, [x], to)
            if (
                x.dtype.kind == "f"
                and np.dtype(to).kind in "iu"
                and target.architecture != "x86_64"
            ):
                fits = np.abs(x.astype(np.float64)) < np.iinfo(to).max
                mine, expected = mine[fits], expected[fits]
            assert_same(mine, expected, context=(source, to))


@pytest.mark.parametrize("name", ["sse2", ""])
def test_every_half_is_converted_with_hardware_and_without(name):
    target, half = kernels.target(name), type_of(np.dtype(np.float16))
    x = np.arange(2**16).astype(np.uint16).view(np.float16)
    wide = mapped(lambda f, xs: emit(f, "astype", xs, F32), target, 4, [x], np.float32)
    assert_same(wide, x.astype(np.float32))
    # The middles between neighbours, and what lies just beside them.
    steps = np.sort(x[np.isfinite(x)].astype(np.float64))
    middle = np.concatenate([(steps[1:] + steps[:-1]) / 2, [65519.99, 65520, 1e30]])
    beside = [middle, np.nextafter(middle, -np.inf), np.nextafter(middle, np.inf)]
    for y in (*beside, *(v.astype(np.float32) for v in beside)):
        with np.errstate(all="ignore"):
            expected = y.astype(np.float16)
        assert_same(
            mapped(lambda f, xs: emit(f, "astype", xs, half), target, 4, [y], np.float16), expected
        )


def test_bfloat16_is_rounded_and_kept_as_float32():
    x = np.concatenate([values("float32", N, 1), np.float32([1.00390625, 1.01171875, 3.4e38])])
    mine = mapped(
        lambda f, xs: emit(f, "astype", [xs[0], dtypes.bfloat16], dtypes.bfloat16),
        kernels.target(""), 4, [x], np.float32,
    )  # fmt: skip
    assert_same(mine, NUMPY.astype(x, dtypes.bfloat16))


@pytest.mark.parametrize("dtype", kernels.DTYPES)
def test_where_chooses(dtype):
    condition, x, o = values("bool", N, 1), values(dtype, N, 2), values(dtype, N, 3)
    out = type_of(x.dtype)
    mine = mapped(
        lambda f, xs: emit(f, "where", xs, out), kernels.target(""), 4, [condition, x, o], dtype
    )
    assert_same(mine, np.where(condition, x, o))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", "int64"])
def test_known_exponents(dtype):
    x = values(dtype, N, 4)
    for exponent in (0, 1, 2, 0.5, -1) if dtype[0] == "f" else (0, 1, 2, 3, 5, 13):
        with np.errstate(all="ignore"):
            expected = np.power(x, exponent)
        out = type_of(x.dtype)
        mine = mapped(
            lambda f, xs, e=exponent, out=out: emit(f, "pow", [xs[0], e], out),
            kernels.target(""), 4, [x], dtype,
        )  # fmt: skip
        assert_same(mine, expected, dtype != "float16", (dtype, exponent))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_integer_powers_wrap(dtype):
    x = values(dtype, N, 4)
    o = np.abs(values("int8", N, 5) % 70).astype(dtype)
    out = type_of(x.dtype)
    mine = mapped(lambda f, xs: emit(f, "pow", xs, out), kernels.target(""), 4, [x, o], dtype)
    assert_same(mine, np.power(x, o))


def test_constant_registers_are_as_good_as_numbers():
    for dtype, value in (
        ("float32", 0.1), ("float32", -0.0), ("float64", 1e300), ("float16", 0.1), ("bool", True),
        ("int8", -7), ("uint8", 200), ("int64", -(2**63)),
    ):  # fmt: skip
        for lanes in (0, 4):
            held = value_of(const(value, type_of(np.dtype(dtype)).of(lanes)))
            assert held == np.dtype(dtype).type(value)
    assert value_of(Register("%v1", F32)) is None
    module = Module()
    f = Function(module, "f", [("x", F32)])
    emit(f, "pow", [f.arguments["x"], const(2.0, F32)], F32)
    assert "fmul" in f.text() and "fdiv" not in f.text()


def test_scalars_spread_over_vectors():
    x = np.arange(8, dtype=np.float32)
    mine = mapped(
        lambda f, xs: emit(f, "add", [xs[0], f.convert(f.register(3), "f32")], F32),
        kernels.target(""), 4, [x], np.float32,
    )  # fmt: skip
    assert_same(mine, x + 3)


def test_what_numpy_refuses_is_refused():
    for name in ("subtract", "negative", "sign"):
        with pytest.raises(TypeError, match=name):
            values_ = [values("bool", 4, 1)] * (2 if name == "subtract" else 1)
            out = type_of(np.dtype(bool))
            mapped(
                lambda f, xs, n=name, o=out: emit(f, n, xs, o), kernels.target(""), 4, values_, bool
            )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float32", "float64"])
def test_all_of_it_compiles_for_arm(dtype):
    type = type_of(np.dtype(dtype)).of(4)

    def write(f, pointers, numbers):
        x, o = (f.load(p, 0, type) for p in pointers[:2])
        for i, name in enumerate({*UNARY, *BINARY}):
            if (type.floating and "bitwise" in name) or (
                not type.floating and (name in FLOAT_ONLY or name == "isnan")
            ):
                continue
            result = (
                type if name not in ("equal", "less", "less_equal", "isnan") else type.like("b1")
            )
            out = emit(f, name, [x] if name in UNARY else [x, o], result)
            f.store(out, pointers[2], 8 * i)
        f.store(emit(f, "astype", [x], I64), pointers[2], 0)

    assert kernels.compiles_for_arm(write, 3)

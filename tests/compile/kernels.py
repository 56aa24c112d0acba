"""Small native programs for tests: registers in, registers out, over arrays."""

import ctypes
from functools import lru_cache

import numpy as np
import pytest

from chainrule.base.errors import ArgumentError
from chainrule.compile.emit.builder import Function, Module
from chainrule.compile.emit.types import I64, POINTER, type_of
from chainrule.compile.runtime import compile_object, generic, load
from chainrule.compile.runtime import target as targets

DTYPES = (
    "bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64",
)  # fmt: skip
# Instruction set and float32 lanes; 0: scalars on the machine at hand.
WIDTHS = [("avx512", 16), ("avx2", 8), ("sse2", 4), ("", 0)]


def target(name):
    """The target, if this machine can execute it; "": this machine."""
    try:
        return targets._host(name)
    except ArgumentError as error:
        pytest.skip(str(error))


def program(write, target, pointers, numbers=0):
    """IR of a function of so many pointers and integers, whose body write(f, ps, ns) writes."""
    module = Module()
    module.fma = target.fma
    arguments = [(f"p{i}", POINTER) for i in range(pointers)]
    arguments += [(f"n{i}", I64) for i in range(numbers)]
    f = Function(module, "kernel", arguments, internal=False)
    registers = list(f.arguments.values())
    write(f, registers[:pointers], registers[pointers:])
    f.ret()
    return module.text()


@lru_cache(maxsize=1)
def _loaded(text, target):
    return load(compile_object(text, target))


def execute(text, target, arrays, *numbers):
    """Runs the program on the arrays and numbers."""
    code = _loaded(text, target)
    kinds = [ctypes.c_void_p] * len(arrays) + [ctypes.c_uint64] * len(numbers)
    function = ctypes.CFUNCTYPE(None, *kinds)(code.address("kernel"))
    function(*(a.ctypes.data for a in arrays), *numbers)


def mapped(write, target, lanes, arrays, dtype):
    """write(f, registers) -> register over all elements of 1-d arrays."""
    n = len(arrays[0])
    wide = -(-n // max(lanes, 1)) * max(lanes, 1)
    padded = [np.concatenate([a, np.ones(wide - n, a.dtype)]) for a in arrays]
    out = np.empty(wide, dtype)

    def body(f, pointers, numbers):
        with f.loop(0, wide, max(lanes, 1)) as loop:
            inputs = zip(pointers, arrays, strict=False)
            xs = [f.load(p, loop.i, type_of(a.dtype).of(lanes)) for p, a in inputs]
            f.store(write(f, xs), pointers[-1], loop.i)

    execute(program(body, target, len(arrays) + 1), target, [*padded, out])
    return out[:n]


def compiles_for_arm(write, pointers, numbers=0):
    arm = generic("aarch64")
    return len(compile_object(program(write, arm, pointers, numbers), arm)) > 0


def values(dtype, n, seed):
    """Random numbers of a dtype, and often those at which something special happens."""
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return random.random(n) < 0.5
    which = random.random(n)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        edges = [0, 1, 2, 3, 7, limits.max, limits.min]
        edges += [-1, -2, -7] if dtype.kind == "i" else []
        x = random.integers(limits.min, limits.max, n, dtype, endpoint=True)
        x = np.where(which < 0.7, x, x % 9).astype(dtype)
        return np.where(which < 0.4, random.choice(np.array(edges, dtype), n), x)
    limits = np.finfo(dtype)
    edges = [0.0, 0.5, 1, 1.5, 2, 2.5, 3, 100, limits.max, limits.tiny, limits.smallest_subnormal]
    edges = [np.nan, np.inf, -np.inf, *edges, *(-x for x in edges)]
    with np.errstate(over="ignore"):
        x = (random.normal(size=n) * 10.0 ** random.integers(-3, 6, n)).astype(dtype)
    return np.where(which < 0.5, random.choice(np.array(edges, dtype), n), x)


def assert_same(mine, theirs, zeros=True, context=None):
    """To the bit, but any NaN is like another; `zeros`: 0 and −0 are told apart."""
    assert mine.dtype == theirs.dtype
    same = mine == theirs
    if mine.dtype.kind == "f":
        if zeros:
            same &= np.signbit(mine) == np.signbit(theirs)
        same |= np.isnan(mine) & np.isnan(theirs)
    at = np.flatnonzero(~same)[:5]
    assert same.all(), (context, at, mine.ravel()[at], theirs.ravel()[at])

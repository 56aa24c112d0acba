"""The code that reads images under affine maps, for every instruction set."""

import numpy as np
import pytest

from chainrule.compile import backend
from chainrule.compile.resampling import resample, resampling_ir
from chainrule.compile.runtime import compile_object, generic, host, set_num_threads
from chainrule.compile.runtime.pool import get_num_threads

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")

KINDS = ("uint8", "float32", "float64")


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse2", "aarch64"])
@pytest.mark.parametrize("kind", KINDS)
def test_code_is_made_for_every_instruction_set(name, kind):
    for normalised in (False, True):
        assert compile_object(resampling_ir(kind, normalised, generic(name)), generic(name))


def example(kind, shape):
    rng = np.random.default_rng(0)
    n, channels, height, width = shape
    images = rng.integers(0, 256, shape).astype(kind)
    work = np.dtype("float32") if kind == "uint8" else np.dtype(kind)
    matrices = rng.normal(0, 1, (2, n, 3)).astype(work)
    y, x = np.mgrid[0:height, 0:width]
    grid = np.stack([x.ravel(), y.ravel()]).astype(work)
    moments = np.linspace(0.1, 0.4, channels).astype(work), np.full(channels, 0.5, work)
    return images, matrices, grid, 0.25, moments


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 2, 1, 1), (2, 1, 5, 3), (5, 3, 17, 20), (129, 1, 28, 28)])
def test_widths_and_threads_give_the_same_bits(kind, shape, monkeypatch):
    arguments, most = example(kind, shape), get_num_threads()
    expected, wide = resample(*arguments), host()
    try:
        set_num_threads(1)
        np.testing.assert_array_equal(resample(*arguments), expected)
    finally:
        set_num_threads(most)
    for name, width in (("sse2", 16), ("avx2", 32)):
        if wide.architecture == "x86_64" and width < wide.width:
            monkeypatch.setenv("CHAINRULE_TARGET", name)
            np.testing.assert_array_equal(resample(*arguments), expected)

"""Random programs, compiled and in glass mode, give the same results, state and gradients.

`CHAINRULE_SLOW=1 pytest tests/compile/test_random_programs.py` runs 1,000 programs, new ones each
time, on every number of threads and instruction set that this machine has; else 60, always the
same.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.base.errors import ArgumentError
from chainrule.compile import backend
from chainrule.compile.runtime import target as targets

_spec = importlib.util.spec_from_file_location("programs", Path(__file__).with_name("programs.py"))
programs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(programs)
Program, check = programs.Program, programs.check
F = cr.nn.functional

pytestmark = pytest.mark.skipif(not backend.native_available(), reason="needs llvmlite")

SLOW = os.environ.get("CHAINRULE_SLOW") == "1"
NAMES = [n for n in programs.STEPS for _ in range(programs.WEIGHTS.get(n, 2))]
SEEDS = st.integers(0, 1 << 20)
PROGRAMS = st.builds(
    Program,
    st.sampled_from(programs.BATCHES),
    st.lists(SEEDS, min_size=1, max_size=3).map(tuple),
    st.lists(SEEDS, max_size=3).map(tuple),
    st.lists(st.tuples(st.sampled_from(NAMES), SEEDS), min_size=2, max_size=14).map(tuple),
)


def runs_here(name):
    try:
        targets._host(name)
    except ArgumentError:
        return False
    return True


def search(count):
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=not SLOW,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@search(600 if SLOW else 40)
@given(PROGRAMS, st.sampled_from((1, 2)))
def test_compiled_equals_glass(program, threads):
    check(program, threads)


@pytest.mark.parametrize("target", ["avx2", "sse2"])
@search(200 if SLOW else 10)
@given(PROGRAMS, st.sampled_from((1, 2)))
def test_smaller_instruction_sets(target, program, threads):
    if not runs_here(target):
        pytest.skip(f"this machine has no {target}")
    check(program, threads, target)


def test_the_programs_are_worth_comparing():
    """Nearly all can be compared, and each step takes part in some."""
    told = [check(programs.random_program(seed)) for seed in range(8)]
    assert told.count("same") >= 6
    made = set()
    for seed in range(400):
        p = programs.random_program(seed, 6)
        setting = programs.Setting(p)
        run = programs.Run(p)
        run.go([*setting.inputs(0), *setting.state])
        made |= run.did
    assert made == set(programs.STEPS)


# ---- what was found -----------------------------------------------------------------------------


def rows(*shape):
    return cr.tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def below(x):
    y = x @ rows(4)
    return y, F.pad(y, (-1, -1))


def bytes_cut(x):
    return (x + rows(33)).to(cr.int8)


def one_entry(x):
    y = x.T @ x
    return y, y.exp().sum(0, True).log() + y, (y * 2) @ y


def beside_lanes(x):
    y = F.conv2d(x.reshape(5, 1, 1, 3), rows(1, 1, 3, 3), padding=1)
    return y, (rows(3, 5).T @ rows(3, 3)) + x.exp()


def sum_beside(x):
    a, y = rows(40, 20), x @ rows(7, 1)
    return y, (a / (a * a + y * y)).sum(1, True)


FOUND = {
    "empty lanes count": (lambda x: x.T @ x, (40, 17)),
    "an aligned load at an element that is not": (below, (33, 4)),
    "a masked store of one byte wrote four": (bytes_cut, (64, 33)),
    "a product with one entry taken from another nest": (one_entry, (9, 1)),
    "a plain product in a value with the batch in the lanes": (beside_lanes, (5, 3)),
    "a sum over a row in the nest of a product": (sum_beside, (40, 7)),
    "no elements": (lambda x: x.add_(1), (3, 0)),
}


@pytest.mark.parametrize("target", [None, "avx2", "sse2"])
@pytest.mark.parametrize("what", FOUND)
def test_found_before(what, target):
    if target is not None and not runs_here(target):
        pytest.skip(f"this machine has no {target}")
    function, shape = FOUND[what]
    expected = function(rows(*shape))
    expected = expected if isinstance(expected, tuple) else (expected,)
    for threads in (1, 2):
        for _ in range(5):
            compiled = cr.compile(function)
            got = programs.compiled_calls(lambda f: f(rows(*shape)), compiled, threads, target)
            got = got if isinstance(got, tuple) else (got,)
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)

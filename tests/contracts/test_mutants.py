"""The test of the tests: the contract catches every one of thirty deliberate mistakes."""

import importlib.util
from pathlib import Path

import pytest

from chainrule.ops.op import REGISTRY
from chainrule.testing import CheckFailure, check_op
from chainrule.testing.check_op import CHECKS

# pytest imports test files by path, so their neighbours are not on the import path.
_spec = importlib.util.spec_from_file_location("mutants", Path(__file__).with_name("mutants.py"))
mutants = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mutants)

OWN = [c for c in CHECKS if not c.startswith("torch")]
IDS = [f"{m.base}: {m.mistake}" for m in mutants.MUTANTS]


def test_there_are_thirty_different_mistakes():
    assert len({m.mistake for m in mutants.MUTANTS}) == len(mutants.MUTANTS) >= 30


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=IDS)
def test_the_mistake_is_caught_for_the_right_reason(mutant):
    wrong = mutants.build(mutant)
    with pytest.raises(CheckFailure):
        check_op(wrong, checks=OWN)
    for check in mutant.caught:
        assert CHECKS[check].applies(wrong)
        with pytest.raises(CheckFailure) as caught:
            check_op(wrong, checks=[check])
        assert caught.value.check == check
        assert f"wrong_{mutant.base}" in str(caught.value)


@pytest.mark.parametrize("base", sorted({m.base for m in mutants.MUTANTS}))
def test_the_same_operation_without_the_mistake_passes(base):
    unchanged = mutants.build(mutants.Mutant("none", base, {}, ()))
    check_op(unchanged, checks=OWN)
    check_op(base, checks=OWN)


def test_the_mutants_leave_no_trace():
    for mutant in mutants.MUTANTS:
        mutants.build(mutant)
        assert f"wrong_{mutant.base}" not in REGISTRY

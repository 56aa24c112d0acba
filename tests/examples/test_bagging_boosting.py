"""The five contrasts of bagging and boosting hold, and their figure is drawn."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

PATH = Path(__file__).parents[2] / "examples" / "learn" / "bagging_boosting.py"


def test_the_five_contrasts_hold():
    spec = importlib.util.spec_from_file_location("bagging_boosting", PATH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.contrasts()
    example.check(found)
    assert example.picture(found).startswith("<svg")

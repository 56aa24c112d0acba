"""Robustness and generalisation come apart as the example says, and its figure is drawn."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("numba")

PATH = Path(__file__).parents[2] / "examples" / "learn" / "robustness.py"


def test_robustness_is_not_generalisation():
    spec = importlib.util.spec_from_file_location("robustness", PATH)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    found = example.classification()
    example.check(found, example.regression())
    assert example.picture(found).startswith("<svg")

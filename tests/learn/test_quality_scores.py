"""Five-fold scores of every estimator: no worse than scikit-learn's by one standard error.

CHAINRULE_SLOW=1: all tables and ensembles; otherwise the quick ones.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("sklearn")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
try:
    from benchmarks.learn import quality
finally:
    sys.path.remove(str(ROOT))

SLOW = os.environ.get("CHAINRULE_SLOW") == "1"
QUICK = ("iris", "titanic", "diabetes")
PAIRS = [
    pytest.param(estimator, name, id=f"{estimator.kind}-{len(estimator.options)}-{name}")
    for estimator, name in quality.pairs()
    if SLOW or (estimator.quick and name in QUICK)
]


@pytest.mark.parametrize(("estimator", "name"), PAIRS)
def test_no_worse_than_scikit_learn_by_one_standard_error(estimator, name):
    found = quality.compare(estimator, name)
    assert found.fine, found


def test_the_titanic_is_whole():
    X, y = quality.titanic()
    assert X.shape == (1309, 9)
    assert y.sum() == 500
    assert np.all(np.isfinite(X))


def test_every_estimator_is_compared():
    from chainrule import learn

    fitted = {name for name in learn.__all__ if hasattr(getattr(learn, name), "fit")}
    others = {name for name in fitted if name.endswith(("Scaler", "Features", "Whitener"))}
    compared = {estimator.kind for estimator in quality.ESTIMATORS}
    assert fitted - others == compared

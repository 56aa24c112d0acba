"""Workings of the support vector machines and the neighbours: every number is computed again."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("numba")

from chainrule.learn.neighbors import KNeighborsClassifier, KNeighborsRegressor  # noqa: E402
from chainrule.learn.svm import SVC, SVR  # noqa: E402
from chainrule.learn.working import Picture, Table  # noqa: E402


def data(features=2):
    random = np.random.default_rng(1)
    x = random.normal(size=(60, features))
    return x, (x[:, 0] + 0.3 * random.normal(size=60) > 0).astype(int)


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "sigmoid"])
def test_the_machine_s_numbers_are_right_and_its_gap_closes(kernel):
    x, y = data()
    working = SVC(kernel=kernel, gamma=0.2).fit(x, y, trace=True).working()
    assert working.verify(), working.checked
    gap = next(step for step in working.steps if len(step.of(Picture)) and step.of(Table))
    rows = gap.of(Table)[0].rows
    if kernel != "sigmoid":
        assert rows[0][-1] > 1 and abs(rows[-1][-1]) < 1e-3 * rows[-1][-2]
    assert "<svg" in working.to_html()


def test_regression_and_many_classes_show_their_working():
    x, y = data(1)
    regression = SVR().fit(x, np.sin(3 * x[:, 0]), trace=True).working()
    assert regression.verify(), regression.checked
    x, y = data()
    classes = SVC().fit(x, y + (x[:, 1] > 0), trace=True).working()
    assert classes.verify(), classes.checked
    assert "支持向量" in classes.to_text(language="zh")


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_the_neighbours_numbers_are_right(weights):
    x, y = data()
    queries = np.array([[0.1, 0.2], [1.0, -1.0]])
    for p in (1, 2, 3):
        classes = KNeighborsClassifier(3, weights=weights, p=p).fit(x, y).working(queries)
        assert classes.verify(), classes.checked
        means = KNeighborsRegressor(3, weights=weights, p=p).fit(x, x[:, 1]).working(queries)
        assert means.verify(), means.checked

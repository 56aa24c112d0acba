"""What the trees and ensembles print is worked out again from the rows."""

import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris  # noqa: E402

from chainrule import learn  # noqa: E402
from chainrule.base.errors import ArgumentError  # noqa: E402

CASES = [
    (learn.DecisionTreeClassifier(max_depth=3), load_iris),
    (learn.DecisionTreeClassifier(criterion="entropy", max_depth=3), load_breast_cancer),
    (learn.DecisionTreeRegressor(max_depth=3), load_diabetes),
    (learn.DecisionTreeRegressor(criterion="poisson", max_depth=2), load_diabetes),
    (learn.RandomForestClassifier(5, random_state=0), load_iris),
    (learn.BaggingRegressor(n_estimators=4, random_state=0), load_diabetes),
    (learn.AdaBoostClassifier(n_estimators=6), load_iris),
    (learn.AdaBoostRegressor(n_estimators=6, random_state=0), load_diabetes),
    (learn.GradientBoostingClassifier(n_estimators=6), load_iris),
    (learn.HistGradientBoostingRegressor(max_iter=6), load_diabetes),
]


@pytest.mark.parametrize(("estimator", "load"), CASES, ids=lambda v: type(v).__name__)
def test_every_printed_number_is_recomputed(estimator, load):
    estimator.fit(*load(return_X_y=True), trace=True)
    working = estimator.working()
    checked = working.verify()
    assert checked, str(checked)
    assert checked.right > 0
    for language in ("en", "zh"):
        assert working.to_text(language=language)
    if not isinstance(estimator, learn.BaggingRegressor):
        assert "<svg" in working.to_html()


def test_a_tampered_tree_is_found_out():
    tree = learn.DecisionTreeClassifier(max_depth=2).fit(*load_iris(return_X_y=True), trace=True)
    tree.tree_.impurity[1] += 0.01
    assert not tree.working().verify()


def test_without_a_trace_the_reason_is_said():
    tree = learn.DecisionTreeClassifier().fit(*load_iris(return_X_y=True))
    with pytest.raises(ArgumentError, match="trace=True"):
        tree.working()

"""Every number of the workings can be worked out again; pictures and both languages are there."""

import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris  # noqa: E402

from chainrule.base.errors import ArgumentError  # noqa: E402
from chainrule.base.text import set_language  # noqa: E402
from chainrule.learn.cluster import KMeans, MiniBatchKMeans  # noqa: E402
from chainrule.learn.decomposition import PCA, IncrementalPCA  # noqa: E402
from chainrule.learn.manifold import TSNE  # noqa: E402
from chainrule.learn.mixture import GaussianMixture  # noqa: E402

X = load_iris().data
ESTIMATORS = [
    KMeans(3, random_state=0),
    KMeans(3, random_state=0, algorithm="elkan"),
    MiniBatchKMeans(3, random_state=0, batch_size=32),
    *(
        GaussianMixture(3, covariance_type=kind, random_state=0)
        for kind in ("full", "tied", "diag", "spherical")
    ),
    PCA(2),
    PCA(2, whiten=True, svd_solver="svd"),
    IncrementalPCA(2, batch_size=40),
    TSNE(max_iter=300, random_state=0),
    TSNE(max_iter=300, random_state=0, method="exact"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_numbers_can_be_worked_out_again(estimator):
    checked = estimator.fit(X, trace=True).working().verify()
    assert checked, str(checked)
    assert checked.right >= 2


def test_a_changed_number_is_found():
    estimator = KMeans(3, random_state=0).fit(X, trace=True)
    centers, labels, inertia = estimator.trace_["rounds"][1]
    estimator.trace_["rounds"][1] = centers, labels, inertia * 1.01
    assert not estimator.working().verify()


def test_both_languages_and_pictures():
    working = GaussianMixture(3, random_state=0).fit(X, trace=True).working()
    assert "Expectation" in working.to_text(language="en")
    assert "期望步" in working.to_text(language="zh")
    assert working.to_html().count("<svg") >= 2
    set_language(None)


def test_without_trace_it_says_so():
    with pytest.raises(ArgumentError, match="trace=True"):
        PCA(2).fit(X).working()

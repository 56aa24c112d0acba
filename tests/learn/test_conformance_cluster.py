"""scikit-learn's own checks for clusters, mixtures, components and maps: none may fail."""

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from chainrule.learn.cluster import KMeans, MiniBatchKMeans  # noqa: E402
from chainrule.learn.decomposition import PCA, IncrementalPCA  # noqa: E402
from chainrule.learn.manifold import TSNE  # noqa: E402
from chainrule.learn.mixture import GaussianMixture  # noqa: E402

# Warnings that the checks themselves provoke: few samples, few rounds.
pytestmark = pytest.mark.filterwarnings("default")


@parametrize_with_checks(
    [
        KMeans(),
        KMeans(algorithm="elkan"),
        MiniBatchKMeans(batch_size=10),
        GaussianMixture(),
        GaussianMixture(covariance_type="tied"),
        PCA(),
        PCA(svd_solver="svd"),
        IncrementalPCA(batch_size=10),
        TSNE(perplexity=2, max_iter=250),
        TSNE(perplexity=2, max_iter=250, method="exact"),
    ]
)
def test_conformance(estimator, check):
    check(estimator)

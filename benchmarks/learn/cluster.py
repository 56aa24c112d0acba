"""Clusters, mixtures, components and maps beside scikit-learn: seconds of fit and of predict.

    python benchmarks/learn/cluster.py [rows ...]

Each line is the median of three runs that alternate. A ratio above 1: chainrule is faster.
"""

import statistics
import sys
import time
import warnings
from functools import partial

import sklearn.cluster
import sklearn.decomposition
import sklearn.manifold
import sklearn.mixture
from sklearn.datasets import make_blobs

from chainrule.learn import cluster, decomposition, manifold, mixture

warnings.simplefilter("ignore")


def cases(rows):
    """(name, ours, scikit-learn's, largest number of rows, columns)."""
    several = {
        "KMeans lloyd K=8": (cluster, sklearn.cluster, "KMeans", {}),
        "KMeans elkan K=30": (
            cluster, sklearn.cluster, "KMeans", {"n_clusters": 30, "algorithm": "elkan"},
        ),
        "MiniBatchKMeans K=8": (cluster, sklearn.cluster, "MiniBatchKMeans", {}),
        "PCA auto K=10": (decomposition, sklearn.decomposition, "PCA", {"n_components": 10}),
        "PCA full": (decomposition, sklearn.decomposition, "PCA", {"svd_solver": "full"}),
        "PCA randomized": (
            decomposition, sklearn.decomposition, "PCA",
            {"n_components": 5, "svd_solver": "randomized"},
        ),
        "IncrementalPCA K=10": (
            decomposition, sklearn.decomposition, "IncrementalPCA", {"n_components": 10},
        ),
    }  # fmt: skip
    for kind in ("full", "tied", "diag", "spherical"):
        options = {"n_components": 5, "covariance_type": kind}
        several[f"GaussianMixture {kind}"] = (
            mixture, sklearn.mixture, "GaussianMixture", options,
        )  # fmt: skip
    if rows <= 2000:
        options = {"max_iter": 250, "init": "random"}
        several["TSNE barnes_hut, 250 rounds"] = (manifold, sklearn.manifold, "TSNE", options)
        several["TSNE exact, 250 rounds"] = (
            manifold, sklearn.manifold, "TSNE", options | {"method": "exact"},
        )  # fmt: skip
    for name, (ours, theirs, kind, options) in several.items():
        if "random_state" in getattr(ours, kind)().get_params():
            options = options | {"random_state": 0}
        yield name, getattr(ours, kind)(**options), getattr(theirs, kind)(**options)


def seconds(call):
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def compare(first, second, runs=3):
    times = [(seconds(first), seconds(second)) for _ in range(runs)]
    return [statistics.median(side) for side in zip(*times)]


def main():
    print(f"{'estimator':30}{'rows':>8}  {'fit':>9} {'sklearn':>9} {'ratio':>6}"
          f"  {'predict':>9} {'sklearn':>9} {'ratio':>6}")  # fmt: skip
    for rows in [int(text) for text in sys.argv[1:]] or [1000, 10_000, 100_000]:
        X, _ = make_blobs(rows, 20, centers=12, cluster_std=4.0, random_state=0)
        for name, ours, theirs in cases(rows):
            ours.fit(X[:200] if "TSNE" in name else X)
            runs = 1 if "TSNE" in name else 3
            fit = compare(partial(ours.fit, X), partial(theirs.fit, X), runs)
            line = f"{name:30}{rows:8}  {fit[0]:9.4f} {fit[1]:9.4f} {fit[1] / fit[0]:6.2f}"
            act = "predict" if hasattr(ours, "predict") else "transform"
            if hasattr(ours, act):
                used = compare(
                    partial(getattr(ours, act), X),
                    partial(getattr(theirs, act), X),
                    5,
                )
                line += f"  {used[0]:9.5f} {used[1]:9.5f} {used[1] / used[0]:6.2f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()

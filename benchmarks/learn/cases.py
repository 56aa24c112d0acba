"""What is measured: one case an estimator and problem.

Options hold for both libraries. `choices` are options that change the time and not the answer: each
library gets the ones that are fastest for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

SIZES = (1_000, 10_000, 100_000)
# Threads of the linear algebra and of compiled loops.
THREADS = ((1, 2), (2, 2), (1, 1))


@dataclass(frozen=True)
class Case:
    """An estimator on a kind of table.

    Args:
        family: the folder of chainrule.learn. kind: the class's name. module: of scikit-learn.
        data, columns, classes: see `data.table`. sizes: rows; fits that take minutes are left out.
        queries: rows of a call of predict at most. peer, peer_options: the class and the options of
        scikit-learn where they have other names than ours.
    """

    family: str
    kind: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    note: str = ""
    data: str = "curved"
    columns: int = 20
    classes: int = 0
    sizes: tuple[int, ...] = SIZES
    queries: int = 100_000
    peer: str = ""
    peer_options: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.kind} {self.note}".strip()

    def settings(self) -> Iterator[dict[str, Any]]:
        """What a library may choose from."""
        keys = list(self.choices)
        for chosen in product(*self.choices.values()):
            for threads in THREADS:
                yield {"threads": threads, "options": dict(zip(keys, chosen, strict=True))}


def _linear() -> Iterator[Case]:
    line: dict[str, Any] = {"data": "straight", "columns": 50}
    module = "sklearn.linear_model"
    yield Case("linear", "LinearRegression", module, **line)
    yield Case("linear", "Ridge", module, **line)
    yield Case("linear", "Lasso", module, {"alpha": 0.02}, **line)
    yield Case("linear", "ElasticNet", module, {"alpha": 0.02}, **line)
    solvers = {"solver": ("lbfgs", "newton-cholesky")}
    for classes in (2, 5):
        note = f"{classes} classes"
        yield Case(
            "linear", "LogisticRegression", module, {}, solvers, note, classes=classes, **line
        )
    sparse = {"solver": "liblinear", "l1_ratio": 1.0, "C": 0.1}
    yield Case("linear", "LogisticRegression", module, sparse, {}, "L1", classes=2, **line)


def _preprocessing() -> Iterator[Case]:
    module = "sklearn.preprocessing"
    for kind in (
        "StandardScaler",
        "MinMaxScaler",
        "MaxAbsScaler",
        "RobustScaler",
        "PolynomialFeatures",
    ):
        yield Case("preprocessing", kind, module)


def _neighbors() -> Iterator[Case]:
    module = "sklearn.neighbors"
    every: dict[str, Any] = {"algorithm": ("auto", "brute"), "n_jobs": (2, None)}
    some: dict[str, Any] = {"algorithm": ("auto", "kd_tree", "brute"), "n_jobs": (2, None)}
    for columns, choices in ((20, every), (3, some)):
        yield Case("neighbors", "KNeighborsClassifier", module, {}, choices, f"{columns} columns",
                   columns=columns, classes=2, queries=2000)  # fmt: skip
    yield Case("neighbors", "KNeighborsRegressor", module, {"weights": "distance"}, some,
               "by distance, 8 columns", columns=8, queries=2000)  # fmt: skip


def _svm() -> Iterator[Case]:
    # At 100,000 rows one fit of either library takes a quarter of an hour and more.
    most: dict[str, Any] = {"sizes": (1_000, 10_000), "queries": 2000}
    memory = {"cache_size": (200, 1000)}
    for kernel in ("rbf", "linear", "poly"):
        size = most if kernel != "linear" else most | {"sizes": (1_000, 5_000)}
        yield Case("svm", "SVC", "sklearn.svm", {"kernel": kernel}, memory, kernel, classes=2,
                   **size)  # fmt: skip
    yield Case("svm", "SVC", "sklearn.svm", {}, memory, "rbf, 5 classes", classes=5, **most)
    yield Case("svm", "SVR", "sklearn.svm", {}, memory, "rbf", **most)
    yield Case("svm", "LinearSVC", "sklearn.svm", classes=2)
    yield Case("svm", "LinearSVC", "sklearn.svm", {"penalty": "l1"}, {}, "L1", classes=2)
    short = {"sizes": (1_000, 10_000)}
    yield Case(
        "svm", "LinearSVC", "sklearn.svm", {"loss": "hinge"}, {}, "hinge", classes=2, **short
    )
    squared = {"loss": "squared_epsilon_insensitive", "epsilon": 0.1}
    yield Case("svm", "LinearSVR", "sklearn.svm", squared, {}, "squared", **short)


def _trees() -> Iterator[Case]:
    tree, many = "sklearn.tree", "sklearn.ensemble"
    jobs: dict[str, Any] = {"n_jobs": (2, None)}
    for kind, module, options, choices in (
        ("DecisionTree", tree, {}, {}),
        ("RandomForest", many, {"n_estimators": 6}, jobs),
        ("ExtraTrees", many, {"n_estimators": 10}, jobs),
        ("Bagging", many, {"n_estimators": 4}, jobs),
        ("AdaBoost", many, {"n_estimators": 5}, {}),
        ("GradientBoosting", many, {"n_estimators": 4}, {}),
        ("HistGradientBoosting", many, {"max_iter": 30, "early_stopping": False}, {}),
    ):
        for end, classes in (("Classifier", 2), ("Regressor", 0)):
            if kind == "ExtraTrees" and not classes:
                continue
            note = f"{options['n_estimators']} trees" if "n_estimators" in options else ""
            yield Case("trees", kind + end, module, options, choices, note, classes=classes)


def _cluster() -> Iterator[Case]:
    module = "sklearn.cluster"
    both = {"algorithm": ("lloyd", "elkan")}
    for clusters in (8, 50):
        yield Case("cluster", "KMeans", module, {"n_clusters": clusters}, both, f"K={clusters}",
                   data="blobs")  # fmt: skip
    yield Case("cluster", "MiniBatchKMeans", module, {}, {}, "K=8", data="blobs")


def _decomposition() -> Iterator[Case]:
    module = "sklearn.decomposition"
    exact = {"svd_solver": ("auto", "covariance_eigh", "full")}
    yield Case("decomposition", "PCA", module, {"n_components": 10}, exact, "10 of 20")
    yield Case("decomposition", "PCA", module, {"n_components": 50, "whiten": True}, exact,
               "50 of 100, whitened", data="straight", columns=100)  # fmt: skip
    few = {"n_components": 5, "svd_solver": "randomized"}
    yield Case("decomposition", "PCA", module, few, {}, "randomized", data="blobs", columns=50)
    yield Case("decomposition", "PCA", module, {"svd_solver": "full"}, {}, "full")
    yield Case("decomposition", "IncrementalPCA", module, {"n_components": 10}, {}, "10 of 20")


def _mixture() -> Iterator[Case]:
    for kind in ("full", "tied", "diag", "spherical"):
        options = {"n_components": 5, "covariance_type": kind}
        yield Case("mixture", "GaussianMixture", "sklearn.mixture", options, {}, kind, data="blobs")


def _manifold() -> Iterator[Case]:
    # The time grows with rows times rounds: 350 rounds show it.
    options = {"max_iter": 350, "init": "random"}
    for method, sizes in (("barnes_hut", (1_000, 5_000)), ("exact", (1_000,))):
        yield Case("manifold", "TSNE", "sklearn.manifold", options | {"method": method},
                   {"n_jobs": (2, None)}, method, data="blobs", sizes=sizes)  # fmt: skip


def _neural() -> Iterator[Case]:
    # Of one size, and so many epochs that the data are fitted but for noise at the most rows.
    ours, theirs = {"max_epochs": 4, "patience": None}, {"max_iter": 4, "n_iter_no_change": 1000}
    for end, classes in (("Classifier", 2), ("Regressor", 0)):
        yield Case("neural", f"Neural{end}", "sklearn.neural_network", ours, {}, "4 epochs",
                   classes=classes, peer=f"MLP{end}", peer_options=theirs)  # fmt: skip


FAMILIES = {
    "linear": _linear, "preprocessing": _preprocessing, "neighbors": _neighbors, "svm": _svm,
    "trees": _trees, "cluster": _cluster, "decomposition": _decomposition, "mixture": _mixture,
    "manifold": _manifold, "neural": _neural,
}  # fmt: skip
CASES = [case for family in FAMILIES.values() for case in family()]


def find(name: str) -> Case:
    """The case with that name. Raises KeyError if there is none."""
    return {case.name: case for case in CASES}[name]

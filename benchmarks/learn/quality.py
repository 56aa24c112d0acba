"""Scores of every estimator beside scikit-learn's, by five folds.

    python -m benchmarks.learn --quality

The tables are the ones inside scikit-learn (the Titanic's passengers lie among the files of its
tests) and 50,000 rows made from a seed. Columns are standardised, and gaps filled with medians.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import time
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.manifold import trustworthiness
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import scale

from benchmarks.learn.data import table

Array = np.ndarray
CLASSES = ("iris", "wine", "cancer", "digits", "titanic", "50,000 classes")
NUMBERS = ("diabetes", "50,000 numbers")
BIG = 50_000
# Rows of the large table for fits whose time grows with the square of the rows.
SOME = 5_000
# Of estimators whose draws move a score as much as the folds do, the mean of these is compared.
DRAWING = ("Bagging", "RandomForest", "ExtraTrees", "Neural", "TSNE")
SEEDS = (0, 1, 2)


class Estimator(NamedTuple):
    """A class of both libraries with the same options. most: rows that are used at most.

    peer, peer_options: of scikit-learn where they have other names.
    """

    kind: str
    module: str
    options: dict[str, Any]
    most: int = BIG
    quick: bool = True
    peer: str = ""
    peer_options: dict[str, Any] = {}


ESTIMATORS = [
    Estimator("LogisticRegression", "linear_model", {}),
    Estimator("LogisticRegression", "linear_model",
              {"solver": "liblinear", "l1_ratio": 1.0}),
    Estimator("KNeighborsClassifier", "neighbors", {}, 20_000),
    Estimator("SVC", "svm", {}, SOME),
    Estimator("SVC", "svm", {"kernel": "linear", "C": 0.1}, SOME),
    Estimator("SVC", "svm", {"kernel": "poly"}, SOME),
    Estimator("SVC", "svm", {"kernel": "sigmoid"}, SOME),
    Estimator("LinearSVC", "svm", {}, SOME),
    Estimator("LinearSVC", "svm", {"penalty": "l1", "C": 0.1}, SOME),
    Estimator("LinearSVR", "svm", {"loss": "squared_epsilon_insensitive"}, SOME),
    Estimator("DecisionTreeClassifier", "tree", {"min_samples_leaf": 5}),
    Estimator("DecisionTreeClassifier", "tree", {"criterion": "entropy", "max_depth": 6}),
    Estimator("BaggingClassifier", "ensemble", {"n_estimators": 20}, 20_000, False),
    Estimator("RandomForestClassifier", "ensemble", {"n_estimators": 60}, 20_000, False),
    Estimator("ExtraTreesClassifier", "ensemble", {"n_estimators": 60}, 20_000, False),
    Estimator("AdaBoostClassifier", "ensemble", {"n_estimators": 30}, 20_000, False),
    Estimator("GradientBoostingClassifier", "ensemble", {"n_estimators": 30}, SOME, False),
    Estimator("HistGradientBoostingClassifier", "ensemble", {"max_iter": 40}, BIG, False),
    Estimator("LinearRegression", "linear_model", {}),
    Estimator("Ridge", "linear_model", {}),
    Estimator("Lasso", "linear_model", {"alpha": 0.1}),
    Estimator("ElasticNet", "linear_model", {"alpha": 0.1}),
    Estimator("KNeighborsRegressor", "neighbors", {"weights": "distance"}, 20_000),
    Estimator("SVR", "svm", {"C": 10.0}, SOME),
    Estimator("DecisionTreeRegressor", "tree", {"min_samples_leaf": 10}),
    Estimator("BaggingRegressor", "ensemble", {"n_estimators": 20}, SOME, False),
    Estimator("RandomForestRegressor", "ensemble", {"n_estimators": 40}, SOME, False),
    Estimator("AdaBoostRegressor", "ensemble", {"n_estimators": 30}, SOME, False),
    Estimator("GradientBoostingRegressor", "ensemble", {"n_estimators": 40}, SOME, False),
    Estimator("HistGradientBoostingRegressor", "ensemble", {"max_iter": 40}, BIG, False),
    Estimator("KMeans", "cluster", {"n_clusters": 5, "n_init": 5}),
    Estimator("MiniBatchKMeans", "cluster", {"n_clusters": 5, "n_init": 5}),
    Estimator("GaussianMixture", "mixture", {"n_components": 3, "reg_covar": 1e-2, "n_init": 10}),
    Estimator("GaussianMixture", "mixture", {"n_components": 3, "covariance_type": "tied",
                                             "reg_covar": 1e-2, "n_init": 10}),
    Estimator("GaussianMixture", "mixture", {"n_components": 3, "covariance_type": "diag",
                                             "reg_covar": 1e-2, "n_init": 10}),
    Estimator("PCA", "decomposition", {"n_components": 3}),
    Estimator("IncrementalPCA", "decomposition", {"n_components": 3}),
    Estimator("NeuralClassifier", "neural_network", {"max_epochs": 60}, 2_000, False,
              "MLPClassifier", {"max_iter": 60}),
    Estimator("NeuralRegressor", "neural_network", {"max_epochs": 60}, 2_000, False,
              "MLPRegressor", {"max_iter": 60}),
    # From a random start: from principal components every seed gives the same map.
    Estimator("TSNE", "manifold", {"max_iter": 500, "init": "random"}, 500, False),
]  # fmt: skip


def titanic() -> tuple[Array, Array]:
    """Class, sex, age, relatives, fare and harbour of 1,309 passengers, and who survived."""
    place = files("sklearn.datasets.tests.data.openml") / "id_40945" / "data-v1-dl-16826755.arff.gz"
    lines = gzip.decompress(place.read_bytes()).decode().splitlines()
    names = [line.split()[1].strip("'") for line in lines if line.startswith("@attribute")]
    body = lines[lines.index("@data") + 1 :]
    rows = [dict(zip(names, row, strict=True)) for row in csv.reader(body, escapechar="\\")]

    def column(name: str) -> Array:
        values = np.array([float(r[name]) if r[name] != "?" else np.nan for r in rows])
        return np.where(np.isnan(values), np.nanmedian(values), values)

    numbers = [column(name) for name in ("pclass", "age", "sibsp", "parch", "fare")]
    sex = [row["sex"] == "female" for row in rows]
    harbours = [[row["embarked"] == h for row in rows] for h in "CQS"]
    X = np.column_stack([*numbers, sex, *harbours]).astype(float)
    return X, np.array([int(row["survived"]) for row in rows])


@cache
def load(name: str) -> tuple[Array, Array]:
    """X [N, D], standardised, and y [N]."""
    if name.startswith("50,000"):
        made = table("curved", BIG, 20, 3 if name.endswith("classes") else 0)
        return made.X, made.y
    if name == "titanic":
        X, y = titanic()
    else:
        loader = "breast_cancer" if name == "cancer" else name
        X, y = getattr(datasets, f"load_{loader}")(return_X_y=True)
    return scale(X), y


def tables(kind: str) -> tuple[str, ...]:
    """The tables for an estimator."""
    regressor = kind.endswith("Regressor") or kind in (
        "LinearRegression", "Ridge", "Lasso", "ElasticNet", "SVR", "LinearSVR",
    )  # fmt: skip
    return NUMBERS if regressor else CLASSES


class Scores(NamedTuple):
    """Means over the folds, and the standard error of scikit-learn's."""

    ours: float
    theirs: float
    error: float

    @property
    def fine(self) -> bool:
        # Folds that agree to the last digits have an error of rounding size.
        return self.ours >= self.theirs - self.error - 1e-9 * abs(self.theirs)


def made(library: str, estimator: Estimator, seed: int) -> Any:
    module = "chainrule.learn" if library == "chainrule" else f"sklearn.{estimator.module}"
    name, options = estimator.kind, estimator.options
    if library == "sklearn" and estimator.peer:
        name, options = estimator.peer, estimator.peer_options
    found = getattr(importlib.import_module(module), name)(**options)
    return found.set_params(random_state=seed) if "random_state" in found.get_params() else found


def compare(estimator: Estimator, name: str) -> Scores:
    """Both libraries' scores on the same five folds of a table."""
    X, y = load(name)
    X, y = X[: estimator.most], y[: estimator.most]
    kind = StratifiedKFold if y.dtype.kind in "iu" and len(np.unique(y)) < 20 else KFold
    folds = list(kind(5, shuffle=True, random_state=0).split(X, y))
    seeds = SEEDS if estimator.kind.startswith(DRAWING) else SEEDS[:1]
    scores = [
        [
            np.mean([score(made(library, estimator, seed), X, y, *fold) for seed in seeds])
            for fold in folds
        ]
        for library in ("chainrule", "sklearn")
    ]
    ours, theirs = (float(np.mean(found)) for found in scores)
    return Scores(ours, theirs, float(np.std(scores[1], ddof=1) / np.sqrt(len(folds))))


def score(estimator: Any, X: Array, y: Array, train: Array, test: Array) -> float:
    """Of the rows not fitted; a map of t-SNE is judged on the rows that it shows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(estimator, "perplexity"):
            return float(trustworthiness(X[train], estimator.fit_transform(X[train])))
        estimator.fit(X[train], y[train])
        if hasattr(estimator, "score"):
            return float(estimator.score(X[test], y[test]))
        back = estimator.inverse_transform(estimator.transform(X[test]))
        return -float(np.mean((back - X[test]) ** 2))


def pairs() -> Iterator[tuple[Estimator, str]]:
    """Every estimator with every table for it."""
    for estimator in ESTIMATORS:
        for name in tables(estimator.kind):
            # liblinear knows two classes.
            if estimator.options.get("solver") != "liblinear" or name in ("cancer", "titanic"):
                yield estimator, name


def main(only: str = "") -> int:
    """Prints the table; returns how many rows are worse by more than a standard error."""
    print(f"{'estimator':32}{'options':44}{'table':16}{'ours':>11}{'sklearn':>11}{'error':>10}")
    worse = []
    start = time.perf_counter()
    for estimator, name in pairs():
        if only not in estimator.kind:
            continue
        found = compare(estimator, name)
        options = " ".join(f"{key}={value}" for key, value in estimator.options.items())
        line = f"{estimator.kind:32}{options:44}{name:16}{found.ours:11.5f}{found.theirs:11.5f}"
        line += f"{found.error:10.5f}"
        print(line if found.fine else f"{line}  worse", flush=True)
        if not found.fine:
            worse.append(line)
    print("", f"Worse by more than one standard error: {len(worse)}", *worse, sep="\n")
    print(f"{time.perf_counter() - start:.0f} s")
    return len(worse)

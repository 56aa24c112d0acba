"""Trees and ensembles side by side with scikit-learn: fit and predict, medians, two threads.

python benchmarks/learn/trees.py [rows …]
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import sklearn.ensemble
import sklearn.tree

from chainrule import learn

ESTIMATORS = [
    ("DecisionTreeClassifier", {"random_state": 0}),
    ("DecisionTreeRegressor", {"random_state": 0}),
    ("RandomForestClassifier", {"n_estimators": 10, "n_jobs": 2, "random_state": 0}),
    ("RandomForestRegressor", {"n_estimators": 4, "n_jobs": 2, "random_state": 0}),
    ("ExtraTreesClassifier", {"n_estimators": 10, "n_jobs": 2, "random_state": 0}),
    ("BaggingClassifier", {"n_estimators": 5, "n_jobs": 2, "random_state": 0}),
    ("AdaBoostClassifier", {"n_estimators": 10, "random_state": 0}),
    ("AdaBoostRegressor", {"n_estimators": 5, "random_state": 0}),
    ("GradientBoostingClassifier", {"n_estimators": 5, "random_state": 0}),
    ("GradientBoostingRegressor", {"n_estimators": 5, "random_state": 0}),
    ("HistGradientBoostingClassifier", {"max_iter": 30, "early_stopping": False}),
    ("HistGradientBoostingRegressor", {"max_iter": 30, "early_stopping": False}),
]


def table(rows: int, features: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A table with a signal in half of its features: values, answers, three classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, features))
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3:10] @ rng.normal(size=7)
    y = y + rng.normal(size=rows)
    return X, y, np.digitize(y, np.quantile(y, [1 / 3, 2 / 3]))


def measure(name: str, options: dict[str, object], rows: int) -> tuple[str, ...]:
    """One row of the printed table."""
    X, y, classes = table(rows)
    answers = classes if name.endswith("Classifier") else y
    other = getattr(sklearn.tree, name, None) or getattr(sklearn.ensemble, name)
    times: dict[tuple[str, str], list[float]] = {}
    turns = 7 if rows <= 1000 else 5 if rows <= 10_000 else 2
    getattr(learn, name)(**options).fit(X[:200], answers[:200]).predict(X[:200])
    for _ in range(turns):
        for who, kind in (("ours", getattr(learn, name)), ("sklearn", other)):
            estimator = kind(**options)
            start = time.perf_counter()
            estimator.fit(X, answers)
            middle = time.perf_counter()
            estimator.predict(X)
            times.setdefault((who, "fit"), []).append(middle - start)
            times.setdefault((who, "predict"), []).append(time.perf_counter() - middle)
    cells = []
    for what in ("fit", "predict"):
        a, b = (1e3 * statistics.median(times[who, what]) for who in ("ours", "sklearn"))
        cells += [f"{a:9.1f}", f"{b:9.1f}", f"{b / a:6.2f}"]
    return (f"{name:32s}", f"{rows:7d}", *cells)


if __name__ == "__main__":
    print("estimator, rows, fit ms (ours, sklearn, ratio), predict ms (ours, sklearn, ratio)")
    for count in [int(a) for a in sys.argv[1:]] or [1000, 10_000]:
        for estimator_name, settings in ESTIMATORS:
            print(*measure(estimator_name, settings, count), flush=True)

"""Support vector machines and nearest neighbours beside scikit-learn's, in one run.

python benchmarks/learn/machines.py [svm|neighbors]: medians in milliseconds; ratios above 1 are
chainrule's gain. Losing rows are printed like all others.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn.neighbors as sn
import sklearn.svm as ss
from sklearn.datasets import load_digits, load_iris

from chainrule.learn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from chainrule.learn.svm import SVC, SVR


def table(n: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x, w = random.normal(size=(n, features)), random.normal(size=features)
    return x, (x @ w + 1.5 * random.normal(size=n) + x[:, 0] ** 2 > 0.5).astype(int)


def medians(first: Callable[[], Any], second: Callable[[], Any], times: int) -> tuple[float, float]:
    taken: tuple[list[float], list[float]] = ([], [])
    for run, kept in ((first, taken[0]), (second, taken[1])):
        run()
        for _ in range(times):
            start = time.perf_counter()
            run()
            kept.append(time.perf_counter() - start)
    return float(np.median(taken[0])) * 1e3, float(np.median(taken[1])) * 1e3


def row(name: str, ours: Any, theirs: Any, x: Any, y: Any, queries: Any, times: int = 3) -> None:
    text = f"{name:34s}"
    for act in ("fit", "predict"):
        args = (x, y) if act == "fit" else (queries,)
        own = lambda act=act, args=args: getattr(ours, act)(*args)  # noqa: E731
        other = lambda act=act, args=args: getattr(theirs, act)(*args)  # noqa: E731
        a, b = medians(own, other, times)
        text += f"  {act} {a:9.2f} {b:9.2f} {b / a:7.2f}×"
    print(text, flush=True)


def svm() -> None:
    iris, digits = load_iris(return_X_y=True), load_digits(return_X_y=True)
    row("SVC iris", SVC(), ss.SVC(), *iris, iris[0], 9)
    row("SVC digits", SVC(), ss.SVC(), *digits, digits[0])
    row("SVC digits linear", SVC(kernel="linear"), ss.SVC(kernel="linear"), *digits, digits[0])
    for n in (1000, 5000):
        x, y = table(n, 20)
        row(f"SVC {n}×20", SVC(), ss.SVC(), x, y, x)
        row(f"SVC {n}×20 C=100", SVC(C=100), ss.SVC(C=100), x, y, x, 1)
        row(f"SVR {n}×20", SVR(), ss.SVR(), x, x[:, 0] + y, x, 1)
    x, y = table(20000, 20)
    row("SVC 20000×20", SVC(), ss.SVC(), x, y, x[:2000], 1)


def neighbors() -> None:
    for n, features, m, algorithm in (
        (1000, 20, 1000, "brute"), (10000, 20, 2000, "brute"), (100000, 20, 500, "brute"),
        (20000, 64, 1000, "brute"), (1000, 3, 1000, "kd_tree"), (10000, 3, 10000, "kd_tree"),
        (100000, 3, 20000, "kd_tree"), (100000, 8, 2000, "kd_tree"), (10000, 12, 2000, "auto"),
    ):  # fmt: skip
        x, y = table(n, features)
        ours = KNeighborsClassifier(algorithm=algorithm)
        theirs = sn.KNeighborsClassifier(algorithm=algorithm, n_jobs=2)
        row(f"kNN {n}×{features} {algorithm}", ours, theirs, x, y, table(m, features)[0])
    x, y = table(10000, 10)
    ours, theirs = (
        e(algorithm="brute", p=1) for e in (KNeighborsClassifier, sn.KNeighborsClassifier)
    )
    row("kNN 10000×10 manhattan brute", ours, theirs, x, y, x[:1000])
    regression = sn.KNeighborsRegressor(weights="distance", n_jobs=2)
    row("kNN regression by distance", KNeighborsRegressor(weights="distance"), regression, x, y, x)


if __name__ == "__main__":
    for part in sys.argv[1:] or ("svm", "neighbors"):
        {"svm": svm, "neighbors": neighbors}[part]()

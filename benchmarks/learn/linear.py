"""Linear models beside scikit-learn's: `python benchmarks/learn/linear.py [rows]`.

Prints milliseconds of fit of both (medians) and the ratios scikit-learn/ours of fit and predict.
With two BLAS threads scikit-learn's L-BFGS may lose much to spinning threads: its best setting is
then OPENBLAS_NUM_THREADS=1, so run this once with it as well and compare the better of both.
"""

import sys
import time
import warnings
from functools import partial

import numpy as np
import sklearn.linear_model as theirs

from chainrule.learn import linear as ours

warnings.simplefilter("ignore")


def data(n: int, p: int, classes: int = 0):
    random = np.random.default_rng(0)
    X = random.normal(size=(n, p)) * random.uniform(0.3, 3.0, p) + random.normal(size=p)
    score = X @ random.normal(size=(p, max(classes, 1))) / np.sqrt(p)
    score += random.normal(size=score.shape)
    return (X, score.argmax(axis=1)) if classes > 1 else (X, score[:, 0])


def binary(n: int, p: int):
    X, y = data(n, p)
    return X, (y > np.median(y)).astype(int)


def best(run, seconds: float = 0.1) -> list[float]:
    """Median seconds of each. They take turns in groups, whose first run does not count: the
    threads of the other one's libraries spin for a while after its last."""
    times: list[list[float]] = [[], []]
    end = time.perf_counter() + seconds
    while not times[0] or (time.perf_counter() < end and len(times[0]) < 30):
        for kind in (0, 1):
            run[kind]()
            for _ in range(3):
                start = time.perf_counter()
                run[kind]()
                times[kind].append(time.perf_counter() - start)
    return [float(np.median(t)) for t in times]


CASES = [
    ("LinearRegression", {}, data, [(1000, 20), (20000, 50), (100000, 50)]),
    ("Ridge", {}, data, [(1000, 20), (20000, 50), (100000, 50), (500, 2000)]),
    ("Lasso", {"alpha": 0.02}, data, [(1000, 20), (20000, 50), (100000, 50), (300, 3000)]),
    ("ElasticNet", {"alpha": 0.02}, data, [(1000, 20), (100000, 50), (300, 3000)]),
    ("LogisticRegression", {}, binary, [(1000, 20), (20000, 50), (100000, 50)]),
    ("LogisticRegression", {}, lambda n, p: data(n, p, 5), [(1000, 20), (20000, 50), (100000, 20)]),
    ("LogisticRegression", {"solver": "newton-cholesky"}, binary, [(1000, 20), (100000, 50)]),
    ("LogisticRegression", {"solver": "liblinear", "l1_ratio": 1.0}, binary,
     [(1000, 20), (20000, 50)]),
    ("LogisticRegression", {"solver": "saga", "l1_ratio": 0.5}, binary, [(1000, 20), (20000, 50)]),
]  # fmt: skip


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    ratios = []
    print(
        f"{'estimator':46} {'rows':>7} {'cols':>5} {'ours':>9} {'sklearn':>9} {'ratio':>6}  predict"
    )
    for name, options, make, sizes in CASES:
        for n, p in sizes:
            if n > most or wanted not in name:
                continue
            X, y = make(n, p)
            models = [getattr(room, name)(**options) for room in (ours, theirs)]
            for model in models:
                model.fit(X[:200], y[:200])
            fit = best([partial(m.fit, X, y) for m in models])
            predict = best([partial(m.predict, X) for m in models], 0.05)
            ratios += [fit[1] / fit[0], predict[1] / predict[0]]
            label = name + "".join(f" {value}" for value in options.values())
            print(
                f"{label:46} {n:7} {p:5} {fit[0] * 1e3:7.2f}ms {fit[1] * 1e3:7.2f}ms "
                f"{ratios[-2]:6.2f}  {ratios[-1]:.2f}", flush=True,
            )  # fmt: skip
    print(f"geometric mean {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()

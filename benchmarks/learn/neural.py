"""Networks as estimators beside scikit-learn's multilayer perceptron, of one size, in one run.

`python benchmarks/learn/neural.py`: medians in milliseconds of fit (so many epochs, after a first
fit that compiles) and predict; ratios above 1 are chainrule's gain.
"""

import time
import warnings
from functools import partial

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor

from chainrule.learn import NeuralClassifier, NeuralRegressor

warnings.simplefilter("ignore")


def median(run, times: int) -> float:
    run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e3


def row(name, X, y, epochs: int, ours=NeuralClassifier, theirs=MLPClassifier) -> None:
    for dtype in ("float32", "float64"):
        X = X.astype(dtype)
        models = (
            ours(max_epochs=epochs, patience=None, random_state=0),
            theirs(max_iter=epochs, n_iter_no_change=10**6, random_state=0),
        )
        text = f"{name:14} {epochs:3} epochs {dtype}"
        for act, args, times in (("fit", (X, y), 3), ("predict", (X,), 9)):
            a, b = (median(partial(getattr(m, act), *args), times) for m in models)
            text += f"  {act} {a:8.2f} {b:8.2f} {b / a:5.2f}×"
        print(text, flush=True)


def main() -> None:
    random = np.random.default_rng(0)
    row("iris", *load_iris(return_X_y=True), 100)
    X, y = load_digits(return_X_y=True)
    row("digits", X / 16, y, 30)
    X = random.normal(size=(20000, 50))
    row("20000×50", X, (X[:, 0] + X[:, 1] ** 2 > 1).astype(int), 4)
    row("20000×50 real", X, X[:, 0] * X[:, 1], 4, NeuralRegressor, MLPRegressor)
    X = random.normal(size=(100000, 20))
    row("100000×20", X, (X[:, 0] + X[:, 1] ** 2 > 1).astype(int), 1)


if __name__ == "__main__":
    main()

"""One library in a process of its own: answers the coordinator line by line.

    python -m benchmarks.learn.worker chainrule|sklearn [first CASE]

With `first`: seconds of the first fit and the first use of a case, with whatever is cached.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from benchmarks.learn.cases import CASES, Case, find
from benchmarks.learn.data import Table, table

# Calls shorter than this are repeated in a block, of which the first does not count.
LEAST = 0.02
MOST_CALLS = 200
WARM_ROWS = 300
# Of a map, so many rows are judged: whether neighbours on it are neighbours in the table.
MAP_ROWS = 1000
# What a few trees draw moves a score by several percent: the mean of several fits counts.
DRAWING = ("Bagging", "RandomForest", "ExtraTrees")


def estimator(side: str, case: Case, options: dict[str, Any], seed: int) -> Any:
    """The unfitted estimator of one library."""
    module = "chainrule.learn" if side == "chainrule" else case.module
    theirs = side == "sklearn" and bool(case.peer)
    kind = getattr(importlib.import_module(module), case.peer if theirs else case.kind)
    made = kind(**(case.peer_options or {} if theirs else case.options))
    known = made.get_params()
    if "random_state" in known:
        made.set_params(random_state=seed)
    return made.set_params(**{key: value for key, value in options.items() if key in known})


def use(fitted: Any) -> str:
    """The method that is timed after the fit; "" if there is none."""
    return next((act for act in ("predict", "transform") if hasattr(fitted, act)), "")


def score(case: Case, fitted: Any, data: Table) -> float:
    """How good the fit is; larger is better."""
    if case.family == "manifold":
        # scikit-learn's divergence is not that of the map when rounds are this few.
        X, places = data.X[:MAP_ROWS], fitted.embedding_[:MAP_ROWS]
        return float(importlib.import_module("sklearn.manifold").trustworthiness(X, places))
    if case.family == "decomposition":
        return float(fitted.explained_variance_ratio_.sum())
    if case.family == "preprocessing":
        return float(np.abs(fitted.transform(data.other_X)).mean())
    found = fitted.score(data.other_X, data.other_y)
    return float(found) / (len(data.other_X) if case.family == "cluster" else 1)


def seeds(case: Case, rows: int) -> int:
    """How many fits the mean score is of."""
    return min(max(100_000 // rows, 2), 20) if case.kind.startswith(DRAWING) else 1


@contextlib.contextmanager
def threads(counts: list[int], controller: ThreadpoolController) -> Any:
    """So many threads of the linear algebra and of OpenMP."""
    with controller.limit(limits=counts[0], user_api="blas"), controller.limit(
        limits=counts[1], user_api="openmp"
    ):  # fmt: skip
        yield


def block(call: Callable[[], Any]) -> float:
    """Median seconds of a call."""
    gc.collect()
    taken: list[float] = []
    while not taken or (sum(taken) < LEAST and len(taken) < MOST_CALLS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:] or taken)


class Side:
    """One library and the table that it works on."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.case, self.data = CASES[0], table("curved", 10, 20, 0)
        self.fitted: Any = None
        self.setting: dict[str, Any] = {}

    def load(self, name: str, rows: int) -> None:
        """Makes the table, and fits a few rows of it, so that everything is imported."""
        case = self.case = find(name)
        data = self.data = table(case.data, rows, case.columns, case.classes)
        made = estimator(self.side, case, {}, 0).fit(data.X[:WARM_ROWS], data.y[:WARM_ROWS])
        if act := use(made):
            getattr(made, act)(data.X[:10])
        # Libraries that came with the fit are found too.
        self.controller = ThreadpoolController()

    def fit(self, setting: dict[str, Any], seed: int) -> float:
        def call() -> None:
            made = estimator(self.side, self.case, setting["options"], seed)
            self.fitted = made.fit(self.data.X, self.data.y)

        self.setting = setting
        with threads(setting["threads"], self.controller):
            return block(call)

    def use(self, setting: dict[str, Any], seed: int) -> float:
        """Of the estimator that the last `fit` left."""
        queries = self.data.X[: self.case.queries]
        known = self.fitted.get_params()
        jobs = {key: value for key, value in setting["options"].items() if key == "n_jobs"}
        self.fitted.set_params(**{key: value for key, value in jobs.items() if key in known})
        act = getattr(self.fitted, use(self.fitted))
        with threads(setting["threads"], self.controller):
            return block(lambda: act(queries))

    def score(self) -> float:
        """Of the last fit; where draws decide, the mean with fits of further seeds."""
        scores = [score(self.case, self.fitted, self.data)]
        with threads(self.setting["threads"], self.controller):
            for seed in range(1, seeds(self.case, len(self.data.X))):
                made = estimator(self.side, self.case, self.setting["options"], seed)
                made.fit(self.data.X, self.data.y)
                scores.append(score(self.case, made, self.data))
        return statistics.fmean(scores)

    def acts(self) -> list[str]:
        made = estimator(self.side, self.case, {}, 0)
        return ["fit", "use"] if use(made) else ["fit"]

    def peak(self, name: str, rows: int, setting: dict[str, Any]) -> float:
        """MiB that a fit adds at its highest point, in a process of its own."""
        for module in {case.module for case in CASES}:
            importlib.import_module(module)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            with os.fdopen(writing, "w") as out:
                out.write(str(self._peak(name, rows, setting)))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            found = answer.read()
        os.waitpid(child, 0)
        return float(found)

    def _peak(self, name: str, rows: int, setting: dict[str, Any]) -> float:
        self.load(name, rows)
        made = estimator(self.side, self.case, setting["options"], 0)
        with threads(setting["threads"], self.controller):
            gc.collect()
            forget_peak()
            before = resident("VmRSS")
            made.fit(self.data.X, self.data.y)
        return max(resident("VmHWM") - before, 0) / 1024


def forget_peak() -> None:
    """The highest resident size starts again from the size now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(key: str) -> int:
    """KiB: VmRSS now, VmHWM at most."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def first(side: str, name: str) -> dict[str, float]:
    """Seconds of the first fit and the first use in this process."""
    case = find(name)
    data = table(case.data, 1000, case.columns, case.classes)
    made = estimator(side, case, {}, 0)
    start = time.perf_counter()
    made.fit(data.X, data.y)
    middle = time.perf_counter()
    if act := use(made):
        getattr(made, act)(data.X)
    return {"fit": middle - start, "use": time.perf_counter() - middle}


def main() -> None:
    warnings.simplefilter("ignore")
    # What an estimator prints must not come between the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    if sys.argv[2:3] == ["first"]:
        print(json.dumps(first(sys.argv[1], sys.argv[3])), file=out, flush=True)
        return
    side = Side(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"value": getattr(side, asked.pop("do"))(**asked)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()

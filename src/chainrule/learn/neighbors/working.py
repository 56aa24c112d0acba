"""The working of the neighbour estimators: each query's neighbours, distances and votes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.neighbors.search import Metric
from chainrule.learn.working import Formula, Regions, Words, Working

_QUERIES = 3
_FORMULAS = {
    0: Formula("d(a, b) = √Σ(a − b)²", r"d(a,b)=\sqrt{\sum(a-b)^2}"),
    1: Formula("d(a, b) = Σ|a − b|", r"d(a,b)=\sum|a-b|"),
    2: Formula("d(a, b) = max|a − b|", r"d(a,b)=\max|a-b|"),
    3: Formula("d(a, b) = (Σ|a − b|^p)^(1/p)", r"d(a,b)=\bigl(\sum|a-b|^p\bigr)^{1/p}"),
}


def neighbours_working(estimator: Any, X: Any, classes: bool) -> Working:
    """A step for each of the first queries: the samples nearest to it and what they say."""
    name = ("Nearest neighbours: votes", "最近邻：投票") if classes else (
        "Nearest neighbours: mean", "最近邻：均值"
    )  # fmt: skip
    working = Working(Words(*name))
    queries = (estimator._fit_X if X is None else estimator._queries(X))[:_QUERIES]
    distances, indices = estimator.kneighbors(queries)
    weights = estimator._weights_of(distances)
    weights = np.ones(indices.shape) if weights is None else weights
    metric = estimator._metric
    formula = None if metric is None else _FORMULAS[metric.kind]
    for q in range(indices.shape[0]):
        step = working.step(Words(f"Query {q}", f"查询 {q}"), formula)
        near, weight = indices[q], np.asarray(weights[q], dtype=np.float64)
        targets = estimator._y.reshape(estimator.n_samples_fit_, -1)[near, 0]
        names = _names(estimator) if classes else None
        said = targets if names is None else names[targets]
        heads = (
            Words("neighbour", "邻居"), Words("distance", "距离"), Words("weight", "权重"),
            Words("class", "类别") if classes else Words("target", "目标"),
        )  # fmt: skip
        rows = [(int(i), d, w, s) for i, d, w, s in zip(near, distances[q], weight, said)]
        again = None
        if metric is not None and not issparse(estimator._fit_X) and not issparse(queries):
            again = _again(estimator, queries[q], metric, rows)
        step.table(heads, rows, again)
        one = queries[q : q + 1]
        if names is None:
            value = float(weight @ targets / weight.sum())
            step.line("ŷ", "Σ w y/Σ w", value, partial(_predicted, estimator, one))
            continue
        votes = np.bincount(targets, weight, names.size)
        total = float(votes.sum())
        table = [(str(n), v, v / total) for n, v in zip(names, votes)]
        columns = (Words("class", "类别"), Words("votes", "票数"), Words("share", "占比"))
        step.table(columns, table, partial(_shares, estimator, one, names, total))
        x = estimator._fit_X
        if not issparse(x) and x.shape[1] == 2:
            ringed = np.isin(np.arange(x.shape[0]), near)
            labels = estimator._y.reshape(x.shape[0], -1)[:, 0]
            title = Words("Its neighbours are ringed, it is the star", "圈出的是邻居，星为查询点")
            step.picture(Regions(title, x, labels, marked=ringed, stars=np.asarray(one)))
    return working


def _names(estimator: Any) -> Any:
    """The classes of the first output."""
    return estimator.classes_[0] if estimator.outputs_2d_ else estimator.classes_


def _predicted(estimator: Any, query: Any) -> float:
    return float(np.ravel(estimator.predict(query))[0])


def _shares(estimator: Any, query: Any, names: Any, total: float) -> list[Any]:
    shares = estimator.predict_proba(query)
    shares = shares[0] if estimator.outputs_2d_ else shares
    return [(str(n), p * total, p) for n, p in zip(names, shares[0])]


def _again(estimator: Any, query: np.ndarray, metric: Metric, rows: list[Any]) -> Any:
    """Recomputes the distances by the metric's definition, over all samples."""

    def compute() -> list[Any]:
        difference = np.abs(estimator._fit_X.astype(np.float64) - query)
        order = np.inf if metric.kind == 2 else metric.p
        all_distances = np.linalg.norm(difference, ord=order, axis=1)
        nearest = np.sort(all_distances)[: len(rows)]
        return [(i, d, w, said) for (i, _, w, said), d in zip(rows, nearest)]

    return compute

"""The working of k-means: assignment, means and inertia, round by round."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.learn.working import Curves, Formula, Multiples, Regions, Words, Working, numbers

Array = np.ndarray
# Rounds that are drawn at most: the first ones and the last.
_FRAMES = 6


def chosen(count: int, most: int = _FRAMES) -> list[int]:
    """At most `most` of `count` rounds: closer together at the start, where most happens."""
    if count <= most:
        return list(range(count))
    places = np.geomspace(1, count, most).round().astype(int)
    # Early places that fall together move up.
    return [int(max(place, i + 1)) - 1 for i, place in enumerate(places)]


def _squares(X: Array, centers: Array) -> Array:
    return ((X[:, None] - centers[None]) ** 2).sum(axis=2)


def working(owner: Any, trace: dict[str, Any]) -> Working:
    """Of `KMeans`: one sample's distances, one mean, the inertia of every round."""
    X, weights, rounds = trace["X"], trace["weights"], trace["rounds"]
    shown = Working(Words("K-means", "K 均值"))
    _assignment(shown, X, rounds)
    _mean(shown, X, weights, rounds)
    step = shown.step(
        Words("Inertia round by round", "逐轮的惯量"),
        Formula("J = Σ w·|x − c|²", r"J = \sum_i w_i \lVert x_i - c_{k(i)} \rVert^2"),
    )
    step.note(
        "Neither the assignment nor the means can raise J: the rounds end.",
        "无论是分配还是求均值都不会使 J 增大，因此迭代必会停止。",
    )
    step.table(
        (Words("round", "轮"), "J", Words("labels changed", "改变的标签")),
        _table(X, [labels for _, labels, _ in rounds], [inertia for *_, inertia in rounds]),
        lambda: _table(
            X,
            [labels for _, labels, _ in rounds],
            [
                float(np.sum(weights * np.sum((X - centers[labels]) ** 2, axis=1)))
                for centers, labels, _ in rounds
            ],
        ),
    )
    step.picture(Curves(Words("Inertia", "惯量"), {"J": [inertia for *_, inertia in rounds]}))
    if X.shape[1] > 1:
        _pictures(step, X, rounds)
    return shown


def _assignment(shown: Working, X: Array, rounds: list[Any]) -> None:
    centers, labels, _ = rounds[0]
    step = shown.step(
        Words("Assign each sample to the nearest center", "把每个样本分配给最近的中心"),
        Formula("k(i) = argmin_k |x_i − c_k|²", r"k(i) = \arg\min_k \lVert x_i - c_k \rVert^2"),
    )
    for k in range(min(len(centers), 5)):
        step.line(
            f"|x₀ − c_{k}|²",
            f"|{numbers(X[0])} − {numbers(centers[k])}|²",
            float(np.sum((X[0] - centers[k]) ** 2)),
            partial(_expanded, X[0], centers[k]),
            tolerance=1e-6,
        )
    step.line("k(0)", "", int(labels[0]), lambda: int(_squares(X[:1], centers).argmin()))


def _expanded(x: Array, c: Array) -> float:
    return float(x @ x - 2 * x @ c + c @ c)


def _mean(shown: Working, X: Array, weights: Array, rounds: list[Any]) -> None:
    _, labels, _ = rounds[0]
    after = rounds[min(1, len(rounds) - 1)][0]
    step = shown.step(
        Words("Move each center to the mean of its samples", "把每个中心移到其样本的均值"),
        Formula("c_k = Σ w·x / Σ w", r"c_k = \frac{\sum_{k(i)=k} w_i x_i}{\sum_{k(i)=k} w_i}"),
    )
    for k in np.unique(labels)[:5]:
        mine = labels == k
        mass = float(weights[mine].sum())
        total = weights[mine] @ X[mine]
        if not np.allclose(after[k], total / max(mass, 1e-300), rtol=1e-6, atol=1e-9):
            continue  # it gave a sample to an empty cluster
        step.line(
            f"c_{k}",
            f"{numbers(total)}/{mass:g}",
            after[k],
            partial(np.average, X[mine], axis=0, weights=weights[mine]),
            tolerance=1e-6,
        )


def _table(X: Array, labels: list[Array], inertias: list[float]) -> list[tuple[Any, ...]]:
    rows = []
    for i, inertia in enumerate(inertias):
        changed = len(X) if i == 0 else int(np.sum(labels[i] != labels[i - 1]))
        rows.append((i, inertia, changed))
    return rows


def _pictures(step: Any, X: Array, rounds: list[Any]) -> None:
    frames = [
        Regions(
            Words(f"round {i}", f"第 {i} 轮"),
            X[:, :2],
            rounds[i][1],
            stars=rounds[i][0][:, :2],
            width=230,
            height=210,
        )
        for i in chosen(len(rounds))
    ]
    title = Words("Clusters and centers, first two features", "簇与中心（前两个特征）")
    step.picture(Multiples(title, frames))


def working_of_batches(owner: Any, trace: dict[str, Any]) -> Working:
    """Of `MiniBatchKMeans`: the inertia of the batches, and of all samples by the centers."""
    X, weights, steps = trace["X"], trace["weights"], trace["steps"]
    shown = Working(Words("K-means on batches", "小批量 K 均值"))
    step = shown.step(
        Words("Each center is a running mean", "每个中心是滑动均值"),
        Formula("c ← (n·c + Σ x)/(n + m)", r"c \leftarrow \frac{n c + \sum x}{n + m}"),
    )
    step.note(
        "n samples were in the cluster before, m of the batch join it.",
        "此前簇中有 n 个样本，本批又加入 m 个。",
    )

    def rows() -> list[tuple[int, float]]:
        return [
            (i, float(weights @ _squares(X, steps[i][0]).min(axis=1))) for i in chosen(len(steps))
        ]

    heads = (Words("step", "步"), Words("inertia of all samples", "全部样本的惯量"))
    step.table(heads, rows(), rows)
    step.picture(
        Curves(
            Words("Mean inertia of each batch", "每批的平均惯量"),
            {Words("batch", "批").here(): [mean for _, mean in steps]},
        )
    )
    step.line(
        "J", "Σ w·|x − c|²", float(weights @ _squares(X, owner.cluster_centers_).min(axis=1)),
        lambda: -owner.score(X, sample_weight=weights), tolerance=1e-6,
    )  # fmt: skip
    return shown

"""The working of t-SNE: the forces on one point, and the divergence by rounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.learn.cluster.steps import chosen
from chainrule.learn.working import Curves, Formula, Multiples, Regions, Words, Working

Array = np.ndarray
# Points whose forces are drawn.
_ARROWS = 40
# Neighbours whose pull is written out.
_NEIGHBOURS = 8


def _weights(points: Array, i: int, freedom: float) -> tuple[Array, Array]:
    """w and q [N] of the pairs of point i; with itself 0."""
    w = 1 / (1 + ((points[i] - points) ** 2).sum(axis=1) / freedom)
    q = w ** ((freedom + 1) / 2)
    w[i] = q[i] = 0
    return w, q


def working(owner: Any, trace: dict[str, Any]) -> Working:
    """The forces on the first sample at the end, and KL at every check."""
    shares, points, checks = trace["shares"], trace["points"], trace["checks"]
    freedom = float(max(points.shape[1] - 1, 1))
    mass = sum(float(_weights(points, i, freedom)[1].sum()) for i in range(len(points)))
    row = _row(shares, 0)
    w, q = _weights(points, 0, freedom)
    steps = w[:, None] * (points[0] - points)
    pull, push = row @ steps, q @ steps / mass
    factor = 2 * (freedom + 1) / freedom
    shown = Working(Words("t-SNE", "t-SNE"))
    step = shown.step(
        Words("The pull on the first point", "第一个点所受的引力"),
        Formula("A = Σ_j p_ij·w_ij·(y_i − y_j),  w = 1/(1 + |y_i − y_j|²/ν)",
                r"A_i = \sum_j p_{ij} w_{ij} (y_i - y_j),\quad "
                r"w_{ij} = \frac{1}{1 + |y_i - y_j|^2/\nu}"),
    )  # fmt: skip
    near = np.argsort(-row)[:_NEIGHBOURS]
    step.table(
        ("j", "p", "w", "p·w·(y₀ − y_j)₀"),
        [(int(j), row[j], w[j], float(row[j] * steps[j, 0])) for j in near],
        lambda: [_pair(shares, points, freedom, int(j)) for j in near],
        title=Words("The nearest samples", "最近的样本"),
    )
    step.line("A₀", "", pull, lambda: _pull(row, points, freedom), tolerance=1e-8)
    step = shown.step(
        Words("The push on it", "它所受的斥力"),
        Formula("R = Σ_j q_ij·w_ij·(y_i − y_j)/Z,  Z = Σ q",
                r"R_i = \frac1Z \sum_j q_{ij} w_{ij} (y_i - y_j),\quad Z = \sum_{k \ne l} q_{kl}"),
    )  # fmt: skip
    step.line("Z", "", mass, lambda: _total(points, freedom), tolerance=1e-8)
    step.line("R₀", "", push, lambda: _push(points, freedom) / mass, tolerance=1e-8)
    step.line(
        "∂KL/∂y₀", f"{factor:g}·(A₀ − R₀)", factor * (pull - push),
        lambda: factor * (_pull(row, points, freedom) - _push(points, freedom) / mass),
        tolerance=1e-6,
    )  # fmt: skip
    _divergence(shown, shares, points, checks, freedom, owner.method)
    return shown


def _divergence(
    shown: Working, shares: Any, points: Array, checks: list[Any], freedom: float, method: str
) -> None:
    step = shown.step(
        Words("Divergence by rounds", "逐轮的散度"),
        Formula("KL = Σ p·log(p/q)", r"KL = \sum_{i \ne j} p_{ij} \log \frac{p_{ij}}{q_{ij}}"),
    )
    # A tree's Z is an estimate: within a few per cent of the sum over all pairs.
    tolerance = 1e-6 if method == "exact" else 0.05
    last = [checks[i] for i in chosen(len(checks))]
    step.table(
        (Words("round", "轮"), "KL"),
        [(done, value) for done, value, _ in last],
        lambda: [(done, _kl(shares, at, freedom)) for done, _, at in last],
        tolerance=tolerance,
    )
    rounds, values = [done for done, *_ in checks], [value for _, value, _ in checks]
    step.picture(Curves(Words("Divergence", "散度"), {"KL": (rounds, values)}))
    if points.shape[1] >= 2:
        frames = [
            Regions(Words(f"round {done}", f"第 {done} 轮"), at[:, :2], width=230, height=210)
            for done, _, at in last
        ]
        step.picture(Multiples(Words("The map", "映射"), frames))
        step.picture(_forces(shares, points, freedom))


def _forces(shares: Any, points: Array, freedom: float) -> Regions:
    """The map with the pull and the push on some of its points."""
    few = np.unique(np.linspace(0, len(points) - 1, min(len(points), _ARROWS)).astype(int))
    apart = points[few, None] - points[None]
    w = 1 / (1 + (apart**2).sum(axis=2) / freedom)
    rows = np.stack([_row(shares, int(i)) for i in few])
    pull = -np.einsum("ij,ijd->id", rows * w, apart)
    push = np.einsum("ij,ijd->id", w ** ((freedom + 3) / 2), apart) / _total(points, freedom)
    longest = max(float(np.abs(force).max()) for force in (pull, push)) or 1.0
    scale = 0.15 * float(np.ptp(points[:, :2], axis=0).max()) / longest
    return Regions(
        Words("Pull and push at the end", "最终的引力与斥力"),
        points[:, :2],
        arrows={
            Words(name, zh).here(): np.c_[points[few, :2], scale * force[:, :2]]
            for name, zh, force in (("pull", "引力", pull), ("push", "斥力", push))
        },
        width=420,
        height=360,
    )


def _row(shares: Any, i: int) -> Array:
    row = shares[[i]]
    return (row if isinstance(row, np.ndarray) else row.toarray()).ravel()


def _pair(shares: Any, points: Array, freedom: float, j: int) -> tuple[Any, ...]:
    square = float(np.sum((points[0] - points[j]) ** 2))
    w = freedom / (freedom + square)
    p = _row(shares, 0)[j]
    return j, p, w, float(p * w * (points[0, 0] - points[j, 0]))


def _pull(row: Array, points: Array, freedom: float) -> Array:
    total = np.zeros(points.shape[1])
    for j in range(1, len(points)):
        d = points[0] - points[j]
        total += row[j] * d / (1 + d @ d / freedom)
    return total


def _push(points: Array, freedom: float) -> Array:
    total = np.zeros(points.shape[1])
    for j in range(1, len(points)):
        d = points[0] - points[j]
        w = 1 / (1 + d @ d / freedom)
        total += w ** ((freedom + 3) / 2) * d
    return total


def _kernel(points: Array, freedom: float) -> Array:
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    q = (1 + squares / freedom) ** (-(freedom + 1) / 2)
    np.fill_diagonal(q, 0)
    return q


def _total(points: Array, freedom: float) -> float:
    return float(_kernel(points, freedom).sum())


def _kl(shares: Any, points: Array, freedom: float) -> float:
    p = shares if isinstance(shares, np.ndarray) else shares.toarray()
    q = _kernel(points, freedom)
    q /= q.sum()
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / q[used])))

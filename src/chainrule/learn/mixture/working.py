"""The working of expectation and maximization: shares, moments, likelihood round by round."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.learn.cluster.steps import chosen
from chainrule.learn.working import Curves, Formula, Multiples, Regions, Words, Working, numbers

Array = np.ndarray


def _matrices(covariances: Array, kind: str, components: int, features: int) -> Array:
    """The covariance [K, D, D] of each component from any form."""
    if kind == "full":
        return covariances
    if kind == "tied":
        return np.repeat(covariances[None], components, axis=0)
    if kind == "diag":
        return np.stack([np.diag(row) for row in covariances])
    return np.stack([value * np.eye(features) for value in covariances])


def log_densities(X: Array, means: Array, matrices: Array) -> Array:
    """log N(x; μ_k, Σ_k) as [N, K], straight from the definition."""
    columns = []
    for mean, matrix in zip(means, matrices):
        d = X - mean
        squares = np.einsum("nd,nd->n", d, np.linalg.solve(matrix, d.T).T)
        log_det = np.linalg.slogdet(2 * np.pi * matrix)[1]
        columns.append(-0.5 * (squares + log_det))
    return np.stack(columns, axis=1)


def _weighted(X: Array, weights: Array, means: Array, matrices: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(weights) + log_densities(X, means, matrices)


def _mean_likelihood(X: Array, *parameters: Any) -> float:
    return float(np.mean(np.logaddexp.reduce(_weighted(X, *parameters), axis=1)))


def working(owner: Any, trace: dict[str, Any]) -> Working:
    """One sample's shares, one component's mean and weight, the likelihood of every round."""
    X = trace["X"].astype(np.float64)
    kind, components = owner.covariance_type, owner.n_components
    path = [
        (weights, means, _matrices(covariances, kind, components, X.shape[1]))
        for weights, means, covariances in trace["path"]
        if covariances is not None
    ]
    bounds = trace["bounds"][len(trace["bounds"]) + 1 - len(path) :]
    tolerance = 1e-6 if trace["X"].dtype == np.float64 else 1e-2
    shown = Working(Words("Gaussian mixture", "高斯混合"))
    _expectation(shown, X, path[0])
    if len(path) > 1:
        _maximization(shown, X, path[0], path[1], tolerance)
    step = shown.step(
        Words("Likelihood round by round", "逐轮的似然"),
        Formula(
            "L = (1/N)·Σ_i log Σ_k π_k·N(x_i; μ_k, Σ_k)",
            r"L = \frac1N \sum_i \log \sum_k \pi_k \mathcal N(x_i; \mu_k, \Sigma_k)",
        ),
    )
    step.note("No round lowers L.", "没有任何一轮会使 L 降低。")
    step.table(
        (Words("round", "轮"), "L"),
        list(enumerate(bounds)),
        lambda: [(i, _mean_likelihood(X, *path[i])) for i in range(len(bounds))],
        tolerance=tolerance,
    )
    step.picture(Curves(Words("Mean log-likelihood", "平均对数似然"), {"L": bounds}))
    if X.shape[1] > 1:
        frames = [
            Regions(
                Words(f"round {i}", f"第 {i} 轮"),
                X[:, :2],
                _weighted(X, *path[i]).argmax(axis=1),
                stars=path[i][1][:, :2],
                paths={f"{k}": _ellipse(path[i][1][k], path[i][2][k]) for k in range(components)},
                width=230,
                height=210,
            )
            for i in chosen(len(path))
        ]
        title = Words("Components at two deviations, first two features",
                      "两倍标准差处的各分量（前两个特征）")  # fmt: skip
        step.picture(Multiples(title, frames))
    return shown


def _expectation(shown: Working, X: Array, parameters: tuple[Array, Array, Array]) -> None:
    logs = _weighted(X[:1], *parameters)[0]
    shares = np.exp(logs - np.logaddexp.reduce(logs))
    step = shown.step(
        Words("Expectation: how much of a sample belongs to each component",
              "期望步：样本属于各分量的程度"),
        Formula("r_k = π_k·N(x; μ_k, Σ_k) / Σ_l π_l·N(x; μ_l, Σ_l)",
                r"r_k = \frac{\pi_k \mathcal N(x;\mu_k,\Sigma_k)}"
                r"{\sum_l \pi_l \mathcal N(x;\mu_l,\Sigma_l)}"),
    )  # fmt: skip
    for k in range(min(len(logs), 5)):
        step.line(
            f"log(π_{k}·N(x₀))",
            f"log {parameters[0][k]:.4g} + log N({numbers(X[0])}; {numbers(parameters[1][k])}, Σ)",
            logs[k],
            partial(_by_eigenvalues, X[0], *(part[k] for part in parameters)),
            tolerance=1e-6,
        )
    step.line("r(x₀)", "", shares, lambda: np.exp(logs) / np.exp(logs).sum(), tolerance=1e-6)


def _by_eigenvalues(x: Array, weight: Any, mean: Array, matrix: Array) -> float:
    values, vectors = np.linalg.eigh(matrix)
    along = (x - mean) @ vectors
    squares = float(np.sum(along**2 / values))
    return float(np.log(weight) - 0.5 * (squares + np.sum(np.log(2 * np.pi * values))))


def _maximization(shown: Working, X: Array, before: Any, after: Any, tolerance: float) -> None:
    logs = _weighted(X, *before)
    shares = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    mass = shares.sum(axis=0)
    step = shown.step(
        Words("Maximization: weights and means of the shares", "最大化步：由份额得到权重与均值"),
        Formula("π_k = Σ r/N,  μ_k = Σ r·x / Σ r",
                r"\pi_k = \frac1N\sum_i r_{ik},\quad \mu_k = \frac{\sum_i r_{ik} x_i}"
                r"{\sum_i r_{ik}}"),
    )  # fmt: skip
    for k in range(min(len(mass), 5)):
        step.line(
            f"π_{k}", f"{mass[k]:.4g}/{len(X)}", after[0][k],
            partial(float(mass[k]).__truediv__, float(mass.sum())), tolerance=tolerance,
        )  # fmt: skip
        step.line(
            f"μ_{k}", f"{numbers(shares[:, k] @ X)}/{mass[k]:.4g}", after[1][k],
            partial(np.average, X, axis=0, weights=shares[:, k]), tolerance=tolerance,
        )  # fmt: skip


def _ellipse(mean: Array, matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix[:2, :2])
    turn = np.linspace(0, 2 * np.pi, 41)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return mean[:2] + 2 * (circle * np.sqrt(np.maximum(values, 0))) @ vectors.T

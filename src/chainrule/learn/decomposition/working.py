"""The working of principal components: centre, covariance, eigenvectors, project."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.learn.working import Bars, Curves, Formula, Regions, Words, Working, numbers

Array = np.ndarray
# Features of which the covariance matrix is written out at most.
_WRITTEN = 8


def working(owner: Any, trace: dict[str, Any]) -> Working:
    """The notes' four steps with the numbers of the fit."""
    X = trace["X"].astype(np.float64)
    tolerance = 1e-6 if trace["X"].dtype == np.float64 else 1e-2
    shown = Working(Words("Principal components", "主成分分析"))
    step = shown.step(
        Words("Centre", "去中心化"), Formula("x ← x − x̄", r"x_i \leftarrow x_i - \bar x")
    )
    step.line("x̄", "", owner.mean_, lambda: np.sum(X, axis=0) / len(X), tolerance=tolerance)
    centred = X - X.mean(axis=0)
    step.line(
        "x₀ − x̄", f"{numbers(X[0])} − {numbers(owner.mean_)}", X[0] - owner.mean_,
        lambda: centred[0], tolerance=tolerance,
    )  # fmt: skip
    matrix = centred.T @ centred / (len(X) - 1)
    _covariance(shown, X, matrix)
    _eigenvectors(shown, owner, trace["spectrum"], matrix, tolerance)
    if X.shape[1] > 1:
        _directions(step=shown.steps[-1], owner=owner, X=X)
    step = shown.step(Words("Project", "投影"), Formula("B = A·V", "B = A V"))
    first = (centred @ owner.components_.T)[:, : max(2, min(2, owner.n_components_))]
    step.line(
        "b₀", f"{numbers(centred[0])}·Vᵀ", owner.components_ @ centred[0],
        lambda: _coordinates(owner, X[:1])[0], tolerance=tolerance,
    )  # fmt: skip
    step.note(
        "The columns of B have mean 0 and are not correlated: their covariance is diagonal.",
        "B 的各列均值为 0 且互不相关：其协方差矩阵是对角阵。",
    )
    if first.shape[1] == 2:
        step.picture(Regions(Words("Samples along the first two components",
                                   "样本在前两个主成分上的坐标"), first))  # fmt: skip
    return shown


def _directions(step: Any, owner: Any, X: Array) -> None:
    """Two deviations along the first components, in the plane of the first two features."""
    lengths = 2 * np.sqrt(owner.explained_variance_[:2, None])
    arrows = {
        f"v_{k}": [[*owner.mean_[:2], *along[:2]]]
        for k, along in enumerate(lengths * owner.components_[:2])
    }
    title = Words("Largest variance, two features", "方差最大的方向（两个特征）")
    step.picture(Regions(title, X[:, :2], arrows=arrows))


def _coordinates(owner: Any, X: Array) -> Array:
    found = owner.transform(X)
    return found * np.sqrt(owner.explained_variance_) if owner.whiten else found


def _covariance(shown: Working, X: Array, matrix: Array) -> None:
    step = shown.step(
        Words("Covariance matrix", "协方差矩阵"), Formula("C = AᵀA/(N − 1)", "C = A^T A/(N-1)")
    )
    size = min(len(matrix), _WRITTEN)
    heads = ("", *(f"x{j}" for j in range(size)))

    def rows(of: Array) -> list[tuple[Any, ...]]:
        return [(f"x{i}", *(float(of[i, j]) for j in range(size))) for i in range(size)]

    step.table(
        heads, rows(matrix), lambda: rows(np.atleast_2d(np.cov(X.T))), title="C", tolerance=1e-6
    )


def _eigenvectors(
    shown: Working, owner: Any, spectrum: Array, matrix: Array, tolerance: float
) -> None:
    step = shown.step(
        Words("Eigenvectors and explained variance", "特征向量与解释方差"),
        Formula("C·v = λ·v,  share = λ/Σλ", r"C v = \lambda v,\quad \lambda_k / \sum_j \lambda_j"),
    )
    total = float(np.trace(matrix))
    for k, (value, vector) in enumerate(zip(owner.explained_variance_[:5], owner.components_[:5])):
        step.line(f"v_{k}", "", vector)
        step.line(
            f"λ_{k}", f"v_{k}ᵀ·C·v_{k}", float(value),
            partial(_along, vector, matrix), tolerance=max(tolerance, 1e-6),
        )  # fmt: skip
        step.line(
            f"λ_{k}/Σλ", f"{value:.4g}/{total:.4g}", float(owner.explained_variance_ratio_[k]),
            partial(float(value).__truediv__, total), tolerance=tolerance,
        )  # fmt: skip
    shares = owner.explained_variance_ratio_
    step.picture(
        Bars(Words("Share of the variance", "方差占比"),
             {f"v_{k}": float(share) for k, share in enumerate(shares[:20])})
    )  # fmt: skip
    step.picture(Curves(Words("Eigenvalues", "特征值"), {"λ": [float(v) for v in spectrum]}))


def _along(v: Array, matrix: Array) -> float:
    return float(v @ matrix @ v)


def working_of_batches(owner: Any, trace: dict[str, Any]) -> Working:
    """Of `IncrementalPCA`: singular values and mean after each batch."""
    X, path = trace["X"].astype(np.float64), trace["path"]
    tolerance = 1e-6 if trace["X"].dtype == np.float64 else 1e-2
    shown = Working(Words("Principal components batch by batch", "逐批的主成分分析"))
    step = shown.step(
        Words("Singular vectors of what is known and what is new", "已知部分与新批次的奇异向量"),
        Formula("[S·V; A_batch; √(n·m/(n+m))·(x̄_old − x̄_batch)] = U·S′·V′",
                r"\begin{bmatrix} S V \\ A_b \\ \sqrt{\tfrac{nm}{n+m}}(\bar x - \bar x_b)"
                r"\end{bmatrix} = U S' V'"),
    )  # fmt: skip
    seen = [count for count, *_ in path]
    step.table(
        (Words("samples seen", "已见样本"), Words("mean of the first feature", "首个特征的均值")),
        [(count, float(mean[0])) for count, _, mean in path],
        lambda: [(count, float(X[:count, 0].mean())) for count in seen],
        tolerance=tolerance,
    )
    step.line("s₀", "", float(owner.singular_values_[0]))
    step.line("x̄", "", owner.mean_, lambda: X.mean(axis=0), tolerance=tolerance)
    step.picture(
        Curves(Words("Largest singular value", "最大奇异值"),
               {"s₀": (seen, [float(values[0]) for _, values, _ in path])})
    )  # fmt: skip
    return shown

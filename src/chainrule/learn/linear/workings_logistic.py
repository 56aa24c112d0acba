"""The working of logistic regression: cost, gradient, Newton step, path, decision regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.learn.linear.cross_entropy import probabilities
from chainrule.learn.linear.workings import dense, sum_of
from chainrule.learn.working import Curves, Formula, Regions, Words, Working, number

_BINARY_COST = Formula(
    "J(θ) = −(1/m)·Σ[y·ln h + (1 − y)·ln(1 − h)] + λ/2·‖w‖²,  h = 1/(1 + e^(−z))",
    r"J(\theta)=-\frac1m\sum[y\ln h+(1-y)\ln(1-h)]+\frac\lambda2\Vert w\Vert^2,\quad "
    r"h=\frac1{1+e^{-z}}",
)
_COST = Formula(
    "J(W) = −(1/m)·Σ ln h_y + λ/2·‖W‖²,  h_k = e^(z_k)/Σ e^(z_l)",
    r"J(W)=-\frac1m\sum\ln h_y+\frac\lambda2\Vert W\Vert^2,\quad "
    r"h_k=\frac{e^{z_k}}{\sum_l e^{z_l}}",
)


def of_logistic(model: Any, trace: Any) -> Working:
    """The cost at the start, the gradient of one weight, the way down, and the regions."""
    J, path = trace.J, trace.path
    X, y = dense(trace.X), trace.y
    s = J.weight / J.total
    inner = dense(J.X)
    binary = J.rows == 1
    working = Working(
        Words(f"Logistic regression by {model.solver}", f"逻辑回归（{model.solver}）")
    )
    target = y[:, None].astype(np.float64) if binary else np.eye(J.rows)[y]

    def value(W: Any, b: Any) -> float:
        h = probabilities(inner @ W.T + b)
        given = np.where(y == 1, h[:, 0], 1 - h[:, 0]) if binary else h[np.arange(len(y)), y]
        penalty = 0.5 * J.strength * float(np.sum(W * W)) + trace.lasso * float(np.abs(W).sum())
        return float(-np.sum(s * np.log(np.maximum(given, 1e-300)))) + penalty

    W, b, first, _ = path[0]
    step = working.step(Words("The cost", "代价函数"), _BINARY_COST if binary else _COST)
    step.line("λ", "", J.strength)
    if trace.lasso:
        step.line("λ₁", "", trace.lasso)
    step.line("J(θ⁰)", "", first, lambda: value(W, b))
    _gradient(working, J, inner, s, target, W, b)
    if model.solver == "newton-cholesky" and len(path) > 1 and len(W.ravel()) <= 40:
        _newton(working, J, path)
    step = working.step(Words("The way down", "下降过程"))
    rows = [(i, c, steepest) for i, (_, _, c, steepest) in enumerate(path)]
    step.table(
        (Words("round", "轮"), Words("cost J", "代价 J"), "max|∂J/∂θ|"),
        rows,
        lambda: [(i, value(p[0], p[1]), p[3]) for i, p in enumerate(path)],
        tolerance=1e-8,
    )
    step.picture(Curves(Words("Cost by round", "每轮代价"), {"J": [p[2] for p in path]}))
    _ending(working, model, X, y, s, target)
    return working


def _gradient(working: Working, J: Any, X: Any, s: Any, target: Any, W: Any, b: Any) -> None:
    """∂J/∂w of the first column, worked (formula 2-6)."""
    step = working.step(
        Words("The gradient", "梯度"),
        Formula(
            "∂J/∂wⱼ = (1/m)·Σ(h − y)·xⱼ + λ·wⱼ",
            r"\frac{\partial J}{\partial w_j}=\frac1m\sum_{i=1}^m[h_\theta(x^i)-y^i]x_j^i"
            r"+\lambda w_j",
        ),
    )
    h = probabilities(X @ W.T + b)
    terms = s * (h - target)[:, 0] * X[:, 0]
    slope = J.value(W, b)[1][0, 0]
    step.line("∂J/∂w₁", f"{sum_of(terms)} + {number(J.strength)}·{number(W[0, 0])}", float(slope),
              lambda: float(np.sum(terms) + J.strength * W[0, 0]), tolerance=1e-8)  # fmt: skip
    near = 1e-6

    def numeric() -> float:
        up, down = W.copy(), W.copy()
        up[0, 0] += near
        down[0, 0] -= near
        return float((J.value(up, b)[0] - J.value(down, b)[0]) / (2 * near))

    size = max(abs(float(slope)), 1e-3)
    step.line("(J(w₁ + ε) − J(w₁ − ε))/(2ε)", "", float(slope), numeric, tolerance=1e-5 / size)


def _newton(working: Working, J: Any, path: Any) -> None:
    """The first Newton step: H·step = −∂J."""
    (W, b, _, _), (W1, b1, _, _) = path[0], path[1]
    step = working.step(
        Words("The first Newton step", "第一个牛顿步"),
        Formula("θ ← θ − H⁻¹·∂J/∂θ,  H = XᵀSX/m + λI,  S = h·(1 − h)",
                r"\theta\leftarrow\theta-H^{-1}\nabla J,\quad H=\tfrac1mX^\top SX+\lambda I"),
    )  # fmt: skip
    _, slope, slope_b = J.value(W, b)
    H = J.hessian(W, b)
    way = np.hstack([W1 - W, (b1 - b)[:, None]]) if J.intercept else W1 - W
    g = np.hstack([slope, slope_b[:, None]]) if J.intercept else slope
    step.line("∂J/∂θ", "", g.ravel()[:6])
    step.line("H₁₁", "", float(H[0, 0]))
    step.line("step", "", way.ravel(), lambda: np.linalg.lstsq(H, -g.ravel(), rcond=None)[0],
              tolerance=1e-6)  # fmt: skip


def _ending(working: Working, model: Any, X: Any, y: Any, s: Any, target: Any) -> None:
    step = working.step(Words("The result", "结果"))
    coef = np.asarray(model.coef_, np.float64)
    step.line("w", "", coef[0])
    step.line("b", "", np.asarray(model.intercept_, np.float64))
    z = X @ coef.T + model.intercept_
    chosen = (z[:, 0] > 0).astype(np.intp) if z.shape[1] == 1 else np.argmax(z, axis=1)
    right = int(np.sum(chosen == y))
    step.line("accuracy", f"{right}/{len(y)}", right / len(y),
              lambda: float(np.mean(model.predict(X) == model.classes_[y])))  # fmt: skip
    slope = float(np.max(np.abs((s[:, None] * (probabilities(z) - target)).sum(axis=0))))
    step.line("max|Σ(h − y)|/m", "", slope)
    if X.shape[1] == 2:

        def decide(places: Any) -> Any:
            scores = places @ coef.T + model.intercept_
            return (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(1)

        cells, bounds = Regions.grid(decide, X)
        step.picture(
            Regions(Words("Decision regions", "决策区域"), X, y, cells, bounds,
                    x_label="x₁", y_label="x₂")
        )  # fmt: skip

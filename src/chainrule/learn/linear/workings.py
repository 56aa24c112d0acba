"""The workings of least squares: normal equation, gradient descent, ridge, coordinate descent."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from chainrule.learn.linear.descent import cost
from chainrule.learn.working import Curves, Formula, Regions, Step, Words, Working, number, numbers

_SHOWN = 6  # samples and columns that are written out
_ROUND, _COST, _SLOPE = Words("round", "轮"), Words("cost J", "代价 J"), Words("slope", "梯度")


def dense(X: Any) -> Any:
    return np.asarray(X.toarray() if sp.issparse(X) else X, np.float64)


def sum_of(terms: Any) -> str:
    """`a + b + …` with the first terms written out."""
    shown = [f"({number(v)})" if v < 0 else number(v) for v in terms[:_SHOWN]]
    return " + ".join([*shown, "…"] if len(terms) > _SHOWN else shown)


class _Data:
    """The data of a trace with one target, centred as the fit centred them."""

    def __init__(self, model: Any, trace: Any) -> None:
        self.X = dense(trace.X)
        self.y = np.asarray(trace.y, np.float64).reshape(len(self.X), -1)[:, 0]
        weight = trace.weight
        self.weight = np.ones(len(self.X)) if weight is None else weight
        total = self.weight.sum()
        on = float(model.fit_intercept)
        self.mean, self.y_mean = on * (self.weight @ self.X) / total, on * (self.weight @ self.y)
        self.y_mean = self.y_mean / total
        self.Xc, self.yc = self.X - self.mean, self.y - self.y_mean
        self.Q = (self.Xc * self.weight[:, None]).T @ self.Xc
        self.q = self.Xc.T @ (self.weight * self.yc)
        self.coef = np.atleast_2d(np.asarray(model.coef_, np.float64))[0]
        self.intercept = float(np.ravel(model.intercept_)[0])
        self.error = self.X @ self.coef + self.intercept - self.y
        # What single precision keeps of the fitted numbers.
        self.near = 1e-4 if model.coef_.dtype == np.float32 else 1e-6


def _means(working: Working, data: _Data) -> None:
    step = working.step(
        Words("Centre the data", "将数据中心化"),
        Formula("x̄ = Σ x / m,  ȳ = Σ y / m", r"\bar x=\tfrac1m\sum x,\quad \bar y=\tfrac1m\sum y"),
    )
    total = data.weight.sum()
    step.line(
        "ȳ", f"({sum_of(data.weight * data.y)})/{number(total)}", data.y_mean,
        lambda: float(np.average(data.y, weights=data.weight)) if data.mean.any() else data.y_mean,
    )  # fmt: skip
    step.line("x̄", "", data.mean[:_SHOWN])


def _ending(working: Working, data: _Data) -> None:
    step = working.step(
        Words("How well it fits", "拟合得如何"),
        Formula("R² = 1 − Σ(y − h)²/Σ(y − ȳ)²", r"R^2=1-\frac{\sum(y-h)^2}{\sum(y-\bar y)^2}"),
    )
    w, e = data.weight, data.error
    centre = float(np.average(data.y, weights=w))
    left, whole = float(w @ (e * e)), float(w @ (data.y - centre) ** 2)
    step.line(
        "Σ(y − h)²",
        sum_of(w * e * e),
        left,
        lambda: float(np.sum(w * (data.X @ data.coef + data.intercept - data.y) ** 2)),
    )
    if whole > 0:
        step.line(
            "R²",
            f"1 − {number(left)}/{number(whole)}",
            1 - left / whole,
            lambda: float(1 - np.sum(w * e**2) / np.sum(w * (data.y - centre) ** 2)),
        )
    if data.X.shape[1] == 1:
        x = data.X[:, 0]
        ends = np.array([x.min(), x.max()])
        step.picture(
            Curves(
                Words("Data and line", "数据与直线"),
                {"h": (ends, data.intercept + data.coef[0] * ends)},
                points={"y": (x, data.y)},
            )
        )


def _intercept(step: Step, data: _Data) -> None:
    terms = data.coef * data.mean
    step.line(
        "b",
        f"{number(data.y_mean)} − ({sum_of(terms)})",
        data.intercept,
        lambda: float(data.y_mean - np.sum(data.coef * data.mean)),
        tolerance=data.near,
    )


def of_normal_equation(model: Any, trace: Any) -> Working:
    """Means, XᵀX, Xᵀy, the solution, and that the residual is orthogonal to the columns."""
    data = _Data(model, trace)
    working = Working(Words("Linear regression by the normal equation", "正规方程求解线性回归"))
    _means(working, data)
    step = working.step(
        Words("Set the derivative to zero", "令导数为零"),
        Formula(
            "∂J/∂w = 0  ⇒  XᵀX·w = Xᵀy", r"\partial J/\partial w=0\Rightarrow X^\top Xw=X^\top y"
        ),
    )
    k = min(_SHOWN, len(data.coef))
    first = data.weight * data.Xc[:, 0] ** 2
    step.line("(XᵀX)₁₁", sum_of(first), data.Q[0, 0], lambda: float(np.sum(first)))
    step.line("XᵀX", "", data.Q[:k, :k])
    step.line("Xᵀy", "", data.q[:k])
    step = working.step(
        Words("Solve it", "求解"), Formula("w = (XᵀX)⁻¹·Xᵀy", r"w=(X^\top X)^{-1}X^\top y")
    )
    root = np.sqrt(data.weight)[:, None]

    def again() -> Any:
        return np.linalg.lstsq(data.Xc * root, data.yc * root[:, 0], rcond=1e-6)[0]

    step.line("w", "", data.coef, None if model.positive else again, tolerance=data.near)
    _intercept(step, data)
    if not model.positive:
        size = float(np.linalg.norm(data.q)) or 1.0
        slope = float(np.max(np.abs(data.Xc.T @ (data.weight * data.error)))) / size
        step.line("max|Xᵀ(h − y)|/‖Xᵀy‖", "", slope)
        step.note(
            "The residual is orthogonal to every column: nothing that X can say is left in it.",
            "残差与每一列正交：X 能解释的部分已全部用尽。",
        )
    _ending(working, data)
    return working


def of_ridge(model: Any, trace: Any) -> Working:
    """As the normal equation, with α on the diagonal; and how α shrinks the weights."""
    data = _Data(model, trace)
    alpha = float(np.ravel(model.alpha)[0])
    working = Working(Words("Ridge regression", "岭回归"))
    _means(working, data)
    step = working.step(
        Words("Penalise large weights", "惩罚较大的权重"),
        Formula("(XᵀX + αI)·w = Xᵀy", r"(X^\top X+\alpha I)w=X^\top y"),
    )
    first = data.Q[0, 0]
    step.line("(XᵀX + αI)₁₁", f"{number(first)} + {number(alpha)}", first + alpha,
              lambda: float(np.sum(data.weight * data.Xc[:, 0] ** 2)) + alpha)  # fmt: skip

    def solved(a: float) -> Any:
        if a == 0:
            return np.linalg.lstsq(data.Q, data.q, rcond=None)[0]
        return np.linalg.solve(data.Q + a * np.eye(len(data.Q)), data.q)

    exact = model.solver_ in ("cholesky", "svd") and not model.positive
    step.line("w", "", data.coef, (lambda: solved(alpha)) if exact else None, tolerance=data.near)
    _intercept(step, data)
    step = working.step(Words("What α does", "α 的作用"))
    alphas = [alpha * 10.0**i for i in range(-2, 3)] if alpha else [0.0, 0.1, 1.0, 10.0]
    rows = [(a, float(np.linalg.norm(solved(a)))) for a in alphas]
    step.table(("α", "‖w‖"), rows,
               lambda: [(a, float(np.sqrt(np.sum(solved(a) ** 2)))) for a in alphas])  # fmt: skip
    _ending(working, data)
    return working


def of_descent(model: Any, trace: Any) -> Working:
    """Formulas (1) to (8) of the notes: the cost, its derivatives, the first step, the path."""
    data, path = _Data(model, trace), trace.path
    X, y, weight = data.X, data.y, data.weight
    kind = {None: "BGD", 1: "SGD"}.get(model.batch_size, "MBGD")
    working = Working(
        Words(f"Linear regression by gradient descent ({kind})", f"梯度下降求解线性回归（{kind}）")
    )
    m = weight.sum()
    step = working.step(
        Words("The cost", "代价函数"),
        Formula(
            "J(θ) = Σ(h(x) − y)²/(2m)",
            r"J(\theta)=\frac{1}{2m}\sum_{i=1}^m(h_\theta(x^i)-y^i)^2",
        ),
    )
    start = X @ path.theta[0, 1:] + path.theta[0, 0] - y
    step.line("J(θ⁰)", f"({sum_of(weight * start**2)})/(2·{number(m)})", path.cost[0],
              lambda: float(np.sum(weight * start**2) / (2 * m)))  # fmt: skip
    if len(path.rate):
        _first_step(working, data, path, kind)
    step = working.step(
        Words("The path", "下降路径"),
        Formula(
            "θⱼ ← θⱼ − α·(1/m)·Σ(h(x) − y)·xⱼ",
            r"\theta_j^{new}=\theta_j^{old}-\alpha\frac1m\sum_{i=1}^m(h_\theta(x^i)-y^i)x_j^i",
        ),
    )
    k = min(_SHOWN, X.shape[1] + 1)
    heads: tuple[Words | str, ...] = (_ROUND, _COST, *(f"θ{j}" for j in range(k)))
    rows = [(i, path.cost[i], *path.theta[i, :k]) for i in range(len(path.cost))]

    def again() -> Any:
        return [(i, cost(X, y, theta, weight), *theta[:k]) for i, theta in enumerate(path.theta)]

    step.table(heads, rows, again)
    step.picture(Curves(Words("Cost by round", "每轮代价"), {"J": path.cost}, log=True))
    if X.shape[1] == 1 and len(path.theta) > 1:
        step.picture(surface(data, path))
    _ending(working, data)
    return working


def _first_step(working: Working, data: _Data, path: Any, kind: str) -> None:
    """θ₀ and θ₁ of the first step, worked with their numbers (formulas 6 and 7)."""
    some, alpha, theta = path.batch, float(path.rate[0]), path.theta[0]
    w = data.weight[some]
    m = float(w.sum())
    error = w * (data.X[some] @ theta[1:] + theta[0] - data.y[some])
    step = working.step(
        Words("The first step", "第一步"),
        Formula(
            "∂J/∂θ₀ = (1/m)·Σ(h(x) − y),  ∂J/∂θ₁ = (1/m)·Σ(h(x) − y)·x₁",
            r"\frac{\partial J}{\partial\theta_0}=\frac1m\sum(h-y),\quad"
            r"\frac{\partial J}{\partial\theta_1}=\frac1m\sum(h-y)x_1",
        ),
    )
    if kind != "BGD":
        step.note(
            f"It sees {len(some)} of {len(data.X)} samples.",
            f"这一步只看 {len(data.X)} 个样本中的 {len(some)} 个。",
        )
    step.line("α", "", alpha)
    parts = [("θ₀", np.ones(len(some)), 0), ("θ₁", data.X[some, 0], 1)]
    if path.first[0] == theta[0] == 0.0:  # without an intercept
        parts = parts[1:]

    def slope_of(x: Any) -> float:
        return float(np.sum(error * x) / m)

    def moved(x: Any, j: int) -> float:
        return float(theta[j] - alpha * slope_of(x))

    for name, x, j in parts:
        slope = float(error @ x) / m
        put_in = f"({sum_of(error * x)})/{number(m)}"
        step.line(f"∂J/∂{name}", put_in, slope, partial(slope_of, x))
        put_in = f"{number(theta[j])} − {number(alpha)}·({number(slope)})"
        step.line(name, put_in, path.first[j], partial(moved, x, j))


def surface(data: _Data, path: Any) -> Regions:
    """J over (θ₀, θ₁), with the path of the descent."""
    end = np.array([data.intercept, data.coef[0]])
    far = np.maximum(np.max(np.abs(path.theta - end), axis=0), 1e-3)
    box = np.array([end - 1.2 * far, end + 1.2 * far])

    def at(places: Any) -> Any:
        found = [cost(data.X, data.y, theta, data.weight) for theta in places]
        return np.log(np.array(found) - 0.999 * min(found))

    cells, bounds = Regions.grid(at, box, room=0.0, count=32)
    return Regions(
        Words("The way down J(θ₀, θ₁)", "沿 J(θ₀, θ₁) 下降"), cells=cells, bounds=bounds,
        paths={"": path.theta}, x_label="θ₀", y_label="θ₁",
    )  # fmt: skip


def of_coordinates(model: Any, trace: Any) -> Working:
    """The soft threshold of one coordinate, worked; the passes; the condition of the optimum."""
    data = _Data(model, trace)
    n, w = len(data.X), data.coef
    l1, l2 = model.alpha * model.l1_ratio, model.alpha * (1 - model.l1_ratio)
    Q, q = data.Q / n, data.q / n
    name = type(model).__name__
    working = Working(Words(f"{name} by coordinate descent", f"坐标下降求解 {name}"))

    def objective(v: Any) -> float:
        error = data.Xc @ v - data.yc
        penalty = l1 * float(np.abs(v).sum()) + 0.5 * l2 * float(v @ v)
        return float(data.weight @ error**2) / (2 * n) + penalty

    step = working.step(
        Words("One weight at a time", "每次更新一个权重"),
        Formula(
            "wⱼ ← S(xⱼ·r/N, λ₁)/(‖xⱼ‖²/N + λ₂),  S(z, λ) = sign(z)·max(|z| − λ, 0)",
            r"w_j\leftarrow\frac{S(x_j^\top r/N,\lambda_1)}{\Vert x_j\Vert^2/N+\lambda_2},\quad "
            r"S(z,\lambda)=\mathrm{sign}(z)\max(|z|-\lambda,0)",
        ),
    )
    step.line("λ₁", f"{number(model.alpha)}·{number(model.l1_ratio)}", l1,
              lambda: model.alpha * model.l1_ratio)  # fmt: skip
    step.line("λ₂", f"{number(model.alpha)}·(1 − {number(model.l1_ratio)})", l2,
              lambda: model.alpha * (1 - model.l1_ratio))  # fmt: skip
    z, below = float(q[0]), float(Q[0, 0] + l2)
    if below > 0:
        first = float(np.sign(z) * max(abs(z) - l1, 0)) / below
        step.line("w₁", f"S({number(z)}, {number(l1)})/{number(below)}", first, lambda: float(
            np.sign(data.Xc[:, 0] @ (data.weight * data.yc))
            * max(abs(data.Xc[:, 0] @ (data.weight * data.yc)) / n - l1, 0)
        ) / (float(data.weight @ data.Xc[:, 0] ** 2) / n + l2))  # fmt: skip
        step.note("This is the first step from w = 0.", "这是从 w = 0 出发的第一步。")
    path = trace.path
    step = working.step(Words("The passes", "各轮"))
    rows = [(i, objective(v), int(np.sum(v != 0)), *v[:_SHOWN]) for i, v in enumerate(path)]
    heads: tuple[Words | str, ...] = (_ROUND, _COST, Words("not zero", "非零个数"),
             *(f"w{j + 1}" for j in range(min(_SHOWN, len(w)))))  # fmt: skip
    step.table(heads, rows)
    curves = {f"w{j + 1}": [v[j] for v in path] for j in range(min(8, len(w)))}
    step.picture(Curves(Words("Weights by pass", "各轮权重"), curves))
    step = working.step(
        Words("Why it is the optimum", "为何是最优解"),
        Formula(
            "|xⱼ·r/N − λ₂wⱼ| ≤ λ₁, and = λ₁ where wⱼ ≠ 0",
            r"|x_j^\top r/N-\lambda_2w_j|\le\lambda_1",
        ),
    )
    slope = q - Q @ w - l2 * w
    rows = [(f"w{j + 1}", w[j], abs(slope[j]), l1) for j in range(len(w))]

    def again() -> Any:
        rest = data.weight * (data.yc - data.Xc @ w)
        sizes = np.abs(data.Xc.T @ rest / n - l2 * w)
        return [(f"w{j + 1}", w[j], sizes[j], l1) for j in range(len(w))]

    step.table(("", "w", "|xⱼ·r/N − λ₂wⱼ|", "λ₁"), rows, again, tolerance=1e-6)
    step.line(
        "gap", "", float(np.ravel(model.dual_gap_)[0]),
        latex=rf"\text{{gap}} = {numbers(np.ravel(model.dual_gap_)[0])}",
    )  # fmt: skip
    _intercept(step, data)
    _ending(working, data)
    return working

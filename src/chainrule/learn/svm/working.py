"""The working of SVC and SVR: kernel, pairs, objectives and their gap, multipliers, margin."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.svm.kernels import Kernel
from chainrule.learn.svm.solver import Problem, offset
from chainrule.learn.svm.tracing import Trace
from chainrule.learn.working import Curves, Formula, Regions, Words, Working

_FORMULAS = {
    "linear": Formula("k(a, b) = a·b", r"k(a,b)=a\cdot b"),
    "poly": Formula("k(a, b) = (γ a·b + c)^p", r"k(a,b)=(\gamma\,a\cdot b+c)^p"),
    "rbf": Formula("k(a, b) = exp(−γ‖a − b‖²)", r"k(a,b)=e^{-\gamma\lVert a-b\rVert^2}"),
    "sigmoid": Formula("k(a, b) = tanh(γ a·b + c)", r"k(a,b)=\tanh(\gamma\,a\cdot b+c)"),
    "precomputed": Formula("k(a, b) is given", r"k(a,b)\text{ is given}"),
}
_SHOWN = 12


def exact_matrix(trace: Trace) -> np.ndarray:
    """The kernel matrix in double precision, from differences where the fit used products."""
    kernel, x = trace.rows.kernel, trace.rows.x
    if kernel.name == "precomputed":
        return np.asarray(x, dtype=np.float64)
    x = x.toarray() if issparse(x) else x
    if kernel.name == "rbf":
        out = np.empty((len(x), len(x)))
        for i, row in enumerate(x):
            out[i] = np.exp(-kernel.gamma * np.sum((x - row) ** 2, axis=1))
        return out
    products = x @ x.T
    if kernel.name == "linear":
        return products
    base = kernel.gamma * products + kernel.coef0
    return base**kernel.degree if kernel.name == "poly" else np.tanh(base)


def _problem(trace: Trace) -> Problem:
    b = trace.bound
    if trace.regression:
        return Problem(trace.rows, -trace.y, -b, b, trace.epsilon)
    low, high = np.where(trace.y > 0, 0.0, -b), np.where(trace.y > 0, b, 0.0)
    return Problem(trace.rows, -trace.y, low, high)


def objectives(trace: Trace, K: np.ndarray, u: np.ndarray) -> tuple[float, float]:
    """(primal, dual) at the multipliers u; both are the same number at the optimum."""
    sums = K @ u
    rho = offset(_problem(trace), u, sums - trace.y)
    f = sums - rho
    half = 0.5 * float(u @ sums)
    if trace.regression:
        loss = np.maximum(np.abs(trace.y - f) - trace.epsilon, 0.0)
    else:
        loss = np.maximum(1 - trace.y * f, 0.0)
    dual = float(trace.y @ u) - trace.epsilon * float(np.abs(u).sum()) - half
    return half + float(trace.bound @ loss), dual


def machine_working(estimator: Any) -> Working:
    """The Working of a fitted SVC or SVR; every pair of classes has its steps."""
    traces = estimator._needs_trace()
    if isinstance(traces, Trace):
        working = Working(Words("Support vector regression", "支持向量回归"))
        _one(working, traces, None)
        return working
    working = Working(Words("Support vector classification", "支持向量分类"))
    for (first, second), trace in traces.items():
        _one(working, trace, (estimator.classes_[first], estimator.classes_[second]))
    return working


def _one(working: Working, trace: Trace, labels: tuple[Any, Any] | None) -> None:
    K = exact_matrix(trace)
    _kernel_step(working, trace.rows.kernel, labels)
    _first_pair(working, trace, K)
    _progress(working, trace, K)
    _multipliers(working, trace, K)
    _margin(working, trace, K)


def _kernel_step(working: Working, kernel: Kernel, labels: tuple[Any, Any] | None) -> None:
    step = working.step(Words("Kernel", "核函数"), _FORMULAS[kernel.name])
    if labels is not None:
        en, zh = (
            f"y = +1 for class {labels[0]}, −1 for {labels[1]}.",
            "y = +1 为类别 {}，−1 为 {}。",
        )
        step.note(en, zh.format(*labels))
    if kernel.name in ("poly", "rbf", "sigmoid"):
        step.line("γ", "", kernel.gamma)


def _first_pair(working: Working, trace: Trace, K: np.ndarray) -> None:
    """The pairs of the first steps, while the multipliers were kept after each."""
    formula = Formula(
        "δ = (F_j − F_i)/(K_ii + K_jj − 2K_ij), u_i += δ, u_j −= δ",
        r"\delta=\frac{F_j-F_i}{K_{ii}+K_{jj}-2K_{ij}},\quad u_i\gets u_i+\delta,\;"
        r"u_j\gets u_j-\delta",
    )
    rows = _pairs(trace, K)
    if not rows:
        return
    step = working.step(Words("The first pairs", "最初的乘子对"), formula)
    step.note(
        "F is the slope of the dual's objective (its ε part included); δ ends at a bound of u.",
        "F 为对偶目标的斜率（含 ε 部分）；δ 到 u 的边界为止。",
    )
    heads = ("step", "i", "j", "F_i", "F_j", "K_ii + K_jj − 2K_ij", "δ")
    step.table(heads, rows, lambda: _pairs(trace, K, again=True), tolerance=1e-5)


def _pairs(trace: Trace, K: np.ndarray, again: bool = False) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for n, u, after in zip(trace.steps[1:4], trace.multipliers, trace.multipliers[1:]):
        if n != len(rows) + 1:
            break
        moved = after - u
        i, j = int(np.argmax(moved)), int(np.argmin(moved))
        g = K @ u - trace.y
        e = trace.epsilon
        slope_i = g[i] + (e if u[i] >= 0 else -e)
        slope_j = g[j] + (e if u[j] > 0 else -e)
        curvature = max(K[i, i] + K[j, j] - 2 * K[i, j], 1e-12)
        step = float(moved[i])
        if again:
            problem = _problem(trace)
            end_i = 0.0 if e > 0 and u[i] < 0 else problem.high[i]
            end_j = 0.0 if e > 0 and u[j] > 0 else problem.low[j]
            step = min((slope_j - slope_i) / curvature, end_i - u[i], u[j] - end_j)
        rows.append((n, i, j, float(slope_i), float(slope_j), float(curvature), step))
    return rows


def _progress(working: Working, trace: Trace, K: np.ndarray) -> None:
    formula = Formula(
        "dual Σ y u − ε Σ|u| − ½ uᵀKu ≤ primal ½‖w‖² + Σ C·loss",
        r"\sum y u-\varepsilon\sum|u|-\tfrac12u^\top Ku\;\le\;"
        r"\tfrac12\lVert w\rVert^2+\sum C\,\ell",
    )
    step = working.step(Words("The duality gap closes", "对偶间隙闭合"), formula)

    def table() -> list[tuple[Any, ...]]:
        rows = []
        for n, u in zip(trace.steps, trace.multipliers):
            primal, dual = objectives(trace, K, u)
            rows.append((n, int(np.count_nonzero(u)), dual, primal, _gap(primal, dual)))
        return rows

    def again() -> list[tuple[Any, ...]]:
        rows = []
        for n, u in zip(trace.steps, trace.multipliers):
            own = np.flatnonzero(u)
            f = K[:, own] @ u[own]
            f = f - offset(_problem(trace), u, f - trace.y)
            length = sum(float(u[i] * (K[i, own] @ u[own])) for i in own)
            miss = np.abs(trace.y - f) - trace.epsilon if trace.regression else 1 - trace.y * f
            primal = length / 2 + float(np.sum(trace.bound * np.clip(miss, 0, None)))
            dual = float(np.sum(trace.y * u - trace.epsilon * np.abs(u))) - length / 2
            rows.append((n, own.size, dual, primal, _gap(primal, dual)))
        return rows

    heads = (
        Words("steps", "步数"), Words("multipliers ≠ 0", "非零乘子"), Words("dual", "对偶"),
        Words("primal", "原始"), Words("gap", "间隙"),
    )  # fmt: skip
    rows = table()
    step.table(heads, rows, again, tolerance=1e-5)
    at = [row[0] for row in rows]
    curves = {"primal": (at, [row[3] for row in rows]), "dual": (at, [row[2] for row in rows])}
    step.picture(Curves(Words("Primal and dual by step", "各步的原始与对偶目标"), curves))


def _gap(primal: float, dual: float) -> float:
    """primal − dual; what rounding leaves of it at the optimum counts as nothing."""
    gap = primal - dual
    return gap if gap > 1e-9 * abs(primal) else 0.0


def _multipliers(working: Working, trace: Trace, K: np.ndarray) -> None:
    u = trace.multipliers[-1]
    step = working.step(
        Words("Support vectors", "支持向量"),
        Formula("f(x) = Σ u_i k(x_i, x) − ρ", r"f(x)=\sum_i u_i\,k(x_i,x)-\rho"),
    )
    own = np.flatnonzero(u)
    shown = own[np.argsort(-np.abs(u[own]), kind="stable")][:_SHOWN]
    step.line("ρ", "", trace.rho, lambda: offset(_problem(trace), u, K @ u - trace.y),
              tolerance=1e-3)  # fmt: skip
    f = K @ u - trace.rho
    rows = [(int(i), trace.y[i], u[i], trace.bound[i], f[i], trace.y[i] * f[i]) for i in shown]

    def again() -> list[tuple[Any, ...]]:
        values = [float(np.sum(K[i, own] * u[own])) - trace.rho for i in shown]
        return [
            (int(i), trace.y[i], u[i], trace.bound[i], v, trace.y[i] * v)
            for i, v in zip(shown, values)
        ]

    step.table(("i", "y", "u", "C", "f(x)", "y·f(x)"), rows, again, tolerance=1e-7)


def _margin(working: Working, trace: Trace, K: np.ndarray) -> None:
    u = trace.multipliers[-1]
    step = working.step(
        Words("Margin", "间隔"),
        Formula("‖w‖² = uᵀKu, margin 2/‖w‖", r"\lVert w\rVert^2=u^\top Ku,\quad 2/\lVert w\rVert"),
    )
    squared = float(u @ K @ u)
    own = np.flatnonzero(u)
    step.line("‖w‖²", "", squared, lambda: sum(u[i] * (K[i, own] @ u[own]) for i in own))
    if squared > 0 and not trace.regression:
        step.line("2/‖w‖", f"2/√{squared:.4g}", 2 / np.sqrt(squared),
                  lambda: 2 / np.sqrt(np.einsum("i,ij,j", u, K, u)))  # fmt: skip
    x, kernel = trace.rows.x, trace.rows.kernel
    if kernel.name == "precomputed" or issparse(x):
        return
    if trace.regression:
        if x.shape[1] == 1:
            step.picture(_tube(trace, x, u))
        return
    if x.shape[1] == 2:
        step.picture(_plane(trace, x, u))


def _decide(trace: Trace, x: np.ndarray, u: np.ndarray, at: np.ndarray) -> np.ndarray:
    own = np.flatnonzero(u)
    kernel = trace.rows.kernel
    values = np.empty((len(at), own.size))
    kernel.fill(values, at, x[own], kernel.squares(at), kernel.squares(x[own]))
    return values @ u[own] - trace.rho


def _plane(trace: Trace, x: np.ndarray, u: np.ndarray) -> Regions:
    """Bands of the plane: inside the margin on either side, and beyond; support vectors ringed."""

    def band(at: np.ndarray) -> np.ndarray:
        f = _decide(trace, x, u, at)
        return np.where(f >= 0, 0, 1) + np.where(np.abs(f) < 1, 2, 0)

    cells, bounds = Regions.grid(band, x)
    labels = np.where(trace.y > 0, 0, 1)
    return Regions(
        Words("Sides, margin, support vectors", "两侧、间隔与支持向量"), x, labels, cells, bounds,
        marked=u != 0,
    )  # fmt: skip


def _tube(trace: Trace, x: np.ndarray, u: np.ndarray) -> Curves:
    """The fitted curve and its tube of ±ε over one feature."""
    at = np.linspace(x.min(), x.max(), 120)[:, None]
    f = _decide(trace, x, u, at)
    e = trace.epsilon
    curves = {"f": (at[:, 0], f), "f + ε": (at[:, 0], f + e), "f − ε": (at[:, 0], f - e)}
    own = u != 0
    points = {
        "": (x[~own, 0], trace.y[~own]),
        "SV": (x[own, 0], trace.y[own]),
    }
    return Curves(Words("The curve and its tube", "拟合曲线与 ε 管"), curves, points)

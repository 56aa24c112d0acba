"""The working of LinearSVC and LinearSVR: objectives on their way, multipliers, margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse

from chainrule.learn.working import Curves, Formula, Regions, Words, Working, number

if TYPE_CHECKING:
    from chainrule.learn.svm.straight import Line, Straight

_SHOWN = 12
_KEPT = 40


class Path:
    """What a traced fit went through: (round, w, β or None)."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.seen: list[tuple[int, np.ndarray, np.ndarray | None]] = []
        self.end: Straight | None = None

    def __call__(self, done: int, w: np.ndarray, beta: np.ndarray | None) -> None:
        if len(self.seen) < _KEPT:
            self.seen.append((done, w.copy(), None if beta is None else beta.copy()))

    def ended(self, solution: Straight) -> Path:
        """The path with its end."""
        self.end = solution
        return self


def linear_working(model: Any, paths: list[Path]) -> Working:
    """The Working of a fitted LinearSVC or LinearSVR; every class has its steps."""
    regression = paths[0].line.epsilon is not None
    title = Words("Linear support vector classification", "线性支持向量分类")
    if regression:
        title = Words("Linear support vector regression", "线性支持向量回归")
    working = Working(title)
    for k, path in enumerate(paths):
        label = None if regression else model.classes_[1 if len(paths) == 1 else k]
        _objective(working, path, model.penalty == "l1", label)
        if path.end is not None and path.end.beta is not None:
            _multipliers(working, path)
        _margin(working, path, model.penalty == "l1")
    return working


def _dense(line: Line) -> np.ndarray:
    """[n, p + 1]: the samples and the column of the intercept."""
    X = line.X.toarray() if issparse(line.X) else line.X
    return np.column_stack([X, np.full(len(line.y), line.bias)])


def _losses(line: Line, f: np.ndarray) -> np.ndarray:
    if line.epsilon is None:
        lack = np.maximum(1.0 - line.y * f, 0.0)
    else:
        lack = np.maximum(np.abs(line.y - f) - line.epsilon, 0.0)
    return lack * lack if line.squared else lack


def _objective(working: Working, path: Path, l1: bool, label: Any) -> None:
    line = path.line
    power = "²" if line.squared else ""
    latex = "^2" if line.squared else ""
    inside = ("1 − y f", r"1-yf") if line.epsilon is None else ("|y − f| − ε", r"|y-f|-\varepsilon")
    size = ("‖w‖₁", r"\lVert w\rVert_1") if l1 else ("½‖w‖²", r"\tfrac12\lVert w\rVert^2")
    step = working.step(
        Words("The objective goes down", "目标函数下降"),
        Formula(
            f"{size[0]} + Σ C·max(0, {inside[0]}){power},  f = w·x",
            rf"{size[1]}+\sum C\max(0,{inside[1]}){latex},\quad f=w\cdot x",
        ),
    )
    if label is not None:
        en, zh = "y = +1 for class {}, −1 for all others.", "y = +1 为类别 {}，其余为 −1。"
        step.note(en.format(label), zh.format(label))
    X = _dense(line)

    def half(w: np.ndarray) -> float:
        return float(np.abs(w).sum()) if l1 else 0.5 * float(w @ w)

    def rows() -> list[tuple[Any, ...]]:
        out: list[tuple[Any, ...]] = []
        for done, w, beta in path.seen:
            primal = half(w) + line.loss(line.scores(w))
            out.append((done, primal) if beta is None else (done, primal, line.dual(beta)))
        return out

    def again() -> list[tuple[Any, ...]]:
        out: list[tuple[Any, ...]] = []
        for done, w, beta in path.seen:
            total = half(w) + float(np.sum(line.C * _losses(line, X @ w)))
            if beta is None:
                out.append((done, total))
                continue
            # The multipliers say all: w is their sum over the samples.
            v = beta @ X
            bound = np.sum(line.y * beta) - np.sum(v * v) / 2
            bound -= np.sum(beta * beta / (4 * line.C)) if line.squared else 0.0
            bound -= (line.epsilon or 0.0) * np.sum(np.abs(beta))
            out.append((done, total, float(bound)))
        return out

    found = rows()
    if not found:
        return
    heads: tuple[Words | str, ...] = (Words("round", "轮"), Words("primal", "原始"))
    heads = heads if len(found[0]) == 2 else (*heads, Words("dual", "对偶"))
    step.table(heads, found, again, tolerance=1e-7)
    at = [row[0] for row in found]
    curves = {"primal": (at, [row[1] for row in found])}
    if len(found[0]) == 3:
        curves["dual"] = (at, [row[2] for row in found])
    step.picture(Curves(Words("The objective by round", "各轮的目标函数"), curves))


def _multipliers(working: Working, path: Path) -> None:
    line, end = path.line, path.end
    assert end is not None and end.beta is not None
    beta, X = end.beta, _dense(line)
    step = working.step(
        Words("Dual multipliers", "对偶乘子"), Formula("w = Σ β_i·x_i", r"w=\sum_i\beta_i x_i")
    )
    own = np.flatnonzero(beta)
    shown = own[np.argsort(-np.abs(beta[own]), kind="stable")][:_SHOWN]
    f = line.scores(end.w)

    def rows(scores: np.ndarray) -> list[tuple[Any, ...]]:
        return [
            (int(i), line.y[i], float(beta[i]), float(line.C[i]), float(scores[i])) for i in shown
        ]

    step.table(("i", "y", "β", "C", "f(x)"), rows(f), lambda: rows(X @ end.w), tolerance=1e-7)
    primal, dual = line.primal(end.w), line.dual(beta)
    step.line("primal − dual", f"{number(primal)} − {number(dual)}", primal - dual)
    # As near as the gap lets it be: ½‖w − Σβx‖² is at most the gap.
    near = np.sqrt(2.0 * max(primal - dual, 0.0)) / max(float(np.abs(end.w).max()), 1e-300)
    step.line("w", "", end.w[:-1], lambda: (beta @ X)[:-1], tolerance=1e-7 + float(near))


def _margin(working: Working, path: Path, l1: bool) -> None:
    line, end = path.line, path.end
    assert end is not None
    w = end.w[:-1]
    if l1:
        step = working.step(
            Words("Weights that are left", "保留的权重"), Formula("w_j ≠ 0", r"w_j\neq0")
        )
        step.line("w", "", w)
        step.line("#{w_j ≠ 0}", "", int(np.count_nonzero(w)), lambda: int(np.sum(np.abs(w) > 0)))
        return
    step = working.step(
        Words("Margin", "间隔"), Formula("margin 2/‖w‖", r"\frac{2}{\lVert w\rVert}")
    )
    squared = float(w @ w)
    step.line("‖w‖²", "", squared, lambda: float(np.sum(w * w)))
    step.line("b", "", line.bias * float(end.w[-1]))
    if squared > 0 and line.epsilon is None:
        step.line("2/‖w‖", f"2/√{number(squared)}", 2 / np.sqrt(squared),
                  lambda: 2 / float(np.linalg.norm(w)))  # fmt: skip
    if issparse(line.X):
        return
    if line.epsilon is None and line.X.shape[1] == 2:
        step.picture(_plane(line, end.w))
    if line.epsilon is not None and line.X.shape[1] == 1:
        x = line.X[:, 0]
        at = np.array([x.min(), x.max()])
        f = at * end.w[0] + line.bias * end.w[1]
        e = line.epsilon
        curves = {"f": (at, f), "f + ε": (at, f + e), "f − ε": (at, f - e)}
        title = Words("The line and its tube", "拟合直线与 ε 管")
        step.picture(Curves(title, curves, {"y": (x, line.y)}))


def _plane(line: Line, w: np.ndarray) -> Regions:
    """Bands of the plane: inside the margin on either side, and beyond."""

    def band(at: np.ndarray) -> np.ndarray:
        f = at @ w[:-1] + line.bias * w[-1]
        return np.where(f >= 0, 0, 1) + np.where(np.abs(f) < 1, 2, 0)

    cells, bounds = Regions.grid(band, line.X)
    labels = np.where(line.y > 0, 0, 1)
    marked = line.y * line.scores(w) <= 1.0 + 1e-6
    return Regions(
        Words("Sides, margin, support vectors", "两侧、间隔与支持向量"), line.X, labels, cells,
        bounds, marked=marked,
    )  # fmt: skip

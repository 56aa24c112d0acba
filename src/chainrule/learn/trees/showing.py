"""How trees and ensembles came about, as workings; every number is worked out from the rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from chainrule.learn.working import (
    Bars,
    Curves,
    Formula,
    Multiples,
    Regions,
    TreeNode,
    Words,
    Working,
    number,
)
from chainrule.learn.working import Tree as TreePicture

IMPURITIES = {
    "gini": Formula("I = 1 − Σ p_k²", r"I = 1 - \sum_k p_k^2"),
    "entropy": Formula("I = −Σ p_k log2 p_k", r"I = -\sum_k p_k \log_2 p_k"),
    "squared_error": Formula("I = Σ w(y − ȳ)²/Σ w", r"I = \frac{\sum w (y - \bar y)^2}{\sum w}"),
    "poisson": Formula("I = Σ w y log(y/ȳ)/Σ w", r"I = \frac{\sum w y \log (y / \bar y)}{\sum w}"),
}
SAME = {"log_loss": "entropy", "friedman_mse": "squared_error"}
MOST_SPLITS = 7


def impurity(kind: str, y: Any, w: Any) -> float:
    """Impurity of answers with weights, by its definition."""
    kind = SAME.get(kind, kind)
    if kind in ("gini", "entropy"):
        p = np.bincount(y.astype(int), w) / w.sum()
        p = p[p > 0]
        return float(1 - (p**2).sum()) if kind == "gini" else float(-(p * np.log2(p)).sum())
    mean = np.average(y, weights=w)
    if kind == "poisson":
        known = y > 0
        return float((w[known] * y[known] * np.log(y[known] / mean)).sum() / w.sum())
    return float(np.average((y - mean) ** 2, weights=w))


def gain(kind: str, left: Any, y: Any, w: Any) -> float:
    """I(node) − share left · I(left) − share right · I(right)."""
    part = w[left].sum() / w.sum()
    split = part * impurity(kind, y[left], w[left])
    return impurity(kind, y, w) - split - (1 - part) * impurity(kind, y[~left], w[~left])


def best_of_feature(kind: str, x: Any, y: Any, w: Any, least: int) -> tuple[float, float] | None:
    """(gain, threshold) of the best cut of one feature, by trying the cuts one after another."""
    known = np.unique(x[~np.isnan(x)])
    if len(known) > 200:
        # For the alternatives a look at 200 cuts is enough.
        known = known[np.linspace(0, len(known) - 1, 200).astype(int)]
    cuts = (known[:-1].astype(float) + known[1:]) / 2
    tried = [(x <= c, float(c)) for c in cuts]
    scores = [
        (gain(kind, left, y, w), c) for left, c in tried if least <= left.sum() <= len(x) - least
    ]
    return max(scores, key=lambda s: s[0]) if scores else None


def _feature_name(estimator: Any, f: int) -> str:
    names = getattr(estimator, "feature_names_in_", None)
    return str(names[f]) if names is not None else f"x{f}"


def show_tree(estimator: Any, X: Any, y: Any, weight: Any) -> Working:
    """Every split of the first levels with its gain and the other features' best."""
    kind, tree = estimator.criterion, estimator.tree_
    working = Working(Words("Decision tree: split by split", "决策树：逐次分裂"))
    inside = {0: weight != 0}
    shown = 0
    for node in range(tree.node_count):
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0 or node not in inside:
            continue
        f, cut = int(tree.feature[node]), float(tree.threshold[node])
        go = (X[:, f] <= cut) | (np.isnan(X[:, f]) & bool(tree.missing_go_to_left[node]))
        inside[int(left)], inside[int(right)] = inside[node] & go, inside[node] & ~go
        if shown == MOST_SPLITS:
            continue
        shown += 1
        at = inside[node]
        _show_split(working, estimator, kind, tree, node, (X[at], y[at], weight[at], go[at]))
    picture = TreePicture(Words("The tree", "树"), _drawn(estimator, tree, 0))
    working.step(Words("The whole tree", "整棵树")).picture(picture)
    return working


def _show_split(
    working: Working, estimator: Any, kind: str, tree: Any, node: int, rows: tuple[Any, ...]
) -> None:
    X, y, w, go = rows
    f, cut = int(tree.feature[node]), float(tree.threshold[node])
    name = _feature_name(estimator, f)
    formula = IMPURITIES[SAME.get(kind, kind)]
    left, right = int(tree.children_left[node]), int(tree.children_right[node])
    n, n_left, n_right = tree.weighted_n_node_samples[[node, left, right]]
    i, i_left, i_right = tree.impurity[[node, left, right]]
    title = Words(f"Node {node}: {name} ≤ {number(cut)}", f"节点 {node}：{name} ≤ {number(cut)}")
    step = working.step(title, formula)
    step.line("I", "", float(i), lambda: impurity(kind, y, w), tolerance=1e-6)
    step.line("I(left)", "", float(i_left), lambda: impurity(kind, y[go], w[go]), tolerance=1e-6)
    step.line(
        "I(right)", "", float(i_right), lambda: impurity(kind, y[~go], w[~go]), tolerance=1e-6
    )
    put_in = (
        f"{number(i)} − {number(n_left)}/{number(n)}·{number(i_left)} "
        f"− {number(n_right)}/{number(n)}·{number(i_right)}"
    )
    value = float(i - n_left / n * i_left - n_right / n * i_right)
    step.line("gain", put_in, value, lambda: gain(kind, go, y, w), tolerance=1e-6)
    others = []
    for other in range(X.shape[1]):
        best = best_of_feature(kind, X[:, other], y, w, 1)
        if best is not None and other != f:
            others.append((_feature_name(estimator, other), best[1], best[0]))
    others = sorted(others, key=lambda row: -row[2])[:3]
    heads = (Words("feature", "特征"), Words("threshold", "阈值"), Words("gain", "增益"))
    title = Words("The best of the other features", "其他特征中最好的分裂")
    if others:
        step.table(heads, others, title=title)


def _drawn(estimator: Any, tree: Any, node: int) -> TreeNode:
    value = tree.value[node, 0]
    rows = number(int(tree.n_node_samples[node]))
    most = int(value.argmax()) if len(value) > 1 else None
    answer = number(float(value[0])) if most is None else str(estimator.classes_[most])
    if tree.children_left[node] < 0:
        return TreeNode((answer, f"n = {rows}"), colour=most)
    name = _feature_name(estimator, int(tree.feature[node]))
    head = f"{name} ≤ {number(float(tree.threshold[node]), 3)}"
    children = [
        _drawn(estimator, tree, int(side[node]))
        for side in (tree.children_left, tree.children_right)
    ]
    return TreeNode((head, f"n = {rows}", answer), children, ("✓", "✗"), most)


def show_forest(estimator: Any, X: Any, y: Any, weight: Any) -> Working:
    """How each tree's rows were drawn, and how the trees' answers become one."""
    working = Working(Words("A forest: independent trees, one mean", "森林：相互独立的树，取平均"))
    step = working.step(
        Words("Rows drawn with replacement", "有放回地抽取样本"),
        Formula("P(row left out) = (1 − 1/n)^n → 1/e", r"P = (1 - 1/n)^n \to 1/e"),
    )
    seeds = estimator._seeds[:8]

    def again() -> list[tuple[Any, ...]]:
        rows = []
        for i, seed in enumerate(seeds):
            drawn = estimator._times(seed)
            leaves = estimator._trees[i].n_leaves
            rows.append((i, int((drawn > 0).sum()), float((drawn == 0).mean()), leaves))
        return rows

    heads = (
        Words("tree", "树"), Words("rows in", "抽中样本数"), Words("share out", "未抽中比例"),
        Words("leaves", "叶数"),
    )  # fmt: skip
    step.table(heads, again(), again)
    step = working.step(
        Words("The first row's answer is the mean", "第一行的输出是平均值"),
        Formula("f(x) = (1/T) Σ f_t(x)", r"f(x) = \frac{1}{T}\sum_t f_t(x)"),
    )
    answer = estimator._mean(X[:1])[0]
    step.line(
        "f(x_0)", "", answer,
        lambda: np.mean([tree.predict(X[:1])[0] for tree in estimator._trees], axis=0),
    )  # fmt: skip
    step.picture(
        TreePicture(Words("The first tree", "第一棵树"), _drawn(estimator, estimator._trees[0], 0))
    )
    return working


def show_adaboost(
    estimator: Any, rounds: list[tuple[Any, Any]], rows: tuple[Any, Any] | None = None
) -> Working:
    """Each round's error, the learner's weight, and the rows' new weights.

    rows: X [N, D] and class numbers [N], for pictures of the decision regions.
    """
    working = Working(Words("AdaBoost: weights round by round", "AdaBoost：逐轮的权值"))
    classes = getattr(estimator, "n_classes_", None)
    plain = r"\log\frac{1-\varepsilon}{\varepsilon}"
    text = Formula("α = η log((1 − ε)/ε)", rf"\alpha = \eta {plain}")
    if classes:
        text = Formula("α = η(log((1 − ε)/ε) + log(K − 1))", rf"\alpha = \eta({plain} + \log(K-1))")
    for i, (weight, wrong) in enumerate(rounds[:8]):
        error, alpha = estimator.estimator_errors_[i], estimator.estimator_weights_[i]
        step = working.step(Words(f"Round {i + 1}", f"第 {i + 1} 轮"), text)
        pair = (weight, wrong)
        step.line("ε", "Σ wᵢ·eᵢ", float(error), partial(np.dot, *pair))
        if 0.0 < error < 1.0 and alpha != 0.0:
            odds = f"log((1 − {number(error)})/{number(error)})"
            extra = np.log(classes - 1.0) if classes else 0.0
            put_in = f"{number(estimator.learning_rate)}·({odds} + {number(float(extra))})"

            def again(e: float = error, more: float = extra) -> float:
                return float(estimator.learning_rate * (np.log((1 - e) / e) + more))

            step.line("α", put_in, float(alpha), again)
        heaviest = np.argsort(-weight, kind="stable")[:5]
        heads = (Words("row", "样本"), Words("weight", "权值"), Words("error", "误差"))
        step.table(heads, [(int(r), float(weight[r]), float(wrong[r])) for r in heaviest])
    step = working.step(Words("Weights of the learners", "弱学习器的权重"))
    names = [str(i + 1) for i in range(len(estimator.estimator_weights_))]
    bars = {n: float(v) for n, v in zip(names, estimator.estimator_weights_)}
    step.picture(Bars(Words("α of each round", "各轮的 α"), bars))
    if rows is not None and rows[0].shape[1] > 1 and np.isfinite(rows[0]).all():
        working.step(Words("Decision regions of the vote so far", "至此投票的决策区域")).picture(
            _regions(estimator, rounds, *rows)
        )
    return working


def _regions(estimator: Any, rounds: list[tuple[Any, Any]], X: Any, codes: Any) -> Multiples:
    """After a few rounds: the vote over the two features of most weight, rows by their weight."""
    seen = np.zeros(X.shape[1])
    for one in estimator.estimators_:
        seen += getattr(one, "feature_importances_", 0.0)
    pair = np.sort(np.argsort(-seen, kind="stable")[:2])
    names = [_feature_name(estimator, int(f)) for f in pair]
    middle = np.median(X, axis=0)

    def after(count: int, places: Any) -> Any:
        """The classes' numbers at places [M, 2], the other features at their medians."""
        table = np.tile(middle, (len(places), 1))
        table[:, pair] = places
        *_, answer = (a for _, a in zip(range(count), estimator.staged_predict(table)))
        return np.searchsorted(estimator.classes_, answer)

    frames = []
    done = len(estimator.estimators_)
    for count in sorted({1, min(2, done), min(5, done), done}):
        cells, bounds = Regions.grid(partial(after, count), X[:, pair])
        weight = rounds[count - 1][0]
        title = Words(f"after round {count}", f"第 {count} 轮之后")
        frames.append(
            Regions(
                title,
                X[:, pair],
                codes,
                cells,
                bounds,
                sizes=weight * len(weight),
                x_label=names[0],
                y_label=names[1],
                width=260,
                height=240,
            )  # fmt: skip
        )
    title = Words(
        "Regions; a row's size is its weight in that round", "决策区域；点的大小为该轮的样本权值"
    )
    return Multiples(title, frames, columns=2)


def show_boosting(
    estimator: Any, rounds: list[tuple[Any, float]], leaves: list[list[int]]
) -> Working:
    """The loss and the rests (negative gradients) that each round's trees were fitted to."""
    working = Working(Words("Boosting: rests round by round", "提升：逐轮的残差"))
    step = working.step(
        Words("What each round fits", "每一轮所拟合的目标"),
        Formula("r = −∂L/∂f", r"r = -\frac{\partial L}{\partial f}"),
    )
    heads = (
        Words("round", "轮"), Words("loss before", "该轮前的损失"), Words("Σ|r|/n", "Σ|r|/n"),
        Words("largest |r|", "最大 |r|"), Words("leaves", "叶数"),
    )  # fmt: skip

    def table() -> list[tuple[Any, ...]]:
        return [
            (i + 1, loss, float(np.abs(rest).mean()), float(np.abs(rest).max()), sum(leaves[i]))
            for i, (rest, loss) in enumerate(rounds[: len(leaves)])
        ][:12]

    step.table(heads, table(), table)
    step.picture(
        Curves(Words("Loss before each round", "各轮前的损失"), {"L": [loss for _, loss in rounds]})
    )
    step = working.step(Words("The rests become small", "残差逐渐变小"))
    last = len(rounds)
    shown = sorted({1, min(2, last), min(5, last), last})
    curves = {f"{i}": np.sort(np.ravel(rounds[i - 1][0])) for i in shown}
    if len(next(iter(curves.values()))) > 400:
        parts = np.linspace(0.0, 1.0, 400)
        curves = {name: np.quantile(rest, parts) for name, rest in curves.items()}
    title = Words("Rests before these rounds, in order of size", "这些轮次之前的残差，按大小排列")
    step.picture(Curves(title, curves, y_label="r"))
    return working

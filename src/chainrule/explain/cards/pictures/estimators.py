"""What classical estimators do to a few points: each picture is worked out by a small program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.explain.figures import Lines, drawing

Panel = Callable[[], Lines]


def _line_data(n: int = 14) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(-2, 2, n)
    return x, 0.8 * x + 0.3 + 0.45 * np.sin(7.3 * np.arange(n))


def _blobs(*centres: tuple[float, float], n: int = 14, size: float = 0.45) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.normal(c, size, (n, 2)) for c in centres]


def _xy(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points[:, 0], points[:, 1]


def _ring(centre: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, 73)
    return _xy(centre + np.stack([np.cos(angle), np.sin(angle)], 1) @ root.T)


# ---- linear models, machines, neighbours ----------------------------------------------------


def _least_squares() -> Lines:
    x, y = _line_data()
    slope, base = np.polyfit(x, y, 1)
    residuals = [(np.array([a, a]), np.array([b, slope * a + base])) for a, b in zip(x, y)]
    return Lines("", {"w·x + b": (x, slope * x + base)}, points={"y": (x, y)}, levels=residuals,
                 x_name="x")  # fmt: skip


def _shrunk(kinds: tuple[str, ...]) -> Lines:
    """The coefficient of a standardised feature by λ, as the share of what is left of it."""
    strength = np.linspace(0, 2, 81)
    ways = {
        "ridge": 1 / (1 + strength),
        "lasso": np.maximum(0, 1 - strength),
        "elastic net": np.maximum(0, 1 - strength / 2) / (1 + strength / 2),
    }
    return Lines("", {k: (strength, ways[k]) for k in kinds}, x_name="λ", y_name="w(λ) / w(0)")


def _logistic() -> Lines:
    x, labels = np.linspace(-3, 3, 15), np.array([0] * 6 + [1, 0, 1] + [1] * 6)
    w = np.zeros(2)
    X = np.stack([x, np.ones_like(x)], 1)
    for _ in range(20):  # Newton's steps with a little ridge
        p = 1 / (1 + np.exp(-X @ w))
        H = (X * (p * (1 - p))[:, None]).T @ X + 0.1 * np.eye(2)
        w -= np.linalg.solve(H, X.T @ (p - labels) + 0.1 * w)
    fine = np.linspace(-3, 3, 121)
    return Lines("", {"P(y = 1 | x)": (fine, 1 / (1 + np.exp(-(w[0] * fine + w[1]))))},
                 points={"y": (x, labels)}, guides={"0.5": 0.5}, x_name="x")  # fmt: skip


def _margin() -> Lines:
    first, second = _blobs((-1.4, -0.6), (1.4, 0.8), size=0.5)
    X = np.concatenate([first, second])
    y = np.repeat([-1.0, 1.0], len(first))
    w, b = np.zeros(2), 0.0
    for k in range(1, 3000):  # the subgradient of ‖w‖²/2 + C·Σ hinge
        wrong = y * (X @ w + b) < 1
        w -= (w - 5 * (y[wrong] @ X[wrong])) / (20 + k)
        b += 5 * y[wrong].sum() / (20 + k)
    up = np.array([-1.6, 2.0])
    lines = {f"f = {level:+d}" if level else "f = 0": ((level - b - w[1] * up) / w[0], up)
             for level in (0, 1, -1)}  # fmt: skip
    return Lines("", lines, points={"y = −1": _xy(first), "y = +1": _xy(second)},
                 dashed=["f = +1", "f = -1"], x_name="x₁", y_name="x₂")  # fmt: skip


def _tube() -> Lines:
    x, y = _line_data(20)
    slope, base = np.polyfit(x, y, 1)
    f = slope * x + base
    return Lines("", {"f": (x, f), "f + ε": (x, f + 0.3), "f − ε": (x, f - 0.3)},
                 points={"y": (x, y)}, dashed=["f + ε", "f − ε"], x_name="x")  # fmt: skip


def _neighbours(mean: bool) -> Lines:
    if mean:
        x, y = _line_data(18)
        fine = np.linspace(-2, 2, 201)
        near = np.argsort(np.abs(fine[:, None] - x), 1)[:, :3]
        return Lines("", {"k = 3": (fine, y[near].mean(1))}, points={"y": (x, y)}, x_name="x")
    first, second = _blobs((-0.8, 0.0), (0.9, 0.5), size=0.6)
    ask = np.array([0.1, 0.2])
    every = np.concatenate([first, second])
    near = np.sort(np.sqrt(((every - ask) ** 2).sum(1)))[:5]
    circle = _ring(ask, near[-1] * np.eye(2))
    return Lines("", {"k = 5": circle}, points={"A": _xy(first), "B": _xy(second),
                 "?": _xy(ask[None])}, x_name="x₁", y_name="x₂")  # fmt: skip


def _network() -> Lines:
    x = np.linspace(-2, 2, 121)
    parts = [np.tanh(3 * (x + 1)), np.tanh(-2 * x + 0.4), np.tanh(4 * (x - 1.1))]
    return Lines("", {"f": (x, 0.6 * parts[0] + 0.9 * parts[1] + 0.5 * parts[2])},
                 levels=[(x, p) for p in parts], x_name="x")  # fmt: skip


# ---- trees ----------------------------------------------------------------------------------


def _target(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    x = np.linspace(0, 6, n)
    return x, np.sin(x) + 0.25 * np.sin(17.7 * np.arange(n))


def _best(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """The split of least squared error: threshold and the two means."""
    own = np.unique(x)
    cuts = (own[1:] + own[:-1]) / 2
    errors = [((y[x <= c] - y[x <= c].mean()) ** 2).sum() + ((y[x > c] - y[x > c].mean()) ** 2)
              .sum() for c in cuts]  # fmt: skip
    cut = float(cuts[int(np.argmin(errors))])
    return cut, float(y[x <= cut].mean()), float(y[x > cut].mean())


def _grown(x: np.ndarray, y: np.ndarray, at: np.ndarray, depth: int) -> np.ndarray:
    if depth == 0 or len(np.unique(x)) < 4:
        return np.full(at.shape, y.mean())
    cut, _, _ = _best(x, y)
    out = np.empty(at.shape)
    for side in (True, False):
        here, there = (x <= cut) == side, (at <= cut) == side
        out[there] = _grown(x[here], y[here], at[there], depth - 1)
    return out


def _gain() -> Lines:
    p = np.linspace(0.001, 0.999, 199)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    wrong = np.minimum(p, 1 - p)
    return Lines("", {"entropy": (p, entropy), "Gini": (p, 2 * p * (1 - p)), "error": (p, wrong)},
                 dashed=["error"], x_name="p")  # fmt: skip


def _steps() -> Lines:
    x, y = _target()
    at = np.linspace(0, 6, 241)
    curves = {f"depth {d}": (at, _grown(x, y, at, d)) for d in (1, 3)}
    return Lines("", curves, points={"y": (x, y)}, x_name="x")


def _bag() -> Lines:
    x, y = _target()
    at, random = np.linspace(0, 6, 241), np.random.default_rng(0)
    trees = []
    for _ in range(12):
        drawn = np.sort(random.integers(len(x), size=len(x)))
        trees.append(_grown(x[drawn], y[drawn], at, 4))
    return Lines("", {"mean": (at, np.mean(trees, 0))}, points={"y": (x, y)},
                 levels=[(at, tree) for tree in trees[:4]], x_name="x")  # fmt: skip


def _boost() -> Lines:
    x, y = _target()
    at, curves = np.linspace(0, 6, 241), {}
    fitted, shown = np.full(x.shape, y.mean()), np.full(at.shape, y.mean())
    for k in range(1, 31):
        cut, low, high = _best(x, y - fitted)
        fitted = fitted + 0.3 * np.where(x <= cut, low, high)
        shown = shown + 0.3 * np.where(at <= cut, low, high)
        if k in (1, 5, 30):
            curves[f"{k}"] = (at, shown.copy())
    return Lines("", curves, points={"y": (x, y)}, x_name="x")


def _weights() -> Lines:
    error = np.linspace(0.02, 0.98, 97)
    return Lines("", {"α = ln((1 − ε)/ε)": (error, np.log((1 - error) / error))},
                 guides={"0": 0.0}, x_name="ε")  # fmt: skip


def _bins() -> Lines:
    x, y = _target()
    edges = np.linspace(0, 6, 9)
    places = np.clip(np.digitize(x, edges) - 1, 0, 7)
    sums = np.array([y[places == b].sum() for b in range(8)])
    return Lines("", {"Σ g": (np.repeat(edges, 2)[1:-1], np.repeat(sums, 2))},
                 points={"g": (x, y)}, x_name="x")  # fmt: skip


# ---- without targets ------------------------------------------------------------------------


def _clusters(small: bool) -> Lines:
    groups = _blobs((-1.5, -0.8), (1.4, -0.6), (0.1, 1.3))
    X = np.concatenate(groups)
    random = np.random.default_rng(1)
    centres, seen = X[[0, 1, 2]].copy(), np.ones(3)
    ways = [[c.copy()] for c in centres]
    for _ in range(8):
        batch = X[random.integers(len(X), size=12)] if small else X
        nearest = ((batch[:, None] - centres) ** 2).sum(2).argmin(1)
        for k in range(3):
            mine = batch[nearest == k]
            if small:
                for each in mine:
                    seen[k] += 1
                    centres[k] += (each - centres[k]) / seen[k]
            elif len(mine):
                centres[k] = mine.mean(0)
            ways[k].append(centres[k].copy())
    paths = {f"c{k + 1}": _xy(np.array(way)) for k, way in enumerate(ways)}
    return Lines("", paths, points={"x": _xy(X)}, x_name="x₁", y_name="x₂")


def _seeds() -> Lines:
    x = np.array([0.0, 0.3, 0.5, 2.6, 2.9, 3.1, 5.4, 5.8])
    d = np.abs(x - x[0]) ** 2
    return Lines("", {"D²/ΣD²": (x, d / d.sum())}, points={"x": (x, np.zeros_like(x))}, x_name="x")


def _mixture() -> Lines:
    random = np.random.default_rng(4)
    first = random.normal(size=(30, 2)) @ np.array([[0.9, 0.5], [0.0, 0.3]]) + (-1.0, 0.0)
    second = random.normal(size=(24, 2)) * (0.4, 0.8) + (1.6, 0.6)
    rings = {}
    for name, X in (("Σ₁", first), ("Σ₂", second)):
        root = np.linalg.cholesky(np.cov(X.T))
        rings[name] = _ring(X.mean(0), 2 * root)
    return Lines("", rings, points={"x": _xy(np.concatenate([first, second]))}, x_name="x₁",
                 y_name="x₂")  # fmt: skip


def _cloud() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(60, 2)) @ np.array([[1.5, 0.9], [0.0, 0.4]])


def _components() -> Lines:
    X = _cloud()
    values, vectors = np.linalg.eigh(np.cov(X.T))
    axes = {}
    for name, k in (("v₁", 1), ("v₂", 0)):
        end = 2 * np.sqrt(values[k]) * vectors[:, k]
        axes[name] = (np.array([-end[0], end[0]]), np.array([-end[1], end[1]]))
    return Lines("", axes, points={"x": _xy(X)}, x_name="x₁", y_name="x₂")


def _scaled(how: str) -> Lines:
    X = _cloud() * (1.0, 2.0) + (3.0, 1.0)
    mean, spread = X.mean(0), X.std(0)
    low, high = X.min(0), X.max(0)
    q1, middle, q3 = np.percentile(X, (25, 50, 75), axis=0)
    values, vectors = np.linalg.eigh(np.cov(X.T))
    found = {
        "standard": (X - mean) / spread,
        "range": (X - low) / (high - low),
        "largest": X / np.abs(X).max(0),
        "robust": (X - middle) / (q3 - q1),
        "whiten": (X - mean) @ vectors / np.sqrt(values),
    }[how]
    return Lines("", points={"x": _xy(X), "y": _xy(found)}, x_name="x₁", y_name="x₂")


def _tails() -> Lines:
    d = np.linspace(0, 5, 101)
    return Lines("", {"exp(−d²/2)": (d, np.exp(-(d**2) / 2)), "1/(1 + d²)": (d, 1 / (1 + d * d))},
                 x_name="d")  # fmt: skip


def _powers() -> Lines:
    x = np.linspace(-1.2, 1.2, 97)
    return Lines("", {n: (x, x**k) for k, n in enumerate(("1", "x", "x²", "x³"))}, x_name="x")


KINDS: dict[str, Any] = {
    "least_squares": _least_squares, "logistic": _logistic, "margin": _margin, "tube": _tube,
    "ridge": lambda: _shrunk(("ridge", "lasso")), "lasso": lambda: _shrunk(("lasso", "ridge")),
    "elastic": lambda: _shrunk(("elastic net", "lasso", "ridge")),
    "vote": lambda: _neighbours(False), "near_mean": lambda: _neighbours(True),
    "network": _network, "gain": _gain, "steps": _steps, "bag": _bag, "boost": _boost,
    "weights": _weights, "bins": _bins, "clusters": lambda: _clusters(False),
    "small_batches": lambda: _clusters(True), "seeds": _seeds, "mixture": _mixture,
    "components": _components, "tails": _tails, "powers": _powers,
    **{how: (lambda how=how: _scaled(how))
       for how in ("standard", "range", "largest", "robust", "whiten")},
}  # fmt: skip


def estimator(name: str, kind: str) -> str:
    """The picture of a kind, under the name of an estimator."""
    return drawing(name, KINDS[kind]())

"""Losses of boosting: where it starts, their gradients and Hessians in the raw predictions.

Raw predictions are [trees a round, rows]. Gradients are those of Σ w·loss, not divided by rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, logit, logsumexp, softmax


def weighted_quantile(y: Any, w: Any, level: float) -> float:
    """The smallest value that at least `level` of the weight does not exceed."""
    order = np.argsort(y, kind="stable")
    mass = np.cumsum(w[order])
    at = int(np.searchsorted(mass, level * mass[-1] * (1 - 1e-12)))
    # Exactly half-way between two values their mean is taken, as a median is.
    if at + 1 < len(y) and mass[at] == level * mass[-1]:
        return float((y[order[at]] + y[order[at + 1]]) / 2)
    return float(y[order[min(at, len(y) - 1)]])


class SquaredError:
    """½ (y − f)²."""

    trees = 1
    # Whether every Hessian is 1.
    constant_hessian = True
    # Whether a leaf takes `leaf` of its rows in place of the Newton step −Σg/Σh.
    own_leaf = False

    def start(self, y: Any, w: Any) -> Any:
        return np.array([np.average(y, weights=w)])

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        return raw - y, np.broadcast_to(1.0, raw.shape)

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        return float(np.average((y - raw[0]) ** 2, weights=w)) / 2

    def leaf(self, y: Any, raw: Any, w: Any) -> float:
        """The constant that lowers the loss most in a leaf with these rows."""
        return float(np.average(y - raw[0], weights=w))

    def inverse(self, raw: Any) -> Any:
        """The prediction of raw numbers [rows]."""
        return raw

    def link(self, guess: Any) -> Any:
        """Raw numbers [rows, trees a round] of predictions [rows], or shares [rows, classes]."""
        return guess[:, None]


class AbsoluteError(SquaredError):
    """|y − f|; a leaf takes the median of its rests."""

    level = 0.5
    own_leaf = True

    def start(self, y: Any, w: Any) -> Any:
        return np.array([weighted_quantile(y, w, self.level)])

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        return np.where(y > raw, -1.0, 1.0), np.broadcast_to(1.0, raw.shape)

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        return float(np.average(np.abs(y - raw[0]), weights=w))

    def leaf(self, y: Any, raw: Any, w: Any) -> float:
        return weighted_quantile(y - raw[0], w, self.level)


class Quantile(AbsoluteError):
    """Pinball loss: α (y − f) above, (1 − α)(f − y) below."""

    def __init__(self, level: float) -> None:
        self.level = level

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        return np.where(y > raw, -self.level, 1.0 - self.level), np.broadcast_to(1.0, raw.shape)

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        rest = y - raw[0]
        pinball = np.maximum(self.level * rest, (self.level - 1.0) * rest)
        return float(np.average(pinball, weights=w))


class Huber(AbsoluteError):
    """Squared up to δ, then linear; δ is the `level` quantile of |y − f| of each round."""

    def __init__(self, level: float) -> None:
        self.quantile, self.delta = level, 1.0

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        rest = y - raw
        self.delta = weighted_quantile(np.abs(rest[0]), np.ones(rest.shape[1]), self.quantile)
        return -np.clip(rest, -self.delta, self.delta), np.broadcast_to(1.0, raw.shape)

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        rest = np.abs(y - raw[0])
        inside = rest <= self.delta
        value = np.where(inside, rest**2 / 2, self.delta * (rest - self.delta / 2))
        return float(np.average(value, weights=w))

    def leaf(self, y: Any, raw: Any, w: Any) -> float:
        rest = y - raw[0]
        middle = weighted_quantile(rest, w, 0.5)
        step = np.sign(rest - middle) * np.minimum(self.delta, np.abs(rest - middle))
        return middle + float(np.average(step, weights=w))


class Poisson(SquaredError):
    """e^f − y f."""

    constant_hessian = False

    def start(self, y: Any, w: Any) -> Any:
        return np.array([np.log(np.average(y, weights=w))])

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        mean = np.exp(raw)
        return mean - y, mean

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        return float(np.average(np.exp(raw[0]) - y * raw[0], weights=w))

    def inverse(self, raw: Any) -> Any:
        return np.exp(raw)


class Gamma(Poisson):
    """f + y e^(−f)."""

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        ratio = y * np.exp(-raw)
        return 1.0 - ratio, ratio

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        return float(np.average(raw[0] + y * np.exp(-raw[0]), weights=w))


class BinaryLogLoss(SquaredError):
    """log(1 + e^f) − y f with y ∈ {0, 1}; gradient p − y, Hessian p (1 − p)."""

    constant_hessian = False

    def start(self, y: Any, w: Any) -> Any:
        p = np.clip(np.average(y, weights=w), 1e-15, 1 - 1e-15)
        return np.array([np.log(p / (1 - p))])

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        p = expit(raw)
        return p - y, p * (1.0 - p)

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        return float(np.average(np.logaddexp(0.0, raw[0]) - y * raw[0], weights=w))

    def shares(self, raw: Any) -> Any:
        """[rows, classes] probabilities."""
        p = expit(raw[0])
        return np.stack([1.0 - p, p], axis=1)

    def link(self, guess: Any) -> Any:
        return logit(guess[:, 1:])


class Exponential(BinaryLogLoss):
    """e^(−(2y − 1) f), the loss that AdaBoost lowers."""

    def start(self, y: Any, w: Any) -> Any:
        return super().start(y, w) / 2

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        sign = 2.0 * y - 1.0
        size = np.exp(-sign * raw)
        return -sign * size, size

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        return float(np.average(np.exp(-(2.0 * y - 1.0) * raw[0]), weights=w))

    def shares(self, raw: Any) -> Any:
        return super().shares(2.0 * raw)

    def link(self, guess: Any) -> Any:
        return super().link(guess) / 2.0


class LogLoss(SquaredError):
    """log Σ e^f − f_y over several classes; one tree a class and round."""

    constant_hessian = False

    def __init__(self, classes: int) -> None:
        self.trees = classes

    def start(self, y: Any, w: Any) -> Any:
        share = np.bincount(y.astype(int), w, self.trees) / w.sum()
        raw = np.log(np.clip(share, 1e-15, 1.0))
        return raw - raw.mean()

    def gradient(self, y: Any, raw: Any) -> tuple[Any, Any]:
        p = raw - raw.max(axis=0)
        np.exp(p, out=p)
        p /= p.sum(axis=0)
        hessian = p * (1.0 - p)
        p[y.astype(int), np.arange(len(y))] -= 1.0
        return p, hessian

    def loss(self, y: Any, raw: Any, w: Any) -> float:
        chosen = raw[y.astype(int), np.arange(raw.shape[1])]
        return float(np.average(logsumexp(raw, axis=0) - chosen, weights=w))

    def shares(self, raw: Any) -> Any:
        return softmax(raw, axis=0).T

    def link(self, guess: Any) -> Any:
        raw = np.log(guess)
        return raw - raw.mean(axis=1, keepdims=True)

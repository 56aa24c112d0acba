"""Draws from distributions: choices by weight, counts, and fills in place.

The fills and choices are formulas of counter-based uniforms, so they are the same in every mode.
Poisson and binomial counts are drawn by NumPy from a stream that the generator's seed and place
choose; a trace cannot hold them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.base import dtypes
from chainrule.base.errors import ArgumentError, DTypeError, ShapeError
from chainrule.base.shapes import broadcast_shapes
from chainrule.base.text import t
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.inplace import assign
from chainrule.ops.random import (
    Generator,
    default_generator,
    draw_integers,
    draw_uniform,
    randn,
)
from chainrule.ops.register import method

# ---- choices --------------------------------------------------------------------------------


@method("multinomial")
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the weights of `input` (n) or of each of its rows (rows, n).

    Weights are ≥ 0 and need not add up to 1. Without `replacement` no index comes twice, and there
    must be as many weights above 0 as draws.
    """
    if input.ndim not in (1, 2) or not input.dtype.is_floating_point or not input.numel():
        raise ShapeError(
            t(
                "multinomial takes floating-point weights (n) or (rows, n), got {dtype}{shape}.",
                dtype=input.dtype.name,
                shape=list(input.shape),
            )
        )
    n = input.shape[-1]
    if num_samples < 1 or (num_samples > n and not replacement):
        raise ArgumentError(
            t(
                "multinomial: {m} draws of {n} weights; without replacement there are at most {n}, "
                "and at least one is needed.",
                m=num_samples,
                n=n,
            )
        )
    with no_grad():
        rows = input.detach().double().reshape(-1, n)
        if mode.trace is None:
            _check_weights(rows._data, 0 if replacement else num_samples)
        else:
            mode.trace.check(input, lambda x: _check_weights(x, 0 if replacement else num_samples))
        weights = rows._data if mode.trace is None else mode.trace.lift(rows)
        draw = _repeated if replacement else _different
        out = wrap(mode.quiet(draw, weights, num_samples, generator))
    return out.reshape(*input.shape[:-1], num_samples)


def _check_weights(weights: np.ndarray, least: int) -> None:
    if not np.isfinite(weights).all() or (weights < 0).any() or (weights.sum(-1) <= 0).any():
        raise ArgumentError(
            t("multinomial: the weights must be finite, ≥ 0, and not all 0 in a row.")
        )
    if least and (np.count_nonzero(weights, -1) < least).any():
        raise ArgumentError(
            t("multinomial: fewer weights above 0 than the {n} draws asked for.", n=least)
        )


def _repeated(weights: Any, count: int, generator: Generator | None) -> Any:
    """How many running sums the uniform, scaled to their total, has passed."""
    F = mode.F
    rows, n = weights.shape
    sums = F.cumulative_sum(weights, 1)
    total = F.slice(sums, (slice(None), slice(n - 1, n)))
    # Rounding may carry u·total to the total itself: the last weight above 0 is meant.
    last = F.sum(F.astype(F.less(sums, total), "int64"), 1, True)
    levels = draw_uniform((rows, count), dtypes.float64, generator) * total
    if isinstance(sums, np.ndarray):
        passed = [np.searchsorted(s, v, side="right") for s, v in zip(sums, levels, strict=True)]
        return np.minimum(np.stack(passed).astype(np.int64), last)
    under = F.less_equal(F.expand_dims(sums, 1), F.expand_dims(levels, 2))
    return F.minimum(F.sum(F.astype(under, "int64"), 2), last)


def _different(weights: Any, count: int, generator: Generator | None) -> Any:
    """The first to ring of clocks with exponential times: no index comes twice."""
    F = mode.F
    u = draw_uniform(weights.shape, dtypes.float64, generator)
    # Times above 0, so that a weight of 0 rings at infinity, after all others.
    times = -F.log1p(-F.maximum(u, 2.0**-54)) / weights
    order = F.argsort(times, 1)
    return F.slice(order, (slice(None), slice(0, count)))


# ---- counts ---------------------------------------------------------------------------------


def _counts(generator: Generator | None, n: int) -> np.random.Generator:
    """NumPy's generator at the stream's place, which moves on by n draws."""
    source = generator or default_generator
    start = source.advance(max(n, 1), np.float64)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([source.seed, start])))


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """A count from the Poisson distribution for each rate of `input`, in its dtype."""
    rates = np.asarray(input._values(), np.float64)
    if (rates < 0).any() or np.isnan(rates).any():
        raise ArgumentError(t("poisson: the rates must be ≥ 0."))
    return Tensor(_counts(generator, rates.size).poisson(rates), input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of `count` trials succeed, each with probability `prob`; in the dtype of `count`."""
    n, p = (np.asarray(x._values(), np.float64) for x in (count, prob))
    if (n < 0).any() or not ((p >= 0) & (p <= 1)).all() or (n != np.floor(n)).any():
        raise ArgumentError(
            t("binomial: counts must be whole numbers ≥ 0, probabilities in [0, 1].")
        )
    shape = broadcast_shapes(n.shape, p.shape)
    drawn = _counts(generator, math.prod(shape)).binomial(n.astype(np.int64), p, shape)
    return Tensor(np.asarray(drawn), count.dtype)


# ---- fills ----------------------------------------------------------------------------------


def _filled(target: Tensor, values: Any) -> Tensor:
    with no_grad():
        return assign(target, wrap(mode.F.asarray(values)).to(target.dtype))


def _uniforms(target: Tensor, name: str, generator: Generator | None) -> Any:
    """Uniforms in (0, 1] for a floating tensor."""
    if not target.dtype.is_floating_point:
        raise DTypeError(
            t("{name} fills floating-point tensors, not {dtype}.", name=name,
              dtype=target.dtype.name)
        )  # fmt: skip
    return 1.0 - draw_uniform(target.shape, target.dtype, generator)


def _positive(name: str, what: str, value: float) -> float:
    if not value > 0:
        raise ArgumentError(t("{name}: {what} must be > 0, got {value}.", name=name, what=what,
                              value=value))  # fmt: skip
    return value


@method("exponential_")
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills the tensor with waiting times of rate `lambd`."""
    rate = _positive("exponential_", "lambd", lambd)
    u = _uniforms(self, "exponential_", generator)
    return _filled(self, mode.quiet(mode.F.log, u) * (-1.0 / rate))


@method("geometric_")
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills the tensor with the number of trials, 1, 2, …, until one of chance p succeeds."""
    if not 0 < p < 1:
        raise ArgumentError(t("geometric_: p must lie in (0, 1), got {p}.", p=p))
    F = mode.F
    u = 1.0 - draw_uniform(self.shape, dtypes.float64, generator)
    return _filled(self, F.floor(mode.quiet(F.log, u) * (1.0 / math.log1p(-p))) + 1.0)


@method("cauchy_")
def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills the tensor with numbers from the Cauchy distribution."""
    scale = _positive("cauchy_", "sigma", sigma)
    u = _uniforms(self, "cauchy_", generator)
    return _filled(self, mode.F.tan(math.pi * (u - 0.5)) * scale + median)


@method("log_normal_")
def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills the tensor with exp(normal numbers of this mean and deviation)."""
    _positive("log_normal_", "std", std)
    with no_grad():
        normal = randn(self.shape, dtype=self.dtype, generator=generator)
        return assign(self, (normal * std + mean).exp())


@method("random_")
def random_(
    self: Tensor, from_: int = 0, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fills the tensor with integers from `from_` to `to` − 1; `random_(to)` starts at 0.

    Without bounds: 0 to the largest number of an integer dtype, or to what a float holds exactly.
    """
    if to is None and from_:
        from_, to = 0, from_
    if to is None:
        exact = {"float64": 2**53 + 1, "float32": 2**24 + 1, "float16": 2**11 + 1,
                 "bfloat16": 2**8 + 1, "bool": 2}  # fmt: skip
        bits = self.dtype.itemsize * 8 - self.dtype.is_signed
        to = exact.get(self.dtype.name) or min(2**bits, 2**63 - 1)
    if to <= from_:
        raise ArgumentError(
            t("random_: from {low} to {high} there is no integer.", low=from_, high=to - 1)
        )
    return _filled(self, draw_integers(self.shape, int(from_), int(to), generator))

"""Noise inside a network: dropout of whole channels and of SELU's units, random slopes, Gumbel.

Plain dropout is in random.py. Functions of `torch.nn.functional`.
"""

from __future__ import annotations

from typing import Any

from chainrule.base import dtypes
from chainrule.base.constraints import Bool, Interval
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph.modes import mode, no_grad
from chainrule.graph.tensor import Tensor, wrap
from chainrule.ops.dispatch import apply
from chainrule.ops.inplace import assign
from chainrule.ops.op import REGISTRY
from chainrule.ops.random import Generator, draw_uniform
from chainrule.ops.register import method

# Where SELU saturates: −λα of G. Klambauer et al., "Self-normalizing neural networks" (2017).
_FLOOR = -1.7580993408473766

_p, _flag = Interval(0.0, 1.0), Bool()


def _drop_to_floor(
    name: str, x: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> Tensor:
    """Chosen units go to SELU's floor; a scale and a shift keep mean 0 and variance 1."""
    p = _p.check(p, name, "p")
    if not _flag.check(training, name, "training") or p == 0:
        return x
    F = mode.F
    kept = wrap(F.asarray(F.greater_equal(draw_uniform(shape, dtypes.float32, None), float(p))))
    scale = ((1 - p) * (1 + p * _FLOOR * _FLOOR)) ** -0.5 if p < 1 else 0.0
    out = apply(REGISTRY["where"], kept, x, _FLOOR) * scale - scale * p * _FLOOR
    return assign(x, out) if inplace else out


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for SELU networks: each unit goes to SELU's floor with probability p, and all are
    scaled and shifted, so that mean and variance stay (Klambauer et al., 2017)."""
    return _drop_to_floor("alpha_dropout", input, input.shape, p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """alpha_dropout of whole channels of (N, C, …)."""
    if input.ndim < 2:
        raise ShapeError(
            t("feature_alpha_dropout takes input (N, C, …), got shape {x}.", x=input.shape)
        )
    shape = input.shape[:2] + (1,) * (input.ndim - 2)
    return _drop_to_floor("feature_alpha_dropout", input, shape, p, training, inplace)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False, *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Leaky ReLU whose slope is drawn from [lower, upper) for each element in training; else their
    mean. B. Xu et al., "Empirical evaluation of rectified activations" (2015)."""
    if lower > upper:
        raise ArgumentError(
            t("rrelu: lower must not exceed upper, got {lower} > {upper}.",
              lower=lower, upper=upper)
        )  # fmt: skip
    if _flag.check(training, "rrelu", "training"):
        drawn = draw_uniform(input.shape, input.dtype, generator) * (upper - lower) + lower
        with no_grad():
            slope: Any = wrap(mode.F.asarray(drawn)).to(input.dtype)
    else:
        slope = (lower + upper) / 2
    out = apply(REGISTRY["where"], input >= 0, input, input * slope)
    return assign(input, out) if inplace else out


@method("rrelu_")
def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """rrelu, in place."""
    return rrelu(input, lower, upper, training, True, generator=generator)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """A differentiable draw of a category: softmax of (logits + Gumbel noise)/tau.

    `hard`: one-hot forward, the gradient of the soft form backward. `eps` does nothing, as in
    PyTorch. E. Jang et al., "Categorical reparameterization with Gumbel-softmax" (2017).
    """
    if not tau > 0:
        raise ArgumentError(t("gumbel_softmax: tau must be > 0, got {tau}.", tau=tau))
    F = mode.F
    u = 1.0 - draw_uniform(logits.shape, logits.dtype, generator)
    # −ln u > 0: at u = 1 the smallest time that the dtype can tell from 0.
    times = mode.quiet(F.log, F.minimum(u, 1.0 - 2.0**-24))
    with no_grad():
        noise = -wrap(F.asarray(mode.quiet(F.log, -times))).to(logits.dtype)
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    one = soft.new_zeros(soft.shape).scatter(dim, index, 1.0)
    return one - soft.detach() + soft

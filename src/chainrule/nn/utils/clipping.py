"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from chainrule.base.constraints import NonNegative, Positive
from chainrule.base.errors import AutogradError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.graph.modes import mode
from chainrule.graph.sparse import SparseTensor
from chainrule.ops.shaping import Stack


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The gradients that are there and have elements: of sparse ones the values, each row once."""
    several = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad for p in several if p.grad is not None and p.numel()]
    parts = [g.coalesce_()._values() if isinstance(g, SparseTensor) else g for g in gradients]
    return [g for g in parts if g.numel()]


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor so that their joint norm is at most `max_norm`.

    Returns the norm before (0-d). `norm_type`: the exponent; `math.inf` for the largest magnitude.

    >>> p = cr.nn.Parameter(cr.tensor([0.0, 0.0]))
    >>> p.grad = cr.tensor([3.0, 4.0])
    >>> cr.nn.utils.clip_grad_norm_([p], max_norm=10.0)
    tensor(5.)
    """
    NonNegative().check(max_norm, "clip_grad_norm_", "max_norm")
    Positive().check(norm_type, "clip_grad_norm_", "norm_type")
    gradients = _gradients(parameters)
    if not gradients:
        return Tensor(np.zeros((), np.float32))
    if norm_type == math.inf:
        total = Stack.function([g.abs().max() for g in gradients]).max()
    else:
        powers = [(g.abs() ** norm_type).sum() for g in gradients]
        total = Stack.function(powers).sum() ** (1 / norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise AutogradError(
            t(
                "The norm of the gradients is {norm}: a gradient overflowed or is not a number. "
                "Write error_if_nonfinite=False to clip all the same.",
                norm=total.item(),
            )
        )
    if mode.watch is not None:
        mode.watch.clipping(gradients, total.item(), max_norm)
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor)
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of the gradients to [−clip_value, clip_value].

    >>> p = cr.nn.Parameter(cr.tensor([0.0, 0.0]))
    >>> p.grad = cr.tensor([3.0, -0.5])
    >>> cr.nn.utils.clip_grad_value_([p], 1.0)
    >>> p.grad
    tensor([ 1.0000, -0.5000])
    """
    bound = NonNegative().check(clip_value, "clip_grad_value_", "clip_value")
    gradients = _gradients(parameters)
    if mode.watch is not None:
        mode.watch.clipping(gradients, None, bound)
    for g in gradients:
        g.clamp_(-bound, bound)

"""Dropout: in training, zeros at random; in evaluation, nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from chainrule.base.constraints import Interval
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module


class _Dropout(Module):
    function: ClassVar[Callable[..., Any]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = Interval(0, 1).check(p, type(self).__name__, "p")
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeros each element with probability `p` and multiplies the others by 1/(1 − p).

    >>> layer = cr.nn.Dropout(0.5)
    >>> sorted(set(layer(cr.ones(1000)).tolist()))
    [0.0, 2.0]
    """

    function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """Zeros whole channels of (N, C, L) with probability `p`; the others times 1/(1 − p)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Zeros whole channels of (N, C, H, W) with probability `p`; the others times 1/(1 − p)."""

    function = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """Zeros whole channels of (N, C, D, H, W) with probability `p`; the others times 1/(1 − p)."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout for SELU networks: to SELU's floor with probability `p`; mean and variance stay."""

    function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of (N, C, …)."""

    function = staticmethod(F.feature_alpha_dropout)

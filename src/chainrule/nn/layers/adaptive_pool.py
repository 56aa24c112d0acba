"""Pooling layers whose output has a given size: adaptive and fractional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Optional, Spatial
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module
from chainrule.ops.adaptive_pooling import OutputSize
from chainrule.ops.fractional_pooling import Ratio


class _AdaptivePool(Module):
    """Windows that cover the input evenly; a size of None keeps that axis."""

    n: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: int | None | tuple[int | None, ...]) -> None:
        super().__init__()
        OutputSize(self.n).check(output_size, type(self).__name__, "output_size")
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """(N, C, L) → (N, C, output_size): means over windows that cover the input evenly."""

    n = 1
    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """(N, C, H, W) → (N, C, *output_size): means over windows that cover the input evenly.

    One size serves all axes; None keeps an axis as it is.

    >>> cr.nn.AdaptiveAvgPool2d(1)(cr.ones(2, 8, 7, 7)).shape
    (2, 8, 1, 1)
    """

    n = 2
    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptivePool):
    """(N, C, D, H, W) → (N, C, *output_size): means over windows that cover the input evenly.

    One size serves all axes; None keeps an axis as it is.
    """

    n = 3
    function = staticmethod(F.adaptive_avg_pool3d)


# ---- maximum --------------------------------------------------------------------------------


class _AdaptiveMaxPool(_AdaptivePool):
    def __init__(
        self, output_size: int | None | tuple[int | None, ...], return_indices: bool = False
    ) -> None:
        super().__init__(output_size)
        name = type(self).__name__
        self.return_indices = Bool().check(return_indices, name, "return_indices")

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """(N, C, L) → (N, C, output_size): maxima of windows that cover the input evenly."""

    n = 1
    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """(N, C, H, W) → (N, C, *output_size): maxima of windows that cover the input evenly.

    One size serves all axes; None keeps an axis. `return_indices`: also where the largest stood.
    """

    n = 2
    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """(N, C, D, H, W) → (N, C, *output_size): maxima; as for `AdaptiveMaxPool2d`."""

    n = 3
    function = staticmethod(F.adaptive_max_pool3d)


class _FractionalMaxPool(Module):
    """Maxima of windows at random steps over `n` spatial axes."""

    n: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        output_size: int | tuple[int, ...] | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = Spatial(self.n).check(kernel_size, name, "kernel_size")
        self.return_indices = Bool().check(return_indices, name, "return_indices")
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = Optional(Spatial(self.n)).check(output_size, name, "output_size")
        self.output_ratio = Optional(Ratio(self.n)).check(output_ratio, name, "output_ratio")
        if (self.output_size is None) == (self.output_ratio is None):
            raise ArgumentError(t("{name}: give either output_size or output_ratio.", name=name))

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip

    def extra_repr(self) -> str:
        which = "output_ratio" if self.output_size is None else "output_size"
        return f"kernel_size={self.kernel_size}, {which}={getattr(self, which)}"


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of (N, C, H, W) in windows at random steps, to `output_size` or a share of the input.

    `output_ratio` in (0, 1); `return_indices`: also where the largest stood; `_random_samples`
    (N, C, 2) in [0, 1) instead of new random numbers at each call.
    """

    n = 2
    function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima of (N, C, D, H, W) in windows at random steps; as for `FractionalMaxPool2d`."""

    n = 3
    function = staticmethod(F.fractional_max_pool3d)

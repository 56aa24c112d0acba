"""Unpooling layers: maxima put back where max pooling found them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from chainrule.base.constraints import Optional, Spatial
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module

Size = int | tuple[int, ...]


class _MaxUnpool(Module):
    """Zeros with each maximum at its index, over `n` spatial axes."""

    n: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        name, size = type(self).__name__, Spatial(self.n)
        self.kernel_size = size.check(kernel_size, name, "kernel_size")
        given = Optional(size).check(stride, name, "stride")
        self.stride = self.kernel_size if given is None else given
        self.padding = Spatial(self.n, low=0).check(padding, name, "padding")

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """`output_size`: which of the sizes that pooling makes equal, else the smallest."""
        return type(self).function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """(N, C, L′) and the indices of a `MaxPool1d(return_indices=True)` → (N, C, L)."""

    n = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """(N, C, H′, W′) and the indices of a `MaxPool2d(return_indices=True)` → (N, C, H, W)."""

    n = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """(N, C, D′, H′, W′) and the indices of a `MaxPool3d` → (N, C, D, H, W)."""

    n = 3
    function = staticmethod(F.max_unpool3d)

"""Transposed convolution layers in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from chainrule.base.constraints import Choice, Ints, Spatial
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.layers.conv import check_channels
from chainrule.nn.layers.linear import reset_weight_and_bias
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


class _ConvTranspose(Module):
    """The input gradient of a convolution over `n` spatial axes, as a layer."""

    n: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name, size = type(self).__name__, Spatial(self.n)
        check_channels(name, in_channels, out_channels, groups)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = size.check(kernel_size, name, "kernel_size")
        self.stride = size.check(stride, name, "stride")
        self.dilation = size.check(dilation, name, "dilation")
        self.padding = Spatial(self.n, low=0).check(padding, name, "padding")
        self.output_padding = Spatial(self.n, low=0).check(output_padding, name, "output_padding")
        self.padding_mode = Choice("zeros").check(padding_mode, name, "padding_mode")
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.weight = blank(shape, device, dtype)
        self.bias = blank((out_channels,), device, dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform in ±1/√(out/groups · kernel elements)."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """`output_size`: which of the sizes that the stride leaves open, instead of
        `output_padding`."""
        return type(self).function(
            input, self.weight, self.bias, self.stride, self.padding,
            self._output_padding(input, output_size), self.groups, self.dilation,
        )  # fmt: skip

    def _output_padding(self, x: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        if output_size is None:
            return self.output_padding
        name, lead = type(self).__name__, x.ndim - self.n
        size = Ints().check(output_size, name, "output_size")
        if len(size) == x.ndim:
            size = size[lead:]
        if len(size) != self.n:
            raise ArgumentError(
                t(
                    "{owner}: output_size must have {n} entries, or {all} with batch and channels, "
                    "got {size}.",
                    owner=name,
                    n=self.n,
                    all=x.ndim,
                    size=tuple(output_size),
                )
            )
        least = [
            (m - 1) * s - 2 * p + d * (k - 1) + 1
            for m, s, p, d, k in zip(
                x.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size,
                strict=True,
            )
        ]  # fmt: skip
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if any(not a <= m <= b for a, m, b in zip(least, size, most, strict=True)):
            raise ShapeError(
                t(
                    "{owner}: an input of shape {x} can give sizes from {least} to {most}, "
                    "output_size is {size}.",
                    owner=name,
                    x=x.shape,
                    least=tuple(least),
                    most=tuple(most),
                    size=size,
                )
            )
        return tuple(m - a for m, a in zip(size, least, strict=True))

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        for name, usual in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (usual,) * self.n:
                parts.append(f"{name}={getattr(self, name)}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class ConvTranspose1d(_ConvTranspose):
    """(N, C, L) → (N, out_channels, L′); arguments as for `ConvTranspose2d`."""

    n = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """(N, C, H, W) → (N, out_channels, H′, W′): makes the shape that a `Conv2d` took away.

    H′ = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1. The weight has
    shape (in, out/groups, kH, kW). Strides leave open which of several sizes is meant:
    `output_padding` rows more below and right, or `layer(x, output_size=…)`.

    >>> cr.nn.ConvTranspose2d(8, 3, 2, stride=2)(cr.ones(1, 8, 7, 7)).shape
    (1, 3, 14, 14)
    """

    n = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """(N, C, D, H, W) → (N, out_channels, D′, H′, W′); arguments as for `ConvTranspose2d`."""

    n = 3
    function = staticmethod(F.conv_transpose3d)

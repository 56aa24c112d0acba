"""Convolution layers in 1, 2 and 3 dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from chainrule.base.constraints import Choice, Int, Spatial
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.layers.linear import reset_weight_and_bias
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank
from chainrule.ops.convolution import Padding


def check_channels(owner: str, in_channels: int, out_channels: int, groups: int) -> None:
    """Refuse numbers of channels that are not integers ≥ 1 or that the groups do not divide."""
    Int(low=1).check(groups, owner, "groups")
    for which, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        Int(low=1).check(channels, owner, which)
        if channels % groups:
            raise ArgumentError(
                t(
                    "{owner}: {which} = {channels} cannot be split into {groups} groups.",
                    owner=owner,
                    which=which,
                    channels=channels,
                    groups=groups,
                )
            )


class _Conv(Module):
    """Convolution over `n` spatial axes."""

    n: ClassVar[int]  # spatial axes
    function: ClassVar[Callable[..., Any]]

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
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
        self.padding = Padding(self.n).check(padding, name, "padding")
        modes = Choice("zeros", "reflect", "replicate", "circular")
        self.padding_mode = modes.check(padding_mode, name, "padding_mode")
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = blank(shape, device, dtype)
        self.bias = blank((out_channels,), device, dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform in ±1/√(in/groups · kernel elements)."""
        reset_weight_and_bias(self.weight, self.bias)

    def _borders(self, sizes: tuple[int, ...]) -> list[int]:
        """The padding as `pad` takes it: (left, right) from the last axis to the first."""
        borders = []
        for i in reversed(range(self.n)):
            if self.padding == "same":
                steps = -(-sizes[i] // self.stride[i]) - 1
                reach = steps * self.stride[i] + self.dilation[i] * (self.kernel_size[i] - 1) + 1
                total = max(reach - sizes[i], 0)
                borders += [total // 2, total - total // 2]
            else:
                borders += [0 if self.padding == "valid" else self.padding[i]] * 2
        return borders

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._borders(input.shape[-self.n :]), mode=self.padding_mode)
            padding = 0
        return type(self).function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        if self.padding != (0,) * self.n:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.n:
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """(N, C, L) → (N, out_channels, L′); arguments as for `Conv2d`.

    >>> cr.nn.Conv1d(2, 4, 3)(cr.ones(1, 2, 10)).shape
    (1, 4, 8)
    """

    n = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Slides `out_channels` kernels over (N, C, H, W): (N, out_channels, H′, W′).

    H′ = ⌊(H + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1. `padding` may be "valid" (none)
    or "same" (H′ = ⌈H/stride⌉; where the padding is odd, the smaller half is above and left).
    `padding_mode`: "zeros", "reflect", "replicate" or "circular". `groups` splits the channels into
    that many independent convolutions; the weight has shape (out, in/groups, kH, kW).

    >>> cr.nn.Conv2d(1, 6, 5)(cr.ones(1, 1, 28, 28)).shape
    (1, 6, 24, 24)
    >>> cr.nn.Conv2d(3, 8, 3, stride=2, padding="same")(cr.ones(1, 3, 32, 32)).shape
    (1, 8, 16, 16)
    """

    n = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """(N, C, D, H, W) → (N, out_channels, D′, H′, W′); arguments as for `Conv2d`.

    >>> cr.nn.Conv3d(1, 2, 3)(cr.ones(1, 1, 5, 5, 5)).shape
    (1, 2, 3, 3, 3)
    """

    n = 3
    function = staticmethod(F.conv3d)

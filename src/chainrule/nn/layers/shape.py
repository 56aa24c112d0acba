"""Layers that only rearrange elements: flatten, windows as columns, pixels as channels."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Int, Ints, Spatial
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module

Size = int | tuple[int, ...]


class Identity(Module):
    """Gives back its input. Takes any arguments, so that it can stand in for another layer.

    >>> cr.nn.Identity()(cr.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """(N, C, H, W) → (N, C·H·W): joins the axes from `start_dim` to `end_dim`.

    >>> cr.nn.Flatten()(cr.ones(5, 2, 3)).shape
    (5, 6)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits axis `dim` into `unflattened_size` (one size may be −1).

    >>> cr.nn.Unflatten(1, (2, 3))(cr.ones(5, 6)).shape
    (5, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = Ints(low=-1).check(
            unflattened_size, "Unflatten", "unflattened_size"
        )

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class PixelShuffle(Module):
    """(…, C·r², H, W) → (…, C, H·r, W·r) with r = `upscale_factor`: channels become pixels.

    >>> cr.nn.PixelShuffle(2)(cr.ones(1, 8, 3, 3)).shape
    (1, 2, 6, 6)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = Int(low=1).check(upscale_factor, "PixelShuffle", "upscale_factor")

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(…, C, H·r, W·r) → (…, C·r², H, W) with r = `downscale_factor`: pixels become channels."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = Int(low=1).check(
            downscale_factor, "PixelUnshuffle", "downscale_factor"
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """(N, C, …) with the channels of `groups` groups dealt out in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = Int(low=1).check(groups, "ChannelShuffle", "groups")

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Unfold(Module):
    """im2col: the windows of (N, C, H, W) as columns, (N, C·kH·kW, L)."""

    kernel_size: Size
    dilation: Size
    padding: Size
    stride: Size

    def __init__(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__()
        _set_window(self, kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return _window_text(self)


class Fold(Module):
    """col2im: columns (N, C·kH·kW, L) added up into (N, C, *output_size)."""

    kernel_size: Size
    dilation: Size
    padding: Size
    stride: Size

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> None:
        super().__init__()
        Spatial(2).check(output_size, "Fold", "output_size")
        self.output_size = output_size
        _set_window(self, kernel_size, dilation, padding, stride)

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {_window_text(self)}"


def _set_window(
    module: Unfold | Fold, kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> None:
    name = type(module).__name__
    Spatial(2).check(kernel_size, name, "kernel_size")
    Spatial(2).check(dilation, name, "dilation")
    Spatial(2, low=0).check(padding, name, "padding")
    Spatial(2).check(stride, name, "stride")
    module.kernel_size, module.dilation = kernel_size, dilation
    module.padding, module.stride = padding, stride


def _window_text(module: Unfold | Fold) -> str:
    return (
        f"kernel_size={module.kernel_size}, dilation={module.dilation}, "
        f"padding={module.padding}, stride={module.stride}"
    )

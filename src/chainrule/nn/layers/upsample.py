"""Layers that make feature maps larger or smaller by interpolation."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Bool, Choice, Ints, Optional
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module
from chainrule.ops.interpolation import MODES, Scale


class Upsample(Module):
    """(N, C, *S) brought to `size`, or scaled by `scale_factor`; modes as in `F.interpolate`.

    `recompute_scale_factor`: the scale is that of the rounded sizes.

    >>> cr.nn.Upsample(scale_factor=2)(cr.ones(1, 3, 4, 4)).shape
    (1, 3, 8, 8)
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        Optional(Ints(low=1)).check(size, name, "size")
        self.size = size
        self.scale_factor = Optional(Scale()).check(scale_factor, name, "scale_factor")
        self.mode = Choice(*MODES).check(mode, name, "mode")
        self.align_corners = Optional(Bool()).check(align_corners, name, "align_corners")
        self.recompute_scale_factor = Optional(Bool()).check(
            recompute_scale_factor, name, "recompute_scale_factor"
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self) -> str:
        which = "size" if self.scale_factor is None else "scale_factor"
        return f"{which}={getattr(self, which)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """(N, C, H, W) made larger by repeating pixels."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """(N, C, H, W) made larger by bilinear interpolation with align_corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True)

"""Channels made into pixels and back, and channels shuffled: moves that cost no arithmetic."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Int
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.ops.op import Card, op
from chainrule.ops.shaping import Move
from chainrule.ops.windows import Ints_


def _leading(x: Ints_) -> tuple[Ints_, tuple[int, ...]]:
    return x[:-3], tuple(range(len(x) - 3))


@op
class PixelShuffle(Move):
    """(…, C·r², H, W) → (…, C, H·r, W·r), r = upscale_factor: sub-pixel convolution's last step.

    W. Shi et al., CVPR 2016.
    """

    params = {"upscale_factor": Int(low=1)}
    vjp = None
    method = False
    samples: Any = (
        (((2, 8, 2, 3),), {"upscale_factor": 2}),
        (((9, 2, 1),), {"upscale_factor": 3}),
    )
    card = Card(
        en="Groups of r² channels become r×r pixels: a large picture from many small ones.",
        zh="每 r² 个通道变成 r×r 个像素：由许多小图拼成一张大图。",
    )

    def forward(F, x, *, upscale_factor):
        r = upscale_factor
        if len(x.shape) < 3 or x.shape[-3] % (r * r):
            raise ShapeError(
                t(
                    "pixel_shuffle: the input must be (…, C, H, W) with C a multiple of {n}, "
                    "got {x}.",
                    n=r * r,
                    x=x.shape,
                )
            )
        lead, axes = _leading(x.shape)
        c, h, w = x.shape[-3:]
        n = len(lead)
        parts = F.reshape(x, (*lead, c // (r * r), r, r, h, w))
        moved = F.permute_dims(parts, (*axes, n, n + 3, n + 1, n + 4, n + 2))
        return F.reshape(moved, (*lead, c // (r * r), h * r, w * r))


@op
class PixelUnshuffle(Move):
    """(…, C, H·r, W·r) → (…, C·r², H, W), r = downscale_factor: the inverse of pixel_shuffle."""

    params = {"downscale_factor": Int(low=1)}
    vjp = None
    method = False
    samples: Any = (
        (((2, 2, 4, 6),), {"downscale_factor": 2}),
        (((1, 3, 6),), {"downscale_factor": 3}),
    )
    card = Card(
        en="r×r pixels become r² channels: smaller pictures, nothing lost.",
        zh="r×r 个像素变成 r² 个通道：图变小，信息不丢。",
    )

    def forward(F, x, *, downscale_factor):
        r = downscale_factor
        if len(x.shape) < 3 or x.shape[-1] % r or x.shape[-2] % r:
            raise ShapeError(
                t(
                    "pixel_unshuffle: the input must be (…, C, H, W) with H and W multiples of "
                    "{n}, got {x}.",
                    n=r,
                    x=x.shape,
                )
            )
        lead, axes = _leading(x.shape)
        c, h, w = x.shape[-3:]
        n = len(lead)
        parts = F.reshape(x, (*lead, c, h // r, r, w // r, r))
        moved = F.permute_dims(parts, (*axes, n, n + 2, n + 4, n + 1, n + 3))
        return F.reshape(moved, (*lead, c * r * r, h // r, w // r))


@op
class ChannelShuffle(Move):
    """(N, C, …): the channels of `groups` groups dealt out in turn.

    X. Zhang et al., "ShuffleNet", CVPR 2018: so that grouped convolutions see one another.
    """

    params = {"groups": Int(low=1)}
    vjp = None
    method = False
    samples: Any = ((((2, 6, 2),), {"groups": 2}), (((1, 6, 2, 3),), {"groups": 3}))
    card = Card(
        en="Deals the channels of each group out to all groups, like cards.",
        zh="像发牌一样把各组的通道轮流分给所有组。",
    )

    def forward(F, x, *, groups):
        if len(x.shape) < 3 or x.shape[1] % groups:
            raise ShapeError(
                t(
                    "channel_shuffle: the input must be (N, C, …) with C a multiple of {n}, "
                    "got {x}.",
                    n=groups,
                    x=x.shape,
                )
            )
        n, c, *rest = x.shape
        parts = F.reshape(x, (n, groups, c // groups, *rest))
        return F.reshape(F.permute_dims(parts, (0, 2, 1, *range(3, len(rest) + 3))), x.shape)

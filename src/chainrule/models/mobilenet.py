"""MobileNetV2: M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR
2018."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule import nn
from chainrule.base.constraints import Int, Interval, Positive
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.models.registry import classifier
from chainrule.models.resnet import draw_convolutions
from chainrule.models.weights import Weights, with_weights
from chainrule.ops import functional as ops

Norm = Callable[[int], nn.Module]

# Expansion t, channels c, blocks n, stride s of the first block (table 2 of the paper).
_SETTING = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def rounded(value: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, one more where that would lose over a tenth."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near


def _unit(
    before: int, after: int, kernel: int, stride: int, groups: int, norm: Norm
) -> nn.Sequential:
    """Convolution (same size where the stride is 1), norm, ReLU6."""
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, norm(after), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """1×1 to `expand_ratio` times the channels, 3×3 depthwise, 1×1 back without activation; x is
    added where the shape stays."""

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(_unit(inp, width, 1, 1, 1, norm))
        layers += [
            _unit(width, width, 3, stride, width, norm),
            nn.Conv2d(width, oup, 1, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Images (N, in_channels, H, W) → logits (N, num_classes); torchvision's names and arguments.

    Args:
        width_mult: factor of all channels. round_nearest: they become multiples of this.
        inverted_residual_setting: (expansion, channels, blocks, stride) a stage.
        block, norm_layer: what makes blocks and norms. dropout: before the last layer.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        factor = Positive().check(width_mult, "MobileNetV2", "width_mult")
        nearest = Int(low=1).check(round_nearest, "MobileNetV2", "round_nearest")
        rate = Interval(0, 1).check(dropout, "MobileNetV2", "dropout")
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(stage) != 4 for stage in setting):
            raise ArgumentError(
                t("inverted_residual_setting lists four numbers a stage: t, c, n, s.")
            )
        norm, make = norm_layer or nn.BatchNorm2d, block or InvertedResidual
        before = rounded(32 * factor, nearest)
        self.last_channel = rounded(1280 * max(1.0, factor), nearest)
        features: list[nn.Module] = [_unit(in_channels, before, 3, 2, 1, norm)]
        for expansion, channels, count, stride in setting:
            after = rounded(channels * factor, nearest)
            for i in range(count):
                step = stride if i == 0 else 1
                features.append(make(before, after, step, expansion, norm_layer=norm))
                before = after
        features.append(_unit(before, self.last_channel, 1, 1, 1, norm))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(rate), nn.Linear(self.last_channel, num_classes)
        )  # fmt: skip
        draw_convolutions(self)
        last: Any = self.classifier[1]
        nn.init.normal_(last.weight, 0, 0.01)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(ops.mean(self.features(x), (2, 3)))


@classifier("mobilenet_v2", "width_mult", "round_nearest", "dropout")
def mobilenet_v2(weights: Weights = None, **options: Any) -> MobileNetV2:
    """MobileNetV2 as in torchvision: 3,504,872 parameters for 1,000 classes.

    `weights`: a file with a state dict; `options`: what `MobileNetV2` takes.
    """
    return with_weights(MobileNetV2(**options), weights)

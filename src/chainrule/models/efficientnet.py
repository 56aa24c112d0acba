"""EfficientNet-Lite0: M. Tan, Q. Le, "EfficientNet: rethinking model scaling for convolutional
neural networks", ICML 2019, in the form for small devices that the authors published in 2020:
no squeeze-and-excitation, ReLU6, stem and head never scaled."""

from __future__ import annotations

from typing import Any

from chainrule import nn
from chainrule.base.constraints import Interval
from chainrule.graph import Tensor
from chainrule.models.registry import classifier
from chainrule.models.resnet import draw_convolutions
from chainrule.models.weights import Weights, with_weights
from chainrule.nn import functional as F
from chainrule.ops import functional as ops

# Blocks, kernel, stride of the first, expansion, channels before, channels after.
_STAGES = (
    (1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320),
)  # fmt: skip

#: What the published weights want: (pixel/255 − MEAN)/STD, images of 224×224.
MEAN, STD, SIZE = 127 / 255, 128 / 255, 224


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """1×1 to `expansion` times the channels, depthwise k×k with the stride, 1×1 without activation,
    each with norm; x is added where the shape stays, and in training the rest is then left out for
    a random part `drop` of the examples (stochastic depth: G. Huang et al., 2016)."""

    def __init__(
        self, kernel: int, stride: int, expansion: int, before: int, after: int, drop: float
    ) -> None:
        super().__init__()
        width = before * expansion
        self.drop, self.residual = drop, stride == 1 and before == after
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(before, width, 1, bias=False)
            self._bn0 = _norm(width)
        self._depthwise_conv = nn.Conv2d(
            width, width, kernel, stride, padding="same", groups=width, bias=False
        )
        self._bn1 = _norm(width)
        self._project_conv = nn.Conv2d(width, after, 1, bias=False)
        self._bn2 = _norm(after)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        if not self.residual:
            return y
        if self.training and self.drop:
            kept = ops.rand(len(y), 1, 1, 1, dtype=y.dtype) >= self.drop
            y = y * kept.to(y.dtype) / (1 - self.drop)
        return x + y


class EfficientNetLite0(nn.Module):
    """Images (N, in_channels, H, W), 224×224 when published → logits (N, num_classes).

    The names are those of the published PyTorch weights (`efficientnet-lite0-57934424.pth`); the
    paddings are TensorFlow's SAME. `drop_connect_rate`: of the last block; earlier ones have less.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        dropout: float = 0.2,
        drop_connect_rate: float = 0.2,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        rate = Interval(0, 1).check(dropout, "EfficientNetLite0", "dropout")
        drop = Interval(0, 1, ends="[)").check(
            drop_connect_rate, "EfficientNetLite0", "drop_connect_rate"
        )  # fmt: skip
        self._conv_stem = nn.Conv2d(in_channels, 32, 3, 2, padding="same", bias=False)
        self._bn0 = _norm(32)
        total = sum(stage[0] for stage in _STAGES)
        self._blocks = nn.ModuleList()
        for count, kernel, stride, expansion, before, after in _STAGES:
            for i in range(count):
                first = i == 0
                self._blocks.append(
                    MBConv(kernel, stride if first else 1, expansion, before if first else after,
                           after, drop * len(self._blocks) / total)
                )  # fmt: skip
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._dropout = nn.Dropout(rate)
        self._fc = nn.Linear(1280, num_classes)
        draw_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self._dropout(ops.mean(x, (2, 3))))


@classifier("efficientnet_lite0", "dropout", "drop_connect_rate")
def efficientnet_lite0(weights: Weights = None, **options: Any) -> EfficientNetLite0:
    """EfficientNet-Lite0: 4,652,008 parameters for 1,000 classes.

    `weights`: a file with a state dict; `options`: what `EfficientNetLite0` takes.
    """
    return with_weights(EfficientNetLite0(**options), weights)

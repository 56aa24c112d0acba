"""Residual networks: K. He et al., "Deep residual learning for image recognition", CVPR 2016."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule import nn
from chainrule.base.constraints import Choice, Int, Ints
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.models.registry import classifier
from chainrule.models.weights import Weights, with_weights
from chainrule.nn import functional as F
from chainrule.ops import functional as ops

Norm = Callable[[int], nn.Module]


def _conv3(before: int, after: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> Any:
    return nn.Conv2d(before, after, 3, stride, dilation, dilation, groups, bias=False)


class BasicBlock(nn.Module):
    """y = relu(x + F(x)), F: conv 3×3, norm, relu, conv 3×3, norm; x through `downsample` first
    where the shape changes. (N, inplanes, H, W) → (N, planes, H/stride, W/stride)."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ArgumentError(
                t("BasicBlock has neither groups nor other widths nor dilation: take Bottleneck.")
            )
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = _conv3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """As BasicBlock with F: conv 1×1, 3×3 (with the stride), 1×1 to four times the planes."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = planes * base_width // 64 * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = _conv3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Images (N, in_channels, H, W) → logits (N, num_classes); the names are torchvision's.

    conv 7×7 stride 2 → norm → relu → max pooling 3×3 stride 2 → four stages of blocks, each but
    the first halving the image → global average → fc.

    Args:
        block: BasicBlock or Bottleneck. layers: blocks a stage.
        zero_init_residual: the last norm of each block starts at 0, so that blocks start as
            identities (P. Goyal et al., 2017).
        groups, width_per_group: of the 3×3 convolutions in bottlenecks (ResNeXt, wide ResNet).
        replace_stride_with_dilation: three flags: stages 2 to 4 dilate instead of halving.
        norm_layer: makes a norm from a number of channels; BatchNorm2d.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        counts = Ints(low=1).check(layers, "ResNet", "layers")
        dilate = list(replace_stride_with_dilation or (False, False, False))
        if len(counts) != 4 or len(dilate) != 3:
            raise ArgumentError(
                t("ResNet wants four numbers of blocks and three flags of dilation.")
            )
        norm = norm_layer or nn.BatchNorm2d
        self._make: dict[str, Any] = {
            "groups": groups, "base_width": width_per_group, "norm_layer": norm
        }  # fmt: skip
        self.inplanes, self.dilation = 64, 1
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(block, 64, counts[0], 1, False)
        self.layer2 = self._stage(block, 128, counts[1], 2, dilate[0])
        self.layer3 = self._stage(block, 256, counts[2], 2, dilate[1])
        self.layer4 = self._stage(block, 512, counts[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        draw_convolutions(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, BasicBlock | Bottleneck):
                    last: Any = module.bn2 if isinstance(module, BasicBlock) else module.bn3
                    nn.init.zeros_(last.weight)

    def _stage(self, block: Any, planes: int, count: int, stride: int, dilate: bool) -> Any:
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        after, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != after:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, after, 1, stride, bias=False),
                self._make["norm_layer"](after),
            )
        blocks = [
            block(self.inplanes, planes, stride, downsample, dilation=before, **self._make)
        ]  # fmt: skip
        self.inplanes = after
        for _ in range(1, count):
            blocks.append(block(after, planes, dilation=self.dilation, **self._make))
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(ops.flatten(self.avgpool(x), 1))


def draw_convolutions(model: nn.Module) -> None:
    """He's start for every convolution: normal with variance 2/fan out, biases 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@classifier("resnet18", "zero_init_residual")
def resnet18(weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-18 as in torchvision: 11,689,512 parameters for 1,000 classes.

    `weights`: a file with a state dict; `options`: what `ResNet` takes after `layers`.
    """
    return with_weights(ResNet(BasicBlock, (2, 2, 2, 2), **options), weights)


@classifier("resnet50", "zero_init_residual", "groups", "width_per_group")
def resnet50(weights: Weights = None, **options: Any) -> ResNet:
    """ResNet-50 as in torchvision (stride in the 3×3): 25,557,032 parameters for 1,000 classes.

    `weights`: a file with a state dict; `options`: what `ResNet` takes after `layers`.
    """
    return with_weights(ResNet(Bottleneck, (3, 4, 6, 3), **options), weights)


# ---- small images -----------------------------------------------------------------------------


class CifarBlock(nn.Module):
    """BasicBlock whose shortcut costs nothing ("A": every second pixel, zeros for the new
    channels) or is a 1×1 convolution with norm ("B")."""

    def __init__(self, inplanes: int, planes: int, stride: int, option: str) -> None:
        super().__init__()
        self.conv1 = _conv3(inplanes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _conv3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.stride, self.more = stride, planes - inplanes
        self.shortcut = nn.Sequential()
        if option == "B" and (stride != 1 or self.more):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if len(self.shortcut):
            x = self.shortcut(x)
        elif self.more or self.stride != 1:
            x = x[:, :, :: self.stride, :: self.stride]
            x = F.pad(x, (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """The paper's network for 32×32 images (§4.2): conv 3×3 to 16, three stages of `blocks` blocks
    with 16, 32 and 64 channels, global average, linear: 6·blocks + 2 layers with weights."""

    def __init__(
        self, blocks: int = 3, num_classes: int = 10, option: str = "A", in_channels: int = 3
    ) -> None:
        super().__init__()
        count = Int(low=1).check(blocks, "CifarResNet", "blocks")
        option = Choice("A", "B").check(option, "CifarResNet", "option")
        self.conv1 = _conv3(in_channels, 16)
        self.bn1 = nn.BatchNorm2d(16)
        before = 16
        for i, planes in enumerate((16, 32, 64), 1):
            stage = []
            for k in range(count):
                stage.append(CifarBlock(before, planes, 2 if i > 1 and k == 0 else 1, option))
                before = planes
            setattr(self, f"layer{i}", nn.Sequential(*stage))
        self.linear = nn.Linear(64, num_classes)
        draw_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(ops.mean(x, (2, 3)))


@classifier("resnet20", "option", usual=(3, 32, 32))
def resnet20(weights: Weights = None, **options: Any) -> CifarResNet:
    """ResNet-20 for small images: 269,722 parameters for 10 classes; 272,474 with `option="B"`
    (projections in the two shortcuts that change shape).

    `weights`: a file with a state dict; `options`: num_classes, option, in_channels.
    """
    return with_weights(CifarResNet(3, **options), weights)

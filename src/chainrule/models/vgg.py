"""VGG: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015."""

from __future__ import annotations

from typing import Any

from chainrule import nn
from chainrule.base.constraints import Interval
from chainrule.graph import Tensor
from chainrule.models.registry import classifier
from chainrule.models.resnet import draw_convolutions
from chainrule.models.weights import Weights, with_weights
from chainrule.ops import functional as ops

# Channels of the 3×3 convolutions, stage by stage; each stage ends with max pooling 2×2.
_STAGES = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
}


class VGG(nn.Module):
    """features → average pooling to 7×7 → three linear layers with dropout; torchvision's names.

    Images (N, C, H, W), H and W ≥ 32 → logits (N, num_classes).
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        rate = Interval(0, 1).check(dropout, "VGG", "dropout")
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(rate),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(rate),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        if init_weights:
            draw_convolutions(self)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, 0, 0.01)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(ops.flatten(self.avgpool(self.features(x)), 1))


def _features(depth: int, norm: bool, in_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = in_channels
    for stage in _STAGES[depth]:
        for width in stage:
            layers.append(nn.Conv2d(before, width, 3, padding=1))
            if norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(True))
            before = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def _vgg(depth: int, norm: bool, weights: Weights, options: dict[str, Any]) -> VGG:
    features = _features(depth, norm, options.pop("in_channels", 3))
    if weights is not None:
        options["init_weights"] = False  # they would be overwritten
    return with_weights(VGG(features, **options), weights)


@classifier("vgg11", "dropout", "init_weights", least=32)
def vgg11(weights: Weights = None, **options: Any) -> VGG:
    """VGG-11 ("A") as in torchvision: 132,863,336 parameters for 1,000 classes.

    `weights`: a file with a state dict; `options`: num_classes, init_weights, dropout,
    in_channels.
    """
    return _vgg(11, False, weights, options)


@classifier("vgg11_bn", "dropout", "init_weights", least=32)
def vgg11_bn(weights: Weights = None, **options: Any) -> VGG:
    """`vgg11` with batch norm after each convolution: 132,868,840 parameters."""
    return _vgg(11, True, weights, options)


@classifier("vgg16", "dropout", "init_weights", least=32)
def vgg16(weights: Weights = None, **options: Any) -> VGG:
    """VGG-16 ("D") as in torchvision: 138,357,544 parameters for 1,000 classes.

    `weights`: a file with a state dict; `options`: as for `vgg11`.
    """
    return _vgg(16, False, weights, options)


@classifier("vgg16_bn", "dropout", "init_weights", least=32)
def vgg16_bn(weights: Weights = None, **options: Any) -> VGG:
    """`vgg16` with batch norm after each convolution: 138,365,992 parameters."""
    return _vgg(16, True, weights, options)

"""Backbones: an image → feature maps of one width at several scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import chainrule.models.resnet as resnets
from chainrule import nn
from chainrule.base.constraints import Choice, Int
from chainrule.graph import Tensor
from chainrule.models.resnet import BasicBlock, draw_convolutions
from chainrule.models.weights import Weights, older_names
from chainrule.nn import functional as NF
from chainrule.ops import functional as F


def _uncounted(module: nn.Module, state_dict: Any, prefix: str, *more: Any) -> None:
    """A trained BatchNorm2d's count of batches is left out."""
    state_dict.pop(prefix + "num_batches_tracked", None)


class FrozenBatchNorm2d(nn.Module):
    """Batch norm by fixed statistics: (x − running_mean)/√(running_var + eps)·weight + bias, of
    which nothing is learnt. For images so large that a batch has only a few of them."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", F.ones(num_features))
        self.register_buffer("bias", F.zeros(num_features))
        self.register_buffer("running_mean", F.zeros(num_features))
        self.register_buffer("running_var", F.ones(num_features))
        self.register_load_state_dict_pre_hook(_uncounted)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)


class LastLevelMaxPool(nn.Module):
    """One more, coarser map: every second element of the last; "pool"."""

    def forward(
        self, results: list[Tensor], x: Sequence[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        return [*results, NF.max_pool2d(results[-1], 1, 2, 0)], [*names, "pool"]


class FeaturePyramidNetwork(nn.Module):
    """Maps at several scales → maps of one width, each knowing what the coarser ones saw.

    Each is a 1×1 convolution of its input plus the next coarser result, enlarged (nearest), then
    through a 3×3 convolution. Source: T.-Y. Lin et al., CVPR 2017, section 3.
    """

    def __init__(
        self,
        in_channels_list: Sequence[int],
        out_channels: int,
        extra_blocks: nn.Module | None = None,
        norm_layer: Any = None,
    ) -> None:
        super().__init__()
        self.inner_blocks, self.layer_blocks = nn.ModuleList(), nn.ModuleList()
        for channels in in_channels_list:
            Int(low=1).check(channels, "FeaturePyramidNetwork", "in_channels_list")
            self.inner_blocks.append(_convolution(channels, out_channels, 1, norm_layer))
            self.layer_blocks.append(_convolution(out_channels, out_channels, 3, norm_layer))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.extra_blocks = extra_blocks
        # torchvision's files until 2022, the published one of ResNet-50 among them.
        blocks = [f"{kind}_blocks.{k}" for kind in ("inner", "layer")
                  for k in range(len(self.inner_blocks))]  # fmt: skip
        self.register_load_state_dict_pre_hook(
            partial(older_names, {block: f"{block}.0" for block in blocks})
        )

    def forward(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        names, maps = list(x), list(x.values())
        inner = [block(m) for block, m in zip(self.inner_blocks, maps, strict=True)]
        for i in reversed(range(len(inner) - 1)):
            size = inner[i].shape[-2:]
            inner[i] = inner[i] + NF.interpolate(inner[i + 1], size=tuple(size), mode="nearest")
        out = [block(m) for block, m in zip(self.layer_blocks, inner, strict=True)]
        if self.extra_blocks is not None:
            out, names = self.extra_blocks(out, maps, names)
        return dict(zip(names, out, strict=True))


def _convolution(before: int, after: int, kernel: int, norm_layer: Any) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=norm_layer is None)
    ]
    if norm_layer is not None:
        layers.append(norm_layer(after))
    return nn.Sequential(*layers)


class BackboneWithFPN(nn.Module):
    """`body` (image → dict of maps) and a pyramid over its maps."""

    def __init__(
        self, body: nn.Module, in_channels_list: Sequence[int], out_channels: int,
        extra_blocks: nn.Module | None = None, norm_layer: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(
            in_channels_list, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer
        )
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.fpn(self.body(x))


class _Stages(nn.Module):
    """A ResNet up to its last stage asked for, giving the maps of `returned`."""

    def __init__(self, network: nn.Module, returned: Sequence[int]) -> None:
        super().__init__()
        for name, child in network.named_children():
            setattr(self, name, child)
            if name == f"layer{max(returned)}":
                break
        self._returned = {f"layer{k}": str(i) for i, k in enumerate(returned)}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = {}
        for name, child in self.named_children():
            x = child(x)
            if name in self._returned:
                maps[self._returned[name]] = x
        return maps


def resnet_fpn_backbone(
    *, backbone_name: str = "resnet50", weights: Weights = None, norm_layer: Any = None,
    trainable_layers: int = 3, returned_layers: Sequence[int] | None = None,
    extra_blocks: nn.Module | None = None,
) -> BackboneWithFPN:  # fmt: skip
    """A ResNet ("resnet18", "resnet50") with a pyramid of width 256.

    norm_layer: FrozenBatchNorm2d unless given. trainable_layers: how many of conv1 and the four
    stages are trained, from the end (5: all, with bn1). returned_layers: stages whose maps go into
    the pyramid, (1, 2, 3, 4).
    """
    Choice("resnet18", "resnet50").check(backbone_name, "resnet_fpn_backbone", "backbone_name")
    layers = Int(low=0).check(trainable_layers, "resnet_fpn_backbone", "trainable_layers")
    make = getattr(resnets, backbone_name)
    network = make(weights=weights, norm_layer=norm_layer or FrozenBatchNorm2d)
    trained = ["layer4", "layer3", "layer2", "layer1", "conv1"][:layers]
    if layers >= 5:
        trained.append("bn1")
    for name, parameter in network.named_parameters():
        if not any(name.startswith(layer) for layer in trained):
            parameter.requires_grad_(False)
    returned = tuple(returned_layers or (1, 2, 3, 4))
    first = network.inplanes // 8
    widths = [first * 2 ** (k - 1) for k in returned]
    return BackboneWithFPN(_Stages(network, returned), widths, 256, extra_blocks)


class InstanceBatchNorm2d(nn.Module):
    """(N, C, H, W): the first half of the channels normalised in each image by itself, the others
    over the batch. What is the same all over an image, such as its light, is gone from the one
    half and remains in the other. X. Pan, P. Luo, J. Shi, X. Tang, "Two at once: enhancing learning
    and generalization capacities via IBN-Net", ECCV 2018."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.split = num_features // 2
        self.instance = nn.InstanceNorm2d(self.split, affine=True)
        self.batch = nn.BatchNorm2d(num_features - self.split)

    def forward(self, x: Tensor) -> Tensor:
        return F.cat([self.instance(x[:, : self.split]), self.batch(x[:, self.split :])], 1)


class SmallBody(nn.Module):
    """A residual network that trains from scratch on a CPU: maps of 1/4, 1/8, 1/16 (and 1/32) of
    the image. Convolution 3×3 with stride 2, then a stage for each width, each halving the map in
    the first of its `blocks`; the others are the identity at first. `by_image`: in so many stages
    the first normalisation of each block is an `InstanceBatchNorm2d`, for images of other places
    than those learnt from."""

    def __init__(
        self, widths: Sequence[int] = (32, 64, 128), in_channels: int = 3, blocks: int = 1,
        by_image: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.blocks = Int(low=1).check(blocks, "SmallBody", "blocks")
        Int(low=0).check(by_image, "SmallBody", "by_image")
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0] // 2, 3, 2, 1, bias=False),
            nn.BatchNorm2d(widths[0] // 2),
            nn.ReLU(),
        )
        before, stages = widths[0] // 2, []
        for width in widths:
            shorter = nn.Sequential(
                nn.Conv2d(before, width, 1, 2, bias=False), nn.BatchNorm2d(width)
            )
            stages.append(BasicBlock(before, width, 2, shorter))
            for _ in range(blocks - 1):
                stages.append(BasicBlock(width, width))
                nn.init.zeros_(stages[-1].bn2.weight)
            before = width
        for block in stages[: by_image * blocks]:
            block.bn1 = InstanceBatchNorm2d(block.conv1.out_channels)
        self.stages = nn.ModuleList(stages)
        draw_convolutions(self)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x, maps = self.stem(x), {}
        for i, block in enumerate(self.stages, 1):
            x = block(x)
            if i % self.blocks == 0:
                maps[str(i // self.blocks - 1)] = x
        return maps


def small_fpn_backbone(
    widths: Sequence[int] = (32, 64, 128), out_channels: int = 64, in_channels: int = 3,
    blocks: int = 1, by_image: int = 0,
) -> BackboneWithFPN:  # fmt: skip
    """`SmallBody` with a pyramid of width `out_channels`."""
    body = SmallBody(widths, in_channels, blocks, by_image)
    return BackboneWithFPN(body, list(widths), out_channels)

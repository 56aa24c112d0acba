"""The notes' convolution network (row I8), after LeNet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from chainrule import nn
from chainrule.base.constraints import Choice, Spatial
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.models.dense import activation as make_activation
from chainrule.models.dense import output_layers
from chainrule.models.registry import model

_KERNEL, _POOL = 5, 2


@model("lenet")
class LeNet(nn.Sequential):
    """Two blocks of convolution, activation and pooling, then one linear layer.

    conv 5×5 to 6 channels → sigmoid → average pooling 2×2 → conv 5×5 to 12 → sigmoid → average
    pooling 2×2 → flatten → Linear. For 1×28×28: 24×24 → 12×12 → 8×8 → 4×4 → 192 → 10 and 3,898
    parameters; three channels work as well. Source: 001 of the notes, "CNN", a small form of
    LeNet-5 (Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998).

    Options:
        channels: of the two convolutions.
        activation: "sigmoid", or another one of `mlp`.
        pool: "avg" or "max".
        output: None for logits; "sigmoid" (with the quadratic loss, as in the notes) or "softmax".
    """

    _norm = False

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        classes: int = 10,
        channels: Sequence[int] = (6, 12),
        activation: str = "sigmoid",
        pool: str = "avg",
        output: str | None = None,
    ) -> None:
        owner = "lenet-bn" if self._norm else "lenet"
        widths = Spatial(2).check(channels, owner, "channels")
        pooling: Any = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}
        pooling = pooling[Choice("avg", "max").check(pool, owner, "pool")]
        size = _sizes(owner, input_shape)
        layers: list[tuple[str, nn.Module]] = []
        before = input_shape[0]
        for i, width in enumerate(widths, 1):
            layers.append((f"conv{i}", nn.Conv2d(before, width, _KERNEL)))
            if self._norm:
                layers.append((f"bn{i}", nn.BatchNorm2d(width)))
            layers.append((f"act{i}", make_activation(activation, owner)))
            layers.append((f"pool{i}", pooling(_POOL)))
            before = width
        layers.append(("flatten", nn.Flatten()))
        layers.append(("fc", nn.Linear(before * size[0] * size[1], classes)))
        super().__init__(OrderedDict([*layers, *output_layers(output, owner)]))


@model("lenet-bn")
class LeNetBN(LeNet):
    """`lenet` with batch normalisation in each block: conv, bias, BN, activation, pool.

    3,934 parameters for 1×28×28. Source: 003 §8.3 of the notes; S. Ioffe and C. Szegedy, "Batch
    normalization", 2015. Options as in `lenet`.
    """

    _norm = True


def _sizes(owner: str, input_shape: Sequence[int]) -> tuple[int, ...]:
    """Height and width after both blocks."""
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ShapeError(
            t(
                "Model {name} takes images (channels, height, width), not inputs of shape {shape}.",
                name=owner,
                shape=shape,
            )
        )
    sizes: tuple[int, ...] = shape[1:]
    for _ in range(2):
        sizes = tuple((n - _KERNEL + 1) // _POOL for n in sizes)
        if min(sizes) < 1:
            raise ShapeError(
                t(
                    "Model {name}: images of {height}×{width} are too small for two 5×5 "
                    "convolutions with pooling: 16×16 is the least.",
                    name=owner,
                    height=shape[1],
                    width=shape[2],
                )
            )
    return sizes

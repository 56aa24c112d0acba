"""Fully connected layers as convolutions, and convolutions as fully connected layers.

A linear layer after flattening is a convolution whose kernel covers the whole map; on a larger map
the same convolution is the layer slid over it. A convolution is a linear layer with shared weights
and many zeros.
"""

from __future__ import annotations

from copy import deepcopy
from math import prod

import numpy as np

from chainrule.base.constraints import Ints
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn.layers.conv import Conv1d, Conv2d, Conv3d
from chainrule.nn.layers.linear import Linear
from chainrule.nn.parameter import Parameter

_CONVS: dict[int, type[Conv1d] | type[Conv2d] | type[Conv3d]] = {1: Conv1d, 2: Conv2d, 3: Conv3d}


def linear_to_conv(linear: Linear, input_shape: tuple[int, ...]) -> Conv1d | Conv2d | Conv3d:
    """The convolution that gives a map of `input_shape` (C, *S) what the linear layer gives it
    flattened: (N, C, *S) → (N, out_features, 1, …).

    On larger maps it gives the layer's answer at each place.
    """
    shape = Ints(low=1).check(input_shape, "linear_to_conv", "input_shape")
    if len(shape) - 1 not in _CONVS or prod(shape) != linear.in_features:
        raise ShapeError(
            t(
                "linear_to_conv: input_shape must be (C, L), (C, H, W) or (C, D, H, W) with "
                "{n} elements, as many as the layer takes, got {shape}.",
                n=linear.in_features,
                shape=shape,
            )
        )
    weight = linear.weight
    conv: Conv1d | Conv2d | Conv3d = _CONVS[len(shape) - 1](
        shape[0], linear.out_features, shape[1:], bias=linear.bias is not None, dtype=weight.dtype
    )
    conv.weight = Parameter(weight.detach().clone().reshape(-1, *shape), weight.requires_grad)
    if linear.bias is not None:
        conv.bias = Parameter(linear.bias.detach().clone(), linear.bias.requires_grad)
    conv.train(linear.training)
    return conv


def conv_to_linear(conv: Conv1d | Conv2d | Conv3d, input_size: int | tuple[int, ...]) -> Linear:
    """The linear layer that gives a flattened map of spatial size `input_size` what the convolution
    gives the map: (N, C·prod(S)) → (N, O·prod(S′)).

    Its weight is the sparse matrix C of the note, Y = CX, stored with all its zeros.
    """
    if not isinstance(conv, tuple(_CONVS.values())):
        raise ArgumentError(
            t("conv_to_linear: a Conv1d, Conv2d or Conv3d is wanted, got {kind}.",
              kind=type(conv).__name__)
        )  # fmt: skip
    size = Ints(low=1).check(input_size, "conv_to_linear", "input_size")
    size = size * conv.n if len(size) == 1 else size
    shape = (conv.in_channels, *size)
    with no_grad():
        plain = deepcopy(conv)
        plain.bias = None
        # Column by column: what each single element does.
        basis = np.eye(prod(shape)).reshape(-1, *shape)
        maps = plain(Tensor(basis).to(conv.weight.dtype))
        matrix = maps.flatten(1).T
        linear = Linear(
            prod(shape), matrix.shape[0], bias=conv.bias is not None, dtype=conv.weight.dtype
        )
        linear.weight = Parameter(matrix.contiguous(), conv.weight.requires_grad)
        if conv.bias is not None:
            places = prod(maps.shape[2:])
            bias = conv.bias.reshape(-1, 1).expand(-1, places).reshape(-1)
            linear.bias = Parameter(bias, conv.bias.requires_grad)
    return linear.train(conv.training)

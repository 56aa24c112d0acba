"""Folding batch normalisation into the layer before it: the same outputs, one layer less.

With frozen statistics batch norm is y = γ/√(Var + ε)·x + (β − γE/√(Var + ε)) for each channel, so
after a layer Wx + b it makes a layer with γ/√(Var + ε)·W and a bias of its own.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

import numpy as np

from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn.layers.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from chainrule.nn.layers.conv import Conv1d, Conv2d, Conv3d
from chainrule.nn.layers.linear import Linear
from chainrule.nn.layers.shape import Identity
from chainrule.nn.layers.transposed_conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter

Layer = TypeVar("Layer", bound=Module)

_NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
_TRANSPOSED = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)
_LAYERS = (Linear, Conv1d, Conv2d, Conv3d, *_TRANSPOSED)


def _folded(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float,
    gamma: Tensor | None, beta: Tensor | None, out: int, groups: int,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias with the channels' scale and shift in them; `out`: the weight's axis of the
    output channels, of which each group has its own."""
    with no_grad():
        scale = (var + eps) ** -0.5
        scale = scale if gamma is None else scale * gamma
        shift = -mean * scale if bias is None else (bias - mean) * scale
        shift = shift if beta is None else shift + beta
        factor = scale.reshape(*(1,) * out, -1, *(1,) * (weight.ndim - out - 1))
        if out == 1 and groups > 1:  # a transposed convolution: (in, out/groups, …)
            each = weight.shape[0] // groups
            factor = scale.reshape(groups, 1, -1).expand(groups, each, -1)
            factor = factor.reshape(weight.shape[0], -1, *(1,) * (weight.ndim - 2))
        new = (weight * factor).to(weight.dtype)
        return (
            Parameter(new, weight.requires_grad),
            Parameter(shift.to(weight.dtype), weight.requires_grad),
        )


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a convolution with the batch norm after it folded in.

    bn_rm, bn_rv: running mean and variance; bn_w, bn_b: γ and β. `transpose`: of a transposed
    convolution (with one group).
    """
    return _folded(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, int(transpose), 1)


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a linear layer with the batch norm after it folded in."""
    return _folded(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0, 1)


def _fused(layer: Layer, bn: Any, owner: str) -> Layer:
    if layer.training or bn.training:
        raise ArgumentError(
            t("{owner}: both layers must be in eval mode: call .eval() first.", owner=owner)
        )
    if bn.running_mean is None or bn.running_var is None:
        raise ArgumentError(
            t("{owner}: the batch norm keeps no running statistics to fold in.", owner=owner)
        )
    out = deepcopy(layer)
    weight: Any = out.weight
    channels = getattr(layer, "out_channels", None) or getattr(layer, "out_features", None)
    if channels != bn.num_features:
        raise ArgumentError(
            t(
                "{owner}: the layer gives {channels} channels, the batch norm takes {features}.",
                owner=owner,
                channels=channels,
                features=bn.num_features,
            )
        )
    transposed = isinstance(layer, _TRANSPOSED)
    out.weight, out.bias = _folded(
        weight, out.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,  # type: ignore[arg-type]
        int(transposed), getattr(layer, "groups", 1),
    )  # fmt: skip
    return out


def fuse_conv_bn_eval(conv: Layer, bn: Module, transpose: bool = False) -> Layer:
    """A copy of the convolution that does what it and the batch norm after it do; both in eval
    mode. `transpose` is PyTorch's argument; the layer itself says what it is."""
    return _fused(conv, bn, "fuse_conv_bn_eval")


def fuse_linear_bn_eval(linear: Layer, bn: Module) -> Layer:
    """A copy of the linear layer that does what it and the batch norm after it do, in eval mode."""
    return _fused(linear, bn, "fuse_linear_bn_eval")


def fuse_batch_norms(model: Layer, *example: Any) -> Layer:
    """A copy of the model, in eval mode, with every batch norm that directly follows a convolution
    or linear layer folded into it and replaced by `Identity`.

    Which follows which is seen by calling the copy once on `example`; that its outputs are the same
    afterwards is checked with a second call (ArgumentError if not: the model uses a layer's output
    beside its batch norm). Layers called more than once stay as they are.
    """
    copy = deepcopy(model).eval()
    calls: list[tuple[Module, Tensor, Any]] = []  # holds the tensors, so that `is` means the same

    def look(module: Module, args: Any, output: Any) -> None:
        if isinstance(module, _LAYERS + _NORMS):
            calls.append((module, args[0], output))

    handles = [m.register_forward_hook(look) for m in copy.modules()]
    try:
        with no_grad():
            before = copy(*example)
    finally:
        for handle in handles:
            handle.remove()
    names = {module: name for name, module in copy.named_modules()}
    times = [module for module, _, _ in calls]
    for bn, given, _ in calls:
        source = [m for m, _, y in calls if y is given and isinstance(m, _LAYERS)]
        if not isinstance(bn, _NORMS) or bn.running_mean is None or not source:
            continue
        if isinstance(source[0], Linear) and given.ndim != 2:
            continue  # its channels are the last axis, the batch norm's the second
        if times.count(bn) == 1 == times.count(source[0]):
            _replace(copy, names[source[0]], _fused(source[0], bn, "fuse_batch_norms"))
            _replace(copy, names[bn], Identity().eval())
    with no_grad():
        after = copy(*example)
    for a, b in zip(_tensors(before), _tensors(after), strict=True):
        x, y = a.double().numpy(), b.double().numpy()
        if not np.allclose(x, y, 1e-3, 1e-4 * (1 + np.abs(x).max(initial=0.0)), equal_nan=True):
            raise ArgumentError(
                t(
                    "fuse_batch_norms: the outputs changed: {model} uses the output of a layer "
                    "beside the batch norm after it. Fold its layers one by one with "
                    "fuse_conv_bn_eval.",
                    model=type(model).__name__,
                )
            )
    return copy


def _replace(root: Module, path: str, new: Module) -> None:
    *above, name = path.split(".")
    owner: Any = root
    for part in above:
        owner = getattr(owner, part)
    setattr(owner, name, new)


def _tensors(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x]
    values = x.values() if isinstance(x, dict) else x if isinstance(x, tuple | list) else ()
    return [y for v in values for y in _tensors(v)]

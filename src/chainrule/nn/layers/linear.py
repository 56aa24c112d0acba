"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.constraints import Int
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


def reset_weight_and_bias(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's start for linear and convolution layers: both uniform in ±1/√(fan in)."""
    # kaiming_uniform_ with a = √5 has gain √(1/3), hence the bound √3 · √(1/3) / √(fan in).
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init.calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """y = x Wᵀ + b: (…, in_features) → (…, out_features); W has shape (out, in).

    >>> layer = cr.nn.Linear(3, 2)
    >>> layer(cr.ones(4, 3)).shape
    (4, 2)
    >>> layer.weight.shape
    (2, 3)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = Int(low=0).check(in_features, "Linear", "in_features")
        self.out_features = Int(low=0).check(out_features, "Linear", "out_features")
        self.weight = blank((out_features, in_features), device, dtype)
        self.bias = blank((out_features,), device, dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform in ±1/√in_features."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

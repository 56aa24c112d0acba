"""Modules that compare two inputs: bilinear forms, similarity, distance."""

from __future__ import annotations

import math
from typing import Any

from chainrule.base.constraints import Bool, Int, Number
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


class Bilinear(Module):
    """yₖ = x₁ᵀ Wₖ x₂ + bₖ: (…, in1_features), (…, in2_features) → (…, out_features).

    >>> cr.nn.Bilinear(2, 3, 4)(cr.ones(5, 2), cr.ones(5, 3)).shape
    (5, 4)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        size = Int(low=1)
        self.in1_features = size.check(in1_features, "Bilinear", "in1_features")
        self.in2_features = size.check(in2_features, "Bilinear", "in2_features")
        self.out_features = size.check(out_features, "Bilinear", "out_features")
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = blank(shape, device, dtype)
        self.bias = blank((self.out_features,), device, dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform in ±1/√in1_features."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class CosineSimilarity(Module):
    """x₁·x₂/(|x₁|·|x₂|) along `dim`, each length at least `eps`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = Int().check(dim, "CosineSimilarity", "dim")
        self.eps = Number(low=0).check(eps, "CosineSimilarity", "eps")

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, eps={self.eps}"


class PairwiseDistance(Module):
    """The p-norm of x₁ − x₂ + eps over the last axis."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = Number().check(p, "PairwiseDistance", "p")
        self.eps = Number().check(eps, "PairwiseDistance", "eps")
        self.keepdim = Bool().check(keepdim, "PairwiseDistance", "keepdim")

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)

    def extra_repr(self) -> str:
        return f"p={self.norm}, eps={self.eps}, keepdim={self.keepdim}"

"""Normalisation within one sample: layer, group, RMS and local response."""

from __future__ import annotations

from typing import Any

from chainrule.base.constraints import Int, Ints, NonNegative, Number, Optional
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank


class LayerNorm(Module):
    """Each sample normalised over its last axes `normalized_shape`, times γ, plus β of that shape.

    `elementwise_affine` and `bias`: whether there are γ and β.

    >>> cr.nn.LayerNorm(2, eps=0.0)(cr.tensor([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = Ints(low=1).check(normalized_shape, "LayerNorm", "normalized_shape")
        self.eps = NonNegative().check(eps, "LayerNorm", "eps")
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = blank(shape, device, dtype) if elementwise_affine else None
        self.bias = blank(shape, device, dtype) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Back to γ = 1, β = 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """(N, C, …): each sample's channels normalised in `num_groups` groups, times γ, plus β (C,).

    One group: layer norm over (C, …); as many as channels: instance norm.

    >>> cr.nn.GroupNorm(2, 4)(cr.ones(1, 4, 3, 3)).shape
    (1, 4, 3, 3)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = Int(low=1).check(num_groups, "GroupNorm", "num_groups")
        self.num_channels = Int(low=1).check(num_channels, "GroupNorm", "num_channels")
        if num_channels % num_groups:
            raise ArgumentError(
                t(
                    "GroupNorm: num_channels = {channels} cannot be split into {groups} groups.",
                    channels=num_channels,
                    groups=num_groups,
                )
            )
        self.eps = NonNegative().check(eps, "GroupNorm", "eps")
        self.affine = affine
        self.weight = blank((num_channels,), device, dtype) if affine else None
        self.bias = blank((num_channels,), device, dtype) if affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Back to γ = 1, β = 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class RMSNorm(Module):
    """x/√(mean(x²) + eps) over the last axes `normalized_shape`, times γ of that shape.

    `eps` None: the dtype's smallest step at 1.

    >>> cr.nn.RMSNorm(2, eps=0.0)(cr.tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = Ints(low=1).check(normalized_shape, "RMSNorm", "normalized_shape")
        self.eps = Optional(NonNegative()).check(eps, "RMSNorm", "eps")
        self.elementwise_affine = elementwise_affine
        self.weight = blank(self.normalized_shape, device, dtype) if elementwise_affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Back to γ = 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class _AcrossChannels(Module):
    """x/(k + α/size·Σ x²)^β with a sum over neighbouring channels."""

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        name = type(self).__name__
        self.size = Int(low=1).check(size, name, "size")
        self.alpha = Number().check(alpha, name, "alpha")
        self.beta = Number().check(beta, name, "beta")
        self.k = Number().check(k, name, "k")

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_AcrossChannels):
    """x/(k + α/size·Σ x²)^β, the sum over `size` neighbouring channels of (N, C, …).

    A. Krizhevsky, I. Sutskever, G. E. Hinton, NIPS 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_AcrossChannels):
    """`LocalResponseNorm` whose window is symmetric: an even `size` sees one channel less."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        window = self.size - 1 + self.size % 2
        alpha = self.alpha * window / self.size
        return F.local_response_norm(input, window, alpha, self.beta, self.k)

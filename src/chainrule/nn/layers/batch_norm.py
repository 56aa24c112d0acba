"""Batch and instance normalisation, with running statistics."""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import Int, Interval, NonNegative
from chainrule.base.errors import ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad
from chainrule.nn import functional as F
from chainrule.nn import init
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank
from chainrule.ops import creation


class _RunningNorm(Module):
    """γ, β and running statistics of the channels."""

    axes: ClassVar[tuple[int, ...]]  # how many axes the input may have
    layout: ClassVar[str]

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.num_features = Int(low=1).check(num_features, name, "num_features")
        self.eps = NonNegative().check(eps, name, "eps")
        if momentum is not None:
            Interval(0, 1).check(momentum, name, "momentum")
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        shape = (num_features,)
        self.weight = blank(shape, device, dtype) if affine else None
        self.bias = blank(shape, device, dtype) if affine and bias else None
        track = track_running_stats
        for which in ("running_mean", "running_var"):
            self.register_buffer(which, creation.empty(shape, dtype=dtype) if track else None)
        counter = creation.empty((), dtype="int64") if track else None
        self.register_buffer("num_batches_tracked", counter)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Back to γ = 1, β = 0 and no batches seen."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def check_input(self, input: Tensor) -> None:
        """ShapeError for an input of another number of axes."""
        if input.ndim not in self.axes:
            raise ShapeError(
                t(
                    "{module} takes input of shape {layout}, got {shape}.",
                    module=type(self).__name__,
                    layout=self.layout,
                    shape=tuple(input.shape),
                )
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


# ---- over the batch -------------------------------------------------------------------------


class _BatchNorm(_RunningNorm):
    """Batch normalisation for any number of axes after the channels."""

    def forward(self, input: Tensor) -> Tensor:
        self.check_input(input)
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                return self._averaging(input, self.num_batches_tracked)
        return self._normalized(input, self.momentum or 0.0)

    def _normalized(self, input: Tensor, momentum: float) -> Tensor:
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )

    def _averaging(self, input: Tensor, batches: Tensor) -> Tensor:
        """With running statistics that are the plain average over `batches` batches."""
        statistics = [s for s in (self.running_mean, self.running_var) if s is not None]
        with no_grad():
            before = [s.clone() for s in statistics]
        output = self._normalized(input, 1.0)  # leaves the batch's statistics in the buffers
        with no_grad():
            share = 1.0 / batches.double()  # a tensor: a traced step counts on by itself
            for new, old in zip(statistics, before, strict=True):
                new.copy_(new * share + old * (1.0 - share))
        return output


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); arguments as for `BatchNorm2d`.

    >>> cr.nn.BatchNorm1d(1, eps=0.0)(cr.tensor([[1.0], [3.0]])).tolist()
    [[-1.0], [1.0]]
    """

    axes = (2, 3)
    layout = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """y = γ·(x − μ)/√(σ² + ε) + β for each channel of (N, C, H, W).

    In training μ and σ² are the batch's, and the running statistics take a step towards them (the
    running variance towards the unbiased one, m/(m − 1)·σ²): new = (1 − momentum)·old +
    momentum·batch. `momentum=None`: the plain average over all batches so far. In evaluation the
    running statistics are used; with `track_running_stats=False`, the batch's always. `affine` and
    `bias`: whether there are γ and β.

    >>> layer = cr.nn.BatchNorm2d(4)
    >>> layer(cr.ones(2, 4, 3, 3)).shape
    (2, 4, 3, 3)
    >>> layer.running_mean
    tensor([0.1000, 0.1000, 0.1000, 0.1000])
    """

    axes = (4,)
    layout = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); arguments as for `BatchNorm2d`."""

    axes = (5,)
    layout = "(N, C, D, H, W)"


# ---- within each sample and channel ---------------------------------------------------------


class _InstanceNorm(_RunningNorm):
    """Instance normalisation for any number of axes after the channels."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self.check_input(input)
        alone = input.ndim == min(self.axes)  # (C, …), without a batch
        output = F.instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return output.squeeze(0) if alone else output


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L); arguments as for `InstanceNorm2d`."""

    axes = (2, 3)
    layout = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """y = γ·(x − μ)/√(σ² + ε) + β with μ, σ² of each sample and channel of (N, C, H, W).

    Without γ, β and running statistics unless asked for (`affine`, `track_running_stats`); with
    running ones, these are used in evaluation.

    >>> cr.nn.InstanceNorm2d(4)(cr.ones(1, 4, 3, 3)).shape
    (1, 4, 3, 3)
    """

    axes = (3, 4)
    layout = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm2d`."""

    axes = (4, 5)
    layout = "(N, C, D, H, W) or (C, D, H, W)"

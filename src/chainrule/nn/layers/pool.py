"""Pooling layers: the largest, the mean or the p-norm of each window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from chainrule.base.constraints import Bool, Int, Optional, Positive, Spatial
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn.module import Module

Size = int | tuple[int, ...]


class _Pool(Module):
    """Sizes stay as the user wrote them: one integer, or one for each spatial axis."""

    n: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def _set_window(
        self, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool
    ) -> None:
        name = type(self).__name__
        Spatial(self.n).check(kernel_size, name, "kernel_size")
        Optional(Spatial(self.n)).check(stride, name, "stride")
        Spatial(self.n, low=0).check(padding, name, "padding")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = Bool().check(ceil_mode, name, "ceil_mode")


class _MaxPool(_Pool):
    """The largest element of each window of `n` spatial axes."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self._set_window(kernel_size, stride, padding, ceil_mode)
        name = type(self).__name__
        Spatial(self.n).check(dilation, name, "dilation")
        self.dilation = dilation
        self.return_indices = Bool().check(return_indices, name, "return_indices")

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L); arguments as for `MaxPool2d`."""

    n = 1
    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W); the gradient goes to that element alone.

    `stride`: the window's size unless given; `padding` counts as −∞; `ceil_mode`: the last window
    may hang over the edge; `return_indices`: also where the largest stood, as flat spatial index.

    >>> cr.nn.MaxPool2d(2)(cr.tensor([[[[1.0, 4.0], [3.0, 2.0]]]]))
    tensor([[[[4.]]]])
    """

    n = 2
    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W); arguments as for `MaxPool2d`."""

    n = 3
    function = staticmethod(F.max_pool3d)


class _AvgPool(_Pool):
    """The mean of each window of `n` spatial axes."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self._set_window(kernel_size, stride, padding, ceil_mode)
        name = type(self).__name__
        self.count_include_pad = Bool().check(count_include_pad, name, "count_include_pad")

    def _arguments(self) -> tuple[Any, ...]:
        return (
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, *self._arguments())

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window of (N, C, L); arguments as for `AvgPool2d`."""

    n = 1
    function = staticmethod(F.avg_pool1d)


class _DividedAvgPool(_AvgPool):
    """With PyTorch's last argument, which its one-dimensional form does not have."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = Optional(Int(low=1)).check(
            divisor_override, type(self).__name__, "divisor_override"
        )

    def _arguments(self) -> tuple[Any, ...]:
        return (*super()._arguments(), self.divisor_override)


class AvgPool2d(_DividedAvgPool):
    """The mean of each window of (N, C, H, W); the gradient is shared equally.

    `stride`: the window's size unless given; `ceil_mode`: the last window may hang over the edge;
    `count_include_pad`: padded zeros count as elements; `divisor_override`: divide each sum by this
    number instead of by the elements.

    >>> cr.nn.AvgPool2d(2)(cr.tensor([[[[1.0, 4.0], [3.0, 2.0]]]]))
    tensor([[[[2.5000]]]])
    """

    n = 2
    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_DividedAvgPool):
    """The mean of each window of (N, C, D, H, W); arguments as for `AvgPool2d`."""

    n = 3
    function = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    """The p-norm of each window of `n` spatial axes."""

    n: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.norm_type = Positive().check(norm_type, name, "norm_type")
        Spatial(self.n).check(kernel_size, name, "kernel_size")
        Optional(Spatial(self.n)).check(stride, name, "stride")
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = Bool().check(ceil_mode, name, "ceil_mode")

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(
            input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """(Σ x^p)^(1/p) over each window of (N, C, L), p = `norm_type`; as for `LPPool2d`."""

    n = 1
    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """(Σ x^p)^(1/p) over each window of (N, C, H, W), p = `norm_type`.

    p = 1 sums, a large p approaches the maximum. `stride`: the window's size unless given;
    `ceil_mode`: the last window may hang over the edge.
    """

    n = 2
    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """(Σ x^p)^(1/p) over each window of (N, C, D, H, W), p = `norm_type`; as for `LPPool2d`."""

    n = 3
    function = staticmethod(F.lp_pool3d)

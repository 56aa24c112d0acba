"""Lazy layers: the number of inputs is taken from the first input, or from a state dict.

After that the layer is an ordinary one, its class too. Until then its parameters are there, without
elements, so that an optimiser may already hold them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from chainrule.base.constraints import Int
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.graph.modes import mode
from chainrule.nn.layers.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from chainrule.nn.layers.conv import Conv1d, Conv2d, Conv3d, check_channels
from chainrule.nn.layers.linear import Linear
from chainrule.nn.layers.transposed_conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.ops import creation

Size = int | tuple[int, ...]


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet; it has no elements."""

    __slots__ = ()

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(creation.empty((0,), dtype=dtype), requires_grad)

    def materialize(self, shape: tuple[int, ...], device: Any = None, dtype: Any = None) -> None:
        """Becomes an ordinary parameter of `shape`, still to be filled."""
        self.data = creation.empty(shape, dtype=dtype or self.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]


class _Lazy(Module):
    """Mixed into a layer class `becomes`, which it turns into."""

    becomes: ClassVar[type[Module]]
    counted: ClassVar[str]  # the attribute that holds the number of inputs
    axis: ClassVar[int]  # of the input

    def _make_lazy(self, dtype: Any) -> None:
        """Takes the elements of everything whose shape is open."""
        setattr(self, self.counted, 0)
        for name, shape in self._shapes(0).items():
            old = getattr(self, name)
            if isinstance(old, Parameter) and 0 in shape:
                setattr(self, name, UninitializedParameter(dtype=dtype))
            elif old is not None and 0 in shape:
                setattr(self, name, creation.empty((0,), dtype=dtype))
        self.register_load_state_dict_pre_hook(_take_size)

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        """The shapes of parameters and buffers for `size` inputs."""
        raise NotImplementedError

    def _size_in(self, shapes: dict[str, tuple[int, ...]]) -> int | None:
        """The number of inputs of a state dict of these shapes; None if it does not say."""
        raise NotImplementedError

    def has_uninitialized_params(self) -> bool:
        """Whether the number of inputs is still open."""
        return True

    def reset_parameters(self) -> None:
        """There is nothing to draw yet."""

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes the number of inputs from `input` and becomes an ordinary layer, newly drawn."""
        if mode.trace is not None:
            raise ArgumentError(
                t(
                    "{module} does not know its number of inputs yet: call the model once before "
                    "it is compiled.",
                    module=type(self).__name__,
                )
            )
        if not -input.ndim <= self.axis < input.ndim:
            raise ShapeError(
                t(
                    "{module} cannot take its number of inputs from an input of shape {shape}.",
                    module=type(self).__name__,
                    shape=input.shape,
                )
            )
        self._become(input.shape[self.axis])

    def _become(self, size: int) -> None:
        self._check(size)
        setattr(self, self.counted, size)
        for name, shape in self._shapes(size).items():
            old = getattr(self, name)
            if isinstance(old, UninitializedParameter):
                old.materialize(shape)
            elif old is not None and old.shape != shape:
                setattr(self, name, creation.empty(shape, dtype=old.dtype))
        self.__class__ = self.becomes  # type: ignore[assignment]
        self.reset_parameters()  # the ordinary layer's

    def _check(self, size: int) -> None:
        Int(low=1).check(size, type(self).__name__, self.counted)

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(input)
        return self.forward(input, *args, **kwargs)


def _take_size(module: Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Before loading: the number of inputs from the shapes in the state dict."""
    if isinstance(module, _Lazy):
        names = module._shapes(0)
        found = {n: tuple(state[prefix + n].shape) for n in names if prefix + n in state}
        size = module._size_in(found)
        if size:
            module._become(size)


# ---- linear ---------------------------------------------------------------------------------


class LazyLinear(_Lazy, Linear):
    """A `Linear` that takes in_features from its first input's last axis."""

    becomes, counted, axis = Linear, "in_features", -1

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, out_features, bias, device, dtype)
        self._make_lazy(dtype)

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, size)}

    def _size_in(self, shapes: dict[str, tuple[int, ...]]) -> int | None:
        weight = shapes.get("weight", ())
        return weight[1] if len(weight) == 2 else None


# ---- convolution ----------------------------------------------------------------------------


class _LazyConv(_Lazy):
    counted = "in_channels"
    out_channels: int
    groups: int
    kernel_size: tuple[int, ...]

    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(  # type: ignore[call-arg]
            groups, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self._make_lazy(dtype)

    def _check(self, size: int) -> None:
        check_channels(type(self).__name__, size, self.out_channels, self.groups)

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_channels, size // self.groups, *self.kernel_size)}

    def _size_in(self, shapes: dict[str, tuple[int, ...]]) -> int | None:
        weight = shapes.get("weight", ())
        return weight[1] * self.groups if len(weight) > 2 else None


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` that takes in_channels from its first input."""

    becomes, axis = Conv1d, -2


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` that takes in_channels from its first input."""

    becomes, axis = Conv2d, -3


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` that takes in_channels from its first input."""

    becomes, axis = Conv3d, -4


class _LazyConvTranspose(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super(_LazyConv, self).__init__(  # type: ignore[call-arg]
            groups, out_channels, kernel_size, stride, padding, output_padding, groups, bias,
            dilation, padding_mode, device, dtype,
        )  # fmt: skip
        self._make_lazy(dtype)

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (size, self.out_channels // self.groups, *self.kernel_size)}

    def _size_in(self, shapes: dict[str, tuple[int, ...]]) -> int | None:
        weight = shapes.get("weight", ())
        return weight[0] if len(weight) > 2 else None


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that takes in_channels from its first input."""

    becomes, axis = ConvTranspose1d, -2


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that takes in_channels from its first input."""

    becomes, axis = ConvTranspose2d, -3


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that takes in_channels from its first input."""

    becomes, axis = ConvTranspose3d, -4


# ---- normalisation --------------------------------------------------------------------------


class _LazyNorm(_Lazy):
    counted = "num_features"
    axis = 1

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(  # type: ignore[call-arg]
            1, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self._make_lazy(dtype)

    def _shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (size,))

    def _size_in(self, shapes: dict[str, tuple[int, ...]]) -> int | None:
        return next((shape[0] for shape in shapes.values() if shape), None)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes num_features from its first input."""

    becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes num_features from its first input."""

    becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` that takes num_features from its first input."""

    becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that takes num_features from its first input; as in PyTorch, with γ, β
    and running statistics unless told otherwise."""

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that takes num_features from its first input."""

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that takes num_features from its first input."""

    becomes = InstanceNorm3d

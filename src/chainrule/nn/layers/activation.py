"""Activations as modules, made from the operations: one line each."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from chainrule.base.constraints import REQUIRED, Bool, Constraint, Int, Number, Optional
from chainrule.base.errors import ArgumentError, ShapeError
from chainrule.base.text import t
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn import init as initialisers
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter, blank
from chainrule.ops.op import REGISTRY, Op


class Activation(Module):
    """An operation of one input as a module: its parameters become attributes.

    `inplace=True` (elementwise operations) writes the result into the input.
    """

    operation: ClassVar[type[Op]]
    function: ClassVar[Callable[..., Tensor]]
    arguments: ClassVar[dict[str, Constraint]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        signature = inspect.signature(type(self))
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            name = type(self).__name__
            raise ArgumentError(
                t("{name}: {error}; write {name}{call}.", name=name, error=error, call=signature)
            ) from None
        given.apply_defaults()
        for name, value in given.arguments.items():
            setattr(self, name, self.arguments[name].check(value, type(self).__name__, name))

    def forward(self, input: Tensor) -> Tensor:
        values = {name: getattr(self, name) for name in self.operation.params}
        if getattr(self, "inplace", False):
            return getattr(input, f"{self.operation.name}_")(**values)
        return self.function(input, **values)

    def extra_repr(self) -> str:
        parts = [f"{name}={getattr(self, name)!r}" for name in self.operation.params]
        return ", ".join([*parts, "inplace=True"] if getattr(self, "inplace", False) else parts)


def _activation(
    name: str, operation: str, function: Callable[..., Tensor] | None = None, **more: Constraint
) -> Any:
    """The module class `name` around the operation, or around its public `function`, whose params
    may have other constraints, `more`."""
    op = REGISTRY[operation]
    arguments = op.params | more
    if op.inplace:
        arguments["inplace"] = Bool(False)
    parameters = [
        inspect.Parameter(
            key,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if c.default is REQUIRED else c.default,
        )
        for key, c in arguments.items()
    ]
    fields = {
        "operation": op,
        "function": staticmethod(function or op.function),
        "arguments": arguments,
        "__doc__": op.__doc__,
        "__module__": __name__,
        "__signature__": inspect.Signature(parameters),
    }
    return type(name, (Activation,), fields)


Sigmoid = _activation("Sigmoid", "sigmoid")
Tanh = _activation("Tanh", "tanh")
ReLU = _activation("ReLU", "relu")
ReLU6 = _activation("ReLU6", "relu6")
LeakyReLU = _activation("LeakyReLU", "leaky_relu")
ELU = _activation("ELU", "elu")
CELU = _activation("CELU", "celu")
SELU = _activation("SELU", "selu")
GELU = _activation("GELU", "gelu")
SiLU = _activation("SiLU", "silu")
Mish = _activation("Mish", "mish")
Softplus = _activation("Softplus", "softplus")
Softsign = _activation("Softsign", "softsign")
LogSigmoid = _activation("LogSigmoid", "logsigmoid")
Hardsigmoid = _activation("Hardsigmoid", "hardsigmoid")
Hardtanh = _activation("Hardtanh", "hardtanh")
Hardswish = _activation("Hardswish", "hardswish")
Threshold = _activation("Threshold", "threshold")
Tanhshrink = _activation("Tanhshrink", "tanhshrink")
Softshrink = _activation("Softshrink", "softshrink")
Hardshrink = _activation("Hardshrink", "hardshrink")
GLU = _activation("GLU", "glu")
Softmax = _activation("Softmax", "softmax", F.softmax, dim=Optional(Int()))
LogSoftmax = _activation("LogSoftmax", "log_softmax", F.log_softmax, dim=Optional(Int()))
Softmin = _activation("Softmin", "softmin", F.softmin, dim=Optional(Int()))

# The notes' own: plain shares, and the two of binarised nets (straight-through gradients).
Hardmax = _activation("Hardmax", "hardmax")
HardSigmoidBNN = _activation("HardSigmoidBNN", "hard_sigmoid_bnn")
SignSTE = _activation("SignSTE", "sign_ste")


class PReLU(Module):
    """max(0, x) + a·min(0, x) with the slope a learned: one for all, or one for each channel.

    >>> cr.nn.PReLU()(cr.tensor([-2.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = Int(low=1).check(num_parameters, "PReLU", "num_parameters")
        self.init = Number().check(init, "PReLU", "init")
        self.weight = blank((num_parameters,), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every slope back to `init`."""
        initialisers.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """Leaky ReLU with a slope drawn from [lower, upper) for each element in training; in
    evaluation their mean."""

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = Number().check(lower, "RReLU", "lower")
        self.upper = Number(low=lower).check(upper, "RReLU", "upper")
        self.inplace = Bool().check(inplace, "RReLU", "inplace")

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        text = f"lower={self.lower}, upper={self.upper}"
        return f"{text}, inplace=True" if self.inplace else text


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W), at every place by itself."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ShapeError(
                t("Softmax2d takes (N, C, H, W) or (C, H, W), got shape {x}.", x=input.shape)
            )
        return F.softmax(input, -3)

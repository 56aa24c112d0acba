"""Activations as modules, made from the operations: one line each."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from chainrule.base.constraints import REQUIRED, Bool, Constraint, Int, Number
from chainrule.graph import Tensor
from chainrule.nn import functional as F
from chainrule.nn import init as initialisers
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter
from chainrule.ops.op import REGISTRY, Op


class Activation(Module):
    """An operation of one input as a module: its parameters become attributes.

    `inplace=True` (elementwise operations) writes the result into the input.
    """

    op: ClassVar[type[Op]]
    arguments: ClassVar[dict[str, Constraint]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        given = inspect.signature(type(self)).bind(*args, **kwargs)
        given.apply_defaults()
        for name, value in given.arguments.items():
            setattr(self, name, self.arguments[name].check(value, type(self).__name__, name))

    def forward(self, input: Tensor) -> Tensor:
        values = {name: getattr(self, name) for name in self.op.params}
        if getattr(self, "inplace", False):
            return getattr(input, f"{self.op.name}_")(**values)
        return self.op.function(input, **values)

    def extra_repr(self) -> str:
        parts = [f"{name}={getattr(self, name)!r}" for name in self.op.params]
        return ", ".join([*parts, "inplace=True"] if getattr(self, "inplace", False) else parts)


def _activation(name: str, operation: str) -> Any:
    """The module class `name` around the operation."""
    op = REGISTRY[operation]
    arguments = dict(op.params)
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
        "op": op,
        "arguments": arguments,
        "__doc__": op.__doc__,
        "__module__": __name__,
        "__signature__": inspect.Signature(parameters),
    }
    return type(name, (Activation,), fields)



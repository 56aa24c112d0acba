"""The errors of modules. Each also derives from the built-in that PyTorch raises there."""

from chainrule.base.errors import ArgumentError, ChainruleError


class RegistrationError(ArgumentError, KeyError):
    """A parameter, buffer or child that cannot be registered under this name."""

    __str__ = Exception.__str__  # KeyError's would print the message in quotes


class MissingAttributeError(ChainruleError, AttributeError):
    """An attribute, parameter or child that the module does not have."""


class MissingForwardError(ChainruleError, NotImplementedError):
    """A module that was called but does not say what it computes."""


class StateDictError(ChainruleError, RuntimeError):
    """A state dict that does not fit the module."""

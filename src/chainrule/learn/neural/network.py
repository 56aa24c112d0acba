"""The module of an estimator: made from what the user gave, or sized from the data."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule import nn
from chainrule.base.errors import ArgumentError
from chainrule.base.text import t
from chainrule.graph import Tensor, no_grad

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}


def perceptron(
    in_features: int,
    out_features: int,
    hidden: int | Sequence[int] = (100,),
    activation: str = "relu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """A multilayer perceptron: [N, ...] with in_features numbers a row → [N, out_features].

    Args:
        hidden: sizes of the hidden layers; activation: "relu", "tanh", "logistic", "gelu" or
            "identity"; dropout: share of the hidden values that training leaves out.
    """
    if activation not in _ACTIVATIONS:
        raise ArgumentError(
            t(
                "activation is one of {known}, not {value!r}.",
                known=", ".join(_ACTIVATIONS),
                value=activation,
            )
        )
    layers: list[nn.Module] = [nn.Flatten()]
    size = in_features
    for width in (hidden,) if isinstance(hidden, int) else hidden:
        layers += [nn.Linear(size, width), _ACTIVATIONS[activation]()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = width
    return nn.Sequential(*layers, nn.Linear(size, out_features))


def made(module: Any, options: dict[str, Any], shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The network of a fit.

    Args:
        module: None, for `perceptron`; a class or function that gives a Module; or a Module, of
            which a copy is taken, weights included.
        options: keywords of the class or function. What it takes as `in_features` and
            `out_features` comes from the data if it is not among them.
        shape: of one sample; outputs: classes, or targets of a regression.
    """
    if isinstance(module, nn.Module):
        if options:
            raise ArgumentError(
                t(
                    "module is made already, so module__{name} has no meaning: give its class.",
                    name=next(iter(options)),
                )
            )
        return copy.deepcopy(module)
    sizes = {"in_features": int(np.prod(shape)), "out_features": outputs}
    if module is None:
        return perceptron(**sizes | options)
    if not callable(module):
        raise ArgumentError(
            t("module is an nn.Module, a class or a function that makes one, not {value!r}.",
              value=module)
        )  # fmt: skip
    known = inspect.signature(module).parameters
    found = module(**{k: v for k, v in sizes.items() if k in known} | options)
    if not isinstance(found, nn.Module):
        kind = type(found).__name__
        raise ArgumentError(t("module must make an nn.Module, not {kind}.", kind=kind))
    return found


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every part gets its own mode back."""
    was = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in was:
            part.training = mode


def output_shape(module: nn.Module, X: np.ndarray) -> tuple[int, ...]:
    """The shape of one sample's output."""
    with evaluating(module), no_grad():
        output = module(Tensor(X[:1]))
    if not isinstance(output, Tensor) or output.ndim == 0 or output.shape[0] != len(X[:1]):
        what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ArgumentError(
            t("The module must give one row a sample; for 1 sample it gave {what}.", what=what)
        )
    return tuple(output.shape[1:])

"""Networks of fully connected layers."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from chainrule import nn
from chainrule.base.constraints import Choice, Interval, Ints
from chainrule.models.registry import model

ACTIVATIONS: dict[str, Any] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
}
_OUTPUTS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(1)}


def activation(name: str, owner: str) -> nn.Module:
    """A fresh activation of a name. Raises ArgumentError, listing the known ones."""
    made: nn.Module = ACTIVATIONS[Choice(*ACTIVATIONS).check(name, owner, "activation")]()
    return made


def output_layers(name: str | None, owner: str) -> list[tuple[str, nn.Module]]:
    """What follows the logits: nothing, or "sigmoid" or "softmax" under the name "output"."""
    if Choice(None, *_OUTPUTS).check(name, owner, "output") is None:
        return []
    return [("output", _OUTPUTS[str(name)]())]


@model("linear")
class LinearClassifier(nn.Sequential):
    """flatten → Linear(all, classes): multinomial logistic regression on logits (001 of the notes).

    784 inputs and 10 classes: 7,850 parameters.
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        classes: int = 10,
        output: str | None = None,
    ) -> None:
        layers = [
            ("flatten", nn.Flatten()),
            ("fc", nn.Linear(math.prod(input_shape), classes)),
            *output_layers(output, "linear"),
        ]
        super().__init__(OrderedDict(layers))


@model("mlp")
class MLP(nn.Sequential):
    """flatten → Linear → activation → dropout a hidden layer, then Linear: 003 §1-3 of the notes.

    784-256-128-10 with ReLU unless told otherwise: 235,146 parameters.

    Options:
        hidden: sizes of the hidden layers.
        activation: "relu", "sigmoid", "tanh", "leaky_relu", "elu" or "gelu".
        dropout: probability after each hidden layer; 0 leaves the layers out.
        output: None for logits, "sigmoid" or "softmax".
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        classes: int = 10,
        hidden: Sequence[int] = (256, 128),
        activation: str = "relu",
        dropout: float = 0.0,
        output: str | None = None,
    ) -> None:
        sizes = [math.prod(input_shape), *Ints(low=1).check(hidden, "mlp", "hidden")]
        rate = Interval(0, 1).check(dropout, "mlp", "dropout")
        layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
        for i, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
            layers += [(f"fc{i}", nn.Linear(before, after)), (f"act{i}", _make(activation))]
            if rate:
                layers.append((f"drop{i}", nn.Dropout(rate)))
        layers.append((f"fc{len(sizes)}", nn.Linear(sizes[-1], classes)))
        super().__init__(OrderedDict([*layers, *output_layers(output, "mlp")]))


def _make(name: str) -> nn.Module:
    return activation(name, "mlp")

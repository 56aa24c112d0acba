"""The autoencoder (row A5): data squeezed through a narrow layer and restored."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule import nn
from chainrule.base.constraints import Choice, Ints
from chainrule.graph import Tensor
from chainrule.models.dense import activation as make_activation
from chainrule.models.registry import model


class Autoencoder(nn.Module):
    """encode: flatten → Linear → activation … → code; decode: the same sizes back. x̂ has x's shape.

    784-128-32-128-784 unless told otherwise. The code is linear, so that with `hidden` of one size
    and squared loss it spans what principal components span (P. Baldi, K. Hornik, 1989).

    Args:
        input_shape: of one input, without the batch.
        hidden: sizes of the encoder's layers; the last is the code's.
        activation: between layers, a name that `mlp` takes.
        output: None for any numbers, "sigmoid" for pixels 0 .. 1.
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        hidden: Sequence[int] = (128, 32),
        activation: str = "relu",
        output: str | None = "sigmoid",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_shape = Ints(low=1).check(input_shape, name, "input_shape")
        sizes = [math.prod(self.input_shape), *Ints(low=1).check(hidden, name, "hidden")]
        last = Choice(None, "sigmoid").check(output, name, "output")
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(sizes, activation, name))
        self.decoder = nn.Sequential(
            *_layers(sizes[::-1], activation, name), *([nn.Sigmoid()] if last else []),
            nn.Unflatten(1, self.input_shape),
        )  # fmt: skip

    def encode(self, x: Tensor) -> Tensor:
        """(N, *input_shape) → codes (N, hidden[-1])."""
        return self.encoder(x)

    def decode(self, code: Tensor) -> Tensor:
        """Codes (N, hidden[-1]) → (N, *input_shape)."""
        return self.decoder(code)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


@model("autoencoder")
def _by_name(
    input_shape: Sequence[int] = (1, 28, 28),
    classes: int = 1,
    hidden: Sequence[int] = (128, 32),
    activation: str = "relu",
    output: str | None = "sigmoid",
) -> Autoencoder:
    """It has no classes: their number means nothing."""
    return Autoencoder(input_shape, hidden, activation, output)


def _layers(sizes: Sequence[int], activation: str, owner: str) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(before, after), make_activation(activation, owner)]
    return layers[:-1]

"""What workloads are written in: shapes, initial weights and multiply-adds of each layer.

A network is a list of these. Each peer builds it in its own way (`peers/`), so all run the same
net from the same numbers. Parameter names are PyTorch's, below the layer's place in the list:
"0.weight", "3.norm1.running_mean". Shapes leave the batch out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

Shape = tuple[int, ...]
Weights = dict[str, np.ndarray]


class Layer(Protocol):
    """What the harness asks of a layer."""

    def shape(self, x: Shape) -> Shape:
        """The output's shape for an input of shape `x`."""

    def weights(self, rng: np.random.Generator) -> Weights:
        """Initial parameters and buffers, float32."""

    def multiply_adds(self, x: Shape) -> int:
        """Multiply-adds of one sample's forward pass; elementwise work is not counted."""

    def kept(self, x: Shape) -> int:
        """Numbers of one sample that the backward pass must read again."""


class Plain:
    """A layer without parameters whose work and memory are not counted: it can be fused away."""

    def weights(self, rng: np.random.Generator) -> Weights:
        return {}

    def multiply_adds(self, x: Shape) -> int:
        return 0

    def kept(self, x: Shape) -> int:
        return 0


def uniform(rng: np.random.Generator, fan_in: int, *shape: int) -> np.ndarray:
    """PyTorch's default scale: uniform within ±1/√fan_in."""
    bound = fan_in**-0.5
    return rng.uniform(-bound, bound, shape).astype(np.float32)


@dataclass(frozen=True)
class Conv(Plain):
    """Square convolution over [channels, height, width]."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True

    def shape(self, x: Shape) -> Shape:
        size = tuple((n + 2 * self.padding - self.kernel) // self.stride + 1 for n in x[1:])
        return (self.outputs, *size)

    def weights(self, rng: np.random.Generator) -> Weights:
        fan_in = self.inputs * self.kernel**2
        found = {"weight": uniform(rng, fan_in, self.outputs, self.inputs, *2 * [self.kernel])}
        if self.bias:
            found["bias"] = uniform(rng, fan_in, self.outputs)
        return found

    def multiply_adds(self, x: Shape) -> int:
        return prod(self.shape(x)) * self.inputs * self.kernel**2

    def kept(self, x: Shape) -> int:
        return prod(self.shape(x))


@dataclass(frozen=True)
class BatchNorm(Plain):
    """Batch normalisation; its output follows from its input, so it need not be kept."""

    channels: int

    def shape(self, x: Shape) -> Shape:
        return x

    def weights(self, rng: np.random.Generator) -> Weights:
        ones, zeros = np.ones(self.channels, np.float32), np.zeros(self.channels, np.float32)
        return {"weight": ones, "bias": zeros, "running_mean": zeros, "running_var": ones}


@dataclass(frozen=True)
class Activation(Plain):
    """ReLU or sigmoid: `kind` is "relu" or "sigmoid"."""

    kind: str

    def shape(self, x: Shape) -> Shape:
        return x


@dataclass(frozen=True)
class Pool(Plain):
    """Squares that do not overlap, reduced: `kind` is "max" or "average"."""

    kind: str
    size: int

    def shape(self, x: Shape) -> Shape:
        return (x[0], *(n // self.size for n in x[1:]))


@dataclass(frozen=True)
class GlobalAverage(Plain):
    """[channels, height, width] → [channels]."""

    def shape(self, x: Shape) -> Shape:
        return x[:1]


@dataclass(frozen=True)
class Flatten(Plain):
    def shape(self, x: Shape) -> Shape:
        return (prod(x),)


@dataclass(frozen=True)
class Linear(Plain):
    inputs: int
    outputs: int

    def shape(self, x: Shape) -> Shape:
        return (*x[:-1], self.outputs)

    def weights(self, rng: np.random.Generator) -> Weights:
        return {
            "weight": uniform(rng, self.inputs, self.outputs, self.inputs),
            "bias": uniform(rng, self.inputs, self.outputs),
        }

    def multiply_adds(self, x: Shape) -> int:
        return prod(x) * self.outputs

    def kept(self, x: Shape) -> int:
        return prod(self.shape(x))


@dataclass(frozen=True)
class Embedding(Plain):
    rows: int
    width: int

    def shape(self, x: Shape) -> Shape:
        return (*x, self.width)

    def weights(self, rng: np.random.Generator) -> Weights:
        return {"weight": rng.normal(size=(self.rows, self.width)).astype(np.float32)}


@dataclass(frozen=True)
class LSTM(Plain):
    """One layer over [steps, inputs]; gates in PyTorch's order: input, forget, cell, output."""

    inputs: int
    units: int

    def shape(self, x: Shape) -> Shape:
        return (x[0], self.units)

    def weights(self, rng: np.random.Generator) -> Weights:
        shapes = {
            "weight_ih_l0": (4 * self.units, self.inputs),
            "weight_hh_l0": (4 * self.units, self.units),
            "bias_ih_l0": (4 * self.units,),
            "bias_hh_l0": (4 * self.units,),
        }
        return {f"lstm.{k}": uniform(rng, self.units, *shape) for k, shape in shapes.items()}

    def multiply_adds(self, x: Shape) -> int:
        return x[0] * 4 * self.units * (self.inputs + self.units)

    def kept(self, x: Shape) -> int:
        # Four gates, the cell and the hidden state of each step.
        return x[0] * 6 * self.units


@dataclass(frozen=True)
class Residual(Plain):
    """relu(norm(conv(relu(norm(conv x)))) + shortcut): He et al. 2015; a 1×1 convolution with batch
    norm where the shape changes."""

    inputs: int
    outputs: int
    stride: int = 1

    @property
    def projects(self) -> bool:
        return self.stride != 1 or self.inputs != self.outputs

    def parts(self) -> dict[str, Layer]:
        found: dict[str, Layer] = {
            "conv1": Conv(self.inputs, self.outputs, 3, self.stride, 1, bias=False),
            "norm1": BatchNorm(self.outputs),
            "conv2": Conv(self.outputs, self.outputs, 3, 1, 1, bias=False),
            "norm2": BatchNorm(self.outputs),
        }
        if self.projects:
            found["shortcut.0"] = Conv(self.inputs, self.outputs, 1, self.stride, bias=False)
            found["shortcut.1"] = BatchNorm(self.outputs)
        return found

    def _shapes(self, x: Shape) -> list[tuple[Layer, Shape]]:
        """Each convolution with its input's shape."""
        inner = self.shape(x)
        shape_of = {"conv1": x, "conv2": inner, "shortcut.0": x}
        return [(part, shape_of[k]) for k, part in self.parts().items() if k in shape_of]

    def shape(self, x: Shape) -> Shape:
        return self.parts()["conv1"].shape(x)

    def weights(self, rng: np.random.Generator) -> Weights:
        parts = self.parts().items()
        return {f"{k}.{name}": w for k, part in parts for name, w in part.weights(rng).items()}

    def multiply_adds(self, x: Shape) -> int:
        return sum(part.multiply_adds(shape) for part, shape in self._shapes(x))

    def kept(self, x: Shape) -> int:
        # The sum after the ReLU is the next block's input.
        return sum(part.kept(shape) for part, shape in self._shapes(x)) + prod(self.shape(x))


def walk(layers: Sequence[Layer], shape: Shape) -> list[tuple[Layer, Shape]]:
    """Each layer with its input's shape."""
    found = []
    for layer in layers:
        found.append((layer, shape))
        shape = layer.shape(shape)
    return found
